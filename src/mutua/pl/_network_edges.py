"""Edges of a network: which are drawn, and how."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

__all__ = ["NEGATIVE", "POSITIVE", "Edges", "draw_edges", "edge_legend", "edges_of"]

POSITIVE, NEGATIVE = "#b2182b", "#2166ac"
_WIDTH = 6.0
"""Width of a coupling of 1, in points."""
_MANY = 120
"""Edges from which all are drawn finer, so that they hide less of each other."""
_MOST = 1_500
"""Edges that are drawn at most: of more, nobody sees where they go."""
_BEND = 0.14
"""Of two arrows between the same nodes, over their length."""
_INWARDS = 0.22
"""Of edges between places on a circle, over their length."""


class Edges(NamedTuple):
    """Edges to draw, the weakest first."""

    source: np.ndarray
    """Place of the regulator."""
    target: np.ndarray
    weight: np.ndarray
    n: int
    """How many there are; the weakest of too many are left out."""


def edges_of(coupling: np.ndarray, threshold: float, *, directed: bool) -> Edges:
    """Give the edges of a coupling (target, regulator) that are strong enough."""
    size = np.abs(coupling) if directed else np.tril(np.abs(coupling))
    size = np.where(np.eye(len(size), dtype=bool), 0.0, size)
    target, source = np.nonzero((size >= threshold) & (size > 0))
    order = np.argsort(size[target, source], kind="stable")
    kept = order[max(0, len(order) - _MOST) :]
    target, source = target[kept], source[kept]
    return Edges(source, target, coupling[target, source], len(order))


def draw_edges(
    ax: Axes,
    places: np.ndarray,
    edges: Edges,
    *,
    directed: bool,
    radius: float,
    centre: np.ndarray | None = None,
) -> None:
    """Draw edges as arrows from the regulator to the target, or as lines.

    Parameters
    ----------
    ax
        Where to draw.
    places
        (node, 2).
    edges
        From `edges_of`.
    directed
        Whether they are arrows. Two of opposite directions are bent apart, so that both are seen.
    radius
        Of the nodes, in points: edges end at their rim.
    centre
        Of the circle on which the nodes stand: edges are bent towards it.
    """
    both = set(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
    for source, target, weight, width, alpha in zip(
        edges.source.tolist(),
        edges.target.tolist(),
        edges.weight.tolist(),
        _widths(edges).tolist(),
        _opacity(edges.weight).tolist(),
        strict=True,
    ):
        start, end = places[source], places[target]
        bend = _BEND if directed and (target, source) in both else 0.0
        if centre is not None:
            bend += _INWARDS * _side(start, end, centre)
        edge = FancyArrowPatch(
            tuple(start), tuple(end),
            arrowstyle="-|>" if directed else "-", mutation_scale=6 + 1.6 * width,
            connectionstyle=f"arc3,rad={bend}", shrinkA=radius, shrinkB=radius, lw=width,
            color=(*to_rgb(POSITIVE if weight > 0 else NEGATIVE), alpha), capstyle="butt",
            joinstyle="miter", zorder=3,
        )  # fmt: skip
        edge.set_in_layout(False)
        ax.add_patch(edge)


def _opacity(weight: np.ndarray) -> np.ndarray:
    """Give how opaque edges are: a logistic function of their absolute weight."""
    size = np.abs(weight)
    return np.asarray(1 / (1 + np.exp(-5 * (size - size.max(initial=0.0) / 4))))


def _widths(edges: Edges) -> np.ndarray:
    """Give the widths of edges in points."""
    size = np.abs(edges.weight)
    finer = min(1.0, float(np.sqrt(_MANY / max(len(size), 1))))
    return np.asarray(_WIDTH * finer * size / max(1.0, size.max(initial=0.0)))


def _side(start: np.ndarray, end: np.ndarray, centre: np.ndarray) -> float:
    """Give the sign of a bend towards a centre: matplotlib bends to the right of the way."""
    (x, y), (to_x, to_y) = end - start, centre - start
    cross = x * to_y - y * to_x
    return 0.0 if abs(cross) < 1e-9 else -float(np.sign(cross))


def edge_legend(edges: Edges, *, directed: bool) -> list[Line2D]:
    """Give the entries of a legend: what colours and widths mean."""
    if not len(edges.weight):
        return []
    signs = ("activates", "represses") if directed else ("together", "apart")
    handles = [
        Line2D([], [], color=colour, lw=2.5, label=label)
        for colour, label in zip((POSITIVE, NEGATIVE), signs, strict=True)
    ]
    widths = _widths(edges)
    for place in sorted({0, len(widths) - 1}):
        size = abs(float(edges.weight[place]))
        handles.append(Line2D([], [], color="0.5", lw=widths[place], label=f"± {size:.2g}"))
    return handles
