"""Mutual information of normal scores: that of a Gaussian copula."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import digamma, ndtri
from scipy.stats import rankdata

__all__ = ["NormalScores", "normal_scores"]

Reals = NDArray[np.float64]

_LARGEST = 1 - 2.0**-52  # of squared correlations: columns that agree have 18 nats and not infinity


def normal_scores(values: Reals) -> Reals:
    """Give the standard normal quantile of every rank in its column, ties at their mean rank.

    Examples
    --------
    >>> normal_scores(np.array([[3.0], [1.0], [1.0]])).round(3).ravel()
    array([ 0.674, -0.319, -0.319])
    """
    return np.asarray(ndtri(rankdata(values, axis=0) / (len(values) + 1)))


class NormalScores:
    """Mutual information of a Gaussian copula, from the partial correlation of normal scores.

    ``-log(1 - r**2) / 2`` less its bias for Gaussian data, in nats.

    Parameters
    ----------
    x, y
        (n_samples, F) and (n_samples, L) normal scores.
    covariates
        (n_samples, C) what the correlation is free of, beside the mean.

    References
    ----------
    Ince et al. 2017, Human Brain Mapping 38:1541.
    """

    def __init__(self, x: Reals, y: Reals, covariates: Reals) -> None:
        n = len(x)
        design = np.column_stack([np.ones(n), covariates - covariates.mean(axis=0)])
        left, singular, _ = np.linalg.svd(design, full_matrices=False)
        self._basis = np.ascontiguousarray(left[:, singular > 1e-10 * singular[0]].T)
        rank = len(self._basis)
        self.n_free = n - rank
        degrees = np.array([n - rank, n - rank - 1.0])
        self.bias = float(np.diff(digamma(np.maximum(degrees, 0.5) / 2))[0]) / -2
        self._x = _residuals(np.ascontiguousarray(x.T), self._basis)
        self._y = np.ascontiguousarray(y.T)
        self.shape = (x.shape[1], y.shape[1])

    def permuted(self, order: NDArray[np.integer]) -> tuple[Any, ...]:
        """Give y with row ``order[i]`` for sample i, as `fill` takes it."""
        # Samples by columns, so that sums run over many columns at a time, in the samples' order.
        return (np.ascontiguousarray(_residuals(self._y[:, order], self._basis).T),)

    def fill(self, y: Reals, active: NDArray[np.bool_], out: Reals, first: int, step: int) -> None:
        """Write the estimates of the active pairs of every `step`-th column of x."""
        _fill(self._x, y, self.bias, active, first, step, out)


@njit(cache=True, nogil=True)
def _residuals(rows: Reals, basis: Reals) -> Reals:
    """Give rows without their parts along the orthonormal `basis`, of length 1.

    Rows that the basis explains wholly become 0. Plain loops: a matrix product may add up in
    another order for another number of threads.
    """
    out = np.empty(rows.shape)
    for f in range(len(rows)):
        row = rows[f].copy()
        before = 0.0
        for i in range(len(row)):
            before += row[i] * row[i]
        for _ in range(2):  # the second time takes off what rounding left
            for vector in basis:
                along = 0.0
                for i in range(len(row)):
                    along += vector[i] * row[i]
                for i in range(len(row)):
                    row[i] -= along * vector[i]
        after = 0.0
        for i in range(len(row)):
            after += row[i] * row[i]
        scale = 1 / np.sqrt(after) if after > 1e-20 * before else 0.0
        for i in range(len(row)):
            out[f, i] = row[i] * scale
    return out


@njit(cache=True, nogil=True)
def _fill(
    x: Reals,
    y: Reals,
    bias: float,
    active: NDArray[np.bool_],
    first: int,
    step: int,
    out: Reals,
) -> None:
    products = np.empty(y.shape[1])
    for f in range(first, len(x), step):
        products[:] = 0.0
        for i in range(len(y)):
            weight = x[f, i]
            for j in range(len(products)):
                products[j] += weight * y[i, j]
        for j in range(len(products)):
            if active[f, j]:
                square = min(products[j] * products[j], _LARGEST)
                out[f, j] = -0.5 * np.log1p(-square) - bias
