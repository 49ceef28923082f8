"""Likelihoods on torch, here on its CPU, beside those of numba and numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mutua.errors import DeviceUnavailable, InvalidInput, MemoryLimit
from mutua.kernels import spin_backends, spin_fit, spin_torch
from mutua.kernels.spin_backends import OnThreads, OnTorch, backend_for
from mutua.kernels.spin_exact import ExactLikelihood
from mutua.kernels.spin_fit import fit_network
from mutua.kernels.spin_mcmc import Chains, Excess, SampledLikelihood
from mutua.kernels.spin_problem import Penalty, Problem
from mutua.kernels.spin_pseudo import PseudoLikelihood
from mutua.kernels.spin_states import CountedStates, count_states, moments_of, resample
from mutua.kernels.spin_torch import TorchExact, TorchPseudo, TorchSampled
from mutua.kernels.threads import Workers
from tests.kernels.test_spin_likelihoods import cells, network

PLACE = torch.device("cpu")


class TorchWithThreads(OnTorch):
    """Torch for all but Markov chains, which have a test of their own."""

    def chains(self, data: CountedStates, *, n_chains: int, seed: int) -> Chains:
        return Chains(data, n_chains=n_chains, seed=seed, workers=Workers(1))


@pytest.fixture
def on_torch(monkeypatch):
    """Give what turns all fits to torch."""

    def turn() -> None:
        monkeypatch.setattr(
            spin_fit, "backend_for", lambda *_, **__: TorchWithThreads(torch.device("cpu"))
        )

    return turn


def same(found, expected, tolerance: float = 1e-11) -> None:
    assert found[0] == pytest.approx(expected[0], abs=tolerance)
    for one, two in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, two, atol=tolerance)


@pytest.fixture(params=["whole", "pieces"])
def pieces(request, monkeypatch):
    """Tables whole, and a few rows at a time."""
    if request.param == "pieces":
        monkeypatch.setattr(spin_torch, "_VALUES", 60)
        monkeypatch.setattr(spin_torch, "_VALUES_EXACT", 60)
    return request.param


class TestLikelihoods:
    @pytest.mark.parametrize("n_conditions", [1, 5])
    def test_pseudo(self, pieces, n_conditions):
        *_, data = cells(4, n_conditions, n=70)
        at = network(4, n_conditions, directed=True)
        with Workers(1) as workers:
            same(TorchPseudo(data, PLACE)(*at), PseudoLikelihood(data, workers)(*at))

    def test_pseudo_of_resampled_cells(self, pieces):
        """Where cells that were not drawn have probability 0, as here those of node 0."""
        *_, data = cells(3, 2, n=60)
        again = resample(data, np.random.default_rng(0))
        assert (again.multiplicity == 0).any()
        for at in (network(3, 2), network(3, 2)._replace(response=np.full((3, 2), 900.0))):
            with Workers(1) as workers:
                expected = PseudoLikelihood(again, workers)(*at)
            same(TorchPseudo(again, PLACE)(*at), expected)

    def test_pseudo_that_is_not_finite(self):
        *_, data = cells(4, 3)
        coupling, response = network(4, 3)
        np.fill_diagonal(coupling, -2000.0)
        value, *_ = TorchPseudo(data, PLACE)(coupling, response + 1000.0)
        assert not np.isfinite(value)

    @pytest.mark.parametrize("n_nodes", [1, 2, 5])
    def test_exact(self, pieces, n_nodes):
        *_, data = cells(n_nodes, 4)
        moments, at = moments_of(data), network(n_nodes, 4)
        with Workers(1) as workers:
            same(TorchExact(moments, PLACE)(*at), ExactLikelihood(moments, workers)(*at))

    def test_exact_of_large_responses(self):
        *_, data = cells(3, 2)
        moments, at = moments_of(data), network(3, 2)
        at = at._replace(response=1000 * at.response)
        with Workers(1) as workers:
            same(TorchExact(moments, PLACE)(*at), ExactLikelihood(moments, workers)(*at), 1e-9)

    @pytest.mark.parametrize("corrected", [False, True])
    def test_sampled(self, pieces, corrected):
        *_, data = cells(3, 4)
        random = np.random.default_rng(1)
        draws = random.integers(-1, 2, (4, 9, 3)).astype(np.int8)
        of = moments_of(data), draws, network(3, 4, seed=1)
        excess = None
        if corrected:
            excess = Excess(random.normal(size=(3, 4)), random.normal(size=(3, 3)))
        at = network(3, 4, seed=2)
        with Workers(1) as workers:
            expected = SampledLikelihood(*of, workers, excess)
            found = TorchSampled(*of, PLACE, excess)
            same(found(*at), expected(*at))
            assert found.effective(at) == pytest.approx(expected.effective(at), abs=1e-12)
            moments = moments_of(cells(3, 4, seed=5)[-1])
            for one, two in zip(
                found.excess_at(at, moments), expected.excess_at(at, moments), strict=True
            ):
                np.testing.assert_allclose(one, two, atol=1e-12)


class TestMemory:
    """A GPU whose memory holds so many rows."""

    @pytest.fixture
    def rows_that_fit(self, monkeypatch):
        def limit(most: int) -> list[int]:
            tried: list[int] = []
            add = TorchPseudo._add

            def watched(self, block, *rest):
                tried.append(block.stop - block.start)
                if tried[-1] > most:
                    raise torch.OutOfMemoryError("CUDA out of memory")
                return add(self, block, *rest)

            monkeypatch.setattr(TorchPseudo, "_add", watched)
            return tried

        return limit

    def test_fewer_rows_are_taken_and_remembered(self, rows_that_fit):
        *_, data = cells(4, 3, n=50)
        at = network(4, 3)
        with Workers(1) as workers:
            expected = PseudoLikelihood(data, workers)(*at)
        tried = rows_that_fit(20)
        likelihood = TorchPseudo(data, PLACE)
        same(likelihood(*at), expected)
        n_tried = len(tried)
        same(likelihood(*at), expected)
        n = len(data.condition)
        assert tried[:2] == [n, n // 2]
        assert max(tried[n_tried:]) <= 20

    def test_no_room_for_a_row(self, rows_that_fit):
        *_, data = cells(4, 3)
        rows_that_fit(0)
        with pytest.raises(MemoryLimit, match="adata"):
            TorchPseudo(data, PLACE)(*network(4, 3))


CASES = [("exact", False), ("pseudo_likelihood", False), ("pseudo_likelihood", True)]


class TestFits:
    @pytest.mark.parametrize(("method", "directed"), CASES)
    def test_the_optimum_is_that_of_the_cpu(self, on_torch, method, directed):
        *_, data = cells(5, 4, n=300)
        penalty = Penalty(np.full((5, 5), 0.01))
        options = {"method": method, "directed": directed, "n_resamples": 3, "tolerance": 1e-7}
        expected = fit_network(data, penalty, **options)
        on_torch()
        found = fit_network(data, penalty, **options)
        assert found.converged
        assert found.residual <= 1e-7
        assert found.value == pytest.approx(expected.value, abs=1e-9)
        np.testing.assert_array_equal(found.network.coupling == 0, expected.network.coupling == 0)
        same((0.0, *found.network), (0.0, *expected.network), 1e-5)
        same((0.0, *found.resampled), (0.0, *expected.resampled), 5e-3)
        problem = Problem(moments_of(data), penalty, pseudo=method != "exact", directed=directed)
        with Workers(1) as workers:
            threads = OnThreads(workers)
            likelihood = (
                threads.exact(moments_of(data)) if method == "exact" else threads.pseudo(data)
            )
            assert problem.residual(likelihood, found.network) <= 1.01e-7

    def test_mcmc(self, on_torch):
        *_, data = cells(4, 3, n=200)
        penalty = Penalty(np.full((4, 4), 0.01))
        options = {"method": "mcmc", "n_samples": 512, "n_resamples": 1, "tolerance": 1e-5}
        expected = fit_network(data, penalty, **options)
        on_torch()
        found = fit_network(data, penalty, **options)
        same((0.0, *found.network), (0.0, *expected.network), 1e-3)
        assert found.residual == pytest.approx(expected.residual, abs=1e-3)

    def test_states_are_uploaded_once(self, monkeypatch):
        *_, data = cells(3, 2)
        uploaded = []
        upload = spin_torch.upload
        monkeypatch.setattr(
            spin_torch, "upload", lambda *args: uploaded.append(args[0]) or upload(*args)
        )
        backend = OnTorch(PLACE)
        for number in range(3):
            backend.pseudo(resample(data, np.random.default_rng(number)))
        assert sum(array is data.states for array in uploaded) == 1


class TestDevice:
    def test_unknown(self):
        *_, data = cells(3, 2)
        with pytest.raises(InvalidInput, match="device"):
            fit_network(data, Penalty(np.zeros((3, 3))), method="exact", device="tpu")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    @pytest.mark.parametrize("method", ["exact", "pseudo_likelihood", "mcmc"])
    def test_missing(self, method):
        *_, data = cells(3, 2)
        with pytest.raises(DeviceUnavailable, match="cuda"):
            fit_network(data, Penalty(np.zeros((3, 3))), method=method, device="cuda")

    @pytest.mark.parametrize("chains", [False, True])
    def test_what_is_chosen(self, monkeypatch, chains):
        monkeypatch.setattr(
            spin_backends,
            "torch_gpu",
            lambda device, *, operations: "cuda" if device == "cuda" or operations > 1 else None,
        )
        monkeypatch.setattr(spin_backends, "on_cuda", lambda _: True)
        with Workers(1) as workers:

            def chosen(device, operations):
                return backend_for(device, workers, operations=operations, chains=chains)

            few, many, wanted = chosen("auto", 1), chosen("auto", 2), chosen("cuda", 1)
            assert isinstance(few, OnThreads)
            assert few.workers is workers
            assert isinstance(many, OnTorch)
            assert isinstance(wanted, OnTorch)
            assert wanted.place == "cuda"
            monkeypatch.setattr(spin_backends, "on_cuda", lambda _: False)
            assert isinstance(chosen("auto", 2), OnThreads if chains else OnTorch)

    @pytest.mark.parametrize("method", ["exact", "pseudo_likelihood", "mcmc"])
    def test_more_work_is_more_operations(self, method):
        (*_, few), (*_, many) = cells(4, 2), cells(9, 2, n=2000)
        options = {"method": method, "n_samples": 1024}
        small = spin_fit._operations(few, n_resamples=0, **options)
        assert spin_fit._operations(many, n_resamples=0, **options) > 3 * small
        assert spin_fit._operations(few, n_resamples=30, **options) > 1.1 * small

    @pytest.mark.gpu
    @pytest.mark.parametrize(
        ("method", "directed", "n_nodes"),
        [
            ("exact", False, 14),
            ("pseudo_likelihood", False, 200),
            ("pseudo_likelihood", True, 200),
            ("mcmc", False, 20),
        ],
    )
    def test_cuda_is_as_the_cpu(self, method, directed, n_nodes):
        random = np.random.default_rng(0)
        shared = random.normal(size=(20_000, 1)) * random.random(n_nodes)
        states = np.clip(np.rint(shared + random.normal(size=(20_000, n_nodes))), -1, 1)
        data = count_states(states, np.arange(20_000) % 10, n_conditions=10)
        penalty = Penalty(np.full((n_nodes, n_nodes), 0.01))
        cpu, gpu = (
            fit_network(data, penalty, method=method, directed=directed, device=device)
            for device in ("cpu", "cuda")
        )
        within = 0.05 if method == "mcmc" else 1e-4
        same((0.0, *gpu.network), (0.0, *cpu.network), within)
        if method != "mcmc":
            assert gpu.value == pytest.approx(cpu.value, abs=1e-6)
            assert gpu.converged
