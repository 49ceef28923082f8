"""Programs of genes that go up and down together over single cells."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import anndata
import numpy as np
import pandas as pd

from mutua.errors import InvalidInput
from mutua.kernels.orthogonal_nmf import Factors
from mutua.kernels.program_activity import Activity, program_activity, program_correlation
from mutua.kernels.three_levels import three_levels
from mutua.models import checked, slots
from mutua.models.arguments import number, one_of, whole_number
from mutua.tl._cell_sample import BALANCES, clusters_of
from mutua.tl._find_programs import METHODS, Found, Search, find_programs
from mutua.tl._module_tables import key_of, some, switch
from mutua.tl._program_values import CellValues, cell_values, refuse_copy

__all__ = ["programs"]

PriorPrograms = Mapping[str, Sequence[str]] | Sequence[Sequence[str]]

_X: Final = "X"


@checked
def programs(
    adata: anndata.AnnData,
    *,
    n_programs: int,
    n_runs: int = 10,
    method: str = "onmf",
    layer: str | None = None,
    prior_programs: PriorPrograms | None = None,
    balance_by: str | None = None,
    balance: str = "squareroot",
    max_sample_rate: float = 2.0,
    min_cluster_size: int = 20,
    n_cells: int = 10_000,
    density_threshold: float | None = None,
    max_iterations: int = 500,
    tolerance: float = 1e-4,
    allow_counts: bool = False,
    seed: int = 0,
    device: str | None = None,
    progress: bool | None = None,
    key_added: str = "programs",
    copy: bool = False,
) -> anndata.AnnData | None:
    """Find programs of genes that go together over cells, and how active each is in every cell.

    Every run factors a sample of the cells into programs >= 0 and activities >= 0, from a start of
    its own. What the runs agree on are the programs; their activities in all cells are the least
    squares.

    Parameters
    ----------
    adata
        Cells x genes, numbers >= 0 on a log scale: dense, sparse, chunked by dask, opened lazily or
        backed by a file. Sparse values stay sparse, but for the cells of a run; chunked ones are
        read block by block and need not fit into memory.
    n_programs
        Number of programs, the prior ones included. `mutua.tl.choose_n_programs` compares some.
    n_runs
        Number of runs.
    method
        ``"onmf"``, orthogonal factors: every gene belongs to one program, or to none if it is 0
        throughout. ``"nmf"``, plain factors: a gene may belong to several.
    layer
        Which layer to take; by default ``X``.
    prior_programs
        Programs whose genes are known: a list of lists of genes, or a mapping from the name of a
        program to its genes. They come after the others, which share no genes with them; their
        genes are weighted by the data. Prior programs may share genes.
    balance_by
        Column of ``obs`` with clusters, from which the cells of a run are drawn so that large
        ones do not decide alone. By default cells are drawn from all alike.
    balance
        How many cells each cluster gives: by the ``"squareroot"`` of its size, ``"equal"``, or
        ``"proportional"`` to it.
    max_sample_rate
        No cluster gives more than this times its cells; what it would give goes to the others.
    min_cluster_size
        Cells of smaller clusters are not drawn. They get activities like all others.
    n_cells
        Cells of a run. Weights and scales of genes come from five times as many.
    density_threshold
        Leave out programs of runs whose mean distance to the nearest of other runs is not below
        this (between 0 and 1.4), as cNMF does; cNMF suggests 0.5. By default all are kept.
    max_iterations, tolerance
        A run stops when its relative error fell by less than this share of it in 10
        iterations, at the latest after so many.
    allow_counts
        Take whole numbers above 20, which are refused as raw counts otherwise.
    seed
        Of samples, starts and consensus.
    device
        ``"auto"`` (a usable GPU where it is worth it, else the CPU), ``"cpu"`` or ``"cuda"``; by
        default that of `mutua.settings`. Runs are what a GPU does; those over the same cells, as
        where `n_cells` is that of all cells and none are balanced, it does together.
    progress
        Show a progress bar; by default as `mutua.settings` says.
    key_added
        Key of the result. A result that was there is replaced.
    copy
        Return a copy with the result, and leave `adata` as it is.

    Returns
    -------
    AnnData or None
        None, or the copy. Written are

        ``varm["programs"]``
            float64 (gene, program): weights >= 0 of the genes, each divided by its scale. Those of
            a program have length 1. The programs that were found come first, by how much of the
            values they explain.
        ``varm["programs_correlation"]``
            float64 (gene, program): Pearson r of a gene with the activity, over all cells; genes
            that go down with a program have a negative one. 0 for constant genes.
        ``obsm["X_programs"]``
            float64 (cell, program): activity >= 0, the least squares of the scaled values.
        ``obsm["X_programs_state"]``
            float32 (cell, program): -1 low, 0, 1 high, the best three levels of the activities.
            All 0 if the activity is constant; -1 and 1 if it has two values.
        ``uns["programs"]``
            ``names`` of the programs, ``P0``, ``P1`` and so on, or those of the mapping;
            ``features``; ``scale``, the standard deviation of every gene, not below the 20th
            percentile; ``stability``, for every program the largest cosine with one of a run, mean
            over the runs, NaN for prior ones; ``prior``, which these are; ``loss`` (run,
            iteration), the relative error of the run, NaN after its end; ``converged`` of each
            run; ``relative_error``, what the programs leave of the scaled values of all cells, as
            a share of their length; ``n_zero_genes`` and ``n_zero_cells``; and ``parameters``.

    Raises
    ------
    InvalidInput
        For values that are negative, missing, infinite or raw counts, repeated names of genes,
        more programs than genes or cells, genes of prior programs that are not there (they are
        listed), a layer or column that is not there, or an argument out of its range. Nothing is
        written then, nor if the call is interrupted.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.
    MemoryLimit
        Where the memory of the GPU does not hold the activities of the cells of a run.

    Warns
    -----
    UserWarning
        Where genes or cells are 0 throughout, which get weights and activities of 0, and where
        the runs agree on fewer programs than asked for.

    Notes
    -----
    Of chunked values no more is in memory than five times `n_cells` cells, blocks of 2,048 for
    every thread, and the cells of one run as dense float32. Activities take some 50 bytes for
    every cell and program. With a client of `dask.distributed` open, chunked cells are looked at
    on its workers, each of which holds the cells of one run, or up to 16 blocks, at a time.

    The same seed gives the same bits whatever the number of threads, for arrays in memory and
    chunked ones, here and on workers of the same kind. Other processors and devices round
    differently, and so do sparse and dense values.

    Sources: D-SPIN, Jiang et al. (2024), for orthogonal programs, their consensus and states;
    Ding et al., KDD (2006); cNMF, Kotliar et al., eLife 8:e43803 (2019), for plain ones.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> genes = np.repeat(np.eye(3), [5, 6, 7], axis=1)
    >>> values = random.gamma(1, size=(80, 3)) @ genes + random.uniform(0, 0.2, (80, 18))
    >>> adata = anndata.AnnData(values)
    >>> mt.tl.programs(adata, n_programs=3, n_runs=4)
    >>> adata.obsm["X_programs"].shape, sorted((adata.varm["programs"] > 0).sum(axis=0).tolist())
    ((80, 3), [5, 6, 7])
    >>> bool(adata.uns["programs"]["stability"].min() > 0.99)
    True
    """
    key, copy = key_of("key_added", key_added), switch("copy", copy)
    search = search_of(
        n_runs=n_runs,
        method=method,
        n_cells=n_cells,
        balance=balance,
        max_sample_rate=max_sample_rate,
        density_threshold=density_threshold,
        max_iterations=max_iterations,
        tolerance=tolerance,
        seed=seed,
        device=device,
        progress=progress,
    )
    least = whole_number("min_cluster_size", min_cluster_size, low=1)
    n_programs = whole_number("n_programs", n_programs, low=1)
    refuse_copy(adata, copy)
    values = cell_values(adata, layer, allow_counts=switch("allow_counts", allow_counts))
    named = _priors(prior_programs, values, n_programs)
    own_names = isinstance(prior_programs, Mapping)
    n_found = n_programs - len(named)
    check_size("n_programs", n_found, values, named.values())
    clusters = None if balance_by is None else clusters_of(adata, balance_by, least=least)
    found = find_programs(values, n_found, search, priors=list(named.values()), clusters=clusters)
    names, found, active = _ordered(values, found, list(named), own_names)
    correlation = program_correlation(values.blocks, active)
    _warn(values, n_found, found.weights.shape[1] - len(named))
    parameters = {
        **{name: value for name, value in search._asdict().items() if value is not None},
        "n_programs": n_programs,
        "layer": _X if layer is None else layer,
        "balance_by": "" if balance_by is None else balance_by,
        "min_cluster_size": least,
    }
    kept = {
        "scale": found.scale,
        "stability": found.stability,
        "prior": np.arange(len(names)) >= len(names) - len(named),
        "loss": _curves(found.runs),
        "converged": np.array([run.converged for run in found.runs], bool),
        "relative_error": active.relative_error,
        "n_zero_genes": int(values.zero_genes.sum()),
        "n_zero_cells": int(values.zero_cells.sum()),
        "parameters": {name: value for name, value in parameters.items() if name != "progress"},
    }
    results = {
        slots.WEIGHT: found.weights,
        slots.CORRELATION: correlation,
        slots.ACTIVITY: active.activity,
        slots.STATE: three_levels(active.activity),
    }
    target = adata.copy() if copy else adata
    slots.write(target, slots.PROGRAMS, key, results, names=names, settings=kept)
    return target if copy else None


def search_of(**options: Any) -> Search:
    """Check the arguments that say how programs are looked for."""
    density = options["density_threshold"]
    if options["progress"] is not None:
        switch("progress", options["progress"])
    return Search(
        whole_number("n_runs", options["n_runs"], low=1),
        one_of("method", options["method"], METHODS),
        whole_number("n_cells", options["n_cells"], low=2),
        one_of("balance", options["balance"], BALANCES),
        number("max_sample_rate", options["max_sample_rate"], low=1),
        None if density is None else number("density_threshold", density, low=0, open_low=True),
        whole_number("max_iterations", options["max_iterations"], low=1),
        number("tolerance", options["tolerance"], low=0),
        whole_number("seed", options["seed"], low=0),
        options["device"],
        options["progress"],
    )


def check_size(argument: str, n: int, values: CellValues, priors: Any) -> None:
    """Refuse more programs than genes that vary, or than cells."""
    taken = np.zeros(len(values.names), bool)
    for genes in priors:
        taken[genes] = True
    there = int((~values.zero_genes & ~taken).sum())
    free = " that are in no prior program" if taken.any() else ""
    for size, what in (
        (there, f"genes above 0{free}"),
        (int((~values.zero_cells).sum()), "cells above 0"),
    ):
        if n > size:
            raise InvalidInput(argument, f"{n} for {size} {what}", f"use at most {size}")


def _priors(
    given: PriorPrograms | None, values: CellValues, n_programs: int
) -> dict[str, np.ndarray]:
    """Give the places of the genes of every prior program, by its name."""
    if given is None:
        return {}
    if isinstance(given, str) or not isinstance(given, Mapping | Sequence):
        remedy = "pass lists of genes, or a mapping from names to them"
        raise InvalidInput("prior_programs", f"a {type(given).__name__}", remedy)
    if len(given) > n_programs:
        found = f"{len(given)} prior programs, more than the {n_programs} of n_programs"
        raise InvalidInput("prior_programs", found, "use a larger n_programs or fewer of them")
    first = n_programs - len(given)
    if isinstance(given, Mapping):
        named = {str(name): genes for name, genes in given.items()}
        same = sorted(set(named) & {f"P{i}" for i in range(first)})
        if same or len(named) < len(given):
            found = f"names that other programs have: {some(same)}" if same else "repeated names"
            raise InvalidInput("prior_programs", found, "give them other names")
    else:
        named = {f"P{first + place}": genes for place, genes in enumerate(given)}
    places = {}
    unknown: list[str] = []
    for name, genes in named.items():
        if isinstance(genes, str) or not len(genes):
            found = f"{genes!r} for program {name!r}"
            raise InvalidInput("prior_programs", found, "pass a list of genes for each")
        held = pd.Index(list(dict.fromkeys(str(gene) for gene in genes)))
        at = values.names.get_indexer(held)
        unknown += [gene for gene in held[at < 0] if gene not in unknown]
        places[name] = np.sort(at)
    if unknown:
        found = f"{len(unknown)} genes are not there: {some(unknown, most=20)}"
        raise InvalidInput("prior_programs", found, "leave them out, or name genes of adata")
    for name, at in places.items():
        if values.zero_genes[at].all():
            found = f"all genes of program {name!r} are 0 throughout"
            raise InvalidInput("prior_programs", found, "leave it out")
    return places


def _ordered(
    values: CellValues, found: Found, priors: list[str], own_names: bool
) -> tuple[list[str], Found, Activity]:
    """Put the programs that explain most first, prior ones last; give the activities too."""
    active = program_activity(values.blocks, found.weights, found.scale)
    n_found = found.weights.shape[1] - len(priors)
    explained = (active.activity**2).sum(axis=0)[:n_found]
    last = np.arange(n_found, n_found + len(priors))
    order = np.append(np.argsort(-explained, kind="stable"), last)
    first = [f"P{place}" for place in range(n_found)]
    found = found._replace(weights=found.weights[:, order], stability=found.stability[order])
    active = active._replace(activity=np.ascontiguousarray(active.activity[:, order]))
    names = priors if own_names else [f"P{place}" for place in last]
    return [*first, *names], found, active


def _curves(runs: Sequence[Factors]) -> np.ndarray:
    longest = max((len(run.error) for run in runs), default=0)
    curves = np.full((len(runs), longest), np.nan)
    for place, run in enumerate(runs):
        curves[place, : len(run.error)] = run.error
    return curves


def _warn(values: CellValues, wanted: int, found: int) -> None:
    zero = []
    if values.zero_genes.any():
        zero.append(f"{values.zero_genes.sum()} genes, {some(values.names[values.zero_genes])}")
    if values.zero_cells.any():
        zero.append(f"{values.zero_cells.sum()} cells, {some(values.cells[values.zero_cells])}")
    if zero:
        text = f"0 throughout, so without weight or activity: {'; '.join(zero)}"
        warnings.warn(text, UserWarning, stacklevel=4)
    if found < wanted:
        text = f"the runs agree on {found} programs with genes, not on {wanted}"
        warnings.warn(text, UserWarning, stacklevel=4)
