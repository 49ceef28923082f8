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
import inspect
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import anndata
import numpy as np
import pandas as pd
import xarray as xr
import xxhash

from mutua.models.digests import Digest, element_digest, hash_values
from mutua.models.dims import RECORD

__all__ = ["EDITED", "Record", "call_step", "read_record", "stamp", "supplied_step"]

Record = dict[str, Any]
Step = dict[str, Any]

EDITED = "edited outside mutua"
SUPPLIED = "supplied"


def read_record(holder: xr.Dataset | anndata.AnnData) -> Record | None:
    """Give the record of an element, or None where it has none that can be read."""
    attrs: Mapping[Any, Any] = holder.uns if isinstance(holder, anndata.AnnData) else holder.attrs
    found = attrs.get(RECORD)
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except json.JSONDecodeError:
            return None
    sound = (
        isinstance(found, Mapping)
        and isinstance(found.get("kind"), str)
        and isinstance(found.get("version"), int)
        and isinstance(found.get("steps"), list)
        and isinstance(found.get("element"), Mapping)
    )
    return json.loads(json.dumps(found)) if sound else None


def write_record(holder: xr.Dataset | anndata.AnnData, record: Record) -> None:
    """Put a record into an element, in place."""
    text = json.dumps(record, separators=(",", ":"), allow_nan=True)
    if isinstance(holder, anndata.AnnData):
        holder.uns[RECORD] = text
    else:
        holder.attrs[RECORD] = text


@functools.cache
def versions() -> dict[str, str]:
    """Give the versions that a result depends on; torch only where it is in use."""
    found = {"mutua": importlib.metadata.version("mutua"), "numpy": np.__version__}
    return found


def _versions_now() -> dict[str, str]:
    torch = sys.modules.get("torch")
    known = {} if torch is None else {"torch": str(torch.__version__)}
    return versions() | known


def digest_of(element: xr.Dataset | anndata.AnnData, *, fresh: bool = False) -> Digest:
    """Give the digest of an element of either container."""
    if isinstance(element, anndata.AnnData):
        return anndata_digest(element)
    return element_digest(element, fresh=fresh)


def anndata_digest(adata: anndata.AnnData) -> Digest:
    """Give the digest of everything an AnnData holds but the record."""
    hasher = xxhash.xxh3_128()

    def feed(value: Any) -> None:
        if isinstance(value, pd.DataFrame):
            hasher.update(f"frame{list(value.columns)}".encode())
            hash_values(np.asarray(value.index.astype(str), dtype=object), hasher)
            for column in value.columns:
                hash_values(np.asarray(value[column].astype(object)), hasher)
        elif hasattr(value, "tocsr") and hasattr(value, "data"):
            matrix = value.tocsr()
            matrix.sort_indices()
            for part in (matrix.indptr, matrix.indices, matrix.data):
                hash_values(np.asarray(part), hasher)
        elif isinstance(value, Mapping):
            for key in sorted(value, key=str):
                if key != RECORD:
                    hasher.update(str(key).encode())
                    feed(value[key])
        elif isinstance(value, np.ndarray):
            hash_values(value, hasher)
        else:
            hasher.update(repr(value).encode())

    for part in (adata.X, adata.obs, adata.var, adata.uns):
        feed(part)
    for mapping in (adata.obsm, adata.varm, adata.obsp, adata.varp, adata.layers):
        feed(dict(mapping))
    return {"method": "content", "value": hasher.hexdigest()}


def describe(value: Any) -> Any:
    """Give an argument as JSON: as it is, or by what identifies it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if isinstance(value, list | tuple | set | range):
        items = sorted(value, key=str) if isinstance(value, set) else list(value)
        if len(items) > 64:
            text = json.dumps([describe(item) for item in items], default=str)
            return {
                "type": type(value).__name__,
                "length": len(items),
                "digest": xxhash.xxh3_128_hexdigest(text.encode()),
            }
        return [describe(item) for item in items]
    state = getattr(value, "state_dict", None)
    if callable(state) and hasattr(value, "forward"):
        return {"model": _qualified_name(type(value)), "state": _state_digest(state())}
    if isinstance(value, xr.DataArray | pd.Series | pd.DataFrame | np.ndarray):
        values = np.asarray(value)
        return {
            "array": type(value).__name__,
            "shape": list(values.shape),
            "dtype": str(values.dtype),
            "digest": hash_values(values).hexdigest(),
        }
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        return describe(value.detach().cpu().numpy())
    if callable(value):
        return {"callable": _qualified_name(value), "reproducible": False}
    return {"object": _qualified_name(type(value)), "reproducible": False}


def _qualified_name(thing: Any) -> str:
    name = getattr(thing, "__qualname__", type(thing).__qualname__)
    return f"{getattr(thing, '__module__', '?')}.{name}"


def _state_digest(state: Mapping[str, Any]) -> str:
    hasher = xxhash.xxh3_128()
    for key, tensor in state.items():
        hasher.update(key.encode())
        if hasattr(tensor, "detach"):
            hash_values(tensor.detach().cpu().numpy(), hasher)
        else:
            hasher.update(repr(tensor).encode())
    return hasher.hexdigest()


def _shape(element: xr.Dataset | anndata.AnnData) -> dict[str, Any]:
    """Give dims and types of an element; strings of any width count as one type."""
    if isinstance(element, anndata.AnnData):
        return {"dims": {"obs": element.n_obs, "var": element.n_vars}, "dtypes": {}}
    dtypes = {
        str(name): "str" if part.dtype.kind in "OTU" else str(part.dtype)
        for name, part in sorted(element.variables.items(), key=lambda item: str(item[0]))
    }
    return {"dims": {str(dim): size for dim, size in element.sizes.items()}, "dtypes": dtypes}


def was_edited(element: xr.Dataset | anndata.AnnData, record: Record) -> bool:
    """Tell whether an element is no longer what its record says.

    Without a digest of the same method on record (an element that was lazy when it was made
    and is in memory now) dims and types alone decide.
    """
    made, now = record["element"], _shape(element)
    if made.get("dims") != now["dims"] or made.get("dtypes") != now["dtypes"]:
        return True
    digest = digest_of(element)
    known = made.get("digests", {}).get(digest["method"])
    return known is not None and known != digest["value"]


def chain(element: xr.Dataset | anndata.AnnData) -> list[Step]:
    """Give all the steps that led to an element, in order, the last one its own."""
    record = read_record(element)
    if record is None:
        return [_step(SUPPLIED, {}, [], digest_of(element))]
    steps: list[Step] = record["steps"]
    if not was_edited(element, record):
        return steps
    source = {"argument": "element", "step": steps[-1]["id"] if steps else None}
    return [*steps, _step(EDITED, {}, [source], digest_of(element))]


def _step(
    function: str, arguments: Mapping[str, Any], inputs: list[dict[str, Any]], salt: Any = None
) -> Step:
    body: Step = {
        "function": function,
        "arguments": dict(arguments),
        "inputs": inputs,
        "versions": _versions_now(),
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
    inputs, plain = [], {}
    for name, value in arguments.items():
        if isinstance(value, xr.Dataset | anndata.AnnData):
            before = chain(value)
            steps.update((step["id"], step) for step in before)
            inputs.append(
                {"argument": name, "step": before[-1]["id"], "digest": digest_of(value)}
            )
        else:
            plain[name] = describe(value)
    own = _step(function, plain, inputs)
    steps.pop(own["id"], None)
    return [*steps.values(), own]


def stamp(
    element: xr.Dataset | anndata.AnnData, kind: str, version: int, steps: list[Step]
) -> None:
    """Write the record of a new element into it, in place."""
    record = {"kind": kind, "version": version, "steps": steps, "element": {}}
    write_record(element, record)
    digest = digest_of(element)
    record["element"] = {**_shape(element), "digests": {digest["method"]: digest["value"]}}
    write_record(element, record)


def function_name(function: Callable[..., Any]) -> str:
    """Give the public name of a function: ``tl.position_mi`` for one in `mutua.tl`."""
    module = inspect.getmodule(function)
    parts = (module.__name__ if module else "").split(".")
    place = parts[1] if len(parts) > 1 and parts[0] == "mutua" else ".".join(parts)
    short = getattr(function, "__qualname__", str(function))
    return f"{place}.{short}" if place in ("pp", "tl", "pl", "datasets") else short
