"""Statistics of all pairs of positions: what is held in memory, and which thread does what.

Where the k-mer columns of all sequences fit into ``settings.memory``, each pair is counted and
summarised at once. Else tables of counts for as many pairs as fit are added up over the blocks,
in as many passes over the blocks as it takes. Counts are whole numbers, so both routes give the
same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua._progress import POSITIONS, counted, progress_bar
from mutua.errors import MemoryLimit
from mutua.kernels.entropy import fill_terms, term_scale
from mutua.kernels.kmers import fill_kmer_codes, kmer_dtype
from mutua.kernels.pair_counts import (
    JOINED_CELLS,
    JOINED_CODES,
    MAX_JOINED,
    SEQUENCES_PER_CODE,
    TABLE_CELLS,
    Columns,
    Scratch,
)
from mutua.kernels.pair_statistics import (
    Complement,
    Marginals,
    Smoothing,
    add_pair_counts,
    marginal_statistics,
    pair_statistics,
    row_cells,
    table_statistics,
)
from mutua.kernels.sequence_blocks import CountedElsewhere, PositionTask
from mutua.kernels.threads import Workers
from mutua.settings import settings

__all__ = [
    "INDEPENDENT",
    "add_block",
    "all_statistics",
    "check_memory",
    "load_columns",
    "resident_bytes",
    "resident_statistics",
    "shuffled_marginals",
    "smoothing_of",
    "table_bytes",
    "tables_budget",
    "tiled_statistics",
    "units_of",
    "write_table_statistics",
]

INDEPENDENT = 2**32  # any k-mer may follow any other: columns that were shuffled on their own


def resident_bytes(task: PositionTask) -> int:
    """Give the bytes of the k-mer columns of all sequences."""
    itemsize = kmer_dtype(task.k, task.alphabet_size).itemsize
    return task.n_positions * task.n_sequences * itemsize


def smoothing_of(task: PositionTask) -> Smoothing:
    """Give the constants by which counts become entropies."""
    weights = task.fixed_weights
    total = task.n_sequences if weights is None else float(weights.units.sum() or 1) * weights.unit
    return Smoothing(
        float(task.pseudocount),
        float(task.n_kmers),
        1.0 if weights is None else weights.unit,
        term_scale(float(total), task.pseudocount, task.n_sequences),
    )


def units_of(task: PositionTask, start: int, stop: int) -> NDArray[np.int64]:
    """Give the weights of some sequences in fixed point; (0,) where every one counts 1."""
    weights = task.fixed_weights
    return np.empty(0, np.int64) if weights is None else weights.units[start:stop]


def load_columns(task: PositionTask, workers: Workers) -> tuple[Columns, Marginals]:
    """Read all blocks into k-mer columns whose codes number the k-mers seen at each position."""
    dtype = kmer_dtype(task.k, task.alphabet_size)
    codes = np.empty((task.n_positions, task.n_sequences), dtype)
    for number, (start, _) in enumerate(counted(task.blocks, len(task.blocks), *POSITIONS)):
        fill_kmer_codes(task.read(number), task.k, task.alphabet_size, codes, start, workers)
    units = units_of(task, 0, task.n_sequences)
    counts, seen = count_columns(codes, units, task.n_kmers, workers)
    workers.run(_renumber, [(codes, seen, *part) for part in workers.slices(task.n_positions)])
    columns = Columns(codes, seen[:, :-1].sum(axis=1), ~seen[:, -1], units)
    return columns, marginals_of(task, counts)


def shuffled_marginals(
    task: PositionTask, columns: Columns, marginals: Marginals, workers: Workers
) -> Marginals:
    """Give the marginals of shuffled columns: others only where sequences have weights."""
    if task.fixed_weights is None:
        return marginals
    counts, _ = count_columns(columns.codes, columns.weights, task.n_kmers, workers)
    return marginals_of(task, counts)


def marginals_of(task: PositionTask, counts: NDArray[np.int64]) -> Marginals:
    """Summarise the counts (n_positions, n_kmers + 1) of each position, less the missing code."""
    marginals = Marginals(
        np.empty(task.n_positions), *(np.empty(task.n_positions, np.int64) for _ in range(2))
    )
    marginal_statistics(np.ascontiguousarray(counts[:, :-1]), smoothing_of(task), marginals)
    return marginals


def resident_statistics(
    task: PositionTask,
    columns: Columns,
    marginals: Marginals,
    statistics: NDArray[np.float64],
    workers: Workers,
    letters: int,
) -> None:
    """Fill `statistics` (n_fields, n_pairs) from k-mer columns in memory.

    Parameters
    ----------
    letters
        Number of k-mers that can follow a k-mer one position on: the number of letters, or
        `INDEPENDENT`.
    """
    layout = Layout.choose(task, columns, letters)
    terms = tabulated_terms(task, columns)
    alone = _no_complement(task, marginals)
    workers.run(
        pair_statistics,
        [
            layout.arguments(columns, marginals, terms, alone, *part, statistics)
            for part in workers.slices(layout.n_groups)
        ],
    )


@dataclass(frozen=True)
class Layout:
    """How pairs are counted: how many positions at a time, in tables of which size.

    Attributes
    ----------
    task
        What is computed.
    letters
        Number of k-mers that can follow a k-mer one position on.
    n_together
        Adjacent positions j counted as one column, at most.
    most_codes
        Codes of a joined column, at most.
    n_cells
        Cells of any table, at most; where a pair would need more, sequences are sorted instead.
    stride
        Cells per row of a joined table.
    """

    task: PositionTask
    letters: int
    n_together: int
    most_codes: int
    n_cells: int
    stride: int

    @classmethod
    def choose(cls, task: PositionTask, columns: Columns, letters: int) -> Layout:
        """Choose for columns of some sizes."""
        n_sequences = columns.codes.shape[1]
        largest = int(columns.sizes.max())
        stride = row_cells(columns.sizes, columns.complete)
        weighted = len(columns.weights) > 0
        # Taking a joined table apart has to cost less than the counting that it saves.
        cells = JOINED_CELLS // (4 if weighted else 1)
        most_codes = min(JOINED_CODES, n_sequences // SEQUENCES_PER_CODE, cells // stride)
        n_together = 1
        n_codes = largest
        while n_together < MAX_JOINED and n_codes * min(largest, letters) <= most_codes:
            n_codes *= min(largest, letters)
            n_together += 1
        single_cells = (largest + 1) * stride
        most_cells = min(TABLE_CELLS, 2 * n_sequences)
        n_cells = max(most_codes * stride, single_cells if single_cells <= most_cells else 0)
        return cls(task, letters, n_together, most_codes, n_cells, stride)

    @property
    def n_groups(self) -> int:
        """Number of groups of positions j."""
        return -(-(self.task.n_positions - self.task.k) // self.n_together)

    def scratch(self, columns: Columns) -> Scratch:
        """Allocate the working arrays of one call."""
        n_codes = max(int(columns.sizes.max()) + 1, self.most_codes)
        weighted = len(columns.weights) > 0
        return Scratch(
            np.empty(columns.codes.shape[1], np.promote_types(columns.codes.dtype, np.uint16)),
            np.empty((n_codes, MAX_JOINED), np.int64),
            np.zeros((2, self.n_cells), np.int64 if weighted else np.uint16),
            np.empty(2**16, np.int32),
        )

    def arguments(
        self,
        columns: Columns,
        marginals: Marginals,
        terms: NDArray[np.int64],
        complement: Complement,
        first: int,
        step: int,
        statistics: NDArray[np.float64],
    ) -> tuple[Any, ...]:
        """Give the arguments of a call of `pair_statistics`, with working arrays of its own."""
        most_rows = min(int(columns.sizes.max()), self.n_cells // self.stride)
        weighted = len(columns.weights) > 0
        tables = np.zeros(
            (2 * self.n_together, most_rows * self.stride), np.int64 if weighted else np.uint32
        )
        return (
            columns,
            marginals,
            smoothing_of(self.task),
            self.task.k,
            self.letters,
            self.n_together,
            self.most_codes,
            self.scratch(columns),
            tables,
            terms,
            complement,
            first,
            step,
            statistics,
        )


def _no_complement(task: PositionTask, marginals: Marginals) -> Complement:
    dtype = np.uint32 if task.fixed_weights is None else np.int64
    no_terms = np.empty(0, np.int64)
    return Complement(np.empty((0, 0), dtype), marginals, smoothing_of(task), no_terms)


def tabulated_terms(task: PositionTask, columns: Columns) -> NDArray[np.int64]:
    """Tabulate the terms of the entropy sums where they are the same for all pairs, else (0,)."""
    shared = task.pseudocount == 0 or columns.complete.all()
    if task.fixed_weights is not None or not shared:
        return np.empty(0, np.int64)
    smoothing = smoothing_of(task)
    added = smoothing.pseudocount * task.n_sequences / smoothing.n_kmers**2
    terms = np.empty(min(task.n_sequences // 8, 2**16) + 2, np.int64)
    fill_terms(terms, added, smoothing.scale)
    return terms


def all_statistics(task: PositionTask, statistics: NDArray[np.float64], workers: Workers) -> None:
    """Fill `statistics` (n_fields, n_pairs) by whichever route fits into memory."""
    if isinstance(task.source, CountedElsewhere):
        task.source.fill_statistics(task, statistics)
    elif resident_bytes(task) <= settings.memory:
        columns, marginals = load_columns(task, workers)
        resident_statistics(task, columns, marginals, statistics, workers, task.alphabet_size)
    else:
        tiled_statistics(task, statistics, workers)


def tiled_statistics(
    task: PositionTask,
    statistics: NDArray[np.float64],
    workers: Workers,
    shuffle: Callable[[NDArray[Any], int], None] | None = None,
) -> None:
    """Fill `statistics` (n_fields, n_pairs) block by block, with as many passes as it takes.

    Parameters
    ----------
    shuffle
        Called with the k-mer columns and the number of every block, to change them in place.
    """
    n_tables = min(max(1, tables_budget(task) // table_bytes(task)), task.n_pairs)
    whole = task.fixed_weights is None
    tables = np.empty((n_tables, task.n_kmers**2), np.uint32 if whole else np.int64)
    dtype = kmer_dtype(task.k, task.alphabet_size)
    block = np.empty(task.n_positions * min(task.source.block_size, task.n_sequences), dtype)
    smoothing, passes = smoothing_of(task), range(0, task.n_pairs, n_tables)
    # Shuffled columns: any k-mer may follow any other, and permutations have a bar of their own.
    letters, shown = (task.alphabet_size, None) if shuffle is None else (INDEPENDENT, False)
    with progress_bar(len(passes) * len(task.blocks), *POSITIONS, shown) as done:
        for first_pair in passes:
            tables = tables[: task.n_pairs - first_pair]
            workers.run(tables.fill, [(0,)])
            for number, (start, stop) in enumerate(task.blocks):
                codes = block[: task.n_positions * (stop - start)].reshape(task.n_positions, -1)
                fill_kmer_codes(task.read(number), task.k, task.alphabet_size, codes, 0, workers)
                if shuffle is not None:
                    shuffle(codes, number)
                units = units_of(task, start, stop)
                add_block(task, codes, units, letters, first_pair, tables, workers)
                done(1)
            write_table_statistics(task, smoothing, first_pair, tables, statistics, workers)


def add_block(
    task: PositionTask,
    codes: NDArray[Any],
    units: NDArray[np.int64],
    letters: int,
    first_pair: int,
    tables: NDArray[Any],
    workers: Workers,
) -> None:
    """Add the k-mers of one block of sequences to the tables of a range of pairs.

    Parameters
    ----------
    task
        What is computed; neither its sequences nor its weights are looked at.
    codes
        (n_positions, n_sequences) k-mer codes.
    units
        (n_sequences,) weights in fixed point, or (0,) where every sequence counts 1.
    letters
        Number of k-mers that can follow a k-mer one position on, or `INDEPENDENT`.
    first_pair
        Number of the first pair in `tables`.
    tables
        (n_tables, n_kmers**2) uint32, or int64 with weights.
    workers
        Threads to use.
    """
    _, seen = count_columns(codes, units, task.n_kmers, workers)
    sizes = np.full(task.n_positions, task.n_kmers)
    columns = Columns(codes, sizes, ~seen[:, -1], units)
    layout = Layout.choose(task, columns, letters)
    workers.run(
        add_pair_counts,
        [
            (
                columns,
                task.k,
                letters,
                layout.n_together,
                layout.most_codes,
                layout.scratch(columns),
                first_pair,
                task.n_kmers,
                *part,
                tables,
            )
            for part in workers.slices(layout.n_groups)
        ],
    )


def write_table_statistics(
    task: PositionTask,
    smoothing: Smoothing,
    first_pair: int,
    tables: NDArray[Any],
    statistics: NDArray[np.float64],
    workers: Workers,
) -> None:
    """Write what the tables of a range of pairs say into `statistics` (n_fields, n_pairs).

    Parameters
    ----------
    task
        What is computed; neither its sequences nor its weights are looked at.
    smoothing
        How counts become entropies, see `smoothing_of`.
    """
    columns = Columns(
        np.empty((task.n_positions, 0), kmer_dtype(task.k, task.alphabet_size)),
        np.full(task.n_positions, task.n_kmers),
        np.zeros(task.n_positions, np.bool_),
        np.empty(0, np.int64),
    )
    no_terms = np.empty(0, np.int64)
    workers.run(
        table_statistics,
        [
            (columns, smoothing, task.k, first_pair, task.n_kmers, tables, no_terms, *part,
             statistics)
            for part in workers.slices(len(tables))
        ],
    )  # fmt: skip


def check_memory(task: PositionTask) -> None:
    """Raise where neither the columns nor the table of a single pair fit into memory.

    Raises
    ------
    MemoryLimit
        Says how much memory is needed and which k would fit.
    """
    if resident_bytes(task) <= settings.memory or table_bytes(task) <= tables_budget(task):
        return
    needed = min(resident_bytes(task), 2 * table_bytes(task))
    fits = next(
        (
            k
            for k in range(task.k - 1, 0, -1)
            if (smaller := replace(task, k=k))
            and (
                resident_bytes(smaller) <= settings.memory
                or table_bytes(smaller) <= tables_budget(smaller)
            )
        ),
        0,
    )
    smaller_k = f"use k <= {fits}, or " if fits else ""
    raise MemoryLimit(
        "k",
        f"{task.k} with {task.n_sequences} sequences needs {needed / 2**20:.0f} MiB of working "
        f"memory, of which {settings.memory / 2**20:.0f} MiB are allowed",
        f"{smaller_k}raise mutua.settings.memory to {needed}",
    )


def table_bytes(task: PositionTask) -> int:
    """Give the bytes of the counts of one pair added up over blocks."""
    return task.n_kmers**2 * (4 if task.fixed_weights is None else 8)


def tables_budget(task: PositionTask) -> int:
    """Give the bytes that tables may take: what the columns of a block leave, at least half."""
    itemsize = kmer_dtype(task.k, task.alphabet_size).itemsize
    block = task.n_positions * min(task.source.block_size, task.n_sequences) * itemsize
    return max(settings.memory - block, settings.memory // 2)


def count_columns(
    codes: NDArray[Any], units: NDArray[np.int64], n_kmers: int, workers: Workers
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Count the codes 0 .. `n_kmers` of every column.

    Returns
    -------
    tuple
        (n_positions, n_kmers + 1) int64, the sum of the weights of each code, and bool, whether
        it occurs at all.
    """
    counts = np.zeros((len(codes), n_kmers + 1), np.int64)
    seen = np.zeros((len(codes), n_kmers + 1), np.bool_)
    workers.run(
        _count_columns,
        [(codes, units, counts, seen, *part) for part in workers.slices(len(codes))],
    )
    return counts, seen


@njit(nogil=True, cache=True)
def _count_columns(
    codes: NDArray[Any],
    units: NDArray[np.int64],
    counts: NDArray[np.int64],
    seen: NDArray[np.bool_],
    first: int,
    step: int,
) -> None:
    for i in range(first, codes.shape[0], step):
        column = codes[i]
        # Two histograms, for runs of one code would wait for each other in one.
        bins = np.zeros((2, counts.shape[1]), np.int64)
        for s in range(len(column)):
            bins[s & 1, np.uint64(column[s])] += 1
        seen[i] = (bins[0] + bins[1]) > 0
        if len(units) == 0:
            counts[i] = bins[0] + bins[1]
        else:
            for s in range(len(column)):
                counts[i, column[s]] += units[s]


@njit(nogil=True, cache=True)
def _renumber(codes: NDArray[Any], seen: NDArray[np.bool_], first: int, step: int) -> None:
    """Give the k-mers seen at each position consecutive codes in place, missing the next one."""
    n_kmers = seen.shape[1] - 1
    for i in range(first, codes.shape[0], step):
        if seen[i, :n_kmers].all():
            continue
        numbers = np.empty(n_kmers + 1, codes.dtype)
        size = 0
        for code in range(n_kmers):
            numbers[code] = size
            size += seen[i, code]
        numbers[n_kmers] = size
        column = codes[i]
        for s in range(len(column)):
            column[s] = numbers[column[s]]
