"""Motifs written into sequences."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise, product

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput

PWM = np.array([[0.1, 1, 0.2], [0.9, 0, 0.3], [0, 0, 0.5], [0, 0, 0]])


def texts_of(n: int = 30, length: int = 20) -> xr.Dataset:
    """Sequences of lower interest: a motif shows, for there are only As."""
    return mt.from_strings(["A" * length] * n)


def starts(seqs: xr.Dataset) -> np.ndarray:
    return seqs["motif_start"].values


def test_an_embedded_set(untouched, function_of):
    out = mt.pp.embed_motifs(untouched, {"tata": "TATA", "weak": PWM}, seed=1)
    mt.SequenceSet.check(out, deep=True)
    assert function_of(out) == "pp.embed_motifs"
    assert out["motif_start"].dims == ("sequence", "motif")
    assert out["motif_start"].dtype == np.int64
    assert out["motif"].values.tolist() == ["tata", "weak"]
    assert not {"prediction", "target", "weight"} & set(out.variables)
    kept = ["length", "tracks", "sequence_id", "chrom", "start", "end", "strand"]
    xr.testing.assert_identical(out[kept].drop_attrs(), untouched[kept].drop_attrs())
    again = mt.pp.embed_motifs(untouched.chunk(sequence=5), {"tata": "TATA", "weak": PWM}, seed=1)
    np.testing.assert_array_equal(again["codes"], out["codes"])


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(8, 14), min_size=1, max_size=6),
    pad=st.sampled_from(["left", "right", "center"]),
    spacings=st.sampled_from([None, 0, 1, [2, 0]]),
    random_order=st.booleans(),
    fraction=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 2**64 - 1),
)
def test_motifs_stand_where_they_are_said_to(lengths, pad, spacings, random_order, fraction, seed):
    seqs = mt.from_strings(["A" * length for length in lengths], pad=pad)
    motifs = ["CG", "GGC", "T"]
    options = {"spacings": spacings, "random_order": random_order, "fraction": fraction}
    out = mt.pp.embed_motifs(seqs, motifs, seed=seed, **options)
    chosen = starts(out)[:, 0] >= 0
    assert chosen.sum() == round(fraction * len(lengths))
    padded = mt.pp.to_strings(out, padding="-")
    for row, before in enumerate(mt.pp.to_strings(seqs, padding="-")):
        expected = list(before)
        if chosen[row]:
            for motif, start in zip(motifs, starts(out)[row], strict=True):
                assert set(expected[start : start + len(motif)]) == {"A"}  # no overlap, no padding
                expected[start : start + len(motif)] = motif
            places = sorted(zip(starts(out)[row], motifs, strict=True))
            if not random_order:
                assert [motif for _, motif in places] == motifs
            if spacings is not None:
                gaps = [b[0] - a[0] - len(a[1]) for a, b in pairwise(places)]
                assert gaps == ([spacings] * 2 if isinstance(spacings, int) else spacings)
        else:
            assert (starts(out)[row] == -1).all()
        assert padded[row] == "".join(expected)


def test_fixed_positions():
    out = mt.pp.embed_motifs(texts_of(), ["CGC", "TT"], position=3, spacings=2)
    assert (starts(out) == [3, 8]).all()
    assert set(mt.pp.to_strings(out)) == {"AAACGCAATT" + "A" * 10}
    out = mt.pp.embed_motifs(texts_of(), ["CGC", "TT"], position=3)
    assert (starts(out)[:, 0] == 3).all()
    assert len(set(starts(out)[:, 1].tolist())) > 5
    assert (starts(out)[:, 1] >= 6).all()
    swapped = mt.pp.embed_motifs(
        texts_of(200), ["CGC", "TT"], position=3, spacings=1, random_order=True
    )
    assert set(map(tuple, starts(swapped).tolist())) == {(3, 7), (6, 3)}
    left = mt.from_strings(["A" * 9, "A" * 6], pad="left")
    assert (starts(mt.pp.embed_motifs(left, "CC", position=3)) == 3).all()


@pytest.mark.parametrize("position", ["random", 1])
def test_all_places_without_overlap_are_equally_likely(position):
    seqs = texts_of(n=40_000, length=9)
    out = mt.pp.embed_motifs(seqs, ["CC", "G", "TTT"], position=position)
    possible = {
        (cc, g, ttt)
        for cc, g, ttt in product(range(9) if position == "random" else [1], range(9), range(7))
        if cc + 2 <= g and g + 1 <= ttt
    }
    drawn = Counter(map(tuple, starts(out).tolist()))
    assert set(drawn) == possible
    assert chisquare(list(drawn.values())).pvalue > 1e-4


def test_orders_are_equally_likely():
    out = mt.pp.embed_motifs(texts_of(12_000), ["CC", "G", "TTT"], random_order=True)
    drawn = Counter(map(tuple, np.argsort(starts(out), axis=1).tolist()))
    assert len(drawn) == 6
    assert chisquare(list(drawn.values())).pvalue > 1e-4


def test_matrices_and_consensus_are_drawn_letter_by_letter():
    seqs = texts_of(20_000, length=7)
    out = mt.pp.embed_motifs(seqs, [PWM, "RYN"], position=0, spacings=1)
    codes = out["codes"].values
    expected = [*PWM.T, [1, 0, 0, 0], [0.5, 0, 0.5, 0], [0, 0.5, 0, 0.5], [0.25] * 4]
    for position, column in enumerate(expected):
        counts = np.bincount(codes[:, position], minlength=4)
        assert (counts[np.array(column) == 0] == 0).all()
        np.testing.assert_allclose(counts / len(codes), column, atol=0.02)


def test_letters_are_independent_of_each_other_and_of_the_sequences():
    """Two motifs and the sequences themselves, all of one seed, share no random numbers."""
    background = mt.pp.random_sequences(20_000, length=8, seed=0)
    out = mt.pp.embed_motifs(background, ["NN", "NN"], position=1, spacings=1, seed=0)
    before, after = background["codes"].values, out["codes"].values
    columns = [after[:, i] for i in (1, 2, 4, 5)] + [before[:, i] for i in (0, 1, 2, 4, 5)]
    for i, j in combinations(range(len(columns)), 2):
        table = np.zeros((4, 4))
        np.add.at(table, (columns[i], columns[j]), 1)
        assert chi2_contingency(table).pvalue > 1e-5


def test_seeds_and_names():
    once = mt.pp.embed_motifs(texts_of(), ["CGC", "TT"], seed=3)
    xr.testing.assert_equal(mt.pp.embed_motifs(texts_of(), ["CGC", "TT"], seed=3), once)
    assert (starts(mt.pp.embed_motifs(texts_of(), ["CGC", "TT"], seed=4)) != starts(once)).any()
    names = {
        "GATA": ["GATA"],
        ("GATA", "CC"): ["GATA", "CC"],
        ("GATA", "GATA"): ["GATA_0", "GATA_1"],
    }
    for motifs, expected in names.items():
        given_ = motifs if isinstance(motifs, str) else list(motifs)
        assert mt.pp.embed_motifs(texts_of(), given_)["motif"].values.tolist() == expected
    for matrix in (PWM, torch.tensor(PWM), [PWM], [PWM.tolist()]):
        out = mt.pp.embed_motifs(texts_of(), matrix)
        assert out["motif"].values.tolist() == ["motif0"]


def test_later_motifs_take_the_place_of_earlier_ones():
    once = mt.pp.embed_motifs(texts_of(), ["CGC", "TT", "GG"])
    again = mt.pp.embed_motifs(once, "TATA", position=0)
    assert again["motif"].values.tolist() == ["TATA"]
    for function in (mt.pp.shuffle, mt.pp.reverse_complement):
        assert not {"motif", "motif_start"} & set(function(once).variables)


def test_what_was_made_for_other_letters_goes(own):
    out = mt.pp.embed_motifs(own, "TATA")
    expected = {"codes", "motif_start", "length", "tracks", "barcodes"}
    assert set(out.data_vars) == expected
    assert set(own.coords) - set(out.coords) == {"target", "base"}
    xr.testing.assert_equal(out["region"], own["region"])


def test_other_alphabets():
    seqs = mt.from_strings(["M" * 12] * 50, alphabet="protein")
    out = mt.pp.embed_motifs(seqs, "KBX", position=4)
    assert {text[4] for text in mt.pp.to_strings(out)} == {"K"}
    assert {text[5] for text in mt.pp.to_strings(out)} == {"D", "N"}
    assert mt.pp.to_strings(
        mt.pp.embed_motifs(mt.from_strings(["000"], alphabet="01"), "1", position=1)
    ) == ["010"]


@pytest.mark.parametrize(
    ("motifs", "options", "message"),
    [
        ([], {}, "`motifs`: there are none"),
        ({}, {}, "`motifs`: there are none"),
        (5, {}, "`motifs`: a int"),
        ("", {}, "`motifs`: ''"),
        ("GAXA", {}, "`motifs`: 'X' at position 2 of 'GAXA'"),
        ([None], {}, "`motifs`: 'motif0' has shape"),
        ([{"A": 1}], {}, "`motifs`: 'motif0' is a dict"),
        ({1: "CC", "1": "GG"}, {}, "`motifs`: names repeat"),
        (PWM.T, {}, r"`motifs`: 'motif0' has shape \(3, 4\). Use its transpose"),
        (PWM[:3], {}, r"'motif0' has shape \(3, 3\). Use \(4 letters"),
        (PWM[:, :0], {}, r"has shape \(4, 0\)"),
        (PWM * 2, {}, "columns that do not sum to 1"),
        (PWM * np.nan, {}, "columns that do not sum to 1"),
        ({"m": PWM - 0.1}, {}, "'m' has columns"),
        ("C" * 21, {}, "`motifs`: are 1 letters too long for sequence 0"),
        (["C" * 11, "G" * 10], {}, "1 letters too long"),
        ("CC", {"position": 19}, "`position`: 19, and the motifs are then 1 letters too long"),
        ("CC", {"position": -1}, "`position`: -1"),
        ("CC", {"position": "left"}, "`position`: 'left'"),
        ("CC", {"position": 1.0}, "`position`"),
        (["CC", "GG"], {"spacings": 17}, r"`spacings`: \[17\]: with them the motifs are 1 letters"),
        (["CC", "GG"], {"spacings": 3, "position": 14}, "`spacings`"),
        (["CC", "GG"], {"spacings": [1, 2]}, "`spacings`: 2 for 2 motifs. Give 1"),
        (["CC", "GG"], {"spacings": -1}, "`spacings`: -1"),
        (["CC", "GG"], {"spacings": "1"}, "`spacings`"),
        (["CC", "GG"], {"spacings": [0.5]}, "`spacings`"),
        ("CC", {"fraction": 1.1}, "`fraction`: 1.1"),
        ("CC", {"fraction": np.nan}, "`fraction`"),
        ("CC", {"random_order": 1}, "`random_order`: 1"),
        ("CC", {"seed": -1}, "`seed`"),
        ("CC", {"seed": 0.5}, "`seed`"),
    ],
)
def test_embed_motifs_refuses(motifs, options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.pp.embed_motifs(texts_of(), motifs, **options)


def test_padding_leaves_less_room():
    seqs = mt.from_strings(["A" * 9, "A" * 3], pad="center")
    with pytest.raises(InvalidInput, match="1 letters too long for sequence 1"):
        mt.pp.embed_motifs(seqs, "CCCC")
    with pytest.raises(
        InvalidInput, match=r"`position`: 2 is padding in sequence 1\. Use at least 3"
    ):
        mt.pp.embed_motifs(seqs, "CC", position=2)
    with pytest.raises(InvalidElement, match="embed_motifs"):
        mt.pp.embed_motifs(["ACGT"], "CC")
