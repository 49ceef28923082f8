"""Plots of gene programs: their genes, and where in an embedding of the cells they are active."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import anndata
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mutua.errors import InvalidInput
from mutua.models import checked, slots
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import FEATURE, PROGRAM
from mutua.pl._axes import MASKED, SEQUENTIAL, colour_map
from mutua.pl._cells import name_width, short
from mutua.pl._embedding import aspect_of, cell_places, point_size

__all__ = ["programs", "programs_on_embedding"]

_UP, _DOWN = "#b2182b", "#2166ac"
_STATES = {-1: ("low", _DOWN), 0: ("middle", "0.8"), 1: ("high", _UP)}
_FONT = 7.5
_ROW = 0.145
"""Height of the bar of a gene, in inches."""
_BARS = 0.9
"""Width of the bars, in inches."""
_WIDEST = 15.0
_SIDE = 2.3
"""Side of a panel with cells, in inches."""
_BRIGHTEST = 0.99
"""Quantile of the activities at which colours end."""


@checked
def programs(
    adata: anndata.AnnData,
    *,
    key: str = "programs",
    n_genes: int = 10,
    programs: Sequence[str] | str | None = None,
) -> Figure:
    """Draw the genes of programs: those that make them up, and those that go down with them.

    Parameters
    ----------
    adata
        What `mutua.tl.programs` wrote into; nothing in it is changed.
    key
        The `key_added` of that call.
    n_genes
        Draw at most that many genes on either side.
    programs
        Names of the programs to draw, in their order; by default all.

    Returns
    -------
    matplotlib.figure.Figure
        Two panels for each program. Red: the genes of the largest weights; genes of weight 0 are
        in none. Blue: the genes whose expression has the most negative correlation with the
        activity of the program, whether they are in a program or not; there is no such panel
        where correlations were not computed. All red panels share one scale, and so do all blue
        ones.

    Raises
    ------
    InvalidInput
        If there are no programs under `key`, none of a name, or `n_genes` is below 1.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> import mutua as mt
    >>> genes = pd.DataFrame(index=["IRF7", "ISG15", "MYC", "CCNB1"])
    >>> adata = anndata.AnnData(np.ones((3, 4)), var=genes)
    >>> adata.varm["programs"] = np.array([[0.8, 0], [0.6, 0], [0, 0.5], [0, 0.9]])
    >>> adata.varm["programs_correlation"] = np.array([[0.9, -0.1], [0.8, 0], [-0.4, 0.6], [0, 1]])
    >>> adata.uns["programs"] = {
    ...     "result": "gene programs", "names": ["P0", "P1"],
    ...     "features": adata.var_names.to_numpy(object),
    ... }
    >>> figure = mt.pl.programs(adata)
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['IRF7', 'ISG15']
    >>> [label.get_text() for label in figure.axes[1].get_yticklabels()]
    ['MYC']
    """
    n_genes = whole_number("n_genes", n_genes, low=1)
    found = _result(adata, key, "weight")
    chosen = _chosen(found, programs)
    genes = [short(name) for name in found[FEATURE].values]
    up = [_first(found["weight"].values[:, p], n_genes) for p in chosen]
    sides = [("weight", up, found["weight"].values, _UP)]
    if "correlation" in found:
        correlation = found["correlation"].values
        down = [_first(-correlation[:, p], n_genes) for p in chosen]
        sides.append(("correlation", down, correlation, _DOWN))
    shown = {int(g) for _, lists, *_ in sides for rows in lists for g in rows}
    panel = _BARS + 0.25 + name_width([genes[g] for g in shown], _FONT)
    columns = min(len(chosen), max(1, int(_WIDEST / (panel * len(sides)))))
    height = 0.5 + _ROW * max(1, max(len(rows) for _, lists, *_ in sides for rows in lists))
    rows_of = math.ceil(len(chosen) / columns)
    width = max(columns * len(sides) * panel + 0.3, 3.0)
    figure = plt.figure(figsize=(width, rows_of * height + 0.6), layout="constrained")
    axes: Any = figure.subplots(rows_of, columns * len(sides), squeeze=False)
    for s, (what, lists, values, colour) in enumerate(sides):
        every = [values[rows, p] for rows, p in zip(lists, chosen, strict=True)]
        longest = max((float(np.abs(v).max()) for v in every if v.size), default=1.0)
        for place, (rows, bars) in enumerate(zip(lists, every, strict=True)):
            ax = axes[place // columns, (place % columns) * len(sides) + s]
            _bars(ax, [genes[g] for g in rows], bars, colour, n_genes)
            ax.set_xlim(0, math.copysign(1.05 * longest, -1 if what == "correlation" else 1))
            last = place + columns >= len(chosen)
            ax.tick_params(labelbottom=last)
            if last:
                ax.set_xlabel("weight" if what == "weight" else "Pearson r", fontsize=_FONT)
            if not len(rows):
                nothing = "no genes" if what == "weight" else "no gene\ngoes down"
                ax.text(0.5, 0.5, nothing, transform=ax.transAxes, ha="center", va="center",
                        fontsize=_FONT, color="0.4")  # fmt: skip
            if s == 0:
                name = short(found[PROGRAM].values[chosen[place]])
                ax.set_title(name, loc="left", fontsize="medium", weight="bold", parse_math=False)
    for ax in axes.flat[len(chosen) * len(sides) :]:
        ax.set_axis_off()
    return figure


@checked
def programs_on_embedding(
    adata: anndata.AnnData,
    *,
    key: str = "programs",
    basis: str = "X_umap",
    programs: Sequence[str] | str | None = None,
    state: bool = False,
    scale: str = "own",
) -> Figure:
    """Draw in which cells of an embedding programs are active, a panel for each program.

    Parameters
    ----------
    adata
        What `mutua.tl.programs` wrote into, with an embedding; nothing in it is changed.
    key
        The `key_added` of the programs.
    basis
        Key of ``obsm`` with the embedding, of which the first two columns are drawn.
    programs
        Names of the programs to draw, in their order; by default all.
    state
        Draw the states low, middle and high in place of the activities.
    scale
        ``"own"``: colours of a panel end at the 99th percentile of the activities of its program;
        ``"shared"``: those of all panels at that of all programs drawn.

    Returns
    -------
    matplotlib.figure.Figure
        Cells of higher activity are drawn above others. Cells without a place in the embedding
        are left out.

    Raises
    ------
    InvalidInput
        If there are no programs under `key`, no activities or states, no embedding of two
        dimensions, or an option is not what it should be.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> adata = anndata.AnnData(np.ones((4, 3)))
    >>> adata.obsm["X_umap"] = np.array([[0.0, 0], [6, 0], [0, 8], [6, 8]])
    >>> adata.obsm["X_programs"] = np.array([[3.0, 0], [1, 0], [0, 0], [0, 2]])
    >>> adata.uns["programs"] = {
    ...     "result": "gene programs", "names": ["P0", "P1"],
    ...     "features": adata.var_names.to_numpy(object),
    ... }
    >>> figure = mt.pl.programs_on_embedding(adata)
    >>> [ax.get_title(loc="left") for ax in figure.axes[:2]]
    ['P0', 'P1']
    """
    one_of("state", state, [True, False])
    one_of("scale", scale, ["own", "shared"])
    found = _result(adata, key, "state" if state else "activity")
    chosen = _chosen(found, programs)
    places = cell_places(adata, basis)
    there = ~np.isnan(places[:, 0])
    values = found["state" if state else "activity"].values[:, chosen][there]
    places = places[there]
    columns = min(len(chosen), max(3, math.ceil(math.sqrt(1.6 * len(chosen)))))
    rows = math.ceil(len(chosen) / columns)
    bar = 0.45 if scale == "own" and not state else 0.0
    aspect = aspect_of(places)
    extent = np.ptp(places, axis=0)
    tall = np.clip(extent[1] / extent[0], 0.4, 1.6) if aspect == "equal" else 0.8
    size = (columns * (_SIDE + bar) + 0.8, rows * (_SIDE * tall + 0.3) + 0.7)
    figure = plt.figure(figsize=(max(size[0], 4.4), size[1]), layout="constrained")
    axes: Any = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    shared = _range(values)
    for place, (ax, own) in enumerate(zip(axes.flat, values.T, strict=False)):
        name = short(found[PROGRAM].values[chosen[place]])
        ax.set_title(name, loc="left", fontsize="medium", parse_math=False)
        ax.set(xticks=[], yticks=[], aspect=aspect)
        if state:
            _draw_states(ax, places, own)
            continue
        norm = _range(own) if scale == "own" else shared
        image = _draw_activity(ax, places, own, norm)
        if scale == "own":
            _colour_bar(figure, image, ax, own, 12)
    for ax in axes.flat[len(chosen) :]:
        ax.set_axis_off()
    stem = basis.removeprefix("X_")
    axes[-1, 0].set_xlabel(f"{stem} 1", fontsize="small", parse_math=False)
    axes[-1, 0].set_ylabel(f"{stem} 2", fontsize="small", parse_math=False)
    if state:
        _explain_states(figure)
        return figure
    if scale == "shared":
        bar_of_all = _colour_bar(figure, image, axes.ravel().tolist(), values, 30)
        bar_of_all.set_label("activity, one scale for all programs")
    else:
        figure.suptitle(
            "activity; each program has a scale of its own", x=0.01, ha="left", fontsize="medium"
        )
    return figure


def _result(adata: anndata.AnnData, key: str, needed: str) -> xr.Dataset:
    """Give the programs as a Dataset that has what is to be drawn."""
    slots.find(adata, slots.PROGRAMS, key, argument="key")
    found = slots.to_xarray(adata, key)
    if needed not in found:
        slot = slots.PROGRAMS.slots[needed]
        missing = f"no {slot.part}[{slot.key.format(key)!r}]"
        raise InvalidInput("adata", missing, "compute it: tl.programs or tl.project_programs")
    return found


def _chosen(found: xr.Dataset, wanted: Sequence[str] | str | None) -> list[int]:
    """Give the places of the programs to draw."""
    names = [str(name) for name in found[PROGRAM].values]
    if wanted is None:
        wanted = names
    if not isinstance(wanted, str) and not isinstance(wanted, Iterable):
        raise InvalidInput("programs", f"{wanted!r}", "use a list of names")
    chosen = [wanted] if isinstance(wanted, str) else [str(one) for one in wanted]
    if not chosen:
        raise InvalidInput("programs", "none", "name at least one")
    if len(set(chosen)) < len(chosen):
        raise InvalidInput("programs", "a name that is there twice", "name each once")
    for name in chosen:
        if name not in names:
            raise InvalidInput("programs", f"no {name!r}", f"use some of {names[:20]}")
    return [names.index(name) for name in chosen]


def _first(values: np.ndarray, n: int) -> np.ndarray:
    """Give the places of the largest values above 0, the largest first."""
    order = np.argsort(-np.nan_to_num(values), kind="stable")[:n]
    return np.asarray(order[np.nan_to_num(values)[order] > 0])


def _bars(ax: Axes, names: list[str], values: np.ndarray, colour: str, n: int) -> None:
    places = np.arange(len(names))
    ax.barh(places, values, 0.75, color=colour)
    ax.set_yticks(places, names, fontsize=_FONT, parse_math=False)
    ax.set_ylim(n - 0.5, -0.5)
    ax.tick_params(axis="y", length=0, pad=2)
    ax.tick_params(axis="x", labelsize=_FONT - 1, length=2)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=3))
    ax.spines[["top", "right"]].set_visible(False)


def _range(values: np.ndarray) -> Normalize:
    """Give the scale of activities: from 0, or from below, to what few exceed."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return Normalize(0, 1)
    low, high = min(0.0, float(finite.min())), float(np.quantile(finite, _BRIGHTEST))
    high = high if high > low else float(finite.max())
    return Normalize(low, high if high > low else low + 1.0)


def _draw_activity(ax: Axes, places: np.ndarray, values: np.ndarray, norm: Normalize) -> Any:
    order = np.argsort(np.nan_to_num(values, nan=-np.inf), kind="stable")
    return ax.scatter(
        places[order, 0], places[order, 1], s=point_size(len(places), _SIDE),
        c=values[order], cmap=colour_map(SEQUENTIAL), norm=norm, lw=0,
        rasterized=True, plotnonfinite=True,
    )  # fmt: skip


def _colour_bar(figure: Figure, image: Any, ax: Any, values: np.ndarray, aspect: int) -> Any:
    over = bool((np.nan_to_num(values) > image.norm.vmax).any())
    bar = figure.colorbar(
        image, ax=ax, shrink=0.8, aspect=aspect, pad=0.02, extend="max" if over else "neither"
    )
    bar.locator = MaxNLocator(nbins=4)
    bar.ax.tick_params(labelsize="small", length=2)
    return bar


def _draw_states(ax: Axes, places: np.ndarray, states: np.ndarray) -> None:
    """Draw states; cells in no order, as neighbours of different states hide each other."""
    order = np.random.default_rng(0).permutation(len(places))
    known = np.isin(states, list(_STATES))
    codes = np.where(known, np.nan_to_num(states), np.nan)[order]
    colours = ListedColormap([colour for _, colour in _STATES.values()]).with_extremes(bad=MASKED)
    ax.scatter(
        places[order, 0], places[order, 1], s=point_size(len(places), _SIDE),
        c=codes, cmap=colours, norm=Normalize(-1, 1), lw=0,
        rasterized=True, plotnonfinite=True,
    )  # fmt: skip


def _explain_states(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=colour, marker="o", ls="", ms=5, label=label)
        for label, colour in _STATES.values()
    ]
    figure.legend(
        handles=handles, loc="outside upper left", ncols=3, frameon=False, fontsize="small",
        title="state of the program", title_fontsize="small", alignment="left",
    )  # fmt: skip
