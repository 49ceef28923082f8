"""Permutations of rows and the null of a statistic under them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import skew

from mutua.kernels.copula_mi import NormalScores
from mutua.kernels.discrete_mi import ClassTables
from mutua.kernels.row_permutations import local_orders, row_null, row_orders, row_statistic
from mutua.kernels.threads import Workers


@given(st.integers(0, 2**31), st.integers(1, 30), st.integers(1, 5))
def test_orders_stay_within_groups(seed: int, n: int, n_groups: int) -> None:
    random = np.random.default_rng(seed)
    groups = np.unique(random.integers(0, n_groups, n), return_inverse=True)[1]
    for order in row_orders(4, groups, seed=seed):
        np.testing.assert_array_equal(np.sort(order), np.arange(n))
        np.testing.assert_array_equal(groups[order], groups)


def test_every_order_is_as_likely() -> None:
    orders = row_orders(6000, np.zeros(3, np.int64), seed=1)
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert np.abs(counts - 1000).max() < 130


def test_whole_groups_of_one_size_are_dealt_in_order() -> None:
    groups = np.array([0, 1, 2, 0, 1, 2, 2, 1])[:6]
    for order in row_orders(9, groups, whole=True, seed=2):
        np.testing.assert_array_equal(np.sort(order), np.arange(6))
        dealt = groups[order]
        assert all(len(set(dealt[groups == g])) == 1 for g in range(3))
        assert (np.diff([order[groups == g] for g in range(3)], axis=1) > 0).all()


def test_whole_groups_of_several_sizes_are_dealt_by_their_first() -> None:
    groups = np.array([0, 0, 0, 1, 2, 2])
    seen = set()
    for order in row_orders(40, groups, whole=True, seed=3):
        assert set(order) <= {0, 3, 4}
        dealt = [int(groups[order[groups == g][0]]) for g in range(3)]
        assert sorted(dealt) == [0, 1, 2]
        seen.add(tuple(dealt))
    assert len(seen) == 6


def test_local_orders_stay_near_and_within_groups() -> None:
    random = np.random.default_rng(4)
    z, groups = random.normal(size=(1, 60)), random.integers(0, 2, 60)
    orders = local_orders(50, z, groups, seed=5)
    assert orders.shape == (50, 60)
    for i in range(60):
        own = np.flatnonzero(groups == groups[i])
        nearest = own[np.argsort(np.abs(z[0, own] - z[0, i]))[:5]]
        assert set(orders[:, i]) <= set(nearest)
    assert np.mean([len(set(order)) for order in orders]) > 50  # hardly any twice
    assert (orders == np.arange(60)).mean() < 0.35
    np.testing.assert_array_equal(orders, local_orders(50, z, groups, seed=5))
    assert (orders != local_orders(50, z, groups, seed=6)).any()


def statistic_of(seed: int, n: int = 40) -> NormalScores:
    random = np.random.default_rng(seed)
    return NormalScores(random.normal(size=(n, 5)), random.normal(size=(n, 3)), np.empty((n, 0)))


def test_null_has_the_moments_of_all_estimates() -> None:
    statistic = statistic_of(0)
    orders = row_orders(30, np.zeros(40, np.int64), seed=1)
    with Workers(2) as workers:
        observed = row_statistic(statistic, 40, workers)
        observed[1, 2] = np.nan
        null = row_null(statistic, observed, orders, workers=workers)
        scales = np.random.default_rng(2).uniform(1, 2, (2, 5, 3))
        scaled = row_null(statistic, observed, orders, scales=scales, workers=workers)
        values = np.empty((30, 5, 3))
        every = np.ones((5, 3), bool)
        for order, out in zip(orders, values, strict=True):
            statistic.fill(*statistic.permuted(order), every, out, 0, 1)
    tested = ~np.isnan(observed)
    np.testing.assert_allclose(null.mean[tested], values.mean(axis=0)[tested], rtol=1e-12)
    np.testing.assert_allclose(null.variance[tested], values.var(axis=0, ddof=1)[tested])
    expected = skew(values, axis=0, bias=False)
    np.testing.assert_allclose(null.skewness[tested], expected[tested])
    np.testing.assert_array_equal(null.n_exceeding, (values >= observed).sum(axis=0))
    np.testing.assert_array_equal(null.n_permutations, np.where(tested, 30, 0))
    assert null.maxima is not None
    np.testing.assert_array_equal(null.maxima, np.where(tested, values, -np.inf).max(axis=(1, 2)))
    assert np.isnan(null.mean[1, 2])
    standardized = (np.where(tested, values, -np.inf) - scales[0]) / scales[1]
    assert scaled.maxima is not None
    np.testing.assert_array_equal(scaled.maxima, standardized.max(axis=(1, 2)))
    np.testing.assert_array_equal(scaled.mean, null.mean)


def test_pairs_stop_at_their_last_exceedance() -> None:
    statistic = statistic_of(1)
    orders = row_orders(200, np.zeros(40, np.int64), seed=1)
    with Workers(2) as workers:
        observed = row_statistic(statistic, 40, workers)
        early = row_null(statistic, observed, orders, stop=4, workers=workers)
        for f, j in np.ndindex(5, 3):
            alone = row_null(
                statistic, observed, orders[: early.n_permutations[f, j]], workers=workers
            )
            assert alone.n_exceeding[f, j] == early.n_exceeding[f, j]
            assert alone.mean[f, j] == early.mean[f, j]
    ended = early.n_exceeding == 4
    assert ended.any()
    assert (early.n_permutations[~ended] == 200).all()
    assert early.maxima is None


@pytest.mark.parametrize("threads", [1, 3])
def test_tied_estimates_count_as_reached(threads: int) -> None:
    """Swapping two samples of one class changes nothing, in whatever order terms are added."""
    classes = np.array([[0, 0, 0, 1, 1, 1, 1]])
    scores = NormalScores(classes.T * 0.1, classes.T * 0.7, np.empty((7, 0)))
    for statistic in (scores, ClassTables(classes, classes, np.zeros(7, np.int64))):
        with Workers(threads) as workers:
            observed = row_statistic(statistic, 7, workers)
            orders = row_orders(20, classes[0], seed=3)
            assert row_null(statistic, observed, orders, workers=workers).n_exceeding[0, 0] == 20
