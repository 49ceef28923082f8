"""How large the sums of spans get where attributions are independent of each other."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.rows import over_rows
from mutua.kernels.threads import Workers

__all__ = ["SpanNull", "bin_counts", "bin_sums", "least_sums", "span_null", "value_range"]

_TILE = 1024  # sums computed at a time: they and what they are made of stay in a fast cache


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

    @property
    def max_length(self) -> int:
        """Length of the longest spans that it is for."""
        return len(self.offsets) - 2


def value_range(values: NDArray[np.floating]) -> tuple[float, float]:
    """Give the least and the largest of the values that are not -inf; NaN and NaN for none."""
    if not values.size:
        return np.nan, np.nan
    low, high = float(values.min()), float(values.max())
    if low == -np.inf:
        low = float(np.min(values, where=values > -np.inf, initial=np.inf))
    return (low, high) if low <= high else (np.nan, np.nan)


def bin_counts(
    values: NDArray[np.floating],
    low: float,
    high: float,
    *,
    n_bins: int = 1000,
    workers: Workers | None = None,
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
    workers
        Threads to run on.

    Returns
    -------
    int64 (n_bins,)
        To be added up over blocks of sequences.
    """
    width = _width(low, high, n_bins)
    row_cost = 1.0 * values.shape[1]
    parts = over_rows(
        _count, len(values), values, low, width, n_bins, row_cost=row_cost, workers=workers
    )
    return np.sum(parts, axis=0, dtype=np.int64) if parts else np.zeros(n_bins, np.int64)


def span_null(
    counts: NDArray[np.int64],
    low: float,
    high: float,
    *,
    max_length: int = 25,
    workers: Workers | None = None,
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
    workers
        Threads to run on.

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
    # With as many zeros before and after as there are bins, nothing has to be left out of a sum.
    current = np.pad(chance, n_bins)
    with contextlib.nullcontext(workers) if workers is not None else Workers() as pool:
        tails[: sizes[1]] = np.cumsum(chance[::-1])[::-1]
        for length in range(2, max_length + 1):
            following = np.zeros(sizes[length] + 2 * n_bins)
            n_tiles = -(-sizes[length] // _TILE)
            step = -(-n_tiles // (2 * pool.n_threads))
            ranges = [(first, min(first + step, n_tiles)) for first in range(0, n_tiles, step)]
            pool.run(_convolve, [(*part, current, chance, filled, following) for part in ranges])
            current = following
            sums = current[n_bins:-n_bins]
            tails[offsets[length] : offsets[length + 1]] = np.cumsum(sums[::-1])[::-1]
    return SpanNull(low, _width(low, high, n_bins), n_bins, tails, offsets)


def _width(low: float, high: float, n_bins: int) -> float:
    return (high - low) / (n_bins - 1) if high > low else 1.0


def least_sums(null: SpanNull, threshold: float) -> NDArray[np.int64]:
    """Give for every length the least sum of bins whose chance is below the threshold."""
    least = np.zeros(len(null.offsets) - 1, np.int64)
    for length in range(1, len(least)):
        tails = null.tails[null.offsets[length] : null.offsets[length + 1]]
        least[length] = len(tails) - np.searchsorted(tails[::-1], threshold)
    return least


@njit(cache=True, nogil=True)
def _count(
    start: int, stop: int, values: NDArray[np.floating], low: float, width: float, n_bins: int
) -> NDArray[np.int64]:
    counts = np.zeros(n_bins, np.int64)
    bins = np.empty(values.shape[1], np.int64)
    for row in range(start, stop):
        _bins(values[row], low, width, n_bins, bins)
        for position in range(values.shape[1]):
            if values[row, position] > -np.inf:
                counts[bins[position]] += 1
    return counts


@njit(cache=True, nogil=True)
def bin_sums(
    values: NDArray[np.floating], low: float, width: float, n_bins: int, sums: NDArray[np.int64]
) -> None:
    """Give the sums of the bins before each position, and of all."""
    sums[0] = 0
    _bins(values, low, width, n_bins, sums[1:])
    for position in range(len(values)):
        sums[position + 1] += sums[position]


@njit(cache=True, nogil=True)
def _bins(
    values: NDArray[np.floating], low: float, width: float, n_bins: int, bins: NDArray[np.int64]
) -> None:
    """Give the bins of attributions; those outside the range of the null go to its ends."""
    for position in range(len(values)):  # by itself, so that it is done for several at a time
        place = (np.float64(values[position]) - low) / width
        bins[position] = int(min(max(place, 0.0), n_bins - 1.0))


@njit(cache=True, nogil=True)
def _convolve(
    start: int,
    stop: int,
    padded: NDArray[np.float64],
    chance: NDArray[np.float64],
    filled: NDArray[np.int64],
    out_padded: NDArray[np.float64],
) -> None:
    """Add up tiles start to stop of the convolution, always in the order of the bins.

    Parameters
    ----------
    padded
        What is convolved with `chance`, with as many zeros before and after as there are bins.
    filled
        Bins in which there is something.
    out_padded
        Zeros, with as many more before and after as there are bins.
    """
    n_bins = len(chance)
    summed = out_padded[n_bins : len(out_padded) - n_bins]
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
