"""Sequences in and out: text, FASTA, one-hot arrays."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mutua.errors import InvalidInput
from mutua.io._records import (
    RecordBlock,
    read_fasta_records,
    read_text_records,
    write_fasta_records,
)
from mutua.kernels import letters
from mutua.models import Dataset, SequenceSet
from mutua.models.alphabets import UNKNOWN, alphabet_name, resolve_alphabet, unknown_symbol
from mutua.models.build import assemble
from mutua.models.dims import CODES, LENGTH, SEQUENCE_ID

__all__ = ["from_one_hot", "from_strings", "read_fasta", "read_text", "write_fasta"]

Path = str | os.PathLike[str]
Pad = Literal["left", "right", "center"]
_PADS = ("left", "right", "center")
_WRITE_ROWS = 1 << 14


def read_fasta(
    path: Path, *, alphabet: str = "DNA", pad: Pad | None = None
) -> Dataset[SequenceSet]:
    """Read a FASTA file, plain or gzip.

    Parameters
    ----------
    path
        Path or fsspec URL.
    alphabet
        ``"DNA"``, ``"RNA"``, ``"protein"`` or the letters. Lower case reads as upper case; any
        other letter becomes unknown.
    pad
        Where to pad shorter sequences: ``"right"``, ``"left"`` or ``"center"``; None refuses
        sequences of different lengths.

    Returns
    -------
    SequenceSet
        With ``sequence_id`` (the first word of each header) and, if padded, ``length``.

    Raises
    ------
    InvalidInput
        If the file is no FASTA, sequences have different lengths (lists them), or no letter is
        of the alphabet.

    Examples
    --------
    >>> import fsspec
    >>> import mutua as mt
    >>> with fsspec.open("memory://two.fa", "w") as file:
    ...     _ = file.write(">a\\nACGT\\n>b\\nacgn\\n")
    >>> mt.pp.to_strings(mt.read_fasta("memory://two.fa"))
    ['ACGT', 'ACGN']
    """
    return _collect(read_fasta_records(path), alphabet, pad, "read_fasta", {"path": path})


def read_text(path: Path, *, alphabet: str = "DNA", pad: Pad | None = None) -> Dataset[SequenceSet]:
    """Read a file with one sequence a line, plain or gzip.

    Parameters, result and errors are those of `read_fasta`; there are no names.

    Examples
    --------
    >>> import fsspec
    >>> import mutua as mt
    >>> with fsspec.open("memory://two.txt", "w") as file:
    ...     _ = file.write("ACGT\\nTTTT\\n")
    >>> mt.pp.to_strings(mt.read_text("memory://two.txt"))
    ['ACGT', 'TTTT']
    """
    return _collect(read_text_records(path), alphabet, pad, "read_text", {"path": path})


def from_strings(
    strings: Iterable[str],
    *,
    alphabet: str = "DNA",
    pad: Pad | None = None,
    sequence_id: Sequence[str] | None = None,
) -> Dataset[SequenceSet]:
    """Make a sequence set from strings.

    Parameters
    ----------
    strings
        One string a sequence: a list, an array, a pandas column.
    alphabet, pad
        As for `read_fasta`.
    sequence_id
        Names of the sequences.

    Returns
    -------
    SequenceSet

    Raises
    ------
    InvalidInput
        If something is not a string, is empty or not ASCII (says which), there are none, lengths
        differ (lists them), or no letter is of the alphabet.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["MKV", "mk"], alphabet="protein", pad="right")
    >>> seqs["length"].values
    array([3, 2], dtype=int32)
    """
    if isinstance(strings, str | bytes):
        raise InvalidInput("strings", f"one {type(strings).__name__}", "pass a list of strings")
    given = list(strings)
    for place, text in enumerate(given):
        if not isinstance(text, str):
            raise InvalidInput("strings", f"item {place} is {text!r}", "use strings only")
        if not text:
            raise InvalidInput("strings", f"item {place} is empty", "leave it out")
        if not text.isascii():
            raise InvalidInput("strings", f"item {place} is not ASCII: {text[:20]!r}", "correct it")
    buffer = np.frombuffer("".join(given).encode("ascii"), dtype=np.uint8)
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in given], dtype=np.int64)])
    names = None if sequence_id is None else list(sequence_id)
    if names is not None and len(names) != len(given):
        raise InvalidInput(
            "sequence_id", f"{len(names)} names for {len(given)} sequences", "give one each"
        )
    block = RecordBlock(buffer, offsets.astype(np.int64), names)
    return _collect(iter([block] if given else []), alphabet, pad, "from_strings", {})


def from_one_hot(
    array: Any, *, alphabet: str = "DNA", sequence_id: Sequence[str] | None = None
) -> Dataset[SequenceSet]:
    """Make a sequence set from a one-hot array.

    Parameters
    ----------
    array
        numpy array or torch tensor (sequence, letter, position), letters in the order of the
        alphabet. Each column holds one 1; a column of zeros is an unknown letter.
    alphabet
        ``"DNA"``, ``"RNA"``, ``"protein"`` or the letters.
    sequence_id
        Names of the sequences.

    Returns
    -------
    SequenceSet

    Raises
    ------
    InvalidInput
        If the letters are not on the second axis, or a column is soft (probabilities): names the
        first such sequence and position.

    Examples
    --------
    >>> import numpy as np
    >>> import mutua as mt
    >>> one_hot = np.eye(4)[None, :, [0, 2, 3]]
    >>> mt.pp.to_strings(mt.from_one_hot(one_hot))
    ['AGT']
    """
    values = array.detach().cpu().numpy() if hasattr(array, "detach") else np.asarray(array)
    chosen = resolve_alphabet(alphabet)
    if values.ndim != 3 or values.shape[1] != len(chosen):
        turned = values.ndim == 3 and values.shape[2] == len(chosen)
        remedy = "use array.transpose(0, 2, 1)" if turned else "use (sequence, letter, position)"
        raise InvalidInput(
            "array", f"shape {values.shape} for an alphabet of {len(chosen)} letters", remedy
        )
    parts: dict[str, Any] = {CODES: letters.from_one_hot(values), "alphabet": chosen}
    if sequence_id is not None:
        parts[SEQUENCE_ID] = list(sequence_id)
    arguments = {"alphabet": chosen}
    return assemble(SequenceSet, None, parts, arguments=arguments, function="from_one_hot")


def write_fasta(sequences: Dataset[SequenceSet], path: Path, *, width: int | None = None) -> None:
    """Write sequences as FASTA, gzip-compressed if the path ends in ``.gz``.

    Padding is left out and unknown letters are N (X in protein). A file that stood there is
    replaced only when the new one is complete.

    Parameters
    ----------
    sequences
        (sequence, position); a lazy set is written block by block.
    path
        Path or fsspec URL.
    width
        Letters a line; by default each sequence is one line.

    Raises
    ------
    InvalidElement
        If it is no sequence set.
    InvalidInput
        If a sequence has no letters or a name is empty.

    Examples
    --------
    >>> import mutua as mt
    >>> mt.write_fasta(mt.from_strings(["ACGT"], sequence_id=["a"]), "memory://one.fa")
    >>> mt.pp.to_strings(mt.read_fasta("memory://one.fa"))
    ['ACGT']
    """
    SequenceSet.check(sequences, where="argument `sequences` of write_fasta")
    alphabet = sequences.attrs["alphabet"]
    codes = sequences[CODES].variable
    n = codes.shape[0]

    def rows() -> Iterator[bytes]:
        for start in range(0, n, _WRITE_ROWS):
            block = np.ascontiguousarray(codes[start : start + _WRITE_ROWS].values)
            text = letters.decode(block, alphabet, unknown=unknown_symbol(alphabet), padding=None)
            yield from text.tolist()

    if SEQUENCE_ID in sequences.coords:
        names: Iterable[str] = map(str, sequences[SEQUENCE_ID].values.tolist())
    else:
        names = map(str, range(n))
    write_fasta_records(path, names, rows(), width=width)


class _Lengths:
    """The lengths seen so far, to say which sequences differ."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.first: dict[int, str] = {}
        self.n = 0

    def add(self, lengths: npt.NDArray[np.int64], names: list[str] | None) -> None:
        found, at, counts = np.unique(lengths, return_index=True, return_counts=True)
        for length, place, count in zip(found.tolist(), at.tolist(), counts.tolist(), strict=True):
            name = repr(names[place]) if names else f"sequence {self.n + place}"
            self.first.setdefault(length, name)
            self.counts[length] += count
        self.n += len(lengths)

    def refuse(self) -> InvalidInput:
        """Give the error that lists the lengths, the most frequent first."""
        listed = [
            f"{length} ({count:,} sequences, first {self.first[length]})"
            for length, count in self.counts.most_common(8)
        ]
        more = f" and {len(self.counts) - 8} more lengths" if len(self.counts) > 8 else ""
        return InvalidInput(
            "pad",
            f"sequences have different lengths: {', '.join(listed)}{more}",
            "use pad='right', 'left' or 'center', or cut them to one length",
        )


def _collect(
    blocks: Iterator[RecordBlock],
    alphabet: str,
    pad: Pad | None,
    function: str,
    arguments: dict[str, Any],
) -> Dataset[SequenceSet]:
    """Encode records block by block into one sequence set."""
    chosen = resolve_alphabet(alphabet)
    if pad is not None and pad not in _PADS:
        raise InvalidInput("pad", f"{pad!r}", f"use one of {list(_PADS)} or None")
    table = letters.letter_table(chosen)
    seen = _Lengths()
    names: list[str] = []
    encoded: list[npt.NDArray[np.uint8]] = []
    raw: list[RecordBlock] = []
    all_lengths: list[npt.NDArray[np.int64]] = []
    for block in blocks:
        lengths = np.diff(block.offsets)
        seen.add(lengths, block.names)
        names += block.names or []
        if pad is not None:
            raw.append(block)
            all_lengths.append(lengths)
        elif len(seen.counts) == 1:
            encoded.append(letters.encode(block.buffer, block.offsets, table))
    if not seen.n:
        argument = "path" if "path" in arguments else "strings"
        raise InvalidInput(argument, "no sequences", "give at least one")
    if pad is None and len(seen.counts) > 1:
        raise seen.refuse()
    width = max(seen.counts)
    codes = np.empty((seen.n, width), dtype=np.uint8)
    row = 0
    # Blocks are let go as they are copied, so that the peak stays near one copy.
    sources: list[Any] = encoded if pad is None else raw
    sources.reverse()
    while sources:
        block = sources.pop()
        if pad is not None:
            block = letters.encode(block.buffer, block.offsets, table, width=width, pad=pad)
        codes[row : row + len(block)] = block
        row += len(block)
    _refuse_foreign(codes, chosen)
    parts: dict[str, Any] = {CODES: codes, "alphabet": chosen}
    if names:
        parts[SEQUENCE_ID] = np.array(names, dtype=np.dtypes.StringDType())
    if pad is not None:
        parts[LENGTH] = np.concatenate(all_lengths).astype(np.int32)
    recorded = {**arguments, "alphabet": chosen, "pad": pad}
    return assemble(SequenceSet, None, parts, arguments=recorded, function=function)


def _refuse_foreign(codes: npt.NDArray[np.uint8], alphabet: str) -> None:
    """Refuse sequences of which no letter is of the alphabet."""
    step = max(1, (1 << 24) // codes.shape[1])
    for start in range(0, len(codes), step):
        if (codes[start : start + step] < UNKNOWN).any():
            return
    raise InvalidInput(
        "alphabet",
        f"no letter of the sequences is of {alphabet_name(alphabet)!r} ({alphabet})",
        "use the alphabet of the sequences: 'DNA', 'RNA', 'protein' or their letters",
    )
