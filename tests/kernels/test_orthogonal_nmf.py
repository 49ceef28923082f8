"""Factors of cells x genes, each axis of its own size."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.decomposition import NMF
from sklearn.metrics import adjusted_rand_score

import mutua as mt
from mutua.errors import DeviceUnavailable, InvalidInput
from mutua.kernels.gene_lines import gene_directions, gene_lines
from mutua.kernels.matrix_passes import Passes
from mutua.kernels.orthogonal_nmf import factorize
from tests.reference import gene_programs as reference

CELLS, GENES, PROGRAMS = 600, 120, 6


def planted(noise: float, seed: int = 0, cells: int = CELLS) -> tuple[np.ndarray, np.ndarray]:
    """Give cells of disjoint programs with noise of some standard deviations, and the truth."""
    random = np.random.default_rng(seed)
    label = np.arange(GENES) % PROGRAMS
    weights = np.eye(PROGRAMS)[:, label] * random.uniform(0.5, 1.5, GENES)
    signal = random.gamma(1, size=(cells, PROGRAMS)) @ weights
    return np.maximum(signal + noise * random.normal(size=signal.shape), 0), label


def relative_error(X: np.ndarray, programs: np.ndarray) -> float:
    left = X - reference.activities(X, programs.astype(float)) @ programs
    return float(np.linalg.norm(left) / np.linalg.norm(X))


class TestOrthogonal:
    @pytest.mark.parametrize("noise", [0.3, 1.0])
    @pytest.mark.parametrize("seed", range(3))
    def test_finds_what_was_planted(self, noise, seed):
        X, label = planted(noise, seed)
        for found in factorize(X, PROGRAMS, seeds=[seed, seed + 10]):
            assert found.converged
            assert adjusted_rand_score(label, found.programs.argmax(axis=0)) >= 0.98

    def test_programs_are_orthogonal(self):
        X, _ = planted(0.3)
        programs = factorize(X, PROGRAMS, seeds=[0])[0].programs.astype(float)
        assert programs.min() >= 0
        np.testing.assert_allclose(np.linalg.norm(programs, axis=1), 1, atol=1e-6)
        assert np.abs(programs @ programs.T - np.eye(PROGRAMS)).max() <= 0.05

    def test_error_is_at_most_that_of_500_plain_updates(self):
        X, _ = planted(0.5, cells=200)
        random = np.random.default_rng(0)
        A = random.random((200, PROGRAMS))
        P = np.abs(np.linalg.qr(random.random((GENES, PROGRAMS)))[0].T)
        _, P = reference.orthogonal_updates(X, A, P, 500)
        found = factorize(X, PROGRAMS, seeds=[0])[0]
        assert relative_error(X, found.programs) <= 1.001 * relative_error(X, P)
        assert found.error[-1] == pytest.approx(relative_error(X, found.programs), rel=2e-3)

    def test_updates_are_those_of_the_paper(self):
        """From where the programs stand after 3 steps, 2 more in double precision."""
        X, _ = planted(0.5, cells=97)
        three = factorize(X, 4, seeds=[5], max_iterations=3)[0].error
        five = factorize(X, 4, seeds=[5], max_iterations=5)[0].error
        np.testing.assert_array_equal(three, five[:3])
        with Passes(X, np.ones(GENES)) as passes:
            start = gene_lines(gene_directions(passes, 4, seed=5), 4, seed=5)
        P = np.maximum(start.weights + 3 * start.along, 1e-8)
        A = np.maximum(X @ P.T @ np.linalg.inv(P @ P.T), 1e-8)
        for error in five:
            A = A * (X @ P.T) / (A @ P @ P.T)
            left = np.linalg.norm(X - A @ P) / np.linalg.norm(X)
            assert left == pytest.approx(error, rel=1e-4)
            P = P * (A.T @ X) / (P @ X.T @ A @ P)


class TestPlain:
    def test_error_is_that_of_scikit_learn(self):
        X, _ = planted(0.3, cells=211)
        found = factorize(X, PROGRAMS, seeds=[0], orthogonal=False, tolerance=1e-6)[0]
        model = NMF(PROGRAMS, init="random", random_state=0, max_iter=2000, tol=1e-6)
        left = X - model.fit_transform(X) @ model.components_
        assert found.error[-1] <= 1.002 * np.linalg.norm(left) / np.linalg.norm(X)
        assert relative_error(X, found.programs) == pytest.approx(found.error[-1], rel=1e-3)

    def test_error_never_grows(self):
        X, _ = planted(1.0, cells=150)
        error = factorize(X, 5, seeds=[1], orthogonal=False)[0].error
        assert np.diff(error).max() < 1e-6


@pytest.mark.parametrize("orthogonal", [True, False])
class TestBoth:
    def test_sparse_is_dense(self, orthogonal):
        X = planted(0.3)[0]
        X[X < 0.4] = 0
        options = {"seeds": [0], "orthogonal": orthogonal, "max_iterations": 30}
        dense = factorize(X, PROGRAMS, **options)[0]
        sparse_ = factorize(sparse.csr_matrix(X), PROGRAMS, **options)[0]
        np.testing.assert_array_equal(sparse_.programs, dense.programs)

    def test_threads_change_nothing(self, orthogonal, monkeypatch):
        X = planted(1.0, cells=1300)[0]
        options = {"seeds": [0, 1], "orthogonal": orthogonal, "max_iterations": 12}
        monkeypatch.setattr(mt.settings, "_threads", 1)
        one = factorize(X, 4, **options)
        monkeypatch.setattr(mt.settings, "_threads", 2)
        two = factorize(X, 4, **options)
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a.programs, b.programs)
            np.testing.assert_array_equal(a.error, b.error)

    def test_memory_changes_nothing(self, orthogonal, monkeypatch):
        X = sparse.csr_matrix(planted(1.0, cells=1300)[0])
        options = {"seeds": [3], "orthogonal": orthogonal, "max_iterations": 6}
        kept = factorize(X, 4, **options)[0]
        monkeypatch.setattr(mt.settings, "_memory", 1)
        np.testing.assert_array_equal(factorize(X, 4, **options)[0].programs, kept.programs)

    def test_scale_divides_the_genes(self, orthogonal):
        X = planted(0.3, cells=90)[0]
        scale = np.random.default_rng(4).uniform(0.5, 4, GENES)
        options = {"seeds": [0], "orthogonal": orthogonal, "max_iterations": 5}
        found = factorize(X * scale, 4, scale=scale, **options)[0]
        np.testing.assert_allclose(found.error, factorize(X, 4, **options)[0].error, rtol=1e-5)

    def test_genes_of_zeros_have_no_weight(self, orthogonal):
        X = planted(0.3, cells=90)[0]
        X[:, [3, 50]] = 0
        X[7] = 0
        found = factorize(X, 4, seeds=[0], orthogonal=orthogonal)[0].programs
        assert np.isfinite(found).all()
        assert (found[:, [3, 50]] == 0).all()

    def test_more_programs_than_the_values_have(self, orthogonal):
        X = np.outer(np.arange(1.0, 31), np.arange(1.0, 8))
        found = factorize(X, 3, seeds=[0], orthogonal=orthogonal)[0]
        assert np.isfinite(found.programs).all()
        assert np.isfinite(found.error).all()

    def test_random_state_is_left_alone(self, orthogonal):
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)
        before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
        factorize(planted(0.3, cells=40)[0], 3, seeds=[0], orthogonal=orthogonal)
        np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
        assert torch.equal(torch.get_rng_state(), before[1])

    def test_threads_of_torch_are_left_alone(self, orthogonal):
        before = torch.get_num_threads()
        factorize(planted(0.3, cells=40)[0], 3, seeds=[0], orthogonal=orthogonal)
        assert torch.get_num_threads() == before


class TestDevice:
    def test_unknown(self):
        with pytest.raises(InvalidInput, match="device"):
            factorize(planted(0.3)[0], 3, seeds=[0], device="tpu")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    def test_missing(self):
        with pytest.raises(DeviceUnavailable):
            factorize(planted(0.3)[0], 3, seeds=[0], device="cuda")

    @pytest.mark.gpu
    @pytest.mark.parametrize("orthogonal", [True, False])
    def test_cuda_is_as_the_cpu(self, orthogonal):
        X = planted(0.3)[0]
        options = {"seeds": [0, 1], "orthogonal": orthogonal}
        for a, b in zip(
            factorize(X, PROGRAMS, device="cpu", **options),
            factorize(X, PROGRAMS, device="cuda", **options),
            strict=True,
        ):
            assert a.error[-1] == pytest.approx(b.error[-1], rel=1e-3)
            assert (a.programs * b.programs).sum(axis=1).min() > 0.99
