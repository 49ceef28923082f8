"""Sequence sets from files, strings and one-hot arrays, and FASTA out again."""

from __future__ import annotations

import gzip
import json

import dask
import fsspec
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput, MemoryLimit
from mutua.io import _records, sequences
from tests.reference import sequences as reference

PADS = st.sampled_from(["left", "right", "center"])
RECORDS = st.lists(st.text("ACGTNacgt", min_size=1, max_size=9), min_size=1, max_size=7).filter(
    lambda records: any(set(record) - {"N"} for record in records)
)


def last_step(element):
    return json.loads(element.attrs["mutua"])["steps"][-1]


# Files


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_read_fasta(tmp_path, pack, ending):
    path = tmp_path / "sequences"
    lines = [">a first", "ACG", "Tn", "", ">b", "ttacg", ">a", "GGGGG"]
    path.write_bytes(pack(ending.join(lines).encode()))
    seqs = mt.read_fasta(path)
    mt.SequenceSet.check(seqs, deep=True)
    assert mt.pp.to_strings(seqs) == ["ACGTN", "TTACG", "GGGGG"]
    assert seqs["sequence_id"].dtype == np.dtypes.StringDType()
    assert seqs["sequence_id"].values.tolist() == ["a", "b", "a"]
    assert "length" not in seqs
    step = last_step(seqs)
    assert step["function"] == "read_fasta"
    assert step["arguments"] == {"path": str(path), "alphabet": "ACGT"}
    assert step["source"] == "supplied"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_read_text(tmp_path, pack):
    path = tmp_path / "sequences.txt"
    path.write_bytes(pack(b"ACGTN\r\nttacg \n"))
    seqs = mt.read_text(str(path))
    mt.SequenceSet.check(seqs, deep=True)
    assert mt.pp.to_strings(seqs) == ["ACGTN", "TTACG"]
    assert "sequence_id" not in seqs
    assert last_step(seqs)["function"] == "read_text"


@settings(deadline=None)
@given(RECORDS, PADS, st.integers(1, 20), st.integers(1, 4))
def test_blocks_of_any_size_give_the_same_set(records, pad, block_letters, block_records):
    with fsspec.open("memory://blocks.fa", "w") as file:
        file.write("".join(f">s{i}\n{record}\n" for i, record in enumerate(records)))
    with pytest.MonkeyPatch.context() as patch:
        read = _records.read_fasta_records
        patch.setattr(_records, "_BLOCK_RECORDS", block_records)
        patch.setattr(
            sequences, "read_fasta_records", lambda path: read(path, block_letters=block_letters)
        )
        seqs = mt.read_fasta("memory://blocks.fa", pad=pad)
        if len({len(record) for record in records}) == 1:
            unpadded = mt.read_fasta("memory://blocks.fa")
            np.testing.assert_array_equal(unpadded["codes"], seqs["codes"])
    mt.SequenceSet.check(seqs, deep=True)
    width = max(map(len, records))
    assert seqs["codes"].values.tolist() == reference.encode(records, "ACGT", width, pad)
    assert seqs["length"].values.tolist() == [len(record) for record in records]
    assert seqs["sequence_id"].values.tolist() == [f"s{i}" for i in range(len(records))]


def test_files_that_are_refused(tmp_path):
    path = tmp_path / "a.fa"
    path.write_text(">a\nACGT\n>b\nACG\n>c\nACG\n>d\nA\n")
    message = (
        r"`pad`: sequences have different lengths: 3 \(2 sequences, first 'b'\), "
        r"1 \(1 sequences, first 'd'\), 4 \(1 sequences, first 'a'\)\. Use pad='right'"
    )
    with pytest.raises(InvalidInput, match=message):
        mt.read_fasta(path)
    path.write_text("ACGT\nAC\n")
    with pytest.raises(InvalidInput, match=r"4 \(1 sequences, first sequence 0\)"):
        mt.read_text(path)
    with pytest.raises(InvalidInput, match="is not FASTA"):
        mt.read_fasta(path)
    with pytest.raises(InvalidInput, match="does not exist"):
        mt.read_fasta(tmp_path / "nowhere.fa")
    path.write_text("")
    for read in (mt.read_fasta, mt.read_text):
        with pytest.raises(InvalidInput, match=r"`path`: .*holds no sequence"):
            read(path)
        for options in ({"alphabet": "AA"}, {"alphabet": None}):
            with pytest.raises(InvalidInput, match="`alphabet`"):
                read(path, **options)
        for pad in ("both", True, 3):
            with pytest.raises(InvalidInput, match="`pad`"):
                read("memory://nowhere.fa" if pad != "both" else path, pad=pad)


def test_padding_that_would_fill_the_memory_is_refused(monkeypatch):
    monkeypatch.setattr(sequences, "_MOST_PADDED", 1000)
    strings = ["AC"] * 200 + ["A" * 100]
    message = r"`pad`: 201 sequences padded to 100 letters take .* Leave out or cut the longest"
    with pytest.raises(MemoryLimit, match=message):
        mt.from_strings(strings, pad="right")
    assert mt.from_strings([*strings[150:-1], "A" * 9], pad="right").sizes["position"] == 9


def test_many_lengths_are_summed_up():
    with pytest.raises(InvalidInput, match="and 4 more lengths"):
        mt.from_strings(["A" * length for length in range(1, 13)])


# Strings


@settings(deadline=None)
@given(RECORDS, PADS)
def test_from_strings_matches_reference(records, pad):
    seqs = mt.from_strings(records, pad=pad)
    width = max(map(len, records))
    assert seqs["codes"].values.tolist() == reference.encode(records, "ACGT", width, pad)
    assert mt.pp.to_strings(seqs) == [record.upper() for record in records]


@pytest.mark.parametrize(
    "strings",
    [
        ["ACG", "TTT"],
        ("ACG", "TTT"),
        iter(["ACG", "TTT"]),
        np.array(["ACG", "TTT"]),
        np.array(["ACG", "TTT"], dtype=np.dtypes.StringDType()),
        pd.Series(["ACG", "TTT"]),
        pd.Index(["ACG", "TTT"]),
        xr.DataArray(["ACG", "TTT"]).values,
    ],
)
def test_anything_that_holds_strings(strings):
    seqs = mt.from_strings(strings, sequence_id=pd.Series(["a", "b"]))
    assert mt.pp.to_strings(seqs) == ["ACG", "TTT"]
    assert seqs["sequence_id"].values.tolist() == ["a", "b"]
    assert seqs["sequence_id"].dtype == np.dtypes.StringDType()
    assert last_step(seqs)["function"] == "from_strings"


@pytest.mark.parametrize(
    ("alphabet", "text", "codes"),
    [
        ("DNA", "acgtuN", [0, 1, 2, 3, 3, 254]),
        ("rna", "ACGTU-", [0, 1, 2, 3, 3, 254]),
        ("protein", "ACYX*-", [0, 1, 19, 254, 254, 254]),
        ("01", "10x", [1, 0, 254]),
        ("aA", "aAb", [0, 1, 254]),
        ("-ACGT", "-aN", [0, 1, 254]),
    ],
)
def test_alphabets(alphabet, text, codes):
    assert mt.from_strings([text], alphabet=alphabet)["codes"].values.tolist() == [codes]


@pytest.mark.parametrize(
    ("strings", "options", "message"),
    [
        ([], {}, "`strings`: no sequences"),
        ("ACGT", {}, "`strings`: one str. Pass a list"),
        (b"ACGT", {}, "`strings`: one bytes"),
        (5, {}, "`strings`: a int"),
        ({"a": "ACGT"}, {}, r"`strings`: a mapping. Pass list\(strings.values\(\)\)"),
        ({"ACGT", "TTTT"}, {}, "`strings`: a set"),
        (["AC", None], {}, "item 1 is None"),
        (pd.Series(["AC", np.nan]), {}, "item 1 is nan. Use strings only"),
        (["AC", b"GT"], {}, "item 1 is b'GT'"),
        (["AC", ""], {}, "item 1 is empty"),
        (["AC", "GÉ"], {}, "item 1 holds symbols that are not ASCII: 'GÉ'"),
        (["AC ", "GGT"], {}, "item 0 has white space between its letters: 'AC '"),
        (["AC\n", "GGT"], {}, "item 0 has white space"),
        (["ACG", "GT"], {}, "different lengths"),
        (["NNN"], {}, r"`alphabet`: 'DNA' \(ACGT\): no letter of the sequences is one of it"),
        (["MKVLAEELWF"], {}, r"`alphabet`: 'DNA' \(ACGT\): 90% of .* mostly 'E', 'L', 'F'"),
        (["MKVAR"], {}, "80% .*they begin 'MKVAR'. Use alphabet='protein', or allow_unknown=True"),
        (["-----------------MKVLAEELWF"], {}, "90% of the letters are none of it"),
        (["ACGUACGU"], {"alphabet": "protein"}, "25% .* mostly 'U'.* Use alphabet='RNA'"),
        (["ACGT"], {"allow_unknown": 1}, "`allow_unknown`: 1"),
        (["RYSW"], {"allow_unknown": True}, "no letter of the sequences is one of it"),
        (["ACGT"], {"alphabet": "01"}, "`alphabet`: '01': 100% of the letters"),
        (["ACGT"], {"alphabet": "A A"}, "`alphabet`"),
        (["ACGT"], {"pad": "middle"}, "`pad`: 'middle'"),
        (["ACGT"], {"sequence_id": ["a", "b"]}, "`sequence_id`: 2 names for 1 sequences"),
        (["ACGT"], {"sequence_id": [1]}, "`sequence_id`: 1 is not a string"),
        (["ACGT"], {"sequence_id": "a"}, "`sequence_id`: one str"),
        (["ACGT"], {"sequence_id": 3}, "`sequence_id`: a int"),
    ],
)
def test_from_strings_refuses(strings, options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.from_strings(strings, **options)


def test_masked_and_ambiguous_letters_are_no_reason_to_refuse():
    seqs = mt.from_strings(["NNNNNNNNNA", "ACGTACRYSW", "------RYAC"])
    assert (seqs["codes"] == 254).sum() == 21
    assert (mt.from_strings(["-----.XXXM"], alphabet="protein")["codes"] == 254).sum() == 9


def test_foreign_letters_can_be_allowed(tmp_path):
    seqs = mt.from_strings(["MKVAR"], allow_unknown=True)
    assert mt.pp.to_strings(seqs) == ["NNNAN"]
    assert last_step(seqs)["arguments"]["allow_unknown"] is True
    for read, text in ((mt.read_fasta, ">a\nMKVAR\n"), (mt.read_text, "MKVAR\n")):
        path = tmp_path / "proteins"
        path.write_text(text)
        with pytest.raises(InvalidInput, match="Use alphabet='protein'"):
            read(path)
        assert mt.pp.to_strings(read(path, allow_unknown=True)) == ["NNNAN"]


def test_proteins_are_never_taken_for_dna():
    """Every sequence of a family, alone and with its gaps, is refused."""
    texts = mt.pp.to_strings(mt.datasets.rhomboid().isel(sequence=slice(0, None, 40)))
    for text in [text.replace("X", "-") for text in texts]:
        for alphabet in ("DNA", "RNA"):
            with pytest.raises(InvalidInput, match=r"Use alphabet='protein'"):
                mt.from_strings([text], alphabet=alphabet)


def test_names_of_a_pandas_column():
    column = pd.Series(["ACG", "TTT", "GGG"], index=["b", "a", "b"])
    assert mt.from_strings(column)["sequence_id"].values.tolist() == ["b", "a", "b"]
    assert mt.from_strings(column[column != "TTT"])["sequence_id"].values.tolist() == ["b", "b"]
    given = mt.from_strings(column, sequence_id=["x", "y", "z"])
    assert given["sequence_id"].values.tolist() == ["x", "y", "z"]
    for index in (None, [3, 1, 2], ["a", 1, "b"], pd.date_range("2020", periods=3)):
        seqs = mt.from_strings(pd.Series(["ACG", "TTT", "GGG"], index=index))
        assert "sequence_id" not in seqs


@pytest.mark.parametrize("gap", ["-", "."])
def test_columns_of_an_alignment_are_numbered(tmp_path, gap):
    path = tmp_path / "alignment.fa"
    path.write_text(f">a\nAC{gap}T\n>b\nACGT\n")
    seqs = mt.read_fasta(path)
    assert seqs["position"].values.tolist() == [0, 1, 2, 3]
    assert seqs["position"].attrs["long_name"] == "alignment column"
    assert seqs.isel(position=[1, 3])["position"].values.tolist() == [1, 3]
    assert "position" in mt.from_strings(["AC", f"A{gap}"])


def test_what_is_no_alignment_is_not_numbered():
    assert "position" not in mt.from_strings(["ACG", "AGN"])
    assert "position" not in mt.from_strings(["A-G", "AG"], pad="right")
    assert "position" not in mt.from_strings(["(..)"], alphabet="(.)")


# One-hot


CODES = np.array([[0, 1, 2, 3, 254, 0, 0], [3, 3, 254, 2, 1, 1, 0]], np.uint8)
ONE_HOT = (CODES[:, None, :] == np.arange(4)[:, None]).astype(np.float32)


@pytest.mark.parametrize(
    "array",
    [
        ONE_HOT,
        ONE_HOT.astype(bool),
        ONE_HOT.astype("int8"),
        ONE_HOT.astype(np.float16),
        np.asfortranarray(ONE_HOT),
        torch.tensor(ONE_HOT),
        torch.tensor(ONE_HOT, requires_grad=True),
        torch.tensor(ONE_HOT, dtype=torch.bfloat16),
        torch.tensor(ONE_HOT).bool(),
        torch.tensor(ONE_HOT).long(),
        ONE_HOT.tolist(),
    ],
)
def test_from_one_hot(array):
    seqs = mt.from_one_hot(array, sequence_id=["a", "b"])
    mt.SequenceSet.check(seqs, deep=True)
    np.testing.assert_array_equal(seqs["codes"], CODES)
    assert seqs["sequence_id"].dtype == np.dtypes.StringDType()
    assert last_step(seqs)["function"] == "from_one_hot"
    np.testing.assert_array_equal(mt.pp.one_hot(seqs), ONE_HOT)


def soft(value, place=(1, 2, 4)):
    array = ONE_HOT.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("array", "options", "message"),
    [
        (soft(0.5), {}, "`array`: soft one-hot: sequence 1, position 4 holds"),
        (soft(1.0), {}, "soft one-hot: sequence 1, position 4"),
        (soft(np.nan), {}, "soft one-hot"),
        (soft(-1), {}, "soft one-hot"),
        (torch.tensor(soft(0.5)), {}, "soft one-hot"),
        (ONE_HOT.transpose(0, 2, 1), {}, r"shape \(2, 7, 4\).*Use array.transpose\(0, 2, 1\)"),
        (ONE_HOT[0], {}, r"shape \(4, 7\)"),
        (ONE_HOT, {"alphabet": "protein"}, "for an alphabet of 20 letters"),
        (ONE_HOT[:0], {}, r"`array`: shape \(0, 4, 7\). Give at least one letter"),
        (ONE_HOT[:, :, :0], {}, r"shape \(2, 4, 0\)"),
        (ONE_HOT * 0, {}, "`array`: zeros only"),
        (ONE_HOT.astype("U3"), {}, "`array`: <U3"),
        (ONE_HOT + 0j, {}, "`array`: complex"),
        ("ACGT", {}, r"`array`: shape \(\)"),
        (ONE_HOT, {"alphabet": 4}, "`alphabet`"),
        (ONE_HOT, {"sequence_id": ["a"]}, "`sequence_id`: 1 names for 2 sequences"),
        (ONE_HOT, {"sequence_id": [None, "b"]}, "`sequence_id`: None is not a string"),
    ],
)
def test_from_one_hot_refuses(array, options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.from_one_hot(array, **options)


# FASTA out


@settings(deadline=None)
@given(RECORDS, PADS, st.none() | st.integers(1, 5), st.booleans(), st.sampled_from(["", ".gz"]))
def test_write_then_read(records, pad, width, named, suffix):
    names = [f"n{i}" for i in range(len(records))] if named else None
    seqs = mt.from_strings(records, pad=pad, sequence_id=names)
    before = seqs.copy(deep=True)
    path = f"memory://round.fa{suffix}"
    assert mt.write_fasta(seqs, path, width=width) is None
    xr.testing.assert_identical(seqs, before)
    again = mt.read_fasta(path, pad=pad)
    np.testing.assert_array_equal(again["codes"], seqs["codes"])
    expected = names or [str(i) for i in range(len(records))]
    assert again["sequence_id"].values.tolist() == expected


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_lazy_sets_are_written_block_by_block(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(sequences, "_WRITE_ROWS", rows)
    seqs = mt.pp.random_sequences(8, length=5, seed=0)
    mt.write_fasta(seqs, tmp_path / "a.fa")
    lazy = seqs.chunk(sequence=(3, 4, 1), position=2)
    assert dask.is_dask_collection(lazy["codes"].data)
    mt.write_fasta(lazy, tmp_path / "b.fa")
    assert (tmp_path / "a.fa").read_bytes() == (tmp_path / "b.fa").read_bytes()
    np.testing.assert_array_equal(mt.read_fasta(tmp_path / "a.fa")["codes"], seqs["codes"])


def test_unknown_letters_and_proteins(tmp_path):
    seqs = mt.from_strings(["MK-V", "A"], alphabet="protein", pad="right")
    mt.write_fasta(seqs, tmp_path / "a.fa")
    assert (tmp_path / "a.fa").read_text() == ">0\nMKXV\n>1\nA\n"


def test_write_fasta_refuses(tmp_path):
    seqs = mt.from_strings(["ACGT", "A"], pad="right", sequence_id=["a", "b"])
    path = tmp_path / "a.fa"
    empty = seqs.assign(codes=seqs["codes"].where(seqs["length"] > 1, np.uint8(255)))
    unnamed = seqs.assign_coords(sequence_id=("sequence", ["a", ""]))
    broken = seqs.assign_coords(sequence_id=("sequence", ["a", "b\nc"]))
    for wrong, message in (
        (seqs.isel(sequence=slice(0)), "`sequences`: there are none"),
        (empty, "`sequences`: sequence 'b' is empty. Leave it out"),
        (unnamed, r"`sequences`: '' \(sequence 1\). Correct `sequence_id`"),
        (broken, "`sequences`: 'b.*nc'"),
    ):
        with pytest.raises(InvalidInput, match=message):
            mt.write_fasta(wrong, path)
    for options, message in (
        ({"width": 0}, "`width`: 0"),
        ({"width": "60"}, "`width`"),
        ({"width": True}, "`width`"),
    ):
        with pytest.raises(InvalidInput, match=message):
            mt.write_fasta(seqs, path, **options)
    with pytest.raises(InvalidInput, match="`path`: a NoneType"):
        mt.write_fasta(seqs, None)
    with pytest.raises(InvalidInput, match="there is no folder"):
        mt.write_fasta(seqs, tmp_path / "nowhere" / "a.fa")
    with pytest.raises(InvalidElement, match="argument `sequences` of write_fasta"):
        mt.write_fasta(["ACGT"], path)
    assert not path.exists()
