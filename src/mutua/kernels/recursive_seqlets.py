"""Spans of high attribution all of whose parts are high too: recursive seqlets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.errors import InvalidInput
from mutua.kernels.rows import over_rows
from mutua.kernels.span_null import SpanNull, bin_sums, least_sums
from mutua.kernels.threads import Workers

__all__ = ["Spans", "longest_run", "observed", "recursive_seqlets"]

_ROWS = 64  # sequences per part of a result


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


def observed(
    attribution: NDArray[np.floating],
    codes: NDArray[np.uint8],
    *,
    workers: Workers | None = None,
) -> NDArray[np.float64]:
    """Give the attribution of the letter that is there.

    It is -inf where the letter is unknown or padding, and NaN where it should not be infinite.

    Parameters
    ----------
    attribution
        (sequence, letter, position).
    codes
        (sequence, position).
    workers
        Threads to run on, as in the functions below: starting others takes half a millisecond.

    Returns
    -------
    float64 (sequence, position)

    Examples
    --------
    >>> observed(np.array([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), np.array([[0, 1, 254]], np.uint8))
    array([[  1.,   5., -inf]])
    """
    values = np.empty(codes.shape)
    row_cost = 1.0 * codes.shape[1]
    over_rows(_observe, len(codes), attribution, codes, values, row_cost=row_cost, workers=workers)
    return values


def recursive_seqlets(
    values: NDArray[np.floating],
    null: SpanNull,
    *,
    threshold: float = 0.01,
    min_length: int = 4,
    max_length: int = 25,
    flank: int = 0,
    workers: Workers | None = None,
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
    workers
        Threads to run on.

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
    >>> from mutua.kernels.span_null import bin_counts, span_null, value_range
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
    parts = over_rows(
        _find,
        -(-len(values) // _ROWS),
        values,
        *null,
        least_sums(null, threshold),
        min_length,
        min(max_length, values.shape[1]),
        flank,
        row_cost=2.0 * _ROWS * values.shape[1],
        workers=workers,
    )
    return Spans._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def longest_run(
    values: NDArray[np.floating],
    null: SpanNull,
    *,
    threshold: float = 0.01,
    length: int = 4,
    workers: Workers | None = None,
) -> int:
    """Give how many spans of one length pass the threshold that start one after the other.

    A longer span that `recursive_seqlets` finds is made of such spans, so that none is longer
    than this and ``length - 1`` together: its null need not go further.

    Parameters
    ----------
    values, null, threshold
        As for `recursive_seqlets`; `null` for spans of at least `length`.
    length
        ``min_length`` of the search.
    workers
        Threads to run on.

    Examples
    --------
    >>> from mutua.kernels.span_null import bin_counts, span_null
    >>> values = np.zeros((1, 99))
    >>> values[0, 40:47] = 1
    >>> null = span_null(bin_counts(values, 0, 1), 0, 1, max_length=4)
    >>> longest_run(values, null)
    6
    """
    if null.n_bins == 0 or values.shape[1] < length:
        return 0
    least = int(least_sums(null, threshold)[length])
    runs = over_rows(
        _longest_run,
        len(values),
        values,
        null.low,
        null.width,
        null.n_bins,
        least,
        length,
        row_cost=1.0 * values.shape[1],
        workers=workers,
    )
    return max(runs, default=0)


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
def _longest_run(
    start: int,
    stop: int,
    values: NDArray[np.floating],
    low: float,
    width: float,
    n_bins: int,
    least: int,
    span: int,
) -> int:
    sums = np.empty(values.shape[1] + 1, np.int64)
    longest = 0
    for row in range(start, stop):
        bin_sums(values[row], low, width, n_bins, sums)
        last = -2  # start of the span that passed last, and of the first of its run
        first = 0
        for at in range(len(sums) - span):
            if sums[at + span] - sums[at] >= least:
                if at > last + 1:
                    first = at
                last = at
                longest = max(longest, at - first + 1)
    return longest


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
    least: NDArray[np.int64],
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
    sums = np.empty(length + 1, np.int64)
    starts = np.empty((n_lengths, length), np.int64)  # of the spans that pass, by length
    worst = np.empty((n_lengths, length))  # largest p of the spans with that start so far
    n_starts = np.empty(n_lengths, np.int64)
    taken = np.empty(length, np.bool_)
    n = 0
    for row in range(first_row, last_row):
        bin_sums(values[row], low, width, n_bins, sums)
        _pass(sums, tails, offsets, least, min_length, starts, worst, n_starts)
        before = n
        taken[:] = False
        for place in range(n_lengths - 1, -1, -1):
            span = min_length + place
            count = n_starts[place]
            if count == 0:
                continue
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
                score[n] = tails[offsets[span] + sums[at + span] - sums[at]]
                n += 1
        if n == before:
            continue
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
    sums: NDArray[np.int64],
    tails: NDArray[np.float64],
    offsets: NDArray[np.int64],
    least: NDArray[np.int64],
    min_length: int,
    starts: NDArray[np.int64],
    worst: NDArray[np.float64],
    n_starts: NDArray[np.int64],
) -> None:
    """Fill in the spans of every length whose parts pass: both of its longest parts did."""
    n_starts[:] = 0
    count = 0
    for at in range(len(sums) - min_length):
        total = sums[at + min_length] - sums[at]
        if total >= least[min_length]:
            starts[0, count], worst[0, count] = at, tails[offsets[min_length] + total]
            count += 1
    n_starts[0] = count
    for place in range(1, len(n_starts)):
        span, count = min_length + place, 0
        for candidate in range(n_starts[place - 1] - 1):
            at = starts[place - 1, candidate]
            if starts[place - 1, candidate + 1] != at + 1:
                continue
            total = sums[at + span] - sums[at]
            if total >= least[span]:
                starts[place, count] = at
                worst[place, count] = max(tails[offsets[span] + total], worst[place - 1, candidate])
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
