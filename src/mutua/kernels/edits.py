"""Changes of letter codes: motifs written over them, spans shuffled, single letters exchanged."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mutua.kernels.letters import PADDING
from mutua.kernels.random_sequences import kmer_preserving_shuffle, sample_letters
from mutua.kernels.spans import cut_spans

__all__ = ["KEEP", "sampled_motif", "shuffled_spans", "single_edits", "written"]

Codes = npt.NDArray[np.uint8]

KEEP = PADDING
"""In place of a letter to write: the one that is there stays."""


def sampled_motif(
    probability: npt.NDArray[np.float64], n: int, *, seed: int, first_sequence: int = 0
) -> Codes:
    """Draw the letters of a motif for each sequence.

    Parameters
    ----------
    probability
        (letter, motif_position). Where all letters are equally likely, as with N in a consensus,
        `KEEP` stands.
    n
        Number of sequences.
    seed, first_sequence
        As for `mutua.kernels.random_sequences.sample_letters`.

    Returns
    -------
    uint8 array (sequence, motif_position)

    Examples
    --------
    >>> sampled_motif(np.array([[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]), 2, seed=0)
    array([[  0, 255,   1],
           [  0, 255,   1]], dtype=uint8)
    """
    letters = sample_letters(probability, n, seed=seed, first_sequence=first_sequence)
    letters[:, np.ptp(probability, axis=0) < 1e-9] = KEEP
    return letters


def written(codes: Codes, letters: Codes, start: int) -> Codes:
    """Give the sequences with letters written over those from position `start`.

    Examples
    --------
    >>> written(np.zeros((1, 4), np.uint8), np.array([[1, 255, 2]], np.uint8), 1)
    array([[0, 1, 0, 2]], dtype=uint8)
    """
    changed = codes.copy()
    part = changed[:, start : start + letters.shape[1]]
    part[...] = np.where(letters == KEEP, part, letters)
    return changed


def shuffled_spans(
    codes: Codes,
    start: npt.NDArray[np.integer],
    end: npt.NDArray[np.integer],
    *,
    k: int,
    seed: int,
    first_sequence: int = 0,
) -> Codes:
    """Give the sequences with one span of each shuffled, keeping the number of its k-mers.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    start, end
        (sequence,) half-open; empty for sequences that stay as they are.
    k, seed, first_sequence
        As for `mutua.kernels.random_sequences.kmer_preserving_shuffle`.

    Examples
    --------
    >>> codes = np.array([[0, 0, 1, 2, 3, 0], [0, 0, 1, 2, 3, 0]], np.uint8)
    >>> shuffled_spans(codes, np.array([1, 0]), np.array([5, 0]), k=1, seed=1)
    array([[0, 0, 1, 3, 2, 0],
           [0, 0, 1, 2, 3, 0]], dtype=uint8)
    """
    width = int((end - start).max(initial=0))
    spans = np.empty((len(codes), width), np.uint8)
    cut_spans(codes, np.arange(len(codes)), start, end, spans)
    spans = kmer_preserving_shuffle(spans, k=k, seed=seed, first_sequence=first_sequence)
    changed = codes.copy()
    inside = np.arange(width) < (end - start)[:, None]
    rows, places = np.nonzero(inside)
    changed[rows, start[rows] + places] = spans[inside]
    return changed


def single_edits(codes: Codes, words: list[Codes]) -> Iterator[tuple[int, int, int]]:
    """Yield (row, word, position) of every change of a sequence by writing one word into it.

    Words are uint8 (letter,), with `KEEP` where the letter that is there stays. Padding is never
    written over, and what changes nothing is left out.
    """
    length = codes.shape[1]
    for number, word in enumerate(words):
        width = len(word)
        if width > length:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(codes, width, axis=1)
        differs = ((windows != word) & (word != KEEP)).any(axis=2)
        free = (windows != PADDING).all(axis=2)
        rows, positions = np.nonzero(differs & free)
        yield from zip(rows.tolist(), [number] * len(rows), positions.tolist(), strict=True)
