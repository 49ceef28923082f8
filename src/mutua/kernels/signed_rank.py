"""Means of differences: Wilcoxon's signed-rank test, and intervals from resampled differences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.special import ndtr

from mutua.kernels.random_sequences import derived_seed, mix64, random_stream

__all__ = ["mean_intervals", "signed_rank_p"]

Floats = npt.NDArray[np.float64]

_EXACT = 50
"""Up to this many differences the distribution of the rank sum is counted out."""
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_S32 = np.uint64(32)


def signed_rank_p(differences: npt.ArrayLike) -> float:
    """Give the two-sided p-value of Wilcoxon's signed-rank test, whether differences are about 0.

    Differences of 0 are dropped; equal ones share the mean of their ranks. For up to 50
    differences p is exact, given the ranks, also where some are equal; above it is that of the
    normal approximation with the variance that equal ranks leave.

    Parameters
    ----------
    differences
        (n,) finite.

    Returns
    -------
    float
        1 if all are 0 or there are none.

    References
    ----------
    Wilcoxon 1945, Biometrics Bulletin 1:80.

    Examples
    --------
    >>> signed_rank_p([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    0.03125
    >>> signed_rank_p([0.0, 0.0])
    1.0
    """
    values = np.asarray(differences, np.float64)
    values = values[values != 0]
    n = len(values)
    if n == 0:
        return 1.0
    _, place, count = np.unique(np.abs(values), return_inverse=True, return_counts=True)
    # Twice the rank, so that shared ranks are whole numbers too.
    double = (2 * np.cumsum(count) - count + 1)[place]
    above, total = int(double[values > 0].sum()), int(double.sum())
    if n <= _EXACT:
        least = min(above, total - above)
        return float(min(1.0, 2 * _ways(double.astype(np.int64), least) / 2.0**n))
    deviation = np.sqrt((double.astype(np.float64) ** 2).sum())
    # Never 0, which no finite number of differences can show.
    return float(max(2 * ndtr(-abs(2 * above - total) / deviation), np.finfo(np.float64).tiny))


@njit(cache=True, nogil=True)
def _ways(ranks: npt.NDArray[np.int64], most: int) -> float:
    """Count the choices of ranks whose sum is at most `most`."""
    ways = np.zeros(most + 1)
    ways[0] = 1
    for rank in ranks:
        for total in range(most, rank - 1, -1):
            ways[total] += ways[total - rank]
    return ways.sum()


def mean_intervals(
    values: npt.ArrayLike, *, confidence: float, n_resamples: int, seed: int
) -> tuple[Floats, Floats]:
    """Give the lower and upper ends of bootstrap intervals of the mean of each column.

    The rows are drawn with replacement, all columns together, and the ends are percentiles of
    the means. The draws depend on the seed and the number of rows alone.

    Parameters
    ----------
    values
        (n, column) finite.
    confidence
        Level, above 0 and below 1.
    n_resamples
        Number of resamples.
    seed
        Whole number from 0 to 2**64 - 1.

    Returns
    -------
    low, high : float64 arrays (column,)

    References
    ----------
    Efron 1979, Annals of Statistics 7:1.

    Examples
    --------
    >>> low, high = mean_intervals([[1.0], [2.0], [3.0]], confidence=0.5, n_resamples=999, seed=0)
    >>> low.round(2), high.round(2)
    (array([1.67]), array([2.33]))
    """
    rows = np.ascontiguousarray(values, np.float64)
    stream = np.uint64(random_stream(derived_seed(seed, "bootstrap"), 0))
    means = _resampled_means(rows, n_resamples, stream)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high


@njit(cache=True, nogil=True)
def _resampled_means(values: Floats, n_resamples: int, stream: np.uint64) -> Floats:
    n, width = values.shape
    means = np.zeros((n_resamples, width))
    for resample in range(n_resamples):
        for _ in range(n):
            stream += _GAMMA
            # The bias of this draw is below n / 2**32.
            row = np.int64(((mix64(stream) >> _S32) * np.uint64(n)) >> _S32)
            for column in range(width):
                means[resample, column] += values[row, column]
        for column in range(width):
            means[resample, column] /= n
    return means
