"""Moments of many statistics over permutations that come one after another."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["add_value", "moments_of"]


@njit(nogil=True, cache=True)
def add_value(moments: NDArray[np.float64], n: int, value: float) -> None:
    """Add the value number `n` (from 1) to its mean and sums of squared and cubed deviations.

    Without cancellation (Welford 1962; Pébay 2008).

    Parameters
    ----------
    moments
        (3 or more,) mean, squares, cubes, updated.
    """
    deviation = value - moments[0]
    share = deviation / n
    squares = deviation * share * (n - 1)
    moments[2] += squares * share * (n - 2) - 3 * share * moments[1]
    moments[1] += squares
    moments[0] += share


def moments_of(
    squares: NDArray[np.float64], cubes: NDArray[np.float64], n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give variance and skewness from the sums of squared and cubed deviations of `n` values.

    The variance has n - 1 in the denominator and is NaN for one value; the skewness is
    bias-corrected, and NaN for fewer than three values and where all are alike.
    """
    variance = squares / (n - 1) if n > 1 else np.full_like(squares, np.nan)
    skewness = np.full_like(cubes, np.nan)
    if n > 2:
        varied = squares > 0
        biased = np.sqrt(n) * cubes[varied] / squares[varied] ** 1.5
        skewness[varied] = biased * np.sqrt(n * (n - 1)) / (n - 2)
    return variance, skewness
