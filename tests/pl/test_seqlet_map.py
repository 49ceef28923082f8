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
