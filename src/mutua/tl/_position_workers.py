"""Pairs of positions counted on the workers of a `dask.distributed` cluster.

The sequences are cut into as many runs as there are workers. Of each run a chain of tasks adds up
tables of counts, block by block; the tables of all runs are then added, a range of pairs on each
worker, and summarised there. Counts are whole numbers, so the bits are those of a single process,
also where some workers count on a GPU of their own and others do not.
A task never changes tables that it was given: one that runs again, as its worker was lost, counts
nothing twice.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mutua._cluster import ForWorkers, computed, current_client
from mutua.blocks import is_chunked, row_chunks
from mutua.errors import DeviceUnavailable
from mutua.kernels.devices import asked_device, on_cuda
from mutua.kernels.kmers import fill_kmer_codes, kmer_dtype
from mutua.kernels.pair_engine import (
    INDEPENDENT,
    add_block,
    resident_bytes,
    smoothing_of,
    tables_budget,
    units_of,
    write_table_statistics,
)
from mutua.kernels.pair_statistics import Smoothing
from mutua.kernels.position_mi import on_gpu
from mutua.kernels.position_null import DEVICE_BATCH, fill_permuted, shuffle_block
from mutua.kernels.sequence_blocks import ArrayBlocks, FixedPointWeights, PositionTask
from mutua.kernels.threads import Workers
from mutua.settings import settings
from mutua.tl._counting import SequenceBlocks, with_gaps

__all__ = ["counted_on_workers"]

_MOST_PASSES: Final = 16
"""Above so many passes over sequences whose k-mers fit into memory, one process is faster."""


def counted_on_workers(
    blocks: SequenceBlocks, k: int, alphabet_size: int, *, weighted: bool, device: str | None
) -> SequenceBlocks:
    """Give blocks whose pairs are counted on workers: if there are any, and if it pays.

    Parameters
    ----------
    blocks
        The sequences.
    k, alphabet_size
        As for `mutua.kernels.position_mi.position_mi`.
    weighted
        Whether sequences have weights.
    device
        Where the caller wants them to be counted. Workers do it on the GPUs that they have; the
        caller does it where it has one and they have not.
    """
    asked = asked_device(device)
    if current_client() is None or not is_chunked(blocks.codes.data):
        return blocks
    row_chunks(blocks.codes.data)
    shape = _Shape(blocks.n_sequences, blocks.n_positions, blocks.block_size)
    task = PositionTask(shape, k, alphabet_size)
    operations = task.n_sequences * task.n_pairs
    on_gpus = _have_gpus(asked, operations)
    if not on_gpus and on_cuda(asked, operations=operations):
        return blocks
    n_passes = -(-task.n_pairs // _n_tables(task, weighted))
    if n_passes > _MOST_PASSES and resident_bytes(task) <= settings.memory:
        return blocks
    return _WorkerBlocks(blocks.codes, blocks.gap_code, blocks.block_size, asked, on_gpus)


def _have_gpus(asked: str, operations: int) -> bool:
    """Tell whether every worker can count so much on a GPU, and is to."""
    if asked == "cpu":
        return False
    found = current_client().run(_has_gpu, asked, operations)
    return bool(found) and all(found.values())


def _has_gpu(asked: str, operations: int) -> bool:
    """Tell whether this process can count so much on a GPU, and is to."""
    try:
        return on_cuda(asked, operations=operations)
    except DeviceUnavailable:
        return False


@dataclass(frozen=True)
class _Shape:
    """What a source says of sequences that are elsewhere."""

    n_sequences: int
    n_positions: int
    block_size: int

    def block(self, number: int) -> NDArray[np.uint8]:
        # Of a task that only says how many pairs there are and what they take.
        raise NotImplementedError


class _Job(NamedTuple):
    """What all tasks of one pass have in common."""

    task: PositionTask
    gap_code: int | None
    weighted: bool
    n_tables: int
    shuffled: tuple[int, int] | None
    """Seed and number of a permutation."""
    device: str


@dataclass(frozen=True)
class _WorkerBlocks(SequenceBlocks):
    """A `CountedElsewhere`: blocks that workers read and count."""

    device: str = "cpu"
    on_gpus: bool = False
    """Whether every worker has a GPU."""

    @property
    def n_together(self) -> int:
        """Permutations that are counted at the same time."""
        return (DEVICE_BATCH if self.on_gpus else 2) * _n_workers()

    def fill_statistics(self, task: PositionTask, statistics: NDArray[np.float64]) -> None:
        """Fill `statistics` (n_fields, n_pairs) of the sequences as they are."""
        self._fill(task, statistics, None)

    def fill_permuted(
        self, task: PositionTask, seed: int, first: int, statistics: NDArray[np.float64]
    ) -> None:
        """Fill `statistics` (n_permutations, n_fields, n_pairs) of permutations from `first` on.

        Workers have whole permutations where the k-mers of all sequences fit into memory.
        """
        if 2 * resident_bytes(task) > settings.memory:
            for number, part in enumerate(statistics, first):
                self._fill(task, part, (seed, number))
            return
        from dask.delayed import delayed

        n, n_fields, _ = statistics.shape
        bounds = np.linspace(0, n, min(n, _n_workers()) + 1).astype(int).tolist()
        plain = self._without_data(task)
        job = functools.partial(_permuted, plain, self.device, n_fields, seed)
        call = delayed(ForWorkers(job), pure=False)
        weights = delayed(task.weights, pure=False, traverse=False)
        parts = [
            call(self._everything, weights, first + start, stop - start)
            for start, stop in itertools.pairwise(bounds)
        ]
        for start, part in zip(bounds, computed(parts, "permutations"), strict=False):
            statistics[start : start + len(part)] = part

    @cached_property
    def _everything(self) -> Any:
        """All letter codes as one future, which lives as long as this object."""
        from dask.delayed import delayed

        values = self.codes.data.rechunk(self.codes.shape).to_delayed().item()
        return current_client().compute(delayed(with_gaps, pure=False)(values, self.gap_code))

    def _without_data(self, task: PositionTask) -> PositionTask:
        shape = _Shape(self.n_sequences, self.n_positions, self.block_size)
        return PositionTask(shape, task.k, task.alphabet_size, task.pseudocount)

    def _fill(
        self,
        task: PositionTask,
        statistics: NDArray[np.float64],
        shuffled: tuple[int, int] | None,
    ) -> None:
        """Fill statistics in as many passes over the blocks as it takes."""
        weighted = task.fixed_weights is not None
        most = _n_tables(task, weighted)
        smoothing = smoothing_of(task)
        for first_pair in range(0, task.n_pairs, most):
            n_tables = min(most, task.n_pairs - first_pair)
            plain = self._without_data(task)
            job = _Job(plain, self.gap_code, weighted, n_tables, shuffled, self.device)
            parts = self._pass(task, job, first_pair, len(statistics), smoothing)
            start = first_pair
            for part in computed(parts, "position_mi"):
                statistics[:, start : start + part.shape[1]] = part
                start += part.shape[1]

    def _pass(
        self, task: PositionTask, job: _Job, first_pair: int, n_fields: int, smoothing: Smoothing
    ) -> list[Any]:
        """Give the statistics of a range of pairs as tasks, each of a part of them, in order."""
        from dask.delayed import delayed

        # Bound to the functions, for dask would look into them.
        add = delayed(ForWorkers(functools.partial(_add, job, first_pair)), pure=False)
        summary = functools.partial(_summarised, job.task, n_fields, smoothing)
        finish = delayed(ForWorkers(summary), pure=False)
        runs = list(self._runs(whole_blocks=job.shuffled is not None))
        rows = [stop - start for run in runs for _, start, stop in run]
        codes = self.codes.data.rechunk((tuple(rows), (self.n_positions,))).to_delayed()[:, 0]
        parts = iter(codes)
        tables = []
        for run in runs:
            state = None
            for number, start, stop in run:
                units = units_of(task, start, stop)
                state = add(state, next(parts), units, number)
            tables.append(state)
        cut = delayed(_cut, pure=False)
        bounds = np.linspace(0, job.n_tables, min(len(runs), job.n_tables) + 1).astype(int).tolist()
        return [
            finish([cut(state, start, stop) for state in tables], first_pair + start)
            for start, stop in itertools.pairwise(bounds)
        ]

    def _runs(self, *, whole_blocks: bool) -> Iterator[list[tuple[int, int, int]]]:
        """Yield a run of blocks for each worker: number, first sequence and the one after it."""
        n, size = self.n_sequences, self.block_size
        unit = size if whole_blocks else 1
        n_units = -(-n // unit)
        bounds = np.linspace(0, n_units, min(n_units, _n_workers()) + 1).astype(int) * unit
        for first, stop in zip(bounds.tolist(), bounds[1:].tolist(), strict=False):
            starts = range(first, min(stop, n), size)
            yield [(start // size, start, min(start + size, stop, n)) for start in starts]


def _n_workers() -> int:
    return max(1, len(current_client().nthreads()))


def _n_tables(task: PositionTask, weighted: bool) -> int:
    """Give how many tables fit into the memory of a worker twice: as they were and as they get."""
    size = task.n_kmers**2 * (8 if weighted else 4)
    return int(min(max(1, tables_budget(task) // (2 * size)), task.n_pairs))


def _add(
    job: _Job,
    first_pair: int,
    tables: NDArray[Any] | None,
    values: NDArray[np.uint8],
    units: NDArray[np.int64],
    number: int,
) -> NDArray[Any]:
    """Give tables with the counts of one more block."""
    task = job.task
    if tables is None:
        dtype = np.int64 if job.weighted else np.uint32
        tables = np.zeros((job.n_tables, task.n_kmers**2), dtype)
    else:
        tables = tables.copy()  # what is given may be needed again
    letter_codes = with_gaps(values, job.gap_code)
    weights = FixedPointWeights(units, 1.0) if job.weighted else None
    source = ArrayBlocks(letter_codes, task.source.block_size)
    block = replace(task, source=source, weights=weights)
    if on_gpu(block, job.device):
        from mutua.kernels.cuda.position_pairs import DevicePairs

        pairs = first_pair, first_pair + len(tables)
        DevicePairs(block, pairs, number).add_to(tables, job.shuffled)
        return tables
    codes = np.empty((task.n_positions, len(values)), kmer_dtype(task.k, task.alphabet_size))
    with Workers() as workers:
        fill_kmer_codes(letter_codes, task.k, task.alphabet_size, codes, 0, workers)
        letters = task.alphabet_size
        if job.shuffled is not None:
            seed, permutation = job.shuffled
            letters = INDEPENDENT
            shuffle_block(task, codes, number, seed=seed, permutation=permutation, workers=workers)
        add_block(task, codes, units, letters, first_pair, tables, workers)
    return tables


def _cut(tables: NDArray[Any], start: int, stop: int) -> NDArray[Any]:
    return tables[start:stop]


def _summarised(
    task: PositionTask,
    n_fields: int,
    smoothing: Smoothing,
    tables: list[NDArray[Any]],
    first_pair: int,
) -> NDArray[np.float64]:
    """Add the tables of all runs; give the statistics (n_fields, n_tables) of their pairs."""
    total = tables[0] if len(tables) == 1 else tables[0].copy()
    for part in tables[1:]:
        total += part
    statistics = np.empty((n_fields, task.n_pairs))
    with Workers() as workers:
        write_table_statistics(task, smoothing, first_pair, total, statistics, workers)
    return statistics[:, first_pair : first_pair + len(total)].copy()


def _permuted(
    task: PositionTask,
    device: str,
    n_fields: int,
    seed: int,
    letter_codes: NDArray[np.uint8],
    weights: NDArray[np.floating] | None,
    first: int,
    n_permutations: int,
) -> NDArray[np.float64]:
    """Give the statistics (n_permutations, n_fields, n_pairs) of some permutations."""
    source = ArrayBlocks(letter_codes, task.source.block_size)
    task = replace(task, source=source, weights=weights)
    statistics = np.empty((n_permutations, n_fields, task.n_pairs))
    if on_gpu(task, device, n_permutations):
        from mutua.kernels.cuda.position_pairs import DevicePairs

        DevicePairs(task).permuted(seed, first, statistics)
        return statistics
    with Workers() as workers:
        fill_permuted(task, seed, first, statistics, workers)
    return statistics
