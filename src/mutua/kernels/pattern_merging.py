"""Split patterns that are several, and join those that are one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import numpy.typing as npt

from mutua.kernels.motif_alignment import Alignments, align_motifs
from mutua.kernels.pattern_building import Frame, framed
from mutua.kernels.pattern_sites import Contexts, Features, Sites, site_features, sum_sites
from mutua.kernels.seqlet_communities import adapted_graph, graph_communities
from mutua.kernels.seqlet_similarity import laid_over_jaccard, laid_over_neighbours

__all__ = ["contamination", "merge_patterns", "split_pattern"]

Values = npt.NDArray[np.floating]

_JOINED = ((0.8, 0.8), (0.5, 0.85), (0.2, 0.9), (0.0, 0.95))
"""Contamination and similarity from which on two patterns are one. The last is ours: without it
sites of one motif that differ in strength, and so in their share of noise, are two patterns."""
_APART = ((0.4, 0.75), (0.2, 0.8), (0.1, 0.85), (0.0, 0.9))
"""Contamination and similarity below which two patterns are never in one."""
_SAMPLE = 300  # sites of a pattern whose similarities are looked at
_SPLIT_FROM = 50  # sites
_SPLIT_PERPLEXITY = 50.0
_SPLIT_NEIGHBOURS = 500


def split_pattern(
    contexts: Contexts, pattern: Sites, width: int, *, seed: int, n_starts: int
) -> list[Sites]:
    """Give the communities of the sites of a pattern as they are laid over each other.

    Parameters
    ----------
    contexts, pattern, width
        The pattern, and where its sites are.
    seed, n_starts
        Of the Leiden algorithm.

    Returns
    -------
    list of Sites
        The pattern alone if it has 50 sites or fewer.
    """
    if len(pattern.context) <= _SPLIT_FROM:
        return [pattern]
    features = site_features(contexts, pattern, width)
    index, similarity = laid_over_neighbours(features, n_neighbors=_SPLIT_NEIGHBOURS)
    graph = adapted_graph(index, similarity, perplexity=_SPLIT_PERPLEXITY, density="tsne")
    labels = graph_communities(graph, seed=seed, n_starts=n_starts)
    return [pattern.take(labels == label) for label in range(labels.max() + 1)]


def merge_patterns(
    contexts: Contexts, patterns: list[Sites], frame: Frame, *, seed: int
) -> list[Sites]:
    """Join patterns that look alike and whose sites cannot be told apart.

    Of two patterns the similarity is the cosine of their mean contributions where they are
    aligned best, and the contamination twice the chance that two sites of different patterns are
    more alike than two of the same. The most similar pairs are joined first, unless that would
    put two patterns together that are too different; then all is done again with the joined ones.

    Parameters
    ----------
    contexts, patterns, frame
        The patterns, of the width of the frame, and where their sites are.
    seed
        Of the sites that contamination is estimated from.

    Returns
    -------
    list of Sites
        The most sites first.
    """
    while True:
        patterns = sorted(patterns, key=lambda pattern: -len(pattern.context))
        found = _alignments(contexts, patterns, frame.width)
        pairs = _Pairs(contexts, patterns, found, frame.width, seed)
        groups = pairs.groups()
        if len(groups) == len(patterns):
            return patterns
        joined = (_join(contexts, patterns, group, found, frame) for group in groups)
        patterns = [pattern for pattern in joined if pattern is not None]


def _alignments(contexts: Contexts, patterns: list[Sites], width: int) -> Alignments:
    """Align the mean contributions of patterns, on the same scale, with each other."""
    n_letters = contexts.n_letters
    parts = []
    for pattern in patterns:
        sums = sum_sites(contexts, pattern, width)
        halves = [sums.contribution, sums.hypothetical][: 2 if contexts.hypothetical else 1]
        covered = np.maximum(sums.covered, 1)
        means = [half / covered for half in halves]
        parts.append(np.concatenate([mean / max(np.abs(mean).sum(), 1e-300) for mean in means]))
    channels = 2 * n_letters if contexts.hypothetical else n_letters
    values = np.stack(parts) if parts else np.zeros((0, channels, width))
    lengths = np.full(len(patterns), width)
    pairs = contexts.complement
    if pairs is not None:
        pairs = np.concatenate([pairs + first for first in range(0, channels, n_letters)])
    # A cosine does not depend on scale, but its ties are told apart on that of 1.
    norms = np.sqrt((values**2).sum(axis=(1, 2), keepdims=True))
    values = values / np.where(norms > 0, norms, 1)
    return align_motifs(values, lengths, values, lengths, complement=pairs)


class _Pairs:
    """What is known of pairs of patterns; contaminations are computed when asked for."""

    def __init__(
        self, contexts: Contexts, patterns: list[Sites], found: Alignments, width: int, seed: int
    ) -> None:
        self.contexts, self.found, self.width = contexts, found, width
        self.samples = [
            pattern.take(_sample(len(pattern.context), seed, place))
            for place, pattern in enumerate(patterns)
        ]
        self._features: dict[int, Features] = {}
        self._within: dict[int, Values] = {}
        self._known: dict[tuple[int, int], float] = {}

    def groups(self) -> list[list[int]]:
        """Give the patterns that are one, by their numbers."""
        group_of = {place: [place] for place in range(len(self.samples))}
        for a, b in self._candidates():
            left, right = group_of[a], group_of[b]
            if left is right or any(self._apart(x, y) for x, y in product(left, right)):
                continue
            both = sorted(left + right)
            group_of.update(dict.fromkeys(both, both))
        return [group for place, group in group_of.items() if group[0] == place]

    def _candidates(self) -> Iterator[tuple[int, int]]:
        """Yield the pairs that may be one, the most similar first."""
        similarity = np.triu(self.found.similarity, 1)
        least = min(threshold for _, threshold in _JOINED)
        for place in np.argsort(-similarity, axis=None, kind="stable"):
            a, b = divmod(int(place), len(similarity))
            if similarity[a, b] < least:
                return
            mixed = self._contamination(a, b)
            if any(mixed >= most and similarity[a, b] >= like for most, like in _JOINED):
                yield a, b

    def _apart(self, a: int, b: int) -> bool:
        a, b = min(a, b), max(a, b)
        similarity = self.found.similarity[a, b]
        if similarity >= max(threshold for _, threshold in _APART):
            return False
        mixed = self._contamination(a, b)
        return any(mixed <= most and similarity < like for most, like in _APART)

    def _contamination(self, a: int, b: int) -> float:
        if (a, b) not in self._known:
            one_way = (self._one_way(a, b), self._one_way(b, a))
            self._known[a, b] = min(one_way)
        return self._known[a, b]

    def _one_way(self, a: int, b: int) -> float:
        if a not in self._features:
            own = site_features(self.contexts, self.samples[a], self.width)
            alike = laid_over_jaccard(own, own)
            self._features[a] = own
            self._within[a] = np.sort(alike[np.triu_indices(len(alike), 1)])
        n = len(self.samples[b].context)
        there = self.samples[b].moved(
            np.full(n, int(self.found.offset[a, b])),
            np.full(n, bool(self.found.flipped[a, b])),
            width=self.width,
            to=0,
            to_width=self.width,
        )
        between = laid_over_jaccard(
            self._features[a], site_features(self.contexts, there, self.width)
        )
        return contamination(self._within[a], between.ravel())


def contamination(within: Values, between: Values) -> float:
    """Give twice the chance that a value of `between` is larger than one of `within`, at most 1.

    Parameters
    ----------
    within
        Sorted.
    between
        In any order. Equal values count half; without values on one side all is 1.

    Examples
    --------
    >>> contamination(np.array([0.5, 0.6]), np.array([0.1, 0.55]))
    0.5
    """
    if not len(within) or not len(between):
        return 1.0
    between = np.sort(between)  # which takes less time than looking up numbers in any order
    below = np.searchsorted(within, between, side="left")
    not_above = np.searchsorted(within, between, side="right")
    larger = float((below + not_above).mean()) / 2 / len(within)
    return min(1.0, 2 * larger)


def _sample(n: int, seed: int, place: int) -> npt.NDArray[np.int64]:
    if n <= _SAMPLE:
        return np.arange(n)
    random = np.random.default_rng([seed, place])
    return np.sort(random.choice(n, _SAMPLE, replace=False))


def _join(
    contexts: Contexts, patterns: list[Sites], group: list[int], found: Alignments, frame: Frame
) -> Sites | None:
    """Lay patterns over the first of them, which has the most sites, and cut anew."""
    first = group[0]
    if len(group) == 1:
        return patterns[first]
    sizes = [len(patterns[place].context) for place in group]
    both = Sites._make(
        np.concatenate(parts) for parts in zip(*(patterns[p] for p in group), strict=True)
    )
    shift = np.repeat([0, *(int(found.offset[first, place]) for place in group[1:])], sizes)
    turned = np.repeat([False, *(bool(found.flipped[first, p]) for p in group[1:])], sizes)
    order = np.argsort(both.context, kind="stable")
    return framed(contexts, both.take(order), shift[order], turned[order], frame.width, frame)
