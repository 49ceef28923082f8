"""Plots of what changes of sequences do to a model's output."""

from __future__ import annotations

from collections import Counter

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mutua.errors import InvalidInput
from mutua.models import Dataset, checked
from mutua.models.arguments import whole_number
from mutua.models.dims import EXPERIMENT, TARGET
from mutua.models.effects import Effects
from mutua.pl._axes import new_axes

__all__ = ["effects"]

_UP, _DOWN, _NEUTRAL = "#b2182b", "#2166ac", "0.35"
_POINTS = 150
"""Sequences shown one by one; more hide each other."""
_WORDS = {
    "marginalize": "motif put in",
    "ablate": "shuffled",
    "space": "letters between the motifs",
    "variant_effect": "variant",
}


@checked
def effects(
    effects: Dataset[Effects],
    *,
    target: str | None = None,
    n: int = 30,
    sort: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Plot how much each experiment changes the output of a model, over all sequences.

    Experiments with a ``spacing`` are a line: the median over sequences, with a band from the
    first to the third quartile, which is half of them. Variants are bars, one each. All others are
    boxes (median, quartiles, and whiskers to the 5th and 95th percentile) over points, one a
    sequence; where not all sequences have what was changed, as motifs that were shuffled, their
    number stands at the right, and experiments that none has are left out.

    Parameters
    ----------
    effects
        What `mutua.tl.marginalize`, `mutua.tl.ablate`, `mutua.tl.space` or
        `mutua.tl.variant_effect` gave.
    target
        Which output; not needed if there is one only.
    n
        Show so many experiments or variants at most, those with the largest changes.
    sort
        Largest change on top; otherwise in the order of the element.
    ax
        Axes to draw on; by default new ones.

    Returns
    -------
    Axes
        Changes in units of the output; red where they are mostly up, blue where down.

    Raises
    ------
    InvalidInput
        If the target is unknown or not said, or `n` is no whole number above 0.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(50, length=53, seed=0)
    >>> model = mt.datasets.splice_acceptor()
    >>> found = mt.tl.marginalize(seqs, model, ["CAG", "GAG"], position=47)
    >>> axes = mt.pl.effects(found)
    >>> axes.get_xlabel(), [label.get_text() for label in axes.get_yticklabels()]
    ('change of acceptor', ['CAG', 'GAG'])
    """
    n = whole_number("n", n, low=1)
    if not isinstance(sort, bool):
        raise InvalidInput("sort", f"{sort!r}", "use True or False")
    place, name = _target(effects, target)
    before = effects["before"].isel({TARGET: place}).values.astype(float)
    after = effects["after"].isel({TARGET: place}).values.astype(float)
    change = after - before[:, None]
    label = f"change of {name}"
    what = str(effects.attrs["procedure"])
    names = _experiment_names(effects)
    if "spacing" in effects.coords and effects["spacing"].dims == (EXPERIMENT,):
        ax = new_axes(ax, figsize=(5.5, 3.2))
        _line(ax, effects["spacing"].values, change, label)
        ax.set_xlabel(_WORDS.get(what, "spacing"))
        return ax
    if "variant" in effects.coords and change.shape[1] == 1:
        names = _variant_names(effects)
        shown, rows = _chosen(change[:, 0], n, sort)
        ax = new_axes(ax, figsize=(5.5, _height(len(shown))))
        values = change[shown, 0]
        ax.barh(rows, values, color=[_colour(v) for v in values], height=0.7)
    else:
        count = (~np.isnan(change)).sum(axis=0)
        there = np.flatnonzero(count) if count.any() else np.arange(len(names))
        names, change, count = [names[one] for one in there], change[:, there], count[there]
        shown, rows = _chosen(_nanmedian(change), n, sort)
        ax = new_axes(ax, figsize=(5.5, _height(len(shown))))
        for row, one in zip(rows, shown, strict=True):
            _box(ax, float(row), change[:, one])
        if (count < len(change)).any():
            _write_counts(ax, rows, count[shown])
    ax.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    ax.set_yticks(rows, [names[one] for one in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlabel(label)
    hidden = len(names) - len(shown)
    ax.set_ylabel(_WORDS.get(what, what) + (f" ({len(shown)} of {len(names)})" if hidden else ""))
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _height(n: int) -> float:
    return 1.1 + 0.27 * max(n, 2)


def _colour(value: float) -> str:
    return _UP if value > 0 else _DOWN if value < 0 else _NEUTRAL


def _target(effects: Dataset[Effects], target: str | None) -> tuple[int, str]:
    """Give the place and the name of the output that is asked for."""
    count = effects.sizes[TARGET]
    known = TARGET in effects.coords
    names = [str(one) for one in effects[TARGET].values.tolist()] if known else ["the output"]
    if target is None:
        if count != 1:
            raise InvalidInput("target", f"there are {names[:20]}", "name one of them")
        return 0, names[0]
    if not known or target not in names:
        raise InvalidInput("target", f"{target!r}", f"use one of {names[:20]}")
    return names.index(target), target


def _nanmedian(change: np.ndarray) -> np.ndarray:
    """Give the median of every column, NaN where it has no values."""
    return np.array([np.median(c[~np.isnan(c)]) if (~np.isnan(c)).any() else np.nan
                     for c in change.T])  # fmt: skip


def _chosen(values: np.ndarray, n: int, sort: bool) -> tuple[np.ndarray, np.ndarray]:
    """Give which to show, those of the largest size, and their rows from the top."""
    size = np.where(np.isnan(values), -1.0, np.abs(values))
    largest = np.sort(np.argsort(-size, kind="stable")[:n])
    if sort:
        height = np.where(np.isnan(values[largest]), -np.inf, values[largest])
        largest = largest[np.argsort(-height, kind="stable")]
    return largest, np.arange(len(largest))


def _experiment_names(effects: Dataset[Effects]) -> list[str]:
    """Give experiments by what they are called, with their ids where names repeat."""
    ids = [str(one) for one in effects[EXPERIMENT].values.tolist()]
    if "name" not in effects.coords or effects["name"].dims != (EXPERIMENT,):
        return ids
    names = [str(one) for one in effects["name"].values.tolist()]
    often = Counter(names)
    return [
        own if not name else name if often[name] == 1 else f"{name} ({own})"
        for name, own in zip(names, ids, strict=True)
    ]


def _write_counts(ax: Axes, rows: np.ndarray, count: np.ndarray) -> None:
    """Write beside each box how many sequences it is of."""
    for row, n in zip(rows, count.tolist(), strict=True):
        ax.annotate(
            f"n = {n:,}", (1.01, row), xycoords=("axes fraction", "data"), va="center",
            fontsize="x-small", color="0.35", annotation_clip=False,
        )  # fmt: skip


def _variant_names(effects: Dataset[Effects]) -> list[str]:
    """Give variants by name, with their sequence where one lies in several."""
    names = [str(one) for one in effects["variant"].values.tolist()]
    if len(set(names)) == len(names) or "sequence_index" not in effects.coords:
        return names
    owners = effects["sequence_id" if "sequence_id" in effects.coords else "sequence_index"]
    return [f"{a} in {b}" for a, b in zip(names, owners.values.tolist(), strict=True)]


def _box(ax: Axes, row: float, values: np.ndarray) -> None:
    """Draw one box over points whose places are always the same."""
    values = values[~np.isnan(values)]
    if not len(values):
        ax.annotate("none", (0, row), color="0.5", va="center", ha="center", fontsize="small")
        return
    colour = _colour(float(np.median(values)))
    shown = values[:: -(-len(values) // _POINTS)]
    shift = (np.arange(len(shown)) * 0.618034) % 1 - 0.5
    ax.scatter(shown, row + 0.55 * shift, s=5, color=colour, alpha=0.25, linewidths=0, zorder=3)
    ax.boxplot(
        [values],
        positions=[row],
        orientation="horizontal",
        widths=0.55,
        whis=(5, 95),
        showfliers=False,
        manage_ticks=False,
        patch_artist=True,
        boxprops={"facecolor": (1, 1, 1, 0.6), "edgecolor": colour},
        whiskerprops={"color": colour},
        capprops={"color": colour},
        medianprops={"color": colour, "linewidth": 2},
    )


def _line(ax: Axes, spacing: np.ndarray, change: np.ndarray, label: str) -> None:
    """Draw the median change at each spacing, and a band of half the sequences around it."""
    order = np.argsort(spacing)
    x, values = spacing[order], change[:, order]
    if len(values):
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        ax.fill_between(x, low, high, color=_DOWN, alpha=0.2, linewidth=0, label="quartiles")
        ax.plot(x, middle, color=_DOWN, marker="o", markersize=3.5, label="median")
        ax.legend(frameon=False, fontsize="small")
    ax.axhline(0, color="0.6", linewidth=0.8, zorder=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel(label)
    ax.spines[["top", "right"]].set_visible(False)
