"""Mutual information where one or both of two columns hold classes."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import digamma

from mutua.kernels.knn_counts import LEAST, digammas

__all__ = ["ClassDistances", "ClassTables"]

Reals = NDArray[np.float64]
Longs = NDArray[np.int64]


class ClassTables:
    """Mutual information of classes with classes: the plug-in estimate, within strata.

    The sum over strata of their share of the samples times the estimate of each, in nats. Terms
    are added as whole numbers: equal tables of counts give equal bits.

    Parameters
    ----------
    x, y
        (F, n_samples) and (L, n_samples) int64, classes from 0.
    strata
        (n_samples,) int64 strata from 0; all 0 for none.
    miller_madow
        Take off the bias of the estimate by the numbers of cells that are filled (Miller 1955).
    """

    def __init__(self, x: Longs, y: Longs, strata: Longs, *, miller_madow: bool = False) -> None:
        by_stratum = np.argsort(strata, kind="stable")
        self._x, self._y, self._by_stratum = x[:, by_stratum], y, by_stratum
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(strata))]).astype(np.int64)
        self._sizes = (_n_classes(x), _n_classes(y))
        self._terms, self._scale = _whole_terms(x.shape[1])
        self._miller_madow = miller_madow
        self.shape = (len(x), len(y))

    def permuted(self, order: NDArray[np.integer]) -> tuple[Any, ...]:
        """Give y with row ``order[i]`` for sample i, as `fill` takes it."""
        return (np.ascontiguousarray(self._y[:, order[self._by_stratum]]),)

    def fill(self, y: Longs, active: NDArray[np.bool_], out: Reals, first: int, step: int) -> None:
        """Write the estimates of the active pairs of every `step`-th column of x."""
        _fill_tables(
            self._x, y, self._starts, *self._sizes, self._terms, self._scale,
            self._miller_madow, active, first, step, out,
        )  # fmt: skip


class ClassDistances:
    """Mutual information of classes with real numbers: distances within the class (Ross 2014).

    The estimate of ``sklearn.feature_selection.mutual_info_classif``, not clipped, in nats.
    Samples alone in their class are left out. Distances are exact, also where scikit-learn
    searches small classes by a formula that loses digits.

    Parameters
    ----------
    x, y
        (F, n_samples) and (L, n_samples): one of them float64 with noise on ties, the other
        int64 classes from 0.
    n_neighbors
        Neighbours within the class; fewer in classes that have fewer.
    """

    def __init__(self, x: NDArray[Any], y: NDArray[Any], *, n_neighbors: int) -> None:
        n_samples = x.shape[1]
        self._x, self._y, self._k = x, y, n_neighbors
        self._continuous_x = x.dtype.kind == "f"
        self._n_classes = _n_classes(y if self._continuous_x else x)
        self._digammas = digammas(n_samples)
        self._ends = digamma(np.maximum(np.arange(n_samples + 1.0), 1))
        self._sorted = _sorted_rows(x) if self._continuous_x else None
        self.shape = (len(x), len(y))

    def permuted(self, order: NDArray[np.integer]) -> tuple[Any, ...]:
        """Give y with row ``order[i]`` for sample i, as `fill` takes it."""
        y = np.ascontiguousarray(self._y[:, order])
        return (y, None) if self._continuous_x else (y, _sorted_rows(y))

    def fill(
        self,
        y: NDArray[Any],
        y_sorted: Longs | None,
        active: NDArray[np.bool_],
        out: Reals,
        first: int,
        step: int,
    ) -> None:
        """Write the estimates of the active pairs of every `step`-th column of x."""
        order = self._sorted if self._continuous_x else y_sorted
        assert order is not None
        if self._continuous_x:
            real, classes, pairs, found = self._x, y, active, out
        else:
            real, classes, pairs, found = y, self._x, active.T, out.T
        _fill_distances(
            real, order, classes, self._n_classes, self._k, self._digammas.table,
            self._digammas.scale, self._ends, pairs, self._continuous_x, first, step, found,
        )  # fmt: skip


class _Terms(NamedTuple):
    table: Longs
    scale: float


def _whole_terms(n_samples: int) -> _Terms:
    """Give n log n for 0 to `n_samples` as whole numbers, and what they are multiplied by."""
    counts = np.arange(n_samples + 1.0)
    terms = counts * np.log(np.maximum(counts, 1))
    scale = 2.0 ** (60 - math.ceil(math.log2(max(4 * terms[-1], 1))))
    return _Terms(np.rint(terms * scale).astype(np.int64), scale)


def _n_classes(codes: Longs) -> int:
    return int(codes.max(initial=0)) + 1


def _sorted_rows(values: Reals) -> Longs:
    return np.argsort(values, axis=1, kind="stable")


@njit(cache=True, nogil=True)
def _fill_tables(
    x: Longs,
    y: Longs,
    starts: Longs,
    n_x: int,
    n_y: int,
    terms: Longs,
    scale: float,
    miller_madow: bool,
    active: NDArray[np.bool_],
    first: int,
    step: int,
    out: Reals,
) -> None:
    n = x.shape[1]
    joint, of_x, of_y = (
        np.zeros(n_x * n_y, np.int64),
        np.zeros(n_x, np.int64),
        np.zeros(n_y, np.int64),
    )
    for f in range(first, len(x), step):
        for j in range(len(y)):
            if not active[f, j]:
                continue
            total, cells = 0, 0
            for stratum in range(len(starts) - 1):
                low, high = starts[stratum], starts[stratum + 1]
                for i in range(low, high):
                    a, b = x[f, i], y[j, i]
                    joint[a * n_y + b] += 1
                    of_x[a] += 1
                    of_y[b] += 1
                total += terms[high - low]
                cells += 1
                for i in range(low, high):  # every filled cell once, which empties it
                    a, b = x[f, i], y[j, i]
                    cell = a * n_y + b
                    if joint[cell]:
                        total += terms[joint[cell]]
                        cells += 1
                        joint[cell] = 0
                    if of_x[a]:
                        total -= terms[of_x[a]]
                        cells -= 1
                        of_x[a] = 0
                    if of_y[b]:
                        total -= terms[of_y[b]]
                        cells -= 1
                        of_y[b] = 0
            out[f, j] = total / (scale * n)
            if miller_madow:
                out[f, j] -= cells / (2 * n)


@njit(cache=True, nogil=True)
def _fill_distances(
    real: Reals,
    order: Longs,
    classes: Longs,
    n_classes: int,
    n_neighbors: int,
    table: Longs,
    scale: float,
    ends: Reals,
    active: NDArray[np.bool_],
    step_real: bool,
    first: int,
    step: int,
    out: Reals,
) -> None:
    """Fill (real, class) pairs, every `step`-th real column or else class column."""
    n = real.shape[1]
    starts, filled = np.zeros(n_classes + 1, np.int64), np.zeros(n_classes, np.int64)
    values, kept = np.empty(n), np.empty(n)
    for c in range(first if step_real else 0, len(real), step if step_real else 1):
        for d in range(0 if step_real else first, len(classes), 1 if step_real else step):
            if active[c, d]:
                out[c, d] = _distances_of_pair(
                    real[c], order[c], classes[d], n_neighbors, table, scale, ends,
                    starts, filled, values, kept,
                )  # fmt: skip


@njit(cache=True, nogil=True)
def _distances_of_pair(
    real: Reals,
    order: Longs,
    classes: Longs,
    n_neighbors: int,
    table: Longs,
    scale: float,
    ends: Reals,
    starts: Longs,
    filled: Longs,
    values: Reals,
    kept: Reals,
) -> float:
    starts[:] = 0
    filled[:] = 0
    for label in classes:
        starts[label + 1] += 1
    n_kept = 0
    for i in order:
        if starts[classes[i] + 1] > 1:
            kept[n_kept] = real[i]
            n_kept += 1
    for label in range(len(filled)):
        starts[label + 1] += starts[label]
    for i in order:  # the values of every class, ascending
        label = classes[i]
        values[starts[label] + filled[label]] = real[i]
        filled[label] += 1
    if n_kept == 0:
        return 0.0
    total, known = 0, kept[:n_kept]
    for label in range(len(filled)):
        size = filled[label]
        if size < 2:
            continue
        own = values[starts[label] : starts[label + 1]]
        k = min(n_neighbors, size - 1)
        low = 0  # of the k + 1 neighbouring values that reach least far
        for i in range(size):
            low = max(low, i - k)
            radius = max(own[i] - own[low], own[low + k] - own[i])
            while low < i and low + k + 1 < size:
                following = max(own[i] - own[low + 1], own[low + k + 1] - own[i])
                if following > radius:
                    break
                radius = following
                low += 1
            total -= table[_count_within(known, own[i], max(radius, LEAST))]
        total += size * (table[k] - table[size])
    return ends[n_kept] + total / (scale * n_kept)


@njit(cache=True, nogil=True)
def _count_within(values: Reals, centre: float, radius: float) -> int:
    """Count the ascending `values` less than `radius` from `centre`, by their differences."""
    first, last = 0, len(values)
    while first < last:
        middle = (first + last) >> 1
        if centre - values[middle] < radius:
            last = middle
        else:
            first = middle + 1
    low, last = first, len(values)
    while first < last:
        middle = (first + last) >> 1
        if values[middle] - centre < radius:
            first = middle + 1
        else:
            last = middle
    return first - low
