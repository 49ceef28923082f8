"""What several runs agree on."""

import numpy as np
import pytest
from scipy import sparse

import mutua as mt
from mutua.kernels.program_consensus import (
    consensus_programs,
    disjoint_genes,
    leading_weights,
    stability,
)

GENES, PROGRAMS, RUNS = 30, 4, 7


def runs(noise: float = 0.05) -> tuple[list[np.ndarray], np.ndarray]:
    """Give noisy copies of programs, each in an order of its own, and the programs."""
    random = np.random.default_rng(0)
    truth = np.eye(PROGRAMS)[:, np.arange(GENES) % PROGRAMS] * random.uniform(0.5, 1, GENES)
    copies = [
        np.abs(truth + noise * random.normal(size=truth.shape))[random.permutation(PROGRAMS)]
        for _ in range(RUNS)
    ]
    return copies, truth / np.linalg.norm(truth, axis=1, keepdims=True)


def matched(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return (found @ truth.T).max(axis=0)


@pytest.mark.parametrize("median", [False, True])
def test_centres(median):
    copies, truth = runs()
    found = consensus_programs(copies, PROGRAMS, median=median)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)
    assert matched(found, truth).min() > 0.99


def test_far_programs_are_left_out():
    copies, truth = runs()
    copies[2][1] = np.eye(GENES)[9]
    kept = consensus_programs(copies, PROGRAMS, median=True, density=0.5)
    assert matched(kept, truth).min() > 0.99


def test_fewer_programs_than_asked_for():
    same = [np.eye(3, 5)] * 4
    assert len(consensus_programs(same, 6)) == 3
    assert len(consensus_programs([np.zeros((2, 5))], 2)) == 0


def test_threads_change_nothing(monkeypatch):
    copies, _ = runs(0.6)
    monkeypatch.setattr(mt.settings, "_threads", 1)
    one = consensus_programs(copies, PROGRAMS)
    monkeypatch.setattr(mt.settings, "_threads", 2)
    np.testing.assert_array_equal(consensus_programs(copies, PROGRAMS), one)


def test_stability():
    copies, truth = runs(0.0)
    np.testing.assert_allclose(stability(truth, copies), 1)
    copies[0][:] = np.eye(GENES)[0]
    expected = (RUNS - 1 + truth[:, 0]) / RUNS
    np.testing.assert_allclose(stability(truth, copies), expected)
    np.testing.assert_allclose(stability(3 * truth, copies), expected)


def test_genes_without_weight_belong_to_none():
    genes = disjoint_genes(np.array([[0.9, 0.0, 0.2, 1e-9], [0.1, 0.0, 0.3, 0.0], [0, 0, 0, 0]]))
    assert [one.tolist() for one in genes] == [[0], [2], []]


@pytest.mark.parametrize("kind", [np.asarray, sparse.csc_matrix])
def test_weights_are_the_leading_singular_vector(kind):
    random = np.random.default_rng(1)
    X = random.random((50, GENES)) * (random.random((50, GENES)) < 0.4)
    scale = random.uniform(0.5, 3, GENES)
    genes = [np.arange(11), np.arange(7, 29, 2)]
    found = leading_weights(kind(X), scale, genes)
    for weights, places in zip(found, genes, strict=True):
        expected = np.linalg.svd((X / scale)[:, places])[2][0]
        np.testing.assert_allclose(weights, np.abs(expected), atol=1e-9)


def test_weights_of_zeros():
    assert leading_weights(np.zeros((5, 3)), np.ones(3), [np.array([0, 2])])[0].tolist() == [0, 0]
