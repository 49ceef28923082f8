"""What the workers of a cluster write into a store is what one process writes."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.blocks import map_rows
from mutua.io.hashes import MANIFEST

N, LENGTH = 40, 11


def count_a(codes: np.ndarray, first_row: int) -> np.ndarray:
    return (codes == 0).sum(axis=1, keepdims=True).astype(np.float32)


def scored(sequences: xr.Dataset, function: Any) -> xr.Dataset:
    """Add predictions: lazy where the sequences are."""
    values = map_rows(function, sequences["codes"].data, shape=(1,), dtype=np.float32)
    sequences = sequences.assign(prediction=(("sequence", "target"), values))
    return mt.SequenceSet.build(sequences.assign_coords(target=["A"]))


def stored(path: Path) -> xr.Dataset:
    """Give sequences that are opened lazily."""
    seqs = mt.pp.random_sequences(N, length=LENGTH, seed=0).chunk(sequence=7)
    mt.Analysis({"seqs": seqs}).write(path)
    opened = mt.open(path)["seqs"]
    assert opened["codes"].chunks == ((7, 7, 7, 7, 7, 5), (11,))
    return opened


def same_store(path: Path, name: str, wanted: xr.Dataset) -> None:
    study = mt.open(path)
    study.validate(deep=True)
    for variable in wanted.variables:
        np.testing.assert_array_equal(study[name][variable].values, wanted[variable].values)
    folder = path / study.path(name)
    known = set(json.loads((folder / MANIFEST).read_bytes()))
    there = {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
    assert there == known | {MANIFEST}


def expected() -> xr.Dataset:
    return scored(mt.pp.random_sequences(N, length=LENGTH, seed=0), count_a)


def test_lazy_values_of_a_store(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    mt.open(path)["scored"] = scored(stored(path), count_a)
    same_store(path, "scored", expected())


@pytest.mark.slow
def test_lazy_predictions_of_a_store(client: Any, tmp_path: Path) -> None:
    def model(texts: list[str]) -> list[float]:
        return [float(text.count("A")) for text in texts]

    path = tmp_path / "s.zarr"
    lazy = mt.tl.predict(stored(path), model, encoding="text", target_names=["A"])
    assert lazy["prediction"].chunks is not None
    mt.open(path)["scored"] = lazy
    same_store(path, "scored", expected())
    lineage = mt.open(path).lineage("scored")
    assert lineage["function"].tolist() == ["pp.random_sequences", "tl.predict"]


class DiesWhileItWrites:
    """Leaves half a file as zarr does that is killed, and dies, once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, codes: np.ndarray, first_row: int) -> np.ndarray:
        groups = sorted(self.folder.glob("scored.*/prediction"))
        marker = self.folder.parent / "killed"
        if groups and not marker.exists():
            marker.write_text("")
            chunk = groups[0] / "c" / "3"
            chunk.mkdir(parents=True, exist_ok=True)
            (chunk / "0.0123456789abcdef.partial").write_bytes(b"half a chunk")
            os.kill(os.getpid(), signal.SIGKILL)
        return count_a(codes, first_row)


@pytest.mark.slow
def test_a_worker_killed_while_it_writes(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    lazy = scored(stored(path), DiesWhileItWrites(path))
    mt.open(path)["scored"] = lazy
    assert (tmp_path / "killed").exists()
    same_store(path, "scored", expected())


def test_a_failure_leaves_the_store_as_it_was(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"

    def broken(codes: np.ndarray, first_row: int) -> np.ndarray:
        if first_row == 35:
            raise OSError("disk is gone")
        return count_a(codes, first_row)

    lazy = scored(stored(path), broken)
    with pytest.raises(OSError, match="disk is gone") as caught:
        mt.open(path)["scored"] = lazy
    assert "in the chunk of rows 35 to 39" in caught.value.__notes__
    assert list(mt.open(path)) == ["seqs"]
    mt.open(path).validate(deep=True)
