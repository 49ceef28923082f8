"""A three-state network fitted to cells, by any of the likelihoods, and to resampled cells."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from mutua.kernels.spin_backends import Backend, backend_for
from mutua.kernels.spin_mcmc import Chains, SampledLikelihood
from mutua.kernels.spin_problem import Likelihood, Network, Penalty, Problem, Solution
from mutua.kernels.spin_states import CountedStates, Moments, moments_of, resample
from mutua.kernels.threads import Workers

__all__ = ["MOST_EXACT_NODES", "Fit", "Method", "Resampled", "fit_network"]

Float = npt.NDArray[np.float64]
Method = Literal["exact", "pseudo_likelihood", "mcmc"]

MOST_EXACT_NODES: Final = 16  # 43 million states, a second for each evaluation
_CHAINS: Final = 128
_FIRST_DRAWS: Final = 16  # of each chain, while the reference is still far off
_EVERY, _BURN_IN = 3, 60  # sweeps
_ROUNDS: Final = 12
_ENOUGH, _LEAST = 0.5, 0.1  # share of the draws that must still count
_FARTHEST: Final = 2.0  # change of a coupling or response in a round
_SWEEPS: Final = 16  # for each draw of the last round, of which only averages are kept
_AVERAGES: Final = 3
_NEAR: Final = 0.01  # the residual that is good enough, beside the noise of the averages
_RESAMPLED_TOLERANCE: Final = 1e-4
_EVALUATIONS: Final = 60  # as they come to be, for the choice of a device
_OF_RESAMPLE: Final = 20


class Resampled(NamedTuple):
    """Networks of resampled cells."""

    coupling: Float
    """(resample, node, node)."""
    response: Float
    """(resample, node, condition)."""


class Fit(NamedTuple):
    """A fitted network and how well it was fitted."""

    network: Network
    value: float
    """Of the objective, summed over the conditions; NaN from Markov chains."""
    residual: float
    """See `mutua.kernels.spin_problem.Solution`; from chains, with their sampling error."""
    converged: bool
    resampled: Resampled | None


def fit_network(
    data: CountedStates,
    penalty: Penalty,
    *,
    method: Method,
    directed: bool = False,
    tolerance: float = 1e-6,
    max_evaluations: int = 2000,
    n_samples: int = 8192,
    n_resamples: int = 0,
    seed: int = 0,
    device: str | None = None,
) -> Fit:
    """Fit a network to cells. All conditions count alike, whatever their number of cells.

    Parameters
    ----------
    data
        The cells.
    penalty
        What is added to the objective.
    method
        Which likelihood.
    directed
        Whether couplings may be asymmetric, with the pseudo-likelihood.
    tolerance
        The residual to reach. Resamples are fitted to 1e-4.
    max_evaluations
        Most evaluations of the likelihood.
    n_samples
        States for each condition from Markov chains, rounded up to a multiple of 128.
    n_resamples
        How often cells are drawn again, with replacement, within conditions.
    seed
        Of resamples and chains.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; None for the setting. All devices find the same
        optimum, to the tolerance.

    Raises
    ------
    DeviceUnavailable
        For ``"cuda"`` without a usable GPU.

    Examples
    --------
    >>> from mutua.kernels.spin_states import count_states
    >>> states = np.array([[1, 1], [-1, -1], [1, 1], [0, 0], [-1, -1], [0, 1]])
    >>> data = count_states(states, np.zeros(6, np.int64), n_conditions=1)
    >>> fit = fit_network(data, Penalty(np.full((2, 2), 0.01)), method="exact")
    >>> fit.converged, bool(fit.network.coupling[0, 1] > 1)
    (True, True)
    """
    operations = _operations(data, method, n_samples, n_resamples)
    chains = method == "mcmc"
    with threadpool_limits(1, user_api="blas"), Workers() as workers:
        search = _Search(
            data,
            penalty,
            backend_for(device, workers, operations=operations, chains=chains),
            method,
            directed,
            tolerance,
            max_evaluations,
            n_samples,
            seed,
        )
        return search.fit(n_resamples)


def _operations(data: CountedStates, method: Method, n_samples: int, n_resamples: int) -> float:
    """Give about how many operations there are to do."""
    n, n_conditions, rows = data.n_nodes, data.n_conditions, len(data.condition)
    evaluations = _EVALUATIONS + n_resamples * _OF_RESAMPLE
    if method == "pseudo_likelihood":
        return float(evaluations * rows * n) * (4 * n + 30)
    if method == "exact":
        return evaluations * 3.0**n * (6 * n_conditions + 30)
    states = float(n_conditions * n_samples * n)
    sweeps = 2 * _SWEEPS + _ROUNDS * _EVERY
    return states * (sweeps * (3 * n + 30) + evaluations * (4 * n + 10))


class _Search(NamedTuple):
    """A problem, and where and how it is solved."""

    data: CountedStates
    penalty: Penalty
    backend: Backend
    method: Method
    directed: bool
    tolerance: float
    max_evaluations: int
    n_samples: int
    seed: int

    def fit(self, n_resamples: int) -> Fit:
        moments = moments_of(self.data)
        pseudo = self.method == "pseudo_likelihood"
        problem = Problem(moments, self.penalty, pseudo=pseudo, directed=self.directed)
        draws: SampledLikelihood | None = None
        if self.method == "mcmc":
            found = self._sampled(moments, problem)
            solution, draws, residual, value = *found, np.nan
        else:
            likelihood = _likelihood(self.backend, self.data, moments, self.method, None)
            solution = problem.solve(
                likelihood, tolerance=self.tolerance, max_evaluations=self.max_evaluations
            )
            residual, value = solution.residual, solution.value
        resampled = None
        if n_resamples:
            resampled = self._resampled(problem, solution, draws, n_resamples)
        return Fit(solution.network, value, residual, solution.converged, resampled)

    def _sampled(self, moments: Moments, problem: Problem) -> _Sampled:
        """Fit by Markov chains, from the optimum of the pseudo-likelihood."""
        first = Problem(moments, self.penalty, pseudo=True)
        reference = first.solve(
            self.backend.pseudo(self.data), tolerance=1e-4, max_evaluations=self.max_evaluations
        ).network
        chains = self.backend.chains(self.data, n_chains=_CHAINS, seed=self.seed)
        most = -(-self.n_samples // _CHAINS)
        n_draws, memory = min(_FIRST_DRAWS, most), None
        for number in range(_ROUNDS):
            states = chains.draw(reference, n_draws=n_draws, every=_EVERY, burn_in=_BURN_IN)
            sampled = self.backend.sampled(moments, states, reference)
            solution = problem.solve(
                sampled,
                start=reference,
                tolerance=self.tolerance,
                max_evaluations=self.max_evaluations,
                memory=memory,
            )
            memory = solution.memory
            near = _towards(reference, solution.network, sampled)
            arrived = near.coupling is solution.network.coupling
            share = sampled.effective(near) if arrived else 0.0
            if n_draws == most and (share >= _ENOUGH or number == _ROUNDS - 1):
                break
            reference = near
            if share >= _LEAST or number >= _ROUNDS // 2:
                n_draws = min(4 * n_draws, most)
        if not arrived:  # the draws say nothing of a network so far away
            solution = solution._replace(network=near, converged=False)
        return self._averaged(problem, chains, sampled, solution, most, arrived)

    def _averaged(
        self,
        problem: Problem,
        chains: Chains,
        sampled: SampledLikelihood,
        solution: Solution,
        most: int,
        arrived: bool,
    ) -> _Sampled:
        """Correct the gradients of the draws by averages of many more sweeps."""
        for number in range(_AVERAGES):
            at = solution.network
            averages = chains.average(at, n_sweeps=_SWEEPS * most, burn_in=_BURN_IN)
            excess = sampled.excess_at(at, averages)
            likelihood = self.backend.sampled(
                sampled.cells, sampled.draws, sampled.reference, excess
            )
            # What the solver reports holds for its own averages; new ones say how far it is.
            residual = problem.residual(likelihood, at)
            if residual <= _NEAR or not arrived or number == _AVERAGES - 1:
                break
            after = problem.solve(
                likelihood,
                start=at,
                tolerance=self.tolerance,
                max_evaluations=self.max_evaluations,
                memory=solution.memory,
            )
            if sampled.effective(after.network) < _LEAST:
                break
            solution = after
        return _Sampled(solution, likelihood, residual)

    def _resampled(
        self,
        problem: Problem,
        solution: Solution,
        draws: SampledLikelihood | None,
        n_resamples: int,
    ) -> Resampled:
        """Fit the same problem to resampled cells."""

        def one(backend: Backend, number: int) -> Network:
            cells = resample(self.data, np.random.default_rng([self.seed, 1, number]))
            moments = Moments(np.empty((0, 0)), np.empty((0, 0)), np.empty((0, 0)))
            if self.method != "pseudo_likelihood":
                moments = moments_of(cells)
            likelihood = _likelihood(backend, cells, moments, self.method, draws)
            return problem.solve(
                likelihood,
                start=solution.network,
                tolerance=_RESAMPLED_TOLERANCE,
                memory=solution.memory,
            ).network

        networks = self.backend.each(one, n_resamples)
        return Resampled(
            np.stack([network.coupling for network in networks]),
            np.stack([network.response for network in networks]),
        )


def _likelihood(
    backend: Backend,
    data: CountedStates,
    moments: Moments,
    method: Method,
    draws: SampledLikelihood | None,
) -> Likelihood:
    if method == "pseudo_likelihood":
        return backend.pseudo(data)
    if draws is not None:
        return backend.sampled(moments, draws.draws, draws.reference, draws.excess)
    return backend.exact(moments)


class _Sampled(NamedTuple):
    solution: Solution
    likelihood: SampledLikelihood
    residual: float


def _towards(reference: Network, goal: Network, sampled: SampledLikelihood) -> Network:
    """Give a network so near the reference that enough of its draws still count.

    Where the moments of the cells are outside all that was drawn, the likelihood of the draws has
    no bound, and a few of them can count however far away the network is.
    """
    farthest = max(np.abs(a - b).max() for a, b in zip(reference, goal, strict=True))
    share = min(1.0, _FARTHEST / max(farthest, _FARTHEST))
    while True:
        between = goal
        if share < 1:
            parts = zip(reference, goal, strict=True)
            between = Network(*((1 - share) * a + share * b for a, b in parts))
        if sampled.effective(between) >= _LEAST:  # all of them do where it is the reference
            return between
        share /= 2
