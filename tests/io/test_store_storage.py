"""Places that hold something else, and storage that is full, read-only or fails."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import mutua as mt
from mutua.errors import (
    NotAStore,
    StoreUnwritable,
)
from tests.io import examples, storages
from tests.io.examples import assert_same
from tests.io.storages import FailingFileSystem

# -- something else at the path ---------------------------------------------------------------


@pytest.mark.parametrize("content", ["folder", "zarr", "xarray"])
def test_a_path_that_is_no_store(tmp_path, content):
    path = tmp_path / "x"
    path.mkdir()
    if content == "folder":
        (path / "notes.txt").write_text("mine")
    elif content == "zarr":
        zarr.open_group(path, mode="w")
    else:
        xr.Dataset({"a": ("x", [1, 2])}).to_zarr(path, zarr_format=3, consolidated=False)
    before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
    with pytest.raises(NotAStore):
        mt.open(path)
    for overwrite in (False, True):
        with pytest.raises(NotAStore):
            mt.Analysis({"t": examples.table()}).write(path, overwrite=overwrite)
    assert before == {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}


def test_nothing_at_the_path(tmp_path):
    with pytest.raises(NotAStore, match=r"holds no mutua store.*Analysis\(...\)\.write\(path\)"):
        mt.open(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    with pytest.raises(NotAStore):
        mt.open("memory://nothing-there")


# -- storage that is full or read-only --------------------------------------------------------


def fill(path, n):
    return mt.Table.build(x=np.random.default_rng(n).random(n))


def test_a_full_disk_changes_nothing(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    with storages.mounted(folder, "-t", "tmpfs", "-o", "size=2m", "tmpfs") as done:
        if not done:
            pytest.skip("mounting is not permitted here")
        path = folder / "s.zarr"
        mt.Analysis({"t": examples.table()}).write(path)
        study = mt.open(path)
        before = (path / "zarr.json").read_bytes()
        with pytest.raises(StoreUnwritable, match=r"s\.zarr: the storage is full.*Free some space"):
            study["big"] = fill(path, 600_000)
        assert (path / "zarr.json").read_bytes() == before
        assert [p.name for p in path.iterdir() if p.is_dir()] == ["t.1"]
        mt.open(path).validate(deep=True)
        study["small"] = fill(path, 1000)
        # Full to the last byte: even then vacuum gives back what replaced elements take.
        study["half"] = fill(path, 90_000)
        study["half"] = fill(path, 80_000)
        with pytest.raises(OSError, match="No space"):
            (folder / "filler").write_bytes(b"x" * 2_000_000)
        with pytest.raises(StoreUnwritable, match="storage is full"):
            study.rename("small", "tiny")
        with pytest.raises(StoreUnwritable, match="storage is full"):
            study["more"] = fill(path, 10)
        mt.open(path).validate(deep=True)
        assert len(study.vacuum()) >= 1
        study.rename("small", "tiny")
        mt.open(path).validate(deep=True)
        assert list(mt.open(path)) == ["t", "tiny", "half"]


def test_read_only_storage(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "read_only"
    source.mkdir()
    folder.mkdir()
    mt.Analysis({"t": examples.table()}).write(source / "s.zarr")
    with storages.mounted(folder, "--bind", "-o", "ro", str(source)) as done:
        if not done:
            pytest.skip("mounting is not permitted here")
        study = mt.open(folder / "s.zarr")
        assert_same(study["t"].load(), examples.table())
        study.validate(deep=True)
        for act in (
            lambda: study.update(u=examples.table()),
            lambda: study.pop("t"),
            study.vacuum,
            lambda: mt.Analysis({}).write(folder / "new.zarr"),
        ):
            with pytest.raises(StoreUnwritable, match=r"cannot be written.*permissions"):
                act()
        assert list(study) == ["t"]


@pytest.mark.slow
def test_a_folder_without_permission():
    with tempfile.TemporaryDirectory() as folder:  # where another user gets to, unlike tmp_path
        folder_without_permission(Path(folder))


def folder_without_permission(folder):
    path = folder / "s.zarr"
    mt.Analysis({"t": examples.table()}).write(path)
    code = """
import os, sys, mutua as mt
from mutua.errors import StoreUnwritable
mt.Analysis({"t": mt.Table.build(n=[1])}).write("memory://everything-is-imported-now")
mt.open("memory://everything-is-imported-now")["t"].load()
if os.geteuid() == 0:
    os.seteuid(65534)
for act in (lambda: mt.open(sys.argv[1]).pop("t"), lambda: mt.Analysis({}).write(sys.argv[2])):
    try:
        act()
    except StoreUnwritable as error:
        assert "check" in str(error).lower(), error
        print("refused")
"""
    path.chmod(0o555)
    folder.chmod(0o555)
    try:
        child = storages.python(code, path, folder / "new.zarr")
        out, errors = child.communicate(timeout=300)
    finally:
        path.chmod(0o755)
        folder.chmod(0o755)
    assert out.split() == ["refused", "refused"], errors
    mt.open(path).validate(deep=True)


def test_storage_that_fails_at_any_write_stays_whole():
    url = "failing://deep/s.zarr"
    FailingFileSystem.store.clear()
    FailingFileSystem.pseudo_dirs[:] = [""]
    FailingFileSystem.reset()
    mt.Analysis({"t": examples.table(3), "a": examples.plain_adata()}).write(url)
    study = mt.open(url)
    new = {"t": mt.Table.build(n=np.arange(2)), "u": mt.Table.build(n=np.arange(5))}
    FailingFileSystem.reset()
    mt.open(url).update(probe=new["u"], probe2=new["t"])
    n_writes = FailingFileSystem.writes
    assert n_writes >= 9  # lock, 2 x (metadata, chunk, manifest, consolidated), root
    for fail_at in range(1, n_writes + 1):
        FailingFileSystem.reset(fail_at)
        with pytest.raises(StoreUnwritable, match="storage is full"):
            study.update(new)
        FailingFileSystem.reset()
        now = mt.open(url)
        assert list(now) == ["t", "a", "probe", "probe2"]
        now.validate(deep=True)
        assert_same(now["t"].load(), examples.table(3))
    study.update(new)
    now = mt.open(url)
    assert_same(now["t"].load(), new["t"])
    now.validate(deep=True)
    now.vacuum()
    now.validate(deep=True)


def test_a_first_write_that_fails_at_any_write_can_be_repeated():
    url = "failing://first.zarr"
    FailingFileSystem.store.clear()
    FailingFileSystem.pseudo_dirs[:] = [""]
    for fail_at in range(1, 20):
        FailingFileSystem.reset(fail_at)
        try:
            mt.Analysis({"t": mt.Table.build(n=np.arange(2))}).write(url)
        except StoreUnwritable:
            FailingFileSystem.reset()
            with pytest.raises(NotAStore):
                mt.open(url)
            continue
        break
    else:
        pytest.fail("there are more writes than this test tried")
    assert fail_at > 8
    FailingFileSystem.reset()
    mt.open(url).validate(deep=True)
