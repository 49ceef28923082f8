"""JSON Schemas: those on disk are those of the models, and they validate what is stored."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pydantic
import pytest

import mutua as mt
from mutua.models import KINDS, Element
from mutua.models.base import Coordinate, coordinate, variable
from mutua.models.json_schema import DIALECT, json_schema, schema_text, write_schemas
from tests.models.examples import EXAMPLES

SCHEMAS = Path(__file__).parents[2] / "schemas"
REMEDY = "run `mutua schema` in the root of the repository and commit what it wrote"
Metadata = dict[str, Any]


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Metadata]:
    """Give the ``zarr.json`` of a stored example of every kind."""
    path = tmp_path_factory.mktemp("json") / "study.zarr"
    mt.Analysis({name: make() for name, make in EXAMPLES.items()}).write(path)
    opened = mt.open(path)
    return {
        name: json.loads((path / opened.path(name) / "zarr.json").read_text(encoding="utf-8"))
        for name in EXAMPLES
    }


def validator(kind: type[Element]) -> jsonschema.Draft202012Validator:
    schema = json_schema(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def errors(kind: type[Element], metadata: Metadata) -> list[str]:
    return [error.message for error in validator(kind).iter_errors(metadata)]


def arrays(metadata: Metadata) -> Metadata:
    return metadata["consolidated_metadata"]["metadata"]


# -- the files on disk -------------------------------------------------------------------------


def test_the_files_are_those_of_the_models(tmp_path: Path) -> None:
    expected = {file.name: file.read_text(encoding="utf-8") for file in write_schemas(tmp_path)}
    found = {file.name: file.read_text(encoding="utf-8") for file in SCHEMAS.glob("*.json")}
    assert sorted(found) == sorted(expected), REMEDY
    for name in expected:
        assert found[name] == expected[name], f"schemas/{name} is out of date: {REMEDY}"


def test_they_are_written_the_same_every_time_whatever_else_is_defined(tmp_path: Path) -> None:
    before = {file.name: file.read_text() for file in write_schemas(tmp_path)}

    class LongSequenceSet(mt.SequenceSet):  # type: ignore[name-defined, misc]
        """A kind of someone else."""

    after = {file.name: file.read_text() for file in write_schemas(tmp_path)}
    assert after == before
    assert LongSequenceSet.__name__ in KINDS
    assert set(before) == {f"{name}.json" for name in EXAMPLES}


def test_files_of_kinds_that_are_no_more_go(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    (tmp_path / "Former.json").write_text('{\n  "$id": "urn:mutua:schema:Former:1"\n}')
    (tmp_path / "package.json").write_text("{}")
    write_schemas(tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    assert "Former.json" not in names
    assert "package.json" in names


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_is_a_schema_with_a_name_of_its_own(name: str) -> None:
    schema = json.loads(schema_text(KINDS[name]))
    assert schema["$schema"] == DIALECT
    assert schema["$id"] == f"urn:mutua:schema:{name}:{KINDS[name]._version}"
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_is_documentation_too(name: str) -> None:
    fields = arrays_of_schema(json_schema(KINDS[name]))["properties"]
    for field, spec in KINDS[name].specs().items():
        assert fields[field]["description"] == spec.description
        assert fields[field]["x-unit"] == spec.unit


def arrays_of_schema(schema: Metadata) -> Metadata:
    return schema["properties"]["consolidated_metadata"]["properties"]["metadata"]


# -- what is stored ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_stored_is_valid(name: str, stored: dict[str, Metadata]) -> None:
    assert errors(KINDS[name], stored[name]) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_elements_without_entries_are_valid(name: str, tmp_path: Path) -> None:
    element = EXAMPLES[name]()
    # The letters are those of the alphabet, however many entries there are.
    none = element.isel({dim: slice(0) for dim in element.dims if dim != "letter"})
    mt.Analysis({"none": none}).write(tmp_path / "study.zarr")
    path = tmp_path / "study.zarr" / mt.open(tmp_path / "study.zarr").path("none")
    assert errors(KINDS[name], json.loads((path / "zarr.json").read_text())) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("other", EXAMPLES)
def test_one_kind_is_not_another_unless_derived_from_it(
    name: str, other: str, stored: dict[str, Metadata]
) -> None:
    is_one = issubclass(KINDS[name], KINDS[other])
    assert (errors(KINDS[other], stored[name]) == []) == is_one


def change(path: str, value: object) -> Callable[[Metadata], None]:
    def edit(metadata: Metadata) -> None:
        *above, last = path.split("/")
        for step in above:
            metadata = metadata[step]
        metadata[last] = value

    edit.__name__ = f"{path.replace('/', '.')}={value}"
    return edit


def remove(path: str) -> Callable[[Metadata], None]:
    def edit(metadata: Metadata) -> None:
        *above, last = path.split("/")
        for step in above:
            metadata = metadata[step]
        del metadata[last]

    edit.__name__ = f"without {path.replace('/', '.')}"
    return edit


CODES = "consolidated_metadata/metadata/codes"
RECORD = "attributes/mutua"


@pytest.mark.parametrize(
    "edit",
    [
        change(f"{CODES}/data_type", "int64"),
        change(f"{CODES}/shape", [7]),
        change(f"{CODES}/shape", [7, -1]),
        change(f"{CODES}/dimension_names", ["position", "sequence"]),
        change(f"{CODES}/dimension_names", ["sequence"]),
        change(f"{CODES}/dimension_names", None),
        change(f"{CODES}/node_type", "group"),
        change(f"{CODES}/zarr_format", 2),
        remove(f"{CODES}/dimension_names"),
        remove(CODES),
        change("consolidated_metadata/metadata/weight/data_type", "float32"),
        change("consolidated_metadata/metadata/target/data_type", "int64"),
        change("consolidated_metadata/kind", "external"),
        remove("consolidated_metadata"),
        change("node_type", "array"),
        change("zarr_format", 2),
        remove("attributes/alphabet"),
        change("attributes/alphabet", 5),
        change("attributes/alphabet", "A"),
        remove(RECORD),
        change(RECORD, "text"),
        change(f"{RECORD}/kind", "Table"),
        change(f"{RECORD}/kind", "SequenceSets"),
        change(f"{RECORD}/version", 2),
        change(f"{RECORD}/version", "1"),
        change(f"{RECORD}/steps", []),
        change(f"{RECORD}/steps", [{}]),
        remove(f"{RECORD}/steps"),
        change(f"{RECORD}/element", {}),
    ],
)
def test_what_is_changed_is_not_valid(
    edit: Callable[[Metadata], None], stored: dict[str, Metadata]
) -> None:
    metadata = copy.deepcopy(stored["SequenceSet"])
    edit(metadata)
    assert errors(KINDS["SequenceSet"], metadata) != []


@pytest.mark.parametrize(
    "edit",
    [
        remove("consolidated_metadata/metadata/weight"),
        change("attributes/source", "somewhere"),
        change(f"{CODES}/shape", [10**12, 0]),
        change(f"{CODES}/codecs", []),
        change("consolidated_metadata/metadata/sequence_id/attributes", {"note": [1]}),
    ],
)
def test_what_may_differ(edit: Callable[[Metadata], None], stored: dict[str, Metadata]) -> None:
    metadata = copy.deepcopy(stored["SequenceSet"])
    edit(metadata)
    assert errors(KINDS["SequenceSet"], metadata) == []


def test_further_arrays_may_be_there(stored: dict[str, Metadata]) -> None:
    metadata = copy.deepcopy(stored["PositionMI"])
    arrays(metadata)["note"] = arrays(stored["SequenceSet"])["codes"]
    assert errors(KINDS["PositionMI"], metadata) == []


def test_a_table_has_rows_only(stored: dict[str, Metadata]) -> None:
    metadata = copy.deepcopy(stored["Table"])
    metadata["consolidated_metadata"]["metadata"] = {}
    assert errors(KINDS["Table"], metadata) != []
    metadata = copy.deepcopy(stored["Table"])
    arrays(metadata)["codes"] = arrays(stored["SequenceSet"])["codes"]
    assert errors(KINDS["Table"], metadata) != []


class MapAttributes(pydantic.BaseModel):
    """Attributes with a part of their own."""

    class Place(pydantic.BaseModel):
        """A place."""

        latitude: float

    place: Place


class Map(Element):
    """A kind with fields of several types."""

    _version = 4

    height: np.float32 = variable("height", dims=("y", "x"), unit="m", ge=-500, nullable=True)
    seen: np.bool_ = variable("seen", dims=("y",))
    name: Coordinate[str] | None = coordinate("name", dims=("y",), unique=True, isin=["a", "b"])

    class Config:
        """Options of the pandera model."""

        attrs = MapAttributes


class CityMap(Map):
    """Is a map."""

    _version = 2


def test_a_kind_of_someone_else_and_those_derived_from_it() -> None:
    schema = json_schema(Map)
    jsonschema.Draft202012Validator.check_schema(schema)
    fields = arrays_of_schema(schema)["properties"]
    assert fields["height"]["properties"]["data_type"] == {"const": "float32"}
    assert fields["seen"]["properties"]["data_type"] == {"const": "bool"}
    assert fields["name"]["properties"]["data_type"] == {"const": "string"}
    assert fields["height"]["x-values"] == [">= -500"]
    assert fields["name"]["x-values"] == ["in ['a', 'b']"]
    assert fields["name"]["x-unique"] is True
    assert arrays_of_schema(schema)["required"] == ["height", "seen"]
    kinds = [
        (one["properties"]["kind"]["const"], one["properties"]["version"]["const"])
        for one in schema["$defs"]["record"]["anyOf"]
    ]
    assert kinds == [("Map", 4), ("CityMap", 2)]
    attributes = {"place": {"latitude": "north"}}
    found = [error.json_path for error in validator(Map).iter_errors({"attributes": attributes})]
    assert "$.attributes.place.latitude" in found


def test_a_derived_element_satisfies_its_parents_schema(tmp_path: Path) -> None:
    values = np.zeros((3, 2), np.float32)
    city = CityMap.build(height=values, seen=[True] * 3, place={"latitude": 52.5})
    mt.Analysis({"city": city}).write(tmp_path / "study.zarr")
    path = tmp_path / "study.zarr" / mt.open(tmp_path / "study.zarr").path("city")
    metadata = json.loads((path / "zarr.json").read_text())
    assert errors(CityMap, metadata) == []
    assert errors(Map, metadata) == []
    metadata["attributes"]["mutua"]["version"] = 4
    assert errors(Map, metadata) != []
