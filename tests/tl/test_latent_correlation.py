"""Correlations of features with latent dims, in an AnnData."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mutua as mt
from mutua.errors import InvalidInput
from tests.reference import feature_modules as reference
from tests.tl.latents import N_FEATURES, N_LATENT, N_SAMPLES, table

FORMS = [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_is_pearsons_r(form) -> None:
    adata = table()
    expected = reference.correlation(adata.X, adata.obsm["X_pca"])
    adata.X = form(adata.X)
    assert mt.tl.latent_correlation(adata, latent="X_pca") is None
    assert adata.varm["pca_correlation"] == pytest.approx(np.array(expected), abs=1e-13)
    assert adata.varm["pca_correlation"].shape == (N_FEATURES, N_LATENT)
    assert not adata.var["pca_constant"].any()
    assert sparse.issparse(adata.X) == (form is not np.asarray)


@pytest.mark.parametrize("form", FORMS[:3], ids=lambda form: form.__name__)
def test_constant_columns_have_none(form) -> None:
    adata = table(constant=(2, 9))
    adata.X[:, 5] = 0
    adata.obsm["X_pca"][:, 3] = 0.1
    adata.X = form(adata.X)
    with pytest.warns(UserWarning, match="with one value only") as caught:
        mt.tl.latent_correlation(adata, latent="X_pca")
    assert [str(warning.message) for warning in caught] == [
        "features with one value only get the correlation 0: 'taxon_2', 'taxon_5', 'taxon_9'",
        "latent dims with one value only get the correlation 0: 'pca_3'",
    ]
    assert np.flatnonzero(adata.var["pca_constant"]).tolist() == [2, 5, 9]
    r = adata.varm["pca_correlation"]
    assert np.flatnonzero((r == 0).all(axis=1)).tolist() == [2, 5, 9]
    assert np.flatnonzero((r == 0).all(axis=0)).tolist() == [3]


@pytest.mark.parametrize("offset", [0, 1e6], ids=["centred", "far from 0"])
def test_large_means(offset) -> None:
    adata = table()
    expected = np.array(reference.correlation(adata.X, adata.obsm["X_pca"]))
    adata.X += offset
    adata.obsm["X_pca"] += offset
    mt.tl.latent_correlation(adata, latent="X_pca")
    assert adata.varm["pca_correlation"] == pytest.approx(expected, abs=1e-9)


def test_explicit_zeros_and_repeated_entries_of_a_sparse_matrix() -> None:
    adata = table()
    mt.tl.latent_correlation(adata, latent="X_pca")
    expected = adata.varm["pca_correlation"]
    halves = np.repeat(adata.X.T.ravel() / 2, 2)  # every entry in two parts, zeros too
    rows = np.tile(np.repeat(np.arange(N_SAMPLES), 2), N_FEATURES)
    starts = np.arange(N_FEATURES + 1) * 2 * N_SAMPLES
    adata.X = sparse.csc_matrix((halves, rows, starts), adata.shape)
    mt.tl.latent_correlation(adata, latent="X_pca")
    assert adata.varm["pca_correlation"] == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("form", FORMS[:2], ids=lambda form: form.__name__)
def test_same_bits_whatever_the_threads(form) -> None:
    random = np.random.default_rng(0)
    adata = anndata.AnnData(form(random.poisson(1, (41, 1300)).astype(np.float32)))
    adata.obsm["X_pca"] = random.normal(size=(41, 3))
    found = []
    try:
        for threads in (1, 3):
            mt.settings.threads = threads
            mt.tl.latent_correlation(adata, latent="X_pca")
            found.append(adata.varm["pca_correlation"].tobytes())
    finally:
        mt.settings.threads = None
    assert found[0] == found[1]


def test_layer_and_copy() -> None:
    adata = table()
    adata.layers["square"] = adata.X**2
    before = adata.copy()
    found = mt.tl.latent_correlation(adata, latent="X_pca", layer="square", copy=True)
    expected = np.array(reference.correlation(adata.X**2, adata.obsm["X_pca"]))
    assert found.varm["pca_correlation"] == pytest.approx(expected, abs=1e-13)
    assert not adata.varm
    assert list(adata.var) == list(before.var)
    assert "mutua" not in adata.uns


def test_any_latent_dims() -> None:
    adata = table()
    adata.obsm["X_named"] = pd.DataFrame(adata.obsm["X_pca"], index=adata.obs_names)
    adata.obsm["X_thin"] = sparse.csr_matrix(adata.obsm["X_pca"])
    for key in ("X_pca", "X_named", "X_thin"):
        mt.tl.latent_correlation(adata, latent=key)
    for key in ("named_correlation", "thin_correlation"):
        assert np.array_equal(adata.varm[key], adata.varm["pca_correlation"])
    view = mt.to_xarray(adata, "pca")
    assert view["correlation"].dims == ("feature", "latent")
    assert view["constant"].dtype == bool


def test_comes_back_from_a_store(tmp_path) -> None:
    adata = table()
    mt.tl.latent_correlation(adata, latent="X_pca")
    mt.Analysis({"table": adata}).write(tmp_path / "study.zarr")
    stored = mt.open(tmp_path / "study.zarr")["table"]
    assert np.array_equal(stored.varm["pca_correlation"], adata.varm["pca_correlation"])
    assert stored.var["pca_constant"].dtype == bool


def wrong(change) -> anndata.AnnData:
    adata = table()
    change(adata)
    return adata


def put(where, value):
    def change(adata: anndata.AnnData) -> None:
        getattr(adata, where)[3, 1] = value

    return change


def nan_in_latent(adata: anndata.AnnData) -> None:
    adata.obsm["X_pca"][2, 1] = np.nan


def texts(adata: anndata.AnnData) -> None:
    adata.X = np.full(adata.shape, "a", dtype=object)


def repeated(adata: anndata.AnnData) -> None:
    adata.var_names = ["a", "a", *adata.var_names[2:]]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (put("X", np.nan), {}, r"missing or infinite values in 'taxon_1'"),
        (put("X", np.inf), {}, r"missing or infinite values in 'taxon_1'"),
        (nan_in_latent, {}, r"`latent`: missing or infinite values in 'pca_1'"),
        (repeated, {}, r"1 names of features occur more than once, such as 'a'"),
        (lambda a: None, {"latent": "X_none"}, r"no obsm\['X_none'\].*X_pca"),
        (lambda a: None, {"layer": "counts"}, r"`layer`: no layer 'counts'"),
        (lambda a: None, {"copy": "no"}, r"`copy`: 'no'"),
    ],
    ids=["NaN", "infinite", "NaN in latent", "same names", "no latent", "no layer", "copy"],
)
def test_refused(change, options, message) -> None:
    adata = wrong(change)
    with pytest.raises(InvalidInput, match=message):
        mt.tl.latent_correlation(adata, **({"latent": "X_pca"} | options))
    assert not adata.varm


@pytest.mark.parametrize(
    ("values", "message"),
    [(None, "no X"), (np.array([["a"], ["b"]], object), "has the type object")],
    ids=["none", "texts"],
)
def test_no_numbers(values, message) -> None:
    adata = anndata.AnnData(values, obs=pd.DataFrame(index=["a", "b"]))
    if values is None:
        adata = anndata.AnnData(obs=pd.DataFrame(index=["a", "b"]), var=pd.DataFrame(index=["f"]))
    adata.obsm["X_pca"] = np.array([[1.0], [2.0]])
    with pytest.raises(InvalidInput, match=message):
        mt.tl.latent_correlation(adata, latent="X_pca")


def test_infinite_in_sparse() -> None:
    adata = table()
    adata.X[4, 7] = np.inf
    adata.X = sparse.csr_matrix(adata.X)
    with pytest.raises(InvalidInput, match="missing or infinite values in 'taxon_7'"):
        mt.tl.latent_correlation(adata, latent="X_pca")


def test_one_sample() -> None:
    with pytest.raises(InvalidInput, match="at least 2"):
        mt.tl.latent_correlation(table()[:1].copy(), latent="X_pca")
