"""Which motifs a short sequence or a motif resembles: TOMTOM, by memelite.

memelite compares every query with every target at once. Here equal queries are compared once, in
blocks of bounded memory, and of each block only the nearest targets and a histogram of all
p-values are kept.

Method: Gupta et al. 2007, Genome Biology 8:R24 (TOMTOM); Schreiber 2025 (memelite).
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua._progress import counted
from mutua.errors import MemoryLimit
from mutua.kernels.motif_scan import numba_threads
from mutua.settings import available_threads, settings

__all__ = ["LEAST_TARGETS", "Nearest", "PHistogram", "nearest_motifs", "nearest_to_spans"]

LEAST_TARGETS = 25
"""With fewer the null, which is made of the targets, depends much on which they are."""
_FRACTION_BITS = 10
"""Bits of the fraction of a p-value that tell bins apart: bins are 0.1 % wide or less."""
_BLOCK = 4096
_SCORE_BINS, _CACHE = 100, 100
"""How finely scores are binned, and room for each bin of a span; both are memelite's defaults."""
_HASHED_LETTERS = 9
"""Up to so many letters memelite's codes of target columns fit into 64 bits."""

Floats = npt.NDArray[np.float64]
Run: TypeAlias = Callable[
    [Callable[..., Any], list[tuple[Any, ...]], tuple[Any, ...]], Iterable[Any]
]
"""Calls a function for each tuple of arguments, with others that all share; results in order."""


class Nearest(NamedTuple):
    """The nearest targets of each query, (query, rank), and a histogram of all p-values."""

    target: npt.NDArray[np.int32]
    p_value: Floats
    score: Floats
    offset: npt.NDArray[np.int32]
    overlap: npt.NDArray[np.int32]
    flipped: npt.NDArray[np.bool_]
    histogram: PHistogram


class PHistogram:
    """Counts of p-values by their size, from which q-values follow.

    A q-value (Benjamini-Hochberg) is the least of p * n / rank over all p-values that are as large
    or larger. Here ranks are known at the largest p-value of every bin only, which makes q too
    large by less than 0.1 %, and not at all where the p-values of a bin are equal.

    Examples
    --------
    >>> histogram = PHistogram()
    >>> histogram.add(np.array([0.01, 0.03, 0.04, 0.5]), np.array([1, 1, 1, 2]))
    >>> histogram.q_values(np.array([0.01, 0.03])).round(4)
    array([0.05  , 0.0667])
    """

    def __init__(self) -> None:
        n_bins = (1023 << _FRACTION_BITS) + 1  # up to the bits of 1.0
        self._counts = np.zeros(n_bins, np.int64)
        self._largest = np.zeros(n_bins)

    @property
    def n_tests(self) -> int:
        """Number of p-values."""
        return int(self._counts.sum())

    def add(self, p: Floats, times: npt.NDArray[np.int64]) -> None:
        """Count p-values (query, ...), those of each query so many times."""
        _count(p.reshape(len(p), -1), times, self._counts, self._largest)

    def add_all(self, other: PHistogram) -> None:
        """Count all that another one has counted."""
        self._counts += other._counts
        np.maximum(self._largest, other._largest, out=self._largest)

    def __getstate__(self) -> Any:
        """Give the bins in use, which are few."""
        used = np.flatnonzero(self._counts)
        return used, self._counts[used], self._largest[used]

    def __setstate__(self, state: Any) -> None:
        """Fill the bins in use."""
        PHistogram.__init__(self)
        used, self._counts[used], self._largest[used] = state[0], state[1], state[2]

    def q_values(self, p: Floats) -> Floats:
        """Give the q-values of p-values that were counted."""
        rank = np.cumsum(self._counts)
        used = np.flatnonzero(self._counts)
        scaled = self._largest[used] * rank[-1] / rank[used] if len(used) else np.zeros(0)
        least = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
        places = np.ascontiguousarray(p).view(np.int64) >> (52 - _FRACTION_BITS)
        return least[np.searchsorted(used, places)]


@njit(cache=True, nogil=True)
def _count(
    p: Floats, times: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], largest: Floats
) -> None:
    bits = p.view(np.int64)
    for query in range(p.shape[0]):
        for target in range(p.shape[1]):
            place = bits[query, target] >> (52 - _FRACTION_BITS)
            counts[place] += times[query]
            largest[place] = max(largest[place], p[query, target])


def nearest_motifs(
    queries: list[Floats], targets: list[Floats], *, n_nearest: int, both_strands: bool
) -> Nearest:
    """Give the targets with the smallest p-values for each query; of equal ones, the first.

    Parameters
    ----------
    queries
        (letter, column) probabilities, of at least 1 column.
    targets
        Of the same letters.
    n_nearest
        At most the number of targets.
    both_strands
        Also compare with the targets flipped in both axes: their letters must be in an order
        that complements when it is turned round, as ACGT.

    Returns
    -------
    Nearest
        `offset` counts the columns from the first of the query to the first of the target.

    Raises
    ------
    MemoryLimit
        For queries so long that the null does not fit into `settings.memory`.
    """
    lengths = np.array([query.shape[1] for query in queries], np.int64)
    order = np.argsort(lengths, kind="stable")
    histogram = PHistogram()
    parts = [
        _compared([queries[i] for i in order[block]], np.ones(len(order[block]), np.int64),
                  targets, n_nearest, both_strands, histogram)
        for block in _blocks(lengths, len(targets))
    ]  # fmt: skip
    back = np.argsort(order, kind="stable")
    found = [np.concatenate(column)[back] for column in zip(*parts, strict=True)]
    target, p, score, offset, overlap, flipped = found
    return Nearest(target, p, score, offset, overlap, flipped, histogram)


def nearest_to_spans(
    queries: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.int64],
    targets: list[Floats],
    *,
    n_nearest: int,
    both_strands: bool,
    run: Run | None = None,
) -> Nearest:
    """Give what `nearest_motifs` gives, for letters; equal spans are compared once.

    Parameters
    ----------
    queries
        uint8 (query, position), letters from the left; those that are no letter of the targets
        stand for any letter.
    lengths
        (query,) letters of each query, at least 1.
    targets
        (letter, column) probabilities.
    n_nearest
        At most the number of targets.
    both_strands
        Also compare with the targets flipped in both axes: their letters must be in an order
        that complements when it is turned round, as ACGT.
    run
        What compares blocks of spans elsewhere; by default they are compared here.

    Returns
    -------
    Nearest
        `offset` counts the letters from the first of the query to the first of the target.

    Raises
    ------
    MemoryLimit
        For queries so long that the null does not fit into `settings.memory`.
    """
    keys = np.where(np.arange(queries.shape[1]) < lengths[:, None], queries, np.uint8(255))
    keys = np.column_stack([lengths.astype(">u4").view(np.uint8).reshape(-1, 4), keys])
    rows = np.ascontiguousarray(keys).view(f"V{keys.shape[1]}")[:, 0]
    # Sorted by length first, so that few blocks need the room of long queries.
    _, first, inverse, times = np.unique(
        rows, return_index=True, return_inverse=True, return_counts=True
    )
    histogram = PHistogram()
    shared: tuple[Any, ...] = (targets, n_nearest, both_strands)
    blocks: list[tuple[Any, ...]] = [
        (queries[first[block]], lengths[first[block]], times[block])
        for block in _blocks(lengths[first], len(targets))
    ]
    if run is None:
        parts = [
            _compared_letters(*block, *shared, histogram=histogram)
            for block in counted(blocks, len(blocks), "annotate", "block")
        ]
    else:
        parts = []
        for part, own in run(_compared_elsewhere, blocks, shared):
            parts.append(part)
            histogram.add_all(own)
    found = [np.concatenate(column)[inverse.ravel()] for column in zip(*parts, strict=True)]
    target, p, score, offset, overlap, flipped = found
    return Nearest(target, p, score, offset, overlap, flipped, histogram)


def _compared_elsewhere(*block: Any) -> tuple[tuple[npt.NDArray, ...], PHistogram]:
    """Compare one block of spans, with a histogram of its own."""
    histogram = PHistogram()
    return _compared_letters(*block, histogram=histogram), histogram


def _compared_letters(
    queries: npt.NDArray[np.uint8],
    lengths: npt.NDArray[np.int64],
    times: npt.NDArray[np.int64],
    targets: list[Floats],
    n_nearest: int,
    both_strands: bool,
    *,
    histogram: PHistogram,
) -> tuple[npt.NDArray, ...]:
    """Compare one block of different spans with all targets, and count the p-values."""
    n_letters = len(targets[0])
    # A letter that is unknown is any letter; a column of zeros would be no distribution.
    columns = np.vstack([np.eye(n_letters), np.full(n_letters, 1 / n_letters)]).T
    spans = [
        columns[:, np.minimum(query[:length], n_letters)]
        for query, length in zip(queries, lengths, strict=True)
    ]
    return _compared(spans, times, targets, n_nearest, both_strands, histogram)


def _blocks(lengths: npt.NDArray[np.int64], n_targets: int) -> Iterator[slice]:
    """Yield blocks of queries in ascending order of length that fit into memory."""
    step = int(np.clip(settings.memory // (4 * 5 * 8 * n_targets), 16, _BLOCK))
    for first in range(0, len(lengths), step):
        yield slice(first, first + step)


def _threads(longest: int) -> int:
    """Give the number of threads whose tables of spans fit into memory."""
    room = 2 * 8 * longest**3 * (_SCORE_BINS + _CACHE)
    if room > settings.memory:
        fitting = int((settings.memory / (2 * 8 * (_SCORE_BINS + _CACHE))) ** (1 / 3))
        raise MemoryLimit(
            "annotations",
            f"a span of {longest} letters, whose null takes {room / 2**20:.0f} MiB",
            f"use spans of at most {fitting} letters, or raise settings.memory",
        )
    return int(max(1, min(available_threads(), settings.memory // room)))


def _compared(
    spans: list[Floats],
    times: npt.NDArray[np.int64],
    targets: list[Floats],
    n_nearest: int,
    both_strands: bool,
    histogram: PHistogram,
) -> tuple[npt.NDArray, ...]:
    """Compare one block of different queries with all targets, and count the p-values."""
    tomtom = importlib.import_module("memelite").tomtom  # not needed before, and slow to import
    longest = max(span.shape[1] for span in spans)
    with warnings.catch_warnings(), numba_threads(n_threads=_threads(longest)):
        warnings.filterwarnings("ignore", message="tomtom was given", category=UserWarning)
        results = tomtom(
            spans,
            targets,
            n_score_bins=_SCORE_BINS,
            n_cache=_CACHE,
            n_target_bins=100 if len(targets[0]) <= _HASHED_LETTERS else None,
            reverse_complement=both_strands,
        )
    # The histogram asks for numbers from 0 to 1; a p-value that is none says nothing.
    p = np.fmax(np.fmin(results[0], 1.0), 0.0)
    histogram.add(p, times.astype(np.int64))
    nearest = _smallest(p, n_nearest)
    taken = [np.take_along_axis(part, nearest, axis=1) for part in (p, *results[1:])]
    return (
        nearest.astype(np.int32),
        taken[0],
        taken[1],
        -taken[2].astype(np.int32),
        taken[3].astype(np.int32),
        taken[4] == 1,
    )


@njit(cache=True, nogil=True)
def _smallest(values: Floats, n: int) -> npt.NDArray[np.int64]:
    """Give the places of the n smallest values of each row, in order; of equal ones, the first."""
    found = np.empty((values.shape[0], n), np.int64)
    for row in range(values.shape[0]):
        count = 0
        for place in range(values.shape[1]):
            value = values[row, place]
            if count == n and value >= values[row, found[row, n - 1]]:
                continue
            count = min(count + 1, n)
            rank = count - 1
            while rank > 0 and value < values[row, found[row, rank - 1]]:
                found[row, rank] = found[row, rank - 1]
                rank -= 1
            found[row, rank] = place
    return found
