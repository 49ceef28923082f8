"""From joint counts to the entropies of every pair of positions.

Two compiled drivers share all counting and all arithmetic, so that they give the same bits:
`pair_statistics` counts a pair and summarises it at once, with all columns in memory, and
`add_pair_counts` with `table_statistics` add up tables over blocks of sequences first.

Pairs (i, j), i + k <= j, are numbered with j as the slow index: see `pair_number`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.entropy import smoothed_entropy, sum_terms
from mutua.kernels.pair_counts import (
    MAX_JOINED,
    Columns,
    Scratch,
    count_directly,
    count_joined,
    join_columns,
    sort_column,
)

__all__ = [
    "FIELDS",
    "Complement",
    "Marginals",
    "Smoothing",
    "add_pair_counts",
    "marginal_statistics",
    "n_pairs",
    "pair_number",
    "pair_statistics",
    "row_cells",
    "table_statistics",
]

# Rows of a statistics array.
FIELDS = (
    "mi",
    "entropy_i",
    "entropy_j",
    "entropy_joint",
    "weight",
    "support_i",
    "support_j",
    "support_joint",
)
MI, ENTROPY_I, ENTROPY_J, ENTROPY_JOINT, WEIGHT, SUPPORT_I, SUPPORT_J, SUPPORT_JOINT = range(8)


class Smoothing(NamedTuple):
    """How counts become probabilities and entropies.

    Attributes
    ----------
    pseudocount
        Multiplier c: the pseudocounts of a table add up to c times its counts.
    n_kmers
        Number of k-mers, ``alphabet_size ** k``.
    unit
        Weight that one unit of the counts stands for; 1 without weights.
    scale
        Fixed-point scale of the sums of terms, see `mutua.kernels.entropy`.
    """

    pseudocount: float
    n_kmers: float
    unit: float
    scale: float


class Marginals(NamedTuple):
    """Each position on its own, over the sequences whose k-mer is known there.

    Attributes
    ----------
    entropy
        (n_positions,) float64, bits.
    support
        (n_positions,) int64, number of different k-mers seen.
    total
        (n_positions,) int64, sum of the counts.
    """

    entropy: NDArray[np.float64]
    support: NDArray[np.int64]
    total: NDArray[np.int64]


class Complement(NamedTuple):
    """What is known of a pool of sequences, some of which are counted.

    The others need no counting: their counts are those of the pool less those of the counted.

    Attributes
    ----------
    pooled
        (n_pairs, n_cells) counts of the whole pool, laid out as a joined table of the counted
        sequences is; (0, 0) where only the counted ones are asked for.
    marginals, smoothing
        Of the others.
    terms
        As for `pair_statistics`, of the others.
    """

    pooled: NDArray[Any]
    marginals: Marginals
    smoothing: Smoothing
    terms: NDArray[np.int64]


@njit(nogil=True, cache=True)
def pair_number(i: int, j: int, k: int) -> int:
    """Give the number of the pair (i, j): pairs with a smaller j come first, then by i."""
    return (j - k) * (j - k + 1) // 2 + i


def n_pairs(n_positions: int, k: int) -> int:
    """Give the number of pairs of non-overlapping k-mers among `n_positions` k-mer positions."""
    return (n_positions - k) * (n_positions - k + 1) // 2


@njit(nogil=True, cache=True)
def marginal_statistics(
    counts: NDArray[np.int64], smoothing: Smoothing, marginals: Marginals
) -> None:
    """Fill `marginals` from the counts (n_positions, n_codes) of the k-mers at each position."""
    for i in range(counts.shape[0]):
        marginals.total[i] = counts[i].sum()
        marginals.entropy[i], marginals.support[i] = _marginal_entropy(
            counts[i], marginals.total[i], smoothing
        )


@njit(nogil=True, cache=True)
def _marginal_entropy(
    counts: NDArray[np.int64], total: np.int64, smoothing: Smoothing
) -> tuple[float, np.int64]:
    """Give the entropy and the support of one position."""
    weight = total * smoothing.unit
    added = smoothing.pseudocount * weight / smoothing.n_kmers
    no_terms = np.empty(0, np.int64)
    entropy, support = sum_terms(counts, no_terms, added, smoothing.unit, smoothing.scale)
    bits = smoothed_entropy(
        entropy, weight, smoothing.pseudocount, smoothing.n_kmers, smoothing.scale
    )
    return bits, support


@njit(nogil=True, cache=True)
def pair_statistics(
    columns: Columns,
    marginals: Marginals,
    smoothing: Smoothing,
    k: int,
    letters: int,
    n_together: int,
    most_codes: int,
    scratch: Scratch,
    tables: NDArray[Any],
    terms: NDArray[np.int64],
    complement: Complement,
    first: int,
    step: int,
    statistics: NDArray[np.float64],
) -> None:
    """Count and summarise every `step`-th group of positions j with all positions i before it.

    Parameters
    ----------
    letters
        Number of k-mers that can follow a k-mer one position on.
    n_together
        Number of adjacent positions j in a group, all joined if that takes no more than
        `most_codes` codes.
    tables
        (2 * n_together, n_cells) uint32, or int64 with weights; zeros, and zeros again after.
    terms
        (n_terms,) int64, the terms of the smallest counts where all pairs share them, or (0,).
    complement
        The pool that the sequences are part of. With one, every pair must fit into a table.
    statistics
        (len(FIELDS), n_pairs) float64, filled; or (1, n_pairs) for the mutual information only;
        or (2, n_pairs) for that of the counted sequences and that of the others in the pool.
    """
    n_fields = 1 if len(complement.pooled) > 0 else len(statistics)
    n_positions = columns.codes.shape[0]
    stride = row_cells(columns.sizes, columns.complete)
    n_cells = scratch.bins.shape[1]
    slots = np.empty((2, MAX_JOINED), np.int64)
    n_groups = (n_positions - k + n_together - 1) // n_together
    for group in range(n_groups - 1 - first, -1, -step):
        j = k + group * n_together
        stop = min(j + n_together, n_positions)
        while j < stop:
            n_joined, n_codes = join_columns(columns, j, stop, letters, most_codes, scratch)
            if n_codes * stride > n_cells:
                _sorted_statistics(columns, marginals, smoothing, k, j, terms, statistics)
                j += 1
                continue
            n_before = j + n_joined - k
            for i in range(0, n_before, 2):
                positions = (i, min(i + 1, n_before - 1))
                for which in range(2):
                    for member in range(n_joined):
                        wanted = positions[which] <= j + member - k
                        slots[which, member] = which * n_together + member if wanted else -1
                count_joined(
                    columns, scratch, j, n_joined, n_codes, positions, stride, stride, slots, tables
                )
                for which in range(1 if positions[0] == positions[1] else 2):
                    for member in range(n_joined):
                        if slots[which, member] < 0:
                            continue
                        pair = pair_number(positions[which], j + member, k)
                        table = tables[slots[which, member]][: columns.sizes[j + member] * stride]
                        _summarise_table(
                            table,
                            stride,
                            positions[which],
                            j + member,
                            columns,
                            marginals,
                            smoothing,
                            terms,
                            statistics[:n_fields, pair],
                        )
                        if len(complement.pooled) > 0:
                            pooled = complement.pooled[pair]
                            for cell in range(np.uint64(len(table))):
                                table[cell] = pooled[cell] - table[cell]
                            _summarise_table(
                                table,
                                stride,
                                positions[which],
                                j + member,
                                columns,
                                complement.marginals,
                                complement.smoothing,
                                complement.terms,
                                statistics[1:, pair],
                            )
                        table[:] = 0
            j += n_joined


@njit(nogil=True, cache=True)
def row_cells(sizes: NDArray[np.int64], complete: NDArray[np.bool_]) -> int:
    """Give the cells per row of a joined table: the most codes at a position, in full vectors."""
    return int(np.max(sizes + ~complete) + 15) // 16 * 16


@njit(nogil=True, cache=True)
def _summarise(
    counts: NDArray[Any],
    at_i: NDArray[np.int64],
    at_j: NDArray[np.int64],
    i: int,
    j: int,
    columns: Columns,
    marginals: Marginals,
    smoothing: Smoothing,
    terms: NDArray[np.int64],
    result: NDArray[np.float64],
) -> None:
    """Write the statistics of one pair.

    Parameters
    ----------
    counts
        (n_cells,) joint counts, any order, empty bins optional.
    at_i, at_j
        Counts of the k-mers at i and at j within the pair; not looked at if both are complete.
    terms
        (n_terms,) the terms of the smallest counts, or (0,); see `sum_terms`.
    """
    complete = columns.complete[i] and columns.complete[j]
    total = marginals.total[i] if complete else np.int64(counts.sum())
    weight = total * smoothing.unit
    n_bins = smoothing.n_kmers**2
    added = smoothing.pseudocount * weight / n_bins
    entropy, support = sum_terms(counts, terms, added, smoothing.unit, smoothing.scale)
    joint = smoothed_entropy(entropy, weight, smoothing.pseudocount, n_bins, smoothing.scale)
    if complete:
        entropy_i, support_i = marginals.entropy[i], marginals.support[i]
        entropy_j, support_j = marginals.entropy[j], marginals.support[j]
    else:
        entropy_i, support_i = _marginal_entropy(at_i, total, smoothing)
        entropy_j, support_j = _marginal_entropy(at_j, total, smoothing)
    result[MI] = entropy_i + entropy_j - joint
    if len(result) == 1:
        return
    result[ENTROPY_I] = entropy_i
    result[ENTROPY_J] = entropy_j
    result[ENTROPY_JOINT] = joint
    result[WEIGHT] = weight
    result[SUPPORT_I] = support_i
    result[SUPPORT_J] = support_j
    result[SUPPORT_JOINT] = support


@njit(nogil=True, cache=True)
def _summarise_table(
    table: NDArray[Any],
    width: int,
    i: int,
    j: int,
    columns: Columns,
    marginals: Marginals,
    smoothing: Smoothing,
    terms: NDArray[np.int64],
    result: NDArray[np.float64],
) -> None:
    """Summarise the counts (k-mer at j, k-mer at i) of one pair, in rows of `width` cells."""
    at_i = np.zeros(columns.sizes[i], np.int64)
    at_j = np.zeros(columns.sizes[j], np.int64)
    if not (columns.complete[i] and columns.complete[j]):
        for y in range(np.uint64(len(at_j))):
            row = y * np.uint64(width)
            for x in range(np.uint64(len(at_i))):
                at_i[x] += table[row + x]
                at_j[y] += table[row + x]
    _summarise(table, at_i, at_j, i, j, columns, marginals, smoothing, terms, result)


@njit(nogil=True, cache=True)
def _sorted_statistics(
    columns: Columns,
    marginals: Marginals,
    smoothing: Smoothing,
    k: int,
    j: int,
    terms: NDArray[np.int64],
    statistics: NDArray[np.float64],
) -> None:
    """Summarise position j with every i before it where tables would be larger than the data.

    Sequences sorted by their k-mer at j form runs; each run is counted by its k-mers at i, and
    the bins in use are found by going through the run a second time.
    """
    size_j = columns.sizes[j]
    order, starts = sort_column(columns.codes[j], size_j + 1)
    weighted = len(columns.weights) > 0
    occupied = np.empty(len(order), np.int64)
    for i in range(j - k + 1):
        size_i = columns.sizes[i]
        column = columns.codes[i]
        bins = np.zeros(size_i + 1, np.int64)
        at_i = np.zeros(size_i + 1, np.int64)
        at_j = np.zeros(size_j, np.int64)
        n_occupied = 0
        for y in range(size_j):
            run = order[starts[y] : starts[y + 1]]
            for s in run:
                bins[column[s]] += columns.weights[s] if weighted else 1
            for s in run:
                x = column[s]
                count = bins[x]
                bins[x] = 0
                if count > 0 and x < size_i:
                    occupied[n_occupied] = count
                    n_occupied += 1
                    at_i[x] += count
                    at_j[y] += count
        _summarise(
            occupied[:n_occupied],
            at_i[:size_i],
            at_j,
            i,
            j,
            columns,
            marginals,
            smoothing,
            terms,
            statistics[:, pair_number(i, j, k)],
        )


@njit(nogil=True, cache=True)
def add_pair_counts(
    columns: Columns,
    k: int,
    letters: int,
    n_together: int,
    most_codes: int,
    scratch: Scratch,
    first_pair: int,
    width: int,
    first: int,
    step: int,
    tables: NDArray[Any],
) -> None:
    """Add the counts of one block of sequences to the tables of a range of pairs.

    Goes through the groups of positions j as `pair_statistics` does.

    Parameters
    ----------
    first_pair
        Number of the first pair in `tables`.
    width
        Cells per row of a table, the number of k-mers.
    tables
        (n_tables, n_cells) uint32 or int64, counts by (k-mer at j, k-mer at i).
    """
    n_positions = columns.codes.shape[0]
    stride = row_cells(columns.sizes, columns.complete)
    n_cells = scratch.bins.shape[1]
    slots = np.empty((2, MAX_JOINED), np.int64)
    n_groups = (n_positions - k + n_together - 1) // n_together
    for group in range(n_groups - 1 - first, -1, -step):
        j = k + group * n_together
        stop = min(j + n_together, n_positions)
        outside = pair_number(stop - k - 1, stop - 1, k) < first_pair or pair_number(
            0, j, k
        ) >= first_pair + len(tables)
        while j < stop and not outside:
            n_joined, n_codes = join_columns(columns, j, stop, letters, most_codes, scratch)
            directly = n_codes * stride > n_cells
            n_before = j + n_joined - k
            for i in range(0, n_before, 2):
                positions = (i, min(i + 1, n_before - 1))
                wanted = False
                for which in range(2):
                    for member in range(n_joined):
                        slot = pair_number(positions[which], j + member, k) - first_pair
                        if positions[which] > j + member - k or not 0 <= slot < len(tables):
                            slot = -1
                        slots[which, member] = slot
                        wanted |= slot >= 0
                if not wanted:
                    continue
                if not directly:
                    count_joined(
                        columns, scratch, j, n_joined, n_codes, positions, stride, width, slots,
                        tables,
                    )  # fmt: skip
                    continue
                for which in range(1 if positions[0] == positions[1] else 2):
                    if slots[which, 0] >= 0:
                        count_directly(columns, positions[which], j, tables[slots[which, 0]], width)
            j += n_joined


@njit(nogil=True, cache=True)
def table_statistics(
    columns: Columns,
    smoothing: Smoothing,
    k: int,
    first_pair: int,
    width: int,
    tables: NDArray[Any],
    terms: NDArray[np.int64],
    first: int,
    step: int,
    statistics: NDArray[np.float64],
) -> None:
    """Summarise the tables of a range of pairs, filled by `add_pair_counts`."""
    no_marginals = Marginals(np.empty(0, np.float64), np.empty(0, np.int64), np.empty(0, np.int64))
    j = k
    for number in range(first, len(tables), step):
        pair = first_pair + number
        while pair_number(0, j + 1, k) <= pair:
            j += 1
        _summarise_table(
            tables[number],
            width,
            pair - pair_number(0, j, k),
            j,
            columns,
            no_marginals,
            smoothing,
            terms,
            statistics[:, pair],
        )
