"""Plain compiled loops that do each operation: what kernels that count or look up are held against.

They give something made of all that they did, so that a compiler can leave out nothing of it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.kernel_position_mi import entropy


@njit(nogil=True)
def plain_position_mi(columns: NDArray[np.uint8], k: int, n_kmers: int) -> float:
    """One histogram per pair of positions."""
    total = 0.0
    for i in range(len(columns)):
        for j in range(i + k, len(columns)):
            counts = np.zeros(n_kmers * n_kmers, np.int32)
            for s in range(columns.shape[1]):
                counts[columns[i, s] * n_kmers + columns[j, s]] += 1
            total += entropy(counts, columns.shape[1])
    return total


@njit(nogil=True)
def plain_knn(x: NDArray[np.float64], y: NDArray[np.float64]) -> int:
    """Radius of the third neighbour of every sample, by looking at all others, then both counts."""
    total = 0
    for f in range(len(x)):
        for latent in range(len(y)):
            for i in range(x.shape[1]):
                a = b = c = np.inf
                for j in range(x.shape[1]):
                    if j != i:
                        d = max(abs(x[f, j] - x[f, i]), abs(y[latent, j] - y[latent, i]))
                        if d < c:
                            c = d
                            if c < b:
                                b, c = c, b
                            if b < a:
                                a, b = b, a
                for j in range(x.shape[1]):
                    total += abs(x[f, j] - x[f, i]) < c
                    total += abs(y[latent, j] - y[latent, i]) < c
    return total


@njit(nogil=True)
def plain_scan(letters: NDArray[np.uint8], scores: NDArray[np.float64], width: int) -> int:
    """Score every window of every motif, (motif, letter, column)."""
    hits = 0
    for motif in range(len(scores)):
        for start in range(len(letters) - width + 1):
            score = 0.0
            for column in range(width):
                score += scores[motif, letters[start + column], column]
            hits += score > 12.0
    return hits


@njit(nogil=True)
def plain_jaccard(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Smaller sizes of the values of every pair of rows, with the sign of the product."""
    total = 0.0
    for left in a:
        for right in b:
            signed = np.float32(0)
            for i in range(len(left)):
                smaller = min(abs(left[i]), abs(right[i]))
                signed += smaller if left[i] * right[i] > 0 else -smaller
            total += signed
    return total


@njit(nogil=True)
def plain_sweeps(coupling: NDArray[np.float64], states: NDArray[np.float64], n: int) -> float:
    """Add up the field of every node of every chain in every sweep, without any drawing."""
    total = 0.0
    for chain in range(len(states)):
        for _ in range(n):
            for i in range(len(coupling)):
                field = 0.0
                for j in range(len(coupling)):
                    field += coupling[i, j] * states[chain, j]
                total += field
    return total


@njit(nogil=True)
def plain_alignments(
    spans: NDArray[np.uint8], scores: NDArray[np.int32], bounds: NDArray[np.int64]
) -> int:
    """Score every alignment of every span and motif, whose columns are (letter, column)."""
    total = 0
    for span in spans:
        for motif in range(len(bounds) - 1):
            first, width = bounds[motif], bounds[motif + 1] - bounds[motif]
            best = -(2**31)
            for offset in range(1 - len(span), width):
                score = 0
                for column in range(max(offset, 0), min(offset + len(span), width)):
                    score += scores[span[column - offset], first + column]
                best = max(best, score)
            total += best
    return total


@njit(nogil=True)
def plain_windows(
    attribution: NDArray[np.float32], codes: NDArray[np.uint8], window: int, least: float
) -> int:
    """Sum the attributions of the letters that are there in all windows, in one pass."""
    found = 0
    before = np.zeros(codes.shape[1] + 1)
    for row in range(len(codes)):
        for position in range(codes.shape[1]):
            value = attribution[row, codes[row, position], position]
            before[position + 1] = before[position] + value
            if position + 1 >= window:
                found += before[position + 1] - before[position + 1 - window] >= least
    return found


@njit(nogil=True)
def plain_pairs(
    bounds: NDArray[np.int64], motif: NDArray[np.int32], counts: NDArray[np.int32]
) -> None:
    """Count the motifs of all pairs of hits of each sequence."""
    for sequence in range(len(bounds) - 1):
        for i in range(bounds[sequence], bounds[sequence + 1]):
            for j in range(i + 1, bounds[sequence + 1]):
                counts[motif[i], motif[j]] += 1


@njit(nogil=True)
def plain_spacings(
    bounds: NDArray[np.int64],
    motif: NDArray[np.int32],
    start: NDArray[np.int32],
    end: NDArray[np.int32],
    widest: int,
    counts: NDArray[np.int32],
) -> int:
    """Count motifs and distances of all pairs of hits that are near enough; give how many."""
    found = 0
    beyond = counts.shape[2] + widest  # hits stand in the order of their middles
    for sequence in range(len(bounds) - 1):
        for i in range(bounds[sequence], bounds[sequence + 1]):
            for j in range(i + 1, bounds[sequence + 1]):
                distance = start[j] - end[i]
                if distance >= beyond:
                    break
                if 0 <= distance < counts.shape[2]:
                    counts[motif[i], motif[j], distance] += 1
                    found += 1
    return found
