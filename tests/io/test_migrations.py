"""Elements of older versions of a kind come up to date when they are opened."""

import numpy as np
import pytest

import mutua as mt
from mutua.errors import NewerVersion, StoreDamaged
from mutua.io.migrations import MIGRATIONS
from mutua.models import KINDS, provenance
from tests.io import examples
from tests.io.examples import assert_same


def rename_z(element):
    return element.rename_vars({"z": "count"})


def double_count(element):
    return element.assign(count=(element["count"] * 2).assign_attrs(element["count"].attrs))


@pytest.fixture
def newer(path, monkeypatch):
    """The store ``path``, and a mutua in which `Table` has gone from version 1 to 3 since."""
    monkeypatch.setattr(KINDS["Table"], "_version", 3)
    monkeypatch.setitem(MIGRATIONS, ("Table", 1), rename_z)
    monkeypatch.setitem(MIGRATIONS, ("Table", 2), double_count)
    return path


def expected():
    return double_count(rename_z(examples.table()))


def test_an_old_element_is_migrated_step_by_step(newer):
    study = mt.open(newer)
    study.validate(deep=True)
    opened = study["t"]
    assert not opened["count"].variable._in_memory
    assert_same(opened.load(), expected())
    assert provenance.read_record(opened)["version"] == 3
    assert_same(study["s"].load(), examples.sequence_set())


@pytest.mark.parametrize("loaded", [False, True])
def test_a_migration_is_no_edit(newer, loaded):
    opened = mt.open(newer)["t"]
    opened = opened.load() if loaded else opened
    assert [step["function"] for step in provenance.chain(opened)] == ["Table.build"]
    mt.open(newer)["again"] = opened
    study = mt.open(newer)
    assert study.lineage("again")["function"].tolist() == ["Table.build"]
    assert_same(study["again"].load(), expected())
    assert study._index.elements["again"].version == 3
    assert study._index.elements["t"].version == 1


def test_an_edit_after_a_migration_is_one(newer):
    opened = mt.open(newer)["t"]
    edited = opened.assign(count=opened["count"] + 1)
    assert [step["function"] for step in provenance.chain(edited)][1:] == [provenance.EDITED]


def test_an_older_mutua_refuses_what_a_newer_one_wrote(newer, monkeypatch):
    mt.open(newer)["new"] = mt.Table.build(count=np.arange(3))
    monkeypatch.setattr(KINDS["Table"], "_version", 1)
    study = mt.open(newer)
    with pytest.raises(NewerVersion, match=r"'new': Table version 3.*pip install --upgrade"):
        study["new"]


def test_a_version_that_never_was(path, monkeypatch):
    monkeypatch.setattr(KINDS["Table"], "_version", 2)
    with pytest.raises(StoreDamaged, match="no Table version 1"):
        mt.open(path)["t"]


def test_every_version_has_a_migration():
    for name, kind in KINDS.items():
        for version in range(1, kind._version):
            assert (name, version) in MIGRATIONS
