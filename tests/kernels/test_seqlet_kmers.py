import numpy as np
import pytest

from mutua.kernels.seqlet_kmers import KmerVectors, kmer_vectors, nearest_by_kmers
from tests.kernels.pattern_examples import PAIRS
from tests.reference import patterns as reference


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
