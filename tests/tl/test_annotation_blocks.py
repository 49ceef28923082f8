"""Annotations in chunks are counted block by block, and give what those in memory give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

import mutua as mt
from mutua.errors import InvalidInput
from mutua.tl import _pair_counter, annotation_counts
from mutua.tl._annotation_blocks import over_blocks
from mutua.tl.annotation_counts import count_annotations
from mutua.tl.motif_pairs import pair_annotations
from tests.tl.annotated import annotations, large, random_rows

N_ROWS, N_SEQUENCES, LENGTH, N_MOTIFS = 310, 41, 60, 6
OPTIONS = {
    "sequences": {},
    "self": {"self_pairs": True, "test": None},
    "rows": {"unique": False, "test": None},
    "ordered": {"ordered": True, "test": None},
    "ordered rows": {"ordered": True, "unique": False, "self_pairs": True, "test": None},
}


def some(seed: int = 0, n: int = N_ROWS, *, in_order: bool = True) -> xr.Dataset:
    rows = random_rows(n, n_sequences=N_SEQUENCES - 1, length=LENGTH, n_motifs=N_MOTIFS,
                       seed=seed, widths=True)  # fmt: skip
    if in_order:
        rows = sorted(rows, key=lambda row: row.sequence)
    return annotations(rows, lengths=[LENGTH] * N_SEQUENCES, n_motifs=N_MOTIFS)


def small_blocks(monkeypatch: pytest.MonkeyPatch, n_rows: int) -> None:
    """Let blocks have that many rows."""
    for module in (_pair_counter, annotation_counts):
        monkeypatch.setattr(module, "_ROW_BYTES", mt.settings.memory // n_rows)


@pytest.fixture
def read_whole(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows that were read as a whole."""
    seen: list[int] = []
    inside = _pair_counter.motif_rows

    def watched(given: xr.Dataset) -> Any:
        seen.append(given.sizes["annotation"])
        return inside(given)

    monkeypatch.setattr(_pair_counter, "motif_rows", watched)
    return seen


def assert_same_counts(found: Any, wanted: Any) -> None:
    for part in ("data", "indices", "indptr"):
        ours, theirs = getattr(found.X, part), getattr(wanted.X, part)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert type(found.X) is type(wanted.X)
    assert found.X.has_canonical_format
    assert found.obs.equals(wanted.obs)
    assert found.var.equals(wanted.var)


CHUNKS = {"5": 5, "17": 17, "100": 100, "all": N_ROWS, "uneven": (3, 0, 200, 1, 0, 106, 0)}


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
@pytest.mark.parametrize("n_rows", [8, pytest.param(55, marks=pytest.mark.slow), 10**6])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_pairs(
    chunks: Any, n_rows: int, options: Any, read_whole: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = some()
    wanted = pair_annotations(ann, **options)
    assert read_whole == [N_ROWS]
    small_blocks(monkeypatch, n_rows)
    found = pair_annotations(ann.chunk(annotation=chunks), **options)
    assert read_whole == [N_ROWS]
    xr.testing.assert_identical(found.drop_attrs(), wanted.drop_attrs())
    assert {k: v for k, v in found.attrs.items() if k != "mutua"} == {
        k: v for k, v in wanted.attrs.items() if k != "mutua"
    }


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
@pytest.mark.parametrize("n_rows", [8, 55, 10**6])
@pytest.mark.parametrize("in_order", [True, False])
def test_counts(chunks: Any, n_rows: int, in_order: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = some(in_order=in_order)
    wanted = count_annotations(ann)
    small_blocks(monkeypatch, n_rows)
    assert_same_counts(count_annotations(ann.chunk(annotation=chunks)), wanted)


@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), n=st.integers(1, 90), chunk=st.integers(1, 40),
       n_rows=st.integers(1, 40), in_order=st.booleans())  # fmt: skip
def test_any_rows_and_chunks(seed: int, n: int, chunk: int, n_rows: int, in_order: bool) -> None:
    ann = some(seed, n, in_order=in_order)
    options = {"unique": False, "ordered": True, "self_pairs": True, "test": None}
    pairs, counts = pair_annotations(ann, **options), count_annotations(ann)
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch, n_rows)
        lazy = ann.chunk(annotation=chunk)
        xr.testing.assert_equal(pair_annotations(lazy, **options), pairs)
        assert_same_counts(count_annotations(lazy), counts)


def test_a_sequence_over_many_chunks_and_single_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One sequence has most rows, and the borders of chunks lie inside and beside sequences."""
    sequence = np.repeat([0, 1, 5, 6, 9], [4, 100, 4, 1, 11])
    random = np.random.default_rng(1)
    start = random.integers(0, 50, 120)
    ann = mt.Annotations.build(
        sequence_index=sequence, start=start, end=start + 5, motif_index=random.integers(0, 3, 120),
        sequence_length=np.full(11, LENGTH), motif=list("abc"), source="user",
    )  # fmt: skip
    small_blocks(monkeypatch, 4)
    for options in OPTIONS.values():
        for chunks in (4, (104, 4, 12), (50, 54, 16), 60):
            xr.testing.assert_equal(
                pair_annotations(ann.chunk(annotation=chunks), **options),
                pair_annotations(ann, **options),
            )


def test_only_a_block_and_a_sequence_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that may go on in the next block are counted once they are more than a block has."""
    held, blocks = [], []
    add, count = _pair_counter._Total.add, _pair_counter._count_block

    def added(self: Any, block: Any) -> bool:
        good = add(self, block)
        held.append(self._n_between)
        assert all(column.base is None for column in block.head)
        return good

    def counted(sequence: np.ndarray, *rest: Any) -> Any:
        blocks.append(len(sequence))
        return count(sequence, *rest)

    monkeypatch.setattr(_pair_counter._Total, "add", added)
    monkeypatch.setattr(_pair_counter, "_count_block", counted)
    small_blocks(monkeypatch, 30)
    ann = some()
    longest = np.bincount(ann["sequence_index"].values).max()
    pair_annotations(ann.chunk(annotation=10))
    assert blocks == [30] * 10 + [10]
    assert max(held) <= 30 + 2 * longest
    assert sum(held) > max(held)


def test_few_motifs_at_a_time_need_several_passes(
    read_whole: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = large(700, n_sequences=30, length=90, n_motifs=200)
    wanted = pair_annotations(ann, unique=False, ordered=True, test=None)
    passes = []
    count = _pair_counter._count_blocks
    monkeypatch.setattr(
        _pair_counter, "_count_blocks", lambda ann, how: passes.append(how) or count(ann, how)
    )
    monkeypatch.setattr(mt.settings, "memory", 2**20)  # 81 motifs
    found = pair_annotations(ann.chunk(annotation=50), unique=False, ordered=True, test=None)
    assert [(how.first, how.stop) for how in passes] == [(0, 81), (81, 162), (162, 200)]
    assert read_whole == [700]
    xr.testing.assert_equal(found, wanted)


@pytest.mark.parametrize("where", ["inside a chunk", "between chunks", "at the end"])
def test_rows_in_another_order_are_read_as_a_whole(
    where: str, read_whole: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = some()
    order = np.arange(N_ROWS)
    if where == "inside a chunk":
        order[5:45] = order[5:45][::-1]
    elif where == "between chunks":
        order = np.concatenate([order[100:], order[:100]])
    else:
        order[[0, -1]] = order[[-1, 0]]
    moved = ann.isel(annotation=order)
    small_blocks(monkeypatch, 10)
    found = pair_annotations(moved.chunk(annotation=50), unique=False, test=None)
    assert read_whole == [N_ROWS]
    xr.testing.assert_equal(found, pair_annotations(ann, unique=False, test=None))


def test_permutations_read_all(read_whole: list[int]) -> None:
    ann = some()
    options: dict[str, Any] = {"test": "permutation", "n_permutations": 20, "seed": 3}
    wanted = pair_annotations(ann, **options)
    found = pair_annotations(ann.chunk(annotation=50), **options)
    xr.testing.assert_equal(found, wanted)
    assert read_whole == [N_ROWS] * 2


@pytest.mark.parametrize("motif", [[], [-1, -1, -1]], ids=["no rows", "no motifs"])
def test_nothing_to_count(motif: list[int]) -> None:
    n = len(motif)
    ann = mt.Annotations.build(
        sequence_index=np.arange(n), start=np.zeros(n), end=np.ones(n), motif_index=motif,
        sequence_length=[9] * 4, motif=list("ab"), source="user",
    ).chunk(annotation=2)  # fmt: skip
    assert pair_annotations(ann).sizes["pair"] == 0
    counts = count_annotations(ann)
    assert counts.shape == (4, 2)
    assert counts.X.nnz == 0
    assert counts.X.dtype == np.int32


def test_stores_that_are_opened_lazily(
    tmp_path: Path, read_whole: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seqs = mt.pp.random_sequences(90, length=50, seed=0)
    motifs = mt.MotifSet.build({"a": "GATA", "b": "CAC", "c": "TTG"})
    hits = mt.tl.scan(seqs, motifs, p_threshold=0.05)
    assert hits.sizes["annotation"] > 200
    mt.Analysis({"hits": hits.chunk(annotation=40)}).write(tmp_path / "study.zarr")
    opened = mt.open(tmp_path / "study.zarr")["hits"]
    assert len(opened["motif_index"].chunks[0]) > 5
    small_blocks(monkeypatch, 90)
    found = pair_annotations(opened)
    assert not read_whole
    xr.testing.assert_equal(found, pair_annotations(hits))
    assert_same_counts(count_annotations(opened), count_annotations(hits))


def test_variables_in_other_chunks_or_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann = some()
    mixed = ann.assign(
        sequence_index=ann["sequence_index"].chunk(annotation=9),
        start=ann["start"].chunk(annotation=100),
        end=ann["end"].chunk(annotation=(300, 10)),
    )
    seen = list(
        over_blocks(
            len_of, mixed, ("sequence_index", "end", "motif_index"),
            row_bytes=mt.settings.memory, shared=(), what="rows",
        )
    )  # fmt: skip
    assert seen == [300, 10]  # the chunks of the variable that has fewest
    small_blocks(monkeypatch, 20)
    xr.testing.assert_equal(pair_annotations(mixed), pair_annotations(ann))
    assert_same_counts(count_annotations(mixed), count_annotations(ann))


def len_of(*columns: np.ndarray) -> int:
    assert {type(column) for column in columns} == {np.ndarray}
    (n,) = {len(column) for column in columns}
    return n


@pytest.mark.parametrize("verb", [pair_annotations, count_annotations])
def test_spans_without_motifs_are_refused(verb: Any) -> None:
    spans = some().drop_vars(["motif_index", "motif"]).chunk(annotation=50)
    with pytest.raises(InvalidInput, match=r"tl\.annotate"):
        verb(spans)
