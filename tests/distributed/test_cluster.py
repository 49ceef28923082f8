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
from mutua import _cluster
from mutua._cluster import ForWorkers, computed, current_client, in_order
from mutua.errors import InvalidInput, MissingDependency
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
    printed = capsys.readouterr()
    assert "numbers:" in printed.err
    assert "/4 [" in printed.err
    assert not printed.out


def test_workers_of_this_process_leave_warnings_alone() -> None:
    """The filters are those of the process: two that changed them at one time would lose them."""

    def slow(number: int) -> int:
        warnings.warn(f"number {number}", RuntimeWarning, stacklevel=1)
        time.sleep(0.01 * (number % 3))
        return number

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as two,
        distributed.Client(two),
        warnings.catch_warnings(record=True) as said,
    ):
        warnings.simplefilter("always")
        shown = warnings._showwarnmsg_impl  # type: ignore[attr-defined]
        assert list(in_order(slow, [(number,) for number in range(8)])) == list(range(8))
        assert warnings._showwarnmsg_impl is shown  # type: ignore[attr-defined]
        assert len([item for item in said if str(item.message).startswith("number ")]) == 8


def test_what_cannot_be_sent_is_refused(threads: Any) -> None:
    lock = threading.Lock()

    def model(batch: Any) -> Any:
        with lock:
            return batch[:, 0, :1]

    codes = da.zeros((10, 8), np.uint8, chunks=(5, 8))
    lazy = mt.SequenceSet.build(codes=codes, alphabet="ACGT")
    assert mt.tl.predict(lazy, model)["prediction"].shape == (10, 1)
    with (
        distributed.Client(threads),
        pytest.raises(InvalidInput, match=r"cannot be sent to the workers.*lock") as caught,
    ):
        mt.tl.predict(lazy, model)
    assert caught.value.argument == "model"


def test_workers_that_come_later_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
        ) as few,
        distributed.Client(few) as client,
    ):
        assert current_client() is client
        asked: list[list[str]] = []
        monkeypatch.setattr(_cluster, "_refuse_other_versions", lambda _, new: asked.append(new))
        assert current_client() is client
        assert not asked
        few.scale(2)
        client.wait_for_workers(2, timeout=300)
        assert current_client() is client
        assert [len(new) for new in asked] == [1]


def test_a_cluster_without_workers_says_so() -> None:
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as empty,
        distributed.Client(empty),
        pytest.warns(UserWarning, match="has no workers yet"),
    ):
        current_client()


def test_a_client_closed_in_between_is_not_the_error(threads: Any) -> None:
    client = distributed.Client(threads)
    results = in_order(lambda number: number, [(number,) for number in range(40)])
    assert next(results) == 0
    client.close()
    with pytest.raises(Exception) as caught:
        list(results)
    assert "cancel-keys" not in str(caught.value)


def test_warnings_reach_the_caller(client: Any) -> None:
    def uneasy(number: int) -> int:
        if number == 1:
            warnings.warn("sequence 1 is odd", UserWarning, stacklevel=1)
        return number

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        assert list(in_order(uneasy, [(0,), (1,)])) == [0, 1]
        deadline = time.monotonic() + 60
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
