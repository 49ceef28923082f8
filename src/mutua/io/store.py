"""The store: immutable element groups and one small index whose replacement is the only commit.

Layout of ``study.zarr``::

    zarr.json                   root group; its attributes hold the index
    acceptor.1/zarr.json        an element: a zarr v3 group with its own consolidated metadata
    acceptor.1/codes/c/0/0      its chunks, each with a crc32c
    acceptor.1/manifest.json    the hash of every file of the element

Nothing that the index names is ever written again, so a reader keeps its data, and a writer that
dies leaves at most a folder that no index names, which `vacuum` removes. The index holds the hash
of every manifest and of itself, so that one changed byte anywhere is noticed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import anndata
import xarray as xr
import zarr

from mutua.errors import Fault, InvalidInput, MutuaError, NewerVersion, NotAStore, StoreDamaged
from mutua.io import elements
from mutua.io.backend import ROOT, Backend, open_backend, unwritable
from mutua.io.hashes import (
    MANIFEST,
    Files,
    HashingStore,
    VerifyingStore,
    hash_bytes,
    name_of_key,
    parse_files,
)
from mutua.io.index import FORMAT, Entry, Index, generation_of
from mutua.io.migrations import migrate
from mutua.io.safety import old_format, refuse_unsafe
from mutua.io.stored_record import reopen, settled
from mutua.models import provenance
from mutua.models.base import KINDS, find_faults
from mutua.models.dims import RECORD

__all__ = ["Item", "Store"]

Item: TypeAlias = xr.Dataset | anndata.AnnData

_begun: dict[str, int] = {}
"""Last generation that this process has begun to write, by the URL of the store."""


class Store:
    """A mutua store at a path or URL.

    Parameters
    ----------
    backend
        Where it lies.
    """

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._turn = threading.RLock()  # threads wait for each other; processes are refused

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
        """Tell whether there is a store; a first write that never finished left none.

        Raises
        ------
        NotAStore
            If there is something else.
        """
        if self.backend.read(ROOT) is not None:
            self.index()
            return True
        if self.backend.is_free():
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
        StoreDamaged
            If it is not the one that was written.
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
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise NotAStore(
                f"{self.url} is not a store that mutua wrote, or its zarr.json is damaged (no "
                "mutua index in it). Restore zarr.json from a copy; a zarr group of another "
                "program is opened with xarray or anndata and added to an Analysis part by part."
            ) from error
        if version > FORMAT:
            raise NewerVersion(
                f"{self.url} has store format {version}; this mutua reads up to {FORMAT}. Upgrade "
                f"with pip install --upgrade mutua (it was written by "
                f"{body.get('mutua_version', 'a newer version')})."
            )
        try:
            return Index.from_json(body)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise StoreDamaged(
                f"{self.url}: the index in zarr.json is damaged ({error}). Restore zarr.json from "
                "a copy; the elements themselves are untouched."
            ) from error

    # -- writing -------------------------------------------------------------------------------

    def commit(self, change: Callable[[Index], None], *, create: bool = False) -> Index:
        """Change the index under the writer lock, in one step.

        Parameters
        ----------
        change
            Gets the index as it is now and edits it; elements are written by `stage` inside.
            What it has staged is removed again if it fails.
        create
            Whether to make the store where there is none.
        """
        if not create:
            self.index()
        with self._turn, unwritable(self.url), self.backend.lock():
            index = self.index() if not create or self.exists() else Index()
            before = {entry.path for entry in index.elements.values()}
            index.generation = self._next_generation(index)
            try:
                change(index)
            except BaseException:
                for entry in index.elements.values():
                    if entry.path not in before:
                        self._discard(entry.path)
                raise
            self.backend.replace(ROOT, index.to_json())
            return index

    def stage(self, index: Index, name: str, element: Item) -> None:
        """Write an element into a new group and name it in `index`; the commit makes it so."""
        path = f"{name}.{index.generation}"
        try:
            index.elements[name] = self._write(path, element)
        except BaseException as error:
            self._discard(path)
            if type(error) is InvalidInput:
                place = f"{name}, {error.argument}"
                raise InvalidInput(place, error.found, error.remedy) from error
            raise

    def copy(self, index: Index, name: str, source: Store, entry: Entry) -> None:
        """Write the bytes of an element of a store, whether its kind is known here or not."""
        files = source._files(name, entry)
        path = f"{name}.{index.generation}"
        try:
            for key, known in [*files.hashes.items(), (MANIFEST, entry.digest)]:
                content = source.backend.read(f"{entry.path}/{key}")
                if content is None or hash_bytes(content) != known:
                    raise StoreDamaged(
                        f"{source._where(name)}: {name_of_key(key)} is not what was written. "
                        "Restore it from a copy, or remove it with `del analysis[name]`."
                    )
                self.backend.replace(f"{path}/{key}", content)
        except BaseException:
            self._discard(path)
            raise
        index.elements[name] = dataclasses.replace(entry, path=path)

    def _next_generation(self, index: Index) -> int:
        """Give a generation that nobody has begun before.

        A failed computation may still have threads or workers that write into the groups of its
        generation, and a writer that died has left them behind.
        """
        begun = [generation_of(name) or 0 for name in self.backend.groups()]
        last = max(index.generation, _begun.get(self.url, 0), *begun, 0)
        _begun[self.url] = last + 1
        return last + 1

    def _discard(self, path: str) -> None:
        with contextlib.suppress(Exception):  # the error that led here says more; vacuum() is left
            self.backend.remove(path)

    def _write(self, path: str, element: Item) -> Entry:
        store = HashingStore(self.backend.zarr_store(path, read_only=False))
        if isinstance(element, anndata.AnnData):
            record = settled(element, "AnnData", 1)
            elements.write_anndata(store, element, record)
            nbytes, chunks = elements.anndata_bytes(element), {}
        else:
            known = provenance.read_record(element)
            if known is None:
                raise InvalidInput("element", "a Dataset without a kind", "use mutua.<Kind>.build")
            record = settled(element, known["kind"], known["version"])
            elements.write_dataset(store, element, record)
            nbytes, chunks = int(element.nbytes), elements.main_chunks(element)
        root = json.loads(self.backend.read(f"{path}/{ROOT}") or b"")
        store.finish(root["consolidated_metadata"]["metadata"])
        manifest = store.manifest()
        self.backend.replace(f"{path}/{MANIFEST}", manifest)
        self.backend.sync(path)
        return Entry(
            path=path,
            kind=record["kind"],
            version=record["version"],
            digest=hash_bytes(manifest),
            nbytes=nbytes,
            stored_bytes=sum(size for _, size in store.files.values()),
            sizes=record["element"]["dims"],
            chunks=chunks,
            written=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )

    def vacuum(self) -> list[str]:
        """Remove the groups that no index names; give their names."""
        self.index()
        with self._turn, unwritable(self.url), self.backend.lock():
            kept = {entry.path for entry in self.index().elements.values()}
            removed = [
                name
                for name in self.backend.groups()
                if name not in kept and generation_of(name) is not None
            ]
            for name in removed:
                self.backend.remove(name)
            self.backend.remove_drafts()
            return removed

    # -- reading -------------------------------------------------------------------------------

    def _where(self, name: str) -> str:
        return f"{self.url}, element {name!r}"

    def _files(self, name: str, entry: Entry) -> Files:
        """Read manifest and metadata of an element, refused where they are changed or unsafe."""
        where = self._where(name)
        root = self.backend.read(f"{entry.path}/{ROOT}")
        if root is None and self.backend.read(f"{entry.path}/.zgroup") is not None:
            raise old_format(where)
        manifest = self.backend.read(f"{entry.path}/{MANIFEST}")
        files = parse_files(manifest, root, entry.digest, where)
        refuse_unsafe(files.group, where)
        return files

    def read(self, name: str, entry: Entry, *, lazy: bool = False) -> Any:
        """Open an element: Datasets lazily, AnnData in memory unless `lazy`.

        Raises
        ------
        StoreDamaged
            If it is not what was written.
        UnsafeStore
            If it could only be read by unpickling.
        NewerVersion
            If its kind or version is not known yet.
        """
        elements.check_version(entry.kind, entry.version, self._where(name))
        files = self._files(name, entry)
        try:
            return self._open(name, entry, files, lazy=lazy)
        except (MutuaError, OSError, MemoryError):
            raise
        except Exception as error:
            raise StoreDamaged(
                f"{self._where(name)}: cannot be opened ({type(error).__name__}: {error}). Restore "
                "it from a copy, or remove it with `del analysis[name]`."
            ) from error

    def _open(self, name: str, entry: Entry, files: Files, *, lazy: bool) -> Any:
        store = self._verifying(name, entry, files)
        if entry.kind == "AnnData":
            adata = elements.read_anndata(store, lazy=lazy)
            if not lazy:
                reopen(adata, self._stored_record(name, adata.uns.get(RECORD)), entry.version)
            return adata
        record = self._stored_record(name, files.attributes.get(RECORD))
        stored = elements.read_dataset(store, files.members)
        element = migrate(entry.kind, entry.version, stored)
        migrated = element is not stored
        reopen(element, record, KINDS[entry.kind]._version, migrated=migrated)
        return element

    def _verifying(self, name: str, entry: Entry, files: Files) -> VerifyingStore:
        inner = self.backend.zarr_store(entry.path, read_only=True)
        return VerifyingStore(inner, self._where(name), entry.digest, files)

    def record(self, name: str, entry: Entry) -> provenance.Record:
        """Give the provenance record of an element without opening its arrays."""
        files = self._files(name, entry)
        found = files.attributes.get(RECORD)
        if entry.kind == "AnnData":
            opened = zarr.open_group(self._verifying(name, entry, files), mode="r")
            found = anndata.io.read_elem(opened[f"uns/{RECORD}"])
        return self._stored_record(name, found)

    def _stored_record(self, name: str, found: Any) -> provenance.Record:
        record = provenance.read_record(xr.Dataset(attrs={RECORD: found}))
        if record is None:
            raise StoreDamaged(
                f"{self._where(name)}: has no record of mutua. Write it again with mutua, or "
                "remove it with `del analysis[name]`."
            )
        return record

    # -- checking ------------------------------------------------------------------------------

    def faults(self, *, deep: bool = False) -> Iterator[Fault]:
        """Yield everything that is wrong with the store; `deep` reads every byte of it."""
        for name, entry in self.index().elements.items():
            for fault in self._element_faults(name, entry, deep=deep):
                yield Fault(f"element {name!r}, {fault.location}", fault.found, fault.remedy)

    def _element_faults(self, name: str, entry: Entry, *, deep: bool) -> Iterator[Fault]:
        try:
            files = self._files(name, entry)
        except Exception as error:
            yield Fault(f"group {entry.path!r}", str(error))
            return
        sound = True
        try:
            elements.check_version(entry.kind, entry.version, self._where(name))
        except NewerVersion as error:
            sound = False  # but its bytes can be compared all the same
            yield Fault(f"group {entry.path!r}", str(error))
        for key, known in files.hashes.items():
            # Without `deep` only the metadata are read: they are small.
            if deep or key.endswith(ROOT):
                found = self._hash(f"{entry.path}/{key}")
                if found != known:
                    sound = False
                    what = "is missing" if not found else "is not as it was written"
                    yield Fault(name_of_key(key), what, "restore it from a copy")
        if not sound:
            return
        try:
            element = self.read(name, entry)
        except Exception as error:
            yield Fault(f"group {entry.path!r}", f"cannot be opened: {error}")
            return
        if entry.kind in KINDS:
            yield from find_faults(KINDS[entry.kind], element, deep=deep)

    def _hash(self, key: str) -> str:
        """Give the hash of a file, or what keeps it from being read."""
        try:
            content = self.backend.read(key)
        except (OSError, zipfile.BadZipFile, zlib.error) as error:
            return f"cannot be read: {error}"
        return "" if content is None else hash_bytes(content)
