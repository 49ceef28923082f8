"""Mutual information given covariates, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_selection import mutual_info_regression

import mutua as mt
from mutua.kernels.conditional_mi import ConditionalNeighbours, within_strata
from mutua.kernels.knn_mi import standardized
from mutua.kernels.row_permutations import row_statistic
from mutua.kernels.threads import Workers
from tests.reference.conditional_mi import conditional_knn


def estimates(x, y, z, strata, k=3, x_classes=None, y_classes=None, threads=2) -> np.ndarray:  # type: ignore[no-untyped-def]
    statistic = ConditionalNeighbours(
        x,
        y,
        z,
        strata,
        x_classes=np.zeros(len(x), bool) if x_classes is None else x_classes,
        y_classes=np.zeros(len(y), bool) if y_classes is None else y_classes,
        n_neighbors=k,
    )
    with Workers(threads) as workers:
        return row_statistic(statistic, x.shape[1], workers)


@given(
    st.integers(0, 2**31), st.integers(5, 30), st.integers(1, 4), st.integers(0, 2), st.booleans()
)
def test_equals_plain_loops(seed: int, n: int, k: int, n_covariates: int, strata: bool) -> None:
    random = np.random.default_rng(seed)
    x, y, z = (random.normal(size=(size, n)) for size in (3, 2, n_covariates))
    x[2], y[1] = random.integers(0, 2, n), random.integers(0, 3, n)
    of_x, of_y = np.array([False, False, True]), np.array([False, True])
    groups = np.unique(random.integers(0, 1 + 2 * strata, n), return_inverse=True)[1]
    if not n_covariates:
        x, y, of_x, of_y = x[:2], y[:1], of_x[:2], of_y[:1]
    found = estimates(x, y, z, groups, k, of_x, of_y)
    given_rows = [[str(g), *row] for g, row in zip(groups, z.T, strict=True)]
    for f, column_x in enumerate(x):
        for j, column_y in enumerate(y):
            expected = conditional_knn(
                [str(v) if of_x[f] else float(v) for v in column_x],
                [str(v) if of_y[j] else float(v) for v in column_y],
                given_rows,
                k,
            )
            assert found[f, j] == pytest.approx(expected, abs=1e-12)


def test_without_covariates_it_is_that_of_kraskov() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(70, 3))
    y = x[:, :1] + random.normal(size=(70, 1))
    scaled_x, scaled_y = standardized(x, y, seed=4)
    found = estimates(scaled_x.T, scaled_y.T, np.empty((0, 70)), np.zeros(70, np.int64))
    expected = mutual_info_regression(x, y[:, 0], random_state=4)
    np.testing.assert_allclose(np.maximum(found[:, 0], 0), expected, atol=1e-12)


def test_blocks_of_samples_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    x, y, z = (random.normal(size=(size, 400)) for size in (5, 2, 1))
    strata = random.integers(0, 2, 400)
    whole = estimates(x, y, z, strata, threads=1)
    monkeypatch.setattr(mt.settings, "memory", 2**20)
    np.testing.assert_array_equal(whole, estimates(x, y, z, strata, threads=3))


def test_gaussian_value_is_met() -> None:
    """Given z, the mutual information of x and y of a Gaussian is known."""
    random = np.random.default_rng(3)
    n, r = 3000, 0.6
    z = random.normal(size=n)
    e, u = random.normal(size=(2, n))
    x, y = z + e, z + r * e + np.sqrt(1 - r * r) * u
    found = estimates(x[np.newaxis], y[np.newaxis], z[np.newaxis], np.zeros(n, np.int64), 5)
    assert found[0, 0] == pytest.approx(-0.5 * np.log(1 - r * r), abs=0.04)


def test_columns_within_strata_have_unit_variance() -> None:
    random = np.random.default_rng(4)
    strata = random.integers(0, 3, 50)
    values = random.normal(size=(50, 2)) + 5 * strata[:, np.newaxis]
    values[strata == 1, 1] = 7.0
    scaled = within_strata(values, strata)
    for stratum in range(3):
        own = scaled[strata == stratum]
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(own.std(axis=0), [1, 0 if stratum == 1 else 1], atol=1e-12)
