"""Neighbour graphs and their communities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.kernels.communities import neighbour_communities, neighbour_graph


def by_hand(points: np.ndarray, n_neighbors: int) -> np.ndarray:
    """The weights by sets of neighbours."""
    n = len(points)
    near = []
    for i in range(n):
        others = sorted(
            (j for j in range(n) if j != i), key=lambda j: np.linalg.norm(points[i] - points[j])
        )
        near.append({i, *others[:n_neighbors]})
    weights = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1, n):
            if j in near[i] or i in near[j]:
                weights[i, j] = len(near[i] & near[j]) / len(near[i] | near[j])
    return weights


@given(seed=st.integers(0, 999), n=st.integers(3, 19), d=st.integers(1, 4), data=st.data())
def test_weights_are_the_neighbours_in_common(seed, n, d, data) -> None:
    n_neighbors = data.draw(st.integers(1, n - 1))
    points = np.random.default_rng(seed).normal(size=(n, d))
    graph = neighbour_graph(points, n_neighbors=n_neighbors)
    assert graph.toarray() == pytest.approx(by_hand(points, n_neighbors))


def test_same_points() -> None:
    points = np.repeat(np.eye(2), 6, axis=0)
    graph = neighbour_graph(points, n_neighbors=3)
    assert (graph.row < graph.col).all()
    assert set((graph.row // 6 == graph.col // 6).tolist()) == {True}


def test_points_far_apart_are_in_different_communities() -> None:
    random = np.random.default_rng(0)
    of_group = random.permutation(np.repeat([0, 1, 2], [30, 20, 10]))
    points = np.eye(3, 4)[of_group] * 9 + random.normal(size=(60, 4))
    found = neighbour_communities(points, n_neighbors=9, resolution=0.3, seed=0)
    assert found.tolist() == of_group.tolist()
    assert neighbour_communities(points[:1], n_neighbors=9, resolution=1, seed=0).tolist() == [0]
