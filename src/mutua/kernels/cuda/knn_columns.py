"""Sorted columns on the GPU."""

from __future__ import annotations

from typing import Any

from numba import cuda

from mutua.kernels.cuda.launches import n_blocks, n_threads

__all__ = ["sort_columns"]

_THREADS = 512


def sort_columns(values: Any) -> Any:
    """Sort columns in place and give which sample each value is of.

    Parameters
    ----------
    values
        (n_columns, n_samples) float64 on the GPU, without NaN. Equal values keep their order.

    Returns
    -------
    device array
        (n_columns, n_samples) int32.
    """
    samples = cuda.device_array(values.shape, "int32")
    threads = n_threads(values.shape[1], _THREADS)
    _sort[n_blocks(values.shape[0]), threads](values, samples)
    return samples


@cuda.jit(cache=True)
def _sort(values, samples):
    """Sort every column by a block of threads: Batcher's bitonic network.

    The first step of every merge compares mirrored places, so that all comparisons put the lesser
    value first. Places from n_samples on, up to a power of 2, then hold infinity, as it were, which
    nothing moves: comparisons with them are left out.
    """
    n = values.shape[1]
    n_comparisons = 1
    while 2 * n_comparisons < n:
        n_comparisons *= 2
    for column in range(cuda.blockIdx.x, values.shape[0], cuda.gridDim.x):
        for i in range(cuda.threadIdx.x, n, cuda.blockDim.x):
            samples[column, i] = i
        cuda.syncthreads()
        size = 1
        while size < n:
            stride, mask = size, 2 * size - 1
            while stride > 0:
                for number in range(cuda.threadIdx.x, n_comparisons, cuda.blockDim.x):
                    low = 2 * number - (number & (stride - 1))
                    high = low ^ mask
                    if high < n:
                        a, b = values[column, low], values[column, high]
                        of_a, of_b = samples[column, low], samples[column, high]
                        if b < a or (b == a and of_b < of_a):
                            values[column, low], values[column, high] = b, a
                            samples[column, low], samples[column, high] = of_b, of_a
                cuda.syncthreads()
                stride //= 2
                mask = stride
            size *= 2
