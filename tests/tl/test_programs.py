"""Gene programs in an AnnData, each axis of its own size."""

import importlib
import warnings

import anndata
import dask.array as da
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

import mutua as mt
from mutua.errors import DeviceUnavailable, InvalidInput
from mutua.kernels import orthogonal_nmf
from mutua.kernels import program_activity as activity_kernel
from mutua.kernels.matrix_passes import Passes
from mutua.models import provenance, slots
from mutua.tl import _program_values
from mutua.tl._cell_sample import balanced_counts, clusters_of, draw_cells
from mutua.tl._find_programs import gene_scale
from tests.reference import gene_programs as reference
from tests.tl.gene_programs import CELLS, GENES, PROGRAMS, planted_cells

QUICK = {"n_programs": PROGRAMS, "n_runs": 3, "max_iterations": 40}
SLOTS = {
    "varm": ("programs", "programs_correlation"),
    "obsm": ("X_programs", "X_programs_state"),
}


@pytest.fixture
def adata():
    return planted_cells()


@pytest.fixture(scope="module")
def done():
    adata = planted_cells()
    mt.tl.programs(adata, **QUICK)
    return adata


def assert_same(one: anndata.AnnData, two: anndata.AnnData, **tolerance: float) -> None:
    for part, keys in SLOTS.items():
        for key in keys:
            a, b = getattr(one, part)[key], getattr(two, part)[key]
            if tolerance:
                np.testing.assert_allclose(a, b, **tolerance)
            else:
                np.testing.assert_array_equal(a, b)


class TestPrograms:
    def test_what_is_written(self, done):
        before = planted_cells()
        assert set(done.obsm) == set(SLOTS["obsm"])
        assert set(done.varm) == set(SLOTS["varm"])
        assert set(done.uns) == {"kept", "programs", "mutua"}
        assert done.obs.equals(before.obs)
        assert done.var.equals(before.var)
        np.testing.assert_array_equal(done.X, before.X)
        assert done.varm["programs"].shape == (GENES, PROGRAMS)
        assert done.obsm["X_programs"].shape == (CELLS, PROGRAMS)
        entry = done.uns["programs"]
        assert list(entry["names"]) == [f"P{i}" for i in range(PROGRAMS)]
        assert entry["loss"].shape[0] == 3
        assert entry["parameters"]["n_programs"] == PROGRAMS
        assert provenance.read_record(done)["steps"][-1]["function"] == "tl.programs"

    def test_weights(self, done):
        weights = done.varm["programs"]
        assert weights.min() >= 0
        np.testing.assert_allclose(weights.T @ weights, np.eye(PROGRAMS), atol=1e-12)
        assert ((weights > 0).sum(axis=1) == 1).all()

    def test_activity_is_least_squares(self, done):
        scaled = done.X.astype(float) / done.uns["programs"]["scale"]
        expected = reference.activities(scaled, done.varm["programs"].T)
        np.testing.assert_allclose(done.obsm["X_programs"], expected, atol=1e-9)
        left = np.linalg.norm(scaled - expected @ done.varm["programs"].T)
        error = done.uns["programs"]["relative_error"]
        assert error == pytest.approx(left / np.linalg.norm(scaled))

    def test_the_programs_that_explain_most_come_first(self, done):
        explained = (done.obsm["X_programs"] ** 2).sum(axis=0)
        assert (np.diff(explained) <= 0).all()

    def test_states(self, done):
        activity, state = done.obsm["X_programs"], done.obsm["X_programs_state"]
        assert state.dtype == np.float32
        for program in range(PROGRAMS):
            assert set(state[:, program]) == {-1, 0, 1}
            order = np.argsort(activity[:, program], kind="stable")
            assert (np.diff(state[order, program]) >= 0).all()

    def test_correlation(self, done):
        expected = np.corrcoef(done.X.T.astype(float), done.obsm["X_programs"].T)
        found = done.varm["programs_correlation"]
        np.testing.assert_allclose(found, expected[:GENES, GENES:], atol=1e-9)
        assert found.min() < -0.01

    def test_scale(self, done):
        spread = done.X.astype(float).std(axis=0)
        expected = np.maximum(spread, np.percentile(spread, 20))
        np.testing.assert_allclose(done.uns["programs"]["scale"], expected, rtol=1e-6)

    @pytest.mark.parametrize("noise", [0.3, 1.0])
    @pytest.mark.parametrize("seed", range(3))
    def test_finds_what_was_planted(self, noise, seed):
        adata = planted_cells(noise, seed=seed)
        mt.tl.programs(adata, n_programs=PROGRAMS, n_runs=5, seed=seed)
        found = adata.varm["programs"].argmax(axis=1)
        assert adjusted_rand_score(adata.var["planted"], found) >= 0.98
        assert adata.uns["programs"]["stability"].min() > 0.95

    def test_plain_factors(self, adata):
        mt.tl.programs(adata, method="nmf", density_threshold=0.5, **QUICK)
        weights = adata.varm["programs"]
        np.testing.assert_allclose(np.linalg.norm(weights, axis=0), 1)
        found = weights.argmax(axis=1)
        assert adjusted_rand_score(adata.var["planted"], found) >= 0.98
        scaled = adata.X.astype(float) / adata.uns["programs"]["scale"]
        expected = reference.activities(scaled, weights.T)
        np.testing.assert_allclose(adata.obsm["X_programs"], expected, atol=1e-8)

    def test_to_xarray(self, done):
        view = mt.to_xarray(done, "programs")
        assert view.sizes == {"sample": CELLS, "feature": GENES, "program": PROGRAMS}
        assert set(view.data_vars) == {"weight", "correlation", "activity", "state"}

    def test_one_program_and_one_run(self, adata):
        mt.tl.programs(adata, n_programs=1, n_runs=1, max_iterations=5)
        scaled = adata.X.astype(float) / adata.uns["programs"]["scale"]
        expected = np.abs(np.linalg.svd(scaled, full_matrices=False)[2][0])
        np.testing.assert_allclose(adata.varm["programs"][:, 0], expected, atol=1e-8)


class TestDevice:
    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_no_gpu(self, adata):
        with pytest.raises(DeviceUnavailable, match="device='cuda'"):
            mt.tl.programs(adata, device="cuda", **QUICK)
        assert not set(adata.uns) - {"kept"}

    def test_is_in_the_record(self, adata, done):
        mt.tl.programs(adata, device="cpu", **QUICK)
        assert adata.uns["programs"]["parameters"]["device"] == "cpu"
        assert_same(adata, done)

    @pytest.mark.parametrize("layout", [np.asarray, sparse.csr_matrix])
    def test_a_gpu_gives_the_same_programs(self, adata, done, monkeypatch, layout):
        """Rows as they are made on a GPU, on torch's CPU."""
        made = []

        def on_device(values, scale):
            made.append(values)
            return Passes(values, scale, rows=50, on_device=True)

        monkeypatch.setattr(orthogonal_nmf, "Passes", on_device)
        adata.X = layout(adata.X)
        mt.tl.programs(adata, device="cpu", **QUICK)
        assert made
        assert_same(adata, done, rtol=1e-3, atol=2e-3)


class TestSameResult:
    def test_seed(self, done, adata):
        mt.tl.programs(adata, **QUICK)
        assert_same(adata, done)
        for name in ("loss", "stability", "scale"):
            np.testing.assert_array_equal(adata.uns["programs"][name], done.uns["programs"][name])

    def test_threads(self, done, adata, monkeypatch):
        monkeypatch.setattr(mt.settings, "_threads", 1)
        mt.tl.programs(adata, **QUICK)
        assert_same(adata, done)

    @pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array])
    def test_sparse(self, done, adata, kind):
        adata.X = kind(adata.X)
        mt.tl.programs(adata, **QUICK)
        assert sparse.issparse(adata.X)
        assert_same(adata, done, atol=1e-5)

    @pytest.mark.parametrize("as_sparse", [False, True])
    def test_chunked(self, adata, as_sparse, monkeypatch):
        for module in (_program_values, activity_kernel):
            monkeypatch.setattr(module, "ROWS", 100)
        X = sparse.csr_matrix(adata.X) if as_sparse else adata.X
        lazy = adata.copy()
        lazy.X = da.concatenate(
            [
                da.from_array(X[i : i + 170], chunks=(170, -1), asarray=False)
                for i in range(0, CELLS, 170)
            ]
        )
        adata.X = X
        for cells in (adata, lazy):
            mt.tl.programs(cells, n_cells=200, **QUICK)
        assert_same(lazy, adata)
        assert hasattr(lazy.X, "dask")

    def test_backed(self, adata, tmp_path):
        adata.X = sparse.csr_matrix(adata.X)
        adata.write_h5ad(tmp_path / "cells.h5ad")
        backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
        for cells in (adata, backed):
            mt.tl.programs(cells, n_cells=200, **QUICK)
        assert_same(backed, adata)
        with pytest.raises(InvalidInput, match=r"`copy`: True .* adata.to_memory\(\)"):
            mt.tl.programs(backed, copy=True, **QUICK)
        with pytest.raises(InvalidInput, match="`copy`"):
            mt.tl.project_programs(backed, reference=adata, copy=True)
        backed.file.close()

    @pytest.mark.parametrize("as_sparse", [False, True])
    def test_opened_lazily(self, adata, as_sparse, tmp_path):
        adata.X = sparse.csr_matrix(adata.X) if as_sparse else adata.X
        adata.obs["cluster"] = np.resize(["a", "b", "b"], CELLS)
        adata.write_zarr(tmp_path / "cells.zarr")
        lazy = anndata.experimental.read_lazy(tmp_path / "cells.zarr")
        for cells in (adata, lazy):
            mt.tl.programs(cells, n_cells=200, balance_by="cluster", **QUICK)
        assert_same(lazy, adata)
        assert hasattr(lazy.X, "dask")
        new = anndata.experimental.read_lazy(tmp_path / "cells.zarr")
        mt.tl.project_programs(new, reference=lazy)
        assert_same(new, adata)

    def test_layer(self, done, adata):
        adata.X = np.zeros_like(adata.X)
        mt.tl.programs(adata, layer="twice", **QUICK)
        np.testing.assert_allclose(adata.varm["programs"], done.varm["programs"], atol=1e-5)
        assert adata.uns["programs"]["parameters"]["layer"] == "twice"

    def test_copy(self, done, adata):
        found = mt.tl.programs(adata, copy=True, key_added="own", **QUICK)
        np.testing.assert_array_equal(found.varm["own"], done.varm["programs"])
        assert not adata.varm
        assert set(adata.uns) == {"kept"}

    def test_seeds_differ(self, adata):
        mt.tl.programs(adata, **{**QUICK, "n_runs": 2}, n_cells=300)
        loss = adata.uns["programs"]["loss"]
        assert loss[0, 0] != loss[1, 0]


class TestPriors:
    def test_come_last_with_the_first_singular_vector(self, adata):
        own = {"first": ["gene0", "gene6", "gene12"], "second": ["gene12", "gene1"]}
        mt.tl.programs(adata, prior_programs=own, **{**QUICK, "n_programs": 7})
        entry = adata.uns["programs"]
        assert list(entry["names"]) == ["P0", "P1", "P2", "P3", "P4", "first", "second"]
        assert entry["prior"].tolist() == [False] * 5 + [True] * 2
        assert np.isnan(entry["stability"]).tolist() == [False] * 5 + [True] * 2
        weights = adata.varm["programs"]
        assert np.flatnonzero(weights[:, 5]).tolist() == [0, 6, 12]
        assert np.flatnonzero(weights[:, 6]).tolist() == [1, 12]
        assert (weights[[0, 1, 6, 12], :5] == 0).all()
        scaled = adata.X.astype(float) / entry["scale"]
        expected = np.linalg.svd(scaled[:, [0, 6, 12]], full_matrices=False)[2][0]
        np.testing.assert_allclose(weights[[0, 6, 12], 5], np.abs(expected), atol=1e-8)
        active = reference.activities(scaled, weights.T)
        np.testing.assert_allclose(adata.obsm["X_programs"], active, atol=1e-8)

    def test_only_priors(self, adata):
        mt.tl.programs(adata, n_programs=2, prior_programs=[["gene3"], ["gene4", "gene5"]])
        assert list(adata.uns["programs"]["names"]) == ["P0", "P1"]
        assert adata.varm["programs"][3].tolist() == [1, 0]
        assert adata.uns["programs"]["loss"].shape == (0, 0)

    @pytest.mark.parametrize(
        ("priors", "message"),
        [
            ([["gene0", "no1"], ["no2", "gene1"]], "2 genes are not there: 'no1', 'no2'"),
            ([["gene0"]] * 7, "7 prior programs"),
            ([[]], r"\[\] for program 'P5'"),
            (["gene0"], "'gene0' for program"),
            ("gene0", "a str"),
            ({"P0": ["gene0"]}, "names that other programs have: 'P0'"),
        ],
        ids=["unknown", "many", "empty", "text", "one", "names"],
    )
    def test_refused(self, adata, priors, message):
        with pytest.raises(InvalidInput, match=message):
            mt.tl.programs(adata, prior_programs=priors, **QUICK)
        assert not adata.varm


class TestBalance:
    @given(
        st.lists(st.integers(1, 3000), min_size=1, max_size=9),
        st.integers(1, 20_000),
        st.sampled_from(["squareroot", "equal", "proportional"]),
    )
    def test_total_and_cap_hold(self, sizes, n, balance):
        sizes = np.array(sizes)
        counts = balanced_counts(sizes, n, balance=balance, most=2.0)
        assert (counts <= 2 * sizes).all()
        assert counts.sum() == min(n, 2 * sizes.sum())

    def test_shares(self):
        sizes = np.array([100, 400, 900])
        assert balanced_counts(sizes, 120, balance="squareroot").tolist() == [20, 40, 60]
        assert balanced_counts(sizes, 120, balance="equal").tolist() == [40, 40, 40]
        assert balanced_counts(sizes, 140, balance="proportional").tolist() == [10, 40, 90]

    def test_no_cell_comes_much_more_often(self):
        clusters = np.repeat([0, 1, -1], [30, 500, 70])
        random = np.random.default_rng(0)
        drawn = draw_cells(clusters, 600, 300, balance="equal", most=2, random=random)
        times = np.bincount(drawn, minlength=600)
        assert times[:30].tolist() == [2] * 30
        assert times[30:530].sum() == 240
        assert times[30:530].max() == 1
        assert times[530:].sum() == 0

    def test_small_clusters_are_not_drawn(self, adata):
        adata.obs["cluster"] = np.repeat(["a", "b", "c"], [19, 20, 561])
        clusters = clusters_of(adata, "cluster", least=20)
        assert np.bincount(clusters + 1).tolist() == [19, 20, 561]

    def test_balanced_scale(self, adata):
        mt.tl.programs(adata, balance_by="cluster", balance="equal", n_cells=40, **QUICK)
        # The cells of 5 x 40 are drawn with equal shares: 100 of each cluster.
        few = adata.obs["cluster"] == "few"
        assert few.sum() == 100
        expected = gene_scale(adata.X[few.to_numpy()])
        scale = adata.uns["programs"]["scale"]
        assert adata.uns["programs"]["parameters"]["balance_by"] == "cluster"
        assert np.corrcoef(scale, expected)[0, 1] > 0.8

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"balance_by": "none"}, "no obs"),
            ({"balance_by": "cluster", "balance": "all"}, "Use one of"),
            ({"balance_by": "cluster", "min_cluster_size": 501}, "the largest has 500"),
            ({"balance_by": "cluster", "max_sample_rate": 0.5}, "of at least 1"),
        ],
        ids=["column", "balance", "small", "rate"],
    )
    def test_refused(self, adata, options, message):
        with pytest.raises(InvalidInput, match=message):
            mt.tl.programs(adata, **options, **QUICK)

    def test_cells_without_cluster(self, adata):
        adata.obs["cluster"] = adata.obs["cluster"].astype(object)
        adata.obs.iloc[[3, 5], adata.obs.columns.get_loc("cluster")] = np.nan
        with pytest.raises(InvalidInput, match="no cluster for 2 cells: 'cell3', 'cell5'"):
            mt.tl.programs(adata, balance_by="cluster", **QUICK)


class TestBadInput:
    @pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
    @pytest.mark.parametrize(
        ("value", "what"), [(-1, "negative"), (np.nan, "missing"), (np.inf, "infinite")]
    )
    def test_values(self, adata, kind, value, what):
        X = adata.X.copy()
        X[17, 5] = value
        adata.X = kind(X)
        with pytest.raises(InvalidInput, match=f"{what}.*cells 'cell17' and genes 'gene5'"):
            mt.tl.programs(adata, **QUICK)
        assert not adata.varm
        assert "programs" not in adata.uns

    def test_raw_counts(self, adata):
        adata.X = np.rint(20 * adata.X)
        with pytest.raises(InvalidInput, match=r"raw counts.*sc\.pp\.log1p"):
            mt.tl.programs(adata, **QUICK)
        mt.tl.programs(adata, allow_counts=True, **QUICK)
        assert adata.varm["programs"].shape == (GENES, PROGRAMS)

    @pytest.mark.parametrize("as_sparse", [False, True])
    def test_zero_genes_and_cells(self, adata, as_sparse):
        X = adata.X.copy()
        X[:, [4, 90]] = 0
        X[33] = 0
        adata.X = sparse.csr_matrix(X) if as_sparse else X
        with pytest.warns(UserWarning, match="2 genes, 'gene4', 'gene90'; 1 cells, 'cell33'"):
            mt.tl.programs(adata, **QUICK)
        assert (adata.varm["programs"][[4, 90]] == 0).all()
        assert (adata.varm["programs_correlation"][[4, 90]] == 0).all()
        assert (adata.obsm["X_programs"][33] == 0).all()
        entry = adata.uns["programs"]
        assert (entry["n_zero_genes"], entry["n_zero_cells"]) == (2, 1)

    def test_all_zero(self, adata):
        adata.X = np.zeros_like(adata.X)
        with pytest.raises(InvalidInput, match="0 throughout"):
            mt.tl.programs(adata, **QUICK)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_programs": GENES + 1}, "121 for 120 genes"),
            ({"n_programs": 0}, "at least 1"),
            ({"n_programs": 2.5}, "whole number"),
            ({"n_runs": 0}, "at least 1"),
            ({"method": "pca"}, "Use one of"),
            ({"layer": "none"}, "no layer"),
            ({"seed": -1}, "at least 0"),
            ({"tolerance": -1}, "at least 0"),
            ({"density_threshold": 0}, "above 0"),
            ({"key_added": ""}, "without '/'"),
            ({"copy": 1}, "True or False"),
            ({"progress": "yes"}, "True or False"),
            ({"device": "tpu"}, "Use one of"),
        ],
        ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
    )
    def test_arguments(self, adata, options, message):
        with pytest.raises(InvalidInput, match=message):
            mt.tl.programs(adata, **{**QUICK, **options})
        assert not adata.varm

    def test_more_programs_than_cells(self, adata):
        few = adata[:5].copy()
        with pytest.raises(InvalidInput, match="6 for 5 cells"):
            mt.tl.programs(few, **QUICK)

    def test_repeated_genes(self, adata):
        adata.var_names = ["gene0", *adata.var_names[:-1]]
        with pytest.raises(InvalidInput, match="names of genes occur more than once"):
            mt.tl.programs(adata, **QUICK)

    def test_fewer_programs_than_asked_for(self):
        X = np.random.default_rng(0).gamma(1, size=(40, 1)) @ np.ones((1, 9))
        X = X @ np.diag(np.arange(1.0, 10))
        adata = anndata.AnnData(X)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            mt.tl.programs(adata, n_programs=3, n_runs=2, max_iterations=20)
        weights = adata.varm["programs"]
        assert weights.shape[1] <= 3
        np.testing.assert_allclose(np.linalg.norm(weights, axis=0), 1)


def test_an_interrupt_writes_nothing(adata, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    module = importlib.import_module("mutua.tl.programs")
    monkeypatch.setattr(module, "three_levels", stop)
    with pytest.raises(KeyboardInterrupt):
        mt.tl.programs(adata, **QUICK)
    assert not adata.varm
    assert not adata.obsm
    assert set(adata.uns) == {"kept"}


def test_round_trip(done, tmp_path):
    mt.Analysis({"cells": done}).write(tmp_path / "study.zarr")
    again = mt.open(tmp_path / "study.zarr")["cells"]
    assert_same(again, done)
    entry = slots.find(again, slots.PROGRAMS, "programs", argument="key", whole=True)
    np.testing.assert_array_equal(entry["loss"], done.uns["programs"]["loss"])
    assert list(entry["names"]) == list(done.uns["programs"]["names"])


def test_h5ad_round_trip(done, tmp_path):
    done.write_h5ad(tmp_path / "cells.h5ad")
    assert_same(anndata.read_h5ad(tmp_path / "cells.h5ad"), done)
