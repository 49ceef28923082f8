"""The pseudo-likelihood of the three-state network: every node given all others.

Couplings need not be symmetric: a row holds what the other nodes (columns) do to a node.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.spin_states import CountedStates
from mutua.kernels.threads import Workers

__all__ = ["PseudoLikelihood"]

Float = npt.NDArray[np.float64]

_LANES: Final = 8  # sums that are added up at the end: always as many, whatever the threads
_VALUES: Final = 2**17  # states looked at together
_LEAST_ROWS, _MOST_ROWS = 64, 2048


class PseudoLikelihood:
    """Minus the log pseudo-likelihood of every condition, summed, and its gradients.

    Parameters
    ----------
    data
        The cells.
    workers
        Threads to use. Results do not depend on their number.
    """

    def __init__(self, data: CountedStates, workers: Workers) -> None:
        self.data, self.workers = data, workers
        self.weight = data.weight
        n_rows = int(np.clip(_VALUES // data.n_nodes, _LEAST_ROWS, _MOST_ROWS))
        blocks = [slice(i, i + n_rows) for i in range(0, len(self.weight), n_rows)]
        self.lanes = [blocks[lane::_LANES] for lane in range(min(_LANES, len(blocks)))]

    def __call__(self, coupling: Float, response: Float) -> tuple[float, Float, Float]:
        """Give the value, and its gradients with all (node, node) couplings free.

        Parameters
        ----------
        coupling
            float64 (node, node): row = target, column = regulator.
        response
            float64 (node, condition).
        """
        diagonal = np.diag(coupling).copy()
        others = coupling.T.copy()
        np.fill_diagonal(others, 0.0)
        rows = np.ascontiguousarray(response.T)
        tasks = [(lane, others, diagonal, rows) for lane in self.lanes]
        value = 0.0
        gradient = np.zeros_like(others)
        pushed = np.zeros_like(rows)
        for own_value, own_gradient, parts in self.workers.run(self._lane, tasks):
            value += own_value
            gradient += own_gradient
            for first, part in parts:
                pushed[first : first + len(part)] += part
        return value, gradient, np.ascontiguousarray(pushed.T)

    def _lane(
        self, blocks: list[slice], others: Float, diagonal: Float, response: Float
    ) -> tuple[float, Float, list[tuple[int, Float]]]:
        n_nodes = len(diagonal)
        value = 0.0
        gradient = np.zeros((n_nodes, n_nodes))
        self_gradient = np.zeros(n_nodes)
        parts: list[tuple[int, Any]] = []
        for block in blocks:
            condition = self.data.condition[block]
            states = self.data.states[block].astype(np.float64)
            field = states @ others
            first = int(condition[0])
            pushed = np.zeros((int(condition[-1]) - first + 1, n_nodes))
            value += _residuals(
                field,
                states,
                self.weight[block],
                condition - first,
                response[first:],
                diagonal,
                pushed,
                self_gradient,
            )
            gradient += field.T @ states
            parts.append((first, pushed))
        np.fill_diagonal(gradient, self_gradient)
        return value, gradient, parts


@njit(nogil=True, cache=True, error_model="numpy")
def _residuals(
    field: Float,
    states: Float,
    weight: Float,
    condition: npt.NDArray[np.int64],
    response: Float,
    diagonal: Float,
    pushed: Float,
    self_gradient: Float,
) -> float:
    """Overwrite what the others do to a node by the weighted gradient; give the value.

    The weights of the states 1, 0 and -1 of a node are exp(d + f), 1 and exp(d - f). All are
    divided by exp(abs(f)), so that none grows beyond all numbers. Where all of them vanish, far
    from any optimum, the value is not finite, which the solver knows to step back from.
    """
    n_rows, n_nodes = field.shape
    outer = np.exp(diagonal)
    value = 0.0
    for row in range(n_rows):
        k, w = condition[row], weight[row]
        if w == 0:
            field[row] = 0
            continue
        for i in range(n_nodes):
            s = states[row, i]
            f = field[row, i] + response[k, i]
            size = abs(f)
            middle = np.exp(-size)
            near = outer[i]
            far = near * middle * middle
            total = near + far + middle
            mean = (near - far) / total
            if f < 0:
                mean = -mean
            value += w * (size + np.log(total) - s * f - s * s * diagonal[i])
            self_gradient[i] += w * ((near + far) / total - s * s)
            mean = w * (mean - s)
            field[row, i] = mean
            pushed[k, i] += mean
    return value
