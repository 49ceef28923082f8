"""Gene programs of some cells: runs over samples of them, and what the runs agree on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from scipy import sparse

from mutua._cluster import current_client, in_order
from mutua.blocks import is_chunked
from mutua.kernels.orthogonal_nmf import Factors, factorize
from mutua.kernels.program_consensus import (
    consensus_programs,
    disjoint_genes,
    leading_weights,
    stability,
)
from mutua.tl._cell_sample import draw_cells
from mutua.tl._program_values import CellValues, in_memory

__all__ = ["METHODS", "Found", "Search", "find_programs", "gene_scale"]

METHODS: Final = ("onmf", "nmf")
_LARGE: Final = 5
_PERCENTILE: Final = 20
_BLOCK: Final = 512


class Search(NamedTuple):
    """How programs are looked for; the names are those of the arguments of `mutua.tl.programs`."""

    n_runs: int
    method: str
    n_cells: int
    balance: str
    max_sample_rate: float
    density_threshold: float | None
    max_iterations: int
    tolerance: float
    seed: int
    device: str | None
    progress: bool | None


class Found(NamedTuple):
    """Programs that the runs agree on.

    Attributes
    ----------
    weights
        (G, M) float64, columns of length 1: first those found, then the prior ones.
    scale
        (G,) float64: what the genes are divided by.
    runs
        What every run found.
    stability
        (M,) float64, NaN for prior programs.
    """

    weights: np.ndarray
    scale: np.ndarray
    runs: list[Factors]
    stability: np.ndarray


def gene_scale(rows: Any) -> np.ndarray:
    """Give the standard deviation of every gene, none of them below the 20th percentile.

    float64 (G,), over all rows (not n - 1). Genes with one value only do not count for the
    percentile, and get it.
    """
    n = rows.shape[0]
    if sparse.issparse(rows):
        values = rows.astype(np.float64)
        mean = np.asarray(values.sum(axis=0)).ravel() / n
        values.data **= 2
        variance = np.asarray(values.sum(axis=0)).ravel() / n - mean**2
    else:
        mean = rows.sum(axis=0, dtype=np.float64) / n
        variance = np.zeros(len(mean))
        for start in range(0, n, _BLOCK):
            variance += ((rows[start : start + _BLOCK] - mean) ** 2).sum(axis=0) / n
    spread = np.sqrt(np.maximum(variance, 0))
    varied = spread > 1e-7 * mean
    if not varied.any():
        return np.ones(len(spread))
    least = np.percentile(spread[varied], _PERCENTILE)
    return np.asarray(np.maximum(np.where(varied, spread, 0), least))


def find_programs(
    values: CellValues,
    n_programs: int,
    search: Search,
    *,
    priors: Sequence[np.ndarray] = (),
    clusters: np.ndarray | None = None,
    pool: np.ndarray | None = None,
) -> Found:
    """Look for programs in several runs, and give what these agree on.

    Parameters
    ----------
    values
        Cells x genes.
    n_programs
        How many to look for, beside the prior ones.
    search
        How.
    priors
        Genes of each prior program, by their places.
    clusters
        Cluster of each cell, -1 for cells that are not drawn.
    pool
        Places of the cells to draw from; all by default.
    """
    pool = np.arange(len(values.cells)) if pool is None else pool
    prior = np.unique(np.concatenate([np.zeros(0, np.int64), *priors]))
    free = np.setdiff1d(np.arange(len(values.names)), prior)
    of_pool = None if clusters is None else clusters[pool]

    def drawn(number: int, n: int) -> np.ndarray:
        places = draw_cells(
            of_pool,
            len(pool),
            n,
            balance=search.balance,
            most=search.max_sample_rate,
            random=np.random.default_rng([search.seed, number, 7]),
        )
        return np.asarray(pool[places])

    runs: list[Factors] = []
    if n_programs:
        samples = [drawn(number, search.n_cells) for number in range(search.n_runs)]
        runs = _runs(values, samples, free, n_programs, search)
    rows = values.rows(drawn(search.n_runs, _LARGE * search.n_cells))
    scale = gene_scale(rows)
    columns = rows.tocsc() if sparse.issparse(rows) else rows
    weights = np.zeros((len(scale), n_programs))
    if n_programs:
        weights = _agreed(columns, scale, runs, free, n_programs, search)
    stable = stability(weights[free].T, [run.programs for run in runs])
    of_priors = np.zeros((len(scale), len(priors)))
    for place, part in enumerate(leading_weights(columns, scale, priors)):
        of_priors[priors[place], place] = part
    weights = np.concatenate([weights, of_priors], axis=1)
    stable = np.concatenate([stable, np.full(len(priors), np.nan)])
    return Found(weights, scale, runs, stable)


def _runs(
    values: CellValues,
    samples: Sequence[np.ndarray],
    free: np.ndarray,
    n_programs: int,
    search: Search,
) -> list[Factors]:
    """Give what every run finds; runs over the same cells go over them together."""
    sequences = [np.random.SeedSequence([search.seed, number]) for number in range(len(samples))]
    seeds = [int(sequence.generate_state(1)[0]) for sequence in sequences]
    same = all(np.array_equal(sample, samples[0]) for sample in samples)
    groups = [range(len(samples))] if same else [range(i, i + 1) for i in range(len(samples))]
    tasks = (
        (*values.some(samples[group[0]]), [seeds[number] for number in group]) for group in groups
    )
    shared = (free, n_programs, search)
    if not (is_chunked(values.values) and current_client() is not None):
        return [run for task in tasks for run in _runs_over(*task, *shared)]
    shared = (free, n_programs, search._replace(progress=False))
    found = in_order(
        _runs_over,
        tasks,
        shared=shared,
        n_tasks=len(groups),
        what="runs",
        progress=search.progress,
    )
    return [run for part in found for run in part]


def _runs_over(
    rows: Any,
    place: np.ndarray | None,
    seeds: Sequence[int],
    free: np.ndarray,
    n_programs: int,
    search: Search,
) -> list[Factors]:
    """Give what runs over the same cells find, which are held as `CellValues.some` gives them."""
    values = in_memory(rows, place)
    part = values if len(free) == values.shape[1] else values[:, free]
    return factorize(
        part,
        n_programs,
        seeds=seeds,
        scale=gene_scale(part),
        orthogonal=search.method == "onmf",
        max_iterations=search.max_iterations,
        tolerance=search.tolerance,
        device=search.device,
        progress=search.progress,
    )


def _agreed(
    columns: Any,
    scale: np.ndarray,
    runs: Sequence[Factors],
    free: np.ndarray,
    n_programs: int,
    search: Search,
) -> np.ndarray:
    """Give the weights of the programs that the runs agree on, (G, program)."""
    centres = consensus_programs(
        [run.programs for run in runs],
        n_programs,
        median=search.method == "nmf",
        density=search.density_threshold,
        seed=search.seed % 2**32,
    )
    weights = np.zeros((len(scale), len(centres)))
    if search.method == "nmf":
        weights[free] = centres.T
        return weights
    genes = [free[places] for places in disjoint_genes(centres)]
    for place, part in enumerate(leading_weights(columns, scale, genes)):
        weights[genes[place], place] = part
    return weights[:, weights.any(axis=0)]
