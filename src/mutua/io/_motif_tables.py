"""Motifs as tables: JASPAR, TRANSFAC, and plain ones with letters as rows or as columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.io._motif_text import (
    MotifRecord,
    MotifText,
    count_text,
    probability_text,
    to_number,
)
from mutua.models.dims import LENGTH, MOTIF, PROBABILITY

__all__ = ["jaspar_text", "parse_tables", "parse_transfac", "table_text", "transfac_text"]

_CUT_OFF = "the file may be cut off: get it again"


class _Row(NamedTuple):
    line: int
    words: list[str]


class _Block(NamedTuple):
    """The rows of one motif, and what stands behind its ``>``."""

    line: int
    header: str
    rows: list[_Row]


def parse_tables(text: MotifText, *, n_letters: int) -> list[MotifRecord]:
    """Give the motifs of JASPAR files and of plain tables.

    Parameters
    ----------
    text
        Motifs begin with ``>id name``; a file without such a line holds one, named as the file.
    n_letters
        How many letters tables have that do not name them.
    """
    blocks = [block for block in _blocks(text) if block.header or block.rows]
    turned = _letters_are_columns(text, blocks, n_letters)
    return [_record(text, block, turned, n_letters) for block in blocks]


def _blocks(text: MotifText) -> Iterator[_Block]:
    block = _Block(1, "", [])
    for number, line in enumerate(text.lines, 1):
        if line.startswith(">"):
            yield block
            block = _Block(number, line[1:].strip(), [])
            if not block.header:
                raise text.refuse(number, "'>' without an id", "add one")
        elif line.strip() and not line.lstrip().startswith("#"):
            if line.count("[") != line.count("]"):
                raise text.refuse(number, "a bracket is not closed", _CUT_OFF)
            block.rows.append(_Row(number, re.sub(r"[\[\]|:]", " ", line).split()))
    yield block


def _is_labelled(block: _Block) -> bool:
    return bool(block.rows) and to_number((block.rows[0].words or ["0"])[0]) is None


def _letters_are_columns(text: MotifText, blocks: list[_Block], n_letters: int) -> bool:
    """Tell how tables without letters lie, which is the same for all in a file."""
    plain = [block for block in blocks if block.rows and not _is_labelled(block)]
    shapes = [(len(block.rows), len(block.rows[0].words)) for block in plain]
    if any(rows != n_letters for rows, _ in shapes):
        return True
    if not shapes or any(columns != n_letters for _, columns in shapes):
        return False
    tables = [_numbers(text, block, block.rows, 0) for block in plain]
    even = [
        all(np.allclose(sums, sums[0], rtol=0.02) for sums in (t.sum(axis=axis) for t in tables))
        for axis in (0, 1)
    ]
    if even[0] == even[1]:
        found = f"tables of {n_letters} x {n_letters} numbers that may lie either way"
        remedy = "begin each row, or name each column, with its letter"
        raise text.refuse(plain[0].line, found, remedy)
    return even[1]


def _record(text: MotifText, block: _Block, turned: bool, n_letters: int) -> MotifRecord:
    motif, _, rest = block.header.replace("\t", " \t").partition(" ")
    motif = motif or text.stem
    name = rest.strip().partition("\t")[0].strip()
    if not block.rows:
        raise text.refuse(block.line, f"motif {motif!r} has no rows", _CUT_OFF)
    block = block._replace(header=motif)
    letters: str | None = None
    if not _is_labelled(block):
        values = _numbers(text, block, block.rows, 0)
        values = values.T if turned else values
        if len(values) != n_letters:
            found = f"motif {motif!r} has {len(values)} rows for {n_letters} letters"
            raise text.refuse(block.line, found, _CUT_OFF)
    elif all(to_number(word) is None for word in block.rows[0].words):
        letters, values = _letters_on_top(text, block)
    else:
        letters = "".join(row.words[0] for row in block.rows)
        if len(letters) != len(block.rows):
            found = f"motif {motif!r} has rows of {[row.words[0] for row in block.rows]}"
            raise text.refuse(block.line, found, "begin each row with one letter")
        values = _numbers(text, block, block.rows, 1)
    return MotifRecord(motif, block.line, letters, values, name)


def _letters_on_top(text: MotifText, block: _Block) -> tuple[str, np.ndarray]:
    """Read rows that are positions below a row of letters, with or without their numbers."""
    head, rows = block.rows[0], block.rows[1:]
    words = head.words[1:] if len(head.words[0]) > 1 else head.words
    if any(len(word) > 1 for word in words):
        raise text.refuse(head.line, f"columns named {words}", "name them by the letters")
    if not rows:
        raise text.refuse(block.line, f"motif {block.header!r} has no rows", _CUT_OFF)
    numbered = len(rows[0].words) == len(words) + 1
    values = _numbers(text, block, rows, int(numbered)).T
    if len(values) != len(words):
        found = f"motif {block.header!r} has {len(values)} columns for {len(words)} letters"
        raise text.refuse(block.line, found, _CUT_OFF)
    return "".join(words), values


def _numbers(text: MotifText, block: _Block, rows: list[_Row], skip: int) -> np.ndarray:
    """Give rows of numbers of one length, without what stands in front of them."""
    name = block.header.split()[0] if block.header else text.stem
    found = [text.numbers(row.line, row.words[skip:], f"motif {name!r}") for row in rows]
    for row, values in zip(rows, found, strict=True):
        if not values or len(values) != len(found[0]):
            what = f"motif {name!r} has a row of {len(values)} numbers, others of {len(found[0])}"
            raise text.refuse(row.line, what, _CUT_OFF)
    return np.array(found, dtype=np.float64)


def parse_transfac(text: MotifText) -> list[MotifRecord]:
    """Give the motifs of a TRANSFAC file: records of two-letter keys that end with ``//``."""
    records, begin = [], 0
    for number, line in enumerate([*text.lines, "//"], 1):
        if not line.startswith("//"):
            continue
        fields = list(enumerate(text.lines[begin : number - 1], begin + 1))
        has_motif = any(re.match(r"(P[0O]|AC|ID|NA)\s", line) for _, line in fields)
        if has_motif and number > len(text.lines):
            raise text.refuse(number - 1, "the last motif does not end with //", _CUT_OFF)
        if has_motif:
            records.append(_transfac_record(text, fields))
        begin = number
    return records


def _transfac_record(text: MotifText, lines: list[tuple[int, str]]) -> MotifRecord:
    fields: dict[str, str] = {}
    letters, rows, family = "", [], ""
    for number, line in lines:
        key, value = line[:2], line[2:].strip()
        if key in ("P0", "PO"):
            letters = "".join(word for word in value.split() if len(word) == 1)
        elif letters and line[:1].isdigit():
            words = line.split()[1 : len(letters) + 1]
            rows.append(text.numbers(number, words, f"position {line.split()[0]}"))
            if len(words) < len(letters):
                found = f"position {line.split()[0]} has {len(words)} numbers"
                raise text.refuse(number, found, _CUT_OFF)
        elif key == "CC" and value.startswith("tf_family:"):
            family = value.removeprefix("tf_family:").strip()
        else:
            fields.setdefault(key, value)
    motif = (fields.get("AC") or fields.get("ID") or fields.get("NA") or "").strip()
    begin = lines[0][0]
    if not motif:
        raise text.refuse(begin, "a motif without AC, ID or NA", "add one")
    if not rows:
        raise text.refuse(begin, f"motif {motif!r} has no rows below P0", _CUT_OFF)
    name = next((fields[key] for key in ("NA", "ID") if fields.get(key, motif) != motif), "")
    return MotifRecord(motif, begin, letters, np.array(rows).T, name, family)


# -- writing -----------------------------------------------------------------------------------


def jaspar_text(motifs: xr.Dataset) -> str:
    """Give motifs as JASPAR does: counts, or probabilities where the sites are not known."""

    def one(motif: str, name: str, family: str, rows: list[list[str]]) -> Iterator[str]:
        yield f">{motif}\t{name}".rstrip()
        for letter, row in zip(motifs.attrs["alphabet"], rows, strict=True):
            yield f"{letter}  [ {' '.join(row)} ]"

    return _written(motifs, one, counts=True)


def table_text(motifs: xr.Dataset) -> str:
    """Give motifs as tables of probabilities with the letters as columns."""

    def one(motif: str, name: str, family: str, rows: list[list[str]]) -> Iterator[str]:
        yield f">{motif}\t{name}".rstrip()
        yield "\t".join(motifs.attrs["alphabet"])
        yield from map("\t".join, zip(*rows, strict=True))

    return _written(motifs, one, counts=False)


def transfac_text(motifs: xr.Dataset) -> str:
    """Give motifs as TRANSFAC does: counts, or probabilities where the sites are not known."""

    def one(motif: str, name: str, family: str, rows: list[list[str]]) -> Iterator[str]:
        yield from (f"AC  {motif}", "XX", f"ID  {motif}", "XX")
        if name:
            yield from (f"NA  {name}", "XX")
        yield "P0  " + "  ".join(motifs.attrs["alphabet"])
        for place, column in enumerate(zip(*rows, strict=True), 1):
            yield f"{place:02}  " + "  ".join(column)
        yield "XX"
        if family:
            yield from (f"CC  tf_family:{family}", "XX")
        yield "//"

    return _written(motifs, one, counts=True)


def _written(
    motifs: xr.Dataset,
    one: Callable[[str, str, str, list[list[str]]], Iterator[str]],
    *,
    counts: bool,
) -> str:
    odd = [letter for letter in motifs.attrs["alphabet"] if not letter.isalpha()]
    if odd:
        found = f"the alphabet holds {odd[0]!r}"
        raise InvalidInput("motifs", found, "tables name letters only: use format='meme'")
    n = motifs.sizes[MOTIF]
    texts = {
        part: motifs[part].values.tolist() if part in motifs.coords else [""] * n
        for part in ("name", "family")
    }
    sites = motifs["n_sites"].values if counts and "n_sites" in motifs else np.full(n, np.nan)
    lines: list[str] = []
    for place, motif in enumerate(motifs[MOTIF].values.tolist()):
        matrix = motifs[PROBABILITY].values[place, :, : int(motifs[LENGTH].values[place])]
        rows = count_text(matrix, float(sites[place]))
        if rows is None:
            rows = [[probability_text(value) for value in row] for row in matrix]
        lines += one(motif, texts["name"][place], texts["family"][place], rows)
    return "\n".join([*lines, ""])
