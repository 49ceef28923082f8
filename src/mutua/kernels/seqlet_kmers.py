"""Which seqlets share important letters: gapped k-mers, and the nearest by them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.devices import torch_gpu
from mutua.kernels.rows import over_rows
from mutua.kernels.seqlet_similarity import keep_largest, place_in
from mutua.kernels.torch_neighbours import Postings, nearest_on

__all__ = ["KmerVectors", "Neighbours", "kmer_vectors", "nearest_by_kmers"]

Floats = npt.NDArray[np.float32]
Whole = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]

_POSITIONS = 20  # most important letters of a seqlet that k-mers are made of
_SPAN = 15  # places from the first to the last letter of a k-mer
_KEPT = 500  # k-mers of a seqlet
_SLOTS = 1 << 17  # more than there are k-mers of a seqlet


class KmerVectors(NamedTuple):
    """The gapped k-mers of seqlets and their scores.

    Attributes
    ----------
    keys, turned
        uint64 (seqlet, kmer), a number for each k-mer, and that of its reverse complement.
    scores
        float32 (seqlet, kmer), of length 1 as vectors; 0 where a seqlet has fewer k-mers.
    """

    keys: Keys
    turned: Keys
    scores: Floats


class Neighbours(NamedTuple):
    """The seqlets that are most similar to each.

    Attributes
    ----------
    number
        int32 (seqlet, neighbour), which seqlets they are.
    similarity
        float32 (seqlet, neighbour).
    """

    number: npt.NDArray[np.int32]
    similarity: Floats


def kmer_vectors(
    codes: npt.NDArray[np.uint8], importance: Floats, complement: Whole | None, *, n_letters: int
) -> KmerVectors:
    """Give the gapped k-mers of 4 to 6 letters that the most important letters make.

    K-mers are made of the 20 letters of largest importance above 0 and span at most 15 places.
    The score of one is the mean importance of its letters, summed over its occurrences; the 500
    largest are kept.

    Parameters
    ----------
    codes
        uint8 (seqlet, place); codes that are no letters are in no k-mer.
    importance
        float32 (seqlet, place), of the letters that are there.
    complement
        Which letter pairs with each, or None.
    n_letters
        Letters of the alphabet.

    References
    ----------
    Shrikumar et al. 2018, arXiv:1811.00416.
    """
    n = len(codes)
    weights = np.random.default_rng(0).integers(
        1, 2**63, size=(_SPAN, n_letters), dtype=np.uint64, endpoint=False
    )
    pairs = np.arange(n_letters) if complement is None else complement
    keys, turned = np.zeros((n, _KEPT), np.uint64), np.zeros((n, _KEPT), np.uint64)
    scores = np.zeros((n, _KEPT), np.float32)
    over_rows(_enumerate, n, codes, importance, weights, pairs, keys, turned, scores, row_cost=4e5)
    return KmerVectors(keys, turned, scores)


@njit(cache=True, nogil=True)
def _enumerate(
    first: int,
    stop: int,
    codes: npt.NDArray[np.uint8],
    importance: Floats,
    weights: Keys,
    pairs: Whole,
    keys: Keys,
    turned: Keys,
    scores: Floats,
) -> None:
    n_letters = weights.shape[1]
    slots = np.full(_SLOTS, -1, np.int32)
    found, found_turned = np.empty(_SLOTS, np.uint64), np.empty(_SLOTS, np.uint64)
    found_slot, found_score = np.empty(_SLOTS, np.int64), np.empty(_SLOTS)
    chosen = np.empty(6, np.int64)
    for seqlet in range(first, stop):
        places = _best_places(codes[seqlet], importance[seqlet], n_letters)
        n = 0
        n_places = len(places)
        # A k-mer is grown letter by letter: `chosen` are the places of its letters.
        depth, at = 0, 0
        while True:
            if at < n_places and (depth == 0 or places[at] - places[chosen[0]] < _SPAN):
                chosen[depth] = at
                depth += 1
                if depth >= 4:
                    score, key, back = _kmer(
                        codes[seqlet], importance[seqlet], places, chosen, depth, weights, pairs
                    )
                    slot = np.int64((key ^ (key >> np.uint64(31))) & np.uint64(_SLOTS - 1))
                    while slots[slot] >= 0 and found[slots[slot]] != key:
                        slot = (slot + 1) & (_SLOTS - 1)
                    if slots[slot] < 0:
                        slots[slot] = n
                        found[n], found_turned[n], found_slot[n] = key, back, slot
                        found_score[n] = 0.0
                        n += 1
                    found_score[slots[slot]] += score
                if depth < 6:
                    at += 1
                    continue
                depth -= 1
                at = chosen[depth] + 1
                continue
            if depth == 0:
                break
            depth -= 1
            at = chosen[depth] + 1
        _keep_best(found[:n], found_turned[:n], found_score[:n], keys[seqlet], turned[seqlet],
                   scores[seqlet])  # fmt: skip
        for i in range(n):
            slots[found_slot[i]] = -1


@njit(cache=True, nogil=True)
def _best_places(codes: npt.NDArray[np.uint8], importance: Floats, n_letters: int) -> Whole:
    """Give the places of the most important letters, in their order."""
    order = np.argsort(-importance, kind="mergesort")
    places = np.empty(_POSITIONS, np.int64)
    n = 0
    for place in order:
        if n == _POSITIONS or importance[place] <= 0:
            break
        if codes[place] < n_letters:
            places[n] = place
            n += 1
    return np.sort(places[:n])


@njit(cache=True, nogil=True)
def _kmer(
    codes: npt.NDArray[np.uint8],
    importance: Floats,
    places: Whole,
    chosen: Whole,
    depth: int,
    weights: Keys,
    pairs: Whole,
) -> tuple[float, np.uint64, np.uint64]:
    """Give score and keys of one k-mer: sums of random numbers of the letters at their places."""
    score, key, back = 0.0, np.uint64(0), np.uint64(0)
    start, end = places[chosen[0]], places[chosen[depth - 1]]
    for i in range(depth):
        place = places[chosen[i]]
        score += importance[place]
        key += weights[place - start, codes[place]]
        back += weights[end - place, pairs[codes[place]]]
    return score / depth, key, back


@njit(cache=True, nogil=True)
def _keep_best(
    found: Keys,
    found_turned: Keys,
    found_score: npt.NDArray[np.float64],
    keys: Keys,
    turned: Keys,
    scores: Floats,
) -> None:
    """Write the k-mers of the largest scores, the first among equals, scaled to length 1."""
    n = len(found)
    kept = np.argsort(-found_score, kind="mergesort")[:_KEPT] if n else np.zeros(0, np.int64)
    square = 0.0
    for i in kept:
        square += found_score[i] ** 2
    for to, i in enumerate(kept):
        keys[to], turned[to] = found[i], found_turned[i]
        scores[to] = found_score[i] / np.sqrt(square)


def nearest_by_kmers(
    vectors: KmerVectors, *, n_neighbors: int, stranded: bool, device: str | None = "cpu"
) -> Neighbours:
    """Give the seqlets of the largest cosine similarity of their k-mers to each.

    Parameters
    ----------
    vectors
        Their k-mers.
    n_neighbors
        Neighbours of each, at most all others. Among equals the first are taken.
    stranded
        Compare one strand only, not also with the reverse complement.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; None for the setting. The numbers are the same.

    Raises
    ------
    DeviceUnavailable
        For ``"cuda"`` without a usable GPU.
    MemoryLimit
        If the GPU's memory does not hold the k-mers and the similarities of one seqlet.
    """
    n = len(vectors.keys)
    k = max(0, min(n_neighbors, n - 1))
    index, similarity = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32)
    if k == 0:
        return Neighbours(index, similarity)
    seqlet, place = np.nonzero(vectors.scores > 0)
    keys = vectors.keys[seqlet, place]
    order = np.argsort(keys, kind="stable")  # postings of a k-mer are in the order of the seqlets
    keys = keys[order]
    new = np.append(True, keys[1:] != keys[:-1])[: len(keys)]
    bounds = np.append(np.flatnonzero(new), len(keys))
    postings = seqlet[order].astype(np.int32)
    worth = vectors.scores[seqlet, place][order]
    # The number of each k-mer among those that there are, or -1, on each strand.
    queries = np.full((1 if stranded else 2, *vectors.keys.shape), -1, np.int32)
    queries[0, postings, place[order]] = np.cumsum(new) - 1
    if not stranded:
        cost = 300.0 * _KEPT
        over_rows(_look_up, n, keys[new], vectors.turned, vectors.scores, queries[1], row_cost=cost)
    per_row = len(queries) * (
        float(np.square(np.diff(bounds).astype(np.float64)).sum()) / n + 3 * n
    )
    gpu = torch_gpu(device, operations=n * per_row)
    if gpu is not None:
        there = Postings(bounds, postings, worth)
        return Neighbours(*nearest_on(gpu, queries, vectors.scores, there, n_neighbors=k))
    # Seqlets of the same best k-mer one after another, and postings in few bytes: lists that they
    # share stay in the cache.
    rows = np.argsort(queries[0, :, 0], kind="stable")
    narrow = postings.astype(np.min_scalar_type(n))
    over_rows(
        _nearest, n, rows, queries, vectors.scores, bounds, narrow, worth, index, similarity,
        row_cost=per_row,
    )  # fmt: skip
    return Neighbours(index, similarity)


@njit(cache=True, nogil=True)
def _look_up(
    first: int,
    stop: int,
    ascending: Keys,
    keys: Keys,
    scores: Floats,
    numbers: npt.NDArray[np.int32],
) -> None:
    for row in range(first, stop):
        for place in range(keys.shape[1]):
            if scores[row, place] > 0:
                numbers[row, place] = place_in(ascending, keys[row, place])


@njit(cache=True, nogil=True)
def _nearest(
    first: int,
    stop: int,
    rows: Whole,
    queries: npt.NDArray[np.int32],
    scores: Floats,
    bounds: Whole,
    postings: npt.NDArray[np.unsignedinteger],
    worth: Floats,
    index: npt.NDArray[np.int32],
    similarity: Floats,
) -> None:
    n = len(scores)
    best, strand = np.empty(n, np.float32), np.empty(n, np.float32)
    for row in rows[first:stop]:
        best[:] = 0
        for turned in range(queries.shape[0]):
            strand[:] = 0
            for place in range(queries.shape[2]):
                kmer = queries[turned, row, place]
                if kmer < 0:
                    continue
                score = scores[row, place]
                seqlets = postings[bounds[kmer] : bounds[kmer + 1]]
                weights = worth[bounds[kmer] : bounds[kmer + 1]]
                for i in range(len(seqlets)):
                    strand[seqlets[i]] += score * weights[i]
            for other in range(n):
                best[other] = max(best[other], strand[other])
        best[row] = -1  # no neighbour of itself
        keep_largest(best, index[row], similarity[row])
