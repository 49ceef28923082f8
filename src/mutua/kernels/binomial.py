"""Two-sided tests of counts that are binomial under the null, compiled."""

from __future__ import annotations

import math

from numba import njit

__all__ = ["count_bounds", "two_sided_p"]

_NEGLIGIBLE = 1e-17  # of the sum so far
_ROUNDING = 1e-9


@njit(cache=True, nogil=True)
def two_sided_p(k: int, n: int, p: float) -> float:
    """Give twice the smaller tail of the binomial distribution, at most 1.

    Either tail holds the count itself. It is summed from there outwards, so that small tails keep
    their relative precision; below 1e-308 it is 0.
    """
    if p <= 0.0 or p >= 1.0:
        return 1.0 if k == (n if p >= 1.0 else 0) else 0.0
    if k >= n * p:
        return min(1.0, 2.0 * _probability(k, n, p) * _relative_tail(k, n, p))
    return min(1.0, 2.0 * _probability(k, n, p) * _relative_tail(n - k, n, 1.0 - p))


@njit(cache=True, nogil=True)
def count_bounds(n: int, least: float, most: float, level: float) -> tuple[int, int]:
    """Give bounds strictly between which no count has a two-sided p-value of at most `level`.

    Parameters
    ----------
    n
        Number of draws.
    least, most
        Bounds of the probability, which may be any in between.
    level
        Below 1.

    Returns
    -------
    tuple
        A count below and one above; -1 and n + 1 where none is as unlikely.
    """
    tail = level / 2.0 * (1.0 + _ROUNDING)
    return n - _critical(n, 1.0 - most, tail), _critical(n, least, tail)


@njit(cache=True, nogil=True)
def _critical(n: int, p: float, tail: float) -> int:
    """Give the least count above the mean that is reached with a probability of at most `tail`."""
    if p <= 0.0:
        return 1
    if p >= 1.0:
        return n + 1
    k = math.ceil(n * p)
    # P(X >= k) is summed once; every step up takes one term away.
    term = _probability(k, n, p)
    reached = term * _relative_tail(k, n, p)
    odds = p / (1.0 - p)
    while reached > tail and k <= n:
        reached -= term
        term *= (n - k) / (k + 1.0) * odds
        k += 1
    return k


@njit(cache=True, nogil=True)
def _probability(k: int, n: int, p: float) -> float:
    if k == 0:
        return math.exp(n * math.log1p(-p))
    if k == n:
        return math.exp(n * math.log(p))
    ways = math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


@njit(cache=True, nogil=True)
def _relative_tail(k: int, n: int, p: float) -> float:
    """Give P(X >= k) over P(X = k), for k not below the mean."""
    odds = p / (1.0 - p)
    term = 1.0
    tail = 1.0
    for x in range(k, n):
        term *= (n - x) / (x + 1.0) * odds
        tail += term
        if term < _NEGLIGIBLE * tail:
            break
    return tail
