"""Sums of digammas of pairs of columns on the GPU, a block of threads for every pair and order.

The samples of a pair are sorted by the one column. From each of its samples a thread walks down
and up in that order until what lies beyond is too far away in this column alone. The lanes of a
warp have samples side by side, so that at every step they read numbers side by side. Neighbours
are found, and counted in the sorted columns, by comparing the same differences as on the CPU, and
the sums are of whole numbers: they are the same.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from numba import cuda, float64, int64, uint64

from mutua.kernels.cuda.launches import n_blocks, n_threads
from mutua.kernels.cuda.reductions import add_up
from mutua.kernels.knn_counts import LEAST

__all__ = ["pair_sums", "work_bytes"]

_IN_SHARED = 4096  # samples whose values fit into shared memory; those of more are in global memory
_THREADS = 256  # which may have 255 registers each, the most there are
_BLOCKS = 16_384
_WORK_BYTES = 2**30


def work_bytes(n_samples: int) -> int:
    """Give the bytes of global memory that `pair_sums` works in."""
    return 0 if n_samples <= _IN_SHARED else 8 * n_samples * _n_workers(n_samples)


def pair_sums(
    own: tuple[Any, Any],
    others: tuple[Any, Any],
    pairs: tuple[Any, Any],
    orders: Any,
    n_neighbors: int,
    table: Any,
) -> Any:
    """Give sums of digammas of both counts over all samples.

    Parameters
    ----------
    own
        (n_own, n_samples) sorted columns and, int32, which sample each of their values is of.
    others
        (n_others, n_samples) columns as they are, and sorted.
    pairs
        Which of `own` and which of `others`, both (n_pairs,) int32.
    orders
        (n_orders, n_samples) int32: which value of `others` each sample has.
    n_neighbors
        Number of neighbours. Every thread keeps their distances, in registers where they are few.
    table
        (n_samples + 1,) int64 digammas by count.

    Returns
    -------
    device array
        (n_orders, n_pairs) int64; as all arguments, on the GPU.
    """
    n_orders, n_samples = orders.shape
    n_pairs = pairs[0].shape[0]
    sums = cuda.device_array((n_orders, n_pairs), "int64")
    n_workers = min(n_orders * n_pairs, _n_workers(n_samples))
    if n_samples <= _IN_SHARED:  # no more of it than needed, for more blocks at a time
        capacity, work = _power_of_two(n_samples), cuda.device_array((1, 1), "float64")
    else:
        capacity, work = 0, cuda.device_array((n_workers, n_samples), "float64")
    threads = n_threads(n_samples, _THREADS)
    kernel = _kernel(n_neighbors, threads, capacity)
    kernel[n_blocks(n_workers), threads](
        *own, *others, *pairs, orders, table, work, n_workers, sums
    )
    return sums


def _n_workers(n_samples: int) -> int:
    """Give how many blocks work at most."""
    return (
        _BLOCKS if n_samples <= _IN_SHARED else max(1, min(_BLOCKS, _WORK_BYTES // 8 // n_samples))
    )


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


@functools.cache
def _kernel(n_neighbors: int, threads: int, capacity: int) -> Any:
    """Give the kernel for so many neighbours, threads of a block, and samples in shared memory."""
    infinity = math.inf
    least = LEAST
    in_shared = capacity > 0
    size = max(1, capacity)

    @cuda.jit(device=True)
    def reach_with(nearest, apart, across, reach):
        """Take up a sample that is less than `reach` apart; give how far neighbours are now."""
        distance = across if across > apart else apart
        if distance < reach:
            for place in range(n_neighbors):
                held = nearest[place]
                if distance < held:
                    nearest[place] = distance
                    distance = held
            reach = nearest[n_neighbors - 1]
            if reach < least:
                reach = least
        return reach

    @cuda.jit(device=True)
    def first_within(values, centre, reach, low, high):
        """Give the first place from `low` to `high` whose value is less than `reach` below."""
        while low < high:
            middle = (low + high) >> 1
            if centre - values[uint64(middle)] < reach:
                high = middle
            else:
                low = middle + 1
        return low

    @cuda.jit(device=True)
    def end_within(values, centre, reach, low, high):
        """Give the place after the last whose value is less than `reach` above."""
        while low < high:
            middle = (low + high) >> 1
            if values[uint64(middle)] - centre < reach:
                low = middle + 1
            else:
                high = middle
        return low

    @cuda.jit(cache=True)
    def sum_pairs(
        own_sorted,
        own_samples,
        others,
        others_sorted,
        own_of,
        other_of,
        orders,
        table,
        work,
        n_workers,
        sums,
    ):
        n = own_sorted.shape[1]
        n_orders = orders.shape[0]
        n_items = own_of.shape[0] * n_orders
        thread = cuda.threadIdx.x
        partial = cuda.shared.array(threads, int64)
        nearest = cuda.local.array(n_neighbors, float64)
        z_in_shared = cuda.shared.array(size, float64)
        first = cuda.blockIdx.x
        if first >= n_workers:
            first = n_items
        for item in range(first, n_items, n_workers):
            pair = item // n_orders
            order = item - pair * n_orders
            x = own_sorted[own_of[pair]]
            samples = own_samples[own_of[pair]]
            y = others[other_of[pair]]
            y_sorted = others_sorted[other_of[pair]]
            row = orders[order]
            z = z_in_shared if in_shared else work[cuda.blockIdx.x]
            for i in range(thread, n, threads):
                z[i] = y[row[samples[i]]]
            cuda.syncthreads()
            total = int64(0)
            for i in range(thread, n, threads):
                here = x[i]
                level = z[i]
                for place in range(n_neighbors):
                    nearest[place] = infinity
                reach = infinity
                low = i - 1
                high = i + 1
                down = low >= 0
                up = high < n
                # Unsigned, as an index that may be negative takes twice the instructions.
                while down or up:
                    if down:
                        apart = here - x[uint64(low)]
                        down = apart < reach
                        if down:
                            reach = reach_with(nearest, apart, abs(z[uint64(low)] - level), reach)
                            low -= 1
                            down = low >= 0
                    if up:
                        apart = x[uint64(high)] - here
                        up = apart < reach
                        if up:
                            reach = reach_with(nearest, apart, abs(z[uint64(high)] - level), reach)
                            high += 1
                            up = high < n
                # What was not walked past is too far away, so is not counted.
                n_x = end_within(x, here, reach, i, high) - first_within(x, here, reach, low + 1, i)
                n_y = end_within(y_sorted, level, reach, 0, n) - first_within(
                    y_sorted, level, reach, 0, n
                )
                total += table[n_x] + table[n_y]
            partial[thread] = total
            add_up(partial, thread)
            if thread == 0:
                sums[order, pair] = partial[0]

    return sum_pairs
