"""Motifs in sequences, as plain loops over everything that could be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np


def log_odds(
    probability: np.ndarray, background: Sequence[float], pseudocount: float
) -> list[list[float]]:
    """Scores [letter][column] in bits."""
    return [
        [math.log2(float(p) + pseudocount) - math.log2(b) for p in row]
        for row, b in zip(probability, background, strict=True)
    ]


def distribution(
    scores: list[list[float]], background: Sequence[float], step: float
) -> dict[int, float]:
    """The probability of each score, in steps: all sequences are looked at."""
    rounded = np.round(np.array(scores) / step).astype(int).tolist()
    found: dict[int, float] = {}
    for letters in itertools.product(range(len(background)), repeat=len(scores[0])):
        steps = sum(rounded[x][j] for j, x in enumerate(letters))
        found[steps] = found.get(steps, 0.0) + math.prod(background[x] for x in letters)
    return found


def tail(null: dict[int, float], steps: int) -> float:
    """The probability of at least so many steps."""
    return sum(probability for score, probability in null.items() if score >= steps)


def scan(
    codes: list[list[int]],
    motifs: list[np.ndarray],
    background: Sequence[float],
    complement: Sequence[int] | None,
    p_threshold: float,
    neutral: bool,
    pseudocount: float = 1e-4,
    step: float = 0.1,
) -> list[tuple[int, int, int, int, float, float]]:
    """Hits (sequence, start, motif, strand, score, p), sorted."""
    found = []
    for m, motif in enumerate(motifs):
        strands = [(1, motif)]
        if complement is not None:
            strands.append((-1, motif[list(complement)][:, ::-1]))
        for strand, matrix in strands:
            scores = log_odds(matrix, background, pseudocount)
            null = distribution(scores, background, step)
            # The score must exceed the least one whose p-value is small enough.
            least = min(null)
            while least <= max(null) and tail(null, least) >= p_threshold:
                least += 1
            if least > max(null):
                continue
            for i, row in enumerate(codes):
                for start in range(len(row) - matrix.shape[1] + 1):
                    window = row[start : start + matrix.shape[1]]
                    if 255 in window or (254 in window and not neutral):
                        continue
                    score = 0.0
                    for j, x in enumerate(window):
                        score += scores[x][j] if x < len(background) else 0.0
                    if score > np.float32(least * step):
                        p = tail(null, min(int(score / step), max(null)))
                        found.append((i, start, m, strand, score, p))
    return sorted(found, key=lambda hit: (*hit[:3], -hit[3]))


def best_spans(
    group: Sequence[int],
    start: Sequence[int],
    end: Sequence[int],
    *priorities: Sequence[float],
) -> list[bool]:
    """Take the best span, drop what overlaps it, and so on."""
    order = sorted(
        range(len(group)),
        key=lambda i: (
            *((math.isnan(p[i]), 0.0 if math.isnan(p[i]) else p[i]) for p in priorities),
            i,
        ),
    )
    kept: list[int] = []
    for i in order:
        if not any(group[i] == group[j] and start[i] < end[j] and start[j] < end[i] for j in kept):
            kept.append(i)
    return [i in kept for i in range(len(group))]


def benjamini_hochberg(p: Sequence[float], n_tests: int) -> list[float]:
    """q of each: the least of p_j n / rank_j over all p_j that are as large or larger."""
    ordered = sorted(p)
    candidates = {value: value * n_tests / rank for rank, value in enumerate(ordered, 1)}
    least, q = 1.0, {}
    for value in sorted(candidates, reverse=True):
        least = min(least, candidates[value])
        q[value] = least
    return [q[value] for value in p]
