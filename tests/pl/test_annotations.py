"""What the plot of annotations shows, read back from its artists."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import pytest
import xarray as xr

from mutua.errors import InvalidElement, InvalidInput
from mutua.pl.annotations import annotation_counts
from tests.reference.motif_pairs import Row
from tests.tl.annotated import annotations

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    mpl.pyplot.close("all")


ROWS = [Row(s, 3 * i, 3 * i + 3, m, 0) for m in range(4) for s in range(m + 2) for i in range(2)]
ROWS += [Row(0, 0, 3, 4, 0)] * 9 + [Row(1, 0, 3, -1, 0)]


def labels(ax: mpl.axes.Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def test_bars_are_sequences_and_texts_annotations() -> None:
    ann = annotations(ROWS, lengths=[30] * 7, n_motifs=6, name=["A", "B", "B", "", "E", "F"])
    ax = annotation_counts(ann)
    assert labels(ax) == ["m3", "B m2", "B m1", "A", "E"]
    assert [bar.get_width() for bar in ax.patches] == [5, 4, 3, 2, 1]
    assert [text.get_text().strip() for text in ax.texts] == ["10", "8", "6", "4", "9"]
    assert ax.get_xlabel() == "sequences with the motif, of 7"
    assert ax.get_title().splitlines() == [
        "5 motifs, 37 annotations",
        "grey: annotations of the motif, of which a sequence may hold several",
    ]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the most frequent on top
    ax = annotation_counts(ann, n=2)
    assert labels(ax) == ["m3", "B m2"]
    assert ax.get_title().startswith("2 of 5 motifs")


def test_nothing_is_drawn_as_nothing() -> None:
    for sizes in ({"lengths": [9], "n_motifs": 2}, {"lengths": [], "n_motifs": 0}):
        ax = annotation_counts(annotations([], **sizes))
        assert len(ax.patches) == 0
        ax.figure.canvas.draw()


def test_given_axes_are_used_and_bad_input_is_refused() -> None:
    ann = annotations(ROWS, lengths=[30] * 7, n_motifs=6)
    _, ax = mpl.pyplot.subplots()
    assert annotation_counts(ann, ax=ax) is ax
    with pytest.raises(InvalidInput, match="`n`"):
        annotation_counts(ann, n=0)
    with pytest.raises(InvalidInput, match="without motifs"):
        annotation_counts(ann.drop_vars(["motif_index", "motif"]))
    with pytest.raises(InvalidElement, match="Annotations"):
        annotation_counts(xr.Dataset())
