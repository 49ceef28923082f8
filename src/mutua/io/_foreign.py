"""Whether text is of the alphabet that it is read with."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mutua.errors import InvalidInput
from mutua.kernels import letters
from mutua.models.alphabets import ALPHABETS, UNKNOWN, alphabet_name

__all__ = ["no_letters", "refuse_foreign"]

_SAMPLE = 1 << 20
_UNKNOWNS = "NX*?~-."
_AMBIGUOUS = "RYSWKMBDHV"
# Of the letters of a protein 35 % are no symbol of nucleic acids at all and another 37 % mean
# several bases, which are rare in nucleic acids.
_FOREIGN = 0.2
_FOREIGN_OR_AMBIGUOUS = 0.5
_FOREIGN_TO_CUSTOM = 0.5
_OTHERS = "the alphabet of the sequences: 'DNA', 'RNA', 'protein' or their letters"


def refuse_foreign(text: bytes, alphabet: str, table: npt.NDArray[np.uint8]) -> None:
    """Refuse text many of whose letters are not of the alphabet, nor symbols for unknown."""
    counts = np.bincount(np.frombuffer(text[:_SAMPLE], np.uint8), minlength=256)
    other = table == UNKNOWN
    counts[_both_cases(_UNKNOWNS) & other] = 0
    total, is_nucleotide = max(1, counts.sum()), letters.is_nucleotide(alphabet)
    foreign = other & ~_both_cases(_AMBIGUOUS) if is_nucleotide else other
    most = _FOREIGN_TO_CUSTOM if alphabet_name(alphabet) == alphabet else _FOREIGN
    too_many = counts[foreign].sum() / total > most
    if is_nucleotide and counts[other].sum() / total > _FOREIGN_OR_AMBIGUOUS:
        too_many = True
    if not too_many:
        return
    usual = np.argsort(-counts * other, kind="stable")[: min(3, np.count_nonzero(counts * other))]
    shown = ", ".join(repr(chr(byte)) for byte in usual)
    found = f"{counts[other].sum() / total:.0%} of the letters are none of it, mostly {shown}"
    remedy = f"use {_like(counts)}, or allow_unknown=True to read other letters as unknown"
    raise _other_alphabet(alphabet, f"{found}; they begin {text[:12].decode()!r}", remedy)


def _both_cases(symbols: str) -> npt.NDArray[np.bool_]:
    """Mark the bytes of some symbols in lower and upper case."""
    marked = np.zeros(256, dtype=bool)
    marked[list((symbols.upper() + symbols.lower()).encode())] = True
    return marked


def _like(counts: npt.NDArray[np.int64]) -> str:
    """Say which alphabet letters seem to be of."""
    for name in ("DNA", "RNA", "protein"):
        if counts[_both_cases(ALPHABETS[name])].sum() >= 0.9 * counts.sum():
            return f"alphabet={name!r}"
    return _OTHERS


def _other_alphabet(alphabet: str, found: str, remedy: str) -> InvalidInput:
    name = alphabet_name(alphabet)
    named = f"{name!r} ({alphabet})" if name != alphabet else repr(alphabet)
    return InvalidInput("alphabet", f"{named}: {found}", remedy)


def no_letters(alphabet: str) -> InvalidInput:
    """Give the error for text without a single letter of the alphabet."""
    return _other_alphabet(alphabet, "no letter of the sequences is one of it", f"use {_OTHERS}")
