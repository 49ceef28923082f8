"""Plot of which features go with which modules."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mutua.models import Dataset, checked
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import FEATURE, MODULE
from mutua.models.module_association import ModuleAssociation
from mutua.pl._axes import SEQUENTIAL
from mutua.pl._cells import (
    cell_size,
    clustered,
    how_many,
    lines_of,
    name_axis,
    name_width,
    short,
)
from mutua.pl._table_labels import arguments_of, numbered, permuted

__all__ = ["module_association"]

_NOT_ASSOCIATED, _BAR = "0.95", "0.45"
_MARGIN = 0.8
"""Height of the bars on the margins, in inches."""
_MOST_BARS = 200
"""With more, gaps between them are finer than pixels."""


@checked
def module_association(
    association: Dataset[ModuleAssociation],
    *,
    n: int = 60,
    n_modules: int = 80,
    cluster: bool = True,
) -> Figure:
    """Draw which features are associated with which modules, and how strongly.

    Parameters
    ----------
    association
        From ``tl.associate_modules``.
    n
        Draw at most that many features, those of the largest strengths. Features and modules
        without any association are never drawn; the title says how many there are.
    n_modules
        At most that many modules, chosen in the same way among those of the features drawn.
    cluster
        Features of the same modules, and modules of the same features, side by side (average
        linkage); otherwise in the order of the element.

    Returns
    -------
    matplotlib.figure.Figure
        Rows are features, columns are modules, colours the largest mutual information with a
        latent dim that links the two. Bars on top are the numbers of features of every module,
        bars on the right the numbers of modules of every feature, both of the whole element.
        Where nothing is associated the frame is empty and says so. The title says what was
        permuted for the q-values that decided, where that is on record.

    Raises
    ------
    InvalidElement
        If it is no `ModuleAssociation`.
    InvalidInput
        If an option is not what it should be.

    Examples
    --------
    >>> import numpy as np
    >>> import mutua as mt
    >>> feature_latent = np.array([[True, False], [False, False], [True, True]])
    >>> latent_module = np.array([[True, True, False, False], [False, False, True, False]])
    >>> links = feature_latent.astype(int) @ latent_module
    >>> association = mt.ModuleAssociation.build(
    ...     associated=links > 0, strength=links * 0.3, n_links=links,
    ...     feature_latent=feature_latent, latent_module=latent_module,
    ...     feature=["genome_1", "genome_2", "genome_3"], latent=["latent_0", "latent_1"],
    ...     module=["1", "2", "3", "4"], by="fdr", level=0.05, module_quantile=0.9,
    ... )
    >>> figure = mt.pl.module_association(association)
    >>> sorted(label.get_text() for label in figure.axes[0].get_yticklabels())
    ['genome_1', 'genome_3']
    """
    n = whole_number("n", n, low=1)
    n_modules = whole_number("n_modules", n_modules, low=1)
    one_of("cluster", cluster, [True, False])
    linked = association["associated"].values
    if not linked.any():
        return _empty(association, linked)
    strength = np.where(linked, association["strength"].values, np.nan)
    rows = _strongest(strength, n)
    columns = _strongest(strength[rows].T, n_modules)
    rows = rows[linked[np.ix_(rows, columns)].any(axis=1)]
    shown = strength[np.ix_(rows, columns)]
    if cluster:
        there = np.isfinite(shown).astype(float)
        by_row, by_column = clustered(there), clustered(there.T)
        rows, columns, shown = rows[by_row], columns[by_column], shown[np.ix_(by_row, by_column)]
    features = [short(name) for name in association[FEATURE].values[rows]]
    modules = [numbered(short(name)) for name in association[MODULE].values[columns]]
    width, height = (cell_size(len(names)) * len(names) for names in (modules, features))
    width, height = max(width, 3.2), max(height, 1.5)
    size = (3.0 + width + name_width(features), 2.2 + height + name_width(modules) / 2)
    figure = plt.figure(figsize=size, layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(width, _MARGIN), height_ratios=(_MARGIN, height))
    cells = figure.add_subplot(grid[1, 0])
    top = figure.add_subplot(grid[0, 0], sharex=cells)
    right = figure.add_subplot(grid[1, 1], sharey=cells)
    cmap = plt.get_cmap(SEQUENTIAL).with_extremes(bad=_NOT_ASSOCIATED)
    high = float(np.nanmax(shown))
    image = cells.imshow(
        shown, cmap=cmap, norm=Normalize(0, high if high > 0 else 1.0), aspect="auto",
        interpolation="nearest",
    )  # fmt: skip
    named = name_axis(cells, "x", modules, width)
    cells.set_xlabel(how_many("modules", len(modules), int(linked.any(0).sum()), named=named))
    named = name_axis(cells, "y", features, height)
    cells.set_ylabel(how_many("features", len(features), int(linked.any(1).sum()), named=named))
    _bars(top, linked.sum(axis=0)[columns], "features", upright=True)
    _bars(right, linked.sum(axis=1)[rows], "modules", upright=False)
    top.set_title(
        lines_of(_facts(association, linked), width + 1.0), loc="left", fontsize="medium",
        parse_math=False,
    )  # fmt: skip
    bar = figure.colorbar(
        image, ax=right, shrink=min(1.0, 3.2 / height), anchor=(0.0, 1.0), aspect=18,
        fraction=0.3, pad=0.15,
    )  # fmt: skip
    unit = association["strength"].attrs.get("units")
    bar.set_label("largest mutual\ninformation" + (f" ({unit})" if unit else ""))
    return figure


def _empty(association: xr.Dataset, linked: np.ndarray) -> Figure:
    """Draw a frame that says that there is nothing to show."""
    figure, ax = plt.subplots(figsize=(5.2, 2.4), layout="constrained")
    ax.set(xticks=[], yticks=[], xlabel="modules", ylabel="features", facecolor=_NOT_ASSOCIATED)
    n_features, n_modules = linked.shape
    said = f"none of {n_features:,} features is associated\nwith any of {n_modules:,} modules"
    ax.text(0.5, 0.5, said, ha="center", va="center", transform=ax.transAxes)
    facts = lines_of(_rule(association), 4.6)
    ax.set_title(facts, loc="left", fontsize="medium", parse_math=False)
    return figure


def _strongest(strength: np.ndarray, n: int) -> np.ndarray:
    """Give the places of the rows with the largest values, in their own order, empty ones not."""
    there = np.flatnonzero(np.isfinite(strength).any(axis=1))
    largest = np.nanmax(strength[there], axis=1)
    total = np.nansum(strength[there], axis=1)
    return np.sort(there[np.lexsort((-total, -largest))[:n]])


def _bars(ax: Axes, counts: np.ndarray, what: str, *, upright: bool) -> None:
    """Draw numbers along a side of the heatmap."""
    places = np.arange(len(counts))
    draw: Any = ax.bar if upright else ax.barh
    draw(places, counts, 0.8 if len(counts) <= _MOST_BARS else 1.0, color=_BAR)
    axis, other = (ax.yaxis, ax.xaxis) if upright else (ax.xaxis, ax.yaxis)
    axis.set_major_locator(MaxNLocator(nbins=3, integer=True))
    axis.set_tick_params(labelsize="small")
    other.set_tick_params(length=0, labelbottom=False, labelleft=False)
    (ax.set_ylabel if upright else ax.set_xlabel)(what, fontsize="small")
    (ax.set_ylim if upright else ax.set_xlim)(0, max(counts) * 1.08)
    ax.spines[["top", "right"]].set_visible(False)


def _facts(association: xr.Dataset, linked: np.ndarray) -> list[str]:
    """Give what the title says."""
    facts = _rule(association)
    for axis, what, other in ((1, "features", "module"), (0, "modules", "feature")):
        without = int((~linked.any(axis=axis)).sum())
        if without:
            facts.append(f"{without:,} of {linked.shape[1 - axis]:,} {what} without a {other}")
    return facts


def _rule(association: xr.Dataset) -> list[str]:
    """Give the rule that decided, and what its q-values compare with."""
    attrs = association.attrs
    rules = {"threshold": "threshold", "quantile": "quantile", "fdr": "false discovery rate"}
    facts = [f"{rules[attrs['by']]} {attrs['level']:g}"]
    made_by = arguments_of(association)
    if attrs["by"] == "fdr" and made_by:
        facts.append(permuted(made_by.get("blocks"), made_by.get("permute")))
    return facts
