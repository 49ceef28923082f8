"""Kernels for CUDA, written with numba: loaded only when one is to run."""

from __future__ import annotations

import sys
import threading

import numpy as np

from mutua.kernels.devices import simulated


def _share_arrays_safely() -> None:
    """Have threads of the simulator that ask for a shared array at one time get the same one.

    numba-cuda 0.30 looks whether a block has it and then makes it, so that two may make two.
    """
    from numba.cuda.simulator import kernelapi

    lock = threading.Lock()

    def array(self, shape, dtype):
        frame = sys._getframe(1)
        place = frame.f_code.co_filename, frame.f_lineno
        if isinstance(dtype, kernelapi.types.Type):
            dtype = kernelapi.numpy_support.as_dtype(dtype)
        with lock:
            if place not in self._allocations:
                self._allocations[place] = np.empty(shape, dtype)
            return self._allocations[place]

    kernelapi.FakeCUDAShared.array = array


if simulated():
    _share_arrays_safely()
