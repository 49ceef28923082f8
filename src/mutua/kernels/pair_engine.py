"""Statistics of all pairs of positions: what is held in memory, and which thread does what.

Where the k-mer columns of all sequences fit into ``settings.memory``, each pair is counted and
summarised at once. Else tables of counts for as many pairs as fit are added up over the blocks,
in as many passes over the blocks as it takes. Counts are whole numbers, so both routes give the
same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.errors import MemoryLimit
from mutua.kernels.entropy import term_scale
from mutua.kernels.kmers import fill_kmer_codes, kmer_dtype
from mutua.kernels.pair_counts import (
    JOINED_CELLS,
    MAX_JOINED,
    TABLE_CELLS,
    Columns,
    Scratch,
)
from mutua.kernels.pair_statistics import (
    FIELDS,
    Marginals,
    Smoothing,
    add_pair_counts,
    marginal_statistics,
    pair_statistics,
    table_statistics,
)
from mutua.kernels.sequence_blocks import PositionTask
from mutua.kernels.threads import Workers
from mutua.settings import settings

__all__ = [
    "INDEPENDENT",
    "check_memory",
    "count_columns",
    "load_columns",
    "resident_statistics",
    "resident_bytes",
    "tiled_statistics",
]

INDEPENDENT = 2**32  # any k-mer may follow any other: columns that were shuffled on their own


def resident_bytes(task: PositionTask) -> int:
    """Give the bytes of the k-mer columns of all sequences."""
    itemsize = kmer_dtype(task.k, task.alphabet_size).itemsize
    return task.n_positions * task.n_sequences * itemsize


def smoothing_of(task: PositionTask) -> Smoothing:
    """Give the constants by which counts become entropies."""
    weights = task.fixed_weights
    total = task.n_sequences if weights is None else float(weights.units.sum()) * weights.unit
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
    for number, (start, _) in enumerate(task.blocks):
        fill_kmer_codes(task.read(number), task.k, task.alphabet_size, codes, start, workers)
    units = units_of(task, 0, task.n_sequences)
    counts, seen = count_columns(codes, units, task.n_kmers, workers)
    workers.run(_renumber, [(codes, seen, *part) for part in workers.slices(task.n_positions)])
    columns = Columns(codes, seen[:, :-1].sum(axis=1), ~seen[:, -1], units)
    marginals = Marginals(
        np.empty(task.n_positions), *(np.empty(task.n_positions, np.int64) for _ in range(2))
    )
    marginal_statistics(counts[:, :-1], smoothing_of(task), marginals)
    return columns, marginals


def resident_statistics(
    task: PositionTask,
    columns: Columns,
    marginals: Marginals,
    statistics: NDArray[np.float64],
    workers: Workers,
) -> None:
    """Fill `statistics` (len(FIELDS), n_pairs) from k-mer columns in memory."""
    workers.run(
        pair_statistics,
        [
            resident_call(task, columns, marginals, task.alphabet_size, *part, statistics)
            for part in workers.slices(task.n_positions)
        ],
    )


def resident_call(
    task: PositionTask,
    columns: Columns,
    marginals: Marginals,
    letters: int,
    first: int,
    step: int,
    statistics: NDArray[np.float64],
) -> tuple[Any, ...]:
    """Give the arguments of one call of `pair_statistics`, with working arrays of its own.

    Parameters
    ----------
    letters
        Number of k-mers that can follow a k-mer one position on: the number of letters, or
        `INDEPENDENT`.
    """
    n_sequences = columns.codes.shape[1]
    layout = _Layout.choose(task, columns, letters, most_cells=min(TABLE_CELLS, 2 * n_sequences))
    constant = task.pseudocount == 0 or bool(columns.complete.all())
    return (
        columns,
        marginals,
        smoothing_of(task),
        task.k,
        letters,
        layout.n_together,
        layout.joined_cells,
        layout.scratch(columns),
        layout.tables(columns),
        np.empty(_n_terms(columns, constant), np.int64),
        first,
        step,
        statistics,
    )
