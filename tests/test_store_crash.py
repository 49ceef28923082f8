"""A writer killed at any moment leaves the previous or the next state, whole."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import mutua as mt
from mutua.errors import NotAStore

WRITER = Path(__file__).with_name("crash_writer.py")


class Writers:
    """Starts writers one after the other and kills them."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WRITER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._line() == "ready"

    def _line(self) -> str:
        return self.process.stdout.readline().strip()

    def run(
        self,
        mode: str,
        path: Path,
        number: int,
        *,
        seconds: float | None = None,
        at_work: bool = False,
    ) -> list[int]:
        """Start a writer, kill it after some seconds, and give the numbers it had written.

        The seconds count from its start, or from its first commit if `at_work`.
        """
        self.process.stdin.write(f"{mode} {path} {number}\n")
        self.process.stdin.flush()
        lines, process = [self._line()], ""
        while True:
            if lines[-1].startswith("pid"):
                process = lines[-1].removeprefix("pid ")
            at_it = not at_work or any(line.startswith("done") for line in lines)
            if (process and at_it) or lines[-1] == "dead":
                break
            lines.append(self._line())
        if seconds is not None:
            time.sleep(seconds)
            with contextlib.suppress(ProcessLookupError):  # it has finished before
                os.kill(int(process), signal.SIGKILL)
        while lines[-1] != "dead":
            lines.append(self._line())
        return [int(line.split()[1]) for line in lines if line.startswith("done")]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=300)


@pytest.fixture(scope="module")
def writers():
    started = Writers()
    yield started
    started.close()


def state(path):
    """The number that the store holds, once it is known to be whole."""
    study = mt.open(path)
    study.validate(deep=True)
    number = int(study["counter"]["n"].values[0])
    bulk = study["bulk"]["x"].values
    assert bulk.shape == (900 + number % 5,)
    assert (bulk == number).all()
    return number


def clean_up(path):
    """A later writer goes on, and vacuum removes what the killed ones have left."""
    study = mt.open(path)
    study["after"] = mt.Table.build(n=np.array([1]))
    del study["after"]
    study.vacuum()
    study.validate(deep=True)
    folders = {entry.name for entry in path.iterdir() if entry.is_dir()}
    assert folders == {study.path(name) for name in study}
    files = {entry.name for entry in path.iterdir() if entry.is_file()}
    assert files <= {"zarr.json", ".mutua-lock"}


def kill_at_random(writers, path, kills):
    rng = np.random.default_rng(20)
    start = time.perf_counter()
    writers.run("first", path, 0)
    one_commit = time.perf_counter() - start  # however busy the machine is
    last, committed, left = 0, 0, 0
    for kill in range(kills):
        seconds = rng.uniform(0, 2 * one_commit)
        done = writers.run("endless", path, last + 1, seconds=seconds, at_work=kill % 2 == 0)
        now = state(path)
        known = max(done, default=last)
        assert now in (known, known + 1), (done, now)
        committed += now - last
        study = mt.open(path)
        left += len(list(path.glob("*.[0-9]*"))) > len(study) or (path / ".mutua-draft").exists()
        last = now
        if kill % 5 == 4:
            clean_up(path)
            assert state(path) == last
    assert committed >= kills / 2  # they did write
    assert left > kills / 4  # and were killed while they did
    clean_up(path)


@pytest.mark.slow
def test_ten_kills_at_random_moments(writers, tmp_path):
    kill_at_random(writers, tmp_path / "s.zarr", 10)


@pytest.mark.slow
def test_sixty_kills_at_random_moments(writers, tmp_path):
    kill_at_random(writers, tmp_path / "s.zarr", 60)


@pytest.mark.slow
def test_a_kill_before_every_single_change_of_the_file_system(writers, tmp_path):
    path = tmp_path / "s.zarr"
    both = set()
    for number in range(1, 200):
        mt.Analysis({"counter": mt.Table.build(n=np.array([0]))}).write(path, overwrite=True)
        done = writers.run("change", path, number)
        study = mt.open(path)
        study.validate(deep=True)
        value = int(study["counter"]["n"].values[0])
        assert value in (0, 1)
        both.add(value)
        if number % 10 == 0:
            clean_up(path)
        if done:
            break
    assert value == 1
    assert both == {0, 1}
    assert number > 12  # lock, folders, metadata, chunk, manifest, index


@pytest.mark.slow
def test_a_first_write_killed_at_random_moments(writers, tmp_path):
    rng = np.random.default_rng(21)
    seen = set()
    for kill in range(10):
        path = tmp_path / f"{kill}.zarr"
        writers.run("first", path, kill, seconds=rng.uniform(0, 0.1) if kill else 0)
        try:
            assert state(path) == kill
            seen.add("whole")
        except NotAStore:
            seen.add("nothing")
        mt.Analysis({"other": mt.Table.build(n=np.array([1]))}).write(path, overwrite=True)
        mt.open(path).vacuum()
        mt.open(path).validate(deep=True)
        assert [e.name for e in path.iterdir() if e.is_dir()] == [mt.open(path).path("other")]
    assert "nothing" in seen
