"""Moments, exceedances and maxima of the difference of two dealt sets, kept on the GPU.

The statistics of some deals at a time are made, taken up and forgotten. What is copied back at the
end are five numbers for each pair of positions and one for each deal.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numba import cuda, types
from numpy.typing import NDArray

from mutua.kernels.cuda.launches import n_blocks, n_threads
from mutua.kernels.cuda.position_moments import with_value
from mutua.kernels.cuda.reductions import find_largest

__all__ = ["DifferenceMoments"]

THREADS = 256


class DifferenceMoments:
    """What the differences of deals that come one after another say, on the GPU.

    Parameters
    ----------
    observed
        (n_pairs,) float64, the difference of the sets as they are.
    scales
        (2, n_pairs) float64: centre and spread of each pair; NaN for pairs that are not in the
        maxima.
    n_deals
        How many deals there will be.
    n_shuffles
        Shuffles of each set, whose mean is taken off it.
    negated
        Whether the difference is the second set less the first.
    """

    def __init__(
        self,
        observed: NDArray[np.float64],
        scales: NDArray[np.float64],
        n_deals: int,
        n_shuffles: int,
        *,
        negated: bool,
    ) -> None:
        self._observed = cuda.to_device(np.ascontiguousarray(observed))
        self._scales = cuda.to_device(np.ascontiguousarray(scales))
        self._moments = cuda.to_device(np.zeros((5, len(observed))))
        self._maxima = cuda.to_device(np.zeros(n_deals))
        self._n_versions = 1 + n_shuffles
        self._negated = negated

    def take_up(self, values: Any, before: int) -> None:
        """Take up the statistics of deals, `before` others done.

        Parameters
        ----------
        values
            (n_deals * 2 * (1 + n_shuffles), 1, n_pairs), overwritten: for either set of every
            deal, the statistic of its columns as they are and shuffled.
        """
        n, _, n_pairs = values.shape
        threads = n_threads(n_pairs, THREADS)
        _take_up_differences[n_blocks(-(-n_pairs // threads)), threads](
            values,
            self._n_versions,
            self._negated,
            before,
            self._observed,
            self._scales,
            self._moments,
        )
        per_deal = 2 * self._n_versions
        _maxima_kernel(threads)[n_blocks(n // per_deal), threads](
            values, per_deal, before, self._maxima
        )

    def found(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give moments (5, n_pairs) and maxima (n_deals,).

        The moments are the mean, the sums of squared and cubed deviations, and the numbers of
        differences of at least and of at most the observed one.
        """
        return self._moments.copy_to_host(), self._maxima.copy_to_host()


@cuda.jit(device=True)
def _less_shuffled(values, first, n_versions, pair):
    """Give the statistic of a set less the mean of its shuffles."""
    value = values[first, 0, pair]
    if n_versions > 1:
        total = 0.0
        for version in range(1, n_versions):
            total += values[first + version, 0, pair]
        value -= total / np.float64(n_versions - 1)
    return value


@cuda.jit(cache=True)
def _take_up_differences(values, n_versions, negated, before, observed, scales, moments):
    """Take up the deals of one pair, in their order, per thread.

    Operation by operation as in `mutua.kernels.label_permutation`. The first value of a deal
    becomes its standardized difference.
    """
    for pair in range(cuda.grid(1), values.shape[2], cuda.gridsize(1)):
        mean = moments[0, pair]
        squares = moments[1, pair]
        cubes = moments[2, pair]
        above = moments[3, pair]
        below = moments[4, pair]
        for deal in range(values.shape[0] // (2 * n_versions)):
            first = 2 * deal * n_versions
            value = _less_shuffled(values, first, n_versions, pair) - _less_shuffled(
                values, first + n_versions, n_versions, pair
            )
            if negated:
                value = -value
            mean, squares, cubes = with_value(mean, squares, cubes, before + deal + 1, value)
            if value >= observed[pair]:
                above += 1.0
            if value <= observed[pair]:
                below += 1.0
            distance = math.fabs(value - scales[0, pair])
            if scales[1, pair] != 0.0:
                distance /= scales[1, pair]
            elif distance > 0.0:
                distance = math.inf
            values[first, 0, pair] = distance
        moments[0, pair] = mean
        moments[1, pair] = squares
        moments[2, pair] = cubes
        moments[3, pair] = above
        moments[4, pair] = below


@functools.cache
def _maxima_kernel(threads: int) -> Any:
    """Make the kernel that finds the maximum of a deal with a block of so many threads."""

    @cuda.jit(cache=True)
    def maxima_of_deals(values, per_deal, before, maxima):
        largest = cuda.shared.array(threads, types.float64)
        thread = cuda.threadIdx.x
        for deal in range(cuda.blockIdx.x, values.shape[0] // per_deal, cuda.gridDim.x):
            best = 0.0
            for pair in range(thread, values.shape[2], threads):
                value = values[deal * per_deal, 0, pair]
                if value > best:  # never NaN
                    best = value
            largest[thread] = best
            find_largest(largest, thread)
            if thread == 0:
                maxima[before + deal] = largest[0]

    return maxima_of_deals
