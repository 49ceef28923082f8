"""Logos of the motifs that neurons detect."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from mutua.errors import InvalidInput
from mutua.models import Dataset, MotifSet, checked
from mutua.models.arguments import whole_number
from mutua.models.dims import INFORMATION, LENGTH, MOTIF, NEURON, PROBABILITY
from mutua.pl._logos import SHORT_LABELS, draw_logo, logo_heights, logo_limits

__all__ = ["neuron_motifs"]


@checked
def neuron_motifs(
    motifs: Dataset[MotifSet],
    *,
    neurons: Sequence[str] | str | None = None,
    n: int = 12,
    columns: int = 4,
) -> Figure:
    """Draw the motifs of neurons as logos: a row for each neuron, its best motifs first.

    Parameters
    ----------
    motifs
        From `mutua.tl.neuron_motifs`.
    neurons
        Neurons to draw, in this order, such as ``"conv2:17"``; by default those that are
        activated most.
    n
        Draw at most that many neurons.
    columns
        Draw at most that many motifs of each; the title of the last says how many there are more.

    Returns
    -------
    matplotlib.figure.Figure
        Over each logo the place of its sequences in the tree of clusters, their number, and the
        quality: the activation by the most probable letters, relative to the largest that was
        seen. Motifs are sorted by this activation. Positions are those within the window.

    Raises
    ------
    InvalidInput
        If there are no motifs, they are not of neurons, or a neuron has none.

    Examples
    --------
    >>> import mutua as mt
    >>> motifs = mt.MotifSet.build(
    ...     {"conv2:3/0-0": "GATTA", "conv2:3/0-1": "CCGTC"}, n_sites=[120, 64],
    ...     activation_max=[2.0, 1.5], activation_consensus=[1.98, 1.2],
    ...     neuron=["conv2:3"] * 2, layer=["conv2"] * 2, channel=[3, 3], leaf=["0-0", "0-1"],
    ... )
    >>> figure = mt.pl.neuron_motifs(motifs)
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['0-0: 99 %, n = 120', '0-1: 80 %, n = 64']
    """
    if NEURON not in motifs.coords:
        raise InvalidInput("motifs", "motifs without neurons", "use those of tl.neuron_motifs")
    rows = _rows(motifs, neurons, whole_number("n", n, low=1))
    columns = min(whole_number("columns", columns, low=1), max(len(row) for row in rows))
    shown = [row[:columns] for row in rows]
    widths = motifs[LENGTH].values
    starts = motifs["window_start"].values if "window_start" in motifs else np.zeros_like(widths)
    places = np.concatenate(shown)
    left = int(starts[places].min())
    right = int((starts + widths)[places].max())
    panel = float(np.clip(0.16 * (right - left) + 0.5, 1.9, 6))
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(panel * columns + 0.9, 0.98 * len(rows) + 0.5),
        squeeze=False, layout="constrained",
    )  # fmt: skip
    heights = logo_heights(motifs, places.tolist(), INFORMATION)
    drawn = dict(zip(places.tolist(), heights, strict=True))
    limits = logo_limits(motifs, np.concatenate(heights, axis=1), INFORMATION)
    for row, chosen in enumerate(rows):
        for column, ax in enumerate(axes[row]):
            if column >= len(chosen):
                ax.set_axis_off()
                continue
            place = int(chosen[column])
            draw_logo(ax, drawn[place], motifs, INFORMATION, first=int(starts[place]))
            ax.set(xlim=(left - 0.6, right - 0.4), ylim=limits)
            ax.tick_params(labelsize="x-small")
            ax.set_title(_title(motifs, place), fontsize="x-small", loc="left")
            hidden = len(chosen) - columns
            if column == columns - 1 and hidden > 0:
                ax.set_title(f"+ {hidden} more", fontsize="x-small", loc="right", color="0.35")
            if column == 0:
                label = f"{motifs[NEURON].values[place]}\n({SHORT_LABELS[INFORMATION]})"
                ax.set_ylabel(label, fontsize="small", rotation=0, ha="right", va="center")
            if row == len(rows) - 1 or column >= len(rows[row + 1]):
                ax.set_xlabel("position in the window", fontsize="x-small")
    everyone = len(np.unique(motifs[NEURON].values))
    if len(rows) < everyone and neurons is None:
        figure.suptitle(f"the {len(rows)} of {everyone} neurons activated most", fontsize="medium")
    return figure


def _rows(
    motifs: Dataset[MotifSet], neurons: Sequence[str] | str | None, n: int
) -> list[np.ndarray]:
    """Give for each neuron to draw the places of its motifs, the best first."""
    if motifs.sizes[MOTIF] == 0 or PROBABILITY not in motifs:
        raise InvalidInput("motifs", "there are none", "give at least one motif")
    names = motifs[NEURON].values.astype(object).astype(str)  # strings of a store too
    best = _activation(motifs, "activation_consensus")
    known = {name: np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}
    if neurons is None:
        most = _activation(motifs, "activation_max")
        wanted = sorted(known, key=lambda name: -float(most[known[name]].max()))[:n]
    else:
        wanted = [neurons] if isinstance(neurons, str) else [str(one) for one in neurons][:n]
        if unknown := [name for name in wanted if name not in known]:
            why = motifs.attrs.get("neurons_without_motif", {})
            reasons = [f"{name} ({why[name]})" if name in why else name for name in unknown]
            found = f"no motifs of {', '.join(reasons[:8])}"
            raise InvalidInput("neurons", found, f"use some of {list(known)[:20]}")
        if not wanted:
            raise InvalidInput("neurons", "none", "name at least one, or leave it out")
    return [known[name][np.argsort(-best[known[name]], kind="stable")] for name in wanted]


def _activation(motifs: Dataset[MotifSet], name: str) -> np.ndarray:
    """Give activations, the lowest number where they are not known."""
    if name not in motifs:
        return np.zeros(motifs.sizes[MOTIF])
    return np.asarray(np.nan_to_num(motifs[name].values.astype(float), nan=-np.inf))


def _title(motifs: Dataset[MotifSet], place: int) -> str:
    parts = []
    if {"activation_max", "activation_consensus"} <= set(motifs.variables):
        top, consensus = (
            float(motifs[name].values[place]) for name in ("activation_max", "activation_consensus")
        )
        if top > 0 and np.isfinite(consensus):
            parts.append(f"{consensus / top:.0%}".replace("%", " %"))
    if "n_sites" in motifs and np.isfinite(n := float(motifs["n_sites"].values[place])):
        parts.append(f"n = {n:,.6g}")
    leaf = str(motifs["leaf"].values[place]) if "leaf" in motifs.coords else ""
    return f"{leaf}: {', '.join(parts)}" if parts and leaf else leaf + ", ".join(parts)
