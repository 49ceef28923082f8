"""What a kind is: its fields, coordinates and attributes, and kinds derived from it."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from mutua.errors import InvalidElement, InvalidInput
from mutua.models import KINDS, SequenceSet, Table
from mutua.models.base import Element, find_faults, variable
from tests.models.examples import sequence_set
from tests.models.leaves import Leaf, LeafAttributes, faults, leaves

STRING = np.dtypes.StringDType()


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
