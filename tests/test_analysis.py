"""`Analysis` as a mapping, its AnnData, its display and what it says of where things came from."""

import gc
import html
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
    NotAStore,
    StoreUnwritable,
)
from mutua.models import Dataset, SequenceSet, checked, provenance
from mutua.models.dims import RECORD
from tests.io import examples, storages
from tests.io.examples import assert_same


@pytest.fixture
def path(tmp_path):
    """A place where no store is yet."""
    return tmp_path / "study.zarr"


@pytest.fixture(params=["memory", "store"])
def study(request, path):
    """An analysis with a table ``t`` and a sequence set ``s``, in memory and in a store."""
    made = mt.Analysis({"t": examples.table(), "s": examples.sequence_set()})
    if request.param == "memory":
        return made
    made.write(path)
    return mt.open(path)


@checked
def shorten(sequences: Dataset[SequenceSet], *, n: int, seed: int = 0) -> Dataset[SequenceSet]:
    """Keep the first n sequences."""
    return sequences.isel(sequence=slice(n))


# -- the mapping -------------------------------------------------------------------------------


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


# -- writing and opening -----------------------------------------------------------------------


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


# -- AnnData -----------------------------------------------------------------------------------


@pytest.fixture
def cells(path):
    """A store with a small AnnData ``a``."""
    mt.Analysis({"a": examples.plain_adata(), "t": examples.table()}).write(path)
    return mt.open(path)


def silent(act):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        act()


def test_an_anndata_is_read_once(cells):
    assert cells["a"] is cells["a"]
    assert cells.read("a", lazy=True) is not cells["a"]
    cells.rename("a", "b")
    assert cells["b"] is cells["b"]


def test_unsaved_changes_warn_on_close(cells, path):
    cells["a"].X[1, 1] = 5
    with pytest.warns(UserWarning, match=r"'a' of .*study\.zarr was changed.*analysis\['a'\] = "):
        cells.close()
    assert mt.open(path)["a"].X[1, 1] == 4
    silent(cells.close)


def test_a_single_value_of_a_large_matrix_is_noticed(path):
    adata = examples.plain_adata(200_000)
    mt.Analysis({"a": adata}).write(path)
    study = mt.open(path)
    study["a"].X[77_777, 1] += 1
    with pytest.warns(UserWarning, match="'a' of"):
        study.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.obs.__setitem__("x", 1),
        lambda a: a.obs.loc.__setitem__((a.obs_names[0], "text"), "changed"),
        lambda a: a.uns.update(x={"y": 1}),
        lambda a: a.obsm.__setitem__("X_pca", np.zeros((4, 2))),
        lambda a: a.layers.__setitem__("l", np.zeros((4, 3))),
        lambda a: setattr(a, "raw", a.copy()),
        lambda a: setattr(a, "obs_names", list("abcd")),
    ],
)
def test_every_kind_of_change_warns(cells, change):
    change(cells["a"])
    with pytest.warns(UserWarning, match="not saved"):
        cells.close()


def test_unsaved_changes_warn_on_leaving_the_context(cells):
    def use():
        with cells:
            cells["a"].obs["x"] = 1

    with pytest.warns(UserWarning, match="not saved"):
        use()


def test_unsaved_changes_warn_when_it_is_collected(path):
    mt.Analysis({"a": examples.plain_adata()}).write(path)

    def use_and_collect():
        study = mt.open(path)
        study["a"].obs["x"] = 1
        del study
        gc.collect()

    with pytest.warns(UserWarning, match="not saved"):
        use_and_collect()


@pytest.mark.parametrize("change", ["study['a'].obs['x'] = 1", "study['a']"])
def test_unsaved_changes_warn_when_python_ends(path, change):
    mt.Analysis({"a": examples.plain_adata()}).write(path)
    child = storages.python(
        f"import sys, mutua as mt; study = mt.open(sys.argv[1]); {change}", path
    )
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 0
    assert ("was changed in memory and not saved" in errors) is ("=" in change)


def test_what_was_assigned_back_does_not_warn(cells, path):
    adata = cells["a"]
    adata.obs["x"] = 1
    cells["a"] = adata
    assert cells["a"] is adata
    silent(cells.close)
    assert mt.open(path)["a"].obs["x"].tolist() == [1] * 4


def test_it_is_watched_after_it_was_assigned_back(cells):
    adata = cells["a"]
    cells["a"] = adata
    adata.obs["x"] = 1
    with pytest.warns(UserWarning, match="not saved"):
        cells.close()


def test_reading_alone_does_not_warn(path):
    mt.Analysis({"a": examples.adata()}).write(path)
    study = mt.open(path)
    study["a"], study.read("a", lazy=True), study.lineage("a"), study.history(), repr(study)
    silent(study.close)


def test_what_was_deleted_or_replaced_does_not_warn(cells):
    cells["a"].obs["x"] = 1
    cells["a"] = examples.plain_adata(3)
    assert cells["a"].n_obs == 3
    cells["a"].obs["x"] = 1
    del cells["a"]
    silent(cells.close)


def test_what_another_process_replaced_is_read_again(cells, path):
    cells["a"].obs["x"] = 1
    mt.open(path)["a"] = examples.plain_adata(3)
    assert cells["a"].n_obs == 4
    cells["t"] = examples.table(1)  # now it knows of the other's change
    with pytest.warns(UserWarning, match="not saved"):
        assert cells["a"].n_obs == 3


def test_many_anndata_that_were_only_written_are_not_kept(cells):
    for i in range(3):
        cells[f"x{i}"] = examples.plain_adata()
    assert not cells._loaded


def test_writing_elsewhere_takes_unsaved_changes_along(cells, path):
    cells["a"].obs["x"] = 1
    cells.write(path.with_name("copy.zarr"))
    assert "x" in mt.open(path.with_name("copy.zarr"))["a"].obs
    assert (
        "edited outside mutua"
        in mt.open(path.with_name("copy.zarr")).lineage("a")["function"].tolist()
    )
    with pytest.warns(UserWarning, match="not saved"):
        cells.close()


# -- provenance --------------------------------------------------------------------------------


def functions(study, name):
    return study.lineage(name)["function"].tolist()


def test_lineage_is_the_chain_of_calls(path):
    made = mt.Analysis({"all": examples.sequence_set()})
    made["short"] = shorten(made["all"], n=3, seed=11)
    for study in (made, (made.write(path), mt.open(path))[1]):
        table = study.lineage("short")
        assert table.columns.tolist() == [
            "step", "function", "arguments", "seed", "inputs", "versions",
        ]  # fmt: skip
        assert [name.rpartition(".")[2] for name in table["function"]] == ["build", "shorten"]
        assert table["arguments"][1] == '{"n": 3, "seed": 11}'
        assert table["seed"][0] is pd.NA
        assert table["seed"][1] == 11
        assert table["seed"].dtype == "Int64"
        assert table["inputs"][1] == f"sequences={table['step'][0]}"
        assert f"mutua {mt.__version__}" in table["versions"][1]
    with pytest.raises(ElementNotFound):
        study.lineage("x")


@pytest.mark.parametrize("seed", [2**70, -(2**63), 2**62 + 1, [1, 2], None, "x"])
def test_seeds_of_any_kind(seed):
    study = mt.Analysis({"s": shorten(examples.sequence_set(), n=2, seed=seed)})
    assert len(study.lineage("s")) == 2
    found = study.history()["seed"][1]
    assert found is pd.NA if seed is None else found == seed


def test_history_has_every_step_once(path):
    made = mt.Analysis({"all": examples.sequence_set(), "t": examples.table()})
    made["short"] = shorten(made["all"], n=3)
    made["same"] = made["short"]
    made["a"] = examples.plain_adata()
    table = made.history()
    assert table["written"].tolist() == [""] * 4
    made.write(path)
    table = mt.open(path).history()
    assert table["step"].is_unique
    assert sorted(table["elements"]) == ["a", "all", "short, same", "t"]
    assert pd.to_datetime(table["written"]).dt.tz is not None


@pytest.mark.parametrize("kind", [*examples.EXAMPLES, "adata"])
def test_what_was_opened_is_not_edited(path, kind):
    element = examples.adata() if kind == "adata" else examples.EXAMPLES[kind]()
    mt.Analysis({"it": element}).write(path)
    study = mt.open(path)
    opened = study["it"]
    assert len(provenance.chain(opened)) == 1
    study["again"] = opened
    assert len(study.lineage("again")) == 1
    if kind == "adata":
        return
    for same in (
        opened.compute(),
        opened.copy(),
        opened.copy(deep=True),
        opened.persist(),
        opened.chunk(),
        opened.assign({name: opened[name].load() for name in list(opened.data_vars)[:1]}),
        study["it"].load(),
    ):
        assert len(provenance.chain(same)) == 1
        study["again"] = same
        assert len(study.lineage("again")) == 1
        assert len(provenance.chain(mt.open(path)["again"].load())) == 1


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize(
    "edit",
    [
        lambda s: s.isel(sequence=slice(4)),
        lambda s: s.isel(sequence=[5, 4, 3, 2, 1, 0]),
        lambda s: s.assign(codes=s["codes"] * 0),
        lambda s: s.drop_vars("start"),
        lambda s: s.assign_attrs(note="mine"),
        lambda s: s.assign_coords(target=["x", "y", "z"]),
    ],
)
def test_an_edit_is_a_step_of_its_own(path, edit, loaded):
    mt.Analysis({"s": examples.sequence_set()}).write(path)
    study = mt.open(path)
    opened = study["s"].load() if loaded else study["s"]
    study["edited"] = edit(opened)
    study["after"] = shorten(edit(opened), n=2)
    for known in (study, mt.open(path)):
        assert functions(known, "edited")[1:] == ["edited outside mutua"]
        assert len(known.lineage("after")) == 3
        assert functions(known, "after")[1] == "edited outside mutua"
        assert len(provenance.chain(known["edited"])) == 2
        assert len(provenance.chain(known["edited"].load())) == 2


def test_lineage_goes_on_across_stores(path, tmp_path):
    mt.Analysis({"all": examples.sequence_set()}).write(path)
    second = mt.Analysis({"short": shorten(mt.open(path)["all"], n=3)})
    second.write(tmp_path / "second.zarr")
    third = mt.Analysis({"shorter": shorten(mt.open(tmp_path / "second.zarr")["short"], n=2)})
    third.write(tmp_path / "third.zarr")
    table = mt.open(tmp_path / "third.zarr").lineage("shorter")
    assert [name.rpartition(".")[2] for name in table["function"]] == [
        "build",
        "shorten",
        "shorten",
    ]
    assert table["step"][0] == mt.open(path).lineage("all")["step"][0]
    assert table["inputs"][2].endswith(table["step"][1])


def test_an_anndata_changed_by_hand(cells, path):
    cells["a"].obs["x"] = 1
    assert functions(cells, "a") == ["supplied", "edited outside mutua"]
    assert functions(mt.open(path), "a") == ["supplied"]
    cells["a"] = cells["a"]
    assert functions(mt.open(path), "a") == ["supplied", "edited outside mutua"]
    assert len(provenance.chain(mt.open(path)["a"])) == 2
    silent(cells.close)


def test_the_record_says_what_is_stored(path):
    mt.Analysis({"t": examples.table().chunk(row=3), "a": examples.plain_adata()}).write(path)
    study = mt.open(path)
    record = provenance.read_record(study["t"])
    assert record["kind"] == "Table"
    assert "order" not in record
    assert record["element"]["dims"] == {"row": 8}
    assert isinstance(study["t"].attrs[RECORD], str)
    assert provenance.read_record(study["a"])["kind"] == "AnnData"


# -- display -----------------------------------------------------------------------------------


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
