"""One set of gene programs from those of several runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

from mutua.kernels.threads import Workers

__all__ = ["consensus_programs", "disjoint_genes", "leading_weights", "stability"]

Reals = npt.NDArray[np.float64]

_STARTS: Final = 50
_STEPS: Final = 1000
_EQUAL: Final = 1e-12


class _Rows(NamedTuple):
    """Rows of length 1 of all runs, and the run of each."""

    values: Reals
    run: npt.NDArray[np.int64]


def _stacked(runs: Sequence[npt.NDArray[Any]]) -> _Rows:
    values = np.concatenate(runs).astype(np.float64)
    run = np.repeat(np.arange(len(runs)), [len(one) for one in runs])
    length = np.linalg.norm(values, axis=1)
    return _Rows(values[length > 0] / length[length > 0, None], run[length > 0])


def consensus_programs(
    runs: Sequence[npt.NDArray[Any]],
    n_programs: int,
    *,
    median: bool = False,
    density: float | None = None,
    seed: int = 0,
) -> Reals:
    """Give the centres of the programs of several runs.

    Parameters
    ----------
    runs
        (program, G) each.
    n_programs
        Number of centres.
    median
        Take the median of a cluster for each gene, as cNMF does; else the mean, as D-SPIN does.
    density
        Leave out programs farther than this, on average, from the nearest ones of other runs:
        0.3 times the number of runs, as in cNMF. None keeps all.
    seed
        Of the 50 starts of the k-means.

    Returns
    -------
    float64 (program, G)
        Rows of length 1; fewer than asked for where fewer differ.

    Notes
    -----
    Sources: Kotliar et al., eLife 8:e43803 (2019) for cNMF; Jiang et al. (2024) for D-SPIN.
    """
    from sklearn.cluster import KMeans

    rows = _stacked(runs).values
    if density is not None and len(runs) > 1:
        rows = rows[_local_distance(rows, max(1, int(0.3 * len(runs)))) < density]
    # The rows within the space they span: the same distances, far fewer coordinates.
    short = np.linalg.qr(rows.T)[1].T if rows.shape[1] > len(rows) else rows
    n_programs = min(n_programs, len(np.unique(short.round(9), axis=0)))
    if n_programs == 0:
        return np.zeros((0, rows.shape[1]))
    with threadpool_limits(1):  # sums of several threads are added as they come
        label = KMeans(n_programs, n_init=_STARTS, random_state=seed).fit_predict(short)
    centre = np.median if median else np.mean
    centres = np.array([centre(rows[label == place], axis=0) for place in range(n_programs)])
    length = np.linalg.norm(centres, axis=1)
    return np.asarray(centres[length > 0] / length[length > 0, None])


def _local_distance(rows: Reals, n_neighbors: int) -> Reals:
    squares = np.maximum(2 - 2 * rows @ rows.T, 0)
    np.fill_diagonal(squares, 0)
    near = np.sort(np.sqrt(squares), axis=1)[:, 1 : n_neighbors + 1]
    return np.asarray(near.sum(axis=1) / n_neighbors)


def stability(programs: Reals, runs: Sequence[npt.NDArray[Any]]) -> Reals:
    """Give for every program how alike that of a run is which is most like it.

    Parameters
    ----------
    programs
        (program, G).
    runs
        (program, G) each.

    Returns
    -------
    float64 (program,)
        Mean over the runs of the largest cosine: 1 where every run found the program.
    """
    found = np.zeros((len(runs), len(programs)))
    length = np.linalg.norm(programs, axis=1, keepdims=True)
    units = programs / np.where(length > 0, length, 1)
    for place, run in enumerate(runs):
        found[place] = (units @ _stacked([run]).values.T).max(axis=1, initial=0)
    return np.asarray(np.minimum(found.sum(axis=0) / max(len(runs), 1), 1))


def disjoint_genes(centres: Reals, *, least: float = 1e-6) -> list[npt.NDArray[np.int64]]:
    """Give the genes of every program: each those that weigh most in it.

    A gene whose weights are all below `least` belongs to none. A program may be left without any.

    Examples
    --------
    >>> genes = disjoint_genes(np.array([[0.9, 0.1, 0.0], [0.1, 0.8, 0.0]]))
    >>> [one.tolist() for one in genes]
    [[0], [1]]
    """
    best = centres.argmax(axis=0)
    there = centres.max(axis=0) > least
    return [np.flatnonzero((best == place) & there) for place in range(len(centres))]


def leading_weights(
    values: Any, scale: Reals, genes: Sequence[npt.NDArray[np.int64]]
) -> list[Reals]:
    """Give the genes of every program the weights that reconstruct them best from one activity.

    The best factor of rank 1 of numbers >= 0 is their leading singular vector, which is >= 0 too:
    found by power iteration.

    Parameters
    ----------
    values
        (N, G) array or CSC matrix of numbers >= 0.
    scale
        (G,) what the genes are divided by.
    genes
        Those of every program; they may be in several.

    Returns
    -------
    list of float64 (gene,)
        Each of length 1, or all 0 where all its values are. The same bits whatever the number of
        threads.

    Examples
    --------
    >>> values = np.outer([1.0, 2.0, 0.0], [3.0, 4.0, 5.0])
    >>> leading_weights(values, np.ones(3), [np.array([0, 1])])[0].round(6).tolist()
    [0.6, 0.8]
    """

    def one(places: npt.NDArray[np.int64]) -> Reals:
        part = values[:, places]
        if sparse.issparse(part):
            part = sparse.csc_array(part, dtype=np.float64)
            across = part.T.tocsr()
        else:
            part = np.asarray(part, np.float64)
            across = part.T
        factor = 1 / scale[places]
        return _power_iteration(part, across, factor)

    with threadpool_limits(1, user_api="blas"), Workers() as workers:
        return workers.run(one, [(np.asarray(places),) for places in genes])


def _power_iteration(part: Any, across: Any, factor: Reals) -> Reals:
    weights = factor * np.asarray(across @ np.ones(part.shape[0])).ravel()
    length = np.linalg.norm(weights)
    if length == 0:
        return np.zeros(len(factor))
    weights /= length
    for _ in range(_STEPS):
        after = factor * (across @ (part @ (factor * weights)))
        after /= np.linalg.norm(after)
        change = np.abs(after - weights).max()
        weights = after
        if change < _EQUAL:
            break
    return np.asarray(weights)
