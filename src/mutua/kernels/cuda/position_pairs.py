"""Statistics of all pairs of positions on the GPU: uploaded once, counted in tables, summarised."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from mutua.kernels.cuda.position_columns import DeviceColumns, Piece, empty
from mutua.kernels.cuda.position_counts import CountLayout, add_counts, clear, pair_tiles
from mutua.kernels.cuda.position_entropies import summarise
from mutua.kernels.devices import free_memory, with_tiles
from mutua.kernels.pair_engine import smoothing_of
from mutua.kernels.sequence_blocks import PositionTask

__all__ = ["DevicePairs"]


class DevicePairs:
    """The pairs of positions of a task, on the GPU.

    Gives the same bits as the routes of `mutua.kernels.pair_engine`. The k-mer columns are
    uploaded when it is made.

    Parameters
    ----------
    task
        The sequences and how they are counted.

    Raises
    ------
    MemoryLimit
        The table of a single pair does not fit into the memory of the GPU.
    """

    def __init__(self, task: PositionTask) -> None:
        self.task = task
        self.layout = CountLayout.choose(task)
        self.columns = DeviceColumns(task)
        self.smoothing = smoothing_of(task)
        free = free_memory()
        table_bytes = self.layout.n_cells * self.layout.table_dtype.itemsize
        wanted = task.n_pairs
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
            (first, min(first + per_pass, task.n_pairs))
            for first in range(0, task.n_pairs, per_pass)
        ]
        self._tiles: list[Any] = [None] * len(self.passes)

    def observed(self, statistics: NDArray[np.float64]) -> None:
        """Fill `statistics` (n_fields, n_pairs) of the sequences as they are."""
        self._fill([self.columns.pieces], statistics[np.newaxis])

    def permuted(self, seed: int, first: int, statistics: NDArray[np.float64]) -> None:
        """Fill `statistics` (n, n_fields, n_pairs) of the permutations from number `first` on."""
        self._fill(self.columns.permutations(seed, first, len(statistics)), statistics)

    def _fill(
        self,
        permutations: Iterable[Callable[[], Iterator[Piece]]],
        statistics: NDArray[np.float64],
    ) -> None:
        room = empty(statistics.shape, np.float64)
        for which, pieces in enumerate(permutations):
            for number, (first, stop) in enumerate(self.passes):
                clear(self.tables)
                for piece in pieces():
                    add_counts(self.layout, piece, self._tiles_of(number), self.tables)
                summarise(self.tables, stop - first, self.smoothing, first, which, room)
        room.copy_to_host(statistics)

    def _tiles_of(self, number: int) -> Any:
        """Give the tiles of a pass, on the GPU."""
        if self._tiles[number] is None:
            tiles = pair_tiles(
                self.layout, self.task.n_positions, self.task.k, *self.passes[number]
            )
            self._tiles[number] = cuda.to_device(tiles)
        return self._tiles[number]
