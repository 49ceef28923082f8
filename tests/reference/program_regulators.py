"""The regression of a program's state on those of genes, by its formula and a general solver."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize

from mutua.kernels.program_regulators import RIDGE


def objective(
    genes: np.ndarray,
    states: np.ndarray,
    weights: np.ndarray,
    coupling: np.ndarray,
    own: float,
    activity: float,
    l1: float,
) -> float:
    """Give what is minimised, a cell at a time."""
    total = l1 * sum(abs(w) for w in coupling) + RIDGE * (own**2 + activity**2) / 2
    for cell in range(len(states)):
        drive = activity + sum(g * w for g, w in zip(genes[cell], coupling, strict=True))
        logs = {s: own * s**2 + drive * s for s in (-1, 0, 1)}
        norm = math.log(sum(math.exp(value) for value in logs.values()))
        total -= weights[cell] * (logs[int(states[cell])] - norm)
    return total


def solve(
    genes: np.ndarray, states: np.ndarray, weights: np.ndarray, l1: float
) -> tuple[np.ndarray, float, float]:
    """Give coupling, self coupling and activity, with positive and negative parts bounded at 0."""
    n = genes.shape[1]
    genes, states = genes.astype(float), states.astype(float)

    def function(x: np.ndarray) -> tuple[float, np.ndarray]:
        own, activity = x[-2:]
        drive = genes @ (x[:n] - x[n : 2 * n]) + activity
        up, down = np.exp(own + drive), np.exp(own - drive)
        norm = 1 + up + down
        value = weights @ (np.log(norm) - own * states**2 - drive * states)
        value += l1 * x[: 2 * n].sum() + RIDGE * (own**2 + activity**2) / 2
        slope = weights * ((up - down) / norm - states)
        by_gene = genes.T @ slope
        by_own = weights @ ((up + down) / norm - states**2) + RIDGE * own
        return value, np.r_[by_gene + l1, l1 - by_gene, by_own, slope.sum() + RIDGE * activity]

    bounds = [(0, None)] * (2 * n) + [(None, None)] * 2
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 10_000, "maxfun": 100_000}
    found = minimize(function, np.zeros(2 * n + 2), jac=True, bounds=bounds, options=options).x
    return found[:n] - found[n : 2 * n], float(found[-2]), float(found[-1])
