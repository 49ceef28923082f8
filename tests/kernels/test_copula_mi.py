"""Mutual information of normal scores, against the formula of Ince et al. with covariances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import digamma
from scipy.stats import norm, rankdata

from mutua.kernels.copula_mi import NormalScores, normal_scores
from mutua.kernels.row_permutations import row_statistic
from mutua.kernels.threads import Workers


def entropy(rows: np.ndarray) -> float:
    """Entropy of a Gaussian from n samples, corrected for bias; rows are dims."""
    d, n = rows.shape
    if not d:
        return 0.0
    log_det = np.linalg.slogdet(np.atleast_2d(np.cov(rows)))[1]
    terms = digamma((n - np.arange(1, d + 1)) / 2) / 2
    return float(log_det / 2 - d * (np.log(2) - np.log(n - 1)) / 2 - terms.sum())


@pytest.mark.parametrize("n_covariates", [0, 2])
def test_equals_the_entropies(n_covariates: int) -> None:
    random = np.random.default_rng(0)
    n = 37
    z = normal_scores(random.normal(size=(n, n_covariates)))
    x = normal_scores(random.normal(size=(n, 3)) + z.sum(axis=1, keepdims=True))
    y = normal_scores(x[:, :2] + random.normal(size=(n, 2)))
    with Workers(2) as workers:
        found = row_statistic(NormalScores(x, y, z), n, workers)
    for f in range(3):
        for j in range(2):
            a, b, c = x[:, [f]].T, y[:, [j]].T, z.T
            expected = (
                entropy(np.vstack([a, c]))
                + entropy(np.vstack([b, c]))
                - entropy(np.vstack([a, b, c]))
                - entropy(c)
            )
            assert found[f, j] == pytest.approx(expected, abs=1e-12)


def test_scores_of_ties_are_alike() -> None:
    values = np.array([0.0, 0.0, 5.0, -1.0, 0.0])[:, np.newaxis]
    expected = norm.ppf(rankdata(values) / 6)
    np.testing.assert_allclose(normal_scores(values)[:, 0], expected, atol=1e-15)


def test_what_covariates_explain_has_nothing_left() -> None:
    random = np.random.default_rng(1)
    z = random.normal(size=(30, 1))
    statistic = NormalScores(2 * z, random.normal(size=(30, 2)), z)
    with Workers(1) as workers:
        found = row_statistic(statistic, 30, workers)
    np.testing.assert_array_equal(found, -statistic.bias)


def test_a_column_with_itself_is_finite() -> None:
    x = normal_scores(np.random.default_rng(2).normal(size=(30, 1)))
    with Workers(1) as workers:
        assert 15 < row_statistic(NormalScores(x, x, x[:, :0]), 30, workers)[0, 0] < 19
