"""Pairs of motifs, counted in all annotations at once or in one block after the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mutua.kernels.annotation_rows import SortedRows, sort_rows
from mutua.kernels.motif_pairs import (
    Incidence,
    PairTotals,
    incidence_of,
    pair_counts,
    pair_totals,
)
from mutua.models import Dataset
from mutua.models.annotations import Annotations
from mutua.models.dims import END, MOTIF, MOTIF_INDEX, SEQUENCE, SEQUENCE_INDEX, START
from mutua.settings import settings
from mutua.tl._annotation_blocks import are_chunked, over_blocks
from mutua.tl._motif_rows import motif_rows

__all__ = ["Counted", "PairCounter"]

_NAMES = (SEQUENCE_INDEX, START, END, MOTIF_INDEX)
_ROW_BYTES = 160
"""Bytes of a row while it is counted: as it is given, sorted, and by sequence and motif."""


class Counted(NamedTuple):
    """Pairs of some sequences.

    Attributes
    ----------
    counts
        (motif_a, motif_b) int64, as `mutua.kernels.motif_pairs.pair_counts` gives them.
    totals
        What their expected counts come from.
    """

    counts: NDArray[np.int64]
    totals: PairTotals


class PairCounter:
    """Counts pairs of motifs.

    Annotations in chunks are counted in blocks if their rows are in the order of the sequences;
    else they are read as a whole.

    Parameters
    ----------
    annotations
        With motifs.
    ordered, unique
        As for `mutua.kernels.motif_pairs.pair_counts`.
    """

    def __init__(self, annotations: Dataset[Annotations], *, ordered: bool, unique: bool) -> None:
        self.annotations = annotations
        self.ordered, self.unique = ordered, unique
        self._in_blocks = are_chunked(annotations, _NAMES)
        self._whole: tuple[SortedRows, Incidence] | None = None
        self.n_motifs = annotations.sizes[MOTIF]
        self.n_sequences = annotations.sizes[SEQUENCE]

    def whole(self) -> tuple[SortedRows, Incidence]:
        """Give all rows; they are read once."""
        if self._whole is None:
            rows = motif_rows(self.annotations)
            self._whole = rows, incidence_of(rows)
        return self._whole

    def count(self, first: int, stop: int) -> Counted:
        """Count the pairs of the motifs from `first` to before `stop` with all motifs."""
        how = _How(self.n_motifs, self.ordered, self.unique, first, stop)
        if self._in_blocks and self._whole is None:
            counted = _count_blocks(self.annotations, how)
            if counted is not None:
                return counted
            self._in_blocks = False
        return _counted(*self.whole(), how)


class _How(NamedTuple):
    """What is counted."""

    n_motifs: int
    ordered: bool
    unique: bool
    first: int
    stop: int


def _counted(rows: SortedRows, incidence: Incidence, how: _How) -> Counted:
    counts = pair_counts(
        rows, incidence, ordered=how.ordered, unique=how.unique, motifs=(how.first, how.stop)
    )
    return Counted(counts, pair_totals(rows, incidence))


class _Rows(NamedTuple):
    """Rows with motifs, in the order of their sequences."""

    sequence: NDArray[np.int32]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    motif: NDArray[np.int32]

    def part(self, rows: slice | NDArray[np.bool_]) -> _Rows:
        return _Rows(*(column[rows] for column in self))

    def pairs(self, how: _How) -> Counted:
        # Sequences are numbered anew, so that others cost nothing.
        steps = np.diff(self.sequence) != 0
        number = np.concatenate([[0], np.cumsum(steps)])[: len(self.sequence)]
        rows = sort_rows(
            number, self.start, self.end, self.motif, np.zeros(len(number), np.uint8),
            n_sequences=int(number[-1]) + 1 if len(number) else 0, n_motifs=how.n_motifs,
        )  # fmt: skip
        return _counted(rows, incidence_of(rows), how)


class _Block(NamedTuple):
    """What is known of a block of rows by itself.

    Attributes
    ----------
    head, tail
        The rows of its first sequence, and of its last one if that is another: both may go on
        beyond the block.
    counted
        The pairs of the sequences between; None where there are none.
    """

    head: _Rows
    counted: Counted | None
    tail: _Rows


def _count_block(
    sequence: np.ndarray, start: np.ndarray, end: np.ndarray, motif: np.ndarray, how: _How
) -> _Block | None:
    """Count the pairs of a block; None if its rows are not in the order of the sequences."""
    rows = _Rows(sequence, start, end, motif)
    if (motif < 0).any():
        rows = rows.part(motif >= 0)
    own = rows.sequence
    if (own[1:] < own[:-1]).any():
        return None
    begin = stop = len(own)
    if len(own):
        begin = int(np.searchsorted(own, own[0], "right"))
        stop = max(begin, int(np.searchsorted(own, own[-1], "left")))
    counted = rows.part(slice(begin, stop)).pairs(how) if stop > begin else None
    # Copies, for views would keep the whole block in memory.
    head, tail = (
        _Rows(*(column.copy() for column in rows.part(part)))
        for part in (slice(begin), slice(stop, None))
    )
    return _Block(head, counted, tail)


def _count_blocks(annotations: Dataset[Annotations], how: _How) -> Counted | None:
    """Count block by block; None if rows are not in the order of the sequences."""
    total = _Total(how)
    blocks = over_blocks(
        _count_block, annotations, _NAMES, row_bytes=_ROW_BYTES, shared=(how,), what="pairs"
    )
    for block in blocks:
        if block is None or not total.add(block):
            return None
    return total.all()


class _Total:
    """Adds up blocks; sequences that lie in several of them are counted here."""

    def __init__(self, how: _How) -> None:
        self.how = how
        self._sum = _Rows(*(np.zeros(0, np.int32) for _ in _Rows._fields)).pairs(how)
        self._between: list[_Rows] = []
        self._n_between = 0
        self._last = -1

    def add(self, block: _Block) -> bool:
        """Add the next block; tell whether it goes on in the order of the sequences."""
        if not len(block.head.sequence):
            return True
        first = int(block.head.sequence[0])
        if first < self._last:
            return False
        if first > self._last and self._n_between > settings.memory // _ROW_BYTES:
            self._count_between()
        for rows in (block.head, block.tail):
            if len(rows.sequence):
                self._between.append(rows)
                self._n_between += len(rows.sequence)
                self._last = int(rows.sequence[-1])
        if block.counted is not None:
            self._plus(block.counted)
        return True

    def all(self) -> Counted:
        """Give the sum of all blocks, once the last one was added."""
        self._count_between()
        return self._sum

    def _count_between(self) -> None:
        if self._between:
            columns = zip(*self._between, strict=True)
            self._plus(_Rows(*(np.concatenate(parts) for parts in columns)).pairs(self.how))
        self._between, self._n_between = [], 0

    def _plus(self, counted: Counted) -> None:
        self._sum.counts[:] += counted.counts
        self._sum = Counted(self._sum.counts, self._sum.totals.plus(counted.totals))
