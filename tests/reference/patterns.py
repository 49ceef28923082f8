"""Comparing seqlets as plain loops over the definitions."""

from itertools import combinations

import numpy as np
from scipy.optimize import brentq


def jaccard(a: np.ndarray, b: np.ndarray, shift: int) -> float:
    """Of two (place, channel); the second begins `shift` places after the first."""
    length = len(a) + abs(shift)
    x, y = np.zeros((length, a.shape[1])), np.zeros((length, a.shape[1]))
    x[max(-shift, 0) : max(-shift, 0) + len(a)] = a
    y[max(shift, 0) : max(shift, 0) + len(b)] = b
    below = above = 0.0
    for one, other in zip(x.ravel(), y.ravel(), strict=True):
        below += np.sign(one * other) * min(abs(one), abs(other))
        above += max(abs(one), abs(other))
    return below / above if above else 0.0


def best_jaccard(strands: list[np.ndarray], i: int, j: int, most_shift: int) -> float:
    return max(
        jaccard(strands[0][i], strand[j], shift)
        for strand in strands
        for shift in range(-most_shift, most_shift + 1)
    )


def kmers(
    codes: np.ndarray, importance: np.ndarray, complement: list[int] | None, *, turned: bool = False
) -> dict[tuple, float]:
    """The gapped k-mers of a seqlet, or their reverse complements, and their scores."""
    order = sorted(range(len(codes)), key=lambda place: (-importance[place], place))
    places = sorted(place for place in order[:20] if importance[place] > 0)
    found: dict[tuple, float] = {}
    for size in (4, 5, 6):
        for chosen in combinations(places, size):
            if chosen[-1] - chosen[0] >= 15:
                continue
            if turned:
                assert complement is not None
                kmer = tuple(
                    (chosen[-1] - place, complement[codes[place]]) for place in chosen[::-1]
                )
            else:
                kmer = tuple((place - chosen[0], int(codes[place])) for place in chosen)
            score = sum(float(importance[place]) for place in chosen) / size
            found[kmer] = found.get(kmer, 0.0) + score
    kept = sorted(found, key=lambda kmer: -found[kmer])[:500]
    norm = sum(found[kmer] ** 2 for kmer in kept) ** 0.5
    return {kmer: found[kmer] / norm for kmer in kept}


def cosine(a: dict[tuple, float], b: dict[tuple, float]) -> float:
    return sum(score * b.get(kmer, 0.0) for kmer, score in a.items())


def perplexity(chances: np.ndarray) -> float:
    """Of the chances of the neighbours of a row, whose rest is its own."""
    whole = np.append(chances, 1 - chances.sum())
    whole = whole[whole > 0]
    return float(np.exp(-(whole * np.log(whole)).sum()))


def beta(distance: np.ndarray, wanted: float) -> float:
    def off(log_beta: float) -> float:
        weights = np.exp(-np.exp(log_beta) * distance)
        return perplexity(weights / (1 + weights.sum())) - wanted

    return float(np.exp(brentq(off, -20, 20, xtol=1e-13)))
