"""Stores written by every released version open, validate, and hold what was put into them."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from tools.make_archive import expected_values

import mutua as mt
from mutua.models import KINDS

ARCHIVES = sorted(Path(__file__).with_name("archives").glob("*.zip"))


def test_the_first_release_is_archived():
    assert "0.1.0" in [archive.stem for archive in ARCHIVES]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "folder"])
@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.stem)
def test_an_archive_opens_and_holds_what_was_put_into_it(archive, zipped, tmp_path):
    place = archive
    if not zipped:
        place = tmp_path / "store.zarr"
        with zipfile.ZipFile(archive) as file:
            file.extractall(place)
    study = mt.open(place)
    study.validate(deep=True)
    expected = dict(np.load(archive.with_suffix(".npz")))
    assert {name.partition("/")[0] for name in expected} == set(study)
    for name in study:
        element = study[name]
        assert len(study.lineage(name)) == 1
        if name in KINDS:
            assert list(study.lineage(name)["function"]) == [f"{name}.build"]
        for key, values in expected_values(name, element).items():
            np.testing.assert_array_equal(values, expected.pop(key), err_msg=key, strict=True)
    assert not expected


def test_a_writer_goes_on_with_an_archived_store(tmp_path):
    for archive in ARCHIVES:
        place = tmp_path / archive.stem
        with zipfile.ZipFile(archive) as file:
            file.extractall(place)
        study = mt.open(place)
        study["new"] = mt.Table.build(n=np.arange(3))
        study["Table"] = study["Table"]
        study.vacuum()
        mt.open(place).validate(deep=True)
