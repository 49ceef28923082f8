"""What heatmaps of named rows and columns share: their order, names, sizes and marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering

__all__ = [
    "cell_size",
    "clustered",
    "dots",
    "how_many",
    "lines_of",
    "name_axis",
    "name_width",
    "short",
]

_LONGEST = 30
_UNKNOWN = re.compile(
    r"([a-z]\d?_{1,2})?(uncultured|unclassified|unassigned|unidentified|unknown|metagenome"
    r"|ambiguous_taxa|na|nan|none)?([ _](bacterium|archaeon|organism))?_*",
    re.IGNORECASE,
)
"""A rank of a lineage that names nothing, with the letter of the rank or without."""
_LARGEST_FONT, _SMALLEST_FONT = 9.0, 4.5
_PER_CHARACTER = 0.6
"""Mean width of a character, over the size of the font."""
_LONGEST_SIDE = 14.0
_MOST_OPTIMAL = 400
"""Rows up to which the best of all orders of a tree is looked for: its time grows by n squared."""


def short(name: object) -> str:
    """Give a name that fits beside a row: of lineages the last known ranks, else both ends."""
    text = str(name)
    if len(text) <= _LONGEST:
        return text
    ranks = [rank.strip() for rank in re.split("[;|]", text)]
    while ranks and _UNKNOWN.fullmatch(ranks[-1]):
        ranks.pop()
    if len(ranks) < 2:
        return _ends(text)
    kept = _ends(ranks.pop(), _LONGEST - 1)
    while ranks and len(longer := f"{ranks.pop()};{kept}") < _LONGEST:
        kept = longer
    return f"…{kept}"


def _ends(text: str, longest: int = _LONGEST) -> str:
    """Give a text without its middle where it is long."""
    if len(text) <= longest:
        return text
    end = longest * 2 // 3
    return f"{text[: longest - end - 1]}…{text[-end:]}"


def name_width(names: Sequence[str], font: float = _LARGEST_FONT) -> float:
    """Give the width of the longest name, in inches."""
    return max((len(name) for name in names), default=0) * _PER_CHARACTER * font / 72


def cell_size(n: int) -> float:
    """Give the side of a cell in inches: room for a name, but no more than a page for all."""
    return min(max(0.17, min(0.5, 2.4 / max(n, 1))), _LONGEST_SIDE / max(n, 1))


def clustered(values: np.ndarray) -> np.ndarray:
    """Give an order in which similar rows stand side by side (average linkage)."""
    if len(values) < 3:
        return np.arange(len(values))
    known = np.nan_to_num(values)
    tree = linkage(known, method="average")
    if len(values) <= _MOST_OPTIMAL:
        tree = optimal_leaf_ordering(tree, known)
    return np.asarray(leaves_list(tree))


def name_axis(ax: Axes, side: str, names: Sequence[str], length: float) -> bool:
    """Write the names of rows (``"y"``) or columns (``"x"``), as large as cells allow.

    Parameters
    ----------
    ax
        Axes of a heatmap whose cells are around 0, 1 and so on.
    side
        ``"x"`` or ``"y"``.
    names
        One for each cell.
    length
        Length of that side of the axes, in inches.

    Returns
    -------
    bool
        Whether there is room for names that can be read; otherwise there are none.
    """
    font = min(_LARGEST_FONT, 0.82 * 72 * length / max(len(names), 1))
    there = font >= _SMALLEST_FONT
    places = np.arange(len(names) if there else 0)
    shown: Any = list(names) if there else []
    axis = ax.xaxis if side == "x" else ax.yaxis
    axis.set_ticks(places, shown, fontsize=font, parse_math=False)
    axis.set_tick_params(length=2 if there else 0, pad=2)
    if side == "x" and there and name_width(names, font) > length / len(names):
        plt.setp(ax.get_xticklabels(), rotation=90)
    return there


def dots(ax: Axes, image: Any, marked: np.ndarray, cell: float) -> None:
    """Put a dot into cells of a heatmap, dark on light colours and light on dark ones."""
    red, green, blue, _ = np.moveaxis(image.to_rgba(image.get_array()), -1, 0)
    light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
    size = max(1.2, min(4.5, 0.38 * 72 * cell))
    for cells, colour in ((marked & light, "black"), (marked & ~light, "white")):
        y, x = np.nonzero(cells)
        ax.plot(x, y, "o", color=colour, ms=size, mew=0, zorder=3)


def lines_of(parts: Iterable[str], inches: float) -> str:
    """Give phrases in lines of a width, for a title of font size 10."""
    most = max(int(inches / (_PER_CHARACTER * 10 / 72)), 24)
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 + len(part) <= most:
            lines[-1] += f"; {part}"
        else:
            lines.append(part)
    return "\n".join(lines)


def how_many(what: str, shown: int, there: int, *, named: bool = True) -> str:
    """Give the label of an axis: what there is, and how many of them are drawn."""
    label = f"{shown:,} of {there:,} {what}" if shown < there else what
    if named:
        return label
    return (
        f"{label} (no room for names)"
        if shown < there
        else f"{shown:,} {label} (no room for names)"
    )
