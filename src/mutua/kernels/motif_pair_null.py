"""How often pairs of motifs occur when motifs are dealt to sequences at random."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.errors import MemoryLimit
from mutua.kernels.annotation_rows import SortedRows
from mutua.kernels.motif_pairs import Incidence, incidence_of, pair_counts
from mutua.kernels.random_sequences import derived_seed, mix64, random_stream
from mutua.kernels.running_moments import add_value, moments_of
from mutua.kernels.threads import Workers
from mutua.settings import settings

__all__ = ["TRADES", "PairNull", "pair_null", "trade_motifs"]

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Reals = NDArray[np.float64]

TRADES = 10
"""Rounds of trades between two matrices; in each round every motif trades with one other."""
PILOT = 64  # permutations beside the others that give the centre and spread of every pair
BATCH = 16  # permutations whose counts are held before they are summed up
_PAIR_BYTES = 80  # moments, centre and spread, observed and standardized counts
_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # the increment of SplitMix64


class PairNull(NamedTuple):
    """What permutations gave for each pair, in the order of the observed counts.

    Attributes
    ----------
    mean, variance, skewness
        (n_pairs,) float64, over the permutations.
    n_above, n_below
        (n_pairs,) int64, permutations with at least, and at most, the observed count.
    standardized
        (n_pairs,) float64, the distance of the observed count from the centre in spreads.
    maxima
        (n_permutations,) float64, the largest of these in each permutation.
    """

    mean: Reals
    variance: Reals
    skewness: Reals
    n_above: Longs
    n_below: Longs
    standardized: Reals
    maxima: Reals


def pair_null(
    rows: SortedRows,
    pairs: Longs,
    observed: Longs,
    *,
    ordered: bool,
    unique: bool,
    n_permutations: int,
    seed: int = 0,
) -> PairNull:
    """Give the distribution of the counts of pairs when motifs are dealt to sequences at random.

    Sequences are counted, without order: the number of motifs of each sequence and the number of
    sequences of each motif stay as they are (curveball trades [1]_). A chain from the observed
    matrix gives the one from which all permutations start, each with as many trades as that chain
    had; the observed matrix and the permutations are then exchangeable, however few the trades
    [2]_. Otherwise the motifs of all rows are shuffled, and their places stay.

    Parameters
    ----------
    rows
        Annotations.
    pairs
        (n_pairs,) the pairs, as ``motif_a * n_motifs + motif_b``.
    observed
        (n_pairs,) their counts.
    ordered, unique
        As for `pair_counts`.
    n_permutations
        At least 1.
    seed
        The same seed gives the same bits whatever the number of threads.

    Raises
    ------
    MemoryLimit
        If the moments of all pairs do not fit into ``settings.memory``.

    References
    ----------
    .. [1] Strona, Nappo, Boccacci, Fattorini and San-Miguel-Ayanz 2014, Nat. Commun. 5:4114;
       Carstens 2015, Phys. Rev. E 91:042812.
    .. [2] Besag and Clifford 1989, Biometrika 76:633.
    """
    with Workers() as workers:
        needed = len(pairs) * _PAIR_BYTES + workers.n_threads * 12 * rows.n_motifs**2
        if needed > settings.memory:
            raise MemoryLimit(
                "test",
                f"'permutation' of {rows.n_motifs:,} motifs needs {needed / 2**20:,.0f} MiB, and "
                f"settings.memory is {settings.memory / 2**20:,.0f} MiB",
                "use test='hypergeometric', fewer motifs, or raise mutua.settings.memory",
            )
        run = _Run(rows, pairs, observed, ordered, unique, workers, seed)
        guide = np.zeros((5, len(pairs)))
        run.permute("pilot", PILOT, None, guide)
        scales = np.stack([guide[0], np.sqrt(guide[1] / (PILOT - 1) + 1)])
        moments = np.zeros((5, len(pairs)))
        maxima = run.permute("permutation", n_permutations, scales, moments)
    variance, skewness = moments_of(moments[1], moments[2], n_permutations)
    standardized = np.abs(observed - scales[0]) / scales[1]
    above, below = moments[3:].astype(np.int64)
    return PairNull(moments[0], variance, skewness, above, below, standardized, maxima)


class _Run:
    def __init__(
        self,
        rows: SortedRows,
        pairs: Longs,
        observed: Longs,
        ordered: bool,
        unique: bool,
        workers: Workers,
        seed: int,
    ) -> None:
        self.rows, self.pairs, self.observed = rows, pairs, observed
        self.ordered, self.unique = ordered, unique
        self.workers, self.seed = workers, seed
        self.incidence: Incidence | None = None
        if unique and not ordered:
            self.incidence = incidence_of(rows)
            origin = _trade(self.incidence, derived_seed(seed, "first trades of motifs"))
            self.incidence = origin

    def permute(
        self, purpose: str, n_permutations: int, scales: Reals | None, moments: Reals
    ) -> Reals:
        """Add permutations to `moments` in their order; give their maxima."""
        stream = derived_seed(self.seed, f"{purpose} of motifs")
        maxima = np.zeros(n_permutations)
        per_batch = max(1, min(BATCH, settings.memory // (16 * max(len(self.pairs), 1))))
        for start in range(0, n_permutations, per_batch):
            numbers = range(start, min(start + per_batch, n_permutations))
            streams = [(np.uint64(random_stream(stream, number)),) for number in numbers]
            counts = self.workers.run(self._counts, streams)
            batch = np.array(counts).reshape(len(numbers), -1)
            arguments = (batch, self.observed, scales if scales is not None else moments[:0],
                         start, moments)  # fmt: skip
            parts = self.workers.run(
                _add, [(*arguments, *part) for part in self.workers.slices(len(self.pairs))]
            )
            maxima[numbers.start : numbers.stop] = np.max([np.zeros(len(numbers)), *parts], axis=0)
        return maxima

    def _counts(self, stream: np.uint64) -> Longs:
        if self.incidence is not None:
            dealt, rows = _trade(self.incidence, stream), self.rows
        else:
            motif = self.rows.motif.copy()
            _shuffle(motif, stream)
            rows = self.rows.with_motifs(motif)
            dealt = incidence_of(rows)
        counts = pair_counts(rows, dealt, ordered=self.ordered, unique=self.unique, threads=False)
        return counts.reshape(-1)[self.pairs]


def trade_motifs(incidence: Incidence, *, seed: int = 0) -> Incidence:
    """Deal motifs to sequences anew, keeping how many each sequence and each motif has."""
    return _trade(incidence, derived_seed(seed, "trades of motifs"))


def _trade(incidence: Incidence, stream: np.uint64) -> Incidence:
    members = incidence.sequence[incidence.motif_entries]
    _curveball(incidence.motif_bounds, members, TRADES, stream)
    motif, entries, sequence = _by_sequence(incidence.bounds, incidence.motif_bounds, members)
    return incidence._replace(motif=motif, motif_entries=entries, sequence=sequence)


@njit(cache=True, nogil=True)
def _shuffle(values: NDArray[Any], stream: np.uint64) -> None:
    """Shuffle in place (Fisher and Yates)."""
    state = np.uint64(stream)
    for last in range(len(values) - 1, 0, -1):
        state += _GAMMA
        # 32 random bits scaled to 0 .. last; no probability is off by more than 2**-32 times last.
        other = ((mix64(state) >> np.uint64(32)) * np.uint64(last + 1)) >> np.uint64(32)
        values[last], values[other] = values[other], values[last]


@njit(cache=True, nogil=True)
def _curveball(bounds: Longs, members: Ints, n_rounds: int, stream: np.uint64) -> None:
    """Let motifs trade the sequences that only one of two has, all of them in pairs, in rounds.

    Parameters
    ----------
    bounds
        (n_motifs + 1,) where the sequences of each motif begin.
    members
        The sequences of each motif in ascending order, changed in place.
    """
    n = len(bounds) - 1
    order = np.arange(n)
    widest = np.max(np.diff(bounds)) if n else 0
    one, other = np.empty(widest, np.int32), np.empty(widest, np.int32)
    for number in range(n_rounds):
        of_round = random_stream(stream, number)
        _shuffle(order, random_stream(of_round, 0))
        for pair in range(n // 2):
            a, b = order[2 * pair], order[2 * pair + 1]
            first, second = members[bounds[a] : bounds[a + 1]], members[bounds[b] : bounds[b + 1]]
            _trade_pair(first, second, one, other, random_stream(of_round, pair + 1))


@njit(cache=True, nogil=True)
def _trade_pair(first: Ints, second: Ints, one: Ints, other: Ints, stream: np.uint64) -> None:
    """Deal what only one of two ascending lists holds anew among them, all ways equally likely."""
    shared = _shared(first, second)
    left = len(first) - shared  # how many the first still gets
    rest = left + len(second) - shared
    if left == 0 or left == rest:
        return
    state = np.uint64(stream)
    i = j = n_one = n_other = 0
    while i < len(first) or j < len(second):
        here = j == len(second) or (i < len(first) and first[i] <= second[j])
        member = first[i] if here else second[j]
        if here and j < len(second) and first[i] == second[j]:
            one[n_one] = other[n_other] = member
            n_one, n_other, i, j = n_one + 1, n_other + 1, i + 1, j + 1
            continue
        i, j = i + here, j + (not here)
        state += _GAMMA
        if ((mix64(state) >> np.uint64(32)) * np.uint64(rest)) >> np.uint64(32) < np.uint64(left):
            one[n_one] = member
            n_one += 1
            left -= 1
        else:
            other[n_other] = member
            n_other += 1
        rest -= 1
    first[:] = one[:n_one]
    second[:] = other[:n_other]


@njit(cache=True, nogil=True)
def _shared(first: Ints, second: Ints) -> int:
    shared = i = j = 0
    while i < len(first) and j < len(second):
        a, b = first[i], second[j]
        shared += a == b
        i += a <= b
        j += b <= a
    return shared


@njit(cache=True, nogil=True)
def _by_sequence(bounds: Longs, motif_bounds: Longs, members: Ints) -> tuple[Ints, Longs, Ints]:
    """Give motif, entries by motif, and sequence of all entries, from the members of motifs."""
    motif, sequence = np.empty(len(members), np.int32), np.empty(len(members), np.int32)
    entries = np.empty(len(members), np.int64)
    place = bounds[:-1].copy()
    for a in range(len(motif_bounds) - 1):
        for m in range(motif_bounds[a], motif_bounds[a + 1]):
            s = members[m]
            motif[place[s]] = a
            sequence[place[s]] = s
            entries[m] = place[s]
            place[s] += 1
    return motif, entries, sequence


@njit(cache=True, nogil=True)
def _add(
    counts: Longs,
    observed: Longs,
    scales: Reals,
    before: int,
    moments: Reals,
    first: int,
    step: int,
) -> Reals:
    """Add permutations (n, n_pairs), after `before` others; give their maxima.

    Parameters
    ----------
    scales
        (2, n_pairs): centre and spread of each pair, or (0, n_pairs) for no maxima.
    moments
        (5, n_pairs): as `add_value` keeps them, and the numbers of counts of at least and of at
        most `observed`.
    """
    maxima = np.zeros(len(counts))
    for pair in range(first, len(observed), step):
        for p in range(len(counts)):
            count = counts[p, pair]
            add_value(moments[:, pair], before + p + 1, float(count))
            moments[3, pair] += count >= observed[pair]
            moments[4, pair] += count <= observed[pair]
            if len(scales):
                distance = abs(count - scales[0, pair]) / scales[1, pair]
                maxima[p] = max(maxima[p], distance)
    return maxima
