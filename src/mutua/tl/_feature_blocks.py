"""Estimates for a table that is read in blocks of features, here or on a cluster."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mutua.kernels.row_permutations import RowNull
from mutua.tl._feature_conditions import Conditions, Options
from mutua.tl._feature_estimates import Estimates, check_tables
from mutua.tl._feature_tables import AnyTable, ChunkedTable, FeatureTable

__all__ = ["ChunkedEstimates", "estimates_of"]


class _Shared(NamedTuple):
    """What every block needs beside its columns of x."""

    y: FeatureTable
    conditions: Conditions
    options: Options
    maxima: bool


class _First(NamedTuple):
    """What is found of a block in the first pass."""

    observed: np.ndarray
    lowest: np.ndarray
    untestable: np.ndarray
    pilot: RowNull | None


class ChunkedEstimates(Estimates):
    """Estimates as `Estimates` gives them, bit by bit, made from one block of x at a time.

    A pair of columns is estimated from these two alone, and permutations are the same for all
    blocks. What goes over all pairs is merged: the spread that scales lean on, and the maxima.

    Parameters
    ----------
    x
        Columns without missing values.
    y, conditions, options
        As those of `Estimates`.
    maxima
        Whether maxima will be asked for, that is, the null without stopping.
    """

    def __init__(
        self,
        x: ChunkedTable,
        y: FeatureTable,
        conditions: Conditions,
        options: Options,
        *,
        maxima: bool,
    ) -> None:
        check_tables(x, y, conditions, options)
        self._table = x
        self._shared = _Shared(y, conditions, options, maxima and conditions.n_permutations > 0)
        self.names = [*x.names, *y.names]
        self.without_estimate = np.concatenate([x.facts.useless, y.facts.useless])
        drawn = np.cumsum(np.append(0, ~x.facts.useless & ~x.classes))
        self._places = [(int(drawn[first]), int(drawn[-1])) for first, _ in x.ranges]
        found: list[_First] = list(
            x.blocks(_first, self._shared, each=((place,) for place in self._places))
        )
        self.observed = np.concatenate([part.observed for part in found])
        self.lowest = np.concatenate([part.lowest for part in found])
        ends = [len(part.untestable) - len(y.names) for part in found]
        of_x = [part.untestable[:end] for part, end in zip(found, ends, strict=True)]
        self._untestable = np.concatenate([*of_x, found[0].untestable[ends[0] :]])
        self._pilot = [part.pilot for part in found if part.pilot is not None]

    @property
    def untestable(self) -> np.ndarray:
        """Tell which columns, of x and then y, no permutation changes: the same in every group."""
        return self._untestable

    def pilot(self) -> RowNull:
        """Give what the permutations beside the others are like."""
        return _merged(self._pilot)

    def moments(self, *, stop: int | None, scales: np.ndarray | None) -> RowNull:
        """Give what the permutations are like; the maxima are in units of `scales`."""
        ranges = self._table.ranges
        own = (
            (place, None if scales is None else scales[:, first:last])
            for place, (first, last) in zip(self._places, ranges, strict=True)
        )
        return _merged(list(self._table.blocks(_moments, self._shared, stop, each=own)))


def _first(block: FeatureTable, place: tuple[int, int], shared: _Shared) -> _First:
    estimates = Estimates(block, shared.y, shared.conditions, shared.options, place=place)
    pilot = estimates.pilot() if shared.maxima else None
    return _First(estimates.observed, estimates.lowest, estimates.untestable, pilot)


def _moments(
    block: FeatureTable,
    place: tuple[int, int],
    scales: np.ndarray | None,
    shared: _Shared,
    stop: int | None,
) -> RowNull:
    estimates = Estimates(block, shared.y, shared.conditions, shared.options, place=place)
    return estimates.moments(stop=stop, scales=scales)


def _merged(parts: list[RowNull]) -> RowNull:
    """Give the null of all features, with the largest estimate of any in every permutation."""
    *by_pair, maxima = zip(*parts, strict=True)
    exceeding, counts, *moments = (np.concatenate(values) for values in by_pair)
    mean, variance, skewness = moments
    largest = None if maxima[0] is None else np.max(maxima, axis=0)
    return RowNull(exceeding, counts, mean, variance, skewness, largest)


def estimates_of(
    x: AnyTable,
    y: FeatureTable,
    conditions: Conditions,
    options: Options,
    *,
    maxima: bool,
) -> Estimates:
    """Give the estimates of a table in memory, or of one that is read in blocks."""
    if isinstance(x, ChunkedTable):
        return ChunkedEstimates(x, y, conditions, options, maxima=maxima)
    return Estimates(x, y, conditions, options)
