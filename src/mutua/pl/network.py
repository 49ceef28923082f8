"""Diagram of a program network: nodes, and the couplings between them as edges."""

from __future__ import annotations

import anndata
import numpy as np
from matplotlib.axes import Axes

from mutua.models import Dataset, Table, checked
from mutua.models.arguments import number
from mutua.models.dims import NODE
from mutua.models.program_network import ProgramNetwork
from mutua.pl._axes import new_axes
from mutua.pl._cells import name_width, short
from mutua.pl._embedding import aspect_of
from mutua.pl._network_edges import draw_edges, edge_legend, edges_of
from mutua.pl._network_nodes import (
    RADIUS,
    beside,
    cells_below,
    cells_of,
    draw_nodes,
    edge_facts,
    give_title,
)
from mutua.pl._network_order import Order, finite, node_order, nodes_are
from mutua.pl._network_places import (
    around,
    axes_inches,
    given_places,
    label_inches,
    name_nodes,
    name_rays,
    name_size,
)

__all__ = ["network"]

_SIDE = 6.0
_SMALLEST_CIRCLE, _LARGEST_CIRCLE = 1.9, 6.0
_ARC = 0.15
"""Way between neighbours on a circle, in inches."""


@checked
def network(
    network: Dataset[ProgramNetwork],
    *,
    positions: Dataset[Table] | None = None,
    adata: anndata.AnnData | None = None,
    basis: str = "X_umap",
    threshold: float = 0.25,
    ax: Axes | None = None,
) -> Axes:
    """Draw a network as nodes with edges between them.

    Parameters
    ----------
    network
        From ``tl.program_network``; with modules from ``tl.network_modules`` nodes are coloured.
    positions
        Where the nodes are: columns ``program``, ``x`` and ``y``, as from
        ``tl.program_positions``. By default they stand on a circle, module by module.
    adata
        Cells to draw below the network, in light grey, at the places that `positions` were
        computed from.
    basis
        Key of ``obsm`` with these places.
    threshold
        Couplings from this absolute value on are drawn.
    ax
        Axes to draw on; by default new ones.

    Returns
    -------
    matplotlib.axes.Axes
        Red edges are positive, blue ones negative; the stronger, the wider (6 points for a
        coupling of 1, or for the largest if that is above 1; all are finer if there are more than
        120) and the more opaque. In a directed network arrows lead from the regulator to the
        target. A node's coupling with itself is not drawn. Of more than 1,500 edges the strongest
        are drawn, and the title says so. No name covers another one or a node; the title says for
        how many there was no room.

    Raises
    ------
    InvalidElement
        If `network` is no `ProgramNetwork`, or `positions` no `Table`.
    InvalidInput
        If there are no nodes, a node has no place, there are cells without `positions`, couplings
        are not finite, or an option is not what it should be.

    Examples
    --------
    >>> import mutua as mt
    >>> network = mt.ProgramNetwork.build(
    ...     coupling=[[0.5, 1.0, 0.0], [0.0, 0.2, 0.0], [0.1, -0.8, 0.1]],
    ...     response=[[0.0], [0.0], [0.0]], node=["P0", "P1", "P2"],
    ...     regulator=["P0", "P1", "P2"], condition=["control"],
    ...     method="supplied", directed=True, node_kind="program",
    ... )
    >>> ax = mt.pl.network(network)
    >>> ax.get_title(loc="left")
    '2 edges: |coupling| ≥ 0.25'
    """
    threshold = number("threshold", threshold, low=0)
    coupling = finite(network, "coupling")
    order = node_order(network, cluster=True)
    directed = bool(network.attrs["directed"])
    edges = edges_of(coupling, threshold, directed=directed)
    names = [short(name) for name in network[NODE].values]
    cells = cells_of(adata, positions, basis)
    if positions is None:
        ax, places, radius, named = _circle(ax, names, order)
    else:
        places, radius, named = given_places(network, positions), RADIUS, True
        side = _side(names)
        ax = new_axes(ax, figsize=(side + 1.6, side))
        cells_below(ax, cells, basis, side)
        _limits(ax, places if cells is None else np.concatenate([places, cells]))
    centre = np.zeros(2) if positions is None else None
    draw_edges(ax, places, edges, directed=directed, radius=radius, centre=centre)
    handles = draw_nodes(ax, network, places, radius) + edge_legend(edges, directed=directed)
    beside(ax, handles)
    facts = edge_facts(edges, threshold)
    if not named:
        facts.append(f"no room for names of {len(names):,} {nodes_are(network)}")
    give_title(ax, facts)
    if positions is not None:
        name_nodes(ax, places, names, radius)
    return ax


def _side(names: list[str]) -> float:
    """Give the side of a diagram in inches that has room for all names."""
    area = sum((name_width([name]) + 0.1) * 0.17 for name in names)
    return float(np.clip(np.sqrt(7 * area), _SIDE, 2 * _SIDE))


def _circle(
    ax: Axes | None, names: list[str], order: Order
) -> tuple[Axes, np.ndarray, float, bool]:
    """Put the nodes on a circle with their names around.

    Gives the axes, the places of the nodes, their radius in points, and whether names have room.
    """
    turns, n_slots = around(order)
    radius = float(np.clip(n_slots * _ARC / (2 * np.pi), _SMALLEST_CIRCLE, _LARGEST_CIRCLE))
    names_take = label_inches(names, 9.0)
    half = radius + names_take
    if ax is None:
        ax = new_axes(None, figsize=(2 * half + 1.7, 2 * half + 0.4))
    else:
        ax = new_axes(ax, figsize=(1, 1))
        half = min(axes_inches(ax)) / 2
        radius = max(half - names_take, 0.4 * half)
    arc = 2 * np.pi * radius / n_slots
    font = name_size(arc)
    angles = np.empty(len(names))
    angles[order.places] = turns
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    places = np.zeros_like(rays) if len(names) == 1 else rays
    ax.set_axis_off()
    limit = half / radius
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    if font:
        name_rays(ax, places, angles, names, font, lying=name_width(names, font) < 0.9 * arc)
    return ax, places, min(RADIUS, 0.4 * 72 * arc), font > 0


def _limits(ax: Axes, places: np.ndarray) -> None:
    """Set limits that leave room for names around all places."""
    low, high = places.min(axis=0), places.max(axis=0)
    middle, half = (low + high) / 2, (high - low) / 2
    half = np.maximum(half, 0.25 * half.max() if half.max() > 0 else 1.0) * 1.18
    ax.set(xlim=(middle[0] - half[0], middle[0] + half[0]),
           ylim=(middle[1] - half[1], middle[1] + half[1]), aspect=aspect_of(places))  # fmt: skip
