"""The bundled cells say what their sources say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
import xarray as xr

import mutua as mt


def recorded(record: Any) -> list[tuple[str, dict[str, object]]]:
    return [(step["function"], step["arguments"]) for step in json.loads(record)["steps"]]


@pytest.fixture(scope="module")
def cells() -> anndata.AnnData:
    return mt.datasets.immune_cells()


def test_values_of_immune_cells(cells: anndata.AnnData) -> None:
    """The totals of the source."""
    assert cells.shape == (1_000, 6_397)
    assert cells.X.dtype == np.float32
    assert cells.X.has_sorted_indices
    assert cells.X.nnz == 666_173
    assert cells.X.data.sum(dtype=np.float64) == pytest.approx(913_979.81, abs=0.01)
    assert cells.X.max() == np.float32(11.969748)
    assert cells["3348", "TBCD"].X.toarray().item() == np.float32(2.195036)
    assert recorded(cells.uns["mutua"]) == [("datasets.immune_cells", {})]


def test_counts_of_immune_cells(cells: anndata.AnnData) -> None:
    """One factor for each cell turns counts into values, and every cell has single molecules."""
    counts = cells.layers["counts"]
    assert counts.dtype == np.int32
    assert counts.max() == cells["7332", "AC233755.2"].layers["counts"].toarray().item() == 8_410
    np.testing.assert_array_equal(counts.indices, cells.X.indices)
    scaled = np.exp2(cells.X.data.astype(np.float64)) - 1
    cell = np.repeat(np.arange(cells.n_obs), np.diff(counts.indptr))
    factor = scaled / counts.data
    first = factor[counts.indptr[:-1]]
    np.testing.assert_allclose(factor, first[cell], rtol=2e-6)
    assert (np.minimum.reduceat(counts.data, counts.indptr[:-1]) == 1).all()


def test_types_of_immune_cells(cells: anndata.AnnData) -> None:
    """Markers are where immunologists know them to be."""
    assert cells.obs["cell_type"].value_counts().to_dict() == {
        "CD8_T": 324, "CD4_T": 264, "MDC": 143, "Treg": 70, "B_memory": 51, "NK": 37, "plasma": 32,
        "B_naive": 19, "DC": 19, "gdT": 12, "mast": 10, "pDC": 10, "B_GC": 7, "ILC3": 2,
    }  # fmt: skip
    for gene, expected in (("MS4A1", "B_naive"), ("NKG7", "NK"), ("JCHAIN", "plasma")):
        mean = cells[:, gene].to_df()[gene].groupby(cells.obs["cell_type"], observed=True).mean()
        assert mean.idxmax() == expected
    assert cells.obsm["X_umap"].shape == (1_000, 2)
    assert 0 < cells.var["highly_variable"].sum() < 6_397
    # The embedding belongs to the cells in this order: types stay together.
    where = cells.obsm["X_umap"][(cells.obs["cell_type"] == "plasma").to_numpy()]
    assert where.std(axis=0).max() < 0.7 * cells.obsm["X_umap"].std(axis=0).min()


def test_immune_gene_sets(cells: anndata.AnnData) -> None:
    sets = mt.datasets.immune_gene_sets()
    assert len(sets) == 181
    assert all(len(set(genes)) == len(genes) >= 3 for genes in sets.values())
    genes = set().union(*sets.values())
    assert len(genes & set(cells.var_names)) == 4_216
    sets["B_Breg_UP"].clear()
    assert mt.datasets.immune_gene_sets()["B_Breg_UP"]


@pytest.fixture(scope="module")
def sachs() -> mt.datasets.SachsCytometry:
    return mt.datasets.sachs()


def test_sachs_cells(sachs: mt.datasets.SachsCytometry) -> None:
    cells = sachs.cells
    assert cells.shape == (7_466, 11)
    assert cells.X.dtype == np.float32
    assert cells[0].X.ravel().tolist() == np.float32(
        [26.4, 13.2, 8.82, 18.3, 58.8, 6.61, 17.0, 414.0, 17.0, 44.9, 40.0]
    ).tolist()  # fmt: skip
    assert cells.var.loc["Erk", "source_name"] == "p44/42"
    assert cells.obs["condition"].value_counts(sort=False).tolist() == [
        853, 902, 911, 723, 810, 799, 848, 913, 707,
    ]  # fmt: skip
    assert cells.obs.loc[cells.obs["is_control"], "condition"].unique().tolist() == [
        "cd3cd28", "cd3cd28+icam2",
    ]  # fmt: skip
    assert recorded(cells.uns["mutua"]) == [("datasets.sachs", {})]


def test_blocks_of_rows_are_the_conditions(sachs: mt.datasets.SachsCytometry) -> None:
    """An inhibitor of the synthesis of PIP2 leaves little of it; one of Mek keeps Erk down."""
    logarithm = np.log(sachs.cells.to_df())
    mean = logarithm.groupby(sachs.cells.obs["condition"], observed=True).mean()
    assert mean["PIP2"].idxmin() == "cd3cd28+psitect"
    # What U0126 blocks is the activity of Mek: Mek itself piles up, Erk does not follow.
    block, control = mean.loc["cd3cd28+u0126"], mean.loc["cd3cd28"]
    assert block["Mek"] - control["Mek"] > 2
    assert block["Erk"] - control["Erk"] < 1


def test_sachs_network(sachs: mt.datasets.SachsCytometry) -> None:
    network: xr.Dataset = sachs.network
    mt.ProgramNetwork.check(network, deep=True)
    assert dict(network.sizes) == {"node": 11, "regulator": 11, "condition": 9}
    assert network.attrs["directed"]
    assert network["node"].values.tolist() == sachs.cells.var_names.tolist()
    coupling = network["coupling"].to_pandas()
    assert set(np.unique(coupling)) == {0, 1}
    assert coupling.to_numpy().sum() == 18
    assert coupling.loc["Mek", "Raf"] == coupling.loc["Erk", "Mek"] == 1
    assert coupling.loc["Raf", "Mek"] == 0
    assert coupling.index[coupling["PKA"] == 1].tolist() == [
        "Raf", "Mek", "Erk", "Akt", "P38", "Jnk",
    ]  # fmt: skip
    response = network["response"].to_pandas()
    assert response.loc["PKC", "pma"] == response.loc["PKA", "b2camp"] == 1
    assert response.loc["Mek", "cd3cd28+u0126"] == -1
    assert np.abs(response).sum().tolist() == [0, 0, 1, 1, 1, 1, 1, 1, 1]
    assert (network["is_control"] == (np.abs(response).sum() == 0)).all()
    assert network["n_cells"].sum() == 7_466
    target = sachs.cells.obs.drop_duplicates("condition").set_index("condition")["target"]
    assert [target[name] for name in response] == [
        "", "", *(response[name].abs().idxmax() for name in response.columns[2:]),
    ]  # fmt: skip


def test_a_call_gives_cells_of_its_own_that_can_be_stored(tmp_path: Path) -> None:
    mt.datasets.immune_cells().X.data[:] = 0
    cells, network = mt.datasets.immune_cells(), mt.datasets.sachs().network
    assert cells.X.data.min() > 0
    mt.Analysis({"cells": cells, "network": network}).write(tmp_path / "s.zarr")
    back = mt.open(tmp_path / "s.zarr")
    assert (back["cells"].layers["counts"] != cells.layers["counts"]).nnz == 0
    assert back["cells"].obs["cell_type"].equals(cells.obs["cell_type"])
    np.testing.assert_array_equal(back["network"]["coupling"], network["coupling"])
