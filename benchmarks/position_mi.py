"""`tl.position_mi` as a user calls it: time, and memory beyond imports.

Each case runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import mutua as mt


def peak_mib() -> float:
    """Give the peak resident memory of this process so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM: this benchmark needs Linux")


def warm() -> None:
    """Compile and import everything first, as the second call of a session finds it."""
    seqs = mt.pp.random_sequences(100, length=12, seed=1)
    for options in ({"k": 3}, {"k": 3, "n_permutations": 2}, {"k": 1, "pseudocount": 0.0}):
        mt.tl.position_mi(seqs, **options)


def timed(call: Callable[[], object], repeats: int) -> dict[str, float]:
    before = peak_mib()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return {"seconds": min(times), "peak_mib": peak_mib() - before}


def plotmi() -> dict[str, float]:
    seqs = mt.pp.random_sequences(49_261, length=100, seed=0)
    return timed(lambda: mt.tl.position_mi(seqs, k=3), 5)


def million_in_memory() -> dict[str, float]:
    before = peak_mib()
    seqs = mt.pp.random_sequences(1_000_000, length=200, seed=0)
    result = timed(lambda: mt.tl.position_mi(seqs, k=3), 1)
    return {"seconds": result["seconds"], "peak_mib": peak_mib() - before}


def million_from_store(folder: str) -> dict[str, float]:
    seqs = mt.open(folder)["seqs"]
    return timed(lambda: mt.tl.position_mi(seqs, k=3), 1)


def rhomboid_permutations() -> dict[str, float]:
    seqs = mt.datasets.rhomboid()
    call = lambda: mt.tl.position_mi(seqs, k=1, pseudocount=0, n_permutations=1000)  # noqa: E731
    return timed(call, 1)


def permutations_beside_runs() -> dict[str, float]:
    seqs = mt.pp.random_sequences(10_000, length=53, seed=0)
    one = timed(lambda: mt.tl.position_mi(seqs, k=3), 20)["seconds"]
    hundred = timed(lambda: mt.tl.position_mi(seqs, k=3, n_permutations=100), 2)["seconds"]
    return {"seconds": hundred, "runs": hundred / one}


def compared(k: int) -> Callable[[], dict[str, float]]:
    """Time 1,000 permuted labels of two sets of 10,000 x 53 nt, in runs of all of them."""

    def case() -> dict[str, float]:
        a, b = (mt.pp.random_sequences(10_000, length=53, seed=seed) for seed in (0, 1))
        both = mt.pp.random_sequences(20_000, length=53, seed=2)
        one = timed(lambda: mt.tl.position_mi(both, k=k, pseudocount=0), 20)["seconds"]
        call = lambda correction: mt.tl.compare_position_mi(  # noqa: E731
            a, b, k=k, n_permutations=1000, correction=correction
        )
        mt.tl.compare_position_mi(a, b, k=k, n_permutations=1)
        labels = timed(lambda: call("none"), 1)
        whole = timed(lambda: call("shuffle"), 1)["seconds"]
        return {**labels, "runs": labels["seconds"] / one, "runs_with_shuffle": whole / one}

    return case


CASES: dict[str, tuple[Callable[..., dict[str, float]], str]] = {
    "plotmi": (plotmi, "k = 3, 49,261 x 100 nt (target < 0.12 s)"),
    "memory": (
        million_in_memory,
        "k = 3, 1,000,000 x 200 nt in memory, codes included (< 13 s, 500 MB)",
    ),
    "store": (million_from_store, "the same from a store (< 13 s, < 500 MB)"),
    "rhomboid": (rhomboid_permutations, "k = 1, 2,767 x 135 aa, 1,000 permutations (< 20 s)"),
    "compare_k1": (compared(1), "k = 1, 1,000 permuted labels, 2 x 10,000 x 53 nt"),
    "compare_k3": (compared(3), "k = 3, the same"),
    "permutations": (permutations_beside_runs, "100 permutations, 10,000 x 53 nt (< 100 runs)"),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = f"{folder}/million.zarr"
        codes = np.random.default_rng(0).integers(0, 4, (1_000_000, 200), dtype=np.uint8)
        mt.Analysis({"seqs": mt.SequenceSet.build(codes, alphabet="DNA")}).write(store)
        for name, (_, label) in CASES.items():
            arguments = [store] if name == "store" else []
            command = [sys.executable, "-m", "benchmarks.position_mi", name, *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout)
            shown = ", ".join(f"{key} {value:.3g}" for key, value in found.items())
            print(f"{label}: {shown}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in CASES:
        warm()
        print(json.dumps(CASES[sys.argv[1]][0](*sys.argv[2:])))
    else:
        main()
