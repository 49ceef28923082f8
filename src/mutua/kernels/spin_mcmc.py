"""The likelihood of the three-state network from Markov chains, where there are too many states.

States are drawn under a reference network, by Gibbs sweeps over many chains of every condition.
How the sum over all states differs in another network is then a weighted mean over the drawn
states (Geyer, Computing Science and Statistics 23:156, 1991): a convex function of the network
with exact gradients, whose optimum is found like that of the exact likelihood. It is a good
approximation near the reference, so that the optimum becomes the next reference.

At the last one the gradient of the drawn states is replaced by one from many more sweeps, of which
nothing is kept but the expectation of every node given the others (Gelfand and Smith, J. Am. Stat.
Assoc. 85:398, 1990). The drawn states then only say how the gradient changes nearby.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.random_sequences import mix64
from mutua.kernels.spin_problem import Network
from mutua.kernels.spin_states import CountedStates, Moments
from mutua.kernels.threads import Workers

__all__ = ["Chains", "Excess", "SampledLikelihood", "Tilts", "averaged", "sampled_moments"]

Float = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.int8]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # the increment of SplitMix64
_UNIT: Final = 2.0**-53


class Chains:
    """Chains of states, some for each condition, that go on from where they are.

    Parameters
    ----------
    data
        The cells: chains start from states drawn from them.
    n_chains
        Chains for every condition.
    seed
        Of all that is random. Draws depend on the chain and the sweep only.
    workers
        Threads to use.
    """

    def __init__(self, data: CountedStates, *, n_chains: int, seed: int, workers: Workers) -> None:
        random = np.random.default_rng([seed, 0])
        bounds = np.searchsorted(data.condition, np.arange(data.n_conditions + 1))
        weight = data.weight
        self.states = np.empty((data.n_conditions, n_chains, data.n_nodes), np.int8)
        for k in range(data.n_conditions):
            own = np.arange(bounds[k], bounds[k + 1])
            share = weight[own] / weight[own].sum()
            self.states[k] = data.states[random.choice(own, n_chains, p=share)]
        self.streams = random.integers(2**63, size=self.states.shape[:2], dtype=np.uint64)
        self.workers = workers

    def draw(self, network: Network, *, n_draws: int, every: int, burn_in: int) -> Bytes:
        """Give int8 (condition, draw of a chain, node), `every` so many sweeps.

        Parameters
        ----------
        network
            A symmetric network.
        n_draws
            States to keep of each chain.
        every
            Sweeps from one kept state to the next.
        burn_in
            Sweeps before the first.
        """
        n_conditions, n_chains, n_nodes = self.states.shape
        kept = np.empty((n_conditions, n_draws * n_chains, n_nodes), np.int8)
        others = network.coupling.copy()
        np.fill_diagonal(others, 0.0)
        outer = np.exp(np.diag(network.coupling))
        response = np.ascontiguousarray(network.response.T)
        self.workers.run(
            _sweep,
            [
                (
                    self.states[k],
                    self.streams[k],
                    others,
                    outer,
                    response[k],
                    burn_in,
                    every,
                    kept[k],
                )
                for k in range(n_conditions)
            ],
        )
        return kept

    def average(self, network: Network, *, n_sweeps: int, burn_in: int) -> Moments:
        """Give the moments under a network, from every one of many sweeps.

        Parameters
        ----------
        network
            A symmetric network.
        n_sweeps
            Sweeps of each chain.
        burn_in
            Sweeps before the first.
        """
        n_conditions, n_chains, n_nodes = self.states.shape
        others = network.coupling.copy()
        np.fill_diagonal(others, 0.0)
        outer = np.exp(np.diag(network.coupling))
        response = np.ascontiguousarray(network.response.T)
        mean, square = np.zeros((2, n_conditions, n_nodes))
        product = np.zeros((n_conditions, n_nodes, n_nodes))
        self.workers.run(
            _average,
            [
                (
                    self.states[k],
                    self.streams[k],
                    others,
                    outer,
                    response[k],
                    burn_in,
                    n_sweeps,
                    mean[k],
                    square[k],
                    product[k],
                )
                for k in range(n_conditions)
            ],
        )
        return averaged(mean, square, product, n_chains * n_sweeps)


def averaged(mean: Float, square: Float, product: Float, n: int) -> Moments:
    """Give moments from sums by condition, of which products differ in the two directions."""
    total = product.sum(axis=0) / n
    total = (total + total.T) / 2
    np.fill_diagonal(total, square.sum(axis=0) / n)
    return Moments((mean / n).T.copy(), (square / n).T.copy(), total)


@njit(nogil=True, cache=True)
def _sweep(
    states: Bytes,
    streams: npt.NDArray[np.uint64],
    others: Float,
    outer: Float,
    response: Float,
    burn_in: int,
    every: int,
    kept: Bytes,
) -> None:
    """Draw every node in turn given the others, sweep after sweep, chain by chain."""
    n_chains, n_nodes = states.shape
    n_draws = len(kept) // n_chains
    field = np.empty(n_nodes)
    for chain in range(n_chains):
        state = streams[chain]
        own = states[chain]
        for i in range(n_nodes):
            field[i] = response[i]
            for j in range(n_nodes):
                field[i] += others[i, j] * own[j]
        for sweep in range(1, burn_in + n_draws * every + 1):
            for i in range(n_nodes):
                state += _GAMMA
                chance = np.float64(mix64(state) >> np.uint64(11)) * _UNIT
                middle = np.exp(-abs(field[i]))
                near, far = outer[i], outer[i] * middle * middle
                place = chance * (near + middle + far)
                new = 0 if place < middle else (1 if place < middle + near else -1)
                if field[i] < 0:
                    new = -new
                change = new - own[i]
                if change != 0:
                    own[i] = new
                    for j in range(n_nodes):
                        field[j] += others[j, i] * change
            if sweep > burn_in and (sweep - burn_in) % every == 0:
                draw = (sweep - burn_in) // every - 1
                kept[draw * n_chains + chain] = own
        streams[chain] = state


@njit(nogil=True, cache=True)
def _average(
    states: Bytes,
    streams: npt.NDArray[np.uint64],
    others: Float,
    outer: Float,
    response: Float,
    burn_in: int,
    n_sweeps: int,
    mean: Float,
    square: Float,
    product: Float,
) -> None:
    """Sweep as `_sweep` does; add up what is expected of every node given the others."""
    n_chains, n_nodes = states.shape
    field, own = np.empty(n_nodes), np.empty(n_nodes)
    for chain in range(n_chains):
        state = streams[chain]
        own[:] = states[chain]
        for i in range(n_nodes):
            field[i] = response[i]
            for j in range(n_nodes):
                field[i] += others[i, j] * own[j]
        for sweep in range(burn_in + n_sweeps):
            for i in range(n_nodes):
                state += _GAMMA
                chance = np.float64(mix64(state) >> np.uint64(11)) * _UNIT
                middle = np.exp(-abs(field[i]))
                near, far = outer[i], outer[i] * middle * middle
                place = chance * (near + middle + far)
                new = 0.0 if place < middle else (1.0 if place < middle + near else -1.0)
                expected = (near - far) / (near + middle + far)
                if field[i] < 0:
                    new, expected = -new, -expected
                if sweep >= burn_in:
                    mean[i] += expected
                    square[i] += (near + far) / (near + middle + far)
                    for j in range(n_nodes):
                        product[i, j] += expected * own[j]
                change = new - own[i]
                if change != 0:
                    own[i] = new
                    for j in range(n_nodes):
                        field[j] += others[j, i] * change
        for i in range(n_nodes):
            states[chain, i] = np.int8(own[i])
        streams[chain] = state


class Excess(NamedTuple):
    """How much larger moments are than the drawn states say."""

    mean: Float
    """(node, condition)."""
    product: Float
    """(node, node), summed over the conditions."""


class Tilts(NamedTuple):
    """What the drawn states say of another network."""

    log_ratio: float
    """Summed over the conditions."""
    mean: Float
    """(node, condition)."""
    product: Float
    """(node, node), summed over the conditions."""
    effective: float
    """Least share of the draws, over the conditions, that the weighted ones are worth."""


class _Tilted(NamedTuple):
    """What the drawn states say of one condition of another network."""

    log_ratio: float
    mean: Float
    product: Float
    effective: float
    """Share of the draws that the weighted ones are worth."""


class SampledLikelihood:
    """Minus the log-likelihood relative to that of the reference, and its gradients.

    Parameters
    ----------
    moments
        Of the cells.
    draws
        int8 (condition, draw, node), from `Chains` under the reference.
    reference
        The network of the draws.
    workers
        Threads to use. Results do not depend on their number.
    excess
        By how much the gradients are known to be larger.
    """

    def __init__(
        self,
        moments: Moments,
        draws: Bytes,
        reference: Network,
        workers: Workers,
        excess: Excess | None = None,
    ) -> None:
        self.draws, self.reference, self.workers = draws, reference, workers
        self.cells, self.excess = moments, excess
        self.moments = moments
        if excess is not None:  # as large a gradient as if the cells had so much less
            less = moments.mean - excess.mean, moments.square, moments.product - excess.product
            self.moments = Moments(*less)

    def __call__(self, coupling: Float, response: Float) -> tuple[float, Float, Float]:
        """Give the value and its gradients, as if all (node, node) couplings were free."""
        tilts, data = self.tilts(coupling, response), self.moments
        value = tilts.log_ratio
        value -= float((response * data.mean).sum())
        doubled = coupling + np.diag(np.diag(coupling))
        value -= float((doubled * data.product).sum()) / 2
        gradient = (tilts.product - data.product) / 2
        np.fill_diagonal(gradient, 2 * np.diag(gradient))
        return value, gradient, tilts.mean - data.mean

    def effective(self, network: Network) -> float:
        """Give the least share of draws, over the conditions, that still count for a network."""
        return self.tilts(*network).effective

    def excess_at(self, network: Network, moments: Moments) -> Excess:
        """Give by how much the moments of a network are larger than the draws say."""
        tilts = self.tilts(*network)
        return Excess(moments.mean - tilts.mean, moments.product - tilts.product)

    def tilts(self, coupling: Float, response: Float) -> Tilts:
        """Give what the draws say of a network, by the weights they have in it."""
        change = coupling - self.reference.coupling
        push = response - self.reference.response
        tasks = [(own, change, push[:, k]) for k, own in enumerate(self.draws)]
        tilted: list[_Tilted] = self.workers.run(_tilt, tasks)
        return Tilts(
            float(sum(own.log_ratio for own in tilted)),
            np.stack([own.mean for own in tilted], axis=1),
            np.asarray(sum(own.product for own in tilted)),
            min(own.effective for own in tilted),
        )


def _tilt(draws: Bytes, change: Float, push: Float) -> _Tilted:
    states = draws.astype(np.float64)
    doubled = change + np.diag(np.diag(change))
    logits = ((states @ doubled) * states).sum(axis=1) / 2 + states @ push
    largest = logits.max()
    weight = np.exp(logits - largest)
    total = weight.sum()
    weight /= total
    product = (states * weight[:, None]).T @ states
    effective = 1 / (len(weight) * float(weight @ weight))
    log_ratio = float(np.log(total / len(weight)) + largest)
    return _Tilted(log_ratio, weight @ states, product, effective)


def sampled_moments(draws: Bytes) -> Moments:
    """Give the moments of drawn states.

    Parameters
    ----------
    draws
        int8 (condition, draw, node).
    """
    n_conditions, n_draws, n_nodes = draws.shape
    mean, square = np.empty((2, n_nodes, n_conditions))
    product = np.zeros((n_nodes, n_nodes))
    for k, own in enumerate(draws):
        states = own.astype(np.float64)
        mean[:, k], square[:, k] = states.mean(axis=0), (states**2).mean(axis=0)
        product += states.T @ states / n_draws
    return Moments(mean, square, product)
