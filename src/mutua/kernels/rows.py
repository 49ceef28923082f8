"""Run a compiled kernel over ranges of rows, on all available threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mutua.kernels.threads import Workers
from mutua.settings import available_threads

__all__ = ["over_rows"]


_WORTH_THREADS = 2e6
_RANGE = 2.5e5


def over_rows(
    kernel: Callable[..., Any],
    n_rows: int,
    *arguments: Any,
    row_cost: float,
    workers: Workers | None = None,
) -> list[Any]:
    """Run ``kernel(start, stop, *arguments)`` over ranges of rows, on all available threads.

    The kernel must release the GIL (``njit(nogil=True)``) and treat every row by itself, so that
    the result cannot depend on where the ranges begin. Ranges are small, for rows may differ in
    cost; what takes less than some milliseconds runs on the calling thread, as starting others
    would take longer.

    Parameters
    ----------
    kernel
        The function to run.
    n_rows
        Number of rows.
    *arguments
        What else the kernel takes.
    row_cost
        Roughly how many nanoseconds a row takes on one thread.
    workers
        Threads to run on, where the caller has some; by default new ones.

    Returns
    -------
    list
        What the kernel returned for each range, in the order of the rows.

    Examples
    --------
    >>> over_rows(lambda start, stop, scale: scale * (stop - start), 5, 10, row_cost=1)
    [50]
    """
    threads = available_threads() if workers is None else workers.n_threads
    cost = n_rows * row_cost
    few = threads == 1 or cost < _WORTH_THREADS
    n_ranges = 1 if few else min(8 * threads, int(cost / _RANGE))
    starts = range(0, n_rows, max(1, -(-n_rows // n_ranges)))
    step = starts.step
    if len(starts) <= 1:
        return [kernel(start, n_rows, *arguments) for start in starts]
    tasks = [(start, min(start + step, n_rows), *arguments) for start in starts]
    if workers is not None:
        return workers.run(kernel, tasks)
    with Workers(threads) as own:
        return own.run(kernel, tasks)
