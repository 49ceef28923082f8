"""Activity of gene programs in cells, block of rows by block of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import sparse
from threadpoolctl import threadpool_limits

from mutua.kernels.nonnegative_coefficients import nonnegative_coefficients
from mutua.kernels.threads import Workers

__all__ = ["ROWS", "Activity", "Blocks", "in_threads", "program_activity", "program_correlation"]

Reals = npt.NDArray[np.float64]
Blocks = Callable[[], Iterator[Any]]
"""Gives the rows from the first to the last, `ROWS` at a time: arrays or CSR matrices.

Blocks that are elsewhere have a method ``each(function, *own)``, which gives what
``function(block, *own)`` gives for every block, in order, as `in_threads` does for those here.
"""

ROWS: Final = 2048
"""Rows of a block: always as many, so that the bits do not depend on chunks or settings."""
_PER_THREAD: Final = 2


class Activity(NamedTuple):
    """Activities, and what the correlations with them need.

    Attributes
    ----------
    activity
        (N, M) float64, >= 0.
    relative_error
        Length of what the programs leave of the scaled values, as a share of their length.
    total, squares
        (G,) float64: sums of the values and of their squares.
    constant
        (G,) bool: genes with one value only.
    """

    activity: Reals
    relative_error: float
    total: Reals
    squares: Reals
    constant: npt.NDArray[np.bool_]


class _Part(NamedTuple):
    products: Reals
    total: Reals
    squares: Reals
    low: Reals
    high: Reals


def program_activity(blocks: Blocks, weights: Reals, scale: Reals) -> Activity:
    """Give the activities >= 0 that reconstruct every cell best from the programs.

    Parameters
    ----------
    blocks
        The values, >= 0.
    weights
        (G, M) float64: of every gene in every program.
    scale
        (G,) float64: what the genes are divided by.

    Returns
    -------
    Activity
        Least squares of ``x / scale`` on the programs: a product where they share no genes, else
        exact non-negative least squares. The same bits whatever the number of threads.

    Examples
    --------
    >>> weights = np.array([[0.6, 0.0], [0.8, 0.0], [0.0, 1.0]])
    >>> values = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])
    >>> program_activity(lambda: iter([values]), weights, np.ones(3)).activity.tolist()
    [[5.0, 0.0], [0.0, 2.0]]
    """
    spread = sparse.csr_array(weights / scale[:, None])
    table = spread.indptr.astype(np.int64), spread.indices.astype(np.int64), spread.data

    def one(block: Any) -> _Part:
        return _part(block, table, weights.shape)

    parts = list(_over(one, blocks))
    products = np.concatenate([part.products for part in parts])
    total = np.sum([part.total for part in parts], axis=0)
    squares = np.sum([part.squares for part in parts], axis=0)
    low = np.min([part.low for part in parts], axis=0)
    high = np.max([part.high for part in parts], axis=0)
    gram = weights.T @ weights
    shared = (weights > 0).sum(axis=1).max(initial=0) > 1
    if not shared:  # whose products are 0 but for rounding
        gram = np.diag(np.diag(gram))
    activity = nonnegative_coefficients(products, gram)
    length = float((squares / scale**2).sum())
    fitted = float((activity * (2 * products - activity @ gram)).sum())
    error = np.sqrt(max(length - fitted, 0) / length) if length > 0 else 0.0
    return Activity(activity, float(error), total, squares, low == high)


def program_correlation(blocks: Blocks, found: Activity) -> Reals:
    """Correlate every gene with every activity.

    Parameters
    ----------
    blocks
        The values, as `program_activity` got them.
    found
        What it gave.

    Returns
    -------
    float64 (G, M)
        Pearson r from -1 to 1; 0 for a constant gene or activity.
    """
    activity = found.activity
    centred = activity - activity.mean(axis=0)
    centred -= centred.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    varied = (activity != activity[:1]).any(axis=0) & (length > 0)
    units = np.where(varied, centred / np.where(varied, length, 1), 0)
    of_blocks = (units[start : start + ROWS] for start in range(0, len(units), ROWS))

    def one(block: Any, own: Reals) -> Reals:
        return np.asarray(block.T @ own, np.float64)

    # The units sum to 0, so that means need not be taken off the genes.
    products = np.zeros((len(found.total), activity.shape[1]))
    for part in _over(one, blocks, of_blocks):
        products += part
    squares = found.squares - found.total**2 / len(activity)
    there = ~found.constant & (squares > 1e-12 * found.squares)
    r = np.zeros_like(products)
    r[there] = products[there] / np.sqrt(squares[there])[:, None]
    return np.clip(r, -1, 1)


def _over(function: Callable[..., Any], blocks: Blocks, *own: Iterable[Any]) -> Iterator[Any]:
    """Apply a function to every block and what is its own, here or where the blocks are."""
    each = getattr(blocks, "each", None)
    if each is not None:
        yield from each(function, *own)
    else:
        yield from in_threads(function, zip(blocks(), *own, strict=False))


def in_threads(function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Call a function with every task, a few at a time; give what it gave in order."""
    with threadpool_limits(1, user_api="blas"), Workers() as workers:
        waiting: list[tuple[Any, ...]] = []
        for task in tasks:
            waiting.append(task)
            if len(waiting) == _PER_THREAD * workers.n_threads:
                yield from workers.run(function, waiting)
                waiting = []
        yield from workers.run(function, waiting)


def _part(block: Any, table: tuple[Any, Any, Any], shape: tuple[int, ...]) -> _Part:
    n_genes, n_programs = shape
    products = np.zeros((block.shape[0], n_programs))
    sums = np.zeros((2, n_genes))
    bounds = np.array([np.full(n_genes, np.inf), np.full(n_genes, -np.inf)])
    if sparse.issparse(block):
        _sparse_rows(block.indptr, block.indices, block.data, *table, products, sums, bounds)
        full = np.bincount(block.indices, minlength=n_genes) == block.shape[0]
        bounds[0] = np.where(full, bounds[0], np.minimum(bounds[0], 0))
        bounds[1] = np.where(full, bounds[1], np.maximum(bounds[1], 0))
    else:
        _dense_rows(np.ascontiguousarray(block), *table, products, sums, bounds)
    return _Part(products, sums[0], sums[1], bounds[0], bounds[1])


@njit(cache=True, nogil=True)
def _add(
    gene: int,
    value: float,
    start: Any,
    program: Any,
    weight: Any,
    products: Reals,
    sums: Reals,
    bounds: Reals,
) -> None:
    for k in range(start[gene], start[gene + 1]):
        products[program[k]] += value * weight[k]
    sums[0, gene] += value
    sums[1, gene] += value * value
    bounds[0, gene] = min(bounds[0, gene], value)
    bounds[1, gene] = max(bounds[1, gene], value)


@njit(cache=True, nogil=True)
def _dense_rows(
    block: Any,
    start: Any,
    program: Any,
    weight: Any,
    products: Reals,
    sums: Reals,
    bounds: Reals,
) -> None:
    for row in range(block.shape[0]):
        for gene in range(block.shape[1]):
            value = np.float64(block[row, gene])
            _add(gene, value, start, program, weight, products[row], sums, bounds)


@njit(cache=True, nogil=True)
def _sparse_rows(
    indptr: Any,
    indices: Any,
    data: Any,
    start: Any,
    program: Any,
    weight: Any,
    products: Reals,
    sums: Reals,
    bounds: Reals,
) -> None:
    for row in range(len(indptr) - 1):
        for place in range(indptr[row], indptr[row + 1]):
            value = np.float64(data[place])
            _add(indices[place], value, start, program, weight, products[row], sums, bounds)
