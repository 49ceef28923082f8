"""Random, shuffled and turned sequences, and sequences as arrays and text."""

from __future__ import annotations

import dask
import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from tests.reference import sequences as reference

CHUNKS = [(17,), (5, 5, 7), (1, 15, 1)]
TEXTS = st.integers(1, 12).flatmap(
    lambda length: st.lists(
        st.text("ACGTN", min_size=length, max_size=length), min_size=1, max_size=5
    ).filter(lambda rows: any(set(row) - {"N"} for row in rows))
)


# random_sequences


def test_random_sequences_follow_the_background(function_of):
    frequencies = {"T": 0.1, "A": 0.2, "C": 0.3, "G": 0.4}
    seqs = mt.pp.random_sequences(500, length=21, background=frequencies, seed=3)
    mt.SequenceSet.check(seqs, deep=True)
    assert dict(seqs.sizes) == {"sequence": 500, "position": 21}
    counts = np.bincount(seqs["codes"].values.ravel(), minlength=4)
    assert chisquare(counts, 10_500 * np.array([0.2, 0.3, 0.4, 0.1])).pvalue > 1e-4
    in_order = mt.pp.random_sequences(500, length=21, background=[0.2, 0.3, 0.4, 0.1], seed=3)
    np.testing.assert_array_equal(in_order["codes"], seqs["codes"])
    assert function_of(seqs) == "pp.random_sequences"


@pytest.mark.parametrize("alphabet", ["RNA", "protein", "01", "HELIX*"])
def test_random_sequences_of_any_alphabet(alphabet):
    seqs = mt.pp.random_sequences(40, length=30, alphabet=alphabet, seed=1)
    size = len(seqs.attrs["alphabet"])
    assert set(np.unique(seqs["codes"])) == set(range(size))


def test_more_random_sequences_begin_with_fewer():
    few = mt.pp.random_sequences(5, length=7, seed=2)["codes"]
    many = mt.pp.random_sequences(9, length=11, seed=2)["codes"]
    np.testing.assert_array_equal(many[:5, :7], few)
    assert (mt.pp.random_sequences(5, length=7, seed=3)["codes"] != few).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "`n`: 0"),
        ({"n": 2.0}, "`n`"),
        ({"length": 0}, "`length`: 0"),
        ({"seed": -1}, "`seed`"),
        ({"seed": 2**64}, "`seed`"),
        ({"seed": None}, "`seed`"),
        ({"alphabet": "AAB"}, "`alphabet`"),
        ({"alphabet": 4}, "`alphabet`: a int"),
        ({"background": [0.5, 0.5]}, "`background`: 2 numbers"),
        ({"background": [0.5, 0.5, 0.5, 0.5]}, "`background`"),
        ({"background": [1.5, -0.5, 0, 0]}, "`background`"),
        ({"background": [np.nan, 0, 0, 1]}, "`background`"),
        ({"background": "uniform"}, "`background`: 'uniform'"),
        ({"background": [[0.5], [0.5, 0]]}, "`background`"),
        ({"background": {"A": 1.0}}, r"`background`: letters \['A'\]"),
        ({"background": {"A": 1, 2: 0, "G": 0, "T": 0}}, "`background`: letters"),
        ({"background": {"A": "x", "C": 0, "G": 0, "T": 0}}, "`background`"),
    ],
)
def test_random_sequences_refuse(options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.pp.random_sequences(**{"n": 3, "length": 5, **options})


# shuffle


@settings(deadline=None)
@given(TEXTS, st.integers(1, 5), st.integers(0, 2**64 - 1))
def test_shuffles_keep_every_kmer(texts, k, seed):
    shuffled = mt.pp.to_strings(mt.pp.shuffle(mt.from_strings(texts), k=k, seed=seed))
    for before, after in zip(texts, shuffled, strict=True):
        for size in range(1, k + 1):
            expected = reference.kmer_counts(list(before), size)
            assert reference.kmer_counts(list(after), size) == expected


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_shuffled_set(untouched, function_of, k):
    out = mt.pp.shuffle(untouched, k=k, seed=4)
    mt.SequenceSet.check(out, deep=True)
    assert function_of(out) == "pp.shuffle"
    assert (out["codes"] != untouched["codes"]).any()
    np.testing.assert_array_equal(out["codes"] == 255, untouched["codes"] == 255)
    assert not {"prediction", "target", "weight", "tracks", "track"} & set(out.variables)
    kept = ["length", "sequence_id", "chrom", "start", "end", "strand"]
    xr.testing.assert_identical(out[kept].drop_attrs(), untouched[kept].drop_attrs())


def test_what_was_made_for_other_letters_goes(own):
    out = mt.pp.shuffle(own, k=2)
    assert set(out.data_vars) == {"codes", "length", "barcodes"}
    gone = {"motif", "target", "track", "base"}
    assert set(own.coords) - set(out.coords) == gone
    xr.testing.assert_equal(out["region"], own["region"])


@pytest.mark.parametrize("chunks", CHUNKS)
def test_lazy_shuffles_are_the_same_bits(full, chunks):
    lazy = full.chunk(sequence=chunks, position=5)
    out = mt.pp.shuffle(lazy, k=2, seed=4)
    assert dask.is_dask_collection(out["codes"].data)
    assert out["codes"].data.chunks == (chunks, (12,))
    np.testing.assert_array_equal(out["codes"], mt.pp.shuffle(full, k=2, seed=4)["codes"])


def test_shuffles_and_random_sequences_of_one_seed_are_independent():
    seqs = mt.pp.shuffle(mt.pp.random_sequences(20_000, length=6, seed=0), seed=0)
    for position in range(6):
        counts = np.bincount(seqs["codes"].values[:, position], minlength=4)
        assert chisquare(counts).pvalue > 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "`k`: 0"),
        ({"k": 1.5}, "`k`"),
        ({"seed": -1}, "`seed`"),
        ({"seed": "x"}, "`seed`"),
    ],
)
def test_shuffle_refuses(full, options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.pp.shuffle(full, **options)


# reverse_complement


@settings(deadline=None)
@given(TEXTS)
def test_the_opposite_strand(texts):
    partner = dict(zip("ACGTN", "TGCAN", strict=True))
    turned = mt.pp.reverse_complement(mt.from_strings(texts))
    expected = ["".join(partner[letter] for letter in reversed(text)) for text in texts]
    assert mt.pp.to_strings(turned) == expected
    assert mt.pp.to_strings(mt.pp.reverse_complement(turned)) == texts


def test_a_turned_set_stays_truthful(untouched, function_of):
    out = mt.pp.reverse_complement(untouched)
    mt.SequenceSet.check(out, deep=True)
    assert function_of(out) == "pp.reverse_complement"
    swap = {"+": "-", "-": "+", ".": "-"}
    assert out["strand"].values.tolist() == [swap[s] for s in untouched["strand"].values.tolist()]
    np.testing.assert_array_equal(out["tracks"], untouched["tracks"][:, :, ::-1])
    np.testing.assert_array_equal(out["codes"] == 255, untouched["codes"][:, ::-1] == 255)
    assert not {"prediction", "target", "position"} & set(out.variables)
    for name in ["length", "weight", "sequence_id", "chrom", "start", "end"]:
        np.testing.assert_array_equal(out[name], untouched[name])
    back = mt.pp.reverse_complement(out)
    np.testing.assert_array_equal(back["codes"], untouched["codes"])
    assert set(back["strand"].values.tolist()) == {"+", "-"}


@pytest.mark.parametrize("chunks", [None, 5])
def test_all_that_lies_along_the_positions_is_turned(own, chunks):
    out = mt.pp.reverse_complement(own if chunks is None else own.chunk(sequence=chunks))
    mt.SequenceSet.check(out, deep=True)
    for name in ("tracks", "conserved", "entropy", "region", "base"):
        turned = own[name].variable.isel(position=slice(None, None, -1))
        assert out[name].variable.equals(turned)
        assert (name in out.coords) == (name in own.coords)
        if chunks is not None and name in ("tracks", "conserved"):
            assert dask.is_dask_collection(out[name].data)
    gone = {"prediction", "target", "spread", "motif_start", "motif", "strength", "position"}
    assert set(own.variables) - set(out.variables) == gone


def test_regions_without_strand_were_on_plus(full):
    out = mt.pp.reverse_complement(full.drop_vars("strand"))
    assert out["strand"].values.tolist() == ["-"] * 17
    mt.SequenceSet.check(out)
    bare = full.drop_vars(["strand", "chrom", "start", "end"])
    assert "strand" not in mt.pp.reverse_complement(bare)


@pytest.mark.parametrize("chunks", CHUNKS)
def test_lazy_sets_are_turned_lazily(full, chunks):
    strings = np.dtypes.StringDType()
    named = full.assign_coords(strand=("sequence", np.array(full["strand"].values, dtype=strings)))
    for seqs in (full, named):
        out = mt.pp.reverse_complement(seqs.chunk(sequence=chunks))
        for name in ("codes", "tracks", "strand"):
            assert dask.is_dask_collection(out[name].data)
        expected = mt.pp.reverse_complement(seqs)
        xr.testing.assert_equal(out.compute(), expected)
        mt.SequenceSet.check(out, deep=True)


def test_rna_and_other_orders_of_letters():
    assert mt.pp.to_strings(
        mt.pp.reverse_complement(mt.from_strings(["ACGU"], alphabet="RNA"))
    ) == ["ACGU"]
    turned = mt.pp.reverse_complement(mt.from_strings(["AACG"], alphabet="TGCA"))
    assert mt.pp.to_strings(turned) == ["CGTT"]


def test_only_nucleic_acids_have_complements():
    proteins = mt.from_strings(["MKV"], alphabet="protein")
    with pytest.raises(InvalidInput, match="`sequences`: the alphabet 'protein' has no complement"):
        mt.pp.reverse_complement(proteins)


# one_hot


@pytest.mark.parametrize("dtype", ["bool", "uint8", np.float16, np.float32, float])
def test_one_hot(untouched, dtype):
    out = mt.pp.one_hot(untouched, dtype=dtype)
    assert out.dtype == np.dtype(dtype)
    expected = reference.one_hot(untouched["codes"].values.tolist(), 4)
    assert out.astype(int).tolist() == expected


def test_one_hot_as_tensor(full):
    out = mt.pp.one_hot(full.chunk(sequence=5), as_tensor=True)
    assert out.dtype == torch.float32
    np.testing.assert_array_equal(out.numpy(), mt.pp.one_hot(full))


@pytest.mark.parametrize("chunks", CHUNKS)
def test_one_hot_of_lazy_sets_is_lazy(full, chunks):
    out = mt.pp.one_hot(full.chunk(sequence=chunks, position=7), dtype="int8")
    assert dask.is_dask_collection(out)
    assert out.shape == (17, 4, 12)
    assert out.dtype == np.int8
    np.testing.assert_array_equal(out, mt.pp.one_hot(full, dtype="int8"))


@pytest.mark.parametrize("dtype", ["float31", "U3", complex, object, torch.float32])
def test_one_hot_refuses_other_dtypes(full, dtype):
    for seqs in (full, full.chunk(sequence=5)):
        with pytest.raises(InvalidInput, match="`dtype`"):
            mt.pp.one_hot(seqs, dtype=dtype)
    with pytest.raises(InvalidInput, match="`as_tensor`: 1"):
        mt.pp.one_hot(full, as_tensor=1)


def test_nothing_is_computed_until_asked_for(full, forbidden):
    lazy = forbidden(full)
    results = [
        mt.pp.shuffle(lazy, k=2)["codes"],
        mt.pp.reverse_complement(lazy)["codes"],
        mt.pp.one_hot(lazy),
    ]
    for result in results:
        with pytest.raises(AssertionError, match="computed"):
            result.compute()


# to_strings


def test_to_strings(untouched):
    texts = mt.pp.to_strings(untouched)
    symbols = dict(enumerate("ACGT")) | {254: "N", 255: ""}
    rows = untouched["codes"].values.tolist()
    assert texts == ["".join(symbols[code] for code in row) for row in rows]
    assert mt.pp.to_strings(untouched.chunk(sequence=5), padding="_")[6][-3:] == "___"


def test_unknown_letters_have_the_symbol_of_the_alphabet():
    assert mt.pp.to_strings(mt.from_strings(["MK?"], alphabet="protein")) == ["MKX"]
    assert mt.pp.to_strings(mt.from_strings(["01x"], alphabet="01")) == ["01N"]


@pytest.mark.parametrize("padding", ["--", "é", "\n", None, 0])
def test_to_strings_refuses_other_padding(full, padding):
    with pytest.raises(InvalidInput, match="`padding`"):
        mt.pp.to_strings(full, padding=padding)


@pytest.mark.parametrize(
    ("function", "place"),
    [
        (mt.pp.shuffle, "argument `sequences` of pp.shuffle"),
        (mt.pp.reverse_complement, "argument `sequences` of pp.reverse_complement"),
        (mt.pp.one_hot, "argument `sequences` of pp.one_hot"),
        (mt.pp.to_strings, "argument `sequences` of pp.to_strings"),
    ],
)
def test_only_sequence_sets(full, function, place):
    for wrong in (["ACGT"], full["codes"], full.drop_vars("codes"), full.rename(position="x")):
        with pytest.raises(InvalidElement, match=place):
            function(wrong)


def test_no_sequences_give_no_sequences(full):
    none = full.isel(sequence=slice(0))
    assert mt.pp.shuffle(none, k=2).sizes["sequence"] == 0
    assert mt.pp.reverse_complement(none).sizes["sequence"] == 0
    assert mt.pp.one_hot(none).shape == (0, 4, 12)
    assert mt.pp.to_strings(none) == []
