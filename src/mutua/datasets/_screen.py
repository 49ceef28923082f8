"""A simulated perturbation screen of single cells, with the network that made it."""

from __future__ import annotations

from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from mutua.errors import InvalidInput
from mutua.models import Dataset, ProgramNetwork
from mutua.models.arguments import number, whole_number
from mutua.models.build import assemble
from mutua.models.dims import CONDITION, NODE, REGULATOR
from mutua.models.provenance import call_step, stamp

__all__ = ["PerturbationScreen", "simulate_perturbation_screen"]

CONTROL = "non-targeting"
_TIME_STEP, _STEPS = 0.1, 120  # in lifetimes of a regulator; 12 of them forget the start
_NOISE = 0.35  # of the activity, per square root of a lifetime
_STEEPNESS = 4.0
_COUNTS = 1.0  # molecules of a gene in a cell, on average
_ABUNDANCE = 1.0  # standard deviation of the logarithm of the means of genes
_DISPERSION = 4.0  # shape of the gamma distribution of expression around its mean
_FOLD = 4.0  # of the expression of a gene, on a log2 scale, from inactive to active


class PerturbationScreen(NamedTuple):
    """Cells and the network that they were made with."""

    cells: anndata.AnnData
    network: Dataset[ProgramNetwork]


def simulate_perturbation_screen(
    *,
    n_programs: int = 11,
    n_cells: int = 6_000,
    n_edges: int | None = None,
    genes_per_program: int = 12,
    n_background_genes: int = 100,
    n_guides: int = 2,
    activated: float = 0.3,
    efficiency: tuple[float, float] = (0.6, 1.0),
    n_batches: int = 2,
    dropout: float = 0.1,
    seed: int = 0,
) -> PerturbationScreen:
    """Give a perturbation screen of single cells whose regulatory network is known.

    Every program has one regulator. The activities of the regulators follow a stochastic
    differential equation: a regulator is produced as a sigmoid function of the sum of its inputs,
    decays, and is pushed about by noise; cells are looked at after twelve lifetimes. A
    knock-down takes away a share of the production of one regulator, its efficiency, and an
    activation makes up for the same share of what is missing. This is not the model that
    `mutua.tl.program_network` fits, so that what it finds can be judged.

    Genes follow the activity of the regulator of their program, sixteenfold between its
    extremes, and are counted with the spread and the many zeros of single cells (60 % by default).

    Parameters
    ----------
    n_programs
        Number M of programs. The regulator of program ``P0`` is the gene ``R0``.
    n_cells
        Number of cells, in equal parts for every guide; a tenth of them have control guides.
    n_edges
        Number of directed edges of the network, 2 for each program by default. Two of three
        activate, the others repress.
    genes_per_program
        Genes that follow the activity of a program, its regulator among them.
    n_background_genes
        Genes that follow none.
    n_guides
        Guides for every target, and the same number of control guides in every batch.
    activated
        Share of the targets that are activated instead of knocked down.
    efficiency
        The least and the largest efficiency of a guide, from 0 to 1.
    n_batches
        Batches, which all guides are in; genes are measured with an efficiency of the batch.
    dropout
        Share of the counts that are lost on top of sampling.
    seed
        Seed of all that is random.

    Returns
    -------
    cells : AnnData
        ``X``: float32 CSR, cells x genes, ``log(1 + counts per 10,000)``; ``layers["counts"]``;
        ``obs``: ``condition`` (guide and batch), ``guide``, ``target`` (a regulator or
        ``non-targeting``), ``perturbation``, ``batch`` and ``is_control``; ``var["program"]``
        (empty for genes of the background) and ``var["regulator"]``; ``obsm["true_activity"]``,
        cells x M, from 0 to 1.
    network : ProgramNetwork
        ``coupling``: weight of every edge, row = target and column = regulator; ``response``:
        -efficiency or +efficiency of every guide, by guide, 0 for controls.

    Raises
    ------
    InvalidInput
        For numbers out of range.

    Examples
    --------
    >>> import mutua as mt
    >>> cells, network = mt.datasets.simulate_perturbation_screen(n_programs=5, n_cells=600)
    >>> cells.shape, int((network["coupling"] != 0).sum())
    ((600, 160), 10)
    >>> cells.obs["perturbation"].value_counts().to_dict()
    {'knock-down': 324, 'activation': 216, 'control': 60}
    """
    n_programs = whole_number("n_programs", n_programs, low=2)
    most = n_programs * (n_programs - 1)
    n_edges = min(2 * n_programs, most) if n_edges is None else n_edges
    n_edges = whole_number("n_edges", n_edges, low=0, high=most)
    genes_per_program = whole_number("genes_per_program", genes_per_program, low=1)
    n_background_genes = whole_number("n_background_genes", n_background_genes, low=0)
    n_guides = whole_number("n_guides", n_guides, low=1)
    n_batches = whole_number("n_batches", n_batches, low=1)
    n_cells = whole_number("n_cells", n_cells, low=10 * n_guides * n_batches * (n_programs + 1))
    seed = whole_number("seed", seed, low=0)
    activated = number("activated", activated, low=0, high=1)
    dropout = number("dropout", dropout, low=0, high=1)
    efficiency = _least_and_largest(efficiency)
    arguments = {name: value for name, value in locals().items() if name != "most"}
    rng = np.random.default_rng(seed)

    weights = _edges(n_programs, n_edges, rng)
    guides = _guides(n_programs, n_guides, activated, efficiency, rng)
    obs = _cells(guides, n_cells, n_batches)
    shift = guides["shift"].to_numpy()[obs.pop("guide_index").to_numpy()]
    target = obs.pop("target_index").to_numpy()
    activity = _activities(weights, target, shift, rng)
    cells = _expression(activity, obs, genes_per_program, n_background_genes, dropout, rng)
    stamp(cells, "AnnData", 1, call_step("datasets.simulate_perturbation_screen", arguments))
    return PerturbationScreen(cells, _network(weights, guides, obs, arguments))


def _least_and_largest(efficiency: object) -> tuple[float, float]:
    if not isinstance(efficiency, tuple | list) or len(efficiency) != 2:
        raise InvalidInput("efficiency", f"{efficiency!r}", "use (least, largest) from 0 to 1")
    least, largest = (number("efficiency", value, low=0, high=1) for value in efficiency)
    if least > largest:
        raise InvalidInput("efficiency", f"{efficiency}", "use the smaller number first")
    return least, largest


def _edges(n: int, n_edges: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Give signed weights (target, regulator) of as many random edges."""
    row, column = np.nonzero(~np.eye(n, dtype=bool))
    chosen = rng.permutation(len(row))[:n_edges]
    weights = np.zeros((n, n))
    sign = np.where(rng.permutation(n_edges) < (2 * n_edges + 1) // 3, 1.0, -1.0)
    weights[row[chosen], column[chosen]] = sign * rng.uniform(0.5, 1.0, n_edges)
    return weights


def _guides(
    n_programs: int,
    n_guides: int,
    activated: float,
    efficiency: tuple[float, float],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Give a row for every guide: its target (-1 for controls) and the signed efficiency."""
    up = np.zeros(n_programs, dtype=bool)
    up[rng.permutation(n_programs)[: round(activated * n_programs)]] = True
    target = np.repeat(np.arange(n_programs), n_guides)
    strength = rng.uniform(*efficiency, len(target)) * np.where(up[target], 1, -1)
    names = [f"R{t}_g{i}" for t in range(n_programs) for i in range(n_guides)]
    names += [f"{CONTROL}_g{i}" for i in range(n_guides)]
    return pd.DataFrame(
        {
            "guide": names,
            "target_index": np.r_[target, np.full(n_guides, -1)],
            "shift": np.r_[strength, np.zeros(n_guides)],
        }
    )


def _cells(guides: pd.DataFrame, n_cells: int, n_batches: int) -> pd.DataFrame:
    """Give the guide and batch of every cell, batches in turn."""
    control = guides.index[guides["target_index"] < 0].to_numpy()
    others = guides.index[guides["target_index"] >= 0].to_numpy()
    n_control = n_cells // 10
    # Each guide in turn, and each time all guides were given out, the next batch.
    given = np.concatenate(
        [
            np.stack([np.resize(own, n), (np.arange(n) // len(own)) % n_batches])
            for own, n in ((control, n_control), (others, n_cells - n_control))
        ],
        axis=1,
    )
    index, batch = given
    target = guides["target_index"].to_numpy()[index]
    shift = guides["shift"].to_numpy()[index]
    kind = np.where(shift > 0, "activation", "knock-down").astype(object)
    kind[target < 0] = "control"
    guide = guides["guide"].to_numpy()[index]
    batch_name = np.array([f"batch{i}" for i in range(n_batches)], dtype=object)[batch]
    target_name = np.array([f"R{t}" if t >= 0 else CONTROL for t in target], dtype=object)
    obs = pd.DataFrame(
        {
            CONDITION: guide + "/" + batch_name,
            "guide": guide,
            "target": target_name,
            "perturbation": kind,
            "batch": batch_name,
        },
        index=[f"cell{i}" for i in range(n_cells)],
    ).astype("category")
    return obs.assign(is_control=target < 0, guide_index=index, target_index=target)


def _activities(
    weights: NDArray[np.float64],
    target: NDArray[np.int64],
    shift: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Give the activity of every regulator in every cell after many lifetimes."""
    shape = len(target), len(weights)
    activity = rng.random(shape)
    cell = np.flatnonzero(target >= 0)
    own, push = target[cell], shift[cell]
    for _ in range(_STEPS):
        drive = _STEEPNESS * ((activity - 0.5) @ weights.T)
        production = 1 / (1 + np.exp(-drive))
        made = production[cell, own]
        production[cell, own] = np.where(push > 0, made + push * (1 - made), made * (1 + push))
        activity += _TIME_STEP * (production - activity)
        activity += _NOISE * np.sqrt(_TIME_STEP) * rng.standard_normal(shape)
        np.clip(activity, 0, 1, out=activity)
    return activity


def _expression(
    activity: NDArray[np.float64],
    obs: pd.DataFrame,
    genes_per_program: int,
    n_background_genes: int,
    dropout: float,
    rng: np.random.Generator,
) -> anndata.AnnData:
    """Give counts and their logarithms of genes that follow the activities."""
    n_programs = activity.shape[1]
    program = np.r_[
        np.repeat(np.arange(n_programs), genes_per_program), np.full(n_background_genes, -1)
    ]
    n_genes = len(program)
    batch = obs["batch"].cat.codes.to_numpy()
    base = rng.lognormal(0, _ABUNDANCE, n_genes)
    measured = np.exp(rng.normal(0, 0.15, (batch.max() + 1, n_genes)))
    following = np.c_[activity, np.full(len(activity), 0.5)][:, program]
    mean = base * measured[batch] * 2 ** (_FOLD * (following - 0.5))
    mean *= rng.lognormal(0, 0.3, (len(activity), 1)) * _COUNTS * (1 - dropout) / mean.mean()
    # Negative binomial: Poisson counts around a gamma distribution.
    counts = rng.poisson(mean * rng.gamma(_DISPERSION, 1 / _DISPERSION, mean.shape))
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [f"R{p}" if first else f"P{p}_gene{place}" for p, place, first in _places(program)]
    cells = anndata.AnnData(
        sparse.csr_matrix(np.log1p(counts * (1e4 / total)).astype(np.float32)),
        obs=obs,
        var=pd.DataFrame(
            {
                "program": pd.Categorical([f"P{p}" if p >= 0 else "" for p in program]),
                "regulator": [first for *_, first in _places(program)],
            },
            index=names,
        ),
        obsm={"true_activity": activity},
    )
    cells.layers["counts"] = sparse.csr_matrix(counts.astype(np.int32))
    return cells


def _places(program: NDArray[np.int64]) -> list[tuple[int, int, bool]]:
    """Give for every gene its program, its number there, and whether it is the regulator."""
    seen: dict[int, int] = {}
    places = []
    for own in program.tolist():
        places.append((own, seen.get(own, 0), own >= 0 and own not in seen))
        seen[own] = seen.get(own, 0) + 1
    return places


def _network(
    weights: NDArray[np.float64],
    guides: pd.DataFrame,
    obs: pd.DataFrame,
    arguments: dict[str, object],
) -> Dataset[ProgramNetwork]:
    """Give the edges and what every guide does as an element."""
    response = np.zeros((len(weights), len(guides)))
    hit = guides.index[guides["target_index"] >= 0]
    response[guides["target_index"][hit], hit] = guides["shift"][hit]
    names = [f"P{p}" for p in range(len(weights))]
    count = obs["guide"].value_counts()
    element = xr.Dataset(
        {"coupling": ((NODE, REGULATOR), weights), "response": ((NODE, CONDITION), response)},
        coords={
            NODE: names,
            REGULATOR: names,
            CONDITION: guides["guide"].to_numpy(dtype=str),
            "is_control": (CONDITION, (guides["target_index"] < 0).to_numpy()),
            "n_cells": (CONDITION, count[guides["guide"]].to_numpy().astype(np.int64)),
        },
        attrs={"method": "supplied", "directed": True, "node_kind": "program"},
    )
    return assemble(
        ProgramNetwork,
        element,
        {},
        arguments=arguments,
        function="datasets.simulate_perturbation_screen",
    )
