"""Latent dims, modules and their associations, as plain loops over everything."""

from __future__ import annotations

import math

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage


def correlation(values: np.ndarray, latent: np.ndarray) -> list[list[float]]:
    """Pearson r [feature][latent dim]; None would be nan, here 0."""
    found = []
    for column in values.T.astype(float).tolist():
        row = []
        for other in latent.T.astype(float).tolist():
            mean, mean_other = math.fsum(column) / len(column), math.fsum(other) / len(other)
            together = math.fsum(
                (a - mean) * (b - mean_other) for a, b in zip(column, other, strict=True)
            )
            own = math.fsum((a - mean) ** 2 for a in column)
            theirs = math.fsum((b - mean_other) ** 2 for b in other)
            varied = len(set(column)) > 1 and len(set(other)) > 1
            row.append(together / math.sqrt(own * theirs) if varied else 0.0)
        found.append(row)
    return found


def modules(r: np.ndarray, n_modules: int) -> list[int]:
    """Ward's linkage of the rows of correlations, cut and numbered by scipy."""
    return fcluster(linkage(r, method="ward"), n_modules, criterion="maxclust").tolist()


def score(values: np.ndarray, scale: bool) -> tuple[np.ndarray, np.ndarray, float]:
    """First principal component by a singular value decomposition of all that is there."""
    centred = values - values.mean(axis=0)
    if scale:
        centred = centred / values.std(axis=0, ddof=1)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    loadings = axes[0] if axes[0].sum() >= 0 else -axes[0]
    return centred @ loadings, loadings, float(sizes[0] ** 2 / (sizes**2).sum())


def linked(
    mi: np.ndarray, r: np.ndarray, module: list[int], threshold: float, quantile: float
) -> dict[tuple[int, int], set[int]]:
    """The latent dims that link genome and module, by the two rules for genomes together.

    A genome belongs to a latent dim if its mutual information reaches the quantile of the column
    and, divided by the largest of the column, the threshold. A latent dim belongs to the modules
    that hold a feature of the top decile of its absolute correlations.
    """
    found: dict[tuple[int, int], set[int]] = {}
    for dim in range(mi.shape[1]):
        column, largest = mi[:, dim], max(mi[:, dim])
        top = [g for g, value in enumerate(column) if value >= np.quantile(column, quantile)]
        size = [abs(value) for value in r[:, dim]]
        strong = [f for f, value in enumerate(size) if value >= np.quantile(size, 0.9)]
        for genome in top:
            if largest > 0 and column[genome] / largest >= threshold:
                for feature in strong:
                    found.setdefault((genome, module[feature]), set()).add(dim)
    return found
