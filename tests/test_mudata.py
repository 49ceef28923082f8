"""A MuData is given by its modalities, which are AnnData; results land there."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest

import mutua as mt
from mutua.errors import InvalidElement

mudata = pytest.importorskip("mudata")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:mudata")


@pytest.fixture
def mdata() -> mudata.MuData:
    rna = mt.datasets.simulate_perturbation_screen(n_programs=3, n_cells=400).cells
    protein = anndata.AnnData(np.ones((400, 5), np.float32))
    protein.obs_names, protein.var_names = rna.obs_names, [f"protein{i}" for i in range(5)]
    return mudata.MuData({"rna": rna, "protein": protein})


def test_results_land_in_the_modality(mdata: mudata.MuData) -> None:
    assert mt.tl.programs(mdata["rna"], n_programs=3) is None
    mdata.update()
    rna = mdata["rna"]
    assert rna.obsm["X_programs"].shape == (400, 3)
    assert rna.varm["programs"].shape == (136, 3)
    assert mdata["protein"].uns == {}
    assert mdata.shape == (400, 141)
    assert mt.get.program_activity(rna).shape == (400, 3)
    assert dict(mt.to_xarray(rna, "programs").sizes)["feature"] == 136


def test_results_come_back_from_a_file(mdata: mudata.MuData, tmp_path: Path) -> None:
    mt.tl.programs(mdata["rna"], n_programs=3)
    mdata.write(tmp_path / "m.h5mu")
    back = mudata.read_h5mu(tmp_path / "m.h5mu")["rna"]
    assert mt.to_xarray(back, "programs").identical(mt.to_xarray(mdata["rna"], "programs"))


def test_modalities_are_the_elements_of_an_analysis(mdata: mudata.MuData, tmp_path: Path) -> None:
    mt.Analysis(mdata.mod).write(tmp_path / "s.zarr")
    back = mudata.MuData(dict(mt.open(tmp_path / "s.zarr")))
    assert back.shape == mdata.shape
    np.testing.assert_array_equal(
        back["rna"].obsm["true_activity"], mdata["rna"].obsm["true_activity"]
    )


def test_a_whole_mudata_is_refused_with_what_to_pass(mdata: mudata.MuData) -> None:
    for call in (
        lambda: mt.tl.programs(mdata, n_programs=3),
        lambda: mt.get.program_activity(mdata),
        lambda: mt.pp.clr(mdata),
        lambda: mt.to_xarray(mdata, "programs"),
    ):
        with pytest.raises(InvalidElement, match=r"a MuData -> pass .*modality mdata\['rna'\]"):
            call()


def test_the_modality_named_is_one_that_is_there(mdata: mudata.MuData) -> None:
    only = mudata.MuData({"protein": mdata["protein"]})
    with pytest.raises(InvalidElement, match=r"such as its modality mdata\['protein'\]"):
        mt.tl.programs(only, n_programs=3)
    with pytest.raises(InvalidElement, match=r"a MuData -> pass an AnnData$"):
        mt.tl.programs(mudata.MuData({}), n_programs=3)
