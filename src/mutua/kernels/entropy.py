"""Entropies of smoothed counts, summed in 64-bit fixed point.

With pseudocount multiplier c, a bin with count n in a table of B bins and total N has the
probability ``(g + n) / T``, where ``g = c N / B`` and ``T = N (1 + c)``. The entropy in bits is

    H = log2(T) - (B f(g) + sum of h(n)) / T,    f(x) = x log2(x),    h(n) = f(n + g) - f(g)

Since h(0) = 0, only occupied bins count. The h(n) are rounded to multiples of ``2**-e`` and
summed as integers, so that the order of the bins does not matter: a dense table, a sorted list
and any split of the work give the same bits, and tables with the same counts tie exactly. With e
as large as no sum can overflow, the rounding error is about ``B log2(T) 2**-62`` bits (2e-14 for
4,096 bins).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["fill_terms", "smoothed_entropy", "sum_terms", "term_scale"]

SQRT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)  # of 1 / sqrt(2): fractions are around 1
LOG2_E = 1.4426950408889634


def term_scale(total: float, pseudocount: float, n_sequences: int) -> float:
    """Give the ``2**e`` for which sums of ``h(n) * 2**e`` stay below ``2**61``.

    h is convex, so the sum lies between ``T log2(T)`` (all in one bin) and, where weights are
    below 1, ``N log2(N / n_sequences)`` (each sequence in a bin of its own).
    """
    smoothed = total * (1 + pseudocount)
    bound = smoothed * (abs(math.log2(smoothed)) + math.log2(n_sequences) + 2)
    return 2.0 ** (61 - math.ceil(math.log2(bound)))


# Without numba's test for a division by zero the loops over `_term` are vectorised.
@njit(nogil=True, cache=True, error_model="numpy")
def _log2(x: float) -> float:
    """Give log2 of a positive normal number to within one unit in the last place.

    The natural logarithm of fdlibm (Sun Microsystems, 1993), without its branches: a call of the
    C library could not be vectorised, and its last bit depends on the platform.
    """
    bits = np.float64(x).view(np.int64)
    exponent = (bits - SQRT_HALF_BITS) >> np.int64(52)
    fraction = np.int64(bits - (exponent << np.int64(52))).view(np.float64) - 1.0
    s = fraction / (2.0 + fraction)
    z = s * s
    w = z * z
    even = w * (0.3999999999940942 + w * (0.22222198432149784 + w * 0.15313837699209373))
    odd = z * (
        0.6666666666666735
        + w * (0.2857142874366239 + w * (0.1818357216161805 + w * 0.14798198605116586))
    )
    half = 0.5 * fraction * fraction
    return exponent + (fraction - (half - s * (half + even + odd))) * LOG2_E


@njit(nogil=True, cache=True, error_model="numpy")
def _term(count: float, added: float, base: float, scale: float) -> np.int64:
    """Give ``h(count) * scale``, rounded, for ``added`` = g and ``base`` = f(g)."""
    smoothed = count + added
    return np.int64(np.floor((smoothed * _log2(smoothed) - base) * scale + 0.5))


@njit(nogil=True, cache=True, error_model="numpy")
def _f(x: float) -> float:
    return x * _log2(x) if x > 0.0 else 0.0


@njit(nogil=True, cache=True, error_model="numpy")
def fill_terms(terms: NDArray[np.int64], added: float, scale: float) -> None:
    """Tabulate ``h(n) * scale`` for the counts n = 0 .. len(terms) - 1."""
    base = _f(added)
    terms[0] = 0
    for n in range(1, len(terms)):
        terms[n] = _term(n, added, base, scale)


@njit(nogil=True, cache=True, error_model="numpy")
def sum_terms(
    counts: NDArray[Any], terms: NDArray[np.int64], added: float, unit: float, scale: float
) -> tuple[np.int64, np.int64]:
    """Sum ``h(n) * scale`` over a flat table of counts, given in units of `unit`.

    Parameters
    ----------
    terms
        The terms of the smallest counts, for the same `added`; (0,) if there is no such table.

    Returns
    -------
    tuple
        The sum and the number of counts above 0.
    """
    largest = np.int64(0)
    observed = np.int64(0)
    for x in range(len(counts)):
        largest = max(largest, np.int64(counts[x]))
        observed += np.int64(counts[x] > 0)
    entropy = np.int64(0)
    if largest < len(terms):
        for x in range(len(counts)):
            entropy += terms[np.uint64(counts[x])]
    else:
        base = _f(added)
        for x in range(len(counts)):
            term = _term(counts[x] * unit, added, base, scale)
            entropy += term * np.int64(counts[x] > 0)
    return entropy, observed


@njit(nogil=True, cache=True, error_model="numpy")
def smoothed_entropy(
    entropy: np.int64, total: float, pseudocount: float, n_bins: float, scale: float
) -> float:
    """Give the entropy, in bits, of a table from its sum of terms; NaN for an empty table."""
    if total <= 0.0:
        return np.nan
    smoothed = total * (1.0 + pseudocount)
    empty = n_bins * _f(pseudocount * total / n_bins)
    return _log2(smoothed) - (empty + entropy / scale) / smoothed
