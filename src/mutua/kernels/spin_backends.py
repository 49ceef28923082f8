"""Where the likelihoods of a three-state network are computed: on threads, or on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from mutua.kernels.devices import on_cuda, torch_gpu, with_tiles
from mutua.kernels.spin_exact import ExactLikelihood
from mutua.kernels.spin_mcmc import Chains, Excess, SampledLikelihood
from mutua.kernels.spin_problem import Likelihood, Network
from mutua.kernels.spin_pseudo import PseudoLikelihood
from mutua.kernels.spin_states import CountedStates, Moments
from mutua.kernels.threads import Workers

__all__ = ["Backend", "OnThreads", "OnTorch", "backend_for"]

Bytes = npt.NDArray[np.int8]
T = TypeVar("T")


class Backend(Protocol):
    """Makes likelihoods of one device."""

    def pseudo(self, data: CountedStates) -> Likelihood:
        """Give the pseudo-likelihood of cells."""

    def exact(self, moments: Moments) -> Likelihood:
        """Give the exact likelihood."""

    def sampled(
        self, moments: Moments, draws: Bytes, reference: Network, excess: Excess | None = None
    ) -> SampledLikelihood:
        """Give the likelihood that drawn states say of."""

    def chains(self, data: CountedStates, *, n_chains: int, seed: int) -> Chains:
        """Give chains that start from cells."""

    def each(self, function: Callable[[Backend, int], T], n: int) -> list[T]:
        """Give what a function gives for the numbers below n, each with a backend of its own."""


class OnThreads:
    """The CPU: loops compiled by numba, over the threads of a pool."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers

    def pseudo(self, data: CountedStates) -> Likelihood:
        """Give the pseudo-likelihood of cells."""
        return PseudoLikelihood(data, self.workers)

    def exact(self, moments: Moments) -> Likelihood:
        """Give the exact likelihood."""
        return ExactLikelihood(moments, self.workers)

    def sampled(
        self, moments: Moments, draws: Bytes, reference: Network, excess: Excess | None = None
    ) -> SampledLikelihood:
        """Give the likelihood that drawn states say of."""
        return SampledLikelihood(moments, draws, reference, self.workers, excess)

    def chains(self, data: CountedStates, *, n_chains: int, seed: int) -> Chains:
        """Give chains that start from cells."""
        return Chains(data, n_chains=n_chains, seed=seed, workers=self.workers)

    def each(self, function: Callable[[Backend, int], T], n: int) -> list[T]:
        """Give what a function gives for the numbers below n, each on one thread."""

        def alone(number: int) -> T:
            with Workers(1) as one:
                return function(OnThreads(one), number)

        return self.workers.run(alone, [(number,) for number in range(n)])


class OnTorch:
    """A device of torch; Markov chains by a kernel of numba for CUDA.

    Parameters
    ----------
    place
        Device of torch.
    """

    def __init__(self, place: Any) -> None:
        self.place = place
        self._last: tuple[Bytes, Any] | None = None

    def pseudo(self, data: CountedStates) -> Likelihood:
        """Give the pseudo-likelihood of cells."""
        from mutua.kernels.spin_torch import TorchPseudo

        return TorchPseudo(data, self.place, self._uploaded(data.states))

    def exact(self, moments: Moments) -> Likelihood:
        """Give the exact likelihood."""
        from mutua.kernels.spin_torch import TorchExact

        return TorchExact(moments, self.place)

    def sampled(
        self, moments: Moments, draws: Bytes, reference: Network, excess: Excess | None = None
    ) -> SampledLikelihood:
        """Give the likelihood that drawn states say of."""
        from mutua.kernels.spin_torch import TorchSampled

        states = self._uploaded(draws)
        return TorchSampled(moments, draws, reference, self.place, excess, states)

    def chains(self, data: CountedStates, *, n_chains: int, seed: int) -> Chains:
        """Give chains that start from cells."""
        from mutua.kernels.cuda.spin_sweeps import CudaChains

        return CudaChains(data, n_chains=n_chains, seed=seed, workers=Workers(1))

    def each(self, function: Callable[[Backend, int], T], n: int) -> list[T]:
        """Give what a function gives for the numbers below n, one after another."""
        return [function(self, number) for number in range(n)]

    def _uploaded(self, states: Bytes) -> Any:
        """Give states on the device: those of the last call are still there."""
        from mutua.kernels.spin_torch import upload

        held = self._last
        if held is None or held[0] is not states:
            self._last = None  # freed before there is more
            held = with_tiles(
                lambda _: (states, upload(states, self.place)),
                1,
                smallest=1,
                argument="adata",
                needed=lambda _: float(states.nbytes),
            )
            self._last = held
        return held[1]


def backend_for(
    device: str | None, workers: Workers, *, operations: float, chains: bool
) -> OnThreads | OnTorch:
    """Choose where likelihoods are computed.

    Parameters
    ----------
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; None for the setting.
    workers
        Threads to use on the CPU.
    operations
        How many elementary operations there are to do, for ``"auto"``.
    chains
        Whether there are Markov chains to run, which numba has to do.

    Raises
    ------
    DeviceUnavailable
        For ``"cuda"`` without a usable GPU.
    """
    place = torch_gpu(device, operations=operations)
    if place is None or (chains and not on_cuda(device)):
        return OnThreads(workers)
    return OnTorch(place)
