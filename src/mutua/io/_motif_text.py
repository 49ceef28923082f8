"""What the text formats of motifs share: records, numbers, counts and probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mutua.errors import InvalidInput
from mutua.models.motif_matrices import normalized_columns

__all__ = [
    "Matrix",
    "MotifRecord",
    "MotifText",
    "as_probabilities",
    "count_text",
    "holds_counts",
    "number_text",
    "probability_text",
    "to_number",
]

_ROUNDED = 0.02
"""Columns printed with two digits are off by less than this."""
_EQUAL = 1e-6
Matrix = npt.NDArray[np.float64]


class MotifRecord(NamedTuple):
    """One motif as it stands in a file.

    Attributes
    ----------
    line
        Number of the line where it begins.
    letters
        What the rows of `values` stand for; None where the file does not say.
    values
        (letter, motif_position): probabilities or counts.
    """

    id: str
    line: int
    letters: str | None
    values: Matrix
    name: str = ""
    family: str = ""
    n_sites: float = math.nan
    p_value: float = math.nan
    e_value: float = math.nan


class MotifText:
    """The lines of a file, and errors that say where in it something is wrong."""

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self.lines = text.removeprefix("\ufeff").splitlines()

    @property
    def stem(self) -> str:
        """Name of the file without folder and suffixes, for a motif without an id."""
        return self.source.replace("\\", "/").rpartition("/")[2].partition(".")[0] or "motif"

    def refuse(self, line: int | None, found: str, remedy: str) -> InvalidInput:
        """Give the error that names the file and the line (counted from 1)."""
        where = f", line {line}" if line is not None else ""
        return InvalidInput("path", f"{self.source}{where}: {found}", remedy)

    def numbers(self, line: int, tokens: Sequence[str], what: str) -> list[float]:
        """Give finite numbers, or refuse the first token that is none."""
        values = []
        for token in tokens:
            value = to_number(token)
            if value is None or not math.isfinite(value):
                raise self.refuse(line, f"{what}: {token!r} is no number", "repair the file")
            values.append(value)
        return values


def to_number(token: str) -> float | None:
    """Give a token as a number, None if it is no number."""
    try:
        return float(token)
    except ValueError:
        return None


def holds_counts(values: Matrix) -> bool:
    """Tell counts from probabilities: some value is above 1, or whole ones sum to more than 1."""
    if not values.size:
        return False
    whole = bool((values == np.round(values)).all())
    return bool(values.max() > 1 + _ROUNDED) or (whole and bool(values.sum(axis=0).max() > 1))


def as_probabilities(
    text: MotifText, record: MotifRecord, background: Sequence[float], pseudocount: float
) -> tuple[Matrix, float]:
    """Give the probabilities of a motif and the number of its sites.

    Raises
    ------
    InvalidInput
        Naming the motif and the column for negative values, columns of zeros and probabilities
        that do not sum to 1 up to 0.02.
    """
    values, place = record.values, f"motif {record.id!r}"
    if (values < 0).any():
        column = int((values < 0).any(axis=0).argmax())
        found = f"{place}, column {column} has the negative value {values[:, column].min():g}"
        remedy = "pass probabilities or counts, not log-odds or contributions"
        raise text.refuse(record.line, found, remedy)
    sums = values.sum(axis=0)
    if not holds_counts(values):
        off = np.abs(sums - 1) > _ROUNDED
        if off.any():
            column = int(off.argmax())
            found = f"{place}, column {column} sums to {sums[column]:.6g}, not 1"
            raise text.refuse(record.line, found, "pass probabilities or counts")
        return normalized_columns(values, tolerance=_ROUNDED), record.n_sites
    if (sums == 0).any():
        found = f"{place}, column {int((sums == 0).argmax())} has no counts"
        raise text.refuse(record.line, found, "repair or drop it")
    n_sites = _sites(values, sums)
    # Counts written from probabilities sum to n_sites but for rounding; see `count_text`.
    totals = np.where(np.abs(sums - n_sites) <= _EQUAL * n_sites, n_sites, sums)
    if pseudocount:
        values = values + pseudocount * np.asarray(background)[:, None]
        totals = totals + pseudocount
    return np.asarray(values / totals), n_sites


def _sites(values: Matrix, sums: Matrix) -> float:
    """Give the largest sum of a column; a weight is a number of few digits."""
    largest = float(sums.max())
    return largest if (values == np.round(values)).all() else float(f"{largest:.7g}")


def count_text(probability: Matrix, n_sites: float) -> list[list[str]] | None:
    """Give the counts of a motif as text that reads back as the same float32 probabilities.

    Whole counts are written as such; other numbers of sites are rounded to seven digits. None
    where the number of sites is unknown, or so small that counts would be taken for probabilities.
    """
    if not math.isfinite(n_sites) or n_sites <= 0:
        return None
    n_sites = n_sites if n_sites.is_integer() else float(f"{n_sites:.7g}")
    values = probability.astype(np.float64) * n_sites
    whole = np.round(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        again = (whole / whole.sum(axis=0)).astype(np.float32)
    same = np.array_equal(again, probability) and whole.sum(axis=0).max() == n_sites
    values = whole if same else values
    return [[number_text(x) for x in row] for row in values] if holds_counts(values) else None


def number_text(value: float) -> str:
    """Give a number with all its digits, whole numbers without a point."""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def probability_text(value: float) -> str:
    """Give a probability with the digits that tell float32 numbers apart."""
    return f"{value:.9g}"
