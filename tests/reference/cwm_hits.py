"""Instances of contribution matrices in one sequence, on the dense problem."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize


class Problem(NamedTuple):
    """min 1/2 |x - A c|^2 + penalty c over c >= 0, and where each column of A stands."""

    x: np.ndarray
    columns: np.ndarray
    penalty: np.ndarray
    start: np.ndarray
    atom: np.ndarray
    similarity: np.ndarray

    def objective(self, c: np.ndarray) -> float:
        rest = self.x - self.columns @ c
        return float(0.5 * rest @ rest + self.penalty @ c)

    def gradient(self, c: np.ndarray) -> np.ndarray:
        """Give what every coefficient could gain, without the penalty."""
        return self.columns.T @ (self.x - self.columns @ c)

    def solve(self) -> np.ndarray:
        def both(c: np.ndarray) -> tuple[float, np.ndarray]:
            return self.objective(c), self.penalty - self.gradient(c)

        n = len(self.penalty)
        options: Any = {"maxiter": 20_000, "maxfun": 50_000, "ftol": 1e-15, "gtol": 1e-9}
        found = minimize(both, np.zeros(n), jac=True, bounds=[(0, None)] * n, method="L-BFGS-B",
                         options=options)  # fmt: skip
        return np.asarray(found.x)


def problem(
    values: np.ndarray, codes: np.ndarray, matrices: list[np.ndarray], penalty: list[float],
    *, all_letters: bool = False,
) -> Problem:  # fmt: skip
    """Write the problem of values (letter, position) and matrices (letter, column) of norm <= 1."""
    n_letters, length = values.shape
    shown = np.zeros((n_letters, length))
    for p, code in enumerate(codes):
        if code < n_letters:
            shown[:, p] = 1 if all_letters else np.arange(n_letters) == code
    signal = values * shown
    letters = sum(code != 255 for code in codes)
    size = np.sqrt((signal**2).sum() / letters)
    x = signal / size if size > 0 else signal
    columns, weights, starts, atoms, similarity = [], [], [], [], []
    for k, matrix in enumerate(matrices):
        width = matrix.shape[1]
        for p in range(length - width + 1):
            if 255 in codes[p : p + width]:
                continue
            window = x[:, p : p + width]
            energy = (window**2).sum()
            column = np.zeros((n_letters, length))
            column[:, p : p + width] = matrix / np.sqrt(energy + 1)
            columns.append((column * shown).ravel())
            weights.append(penalty[k])
            starts.append(p)
            atoms.append(k)
            product = (matrix * window).sum()
            similarity.append(product / np.sqrt(energy) if energy > 0 else 0.0)
    return Problem(x.ravel(), np.array(columns).T, np.array(weights), np.array(starts),
                   np.array(atoms), np.array(similarity))  # fmt: skip
