"""Gene programs: speed, memory and error, beside the oNMF of dspin and scikit-learn's NMF.

The peers are measured in the same process, one after another, so that ratios hold whatever else
the machine does. dspin 1.5.2 is taken if it can be imported; else that line is left out.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

import mutua as mt
from mutua.kernels.nonnegative_coefficients import nonnegative_coefficients
from mutua.kernels.orthogonal_nmf import factorize


def resident_mib(line_start: str) -> float:
    """Give the resident memory of this process, now (VmRSS) or at its peak (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(line_start):
            return int(line.split()[1]) / 1024
    raise OSError("no such line: this benchmark needs Linux")


def planted(n_cells: int = 5_000, n_genes: int = 2_000, n_programs: int = 20) -> np.ndarray:
    """Give scaled cells of disjoint programs with noise."""
    random = np.random.default_rng(0)
    activity = random.gamma(0.5, size=(n_cells, n_programs))
    program = random.integers(0, n_programs, n_genes)
    weights = np.eye(n_programs)[:, program] * random.random(n_genes)
    noise = 0.3 * random.standard_normal((n_cells, n_genes))
    values = np.maximum(activity @ weights + noise, 0)
    return (values / values.std(axis=0)).astype(np.float32)


def error_of(values: np.ndarray, programs: np.ndarray) -> float:
    """Give what the best activities >= 0 leave, as a share."""
    programs = programs.astype(np.float64)
    activity = nonnegative_coefficients(values @ programs.T, programs @ programs.T)
    return float(np.linalg.norm(values - activity @ programs) / np.linalg.norm(values))


def overlap_of(programs: np.ndarray) -> float:
    """Give the largest cosine of two programs."""
    units = programs / np.linalg.norm(programs, axis=1, keepdims=True)
    return float(np.abs(units @ units.T - np.eye(len(units))).max())


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def one_run() -> dict[str, float]:
    """One run, 5,000 x 2,000 dense, k = 20."""
    values = planted()
    factorize(values[:300], 3, seeds=[0], max_iterations=2)
    runs = [timed(lambda: factorize(values, 20, seeds=[0])[0]) for _ in range(5)]
    seconds, found = min(runs, key=lambda run: run[0])
    result = {
        "seconds": seconds,
        "iterations": len(found.error),
        "error": error_of(values, found.programs),
        "overlap": overlap_of(found.programs),
    }
    try:
        onmf = importlib.import_module("dspin.compute").onmf
    except ImportError as missing:
        print(f"dspin cannot be imported ({missing}): not compared", file=sys.stderr)
        return result
    np.random.seed(0)  # noqa: NPY002  (theirs)
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        theirs, (transposed, _) = timed(lambda: onmf(values.astype(np.float64), 20))
    programs = transposed.T
    return result | {
        "dspin_seconds": theirs,
        "dspin_error": error_of(values, programs),
        "dspin_overlap": overlap_of(programs),
        "times_faster": theirs / seconds,
    }


def plain() -> dict[str, float]:
    """Plain NMF, 5,000 x 2,000 dense, k = 20, beside scikit-learn's."""
    from sklearn.decomposition import NMF

    values = planted()
    factorize(values[:300], 3, seeds=[0], orthogonal=False, max_iterations=2)
    seconds, found = timed(lambda: factorize(values, 20, seeds=[0], orthogonal=False)[0])
    model = NMF(20, init="random", random_state=0, max_iter=400)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, _ = timed(lambda: model.fit(values))
    return {
        "seconds": seconds,
        "error": error_of(values, found.programs),
        "sklearn_seconds": theirs,
        "sklearn_error": error_of(values, model.components_),
        "times_faster": theirs / seconds,
    }


def whole() -> dict[str, float]:
    """All of tl.programs, 100,000 x 2,000 CSR (5 % filled), k = 24, 10 runs."""
    random = np.random.default_rng(0)
    n_cells, n_genes = 100_000, 2_000
    values = sparse.random_array(
        (n_cells, n_genes), density=0.05, format="csr", dtype=np.float32, rng=random,
        data_sampler=lambda size: random.gamma(2, size=size).astype(np.float32),
    )  # fmt: skip
    groups = sparse.csr_array(np.eye(24, dtype=np.float32)[random.integers(0, 24, n_cells)])
    program = random.integers(0, 24, n_genes)
    genes = sparse.csr_array(np.eye(24, dtype=np.float32)[:, program])
    # With threefold expression runs of 10,000 cells do not agree, and the Rand index is 0.01.
    values = sparse.csr_matrix(values + 8 * values.multiply(groups @ genes))
    adata = anndata.AnnData(values)
    small = adata[:500].copy()
    mt.tl.programs(small, n_programs=3, n_runs=2, max_iterations=3)
    before = resident_mib("VmRSS")
    seconds, _ = timed(lambda: mt.tl.programs(adata, n_programs=24))
    entry = adata.uns["programs"]
    return {
        "seconds": seconds,
        "mib": resident_mib("VmHWM") - before,
        "iterations": float(np.isfinite(entry["loss"]).sum(axis=1).mean()),
        "stability": float(entry["stability"].mean()),
        "rand": adjusted_rand_score(program, adata.varm["programs"].argmax(axis=1)),
    }


CASES: dict[str, Callable[[], dict[str, float]]] = {
    "one_run": one_run,
    "plain": plain,
    "whole": whole,
}


def main() -> None:
    for name, case in CASES.items():
        command = [sys.executable, "-m", "benchmarks.programs", name]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        shown = ", ".join(f"{key} {value:.4g}" for key, value in found.items())
        print(f"{case.__doc__} {shown}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(CASES[sys.argv[1]]()))
    else:
        main()
