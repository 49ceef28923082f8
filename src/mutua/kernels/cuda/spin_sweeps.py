"""Markov chains of three-state networks on the GPU: one thread for each chain.

The draws are those of `mutua.kernels.spin_mcmc`: they depend on the chain and the sweep only. What
a chain has lies next to what its neighbours have, so that threads read along.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import cuda

from mutua.kernels.cuda.launches import n_blocks, n_threads
from mutua.kernels.devices import with_tiles
from mutua.kernels.spin_mcmc import Chains, averaged
from mutua.kernels.spin_problem import Network
from mutua.kernels.spin_states import Moments

__all__ = ["CudaChains"]

Float = npt.NDArray[np.float64]
Bytes = npt.NDArray[np.int8]

_THREADS = 32  # of a block: a few thousand chains are to keep all processors busy
_BYTES = 2**28  # of what a piece writes
_GAMMA = np.uint64(0x9E3779B97F4A7C15)  # splitmix64, as in `mutua.kernels.random_sequences`
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_S11, _S27, _S30, _S31 = np.uint64(11), np.uint64(27), np.uint64(30), np.uint64(31)
_UNIT = 2.0**-53


class CudaChains(Chains):
    """Chains of states, some for each condition, that go on from where they are.

    The parameters are those of `mutua.kernels.spin_mcmc.Chains`.
    """

    def draw(self, network: Network, *, n_draws: int, every: int, burn_in: int) -> Bytes:
        """Give int8 (condition, draw of a chain, node), `every` so many sweeps."""
        n_conditions, n_chains, n_nodes = self.states.shape
        kept = np.empty((n_conditions, n_draws * n_chains, n_nodes), np.int8)

        def some(first: int, n: int) -> None:
            on = _Device(self, network, first, n)
            drawn = cuda.device_array((n_draws, n_nodes, on.n), "int8")
            _sweep[on.blocks, on.threads](*on.arrays, burn_in, every, drawn)
            of_chain = drawn.copy_to_host().reshape(n_draws, n_nodes, -1, n_chains)
            kept[first : first + n] = of_chain.transpose(2, 0, 3, 1).reshape(-1, *kept.shape[1:])
            on.finish(self, first)

        self._all(some, n_draws * n_nodes * n_chains)
        return kept

    def average(self, network: Network, *, n_sweeps: int, burn_in: int) -> Moments:
        """Give the moments under a network, from every one of many sweeps."""
        n_conditions, n_chains, n_nodes = self.states.shape
        mean, square = np.empty((2, n_conditions, n_nodes))
        product = np.empty((n_conditions, n_nodes, n_nodes))

        def some(first: int, n: int) -> None:
            on = _Device(self, network, first, n)
            sums = cuda.to_device(np.zeros((2, n_nodes, on.n)))
            products = cuda.to_device(np.zeros((n_nodes, n_nodes, on.n)))
            _average[on.blocks, on.threads](*on.arrays, burn_in, n_sweeps, sums, products)
            part = slice(first, first + n)
            added = sums.copy_to_host().reshape(2, n_nodes, -1, n_chains).sum(axis=3)
            mean[part], square[part] = added.transpose(0, 2, 1)
            of_pairs = products.copy_to_host().reshape(n_nodes, n_nodes, -1, n_chains)
            product[part] = of_pairs.sum(axis=3).transpose(2, 0, 1)
            on.finish(self, first)

        self._all(some, 8 * n_nodes * (n_nodes + 2) * n_chains)
        return averaged(mean, square, product, n_chains * n_sweeps)

    def _all(self, some, bytes_of_condition: int) -> None:
        """Do all conditions, as many together as fit."""
        n_conditions = len(self.states)
        together = max(min(n_conditions, _BYTES // bytes_of_condition), 1)
        first = 0
        while first < n_conditions:

            def one(n: int, first: int = first) -> int:
                some(first, min(n, n_conditions - first))
                return n

            # A piece that did not fit has changed no chain.
            together = with_tiles(
                one,
                together,
                smallest=1,
                argument="adata",
                needed=lambda n: float(n * bytes_of_condition),
            )
            first += together


class _Device:
    """The chains of some conditions and their network on the GPU."""

    def __init__(self, chains: Chains, network: Network, first: int, n: int) -> None:
        part = slice(first, first + n)
        _, n_chains, n_nodes = chains.states.shape
        states = chains.states[part].reshape(-1, n_nodes)
        self.n = len(states)
        others = network.coupling.copy()
        np.fill_diagonal(others, 0.0)
        self.states = cuda.to_device(np.ascontiguousarray(states.T))
        self.streams = cuda.to_device(chains.streams[part].reshape(-1).copy())
        self.arrays = (
            self.states,
            self.streams,
            cuda.to_device(others),
            cuda.to_device(np.exp(np.diag(network.coupling))),
            cuda.to_device(np.ascontiguousarray(network.response.T[part])),
            np.int64(n_chains),
            cuda.device_array((n_nodes, self.n), "float64"),
        )
        self.threads = n_threads(self.n, _THREADS)
        self.blocks = n_blocks(-(-self.n // self.threads))

    def finish(self, chains: Chains, first: int) -> None:
        """Put the chains where they have got to."""
        n_chains, n_nodes = chains.states.shape[1:]
        part = slice(first, first + self.n // n_chains)
        chains.states[part] = self.states.copy_to_host().T.reshape(-1, n_chains, n_nodes)
        chains.streams[part] = self.streams.copy_to_host().reshape(-1, n_chains)


@cuda.jit(device=True)
def _chance(state):
    """Give a number in [0, 1) of a stream of splitmix64."""
    x = (state ^ (state >> _S30)) * _MIX_A
    x = (x ^ (x >> _S27)) * _MIX_B
    x = x ^ (x >> _S31)
    return np.float64(x >> _S11) * _UNIT


@cuda.jit(device=True)
def _first_field(states, others, response, condition, field, chain):
    """Fill in what the response and the other nodes do to each node."""
    n_nodes = states.shape[0]
    for i in range(n_nodes):
        total = response[condition, i]
        for j in range(n_nodes):
            total += others[i, j] * np.float64(states[j, chain])
        field[i, chain] = total


@cuda.jit(device=True)
def _change(states, others, field, chain, i, new):
    """Put a node into a state, and tell the others."""
    change = new - np.float64(states[i, chain])
    if change != 0.0:
        states[i, chain] = np.int8(new)
        for j in range(states.shape[0]):
            field[j, chain] += others[j, i] * change


@cuda.jit(cache=True)
def _sweep(states, streams, others, outer, response, n_chains, field, burn_in, every, drawn):
    """Draw every node in turn given the others, sweep after sweep."""
    n_draws, n_nodes, n = drawn.shape
    for chain in range(cuda.grid(1), n, cuda.gridsize(1)):
        state = streams[chain]
        _first_field(states, others, response, chain // n_chains, field, chain)
        for sweep in range(1, burn_in + n_draws * every + 1):
            for i in range(n_nodes):
                state += _GAMMA
                middle = math.exp(-abs(field[i, chain]))
                near = outer[i]
                far = near * middle * middle
                place = _chance(state) * (near + middle + far)
                new = 0.0
                if place >= middle:
                    new = 1.0 if place < middle + near else -1.0
                if field[i, chain] < 0.0:
                    new = -new
                _change(states, others, field, chain, i, new)
            if sweep > burn_in and (sweep - burn_in) % every == 0:
                for i in range(n_nodes):
                    drawn[(sweep - burn_in) // every - 1, i, chain] = states[i, chain]
        streams[chain] = state


@cuda.jit(cache=True)
def _average(
    states, streams, others, outer, response, n_chains, field, burn_in, n_sweeps, sums, products
):
    """Sweep as `_sweep` does; add up what is expected of every node given the others."""
    n_nodes, n = states.shape
    for chain in range(cuda.grid(1), n, cuda.gridsize(1)):
        state = streams[chain]
        _first_field(states, others, response, chain // n_chains, field, chain)
        for sweep in range(burn_in + n_sweeps):
            for i in range(n_nodes):
                state += _GAMMA
                middle = math.exp(-abs(field[i, chain]))
                near = outer[i]
                far = near * middle * middle
                total = near + middle + far
                place = _chance(state) * total
                expected = (near - far) / total
                new = 0.0
                if place >= middle:
                    new = 1.0 if place < middle + near else -1.0
                if field[i, chain] < 0.0:
                    new = -new
                    expected = -expected
                if sweep >= burn_in:
                    sums[0, i, chain] += expected
                    sums[1, i, chain] += (near + far) / total
                    for j in range(n_nodes):
                        products[i, j, chain] += expected * np.float64(states[j, chain])
                _change(states, others, field, chain, i, new)
        streams[chain] = state
