"""Elements as data frames, and back."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput, MemoryLimit
from mutua.io.interop import iter_dataframes
from mutua.models import KINDS, Annotations
from tests.models.examples import EXAMPLES, CountingChunks

NOT_IN_A_FRAME = ("tracks", "track")
MAPS = ["PositionMI", "ContactMap", "KmerPairs", "DistanceMI", "MotifSet"]


def plain(element: xr.Dataset) -> xr.Dataset:
    """Give an element without its record and what no frame holds."""
    gone = [name for name in NOT_IN_A_FRAME if name in element.variables]
    attrs = {key: value for key, value in element.attrs.items() if key != "mutua"}
    return element.drop_vars(gone).drop_attrs(deep=False).assign_attrs(attrs)


def fits(name: str) -> bool:
    """Tell whether an example becomes a frame without a choice of dims."""
    try:
        mt.to_dataframe(EXAMPLES[name]())
    except InvalidInput as error:
        return error.argument != "dims"
    return True


FITTING = sorted(name for name in EXAMPLES if fits(name))


def test_most_kinds_need_no_choice() -> None:
    assert {*MAPS, "SequenceSet", "Table"} <= set(FITTING)


@pytest.mark.parametrize("name", [*MAPS, "Table", "SequenceSet"])
def test_there_and_back(name: str) -> None:
    element = EXAMPLES[name]()
    back = mt.from_dataframe(mt.to_dataframe(element))
    KINDS[name].check(back, deep=True)
    xr.testing.assert_identical(plain(back), plain(element))


@pytest.mark.parametrize("name", FITTING)
def test_every_kind_has_a_frame_with_all_its_row_values(name: str) -> None:
    element = EXAMPLES[name]()
    frame = mt.to_dataframe(element)
    assert frame.attrs["mutua"]["kind"] == name
    rows = tuple(frame.attrs["mutua"]["dims"])
    assert len(frame) == np.prod([element.sizes[dim] for dim in rows])
    for variable, part in element.data_vars.items():
        if part.dims == rows and variable in frame:
            np.testing.assert_array_equal(frame[variable].to_numpy(), part.values.ravel())


@pytest.mark.parametrize("name", MAPS)
def test_rows_in_any_order(name: str) -> None:
    element = EXAMPLES[name]()
    mixed = mt.to_dataframe(element).sample(frac=1, random_state=0)
    xr.testing.assert_identical(plain(mt.from_dataframe(mixed)), plain(element))


def test_rows_are_all_combinations() -> None:
    """As plain loops say it."""
    element = EXAMPLES["KmerPairs"]()
    expected = [
        (i, j, float(element["contribution"].sel(kmer_i=i, kmer_j=j)))
        for i, j in itertools.product("AC", "ACG")
    ]
    frame = mt.to_dataframe(element)[["kmer_i", "kmer_j", "contribution"]]
    assert list(frame.itertuples(index=False, name=None)) == expected


def test_values_along_one_dim_are_repeated() -> None:
    frame = mt.to_dataframe(EXAMPLES["ContactMap"]())
    assert frame["residue_number"].tolist() == [11, 11, 11, -1, -1, -1]
    assert frame["distance"].tolist()[:2] == [0.0, np.float32(4.2)]


def test_units_and_attributes_travel_with_the_frame() -> None:
    frame = mt.to_dataframe(EXAMPLES["DistanceMI"]())
    known = frame.attrs["mutua"]
    assert known["columns"]["mi_mean"]["attrs"]["units"] == "bits"
    assert known["attributes"] == {"k": 2, "measure": "mi"} | known["attributes"]
    assert mt.from_dataframe(frame.query("distance < 9"))["mi_mean"].attrs["units"] == "bits"
    with pytest.raises(InvalidInput, match=r"column 'n_pairs' has no value for 1 of 3 places"):
        mt.from_dataframe(frame.query("distance > 1"))


def test_provenance_says_where_it_came_from() -> None:
    import json

    back = mt.from_dataframe(mt.to_dataframe(EXAMPLES["Table"]()))
    (step,) = json.loads(back.attrs["mutua"])["steps"]
    assert step["function"] == "from_dataframe"
    assert step["arguments"]["kind"] == "Table"


class TestPairs:
    def test_each_pair_once_and_back(self) -> None:
        element = EXAMPLES["PositionMI"]()
        frame = mt.to_dataframe(element, upper=True)
        assert len(frame) == 4 * 5 // 2
        assert (frame["position_i"] <= frame["position_j"]).all()
        xr.testing.assert_identical(plain(mt.from_dataframe(frame)), plain(element))

    def test_filtered_pairs_are_nan(self) -> None:
        element = EXAMPLES["PositionMI"]()
        frame = mt.to_dataframe(element, upper=True).query("position_i == 0 and position_j == 3")
        back = mt.from_dataframe(frame)
        assert back.sizes == element.sizes
        assert float(back["mi"][0, 3]) == float(back["mi"][3, 0]) == float(element["mi"][0, 3])
        assert int(back["mi"].notnull().sum()) == 2

    def test_what_lies_along_one_of_the_two_dims(self) -> None:
        square = mt.ContactMap.build(
            distance=np.array([[0.0, 2, 3], [2, 0, 4], [3, 4, 0]]),
            position_i=[5, 6, 8], position_j=[5, 6, 8], residue_number=[1, 2, 4], atom="CA",
        )  # fmt: skip
        frame = mt.to_dataframe(square, upper=True)
        xr.testing.assert_identical(plain(mt.from_dataframe(frame)), plain(square))

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("KmerPairs", "kmer_i and kmer_j differ"),
            ("ContactMap", "position_i and position_j differ"),
            ("DistanceMI", "there is no map of pairs"),
        ],
    )
    def test_refused(self, name: str, message: str) -> None:
        with pytest.raises(InvalidInput, match=f"`upper`: {message}"):
            mt.to_dataframe(EXAMPLES[name](), upper=True)

    def test_not_symmetric(self) -> None:
        element = mt.ContactMap.build(
            distance=np.arange(4.0).reshape(2, 2), position_i=[1, 2], position_j=[1, 2], atom="CA"
        )
        with pytest.raises(InvalidInput, match="'distance' is not symmetric"):
            mt.to_dataframe(element, upper=True)


class TestWithoutRecord:
    """A frame of the user's own, or from a file that holds the values only."""

    @pytest.mark.parametrize(
        ("name", "upper"),
        [
            ("PositionMI", False),
            ("PositionMI", True),
            ("ContactMap", False),
            ("KmerPairs", False),
            ("DistanceMI", False),
        ],
    )
    def test_through_csv(self, name: str, upper: bool) -> None:
        element = EXAMPLES[name]()
        text = (
            mt.to_dataframe(element, upper=upper).sample(frac=1, random_state=1).to_csv(index=False)
        )
        attributes = plain(element).attrs
        back = mt.from_dataframe(pd.read_csv(io.StringIO(text)), kind=name, **attributes)
        xr.testing.assert_equal(back.sortby(list(back.dims)), plain(element))

    def test_sequences(self) -> None:
        frame = pd.DataFrame(
            {"sequence": ["ACG", "TTN"], "sequence_id": ["x", "y"], "prediction_donor": [0.5, 1.0],
             "score": [3, 4]}
        )  # fmt: skip
        back = mt.from_dataframe(frame, kind=mt.SequenceSet, alphabet="DNA")
        assert mt.pp.to_strings(back) == ["ACG", "TTN"]
        assert back["target"].values.tolist() == ["donor"]
        assert back["prediction"].values.tolist() == [[0.5], [1.0]]
        assert back["score"].dims == ("sequence",)

    def test_a_named_index_counts_as_columns(self) -> None:
        frame = mt.to_dataframe(EXAMPLES["DistanceMI"]()).set_index("distance")
        assert mt.from_dataframe(frame).equals(EXAMPLES["DistanceMI"]())

    def test_nullable_types_of_pandas(self) -> None:
        frame = mt.to_dataframe(EXAMPLES["DistanceMI"]()).convert_dtypes()
        assert mt.from_dataframe(frame).equals(EXAMPLES["DistanceMI"]())


class TestSequences:
    def test_rows_are_sequences(self) -> None:
        frame = mt.to_dataframe(EXAMPLES["SequenceSet"]())
        assert frame.shape[0] == 7
        assert frame["sequence"].tolist() == mt.pp.to_strings(EXAMPLES["SequenceSet"]())
        assert frame["prediction_acceptor"].dtype == np.float32

    def test_unknown_letters_and_padding_on_both_sides(self) -> None:
        codes = np.array([[255, 0, 254], [1, 2, 255], [255, 3, 255]], np.uint8)
        seqs = mt.SequenceSet.build(codes, alphabet="DNA")
        frame = mt.to_dataframe(seqs)
        assert frame["sequence"].tolist() == ["-AN", "CG-", "-T-"]
        xr.testing.assert_identical(plain(mt.from_dataframe(frame)), plain(seqs))

    def test_an_alphabet_with_a_letter_for_the_gap(self) -> None:
        codes = np.array([[0, 1, 2, 255, 254]], np.uint8)
        seqs = mt.SequenceSet.build(codes, alphabet="AC-")
        xr.testing.assert_identical(plain(mt.from_dataframe(mt.to_dataframe(seqs))), plain(seqs))

    def test_sorted_and_filtered(self) -> None:
        frame = mt.to_dataframe(EXAMPLES["SequenceSet"]())
        chosen = frame[frame["weight"] > 2].sort_values("weight", ascending=False)
        back = mt.from_dataframe(chosen)
        assert back["sequence_id"].values.tolist() == ["s6", "s5", "s4", "s3"]
        assert mt.pp.to_strings(back) == chosen["sequence"].tolist()

    def test_predictions_without_names(self) -> None:
        seqs = mt.from_strings(["AC", "GT"]).assign(
            prediction=(("sequence", "target"), np.ones((2, 3), np.float32))
        )
        back = mt.from_dataframe(mt.to_dataframe(seqs))
        assert "target" not in back.coords
        assert back["prediction"].shape == (2, 3)

    def test_a_row_for_every_letter(self) -> None:
        seqs = EXAMPLES["SequenceSet"]()
        frame = mt.to_dataframe(seqs, dims=["sequence", "position"])
        assert len(frame) == 7 * 5
        assert frame.columns[:2].tolist() == ["sequence_index", "position"]
        back = mt.from_dataframe(frame)
        assert back["codes"].equals(seqs["codes"])
        assert back["sequence_id"].equals(seqs["sequence_id"])

    @pytest.mark.parametrize(
        ("frame", "attributes", "message"),
        [
            ({"sequence": ["AC", "A"]}, {"alphabet": "DNA"}, "different lengths.*from_strings"),
            ({"sequence": ["AC", 3]}, {"alphabet": "DNA"}, "column 'sequence': item 1 is 3"),
            ({"sequence": ["AC"]}, {}, "`alphabet`: the frame does not say it"),
            ({"sequence": ["MKV"]}, {"alphabet": "DNA"}, "letters are none of it"),
        ],
    )
    def test_faults(self, frame: dict, attributes: dict, message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            mt.from_dataframe(pd.DataFrame(frame), kind="SequenceSet", **attributes)


class TestPointers:
    """Rows that are about sequences and motifs, which stand once on dims of their own."""

    def annotations(self, motif_index: list[int]) -> xr.Dataset:
        return Annotations.build(
            sequence_index=[0, 2, 1, 1], start=[0, 1, 2, 3], end=[2, 4, 5, 6],
            motif_index=motif_index, score=[1.0, 2, 3, 4], sequence_length=[10, 11, 12],
            sequence_id=["x", "y", "z"], motif=["GATA", "TAL1"], source="user",
        )  # fmt: skip

    def test_names_are_columns(self) -> None:
        frame = mt.to_dataframe(self.annotations([1, -1, 0, 1]))
        assert frame["motif"].tolist() == ["TAL1", "", "GATA", "TAL1"]
        assert frame["sequence_id"].tolist() == ["x", "z", "y", "y"]
        assert frame["sequence_length"].tolist() == [10, 12, 11, 11]

    def test_there_and_back(self) -> None:
        element = self.annotations([1, -1, 0, 1])
        back = mt.from_dataframe(mt.to_dataframe(element))
        xr.testing.assert_identical(plain(back), plain(element))

    def test_a_sequence_without_a_row_is_not_known(self) -> None:
        frame = mt.to_dataframe(self.annotations([1, -1, 0, 1]))
        with pytest.raises(InvalidInput, match=r"1 of the 3 entries of 'sequence'.*annotation="):
            mt.from_dataframe(frame[frame["sequence_id"] != "z"])

    def test_two_pointers_to_one_dim(self) -> None:
        pairs = xr.Dataset(
            {"gene_a_index": ("row", [0, 0]), "gene_b_index": ("row", [1, 2])},
            coords={"gene": ["A", "B", "C"], "family": ("gene", ["f", "g", "h"])},
        )
        from mutua.io.dataframes import dims_of, pointers_of

        assert pointers_of(dims_of(pairs), ("row",)) == {
            "gene_a_index": "gene",
            "gene_b_index": "gene",
        }


class TestLarge:
    def test_blocks_are_the_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mt.settings, "_memory", 4000)
        for name, options in [("PositionMI", {"upper": True}), ("MotifSet", {}), ("Table", {})]:
            element = EXAMPLES[name]()
            whole = mt.to_dataframe(element, **options)
            parts = list(iter_dataframes(element, **options))
            pd.testing.assert_frame_equal(pd.concat(parts), whole)
            assert all(part.attrs == whole.attrs for part in parts)
        seqs = mt.pp.random_sequences(1000, length=30, seed=0)
        parts = list(iter_dataframes(seqs))
        assert len(parts) > 50
        pd.testing.assert_frame_equal(pd.concat(parts), mt.to_dataframe(seqs))

    def test_a_lazy_set_is_computed_block_by_block(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seqs = mt.pp.random_sequences(60, length=10, seed=0)
        chunks = CountingChunks(seqs["codes"].values, (20, 10))
        lazy = seqs.assign(codes=(seqs["codes"].dims, chunks.array))
        monkeypatch.setattr(mt.settings, "_memory", 20 * (64 + 10) * 4)
        blocks = iter_dataframes(lazy)
        assert chunks.computed == []
        assert len(next(blocks)) == 20
        assert len(chunks.computed) == 1

    def test_too_large_for_one_frame(self) -> None:
        from tests.models.examples import never_computed

        codes = never_computed((100_000_000, 100), np.uint8, chunk=10_000_000)
        seqs = mt.SequenceSet.build(codes, alphabet="DNA")
        with pytest.raises(MemoryLimit, match=r"100,000,000 rows .* 15.3 GiB.*iter_dataframes"):
            mt.to_dataframe(seqs)

    def test_no_rows(self) -> None:
        table = mt.Table.build(n=np.empty(0), name=np.empty(0, "U3"))
        (frame,) = iter_dataframes(table)
        assert frame.shape == (0, 2)
        assert mt.from_dataframe(mt.to_dataframe(table)).sizes == {"row": 0}


def with_tracks() -> xr.Dataset:
    return mt.SequenceSet.build(
        np.zeros((2, 3), np.uint8), alphabet="DNA", tracks=np.ones((2, 4, 3))
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dims": ["nothing"]}, "no dim 'nothing'"),
        ({"dims": "sequence"}, "use a list of different dims"),
        ({"dims": ["sequence", "sequence"]}, "use a list of different dims"),
        ({"dims": []}, "use a list of different dims"),
        ({"upper": 1}, "`upper`: 1"),
    ],
)
def test_faults_of_to_dataframe(options: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"(?i){message}"):
        mt.to_dataframe(with_tracks(), **options)


def test_no_element() -> None:
    with pytest.raises(InvalidElement, match="no record of its kind"):
        mt.to_dataframe(xr.Dataset())


PAIR = {"kmer_i": ["A", "A"], "kmer_j": ["C", "G"], "observed": [1.0, 2], "expected": [1.0, 2],
        "contribution": [0.0, 1]}  # fmt: skip
KMERS = {"kind": "KmerPairs", "position_i": 0, "position_j": 1, "k": 1, "pseudocount": 0.0}


@pytest.mark.parametrize(
    ("changes", "options", "message"),
    [
        ({}, {"kind": None}, "the frame does not say its kind"),
        ({}, {"kind": "Nothing"}, "`kind`: 'Nothing'. Use one of"),
        ({}, {"kind": 3}, "`kind`: 3. Use one of"),
        ({"kmer_j": None}, {}, "no column 'kmer_j'"),
        ({"kmer_j": ["C", "C"]}, {}, "rows 0 and 1 are both kmer_i A, kmer_j C"),
        ({"kmer_j": ["C", 3]}, {}, "column 'kmer_j' holds other than texts"),
        ({"observed": ["1", None]}, {}, "column 'observed' holds None"),
        ({"chrom": ["a", "b"], "codes": [1, 2]}, {"kind": "SequenceSet"}, "no column 'sequence_"),
        ({}, {"colour": "red"}, "`colour`: no part of a KmerPairs"),
    ],
)
def test_faults_of_from_dataframe(changes: dict, options: dict, message: str) -> None:
    frame = pd.DataFrame({k: v for k, v in (PAIR | changes).items() if v is not None})
    given = KMERS | options
    if given["kind"] != "KmerPairs":
        given = {"kind": given["kind"]}
    with pytest.raises(InvalidInput, match=message):
        mt.from_dataframe(frame, **given)


def test_no_frame_and_repeated_columns() -> None:
    with pytest.raises(InvalidInput, match="`frame`: a dict"):
        mt.from_dataframe({})  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"repeated columns \['a'\]"):
        mt.from_dataframe(pd.DataFrame([[1, 2]], columns=["a", "a"]), kind="Table")


def test_values_that_contradict_each_other() -> None:
    frame = mt.to_dataframe(EXAMPLES["ContactMap"]())
    frame.loc[1, "residue_number"] = 12
    with pytest.raises(InvalidInput, match="'residue_number' differs where position_i is the same"):
        mt.from_dataframe(frame)


def test_a_label_that_was_not_there() -> None:
    frame = mt.to_dataframe(EXAMPLES["PositionMI"]())
    frame.loc[0, "position_i"] = 77
    with pytest.raises(InvalidInput, match="position_i 77 is not among its labels"):
        mt.from_dataframe(frame)


def test_values_that_its_kind_refuses() -> None:
    frame = mt.to_dataframe(EXAMPLES["PositionMI"]()).assign(p_value=2.0)
    with pytest.raises(InvalidElement, match="p_value"):
        mt.from_dataframe(frame)
