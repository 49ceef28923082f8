"""Permuted labels of two sets of sequences as plain loops."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.reference.position_mi import pair_statistics


@dataclass(frozen=True)
class Difference:
    """The difference of one pair of positions and of every permutation."""

    mi_a: float
    mi_b: float
    permuted: list[float]

    @property
    def mean(self) -> float:
        return math.fsum(self.permuted) / len(self.permuted)

    @property
    def moments(self) -> tuple[float, float]:
        """Variance and skewness over the permutations, both bias-corrected."""
        n = len(self.permuted)
        squares, cubes = (
            math.fsum((value - self.mean) ** power for value in self.permuted) for power in (2, 3)
        )
        biased = (cubes / n) / (squares / n) ** 1.5
        return squares / (n - 1), biased * math.sqrt(n * (n - 1)) / (n - 2)

    def n_above(self, observed: float) -> int:
        return sum(value >= observed for value in self.permuted)

    def n_below(self, observed: float) -> int:
        return sum(value <= observed for value in self.permuted)


def pair_difference(
    a: Sequence[Sequence[int]],
    b: Sequence[Sequence[int]],
    permutations: Iterable[Sequence[int]],
    i: int,
    j: int,
    k: int,
    alphabet_size: int,
    pseudocount: float,
    weights: Sequence[float],
) -> Difference:
    """Both sets, and for every permutation the sequences of the pool that make up set a."""
    pool = [*a, *b]

    def mi(members: Iterable[int]) -> float:
        chosen = list(members)
        found = pair_statistics(
            [pool[s] for s in chosen],
            i,
            j,
            k,
            alphabet_size,
            pseudocount,
            [weights[s] for s in chosen],
        )
        return math.nan if found is None else found.mi

    def difference(members: Sequence[int]) -> float:
        others = set(range(len(pool))) - set(members)
        return mi(members) - mi(sorted(others))

    return Difference(
        mi_a=mi(range(len(a))),
        mi_b=mi(range(len(a), len(pool))),
        permuted=[difference(members) for members in permutations],
    )
