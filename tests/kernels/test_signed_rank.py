"""Wilcoxon's signed-rank test and bootstrap intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from mutua.kernels.signed_rank import mean_intervals, signed_rank_p
from tests.reference.interactions import signed_rank


@given(st.lists(st.integers(-4, 4), max_size=9))
@settings(max_examples=150, deadline=None)
def test_exact_with_zeros_and_ties(differences: list[int]) -> None:
    expected = signed_rank(differences) if any(differences) else 1.0
    assert signed_rank_p(differences) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "shift"), [(6, 1.0), (23, 0.4), (50, 0.2)])
def test_exact_as_scipy(n: int, shift: float) -> None:
    values = np.random.default_rng(n).normal(shift, 1, n)
    expected = wilcoxon(values, method="exact").pvalue
    assert signed_rank_p(values) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rounded", [False, True])
def test_many_as_scipy(rounded: bool) -> None:
    values = np.random.default_rng(1).normal(0.2, 1, 180)
    values = np.round(values) if rounded else values
    expected = wilcoxon(values, zero_method="wilcox", method="approx").pvalue
    assert signed_rank_p(values) == pytest.approx(expected, rel=1e-9)


def test_least_p_and_none() -> None:
    assert signed_rank_p(np.arange(1.0, 7)) == 2 / 64
    assert signed_rank_p(np.zeros(8)) == signed_rank_p([]) == 1
    assert 0 < signed_rank_p(np.arange(1.0, 5000)) < 1e-300
    values = np.random.default_rng(0).normal(0.3, 1, 40)
    assert signed_rank_p(values) == signed_rank_p(-values) == signed_rank_p(7 * values[::-1])


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    columns = rng.normal(2, 3, (40, 300))
    low, high = mean_intervals(columns, confidence=0.9, n_resamples=500, seed=1)
    assert 0.83 < ((low < 2) & (high > 2)).mean() < 0.94
    width = 2 * 1.645 * 3 / np.sqrt(40)
    assert np.mean(high - low) == pytest.approx(width, rel=0.06)


def test_intervals_depend_on_seed_alone() -> None:
    values = np.random.default_rng(2).normal(size=(17, 3))
    options = {"confidence": 0.95, "n_resamples": 200}
    first = mean_intervals(values, seed=3, **options)
    np.testing.assert_array_equal(first, mean_intervals(values, seed=3, **options))
    np.testing.assert_array_equal(
        mean_intervals(values[:, [2]], seed=3, **options)[0], first[0][[2]]
    )
    assert (mean_intervals(values, seed=4, **options)[0] != first[0]).all()
