"""The hash of every file of an element: taken while it is written, compared while it is read.

zarr takes a chunk that is not there for one that holds only the fill value. Every chunk of an
element is therefore written, and the manifest names them all: a chunk that is missing, or holds
other bytes, is an error that names it, never zeros.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import xxhash
from zarr.abc.store import ByteRequest
from zarr.abc.store import Store as ZarrStore
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.common import concurrent_map
from zarr.core.sync import sync
from zarr.storage import WrapperStore

from mutua.errors import StoreDamaged, StoreUnwritable

__all__ = ["MANIFEST", "Files", "HashingStore", "VerifyingStore", "hash_bytes", "name_of_key"]

MANIFEST = "manifest.json"
METADATA = "zarr.json"
_OLD_METADATA = frozenset({".zgroup", ".zarray", ".zattrs", ".zmetadata"})
_READ_AT_ONCE = 4
_MOST_TRAVELLED = 16
_CHUNK = re.compile(r"(.*)/c((?:/[0-9]+)*)")


def hash_bytes(content: Any) -> str:
    """Give the hash by which stored bytes are compared."""
    return xxhash.xxh3_128_hexdigest(content)


def name_of_key(key: str) -> str:
    """Say which array and chunk, or whose metadata, a file of an element holds."""
    chunk = _CHUNK.fullmatch(key)
    if chunk:
        array, place = chunk.groups()
        return f"array {array!r}, chunk {place[1:] or '(the only one)'}"
    owner = key.removesuffix(METADATA).rstrip("/")
    return f"metadata of {owner!r}" if owner else f"metadata ({key})"


class HashingStore(WrapperStore[ZarrStore]):
    """A zarr store that keeps hash and size of everything written through it."""

    def __init__(self, store: ZarrStore, files: dict[str, tuple[str, int]] | None = None) -> None:
        super().__init__(store)
        self.files: dict[str, tuple[str, int]] = {} if files is None else files

    def _with_store(self, store: ZarrStore) -> HashingStore:
        return type(self)(store, self.files)

    async def set(self, key: str, value: Buffer) -> None:
        """Write a value and remember its hash."""
        await super().set(key, value)
        self._note(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write a value unless there is one, and remember its hash."""
        await super().set_if_not_exists(key, value)
        if key not in self.files:
            self._note(key, value)

    async def _set_many(self, values: Iterable[tuple[str, Buffer]]) -> None:
        for key, value in values:
            await self.set(key, value)

    async def delete(self, key: str) -> None:
        """Delete a value and forget its hash."""
        await super().delete(key)
        self.files.pop(key, None)

    async def delete_dir(self, prefix: str) -> None:
        """Delete everything below a prefix and forget its hashes."""
        await super().delete_dir(prefix)
        below = f"{prefix.rstrip('/')}/" if prefix else ""
        for key in [key for key in self.files if key.startswith(below)]:
            del self.files[key]

    def _note(self, key: str, value: Buffer) -> None:
        content = value.as_numpy_array()
        self.files[key] = hash_bytes(content), content.nbytes

    async def _note_what_others_wrote(self, keys: list[str]) -> None:
        """Hash what did not come through this process (workers of dask.distributed write too).

        A few files are in memory at a time. What else lies there is what a worker has left that
        died while it wrote; it goes.
        """

        async def note(key: str) -> None:
            value = await self.get(key, default_buffer_prototype())
            if value is not None:
                self._note(key, value)

        await concurrent_map([(key,) for key in keys], note, limit=_READ_AT_ONCE)
        for key in [key async for key in self.list() if key not in self.files]:
            await self.delete(key)

    def finish(self, members: Mapping[str, Any]) -> None:
        """Make sure that every chunk of every array is there.

        Parameters
        ----------
        members
            The metadata of every array and group, by path.

        Raises
        ------
        StoreUnwritable
            If a chunk is missing.
        """
        expected = list(_chunk_keys(members))
        theirs = [key for key in expected if key not in self.files]
        if theirs:
            sync(self._note_what_others_wrote(theirs))
        missing = next((key for key in expected if key not in self.files), None)
        if missing is not None:
            raise StoreUnwritable(
                f"{name_of_key(missing)} did not reach the storage. If dask workers on other "
                "machines write it, give a path or URL that all of them share."
            )

    def manifest(self) -> bytes:
        """Give the content of the manifest: the hash of every file."""
        hashes = {key: self.files[key][0] for key in sorted(self.files)}
        return json.dumps(hashes, indent=0).encode()


def _chunk_keys(members: Mapping[str, Any]) -> Iterator[str]:
    for name, member in members.items():
        # anndata stores None as an array that never gets a value.
        empty = member.get("attributes", {}).get("encoding-type") == "null"
        if member["node_type"] == "array" and not empty:
            shape = member["shape"]
            chunks = member["chunk_grid"]["configuration"]["chunk_shape"]
            counts = (range(-(-size // c)) for size, c in zip(shape, chunks, strict=True))
            for place in itertools.product(*counts):
                yield "/".join([name, "c", *map(str, place)])


@dataclass(frozen=True)
class Files:
    """What an element consists of, as its manifest says."""

    hashes: Mapping[str, str]
    group: Mapping[str, Any]
    """Content of the group's own ``zarr.json``."""

    @property
    def members(self) -> Mapping[str, Any]:
        """Metadata of every array and group below it, by path."""
        found: Mapping[str, Any] = self.group["consolidated_metadata"]["metadata"]
        return found

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the group."""
        found: Mapping[str, Any] = self.group.get("attributes", {})
        return found


_travelled: dict[str, Files] = {}
"""What was read for stores from other processes, by digest: every task brings a store."""


class VerifyingStore(WrapperStore[ZarrStore]):
    """The zarr store of one element, giving exactly what was written or an error.

    Metadata are served from the consolidated ones alone, so that what is opened is what was
    checked, whatever else lies in the folder.

    Parameters
    ----------
    store
        The element's own store.
    where
        Names store and element in messages.
    digest
        Hash of the manifest, from the index.
    files
        The parsed manifest and metadata. Left out where the store travels to another process,
        which reads them again when it needs them.
    """

    def __init__(
        self, store: ZarrStore, where: str, digest: str, files: Files | None = None
    ) -> None:
        super().__init__(store)
        self.where = where
        self.digest = digest
        self._files = files

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_files": None}

    def _with_store(self, store: ZarrStore) -> VerifyingStore:
        return type(self)(store, self.where, self.digest, self._files)

    async def _known(self) -> Files:
        if self._files is None:
            self._files = _travelled.get(self.digest)
        if self._files is None:
            prototype = default_buffer_prototype()
            manifest = await super().get(MANIFEST, prototype)
            root = await super().get(METADATA, prototype)
            self._files = parse_files(
                None if manifest is None else manifest.to_bytes(),
                None if root is None else root.to_bytes(),
                self.digest,
                self.where,
            )
            if len(_travelled) >= _MOST_TRAVELLED:
                _travelled.clear()
            _travelled[self.digest] = self._files
        return self._files

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Give the content of a file.

        Raises
        ------
        StoreDamaged
            If a chunk is missing or holds other bytes than were written; names array and chunk.
        """
        files = await self._known()
        folder, _, last = key.rpartition("/")
        if last in _OLD_METADATA:
            return None
        if last == METADATA:
            if not folder:
                return prototype.buffer.from_bytes(_json(files.group))
            member = files.members.get(folder)
            return None if member is None else prototype.buffer.from_bytes(_json(member))
        value = await super().get(key, prototype, byte_range)
        known = files.hashes.get(key)
        if value is None or known is None:
            raise _gone(self.where, key)
        if byte_range is None and hash_bytes(value.as_numpy_array()) != known:
            raise StoreDamaged(
                f"{self.where}, {name_of_key(key)}: holds other bytes than were written. Restore "
                "it from a copy; mutua.open(...).validate(deep=True) lists all that is damaged."
            )
        return value

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Give parts of several files, each as `get` does."""
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def _get_many(
        self, requests: Iterable[tuple[str, BufferPrototype, ByteRequest | None]]
    ) -> AsyncGenerator[tuple[str, Buffer | None], None]:
        for request in requests:
            yield request[0], await self.get(*request)


def parse_files(manifest: bytes | None, root: bytes | None, digest: str, where: str) -> Files:
    """Parse manifest and metadata of an element if they are those that were written.

    Raises
    ------
    StoreDamaged
        If one is missing or was changed.
    """
    if manifest is None or root is None:
        raise _gone(where, MANIFEST if manifest is None else METADATA)
    if hash_bytes(manifest) != digest:
        raise _changed(where, MANIFEST)
    try:
        hashes = json.loads(manifest)
        if hash_bytes(root) != hashes.get(METADATA):
            raise _changed(where, METADATA)
        files = Files(hashes, json.loads(root))
        if not all(isinstance(part, dict) for part in (hashes, files.members, files.attributes)):
            raise TypeError("not a mapping")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _changed(where, METADATA) from error
    return files


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _changed(where: str, key: str) -> StoreDamaged:
    return StoreDamaged(
        f"{where}, {key}: holds other bytes than were written. Restore it from a copy, or remove "
        "the element with `del analysis[name]`."
    )


def _gone(where: str, key: str) -> StoreDamaged:
    place = key if key in (MANIFEST, METADATA) else name_of_key(key)
    return StoreDamaged(
        f"{where}, {place}: is missing. If the element was replaced and vacuumed since this "
        "analysis was opened, open the store again with mutua.open(...); otherwise restore it "
        "from a copy, or remove the element with `del analysis[name]`."
    )
