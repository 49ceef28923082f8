"""Three-state cells by condition, equal ones counted once, and their moments.

The model of all ``spin_*`` kernels: in condition k a cell has the states s in {-1, 0, 1} with
probability proportional to exp(sum_i h_ik s_i + sum_(i<j) J_ij s_i s_j + sum_i J_ii s_i ** 2).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["CountedStates", "Moments", "count_states", "moments_of", "resample"]

Float = npt.NDArray[np.float64]

_MOST_DIGITS: Final = 39  # in base 3 that fit into an int64
_ROWS: Final = 4096


class CountedStates(NamedTuple):
    """Cells by condition; where nodes are few enough, cells of equal states are one row."""

    states: npt.NDArray[np.int8]
    """(row, node): -1, 0 or 1."""
    condition: npt.NDArray[np.int64]
    """(row,): ascending."""
    multiplicity: Float
    """(row,): cells with these states."""
    n_cells: Float
    """(condition,)."""

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.states.shape[1]

    @property
    def n_conditions(self) -> int:
        """Number of conditions."""
        return len(self.n_cells)

    @property
    def weight(self) -> Float:
        """(row,): share among the cells of the condition."""
        return np.asarray(self.multiplicity / self.n_cells[self.condition])


class Moments(NamedTuple):
    """Moments of the states."""

    mean: Float
    """(node, condition)."""
    square: Float
    """(node, condition): mean of the squares."""
    product: Float
    """(node, node): mean of the products, summed over the conditions."""


def count_states(
    states: npt.ArrayLike, condition: npt.NDArray[np.int64], *, n_conditions: int
) -> CountedStates:
    """Sort cells by condition and count equal ones once.

    Parameters
    ----------
    states
        (cell, node): -1, 0 or 1.
    condition
        (cell,): number of the condition of the cell.
    n_conditions
        Number of conditions, every one with a cell at least.

    Examples
    --------
    >>> found = count_states([[1, 0], [0, 0], [1, 0]], np.array([0, 1, 0]), n_conditions=2)
    >>> found.states.tolist(), found.multiplicity.tolist()
    ([[1, 0], [0, 0]], [2.0, 1.0])
    """
    rows = np.ascontiguousarray(states, dtype=np.int8)
    n_cells = np.bincount(condition, minlength=n_conditions).astype(np.float64)
    n_nodes = rows.shape[1]
    if n_nodes < _MOST_DIGITS and 3**n_nodes * n_conditions < 3**_MOST_DIGITS:
        digits = 3 ** np.arange(n_nodes, dtype=np.int64)
        code = condition * 3**n_nodes
        for node in range(n_nodes):  # a matrix product of integers would be slower
            code += (rows[:, node].astype(np.int64) + 1) * digits[node]
        _, first, count = np.unique(code, return_index=True, return_counts=True)
    else:
        first = np.argsort(condition, kind="stable")
        count = np.ones(len(first), np.int64)
    return CountedStates(rows[first], condition[first], count.astype(np.float64), n_cells)


def moments_of(data: CountedStates) -> Moments:
    """Give the moments of the cells.

    Examples
    --------
    >>> data = count_states([[1, 0], [1, 1]], np.array([0, 0]), n_conditions=1)
    >>> moments_of(data).mean.tolist(), moments_of(data).product.tolist()
    ([[1.0], [0.5]], [[1.0, 0.5], [0.5, 0.5]])
    """
    n_nodes, n_conditions = data.n_nodes, data.n_conditions
    mean, square = np.zeros((n_conditions, n_nodes)), np.zeros((n_conditions, n_nodes))
    product = np.zeros((n_nodes, n_nodes))
    weight = data.weight
    for start in range(0, len(weight), _ROWS):
        part = slice(start, start + _ROWS)
        states = data.states[part].astype(np.float64)
        weighted = states * weight[part, None]
        product += weighted.T @ states
        own, first = np.unique(data.condition[part], return_index=True)
        mean[own] += np.add.reduceat(weighted, first)
        square[own] += np.add.reduceat(weighted * states, first)
    return Moments(mean.T.copy(), square.T.copy(), product)


def resample(data: CountedStates, random: np.random.Generator) -> CountedStates:
    """Draw as many cells of every condition, with replacement."""
    count = np.empty_like(data.multiplicity)
    bounds = np.searchsorted(data.condition, np.arange(data.n_conditions + 1))
    weight = data.weight
    for k, n in enumerate(data.n_cells.astype(np.int64)):
        own = slice(bounds[k], bounds[k + 1])
        share = weight[own]
        count[own] = random.multinomial(n, share / share.sum())
    return data._replace(multiplicity=count)
