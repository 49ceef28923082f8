"""The best three levels of a column of numbers: low, middle and high."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.threads import Workers

__all__ = ["three_levels"]

Reals = NDArray[np.float64]


def three_levels(values: Reals) -> NDArray[np.float32]:
    """Give every number of a column its level: -1 low, 0 middle, 1 high.

    The levels are the three clusters with the least sum of squared distances to their means, found
    exactly by dynamic programming over the sorted numbers. So there is no start, and no seed.

    Parameters
    ----------
    values
        (N, M) finite numbers; every column by itself.

    Returns
    -------
    float32 (N, M)
        A column with one value only is all 0, one with two values is -1 and 1. Of several
        best clusterings the one with the lowest limits is taken. The same bits whatever the number
        of threads.

    Notes
    -----
    Where the best last limit of a part lies does not go down as the part grows, so that the
    limits are found by bisection in O(N log N) (Wu, J. Algorithms 12:663, 1991).

    Examples
    --------
    >>> three_levels(np.array([[0.1, 5.0, 2.0], [0.0, 5.0, 3.0], [7.0, 5.0, 2.0], [2.0, 5.0, 3.0]]))
    array([[-1.,  0., -1.],
           [-1.,  0.,  1.],
           [ 1.,  0., -1.],
           [ 0.,  0.,  1.]], dtype=float32)
    """
    values = np.asarray(values, np.float64)
    levels = np.zeros(values.shape, np.float32)

    def one(column: int) -> None:
        levels[:, column] = _levels(values[:, column])

    with Workers() as workers:
        workers.run(one, [(column,) for column in range(values.shape[1])])
    return levels


def _levels(values: Reals) -> NDArray[np.float32]:
    distinct, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(distinct) == 1:
        return np.zeros(len(values), np.float32)
    if len(distinct) == 2:
        return np.where(place == 0, -1, 1).astype(np.float32)
    weights = counts.astype(np.float64)
    # Where numbers are large beside their differences, their squares would have no digits left.
    centred = distinct - (distinct * weights).sum() / weights.sum()
    first, second = _limits(centred / np.abs(centred).max(), weights)
    of_distinct = np.zeros(len(distinct), np.float32)
    of_distinct[:first], of_distinct[second:] = -1, 1
    return of_distinct[place]


@njit(cache=True, nogil=True)
def _limits(values: Reals, weights: Reals) -> tuple[int, int]:
    """Give the first places of the middle and of the high cluster of sorted, distinct values."""
    n = len(values)
    size, total, squares = np.zeros(n + 1), np.zeros(n + 1), np.zeros(n + 1)
    for i in range(n):
        size[i + 1] = size[i] + weights[i]
        total[i + 1] = total[i] + weights[i] * values[i]
        squares[i + 1] = squares[i] + weights[i] * values[i] ** 2
    # Over the ends of the middle cluster: the best place where it starts, by bisection.
    start, cost = np.zeros(n + 1, np.int64), np.full(n + 1, np.inf)
    stack = np.zeros((128, 4), np.int64)
    stack[0] = (2, n - 1, 1, n - 2)
    depth = 1
    while depth:
        depth -= 1
        low, high, least, most = stack[depth]
        if low > high:
            continue
        end = (low + high) // 2
        for limit in range(least, min(most, end - 1) + 1):
            found = _spread(size, total, squares, 0, limit)
            found += _spread(size, total, squares, limit, end)
            if found < cost[end]:
                cost[end], start[end] = found, limit
        stack[depth] = (low, end - 1, least, start[end])
        stack[depth + 1] = (end + 1, high, start[end], most)
        depth += 2
    best, second = np.inf, 2
    for end in range(2, n):
        found = cost[end] + _spread(size, total, squares, end, n)
        if found < best:
            best, second = found, end
    return start[second], second


@njit(cache=True, nogil=True)
def _spread(size: Reals, total: Reals, squares: Reals, first: int, last: int) -> float:
    """Give the sum of squared distances to the mean of values first to last - 1."""
    one = total[last] - total[first]
    return (squares[last] - squares[first]) - one * one / (size[last] - size[first])
