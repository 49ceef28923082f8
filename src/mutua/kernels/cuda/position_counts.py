"""Joint counts of the k-mers at pairs of positions, on the GPU.

A block of threads counts one position j with a few positions i, whose pairs have consecutive
numbers, over a stretch of the sequences: codes at j are read once for all of them, and all blocks
that run at a time read the same stretch, which stays in the second-level cache. Counts are added
in shared memory and then to the tables of the pairs:

- Small tables are there in several *copies*, with the copies of a cell side by side: neighbouring
  threads then add to different banks even where most sequences have the same k-mers.
- Tables that are too large for shared memory are counted in *slabs* of rows, each by a block of
  its own that passes over the k-mers outside its slab.
- Where that would be more than `MOST_SLABS`, threads add to the tables in global memory. There the
  blocks that run at a time share few tables, so that these stay in the second-level cache.

Counts are integers: the order in which they are added changes nothing.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import cuda, types
from numpy.typing import NDArray

from mutua.kernels.cuda.launches import n_blocks, n_threads
from mutua.kernels.cuda.position_columns import WORD, Piece
from mutua.kernels.kmers import kmer_dtype
from mutua.kernels.pair_statistics import pair_number
from mutua.kernels.sequence_blocks import PositionTask

__all__ = ["CountLayout", "add_counts", "clear", "pair_tiles"]

THREADS = 512
SHARED_BYTES = 48 * 1024  # what every GPU gives a block
MOST_TOGETHER = 8
MOST_COPIES = 32
MOST_SLABS = 24  # more passes over the columns cost more than adding in global memory
WORDS = 2**15  # of a stretch, at most: 26 MB of 3-mers at 200 positions
FEWEST_WORDS = 2**12  # fewer, and emptying the bins of a block costs as much as filling them
BLOCKS = 2**11  # wanted, to keep a large GPU busy


@dataclass(frozen=True)
class CountLayout:
    """How pairs are counted.

    Attributes
    ----------
    n_kmers
        Number of k-mers: tables have as many rows (k-mer at j) and columns (k-mer at i).
    per_word
        K-mer codes in a word.
    weighted
        Whether sequences have weights; counts are then int64, else uint32.
    n_together
        Positions i that a block counts at a time.
    n_rows
        Rows of a slab; 0 for counting in global memory.
    n_copies
        Copies of every cell, a power of two.
    """

    n_kmers: int
    per_word: int
    weighted: bool
    n_together: int
    n_rows: int
    n_copies: int

    @classmethod
    def choose(cls, task: PositionTask) -> CountLayout:
        """Choose for tables of some size."""
        n_kmers, weighted = task.n_kmers, task.fixed_weights is not None
        per_word = WORD // kmer_dtype(task.k, task.alphabet_size).itemsize
        cells = SHARED_BYTES // (8 if weighted else 4)
        n_rows = min(cells // n_kmers, n_kmers)
        if n_rows == 0 or -(-n_kmers // n_rows) > MOST_SLABS:
            return cls(n_kmers, per_word, weighted, 1, 0, 1)
        n_together = min(MOST_TOGETHER, max(1, cells // n_kmers**2))
        copies = 1
        while copies < MOST_COPIES and 2 * copies * n_together * n_rows * n_kmers <= cells:
            copies *= 2
        return cls(n_kmers, per_word, weighted, n_together, n_rows, copies)

    @property
    def n_cells(self) -> int:
        """Cells of the table of a pair."""
        return self.n_kmers**2

    @property
    def table_dtype(self) -> np.dtype[Any]:
        """The type of counts."""
        return np.dtype(np.int64 if self.weighted else np.uint32)


def pair_tiles(
    layout: CountLayout, n_positions: int, k: int, first: int, stop: int
) -> NDArray[np.int64]:
    """List what each block of threads counts, for the pairs number `first` to before `stop`.

    Returns
    -------
    NDArray
        (n_tiles, 5): position j, first position i, number of positions i, first row, and the
        number of the first pair less `first`.
    """
    tiles = []
    rows = np.arange(0, layout.n_kmers, layout.n_rows) if layout.n_rows else np.zeros(1, int)
    for j in range(k, n_positions):
        start = pair_number(0, j, k)
        i = np.arange(
            max(first - start, 0), min(stop - start, j - k + 1), layout.n_together, dtype=np.int64
        )
        if len(i) == 0:
            continue
        n_i = np.minimum(layout.n_together, min(stop - start, j - k + 1) - i)
        each = np.stack([np.full(len(i), j), i, n_i, np.zeros_like(i), start + i - first], axis=1)
        each = np.repeat(each, len(rows), axis=0)
        each[:, 3] = np.tile(rows, len(i))
        tiles.append(each)
    return np.concatenate(tiles)


def add_counts(layout: CountLayout, piece: Piece, tiles: Any, tables: Any) -> None:
    """Add the counts of a piece to the tables of some pairs.

    Parameters
    ----------
    tiles
        From `pair_tiles`, on the GPU.
    tables
        (n_pairs * n_cells,) on the GPU, counts by (k-mer at j, k-mer at i) of every pair.
    """
    n_words = piece.words.shape[1]
    stretch = FEWEST_WORDS
    if layout.n_rows:
        stretch = min(WORDS, max(FEWEST_WORDS, n_words * len(tiles) // BLOCKS))
    blocks = n_blocks(len(tiles) * -(-n_words // stretch))
    threads = n_threads(max(n_words, layout.n_rows * layout.n_kmers), THREADS)
    count = _shared_counter(layout) if layout.n_rows else _global_counter(layout)
    count[blocks, threads, piece.stream](piece.words, piece.units, tiles, stretch, tables)


def clear(tables: Any) -> None:
    """Set all counts to 0."""
    threads = n_threads(len(tables), THREADS)
    _clear[n_blocks(min(BLOCKS, -(-len(tables) // threads))), threads](tables)


@cuda.jit(cache=True)
def _clear(tables):
    for place in range(cuda.grid(1), tables.shape[0], cuda.gridsize(1)):
        tables[place] = 0


@functools.cache
def _shared_counter(layout: CountLayout) -> Any:
    """Make the kernel that counts in shared memory."""
    n_kmers, n_cells = layout.n_kmers, layout.n_cells
    most_rows, n_copies = layout.n_rows, layout.n_copies
    slab = most_rows * n_kmers
    n_bins = layout.n_together * slab * n_copies
    bin_type = types.int64 if layout.weighted else types.uint32
    weighted, per_word = layout.weighted, layout.per_word
    bits = 8 * WORD // per_word
    mask = 2**bits - 1

    @cuda.jit(cache=True)
    def count_in_shared_memory(words, units, tiles, stretch, tables):
        """Count a tile of pairs over a stretch of the sequences, a word at a time per thread."""
        bins = cuda.shared.array(n_bins, bin_type)
        for place in range(cuda.threadIdx.x, n_bins, cuda.blockDim.x):
            bins[place] = 0
        cuda.syncthreads()
        # All tiles of one stretch come before those of the next.
        tile = cuda.blockIdx.x % tiles.shape[0]
        first_word = (cuda.blockIdx.x // tiles.shape[0]) * stretch  # maybe beyond the last
        last_word = min(first_word + stretch, words.shape[1])
        j = tiles[tile, 0]
        first_i = tiles[tile, 1]
        n_i = tiles[tile, 2]
        first_row = tiles[tile, 3]
        n_rows = np.uint32(min(most_rows, n_kmers - first_row))
        copy = np.uint32(cuda.threadIdx.x & (n_copies - 1))
        for word in range(first_word + cuda.threadIdx.x, last_word, cuda.blockDim.x):
            at_j = words[j, word]
            for member in range(n_i):
                at_i = words[first_i + member, word]
                rows_before = np.uint32(member * most_rows)
                for part in range(per_word):
                    # In 32 bits, with rows before the slab wrapped to behind it.
                    x = np.uint32((at_i >> (part * bits)) & mask)
                    row = np.uint32(np.int64((at_j >> (part * bits)) & mask) - first_row)
                    if x < n_kmers and row < n_rows:
                        cell = np.uint32((rows_before + row) * n_kmers + x)
                        amount = 1
                        if weighted:
                            amount = units[word * per_word + part]
                        cuda.atomic.add(bins, np.uint32(cell * n_copies + copy), amount)
        cuda.syncthreads()
        first_turn = cuda.threadIdx.x & (n_copies - 1)
        for member in range(n_i):
            table = (tiles[tile, 4] + member) * n_cells + first_row * n_kmers
            for place in range(cuda.threadIdx.x, np.int64(n_rows) * n_kmers, cuda.blockDim.x):
                first_copy = (member * slab + place) * n_copies
                total = np.int64(0)
                for turn in range(n_copies):
                    # Threads start at different copies, which stand in different banks.
                    total += np.int64(bins[first_copy + ((first_turn + turn) & (n_copies - 1))])
                if total > 0:
                    cuda.atomic.add(tables, table + place, total)

    return count_in_shared_memory


@functools.cache
def _global_counter(layout: CountLayout) -> Any:
    """Make the kernel that counts in global memory."""
    n_kmers, n_cells = layout.n_kmers, layout.n_cells
    weighted, per_word = layout.weighted, layout.per_word
    bits = 8 * WORD // per_word
    mask = 2**bits - 1

    @cuda.jit(cache=True)
    def count_in_global_memory(words, units, tiles, stretch, tables):
        """Count one pair over a stretch of the sequences, a word at a time per thread."""
        # All stretches of one tile come before those of the next.
        n_stretches = (words.shape[1] + stretch - 1) // stretch
        tile = cuda.blockIdx.x // n_stretches
        if tile >= tiles.shape[0]:
            return
        first_word = (cuda.blockIdx.x % n_stretches) * stretch
        last_word = min(first_word + stretch, words.shape[1])
        j = tiles[tile, 0]
        i = tiles[tile, 1]
        table = tiles[tile, 4] * n_cells
        for word in range(first_word + cuda.threadIdx.x, last_word, cuda.blockDim.x):
            at_j = np.int64(words[j, word])
            at_i = np.int64(words[i, word])
            for part in range(per_word):
                x = (at_i >> (part * bits)) & mask
                y = (at_j >> (part * bits)) & mask
                if x < n_kmers and y < n_kmers:
                    amount = 1
                    if weighted:
                        amount = units[word * per_word + part]
                    cuda.atomic.add(tables, table + y * n_kmers + x, amount)

    return count_in_global_memory
