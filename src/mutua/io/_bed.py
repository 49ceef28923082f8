"""BED files as tables of text."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import IO

import pandas as pd

from mutua.errors import InvalidInput
from mutua.io._records import open_to_read, path_text

__all__ = ["read_bed"]

_BED = ("chrom", "start", "end", "name", "score", "strand")
_NO_REGION = ("track", "browser")


def read_bed(
    path: str | os.PathLike[str], *, argument: str = "regions", may_be_empty: bool = False
) -> pd.DataFrame:
    r"""Read a BED file, plain or gzip.

    Comments, ``track`` and ``browser`` lines and blank lines are left out. Columns are separated
    by tabs, or by any white space in a line without tabs. A first line of column names gives the
    names of the columns; without one they are the first six of BED.

    Parameters
    ----------
    path
        Path or fsspec URL.
    argument
        Name to use in errors.
    may_be_empty
        Give the columns of BED without rows where there is no region.

    Returns
    -------
    pandas.DataFrame
        Text, as many columns as the first region has.

    Raises
    ------
    InvalidInput
        If the file is missing, damaged or no text, holds no region, or a line has fewer than
        three columns or fewer than the first one (says which).

    Examples
    --------
    >>> import fsspec
    >>> with fsspec.open("memory://two.bed", "w") as file:
    ...     _ = file.write("track name=x\nchr1\t0\t4\tfirst\nchr1\t6\t10\tsecond\n")
    >>> read_bed("memory://two.bed")["name"].tolist()
    ['first', 'second']
    """
    text = path_text(path, argument)
    rows: list[list[str]] = []
    names: list[str] = []
    with open_to_read(path, "BED", argument=argument) as file:
        for number, fields in _fields(file):
            if len(fields) < 3:
                raise InvalidInput(
                    argument,
                    f"{text}: line {number} has {len(fields)} column(s)",
                    "use BED: chrom, start and end separated by tabs",
                )
            if not names:
                header = not (fields[1].lstrip("+-").isdigit() or fields[2].lstrip("+-").isdigit())
                names = fields if header else list(_BED[: len(fields)])
                if header:
                    continue
            if len(fields) < len(names):
                raise InvalidInput(
                    argument,
                    f"{text}: line {number} has {len(fields)} columns, the first has {len(names)}",
                    "repair the file",
                )
            rows.append(fields[: len(names)])
    if not rows and may_be_empty:
        return pd.DataFrame(columns=list(_BED), dtype=object)
    if not rows:
        raise InvalidInput(argument, f"{text} holds no region", "check the file")
    return pd.DataFrame(rows, columns=names, dtype=object)


def _fields(file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Give the columns of every line that is a region, with its number."""
    for number, line in enumerate(io.TextIOWrapper(file, encoding="utf-8"), 1):
        content = line.rstrip("\r\n")
        words = content.split()
        if words and not words[0].startswith("#") and words[0] not in _NO_REGION:
            tabbed = "\t" in content.strip()
            yield number, [part.strip() for part in content.split("\t")] if tabbed else words
