"""The simulated metagenome has the dependencies that it says it has, and no others."""

from __future__ import annotations

import json
from typing import Any

import anndata
import numpy as np
import pytest

import mutua as mt
from mutua.errors import InvalidInput

LARGE = {"n_samples": 20_000, "n_features": 30, "n_modules": 4, "module_size": 6, "n_genomes": 18,
         "n_informative": 8, "n_confounded": 6, "n_confounded_modules": 2}  # fmt: skip


@pytest.fixture(scope="module", params=["batch", "age"])
def large(request: pytest.FixtureRequest) -> mt.datasets.SimulatedMetagenome:
    return mt.datasets.simulate_metagenome(**LARGE, confounder=request.param, seed=3)


def logarithms(genomes: anndata.AnnData) -> np.ndarray:
    """Logarithms with NaN where a genome was not seen."""
    return np.log10(np.where(genomes.X > 0, genomes.X, np.nan))


def correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pearson r (column of x, column of y) over the rows where x is known."""
    found = np.empty((x.shape[1], y.shape[1]))
    for i in range(x.shape[1]):
        there = ~np.isnan(x[:, i])
        found[i] = np.corrcoef(x[there, i], y[there].T)[0, 1:]
    return found


def given_confounder(values: np.ndarray, obs: Any) -> np.ndarray:
    """Take the part of every column away that the confounder explains, over the known rows."""
    name = next(iter(obs.columns))
    design = np.eye(4)[obs[name].cat.codes] if name == "batch" else np.c_[np.ones(len(obs)), obs]
    left = values.copy()
    for column in left.T:
        there = ~np.isnan(column)
        fit = np.linalg.lstsq(design[there], column[there], rcond=None)[0]
        column[there] -= design[there] @ fit
    return left


def test_sizes_and_names() -> None:
    features, genomes = mt.datasets.simulate_metagenome(**(LARGE | {"n_samples": 11}))
    assert features.shape == (11, 30)
    assert genomes.shape == (11, 18)
    assert features.obs_names.equals(genomes.obs_names)
    assert features.obs.equals(genomes.obs)
    assert features.obs["batch"].nunique() == 4
    assert features.var["true_module"].value_counts().tolist() == [6] * 4
    assert features.var["true_module"].isna().sum() == 6
    assert features.obsm["latent"].shape == (11, 4)
    roles = genomes.var["role"].value_counts().to_dict()
    assert roles == {"informative": 8, "confounded": 6, "null": 4}
    for key in ("mi", "correlation"):
        assert genomes.varm[key].shape == (18, 4)
        assert genomes.varm[key].columns.tolist() == features.obsm["latent"].columns.tolist()
    for table in (features, genomes):
        (step,) = json.loads(table.uns["mutua"])["steps"]
        assert step["function"] == "datasets.simulate_metagenome"
        assert (step["seed"], step["arguments"]["n_samples"]) == (0, 11)


def test_the_seed_makes_the_values() -> None:
    options = LARGE | {"n_samples": 13}
    first, second = (mt.datasets.simulate_metagenome(**options, seed=5) for _ in range(2))
    other = mt.datasets.simulate_metagenome(**options, seed=6)
    for one, same, different in zip(first, second, other, strict=True):
        np.testing.assert_array_equal(one.X, same.X)
        assert (one.X != different.X).any()
    assert first.genomes.var.equals(second.genomes.var)


def test_correlations_of_genomes_with_latent_dims(large: Any) -> None:
    """Those that the confounder makes are among them."""
    features, genomes = large
    found = correlation(logarithms(genomes), features.obsm["latent"].to_numpy())
    stated = genomes.varm["correlation"].to_numpy()
    np.testing.assert_allclose(found, stated, atol=0.05)
    is_confounded = (genomes.var["role"] == "confounded").to_numpy()
    np.testing.assert_allclose(stated[is_confounded, :2], 0.49)
    assert (stated[is_confounded, 2:] == 0).all()
    assert (stated[(genomes.var["role"] == "null").to_numpy()] == 0).all()
    own = genomes.var["true_module"].cat.codes.to_numpy()[:8]
    assert ((stated[np.arange(8), own] >= 0.6) & (stated[np.arange(8), own] <= 0.95)).all()


def test_information_given_the_confounder(large: Any) -> None:
    """From the correlation that is left, by the formula for normal variables."""
    features, genomes = large
    latent = given_confounder(features.obsm["latent"].to_numpy().copy(), features.obs)
    left = given_confounder(logarithms(genomes), genomes.obs)
    squared = correlation(left, latent) ** 2
    seen = (genomes.X > 0).mean(axis=0)
    found = -0.5 * seen[:, None] * np.log1p(-squared)
    stated = genomes.varm["mi"].to_numpy()
    np.testing.assert_allclose(found, stated, atol=0.02)
    assert ((stated > 0).sum(axis=1) == (genomes.var["role"] == "informative")).all()


def test_zeros_have_nothing_to_do_with_anything(large: Any) -> None:
    features, genomes = large
    is_zero = (genomes.X == 0).astype(float)
    expected = genomes.var["zero_fraction"].to_numpy()
    np.testing.assert_allclose(is_zero.mean(axis=0), expected, atol=0.02)
    assert expected.mean() == pytest.approx(0.5, abs=0.15)
    assert abs(correlation(is_zero, features.obsm["latent"].to_numpy())).max() < 0.04
    assert (features.X > 0).all()


def test_features_of_a_module_correlate(large: Any) -> None:
    features = large.features
    values = np.log10(features.X)
    found = np.corrcoef(values.T)
    codes = features.var["true_module"].cat.codes.to_numpy()
    same = (codes[:, None] == codes) & (codes >= 0) & ~np.eye(len(codes), dtype=bool)
    np.testing.assert_allclose(found[same], 0.7, atol=0.03)
    alone = (codes == -1)[:, None] & ~np.eye(len(codes), dtype=bool)
    assert abs(found[alone]).max() < 0.04
    # Modules 0 and 1 follow the confounder, so they correlate as well.
    first, second = (values[:, codes == number].mean(axis=1) for number in (0, 1))
    assert np.corrcoef(first, second)[0, 1] > 0.3


def test_a_number_is_a_range_of_one() -> None:
    _, genomes = mt.datasets.simulate_metagenome(correlation=-0.5, zero_fraction=0.0)
    stated = genomes.varm["correlation"].to_numpy()[:60]
    own = genomes.var["true_module"].cat.codes.to_numpy()[:60, None]
    np.testing.assert_array_equal(np.take_along_axis(stated, own, axis=1), -0.5)
    assert (genomes.X > 0).all()
    unconfounded = genomes.varm["mi"].to_numpy()[4, 4]
    assert unconfounded == pytest.approx(-0.5 * np.log(1 - 0.25))


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"n_samples": 0}, "n_samples"),
        ({"n_samples": 3}, "n_samples"),
        ({"n_samples": 2.5}, "n_samples"),
        ({"n_modules": 50}, "n_features"),
        ({"n_informative": 390}, "n_genomes"),
        ({"n_confounded_modules": 11}, "n_confounded_modules"),
        ({"n_batches": 1}, "n_batches"),
        ({"module_correlation": 1.5}, "module_correlation"),
        ({"confounding": -0.1}, "confounding"),
        ({"zero_fraction": "half"}, "zero_fraction"),
        ({"correlation": (0.9, 0.2)}, "correlation"),
        ({"correlation": 1.0}, "correlation"),
        ({"correlation": (0.1, 0.2, 0.3)}, "correlation"),
        ({"confounder": "diet"}, "confounder"),
        ({"seed": -1}, "seed"),
    ],
    ids=str,
)
def test_what_cannot_be_simulated(options: dict[str, Any], argument: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        mt.datasets.simulate_metagenome(**options)
    assert caught.value.argument == argument
