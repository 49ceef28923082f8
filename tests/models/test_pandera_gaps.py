"""The gaps of pandera's xarray support that mutua closes, pinned against pandera itself.

Every class holds a test of pandera alone, which fails when upstream closes the gap and then says
which code of ours can go, and a test that ours is right.
"""

from collections.abc import Callable
from threading import Thread

import dask.array as da
import numpy as np
import pandera
import pandera.xarray as pa
import pytest
import xarray as xr
from pandera.api.xarray.model import MODEL_CACHE
from pandera.typing.xarray import Coordinate
from pandera.typing.xarray import Dataset as PanderaDataset

from mutua.errors import InvalidElement
from mutua.models.base import Dataset, Element, coordinate, variable
from mutua.models.checked import checked
from mutua.models.faults import _schema
from tests.models.examples import never_computed

STRINGS = {
    "fixed width": np.array(["b", "a", "c"]),
    "object": np.array(["b", "a", "c"], dtype=object),
    "variable width": np.array(["b", "a", "c"], dtype=np.dtypes.StringDType()),
}


class Plain(pa.DatasetModel):
    """A model of pandera alone."""

    height: np.float32 = pa.Field(dims=("tree",), nullable=True)
    age: Coordinate[np.int64] | None = pa.Field(dims=("tree",), unique=True)


class Tree(Element):
    """The same as a kind of mutua."""

    height: np.float32 = variable("height", dims=("tree",), unit="m", nullable=True)
    age: Coordinate[np.int64] | None = coordinate("age", dims=("tree",), unique=True)


class PlainName(pa.DatasetModel):
    """Names, by pandera alone."""

    name: Coordinate[str] = pa.Field(dims=("tree",), isin=["a", "b", "c"])
    word: str = pa.Field(dims=("tree",))


class Name(Element):
    """Names, as a kind of mutua."""

    name: Coordinate[str] = coordinate("name", dims=("tree",), isin=["a", "b", "c"])
    word: str = variable("word", dims=("tree",))


class PlainParent(pa.DatasetModel):
    """A model that is derived from below."""

    height: np.float32 = pa.Field(dims=("tree",), ge=0)


class PlainChild(PlainParent):
    """Derived, by pandera alone."""

    rings: np.int64 = pa.Field(dims=("tree",))


class Parent(Element):
    """A kind that is derived from below."""

    height: np.float32 = variable("height", dims=("tree",), unit="m", ge=0)


class Child(Parent):
    """Derived, as a kind of mutua."""

    rings: np.int64 = variable("rings", dims=("tree",))


class PlainWeight(pa.DatasetModel):
    """A number that may be absent and may not be missing, by pandera alone."""

    height: np.float64 = pa.Field(dims=("tree",))
    weight: np.float64 | None = pa.Field(dims=("tree",))


class Weight(Element):
    """The same as a kind of mutua."""

    height: np.float64 = variable("height", dims=("tree",))
    weight: np.float64 | None = variable("weight", dims=("tree",))


def heights(n: int = 3, **coords: object) -> xr.Dataset:
    return xr.Dataset({"height": ("tree", np.arange(n, dtype=np.float32))}, coords=coords)


def accepts(model: type[pa.DatasetModel], element: xr.Dataset) -> bool:
    """Tell whether pandera alone accepts an element."""
    try:
        model.to_schema().validate(element, lazy=True)
    except pa.errors.SchemaErrors:
        return False
    return True


def failure(call: Callable[[], object]) -> str:
    """Give what a call raises, or an empty text."""
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def closed(what: str, ours: str) -> str:
    return f"pandera {pandera.__version__} now {what}. Remove {ours} and this class of tests."


class TestOptionalCoordinateStaysRequired:
    def test_in_pandera(self) -> None:
        assert not accepts(Plain, heights()), closed(
            "lets an optional coordinate be absent",
            "`part.required = spec.required` in models/base.py, Element.build_schema_",
        )

    def test_ours_is_optional(self) -> None:
        Tree.check(heights())
        Tree.check(heights(age=("tree", [5, 6, 7])))

    def test_ours_is_required_where_it_is(self) -> None:
        words = xr.Dataset({"word": ("tree", STRINGS["object"])})
        with pytest.raises(InvalidElement, match="coordinate 'name': is missing"):
            Name.check(words)


class TestUniqueOfACoordinateIsIgnored:
    element = heights(age=("tree", [5, 6, 5]))

    def test_in_pandera(self) -> None:
        assert accepts(Plain, self.element), closed(
            "looks at unique= of a coordinate", "`_duplicates` in models/faults.py"
        )

    def test_ours(self) -> None:
        with pytest.raises(InvalidElement, match=r"coordinate 'age': repeats 5 \(1 in all\)"):
            Tree.check(self.element)


class TestDimsOfACoordinateAreIgnored:
    element = heights(age=("place", [5, 6]))

    def test_in_pandera(self) -> None:
        assert accepts(Plain, self.element), closed(
            "looks at dims= of a coordinate",
            "the dims of coordinates from `_field_faults` in models/faults.py",
        )

    def test_ours(self) -> None:
        with pytest.raises(InvalidElement, match=r"coordinate 'age': has dims \('place',\)"):
            Tree.check(self.element)


class TestStringsOfFixedWidthOnly:
    @pytest.mark.parametrize("strings", ["object", "variable width"])
    @pytest.mark.parametrize("bad", ["name", "word"])
    def test_in_pandera(self, strings: str, bad: str) -> None:
        names = dict.fromkeys(("name", "word"), STRINGS["fixed width"]) | {bad: STRINGS[strings]}
        element = xr.Dataset(
            {"word": ("tree", names["word"])}, coords={"name": ("tree", names["name"])}
        )
        with pandera.config.config_context(
            validation_depth=pandera.config.ValidationDepth.SCHEMA_ONLY
        ):
            assert not accepts(PlainName, element), closed(
                f"takes {strings} strings for str",
                "`part.dtype = None` in models/base.py and `_may_be_text` in models/faults.py",
            )

    @pytest.mark.parametrize("strings", STRINGS)
    def test_ours_takes_all(self, strings: str) -> None:
        values = STRINGS[strings]
        Name.check(xr.Dataset({"word": ("tree", values)}, coords={"name": ("tree", values)}))

    @pytest.mark.parametrize(
        "values", [np.array([1, 2, 3]), np.array([b"a", b"b", b"c"]), np.zeros(3, bool)]
    )
    def test_ours_refuses_other_types(self, values: np.ndarray) -> None:
        element = xr.Dataset(
            {"word": ("tree", values)}, coords={"name": ("tree", STRINGS["object"])}
        )
        with pytest.raises(InvalidElement, match=r"variable 'word': has dtype .* -> use strings"):
            Name.check(element)

    def test_ours_refuses_other_objects(self) -> None:
        word = np.array(["a", 2, None], dtype=object)
        element = xr.Dataset({"word": ("tree", word)}, coords={"name": ("tree", STRINGS["object"])})
        with pytest.raises(InvalidElement, match=r"2 values are not text \(first: 2 at tree 1"):
            Name.check(element)


class TestChecksFailOnStringsOfVariableWidth:
    def test_in_pandera(self) -> None:
        values = xr.DataArray(STRINGS["variable width"], dims="tree")
        assert failure(lambda: pandera.Check.isin(["a"])(values)), closed(
            "checks strings of variable width", "`.astype(object)` in faults._scan"
        )

    @pytest.mark.parametrize("strings", STRINGS)
    def test_ours(self, strings: str) -> None:
        values = STRINGS[strings].copy()
        values[1] = "x"
        element = xr.Dataset({"word": ("tree", values)}, coords={"name": ("tree", values)})
        with pytest.raises(
            InvalidElement, match=r"not in \['a', 'b', 'c'\] \(first: 'x' at tree 1"
        ):
            Name.check(element)


class TestSubclassEmptiesInheritedFields:
    element = xr.Dataset(
        {"height": ("bush", np.array([-1.0], np.float32)), "rings": ("tree", [3, 4])}
    )

    def test_in_pandera(self) -> None:
        assert accepts(PlainChild, self.element), closed(
            "keeps the fields that a subclass inherits",
            "the loop over `cls.__mro__` in models/base.py, Element.__init_subclass__",
        )

    def test_ours_keeps_dims_and_checks(self) -> None:
        assert Child.specs()["height"] == Parent.specs()["height"]
        with pytest.raises(InvalidElement, match=r"variable 'height': has dims \('bush',\)"):
            Child.check(self.element)
        low = xr.Dataset(
            {"height": ("tree", np.float32([1, -2])), "rings": ("tree", np.array([3, 4]))}
        )
        with pytest.raises(InvalidElement, match=r"1 value is not >= 0 \(first: -2.0 at tree 1\)"):
            Child.check(low)


class TestOptionalVariableAmongTheCoordinatesIsNotLookedAt:
    element = xr.Dataset(
        {"height": ("tree", np.zeros(3))}, coords={"weight": ("place", ["x", "y"])}
    )

    def test_in_pandera(self) -> None:
        assert accepts(PlainWeight, self.element), closed(
            "looks at variables among the coordinates",
            "what `_field_faults` in models/faults.py does where `looked_at` is False",
        )

    def test_ours(self) -> None:
        with pytest.raises(InvalidElement) as error:
            Weight.check(self.element)
        assert [str(fault) for fault in error.value.faults] == [
            "variable 'weight': is a coordinate -> use .reset_coords('weight')",
            "variable 'weight': has dims ('place',) -> its dims are ('tree',)",
            "variable 'weight': has dtype <U1 -> use .astype('float64')",
        ]

    def test_ours_finds_a_coordinate_among_the_variables(self) -> None:
        element = heights().assign(age=("tree", np.array([1, 2, 3])))
        with pytest.raises(InvalidElement) as error:
            Tree.check(element)
        assert [str(fault) for fault in error.value.faults] == [
            "coordinate 'age': is a data variable -> use .set_coords('age')"
        ]


class TestNullCheckComputes:
    class LazyCoordinate(pa.DatasetModel):
        """A coordinate that may be lazy, by pandera alone."""

        height: np.float32 = pa.Field(dims=("tree",), nullable=True)
        age: Coordinate[np.float64] = pa.Field(dims=("tree",))

    def test_in_pandera_lazy_data_are_computed(self) -> None:
        element = heights(age=("tree", never_computed((3,), np.float64)))
        message = failure(lambda: accepts(self.LazyCoordinate, element))
        assert "the data were computed" in message, closed(
            "leaves lazy data alone", "`nullable=True` in models/base.py"
        )

    def test_in_pandera_one_chunked_variable_turns_off_all_checks(self) -> None:
        lazy = xr.Dataset({"height": ("tree", da.zeros(3)), "weight": ("tree", np.full(3, np.nan))})
        assert not accepts(PlainWeight, lazy.compute())
        assert accepts(PlainWeight, lazy), closed(
            "checks what is in memory beside lazy data", "`_scan` in models/faults.py"
        )

    def test_ours_looks_at_what_is_in_memory(self) -> None:
        lazy = xr.Dataset(
            {
                "height": ("tree", never_computed((3,), np.float64)),
                "weight": ("tree", np.array([1.0, np.nan, np.nan])),
            }
        )
        with pytest.raises(InvalidElement) as error:
            Weight.check(lazy)
        assert [str(fault) for fault in error.value.faults] == [
            "variable 'weight': 2 values are NaN (first: nan at tree 1) -> fill or drop them"
        ]


class TestASchemaForEveryThread:
    def schemas(self, schema_of: Callable[[], object]) -> set[int]:
        found = [schema_of()]
        threads = [Thread(target=lambda: found.append(schema_of())) for _ in range(3)]
        for thread in threads:
            thread.start()
            thread.join()
        return {id(schema) for schema in found}

    def test_in_pandera(self) -> None:
        MODEL_CACHE.clear()
        assert len(self.schemas(Plain.to_schema)) > 1, closed(
            "keeps one schema for all threads", "`_schema` and `_pandera_turn` in models/faults.py"
        )

    def test_ours(self) -> None:
        assert len(self.schemas(lambda: _schema(Tree))) == 1


class TestCheckTypes:
    def test_in_pandera_it_stops_at_the_first_fault(self) -> None:
        @pandera.check_types
        def measure(trees: PanderaDataset[PlainWeight], names: PanderaDataset[PlainName]) -> None:
            pass

        message = failure(lambda: measure(xr.Dataset(), xr.Dataset()))
        assert "height" in message
        assert "word" not in message, closed("gives all faults", "models/checked.py")

    def test_in_pandera_unions_are_not_checked(self) -> None:
        @pandera.check_types
        def measure(trees: PanderaDataset[PlainWeight] | PanderaDataset[PlainName]) -> str:
            return "called"

        assert measure(xr.Dataset()) == "called", closed("checks unions", "models/checked.py")

    def test_ours_gives_all_faults(self) -> None:
        with pytest.raises(InvalidElement) as error:
            measure_checked(xr.Dataset({"word": ("place", [1])}))
        assert {fault.location for fault in error.value.faults} == {
            "coordinate 'name'",
            "variable 'word'",
        }

    def test_ours_checks_unions(self) -> None:
        with pytest.raises(InvalidElement):
            measure_checked(xr.Dataset())
        measure_checked(heights().astype(np.float64))


@checked
def measure_checked(trees: Dataset[Weight] | Dataset[Name]) -> None:
    """Take either kind."""


def test_settings_of_pandera_do_not_turn_ours_off() -> None:
    with (
        pandera.config.config_context(validation_enabled=False),
        pytest.raises(InvalidElement, match="variable 'height': is missing"),
    ):
        Tree.check(xr.Dataset(coords={"never": ("seen", [1])}))
