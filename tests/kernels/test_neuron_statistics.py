"""Comparisons of two groups, beside scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm

from mutua.kernels.neuron_statistics import compare_groups

N, NEURONS = 60, 4


def data(seed: int = 0, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    active = random.random((N, NEURONS)) < [0.2, 0.3, 0.5, 0.8]
    values = random.normal(size=N) + active[:, 1] + 1e6
    return np.round(values) if ties else values, active


@pytest.mark.parametrize("ties", [False, True])
def test_tests_are_those_of_scipy(ties: bool) -> None:
    values, active = data(ties=ties)
    counted = np.arange(N) % 7 > 0
    found = compare_groups(values, active, counted, test="mean")
    ranked = compare_groups(values, active, counted)
    assert found.rank_effect is None
    assert ranked.rank_effect is not None
    for k in range(NEURONS):
        a, b = values[counted & active[:, k]], values[counted & ~active[:, k]]
        test = scipy.stats.ttest_ind(a, b, equal_var=False)
        interval = test.confidence_interval(0.95)
        pooled = np.sqrt(((a - a.mean()) @ (a - a.mean()) + (b - b.mean()) @ (b - b.mean()))
                         / (len(a) + len(b) - 2))  # fmt: skip
        expected = [len(a), len(b), a.mean(), b.mean(), a.mean() - b.mean(), *interval,
                    (a.mean() - b.mean()) / pooled]  # fmt: skip
        np.testing.assert_allclose([field[k] for field in found[:8]], expected, rtol=1e-7)
        np.testing.assert_allclose([field[k] for field in ranked[:8]], expected, rtol=1e-7)
        np.testing.assert_allclose(found.p_value[k], test.pvalue, rtol=1e-7)
        rank = scipy.stats.mannwhitneyu(a, b)
        np.testing.assert_allclose(ranked.p_value[k], rank.pvalue, rtol=1e-7)
        higher = 2 * rank.statistic / (len(a) * len(b)) - 1
        np.testing.assert_allclose(ranked.rank_effect[k], higher, atol=1e-12)


def test_regression_is_that_of_statsmodels() -> None:
    values, active = data()
    random = np.random.default_rng(3)
    length = random.integers(50, 900, N) + 300 * active[:, 2]
    table = np.stack([length, random.random(N), np.full(N, 4.0), 2.0 * length + 1], axis=1)
    values = values + 0.01 * length
    found = compare_groups(values, active, np.ones(N, bool), table, test="mean")
    ranked = compare_groups(values, active, np.ones(N, bool), table)
    np.testing.assert_array_equal(ranked.effect, found.effect)
    for k in range(NEURONS):
        design = np.column_stack([np.ones(N), active[:, k], table[:, :2]])
        fit = sm.OLS(values, design).fit(cov_type="HC3", use_t=True)
        np.testing.assert_allclose(found.effect[k], fit.params[1], rtol=1e-6)
        of_ranks = sm.OLS(scipy.stats.rankdata(values), design).fit()
        np.testing.assert_allclose(ranked.rank_effect[k], of_ranks.params[1] * 2 / N, rtol=1e-6)
        np.testing.assert_allclose(ranked.p_value[k], of_ranks.pvalues[1], rtol=1e-5)
        # Welch's degrees of freedom, of what the sequences of each group add to the variance.
        hat = fit.get_influence().hat_matrix_diag
        parts = (np.linalg.pinv(design)[1] * fit.resid / (1 - hat)) ** 2
        np.testing.assert_allclose(np.sqrt(parts.sum()), fit.bse[1], rtol=1e-6)
        groups = [parts[active[:, k] == group] for group in (0, 1)]
        freedom = parts.sum() ** 2 / sum(g.sum() ** 2 / (len(g) - 1) for g in groups)
        freedom = min(freedom, fit.df_resid)
        p_value = 2 * scipy.stats.t.sf(abs(fit.tvalues[1]), freedom)
        half = scipy.stats.t.ppf(0.975, freedom) * fit.bse[1]
        np.testing.assert_allclose(found.p_value[k], p_value, rtol=1e-5)
        np.testing.assert_allclose(
            [found.effect_low[k], found.effect_high[k]], fit.params[1] + [-half, half], rtol=1e-5
        )


@pytest.mark.parametrize("n_active", [6, 30])
def test_small_groups_have_few_small_p_values_by_chance(n_active: int) -> None:
    random = np.random.default_rng(n_active)
    n, n_repeats = 60, 1500
    active = np.zeros((n, 1), bool)
    active[:n_active] = True
    table, values = random.random((n, 1)), random.normal(size=(n_repeats, n))
    for test in ("rank", "mean"):
        p = np.array([
            compare_groups(one, active, np.ones(n, bool), table, test=test).p_value[0]
            for one in values
        ])  # fmt: skip
        assert np.mean(p < 0.05) < 0.075
        assert np.mean(p < 0.001) < 0.004


@pytest.mark.parametrize("covariate", [False, True])
def test_ranks_keep_their_level_where_labels_have_a_long_tail(covariate: bool) -> None:
    random = np.random.default_rng(0)
    n, n_repeats = 400, 1000
    active = np.arange(n)[:, None] < 12
    table = random.random((n, 1)) if covariate else None
    values = random.lognormal(sigma=2, size=(n_repeats, n))
    p = {
        test: np.array([
            compare_groups(one, active, np.ones(n, bool), table, test=test).p_value[0]
            for one in values
        ])
        for test in ("rank", "mean")
    }  # fmt: skip
    assert np.mean(p["rank"] < 0.05) < 0.07
    assert np.mean(p["rank"] < 0.005) < 0.012
    assert np.mean(p["mean"] < 0.05) > 0.1


@pytest.mark.parametrize("covariate", [False, True])
def test_groups_that_cannot_be_compared(covariate: bool) -> None:
    values, active = data()
    active[:, 0], active[:, 1], active[:, 2] = False, np.arange(N) == 5, True
    table = np.random.default_rng(0).random((N, 1)) if covariate else None
    found = compare_groups(values, active, np.ones(N, bool), table)
    assert found.n_active.tolist()[:3] == [0, 1, N]
    np.testing.assert_array_equal(np.isnan(found.p_value), [True, True, True, False])
    np.testing.assert_array_equal(np.isnan(found.effect), [True, True, True, False])
    np.testing.assert_array_equal(np.isnan(found.mean_active), [True, False, False, False])
    np.testing.assert_array_equal(np.isnan(found.mean_silent), [False, False, True, False])


@pytest.mark.parametrize("covariate", [False, True])
def test_groups_of_fewer_than_six_are_not_compared(covariate: bool) -> None:
    values, _ = data()
    active = np.arange(N)[:, None] < [5, 6, N - 6, N - 5]
    table = np.random.default_rng(0).random((N, 1)) if covariate else None
    found = compare_groups(values, active, np.ones(N, bool), table)
    for field in (found.p_value, found.effect, found.effect_low, found.cohen_d):
        np.testing.assert_array_equal(np.isnan(field), [True, False, False, True])
    assert np.isfinite(found.mean_active).all()


def test_constant_values_have_no_p_value() -> None:
    _, active = data()
    for test in ("rank", "mean"):
        found = compare_groups(np.full(N, 0.1), active, np.ones(N, bool), test=test)
        assert np.isnan(found.p_value).all()
        np.testing.assert_allclose(found.effect, 0, atol=1e-12)


def test_a_covariate_that_is_the_group_leaves_nothing() -> None:
    values, active = data()
    found = compare_groups(values, active, np.ones(N, bool), active[:, :1].astype(float))
    np.testing.assert_array_equal(np.isnan(found.p_value), [True, False, False, False])


@pytest.mark.parametrize("covariate", [False, True])
def test_p_values_are_uniform_without_a_difference(covariate: bool) -> None:
    random = np.random.default_rng(0)
    active = random.random((200, 900)) < 0.3
    values = random.exponential(size=200)
    table = random.random((200, 2)) if covariate else None
    p = compare_groups(values, active, np.ones(200, bool), table, test="rank").p_value
    assert scipy.stats.kstest(p, "uniform").pvalue > 1e-3
