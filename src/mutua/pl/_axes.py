"""What all plots share: axes, labels with units, colour maps."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mutua.errors import InvalidInput

SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"  # red positive, blue negative
MASKED = "0.88"


def new_axes(ax: Axes | None, *, figsize: tuple[float, float]) -> Axes:
    """Give the axes to draw on, new ones in a figure of their own by default."""
    if ax is None:
        _, made = plt.subplots(figsize=figsize, layout="constrained")
        return made
    if not isinstance(ax, Axes):
        raise InvalidInput("ax", f"a {type(ax).__name__}", "pass matplotlib Axes or None")
    return ax


def label_of(part: xr.DataArray, fallback: str = "") -> str:
    """Give the name and unit of a variable or coordinate as an axis label."""
    name = str(part.attrs.get("long_name", fallback or part.name))
    unit = part.attrs.get("units")
    return f"{name} ({unit})" if unit else name


def edges(values: np.ndarray) -> tuple[float, float] | None:
    """Give the outer edges of evenly spaced cells, or None where they are not evenly spaced."""
    if len(values) == 1:
        return float(values[0]) - 0.5, float(values[0]) + 0.5
    steps = np.diff(values.astype(float))
    if not np.allclose(steps, steps[0]) or steps[0] == 0:
        return None
    return float(values[0] - steps[0] / 2), float(values[-1] + steps[0] / 2)


def heatmap(
    ax: Axes, matrix: np.ndarray, x: np.ndarray, y: np.ndarray, *, cmap: Any, norm: Normalize
) -> Any:
    """Draw a matrix with its first row on top; axes carry the coordinates' own values."""
    x_edges, y_edges = edges(x), edges(y)
    if x_edges is None or y_edges is None:
        x_edges, y_edges = (-0.5, len(x) - 0.5), (-0.5, len(y) - 0.5)
        for axis, values in ((ax.xaxis, x), (ax.yaxis, y)):
            axis.set_major_locator(MaxNLocator(integer=True))
            axis.set_major_formatter(FuncFormatter(_names(values)))
    return ax.imshow(
        matrix,
        cmap=cmap,
        norm=norm,
        interpolation="nearest",
        extent=(*x_edges, y_edges[1], y_edges[0]),
        aspect="equal" if matrix.shape[0] == matrix.shape[1] else "auto",
    )


def _names(values: np.ndarray) -> Any:
    def name(place: float, _: int | None = None) -> str:
        index = round(place)
        return str(values[index]) if 0 <= index < len(values) else ""

    return name


def colour_map(name: str) -> Any:
    """Give a colour map whose missing cells are light grey."""
    return plt.get_cmap(name).with_extremes(bad=MASKED)


def symmetric(matrix: np.ndarray) -> float:
    """Give the limit of a diverging map: the largest absolute value, 1 where there is none."""
    finite = np.abs(matrix[np.isfinite(matrix)])
    return float(finite.max()) if finite.size and finite.max() > 0 else 1.0
