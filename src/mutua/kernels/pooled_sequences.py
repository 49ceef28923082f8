"""Two sets of sequences as one, and labels dealt anew: which of them make up the first set."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.errors import InvalidInput
from mutua.kernels.random_sequences import derived_seed, mix64, random_stream
from mutua.kernels.sequence_blocks import BlockSource, FixedPointWeights, PositionTask

__all__ = ["Deal", "MemberBlocks", "PooledBlocks", "PooledSets", "deal_labels"]

GAMMA = np.uint64(0x9E3779B97F4A7C15)  # the increment of SplitMix64


@dataclass(frozen=True)
class PooledBlocks:
    """Two `BlockSource` of equal length as one, the second after the first.

    Attributes
    ----------
    first, second
        The two sets; blocks of the pool are as long as those of the first.
    """

    first: BlockSource
    second: BlockSource

    @property
    def n_sequences(self) -> int:
        """Number of sequences of both."""
        return self.first.n_sequences + self.second.n_sequences

    @property
    def n_positions(self) -> int:
        """Number of letters of each sequence."""
        return self.first.n_positions

    @property
    def block_size(self) -> int:
        """Sequences in every block but the last."""
        return self.first.block_size

    def block(self, number: int) -> NDArray[np.uint8]:
        """Give the letter codes of one block, of either set or of the end of one and the other."""
        start = number * self.block_size
        stop = min(start + self.block_size, self.n_sequences)
        border = self.first.n_sequences
        if stop <= border:
            return self.first.block(number)
        parts = [] if start >= border else [self.first.block(number)]
        parts.append(_rows(self.second, max(start, border) - border, stop - border))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


@dataclass(frozen=True)
class MemberBlocks:
    """Some sequences of a `BlockSource`.

    Attributes
    ----------
    source
        All sequences.
    members
        (n_sequences,) unsigned, which of them, in ascending order.
    """

    source: BlockSource
    members: NDArray[np.uint32]

    @property
    def n_sequences(self) -> int:
        """Number of members."""
        return len(self.members)

    @property
    def n_positions(self) -> int:
        """Number of letters of each sequence."""
        return self.source.n_positions

    @property
    def block_size(self) -> int:
        """Members in every block but the last."""
        return self.source.block_size

    def block(self, number: int) -> NDArray[np.uint8]:
        """Give the letter codes of one block of members, from however many blocks of all."""
        size = self.block_size
        members = self.members[number * size : (number + 1) * size]
        codes = np.empty((len(members), self.n_positions), np.uint8)
        for one in range(int(members[0]) // size, int(members[-1]) // size + 1):
            first, stop = np.searchsorted(members, [one * size, (one + 1) * size])
            if first < stop:
                codes[first:stop] = self.source.block(one)[members[first:stop] - one * size]
        return codes


def _rows(source: BlockSource, start: int, stop: int) -> NDArray[np.uint8]:
    """Read a range of sequences, from however many blocks."""
    size = source.block_size
    numbers = range(start // size, -(-stop // size))
    parts = [
        source.block(number)[max(start - number * size, 0) : stop - number * size]
        for number in numbers
    ]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


@njit(nogil=True, cache=True)
def deal_labels(
    seed: np.uint64, permutation: int, n_sequences: int, n_members: int
) -> NDArray[Any]:
    """Draw `n_members` of `n_sequences` sequences, every choice equally likely.

    One pass over the sequences, each taken with the probability that is left for it (Fan, Muller
    and Rezucha 1962; Knuth's algorithm S). Depends on the arguments only.

    Returns
    -------
    NDArray
        (n_members,) uint32, ascending.
    """
    members = np.empty(n_members, np.uint32)
    state = random_stream(np.uint64(seed), permutation)
    n_taken = 0
    for s in range(n_sequences):
        if n_taken == n_members:
            break
        state += GAMMA
        uniform = (mix64(state) >> np.uint64(11)) * 2.0**-53
        if uniform * (n_sequences - s) < n_members - n_taken:
            members[n_taken] = s
            n_taken += 1
    return members


class Deal(NamedTuple):
    """Two sets that all sequences of a pool are dealt to: the smaller one, and the others.

    Attributes
    ----------
    parts
        (n_members,) and (n_others,) uint32, which sequences are in either, ascending.
    seeds
        Of the shuffles of the columns of either.
    """

    parts: tuple[NDArray[np.uint32], NDArray[np.uint32]]
    seeds: tuple[int, int]


@dataclass(frozen=True)
class PooledSets:
    """Two sets of sequences and how their pairs of positions are counted.

    Attributes
    ----------
    a, b
        The sets, of one length.
    k, alphabet_size, pseudocount
        As for `mutua.kernels.position_mi.position_mi`.
    weights_a, weights_b
        Weights of the sequences of both sets, or None for both.

    Raises
    ------
    InvalidInput
        Sets of different length, or of fewer than two sequences; weights for one set only; or as
        `mutua.kernels.position_mi.position_mi`.
    """

    a: BlockSource
    b: BlockSource
    k: int
    alphabet_size: int
    pseudocount: float = 0.0
    weights_a: NDArray[np.floating] | None = None
    weights_b: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        if self.a.n_positions != self.b.n_positions:
            raise InvalidInput(
                "codes",
                f"sequences of {self.a.n_positions} and of {self.b.n_positions} positions",
                "give two sets of one length",
            )
        if min(self.a.n_sequences, self.b.n_sequences) < 2:
            raise InvalidInput("codes", "a set of one sequence", "give at least two in each set")
        if (self.weights_a is None) != (self.weights_b is None):
            raise InvalidInput("weights", "of one of two sets", "give weights of both or neither")
        _ = self.pool  # which refuses what cannot be counted

    @cached_property
    def pool(self) -> PositionTask:
        """Both sets as one."""
        weights = None
        if self.weights_a is not None and self.weights_b is not None:
            weights = np.concatenate([self.weights_a, self.weights_b])
        source = PooledBlocks(self.a, self.b)
        return PositionTask(source, self.k, self.alphabet_size, self.pseudocount, weights)

    @property
    def a_is_smaller(self) -> bool:
        """Whether the set that is dealt, the smaller one, stands for a."""
        return self.a.n_sequences <= self.b.n_sequences

    @property
    def observed(self) -> NDArray[np.uint32]:
        """The sequences of the smaller set in the pool."""
        border, n = self.a.n_sequences, self.pool.n_sequences
        first, stop = (0, border) if self.a_is_smaller else (border, n)
        return np.arange(first, stop, dtype=np.uint32)

    def dealt(self, seed: np.uint64, permutation: int) -> NDArray[np.uint32]:
        """Give the sequences of the smaller set of one permutation."""
        n_members = min(self.a.n_sequences, self.b.n_sequences)
        return np.asarray(deal_labels(seed, permutation, self.pool.n_sequences, n_members))

    def deal(self, members: NDArray[np.uint32], seed: int) -> Deal:
        """Give a set and that of all others, with seeds made from one."""
        own, other = (int(derived_seed(seed, which)) for which in ("members", "others"))
        return Deal((members, self.others(members)), (own, other))

    def permuted(self, seed: np.uint64, permutation: int) -> Deal:
        """Give both sets of one permutation."""
        own = derived_seed(int(seed), f"shuffles of {permutation}")
        return self.deal(self.dealt(seed, permutation), int(own))

    def part(self, members: NDArray[np.uint32]) -> _Part:
        """Give some sequences of the pool as a task, with their weights in the pool's unit."""
        pool, fixed = self.pool, self.pool.fixed_weights
        if fixed is not None:
            fixed = FixedPointWeights(fixed.units[members], fixed.unit)
        source = MemberBlocks(pool.source, members)
        return _Part(source, pool.k, pool.alphabet_size, pool.pseudocount, fixed=fixed)

    def others(self, members: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Give the sequences of the pool that are not among `members`."""
        rest = np.ones(self.pool.n_sequences, np.bool_)
        rest[members] = False
        return np.flatnonzero(rest).astype(np.uint32)


@dataclass(frozen=True)
class _Part(PositionTask):
    """Some sequences of a pool, whose weights are in fixed point already."""

    fixed: FixedPointWeights | None = None

    @property
    def fixed_weights(self) -> FixedPointWeights | None:
        return self.fixed
