"""Alignments of motifs, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.kernels.motif_alignment import align_motifs
from mutua.settings import settings as mutua_settings
from tests.reference.motif_alignment import best_alignment

COMPLEMENT = np.array([3, 2, 1, 0])


def random_motifs(
    n: int, widest: int, seed: int, letters: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, widest + 1, n)
    values = random.dirichlet(np.full(letters, 0.4), (n, widest)).transpose(0, 2, 1) - 1 / letters
    values[~np.broadcast_to((np.arange(widest) < lengths[:, None])[:, None], values.shape)] = 0
    return values, lengths


@pytest.mark.parametrize("complement", [None, COMPLEMENT], ids=["one strand", "both"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_equals_plain_loops(seed: int, complement: np.ndarray | None) -> None:
    (a, n), (b, m) = random_motifs(3, 7, seed), random_motifs(5, 4, seed + 1)
    found = align_motifs(a, n, b, m, complement=complement)
    for i in range(3):
        for j in range(5):
            one, other = a[i, :, : n[i]].T.tolist(), b[j, :, : m[j]].T.tolist()
            expected = best_alignment(one, other, complement if complement is None else
                                      complement.tolist())  # fmt: skip
            assert found.similarity[i, j] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_similarity_is_symmetric_and_one_with_itself_and_its_complement(seed: int) -> None:
    a, n = random_motifs(4, 6, seed)
    found = align_motifs(a, n, a, n, complement=COMPLEMENT)
    np.testing.assert_allclose(found.similarity, found.similarity.T, atol=1e-12)
    np.testing.assert_allclose(np.diag(found.similarity), 1)
    turned = np.zeros_like(a)
    for i in range(4):
        turned[i, :, : n[i]] = a[i, COMPLEMENT, : n[i]][:, ::-1]
    np.testing.assert_allclose(
        align_motifs(turned, n, a, n, complement=COMPLEMENT).similarity,
        found.similarity,
        atol=1e-12,
    )


def test_offset_and_strand_say_how_they_are_aligned() -> None:
    long = np.zeros((1, 4, 9))
    long[0, [2, 0, 3, 0], [4, 5, 6, 7]] = 1
    short = np.zeros((2, 4, 5))
    short[0, [2, 0, 3, 0], [0, 1, 2, 3]] = 1
    short[1, [3, 0, 3, 1], [1, 2, 3, 4]] = 1
    found = align_motifs(
        long, np.array([9]), short, np.array([4, 5]), complement=np.array([3, 2, 1, 0])
    )
    assert found.similarity.round(9).tolist() == [[1, 1]]
    assert found.offset.tolist() == [[4, 4]]
    assert found.flipped.tolist() == [[False, True]]


def test_half_of_a_motif_is_as_similar_as_it_says() -> None:
    whole = np.zeros((1, 4, 6))
    whole[0, [0, 1, 2, 3, 0, 1], range(6)] = 0.5
    half = whole[:, :, :3].copy()
    found = align_motifs(whole, np.array([6]), half, np.array([3]), complement=None)
    assert found.similarity.item() == pytest.approx(np.sqrt(0.5))


def test_a_motif_without_information_is_similar_to_none() -> None:
    values, lengths = random_motifs(2, 5, 0)
    values[1] = 0
    found = align_motifs(values, lengths, values, lengths, complement=COMPLEMENT)
    assert found.similarity[1].tolist() == [0, 0]


def test_threads_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    values, lengths = random_motifs(120, 20, 0)
    one, many = (
        align_motifs(values, lengths, values, lengths, complement=COMPLEMENT)
        for threads in (1, 5)
        if monkeypatch.setattr(mutua_settings, "threads", threads) is None
    )
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)


def test_no_motifs_give_empty_results() -> None:
    values, lengths = random_motifs(3, 5, 0)
    found = align_motifs(values[:0], lengths[:0], values, lengths, complement=None)
    assert found.similarity.shape == (0, 3)
