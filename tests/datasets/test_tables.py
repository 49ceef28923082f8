"""The bundled tables say what their sources say."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import numpy as np
import pytest
from scipy import stats

import mutua as mt


def recorded(table: anndata.AnnData) -> list[tuple[str, dict[str, object]]]:
    steps = json.loads(table.uns["mutua"])["steps"]
    return [(step["function"], step["arguments"]) for step in steps]


@pytest.fixture(scope="module")
def sputum() -> anndata.AnnData:
    return mt.datasets.cf_sputum()


def test_sputum_counts(sputum: anndata.AnnData) -> None:
    """The archive has 1 more in each of its 236 x 188 values; their sum is 4,100,554."""
    assert sputum.shape == (236, 188)
    assert sputum.X.dtype == np.int64
    assert sputum.X.min() == 0
    assert sputum.X.sum() + sputum.X.size == 4_100_554
    assert (sputum.X == 0).mean() == pytest.approx(0.62867, abs=1e-5)
    assert sputum.X.sum(axis=0).min() >= 500  # how the taxa were chosen
    assert sputum["10511.356.Spu.pH5.5", "4479989"].X.item() == 2_815
    assert recorded(sputum) == [("datasets.cf_sputum", {})]


def test_sputum_samples(sputum: anndata.AnnData) -> None:
    obs = sputum.obs
    assert obs.groupby(["group", "kind"], observed=True).size().to_dict() == {
        ("blank", "blank"): 19,
        ("control", "culture"): 8,
        ("cystic fibrosis", "culture"): 138,
        ("cystic fibrosis", "sputum"): 17,
        ("healthy", "culture"): 48,
        ("healthy", "sputum"): 6,
    }
    of_people = obs["group"].isin(["cystic fibrosis", "healthy"])
    assert (obs["patient"].notna() == of_people).all()
    assert obs["patient"].nunique() == 22
    assert obs["specimen"].nunique() == 24
    assert obs.groupby("specimen", observed=True)["patient"].nunique().eq(1).all()
    assert (obs["ph"].notna() == (obs["kind"] == "culture")).all()
    assert sorted(obs["ph"].dropna().unique()) == [5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5]
    # Names of cultures end in their pH; the source differs in four of H2.
    stated = obs.index[of_people].str.extract(r"(?i)ph\.?([\d.]+)$", expand=False).astype(float)
    differs = ~np.isnan(stated) & (stated != obs.loc[of_people, "ph"])
    assert (~np.isnan(stated)).sum() == 184
    assert obs.loc[of_people, "patient"][differs].tolist() == ["H2"] * 4


def test_soils() -> None:
    soils = mt.datasets.soils()
    assert soils.shape == (89, 119)
    assert soils.X.dtype == np.int64
    assert soils.X.min() == 0
    assert (soils.X == 0).mean() == pytest.approx(0.67123, abs=1e-5)
    assert soils["103.CA2"].obs["location"].item() == "Cedar Mtn. AZ, USA"
    assert soils.obs["country"].value_counts().to_dict() == {
        "United States of America": 76, "Peru": 7, "Argentina": 3, "Puerto Rico": 3,
    }  # fmt: skip
    assert not soils.obs.isna().any().any()
    assert recorded(soils) == [("datasets.soils", {})]


def test_bacteria_of_soils_follow_their_ph() -> None:
    """The finding of Lauber et al.: the first axis of variation is pH."""
    soils = mt.datasets.soils()
    mt.pp.clr(soils)
    centred = soils.X - soils.X.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[0][:, 0]
    assert abs(stats.spearmanr(axis, soils.obs["ph"]).statistic) > 0.8


def test_microbes_and_metabolites() -> None:
    found = mt.datasets.microbes_metabolites()
    microbes, metabolites = found
    assert (found.microbes, found.metabolites) == (microbes, metabolites)
    assert microbes.shape == (19, 466)
    assert metabolites.shape == (19, 85)
    assert microbes.obs.equals(metabolites.obs)
    assert microbes.obs["stage"].cat.ordered
    assert microbes.obs["stage"].cat.categories.tolist() == ["early", "earlymid", "latemid", "late"]
    assert sorted(microbes.obs["hours"].unique()) == [0.05, 9, 18, 42, 49.5]
    assert microbes.obs.loc["49p5hr_late", "hours"] == 49.5
    assert microbes["42hr_latemid", "rplo 1 (Cyanobacteria)"].X.item() == 113
    assert metabolites["9hr_latemid", "(3-methyladenine)"].X.item() > 0
    assert microbes.var["phylum"].value_counts().head(2).to_dict() == {
        "Proteobacteria": 114, "Actinobacteria": 95,
    }  # fmt: skip
    for table in found:
        assert recorded(table) == [("datasets.microbes_metabolites", {})]


@pytest.mark.parametrize("name", ["cf_sputum", "soils"])
def test_a_call_gives_a_table_of_its_own_that_can_be_stored(name: str, tmp_path: Path) -> None:
    table = getattr(mt.datasets, name)()
    table.X[:] = 0
    again = getattr(mt.datasets, name)()
    assert again.X.sum() > 0
    mt.Analysis({"table": again}).write(tmp_path / "s.zarr")
    back = mt.open(tmp_path / "s.zarr")["table"]
    np.testing.assert_array_equal(back.X, again.X)
    assert back.obs["ph"].equals(again.obs["ph"])
