"""What all plots of motifs as logos share."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mutua.errors import InvalidInput
from mutua.models.arguments import one_of
from mutua.models.dims import CONTRIBUTION, INFORMATION, LENGTH, MOTIF, PROBABILITY
from mutua.models.motif_matrices import column_information, reverse_complemented
from mutua.pl._letters import draw_letters

__all__ = ["SHORT_LABELS", "draw_logo", "logo_heights", "logo_limits"]

_WHICH = (INFORMATION, PROBABILITY, CONTRIBUTION)
SHORT_LABELS = {INFORMATION: "bits", PROBABILITY: "probability", CONTRIBUTION: "contribution"}


def logo_heights(
    motifs: xr.Dataset, places: list[int], which: str, reverse_complement: bool = False
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


def logo_limits(motifs: xr.Dataset, heights: np.ndarray, which: str) -> tuple[float, float]:
    """Give the y axis: all that is possible, more where a rare letter carries more bits."""
    top = heights.clip(min=0).sum(axis=0).max(initial=0)
    bottom = heights.clip(max=0).sum(axis=0).min(initial=0)
    if which == CONTRIBUTION:
        room = 0.05 * (top - bottom) or 1.0
        return float(bottom - (room if bottom < 0 else 0)), float(top + room)
    most = 1.0 if which == PROBABILITY else math.log2(len(motifs.attrs["alphabet"]))
    return 0.0, float(max(most, top))


def draw_logo(
    ax: Axes, heights: np.ndarray, motifs: xr.Dataset, which: str, *, first: int = 0
) -> None:
    """Draw the letters, from position `first` on, and what all logos have in common."""
    draw_letters(ax, heights, motifs.attrs["alphabet"], first=first)
    ax.set_ylim(logo_limits(motifs, heights, which))
    ax.spines[["top", "right"]].set_visible(False)
    if which == CONTRIBUTION:
        ax.axhline(0, color="0.3", lw=0.8, zorder=0.5)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=which == INFORMATION))
