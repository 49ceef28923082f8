"""Every row is visited once, in order, whatever the number of threads."""

import threading
from itertools import chain

import numpy as np
import pytest

from mutua.kernels.rows import over_rows
from mutua.kernels.threads import Workers
from mutua.settings import settings


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n_rows", [0, 1, 15, 16, 17, 1000])
def test_every_row_once_in_order(monkeypatch, threads, n_rows):
    monkeypatch.setattr(settings, "threads", threads)
    for row_cost in (0.5, 1e5, 1e9):
        ranges = over_rows(lambda start, stop: list(range(start, stop)), n_rows, row_cost=row_cost)
        assert list(chain.from_iterable(ranges)) == list(range(n_rows))


def test_small_jobs_start_no_threads(monkeypatch):
    monkeypatch.setattr(settings, "threads", 2)

    def here(start: int, stop: int) -> str:
        return threading.current_thread().name

    assert over_rows(here, 1000, row_cost=1) == [threading.current_thread().name]
    names = over_rows(here, 1000, row_cost=1e5)
    assert len(names) == 16
    assert all(name.startswith("mutua") for name in names)


def test_arguments_are_handed_on():
    def kernel(start: int, stop: int, values: np.ndarray, scale: int) -> None:
        values[start:stop] *= scale

    values = np.arange(7)
    assert over_rows(kernel, 7, values, 3, row_cost=1) == [None]
    assert values.tolist() == [0, 3, 6, 9, 12, 15, 18]


def test_an_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(settings, "threads", 2)

    def kernel(start: int, stop: int) -> None:
        if start:
            raise RuntimeError(f"rows from {start}")

    with pytest.raises(RuntimeError, match="rows from"):
        over_rows(kernel, 100, row_cost=1e6)


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_of_the_caller_are_used(threads):
    def kernel(start: int, stop: int) -> tuple[int, str]:
        return stop - start, threading.current_thread().name

    with Workers(threads) as workers:
        found = [over_rows(kernel, 100, row_cost=1e6, workers=workers) for _ in range(2)]
    for ranges in found:
        assert sum(size for size, _ in ranges) == 100
        assert all(name.startswith("mutua") == (threads > 1) for _, name in ranges)
