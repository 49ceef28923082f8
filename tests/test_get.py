"""Results of an AnnData as AnnData of their own, and what scanpy makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import anndata
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from scipy import sparse

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.models import slots

N_CELLS, N_GENES, N_PROGRAMS = 7, 5, 3
ACTIVITY = np.arange(N_CELLS * N_PROGRAMS, dtype=np.float32).reshape(N_CELLS, N_PROGRAMS)
STATE = np.sign(ACTIVITY - 10).astype(np.int8)


def with_programs(key: str = "programs", **more: np.ndarray) -> anndata.AnnData:
    adata = anndata.AnnData(
        sparse.csr_matrix(np.ones((N_CELLS, N_GENES), np.float32)),
        obs=pd.DataFrame({"type": pd.Categorical(list("aabbbba"))}, [f"c{i}" for i in range(7)]),
        obsm={"X_umap": np.arange(14.0).reshape(N_CELLS, 2)},
        obsp={"connectivities": sparse.eye(N_CELLS, format="csr")},
        uns={"type_colors": np.array(["#ff0000", "#0000ff"], dtype=object), "neighbors": {"n": 3}},
    )
    values = {slots.WEIGHT: np.ones((N_GENES, N_PROGRAMS)), slots.ACTIVITY: ACTIVITY, **more}
    names = [f"P{i}" for i in range(N_PROGRAMS)]
    slots.write(adata, slots.PROGRAMS, key, values, names=names, settings={"seed": 0})
    return adata


class TestProgramActivity:
    def test_values_and_names(self) -> None:
        activity = mt.get.program_activity(with_programs())
        assert activity.shape == (N_CELLS, N_PROGRAMS)
        assert activity.X.dtype == np.float32
        np.testing.assert_array_equal(activity.X, ACTIVITY)
        assert activity.var_names.tolist() == ["P0", "P1", "P2"]
        assert activity.obs_names.tolist() == [f"c{i}" for i in range(7)]
        assert not activity.layers

    def test_states_are_a_layer(self) -> None:
        activity = mt.get.program_activity(with_programs(state=STATE))
        np.testing.assert_array_equal(activity.layers["state"], STATE)

    def test_what_is_known_of_the_cells_comes_along(self) -> None:
        adata = with_programs(state=STATE)
        activity = mt.get.program_activity(adata)
        assert activity.obs.equals(adata.obs)
        assert list(activity.obsm) == ["X_umap"]
        assert list(activity.obsp) == ["connectivities"]
        assert set(activity.uns) == {"type_colors", "neighbors", "mutua"}

    def test_nothing_is_shared(self) -> None:
        adata = with_programs(state=STATE)
        before = adata.copy()
        activity = mt.get.program_activity(adata)
        activity.X[:] = -1
        activity.layers["state"][:] = 5
        activity.obsm["X_umap"][:] = -1
        activity.obsp["connectivities"].data[:] = 9
        activity.uns["neighbors"]["n"] = 4
        activity.obs["type"] = "x"
        assert adata.obs.equals(before.obs)
        for part in ("obsm", "obsp"):
            for name, held in getattr(before, part).items():
                now = getattr(adata, part)[name]
                difference = now != held
                assert not (difference.nnz if sparse.issparse(held) else difference.any())
        assert adata.uns["neighbors"] == {"n": 3}
        assert "mutua" not in adata.uns

    def test_other_keys_and_views(self) -> None:
        adata = with_programs("nmf")
        adata.obsm["X_programs"] = np.zeros((N_CELLS, 1))  # of somebody else
        cells = adata[[4, 2]]
        activity = mt.get.program_activity(cells, key="nmf")
        np.testing.assert_array_equal(activity.X, ACTIVITY[[4, 2]])
        assert sorted(activity.obsm) == ["X_programs", "X_umap"]
        assert cells.is_view

    def test_record(self) -> None:
        step = json.loads(mt.get.program_activity(with_programs()).uns["mutua"])["steps"][-1]
        assert (step["function"], step["arguments"]["key"]) == ("get.program_activity", "programs")

    def test_can_be_stored(self, tmp_path: Path) -> None:
        activity = mt.get.program_activity(with_programs(state=STATE))
        mt.Analysis({"activity": activity}).write(tmp_path / "s.zarr")
        back = mt.open(tmp_path / "s.zarr")["activity"]
        np.testing.assert_array_equal(back.layers["state"], STATE)

    @pytest.mark.slow
    def test_scanpy_plots_and_tests_it(self) -> None:
        activity = mt.get.program_activity(with_programs())
        with mpl.rc_context({"backend": "agg"}):
            axes = sc.pl.umap(activity, color=["P1", "type"], show=False)
        np.testing.assert_array_equal(
            np.sort(axes[0].collections[0].get_array()), np.sort(ACTIVITY[:, 1])
        )
        mpl.pyplot.close(axes[0].figure)
        sc.tl.rank_genes_groups(activity, "type", method="wilcoxon")
        assert set(activity.uns["rank_genes_groups"]["names"]["a"]) == {"P0", "P1", "P2"}

    def test_of_programs_that_were_found(self) -> None:
        cells = mt.datasets.simulate_perturbation_screen(n_programs=3, n_cells=400).cells
        mt.tl.programs(cells, n_programs=3)
        activity = mt.get.program_activity(cells)
        np.testing.assert_array_equal(activity.X, cells.obsm["X_programs"])
        assert "true_activity" in activity.obsm

    def test_errors(self) -> None:
        adata = with_programs()
        with pytest.raises(InvalidInput, match="no gene programs under uns"):
            mt.get.program_activity(adata, key="nmf")
        del adata.obsm["X_programs"]
        with pytest.raises(InvalidInput, match=r"no activities.*project_programs"):
            mt.get.program_activity(adata)
        with pytest.raises(InvalidElement, match=r"argument `adata` of get.program_activity"):
            mt.get.program_activity(adata.to_df())  # type: ignore[arg-type]


class TestLatent:
    def test_of_the_library(self) -> None:
        adata = with_programs()
        values = {slots.EMBEDDING: np.ones((N_CELLS, 2), np.float32)}
        slots.write(
            adata, slots.LATENTS, "autoencoder", values, names=["latent_0", "latent_1"], settings={}
        )
        latent = mt.get.latent(adata)
        assert latent.var_names.tolist() == ["latent_0", "latent_1"]
        assert latent.shape == (N_CELLS, 2)
        assert "autoencoder" not in latent.uns
        assert "programs" in latent.uns
        assert sorted(latent.obsm) == ["X_programs", "X_umap"]

    def test_of_others(self) -> None:
        adata = with_programs()
        adata.obsm["X_pca"] = np.arange(28.0).reshape(N_CELLS, 4)
        adata.uns["pca"] = {"variance": np.ones(4)}
        latent = mt.get.latent(adata, key="pca")
        assert latent.var_names.tolist() == ["pca_0", "pca_1", "pca_2", "pca_3"]
        np.testing.assert_array_equal(latent.X, adata.obsm["X_pca"])
        latent.X[:] = 0
        assert adata.obsm["X_pca"].any()

    def test_errors(self) -> None:
        with pytest.raises(InvalidInput, match=r"`key`: no obsm\['X_pca'\]"):
            mt.get.latent(with_programs(), key="pca")
