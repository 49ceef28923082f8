"""Stores by other people: nothing is unpickled, nothing outside the store is read."""

import json
import os
import pickle
import shutil

import numpy as np
import pytest
import zarr

import mutua as mt
from mutua.errors import (
    InvalidElement,
    StoreDamaged,
    UnsafeStore,
)
from mutua.models.dims import RECORD
from tests.io import examples
from tests.io.examples import assert_same
from tests.io.forgery import forge, forge_metadata

# -- hostile stores ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        "../../etc",
        "/etc/x.1",
        "..",
        "t.1/../../x.1",
        "t",
        "t.",
        ".1",
        "t.x",
        "t.1\n",
        "a\\b",
        "t.١",
    ],
)
def test_paths_that_lead_elsewhere(path, where):
    forge(path, lambda body: body["elements"]["t"].update(path=where))
    with pytest.raises(StoreDamaged, match="has the path"):
        mt.open(path)


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "_x", "", "a" * 129, "ä", "a b", "a.1"])
def test_names_that_lead_elsewhere(path, name):
    forge(path, lambda body: body["elements"].update({name: body["elements"]["t"]}))
    with pytest.raises(StoreDamaged, match=r"the index in .* is damaged"):
        mt.open(path)


class Canary:
    """Makes a file when it is unpickled."""

    def __init__(self, file):
        self.file = str(file)

    def __reduce__(self):
        return os.mkdir, (self.file,)


def test_a_zarr_v2_group_of_pickles_is_never_read(path, tmp_path):
    canary = tmp_path / "unpickled"
    shutil.rmtree(path / "t.1")
    group = zarr.open_group(path / "t.1", mode="w", zarr_format=2)
    (path / "t.1" / "z").mkdir()
    (path / "t.1" / "z" / ".zarray").write_text(
        json.dumps(
            {
                "zarr_format": 2,
                "shape": [1],
                "chunks": [1],
                "dtype": "|O",
                "compressor": None,
                "fill_value": None,
                "order": "C",
                "filters": [{"id": "pickle", "protocol": 5}],
            }
        )
    )
    values = np.empty(1, dtype=object)
    values[0] = Canary(canary)
    (path / "t.1" / "z" / "0").write_bytes(pickle.dumps(values))
    assert group.metadata.zarr_format == 2
    study = mt.open(path)
    for act in (lambda: study["t"], lambda: study.lineage("t")):
        with pytest.raises(UnsafeStore, match=r"zarr v2.*pickled.*rewrite"):
            act()
    with pytest.raises(InvalidElement, match="zarr v2"):
        study.validate(deep=True)
    assert not canary.exists()


UNSAFE = [
    (lambda a: a.update(codecs=[{"name": "numcodecs.pickle"}]), "codec 'numcodecs.pickle'"),
    (lambda a: a["codecs"].append({"name": "pickle"}), "codec 'pickle'"),
    (lambda a: a["codecs"].insert(0, "numcodecs.json2"), "codec 'numcodecs.json2'"),
    (
        lambda a: a.update(
            codecs=[{"name": "sharding_indexed", "configuration": {"codecs": [{"name": "evil"}]}}]
        ),
        "codec 'evil'",
    ),
    (
        lambda a: a.update(
            codecs=[
                {
                    "name": "sharding_indexed",
                    "configuration": {"codecs": ["bytes"], "index_codecs": [{"name": "evil"}]},
                }
            ]
        ),
        "codec 'evil'",
    ),
    (lambda a: a.update(data_type="object"), "data type 'object'"),
    (lambda a: a.update(data_type={"name": "python"}), "data type 'python'"),
    (
        lambda a: a.update(
            data_type={"name": "structured", "configuration": {"fields": [["x", "object"]]}}
        ),
        "data type 'object'",
    ),
    (
        lambda a: a.update(
            data_type={
                "name": "struct",
                "configuration": {"fields": [{"name": "x", "data_type": "object"}]},
            }
        ),
        "data type 'object'",
    ),
    (lambda a: a.update(zarr_format=2), "zarr format 2"),
    (lambda a: a.update(storage_transformers=[{"name": "evil"}]), "a storage transformer"),
]


@pytest.mark.parametrize(("change", "match"), UNSAFE)
def test_unsafe_arrays_are_refused(path, change, match):
    forge_metadata(path, "t", lambda m: change(m["consolidated_metadata"]["metadata"]["z"]))
    study = mt.open(path)
    for act in (lambda: study["t"], lambda: study.lineage("t"), study.history):
        with pytest.raises(
            UnsafeStore, match=rf"s\.zarr, element 't', array 'z': {match}.*rewrite"
        ):
            act()
    with pytest.raises(InvalidElement, match=match):
        study.validate()


@pytest.mark.parametrize("lazy", [False, True])
def test_unsafe_arrays_in_anndata_are_refused(path, lazy):
    mt.open(path)["a"] = examples.adata()
    forge_metadata(
        path,
        "a",
        lambda m: m["consolidated_metadata"]["metadata"]["obs/text"].update(data_type="object"),
    )
    with pytest.raises(UnsafeStore, match="array 'obs/text'"):
        mt.open(path).read("a", lazy=lazy)


def test_what_a_nested_group_hides_is_checked(path):
    mt.open(path)["a"] = examples.adata()

    def hide(metadata):
        members = metadata["consolidated_metadata"]["metadata"]
        evil = {**members["obs/flag"], "data_type": "object"}
        members["obs"]["consolidated_metadata"] = {
            "kind": "inline",
            "must_understand": False,
            "metadata": {"flag": evil},
        }

    forge_metadata(path, "a", hide)
    with pytest.raises(UnsafeStore, match="array 'obs/flag'"):
        mt.open(path)["a"]


@pytest.mark.parametrize("name", ["../s.1/codes", "x/../../y", "/etc/passwd", "a//b", "", "a\\b"])
def test_arrays_that_lead_elsewhere(path, name):
    def lead(metadata):
        members = metadata["consolidated_metadata"]["metadata"]
        members[name] = members["z"]

    forge_metadata(path, "t", lead)
    with pytest.raises(UnsafeStore, match="leads out of the element"):
        mt.open(path)["t"]


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("consolidated_metadata"),
        lambda m: m.update(consolidated_metadata=None),
        lambda m: m.update(consolidated_metadata={"metadata": []}),
        lambda m: m["consolidated_metadata"]["metadata"].update(z=3),
        lambda m: m["consolidated_metadata"]["metadata"]["z"].pop("codecs"),
        lambda m: m["consolidated_metadata"]["metadata"]["z"].update(node_type="tree"),
        lambda m: m["consolidated_metadata"]["metadata"]["z"].update(data_type=7),
        lambda m: m["consolidated_metadata"]["metadata"]["z"].update(shape=["many"]),
        lambda m: m["attributes"].pop(RECORD),
        lambda m: m["attributes"].update({RECORD: {"kind": "Table"}}),
        lambda m: m.update(attributes=[]),
    ],
)
def test_metadata_that_make_no_sense(path, change):
    forge_metadata(path, "t", change)
    with pytest.raises(StoreDamaged, match=r"s\.zarr, element 't'"):
        mt.open(path)["t"]


def test_what_is_opened_is_what_was_checked(path):
    """The arrays' own metadata lie beside the consolidated ones, and nobody looks at them."""
    own = path / "t.1" / "z" / "zarr.json"
    metadata = json.loads(own.read_bytes())
    own.write_text(json.dumps(metadata | {"data_type": "object", "shape": [10**9]}))
    (path / "t.1" / "z" / ".zarray").write_text('{"dtype": "|O"}')
    (path / "t.1" / ".zgroup").write_text('{"zarr_format": 2}')
    assert_same(mt.open(path)["t"].load(), examples.table())
    with pytest.raises(InvalidElement, match="metadata of 'z'"):
        mt.open(path).validate()


def test_an_anndata_whose_arrays_lie_about_themselves(path):
    study = mt.open(path)
    study["a"] = examples.adata()
    for own in (path / study.path("a")).rglob("zarr.json"):
        if own.parent.name != study.path("a"):
            own.write_text("{}")
    assert mt.open(path)["a"].shape == (20, 7)
    assert mt.open(path).read("a", lazy=True).X.compute().shape == (20, 7)
