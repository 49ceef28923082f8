"""Run a compiled kernel over ranges of rows, on all available threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mutua.settings import available_threads

__all__ = ["over_rows"]


def over_rows(kernel: Callable[..., Any], n_rows: int, *arguments: Any) -> list[Any]:
    """Run ``kernel(start, stop, *arguments)`` over ranges of rows, on all available threads.

    The kernel must release the GIL (``njit(nogil=True)``) and treat every row by itself, so that
    the result cannot depend on where the ranges begin. Ranges are small, for rows may differ in
    cost.

    Returns
    -------
    list
        What the kernel returned for each range, in the order of the rows.

    Examples
    --------
    >>> over_rows(lambda start, stop, scale: scale * (stop - start), 5, 10)
    [50]
    """
    threads = available_threads()
    step = n_rows if threads == 1 else max(16, -(-n_rows // (8 * threads)))
    starts = range(0, n_rows, max(step, 1))
    if len(starts) <= 1:
        return [kernel(start, n_rows, *arguments) for start in starts]
    with ThreadPoolExecutor(threads, thread_name_prefix="mutua") as pool:
        tasks = [
            pool.submit(kernel, start, min(start + step, n_rows), *arguments) for start in starts
        ]
        return [task.result() for task in tasks]
