"""Pairs of columns of two tables on the GPU, in blocks that its memory holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from mutua.kernels.cuda.knn_columns import sort_columns
from mutua.kernels.cuda.knn_sums import pair_sums, work_bytes
from mutua.kernels.devices import free_memory, with_tiles
from mutua.kernels.knn_counts import digammas
from mutua.kernels.knn_engine import PairBlock, crowd

__all__ = ["SUM_BYTES", "DevicePairs", "estimates", "in_blocks", "pair_blocks"]

Reals = NDArray[np.float64]
T = TypeVar("T")

SUM_BYTES = 2**28
"""Of the sums of all pairs in some permutations, where those of one are not more."""

_VALUE_BYTES = 20  # of a value of a table: as it is, sorted, and the sample that it is of
_PAIR_BYTES = 96  # of a pair: what is kept of its permutations
_SHARE = 0.8  # of the free memory
_LOOKED_AT = 16  # columns from which it is foreseen which table is better sorted by


@dataclass(frozen=True)
class DevicePairs(PairBlock):
    """A block of the columns of x with a block of those of y, on the GPU.

    Attributes
    ----------
    own
        Columns that samples are sorted by: sorted, and which sample each value is of.
    others
        The columns beside them: as they are, and sorted.
    table
        Digammas by count.
    """

    own: tuple[Any, Any]
    others: tuple[Any, Any]
    table: Any

    def sums(self, pairs: tuple[Any, Any], samples: Any) -> Any:
        """Give the sums (n_orders, n_pairs) of pairs of columns, as `pair_sums`."""
        return pair_sums(self.own, self.others, pairs, samples, self.n_neighbors, self.table)


def estimates(x: Reals, y: Reals, n_neighbors: int) -> Reals:
    """Give mutual information as `mutua.kernels.knn_mi.knn_mi` does, bit for bit."""

    def in_tiles(tile: int) -> Reals:
        result = np.empty((x.shape[1], y.shape[1]))
        for pairs in pair_blocks(x, y, n_neighbors, tile):
            block = pairs.part(result)
            every = np.indices(block.shape, np.int32).reshape(2, -1)
            same = pairs.samples(np.arange(len(x))[np.newaxis])
            sums = pairs.sums((cuda.to_device(every[0]), cuda.to_device(every[1])), _sent(same))
            found = sums.copy_to_host().reshape(block.shape)
            block[:] = pairs.highest - found / pairs.unit
        return result

    return in_blocks(in_tiles, x, y)


def in_blocks(function: Callable[[int], T], x: Reals, y: Reals) -> T:
    """Call ``function(tile)`` with the most columns of a block that the GPU's memory holds."""

    def needed(tile: int) -> float:
        n, n_x, n_y = len(x), min(tile, x.shape[1]), min(tile, y.shape[1])
        kept = _VALUE_BYTES * n * (n_x + n_y) + _PAIR_BYTES * n_x * n_y
        return float(kept + max(SUM_BYTES, 8 * n_x * n_y) + work_bytes(n))

    tile, free = max(x.shape[1], y.shape[1], 1), free_memory()
    while free is not None and tile > 1 and needed(tile) > _SHARE * free:
        tile //= 2
    return with_tiles(function, tile, smallest=1, argument="x", needed=needed)


def pair_blocks(x: Reals, y: Reals, n_neighbors: int, tile: int) -> Iterator[DevicePairs]:
    """Give the pairs of the columns of two tables in blocks of at most `tile` columns of each."""
    crowds = [crowd(table, n_neighbors, n_columns=_LOOKED_AT) for table in (x, y)]
    swapped = crowds[1] < crowds[0]  # the walk along the other column is shorter
    counted = digammas(len(x))
    table = cuda.to_device(counted.table)
    for rows in _slices(x.shape[1], tile):
        side_x = _side(x[:, rows], sorted_by=not swapped)
        for columns in _slices(y.shape[1], tile):
            side_y = _side(y[:, columns], sorted_by=swapped)
            own, others = (side_y, side_x) if swapped else (side_x, side_y)
            yield DevicePairs(
                rows, columns, swapped, n_neighbors, counted, own=own, others=others, table=table
            )
            del side_y, own, others  # so that the next finds room
        del side_x


def _slices(n: int, step: int) -> Iterator[slice]:
    return (slice(first, min(first + step, n)) for first in range(0, n, step))


def _side(columns: Reals, *, sorted_by: bool) -> tuple[Any, Any]:
    given = _sent(columns.T)
    if sorted_by:
        return given, sort_columns(given)
    ascending = cuda.device_array_like(given)
    ascending.copy_to_device(given)
    sort_columns(ascending)
    return given, ascending


def _sent(values: NDArray[Any]) -> Any:
    return cuda.to_device(np.ascontiguousarray(values))
