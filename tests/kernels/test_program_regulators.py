"""Regressions of programs on genes: against a general solver, the formula, and what was planted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mutua as mt
from mutua.kernels.program_regulators import Regulators, program_regulators
from tests.reference.program_regulators import objective, solve


class Planted(NamedTuple):
    genes: np.ndarray
    states: np.ndarray
    coupling: np.ndarray
    own: np.ndarray
    activity: np.ndarray


def planted(n_cells: int, n_genes: int, n_programs: int, n_each: int, seed: int = 0) -> Planted:
    random = np.random.default_rng(seed)
    genes = random.choice([-1, 0, 1], (n_cells, n_genes), p=[0.5, 0.2, 0.3]).astype(np.int8)
    coupling = np.zeros((n_programs, n_genes))
    for row in coupling:
        strength = random.uniform(0.6, 1.2, n_each) * random.choice([-1, 1], n_each)
        row[random.permutation(n_genes)[:n_each]] = strength
    own, activity = random.normal(0, 0.5, (2, n_programs))
    drive = genes @ coupling.T + activity
    odds = np.exp(np.stack([own - drive, np.zeros_like(drive), own + drive], axis=-1))
    limits = (odds / odds.sum(axis=-1, keepdims=True)).cumsum(axis=-1)
    states = (random.random((*drive.shape, 1)) > limits[..., :2]).sum(axis=-1) - 1
    return Planted(genes, states.astype(np.int8), coupling, own, activity)


def fit(made: Planted, l1: float = 0.01, weights: np.ndarray | None = None) -> Regulators:
    n_cells, n_programs = made.states.shape
    weights = np.full(n_cells, 1 / n_cells) if weights is None else weights
    allowed = np.ones((n_programs, made.genes.shape[1]), bool)
    return program_regulators(made.genes, made.states, weights, l1=l1, allowed=allowed)


@given(
    st.integers(5, 90), st.integers(1, 7), st.integers(1, 3), st.integers(0, 999),
    st.sampled_from([0.003, 0.03, 0.3]),
)  # fmt: skip
@settings(max_examples=25)
def test_optimum_is_that_of_a_general_solver(
    n_cells: int, n_genes: int, n_programs: int, seed: int, l1: float
) -> None:
    random = np.random.default_rng(seed)
    made = planted(n_cells, n_genes, n_programs, min(2, n_genes), seed)
    weights = random.random(n_cells) + 0.1
    weights /= weights.sum()
    found = fit(made, l1, weights)
    assert found.residual <= 1e-6
    for p in range(n_programs):
        problem = made.genes, made.states[:, p], weights
        coupling, own, activity = solve(*problem, l1)
        best = objective(*problem, coupling, own, activity, l1)
        ours = objective(*problem, found.coupling[p], found.self_coupling[p], found.activity[p], l1)
        assert ours <= best + 1e-6


def test_parameters_are_those_of_a_general_solver() -> None:
    made = planted(700, 13, 3, 4)
    weights = np.full(700, 1 / 700)
    found = fit(made, 0.02)
    for p in range(3):
        coupling, own, activity = solve(made.genes, made.states[:, p], weights, 0.02)
        np.testing.assert_allclose(found.coupling[p], coupling, atol=2e-5)
        assert found.self_coupling[p] == pytest.approx(own, abs=2e-5)
        assert found.activity[p] == pytest.approx(activity, abs=2e-5)
        null = solve(made.genes[:, :0], made.states[:, p], weights, 0.02)
        none = objective(made.genes[:, :0], made.states[:, p], weights, *null, 0.0)
        ours = objective(
            made.genes, made.states[:, p], weights, found.coupling[p], own, activity, 0.0
        )
        assert found.explained[p] == pytest.approx(1 - ours / none, abs=1e-5)


def test_planted_regulators() -> None:
    made = planted(9000, 300, 4, 6)
    found = fit(made, 0.02)
    np.testing.assert_array_equal(found.coupling != 0, made.coupling != 0)
    np.testing.assert_array_equal(np.sign(found.coupling), np.sign(made.coupling))
    assert np.corrcoef(found.coupling.ravel(), made.coupling.ravel())[0, 1] > 0.99
    np.testing.assert_allclose(found.self_coupling, made.own, atol=0.35)
    assert ((found.explained > 0.2) & (found.explained < 0.7)).all()


def test_with_a_weak_penalty_the_parameters_are_those_planted() -> None:
    made = planted(20_000, 9, 2, 3)
    found = fit(made, 1e-4)
    np.testing.assert_allclose(found.coupling, made.coupling, atol=0.08)
    np.testing.assert_allclose(found.self_coupling, made.own, atol=0.08)
    np.testing.assert_allclose(found.activity, made.activity, atol=0.08)


def test_a_strong_penalty_leaves_nothing() -> None:
    found = fit(planted(200, 8, 3, 2), 1.0)
    assert (found.coupling == 0).all()
    np.testing.assert_array_equal(found.explained, 0.0)
    assert found.residual <= 1e-6


def test_only_what_is_allowed() -> None:
    made = planted(900, 12, 3, 3)
    allowed = made.coupling == 0
    weights = np.full(900, 1 / 900)
    found = program_regulators(made.genes, made.states, weights, l1=0.002, allowed=allowed)
    assert (found.coupling[~allowed] == 0).all()
    assert (found.coupling[allowed] != 0).any()
    nothing = program_regulators(
        made.genes, made.states, weights, l1=0.002, allowed=np.zeros_like(allowed)
    )
    assert (nothing.coupling == 0).all()
    assert nothing.residual <= 1e-6


@pytest.mark.parametrize("states", [(0,), (1,), (-1, 1), (0, 1)], ids=str)
def test_states_that_do_not_occur(states: tuple[int, ...]) -> None:
    made = planted(300, 6, 1, 2)
    own = np.array(states)[np.arange(300) % len(states)].astype(np.int8)[:, None]
    found = fit(made._replace(states=own))
    assert found.residual <= 1e-6
    assert np.isfinite(found.coupling).all()
    assert max(abs(found.self_coupling[0]), abs(found.activity[0])) < 20


def test_genes_that_are_the_same_or_constant() -> None:
    made = planted(500, 6, 2, 2)
    genes = np.concatenate([made.genes, made.genes, np.zeros((500, 1), np.int8)], axis=1)
    found = fit(made._replace(genes=genes))
    assert found.residual <= 1e-6
    assert (found.coupling[:, -1] == 0).all()
    single = fit(made)
    both = found.coupling[:, :6] + found.coupling[:, 6:12]
    np.testing.assert_allclose(both, single.coupling, atol=1e-4)


def test_weight_zero_is_no_cell() -> None:
    made = planted(400, 7, 2, 3)
    weights = np.where(np.arange(400) < 250, 1 / 250, 0.0)
    cut = made._replace(genes=made.genes[:250], states=made.states[:250])
    found, expected = fit(made, weights=weights), fit(cut)
    np.testing.assert_allclose(found.coupling, expected.coupling, atol=1e-5)


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made = planted(5000, 600, 5, 4)
    results = []
    for n_threads in (1, 2):
        monkeypatch.setattr(mt.settings, "threads", n_threads)
        results.append(fit(made))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
