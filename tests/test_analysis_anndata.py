"""An AnnData of a store is read once, and warns before changes to it are lost."""

import gc
import warnings

import numpy as np
import pytest

import mutua as mt
from tests.io import examples, storages


@pytest.fixture
def path(tmp_path):
    """A place where no store is yet."""
    return tmp_path / "study.zarr"


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
@pytest.mark.slow
def test_unsaved_changes_warn_when_python_ends(path, change):
    mt.Analysis({"a": examples.plain_adata()}).write(path)
    child = storages.python(
        f"import sys, mutua as mt; study = mt.open(sys.argv[1]); {change}", path
    )
    _, errors = child.communicate(timeout=300)
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
