"""Sums of digammas of pairs of columns with many samples, one pair at a time.

The samples are cut into strips along the one column and sorted by the other inside each. A strip
is about as wide as a sample's neighbours are far, so that few of its samples are looked at: the
time grows hardly faster than the number of samples. Where many values are almost the same, as with
abundances that are 0, strips hold more of them and the search is slower, and no less exact.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.knn_counts import LEAST
from mutua.kernels.knn_lanes import count_in_tree

__all__ = ["strip_sums"]

Reals = NDArray[np.float64]
Longs = NDArray[np.int64]

_TAIL = 20  # one part of so many on either side is left out of the spread of a column
_PER_CELL = 0.7  # samples in a square of a strip's width, for each neighbour


@njit(cache=True, nogil=True)
def strip_sums(
    one: Reals,
    tree: Reals,
    targets: Reals,
    trees: Reals,
    starts: Longs,
    members: Longs,
    rows: NDArray[np.int32],
    n_neighbors: int,
    table: Longs,
    totals: Longs,
    first: int,
    last: int,
) -> None:
    """As `mutua.kernels.knn_lanes.lane_sums`, for any number of neighbours."""
    n = len(one)
    order = np.argsort(one)
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    x = one[order]
    points = np.empty((n, 2))
    sample = np.empty(n, np.int64)
    nearest = np.empty(n_neighbors)
    before, by_value, bounds = -1, order, order
    for number in range(first, last):
        target, row = members[number // len(rows)], rows[number % len(rows)]
        if target != before:
            before, by_value = target, np.argsort(targets[target])
            middle = targets[target][by_value[n // _TAIL : n - n // _TAIL]]
            bounds = _strips(x, _PER_CELL * n_neighbors * (middle[-1] - middle[0]))
        for i in range(n):
            sample[row[i]] = place[i]
        _fill(x, targets[target], by_value, sample, bounds, points)
        base = target * trees.shape[1]
        totals[number] = _sum(x, points, bounds, tree, trees, base, starts, nearest, table)


@njit(cache=True, nogil=True)
def _strips(x: Reals, area: float) -> Longs:
    """Give where strips of ascending x begin, and the end: count times width is about `area`."""
    bounds = np.empty(len(x) + 1, np.int64)
    bounds[0] = n_strips = 0
    for i in range(1, len(x)):
        begun = bounds[n_strips]
        if (i - begun) * (x[i] - x[begun]) > area:
            n_strips += 1
            bounds[n_strips] = i
    bounds[n_strips + 1] = len(x)
    return bounds[: n_strips + 2].copy()


@njit(cache=True, nogil=True)
def _fill(
    x: Reals, target: Reals, by_value: Longs, sample: Longs, bounds: Longs, points: Reals
) -> None:
    """Write x and y of all samples to `points`, strip after strip and by y in each."""
    strip_of = np.empty(len(x), np.int64)
    for strip in range(len(bounds) - 1):
        strip_of[bounds[strip] : bounds[strip + 1]] = strip
    ends = bounds.copy()
    for row in by_value:
        at = sample[row]
        end = ends[strip_of[at]]
        points[end, 0], points[end, 1] = x[at], target[row]
        ends[strip_of[at]] = end + 1


@njit(cache=True, nogil=True)
def _sum(
    x: Reals,
    points: Reals,
    bounds: Longs,
    tree: Reals,
    trees: Reals,
    base: int,
    starts: Longs,
    nearest: Reals,
    table: Longs,
) -> int:
    total, n_strips = 0, len(bounds) - 1
    cursors = np.zeros(n_strips, np.int64)  # the first sample of a strip with no lesser y
    used = np.full(n_strips, -1)
    for strip in range(n_strips):
        for own in range(bounds[strip], bounds[strip + 1]):
            here, level = points[own, 0], points[own, 1]
            nearest[:] = np.inf
            _search(points, here, level, bounds[strip], own, own + 1, bounds[strip + 1], nearest)
            left, right = strip, strip + 1  # strips from left to right - 1 are searched
            while True:
                below = here - x[bounds[left] - 1] if left > 0 else np.inf
                above = x[bounds[right]] - here if right < n_strips else np.inf
                if min(below, above) >= nearest[-1]:
                    break
                if below < above:
                    left -= 1
                    other = left
                else:
                    other = right
                    right += 1
                cursor, end = cursors[other], bounds[other + 1]
                if used[other] != strip:
                    used[other], cursor = strip, bounds[other]
                while cursor < end and points[cursor, 1] < level:
                    cursor += 1
                cursors[other] = cursor
                _search(points, here, level, bounds[other], cursor, cursor, end, nearest)
            radius = max(nearest[-1], LEAST)
            total += table[count_in_tree(tree, 0, starts, here, radius)]
            total += table[count_in_tree(trees, base, starts, level, radius)]
    return total


@njit(cache=True, nogil=True)
def _search(
    points: Reals,
    here: float,
    level: float,
    begin: int,
    low: int,
    high: int,
    end: int,
    nearest: Reals,
) -> None:
    """Look at the samples before `low` and from `high` on, as long as y is near enough."""
    while low > begin and level - points[low - 1, 1] < nearest[-1]:
        low -= 1
        _insert(max(abs(points[low, 0] - here), level - points[low, 1]), nearest)
    while high < end and points[high, 1] - level < nearest[-1]:
        _insert(max(abs(points[high, 0] - here), points[high, 1] - level), nearest)
        high += 1


@njit(cache=True, nogil=True, inline="always")
def _insert(distance: float, nearest: Reals) -> None:
    if distance < nearest[-1]:
        at = len(nearest) - 1
        while at > 0 and nearest[at - 1] > distance:
            nearest[at] = nearest[at - 1]
            at -= 1
        nearest[at] = distance
