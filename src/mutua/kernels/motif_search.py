"""Motifs that tell one set of sequences from another, from their enriched k-mers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mutua.errors import InvalidInput
from mutua.kernels.hypergeometric import log_enrichment_p
from mutua.kernels.kmer_presence import canonical_code, kmer_letters, kmer_presence
from mutua.kernels.letters import check_codes
from mutua.kernels.motif_refinement import (
    Matrix,
    Refined,
    Sets,
    letter_frequencies,
    mask_sites,
    refine,
    similarity,
)

__all__ = ["FoundMotif", "search_motifs"]

Codes = NDArray[np.uint8]

_SAME = 0.7  # correlation from which on two motifs are one
_ROUNDS_PER_MOTIF = 5


class FoundMotif(NamedTuple):
    """A motif, and the k-mer by which it was found.

    Attributes
    ----------
    probability
        float64 (letter, motif_position), of the sites in the foreground.
    n_foreground, n_background
        Sequences with a site, less the sites of the motifs before.
    seed
        uint8 (k,), the letters of the k-mer.
    seed_foreground, seed_background
        Sequences with the k-mer.
    log_p
        Natural logarithm of the p-value of the k-mer.
    n_tests
        k-mers of which it is the best.
    """

    probability: Matrix
    n_foreground: int
    n_background: int
    seed: Codes
    seed_foreground: int
    seed_background: int
    log_p: float
    n_tests: int


class _Seed(NamedTuple):
    letters: Codes
    foreground: NDArray[np.int64]
    background: NDArray[np.int64]
    number: int
    log_p: float
    n_tests: int


def search_motifs(
    foreground: Codes,
    background: Codes,
    *,
    lengths: Sequence[int],
    alphabet_size: int,
    complement: Codes | None,
    most: int,
    level: float,
) -> tuple[list[FoundMotif], Matrix]:
    """Find motifs one after the other, each without the sites of those before.

    Parameters
    ----------
    foreground, background
        uint8 (sequence, position).
    lengths
        Lengths of the k-mers.
    alphabet_size
        Number of letters.
    complement
        uint8 (letters,) to look at both strands, None for the forward strand only.
    most
        Number of motifs after which to stop.
    level
        Stop where the p-value of the best k-mer, times the number of k-mers, is above this.

    Returns
    -------
    motifs, frequencies : list of FoundMotif, float64 (letter,)
        In the order in which they were found, and the letters of the background.

    Raises
    ------
    InvalidInput
        If there are no sequences.
    MemoryLimit
        If there are too many k-mers.
    """
    pair = []
    for argument, codes in (("foreground", foreground), ("background", background)):
        if codes.shape[0] < 1:
            raise InvalidInput(argument, "no sequences", "give at least one")
        pair.append(check_codes(codes, argument).copy())
    own, frequencies = (letter_frequencies(codes, alphabet_size) for codes in pair)
    sets = Sets(pair[0], pair[1], alphabet_size, complement, frequencies, own)
    found: list[FoundMotif] = []
    for _ in range(_ROUNDS_PER_MOTIF * most):
        seed = _best_seed(sets, lengths)
        if seed is None or seed.log_p + math.log(seed.n_tests) > math.log(level):
            break
        motif = refine(sets, _first_matrix(sets, seed))
        _mask(sets.foreground, sets, seed, motif)
        _mask(sets.background, sets, seed, motif)
        if any(
            similarity(motif.probability, other.probability, frequencies, complement) >= _SAME
            for other in found
        ):
            continue
        counts = int(seed.foreground[seed.number]), int(seed.background[seed.number])
        found.append(FoundMotif(*motif[:3], seed.letters, *counts, seed.log_p, seed.n_tests))
        if len(found) == most:
            break
    return found, frequencies


def _best_seed(sets: Sets, lengths: Sequence[int]) -> _Seed | None:
    """Give the k-mer with the least p-value among those that are there; the first of equals."""
    best: _Seed | None = None
    n_tests = 0
    for k in lengths:
        a, b = (
            kmer_presence(codes, k, sets.alphabet_size, complement=sets.complement)[0]
            for codes in (sets.foreground, sets.background)
        )
        there = np.flatnonzero(a + b)
        n_tests += there.size
        if there.size == 0:
            continue
        log_p = log_enrichment_p(
            a[there], b[there], foreground=len(sets.foreground), background=len(sets.background)
        )
        least = int(np.argmin(log_p))
        if best is None or log_p[least] < best.log_p:
            number = int(there[least])
            letters = kmer_letters(there[least : least + 1], k, sets.alphabet_size)[0]
            best = _Seed(letters, a, b, number, float(log_p[least]), 0)
    return None if best is None else best._replace(n_tests=n_tests)


def _first_matrix(sets: Sets, seed: _Seed) -> Matrix:
    """Give a matrix from the seed and the k-mers that differ from it by one letter.

    Each column compares k-mers that agree in all others, by the sequences that have them in
    excess over the background; all but the seed together count at most as much as the seed.
    """
    k, size = len(seed.letters), sets.alphabet_size
    scale = len(sets.foreground) / len(sets.background)
    excess = np.zeros((size, k))
    for place in range(k):
        word = seed.letters.copy()
        for letter in range(size):
            word[place] = letter
            number = canonical_code(word, size, sets.complement)
            excess[letter, place] = seed.foreground[number] - scale * seed.background[number]
    excess = np.maximum(excess, 0)
    own = excess[seed.letters[0], 0]
    excess[seed.letters, np.arange(k)] = 0
    excess *= np.minimum(1, own / np.maximum(excess.sum(axis=0), own))
    excess[seed.letters, np.arange(k)] = own
    counts = excess + sets.frequencies[:, None]
    return np.asarray(counts / counts.sum(axis=0))


def _mask(codes: Codes, sets: Sets, seed: _Seed, motif: Refined) -> None:
    """Mask the sites of the motif, and of its seed, which might not all be among them."""
    first, last = motif.first, motif.last
    mask_sites(
        codes, motif.weights, motif.threshold, complement=sets.complement, first=first, last=last
    )
    exact = np.full((sets.alphabet_size, len(seed.letters)), -np.inf)
    exact[seed.letters, np.arange(len(seed.letters))] = 0.0
    mask_sites(codes, exact, 0.0, complement=sets.complement)
