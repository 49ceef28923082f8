"""Digests: short names for the contents of arrays and elements.

A digest never forces a computation. Its method says what it stands for: `content` for data in
memory, `stored` for data opened from a store (named by the bytes that were written), `graph` for
the dask graph of data that nobody has computed yet.

Hashing 200 MB takes some 20 ms, too long for every call. What was found out about an array is
therefore remembered for as long as the array lives, together with a fingerprint of its values.
The fingerprint of a numeric array of up to 256 KiB covers every byte. That of a larger one covers
2,048 values spread over it, that of strings 128 to 512 of them: a change in place of a whole
column or of one value in a hundred is noticed there, a change of a single value mostly is not.
"""

from __future__ import annotations

import functools
import json
import threading
import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import xarray as xr
import xxhash

from mutua.models.dims import RECORD

__all__ = [
    "STORED_PREFIX",
    "Digest",
    "array_digest",
    "attributes_digest",
    "digest_of_parts",
    "element_digest",
    "forget",
    "graph_name",
    "hash_values",
    "is_lazy",
    "plain",
    "remembered",
    "values_of",
    "variable_digests",
]

Digest = dict[str, str]
"""``{"method": "content" | "stored" | "graph", "value": <hexadecimal>}``."""

STORED_PREFIX = "mutua-stored-"
"""Names of dask arrays opened from a store begin so, followed by the element's digest."""

_EXACT = 1 << 18
"""Bytes up to which a fingerprint covers everything."""
_SAMPLE = 2048
_SAMPLE_STRINGS = {"O": 512, "T": 128}
"""Strings are looked at one by one; those of variable width are made into objects for it."""
_BLOCK = 1 << 24

T = TypeVar("T")
Fingerprint = tuple[tuple[int, ...], str, int]


class _Known(NamedTuple):
    """What is remembered of one array."""

    array: weakref.ref[np.ndarray]
    fingerprint: Fingerprint
    results: dict[Hashable, Any]


_memory: dict[int, _Known] = {}
_lock = threading.RLock()  # a finalizer may run while the lock is held by its own thread


def is_lazy(variable: xr.Variable | xr.DataArray) -> bool:
    """Tell whether reading the values would need a computation or a file."""
    inner = variable.variable if isinstance(variable, xr.DataArray) else variable
    return not inner._in_memory


def values_of(variable: xr.Variable) -> np.ndarray:
    """Give the values of a variable as the array that holds them, and not as a view of it.

    What is remembered of an array is remembered of that very object; ``.values`` makes a new one
    for a memory-mapped file.
    """
    data = variable._data
    return data if isinstance(data, np.ndarray) else np.asarray(variable.values)


def plain(value: Any) -> Any:
    """Give an attribute as JSON gives it back: numpy scalars, arrays and tuples as plain Python."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        return value.item()
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return value


# -- memory ------------------------------------------------------------------------------------


def remembered(values: np.ndarray, purpose: Hashable, compute: Callable[[], T]) -> T:
    """Give `compute()`, or what it gave before for this very array if it looks unchanged.

    Parameters
    ----------
    values
        The array that the result depends on.
    purpose
        Tells results of different computations on one array apart.
    compute
        Called without arguments when nothing is remembered.
    """
    fingerprint = _fingerprint(values)
    with _lock:
        known = _memory.get(id(values))
        if known is not None and known.array() is values and known.fingerprint == fingerprint:
            if purpose in known.results:
                return cast("T", known.results[purpose])
        else:
            known = None
    result = compute()
    with _lock:
        if known is None or _memory.get(id(values)) is not known:
            known = _Known(weakref.ref(values, _forgetter(id(values))), fingerprint, {})
            _memory[id(values)] = known
        known.results[purpose] = result
    return result


def forget(values: np.ndarray) -> None:
    """Forget what is remembered of an array, so that its values are looked at again."""
    with _lock:
        _memory.pop(id(values), None)


def _forgetter(key: int) -> Callable[[object], None]:
    def forget_dead(reference: object) -> None:
        with _lock:
            known = _memory.get(key)
            if known is not None and known.array is reference:
                del _memory[key]

    return forget_dead


def _fingerprint(values: np.ndarray) -> Fingerprint:
    """Give shape, type and a hash of all values, or of a sample where there are many."""
    kind = values.dtype.kind
    if values.dtype.hasobject or kind == "T":
        count = _SAMPLE_STRINGS.get(kind, _SAMPLE)
        picked = values if values.size <= count else values[_positions(values.shape, count)]
        items = picked.ravel().tolist()
        try:
            found = hash(tuple(items))
        except TypeError:
            found = hash(repr(items))
    else:
        picked = values if values.nbytes <= _EXACT else values[_positions(values.shape, _SAMPLE)]
        found = xxhash.xxh3_64_intdigest(_bytes(picked))
    return values.shape, values.dtype.str, found


@functools.lru_cache(maxsize=64)
def _positions(shape: tuple[int, ...], count: int) -> tuple[np.ndarray, ...]:
    """Give positions spread evenly over an array and over each of its axes, the ends included."""
    size = int(np.prod(shape, dtype=np.int64))
    # Multiples of the golden ratio meet every row and column, unlike any fixed step.
    flat = (np.modf(np.arange(count) * 0.6180339887498949)[0] * size).astype(np.int64)
    flat[-1] = size - 1
    return np.unravel_index(flat, shape)


# -- digests -----------------------------------------------------------------------------------


def hash_values(values: np.ndarray, hasher: Any = None, *, dtype: Any = None) -> Any:
    """Hash an array of any type, block by block so that views need no full copy.

    Strings hash alike whatever their width and type, numbers whatever their byte order.

    Parameters
    ----------
    values
        The array.
    hasher
        An xxhash object to update, by default a new one of 128 bits.
    dtype
        Hash numbers as if they were of this type.

    Returns
    -------
    xxhash.xxh3_128
        The hasher.
    """
    hasher = xxhash.xxh3_128() if hasher is None else hasher
    as_text = values.dtype.hasobject or values.dtype.kind in "TU"
    rows = values.reshape(1) if values.ndim == 0 else values
    if as_text:
        hasher.update(f"{values.shape}str".encode())
        for start in range(0, len(rows) if values.size else 0, 1 << 16):
            hasher.update(_text(rows[start : start + (1 << 16)].ravel().tolist()))
        return hasher
    native = values.dtype.newbyteorder("=") if dtype is None else np.dtype(dtype)
    hasher.update(f"{values.shape}{native.str}".encode())
    if values.size == 0:
        return hasher
    step = max(1, _BLOCK // max(1, rows.nbytes // len(rows)))
    for start in range(0, len(rows), step):
        hasher.update(_bytes(rows[start : start + step].astype(native, copy=False)))
    return hasher


def _bytes(values: np.ndarray) -> memoryview:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8).data


def _text(items: list[Any]) -> bytes:
    """Give strings as bytes; the lengths only where a string holds the separator itself."""
    try:
        joined = "\0".join(items)
    except TypeError:
        items = [f"{type(item).__name__} {item!r}" for item in items]
        joined = "\1" + "\0".join(items)
    lengths = "" if joined.count("\0") == len(items) - 1 else str([len(item) for item in items])
    return f"{joined}\0{lengths}\0".encode("utf-8", "surrogatepass")


def graph_name(variable: xr.Variable) -> str:
    """Give what names the data of a lazy variable; other chunks of the same data do not rename it.

    Parameters
    ----------
    variable
        One for which `is_lazy` holds.
    """
    data = variable._data
    name = getattr(data, "name", None)
    if name is None:  # xarray's own lazy arrays: named by what they would read
        return repr(data)
    name, dependencies = str(name), getattr(getattr(data, "dask", None), "dependencies", {})
    while name.startswith("rechunk-"):
        sources = dependencies.get(name, ())
        if len(sources) != 1:
            break
        name = str(next(iter(sources)))
    return name


def array_digest(variable: xr.Variable, *, fresh: bool = False) -> Digest:
    """Give the digest of the values of one variable without computing them.

    Parameters
    ----------
    variable
        In memory, dask-backed or lazily opened.
    fresh
        Hash the values even where their digest is remembered.
    """
    if is_lazy(variable):
        name = graph_name(variable)
        return {"method": "graph", "value": xxhash.xxh3_128_hexdigest(name.encode())}
    values = values_of(variable)
    if fresh:
        forget(values)
    value = remembered(values, "digest", lambda: hash_values(values).hexdigest())
    return {"method": "content", "value": value}


def _stored_as(element: xr.Dataset) -> str | None:
    """Give the stored digest an opened and unchanged element was named after."""
    found: set[str] = set()
    for name, variable in element.variables.items():
        if not is_lazy(variable):
            continue
        prefix, _, digest = graph_name(variable).rpartition("-")
        if prefix != f"{STORED_PREFIX}{name}":
            return None
        found.add(digest)
    return found.pop() if len(found) == 1 else None


def variable_digests(element: xr.Dataset, *, fresh: bool = False) -> dict[str, Digest]:
    """Give the digest of the values of every variable by its name."""
    stored = _stored_as(element)
    return {
        str(name): {"method": "stored", "value": stored}
        if stored is not None and is_lazy(variable)
        else array_digest(variable, fresh=fresh)
        for name, variable in sorted(element.variables.items(), key=lambda item: str(item[0]))
    }


def attributes_digest(element: xr.Dataset) -> str:
    """Give the digest of the attributes of an element and its variables, the record left out.

    Which variables are coordinates counts as well.
    """
    coords = set(element.coords)
    everything = [
        {str(key): plain(value) for key, value in element.attrs.items() if key != RECORD},
        {
            str(name): [name in coords, plain(part.attrs)]
            for name, part in element.variables.items()
        },
    ]
    return xxhash.xxh3_128_hexdigest(json.dumps(everything, sort_keys=True, default=repr).encode())


def element_digest(element: xr.Dataset, *, fresh: bool = False) -> Digest:
    """Give the digest of a whole element: dims, types, values and attributes but the record.

    Parameters
    ----------
    element
        Any Dataset.
    fresh
        Hash values even where their digest is remembered.
    """
    return digest_of_parts(
        element, variable_digests(element, fresh=fresh), attributes_digest(element)
    )


def digest_of_parts(
    element: xr.Dataset, variables: Mapping[str, Digest], attributes: str
) -> Digest:
    """Give the digest of a whole element from those of its variables and attributes."""
    methods = {digest["method"] for digest in variables.values()}
    method = next((name for name in ("graph", "stored") if name in methods), "content")
    dims = {str(name): (part.dims, part.shape) for name, part in element.variables.items()}
    body = [(name, dims[name], digest["value"]) for name, digest in variables.items()]
    text = repr((body, attributes))
    return {"method": method, "value": xxhash.xxh3_128_hexdigest(text.encode())}
