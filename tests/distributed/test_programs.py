"""Gene programs of cells in blocks of rows, here and on a cluster, bit by bit alike."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import anndata
import dask.array as da
import numpy as np
import pytest
from scipy import sparse

import mutua as mt
from mutua.errors import InvalidInput
from mutua.kernels import program_activity as activity_kernel
from mutua.tl import _program_values as program_values
from tests.tl.gene_programs import CELLS, PROGRAMS, planted_cells

CHUNK = 170
QUICK = {"n_programs": PROGRAMS, "n_runs": 3, "max_iterations": 40, "n_cells": 200}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (program_values, activity_kernel):
        monkeypatch.setattr(module, "ROWS", 100)
    monkeypatch.setattr(program_values, "_MOST", 2)


@pytest.fixture(scope="module")
def adata() -> anndata.AnnData:
    cells = planted_cells()
    cells.X = sparse.csr_matrix(cells.X)
    return cells


@pytest.fixture
def expected(adata: anndata.AnnData) -> anndata.AnnData:
    found = mt.tl.programs(adata, copy=True, **QUICK)
    assert found is not None
    return found


def chunked(adata: anndata.AnnData) -> anndata.AnnData:
    X = da.concatenate(
        [
            da.from_array(adata.X[start : start + CHUNK], chunks=(CHUNK, -1), asarray=False)
            for start in range(0, CELLS, CHUNK)
        ]
    )
    return anndata.AnnData(X, obs=adata.obs, var=adata.var)


def noting(adata: anndata.AnnData, folder: Path, *, killing: bool = False) -> anndata.AnnData:
    """Write down which processes read a chunk; the first of them is killed if so wished."""

    def note(block: Any, here: int = os.getpid()) -> Any:
        (folder / str(os.getpid())).touch()
        if killing and os.getpid() != here:
            try:
                (folder / "killed").touch(exist_ok=False)
            except FileExistsError:
                return block
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    lazy = chunked(adata)
    lazy.X = lazy.X.map_blocks(note, meta=sparse.csr_matrix((0, 0), dtype=adata.X.dtype))
    return lazy


def assert_same(one: anndata.AnnData, two: anndata.AnnData) -> None:
    for key in ("programs", "programs_correlation"):
        np.testing.assert_array_equal(one.varm[key], two.varm[key])
    for key in ("X_programs", "X_programs_state"):
        np.testing.assert_array_equal(one.obsm[key], two.obsm[key])
    for key in ("loss", "stability", "scale", "relative_error"):
        np.testing.assert_array_equal(one.uns["programs"][key], two.uns["programs"][key])


def test_on_a_cluster(
    adata: anndata.AnnData, expected: anndata.AnnData, client: Any, tmp_path: Path
) -> None:
    lazy = noting(adata, tmp_path)
    mt.tl.programs(lazy, **QUICK)
    assert_same(lazy, expected)
    workers = {str(pid) for pid in client.run(os.getpid).values()}
    read_by = {path.name for path in tmp_path.iterdir()}
    assert read_by
    assert read_by <= workers


@pytest.mark.slow
def test_where_a_worker_is_killed(
    adata: anndata.AnnData, expected: anndata.AnnData, client: Any, tmp_path: Path
) -> None:
    lazy = noting(adata, tmp_path, killing=True)
    mt.tl.programs(lazy, **QUICK)
    assert (tmp_path / "killed").exists()
    assert_same(lazy, expected)
    client.wait_for_workers(2, timeout=300)


@pytest.mark.slow
def test_runs_over_all_cells(adata: anndata.AnnData, client: Any) -> None:
    options = {**QUICK, "n_cells": CELLS}
    own = mt.tl.programs(adata, copy=True, **options)
    lazy = chunked(adata)
    mt.tl.programs(lazy, **options)
    assert_same(lazy, own)


@pytest.mark.slow
def test_a_store_on_a_cluster(
    adata: anndata.AnnData, expected: anndata.AnnData, client: Any, tmp_path: Path, capfd: Any
) -> None:
    mt.Analysis({"cells": adata}).write(tmp_path / "study.zarr")
    lazy = mt.open(tmp_path / "study.zarr").read("cells", lazy=True)
    mt.tl.programs(lazy, progress=True, **QUICK)
    assert_same(lazy, expected)
    assert "runs:" in capfd.readouterr().err
    new = mt.open(tmp_path / "study.zarr").read("cells", lazy=True)
    mt.tl.project_programs(new, reference=lazy)
    assert_same_activity(new, expected)


def assert_same_activity(one: anndata.AnnData, two: anndata.AnnData) -> None:
    np.testing.assert_array_equal(one.obsm["X_programs"], two.obsm["X_programs"])
    np.testing.assert_array_equal(
        one.varm["programs_correlation"], two.varm["programs_correlation"]
    )


def test_bad_values_are_named_from_the_cluster(adata: anndata.AnnData, client: Any) -> None:
    bad = adata.copy()
    bad.X[457, 3] = -1
    with pytest.raises(InvalidInput, match="negative values in cells 'cell457' and genes 'gene3'"):
        mt.tl.programs(chunked(bad), **QUICK)


def test_cells_are_never_all_in_memory(
    adata: anndata.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"n_programs": [3, PROGRAMS], "n_runs": 2, "max_iterations": 20, "n_cells": 60}
    seen = []
    whole = program_values.in_memory

    def noted(values: Any, place: Any = None) -> Any:
        seen.append(values.shape[0])
        return whole(values, place)

    monkeypatch.setattr(program_values, "in_memory", noted)
    found = mt.tl.choose_n_programs(chunked(adata), **options)
    # Runs and the sample of five times as many cells are read by places, the rest in blocks.
    assert max(seen) <= 300
    expected = mt.tl.choose_n_programs(adata, **options)
    for name in expected.data_vars:
        np.testing.assert_array_equal(found[name], expected[name])
