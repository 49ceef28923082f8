"""Pairs of positions that are not significant: which they are, and how they are faded."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from mutua.errors import InvalidInput
from mutua.models.arguments import number
from mutua.models.dims import POSITION_I, POSITION_J

__all__ = ["insignificant", "veil"]

_P_VALUES = ("q_value", "p_value", "p_familywise")


def insignificant(element: xr.Dataset, level: float | None, p_value: str) -> np.ndarray:
    """Give which pairs are above a level, (position, position); none without a level."""
    shape = element.sizes[POSITION_I], element.sizes[POSITION_J]
    if level is None:
        return np.zeros(shape, dtype=bool)
    number("significant", level, low=0, high=1)
    if p_value not in _P_VALUES:
        raise InvalidInput("p_value", f"{p_value!r}", "use 'q_value', 'p_value' or 'p_familywise'")
    if p_value not in element:
        raise InvalidInput(
            "significant", f"the element has no {p_value}", "compute it: n_permutations=1000"
        )
    return np.asarray(~(element[p_value].values <= level))


def veil(ax: Axes, image: Any, faded: np.ndarray) -> None:
    """Lay white over the cells of a heatmap that are to be faded."""
    if not faded.any():
        return
    layer = np.zeros((*faded.shape, 4))
    layer[..., :3] = 1
    layer[..., 3] = np.where(faded, 0.85, 0)
    ax.imshow(layer, extent=image.get_extent(), interpolation="nearest")
