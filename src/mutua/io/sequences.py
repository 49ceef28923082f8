"""Sequences in and out: text, FASTA, one-hot arrays."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from mutua.errors import InvalidInput, MemoryLimit
from mutua.io._foreign import no_letters, refuse_foreign
from mutua.io._records import (
    RecordBlock,
    letters_fault,
    read_fasta_records,
    read_text_records,
    write_fasta_records,
)
from mutua.kernels import letters
from mutua.models import Dataset, SequenceSet
from mutua.models.alphabets import (
    UNKNOWN,
    resolve_alphabet,
    unknown_symbol,
)
from mutua.models.arguments import one_of
from mutua.models.build import assemble
from mutua.models.contact_map import ALIGNMENT_COLUMN
from mutua.models.dims import CODES, LENGTH, POSITION, SEQUENCE, SEQUENCE_ID

__all__ = ["from_one_hot", "from_strings", "read_fasta", "read_text", "write_fasta"]

Path = str | os.PathLike[str]
Pad = Literal["left", "right", "center"]
_WRITE_ROWS = 1 << 14
_MOST_PADDED = 1 << 32
_GAPS = "-."


def read_fasta(
    path: Path, *, alphabet: str = "DNA", pad: Pad | None = None, allow_unknown: bool = False
) -> Dataset[SequenceSet]:
    r"""Read a FASTA file, plain or gzip.

    Parameters
    ----------
    path
        Path or fsspec URL.
    alphabet
        ``"DNA"``, ``"RNA"``, ``"protein"`` or the letters. Lower case reads as upper case, U as T
        and T as U; any other letter becomes unknown.
    pad
        Where to pad shorter sequences: ``"right"``, ``"left"`` or ``"center"``; None refuses
        sequences of different lengths.
    allow_unknown
        Read letters of other alphabets as unknown however many there are. Otherwise they are
        refused where they are more than a fifth (half, for letters of your own) of the letters,
        or, in DNA and RNA, more than half together with the symbols for several bases; gaps, N
        and X are not counted.

    Returns
    -------
    SequenceSet
        With ``sequence_id`` (the first word of each header) and, if padded, ``length``. Sequences
        of one length with gaps (``-`` or ``.``, which are unknown letters) are an alignment:
        ``position`` then numbers its columns from 0, so that a part of it keeps the numbers.

    Raises
    ------
    InvalidInput
        If there is no such file, it is no FASTA or is damaged, sequences have different lengths
        (lists them), or the letters are of another alphabet.

    Examples
    --------
    >>> import fsspec
    >>> import mutua as mt
    >>> with fsspec.open("memory://two.fa", "w") as file:
    ...     _ = file.write(">a\nACGT\n>b\nacgn\n")
    >>> mt.pp.to_strings(mt.read_fasta("memory://two.fa"))
    ['ACGT', 'ACGN']
    """
    options = _Options(alphabet, pad, allow_unknown)
    return _collect(read_fasta_records(path), options, "read_fasta", {"path": path})


def read_text(
    path: Path, *, alphabet: str = "DNA", pad: Pad | None = None, allow_unknown: bool = False
) -> Dataset[SequenceSet]:
    r"""Read a file with one sequence a line, plain or gzip.

    Parameters, result and errors are those of `read_fasta`; there are no names.

    Examples
    --------
    >>> import fsspec
    >>> import mutua as mt
    >>> with fsspec.open("memory://two.txt", "w") as file:
    ...     _ = file.write("ACGT\nTTTT\n")
    >>> mt.pp.to_strings(mt.read_text("memory://two.txt"))
    ['ACGT', 'TTTT']
    """
    options = _Options(alphabet, pad, allow_unknown)
    return _collect(read_text_records(path), options, "read_text", {"path": path})


def from_strings(
    strings: Iterable[str],
    *,
    alphabet: str = "DNA",
    pad: Pad | None = None,
    sequence_id: Sequence[str] | None = None,
    allow_unknown: bool = False,
) -> Dataset[SequenceSet]:
    """Make a sequence set from strings.

    Parameters
    ----------
    strings
        One string a sequence: a list, an array, a pandas column.
    alphabet, pad, allow_unknown
        As for `read_fasta`.
    sequence_id
        Names of the sequences; by default those of a pandas column whose index is strings.

    Returns
    -------
    SequenceSet
        As of `read_fasta`.

    Raises
    ------
    InvalidInput
        If something is not a string, is empty, not ASCII or has white space in it (says which),
        there are none, lengths differ (lists them), the letters are of another alphabet, or there
        are not as many names as sequences.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["MKV", "mk"], alphabet="protein", pad="right")
    >>> seqs["length"].values
    array([3, 2], dtype=int32)
    """
    given = _listed("strings", strings)
    for place, text in enumerate(given):
        if not isinstance(text, str):
            raise InvalidInput("strings", f"item {place} is {text!r}", "use strings only")
    joined = "".join(given)
    if not all(given) or letters_fault(joined):
        for place, text in enumerate(given):
            fault = letters_fault(text)
            if fault:
                shown = f": {text[:20]!r}" if text else ""
                raise InvalidInput("strings", f"item {place} {fault}{shown}", "correct it")
    if sequence_id is None:
        sequence_id = _index_names(strings)
    names = None if sequence_id is None else _names(sequence_id, len(given))
    lengths = np.fromiter(map(len, given), np.int64, len(given))
    block = RecordBlock(joined.encode("ascii"), lengths, names)
    options = _Options(alphabet, pad, allow_unknown)
    return _collect(iter([block] if given else []), options, "from_strings", {})


def from_one_hot(
    array: Any, *, alphabet: str = "DNA", sequence_id: Sequence[str] | None = None
) -> Dataset[SequenceSet]:
    """Make a sequence set from a one-hot array.

    Parameters
    ----------
    array
        numpy array or torch tensor (sequence, letter, position) of any type, as tangermeme has
        them, letters in the order of the alphabet. Each column holds one 1; a column of zeros is
        an unknown letter.
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
        If the letters are not on the second axis, there are no sequences, or a column is soft
        (probabilities): names the first such sequence and position.

    Examples
    --------
    >>> import numpy as np
    >>> import mutua as mt
    >>> one_hot = np.eye(4)[None, :, [0, 2, 3]]
    >>> mt.pp.to_strings(mt.from_one_hot(one_hot))
    ['AGT']
    """
    if hasattr(array, "detach"):
        tensor = array.detach().cpu()
        # numpy has no bfloat16; 0 and 1 are the same in it.
        values = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    else:
        values = np.asarray(array)
    chosen = resolve_alphabet(alphabet)
    if values.ndim != 3 or values.shape[1] != len(chosen):
        turned = values.ndim == 3 and values.shape[2] == len(chosen)
        remedy = "use array.transpose(0, 2, 1)" if turned else "use (sequence, letter, position)"
        raise InvalidInput(
            "array", f"shape {values.shape} for an alphabet of {len(chosen)} letters", remedy
        )
    if values.size == 0:
        raise InvalidInput("array", f"shape {values.shape}", "give at least one letter")
    codes = letters.from_one_hot(values)
    if not _has_letter(codes):
        raise InvalidInput("array", "zeros only", "give at least one letter")
    parts: dict[str, Any] = {CODES: codes, "alphabet": chosen}
    if sequence_id is not None:
        names = _names(sequence_id, len(values))
        parts[SEQUENCE_ID] = np.array(names, dtype=np.dtypes.StringDType())
    arguments = {"alphabet": chosen}
    return assemble(SequenceSet, None, parts, arguments=arguments, function="from_one_hot")


def _listed(argument: str, items: Any) -> list[Any]:
    """Give several things in the order they come in, or refuse what has no such order."""
    if isinstance(items, str | bytes):
        raise InvalidInput(argument, f"one {type(items).__name__}", "pass a list of strings")
    if isinstance(items, Mapping):
        raise InvalidInput(
            argument,
            "a mapping",
            f"pass list({argument}.values()), and its keys as sequence_id",
        )
    if isinstance(items, Set) or not isinstance(items, Iterable):
        raise InvalidInput(argument, f"a {type(items).__name__}", "pass a list of strings")
    return list(items)


def _index_names(strings: Any) -> list[str] | None:
    """Give the index of a pandas column if it is strings; numbers only count the rows."""
    names = strings.index.tolist() if isinstance(strings, pd.Series) else []
    return names if names and all(isinstance(name, str) for name in names) else None


def _names(names: Any, n: int) -> list[str]:
    """Give the names of `n` sequences, or refuse them."""
    listed = _listed("sequence_id", names)
    odd = [name for name in listed if not isinstance(name, str)]
    if odd:
        raise InvalidInput("sequence_id", f"{odd[0]!r} is not a string", "use e.g. map(str, ...)")
    if len(listed) != n:
        raise InvalidInput("sequence_id", f"{len(listed)} names for {n} sequences", "give one each")
    return listed


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
    if sequences.sizes[SEQUENCE] == 0:
        raise InvalidInput("sequences", "there are none", "write at least one")
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
    try:
        write_fasta_records(path, names, rows(), width=width)
    except InvalidInput as error:
        if error.argument not in ("names", "rows"):
            raise
        remedy = "correct `sequence_id`" if error.argument == "names" else "leave it out"
        raise InvalidInput("sequences", error.found, remedy) from None


class _Lengths:
    """The lengths seen so far, to say which sequences differ."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.first: dict[int, str] = {}
        self.n = 0

    def add(self, lengths: npt.NDArray[np.int64], names: Any) -> None:
        found, at, counts = np.unique(lengths, return_index=True, return_counts=True)
        for length, place, count in zip(found.tolist(), at.tolist(), counts.tolist(), strict=True):
            unnamed = names is None
            name = f"sequence {self.n + place}" if unnamed else repr(str(names[place]))
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


class _Growing:
    """One array that grows at its end, so that no second copy of it is ever in memory."""

    def __init__(self) -> None:
        self.values = np.empty(0, dtype=np.uint8)
        self.size = 0

    def append(self, more: npt.NDArray[np.uint8]) -> None:
        needed = self.size + more.size
        if needed > self.values.size:
            self._resize(max(needed, self.values.size + self.values.size // 16))
        self.values[self.size : needed] = more
        self.size = needed

    def _resize(self, size: int) -> None:
        # No other array refers to the values: a view of them is made at the end only.
        self.values.resize(size, refcheck=False)

    def rows(
        self, lengths: npt.NDArray[np.int32], width: int, pad: Pad | None
    ) -> npt.NDArray[np.uint8]:
        """Give what was appended as rows, padded where records are shorter than `width`."""
        needed = len(lengths) * width
        if needed > max(_MOST_PADDED, 8 * self.size):
            raise MemoryLimit(
                "pad",
                f"{len(lengths):,} sequences padded to {width:,} letters take "
                f"{needed / 2**30:.0f} GiB, their letters {self.size / 2**30:.2g} GiB",
                "leave out or cut the longest ones",
            )
        self._resize(len(lengths) * width)
        if pad is not None:
            return letters.spread_rows(self.values, lengths.astype(np.int64), width=width, pad=pad)
        return self.values.reshape(len(lengths), width)


class _Options(NamedTuple):
    """What the caller said about the letters."""

    alphabet: str
    pad: Pad | None
    allow_unknown: bool


class _Encoded(NamedTuple):
    """All records as codes; whether there are gaps in them."""

    codes: npt.NDArray[np.uint8] | None
    lengths: npt.NDArray[np.int32]
    names: npt.NDArray[Any] | None
    gapped: bool


def _collect(
    blocks: Iterator[RecordBlock], options: _Options, function: str, arguments: dict[str, Any]
) -> Dataset[SequenceSet]:
    """Encode records block by block into one sequence set."""
    chosen = resolve_alphabet(options.alphabet)
    pad, allow_unknown = options.pad, options.allow_unknown
    if pad is not None:
        one_of("pad", pad, letters.PADS)
    if not isinstance(allow_unknown, bool):
        raise InvalidInput("allow_unknown", f"{allow_unknown!r}", "use True or False")
    codes, lengths, names, gapped = _encoded(blocks, chosen, pad, allow_unknown)
    if codes is None:
        argument = "path" if "path" in arguments else "strings"
        raise InvalidInput(argument, "no sequences", "give at least one")
    if not _has_letter(codes):
        raise no_letters(chosen)
    parts: dict[str, Any] = {CODES: codes, "alphabet": chosen, SEQUENCE_ID: names}
    if pad is not None:
        parts[LENGTH] = lengths
    if gapped:
        columns = np.arange(codes.shape[1], dtype=np.int64)
        parts[POSITION] = xr.Variable((POSITION,), columns, {"long_name": ALIGNMENT_COLUMN})
    recorded = {**arguments, "alphabet": chosen, "pad": pad}
    if allow_unknown:
        recorded["allow_unknown"] = True
    return assemble(SequenceSet, None, parts, arguments=recorded, function=function)


def _encoded(
    blocks: Iterator[RecordBlock], alphabet: str, pad: Pad | None, allow_unknown: bool
) -> _Encoded:
    """Give the codes of all records, their lengths, and their names if they have any."""
    table = letters.letter_table(alphabet)
    gaps = [gap.encode() for gap in _GAPS if gap == "-" or gap not in alphabet]
    gapped = False
    seen, codes = _Lengths(), _Growing()
    names: list[npt.NDArray[Any]] = []
    lengths: list[npt.NDArray[np.int32]] = [np.empty(0, np.int32)]
    for block in blocks:
        if not seen.n and not allow_unknown:
            refuse_foreign(block.text, alphabet, table)
        seen.add(block.lengths, block.names)
        if block.names is not None:
            names.append(np.asarray(block.names, dtype=np.dtypes.StringDType()))
        lengths.append(block.lengths.astype(np.int32))
        gapped = gapped or any(gap in block.text for gap in gaps)
        if pad is not None or len(seen.counts) == 1:
            codes.append(letters.encode(block.text, table))
    if pad is None and len(seen.counts) > 1:
        raise seen.refuse()
    all_lengths = np.concatenate(lengths)
    rows = codes.rows(all_lengths, max(seen.counts), pad) if seen.n else None
    named = np.concatenate(names) if names else None
    return _Encoded(rows, all_lengths, named, gapped and len(seen.counts) == 1)


def _has_letter(codes: npt.NDArray[np.uint8]) -> bool:
    """Tell whether any code is a letter."""
    step = max(1, (1 << 22) // max(1, codes.shape[1]))
    return any((codes[i : i + step] < UNKNOWN).any() for i in range(0, len(codes), step))
