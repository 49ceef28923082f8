"""Sums of digammas of every pair of columns of two tables, for one or many orders of samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma

from mutua.errors import InvalidInput
from mutua.kernels.devices import asked_device, on_cuda
from mutua.kernels.knn_counts import Digammas, digammas
from mutua.kernels.knn_lanes import Trees, lane_sums, search_trees
from mutua.kernels.knn_strips import strip_sums
from mutua.kernels.threads import Workers
from mutua.kernels.vectors import WIDTH
from mutua.settings import settings

__all__ = ["PairBlock", "Pairs", "blocks_of_pairs", "check_tables", "crowd", "runs_on_cuda"]

Reals = NDArray[np.float64]
Longs = NDArray[np.int64]
Orders = NDArray[np.int32]

_MOST_NEIGHBORS = 16  # in registers
_TASKS = 8  # for each thread
_SEARCHES = 60.0  # what the counts of a sample in all lanes cost, in samples walked past
_STRIPS = 45.0  # what one sample of one pair costs in strips
_LOOKED_AT = 100  # columns, and samples of each, from which the cost of a walk is foreseen
_OPERATIONS = 60.0  # elementary ones for one sample of one pair, for the choice of a device
_MOST_ON_CUDA = 128  # neighbours: every thread keeps the distances of its own


@dataclass(frozen=True)
class PairBlock:
    """Which pairs of columns are looked at together, and how their estimates are made of sums.

    Mutual information is symmetric, and so are sums of whole numbers: samples can be sorted by
    the columns of either table, whichever makes walks shorter.

    Attributes
    ----------
    rows, columns
        Which columns of x and of y these are.
    swapped
        Whether samples are sorted by the columns of y.
    n_neighbors
        Number of neighbours.
    digammas
        Digammas by count.
    """

    rows: slice
    columns: slice
    swapped: bool
    n_neighbors: int
    digammas: Digammas

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.digammas.table) - 1

    @property
    def highest(self) -> float:
        """The estimate of a pair whose sum is 0."""
        return float(digamma(self.n_samples) + digamma(self.n_neighbors))

    @property
    def unit(self) -> float:
        """What the sum of a pair is divided by."""
        return self.digammas.scale * self.n_samples

    def part(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give the pairs of this block of an (F, L) array, (n_own, n_others), as a view."""
        block = values[self.rows, self.columns]
        return block.T if self.swapped else block

    def samples(self, orders: NDArray[np.integer]) -> Orders:
        """Give which sample of `others` each one of `own` has, where x has ``y[order]``."""
        if self.swapped:
            return np.argsort(orders, axis=1).astype(np.int32)
        return np.ascontiguousarray(orders, np.int32)


@dataclass(frozen=True)
class Pairs(PairBlock):
    """A block of the columns of x with a block of those of y, on the CPU.

    Attributes
    ----------
    in_strips
        Whether they are searched in strips, pair by pair, or in lanes.
    own, others
        (n_own, n_samples) and (n_others, n_samples), the columns sorted by and those beside them.
    own_trees, other_trees
        Their search trees.
    """

    in_strips: bool
    own: Reals
    others: Reals
    own_trees: Trees
    other_trees: Trees

    def sums(self, members: list[Longs], samples: Orders, workers: Workers) -> list[Longs]:
        """Give the sums of each of `own`, (len(members), n_orders), for the others wanted of it."""
        sums = [np.empty((len(wanted), len(samples)), np.int64) for wanted in members]
        n_lanes = sum(total.size for total in sums)
        least = 1 if self.in_strips else WIDTH
        share = max(1, n_lanes // (_TASKS * workers.n_threads * least)) * least
        function: Any = strip_sums if self.in_strips else lane_sums
        several = self.n_neighbors if self.in_strips else (0,) * self.n_neighbors
        tasks = (
            (
                self.own[number],
                self.own_trees.values[number],
                self.others,
                self.other_trees.values,
                self.own_trees.starts,
                wanted,
                samples,
                several,
                self.digammas.table,
                sums[number].reshape(-1),
                first,
                min(first + share, sums[number].size),
            )
            for number, wanted in enumerate(members)
            for first in range(0, sums[number].size, share)
        )
        workers.run(function, tasks)
        return sums


def blocks_of_pairs(x: Reals, y: Reals, n_neighbors: int, n_orders: int) -> Iterator[Pairs]:
    """Give the pairs of the columns of two tables in blocks that fit into ``settings.memory``."""
    n = len(x)
    crowds = crowd(x, n_neighbors), crowd(y, n_neighbors)
    shapes = (x.shape[1], y.shape[1]), (y.shape[1], x.shape[1])
    costs = [
        own * -(-others * n_orders // WIDTH) * (passed + _SEARCHES)
        for (own, others), passed in zip(shapes, crowds, strict=True)
    ]
    strips = _STRIPS * x.shape[1] * y.shape[1] * n_orders
    in_strips = n_neighbors > _MOST_NEIGHBORS or strips < min(costs)
    # A strip may hold a crowd, which is sorted by the other column in it; a walk must pass it.
    swapped = crowds[1] > crowds[0] if in_strips else costs[1] < costs[0]
    most = max(WIDTH, settings.memory // (4 * 2 * 9 * n))  # columns of a block, with their trees
    tables = digammas(n)
    prepare = partial(_prepared, most=most)
    for rows, own_x, trees_x in prepare(x):
        for columns, own_y, trees_y in prepare(y):
            sides = (
                (own_y, own_x, trees_y, trees_x) if swapped else (own_x, own_y, trees_x, trees_y)
            )
            yield Pairs(rows, columns, swapped, n_neighbors, tables, in_strips, *sides)


def _prepared(table: Reals, most: int) -> Iterator[tuple[slice, Reals, Trees]]:
    for first in range(0, table.shape[1], most):
        part = slice(first, min(first + most, table.shape[1]))
        columns = np.ascontiguousarray(table[:, part].T)
        yield part, columns, search_trees(columns)


def runs_on_cuda(x: Reals, y: Reals, n_neighbors: int, n_orders: int, device: str | None) -> bool:
    """Tell whether the pairs of two tables are looked at on a GPU.

    Raises
    ------
    InvalidInput
        If there is no such device, or for ``"cuda"`` and more neighbours than a GPU takes.
    DeviceUnavailable
        For ``"cuda"`` without a usable GPU.
    """
    if n_neighbors <= _MOST_ON_CUDA:
        operations = _OPERATIONS * len(x) * x.shape[1] * y.shape[1] * n_orders
        return on_cuda(device, operations=operations)
    if asked_device(device) == "cuda":
        remedy = f"use at most {_MOST_ON_CUDA} on a GPU, or device='cpu'"
        raise InvalidInput("n_neighbors", f"{n_neighbors}", remedy)
    return False


def crowd(table: Reals, n_neighbors: int, *, n_columns: int = _LOOKED_AT) -> float:
    """Give how many samples a walk along a column passes on average, roughly."""
    n = len(table)
    reach = np.sqrt(n_neighbors / n)
    passed = []
    for column in table.T[:: max(1, table.shape[1] // n_columns)]:
        ascending = np.sort(column)
        some = ascending[:: max(1, n // _LOOKED_AT)]
        bounds = np.searchsorted(ascending, [some - reach, some + reach])
        passed.append(np.diff(bounds, axis=0).mean())
    return float(np.mean(passed)) if passed else 0.0


def check_tables(x: Reals, y: Reals, n_neighbors: int) -> None:
    """Refuse tables of different length, too few samples and values that are no numbers."""
    for name, table in (("x", x), ("y", y)):
        if table.ndim != 2:
            raise InvalidInput(name, f"{table.ndim} dims", "give samples by columns")
    if len(x) != len(y):
        raise InvalidInput("y", f"{len(y)} samples and {len(x)} in x", "give the same samples")
    if n_neighbors < 1:
        raise InvalidInput("n_neighbors", f"{n_neighbors}", "use at least 1")
    if len(x) <= n_neighbors:
        raise InvalidInput(
            "n_neighbors",
            f"{n_neighbors} for {len(x)} samples",
            "use fewer neighbours than there are samples",
        )
    for name, table in (("x", x), ("y", y)):
        if not np.isfinite(table).all():
            raise InvalidInput(name, "NaN or infinite values", "leave these samples out")
