"""What logos show, read back from their letters."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.path import Path

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.pl._letters import draw_letters, letter_colours

mpl.use("Agg")
WIDTH = 0.94


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    mpl.pyplot.close("all")


def boxes(ax: Axes) -> dict[str, dict[int, list[float]]]:
    """Give from where to where each letter reaches in each stack: letter -> position -> y."""
    letter_of = {to_hex(colour).lower(): x for x, colour in letter_colours("ACGT").items()}
    found: dict[str, dict[int, list[float]]] = {}
    for patch in ax.patches:
        path = patch.get_path()
        drawn = path.codes != Path.CLOSEPOLY
        path = Path(path.vertices[drawn], path.codes[drawn])
        places = np.round(path.vertices[:, 0]).astype(int)
        of_letter = found.setdefault(letter_of[to_hex(patch.get_facecolor())], {})
        for place in np.unique(places):
            here = Path(path.vertices[places == place], path.codes[places == place])
            of_letter[int(place)] = here.get_extents().intervaly.tolist()
    return found


def motifs(**parts: object) -> xr.Dataset:
    soft = np.array([[0.5, 0.1], [0.25, 0.2], [0.25, 0.3], [0.0, 0.4]])
    return mt.MotifSet.build({"soft": soft, "GAT": "GAT"}, **parts)


def test_letters_are_as_high_as_their_share_of_the_bits() -> None:
    ax = mt.pl.motif(motifs(), motif="soft")
    found = boxes(ax)
    assert found["A"][0] == pytest.approx([0.25, 0.5])  # 0.5 bits: on top of C and G
    assert found["C"][0] == pytest.approx([0, 0.125])
    assert found["G"][0] == pytest.approx([0.125, 0.25])
    assert 0 not in found["T"]
    bits = 2 + sum(p * np.log2(p) for p in (0.1, 0.2, 0.3, 0.4))
    assert found["T"][1] == pytest.approx([0.6 * bits, bits], abs=1e-6)
    assert ax.get_ylim() == (0, 2)
    assert ax.get_ylabel() == "information (bits)"
    assert ax.get_title() == "soft"


def test_probabilities_and_the_background() -> None:
    found = boxes(mt.pl.motif(motifs(), motif="soft", which="probability"))
    assert found["A"][0] == pytest.approx([0.5, 1])
    assert found["T"][1] == pytest.approx([0.6, 1], abs=1e-6)
    ax = mt.pl.motif(motifs(background=[0.4, 0.1, 0.1, 0.4]), motif="GAT")
    assert boxes(ax)["G"][0] == pytest.approx([0, np.log2(10)])
    assert ax.get_ylim() == pytest.approx((0, np.log2(10)))


def test_contributions_below_0() -> None:
    values = np.array([[1.0, 0.0], [0.5, 0.25], [-0.25, 0.0], [-0.5, -2.0]])
    element = motifs(contribution={"soft": values, "GAT": np.zeros((4, 3))})
    ax = mt.pl.motif(element, motif="soft", which="contribution")
    found = boxes(ax)
    assert found["C"][0] == pytest.approx([0, 0.5])
    assert found["A"][0] == pytest.approx([0.5, 1.5])
    assert found["G"][0] == pytest.approx([-0.25, 0])
    assert found["T"] == {0: pytest.approx([-0.75, -0.25]), 1: pytest.approx([-2, 0])}
    low, high = ax.get_ylim()
    assert low < -2
    assert high > 1.5


def test_the_opposite_strand() -> None:
    element = motifs(background=[0.3, 0.2, 0.1, 0.4])
    turned = mt.pp.reverse_complement(element)
    for motif in ("soft", "GAT"):
        ax = mt.pl.motif(element, motif=motif, reverse_complement=True)
        expected = boxes(mt.pl.motif(turned, motif=motif))
        found = boxes(ax)
        assert {x: sorted(found[x]) for x in found} == {x: sorted(expected[x]) for x in expected}
        for letter, stacks in expected.items():
            for place, reach in stacks.items():
                assert found[letter][place] == pytest.approx(reach)
        assert ax.get_title() == f"{motif} (reverse complement)"


def test_a_motif_is_drawn_on_the_axes_given() -> None:
    _, ax = mpl.pyplot.subplots()
    assert mt.pl.motif(motifs(name=["first", ""]).isel(motif=[0]), ax=ax) is ax
    assert ax.get_title() == "soft  first"
    left, right = ax.get_xlim()
    assert left < -WIDTH / 2
    assert right > 1 + WIDTH / 2


@pytest.mark.parametrize("name", ["RNA", "protein", "0123456789AB"])
def test_every_alphabet_has_its_letters(name: str) -> None:
    letters = {"RNA": "ACGU", "protein": "ACDEFGHIKLMNPQRSTVWY"}.get(name, name)
    ax = mt.pl.motif(mt.MotifSet.build({"all": letters}, alphabet=name), which="probability")
    assert len(ax.patches) == len(letters)
    for place, patch in enumerate(ax.patches):
        box = patch.get_path().get_extents()
        assert box.intervaly == pytest.approx([0, 1], abs=1e-9)
        assert box.intervalx.mean() == pytest.approx(place)
        assert box.width <= WIDTH + 1e-9


def test_one_patch_for_all_occurrences_of_a_letter() -> None:
    _, ax = mpl.pyplot.subplots()
    limits = ax.get_xlim(), ax.get_ylim()
    draw_letters(ax, np.random.default_rng(0).normal(size=(4, 50)), "ACGT", first=100.0)
    assert len(ax.patches) == 4
    assert (ax.get_xlim(), ax.get_ylim()) == limits
    assert ax.patches[0].get_path().get_extents().x0 == pytest.approx(100 - WIDTH / 2)
    draw_letters(ax, np.zeros((4, 3)), "ACGT")
    assert len(ax.patches) == 4


def test_a_sheet() -> None:
    n = 7
    element = mt.MotifSet.build(
        {f"M{i}": "GATACCA"[: i + 1] for i in range(n)},
        name=["one", *[""] * 6],
        n_sites=[1200, np.nan, *range(5)],
        q_value=[1e-12, 0.25, *[np.nan] * 5],
    )
    figure = mt.pl.motifs(element, n=5, columns=3)
    drawn = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title(loc="left") for ax in drawn] == ["M0  one", "M1", "M2", "M3", "M4"]
    titles = [ax.get_title(loc="right") for ax in drawn]
    assert titles == ["1,200 sites, q = 1e-12", "q = 0.25", "0 sites", "1 sites", "2 sites"]
    assert figure.get_suptitle() == "the first 5 of 7 motifs"
    assert len({ax.get_xlim() for ax in drawn}) == 1
    assert [bool(ax.get_xlabel()) for ax in drawn] == [False, False, True, True, True]
    assert mt.pl.motifs(element).get_suptitle() == ""


def test_a_sheet_shows_p_values_where_there_are_no_q_values() -> None:
    figure = mt.pl.motifs(motifs(p_value=[0.5, 0.0001]))
    assert [ax.get_title(loc="right") for ax in figure.axes] == ["p = 0.5", "p = 0.0001"]


def test_nothing_of_the_element_is_changed() -> None:
    element = motifs()
    before = element.copy(deep=True)
    mt.pl.motif(element, motif="soft", reverse_complement=True)
    mt.pl.motifs(element)
    assert element.identical(before)


def test_lazy_motifs_are_drawn() -> None:
    ax = mt.pl.motif(motifs().chunk({"motif": 1}), motif="soft")
    assert boxes(ax)["A"][0] == pytest.approx([0.25, 0.5])


def test_what_is_refused() -> None:
    protein = mt.MotifSet.build({"a": "RK"}, alphabet="protein")
    for call, message in [
        (lambda: mt.pl.motif(motifs()), "`motif`: there are 2 motifs. Use one of ['soft', 'GAT']"),
        (lambda: mt.pl.motif(motifs(), motif="x"), "`motif`: 'x' is no motif. Use one of"),
        (
            lambda: mt.pl.motif(motifs(), motif="GAT", which="contribution"),
            "`which`: the motifs ha",
        ),
        (lambda: mt.pl.motif(motifs(), motif="GAT", which="x"), "`which`: 'x'"),
        (lambda: mt.pl.motif(protein, reverse_complement=True), "'protein' has no complement"),
        (lambda: mt.pl.motif(protein, reverse_complement=1), "`reverse_complement`: 1"),
        (lambda: mt.pl.motif(protein, ax=3), "`ax`: a int"),
        (lambda: mt.pl.motifs(mt.MotifSet.build({})), "`motifs`: there are none"),
        (lambda: mt.pl.motifs(motifs(), n=0), "`n`: 0"),
        (lambda: mt.pl.motifs(motifs(), columns=0), "`columns`: 0"),
    ]:
        with pytest.raises(InvalidInput) as error:
            call()
        assert message in str(error.value)
    for draw in (mt.pl.motif, mt.pl.motifs):
        with pytest.raises(InvalidElement, match=r"argument `motifs` of pl\.motif"):
            draw(mt.from_strings(["ACGT"]))
