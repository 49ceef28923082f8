"""K-mer columns on the GPU: uploaded block by block, and shuffled there.

Letters are copied into page-locked memory and sent on one of two streams, so that a block is read
while the one before is on its way or being counted. Where the columns of all sequences take less
than half of the free memory they stay on the GPU; else every pass reads the blocks again, with two
of them on the GPU at a time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, types
from numpy.typing import NDArray

from mutua.kernels.cuda.launches import n_blocks, n_threads
from mutua.kernels.devices import free_memory, with_tiles
from mutua.kernels.kmers import kmer_dtype
from mutua.kernels.random_sequences import random_stream
from mutua.kernels.sequence_blocks import PositionTask
from mutua.kernels.shuffled_columns import drawn_place

__all__ = ["DeviceColumns", "Piece", "empty", "padded", "shuffle_column"]

SEQUENCES = 64  # of a tile that is transposed in shared memory
POSITIONS = 64
THREADS = 256
SHUFFLING_THREADS = 32  # in a block: few, so that columns spread over the multiprocessors
WORD = 4  # bytes; columns are counted in words of four, two or one k-mers
MISSING_LETTER = 255


def empty(shape: int | tuple[int, ...], dtype: Any) -> Any:
    """Allocate an array on the GPU."""
    return cuda.device_array(shape, dtype)


def padded(n_sequences: int, dtype: np.dtype[Any]) -> int:
    """Give the codes that fill the words of a column of so many sequences."""
    per_word = WORD // dtype.itemsize
    return -(-n_sequences // per_word) * per_word


class Piece(NamedTuple):
    """K-mer columns of some of the sequences, on the GPU.

    Attributes
    ----------
    words
        (n_positions, n_words) uint32, k-mer codes, the first in the lowest bits. Beyond the last
        sequence stands the missing code.
    units
        (n_sequences,) int64, weights in fixed point; (1,) where every sequence counts 1.
    stream
        The stream on which the columns are made.
    """

    words: Any
    units: Any
    stream: Any


@dataclass(frozen=True)
class _Lane:
    """A stream, and what a block needs on its way to the GPU."""

    stream: Any
    staging: NDArray[np.uint8]
    letters: Any
    sent: Any

    @classmethod
    def of(cls, task: PositionTask) -> _Lane:
        shape = (min(task.source.block_size, task.n_sequences), task.source.n_positions)
        return cls(
            cuda.stream(),
            cuda.pinned_array(shape, np.uint8),
            empty(shape, np.uint8),
            cuda.event(),
        )

    def send(self, letters: NDArray[np.uint8]) -> Any:
        """Start the transfer of a block; give the array on the GPU that it fills."""
        self.sent.synchronize()
        staged = self.staging[: len(letters)]
        staged[:] = letters
        target = self.letters[: len(letters)]
        target.copy_to_device(staged, stream=self.stream)
        self.sent.record(self.stream)
        return target


class DeviceColumns:
    """The k-mer columns of a task on the GPU.

    Codes are ``0 .. n_kmers - 1``, and ``n_kmers`` for a missing k-mer.

    Parameters
    ----------
    task
        The sequences.
    first_block
        Number of their first block, on which permutations depend.
    copies
        For how many copies of the columns there has to be room if they are to stay on the GPU.

    Attributes
    ----------
    resident
        Whether the columns of all sequences stay on the GPU.
    """

    def __init__(self, task: PositionTask, first_block: int = 0, copies: int = 2) -> None:
        self.task = task
        self.first_block = first_block
        self.dtype = kmer_dtype(task.k, task.alphabet_size)
        free = free_memory()
        self.resident = free is None or copies * self._column_bytes(task.n_sequences) <= free
        self._shuffled: Any = None
        weights = task.fixed_weights
        self.units = cuda.to_device(np.zeros(1, np.int64) if weights is None else weights.units)
        letters = min(task.source.block_size, task.n_sequences) * task.source.n_positions
        n_held = task.n_sequences if self.resident else task.source.block_size
        self._lanes, self._buffers = with_tiles(
            self._allocated,
            min(2, len(task.blocks)),
            smallest=1,
            argument="sequences",
            needed=lambda n_lanes: float(n_lanes * letters + self._column_bytes(n_held)),
        )
        if self.resident:
            for number, (start, _) in enumerate(task.blocks):
                lane = self._lanes[number % len(self._lanes)]
                self._load(number, lane, self._buffers[0], start)
            cuda.synchronize()
            self._lanes = []

    def _allocated(self, n_lanes: int) -> tuple[list[_Lane], list[Any]]:
        """Give lanes, and the columns of all sequences or those of a block for each lane."""
        lanes = [_Lane.of(self.task) for _ in range(n_lanes)]
        if self.resident:
            return lanes, [empty(self._shape(self.task.n_sequences), self.dtype)]
        return lanes, [empty(self._shape(self.task.source.block_size), self.dtype) for _ in lanes]

    @property
    def codes(self) -> Any:
        """The k-mer codes (n_positions, n_padded) of all sequences, where they are resident."""
        return self._buffers[0]

    def pieces(self) -> Iterator[Piece]:
        """Go through all sequences; what is launched on the streams is done after the last."""
        if self.resident:
            yield Piece(self._buffers[0].view(np.uint32), self.units, 0)
        else:
            yield from self._streamed(None, 0)

    def permutations(
        self, seed: int, first: int, n: int
    ) -> Iterator[Callable[[], Iterator[Piece]]]:
        """Go through `n` permutations from number `first` on: each a way through its pieces.

        The orders drawn are those of `mutua.kernels.shuffled_columns.shuffle_columns`. A way is
        good until the next one is asked for.
        """
        if not self.resident:
            for permutation in range(first, first + n):
                yield functools.partial(self._streamed, seed, permutation)
            return
        codes, room = self._buffers[0], self._room_to_shuffle(n)
        for start in range(0, n, len(room)):
            together = room[: min(len(room), n - start)]
            numbers = first + start, self.first_block
            self._shuffle(codes, self.task.n_sequences, together, seed, *numbers, 0)
            for which in range(len(together)):
                piece = Piece(together[which].view(np.uint32), self.units, 0)
                yield functools.partial(iter, [piece])

    def _streamed(self, seed: int | None, permutation: int) -> Iterator[Piece]:
        """Read all blocks, shuffled where there is a seed."""
        task = self.task
        if seed is not None and self._shuffled is None:
            self._shuffled = [empty((1, *codes.shape), self.dtype) for codes in self._buffers]
        cuda.synchronize()
        for number, (start, stop) in enumerate(task.blocks):
            turn = number % len(self._lanes)
            lane, codes = self._lanes[turn], self._buffers[turn]
            self._load(number, lane, codes, 0)
            if seed is not None:
                room = self._shuffled[turn]
                numbers = permutation, self.first_block + number
                self._shuffle(codes, stop - start, room, seed, *numbers, lane.stream)
                codes = room[0]
            units = self.units if task.fixed_weights is None else self.units[start:stop]
            yield Piece(codes.view(np.uint32), units, lane.stream)
        cuda.synchronize()

    def _shape(self, n_sequences: int) -> tuple[int, int]:
        return self.task.n_positions, padded(n_sequences, self.dtype)

    def _column_bytes(self, n_sequences: int) -> int:
        return int(np.prod(self._shape(n_sequences))) * self.dtype.itemsize

    def _load(self, number: int, lane: _Lane, codes: Any, offset: int) -> None:
        """Send a block and turn it into columns from `offset` on, all on the stream of `lane`."""
        task = self.task
        letters = lane.send(task.read(number))
        last = not self.resident or number == len(task.blocks) - 1
        n_columns = codes.shape[1] - offset if last else len(letters)
        n_tiles = -(-n_columns // SEQUENCES) * -(-task.n_positions // POSITIONS)
        fill = _kmer_filler(task.k, task.alphabet_size)
        threads = n_threads(SEQUENCES * POSITIONS, THREADS)
        fill[n_blocks(n_tiles), threads, lane.stream](letters, offset, n_columns, codes)

    def _room_to_shuffle(self, n: int) -> Any:
        """Give (m, n_positions, n_sequences) for the `n` permutations or as many as fit."""
        if self._shuffled is None:
            free = free_memory()
            size = self._column_bytes(self.task.n_sequences)
            shape = self._shape(self.task.n_sequences)
            self._shuffled = with_tiles(
                lambda m: empty((m, *shape), self.dtype),
                n if free is None else min(n, max(1, free // (4 * size))),
                smallest=1,
                argument="sequences",
                needed=lambda m: float(m * size),
            )
        return self._shuffled

    def _shuffle(
        self,
        codes: Any,
        n_sequences: int,
        shuffled: Any,
        seed: int,
        permutation: int,
        block: int,
        stream: Any,
    ) -> None:
        """Fill `shuffled` (n, n_positions, ...) with permutations from a first one on."""
        block_size = self.task.source.block_size
        n_columns = len(shuffled) * self.task.n_positions * -(-n_sequences // block_size)
        threads = n_threads(n_columns, SHUFFLING_THREADS)
        _shuffle_columns[n_blocks(-(-n_columns // threads)), threads, stream](
            codes,
            n_sequences,
            block_size,
            self.task.n_kmers,
            np.uint64(seed),
            permutation,
            block,
            shuffled,
        )


@functools.cache
def _kmer_filler(k: int, alphabet_size: int) -> Any:
    """Make the kernel that turns letters into k-mer columns."""
    n_kmers = alphabet_size**k
    width = POSITIONS + k - 1

    @cuda.jit(cache=True)
    def fill_kmer_codes(letters, offset, n_columns, codes):
        """Write `n_columns` columns of `codes` (position, sequence) from `offset` on.

        A block of threads transposes a tile of `letters` (sequence, position) in shared memory.
        Beyond the last sequence every k-mer is missing.
        """
        tile = cuda.shared.array((SEQUENCES, width), types.uint8)
        n_across = (codes.shape[0] + POSITIONS - 1) // POSITIONS
        first_sequence = (cuda.blockIdx.x // n_across) * SEQUENCES
        first_position = (cuda.blockIdx.x % n_across) * POSITIONS
        for place in range(cuda.threadIdx.x, SEQUENCES * width, cuda.blockDim.x):
            row = place // width
            sequence = first_sequence + row
            position = first_position + place % width
            if sequence < letters.shape[0] and position < letters.shape[1]:
                tile[row, place % width] = letters[sequence, position]
            else:
                tile[row, place % width] = MISSING_LETTER
        cuda.syncthreads()
        for place in range(cuda.threadIdx.x, SEQUENCES * POSITIONS, cuda.blockDim.x):
            row = place % SEQUENCES
            column = place // SEQUENCES
            sequence = first_sequence + row
            position = first_position + column
            if sequence < n_columns and position < codes.shape[0]:
                code = np.int64(0)
                for letter in range(k):
                    value = np.int64(tile[row, column + letter])
                    if value >= alphabet_size or code == n_kmers:
                        code = np.int64(n_kmers)
                    else:
                        code = code * alphabet_size + value
                codes[position, offset + sequence] = code

    return fill_kmer_codes


@cuda.jit(device=True)
def shuffle_column(codes, start, stop, missing, stream, shuffled):
    """Shuffle one block of a column, as `mutua.kernels.shuffled_columns.shuffle_columns` does.

    The known codes are moved to the front, change places among themselves (Fisher and Yates) and
    are laid out again from the back, where what was not yet moved is never overwritten. Who
    changes this has to touch the files that call it: numba keeps compiled kernels until these
    change.

    Parameters
    ----------
    codes, shuffled
        Columns, of which the codes from `start` to before `stop` are read and written.
    stream
        The random stream of the column.
    """
    n_known = 0
    for sequence in range(start, stop):
        if codes[sequence] != missing:
            shuffled[start + n_known] = codes[sequence]
            n_known += 1
    for done in range(n_known - 1):
        last = n_known - 1 - done
        other = start + np.int64(drawn_place(stream, done, last))
        code = shuffled[other]
        shuffled[other] = shuffled[start + last]
        shuffled[start + last] = code
    if n_known < stop - start:
        for back in range(stop - start):
            sequence = stop - 1 - back
            if codes[sequence] != missing:
                n_known -= 1
                shuffled[sequence] = shuffled[start + n_known]
            else:
                shuffled[sequence] = missing


@cuda.jit(cache=True)
def _shuffle_columns(
    codes, n_sequences, block_size, missing, seed, first_permutation, first_block, shuffled
):
    """Shuffle one column of one block of sequences in one permutation, per thread.

    Parameters
    ----------
    codes
        (n_positions, n_padded) unsigned; beyond `n_sequences` all are missing.
    first_permutation, first_block
        Numbers of the first permutation in `shuffled` and of the first block in `codes`.
    shuffled
        (n_permutations, n_positions, n_padded) of the type of `codes`.
    """
    n_positions = codes.shape[0]
    n_blocks = (n_sequences + block_size - 1) // block_size
    task = cuda.grid(1)
    if task >= shuffled.shape[0] * n_positions * n_blocks:
        return
    position = task % n_positions
    block = task // n_positions % n_blocks
    which = task // n_positions // n_blocks
    start = block * block_size
    stop = min(start + block_size, n_sequences)
    of_permutation = np.uint64(random_stream(seed, first_permutation + which))
    of_block = np.uint64(random_stream(of_permutation, first_block + block))
    stream = np.uint64(random_stream(of_block, position))
    shuffle_column(codes[position], start, stop, missing, stream, shuffled[which, position])
    if stop == n_sequences:
        for sequence in range(stop, codes.shape[1]):
            shuffled[which, position, sequence] = missing
