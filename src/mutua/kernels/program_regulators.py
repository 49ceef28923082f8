"""Which genes set the state of a program: sparse logistic regressions with three outcomes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mutua.kernels.l1_solver import kkt_residual, minimise_l1
from mutua.kernels.threads import Workers

__all__ = ["RIDGE", "Regulators", "program_regulators"]

Reals = NDArray[np.float64]
States = NDArray[np.int8]

RIDGE: Final = 1e-4
"""Weight of half the squares of the two parameters without an l1 penalty: programs that are never
in one of the states would have none that are finite without it."""
_SCREENED: Final = 0.5  # of the tolerance, so that rounding does not call a gene back
_MOST_ADDED: Final = 64  # genes in a round, and as many as there are already
_GENES: Final = 256  # columns and rows of a block that is made float64 for a product
_CELLS: Final = 4096
_ROUNDS: Final = 100


class Regulators(NamedTuple):
    """The parameters at the optimum."""

    coupling: Reals
    """(program, gene)."""
    self_coupling: Reals
    """(program,)."""
    activity: Reals
    """(program,)."""
    explained: Reals
    """(program,): share of the deviance that the genes explain."""
    residual: float
    """Largest violation of the conditions of the optimum, of any program."""


class _Fit(NamedTuple):
    """One program, as it is known so far."""

    places: NDArray[np.int64]
    """Genes that were looked at."""
    parameters: Reals
    """Couplings of these genes, the self coupling and the activity."""
    slope: Reals
    """(cell,): derivative of the objective with respect to the input of the cell."""
    value: float
    """Of the objective without the l1 penalty."""


def program_regulators(
    genes: States,
    programs: States,
    weights: Reals,
    *,
    l1: float,
    allowed: NDArray[np.bool_],
    tolerance: float = 1e-6,
) -> Regulators:
    r"""Regress the state of each program on those of the genes, all programs on their own.

    The state s of a program in a cell with genes g has the probability

    .. math:: P(s) \propto \exp(a s^2 + s (b + \textstyle\sum_j w_j g_j)), \qquad s = -1, 0, 1

    and the weighted mean of -log P, plus l1 times the sum of :math:`|w_j|`, is minimised. That is
    a convex problem. It is solved for a few genes, those that violate the conditions of the
    optimum most are added, and so on until none does.

    Parameters
    ----------
    genes
        int8 (cell, gene) of -1, 0 and 1.
    programs
        int8 (cell, program) of -1, 0 and 1.
    weights
        float64 (cell,), at least 0, with sum 1.
    l1
        Above 0.
    allowed
        bool (program, gene): which genes may regulate.
    tolerance
        The largest violation of the conditions of the optimum that is left, of derivatives that
        are means over the cells.

    Notes
    -----
    The result does not depend on the number of threads.

    Examples
    --------
    >>> genes = np.random.default_rng(0).integers(-1, 2, (400, 3)).astype(np.int8)
    >>> found = program_regulators(
    ...     genes, genes[:, 1:2], np.full(400, 1 / 400), l1=0.1, allowed=np.ones((1, 3), bool)
    ... )
    >>> np.flatnonzero(found.coupling[0]).tolist()
    [1]
    """
    n_programs = len(allowed)
    nothing = np.empty(0, np.int64)
    with threadpool_limits(1, user_api="blas"), Workers() as workers:
        start = _Fit(nothing, np.zeros(2), np.empty(0), 0.0)
        fits = workers.run(
            _fitted,
            [(genes, programs[:, p], weights, start, l1, tolerance) for p in range(n_programs)],
        )
        alone = np.array([fit.value for fit in fits])
        for _ in range(_ROUNDS):
            gradient = _gradient(genes, np.stack([fit.slope for fit in fits], axis=1), workers)
            tasks = []
            for p, fit in enumerate(fits):
                excess = np.where(allowed[p], np.abs(gradient[:, p]) - l1, -np.inf)
                excess[fit.places] = -np.inf
                added = _worst(excess, len(fit.places), tolerance)
                if len(added):
                    kept = fit.parameters[:-2] != 0
                    places = np.concatenate([fit.places[kept], added])
                    begin = np.concatenate(
                        [fit.parameters[:-2][kept], np.zeros(len(added)), fit.parameters[-2:]]
                    )
                    tasks.append((p, fit._replace(places=places, parameters=begin)))
            if not tasks:
                break
            solved = workers.run(
                _fitted, [(genes, programs[:, p], weights, fit, l1, tolerance) for p, fit in tasks]
            )
            for (p, _), fit in zip(tasks, solved, strict=True):
                fits[p] = fit
        return _collected(genes, weights, fits, alone, allowed, l1, workers)


def _collected(
    genes: States,
    weights: Reals,
    fits: list[_Fit],
    alone: Reals,
    allowed: NDArray[np.bool_],
    l1: float,
    workers: Workers,
) -> Regulators:
    """Give the parameters of all programs, and how far they are from the optimum."""
    coupling = np.zeros(allowed.shape)
    for row, fit in zip(coupling, fits, strict=True):
        row[fit.places] = fit.parameters[:-2]
    gradient = _gradient(genes, np.stack([fit.slope for fit in fits], axis=1), workers).T
    penalty = np.where(allowed, l1, np.inf).reshape(-1)
    seen = np.isfinite(penalty)
    residual = kkt_residual(
        coupling.reshape(-1)[seen], gradient.reshape(-1)[seen], penalty[seen], np.ones(seen.sum())
    )
    own = np.array([fit.parameters[-2:] for fit in fits])
    value = np.array([fit.value for fit in fits])
    explained = np.where(alone > 0, 1 - value / np.where(alone > 0, alone, 1.0), 0.0)
    return Regulators(coupling, own[:, 0], own[:, 1], np.clip(explained, 0.0, 1.0), residual)


def _worst(excess: Reals, n_there: int, tolerance: float) -> NDArray[np.int64]:
    """Give the genes that violate the conditions of the optimum most."""
    most = max(_MOST_ADDED, n_there)
    order = np.argsort(-excess, kind="stable")[:most]
    return order[excess[order] > tolerance]


def _fitted(
    genes: States, states: States, weights: Reals, fit: _Fit, l1: float, tolerance: float
) -> _Fit:
    """Find the optimum of one program over the genes of `fit`."""
    chosen = np.asfortranarray(genes[:, fit.places], np.float64)
    states = np.ascontiguousarray(states)
    n = len(fit.places)
    slope = np.empty(len(states))

    def function(parameters: Reals) -> tuple[float, Reals]:
        own, activity = parameters[n], parameters[n + 1]
        drive = chosen @ parameters[:n] + activity
        value, own_slope = _likelihood(drive, own, states, weights, slope)
        ridge = RIDGE * parameters[n:]
        gradient = np.concatenate([chosen.T @ slope, [own_slope, slope.sum()]])
        gradient[n:] += ridge
        return value + float(ridge @ parameters[n:]) / 2, gradient

    seen = weights @ chosen**2 if n else np.empty(0)
    found = minimise_l1(
        function,
        fit.parameters,
        weights=np.concatenate([np.full(n, l1), np.zeros(2)]),
        curvature=np.concatenate([np.maximum(seen, 1e-3), [1.0, 1.0]]) / 2,
        units=np.ones(n + 2),
        tolerance=_SCREENED * tolerance,
    )
    value, _ = function(found.parameters)
    return _Fit(fit.places, found.parameters, slope, value)


@njit(cache=True, nogil=True)
def _likelihood(
    drive: Reals, own: float, states: States, weights: Reals, slope: Reals
) -> tuple[float, float]:
    """Give the mean of -log P and its derivative by the self coupling; fill `slope`."""
    value = own_slope = 0.0
    for cell in range(len(drive)):
        state, weight = float(states[cell]), weights[cell]
        up, down = own + drive[cell], own - drive[cell]
        most = max(0.0, up, down)
        p_up, p_down = math.exp(up - most), math.exp(down - most)
        total = p_up + p_down + math.exp(-most)
        mean, square = (p_up - p_down) / total, (p_up + p_down) / total
        value += weight * (most + math.log(total) - own * state * state - drive[cell] * state)
        slope[cell] = weight * (mean - state)
        own_slope += weight * (square - state * state)
    return value, own_slope


def _gradient(genes: States, slopes: Reals, workers: Workers) -> Reals:
    """Give (gene, program): the derivatives of all programs by the weights of all genes."""
    n_cells, n_genes = genes.shape
    found = np.zeros((n_genes, slopes.shape[1]))

    def add(start: int) -> None:
        own = slice(start, start + _GENES)
        for rows in _blocks(n_cells, _CELLS):
            found[own] += genes[rows, own].astype(np.float64).T @ slopes[rows]

    workers.run(add, [(start,) for start in range(0, n_genes, _GENES)])
    return found


def _blocks(n: int, size: int) -> Iterator[slice]:
    for start in range(0, n, size):
        yield slice(start, start + size)
