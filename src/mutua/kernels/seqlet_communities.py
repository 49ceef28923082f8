"""Groups of seqlets that are alike: a graph adapted to how dense they lie, and its communities."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import sparse

from mutua.kernels.communities import by_size, leiden_packages
from mutua.kernels.rows import over_rows

__all__ = ["adapted_graph", "graph_communities", "neighbour_probabilities"]

Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_KEPT = 3  # times the perplexity: nearest neighbours beyond are left out
_STEEPEST = 1e12  # factor of distances beyond which nothing changes


def adapted_graph(
    index: npt.NDArray[np.integer],
    similarity: npt.NDArray[np.floating],
    *,
    perplexity: float,
    density: str,
) -> sparse.coo_matrix:
    """Give the graph that joins neighbours, each with about as many as any other.

    The distance of two neighbours is ``ln(2 / similarity - 1)``, 0 for equal ones; those that
    are not alike at all (similarity 0 or less) are not joined. Every row has the chances of its
    neighbours and itself, as in t-SNE [1]_; an edge weighs the geometric mean of the chances of
    its two directions.

    Parameters
    ----------
    index, similarity
        (seqlet, neighbour). The similarity of two is the same in both directions.
    perplexity
        Effective number of neighbours, itself included.
    density
        ``"tsne"`` or ``"lite"``, as for `neighbour_probabilities`.

    Returns
    -------
    sparse matrix
        (seqlet, seqlet), upper triangle, each edge once. With ``"tsne"``, as is usual there,
        only those of each to its nearest neighbours, 3 times the perplexity.

    References
    ----------
    .. [1] van der Maaten and Hinton 2008, JMLR 9:2579.
    """
    n, k = index.shape
    row, other = np.repeat(np.arange(n), k), index.ravel()
    value = similarity.astype(np.float64).ravel()
    alike = value > 0
    forward = sparse.csr_matrix((value[alike], (row[alike], other[alike])), shape=(n, n))
    # Both directions of every edge once. A sparse sum of distances would drop those of 0.
    both = forward.maximum(forward.T.tocsr())
    bounds, columns = both.indptr.astype(np.int64), both.indices
    rows = np.repeat(np.arange(n), np.diff(bounds))
    distance = np.maximum(np.log(2 / both.data - 1), 0)
    chance = neighbour_probabilities(bounds, distance, perplexity=perplexity, density=density)
    # Column by column, edges come as those of the other direction do row by row.
    places = sparse.csr_matrix((np.arange(len(columns)), columns, both.indptr), shape=(n, n))
    back = places.tocsc().data
    weight = np.sqrt(chance * chance[back])
    kept = (rows < columns) & (weight > 0)
    if density == "tsne":
        near = np.zeros(len(distance), np.bool_)
        cost = 100.0 * len(distance) / max(n, 1)
        over_rows(_mark_near, n, bounds, distance, _KEPT * perplexity, near, row_cost=cost)
        kept &= near | near[back]
    return sparse.coo_matrix((weight[kept], (rows[kept], columns[kept])), shape=(n, n))


@njit(cache=True, nogil=True)
def _mark_near(
    first: int, stop: int, bounds: Whole, distance: Reals, most: float, near: Flags
) -> None:
    """Mark the `most` nearest neighbours of each row, the first among equals."""
    for row in range(first, stop):
        own = distance[bounds[row] : bounds[row + 1]]
        order = np.argsort(own, kind="mergesort")
        for place in range(len(own)):
            if place < most:
                near[bounds[row] + order[place]] = True


def neighbour_probabilities(
    bounds: Whole, distance: Reals, *, perplexity: float, density: str
) -> Reals:
    """Give the chance of every neighbour, so that rows have one perplexity.

    Parameters
    ----------
    bounds
        int64 (row + 1,), where the neighbours of each row begin.
    distance
        float64 (edge,), 0 or more.
    perplexity
        Of the chances of a row and of itself, which is at distance 0. Rows with fewer neighbours
        have equal chances, and rows with too many at distance 0 share theirs among these.
    density
        ``"tsne"``: chances are proportional to ``exp(-beta distance)``, with the beta of the
        perplexity. ``"lite"``: to ``exp(-distance / beta)``, as tfmodisco-lite does with the
        same beta.

    Returns
    -------
    float64 (edge,)
    """
    chance = np.empty(len(distance))
    n = len(bounds) - 1
    cost = 500.0 * len(distance) / max(n, 1)
    over_rows(_adapt, n, bounds, distance, perplexity, density == "lite", chance, row_cost=cost)
    return chance


@njit(cache=True, nogil=True)
def _adapt(
    first: int,
    stop: int,
    bounds: Whole,
    distance: Reals,
    perplexity: float,
    inverse: bool,
    chance: Reals,
) -> None:
    for row in range(first, stop):
        own = distance[bounds[row] : bounds[row + 1]]
        beta = _beta(own, perplexity)
        if inverse:
            beta = 1 / max(beta, 1 / _STEEPEST)
        norm = 1.0
        for value in own:
            norm += np.exp(-beta * value)
        for i in range(len(own)):
            chance[bounds[row] + i] = np.exp(-beta * own[i]) / norm


@njit(cache=True, nogil=True)
def _beta(distance: Reals, perplexity: float) -> float:
    """Find the factor of the perplexity, which falls as the factor rises, by halving intervals."""
    if len(distance) + 1 <= perplexity:
        return 0.0
    low, high = 0.0, 1.0
    while _entropy(distance, high) > np.log(perplexity):
        low, high = high, 2 * high
        if high > _STEEPEST:
            return high
    for _ in range(60):
        middle = (low + high) / 2
        off = _entropy(distance, middle) - np.log(perplexity)
        if abs(off) < 1e-8:
            return middle
        if off > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@njit(cache=True, nogil=True)
def _entropy(distance: Reals, beta: float) -> float:
    """Give the entropy, in nats, of chances proportional to exp(-beta distance) and of itself."""
    norm, mean = 1.0, 0.0
    for value in distance:
        weight = np.exp(-beta * value)
        norm += weight
        mean += weight * value
    return np.log(norm) + beta * mean / norm


def graph_communities(graph: sparse.coo_matrix, *, seed: int, n_starts: int) -> Whole:
    """Give the communities of the best modularity found, 0 the largest.

    Parameters
    ----------
    graph
        Each edge once.
    seed
        0 to ``2**31 - 1``.
    n_starts
        Runs of the Leiden algorithm, each until nothing improves; the first of the best is taken.

    Raises
    ------
    MissingDependency
        Without igraph and leidenalg.

    References
    ----------
    Traag, Waltman and van Eck 2019, Scientific Reports 9:5233.
    """
    igraph, _ = leiden_packages("the search for patterns")
    n = graph.shape[0]
    if graph.nnz == 0:
        return np.arange(n)
    edges = zip(graph.row.tolist(), graph.col.tolist(), strict=True)  # twice as fast as an array
    network = igraph.Graph(n=n, edges=edges)
    weights = graph.data.tolist()
    best: Any = None
    for start in range(n_starts):
        with _igraph_draws(igraph, (seed + start) % 2**31):
            # igraph's own is several times as fast as leidenalg, and finds the same modularity.
            found = network.community_leiden("modularity", weights=weights, n_iterations=-1)
        modularity = network.modularity(found, weights=weights)
        if best is None or modularity > best[0] + 1e-12:
            best = modularity, found.membership
    return by_size(best[1])


@contextlib.contextmanager
def _igraph_draws(igraph: Any, seed: int) -> Iterator[None]:
    """Let igraph, whose random numbers are those of the process, draw by a seed for a while."""
    with _one_at_a_time:
        igraph.set_random_number_generator(random.Random(seed))
        try:
            yield
        finally:
            igraph.set_random_number_generator(random)  # what it begins with


_one_at_a_time = threading.Lock()
