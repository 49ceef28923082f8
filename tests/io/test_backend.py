"""Where stores lie: replacing a file at once, keeping other writers out, and what is refused."""

import errno
import json
import os
import shutil
import signal
import socket
import sys
import zipfile
from pathlib import Path

import fsspec
import pytest

import mutua as mt
from mutua.errors import (
    InvalidInput,
    MissingDependency,
    NotAStore,
    StoreDamaged,
    StoreLocked,
    StoreUnwritable,
)
from mutua.io import backend
from mutua.io.backend import HOLDER, LOCK, ROOT, LocalBackend, RemoteBackend, open_backend
from tests.io import examples, storages

HOLD = """
import sys, pathlib
from mutua.io.backend import LocalBackend
with LocalBackend(pathlib.Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def memory():
    """A URL in memory that nobody has used."""
    fs = fsspec.filesystem("memory")
    yield "memory://backend-test.zarr"
    if fs.exists("/backend-test.zarr"):
        fs.rm("/backend-test.zarr", recursive=True)


# -- what a location is ------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "file://", "local://"])
def test_local_paths(tmp_path, prefix):
    found = open_backend(f"{prefix}{tmp_path}/study.zarr")
    assert isinstance(found, LocalBackend)
    assert found.root == tmp_path / "study.zarr"
    assert not found.root.exists()


def test_relative_paths_survive_a_change_of_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    mt.Analysis({"t": examples.table()}).write("study.zarr")
    study = mt.open("study.zarr")
    rows = study["t"]
    monkeypatch.chdir(tmp_path / "elsewhere")
    examples.assert_same(rows.load(), examples.table())
    assert study.url == str(tmp_path / "study.zarr")


def test_home_and_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_backend("~/s.zarr").root == tmp_path / "s.zarr"

    class BytesPath(os.PathLike):
        def __fspath__(self):
            return bytes(tmp_path)

    assert open_backend(BytesPath()).root == tmp_path


def test_urls(memory):
    found = open_backend(memory)
    assert isinstance(found, RemoteBackend)
    assert found.url == memory
    assert open_backend(f"{memory}/").url == memory


@pytest.mark.parametrize("location", [3, None, ["a"], b"bytes"])
def test_what_is_no_location(location):
    with pytest.raises(InvalidInput, match="path or an fsspec URL"):
        open_backend(location)


@pytest.mark.parametrize("location", ["nonsense://x", "zip://::x.zip"])
def test_unknown_urls(location):
    with pytest.raises(InvalidInput, match=r"URL that fsspec knows|path of the zip file"):
        open_backend(location)


def test_a_url_that_needs_another_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingDependency, match=r"`path`: 's3://x/y': Install s3fs"):
        mt.open("s3://x/y")


def test_a_file_that_is_no_zip(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for use in (mt.open, mt.Analysis({}).write):
        with pytest.raises(NotAStore, match=r"is a file.*Give the folder"):
            use(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "hello"


# -- replacing a file --------------------------------------------------------------------------


def test_replace_is_whole_or_not_at_all(tmp_path, monkeypatch):
    place = LocalBackend(tmp_path)
    place.replace(ROOT, b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "no space")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, full)
            with pytest.raises(OSError, match="no space"):
                place.replace(ROOT, b"new")
        assert place.read(ROOT) == b"old"
        assert os.listdir(tmp_path) == [ROOT]
    place.replace(ROOT, b"new")
    assert place.read(ROOT) == b"new"


def test_everything_is_durable_before_the_commit(tmp_path, monkeypatch):
    """No power cut may leave an index that names what is not on the disk."""
    synced, replaced = set(), []
    fsync, replace = os.fsync, os.replace

    def note(handle):
        synced.add(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def rename(source, target):
        if str(target) == str(tmp_path / "s.zarr" / ROOT):
            replaced.append(set(synced))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "replace", rename)
    mt.Analysis({"t": examples.table(), "a": examples.adata()}).write(tmp_path / "s.zarr")
    group = [tmp_path / "s.zarr", *(tmp_path / "s.zarr").rglob("*")]
    needed = {str(p) for p in group if p.name not in (LOCK, ROOT) or p.parent.suffix != ".zarr"}
    before = replaced[-1]
    assert not needed - before


def test_reading_what_is_not_there(tmp_path, memory):
    for place in (LocalBackend(tmp_path), RemoteBackend(memory)):
        assert place.read("nothing") is None
        assert place.read("nothing/deeper") is None
        place.remove("nothing")


def test_a_link_is_removed_and_not_what_it_points_to(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "data").write_text("x")
    place = LocalBackend(tmp_path / "s")
    place.root.mkdir()
    (place.root / "a.1").symlink_to(precious)
    place.remove("a.1")
    assert not (place.root / "a.1").exists()
    assert (precious / "data").exists()


# -- locks -------------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_holds_the_lock(tmp_path):
    mt.Analysis({"t": examples.table()}).write(tmp_path / "s")
    holder = storages.python(HOLD, tmp_path / "s")
    assert holder.stdout.readline() == "held\n"
    study = mt.open(tmp_path / "s")
    name = f"process {holder.pid} on {socket.gethostname()}"
    for act in (
        lambda: study.update(t=examples.table()),
        lambda: study.rename("t", "u"),
        lambda: study.pop("t"),
        study.vacuum,
        lambda: mt.Analysis({}).write(tmp_path / "s", overwrite=True),
    ):
        with pytest.raises(StoreLocked, match=f"{name} is writing to it. Wait"):
            act()
    assert list(study) == list(mt.open(tmp_path / "s")) == ["t"]  # readers are not kept out
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    study["u"] = examples.table()  # the lock of a dead process is free
    assert list(mt.open(tmp_path / "s")) == ["t", "u"]
    assert not (tmp_path / "s" / HOLDER).exists()


def test_two_in_one_process_exclude_each_other(tmp_path):
    first, second = LocalBackend(tmp_path), LocalBackend(tmp_path)
    with (
        first.lock(),
        pytest.raises(StoreLocked, match=f"process {os.getpid()}"),
        second.lock(),
    ):
        pass
    with second.lock():
        pass


def test_the_lock_works_without_space_for_the_name_of_its_holder(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(Path, "write_bytes", full)
    with LocalBackend(tmp_path).lock():
        second = LocalBackend(tmp_path)
        with pytest.raises(StoreLocked, match="another process"), second.lock():
            pass


def test_a_stale_remote_lock_says_how_to_remove_it(memory):
    mt.Analysis({"t": examples.table()}).write(memory)
    fs = fsspec.filesystem("memory")
    fs.pipe_file(f"/backend-test.zarr/{LOCK}", json.dumps({"pid": 5, "host": "far"}).encode())
    study = mt.open(memory)
    with pytest.raises(StoreLocked, match="process 5 on far is writing") as caught:
        study["t"] = examples.table()
    command = str(caught.value).partition("remove its lock: ")[2]
    eval(command, {"fsspec": fsspec})
    study["u"] = examples.table()
    assert list(mt.open(memory)) == ["t", "u"]
    assert not fs.exists(f"/backend-test.zarr/{LOCK}")


def test_a_remote_lock_that_makes_no_sense(memory):
    fsspec.filesystem("memory").pipe_file(f"/backend-test.zarr/{LOCK}", b"\xff garbage")
    with pytest.raises(StoreLocked, match="another process"), RemoteBackend(memory).lock():
        pass


def test_storage_without_exclusive_creation_is_checked_again(memory, monkeypatch):
    """Two writers that both found no lock: the one whose lock was overwritten steps back."""
    place = RemoteBackend(memory)
    pipe = place.fs.pipe_file

    def overwritten(path, value, mode="overwrite", **kwargs):
        pipe(path, value, **kwargs)
        pipe(path, json.dumps({"pid": 6, "host": "far"}).encode())

    monkeypatch.setattr(place.fs, "pipe_file", overwritten)
    with pytest.raises(StoreLocked, match="process 6 on far"), place.lock():
        pass


def test_a_lock_that_cannot_be_released_warns(memory, monkeypatch):
    place = RemoteBackend(memory)

    def refuse(path):
        raise OSError("gone")

    monkeypatch.setattr(place.fs, "rm_file", refuse)
    with pytest.warns(UserWarning, match="could not be released.*Remove"), place.lock():
        place.replace(ROOT, b"{}")


# -- a free place ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "free"),
    [
        ([], True),
        ([LOCK], True),
        ([LOCK, HOLDER, "t.1/", ".mutua-draft"], True),
        ([HOLDER, "t.1/"], True),
        (["t.1/"], False),
        (["notes.txt"], False),
        ([LOCK, "notes.txt"], False),
        ([LOCK, "folder/"], False),
        ([".hidden"], False),
    ],
)
def test_what_a_first_write_may_take(tmp_path, memory, names, free):
    root = tmp_path / "s"
    root.mkdir()
    fs = fsspec.filesystem("memory")
    for name in names:
        if name.endswith("/"):
            (root / name).mkdir()
            fs.pipe_file(f"/backend-test.zarr/{name}zarr.json", b"x")
        else:
            (root / name).write_text("")
            fs.pipe_file(f"/backend-test.zarr/{name}", b"x")
    assert LocalBackend(root).is_free() is free
    assert RemoteBackend(memory).is_free() is free


def test_a_place_that_is_not_there_is_free(tmp_path, memory):
    assert LocalBackend(tmp_path / "s" / "deep").is_free()
    assert RemoteBackend(memory).is_free()


# -- storage that cannot be written ------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "match"),
    [
        (errno.ENOSPC, "storage is full.*Free some space, or call vacuum"),
        (errno.EDQUOT, "storage is full"),
        (errno.EROFS, "cannot be written.*Check the path and its permissions"),
        (errno.EACCES, "cannot be written"),
        (errno.ENOTDIR, "cannot be written"),
    ],
)
def test_errors_of_the_system_are_translated(code, match):
    with pytest.raises(StoreUnwritable, match=match) as caught, backend.unwritable("/data/s"):
        raise OSError(code, os.strerror(code))
    assert "what was stored before is unchanged" in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, "broken disk"),
        FileNotFoundError(errno.ENOENT, "gone", "/elsewhere/reads.h5"),
        PermissionError(errno.EACCES, "secret", "/elsewhere/reads.h5"),
        StoreLocked("locked"),
        ValueError("anything"),
    ],
)
def test_other_errors_are_left_as_they_are(error):
    with pytest.raises(type(error)) as caught, backend.unwritable("/data/s"):
        raise error
    assert caught.value is error


def test_storage_that_can_only_be_read(memory):
    mt.Analysis({"t": examples.table()}).write(memory)
    study = mt.open(memory.replace("memory", "readable"))
    examples.assert_same(study["t"], examples.table())
    with pytest.raises(StoreUnwritable, match="can only be read"):
        study["u"] = examples.table()


# -- zip files ---------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    mt.Analysis({"t": examples.table(), "s": examples.sequence_set()}).write(tmp_path / "s.zarr")
    return tmp_path / "s.zarr"


@pytest.mark.parametrize("with_folder", [False, True])
def test_a_zipped_store_is_read(folder, with_folder):
    base = {"base_dir": folder.name, "root_dir": folder.parent} if with_folder else {}
    zipped = shutil.make_archive(str(folder), "zip", **(base or {"root_dir": folder}))
    study = mt.open(zipped)
    study.validate(deep=True)
    examples.assert_same(study["t"].load(), examples.table())
    examples.assert_same(study["s"].load(), examples.sequence_set())
    assert study.url == zipped
    assert list(study.lineage("t")["function"]) == ["Table.build"]


def test_a_zipped_store_is_not_written(folder):
    zipped = shutil.make_archive(str(folder), "zip", root_dir=folder)
    study = mt.open(zipped)
    for act in (lambda: study.update(t=examples.table()), study.vacuum):
        with pytest.raises(StoreUnwritable, match="opened for reading"):
            act()
    with pytest.raises(StoreUnwritable, match="zip file is read only"):
        mt.Analysis({}).write(zipped, overwrite=True)
    study.write(folder.with_name("copy.zarr"))
    examples.assert_same(mt.open(folder.with_name("copy.zarr"))["t"], examples.table())


def test_a_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr("notes.txt", "hello")
    with pytest.raises(NotAStore, match="holds no mutua store"):
        mt.open(tmp_path / "x.zip")
    with pytest.raises(NotAStore, match="exists and is not a mutua store"):
        mt.Analysis({}).write(tmp_path / "x.zip")


def test_a_damaged_zip(folder):
    zipped = Path(shutil.make_archive(str(folder), "zip", root_dir=folder))
    with zipfile.ZipFile(zipped) as file:
        info = file.getinfo("t.1/z/c/0")
        start = info.header_offset + 30 + len(info.filename) + 4
    content = bytearray(zipped.read_bytes())
    content[start] ^= 1
    zipped.write_bytes(content)
    with pytest.raises(mt.errors.InvalidElement, match=r"element 't', array 'z', chunk 0"):
        mt.open(zipped).validate(deep=True)
    content[len(content) - 40 :] = b"\0" * 40
    zipped.write_bytes(content)
    with pytest.raises((NotAStore, StoreDamaged)):
        mt.open(zipped)
