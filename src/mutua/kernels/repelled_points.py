"""Points of a plane that stay near where they belong, and out of each other's way."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["repelled_energy", "repelled_points"]

Reals = NDArray[np.float64]

_GOLDEN_ANGLE: Final = math.pi * (3 - math.sqrt(5))
_APART: Final = 0.05  # of the distance that two points in one place end at


def repelled_energy(points: Reals, home: Reals, repulsion: float) -> tuple[float, Reals]:
    r"""Give the energy of points that are held by springs and repel each other, and its gradient.

    .. math:: \sum_i |x_i - x^0_i|^2 + \rho \sum_{i<j} 1 / |x_i - x_j|

    Parameters
    ----------
    points, home
        float64 (n, 2): where they are, no two in one place, and where they belong.
    repulsion
        The factor :math:`\rho`, in units of length to the third power.

    Examples
    --------
    >>> energy, gradient = repelled_energy(np.array([[0.0, 0], [2, 0]]), np.zeros((2, 2)), 4.0)
    >>> energy, gradient.tolist()
    (6.0, [[1.0, 0.0], [3.0, 0.0]])
    """
    away = points - home
    apart = points[:, None] - points
    distance = np.sqrt((apart**2).sum(axis=-1))
    np.fill_diagonal(distance, np.inf)
    energy = float((away**2).sum() + repulsion * (1 / distance).sum() / 2)
    push = (apart / distance[:, :, None] ** 3).sum(axis=1)
    return energy, 2 * away - repulsion * push


def repelled_points(home: Reals, *, repulsion: float) -> Reals:
    """Give the places of least energy nearby.

    Parameters
    ----------
    home
        float64 (n, 2): where the points belong; several may be in one place.
    repulsion
        At least 0, in units of length to the third power. Two points that belong to one place end
        its third root apart.

    Examples
    --------
    >>> points = repelled_points(np.zeros((2, 2)), repulsion=8.0)
    >>> round(float(np.hypot(*(points[0] - points[1]))), 6)
    2.0
    """
    if repulsion == 0 or len(home) < 2:
        return home.copy()
    shape = home.shape

    def energy(flat: Reals) -> tuple[float, Reals]:
        value, gradient = repelled_energy(flat.reshape(shape), home, repulsion)
        return value, gradient.reshape(-1)

    start = _spread(home, _APART * repulsion ** (1 / 3))
    options = {"maxiter": 5_000, "maxfun": 50_000, "ftol": 1e-14, "gtol": 1e-9}
    found = minimize(energy, start.reshape(-1), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x).reshape(shape)


def _spread(home: Reals, radius: float) -> Reals:
    """Move points that are too close to an earlier one a little, each in its own direction."""
    points = home.copy()
    for place in range(1, len(points)):
        turn = 0
        while (np.hypot(*(points[:place] - points[place]).T) < radius).any():
            turn += 1
            angle = _GOLDEN_ANGLE * (place + turn)
            step = radius * math.sqrt(turn) * 1.5
            points[place] = home[place] + step * np.array([math.cos(angle), math.sin(angle)])
    return points
