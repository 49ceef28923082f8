"""Alphabets: which letters a code stands for.

A code is the index of a letter in its alphabet; `UNKNOWN` stands for any other letter
(N in DNA, a gap in an alignment) and `PADDING` for a position beyond the end of a sequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mutua.errors import Fault, InvalidInput

__all__ = [
    "ALPHABETS",
    "MOST_LETTERS",
    "PADDING",
    "PADDING_SYMBOL",
    "UNKNOWN",
    "alphabet_faults",
    "alphabet_name",
    "complement_order",
    "resolve_alphabet",
    "unknown_symbol",
]

UNKNOWN: Final = 254
PADDING: Final = 255
MOST_LETTERS: Final = 90
"""Of the 94 printable ASCII characters, some are left for unknown letters and padding."""
ALPHABETS: Final = {"DNA": "ACGT", "RNA": "ACGU", "protein": "ACDEFGHIKLMNPQRSTVWY"}
_PARTNERS: Final = {"A": "T", "C": "G", "G": "C", "T": "A", "U": "A"}
_UNKNOWN_SYMBOLS: Final = {"ACGT": "N", "ACGU": "N", "ACDEFGHIKLMNPQRSTVWY": "X"}
PADDING_SYMBOL: Final = "-"


def resolve_alphabet(alphabet: str, *, argument: str = "alphabet") -> str:
    """Give the letters of an alphabet from its name or from the letters themselves.

    Parameters
    ----------
    alphabet
        ``"DNA"``, ``"RNA"``, ``"protein"`` or any string of 2 to 90 different characters.
    argument
        Name to use in the error.

    Raises
    ------
    InvalidInput
        If it is not a string, has repeated letters, fewer than two, more than 90, or one that
        is not a printable ASCII character.

    Examples
    --------
    >>> resolve_alphabet("RNA")
    'ACGU'
    >>> resolve_alphabet("01")
    '01'
    """
    if not isinstance(alphabet, str):
        raise InvalidInput(
            argument, f"a {type(alphabet).__name__}", f"use one of {list(ALPHABETS)} or its letters"
        )
    by_name = {name.lower(): letters for name, letters in ALPHABETS.items()}
    letters = by_name.get(alphabet.lower(), alphabet)
    repeated = sorted({letter for letter in letters if letters.count(letter) > 1})
    if repeated:
        raise InvalidInput(
            argument,
            f"{alphabet!r} names no alphabet and repeats {', '.join(map(repr, repeated))}",
            f"use one of {list(ALPHABETS)} or a string in which each letter stands once",
        )
    if not 2 <= len(letters) <= MOST_LETTERS:
        raise InvalidInput(argument, f"{len(letters)} letters", f"use 2 to {MOST_LETTERS} letters")
    odd = [letter for letter in letters if not ("!" <= letter <= "~")]
    if odd:
        raise InvalidInput(argument, f"the character {odd[0]!r}", "use printable ASCII letters")
    return letters


def alphabet_faults(alphabet: object) -> Iterator[Fault]:
    """Yield a fault for an attribute `alphabet` that is text, but not the letters of one."""
    if not isinstance(alphabet, str) or not 2 <= len(alphabet) <= MOST_LETTERS:
        return  # which its attribute says
    try:
        letters = resolve_alphabet(alphabet)
    except InvalidInput as error:
        yield Fault("attribute 'alphabet'", error.found, error.remedy)
    else:
        if letters != alphabet:
            found = f"{alphabet!r} is the name of an alphabet"
            yield Fault("attribute 'alphabet'", found, f"use its letters {letters!r}")


def alphabet_name(letters: str) -> str:
    """Give the common name of an alphabet, or the letters where it has none."""
    return next((name for name, known in ALPHABETS.items() if known == letters), letters)


def complement_order(letters: str) -> list[int] | None:
    """Give the place of the complement of every letter; None for other than DNA and RNA.

    Examples
    --------
    >>> complement_order("ACGU")
    [3, 2, 1, 0]
    """
    known = letters.upper()
    if set(known) not in (set("ACGT"), set("ACGU")) or len(letters) != 4:
        return None
    return [known.index(_PARTNERS[letter] if _PARTNERS[letter] in known else "U")
            for letter in known]  # fmt: skip


def unknown_symbol(letters: str) -> str:
    """Give the character that stands for an unknown letter when sequences are written as text."""
    known = _UNKNOWN_SYMBOLS.get(letters)
    if known is not None:
        return known
    symbols = "NX?*.#~" + "".join(map(chr, range(33, 127)))
    return next(s for s in symbols if s not in letters and s != PADDING_SYMBOL)
