"""Permuted labels on CUDA: the same bits as on the CPU, whatever fits into the GPU's memory."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from numba import cuda

from mutua.errors import DeviceUnavailable, InvalidInput, MemoryLimit
from mutua.kernels import devices
from mutua.kernels import label_permutation as module
from mutua.kernels.cuda import dealt_columns, dealt_pairs, position_columns, position_pairs
from mutua.kernels.cuda.dealt_columns import DealtColumns
from mutua.kernels.cuda.dealt_pairs import DealtPairs
from mutua.kernels.cuda.difference_moments import DifferenceMoments
from mutua.kernels.kmers import kmer_codes
from mutua.kernels.label_permutation import LabelNull, label_permutation
from mutua.kernels.pair_engine import resident_bytes, smoothing_of
from mutua.kernels.pooled_sequences import PooledSets
from mutua.kernels.sequence_blocks import ArrayBlocks
from mutua.kernels.shuffled_columns import shuffle_columns
from mutua.settings import settings


def sets_of(
    sizes: tuple[int, int], length: int, k: int, *, weighted: bool = False, block_size: int = 13
) -> PooledSets:
    """Sets over three letters, some of them missing; in a, position 2 depends on position 0."""
    rng = np.random.default_rng(sizes)
    a, b = (rng.integers(0, 3, (n, length), dtype=np.uint8) for n in sizes)
    a[::2, 2] = a[::2, 0]
    for codes in (a, b):
        codes[rng.random(codes.shape) < 0.1] = 254
    weights = [rng.random(n) if weighted else None for n in sizes]
    return PooledSets(ArrayBlocks(a, block_size), ArrayBlocks(b, block_size), k, 3, 0.1, *weights)


class LittleMemory:
    """Lets arrays on the GPU have so many bytes at most."""

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self, shape: Any, dtype: Any) -> Any:
        if np.prod(shape) * np.dtype(dtype).itemsize > self.most:
            raise MemoryError
        return cuda.device_array(shape, dtype)


def columns_of(sets: PooledSets, members: np.ndarray, seed: int, version: int) -> np.ndarray:
    """K-mer codes of a set, as they are (0) or shuffled."""
    pool, part = sets.pool, sets.part(members)
    letters = np.concatenate([pool.read(number) for number in range(len(pool.blocks))])
    codes = kmer_codes(letters[members], pool.k, pool.alphabet_size)
    if version:
        missing = np.full(len(codes), pool.n_kmers)
        for block, bounds in enumerate(part.blocks):
            numbers = version - 1, block
            shuffle_columns(codes, missing, np.uint64(seed), *numbers, *bounds, 0, 1)
    return codes


@pytest.mark.parametrize(
    ("sizes", "k", "weighted"), [((14, 18), 2, True), ((15, 14), 1, False), ((5, 5), 6, False)]
)
@pytest.mark.parametrize("stays", ["pool", pytest.param("set", marks=pytest.mark.slow), "block"])
def test_versions_are_those_of_the_cpu(
    sizes: tuple[int, int], k: int, weighted: bool, stays: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a single deal with more shuffles than there is room for. 6-mers take two bytes."""
    sets = sets_of(sizes, 2 * k + 1, k, weighted=weighted)
    free = {"pool": None, "set": 2 * resident_bytes(sets.pool), "block": 1}[stays]
    monkeypatch.setattr(position_columns, "free_memory", lambda: free)
    columns = DealtColumns(sets, 2, 1)
    assert columns.resident == (stays == "pool")
    assert columns.n_deals == 2
    deals = [sets.permuted(np.uint64(2**64 - 5), number) for number in range(2)]
    for asked, n_shuffles in ((deals, 1), (deals[:1], 3), (deals, 0)):
        seen = []
        for number, pieces, smoothing in columns.versions(asked, n_shuffles):
            deal, of_set, version = np.unravel_index(number, (len(asked), 2, 1 + n_shuffles))
            members, seed = (part[of_set] for part in asked[deal])
            part, codes = sets.part(members), columns_of(sets, members, seed, int(version))
            found = list(pieces())
            bounds = part.blocks if len(found) > 1 else [(0, len(members))]
            for piece, (start, stop) in zip(found, bounds, strict=True):
                own = piece.words.copy_to_host().view(codes.dtype)
                np.testing.assert_array_equal(own[:, : stop - start], codes[:, start:stop])
                assert (own[:, stop - start :] == sets.pool.n_kmers).all()
                if weighted:
                    units = part.fixed_weights.units[start:stop]
                    np.testing.assert_array_equal(piece.units.copy_to_host(), units)
            assert smoothing == smoothing_of(part)
            seen.append(number)
        assert sorted(seen) == list(range(2 * len(asked) * (1 + n_shuffles)))


def test_fewer_deals_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = sets_of((30, 20), 6, 1, block_size=100)
    of_deal = 6 * 32 * 3  # two shuffles of the larger set, too
    monkeypatch.setattr(dealt_columns, "empty", LittleMemory(3 * of_deal))
    assert DealtColumns(sets, 16, 2).n_deals == 4  # codes and shuffles apart
    monkeypatch.setattr(dealt_columns, "free_memory", lambda: 4 * 3 * of_deal)
    assert DealtColumns(sets, 16, 2).n_deals == 3
    monkeypatch.setattr(dealt_columns, "empty", LittleMemory(of_deal // 3))
    assert not DealtColumns(sets, 16, 2).resident


def test_the_pool_leaves_half_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the tables: a set and its shuffles have room in the other half."""
    sets = sets_of((30, 22), 6, 1, block_size=100)
    monkeypatch.setattr(position_columns, "free_memory", lambda: 8 * 6 * 52)
    assert DealtColumns(sets, 1, 2).resident
    assert not DealtColumns(sets, 1, 3).resident


def test_deals_are_as_many_as_the_memory_allowed_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = sets_of((30, 20), 6, 1)
    assert DealtPairs(sets, 100, 3).columns.n_deals == dealt_pairs.DEALS
    assert DealtPairs(sets, 5, 3).columns.n_deals == 5
    assert DealtPairs(sets, 0, 0).columns.n_deals == 1
    monkeypatch.setattr(settings, "_memory", 3 * 16 * 4 * 15)  # 15 pairs, 4 versions of two sets
    assert DealtPairs(sets, 100, 3).columns.n_deals == 3
    monkeypatch.setattr(settings, "_memory", 1)
    assert DealtPairs(sets, 100, 3).columns.n_deals == 1


def test_the_pool_is_counted_where_its_tables_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = sets_of((9, 12), 4, 1)
    pooled = DealtPairs(sets, 1, 0)._pooled
    assert DealtPairs(sets, 0, 0)._pooled is None
    for free in (2 * pooled.nbytes, 2 * pooled.nbytes - 1):
        monkeypatch.setattr(dealt_pairs, "free_memory", lambda free=free: free)
        assert (DealtPairs(sets, 1, 0)._pooled is None) == (free < 2 * pooled.nbytes)


@pytest.mark.parametrize("negated", [False, True])
@pytest.mark.parametrize("n_shuffles", [0, 3])
def test_differences_are_summed_up_as_on_the_cpu(n_shuffles: int, negated: bool) -> None:
    """With pairs that have no value in a permutation, or no spread."""
    rng = np.random.default_rng(n_shuffles)
    values = rng.normal(size=(7, 2, 1 + n_shuffles, 9))
    values[3, 1, 0, 2] = values[:, 0, n_shuffles, 5] = np.nan
    values[..., 6] = values[:1, :1, :1, 6]
    observed, scales = rng.normal(size=9), rng.random((2, 9))
    observed[1], scales[:, 4], scales[1, 6:8] = np.nan, np.nan, 0
    observed[6] = scales[0, 6] = 0
    both = values[:, :, 0].copy()
    if n_shuffles:
        total = np.zeros_like(both)
        for version in range(1, 1 + n_shuffles):
            total += values[:, :, version]
        both -= total / n_shuffles
    expected = np.zeros((5, 9)), np.zeros(7)
    difference = both[:, 1] - both[:, 0] if negated else both[:, 0] - both[:, 1]
    module._add_moments(difference, observed, scales, 0, *expected)
    kept = DifferenceMoments(observed, scales, 7, n_shuffles, negated=negated)
    for start, stop in ((0, 4), (4, 7)):
        part = cuda.to_device(values[start:stop].reshape(-1, 1, 9))
        kept.take_up(part, start)
    for found, wanted in zip(kept.found(), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert np.isinf(expected[1]).all()
    assert np.isnan(expected[0][0]).sum() == 2


def assert_same_on_both(sets: PooledSets, **options: Any) -> LabelNull:
    here, there = (
        label_permutation(sets, seed=3, device=device, **options) for device in ("cpu", "cuda")
    )
    for field in fields(LabelNull):
        found, expected = (getattr(null, field.name) for null in (there, here))
        np.testing.assert_array_equal(found, expected, err_msg=field.name)
    return here


@pytest.mark.parametrize(
    ("sizes", "k", "weighted", "n_shuffles", "n_tables"),
    [
        ((14, 20), 1, False, 0, 3),
        ((20, 14), 1, True, 2, 3),
        ((20, 14), 2, False, 0, 2),
        pytest.param((14, 20), 2, False, 2, 3, marks=pytest.mark.slow),
        pytest.param((20, 14), 2, True, 0, 3, marks=pytest.mark.slow),
        pytest.param((14, 20), 1, True, 1, 2, marks=pytest.mark.slow),
    ],
)
def test_same_bits_as_on_the_cpu(
    sizes: tuple[int, int],
    k: int,
    weighted: bool,
    n_shuffles: int,
    n_tables: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also with room for the tables of two of the three pairs, so that both sets are counted."""
    monkeypatch.setattr(module, "PILOT", 2)
    monkeypatch.setattr(module, "OWN_SHUFFLES", 1)
    monkeypatch.setattr(dealt_pairs, "DEALS", 2)
    table = LittleMemory(n_tables * 9**k * (8 if weighted else 4))
    monkeypatch.setattr(position_pairs, "empty", table)
    sets = sets_of(sizes, 2 * k + 1, k, weighted=weighted)
    assert sets.pool.n_pairs == 3
    assert (DealtPairs(sets, 3, 1)._pooled is None) == (n_tables < 3)
    null = assert_same_on_both(sets, n_permutations=3, n_shuffles=n_shuffles)
    assert (null.maxima > 0).all()


@pytest.mark.slow
def test_same_bits_where_the_pool_is_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PILOT", 1)
    monkeypatch.setattr(position_columns, "free_memory", lambda: 1)
    monkeypatch.setattr(position_pairs, "empty", LittleMemory(2 * 8 * 9))  # tables of two pairs
    sets = sets_of((14, 19), 3, 1, weighted=True)
    assert_same_on_both(sets, n_permutations=1, n_shuffles=1)


def test_without_permutations() -> None:
    null = assert_same_on_both(sets_of((15, 12), 3, 1), n_permutations=0)
    assert null.n_permutations == 0
    assert null.mi_a[0, 2] > null.mi_b[0, 2]


def test_auto_counts_every_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def note(task: Any, device: str | None, n_passes: int) -> bool:
        assert device == "auto"
        asked.append(n_passes)
        return False

    monkeypatch.setattr(module, "on_gpu", note)
    sets = sets_of((9, 12), 4, 1)
    for n_permutations, n_shuffles in ((0, 0), (0, 5), (7, 0), (7, 5)):
        label_permutation(sets, n_permutations=n_permutations, n_shuffles=n_shuffles, device="auto")
    assert asked == [1, 6, 1 + 64 + 7, 6 + 4 * (64 + 7)]


def test_devices_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = sets_of((9, 12), 4, 1)
    with pytest.raises(InvalidInput, match="device"):
        label_permutation(sets, n_permutations=1, device="gpu")
    monkeypatch.setattr(devices, "simulated", lambda: False)
    monkeypatch.setattr(devices, "_numba_lacks", lambda: "there is none")
    with pytest.raises(DeviceUnavailable, match="there is none"):
        label_permutation(sets, n_permutations=1, device="cuda")


def test_a_set_without_pairs() -> None:
    codes = np.zeros((8, 4), np.uint8)
    sets = PooledSets(ArrayBlocks(codes), ArrayBlocks(np.full_like(codes, 254)), 1, 4)
    with pytest.raises(InvalidInput, match="a set without two known"):
        label_permutation(sets, n_permutations=1, device="cuda")


def test_too_little_memory_here_is_no_matter_there(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = sets_of((9, 12), 4, 2)
    monkeypatch.setattr(settings, "_memory", 60)
    with pytest.raises(MemoryLimit, match="settings"):
        label_permutation(sets, n_permutations=0, device="cpu")
    assert label_permutation(sets, n_permutations=0, device="cuda").n_permutations == 0
