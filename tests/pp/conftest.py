"""Sequence sets with everything in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr

import mutua as mt

N, LENGTH, N_TRACKS = 17, 12, 2


@pytest.fixture
def full() -> xr.Dataset:
    """Sequences of genomic regions with names, predictions, weights, tracks; some N and padding."""
    random = np.random.default_rng(5)
    codes = random.integers(0, 4, (N, LENGTH), dtype=np.uint8)
    codes[3, 4] = 254
    codes[6, 9:] = 255
    codes[7, :2] = 255
    n_letters = (codes != 255).sum(axis=1)
    start = random.integers(100, 900, N)
    return mt.SequenceSet.build(
        codes,
        alphabet="DNA",
        prediction=random.random((N, 3)),
        target=["a", "b", "c"],
        weight=random.random(N),
        length=n_letters,
        tracks=random.random((N, N_TRACKS, LENGTH)),
        track=["open", "conserved"],
        sequence_id=[f"s{i}" for i in range(N)],
        chrom=["chr1", "chr2"] * 8 + ["chrX"],
        start=start,
        end=start + n_letters,
        strand=["+", "-", "."] * 5 + ["+", "-"],
        position=np.arange(-4, LENGTH - 4),
    )


@pytest.fixture
def own(full: xr.Dataset) -> xr.Dataset:
    """The set above with variables of the user's own along every dim, and embedded motifs."""
    random = np.random.default_rng(6)
    seqs = mt.pp.embed_motifs(full, ["GA", "C"], seed=1).assign(
        {name: full[name] for name in ("prediction", "weight")}
    )
    return seqs.assign(
        barcodes=("sequence", random.integers(0, 99, N)),
        spread=(("sequence", "target"), random.random((N, 3))),
        strength=("motif", [0.5, 0.7]),
        conserved=(("sequence", "position"), random.random((N, LENGTH))),
        entropy=("position", random.random(LENGTH)),
    ).assign_coords(
        region=("position", list("iiiiieeeeeee")),
        base=(("sequence", "position"), random.integers(0, 99, (N, LENGTH))),
    )


@pytest.fixture
def untouched(full: xr.Dataset) -> Any:
    """The set above; after the test it must be what it was."""
    before = full.copy(deep=True)
    yield full
    xr.testing.assert_identical(full, before)


@pytest.fixture
def forbidden() -> Callable[[xr.Dataset], xr.Dataset]:
    """Give a lazy copy of a set that fails when its codes are computed."""

    def never(*_: object) -> None:
        raise AssertionError("computed")

    def make(seqs: xr.Dataset) -> xr.Dataset:
        codes = da.from_array(seqs["codes"].values, chunks=(5, 4)).map_blocks(never, dtype=np.uint8)
        return seqs.assign(codes=(("sequence", "position"), codes))

    return make


@pytest.fixture
def function_of() -> Callable[[xr.Dataset], str]:
    """Give the function that the last step on record names."""
    return lambda element: json.loads(element.attrs["mutua"])["steps"][-1]["function"]
