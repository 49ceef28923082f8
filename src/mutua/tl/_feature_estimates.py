"""Estimates of mutual information for tables of several kinds of columns, and their null."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
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
    local_orders,
    row_null,
    row_orders,
    row_statistic,
)
from mutua.kernels.threads import Workers
from mutua.settings import show_progress
from mutua.tl._feature_tables import FeatureTable, listed

__all__ = ["Conditions", "Estimates", "Options"]

_PER_BIN = 5
_NOISE = 1e-10


class Options(NamedTuple):
    """How to estimate."""

    estimator: str
    n_neighbors: int
    n_bins: int | None
    seed: int


@dataclass(frozen=True)
class Conditions:
    """What is given, and how samples may be permuted.

    Attributes
    ----------
    z
        (n_samples, C) float64, covariates that are numbers.
    strata
        (n_samples,) int64, every combination of covariates that are classes.
    groups
        (n_samples,) int64, samples that may be permuted among each other.
    orders
        (n_permutations, n_samples) int32.
    n_covariates
        Number of covariates.
    classes
        The covariates that are classes, as codes (n_samples, D).
    """

    z: np.ndarray
    strata: np.ndarray
    groups: np.ndarray
    whole: bool
    n_permutations: int
    classes: np.ndarray
    seed: int

    @classmethod
    def read(
        cls,
        covariates: FeatureTable,
        blocks: FeatureTable,
        permute: str,
        n_permutations: int,
        options: Options,
    ) -> Conditions:
        """Check the columns against each other and number the groups."""
        of_class = np.flatnonzero(covariates.classes)
        n = len(covariates.samples)
        classes = np.empty((n, len(of_class)), np.int64)
        for place, column in enumerate(of_class):
            classes[:, place] = covariates.codes(int(column))
        strata = _combined(classes)
        _check_strata(strata, covariates)
        whole = permute == "blocks"
        if whole and not blocks.names:
            raise InvalidInput("permute", "'blocks' without blocks", "name them by `blocks`")
        if whole and covariates.names:
            remedy = "use permute='samples', or leave the covariates out"
            raise InvalidInput("permute", "'blocks' with covariates", remedy)
        groups = strata
        if blocks.names:
            own = blocks.codes(0)
            _check_blocks(own, blocks.names[0], whole)
            groups = _combined(np.column_stack([strata, own]))
            if not whole and np.bincount(groups).max() == 1:
                found = "no two samples of one block and one stratum"
                raise InvalidInput("blocks", found, "leave blocks or a covariate out")
        z = covariates.values[:, ~covariates.classes]
        return cls(z, strata, groups, whole, n_permutations, classes, options.seed)

    def orders(self, scaled: np.ndarray) -> np.ndarray:
        """Give the permutations; `scaled` is z as neighbours are looked for."""
        if self.z.shape[1]:
            return local_orders(self.n_permutations, scaled, self.groups, seed=self.seed)
        return row_orders(self.n_permutations, self.groups, whole=self.whole, seed=self.seed)

    @property
    def repeats(self) -> bool:
        """Tell whether whole blocks of several sizes are dealt, which repeats samples."""
        sizes = np.bincount(self.groups)
        return self.whole and bool(sizes.min() < sizes.max())

    @property
    def scaled(self) -> np.ndarray:
        """Give z (C, n_samples) of unit variance, with noise on ties."""
        values = self.z - self.z.mean(axis=0)
        deviations = values.std(axis=0)
        values /= np.where(deviations > 0, deviations, 1.0)
        random = np.random.default_rng([self.seed, 0x2])
        return np.ascontiguousarray((values + _NOISE * random.standard_normal(values.shape)).T)

    def __bool__(self) -> bool:
        return bool(self.z.shape[1] or self.classes.shape[1])


def _combined(codes: np.ndarray) -> np.ndarray:
    """Give rows that are alike one number, from 0; all 0 without columns."""
    if not codes.shape[1]:
        return np.zeros(len(codes), np.int64)
    return np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _check_strata(strata: np.ndarray, covariates: FeatureTable) -> None:
    alone = int((np.bincount(strata) == 1).sum())
    if alone == len(strata):
        found = f"every sample is a stratum of its own ({listed(covariates.names)})"
        raise InvalidInput("covariates", found, "leave one out, or merge classes")
    if alone:
        warnings.warn(
            f"{alone} of {len(strata)} samples are alone in their stratum of the covariates and "
            "say nothing",
            UserWarning,
            stacklevel=5,
        )


def _check_blocks(blocks: np.ndarray, name: str, whole: bool) -> None:
    n_blocks = blocks.max() + 1
    if whole:
        if n_blocks < 2:
            raise InvalidInput("blocks", f"{name!r} has one value", "use one of several values")
    elif n_blocks == len(blocks):
        remedy = "without `blocks` all samples are permuted, which is what one sample each allows"
        raise InvalidInput("blocks", f"one sample in every block of {name!r}", remedy)


class _Part(NamedTuple):
    """The pairs that one estimator takes: columns of x, columns of y, and how."""

    rows: np.ndarray
    columns: np.ndarray
    statistic: RowStatistic | None
    numbers: tuple[np.ndarray, np.ndarray] | None
    lowest: float


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
    """

    def __init__(
        self, x: FeatureTable, y: FeatureTable, conditions: Conditions, options: Options
    ) -> None:
        self._x, self._y, self._conditions, self._options = x, y, conditions, options
        _check_size(len(x.samples), conditions, options)
        if conditions.whole:
            _check_whole(y, conditions.groups)
        useless = [_useless(table) for table in (x, y)]
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
            return knn_mi(*part.numbers, n_neighbors=self._options.n_neighbors)
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
        n_features = len(self._x.names)
        neither = np.logical_or.outer(fixed[:n_features], fixed[n_features:])
        return np.where(neither, np.nan, self.observed)

    def null(self, *, stop: int | None) -> RowNull:
        """Give the null of every pair that can be tested, over the same permutations for all."""
        conditions = self._conditions
        tested = self.tested
        orders = conditions.orders(conditions.scaled)
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
                null = self._null_of(part, tested, orders, stop, workers)
                for target, source in zip(whole[:5], null[:5], strict=True):
                    target[np.ix_(part.rows, part.columns)] = source
                if whole.maxima is not None and null.maxima is not None:
                    np.maximum(whole.maxima, null.maxima, out=whole.maxima)
        return whole

    def _null_of(
        self,
        part: _Part,
        tested: np.ndarray,
        orders: np.ndarray,
        stop: int | None,
        workers: Workers,
    ) -> Any:
        observed = tested[np.ix_(part.rows, part.columns)]
        k = self._options.n_neighbors
        statistic = part.statistic
        if part.numbers is not None:
            if not self._conditions.repeats:
                return knn_null(*part.numbers, observed, orders, n_neighbors=k, stop=stop)
            statistic = _neighbours(*part.numbers, None, self._conditions.strata * 0, k)
        assert statistic is not None
        return row_null(statistic, observed, _shown(orders), stop=stop, workers=workers)

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
            empty if x_classes else x, empty if y_classes else y, seed=options.seed
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
        scores = []
        for argument, table, wanted in (("x", self._x, rows), ("y", self._y, columns)):
            several = [
                table.names[column]
                for column in wanted[table.classes[wanted]]
                if len(np.unique(table.values[:, column])) > 2
            ]
            if several:
                found = f"more than two classes in {listed(several)}"
                remedy = "use estimator='knn' or 'binned', which need no order of classes"
                raise InvalidInput(argument, found, remedy)
            scores.append(normal_scores(table.values[:, wanted]))
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
        strata = _combined(np.column_stack([conditions.strata, z]))
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


def _check_size(n: int, conditions: Conditions, options: Options) -> None:
    k = options.n_neighbors if options.estimator == "knn" else 2
    if n <= k:
        what = f"{n} samples for {k} neighbours" if options.estimator == "knn" else f"{n} samples"
        remedy = f"give at least {k + 1} samples"
        raise InvalidInput("n_neighbors" if options.estimator == "knn" else "x", what, remedy)


def _useless(table: FeatureTable) -> np.ndarray:
    """Tell which columns are constant, or classes of one sample each."""
    constant = np.asarray(np.ptp(table.values, axis=0) == 0)
    for column in np.flatnonzero(table.classes & ~constant):
        constant[column] = np.bincount(table.codes(int(column))).max() == 1
    return constant


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


def _shown(orders: np.ndarray) -> Any:
    if not show_progress():
        return orders
    from tqdm.auto import tqdm

    return tqdm(orders, desc="permutations", unit="permutation", leave=False)
