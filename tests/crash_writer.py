"""Writes to a store until it is killed; one fork for every kill, so that imports are paid once.

Started by `test_store_crash.py`. Every line of standard input starts one writer: a mode, the path
and a number. What the writer says goes to standard output, then its process id stands there.
"""

import itertools
import os
import signal
import sys
import tempfile

import dask
import dask.array as da
import numpy as np

import mutua as mt

CHANGES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "shutil.rmtree"}


def elements(number: int) -> dict:
    """Two elements that belong together, one of them written by several threads."""
    bulk = da.full(900 + number % 5, number, chunks=300, dtype=np.int64)
    return {
        "counter": mt.Table.build(n=np.array([number])),
        "bulk": mt.Table.build(x=bulk),
    }


def write_without_end(path: str, first: int) -> None:
    """Commit one number after the other and say so after each."""
    study = mt.open(path)
    for number in itertools.count(first):
        study.update(elements(number))
        say(f"done {number}")


def die_at_change(path: str, number: int) -> None:
    """Make one small commit, killed before its n-th change of the file system."""
    seen = itertools.count(1)

    def watch(event: str, arguments: tuple) -> None:
        if event in CHANGES and str(arguments[0]).startswith(path):
            written = event != "open" or arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if written and next(seen) == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    mt.open(path)["counter"] = mt.Table.build(n=np.array([1]))
    say("done 1")


def write_first(path: str, number: int) -> None:
    """Make a store where there is none."""
    mt.Analysis(elements(number)).write(path)
    say(f"done {number}")


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


if __name__ == "__main__":
    modes = {"endless": write_without_end, "change": die_at_change, "first": write_first}
    # Everything is imported and built now; no threads of dask, which would not survive a fork.
    with tempfile.TemporaryDirectory() as folder, dask.config.set(scheduler="synchronous"):
        mt.Analysis(elements(0)).write(f"{folder}/warm.zarr")
        mt.open(f"{folder}/warm.zarr").validate(deep=True)
    say("ready")
    for line in sys.stdin:
        mode, path, number = line.split()
        writer = os.fork()
        if writer == 0:
            sys.stdin.close()
            modes[mode](path, int(number))
            os._exit(0)
        say(f"pid {writer}")
        os.waitpid(writer, 0)
        say("dead")
