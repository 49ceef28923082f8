"""Non-negative least squares through the Gram matrix, against scipy's."""

import numpy as np
import pytest

from mutua.kernels.nonnegative_coefficients import nonnegative_coefficients
from tests.reference import gene_programs as reference


def solved(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    return nonnegative_coefficients(X @ C.T, C @ C.T)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shift", [-0.5, 0.0])
def test_as_scipy(seed, shift):
    random = np.random.default_rng(seed)
    C = random.random((6, 19))
    X = random.normal(size=(41, 6)) @ C + random.random((41, 19)) + shift
    np.testing.assert_allclose(solved(X, C), reference.activities(X, C), atol=1e-9)


def test_nearly_the_same_programs():
    random = np.random.default_rng(0)
    C = random.random((4, 15))
    C[1] = C[0] + 1e-3 * random.random(15)
    X = random.random((37, 15))
    np.testing.assert_allclose(solved(X, C), reference.activities(X, C), atol=1e-6)


def test_repeated_programs_fit_as_well_as_one():
    random = np.random.default_rng(1)
    C = random.random((3, 11))[[0, 1, 1, 2]]
    X = random.random((29, 11))
    fitted = solved(X, C) @ C
    np.testing.assert_allclose(fitted, reference.activities(X, C) @ C, atol=1e-8)


def test_programs_without_genes_and_cells_without_values():
    C = np.array([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [0.0, 1.0, 3.0]])
    X = np.array([[0.0, 0.0, 0.0], [1.0, 2.0, 0.0]])
    np.testing.assert_allclose(solved(X, C), [[0, 0, 0], [1, 0, 0]], atol=1e-12)


def test_disjoint_programs_are_a_product():
    random = np.random.default_rng(2)
    C = np.repeat(np.eye(3), [2, 3, 4], axis=1) * random.random(9)
    X = random.normal(size=(31, 9))
    expected = np.maximum(X @ C.T, 0) / (C**2).sum(axis=1)
    np.testing.assert_allclose(solved(X, C), expected, rtol=1e-12)
    np.testing.assert_allclose(solved(X, C), reference.activities(X, C), atol=1e-12)
