"""One element to and from its zarr group."""

from __future__ import annotations

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import anndata
import numpy as np
import xarray as xr
import xxhash
import zarr
import zarr.codecs
from zarr.abc.store import Store as ZarrStore
from zarr.core.buffer import Buffer
from zarr.storage import WrapperStore

from mutua.errors import InvalidInput, NewerVersion, StoreDamaged, UnsafeStore
from mutua.models.base import KINDS
from mutua.models.digests import STORED_PREFIX, element_digest
from mutua.models.dims import LARGE_DIMS, RECORD
from mutua.models.provenance import read_record, write_record

CHUNK_BYTES = 1 << 24
_SAFE_CODECS = frozenset(
    "bytes zstd gzip blosc crc32c vlen-utf8 vlen-bytes sharding_indexed transpose".split()
)
_SAFE_TYPES = ("bool", "int", "uint", "float", "complex", "string", "fixed_length", "variable_length",
               "numpy.datetime64", "numpy.timedelta64", "null_terminated_bytes")


class HashingStore(WrapperStore[ZarrStore]):
    """A zarr store that keeps the hash of everything written through it."""

    def __init__(self, store: ZarrStore, hashes: dict[str, str] | None = None) -> None:
        super().__init__(store)
        self.hashes: dict[str, str] = {} if hashes is None else hashes

    def _with_store(self, store: ZarrStore) -> HashingStore:
        return type(self)(store, self.hashes)

    async def set(self, key: str, value: Buffer) -> None:
        """Write a value and remember its hash."""
        await super().set(key, value)
        self.hashes[key] = hash_bytes(value.to_bytes())

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write a value unless there is one, and remember its hash."""
        await super().set_if_not_exists(key, value)
        self.hashes.setdefault(key, hash_bytes(value.to_bytes()))

    async def delete(self, key: str) -> None:
        """Delete a value and forget its hash."""
        await super().delete(key)
        self.hashes.pop(key, None)


def hash_bytes(content: bytes) -> str:
    """Give the hash by which stored bytes are compared."""
    return xxhash.xxh3_128_hexdigest(content)


def _compressors() -> tuple[Any, ...]:
    return zarr.codecs.ZstdCodec(level=3), zarr.codecs.Crc32cCodec()


def write_dataset(store: ZarrStore, element: xr.Dataset) -> None:
    """Write a Dataset as the root group of a store, its metadata consolidated there."""
    record = read_record(element)
    plain = element.copy(deep=False)
    plain.attrs = {str(key): _jsonable(value) for key, value in element.attrs.items()}
    if record is not None:
        plain.attrs[RECORD] = record
    encoding: dict[str, dict[str, Any]] = {}
    for name, part in element.variables.items():
        part = part.copy(deep=False)
        part.encoding = {}
        part.attrs = {str(key): _jsonable(value) for key, value in part.attrs.items()}
        if part.dtype.kind in "UTO":
            part = _as_variable_strings(str(name), part)
        chunks = _chunks(part)
        if hasattr(part._data, "dask"):
            part = part.chunk(dict(zip(part.dims, chunks, strict=True)))
        plain[name] = part
        encoding[str(name)] = {"compressors": _compressors(), "chunks": chunks or None}
        if part.ndim == 0:
            encoding[str(name)].pop("chunks")
        if part.dtype.kind == "f":
            encoding[str(name)]["_FillValue"] = None
    with _known_to_work():
        plain.to_zarr(store, mode="w", zarr_format=3, consolidated=False, encoding=encoding)
        zarr.consolidate_metadata(store)


@contextlib.contextmanager
def _known_to_work() -> Iterator[None]:
    """Silence zarr on strings and consolidated metadata, which xarray and anndata write too."""
    with warnings.catch_warnings():
        for message in (".*Consolidated metadata is currently not part.*", ".*Zarr V3 specification.*"):
            warnings.filterwarnings("ignore", message=message)
        yield


def _as_variable_strings(name: str, part: xr.Variable) -> xr.Variable:
    """Give strings of any width, which come back as such even where there are none."""
    if hasattr(part._data, "dask"):
        return part.astype(np.dtypes.StringDType())
    if part.dtype.kind == "O":
        odd = next((item for item in part.values.flat if not isinstance(item, str)), None)
        if odd is not None or any(item is None for item in part.values.flat):
            raise InvalidInput(name, f"{odd!r} among strings", "use one type, e.g. map(str, ...)")
    values = np.empty(part.shape, dtype=np.dtypes.StringDType())
    values[...] = part.values
    return xr.Variable(part.dims, values, part.attrs)


def _chunks(part: xr.Variable) -> tuple[int, ...]:
    """Give chunks of about `CHUNK_BYTES` along the first dim, or those the dask array has."""
    if part.ndim == 0:
        return ()
    sizes = part.chunksizes
    if sizes:
        return tuple(max(1, max(sizes[dim])) for dim in part.dims)
    width = 32 if part.dtype.kind in "UTO" else part.dtype.itemsize
    per_row = max(1, width * int(np.prod(part.shape[1:], dtype=np.int64)))
    rows = max(1, CHUNK_BYTES // per_row)
    return (max(1, min(rows, part.shape[0])), *(max(1, size) for size in part.shape[1:]))


def _jsonable(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def write_anndata(store: ZarrStore, adata: anndata.AnnData, record: str) -> None:
    """Write an AnnData as the root group of a store; the AnnData itself is not touched."""
    with anndata.settings.override(zarr_write_format=3, auto_shard_zarr_v3=False), _known_to_work():
        anndata.io.write_zarr(
            store, adata, convert_strings_to_categoricals=False, compressors=_compressors()
        )
        group = zarr.open_group(store, mode="r+", use_consolidated=False)
        anndata.io.write_elem(group.require_group("uns"), RECORD, record)
        zarr.consolidate_metadata(store)


def stored_metadata(content: bytes | None, where: str) -> dict[str, Any]:
    """Parse the metadata of an element's group, refusing what only unpickling could read.

    Raises
    ------
    StoreDamaged
        Where there is none or it is not readable.
    UnsafeStore
        For object arrays, pickle codecs and anything else outside the known-safe list.
    """
    try:
        metadata = json.loads(content or b"")
        members: Mapping[str, Any] = metadata["consolidated_metadata"]["metadata"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreDamaged(
            f"{where}: its metadata (zarr.json) is missing or damaged. Restore the store from a "
            "copy, or remove the element with `del analysis[name]`."
        ) from error
    for name, member in members.items():
        if member.get("node_type") != "array":
            continue
        unsafe = next((c for c in _codec_names(member) if c not in _SAFE_CODECS), None)
        kind = member.get("data_type")
        kind = kind.get("name", "") if isinstance(kind, Mapping) else str(kind)
        if member.get("zarr_format") != 3 or unsafe or not kind.startswith(_SAFE_TYPES):
            found = f"codec {unsafe!r}" if unsafe else f"data type {kind!r}"
            raise UnsafeStore(
                f"{where}, array {name!r}: {found} could hide pickled objects, which are never "
                "read. Rewrite it from its source as numbers or strings."
            )
    return dict(metadata)


def _codec_names(member: Mapping[str, Any]) -> Iterator[str]:
    for codec in member.get("codecs", ()):
        yield str(codec.get("name")) if isinstance(codec, Mapping) else str(codec)
        configuration = codec.get("configuration") if isinstance(codec, Mapping) else None
        if isinstance(configuration, Mapping):
            nested = [*configuration.get("codecs", ()), *configuration.get("index_codecs", ())]
            yield from _codec_names({"codecs": nested})


def read_dataset(store: ZarrStore, digest: str) -> xr.Dataset:
    """Open a stored Dataset: indexes of small dims are read, everything else stays on disk."""
    opened = xr.open_zarr(
        store, consolidated=True, zarr_format=3, chunks=None, create_default_indexes=False
    )
    record = opened.attrs.get(RECORD)
    indexed = [n for n in opened.coords if opened[n].dims == (n,) and n not in LARGE_DIMS]
    opened = opened.set_coords(list(opened.coords))
    variables: dict[Any, xr.Variable] = {}
    for name, part in opened.variables.items():
        if name in indexed or part.ndim == 0:
            variables[name] = _restored(part.load())
            continue
        chunks = part.encoding.get("preferred_chunks") or {}
        named = part.chunk(dict(chunks), name=f"{STORED_PREFIX}{name}-{digest}", inline_array=True)
        named.encoding = {}
        variables[name] = named
    coords = {name: variables[name] for name in opened.coords}
    data = {name: variables[name] for name in opened.data_vars}
    element = xr.Dataset(data, coords=coords, attrs=opened.attrs)
    if isinstance(record, Mapping):
        known = dict(record)
        write_record(element, known)
        now = element_digest(element)
        known["element"] = {**known["element"], "digests": {
            **known["element"].get("digests", {}), now["method"]: now["value"]
        }}
        write_record(element, known)
    return element


def _restored(part: xr.Variable) -> xr.Variable:
    """Give a small string coordinate the type it has in memory elsewhere."""
    part.encoding = {}
    if part.dtype.kind in "OT":
        return xr.Variable(part.dims, np.array(part.values.tolist(), dtype=str), part.attrs)
    return part


def read_anndata(store: ZarrStore, *, lazy: bool = False) -> Any:
    """Read a stored AnnData into memory, or open it lazily."""
    opened = zarr.open_group(store, mode="r", use_consolidated=True)
    if lazy:
        from anndata.experimental import read_lazy

        return read_lazy(opened)
    return anndata.io.read_elem(opened)


def check_version(kind: str, version: int, where: str) -> None:
    """Refuse an element of a kind or version that this mutua does not know."""
    if kind == "AnnData" and version <= 1:
        return
    if kind not in KINDS or version > KINDS[kind]._version:
        raise NewerVersion(
            f"{where}: {kind} version {version} was written by a newer mutua. Upgrade with "
            "pip install --upgrade mutua."
        )
