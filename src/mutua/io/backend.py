"""Where a store lies: a local folder, a zip file, or any fsspec URL, behind one small face.

Only what the store's promise rests on: replace one small file at once, keep other writers out,
and give zarr a place for the elements. Everything else is zarr's.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import socket
import uuid
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import fsspec
import zarr.storage
from filelock import FileLock, Timeout
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper
from zarr.abc.store import Store as ZarrStore

from mutua.errors import (
    InvalidInput,
    MissingDependency,
    MutuaError,
    NotAStore,
    StoreDamaged,
    StoreLocked,
    StoreUnwritable,
)

__all__ = ["Backend", "open_backend", "unwritable"]

ROOT = "zarr.json"
DRAFT = ".mutua-draft"
LOCK = ".mutua-lock"
HOLDER = ".mutua-writer.json"
_FULL = {errno.ENOSPC, errno.EDQUOT}
_REFUSED = {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG}
_BEGUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\.[0-9]+")
"""Folders that a first write leaves behind if it dies before its commit."""


class Backend(Protocol):
    """The storage operations of a store."""

    url: str
    read_only: bool

    def read(self, key: str) -> bytes | None:
        """Give the content of a file, or None where there is none."""

    def replace(self, key: str, content: bytes) -> None:
        """Replace a file at once: a reader sees the old content or the new one."""

    def sync(self, path: str) -> None:
        """Make all files below `path` durable."""

    def groups(self) -> list[str]:
        """List the names of the folders in the store."""

    def is_free(self) -> bool:
        """Tell whether nothing is there, or only what a write that never finished has left."""

    def remove_drafts(self) -> None:
        """Remove what an interrupted `replace` of the root has left."""

    def remove(self, path: str) -> None:
        """Remove a folder with all it holds; nothing happens where there is none."""

    def zarr_store(self, path: str, *, read_only: bool) -> ZarrStore:
        """Give a zarr store whose root is the element at `path`."""

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Keep other writers out while the context lasts."""


@contextlib.contextmanager
def unwritable(url: str) -> Iterator[None]:
    """Say in our words that storage is full or read-only."""
    try:
        yield
    except OSError as error:
        refused = error.errno in _REFUSED or isinstance(error, PermissionError)
        if isinstance(error, MutuaError) or not (refused or error.errno in _FULL):
            raise
        if _is_elsewhere(error, url):  # a file that the user's own lazy data come from
            raise
        if error.errno in _FULL:
            what, remedy = "the storage is full", "free some space, or call vacuum()"
        else:
            what, remedy = "the storage cannot be written", "check the path and its permissions"
        raise StoreUnwritable(
            f"{url}: {what} ({error.strerror or error}); what was stored before is unchanged. "
            f"{remedy[0].upper()}{remedy[1:]}, and write again."
        ) from error


def _is_elsewhere(error: OSError, url: str) -> bool:
    if not isinstance(error.filename, str) or "://" in url:
        return False
    return not (error.filename.startswith(url) or url.startswith(error.filename))


def _holder() -> bytes:
    me = {"pid": os.getpid(), "host": socket.gethostname(), "writer": uuid.uuid4().hex}
    return json.dumps(me).encode()


def _locked(url: str, holder: bytes | None, remedy: str) -> StoreLocked:
    who = "another process"
    if holder:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            seen = json.loads(holder)
            who = f"process {seen['pid']} on {seen['host']}"
    return StoreLocked(f"{url}: {who} is writing to it. {remedy}")


class LocalBackend:
    """A store in a local folder."""

    read_only = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = str(root)

    def read(self, key: str) -> bytes | None:
        try:
            return (self.root / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def replace(self, key: str, content: bytes) -> None:
        target = self.root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(DRAFT)  # one name: only the holder of the lock writes
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
        _sync_folder(target.parent)

    def sync(self, path: str) -> None:
        below = [(folder, files) for folder, _, files in os.walk(self.root / path)]
        files = [os.path.join(folder, name) for folder, names in below for name in names]
        # The system writes many at once in about the time of one.
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(_sync_file, files))
            list(threads.map(_sync_folder, [folder for folder, _ in below]))
        _sync_folder(self.root)

    def groups(self) -> list[str]:
        return sorted(entry.name for entry in self.root.iterdir() if entry.is_dir())

    def is_free(self) -> bool:
        if not self.root.is_dir():
            return not self.root.exists()
        return _is_free(entry.name for entry in self.root.iterdir())

    def remove_drafts(self) -> None:
        (self.root / DRAFT).unlink(missing_ok=True)

    def remove(self, path: str) -> None:
        target = self.root / path
        if target.is_symlink():
            target.unlink()
        elif target.is_dir():
            shutil.rmtree(target)

    def zarr_store(self, path: str, *, read_only: bool) -> ZarrStore:
        return zarr.storage.LocalStore(self.root / path, read_only=read_only)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        if not self.root.is_dir():
            self.root.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(PermissionError):
                _sync_folder(self.root.parent)
        guard = FileLock(self.root / LOCK)  # released by the system when the process dies
        try:
            guard.acquire(timeout=0)
        except Timeout:
            remedy = "Wait until it has finished, then write again."
            raise _locked(self.url, self.read(HOLDER), remedy) from None
        try:
            with contextlib.suppress(OSError):  # it only helps the message; vacuum() needs no space
                (self.root / HOLDER).write_bytes(_holder())
            yield
        finally:
            with contextlib.suppress(OSError):
                (self.root / HOLDER).unlink(missing_ok=True)
            guard.release()


def _is_free(names: Iterable[str]) -> bool:
    """Tell whether a folder without an index is ours to write: empty, or begun and never finished.

    Lock or holder are there from the first moment of a write, and nobody else makes them.
    """
    found, ours = set(names), {LOCK, HOLDER, DRAFT}
    rest = found - ours
    return not rest or bool(found & ours and all(_BEGUN.fullmatch(name) for name in rest))


def _sync_file(path: str | Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: str | Path) -> None:
    if os.name == "posix":
        _sync_file(folder)


class RemoteBackend:
    """A store at an fsspec URL; putting one object is what replaces the root at once there."""

    read_only = False

    def __init__(self, url: str, storage_options: dict[str, Any] | None = None) -> None:
        self.url = url.rstrip("/")
        self.options = storage_options or {}
        self.fs, self.root = fsspec.core.url_to_fs(self.url, **self.options)

    def _at(self, key: str) -> str:
        return f"{self.root}/{key}"

    def read(self, key: str) -> bytes | None:
        try:
            content: bytes = self.fs.cat_file(self._at(key))
        except (FileNotFoundError, IsADirectoryError):
            return None
        return content

    def replace(self, key: str, content: bytes) -> None:
        self.fs.pipe_file(self._at(key), content)

    def sync(self, path: str) -> None:
        """Do nothing: an object store has an object once it has accepted it."""

    def groups(self) -> list[str]:
        self.fs.invalidate_cache()
        entries = self.fs.ls(self.root, detail=True)
        return sorted(
            entry["name"].rstrip("/").rpartition("/")[2]
            for entry in entries
            if entry["type"] == "directory"
        )

    def is_free(self) -> bool:
        self.fs.invalidate_cache()
        try:
            names = self.fs.ls(self.root, detail=False)
        except FileNotFoundError:
            return True
        # A file is listed as itself, and the lock of a writer that died is left on purpose.
        return _is_free(name.rstrip("/").rpartition("/")[2] for name in names)

    def remove_drafts(self) -> None:
        """Do nothing: an object is replaced at once."""

    def remove(self, path: str) -> None:
        if self.fs.exists(self._at(path)):
            self.fs.rm(self._at(path), recursive=True)

    def zarr_store(self, path: str, *, read_only: bool) -> ZarrStore:
        return zarr.storage.FsspecStore.from_url(
            f"{self.url}/{path}", storage_options=self.options, read_only=read_only
        )

    def lock(self) -> contextlib.AbstractContextManager[None]:
        return self._lock()

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        path, mine = self._at(LOCK), _holder()
        self.fs.makedirs(self.root, exist_ok=True)
        try:
            self.fs.pipe_file(path, mine, mode="create")
        except FileExistsError:
            raise self._locked() from None
        except OSError:
            raise
        except Exception as error:  # every protocol has its own way to say no
            raise StoreUnwritable(
                f"{self.url}: this storage can only be read ({type(error).__name__}: {error}). "
                "Copy the analysis with mutua.open(...).write('folder.zarr') and work there."
            ) from error
        # Some storage knows no "create only if it is not there": the last one to write wins.
        if self.read(LOCK) != mine:
            raise self._locked()
        first = self.read(ROOT) is None
        try:
            if first:  # marks the place as ours should this writer die
                self.fs.pipe_file(self._at(HOLDER), mine)
            yield
        finally:
            self._release(first)

    def _release(self, first: bool) -> None:
        try:
            self.fs.rm_file(self._at(LOCK))
            if first and self.read(ROOT) is not None:
                self.fs.rm_file(self._at(HOLDER))
        except OSError as error:
            warnings.warn(
                f"{self.url}: the lock could not be released ({error}). Remove {self._at(LOCK)}.",
                stacklevel=2,
            )

    def _locked(self) -> StoreLocked:
        protocol = self.fs.protocol if isinstance(self.fs.protocol, str) else self.fs.protocol[0]
        remedy = (
            "Wait until it has finished. If that process is gone, remove its lock: "
            f"fsspec.filesystem({protocol!r}).rm({self._at(LOCK)!r})"
        )
        return _locked(self.url, self.read(LOCK), remedy)


class ZipBackend(RemoteBackend):
    """A store in a zip file, for reading; zipped with its folder or without."""

    read_only = True

    def __init__(self, path: Path) -> None:
        self.url = str(path)
        try:
            self.fs = fsspec.filesystem("zip", fo=str(path))
        except zipfile.BadZipFile as error:
            raise StoreDamaged(
                f"{path}: a damaged zip file ({error}). Restore it from a copy."
            ) from error
        found = [name for name in self.fs.find("") if name.split("/")[-1] == ROOT]
        shallowest = min(found, key=lambda name: name.count("/"), default=ROOT)
        self.root = shallowest[: -len(ROOT)].rstrip("/")

    def _at(self, key: str) -> str:
        return f"{self.root}/{key}".lstrip("/")

    def is_free(self) -> bool:
        return False

    def zarr_store(self, path: str, *, read_only: bool) -> ZarrStore:
        if not read_only:
            raise self._refusal()
        inner = AsyncFileSystemWrapper(self.fs, asynchronous=True)
        return zarr.storage.FsspecStore(inner, path=self._at(path), read_only=True)

    def _refusal(self) -> StoreUnwritable:
        return StoreUnwritable(
            f"{self.url}: a zip file is read only. Copy the analysis into a folder with "
            f"mutua.open(...).write('folder.zarr') and work there."
        )

    def replace(self, key: str, content: bytes) -> None:
        raise self._refusal()

    def remove(self, path: str) -> None:
        raise self._refusal()

    def lock(self) -> contextlib.AbstractContextManager[None]:
        raise self._refusal()


def open_backend(
    location: str | os.PathLike[str], storage_options: dict[str, Any] | None = None
) -> Backend:
    """Give the backend for a path or URL; nothing is created or read yet.

    Raises
    ------
    InvalidInput
        If it is neither a path nor a URL that fsspec knows.
    MissingDependency
        If fsspec needs another package for it.
    NotAStore
        If it is a file that is no zip file.
    """
    if not isinstance(location, str | os.PathLike):
        raise InvalidInput("path", f"a {type(location).__name__}", "use a path or an fsspec URL")
    text = os.fsdecode(location)
    if text.startswith("zip://"):
        raise InvalidInput("path", f"{text!r}", "give the path of the zip file itself")
    if "://" in text and not text.startswith(("file://", "local://")):
        try:
            return RemoteBackend(text, storage_options)
        except ImportError as error:
            raise MissingDependency(f"`path`: {text!r}: {error}") from error
        except ValueError as error:
            found = f"{text!r}: {error}"
            raise InvalidInput("path", found, "use a URL that fsspec knows") from error
    path = Path(text.removeprefix("file://").removeprefix("local://")).expanduser().absolute()
    if path.is_file():
        if not zipfile.is_zipfile(path):
            raise NotAStore(
                f"{path} is a file, not a mutua store. Give the folder that Analysis.write made, "
                "or a zip file of it."
            )
        return ZipBackend(path)
    return LocalBackend(path)
