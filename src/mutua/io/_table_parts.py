"""What readers of tables have in common: named rows, named columns, and what is said of both."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mutua.errors import InvalidInput

__all__ = ["RawTable", "as_annotation", "check_row_names", "listed", "numeric_table", "with_ranks"]

_SHOWN = 10
_NOT_GIVEN = frozenset(
    {"not applicable", "missing", "not collected", "not provided", "restricted access"}
)
"""Terms of the INSDC for a missing value, with which QIIME 2 and Qiita fill numeric columns."""
_RANKS = {"d": "domain", "k": "kingdom", "p": "phylum", "c": "class", "o": "order",
          "f": "family", "g": "genus", "s": "species", "t": "strain"}  # fmt: skip
_SILVA_RANKS = "dpcofgs"
_RANK = re.compile(r"^(?:([dkpcofgst])__|D_([0-6])__)(.*)$")
_NUMBER = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$", re.IGNORECASE)
_WHOLE = re.compile(r"^\d+$")
_OF_NAMES = re.compile(r"^\s*$|^#|id\b|_id|name|sample|feature|otu|asv|index", re.IGNORECASE)
_TAXONOMY = ("taxonomy", "taxon", "consensus lineage", "consensuslineage")


class RawTable(NamedTuple):
    """A table as it stands in its file.

    Attributes
    ----------
    values
        Numbers (row, column), dense or CSR.
    rows, columns
        Their names.
    row_annotation, column_annotation
        What the file says of them, in their order.
    samples
        Which of both the samples are where the caller does not say: ``"rows"``, ``"columns"``.
    """

    values: Any
    rows: list[str]
    columns: list[str]
    row_annotation: pd.DataFrame
    column_annotation: pd.DataFrame
    samples: str = "rows"


def listed(names: Iterable[Hashable]) -> str:
    """Give names for a message, the first of them where there are many."""
    all_of_them = [str(name) for name in names]
    more = len(all_of_them) - _SHOWN
    return f"{all_of_them[:_SHOWN]}" + (f" and {more:,} more" if more > 0 else "")


def numeric_table(
    frame: pd.DataFrame,
    rows: list[str],
    columns: list[str],
    *,
    described: Sequence[str],
    argument: str,
    samples: str = "rows",
    line: Callable[[int], int] | None = None,
) -> RawTable:
    """Make a table of a frame, whose columns may be called anything, or name what is no number.

    Parameters
    ----------
    frame
        The cells.
    rows, columns
        Their names.
    described
        Columns that say something of the rows.
    argument, samples
        For messages, and as in `RawTable`.
    line
        Gives the line of the file in which a row stands, for messages.
    """
    if isinstance(described, str) or not all(isinstance(name, str) for name in described):
        raise InvalidInput("metadata_columns", f"{described!r}", "use a list of names of columns")
    unknown = [name for name in described if name not in columns]
    if unknown:
        found = f"no column {listed(unknown)}"
        raise InvalidInput("metadata_columns", found, f"choose from {listed(columns)}")
    is_said = np.array([name in described for name in columns], dtype=bool)
    cells = frame.loc[:, ~is_said]
    names = [name for name, said in zip(columns, is_said, strict=True) if not said]
    _refuse_text(cells, names, rows, argument, line)
    said = frame.loc[:, is_said].set_axis(pd.Index(rows, dtype=object), axis=0)
    said.columns = pd.Index([name for name in columns if name in described], dtype=object)
    nullable = any(pd.api.types.is_extension_array_dtype(kind) for kind in cells.dtypes)
    values = cells.to_numpy(np.float64, na_value=np.nan) if nullable else cells.to_numpy()
    empty = pd.DataFrame(index=pd.Index(names, dtype=object))
    return RawTable(values, rows, names, as_annotation(said), empty, samples)


def _refuse_text(
    cells: pd.DataFrame,
    names: list[str],
    rows: list[str],
    argument: str,
    line: Callable[[int], int] | None,
) -> None:
    at = [place for place, kind in enumerate(cells.dtypes) if not _is_number(kind)]
    if not at:
        return
    first = cells.iloc[:, at[0]].astype(object)
    wrong = first.notna() & pd.to_numeric(first, errors="coerce").isna()
    large = first.map(_too_large).to_numpy(bool)
    is_large = bool(large.any()) and not (wrong.to_numpy() & ~large).any()
    row = int(np.argmax(large if is_large else wrong.to_numpy()))
    where = f"row {rows[row]!r}" + (f" (line {line(row)})" if line else "")
    if is_large:
        found = f"{first.iloc[row]!r} of {names[at[0]]!r} in {where} is too large for a number"
        remedy = "correct it, or write whole numbers beyond 64 bits as decimals, such as 1e20"
        raise InvalidInput(argument, found, remedy)
    found = f"{len(at):,} of {len(names):,} columns are no numbers: {listed(names[i] for i in at)}"
    found += f"; {names[at[0]]!r} is {first.iloc[row]!r} in {where}"
    remedy = "name those that describe the rows in metadata_columns=, or correct the cells"
    raise InvalidInput(argument, found, remedy)


def _too_large(cell: object) -> bool:
    """Tell whether text is a number that neither 64 bits nor a decimal of 64 bits can hold."""
    text = str(cell).strip().lower()
    try:
        value = abs(float(text))
    except ValueError:
        return False
    return value >= 2**63 and "inf" not in text


def check_row_names(names: list[str], header: str, path: str, argument: str) -> None:
    """Refuse or point out names of rows that may be values, in a table without names.

    Parameters
    ----------
    names
        What stands in the first column.
    header
        What that column is called.
    path, argument
        For messages.

    Raises
    ------
    InvalidInput
        Where all of them are numbers and some not whole.

    Warns
    -----
    UserWarning
        Where all are whole numbers, and the column is not called like one of names.
    """
    if not all(_NUMBER.match(name) for name in names):
        return
    odd = next((name for name in names if not _WHOLE.match(name)), None)
    remedy = "put a column of names before the values"
    if odd is not None:
        found = f"{path}: the first column, {header!r}, should name the rows and has {odd!r}"
        raise InvalidInput(argument, found, remedy)
    if names and not _OF_NAMES.search(header):
        warnings.warn(
            f"{path}: the whole numbers of the first column, {header!r}, are taken for the names "
            f"of the rows. If they are values, {remedy}; if names, call it 'id'",
            UserWarning,
            stacklevel=6,
        )


def _is_number(kind: Any) -> bool:
    is_number = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind)
    return bool(is_number and not pd.api.types.is_bool_dtype(kind))


def as_annotation(frame: pd.DataFrame, *, kinds: dict[Hashable, str] | None = None) -> pd.DataFrame:
    """Give columns of text as numbers where all their values are numbers or said to be missing.

    Parameters
    ----------
    frame
        Columns of any type.
    kinds
        ``"categorical"`` or ``"numeric"`` for columns whose type a file declares.
    """
    made = {}
    for name in frame.columns:
        column, kind = frame[name], (kinds or {}).get(name)
        if kind != "categorical" and (
            column.dtype == object or pd.api.types.is_string_dtype(column)
        ):
            text = column.astype(object)
            missing = text.isna() | text.astype(str).str.strip().str.lower().isin(_NOT_GIVEN)
            numbers = pd.to_numeric(text.where(~missing), errors="coerce")
            if (numbers.notna() | missing).all() and numbers.notna().any():
                column = numbers
        elif kind == "categorical" and _is_number(column.dtype):
            column = column.astype(object)
        made[name] = column
    return pd.DataFrame(made, index=frame.index)


def with_ranks(annotation: pd.DataFrame) -> pd.DataFrame:
    """Add a column for each rank of a taxonomy such as ``k__Bacteria; p__Firmicutes``.

    Those of Greengenes, GTDB and SILVA are understood. What is not assigned is "". A taxonomy
    without prefixes stays a text.
    """
    taxonomy = next((c for c in annotation.columns if str(c).lower() in _TAXONOMY), None)
    if taxonomy is None:
        return annotation
    found: dict[str, dict[int, str]] = {}
    for row, text in enumerate(annotation[taxonomy].tolist()):
        for part in str(text).split(";"):
            match = _RANK.match(part.strip())
            if match:
                letter = match[1] or _SILVA_RANKS[int(match[2])]
                found.setdefault(_RANKS[letter], {})[row] = match[3].strip()
    order = [rank for rank in _RANKS.values() if rank in found and rank not in annotation.columns]
    n = len(annotation)
    ranks = {rank: [found[rank].get(row, "") for row in range(n)] for rank in order}
    return annotation.assign(**ranks)
