"""Activities and correlations, block by block."""

import numpy as np
import pytest
from scipy import sparse

import mutua as mt
from mutua.kernels import program_activity as kernel
from mutua.kernels.program_activity import program_activity, program_correlation
from tests.reference import gene_programs as reference

CELLS, GENES, PROGRAMS = 75, 19, 5


def example(shared: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = random.gamma(1, size=(CELLS, GENES)) * (random.random((CELLS, GENES)) < 0.5)
    weights = random.random((GENES, PROGRAMS))
    if not shared:
        weights *= np.eye(PROGRAMS)[np.arange(GENES) % PROGRAMS]
    weights /= np.linalg.norm(weights, axis=0)
    return X, weights, random.uniform(0.3, 2, GENES)


def blocks_of(X, size: int):
    return lambda: (X[start : start + size] for start in range(0, X.shape[0], size))


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_as_scipy_and_numpy(shared, kind, monkeypatch):
    monkeypatch.setattr(kernel, "ROWS", 8)
    X, weights, scale = example(shared)
    X[:, 4] = 2.5
    blocks = blocks_of(kind(X), 8)
    found = program_activity(blocks, weights, scale)
    expected = reference.activities(X / scale, weights.T)
    np.testing.assert_allclose(found.activity, expected, atol=1e-10)
    left = np.linalg.norm(X / scale - expected @ weights.T) / np.linalg.norm(X / scale)
    assert found.relative_error == pytest.approx(left)
    assert np.flatnonzero(found.constant).tolist() == [4]
    r = program_correlation(blocks, found)
    with np.errstate(invalid="ignore"):
        expected_r = np.corrcoef(X.T, expected.T)[:GENES, GENES:]
    expected_r[4] = 0
    np.testing.assert_allclose(r, expected_r, atol=1e-10)


def test_product_where_no_gene_is_shared():
    X, weights, scale = example(False)
    found = program_activity(blocks_of(X, 2048), weights, scale).activity
    np.testing.assert_allclose(found, X @ (weights / scale[:, None]), atol=1e-12)


def test_sparse_rows_give_the_same_activities():
    X, weights, scale = example(False)
    dense = program_activity(blocks_of(X, 2048), weights, scale).activity
    csr = program_activity(blocks_of(sparse.csr_matrix(X), 2048), weights, scale).activity
    np.testing.assert_array_equal(csr, dense)


def test_constant_activity_has_no_correlation():
    X, weights, scale = example(False)
    X[:, np.arange(GENES) % PROGRAMS == 2] = 0
    blocks = blocks_of(X, 2048)
    found = program_activity(blocks, weights, scale)
    assert (found.activity[:, 2] == 0).all()
    assert (program_correlation(blocks, found)[:, 2] == 0).all()


def test_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(kernel, "ROWS", 8)
    X, weights, scale = example(True)
    results = []
    for threads in (1, 2):
        monkeypatch.setattr(mt.settings, "_threads", threads)
        found = program_activity(blocks_of(X, 8), weights, scale)
        results.append((found.activity, program_correlation(blocks_of(X, 8), found)))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
