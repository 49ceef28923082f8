"""Neighbour counts of one pair of columns, summed up as digammas: what the estimate is made of."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import digamma

__all__ = ["LEAST", "Digammas", "digammas", "pair_sum"]

Reals = NDArray[np.float64]
Longs = NDArray[np.int64]

LEAST = 5e-324
"""The least float above 0. A radius of 0 counts equal values, as if it were this one."""


class Digammas(NamedTuple):
    """The digamma function of whole numbers, as whole numbers, so that sums have no order.

    Equal counts then give equal estimates bit for bit, whatever the order of the samples, and
    permutations that tie with the observed estimate are seen to.

    Attributes
    ----------
    table
        (n_samples + 1,) int64, digamma of 0 (never used), 1, 2, ... times `scale`, rounded.
    scale
        A power of 2, so large that no sum of ``2 * n_samples`` of them overflows.
    """

    table: Longs
    scale: float


def digammas(n_samples: int) -> Digammas:
    """Give the digammas of 1 to `n_samples`."""
    largest = max(1.0, float(digamma(n_samples)))
    scale = 2.0 ** (61 - math.ceil(math.log2(2 * n_samples * largest)))
    table = np.zeros(n_samples + 1, np.int64)
    table[1:] = np.rint(digamma(np.arange(1.0, n_samples + 1)) * scale)
    return Digammas(table, scale)


@njit(cache=True, nogil=True)
def pair_sum(
    x: Reals, y: Reals, y_sorted: Reals, n_neighbors: int, table: Longs, nearest: Reals
) -> int:
    """Sum the digammas of both marginal counts over all samples, walking outward in x.

    Parameters
    ----------
    x
        (n_samples,) ascending.
    y
        (n_samples,) of the same samples in the same order.
    y_sorted
        (n_samples,) the values of `y`, ascending.
    n_neighbors
        Number of neighbours, less than n_samples.
    table
        Digammas by count.
    nearest
        (n_neighbors,) room to work in.
    """
    n, total = len(x), 0
    for i in range(n):
        here, level = x[i], y[i]
        nearest[:] = np.inf
        low, high = i - 1, i + 1
        below = here - x[low] if low >= 0 else np.inf
        above = x[high] - here if high < n else np.inf
        while True:
            if below < above:
                distance = max(below, abs(y[low] - level))
                low -= 1
                below = here - x[low] if low >= 0 else np.inf
            else:
                distance = max(above, abs(y[high] - level))
                high += 1
                above = x[high] - here if high < n else np.inf
            if distance < nearest[-1]:
                place = n_neighbors - 1
                while place > 0 and nearest[place - 1] > distance:
                    nearest[place] = nearest[place - 1]
                    place -= 1
                nearest[place] = distance
            if min(below, above) >= nearest[-1]:
                break
        radius = max(nearest[-1], LEAST)
        total += table[count_within(x, here, radius)]
        total += table[count_within(y_sorted, level, radius)]
    return total


@njit(cache=True, nogil=True)
def count_within(values: Reals, centre: float, radius: float) -> int:
    """Count the ascending `values` less than `radius` from `centre`.

    The difference is compared, as it is computed, and not the value with a computed bound.
    """
    n = len(values)
    first, last = 0, n
    while first < last:
        middle = (first + last) >> 1
        if centre - values[middle] < radius:
            last = middle
        else:
            first = middle + 1
    low, last = first, n
    while first < last:
        middle = (first + last) >> 1
        if values[middle] - centre < radius:
            first = middle + 1
        else:
            last = middle
    return first - low
