"""Every damaged or missing byte is noticed and named; newer versions are told apart."""

import json
import shutil

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import (
    InvalidElement,
    MutuaError,
    NewerVersion,
    NotAStore,
    StoreDamaged,
)
from mutua.io.hashes import MANIFEST, name_of_key
from mutua.io.index import Index
from mutua.models.dims import RECORD
from tests.io import examples
from tests.io.examples import assert_same
from tests.io.forgery import all_files, flipped, forge

# -- damage -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_flipped_byte_anywhere_is_noticed_and_named(path):
    mt.open(path)["a"] = examples.plain_adata()
    for seed, file in enumerate(all_files(path)):
        sound = file.read_bytes()
        file.write_bytes(flipped(file, seed))
        with pytest.raises(MutuaError) as caught:
            mt.open(path).validate(deep=True)
        group, _, key = str(file.relative_to(path)).partition("/")
        if key:
            assert isinstance(caught.value, InvalidElement), file
            assert f"element {group.partition('.')[0]!r}" in str(caught.value)
            assert key in (MANIFEST, "zarr.json") or name_of_key(key) in str(caught.value)
            assert (key if key in (MANIFEST, "zarr.json") else "copy") in str(caught.value)
        file.write_bytes(sound)
    mt.open(path).validate(deep=True)


@pytest.mark.slow
def test_a_missing_file_anywhere_is_noticed_and_named(path):
    mt.open(path)["a"] = examples.plain_adata()
    for file in all_files(path):
        sound = file.read_bytes()
        file.unlink()
        with pytest.raises(MutuaError) as caught:
            mt.open(path).validate(deep=True)
        _, _, key = str(file.relative_to(path)).partition("/")
        if key:
            assert "is missing" in str(caught.value)
        file.write_bytes(sound)
    mt.open(path).validate(deep=True)


def test_all_damage_is_listed_at_once(path):
    for key in ("t.1/z/c/0", "t.1/a/c/0", "s.1/codes/c/0/0"):
        (path / key).write_bytes(flipped(path / key, 0))
    with pytest.raises(InvalidElement) as caught:
        mt.open(path).validate(deep=True)
    places = [fault.location for fault in caught.value.faults]
    assert places == [
        "element 't', array 'a', chunk 0",
        "element 't', array 'z', chunk 0",
        "element 's', array 'codes', chunk 0/0",
    ]
    mt.open(path).validate()  # metadata alone are sound


@pytest.mark.parametrize("how", ["flip", "remove", "truncate", "swap"])
def test_reading_a_damaged_chunk_names_it(path, how):
    chunk = path / "s.1" / "prediction" / "c" / "0" / "0"
    if how == "remove":
        chunk.unlink()
    elif how == "swap":  # a whole chunk, with a right crc32c, in the wrong place
        shutil.copy(path / "s.1" / "codes" / "c" / "0" / "0", chunk)
    else:
        chunk.write_bytes(flipped(chunk, 0) if how == "flip" else chunk.read_bytes()[:-3])
    with pytest.raises(StoreDamaged, match=r"s\.zarr, element 's', array 'prediction', chunk 0/0"):
        mt.open(path)["s"]["prediction"].load()
    assert_same(mt.open(path)["s"][["codes"]].load(), examples.sequence_set()[["codes"]])


@pytest.mark.parametrize("key", ["X/data/c/0", "obs/text/c/0", "uns/mutua/c"])
def test_reading_a_damaged_anndata_names_array_and_chunk(path, key):
    study = mt.open(path)
    study["a"] = examples.adata()
    chunk = path / study.path("a") / key
    chunk.unlink()
    array = key.rpartition("/c")[0]
    with pytest.raises(StoreDamaged, match=f"element 'a', array '{array}', chunk"):
        mt.open(path)["a"]
    if key.startswith("X"):
        lazy = mt.open(path).read("a", lazy=True)
        with pytest.raises(StoreDamaged, match=f"element 'a', array '{array}', chunk"):
            lazy.X.compute()


def test_chunks_have_a_crc32c_that_any_reader_checks(path):
    chunk = path / "s.1" / "prediction" / "c" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"x")
    opened = xr.open_zarr(path / "s.1")
    with pytest.raises(ValueError, match=r"(?i)checksum"):
        opened["prediction"].load()


def test_chunks_of_zeros_are_stored(path):
    """A chunk that is not there would be read as zeros."""
    mt.open(path)["zeros"] = mt.SequenceSet.build(np.zeros((4, 3), np.uint8), alphabet="DNA")
    assert (path / mt.open(path).path("zeros") / "codes" / "c" / "0" / "0").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b'{"attributes": {}}',
        b'{"attributes": {"mutua": 3}}',
        b"[" * 9**5,
    ],
)
def test_a_root_that_is_no_index(path, content):
    (path / "zarr.json").write_bytes(content)
    for use in (mt.open, mt.Analysis({}).write):
        with pytest.raises(NotAStore, match=r"not a store that mutua wrote.*damaged"):
            use(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body["elements"]["t"].pop("digest"),
        lambda body: body["elements"]["t"].update(extra=1),
        lambda body: body["elements"]["t"].update(nbytes="many"),
        lambda body: body["elements"]["t"].update(nbytes=-1),
        lambda body: body["elements"]["t"].update(sizes={"row": True}),
        lambda body: body["elements"]["t"].update(sizes=[1]),
        lambda body: body["elements"]["t"].update(version=0),
        lambda body: body["elements"]["t"].update(kind=None),
        lambda body: body["elements"]["t"].update(chunks={"other": 3}),
        lambda body: body.update(elements=[]),
        lambda body: body.update(generation="x"),
        lambda body: body["elements"].update(T=body["elements"]["t"]),
    ],
)
def test_a_forged_index_is_refused(path, change):
    forge(path, change)
    with pytest.raises(StoreDamaged, match=r"the index in zarr.json is damaged.*Restore"):
        mt.open(path)


def test_an_index_edited_by_hand_is_noticed(path):
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(text.replace('"Table"', '"Tablf"'))
    with pytest.raises(StoreDamaged, match="changed by something other than mutua"):
        mt.open(path)


def test_the_index_round_trips():
    assert Index.from_json(json.loads(Index(3).to_json())["attributes"][RECORD]) == Index(3)


# -- newer versions ---------------------------------------------------------------------------


def test_a_store_of_a_newer_format(path):
    forge(path, lambda body: body.update(format=2, mutua_version="9.1"))
    for use in (mt.open, lambda p: mt.Analysis({}).write(p, overwrite=True)):
        with pytest.raises(NewerVersion, match=r"format 2.*up to 1.*pip install --upgrade.*9\.1"):
            use(path)


@pytest.mark.parametrize("change", [{"version": 99}, {"kind": "Hologram"}])
def test_an_element_of_a_newer_kind_or_version(path, change):
    forge(path, lambda body: body["elements"]["t"].update(change))
    study = mt.open(path)
    with pytest.raises(NewerVersion, match=r"element 't'.*pip install --upgrade mutua"):
        study["t"]
    assert_same(study["s"].load(), examples.sequence_set())  # the rest can be read
    assert change.get("kind", "Table") in repr(study)
