from collections.abc import Iterator

import numpy as np
import pytest
import torch

from mutua.errors import DeviceUnavailable, InvalidInput, MemoryLimit
from mutua.kernels import seqlet_kmers, torch_neighbours
from mutua.kernels.seqlet_kmers import KmerVectors, kmer_vectors, nearest_by_kmers
from tests.kernels.pattern_examples import PAIRS
from tests.reference import patterns as reference


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made_up(n: int = 6, width: int = 23, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (n, width)).astype(np.uint8)
    importance = random.normal(0.3, 1, (n, width)).astype(np.float32)
    codes[1:3, 4:12], importance[1:3, 4:12] = codes[0, 4:12], importance[0, 4:12] + 1
    return codes, importance


def dense(vectors: KmerVectors) -> np.ndarray:
    """Cosines of all pairs."""
    n = len(vectors.keys)
    own = [dict(zip(*pair, strict=True)) for pair in zip(vectors.keys, vectors.scores, strict=True)]
    return np.array(
        [[sum(score * own[j].get(key, 0) for key, score in own[i].items() if score)
          for j in range(n)] for i in range(n)]
    )  # fmt: skip


def test_cosines_are_those_of_plain_loops() -> None:
    codes, importance = made_up()
    vectors = kmer_vectors(codes, importance, PAIRS, n_letters=4)
    own = [reference.kmers(*pair, None) for pair in zip(codes, importance, strict=True)]
    other = [
        reference.kmers(*pair, PAIRS.tolist(), turned=True)
        for pair in zip(codes, importance, strict=True)
    ]
    cosines = np.array([[reference.cosine(a, b) for b in own] for a in own])
    turned = np.array([[reference.cosine(a, b) for b in own] for a in other])
    np.testing.assert_allclose(dense(vectors), cosines, atol=1e-5)
    for stranded, expected in ((True, cosines), (False, np.maximum(cosines, turned))):
        found = nearest_by_kmers(vectors, n_neighbors=5, stranded=stranded)
        for row in range(6):
            assert sorted(found.number[row].tolist()) == [i for i in range(6) if i != row]
            np.testing.assert_allclose(
                found.similarity[row], expected[row, found.number[row]], atol=1e-5
            )


def test_the_nearest_are_kept_and_of_equals_the_first() -> None:
    codes, importance = made_up(n=7)
    codes[:], importance[:] = codes[0], importance[0]
    codes[4] = 3 - codes[4, ::-1]
    importance[4] = importance[4, ::-1]
    vectors = kmer_vectors(codes, importance, PAIRS, n_letters=4)
    same = nearest_by_kmers(vectors, n_neighbors=3, stranded=False)
    # Sums of equal vectors on the other strand are added in another order.
    np.testing.assert_allclose(same.similarity, 1, rtol=1e-5)
    one_strand = nearest_by_kmers(vectors, n_neighbors=3, stranded=True)
    assert one_strand.number[0].tolist() == [1, 2, 3]
    assert one_strand.number[6].tolist() == [0, 1, 2]
    assert one_strand.similarity[4].max() < 0.9


def test_turning_a_seqlet_turns_its_kmers() -> None:
    codes, importance = made_up(n=1)
    forward = kmer_vectors(codes, importance, PAIRS, n_letters=4)
    back = kmer_vectors(
        PAIRS[codes[:, ::-1]].astype(np.uint8), importance[:, ::-1].copy(), PAIRS, n_letters=4
    )
    own = set(forward.turned[0].tolist())
    assert len(own & set(back.keys[0].tolist())) > 0.9 * len(own)


def test_letters_without_importance_are_in_no_kmer() -> None:
    codes, importance = made_up(n=2)
    importance[0] = -1
    importance[1, :20] = 0
    vectors = kmer_vectors(codes, importance, PAIRS, n_letters=4)
    assert not vectors.scores.any()
    found = nearest_by_kmers(vectors, n_neighbors=500, stranded=False)
    assert found.number.tolist() == [[1], [0]]
    assert not found.similarity.any()
    with pytest.MonkeyPatch.context() as patch:  # the way of a GPU
        patch.setattr(seqlet_kmers, "torch_gpu", lambda device, **_: "cpu")
        same = nearest_by_kmers(vectors, n_neighbors=500, stranded=False)
    assert same.number.tolist() == [[1], [0]]


def test_unknown_letters_are_in_no_kmer() -> None:
    codes, importance = made_up(n=1)
    importance[0], codes[0] = 1, 254
    codes[0, 3:7] = [0, 1, 2, 3]
    vectors = kmer_vectors(codes, importance, PAIRS, n_letters=4)
    assert (vectors.scores > 0).sum() == 1


@pytest.mark.parametrize("n", [0, 1])
def test_nobody_has_no_neighbours(n: int) -> None:
    codes, importance = made_up(n=3)
    vectors = kmer_vectors(codes[:n], importance[:n], PAIRS, n_letters=4)
    assert nearest_by_kmers(vectors, n_neighbors=5, stranded=False).number.shape == (n, 0)


def alike(n: int, width: int = 23, seed: int = 0) -> KmerVectors:
    """Seqlets with a word somewhere, on either strand, some of which are equal."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (n, width)).astype(np.uint8)
    importance = random.normal(0.05, 0.1, (n, width)).astype(np.float32)
    for row, start in enumerate(random.integers(0, width - 8, n)):
        word = np.array([2, 0, 3, 0, 0, 2, 1, 1])
        codes[row, start : start + 8] = word if row % 3 else 3 - word[::-1]
        importance[row, start : start + 8] += random.uniform(0.5, 2)
    codes[5:8], importance[5:8] = codes[4], importance[4]
    importance[9] = 0
    return kmer_vectors(codes, importance, PAIRS, n_letters=4)


@pytest.mark.parametrize("stranded", [True, False])
@pytest.mark.parametrize("cells", [2**20, 400], ids=["one tile", "tiles"])
def test_torch_gives_the_same_bits(
    stranded: bool, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = KmerVectors(*(part[:, :60].copy() for part in alike(31)))
    kept = {k: nearest_by_kmers(vectors, n_neighbors=k, stranded=stranded) for k in (1, 7, 30)}
    monkeypatch.setattr(seqlet_kmers, "torch_gpu", lambda device, **_: "cpu")
    monkeypatch.setattr(torch_neighbours, "_CPU_CELLS", cells)
    for k, wanted in kept.items():
        found = nearest_by_kmers(vectors, n_neighbors=k, stranded=stranded)
        assert (wanted.similarity > 0.1).any()
        for ours, theirs in zip(found, wanted, strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)


def test_fewer_seqlets_at_once_where_memory_does_not_hold_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vectors = KmerVectors(*(part[:, :20].copy() for part in alike(13)))
    wanted = nearest_by_kmers(vectors, n_neighbors=4, stranded=False)
    real, tiles = torch_neighbours._similarities, []

    def limited(own: torch.Tensor, *others: object) -> torch.Tensor:
        tiles.append(own.shape[1])
        if own.shape[1] > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(own, *others)

    monkeypatch.setattr(seqlet_kmers, "torch_gpu", lambda device, **_: "cpu")
    monkeypatch.setattr(torch_neighbours, "_similarities", limited)
    most = 6
    found = nearest_by_kmers(vectors, n_neighbors=4, stranded=False)
    np.testing.assert_array_equal(found.similarity, wanted.similarity)
    assert tiles == [13, 6, 6, 1]
    most = 0
    with pytest.raises(MemoryLimit, match="`seqlets`: the smallest piece needs"):
        nearest_by_kmers(vectors, n_neighbors=4, stranded=False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_devices() -> None:
    vectors = alike(13)
    with pytest.raises(DeviceUnavailable, match="device='cuda'"):
        nearest_by_kmers(vectors, n_neighbors=4, stranded=False, device="cuda")
    with pytest.raises(InvalidInput, match="device"):
        nearest_by_kmers(vectors, n_neighbors=4, stranded=False, device="tpu")


@pytest.mark.gpu
def test_a_gpu_gives_the_same_bits() -> None:
    """5,000 seqlets with 500 neighbours each."""
    vectors = alike(5000, 41)
    wanted, found = (
        nearest_by_kmers(vectors, n_neighbors=500, stranded=False, device=device)
        for device in ("cpu", "cuda")
    )
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
