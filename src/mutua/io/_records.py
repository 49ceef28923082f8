"""Sequences as text: read FASTA and one-per-line files in blocks, write FASTA.

A file never needs to fit into memory; a single record must.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import sys
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat, zip_longest
from typing import IO, BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from dnaio import FastaFormatError, FastaReader

from mutua.errors import InvalidInput, MissingDependency
from mutua.models.arguments import whole_number

__all__ = [
    "RecordBlock",
    "letters_fault",
    "open_to_read",
    "open_to_write",
    "path_text",
    "read_fasta_records",
    "read_text_records",
    "write_fasta_records",
]

Path = str | os.PathLike[str]

_BLOCK_LETTERS = 8 * 2**20
_BLOCK_RECORDS = 50_000
_GZIP_MAGIC = b"\x1f\x8b"
_MARK = codecs.BOM_UTF8
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WHITE_SPACE = " \t\v\f\r\n"
_WRITE_BYTES = 2**20


class RecordBlock(NamedTuple):
    """Some records of a file, laid end to end.

    Attributes
    ----------
    text
        The letters of all records, ASCII, upper and lower case as in the file.
    lengths
        int64 (records,): the letters of each record.
    names
        The names of the records, which may repeat, or None where the file has none.
    """

    text: bytes
    lengths: npt.NDArray[np.int64]
    names: list[str] | None


def read_fasta_records(path: Path, *, block_letters: int = _BLOCK_LETTERS) -> Iterator[RecordBlock]:
    r"""Read a FASTA file in blocks.

    Compression (gzip, bgzip) is told from the content. Lines may end in ``\n`` or ``\r\n``; blank
    lines, lines that begin with ``#`` and a byte order mark of UTF-8 are left out.

    Parameters
    ----------
    path
        Path or fsspec URL.
    block_letters
        A block is full with this many letters, or with 50,000 records.

    Yields
    ------
    RecordBlock
        With names: the first word of each header.

    Raises
    ------
    InvalidInput
        If the file is not FASTA, holds no record or is damaged, or if a record is empty, has
        white space between its letters or is not ASCII (names the record and the line where it
        begins).

    Examples
    --------
    >>> import fsspec
    >>> with fsspec.open("memory://two.fa", "w") as file:
    ...     _ = file.write(">a first\nACGT\nAC\n>b\nTT\n")
    >>> block = next(read_fasta_records("memory://two.fa"))
    >>> block.text, block.lengths, block.names
    (b'ACGTACTT', array([6, 2]), ['a', 'b'])
    """
    with open_to_read(path, "FASTA") as file:
        reader = FastaReader(cast(BinaryIO, file), sequence_class=_name_and_letters)
        records = cast(Iterator[tuple[str, str]], iter(reader))

        def place(record: int, name: str) -> str:
            line = _header_line(file, record)
            return f"record {name!r}" + (f" (line {line})" if line else "")

        for n_before, names, letters in _batches(path, records, block_letters):
            text, lengths = _laid_end_to_end(path, n_before, names, letters, place)
            yield RecordBlock(text, lengths, names)


def _name_and_letters(header: str, letters: str, _: None) -> tuple[str, str]:
    words = header.split(None, 1)
    return words[0] if words else "", letters


def _header_line(file: IO[bytes], record: int) -> int | None:
    """Give the number of the line where a record begins; None if the file cannot be read again."""
    try:
        file.seek(0)
    except OSError:
        return None
    lines = enumerate(file, 1)
    headers = (number for number, line in lines if line.removeprefix(_MARK).lstrip()[:1] == b">")
    return next((number for i, number in enumerate(headers) if i == record), None)


def read_text_records(path: Path, *, block_letters: int = _BLOCK_LETTERS) -> Iterator[RecordBlock]:
    r"""Read a file with one sequence per line in blocks.

    Compression (gzip, bgzip) is told from the content. White space around a sequence, blank lines
    at the end and a byte order mark of UTF-8 are left out.

    Parameters
    ----------
    path
        Path or fsspec URL.
    block_letters
        A block is full with this many letters, or with 50,000 records.

    Yields
    ------
    RecordBlock
        Without names.

    Raises
    ------
    InvalidInput
        If the file holds no sequence, is FASTA or is damaged, or if a line before the last
        sequence is blank, has white space between its letters or is not ASCII (names the line).

    Examples
    --------
    >>> import fsspec
    >>> with fsspec.open("memory://two.txt", "w") as file:
    ...     _ = file.write("ACGTAC\nTT\n\n")
    >>> block = next(read_text_records("memory://two.txt"))
    >>> block.text, block.lengths, block.names
    (b'ACGTACTT', array([6, 2]), None)
    """
    with open_to_read(path, "text") as file:

        def place(record: int, _: str) -> str:
            return f"line {record + 1}"

        for n_before, names, letters in _batches(path, _stripped_lines(file), block_letters):
            if n_before == 0 and letters[0].startswith(">"):
                raise InvalidInput("path", f"{path_text(path)} is FASTA", "read it as FASTA")
            text, lengths = _laid_end_to_end(path, n_before, names, letters, place)
            yield RecordBlock(text, lengths, None)


def _stripped_lines(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    n_blank = 0
    for line in io.TextIOWrapper(file, encoding="utf-8"):
        line = line.strip()
        if line:
            yield from repeat(("", ""), n_blank)
            n_blank = 0
            yield "", line
        else:
            n_blank += 1


def _batches(
    path: Path, records: Iterator[tuple[str, str]], block_letters: int
) -> Iterator[tuple[int, list[str], list[str]]]:
    """Gather records into full blocks: how many came before, their names and their letters."""
    n_before = 0
    names: list[str] = []
    letters: list[str] = []
    n_letters = 0
    for name, sequence in records:
        names.append(name)
        letters.append(sequence)
        n_letters += len(sequence)
        if n_letters >= block_letters or len(names) == _BLOCK_RECORDS:
            yield n_before, names, letters
            n_before += len(names)
            names, letters, n_letters = [], [], 0
    if names:
        yield n_before, names, letters
    elif n_before == 0:
        remedy = "check the path: at least one sequence is needed"
        raise InvalidInput("path", f"{path_text(path)} holds no sequence", remedy)


def _laid_end_to_end(
    path: Path,
    n_before: int,
    names: list[str],
    letters: list[str],
    place: Callable[[int, str], str],
) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Give the text of all records of a block and their lengths, or say which one is faulty."""
    text = "".join(letters)
    lengths = np.fromiter(map(len, letters), np.int64, len(letters))
    if lengths.all() and text.isascii() and not any(space in text for space in _WHITE_SPACE):
        return text.encode("ascii"), lengths
    for i, sequence in enumerate(letters):
        found = letters_fault(sequence)
        if found:
            where = place(n_before + i, names[i])
            raise InvalidInput("path", f"{path_text(path)}: {where} {found}", "repair the file")
    raise AssertionError("unreachable: one of the records is at fault")


def letters_fault(sequence: str) -> str:
    """Say what keeps a text from being the letters of a sequence; nothing if they are."""
    if not sequence:
        return "is empty"
    if not sequence.isascii():
        return "holds symbols that are not ASCII"
    if any(space in sequence for space in _WHITE_SPACE):
        return "has white space between its letters"
    return ""


def path_text(path: Path, argument: str = "path") -> str:
    """Give a path or URL as text, or refuse what is none."""
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or not text:
        found = "empty" if text == "" else f"a {type(path).__name__}"
        raise InvalidInput(argument, found, "use the path or URL of a file")
    return text


@contextmanager
def open_to_read(path: Path, kind: str, *, argument: str = "path") -> Iterator[IO[bytes]]:
    """Open a file, decompressed, and say what is wrong with it where its bytes make no `kind`."""
    text = path_text(path, argument)
    try:
        with _open(text, "rb", argument) as raw:
            file = raw if hasattr(raw, "peek") else io.BufferedReader(cast(io.RawIOBase, raw))
            if file.peek(2)[:2] == _GZIP_MAGIC:
                with gzip.open(file) as decompressed:
                    opened = cast(io.BufferedReader, decompressed)
                    yield _after_mark(opened, text, kind, argument)
            else:
                yield _after_mark(cast(io.BufferedReader, file), text, kind, argument)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        remedy = "compress or download it again"
        raise InvalidInput(argument, f"{text} is damaged ({error})", remedy) from error
    except (FastaFormatError, UnicodeDecodeError) as error:
        remedy = "pass plain or gzip-compressed text of that format"
        raise InvalidInput(argument, f"{text} is not {kind} ({error})", remedy) from error


def _after_mark(file: io.BufferedReader, path: str, kind: str, argument: str) -> IO[bytes]:
    """Go past the mark that some programs put before UTF-8 text, or refuse wider encodings."""
    start = file.peek(4)[:4]
    if start.startswith(_WIDE_MARKS) or b"\0" in start:
        found = f"{path} is not {kind} but UTF-16, UTF-32 or no text at all"
        raise InvalidInput(argument, found, "save it as ASCII or UTF-8 text")
    if start.startswith(_MARK):
        file.read(len(_MARK))
    return file


def _open(path: str, mode: str, argument: str) -> IO[bytes]:
    """Open a local file or a URL; a place where there is no file is a fault of the argument."""
    try:
        if _is_local(path):
            return cast(IO[bytes], open(_local(path), mode))
        import fsspec

        return cast(IO[bytes], fsspec.open(path, mode).open())
    except (IsADirectoryError, NotADirectoryError) as error:
        raise InvalidInput(argument, f"{path} is no file", "use the path of a file") from error
    except FileNotFoundError as error:
        raise InvalidInput(argument, f"{path} does not exist", "check the path") from error
    except ImportError as error:
        raise MissingDependency(f"`{argument}`: {path} needs another package: {error}") from error
    except ValueError as error:  # a protocol that fsspec does not know
        raise InvalidInput(argument, f"{path}: {error}", "use a path or fsspec URL") from error


def _is_local(path: str) -> bool:
    return path.startswith("file://") or not ("://" in path or "::" in path)


def _local(path: str) -> str:
    return os.path.expanduser(path.removeprefix("file://"))


def write_fasta_records(
    path: Path, names: Iterable[str], rows: Iterable[bytes], *, width: int | None = None
) -> None:
    r"""Write sequences as FASTA, compressed if the path ends in ``.gz``.

    A local file appears under its name only when it is complete; what was there before is kept
    until then. The same records give the same bytes, compressed ones too.

    Parameters
    ----------
    path
        Path or fsspec URL.
    names
        One name for each sequence. Readers take the first word.
    rows
        The sequences, such as the array from :func:`mutua.kernels.letters.decode`, or an iterator
        over any number of them.
    width
        Letters per line; by default each sequence is one line.

    Raises
    ------
    InvalidInput
        If a name or sequence is empty, a name holds a line break, there are not as many names as
        sequences, `width` is below 1, or the path ends in ``.bgz``.

    Examples
    --------
    >>> import fsspec
    >>> write_fasta_records("memory://one.fa", ["a"], [b"ACGTAC"], width=4)
    >>> with fsspec.open("memory://one.fa") as file:
    ...     file.read()
    b'>a\nACGT\nAC\n'
    """
    target = path_text(path)
    if width is not None:
        width = whole_number("width", width, low=1)
    if target.endswith(".bgz"):
        raise InvalidInput("path", target, "write .fa or .fa.gz and compress it with bgzip")
    with open_to_write(target) as file:
        _write_records(file, names, rows, width)


def _write_records(
    file: IO[bytes],
    names: Iterable[str],
    rows: Iterable[bytes],
    width: int | None,
) -> None:
    for i, (name, row) in enumerate(zip_longest(names, rows)):
        if name is None or row is None:
            found = f"{'fewer' if name is None else 'more'} names than sequences"
            raise InvalidInput("names", found, "pass one name for each sequence")
        if name.splitlines() != [name] or name[0].isspace():
            remedy = "use names of one line that do not begin with white space"
            raise InvalidInput("names", f"{name!r} (sequence {i})", remedy)
        if not row:
            raise InvalidInput("rows", f"sequence {name!r} is empty", "leave it out")
        lines = (
            row if width is None
            else b"\n".join(row[j : j + width] for j in range(0, len(row), width))
        )  # fmt: skip
        file.write(b">%b\n%b\n" % (name.encode(), lines))


@contextmanager
def open_to_write(path: str) -> Iterator[IO[bytes]]:
    """Open a file that appears only when it is complete, compressed if it ends in ``.gz``.

    The same content gives the same bytes, compressed ones too.
    """
    with _whole_file(path) as file:
        if path.endswith(".gz"):
            with (
                gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed,
                io.BufferedWriter(cast(io.RawIOBase, compressed), _WRITE_BYTES) as buffered,
            ):
                yield cast(IO[bytes], buffered)
        else:
            yield file


@contextmanager
def _whole_file(path: str) -> Iterator[IO[bytes]]:
    if path == "/dev/stdout":  # opened by its name it would empty a file that it is appended to
        with open(os.dup(sys.stdout.fileno()), "wb") as file:
            yield file
        return
    target = os.path.realpath(_local(path))
    special = os.path.exists(target) and not os.path.isfile(target)  # a pipe, /dev/stdout
    if special or not _is_local(path):
        with _open(path, "wb", "path") as file:
            yield file
        return
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise InvalidInput("path", f"there is no folder {folder}", "make it first")
    partial = f"{target}.{uuid.uuid4().hex}.partial"
    try:
        with open(partial, "xb") as file:
            yield file
        os.replace(partial, target)
    except BaseException:
        if os.path.exists(partial):
            os.remove(partial)
        raise
