"""Pearson correlation of every column of one table with every column of another."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import sparse
from threadpoolctl import threadpool_limits

from mutua.kernels.threads import Workers

__all__ = ["ColumnCorrelation", "column_correlation"]

Reals = NDArray[np.float64]

_BLOCK = 2**22
"""Values of a dense table that a thread looks at together. Whatever the memory allowed and the
number of threads, so that the bits do not depend on those."""
_COLUMNS = 256


class ColumnCorrelation(NamedTuple):
    """The correlations, and the columns that have none.

    Attributes
    ----------
    r
        (F, L) float64 from -1 to 1; 0 where either column is constant.
    constant_x, constant_y
        (F,) and (L,) bool: columns with one value only.
    """

    r: Reals
    constant_x: NDArray[np.bool_]
    constant_y: NDArray[np.bool_]


def column_correlation(x: Any, y: Reals) -> ColumnCorrelation:
    """Correlate every column of `x` with every column of `y`.

    Parameters
    ----------
    x
        (n_samples, F) array or sparse matrix of finite numbers. A sparse matrix stays sparse.
    y
        (n_samples, L) float64, finite.

    Returns
    -------
    ColumnCorrelation
        The same bits whatever the number of threads.

    Examples
    --------
    >>> x = np.array([[1.0, 5.0, 0.0], [2.0, 5.0, 0.0], [3.0, 5.0, 3.0]])
    >>> found = column_correlation(sparse.csr_matrix(x), np.array([[3.0], [2.0], [1.0]]))
    >>> found.r.round(3).ravel().tolist(), found.constant_x.tolist()
    ([-1.0, 0.0, -0.866], [False, True, False])
    """
    y = np.ascontiguousarray(y, np.float64)
    constant_y = (y == y[:1]).all(axis=0)
    centred = y - y.mean(axis=0)
    centred -= centred.mean(axis=0)
    centred[:, constant_y] = 0
    spread = np.sqrt((centred**2).sum(axis=0))
    units = centred / np.where(spread > 0, spread, 1)
    r = np.zeros((x.shape[1], y.shape[1]))
    constant_x = np.zeros(x.shape[1], np.bool_)
    with threadpool_limits(1, user_api="blas"), Workers() as workers:
        if sparse.issparse(x):
            columns = sparse.csc_matrix(x)
            if not columns.has_canonical_format:
                columns = columns.copy()
                columns.sum_duplicates()
            table = columns.indptr, columns.indices, columns.data
            workers.run(
                _sparse_columns,
                [(*table, units, *part, r, constant_x) for part in workers.slices(len(r))],
            )
        else:
            width = max(1, min(_COLUMNS, _BLOCK // max(len(x), 1)))
            starts = range(0, x.shape[1], width)
            workers.run(
                _dense_columns,
                [(x, units, start, start + width, r, constant_x) for start in starts],
            )
    np.clip(r, -1, 1, out=r)
    return ColumnCorrelation(r, constant_x, constant_y)


def _dense_columns(
    x: Any, units: Reals, start: int, stop: int, r: Reals, constant: NDArray[np.bool_]
) -> None:
    block = np.array(x[:, start:stop], np.float64)
    constant[start:stop] = (block == block[:1]).all(axis=0)
    block -= block.mean(axis=0)
    block -= block.mean(axis=0)  # what rounding left, which a large mean makes count
    spread = np.sqrt((block**2).sum(axis=0))
    some = (spread > 0) & ~constant[start:stop]
    found = block.T @ units
    r[start:stop][some] = found[some] / spread[some, None]


@njit(cache=True, nogil=True)
def _sparse_columns(
    indptr: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    units: Reals,
    first: int,
    step: int,
    r: Reals,
    constant: NDArray[np.bool_],
) -> None:
    """Fill every `step`-th row of `r` from `first` on; only what is not 0 is looked at."""
    n_samples, n_units = units.shape
    there = np.empty(n_units)
    for j in range(first, len(r), step):
        start, stop = indptr[j], indptr[j + 1]
        n_zeros = n_samples - (stop - start)
        total = 0.0
        same = True
        value = 0.0 if n_zeros else np.float64(data[start])
        for k in range(start, stop):
            total += data[k]
            same = same and data[k] == value
        constant[j] = same
        if same:
            continue
        mean = total / n_samples
        squares = n_zeros * mean * mean
        there[:] = 0.0
        # The units of a column sum to 0, so those of the zeros to minus those of the others.
        for k in range(start, stop):
            deviation = data[k] - mean
            squares += deviation * deviation
            for u in range(n_units):
                there[u] += data[k] * units[indices[k], u]
        spread = np.sqrt(squares)
        if spread > 0.0:
            for u in range(n_units):
                r[j, u] = there[u] / spread
