"""How many threads and blocks kernels are launched with."""

from __future__ import annotations

from mutua.kernels.devices import simulated

__all__ = ["n_blocks", "n_threads"]

_FEWEST = 128  # of fewer blocks numba warns, as they leave a GPU idle; those beyond the work end


def n_blocks(wanted: int) -> int:
    """Give the number of blocks; kernels take their work in steps of it."""
    return max(wanted, 1 if simulated() else _FEWEST)


def n_threads(n_items: int, most: int) -> int:
    """Give the number of threads of a block, a power of 2, for so many things to do in it."""
    threads, most = (2, 4) if simulated() else (32, most)  # of Python in the simulator
    while threads < min(n_items, most):
        threads *= 2
    return threads
