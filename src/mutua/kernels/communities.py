"""Groups of points that are neighbours of each other: Leiden communities of a neighbour graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from mutua.errors import MissingDependency

__all__ = ["by_size", "leiden_packages", "neighbour_communities", "neighbour_graph"]

Reals = NDArray[np.float64]


def neighbour_graph(points: Reals, *, n_neighbors: int) -> sparse.coo_matrix:
    """Give the graph that joins points with their nearest neighbours.

    An edge weighs as much as its ends have neighbours in common: the size of the intersection of
    their neighbourhoods (the point itself and its neighbours) divided by that of the union [1]_.

    Parameters
    ----------
    points
        (n, d) float64, at least two of them.
    n_neighbors
        Neighbours of each point by Euclidean distance, fewer than there are points.

    Returns
    -------
    sparse matrix
        (n, n), upper triangle, each edge once.

    References
    ----------
    .. [1] Levine et al. 2015, Cell 162:184.
    """
    n = len(points)
    nearest = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(points)
    neighbours = nearest.kneighbors(return_distance=False)
    ones = np.ones(neighbours.size, np.float64)
    rows = np.repeat(np.arange(n), n_neighbors)
    joined = sparse.csr_matrix((ones, (rows, neighbours.ravel())), (n, n))
    around = joined + sparse.identity(n, format="csr")
    edges = sparse.triu(joined.maximum(joined.T), 1)
    shared = (around @ around.T).multiply(edges).tocoo()
    shared.data = shared.data / (2 * (n_neighbors + 1) - shared.data)
    return shared


def neighbour_communities(
    points: Reals, *, n_neighbors: int, resolution: float, seed: int
) -> NDArray[np.int64]:
    """Give every point a community, 0 the largest; among equals that of the first point.

    Parameters
    ----------
    points
        (n, d) float64.
    n_neighbors
        As in `neighbour_graph`; with fewer points, all others are neighbours.
    resolution
        Of the modularity: larger values give more communities.
    seed
        0 to ``2**31 - 1``.

    Raises
    ------
    MissingDependency
        Without igraph and leidenalg.

    References
    ----------
    Traag, Waltman and van Eck 2019, Scientific Reports 9:5233.
    """
    igraph, leidenalg = leiden_packages("`method='leiden'`")
    if len(points) < 2:
        return np.zeros(len(points), np.int64)
    graph = neighbour_graph(points, n_neighbors=min(n_neighbors, len(points) - 1))
    network = igraph.Graph(n=len(points), edges=np.column_stack([graph.row, graph.col]).tolist())
    found = leidenalg.find_partition(
        network,
        leidenalg.RBConfigurationVertexPartition,
        weights=graph.data.tolist(),
        resolution_parameter=resolution,
        n_iterations=-1,
        seed=seed,
    )
    return by_size(found.membership)


def leiden_packages(what: str) -> tuple[Any, Any]:
    """Give the modules igraph and leidenalg, or say that `what` needs them."""
    try:
        import igraph
        import leidenalg
    except ImportError as error:
        text = f"{what} needs {error.name}: pip install 'mutua[leiden]'"
        raise MissingDependency(text) from error
    return igraph, leidenalg


def by_size(labels: ArrayLike) -> NDArray[np.int64]:
    """Give communities numbers by their size, 0 the largest; among equals the first to appear."""
    _, first, which, sizes = np.unique(
        np.asarray(labels), return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.empty(len(sizes), np.int64)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[which]
