"""The first principal component of columns of a table, with a sign that is always the same."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy import sparse

__all__ = ["FirstComponent", "first_component"]

Reals = NDArray[np.float64]

_BLOCK = 2**21  # values looked at together; fixed, so that the bits do not depend on settings
_EQUAL = 1e-9


class FirstComponent(NamedTuple):
    """What the columns have most in common.

    Attributes
    ----------
    scores
        (n_samples,) float64, with mean 0.
    loadings
        (m,) float64 with squares that sum to 1; 0 for constant columns.
    explained
        Share of the variance; NaN where all columns are constant.
    """

    scores: Reals
    loadings: Reals
    explained: float


def first_component(x: Any, *, scale: bool) -> FirstComponent:
    """Give the first principal component of centred columns.

    The sum of its loadings is at least 0. Where it is 0, as for two columns of which one is the
    other turned round, the largest loading is positive, the first one among equals. Where two
    components explain alike, which of them comes first is arbitrary, but always the same.

    Parameters
    ----------
    x
        (n_samples, m) array or CSR matrix of finite numbers; made dense some rows at a time.
    scale
        Divide columns by their standard deviations, so that all count alike.

    Examples
    --------
    >>> found = first_component(np.array([[1.0, 6.0], [2.0, 4.0], [3.0, 2.0]]), scale=True)
    >>> found.scores.round(6).tolist(), found.loadings.round(6).tolist(), round(found.explained, 6)
    ([-1.414214, 0.0, 1.414214], [0.707107, -0.707107], 1.0)
    """
    n, m = x.shape
    mean, constant = _means(x)
    if constant.all():
        return FirstComponent(np.zeros(n), np.zeros(m), np.nan)
    few = m <= n
    size = m if few else n
    gram, variances = np.zeros((size, size)), np.zeros(m)
    if few:
        for block in _blocks(x, mean, constant):
            gram += block.T @ block
        variances = np.diag(gram) / max(n - 1, 1)
        factors = _factors(variances, scale)
        gram *= factors[:, None] * factors
    else:  # fewer samples than columns: the table is smaller than the columns squared
        whole = np.concatenate(list(_blocks(x, mean, constant)))
        variances = (whole**2).sum(axis=0) / max(n - 1, 1)
        factors = _factors(variances, scale)
        whole *= factors
        gram = whole @ whole.T
    values, vectors = scipy.linalg.eigh(gram, subset_by_index=[size - 1, size - 1])
    vector = vectors[:, 0] if few else whole.T @ vectors[:, 0]
    vector /= np.sqrt((vector**2).sum())
    loadings = vector * _sign(vector)
    weights = loadings * factors
    scores = np.concatenate([block @ weights for block in _blocks(x, mean, constant)])
    return FirstComponent(scores, loadings, min(float(values[0] / np.trace(gram)), 1.0))


def _means(x: Any) -> tuple[Reals, NDArray[np.bool_]]:
    """Give the mean of every column, and whether it has one value only."""
    total = np.zeros(x.shape[1])
    first = None
    constant = np.ones(x.shape[1], np.bool_)
    for block in _rows(x):
        first = block[0] if first is None else first
        constant &= (block == first).all(axis=0)
        total += block.sum(axis=0)
    return total / x.shape[0], constant


def _factors(variances: Reals, scale: bool) -> Reals:
    """Give what columns are multiplied by."""
    if not scale:
        return np.ones(len(variances))
    return np.where(variances > 0, 1 / np.sqrt(np.where(variances > 0, variances, 1)), 0.0)


def _rows(x: Any) -> Any:
    """Give the rows, some at a time, as dense float64."""
    step = max(1, _BLOCK // max(x.shape[1], 1))
    for start in range(0, x.shape[0], step):
        block = x[start : start + step]
        yield np.asarray(block.toarray() if sparse.issparse(block) else block, np.float64)


def _blocks(x: Any, mean: Reals, constant: NDArray[np.bool_]) -> Any:
    """Give the rows less the means; constant columns are exactly 0."""
    for block in _rows(x):
        centred = block - mean
        centred[:, constant] = 0
        yield centred


def _sign(loadings: Reals) -> float:
    """Give 1 or -1, so that the sum of loadings is not negative."""
    total = float(loadings.sum())
    if abs(total) > _EQUAL:
        return 1.0 if total > 0 else -1.0
    size = np.abs(loadings)
    first = int(np.argmax(size >= size.max() - _EQUAL))
    return 1.0 if loadings[first] > 0 else -1.0
