"""K-mer columns of sets that are dealt from a pool: gathered on the GPU, and shuffled there.

Where the columns of the pool fit beside those of a set and their shuffles, they are uploaded once;
of a deal, only which sequences are in either set. Several deals are gathered and shuffled side by
side, as a thread shuffles a column and thousands are to be busy. Where the columns do not fit, the
sequences of every set are read and uploaded anew.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from mutua.errors import MemoryLimit
from mutua.kernels.cuda.launches import n_blocks, n_threads
from mutua.kernels.cuda.position_columns import (
    SHUFFLING_THREADS,
    DeviceColumns,
    Piece,
    empty,
    padded,
    shuffle_column,
)
from mutua.kernels.devices import free_memory, with_tiles
from mutua.kernels.pair_engine import smoothing_of
from mutua.kernels.pair_statistics import Smoothing
from mutua.kernels.pooled_sequences import Deal, PooledSets
from mutua.kernels.random_sequences import random_stream

__all__ = ["DealtColumns", "Version"]

THREADS = 256


class Version(NamedTuple):
    """The columns of a set that was dealt, as they are or shuffled.

    Attributes
    ----------
    number
        Which of (n_deals, 2, 1 + n_shuffles): deal, set, and 0 for the columns as they are.
    pieces
        Gives a way through the columns; good until the next version is asked for.
    smoothing
        How their counts become entropies.
    """

    number: int
    pieces: Callable[[], Iterator[Piece]]
    smoothing: Smoothing


class DealtColumns:
    """The columns of sets that are dealt from a pool, on the GPU.

    Parameters
    ----------
    sets
        The pool, whose columns are uploaded if they are to stay.
    n_deals
        Deals to ask for at a time, at most.
    n_shuffles
        Shuffles that will be asked for of each of them.

    Attributes
    ----------
    n_deals
        Deals that may be asked for at a time, of which memory may allow fewer than wanted.
    resident
        Whether the columns of the pool stay on the GPU.
    """

    def __init__(self, sets: PooledSets, n_deals: int, n_shuffles: int) -> None:
        self.sets = sets
        self.n_deals = n_deals
        # Half of the memory for the pool, one set and its shuffles.
        self._pool = DeviceColumns(sets.pool, copies=2 * (2 + n_shuffles))
        self.resident = self._pool.resident
        if self.resident:
            self._make_room(n_shuffles)
        if not self.resident:
            del self._pool

    def pool(self) -> Iterator[Piece]:
        """Go through the pool, where it is resident."""
        return self._pool.pieces()

    def versions(
        self, deals: Sequence[Deal], n_shuffles: int, *, others: bool = True
    ) -> Iterator[Version]:
        """Go through both sets of some deals, as they are and shuffled `n_shuffles` times.

        The versions of one set come in their order. Those of a single deal may be more than there
        is room for.

        Parameters
        ----------
        others
            Whether the second sets are wanted as they are. If not, the pool has to be resident.
        """
        if not self.resident:
            yield from self._read(deals, n_shuffles)
            return
        for of_set in range(2):
            as_it_is = others or of_set == 0
            if as_it_is or n_shuffles:
                yield from self._gathered(deals, of_set, n_shuffles, as_it_is)

    def _read(self, deals: Sequence[Deal], n_shuffles: int) -> Iterator[Version]:
        """Upload every set by itself."""
        number = 0
        for deal in deals:
            for members, seed in zip(deal.parts, deal.seeds, strict=True):
                part = self.sets.part(members)
                columns, smoothing = DeviceColumns(part), smoothing_of(part)
                yield Version(number, columns.pieces, smoothing)
                if n_shuffles:
                    shuffled = columns.permutations(seed, 0, n_shuffles)
                    for version, pieces in enumerate(shuffled, number + 1):
                        yield Version(version, pieces, smoothing)
                number += 1 + n_shuffles

    def _gathered(
        self, deals: Sequence[Deal], of_set: int, n_shuffles: int, as_it_is: bool
    ) -> Iterator[Version]:
        """Gather the first or the second set of all deals, and shuffle as many as there is room."""
        members = np.stack([deal.parts[of_set] for deal in deals])
        smoothings = [smoothing_of(self.sets.part(own)) for own in members]
        codes, units = self._gather(members)
        first = [(2 * deal + of_set) * (1 + n_shuffles) for deal in range(len(deals))]

        def version(deal: int, shuffled: int, columns: Any) -> Version:
            piece = Piece(columns.view(np.uint32), units[deal], 0)
            pieces = functools.partial(iter, [piece])
            return Version(first[deal] + shuffled, pieces, smoothings[deal])

        if as_it_is:
            for deal in range(len(deals)):
                yield version(deal, 0, codes[deal])
        if n_shuffles == 0:
            return
        seeds = _shaped(self._seeds, len(deals))
        seeds.copy_to_device(np.array([deal.seeds[of_set] for deal in deals], np.uint64))
        together = self._n_shuffled // len(deals)
        for start in range(0, n_shuffles, together):
            n = min(together, n_shuffles - start)
            room = _shaped(self._shuffled, len(deals) * n, *codes.shape[1:])
            self._shuffle(codes, members.shape[1], seeds, start, room)
            for which in range(len(room)):
                yield version(which // n, 1 + start + which % n, room[which])

    def _make_room(self, n_shuffles: int) -> None:
        """Allocate what sets are gathered and shuffled into; without, the pool cannot stay."""
        largest = max(self.sets.a.n_sequences, self.sets.b.n_sequences)
        weighted = self.sets.pool.fixed_weights is not None
        dtype = self._pool.dtype
        size = self.sets.pool.n_positions * padded(largest, dtype)

        def allocated(n_deals: int) -> tuple[Any, ...]:
            return (
                empty(n_deals * largest, np.uint32),
                empty(n_deals * largest if weighted else 1, np.int64),
                empty(n_deals, np.uint64),
                empty(n_deals * size, dtype),
                empty(max(1, n_deals * n_shuffles * size), dtype),
            )

        free = free_memory()
        if free is not None:
            most = free // (4 * (1 + n_shuffles) * size * dtype.itemsize)
            self.n_deals = min(self.n_deals, max(1, most))
        try:
            rooms = with_tiles(allocated, self.n_deals, smallest=1, argument="sequences")
        except MemoryLimit:
            self.resident = False
            return
        self._members, self._units, self._seeds, self._codes, self._shuffled = rooms
        self.n_deals = len(self._seeds)
        self._n_shuffled = self.n_deals * n_shuffles

    def _gather(self, members: NDArray[np.uint32]) -> tuple[Any, Any]:
        """Give codes (n_deals, n_positions, n_padded) and, for every deal, units of the members."""
        n_deals, n_members = members.shape
        on_device = _shaped(self._members, n_deals, n_members)
        on_device.copy_to_device(members)
        task, pool = self.sets.pool, self._pool
        n_padded = padded(n_members, pool.dtype)
        codes = _shaped(self._codes, n_deals, task.n_positions, n_padded)
        _copy(pool.codes, on_device, task.n_kmers, codes)
        if task.fixed_weights is None:
            return codes, [pool.units] * n_deals
        units = _shaped(self._units, n_deals, 1, n_members)
        _copy(pool.units.reshape(1, task.n_sequences), on_device, 0, units)
        return codes, [units[deal, 0] for deal in range(n_deals)]

    def _shuffle(self, codes: Any, n_sequences: int, seeds: Any, first: int, shuffled: Any) -> None:
        """Fill `shuffled` (n, n_positions, ...) with shuffles from a first one on of every deal."""
        task = self.sets.pool
        block_size = task.source.block_size
        n_columns = len(shuffled) * task.n_positions * -(-n_sequences // block_size)
        threads = n_threads(n_columns, SHUFFLING_THREADS)
        _shuffle_dealt[n_blocks(-(-n_columns // threads)), threads](
            codes, n_sequences, block_size, task.n_kmers, seeds, first, shuffled
        )


def _shaped(room: Any, *shape: int) -> Any:
    """Give the first values of an array on the GPU in some shape."""
    return room[: math.prod(shape)].reshape(*shape)


def _copy(pool: Any, members: Any, missing: int, dealt: Any) -> None:
    n_rows = dealt.shape[0] * dealt.shape[1]
    threads = n_threads(dealt.shape[2], THREADS)
    _copy_members[n_blocks(n_rows), threads](pool, members, missing, dealt)


@cuda.jit(cache=True)
def _copy_members(pool, members, missing, dealt):
    """Copy what the members of sets have in one row of the pool, per block of threads.

    Parameters
    ----------
    pool
        (n_rows, ...) of all sequences.
    members
        (n_deals, n_members) unsigned.
    missing
        What stands beyond the last member.
    dealt
        (n_deals, n_rows, n_padded) of the type of `pool`.
    """
    n_rows = dealt.shape[1]
    for which in range(cuda.blockIdx.x, dealt.shape[0] * n_rows, cuda.gridDim.x):
        deal = which // n_rows
        row = which % n_rows
        for place in range(cuda.threadIdx.x, dealt.shape[2], cuda.blockDim.x):
            if place < members.shape[1]:
                dealt[deal, row, place] = pool[row, members[deal, place]]
            else:
                dealt[deal, row, place] = missing


@cuda.jit(cache=True)
def _shuffle_dealt(codes, n_sequences, block_size, missing, seeds, first, shuffled):
    """Shuffle one column of one block of sequences of one deal, per thread.

    Parameters
    ----------
    codes
        (n_deals, n_positions, n_padded) unsigned; beyond `n_sequences` all are missing.
    seeds
        (n_deals,) uint64.
    first
        Number of the first permutation.
    shuffled
        (n_deals * n_permutations, n_positions, n_padded) of the type of `codes`.
    """
    n_positions = codes.shape[1]
    n_permutations = shuffled.shape[0] // codes.shape[0]
    n_blocks = (n_sequences + block_size - 1) // block_size
    task = cuda.grid(1)
    if task >= shuffled.shape[0] * n_positions * n_blocks:
        return
    position = task % n_positions
    block = task // n_positions % n_blocks
    which = task // n_positions // n_blocks
    deal = which // n_permutations
    start = block * block_size
    stop = min(start + block_size, n_sequences)
    of_permutation = np.uint64(random_stream(seeds[deal], first + which % n_permutations))
    of_block = np.uint64(random_stream(of_permutation, block))
    stream = np.uint64(random_stream(of_block, position))
    shuffle_column(codes[deal, position], start, stop, missing, stream, shuffled[which, position])
    if stop == n_sequences:
        for sequence in range(stop, codes.shape[2]):
            shuffled[which, position, sequence] = missing
