"""Statistics of all pairs of positions on the GPU: uploaded once, counted in tables, summarised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from mutua._progress import PERMUTATIONS, progress_bar
from mutua.kernels.cuda.position_columns import DeviceColumns, Piece, empty
from mutua.kernels.cuda.position_corrections import AverageProduct, divide_by_joint_entropy
from mutua.kernels.cuda.position_counts import CountLayout, add_counts, clear, pair_tiles
from mutua.kernels.cuda.position_entropies import summarise
from mutua.kernels.cuda.position_moments import DeviceMoments
from mutua.kernels.devices import free_memory, with_tiles
from mutua.kernels.pair_engine import smoothing_of
from mutua.kernels.pair_statistics import FIELDS, Smoothing
from mutua.kernels.sequence_blocks import PositionTask

__all__ = ["DevicePairs", "PairTables"]


class PairTables:
    """Tables of counts on the GPU, for as many pairs at a time as fit.

    Parameters
    ----------
    task
        How pairs are counted; its sequences are not looked at.
    pairs
        Number of the first pair to count, and of the one after the last; by default all are.

    Raises
    ------
    MemoryLimit
        The table of a single pair does not fit into the memory of the GPU.
    """

    def __init__(self, task: PositionTask, pairs: tuple[int, int] | None = None) -> None:
        self.task = task
        first_pair, after = (0, task.n_pairs) if pairs is None else pairs
        self.layout = CountLayout.choose(task)
        free = free_memory()
        table_bytes = self.layout.n_cells * self.layout.table_dtype.itemsize
        wanted = after - first_pair
        if free is not None:
            # Columns to be shuffled take up to a quarter.
            wanted = min(wanted, max(1, free // 2 // table_bytes))
        self.tables = with_tiles(
            lambda n: empty(n * self.layout.n_cells, self.layout.table_dtype),
            wanted,
            smallest=1,
            argument="k",
            needed=lambda n: float(n * table_bytes),
        )
        per_pass = len(self.tables) // self.layout.n_cells
        self.passes = [
            (first, min(first + per_pass, after)) for first in range(first_pair, after, per_pass)
        ]
        self._tiles: list[Any] = [None] * len(self.passes)

    def fill(
        self,
        pieces: Callable[[], Iterator[Piece]],
        smoothing: Smoothing,
        which: int,
        statistics: Any,
    ) -> None:
        """Count and summarise some sequences.

        Parameters
        ----------
        pieces
            Gives a way through the sequences.
        smoothing
            How counts become entropies, see `mutua.kernels.pair_engine.smoothing_of`.
        which
            Number of the statistics to fill.
        statistics
            (n, n_fields, n_pairs) float64 on the GPU.
        """
        for number, (first, stop) in enumerate(self.passes):
            clear(self.tables)
            for piece in pieces():
                add_counts(self.layout, piece, self._tiles_of(number), self.tables)
            summarise(self.tables, stop - first, smoothing, first, which, statistics)

    def _tiles_of(self, number: int) -> Any:
        """Give the tiles of a pass, on the GPU."""
        if self._tiles[number] is None:
            tiles = pair_tiles(
                self.layout, self.task.n_positions, self.task.k, *self.passes[number]
            )
            self._tiles[number] = cuda.to_device(tiles)
        return self._tiles[number]


class DevicePairs(PairTables):
    """The pairs of positions of a task, on the GPU.

    Gives the same bits as the routes of `mutua.kernels.pair_engine`. The k-mer columns are
    uploaded when it is made.

    Parameters
    ----------
    task
        The sequences and how they are counted.
    pairs
        Number of the first pair to count, and of the one after the last; by default all are.
    first_block
        Number of the first block of sequences, where these are some of more.

    Raises
    ------
    MemoryLimit
        The table of a single pair does not fit into the memory of the GPU.
    """

    def __init__(
        self, task: PositionTask, pairs: tuple[int, int] | None = None, first_block: int = 0
    ) -> None:
        self.columns = DeviceColumns(task, first_block)
        self.smoothing = smoothing_of(task)
        super().__init__(task, pairs)

    def observed(self, statistics: NDArray[np.float64]) -> None:
        """Fill `statistics` (n_fields, n_pairs) of the sequences as they are."""
        self._fill_host([self.columns.pieces], statistics[np.newaxis])

    def permuted(self, seed: int, first: int, statistics: NDArray[np.float64]) -> None:
        """Fill `statistics` (n, n_fields, n_pairs) of the permutations from number `first` on."""
        self._fill_host(self.columns.permutations(seed, first, len(statistics)), statistics)

    def moments(
        self,
        seed: int,
        observed: NDArray[np.float64],
        n_permutations: int,
        most: int,
        *,
        normalize: bool = False,
        apc: bool = False,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Give what permutations say of a statistic, which stays on the GPU.

        Parameters
        ----------
        observed
            (n_pairs,) the statistic of the sequences as they are.
        most
            Permutations whose statistics are held, at most.
        normalize, apc
            What is made of the mutual information, see
            `mutua.kernels.position_null.position_null`.

        Returns
        -------
        tuple
            Moments (4, n_pairs) and maxima (n_permutations,), see `DeviceMoments.found`; and the
            sums (n_pairs,) of the average products that were subtracted.
        """
        task = self.task
        kept = DeviceMoments(observed, n_permutations)
        correction = AverageProduct(task.n_positions, task.k)
        n_fields = len(FIELDS) if normalize else 1
        room = empty((min(most, n_permutations), n_fields, task.n_pairs), np.float64)
        with progress_bar(n_permutations, *PERMUTATIONS) as done:
            for start in range(0, n_permutations, len(room)):
                part = room[: min(len(room), n_permutations - start)]
                self._fill(self.columns.permutations(seed, start, len(part)), part)
                if normalize:
                    divide_by_joint_entropy(part)
                if apc:
                    correction.subtract_from(part)
                kept.take_up(part, start)
                cuda.synchronize()
                done(len(part))
        return *kept.found(), correction.subtracted()

    def add_to(
        self, tables: NDArray[np.unsignedinteger | np.int64], shuffled: tuple[int, int] | None
    ) -> None:
        """Add the counts of the pairs to tables (n_tables, n_cells) in memory.

        Parameters
        ----------
        tables
            Of the type and layout of `mutua.kernels.pair_engine.add_block`.
        shuffled
            Seed and number of the permutation to count; the sequences as they are if None.
        """
        permutations: Iterable[Callable[[], Iterator[Piece]]] = [self.columns.pieces]
        if shuffled is not None:
            permutations = self.columns.permutations(*shuffled, 1)
        start = self.passes[0][0]
        for pieces in permutations:
            for number, (first, stop) in enumerate(self.passes):
                part = tables[first - start : stop - start].reshape(-1)
                counts = self.tables[: len(part)]
                counts.copy_to_device(part)
                for piece in pieces():
                    add_counts(self.layout, piece, self._tiles_of(number), self.tables)
                counts.copy_to_host(part)

    def _fill_host(
        self,
        permutations: Iterable[Callable[[], Iterator[Piece]]],
        statistics: NDArray[np.float64],
    ) -> None:
        room = empty(statistics.shape, np.float64)
        self._fill(permutations, room)
        room.copy_to_host(statistics)

    def _fill(self, permutations: Iterable[Callable[[], Iterator[Piece]]], room: Any) -> None:
        """Fill the statistics (n, n_fields, n_pairs) of n permutations on the GPU."""
        for which, pieces in enumerate(permutations):
            self.fill(pieces, self.smoothing, which, room)
