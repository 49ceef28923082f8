"""Bundled single cells; `SOURCES.md` beside this file says where they come from."""

from __future__ import annotations

import gzip
import json
from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import sparse

from mutua.datasets._data import DATA
from mutua.io.tables import read_table
from mutua.models import Dataset, ProgramNetwork, checked
from mutua.models.build import assemble
from mutua.models.dims import CONDITION, NODE, REGULATOR
from mutua.models.provenance import call_step, stamp

__all__ = ["SachsCytometry", "immune_cells", "immune_gene_sets", "sachs"]

_PROTEINS = {
    "praf": "Raf",
    "pmek": "Mek",
    "plcg": "Plcg",
    "PIP2": "PIP2",
    "PIP3": "PIP3",
    "p44/42": "Erk",
    "pakts473": "Akt",
    "PKA": "PKA",
    "PKC": "PKC",
    "P38": "P38",
    "pjnk": "Jnk",
}
"""Names of the source, and those that the proteins and lipids are known by."""
_SACHS = {
    "cd3cd28": ("", 0),
    "cd3cd28+icam2": ("", 0),
    "cd3cd28+aktinhib": ("Akt", -1),
    "cd3cd28+g0076": ("PKC", -1),
    "cd3cd28+psitect": ("PIP2", -1),
    "cd3cd28+u0126": ("Mek", -1),
    "cd3cd28+ly294002": ("PIP3", -1),  # inhibits PI3K, which makes PIP3
    "pma": ("PKC", 1),
    "b2camp": ("PKA", 1),
}
"""What the reagent of each condition acts on, and whether it inhibits or activates it."""
_EFFECTS = {-1: "inhibition", 0: "stimulus", 1: "activation"}


@checked
def immune_cells() -> anndata.AnnData:
    """Give 1,000 human immune cells of 14 types, 1,000 cells x 6,397 genes.

    Small enough for examples, and real: nine of ten values are 0, types differ in number from 2 to
    324, and cells in depth by a factor of 100.

    Returns
    -------
    AnnData
        ``X``: float32 CSR, ``log2(1 + scaled count)``, equal to the source's but for the last bit
        of some values. ``layers["counts"]``: int32 CSR. The source has no counts; they are
        recovered from ``X``, which in every cell holds whole multiples of one value once the
        logarithm is undone, and that value is taken for one molecule. ``obs["cell_type"]``;
        ``var["highly_variable"]``, as in the source; ``obsm["X_umap"]``, 1,000 x 2.

    See Also
    --------
    immune_gene_sets : Gene sets for these cells.

    References
    ----------
    Kunes R. Z. et al., Supervised discovery of interpretable gene programs from single-cell data.
    Nature Biotechnology 42, 1084-1095 (2024).

    Examples
    --------
    >>> import mutua as mt
    >>> cells = mt.datasets.immune_cells()
    >>> cells.shape, round(1 - cells.X.nnz / (1000 * 6397), 3)
    ((1000, 6397), 0.896)
    >>> cells.obs["cell_type"].value_counts().head(3).to_dict()
    {'CD8_T': 324, 'CD4_T': 264, 'MDC': 143}
    """
    with np.load(DATA / "immune_cells.npz") as stored:
        cell, gene, order = stored["cell"], stored["gene"], stored["gene_order"]
        is_counted = np.unpackbits(stored["is_counted"], axis=1, count=len(cell))
        low, high = stored["count_bytes"].astype(np.int32)
        factor, umap = stored["factor"], stored["umap"]
        cell_type = pd.Categorical.from_codes(stored["cell_type"], stored["cell_types"].tolist())
        is_variable = stored["highly_variable"]
    row, column = np.nonzero(is_counted)
    shape = len(cell), len(gene)
    counts = sparse.csr_matrix((low + 256 * high, (column, order[row])), shape, dtype=np.int32)
    counts.sort_indices()
    values = np.log2(counts.data * np.repeat(factor, np.diff(counts.indptr)) + 1)
    return anndata.AnnData(
        sparse.csr_matrix(
            (values.astype(np.float32), counts.indices.copy(), counts.indptr.copy()), shape
        ),
        obs=pd.DataFrame({"cell_type": cell_type}, index=cell.tolist()),
        var=pd.DataFrame({"highly_variable": is_variable}, index=gene.tolist()),
        obsm={"X_umap": umap},
        layers={"counts": counts},
    )


def immune_gene_sets() -> dict[str, list[str]]:
    """Give 181 sets of human genes: pathways of all cells, and responses of immune cells.

    Names begin with the cells that a set is about, such as ``all_``, ``CD8-T_`` or ``Mac_``.

    Returns
    -------
    dict
        Names of genes, 3 to some hundreds, by the name of the set. Many are not among the genes
        of `immune_cells`.

    References
    ----------
    Kunes R. Z. et al., Supervised discovery of interpretable gene programs from single-cell data.
    Nature Biotechnology 42, 1084-1095 (2024).

    Examples
    --------
    >>> import mutua as mt
    >>> sets = mt.datasets.immune_gene_sets()
    >>> len(sets), sets["B_Breg_UP"]
    (181, ['TGFB1', 'IL10', 'IL12A', 'EBI3', 'TGFB2'])
    """
    with gzip.open(DATA / "immune_gene_sets.json.gz", "rt", encoding="utf-8") as file:
        by_type = json.load(file)
    # Some sets of the source name a gene twice.
    return {
        name: list(dict.fromkeys(genes))
        for sets in by_type.values()
        for name, genes in sets.items()
    }


class SachsCytometry(NamedTuple):
    """Cells and the network that is believed to underlie them.

    Attributes
    ----------
    cells
        Amounts of 11 phosphorylated proteins and lipids.
    network
        Edges that are known from the literature.
    """

    cells: anndata.AnnData
    network: Dataset[ProgramNetwork]


def sachs() -> SachsCytometry:
    """Give 11 signalling molecules in 7,466 human T cells under nine reagents, and their network.

    Flow cytometry of single cells, some minutes after they were stimulated. The consensus network
    is what biologists agreed upon; the cells need not obey all of it.

    Returns
    -------
    cells : AnnData
        ``X``: float32, intensities from 1 to 9,058, cells x 11. They are spread over several
        orders of magnitude: take logarithms (``scanpy.pp.log1p``) before looking for a network.
        ``var["source_name"]``: the names in the source, such as ``p44/42`` for Erk.
        ``obs["condition"]``: the reagents, in the order of the source. ``obs["is_control"]``: of
        ``cd3cd28`` and ``cd3cd28+icam2``, the two general stimuli, after which no molecule was
        interfered with. Next come five inhibitors added to the first of these; the last two,
        ``pma`` and ``b2camp``, are activators that were given alone, so they also lack that
        stimulus. ``obs["target"]``: the molecule that a reagent acts on, empty for stimuli;
        LY294002 inhibits PI3K, which makes PIP3. ``obs["effect"]``: ``"stimulus"``,
        ``"inhibition"`` or ``"activation"``.
    network : ProgramNetwork
        ``coupling``, row = target and column = regulator: 1 for each of the 18 edges, of which the
        source gives no sign. ``response``: -1 where a condition inhibits a molecule, 1 where it
        activates it, else 0.

    Notes
    -----
    The source has no column of conditions; they are its consecutive blocks of rows.

    References
    ----------
    Sachs K. et al., Causal protein-signaling networks derived from multiparameter single-cell
    data. Science 308, 523-529 (2005).

    Examples
    --------
    >>> import mutua as mt
    >>> cells, network = mt.datasets.sachs()
    >>> cells.shape, int(network["coupling"].sum())
    ((7466, 11), 18)
    >>> cells.obs["condition"].value_counts(sort=False).head(2).to_dict()
    {'cd3cd28': 853, 'cd3cd28+icam2': 902}
    >>> float(network["coupling"].sel(node="Mek", regulator="Raf"))
    1.0
    """
    cells = read_table(DATA / "sachs_cells.csv.gz", metadata_columns=["condition"])
    cells.X = cells.X.astype(np.float32)
    cells.var["source_name"] = cells.var_names.to_numpy(dtype=object)
    cells.var_names = [_PROTEINS[name] for name in cells.var_names]
    condition = cells.obs["condition"].tolist()
    cells.obs = pd.DataFrame(
        {
            "condition": pd.Categorical(condition, categories=list(_SACHS)),
            "is_control": [_SACHS[name][1] == 0 for name in condition],
            "target": pd.Categorical([_SACHS[name][0] for name in condition]),
            "effect": pd.Categorical([_EFFECTS[_SACHS[name][1]] for name in condition]),
        },
        index=cells.obs_names,
    )
    stamp(cells, "AnnData", 1, call_step("datasets.sachs", {}))
    return SachsCytometry(cells, _sachs_network(cells))


def _sachs_network(cells: anndata.AnnData) -> Dataset[ProgramNetwork]:
    names = cells.var_names.tolist()
    edges = pd.read_csv(DATA / "sachs_network.csv").replace(_PROTEINS)
    coupling = np.zeros((len(names), len(names)))
    target, regulator = (cells.var_names.get_indexer(edges[end]) for end in ("Effect", "Cause"))
    coupling[target, regulator] = 1
    response: NDArray[np.float64] = np.zeros((len(names), len(_SACHS)))
    for number, (hit, sign) in enumerate(_SACHS.values()):
        if hit:
            response[names.index(hit), number] = sign
    element = xr.Dataset(
        {"coupling": ((NODE, REGULATOR), coupling), "response": ((NODE, CONDITION), response)},
        coords={
            NODE: names,
            REGULATOR: names,
            CONDITION: list(_SACHS),
            "is_control": (CONDITION, [sign == 0 for _, sign in _SACHS.values()]),
            "n_cells": (CONDITION, cells.obs["condition"].value_counts(sort=False).to_numpy()),
        },
        attrs={"method": "supplied", "directed": True, "node_kind": "gene"},
    )
    return assemble(ProgramNetwork, element, {}, function="datasets.sachs")
