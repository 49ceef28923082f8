"""Diagram of a program network with the conditions on a half circle around it."""

from __future__ import annotations

from typing import Any, NamedTuple

import anndata
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba

from mutua.models import Dataset, Table, checked
from mutua.models.arguments import number
from mutua.models.dims import CONDITION, NODE
from mutua.models.program_network import ProgramNetwork
from mutua.pl._axes import new_axes
from mutua.pl._cells import name_width, short
from mutua.pl._network_edges import (
    NEGATIVE,
    POSITIVE,
    draw_edges,
    edge_legend,
    edges_of,
)
from mutua.pl._network_nodes import (
    RADIUS,
    beside,
    cells_below,
    cells_of,
    draw_nodes,
    edge_facts,
    give_title,
)
from mutua.pl._network_order import (
    Order,
    condition_order,
    finite,
    node_order,
    response_name,
)
from mutua.pl._network_places import (
    around,
    axes_inches,
    given_places,
    label_inches,
    name_nodes,
    name_rays,
    name_size,
    slots_of,
)

__all__ = ["response_circle"]

_FIRST, _LAST = 0.95 * np.pi, 0.05 * np.pi
"""Angles of the first condition, on the left, and of the last."""
_GAP = 2
"""Empty slots between groups of conditions."""
_WIDER = 1.5
"""Radius of the half circle over that of the network."""
_BELOW = 0.12
"""Height below the lowest node or cell, over the radius of the half circle."""
_ARC = 0.1
"""Way between conditions, in inches."""
_SMALLEST, _LARGEST = 3.2, 7.0
"""Radius of the half circle, in inches."""
_MOST_LISTED = 20
_STRONGEST = 2.0
"""Responses beyond are drawn like this one."""
_THINNEST, _WIDTH = 0.5, 2.5
_MANY = 200
"""Lines from which all are drawn finer."""
_CONDITION, _GROUP, _IDLE = "0.15", "0.8", "0.6"


@checked
def response_circle(
    network: Dataset[ProgramNetwork],
    *,
    positions: Dataset[Table] | None = None,
    adata: anndata.AnnData | None = None,
    basis: str = "X_umap",
    variable: str | None = None,
    threshold: float = 0.25,
    response_threshold: float = 0.4,
    ax: Axes | None = None,
) -> Axes:
    """Draw a network with all conditions on a half circle around it, and what each of them pushes.

    Parameters
    ----------
    network
        From ``tl.program_network``; with groups from ``tl.condition_groups`` there are gaps
        between these.
    positions, adata, basis
        Where the nodes are, and cells below them, as for `mutua.pl.network`.
    variable
        ``"response_relative"``, to the controls, or ``"response"``; by default the first if it is
        there.
    threshold
        Couplings from this absolute value on are drawn.
    response_threshold
        Responses from this absolute value on are drawn.
    ax
        Axes to draw on; by default new ones on which names can be read.

    Returns
    -------
    matplotlib.axes.Axes
        The groups stand from left to right in the order of their numbers, conditions of similar
        responses side by side. Red lines push a node up, blue ones down; the stronger, the wider
        and the more opaque, up to 2. Names of conditions without a line are grey, those of
        controls in italics. The network is drawn as by `mutua.pl.network`.

    Raises
    ------
    InvalidElement
        If `network` is no `ProgramNetwork`, or `positions` no `Table`.
    InvalidInput
        If there are no nodes or no conditions, a node has no place, there are cells without
        `positions`, values are not finite, or an option is not what it should be.

    Examples
    --------
    >>> import mutua as mt
    >>> network = mt.ProgramNetwork.build(
    ...     coupling=[[0.5, 1.0], [1.0, 0.2]], response=[[0.0, 2.0, -1.0], [0.0, 0.1, 0.4]],
    ...     node=["P0", "P1"], regulator=["P0", "P1"], condition=["control", "A", "B"],
    ...     method="supplied", directed=False, node_kind="program",
    ... )
    >>> ax = mt.pl.response_circle(network)
    >>> print(ax.get_title(loc="left"))
    1 edge: |coupling| ≥ 0.25; 3 lines: |response| ≥ 0.4
    """
    threshold = number("threshold", threshold, low=0)
    response_threshold = number("response_threshold", response_threshold, low=0)
    variable = response_name(network, variable)
    pushes = finite(network, variable)
    nodes = node_order(network, cluster=True)
    conditions = condition_order(network, pushes, cluster=True)
    directed = bool(network.attrs["directed"])
    edges = edges_of(finite(network, "coupling"), threshold, directed=directed)
    cells = cells_of(adata, positions, basis)
    places = _on_circle(nodes) if positions is None else given_places(network, positions)
    names = [short(name) for name in network[CONDITION].values]
    ax, arch, font = _arch(ax, places, cells, conditions, names)
    cells_below(ax, cells, basis, arch.inches)
    ax.set_axis_off()
    lines = _draw_pushes(ax, pushes, places, arch.places, response_threshold)
    draw_edges(
        ax, places, edges, directed=directed, radius=RADIUS,
        centre=np.zeros(2) if positions is None else None,
    )  # fmt: skip
    handles = draw_nodes(ax, network, places, RADIUS) + edge_legend(edges, directed=directed)
    _draw_conditions(ax, network, conditions, arch, names, font, lines)
    beside(ax, handles)
    facts = edge_facts(edges, threshold)
    n = int(lines.sum())
    what = "relative response" if variable == "response_relative" else "response"
    said = f"{n:,} line{'s' if n > 1 else ''}" if n else "no lines: no"
    facts.append(f"{said}{':' if n else ''} |{what}| ≥ {response_threshold:g}")
    groups = [short(name) for name, _ in conditions.groups]
    if 1 < len(groups) <= _MOST_LISTED:
        facts.append(f"groups from left to right: {', '.join(groups)}")
    if not font:
        facts.append(f"no room for names of {len(names):,} conditions")
    give_title(ax, facts)
    node_names = [short(name) for name in network[NODE].values]
    turns = np.linspace(_LAST, _FIRST, 200)
    rays = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    name_nodes(ax, places, node_names, RADIUS, arch=arch.centre + arch.radius * rays)
    return ax


class _Arch(NamedTuple):
    """The half circle: where every condition is, in the order of the element."""

    places: np.ndarray
    angles: np.ndarray
    centre: np.ndarray
    radius: float
    inches: float


def _on_circle(order: Order) -> np.ndarray:
    """Give places on a circle of radius 1, in the order of the element."""
    turns, _ = around(order)
    places = np.empty((len(turns), 2))
    places[order.places] = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    return places if len(turns) > 1 else np.zeros((1, 2))


def _arch(
    ax: Axes | None,
    places: np.ndarray,
    cells: np.ndarray | None,
    order: Order,
    names: list[str],
) -> tuple[Axes, _Arch, float]:
    """Place the half circle around the network; give the axes, it, and the size of names."""
    everything = places if cells is None else np.concatenate([places, cells])
    centre = (everything.min(axis=0) + everything.max(axis=0)) / 2
    inner = float(np.hypot(*(everything - centre).T).max()) or 1.0
    slots = slots_of(order, _GAP)
    n_slots = int(slots[-1]) + 1
    share = (_FIRST - _LAST) / max(n_slots - 1, 1)
    angles = np.empty(len(slots))
    angles[order.places] = _FIRST - slots * share if n_slots > 1 else np.pi / 2
    radius = _WIDER * inner
    names_take = label_inches(names, 9.0)
    inches = float(np.clip(n_slots * _ARC / (_FIRST - _LAST), _SMALLEST, _LARGEST))
    # Below the centre, over the radius.
    depth = float(centre[1] - everything[:, 1].min()) / radius + _BELOW
    if ax is None:
        font = name_size(share * inches) or 9.0
        names_take = label_inches(names, font)
        wide, high = 2 * (inches + names_take), inches * (1 + depth) + names_take
        ax = new_axes(None, figsize=(wide + 1.7, high + 0.5))
    else:
        ax = new_axes(ax, figsize=(1, 1))
        wide, high = axes_inches(ax)
        room = min(wide / 2 - names_take, (high - names_take) / (1 + depth))
        inches = max(room, 0.25 * min(wide, high))
    unit = radius / inches
    low = centre[1] - depth * radius
    half = wide / 2 * unit
    ax.set(xlim=(centre[0] - half, centre[0] + half), ylim=(low, low + high * unit), aspect="equal")
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    arch = _Arch(centre + radius * rays, angles, centre, radius, inches)
    return ax, arch, name_size(share * inches)


def _draw_pushes(
    ax: Axes, pushes: np.ndarray, places: np.ndarray, ends: np.ndarray, threshold: float
) -> np.ndarray:
    """Draw a line for every response that is strong enough; give how many for each condition."""
    strong = (np.abs(pushes) >= threshold) & (pushes != 0)
    node, condition = np.nonzero(strong)
    values = np.clip(pushes[node, condition], -_STRONGEST, _STRONGEST)
    order = np.argsort(np.abs(values), kind="stable")
    node, condition, values = node[order], condition[order], values[order]
    size = np.abs(values) / _STRONGEST
    finer = min(1.0, float(np.sqrt(_MANY / max(len(values), 1))))
    colours: Any = [
        to_rgba(POSITIVE if value > 0 else NEGATIVE, alpha)
        for value, alpha in zip(values, 0.35 + 0.5 * size, strict=True)
    ]
    segments = np.stack([ends[condition], places[node]], axis=1)
    lines = LineCollection(
        list(segments),
        colors=colours,
        linewidths=finer * (_THINNEST + (_WIDTH - _THINNEST) * size),
        zorder=2,
    )
    lines.set_in_layout(False)
    ax.add_collection(lines, autolim=False)
    return np.asarray(strong.sum(axis=0))


def _draw_conditions(
    ax: Axes,
    network: xr.Dataset,
    order: Order,
    arch: _Arch,
    names: list[str],
    font: float,
    lines: np.ndarray,
) -> None:
    """Draw the conditions, a band below each group of them, and their names."""
    start = 0
    for _, size in order.groups:
        own = arch.angles[order.places[start : start + size]]
        start += size
        turns = np.linspace(own.max() + 0.008, own.min() - 0.008, 60)
        x, y = arch.centre[:, None] + arch.radius * np.stack([np.cos(turns), np.sin(turns)])
        ax.plot(x, y, color=_GROUP, lw=4, zorder=3, solid_capstyle="butt")
    dot = min(4.0, max(1.5, 0.6 * font))
    ax.plot(*arch.places.T, "o", color=_CONDITION, ms=dot, mew=0, zorder=4)
    if not font:
        return
    control = np.zeros(len(names), bool)
    if "is_control" in network.coords:
        control = network["is_control"].values
    styles = [
        {"color": "black" if n else _IDLE, "fontstyle": "italic" if is_control else "normal"}
        for n, is_control in zip(lines, control, strict=True)
    ]
    arc = abs(np.diff(np.sort(arch.angles))).min() * arch.inches if len(names) > 1 else np.inf
    lying = name_width(names, font) < 0.9 * arc
    name_rays(ax, arch.places, arch.angles, names, font, lying=bool(lying), styles=styles)
