"""Every fault is found at once, with its place, and nothing lazy is computed for it."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anndata
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement
from mutua.models import PositionMI, SequenceSet
from mutua.models.base import Element, find_faults, variable
from mutua.models.faults import _failing, _structures
from tests.models.examples import CountingChunks, never_computed, position_mi
from tests.models.leaves import Leaf, faults, leaves

STRING = np.dtypes.StringDType()


class TestEveryFaultAtOnce:
    def test_structure_and_attributes_and_values(self) -> None:
        element = leaves(
            width=(("point", "leaf"), np.ones((2, 3))),
            veins=("leaf", np.array([0, 5, 100])),
            shade=("leaf", np.array([0.5, -1.0, np.nan])),
            picked=("leaf", np.array([1, 0, 1])),
        )
        element = element.drop_vars("leaf").assign_coords(
            point=np.array([10, 10]), colour=("leaf", ["green", "blue", "red"])
        )
        element.attrs = {"species": "A"}
        assert faults(element) == [
            "coordinate 'leaf': is missing -> add it with dims ('leaf',): name",
            "variable 'width': has dims ('point', 'leaf') -> its dims are ('leaf', 'point'):"
            " use .transpose('leaf', 'point')",
            "variable 'width': has dtype float64 -> use .astype('float32')",
            "variable 'picked': has dtype int64 -> use .astype('bool')",
            "attribute 'species': string should have at least 2 characters (found 'A')"
            " -> set .attrs['species']: name of the species",
            "attribute 'year': is missing -> set .attrs['year']: year of collection",
            "variable 'veins': 1 value is not >= 1 (first: 0 at leaf 0)",
            "variable 'veins': 1 value is not <= 99 (first: 100 at leaf 2)",
            "variable 'shade': 1 value is not >= 0 (first: -1.0 at leaf 1)",
            "coordinate 'colour': 1 value is not in ['green', 'red'] (first: 'blue' at leaf 1)",
            "coordinate 'point': repeats 10 (1 in all) -> make them unique",
        ]

    def test_the_error_lists_them_with_their_place(self) -> None:
        with pytest.raises(InvalidElement) as error:
            Leaf.check(leaves().drop_vars(["leaf", "width"]), where="leaves.zarr")
        assert error.value.kind == "Leaf"
        assert str(error.value).splitlines() == [
            "leaves.zarr: not a valid Leaf (2 faults)",
            "  - coordinate 'leaf': is missing -> add it with dims ('leaf',): name",
            "  - variable 'width': is missing -> add it with dims ('leaf', 'point'): width",
        ]

    @pytest.mark.parametrize("dtype", [np.float64, np.int8, np.uint64, np.bool_])
    def test_the_remedy_for_a_wrong_type_works(self, dtype: type) -> None:
        element = leaves(veins=("leaf", np.array([1, 1, 1], dtype=dtype)))
        (fault,) = find_faults(Leaf, element)
        assert fault.location == "variable 'veins'"
        assert fault.found == f"has dtype {np.dtype(dtype)}"
        assert fault.remedy == "use .astype('int64')"
        element["veins"] = element["veins"].astype("int64")
        assert faults(element) == []


class TestValues:
    def test_nan_where_there_may_be_none(self) -> None:
        width = np.ones((3, 2), np.float32)
        width[1, 1] = width[2, 0] = np.nan
        assert faults(leaves(width=(("leaf", "point"), width))) == [
            "variable 'width': 2 values are NaN (first: nan at leaf 1, point 1)"
            " -> fill or drop them"
        ]

    def test_nan_where_there_may_be_some_passes_its_checks(self) -> None:
        assert faults(leaves(shade=("leaf", np.full(3, np.nan)))) == []

    def test_integers_are_never_copied(self) -> None:
        n = 5_000_000
        element = xr.Dataset(
            {"codes": (("sequence", "position"), np.zeros((n // 50, 50), np.uint8))},
            coords={"start": ("sequence", np.zeros(n // 50, np.int64))},
            attrs={"alphabet": "ACGT"},
        )
        SequenceSet.check(element)
        tracemalloc.start()
        SequenceSet.check(element, deep=True)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < n / 2

    def test_float_checks_need_no_memory_in_proportion(self) -> None:
        kind_of = Leaf.specs()["shade"]
        assert kind_of.checks
        n = 6_000_000
        element = xr.Dataset(
            {
                "weight": ("sequence", np.ones(n)),
                "codes": (("sequence", "position"), np.zeros((n, 1), np.uint8)),
            },
            attrs={"alphabet": "ACGT"},
        )
        tracemalloc.start()
        assert faults(element, SequenceSet) == []
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < element["weight"].nbytes

    def test_the_first_bad_value_is_found_in_any_block(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mutua.models.faults._BLOCK_BYTES", 64)
        veins = np.full(100, 5)
        veins[[57, 90]] = 0
        element = xr.Dataset(
            {"width": (("leaf", "point"), np.ones((100, 2), np.float32)), "veins": ("leaf", veins)},
            coords={"leaf": [f"leaf{i}" for i in range(100)]},
            attrs={"species": "Acer", "year": 1999},
        )
        assert faults(element) == ["variable 'veins': 2 values are not >= 1 (first: 0 at leaf 57)"]


class TestChecksOfPandera:
    """What is looked at without pandera is found as pandera finds it."""

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int8, np.int32, np.uint8])
    @pytest.mark.parametrize("rule", ["ge", "gt", "le", "lt", "isin"])
    def test_limits_and_lists(self, rule: str, dtype: type) -> None:
        limit = [1, 3, -1] if rule == "isin" else 3
        (check,) = variable("", dims=("leaf",), **{rule: limit}).checks
        values = np.array([[0, 1, 2], [3, 4, 100]]).astype(dtype)
        expected = ~np.asarray(check(xr.DataArray(values)).check_output)
        assert expected.any()
        assert np.array_equal(_failing(check, values), expected)

    @pytest.mark.parametrize("rule", ["ge", "gt", "le", "lt", "isin"])
    def test_nan_fails_none(self, rule: str) -> None:
        limit = [0.5, 2.0] if rule == "isin" else 1
        (check,) = variable("", dims=("leaf",), **{rule: limit}).checks
        values = np.array([np.nan, 0.5, 1, 2, -np.inf, np.inf])
        result = check(xr.DataArray(values)).check_output
        assert np.array_equal(_failing(check, values), ~np.asarray(result))
        assert not _failing(check, values)[0]

    @pytest.mark.parametrize("text", [["a", "b", "a"], ["a", "x", "b"], []])
    def test_text(self, text: list[str]) -> None:
        (check,) = variable("", dims=("leaf",), isin=["a", "b"]).checks
        found = _failing(check, np.array(text, dtype=object))
        assert found.tolist() == [item == "x" for item in text]

    def test_limits_of_times_are_left_to_pandera(self) -> None:
        (check,) = variable("", dims=("leaf",), ge=np.datetime64("2020-01-01")).checks
        values = np.array(["2019-05-01", "2021-01-01"], "datetime64[ns]")
        assert _failing(check, values).tolist() == [True, False]


class TestLazyData:
    def element(self) -> xr.Dataset:
        return leaves(
            width=(("leaf", "point"), never_computed((3, 2), np.float32)),
            veins=("leaf", never_computed((3,), np.int64)),
        )

    def test_nothing_is_computed(self) -> None:
        assert faults(self.element()) == []
        lazy = self.element().assign_coords(colour=("leaf", never_computed((3,), STRING)))
        assert faults(lazy) == []

    def test_structure_is_checked_all_the_same(self) -> None:
        element = leaves(veins=("leaf", never_computed((3,), np.int32)))
        assert faults(element) == ["variable 'veins': has dtype int32 -> use .astype('int64')"]

    def test_deep_computes_them(self) -> None:
        with pytest.raises(AssertionError, match="the data were computed"):
            faults(self.element(), deep=True)

    def test_deep_computes_chunk_by_chunk_and_once(self) -> None:
        width = np.ones((7, 5), np.float32)
        width[6, 4] = -2
        counting = CountingChunks(width, (3, 2))
        element = xr.Dataset(
            {"width": (("leaf", "point"), counting.array)},
            coords={"leaf": list("abcdefg")},
            attrs={"species": "Acer", "year": 1999},
        )
        assert faults(element) == []
        assert counting.computed == []
        assert faults(element, deep=True) == [
            "variable 'width': 1 value is not > 0 (first: -2.0 at leaf 6, point 4)"
        ]
        assert len(counting.computed) == 9
        assert max(rows * columns for rows, columns in counting.computed) <= 6

    def test_deep_finds_a_bad_code_in_a_lazy_sequence_set(self) -> None:
        codes = np.zeros((7, 5), np.uint8)
        codes[6, 3] = 77
        element = xr.Dataset(
            {"codes": (("sequence", "position"), da.from_array(codes, chunks=(2, 5)))},
            attrs={"alphabet": "ACGT"},
        )
        assert faults(element, SequenceSet) == []
        assert faults(element, SequenceSet, deep=True) == [
            "variable 'codes', sequence 6, position 3: code 77 in an alphabet of 4 letters"
            " -> use 0 to 3, 254 (unknown) or 255 (padding)"
        ]

    def test_deep_looks_anew_at_what_is_in_memory(self) -> None:
        element = mt.SequenceSet.build(np.zeros((3000, 200), np.uint8), alphabet="DNA")
        element["codes"].values[1234, 123] = 9  # in place, and too small a change for a sample
        assert faults(element, SequenceSet) == []
        assert len(faults(element, SequenceSet, deep=True)) == 1

    def test_data_opened_by_xarray_without_dask(self, tmp_path: Path) -> None:
        leaves().to_zarr(tmp_path / "leaves.zarr", zarr_format=2)
        opened = xr.open_zarr(tmp_path / "leaves.zarr", chunks=None, zarr_format=2)
        assert not opened["veins"].variable._in_memory
        assert faults(opened) == []
        assert not opened["veins"].variable._in_memory
        assert faults(opened, deep=True) == []


class TestOddElements:
    @pytest.mark.parametrize(
        ("thing", "remedy"),
        [
            (leaves()["width"], "pass the Dataset it belongs to"),
            (pd.DataFrame({"width": [1.0]}), "make one with mutua.Leaf.build(...)"),
            (None, "make one with mutua.Leaf.build(...)"),
            (np.ones((3, 2), np.float32), "make one with mutua.Leaf.build(...)"),
            (leaves, "make one with mutua.Leaf.build(...)"),
            (Leaf, "make one with mutua.Leaf.build(...)"),
        ],
    )
    def test_not_a_dataset(self, thing: object, remedy: str) -> None:
        (fault,) = find_faults(Leaf, thing)
        assert fault.location == "object"
        assert fault.found == f"a {type(thing).__name__}, not an xarray.Dataset"
        assert fault.remedy.startswith(remedy)

    def test_an_anndata(self) -> None:
        (fault,) = find_faults(Leaf, anndata.AnnData(np.ones((2, 3))))
        assert fault.found == "a AnnData, not an xarray.Dataset"

    def test_an_empty_dataset(self) -> None:
        locations = [fault.location for fault in find_faults(Leaf, xr.Dataset())]
        assert locations == [
            "coordinate 'leaf'",
            "variable 'width'",
            "attribute 'species'",
            "attribute 'year'",
        ]

    @pytest.mark.parametrize("n", [0, 1])
    @pytest.mark.parametrize("length", [0, 1])
    def test_axes_without_entries(self, n: int, length: int) -> None:
        element = mt.SequenceSet.build(
            np.zeros((n, length), np.uint8),
            alphabet="DNA",
            sequence_id=["x"] * n,
            weight=np.ones(n),
        )
        assert faults(element, SequenceSet, deep=True) == []
        square = position_mi().isel(position_i=slice(n), position_j=slice(n))
        assert faults(square, PositionMI, deep=True) == []

    def test_extra_variables_may_be_there(self) -> None:
        element = leaves(note=("leaf", ["a", "b", "c"]), area=np.float32(3))
        element["when"] = "leaf", np.array(["2020", "2021", "NaT"], "datetime64[ns]")
        assert faults(element) == []

    def test_extra_variables_that_no_store_can_hold(self) -> None:
        element = leaves(
            note=("leaf", np.array([{}, 1, "x"], dtype=object)),
            record=("leaf", np.zeros(3, dtype=[("a", "i4"), ("b", "f8")])),
            category=("leaf", pd.Categorical(["a", "b", "a"])),
            precise=("leaf", np.ones(3, np.longdouble)),
        )
        element = element.assign({"a/b": 1, 5: 2})
        found = "\n".join(faults(element))
        assert "variable 'note': 2 values are not text (first: {} at leaf 0)" in found
        assert "variable 'record': has dtype [('a', '<i4'), ('b', '<f8')], which cannot" in found
        assert "variable 'category': has dtype category, which cannot be stored" in found
        assert "variable 'precise': has dtype float128, which cannot be stored" in found
        assert "variable 'a/b': has a name that cannot be stored" in found
        assert "variable 5: has a name that cannot be stored" in found

    def test_scalar_coordinates_may_be_there(self) -> None:
        element = leaves().assign_coords(site="north", depth=2.5)
        assert faults(element) == []

    def test_a_scalar_coordinate_in_place_of_a_field(self) -> None:
        assert faults(leaves().isel(point=0)) == [
            "variable 'width': has dims ('leaf',) -> its dims are ('leaf', 'point')",
            "coordinate 'point': has dims () -> its dims are ('point',)",
        ]


def test_checks_of_pandera_without_a_sign_of_their_own() -> None:
    class Word(Element):
        """A word that begins with a."""

        word: str = variable("word", dims=("leaf",), str_startswith="a")

    element = xr.Dataset({"word": ("leaf", ["ab", "ba"])}, coords={"note": "of one", "n": 3})
    assert faults(element, Word) == [
        "variable 'word': 1 value is not str_startswith('a') (first: 'ba' at leaf 1)"
    ]
    odd = element.assign_coords(note=np.array(None, dtype=object))
    assert "coordinate 'note': 1 value is not text (None)" in str(faults(odd, Word))


@pytest.mark.slow
def test_many_structures_do_not_pile_up() -> None:
    for i in range(600):
        faults(leaves().rename_dims(point=f"point{i}"))
    assert len(_structures) <= 513


def test_checking_from_many_threads() -> None:
    def check(i: int) -> list[str]:
        element = leaves(veins=("leaf", np.array([i % 2, 5, 6])))
        return faults(element)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(check, range(200)))
    assert [len(one) for one in found] == [1, 0] * 100
