"""Motif sets: what can be built, and what is refused."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.kernels import letters as letter_kernels
from mutua.kernels.patterns import pattern_masks
from mutua.models import digests
from mutua.models.alphabets import ALPHABETS, complement_order
from mutua.models.motif_matrices import (
    column_information,
    consensus_matrix,
    reverse_complemented,
)

GATA = np.array([[0, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 1, 0, 0]], float)


def soft(width: int, n_letters: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(n_letters), size=width).T


def faults(*args: object, **parts: object) -> list[str]:
    with pytest.raises(InvalidElement) as error:
        mt.MotifSet.build(*args, **parts)
    return [str(fault) for fault in error.value.faults]


def test_matrices_of_several_widths_by_id() -> None:
    motifs = mt.MotifSet.build({"GATA": GATA, "soft": soft(3)}, n_sites=[7, 8], q_value=[0.1, 0.2])
    assert motifs["probability"].dims == ("motif", "letter", "motif_position")
    assert motifs["probability"].dtype == np.float32
    assert motifs["length"].values.tolist() == [5, 3]
    np.testing.assert_array_equal(motifs["probability"].values[0], GATA)
    np.testing.assert_array_equal(motifs["probability"].values[1, :, :3], soft(3).astype("f4"))
    assert not motifs["probability"].values[1, :, 3:].any()
    assert motifs["motif"].values.tolist() == ["GATA", "soft"]
    assert motifs["letter"].values.tolist() == list("ACGT")
    assert motifs.attrs["background"] == [0.25] * 4
    assert motifs["q_value"].values.tolist() == [0.1, 0.2]


@pytest.mark.parametrize(
    "matrix",
    [
        GATA.astype(np.float16),
        GATA.tolist(),
        torch.tensor(GATA, requires_grad=True),
        pd.DataFrame(GATA, index=list("ACGT")),
        pd.DataFrame(GATA[::-1], index=list("TGCA")),
        pd.DataFrame(GATA.T, columns=list("ACGT")),
        pd.DataFrame(GATA.T[:, [2, 0, 1, 3]], columns=list("GACT")),
        "GATAA",
        "gataa",
    ],
    ids=["numpy", "list", "torch", "frame", "frame in another order", "frame of columns",
         "columns in another order", "consensus", "lower case"],
)  # fmt: skip
def test_the_same_motif_from_anything(matrix: object) -> None:
    motifs = mt.MotifSet.build({"GATA": matrix})
    np.testing.assert_array_equal(motifs["probability"].values[0], GATA)


def test_a_stack_whose_widths_its_zeros_tell() -> None:
    stack = np.zeros((2, 4, 7))
    stack[0, :, :5], stack[1, :, :3] = GATA, soft(3)
    motifs = mt.MotifSet.build(torch.tensor(stack), motif=["a", "b"])
    assert motifs["length"].values.tolist() == [5, 3]
    given = mt.MotifSet.build(stack, motif=["a", "b"], length=[5, 3])
    assert given.equals(motifs)


def test_an_element_gives_itself_again() -> None:
    motifs = mt.MotifSet.build(
        {"a": soft(5), "b": soft(3)}, background={"T": 0.4, "A": 0.3, "C": 0.2, "G": 0.1}
    )
    assert motifs.attrs["background"] == [0.3, 0.2, 0.1, 0.4]
    assert mt.MotifSet.build(motifs).drop_attrs().identical(motifs.drop_attrs())
    parts = {name: motifs[name] for name in ("probability", "length")}
    again = mt.MotifSet.build(parts, background=motifs.attrs["background"])
    assert again.equals(motifs)
    other = mt.MotifSet.build(motifs, background=[0.25] * 4)
    assert other["information"].equals(mt.MotifSet.build(parts)["information"])


def test_lazy_probabilities_stay_lazy() -> None:
    motifs = mt.MotifSet.build({"a": soft(5), "b": soft(3)})
    lazy = da.from_array(motifs["probability"].values, chunks=(1, 2, 3))
    built = mt.MotifSet.build(lazy, motif=["a", "b"], length=[5, 3])
    assert digests.is_lazy(built["probability"])
    assert built.compute().equals(motifs.drop_vars("information"))
    mt.MotifSet.check(built, deep=True)
    wrong = mt.MotifSet.build(lazy * 2, motif=["a", "b"], length=[5, 3])
    with pytest.raises(InvalidElement, match="motif 'a': column 0 sums to 2, not 1"):
        mt.MotifSet.check(wrong, deep=True)


def test_no_motifs() -> None:
    motifs = mt.MotifSet.build({}, alphabet="protein")
    assert dict(motifs.sizes) == {"motif": 0, "letter": 20, "motif_position": 0}


def test_contributions_by_id() -> None:
    cwm = {"b": -soft(3), "a": soft(5) - 0.5}
    motifs = mt.MotifSet.build({"a": soft(5), "b": soft(3)}, contribution=cwm)
    np.testing.assert_array_equal(motifs["contribution"][1, :, :3], cwm["b"].astype("f4"))
    for wrong, message in [
        ({"a": soft(5)}, "none for ['b']"),
        ({**cwm, "c": soft(2)}, "['c'] are no motifs"),
        ({**cwm, "b": soft(4)}, "'b' has another width"),
    ]:
        with pytest.raises(InvalidInput) as error:
            mt.MotifSet.build({"a": soft(5), "b": soft(3)}, contribution=wrong)
        assert message in str(error.value)


def test_rounded_columns_are_brought_to_1_and_others_stay() -> None:
    third = np.full((4, 2), 0.25)
    third[:, 1] = [0.333, 0.333, 0.333, 0]
    values = mt.MotifSet.build({"a": third})["probability"].values[0]
    assert values[0, 1] == np.float32(1 / 3)
    exact = soft(9, seed=3).astype(np.float32)
    again = mt.MotifSet.build({"a": exact})["probability"].values[0]
    np.testing.assert_array_equal(again, exact)


@pytest.mark.parametrize("name", ["DNA", "RNA", "protein"])
def test_a_consensus_means_what_it_does_in_searches(name: str) -> None:
    alphabet = ALPHABETS[name]
    symbols = {"DNA": "ACGTURYSWKMBDHVN", "RNA": "ACGUTRYSWKMBDHVN"}
    text = symbols.get(name, "ACDEFGHIKLMNPQRSTVWYBJZX")
    matrix = consensus_matrix(text, alphabet, "m", "motifs")
    masks = pattern_masks(text, alphabet)
    bits = (masks[None] >> np.arange(len(alphabet), dtype=np.uint64)[:, None]) & np.uint64(1)
    np.testing.assert_array_equal(matrix > 0, bits > 0)
    np.testing.assert_allclose(matrix.sum(axis=0), 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 20), st.integers(1, 7), st.integers(0, 1000))
def test_information_is_the_relative_entropy(n_letters: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.dirichlet(np.full(n_letters, 0.3), size=width).T
    background = rng.dirichlet(np.full(n_letters, 5.0))
    expected = entropy(values, background[:, None], base=2)
    np.testing.assert_allclose(column_information(values, background), expected, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("ACGT", min_size=1, max_size=8), min_size=1, max_size=5))
def test_reverse_complements_are_those_of_the_strings(strings: list[str]) -> None:
    names = [f"m{i}" for i in range(len(strings))]
    motifs = mt.MotifSet.build(dict(zip(names, strings, strict=True)))
    turned = reverse_complemented(
        motifs["probability"].values, motifs["length"].values, "ACGT", argument="motifs"
    )
    partner = str.maketrans("ACGT", "TGCA")
    expected = [text.translate(partner)[::-1] for text in strings]
    other = mt.MotifSet.build(dict(zip(names, expected, strict=True)))
    np.testing.assert_array_equal(turned, other["probability"].values)


@pytest.mark.parametrize("letters", ["ACGT", "TGCA", "ACGU", "acgt"])
def test_complements_are_those_of_the_kernels(letters: str) -> None:
    assert complement_order(letters) == letter_kernels.complement_codes(letters).tolist()
    assert complement_order(ALPHABETS["protein"]) is None


@pytest.mark.parametrize(
    ("motifs", "message"),
    [
        ({"a": GATA * 2}, "variable 'probability', motif 'a': column 0 sums to 2, not 1, as 4"),
        (
            {"a": soft(3), "b": GATA - 1},
            "motif 'b': a value of column 0 is negative, as 4 more of its columns -> use prob",
        ),
        (
            {"a": GATA * np.nan},
            "motif 'a': a value of column 0 is NaN, as 4 more of its columns -> use numbers",
        ),
        ({"a": np.empty((4, 0)), "b": GATA}, "motif 'a': it has no columns -> give it one column"),
        ({"a": GATA, "b": ""}, "variable 'probability', motif 'b': it has no columns"),
        (np.stack([GATA, GATA - 1]), "motif 1: a value of column 0 is negative"),
    ],
    ids=["counts", "negative", "NaN", "no columns", "no letters", "stack"],
)
def test_motifs_that_are_none(motifs: dict[str, object], message: str) -> None:
    assert message in "\n".join(faults(motifs))


def test_columns_beyond_the_end() -> None:
    stack = np.stack([GATA, GATA])
    assert faults(stack, motif=["a", "b"], length=[5, 6]) == [
        "variable 'length', motif 'b': 6 positions, and there is room for 5"
        " -> use at most that many"
    ]
    assert faults(stack, motif=["a", "b"], length=[5, 3]) == [
        "variable 'probability', motif 'b': column 3 is not 0, beyond the end,"
        " as 1 more of its columns -> put 0 there, or raise `length`"
    ]
    motifs = mt.MotifSet.build({"a": GATA, "b": "ACG"}, contribution={"a": GATA, "b": soft(3)})
    motifs["contribution"].values[1, 2, 4] = 1
    motifs["contribution"].values[0, 2, 1] = np.inf
    with pytest.raises(InvalidElement) as error:
        mt.MotifSet.check(motifs, deep=True)
    assert [fault.location for fault in error.value.faults] == [
        "variable 'contribution', motif 'b'",
        "variable 'contribution', motif 'a'",
    ]


def test_faults_of_many_motifs_are_counted() -> None:
    found = faults({f"m{i}": GATA * 2 for i in range(30)})
    assert len(found) == 8
    assert "and 22 more motifs have such columns" in found[-1]


def test_repeated_ids() -> None:
    assert faults(np.stack([GATA] * 4), motif=["a", "b", "a", "b"]) == [
        "coordinate 'motif': repeats 'a', 'b' (2 in all) -> make them unique"
    ]
    with pytest.raises(InvalidInput, match="ids that are the same as text"):
        mt.MotifSet.build({1: GATA, "1": GATA})


def test_letters_are_those_of_the_alphabet_in_order() -> None:
    motifs = mt.MotifSet.build({"a": GATA})
    for other, message in [
        (motifs.assign_coords(letter=list("ACTG")), "coordinate 'letter': ['A', 'C', 'T', 'G']"),
        (motifs.isel(letter=slice(3)), "dim 'letter': 3 letters, and the alphabet 'ACGT' has 4"),
        (motifs.assign_attrs(alphabet="DNA"), "attribute 'alphabet': 'DNA' is the name of"),
        (motifs.assign_attrs(background=[0.5, 0.5]), "attribute 'background': 2 numbers"),
        (motifs.assign_attrs(background=[0.5, 0.5, 0.0, 0.0]), "use frequencies above 0 that sum"),
    ]:
        with pytest.raises(InvalidElement) as error:
            mt.MotifSet.check(other)
        assert message in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": GATA.T},), "`motifs`: motif 'a' has shape (5, 4). Use its transpose."),
        (({"a": soft(3, 5)},), "motif 'a' has shape (5, 3). Use (4 letters, positions)."),
        (({"a": "ACZ"},), "motif 'a': 'Z' at position 2 of 'ACZ'"),
        (({"a": pd.DataFrame(GATA)},), "Name its rows or its columns by the letters"),
        (({"a": object()},), "motif 'a' is a object"),
        (("ACGT",), "`motifs`: a str. Pass a mapping of ids to matrices"),
        (([GATA, soft(3)],), "`motifs`: a list"),
        ((3,), "`motifs`: a int"),
    ],
    ids=["turned", "letters", "symbol", "frame", "object", "one string", "list", "number"],
)  # fmt: skip
def test_what_is_no_set_of_motifs(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InvalidInput) as error:
        mt.MotifSet.build(*arguments)
    assert message in str(error.value)


@pytest.mark.parametrize(
    "background",
    [[0.5, 0.5], [0.5, 0.5, 0, 0], [1, 1, 1, 1], {"A": 1.0}, "ACGT", ["x"] * 4, [np.nan] * 4],
    ids=str,
)
def test_backgrounds_that_are_none(background: object) -> None:
    with pytest.raises(InvalidInput, match="`background`"):
        mt.MotifSet.build({"a": GATA}, background=background)


def test_motifs_are_selected_by_id() -> None:
    motifs = mt.MotifSet.build({"a": GATA, "b": soft(3), "c": "ACG"}, name=["x", "y", ""])
    chosen = mt.sel(motifs, ["c", "a"], dim="motif")
    assert chosen["motif"].values.tolist() == ["c", "a"]
    assert motifs.sel(motif="b")["name"].item() == "y"
    assert isinstance(chosen, xr.Dataset)
