"""Mutual information of two continuous tables from the nearest neighbours of every sample."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import digamma

from mutua.errors import InvalidInput
from mutua.kernels.knn_counts import Digammas, digammas, pair_sum
from mutua.kernels.running_moments import add_value
from mutua.kernels.threads import Workers

__all__ = ["KnnNull", "knn_mi", "knn_null", "standardized"]

Reals = NDArray[np.float64]
Longs = NDArray[np.int64]

_NOISE = 1e-10  # of the mean absolute value of a column, or of 1


class KnnNull(NamedTuple):
    """What permutations gave for every pair of columns.

    Attributes
    ----------
    n_exceeding
        (F, L) int64, permutations whose estimate is at least the observed one; 0 without test.
    n_permutations
        (F, L) int64, permutations that the pair had: fewer than given where it stopped early.
    mean, variance, skewness
        (F, L) float64, over them; NaN without test. The variance has n - 1 in the denominator
        and is NaN for one permutation; the skewness is bias-corrected, and NaN for fewer than
        three and where all are alike.
    maxima
        (P,) float64, the largest estimate of any tested pair in every permutation; None where
        pairs stop early.
    """

    n_exceeding: Longs
    n_permutations: Longs
    mean: Reals
    variance: Reals
    skewness: Reals
    maxima: Reals | None


def standardized(x: Reals, y: Reals, *, seed: int) -> tuple[Reals, Reals]:
    """Give both tables with columns of unit variance and a noise that breaks ties.

    The values are those that ``sklearn.feature_selection.mutual_info_regression(x, y[:, j],
    random_state=seed)`` works on: columns are divided by their standard deviation and not
    centred, and get normal noise of 1e-10 of their mean absolute value (at least 1). The noise of
    `x` is drawn first; that of `y` comes next and is the same for all its columns.

    Parameters
    ----------
    x, y
        (n_samples, F) and (n_samples, L), real numbers; either may have no columns. With features
        that are not continuous, give the others: only they get noise.
    seed
        Seed of ``numpy.random.RandomState``, 0 to ``2**32 - 1``.

    Returns
    -------
    tuple of arrays
        float64 copies of both.

    Examples
    --------
    >>> x = np.array([[0.0, 5.0], [0.0, 9.0], [4.0, 7.0], [4.0, 1.0]])
    >>> scaled, _ = standardized(x, np.empty((4, 0)), seed=0)
    >>> scaled.round(6)
    array([[0.      , 1.690309],
           [0.      , 3.042555],
           [2.      , 2.366432],
           [2.      , 0.338062]])
    """
    random = np.random.RandomState(seed)
    scaled = np.array(x, np.float64, order="C")
    deviations = scaled.std(axis=0)
    deviations[deviations < 10 * np.finfo(np.float64).eps] = 1
    scaled /= deviations
    units = _NOISE * np.maximum(1, np.abs(scaled).mean(axis=0))
    for row in scaled:  # row by row: the draws are those of one call, in less memory
        row += units * random.standard_normal(len(row))
    noise = random.standard_normal(len(scaled))
    targets = np.empty(y.shape)
    for j in range(y.shape[1]):
        column = np.array(y[:, j], np.float64)  # alone: sums of one column add up in other steps
        column /= column.std() or 1.0
        targets[:, j] = column + _NOISE * np.maximum(1, np.abs(column).mean()) * noise
    return scaled, targets


def knn_mi(x: Reals, y: Reals, *, n_neighbors: int = 3) -> Reals:
    """Estimate the mutual information of every column of `x` with every column of `y`."""
    check(x, y, n_neighbors)
    same = np.arange(len(x))[np.newaxis]
    totals = np.empty((x.shape[1], y.shape[1]), np.int64)
    tables = digammas(len(x))
    with Workers() as workers:
        tasks = [
            (x, y, same, n_neighbors, tables.table, *part, totals)
            for part in workers.slices(x.shape[1])
        ]
        workers.run(_totals, tasks)
    return estimates(totals, len(x), n_neighbors, tables)


def knn_null(
    x: Reals,
    y: Reals,
    observed: Reals,
    orders: NDArray[np.integer],
    *,
    n_neighbors: int = 3,
    stop: int | None = None,
) -> KnnNull:
    """Give the distribution of `knn_mi` when the rows of `y` are permuted."""
    check(x, y, n_neighbors)
    shape = observed.shape
    tables = digammas(len(x))
    moments = np.zeros((3, *shape))
    exceeding = np.zeros(shape, np.int64)
    count = np.zeros(shape, np.int64)
    maxima = np.full(len(orders), -np.inf)
    totals = np.empty(shape, np.int64)
    for p in range(len(orders)):
        _totals(x, y, orders[p : p + 1].astype(np.int64), n_neighbors, tables.table, 0, 1, totals)
        values = estimates(totals, len(x), n_neighbors, tables)
        tested = ~np.isnan(observed)
        if stop is not None:
            tested &= exceeding < stop
        for f, j in zip(*np.nonzero(tested), strict=True):
            count[f, j] += 1
            add_value(moments[:, f, j], count[f, j], values[f, j])
            exceeding[f, j] += values[f, j] >= observed[f, j]
            maxima[p] = max(maxima[p], values[f, j])
    mean, squares, cubes = moments
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.where(count > 1, squares / (count - 1), np.nan)
        skewness = np.sqrt(count) * cubes / squares**1.5
        skewness *= np.sqrt(count * (count - 1.0)) / (count - 2)
    skewness[(count < 3) | (squares == 0)] = np.nan
    mean[count == 0] = np.nan
    return KnnNull(exceeding, count, mean, variance, skewness, maxima if stop is None else None)


def check(x: Reals, y: Reals, n_neighbors: int) -> None:
    """Refuse tables of different length, too few samples and values that are no numbers."""
    if len(x) != len(y):
        raise InvalidInput("y", f"{len(y)} samples and {len(x)} in x", "give the same samples")
    if n_neighbors < 1:
        raise InvalidInput("n_neighbors", f"{n_neighbors}", "use at least 1")
    if len(x) <= n_neighbors:
        raise InvalidInput(
            "n_neighbors", f"{n_neighbors} of {len(x)} samples", "use fewer neighbours than samples"
        )
    for name, table in (("x", x), ("y", y)):
        if not np.isfinite(table).all():
            raise InvalidInput(name, "NaN or infinite values", "leave these samples out")


def estimates(totals: Longs, n_samples: int, n_neighbors: int, tables: Digammas) -> Reals:
    """Give mutual information from sums of digammas."""
    mean = totals / (tables.scale * n_samples)
    return np.asarray(digamma(n_samples) + digamma(n_neighbors) - mean)


@njit(cache=True, nogil=True)
def _totals(x, y, orders, n_neighbors, table, first, step, totals):
    n = len(x)
    nearest = np.empty(n_neighbors)
    ys = np.empty((y.shape[1], n))
    for j in range(y.shape[1]):
        ys[j] = np.sort(y[:, j])
    yo = np.empty(n)
    for f in range(first, x.shape[1], step):
        order = np.argsort(x[:, f])
        xs = x[:, f][order]
        for j in range(y.shape[1]):
            for i in range(n):
                yo[i] = y[orders[0, order[i]], j]
            totals[f, j] = pair_sum(xs, yo, ys[j], n_neighbors, table, nearest)
