"""Distances at which two motifs stand too often, so that the others are tested without them.

A sequentially rejective test: Goeman and Solari 2010, The sequential rejection principle of
familywise error control, Annals of Statistics 38:3782.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.binomial import count_bounds, two_sided_p

__all__ = ["find_peaks"]

_PEAK = 0.01
"""Family-wise level, within a pair, at which a distance is taken out for the test of the others."""


@njit(cache=True, nogil=True)
def find_peaks(
    counts: NDArray[np.int32],
    expected: NDArray[np.float64],
    least: float,
    most: float,
    possible: int,
    peak: NDArray[np.bool_],
    n_within: int,
) -> tuple[int, float]:
    """Mark distances that are too frequent, and give how many pairs are, and belong, elsewhere.

    All that are significant by Bonferroni's correction are taken out; then all that are among the
    rest, until there are no more.

    Parameters
    ----------
    counts, expected
        (distance,) pairs that are, and belong, at each distance.
    least, most
        Of `expected`, where it is not 0.
    possible
        Distances whose `expected` is not 0.
    peak
        (distance,) bool, false; set where there are too many.
    n_within
        Sum of `counts`, and of `expected`.

    Examples
    --------
    >>> counts, peak = np.array([3, 40, 2, 3], np.int32), np.zeros(4, bool)
    >>> rest, room = find_peaks(counts, np.full(4, 12.0), 12.0, 12.0, 4, peak, 48)
    >>> peak.tolist(), rest, room
    ([False, True, False, False], 8, 36.0)
    """
    rest, room = n_within, float(n_within)
    level = _PEAK / max(possible, 1)
    while rest > 0:
        _, above = count_bounds(rest, least / room, min(most / room, 1.0), level)
        n_found, n_mean = 0, 0.0
        for place in range(len(counts)):
            n, mean = counts[place], expected[place]
            if peak[place] or n < above or mean <= 0.0 or n * room <= mean * rest:
                continue
            if two_sided_p(n, rest, min(mean / room, 1.0)) <= level:
                peak[place] = True
                n_found += n
                n_mean += mean
        if n_found == 0:
            break
        rest -= n_found
        room = max(room - n_mean, least)
    return rest, room
