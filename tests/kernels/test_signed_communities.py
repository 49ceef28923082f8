"""Communities of signed graphs, against all partitions and against leidenalg's own quality."""

from __future__ import annotations

import itertools
import sys

import igraph
import leidenalg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.errors import MissingDependency
from mutua.kernels.signed_communities import (
    attached_communities,
    signed_communities,
    signed_quality,
)
from tests.reference.signed_communities import partitions, quality


def graph(n: int, seed: int, filled: float = 0.6) -> np.ndarray:
    random = np.random.default_rng(seed)
    weights = random.normal(size=(n, n)) * (random.random((n, n)) < filled)
    weights = weights + weights.T
    np.fill_diagonal(weights, 0.0)
    return weights


def two_sides(n: int = 11, noise: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of two sides: positive within, negative between."""
    random = np.random.default_rng(seed)
    side = np.where(random.permutation(n) < 7, 1, -1)
    weights = np.outer(side, side) + random.normal(0, noise, (n, n))
    weights = (weights + weights.T) / 2
    np.fill_diagonal(weights, 0.0)
    return weights, side


@given(st.integers(2, 7), st.integers(0, 10_000), st.floats(0.1, 4))
def test_quality_is_its_formula(n: int, seed: int, resolution: float) -> None:
    weights = graph(n, seed)
    labels = np.random.default_rng(seed).integers(0, 3, n)
    found = signed_quality(weights, labels, resolution=resolution)
    assert found == pytest.approx(quality(weights, labels.tolist(), resolution), abs=1e-9)


def test_quality_is_that_of_leidenalg() -> None:
    weights, labels = np.abs(graph(9, 1)), np.arange(9) % 4
    rows, columns = np.nonzero(np.triu(weights))
    network = igraph.Graph(n=9, edges=list(zip(rows, columns, strict=True)))
    partition = leidenalg.RBConfigurationVertexPartition(
        network, labels.tolist(), weights=weights[rows, columns], resolution_parameter=1.5
    )
    assert signed_quality(weights, labels, resolution=1.5) == pytest.approx(partition.quality())


@given(st.integers(3, 6), st.integers(0, 10_000))
@settings(max_examples=25)
def test_between_nodes_alone_and_the_best_of_all_partitions(n: int, seed: int) -> None:
    weights = graph(n, seed)
    found = signed_communities(weights, resolution=1.0, seed=0, n_starts=20)
    best = max(quality(weights, labels, 1.0) for labels in partitions(n))
    reached = signed_quality(weights, found, resolution=1.0)
    assert reached <= best + 1e-9
    assert reached >= -1e-9 + signed_quality(weights, np.arange(n), resolution=1.0)


def test_more_starts_reach_the_best() -> None:
    missed = 0
    for seed in range(20):
        weights = graph(6, seed)
        found = signed_communities(weights, resolution=1.0, seed=0, n_starts=40)
        best = max(quality(weights, labels, 1.0) for labels in partitions(6))
        missed += signed_quality(weights, found, resolution=1.0) < best - 1e-9
    assert missed <= 2


def test_two_sides() -> None:
    weights, side = two_sides()
    found = signed_communities(weights, resolution=1.0, seed=0)
    assert found.tolist() == np.where(side == 1, 0, 1).tolist()  # 7 of 11 are on the first


@pytest.mark.parametrize("sign", [1, -1], ids=["positive", "negative"])
def test_one_layer_only(sign: int) -> None:
    weights = sign * np.abs(graph(11, 2, filled=0.4))
    found = signed_communities(weights, resolution=1.0, seed=0)
    reached = signed_quality(weights, found, resolution=1.0)
    for trivial in (np.arange(11), np.zeros(11, int)):
        assert reached > signed_quality(weights, trivial, resolution=1.0) + 1e-3


def test_no_edges() -> None:
    assert signed_communities(np.zeros((4, 4)), resolution=1.0, seed=0).tolist() == [0, 1, 2, 3]
    found = attached_communities(np.zeros((5, 5)), np.array([1, 0, 0]), resolution=1.0, seed=0)
    assert found.tolist() == [1, 0, 0, 2, 2]


def test_nodes_in_another_order() -> None:
    weights, _ = two_sides(seed=3)
    order = np.random.default_rng(0).permutation(11)
    found = signed_communities(weights, resolution=1.0, seed=0)
    again = signed_communities(weights[np.ix_(order, order)], resolution=1.0, seed=0)
    np.testing.assert_array_equal(found[order], again)


def test_same_seed_same_communities() -> None:
    weights = graph(40, 5)
    first, second = (
        signed_communities(weights, resolution=1.0, seed=7, n_starts=3) for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def attached(n_fixed: int, n_others: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    weights = graph(n_fixed + n_others, seed, filled=1.0)
    weights[n_fixed:, n_fixed:] = 0
    return weights, np.unique(random.integers(0, 2, n_fixed), return_inverse=True)[1]


@given(st.integers(2, 5), st.integers(1, 4), st.integers(0, 10_000))
@settings(max_examples=25)
def test_fixed_nodes_stay_and_quality_grows(n_fixed: int, n_others: int, seed: int) -> None:
    weights, fixed = attached(n_fixed, n_others, seed)
    found = attached_communities(weights, fixed, resolution=1.0, seed=0)
    np.testing.assert_array_equal(found[:n_fixed], fixed)
    start = np.concatenate([fixed, np.full(n_others, fixed.max() + 1)])
    reached = signed_quality(weights, found, resolution=1.0)
    assert reached >= signed_quality(weights, start, resolution=1.0) - 1e-9
    assert set(found.tolist()) == set(range(found.max() + 1))


def test_attached_where_it_is_best() -> None:
    missed = 0
    for seed in range(15):
        weights, fixed = attached(5, 3, seed)
        found = attached_communities(weights, fixed, resolution=1.0, seed=0, n_starts=20)
        best = max(
            quality(weights, [*fixed.tolist(), *others], 1.0)
            for others in itertools.product(range(fixed.max() + 4), repeat=3)
        )
        missed += signed_quality(weights, found, resolution=1.0) < best - 1e-9
    assert missed <= 1


def test_without_leidenalg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "leidenalg", None)
    with pytest.raises(MissingDependency, match=r"mutua\[leiden\]"):
        signed_communities(graph(4, 0), resolution=1.0, seed=0)
