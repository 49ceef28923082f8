"""Gene programs by the book: every cut tried, one cell at a time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.optimize import nnls


def three_levels(values: np.ndarray) -> np.ndarray:
    """Give the levels of one column by trying all pairs of limits between distinct values."""
    distinct = np.unique(values)
    if len(distinct) == 1:
        return np.zeros(len(values))
    if len(distinct) == 2:
        return np.where(values == distinct[0], -1.0, 1.0)
    best, found = np.inf, None
    for low, high in combinations(range(1, len(distinct)), 2):
        parts = (
            values[values < distinct[low]],
            values[(values >= distinct[low]) & (values < distinct[high])],
            values[values >= distinct[high]],
        )
        cost = sum(((part - part.mean()) ** 2).sum() for part in parts)
        if cost < best - 1e-12:
            best = cost
            found = np.select([values < distinct[low], values >= distinct[high]], [-1.0, 1.0], 0.0)
    assert found is not None
    return found


def spread_of(values: np.ndarray, levels: np.ndarray) -> float:
    """Give the sum of squared distances to the means of the levels."""
    parts = [values[levels == level] for level in np.unique(levels)]
    return float(sum(((part - part.mean()) ** 2).sum() for part in parts))


def activities(scaled: np.ndarray, programs: np.ndarray) -> np.ndarray:
    """Give the non-negative least squares of every cell, one after another."""
    return np.array([nnls(programs.T, cell)[0] for cell in scaled])


def orthogonal_updates(
    X: np.ndarray, A: np.ndarray, P: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """Update activities and programs n times in double precision, as Ding et al. write it."""
    for _ in range(n):
        A = A * (X @ P.T) / (A @ P @ P.T)
        P = P * (A.T @ X) / (P @ X.T @ A @ P)
    return A, P
