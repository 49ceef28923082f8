"""Regulators of programs: what was planted in cells, weights of conditions, error paths."""

from __future__ import annotations

from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import sparse

import mutua as mt
from mutua.errors import InvalidInput
from mutua.models import slots
from mutua.tl.program_regulators import program_regulators
from tests.kernels.test_program_regulators import planted
from tests.reference.program_regulators import solve

N_CELLS, N_GENES, N_PROGRAMS = 900, 15, 3
NAMES = ["P0", "P1", "P2"]


def cells() -> tuple[anndata.AnnData, np.ndarray]:
    """900 cells of conditions of 500, 300 and 100 cells; genes with three clear levels."""
    made = planted(N_CELLS, N_GENES, N_PROGRAMS, 4, seed=1)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, made.genes.shape)
    condition = np.repeat(["none", "A1", "B1"], [500, 300, 100])
    order = np.random.default_rng(2).permutation(N_CELLS)
    adata = anndata.AnnData(
        made.genes * 2.0 + 3.0 + noise,
        obs=pd.DataFrame({"guide": condition[order]}, index=[f"cell{i}" for i in range(N_CELLS)]),
        var=pd.DataFrame(
            {"is_factor": np.arange(N_GENES) < 10}, index=[f"gene{i}" for i in range(N_GENES)]
        ),
    )
    weights = np.zeros((N_GENES, N_PROGRAMS))
    weights[[0, 4, 9], [0, 1, 2]] = 1.0
    values = {slots.WEIGHT: weights, slots.STATE: made.states.astype(np.float32)}
    slots.write(adata, slots.PROGRAMS, "programs", values, names=NAMES, settings={})
    return adata, made.genes


def test_what_a_general_solver_finds() -> None:
    adata, genes = cells()
    found = program_regulators(adata, condition="guide", l1=0.02)
    assert found["program"].values.tolist() == NAMES
    assert found["regulator"].values.tolist() == list(adata.var_names)
    size = adata.obs["guide"].map(adata.obs["guide"].value_counts()).to_numpy(float)
    weights = np.sqrt(size) / size / np.sqrt([500, 300, 100]).sum()
    states = adata.obsm["X_programs_state"]
    for place, name in enumerate(NAMES):
        coupling, own, activity = solve(genes, states[:, place], weights, 0.02)
        row = found.sel(program=name)
        np.testing.assert_allclose(row["coupling"].values, coupling, atol=1e-4)
        assert float(row["self_coupling"]) == pytest.approx(own, abs=1e-4)
        assert float(row["activity"]) == pytest.approx(activity, abs=1e-4)
    assert found.attrs["n_cells"] == N_CELLS
    assert found.attrs["n_conditions"] == 3
    assert found.attrs["kkt_residual"] <= 1e-6
    assert found["is_member"].values.sum() == 3
    assert bool(found["is_member"].sel(program="P1", regulator="gene4"))


def test_planted_regulators() -> None:
    adata, _ = cells()
    truth = planted(N_CELLS, N_GENES, N_PROGRAMS, 4, seed=1).coupling
    found = program_regulators(adata, condition="guide", l1=0.005)["coupling"].values
    assert (np.sign(found)[truth != 0] == np.sign(truth)[truth != 0]).all()
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix], ids=["csr", "csc"])
def test_sparse(form: Any) -> None:
    adata, _ = cells()
    adata.X = np.asarray(adata.X) - np.asarray(adata.X).min()
    expected = program_regulators(adata, condition="guide")
    adata.layers["other"] = form(adata.X)
    adata.X = np.ones_like(adata.X)
    found = program_regulators(adata, condition="guide", layer="other")
    xr.testing.assert_equal(found, expected)


def test_order_of_cells_and_genes() -> None:
    adata, _ = cells()
    random = np.random.default_rng(3)
    turned = adata[random.permutation(N_CELLS), random.permutation(N_GENES)].copy()
    found, expected = (program_regulators(a, condition="guide", l1=0.02) for a in (turned, adata))
    again = found.sel(regulator=expected["regulator"].values)
    np.testing.assert_allclose(again["coupling"], expected["coupling"], atol=1e-4)
    np.testing.assert_array_equal(again["is_member"], expected["is_member"])


def test_genes() -> None:
    adata, _ = cells()
    expected = program_regulators(adata[:, :10].copy(), condition="guide")
    named = program_regulators(adata, condition="guide", genes=[f"gene{i}" for i in range(10)])
    column = program_regulators(adata, condition="guide", genes="is_factor")
    np.testing.assert_array_equal(named["coupling"].values, expected["coupling"].values)
    xr.testing.assert_equal(column, named)


def test_without_members() -> None:
    adata, _ = cells()
    found = program_regulators(adata, condition="guide", l1=0.001, include_members=False)
    member = found["is_member"].values
    assert (found["coupling"].values[member] == 0).all()
    assert (found["coupling"].values[~member] != 0).any()
    del adata.varm["programs"]
    assert "is_member" not in program_regulators(adata, condition="guide")
    with pytest.raises(InvalidInput, match="include_members"):
        program_regulators(adata, condition="guide", include_members=False)


def test_programs_that_are_constant_are_named() -> None:
    adata, _ = cells()
    adata.obsm["X_programs_state"][:, 1] = 0
    with pytest.warns(UserWarning, match="one state in all cells: 'P1'") as caught:
        found = program_regulators(adata, condition="guide")
    assert caught[0].filename == __file__
    assert (found["coupling"].sel(program="P1").values == 0).all()
    assert float(found["explained"].sel(program="P1")) == pytest.approx(0, abs=1e-6)


def test_bad_input() -> None:
    adata, _ = cells()
    with pytest.raises(InvalidInput, match="no gene programs"):
        program_regulators(adata, condition="guide", key="others")
    with pytest.raises(InvalidInput, match="no column 'drug'"):
        program_regulators(adata, condition="drug")
    with pytest.raises(InvalidInput, match="'nowhere'"):
        program_regulators(adata, condition="guide", genes=["gene1", "nowhere"])
    with pytest.raises(InvalidInput, match="no genes"):
        program_regulators(adata, condition="guide", genes=[])
    for option in ({"l1": 0.0}, {"tolerance": 0.0}, {"include_members": "yes"}):
        with pytest.raises(InvalidInput, match=next(iter(option))):
            program_regulators(adata, condition="guide", **option)
    broken = adata.copy()
    broken.X[4, 2] = np.nan
    with pytest.raises(InvalidInput, match="missing or infinite"):
        program_regulators(broken, condition="guide")
    broken = adata.copy()
    broken.obs.loc["cell7", "guide"] = None
    with pytest.raises(InvalidInput, match="missing for 1 cells"):
        program_regulators(broken, condition="guide")
    broken = adata.copy()
    broken.obsm["X_programs_state"][3, 1] = 0.5
    with pytest.raises(InvalidInput, match="other values"):
        program_regulators(broken, condition="guide")
    broken.obsm["X_programs_state"] = broken.obsm["X_programs_state"][:, :2]
    with pytest.raises(InvalidInput, match="2 columns"):
        program_regulators(broken, condition="guide")
    del broken.obsm["X_programs_state"]
    with pytest.raises(InvalidInput, match="X_programs_state"):
        program_regulators(broken, condition="guide")


def test_round_trip(tmp_path: Any) -> None:
    found = program_regulators(cells()[0], condition="guide")
    mt.Analysis({"regulators": found}).write(tmp_path / "study.zarr")
    xr.testing.assert_equal(mt.open(tmp_path / "study.zarr")["regulators"].compute(), found)
