"""What a network is fitted to: a likelihood, penalties, and the parameters of the solver."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mutua.kernels.l1_solver import Memory, Optimum, kkt_residual, minimise_l1
from mutua.kernels.spin_states import Moments

__all__ = ["Network", "Penalty", "Problem", "Solution"]

Float = npt.NDArray[np.float64]
Likelihood = Callable[[Float, Float], tuple[float, Float, Float]]

_LEAST_CURVATURE: Final = 1e-3


class Penalty(NamedTuple):
    """What is added to the objective, for each condition.

    The l1 terms are sums of absolute values, the l2 terms half the sums of squares.
    """

    l1_coupling: Float
    """(node, node): weight for each coupling."""
    l2_coupling: float = 0.0
    l1_response: float = 0.0
    l2_response: float = 0.005
    l1_relative: float = 0.0
    """Of relative responses, in place of `l1_response`."""
    l2_relative: float = 0.0
    l2_target: float = 0.0
    """Of the difference of relative responses from `target`."""
    target: Float | None = None
    """(node, condition): relative responses that are expected, NaN for unknown."""
    controls: Float | None = None
    """(condition, condition): relative responses are response - response @ controls."""
    is_control: npt.NDArray[np.bool_] | None = None
    """(condition,)."""


class Network(NamedTuple):
    """The parameters of the model."""

    coupling: Float
    """(node, node): row = target, column = regulator."""
    response: Float
    """(node, condition)."""


class Solution(NamedTuple):
    """The network at the optimum."""

    network: Network
    value: float
    """Of the objective, summed over the conditions."""
    residual: float
    """Largest violation of the conditions of the optimum, relative to gradients that are means
    over the conditions for couplings, and those of its own condition for a response."""
    n_evaluations: int
    converged: bool
    memory: Memory


class Problem:
    """A convex problem in a vector of parameters.

    The vector holds the couplings (the upper triangle, unless they are directed) and the
    responses. Where nothing keeps responses at zero one by one, what stands in the vector in
    their place is the response to a cell with mean states: couplings and responses then hardly
    depend on each other, and far fewer steps are needed.

    Parameters
    ----------
    moments
        Of the cells.
    penalty
        What is added.
    pseudo
        Whether likelihoods are pseudo-likelihoods, which count every pair twice; so does the
        penalty then, that it means the same.
    directed
        Whether couplings may be asymmetric.
    """

    def __init__(
        self, moments: Moments, penalty: Penalty, *, pseudo: bool, directed: bool = False
    ) -> None:
        self.penalty, self.directed = penalty, directed
        n, self.n_conditions = moments.mean.shape
        self.n_nodes = n
        self.edges = np.nonzero(np.ones((n, n), bool)) if directed else np.triu_indices(n)
        self.diagonal = self.edges[0] == self.edges[1]
        multiple = np.where(self.diagonal | (not pseudo) | directed, 1.0, 2.0)
        self.edge_scale = self.n_conditions * multiple
        self.centred = penalty.l1_response == 0 and penalty.l1_relative == 0
        self.mixing = _mixing(penalty) if penalty.l1_relative else None
        self._set_shift(moments)
        self._set_vectors(moments, multiple)

    def _set_shift(self, moments: Moments) -> None:
        mean, square = moments.mean, moments.square
        variance = square - mean**2
        own = np.divide(mean - mean * square, variance, where=variance > 1e-12, out=mean * 0)
        self.shift = (mean, own)

    def _set_vectors(self, moments: Moments, multiple: Float) -> None:
        penalty, (row, column) = self.penalty, self.edges
        mean, square = moments.mean, moments.square
        variance = square - mean**2
        bend = multiple * (variance @ variance.T)[row, column]
        spread = square - square**2 - variance * self.shift[1] ** 2
        bend[self.diagonal] = spread.sum(axis=1)
        bend += self.edge_scale * penalty.l2_coupling
        push = variance + penalty.l2_response + penalty.l2_relative
        if penalty.target is not None:
            push = push + penalty.l2_target * ~np.isnan(penalty.target)
        curvature = np.concatenate([bend, push.ravel()])
        self.curvature = np.maximum(curvature, _LEAST_CURVATURE * curvature.max(initial=0.0))
        weight = np.zeros_like(mean)
        if penalty.l1_response:
            weight[:] = penalty.l1_response
        if penalty.l1_relative and penalty.is_control is not None:
            weight[:, ~penalty.is_control] = penalty.l1_relative
        edge_weight = self.edge_scale * penalty.l1_coupling[row, column]
        self.weights = np.concatenate([edge_weight, weight.ravel()])
        self.units = np.concatenate([1 / self.edge_scale, np.ones(mean.size)])

    def network(self, vector: Float) -> Network:
        """Give the network of a vector of parameters."""
        n = self.n_nodes
        coupling = np.zeros((n, n))
        edge = vector[: len(self.diagonal)]
        coupling[self.edges] = edge
        if not self.directed:
            coupling.T[self.edges] = edge
        response = vector[len(edge) :].reshape(n, self.n_conditions)
        if self.mixing is not None:
            response = response @ self.mixing
        elif self.centred:
            mean, own = self.shift
            diagonal = np.diag(coupling)[:, None]
            response = response - coupling @ mean + diagonal * (mean - own)
        return Network(coupling, response)

    def vector(self, network: Network) -> Float:
        """Give the vector of parameters of a network."""
        coupling, response = network
        if self.mixing is not None:
            response = response @ np.linalg.inv(self.mixing)
        elif self.centred:
            mean, own = self.shift
            diagonal = np.diag(coupling)[:, None]
            response = response + coupling @ mean - diagonal * (mean - own)
        return np.concatenate([coupling[self.edges], response.ravel()])

    def smooth(self, likelihood: Likelihood, vector: Float) -> tuple[float, Float]:
        """Give the part of the objective without absolute values, and its gradient."""
        coupling, response = self.network(vector)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value, by_coupling, by_response = likelihood(coupling, response)
        if not np.isfinite(value):  # a step of the solver that went much too far
            return np.inf, np.zeros_like(vector)
        more, pull = self._response_penalty(response)
        by_response = by_response + pull
        if self.mixing is not None:
            by_vector = by_response @ self.mixing.T
        else:
            by_vector = by_response
            if self.centred:
                mean, own = self.shift
                by_coupling = by_coupling - by_response @ mean.T
                by_coupling += np.diag((by_response * (mean - own)).sum(axis=1))
        edge = coupling[self.edges]
        by_edge = by_coupling[self.edges]
        if not self.directed:
            by_edge = by_edge + np.where(self.diagonal, 0.0, by_coupling.T[self.edges])
        squares = self.penalty.l2_coupling * self.edge_scale * edge
        value += more + (squares * edge).sum() / 2
        return float(value), np.concatenate([by_edge + squares, by_vector.ravel()])

    def _response_penalty(self, response: Float) -> tuple[float, Float]:
        penalty = self.penalty
        pull = penalty.l2_response * response
        value = (pull * response).sum() / 2
        if penalty.controls is None or not (penalty.l2_relative or penalty.l2_target):
            return float(value), pull
        relative = response - response @ penalty.controls
        force = penalty.l2_relative * relative
        value += (force * relative).sum() / 2
        if penalty.target is not None:
            off = np.where(np.isnan(penalty.target), 0.0, relative - penalty.target)
            value += penalty.l2_target * (off**2).sum() / 2
            force = force + penalty.l2_target * off
        return float(value), pull + force - force @ penalty.controls.T

    def solve(
        self,
        likelihood: Likelihood,
        *,
        start: Network | None = None,
        tolerance: float = 1e-6,
        max_evaluations: int = 2000,
        memory: Memory | None = None,
    ) -> Solution:
        """Give the network with the least value.

        Parameters
        ----------
        likelihood
            Gives minus the log-likelihood, summed over the conditions, and its gradients.
        start
            Where to begin, by default at zero.
        tolerance
            The residual to reach.
        max_evaluations
            Most evaluations of the likelihood.
        memory
            Of the solution of a problem that is nearly the same.
        """
        vector = np.zeros(len(self.weights)) if start is None else self.vector(start)
        found: Optimum = minimise_l1(
            lambda at: self.smooth(likelihood, at),
            vector,
            weights=self.weights,
            curvature=self.curvature,
            units=self.units,
            tolerance=tolerance,
            max_evaluations=max_evaluations,
            memory=memory,
        )
        return Solution(
            self.network(found.parameters),
            found.value,
            found.residual,
            found.n_evaluations,
            found.converged,
            found.memory,
        )

    def residual(self, likelihood: Likelihood, network: Network) -> float:
        """Give how far a network is from the optimum, see `Solution`."""
        vector = self.vector(network)
        _, gradient = self.smooth(likelihood, vector)
        return kkt_residual(vector, gradient, self.weights, self.units)


def _mixing(penalty: Penalty) -> Float:
    """Give what makes responses of relative ones (those of controls are their own)."""
    if penalty.controls is None or penalty.is_control is None:
        raise ValueError("relative responses need controls")
    mixing = penalty.controls * ~penalty.is_control
    return np.asarray(mixing + np.eye(len(mixing)))
