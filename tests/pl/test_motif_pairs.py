"""What the plots of pairs and spacings show, read back from their artists."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

from mutua.errors import InvalidElement, InvalidInput
from mutua.models.motif_pairs import MotifPairs
from mutua.pl.motif_pairs import pair_matrix, spacing

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    mpl.pyplot.close("all")


def pairs(n: int = 6, *, ordered: bool = False, **parts: object) -> xr.Dataset:
    a, b = np.nonzero(~np.eye(n, dtype=bool)) if ordered else np.triu_indices(n, 1)
    random = np.random.default_rng(0)
    q = np.where((a == 0) & (b == 3), 0.001, random.uniform(0.2, 1, len(a)))
    return MotifPairs.build(
        motif_a_index=a, motif_b_index=b, n=np.arange(len(a)), expected=np.full(len(a), 5.0),
        log2_ratio=np.where((a == 0) & (b == 3), 2.5, random.normal(size=len(a)) / 3),
        p_value=q / 10, q_value=q, motif=[f"m{i}" for i in range(n)], counted="sequences",
        ordered=ordered, n_sequences=321, **parts,
    )  # fmt: skip


def shown(ax: mpl.axes.Axes) -> tuple[list[str], np.ndarray]:
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert [label.get_text() for label in ax.get_xticklabels()] == names
    return names, np.ma.filled(ax.images[0].get_array(), np.nan)


def dots(ax: mpl.axes.Axes) -> set[tuple[int, int]]:
    return {(int(y), int(x)) for line in ax.lines for x, y in zip(*line.get_data(), strict=True)}


@pytest.mark.parametrize("ordered", [False, True])
def test_ratios_stand_at_their_motifs(ordered: bool) -> None:
    element = pairs(ordered=ordered)
    ax = pair_matrix(element)
    names, matrix = shown(ax)
    assert sorted(names) == [f"m{i}" for i in range(6)]
    place = {name: i for i, name in enumerate(names)}
    for row in range(element.sizes["pair"]):
        a, b = (place[f"m{int(element[f'motif_{x}_index'][row])}"] for x in "ab")
        value = float(element["log2_ratio"][row])
        assert matrix[a, b] == value
        if not ordered:
            assert matrix[b, a] == value
    assert np.isnan(np.diagonal(matrix)).all()
    significant = {(place["m0"], place["m3"])}
    assert dots(ax) == significant | (set() if ordered else {(place["m3"], place["m0"])})
    image = ax.images[0]
    assert image.norm.vmin == -image.norm.vmax
    red, _, blue, _ = image.cmap(image.norm(image.norm.vmax))
    assert red > blue
    assert ax.get_title() == "6 motifs, 321 sequences\ndot: q ≤ 0.05"
    pale = np.asarray(ax.images[1].get_array())[..., 3] > 0
    assert set(map(tuple, np.argwhere(~pale & np.isfinite(matrix)).tolist())) == dots(ax)
    assert ax.get_ylabel() == ("motif on the left" if ordered else "")


def test_the_motifs_of_the_most_significant_pairs_are_drawn() -> None:
    ax = pair_matrix(pairs(30), n=2)
    assert sorted(shown(ax)[0]) == ["m0", "m3"]
    assert ax.get_title().startswith("2 of 30 motifs")
    untested = pairs(30).drop_vars(["p_value", "q_value"])
    ax = pair_matrix(untested, n=2)
    assert sorted(shown(ax)[0]) == ["m0", "m3"]
    assert not dots(ax)
    assert len(ax.images) == 1
    assert "\n" not in ax.get_title()


def test_where_no_pair_is_significant_all_are_pale() -> None:
    none = pairs(6)
    ax = pair_matrix(none.assign(q_value=none["q_value"] * 0 + 0.3), q_value=0.1)
    assert ax.get_title().endswith("\nno pair at q ≤ 0.1")
    matrix = np.asarray(ax.images[0].get_array().filled(np.nan))
    pale = np.asarray(ax.images[1].get_array())[..., 3] > 0
    np.testing.assert_array_equal(pale, np.isfinite(matrix))


def test_what_cannot_be_drawn_as_a_matrix_is_refused() -> None:
    with pytest.raises(InvalidElement, match="MotifPairs"):
        pair_matrix(xr.Dataset())
    for element, match in (
        (pairs().drop_vars("log2_ratio"), "no expected numbers"),
        (spacings(), r"pl\.spacing"),
    ):
        with pytest.raises(InvalidInput, match=match):
            pair_matrix(element)
    with pytest.raises(InvalidInput, match="`n`"):
        pair_matrix(pairs(), n=1)
    with pytest.raises(InvalidInput, match="q_value"):
        pair_matrix(pairs(), q_value=2)


def spacings(
    n_orientations: int = 3, *, listed: str = "all", oriented: bool = True, n_pairs: int = 1
) -> xr.Dataset:
    pair, orientation, distance = (
        grid.reshape(-1)
        for grid in np.meshgrid(range(n_pairs), range(n_orientations), range(-2, 9), indexing="ij")
    )
    n = np.where((distance == 4) & (orientation == 1), 30, 6)
    n[(distance == 7) & (orientation == 1)] = 0
    q = np.where(n == 6, 0.8, 0.001)
    built = MotifPairs.build(
        motif_a_index=pair, motif_b_index=pair + 1, n=n, expected=np.full(len(n), 6.5),
        q_value=q, distance=distance, orientation=orientation if oriented else None,
        motif=["m0", "m1", "m2"],
        name=["GATA1", "TAL1", "KLF1"], counted="pairs of annotations", ordered=False,
        n_sequences=50, max_distance=12,
    )  # fmt: skip
    return built.assign(n_within=("pair", np.full(len(n), 90))).assign_attrs(listed=listed)


def heights(ax: mpl.axes.Axes, colour: str) -> dict[int, float]:
    wanted = mpl.colors.to_rgba(colour)
    return {
        round(bar.get_x() + bar.get_width() / 2): bar.get_height()
        for bar in ax.patches if bar.get_facecolor() == wanted
    }  # fmt: skip


def test_a_panel_for_each_orientation_with_significant_distances_coloured() -> None:
    figure = spacing(spacings())
    panels = [ax for ax in figure.axes if ax.axison]
    titles = [ax.get_title(loc="left") for ax in panels]
    assert titles == ["GATA1 → TAL1 →", "GATA1 → TAL1 ←", "GATA1 ← TAL1 →"]
    assert panels[1].get_title(loc="right") == "90 pairs"
    assert heights(panels[1], "#b2182b") == {4: 30}
    assert heights(panels[1], "#2166ac") == {7: 0}
    assert heights(panels[0], "#b2182b") == {}
    assert heights(panels[0], "0.72") == dict.fromkeys(range(-2, 9), 6)
    means = np.array(panels[0].collections[0].get_segments())
    np.testing.assert_array_equal(means[..., 1], 6.5)
    np.testing.assert_array_equal(means[..., 0].mean(axis=1), np.arange(-2, 9))
    assert [text.get_text() for text in panels[1].texts] == ["4"]
    assert panels[0].get_xlim() == (-3, 13)
    assert len({ax.get_ylim() for ax in panels}) == 1
    assert "more often" in figure.legends[0].texts[1].get_text()
    figure.canvas.draw()
    assert all(ax.get_position().width > 0.3 for ax in panels)


def test_without_orientation_there_is_one_panel() -> None:
    figure = spacing(spacings(1, oriented=False, listed="significant"))
    assert len(figure.axes) == 1
    assert figure.axes[0].get_title(loc="left") == "GATA1 TAL1"
    assert figure.legends[0].get_title().get_text() == "significant distances only"


def test_the_pair_is_chosen_by_its_ids() -> None:
    several = spacings(n_pairs=2)
    for pair in (("m1", "m2"), ("m2", "m1"), ("TAL1", "m2")):
        assert spacing(several, pair=pair).axes[0].get_title(loc="left") == "TAL1 → KLF1 →"
    for pair, match in (
        (None, "2 pairs"), (("m0", "m2"), "no distances"), (("m0", "x"), "'x' is no motif"),
        ("m0", "tuple"), (("m0",), "tuple"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match=match) as error:
            spacing(several, pair=pair)
        assert error.value.argument == "pair"
    with pytest.raises(InvalidInput, match=r"tl\.pair_spacings"):
        spacing(pairs())
    with pytest.raises(InvalidElement, match="MotifPairs"):
        spacing(xr.Dataset())
