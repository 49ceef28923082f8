"""Markov chains by numba for CUDA, beside those by numba for the CPU."""

from __future__ import annotations

import numpy as np
import pytest

from mutua.kernels.cuda import spin_sweeps
from mutua.kernels.cuda.spin_sweeps import CudaChains
from mutua.kernels.spin_mcmc import Chains
from mutua.kernels.threads import Workers
from tests.kernels.test_spin_likelihoods import cells, network

# The simulator counts with numbers of numpy, which speak of overflow where random bits want it.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered")


def both(n_nodes: int, n_conditions: int, n_chains: int):
    *_, data = cells(n_nodes, n_conditions)
    options = {"n_chains": n_chains, "seed": 3, "workers": Workers(1)}
    return network(n_nodes, n_conditions), Chains(data, **options), CudaChains(data, **options)


@pytest.mark.parametrize("bytes_", [2**28, 1])
def test_draws_are_those_of_the_cpu(monkeypatch, bytes_):
    monkeypatch.setattr(spin_sweeps, "_BYTES", bytes_)
    at, cpu, gpu = both(4, 3, 2)
    for _ in range(2):  # chains go on
        expected = cpu.draw(at, n_draws=3, every=2, burn_in=2)
        np.testing.assert_array_equal(gpu.draw(at, n_draws=3, every=2, burn_in=2), expected)
        np.testing.assert_array_equal(gpu.states, cpu.states)
        np.testing.assert_array_equal(gpu.streams, cpu.streams)


def test_averages_are_those_of_the_cpu():
    at, cpu, gpu = both(3, 4, 2)
    expected = cpu.average(at, n_sweeps=5, burn_in=1)
    for one, two in zip(gpu.average(at, n_sweeps=5, burn_in=1), expected, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-14)
    np.testing.assert_array_equal(gpu.streams, cpu.streams)


def test_fewer_conditions_where_memory_is_short(monkeypatch):
    at, cpu, gpu = both(3, 5, 1)
    expected = cpu.draw(at, n_draws=2, every=1, burn_in=0)
    tried = []
    device = spin_sweeps._Device

    def short(chains, network, first, n):
        tried.append((first, n))
        if n > 2:
            raise MemoryError
        return device(chains, network, first, n)

    monkeypatch.setattr(spin_sweeps, "_Device", short)
    np.testing.assert_array_equal(gpu.draw(at, n_draws=2, every=1, burn_in=0), expected)
    assert tried == [(0, 5), (0, 2), (2, 2), (4, 1)]


@pytest.mark.gpu
def test_many_chains():
    at, cpu, gpu = both(20, 50, 128)
    cpu.workers = Workers()
    with cpu.workers:
        expected = cpu.draw(at, n_draws=64, every=3, burn_in=60)
        found = gpu.draw(at, n_draws=64, every=3, burn_in=60)
        # An exponential that is rounded otherwise may send a chain elsewhere, hardly ever.
        assert (found == expected).mean() > 0.999
        one, two = (chains.average(at, n_sweeps=500, burn_in=0) for chains in (cpu, gpu))
    np.testing.assert_allclose(one.mean, two.mean, atol=0.02)
