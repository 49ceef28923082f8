"""Pairs of positions on CUDA: the same bits as on the CPU, whatever fits into the GPU's memory."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import cuda

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels import position_mi as module
from mutua.kernels import position_null as null_module
from mutua.kernels.cuda import (
    position_columns,
    position_counts,
    position_entropies,
    position_pairs,
)
from mutua.kernels.cuda.position_columns import DeviceColumns
from mutua.kernels.cuda.position_counts import CountLayout, pair_tiles
from mutua.kernels.cuda.position_pairs import DevicePairs
from mutua.kernels.kmers import kmer_codes
from mutua.kernels.pair_statistics import n_pairs, pair_number
from mutua.kernels.position_mi import on_gpu, position_mi
from mutua.kernels.position_null import position_null
from mutua.kernels.sequence_blocks import ArrayBlocks, PositionTask
from mutua.kernels.shuffled_columns import shuffle_columns


def draw(n_sequences: int, n_positions: int, size: int, missing: float = 0.0) -> np.ndarray:
    """Letter codes, some of them missing; position 2 depends on position 0."""
    rng = np.random.default_rng(n_sequences)
    codes = rng.integers(0, size, (n_sequences, n_positions), dtype=np.uint8)
    codes[:, 2] = np.where(rng.random(n_sequences) < 0.5, codes[:, 0], codes[:, 2])
    codes[rng.random(codes.shape) < missing] = 254
    return codes


def assert_same(found: Any, expected: Any) -> None:
    for field in fields(expected):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name))


def assert_as_on_the_cpu(codes: np.ndarray, block_size: int = 2**18, **options: Any) -> None:
    source = ArrayBlocks(codes, block_size)
    expected = position_mi(source, device="cpu", **options)
    assert_same(position_mi(source, device="cuda", **options), expected)


def count_passes(task: PositionTask) -> int:
    return len(DevicePairs(task).passes)


class LittleMemory:
    """Lets arrays on the GPU have so many values at most."""

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self, shape: Any, dtype: Any) -> Any:
        if np.prod(shape) > self.most:
            raise MemoryError
        return cuda.device_array(shape, dtype)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [pytest.param(0.0, marks=pytest.mark.slow), 0.15])
@pytest.mark.parametrize(("size", "k", "length"), [(4, 1, 6), (4, 2, 5), (21, 1, 4)])
def test_same_bits_as_on_the_cpu(
    size: int, k: int, length: int, missing: float, weighted: bool
) -> None:
    codes = draw(61, length, size, missing)
    weights = np.random.default_rng(0).random(61) if weighted else None
    pseudocount = 0.0 if size == 21 else 5.0
    assert_as_on_the_cpu(codes, k=k, alphabet_size=size, pseudocount=pseudocount, weights=weights)


@pytest.mark.parametrize("weighted", [pytest.param(False, marks=pytest.mark.slow), True])
def test_same_bits_for_3_mers(weighted: bool) -> None:
    weights = np.random.default_rng(0).random(50) if weighted else None
    assert_as_on_the_cpu(draw(50, 7, 4, 0.1), k=3, alphabet_size=4, weights=weights)


@pytest.mark.parametrize("shared_bytes", [512, 64])
@pytest.mark.parametrize("weighted", [False, True])
def test_tables_larger_than_shared_memory(
    shared_bytes: int, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(position_counts, "SHARED_BYTES", shared_bytes)
    codes = draw(77, 5, 3, 0.1)
    weights = np.random.default_rng(0).random(77) if weighted else None
    task = PositionTask(ArrayBlocks(codes), 2, 3, 0.1, weights)
    rows = CountLayout.choose(task).n_rows
    assert (
        rows
        == {(512, False): 9, (512, True): 7, (64, False): 1, (64, True): 0}[shared_bytes, weighted]
    )
    assert_as_on_the_cpu(codes, k=2, alphabet_size=3, pseudocount=0.1, weights=weights)


@pytest.mark.parametrize("shared_bytes", [4096, 64])
def test_stretches_and_idle_blocks_change_nothing(
    shared_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(position_counts, "SHARED_BYTES", shared_bytes)
    monkeypatch.setattr(position_counts, "MOST_SLABS", 8)
    monkeypatch.setattr(position_counts, "FEWEST_WORDS", 6)
    for module_with_kernels in (position_columns, position_counts, position_entropies):
        monkeypatch.setattr(module_with_kernels, "n_blocks", lambda wanted: wanted + 3)
    codes = draw(77, 5, 3, 0.1)
    layout = CountLayout.choose(PositionTask(ArrayBlocks(codes), 2, 3))
    assert layout.n_rows == (9 if shared_bytes == 4096 else 0)
    assert_as_on_the_cpu(codes, k=2, alphabet_size=3)
    options: dict[str, Any] = {"k": 2, "alphabet_size": 3, "n_permutations": 2}
    expected = position_null(ArrayBlocks(codes, 40), device="cpu", **options)
    assert_same(position_null(ArrayBlocks(codes, 40), device="cuda", **options), expected)


@pytest.mark.parametrize(("size", "k"), [(4, 5), (20, 2)])
def test_codes_of_two_bytes(size: int, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In global memory, and in slabs. Tables as large as these are slow to summarise here."""
    codes = draw(23, 2 * k + 1, size, 0.02)
    task = PositionTask(ArrayBlocks(codes), k, size)
    pairs = DevicePairs(task)
    assert pairs.layout.per_word == 2
    tiles = cuda.to_device(pair_tiles(pairs.layout, task.n_positions, k, 0, 1))
    tables = np.zeros(pairs.layout.n_cells, np.uint32)
    on_device = cuda.to_device(tables)
    for piece in pairs.columns.pieces():
        position_counts.add_counts(pairs.layout, piece, tiles, on_device)
    columns = kmer_codes(codes, k, size).astype(int)
    for x, y in zip(columns[0], columns[k], strict=True):
        if x < task.n_kmers and y < task.n_kmers:
            tables[y * task.n_kmers + x] += 1
    assert tables.sum() > 10
    np.testing.assert_array_equal(on_device.copy_to_host(), tables)


def test_pairs_that_are_never_known_together() -> None:
    codes = draw(40, 5, 4)
    codes[:20, 1] = 254
    codes[20:, 3] = 255
    found = position_mi(ArrayBlocks(codes), k=1, alphabet_size=4, device="cuda")
    assert np.isnan(found.mi[1, 3])
    assert found.support_joint[1, 3] == 0
    assert_as_on_the_cpu(codes, k=1, alphabet_size=4)


@pytest.mark.parametrize("block_size", [100, 30, 33])
@pytest.mark.parametrize("resident", [True, False])
def test_blocks_change_nothing(
    block_size: int, resident: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not resident:
        monkeypatch.setattr(position_columns, "free_memory", lambda: 1)
    codes, weights = draw(100, 5, 3, 0.1), np.random.default_rng(1).random(100)
    task = PositionTask(ArrayBlocks(codes, block_size), 2, 3)
    assert DeviceColumns(task).resident == resident
    expected = position_mi(ArrayBlocks(codes), k=2, alphabet_size=3, weights=weights)
    found = position_mi(
        ArrayBlocks(codes, block_size), k=2, alphabet_size=3, weights=weights, device="cuda"
    )
    assert_same(found, expected)


def test_one_block_at_a_time_where_two_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = draw(90, 5, 3)
    lanes = position_columns._Lane.of
    made: list[PositionTask] = []

    def few_lanes(task: PositionTask) -> Any:
        if len(made) == 1:
            made.clear()
            raise MemoryError
        made.append(task)
        return lanes(task)

    monkeypatch.setattr(position_columns, "free_memory", lambda: 1)
    monkeypatch.setattr(position_columns._Lane, "of", few_lanes)
    columns = DeviceColumns(PositionTask(ArrayBlocks(codes, 30), 1, 3))
    assert len(columns._lanes) == 1
    stream = [piece.words.copy_to_host() for piece in columns.pieces()]
    words = np.stack([part.view(np.uint8)[:, :30] for part in stream])
    np.testing.assert_array_equal(np.concatenate(list(words), axis=1), codes.T)


def test_fewer_pairs_per_pass_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = draw(60, 6, 4, 0.1)
    task = PositionTask(ArrayBlocks(codes), 1, 4)
    assert task.n_pairs == 15
    assert count_passes(task) == 1
    monkeypatch.setattr(position_pairs, "empty", LittleMemory(16 * 5))
    assert count_passes(task) == 5
    # `empty` makes room for the statistics as well.
    monkeypatch.setattr(position_pairs, "empty", LittleMemory(16 * 8))
    assert_as_on_the_cpu(codes, k=1, alphabet_size=4)


def test_too_large_for_any_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position_pairs, "empty", LittleMemory(255))
    with pytest.raises(MemoryLimit, match=r"`k`: .* of the GPU"):
        position_mi(ArrayBlocks(draw(60, 6, 4)), k=2, alphabet_size=4, device="cuda")


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_permutations_are_those_of_the_cpu(
    resident: bool, missing: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not resident:
        monkeypatch.setattr(position_columns, "free_memory", lambda: 1)
    codes, block_size, seed = draw(94, 4, 5, missing), 40, 2**64 - 3
    task = PositionTask(ArrayBlocks(codes, block_size), 1, 5)
    columns = DeviceColumns(task)
    for number, pieces in enumerate(columns.permutations(seed, 7, 3), 7):
        expected = kmer_codes(codes, 1, 5)
        for block, (start, stop) in enumerate(task.blocks):
            shuffle_columns(expected, np.full(4, 5), seed, number, block, start, stop, 0, 1)
        parts = [piece.words.copy_to_host().view(np.uint8) for piece in pieces()]
        if resident:
            (found,) = parts
            assert (found[:, 94:] == 5).all()
            found = found[:, :94]
        else:
            assert (parts[2][:, 14:] == 5).all()
            found = np.concatenate([parts[0], parts[1], parts[2][:, :14]], axis=1)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("normalize", "apc", "weighted"), [(False, False, True), (True, True, False)]
)
def test_nulls_are_those_of_the_cpu(
    normalize: bool, apc: bool, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = draw(64, 5, 3, 0.1)
    options: dict[str, Any] = {
        "k": 1,
        "alphabet_size": 3,
        "n_permutations": 5,
        "weights": np.random.default_rng(0).random(64) if weighted else None,
        "normalize": normalize,
        "apc": apc,
        "seed": 4,
    }
    expected = position_null(ArrayBlocks(codes, 40), device="cpu", **options)
    monkeypatch.setattr(null_module, "DEVICE_BATCH", 3)
    monkeypatch.setattr(DevicePairs, "permuted", None)  # which copies statistics back
    assert_same(position_null(ArrayBlocks(codes, 40), device="cuda", **options), expected)


@pytest.mark.parametrize(("n_permutations", "batch"), [(1, 64), (2, 2), (7, 3)])
def test_moments_stay_on_the_gpu(
    n_permutations: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a pair that is never known together."""
    codes = draw(40, 5, 3, 0.1)
    codes[:20, 1] = codes[20:, 3] = 254
    options: dict[str, Any] = {"k": 1, "alphabet_size": 3, "pseudocount": 0.1, "seed": 6}
    source = ArrayBlocks(codes)
    expected = position_null(source, device="cpu", n_permutations=n_permutations, **options)
    monkeypatch.setattr(null_module, "DEVICE_BATCH", batch)
    monkeypatch.setattr(DevicePairs, "permuted", None)
    found = position_null(source, device="cuda", n_permutations=n_permutations, **options)
    assert_same(found, expected)
    assert np.isnan(found.mean[1, 3])
    assert found.n_exceeding[1, 3] == 0
    assert (found.n_exceeding > 0).any()


@pytest.mark.slow
def test_nulls_with_room_for_few_permutations_and_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = draw(64, 4, 3, 0.1)
    options: dict[str, Any] = {"k": 1, "alphabet_size": 3, "n_permutations": 5, "seed": 4}
    expected = position_null(ArrayBlocks(codes, 40), device="cpu", **options)
    columns_of_two = LittleMemory(2 * 64 * 4)
    monkeypatch.setattr(position_columns, "empty", columns_of_two)
    monkeypatch.setattr(position_pairs, "empty", LittleMemory(48))
    assert_same(position_null(ArrayBlocks(codes, 40), device="cuda", **options), expected)
    monkeypatch.setattr(position_columns, "free_memory", lambda: 1)
    assert_same(position_null(ArrayBlocks(codes, 40), device="cuda", **options), expected)


def test_sequences_too_many_to_shuffle(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = draw(64, 4, 3)
    columns = DeviceColumns(PositionTask(ArrayBlocks(codes), 1, 3))
    monkeypatch.setattr(position_columns, "empty", LittleMemory(64 * 4 - 1))
    with pytest.raises(MemoryLimit, match="sequences"):
        list(columns.permutations(0, 0, 5))


ALPHABETS = st.integers(2, 30)


@given(size=ALPHABETS, k=st.integers(1, 4), weighted=st.booleans())
def test_bins_fit_into_shared_memory(size: int, k: int, weighted: bool) -> None:
    weights = np.ones(3) if weighted else None
    task = PositionTask(ArrayBlocks(np.zeros((3, 8), np.uint8)), k, size, 0.0, weights)
    layout = CountLayout.choose(task)
    bins = layout.n_together * layout.n_rows * size**k * layout.n_copies
    assert bins * layout.table_dtype.itemsize <= 48 * 1024
    if layout.n_rows:
        assert layout.n_rows == size**k or layout.n_together == layout.n_copies == 1
        assert -(-(size**k) // layout.n_rows) <= position_counts.MOST_SLABS


@pytest.mark.parametrize(
    ("size", "k", "n_together", "n_rows", "n_copies"),
    [
        (4, 1, 8, 4, 32),
        (4, 2, 8, 16, 4),
        (4, 3, 3, 64, 1),
        (4, 4, 1, 48, 1),
        (4, 5, 1, 0, 1),
        (5, 3, 1, 98, 1),
        (20, 1, 8, 20, 2),
        (20, 2, 1, 30, 1),
    ],
)
def test_layouts(size: int, k: int, n_together: int, n_rows: int, n_copies: int) -> None:
    task = PositionTask(ArrayBlocks(np.zeros((3, 10), np.uint8)), k, size)
    layout = CountLayout.choose(task)
    assert (layout.n_together, layout.n_rows, layout.n_copies) == (n_together, n_rows, n_copies)


@given(
    length=st.integers(2, 12),
    k=st.integers(1, 4),
    bounds=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    n_together=st.integers(1, 4),
    n_rows=st.integers(0, 7),
)
def test_tiles_hold_every_row_of_every_pair_once(
    length: int, k: int, bounds: tuple[int, int], n_together: int, n_rows: int
) -> None:
    total = n_pairs(length, k) if length > k else 0
    first, stop = min(bounds), min(max(bounds), total)
    if first >= stop:
        return
    layout = CountLayout(6, 4, False, n_together, min(n_rows, 6), 1)
    seen = []
    for j, i, n_i, row, slot in pair_tiles(layout, length, k, first, stop).tolist():
        assert 1 <= n_i <= n_together
        for member in range(n_i):
            assert pair_number(i + member, j, k) - first == slot + member
            assert i + member + k <= j < length
            rows = range(row, min(row + layout.n_rows, 6)) if layout.n_rows else [row]
            seen += [(slot + member, each) for each in rows]
    expected_rows = range(6) if layout.n_rows else [0]
    assert sorted(seen) == [(pair, row) for pair in range(stop - first) for row in expected_rows]


def test_auto_counts_increments(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def note(device: str | None, *, operations: float) -> bool:
        assert device == "auto"
        asked.append(operations)
        return False

    monkeypatch.setattr(module, "on_cuda", note)
    task = PositionTask(ArrayBlocks(np.zeros((1000, 20), np.uint8)), 2, 4)
    assert task.n_pairs == 153
    assert not on_gpu(task, "auto", 7)
    assert not on_gpu(PositionTask(task.source, 5, 4), "auto", 7)  # 2**20 cells for 1000 sequences
    assert asked == [1000 * 153 * 7, 0]


def test_no_such_device() -> None:
    with pytest.raises(InvalidInput, match="device"):
        position_mi(ArrayBlocks(draw(9, 4, 4)), k=1, alphabet_size=4, device="gpu")
    with pytest.raises(InvalidInput, match="device"):
        position_null(
            ArrayBlocks(draw(9, 4, 4)), k=1, alphabet_size=4, n_permutations=1, device="gpu"
        )


def test_no_pair_of_known_kmers() -> None:
    codes = np.full((8, 4), 254, np.uint8)
    with pytest.raises(InvalidInput, match="no sequence with two known"):
        position_mi(ArrayBlocks(codes), k=1, alphabet_size=4, device="cuda")


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("n", "length", "size", "k", "missing", "weighted"),
    [
        (1_000_000, 200, 4, 3, 0.0, False),
        (1_000_000, 60, 4, 1, 0.01, False),
        (300_000, 60, 4, 2, 0.01, True),
        (300_000, 40, 5, 3, 0.01, False),
        (300_000, 40, 4, 4, 0.0, False),
        (1_000_000, 20, 4, 5, 0.0, False),
        (20_000, 150, 21, 1, 0.1, True),
        (300_000, 20, 20, 2, 0.0, False),
    ],
)
def test_same_bits_at_real_size(
    n: int, length: int, size: int, k: int, missing: float, weighted: bool
) -> None:
    weights = np.random.default_rng(0).random(n) if weighted else None
    assert_as_on_the_cpu(
        draw(n, length, size, missing), k=k, alphabet_size=size, pseudocount=0.1, weights=weights
    )


@pytest.mark.gpu
def test_same_bits_of_streamed_sequences(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = draw(1_500_000, 100, 4, 0.001)
    whole = position_mi(ArrayBlocks(codes), k=3, alphabet_size=4, device="cuda")
    monkeypatch.setattr(position_columns, "free_memory", lambda: 1)
    streamed = position_mi(ArrayBlocks(codes), k=3, alphabet_size=4, device="cuda")
    assert_same(streamed, whole)


@pytest.mark.gpu
def test_nulls_at_real_size() -> None:
    options: dict[str, Any] = {"k": 3, "alphabet_size": 4, "n_permutations": 70, "seed": 3}
    source = ArrayBlocks(draw(100_000, 40, 4, 0.001))
    expected = position_null(source, device="cpu", **options)
    assert_same(position_null(source, device="cuda", **options), expected)
