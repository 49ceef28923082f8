"""Made-up networks, and cells with the programs that are their nodes."""

from __future__ import annotations

import anndata
import numpy as np
import xarray as xr

import mutua as mt
from mutua.models import slots


def network(
    n_nodes: int = 7,
    n_conditions: int = 11,
    *,
    n_modules: int = 3,
    n_groups: int = 4,
    directed: bool = True,
    suffix: str = "",
    **parts: object,
) -> xr.Dataset:
    """Give a network whose nodes and conditions are dealt out to modules and groups in turn."""
    random = np.random.default_rng(0)
    coupling = np.where(
        random.random((n_nodes, n_nodes)) < 0.4, random.normal(size=2 * [n_nodes]), 0
    )
    if not directed:
        coupling = (coupling + coupling.T) / 2
    np.fill_diagonal(coupling, 3.0)
    response = random.normal(size=(n_nodes, n_conditions))
    names = [f"P{i}{suffix}" for i in range(n_nodes)]
    facts: dict[str, object] = {
        "coupling": coupling, "response": response + 1, "response_relative": response,
        "node": names, "regulator": names,
        "condition": np.array([f"c{i}{suffix}" for i in range(n_conditions)], dtype="U"),
        "is_control": np.arange(n_conditions) < 2, "method": "supplied", "directed": directed,
        "node_kind": "program",
    }  # fmt: skip
    if n_modules:
        facts["module"] = [str(i % n_modules + 1) for i in range(n_nodes)]
    if n_groups:
        groups = [str(8 + i % n_groups) for i in range(n_conditions)]  # "8", "9", "10", ...
        facts["condition_group"] = np.array(groups, dtype="U")
    return mt.ProgramNetwork.build(**facts | parts)


def positions(nodes: xr.Dataset, *, spread: float = 5.0) -> xr.Dataset:
    """Give a table as of ``tl.program_positions``, in another order than the nodes."""
    places = np.random.default_rng(1).normal(0, spread, (nodes.sizes["node"], 2))
    names = nodes["node"].values.tolist()[::-1]
    return mt.Table.build(program=names, x=places[::-1, 0], y=places[::-1, 1])


def cells(n_programs: int = 3, *, n_cells: int = 40, n_genes: int = 17) -> anndata.AnnData:
    """Give cells with programs: gene g is of the program g % n_programs, the last gene of none."""
    random = np.random.default_rng(0)
    adata = anndata.AnnData(random.poisson(1.0, (n_cells, n_genes)).astype(np.float32))
    adata.var_names = [f"gene{g}" for g in range(n_genes)]
    weight = np.zeros((n_genes, n_programs))
    of_gene = np.arange(n_genes - 1)
    weight[of_gene, of_gene % n_programs] = 1 - of_gene / n_genes
    correlation = np.where(weight > 0, 0.8, -0.01 * np.arange(n_genes)[:, None])
    activity = random.gamma(1.0, size=(n_cells, n_programs))
    adata.obsm["X_umap"] = random.normal(size=(n_cells, 2))
    values = {
        "weight": weight, "correlation": correlation, "activity": activity,
        "state": (activity > 1).astype(np.int8) - (activity < 0.5),
    }  # fmt: skip
    names = [f"P{p}" for p in range(n_programs)]
    slots.write(adata, slots.PROGRAMS, "programs", values, names=names, settings={})
    return adata
