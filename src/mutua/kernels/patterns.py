"""Find IUPAC patterns and weight matrices in codes.

A *motif* is either a pattern, an array uint64 (motif_position,) of letter masks from
:func:`pattern_masks`, or a weight matrix, an array float (letter, motif_position) of log-odds.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.errors import InvalidInput
from mutua.kernels.letters import (
    PADDING,
    UNKNOWN,
    check_codes,
    is_nucleotide,
    letter_table,
)
from mutua.kernels.rows import over_rows

__all__ = [
    "BestHits",
    "best_hit",
    "first_hit",
    "pattern_masks",
]

Codes = npt.NDArray[np.uint8]
Motif = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

_NUCLEOTIDE_SYMBOLS = {
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
_PROTEIN_SYMBOLS = {"B": "DN", "J": "IL", "Z": "EQ"}

_GAPS = "-."
_UNKNOWN_BIT = 63  # bit of a mask that accepts the unknown letter


class BestHits(NamedTuple):
    """One hit of a motif in each sequence.

    Attributes
    ----------
    position
        int64 (sequence,): where the hit begins, on either strand counted from the left end of the
        row; -1 where there is none.
    strand
        int8 (sequence,): 1 forward, -1 reverse, 0 none.
    score
        float32 (sequence,): the log-odds score, 0 for a pattern, -inf where there is no hit.
    """

    position: npt.NDArray[np.int64]
    strand: npt.NDArray[np.int8]
    score: npt.NDArray[np.float32]


def pattern_masks(pattern: str, alphabet: str) -> npt.NDArray[np.uint64]:
    """Give the letters that each symbol of a pattern accepts, as bit masks.

    The ambiguity symbols of IUPAC stand for several letters in DNA and RNA (R, Y, ... N) and in
    protein (B, J, Z). The symbol for any letter (N; X in other alphabets than DNA and RNA) accepts
    an unknown letter too; nothing accepts padding.

    Parameters
    ----------
    pattern
        At least one symbol, e.g. ``"TATAWAW"``; upper and lower case as in the alphabet.
    alphabet
        At most 63 letters.

    Returns
    -------
    uint64 array (motif_position,)
        Bit c stands for the letter with code c, bit 63 for an unknown letter.

    Raises
    ------
    InvalidInput
        If a symbol has no meaning in the alphabet.

    Examples
    --------
    >>> [f"{mask:b}" for mask in pattern_masks("TR", "ACGT")]
    ['1000', '101']
    """
    table = letter_table(alphabet)
    if not pattern or len(alphabet) > _UNKNOWN_BIT:
        found = f"{pattern!r} over {len(alphabet)} letters"
        raise InvalidInput("pattern", found, "use at least one symbol and at most 63 letters")
    any_letter = "".join(symbol for symbol in alphabet if symbol not in _GAPS)
    symbols = dict(_NUCLEOTIDE_SYMBOLS) if is_nucleotide(alphabet) else {"X": any_letter}
    if set(alphabet.upper()) >= set("ACDEFGHIKLMNPQRSTVWY"):
        symbols |= _PROTEIN_SYMBOLS
    masks = np.zeros(len(pattern), np.uint64)
    for j, symbol in enumerate(pattern):
        code = table[ord(symbol)] if symbol.isascii() else UNKNOWN
        if code != UNKNOWN:
            masks[j] = 1 << int(code)
            continue
        letters = symbols.get(symbol.upper())
        if letters is None:
            known = "".join(sorted({*alphabet, *symbols}))
            raise InvalidInput(
                "pattern", f"{symbol!r} at position {j} of {pattern!r}", f"use symbols of {known}"
            )
        masks[j] = sum(1 << int(table[ord(letter)]) for letter in letters)
        if len(letters) == len(any_letter):
            masks[j] |= np.uint64(1 << _UNKNOWN_BIT)
    return masks


def best_hit(
    codes: Codes,
    motif: Motif,
    *,
    threshold: float = -np.inf,
    complement: npt.NDArray[np.uint8] | None = None,
) -> BestHits:
    """Find the window with the highest score in each sequence.

    Of equal scores the leftmost window counts, and of one window the forward strand.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    motif
        Pattern, uint64 (motif_position,), or weight matrix, float (letter, motif_position).
    threshold
        Least score, compared as float32. A score of -inf is never a hit.
    complement
        uint8 (letters,) from :func:`mutua.kernels.letters.complement_codes`, to search both
        strands; None for the forward strand only.

    Returns
    -------
    BestHits
        Named arrays position, strand and score.

    Raises
    ------
    InvalidInput
        If the motif is neither a pattern nor a weight matrix, or a number in it is NaN or +inf.

    Examples
    --------
    >>> codes = np.array([[3, 0, 1, 1], [2, 2, 2, 2]], np.uint8)
    >>> best_hit(codes, pattern_masks("ACC", "ACGT")).position
    array([ 1, -1])
    """
    return _hit_per_sequence(codes, motif, threshold, complement, first=False)


def first_hit(
    codes: Codes,
    motif: Motif,
    *,
    threshold: float = -np.inf,
    complement: npt.NDArray[np.uint8] | None = None,
) -> BestHits:
    """Find the leftmost window of each sequence with at least the threshold score.

    Of one window the strand with the higher score counts, and of equal scores the forward one.
    Parameters, result and errors are those of :func:`best_hit`.

    Examples
    --------
    >>> codes = np.array([[3, 0, 3, 0, 3]], np.uint8)
    >>> first_hit(codes, pattern_masks("AT", "ACGT")).position
    array([1])
    """
    return _hit_per_sequence(codes, motif, threshold, complement, first=True)


def _hit_per_sequence(
    codes: Codes,
    motif: Motif,
    threshold: float,
    complement: npt.NDArray[np.uint8] | None,
    *,
    first: bool,
) -> BestHits:
    codes = check_codes(codes)
    rows, scores = _score_tables(motif, complement)
    n = codes.shape[0]
    hits = BestHits(np.full(n, -1), np.zeros(n, np.int8), np.full(n, -np.inf, dtype=np.float32))
    least = np.float32(threshold)
    cost = _cost(codes, scores)
    over_rows(_best_rows, n, codes, rows, scores, least, first, *hits, row_cost=cost)
    return hits


def _score_tables(motif: Motif, complement: npt.NDArray[np.uint8] | None) -> tuple[Rows, Scores]:
    """Give the table row of every code, and the scores (strand, row, motif_position).

    Rows are the letters, the unknown letter and padding. A pattern scores 0 or -inf.
    """
    motif = np.asarray(motif)
    if motif.ndim == 1 and motif.dtype == np.uint64 and motif.size:
        bits = motif >> np.arange(64, dtype=np.uint64)[:, None] & np.uint64(1)
        scores = np.where(bits == 1, 0.0, -np.inf)
    elif motif.ndim == 2 and motif.dtype.kind in "iuf" and 0 < motif.shape[0] < 254 and motif.size:
        if np.isnan(motif).any() or np.isposinf(motif).any():
            raise InvalidInput("motif", "holds NaN or +inf", "pass finite log-odds or -inf")
        scores = np.vstack([motif, np.full(motif.shape[1], -np.inf)]).astype(np.float64)
    else:
        raise InvalidInput(
            "motif",
            f"{motif.dtype} of shape {motif.shape}",
            "pass masks of pattern_masks, or log-odds (letter, motif_position)",
        )
    n_letters = len(scores) - 1
    scores = np.vstack([scores, np.full(scores.shape[1], -np.inf)])
    rows = np.minimum(np.arange(256), n_letters)
    rows[PADDING] = n_letters + 1
    strands = [scores]
    if complement is not None:
        if len(complement) > n_letters or (motif.ndim == 2 and len(complement) != n_letters):
            raise InvalidInput(
                "complement",
                f"{len(complement)} letters, and the motif has {n_letters}",
                "pass the complement of the alphabet of the motif",
            )
        reverse = scores.copy()
        reverse[: len(complement)] = scores[complement]
        strands.append(reverse[:, ::-1])
    return rows, np.stack(strands)


def _cost(codes: Codes, scores: Scores) -> float:
    """Give roughly how many nanoseconds a sequence takes."""
    return 0.4 * codes.shape[1] * scores.shape[0] * scores.shape[2]


@njit(cache=True, nogil=True)
def _score_sequence(codes: Codes, rows: Rows, scores: Scores, row_at: Rows, totals: Scores) -> None:
    """Score all windows of one sequence, on every strand, into `totals` (strand, window).

    Position by position of the motif and not window by window: the inner loop has no branch.
    """
    for p in range(codes.size):
        row_at[p] = rows[codes[p]]
    totals[:] = 0.0
    for s in range(scores.shape[0]):
        for j in range(scores.shape[2]):
            for p in range(totals.shape[1]):
                totals[s, p] += scores[s, row_at[p + j], j]


@njit(cache=True, nogil=True)
def _best_rows(
    start: int,
    stop: int,
    codes: Codes,
    rows: Rows,
    scores: Scores,
    threshold: np.float32,
    first: bool,
    position: npt.NDArray[np.int64],
    strand: npt.NDArray[np.int8],
    score: npt.NDArray[np.float32],
) -> None:
    row_at = np.empty(codes.shape[1], np.int64)
    totals = np.empty((scores.shape[0], max(codes.shape[1] - scores.shape[2] + 1, 0)))
    for i in range(start, stop):
        _score_sequence(codes[i], rows, scores, row_at, totals)
        for p in range(totals.shape[1]):
            for s in range(totals.shape[0]):
                value = np.float32(totals[s, p])
                if value >= threshold and value > score[i]:
                    position[i], strand[i], score[i] = p, 1 - 2 * s, value
            if first and position[i] >= 0:
                break
