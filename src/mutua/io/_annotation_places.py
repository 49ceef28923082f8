"""Where in a sequence set spans lie that are told by names of sequences or by a genome."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from mutua.errors import InvalidInput
from mutua.models import Dataset, SequenceSet
from mutua.models.alphabets import PADDING
from mutua.models.dims import CODES, END, POSITION, SEQUENCE, SEQUENCE_ID, START

__all__ = ["Places", "locate", "texts", "within"]

Ints = npt.NDArray[np.int64]
_SHOWN = 3


class Places(NamedTuple):
    """Spans in sequences: which of those given each is, and where it lies.

    Attributes
    ----------
    span
        Number of the span that was given, which may lie in several sequences or in none.
    sequence
        Number of the sequence.
    start, end
        0-based half-open columns.
    turned
        Whether the sequence is the other strand of what the span was given on.
    """

    span: Ints
    sequence: Ints
    start: Ints
    end: Ints
    turned: npt.NDArray[np.bool_]


def texts(values: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
    """Give strings of any type as those of fixed width, which numpy can compare and search."""
    return np.array([str(value) for value in values.tolist()], dtype=np.str_)


def locate(
    names: list[str],
    start: Ints,
    end: Ints,
    sequences: Dataset[SequenceSet],
    *,
    coordinates: str | None,
    outside: str,
    argument: str,
) -> Places:
    """Find spans in sequences.

    Parameters
    ----------
    names
        One for each span: the name of a sequence, its number as text where sequences have no
        names, or a chromosome.
    start, end
        0-based half-open.
    sequences
        The set.
    coordinates
        ``"sequence"`` or ``"genome"``; None to tell by the names.
    outside
        What to do with spans that no sequence holds: ``"error"``, ``"drop"`` or ``"clip"``.
    argument
        Name to use in errors.

    Raises
    ------
    InvalidInput
        If names are unknown or ambiguous, spans are empty, or lie outside and that is an error.
    """
    _refuse_empty(names, start, end, argument)
    inverse, distinct = pd.factorize(np.array(names, dtype=object))
    distinct = texts(distinct)
    if coordinates is None:
        coordinates = _told_by(distinct, sequences, argument)
    if coordinates == "genome":
        missing = [name for name in ("chrom", START, END) if name not in sequences.coords]
        if missing:
            remedy = "read them with mutua.read_regions, or use coordinates='sequence'"
            raise InvalidInput("sequences", f"no coordinate {missing}", remedy)
        return _on_genome(distinct, inverse, start, end, sequences, outside, argument)
    rows = _rows(distinct, sequences, argument, outside)[inverse]
    return within(rows, start, end, sequences, outside=outside, argument=argument)


def within(
    rows: Ints,
    start: Ints,
    end: Ints,
    sequences: Dataset[SequenceSet],
    *,
    outside: str,
    argument: str,
) -> Places:
    """Give spans in columns of sequences whose numbers are known; -1 for none."""
    n, length = sequences.sizes[SEQUENCE], sequences.sizes[POSITION]
    known = (rows >= 0) & (rows < n)
    inside = known & (start >= 0) & (end <= length)
    if outside == "error" and not inside.all():
        bad = int(np.argmin(inside))
        where = (
            f"in sequence {rows[bad]} of {length} letters" if known[bad]
            else f"in sequence {rows[bad]}, and there are {n:,}"
        )  # fmt: skip
        raise _outside(bad, start, end, where, int((~inside).sum()), argument)
    if outside == "clip":
        start, end = start.clip(0), end.clip(max=length)
        inside = known & (start < end)
    kept = np.flatnonzero(inside)
    return Places(kept, rows[kept], start[kept], end[kept], np.zeros(len(kept), bool))


def _refuse_empty(names: list[str], start: Ints, end: Ints, argument: str) -> None:
    empty = end <= start
    if empty.any():
        bad = int(np.argmax(empty))
        found = f"row {bad}, {names[bad]} from {start[bad]} to {end[bad]} (0-based), is empty"
        raise InvalidInput(argument, found, "use start < end")


def _outside(
    bad: int, start: Ints, end: Ints, where: str, count: int, argument: str
) -> InvalidInput:
    more = f", as do {count - 1:,} more" if count > 1 else ""
    found = f"row {bad}, {start[bad]} to {end[bad]} {where}, lies outside{more}"
    return InvalidInput(argument, found, "use outside='drop' or 'clip', or other sequences")


def _told_by(names: npt.NDArray[Any], sequences: Dataset[SequenceSet], argument: str) -> str:
    """Tell whether spans are told by sequences or by a genome."""
    if "chrom" not in sequences.coords or not len(names):
        return "sequence"
    named = SEQUENCE_ID in sequences.coords
    as_ids = named and np.isin(names, texts(sequences[SEQUENCE_ID].values)).all()
    as_chrom = np.isin(names, texts(sequences["chrom"].values)).any()
    if as_ids and as_chrom:
        found = f"{names[0]!r} is a sequence and a chromosome"
        raise InvalidInput(argument, found, "use coordinates='sequence' or 'genome'")
    return "genome" if as_chrom or not as_ids else "sequence"


def _rows(
    names: npt.NDArray[Any], sequences: Dataset[SequenceSet], argument: str, outside: str
) -> Ints:
    """Give the number of the sequence of each name, -1 where an unknown one is to be left out."""
    n = sequences.sizes[SEQUENCE]
    if SEQUENCE_ID in sequences.coords:
        ids = texts(sequences[SEQUENCE_ID].values)
        order = np.argsort(ids, kind="stable")
        first, last = (
            np.searchsorted(ids, names, side, sorter=order) for side in ("left", "right")
        )
        count = np.asarray(last - first)
        if (count > 1).any():
            found = f"{count.max()} sequences are called {str(names[np.argmax(count > 1)])!r}"
            raise InvalidInput("sequences", found, "give each its own sequence_id")
        rows = np.where(count == 1, order[np.minimum(first, max(n - 1, 0))] if n else -1, -1)
    else:
        whole = np.array([name.isascii() and name.isdigit() for name in names.tolist()], bool)
        rows = np.full(len(names), -1)
        rows[whole] = [int(name) for name in names[whole].tolist()]
        rows[rows >= n] = -1
    if outside == "error" and (rows < 0).any():
        unknown = [str(name) for name in names[rows < 0][:_SHOWN]]
        remedy = "use their sequence_id" if SEQUENCE_ID in sequences.coords else (
            "number them from 0, or give the sequences a sequence_id")  # fmt: skip
        raise InvalidInput(argument, f"there are no sequences {unknown}", remedy)
    return rows.astype(np.int64)


def _on_genome(
    names: npt.NDArray[Any],
    inverse: Ints,
    start: Ints,
    end: Ints,
    sequences: Dataset[SequenceSet],
    outside: str,
    argument: str,
) -> Places:
    """Give the places of spans in all sequences that hold them."""
    chrom = texts(sequences["chrom"].values)
    first, stop = (sequences[name].values.astype(np.int64) for name in (START, END))
    nothing = np.empty(0, np.int64)
    found = [(nothing, nothing)] + [
        pair
        for i, name in enumerate(names)
        for pair in _overlapping(
            np.flatnonzero(inverse == i), start, end, np.flatnonzero(chrom == name), first, stop
        )
    ]
    spans, rows = (np.concatenate(part) for part in zip(*found, strict=True))
    covered = (start[spans] >= first[rows]) & (end[spans] <= stop[rows])
    if outside == "error":
        held = np.zeros(len(start), bool)
        held[spans[covered]] = True
        if not held.all():
            bad = int(np.argmin(held))
            where = f"on {names[inverse[bad]]}, which no sequence holds whole"
            raise _outside(bad, start, end, where, int((~held).sum()), argument)
    if outside != "clip":
        spans, rows = spans[covered], rows[covered]
    order = np.lexsort((rows, spans))
    spans, rows = spans[order], rows[order]
    low = np.maximum(start[spans], first[rows])
    high = np.minimum(end[spans], stop[rows])
    strand = texts(sequences["strand"].values) if "strand" in sequences.coords else None
    minus = np.zeros(len(rows), bool) if strand is None else strand[rows] == "-"
    lead = _leading(sequences, np.unique(rows), stop - first)[rows]
    left = np.where(minus, stop[rows] - high, low - first[rows]) + lead
    return Places(spans, rows, left, left + high - low, minus)


def _overlapping(
    spans: Ints, start: Ints, end: Ints, regions: Ints, first: Ints, stop: Ints
) -> Iterator[tuple[Ints, Ints]]:
    """Yield spans and the regions that they overlap, of one chromosome."""
    if not len(regions) or not len(spans):
        return
    regions = regions[np.argsort(first[regions], kind="stable")]
    widest = int((stop[regions] - first[regions]).max())
    low = np.searchsorted(first[regions], start[spans] - widest, side="right")
    high = np.searchsorted(first[regions], end[spans], side="left")
    count = np.maximum(high - low, 0)
    pair = np.repeat(np.arange(len(spans)), count)
    within_span = np.arange(len(pair)) - np.repeat(count.cumsum() - count, count)
    found, region = spans[pair], regions[low[pair] + within_span]
    kept = stop[region] > start[found]
    yield found[kept], region[kept]


def _leading(sequences: Dataset[SequenceSet], rows: Ints, sizes: Ints) -> Ints:
    """Give how many columns of padding stand before the letters of each sequence."""
    lead = np.zeros(sequences.sizes[SEQUENCE], np.int64)
    length = sequences.sizes[POSITION]
    padded = rows[sizes[rows] < length]
    if len(padded):
        codes: xr.DataArray = sequences[CODES].isel({SEQUENCE: padded})
        lead[padded] = (np.asarray(codes.values) != PADDING).argmax(axis=1)
    if (sizes[rows] > length).any():
        bad = int(rows[np.argmax(sizes[rows] > length)])
        found = f"sequence {bad} has {length} letters, and its region {sizes[bad]}"
        raise InvalidInput("sequences", found, "correct their start and end")
    return lead
