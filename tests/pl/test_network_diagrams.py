"""What the diagrams of a network show, read back from their artists."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Annotation, Text

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.pl import network as draw_network
from mutua.pl import response_circle
from tests.pl import networks

mpl.use("Agg")
RED, BLUE = "#b2182b", "#2166ac"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def names(ax: Axes) -> dict[str, Annotation]:
    """Give the names of nodes and conditions that were written."""
    return {
        text.get_text(): text
        for text in ax.texts
        if isinstance(text, Annotation) and not text.get_text().startswith("no room")
    }


def places(ax: Axes, nodes: list[str]) -> np.ndarray:
    return np.array([names(ax)[name].xy for name in nodes], float)


def arrows(ax: Axes, nodes: list[str]) -> dict[tuple[str, str], FancyArrowPatch]:
    """Give the edges by the names of where they start and where they end."""
    where = places(ax, nodes)

    def at(place: tuple[float, float]) -> str:
        distance = np.hypot(*(where - place).T)
        assert distance.min() < 1e-9
        return nodes[int(distance.argmin())]

    edges = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    return {(at(edge._posA_posB[0]), at(edge._posA_posB[1])): edge for edge in edges}


def corners(text: Annotation) -> np.ndarray:
    """Give the corners of a name as it stands, turned, in pixels."""
    degrees = text.get_rotation()
    text.set_rotation(0)
    width, height = Text.get_window_extent(text).size  # without the line that leads to it
    text.set_rotation(degrees)
    box = Text.get_window_extent(text).extents  # of the turned name: its middle is that of the name
    middle = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (width / 2, height / 2)
    turn = np.radians(degrees)
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return middle + half @ turned


def apart(one: np.ndarray, other: np.ndarray, slack: float = 1.0) -> bool:
    """Give whether a line separates two rectangles."""
    for box in (one, other):
        for normal in (box[1] - box[0], box[2] - box[1]):
            axis = normal / np.hypot(*normal)
            a, b = one @ axis, other @ axis
            if a.max() <= b.min() + slack or b.max() <= a.min() + slack:
                return True
    return False


def assert_names_apart(ax: Axes) -> None:
    ax.figure.canvas.draw()
    boxes = [corners(text) for text in names(ax).values()]
    assert all(apart(one, other) for one, other in combinations(boxes, 2))


@pytest.mark.parametrize("placed", [True, False])
def test_arrows_lead_from_regulators_to_targets(placed: bool) -> None:
    network = networks.network()
    before = network.copy(deep=True)
    table = networks.positions(network) if placed else None
    ax = draw_network(network, positions=table, threshold=0.5)
    xr.testing.assert_identical(network, before)
    nodes = network["node"].values.tolist()
    coupling = network["coupling"].values
    expected = {
        (nodes[j], nodes[i]): coupling[i, j]
        for i in range(7)
        for j in range(7)
        if i != j and abs(coupling[i, j]) >= 0.5
    }
    found = arrows(ax, nodes)
    assert found.keys() == expected.keys()
    assert len(found) > 5
    largest = max(map(abs, expected.values()))
    for edge, weight in expected.items():
        patch = found[edge]
        assert to_rgb(patch.get_edgecolor()) == to_rgb(RED if weight > 0 else BLUE)
        assert patch.get_linewidth() == pytest.approx(6 * abs(weight) / max(1, largest))
        alpha = 1 / (1 + np.exp(-5 * (abs(weight) - largest / 4)))
        assert patch.get_edgecolor()[3] == pytest.approx(alpha)
        assert type(patch.get_arrowstyle()).__name__ == "CurveFilledB"
    assert ax.get_title(loc="left") == f"{len(expected)} edges: |coupling| ≥ 0.5"
    if table is not None:
        frame = mt.to_dataframe(table).set_index("program").loc[nodes, ["x", "y"]]
        np.testing.assert_allclose(places(ax, nodes), frame.to_numpy())


def test_edges_of_both_directions_are_bent_apart() -> None:
    coupling = np.zeros((3, 3))
    coupling[0, 1], coupling[1, 0], coupling[2, 0] = 1.0, -0.5, 0.7
    network = networks.network(3, coupling=coupling)
    found = arrows(draw_network(network, positions=networks.positions(network)), ["P0", "P1", "P2"])
    bends = {edge: patch.get_connectionstyle().rad for edge, patch in found.items()}
    assert bends["P1", "P0"] == bends["P0", "P1"] > 0  # to the right of either way
    assert bends["P0", "P2"] == 0


def test_undirected_edges_are_lines_drawn_once() -> None:
    network = networks.network(directed=False)
    ax = draw_network(network, threshold=0.1)
    found = arrows(ax, network["node"].values.tolist())
    assert len(found) == (np.abs(np.tril(network["coupling"].values, -1)) >= 0.1).sum()
    assert {type(patch.get_arrowstyle()).__name__ for patch in found.values()} == {"Curve"}
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[:5] == ["module 1", "module 2", "module 3", "together", "apart"]


def test_the_circle_goes_module_by_module() -> None:
    network = networks.network(n_modules=3)
    nodes = network["node"].values.tolist()
    where = places(draw_network(network), nodes)
    np.testing.assert_allclose(np.hypot(*where.T), 1)
    turn = (np.pi / 2 - np.arctan2(*where.T[::-1])) % (2 * np.pi)
    modules = network["module"].values[np.argsort(turn.round(9))].tolist()
    assert modules == ["1", "1", "1", "2", "2", "3", "3"]
    slots = np.sort(turn) / (2 * np.pi) * 10
    np.testing.assert_allclose(slots, [0, 1, 2, 4, 5, 7, 8], atol=1e-9)


def test_edges_of_a_circle_bend_inwards() -> None:
    network = networks.network(
        8, n_modules=0, coupling=np.eye(8, k=1) + np.eye(8, k=-2) - np.eye(8)
    )
    nodes = network["node"].values.tolist()
    ax = draw_network(network, threshold=0.5)
    ax.figure.canvas.draw()
    found = arrows(ax, nodes)
    where = dict(zip(nodes, places(ax, nodes), strict=True))
    for (start, end), patch in found.items():
        path = ax.transData.inverted().transform(patch._get_path_in_displaycoord()[0][0].vertices)
        straight = (where[start] + where[end]) / 2
        if np.hypot(*straight) > 1e-6:
            assert np.hypot(*path[1]) < 0.95 * np.hypot(*straight)


def test_cells_below() -> None:
    adata = networks.cells(4, n_cells=50)
    adata.obsm["X_umap"][3] = np.nan
    before = adata.copy()
    network = networks.network(4)
    table = networks.positions(network, spread=1.0)
    ax = draw_network(network, positions=table, adata=adata)
    np.testing.assert_array_equal(adata.obsm["X_umap"], before.obsm["X_umap"])
    dots = ax.collections[0].get_offsets()
    np.testing.assert_array_equal(dots, np.delete(before.obsm["X_umap"], 3, axis=0))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("umap 1", "umap 2")
    (low_x, high_x), (low_y, high_y) = ax.get_xlim(), ax.get_ylim()
    assert ((dots > (low_x, low_y)) & (dots < (high_x, high_y))).all()


@pytest.mark.parametrize("draw", [draw_network, response_circle])
def test_no_edges(draw: object) -> None:
    ax = draw(networks.network(), threshold=99)  # type: ignore[operator]
    assert not arrows(ax, [f"P{i}" for i in range(7)])
    assert ax.get_title(loc="left").startswith("no edges: no |coupling| ≥ 99")
    assert len(ax.get_legend().get_texts()) == 3  # the modules


@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize("draw", [draw_network, response_circle])
def test_one_node(draw: object, placed: bool) -> None:
    network = networks.network(1, 1, n_modules=0, n_groups=0)
    table = networks.positions(network) if placed else None
    ax = draw(network, positions=table)  # type: ignore[operator]
    ax.figure.canvas.draw()
    assert "P0" in names(ax)
    assert np.isfinite([*ax.get_xlim(), *ax.get_ylim()]).all()


def test_nodes_of_one_place() -> None:
    network = networks.network(3)
    table = mt.Table.build(program=["P0", "P1", "P2"], x=[1.0, 1.0, 1.0], y=[2.0, 2.0, 2.0])
    for draw in (draw_network, response_circle):
        ax = draw(network, positions=table)
        assert {"P0", "P1", "P2"} <= names(ax).keys()
        assert_names_apart(ax)


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("placed", [True, False])
def test_names_of_nodes_do_not_overlap(placed: bool, own: bool) -> None:
    network = networks.network(30, 2, suffix="-interferon $response$ of T cells")
    table = networks.positions(network) if placed else None
    ax = plt.subplots(figsize=(11, 8), layout="constrained")[1] if own else None
    ax = draw_network(network, positions=table, ax=ax)
    assert len(names(ax)) == 30
    assert_names_apart(ax)
    if placed:
        frame = ax.get_window_extent().extents
        nodes = ax.transData.transform(places(ax, list(names(ax))))
        for text in names(ax).values():
            box = corners(text)
            on_top = (nodes > box.min(axis=0)) & (nodes < box.max(axis=0))
            assert not on_top.all(axis=1).any()
            assert box[:, 0].min() >= frame[0] - 1
            assert box[:, 0].max() <= frame[2] + 1


def test_names_without_room_are_counted() -> None:
    network = networks.network(60, 2, suffix="-interferon response of T cells")
    table = networks.positions(network)
    ax = plt.subplots(figsize=(3, 2.5), layout="constrained")[1]
    draw_network(network, positions=table, ax=ax)
    assert_names_apart(ax)
    there = len(names(ax))
    assert there < 60
    notes = [text.get_text() for text in ax.texts if text.get_text().startswith("no room")]
    assert notes == [f"no room for {60 - there} of 60 names"]
    many = draw_network(networks.network(700, 2), threshold=4)
    assert not names(many)
    assert "no room for names of 700 programs" in many.get_title(loc="left")


def test_the_strongest_of_too_many_edges() -> None:
    random = np.random.default_rng(0)
    coupling = random.normal(size=(45, 45))
    ax = draw_network(networks.network(45, coupling=coupling), threshold=0.01)
    size = np.abs(coupling[~np.eye(45, dtype=bool)])
    n = int((size >= 0.01).sum())
    assert f"{n:,} edges" in ax.get_title(loc="left")
    assert "the 1,500 strongest drawn" in ax.get_title(loc="left")
    widths = [p.get_linewidth() for p in ax.patches if isinstance(p, FancyArrowPatch)]
    assert len(widths) == 1500
    finer = 6 * np.sqrt(120 / 1500)
    assert max(widths) == pytest.approx(finer)
    assert min(widths) == pytest.approx(finer * np.sort(size)[-1500] / size.max())


def pushes(ax: Axes) -> dict[tuple[str, str], tuple[float, ...]]:
    """Give the colours of lines by the names of the condition and of the node."""
    where = {tuple(np.round(text.xy, 9)): name for name, text in names(ax).items()}
    (lines,) = (part for part in ax.collections if isinstance(part, LineCollection))
    return {
        (where[tuple(np.round(segment[0], 9))], where[tuple(np.round(segment[1], 9))]): tuple(
            colour
        )
        for segment, colour in zip(lines.get_segments(), lines.get_colors(), strict=True)
    }


@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize("variable", ["response", "response_relative"])
def test_lines_join_conditions_and_nodes(variable: str, placed: bool) -> None:
    network = networks.network()
    before = network.copy(deep=True)
    table = networks.positions(network) if placed else None
    ax = response_circle(network, positions=table, variable=variable, response_threshold=0.9)
    xr.testing.assert_identical(network, before)
    found = pushes(ax)
    expected = {
        (str(condition), str(node)): float(network[variable].sel(node=node, condition=condition))
        for node in network["node"].values
        for condition in network["condition"].values
    }
    expected = {pair: value for pair, value in expected.items() if abs(value) >= 0.9}
    assert found.keys() == expected.keys()
    for pair, value in expected.items():
        assert found[pair][:3] == to_rgb(RED if value > 0 else BLUE)
    title = ax.get_title(loc="left").replace("\n", "; ")
    what = "relative response" if variable == "response_relative" else "response"
    assert f"{len(expected)} lines: |{what}| ≥ 0.9" in title
    assert "groups from left to right: 8, 9, 10, 11" in title


def test_conditions_stand_on_a_half_circle() -> None:
    network = networks.network()
    table = networks.positions(network)
    ax = response_circle(network, positions=table)
    conditions = network["condition"].values.tolist()
    where = places(ax, conditions)
    nodes = np.stack([table["x"].values, table["y"].values], axis=1)
    centre = (nodes.min(axis=0) + nodes.max(axis=0)) / 2
    radius = np.hypot(*(where - centre).T)
    np.testing.assert_allclose(radius, radius[0])
    assert radius[0] > 1.2 * np.hypot(*(nodes - centre).T).max()
    angles = np.arctan2(*(where - centre).T[::-1])
    assert angles.max() == pytest.approx(0.95 * np.pi)
    assert angles.min() == pytest.approx(0.05 * np.pi)
    order = np.argsort(-angles)
    groups = network["condition_group"].values[order].tolist()
    assert groups == 3 * ["8"] + 3 * ["9"] + 3 * ["10"] + 2 * ["11"]
    steps = -np.diff(angles[order])
    steps = (steps / steps.min()).round(6)
    assert steps.tolist() == [1, 1, 3, 1, 1, 3, 1, 1, 3, 1]  # two empty slots between groups


def test_names_of_conditions_are_upright_on_both_sides() -> None:
    network = networks.network(5, 60, suffix="_a guide")
    ax = response_circle(network)
    where = places(ax, network["condition"].values.tolist())
    middle = (where[:, 0].min() + where[:, 0].max()) / 2
    for name in network["condition"].values:
        text = names(ax)[name]
        assert -90 <= (text.get_rotation() + 180) % 360 - 180 <= 90
        left = text.xy[0] < middle
        if abs(text.xy[0] - middle) > 1e-6:
            assert text.get_horizontalalignment() == ("right" if left else "left")


def test_controls_and_conditions_without_a_line() -> None:
    response = np.zeros((7, 11))
    response[3, [1, 4]] = 1.0
    network = networks.network(response=response, response_relative=response)
    ax = response_circle(network)
    italic = [name for name, text in names(ax).items() if text.get_fontstyle() == "italic"]
    assert sorted(italic) == ["c0", "c1"]
    conditions = set(network["condition"].values.tolist())
    black = [name for name in conditions if names(ax)[name].get_color() == "black"]
    assert sorted(black) == ["c1", "c4"]
    assert pushes(ax).keys() == {("c1", "P3"), ("c4", "P3")}


def test_strong_responses_are_drawn_alike() -> None:
    response = np.zeros((7, 11))
    response[3, 1], response[2, 4] = 2.0, -700.0
    ax = response_circle(networks.network(response_relative=response))
    (lines,) = (part for part in ax.collections if isinstance(part, LineCollection))
    one, other = lines.get_linewidths()
    assert one == other


@pytest.mark.parametrize("own", [True, False])
def test_names_of_conditions_do_not_overlap(own: bool) -> None:
    n = 60 if own else 200
    network = networks.network(30, n, n_groups=9, suffix="-interferon response of T cells")
    ax = plt.subplots(figsize=(13, 10), layout="constrained")[1] if own else None
    ax = response_circle(network, positions=networks.positions(network), ax=ax)
    assert len(names(ax)) == 30 + n
    assert_names_apart(ax)


def test_conditions_without_room_for_names() -> None:
    ax = response_circle(networks.network(3, 1500))
    assert names(ax).keys() == {"P0", "P1", "P2"}
    assert "no room for names of 1,500 conditions" in ax.get_title(loc="left")


def test_refused() -> None:
    network = networks.network()
    table = networks.positions(network)
    for draw in (draw_network, response_circle):
        with pytest.raises(InvalidElement, match="ProgramNetwork"):
            draw(xr.Dataset())
        with pytest.raises(InvalidElement, match="Table"):
            draw(network, positions=network)
        with pytest.raises(InvalidElement, match="AnnData"):
            draw(network, positions=table, adata=network)
        with pytest.raises(InvalidInput, match="no nodes"):
            draw(network.isel(node=[], regulator=[]))
        for option in ({"threshold": -1}, {"threshold": "low"}, {"ax": 3}):
            with pytest.raises(InvalidInput) as error:
                draw(network, **option)
            assert error.value.argument == next(iter(option))
        with pytest.raises(InvalidInput, match=r"tl.program_positions") as error:
            draw(network, adata=networks.cells())
        assert error.value.argument == "positions"
        with pytest.raises(InvalidInput, match="X_tsne"):
            draw(network, positions=table, adata=networks.cells(), basis="X_tsne")
    with pytest.raises(InvalidInput, match="no conditions"):
        response_circle(network.isel(condition=[]))
    with pytest.raises(InvalidInput, match="response_threshold"):
        response_circle(network, response_threshold=np.nan)
    with pytest.raises(InvalidInput, match="variable"):
        response_circle(network, variable="coupling")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"program": ["P0"], "x": [1.0]}, "no column 'y'"),
        ({"program": ["P0"], "x": [1.0], "y": [1.0]}, "no 'P1' and 5 more"),
        ({"program": ["P0", "P0"], "x": [1.0, 2.0], "y": [1.0, 2.0]}, "repeat"),
        ({"program": [f"P{i}" for i in range(7)], "x": 7 * [np.nan], "y": 7 * [0.0]}, "finite"),
        ({"program": [f"P{i}" for i in range(7)], "x": 7 * ["1"], "y": 7 * [0.0]}, "no numbers"),
    ],
)
def test_refused_positions(columns: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as error:
        draw_network(networks.network(), positions=mt.Table.build(columns))
    assert error.value.argument == "positions"


def test_refused_embeddings() -> None:
    network = networks.network()
    table, adata = networks.positions(network), networks.cells()
    adata.obsm["X_one"] = np.zeros((adata.n_obs, 1))
    adata.obsm["X_none"] = np.full((adata.n_obs, 2), np.nan)
    for basis, message in (("X_one", "one column"), ("X_none", "no cell with a place")):
        with pytest.raises(InvalidInput, match=message):
            draw_network(network, positions=table, adata=adata, basis=basis)
