"""The store: immutable element groups and one small index whose replacement is the only commit.

Layout of ``study.zarr``::

    zarr.json                   root group; its attributes hold the index
    acceptor.1/zarr.json        an element: a zarr v3 group with its own consolidated metadata
    acceptor.1/codes/c/0/0      its chunks, each with a crc32c
    acceptor.1/manifest.json    the hash of every file of the element

Nothing that the index names is ever written again, so a reader keeps its data, and a writer that
dies leaves at most a folder that no index names, which `vacuum` removes.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import anndata
import xarray as xr
import zarr
from zarr.core.sync import sync as run

from mutua.errors import Fault, NewerVersion, NotAStore, StoreDamaged
from mutua.io import elements
from mutua.io.backend import ROOT, Backend, open_backend, unwritable
from mutua.io.migrations import migrate
from mutua.models import provenance
from mutua.models.base import KINDS, find_faults
from mutua.models.dims import RECORD

__all__ = ["FORMAT", "Entry", "Store"]

FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Entry:
    """What the index says of one element."""

    path: str
    kind: str
    version: int
    digest: str
    """Hash of the element's manifest, hence of every byte of it."""
    nbytes: int
    """Bytes in memory when everything is loaded."""
    stored_bytes: int
    sizes: dict[str, int]
    written: str
    """UTC time of writing, ISO 8601."""


@dataclass
class Index:
    """The attributes of the root group."""

    generation: int = 0
    elements: dict[str, Entry] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Give the content of the root ``zarr.json``."""
        body = {
            "format": FORMAT,
            "mutua_version": provenance.versions()["mutua"],
            "generation": self.generation,
            "elements": {name: asdict(entry) for name, entry in self.elements.items()},
        }
        group = {"zarr_format": 3, "node_type": "group", "attributes": {RECORD: body}}
        return json.dumps(group, indent=1).encode()


class Store:
    """A mutua store at a path or URL.

    Parameters
    ----------
    backend
        Where it lies.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    @classmethod
    def at(
        cls, location: str | os.PathLike[str], storage_options: dict[str, Any] | None = None
    ) -> Store:
        """Give the store at a location, without looking whether there is one."""
        return cls(open_backend(location, storage_options))

    @property
    def url(self) -> str:
        """Path or URL of the store."""
        return self.backend.url

    def exists(self) -> bool:
        """Tell whether there is a store.

        Raises
        ------
        NotAStore
            If there is something else.
        """
        if self.backend.read(ROOT) is not None:
            self.index()
            return True
        if self.backend.is_empty():
            return False
        raise NotAStore(
            f"{self.url} exists and is not a mutua store. Choose another path; nothing was changed."
        )

    def index(self) -> Index:
        """Read the index.

        Raises
        ------
        NotAStore
            If there is none.
        NewerVersion
            If it was written by a newer mutua.
        """
        content = self.backend.read(ROOT)
        if content is None:
            raise NotAStore(
                f"{self.url} holds no mutua store. Check the path, or make one with "
                "mutua.Analysis(...).write(path)."
            )
        try:
            body = json.loads(content)["attributes"][RECORD]
            version = int(body["format"])
        except (ValueError, KeyError, TypeError) as error:
            raise NotAStore(
                f"{self.url} is a zarr group that mutua did not write (no mutua index in "
                "zarr.json). Open it with xarray or anndata and add its parts to an Analysis."
            ) from error
        if version > FORMAT:
            raise NewerVersion(
                f"{self.url} has store format {version}; this mutua reads up to {FORMAT}. Upgrade "
                f"with pip install --upgrade mutua (it was written by "
                f"{body.get('mutua_version', 'a newer version')})."
            )
        try:
            found = {name: Entry(**entry) for name, entry in body["elements"].items()}
            for name, entry in found.items():
                _check_entry(name, entry)
            return Index(int(body["generation"]), found)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise StoreDamaged(
                f"{self.url}: the index in zarr.json is damaged ({error}). Restore zarr.json from a "
                "copy; the elements themselves are untouched."
            ) from error

    def commit(self, change: Callable[[Index], None]) -> Index:
        """Change the index under the writer lock, in one step.

        Parameters
        ----------
        change
            Gets the index as it is now and edits it; elements are written by `stage` inside.
        """
        with unwritable(self.url), self.backend.lock():
            index = self.index() if self.exists() else Index()
            index.generation += 1
            change(index)
            self.backend.replace(ROOT, index.to_json())
            return index

    def stage(self, index: Index, name: str, element: xr.Dataset | anndata.AnnData) -> None:
        """Write an element into a new group and name it in `index`; the commit makes it so."""
        path = f"{name}.{index.generation}"
        self.backend.remove(path)  # left by a writer that died before its commit
        try:
            entry = self._write(path, element)
        except BaseException:
            with unwritable(self.url):
                self.backend.remove(path)
            raise
        index.elements[name] = entry

    def _write(self, path: str, element: xr.Dataset | anndata.AnnData) -> Entry:
        inner = self.backend.zarr_store(path, read_only=False)
        store = elements.HashingStore(inner)
        record = provenance.read_record(element)
        if isinstance(element, anndata.AnnData):
            stamped = _anndata_record(element)
            elements.write_anndata(store, element, json.dumps(stamped, separators=(",", ":")))
            kind, version = "AnnData", 1
            sizes = {"obs": element.n_obs, "var": element.n_vars}
            nbytes = int(element.__sizeof__())
        else:
            assert record is not None  # noqa: S101  assignment to an Analysis makes sure of it
            elements.write_dataset(store, element)
            kind, version = record["kind"], record["version"]
            sizes = {str(dim): size for dim, size in element.sizes.items()}
            nbytes = int(element.nbytes)
        manifest = json.dumps(dict(sorted(store.hashes.items())), indent=0).encode()
        self.backend.replace(f"{path}/{MANIFEST}", manifest)
        self.backend.sync(path)
        return Entry(
            path=path,
            kind=kind,
            version=version,
            digest=elements.hash_bytes(manifest),
            nbytes=nbytes,
            stored_bytes=_stored_bytes(inner),
            sizes=sizes,
            written=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )

    def read(self, name: str, entry: Entry, *, lazy: bool = False) -> Any:
        """Open an element: Datasets lazily, AnnData in memory unless `lazy`."""
        where = f"{self.url}, element {name!r}"
        elements.check_version(entry.kind, entry.version, where)
        elements.stored_metadata(self.backend.read(f"{entry.path}/{ROOT}"), where)
        store = self.backend.zarr_store(entry.path, read_only=True)
        if entry.kind == "AnnData":
            return elements.read_anndata(store, lazy=lazy)
        element = elements.read_dataset(store, entry.digest)
        return migrate(entry.kind, entry.version, element)

    def metadata(self, name: str, entry: Entry) -> dict[str, Any]:
        """Give the parsed ``zarr.json`` of an element, refused where it is unsafe."""
        where = f"{self.url}, element {name!r}"
        return elements.stored_metadata(self.backend.read(f"{entry.path}/{ROOT}"), where)

    def record(self, name: str, entry: Entry) -> provenance.Record | None:
        """Give the provenance record of an element without opening its arrays."""
        metadata = self.metadata(name, entry)
        found = metadata.get("attributes", {}).get(RECORD)
        if entry.kind == "AnnData":
            store = self.backend.zarr_store(entry.path, read_only=True)
            opened = zarr.open_group(store, mode="r", use_consolidated=True)
            if f"uns/{RECORD}" in opened:
                found = anndata.io.read_elem(opened[f"uns/{RECORD}"])
        holder = xr.Dataset(attrs={} if found is None else {RECORD: found})
        return provenance.read_record(holder)

    def vacuum(self) -> list[str]:
        """Remove the groups that no index names; give their names."""
        with unwritable(self.url), self.backend.lock():
            kept = {entry.path for entry in self.index().elements.values()}
            removed = [
                name for name in self.backend.groups() if name not in kept and _is_group_name(name)
            ]
            for name in removed:
                self.backend.remove(name)
            return removed

    def faults(self, *, deep: bool = False) -> Iterable[Fault]:
        """Yield everything that is wrong with the store; `deep` reads every byte of it."""
        for name, entry in self.index().elements.items():
            yield from self._element_faults(name, entry, deep=deep)

    def _element_faults(self, name: str, entry: Entry, *, deep: bool) -> Iterable[Fault]:
        place = f"element {name!r}"
        content = self.backend.read(f"{entry.path}/{MANIFEST}")
        if content is None or elements.hash_bytes(content) != entry.digest:
            what = "is missing" if content is None else "is not the one that was written"
            yield Fault(f"{place}, {MANIFEST}", what, "restore it from a copy")
            return
        manifest: Mapping[str, str] = json.loads(content)
        for key, known in manifest.items():
            # Without `deep` only the metadata are read: they are small.
            if not deep and not key.endswith(ROOT):
                continue
            found = self.backend.read(f"{entry.path}/{key}")
            if found is None or elements.hash_bytes(found) != known:
                what = "is missing" if found is None else "holds other bytes than were written"
                yield Fault(f"{place}, {_array_and_chunk(key)}", what, "restore it from a copy")
                return
        try:
            element = self.read(name, entry)
        except Exception as error:
            yield Fault(place, f"cannot be opened: {error}")
            return
        if entry.kind in KINDS:
            for fault in find_faults(KINDS[entry.kind], element, deep=deep):
                yield Fault(f"{place}, {fault.location}", fault.found, fault.remedy)


def _array_and_chunk(key: str) -> str:
    array, found, chunk = key.partition("/c/")
    if found:
        return f"array {array!r}, chunk {chunk}"
    return f"array {key[:-2]!r}" if key.endswith("/c") else f"metadata {key!r}"


def _stored_bytes(store: Any) -> int:
    return int(run(store.getsize_prefix("")))


def _anndata_record(adata: anndata.AnnData) -> provenance.Record:
    """Give the record of an AnnData, "supplied" where it has none, without touching it."""
    steps = provenance.chain(adata)
    digest = provenance.anndata_digest(adata)
    dims = {"obs": adata.n_obs, "var": adata.n_vars}
    element = {"dims": dims, "dtypes": {}, "digests": {digest["method"]: digest["value"]}}
    return {"kind": "AnnData", "version": 1, "steps": steps, "element": element}


def _check_entry(name: str, entry: Entry) -> None:
    """Refuse an index entry that points outside the store's own groups."""
    if not _is_group_name(entry.path):
        raise ValueError(f"element {name!r} has the path {entry.path!r}")


def _is_group_name(path: str) -> bool:
    name, dot, generation = path.rpartition(".")
    return bool(dot) and generation.isdigit() and name != "" and not set(name) & set("/\\")
