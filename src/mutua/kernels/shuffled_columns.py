"""Shuffled k-mer columns, each from a random stream of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.random_sequences import mix64, random_stream

__all__ = ["drawn_place", "shuffle_columns"]

GAMMA = np.uint64(0x9E3779B97F4A7C15)  # the increment of SplitMix64


@njit(nogil=True, cache=True)
def shuffle_columns(
    codes: NDArray[Any],
    missing: NDArray[np.int64],
    seed: int,
    permutation: int,
    block: int,
    start: int,
    stop: int,
    first: int,
    step: int,
) -> None:
    """Shuffle the sequences of one block in every `step`-th column, each column on its own.

    What is missing stays where it is; the known codes change places among themselves. The order
    drawn depends on seed, permutation, block, position and the number of known codes only.

    Parameters
    ----------
    codes
        (n_positions, n_sequences) unsigned, changed in place.
    missing
        (n_positions,) int64, the code that stands for missing at each position.
    start, stop
        The sequences of the block, fewer than ``2**20``.
    """
    of_permutation = random_stream(random_stream(np.uint64(seed), permutation), block)
    places = np.empty(stop - start, np.int64)
    known = np.empty(stop - start, codes.dtype)
    for i in range(first, codes.shape[0], step):
        column = codes[i, start:stop]
        n_known = 0
        for s in range(len(column)):
            places[n_known] = s
            known[n_known] = column[s]
            n_known += column[s] != missing[i]
        _shuffle(known[:n_known], random_stream(of_permutation, i))
        for s in range(n_known):
            column[places[s]] = known[s]


@njit(nogil=True, cache=True)
def drawn_place(stream: np.uint64, draw: int, last: int | np.uint64) -> np.uint64:
    """Draw a place from 0 to `last`, fewer than ``2**20``: the draw number `draw` of a stream."""
    state = np.uint64(stream) + (np.uint64(draw) + np.uint64(1)) * GAMMA
    # 44 random bits scaled to 0 .. last; no probability is off by more than 2**-24 of itself.
    return ((mix64(state) >> np.uint64(20)) * (np.uint64(last) + np.uint64(1))) >> np.uint64(44)


@njit(nogil=True, cache=True)
def _shuffle(values: NDArray[Any], stream: np.uint64) -> None:
    """Shuffle in place (Fisher and Yates)."""
    for done in range(len(values) - 1):
        last = np.uint64(len(values) - 1 - done)
        other = drawn_place(stream, done, last)
        value = values[other]
        values[other] = values[last]
        values[last] = value
