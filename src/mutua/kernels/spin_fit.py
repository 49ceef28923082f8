"""A three-state network fitted to cells, by any of the likelihoods, and to resampled cells."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from mutua.kernels.spin_exact import ExactLikelihood
from mutua.kernels.spin_mcmc import Chains, SampledLikelihood
from mutua.kernels.spin_problem import Likelihood, Network, Penalty, Problem, Solution
from mutua.kernels.spin_pseudo import PseudoLikelihood
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
_RESAMPLED_TOLERANCE: Final = 1e-4


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

    Examples
    --------
    >>> from mutua.kernels.spin_states import count_states
    >>> states = np.array([[1, 1], [-1, -1], [1, 1], [0, 0], [-1, -1], [0, 1]])
    >>> data = count_states(states, np.zeros(6, np.int64), n_conditions=1)
    >>> fit = fit_network(data, Penalty(np.full((2, 2), 0.01)), method="exact")
    >>> fit.converged, bool(fit.network.coupling[0, 1] > 1)
    (True, True)
    """
    moments = moments_of(data)
    pseudo = method == "pseudo_likelihood"
    problem = Problem(moments, penalty, pseudo=pseudo, directed=directed)
    with threadpool_limits(1, user_api="blas"), Workers() as workers:
        draws: SampledLikelihood | None = None
        if method == "mcmc":
            sampled = _sampled(
                data,
                moments,
                penalty,
                problem,
                tolerance,
                max_evaluations,
                n_samples,
                seed,
                workers,
            )
            solution, draws = sampled.solution, sampled.likelihood
            residual, value = sampled.residual, np.nan
        else:
            likelihood = _likelihood(data, moments, method, None, workers)
            solution = problem.solve(
                likelihood, tolerance=tolerance, max_evaluations=max_evaluations
            )
            residual, value = solution.residual, solution.value
        resampled = None
        if n_resamples:
            resampled = _resampled(
                data, problem, solution, method, draws, n_resamples, seed, workers
            )
    return Fit(solution.network, value, residual, solution.converged, resampled)


def _likelihood(
    data: CountedStates,
    moments: Moments,
    method: Method,
    draws: SampledLikelihood | None,
    workers: Workers,
) -> Likelihood:
    if method == "pseudo_likelihood":
        return PseudoLikelihood(data, workers)
    if draws is not None:
        return SampledLikelihood(moments, draws.draws, draws.reference, workers)
    return ExactLikelihood(moments, workers)


class _Sampled(NamedTuple):
    solution: Solution
    likelihood: SampledLikelihood
    residual: float


def _sampled(
    data: CountedStates,
    moments: Moments,
    penalty: Penalty,
    problem: Problem,
    tolerance: float,
    max_evaluations: int,
    n_samples: int,
    seed: int,
    workers: Workers,
) -> _Sampled:
    """Fit by Markov chains, from the optimum of the pseudo-likelihood."""
    first = Problem(moments, penalty, pseudo=True)
    likelihood = PseudoLikelihood(data, workers)
    reference = first.solve(likelihood, tolerance=1e-4, max_evaluations=max_evaluations).network
    chains = Chains(data, n_chains=_CHAINS, seed=seed, workers=workers)
    most = -(-n_samples // _CHAINS)
    n_draws, memory = min(_FIRST_DRAWS, most), None
    for number in range(_ROUNDS):
        states = chains.draw(reference, n_draws=n_draws, every=_EVERY, burn_in=_BURN_IN)
        sampled = SampledLikelihood(moments, states, reference, workers)
        solution = problem.solve(
            sampled,
            start=reference,
            tolerance=tolerance,
            max_evaluations=max_evaluations,
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
    # What the solver reports holds for its own draws; others say how far the optimum is.
    states = chains.draw(solution.network, n_draws=most, every=_EVERY, burn_in=_BURN_IN)
    fresh = SampledLikelihood(moments, states, solution.network, workers)
    residual = problem.residual(fresh, solution.network)
    return _Sampled(solution, sampled, residual)


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


def _resampled(
    data: CountedStates,
    problem: Problem,
    solution: Solution,
    method: Method,
    draws: SampledLikelihood | None,
    n_resamples: int,
    seed: int,
    workers: Workers,
) -> Resampled:
    """Fit the same problem to resampled cells, each on one thread."""

    def one(number: int) -> Network:
        cells = resample(data, np.random.default_rng([seed, 1, number]))
        moments = Moments(np.empty((0, 0)), np.empty((0, 0)), np.empty((0, 0)))
        if method != "pseudo_likelihood":
            moments = moments_of(cells)
        with Workers(1) as alone:
            likelihood = _likelihood(cells, moments, method, draws, alone)
            return problem.solve(
                likelihood,
                start=solution.network,
                tolerance=_RESAMPLED_TOLERANCE,
                memory=solution.memory,
            ).network

    networks = workers.run(one, [(number,) for number in range(n_resamples)])
    return Resampled(
        np.stack([network.coupling for network in networks]),
        np.stack([network.response for network in networks]),
    )
