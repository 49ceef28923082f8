"""Sums of digammas of many columns against one, eight pairs of columns at a time.

The samples are sorted by the one column. From every sample a kernel walks outward in that order,
four samples at a time, on the side where they are nearer, until no lane can find a nearer
neighbour. Counts in the sorted columns come from a search tree with sixteen branches.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.knn_counts import LEAST
from mutua.kernels.vectors import (
    WIDTH,
    distance,
    farthest,
    insert,
    larger,
    load,
    minus,
    n_less,
    spread,
    store,
)

__all__ = ["Trees", "count_in_tree", "lane_sums", "search_trees"]

Reals = NDArray[np.float64]
Longs = NDArray[np.int64]

_TOGETHER = 4  # samples of one side of the walk
_BRANCHES = 2 * WIDTH
_GROUP_BYTES = 2**18  # of lanes side by side, which should stay in the second cache


class Trees(NamedTuple):
    """Search trees of sorted columns.

    Attributes
    ----------
    values
        (n_columns, size) float64: the levels, from the root to the values themselves; infinity
        fills up each.
    starts
        (n_levels,) int64, where the levels begin.
    """

    values: Reals
    starts: Longs


def search_trees(columns: Reals) -> Trees:
    """Give the trees of columns (n_columns, n_samples), in any order."""
    sizes = [columns.shape[1] // _BRANCHES + 1]  # blocks; the last value is always infinite
    while sizes[0] > 1:
        sizes.insert(0, -(-sizes[0] // _BRANCHES))
    starts = np.cumsum([0, *sizes]) * _BRANCHES
    values = np.full((len(columns), starts[-1]), np.inf)
    own = values[:, starts[-2] : starts[-2] + columns.shape[1]]
    own[:] = columns
    own.sort(axis=1)
    for level in range(len(sizes) - 1, 0, -1):
        last = values[:, starts[level] + _BRANCHES - 1 : starts[level + 1] : _BRANCHES]
        values[:, starts[level - 1] : starts[level - 1] + last.shape[1]] = last
    return Trees(values, starts[:-1].astype(np.int64))


@njit(cache=True, nogil=True)
def lane_sums(
    one: Reals,
    tree: Reals,
    targets: Reals,
    trees: Reals,
    starts: Longs,
    members: Longs,
    rows: NDArray[np.int32],
    several: tuple[int, ...],
    table: Longs,
    totals: Longs,
    first: int,
    last: int,
) -> None:
    """Fill ``totals[first:last]``, sums of digammas of both counts over all samples.

    Parameters
    ----------
    one
        (n_samples,) the column that samples are sorted by.
    tree
        Its search tree.
    targets, trees
        (n_targets, n_samples) the other columns, and their trees.
    starts
        Where the levels of the trees begin.
    members
        (n_members,) the targets that are wanted.
    rows
        (n_orders, n_samples): which value of a target each sample has.
    several
        A tuple of as many members as there are neighbours; compiled for each length.
    table
        Digammas by count.
    totals
        (n_members * n_orders,), all orders of the first member before those of the next.
    """
    n = len(one)
    pads = 2 * _TOGETHER
    order = np.argsort(one)
    x = np.full(n + pads, np.inf)
    x[:_TOGETHER] = -np.inf
    x[_TOGETHER : _TOGETHER + n] = one[order]
    n_together = max(1, _GROUP_BYTES // (8 * WIDTH * (n + pads)))
    z = np.zeros((n_together, n + pads, WIDTH))
    which = np.empty((n_together, WIDTH), np.int64)
    sums = np.empty((n_together, WIDTH), np.int64)
    for start in range(first, last, n_together * WIDTH):
        stop = min(last, start + n_together * WIDTH)
        n_tiles = -(-(stop - start) // WIDTH)
        for lane in range(n_tiles * WIDTH):
            number = min(start + lane, stop - 1)
            target = members[number // len(rows)]
            row, column = rows[number % len(rows)], targets[target]
            tile, place = lane // WIDTH, lane % WIDTH
            which[tile, place] = target
            for i in range(n):
                z[tile, _TOGETHER + i, place] = column[row[order[i]]]
        sums[:n_tiles] = 0
        for tile in range(n_tiles):
            _tile_sums(x, tree, z[tile], trees, which[tile], starts, several, table, sums[tile])
        totals[start:stop] = sums.ravel()[: stop - start]


@njit(cache=True, nogil=True)
def _tile_sums(
    x: Reals,
    tree: Reals,
    z: Reals,
    trees: Reals,
    which: Longs,
    starts: Longs,
    several: Any,
    table: Longs,
    sums: Longs,
) -> None:
    """Add up one tile of lanes; `x` and `z` begin and end with `_TOGETHER` samples far away."""
    radii = np.empty(WIDTH)
    for i in range(_TOGETHER, len(x) - _TOGETHER):
        here = x[i]
        own = load(z, i * WIDTH)
        nearest = farthest(several)
        low, high = i - 1, i + 1
        below, above = here - x[low], x[high] - here
        while True:
            down = below < above
            start = low - (_TOGETHER - 1) if down else high
            low = low - _TOGETHER if down else low
            high = high if down else high + _TOGETHER
            for j in range(start, start + _TOGETHER):
                apart = spread(abs(x[j] - here))
                nearest = insert(nearest, larger(apart, distance(load(z, j * WIDTH), own)))
            low, high = max(low, 0), min(high, len(x) - 1)
            below, above = here - x[low], x[high] - here
            if n_less(spread(min(below, above)), nearest[-1]) == 0:
                break
        store(radii, 0, nearest[-1])
        for lane in range(WIDTH):
            radius = max(radii[lane], LEAST)
            sums[lane] += table[count_in_tree(tree, 0, starts, here, radius)]
            base = which[lane] * trees.shape[1]
            sums[lane] += table[count_in_tree(trees, base, starts, z[i, lane], radius)]


@njit(cache=True, nogil=True, inline="always")
def count_in_tree(trees: Reals, base: int, starts: Longs, centre: float, radius: float) -> int:
    """Count values less than `radius` from `centre` in the tree that begins at flat `base`.

    The differences are compared, as they are computed, and not values with a computed bound.
    """
    middle, edge = spread(centre), spread(radius)
    low = high = 0
    for level in range(len(starts)):
        at = base + starts[level] + _BRANCHES * low
        low = _BRANCHES * low
        low += WIDTH - n_less(minus(middle, load(trees, at)), edge)
        low += WIDTH - n_less(minus(middle, load(trees, at + WIDTH)), edge)
        at = base + starts[level] + _BRANCHES * high
        high = _BRANCHES * high
        high += n_less(minus(load(trees, at), middle), edge)
        high += n_less(minus(load(trees, at + WIDTH), middle), edge)
    return high - low
