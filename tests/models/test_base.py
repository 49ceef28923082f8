"""What a kind is, and that every fault is found at once, with its location."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anndata
import dask.array as da
import numpy as np
import pandas as pd
import pydantic
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.models import KINDS, PositionMI, SequenceSet, Table
from mutua.models.base import Coordinate, Element, coordinate, find_faults, variable
from tests.models.examples import (
    CountingChunks,
    never_computed,
    position_mi,
    sequence_set,
)

STRING = np.dtypes.StringDType()


class LeafAttributes(pydantic.BaseModel):
    """Attributes of a `Leaf`."""

    species: str = pydantic.Field(min_length=2, description="name of the species")
    year: int = pydantic.Field(ge=1800, description="year of collection")
    height: float = 1.0
    marks: list[float] = []


class Leaf(Element):
    """Leaves, measured at several points."""

    width: np.float32 = variable("width", dims=("leaf", "point"), unit="mm", gt=0)
    veins: np.int64 | None = variable("veins", dims=("leaf",), ge=1, le=99)
    shade: np.float64 | None = variable("shade", dims=("leaf",), nullable=True, ge=0)
    picked: np.bool_ | None = variable("whether it was picked", dims=("leaf",))
    leaf: Coordinate[str] = coordinate("name", dims=("leaf",), unique=True)
    point: Coordinate[np.int64] | None = coordinate("point", dims=("point",), unique=True)
    colour: Coordinate[str] | None = coordinate("colour", dims=("leaf",), isin=["green", "red"])

    class Config:
        """Options of the pandera model."""

        attrs = LeafAttributes


def leaves(**changes: object) -> xr.Dataset:
    element = xr.Dataset(
        {
            "width": (("leaf", "point"), np.ones((3, 2), np.float32)),
            "veins": ("leaf", np.array([4, 5, 6])),
            "shade": ("leaf", np.array([0.5, np.nan, 0.0])),
            "picked": ("leaf", np.array([True, False, True])),
        },
        coords={
            "leaf": ["a", "b", "c"],
            "point": np.array([10, 20]),
            "colour": ("leaf", ["green", "red", "red"]),
        },
        attrs={"species": "Acer", "year": 1999},
    )
    for name, value in changes.items():
        element[name] = value
    return element


def faults(element: object, kind: type[Element] = Leaf, *, deep: bool = False) -> list[str]:
    return [str(fault) for fault in find_faults(kind, element, deep=deep)]


def test_a_valid_element_has_no_faults() -> None:
    assert faults(leaves()) == []
    assert faults(leaves(), deep=True) == []
    assert faults(leaves().drop_vars(["veins", "shade", "picked", "point", "colour"])) == []


def test_specs_say_everything_once() -> None:
    spec = Leaf.specs()["width"]
    assert (spec.dtype, spec.dims, spec.unit) == (np.float32, ("leaf", "point"), "mm")
    assert (spec.required, spec.is_coordinate, spec.nullable) == (True, False, False)
    point = Leaf.specs()["point"]
    assert (point.required, point.is_coordinate, point.unique) == (False, True, True)
    assert Leaf.specs()["leaf"].dtype is str


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


class TestCoordinates:
    def test_optional_ones_may_be_absent(self) -> None:
        assert faults(leaves().drop_vars(["point", "colour"])) == []

    @pytest.mark.parametrize(
        "names",
        [
            np.array(["x", "yy", "zzz"]),
            np.array(["x", "yy", "zzz"], dtype=object),
            np.array(["x", "yy", "zzz"], dtype=STRING),
        ],
    )
    @pytest.mark.parametrize("indexed", [True, False])
    def test_strings_of_any_type(self, names: np.ndarray, indexed: bool) -> None:
        element = leaves().drop_vars("leaf")
        coords = xr.Coordinates({"leaf": ("leaf", names)}, indexes=None if indexed else {})
        assert faults(element.assign_coords(coords)) == []
        repeated = names.copy()
        repeated[2] = "x"
        coords = xr.Coordinates({"leaf": ("leaf", repeated)}, indexes=None if indexed else {})
        assert faults(element.assign_coords(coords)) == [
            "coordinate 'leaf': repeats 'x' (1 in all) -> make them unique"
        ]

    def test_one_structure_with_other_objects_in_it(self) -> None:
        good = leaves(colour=("leaf", np.array(["red"] * 3, dtype=object)))
        good = good.set_coords("colour")
        bad = good.assign_coords(colour=("leaf", np.array([1, 2, 3], dtype=object)))
        assert faults(good) == []
        assert len(faults(bad)) == 1
        assert "3 values are not text (first: 1 at leaf 0)" in faults(bad)[0]

    def test_missing_names_are_no_strings(self) -> None:
        for missing in (None, np.nan, pd.NA):
            names = np.array(["a", missing, "c"], dtype=object)
            element = leaves().assign_coords(colour=("leaf", names))
            assert "1 value is not text" in faults(element)[0]
        names = np.array(["green", None, "red"], dtype=np.dtypes.StringDType(na_object=None))
        element = leaves().assign_coords(colour=("leaf", names))
        assert "1 value is not text" in faults(element)[0]

    def test_a_large_dim_has_no_index_and_the_remedy_works(self) -> None:
        element = sequence_set().drop_vars("sequence_id").assign_coords(sequence=list("abcdefg"))
        (fault,) = find_faults(SequenceSet, element)
        assert fault.location == "coordinate 'sequence'"
        assert "is an index" in fault.found
        repaired = eval("element" + fault.remedy.removeprefix("use "))
        assert faults(repaired, SequenceSet) == []
        assert repaired["sequence_id"].values.tolist() == list("abcdefg")
        rows = xr.Dataset({"n": ("row", [1, 2])}, coords={"row": [5, 6]})
        (fault,) = find_faults(Table, rows)
        assert faults(eval("rows" + fault.remedy.removeprefix("use ")), Table) == []

    def test_a_multiindex_is_refused(self) -> None:
        index = pd.MultiIndex.from_arrays([[1, 1, 2], ["x", "y", "x"]], names=["tree", "branch"])
        element = leaves().drop_vars(["leaf", "colour"])
        element = element.assign_coords(xr.Coordinates.from_pandas_multiindex(index, "leaf"))
        found = faults(element)
        assert (
            "coordinate 'leaf': is a MultiIndex -> take it apart with .reset_index('leaf')" in found
        )

    def test_names_in_a_large_index_are_not_needed(self) -> None:
        element = sequence_set()
        assert "sequence_id" not in element.xindexes


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


class TestAttributes:
    @pytest.mark.parametrize("year", [1999, np.int64(1999), np.uint16(1999), np.array(1999)])
    @pytest.mark.parametrize("species", ["Acer", np.str_("Acer")])
    @pytest.mark.parametrize("height", [2, 2.5, np.float32(2.5), np.int8(2)])
    def test_numbers_of_numpy_count_as_numbers(
        self, year: object, species: str, height: object
    ) -> None:
        element = leaves()
        element.attrs |= {"year": year, "species": species, "height": height}
        assert faults(element) == []

    @pytest.mark.parametrize("marks", [[1.0, 2], (1.0, 2.0), np.array([1.0, 2.0])])
    def test_lists_of_any_sort(self, marks: object) -> None:
        element = leaves()
        element.attrs["marks"] = marks
        assert faults(element) == []

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("year", "1999", "input should be a valid integer (found '1999')"),
            ("year", True, "input should be a valid integer (found True)"),
            ("year", 1999.0, "input should be a valid integer (found 1999.0)"),
            ("year", 1700, "input should be greater than or equal to 1800 (found 1700)"),
            ("species", 5, "input should be a valid string (found 5)"),
            ("species", None, "input should be a valid string (found None)"),
            ("height", "2", "input should be a valid number (found '2')"),
            ("marks", "12", "input should be a valid list (found '12')"),
        ],
    )
    def test_types_are_strict(self, name: str, value: object, message: str) -> None:
        element = leaves()
        element.attrs[name] = value
        assert [f"{fault.location}: {fault.found}" for fault in find_faults(Leaf, element)] == [
            f"attribute {name!r}: {message}"
        ]

    def test_two_elements_that_differ_in_the_middle_of_a_long_attribute(self) -> None:
        marks = np.ones(5000).tolist()
        good = leaves()
        good.attrs["marks"] = marks
        bad = leaves()
        bad.attrs["marks"] = [*marks[:2500], "x", *marks[2501:]]
        assert faults(good) == []
        assert "attribute 'marks.2500'" in faults(bad)[0]

    def test_what_no_store_can_hold(self) -> None:
        element = leaves()
        element.attrs["model"] = {"layers": [1, {2}]}
        element.attrs["when"] = pd.Timestamp("2024-01-01")
        element["width"].attrs["by"] = lambda: None
        assert faults(element) == [
            "attribute 'model': a set cannot be stored -> use text or numbers, or drop it",
            "attribute 'when': a Timestamp cannot be stored -> use text or numbers, or drop it",
            "variable 'width', attribute 'by': a function cannot be stored"
            " -> use text or numbers, or drop it",
        ]


class TestKinds:
    def test_a_kind_made_anew_in_its_module_replaces_the_former(self) -> None:
        def make(description: str, dtype: type) -> type[Element]:
            namespace = {
                "__module__": __name__,
                "__annotations__": {"size": dtype},
                "size": variable(description, dims=("berry",), ge=0),
            }
            return type("Berry", (Element,), namespace)

        first, second = make("size", np.float64), make("size", np.int64)
        element = xr.Dataset({"size": ("berry", [1.0, 2.0])})
        assert faults(element, first) == []
        assert faults(element, second) == [
            "variable 'size': has dtype float64 -> use .astype('int64')"
        ]
        assert faults(element, first) == []
        assert KINDS["Berry"] is second

    @pytest.mark.parametrize("name", ["SequenceSet", "AnnData", "Element"])
    def test_a_name_that_is_taken_is_refused(self, name: str) -> None:
        with pytest.raises(InvalidInput, match=f"class {name}.*has a kind of that name"):
            type(name, (Element,), {"__module__": __name__})
        assert KINDS["SequenceSet"] is SequenceSet

    def test_a_derived_kind_keeps_attributes_and_may_add_some(self) -> None:
        class OakAttributes(LeafAttributes):
            """Attributes of an `Oak`."""

            acorns: int

        class Oak(Leaf):
            """Leaves of an oak."""

            lobes: np.int64 = variable("lobes", dims=("leaf",))

            class Config:
                """Options of the pandera model."""

                attrs = OakAttributes

        class Beech(Leaf):
            """Leaves of a beech."""

        assert set(Oak.specs()) == {*Leaf.specs(), "lobes"}
        assert faults(leaves(), Beech) == []
        oak = leaves(lobes=("leaf", np.array([3, 4, 5])))
        assert faults(oak, Oak) == ["attribute 'acorns': is missing -> set .attrs['acorns']"]
        oak.attrs["acorns"] = 7
        assert faults(oak, Oak) == []
        assert faults(oak, Leaf) == []

    def test_panderas_own_entry_checks_as_well(self) -> None:
        element = leaves()
        assert Leaf.validate(element) is element
        assert Leaf(element) is element
        with pytest.raises(InvalidElement):
            Leaf.validate(leaves().drop_vars("leaf"))


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


def test_many_structures_do_not_pile_up() -> None:
    from mutua.models import faults as module

    for i in range(600):
        faults(leaves().rename_dims(point=f"point{i}"))
    assert len(module._structures) <= 513


def test_checking_from_many_threads() -> None:
    def check(i: int) -> list[str]:
        element = leaves(veins=("leaf", np.array([i % 2, 5, 6])))
        return faults(element)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(check, range(200)))
    assert [len(one) for one in found] == [1, 0] * 100
