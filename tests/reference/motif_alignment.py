"""The best alignment of two motifs, as plain loops over padded lists of columns."""

from __future__ import annotations

import math

Matrix = list[list[float]]
"""A column of differences from the background for each position."""


def best_alignment(one: Matrix, other: Matrix, complement: list[int] | None) -> float:
    """Give the largest cosine of two motifs over all shifts and strands."""
    n_letters = len(one[0])
    nothing = [0.0] * n_letters
    turned = [other]
    if complement is not None:
        turned.append([[column[complement[x]] for x in range(n_letters)] for column in other[::-1]])
    best = -math.inf
    for candidate in turned:
        for shift in range(1 - len(candidate), len(one)):
            places = range(min(0, shift), max(len(one), shift + len(candidate)))
            a = [one[p] if 0 <= p < len(one) else nothing for p in places]
            b = [candidate[p - shift] if 0 <= p - shift < len(candidate) else nothing
                 for p in places]  # fmt: skip
            first, second = ([x for column in side for x in column] for side in (a, b))
            dot = sum(x * y for x, y in zip(first, second, strict=True))
            worth = math.sqrt(sum(x * x for x in first) * sum(y * y for y in second))
            best = max(best, dot / worth if worth else 0.0)
    return best
