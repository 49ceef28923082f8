"""Motif sets trimmed, turned around, and used where matrices are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput


def soft(width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.full(4, 0.5), size=width).T


def motif_set(seed: int = 0) -> xr.Dataset:
    matrices = {f"m{i}": soft(3 + 2 * i, seed + i) for i in range(3)}
    return mt.MotifSet.build(
        matrices,
        contribution={name: matrix - 0.25 for name, matrix in matrices.items()},
        background=[0.1, 0.2, 0.3, 0.4],
        n_sites=[5, 6, 7],
        activation_max=[1, 2, 3],
        name=["x", "y", "z"],
    )


def strings(motifs: xr.Dataset) -> dict[str, str]:
    """Give motifs of one letter a position as strings, N for any other column."""
    found = {}
    for i, motif in enumerate(motifs["motif"].values.tolist()):
        columns = motifs["probability"].values[i, :, : int(motifs["length"].values[i])].T
        found[motif] = "".join("ACGT"[c.argmax()] if c.max() == 1 else "N" for c in columns)
    return found


def test_columns_without_information_go_at_both_ends() -> None:
    motifs = mt.MotifSet.build({"E-box": "NNCANNTGN", "GATA": "GATAN", "all": "ACGTACGTA"})
    trimmed = mt.pp.trim_motifs(motifs)
    mt.MotifSet.check(trimmed, deep=True)
    assert strings(trimmed) == {"E-box": "CANNTG", "GATA": "GATA", "all": "ACGTACGTA"}
    assert trimmed["information"].equals(motifs["information"])
    step = json.loads(trimmed.attrs["mutua"])["steps"][-1]
    assert (step["function"], step["arguments"]["information"]) == ("pp.trim_motifs", 0.3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 0.6))
def test_trimming_is_what_a_loop_does(seed: int, least: float) -> None:
    motifs = motif_set(seed)
    kept = {}
    for i, name in enumerate(motifs["motif"].values.tolist()):
        matrix = motifs["probability"].values[i, :, : int(motifs["length"].values[i])].T
        columns = [column.astype(float) for column in matrix]

        def bits(column: np.ndarray) -> float:
            terms = [p * np.log2(p / b) for p, b in zip(column, (0.1, 0.2, 0.3, 0.4), strict=True)
                     if p > 0]  # fmt: skip
            return sum(terms)

        while columns and bits(columns[0]) < least:
            columns.pop(0)
        while columns and bits(columns[-1]) < least:
            columns.pop()
        kept[name] = columns
    if not all(kept.values()):
        with pytest.raises(InvalidInput, match="no position of"):
            mt.pp.trim_motifs(motifs, information=least)
        return
    trimmed = mt.pp.trim_motifs(motifs, information=least)
    mt.MotifSet.check(trimmed, deep=True)
    assert trimmed["length"].values.tolist() == [len(columns) for columns in kept.values()]
    assert trimmed.sizes["motif_position"] == trimmed["length"].values.max()
    for i, columns in enumerate(kept.values()):
        found = trimmed["probability"].values[i, :, : len(columns)]
        np.testing.assert_array_equal(found, np.array(columns).T.astype("f4"))
        np.testing.assert_allclose(trimmed["contribution"].values[i, :, : len(columns)],
                                   found - 0.25, atol=1e-6)  # fmt: skip
        total = sum(bits(column) for column in columns)
        assert trimmed["information"].values[i] == pytest.approx(total, abs=1e-9)


def test_motifs_of_which_nothing_is_left_are_named() -> None:
    motifs = mt.MotifSet.build({"any": "NN", "A": "A"})
    with pytest.raises(InvalidInput, match=r"`information`: 0.3: no position of any carries"):
        mt.pp.trim_motifs(motifs)
    assert strings(mt.pp.trim_motifs(motifs.drop_sel(motif=["any"]))) == {"A": "A"}
    with pytest.raises(InvalidInput, match="`information`"):
        mt.pp.trim_motifs(motifs, information=-1)
    with pytest.raises(InvalidElement, match=r"argument `motifs` of pp\.trim_motifs"):
        mt.pp.trim_motifs(mt.from_strings(["ACGT"]))


def test_the_opposite_strand_of_motifs() -> None:
    motifs = mt.MotifSet.build({"a": "AACG", "b": "TTGACC"}, alphabet="DNA")
    turned = mt.pp.reverse_complement(motifs)
    mt.MotifSet.check(turned, deep=True)
    assert strings(turned) == {"a": "CGTT", "b": "GGTCAA"}


def test_twice_turned_is_as_before_but_for_activations() -> None:
    motifs = motif_set()
    turned = mt.pp.reverse_complement(motifs)
    assert turned.attrs["background"] == [0.4, 0.3, 0.2, 0.1]
    assert "activation_max" not in turned
    np.testing.assert_allclose(
        turned["information"], mt.MotifSet.build(
            turned["probability"].values, motif=["a", "b", "c"],
            background=turned.attrs["background"],
        )["information"],
    )  # fmt: skip
    again = mt.pp.reverse_complement(turned)
    assert again.drop_attrs().identical(motifs.drop_vars("activation_max").drop_attrs())
    assert again.attrs["background"] == motifs.attrs["background"]


def test_variables_along_the_positions_that_nobody_can_turn_go() -> None:
    motifs = motif_set().assign(note=("motif_position", np.arange(7)), more=("motif", [1, 2, 3]))
    for changed in (mt.pp.reverse_complement(motifs), mt.pp.trim_motifs(motifs, information=0.01)):
        assert "note" not in changed
        assert changed["more"].values.tolist() == [1, 2, 3]


def test_proteins_have_no_opposite_strand() -> None:
    with pytest.raises(InvalidInput, match="the alphabet 'protein' has no complement"):
        mt.pp.reverse_complement(mt.MotifSet.build({"a": "RK"}, alphabet="protein"))


def test_no_motifs_at_all() -> None:
    none = mt.MotifSet.build({})
    assert mt.pp.trim_motifs(none).sizes == none.sizes
    assert mt.pp.reverse_complement(none).sizes == none.sizes


def test_lazy_and_opened_motifs_give_the_same(tmp_path: Path) -> None:
    motifs = motif_set()
    mt.Analysis({"motifs": motifs}).write(tmp_path / "study.zarr")
    opened = mt.open(tmp_path / "study.zarr")["motifs"]
    for function in (mt.pp.reverse_complement, lambda m: mt.pp.trim_motifs(m, information=0.05)):
        expected = function(motifs).drop_attrs()
        for lazy in (motifs.chunk({"motif": 2, "letter": 3}), opened):
            found = function(lazy).compute().drop_attrs()
            for name in expected.variables:
                np.testing.assert_array_equal(found[name].values, expected[name].values)


def test_embedding_a_set_is_embedding_its_matrices() -> None:
    motifs = motif_set()
    sequences = mt.pp.random_sequences(20, length=40, seed=0)
    by_id = {
        name: motifs["probability"].values[i, :, : int(motifs["length"].values[i])]
        for i, name in enumerate(motifs["motif"].values.tolist())
    }
    found = mt.pp.embed_motifs(sequences, motifs, seed=3)
    expected = mt.pp.embed_motifs(sequences, by_id, seed=3)
    assert found.drop_attrs().identical(expected.drop_attrs())
    assert found["motif"].values.tolist() == ["m0", "m1", "m2"]
    steps = json.loads(found.attrs["mutua"])["steps"]
    assert "MotifSet.build" in [step["function"] for step in steps]


def test_letters_of_a_set_are_matched_by_name() -> None:
    motifs = mt.MotifSet.build({"a": "GATTC"}, alphabet="TGCA")
    sequences = mt.from_strings(["A" * 9, "C" * 9])
    embedded = mt.pp.embed_motifs(sequences, motifs, position=2)
    assert mt.pp.to_strings(embedded) == ["AAGATTCAA", "CCGATTCCC"]


def test_aligning_on_a_set_of_one_motif() -> None:
    sequences = mt.from_strings(["CCCAGATAACC", "AGATAACCCCC"])
    motifs = mt.MotifSet.build({"GATA": "AGATAA", "other": "CC"})
    aligned = mt.pp.align_on(sequences, motifs.sel(motif=["GATA"]), upstream=0, downstream=8)
    assert mt.pp.to_strings(aligned) == ["AGATAACC", "AGATAACC"]
    with pytest.raises(InvalidInput, match="`motif`: a set of 2 motifs"):
        mt.pp.align_on(sequences, motifs, upstream=0, downstream=8)


def test_sets_that_do_not_fit_the_sequences() -> None:
    sequences = mt.pp.random_sequences(3, length=20, seed=0)
    protein = mt.MotifSet.build({"a": "RK"}, alphabet="protein")
    with pytest.raises(InvalidInput, match="Use motifs and sequences of one alphabet"):
        mt.pp.embed_motifs(sequences, protein)
    with pytest.raises(InvalidInput, match="`motifs`: there are none"):
        mt.pp.embed_motifs(sequences, mt.MotifSet.build({}))
    with pytest.raises(InvalidElement, match=r"argument `motifs` of pp\.embed_motifs"):
        mt.pp.embed_motifs(sequences, sequences)
    with pytest.raises(InvalidElement, match=r"argument `motif` of pp\.align_on"):
        mt.pp.align_on(sequences, sequences, upstream=0, downstream=8)
