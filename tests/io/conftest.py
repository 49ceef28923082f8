"""A small store for every test to damage."""

import shutil

import pytest

import mutua as mt
from tests.io import examples


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "s.zarr"
    mt.Analysis({"t": examples.table(), "s": examples.sequence_set()}).write(folder)
    return folder


@pytest.fixture
def path(made, tmp_path):
    """A store with a table ``t`` and a sequence set ``s``, for one test alone."""
    return shutil.copytree(made, tmp_path / "s.zarr")
