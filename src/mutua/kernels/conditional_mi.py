"""Conditional mutual information of two tables from the nearest neighbours of every sample."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.knn_counts import LEAST, digammas
from mutua.settings import settings

__all__ = ["ConditionalNeighbours", "within_strata"]

Reals = NDArray[np.float64]
Longs = NDArray[np.int64]


class _Mates(NamedTuple):
    """The other samples of the stratum of every sample of a block, the nearest in z first.

    Attributes
    ----------
    starts
        (n_rows + 1,) int64, where the mates of each begin.
    samples
        int64, the mates.
    distances
        float64, their distances in z.
    first_row
        The sample that the block begins with.
    """

    starts: Longs
    samples: Longs
    distances: Reals
    first_row: int


class ConditionalNeighbours:
    r"""Mutual information given z, from neighbours in the Chebyshev metric.

    .. math:: I(x; y | z) = \langle \psi(k) + \psi(n_z) - \psi(n_{xz}) - \psi(n_{yz}) \rangle

    in nats, not clipped, where n counts the samples nearer than the k-th neighbour in (x, y, z),
    the sample itself included (Frenzel and Pompe 2007). Classes are at distance 0 from their own
    and infinitely far from all others: strata of z are then estimated each by itself and
    averaged by their sizes, and without z the estimate is that of Kraskov et al. for real
    numbers and that of Ross for classes. A sample with fewer than k mates has the k that there
    are, one with none adds 0.

    Parameters
    ----------
    x, y
        (F, n_samples) and (L, n_samples) float64, with noise on ties; classes as whole numbers.
    z
        (C, n_samples) float64 scaled covariates, with noise on ties; C may be 0.
    strata
        (n_samples,) int64 strata from 0.
    x_classes, y_classes
        (F,) and (L,) bool, which columns hold classes.
    n_neighbors
        Neighbours k.
    """

    def __init__(
        self,
        x: Reals,
        y: Reals,
        z: Reals,
        strata: Longs,
        *,
        x_classes: NDArray[np.bool_],
        y_classes: NDArray[np.bool_],
        n_neighbors: int,
    ) -> None:
        self._x, self._y, self._k = np.ascontiguousarray(x), np.ascontiguousarray(y), n_neighbors
        self._x_classes, self._y_classes = x_classes, y_classes
        self._digammas = digammas(x.shape[1])
        self.shape = (len(x), len(y))
        members = np.argsort(strata, kind="stable")
        ends = np.concatenate([[0], np.cumsum(np.bincount(strata))]).astype(np.int64)
        self._source = (np.ascontiguousarray(z), strata, members, ends)
        # A block of samples at a time, so that the mates of all samples need not fit into memory.
        mates = (ends[1:] - ends[:-1])[strata] - 1
        block = np.cumsum(mates) * 16 // max(settings.memory, 16)
        edges = [0, *(np.flatnonzero(np.diff(block)) + 1), len(strata)]
        self._blocks = [(int(a), int(b)) for a, b in itertools.pairwise(edges)]
        self._mates = _mates(*self._source, *self._blocks[0]) if len(self._blocks) == 1 else None

    def permuted(self, order: NDArray[np.integer]) -> tuple[Any, ...]:
        """Give y with row ``order[i]`` for sample i, as `fill` takes it."""
        return (np.ascontiguousarray(self._y[:, order]),)

    def fill(self, y: Reals, active: NDArray[np.bool_], out: Reals, first: int, step: int) -> None:
        """Write the estimates of the active pairs of every `step`-th column of x."""
        totals = np.zeros((len(range(first, self.shape[0], step)), self.shape[1]), np.int64)
        for block in self._blocks:
            mates = self._mates if self._mates is not None else _mates(*self._source, *block)
            _add(
                self._x, y, self._x_classes, self._y_classes, *mates, self._k,
                self._digammas.table, active, first, step, totals,
            )  # fmt: skip
        wanted = active[first::step]
        out[first::step][wanted] = totals[wanted] / (self._digammas.scale * self._x.shape[1])


def within_strata(values: Reals, strata: Longs) -> Reals:
    """Give columns (n_samples, C) with mean 0 and variance 1 within every stratum.

    Where a column is constant in a stratum it is 0 there.
    """
    sizes = np.bincount(strata)[:, np.newaxis]
    shape = (len(sizes), values.shape[1])
    sums, squares = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, strata, values)
    centred = values - (sums / sizes)[strata]
    np.add.at(squares, strata, centred**2)
    deviations = np.sqrt(squares / sizes)
    deviations[deviations <= 1e-12 * np.abs(sums / sizes)] = np.inf
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(centred / deviations[strata]))


def _mates(z: Reals, strata: Longs, members: Longs, ends: Longs, first: int, last: int) -> _Mates:
    sizes = (ends[1:] - ends[:-1])[strata[first:last]] - 1
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    samples, distances = np.empty(starts[-1], np.int64), np.zeros(starts[-1])
    _find_mates(z, strata, members, ends, first, starts, samples, distances)
    return _Mates(starts, samples, distances, first)


@njit(cache=True, nogil=True)
def _find_mates(
    z: Reals,
    strata: Longs,
    members: Longs,
    ends: Longs,
    first: int,
    starts: Longs,
    samples: Longs,
    distances: Reals,
) -> None:
    for row in range(len(starts) - 1):
        i, place = first + row, starts[row]
        for at in range(ends[strata[i]], ends[strata[i] + 1]):
            j = members[at]
            if j == i:
                continue
            samples[place] = j
            for c in range(len(z)):
                distances[place] = max(distances[place], abs(z[c, i] - z[c, j]))
            place += 1
        if len(z):
            own, far = samples[starts[row] : place], distances[starts[row] : place]
            order = np.argsort(far)
            own[:] = own[order]
            far[:] = far[order]


@njit(cache=True, nogil=True)
def _add(
    x: Reals,
    y: Reals,
    x_classes: NDArray[np.bool_],
    y_classes: NDArray[np.bool_],
    starts: Longs,
    samples: Longs,
    distances: Reals,
    first_row: int,
    n_neighbors: int,
    table: Longs,
    active: NDArray[np.bool_],
    first: int,
    step: int,
    totals: Longs,
) -> None:
    """Add the terms of a block of samples to (every `step`-th column of x, column of y)."""
    widest = 0
    for row in range(len(starts) - 1):
        widest = max(widest, starts[row + 1] - starts[row])
    of_x, of_y = np.empty(widest), np.empty((len(y), widest))
    nearest = np.empty(n_neighbors)
    for row in range(len(starts) - 1):
        i = first_row + row
        mates, far = (
            samples[starts[row] : starts[row + 1]],
            distances[starts[row] : starts[row + 1]],
        )
        if len(mates) == 0:
            continue
        for j in range(len(y)):
            _gaps(y[j], i, mates, far, y_classes[j], of_y[j])
        for at, f in enumerate(range(first, len(x), step)):
            _gaps(x[f], i, mates, far, x_classes[f], of_x)
            for j in range(len(y)):
                if active[f, j]:
                    totals[at, j] += _term(of_x, of_y[j], far, nearest, table)


@njit(cache=True, nogil=True)
def _gaps(column: Reals, i: int, mates: Longs, far: Reals, classes: bool, out: Reals) -> None:
    """Give the distances of a sample from its mates in z and one column."""
    here = column[i]
    if classes:
        for place in range(len(mates)):
            out[place] = far[place] if column[mates[place]] == here else np.inf
    else:
        for place in range(len(mates)):
            out[place] = max(far[place], abs(column[mates[place]] - here))


@njit(cache=True, nogil=True)
def _term(of_x: Reals, of_y: Reals, far: Reals, nearest: Reals, table: Longs) -> int:
    """Give the digammas that one sample adds, as whole numbers."""
    nearest[:] = np.inf
    last = len(nearest) - 1
    for place in range(len(far)):
        if far[place] >= nearest[last]:
            break
        distance = max(of_x[place], of_y[place])
        if distance < nearest[last]:
            at = last
            while at > 0 and nearest[at - 1] > distance:
                nearest[at] = nearest[at - 1]
                at -= 1
            nearest[at] = distance
    k = last + 1
    while k > 0 and nearest[k - 1] == np.inf:
        k -= 1
    if k == 0:
        return 0
    radius = max(nearest[k - 1], LEAST)
    n_z = np.searchsorted(far, radius)
    n_x, n_y = 0, 0
    for place in range(n_z):
        n_x += of_x[place] < radius
        n_y += of_y[place] < radius
    return table[k] + table[n_z + 1] - table[n_x + 1] - table[n_y + 1]
