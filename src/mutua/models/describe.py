"""Arguments of a call as JSON: as they are where they are small, else by what identifies them."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import anndata
import numpy as np
import pandas as pd
import xarray as xr
import xxhash

from mutua.models.anndata_digest import anndata_digest
from mutua.models.digests import Digest, array_digest, element_digest, hash_values

__all__ = ["describe", "digest_of"]

_MOST_ITEMS = 64
_MOST_TEXT = 4096
_MOST_JSON = 1 << 15


def digest_of(element: xr.Dataset | anndata.AnnData, *, fresh: bool = False) -> Digest:
    """Give the digest of an element of either container."""
    if isinstance(element, anndata.AnnData):
        return anndata_digest(element, fresh=fresh)
    return element_digest(element, fresh=fresh)


def describe(value: Any) -> Any:
    """Give an argument as JSON that is the same whenever the argument is, and never long.

    Numbers and short texts stay as they are, NaN and infinity become texts, which JSON has no
    numbers for. Arrays, long lists, long texts and elements are described by a digest, models by
    their class and the digest of their weights. What cannot be identified (a function, an object
    of another library) carries ``"reproducible": false``.
    """
    described = _describe(value)
    if isinstance(described, list | dict):
        text = json.dumps(described, sort_keys=True)
        if len(text) > _MOST_JSON:
            return _digested(value, text)
    return described


def _describe(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, str | bytes):
        return _of_text(value)
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return _describe(value.item())
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, range | slice):
        return {type(value).__name__: [value.start, value.stop, value.step]}
    if isinstance(value, xr.Dataset | anndata.AnnData):  # a Dataset is a Mapping as well
        return {"element": type(value).__name__, "digest": digest_of(value)}
    if isinstance(value, Mapping):
        return {str(key): _describe(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return _of_items(value)
    for understand in (_of_array, _of_model):
        known = understand(value)
        if known is not None:
            return known
    if isinstance(value, np.dtype | np.datetime64 | np.timedelta64 | pd.Timestamp | pd.Timedelta):
        return str(value)
    if callable(value):
        return {"callable": qualified_name(value), "reproducible": False}
    return {"object": qualified_name(type(value)), "reproducible": False}


def _of_text(value: str | bytes) -> Any:
    if isinstance(value, str) and len(value) <= _MOST_TEXT:
        return str.__str__(value)
    content = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return _digested(value, content)


def _of_items(value: Any) -> Any:
    items = sorted(value, key=repr) if isinstance(value, set | frozenset) else list(value)
    if len(items) <= _MOST_ITEMS:
        return [_describe(item) for item in items]
    if {type(item) for item in items} <= {str, int, float, bool}:
        flat = np.empty(len(items), dtype=object)
        flat[:] = items
        return _digested(value, hash_values(flat).digest())
    return _digested(value, json.dumps([_describe(item) for item in items], sort_keys=True))


def _digested(value: Any, content: str | bytes) -> dict[str, Any]:
    text = content.encode() if isinstance(content, str) else content
    return {
        "type": type(value).__name__,
        "length": len(value),
        "digest": xxhash.xxh3_128_hexdigest(text),
    }


def _of_array(value: Any) -> dict[str, Any] | None:
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        values = tensor_values(value)
        shape, dtype = list(value.shape), str(value.dtype)
    elif isinstance(value, xr.DataArray) and not value.variable._in_memory:
        return {
            "array": "DataArray",
            "shape": list(value.shape),
            "dtype": str(value.dtype),
            "digest": array_digest(value.variable)["value"],
        }
    elif isinstance(value, xr.DataArray | pd.Series | pd.Index | pd.DataFrame | np.ndarray):
        values = np.asarray(value)
        shape, dtype = list(values.shape), str(values.dtype)
    else:
        return None
    hasher = hash_values(values)
    for names in (getattr(value, "dims", ()), getattr(value, "columns", ())):
        hasher.update(repr([str(name) for name in names]).encode())
    return {
        "array": type(value).__name__,
        "shape": shape,
        "dtype": dtype,
        "digest": hasher.hexdigest(),
    }


def _of_model(value: Any) -> dict[str, Any] | None:
    state = getattr(value, "state_dict", None)
    if isinstance(value, type) or not callable(state) or not hasattr(value, "forward"):
        return None
    return {"model": qualified_name(type(value)), "state": _state_digest(state())}


def _state_digest(state: Mapping[str, Any]) -> str:
    hasher = xxhash.xxh3_128()
    for key, tensor in state.items():
        hasher.update(f"{key}\0".encode())
        if hasattr(tensor, "detach"):
            hasher.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            hash_values(tensor_values(tensor), hasher)
        else:
            hasher.update(repr(tensor).encode())
    return hasher.hexdigest()


def tensor_values(tensor: Any) -> np.ndarray:
    """Give a torch tensor as numpy, as raw bytes where numpy has no such type (bfloat16)."""
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    try:
        return np.asarray(tensor.numpy())
    except TypeError:
        torch = sys.modules["torch"]  # there is one, as the tensor came from it
        return np.asarray(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())


def qualified_name(thing: Callable[..., Any] | type) -> str:
    """Give module and name of a class or function."""
    name = getattr(thing, "__qualname__", type(thing).__qualname__)
    return f"{getattr(thing, '__module__', '?')}.{name}"
