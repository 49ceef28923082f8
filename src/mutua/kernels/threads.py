"""Run compiled kernels that release the GIL on a bounded number of threads.

A pool of plain threads over ``nogil`` kernels, in place of numba's own parallel loops: it has no
process-wide thread count to set and restore, survives ``fork`` (GNU OpenMP aborts there), may be
entered from several threads at once (numba's workqueue layer may not) and hands out work as
threads become free, so that loops over triangles stay balanced.

Every task writes to places of its own. Results therefore do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from mutua.settings import available_threads

__all__ = ["Workers"]

# Slices of work per thread: more than one, so that a thread that falls behind gets fewer.
SLICES_PER_THREAD = 4


class Workers:
    """A pool of threads, alive for the duration of one public call.

    Parameters
    ----------
    n_threads
        Number of threads, ``available_threads()`` by default. One runs everything in the caller.

    Examples
    --------
    >>> with Workers() as workers:
    ...     workers.run(pow, [(2, 3), (3, 2)])
    [8, 9]
    """

    def __init__(self, n_threads: int | None = None) -> None:
        self.n_threads = available_threads() if n_threads is None else n_threads
        self._pool: ThreadPoolExecutor | None = None

    def __enter__(self) -> Workers:
        if self.n_threads > 1:
            self._pool = ThreadPoolExecutor(self.n_threads, thread_name_prefix="mutua")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def run(self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Call `function` once per tuple of arguments; give what the calls gave, in order."""
        if self._pool is None:
            return [function(*task) for task in tasks]
        futures = [self._pool.submit(function, *task) for task in tasks]
        return [future.result() for future in futures]

    def slices(self, n_tasks: int) -> list[tuple[int, int]]:
        """Cut ``range(n_tasks)`` into interleaved slices, given as (first, step).

        A few slices per thread: the cost of a call is small beside that of a slice, and
        interleaving makes the slices of a triangular loop equally long.
        """
        step = 1 if self.n_threads == 1 else SLICES_PER_THREAD * self.n_threads
        return [(first, step) for first in range(min(step, n_tasks))]
