"""The formulas of position mutual information as plain loops."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """Statistics of one pair of positions."""

    mi: float
    entropy_i: float
    entropy_j: float
    entropy_joint: float
    weight: float
    support_i: int
    support_j: int
    support_joint: int


def kmer(sequence: Sequence[int], position: int, k: int, alphabet_size: int) -> int | None:
    """The number of a k-mer, first letter most significant; None if a letter is missing."""
    number = 0
    for letter in sequence[position : position + k]:
        if letter >= alphabet_size:
            return None
        number = number * alphabet_size + letter
    return number


def pair_counts(
    codes: Sequence[Sequence[int]],
    i: int,
    j: int,
    k: int,
    alphabet_size: int,
    weights: Sequence[float],
) -> Counter[tuple[int, int]]:
    counts: Counter[tuple[int, int]] = Counter()
    for sequence, weight in zip(codes, weights, strict=True):
        x = kmer(sequence, i, k, alphabet_size)
        y = kmer(sequence, j, k, alphabet_size)
        if x is not None and y is not None and weight > 0:
            counts[x, y] += weight
    return counts


def marginal(counts: Counter[tuple[int, int]], axis: int) -> Counter[int]:
    result: Counter[int] = Counter()
    for pair, weight in counts.items():
        result[pair[axis]] += weight
    return result


def smoothed(count: float, total: float, pseudocount: float, n_bins: int) -> float:
    gamma = pseudocount * total
    return (gamma / n_bins + count) / (total + gamma)


def plogp(p: float) -> float:
    return p * math.log2(p) if p > 0 else 0.0


def pair_statistics(
    codes: Sequence[Sequence[int]],
    i: int,
    j: int,
    k: int,
    alphabet_size: int,
    pseudocount: float,
    weights: Sequence[float],
) -> Pair | None:
    """All sums over all bins; None where no sequence has both k-mers."""
    joint = pair_counts(codes, i, j, k, alphabet_size, weights)
    total = math.fsum(joint.values())
    if total == 0:
        return None
    at_i, at_j = marginal(joint, 0), marginal(joint, 1)
    n = alphabet_size**k
    p_i = [smoothed(at_i[x], total, pseudocount, n) for x in range(n)]
    p_j = [smoothed(at_j[y], total, pseudocount, n) for y in range(n)]
    bins = itertools.product(range(n), range(n)) if pseudocount > 0 else list(joint)
    p_ij = {b: smoothed(joint[b], total, pseudocount, n * n) for b in bins}
    return Pair(
        mi=math.fsum(p * math.log2(p / (p_i[x] * p_j[y])) for (x, y), p in p_ij.items()),
        entropy_i=-math.fsum(map(plogp, p_i)),
        entropy_j=-math.fsum(map(plogp, p_j)),
        entropy_joint=-math.fsum(map(plogp, p_ij.values())),
        weight=total,
        support_i=len(at_i),
        support_j=len(at_j),
        support_joint=len(joint),
    )


def pair_distance(
    codes: Sequence[Sequence[int]],
    i: int,
    j: int,
    k: int,
    alphabet_size: int,
    pseudocount: float,
    weights: Sequence[float],
    measure: str,
) -> float | None:
    """The distance between the two marginal distributions of a pair."""
    joint = pair_counts(codes, i, j, k, alphabet_size, weights)
    total = math.fsum(joint.values())
    if total == 0:
        return None
    at_i, at_j = marginal(joint, 0), marginal(joint, 1)
    n = alphabet_size**k
    p = [smoothed(at_i[x], total, pseudocount, n) for x in range(n)]
    q = [smoothed(at_j[x], total, pseudocount, n) for x in range(n)]
    if measure in ("jensen_shannon", "inverse_jensen_shannon"):
        middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
        divergence = (
            -math.fsum(map(plogp, middle))
            + (math.fsum(map(plogp, p)) + math.fsum(map(plogp, q))) / 2
        )
        distance = math.sqrt(max(divergence, 0.0))
        return distance if measure == "jensen_shannon" else 1 - distance
    coefficient = min(math.fsum(math.sqrt(a * b) for a, b in zip(p, q, strict=True)), 1.0)
    if measure == "hellinger":
        return math.sqrt(1 - coefficient)
    if measure == "bhattacharyya":
        return -math.log(coefficient) if coefficient > 0 else math.inf
    return -math.log(1 - coefficient) if coefficient < 1 else math.inf
