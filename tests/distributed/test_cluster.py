"""What runs on workers: when, one at a time, under which settings, and what its errors say."""

from __future__ import annotations

import importlib.metadata
import itertools
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import dask
import dask.array as da
import numpy as np
import pytest

import mutua as mt
from mutua._cluster import ForWorkers, computed, current_client, in_order
from mutua.errors import MissingDependency
from mutua.settings import available_threads

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def threads() -> Iterator[Any]:
    """A cluster of one worker, with three threads in this process."""
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=3, processes=False, dashboard_address=":0"
    ) as running:
        yield running


def test_a_client_that_is_open() -> None:
    assert current_client() is None


def test_the_client_that_dask_computes_with(threads: Any) -> None:
    with distributed.Client(threads) as client:
        assert current_client() is client
        with dask.config.set(scheduler="threads"):
            assert current_client() is None
        assert client.submit(lambda: current_client() is None, pure=False).result()
    assert current_client() is None
    with distributed.Client(threads, set_as_default=False):
        assert current_client() is None


def test_functions_run_one_at_a_time_on_all_threads(threads: Any) -> None:
    def spend(number: int) -> tuple[float, float, int, int]:
        start = time.monotonic()
        time.sleep(0.05)
        return start, time.monotonic(), available_threads(), mt.settings.memory

    with distributed.Client(threads):
        before = mt.settings.memory
        mt.settings.memory = 5 * 2**20
        try:
            found = sorted(in_order(spend, [(number,) for number in range(4)]))
        finally:
            mt.settings.memory = before
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(found))
    assert {item[2] for item in found} == {min(3, available_threads())}
    assert {item[3] for item in found} == {5 * 2**20}
    assert mt.settings.threads is None


def test_the_settings_are_no_part_of_a_name() -> None:
    before = dask.base.tokenize(ForWorkers(np.sum))
    assert before == dask.base.tokenize(ForWorkers(np.sum, {"memory": 1}))
    assert before != dask.base.tokenize(ForWorkers(np.mean))


def test_here_a_function_is_only_called() -> None:
    assert ForWorkers(lambda: mt.settings.threads, {"threads": 77})() is None


def test_parts_come_in_order(threads: Any, capsys: pytest.CaptureFixture[str]) -> None:
    call = dask.delayed(lambda number: (time.sleep(0.05 / (1 + number)), number)[1], pure=False)
    mt.settings.progress = True
    try:
        with distributed.Client(threads):
            assert list(computed([call(number) for number in range(4)], "numbers")) == [0, 1, 2, 3]
    finally:
        mt.settings.progress = None
    assert "100% Completed" in capsys.readouterr().out


def test_warnings_reach_the_caller(client: Any) -> None:
    def uneasy(number: int) -> int:
        if number == 1:
            warnings.warn("sequence 1 is odd", UserWarning, stacklevel=1)
        return number

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert list(in_order(uneasy, [(0,), (1,)])) == [0, 1]
        deadline = time.monotonic() + 20
        while not said and time.monotonic() < deadline:
            time.sleep(0.02)  # it comes by its own way
    assert [str(item.message) for item in said] == ["sequence 1 is odd"]


def test_an_error_says_of_which_block(threads: Any) -> None:
    with distributed.Client(threads), pytest.raises(ZeroDivisionError) as caught:
        list(in_order(lambda number: 1 // (2 - number), [(0,), (1,), (2,), (3,)]))
    assert caught.value.__notes__ == ["in block 2, on a worker of the dask cluster"]


@pytest.mark.parametrize(
    ("there", "what"), [(None, "has no mutua"), ("0.0.1", r"has mutua 0\.0\.1")]
)
def test_workers_without_mutua(
    threads: Any, monkeypatch: pytest.MonkeyPatch, there: str | None, what: str
) -> None:
    """As dask waits for them for ever, this is found out before anything is sent."""
    known = importlib.metadata.version

    def version(name: str) -> str:
        if threading.current_thread() is threading.main_thread():
            return known(name)
        if there is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return there

    monkeypatch.setattr(importlib.metadata, "version", version)
    codes = da.zeros((10, 8), np.uint8, chunks=(5, 8))
    lazy = mt.SequenceSet.build(codes=codes, alphabet="ACGT")
    with distributed.Client(threads):
        for call in (
            lambda: mt.tl.position_mi(lazy, k=1),
            lambda: mt.tl.predict(lazy, lambda texts: [1.0] * len(texts), encoding="text"),
        ):
            with pytest.raises(MissingDependency, match=what + ". Install mutua"):
                call()
