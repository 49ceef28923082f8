"""Mutual information of classes, against plain loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from mutua.kernels.discrete_mi import ClassDistances, ClassTables
from mutua.kernels.row_permutations import RowStatistic, row_statistic
from mutua.kernels.threads import Workers
from tests.reference.conditional_mi import class_distances, class_mi


def estimates(statistic: RowStatistic, n_samples: int, threads: int = 2) -> np.ndarray:
    with Workers(threads) as workers:
        return row_statistic(statistic, n_samples, workers)


@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(1, 6), st.booleans())
def test_tables_equal_plain_loops(seed: int, n: int, n_classes: int, miller_madow: bool) -> None:
    random = np.random.default_rng(seed)
    x = random.integers(0, n_classes, (3, n))
    y = random.integers(0, n_classes + 1, (2, n))
    strata = np.unique(random.integers(0, 3, n), return_inverse=True)[1]
    found = estimates(ClassTables(x, y, strata, miller_madow=miller_madow), n)
    for f in range(3):
        for j in range(2):
            expected = class_mi(x[f], y[j], strata, miller_madow=miller_madow)
            assert found[f, j] == pytest.approx(expected, abs=1e-12)


def test_tables_equal_scikit_learn_without_strata() -> None:
    random = np.random.default_rng(3)
    x, y = random.integers(0, 4, (2, 90)), random.integers(0, 7, (3, 90))
    found = estimates(ClassTables(x, y, np.zeros(90, np.int64)), 90)
    expected = [[mutual_info_score(a, b) for b in y] for a in x]
    np.testing.assert_allclose(found, expected, atol=1e-14)


def test_equal_tables_give_equal_bits() -> None:
    random = np.random.default_rng(4)
    x, y = random.integers(0, 5, (2, 300)), random.integers(0, 5, (3, 300))
    shuffle = random.permutation(300)
    none = np.zeros(300, np.int64)
    here = estimates(ClassTables(x, y, none), 300)
    there = estimates(ClassTables(x[:, shuffle], y[:, shuffle], none), 300, threads=1)
    np.testing.assert_array_equal(here, there)


@given(st.integers(0, 2**31), st.integers(4, 40), st.integers(1, 5), st.integers(1, 9))
def test_distances_equal_plain_loops_either_way_round(
    seed: int, n: int, k: int, n_classes: int
) -> None:
    random = np.random.default_rng(seed)
    real = random.normal(size=(2, n)).round(random.integers(1, 8)) + 1e-9 * random.random(n)
    classes = random.integers(0, n_classes, (3, n))
    if min(np.bincount(row).max() for row in classes) < 2:
        return
    found = estimates(ClassDistances(real, classes, n_neighbors=k), n)
    turned = estimates(ClassDistances(classes, real, n_neighbors=k), n)
    np.testing.assert_array_equal(found, turned.T)
    for c in range(2):
        for d in range(3):
            expected = class_distances(real[c], classes[d], k)
            assert found[c, d] == pytest.approx(expected, abs=1e-12)


def test_distances_of_values_that_are_alike() -> None:
    """Without noise a radius is 0, within which are the values that are the same."""
    real = np.array([[0.0, 0.0, 0.0, 0.0, 1.0, 2.0]])
    classes = np.array([[0, 0, 0, 1, 1, 1]])
    found = estimates(ClassDistances(real, classes, n_neighbors=2), 6)
    assert np.isfinite(found).all()
    assert found[0, 0] < np.log(6)
