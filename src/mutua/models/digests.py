"""Digests: short names for the contents of arrays and elements.

A digest never forces a computation. Its method says what it stands for: `content` for data in
memory, `stored` for data opened from a store (accumulated while they were written), `graph` for
the dask graph of data that nobody has computed yet.

Hashing 200 MB takes some 20 ms, too long for every call. What was hashed is therefore remembered
for as long as the array lives, together with a sample of its values; an array whose sample
changed is hashed anew. Writing to a store never relies on that memory.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import numpy as np
import xarray as xr
import xxhash

from mutua.models.dims import RECORD

__all__ = ["STORED_PREFIX", "Digest", "array_digest", "element_digest", "is_lazy", "remembered"]

Digest = dict[str, str]
"""``{"method": "content" | "stored" | "graph", "value": <hexadecimal>}``."""

STORED_PREFIX = "mutua-stored-"
"""Names of dask arrays opened from a store begin so, followed by the element's digest."""

_SAMPLE = 4096
_BLOCK = 1 << 24
_SMALL = 1 << 12

T = TypeVar("T")
_memory: dict[tuple[int, Hashable], tuple[weakref.ref[np.ndarray], int, Any]] = {}
_lock = threading.RLock()  # a finalizer may run while the lock is held by its own thread


def is_lazy(variable: xr.Variable | xr.DataArray) -> bool:
    """Tell whether reading the values would need a computation or a file."""
    inner = variable.variable if isinstance(variable, xr.DataArray) else variable
    return not inner._in_memory


def remembered(values: np.ndarray, purpose: Hashable, compute: Callable[[], T]) -> T:
    """Give `compute()`, or what it gave before for this very array if a sample is unchanged.

    Parameters
    ----------
    values
        The array that the result depends on.
    purpose
        Tells results of different computations on one array apart.
    compute
        Called without arguments when nothing is remembered.
    """
    if values.nbytes < _SMALL:
        return compute()
    key = (id(values), purpose)
    sample = _sample(values)
    with _lock:
        known = _memory.get(key)
    if known is not None and known[0]() is values and known[1] == sample:
        return known[2]  # type: ignore[no-any-return]
    result = compute()

    def forget(_: object) -> None:
        with _lock:
            _memory.pop(key, None)

    with _lock:
        _memory[key] = (weakref.ref(values, forget), sample, result)
    return result


def _sample(values: np.ndarray) -> int:
    """Hash shape, type and about `_SAMPLE` values spread over the whole array."""
    step = max(1, round((values.size / _SAMPLE) ** (1 / max(values.ndim, 1))))
    # The step of each axis is odd: an even one would always meet the same letters of a repeat.
    picked = values[tuple(slice(None, None, step | 1) for _ in range(values.ndim))]
    hasher = xxhash.xxh3_64(f"{values.shape}{values.strides}{values.dtype.str}".encode())
    if values.dtype.hasobject:
        hasher.update("\0".join(map(str, picked.ravel().tolist())).encode())
    else:
        hasher.update(np.ascontiguousarray(picked).reshape(-1).view(np.uint8).data)
    return hasher.intdigest()


def hash_values(values: np.ndarray, hasher: Any = None) -> Any:
    """Hash an array of any type, block by block so that views need no full copy."""
    hasher = xxhash.xxh3_128() if hasher is None else hasher
    strings = values.dtype.kind in "OTU"
    hasher.update(f"{values.shape}{'str' if strings else values.dtype.str}".encode())
    if values.size == 0:
        return hasher
    rows = values.reshape(1) if values.ndim == 0 else values
    if strings:
        for start in range(0, len(rows), 1 << 16):
            block = rows[start : start + (1 << 16)].ravel().tolist()
            hasher.update("\0".join(map(str, block)).encode() + b"\0")
        return hasher
    per_row = max(1, rows.nbytes // len(rows))
    step = max(1, _BLOCK // per_row)
    for start in range(0, len(rows), step):
        block = np.ascontiguousarray(rows[start : start + step])
        hasher.update(block.reshape(-1).view(np.uint8).data)
    return hasher


def array_digest(variable: xr.Variable, *, fresh: bool = False) -> Digest:
    """Give the digest of one variable without computing it.

    Parameters
    ----------
    variable
        In memory, dask-backed or lazily opened.
    fresh
        Hash the values even where their digest is remembered.
    """
    if is_lazy(variable):
        name = getattr(variable._data, "name", None)
        if name is None:  # xarray's own lazy arrays: named by what they would read
            name = repr(variable._data)
        return {"method": "graph", "value": xxhash.xxh3_128_hexdigest(str(name).encode())}
    values = np.asarray(variable.values)
    if fresh:
        value = hash_values(values).hexdigest()
    else:
        value = remembered(values, "digest", lambda: hash_values(values).hexdigest())
    return {"method": "content", "value": value}


def _stored_as(element: xr.Dataset) -> str | None:
    """Give the stored digest an opened and unchanged element was named after."""
    found: set[str] = set()
    for name, variable in element.variables.items():
        graph_name = getattr(variable._data, "name", None) if is_lazy(variable) else None
        if graph_name is None:
            continue
        prefix, _, digest = str(graph_name).rpartition("-")
        if prefix != f"{STORED_PREFIX}{name}":
            return None
        found.add(digest)
    return found.pop() if len(found) == 1 else None


def element_digest(element: xr.Dataset, *, fresh: bool = False) -> Digest:
    """Give the digest of a whole element: dims, types, values and attributes but the record.

    Parameters
    ----------
    element
        Any Dataset.
    fresh
        Hash values even where their digest is remembered.
    """
    hasher = xxhash.xxh3_128()
    method = "content"
    stored = _stored_as(element)
    for name in sorted(element.variables, key=str):
        variable = element.variables[name]
        hasher.update(f"{name}{variable.dims}{variable.shape}".encode())
        if stored is not None and is_lazy(variable):
            method = "stored"
            hasher.update(stored.encode())
            continue
        digest = array_digest(variable, fresh=fresh)
        if digest["method"] == "graph":
            method = "graph"
        hasher.update(digest["value"].encode())
        hasher.update(_attributes(variable.attrs))
    hasher.update(_attributes(element.attrs))
    return {"method": method, "value": hasher.hexdigest()}


def _attributes(attrs: Mapping[Any, Any]) -> bytes:
    """Give attributes as bytes, the record left out, in an order that is always the same."""
    return repr(
        sorted(
            (str(key), value.tolist() if isinstance(value, np.generic | np.ndarray) else value)
            for key, value in attrs.items()
            if key != RECORD
        )
    ).encode()
