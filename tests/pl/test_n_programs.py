"""What the plot of numbers of programs shows, read back from its artists."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.pl import n_programs

mpl.use("Agg")
COLUMNS = {
    "n_programs": [12, 4, 8], "n_found": [11, 4, 8], "stability": [0.7, 0.95, 0.9],
    "stability_lowest": [0.3, 0.9, 0.8], "relative_error": [0.3, 0.6, 0.4],
    "relative_error_held_out": [0.45, 0.65, 0.5], "recommended": [False, False, True],
}  # fmt: skip


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def lines(ax: Axes) -> dict[str, list[tuple[float, float]]]:
    """Give the lines of both axes by their labels."""
    return {
        str(line.get_label()): list(zip(*(part.tolist() for part in line.get_data()), strict=True))
        for axes in ax.figure.axes
        for line in axes.lines
        if isinstance(line.get_xdata(), np.ndarray)
    }


def test_all_is_drawn_by_number() -> None:
    table = mt.Table.build(COLUMNS)
    before = table.copy(deep=True)
    ax = n_programs(table)
    xr.testing.assert_identical(table, before)
    assert lines(ax) == {
        "stability": [(4, 0.95), (8, 0.9), (12, 0.7)],
        "of the least stable": [(4, 0.9), (8, 0.8), (12, 0.3)],
        "relative error": [(4, 0.6), (8, 0.4), (12, 0.3)],
        "of cells held out": [(4, 0.65), (8, 0.5), (12, 0.45)],
    }
    (mark,) = (line for line in ax.lines if line.get_linestyle() == ":")
    assert list(mark.get_xdata()) == [8, 8]
    assert ax.get_title(loc="left") == "recommended: 8"
    left, right = ax.figure.axes
    assert left is ax
    assert (left.get_ylabel(), right.get_ylabel()) == ("stability (cosine)", "relative error")
    assert left.get_ylim()[0] == 0
    assert len(left.get_legend().get_texts()) == 4


def test_the_least_that_is_needed() -> None:
    needed = ("n_programs", "stability", "relative_error")
    table = mt.Table.build({name: COLUMNS[name] for name in needed})
    ax = n_programs(table, ax=plt.subplots()[1])
    assert set(lines(ax)) == {"stability", "relative error"}
    assert ax.get_title(loc="left") == ""
    unseen = mt.Table.build(COLUMNS | {"relative_error_held_out": [np.nan] * 3})
    assert "of cells held out" not in lines(n_programs(unseen))


def test_one_number() -> None:
    table = mt.Table.build({name: column[:1] for name, column in COLUMNS.items()})
    ax = n_programs(table)
    ax.figure.canvas.draw()
    assert lines(ax)["stability"] == [(12, 0.7)]


@pytest.mark.slow
def test_what_is_chosen_is_drawn() -> None:
    import anndata

    random = np.random.default_rng(0)
    genes = np.repeat(np.eye(3), [5, 6, 7], axis=1)
    values = random.gamma(1, size=(80, 3)) @ genes + random.uniform(0, 0.5, (80, 18))
    table = mt.tl.choose_n_programs(anndata.AnnData(values), n_programs=[2, 3, 5], n_runs=3)
    assert len(lines(n_programs(table))) == 4


def test_refused() -> None:
    with pytest.raises(InvalidElement, match="Table"):
        n_programs(xr.Dataset())
    with pytest.raises(InvalidInput, match="no column 'stability'"):
        n_programs(mt.Table.build(n_programs=[3], relative_error=[0.5]))
    with pytest.raises(InvalidInput, match="holds no numbers"):
        n_programs(mt.Table.build(COLUMNS | {"stability": ["a", "b", "c"]}))
    with pytest.raises(InvalidInput, match="no rows"):
        n_programs(mt.Table.build(COLUMNS).isel(row=[]))
    with pytest.raises(InvalidInput, match="ax"):
        n_programs(mt.Table.build(COLUMNS), ax=3)  # type: ignore[arg-type]
