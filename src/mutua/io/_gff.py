"""GFF3 as a table of features, and back."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import IO
from urllib.parse import unquote

import pandas as pd

from mutua.errors import InvalidInput
from mutua.io._records import open_to_read, path_text

__all__ = ["gff_line", "read_gff"]

_COLUMNS = ("seqid", "source", "type", "start", "end", "score", "strand", "phase")
_ESCAPED = {c: f"%{ord(c):02X}" for c in "%;=&,\t\n\r"}
_ID_ESCAPED = {c: f"%{ord(c):02X}" for c in "%\t\n\r >"}


def read_gff(path: str | os.PathLike[str], *, argument: str = "path") -> pd.DataFrame:
    r"""Read the features of a GFF3 file, plain or gzip.

    Parameters
    ----------
    path
        Path or fsspec URL. What follows ``##FASTA`` is left out.
    argument
        Name to use in errors.

    Returns
    -------
    pandas.DataFrame
        Text: the first eight columns, coordinates as in the file (1-based, both ends included),
        and a column for every attribute, "" where a feature has none.

    Raises
    ------
    InvalidInput
        If the file is missing or damaged, or a line has not nine columns (says which).

    Examples
    --------
    >>> import fsspec
    >>> with fsspec.open("memory://one.gff3", "w") as file:
    ...     _ = file.write("##gff-version 3\nchr1\tx\tsite\t5\t9\t.\t+\t.\tID=a;Name=GATA%3B1\n")
    >>> read_gff("memory://one.gff3")[["start", "Name"]].values.tolist()
    [['5', 'GATA;1']]
    """
    rows: list[dict[str, str]] = []
    with open_to_read(path, "GFF3", argument=argument) as file:
        for number, fields in _fields(file):
            if len(fields) != len(_COLUMNS) + 1:
                found = f"{path_text(path, argument)}: line {number} has {len(fields)} columns"
                raise InvalidInput(argument, found, "use GFF3: nine columns separated by tabs")
            row = {name: unquote(field) for name, field in zip(_COLUMNS, fields, strict=False)}
            for pair in filter(None, (part.strip() for part in fields[-1].split(";"))):
                key, equals, value = pair.partition("=")
                if equals and key not in _COLUMNS:
                    row[unquote(key)] = unquote(value)
            rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else list(_COLUMNS), dtype=object).fillna("")


def _fields(file: IO[bytes]) -> Iterable[tuple[int, list[str]]]:
    for number, line in enumerate(io.TextIOWrapper(file, encoding="utf-8"), 1):
        if line.startswith(("##FASTA", ">")):
            return
        content = line.rstrip("\r\n")
        if content.strip() and not content.startswith("#"):
            yield number, ([] if content == "." else content.split("\t"))


def gff_line(columns: Iterable[str], attributes: Iterable[tuple[str, str]]) -> str:
    r"""Give a line of GFF3, special characters of its texts written as ``%3B``.

    Examples
    --------
    >>> gff_line(["chr1", "x", "site", "5", "9", ".", "+", "."], [("Name", "a;b")])
    'chr1\tx\tsite\t5\t9\t.\t+\t.\tName=a%3Bb\n'
    """
    first, *others = columns
    named = ";".join(f"{key}={_escape(value, _ESCAPED)}" for key, value in attributes)
    return "\t".join([_escape(first, _ID_ESCAPED), *others, named or "."]) + "\n"


def _escape(text: str, escaped: dict[str, str]) -> str:
    return "".join(escaped.get(character, character) for character in text)
