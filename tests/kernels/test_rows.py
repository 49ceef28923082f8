"""Every row is visited once, in order, whatever the number of threads."""

from itertools import chain

import pytest

from mutua.kernels.rows import over_rows
from mutua.settings import settings


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("n_rows", [0, 1, 15, 16, 17, 1000])
def test_every_row_once_in_order(monkeypatch, threads, n_rows):
    monkeypatch.setattr(settings, "threads", threads)
    ranges = over_rows(lambda start, stop: list(range(start, stop)), n_rows)
    assert list(chain.from_iterable(ranges)) == list(range(n_rows))


def test_an_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(settings, "threads", 2)

    def kernel(start: int, stop: int) -> None:
        if start:
            raise RuntimeError(f"rows from {start}")

    with pytest.raises(RuntimeError, match="rows from"):
        over_rows(kernel, 100)
