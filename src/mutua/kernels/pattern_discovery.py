"""Patterns that seqlets have in common, as TF-MoDISco finds them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mutua.kernels.letters import PADDING
from mutua.kernels.pattern_building import LEAST_OVERLAP, Frame, build_pattern, information
from mutua.kernels.pattern_merging import merge_patterns, split_pattern
from mutua.kernels.pattern_sites import Contexts, Sites, SiteSums, site_features, sum_sites
from mutua.kernels.seqlet_communities import adapted_graph, graph_communities
from mutua.kernels.seqlet_kmers import kmer_vectors, nearest_by_kmers
from mutua.kernels.seqlet_similarity import best_jaccard, rank_correlations

__all__ = ["Found", "Search", "find_patterns"]

_LEAST_AGREEMENT = 0.15  # Spearman's correlation of the two similarities of a seqlet's neighbours
_LEAST_CLOSE = 0.1  # quantile of the similarity to the nearest among seqlets that can be trusted
_WINDOW, _LEAST_BITS = 6, 0.6  # a pattern has places in a row with so many bits each, on average


class Search(NamedTuple):
    """How patterns are searched for.

    Attributes
    ----------
    n_neighbors
        Seqlets that each is compared with letter by letter.
    perplexity
        Of the graph of seqlets.
    density
        ``"tsne"`` or ``"lite"``.
    n_starts
        Runs of the Leiden algorithm.
    min_sites
        Fewest sites of a pattern.
    core, flank
        Width of a pattern, and places on both sides of it that are looked at as well.
    trim
        Places at the ends are cut off where the contributions are below this part of the largest.
    seed
        Of all that is random.
    device
        Where seqlets are compared: ``"auto"``, ``"cpu"`` or ``"cuda"``; None for the setting.
    """

    n_neighbors: int
    perplexity: float
    density: str
    n_starts: int
    min_sites: int
    core: int
    flank: int
    trim: float
    seed: int
    device: str | None = None


class Found(NamedTuple):
    """A pattern.

    Attributes
    ----------
    sequence, start
        int64 (site,), the sequence that a site is in, and its first position there.
    flipped
        bool (site,), whether it is on the other strand.
    attribution
        float64 (site,), sum of the contributions of its letters.
    sums
        What the sites come to; all are as wide as these.
    """

    sequence: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    flipped: npt.NDArray[np.bool_]
    attribution: npt.NDArray[np.float64]
    sums: SiteSums


def find_patterns(contexts: Contexts, start: int, width: int, search: Search) -> list[Found]:
    """Find the patterns of seqlets of one sign.

    Seqlets are grouped and each group is laid over each other; from what is cut out then they are
    grouped again. Patterns are split and joined until they stay as they are.

    Parameters
    ----------
    contexts
        One for each seqlet, the strongest first.
    start, width
        Where the seqlet is in its context.
    search
        How.

    Returns
    -------
    list of Found
        The most sites first. Sites are within their sequences.

    References
    ----------
    Shrikumar et al. 2018, arXiv:1811.00416.
    """
    n = len(contexts.codes)
    sites = Sites(np.arange(n), np.full(n, start), np.zeros(n, bool))
    frame = Frame(search.core, search.flank, _frequencies(contexts, sites, width))
    patterns: list[Sites] = []
    for first in (True, False):
        groups = _groups(contexts, sites, width, search, doubted=first)
        built = (build_pattern(contexts, group, width, frame) for group in groups)
        patterns = [pattern for pattern in built if pattern is not None]
        if not patterns:
            return []
        sites, width = _together(contexts, patterns), frame.width
    leiden = {"seed": search.seed, "n_starts": search.n_starts}
    parts = [part for p in patterns for part in split_pattern(contexts, p, width, **leiden)]
    merged = merge_patterns(contexts, parts, frame, seed=search.seed)
    found = [_finished(contexts, pattern, frame, search) for pattern in merged]
    kept = [pattern for pattern in found if pattern is not None]
    return sorted(kept, key=lambda pattern: -len(pattern.start))


def _frequencies(contexts: Contexts, sites: Sites, width: int) -> npt.NDArray[np.float64]:
    counts = sum_sites(contexts, sites, width).letters.sum(axis=1) + 1
    if contexts.complement is not None:
        counts = counts + counts[contexts.complement]
    return np.asarray(counts / counts.sum())


def _together(contexts: Contexts, patterns: list[Sites]) -> Sites:
    """Give the sites of all patterns, the strongest first, each place once."""
    both = Sites._make(np.concatenate(parts) for parts in zip(*patterns, strict=True))
    both = both.take(np.argsort(both.context, kind="stable"))
    place = np.stack([contexts.sequence[both.context],
                      contexts.origin[both.context] + both.start])  # fmt: skip
    _, first = np.unique(place, axis=1, return_index=True)
    return both.take(np.sort(first))


def _groups(
    contexts: Contexts, sites: Sites, width: int, search: Search, *, doubted: bool
) -> list[Sites]:
    """Give communities of seqlets; where doubted, without those whose similarities disagree."""
    n_letters = contexts.n_letters
    features = site_features(contexts, sites, width)
    there = features.forward[:, :, :n_letters]
    vectors = kmer_vectors(
        there.argmax(axis=2).astype(np.uint8),
        np.ascontiguousarray(there.sum(axis=2)),
        contexts.complement,
        n_letters=n_letters,
    )
    stranded = contexts.complement is None
    near = nearest_by_kmers(
        vectors, n_neighbors=search.n_neighbors, stranded=stranded, device=search.device
    )
    shift = int(width * (1 - LEAST_OVERLAP))
    similarity = best_jaccard(features, near.number, most_shift=shift, device=search.device)
    index, rows = near.number, np.arange(len(sites.context))
    if doubted:
        rows = np.flatnonzero(_trusted(similarity, near.similarity, search.perplexity))
        number = np.full(len(index), -1)
        number[rows] = np.arange(len(rows))
        index = number[index[rows]]
        similarity = np.where(index >= 0, similarity[rows], 0)  # no edge to those that are out
        index = np.maximum(index, 0)
    if not len(rows):
        return []
    graph = adapted_graph(index, similarity, perplexity=search.perplexity, density=search.density)
    labels = graph_communities(graph, seed=search.seed, n_starts=search.n_starts)
    return [sites.take(rows[labels == label]) for label in range(labels.max() + 1)]


def _trusted(
    similarity: npt.NDArray[np.float32], by_kmers: npt.NDArray[np.float32], perplexity: float
) -> npt.NDArray[np.bool_]:
    """Tell which seqlets have neighbours that both similarities order alike, or close ones.

    Where all seqlets are of one motif the order of neighbours is noise, and says nothing.
    """
    agreement = rank_correlations(similarity, by_kmers)
    agrees = np.isnan(agreement) | (agreement > _LEAST_AGREEMENT)
    n = min(similarity.shape[1], max(1, round(perplexity)))
    if n == 0 or not agrees.any():
        return np.ones(len(agrees), bool)
    close = np.partition(similarity, -n, axis=1)[:, -n:].mean(axis=1)
    return np.asarray(agrees | (close >= np.quantile(close[agrees], _LEAST_CLOSE)))


def _finished(contexts: Contexts, pattern: Sites, frame: Frame, search: Search) -> Found | None:
    """Cut the ends of a pattern off; None for one of too few sites or too little information."""
    sums = sum_sites(contexts, pattern, frame.width)
    bits = np.convolve(information(sums, frame.background), np.ones(_WINDOW) / _WINDOW, "valid")
    if len(pattern.context) < search.min_sites or bits.max(initial=0) < _LEAST_BITS:
        return None
    mean = np.abs(sums.contribution).sum(axis=0) / np.maximum(sums.covered, 1)
    said = np.flatnonzero(mean >= search.trim * mean.max())
    first, width = int(said[0]), int(said[-1] - said[0]) + 1
    nothing = np.zeros(len(pattern.context), np.int64)
    cut = pattern.moved(nothing, nothing.astype(bool), width=frame.width, to=first, to_width=width)
    codes, there = _letters(contexts, cut, width)
    inside = there & (codes != PADDING)
    kept = inside.all(axis=1)
    if kept.sum() < search.min_sites:
        return None
    cut, codes = cut.take(kept), codes[kept]
    values = contexts.values[
        cut.context[:, None],
        cut.start[:, None] + np.arange(width),
        np.minimum(codes, contexts.n_letters - 1),
    ]
    return Found(
        contexts.sequence[cut.context],
        contexts.origin[cut.context] + cut.start,
        cut.flipped,
        np.where(codes < contexts.n_letters, values, 0).sum(axis=1, dtype=np.float64),
        sum_sites(contexts, cut, width),
    )


def _letters(
    contexts: Contexts, sites: Sites, width: int
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Give the letters of sites on the forward strand, and which of them are in the contexts."""
    length = contexts.codes.shape[1]
    places = sites.start[:, None] + np.arange(width)
    codes = contexts.codes[sites.context[:, None], np.clip(places, 0, length - 1)]
    return codes, (places >= 0) & (places < length)
