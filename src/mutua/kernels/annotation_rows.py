"""Annotations in the order in which they stand in their sequences."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.rows import over_rows

__all__ = ["SortedRows", "first_overlap", "sort_rows"]

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]

_INSERTION = 48  # rows of a sequence that are sorted in place
_ROW_COST = 40  # nanoseconds, roughly


class SortedRows(NamedTuple):
    """Annotations by sequence, and there by their middle, motif and strand.

    The order by the middle is reversed exactly when the other strand is read, which that by the
    start is not where one annotation holds another.

    Attributes
    ----------
    start, end
        (n_rows,) int32, half-open.
    motif
        (n_rows,) int32.
    reverse
        (n_rows,) uint8, 1 on the reverse strand.
    sequence
        (n_rows,) int32.
    bounds
        (n_sequences + 1,) int64, where the rows of each sequence begin.
    motif_rows
        (n_rows,) int64, the rows of each motif in their order.
    motif_bounds
        (n_motifs + 1,) int64, where those of each motif begin.
    """

    start: Ints
    end: Ints
    motif: Ints
    reverse: NDArray[np.uint8]
    sequence: Ints
    bounds: Longs
    motif_rows: Longs
    motif_bounds: Longs

    @property
    def n_motifs(self) -> int:
        """Number of motifs."""
        return len(self.motif_bounds) - 1

    @property
    def n_sequences(self) -> int:
        """Number of sequences."""
        return len(self.bounds) - 1

    def with_motifs(self, motif: Ints) -> SortedRows:
        """Give the same places with other motifs."""
        rows, bounds = _by_number(motif, self.n_motifs)
        return self._replace(motif=motif, motif_rows=rows, motif_bounds=bounds)


def sort_rows(
    sequence: NDArray[Any],
    start: NDArray[Any],
    end: NDArray[Any],
    motif: NDArray[Any],
    reverse: NDArray[Any],
    *,
    n_sequences: int,
    n_motifs: int,
) -> SortedRows:
    """Sort annotations, without those of no motif (-1).

    Examples
    --------
    >>> columns = [[1, 0, 1], [7, 2, 0], [9, 6, 4], [0, 1, 1], [0, 1, 0]]
    >>> rows = sort_rows(*map(np.array, columns), n_sequences=2, n_motifs=2)
    >>> rows.start, rows.bounds, rows.motif_rows
    (array([2, 0, 7], dtype=int32), array([0, 1, 3]), array([2, 0, 1]))
    """
    sequence, start, end, motif = (
        np.ascontiguousarray(column, np.int32) for column in (sequence, start, end, motif)
    )
    reverse = np.ascontiguousarray(reverse, np.uint8)
    order, bounds = _by_number(np.where(motif < 0, -1, sequence), n_sequences)
    over_rows(
        _sort_sequences, n_sequences, bounds, start, end, motif, reverse, order,
        row_cost=_ROW_COST * len(order) / max(n_sequences, 1),
    )  # fmt: skip
    kept = motif[order]
    return SortedRows(
        start[order], end[order], kept, reverse[order], sequence[order], bounds,
        *_by_number(kept, n_motifs),
    )  # fmt: skip


def first_overlap(rows: SortedRows) -> tuple[int, int] | None:
    """Give two rows that overlap, or None where none do."""
    one, other = _first_overlap(rows.bounds, rows.start, rows.end)
    return None if one < 0 else (one, other)


@njit(cache=True, nogil=True)
def _by_number(numbers: Ints, n: int) -> tuple[Longs, Longs]:
    """Order rows by a number, leaving out those below 0, and give where each number begins."""
    bounds = np.zeros(n + 1, np.int64)
    for i in range(len(numbers)):
        if numbers[i] >= 0:
            bounds[numbers[i] + 1] += 1
    bounds = np.cumsum(bounds)
    place = bounds.copy()
    order = np.empty(bounds[n], np.int64)
    for i in range(len(numbers)):
        if numbers[i] >= 0:
            order[place[numbers[i]]] = i
            place[numbers[i]] += 1
    return order, bounds


@njit(cache=True, nogil=True)
def _sort_sequences(
    first: int,
    stop: int,
    bounds: Longs,
    start: Ints,
    end: Ints,
    motif: Ints,
    reverse: NDArray[np.uint8],
    order: Longs,
) -> None:
    """Sort the rows of some sequences by middle, motif and strand, as one number of 64 bits."""
    most = 0
    for s in range(first, stop):
        most = max(most, bounds[s + 1] - bounds[s])
    keys = np.empty(most, np.uint64)
    for s in range(first, stop):
        rows = order[bounds[s] : bounds[s + 1]]
        ascending = True
        for i in range(len(rows)):
            row = rows[i]
            middle = np.uint64(np.int64(start[row]) + np.int64(end[row]))
            of_motif = np.uint64(2 * np.int64(motif[row]) + np.int64(reverse[row]))
            keys[i] = (middle << np.uint64(32)) | of_motif
            ascending = ascending and (i == 0 or keys[i] >= keys[i - 1])
        if ascending:
            continue
        if len(rows) > _INSERTION:
            rows[:] = rows[np.argsort(keys[: len(rows)], kind="mergesort")]
            continue
        for i in range(1, len(rows)):
            row, key, j = rows[i], keys[i], i
            while j > 0 and keys[j - 1] > key:
                rows[j], keys[j] = rows[j - 1], keys[j - 1]
                j -= 1
            rows[j], keys[j] = row, key


@njit(cache=True, nogil=True)
def _first_overlap(bounds: Longs, start: Ints, end: Ints) -> tuple[int, int]:
    for s in range(len(bounds) - 1):
        furthest = bounds[s]
        for i in range(bounds[s] + 1, bounds[s + 1]):
            if start[i] < end[furthest]:
                return furthest, i
            if end[i] > end[furthest]:
                furthest = i
    return -1, -1
