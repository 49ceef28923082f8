"""Annotations in chunks are counted on the workers of a cluster as in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.tl import _annotation_blocks, _pair_counter, annotation_counts
from tests.tl.annotated import large

N_ROWS = 900


@pytest.fixture
def annotations() -> xr.Dataset:
    return large(N_ROWS, n_sequences=70, length=80, n_motifs=7)


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let blocks be small; give what was asked of the workers."""
    for module in (_pair_counter, annotation_counts):
        monkeypatch.setattr(module, "_ROW_BYTES", mt.settings.memory // 150)
    seen: list[str] = []
    inside = _annotation_blocks.in_order

    def watched(function: Any, *args: Any, **options: Any) -> Any:
        seen.append(f"{options['n_tasks']} {function.__name__}")
        return inside(function, *args, **options)

    monkeypatch.setattr(_annotation_blocks, "in_order", watched)
    return seen


def chunked(annotations: xr.Dataset) -> xr.Dataset:
    return annotations.chunk(annotation=(100, 40, 260, 0, 300, 1, 199))


def assert_same(found: xr.Dataset, wanted: xr.Dataset) -> None:
    for name in wanted.variables:
        np.testing.assert_array_equal(found[name].values, wanted[name].values, err_msg=str(name))


@pytest.mark.parametrize("unique", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_pairs(client: Any, annotations: xr.Dataset, sent: list[str], unique: bool) -> None:
    options: dict[str, Any] = {"unique": unique}
    options["test"] = "hypergeometric" if unique else None
    wanted = mt.tl.pair_annotations(annotations, **options)
    assert not sent
    assert_same(mt.tl.pair_annotations(chunked(annotations), **options), wanted)
    assert sent == ["5 _count_block"]


@pytest.mark.slow
def test_pairs_of_rows_in_another_order(client: Any, annotations: xr.Dataset) -> None:
    moved = annotations.isel(annotation=np.roll(np.arange(N_ROWS), 333))
    found = mt.tl.pair_annotations(chunked(moved))
    assert_same(found, mt.tl.pair_annotations(annotations))


def test_counts(client: Any, annotations: xr.Dataset, sent: list[str]) -> None:
    wanted = mt.tl.count_annotations(annotations).X
    found = mt.tl.count_annotations(chunked(annotations)).X
    assert sent == ["5 _counted"]
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(found, part), getattr(wanted, part))


def test_after_a_worker_was_killed(client: Any, annotations: xr.Dataset, deadly: Any) -> None:
    kills = deadly(row=500)
    lazy = chunked(annotations)
    motif = lazy["motif_index"].data.map_blocks(kills, dtype=np.int32)
    found = mt.tl.pair_annotations(lazy.assign(motif_index=("annotation", motif)))
    assert kills.has_killed
    assert_same(found, mt.tl.pair_annotations(annotations))


@pytest.mark.slow
def test_counts_after_a_worker_was_killed(
    client: Any, annotations: xr.Dataset, deadly: Any
) -> None:
    kills = deadly(row=500)
    motif = chunked(annotations)["motif_index"].data.map_blocks(kills, dtype=np.int32)
    lazy = chunked(annotations).assign(motif_index=("annotation", motif))
    found, wanted = (mt.tl.count_annotations(one).X for one in (lazy, annotations))
    assert kills.has_killed
    for part in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(found, part), getattr(wanted, part))


@pytest.mark.slow
def test_of_a_store(client: Any, annotations: xr.Dataset, tmp_path: Path, sent: list[str]) -> None:
    mt.Analysis({"hits": annotations.chunk(annotation=200)}).write(tmp_path / "study.zarr")
    opened = mt.open(tmp_path / "study.zarr")["hits"]
    assert_same(mt.tl.pair_annotations(opened), mt.tl.pair_annotations(annotations))
    assert sent == ["5 _count_block"]
