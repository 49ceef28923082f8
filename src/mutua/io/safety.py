"""What may be opened: only types and codecs that are known to be plain data.

Stores come from other people. Python objects in zarr are pickles, and reading a pickle runs
whatever program its author put there, so metadata are held against a list of known-safe names
before zarr sees any of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mutua.errors import StoreDamaged, UnsafeStore

__all__ = ["old_format", "refuse_unsafe"]

_CODECS = frozenset(
    {
        *("bytes", "vlen-utf8", "vlen-bytes", "transpose", "sharding_indexed"),
        *("zstd", "gzip", "blosc", "crc32c"),
    }
)
_TYPES = frozenset(
    {
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128"),
        *("string", "fixed_length_utf32", "variable_length_bytes", "null_terminated_bytes"),
        *("raw_bytes", "numpy.datetime64", "numpy.timedelta64"),
    }
)


def refuse_unsafe(group: Mapping[str, Any], where: str) -> None:
    """Refuse an element whose arrays only unpickling could read, or that point elsewhere.

    Parameters
    ----------
    group
        Content of the group's ``zarr.json`` with its consolidated metadata.
    where
        Names store and element in messages.

    Raises
    ------
    UnsafeStore
        For object arrays, pickle codecs and anything else outside the known-safe lists, and for
        paths that leave the element.
    StoreDamaged
        For what is no metadata of a zarr group.
    """
    try:
        faults = list(_faults("", group))
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise StoreDamaged(
            f"{where}: its metadata (zarr.json) are not those of a zarr group. Restore the store "
            "from a copy, or remove the element with `del analysis[name]`."
        ) from error
    if faults:
        raise UnsafeStore(
            f"{where}, {faults[0]}. Such data are never read; rewrite them from their source as "
            "plain numbers or strings."
        )


def old_format(where: str) -> UnsafeStore:
    """Give the error for a zarr v2 group, whose object arrays are pickles."""
    return UnsafeStore(
        f"{where}: a zarr v2 group, whose arrays could hide pickled objects. Such data are never "
        "read; rewrite them from their source with mutua, or as zarr v3."
    )


def _faults(place: str, node: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is unsafe in the metadata of a node and of all below it."""
    found = _unsafe(node)
    if found:
        yield f"array {place!r}: {found} could hide pickled objects"
    nested = node.get("consolidated_metadata")
    for path, member in (nested["metadata"] if nested else {}).items():
        if "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
            yield f"array {path!r}: a path that leads out of the element"
        yield from _faults(f"{place}/{path}" if place else path, member)


def _unsafe(node: Mapping[str, Any]) -> str:
    """Say what is unsafe in the metadata of one array or group, "" if nothing."""
    if node["zarr_format"] != 3:
        return f"zarr format {node['zarr_format']!r}"
    if node["node_type"] == "group":
        return ""
    if node["node_type"] != "array":
        raise ValueError(node["node_type"])
    if node.get("storage_transformers"):
        return "a storage transformer"
    return _unsafe_type(node["data_type"]) or _unsafe_codecs(node["codecs"])


def _unsafe_type(data_type: Any) -> str:
    name = data_type if isinstance(data_type, str) else data_type["name"]
    if name in _TYPES:
        return ""
    if name in ("structured", "struct"):
        fields = data_type["configuration"]["fields"]
        kinds = (field["data_type"] if isinstance(field, dict) else field[1] for field in fields)
        return next(filter(None, map(_unsafe_type, kinds)), "")
    return f"data type {name!r}"


def _unsafe_codecs(codecs: Any) -> str:
    for codec in codecs:
        name = codec if isinstance(codec, str) else codec["name"]
        if name not in _CODECS:
            return f"codec {name!r}"
        options = {} if isinstance(codec, str) else codec.get("configuration") or {}
        nested = [*options.get("codecs", ()), *options.get("index_codecs", ())]
        if found := _unsafe_codecs(nested):
            return found
    return ""
