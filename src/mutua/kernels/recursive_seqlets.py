"""Spans of high attribution all of whose parts are high too: recursive seqlets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.errors import InvalidInput
from mutua.kernels.rows import over_rows
from mutua.kernels.threads import Workers

__all__ = [
    "SpanNull",
    "Spans",
    "bin_counts",
    "observed",
    "recursive_seqlets",
    "span_null",
    "value_range",
]

_TILE = 1024  # sums computed at a time: they and what they are made of stay in a fast cache
_ROWS = 64  # sequences per part of a result


class SpanNull(NamedTuple):
    """How large the sum of a span gets where attributions are independent of each other.

    Attributes
    ----------
    low, width
        float64; attribution x falls into bin ``floor((x - low) / width)``.
    n_bins
        Number of bins.
    tails
        float64, for every length in turn the chance that the bins of a span sum to 0, 1, ... or
        more.
    offsets
        int64 (max_length + 2,): the chances of length l are ``tails[offsets[l]:offsets[l + 1]]``.
    """

    low: float
    width: float
    n_bins: int
    tails: NDArray[np.float64]
    offsets: NDArray[np.int64]


class Spans(NamedTuple):
    """Spans, sorted by sequence and start.

    Attributes
    ----------
    sequence
        int64, row of the sequence.
    start, end
        int64, 0-based half-open.
    attribution
        float64, sum of the attributions within.
    score
        float64, the smaller, the more extreme; what it is depends on the caller that found them.
    """

    sequence: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    attribution: NDArray[np.float64]
    score: NDArray[np.float64]


def value_range(values: NDArray[np.floating]) -> tuple[float, float]:
    """Give the least and the largest of the values that are not -inf; NaN and NaN for none."""
    if not values.size:
        return np.nan, np.nan
    low, high = float(values.min()), float(values.max())
    if low == -np.inf:
        low = float(np.min(values, where=values > -np.inf, initial=np.inf))
    return (low, high) if low <= high else (np.nan, np.nan)


def observed(attribution: NDArray[np.floating], codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Give the attribution of the letter that is there.

    It is -inf where the letter is unknown or padding, and NaN where it should not be infinite.

    Parameters
    ----------
    attribution
        (sequence, letter, position).
    codes
        (sequence, position).

    Returns
    -------
    float64 (sequence, position)

    Examples
    --------
    >>> observed(np.array([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), np.array([[0, 1, 254]], np.uint8))
    array([[  1.,   5., -inf]])
    """
    values = np.empty(codes.shape)
    over_rows(_observe, len(codes), attribution, codes, values, row_cost=1.0 * codes.shape[1])
    return values


def bin_counts(
    values: NDArray[np.floating], low: float, high: float, *, n_bins: int = 1000
) -> NDArray[np.int64]:
    """Count values in bins of equal width, the first beginning at `low`, the last at `high`.

    Parameters
    ----------
    values
        (sequence, position); -inf, for no letter, is left out.
    low, high
        Range of the values.
    n_bins
        Number of bins.

    Returns
    -------
    int64 (n_bins,)
        To be added up over blocks of sequences.
    """
    width = _width(low, high, n_bins)
    parts = over_rows(_count, len(values), values, low, width, n_bins, row_cost=values.shape[1])
    return np.sum(parts, axis=0, dtype=np.int64) if parts else np.zeros(n_bins, np.int64)


def span_null(
    counts: NDArray[np.int64], low: float, high: float, *, max_length: int = 25
) -> SpanNull:
    """Give the distribution of the sums of spans of independent attributions.

    The sum of a span of l attributions has the l-fold convolution of their histogram. Its upper
    tails are summed from the top, which keeps the smallest of them exact to rounding.

    Parameters
    ----------
    counts, low, high
        Histogram of the attributions, as `bin_counts` gives it.
    max_length
        Longest span.

    Returns
    -------
    SpanNull
        Without bins where all values are alike or there are none.

    Examples
    --------
    >>> null = span_null(np.array([3, 1]), 0.0, 1.0, max_length=2)
    >>> null.tails[null.offsets[2] : null.offsets[3]]
    array([1.    , 0.4375, 0.0625])
    """
    n_bins, total = len(counts), counts.sum()
    if total == 0 or low == high:
        return SpanNull(0.0, 1.0, 0, np.zeros(0), np.zeros(max_length + 2, np.int64))
    chance = counts / total
    filled = np.flatnonzero(counts)
    lengths = np.arange(max_length + 1, dtype=np.int64)
    sizes = np.where(lengths > 0, lengths * (n_bins - 1) + 1, 0)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    tails = np.empty(offsets[-1])
    current = chance
    with Workers() as workers:
        for length in range(1, max_length + 1):
            if length > 1:
                summed = np.zeros(sizes[length])
                n_tiles = -(-len(summed) // _TILE)
                step = -(-n_tiles // (2 * workers.n_threads))
                padded = np.pad(current, n_bins)
                ranges = [(first, min(first + step, n_tiles)) for first in range(0, n_tiles, step)]
                workers.run(_convolve, [(*part, padded, chance, filled, summed) for part in ranges])
                current = summed
            tails[offsets[length] : offsets[length + 1]] = np.cumsum(current[::-1])[::-1]
    return SpanNull(low, _width(low, high, n_bins), n_bins, tails, offsets)


def _width(low: float, high: float, n_bins: int) -> float:
    return (high - low) / (n_bins - 1) if high > low else 1.0


def recursive_seqlets(
    values: NDArray[np.floating],
    null: SpanNull,
    *,
    threshold: float = 0.01,
    min_length: int = 4,
    max_length: int = 25,
    flank: int = 0,
) -> Spans:
    """Find the spans that are unlikely, as are all spans of at least `min_length` within them.

    With p of a span the chance that independent attributions sum to as much (`span_null`), a span
    is found if p < `threshold` for it and all its parts of at least `min_length`. Of spans that
    overlap the longest is kept, of equally long ones the most extreme. This is the recursive
    seqlet caller of tangermeme 1.6, and finds the same spans.

    Parameters
    ----------
    values
        (sequence, position), attribution of the letter that is there; -inf where there is none,
        which no span and no flank reaches.
    null
        Of these or of other values, for spans of at least `max_length`.
    threshold
        Largest p of a span and its parts, above 0 and at most 1.
    min_length, max_length
        Shortest and longest span.
    flank
        Letters added on both sides, as far as the sequence goes; flanks may overlap other spans.

    Returns
    -------
    Spans
        `attribution` is the sum with flanks, `score` the p of the span without. As the null
        takes the attributions themselves as independent draws, it ranks spans; it is no p-value.

    References
    ----------
    Schreiber 2025, tangermeme: a toolkit for understanding cis-regulatory logic using deep
    learning models, bioRxiv.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(0, 0.1, (20, 100))
    >>> values[3, 40:48] += 1
    >>> low, high = value_range(values)
    >>> null = span_null(bin_counts(values, low, high), low, high)
    >>> spans = recursive_seqlets(values, null, threshold=1e-7)
    >>> [int(spans.sequence[0]), int(spans.start[0]), int(spans.end[0])]
    [3, 40, 48]
    """
    if not 0 < threshold <= 1:
        raise InvalidInput("threshold", f"{threshold!r}", "use a number above 0 and at most 1")
    if not 1 <= min_length <= max_length:
        found = f"{min_length} with max_length={max_length}"
        raise InvalidInput("min_length", found, "use at least 1 and at most max_length")
    if null.n_bins == 0 or values.shape[1] < min_length:
        nothing = np.zeros(0, np.int64)
        return Spans(nothing, nothing, nothing, np.zeros(0), np.zeros(0))
    longest = min(max_length, values.shape[1])
    parts = over_rows(
        _find,
        -(-len(values) // _ROWS),
        values,
        *null,
        threshold,
        min_length,
        longest,
        flank,
        row_cost=3.0 * _ROWS * values.shape[1],
    )
    return Spans._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


@njit(cache=True, nogil=True)
def _observe(
    start: int,
    stop: int,
    attribution: NDArray[np.floating],
    codes: NDArray[np.uint8],
    values: NDArray[np.float64],
) -> None:
    for row in range(start, stop):
        for position in range(codes.shape[1]):
            value, letter = -np.inf, codes[row, position]
            if letter < attribution.shape[1]:
                value = np.float64(attribution[row, letter, position])
                if not np.isfinite(value):
                    value = np.nan
            values[row, position] = value


@njit(cache=True, nogil=True)
def _count(
    start: int, stop: int, values: NDArray[np.floating], low: float, width: float, n_bins: int
) -> NDArray[np.int64]:
    counts = np.zeros(n_bins, np.int64)
    for row in range(start, stop):
        for position in range(values.shape[1]):
            if values[row, position] > -np.inf:
                counts[_bin(values[row, position], low, width, n_bins)] += 1
    return counts


@njit(cache=True, nogil=True, inline="always")
def _bin(value: float, low: float, width: float, n_bins: int) -> int:
    """Give the bin of an attribution; those outside the range of the null go to its ends."""
    place = (np.float64(value) - low) / width
    return int(min(max(place, 0.0), n_bins - 1.0))


@njit(cache=True, nogil=True)
def _convolve(
    start: int,
    stop: int,
    padded: NDArray[np.float64],
    chance: NDArray[np.float64],
    filled: NDArray[np.int64],
    summed: NDArray[np.float64],
) -> None:
    """Add up tiles start to stop of the convolution, always in the order of the bins.

    Parameters
    ----------
    padded
        What is convolved with `chance`, with as many zeros before and after as there are bins.
    filled
        Bins in which there is something.
    """
    n_bins = len(chance)
    for tile in range(start, stop):
        first = tile * _TILE
        last = min(first + _TILE, len(summed))
        out = summed[first:last]
        n, at = len(out), first + n_bins
        n_padded = len(padded) - 2 * n_bins
        bins = filled[np.searchsorted(filled, first - n_padded + 1) : np.searchsorted(filled, last)]
        eights = len(bins) - len(bins) % 8
        # Eight bins at a time: what has been summed is read and written an eighth as often.
        for b in range(0, eights, 8):
            b0, b1, b2, b3 = bins[b], bins[b + 1], bins[b + 2], bins[b + 3]
            b4, b5, b6, b7 = bins[b + 4], bins[b + 5], bins[b + 6], bins[b + 7]
            w0, w1, w2, w3 = chance[b0], chance[b1], chance[b2], chance[b3]
            w4, w5, w6, w7 = chance[b4], chance[b5], chance[b6], chance[b7]
            p0, p1 = padded[at - b0 : at - b0 + n], padded[at - b1 : at - b1 + n]
            p2, p3 = padded[at - b2 : at - b2 + n], padded[at - b3 : at - b3 + n]
            p4, p5 = padded[at - b4 : at - b4 + n], padded[at - b5 : at - b5 + n]
            p6, p7 = padded[at - b6 : at - b6 + n], padded[at - b7 : at - b7 + n]
            for s in range(n):
                total = out[s]
                total += w0 * p0[s]
                total += w1 * p1[s]
                total += w2 * p2[s]
                total += w3 * p3[s]
                total += w4 * p4[s]
                total += w5 * p5[s]
                total += w6 * p6[s]
                total += w7 * p7[s]
                out[s] = total
        for b in bins[eights:]:
            part = padded[at - b : at - b + n]
            for s in range(n):
                out[s] += chance[b] * part[s]


@njit(cache=True, nogil=True)
def _find(
    start: int,
    stop: int,
    values: NDArray[np.floating],
    low: float,
    width: float,
    n_bins: int,
    tails: NDArray[np.float64],
    offsets: NDArray[np.int64],
    threshold: float,
    min_length: int,
    max_length: int,
    flank: int,
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.float64],
]:
    """Find the spans in parts start to stop of `_ROWS` sequences each."""
    length = values.shape[1]
    first_row, last_row = start * _ROWS, min(stop * _ROWS, len(values))
    most = (last_row - first_row) * (length // min_length)
    sequence, begin, end = (
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
    )
    attribution, score = np.empty(most), np.empty(most)
    n_lengths = max_length - min_length + 1
    bins = np.empty(length + 1, np.int64)
    starts = np.empty((n_lengths, length), np.int64)  # of the spans that pass, by length
    worst = np.empty((n_lengths, length))  # largest p of the spans with that start so far
    n_starts = np.empty(n_lengths, np.int64)
    taken = np.empty(length, np.bool_)
    n = 0
    for row in range(first_row, last_row):
        bins[0] = 0
        for position in range(length):
            bins[position + 1] = bins[position] + _bin(values[row, position], low, width, n_bins)
        _pass(bins, tails, offsets, threshold, min_length, starts, worst, n_starts)
        before = n
        taken[:] = False
        for place in range(n_lengths - 1, -1, -1):
            span = min_length + place
            count = n_starts[place]
            for candidate in np.argsort(worst[place, :count], kind="mergesort"):
                at = starts[place, candidate]
                if taken[at : at + span].any():
                    continue
                if not np.isfinite(values[row, at : at + span].min()):
                    continue
                taken[at : at + span] = True
                first, last = at, at + span
                while first > max(at - flank, 0) and values[row, first - 1] > -np.inf:
                    first -= 1
                while last < min(at + span + flank, length) and values[row, last] > -np.inf:
                    last += 1
                sequence[n], begin[n], end[n] = row, first, last
                score[n] = tails[offsets[span] + bins[at + span] - bins[at]]
                n += 1
        found = slice(before, n)
        _order_and_sum(values[row], begin[found], end[found], score[found], attribution[found])
    return (
        sequence[:n].copy(),
        begin[:n].copy(),
        end[:n].copy(),
        attribution[:n].copy(),
        score[:n].copy(),
    )


@njit(cache=True, nogil=True)
def _pass(
    bins: NDArray[np.int64],
    tails: NDArray[np.float64],
    offsets: NDArray[np.int64],
    threshold: float,
    min_length: int,
    starts: NDArray[np.int64],
    worst: NDArray[np.float64],
    n_starts: NDArray[np.int64],
) -> None:
    """Fill in the spans of every length whose parts pass: both of its longest parts did."""
    n_starts[:] = 0
    length = len(bins) - 1
    shortest = tails[offsets[min_length] : offsets[min_length + 1]]
    for at in range(length - min_length + 1):
        p = shortest[bins[at + min_length] - bins[at]]
        if p < threshold:
            starts[0, n_starts[0]], worst[0, n_starts[0]] = at, p
            n_starts[0] += 1
    for place in range(1, len(n_starts)):
        span, count = min_length + place, 0
        for candidate in range(n_starts[place - 1] - 1):
            at = starts[place - 1, candidate]
            if starts[place - 1, candidate + 1] != at + 1:
                continue
            p = tails[offsets[span] + bins[at + span] - bins[at]]
            if p < threshold:
                starts[place, count] = at
                worst[place, count] = max(p, worst[place - 1, candidate])
                count += 1
        n_starts[place] = count
        if count == 0:
            return


@njit(cache=True, nogil=True)
def _order_and_sum(
    values: NDArray[np.floating],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    score: NDArray[np.float64],
    attribution: NDArray[np.float64],
) -> None:
    """Put the spans of one sequence into the order of their starts and sum what is in them."""
    order = np.argsort(begin, kind="mergesort")
    begin[:], end[:], score[:] = begin[order], end[order], score[order]
    for span in range(len(begin)):
        total = 0.0
        for position in range(begin[span], end[span]):
            total += values[position]
        attribution[span] = total
