"""The store: one commit at a time, nothing lost, whatever writes and reads."""

import json
import os
import pickle
import shutil
import threading
import time

import dask
import dask.array as da
import fsspec
import pytest
import xarray as xr
import zarr

import mutua as mt
from mutua.errors import (
    NotAStore,
    StoreDamaged,
    StoreUnwritable,
)
from mutua.io.hashes import MANIFEST
from mutua.io.store import Store
from tests.io import examples, storages
from tests.io.examples import assert_same


@pytest.fixture(params=["local", "memory"])
def place(request, tmp_path):
    """A place for a store, local and in memory."""
    if request.param == "local":
        yield str(tmp_path / "s.zarr")
        return
    yield "memory://store-test.zarr"
    fs = fsspec.filesystem("memory")
    if fs.exists("/store-test.zarr"):
        fs.rm("/store-test.zarr", recursive=True)


# -- commits ----------------------------------------------------------------------------------


def test_every_change_is_one_commit(place):
    mt.Analysis({"t": examples.table()}).write(place)
    study = mt.open(place)
    first = study._index.generation
    study["s"] = examples.sequence_set()
    study.update(a=examples.table(3), b=examples.adata())
    study.rename("a", "c")
    del study["t"]
    assert mt.open(place)._index.generation == first + 4
    assert list(mt.open(place)) == ["s", "c", "b"]
    mt.open(place).validate(deep=True)


def test_a_replaced_element_stays_for_its_readers_until_vacuum(place):
    mt.Analysis({"t": examples.table(8)}).write(place)
    before, writer = mt.open(place), mt.open(place)
    opened = before["t"]
    writer["t"] = examples.table(5)
    assert_same(before["t"].load(), examples.table(8))
    assert_same(writer["t"].load(), examples.table(5))
    assert writer.vacuum() == [before.path("t")]
    with pytest.raises(StoreDamaged, match=r"'t', array 'z', chunk 0: is missing.*open the store"):
        opened["z"].compute()
    with pytest.raises(StoreDamaged, match=r"replaced and vacuumed.*open the store again"):
        before["t"]
    assert_same(mt.open(place)["t"].load(), examples.table(5))


def test_a_reader_that_has_read_something_gets_no_zeros_after_vacuum(place):
    mt.Analysis({"s": examples.sequence_set().chunk(sequence=2)}).write(place)
    reader, writer = mt.open(place), mt.open(place)
    opened = reader["s"]
    opened["codes"][:2].load()
    del writer["s"]
    writer.vacuum()
    with pytest.raises(StoreDamaged, match=r"element 's', array 'codes', chunk 1/0"):
        opened["codes"].variable[2:4].load()


def test_vacuum_leaves_what_is_named_and_what_is_not_ours(path):
    study = mt.open(path)
    (path / "t.77" / "z").mkdir(parents=True)
    (path / "t.77" / "z" / "zarr.json").write_text("half")
    (path / ".mutua-draft").write_text("half")
    (path / "notes").mkdir()
    (path / "notes.txt").write_text("mine")
    assert study.vacuum() == ["t.77"]
    assert sorted(os.listdir(path)) == [
        ".mutua-lock", "notes", "notes.txt", "s.1", "t.1", "zarr.json",
    ]  # fmt: skip
    assert study.vacuum() == []
    study.validate(deep=True)


def test_a_failed_change_leaves_everything_as_it_was(path):
    before = (path / "zarr.json").read_bytes()
    study = mt.open(path)

    def fail(block):
        raise RuntimeError("no luck")

    bad = examples.table(4).assign(z=("row", da.zeros(4, dtype=int).map_blocks(fail, dtype=int)))
    with pytest.raises(RuntimeError, match="no luck"):
        study.update(good=examples.table(3), bad=bad)
    assert (path / "zarr.json").read_bytes() == before
    assert sorted(p.name for p in path.iterdir() if p.is_dir()) == ["s.1", "t.1"]
    study.validate(deep=True)


def test_threads_of_a_failed_change_do_no_harm_to_the_next(path):
    """One chunk fails at once, the other goes on computing and then writes."""

    def compute(block, block_info=None):
        if block_info[0]["chunk-location"][0] == 0:
            time.sleep(0.05)
            raise RuntimeError("no luck")
        time.sleep(0.4)
        return block - 5

    def lazy(values):
        return examples.table(4).assign(z=("row", values))

    bad = da.zeros(4, chunks=2, dtype=int).map_blocks(compute, dtype=int)
    study = mt.open(path)
    with pytest.raises(RuntimeError, match="no luck"):
        study["new"] = lazy(bad)
    study["new"] = lazy(da.ones(4, chunks=2, dtype=int))
    time.sleep(0.6)
    mt.open(path).validate(deep=True)
    assert mt.open(path)["new"]["z"].values.tolist() == [1, 1, 1, 1]
    study.vacuum()
    mt.open(path).validate(deep=True)


def test_an_analysis_whose_store_is_gone_makes_no_new_one(path):
    study = mt.open(path)
    shutil.rmtree(path)
    with pytest.raises(NotAStore, match="holds no mutua store"):
        study["t"] = examples.table()
    with pytest.raises(NotAStore):
        study.vacuum()
    assert not path.exists()


@pytest.mark.slow
def test_two_processes_lose_nothing(path):
    code = """
import sys, time, mutua as mt, numpy as np
from mutua.errors import StoreLocked
study, mine = mt.open(sys.argv[1]), sys.argv[2]
for i in range(12):
    while True:
        try:
            study[f"{mine}{i}"] = mt.Table.build(n=np.array([i]))
            break
        except StoreLocked:
            time.sleep(0.01)
"""
    workers = [storages.python(code, path, name) for name in ("left", "right")]
    for worker in workers:
        _, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors
    study = mt.open(path)
    assert set(study) == {"t", "s", *(f"{w}{i}" for w in ("left", "right") for i in range(12))}
    study.validate(deep=True)
    assert study.vacuum() == []
    assert all(study[f"left{i}"]["n"].values == [i] for i in range(12))


@pytest.mark.slow
def test_threads_of_one_analysis(path):
    study = mt.open(path)
    errors = []

    def work(number):
        try:
            for i in range(4):
                study[f"x{number}"] = examples.table(number + 1)
                study[f"x{number}"].load()
                study[f"y{number}{i}"] = examples.plain_adata(i + 1)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(mt.open(path)) == 2 + 4 + 16
    mt.open(path).validate(deep=True)


def test_a_name_that_another_process_took_meanwhile(path):
    study, other = mt.open(path), mt.open(path)
    other["New"] = examples.table(1)
    with pytest.raises(mt.errors.InvalidInput, match="differ in case only"):
        study["new"] = examples.table(2)
    with pytest.raises(mt.errors.InvalidInput, match="is taken"):
        study.rename("t", "New")
    other.rename("t", "u")
    with pytest.raises(mt.errors.ElementNotFound):
        study.rename("t", "v")
    assert list(mt.open(path)) == ["u", "s", "New"]


# -- what writes and reads through dask -------------------------------------------------------


@pytest.mark.slow
def test_a_stored_element_travels_to_other_processes(path):
    study = mt.open(path)
    opened = study["s"]
    assert_same(pickle.loads(pickle.dumps(opened)).load(), examples.sequence_set())  # noqa: S301
    with dask.config.set(scheduler="processes", num_workers=1):
        assert int(opened["codes"].sum()) == int(examples.sequence_set()["codes"].sum())
    (path / "s.1" / "codes" / "c" / "0" / "0").unlink()
    with pytest.raises(StoreDamaged, match="array 'codes', chunk 0/0"):
        pickle.loads(pickle.dumps(opened))["codes"].load()  # noqa: S301


def test_what_workers_of_a_cluster_write_is_in_the_manifest(path):
    distributed = pytest.importorskip("distributed")
    lazy = examples.sequence_set().chunk(sequence=2)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, memory_limit=0, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        mt.open(path)["far"] = lazy
        total = int(mt.open(path)["far"]["codes"].sum())
    assert total == int(examples.sequence_set()["codes"].sum())
    study = mt.open(path)
    study.validate(deep=True)
    assert_same(study["far"].load(), examples.sequence_set())
    manifest = json.loads((path / study.path("far") / MANIFEST).read_bytes())
    assert {f"codes/c/{i}/0" for i in range(3)} <= set(manifest)


def test_chunks_that_never_arrive_are_an_error(path, monkeypatch):
    """As on workers that do not share the storage."""
    from mutua.io.hashes import HashingStore

    put = HashingStore.set

    async def lose(self, key, value):
        if key != "codes/c/1/0":
            await put(self, key, value)

    monkeypatch.setattr(HashingStore, "set", lose)
    with pytest.raises(StoreUnwritable, match=r"'codes', chunk 1/0 did not reach.*share"):
        mt.open(path)["new"] = examples.sequence_set().chunk(sequence=2)
    assert list(mt.open(path)) == ["t", "s"]


def test_copying_between_stores_keeps_everything(path, tmp_path):
    study = mt.open(path)
    study.write(tmp_path / "copy.zarr")
    copy = mt.open(tmp_path / "copy.zarr")
    copy.validate(deep=True)
    for name in study:
        assert_same(copy[name].load(), study[name].load())
        assert copy.lineage(name).equals(study.lineage(name))


def test_bytes_are_only_read_once_they_are_needed(path, monkeypatch):
    from mutua.io.backend import LocalBackend

    reads = []
    read = LocalBackend.read
    monkeypatch.setattr(
        LocalBackend, "read", lambda self, key: (reads.append(key), read(self, key))[1]
    )
    study = mt.open(path)
    repr(study), study._repr_html_(), list(study), len(study), "t" in study, study.path("t")
    assert reads == ["zarr.json"]
    study["t"]
    assert len(reads) == 3


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")  # of our lock and manifest
def test_the_store_itself_is_a_plain_zarr_hierarchy(path):
    root = zarr.open_group(path, mode="r")
    assert {name for name, _ in root.members()} == {"t.1", "s.1"}
    assert root["s.1/codes"].shape == (6, 5)
    assert Store.at(path).exists()


@pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning")  # of our lock and manifest
def test_other_programs_may_add_groups_beside(path):
    """xarray then consolidates metadata at the root, which must not hide or change anything."""
    mine = xr.Dataset({"a": ("x", [1, 2])})
    mine.to_zarr(path, group="mine", mode="a", zarr_format=3)
    mine.to_zarr(path, group="mine.1", mode="w", zarr_format=3, consolidated=True)
    zarr.consolidate_metadata(path)
    study = mt.open(path)
    study.validate(deep=True)
    assert_same(study["t"].load(), examples.table())
    study["u"] = examples.table(2)
    study = mt.open(path)
    assert list(study) == ["t", "s", "u"]
    study.validate(deep=True)
    assert study.vacuum() == ["mine.1"]  # named as an element, and no element
    assert xr.open_zarr(path / "mine", consolidated=False)["a"].values.tolist() == [1, 2]
