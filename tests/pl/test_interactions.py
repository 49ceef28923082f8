"""pl.interactions and pl.interaction_distance: what is drawn where."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.pl.interactions import interaction_distance, interactions

MOTIFS = ["GATA", "ETS", "AP-1", "SP1"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def made(**changes):
    """5 pairs of 4 motifs, of which one was not tested."""
    parts = {
        "motif_a_index": [0, 0, 1, 2, 3],
        "motif_b_index": [1, 2, 2, 3, 3],
        "n": [80, 75, 60, 3, 50],
        "n_tested": [60, 50, 40, 2, 30],
        "epistasis": [0.8, -0.5, 0.01, np.nan, 0.2],
        "q_value": [1e-9, 1e-5, 0.7, np.nan, 1e-3],
        "interaction": ["synergistic", "antagonistic", "additive", "undefined", "synergistic"],
        "motif": MOTIFS,
        "counted": "sites",
        "ordered": False,
        "n_sequences": 100,
        "target": "expression",
    }
    parts |= changes
    return mt.MotifPairs.build(**{k: v for k, v in parts.items() if v is not None})


def by_distance(pairs=((0, 1), (1, 2)), n=6, orientation=None):
    """Pairs of motifs at `n` distances, given from the farthest on."""
    distance = np.tile(np.arange(n)[::-1] * 4 + 2, len(pairs))
    rows = np.repeat(np.arange(len(pairs)), n)
    epistasis = np.exp(-distance / 10) * np.where(rows == 0, 1, -0.5)
    return mt.MotifPairs.build(
        motif_a_index=np.array([a for a, _ in pairs])[rows],
        motif_b_index=np.array([b for _, b in pairs])[rows],
        n=np.full(len(rows), 40),
        n_tested=np.arange(len(rows)) + 10,
        distance=distance,
        epistasis=epistasis,
        epistasis_low=epistasis - 0.1,
        epistasis_high=epistasis + 0.1,
        q_value=np.where(distance < 10, 1e-3, 0.5),
        **({} if orientation is None else {"orientation": np.array(orientation)[rows]}),
        motif=MOTIFS,
        counted="sites",
        ordered=True,
        n_sequences=100,
    )


def offsets(ax):
    return np.concatenate([np.asarray(points.get_offsets()) for points in ax.collections])


def test_every_tested_pair_is_a_point_and_the_significant_have_names():
    pairs = made()
    before = pairs.copy(deep=True)
    ax = interactions(pairs)
    found = {tuple(np.round(point, 3)) for point in offsets(ax).tolist()}
    assert found == {(0.8, 9.0), (-0.5, 5.0), (0.01, 0.155), (0.2, 3.0)}
    assert sorted(text.get_text() for text in ax.texts) == [
        "GATA + AP-1", "GATA + ETS", "SP1 + SP1",
    ]  # fmt: skip
    assert ax.get_title(loc="left") == "4 pairs; 1 not tested"
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == "synergistic: more than the sum (2)"
    assert len(labels) == 3
    assert ax.get_xlim()[0] == -ax.get_xlim()[1]
    xr.testing.assert_identical(pairs, before)
    assert [text.get_text() for text in interactions(pairs, n_names=1).texts] == ["GATA + ETS"]
    assert not interactions(pairs, n_names=0).texts


def test_a_q_value_of_0_has_a_place():
    ax = interactions(made(q_value=[0, 1e-5, 0.7, np.nan, 1e-3]))
    assert np.isfinite(offsets(ax)).all()
    assert offsets(ax)[:, 1].max() == 300


def test_the_network_has_what_interacts():
    ax = interactions(made(), how="network")
    assert ax.get_title(loc="left") == (
        "3 of 5 pairs interact (q ≤ 0.05); 1 of a motif with itself not drawn"
    )
    assert sorted(text.get_text() for text in ax.texts) == ["AP-1", "ETS", "GATA", "SP1"]
    edges = ax.patches
    assert len(edges) == 2
    widths = [edge.get_linewidth() for edge in edges]
    assert widths[1] / widths[0] == pytest.approx(0.8 / 0.5)
    reds = [edge.get_edgecolor()[0] > edge.get_edgecolor()[2] for edge in edges]
    assert reds == [False, True]
    few = interactions(made(), how="network", q_value=1e-7)
    assert few.get_title(loc="left") == "1 of 5 pairs interact (q ≤ 1e-07)"


def test_nothing_tested_and_nothing_there():
    none = made(epistasis=np.full(5, np.nan), q_value=np.full(5, np.nan))
    assert interactions(none).get_title(loc="left") == "0 pairs; 5 not tested"
    assert interactions(none, how="network").get_title(loc="left").startswith("0 of 5 pairs")
    empty = none.isel(pair=slice(0))
    assert interactions(empty).get_title(loc="left") == "0 pairs"
    assert interactions(empty, how="network").get_title(loc="left").startswith("0 of 0 pairs")
    ax = interaction_distance(by_distance().isel(pair=slice(0)))
    assert ax.get_title(loc="left") == "no pairs"


def test_a_line_for_each_pair_in_the_order_of_distances():
    ax = interaction_distance(by_distance())
    lines = ax.get_lines()[1:]
    assert [line.get_label() for line in lines] == ["GATA + ETS", "ETS + AP-1"]
    for line in lines:
        assert line.get_xdata().tolist() == [2, 6, 10, 14, 18, 22]
    np.testing.assert_allclose(lines[0].get_ydata()[0], np.exp(-0.2))
    assert len(interaction_distance(by_distance(), n=1).get_lines()) == 2


def test_one_pair_in_either_order_with_its_numbers():
    for motifs in (("ETS", "AP-1"), ("AP-1", "ETS")):
        ax = interaction_distance(by_distance(), motifs=motifs)
        assert ax.get_title(loc="left") == "ETS + AP-1"
        numbers = [text.get_text() for text in ax.texts]
        assert numbers == ["21", "20", "19", "18", "17", "16"]
        assert ax.get_title(loc="right") == "below: sequences"


def test_orientations_are_lines_of_their_own():
    ax = interaction_distance(by_distance(pairs=((0, 1), (0, 1)), orientation=[0, 2]))
    labels = [line.get_label() for line in ax.get_lines()[1:]]
    assert labels == ["GATA + ETS (++)", "GATA + ETS (-+)"]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"how": "heatmap"}, "`how`"),
        ({"q_value": 2}, "`q_value`"),
        ({"n_names": -1}, "`n_names`"),
    ],
)
def test_options_are_checked(how, message):
    with pytest.raises(InvalidInput, match=message):
        interactions(made(), **how)


def test_other_elements_are_refused():
    with pytest.raises(InvalidInput, match="without epistasis"):
        interactions(made(epistasis=None))
    with pytest.raises(InvalidInput, match="without q-values"):
        interactions(made(q_value=None))
    with pytest.raises(InvalidInput, match="a row for each distance"):
        interactions(by_distance(), how="network")
    with pytest.raises(InvalidInput, match="without distances"):
        interaction_distance(made())
    with pytest.raises(InvalidInput, match="no rows of 'GATA' with 'SP1'"):
        interaction_distance(by_distance(), motifs=("GATA", "SP1"))
    with pytest.raises(InvalidInput, match="`motifs`"):
        interaction_distance(by_distance(), motifs="GATA")
    with pytest.raises(InvalidInput, match="`motifs`"):
        interaction_distance(by_distance(), motifs=("GATA", "none"))
    with pytest.raises(InvalidElement, match="MotifPairs"):
        interactions(mt.Table.build(a=[1]))


@pytest.mark.parametrize("how", ["volcano", "network"])
def test_pairs_of_a_store_are_drawn_alike(how, tmp_path):
    mt.Analysis({"pairs": made()}).write(tmp_path / "study.zarr")
    stored = mt.open(tmp_path / "study.zarr")["pairs"]
    expected, found = (interactions(one, how=how) for one in (made(), stored))
    assert found.get_title(loc="left") == expected.get_title(loc="left")
    texts, others = ([text.get_text() for text in ax.texts] for ax in (found, expected))
    assert texts == others
    assert len(texts) > 1
