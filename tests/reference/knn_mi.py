"""Nearest-neighbour mutual information as plain loops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import digamma


def neighbour_counts(x: Sequence[float], y: Sequence[float], k: int) -> list[tuple[int, int]]:
    """Samples strictly nearer than the k-th neighbour in x and in y, the sample itself included.

    Where that neighbour is at distance 0, samples at distance 0.
    """
    found = []
    for i in range(len(x)):
        others = [j for j in range(len(x)) if j != i]
        radius = sorted(max(abs(x[i] - x[j]), abs(y[i] - y[j])) for j in others)[k - 1]
        inside = float(np.nextafter(radius, 0))
        found.append(
            (
                1 + sum(abs(x[i] - x[j]) <= inside for j in others),
                1 + sum(abs(y[i] - y[j]) <= inside for j in others),
            )
        )
    return found


def knn_pair(x: Sequence[float], y: Sequence[float], k: int) -> float:
    """Estimator 1 of Kraskov et al. (2004), in nats."""
    counts = neighbour_counts(x, y, k)
    mean = sum(digamma(n_x) + digamma(n_y) for n_x, n_y in counts) / len(counts)
    return float(digamma(len(x)) + digamma(k) - mean)


def knn_table(x: np.ndarray, y: np.ndarray, k: int) -> np.ndarray:
    """The same for all pairs of columns, (F, L)."""
    return np.array([[knn_pair(a.tolist(), b.tolist(), k) for b in y.T] for a in x.T])
