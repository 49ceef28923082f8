"""Feature mutual information in blocks of features, here and on a cluster, bit by bit alike."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import sparse

import mutua as mt
from mutua.errors import InvalidInput
from mutua.tl import _feature_tables as tables

N, F, L = 61, 173, 4
SAMPLES = [f"s{number}" for number in range(N)]
QUICK = {"n_permutations": 12}
CASES = {
    "maxima": QUICK,
    "stopped": {"n_permutations": 40, "adjust": "fdr"},
    "no_permutations": {},
    "copula": {"estimator": "gaussian_copula", **QUICK},
    "bins": {"estimator": "binned", **QUICK},
    "covariates": {"covariates": ["age", "batch"], "n_permutations": 5},
    "blocks": {"blocks": "batch", **QUICK},
    "classes": {"discrete": ["f3", "f160"], **QUICK},
    "inner": {"join": "inner", **QUICK},
}
KINDS = {
    "columns": lambda x: da.from_array(x, chunks=(-1, 30)),
    "single_columns": lambda x: da.from_array(x, chunks=(20, 1)),
    "rows": lambda x: da.from_array(x, chunks=(23, -1)),
    "chunked_csr": lambda x: da.from_array(sparse.csr_matrix(x), chunks=(23, -1), asarray=False),
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_array,
}

pytestmark = pytest.mark.filterwarnings("ignore:p-values of:UserWarning", "ignore:constant")


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    """Abundances, many of them 0, a constant column and some columns of zeros."""
    random = np.random.default_rng(0)
    x = random.lognormal(size=(N, F))
    x[x < 0.5] = 0
    x[:, 7] = 3
    x[:, 100:140] = 0
    x[:, [3, 160]] = random.integers(0, 2, (N, 2))
    return x.astype(np.float32)


@pytest.fixture(scope="module")
def y(values: np.ndarray) -> pd.DataFrame:
    random = np.random.default_rng(1)
    frame = pd.DataFrame(random.normal(size=(N, L)), SAMPLES, [f"l{i}" for i in range(L)])
    frame["l1"] += values[:, 5]
    return frame.assign(sick=random.random(N) < 0.4)


def adata(x: Any) -> anndata.AnnData:
    random = np.random.default_rng(2)
    obs = pd.DataFrame(
        {"batch": random.choice(list("abcd"), N), "age": random.normal(size=N)}, SAMPLES
    )
    return anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=[f"f{i}" for i in range(F)]))


def narrow(monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """Let a block have at most n features."""
    memory = n * tables._COPIES * 8 * N
    monkeypatch.setattr(tables, "settings", SimpleNamespace(memory=memory))


def assert_same(one: xr.Dataset, two: xr.Dataset) -> None:
    xr.testing.assert_identical(one.drop_attrs(), two.drop_attrs())
    assert one.attrs["n_tests"] == two.attrs["n_tests"]


@pytest.mark.parametrize(
    "case",
    [
        *("maxima", "stopped", "covariates", "classes"),
        *(
            pytest.param(case, marks=pytest.mark.slow)
            for case in ("no_permutations", "copula", "bins", "blocks", "inner")
        ),
    ],
)
def test_blocks_change_nothing(
    values: np.ndarray, y: pd.DataFrame, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    y = y.iloc[5:] if case == "inner" else y
    expected = mt.tl.mutual_information(adata(values), y, **CASES[case])
    narrow(monkeypatch, 50)
    found = mt.tl.mutual_information(adata(KINDS["columns"](values)), y, **CASES[case])
    assert_same(found, expected)


@pytest.mark.parametrize("width", [20, pytest.param(170, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_chunks_change_nothing(
    values: np.ndarray, y: pd.DataFrame, kind: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = mt.tl.mutual_information(adata(values), y, **QUICK)
    narrow(monkeypatch, width)
    x = adata(KINDS[kind](values))
    read = tables.read_table("x", x, layer=None, obsm=None, obs=None)
    assert isinstance(read, tables.ChunkedTable)
    assert max(last - first for first, last in read.ranges) <= width
    assert_same(mt.tl.mutual_information(x, y, **QUICK), expected)


def test_blocks_of_one_feature_change_nothing(
    values: np.ndarray, y: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = values[:, :9]
    names = [f"f{i}" for i in range(9)]
    x = xr.DataArray(few, {"sample": SAMPLES, "feature": names}, ("sample", "feature"))
    expected = mt.tl.mutual_information(x, y, **QUICK)
    narrow(monkeypatch, 1)
    assert_same(mt.tl.mutual_information(x.chunk(feature=4), y, **QUICK), expected)


@pytest.mark.parametrize(
    ("chunks", "most", "expected"),
    [
        ((4, 4, 4), 9, [(0, 8), (8, 12)]),
        ((4, 4, 4), 3, [(0, 3), (3, 4), (4, 7), (7, 8), (8, 11), (11, 12)]),
        ((10, 2), 4, [(0, 4), (4, 8), (8, 12)]),
        ((5,), 5, [(0, 5)]),
    ],
    ids=["whole_chunks", "parts", "a_part_and_a_chunk", "one"],
)
def test_blocks_are_made_of_chunks(
    chunks: tuple[int, ...], most: int, expected: list[tuple[int, int]], monkeypatch: Any
) -> None:
    narrow(monkeypatch, most)
    held = da.zeros((N, sum(chunks)), chunks=(-1, chunks))
    names = [str(i) for i in range(sum(chunks))]
    table = tables.ChunkedTable(held, pd.Index(SAMPLES), names, np.zeros(len(names), bool))
    assert table.ranges == expected


def test_only_a_few_columns_are_in_memory(
    values: np.ndarray, y: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    block = tables.ChunkedTable.block

    def noted(self: Any, held: Any, first: int, last: int) -> Any:
        seen.append(held.shape)
        return block(self, held, first, last)

    monkeypatch.setattr(tables.ChunkedTable, "block", noted)
    narrow(monkeypatch, 20)
    mt.tl.mutual_information(adata(KINDS["rows"](values)), y, **QUICK)
    assert len(seen) == 3 * 9  # facts, estimates and the null; blocks
    assert max(columns for _, columns in seen) <= 20


def test_missing_values_are_named_or_their_samples_left_out(
    values: np.ndarray, y: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    holes = values.copy()
    holes[4, 2], holes[9, 150] = np.nan, np.nan
    expected = mt.tl.mutual_information(adata(holes), y, nan="drop", **QUICK)
    narrow(monkeypatch, 40)
    chunked = adata(da.from_array(holes, chunks=(-1, 40)))
    assert_same(mt.tl.mutual_information(chunked, y, nan="drop", **QUICK), expected)
    with pytest.raises(InvalidInput, match="`x`: missing values in 'f2', 'f150'"):
        mt.tl.mutual_information(chunked, y)
    holes[0, 171] = np.inf
    with pytest.raises(InvalidInput, match="`x`: infinite values in 'f171'"):
        mt.tl.mutual_information(adata(da.from_array(holes, chunks=(-1, 40))), y)
    several = values.copy()
    several[:, [5, 165]] = np.arange(N)[:, None] % 3
    chunked = adata(da.from_array(several, chunks=(-1, 40)))
    options = {"discrete": ["f5", "f165"], "estimator": "gaussian_copula"}
    with pytest.raises(InvalidInput, match="`x`: more than two classes in 'f5', 'f165'"):
        mt.tl.mutual_information(chunked, y, **options)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_opened_lazily(
    values: np.ndarray, y: pd.DataFrame, form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = adata(form(values))
    held.obsm["X_pca"] = y[["l0", "l1"]].to_numpy()
    options = {"covariates": "batch", "y_obsm": "X_pca", **QUICK}
    expected = mt.tl.mutual_information(held, held, **options)
    mt.Analysis({"samples": held}).write(tmp_path / "study.zarr")
    lazy = mt.open(tmp_path / "study.zarr").read("samples", lazy=True)
    narrow(monkeypatch, 50)
    assert_same(mt.tl.mutual_information(lazy, lazy, **options), expected)
    by_age = mt.tl.mutual_information(lazy, lazy, y_obs=["age"])
    assert_same(by_age, mt.tl.mutual_information(held, held, y_obs=["age"]))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_backed_by_a_file(values: np.ndarray, y: pd.DataFrame, form: Any, tmp_path: Path) -> None:
    adata(form(values)).write_h5ad(tmp_path / "samples.h5ad")
    backed = anndata.read_h5ad(tmp_path / "samples.h5ad", backed="r")
    expected = mt.tl.mutual_information(adata(values), y)
    assert_same(mt.tl.mutual_information(backed, y), expected)
    backed.file.close()


def noting(x: Any, folder: Path, *, killing: bool = False) -> Any:
    """Write down which processes read a chunk; the first of them is killed if so wished."""

    def note(block: np.ndarray, here: int = os.getpid()) -> np.ndarray:
        (folder / str(os.getpid())).touch()
        if killing and os.getpid() != here:
            try:
                (folder / "killed").touch(exist_ok=False)
            except FileExistsError:
                return block
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    return x.map_blocks(note, meta=np.zeros((0, 0), x.dtype))


@pytest.mark.parametrize("case", ["maxima", "stopped", "covariates"])
def test_on_a_cluster(
    values: np.ndarray, y: pd.DataFrame, case: str, client: Any, tmp_path: Path
) -> None:
    expected = mt.tl.mutual_information(adata(values), y, **CASES[case])
    x = noting(KINDS["columns"](values), tmp_path)
    assert_same(mt.tl.mutual_information(adata(x), y, **CASES[case]), expected)
    workers = {str(pid) for pid in client.run(os.getpid).values()}
    read_by = {path.name for path in tmp_path.iterdir()}
    assert read_by
    assert read_by <= workers


def test_where_a_worker_is_killed(
    values: np.ndarray, y: pd.DataFrame, client: Any, tmp_path: Path
) -> None:
    expected = mt.tl.mutual_information(adata(values), y, **QUICK)
    x = noting(KINDS["columns"](values), tmp_path, killing=True)
    assert_same(mt.tl.mutual_information(adata(x), y, **QUICK), expected)
    assert (tmp_path / "killed").exists()
    client.wait_for_workers(2, timeout=300)


@pytest.mark.slow
def test_a_store_on_a_cluster(
    values: np.ndarray, y: pd.DataFrame, client: Any, tmp_path: Path, capfd: Any
) -> None:
    held = adata(sparse.csc_matrix(values))
    held.obsm["X_pca"] = y[["l0", "l1"]].to_numpy()
    expected = mt.tl.mutual_information(held, held, y_obsm="X_pca", **QUICK)
    mt.Analysis({"samples": held}).write(tmp_path / "study.zarr")
    lazy = mt.open(tmp_path / "study.zarr").read("samples", lazy=True)
    mt.settings.progress = True
    try:
        found = mt.tl.mutual_information(lazy, lazy, y_obsm="X_pca", **QUICK)
    finally:
        mt.settings.progress = None
    assert_same(found, expected)
    shown = capfd.readouterr().err
    assert "features:" in shown
    assert "0/3" in shown  # quicker than a tenth of a second they are not counted one by one


@pytest.mark.slow
def test_what_a_worker_refuses_is_said_here(values: np.ndarray, y: Any, client: Any) -> None:
    x = adata(KINDS["columns"](values))
    many = pd.DataFrame(np.eye(N)[:, 1:], SAMPLES, [f"c{i}" for i in range(1, N)])
    with pytest.raises(InvalidInput, match="things to adjust for"):
        mt.tl.mutual_information(x, y, estimator="gaussian_copula", covariates=many)
