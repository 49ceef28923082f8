"""The quality of signed communities by its formula, and every way to put nodes into communities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def quality(weights: np.ndarray, labels: list[int], resolution: float) -> float:
    total, n = 0.0, len(weights)
    for sign in (1, -1):
        layer = [[max(sign * weights[i, j], 0.0) for j in range(n)] for i in range(n)]
        degree = [sum(row) for row in layer]
        if sum(degree) == 0:
            continue
        for i in range(n):
            for j in range(n):
                if labels[i] == labels[j]:
                    chance = resolution * degree[i] * degree[j] / sum(degree)
                    total += sign * (layer[i][j] - chance)
    return total


def partitions(n: int) -> Iterator[list[int]]:
    """Give every partition of n nodes once, communities numbered by their first nodes."""

    def further(labels: list[int]) -> Iterator[list[int]]:
        if len(labels) == n:
            yield labels
            return
        for label in range(max(labels, default=-1) + 2):
            yield from further([*labels, label])

    yield from further([])
