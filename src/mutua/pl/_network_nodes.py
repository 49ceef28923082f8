"""What diagrams of a program network share: cells, nodes, legends and titles."""

from __future__ import annotations

import anndata
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from mutua.errors import InvalidInput
from mutua.models.dims import MODULE
from mutua.pl._cells import lines_of, short
from mutua.pl._embedding import cell_places, point_size
from mutua.pl._network_edges import Edges
from mutua.pl._network_order import node_order
from mutua.pl._network_places import axes_inches

__all__ = [
    "RADIUS",
    "beside",
    "cells_below",
    "cells_of",
    "draw_nodes",
    "edge_facts",
    "give_title",
]

RADIUS = 5.0
"""Of a node, in points."""
_CELLS, _PLAIN, _OTHER = "0.87", "0.35", "0.65"
_MODULES = ("#009e73", "#e69f00", "#7f3c8d", "#56b4e9", "#999933", "#cc79a7", "#8c6d5a", "black")


def cells_below(ax: Axes, cells: np.ndarray | None, basis: str, side: float) -> None:
    """Draw cells in light grey and name the axes, or leave the axes out where there are none."""
    ax.set(xticks=[], yticks=[])
    if cells is None:
        ax.set_axis_off()
        return
    x, y = cells.T
    ax.scatter(x, y, s=point_size(len(cells), side), color=_CELLS, lw=0, zorder=0, rasterized=True)
    stem = basis.removeprefix("X_")
    ax.set_xlabel(f"{stem} 1", parse_math=False)
    ax.set_ylabel(f"{stem} 2", parse_math=False)


def draw_nodes(ax: Axes, network: xr.Dataset, places: np.ndarray, radius: float) -> list[Line2D]:
    """Draw the nodes in the colours of their modules; give the legend of these."""
    colours = [_PLAIN] * len(places)
    handles = []
    if MODULE in network.coords:
        modules = network[MODULE].values.astype(object).astype(str)  # strings of a store too
        found = [name for name, _ in node_order(network, cluster=False).groups]
        colour_of = dict(zip(found, _MODULES, strict=False))
        colours = [colour_of.get(name, _OTHER) for name in modules]
        handles = [_dot(colour, f"module {short(name)}") for name, colour in colour_of.items()]
        if rest := len(found) - len(colour_of):
            handles.append(_dot(_OTHER, f"other modules ({rest})"))
    x, y = places.T
    ax.scatter(x, y, s=(2 * radius) ** 2, c=colours, edgecolors="white", lw=0.8, zorder=5)
    return handles


def edge_facts(edges: Edges, threshold: float) -> list[str]:
    """Give what the title says of the edges."""
    if not edges.n:
        return [f"no edges: no |coupling| ≥ {threshold:g}"]
    facts = [f"{edges.n:,} edge{'s' if edges.n > 1 else ''}: |coupling| ≥ {threshold:g}"]
    shown = len(edges.weight)
    return facts if shown == edges.n else [*facts, f"the {shown:,} strongest drawn"]


def cells_of(
    adata: anndata.AnnData | None, positions: xr.Dataset | None, basis: str
) -> np.ndarray | None:
    """Give where the cells to draw are, (cell, 2), or None for none."""
    if adata is None:
        return None
    if positions is None:
        remedy = "pass tl.program_positions(adata), or leave out `adata`"
        raise InvalidInput("positions", "None, with cells to draw below", remedy)
    cells = cell_places(adata, basis)
    return np.asarray(cells[~np.isnan(cells[:, 0])])


def beside(ax: Axes, handles: list[Line2D]) -> None:
    """Draw a legend on the right of the axes."""
    legend = ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False,
        fontsize="small", borderaxespad=0,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def give_title(ax: Axes, facts: list[str]) -> None:
    """Write facts above the axes, in lines of their width."""
    lines = lines_of(facts, axes_inches(ax)[0])
    ax.set_title(lines, loc="left", fontsize="medium", parse_math=False)


def _dot(colour: str, label: str) -> Line2D:
    return Line2D([], [], color=colour, marker="o", ls="", ms=6, label=label)
