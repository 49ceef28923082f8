"""Pairs and spacings of annotations as plain loops."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from scipy.stats import binom


class Row(NamedTuple):
    sequence: int
    start: int
    end: int
    motif: int
    reverse: int


def in_sequences(rows: Sequence[Row]) -> list[list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if row.motif >= 0:
            found[row.sequence].append(row)
    return list(found.values())


def middle(row: Row) -> int:
    return row.start + row.end


def pair_counts(rows: Sequence[Row], *, ordered: bool, unique: bool) -> Counter[tuple[int, int]]:
    """Count pairs; without order by (smaller, larger) motif."""
    counts: Counter[tuple[int, int]] = Counter()
    for members in in_sequences(rows):
        found: Counter[tuple[int, int]] = Counter()
        for one, other in itertools.combinations(members, 2):
            if not ordered:
                found[min(one.motif, other.motif), max(one.motif, other.motif)] += 1
            elif middle(one) != middle(other):
                left, right = sorted([one, other], key=middle)
                found[left.motif, right.motif] += 1
        for pair, n in found.items():
            counts[pair] += 1 if unique else n
    return counts


Cell = tuple[int, int, int, int]


def spacings(
    rows: Sequence[Row],
    lengths: Sequence[int],
    *,
    max_distance: int,
    signed: bool = False,
    orientation: bool = True,
    ordered: bool = False,
    self_pairs: bool = False,
) -> tuple[Counter[Cell], dict[Cell, Fraction]]:
    """Count and expect (motif_a, motif_b, orientation, distance)."""
    counts: Counter[Cell] = Counter()
    expected: dict[Cell, Fraction] = defaultdict(Fraction)
    for members in in_sequences(rows):
        for one, other in itertools.combinations(members, 2):
            if middle(one) == middle(other) or (one.motif == other.motif and not self_pairs):
                continue
            left, right = sorted([one, other], key=middle)
            distance = right.start - left.end
            if distance > max_distance or (distance < 0 and not signed):
                continue
            a, b = (left.motif, left.reverse), (right.motif, right.reverse)
            turned = (right.motif, 1 - right.reverse), (left.motif, 1 - left.reverse)
            if not ordered and (a[0] > b[0] or (a[0] == b[0] and a[1] == b[1] == 1)):
                a, b = turned
            pair = a[0], b[0], (2 * a[1] + b[1]) if orientation else 0
            counts[*pair, distance] += 1
            v, w = left.end - left.start, right.end - right.start
            lowest = 1 - max(v, w) - min(v, w) if signed else 0
            placements = {}
            for d in range(lowest, max_distance + 1):
                if 2 * d + v + w <= 0:
                    continue  # the middles would be equal or change sides
                span = max(v + w + d, v, w)
                placements[d] = max(0, lengths[left.sequence] - span + 1)
            total = sum(placements.values())
            for d, n in placements.items():
                expected[*pair, d] += Fraction(n, total)
    return counts, dict(expected)


def spacing_p(
    counts: dict[int, int], expected: dict[int, float], *, level: float = 0.01
) -> dict[int, tuple[float, float]]:
    """Give the expected number and the p-value of each distance of one pair.

    Each is tested among all that are not too frequent; these are found first, by Bonferroni.
    """
    possible = [d for d, mean in expected.items() if mean > 0]

    def test(d: int, others: set[int]) -> tuple[float, float]:
        among = [x for x in possible if x == d or x not in others]
        total = sum(counts.get(x, 0) for x in among)
        share = float(expected[d] / sum(expected[x] for x in among))
        n = counts.get(d, 0)
        p = 2 * min(binom.sf(n - 1, total, share), binom.cdf(n, total, share))
        return total * share, min(1.0, float(p))

    frequent: set[int] = set()
    while True:
        found = set()
        for d in possible:
            if d not in frequent:
                mean, p = test(d, frequent)
                if counts.get(d, 0) > mean and p * len(possible) <= level:
                    found.add(d)
        if not found:
            return {d: test(d, frequent) for d in possible}
        frequent |= found


def has_motif(rows: Sequence[Row]) -> set[tuple[int, int]]:
    return {(row.sequence, row.motif) for row in rows if row.motif >= 0}
