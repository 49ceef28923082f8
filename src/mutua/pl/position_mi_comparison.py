"""Plots of the difference between two sequence sets in the dependency of positions."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from mutua.errors import InvalidInput
from mutua.models import Dataset, PositionMIDifference
from mutua.models.arguments import number, one_of
from mutua.models.dims import POSITION_I, POSITION_J
from mutua.pl._axes import (
    DIVERGING,
    SEQUENTIAL,
    colour_map,
    heatmap,
    label_of,
    new_axes,
    symmetric,
)
from mutua.pl._significance import insignificant, veil

__all__ = ["compare_position_mi"]

_VARIABLES = ("difference_corrected", "difference", "difference_null")


def compare_position_mi(
    comparison: Dataset[PositionMIDifference],
    *,
    view: str = "difference",
    variable: str | None = None,
    significant: float | None = None,
    p_value: str = "q_value",
    vmax: float | None = None,
    cmap: str | None = None,
    colorbar: bool = True,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw where two sequence sets differ in the dependency of positions, as a heatmap.

    Parameters
    ----------
    comparison
        From `tl.compare_position_mi`. Pairs whose k-mers overlap are grey.
    view
        ``"difference"``: red where the dependency is stronger in a, blue where in b. ``"both"``:
        the mutual information of a above the diagonal and that of b below, on one scale.
    variable
        What to show as the difference: ``"difference_corrected"``, ``"difference"`` or
        ``"difference_null"``; by default the corrected one where there is one.
    significant
        Fade all pairs whose `p_value` is above this level.
    p_value
        Which one: ``"q_value"``, ``"p_value"`` or ``"p_familywise"``.
    vmax
        Upper limit of the colours; differences go from minus this to this.
    cmap
        Colour map; by default red-blue, or viridis for both maps.
    colorbar
        Draw a colour bar.
    title
        Title; by default the two sets.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidElement
        If `comparison` is of another kind.
    InvalidInput
        If a variable is not there, or a limit is not above 0.

    Examples
    --------
    >>> import mutua as mt
    >>> sets = [mt.pp.random_sequences(200, length=12, seed=seed) for seed in (0, 1)]
    >>> comparison = mt.tl.compare_position_mi(*sets, k=1, n_permutations=20)
    >>> ax = mt.pl.compare_position_mi(comparison, significant=0.05)
    >>> ax.get_xlabel()
    'position of the second k-mer'
    """
    PositionMIDifference.check(comparison, where="argument `comparison` of pl.compare_position_mi")
    one_of("view", view, ["difference", "both"])
    if vmax is not None:
        vmax = number("vmax", vmax, low=0, open_low=True)
    if view == "both":
        if variable is not None:
            raise InvalidInput("variable", f"{variable!r} with view='both'", "use neither or one")
        matrix = _both(comparison)
        top = np.nanmax(matrix, initial=0.0) if vmax is None else vmax
        colours, norm = cmap or SEQUENTIAL, Normalize(0.0, top if top > 0 else 1.0)
    else:
        variable = _variable(comparison, variable)
        matrix = np.array(comparison[variable].values)
        limit = symmetric(matrix) if vmax is None else vmax
        colours, norm = cmap or DIVERGING, Normalize(-limit, limit)
    faded = insignificant(comparison, significant, p_value)
    ax = new_axes(ax, figsize=(6.6, 5.4))
    x, y = comparison[POSITION_J], comparison[POSITION_I]
    image = heatmap(ax, matrix, x.values, y.values, cmap=colour_map(colours), norm=norm)
    veil(ax, image, faded & np.isfinite(matrix))
    ax.set_xlabel(label_of(x))
    ax.set_ylabel(label_of(y))
    ax.set_title(_title(comparison, view) if title is None else title, fontsize="medium")
    if colorbar:
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.85)
        bar.set_label(_bar_label(comparison, variable))
    return ax


def _both(comparison: xr.Dataset) -> np.ndarray:
    """Give the values of a above the diagonal and those of b below."""
    a, b = comparison["mi_a"].values, comparison["mi_b"].values
    return np.where(np.tri(len(a), k=-1, dtype=bool), b, a)


def _variable(comparison: xr.Dataset, variable: str | None) -> str:
    there = [name for name in _VARIABLES if name in comparison]
    if variable is None:
        return there[0]
    if variable not in there:
        raise InvalidInput("variable", f"{variable!r}", f"use one of {there}")
    return variable


def _title(comparison: xr.Dataset, view: str) -> str:
    attrs = comparison.attrs
    a, b = (f"{attrs[f'name_{x}']} ({attrs[f'n_sequences_{x}']:,} sequences)" for x in "ab")
    if view == "both":
        return f"above the diagonal: {a}\nbelow: {b}"
    return f"{a}\nagainst {b}"


def _bar_label(comparison: xr.Dataset, variable: str | None) -> str:
    if variable is None:
        return "mutual information (bits)"
    a, b = comparison.attrs["name_a"], comparison.attrs["name_b"]
    what = {
        "difference": "difference of mutual information",
        "difference_corrected": "difference of mutual information, corrected",
        "difference_null": "difference of mutual information to expect",
    }[variable]
    return f"{what} (bits)\n\N{LEFTWARDS ARROW} more in {b}      more in {a} \N{RIGHTWARDS ARROW}"
