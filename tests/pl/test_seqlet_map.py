"""What a map of annotations shows, read back from its pixels."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.models import Annotations
from mutua.pl.seqlet_map import seqlet_map

mpl.use("Agg")
N, LENGTH = 4, 12


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def spans(**parts: object) -> xr.Dataset:
    given = {
        "sequence_index": [3, 0, 0, 2],
        "start": [1, 8, 4, 2],
        "end": [3, 11, 6, 5],
        "sequence_length": [LENGTH] * N,
        "source": "user",
    }
    return Annotations.build(**(given | parts))


MOTIFS = {"motif": ["m1", "m2", "m3"], "motif_index": [1, 1, 0, -1]}


def shown(ax: Axes) -> np.ndarray:
    return np.asarray(ax.images[0].get_array())


def rows(ax: Axes) -> list[list[int]]:
    """Give the columns that are coloured in each row."""
    return [np.flatnonzero(row[:, 3]).tolist() for row in shown(ax)]


def legend(ax: Axes) -> dict[str, str]:
    box = ax.get_legend()
    return {} if box is None else {
        text.get_text(): to_hex(patch.get_facecolor())
        for text, patch in zip(box.get_texts(), box.get_patches(), strict=True)
    }  # fmt: skip


def test_spans_stand_where_they_are() -> None:
    assert rows(seqlet_map(spans())) == [[4, 5, 8, 9, 10], [], [2, 3, 4], [1, 2]]


@pytest.mark.parametrize(
    ("order", "sequences"),
    [
        ("count", [0, 2, 3, 1]),
        ("start", [3, 2, 0, 1]),
        ("motif", [3, 0, 2, 1]),
        ([0.5, 0.1, 7, 0.2], [2, 0, 3, 1]),
    ],
    ids=["count", "start", "motif", "numbers"],
)
def test_sequences_are_ordered(order: str | list[float], sequences: list[int]) -> None:
    ax = seqlet_map(spans(**MOTIFS, sequence_id=["a", "b", "c", "d"]), order=order)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["abcd"[i] for i in sequences]
    plain = rows(seqlet_map(spans()))
    assert rows(ax) == [plain[i] for i in sequences]


def test_motifs_have_colours_and_the_rest_is_grey() -> None:
    ax = seqlet_map(spans(**MOTIFS, name=["GATA", "", "x"]), n_motifs=1)
    found = legend(ax)
    assert list(found) == ["m2 (2)", "other motifs (1)", "no motif (1)"]
    image = shown(ax)
    assert to_hex(image[3, 1]) == to_hex(image[0, 9]) == found["m2 (2)"]
    assert to_hex(image[0, 4]) == found["other motifs (1)"]
    assert to_hex(image[2, 2]) == found["no motif (1)"]


def test_signs_are_red_and_blue() -> None:
    ax = seqlet_map(spans(**MOTIFS, attribution=[1.0, -2.0, 3.0, np.nan]), by="sign")
    assert list(legend(ax)) == ["positive (2)", "negative (1)", "unknown (1)"]
    image = shown(ax)
    assert image[3, 1, 0] > image[3, 1, 2]
    assert image[0, 9, 0] < image[0, 9, 2]


def test_motifs_of_one_name_are_told_apart() -> None:
    ax = seqlet_map(spans(**MOTIFS, name=["GATA", "GATA", "x"]))
    assert list(legend(ax)) == ["GATA m2 (2)", "GATA m1 (1)", "no motif (1)"]


def test_many_sequences_share_rows_and_none_is_lost() -> None:
    n, length = 6000, 4000
    row = np.arange(0, n, 10)
    found = Annotations.build(
        sequence_index=row, start=row // 2, end=row // 2 + 8, sequence_length=np.full(n, length),
        source="user",
    )  # fmt: skip
    image = shown(seqlet_map(found))
    assert image.shape == (600, 1500, 4)
    assert (image[..., 3] > 0).any(axis=1).all()
    assert image[..., 3].max() < 0.5
    full = Annotations.build(
        sequence_index=np.arange(n), start=np.full(n, 50), end=np.full(n, 90),
        sequence_length=np.full(n, length), source="user",
    )  # fmt: skip
    assert shown(seqlet_map(full))[..., 3].max() == 1


def test_first_position_numbers_the_axis() -> None:
    assert seqlet_map(spans(), first_position=-6).get_xlim() == (-6.5, 5.5)


def test_the_set_numbers_the_axis() -> None:
    seqs = mt.pp.random_sequences(N, length=LENGTH, seed=0)
    ax = seqlet_map(spans(), sequences=seqs)
    assert (ax.get_xlim(), ax.get_xlabel()) == ((-0.5, 11.5), "position")
    numbered = mt.pp.number_positions(seqs, -6, label="position relative to the exon")
    ax = seqlet_map(spans(), sequences=numbered)
    assert ax.get_xlim() == (-6.5, 5.5)
    assert ax.get_xlabel() == "position relative to the exon (nt)"
    odd = seqs.assign_coords(position=[-3, -2, -1, *range(1, 10)])
    ax = seqlet_map(spans(), sequences=odd)
    ax.figure.canvas.draw()
    ticks = {
        round(x): text.get_text()
        for x, text in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
    }
    assert {place: ticks[place] for place in (0, 2, 4)} == {0: "-3", 2: "-1", 4: "2"}
    for other in (seqs.isel(sequence=slice(3)), seqs.isel(position=slice(9))):
        with pytest.raises(InvalidInput, match=r"`sequences`: .*and the spans are in 4 of 12"):
            seqlet_map(spans(), sequences=other)
    with pytest.raises(InvalidInput, match="first_position"):
        seqlet_map(spans(), sequences=seqs, first_position=3)


def test_families_are_coloured_where_most_motifs_would_be_grey() -> None:
    n = 12
    many = Annotations.build(
        sequence_index=np.arange(n) % N, start=np.zeros(n, int), end=np.full(n, 2),
        motif_index=np.append(np.arange(n - 1), -1), motif=[f"m{i}" for i in range(n - 1)],
        family=["ETS"] * 5 + ["AP-1"] * 4 + ["", "SOX"], sequence_length=[LENGTH] * N,
        source="user",
    )  # fmt: skip
    expected = ["ETS (5)", "AP-1 (4)", "other families (2)", "no motif (1)"]
    assert list(legend(seqlet_map(many, n_motifs=2))) == expected
    by_motif = ["m0 (1)", "m1 (1)", "other motifs (9)", "no motif (1)"]
    assert list(legend(seqlet_map(many, n_motifs=2, by="motif"))) == by_motif
    assert "m9 (1)" in legend(seqlet_map(many, n_motifs=4, by="family"))
    assert seqlet_map(many, n_motifs=10).get_legend().get_title().get_text() == "motif"


def test_no_spans_give_an_empty_map() -> None:
    empty = spans(**MOTIFS).isel(annotation=slice(0))
    for order in ("input", "count", "start", "motif"):
        ax = seqlet_map(empty, order=order)
        assert rows(ax) == [[]] * N
        assert legend(ax) == {}


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"by": "motif"}, "by"),
        ({"by": "colour"}, "by"),
        ({"order": "motif"}, "order"),
        ({"order": "best"}, "order"),
        ({"order": [1.0, 2.0]}, "order"),
        ({"order": [1.0, np.nan, 2.0, 3.0]}, "order"),
        ({"n_motifs": 0}, "n_motifs"),
        ({"ax": 1}, "ax"),
    ],
    ids=["no motifs", "by", "no order by motif", "order", "too few", "NaN", "n_motifs", "ax"],
)
def test_bad_options_are_refused(options: dict[str, object], argument: str) -> None:
    with pytest.raises(InvalidInput) as error:
        seqlet_map(spans(), **options)  # type: ignore[arg-type]
    assert error.value.argument == argument


def test_what_are_no_annotations_is_refused() -> None:
    with pytest.raises(InvalidElement):
        seqlet_map(xr.Dataset())
    none = spans().isel(annotation=slice(0), sequence=slice(0))
    with pytest.raises(InvalidInput, match="no sequences"):
        seqlet_map(none)
