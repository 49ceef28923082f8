"""Distances between the k-mer distributions of two positions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.special import rel_entr

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels.kmers import fill_kmer_codes, kmer_dtype
from mutua.kernels.pair_engine import count_columns, units_of
from mutua.kernels.sequence_blocks import BlockSource, PositionTask
from mutua.kernels.threads import Workers
from mutua.settings import settings

__all__ = ["MEASURES", "position_divergence"]

MEASURES = (
    "jensen_shannon",
    "inverse_jensen_shannon",
    "bhattacharyya",
    "inverse_bhattacharyya",
    "hellinger",
)


def position_divergence(
    source: BlockSource,
    *,
    k: int,
    alphabet_size: int,
    measure: str,
    pseudocount: float = 5.0,
    weights: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    r"""Give a distance between the k-mer distributions at all pairs of positions.

    Distributions are those of the sequences with both k-mers known, with the pseudocounts of
    `mutua.kernels.position_mi.position_mi`. With :math:`BC = \sum_x \sqrt{P_i(x) P_j(x)}`:

    ========================== ====================================================
    ``jensen_shannon``         square root of the Jensen-Shannon divergence in bits
    ``inverse_jensen_shannon`` 1 less that
    ``bhattacharyya``          :math:`-\ln BC`
    ``inverse_bhattacharyya``  :math:`-\ln (1 - BC)`
    ``hellinger``              :math:`\sqrt{1 - BC}`
    ========================== ====================================================

    Parameters
    ----------
    source, k, alphabet_size, pseudocount, weights
        As for `mutua.kernels.position_mi.position_mi`.
    measure
        One of the above.

    Returns
    -------
    NDArray
        (n_positions, n_positions) float64, symmetric; NaN where k-mers overlap and where no
        sequence has both. Infinite where a logarithm is.

    Raises
    ------
    InvalidInput
        An unknown measure, or as `mutua.kernels.position_mi.position_mi`.
    MemoryLimit
        The counts for one position do not fit into ``settings.memory``.

    Examples
    --------
    >>> import numpy as np
    >>> from mutua.kernels.sequence_blocks import ArrayBlocks
    >>> codes = np.array([[0, 0], [1, 0]], dtype=np.uint8)
    >>> position_divergence(
    ...     ArrayBlocks(codes), k=1, alphabet_size=2, measure="hellinger", pseudocount=0
    ... ).round(3)
    array([[  nan, 0.541],
           [0.541,   nan]])
    """
    if measure not in MEASURES:
        raise InvalidInput("measure", f"{measure!r}", f"use one of {list(MEASURES)}")
    task = PositionTask(source, k, alphabet_size, pseudocount, weights)
    needed = _tile_bytes(task)
    if needed > settings.memory:
        raise MemoryLimit(
            "k",
            f"{k} needs {needed / 2**20:.0f} MiB of working memory, of which "
            f"{settings.memory / 2**20:.0f} MiB are allowed",
            f"use a smaller k, or raise mutua.settings.memory to {needed}",
        )
    unit = 1.0 if task.fixed_weights is None else task.fixed_weights.unit
    result = np.full((task.n_positions, task.n_positions), np.nan)
    with Workers() as workers:
        counts, complete = _position_counts(task, workers)
        if not counts.any():
            raise InvalidInput(
                "codes", "no sequence with a known k-mer", "use a smaller k or other sequences"
            )
        n_together = settings.memory // needed
        for start in range(k, task.n_positions, n_together):
            stop = min(start + n_together, task.n_positions)
            pairs = _pair_counts(task, counts, complete, start, stop, workers)
            for j in range(start, stop):
                before = slice(0, j - k + 1)
                at_i, at_j = (
                    _smoothed(pairs[j - start, before, which] * np.float64(unit), pseudocount)
                    for which in range(2)
                )
                result[before, j] = result[j, before] = _distance(at_i, at_j, measure)
    return result


def _smoothed(counts: NDArray[np.float64], pseudocount: float) -> NDArray[np.float64]:
    """Give the distributions (.., n_kmers) of smoothed counts; NaN where there are none."""
    totals = counts.sum(axis=-1, keepdims=True)
    empty = totals == 0
    added = pseudocount * totals / counts.shape[-1]
    return np.where(
        empty, np.nan, (counts + added) / np.where(empty, 1, totals * (1 + pseudocount))
    )


def _distance(p: NDArray[np.float64], q: NDArray[np.float64], measure: str) -> NDArray[np.float64]:
    """Give the distance between distributions along the last axis."""
    if measure.endswith("jensen_shannon"):
        middle = (p + q) / 2
        divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / (2 * np.log(2))
        distance = np.sqrt(np.maximum(divergence, 0))
        return 1 - distance if measure.startswith("inverse") else distance
    # 1 - BC without cancellation, so that equal distributions are at distance 0.
    rest = ((np.sqrt(p) - np.sqrt(q)) ** 2).sum(axis=-1) / 2
    with np.errstate(divide="ignore"):
        if measure == "hellinger":
            return np.sqrt(rest)
        if measure == "bhattacharyya":
            return -np.log1p(-np.minimum(rest, 1))
        return -np.log(rest)


def _tile_bytes(task: PositionTask) -> int:
    """Give the bytes of the counts of one position j with every i."""
    return 2 * 8 * task.n_positions * task.n_kmers


def _columns(task: PositionTask, number: int, workers: Workers) -> NDArray[Any]:
    """Give the k-mer columns of one block."""
    codes = task.read(number)
    dtype = kmer_dtype(task.k, task.alphabet_size)
    columns = np.empty((task.n_positions, len(codes)), dtype)
    fill_kmer_codes(codes, task.k, task.alphabet_size, columns, 0, workers)
    return columns


def _position_counts(
    task: PositionTask, workers: Workers
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Count the k-mers at each position on its own, and tell whether none is missing there."""
    counts = np.zeros((task.n_positions, task.n_kmers), np.int64)
    complete = np.ones(task.n_positions, np.bool_)
    for number, bounds in enumerate(task.blocks):
        columns = _columns(task, number, workers)
        found, seen = count_columns(columns, units_of(task, *bounds), task.n_kmers, workers)
        counts += found[:, :-1]
        complete &= ~seen[:, -1]
    return counts, complete


def _pair_counts(
    task: PositionTask,
    counts: NDArray[np.int64],
    complete: NDArray[np.bool_],
    start: int,
    stop: int,
    workers: Workers,
) -> NDArray[np.int64]:
    """Count the k-mers at i and at j, each where the other is known.

    Returns
    -------
    NDArray
        (stop - start, n_positions, 2, n_kmers) int64 for j = start .. stop - 1 and all i.
    """
    pairs = np.zeros((stop - start, task.n_positions, 2, task.n_kmers), np.int64)
    incomplete = ~(complete[start:stop, np.newaxis] & complete)
    pairs[:, :, 0] = counts
    pairs[:, :, 1] = counts[start:stop, np.newaxis]
    if not incomplete.any():
        return pairs
    pairs[incomplete] = 0
    for number, bounds in enumerate(task.blocks):
        columns = _columns(task, number, workers)
        units = units_of(task, *bounds)
        workers.run(
            _add_pairs,
            [
                (columns, units, task.k, start, incomplete, *part, pairs)
                for part in workers.slices(stop - start)
            ],
        )
    return pairs


@njit(nogil=True, cache=True)
def _add_pairs(
    columns: NDArray[Any],
    units: NDArray[np.int64],
    k: int,
    start: int,
    incomplete: NDArray[np.bool_],
    first: int,
    step: int,
    pairs: NDArray[np.int64],
) -> None:
    n_kmers = np.uint64(pairs.shape[3])
    for number in range(first, pairs.shape[0], step):
        j = start + number
        for i in range(j - k + 1):
            if not incomplete[number, i]:
                continue
            for s in range(columns.shape[1]):
                x = np.uint64(columns[i, s])
                y = np.uint64(columns[j, s])
                if x < n_kmers and y < n_kmers:
                    weight = units[s] if len(units) > 0 else 1
                    pairs[number, i, 0, x] += weight
                    pairs[number, i, 1, y] += weight
