"""Hold the kernels for GPUs against those for CPUs on this machine, and time them.

    python tools/gpu_check.py              checks and timings at full size, some minutes
    python tools/gpu_check.py --quick      the same at smaller sizes
    python tools/gpu_check.py --simulate   tiny checks without a GPU: kernels of numba run in its
                                           simulator of CUDA, those of torch on the CPU
    python tools/gpu_check.py WORD ...     only what has one of the words in its name

Needs numpy, scipy, numba, numba-cuda and torch, and no other package. Prints tables in Markdown.
Exits with 1 where a kernel disagrees or fails, and with 2 where there is no GPU to check.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.machinery
import os
import platform
import sys
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

REPEATS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="smaller sizes")
    size.add_argument("--simulate", action="store_true", help="tiny checks without a GPU")
    parser.add_argument("words", nargs="*", help="of the names of what to run")
    asked = parser.parse_args(arguments)
    if asked.simulate:
        os.environ["NUMBA_ENABLE_CUDASIM"] = "1"  # numba reads it when it is imported
        # It counts with numbers of numpy, which speak of overflow where random bits want it.
        warnings.filterwarnings("ignore", message="overflow encountered")
    stand_in()
    import gpu_cases
    import gpu_timings

    mode = "simulate" if asked.simulate else "quick" if asked.quick else "full"
    missing = "" if asked.simulate else what_is_missing()
    if missing:
        print(missing, file=sys.stderr)
        return 2
    print(f"{describe(mode)}\n")
    wanted = named(asked.words)
    agreed = check(gpu_cases.CHECKS, mode, wanted)
    agreed &= measure(gpu_timings.TIMINGS, mode, wanted)
    return 0 if agreed else 1


def stand_in() -> None:
    """Do without two packages that only bound threads and draw bars, where they are missing."""

    class NoLimit(contextlib.nullcontext[None]):
        def __init__(self, *_: object, **__: object) -> None:
            super().__init__()

    class NoBar:
        def __init__(self, steps: Any = None, **_: object) -> None:
            self.steps = steps

        def __iter__(self) -> Iterator[Any]:
            return iter(self.steps)

        def __enter__(self) -> NoBar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, n: int = 1) -> None:
            pass

    for name, members in {
        "threadpoolctl": {"threadpool_limits": NoLimit},
        "tqdm": {},
        "tqdm.auto": {"tqdm": NoBar},
    }.items():
        try:
            importlib.import_module(name)
        except ImportError:
            module = types.ModuleType(name)
            module.__spec__ = importlib.machinery.ModuleSpec(name, None)  # torch looks at it
            vars(module).update(members)
            sys.modules[name] = module


def what_is_missing() -> str:
    """Say why nothing can be checked here; nothing if all can."""
    from mutua.errors import DeviceUnavailable
    from mutua.kernels.devices import on_cuda, torch_device

    try:
        on_cuda("cuda")
        torch_device("cuda")
    except DeviceUnavailable as error:
        return f"{error} Or give --simulate."
    return ""


def describe(mode: str) -> str:
    """Give what this machine is."""
    import numba
    import numpy
    import torch

    parts = [f"Python {platform.python_version()}", f"numpy {numpy.__version__}"]
    parts += [f"numba {numba.__version__}", f"torch {torch.__version__}"]
    if mode == "simulate":
        return "Simulated. " + ", ".join(parts)
    device = torch.cuda.get_device_properties(0)
    parts += [f"CUDA {torch.version.cuda}"]
    memory = f"{device.total_memory / 2**30:.0f} GiB"
    return f"{device.name}, {memory}, {os.cpu_count()} CPU cores. " + ", ".join(parts)


def named(words: Sequence[str]) -> Callable[[str], bool]:
    return lambda name: not words or any(word in name for word in words)


# -- checks -------------------------------------------------------------------------------------
def check(checks: Sequence[Any], mode: str, wanted: Callable[[str], bool]) -> bool:
    """Print how far GPU and CPU are apart; tell whether nowhere too far."""
    print("| kernel | what is compared | largest difference | allowed | agrees |")
    print("|---|---|---|---|---|")
    agreed = True
    for name, function in checks:
        if not wanted(name):
            continue
        try:
            for found in function(mode):
                good = found.difference <= found.allowed  # not where it is NaN
                agreed &= good
                cells = [name, found.what, f"{found.difference:.2g}", f"{found.allowed:.2g}"]
                print(f"| {' | '.join(cells)} | {'yes' if good else 'NO'} |", flush=True)
        except Exception as error:
            traceback.print_exc()
            print(f"| {name} | failed: {type(error).__name__} | | | NO |", flush=True)
            agreed = False
    return agreed


# -- timings ------------------------------------------------------------------------------------
def measure(timings: Sequence[Any], mode: str, wanted: Callable[[str], bool]) -> bool:
    """Print how long work takes; tell whether all of it could be done."""
    print("\n| work | what is timed | seconds | target |\n|---|---|---|---|")
    done = True
    for name, function in timings:
        if not wanted(name):
            continue
        try:
            for timing in function(mode):
                took = f"{least_seconds(timing.call, mode):.4g}"
                full = mode == "full" and timing.target is not None
                target = f"{timing.target:g}" if full else ""
                print(f"| {name} | {timing.what} | {took} | {target} |", flush=True)
        except Exception as error:
            traceback.print_exc()
            print(f"| {name} | failed: {type(error).__name__} | | |", flush=True)
            done = False
    return done


def least_seconds(call: Callable[[], object], mode: str) -> float:
    """Give the least time of several calls after one that compiles; simulated, of one call."""
    if mode != "simulate":
        call()
    times: list[float] = []
    while len(times) < (1 if mode == "simulate" else REPEATS) and sum(times) < 30:
        wait()
        start = time.perf_counter()
        call()
        wait()
        times.append(time.perf_counter() - start)
    return min(times)


def wait() -> None:
    """Wait for all that the GPU has been given to do, by numba and by torch."""
    import torch
    from numba import cuda

    cuda.synchronize()
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    sys.exit(main())
