"""The exact likelihood of the three-state network, by enumeration of all 3 ** M states.

The sum over all states needs no exponential for every state and condition. The nodes are cut into
two halves, a and b. With E the exponentials of the couplings between the halves (a matrix of all
states of a by all states of b, shared by the conditions) and u_k, v_k those of what lies within a
half, the sum over all states of condition k is u_k' E v_k: matrix products of all conditions at
once, and 3 ** M exponentials in place of 3 ** M for each condition.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mutua.kernels.spin_states import Moments
from mutua.kernels.threads import Workers
from mutua.settings import settings

__all__ = ["ExactLikelihood", "model_moments"]

Float = npt.NDArray[np.float64]

_BLOCK: Final = 2**17  # states enumerated together: always as many, whatever the threads


class _Half:
    """All states of some of the nodes, with the energies that lie within them."""

    def __init__(self, nodes: slice, n: int) -> None:
        self.nodes = nodes
        self.states = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=n)))
        self.states = self.states.reshape(3**n, n)

    def weights(self, coupling: Float, response: Float) -> tuple[Float, Float]:
        """Give exponentials (state, condition), at most 1, and the logarithm taken out."""
        inner = coupling[self.nodes, self.nodes]
        energy = ((self.states @ inner) * self.states).sum(axis=1)
        # Off the diagonal every pair was counted twice, on it once.
        energy = (energy + (self.states**2) @ np.diag(inner)) / 2
        logits = self.states @ response[self.nodes] + energy[:, None]
        largest = logits.max(axis=0)
        return np.exp(logits - largest), largest


class ExactLikelihood:
    """Minus the log-likelihood of every condition, summed, and its gradients.

    Parameters
    ----------
    moments
        Of the cells.
    workers
        Threads to use. Results do not depend on their number.
    """

    def __init__(self, moments: Moments, workers: Workers) -> None:
        n = len(moments.mean)
        self.moments, self.workers = moments, workers
        self.first = _Half(slice(0, n // 2), n // 2)
        self.second = _Half(slice(n // 2, n), n - n // 2)
        rows = max(1, _BLOCK // len(self.second.states))
        n_first = len(self.first.states)
        self.blocks = [slice(i, min(i + rows, n_first)) for i in range(0, n_first, rows)]
        # Where there is room, the exponentials of a block are kept between the two passes.
        self.keep = 8 * 3**n <= settings.memory

    def __call__(self, coupling: Float, response: Float) -> tuple[float, Float, Float]:
        """Give the value and its gradients, as if all (node, node) couplings were free.

        Parameters
        ----------
        coupling
            float64 (node, node), symmetric.
        response
            float64 (node, condition).
        """
        log_z, mean, product = self.expectations(coupling, response)
        if not np.isfinite(log_z).all():
            return np.inf, coupling, response
        data = self.moments
        value = log_z.sum() - (response * data.mean).sum()
        doubled = coupling + np.diag(np.diag(coupling))
        value -= (doubled * data.product).sum() / 2
        gradient = (product - data.product) / 2
        np.fill_diagonal(gradient, 2 * np.diag(gradient))
        return float(value), gradient, mean - data.mean

    def expectations(self, coupling: Float, response: Float) -> tuple[Float, Float, Float]:
        """Give log Z (condition,), means (node, condition), products summed over conditions."""
        first, second = self.first, self.second
        u, log_u = first.weights(coupling, response)
        v, log_v = second.weights(coupling, response)
        cross = first.states @ coupling[first.nodes, second.nodes]
        top = np.abs(coupling[first.nodes, second.nodes]).sum()
        done = self.workers.run(
            _forward, [(cross[block], second.states, v, top, self.keep) for block in self.blocks]
        )
        sums = np.concatenate([part for part, _ in done])
        z = (u * sums).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_z = np.log(z) + log_u + log_v + top
            scaled = np.where(z > 0, u / z, 0.0)
        back = self.workers.run(
            _backward,
            [
                (cross[block], second.states, v, top, scaled[block], kept)
                for block, (_, kept) in zip(self.blocks, done, strict=True)
            ],
        )
        p_first = scaled * sums
        p_second = v * sum(part for part, _ in back)
        joint = np.concatenate([part for _, part in back])
        mean = np.concatenate([first.states.T @ p_first, second.states.T @ p_second])
        across = first.states.T @ joint
        product = np.block(
            [
                [_second_moments(first.states, p_first), across],
                [across.T, _second_moments(second.states, p_second)],
            ]
        )
        return log_z, mean, product


def _exponentials(cross: Float, states: Float, top: float) -> Float:
    energy = cross @ states.T
    energy -= top
    return np.asarray(np.exp(energy, out=energy))


def _forward(
    cross: Float, states: Float, v: Float, top: float, keep: bool
) -> tuple[Float, Float | None]:
    """Sum over the second half; give (state of the first, condition)."""
    weights = _exponentials(cross, states, top)
    return weights @ v, weights if keep else None


def _backward(
    cross: Float, states: Float, v: Float, top: float, scaled: Float, kept: Float | None
) -> tuple[Float, Any]:
    """Give sums over a block of the first half, and joint sums with nodes of the second."""
    weights = _exponentials(cross, states, top) if kept is None else kept
    sums = weights.T @ scaled
    joint = scaled @ v.T
    joint *= weights
    return sums, joint @ states


def _second_moments(states: Float, p: Float) -> Float:
    return np.asarray((states * p.sum(axis=1)[:, None]).T @ states)


def model_moments(coupling: Float, response: Float) -> Moments:
    """Give the moments that a network implies.

    Parameters
    ----------
    coupling
        float64 (node, node), symmetric.
    response
        float64 (node, condition).

    Examples
    --------
    >>> moments = model_moments(np.zeros((2, 2)), np.zeros((2, 1)))
    >>> moments.square.round(3).tolist(), moments.product.round(3).tolist()
    ([[0.667], [0.667]], [[0.667, 0.0], [0.0, 0.667]])
    """
    n, n_conditions = response.shape
    empty = Moments(np.zeros((n, n_conditions)), np.zeros((n, n_conditions)), np.zeros((n, n)))
    square = np.empty((n, n_conditions))
    total = np.zeros((n, n))
    mean = np.empty((n, n_conditions))
    with Workers(1) as workers:
        likelihood = ExactLikelihood(empty, workers)
        for k in range(n_conditions):
            _, own, product = likelihood.expectations(coupling, response[:, [k]])
            mean[:, k], square[:, k] = own[:, 0], np.diag(product)
            total += product
    return Moments(mean, square, total)
