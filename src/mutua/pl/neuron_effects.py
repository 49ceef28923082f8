"""Plot of whether sequences that activate a neuron have more or less of something."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from mutua.errors import InvalidInput
from mutua.models import Dataset, MotifSet, NeuronEffects, checked
from mutua.models.arguments import whole_number
from mutua.models.dims import LAYER, MOTIF, NEURON, TARGET
from mutua.pl._axes import new_axes

__all__ = ["neuron_effects"]

_UP, _DOWN, _NEITHER = "#b2182b", "#2166ac", "0.6"
_LEGEND_BELOW = -0.5  # inches, below the name of the axis


@checked
def neuron_effects(
    effects: Dataset[NeuronEffects],
    *,
    motifs: Dataset[MotifSet] | None = None,
    target: str | None = None,
    layer: str | None = None,
    n: int = 30,
    ax: Axes | None = None,
) -> Axes:
    """Plot by how much sequences that activate a neuron differ from the others.

    Parameters
    ----------
    effects
        From `mutua.tl.neuron_effects`.
    motifs
        From `mutua.tl.neuron_motifs`: beside each neuron stands its best motif.
    target
        Which label or output; not needed if there is one only.
    layer
        Draw neurons of this layer only.
    n
        Draw so many neurons at most, those with the smallest p-values.
    ax
        Axes to draw on; by default new ones.

    Returns
    -------
    Axes
        Differences of means with 95 % confidence intervals, the largest on top; red where the
        sequences that activate the neuron have significantly more, blue where less. At the right,
        how many do. Neurons that were not tested are counted below.

    Raises
    ------
    InvalidInput
        If the target or layer is unknown or not said, or `n` is no whole number above 0.

    Examples
    --------
    >>> import mutua as mt
    >>> one = {"n_active": [[40], [25]], "n_silent": [[60], [75]], "mean_active": [[2], [1]],
    ...        "mean_silent": [[1], [1.5]], "effect": [[1], [-0.5]], "effect_low": [[0.5], [-1]],
    ...        "effect_high": [[1.5], [0]], "cohen_d": [[1], [-0.4]], "p_value": [[1e-4], [0.06]],
    ...        "q_value": [[2e-4], [0.06]], "sign": [[1], [0]]}
    >>> effects = mt.NeuronEffects.build(
    ...     **one, activation_max=[3, 2], activation_sequence=[0, 1], activation_start=[5, 2],
    ...     status=["tested", "tested"], neuron=["conv1:0", "conv1:1"], layer=["conv1", "conv1"],
    ...     channel=[0, 1], target=["half-life"], threshold=0.7, alpha=0.05, values="labels",
    ...     test="Welch",
    ... )
    >>> ax = mt.pl.neuron_effects(effects)
    >>> ax.get_xlabel(), [label.get_text() for label in ax.get_yticklabels()]
    ('difference of half-life', ['conv1:0', 'conv1:1'])
    """
    n = whole_number("n", n, low=1)
    place, name = _target(effects, target)
    chosen = np.arange(effects.sizes[NEURON])
    if layer is not None:
        chosen = np.flatnonzero(effects[LAYER].values == layer)
        if not len(chosen):
            layers = list(dict.fromkeys(effects[LAYER].values.tolist()))
            raise InvalidInput("layer", f"{layer!r}", f"use one of {layers[:20]}")
    part = effects.isel({NEURON: chosen, TARGET: place})
    known = np.isfinite(part["effect"].values) & np.isfinite(part["p_value"].values)
    tested = np.flatnonzero(known)
    first = tested[np.argsort(part["p_value"].values[tested], kind="stable")[:n]]
    order = first[np.argsort(-part["effect"].values[first], kind="stable")]
    ax = new_axes(ax, figsize=(5.6, 1.3 + 0.24 * max(len(order), 2)))
    rows = np.arange(len(order))
    shown = part.isel({NEURON: order})
    colours = [_UP if s > 0 else _DOWN if s < 0 else _NEITHER for s in shown["sign"].values]
    ax.hlines(rows, shown["effect_low"], shown["effect_high"], colors=colours, lw=1.6)
    ax.scatter(shown["effect"], rows, c=colours, s=26, zorder=3)
    ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    names = [str(one) for one in shown[NEURON].values]
    best = {} if motifs is None else _best_motifs(motifs)
    labels = [f"{best[one]}  {one}" if one in best else one for one in names]
    ax.set_yticks(rows, labels, fontsize="small")
    ax.set_ylim(max(len(order), 1) - 0.4, -0.6)
    ax.set_xlabel(f"difference of {name}")
    ax.spines[["top", "right"]].set_visible(False)
    across = ax.get_yaxis_transform()
    for row, active in zip(rows.tolist(), shown["n_active"].values, strict=True):
        ax.text(1.02, row, f"{int(active):,}", transform=across, fontsize="x-small", va="center")
    if len(order):
        ax.text(1.02, -0.75, "active", transform=across, fontsize="x-small", color="0.35")
    facts = [] if len(order) == len(tested) else [f"{len(order)} of {len(tested)} neurons"]
    if untested := len(chosen) - len(tested):
        facts.append(f"{untested} not tested (dead, or too few sequences)")
    ax.set_title("; ".join(facts), fontsize="small", loc="left", color="0.35")
    alpha = effects.attrs["alpha"]
    if len(order):
        handles = [
            Line2D([], [], color=colour, marker="o", lw=1.6, ms=5, label=label)
            for colour, label in (
                (_UP, f"more, q < {alpha:g}"), (_DOWN, f"less, q < {alpha:g}"),
                (_NEITHER, "neither"),
            )
        ]  # fmt: skip
        inches = ScaledTranslation(0, _LEGEND_BELOW, ax.figure.dpi_scale_trans)
        ax.legend(
            handles=handles, fontsize="x-small", frameon=False, ncols=3, loc="upper left",
            bbox_to_anchor=(0, 0), bbox_transform=ax.transAxes + inches, borderpad=0,
        )  # fmt: skip
    return ax


def _target(effects: Dataset[NeuronEffects], target: str | None) -> tuple[int, str]:
    known = TARGET in effects.coords
    names = [str(one) for one in effects[TARGET].values.tolist()] if known else ["the value"]
    if target is None:
        if effects.sizes[TARGET] != 1:
            raise InvalidInput("target", f"there are {names[:20]}", "name one of them")
        return 0, names[0]
    if not known or target not in names:
        raise InvalidInput("target", f"{target!r}", f"use one of {names[:20]}")
    return names.index(target), target


def _best_motifs(motifs: Dataset[MotifSet]) -> dict[str, str]:
    """Give the name, or the id without its neuron, of the motif of each neuron activated most."""
    if NEURON not in motifs.coords:
        raise InvalidInput("motifs", "motifs without neurons", "use those of tl.neuron_motifs")
    strength = np.zeros(motifs.sizes[MOTIF])
    if "activation_consensus" in motifs:
        strength = np.nan_to_num(motifs["activation_consensus"].values, nan=-np.inf)
    own = motifs["name"].values if "name" in motifs.coords else motifs[MOTIF].values
    best: dict[str, str] = {}
    for place in np.argsort(strength, kind="stable"):
        best[str(motifs[NEURON].values[place])] = str(own[place])
    return best
