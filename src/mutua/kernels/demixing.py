"""The motifs that one neuron detects, told apart by what earlier layers make of its sequences.

A neuron behind pooling is activated by a motif at several offsets, and by several motifs: the
letters of all its sequences together are a blur. Clusters of the maps of earlier layers, deepest
first, hold one motif at one offset.

Method: NeuronMotif (Wei et al. 2023, PNAS 120:e2216698120), as used by CombMotif.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

__all__ = [
    "Leaf",
    "demix",
    "demix_further",
    "homogeneity",
    "informative_runs",
    "leaf_probability",
    "smoothed_information",
]

_RESTARTS = 4
_N_BINS = 20
_DRAWN = 300
"""Sequences drawn to see how homogeneous a cluster is."""
_GAIN = 0.02
"""Goodness that a split has to gain, to be made."""

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Maps = Callable[[int], npt.NDArray[np.float32]]
"""From the depth (0 is the deepest of the earlier layers) to (sequence, feature)."""


class Leaf(NamedTuple):
    """A cluster that is not split further."""

    path: str
    """Which child it is of which, from the root "0" on, such as "0-2-1"."""
    rows: Rows


def demix(
    maps: Maps,
    weights: npt.NDArray[np.float32],
    n_clusters: Sequence[int],
    *,
    least: int,
    seed: int,
) -> list[Leaf]:
    """Split sequences layer by layer into clusters.

    Parameters
    ----------
    maps
        Gives the features of all sequences at a depth, 0 first.
    weights
        (sequence,) activations: a sequence counts by how much it activates the neuron.
    n_clusters
        At each depth; 1 leaves clusters as they are.
    least
        A cluster with no more than that many sequences per cluster to be made is not split, and
        one with fewer is left out.
    seed
        Of the first centres of k-means.

    Returns
    -------
    list of Leaf
        In the order of their paths.
    """
    nodes = [Leaf("0", np.arange(len(weights)))]
    leaves: list[Leaf] = []
    for depth, n in enumerate(n_clusters):
        if n == 1:
            continue
        splittable = [node for node in nodes if len(node.rows) > least * n]
        leaves += [node for node in nodes if len(node.rows) <= least * n]
        if not splittable:
            nodes = []
            break
        features = maps(depth)
        nodes = [
            Leaf(f"{node.path}-{child}", node.rows[rows])
            for node in splittable
            for child, rows in enumerate(
                _clusters(features[node.rows], weights[node.rows], n, seed)
            )
        ]
    leaves += nodes
    return sorted((leaf for leaf in leaves if len(leaf.rows) >= least), key=_order)


def demix_further(
    maps: Maps,
    weights: npt.NDArray[np.float32],
    n_clusters: Sequence[int],
    goodness: Callable[[Rows], float],
    *,
    enough: float,
    least: int,
    seed: int,
) -> list[Leaf]:
    """Split sequences until clusters are good, by one layer as long as that helps.

    Parameters
    ----------
    maps, weights, least, seed
        As for `demix`.
    n_clusters
        Of one split, at each depth; at least 2.
    goodness
        Of the sequences of some rows, such as their `homogeneity`.
    enough
        Clusters from this goodness on are leaves.

    Returns
    -------
    list of Leaf
        In the order of their paths.
    """
    leaves: list[Leaf] = []
    nodes = [(Leaf("0", np.arange(len(weights))), goodness(np.arange(len(weights))), 0)]
    while nodes:
        node, own, depth = nodes.pop()
        if own >= enough or depth == len(n_clusters):
            leaves.append(node)
            continue
        n = n_clusters[depth]
        if len(node.rows) <= least * n:
            leaves.append(node)
            continue
        features = maps(depth)[node.rows]
        parts = [
            node.rows[rows]
            for rows in _clusters(features, weights[node.rows], n, seed)
            if len(rows) >= least
        ]
        found = [goodness(part) for part in parts]
        mass = [float(weights[part].sum()) for part in parts]
        gained = len(parts) > 1 and float(np.average(found, weights=mass)) >= own + _GAIN
        if not gained:
            nodes.append((node, own, depth + 1))
            continue
        nodes += [
            (Leaf(f"{node.path}-{child}", part), good, depth)
            for child, (part, good) in enumerate(zip(parts, found, strict=True))
        ]
    return sorted((leaf for leaf in leaves if len(leaf.rows) >= least), key=_order)


def homogeneity(
    codes: Codes,
    activation: npt.NDArray[np.float32],
    n_letters: int,
    activate: Callable[[Codes], npt.NDArray[np.float32]],
    random: np.random.Generator,
) -> float:
    """Give how much letters drawn from each position's own activate a neuron.

    That is relative to the sequences themselves. If these have one motif at one place, their
    positions do not depend on each other and 1 or more results; if they are a mixture, letters of
    one motif come with those of another, and little is left.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    activation
        (sequence,) all above 0.
    n_letters
        Of the alphabet.
    activate
        Gives the activations of other sequences.
    random
        Source of the letters.
    """
    probability = leaf_probability(codes, activation, n_letters)
    ends = probability.cumsum(axis=0)
    point = random.random((_DRAWN, probability.shape[1])) * ends[-1]
    drawn = (point[:, None, :] >= ends).sum(axis=1).clip(max=n_letters - 1).astype(np.uint8)
    means = _bin_means(activation.astype(np.float64))
    expected = float((means**2).sum() / means.sum())
    return float(np.maximum(activate(drawn), 0).mean(dtype=np.float64) / expected)


def _bin_means(value: Floats) -> Floats:
    """Give the mean activation of every bin that is not empty."""
    place = _bins(value, _N_BINS)
    counts = np.bincount(place, minlength=_N_BINS)
    sums = np.bincount(place, weights=value, minlength=_N_BINS)
    return np.asarray(sums[counts > 0] / counts[counts > 0])


def _bins(value: Floats, n_bins: int) -> Rows:
    """Give the bin of each activation: bin j holds what is above j, up to j + 1 times the width."""
    place = np.ceil(value * n_bins / value.max()).astype(np.int64) - 1
    return np.clip(place, 0, n_bins - 1)


def _order(leaf: Leaf) -> tuple[int, ...]:
    return tuple(int(part) for part in leaf.path.split("-"))


def _clusters(
    features: npt.NDArray[np.float32], weights: npt.NDArray[np.float32], n: int, seed: int
) -> Iterator[Rows]:
    """Yield the rows of each cluster of k-means, the heaviest cluster first."""
    from sklearn.cluster import KMeans  # slow to import

    # One thread: sums over several are added up in the order in which they come.
    with threadpool_limits(1):
        means = KMeans(n, n_init=_RESTARTS, random_state=seed)
        label = means.fit(features, sample_weight=np.maximum(weights, 0)).labels_
    weight = np.bincount(label, weights=np.maximum(weights, 0), minlength=n)
    for one in np.argsort(-weight, kind="stable"):
        rows = np.flatnonzero(label == one)
        if len(rows):
            yield rows


def leaf_probability(
    codes: Codes, activation: npt.NDArray[np.float32], n_letters: int, *, n_bins: int = _N_BINS
) -> Floats:
    """Give the probability of each letter at each position, float64 (letter, position).

    Sequences are put into bins of equal width, from 0 to the largest activation. The letters of
    each bin count by its mean activation, however many sequences it has, so that the many weak
    ones do not outweigh the few strong ones. An empty bin between others counts as the next higher
    one, with the activation at its middle; empty ones below all sequences do not count.

    Parameters
    ----------
    codes
        uint8 (sequence, position), of letters only.
    activation
        (sequence,) all above 0.
    n_letters
        Of the alphabet.
    """
    value = activation.astype(np.float64)
    top = float(value.max())
    place = _bins(value, n_bins)
    total = np.zeros((n_letters, codes.shape[1]))
    above = total
    for one in range(n_bins - 1, int(place.min()) - 1, -1):
        rows = np.flatnonzero(place == one)
        weight = (one + 0.5) * top / n_bins
        if len(rows):
            above = np.stack([(codes[rows] == letter).mean(axis=0) for letter in range(n_letters)])
            weight = float(value[rows].mean())
        total += weight * above
    return total / total.sum(axis=0)


def smoothed_information(bits: Floats) -> Floats:
    """Give the mean of each position and its neighbours, of those that there are."""
    padded = np.pad(bits, 1)
    there = np.pad(np.ones(len(bits)), 1)
    return (padded[:-2] + padded[1:-1] + padded[2:]) / (there[:-2] + there[1:-1] + there[2:])


def informative_runs(
    bits: Floats,
    *,
    least_bits: float,
    gap: int = 1,
    least_length: int = 4,
    edge_bits: float = 0.3,
) -> list[tuple[int, int]]:
    """Give the runs of positions that say something, as (start, end), end not included.

    A position is one of them if the mean over it and its neighbours is at least `least_bits`. Runs
    with no more than `gap` positions between them are one. Positions at both ends with less than
    `edge_bits` are taken off, and runs shorter than `least_length` left out.

    Examples
    --------
    >>> bits = np.array([0, 0, 2, 2, 1, 2, 0.1, 0, 0])
    >>> informative_runs(bits, least_bits=0.7)
    [(2, 6)]
    """
    strong = np.flatnonzero(smoothed_information(bits) >= least_bits)
    if len(strong) == 0:
        return []
    parts = np.split(strong, np.flatnonzero(np.diff(strong) > gap + 1) + 1)
    runs = []
    for part in parts:
        kept = part[0] + np.flatnonzero(bits[part[0] : part[-1] + 1] >= edge_bits)
        if len(kept) and kept[-1] + 1 - kept[0] >= least_length:
            runs.append((int(kept[0]), int(kept[-1]) + 1))
    return runs
