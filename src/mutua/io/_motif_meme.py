"""Motifs in the MEME format: https://meme-suite.org/meme/doc/meme-format.html."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.io._motif_text import (
    Matrix,
    MotifRecord,
    MotifText,
    number_text,
    probability_text,
    to_number,
)
from mutua.models.alphabets import ALPHABETS
from mutua.models.dims import LENGTH, MOTIF, PROBABILITY

__all__ = ["meme_text", "parse_meme"]

_BY_SIZE = {4: ALPHABETS["DNA"], 20: ALPHABETS["protein"]}
_MOTIF = re.compile(r"MOTIF\s+(\S+)[ \t]*(.*)")
_RESULT = re.compile(r"\s*(MEME(-\d+)?\s+)?\bwidth\s*=.*")
"""What full outputs of MEME print behind a motif's name."""
_PAIR = re.compile(r"(\w+)\s*=\s*(\S+)")
_CUT_OFF = "the file may be cut off: get it again"


class _Parser:
    """Reads a file from its first line to its last."""

    def __init__(self, text: MotifText) -> None:
        self.text = text
        self.place = 0
        self.letters: str | None = None
        self.background: dict[str, float] | None = None
        self.records: list[MotifRecord] = []
        self.open: tuple[int, str, str] | None = None  # line, id and name of a motif begun
        self.has_log_odds = False

    def read(self) -> None:
        while self.place < len(self.text.lines):
            line = self.text.lines[self.place].strip()
            self.place += 1
            if line.startswith("ALPHABET="):
                self.letters = "".join(line.removeprefix("ALPHABET=").split())
            elif re.match(r"ALPHABET\b", line):
                self.letters = self._alphabet_block()
            elif line.lower().startswith("background letter frequencies"):
                self._background()
            elif line.startswith("log-odds matrix"):
                self.has_log_odds = True
            elif line.startswith("letter-probability matrix"):
                self._matrix(line)
            elif found := _MOTIF.match(line):
                self.close()
                name = _RESULT.sub("", " " + found[2]).strip()
                self.open = self.place, found[1], name
        self.close()

    def close(self) -> None:
        """Refuse a motif that was begun and has no matrix."""
        if self.open is not None:
            line, name, _ = self.open
            if self.has_log_odds:
                found = f"motif {name!r} has log-odds only"
                remedy = "write letter-probability matrices, e.g. with meme2meme"
                raise self.text.refuse(line, found, remedy)
            found = f"motif {name!r} has no letter-probability matrix"
            raise self.text.refuse(line, found, _CUT_OFF)
        self.has_log_odds = False

    def _alphabet_block(self) -> str:
        """Give the core symbols of a custom alphabet in the order of the columns."""
        begin, symbols = self.place, ""
        for line in self.text.lines[begin:]:
            self.place += 1
            if re.match(r"END\s+ALPHABET", line.strip()):
                return "".join(_in_meme_order(symbols))
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                raise self.text.refuse(self.place, "a quote is not closed", _CUT_OFF) from None
            if not words or "=" in words:
                continue
            halves = " ".join(words).split("~") if "~" in words else [words[0]]
            symbols += "".join(half.split()[0] for half in halves if half.split())
        raise self.text.refuse(begin, "the alphabet has no END ALPHABET", _CUT_OFF)

    def _background(self) -> None:
        """Read pairs of a letter and its frequency, over as many lines as they take."""
        begin = self.place
        found: dict[str, float | None] = {}
        for line in self.text.lines[begin:]:
            words = line.split()
            values = [to_number(word) for word in words[1::2]]
            if not words or len(words) % 2 or None in values or any(map(_long, words[::2])):
                break
            found |= dict(zip(words[::2], values, strict=True))
            self.place += 1
        letters = self.letters or "".join(found)
        if set(found) != set(letters):
            remedy = f"give one for each letter of {letters!r}"
            raise self.text.refuse(begin, f"background frequencies of {list(found)}", remedy)
        self.letters = letters
        self.background = {letter: float(value or 0) for letter, value in found.items()}

    def _matrix(self, header: str) -> None:
        """Read a matrix and close its motif."""
        if self.open is None:
            found = "a letter-probability matrix without a line MOTIF before it"
            raise self.text.refuse(self.place, found, "add MOTIF and its id")
        line, name, alias = self.open
        given = {key.lower(): to_number(value) for key, value in _PAIR.findall(header)}
        size = int(given.get("alength") or len(self.letters or "") or 0)
        values = self._rows(f"motif {name!r}", size, given.get("w"))
        self.letters = self.letters or _BY_SIZE.get(len(values))
        if self.letters is None or len(self.letters) != len(values):
            found = f"motif {name!r} has {len(values)} letters, the alphabet {self.letters!r}"
            raise self.text.refuse(line, found, "correct the ALPHABET of the file")
        n_sites, p_value, e_value = (
            math.nan if (value := given.get(key)) is None else value for key in ("nsites", "p", "e")
        )
        record = MotifRecord(name, line, self.letters, values, alias)
        record = record._replace(n_sites=n_sites, p_value=p_value, e_value=e_value)
        self.records.append(record)
        self.open = None

    def _rows(self, what: str, size: int, width: float | None) -> Matrix:
        """Read the rows of a matrix, each a position; give them as (letter, motif_position)."""
        rows: list[list[float]] = []
        while self.place < len(self.text.lines):
            words = self.text.lines[self.place].split()
            if (words and to_number(words[0]) is None) or (rows and not words):
                break
            self.place += 1
            if not words:
                continue
            rows.append(self.text.numbers(self.place, words, what))
            size = size or len(words)
            if len(words) != size:
                found = f"{what}, column {len(rows) - 1} has {len(words)} of {size} numbers"
                raise self.text.refuse(self.place, found, _CUT_OFF)
        if not rows or (width is not None and len(rows) != width):
            asked = f" of {width:g}" if width is not None else ""
            raise self.text.refuse(self.place, f"{what} has {len(rows)}{asked} columns", _CUT_OFF)
        return np.array(rows).T


def _long(word: str) -> bool:
    return len(word) > 1


def parse_meme(text: MotifText) -> tuple[list[MotifRecord], dict[str, float] | None]:
    """Give the motifs of a file and the frequency of each letter, None where it has none."""
    parser = _Parser(text)
    parser.read()
    return parser.records, parser.background


def _in_meme_order(letters: str) -> list[str]:
    """Sort symbols as MEME does: upper case, lower case, digits, the rest."""

    def rank(letter: str) -> tuple[int, str]:
        kinds = (letter.isupper(), letter.islower(), letter.isdigit(), True)
        return kinds.index(True), letter

    return sorted(letters, key=rank)


def meme_text(motifs: xr.Dataset) -> str:
    """Give motifs in the minimal MEME format, with digits enough to read back the same float32."""
    alphabet = motifs.attrs["alphabet"]
    symbols = _in_meme_order(alphabet)
    odd = [letter for letter in alphabet if not (letter.isalnum() or letter in "*-.")]
    if odd:
        found = f"the alphabet holds {odd[0]!r}"
        raise InvalidInput("motifs", found, "MEME takes letters, digits, * - and . only")
    order = [alphabet.index(letter) for letter in symbols]
    background = np.asarray(motifs.attrs["background"])[order]
    lines = ["MEME version 4", "", *_alphabet_lines(symbols), ""]
    if set(alphabet) in (set("ACGT"), set("ACGU")):
        lines += ["strands: + -", ""]
    pairs = " ".join(f"{x} {number_text(f)}" for x, f in zip(symbols, background, strict=True))
    lines += ["Background letter frequencies", pairs, ""]
    names = motifs["name"].values.tolist() if "name" in motifs.coords else []
    probability = motifs[PROBABILITY].values[:, order]
    for place, motif in enumerate(motifs[MOTIF].values.tolist()):
        width = int(motifs[LENGTH].values[place])
        lines.append(f"MOTIF {motif} {names[place] if names else ''}".rstrip())
        known = {key: float(motifs[part].values[place]) for key, part in
                 (("nsites", "n_sites"), ("E", "e_value"), ("P", "p_value"))
                 if part in motifs}  # fmt: skip
        given = {"alength": float(len(alphabet)), "w": float(width), **known}
        told = " ".join(f"{k}= {number_text(v)}" for k, v in given.items() if np.isfinite(v))
        lines.append(f"letter-probability matrix: {told}")
        rows = probability[place, :, :width].T
        lines += [" " + " ".join(map(probability_text, row)) for row in rows]
        lines.append("")
    return "\n".join(lines)


def _alphabet_lines(symbols: Sequence[str]) -> list[str]:
    letters = "".join(symbols)
    if letters in ALPHABETS.values():
        return [f"ALPHABET= {letters}"]
    return [f'ALPHABET "{letters}"', *symbols, "END ALPHABET"]
