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

RUN = 64  # counts looked at together: one test tells whether all of them are tabulated


def term_scale(total: float, pseudocount: float, n_sequences: int) -> float:
    """Give the ``2**e`` for which sums of ``h(n) * 2**e`` stay below ``2**61``.

    h is convex, so the sum lies between ``T log2(T)`` (all in one bin) and, where weights are
    below 1, ``N log2(N / n_sequences)`` (each sequence in a bin of its own).
    """
    smoothed = total * (1 + pseudocount)
    bound = smoothed * (abs(math.log2(smoothed)) + math.log2(n_sequences) + 2)
    return 2.0 ** (61 - math.ceil(math.log2(bound)))


@njit(nogil=True, cache=True)
def _term(count: float, added: float, scale: float) -> int:
    """Give ``h(count) * scale`` for ``added`` = g, rounded."""
    value = (count + added) * math.log2(count + added)
    if added > 0.0:
        value -= added * math.log2(added)
    return np.int64(np.rint(value * scale))


@njit(nogil=True, cache=True)
def fill_terms(terms: NDArray[np.int64], added: float, unit: float, scale: float) -> None:
    """Tabulate ``h(n * unit) * scale`` for n = 0 .. len(terms) - 1."""
    terms[0] = 0
    for n in range(1, len(terms)):
        terms[n] = _term(n * unit, added, scale)


@njit(nogil=True, cache=True)
def sum_terms(
    counts: NDArray[Any], terms: NDArray[np.int64], added: float, unit: float, scale: float
) -> tuple[int, int]:
    """Sum ``h(n) * scale`` over a flat table of counts, given in units of `unit`.

    `terms` are the tabulated terms of the smallest counts (at least of 0).

    Returns
    -------
    tuple
        The sum and the number of counts above 0.
    """
    entropy = np.int64(0)
    observed = np.int64(0)
    n_terms = np.int64(len(terms))
    n_counts = np.uint64(len(counts))
    for start in range(np.uint64(0), n_counts, np.uint64(RUN)):
        stop = min(start + np.uint64(RUN), n_counts)
        largest = np.int64(0)
        for x in range(start, stop):
            n = np.int64(counts[x])
            largest = max(largest, n)
            observed += np.int64(n > 0)
        if largest < n_terms:
            for x in range(start, stop):
                entropy += terms[np.uint64(counts[x])]
        else:
            for x in range(start, stop):
                n = np.int64(counts[x])
                entropy += terms[n] if n < n_terms else _term(n * unit, added, scale)
    return entropy, observed


@njit(nogil=True, cache=True)
def smoothed_entropy(
    entropy: int, total: float, pseudocount: float, n_bins: float, scale: float
) -> float:
    """Give the entropy, in bits, of a table from its sum of terms; NaN for an empty table."""
    if total <= 0.0:
        return np.nan
    smoothed = total * (1.0 + pseudocount)
    empty = 0.0
    if pseudocount > 0.0:
        added = pseudocount * total / n_bins
        empty = n_bins * added * math.log2(added)
    return math.log2(smoothed) - (empty + entropy / scale) / smoothed
