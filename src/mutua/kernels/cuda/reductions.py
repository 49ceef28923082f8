"""What the threads of a block have between them, each a number in shared memory.

There are as many threads as numbers, a power of 2, and all of them call these functions. What the
first number is then, the first thread may read at once and others after a barrier. Who changes
them has to touch the files that call them: numba keeps compiled kernels until these change.
"""

from __future__ import annotations

from numba import cuda

__all__ = ["add_up", "find_largest"]


@cuda.jit(device=True)
def add_up(values, thread):
    """Leave the sum in the first number."""
    cuda.syncthreads()
    half = values.shape[0] >> 1
    while half > 0:
        if thread < half:
            values[thread] += values[thread + half]
        cuda.syncthreads()
        half >>= 1


@cuda.jit(device=True)
def find_largest(values, thread):
    """Leave the largest in the first number."""
    cuda.syncthreads()
    half = values.shape[0] >> 1
    while half > 0:
        if thread < half and values[thread + half] > values[thread]:
            values[thread] = values[thread + half]
        cuda.syncthreads()
        half >>= 1
