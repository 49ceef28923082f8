import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from mutua.errors import DeviceUnavailable, InvalidInput, MemoryLimit
from mutua.kernels import torch_jaccard
from mutua.kernels.pattern_sites import Features, site_features
from mutua.kernels.seqlet_similarity import (
    best_jaccard,
    laid_over_jaccard,
    laid_over_neighbours,
    rank_correlations,
)
from mutua.kernels.torch_jaccard import best_jaccard_on
from tests.kernels.pattern_examples import contexts, sites
from tests.reference import patterns as reference


def everyone(n: int) -> np.ndarray:
    return np.tile(np.arange(n, dtype=np.int32), (n, 1))


def features(n: int = 6, width: int = 13, **options) -> Features:
    return site_features(contexts(n, **options), sites(n), width)


@pytest.mark.parametrize("hypothetical", [True, False])
@pytest.mark.parametrize("stranded", [True, False])
def test_similarities_are_those_of_plain_loops(hypothetical: bool, stranded: bool) -> None:
    made = features(hypothetical=hypothetical, stranded=stranded)
    found = best_jaccard(made, everyone(6), most_shift=3)
    strands = [part for part in (made.forward, made.turned) if part is not None]
    expected = [[reference.best_jaccard(strands, i, j, 3) for j in range(6)] for i in range(6)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@hypothesis_settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 5))
def test_similarity_is_symmetric_and_1_of_oneself(seed: int, most_shift: int) -> None:
    made = features(7, seed=seed)
    # Each by itself: neighbours in descending order are not looked up.
    found = best_jaccard(made, everyone(7)[:, ::-1].copy(), most_shift=most_shift)[:, ::-1]
    assert np.array_equal(found, found.T)
    assert (np.diag(found) == 1).all()
    assert (np.abs(found) <= 1).all()
    wider = best_jaccard(made, everyone(7), most_shift=most_shift + 1)
    assert (wider >= found).all()


@pytest.mark.parametrize("stranded", [True, False])
def test_neighbours_of_each_other_are_compared_once(stranded: bool) -> None:
    made = features(12, stranded=stranded)
    draws = np.random.default_rng(0)
    index = np.stack([np.sort(draws.permutation(12)[:5]) for _ in range(12)]).astype(np.int32)
    mutual = np.array([[row in index[other] for other in index[row]] for row in range(12)])
    assert 0 < mutual.sum() < mutual.size
    found = best_jaccard(made, index, most_shift=2)
    alone = best_jaccard(made, index[:, ::-1].copy(), most_shift=2)[:, ::-1]
    np.testing.assert_array_equal(found, alone)


def test_similarity_does_not_depend_on_strength() -> None:
    made = contexts()
    scaled = made._replace(values=made.values * np.linspace(0.5, 9, 9)[:, None, None])
    first, second = (
        best_jaccard(site_features(part, sites(9), 13), everyone(9), most_shift=3)
        for part in (made, scaled)
    )
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_shifted_and_turned_copies_are_found() -> None:
    made = contexts(3)
    made.values[:, :15], made.values[:, 20:] = 0, 0
    made.codes[1, 13:18], made.values[1, 13:18] = made.codes[0, 15:20], made.values[0, 15:20]
    made.values[1, 18:] = 0
    made.codes[2] = 3 - made.codes[0, ::-1]
    made.values[2] = made.values[0, ::-1, ::-1]
    found = best_jaccard(site_features(made, sites(3), 25), everyone(3), most_shift=4)
    np.testing.assert_allclose(found, 1, atol=1e-5)
    near = best_jaccard(site_features(made, sites(3), 25), everyone(3), most_shift=1)
    assert near[0, 1] < 0.9
    stranded = site_features(made._replace(complement=None), sites(3), 25)
    assert best_jaccard(stranded, everyone(3), most_shift=4)[0, 2] < 0.9


def test_seqlets_without_contributions_are_like_none() -> None:
    made = contexts(3)
    made.values[1:] = 0
    found = best_jaccard(site_features(made, sites(3), 11), everyone(3), most_shift=2)
    assert found[0, 0] == 1
    assert found.sum() == 1


def test_laid_over_seqlets_are_not_moved() -> None:
    made = features(6, stranded=True)
    found = laid_over_jaccard(made, made)
    expected = best_jaccard(made, everyone(6), most_shift=0)
    assert np.array_equal(found, expected)
    index, similarity = laid_over_neighbours(made, n_neighbors=4)
    for row in range(6):
        others = np.delete(np.arange(6), row)
        best = np.sort(others[np.argsort(-found[row, others], kind="stable")][:4])
        assert index[row].tolist() == best.tolist()
        assert np.array_equal(similarity[row], found[row, best])


def test_rank_correlations_are_those_of_scipy() -> None:
    random = np.random.default_rng(0)
    a, b = random.integers(0, 6, (2, 5, 17)).astype(np.float32)
    found = rank_correlations(a, b)
    expected = [scipy.stats.spearmanr(*pair).statistic for pair in zip(a, b, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    a[2] = 3
    assert np.isnan(rank_correlations(a, b)).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("hypothetical", [True, False])
@pytest.mark.parametrize("stranded", [True, False])
@pytest.mark.parametrize("tile", [None, 4, 1])
def test_torch_gives_the_same_bits(hypothetical: bool, stranded: bool, tile: int | None) -> None:
    made = contexts(11, hypothetical=hypothetical, stranded=stranded)
    made.values[3] = 0
    made.values[4::2] = np.abs(made.values[4::2])
    made.values[5::2] = -np.abs(made.values[5::2])
    made = site_features(made, sites(11), 14)
    index = np.random.default_rng(0).integers(0, 11, (11, 7)).astype(np.int32)
    for most_shift in (0, 4):
        wanted = best_jaccard(made, index, most_shift=most_shift)
        found = best_jaccard_on("cpu", made, index, most_shift=most_shift, tile=tile)
        assert (wanted < 0).any()
        np.testing.assert_array_equal(found, wanted)


def test_torch_without_seqlets_or_neighbours() -> None:
    made = features(3)
    assert best_jaccard_on("cpu", made, np.zeros((3, 0), np.int32), most_shift=2).shape == (3, 0)
    none = Features(made.forward[:0], made.turned[:0], made.total[:0])
    assert best_jaccard_on("cpu", none, np.zeros((0, 2), np.int32), most_shift=2).shape == (0, 2)


def test_fewer_seqlets_at_once_where_memory_does_not_hold_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = features(9)
    wanted = best_jaccard(made, everyone(9), most_shift=2)
    real, tiles = torch_jaccard._best, []

    def limited(strands: object, total: object, rows: slice, near: object, shift: int) -> object:
        tiles.append(len(near))
        if len(near) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(strands, total, rows, near, shift)

    monkeypatch.setattr(torch_jaccard, "_best", limited)
    most = 4
    found = best_jaccard_on("cpu", made, everyone(9), most_shift=2, tile=8)
    np.testing.assert_array_equal(found, wanted)
    assert tiles == [8, 4, 4, 1]
    most = 0
    with pytest.raises(MemoryLimit, match="`seqlets`: the smallest piece needs"):
        best_jaccard_on("cpu", made, everyone(9), most_shift=2, tile=8)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_devices() -> None:
    made = features(3)
    with pytest.raises(DeviceUnavailable, match="device='cuda'"):
        best_jaccard(made, everyone(3), most_shift=1, device="cuda")
    with pytest.raises(InvalidInput, match="device"):
        best_jaccard(made, everyone(3), most_shift=1, device="tpu")
    wanted = best_jaccard(made, everyone(3), most_shift=1)
    found = best_jaccard(made, everyone(3), most_shift=1, device="auto")
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.gpu
def test_a_gpu_gives_the_same_bits() -> None:
    """3,000 seqlets with 500 neighbours each."""
    made = site_features(contexts(3000, 60), sites(3000), 50)
    index = np.random.default_rng(0).integers(0, 3000, (3000, 500)).astype(np.int32)
    wanted, found = (
        best_jaccard(made, index, most_shift=15, device=device) for device in ("cpu", "cuda")
    )
    np.testing.assert_array_equal(found, wanted)
