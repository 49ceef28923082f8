"""Write a page for every kind of element, read from its model, before Sphinx reads the sources."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pages import heading, table, write_pages
from public import Name, groups, kinds, summary
from sphinx.application import Sphinx

from mutua.models import Element
from mutua.models.base import FieldSpec
from mutua.models.faults import condition
from mutua.models.json_schema import json_schema, schema_text

FOLDER = "kinds"
_INTRODUCTION = """\
An element is a plain ``xarray.Dataset`` that satisfies one of these kinds. What stands here is read
from the models that check the elements, so it is what is checked. Further variables, coordinates
and attributes may always be there. :doc:`/guide/containers` says how to work with elements,
:doc:`/architecture` how to add a kind.
"""
_EVERY = """\
Every element also carries the attribute ``mutua``, its record: kind, version, and every call that
led to it.
"""


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the pages."""
    app.connect("builder-inited", write_kinds)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_kinds(app: Sphinx) -> None:
    """Write ``docs/kinds/``: a page and the JSON Schema of every kind, and their list."""
    folder = Path(app.srcdir) / FOLDER
    users = [name for group in groups() for name in group.names if inspect.isfunction(name.value)]
    pages = {name: _page(name, kind, users) for name, kind in kinds().items()}
    write_pages(folder, {**pages, "index": _index()})
    schemas = {name: schema_text(kind) for name, kind in kinds().items()}
    write_pages(folder, schemas, suffix=".json")


def _index() -> str:
    rows = [(f":doc:`{name}`", summary(kind)) for name, kind in kinds().items()]
    names = [f"   {name}" for name in kinds()]
    parts = [heading("Kinds of elements", "="), _INTRODUCTION, table(["kind", "what it is"], rows)]
    return "\n".join([*parts, ".. toctree::", "   :hidden:", "", *names, ""])


def _page(name: str, kind: type[Element], users: list[Name]) -> str:
    specs = kind.specs().values()
    parts = [heading(name, "="), ".. currentmodule:: mutua\n"]
    parts.append(f".. py:class:: {name}\n")
    parts += [f"   {line}".rstrip() for line in (inspect.getdoc(kind) or "").splitlines()]
    parts.append("")
    parts += list(_relations(name, kind, users))
    for title, wanted in (("Variables", False), ("Coordinates", True)):
        rows = [_field(spec) for spec in specs if spec.is_coordinate is wanted]
        parts.append(heading(title, "-"))
        header = ["name", "dims", "type", "unit", "what it is"]
        parts.append(table(header, rows) if rows else "None are asked for.\n")
    parts.append(heading("Attributes", "-"))
    rows = list(_attributes(kind))
    if rows:
        parts.append(table(["name", "type", "what it is"], rows))
    parts.append(_EVERY)
    parts.append(heading("Making and checking", "-"))
    parts.append(f".. automethod:: {name}.build\n")
    parts.append(f"`models.Element` says what ``{name}.check`` does.\n")
    parts.append(heading("JSON Schema", "-"))
    parts.append(
        f":download:`{name}.json <{name}.json>` validates the ``zarr.json`` of a stored element in "
        "any language (:doc:`/guide/store`). It is version "
        f"{kind._version} of the kind.\n"
    )
    return "\n".join(parts)


def _relations(name: str, kind: type[Element], users: list[Name]) -> Iterator[str]:
    parents = [base.__name__ for base in kind.__bases__ if base.__name__ in kinds()]
    if parents:
        shown = ", ".join(f":doc:`{parent}`" for parent in parents)
        yield f"It is a {shown} as well, and accepted wherever one is asked for.\n"
    pattern = re.compile(rf"\b{name}\b")
    given, taken = [], []
    for user in users:
        annotations = inspect.get_annotations(user.value)
        result = annotations.pop("return", "")
        if pattern.search(str(result)):
            given.append(user.path)
        if any(pattern.search(str(annotation)) for annotation in annotations.values()):
            taken.append(user.path)
    for what, paths in (("Given by", given), ("Taken by", taken)):
        if paths:
            yield f"{what} {', '.join(f'`{path}`' for path in paths)}.\n"


def _field(spec: FieldSpec) -> tuple[str, ...]:
    dtype = "string" if spec.dtype is str else np.dtype(spec.dtype).name
    notes = [] if spec.required else ["optional"]
    notes += ["unique"] if spec.unique else []
    notes += ["may be NaN"] if spec.nullable and spec.dtype is not str else []
    notes += [condition(check) for check in spec.checks]
    text = f"{_plain(spec.description)} *({'; '.join(map(_plain, notes))})*" if notes else ""
    return (
        f"``{spec.name}``",
        ", ".join(spec.dims),
        dtype,
        "" if spec.unit == "1" else spec.unit,
        text or _plain(spec.description),
    )


def _attributes(kind: type[Element]) -> Iterator[tuple[str, ...]]:
    schema = json_schema(kind)["properties"]["attributes"]
    for name, field in schema["properties"].items():
        if name == "mutua":
            continue
        text = _plain(field.get("description", ""))
        if name not in schema["required"]:
            text += f" *(optional; {_plain(repr(field.get('default')))} where it is not given)*"
        yield f"``{name}``", _type(field), text


def _type(field: dict[str, Any]) -> str:
    """Give the type of an attribute in words, from its JSON Schema."""
    if "enum" in field:
        return " or ".join(f"``{value!r}``" for value in field["enum"])
    if "const" in field:
        return f"``{field['const']!r}``"
    if "anyOf" in field:
        return " or ".join(_type(option) for option in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}))}"
    least = field.get("minimum", field.get("exclusiveMinimum"))
    bound = "" if least is None else f" {'≥' if 'minimum' in field else '>'} {least}"
    return f"{field.get('type', 'any')}{bound}"


def _plain(text: str) -> str:
    """Give text that reStructuredText leaves as it is, but for names in backticks."""
    return re.sub(r"([*|\\])", r"\\\1", text)
