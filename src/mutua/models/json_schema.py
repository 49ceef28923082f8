"""The JSON Schema of a kind, which validates the ``zarr.json`` of a stored element.

A stored element is one zarr v3 group whose ``zarr.json`` also holds the metadata of its arrays
(inline consolidated metadata). The schema says what the kind asks of them: which arrays there
are, their types and dims, the attributes, and the record. It says nothing of values, which are
not in that file; what the kind asks of those is written down under keys that begin with ``x-``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mutua.models.base import KINDS, Element, FieldSpec
from mutua.models.dims import RECORD
from mutua.models.faults import condition

__all__ = ["DIALECT", "json_schema", "schema_text", "write_schemas"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


def json_schema(kind: type[Element]) -> Schema:
    """Give the JSON Schema (draft 2020-12) of the ``zarr.json`` of an element of a kind.

    Elements of the kinds derived from it in the same package satisfy it as well.

    Parameters
    ----------
    kind
        Any kind.

    Returns
    -------
    dict
        The same for the same kind, whatever else has been defined or imported.

    Examples
    --------
    >>> from mutua.models import SequenceSet
    >>> schema = json_schema(SequenceSet)
    >>> schema["$id"]
    'urn:mutua:schema:SequenceSet:1'
    >>> arrays = schema["properties"]["consolidated_metadata"]["properties"]["metadata"]
    >>> arrays["properties"]["codes"]["properties"]["data_type"]
    {'const': 'uint8'}
    """
    attributes, definitions = _attributes(kind)
    definitions |= {"record": _record(kind), "step": _STEP}
    return {
        "$schema": DIALECT,
        "$id": f"urn:mutua:schema:{kind.__name__}:{kind._version}",
        "title": kind.__name__,
        "description": _paragraphs(kind),
        "type": "object",
        "properties": {
            "zarr_format": {"const": 3},
            "node_type": {"const": "group"},
            "attributes": attributes,
            "consolidated_metadata": {
                "type": "object",
                "properties": {"kind": {"const": "inline"}, "metadata": _arrays(kind)},
                "required": ["kind", "metadata"],
            },
        },
        "required": ["zarr_format", "node_type", "attributes", "consolidated_metadata"],
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text(kind: type[Element]) -> str:
    """Give the JSON Schema of a kind as it is written to a file."""
    return json.dumps(json_schema(kind), indent=2, ensure_ascii=False) + "\n"


def write_schemas(folder: str | Path) -> list[Path]:
    """Write the JSON Schema of every kind of mutua to ``<folder>/<Kind>.json``.

    Files of kinds that are no more are removed.

    Parameters
    ----------
    folder
        Made where it is not there.

    Returns
    -------
    list of Path
        The files written, sorted.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / f"{kind.__name__}.json": schema_text(kind) for kind in _own_kinds()}
    for stale in set(folder.glob("*.json")) - set(files):
        if f'"$id": "urn:mutua:schema:{stale.stem}:' in stale.read_text(encoding="utf-8"):
            stale.unlink()
    for file, text in files.items():
        file.write_text(text, encoding="utf-8")
    return sorted(files)


def _own_kinds() -> list[type[Element]]:
    """Give the kinds of mutua itself, without those of the program that imports it."""
    return [kind for _, kind in sorted(KINDS.items()) if _package(kind) == "mutua"]


def _package(kind: type[Element]) -> str:
    return kind.__module__.partition(".")[0]


def _paragraphs(kind: type[Element]) -> str:
    lines = (kind.__doc__ or "").strip().split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in lines)


# -- arrays ------------------------------------------------------------------------------------


def _arrays(kind: type[Element]) -> Schema:
    specs = kind.specs()
    required = [name for name, spec in specs.items() if spec.required]
    schema: Schema = {
        "type": "object",
        "properties": {name: _field(spec) for name, spec in specs.items()},
        "required": required,
        "additionalProperties": _other_array(kind),
    }
    if not required:
        schema["minProperties"] = 1
    return schema


def _array(dims: Schema, **further: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "node_type": {"const": "array"},
            "zarr_format": {"const": 3},
            "dimension_names": dims,
            **further,
        },
        "required": ["node_type", "zarr_format", "shape", "data_type", "dimension_names"],
    }


def _other_array(kind: type[Element]) -> Schema:
    """Give what is asked of an array that is no field of the kind."""
    if kind._other_dims is None:
        return _array({"type": "array", "items": {"type": "string"}})
    return _array({"enum": [list(kind._other_dims), []]})


def _field(spec: FieldSpec) -> Schema:
    size = {"type": "integer", "minimum": 0}
    n_dims = len(spec.dims)
    schema: Schema = {
        "title": spec.name,
        "description": spec.description,
        "x-role": "coordinate" if spec.is_coordinate else "variable",
        "x-unit": spec.unit,
    }
    if spec.unique:
        schema["x-unique"] = True
    if not spec.nullable and spec.dtype is not str and np.dtype(spec.dtype).kind in "fc":
        schema["x-nan"] = False
    if spec.checks:
        schema["x-values"] = [condition(check) for check in spec.checks]
    shape = {"type": "array", "items": size, "minItems": n_dims, "maxItems": n_dims}
    return schema | _array(
        {"const": list(spec.dims)}, shape=shape, data_type={"const": _data_type(spec.dtype)}
    )


def _data_type(dtype: Any) -> str:
    """Give the zarr data type that values of a field are stored as."""
    return "string" if dtype is str else np.dtype(dtype).name


# -- attributes --------------------------------------------------------------------------------


def _attributes(kind: type[Element]) -> tuple[Schema, Schema]:
    """Give the schema of the attributes, and the definitions that it refers to."""
    schema = kind.__config__.attrs.model_json_schema()
    definitions = schema.pop("$defs", {})
    schema.pop("title", None)
    properties = schema.get("properties", {})
    for attribute in properties.values():
        attribute.pop("title", None)  # pydantic makes it from the name
    schema["properties"] = {**properties, RECORD: {"$ref": "#/$defs/record"}}
    schema["required"] = [*schema.get("required", []), RECORD]
    return schema, definitions


def _record(kind: type[Element]) -> Schema:
    package = _package(kind)
    derived = sorted(
        (known.__name__, known._version)
        for known in KINDS.values()
        if issubclass(known, kind) and known is not kind and _package(known) == package
    )
    named = [
        {"properties": {"kind": {"const": name}, "version": {"const": version}}}
        for name, version in [(kind.__name__, kind._version), *derived]
    ]
    return {
        "description": "what the element is and how it was made",
        "type": "object",
        "properties": {
            "kind": {"type": "string"},
            "version": {"type": "integer"},
            "steps": {
                "description": "every call that led to the element, its own last",
                "type": "array",
                "items": {"$ref": "#/$defs/step"},
                "minItems": 1,
            },
            "element": {
                "description": "dims, types and digests of the element as it was made",
                "type": "object",
                "properties": {
                    "dims": {"type": "object", "additionalProperties": {"type": "integer"}},
                    "dtypes": {"type": "object", "additionalProperties": {"type": "string"}},
                    "digests": {"type": "object", "additionalProperties": {"type": "string"}},
                },
                "required": ["dims", "dtypes", "digests"],
            },
        },
        "required": ["kind", "version", "steps", "element"],
        "anyOf": named,
    }


_STEP: Schema = {
    "description": "one call",
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "function": {"type": "string"},
        "arguments": {"type": "object"},
        "inputs": {
            "description": "elements it was given: the step that made each, and its digest",
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "argument": {"type": "string"},
                    "step": {"type": ["string", "null"]},
                    "digest": {"type": "object"},
                },
                "required": ["argument", "step"],
            },
        },
        "versions": {"type": "object", "additionalProperties": {"type": "string"}},
        "seed": {},
        "source": {"const": "supplied"},
    },
    "required": ["id", "function", "arguments", "inputs", "versions"],
}
