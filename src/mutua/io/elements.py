"""One element to and from its zarr group.

xarray's own encoding follows the CF conventions, which give attributes a meaning: an integer
column with the unit "days since ..." comes back as dates. Elements are encoded here instead, in
a form that plain xarray reads as well: strings as variable-length strings, times as int64 with
the attributes ``units``, ``calendar`` and ``dtype``, and everything else as it is.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import anndata
import numpy as np
import xarray as xr
import zarr
import zarr.codecs

from mutua.errors import InvalidInput, NewerVersion, StoreDamaged
from mutua.io.hashes import HashingStore, VerifyingStore
from mutua.models.base import KINDS
from mutua.models.digests import STORED_PREFIX
from mutua.models.dims import LARGE_DIMS, RECORD
from mutua.models.provenance import Record
from mutua.settings import show_progress

__all__ = [
    "anndata_bytes",
    "check_version",
    "is_known",
    "main_chunks",
    "read_anndata",
    "read_dataset",
    "write_anndata",
    "write_dataset",
]

CHUNK_BYTES = 1 << 24
_STRINGS = np.dtypes.StringDType()
_TIME_UNITS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_RESERVED = frozenset(
    {
        *("coordinates", "grid_mapping", "dtype", "_ARRAY_DIMENSIONS"),
        *("_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned"),
    }
)
"""Attributes by which xarray changes what it reads."""


def _compressors() -> tuple[Any, ...]:
    return zarr.codecs.ZstdCodec(level=3), zarr.codecs.Crc32cCodec()


def _chunks_shown(element: xr.Dataset) -> contextlib.AbstractContextManager[Any]:
    """Show how many chunks of a lazy element dask has done, where this process computes them."""
    lazy = any(part.chunks for part in element.variables.values())
    if not (lazy and show_progress()):
        return contextlib.nullcontext()
    from tqdm.dask import TqdmCallback

    return TqdmCallback(desc="write", unit="task", leave=False)


@contextlib.contextmanager
def _known_to_work() -> Iterator[None]:
    """Silence zarr on strings and consolidated metadata, which xarray and anndata write too."""
    with warnings.catch_warnings():
        for known in ("Consolidated metadata is currently not part", "Zarr V3 specification"):
            warnings.filterwarnings("ignore", message=f".*{known}.*")
        yield


# -- Datasets ----------------------------------------------------------------------------------


def write_dataset(store: HashingStore, element: xr.Dataset, record: Record) -> None:
    """Write a Dataset as the root group of a store, its metadata consolidated there.

    Parameters
    ----------
    store
        An empty store.
    element
        The Dataset; it is not changed.
    record
        Its record, which replaces the one it carries.

    Raises
    ------
    InvalidInput
        For names, attributes and values that zarr cannot hold; before anything is written.
    """
    encoded = {name: _encoded(name, part) for name, part in element.variables.items()}
    attrs = _json_attributes("attrs", {k: v for k, v in element.attrs.items() if k != RECORD})
    attrs[RECORD] = record | {"order": list(encoded)}
    encoding: dict[Any, dict[str, Any]] = {}
    for name, part in encoded.items():
        encoding[name] = {"compressors": _compressors()}
        if part.ndim:
            encoding[name]["chunks"] = chunk_sizes(part)
        if part.dtype.kind == "b":
            encoding[name]["dtype"] = part.dtype
        if part.dtype.kind == "f":
            encoding[name]["_FillValue"] = None
    plain = xr.Dataset(
        {name: encoded[name] for name in element.data_vars},
        coords=xr.Coordinates({name: encoded[name] for name in element.coords}, indexes={}),
        attrs=attrs,
    )
    with _known_to_work(), _chunks_shown(plain):
        plain.to_zarr(
            store,
            mode="w",
            zarr_format=3,
            consolidated=False,
            write_empty_chunks=True,
            encoding=encoding,
        )
        zarr.consolidate_metadata(store)


def _encoded(name: Any, part: xr.Variable) -> xr.Variable:
    """Give a variable as it is stored, in the chunks in which it is stored."""
    if (
        not isinstance(name, str)
        or name in ("", ".", "..", "zarr.json", "manifest.json")
        or name.startswith("__")
        or set(name) & set("/\\")
    ):
        raise InvalidInput(
            f"variable {name!r}", "a name that cannot be stored", "rename it, without / or \\"
        )
    attrs = _json_attributes(f"{name}.attrs", part.attrs)
    dtype = part.dtype
    data: Any = part._data
    lazy = hasattr(data, "dask")
    if dtype.kind in "UTO":
        convert = functools.partial(_as_strings, name)
        data = data.map_blocks(convert, dtype=_STRINGS) if lazy else convert(part.values)
    elif dtype.kind in "mM":
        attrs = _time_attributes(name, dtype, attrs)
        data = data.astype(np.int64) if lazy else part.values.astype(np.int64)
    elif dtype.kind not in "biufc" or np.dtype(dtype).char in "gG":
        raise InvalidInput(
            f"variable {name!r}", f"values of type {dtype}", "use numbers, booleans, times or text"
        )
    elif not dtype.isnative:
        data = (data if lazy else part.values).astype(dtype.newbyteorder("="))
    encoded = xr.Variable(part.dims, data, attrs)
    if lazy and encoded.ndim:
        encoded = encoded.chunk(dict(zip(encoded.dims, chunk_sizes(encoded), strict=True)))
    return encoded


def _as_strings(name: str, values: np.ndarray) -> np.ndarray:
    """Give strings of any width, which come back as such even where there are none."""
    if values.dtype.kind == "O" or hasattr(values.dtype, "na_object"):
        odd = next((item for item in values.flat if not isinstance(item, str)), "")
        if not isinstance(odd, str):
            raise InvalidInput(
                f"variable {name!r}",
                f"{odd!r} among strings",
                "use one type; for text that is missing use the empty string",
            )
    strings = np.empty(values.shape, dtype=_STRINGS)
    try:
        strings[...] = values
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"variable {name!r}", f"text that is no valid Unicode ({error.reason})", "repair it"
        ) from error
    return strings


def _time_attributes(name: str, dtype: np.dtype, attrs: dict[str, Any]) -> dict[str, Any]:
    unit = _TIME_UNITS.get(np.datetime_data(dtype)[0])
    if unit is None or {"units", "calendar"} & set(attrs):
        found = f"type {dtype}" if unit is None else "attributes 'units' or 'calendar' on times"
        raise InvalidInput(
            f"variable {name!r}", found, "use datetime64[s], [ms], [us] or [ns] without them"
        )
    if dtype.kind == "m":
        return {**attrs, "units": unit, "dtype": dtype.name}
    known = {"units": f"{unit} since 1970-01-01", "calendar": "proleptic_gregorian"}
    return {**attrs, **known, "dtype": dtype.name}


def chunk_sizes(part: xr.Variable) -> tuple[int, ...]:
    """Give the chunks of a variable: those of its dask array, or some `CHUNK_BYTES` each."""
    width = 32 if part.dtype.kind in "UTO" else part.dtype.itemsize
    sizes = [max(1, size) for size in part.shape]
    if part.chunksizes:
        sizes = [max(1, *part.chunksizes[dim]) for dim in part.dims]
        if width * math.prod(sizes) <= 8 * CHUNK_BYTES:
            return tuple(sizes)
    for axis in range(len(sizes)):
        bytes_now = width * math.prod(sizes)
        if bytes_now > CHUNK_BYTES:
            sizes[axis] = max(1, sizes[axis] * CHUNK_BYTES // bytes_now)
    return tuple(sizes)


def main_chunks(element: xr.Dataset) -> dict[str, int]:
    """Give the chunks, by dim, of the data variable that takes most space."""
    if not element.data_vars:
        return {}
    largest = max(element.data_vars.values(), key=lambda part: part.nbytes).variable
    return dict(zip(map(str, largest.dims), chunk_sizes(largest), strict=True))


def _json_attributes(place: str, attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Give attributes as JSON holds them, or refuse the first that it cannot hold."""
    kept: dict[str, Any] = {}
    for key, value in attrs.items():
        if not isinstance(key, str):
            raise InvalidInput(f"{place}[{key!r}]", "a key that is no string", "use a string")
        if key in _RESERVED or key.lower().startswith("_nc"):
            raise InvalidInput(
                f"{place}[{key!r}]",
                "an attribute by which xarray changes what it reads",
                "delete it or give it another name",
            )
        kept[key] = _jsonable(f"{place}[{key!r}]", value)
    return kept


def _jsonable(place: str, value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray) and value.dtype.kind in "biufUT":
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, list | tuple):
        return [_jsonable(f"{place}[{i}]", item) for i, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _jsonable(f"{place}[{key!r}]", item) for key, item in value.items()}
    raise InvalidInput(
        place,
        f"{value!r}, which JSON cannot hold",
        "use text, finite numbers, true or false, or lists and dictionaries of them",
    )


def read_dataset(store: VerifyingStore, members: Mapping[str, Any]) -> xr.Dataset:
    """Open a stored Dataset: indexes of small dims are read, everything else stays on disk.

    Parameters
    ----------
    store
        The element's own store.
    members
        Metadata of its arrays, by name.
    """
    types = {n: str(member.get("attributes", {}).get("dtype")) for n, member in members.items()}
    times = {n: kind for n, kind in types.items() if kind.startswith(("datetime64", "timedelta64"))}
    with _known_to_work():
        opened = xr.open_zarr(
            store,
            consolidated=True,
            zarr_format=3,
            chunks=None,
            create_default_indexes=False,
            mask_and_scale=False,
            decode_times=False,
            decode_timedelta=False,
            concat_characters=False,
        )
    known = opened.attrs[RECORD].get("order", [])
    order = [name for name in known if name in opened.variables]
    order += [str(name) for name in opened.variables if name not in known]
    indexed: dict[str, xr.Variable] = {}
    plain: dict[str, xr.Variable] = {}
    for name in order:
        part, kind = opened.variables[name], times.get(name)
        if part.dims == (name,) and name not in LARGE_DIMS:
            indexed[name] = _in_memory(part, kind)
        elif part.ndim == 0:
            plain[name] = _in_memory(part, kind)
        else:
            plain[name] = _on_disk(part, kind, f"{name}-{store.digest}")
    indexes = xr.Coordinates(indexed)
    parts: dict[Any, xr.Variable] = {**indexes.variables, **plain}
    return xr.Dataset(
        {name: parts[name] for name in order if name in opened.data_vars},
        coords=xr.Coordinates(
            {name: parts[name] for name in order if name in opened.coords},
            indexes=dict(indexes.xindexes),
        ),
        attrs=opened.attrs,
    )


def _on_disk(part: xr.Variable, kind: str | None, name: str) -> xr.Variable:
    """Give a variable as a dask array that `mutua.models.digests` knows by its name."""
    chunks = part.encoding.get("preferred_chunks") or {}
    stored = f"{STORED_PREFIX}{name}"
    first = f"raw-{stored}" if kind else stored
    lazy = part.chunk(dict(chunks), name=first, inline_array=True)
    if kind is None:
        return xr.Variable(lazy.dims, lazy.data, lazy.attrs)
    data = lazy.data.map_blocks(_as_times, kind, dtype=np.dtype(kind), name=stored)
    return xr.Variable(lazy.dims, data, _without_time(lazy.attrs))


def _in_memory(part: xr.Variable, kind: str | None) -> xr.Variable:
    """Give a small variable with the type it has in memory elsewhere."""
    values, attrs = part.values, part.attrs
    if kind is not None:
        values, attrs = _as_times(values, kind), _without_time(attrs)
    elif values.dtype.kind in "OT":
        values = np.array(values.tolist(), dtype=str)
    return xr.Variable(part.dims, values, attrs)


def _as_times(values: np.ndarray, kind: str) -> np.ndarray:
    return values.astype(np.dtype(kind))


def _without_time(attrs: Mapping[Any, Any]) -> dict[Any, Any]:
    return {k: v for k, v in attrs.items() if k not in ("units", "calendar", "dtype")}


# -- AnnData -----------------------------------------------------------------------------------


def write_anndata(store: HashingStore, adata: anndata.AnnData, record: Record) -> None:
    """Write an AnnData as the root group of a store; the AnnData itself is not touched.

    Raises
    ------
    InvalidInput
        For a part that zarr cannot hold; names it.
    """
    text = json.dumps(record, separators=(",", ":"))
    with (
        anndata.settings.override(zarr_write_format=3, auto_shard_zarr_v3=False),
        zarr.config.set({"array.write_empty_chunks": True}),
        _known_to_work(),
    ):
        try:
            anndata.io.write_zarr(
                store, adata, convert_strings_to_categoricals=False, compressors=_compressors()
            )
        except OSError:
            raise
        except Exception as error:
            notes = " ".join(getattr(error, "__notes__", []))
            raise InvalidInput(
                "adata", f"cannot be stored: {error} {notes}".strip(), "remove or convert that part"
            ) from error
        group = zarr.open_group(store, mode="r+", use_consolidated=False)
        anndata.io.write_elem(group.require_group("uns"), RECORD, text)
        zarr.consolidate_metadata(store)


def read_anndata(store: VerifyingStore, *, lazy: bool = False) -> Any:
    """Read a stored AnnData into memory, or open it lazily."""
    with _known_to_work():
        opened = zarr.open_group(store, mode="r", use_consolidated=True)
        if lazy:
            from anndata.experimental import read_lazy

            return read_lazy(opened)
        adata = anndata.io.read_elem(opened)
    if not isinstance(adata, anndata.AnnData):
        raise StoreDamaged(f"{store.where}: holds a {type(adata).__name__}, not an AnnData.")
    return adata


def anndata_bytes(adata: anndata.AnnData) -> int:
    """Give the bytes that an AnnData takes in memory; its own count fails for views."""
    mappings = (adata.obsm, adata.varm, adata.obsp, adata.varp, adata.layers)
    parts = [adata.X, adata.obs, adata.var, *(part for m in mappings for part in m.values())]
    if adata.raw is not None:
        parts += [adata.raw.X, adata.raw.var]
    return sum(map(_part_bytes, parts))


def _part_bytes(part: Any) -> int:
    if hasattr(part, "memory_usage"):
        return int(part.memory_usage(deep=True).sum())
    if hasattr(part, "indptr"):
        return int(part.data.nbytes + part.indices.nbytes + part.indptr.nbytes)
    return int(getattr(part, "nbytes", 0))


def is_known(kind: str, version: int) -> bool:
    """Tell whether elements of a kind and version can be opened here."""
    return version <= _current(kind)


def _current(kind: str) -> int:
    """Give the newest version of a kind that is known here, 0 for none."""
    return 1 if kind == "AnnData" else KINDS[kind]._version if kind in KINDS else 0


def check_version(kind: str, version: int, where: str) -> None:
    """Refuse an element of a kind or version that this mutua does not know."""
    if is_known(kind, version):
        return
    if _current(kind) == 0:
        raise NewerVersion(
            f"{where}: the kind {kind} is not known here. Import the module that defines it, or "
            "upgrade with pip install --upgrade mutua if a newer mutua wrote it."
        )
    raise NewerVersion(
        f"{where}: {kind} version {version} was written by a newer mutua. Upgrade with "
        "pip install --upgrade mutua."
    )
