"""What the plots of gene programs show, read back from their artists."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import anndata
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mutua.errors import InvalidElement, InvalidInput
from mutua.pl import programs, programs_on_embedding
from tests.pl import networks

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def bars(ax: Axes) -> dict[str, float]:
    labels = [label.get_text() for label in ax.get_yticklabels()]
    return dict(zip(labels, (bar.get_width() for bar in ax.patches), strict=True))


def panels(figure: Figure) -> dict[str, tuple[Axes, Axes]]:
    """Give the panels of genes up and of genes down by the name of the program."""
    shown = [ax for ax in figure.axes if ax.axison]
    return {
        up.get_title(loc="left"): (up, down)
        for up, down in zip(shown[::2], shown[1::2], strict=True)
    }


def unchanged(adata: anndata.AnnData, before: anndata.AnnData) -> None:
    assert list(adata.uns) == list(before.uns)
    assert list(adata.obsm) == list(before.obsm)
    for held, kept in ((adata.obsm, before.obsm), (adata.varm, before.varm)):
        for key in kept:
            np.testing.assert_array_equal(held[key], kept[key])


def test_genes_that_go_up_and_down() -> None:
    adata = networks.cells()
    before = adata.copy()
    found = panels(programs(adata, n_genes=4))
    unchanged(adata, before)
    assert list(found) == ["P0", "P1", "P2"]
    weight, correlation = adata.varm["programs"], adata.varm["programs_correlation"]
    for p, (up, down) in enumerate(found.values()):
        assert list(bars(up)) == [f"gene{3 * i + p}" for i in range(4)]
        assert list(bars(up).values()) == weight[p : 3 * 4 : 3, p].tolist()
        lowest = np.argsort(correlation[:, p], kind="stable")[:4]
        assert bars(down) == {f"gene{g}": correlation[g, p] for g in lowest}
        assert to_rgb(up.patches[0].get_facecolor()) == to_rgb("#b2182b")
        assert to_rgb(down.patches[0].get_facecolor()) == to_rgb("#2166ac")
        assert up.get_xlim() == found["P0"][0].get_xlim()
        assert down.get_xlim() == found["P0"][1].get_xlim()
        assert down.get_xlim()[1] < 0 == down.get_xlim()[0]
    assert found["P2"][0].get_xlabel() == "weight"
    assert found["P2"][1].get_xlabel() == "Pearson r"


def test_genes_of_weight_0_are_in_none_and_constant_ones_do_not_go_down() -> None:
    adata = networks.cells()
    adata.varm["programs_correlation"][:, 1] = np.nan
    adata.varm["programs"][:, 0] = 0
    found = panels(programs(adata, n_genes=40))
    assert len(bars(found["P1"][0])) == 5
    assert not bars(found["P1"][1])
    assert [text.get_text() for text in found["P1"][1].texts] == ["no gene\ngoes down"]
    assert [text.get_text() for text in found["P0"][0].texts] == ["no genes"]


def test_programs_without_correlations() -> None:
    adata = networks.cells()
    del adata.varm["programs_correlation"]
    figure = programs(adata, n_genes=2)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["P0", "P1", "P2"]
    assert [list(bars(ax)) for ax in figure.axes][1] == ["gene1", "gene4"]


def test_chosen_programs() -> None:
    adata = networks.cells()
    assert list(panels(programs(adata, programs=["P2", "P0"]))) == ["P2", "P0"]
    (up, _) = panels(programs(adata, programs="P1"))["P1"]
    assert "gene1" in bars(up)


def test_names_of_genes_do_not_overlap() -> None:
    adata = networks.cells(7, n_genes=400)
    adata.var_names = [f"ENSG00000{g:06d}.12_a long $name$ of a gene" for g in range(400)]
    adata.uns["programs"]["features"] = adata.var_names.to_numpy(object)
    figure = programs(adata)
    figure.canvas.draw()
    previous = None
    for ax in (ax for ax in figure.axes if ax.axison):
        boxes = [label.get_window_extent().extents for label in ax.get_yticklabels()]
        assert len(boxes) == 10
        assert all(a[1] >= b[3] - 1 for a, b in pairwise(boxes))
        left = min(box[0] for box in boxes)
        if previous is not None and previous.get_position().y0 == ax.get_position().y0:
            assert left >= previous.get_window_extent().x1 - 1
        previous = ax


def test_cells_have_the_colours_of_their_activities() -> None:
    adata = networks.cells()
    before = adata.copy()
    figure = programs_on_embedding(adata)
    unchanged(adata, before)
    for p, ax in enumerate(figure.axes[:3]):
        assert ax.get_title(loc="left") == f"P{p}"
        (dots,) = ax.collections
        order = np.argsort(adata.obsm["X_programs"][:, p], kind="stable")  # the highest on top
        np.testing.assert_array_equal(dots.get_array(), adata.obsm["X_programs"][order, p])
        np.testing.assert_array_equal(dots.get_offsets(), adata.obsm["X_umap"][order])
        top = np.quantile(adata.obsm["X_programs"][:, p], 0.99)
        assert (dots.norm.vmin, dots.norm.vmax) == (0, top)
        assert dots.get_cmap().name == "viridis"
    assert figure.get_suptitle() == "activity; each program has a scale of its own"
    assert len(figure.axes) == 6  # a colour bar for each
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("umap 1", "umap 2")


def test_one_scale_for_all() -> None:
    adata = networks.cells()
    figure = programs_on_embedding(adata, scale="shared", programs=["P2", "P1"])
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["P2", "P1"]
    top = np.quantile(adata.obsm["X_programs"][:, [1, 2]], 0.99)
    assert [ax.collections[0].norm.vmax for ax in figure.axes[:2]] == [top, top]
    assert [ax.get_ylabel() for ax in figure.axes[2:]] == ["activity, one scale for all programs"]


def test_states() -> None:
    adata = networks.cells()
    figure = programs_on_embedding(adata, state=True)
    assert len(figure.axes) == 3
    for p, ax in enumerate(figure.axes):
        (dots,) = ax.collections
        where = {tuple(place): state for place, state in zip(
            adata.obsm["X_umap"].tolist(), adata.obsm["X_programs_state"][:, p], strict=True
        )}  # fmt: skip
        found = [where[tuple(place)] for place in dots.get_offsets().tolist()]
        np.testing.assert_array_equal(dots.get_array(), found)
        low, _, high = dots.to_rgba(np.array([-1.0, 0.0, 1.0]))
        assert low[2] > low[0]
        assert high[0] > high[2]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["low", "middle", "high"]


def test_cells_without_a_place_or_a_value() -> None:
    adata = networks.cells()
    adata.obsm["X_umap"][3] = np.nan
    adata.obsm["X_programs"][5, 0] = np.nan
    ax = programs_on_embedding(adata).axes[0]
    (dots,) = ax.collections
    assert len(dots.get_offsets()) == adata.n_obs - 1
    assert np.isnan(np.ma.filled(dots.get_array(), np.nan)).sum() == 1
    ax.figure.canvas.draw()


@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("scale", ["own", "shared"])
def test_one_cell_and_constant_programs(scale: str, state: bool) -> None:
    adata = networks.cells(n_cells=1)
    adata.obsm["X_programs"][:] = 0
    programs_on_embedding(adata, scale=scale, state=state).canvas.draw()


def test_an_embedding_of_a_data_frame_with_unequal_axes() -> None:
    adata = networks.cells()
    places = adata.obsm["X_umap"] * [1.0, 50.0]
    adata.obsm["X_pca"] = pd.DataFrame(places, adata.obs_names, ["PC1", "PC2"])
    ax = programs_on_embedding(adata, basis="X_pca", programs="P1").axes[0]
    assert ax.get_aspect() == "auto"
    assert programs_on_embedding(adata, programs="P1").axes[0].get_aspect() == 1


def test_refused() -> None:
    adata = networks.cells()
    for draw in (programs, programs_on_embedding):
        with pytest.raises(InvalidElement, match="AnnData"):
            draw(adata.obsm["X_programs"])
        with pytest.raises(InvalidInput, match="no gene programs under") as error:
            draw(adata, key="modules")
        assert error.value.argument == "key"
        for wanted, message in (("P7", "no 'P7'"), (["P0", "P9"], "no 'P9'"), ([], "none"),
                                (["P1", "P1"], "twice"), (3, "list of names")):  # fmt: skip
            with pytest.raises(InvalidInput, match=message) as error:
                draw(adata, programs=wanted)
            assert error.value.argument == "programs"
    for option in ({"state": 2}, {"scale": "log"}, {"basis": "X_tsne"}):
        with pytest.raises(InvalidInput) as error:
            programs_on_embedding(adata, **option)  # type: ignore[arg-type]
        assert error.value.argument == next(iter(option))
    with pytest.raises(InvalidInput, match="n_genes"):
        programs(adata, n_genes=0)
    del adata.varm["programs"], adata.obsm["X_programs_state"], adata.obsm["X_programs"]
    with pytest.raises(InvalidInput, match=r"no varm\['programs'\]"):
        programs(adata)
    with pytest.raises(InvalidInput, match=r"no obsm\['X_programs'\]"):
        programs_on_embedding(adata)
    with pytest.raises(InvalidInput, match=r"no obsm\['X_programs_state'\]"):
        programs_on_embedding(adata, state=True)
