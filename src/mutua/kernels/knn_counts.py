"""The digammas of neighbour counts that estimates are made of."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

__all__ = ["LEAST", "Digammas", "digammas"]

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
