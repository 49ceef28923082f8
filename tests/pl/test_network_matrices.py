"""What the heatmaps of a network show, read back from their artists."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.text import Text

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.pl import coupling, response
from tests.pl import networks

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def names(ax: Axes) -> tuple[list[str], list[str]]:
    labels = ax.get_yticklabels(), ax.get_xticklabels()
    rows, columns = ([label.get_text() for label in axis] for axis in labels)
    return rows, columns


def drawn(ax: Axes) -> np.ndarray:
    return np.ma.filled(ax.images[0].get_array(), np.nan)


def dots(ax: Axes) -> set[tuple[str, str]]:
    rows, columns = names(ax)
    return {
        (rows[int(y)], columns[int(x)])
        for line in ax.lines
        if line.get_marker() == "o"
        for x, y in zip(*line.get_data(), strict=True)
    }


def borders(ax: Axes) -> tuple[list[float], list[float]]:
    """Give where lines stand upright, and where they lie."""
    ends = [np.array(line.get_data(), float) for line in ax.lines if line.get_marker() != "o"]
    upright = sorted(x[0] for x, y in ends if x[0] == x[1])
    lying = sorted(y[0] for x, y in ends if y[0] == y[1])
    return upright, lying


@pytest.mark.parametrize("directed", [True, False])
@pytest.mark.parametrize("cluster", [True, False])
def test_couplings_stand_at_their_names(cluster: bool, directed: bool) -> None:
    network = networks.network(directed=directed)
    before = network.copy(deep=True)
    ax = coupling(network, cluster=cluster, diagonal=True)
    xr.testing.assert_identical(network, before)
    rows, columns = names(ax)
    assert rows == columns
    assert sorted(rows) == network["node"].values.tolist()
    expected = network["coupling"].sel(node=rows, regulator=columns).values
    np.testing.assert_array_equal(drawn(ax), expected)
    modules = network["module"].sel(node=rows).values.tolist()
    assert modules == ["1", "1", "1", "2", "2", "3", "3"]
    if not cluster:
        assert rows == ["P0", "P3", "P6", "P1", "P4", "P2", "P5"]
    assert borders(ax) == ([2.5, 4.5], [2.5, 4.5])
    expected_labels = ("target programs", "regulator programs") if directed else ("programs",) * 2
    assert (ax.get_ylabel(), ax.get_xlabel()) == expected_labels
    assert ax.images[0].norm.vmin == -ax.images[0].norm.vmax
    assert ax.get_title(loc="left").startswith("directed" if directed else "undirected")


def test_the_diagonal_is_grey_unless_asked_for() -> None:
    network = networks.network()
    ax = coupling(network)
    assert np.isnan(np.diag(drawn(ax))).all()
    assert np.isfinite(drawn(ax)).sum() == 7 * 6
    assert ax.images[0].norm.vmax < 3  # the diagonal has no part in the scale
    assert "grey: diagonal" in ax.get_title(loc="left")
    red, _, blue, _ = ax.images[0].to_rgba(1.0)
    assert red > blue


def test_strings_of_a_store() -> None:
    network = networks.network(5, 4)
    assert "module" in network.coords
    read = network.copy()
    for name in ("module", "condition_group", "node", "condition"):
        if name in read.coords:
            strings = read[name].values.astype(np.dtypes.StringDType())
            read = read.assign_coords({name: (read[name].dims, strings)})
    for draw in (coupling, response, mt.pl.network, mt.pl.response_circle):
        titles = {draw(element).get_title(loc="left") for element in (network, read)}
        assert len(titles) == 1


def test_order_without_modules() -> None:
    network = networks.network(n_modules=0)
    rows, _ = names(coupling(network, cluster=False))
    assert rows == network["node"].values.tolist()
    assert borders(coupling(network)) == ([], [])


def test_similar_nodes_stand_side_by_side_whatever_their_own_coupling() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(6, 6))
    values[4], values[:, 4] = values[1], values[:, 1]
    np.fill_diagonal(values, 40 * np.arange(6))
    network = networks.network(6, n_modules=0, coupling=values)
    rows, _ = names(coupling(network))
    assert abs(rows.index("P1") - rows.index("P4")) == 1


def test_significant_couplings_carry_dots() -> None:
    q_value = np.full((7, 7), 0.5)
    q_value[3, 1] = q_value[2, 6] = q_value[5, 5] = 0.05
    q_value[0, 4] = np.nan
    network = networks.network(coupling_q=q_value)
    assert dots(coupling(network)) == {("P3", "P1"), ("P2", "P6")}
    assert "dot: q ≤ 0.05 (2 of 42)" in coupling(network).get_title(loc="left").replace("\n", "; ")
    assert dots(coupling(network, diagonal=True)) == {("P3", "P1"), ("P2", "P6"), ("P5", "P5")}
    assert not dots(coupling(network, significant=0.04))
    assert not dots(coupling(network, significant=None))
    assert "dot" not in coupling(networks.network()).get_title(loc="left")


def test_couplings_without_direction_count_once() -> None:
    q_value = np.full((7, 7), 0.5)
    q_value[3, 1] = q_value[1, 3] = 0.05
    network = networks.network(coupling_q=q_value, directed=False)
    ax = coupling(network)
    assert dots(ax) == {("P3", "P1"), ("P1", "P3")}
    assert "(1 of 21)" in ax.get_title(loc="left")
    assert "(1 of 28)" in coupling(network, diagonal=True).get_title(loc="left")


def test_colours_end_before_outliers_do() -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (20, 20))
    values[3, 8] = 50.0
    network = networks.network(20, coupling=values)
    ax = coupling(network)
    assert 0.5 < ax.images[0].norm.vmax < 1.5
    assert ax.images[0].colorbar.extend == "both"
    assert coupling(network, vmax=2).images[0].norm.vmax == 2
    assert coupling(networks.network(coupling=np.zeros((7, 7)))).images[0].norm.vmax == 1


@pytest.mark.parametrize("cluster", [True, False])
def test_responses_stand_at_their_names(cluster: bool) -> None:
    network = networks.network()
    before = network.copy(deep=True)
    ax = response(network, cluster=cluster)
    xr.testing.assert_identical(network, before)
    rows, columns = names(ax)
    expected = network["response_relative"].sel(node=rows, condition=columns).values
    np.testing.assert_array_equal(drawn(ax), expected)
    groups = network["condition_group"].sel(condition=columns).values.tolist()
    assert groups == 3 * ["8"] + 3 * ["9"] + 3 * ["10"] + 2 * ["11"]  # numbers, not letters
    assert borders(ax) == ([2.5, 5.5, 8.5], [2.5, 4.5])
    assert rows == names(coupling(network, cluster=cluster))[0]
    assert ax.get_ylabel() == "programs"
    assert ax.get_xlabel() == "conditions"
    styles = {label.get_text(): label.get_fontstyle() for label in ax.get_xticklabels()}
    assert [name for name, style in styles.items() if style == "italic"] == [
        name for name in columns if name in ("c0", "c1")
    ]
    assert ax.figure.axes[1].get_ylabel() == "response relative to controls"


def test_either_response() -> None:
    network = networks.network()
    ax = response(network, variable="response", cluster=False)
    np.testing.assert_allclose(
        drawn(ax), drawn(response(network, variable="response_relative", cluster=False)) + 1
    )
    assert ax.figure.axes[1].get_ylabel() == "response"
    without = network.drop_vars("response_relative")
    np.testing.assert_array_equal(drawn(response(without, cluster=False)), drawn(ax))
    with pytest.raises(InvalidInput, match="variable='response'"):
        response(without, variable="response_relative")


def test_significant_responses_carry_dots() -> None:
    q_value = np.full((7, 11), 0.5)
    q_value[3, 1] = q_value[2, 9] = 0.01
    network = networks.network(response_relative_q=q_value)
    assert dots(response(network)) == {("P3", "c1"), ("P2", "c9")}
    assert not dots(response(network, variable="response"))


def test_names_do_not_overlap() -> None:
    network = networks.network(30, 200, n_groups=9, suffix="-a long name of a $thing$ here")
    for ax, sizes in ((coupling(network), (30, 30)), (response(network), (30, 200))):
        ax.figure.canvas.draw()
        for labels, low, high, n in (
            (ax.get_yticklabels(), 1, 3, sizes[0]),
            (ax.get_xticklabels(), 0, 2, sizes[1]),
        ):
            boxes = [label.get_window_extent().extents for label in labels]
            assert len(boxes) == n
            boxes = sorted(boxes, key=lambda box: box[low])
            assert all(a[high] <= b[low] + 0.5 for a, b in pairwise(boxes))
            assert min(box[0] for box in boxes) >= -1
        above = [text.get_window_extent().extents for text in ax.texts if not text.get_rotation()]
        above.sort(key=lambda box: box[0])
        assert len(above) in (3, 9)  # modules, or groups of conditions
        assert all(a[2] <= b[0] for a, b in pairwise(above))
        said = ax.get_title(loc="left")
        (title,) = (text for text in ax.findobj(Text) if text.get_text() == said)
        assert title.get_window_extent().y0 >= max(box[3] for box in above) - 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (6, 1)])
def test_few(shape: tuple[int, int]) -> None:
    network = networks.network(*shape, n_modules=1, n_groups=1)
    for ax, size in ((coupling(network), (shape[0], shape[0])), (response(network), shape)):
        assert drawn(ax).shape == size
        ax.figure.canvas.draw()
        assert ax.get_position().height > 0.1
        assert borders(ax) == ([], [])


def test_on_axes_of_the_caller() -> None:
    _, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    network = networks.network()
    assert coupling(network, ax=axes[0]) is axes[0]
    assert response(network, ax=axes[1]) is axes[1]


def test_refused() -> None:
    network = networks.network()
    for draw in (coupling, response):
        with pytest.raises(InvalidElement, match="ProgramNetwork"):
            draw(xr.Dataset())
        with pytest.raises(InvalidInput, match="no nodes"):
            draw(network.isel(node=[], regulator=[]))
        for option in ({"cluster": 2}, {"vmax": 0}, {"significant": 2}, {"ax": "here"}):
            with pytest.raises(InvalidInput) as error:
                draw(network, **option)
            assert error.value.argument == next(iter(option))
    with pytest.raises(InvalidInput, match="diagonal"):
        coupling(network, diagonal="yes")
    with pytest.raises(InvalidInput, match="no conditions"):
        response(network.isel(condition=[]))
    for variable in ("coupling", 3):
        with pytest.raises(InvalidInput, match="variable"):
            response(network, variable=variable)
    values = network["coupling"].values.copy()
    values[2, 3] = np.inf
    with pytest.raises(InvalidInput, match="not finite"):
        coupling(network.assign(coupling=(("node", "regulator"), values)))
    pushes = network["response"].values.copy()
    pushes[2, 3] = np.inf
    with pytest.raises(InvalidInput, match="not finite"):
        response(networks.network(response=pushes), variable="response")
