"""`lineage` and `history` say where every element came from, edits included."""

import pandas as pd
import pytest

import mutua as mt
from mutua.errors import (
    ElementNotFound,
)
from mutua.models import Dataset, SequenceSet, checked, provenance
from mutua.models.dims import RECORD
from tests.io import examples


@pytest.fixture
def path(tmp_path):
    """A place where no store is yet."""
    return tmp_path / "study.zarr"


@checked
def shorten(sequences: Dataset[SequenceSet], *, n: int, seed: int = 0) -> Dataset[SequenceSet]:
    """Keep the first n sequences."""
    return sequences.isel(sequence=slice(n))


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
    study["again"] = opened.compute()
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


def test_an_anndata_changed_by_hand(path):
    mt.Analysis({"a": examples.plain_adata()}).write(path)
    cells = mt.open(path)
    cells["a"].obs["x"] = 1
    assert functions(cells, "a") == ["supplied", "edited outside mutua"]
    assert functions(mt.open(path), "a") == ["supplied"]
    cells["a"] = cells["a"]
    assert functions(mt.open(path), "a") == ["supplied", "edited outside mutua"]
    assert len(provenance.chain(mt.open(path)["a"])) == 2


def test_the_record_says_what_is_stored(path):
    mt.Analysis({"t": examples.table().chunk(row=3), "a": examples.plain_adata()}).write(path)
    study = mt.open(path)
    record = provenance.read_record(study["t"])
    assert record["kind"] == "Table"
    assert "order" not in record
    assert record["element"]["dims"] == {"row": 8}
    assert isinstance(study["t"].attrs[RECORD], str)
    assert provenance.read_record(study["a"])["kind"] == "AnnData"
