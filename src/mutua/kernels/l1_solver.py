"""The minimum of a smooth convex function plus a weighted sum of absolute values.

A proximal quasi-Newton method: the smooth function is replaced by a quadratic one with the
curvature that its gradients have shown so far (limited-memory BFGS), the sum with the absolute
values is minimised by coordinate descent, and a line search makes sure that the value falls.
Parameters that belong at zero are exactly zero, and how far the result is from the optimum is
known.

Sources: Lee, Sun and Saunders, SIAM J. Optim. 24:1420 (2014); Byrd, Nocedal and Schnabel, Math.
Program. 63:129 (1994), for the compact form of the curvature.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

__all__ = ["Memory", "Optimum", "kkt_residual", "minimise_l1"]

Vector = npt.NDArray[np.float64]
Function = Callable[[Vector], tuple[float, Vector]]

_PAIRS: Final = 12
_SWEEPS: Final = 60
_INNER: Final = 0.05  # of the residual: how well the quadratic is minimised
_ARMIJO: Final = 1e-4
_ROUNDING: Final = 1e-14  # of the value, which sums many terms


class Memory(NamedTuple):
    """The curvature that gradients have shown: steps and the changes of the gradient."""

    steps: tuple[Vector, ...]
    changes: tuple[Vector, ...]


class Optimum(NamedTuple):
    """Where the solver ended."""

    parameters: Vector
    value: float
    """Of the whole objective."""
    residual: float
    """Largest violation of the conditions of the optimum, in the `units` of the caller."""
    n_evaluations: int
    converged: bool
    memory: Memory


def kkt_residual(parameters: Vector, gradient: Vector, weights: Vector, units: Vector) -> float:
    """Give the largest violation of the conditions of the optimum.

    Parameters
    ----------
    parameters, gradient
        float64 (parameter,): where, and the gradient of the smooth part there.
    weights
        float64 (parameter,): weight of each absolute value, 0 for none.
    units
        float64 (parameter,): what each violation is multiplied by.
    """
    away = np.abs(gradient + weights * np.sign(parameters))
    at_zero = np.maximum(np.abs(gradient) - weights, 0.0)
    violation = np.where(parameters != 0, away, at_zero) * units
    return float(violation.max(initial=0.0))


def minimise_l1(
    function: Function,
    start: Vector,
    *,
    weights: Vector,
    curvature: Vector,
    units: Vector,
    tolerance: float,
    max_evaluations: int = 2000,
    memory: Memory | None = None,
) -> Optimum:
    """Minimise ``function(x) + sum(weights * abs(x))``.

    Parameters
    ----------
    function
        Gives the value and the gradient of the smooth convex part. An infinite value or NaN
        makes the step shorter.
    start
        float64 (parameter,): where to begin.
    weights
        float64 (parameter,): weight of each absolute value, 0 for none.
    curvature
        float64 (parameter,), above 0: a guess of the second derivatives.
    units
        float64 (parameter,): units of the residual, see `kkt_residual`.
    tolerance
        The residual to reach.
    max_evaluations
        Most calls of `function`.
    memory
        Of a solution of a problem that is nearly the same.

    Examples
    --------
    >>> wanted = np.array([3.0, 0.5, -2.0])
    >>> found = minimise_l1(
    ...     lambda x: (((x - wanted) ** 2).sum() / 2, x - wanted),
    ...     np.zeros(3),
    ...     weights=np.ones(3),
    ...     curvature=np.ones(3),
    ...     units=np.ones(3),
    ...     tolerance=1e-9,
    ... )
    >>> found.parameters.tolist()
    [2.0, 0.0, -1.0]
    """
    at, n_evaluations = start.copy(), 1
    value, gradient = function(at)
    value += float(weights @ np.abs(at))
    pairs = _Pairs(curvature, memory)
    while True:
        residual = kkt_residual(at, gradient, weights, units)
        if residual <= tolerance or n_evaluations >= max_evaluations:
            break
        diagonal, left, right = pairs.compact()
        step = _descend(
            at, gradient, weights, units, diagonal, left, right, _INNER * residual, _SWEEPS
        )
        expected = float(gradient @ step + weights @ (np.abs(at + step) - np.abs(at)))
        slack, scale, moved = _ROUNDING * (1 + abs(value)), 1.0, False
        while n_evaluations < max_evaluations and scale > 1e-12:
            trial = at + scale * step
            new_value, new_gradient = function(trial)
            new_value += float(weights @ np.abs(trial))
            n_evaluations += 1
            limit = value + _ARMIJO * scale * expected + slack
            if np.isfinite(new_value) and new_value <= limit:
                moved = True
                break
            scale *= _shrink(value, new_value, scale * expected)
        if not moved:
            if not pairs.any:
                break
            pairs = _Pairs(curvature, None)  # the curvature was misleading
            continue
        pairs.add(trial - at, new_gradient - gradient)
        at, value, gradient = trial, new_value, new_gradient
    return Optimum(at, value, residual, n_evaluations, residual <= tolerance, pairs.memory)


def _shrink(value: float, new_value: float, expected: float) -> float:
    """Give what to multiply a step by that went too far."""
    if not np.isfinite(new_value):
        return 0.1
    bend = new_value - value - expected
    return float(np.clip(-expected / (2 * bend), 0.1, 0.5)) if bend > 0 else 0.5


class _Pairs:
    """Steps and changes of the gradient, and the curvature that follows from them."""

    def __init__(self, curvature: Vector, memory: Memory | None) -> None:
        self.curvature = curvature
        self.steps: deque[Vector] = deque(memory.steps if memory else (), _PAIRS)
        self.changes: deque[Vector] = deque(memory.changes if memory else (), _PAIRS)

    @property
    def any(self) -> bool:
        return bool(self.steps)

    @property
    def memory(self) -> Memory:
        return Memory(tuple(self.steps), tuple(self.changes))

    def add(self, step: Vector, change: Vector) -> None:
        size = (step**2 @ self.curvature) * (change**2 @ (1 / self.curvature))
        if step @ change > 1e-8 * np.sqrt(size):
            self.steps.append(step)
            self.changes.append(change)

    def compact(self) -> tuple[Vector, Vector, Vector]:
        """Give diagonal, left and right with curvature ``diag(diagonal) - left @ right.T``."""
        n = len(self.curvature)
        if not self.steps:
            return self.curvature, np.zeros((n, 0)), np.zeros((n, 0))
        steps, changes = np.array(self.steps), np.array(self.changes)
        last = changes[-1]
        scale = (last**2 @ (1 / self.curvature)) / (steps[-1] @ last)
        diagonal = scale * self.curvature
        product = steps @ changes.T
        lower = np.tril(product, -1)
        bent = steps * diagonal
        inner = np.block([[bent @ steps.T, lower], [lower.T, -np.diag(np.diag(product))]])
        left = np.concatenate([bent, changes]).T
        right = np.linalg.solve(inner, left.T).T
        return diagonal, np.ascontiguousarray(left), np.ascontiguousarray(right)


@njit(nogil=True, cache=True)
def _descend(
    at: Vector,
    gradient: Vector,
    weights: Vector,
    units: Vector,
    diagonal: Vector,
    left: Vector,
    right: Vector,
    tolerance: float,
    max_sweeps: int,
) -> Vector:
    """Minimise the quadratic plus absolute values by coordinate descent; give the step."""
    n, rank = left.shape
    step = np.zeros(n)
    projected = np.zeros(rank)
    own = np.empty(n)
    for i in range(n):
        bend = diagonal[i]
        for r in range(rank):
            bend -= left[i, r] * right[i, r]
        own[i] = max(bend, 1e-10 * diagonal[i])
    for _ in range(max_sweeps):
        largest = 0.0
        for i in range(n):
            slope = gradient[i] + diagonal[i] * step[i]
            for r in range(rank):
                slope -= left[i, r] * projected[r]
            now = at[i] + step[i]
            goal = now - slope / own[i]
            if weights[i] > 0:
                shrunk = abs(goal) - weights[i] / own[i]
                goal = (shrunk if goal > 0 else -shrunk) if shrunk > 0 else 0.0
            change = goal - now
            if change != 0:
                step[i] = goal - at[i]
                for r in range(rank):
                    projected[r] += right[i, r] * change
                largest = max(largest, abs(change) * own[i] * units[i])
        if largest <= tolerance:
            break
    return step
