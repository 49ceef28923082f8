"""The digest of an AnnData."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from mutua.models.anndata_digest import anndata_digest
from tests.models.examples import never_computed


class TestAnnDataDigest:
    def adata(self) -> anndata.AnnData:
        rng = np.random.default_rng(0)
        adata = anndata.AnnData(
            scipy.sparse.random(6, 4, density=0.5, format="csr", rng=rng),
            obs=pd.DataFrame(
                {
                    "batch": pd.Categorical(list("aabbab")),
                    "n": np.arange(6),
                    "name": list("uvwxyz"),
                    "good": pd.array([True, None, False, True, True, True], dtype="boolean"),
                },
                index=[f"c{i}" for i in range(6)],
            ),
        )
        adata.obsm["X_pca"] = rng.normal(size=(6, 2))
        adata.layers["raw"] = adata.X.tocsc()
        adata.uns["pca"] = {"variance": np.ones(2), "params": {"n": 2, "flag": True, "who": "me"}}
        adata.raw = adata
        return adata

    @pytest.mark.parametrize(
        "change",
        [
            lambda a: a.X.data.__setitem__(0, 9.0),
            lambda a: a.obs.__setitem__("n", 1),
            lambda a: setattr(
                a, "obs", a.obs.assign(batch=a.obs["batch"].cat.rename_categories({"a": "q"}))
            ),
            lambda a: a.obs.__setitem__("good", pd.array([True] * 6, dtype="boolean")),
            lambda a: a.obsm["X_pca"].__setitem__((0, 0), 9.0),
            lambda a: a.layers["raw"].data.__setitem__(0, 9.0),
            lambda a: a.uns["pca"]["params"].__setitem__("n", 3),
            lambda a: a.uns.__setitem__("more", [1]),
            lambda a: a.raw.X.data.__setitem__(0, 9.0),
            lambda a: setattr(a, "obs_names", [f"d{i}" for i in range(6)]),
        ],
    )
    def test_every_change_changes_it(self, change) -> None:  # type: ignore[no-untyped-def]
        adata = self.adata()
        before = anndata_digest(adata)
        assert before == anndata_digest(self.adata())
        change(adata)
        assert anndata_digest(adata) != before

    def test_nothing_is_changed_by_it(self) -> None:
        adata = self.adata()
        matrix = adata.X
        matrix.indices = matrix.indices[::-1].copy()
        matrix.has_sorted_indices = False
        before = matrix.indices.copy()
        anndata_digest(adata)
        assert adata.X is matrix
        assert np.array_equal(matrix.indices, before)

    def test_the_record_and_the_width_of_indices_do_not_count(self) -> None:
        adata = self.adata()
        before = anndata_digest(adata)
        adata.uns["mutua"] = "{}"
        adata.X.indices = adata.X.indices.astype(np.int64)
        assert anndata_digest(adata) == before

    @pytest.mark.filterwarnings("ignore:Consolidated metadata")
    def test_writing_and_reading_do_not_change_it(self, tmp_path: Path) -> None:
        adata = self.adata()
        with anndata.settings.override(zarr_write_format=3, auto_shard_zarr_v3=False):
            adata.write_zarr(tmp_path / "a.zarr")
        assert anndata_digest(anndata.read_zarr(tmp_path / "a.zarr")) == anndata_digest(adata)

    def test_lazy_parts_are_not_computed(self) -> None:
        adata = self.adata()
        adata.layers["lazy"] = never_computed((6, 4), np.float64)
        assert anndata_digest(adata)["method"] == "graph"
        assert anndata_digest(adata) == anndata_digest(adata)

    def test_fresh_looks_at_every_value(self) -> None:
        adata = anndata.AnnData(np.zeros((400, 300), np.float32))
        before = anndata_digest(adata)
        adata.X[201, 101] = 1
        assert anndata_digest(adata, fresh=True) != before
