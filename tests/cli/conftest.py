"""A store and files of sequences to run commands on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anndata
import numpy as np
import pytest

import mutua as mt

N, LENGTH = 300, 12


def planted() -> mt.models.Dataset:
    """Give sequences in which GAT and TTG stand four letters apart."""
    seqs = mt.pp.random_sequences(N, length=LENGTH, seed=0)
    return mt.pp.embed_motifs(seqs, ["GAT", "TTG"], position=1, spacings=4, fraction=0.5)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a file with one sequence a line."""
    file = tmp_path_factory.mktemp("in") / "my seqs.v1.txt"
    file.write_text("\n".join(mt.pp.to_strings(planted())) + "\n")
    return file


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a store with an element of several kinds; no test changes it."""
    seqs = planted()
    regions = seqs.assign_coords(
        chrom=("sequence", ["chr1"] * N),
        start=("sequence", np.arange(N) * 20),
        end=("sequence", np.arange(N) * 20 + LENGTH),
    )
    path = tmp_path_factory.mktemp("store") / "study.zarr"
    elements = {
        "seqs": seqs,
        "regions": regions,
        "mi": mt.tl.position_mi(seqs, k=2, n_permutations=20),
        "motifs": mt.MotifSet.build({"GATA": "WGATAR", "TAL1": "CAGCTG"}),
        "scores": mt.Table.build(name=["a", "b"], n=[3, 5], units={"n": "reads"}),
        "cells": anndata.AnnData(np.ones((5, 3), dtype=np.float32)),
    }
    mt.Analysis(elements).write(path)
    return path


@pytest.fixture(autouse=True)
def same_settings() -> Iterator[None]:
    """Undo what a command sets for its process."""
    threads, progress = mt.settings.threads, mt.settings.progress
    yield
    mt.settings.threads, mt.settings.progress = threads, progress
