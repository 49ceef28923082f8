"""Moments, exceedances and maxima over permutations of pairs of positions, kept on the GPU.

The statistics of some permutations at a time are made, taken up and forgotten. What is copied back
at the end are four numbers for each pair and one for each permutation.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numba import cuda, types
from numpy.typing import NDArray

from mutua.kernels.cuda.launches import n_blocks, n_threads
from mutua.kernels.cuda.position_entropies import product
from mutua.kernels.cuda.reductions import find_largest

__all__ = ["DeviceMoments", "with_value"]

THREADS = 256


class DeviceMoments:
    """What permutations that come one after another say, on the GPU.

    Parameters
    ----------
    observed
        (n_pairs,) float64, the statistic of the sequences as they are.
    n_permutations
        How many permutations there will be.
    """

    def __init__(self, observed: NDArray[np.float64], n_permutations: int) -> None:
        self._observed = cuda.to_device(np.ascontiguousarray(observed))
        self._moments = cuda.to_device(np.zeros((4, len(observed))))
        self._maxima = cuda.to_device(np.full(n_permutations, -math.inf))

    def take_up(self, values: Any, before: int) -> None:
        """Take up the statistics (n, 1, n_pairs) of permutations, `before` others done."""
        n, _, n_pairs = values.shape
        threads = n_threads(n_pairs, THREADS)
        _take_up_pairs[n_blocks(-(-n_pairs // threads)), threads](
            values, before, self._observed, self._moments
        )
        _maxima_kernel(threads)[n_blocks(n), threads](values, before, self._maxima)

    def found(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give moments (4, n_pairs) and maxima (n_permutations,).

        The moments are the mean, the sums of squared and cubed deviations, and the number of
        values of at least the observed one.
        """
        return self._moments.copy_to_host(), self._maxima.copy_to_host()


@cuda.jit(device=True)
def with_value(mean, squares, cubes, n, value):
    """Give the mean and the sums of squared and cubed deviations with the value number `n`.

    Operation by operation as `mutua.kernels.running_moments.add_value` does.
    """
    deviation = value - mean
    share = deviation / np.float64(n)
    rise = product(product(deviation, share), np.float64(n - 1))
    bend = product(product(rise, share), np.float64(n - 2))
    bend -= product(product(3.0, share), squares)
    return mean + share, squares + rise, cubes + bend


@cuda.jit(cache=True)
def _take_up_pairs(values, before, observed, moments):
    """Take up the permutations of one pair, in their order, per thread."""
    for pair in range(cuda.grid(1), values.shape[2], cuda.gridsize(1)):
        mean = moments[0, pair]
        squares = moments[1, pair]
        cubes = moments[2, pair]
        exceeding = moments[3, pair]
        for permutation in range(values.shape[0]):
            value = values[permutation, 0, pair]
            if math.isnan(value):
                continue
            mean, squares, cubes = with_value(mean, squares, cubes, before + permutation + 1, value)
            if value >= observed[pair]:
                exceeding += 1.0
        moments[0, pair] = mean
        moments[1, pair] = squares
        moments[2, pair] = cubes
        moments[3, pair] = exceeding


@functools.cache
def _maxima_kernel(threads: int) -> Any:
    """Make the kernel that finds the maximum of a permutation with a block of so many threads."""
    least = -math.inf

    @cuda.jit(cache=True)
    def maxima_of_pairs(values, before, maxima):
        largest = cuda.shared.array(threads, types.float64)
        thread = cuda.threadIdx.x
        for permutation in range(cuda.blockIdx.x, values.shape[0], cuda.gridDim.x):
            best = least
            for pair in range(thread, values.shape[2], threads):
                value = values[permutation, 0, pair]
                if value > best:  # never NaN
                    best = value
            largest[thread] = best
            find_largest(largest, thread)
            if thread == 0:
                maxima[before + permutation] = largest[0]

    return maxima_of_pairs
