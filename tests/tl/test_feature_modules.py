"""Modules of features and their scores."""

from __future__ import annotations

import sys
from collections.abc import Callable

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.cluster.hierarchy
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import mutua as mt
from mutua.errors import InvalidInput, MemoryLimit, MissingDependency
from mutua.kernels.first_component import first_component
from tests.reference import feature_modules as reference
from tests.tl.latents import N_FEATURES, N_SAMPLES, modules, table


def correlated(**options: tuple[int, ...]) -> anndata.AnnData:
    adata = table(**options)
    mt.tl.latent_correlation(adata, latent="X_pca")
    return adata


def groups(n_groups: int = 3, size: int = 9, seed: int = 0) -> anndata.AnnData:
    """Rows of correlations in groups that are far apart; the first ones are larger."""
    random = np.random.default_rng(seed)
    centres = np.eye(n_groups, 5)
    of_group = np.concatenate([np.full(size - g, g) for g in range(n_groups)])
    adata = anndata.AnnData(np.zeros((6, len(of_group))))
    adata.obsm["X_pca"] = random.normal(size=(6, 5))
    r = centres[of_group] * 0.8 + random.normal(0, 0.02, (len(of_group), 5))
    adata.varm["pca_correlation"] = r
    adata.var["group"] = of_group
    return adata


def all_in(module: str) -> Callable[[anndata.AnnData], None]:
    def change(adata: anndata.AnnData) -> None:
        adata.var["module"] = pd.Categorical([module] * N_FEATURES)

    return change


class TestWard:
    @pytest.mark.parametrize("n_modules", [1, 4, 11, N_FEATURES])
    def test_is_scipys_cut_of_the_tree(self, n_modules):
        adata = correlated()
        mt.tl.feature_modules(adata, latent="X_pca", n_modules=n_modules)
        expected = reference.modules(adata.varm["pca_correlation"], n_modules)
        assert adata.var["module"].astype(int).tolist() == expected
        assert adata.var["module"].cat.categories.tolist() == [str(i + 1) for i in range(n_modules)]

    def test_tree_is_kept_as_scipy_reads_it(self):
        adata = correlated()
        mt.tl.feature_modules(adata, latent="X_pca", n_modules=6)
        kept = adata.uns["module"]
        assert scipy.cluster.hierarchy.is_valid_linkage(kept["linkage"])
        again = scipy.cluster.hierarchy.fcluster(kept["linkage"], 6, "maxclust")
        assert again.tolist() == adata.var["module"].astype(int).tolist()
        assert (kept["method"], kept["latent"], kept["n_modules"]) == ("ward", "X_pca", 6)
        assert list(kept["names"]) == list("123456")

    def test_constant_features_are_in_none(self):
        with pytest.warns(UserWarning, match="taxon_0"):
            adata = correlated(constant=(0, 8))
        mt.tl.feature_modules(adata, latent="X_pca", n_modules=5)
        member = adata.var["module"]
        assert np.flatnonzero(member.isna()).tolist() == [0, 8]
        varied = adata.varm["pca_correlation"][member.notna()]
        assert member.dropna().astype(int).tolist() == reference.modules(varied, 5)
        assert len(adata.uns["module"]["linkage"]) == N_FEATURES - 3

    @pytest.mark.parametrize("missing", [np.nan, 0.0], ids=["NaN", "0"])
    def test_correlations_of_others(self, missing):
        adata = groups()
        adata.varm["pca_correlation"][4] = missing
        mt.tl.feature_modules(adata, latent="X_pca", n_modules=3)
        assert np.flatnonzero(adata.var["module"].isna()).tolist() == [4]

    def test_a_tenth_of_the_features_by_default(self):
        adata = correlated()
        mt.tl.feature_modules(adata, latent="X_pca")
        assert adata.var["module"].nunique() == round(N_FEATURES / 10)

    def test_height(self):
        adata = groups()
        mt.tl.feature_modules(adata, latent="X_pca", height=0.5)
        assert adata.var.groupby("group")["module"].nunique().tolist() == [1, 1, 1]
        assert adata.var["module"].nunique() == 3
        merges = adata.uns["module"]["linkage"][:, 2]
        assert (merges <= 0.5).sum() == adata.n_vars - 3
        mt.tl.feature_modules(adata, latent="X_pca", height=0)
        assert adata.var["module"].nunique() == adata.n_vars

    def test_features_that_cannot_be_told_apart(self):
        adata = groups()
        adata.varm["pca_correlation"][:] = np.eye(3, 5)[adata.var["group"]]
        with pytest.warns(UserWarning, match="3 modules in place of 7"):
            mt.tl.feature_modules(adata, latent="X_pca", n_modules=7)
        assert adata.uns["module"]["names"].tolist() == ["1", "2", "3"]

    def test_one_feature(self):
        adata = groups()[:, :1].copy()
        mt.tl.feature_modules(adata, latent="X_pca")
        assert adata.var["module"].tolist() == ["1"]
        assert adata.uns["module"]["linkage"].shape == (0, 4)

    def test_too_much_for_the_memory(self):
        adata = anndata.AnnData(np.zeros((2, 800)), obsm={"X_pca": np.eye(2)})
        adata.varm["pca_correlation"] = np.random.default_rng(0).uniform(-1, 1, (800, 2))
        before = mt.settings.memory
        try:
            mt.settings.memory = 2**21
            with pytest.raises(MemoryLimit, match="800 features need 2 MiB"):
                mt.tl.feature_modules(adata, latent="X_pca")
        finally:
            mt.settings.memory = before


class TestLeiden:
    def test_finds_groups_the_largest_first(self):
        adata = groups(4, 30)
        mt.tl.feature_modules(adata, latent="X_pca", method="leiden", resolution=0.5)
        assert adata.var["module"].astype(int).tolist() == (adata.var["group"] + 1).tolist()
        kept = adata.uns["module"]
        assert (kept["method"], kept["n_neighbors"], kept["resolution"]) == ("leiden", 15, 0.5)
        assert "linkage" not in kept

    def test_resolution(self):
        adata = groups(2, 60)
        for resolution in (0.5, 8.0):
            mt.tl.feature_modules(
                adata, latent="X_pca", method="leiden", resolution=resolution,
                key_added=f"at_{resolution:g}",
            )  # fmt: skip
        assert adata.var["at_0.5"].nunique() == 2 < adata.var["at_8"].nunique()
        sizes = adata.var["at_8"].value_counts().loc[list(adata.uns["at_8"]["names"])]
        assert (np.diff(sizes) <= 0).all()

    def test_same_seed_same_modules(self):
        adata = correlated()
        found = [
            mt.tl.feature_modules(
                adata, latent="X_pca", method="leiden", n_neighbors=4, seed=seed, copy=True
            ).var["module"]
            for seed in (3, 3)
        ]
        assert found[0].equals(found[1])

    def test_fewer_features_than_neighbours(self):
        adata = groups(1, 3)
        mt.tl.feature_modules(adata, latent="X_pca", method="leiden")
        assert adata.var["module"].tolist() == ["1", "1", "1"]

    def test_without_leidenalg(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "leidenalg", None)
        with pytest.raises(MissingDependency, match=r"mutua\[leiden\]"):
            mt.tl.feature_modules(groups(), latent="X_pca", method="leiden")


class TestRefused:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_modules": 0}, r"`n_modules`: 0"),
            ({"n_modules": 25}, r"`n_modules`: 25 of 24 features that vary"),
            ({"n_modules": 2.0}, r"`n_modules`: 2.0 is not a whole"),
            ({"n_modules": 2, "height": 1.0}, r"`height`: given with n_modules"),
            ({"height": -1.0}, r"`height`: -1"),
            ({"height": np.nan}, r"`height`: nan"),
            ({"method": "average"}, r"`method`: 'average'"),
            ({"method": "leiden", "n_modules": 3}, r"`n_modules`: is for method='ward'"),
            ({"method": "leiden", "height": 3}, r"`height`: is for method='ward'"),
            ({"method": "leiden", "resolution": 0}, r"`resolution`: 0"),
            ({"method": "leiden", "n_neighbors": 0}, r"`n_neighbors`: 0"),
            ({"method": "leiden", "seed": -1}, r"`seed`: -1"),
            ({"key_added": "a/b"}, r"`key_added`: 'a/b'"),
            ({"latent": "X_umap"}, r"no obsm\['X_umap'\]"),
        ],
        ids=lambda value: (
            "-".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else ""
        ),
    )
    def test_options(self, options, message):
        adata = groups()
        with pytest.raises(InvalidInput, match=message):
            mt.tl.feature_modules(adata, **({"latent": "X_pca"} | options))
        assert not adata.uns
        assert list(adata.var) == ["group"]

    def test_no_correlations(self):
        with pytest.raises(InvalidInput, match=r"no varm\['pca_correlation'\].*latent_correlation"):
            mt.tl.feature_modules(table(), latent="X_pca")

    def test_correlations_of_other_latent_dims(self):
        adata = correlated()
        adata.obsm["X_pca"] = adata.obsm["X_pca"][:, :2]
        with pytest.raises(InvalidInput, match=r"shape \(23, 4\) for 2 latent dims"):
            mt.tl.feature_modules(adata, latent="X_pca")

    def test_some_missing(self):
        adata = groups()
        adata.varm["pca_correlation"][3, 1] = np.nan
        with pytest.raises(InvalidInput, match="missing values for '3'"):
            mt.tl.feature_modules(adata, latent="X_pca")

    def test_all_constant(self):
        adata = groups()
        adata.varm["pca_correlation"][:] = 0
        with pytest.raises(InvalidInput, match="all features are constant"):
            mt.tl.feature_modules(adata, latent="X_pca")


class TestScores:
    @pytest.mark.parametrize("scale", [True, False])
    @pytest.mark.parametrize("n_modules", [1, 5, N_FEATURES])
    @pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_array])
    def test_is_the_first_component(self, form, n_modules, scale):
        adata = correlated()
        dense = adata.X
        adata.X = form(dense)
        mt.tl.feature_modules(adata, latent="X_pca", n_modules=n_modules)
        assert mt.tl.module_scores(adata, scale=scale) is None
        codes = adata.var["module"].cat.codes.to_numpy()
        assert adata.obsm["X_module"].shape == (N_SAMPLES, n_modules)
        for module in range(n_modules):
            own = codes == module
            scores, loadings, explained = reference.score(dense[:, own], scale)
            assert adata.obsm["X_module"][:, module] == pytest.approx(scores, abs=1e-9)
            assert adata.var["module_loading"][own].to_numpy() == pytest.approx(loadings, abs=1e-9)
            found = adata.uns["module"]["explained_variance"][module]
            assert found == pytest.approx(explained, abs=1e-12)

    def test_more_features_than_samples(self):
        random = np.random.default_rng(0)
        values = random.normal(size=(7, 3)) @ random.normal(size=(3, 40))
        found = first_component(values, scale=False)
        scores, loadings, explained = reference.score(values, False)
        assert found.scores == pytest.approx(scores)
        assert found.loadings == pytest.approx(loadings)
        assert found.explained == pytest.approx(explained)
        few = first_component(values[:, :6], scale=False)
        assert few.scores == pytest.approx(reference.score(values[:, :6], False)[0])

    def test_single_features(self):
        adata = modules(N_FEATURES)
        assert adata.var["module_loading"].to_numpy() == pytest.approx(np.ones(N_FEATURES))
        assert adata.uns["module"]["explained_variance"] == pytest.approx(np.ones(N_FEATURES))
        place = int(adata.var["module"].iloc[6]) - 1
        scaled = (adata.X[:, 6] - adata.X[:, 6].mean()) / adata.X[:, 6].std(ddof=1)
        assert adata.obsm["X_module"][:, place] == pytest.approx(scaled)

    def test_opposites_have_the_sign_of_the_first(self):
        column = np.array([3.0, 1.0, 4.0, 1.0, 5.0])
        for sign in (1, -1):
            found = first_component(sign * np.stack([column, -2 * column], axis=1), scale=True)
            assert found.loadings == pytest.approx([0.5**0.5, -(0.5**0.5)])
            assert np.corrcoef(found.scores, sign * column)[0, 1] == pytest.approx(1)

    def test_constant_features(self):
        adata = modules(4)
        member = adata.var["module"]
        adata.X[:, (member == "2").to_numpy()] = 0.1
        first = np.flatnonzero(member == "1")[0]
        adata.X[:, first] = 0.1
        with pytest.warns(UserWarning, match="all features of module '2' are constant"):
            mt.tl.module_scores(adata)
        assert (adata.obsm["X_module"][:, 1] == 0).all()
        explained = adata.uns["module"]["explained_variance"]
        assert np.flatnonzero(np.isnan(explained)).tolist() == [1]
        assert adata.var["module_loading"].iloc[first] == 0
        assert np.isfinite(adata.obsm["X_module"]).all()

    def test_features_without_a_module(self):
        with pytest.warns(UserWarning, match="'taxon_4'"):
            adata = modules(3, constant=(4,))
        assert np.flatnonzero(adata.var["module_loading"].isna()).tolist() == [4]

    def test_same_bits_whatever_the_threads(self):
        adata = modules(4)
        found = []
        try:
            for threads in (1, 2, 3):
                mt.settings.threads = threads
                mt.tl.module_scores(adata)
                found.append(adata.obsm["X_module"].tobytes())
        finally:
            mt.settings.threads = None
        assert len(set(found)) == 1

    def test_layer_and_copy(self):
        adata = modules(3)
        adata.layers["square"] = adata.X**2
        before = adata.obsm["X_module"].copy()
        found = mt.tl.module_scores(adata, layer="square", copy=True)
        assert np.array_equal(adata.obsm["X_module"], before)
        own = (adata.var["module"] == "1").to_numpy()
        expected, *_ = reference.score(adata.layers["square"][:, own], True)
        assert found.obsm["X_module"][:, 0] == pytest.approx(expected)

    def test_new_modules_have_no_scores_yet(self):
        adata = modules(3)
        mt.tl.feature_modules(adata, latent="X_pca", n_modules=4)
        assert "X_module" not in adata.obsm
        assert "module_loading" not in adata.var

    @given(
        scale=st.booleans(),
        seed=st.integers(0, 1000),
        n=st.integers(2, 9),
        m=st.integers(1, 7),
    )
    def test_loadings_and_scores(self, scale, seed, n, m):
        values = np.random.default_rng(seed).normal(size=(n, m))
        found = first_component(values, scale=scale)
        assert found.loadings.sum() >= -1e-9
        assert (found.loadings**2).sum() == pytest.approx(1)
        assert found.scores.sum() == pytest.approx(0, abs=1e-9)
        assert 1 / min(m, n) - 1e-9 <= found.explained <= 1
        turned = first_component(values[::-1], scale=scale)
        assert turned.explained == pytest.approx(found.explained)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda a: a.uns.pop("module"), r"no feature modules under uns\['module'\]"),
            (lambda a: a.var.pop("module"), r"no var\['module'\]"),
            (all_in("9"), "does not name"),
            (all_in("1"), "no feature is in module '2', '3'"),
        ],
        ids=["no entry", "no column", "unknown", "empty"],
    )
    def test_modules_that_do_not_fit(self, change, message):
        adata = modules(3)
        change(adata)
        with pytest.raises(InvalidInput, match=message):
            mt.tl.module_scores(adata)

    def test_features_are_gone(self):
        adata = modules(3)[:, 2:].copy()
        with pytest.raises(InvalidInput, match="made from 23 features"):
            mt.tl.module_scores(adata)
        assert mt.tl.module_scores(modules(3)[4:].copy()) is None

    def test_wrong_switch(self):
        with pytest.raises(InvalidInput, match="`scale`"):
            mt.tl.module_scores(modules(3), scale=1)


@pytest.mark.parametrize("written", ["store", "h5ad"])
def test_comes_back_with_missing_modules(written, tmp_path) -> None:
    with pytest.warns(UserWarning, match="taxon_4"):
        adata = modules(3, constant=(4, 11))
    if written == "store":
        mt.Analysis({"table": adata}).write(tmp_path / "study.zarr")
        stored = mt.open(tmp_path / "study.zarr")["table"]
    else:
        adata.write_h5ad(tmp_path / "table.h5ad")
        stored = anndata.read_h5ad(tmp_path / "table.h5ad")
    assert stored.var["module"].tolist()[:4] == adata.var["module"].tolist()[:4]
    assert np.flatnonzero(stored.var["module"].isna()).tolist() == [4, 11]
    assert stored.var["module"].cat.categories.tolist() == ["1", "2", "3"]
    assert mt.to_xarray(stored, "module").identical(mt.to_xarray(adata, "module"))
    mt.tl.module_scores(stored)
    assert np.array_equal(stored.obsm["X_module"], adata.obsm["X_module"])
    assert mt.pl.module_dendrogram(stored) is not None


def test_module_of_one_tree_comes_back(tmp_path) -> None:
    adata = groups()[:, :1].copy()
    mt.tl.feature_modules(adata, latent="X_pca")
    mt.Analysis({"table": adata}).write(tmp_path / "study.zarr")
    stored = mt.open(tmp_path / "study.zarr")["table"]
    assert stored.uns["module"]["linkage"].shape == (0, 4)


def test_records_the_calls() -> None:
    adata = modules(3)
    record = mt.models.provenance.read_record(adata)
    functions = [step["function"] for step in record["steps"]]
    assert functions[-3:] == ["tl.latent_correlation", "tl.feature_modules", "tl.module_scores"]
