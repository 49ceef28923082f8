"""The first rows of large elements; nothing else of them is read."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import xarray as xr

from mutua.models.alphabets import PADDING, PADDING_SYMBOL, UNKNOWN, unknown_symbol
from mutua.models.dims import CODES, POSITION, PREDICTION, ROW, SEQUENCE, SEQUENCE_ID, WEIGHT
from mutua.report.text import number_text, shorten

__all__ = ["SequencePreview", "TablePreview", "preview_sequences", "preview_table"]

_SEQUENCES, _POSITIONS, _TARGETS = 20, 300, 6
_ROWS, _COLUMNS = 20, 30
_NUCLEOTIDES = {"A": "a", "C": "c", "G": "g", "T": "t", "U": "t"}
_RESIDUES = {
    **dict.fromkeys("AVILMFWYC", "g"),
    **dict.fromkeys("KRH", "c"),
    **dict.fromkeys("DE", "t"),
    **dict.fromkeys("STNQ", "a"),
    **dict.fromkeys("GP", "p"),
}


@dataclass(frozen=True)
class SequencePreview:
    """The first sequences of a set as coloured text."""

    ruler: str
    """Positions above the letters."""
    header: list[str]
    """Names of the columns beside the letters."""
    rows: list[tuple[str, list[tuple[str, str]], list[str]]]
    """Name, runs of letters with their colour class, and the values beside them."""
    more_sequences: int
    more_positions: int


@dataclass(frozen=True)
class TablePreview:
    """The first rows of a table."""

    header: list[tuple[str, str]]
    """Names and units."""
    numeric: list[bool]
    rows: list[list[str]]
    more_rows: int
    more_columns: int


def preview_sequences(sequences: xr.Dataset) -> SequencePreview:
    """Give the first sequences of a `SequenceSet` with what is predicted for them."""
    n, length = sequences.sizes[SEQUENCE], sequences.sizes[POSITION]
    first = sequences.isel({SEQUENCE: slice(_SEQUENCES), POSITION: slice(_POSITIONS)})
    codes = np.asarray(first[CODES].values)
    names = (
        [shorten(str(name), 40) for name in first[SEQUENCE_ID].values]
        if SEQUENCE_ID in first.coords
        else [str(i) for i in range(len(codes))]
    )
    header, columns = [], []
    if PREDICTION in first:
        predicted = first[PREDICTION].values[:, :_TARGETS]
        targets = first["target"].values if "target" in first.coords else range(predicted.shape[1])
        for target, column in zip(targets, predicted.T, strict=False):
            header.append(shorten(str(target), 30))
            columns.append([number_text(value) for value in column])
    if WEIGHT in first:
        header.append("weight")
        columns.append([number_text(value) for value in first[WEIGHT].values])
    letters = _letters(str(sequences.attrs["alphabet"]))
    return SequencePreview(
        ruler=_ruler(_positions(first)),
        header=header,
        rows=[
            (name, _runs(row, letters), [column[i] for column in columns])
            for i, (name, row) in enumerate(zip(names, codes, strict=True))
        ],
        more_sequences=n - len(codes),
        more_positions=length - codes.shape[1],
    )


def _positions(sequences: xr.Dataset) -> np.ndarray:
    if POSITION in sequences.coords:
        return np.asarray(sequences[POSITION].values)
    return np.arange(sequences.sizes[POSITION])


def _letters(alphabet: str) -> dict[int, tuple[str, str]]:
    """Give the letter and its colour class for every code."""
    known = _NUCLEOTIDES if len(alphabet) <= 5 else _RESIDUES
    letters = {code: (letter, known.get(letter, "")) for code, letter in enumerate(alphabet)}
    return {**letters, UNKNOWN: (unknown_symbol(alphabet), "x"), PADDING: (PADDING_SYMBOL, "x")}


def _runs(codes: np.ndarray, letters: dict[int, tuple[str, str]]) -> list[tuple[str, str]]:
    """Give neighbouring letters of one colour together: class and text."""
    shown = [letters.get(int(code), ("?", "x")) for code in codes]
    return [
        (colour, "".join(letter for letter, _ in run))
        for colour, run in itertools.groupby(shown, key=lambda item: item[1])
    ]


def _ruler(positions: np.ndarray) -> str:
    """Write every tenth position where it stands, as far as there is room."""
    text = ""
    for place, position in enumerate(positions):
        if position % 10 == 0 and (not text or len(text) + 1 < place or place == 0):
            text = text.ljust(place) + str(position)
    return text


def preview_table(table: xr.Dataset) -> TablePreview:
    """Give the first rows of a `Table`."""
    names = [str(name) for name in table.variables if table[name].dims == (ROW,)]
    first = table.isel({ROW: slice(_ROWS)})
    shown = names[:_COLUMNS]
    columns = [np.asarray(first[name].values) for name in shown]
    return TablePreview(
        header=[
            (shorten(name, 60), shorten(str(first[name].attrs.get("units", "")), 30))
            for name in shown
        ],
        numeric=[column.dtype.kind in "biufc" for column in columns],
        rows=[
            [number_text(column[i]) for column in columns]
            for i in range(min(_ROWS, len(first[ROW])))
        ],
        more_rows=table.sizes[ROW] - min(_ROWS, table.sizes[ROW]),
        more_columns=len(names) - len(shown),
    )
