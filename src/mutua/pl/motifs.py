"""Sequence logos of motifs."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mutua.errors import InvalidInput
from mutua.models import Dataset, MotifSet
from mutua.models.arguments import whole_number
from mutua.models.dims import CONTRIBUTION, INFORMATION, MOTIF, PROBABILITY
from mutua.models.motif_names import motif_numbers
from mutua.pl._axes import new_axes
from mutua.pl._logos import SHORT_LABELS, draw_logo, logo_heights, logo_limits

__all__ = ["motif", "motifs"]

_LABELS = {
    INFORMATION: "information (bits)",
    PROBABILITY: "probability",
    CONTRIBUTION: "mean contribution\n(model output)",
}


def motif(
    motifs: Dataset[MotifSet],
    *,
    motif: str | None = None,
    which: str = "information",
    reverse_complement: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw the sequence logo of one motif.

    Parameters
    ----------
    motifs
        Motifs.
    motif
        The one to draw, by its id or by a name that no other has; may be left out where there is
        one only.
    which
        ``"information"``: letters as high as their share of the bits by which a position differs
        from the background (Schneider and Stephens 1990, Nucleic Acids Research 18:6097);
        ``"probability"``; or ``"contribution"``, in which letters below 0 hang upside down.
    reverse_complement
        Draw the opposite strand.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        Positions are counted from 0.

    Raises
    ------
    InvalidElement
        If it is no motif set.
    InvalidInput
        If there is no such motif, it has no contributions, or the alphabet no complement.

    Examples
    --------
    >>> import mutua as mt
    >>> ax = mt.pl.motif(mt.MotifSet.build({"GATA1": "WGATAR"}))
    >>> ax.get_ylabel()
    'information (bits)'
    """
    MotifSet.check(motifs, where="argument `motifs` of pl.motif")
    place = _place(motifs, motif)
    heights = logo_heights(motifs, [place], which, reverse_complement)[0]
    ax = new_axes(ax, figsize=(max(3.0, 1.2 + 0.32 * heights.shape[1]), 2.2))
    draw_logo(ax, heights, motifs, which)
    ax.set_xlim(-0.6, heights.shape[1] - 0.4)
    ax.set_xlabel("motif position")
    ax.set_ylabel(_LABELS[which])
    strand = " (reverse complement)" if reverse_complement else ""
    ax.set_title(_title(motifs, place) + strand, fontsize="medium")
    return ax


def motifs(
    motifs: Dataset[MotifSet],
    *,
    n: int = 30,
    columns: int | None = None,
    which: str = "information",
) -> Figure:
    """Draw a sheet of the logos of the first motifs of a set, on one scale.

    Parameters
    ----------
    motifs
        Motifs. Choose and order them before: ``motifs.isel(motif=...)``, ``motifs.sortby(...)``.
    n
        Draw at most that many.
    columns
        Logos side by side; by default as many as keep the sheet readable.
    which
        As for `motif`.

    Returns
    -------
    matplotlib.figure.Figure
        Each logo with its id and name, and with its number of sites and q-value (or p-value)
        where the set has them.

    Raises
    ------
    InvalidElement
        If it is no motif set.
    InvalidInput
        If there are no motifs, or they have no contributions.

    Examples
    --------
    >>> import mutua as mt
    >>> motifs = mt.MotifSet.build({"GATA1": "WGATAR", "E-box": "CANNTG"}, n_sites=[120, 64])
    >>> figure = mt.pl.motifs(motifs)
    >>> figure.axes[1].get_title(loc="left"), figure.axes[1].get_title(loc="right")
    ('E-box', '64 sites')
    """
    MotifSet.check(motifs, where="argument `motifs` of pl.motifs")
    there = motifs.sizes[MOTIF]
    n = min(whole_number("n", n, low=1), there)
    if not n:
        raise InvalidInput("motifs", "there are none", "give at least one")
    heights = logo_heights(motifs, list(range(n)), which, False)
    widest = max(values.shape[1] for values in heights)
    if columns is None:
        columns = 1 if n < 4 else 2 if n < 10 or widest > 30 else 3
    columns = min(whole_number("columns", columns, low=1), n)
    rows = math.ceil(n / columns)
    panel = min(max(2.6, 0.22 * widest + 0.5), 12)
    size = (panel * columns + 0.4, 1.15 * rows + 0.5)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    limits = logo_limits(motifs, np.concatenate(heights, axis=1), which)
    for place, ax in enumerate(axes.flat):
        if place >= n:
            ax.set_axis_off()
            continue
        draw_logo(ax, heights[place], motifs, which)
        ax.set_xlim(-0.6, widest - 0.4)
        ax.set_ylim(limits)
        ax.tick_params(labelsize="x-small")
        ax.set_title(_title(motifs, place), fontsize="small", loc="left")
        ax.set_title(_significance(motifs, place), fontsize="x-small", loc="right", color="0.35")
        if place % columns == 0:
            ax.set_ylabel(SHORT_LABELS[which], fontsize="small")
        if place + columns >= n:
            ax.set_xlabel("motif position", fontsize="small")
    if n < there:
        figure.suptitle(f"the first {n} of {there:,} motifs", fontsize="medium")
    return figure


def _place(motifs: xr.Dataset, motif: str | None) -> int:
    if motif is not None:
        return motif_numbers(motifs, [motif], "motif")[0]
    ids = motifs[MOTIF].values.tolist()
    if len(ids) != 1:
        shown = f"{ids[:8]}" + (f" and {len(ids) - 8:,} more" if len(ids) > 8 else "")
        raise InvalidInput("motif", f"there are {len(ids):,} motifs", f"use one of {shown}")
    return 0


def _title(motifs: xr.Dataset, place: int) -> str:
    name = str(motifs["name"].values[place]) if "name" in motifs.coords else ""
    return f"{motifs[MOTIF].values[place]}  {name}".strip()


def _significance(motifs: xr.Dataset, place: int) -> str:
    """Give the number of sites and the q-value, or else the p-value, as far as they are known."""
    parts = []
    if "n_sites" in motifs and np.isfinite(n_sites := float(motifs["n_sites"].values[place])):
        parts.append(f"{n_sites:,.6g} sites")
    for name in ("q_value", "p_value"):
        if name in motifs and np.isfinite(value := float(motifs[name].values[place])):
            parts.append(f"{name[0]} = {value:.2g}")
            break
    return ", ".join(parts)
