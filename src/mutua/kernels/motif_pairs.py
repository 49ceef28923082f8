"""How often two motifs stand in the same sequences: exact counts of all pairs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.annotation_rows import SortedRows
from mutua.kernels.rows import over_rows

__all__ = [
    "Incidence",
    "PairTotals",
    "incidence_of",
    "pair_counts",
    "pair_totals",
    "sequences_with",
]

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Bits = NDArray[np.uint64]

_COUNT_NS = 0.7
_WORD_NS = 0.6  # of 64 sequences, once the words stand
_M1, _M2, _M4 = (np.uint64(mask) for mask in
                 (0x5555555555555555, 0x3333333333333333, 0x0F0F0F0F0F0F0F0F))  # fmt: skip
_ONES = np.uint64(0x0101010101010101)


class Incidence(NamedTuple):
    """Which motifs stand in which sequences, by sequence and by motif.

    Attributes
    ----------
    bounds
        (n_sequences + 1,) int64, where the entries of each sequence begin.
    motif
        (n_entries,) int32, ascending within a sequence.
    n_rows
        (n_entries,) int32, rows of the motif in the sequence.
    first, last
        (n_entries,) int64, start + end of the first and of the last of them.
    motif_entries
        (n_entries,) int64, the entries of each motif.
    motif_bounds
        (n_motifs + 1,) int64, where those of each motif begin.
    sequence
        (n_entries,) int32.
    """

    bounds: Longs
    motif: Ints
    n_rows: Ints
    first: Longs
    last: Longs
    motif_entries: Longs
    motif_bounds: Longs
    sequence: Ints

    @property
    def n_motifs(self) -> int:
        """Number of motifs."""
        return len(self.motif_bounds) - 1

    @property
    def n_sequences(self) -> int:
        """Number of sequences."""
        return len(self.bounds) - 1


class PairTotals(NamedTuple):
    """What the expected counts of pairs come from; those of other sequences are added to it.

    Attributes
    ----------
    n_with
        (n_motifs,) int64, sequences in which each motif stands.
    n_rows
        (n_motifs,) int64, rows of each motif.
    n_beside
        Over all rows, the other rows of their sequences.
    """

    n_with: Longs
    n_rows: Longs
    n_beside: int

    def plus(self, other: PairTotals) -> PairTotals:
        """Give the totals of the sequences of both."""
        return PairTotals(
            self.n_with + other.n_with,
            self.n_rows + other.n_rows,
            self.n_beside + other.n_beside,
        )


def pair_totals(rows: SortedRows, incidence: Incidence) -> PairTotals:
    """Give how often motifs and rows stand in sequences."""
    of_sequence = np.diff(rows.bounds)
    return PairTotals(
        sequences_with(incidence),
        np.diff(rows.motif_bounds),
        int((of_sequence * (of_sequence - 1)).sum()),
    )


def incidence_of(rows: SortedRows) -> Incidence:
    """Give which motifs stand in which sequences."""
    return Incidence(*_incidence(rows.bounds, rows.start, rows.end, rows.motif, rows.n_motifs))


def sequences_with(incidence: Incidence) -> Longs:
    """Give the number of sequences in which each motif stands."""
    return np.diff(incidence.motif_bounds)


def pair_counts(
    rows: SortedRows,
    incidence: Incidence,
    *,
    ordered: bool,
    unique: bool,
    motifs: tuple[int, int] | None = None,
    threads: bool = True,
) -> Longs:
    """Count the pairs of motifs that stand in the same sequences.

    Parameters
    ----------
    rows, incidence
        Annotations, and which motifs stand in which sequences.
    ordered
        Count only where the first motif stands to the left of the second: its middle is further
        left.
    unique
        Count sequences; else pairs of rows.
    motifs
        Count the pairs of the motifs from the first number to before the second; by default all.
    threads
        Use all threads, or only the calling one.

    Returns
    -------
    NDArray
        (motif_a, motif_b) int64; without order, 0 for motif_b before motif_a. Of a motif with
        itself: the sequences that have it twice or more, or its pairs of rows, each counted once.

    Examples
    --------
    >>> from mutua.kernels.annotation_rows import sort_rows
    >>> columns = [[0, 0, 0, 1], [0, 4, 8, 0], [3, 7, 9, 3], [0, 1, 0, 1], [0, 0, 0, 0]]
    >>> rows = sort_rows(*map(np.array, columns), n_sequences=2, n_motifs=2)
    >>> pair_counts(rows, incidence_of(rows), ordered=False, unique=False)
    array([[1, 2],
           [0, 0]])
    >>> pair_counts(rows, incidence_of(rows), ordered=True, unique=True)
    array([[1, 1],
           [1, 0]])
    """
    n = incidence.n_motifs
    first, stop = motifs or (0, n)
    counts = np.zeros((stop - first, n), np.int64)
    cost = _COUNT_NS * _sum_of_squares(incidence.bounds)
    kernel: Any = _count_entries
    arguments: tuple[Any, ...] = (incidence, ordered, unique)
    if ordered and not unique:
        cost = 2 * _COUNT_NS * _sum_of_squares(rows.bounds)
        kernel, arguments = _count_ordered_rows, (rows,)
    elif unique and not ordered:
        n_words = -(-incidence.n_sequences // 64)
        of_words = _WORD_NS * n_words * n * n / 2
        if of_words < cost and n * n_words <= 8 * len(incidence.motif) + 2**20:
            cost = of_words
            kernel, arguments = _count_words, (incidence, _words(incidence, n_words))
    arguments = (*arguments, first, counts)
    if threads:
        over_rows(kernel, stop - first, *arguments, row_cost=cost / max(n, 1))
    else:
        kernel(0, stop - first, *arguments)
    return counts


def _sum_of_squares(bounds: Longs) -> float:
    return float((np.diff(bounds).astype(np.float64) ** 2).sum())


@njit(cache=True, nogil=True)
def _incidence(
    bounds: Longs, start: Ints, end: Ints, motif: Ints, n_motifs: int
) -> tuple[Longs, Ints, Ints, Longs, Longs, Longs, Longs, Ints]:
    n_sequences = len(bounds) - 1
    place = np.full(n_motifs, -1, np.int64)
    of_sequence = np.zeros(n_sequences + 1, np.int64)
    for s in range(n_sequences):
        for i in range(bounds[s], bounds[s + 1]):
            if place[motif[i]] != s:
                place[motif[i]] = s
                of_sequence[s + 1] += 1
    of_sequence = np.cumsum(of_sequence)
    n = of_sequence[n_sequences]
    motifs, counts = np.empty(n, np.int32), np.zeros(n, np.int32)
    first, last = np.empty(n, np.int64), np.empty(n, np.int64)
    sequence = np.empty(n, np.int32)
    of_motif = np.zeros(n_motifs + 1, np.int64)
    seen = np.full(n_motifs, -1, np.int64)
    for s in range(n_sequences):
        found = of_sequence[s]
        for i in range(bounds[s], bounds[s + 1]):
            if seen[motif[i]] != s:
                seen[motif[i]] = s
                motifs[found] = motif[i]
                found += 1
        motifs[of_sequence[s] : found].sort()
        for e in range(of_sequence[s], found):
            place[motifs[e]] = e
            sequence[e] = s
            of_motif[motifs[e] + 1] += 1
        for i in range(bounds[s], bounds[s + 1]):
            e, middle = place[motif[i]], np.int64(start[i]) + np.int64(end[i])
            if counts[e] == 0:
                first[e] = middle
            counts[e] += 1
            last[e] = middle
    of_motif = np.cumsum(of_motif)
    entries = np.empty(n, np.int64)
    after = of_motif.copy()
    for e in range(n):
        entries[after[motifs[e]]] = e
        after[motifs[e]] += 1
    return of_sequence, motifs, counts, first, last, entries, of_motif, sequence


@njit(cache=True, nogil=True)
def _count_entries(
    start: int,
    stop: int,
    incidence: Incidence,
    ordered: bool,
    unique: bool,
    offset: int,
    counts: Longs,
) -> None:
    """Count the partners of some motifs, sequence by sequence; without order only later ones."""
    motif, n_rows, first, last = incidence.motif, incidence.n_rows, incidence.first, incidence.last
    for a in range(start + offset, stop + offset):
        row = counts[a - offset]
        for place in range(incidence.motif_bounds[a], incidence.motif_bounds[a + 1]):
            here = incidence.motif_entries[place]
            s = incidence.sequence[here]
            if ordered:
                for e in range(incidence.bounds[s], incidence.bounds[s + 1]):
                    row[motif[e]] += first[here] < last[e]
                continue
            own = np.int64(n_rows[here])
            row[a] += own > 1 if unique else own * (own - 1) // 2
            for e in range(here + 1, incidence.bounds[s + 1]):
                row[motif[e]] += 1 if unique else own * n_rows[e]


@njit(cache=True, nogil=True)
def _count_ordered_rows(
    start: int, stop: int, rows: SortedRows, offset: int, counts: Longs
) -> None:
    for a in range(start + offset, stop + offset):
        row = counts[a - offset]
        for place in range(rows.motif_bounds[a], rows.motif_bounds[a + 1]):
            i = rows.motif_rows[place]
            middle = np.int64(rows.start[i]) + rows.end[i]
            for j in range(i + 1, rows.bounds[rows.sequence[i] + 1]):
                row[rows.motif[j]] += np.int64(rows.start[j]) + rows.end[j] > middle


@njit(cache=True, nogil=True)
def _words(incidence: Incidence, n_words: int) -> Bits:
    """Give the sequences of each motif as bits."""
    words = np.zeros((len(incidence.motif_bounds) - 1, n_words), np.uint64)
    for a in range(len(words)):
        for place in range(incidence.motif_bounds[a], incidence.motif_bounds[a + 1]):
            s = np.uint64(incidence.sequence[incidence.motif_entries[place]])
            words[a, s >> np.uint64(6)] |= np.uint64(1) << (s & np.uint64(63))
    return words


@njit(cache=True, nogil=True)
def _count_words(
    start: int, stop: int, incidence: Incidence, words: Bits, offset: int, counts: Longs
) -> None:
    for a in range(start + offset, stop + offset):
        own, row = words[a], counts[a - offset]
        for b in range(a + 1, len(words)):
            other = words[b]
            both = np.uint64(0)
            for w in range(len(own)):
                both += _ones(own[w] & other[w])
            row[b] = both
        for place in range(incidence.motif_bounds[a], incidence.motif_bounds[a + 1]):
            row[a] += incidence.n_rows[incidence.motif_entries[place]] > 1


@njit(cache=True, nogil=True)
def _ones(word: np.uint64) -> np.uint64:
    """Count the bits that are set."""
    word -= (word >> np.uint64(1)) & _M1
    word = (word & _M2) + ((word >> np.uint64(2)) & _M2)
    word = (word + (word >> np.uint64(4))) & _M4
    return (word * _ONES) >> np.uint64(56)
