"""The best of overlapping spans, as a greedy choice within groups."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.threads import Workers

__all__ = ["best_spans"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def best_spans(
    group: npt.NDArray[np.integer],
    start: npt.NDArray[np.integer],
    end: npt.NDArray[np.integer],
    *priorities: Floats,
) -> npt.NDArray[np.bool_]:
    """Tell which spans are kept when each group takes its best ones until none is free.

    The best span of a group is kept, those that overlap it are not; then the best of the rest,
    and so on. A span that overlaps only spans that are not kept is therefore kept.

    Parameters
    ----------
    group
        (span,) spans of different groups never exclude each other.
    start, end
        (span,) half-open.
    *priorities
        (span,) the smaller the better, the later ones deciding between equals; NaN is worst. Of
        spans that are equal in all, the one that comes first.

    Returns
    -------
    bool array (span,)

    Examples
    --------
    >>> start = np.array([0, 3, 6])
    >>> best_spans(np.zeros(3, int), start, start + 4, np.array([0.2, 0.1, 0.3]))
    array([False,  True, False])
    """
    group, start, end = (np.ascontiguousarray(part, np.int64) for part in (group, start, end))
    order = _by_group_and_start(group, start)
    parts = _clusters(group, start, end, order)
    kept = np.zeros(len(group), np.bool_)
    values = np.array(priorities, np.float64).reshape(len(priorities), len(group))
    with Workers() as workers:
        cuts = np.linspace(0, len(order), 4 * workers.n_threads + 1)
        bounds = np.unique(np.searchsorted(parts, cuts).clip(0, len(parts) - 1))
        tasks = [
            (parts[first : last + 1], order, start, end, values, kept)
            for first, last in itertools.pairwise(bounds)
        ]
        workers.run(_choose, tasks)
    return kept


def _by_group_and_start(group: Ints, start: Ints) -> Ints:
    """Give the order of spans by group and start, at no cost where they have it already."""
    steps = np.diff(group)
    if not ((steps < 0) | ((steps == 0) & (np.diff(start) < 0))).any():
        return np.arange(len(group))
    stride = int(start.max()) + 1
    if (int(group.max()) + 1) * stride < 2**63:
        return np.argsort(group * stride + start, kind="stable")
    return np.lexsort((start, group))


@njit(cache=True, nogil=True)
def _clusters(group: Ints, start: Ints, end: Ints, order: Ints) -> Ints:
    """Give where each run of spans begins that overlaps no span before it."""
    first = np.empty(len(order) + 1, np.int64)
    count = 0
    reach = np.int64(0)
    for place in range(len(order)):
        span = order[place]
        if place == 0 or group[span] != group[order[place - 1]] or start[span] >= reach:
            first[count] = place
            count += 1
            reach = end[span]
        reach = max(reach, end[span])
    first[count] = len(order)
    return first[: count + 1].copy()


@njit(cache=True, nogil=True)
def _choose(
    parts: Ints, order: Ints, start: Ints, end: Ints, values: Floats, kept: npt.NDArray[np.bool_]
) -> None:
    taken = np.zeros(0, np.bool_)
    for part in range(len(parts) - 1):
        first, last = parts[part], parts[part + 1]
        if last - first == 1:
            kept[order[first]] = True
            continue
        # In the order that they were given in, which decides between equals.
        ranked = np.sort(order[first:last])
        origin, reach = start[order[first]], np.int64(0)
        for span in ranked:
            reach = max(reach, end[span])
        for row in range(len(values) - 1, -1, -1):
            ranked = ranked[np.argsort(values[row][ranked], kind="mergesort")]
        if reach - origin > len(taken):
            taken = np.zeros(2 * (reach - origin), np.bool_)
        for span in ranked:
            free = True
            for position in range(start[span] - origin, end[span] - origin):
                if taken[position]:
                    free = False
                    break
            if free:
                kept[span] = True
                taken[start[span] - origin : end[span] - origin] = True
        taken[: reach - origin] = False
