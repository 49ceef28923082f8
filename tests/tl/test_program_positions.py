"""Places of programs on an embedding: where they belong, repulsion, what has no place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput
from mutua.tl.program_positions import program_positions
from tests.tl.program_cells import N_CELLS, N_PROGRAMS, NAMES, program_cells


def home(activity: np.ndarray, places: np.ndarray, top: float) -> list[float]:
    """The weighted mean place, a cell at a time."""
    n = max(1, math.ceil(top * len(activity)))
    best = sorted(range(len(activity)), key=lambda cell: (-activity[cell], cell))[:n]
    total = sum(activity[cell] for cell in best)
    return [sum(activity[c] * places[c][axis] for c in best) / total for axis in (0, 1)]


@pytest.mark.parametrize("top", [0.001, 0.1, 0.11, 1.0])
def test_where_programs_belong(top: float) -> None:
    cells = program_cells()
    found = program_positions(cells, top=top, repulsion=0)
    assert found["program"].values.tolist() == NAMES
    for place in range(N_PROGRAMS):
        expected = home(cells.obsm["X_programs"][:, place], cells.obsm["X_umap"], top)
        for pair in (("x", "y"), ("home_x", "home_y")):
            np.testing.assert_allclose([float(found[name][place]) for name in pair], expected)
    assert found["is_active"].values.all()
    assert "mutua" not in cells.uns


def test_repulsion_moves_programs_apart() -> None:
    cells = program_cells()
    near = program_positions(cells, top=1.0, repulsion=0)
    far = program_positions(cells, top=1.0)

    def distance(found: xr.Dataset) -> float:
        points = np.column_stack([found["x"].values, found["y"].values])
        apart = np.hypot(*(points[:, None] - points).T)
        return float(apart[~np.eye(N_PROGRAMS, dtype=bool)].min())

    assert distance(near) < 0.8 < distance(far)
    np.testing.assert_array_equal(far["home_x"].values, near["home_x"].values)
    np.testing.assert_allclose(far["x"].mean(), near["x"].mean(), atol=1e-5)


def test_programs_of_one_place() -> None:
    cells = program_cells()
    cells.obsm["X_programs"][:] = cells.obsm["X_programs"][:, :1]
    found = program_positions(cells, repulsion=1.0)
    places = {
        (round(float(x), 3), round(float(y), 3)) for x, y in zip(found.x, found.y, strict=True)
    }
    assert len(places) == N_PROGRAMS
    again = program_positions(cells, repulsion=1.0)
    xr.testing.assert_equal(found, again)


def test_program_that_is_zero() -> None:
    cells = program_cells()
    cells.obsm["X_programs"][:, 1] = 0
    with pytest.warns(UserWarning, match="'P1' is 0 in all cells") as caught:
        found = program_positions(cells)
    assert caught[0].filename == __file__
    assert found["is_active"].values.tolist() == [True, False, True]
    mean = cells.obsm["X_umap"].mean(axis=0)
    np.testing.assert_allclose([found["home_x"][1], found["home_y"][1]], mean)


def test_other_embeddings_and_forms() -> None:
    cells = program_cells()
    expected = program_positions(cells)
    cells.obsm["X_pca"] = np.column_stack([cells.obsm["X_umap"], np.arange(N_CELLS)])
    cells.obsm["frame"] = pd.DataFrame(cells.obsm["X_umap"], cells.obs_names, ["u", "v"])
    for basis in ("X_pca", "frame"):
        xr.testing.assert_equal(program_positions(cells, basis=basis), expected)


def test_bad_input() -> None:
    cells = program_cells()
    with pytest.raises(InvalidInput, match="no gene programs"):
        program_positions(cells, key="others")
    with pytest.raises(InvalidInput, match=r"no obsm\['X_tsne'\]"):
        program_positions(cells, basis="X_tsne")
    for option in ({"top": 0.0}, {"top": 1.5}, {"repulsion": -1.0}, {"repulsion": np.nan}):
        with pytest.raises(InvalidInput, match=next(iter(option))):
            program_positions(cells, **option)
    with pytest.raises(InvalidInput, match="no cells"):
        program_positions(cells[:0].copy())
    cells.obsm["line"] = np.arange(N_CELLS)[:, None]
    with pytest.raises(InvalidInput, match="one column"):
        program_positions(cells, basis="line")
    cells.obsm["X_umap"][3, 0] = np.nan
    with pytest.raises(InvalidInput, match=r"basis.*missing or infinite"):
        program_positions(cells)
    cells = program_cells()
    cells.obsm["X_programs"][5, 1] = np.inf
    with pytest.raises(InvalidInput, match=r"key.*missing or infinite"):
        program_positions(cells)
    del cells.obsm["X_programs"]
    with pytest.raises(InvalidInput, match="no obsm"):
        program_positions(cells)


def test_round_trip(tmp_path: Any) -> None:
    found = program_positions(program_cells())
    mt.Analysis({"places": found}).write(tmp_path / "study.zarr")
    stored = mt.open(tmp_path / "study.zarr")["places"].compute()
    np.testing.assert_array_equal(stored["x"].values, found["x"].values)
    assert stored["program"].values.tolist() == NAMES
