"""Likelihoods of the three-state network and their gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.kernels.spin_exact import ExactLikelihood, model_moments
from mutua.kernels.spin_mcmc import Chains, SampledLikelihood, sampled_moments
from mutua.kernels.spin_problem import Network
from mutua.kernels.spin_pseudo import PseudoLikelihood
from mutua.kernels.spin_states import count_states, moments_of, resample
from mutua.kernels.threads import Workers
from mutua.settings import settings
from tests.reference import spin_network as reference


def network(n_nodes: int, n_conditions: int, seed: int = 0, directed: bool = False) -> Network:
    random = np.random.default_rng(seed)
    coupling = random.normal(0, 0.5, (n_nodes, n_nodes))
    if not directed:
        coupling = (coupling + coupling.T) / 2
    return Network(coupling, random.normal(0, 0.7, (n_nodes, n_conditions)))


def cells(n_nodes: int, n_conditions: int, n: int = 50, seed: int = 0):
    random = np.random.default_rng(seed)
    states = random.integers(-1, 2, (n, n_nodes))
    condition = random.permutation(np.arange(n) % n_conditions)
    return states, condition, count_states(states, condition, n_conditions=n_conditions)


def gradient_by_differences(value, at: np.ndarray, step: float = 1e-5) -> np.ndarray:
    found = np.empty_like(at)
    for place in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[place] += step
        down[place] -= step
        found[place] = (value(up) - value(down)) / (2 * step)
    return found


class TestStates:
    @given(st.integers(1, 50), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
    def test_counts_and_moments_are_those_of_the_cells(self, n, n_nodes, n_conditions, seed):
        n = max(n, n_conditions)
        states, condition, data = cells(n_nodes, n_conditions, n, seed)
        assert data.multiplicity.sum() == n
        again = np.repeat(data.states, data.multiplicity.astype(int), axis=0)
        of_row = np.repeat(data.condition, data.multiplicity.astype(int))
        moments = moments_of(data)
        total = np.zeros((n_nodes, n_nodes))
        for k in range(n_conditions):
            own = states[condition == k].astype(float)
            assert sorted(map(tuple, own)) == sorted(map(tuple, again[of_row == k]))
            np.testing.assert_allclose(moments.mean[:, k], own.mean(axis=0), atol=1e-12)
            np.testing.assert_allclose(moments.square[:, k], (own**2).mean(axis=0), atol=1e-12)
            total += own.T @ own / len(own)
        np.testing.assert_allclose(moments.product, total, atol=1e-12)

    def test_many_nodes_are_not_counted_together(self):
        states, condition, data = cells(50, 3, n=20)
        assert len(data.states) == 20
        np.testing.assert_array_equal(data.states, states[np.argsort(condition, kind="stable")])

    def test_more_nodes_than_powers_of_three(self):
        """3 ** 1000 is no floating number."""
        states = np.random.default_rng(0).integers(-1, 2, (6, 1000))
        data = count_states(states, np.array([0, 1, 0, 1, 0, 1]), n_conditions=2)
        np.testing.assert_array_equal(data.states, states[[0, 2, 4, 1, 3, 5]])

    def test_resamples_keep_the_number_of_cells(self):
        *_, data = cells(2, 3, n=70)
        again = resample(data, np.random.default_rng(0))
        assert not np.array_equal(again.multiplicity, data.multiplicity)
        found = np.bincount(again.condition, weights=again.multiplicity)
        np.testing.assert_array_equal(found, data.n_cells)


class TestExact:
    @pytest.mark.parametrize("n_nodes", [1, 2, 3, 6])
    def test_expectations_are_those_of_enumeration(self, n_nodes):
        coupling, response = network(n_nodes, 4, seed=n_nodes)
        found = model_moments(coupling, response)
        total = np.zeros((n_nodes, n_nodes))
        for k in range(4):
            mean, product = reference.expectations(coupling, response[:, k])
            np.testing.assert_allclose(found.mean[:, k], mean, atol=1e-13)
            np.testing.assert_allclose(found.square[:, k], np.diag(product), atol=1e-13)
            total += product
        np.testing.assert_allclose(found.product, total, atol=1e-13)

    def test_value_is_that_of_the_loops(self):
        states, condition, data = cells(4, 3)
        at = network(4, 3)
        with Workers() as workers:
            value, *_ = ExactLikelihood(moments_of(data), workers)(*at)
        expected = reference.negative_log_likelihood(states, condition, *at)
        assert value == pytest.approx(expected, abs=1e-12)

    def test_gradients_are_those_of_differences(self):
        *_, data = cells(4, 3)
        at = network(4, 3)
        with Workers(1) as workers:
            likelihood = ExactLikelihood(moments_of(data), workers)
            _, by_coupling, by_response = likelihood(*at)

            def value(coupling):  # as if free: half of what a symmetric pair gives together
                return likelihood((coupling + coupling.T) / 2, at.response)[0]

            expected = gradient_by_differences(value, at.coupling)
            np.testing.assert_allclose(by_coupling, expected, atol=1e-8)
            expected = gradient_by_differences(
                lambda response: likelihood(at.coupling, response)[0], at.response
            )
            np.testing.assert_allclose(by_response, expected, atol=1e-8)

    @pytest.mark.parametrize("keep", [True, False])
    def test_blocks_and_threads_change_no_bit(self, keep, monkeypatch):
        *_, data = cells(7, 5)
        at = network(7, 5)
        results = []
        for n_threads in (1, 2):
            with Workers(n_threads) as workers:
                monkeypatch.setattr("mutua.kernels.spin_exact._BLOCK", 400)
                likelihood = ExactLikelihood(moments_of(data), workers)
                assert len(likelihood.blocks) == 7
                likelihood.keep = keep
                results.append(likelihood(*at))
        for one, two in zip(*results, strict=True):
            np.testing.assert_array_equal(one, two)
        monkeypatch.undo()
        with Workers(1) as workers:
            whole = ExactLikelihood(moments_of(data), workers)(*at)
        for one, two in zip(results[0], whole, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-12)

    def test_little_memory_keeps_nothing(self):
        *_, data = cells(12, 2)
        before = settings.memory
        try:
            settings.memory = 2**20
            with Workers(1) as workers:
                assert not ExactLikelihood(moments_of(data), workers).keep
        finally:
            settings.memory = before

    def test_large_responses_do_not_overflow(self):
        coupling, response = network(3, 2)
        found = model_moments(coupling, response * 1000)
        np.testing.assert_allclose(np.abs(found.mean), 1, atol=1e-12)


class TestPseudoLikelihood:
    def test_where_all_weights_vanish_it_is_not_finite(self):
        """Couplings of nodes with themselves so far away that no exponential is above 0."""
        *_, data = cells(4, 3)
        coupling, response = network(4, 3)
        np.fill_diagonal(coupling, -2000.0)
        with Workers(1) as workers, np.errstate(all="ignore"):
            value, *_ = PseudoLikelihood(data, workers)(coupling, response + 1000.0)
        assert not np.isfinite(value)

    def test_value_is_that_of_the_loops(self):
        states, condition, data = cells(4, 3)
        at = network(4, 3, directed=True)
        with Workers() as workers:
            value, *_ = PseudoLikelihood(data, workers)(*at)
        expected = reference.negative_pseudo_likelihood(states, condition, *at)
        assert value == pytest.approx(expected, abs=1e-12)

    def test_gradients_are_those_of_differences(self):
        *_, data = cells(4, 3)
        at = network(4, 3, directed=True)
        with Workers(1) as workers:
            likelihood = PseudoLikelihood(data, workers)
            _, by_coupling, by_response = likelihood(*at)
            expected = gradient_by_differences(
                lambda coupling: likelihood(coupling, at.response)[0], at.coupling
            )
            np.testing.assert_allclose(by_coupling, expected, atol=1e-8)
            expected = gradient_by_differences(
                lambda response: likelihood(at.coupling, response)[0], at.response
            )
            np.testing.assert_allclose(by_response, expected, atol=1e-8)

    def test_gradients_are_those_of_autograd(self):
        torch = pytest.importorskip("torch")
        states, condition, data = cells(5, 3)
        at = network(5, 3, directed=True)
        coupling = torch.tensor(at.coupling, requires_grad=True)
        response = torch.tensor(at.response, requires_grad=True)
        s = torch.tensor(states, dtype=torch.float64)
        diagonal = torch.diagonal(coupling)
        field = s @ (coupling - torch.diag(diagonal)).T + response[:, condition].T
        logits = torch.stack([diagonal - field, torch.zeros_like(field), diagonal + field])
        picked = torch.gather(logits, 0, torch.tensor(states + 1)[None])[0]
        weight = torch.tensor(1 / data.n_cells[condition])
        ((torch.logsumexp(logits, 0) - picked).sum(1) * weight).sum().backward()
        with Workers(1) as workers:
            _, by_coupling, by_response = PseudoLikelihood(data, workers)(*at)
        np.testing.assert_allclose(by_coupling, coupling.grad.numpy(), atol=1e-12)
        np.testing.assert_allclose(by_response, response.grad.numpy(), atol=1e-12)

    def test_threads_change_no_bit(self, monkeypatch):
        monkeypatch.setattr("mutua.kernels.spin_pseudo._MOST_ROWS", 70)
        *_, data = cells(9, 4, n=2000)
        at = network(9, 4, directed=True)
        results = []
        for n_threads in (1, 2):
            with Workers(n_threads) as workers:
                likelihood = PseudoLikelihood(data, workers)
                assert len(likelihood.lanes) == 8
                results.append(likelihood(*at))
        for one, two in zip(*results, strict=True):
            np.testing.assert_array_equal(one, two)

    def test_large_responses_do_not_overflow(self):
        *_, data = cells(3, 2)
        at = network(3, 2)
        with Workers(1) as workers:
            value, *gradients = PseudoLikelihood(data, workers)(at.coupling, 1000 * at.response)
        assert np.isfinite(value)
        assert all(np.isfinite(gradient).all() for gradient in gradients)


class TestChains:
    def test_moments_are_those_of_enumeration(self):
        at = network(4, 3, seed=5)
        *_, data = cells(4, 3)
        with Workers() as workers:
            chains = Chains(data, n_chains=200, seed=1, workers=workers)
            draws = chains.draw(at, n_draws=200, every=2, burn_in=30)
        assert draws.shape == (3, 40_000, 4)
        found, expected = sampled_moments(draws), model_moments(*at)
        np.testing.assert_allclose(found.mean, expected.mean, atol=0.015)
        np.testing.assert_allclose(found.square, expected.square, atol=0.015)
        np.testing.assert_allclose(found.product, expected.product, atol=0.03)

    def test_averages_are_those_of_enumeration(self):
        """Nearer than the kept states of as many sweeps, and symmetric."""
        at = network(4, 3, seed=5)
        *_, data = cells(4, 3)
        with Workers() as workers:
            chains = Chains(data, n_chains=200, seed=1, workers=workers)
            found = chains.average(at, n_sweeps=400, burn_in=30)
            drawn = sampled_moments(chains.draw(at, n_draws=400, every=1, burn_in=0))
        expected = model_moments(*at)
        np.testing.assert_allclose(found.mean, expected.mean, atol=0.008)
        np.testing.assert_allclose(found.square, expected.square, atol=0.008)
        np.testing.assert_allclose(found.product, expected.product, atol=0.015)
        np.testing.assert_array_equal(found.product, found.product.T)
        np.testing.assert_allclose(np.diag(found.product), found.square.sum(axis=1), atol=1e-14)
        off = [np.abs(one.mean - expected.mean).mean() for one in (found, drawn)]
        assert off[0] < off[1]

    def test_averages_go_on_with_the_chains_and_ignore_threads(self):
        at = network(3, 4)
        *_, data = cells(3, 4)
        found = []
        for n_threads in (1, 2):
            with Workers(n_threads) as workers:
                chains = Chains(data, n_chains=5, seed=0, workers=workers)
                found.append(chains.average(at, n_sweeps=6, burn_in=2))
                after = chains.draw(at, n_draws=1, every=1, burn_in=0)
                other = Chains(data, n_chains=5, seed=0, workers=workers)
                whole = other.draw(at, n_draws=9, every=1, burn_in=0)
                np.testing.assert_array_equal(after, whole[:, -5:])
        for one, two in zip(*found, strict=True):
            np.testing.assert_array_equal(one, two)

    def test_excess_makes_the_gradients_those_of_other_moments(self):
        at, other = network(3, 2), network(3, 2, seed=1)
        *_, data = cells(3, 2)
        draws = np.random.default_rng(0).integers(-1, 2, (2, 50, 3)).astype(np.int8)
        with Workers(1) as workers:
            plain = SampledLikelihood(moments_of(data), draws, other, workers)
            excess = plain.excess_at(at, model_moments(*at))
            corrected = SampledLikelihood(moments_of(data), draws, other, workers, excess)
            _, by_coupling, by_response = corrected(*at)
            _, *expected = ExactLikelihood(moments_of(data), workers)(*at)
            np.testing.assert_allclose(by_coupling, expected[0], atol=1e-12)
            np.testing.assert_allclose(by_response, expected[1], atol=1e-12)
            found = gradient_by_differences(
                lambda response: corrected(other.coupling, response)[0], at.response
            )
            np.testing.assert_allclose(corrected(other.coupling, at.response)[2], found, atol=1e-7)

    def test_seed_and_threads(self):
        at = network(5, 4)
        *_, data = cells(5, 4)
        drawn = []
        for n_threads, seed in ((1, 3), (2, 3), (1, 4)):
            with Workers(n_threads) as workers:
                chains = Chains(data, n_chains=6, seed=seed, workers=workers)
                drawn.append(chains.draw(at, n_draws=7, every=1, burn_in=2))
        np.testing.assert_array_equal(drawn[0], drawn[1])
        assert not np.array_equal(drawn[0], drawn[2])

    def test_chains_go_on(self):
        at = network(3, 2)
        *_, data = cells(3, 2)
        with Workers(1) as workers:
            one = Chains(data, n_chains=5, seed=0, workers=workers)
            whole = one.draw(at, n_draws=8, every=2, burn_in=3)
            other = Chains(data, n_chains=5, seed=0, workers=workers)
            first = other.draw(at, n_draws=3, every=2, burn_in=3)
            second = other.draw(at, n_draws=5, every=2, burn_in=0)
        np.testing.assert_array_equal(whole, np.concatenate([first, second], axis=1))

    def test_likelihood_is_near_the_exact_one(self):
        reference_network = network(4, 3, seed=2)
        near = Network(*(part * 1.1 for part in reference_network))
        *_, data = cells(4, 3)
        moments = moments_of(data)
        with Workers() as workers:
            chains = Chains(data, n_chains=200, seed=0, workers=workers)
            draws = chains.draw(reference_network, n_draws=200, every=2, burn_in=30)
            sampled = SampledLikelihood(moments, draws, reference_network, workers)
            exact = ExactLikelihood(moments, workers)
            value, *gradients = sampled(*near)
            start, *_ = sampled(*reference_network)
            assert sampled.effective(reference_network) == pytest.approx(1)
            assert 0.8 < sampled.effective(near) < 1
            expected, *exact_gradients = exact(*near)
            exact_start, *_ = exact(*reference_network)
        assert value - start == pytest.approx(expected - exact_start, abs=0.02)
        for found, wanted in zip(gradients, exact_gradients, strict=True):
            np.testing.assert_allclose(found, wanted, atol=0.03)

    def test_gradients_are_those_of_differences(self):
        at = network(3, 2)
        *_, data = cells(3, 2)
        random = np.random.default_rng(0)
        draws = random.integers(-1, 2, (2, 50, 3)).astype(np.int8)
        with Workers(1) as workers:
            sampled = SampledLikelihood(moments_of(data), draws, network(3, 2, seed=1), workers)
            _, by_coupling, by_response = sampled(*at)

            def value(coupling):
                return sampled((coupling + coupling.T) / 2, at.response)[0]

            expected = gradient_by_differences(value, at.coupling)
            np.testing.assert_allclose(by_coupling, expected, atol=1e-8)
            expected = gradient_by_differences(
                lambda response: sampled(at.coupling, response)[0], at.response
            )
            np.testing.assert_allclose(by_response, expected, atol=1e-8)
