"""What is made of the mutual information of permutations, on the GPU.

Operation by operation as `mutua.kernels.position_mi.normalized_mi` and `average_product` do it for
one permutation on the CPU, so that the bits are the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from mutua.kernels.cuda.launches import n_blocks, n_threads
from mutua.kernels.cuda.position_columns import empty
from mutua.kernels.cuda.position_entropies import product
from mutua.kernels.pair_statistics import ENTROPY_JOINT, MI, n_pairs

__all__ = ["AverageProduct", "divide_by_joint_entropy"]

THREADS = 256


def divide_by_joint_entropy(values: Any) -> None:
    """Normalize the mutual information in `values` (n, n_fields, n_pairs) of permutations."""
    _launch(_divide, values.shape[0] * values.shape[2], values)


class AverageProduct:
    """The average product correction of permutations that come one after another.

    Parameters
    ----------
    n_positions, k
        Pairs are those of so many positions, `k` or more apart.
    """

    def __init__(self, n_positions: int, k: int) -> None:
        self._n_positions = n_positions
        self._k = k
        self._subtracted = cuda.to_device(np.zeros(n_pairs(n_positions, k)))

    def subtract_from(self, values: Any) -> None:
        """Correct the mutual information in `values` (n, n_fields, n_pairs) of permutations."""
        shape = len(values), self._n_positions
        sums, n_known = empty(shape, np.float64), empty(shape, np.int64)
        overall = empty(shape[0], np.float64)
        _launch(_add_up_positions, sums.size, values, self._k, sums, n_known)
        _launch(_find_means, len(values), sums, n_known, overall)
        _launch(
            _subtract,
            self._n_positions**2,
            *(values, self._k, sums, n_known, overall, self._subtracted),
        )

    def subtracted(self) -> NDArray[np.float64]:
        """Give the sums (n_pairs,) over the permutations of what was subtracted."""
        return self._subtracted.copy_to_host()


def _launch(kernel: Any, n_items: int, *arguments: Any) -> None:
    """Launch a kernel with a thread for each of so many items."""
    threads = n_threads(n_items, THREADS)
    kernel[n_blocks(-(-n_items // threads)), threads](*arguments)


@cuda.jit(cache=True)
def _divide(values):
    """Divide one mutual information by its joint entropy, per thread; 0 where nothing varies."""
    n_pairs = values.shape[2]
    for number in range(cuda.grid(1), values.shape[0] * n_pairs, cuda.gridsize(1)):
        permutation = number // n_pairs
        pair = number % n_pairs
        joint = values[permutation, ENTROPY_JOINT, pair]
        if joint == 0.0:
            values[permutation, MI, pair] = 0.0
        else:
            values[permutation, MI, pair] /= joint


@cuda.jit(cache=True)
def _add_up_positions(values, k, sums, n_known):
    """Add up the pairs of one position in one permutation, in the order of the others, per thread.

    Parameters
    ----------
    sums, n_known
        (n, n_positions) float64 and int64, filled: the sum of the values and how many there are.
    """
    n_positions = sums.shape[1]
    for number in range(cuda.grid(1), sums.shape[0] * n_positions, cuda.gridsize(1)):
        permutation = number // n_positions
        position = number % n_positions
        total = 0.0
        n = 0
        for other in range(n_positions):
            i = min(position, other)
            j = max(position, other)
            if j - i < k:
                continue
            value = values[permutation, MI, (j - k) * (j - k + 1) // 2 + i]
            if not math.isnan(value):
                total += value
                n += 1
        sums[permutation, position] = total
        n_known[permutation, position] = n


@cuda.jit(cache=True)
def _find_means(sums, n_known, overall):
    """Find the mean of all pairs of one permutation per thread."""
    for permutation in range(cuda.grid(1), sums.shape[0], cuda.gridsize(1)):
        total = 0.0
        n = 0
        for position in range(sums.shape[1]):
            total += sums[permutation, position]
            n += n_known[permutation, position]
        overall[permutation] = total / max(n, 1)


@cuda.jit(cache=True)
def _subtract(values, k, sums, n_known, overall, subtracted):
    """Subtract the average product from one pair in all permutations, in their order, per thread.

    Parameters
    ----------
    subtracted
        (n_pairs,) float64, to which it is added.
    """
    n_positions = sums.shape[1]
    for number in range(cuda.grid(1), n_positions * n_positions, cuda.gridsize(1)):
        j = number // n_positions
        i = number % n_positions
        if j - i < k:
            continue
        pair = (j - k) * (j - k + 1) // 2 + i
        added = subtracted[pair]
        for permutation in range(values.shape[0]):
            value = values[permutation, MI, pair]
            if math.isnan(value):
                added += value
                continue
            if overall[permutation] != 0.0:
                mean_i = sums[permutation, i] / max(n_known[permutation, i], 1)
                mean_j = sums[permutation, j] / max(n_known[permutation, j], 1)
                expected = product(mean_j, mean_i) / overall[permutation]
                values[permutation, MI, pair] = value - expected
                added += expected
        subtracted[pair] = added
