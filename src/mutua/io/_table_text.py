"""Tables as text: a line of names, then a name and its values on every line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, NamedTuple

import pandas as pd

from mutua.errors import InvalidInput
from mutua.io._records import open_to_read
from mutua.io._table_parts import RawTable, as_annotation, numeric_table

__all__ = ["SEPARATORS", "TextSource", "read_annotation_text", "read_table_text"]

SEPARATORS = {"tsv": "\t", "csv": ","}
_MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL"]
_FEATURE_NAMES = re.compile(r"^#?\s*(otu|feature|asv)[ _-]?id$", re.IGNORECASE)
_TYPES = "#q2:types"


class TextSource(NamedTuple):
    """A table of text, in a file of its own or already read into memory.

    Attributes
    ----------
    path
        Where it is, also for messages.
    argument
        The argument that named it.
    content
        Its bytes, where they are part of another file.
    """

    path: str
    argument: str
    content: bytes | None = None


_FIRST_NAMES = ("#", "id", "sample", "feature", "otu", "index")
"""How the header of a column of names begins; such a header is whole."""


class _Head(NamedTuple):
    """The lines before the first values: their number, and what they say."""

    columns: list[str]
    n_lines: int
    types: list[str]


def read_table_text(
    source: TextSource, separator: str, *, described: Sequence[str] = ()
) -> RawTable:
    """Read a table of numbers.

    Parameters
    ----------
    source
        A file, plain or gzip, in UTF-8. Lines before the header that begin with ``#`` are
        comments, but for the header itself (``#OTU ID``).
    separator
        What stands between two cells.
    described
        Columns that say something of the rows.

    Raises
    ------
    InvalidInput
        If it is empty or damaged, lines differ in length, or columns are no numbers.
    """
    head, names, frame = _read(source, separator)
    columns = head.columns[1:]
    is_features = _FEATURE_NAMES.match(head.columns[0]) is not None
    known = {"taxonomy", "consensus lineage", "consensuslineage"} if is_features else set()
    described = [*described, *(c for c in columns if c.lower() in known and c not in described)]
    return numeric_table(
        frame, names, columns,
        described=described, argument=source.argument,
        samples="columns" if is_features else "rows",
    )  # fmt: skip


def read_annotation_text(source: TextSource, separator: str) -> pd.DataFrame:
    """Read what a table says of samples or features, by their names.

    Types that QIIME 2 declares (``#q2:types``) are kept. Otherwise a column is numeric if all its
    values are numbers, or say that they are missing in one of the terms of the INSDC.
    """
    head, names, frame = _read(source, separator)
    columns = head.columns[1:]
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        found = f"{source.path} has columns of one name: {repeated}"
        raise InvalidInput(source.argument, found, "rename or remove them")
    frame.columns = pd.Index(columns, dtype=object)
    frame.index = pd.Index(names, dtype=object)
    kinds: dict[Hashable, str] = dict(zip(columns, head.types[1:], strict=False))
    return as_annotation(frame, kinds=kinds)


def _read(source: TextSource, separator: str) -> tuple[_Head, list[str], pd.DataFrame]:
    """Give the head, the names of the rows, and the cells, whose columns are numbered."""
    with _opened(source) as file:
        head = _head(file, separator, source)
    n = len(head.columns)
    missing = dict.fromkeys(range(1, n), _MISSING)
    with _opened(source) as file:
        try:
            frame: pd.DataFrame = pd.read_csv(  # type: ignore[call-overload]
                file, sep=separator, header=None, names=list(range(n)), skiprows=head.n_lines,
                dtype={0: str}, keep_default_na=False, na_values=missing,
                low_memory=False, float_precision="round_trip", encoding="utf-8",
            )  # fmt: skip
        except pd.errors.ParserError as error:
            found = f"{source.path}: {str(error).strip().removeprefix('Error tokenizing data. ')}"
            remedy = f"give every line {n} cells, as the header has"
            raise InvalidInput(source.argument, found, remedy) from error
    names = [str(name).strip() for name in frame.iloc[:, 0].tolist()]
    return head, names, frame.iloc[:, 1:]


@contextmanager
def _opened(source: TextSource) -> Iterator[IO[bytes]]:
    if source.content is None:
        with open_to_read(source.path, "a table", argument=source.argument) as file:
            yield file
        return
    try:
        yield io.BytesIO(source.content)
    except UnicodeDecodeError as error:
        found = f"{source.path} holds text that is not UTF-8 ({error})"
        raise InvalidInput(source.argument, found, "write it again") from error


def _head(file: IO[bytes], separator: str, source: TextSource) -> _Head:
    """Find the names of the columns, before which there may be comments."""
    comments: list[list[str]] = []
    types: list[str] = []
    header: list[str] = []
    for n_lines, line in enumerate(io.TextIOWrapper(file, encoding="utf-8", newline="")):
        cells = next(csv.reader([line], delimiter=separator), [])
        if line.startswith(_TYPES):
            types = [cell.strip().lower() for cell in cells]
        elif line.startswith("#q2:"):
            pass
        elif line.startswith("#"):
            comments.append(cells)
        elif line.strip():
            own = [comment for comment in comments if len(comment) == len(cells) > 1]
            if not header and not own:
                header = cells
            else:
                return _checked_head(header or own[-1], cells, n_lines, types, separator, source)
    found = f"{source.path} has " + ("a header and no rows" if header else "no lines")
    raise InvalidInput(source.argument, found, "give a table with a header and one row or more")


def _checked_head(
    header: list[str],
    first: list[str],
    n_lines: int,
    types: list[str],
    separator: str,
    source: TextSource,
) -> _Head:
    named = header[0].strip().lower().startswith(_FIRST_NAMES) or not first[-1].strip()
    if len(first) == len(header) + 1 and not named:  # R leaves out the name of the first column
        header = ["", *header]
    if len(header) < 2 or len(first) != len(header):
        shown = {"\t": "tab", ",": "comma"}[separator]
        found = f"{source.path}: {len(header)} cells in its header and {len(first)} in the row "
        found += f"after it, with a {shown} between cells"
        remedy = "say what it is with format= ('tsv' or 'csv'), or give all lines as many cells"
        raise InvalidInput(source.argument, found, remedy)
    return _Head([name.strip() for name in header], n_lines, types)
