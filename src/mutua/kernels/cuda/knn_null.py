"""The permutation null of nearest-neighbour mutual information, which stays on the GPU.

The estimates of some permutations at a time are made, taken up into the moments of every pair and
the maxima of all, and forgotten. What is copied back are the moments at the end, one maximum for
each permutation and, where pairs stop early, which of them go on.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import cuda, float64
from numpy.typing import NDArray

from mutua._progress import PERMUTATIONS, progress_bar
from mutua.kernels.cuda.knn_pairs import SUM_BYTES, DevicePairs, in_blocks, pair_blocks
from mutua.kernels.cuda.launches import n_blocks, n_threads
from mutua.kernels.cuda.reductions import find_largest
from mutua.kernels.running_moments import add_value

if TYPE_CHECKING:
    from mutua.kernels.knn_null import NullState

__all__ = ["permuted"]

Reals = NDArray[np.float64]

_THREADS = 256
_CHUNK = 5e8  # samples of all pairs and permutations of a launch, which take about a second


def permuted(
    x: Reals,
    y: Reals,
    orders: NDArray[np.integer],
    n_neighbors: int,
    new_state: Callable[[], NullState],
) -> NullState:
    """Give the state after all permutations of all pairs, as on the CPU.

    Parameters
    ----------
    x, y, orders, n_neighbors
        As `mutua.kernels.knn_null.knn_null` takes them.
    new_state
        Gives the state before; called again where the GPU's memory proves too small.
    """

    def in_tiles(tile: int) -> NullState:
        state = new_state()
        for pairs in pair_blocks(x, y, n_neighbors, tile):
            _permute(state, pairs, orders)
        return state

    return in_blocks(in_tiles, x, y)


class _Kept:
    """What is kept of the permutations of the pairs of a block, on the GPU.

    Attributes
    ----------
    places
        Which of the block's own and other columns each pair is of.
    """

    def __init__(self, state: NullState, pairs: DevicePairs) -> None:
        self.places = np.nonzero(pairs.part(state.active))
        self._state, self._pairs = state, pairs
        n_pairs = len(self.places[0])
        self._observed = self._sent(state.observed)
        self._scales = [self._sent(of_all) for of_all in state.scales]
        self._active = cuda.to_device(np.ones(n_pairs, np.bool_))
        self._exceeding = cuda.to_device(np.zeros(n_pairs, np.int64))
        self._counts = cuda.to_device(np.zeros(n_pairs, np.int64))
        self._moments = cuda.to_device(np.zeros((n_pairs, 3)))

    def _sent(self, values: Reals) -> Any:
        return cuda.to_device(np.ascontiguousarray(self._pairs.part(values)[self.places]))

    def active(self) -> NDArray[np.int64]:
        """Give the pairs that did not stop."""
        return np.flatnonzero(self._active.copy_to_host())

    def take_up(self, sums: Any, which: Any) -> None:
        """Take up the sums (n_orders, n_which) of some pairs, in the order of permutations."""
        of_all = self._pairs.highest, self._pairs.unit, self._state.stop or 0
        kept = self._active, self._exceeding, self._counts, self._moments
        threads = n_threads(which.shape[0], _THREADS)
        blocks = n_blocks(-(-which.shape[0] // threads))
        _take_up[blocks, threads](sums, which, *of_all, self._observed, *kept)

    def maxima(self, sums: Any, which: Any) -> Reals:
        """Give the largest estimate of some pairs in each permutation, in units of the scales."""
        n_orders = sums.shape[0]
        found = cuda.device_array(n_orders, "float64")
        threads = n_threads(which.shape[0], _THREADS)
        of_all = self._pairs.highest, self._pairs.unit
        _maxima_kernel(threads)[n_blocks(n_orders), threads](
            sums, which, *of_all, *self._scales, found
        )
        return np.asarray(found.copy_to_host())

    def give_back(self) -> None:
        """Write what was found to the state."""
        part, state = self._pairs.part, self._state
        part(state.exceeding)[self.places] = self._exceeding.copy_to_host()
        part(state.counts)[self.places] = self._counts.copy_to_host()
        for of_all, found in zip(state.moments, self._moments.copy_to_host().T, strict=True):
            part(of_all)[self.places] = found


def _permute(state: NullState, pairs: DevicePairs, orders: NDArray[np.integer]) -> None:
    """Add all permutations of a block of pairs."""
    if not pairs.part(state.active).any():
        return
    kept = _Kept(state, pairs)
    wanted = np.arange(len(kept.places[0]))
    first, largest = 0, state.first
    with progress_bar(len(orders), *PERMUTATIONS) as done:
        while first < len(orders) and len(wanted):
            which = cuda.to_device(wanted.astype(np.int32))
            own, other = (cuda.to_device(place[wanted].astype(np.int32)) for place in kept.places)
            last = min(len(orders), first + min(largest, _chunk(len(wanted), pairs.n_samples)))
            samples = cuda.to_device(pairs.samples(orders[first:last]))
            sums = pairs.sums((own, other), samples)
            kept.take_up(sums, which)
            if state.stop is None:
                maxima = state.maxima[first:last]
                np.maximum(maxima, kept.maxima(sums, which), out=maxima)
            else:
                wanted = kept.active()
            done(last - first)
            first, largest = last, min(2 * largest, state.most)
    kept.give_back()


def _chunk(n_pairs: int, n_samples: int) -> int:
    """Give how many permutations to do at once."""
    return max(1, min(int(_CHUNK / (n_pairs * n_samples)), SUM_BYTES // (8 * n_pairs)))


_add_value = cuda.jit(device=True)(add_value.py_func)


@cuda.jit(cache=True)
def _take_up(sums, which, highest, unit, stop, observed, active, exceeding, counts, moments):
    own = cuda.local.array(3, float64)
    for column in range(cuda.grid(1), which.shape[0], cuda.gridsize(1)):
        pair = which[column]
        reached = exceeding[pair]
        count = counts[pair]
        for part in range(3):
            own[part] = moments[pair, part]
        for order in range(sums.shape[0]):
            value = highest - sums[order, column] / unit
            count += 1
            _add_value(own, count, value)
            if value >= observed[pair]:
                reached += 1
                if reached == stop:
                    active[pair] = False
                    break
        exceeding[pair] = reached
        counts[pair] = count
        for part in range(3):
            moments[pair, part] = own[part]


@functools.cache
def _maxima_kernel(threads: int) -> Any:
    """Give the kernel that finds maxima with a block of so many threads for each order."""
    least = -math.inf

    @cuda.jit(cache=True)
    def maxima(sums, which, highest, unit, centres, spreads, found):
        largest = cuda.shared.array(threads, float64)
        thread = cuda.threadIdx.x
        for order in range(cuda.blockIdx.x, sums.shape[0], cuda.gridDim.x):
            best = least
            for column in range(thread, which.shape[0], threads):
                pair = which[column]
                value = (highest - sums[order, column] / unit - centres[pair]) / spreads[pair]
                if value > best:
                    best = value
            largest[thread] = best
            find_largest(largest, thread)
            if thread == 0:
                found[order] = largest[0]

    return maxima
