"""Run kernels for CUDA up to their launch: each is typed and lowered for the arguments it gets.

For a process of its own, without numba's simulator, which runs Python and knows no types. Nothing
is computed; arrays on the GPU are zeros in memory. Neither a GPU nor the CUDA toolkit is needed, as
the last steps of the compiler, from LLVM to the code of a GPU, are left out.

``python -m tests.kernels.cuda.typed_launches`` prints what was typed, one kernel a line, with the
bytes of shared memory that its blocks take.
"""

from __future__ import annotations

import re
import types as python_types
from typing import Any

import numpy as np
from numba import cuda, types
from numba.cuda import compiler, dispatcher

COMPUTE_CAPABILITY = (9, 0)
SHARED_BYTES = 48 * 1024
MOST_THREADS = 1024

_WIDTHS = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "float": 4, "double": 8}

typed: dict[tuple[str, Any], int] = {}


class OnDevice(np.ndarray):
    """An array that stands for one on the GPU."""

    def copy_to_host(self, ary: Any = None, stream: Any = 0) -> Any:
        """Give the values, or fill an array with them."""
        if ary is None:
            return np.array(self)
        assert ary.shape == self.shape
        assert ary.dtype == self.dtype
        ary[...] = self
        return ary

    def copy_to_device(self, ary: Any, stream: Any = 0) -> None:
        """Take values over."""
        assert ary.shape == self.shape
        assert ary.dtype == self.dtype
        self[...] = ary


class Nothing:
    """A stream or an event."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_, **__: None


def on_device(shape: Any, dtype: Any = np.float64, *_: Any, **__: Any) -> OnDevice:
    return np.zeros(shape, dtype).view(OnDevice)


def sent(values: Any, stream: Any = 0, **_: Any) -> OnDevice:
    values = np.asarray(values)
    assert values.flags.c_contiguous, "numba would send it in another order"
    return values.copy().view(OnDevice)


def launch(kernel: Any, blocks: Any, threads: Any, stream: Any = 0, shared: int = 0) -> Any:
    """Give what takes the arguments of a kernel and types it for them."""
    assert 1 <= int(np.prod(threads)) <= MOST_THREADS, threads
    assert 1 <= int(np.prod(blocks)) < 2**31, blocks
    assert shared == 0

    def with_arguments(*arguments: Any) -> None:
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                assert isinstance(argument, OnDevice), "an array of the host"
        given = tuple(
            kernel.typeof_pyval(np.asarray(one) if isinstance(one, np.ndarray) else one)
            for one in arguments
        )
        name = kernel.py_func.__qualname__.rpartition(".")[2]
        if (name, (id(kernel), given)) in typed:
            return
        done = compiler.compile_cuda(kernel.py_func, types.void, given, cc=COMPUTE_CAPABILITY)
        size = shared_bytes(str(done.library.get_llvm_str()))
        assert size <= SHARED_BYTES, (name, size)
        typed[name, (id(kernel), given)] = size

    return with_arguments


def shared_bytes(llvm: str) -> int:
    """Add up the arrays in shared memory."""
    total = 0
    for count, width in re.findall(r"addrspace\(3\) global \[(\d+) x (\w+)\]", llvm):
        total += int(count) * _WIDTHS[width]
    return total


def replace_the_gpu() -> None:
    """Put all that needs a GPU out of the way."""
    from mutua.kernels import devices

    device = python_types.SimpleNamespace(compute_capability=COMPUTE_CAPABILITY)
    dispatcher.get_current_device = lambda: device
    dispatcher.CUDADispatcher.__getitem__ = lambda self, config: launch(self, *config)
    cuda.device_array, cuda.pinned_array, cuda.to_device = on_device, on_device, sent
    cuda.device_array_like = lambda array: on_device(array.shape, array.dtype)
    cuda.stream = cuda.event = Nothing
    cuda.synchronize = lambda: None
    devices._numba_lacks = lambda: ""
    devices.free_memory = lambda: None


def position_kernels() -> None:
    from mutua.kernels.cuda.position_pairs import DevicePairs
    from mutua.kernels.pair_statistics import FIELDS
    from mutua.kernels.sequence_blocks import ArrayBlocks, PositionTask

    random = np.random.default_rng(0)
    weights = random.random(50)
    # In shared memory, in several copies or in slabs, and in global memory; all types of codes.
    for k, size in ((1, 4), (3, 4), (4, 4), (6, 4), (1, 254), (2, 20)):
        source = ArrayBlocks(random.integers(0, size, (50, 2 * k + 1), dtype=np.uint8), 20)
        for given in (None, weights):
            task = PositionTask(source, k, size, 5.0, given)
            pairs = DevicePairs(task)
            pairs.observed(np.empty((len(FIELDS), task.n_pairs)))
            pairs.permuted(7, 0, np.empty((2, 1, task.n_pairs)))
            for corrected in (False, True):
                made = {"normalize": corrected, "apc": corrected}
                pairs.moments(7, np.zeros(task.n_pairs), 3, 2, **made)


def label_kernels() -> None:
    from mutua.kernels.label_permutation import label_permutation
    from mutua.kernels.pooled_sequences import PooledSets
    from mutua.kernels.sequence_blocks import ArrayBlocks

    random = np.random.default_rng(0)
    for k, given in ((1, (None, None)), (6, (random.random(30), random.random(20)))):
        sources = [
            ArrayBlocks(random.integers(0, 4, (n, 2 * k + 1), dtype=np.uint8), 20) for n in (30, 20)
        ]
        sets = PooledSets(*sources, k, 4, 5.0, *given)
        with np.errstate(invalid="ignore"):
            label_permutation(sets, n_permutations=3, n_shuffles=2, device="cuda")


def knn_kernels() -> None:
    from mutua.kernels.knn_mi import knn_mi
    from mutua.kernels.knn_null import knn_null

    random = np.random.default_rng(0)
    for n, k in ((50, 3), (50, 20), (5_000, 1)):
        x, y = random.standard_normal((n, 3)), random.standard_normal((n, 2))
        knn_mi(x, y, n_neighbors=k, device="cuda")
        orders = np.stack([random.permutation(n) for _ in range(3)])
        for stop in (None, 2):
            observed = np.ones((3, 2))
            knn_null(x, y, observed, orders, n_neighbors=k, stop=stop, device="cuda")


def spin_kernels() -> None:
    from mutua.kernels.cuda.spin_sweeps import CudaChains
    from mutua.kernels.spin_problem import Network
    from mutua.kernels.spin_states import count_states
    from mutua.kernels.threads import Workers

    states = np.random.default_rng(0).integers(-1, 2, (60, 4)).astype(np.int8)
    data = count_states(states, np.repeat([0, 1, 2], 20), n_conditions=3)
    chains = CudaChains(data, n_chains=5, seed=0, workers=Workers(1))
    at = Network(np.zeros((4, 4)), np.zeros((4, 3)))
    chains.draw(at, n_draws=2, every=2, burn_in=3)
    chains.average(at, n_sweeps=2, burn_in=3)


def main() -> None:
    replace_the_gpu()
    for kernels in (position_kernels, label_kernels, knn_kernels, spin_kernels):
        kernels()
    for (name, _), size in typed.items():
        print(f"{name} {size}")


if __name__ == "__main__":
    main()
