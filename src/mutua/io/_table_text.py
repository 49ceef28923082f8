"""Tables as text: a line of names, then a name and its values on every line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain, islice
from typing import IO, NamedTuple

import pandas as pd

from mutua.errors import InvalidInput
from mutua.io._records import open_to_read
from mutua.io._table_parts import RawTable, as_annotation, check_row_names, listed, numeric_table

__all__ = ["SEPARATORS", "TextSource", "read_annotation_text", "read_table_text"]

SEPARATORS = {"tsv": "\t", "csv": ","}
_SHOWN = {"\t": "tab", ",": "comma", ";": "semicolon"}
_CLOSE = "close every quotation mark"
_BY_PANDAS = (
    "save it with tabs, or read it with pandas.read_csv(path, sep=';', index_col=0), decimal=',' "
    "where that is the decimal mark, and pass the data frame"
)
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
    check_row_names(names, head.columns[0], source.path, source.argument)
    is_features = _FEATURE_NAMES.match(head.columns[0]) is not None
    known = {"taxonomy", "consensus lineage", "consensuslineage"} if is_features else set()
    described = [*described, *(c for c in columns if c.lower() in known and c not in described)]
    return numeric_table(
        frame, names, columns,
        described=described, argument=source.argument,
        samples="columns" if is_features else "rows",
        line=lambda row: _line_of(row, head, separator, source),
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
    head = _head(source, separator)
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
            open_quote = "inside string" in found
            remedy = _CLOSE if open_quote else f"give every line {n} cells, as the header has"
            raise InvalidInput(source.argument, found, remedy) from error
    names = [str(name).strip() for name in frame.iloc[:, 0].tolist()]
    return head, names, frame.iloc[:, 1:]


@contextmanager
def _opened(source: TextSource) -> Iterator[IO[bytes]]:
    """Open it, and name the line where text is not UTF-8."""
    try:
        with _bytes_of(source) as file:
            yield file
    except InvalidInput as error:
        if not isinstance(error.__cause__, UnicodeDecodeError):
            raise
        raise _not_utf8(source) from error
    except UnicodeDecodeError as error:
        raise _not_utf8(source) from error
    except csv.Error as error:
        found = f"{source.path}: {error}"
        raise InvalidInput(source.argument, found, _CLOSE) from error


def _bytes_of(source: TextSource) -> AbstractContextManager[IO[bytes]]:
    if source.content is not None:
        return nullcontext(io.BytesIO(source.content))
    return open_to_read(source.path, "a table", argument=source.argument)


def _not_utf8(source: TextSource) -> InvalidInput:
    with _bytes_of(source) as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                shown = line[: error.start].decode("utf-8", "replace")[-20:]
                found = f"{source.path} is not UTF-8: line {number} has the byte "
                found += f"0x{line[error.start]:02x} after {shown!r}"
                break
        else:
            found = f"{source.path} is not UTF-8"
    remedy = "save it as UTF-8, such as with iconv -f latin1 -t utf-8"
    return InvalidInput(source.argument, found, remedy)


def _head(source: TextSource, separator: str) -> _Head:
    """Find the names of the columns, before which there may be comments; look at all rows."""
    comments: list[list[str]] = []
    types: list[str] = []
    header: list[str] = []
    with _opened(source) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        lines = enumerate(text)
        for n_lines, line in lines:
            cells = next(csv.reader([line], delimiter=separator), [])
            if line.startswith(_TYPES):
                types = [cell.strip().lower() for cell in cells]
            elif line.startswith("#q2:"):
                pass
            elif line.startswith("#"):
                comments.append(cells)
            elif line.strip():
                own = [
                    comment
                    for comment in comments
                    if len(comment) > 1
                    and (len(comment) == len(cells) or _FEATURE_NAMES.match(comment[0]))
                ]
                if not header and not own:
                    header = cells
                else:
                    rows = _rows(chain([(n_lines, line)], lines), separator)
                    columns = _columns(header or own[-1], rows, separator, source)
                    return _Head([name.strip() for name in columns], n_lines, types)
    found = f"{source.path} has " + ("a header and no rows" if header else "no lines")
    raise InvalidInput(source.argument, found, "give a table with a header and one row or more")


def _line_of(row: int, head: _Head, separator: str, source: TextSource) -> int:
    """Give the number of the line in which a row of values begins."""
    with _opened(source) as file, io.TextIOWrapper(file, encoding="utf-8", newline="") as text:
        lines = islice(enumerate(text), head.n_lines, None)
        return next(islice(_rows(lines, separator), row, None)).number


class _Line(NamedTuple):
    """A line of values: its number from 1, its cells, whether the last is empty, its text."""

    number: int
    n_cells: int
    ends_empty: bool
    text: str


def _rows(lines: Iterator[tuple[int, str]], separator: str) -> Iterator[_Line]:
    """Give the lines of values; with quotes, one may go on over several lines of text."""
    for place, line in lines:
        if '"' in line:
            cells = next(
                csv.reader(chain([line], (more for _, more in lines)), delimiter=separator)
            )
            yield _Line(place + 1, len(cells), not cells[-1].strip(), line)
        elif line.strip():
            bare = line.rstrip("\r\n")
            yield _Line(place + 1, bare.count(separator) + 1, bare.endswith(separator), line)


def _columns(
    header: list[str], rows: Iterator[_Line], separator: str, source: TextSource
) -> list[str]:
    """Give the header with a first cell, which R leaves out, after a look at the length of rows.

    A header as long as all rows names its first cell; one that is a cell shorter is that of R.
    """
    first = next(rows)
    hidden = any(mark in header[0] and mark in first.text for mark in set(_SHOWN) - {separator})
    if first.n_cells < 2 or (len(header) == 1 and (first.n_cells > 2 or hidden)):
        raise _unseparated(header, first, separator, source)
    is_of_r = first.n_cells == len(header) + 1 and not header[0].lstrip().startswith("#")
    ends_empty = first.ends_empty
    odd = None if is_of_r or first.n_cells == len(header) else first
    for row in rows:
        ends_empty &= row.ends_empty
        if odd is None and row.n_cells != first.n_cells:
            odd = row
    if odd is None and is_of_r and ends_empty:
        found = f"{source.path}: every row has an empty cell at its end, beyond the "
        found += f"{len(header)} cells of the header"
        raise InvalidInput(source.argument, found, "take the separator at the end of lines away")
    if odd is not None:
        usual = f"{len(header)} cells in its header"
        if first.n_cells != len(header) and odd is not first:
            usual += f", {first.n_cells} in line {first.number}"
        found = f"{source.path}: {usual} and {odd.n_cells} in line {odd.number}, with a "
        found += f"{_SHOWN[separator]} between cells"
        raise InvalidInput(source.argument, found, "give all lines as many cells")
    if not is_of_r and all(_is_number(name) for name in header):
        found = f"{source.path}: a header of nothing but numbers: {listed(header)}"
        raise InvalidInput(source.argument, found, "give the columns names in the first line")
    return ["", *header] if is_of_r else header


def _unseparated(header: list[str], row: _Line, separator: str, source: TextSource) -> InvalidInput:
    found = f"{source.path}: {len(header)} cells in its header and {row.n_cells} in line "
    found += f"{row.number}, with a {_SHOWN[separator]} between cells"
    remedy = "say what it is with format= ('tsv' or 'csv'), or give all lines as many cells"
    for other, name in ((";", ""), ("\t", "tsv"), (",", "csv")):
        if other != separator and other in header[0] and other in row.text:
            found += f"; there are {_SHOWN[other]}s"
            remedy = f"use format={name!r}" if name else _BY_PANDAS
            break
    return InvalidInput(source.argument, found, remedy)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
