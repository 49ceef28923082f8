"""Where nodes of a network are drawn, and how their names keep clear of each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib.patheffects as effects
import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from mutua.errors import InvalidInput
from mutua.models.dims import NODE
from mutua.pl._cells import name_width
from mutua.pl._network_order import Order

__all__ = [
    "around",
    "axes_inches",
    "given_places",
    "label_inches",
    "name_nodes",
    "name_rays",
    "name_size",
    "slots_of",
]

_FONTS = (9.0, 8.0, 7.0, 6.0, 5.0)
_SMALLEST_FONT = 4.5
_FROM_CIRCLE = 7.0
"""Way from a place on a circle to its name, in points."""
_RINGS = (1.0, 5.0, 11.0, 18.0, 27.0, 38.0, 52.0, 70.0, 90.0)
"""Ways from a node to its name to try, in points."""
_LEADER = 8.0
"""Way from which a line leads to the name, in points."""
_ANGLES = 16
_CLEAR = 12.0
"""Way between an arch and a name, in points."""
_HALO = effects.withStroke(linewidth=2.0, foreground="white")


def given_places(network: xr.Dataset, positions: xr.Dataset) -> np.ndarray:
    """Give the places of the nodes in the order of the element, (node, 2), from a table."""
    for column in ("program", "x", "y"):
        if column not in positions:
            found = f"no column {column!r}"
            raise InvalidInput("positions", found, "use a table of tl.program_positions")
    names = [str(name) for name in positions["program"].values]
    row_of = {name: row for row, name in enumerate(names)}
    if len(row_of) < len(names):
        raise InvalidInput("positions", "programs that repeat", "give each one place")
    nodes = [str(name) for name in network[NODE].values]
    if missing := [name for name in nodes if name not in row_of]:
        found = f"no {missing[0]!r}" + (f" and {len(missing) - 1} more" if missing[1:] else "")
        raise InvalidInput("positions", found, "give a place for every node of the network")
    columns = [np.asarray(positions[name].values) for name in ("x", "y")]
    if not all(np.issubdtype(column.dtype, np.number) for column in columns):
        raise InvalidInput("positions", "columns 'x' and 'y' that are no numbers", "use numbers")
    places = np.stack(columns, axis=1).astype(float)[[row_of[name] for name in nodes]]
    if not np.isfinite(places).all():
        raise InvalidInput("positions", "places that are not finite", "give one for every node")
    return places


def slots_of(order: Order, gap: int) -> np.ndarray:
    """Give the slot of everything in an order, with empty slots between groups."""
    groups = [size for _, size in order.groups] or [len(order.places)]
    return np.arange(len(order.places)) + gap * np.repeat(np.arange(len(groups)), groups)


def around(order: Order) -> tuple[np.ndarray, int]:
    """Give angles around a circle for everything in an order, and the number of slots.

    The first is on top, the others follow clockwise; a slot is empty after each group.
    """
    slots = slots_of(order, 1)
    n = int(slots[-1]) + 1 + (1 if len(order.groups) > 1 else 0)
    return np.pi / 2 - 2 * np.pi * slots / n, n


def axes_inches(ax: Axes) -> tuple[float, float]:
    """Give the width and the height of axes in inches."""
    extent = ax.get_window_extent()
    dpi = ax.figure.get_dpi()
    return extent.width / dpi, extent.height / dpi


def name_size(arc: float) -> float:
    """Give the size of names side by side on a circle by their distance in inches; 0 if none."""
    size = min(_FONTS[0], 0.85 * 72 * arc)
    return size if size >= _SMALLEST_FONT else 0.0


def name_rays(
    ax: Axes,
    places: np.ndarray,
    angles: np.ndarray,
    names: Sequence[str],
    font: float,
    *,
    lying: bool = False,
    styles: Sequence[dict[str, Any]] | None = None,
) -> None:
    """Write names outwards from places on a circle, never upside down.

    Parameters
    ----------
    ax
        Where circles are round.
    places
        (name, 2).
    angles
        Of the rays on which names stand, in radians.
    names
        One for each place.
    font
        Size that `name_size` gave.
    lying
        Write them from left to right instead: for names that are shorter than the way to the next.
    styles
        Further options of `Text` for each name.
    """
    for i, (place, angle, name) in enumerate(zip(places, angles, names, strict=True)):
        degrees = math.degrees(angle) % 360
        left = 90 < degrees < 270
        out = _FROM_CIRCLE * np.array([math.cos(angle), math.sin(angle)])
        how: dict[str, Any] = {
            "ha": "right" if left else "left", "rotation_mode": "anchor",
            "rotation": degrees - 180 if left else degrees,
        }  # fmt: skip
        if lying:
            size = np.array([72 * name_width([name], font), font])
            out = out + np.clip(out / _FROM_CIRCLE * 2.5, -1, 1) * size / 2
            how = {"ha": "center"}
        ax.annotate(
            name, tuple(place), tuple(out), textcoords="offset points", fontsize=font,
            va="center", annotation_clip=False, parse_math=False,
            **(how | (styles[i] if styles else {})),
        ).set_in_layout(False)  # fmt: skip


def name_nodes(
    ax: Axes,
    places: np.ndarray,
    names: Sequence[str],
    radius: float,
    *,
    arch: np.ndarray | None = None,
) -> None:
    """Write the name of every node close to it, where no other name and no node is.

    The font is made smaller until all have a place. A note at the bottom says how many have none.

    Parameters
    ----------
    ax
        With its final limits; the layout of its figure is made first.
    places
        (node, 2).
    names
        One for each node.
    radius
        Of the nodes, in points.
    arch
        Places on a half circle around the nodes, (place, 2), beyond which no name may be.
    """
    figure: Any = ax.figure.figure if hasattr(ax.figure, "figure") else ax.figure
    figure.draw_without_rendering()
    scale = 72 / figure.get_dpi()
    points = ax.transData.transform(places) * scale
    box = ax.get_window_extent()
    frame = np.array([box.x0, box.y0, box.x1, box.y1]) * scale
    outwards = points - points.mean(axis=0)
    round_about = None if arch is None else ax.transData.transform(arch) * scale
    found: list[tuple[float, float] | None] = []
    font = _FONTS[0]
    for font in _FONTS:
        sizes = [_text_size(ax, name, font) for name in names]
        found = _free_places(points, sizes, radius, frame, outwards, round_about)
        if all(place is not None for place in found):
            break
    for place, name, own in zip(places, names, found, strict=True):
        if own is None:
            continue
        far = math.hypot(*own) > radius + _LEADER + 0.5 * font
        text = ax.annotate(
            name, tuple(place), own, textcoords="offset points", fontsize=font, ha="center",
            va="center", annotation_clip=False, zorder=6, parse_math=False,
            arrowprops={"arrowstyle": "-", "color": "0.4", "lw": 0.5, "shrinkB": radius}
            if far and _is_away(own, _text_size(ax, name, font), radius) else None,
        )  # fmt: skip
        text.set_path_effects([_HALO])
        text.set_in_layout(False)
    if left_out := sum(place is None for place in found):
        ax.annotate(
            f"no room for {left_out:,} of {len(names):,} names", (0, 0), (3, -3),
            xycoords="axes fraction", textcoords="offset points", fontsize="small", va="top",
            color="0.35", annotation_clip=False,
        ).set_in_layout(False)  # fmt: skip


def _text_size(ax: Axes, name: str, font: float) -> tuple[float, float]:
    """Give the width and the height of a name in points, as it will be drawn."""
    figure: Any = ax.figure
    probe = figure.text(0, 0, name, fontsize=font, parse_math=False)
    box = probe.get_window_extent()
    probe.remove()
    scale = 72 / figure.get_dpi()
    return box.width * scale + 2, box.height * scale + 1


def _is_away(own: tuple[float, float], size: tuple[float, float], radius: float) -> bool:
    """Give whether a name does not touch the node, so that a line must lead to it."""
    gap = np.maximum(np.abs(own) - np.array(size) / 2, 0)
    return bool(np.hypot(*gap) > radius + _LEADER)


def _free_places(
    points: np.ndarray,
    sizes: Sequence[tuple[float, float]],
    radius: float,
    frame: np.ndarray,
    outwards: np.ndarray,
    arch: np.ndarray | None,
) -> list[tuple[float, float] | None]:
    """Give where the middle of each name goes, from its node, in points; None without a place."""
    taken = np.concatenate([points - radius, points + radius], axis=1)  # left, low, right, high
    places: list[tuple[float, float] | None] = []
    for point, size, out in zip(points, sizes, outwards, strict=True):
        own = _candidates(np.array(size), radius, float(np.arctan2(out[1], out[0])))
        middle = point + own
        boxes = np.concatenate([middle - np.array(size) / 2, middle + np.array(size) / 2], axis=1)
        inside = (boxes[:, :2] >= frame[:2]).all(1) & (boxes[:, 2:] <= frame[2:]).all(1)
        if arch is not None:
            inside &= _below(boxes, arch)
        apart = (boxes[:, None, :2] >= taken[None, :, 2:]).any(2)
        apart |= (boxes[:, None, 2:] <= taken[None, :, :2]).any(2)
        free = np.flatnonzero(inside & np.all(apart, axis=1))
        if not len(free):
            places.append(None)
            continue
        places.append((float(own[free[0], 0]), float(own[free[0], 1])))
        taken = np.concatenate([taken, boxes[free[:1]]])
    return places


def _below(boxes: np.ndarray, arch: np.ndarray) -> np.ndarray:
    """Give which boxes are below all places of an arch that they reach sideways, or its ends."""
    sideways = arch[None, :, 0] >= boxes[:, None, 0] - _CLEAR
    sideways &= arch[None, :, 0] <= boxes[:, None, 2] + _CLEAR
    clash = sideways & (arch[None, :, 1] < boxes[:, None, 3] + _CLEAR)
    low, left, right = arch[:, 1].min(), arch[:, 0].min(), arch[:, 0].max()
    beyond = (boxes[:, 0] < left + _CLEAR) | (boxes[:, 2] > right - _CLEAR)
    beyond &= boxes[:, 3] > low - _CLEAR
    return np.asarray(~clash.any(axis=1) & ~beyond)


def _candidates(size: np.ndarray, radius: float, outwards: float) -> np.ndarray:
    """Give places around a node, the closest first, and outwards before inwards, (place, 2)."""
    turns = 2 * np.pi * np.arange(_ANGLES) / _ANGLES
    turned = np.abs((turns - outwards + np.pi) % (2 * np.pi) - np.pi).round(9)
    turns = turns[np.argsort(turned, kind="stable")]
    away = np.repeat(np.array(_RINGS) + radius, _ANGLES)[:, None]
    ways = np.tile(np.stack([np.cos(turns), np.sin(turns)], axis=1), (len(_RINGS), 1))
    # From the circle to the nearest point of the name, which stands beside it.
    return np.asarray(ways * away + np.clip(ways * 2.5, -1, 1) * size / 2)


def label_inches(names: Sequence[str], font: float) -> float:
    """Give the length of the longest name on a ray, its distance from the circle included."""
    return name_width(names, font) + 0.2
