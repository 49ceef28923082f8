"""Features of a second table and modules, through latent dims."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from tests.reference import feature_modules as reference
from tests.tl.latents import N_LATENT, modules

N_GENOMES, N_MODULES = 31, 6
NOTEBOOK = {"by": "threshold", "level": 0.95, "feature_quantile": 0.95, "module_quantile": 0.9}


def information(
    values: np.ndarray | None = None, *, latent: list[int] | None = None, **parts: object
) -> xr.Dataset:
    """Give mutual information with the latent dims of `tests.tl.latents`, named after PCA."""
    if values is None:
        values = np.random.default_rng(1).gamma(0.5, 0.1, (N_GENOMES, N_LATENT))
    latent = list(range(values.shape[1])) if latent is None else latent
    facts = {
        "mi": values, "feature": [f"mag_{i}" for i in range(len(values))],
        "latent": [f"pca_{i}" for i in latent], "estimator": "knn", "n_neighbors": 3,
        "n_samples": 37,
    }  # fmt: skip
    return mt.FeatureMI.build(**facts | parts)


def links(found: xr.Dataset) -> dict[tuple[int, int], set[int]]:
    """Give the latent dims that link each genome and module, by number; modules from 1."""
    result: dict[tuple[int, int], set[int]] = {}
    both = found["feature_latent"] & found["latent_module"]
    for g, m, dim in np.argwhere(both.transpose("feature", "module", "latent").values).tolist():
        result.setdefault((g, m + 1), set()).add(dim)
    return result


@pytest.fixture(scope="module")
def adata():
    return modules(N_MODULES)


@pytest.mark.parametrize("normalized", [True, False], ids=["stored", "computed"])
@pytest.mark.parametrize("ties", [True, False])
def test_rules_of_the_loops(adata, normalized, ties) -> None:
    values = np.random.default_rng(1).gamma(0.5, 0.1, (N_GENOMES, N_LATENT))
    if ties:  # many genomes near the largest, and a latent dim that nothing informs
        values = np.minimum(values, np.quantile(values, 0.7))
        values[:, 2] = 0
    largest = np.where(values.max(axis=0) > 0, values.max(axis=0), 1)
    parts = {"mi_normalized": values / largest} if normalized else {}
    found = mt.tl.associate_modules(information(values, **parts), adata, **NOTEBOOK)
    member = adata.var["module"].astype(int).tolist()
    expected = reference.linked(values, adata.varm["pca_correlation"], member, 0.95, 0.95)
    assert links(found) == expected
    assert len(expected) > 3
    assert dict(np.ndenumerate(found["n_links"].values)) == {
        (g, m): len(expected.get((g, m + 1), ()))
        for g in range(N_GENOMES)
        for m in range(N_MODULES)
    }
    for (g, m), dims in expected.items():
        assert found["strength"].values[g, m - 1] == max(values[g, dim] for dim in dims)
    assert (found["strength"].values[~found["associated"].values] == 0).all()


def test_what_it_is(adata) -> None:
    found = mt.tl.associate_modules(information(), adata, **NOTEBOOK)
    mt.ModuleAssociation.check(found, deep=True)
    assert dict(found.sizes) == {
        "feature": N_GENOMES, "module": N_MODULES, "latent": N_LATENT
    }  # fmt: skip
    assert {name: found.attrs[name] for name in NOTEBOOK} == NOTEBOOK
    assert found["module"].values.tolist() == list("123456")


def test_quantile(adata) -> None:
    values = information()["mi"].values
    found = mt.tl.associate_modules(information(), adata, by="quantile", level=0.8)
    expected = values >= np.quantile(values, 0.8, axis=0)
    assert np.array_equal(found["feature_latent"].values, expected)
    assert found["feature_latent"].values.sum(axis=0).tolist() == [7] * N_LATENT


def test_threshold_alone(adata) -> None:
    values = information()["mi"].values
    found = mt.tl.associate_modules(information(), adata, by="threshold", level=0.4)
    assert np.array_equal(found["feature_latent"].values, values >= 0.4 * values.max(axis=0))


def test_fdr_is_the_default(adata) -> None:
    q = np.random.default_rng(0).uniform(0, 0.2, (N_GENOMES, N_LATENT))
    q[3, 1] = 0.05
    found = mt.tl.associate_modules(information(q_value=q), adata)
    assert (found.attrs["by"], found.attrs["level"]) == ("fdr", 0.05)
    assert np.array_equal(found["feature_latent"].values, q <= 0.05)
    assert found["feature_latent"].values[3, 1]


def test_what_is_missing_or_0_is_never_kept(adata) -> None:
    values = information()["mi"].values.copy()
    values[4], values[:, 1], values[5, 2] = np.nan, np.nan, 0
    zeros = np.zeros(values.shape)
    for options in (
        {"by": "threshold", "level": 0.0},
        {"by": "quantile", "level": 0.0},
        {"by": "fdr", "level": 1.0},
    ):
        mi = information(values, q_value=np.where(np.isnan(values), np.nan, zeros))
        kept = mt.tl.associate_modules(mi, adata, **options)["feature_latent"].values
        assert np.array_equal(kept, np.nan_to_num(values) > 0)


def test_modules_hold_the_top_of_a_latent_dim(adata) -> None:
    whole = mt.tl.associate_modules(information(), adata, module_quantile=0.0, by="quantile")
    assert whole["latent_module"].values.all()
    best = mt.tl.associate_modules(information(), adata, module_quantile=1.0, by="quantile")
    strongest = np.abs(adata.varm["pca_correlation"]).argmax(axis=0)
    expected = adata.var["module"].to_numpy()[strongest].astype(int) - 1
    assert best["latent_module"].values.sum(axis=1).tolist() == [1] * N_LATENT
    assert best["latent_module"].values.argmax(axis=1).tolist() == expected.tolist()


def test_constant_features_do_not_count() -> None:
    with pytest.warns(UserWarning, match="taxon_3"):
        adata = modules(N_MODULES, constant=(3, 4, 5, 6))
    r = adata.varm["pca_correlation"][[0, 1, 2, *range(7, 23)]]
    member = adata.var["module"].dropna().astype(int).tolist()
    values = information()["mi"].values
    found = mt.tl.associate_modules(information(), adata, **NOTEBOOK)
    assert links(found) == reference.linked(values, r, member, 0.95, 0.95)


def test_latent_dims_are_matched_by_name(adata) -> None:
    values = information()["mi"].values
    found = mt.tl.associate_modules(information(), adata, by="quantile")
    order = [3, 0, 2]
    some = mt.tl.associate_modules(
        information(values[:, order], latent=order), adata, by="quantile"
    )
    assert some["latent"].values.tolist() == ["pca_3", "pca_0", "pca_2"]
    chosen = found.isel(latent=order)
    assert np.array_equal(some["feature_latent"], chosen["feature_latent"])
    assert np.array_equal(some["latent_module"], chosen["latent_module"])


def test_other_latent_dims_than_those_of_the_modules(adata) -> None:
    adata = adata.copy()
    adata.obsm["X_turned"] = adata.obsm["X_pca"][:, ::-1].copy()
    mt.tl.latent_correlation(adata, latent="X_turned")
    mi = information(latent=range(N_LATENT))
    mi = mi.assign_coords(latent=[f"turned_{i}" for i in range(N_LATENT)])
    found = mt.tl.associate_modules(mi, adata, by="quantile", latent="X_turned")
    expected = mt.tl.associate_modules(information(), adata, by="quantile")
    assert np.array_equal(found["latent_module"], expected["latent_module"].values[::-1])


def test_lazy_and_back_from_a_store(adata, tmp_path) -> None:
    mi = information(q_value=np.full((N_GENOMES, N_LATENT), 0.01))
    found = mt.tl.associate_modules(mi, adata)
    mt.Analysis({"table": adata, "mi": mi, "links": found}).write(tmp_path / "study.zarr")
    study = mt.open(tmp_path / "study.zarr")
    again = mt.tl.associate_modules(study["mi"], study["table"])
    assert again.drop_attrs().identical(found.drop_attrs())
    assert study["links"].drop_attrs().identical(found.drop_attrs())
    steps = mt.models.provenance.read_record(found)["steps"]
    assert steps[-1]["function"] == "tl.associate_modules"


@given(seed=st.integers(0, 999), level=st.floats(0, 1), quantile=st.floats(0, 1))
def test_a_stricter_rule_keeps_less(adata, seed, level, quantile) -> None:
    mi = information(np.random.default_rng(seed).gamma(0.5, 0.1, (N_GENOMES, N_LATENT)))
    options = {"by": "threshold", "module_quantile": quantile}
    loose = mt.tl.associate_modules(mi, adata, level=level / 2, **options)
    strict = mt.tl.associate_modules(mi, adata, level=level, feature_quantile=0.5, **options)
    assert (loose["associated"].values >= strict["associated"].values).all()
    assert (loose["strength"].values >= strict["strength"].values).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"`mi`: has no variable 'q_value'"),
        ({"by": "notebook"}, r"`by`: 'notebook'.*threshold"),
        ({"by": "quantile", "level": 1.5}, r"`level`: 1.5"),
        ({"by": "quantile", "level": np.nan}, r"`level`: nan"),
        ({"by": "quantile", "module_quantile": -0.1}, r"`module_quantile`"),
        ({"by": "quantile", "feature_quantile": 2}, r"`feature_quantile`"),
        ({"by": "quantile", "key": "cluster"}, r"`key`: no feature modules.*\['module'\]"),
        ({"by": "quantile", "latent": "X_umap"}, r"`latent`: no obsm\['X_umap'\]"),
    ],
    ids=["no q", "rule", "level", "NaN", "module", "feature", "key", "latent"],
)
def test_refused(adata, options, message) -> None:
    with pytest.raises(InvalidInput, match=message):
        mt.tl.associate_modules(information(), adata, **options)


def test_unknown_latent_dims(adata) -> None:
    mi = information(latent=[0, 1, 2, 9])
    with pytest.raises(InvalidInput, match=r"'pca_9' are not in obsm\['X_pca'\]"):
        mt.tl.associate_modules(mi, adata, by="quantile")


def test_features_are_gone(adata) -> None:
    with pytest.raises(InvalidInput, match="made from 23 features"):
        mt.tl.associate_modules(information(), adata[:, 1:].copy(), by="quantile")


def test_not_a_feature_mi(adata) -> None:
    with pytest.raises(InvalidElement, match="argument `mi`"):
        mt.tl.associate_modules(information().drop_vars("mi"), adata, by="quantile")
