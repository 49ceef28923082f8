"""The convex solver, and networks fitted with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from mutua.kernels.l1_solver import kkt_residual, minimise_l1
from mutua.kernels.spin_exact import ExactLikelihood, model_moments
from mutua.kernels.spin_fit import fit_network
from mutua.kernels.spin_problem import Network, Penalty, Problem
from mutua.kernels.spin_pseudo import PseudoLikelihood
from mutua.kernels.spin_states import count_states, moments_of
from mutua.kernels.threads import Workers
from tests.kernels.test_spin_likelihoods import cells, gradient_by_differences, network
from tests.reference import spin_network as reference


def relative(n_conditions: int) -> dict[str, np.ndarray]:
    """Controls: the first two conditions, of all others."""
    is_control = np.arange(n_conditions) < 2
    controls = np.repeat(is_control[:, None] / 2, n_conditions, axis=1)
    return {"controls": controls, "is_control": is_control}


def penalties(n_nodes: int, n_conditions: int) -> dict[str, Penalty]:
    random = np.random.default_rng(3)
    l1 = np.full((n_nodes, n_nodes), 0.02)
    target = random.normal(size=(n_nodes, n_conditions))
    target[:, :2], target[1:, 2] = np.nan, np.nan
    of = relative(n_conditions)
    return {
        "none": Penalty(0 * l1, l2_response=0.0),
        "default": Penalty(l1),
        "couplings": Penalty(l1 + random.uniform(0, 0.02, l1.shape), l2_coupling=0.03),
        "responses": Penalty(l1, l1_response=0.02),
        "l1_relative": Penalty(l1, l1_relative=0.02, l2_relative=0.05, **of),
        "targets": Penalty(l1, l2_relative=0.1, l2_target=0.5, target=target, **of),
    }


PENALTIES = ["none", "default", "couplings", "responses", "l1_relative", "targets"]
LIKELIHOODS = ["exact", "pseudo_likelihood", "directed"]


def objective(name: str, penalty: Penalty, likelihood, at: Network) -> float:
    """The whole objective, written out."""
    n_conditions = at.response.shape[1]
    value = likelihood(*at)[0]
    off = np.abs(at.coupling)
    once = np.triu(off) if name == "exact" else off
    l1 = penalty.l1_coupling
    if name != "directed":
        l1 = np.triu(l1) + np.triu(l1, 1).T
    value += n_conditions * (l1 * once).sum()
    value += n_conditions * penalty.l2_coupling * (once**2).sum() / 2
    value += penalty.l1_response * np.abs(at.response).sum()
    value += penalty.l2_response * (at.response**2).sum() / 2
    if penalty.controls is not None:
        own = at.response - at.response @ penalty.controls
        value += penalty.l1_relative * np.abs(own[:, ~penalty.is_control]).sum()
        value += penalty.l2_relative * (own**2).sum() / 2
        if penalty.target is not None:
            value += penalty.l2_target * np.nansum((own - penalty.target) ** 2) / 2
    return float(value)


def problem_of(name: str, penalty: Penalty, data, workers: Workers):
    moments = moments_of(data)
    if name == "exact":
        return Problem(moments, penalty, pseudo=False), ExactLikelihood(moments, workers)
    problem = Problem(moments, penalty, pseudo=True, directed=name == "directed")
    return problem, PseudoLikelihood(data, workers)


class TestSolver:
    @given(st.integers(1, 12), st.floats(0, 3), st.integers(0, 99))
    def test_lasso_satisfies_its_conditions(self, n, weight, seed):
        random = np.random.default_rng(seed)
        x, y = random.normal(size=(n + 5, n)), random.normal(size=n + 5)
        square = x.T @ x
        found = minimise_l1(
            lambda b: (((x @ b - y) ** 2).sum() / 2, x.T @ (x @ b - y)),
            np.zeros(n),
            weights=np.full(n, weight),
            curvature=np.diag(square).copy(),
            units=np.ones(n),
            tolerance=1e-8,
        )
        assert found.converged
        gradient = x.T @ (x @ found.parameters - y)
        for b, g in zip(found.parameters, gradient, strict=True):
            if b == 0:
                assert abs(g) <= weight + 1e-7
            else:
                assert g == pytest.approx(-weight * np.sign(b), abs=1e-7)

    def test_without_weights_it_is_scipys_optimum(self):
        found = minimise_l1(
            lambda x: (optimize.rosen(x) + 50 * (x**2).sum(), optimize.rosen_der(x) + 100 * x),
            np.full(6, 0.3),
            weights=np.zeros(6),
            curvature=np.full(6, 300.0),
            units=np.ones(6),
            tolerance=1e-9,
        )
        expected = optimize.minimize(
            lambda x: optimize.rosen(x) + 50 * (x**2).sum(), np.full(6, 0.3), tol=1e-12
        )
        np.testing.assert_allclose(found.parameters, expected.x, atol=1e-5)

    def test_a_step_too_far_is_made_shorter(self):
        def function(x):  # infinite above 1; the curvature is understated a thousand times
            return (np.inf, x) if x[0] >= 1 else (-np.log(1 - x[0]) - 3 * x[0], 1 / (1 - x) - 3)

        found = minimise_l1(
            function,
            np.zeros(1),
            weights=np.zeros(1),
            curvature=np.full(1, 1e-3),
            units=np.ones(1),
            tolerance=1e-9,
        )
        assert found.parameters[0] == pytest.approx(2 / 3, abs=1e-8)

    def test_says_when_it_did_not_arrive(self):
        found = minimise_l1(
            lambda x: ((x**4).sum(), 4 * x**3),
            np.full(2, 9.0),
            weights=np.zeros(2),
            curvature=np.ones(2),
            units=np.ones(2),
            tolerance=1e-12,
            max_evaluations=4,
        )
        assert not found.converged
        assert found.n_evaluations == 4
        assert found.residual > 1e-12

    def test_residual_at_zero_and_away_from_it(self):
        found = kkt_residual(
            np.array([0.0, 0.0, 2.0, -1.0]),
            np.array([0.5, 3.0, -1.5, 1.0]),
            np.ones(4),
            np.array([9.0, 1.0, 2.0, 5.0]),
        )
        assert found == 2.0


class TestProblem:
    @pytest.mark.parametrize("name", LIKELIHOODS)
    @pytest.mark.parametrize("kind", PENALTIES)
    def test_value_and_gradient(self, name, kind):
        *_, data = cells(3, 5)
        penalty = penalties(3, 5)[kind]
        at = network(3, 5, directed=name == "directed")
        with Workers(1) as workers:
            problem, likelihood = problem_of(name, penalty, data, workers)
            vector = problem.vector(at)
            back = problem.network(vector)
            np.testing.assert_allclose(back.coupling, at.coupling, atol=1e-14)
            np.testing.assert_allclose(back.response, at.response, atol=1e-13)
            value, gradient = problem.smooth(likelihood, vector)
            whole = value + problem.weights @ np.abs(vector)
            assert whole == pytest.approx(objective(name, penalty, likelihood, at), abs=1e-10)
            expected = gradient_by_differences(lambda v: problem.smooth(likelihood, v)[0], vector)
        np.testing.assert_allclose(gradient, expected, atol=1e-7)

    @pytest.mark.parametrize("name", LIKELIHOODS)
    @pytest.mark.parametrize("kind", PENALTIES)
    def test_nothing_near_the_solution_is_better(self, name, kind):
        *_, data = cells(4, 5, n=200)
        penalty = penalties(4, 5)[kind]
        with Workers(1) as workers:
            problem, likelihood = problem_of(name, penalty, data, workers)
            found = problem.solve(likelihood, tolerance=1e-8)
            assert found.converged
            assert found.residual == pytest.approx(
                problem.residual(likelihood, found.network), abs=1e-9
            )
            assert objective(name, penalty, likelihood, found.network) == pytest.approx(found.value)
            random = np.random.default_rng(0)
            for size in (1e-3, 1e-2, 0.1):
                for _ in range(20):
                    change = random.normal(0, size, (4, 4))
                    if name != "directed":
                        change = change + change.T
                    other = Network(
                        found.network.coupling + change,
                        found.network.response + random.normal(0, size, (4, 5)),
                    )
                    assert objective(name, penalty, likelihood, other) > found.value
        if name != "directed":
            np.testing.assert_array_equal(found.network.coupling, found.network.coupling.T)

    @pytest.mark.parametrize("name", LIKELIHOODS)
    def test_scipys_optimum_without_l1(self, name):
        *_, data = cells(3, 4, n=100)
        penalty = Penalty(np.zeros((3, 3)), l2_coupling=0.02, l2_response=0.01)
        with Workers(1) as workers:
            problem, likelihood = problem_of(name, penalty, data, workers)
            found = problem.solve(likelihood, tolerance=1e-9)
            expected = optimize.minimize(
                lambda v: problem.smooth(likelihood, v),
                np.zeros(len(problem.weights)),
                jac=True,
                method="L-BFGS-B",
                options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000},
            )
        assert found.value <= expected.fun + 1e-10
        wanted = problem.network(expected.x)
        np.testing.assert_allclose(found.network.coupling, wanted.coupling, atol=1e-5)
        np.testing.assert_allclose(found.network.response, wanted.response, atol=1e-5)

    def test_strong_l1_leaves_no_coupling(self):
        *_, data = cells(4, 3)
        with Workers(1) as workers:
            problem, likelihood = problem_of("exact", Penalty(np.full((4, 4), 2.0)), data, workers)
            found = problem.solve(likelihood)
        assert (found.network.coupling == 0).all()


class TestRecovery:
    def test_exact_from_population_moments(self):
        at = network(5, 8, seed=4)
        moments = model_moments(*at)
        with Workers(1) as workers:
            problem = Problem(moments, Penalty(np.zeros((5, 5)), l2_response=0.0), pseudo=False)
            found = problem.solve(ExactLikelihood(moments, workers), tolerance=1e-10)
        np.testing.assert_allclose(found.network.coupling, at.coupling, atol=1e-6)
        np.testing.assert_allclose(found.network.response, at.response, atol=1e-6)

    def test_one_node_has_a_closed_form(self):
        states = np.array([1] * 50 + [0] * 30 + [-1] * 20)[:, None]
        data = count_states(states, np.zeros(100, np.int64), n_conditions=1)
        for method in ("exact", "pseudo_likelihood"):
            penalty = Penalty(np.zeros((1, 1)), l2_response=0.0)
            fit = fit_network(data, penalty, method=method, tolerance=1e-9)
            # exp(J + h) : 1 : exp(J - h) is 50 : 30 : 20
            self_coupling = np.log(50 * 20 / 30**2) / 2
            assert fit.network.coupling[0, 0] == pytest.approx(self_coupling, abs=1e-6)
            assert fit.network.response[0, 0] == pytest.approx(np.log(50 / 20) / 2, abs=1e-6)

    def test_all_likelihoods_agree_on_many_cells(self):
        at = network(5, 4, seed=9)
        states, condition = reference.sample(*at, n_cells=[6000, 7000, 8000, 9000], seed=0)
        data = count_states(states, condition, n_conditions=4)
        penalty = Penalty(np.zeros((5, 5)), l2_response=0.0)
        found = {
            method: fit_network(data, penalty, method=method)
            for method in ("exact", "pseudo_likelihood", "mcmc")
        }
        directed = fit_network(data, penalty, method="pseudo_likelihood", directed=True)
        for fit in (*found.values(), directed):
            np.testing.assert_allclose(fit.network.coupling, at.coupling, atol=0.1)
            np.testing.assert_allclose(fit.network.response, at.response, atol=0.15)
        exact = found["exact"].network
        other = found["mcmc"].network
        np.testing.assert_allclose(other.coupling, exact.coupling, atol=0.03)
        np.testing.assert_allclose(other.response, exact.response, atol=0.1)
        assert found["exact"].residual < 1e-6
        assert 1e-6 < found["mcmc"].residual <= 0.01

    @pytest.mark.parametrize("seed", [0, 1])
    def test_chains_come_near_the_exact_optimum(self, seed):
        """Averages of many sweeps leave a residual that the kept states alone do not reach."""
        at = network(6, 8, seed=3)
        states, condition = reference.sample(*at, n_cells=[400] * 8, seed=0)
        data = count_states(states, condition, n_conditions=8)
        penalty, moments = Penalty(np.full((6, 6), 0.01)), moments_of(data)
        fit = fit_network(data, penalty, method="mcmc", n_samples=4096, seed=seed)
        problem = Problem(moments, penalty, pseudo=False)
        with Workers(1) as workers:
            exact = ExactLikelihood(moments, workers)
            residual = problem.residual(exact, fit.network)
            best = problem.solve(exact).value
            value = objective("exact", penalty, exact, fit.network)
        assert residual <= 0.012
        assert fit.residual == pytest.approx(residual, abs=0.012)
        assert value - best < 1e-3 * 8 / 2

    def test_order_of_nodes_and_conditions_does_not_matter(self):
        states, condition, data = cells(4, 3, n=120)
        order, places = np.array([2, 0, 3, 1]), np.array([1, 2, 0])
        other = count_states(states[:, order], np.argsort(places)[condition], n_conditions=3)
        penalty = Penalty(np.full((4, 4), 0.01))
        for method, directed in (
            ("exact", False),
            ("pseudo_likelihood", False),
            ("pseudo_likelihood", True),
        ):
            options = {"method": method, "directed": directed, "tolerance": 1e-9}
            one = fit_network(data, penalty, **options).network
            two = fit_network(other, penalty, **options).network
            np.testing.assert_allclose(one.coupling[np.ix_(order, order)], two.coupling, atol=1e-6)
            np.testing.assert_allclose(one.response[np.ix_(order, places)], two.response, atol=1e-6)

    def test_rare_states_have_a_finite_optimum(self):
        states = np.ones((60, 3), np.int8)
        states[:30, 1] = -1
        data = count_states(states, np.arange(60) % 2, n_conditions=2)
        for method in ("exact", "pseudo_likelihood"):
            fit = fit_network(data, Penalty(np.full((3, 3), 0.01)), method=method)
            assert fit.converged
            assert np.isfinite(fit.network.response).all()


class TestFewSamples:
    @pytest.mark.slow
    def test_a_network_too_far_from_the_draws_is_not_taken(self):
        """With fewer draws than the moments of 13 nodes need, their likelihood has no bound."""
        random = np.random.default_rng(0)
        data = count_states(random.integers(-1, 2, (50, 13)), np.arange(50) % 2, n_conditions=2)
        penalty = Penalty(np.full((13, 13), 1e-4), l2_response=1e-4)
        fit = fit_network(data, penalty, method="mcmc", n_samples=128, max_evaluations=300)
        assert not fit.converged
        assert np.abs(fit.network.coupling).max() < 50


class TestResamples:
    def test_seed_and_threads(self, monkeypatch):
        *_, data = cells(4, 3, n=150)
        penalty = Penalty(np.full((4, 4), 0.01))
        found = []
        for n_threads, seed in ((1, 0), (2, 0), (1, 1)):
            monkeypatch.setattr(
                "mutua.kernels.threads.available_threads", lambda n_threads=n_threads: n_threads
            )
            for method in ("exact", "pseudo_likelihood", "mcmc"):
                fit = fit_network(
                    data, penalty, method=method, n_resamples=3, n_samples=256, seed=seed
                )
                found.append(fit)
        for one, two in zip(found[:3], found[3:6], strict=True):
            np.testing.assert_array_equal(one.network.response, two.network.response)
            np.testing.assert_array_equal(one.resampled.coupling, two.resampled.coupling)
            np.testing.assert_array_equal(one.resampled.response, two.resampled.response)
        assert not np.array_equal(found[0].resampled.coupling, found[6].resampled.coupling)

    def test_spread_is_that_of_new_cells(self):
        at = network(3, 4, seed=2)
        penalty = Penalty(np.full((3, 3), 0.002))
        fitted = []
        for seed in range(60):
            states, condition = reference.sample(*at, n_cells=[150, 200, 250, 300], seed=seed)
            data = count_states(states, condition, n_conditions=4)
            fitted.append(fit_network(data, penalty, method="exact", tolerance=1e-4).network)
        again = fit_network(data, penalty, method="exact", n_resamples=60).resampled
        for part in ("coupling", "response"):
            spread = np.std([getattr(found, part) for found in fitted], axis=0)
            ratio = getattr(again, part).std(axis=0) / spread
            assert 0.85 < np.median(ratio) < 1.2
            assert ratio.min() > 0.5
            assert ratio.max() < 2
