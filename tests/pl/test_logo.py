"""What logos of attributions and sequences show, read back from their letters and boxes."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.path import Path

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.models import Annotations, Attributions
from mutua.pl._letters import letter_colours
from mutua.pl.logo import logo

mpl.use("Agg")
LENGTH = 13
SEQUENCES = ["ACGTNACGTACGT", "TTTTTTTTTTTTT", "CCACCACCACCAC"]


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def attributions(*, hypothetical: bool = False, **parts: object) -> xr.Dataset:
    values = np.random.default_rng(0).normal(size=(3, 4, LENGTH)).astype(np.float32)
    seqs = mt.from_strings(SEQUENCES, sequence_id=["a", "b", "c"])
    if not hypothetical:
        values *= np.asarray(mt.pp.one_hot(seqs)).astype(np.float32)
    return Attributions.build(
        seqs, attribution=values, target="signal", method="none", hypothetical=hypothetical, **parts
    )


def spans(*rows: tuple[int, int, int], **parts: object) -> xr.Dataset:
    row, start, end = (list(column) for column in zip(*rows, strict=True))
    return Annotations.build(
        sequence_index=row, start=start, end=end, sequence_length=[LENGTH] * 3, source="user",
        **parts,
    )  # fmt: skip


def letters(ax: Axes) -> dict[tuple[str, float], list[float]]:
    """Give from where to where each letter reaches: (letter, middle) -> y."""
    letter_of = {to_hex(colour).lower(): x for x, colour in letter_colours("ACGT").items()}
    found: dict[tuple[str, float], list[float]] = {}
    for patch in ax.patches:
        path = patch.get_path()
        drawn = path.codes != Path.CLOSEPOLY
        vertices = path.vertices[drawn]
        places = np.round(vertices[:, 0])
        for place in np.unique(places):
            y = Path(vertices[places == place], path.codes[drawn][places == place]).get_extents()
            name = letter_of[to_hex(patch.get_facecolor())]
            found[name, float(place)] = y.intervaly.tolist()
    return found


def rectangles(ax: Axes) -> np.ndarray:
    """Give x0, x1, y0, y1 of every box: columns and part of the height of the axes."""
    collections = [x for x in ax.collections if isinstance(x, PolyCollection)]
    if not collections:
        return np.zeros((0, 4))
    found = [path.get_extents() for path in collections[0].get_paths()]
    return np.array([[x.x0, x.x1, x.y0, x.y1] for x in found])


def overlaps(boxes: np.ndarray) -> int:
    """Count pairs of rectangles x0, x1, y0, y1 that share an area."""
    first, second = boxes[:, None], boxes[None]
    shared = (
        (first[..., 0] < second[..., 1])
        & (second[..., 0] < first[..., 1])
        & (first[..., 2] < second[..., 3])
        & (second[..., 2] < first[..., 3])
    )
    return int(np.triu(shared, 1).sum())


def drawn_boxes(ax: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Give boxes and labels in pixels of the figure as it is drawn."""
    ax.figure.canvas.draw()
    (collection,) = (x for x in ax.collections if isinstance(x, PolyCollection))
    turned = [collection.get_transform().transform_path(path).get_extents()
              for path in collection.get_paths()]  # fmt: skip
    texts = [text.get_window_extent() for text in ax.texts]
    return tuple(np.array([[x.x0, x.x1, x.y0, x.y1] for x in part]) for part in (turned, texts))  # type: ignore[return-value]


@pytest.mark.parametrize("sequence", [0, 2, "c"])
def test_letters_are_as_high_as_their_attribution(sequence: int | str) -> None:
    attr = attributions()
    row = 2 if sequence == "c" else sequence
    ax = logo(attr, sequence=sequence)
    found = letters(ax)
    for place, letter in enumerate(SEQUENCES[row]):
        if letter == "N":
            assert not any(x == place for _, x in found)
            continue
        height = float(attr["attribution"].values[row, "ACGT".index(letter), place])
        assert found.pop((letter, place)) == pytest.approx(sorted([0, height]), abs=1e-6)
    assert not found
    assert ax.get_ylabel() == "attribution to signal"
    assert ax.get_title() == "ac"[row > 0]


def test_of_hypothetical_ones_the_letter_that_is_there_or_all() -> None:
    attr = attributions(hypothetical=True)
    assert set(letters(logo(attr, sequence="b"))) == {("T", float(x)) for x in range(LENGTH)}
    found = letters(logo(attr, sequence="b", hypothetical=True))
    assert len(found) == 4 * LENGTH
    low, high = found["A", 0.0]
    assert high - low == pytest.approx(abs(float(attr["attribution"].values[1, 0, 0])), rel=1e-5)


def test_a_window_shows_its_letters_at_their_places() -> None:
    found = letters(logo(attributions(), sequence="a", start=2, end=4))
    assert set(found) == {("G", 2.0), ("T", 3.0)}
    assert {x for _, x in letters(logo(attributions(), sequence=0, start=9))} == {9, 10, 11, 12}
    assert {x for _, x in letters(logo(attributions(), sequence=0, end=2))} == {0, 1}


def test_positions_of_the_user_number_window_and_boxes() -> None:
    attr = attributions().assign_coords(position=np.arange(LENGTH) - 6)
    ax = logo(attr, sequence="a", start=-4, end=2, annotations=spans((0, 3, 6)))
    assert {x for _, x in letters(ax)} == {-4, -3, -1, 0, 1}
    assert rectangles(ax)[0, :2] == pytest.approx([-3.45, -0.55])


def test_positions_with_gaps_name_the_ticks() -> None:
    numbers = np.array([1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23, 24, 25])
    attr = attributions().assign_coords(position=numbers)
    ax = logo(attr, sequence="a", start=3, end=20)
    assert {x for _, x in letters(ax)} == {0, 1, 3, 4}
    ax.figure.canvas.draw()
    shown = {tick.get_text() for tick in ax.get_xticklabels()} - {""}
    assert shown
    assert shown <= {"3", "10", "11", "12", "13"}


def test_frequencies_are_in_bits() -> None:
    seqs = mt.from_strings(["AAC", "AAG", "ACN", "ACN"])
    ax = logo(seqs)
    found = letters(ax)
    assert found["A", 0.0] == pytest.approx([0, 2])
    assert found["A", 1.0][1] - found["A", 1.0][0] == pytest.approx(0.5)
    assert found["C", 2.0][1] - found["C", 2.0][0] == pytest.approx(0.5)
    assert ax.get_ylabel() == "information (bits)"
    assert ax.get_ylim() == (0, 2)
    shares = letters(logo(seqs, which="probability"))
    assert shares["A", 1.0][1] - shares["A", 1.0][0] == pytest.approx(0.5)


def test_few_sequences_may_be_corrected_for() -> None:
    seqs = mt.from_strings(["A" * 5] * 8)
    found = letters(logo(seqs, small_sample=True))
    assert found["A", 0.0][1] == pytest.approx(2 - 3 / (2 * np.log(2) * 8))


def test_weights_count_and_chunks_do_not() -> None:
    seqs = mt.from_strings(["AC", "GT", "GC"]).assign(weight=("sequence", [2.0, 1.0, 1.0]))
    plain = letters(logo(seqs, which="probability"))
    assert plain["A", 0.0][1] - plain["A", 0.0][0] == pytest.approx(0.5)
    assert plain["C", 1.0][1] - plain["C", 1.0][0] == pytest.approx(0.75)
    assert letters(logo(seqs.chunk(sequence=2, position=1), which="probability")) == plain


def test_one_sequence_without_attributions_has_letters_of_one_height() -> None:
    seqs = mt.from_strings(["ACG", "TTT"])
    ax = logo(seqs, sequence=0)
    assert letters(ax) == {("A", 0.0): [0, 1], ("C", 1.0): [0, 1], ("G", 2.0): [0, 1]}


def test_boxes_stand_over_their_letters_with_names_and_scores() -> None:
    parts = {"motif": ["m1", "m2"], "name": ["GATA1", ""], "motif_index": [1, 0, -1]}
    found = spans((0, 1, 4), (0, 6, 9), (1, 0, 2), score=[7.25, 3.0, 1.0], **parts)
    ax = logo(attributions(), sequence=0, annotations=found, score="score")
    assert [text.get_text() for text in ax.texts] == ["m2 (7.25)", "GATA1 (3)"]
    assert rectangles(ax)[:, :2].tolist() == [[0.55, 3.45], [5.55, 8.45]]


def test_boxes_are_cut_at_the_window_and_shown() -> None:
    found = spans((0, 0, 4), (0, 8, 13), (0, 4, 6), (0, 9, 11), (0, 1, 3))
    ax = logo(attributions(), sequence=0, annotations=found, start=3, end=9)
    assert rectangles(ax)[:, :2].round(6).tolist() == [[2.55, 3.45], [7.55, 8.45], [3.55, 5.45]]


def test_a_tip_shows_the_strand_unless_it_is_cut_off() -> None:
    found = spans((0, 1, 5), (0, 6, 9), (0, 10, 13), strand=[1, -1, 1])
    ax = logo(attributions(), sequence=0, annotations=found, end=12)
    (collection,) = (x for x in ax.collections if isinstance(x, PolyCollection))
    corners = [path.vertices[:-1] for path in collection.get_paths()]
    assert [len(x) for x in corners] == [5, 5, 4]
    assert corners[0][2] == pytest.approx([4.45, corners[0][:, 1].mean()], abs=0.02)
    assert corners[1][4][0] == pytest.approx(5.55)


@pytest.mark.parametrize("n", [6, 40])
def test_boxes_and_names_never_overlap(n: int) -> None:
    random = np.random.default_rng(n)
    length = 80
    seqs = mt.pp.random_sequences(2, length=length, seed=0)
    start = random.integers(0, length - 4, n)
    end = np.minimum(start + random.integers(3, 20, n), length)
    names = [f"{'X' * size}{i}" for i, size in enumerate(random.integers(1, 15, n))]
    found = Annotations.build(
        sequence_index=[0] * n, start=start, end=end, motif_index=range(n), motif=names,
        sequence_length=[length] * 2, source="user",
    )  # fmt: skip
    ax = logo(seqs, sequence=0, annotations=found)
    boxes, texts = drawn_boxes(ax)
    assert len(boxes) == len(texts) == n
    assert overlaps(boxes) == 0
    assert overlaps(texts) == 0
    # A name lies in its own box or in none.
    for i in range(n):
        others = np.delete(boxes, i, axis=0)
        assert overlaps(np.vstack([texts[i], others])) == overlaps(others) == 0
    top = ax.transData.transform((0, 1))[1]
    assert boxes[:, 2].min() >= top
    assert texts[:, :2].min() >= ax.bbox.x0 - 1
    assert texts[:, :2].max() <= ax.bbox.x1 + 1
    assert boxes[:, 3].max() <= ax.bbox.y1 + 1


def test_given_axes_keep_their_size_or_are_refused() -> None:
    figure, axes = plt.subplots(1, 2, figsize=(9, 3))
    found = spans(*[(0, 1, 9)] * 6)
    assert logo(attributions(), sequence=0, annotations=found, ax=axes[1]) is axes[1]
    assert figure.get_size_inches().tolist() == [9, 3]
    with pytest.raises(InvalidInput, match=r"axes of .* for 25 tracks"):
        logo(attributions(), sequence=0, annotations=spans(*[(0, 1, 9)] * 25), ax=axes[0])


def test_spans_that_nobody_could_read_are_refused() -> None:
    with pytest.raises(InvalidInput, match="40 spans, up to 40 one above the other"):
        logo(attributions(), sequence=0, annotations=spans(*[(0, 1, 9)] * 40))


def test_no_annotations_in_sight_leave_the_picture_as_it_is() -> None:
    plain = logo(attributions(), sequence=0)
    empty = logo(attributions(), sequence=0, annotations=spans((1, 0, 3)))
    assert plain.get_ylim() == empty.get_ylim()
    assert not empty.texts
    none = spans((1, 0, 3)).isel(annotation=slice(0))
    assert logo(attributions(), sequence=0, annotations=none).get_ylim() == plain.get_ylim()


def test_signs_colour_seqlets_without_motifs() -> None:
    found = spans((0, 1, 4), (0, 6, 9), attribution=[2.0, -1.0])
    ax = logo(attributions(), sequence=0, annotations=found)
    (collection,) = (x for x in ax.collections if isinstance(x, PolyCollection))
    red, blue = collection.get_facecolor()[:, [0, 2]]
    assert red[0] > red[1]
    assert blue[0] < blue[1]
    assert not ax.texts


def test_nothing_is_changed_and_lazy_elements_look_the_same() -> None:
    attr = attributions()
    before = attr.copy(deep=True)
    plain = letters(logo(attr, sequence=2, start=1))
    assert attr.identical(before)
    assert letters(logo(attr.chunk(sequence=1, position=4), sequence=2, start=1)) == plain


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({}, "sequence"),
        ({"sequence": 3}, "sequence"),
        ({"sequence": "z"}, "sequence"),
        ({"sequence": 0, "start": 13}, "start"),
        ({"sequence": 0, "start": 5, "end": 5}, "start"),
        ({"sequence": 0, "hypothetical": True}, "hypothetical"),
        ({"sequence": 0, "which": "bits"}, "which"),
        ({"sequence": 0, "ax": "here"}, "ax"),
        ({"sequence": 0, "annotations": spans((0, 1, 4)), "score": "p_value"}, "score"),
    ],
    ids=["no sequence", "too large", "no such id", "outside", "empty", "projected", "which", "ax",
         "no score"],
)  # fmt: skip
def test_bad_options_are_refused(options: dict[str, object], argument: str) -> None:
    with pytest.raises(InvalidInput) as error:
        logo(attributions(), **options)  # type: ignore[arg-type]
    assert error.value.argument == argument


def test_annotations_of_other_sequences_are_refused() -> None:
    attr = attributions()
    for other, message in [
        (attr.isel(sequence=[0]), "of 3 sequences, not 1"),
        (attr.isel(position=slice(4)), "of sequences of 13 letters, not 4"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            logo(other, sequence=0, annotations=spans((0, 1, 4)))
    with pytest.raises(InvalidInput, match="of sequence 'x' where there is 'a'"):
        logo(attr, sequence=0, annotations=spans((0, 1, 4), sequence_id=["x", "b", "c"]))
    with pytest.raises(InvalidInput, match="given for all sequences"):
        logo(mt.from_strings(SEQUENCES), annotations=spans((0, 1, 4)))
    with pytest.raises(InvalidElement):
        logo(attr, sequence=0, annotations=attr)
    with pytest.raises(InvalidElement):
        logo(spans((0, 1, 4)))
