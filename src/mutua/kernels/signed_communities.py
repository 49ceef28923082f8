"""Communities of a graph with edges of both signs: friends together, enemies apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mutua.kernels.communities import by_size, leiden_packages

__all__ = ["attached_communities", "signed_communities", "signed_quality"]

Reals = NDArray[np.float64]
Labels = NDArray[np.int64]


def signed_quality(weights: Reals, labels: Labels, *, resolution: float) -> float:
    r"""Give how much better communities are than chance: the modularity of a signed graph.

    .. math:: Q = Q^+ - Q^-, \qquad
        Q^\pm = \sum_{ij} (A^\pm_{ij} - \gamma k^\pm_i k^\pm_j / 2m^\pm) \delta(c_i, c_j)

    with the positive parts :math:`A^+` and the sizes of the negative parts :math:`A^-` of the
    weights, degrees :math:`k` and :math:`2m` their sum. A graph without edges has quality 0.

    Parameters
    ----------
    weights
        (n, n) float64, symmetric, with a diagonal of 0.
    labels
        (n,) community of every node.
    resolution
        The factor :math:`\gamma` of what is expected by chance.

    References
    ----------
    Reichardt and Bornholdt 2006, Phys. Rev. E 74:016110; Traag and Bruggeman 2009, Phys. Rev. E
    80:036115.

    Examples
    --------
    >>> weights = np.array([[0.0, 2.0, -1.0], [2.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    >>> signed_quality(weights, np.array([0, 0, 1]), resolution=1.0)
    1.0
    """
    together = labels[:, None] == labels
    quality = 0.0
    for sign, layer in _layers(weights):
        degree = layer.sum(axis=1)
        chance = resolution * np.multiply.outer(degree, degree) / degree.sum()
        quality += sign * float((layer - chance)[together].sum())
    return quality


def signed_communities(
    weights: Reals, *, resolution: float, seed: int, n_starts: int = 1
) -> Labels:
    """Give the communities of the best signed quality found, 0 the largest.

    Parameters
    ----------
    weights, resolution
        As for `signed_quality`.
    seed
        Of all that is random. The same seed gives the same communities.
    n_starts
        Runs of the Leiden algorithm, each until nothing improves, as one alone often ends in a
        local optimum: in turn from nodes that are all alone, and from random communities. The
        best is taken, the first among equals.

    Returns
    -------
    NDArray
        int64 (n,). Without any edge every node is a community of its own.

    Raises
    ------
    MissingDependency
        Without igraph and leidenalg.

    References
    ----------
    Traag, Waltman and van Eck 2019, Scientific Reports 9:5233.
    """
    leiden = _Optimiser(weights, resolution)
    alone = np.arange(len(weights))
    if not leiden.layers:
        return alone
    return by_size(_best(leiden, weights, alone, 0, seed, n_starts))


def attached_communities(
    weights: Reals, fixed: Labels, *, resolution: float, seed: int, n_starts: int = 1
) -> Labels:
    """Give communities where some nodes stay where they are and the others join them, or not.

    The others start together in one new community, in every second start at random. They end in a
    community of the fixed nodes or in one of their own.

    Parameters
    ----------
    weights, resolution, seed, n_starts
        As for `signed_communities`; the fixed nodes are the first ones.
    fixed
        Community of each fixed node, from 0 on.

    Returns
    -------
    NDArray
        int64 (n,), the first of which are `fixed`; new communities have higher numbers, in the
        order of their first nodes.

    Raises
    ------
    MissingDependency
        Without igraph and leidenalg.
    """
    leiden = _Optimiser(weights, resolution)
    n_others = len(weights) - len(fixed)
    new = int(fixed.max(initial=-1)) + 1
    start = np.concatenate([fixed, np.full(n_others, new)]).astype(np.int64)
    if leiden.layers:
        start = _best(leiden, weights, start, len(fixed), seed, n_starts)
    return _renumbered(start, fixed)


def _best(
    leiden: _Optimiser, weights: Reals, first: Labels, n_fixed: int, seed: int, n_starts: int
) -> Labels:
    """Give the communities of the highest quality over all starts, the first of them included."""
    stays = np.arange(len(first)) < n_fixed
    best, highest = first, signed_quality(weights, first, resolution=leiden.resolution)
    slack = 1e-12 * float(np.abs(weights).sum())  # of qualities that differ by rounding only
    for one, start in _starts(first, n_fixed, seed, n_starts):
        labels = leiden.run(start, stays, one)
        quality = signed_quality(weights, labels, resolution=leiden.resolution)
        if quality > highest + slack:
            best, highest = labels, quality
    return best


def _layers(weights: Reals) -> Iterator[tuple[int, Reals]]:
    """Give the layers that have edges, each with the sign of its quality."""
    for sign in (1, -1):
        layer = np.maximum(sign * weights, 0.0)
        if layer.any():
            yield sign, layer


def _starts(first: Labels, n_fixed: int, seed: int, n_starts: int) -> Iterator[tuple[int, Labels]]:
    """Give a seed and a partition for each start: in turn the one given, and a random one."""
    random = np.random.default_rng(seed)
    for number in range(n_starts):
        start = first.copy()
        if number % 2:
            start[n_fixed:] = random.integers(0, len(first), len(first) - n_fixed)
            start = np.unique(start, return_inverse=True)[1]
        yield int(random.integers(0, 2**31 - 1)), start


class _Optimiser:
    """Leiden on both layers at once."""

    def __init__(self, weights: Reals, resolution: float) -> None:
        igraph, self.leidenalg = leiden_packages("communities of a network")
        self.resolution = resolution
        self.layers: list[tuple[int, Any, list[float]]] = []
        for sign, layer in _layers(weights):
            rows, columns = np.nonzero(np.triu(layer, 1))
            graph = igraph.Graph(n=len(weights), edges=np.column_stack([rows, columns]).tolist())
            self.layers.append((sign, graph, layer[rows, columns].tolist()))

    def run(self, start: Labels, stays: NDArray[np.bool_], seed: int) -> Labels:
        """Move nodes until nothing improves."""
        partitions = [
            self.leidenalg.RBConfigurationVertexPartition(
                graph,
                initial_membership=start.tolist(),
                weights=weights,
                resolution_parameter=self.resolution,
            )
            for _, graph, weights in self.layers
        ]
        optimiser = self.leidenalg.Optimiser()
        optimiser.set_rng_seed(seed)
        optimiser.optimise_partition_multiplex(
            partitions,
            layer_weights=[sign for sign, *_ in self.layers],
            n_iterations=-1,
            is_membership_fixed=stays.tolist(),
        )
        return np.asarray(partitions[0].membership, np.int64)


def _renumbered(labels: Labels, fixed: Labels) -> Labels:
    """Give communities with fixed nodes the numbers that these have, and others the next."""
    names = dict(zip(labels[: len(fixed)].tolist(), fixed.tolist(), strict=True))
    n_used = int(fixed.max(initial=-1)) + 1
    for label in labels[len(fixed) :].tolist():
        if label not in names:
            names[label] = n_used
            n_used += 1
    return np.array([names[label] for label in labels.tolist()], np.int64)
