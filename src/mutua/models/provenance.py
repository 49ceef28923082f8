"""Provenance: what made an element, from what, with which arguments and versions.

Every element carries `attrs["mutua"]`, a JSON text (a JSON object once stored) with three parts:

- ``kind`` and ``version`` of its schema;
- ``steps``: every call that led to it, each with an id, the function, all its arguments, the
  seed, the versions of mutua, numpy and torch, and for each input the step that made it and its
  digest; the last step is the one that made the element itself;
- ``element``: dims, types and digests of the element as it was made.

xarray keeps attributes through `isel`, arithmetic and `concat`. Where the last part no longer
matches the element, the chain goes on with a step "edited outside mutua".
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import anndata
import numpy as np
import xarray as xr
import xxhash

from mutua.models.anndata_digest import anndata_digest
from mutua.models.describe import describe, digest_of
from mutua.models.digests import (
    Digest,
    attributes_digest,
    digest_of_parts,
    graph_name,
    variable_digests,
)
from mutua.models.dims import RECORD

__all__ = [
    "EDITED",
    "SUPPLIED",
    "Record",
    "anndata_digest",
    "call_step",
    "chain",
    "describe",
    "digest_of",
    "read_record",
    "stamp",
    "supplied_step",
    "versions",
    "was_edited",
    "write_record",
]

Record = dict[str, Any]
Step = dict[str, Any]

EDITED = "edited outside mutua"
SUPPLIED = "supplied"
_AS_IT_WAS = ("xarray-", "open_dataset-")
"""How xarray names what `.chunk()` was applied to and what `xarray.open_zarr` opened."""


def read_record(holder: xr.Dataset | anndata.AnnData) -> Record | None:
    """Give the record of an element, or None where it has none that can be read."""
    attrs: Mapping[Any, Any] = holder.uns if isinstance(holder, anndata.AnnData) else holder.attrs
    found = attrs.get(RECORD)
    try:
        # From an object through text as well: the caller may change what it gets.
        found = json.loads(found if isinstance(found, str) else json.dumps(found))
    except (TypeError, ValueError):
        return None
    sound = (
        isinstance(found, dict)
        and isinstance(found.get("kind"), str)
        and isinstance(found.get("version"), int)
        and isinstance(found.get("steps"), list)
        and isinstance(found.get("element"), dict)
        and all(isinstance(step, dict) and "id" in step for step in found["steps"])
    )
    return found if sound else None


def write_record(holder: xr.Dataset | anndata.AnnData, record: Record) -> None:
    """Put a record into an element, in place."""
    text = json.dumps(record, separators=(",", ":"), allow_nan=True)
    if isinstance(holder, anndata.AnnData):
        holder.uns[RECORD] = text
    else:
        holder.attrs[RECORD] = text


@functools.cache
def versions() -> dict[str, str]:
    """Give the versions that a result depends on, whatever has been imported so far."""
    found = {name: importlib.metadata.version(name) for name in ("mutua", "torch")}
    return {"mutua": found["mutua"], "numpy": np.__version__, "torch": found["torch"]}


def _shape(element: xr.Dataset | anndata.AnnData) -> dict[str, Any]:
    """Give dims and types of an element; strings of any width count as one type."""
    if isinstance(element, anndata.AnnData):
        return {"dims": {"obs": element.n_obs, "var": element.n_vars}, "dtypes": {}}
    dtypes = {
        str(name): "str" if part.dtype.kind in "OTU" else str(part.dtype)
        for name, part in sorted(element.variables.items(), key=lambda item: str(item[0]))
    }
    return {"dims": {str(dim): size for dim, size in element.sizes.items()}, "dtypes": dtypes}


def was_edited(
    element: xr.Dataset | anndata.AnnData, record: Record, digest: Digest | None = None
) -> bool:
    """Tell whether an element is no longer what its record says.

    Every variable is held against the digest on record of the same method. Where there is none,
    because the variable was lazy when it was made and is in memory now, its dims and type alone
    decide; a new graph over values that were in memory or stored counts as an edit.

    Parameters
    ----------
    element, record
        The element and its record.
    digest
        The digest of the element, where it is known already.
    """
    made, now = record["element"], _shape(element)
    if made.get("dims") != now["dims"] or made.get("dtypes") != now["dtypes"]:
        return True
    digest = digest_of(element) if digest is None else digest
    known = made.get("digests", {}).get(digest["method"])
    if known == digest["value"]:
        return False
    parts = made.get("parts")
    if isinstance(element, anndata.AnnData) or not parts:
        return known is not None
    return parts["attributes"] != attributes_digest(element) or any(_edited_parts(element, parts))


def _edited_parts(element: xr.Dataset, parts: Mapping[str, Any]) -> Iterator[bool]:
    for name, digest in variable_digests(element).items():
        before = parts["variables"].get(name, {})
        if digest["method"] in before:
            yield before[digest["method"]] != digest["value"]
        elif digest["method"] == "graph":
            source = graph_name(element.variables[name])
            yield not source.startswith(tuple(f"{how}{name}-" for how in _AS_IT_WAS))


def chain(element: xr.Dataset | anndata.AnnData, digest: Digest | None = None) -> list[Step]:
    """Give all the steps that led to an element, in order, the last one its own.

    Parameters
    ----------
    element
        Of either container, with a record or without.
    digest
        The digest of the element, where it is known already.
    """
    digest = digest_of(element) if digest is None else digest
    record = read_record(element)
    if record is None:
        return [{**_step(SUPPLIED, {}, [], digest), "source": SUPPLIED}]
    steps: list[Step] = record["steps"]
    if not was_edited(element, record, digest):
        return steps
    source = {"argument": "element", "step": steps[-1]["id"] if steps else None}
    return [*steps, _step(EDITED, {}, [source], digest)]


def _step(
    function: str, arguments: Mapping[str, Any], inputs: list[dict[str, Any]], salt: Any = None
) -> Step:
    body: Step = {
        "function": function,
        "arguments": dict(arguments),
        "inputs": inputs,
        "versions": versions(),
    }
    if "seed" in arguments:
        body["seed"] = arguments["seed"]
    text = json.dumps([body, salt], sort_keys=True, default=str)
    return {"id": xxhash.xxh3_64_hexdigest(text.encode()), **body}


def supplied_step(function: str, arguments: Mapping[str, Any], digest: Digest) -> list[Step]:
    """Give the chain of an element that a person supplied through `build` or a reader."""
    described = {name: describe(value) for name, value in arguments.items() if value is not None}
    return [{**_step(function, described, [], digest), "source": SUPPLIED}]


def call_step(function: str, arguments: Mapping[str, Any]) -> list[Step]:
    """Give the chain of a call: the chains of its elements, then the call itself."""
    steps: dict[str, Step] = {}
    inputs, described = [], {}
    for name, value in arguments.items():
        if isinstance(value, xr.Dataset | anndata.AnnData):
            digest = digest_of(value)
            before = chain(value, digest)
            steps.update((step["id"], step) for step in before)
            last = before[-1]["id"] if before else None
            inputs.append({"argument": name, "step": last, "digest": digest})
        else:
            described[name] = describe(value)
    own = _step(function, described, inputs)
    steps.pop(own["id"], None)
    return [*steps.values(), own]


def stamp(
    element: xr.Dataset | anndata.AnnData, kind: str, version: int, steps: list[Step]
) -> None:
    """Write the record of a new element into it, in place."""
    made = _shape(element)
    if isinstance(element, xr.Dataset):
        parts, attributes = variable_digests(element), attributes_digest(element)
        digest = digest_of_parts(element, parts, attributes)
        made["parts"] = {
            "attributes": attributes,
            "variables": {name: {part["method"]: part["value"]} for name, part in parts.items()},
        }
    else:
        digest = anndata_digest(element)
    made["digests"] = {digest["method"]: digest["value"]}
    write_record(element, {"kind": kind, "version": version, "steps": steps, "element": made})


def function_name(function: Callable[..., Any]) -> str:
    """Give the public name of a function: ``tl.position_mi`` for one in `mutua.tl`.

    A function outside mutua has the name of its module before its own.
    """
    module, short = function.__module__, function.__qualname__
    top, _, rest = module.partition(".")
    if top != "mutua":
        return short if module == "__main__" else f"{module}.{short}"
    place = rest.partition(".")[0]
    return f"{place}.{short}" if place in ("pp", "tl", "pl", "get", "datasets") else short
