"""Estimates of mutual information for tables of several kinds of columns, and their null."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata

from mutua.errors import InvalidInput
from mutua.kernels.conditional_mi import ConditionalNeighbours, within_strata
from mutua.kernels.copula_mi import NormalScores, normal_scores
from mutua.kernels.discrete_mi import ClassDistances, ClassTables
from mutua.kernels.knn_mi import knn_mi, knn_null, standardized
from mutua.kernels.row_permutations import (
    RowNull,
    RowStatistic,
    row_null,
    row_statistic,
)
from mutua.kernels.threads import Workers
from mutua.tl._feature_conditions import Conditions, Options, combined
from mutua.tl._feature_tables import AnyTable, FeatureTable, listed

__all__ = ["Estimates", "Null", "check_tables"]

_PER_BIN = 5
_PILOT = 64
"""Permutations beside the others that give the centre and spread of every pair."""
_LEANING = 4
"""What the mean variance of all pairs counts, in permutations."""


class _Part(NamedTuple):
    """The pairs that one estimator takes: columns of x, columns of y, and how."""

    rows: np.ndarray
    columns: np.ndarray
    statistic: RowStatistic | None
    numbers: tuple[np.ndarray, np.ndarray] | None
    lowest: float


class Null(NamedTuple):
    """What permutations gave for every pair; as `mutua.kernels.row_permutations.RowNull`.

    The maxima are of standardized estimates, as those that were observed are in `standardized`.
    """

    n_exceeding: np.ndarray
    n_permutations: np.ndarray
    mean: np.ndarray
    variance: np.ndarray
    skewness: np.ndarray
    maxima: np.ndarray | None
    standardized: np.ndarray | None


class Estimates:
    """The estimates of every pair of columns and what permutations make of them.

    Attributes
    ----------
    observed
        (F, L) float64, not clipped; NaN where there is no estimate.
    lowest
        (F, L) float64, what the estimate cannot be below.
    without_estimate
        bool over the columns of x and then y: constant, or classes of one sample each.

    Parameters
    ----------
    x, y
        Columns without missing values.
    conditions, options
        What is given, and how to estimate.
    place
        Where x is some of the columns of a larger table: the first of its columns of numbers that
        vary, and how many that table has.
    """

    def __init__(
        self,
        x: FeatureTable,
        y: FeatureTable,
        conditions: Conditions,
        options: Options,
        *,
        place: tuple[int, int] | None = None,
    ) -> None:
        self._x, self._y, self._conditions, self._options = x, y, conditions, options
        self._place = place
        check_tables(x, y, conditions, options)
        useless = [table.facts.useless for table in (x, y)]
        self.names = [*x.names, *y.names]
        self.without_estimate = np.concatenate(useless)
        shape = (len(x.names), len(y.names))
        self.observed, self.lowest = np.full(shape, np.nan), np.full(shape, -np.inf)
        self._parts = list(self._plan(~useless[0], ~useless[1]))
        with Workers() as workers:
            for part in self._parts:
                where = np.ix_(part.rows, part.columns)
                self.observed[where] = self._observe(part, workers)
                self.lowest[where] = part.lowest

    def _observe(self, part: _Part, workers: Workers) -> np.ndarray:
        if part.numbers is not None:
            options = self._options
            return knn_mi(*part.numbers, n_neighbors=options.n_neighbors, device=options.device)
        assert part.statistic is not None
        return row_statistic(part.statistic, len(self._x.samples), workers)

    @property
    def untestable(self) -> np.ndarray:
        """Tell which columns, of x and then y, no permutation changes: the same in every group."""
        conditions = self._conditions
        same = np.zeros(len(self.names), bool)
        if not conditions.n_permutations or conditions.whole or conditions.groups.max() == 0:
            return same
        order = np.argsort(conditions.groups, kind="stable")
        within = np.diff(conditions.groups[order]) == 0
        varied = [
            (np.diff(table.values[order], axis=0)[within] != 0).any(axis=0)
            for table in (self._x, self._y)
        ]
        return np.asarray(~np.concatenate(varied) & ~self.without_estimate)

    @property
    def tested(self) -> np.ndarray:
        """Give what is observed, (F, L), with NaN for pairs that permutations cannot test."""
        fixed = self.untestable
        n_features = len(self.observed)
        neither = np.logical_or.outer(fixed[:n_features], fixed[n_features:])
        return np.where(neither, np.nan, self.observed)

    def null(self, *, stop: int | None) -> Null:
        """Give the null of every pair that can be tested, over the same permutations for all.

        Pairs differ in the spread of their null, so the largest is looked for among standardized
        estimates. Centres and spreads are from permutations of their own: the maxima of the
        others are then exchangeable with what is observed.
        """
        tested = self.tested
        scales = None
        if stop is None and not np.isnan(tested).all():
            scales = _scales(self.pilot())
        null = self.moments(stop=stop, scales=scales)
        standardized = None if scales is None else (tested - scales[0]) / scales[1]
        return Null(*null, standardized)

    def pilot(self) -> RowNull:
        """Give what the permutations beside the others are like."""
        return self._over_parts(self._orders[self._conditions.n_permutations :], None, None)

    def moments(self, *, stop: int | None, scales: np.ndarray | None) -> RowNull:
        """Give what the permutations are like; the maxima are in units of `scales`."""
        return self._over_parts(self._orders[: self._conditions.n_permutations], stop, scales)

    @cached_property
    def _orders(self) -> np.ndarray:
        conditions = self._conditions
        return conditions.orders(conditions.scaled, conditions.n_permutations + _PILOT)

    def _over_parts(
        self, orders: np.ndarray, stop: int | None, scales: np.ndarray | None
    ) -> RowNull:
        tested = self.tested
        shape = self.observed.shape
        whole = RowNull(
            np.zeros(shape, np.int64),
            np.zeros(shape, np.int64),
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.full(len(orders), -np.inf) if stop is None else None,
        )
        with Workers() as workers:
            for part in self._parts:
                where = np.ix_(part.rows, part.columns)
                own = None if scales is None else np.stack([of_all[where] for of_all in scales])
                null = self._null_of(part, tested[where], orders, stop, own, workers)
                for target, source in zip(whole[:5], null[:5], strict=True):
                    target[where] = source
                if whole.maxima is not None and null.maxima is not None:
                    np.maximum(whole.maxima, null.maxima, out=whole.maxima)
        return whole

    def _null_of(
        self,
        part: _Part,
        observed: np.ndarray,
        orders: np.ndarray,
        stop: int | None,
        scales: np.ndarray | None,
        workers: Workers,
    ) -> Any:
        k = self._options.n_neighbors
        statistic = part.statistic
        if part.numbers is not None:
            if not self._conditions.repeats:
                x, y = part.numbers
                return knn_null(
                    x,
                    y,
                    observed,
                    orders,
                    n_neighbors=k,
                    stop=stop,
                    scales=scales,
                    device=self._options.device,
                )
            statistic = _neighbours(*part.numbers, None, self._conditions.strata * 0, k)
        assert statistic is not None
        return row_null(statistic, observed, orders, stop=stop, scales=scales, workers=workers)

    def _plan(self, use_x: np.ndarray, use_y: np.ndarray) -> Iterator[_Part]:
        """Give the parts for every combination of numbers and classes."""
        if self._options.estimator == "knn":
            for x_classes in (False, True):
                for y_classes in (False, True):
                    rows = np.flatnonzero(use_x & (self._x.classes == x_classes))
                    columns = np.flatnonzero(use_y & (self._y.classes == y_classes))
                    if len(rows) and len(columns):
                        yield self._by_neighbours(rows, columns, x_classes, y_classes)
            return
        rows, columns = np.flatnonzero(use_x), np.flatnonzero(use_y)
        if not (len(rows) and len(columns)):
            return
        own = self._copula if self._options.estimator == "gaussian_copula" else self._binned
        yield own(rows, columns)

    def _by_neighbours(
        self, rows: np.ndarray, columns: np.ndarray, x_classes: bool, y_classes: bool
    ) -> _Part:
        conditions, options = self._conditions, self._options
        strata, k = conditions.strata, options.n_neighbors
        both = x_classes and y_classes
        if both and not conditions.z.shape[1]:
            tables = ClassTables(_codes(self._x, rows), _codes(self._y, columns), strata)
            return _Part(rows, columns, tables, None, 0.0)
        x, y = self._x.values[:, rows], self._y.values[:, columns]
        if conditions and strata.max():
            x = x if x_classes else within_strata(x, strata)
            y = y if y_classes else within_strata(y, strata)
        empty = np.empty((len(x), 0))
        scaled_x, scaled_y = standardized(
            empty if x_classes else x,
            empty if y_classes else y,
            seed=options.seed,
            place=None if x_classes else self._place,
        )
        x, y = x if x_classes else scaled_x, y if y_classes else scaled_y
        if conditions.repeats:  # blocks are dealt with the noise of their first sample
            _, first, block = np.unique(conditions.groups, return_index=True, return_inverse=True)
            y = y[first[block]]
        if conditions:
            z = conditions.scaled
            neighbours = _neighbours(x, y, z, strata, k, x_classes=x_classes, y_classes=y_classes)
            return _Part(rows, columns, neighbours, None, -np.inf)
        if not x_classes and not y_classes:
            return _Part(rows, columns, None, (x, y), -np.inf)
        distances = ClassDistances(
            _codes(self._x, rows) if x_classes else np.ascontiguousarray(x.T),
            _codes(self._y, columns) if y_classes else np.ascontiguousarray(y.T),
            n_neighbors=k,
        )
        return _Part(rows, columns, distances, None, -np.inf)

    def _copula(self, rows: np.ndarray, columns: np.ndarray) -> _Part:
        scores = [
            normal_scores(table.values[:, wanted])
            for table, wanted in ((self._x, rows), (self._y, columns))
        ]
        classes = self._conditions.classes
        indicators = [
            column[:, np.newaxis] == np.arange(1, column.max() + 1) for column in classes.T
        ]
        covariates = np.column_stack([normal_scores(self._conditions.z), *indicators])
        statistic = NormalScores(scores[0], scores[1], covariates)
        if statistic.n_free < 2:
            n = len(self._x.samples)
            found = f"{n - statistic.n_free} things to adjust for with {n} samples"
            raise InvalidInput("covariates", found, "use fewer covariates, or merge classes")
        return _Part(rows, columns, statistic, None, -statistic.bias)

    def _binned(self, rows: np.ndarray, columns: np.ndarray) -> _Part:
        conditions = self._conditions
        n, n_strata = len(self._x.samples), conditions.strata.max() + 1
        n_dims = 2 + conditions.z.shape[1]
        fitting = max(2, int((n / (_PER_BIN * n_strata)) ** (1 / n_dims)))
        n_bins = self._options.n_bins or fitting
        z = _bins(conditions.z, n_bins)
        strata = combined(np.column_stack([conditions.strata, z]))
        if conditions and n < 2 * n_bins * (strata.max() + 1):
            found = f"{strata.max() + 1} strata of {n} samples with {n_bins} bins"
            remedy = "use fewer covariates or bins, or estimator='gaussian_copula'"
            raise InvalidInput("covariates", found, remedy)
        codes = []
        for table, wanted in ((self._x, rows), (self._y, columns)):
            binned = np.ascontiguousarray(_bins(table.values[:, wanted], n_bins).T)
            of_class = table.classes[wanted]
            binned[of_class] = _codes(table, wanted[of_class])
            codes.append(binned)
        statistic = ClassTables(codes[0], codes[1], strata, miller_madow=True)
        return _Part(rows, columns, statistic, None, -np.inf)


def _neighbours(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray | None,
    strata: np.ndarray,
    k: int,
    *,
    x_classes: bool = False,
    y_classes: bool = False,
) -> ConditionalNeighbours:
    return ConditionalNeighbours(
        x.T,
        y.T,
        np.empty((0, len(x))) if z is None else z,
        strata,
        x_classes=np.full(x.shape[1], x_classes),
        y_classes=np.full(y.shape[1], y_classes),
        n_neighbors=k,
    )


def _scales(pilot: RowNull) -> np.ndarray:
    """Give centres and spreads; the variance of a pair leans a little on that of all.

    A pair that seldom varies at all, such as of two rare classes, else had a spread of nearly 0.
    """
    variance = pilot.variance
    common = np.mean(variance, where=~np.isnan(variance))
    leaning = ((_PILOT - 1) * variance + _LEANING * common) / (_PILOT - 1 + _LEANING)
    return np.stack([pilot.mean, np.sqrt(np.where(leaning > 0, leaning, 1.0))])


def check_tables(x: AnyTable, y: FeatureTable, conditions: Conditions, options: Options) -> None:
    """Refuse what cannot be estimated, before anything is.

    Raises
    ------
    InvalidInput
        For too few samples, blocks that cannot be dealt, or classes that have no order.
    """
    _check_size(len(x.samples), conditions, options)
    if conditions.whole:
        _check_whole(y, conditions.groups)
    if options.estimator != "gaussian_copula":
        return
    for argument, table in (("x", x), ("y", y)):
        several = np.array(table.names)[table.facts.several & ~table.facts.useless]
        if len(several):
            found = f"more than two classes in {listed(several)}"
            remedy = "use estimator='knn' or 'binned', which need no order of classes"
            raise InvalidInput(argument, found, remedy)


def _check_size(n: int, conditions: Conditions, options: Options) -> None:
    k = options.n_neighbors if options.estimator == "knn" else 2
    if n <= k:
        what = f"{n} samples for {k} neighbours" if options.estimator == "knn" else f"{n} samples"
        remedy = f"give at least {k + 1} samples"
        raise InvalidInput("n_neighbors" if options.estimator == "knn" else "x", what, remedy)


def _check_whole(y: FeatureTable, groups: np.ndarray) -> None:
    """Refuse to deal whole blocks of several sizes where a column varies within one."""
    sizes = np.bincount(groups)
    if sizes.min() == sizes.max():
        return
    order = np.argsort(groups, kind="stable")
    steps = np.diff(y.values[order], axis=0)[np.diff(groups[order]) == 0]
    varied = (steps != 0).any(axis=0)
    if varied.any():
        found = f"blocks of {sizes.min()} to {sizes.max()} samples, within which "
        found += f"{listed(np.array(y.names)[varied])} varies"
        remedy = "use permute='samples', or columns that are the same throughout a block"
        raise InvalidInput("permute", found, remedy)


def _codes(table: FeatureTable, columns: np.ndarray) -> np.ndarray:
    """Give columns of classes as (n_columns, n_samples) int64."""
    codes = np.empty((len(columns), len(table.samples)), np.int64)
    for place, column in enumerate(columns):
        codes[place] = table.codes(int(column))
    return codes


def _bins(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Give bins of equal frequency; values that are alike stay together."""
    ranks = np.asarray(rankdata(values, axis=0)) - 0.5
    bins = np.minimum(ranks * n_bins / max(len(values), 1), n_bins - 1)
    return np.asarray(bins, np.int64)
