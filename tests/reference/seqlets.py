"""Seqlets as plain loops over the definitions."""

import numpy as np


def observed(attribution: np.ndarray, codes: np.ndarray) -> np.ndarray:
    values = np.full(codes.shape, -np.inf)
    for row, position in np.ndindex(codes.shape):
        if codes[row, position] < attribution.shape[1]:
            values[row, position] = attribution[row, codes[row, position], position]
    return values


def tail(sums: dict[int, float], least: int) -> float:
    return sum(chance for total, chance in sorted(sums.items(), reverse=True) if total >= least)


def bins_of(values: np.ndarray, n_bins: int) -> list[list[int | None]]:
    known = values[values > -np.inf]
    width = (known.max() - known.min()) / (n_bins - 1)
    return [
        [
            None
            if value == -np.inf
            else min(max(int(np.floor((value - known.min()) / width)), 0), n_bins - 1)
            for value in row
        ]
        for row in values
    ]


def recursive(
    values: np.ndarray,
    *,
    threshold: float,
    min_length: int,
    max_length: int,
    flank: int,
    n_bins: int,
) -> list[tuple[int, int, int, float, float]]:
    """(sequence, start, end, attribution, score), sorted."""
    bins = bins_of(values, n_bins)
    drawn = [one for row in bins for one in row if one is not None]
    share = {one: drawn.count(one) / len(drawn) for one in set(drawn)}
    sums = {0: {0: 1.0}}
    for length in range(1, max_length + 1):
        sums[length] = {}
        for total, chance in sums[length - 1].items():
            for one, weight in share.items():
                sums[length][total + one] = sums[length].get(total + one, 0.0) + chance * weight
    found = []
    for row in range(len(values)):
        n = values.shape[1]
        p = {}
        for length in range(min_length, min(max_length, n) + 1):
            for start in range(n - length + 1):
                part = bins[row][start : start + length]
                p[start, length] = 2.0 if None in part else tail(sums[length], sum(part))

        def passes(start: int, length: int, p: dict = p) -> bool:
            return all(
                p[first, size] < threshold
                for size in range(min_length, length + 1)
                for first in range(start, start + length - size + 1)
            )

        def worst(start: int, length: int, p: dict = p) -> float:
            return max(p[start, size] for size in range(min_length, length + 1))

        taken: set[int] = set()
        for length in range(min(max_length, n), min_length - 1, -1):
            candidates = [start for start in range(n - length + 1) if passes(start, length)]
            for start in sorted(candidates, key=lambda s, m=length: worst(s, m)):
                core = set(range(start, start + length))
                if core & taken:
                    continue
                taken |= core
                first, last = start, start + length
                while first > max(0, start - flank) and bins[row][first - 1] is not None:
                    first -= 1
                while last < min(n, start + length + flank) and bins[row][last] is not None:
                    last += 1
                total = float(np.sum(values[row, first:last]))
                found.append((row, first, last, total, p[start, length]))
    return sorted(found)


def greedy_windows(
    values: np.ndarray, *, window: int, flank: int, high: float, low: float
) -> list[tuple[int, int, int]]:
    """The windows with a sum of at least `high` or at most `low`, the largest first."""
    found = []
    for row, sequence in enumerate(values):
        left = {}
        for start in range(flank, len(sequence) - window - flank + 1):
            total = sequence[start : start + window].sum()
            missing = np.isinf(sequence[start - flank : start + window + flank]).any()
            if not missing and (total >= high or total <= low):
                left[start] = abs(total)
        while left:
            best = max(left, key=lambda start: (left[start], -start))
            found.append((row, best - flank, best + window + flank))
            apart = window // 2 + flank
            left = {start: v for start, v in left.items() if abs(start - best) > apart}
    return sorted(found)
