import itertools
import random

import igraph
import leidenalg
import numpy as np
import pytest
from scipy import sparse

from mutua.kernels.seqlet_communities import (
    adapted_graph,
    graph_communities,
    neighbour_probabilities,
)
from tests.reference import patterns as reference


def row_bounds(*sizes: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


@pytest.mark.parametrize("perplexity", [3.0, 10.0])
def test_rows_have_the_perplexity(perplexity: float) -> None:
    random = np.random.default_rng(0)
    bounds = row_bounds(40, 25, 60)
    distance = random.gamma(2, 1, 125)
    chance = neighbour_probabilities(bounds, distance, perplexity=perplexity, density="tsne")
    for first, stop in itertools.pairwise(bounds):
        own = distance[first:stop]
        assert abs(reference.perplexity(chance[first:stop]) - perplexity) < 1e-3
        weights = np.exp(-reference.beta(own, perplexity) * own)
        np.testing.assert_allclose(chance[first:stop], weights / (1 + weights.sum()), rtol=1e-5)


def test_lite_divides_by_beta() -> None:
    distance = np.random.default_rng(0).gamma(2, 1, 40)
    chance = neighbour_probabilities(row_bounds(40), distance, perplexity=10, density="lite")
    weights = np.exp(-distance / reference.beta(distance, 10))
    np.testing.assert_allclose(chance, weights / (1 + weights.sum()), rtol=1e-5)


@pytest.mark.parametrize("density", ["tsne", "lite"])
def test_rows_that_cannot_have_the_perplexity(density: str) -> None:
    bounds = row_bounds(4, 0, 30)
    distance = np.concatenate([[0.3, 1, 2, 5], np.zeros(30)])
    chance = neighbour_probabilities(bounds, distance, perplexity=10, density=density)
    assert np.isfinite(chance).all()
    np.testing.assert_allclose(chance[4:], 1 / 31)
    if density == "tsne":  # too few: all alike
        np.testing.assert_allclose(chance[:4], 1 / 5)


def test_an_edge_weighs_the_mean_of_both_directions() -> None:
    # 0 and 1 name each other, 2 names 0 only: that edge has both directions all the same.
    index = np.array([[1], [0], [0]])
    similarity = np.array([[0.5], [0.5], [0.25]])
    graph = adapted_graph(index, similarity, perplexity=2.0, density="tsne").toarray()
    assert (graph > 0).tolist() == [[False, True, True], [False] * 3, [False] * 3]
    # Rows with one neighbour have half of the chance each; row 0 has two.
    near, far = np.log(3), np.log(7)
    beta = reference.beta(np.array([near, far]), 2.0)
    weights = np.exp(-beta * np.array([near, far]))
    expected = np.sqrt(weights / (1 + weights.sum()) / 2)
    np.testing.assert_allclose(graph[0, 1:], expected, rtol=1e-5)


def test_equal_seqlets_are_joined_and_unlike_ones_are_not() -> None:
    index = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])
    similarity = np.array([[1, 1, 0], [1, 1, -0.2], [1, 1, 0], [0, -0.2, 0]])
    graph = adapted_graph(index, similarity, perplexity=10, density="tsne").toarray()
    np.testing.assert_allclose(graph, np.triu(np.ones((4, 4)), 1) * [1, 1, 1, 0] / 3)


def test_communities_are_those_that_were_made() -> None:
    draws = np.random.default_rng(0)
    group = draws.permutation(np.repeat([0, 1, 2], [30, 20, 10]))
    similarity = np.where(group[:, None] == group, 0.8, 0.1) + draws.normal(0, 0.02, (60, 60))
    similarity = (similarity + similarity.T) / 2
    index = np.array([np.delete(np.arange(60), row) for row in range(60)])
    near = np.take_along_axis(similarity, index, axis=1)
    graph = adapted_graph(index, near, perplexity=10, density="tsne")
    found = graph_communities(graph, seed=3, n_starts=2)
    assert np.array_equal(found, group)
    assert np.array_equal(found, graph_communities(graph, seed=3, n_starts=2))


def test_as_good_as_leidenalg_and_nobody_elses_random_numbers_change() -> None:
    draws = np.random.default_rng(1)
    for seed in range(5):
        graph = sparse.coo_matrix(np.triu(draws.random((90, 90)) ** 8, 1))
        before = random.getstate()
        found = graph_communities(graph, seed=seed, n_starts=3)
        assert random.getstate() == before
        network = igraph.Graph(n=90, edges=np.column_stack([graph.row, graph.col]))
        other = leidenalg.find_partition(
            network, leidenalg.ModularityVertexPartition, weights=graph.data.tolist(),
            n_iterations=-1, seed=seed,
        )  # fmt: skip
        modularity = network.modularity(found.tolist(), weights=graph.data.tolist())
        assert modularity > 0.97 * other.modularity


def test_without_edges_everyone_is_alone() -> None:
    graph = adapted_graph(np.zeros((3, 0), int), np.zeros((3, 0)), perplexity=10, density="tsne")
    assert graph_communities(graph, seed=0, n_starts=1).tolist() == [0, 1, 2]
