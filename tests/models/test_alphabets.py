"""Alphabets: names, letters, symbols and complements."""

import pytest

from mutua.errors import InvalidInput
from mutua.models.alphabets import (
    ALPHABETS,
    MOST_LETTERS,
    PADDING,
    PADDING_SYMBOL,
    UNKNOWN,
    alphabet_name,
    resolve_alphabet,
    unknown_symbol,
)

PRINTABLE = "".join(map(chr, range(33, 127)))


@pytest.mark.parametrize(
    ("alphabet", "letters"),
    [
        ("DNA", "ACGT"),
        ("dna", "ACGT"),
        ("RNA", "ACGU"),
        ("Protein", "ACDEFGHIKLMNPQRSTVWY"),
        ("01", "01"),
        ("acgt", "acgt"),
        (PRINTABLE[:MOST_LETTERS], PRINTABLE[:MOST_LETTERS]),
    ],
)
def test_names_and_letters(alphabet: str, letters: str) -> None:
    assert resolve_alphabet(alphabet) == letters
    assert resolve_alphabet(letters) == letters


@pytest.mark.parametrize(
    ("alphabet", "message"),
    [
        ("", "0 letters. Use 2 to 90 letters"),
        ("A", "1 letters"),
        (PRINTABLE, "94 letters"),
        ("DNAA", "'DNAA' names no alphabet and repeats 'A'"),
        ("A\tC", r"the character '\\t'"),
        ("AÄ", "the character 'Ä'"),
        (None, "a NoneType"),
        (["A", "C"], "a list. Use one of"),
    ],
)
def test_what_is_no_alphabet(alphabet: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"`letters`: .*{message}"):
        resolve_alphabet(alphabet, argument="letters")  # type: ignore[arg-type]


def test_common_names() -> None:
    assert [alphabet_name(letters) for letters in (*ALPHABETS.values(), "01")] == [*ALPHABETS, "01"]


def test_symbols_of_unknown_letters_are_no_letters_and_no_padding() -> None:
    assert [unknown_symbol(letters) for letters in ALPHABETS.values()] == ["N", "N", "X"]
    for letters in ("NX", "NX?*.#~", PRINTABLE[:MOST_LETTERS], PRINTABLE[-MOST_LETTERS:]):
        symbol = unknown_symbol(letters)
        assert len(symbol) == 1
        assert symbol not in letters
        assert symbol != PADDING_SYMBOL


def test_codes_of_letters_never_meet_those_of_unknown_and_padding() -> None:
    assert MOST_LETTERS < UNKNOWN < PADDING == 255
