"""Sequence logos of motifs."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mutua.errors import InvalidInput
from mutua.models import Dataset, MotifSet
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import CONTRIBUTION, INFORMATION, LENGTH, MOTIF, PROBABILITY
from mutua.models.motif_matrices import column_information, reverse_complemented
from mutua.models.motif_names import motif_numbers
from mutua.pl._axes import new_axes
from mutua.pl._letters import draw_letters

__all__ = ["motif", "motifs"]

_WHICH = (INFORMATION, PROBABILITY, CONTRIBUTION)
_LABELS = {
    INFORMATION: "information (bits)",
    PROBABILITY: "probability",
    CONTRIBUTION: "mean contribution\n(model output)",
}
_SHORT_LABELS = {INFORMATION: "bits", PROBABILITY: "probability", CONTRIBUTION: "contribution"}


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
    heights = _heights(motifs, [place], which, reverse_complement)[0]
    ax = new_axes(ax, figsize=(max(3.0, 1.2 + 0.32 * heights.shape[1]), 2.2))
    _draw(ax, heights, motifs, which)
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
    heights = _heights(motifs, list(range(n)), which, False)
    widest = max(values.shape[1] for values in heights)
    if columns is None:
        columns = 1 if n < 4 else 2 if n < 10 or widest > 30 else 3
    columns = min(whole_number("columns", columns, low=1), n)
    rows = math.ceil(n / columns)
    panel = min(max(2.6, 0.22 * widest + 0.5), 12)
    size = (panel * columns + 0.4, 1.15 * rows + 0.5)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    limits = _limits(motifs, np.concatenate(heights, axis=1), which)
    for place, ax in enumerate(axes.flat):
        if place >= n:
            ax.set_axis_off()
            continue
        _draw(ax, heights[place], motifs, which)
        ax.set_xlim(-0.6, widest - 0.4)
        ax.set_ylim(limits)
        ax.tick_params(labelsize="x-small")
        ax.set_title(_title(motifs, place), fontsize="small", loc="left")
        ax.set_title(_significance(motifs, place), fontsize="x-small", loc="right", color="0.35")
        if place % columns == 0:
            ax.set_ylabel(_SHORT_LABELS[which], fontsize="small")
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


def _heights(
    motifs: xr.Dataset, places: list[int], which: str, reverse_complement: bool
) -> list[np.ndarray]:
    """Give the height of each letter (letter, position) of each motif."""
    one_of("which", which, _WHICH)
    if not isinstance(reverse_complement, bool):
        raise InvalidInput("reverse_complement", f"{reverse_complement!r}", "use True or False")
    name = PROBABILITY if which == INFORMATION else which
    if name not in motifs:
        there = [part for part in _WHICH if part == INFORMATION or part in motifs]
        raise InvalidInput("which", f"the motifs have no {which!r}", f"use one of {there}")
    chosen = motifs.isel({MOTIF: places})
    lengths, alphabet = chosen[LENGTH].values, motifs.attrs["alphabet"]
    values = chosen[name].values.astype(np.float64)
    background = np.asarray(motifs.attrs["background"])
    if reverse_complement:
        values = reverse_complemented(values, lengths, alphabet, argument="reverse_complement")
        # The background of the other strand has the frequencies of the complements.
        turned = reverse_complemented(
            background[None, :, None], np.ones(1, int), alphabet, argument="reverse_complement"
        )
        background = turned[0, :, 0]
    if which == INFORMATION:
        values = values * column_information(values, background.tolist())[:, None, :]
    return [matrix[:, :width] for matrix, width in zip(values, lengths, strict=True)]


def _limits(motifs: xr.Dataset, heights: np.ndarray, which: str) -> tuple[float, float]:
    """Give the y axis: all that is possible, more where a rare letter carries more bits."""
    top = heights.clip(min=0).sum(axis=0).max(initial=0)
    bottom = heights.clip(max=0).sum(axis=0).min(initial=0)
    if which == CONTRIBUTION:
        room = 0.05 * (top - bottom) or 1.0
        return float(bottom - (room if bottom < 0 else 0)), float(top + room)
    most = 1.0 if which == PROBABILITY else math.log2(len(motifs.attrs["alphabet"]))
    return 0.0, float(max(most, top))


def _draw(ax: Axes, heights: np.ndarray, motifs: xr.Dataset, which: str) -> None:
    """Draw the letters and what all logos have in common."""
    draw_letters(ax, heights, motifs.attrs["alphabet"])
    ax.set_ylim(_limits(motifs, heights, which))
    ax.spines[["top", "right"]].set_visible(False)
    if which == CONTRIBUTION:
        ax.axhline(0, color="0.3", lw=0.8, zorder=0.5)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=which == INFORMATION))


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
