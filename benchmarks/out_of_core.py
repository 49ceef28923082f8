"""Data on disk that are larger than the memory used for them: peak memory, and how time grows.

``python -m benchmarks.out_of_core [CASE ...]``. Every store is built block by block in a temporary
folder and removed; building and every run have a process of their own. What is printed is the
peak of resident memory of the run alone, and the processor seconds (user and system) that it took.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import dask
import dask.array as da
import numpy as np
import pandas as pd
from dask.delayed import delayed
from scipy import sparse

import mutua as mt

N_GENES, N_PROGRAMS = 2_000, 24
LENGTH = 200
N_SAMPLES = 2_000


def measured(call: Callable[[], Any]) -> dict[str, float]:
    """Give what a call costs; peak memory is that of this process since it began."""
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    call()
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "peak_mib": after.ru_maxrss / 1024,
        "before_mib": before.ru_maxrss / 1024,
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "seconds": time.perf_counter() - start,
    }


def in_blocks(make: Callable[[int, int], Any], n: int, step: int, width: int, like: Any) -> Any:
    """Give a dask array whose blocks of rows are made by ``make(number, n_rows)``."""
    sizes = [min(step, n - start) for start in range(0, n, step)]
    parts = [
        da.from_delayed(delayed(make)(number, size), (size, width), like.dtype, meta=like)
        for number, size in enumerate(sizes)
    ]
    return da.concatenate(parts)


def random_codes(number: int, n_rows: int) -> np.ndarray:
    """Give letters that are alike in nothing, so that they cannot be compressed below 2 bits."""
    return np.random.default_rng([0, number]).integers(0, 4, (n_rows, LENGTH), dtype=np.uint8)


def random_cells(number: int, n_rows: int) -> Any:
    """Give cells of which 5 % are filled, with one of some programs ninefold."""
    random = np.random.default_rng([1, number])
    cells = sparse.random_array(
        (n_rows, N_GENES), density=0.05, format="csr", dtype=np.float32, rng=random,
        data_sampler=lambda size: random.gamma(2, size=size).astype(np.float32),
    )  # fmt: skip
    of_cells = random.integers(0, N_PROGRAMS, n_rows)
    of_genes = np.random.default_rng(2).integers(0, N_PROGRAMS, N_GENES)
    same = of_genes[cells.indices] == np.repeat(of_cells, np.diff(cells.indptr))
    cells.data[same] *= 9
    return sparse.csr_matrix(cells)


def random_samples(number: int, n_rows: int) -> np.ndarray:
    """Give abundances, of which three in four are 0."""
    random = np.random.default_rng([3, number])
    values = random.lognormal(size=(n_rows, 200)).astype(np.float32)
    return values * (random.random(values.shape) < 0.25)


def build(path: Path, case: str, n: int) -> None:
    """Write a store, without ever having more of it in memory than a block."""
    if case == "position_mi":
        codes = in_blocks(random_codes, n, 2**17, LENGTH, np.zeros((0, 0), np.uint8))
        element: Any = mt.SequenceSet.build(codes, alphabet="DNA")
    elif case == "programs":
        like = sparse.csr_matrix((0, 0), dtype=np.float32)
        cells = in_blocks(random_cells, n, 2**14, N_GENES, like)
        element = anndata.AnnData(
            cells,
            obs=pd.DataFrame(index=[f"cell{i}" for i in range(n)]),
            var=pd.DataFrame(index=[f"gene{i}" for i in range(N_GENES)]),
        )
    else:
        parts = [
            da.from_delayed(delayed(random_samples)(number, N_SAMPLES), (N_SAMPLES, 200), "f4")
            for number in range(n // 200)
        ]
        element = anndata.AnnData(
            da.concatenate(parts, axis=1),
            obs=pd.DataFrame(index=[f"sample{i}" for i in range(N_SAMPLES)]),
            var=pd.DataFrame(index=[f"feature{i}" for i in range(n)]),
        )
    with dask.config.set(scheduler="synchronous"):
        mt.Analysis({"data": element}).write(path)


def position_mi(path: Path) -> dict[str, float]:
    """Give the cost of position MI of k-mers of 3 letters, 197 x 197 positions."""
    sequences = mt.open(path)["data"]
    mt.tl.position_mi(sequences.isel(sequence=slice(1_000)), k=3)  # loads what is compiled
    return measured(lambda: mt.tl.position_mi(sequences, k=3))


def programs(path: Path) -> dict[str, float]:
    """Give the cost of 24 programs from 10 runs, with all defaults."""
    cells = mt.open(path).read("data", lazy=True)
    return measured(lambda: mt.tl.programs(cells, n_programs=N_PROGRAMS))


def features(path: Path) -> dict[str, float]:
    """Give the cost of the MI of all features with 5 latent dims, without permutations."""
    samples = mt.open(path).read("data", lazy=True)
    values = np.random.default_rng(4).normal(size=(N_SAMPLES, 5))
    latent = pd.DataFrame(values, list(samples.obs_names), list("abcde"))
    mt.tl.mutual_information(latent.add_prefix("x_"), latent)  # loads what is compiled
    return measured(lambda: mt.tl.mutual_information(samples, latent))


CASES: dict[str, tuple[Callable[[Path], dict[str, float]], list[int], str]] = {
    "position_mi": (position_mi, [1_000_000, 2_000_000, 5_000_000, 10_000_000], f"x {LENGTH} nt"),
    "programs": (programs, [500_000], f"x {N_GENES} cells, CSR, 5 % filled"),
    "features": (features, [50_000], f"features of {N_SAMPLES} samples"),
}


def stored_mib(path: Path) -> float:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 2**20


def in_process(*arguments: object) -> str:
    command = [sys.executable, "-m", "benchmarks.out_of_core", *map(str, arguments)]
    settings = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, env=settings, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def main(names: list[str]) -> None:
    for name in names or CASES:
        _, sizes, what = CASES[name]
        for n in sizes:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "study.zarr"
                in_process("build", path, name, n)
                found = json.loads(in_process("run", path, name))
                print(
                    f"{name}: {n:,} {what}: {found['cpu_seconds']:.1f} processor seconds "
                    f"({1e6 * found['cpu_seconds'] / n:.2f} for a million), "
                    f"{found['seconds']:.1f} s by the clock; peak {found['peak_mib']:.0f} MiB, of "
                    f"which {found['before_mib']:.0f} before; store {stored_mib(path):.0f} MiB",
                    flush=True,
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["build"]:
        build(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
    elif sys.argv[1:2] == ["run"]:
        print(json.dumps(CASES[sys.argv[3]][0](Path(sys.argv[2]))))
    else:
        main(sys.argv[1:])
