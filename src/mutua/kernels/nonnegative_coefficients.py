"""Non-negative least squares for many rows at once, from what they have in common."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.threads import Workers

__all__ = ["nonnegative_coefficients"]

Reals = NDArray[np.float64]

_BLOCK = 1024
_EQUAL = 1e-12


def nonnegative_coefficients(products: Reals, gram: Reals) -> Reals:
    """Give for every row x the s >= 0 that make ``|x - s C|`` least.

    Parameters
    ----------
    products
        (N, M) float64: ``x C'`` of every row.
    gram
        (M, M) float64: ``C C'``.

    Returns
    -------
    float64 (N, M)
        Exact up to rounding, by the active sets of Lawson and Hanson (1974) in the form of Bro and
        de Jong (J. Chemometrics 11:393, 1997). The same bits whatever the number of threads.

    Examples
    --------
    >>> gram = np.array([[1.0, 0.5], [0.5, 1.0]])
    >>> nonnegative_coefficients(np.array([[2.0, 2.0], [2.0, 0.4]]), gram).round(3).tolist()
    [[1.333, 1.333], [2.0, 0.0]]
    """
    products = np.ascontiguousarray(products, np.float64)
    gram = np.ascontiguousarray(gram, np.float64)
    found = np.zeros_like(products)
    if np.array_equal(gram, np.diag(np.diag(gram))):
        diagonal = np.diag(gram)
        return np.maximum(products, 0) / np.where(diagonal > 0, diagonal, 1)
    with Workers() as workers:
        starts = range(0, len(products), _BLOCK)
        workers.run(
            _solve, [(products[s : s + _BLOCK], gram, found[s : s + _BLOCK]) for s in starts]
        )
    return found


@njit(cache=True, nogil=True)
def _solve(products: Reals, gram: Reals, found: Reals) -> None:
    m = len(gram)
    lower = np.zeros((m, m))
    used = np.zeros(m, np.bool_)
    refused = np.zeros(m, np.bool_)
    members = np.zeros(m, np.int64)
    trial = np.zeros(m)
    for row in range(len(products)):
        wanted, s = products[row], found[row]
        used[:] = False
        refused[:] = False
        limit = _EQUAL * np.abs(wanted).max()
        for _ in range(10 * m):
            best, steepest = -1, limit
            for i in range(m):
                if used[i] or refused[i]:
                    continue
                slope = wanted[i]
                for j in range(m):
                    slope -= gram[i, j] * s[j]
                if slope > steepest:
                    best, steepest = i, slope
            if best < 0:
                break
            used[best] = True
            if not _inner(wanted, gram, s, used, lower, members, trial):
                # It says no more than those that are used: a repeated program, for instance.
                used[best] = False
                refused[best] = True
                s[best] = 0.0


@njit(cache=True, nogil=True)
def _inner(
    wanted: Reals,
    gram: Reals,
    s: Reals,
    used: NDArray[np.bool_],
    lower: Reals,
    members: NDArray[np.int64],
    trial: Reals,
) -> bool:
    """Move to the least squares of those used, and stop using what would fall below 0."""
    while True:
        n = 0
        for i in range(len(used)):
            if used[i]:
                members[n] = i
                n += 1
        if not _least_squares(wanted, gram, members[:n], lower, trial):
            return False
        share, last = 1.0, -1
        for k in range(n):
            now = s[members[k]]
            if trial[k] <= 0.0:
                step = now / (now - trial[k]) if now > trial[k] else 0.0
                if step < share or last < 0:
                    share, last = step, members[k]
        for k in range(n):
            i = members[k]
            s[i] += share * (trial[k] - s[i])
        if last < 0:
            return True
        s[last] = 0.0
        used[last] = False


@njit(cache=True, nogil=True)
def _least_squares(
    wanted: Reals, gram: Reals, members: NDArray[np.int64], lower: Reals, trial: Reals
) -> bool:
    """Solve for the members by a Cholesky factor; say no where they are not independent."""
    n = len(members)
    for i in range(n):
        for j in range(i + 1):
            value = gram[members[i], members[j]]
            for k in range(j):
                value -= lower[i, k] * lower[j, k]
            if i > j:
                lower[i, j] = value / lower[j, j]
            elif value <= 1e-10 * gram[members[i], members[i]]:
                return False
            else:
                lower[i, i] = np.sqrt(value)
    for i in range(n):
        value = wanted[members[i]]
        for k in range(i):
            value -= lower[i, k] * trial[k]
        trial[i] = value / lower[i, i]
    for i in range(n - 1, -1, -1):
        value = trial[i]
        for k in range(i + 1, n):
            value -= lower[k, i] * trial[k]
        trial[i] = value / lower[i, i]
    return True
