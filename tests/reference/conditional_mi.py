"""The formulas of mutual information given covariates as plain loops."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

from scipy.special import digamma


def gap(a: Hashable | float, b: Hashable | float) -> float:
    """Distance of two values; of two classes 0 or infinity."""
    if isinstance(a, str):
        return 0.0 if a == b else math.inf
    return abs(a - b)  # type: ignore[operator]


def conditional_knn(
    x: Sequence[float | str],
    y: Sequence[float | str],
    z: Sequence[Sequence[float | str]],
    n_neighbors: int,
) -> float:
    """Frenzel and Pompe 2007: text stands for classes; z has a row for every sample."""
    n, total = len(x), 0.0
    for i in range(n):
        dx = [gap(x[i], x[j]) for j in range(n)]
        dy = [gap(y[i], y[j]) for j in range(n)]
        dz = [max([0.0, *(gap(a, b) for a, b in zip(z[i], z[j], strict=True))]) for j in range(n)]
        far = sorted(max(dx[j], dy[j], dz[j]) for j in range(n) if j != i)
        near = [d for d in far if d < math.inf][:n_neighbors]
        if not near:
            continue
        radius = near[-1]
        n_z = sum(dz[j] < radius for j in range(n))
        n_xz = sum(max(dx[j], dz[j]) < radius for j in range(n))
        n_yz = sum(max(dy[j], dz[j]) < radius for j in range(n))
        total += digamma(len(near)) + digamma(n_z) - digamma(n_xz) - digamma(n_yz)
    return total / n


def class_mi(
    x: Sequence[Hashable], y: Sequence[Hashable], strata: Sequence[Hashable], *, miller_madow: bool
) -> float:
    """Mutual information of classes in every stratum, by the share of its samples."""
    total = 0.0
    for stratum, size in Counter(strata).items():
        rows = [(a, b) for a, b, s in zip(x, y, strata, strict=True) if s == stratum]
        joint = Counter(rows)
        of_x, of_y = Counter(a for a, _ in rows), Counter(b for _, b in rows)
        mi = sum(
            count / size * math.log(count * size / (of_x[a] * of_y[b]))
            for (a, b), count in joint.items()
        )
        if miller_madow:
            mi -= (len(joint) - len(of_x) - len(of_y) + 1) / (2 * size)
        total += size / len(x) * mi
    return total


def class_distances(
    values: Sequence[float], classes: Sequence[Hashable], n_neighbors: int
) -> float:
    """Ross 2014, equation 4, without samples alone in their class."""
    sizes = Counter(classes)
    rows = [(v, c) for v, c in zip(values, classes, strict=True) if sizes[c] > 1]
    total = 0.0
    for i, (value, own) in enumerate(rows):
        others = sorted(abs(v - value) for j, (v, c) in enumerate(rows) if c == own and j != i)
        k = min(n_neighbors, len(others))
        radius = others[k - 1]
        within = sum(abs(v - value) < radius for v, _ in rows)
        total += digamma(len(rows)) + digamma(k) - digamma(sizes[own]) - digamma(within)
    return total / len(rows)
