"""From a k-mer that is enriched to the matrix of the motif around it, and the sites of that."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import chdtri

from mutua.kernels.hypergeometric import log_enrichment_p
from mutua.kernels.letters import UNKNOWN
from mutua.kernels.patterns import BestHits, best_hit

__all__ = ["Refined", "Sets", "letter_frequencies", "mask_sites", "refine", "similarity"]

Codes = NDArray[np.uint8]
Matrix = NDArray[np.float64]

_MOST_ROUNDS = 10
_MOST_THRESHOLDS = 2000
_SETTLED = 1e-3  # change of every probability
# Of a column at the ends of a motif. Where a motif and its reverse complement are nearly the same,
# the strand of a site may be chosen by a letter next to it, which gives that column 0.25 bits.
_LEAST_BITS = 0.4
_CHANCE = 1e-3  # that a column without information passes for one with
_WIDEST_GAP = 3  # columns without information inside a motif
_PSEUDOCOUNT = 1.0  # sites with the letters of the background
_LEAST_OVERLAP = 0.75  # of the shorter of two motifs that are compared


class Sets(NamedTuple):
    """The two sets of sequences that are compared, and how their letters are read.

    Attributes
    ----------
    foreground, background
        uint8 (sequence, position); what is masked is unknown letters (254).
    alphabet_size
        Number of letters.
    complement
        uint8 (letters,) to look at both strands, None for the forward strand only.
    frequencies
        float64 (letter,), of the background.
    own_frequencies
        float64 (letter,), of the foreground.
    """

    foreground: Codes
    background: Codes
    alphabet_size: int
    complement: Codes | None
    frequencies: Matrix
    own_frequencies: Matrix


class Refined(NamedTuple):
    """A motif and where its sites are.

    Attributes
    ----------
    probability
        float64 (letter, motif_position), of the sites in the foreground less those
        expected by chance, and one with the letters of the background.
    n_foreground, n_background
        Sequences with a site.
    log_p
        Natural logarithm of the p-value of these, of which the threshold is the choice.
    weights
        float64 (letter, motif_position), log2-odds that the sites were found by.
    threshold
        Least score of a site.
    first, last
        Columns of `probability`, counted from the first one of `weights`.
    """

    probability: Matrix
    n_foreground: int
    n_background: int
    log_p: float
    weights: Matrix
    threshold: float
    first: int
    last: int


def letter_frequencies(codes: Codes, alphabet_size: int) -> Matrix:
    """Give the frequency of every letter, above 0, among those that are known.

    Examples
    --------
    >>> letter_frequencies(np.array([[0, 0, 1, 254]], np.uint8), 2)
    array([0.6, 0.4])
    """
    counts = np.bincount(codes.reshape(-1), minlength=alphabet_size)[:alphabet_size] + 1.0
    return np.asarray(counts / counts.sum())


def refine(sets: Sets, matrix: Matrix) -> Refined:
    """Give the motif that a first matrix leads to.

    The best window of every sequence is scored, and the threshold taken at which most sequences
    of the foreground and fewest of the background have a site (least p-value). The next matrix is
    made of these sites, one in each sequence, and of as many columns on either side as tell
    something. That goes on while the p-value does not rise.

    Parameters
    ----------
    sets
        The sequences.
    matrix
        float64 (letter, motif_position): probabilities to begin with, above 0. Some sequence of
        the foreground is as long as the motif.

    Returns
    -------
    Refined
        The motif with the least p-value.
    """
    reach = matrix.shape[1]
    best = _next(sets, matrix, reach)
    for _ in range(_MOST_ROUNDS):
        after = _next(sets, best.probability, reach)
        if after.log_p > best.log_p:
            break
        before, best = best, after
        alike = before.probability.shape == best.probability.shape
        if alike and np.abs(best.probability - before.probability).max() < _SETTLED:
            break
    return best


def _next(sets: Sets, matrix: Matrix, reach: int) -> Refined:
    """Find the sites of a matrix, and the matrix of these sites."""
    width = matrix.shape[1]
    scale = len(sets.foreground) / len(sets.background)
    widest = min(3 * reach, sets.foreground.shape[1], sets.background.shape[1])
    weights = np.log2(matrix / sets.frequencies[:, None])
    hits = best_hit(sets.foreground, weights, complement=sets.complement)
    others = best_hit(sets.background, weights, complement=sets.complement)
    threshold, a, b, log_p = _best_threshold(hits, others)
    own = _site_letters(sets.foreground, hits, threshold, sets, width, reach)
    other = _site_letters(sets.background, others, threshold, sets, width, reach)
    first, last = _informative(own, other, scale, sets.own_frequencies, reach, widest)
    counts = np.maximum(own - scale * other, 0)[:, first + reach : last + reach]
    counts += _PSEUDOCOUNT * sets.frequencies[:, None]
    return Refined(counts / counts.sum(axis=0), a, b, log_p, weights, threshold, first, last)


def _best_threshold(hits: BestHits, others: BestHits) -> tuple[float, int, int, float]:
    """Give the score at which the sets differ most, the sequences at or above it, and log p."""
    own = np.sort(hits.score[hits.position >= 0])
    other = np.sort(others.score[others.position >= 0])
    ranks = np.linspace(0, len(own) - 1, min(len(own), _MOST_THRESHOLDS)).astype(np.int64)
    thresholds = np.unique(own[ranks])
    a = len(own) - np.searchsorted(own, thresholds, side="left")
    b = len(other) - np.searchsorted(other, thresholds, side="left")
    log_p = log_enrichment_p(a, b, foreground=len(hits.score), background=len(others.score))
    best = len(log_p) - 1 - int(np.argmin(log_p[::-1]))
    return float(thresholds[best]), int(a[best]), int(b[best]), float(log_p[best])


def _site_letters(
    codes: Codes, hits: BestHits, threshold: float, sets: Sets, width: int, reach: int
) -> Matrix:
    """Count the letters at the sites, from `reach` columns before them to as many after."""
    rows = np.flatnonzero(hits.score >= np.float32(threshold))
    counts = np.zeros((sets.alphabet_size, width + 2 * reach), np.float64)
    complement = np.arange(sets.alphabet_size, dtype=np.uint8)
    complement = complement if sets.complement is None else sets.complement
    strand = hits.strand[rows]
    _count_letters(codes, rows, hits.position[rows], strand, complement, width, reach, counts)
    return counts


@njit(cache=True, nogil=True)
def _count_letters(
    codes: Codes,
    rows: NDArray[np.int64],
    position: NDArray[np.int64],
    strand: NDArray[np.int8],
    complement: Codes,
    width: int,
    reach: int,
    counts: Matrix,
) -> None:
    for i in range(rows.size):
        for column in range(counts.shape[1]):
            place = position[i] - reach + column
            if strand[i] < 0:
                place = position[i] + width - 1 + reach - column
            if place < 0 or place >= codes.shape[1]:
                continue
            letter = codes[rows[i], place]
            if letter < complement.size:
                counts[complement[letter] if strand[i] < 0 else letter, column] += 1.0


def _informative(
    own: Matrix, other: Matrix, scale: float, frequencies: Matrix, reach: int, widest: int
) -> tuple[int, int]:
    """Give the first and last column with information, relative to the columns of before.

    Parameters
    ----------
    own
        float64 (letter, column), letters at the sites of the foreground, with `reach` columns on
        either side of those before.
    other
        The same of the background; times `scale` the number expected by chance.
    scale
        Sequences of the foreground for each one of the background.
    frequencies
        float64 (letter,), what the letters of a column without information would be.
    reach
        Columns on either side.
    widest
        Columns at the most; of more, those at the ends with least information go.
    """
    excess = np.maximum(own - scale * other, 0)
    n = excess.sum(axis=0)
    worth = n**2 / np.maximum((own + scale**2 * other).sum(axis=0), 1)  # sites without noise
    share = excess / np.maximum(n, 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = share * np.log2(share / frequencies[:, None])
    bits = np.where(share > 0, terms, 0).sum(axis=0)
    by_chance = chdtri(len(own) - 1, _CHANCE) / (2 * np.log(2) * np.maximum(worth, 1e-9))
    there = own.sum(axis=0) > own.sum(axis=0).max() / 2
    tells = np.flatnonzero((bits >= np.maximum(by_chance, _LEAST_BITS)) & there)
    if tells.size == 0:
        return 0, own.shape[1] - 2 * reach
    blocks = np.split(tells, np.flatnonzero(np.diff(tells) > _WIDEST_GAP + 1) + 1)
    tells = max(blocks, key=lambda block: float(bits[block].sum()))
    while tells[-1] - tells[0] >= widest:
        tells = tells[1:] if bits[tells[0]] < bits[tells[-1]] else tells[:-1]
    return int(tells[0]) - reach, int(tells[-1]) + 1 - reach


def mask_sites(
    codes: Codes,
    weights: Matrix,
    threshold: float,
    *,
    complement: Codes | None,
    first: int = 0,
    last: int = 0,
) -> None:
    """Turn the letters of all sites of a motif into unknown ones, in place.

    Of sites that overlap the better one goes first; what is left of the other is no site.

    Parameters
    ----------
    codes
        uint8 (sequence, position), C-contiguous.
    weights
        float64 (letter, motif_position).
    threshold
        Least score of a site.
    complement
        uint8 (letters,) to mask sites on both strands.
    first, last
        Further columns to mask, counted from the first one of `weights`.
    """
    width = weights.shape[1]
    first, last = min(first, 0), max(last, width)
    rows = np.arange(len(codes))
    while rows.size:
        hits = best_hit(codes[rows], weights, threshold=threshold, complement=complement)
        found = hits.position >= 0
        rows = rows[found]
        forward = hits.strand[found] > 0
        start = hits.position[found] + np.where(forward, first, width - last)
        _blank(codes, rows, start, last - first, len(weights))


@njit(cache=True, nogil=True)
def _blank(
    codes: Codes,
    rows: NDArray[np.int64],
    start: NDArray[np.int64],
    width: int,
    alphabet_size: int,
) -> None:
    for i in range(rows.size):
        for place in range(max(start[i], 0), min(start[i] + width, codes.shape[1])):
            if codes[rows[i], place] < alphabet_size:
                codes[rows[i], place] = UNKNOWN


def similarity(one: Matrix, other: Matrix, frequencies: Matrix, complement: Codes | None) -> float:
    """Give the best correlation of two motifs over all shifts and strands.

    Of what their columns differ from the frequencies by, over the columns that overlap: at least
    three quarters of the shorter motif.

    Examples
    --------
    >>> gata = np.eye(4)[:, [2, 0, 3, 0, 0, 2]]
    >>> even, complement = np.full(4, 0.25), np.array([3, 2, 1, 0], np.uint8)
    >>> round(similarity(gata, gata[complement, ::-1], even, complement), 6)
    1.0
    >>> similarity(gata, gata[:, [1, 1, 2, 2, 0, 0]], even, None) < 0.5
    True
    """
    turned = [other] if complement is None else [other, other[complement, ::-1]]
    overlap = max(2, int(np.ceil(_LEAST_OVERLAP * min(one.shape[1], other.shape[1]))))
    best = -1.0
    left = one - frequencies[:, None]
    for candidate in turned:
        right = candidate - frequencies[:, None]
        for shift in range(overlap - right.shape[1], left.shape[1] - overlap + 1):
            a = left[:, max(shift, 0) : shift + right.shape[1]]
            b = right[:, max(-shift, 0) :][:, : a.shape[1]]
            worth = np.sqrt((a * a).sum() * (b * b).sum())
            best = max(best, float((a * b).sum() / worth)) if worth > 0 else best
    return best
