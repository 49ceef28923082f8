"""Spans of sequences: their letters, and what values along the sequences come to in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.letters import PADDING
from mutua.kernels.rows import over_rows

__all__ = ["SpanValues", "cut_spans", "observed_values", "span_values"]

Floats = npt.NDArray[np.float64]


class SpanValues(NamedTuple):
    """Sum, mean and largest value of each span, float64 (span,)."""

    total: Floats
    mean: Floats
    largest: Floats


def cut_spans(
    codes: npt.NDArray[np.uint8],
    row: npt.NDArray[np.integer],
    start: npt.NDArray[np.integer],
    end: npt.NDArray[np.integer],
    out: npt.NDArray[np.uint8],
) -> None:
    """Write the letters of each span into its row of `out`, with padding behind them.

    Parameters
    ----------
    codes
        uint8 (row, position).
    row, start, end
        (span,) half-open spans within the rows.
    out
        uint8 (span, letter), as wide as the longest span or wider.
    """
    over_rows(_cut_spans, len(row), codes, row, start, end, out, row_cost=2 * out.shape[1])


@njit(cache=True, nogil=True)
def _cut_spans(
    first: int,
    stop: int,
    codes: npt.NDArray[np.uint8],
    row: npt.NDArray[np.integer],
    start: npt.NDArray[np.integer],
    end: npt.NDArray[np.integer],
    out: npt.NDArray[np.uint8],
) -> None:
    for span in range(first, stop):
        for place in range(out.shape[1]):
            inside = place < end[span] - start[span]
            out[span, place] = codes[row[span], start[span] + place] if inside else PADDING


def observed_values(
    values: npt.NDArray[np.float32], codes: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    """Give the values of the letters that are there, 0 where the letter is unknown.

    Parameters
    ----------
    values
        (sequence, letter, position).
    codes
        uint8 (sequence, position).
    """
    letters = np.minimum(codes, values.shape[1] - 1)[:, None]
    found = np.take_along_axis(values, letters, axis=1)[:, 0]
    return np.where(codes < values.shape[1], found, np.float32(0))


def span_values(
    values: npt.NDArray[np.floating],
    row: npt.NDArray[np.integer],
    start: npt.NDArray[np.integer],
    end: npt.NDArray[np.integer],
) -> SpanValues:
    """Give sum, mean and largest value of each span, added from its first to its last position.

    Parameters
    ----------
    values
        (row, position).
    row, start, end
        (span,) half-open spans of at least one position, within the rows.

    Examples
    --------
    >>> values = np.array([[1.0, 2, 3, -1]])
    >>> found = span_values(values, np.array([0]), np.array([1]), np.array([4]))
    >>> found.total, found.largest
    (array([4.]), array([3.]))
    """
    found = SpanValues(*(np.empty(len(row)) for _ in range(3)))
    over_rows(_span_values, len(row), values, row, start, end, *found, row_cost=20)
    return found


@njit(cache=True, nogil=True)
def _span_values(
    first: int,
    stop: int,
    values: npt.NDArray[np.floating],
    row: npt.NDArray[np.integer],
    start: npt.NDArray[np.integer],
    end: npt.NDArray[np.integer],
    total: Floats,
    mean: Floats,
    largest: Floats,
) -> None:
    for span in range(first, stop):
        summed, most = 0.0, -np.inf
        for position in range(start[span], end[span]):
            value = values[row[span], position]
            summed += value
            most = value if np.isnan(value) else max(most, value)
        total[span] = summed
        mean[span] = summed / (end[span] - start[span])
        largest[span] = most
