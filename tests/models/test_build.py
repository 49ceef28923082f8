"""`<Kind>.build`: from anything array-like to a valid element, refusing what would change."""

from pathlib import Path

import anndata
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.models import PositionMI, SequenceSet, Table, provenance
from tests.models.examples import CountingChunks, never_computed, position_mi, sequence_set

CODES = np.array([[0, 1, 2, 3, 254], [3, 3, 3, 255, 255], [2, 1, 0, 2, 1]])
MI = np.array([[np.nan, 0.5, 0.25], [0.5, np.nan, 0.125], [0.25, 0.125, np.nan]])
MI_ATTRS = {
    "k": 1,
    "alphabet": "ACGT",
    "pseudocount": 0.0,
    "n_sequences": 9,
    "measure": "mi",
    "correction": "none",
}


def build_mi(**parts: object) -> xr.Dataset:
    return PositionMI.build(
        **{**MI_ATTRS, "position_i": [0, 1, 2], "position_j": [0, 1, 2], **parts}
    )


class TestArrays:
    @pytest.mark.parametrize(
        "codes",
        [
            CODES,
            CODES.tolist(),
            CODES.astype(np.float64),
            CODES.astype(">i2"),
            np.asfortranarray(CODES),
            np.repeat(CODES, 2, axis=0)[::2],
            torch.tensor(CODES),
            pd.DataFrame(CODES),
            np.ma.MaskedArray(CODES),
            xr.DataArray(CODES, dims=("sequence", "position")),
            xr.DataArray(CODES.T, dims=("position", "sequence")),
            xr.Variable(("position", "sequence"), CODES.T),
            da.from_array(CODES, chunks=(2, 5)),
        ],
    )
    def test_of_every_sort(self, codes: object) -> None:
        element = SequenceSet.build(codes, alphabet="DNA")
        assert element["codes"].dims == ("sequence", "position")
        assert element["codes"].dtype == np.uint8
        assert np.array_equal(element["codes"].values, CODES)
        SequenceSet.check(element.compute())

    def test_given_with_their_dims(self) -> None:
        pair = ("position", "sequence"), CODES.T
        element = SequenceSet.build(
            {"codes": pair, "note": ("sequence", [1, 2, 3])}, alphabet="DNA"
        )
        assert np.array_equal(element["codes"].values, CODES)
        assert element["note"].dims == ("sequence",)

    def test_names_of_every_sort(self) -> None:
        for names in (
            ["a", "b", "c"],
            ("a", "b", "c"),
            np.array(["a", "b", "c"], dtype=object),
            np.array(["a", "b", "c"], dtype=np.dtypes.StringDType()),
            pd.Series(["a", "b", "c"]),
            pd.Series(["a", "b", "c"], dtype="string"),
            pd.Index(["a", "b", "c"]),
            pd.Categorical(["a", "b", "c"]),
            xr.DataArray(["a", "b", "c"], dims="sequence"),
        ):
            element = SequenceSet.build(CODES, alphabet="DNA", sequence_id=names)
            assert element["sequence_id"].values.tolist() == ["a", "b", "c"]
            assert "sequence_id" not in element.xindexes

    def test_float_types_are_rounded_and_no_more(self) -> None:
        element = SequenceSet.build(CODES, alphabet="DNA", prediction=[[0.1], [np.nan], [np.inf]])
        assert element["prediction"].dtype == np.float32
        with pytest.raises(InvalidInput, match="float64 values that float32 cannot hold"):
            SequenceSet.build(CODES, alphabet="DNA", prediction=[[0.1], [0.0], [1e300]])
        half = torch.tensor([[0.5], [1.0], [2.0]], dtype=torch.bfloat16)
        assert SequenceSet.build(CODES, alphabet="DNA", prediction=half)["prediction"][2, 0] == 2

    @pytest.mark.parametrize(
        ("codes", "message"),
        [
            (CODES + 0.5, "float64 values that uint8 cannot hold"),
            (CODES - 1, "int64 values that uint8 cannot hold"),
            (CODES + 256, "int64 values that uint8 cannot hold"),
            (np.where(CODES == 3, np.nan, CODES), "float64 values that uint8 cannot hold"),
            (np.ma.MaskedArray(CODES, CODES == 3), "masked values. Fill them"),
            (CODES[0], r"an array of shape \(5,\). Use 2 dim\(s\): \(sequence, position\)"),
            (CODES[..., None], r"an array of shape \(3, 5, 1\)"),
            ([[1, 2], [3]], "Use rows of equal length"),
            (CODES.astype(complex), "values of type complex128. Use uint8"),
            (CODES.astype(object), "values of type object. Use uint8"),
            (["ACGT"], "text. Use mutua.from_strings"),
            (pd.Series(["ACGT"]), "text. Use mutua.from_strings"),
            (5, r"an array of shape \(\)"),
        ],
    )
    def test_what_would_change_is_refused(self, codes: object, message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            SequenceSet.build(codes, alphabet="DNA")

    @pytest.mark.parametrize(
        ("names", "message"),
        [
            ([1, 2, 3], "1 is not a string. Use strings"),
            (["a", 2, "c"], "2 among strings. Use one type"),
            (["a", None, "c"], "None is not a string. Fill missing names"),
            (pd.Series(["a", None, "c"]), "None is not a string. Fill missing names"),
            (pd.Series(["a", pd.NA, "c"], dtype="string"), "<NA> is not a string. Fill missing"),
            (np.array([0.5, np.nan, 1]), "0.5.* is not a string. Use strings"),
            ("abc", r"an array of shape \(\)"),
        ],
    )
    def test_names_that_are_none(self, names: object, message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            SequenceSet.build(CODES, alphabet="DNA", sequence_id=names)

    def test_nothing_at_all(self) -> None:
        element = SequenceSet.build(np.zeros((0, 5)), alphabet="DNA", sequence_id=[], weight=[])
        assert element["sequence_id"].dtype.kind == "U"
        assert element.sizes == {"sequence": 0, "position": 5}
        with pytest.raises(InvalidElement, match="variable 'codes': is missing"):
            SequenceSet.build(alphabet="DNA")


class TestLazyArrays:
    def test_they_stay_lazy(self) -> None:
        lazy = never_computed((3, 5), np.uint8)
        element = SequenceSet.build(lazy, alphabet="DNA", weight=never_computed((3,), np.float64))
        assert element["codes"].data is lazy
        assert element["weight"].chunks

    def test_a_cast_is_checked_when_it_is_computed(self) -> None:
        counting = CountingChunks(CODES, (2, 5))
        element = SequenceSet.build(counting.array, alphabet="DNA")
        assert counting.computed == []
        assert element["codes"].dtype == np.uint8
        assert np.array_equal(element["codes"].compute(), CODES)
        bad = SequenceSet.build(da.from_array(CODES + 256, chunks=(2, 5)), alphabet="DNA")
        with pytest.raises(InvalidInput, match="int64 values that uint8 cannot hold"):
            bad.compute()

    def test_what_xarray_opened_without_dask_is_cast_lazily(self, tmp_path: Path) -> None:
        data = xr.Dataset({"codes": (("sequence", "position"), CODES)})
        data = data.assign_coords(sequence_id=("sequence", list("abc")))
        data.to_zarr(tmp_path / "codes.zarr", consolidated=False, zarr_format=2)
        opened = xr.open_zarr(
            tmp_path / "codes.zarr", chunks=None, consolidated=False, zarr_format=2
        )
        element = SequenceSet.build(opened, alphabet="DNA")
        assert element["codes"].chunks
        assert element["codes"].dtype == np.uint8
        assert not element["sequence_id"].variable._in_memory
        assert np.array_equal(element["codes"].compute(), CODES)


class TestDatasets:
    def test_one_with_more_than_the_kind_has(self) -> None:
        data = xr.Dataset(
            {"codes": (("sequence", "position"), CODES), "extra": ("sequence", [1.0, 2.0, 3.0])},
            coords={"site": "north", "batch": ("sequence", ["x", "y", "x"])},
            attrs={"alphabet": "ACGT", "source": "somewhere"},
        )
        before = data.copy(deep=True)
        element = SequenceSet.build(data, weight=[1, 2, 3])
        assert data.identical(before)
        assert list(element.data_vars) == ["codes", "weight", "extra"]
        assert set(element.coords) == {"site", "batch"}
        assert element.attrs["source"] == "somewhere"

    def test_keywords_take_precedence(self) -> None:
        element = SequenceSet.build(sequence_set(), weight=np.full(7, 9), alphabet="RNA")
        assert element["weight"].values.tolist() == [9] * 7
        assert element.attrs["alphabet"] == "ACGU"

    def test_the_record_of_the_source_is_not_taken_over(self) -> None:
        element = SequenceSet.build(sequence_set().isel(sequence=slice(2)))
        assert [step["function"] for step in provenance.chain(element)] == ["SequenceSet.build"]

    def test_an_element_built_anew_is_the_same(self) -> None:
        for element in (sequence_set(), position_mi()):
            kind = mt.models.KINDS[provenance.read_record(element)["kind"]]  # type: ignore[index]
            assert kind.build(element).identical(element)

    def test_coordinates_of_dims_without_variables_stay(self) -> None:
        element = SequenceSet.build(CODES, alphabet="DNA", target=["donor", "acceptor"])
        assert element["target"].values.tolist() == ["donor", "acceptor"]
        assert "target" in element.xindexes

    def test_no_large_dim_gets_an_index(self) -> None:
        data = xr.Dataset({"codes": (("sequence", "position"), CODES)})
        names = xr.Coordinates({"sequence": ("sequence", ["a", "b", "c"])}, indexes={})
        element = SequenceSet.build(data.assign_coords(names), alphabet="DNA")
        assert list(element.xindexes) == []

    def test_an_index_on_a_large_dim_is_dropped_not_kept(self) -> None:
        data = xr.Dataset({"codes": (("sequence", "position"), CODES)})
        element = SequenceSet.build(data.assign_coords(sequence=["a", "b", "c"]), alphabet="DNA")
        assert list(element.xindexes) == []
        assert element["sequence"].values.tolist() == ["a", "b", "c"]

    def test_fields_come_described_and_with_units(self) -> None:
        element = build_mi(
            mi=xr.DataArray(MI, dims=("position_i", "position_j"), attrs={"note": 1})
        )
        assert element["mi"].attrs == {
            "long_name": "mutual information (or the measure that attrs name)",
            "units": "bits",
            "note": 1,
        }


class TestLabelledArrays:
    labels = xr.Coordinates({"position_i": [0, 1, 2], "position_j": [0, 1, 2]})

    def mi(self, order: tuple[int, ...] = (0, 1, 2)) -> xr.DataArray:
        array = xr.DataArray(MI, dims=("position_i", "position_j"), coords=self.labels)
        return array.isel(position_i=list(order), position_j=list(order))

    def test_their_labels_become_the_coordinates(self) -> None:
        element = PositionMI.build(mi=self.mi(), p_value=self.mi().T, **MI_ATTRS)
        assert element["position_i"].values.tolist() == [0, 1, 2]
        assert "position_j" in element.xindexes

    def test_arrays_in_another_order_are_refused_not_mixed_up(self) -> None:
        with pytest.raises(
            InvalidInput, match="`p_value`: its 'position_i' are not those of the o"
        ):
            PositionMI.build(mi=self.mi(), p_value=self.mi((2, 1, 0)), **MI_ATTRS)
        with pytest.raises(InvalidInput, match="`mi`: its 'position_i' are not those"):
            build_mi(mi=self.mi((2, 1, 0)))
        assert build_mi(mi=self.mi()).identical(build_mi(mi=self.mi(), p_value=None))


class TestRefusals:
    def test_an_unknown_name_lists_the_known_ones(self) -> None:
        with pytest.raises(
            InvalidInput, match=r"`colour`: no part of a PositionMI. Use one of \['mi'"
        ):
            build_mi(mi=MI, colour="red")

    def test_an_array_without_dims_that_is_no_field(self) -> None:
        with pytest.raises(
            InvalidInput, match="`extra`: no part of a SequenceSet, and without dims"
        ):
            SequenceSet.build({"codes": CODES, "extra": [1, 2, 3]})
        with pytest.raises(
            InvalidInput, match="`extra`: no part of a ContactMap, and without dims"
        ):
            mt.ContactMap.build({"extra": [1, 2, 3]}, atom="CB")

    def test_sizes_that_do_not_fit(self) -> None:
        with pytest.raises(InvalidInput, match="do not fit together: conflicting sizes"):
            SequenceSet.build(CODES, alphabet="DNA", weight=[1, 2])

    @pytest.mark.parametrize("data", [pd.DataFrame(MI), MI, anndata.AnnData(np.ones((2, 2))), 5])
    def test_other_objects(self, data: object) -> None:
        with pytest.raises(
            InvalidInput, match=r"`data`: a .*\. Pass a Dataset, a mapping, or arrays"
        ):
            PositionMI.build(data)

    def test_every_fault_of_the_result(self) -> None:
        with pytest.raises(InvalidElement) as error:
            build_mi(mi=MI, p_value=MI * 9, k=0, measure="guess", position_j=[0, 1, 1])
        assert error.value.where == "PositionMI.build"
        assert {fault.location for fault in error.value.faults} == {
            "attribute 'k'",
            "attribute 'measure'",
            "coordinate 'position_j'",
            "variable 'p_value'",
        }


class TestTable:
    def test_from_everything(self) -> None:
        frame = pd.DataFrame({"motif": ["x", "y"], "n": [1, 2]})
        for table in (
            Table.build(frame),
            Table.build({"motif": ["x", "y"], "n": [1, 2]}),
            Table.build(motif=["x", "y"], n=[1, 2]),
            Table.build({"motif": ("x", "y")}, n=pd.Series([1, 2])),
            Table.build(xr.Dataset({"motif": ("row", ["x", "y"]), "n": ("row", [1, 2])})),
            Table.build(motif=xr.DataArray(["x", "y"]), n=torch.tensor([1, 2])),
        ):
            assert table["motif"].dims == ("row",)
            assert table["motif"].values.tolist() == ["x", "y"]
            assert table["n"].values.tolist() == [1, 2]

    def test_columns_of_every_type_stay_what_they_are(self) -> None:
        when = np.array(["2024-01-31", "NaT"], dtype="datetime64[s]")
        frame = pd.DataFrame(
            {
                "text": ["a", "b"],
                "category": pd.Categorical(["b", "a"], categories=["b", "a"]),
                "string": pd.array(["a", "b"], dtype="string"),
                "whole": pd.array([1, 2], dtype="Int32"),
                "missing": pd.array([1, None], dtype="Int64"),
                "real": pd.array([0.5, None], dtype="Float64"),
                "flag": pd.array([True, False], dtype="boolean"),
                "plain_flag": [True, False],
                "when": when,
                "lasts": np.array([1, 2], dtype="timedelta64[s]"),
                "small": np.array([1, 2], dtype=np.int8),
                "complex": [1j, 2],
            }
        )
        table = Table.build(frame, units={"real": "bits"})
        assert {name: column.dtype.name for name, column in table.data_vars.items()} == {
            "text": "object",
            "category": "object",
            "string": "object",
            "whole": "int32",
            "missing": "float64",
            "real": "float64",
            "flag": "bool",
            "plain_flag": "bool",
            "when": "datetime64[s]",
            "lasts": "timedelta64[s]",
            "small": "int8",
            "complex": "complex128",
        }
        assert table["real"].attrs["units"] == "bits"

    def test_no_rows(self) -> None:
        table = Table.build(
            pd.DataFrame({"name": pd.Series([], dtype=object), "n": np.empty(0, int)})
        )
        assert table.sizes == {"row": 0}
        assert Table.build(name=[]).sizes == {"row": 0}

    def test_the_index_of_a_data_frame(self) -> None:
        frame = pd.DataFrame({"n": [1, 2]}, index=["x", "y"])
        assert list(Table.build(frame)) == ["n"]
        assert list(Table.build(frame.rename_axis("motif"))) == ["motif", "n"]
        two = frame.set_axis(
            pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["motif", "leaf"])
        )
        assert list(Table.build(two)) == ["motif", "leaf", "n"]
        assert list(frame) == ["n"]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"a": [1, 2], "b": [1]}, "do not fit together"),
            ({"a": [["x"], ["y"]]}, r"`a`: an array of shape \(2, 1\). Use one value a row"),
            ({"a": 1}, r"`a`: an array of shape \(\)"),
            ({"a": [[1], [1, 2]]}, r"`a`: .*inhomogeneous.*Use one value a row"),
            ({"a": ["x", 1]}, "`a`: 1 among texts. Use one type"),
            ({"a": ["x", None]}, "`a`: None among texts. Fill missing texts"),
            ({"a": pd.Series(["x", np.nan])}, "`a`: nan among texts. Fill missing texts"),
            ({"a": pd.array(["x", None], dtype="string")}, "<NA> among texts. Fill missing texts"),
            ({"a": pd.array([True, None], dtype="boolean")}, "True among texts"),
            ({"a": [{}, {}]}, "`a`: {} among texts"),
            ({"a": [b"x"]}, "`a`: values of type |S1. Use numbers, texts or times"),
            ({"a": pd.Series(pd.to_datetime(["2024-01-01"]).tz_localize("UTC"))}, "a time zone"),
            ({"a": np.ma.MaskedArray([1, 2], [True, False])}, "`a`: masked values"),
            ({"row": [1, 2]}, "a column called 'row', as its dim. Rename the column"),
            ({1: [1], "1": [2]}, "names that are the same as text"),
        ],
    )
    def test_what_is_no_column(self, columns: dict, message: str) -> None:
        with pytest.raises(InvalidInput, match=message):
            Table.build(columns)

    def test_what_is_no_table(self) -> None:
        with pytest.raises(InvalidElement, match="a table needs at least one column"):
            Table.build()
        with pytest.raises(InvalidInput, match=r"`data`: a list\. Pass a DataFrame or a mapping"):
            Table.build([1, 2])
        repeated = pd.DataFrame([[1, 2]], columns=["a", "a"])
        with pytest.raises(InvalidInput, match=r"repeated columns \['a'\]"):
            Table.build(repeated)
        clash = pd.DataFrame({"a": [1]}, index=pd.Index([5], name="a"))
        with pytest.raises(InvalidInput, match="Rename the index or the column"):
            Table.build(clash)
        with pytest.raises(InvalidInput, match=r"`units`: no column 'b'. Use one of \['a'\]"):
            Table.build(a=[1], units={"b": "m"})

    def test_a_lazy_column_stays_lazy(self) -> None:
        table = Table.build(a=never_computed((3,), np.float64), b=xr.DataArray(da.zeros(3)))
        assert table["a"].chunks
        assert table["b"].chunks

    def test_other_dims_are_no_table(self) -> None:
        with pytest.raises(
            InvalidElement, match=r"variable 'b': has dims \('place',\) -> its dims"
        ):
            Table.check(xr.Dataset({"a": ("row", [1]), "b": ("place", [2])}))


def test_the_provenance_says_supplied() -> None:
    (step,) = provenance.chain(build_mi(mi=MI))
    assert (step["function"], step["source"], step["inputs"]) == (
        "PositionMI.build",
        "supplied",
        [],
    )


def test_what_is_given_is_never_changed() -> None:
    codes, names = CODES.astype(np.uint8), np.array(["a", "b", "c"], dtype=object)
    array = xr.DataArray(codes, dims=("sequence", "position"), attrs={"mine": 1})
    before = codes.copy()
    element = SequenceSet.build(array, alphabet="DNA", sequence_id=names)
    assert array.attrs == {"mine": 1}
    assert np.array_equal(codes, before)
    assert names.tolist() == ["a", "b", "c"]
    assert np.shares_memory(element["codes"].values, codes)
