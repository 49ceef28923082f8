"""Joint counts of the k-mers at two positions: the compiled core of position mutual information.

The counts of a pair of positions are a histogram over (k-mer at j, k-mer at i). Three things make
it several times faster than one loop per pair:

- *Joined columns.* A few adjacent positions j are counted as one column, whose codes number the
  combinations that occur: overlapping k-mers at j and j + 1 are one (k+1)-mer. One increment then
  serves several pairs; summing the joined table over the other letters, which costs little
  beside counting, gives back the table of each pair.
- *Two positions i at a time*, each with a histogram of its own, so that the joined column is read
  once and increments of the same bin, which wait for each other, are further apart.
- *16-bit bins* that stay in the first-level cache, emptied before they can overflow.

Letters may be missing: a missing k-mer is one code more, whose row and column are left out when
the joined table is taken apart (pairwise deletion). Where tables would be larger than the data,
sequences are sorted by the k-mer at j instead and no table exists.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Columns", "Scratch", "count_directly", "count_joined", "join_columns", "sort_column"]

CHUNK = 65_535  # sequences counted before 16-bit bins are emptied
JOINED_CELLS = 2**15  # cells of a joined table: the part in use fits the first-level cache
JOINED_CODES = 512
SEQUENCES_PER_CODE = 32  # fewer, and taking a joined table apart costs more than it saves
TABLE_CELLS = 2**18  # cells of a table at most; beyond, counting is by sorting
MAX_JOINED = 8


class Columns(NamedTuple):
    """K-mer columns as the kernels take them.

    Attributes
    ----------
    codes
        (n_positions, n_sequences) unsigned; at position i ``0 .. sizes[i] - 1`` are k-mers and
        ``sizes[i]`` is missing.
    sizes
        (n_positions,) int64, number of k-mer codes.
    complete
        (n_positions,) bool, whether no k-mer is missing.
    weights
        (n_sequences,) int64 in fixed point, or (0,) where every sequence counts 1.
    """

    codes: NDArray[Any]
    sizes: NDArray[np.int64]
    complete: NDArray[np.bool_]
    weights: NDArray[np.int64]


class Scratch(NamedTuple):
    """Working arrays of one call, emptied by whoever filled them.

    Attributes
    ----------
    joined
        (n_sequences,) unsigned, the joined column.
    parts
        (n_codes, MAX_JOINED) int64, the code of every member in a joined code.
    bins
        (2, n_cells) uint16, or int64 with weights: the histograms of two pairs.
    lookup
        (n_combinations,) int32, numbering of the combinations of two columns.
    """

    joined: NDArray[Any]
    parts: NDArray[np.int64]
    bins: NDArray[Any]
    lookup: NDArray[np.int32]


@njit(nogil=True, cache=True)
def join_columns(
    columns: Columns, first: int, stop: int, letters: int, max_codes: int, scratch: Scratch
) -> tuple[int, int]:
    """Join as many columns from `first` to before `stop` as `max_codes` codes allow.

    Parameters
    ----------
    letters
        Number of k-mers that can follow a k-mer one position on.

    Returns
    -------
    tuple
        The number of columns joined (at least 1) and the number of codes.
    """
    joined, parts, lookup = scratch.joined, scratch.parts, scratch.lookup
    n_sequences = columns.codes.shape[1]
    joined[:] = columns.codes[first]
    n_codes = columns.sizes[first] + (not columns.complete[first])
    for code in range(n_codes):
        parts[code, 0] = code
    n_joined = 1
    while first + n_joined < stop:
        column = columns.codes[first + n_joined]
        size = columns.sizes[first + n_joined]
        side = size + (not columns.complete[first + n_joined])
        n_combinations = n_codes * side
        if n_codes * min(size, letters) > max_codes or n_combinations > len(lookup):
            break
        lookup[:n_combinations] = 0
        width = np.uint64(side)
        for s in range(n_sequences):
            lookup[np.uint64(joined[s]) * width + np.uint64(column[s])] = 1
        if lookup[:n_combinations].sum() > max_codes:
            break
        before = parts[:n_codes].copy()
        n_codes = 0
        for combination in range(n_combinations):
            if lookup[combination]:
                lookup[combination] = n_codes
                parts[n_codes] = before[combination // side]
                parts[n_codes, n_joined] = combination % side
                n_codes += 1
        for s in range(n_sequences):
            joined[s] = lookup[np.uint64(joined[s]) * width + np.uint64(column[s])]
        n_joined += 1
    return n_joined, n_codes


@njit(nogil=True, cache=True)
def count_joined(
    columns: Columns,
    scratch: Scratch,
    j: int,
    n_joined: int,
    n_codes: int,
    positions: tuple[int, int],
    stride: int,
    width: int,
    slots: NDArray[np.int64],
    tables: NDArray[Any],
) -> None:
    """Add the counts of two positions i with the joined columns ``j .. j + n_joined - 1``.

    Parameters
    ----------
    positions
        The two positions i; the same one twice to count just one.
    stride
        Cells per row of the joined table, at least the number of codes at either position.
    width
        Cells per row of `tables`.
    slots
        (2, MAX_JOINED) int64, row of `tables` for every pair; -1 for a pair not wanted.
    tables
        (n_slots, n_cells) unsigned or int64, counts by (k-mer at j, k-mer at i).
    """
    n_sequences = columns.codes.shape[1]
    n_positions = 1 if positions[0] == positions[1] else 2
    for start in range(0, n_sequences, CHUNK):
        stop = min(start + CHUNK, n_sequences)
        rows = scratch.joined[start:stop]
        first = columns.codes[positions[0], start:stop]
        second = columns.codes[positions[1], start:stop]
        weights = columns.weights[start:stop]
        if n_positions == 1:
            _count_one(rows, first, weights, stride, scratch.bins[0])
        else:
            _count_two(rows, first, second, weights, stride, scratch.bins[0], scratch.bins[1])
        for which in range(n_positions):
            bins = scratch.bins[which, : n_codes * stride]
            for member in range(n_joined):
                if slots[which, member] >= 0:
                    _take_apart(
                        bins,
                        stride,
                        scratch.parts,
                        n_codes,
                        member,
                        columns.sizes[j + member],
                        columns.sizes[positions[which]],
                        tables[slots[which, member]],
                        width,
                    )
            bins[:] = 0


# Indices below are unsigned: numba then leaves out the test for negative indices, which would
# otherwise cost as much as the increment itself.


@njit(nogil=True, cache=True)
def _count_one(
    rows: NDArray[Any],
    column: NDArray[Any],
    weights: NDArray[np.int64],
    stride: int,
    bins: NDArray[Any],
) -> None:
    step = np.uint64(stride)
    if len(weights) > 0:
        for s in range(len(rows)):
            bins[np.uint64(rows[s]) * step + np.uint64(column[s])] += weights[s]
    else:
        for s in range(len(rows)):
            bins[np.uint64(rows[s]) * step + np.uint64(column[s])] += np.uint16(1)


@njit(nogil=True, cache=True)
def _count_two(
    rows: NDArray[Any],
    first: NDArray[Any],
    second: NDArray[Any],
    weights: NDArray[np.int64],
    stride: int,
    first_bins: NDArray[Any],
    second_bins: NDArray[Any],
) -> None:
    step = np.uint64(stride)
    if len(weights) > 0:
        for s in range(len(rows)):
            row = np.uint64(rows[s]) * step
            first_bins[row + np.uint64(first[s])] += weights[s]
            second_bins[row + np.uint64(second[s])] += weights[s]
    else:
        for s in range(len(rows)):
            row = np.uint64(rows[s]) * step
            first_bins[row + np.uint64(first[s])] += np.uint16(1)
            second_bins[row + np.uint64(second[s])] += np.uint16(1)


@njit(nogil=True, cache=True)
def _take_apart(
    bins: NDArray[Any],
    stride: int,
    parts: NDArray[np.int64],
    n_codes: int,
    member: int,
    n_rows: int,
    n_columns: int,
    table: NDArray[Any],
    width: int,
) -> None:
    """Add a joined table to the table of one of its members, less what is missing."""
    for code in range(np.uint64(n_codes)):
        row = np.uint64(parts[code, member])
        if row < np.uint64(n_rows):
            source = code * np.uint64(stride)
            target = row * np.uint64(width)
            for x in range(np.uint64(n_columns)):
                table[target + x] += bins[source + x]


@njit(nogil=True, cache=True)
def count_directly(columns: Columns, i: int, j: int, table: NDArray[Any], width: int) -> None:
    """Add the counts of one pair to its table, without a histogram in between."""
    weighted = len(columns.weights) > 0
    for s in range(columns.codes.shape[1]):
        x = np.uint64(columns.codes[i, s])
        y = np.uint64(columns.codes[j, s])
        if x < np.uint64(columns.sizes[i]) and y < np.uint64(columns.sizes[j]):
            table[y * np.uint64(width) + x] += columns.weights[s] if weighted else 1


@njit(nogil=True, cache=True)
def sort_column(column: NDArray[Any], n_codes: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Order the sequences by their code in a column (a stable counting sort).

    Returns
    -------
    tuple
        The sequences in order, (n_sequences,), and where each code starts, (n_codes + 1,).
    """
    starts = np.zeros(n_codes + 1, np.int64)
    for s in range(len(column)):
        starts[column[s] + 1] += 1
    starts = np.cumsum(starts)
    place = starts.copy()
    order = np.empty(len(column), np.uint32)
    for s in range(len(column)):
        order[place[column[s]]] = s
        place[column[s]] += 1
    return order, starts
