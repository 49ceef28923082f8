"""`Analysis` as a mapping, how it is written and opened, and how it shows itself."""

import html
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import (
    ElementNotFound,
    InvalidElement,
    InvalidInput,
    NewerVersion,
    NotAStore,
    StoreDamaged,
    StoreUnwritable,
)
from mutua.models import KINDS, Element
from mutua.models.base import variable
from tests.io import examples
from tests.io.examples import assert_same


@pytest.fixture
def path(tmp_path):
    """A place where no store is yet."""
    return tmp_path / "study.zarr"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "study.zarr"
    mt.Analysis({"t": examples.table(), "s": examples.sequence_set()}).write(folder)
    return folder


@pytest.fixture(params=["memory", "store"])
def study(request, made, path):
    """An analysis with a table ``t`` and a sequence set ``s``, in memory and in a store."""
    if request.param == "memory":
        return mt.Analysis({"t": examples.table(), "s": examples.sequence_set()})
    return mt.open(shutil.copytree(made, path))


# -- the mapping ------------------------------------------------------------------------------


def test_it_is_a_mapping(study):
    assert list(study) == ["t", "s"]
    assert len(study) == 2
    assert "t" in study
    assert "x" not in study
    assert 3 not in study
    assert [] not in study
    assert study.get("x") is None
    assert dict(study.items()).keys() == {"t", "s"}
    study["u"] = examples.table(3)
    study["t"] = examples.table(2)
    assert study["t"].sizes["row"] == 2
    assert study.pop("u").sizes["row"] == 3
    study.update({"a": examples.contact_map()}, b=examples.kmer_pairs())
    assert list(study) == ["t", "s", "a", "b"]
    del study["t"]
    study.rename("s", "sequences")
    assert list(study) == ["sequences", "a", "b"]
    study.rename("a", "a")
    study.clear()
    assert len(study) == 0


def test_what_is_not_there(study):
    for act in (lambda: study["x"], lambda: study.pop("x"), lambda: study.rename("x", "y")):
        with pytest.raises(ElementNotFound, match=r"no element 'x'. There are: 't', 's'"):
            act()
    with pytest.raises(KeyError):
        del study["x"]
    with pytest.raises(ElementNotFound, match=r"no element \['x'\]"):
        study.read(["x"])
    with pytest.raises(ElementNotFound, match="There are: none"):
        mt.Analysis({})["x"]


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/b",
        "a\\b",
        "..",
        "",
        ".x",
        "_x",
        "-x",
        "a b",
        "ä",
        "a.b",
        "a\n",
        "x" * 129,
        3,
        None,
    ],
)
def test_bad_names(study, name):
    acts = [lambda: study.update({name: examples.table()}), lambda: study.rename("t", name)]
    for act in acts:
        with pytest.raises(InvalidInput, match=r"`name`.*letters, digits, '_' and '-'"):
            act()
    assert list(study) == ["t", "s"]


@pytest.mark.parametrize("name", ["a", "0", "A-b_C", "x" * 128])
def test_good_names(study, name):
    study[name] = examples.table(1)
    assert study[name].sizes["row"] == 1


def test_names_that_differ_in_case(study):
    for act in (
        lambda: study.update(T=examples.table()),
        lambda: study.rename("s", "T"),
        lambda: study.update(x=examples.table(), X=examples.table()),
    ):
        with pytest.raises(InvalidInput, match=r"differ in case only.*another name"):
            act()
    study.rename("t", "T")
    assert list(study) == ["T", "s"]


def test_a_taken_name(study):
    with pytest.raises(InvalidInput, match=r"'s' is taken. Delete"):
        study.rename("t", "s")


@pytest.mark.parametrize(
    "thing", [3, None, "text", np.zeros(3), pd.DataFrame(), xr.DataArray([1]), {"a": 1}]
)
def test_objects_of_no_kind(study, thing):
    with pytest.raises(InvalidInput, match=r"analysis\['x'\].*mutua\.<Kind>\.build"):
        study["x"] = thing


def test_a_dataset_without_a_kind(study):
    with pytest.raises(InvalidInput, match=r"without a kind of mutua.*Table"):
        study["x"] = xr.Dataset({"a": ("row", [1])})


def test_an_element_that_is_no_longer_of_its_kind(study):
    broken = examples.sequence_set().drop_vars("codes")
    with pytest.raises(InvalidElement, match=r"analysis\['x'\].*not a valid SequenceSet"):
        study["x"] = broken
    with pytest.raises(InvalidElement):
        study.update(good=examples.table(), x=broken)
    assert list(study) == ["t", "s"]


def test_what_is_no_mapping():
    with pytest.raises(InvalidInput, match="Pass a mapping"):
        mt.Analysis([("t", examples.table())])


def test_in_memory_it_holds_the_very_objects():
    table, adata = examples.table(), examples.plain_adata()
    study = mt.Analysis({"t": table, "a": adata})
    assert study["t"] is table
    assert study["a"] is adata
    assert study.url is None
    assert study.vacuum() == []
    study.close()
    with pytest.raises(NotAStore, match=r"in memory. Write it first"):
        study.path("t")


# -- writing and opening ----------------------------------------------------------------------


def test_a_store_is_not_overwritten_by_accident(path):
    mt.Analysis({"t": examples.table()}).write(path)
    with pytest.raises(InvalidInput, match=r"a store is at.*overwrite=True.*mutua\.open"):
        mt.Analysis({}).write(path)
    mt.Analysis({"u": examples.table(2)}).write(path, overwrite=True)
    assert list(mt.open(path)) == ["u"]
    assert mt.open(path).vacuum() == ["t.1"]


def test_an_analysis_overwrites_its_own_store(path):
    mt.Analysis({"t": examples.table(), "a": examples.plain_adata()}).write(path)
    study = mt.open(path)
    adata = study["a"]
    adata.obs["new"] = 1
    study.write(path, overwrite=True)
    assert study["a"] is adata
    study.vacuum()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.close()
    assert_same(study["t"].load(), examples.table())
    assert mt.open(path)["a"].obs["new"].tolist() == [1] * 4
    study.validate(deep=True)


def test_an_empty_analysis(path):
    mt.Analysis().write(path)
    study = mt.open(path)
    assert len(study) == 0
    assert len(study.history()) == 0
    study.validate(deep=True)
    assert study.vacuum() == []
    study["t"] = examples.table()
    assert list(mt.open(path)) == ["t"]


def test_reading_only(path):
    mt.Analysis({"t": examples.table()}).write(path)
    study = mt.open(path, mode="r")
    for act in (
        lambda: study.update(t=examples.table()),
        lambda: study.pop("t"),
        lambda: study.rename("t", "u"),
        study.vacuum,
    ):
        with pytest.raises(StoreUnwritable, match=r"opened for reading.*mode='r\+'"):
            act()
    with pytest.raises(InvalidInput, match="`mode`"):
        mt.open(path, mode="w")


def test_storage_options_reach_fsspec():
    mt.Analysis({"t": examples.table()}).write(
        "memory://options.zarr", overwrite=True, storage_options={"skip_instance_cache": True}
    )
    study = mt.open("memory://options.zarr", storage_options={"skip_instance_cache": True})
    assert_same(study["t"].load(), examples.table())


def test_validate_lists_the_faults_of_all_elements():
    study = mt.Analysis({"t": examples.table(), "s": examples.sequence_set()})
    study.validate(deep=True)
    study["s"]["codes"][:2, 0] = 77
    study["s"]["start"][0] = -1
    with pytest.raises(InvalidElement) as caught:
        study.validate(deep=True)
    places = [fault.location for fault in caught.value.faults]
    assert places == [
        "element 's', coordinate 'start'",
        "element 's', variable 'codes', sequence 0, position 0",
    ]


# -- display ----------------------------------------------------------------------------------


def test_repr_in_memory():
    study = mt.Analysis(
        {"seqs": examples.sequence_set().chunk(sequence=2), "cells": examples.adata()}
    )
    lines = repr(study).splitlines()
    assert lines[0] == "<mutua.Analysis in memory: 2 elements>"
    assert lines[1].split() == ["name", "kind", "sizes", "bytes", "chunks"]
    assert lines[2].split()[:2] == ["seqs", "SequenceSet"]
    assert "sequence 6 x position 5 x target 3 x track 2" in lines[2]
    assert "sequence 2 x track 2 x position 5" in lines[2]
    assert lines[3].split()[:2] == ["cells", "AnnData"]
    assert "obs 20 x var 7" in lines[3]
    assert "KB" in lines[3]
    assert repr(mt.Analysis()) == "<mutua.Analysis in memory: 0 elements>"


def test_repr_of_a_store(path):
    mt.Analysis({"seqs": examples.sequence_set(), "cells": examples.adata()}).write(path)
    study = mt.open(path)
    lines = repr(study).splitlines()
    assert lines[0] == f"<mutua.Analysis {path}: 2 elements>"
    assert "sequence 6 x position 5 x target 3 x track 2" in lines[2]
    assert "stored" in lines[2]
    assert lines[2].endswith("sequence 6 x track 2 x position 5")
    assert "obs 20 x var 7" in lines[3]
    for name in study:
        for cell in (name, "SequenceSet", "AnnData", "stored", "position"):
            assert f"{cell}" in study._repr_html_()


def test_repr_of_many_elements_and_long_names():
    table = examples.table(1)
    study = mt.Analysis({f"{'x' * 120}{i}": table for i in range(1000)})
    text, page = repr(study), study._repr_html_()
    assert len(text.splitlines()) == 1 + 1 + 60 + 1
    assert text.splitlines()[-1] == "  ... and 940 more"
    assert "1000 elements" in text
    assert page.count("<tr>") == 61
    assert "... and 940 more" in page
    assert f"{'x' * 120}59 " in text


def test_html_is_escaped(tmp_path):
    folder = tmp_path / "<script>alert(1)<" / "b>.zarr"
    mt.Analysis({"t": examples.table()}).write(folder)
    page = mt.open(folder)._repr_html_()
    assert "<script>" not in page
    assert html.escape(str(folder)) in page


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 KB"), (2_500_000, "2.5 MB"), (3.2e12, "3.2 TB")],
)
def test_sizes_in_words(count, words):
    from mutua._listing import Row

    assert Row("x", "Table", {"row": 1}, int(count), {}).cells()[3] == words


def test_contents(study):
    table, sequences = study.contents()
    assert (table.name, table.kind, sequences.name) == ("t", "Table", "s")
    assert dict(sequences.sizes) == dict(study["s"].sizes)
    assert table.nbytes == examples.table().nbytes
    assert (table.stored_bytes is None) == (study.url is None)


# -- kinds of other people's code --------------------------------------------------------------


@pytest.fixture
def foreign(path, monkeypatch):
    """A store with an element ``f`` of a kind whose module is not imported here."""

    class Footprints(Element):
        """Reads cut at each position."""

        cuts: np.int64 = variable("cuts", dims=("place",), ge=0)

    monkeypatch.delitem(KINDS, "Footprints", raising=False)
    monkeypatch.setitem(KINDS, "Footprints", Footprints)
    element = Footprints.build(cuts=np.arange(7))
    mt.Analysis({"t": examples.table(), "f": element, "s": examples.sequence_set()}).write(path)
    monkeypatch.delitem(KINDS, "Footprints")
    return path, Footprints, element


def test_an_unknown_kind_is_no_hindrance(foreign, monkeypatch, tmp_path):
    path, kind, element = foreign
    study = mt.open(path)
    assert list(study) == ["t", "f", "s"]
    assert "Footprints" in repr(study)
    assert_same(study["s"].load(), examples.sequence_set())
    with pytest.raises(NewerVersion, match="kind Footprints is not known here"):
        study["f"]
    assert study.lineage("f")["function"].tolist() == ["Footprints.build"]
    assert set(study.history()["elements"]) == {"t", "f", "s"}
    study.rename("f", "g")
    study["t"] = examples.table(2)
    assert study.vacuum() == ["t.1"]

    copied = tmp_path / "copy.zarr"
    study.write(copied)
    study.write(path, overwrite=True)
    monkeypatch.setitem(KINDS, "Footprints", kind)
    for place in (path, copied):
        again = mt.open(place)
        assert list(again) == ["t", "g", "s"]
        again.validate(deep=True)
        assert_same(again["g"].load(), element)
    again.vacuum()
    again.validate(deep=True)


@pytest.mark.parametrize("deep", [False, True])
def test_an_unknown_kind_is_a_fault_beside_others(foreign, deep):
    path = foreign[0]
    with pytest.raises(InvalidElement) as caught:
        mt.open(path).validate(deep=deep)
    (fault,) = caught.value.faults
    assert fault.location.startswith("element 'f'")
    assert "the kind Footprints is not known here" in fault.found
    for chunk in (path / "f.1" / "cuts" / "c" / "0", path / "s.1" / "codes" / "c" / "0" / "0"):
        chunk.write_bytes(b"x" + chunk.read_bytes()[1:])
    with pytest.raises(InvalidElement) as caught:
        mt.open(path).validate(deep=True)
    places = [str(fault.location) for fault in caught.value.faults]
    assert [place.split(",")[0] for place in places] == [
        "element 'f'",
        "element 'f'",
        "element 's'",
    ]
    with pytest.raises(StoreDamaged, match=r"element 'f': .*cuts.* is not what was written"):
        mt.open(path).write(path.parent / "copy.zarr")
    assert list(mt.open(path)) == ["t", "f", "s"]
