"""Exact tests for enrichment: tails of the hypergeometric distribution, however small."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from mutua.errors import InvalidInput
from mutua.kernels.rows import over_rows

__all__ = ["log_enrichment_p", "log_overlap_p"]

Counts = NDArray[np.int64]
Logs = NDArray[np.float64]

_NEGLIGIBLE = 1e-17  # of the sum so far; terms shrink from the observed count on
_TEST_COST = 500  # nanoseconds, roughly


def log_enrichment_p(
    n_foreground: ArrayLike, n_background: ArrayLike, *, foreground: int, background: int
) -> Logs:
    """Give the natural logarithm of the one-sided p-values of Fisher's exact test.

    The probability that at least `n_foreground` of all sequences with a feature are in the
    foreground if it is equally likely that any of them are, the sums of the table being given.

    Parameters
    ----------
    n_foreground, n_background
        Sequences with the feature in either set; whole numbers of one shape.
    foreground, background
        All sequences of either set.

    Returns
    -------
    NDArray
        float64, at most 0. p-values are accurate to about 1e-15 times the number of all
        sequences, relatively, and never underflow.

    Raises
    ------
    InvalidInput
        For counts below 0 or above the number of sequences.

    References
    ----------
    Fisher 1922, Journal of the Royal Statistical Society 85:87.

    Examples
    --------
    >>> np.exp(log_enrichment_p([3, 0], [0, 2], foreground=3, background=3)).round(4)
    array([0.05, 1.  ])
    """
    a, b = np.broadcast_arrays(np.asarray(n_foreground), np.asarray(n_background))
    for argument, counts, total in (
        ("n_foreground", a, foreground),
        ("n_background", b, background),
    ):
        if counts.dtype.kind not in "iu" or (counts < 0).any() or (counts > total).any():
            found = f"counts that are not whole numbers from 0 to {total}"
            raise InvalidInput(argument, found, "count every sequence at most once")
    log_p = np.zeros(a.size, np.float64)
    pairs = [np.ascontiguousarray(counts, dtype=np.int64).reshape(-1) for counts in (a, b)]
    over_rows(_log_tails, a.size, *pairs, foreground, background, log_p, row_cost=_TEST_COST)
    return log_p.reshape(a.shape)


def log_overlap_p(both: ArrayLike, first: ArrayLike, second: ArrayLike, *, total: int) -> Logs:
    """Give the logarithm of the two-sided p-values of how often two features occur together.

    Twice the smaller of the probabilities that at least and that at most `both` things have the
    two features, if those with the second are drawn without regard to the first; at most 1.

    Parameters
    ----------
    both, first, second
        Things with both features, with the first and with the second; whole numbers of one shape.
    total
        All things.

    Returns
    -------
    NDArray
        float64, at most 0, as accurate as `log_enrichment_p`.

    Raises
    ------
    InvalidInput
        For numbers that no things can have.

    Examples
    --------
    >>> np.exp(log_overlap_p([3, 0, 2], [3, 3, 4], [3, 3, 5], total=10)).round(4)
    array([0.0167, 0.5833, 1.    ])
    """
    counts = [np.asarray(part) for part in (both, first, second)]
    n, a, b = np.broadcast_arrays(*counts)
    whole = all(part.dtype.kind in "iu" for part in counts)
    least = a.astype(np.int64) + b - total
    if not whole or (n < np.maximum(least, 0)).any() or (n > np.minimum(a, b)).any() or (
        np.maximum(a, b) > total).any():  # fmt: skip
        found = f"counts that {total} things cannot have"
        raise InvalidInput("both", found, "count every thing at most once")
    log_p = np.zeros(n.size, np.float64)
    columns = [np.ascontiguousarray(part, dtype=np.int64).reshape(-1) for part in (n, a, b)]
    over_rows(_log_overlaps, n.size, *columns, total, log_p, row_cost=_TEST_COST)
    return log_p.reshape(n.shape)


@njit(cache=True, nogil=True)
def _log_overlaps(
    start: int, stop: int, both: Counts, first: Counts, second: Counts, total: int, log_p: Logs
) -> None:
    for i in range(start, stop):
        a, b = first[i], second[i]
        if float(both[i]) * total >= float(a) * b:
            tail = _log_tail(both[i], a, b, total - b)
        else:
            tail = _log_tail(a - both[i], a, total - b, b)
        log_p[i] = min(tail + math.log(2.0), 0.0)


@njit(cache=True, nogil=True)
def _log_tails(
    start: int, stop: int, a: Counts, b: Counts, foreground: int, background: int, log_p: Logs
) -> None:
    for i in range(start, stop):
        log_p[i] = _log_tail(a[i], a[i] + b[i], foreground, background)


@njit(cache=True, nogil=True)
def _log_tail(a: int, total: int, foreground: int, background: int) -> float:
    """Sum the tail away from the mean, from its largest term on."""
    lowest = max(0, total - background)
    if a <= lowest:
        return 0.0
    if a > total * (foreground / (foreground + background)):
        term = 1.0
        tail = 1.0
        for x in range(a, min(total, foreground)):
            term *= float(total - x) / (x + 1) * (foreground - x) / (background - total + x + 1)
            tail += term
            if term < _NEGLIGIBLE * tail:
                break
        return min(_log_probability(a, total, foreground, background) + math.log(tail), 0.0)
    term = 1.0
    tail = 1.0
    for x in range(a - 1, lowest, -1):
        term *= float(x) / (total - x + 1) * (background - total + x) / (foreground - x + 1)
        tail += term
        if term < _NEGLIGIBLE * tail:
            break
    below = math.exp(_log_probability(a - 1, total, foreground, background)) * tail
    return math.log1p(-min(below, 1.0 - 1e-16))


@njit(cache=True, nogil=True)
def _log_probability(a: int, total: int, foreground: int, background: int) -> float:
    return (
        _log_choose(foreground, a)
        + _log_choose(background, total - a)
        - _log_choose(foreground + background, total)
    )


@njit(cache=True, nogil=True)
def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)
