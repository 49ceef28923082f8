"""Slots of results in an AnnData, each axis of its own size."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mutua as mt
from mutua.errors import InvalidInput
from mutua.models import slots

N_OBS, N_VARS, N_LATENT = 5, 7, 3


@pytest.fixture
def adata() -> anndata.AnnData:
    adata = anndata.AnnData(np.ones((N_OBS, N_VARS), np.float32))
    adata.var_names = [f"gene{i}" for i in range(N_VARS)]
    return adata


def write_latents(adata: anndata.AnnData, **values: np.ndarray) -> None:
    slots.write(
        adata,
        slots.LATENTS,
        "autoencoder",
        {slots.EMBEDDING: np.arange(N_OBS * N_LATENT).reshape(N_OBS, N_LATENT), **values},
        names=["a", "b", "c"],
        settings={"n_epochs": 4},
    )


class TestWrite:
    def test_names_of_slots(self, adata):
        write_latents(adata, correlation=np.zeros((N_VARS, N_LATENT)))
        assert adata.obsm["X_autoencoder"].shape == (N_OBS, N_LATENT)
        assert adata.varm["autoencoder_correlation"].shape == (N_VARS, N_LATENT)
        assert adata.uns["autoencoder"]["n_epochs"] == 4

    def test_all_or_nothing(self, adata):
        with pytest.raises(ValueError, match="correlation: shape"):
            write_latents(adata, correlation=np.zeros((N_LATENT, N_VARS)))
        assert not adata.obsm
        assert not adata.uns

    def test_what_an_earlier_call_left_goes(self, adata):
        write_latents(adata, correlation=np.zeros((N_VARS, N_LATENT)))
        write_latents(adata)
        assert "autoencoder_correlation" not in adata.varm

    def test_comes_back_from_a_store(self, adata, tmp_path):
        write_latents(adata)
        mt.Analysis({"table": adata}).write(tmp_path / "study.zarr")
        stored = mt.open(tmp_path / "study.zarr")["table"]
        kept = slots.find(stored, slots.LATENTS, "autoencoder", argument="key", whole=True)
        assert list(kept["names"]) == ["a", "b", "c"]
        assert mt.to_xarray(stored, "autoencoder").identical(mt.to_xarray(adata, "autoencoder"))


class TestAdd:
    def test_keeps_what_is_there(self, adata):
        write_latents(adata)
        slots.add(
            adata,
            slots.LATENTS,
            "autoencoder",
            {slots.CORRELATION: np.ones((N_VARS, N_LATENT))},
            settings={"constant": 0},
        )
        assert "X_autoencoder" in adata.obsm
        assert adata.uns["autoencoder"]["n_epochs"] == 4
        assert adata.uns["autoencoder"]["constant"] == 0

    def test_leaves_what_others_say_alone(self, adata):
        adata.uns["pca"] = {"variance": np.ones(2)}
        correlation = np.ones((N_VARS, 2))
        slots.add(
            adata, slots.LATENTS, "pca", {slots.CORRELATION: correlation}, settings={"constant": 0}
        )
        assert list(adata.uns["pca"]) == ["variance"]
        assert adata.varm["pca_correlation"].shape == (N_VARS, 2)

    def test_wrong_number_of_columns(self, adata):
        write_latents(adata)
        values = {slots.CORRELATION: np.ones((N_VARS, N_LATENT + 1))}
        with pytest.raises(ValueError, match="correlation: shape"):
            slots.add(adata, slots.LATENTS, "autoencoder", values)


class TestFind:
    def test_lists_what_there_is(self, adata):
        write_latents(adata)
        with pytest.raises(InvalidInput, match=r"no latent dims under uns\['pca'\].*autoencoder"):
            slots.find(adata, slots.LATENTS, "pca", argument="latent")

    def test_another_result(self, adata):
        write_latents(adata)
        with pytest.raises(InvalidInput, match="no feature modules"):
            slots.find(adata, slots.MODULES, "autoencoder", argument="key")

    def test_columns_that_were_cut(self, adata):
        write_latents(adata)
        adata.obsm["X_autoencoder"] = adata.obsm["X_autoencoder"][:, :2]
        with pytest.raises(InvalidInput, match="has 2 columns"):
            slots.find(adata, slots.LATENTS, "autoencoder", argument="latent")

    def test_samples_may_be_picked(self, adata):
        write_latents(adata)
        some = adata[:3].copy()
        assert slots.find(some, slots.LATENTS, "autoencoder", argument="latent", whole=True)

    def test_a_subset_of_features_is_noticed(self, adata):
        write_latents(adata)
        some = adata[:, 2:].copy()
        assert slots.find(some, slots.LATENTS, "autoencoder", argument="latent")
        with pytest.raises(InvalidInput, match="2 are missing, such as 'gene0'"):
            slots.find(some, slots.LATENTS, "autoencoder", argument="latent", whole=True)

    def test_another_order_is_noticed(self, adata):
        write_latents(adata)
        turned = adata[:, ::-1].copy()
        with pytest.raises(InvalidInput, match="another order"):
            slots.find(turned, slots.LATENTS, "autoencoder", argument="latent", whole=True)


class TestColumns:
    @pytest.mark.parametrize("kind", ["array", "sparse", "frame"])
    def test_any_container(self, adata, kind):
        values = np.arange(N_OBS * 2.0).reshape(N_OBS, 2)
        adata.obsm["X_pca"] = {
            "array": values,
            "sparse": sparse.csr_matrix(values),
            "frame": pd.DataFrame(values, index=adata.obs_names, columns=["u", "v"]),
        }[kind]
        found, names = slots.columns(adata, "X_pca", argument="latent")
        np.testing.assert_array_equal(found, values)
        assert names == (["u", "v"] if kind == "frame" else ["pca_0", "pca_1"])

    def test_our_own_names(self, adata):
        write_latents(adata)
        assert slots.columns(adata, "X_autoencoder", argument="latent")[1] == ["a", "b", "c"]

    def test_missing(self, adata):
        with pytest.raises(InvalidInput, match=r"no obsm\['X_pca'\]. Obsm is empty"):
            slots.columns(adata, "X_pca", argument="latent")


class TestToXarray:
    def test_modules_with_features_in_none(self, adata):
        membership = pd.Categorical(["1", "2", None, "1", "1", "2", None], ["1", "2"])
        values = {slots.MEMBERSHIP: membership, slots.SCORE: np.zeros((N_OBS, 2))}
        slots.write(adata, slots.MODULES, "module", values, names=["1", "2"], settings={})
        found = mt.to_xarray(adata, "module")
        assert found["membership"].values.tolist() == ["1", "2", "", "1", "1", "2", ""]
        assert found["score"].dims == ("sample", "module")
        assert found.indexes["feature"].tolist() == list(adata.var_names)

    def test_unknown_key(self, adata):
        write_latents(adata)
        adata.obsm["X_pca"] = np.zeros((N_OBS, 2))
        with pytest.raises(InvalidInput, match=r"no result under 'umap'.*autoencoder', 'pca'"):
            mt.to_xarray(adata, "umap")
