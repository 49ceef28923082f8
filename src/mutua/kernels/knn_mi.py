"""Mutual information of two continuous tables from the nearest neighbours of every sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mutua.kernels.knn_engine import blocks_of_pairs, check_tables, runs_on_cuda
from mutua.kernels.knn_null import KnnNull, knn_null
from mutua.kernels.threads import Workers

__all__ = ["KnnNull", "knn_mi", "knn_null", "standardized"]

Reals = NDArray[np.float64]

_NOISE = 1e-10  # of the mean absolute value of a column, or of 1
_DRAWN = 2**16  # numbers drawn at once


def standardized(
    x: Reals, y: Reals, *, seed: int, place: tuple[int, int] | None = None
) -> tuple[Reals, Reals]:
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
    place
        Where `x` is some of the columns of a larger table: the first of them, and how many columns
        that has. They come out as they would with all, and all of the noise is drawn.

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
    begin, n_columns = (0, scaled.shape[1]) if place is None else place
    alone = scaled.shape[1] == 1 < n_columns  # numpy adds up a single column in other steps
    scaled = np.repeat(scaled, 2, axis=1) if alone else scaled
    deviations = scaled.std(axis=0)
    deviations[deviations < 10 * np.finfo(np.float64).eps] = 1
    scaled /= deviations
    units = _NOISE * np.maximum(1, np.abs(scaled).mean(axis=0))
    if alone:
        scaled, units = np.ascontiguousarray(scaled[:, :1]), units[:1]
    columns = slice(begin, begin + scaled.shape[1])
    step = max(1, _DRAWN // max(1, n_columns))
    for first in range(0, len(scaled), step):  # the draws are those of one call, in less memory
        part = scaled[first : first + step]
        part += units * random.standard_normal((len(part), n_columns))[:, columns]
    noise = random.standard_normal(len(scaled))
    targets = np.empty(y.shape)
    for j in range(y.shape[1]):
        column = np.array(y[:, j], np.float64)  # alone: sums of one column add up in other steps
        column /= column.std() or 1.0
        targets[:, j] = column + _NOISE * np.maximum(1, np.abs(column).mean()) * noise
    return scaled, targets


def knn_mi(x: Reals, y: Reals, *, n_neighbors: int = 3, device: str | None = None) -> Reals:
    r"""Estimate the mutual information of every column of `x` with every column of `y`.

    .. math:: I(x; y) = \psi(n) + \psi(k) - \langle \psi(n_x + 1) + \psi(n_y + 1) \rangle

    in nats, not clipped at 0, where the counts are of samples strictly nearer than the k-th
    neighbour in the Chebyshev metric (estimator 1 of [1]_). All counts are exact.

    Parameters
    ----------
    x, y
        (n_samples, F) and (n_samples, L) float64, as `standardized` gives them.
    n_neighbors
        Number of neighbours k, less than n_samples.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; by default the setting. A GPU takes up to 128
        neighbours.

    Returns
    -------
    NDArray
        (F, L) float64. The same bits whatever the device, the number of threads and the memory
        allowed, and whichever of the tables comes first.

    Raises
    ------
    InvalidInput
        Tables of different length, NaN, or no more samples than neighbours; more neighbours than
        a GPU takes.
    DeviceUnavailable
        For ``"cuda"`` without a usable GPU.
    MemoryLimit
        If one pair of columns does not fit into the GPU's memory.

    References
    ----------
    .. [1] Kraskov, Stögbauer and Grassberger 2004, Physical Review E 69:066138.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> x = random.standard_normal((300, 2))
    >>> y = x[:, :1] + random.standard_normal((300, 1))
    >>> knn_mi(*standardized(x, y, seed=0)).clip(0).round(1)
    array([[0.4],
           [0. ]])
    """
    check_tables(x, y, n_neighbors)
    if runs_on_cuda(x, y, n_neighbors, 1, device):
        from mutua.kernels.cuda.knn_pairs import estimates

        return estimates(x, y, n_neighbors)
    result = np.empty((x.shape[1], y.shape[1]))
    same = np.arange(len(x))[np.newaxis]
    with Workers() as workers:
        for pairs in blocks_of_pairs(x, y, n_neighbors, 1):
            every = np.arange(len(pairs.others))
            sums = pairs.sums([every] * len(pairs.own), pairs.samples(same), workers)
            pairs.part(result)[:] = pairs.highest - np.array(sums)[..., 0] / pairs.unit
    return result
