"""Permutations of the rows of a table, and what statistics of its columns are under them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua._progress import PERMUTATIONS, counted
from mutua.kernels.running_moments import add_value, moments_of
from mutua.kernels.threads import Workers

__all__ = ["RowNull", "RowStatistic", "local_orders", "row_null", "row_orders", "row_statistic"]

Reals = NDArray[np.float64]
Longs = NDArray[np.int64]
Orders = NDArray[np.int32]

_NEAR = 5  # neighbours in z, the sample itself among them, that may lend a sample their y
_ROUNDING = 1e-12  # an estimate so little below the observed one is the same


class RowStatistic(Protocol):
    """An estimate for every column of x with every column of y, whose rows can be permuted."""

    shape: tuple[int, int]

    def permuted(self, order: NDArray[np.integer]) -> tuple[Any, ...]:
        """Give y with row ``order[i]`` for sample i, as `fill` takes it."""

    def fill(self, *arguments: Any) -> None:
        """Take what `permuted` gave, active pairs, where to write, and first and step in x."""


class RowNull(NamedTuple):
    """What permutations gave for every pair of columns; as `mutua.kernels.knn_mi.KnnNull`."""

    n_exceeding: Longs
    n_permutations: Longs
    mean: Reals
    variance: Reals
    skewness: Reals
    maxima: Reals | None


def row_orders(n_permutations: int, groups: Longs, *, whole: bool = False, seed: int = 0) -> Orders:
    """Give random orders of samples, of those of every group among themselves or of whole groups.

    Parameters
    ----------
    n_permutations
        Number of orders.
    groups
        (n_samples,) int64 from 0.
    whole
        Deal whole groups: sample i then has a sample of the group that its group is dealt, the
        one at the same place in it or, in groups of several sizes, the first.
    seed
        Seed.

    Returns
    -------
    int32 (n_permutations, n_samples)
        The row that each sample has.

    Examples
    --------
    >>> row_orders(2, np.array([0, 0, 0, 1, 1]), seed=6)
    array([[0, 2, 1, 3, 4],
           [2, 1, 0, 4, 3]], dtype=int32)
    """
    random = np.random.default_rng([seed, 0x0DE])
    n = len(groups)
    orders = np.empty((n_permutations, n), np.int32)
    members = np.argsort(groups, kind="stable").astype(np.int32)
    sizes = np.bincount(groups)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    place = np.empty(n, np.int64)
    place[members] = np.arange(n) - starts[groups[members]]
    if sizes.min() < sizes.max():
        place[:] = 0
    for order in orders:
        if whole:
            dealt = random.permutation(len(sizes))
            order[:] = members[starts[dealt[groups]] + place]
        else:
            order[members] = members[np.lexsort((random.random(n), groups[members]))]
    return orders


def local_orders(n_permutations: int, z: Reals, groups: Longs, *, seed: int = 0) -> Orders:
    """Give random orders in which every sample has the row of one near to it in z.

    Samples choose in random order among their nearest neighbours in the Chebyshev metric, of
    their own group, one that no other has chosen yet; a sample whose neighbours all are chosen
    takes one of them again (Runge 2018, local permutation).

    Parameters
    ----------
    n_permutations
        Number of orders.
    z
        (C, n_samples) float64 scaled covariates.
    groups
        (n_samples,) int64 from 0.
    seed
        Seed.

    Returns
    -------
    int32 (n_permutations, n_samples)
        The row that each sample has.

    References
    ----------
    Runge 2018, Proceedings of Machine Learning Research 84:938.
    """
    random = np.random.default_rng([seed, 0x10CA1])
    n = len(groups)
    near, n_near = _nearest(np.ascontiguousarray(z), groups, _NEAR)
    orders = np.empty((n_permutations, n), np.int32)
    for order in orders:
        _choose(near, n_near, random.permutation(n), random.random(near.shape), order)
    return orders


def row_statistic(statistic: RowStatistic, n_samples: int, workers: Workers) -> Reals:
    """Give the estimate of every pair of columns, (F, L)."""
    every = np.ones(statistic.shape, np.bool_)
    out = np.empty(statistic.shape)
    return _values(statistic, np.arange(n_samples), every, out, workers)


def row_null(
    statistic: RowStatistic,
    observed: Reals,
    orders: Collection[NDArray[np.integer]],
    *,
    stop: int | None = None,
    scales: Reals | None = None,
    workers: Workers,
) -> RowNull:
    """Give the distribution of every estimate over permutations, in one pass.

    Parameters
    ----------
    statistic
        What is estimated.
    observed
        (F, L), NaN for pairs that are not tested.
    orders
        The permutations.
    stop
        Leave a pair out once so many permutations have reached its observed estimate.
    scales
        (2, F, L), what is taken off the estimates of a pair, and what they are divided by, before
        the largest of all is looked for.
    workers
        Threads to run on.

    Returns
    -------
    RowNull
        The same bits whatever the number of threads.
    """
    active = ~np.isnan(observed)
    moments = np.zeros((*observed.shape, 3))
    counts = np.zeros((2, *observed.shape), np.int64)
    values = np.full(observed.shape, np.nan)
    maxima = np.full(len(orders), -np.inf)
    if scales is None:
        scales = np.stack([np.zeros_like(observed), np.ones_like(observed)])
    for number, order in enumerate(counted(orders, len(orders), *PERMUTATIONS)):
        if not active.any():
            break
        _values(statistic, order, active, values, workers)
        maxima[number] = _take_up(values, observed, stop or 0, active, moments, counts, scales)
    exceeding, n = counts
    mean = np.where(n > 0, moments[..., 0], np.nan)
    variance, skewness = np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    for size in np.unique(n[n > 0]):
        same = n == size
        _, squares, cubes = moments[same].T
        variance[same], skewness[same] = moments_of(squares, cubes, int(size))
    return RowNull(exceeding, n, mean, variance, skewness, maxima if stop is None else None)


def _values(
    statistic: RowStatistic,
    order: NDArray[np.integer],
    active: NDArray[np.bool_],
    out: Reals,
    workers: Workers,
) -> Reals:
    y = statistic.permuted(order)
    workers.run(
        statistic.fill, [(*y, active, out, *part) for part in workers.slices(statistic.shape[0])]
    )
    return out


@njit(cache=True, nogil=True)
def _take_up(
    values: Reals,
    observed: Reals,
    stop: int,
    active: NDArray[np.bool_],
    moments: Reals,
    counts: Longs,
    scales: Reals,
) -> float:
    """Add one permutation of the active pairs; give the largest estimate."""
    largest = -np.inf
    for f in range(values.shape[0]):
        for j in range(values.shape[1]):
            if not active[f, j]:
                continue
            value, level = values[f, j], observed[f, j]
            counts[1, f, j] += 1
            add_value(moments[f, j], counts[1, f, j], value)
            if value >= level - _ROUNDING * max(1.0, abs(level)):
                counts[0, f, j] += 1
                if counts[0, f, j] == stop:
                    active[f, j] = False
            largest = max(largest, (value - scales[0, f, j]) / scales[1, f, j])
    return largest


@njit(cache=True, nogil=True)
def _nearest(z: Reals, groups: Longs, n_near: int) -> tuple[NDArray[np.int32], Longs]:
    """Give the nearest samples of the own group, the sample itself first, and how many."""
    n = z.shape[1]
    near, found = np.zeros((n, n_near), np.int32), np.zeros(n, np.int64)
    distances = np.empty(n_near)
    for i in range(n):
        for j in range(n):
            if groups[i] != groups[j]:
                continue
            distance = -1.0 if i == j else 0.0
            for c in range(len(z)):
                distance = max(distance, abs(z[c, i] - z[c, j])) if i != j else distance
            if found[i] == n_near and distance >= distances[n_near - 1]:
                continue
            at = min(found[i], n_near - 1)
            while at > 0 and distances[at - 1] > distance:
                distances[at], near[i, at] = distances[at - 1], near[i, at - 1]
                at -= 1
            distances[at], near[i, at] = distance, j
            found[i] = min(found[i] + 1, n_near)
    return near, found


@njit(cache=True, nogil=True)
def _choose(
    near: NDArray[np.int32], n_near: Longs, turns: Longs, keys: Reals, order: Orders
) -> None:
    taken = np.zeros(len(near), np.bool_)
    for i in turns:
        tried = np.argsort(keys[i, : n_near[i]])
        chosen = near[i, tried[-1]]
        for at in tried:
            if not taken[near[i, at]]:
                chosen = near[i, at]
                break
        taken[chosen] = True
        order[i] = chosen
