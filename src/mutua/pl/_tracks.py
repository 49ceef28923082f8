"""Spans as labelled boxes above a plot, on as many tracks as they need."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from mutua.errors import InvalidInput

__all__ = ["Box", "category_colours", "draw_tracks"]

# Hues that remain apart for the colour-blind (Wong 2011, Nature Methods 8:441; Tol's muted).
_COLOURS: Final = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#882255", "#999933",
    "#332288", "#44AA99",
)  # fmt: skip
_SIGNS: Final = {"+": "#C8202F", "-": "#2166AC", "": "0.45"}
_FONT_POINTS, _TRACK_POINTS, _GAP_POINTS = 7.5, 13.0, 3.0
_MARGIN: Final = 1.06
"""A text may be wider on some device than its outline says."""
_MOST: Final = 0.8
"""Part of the axes that tracks may take."""
_MOST_TRACKS: Final = 30
"""More cannot be read, and come of hits that overlap each other."""


class Box(NamedTuple):
    """A span to draw, in columns; `cut` says at which ends it goes on."""

    start: int
    end: int
    cut: tuple[bool, bool]
    strand: int
    label: str
    group: str


def category_colours(names: list[str]) -> dict[str, str]:
    """Give each name a colour: signs red and blue, no name grey, others in order."""
    others = [name for name in dict.fromkeys(names) if name not in _SIGNS]
    return _SIGNS | {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(others)}


def draw_tracks(ax: Axes, boxes: list[Box], *, shift: float, own_figure: bool) -> None:
    """Draw boxes above what the axes hold, none of which overlaps another or its label.

    Parameters
    ----------
    ax
        Axes with all labels and limits. The y axis is extended upwards, and its spine and ticks
        stay as long as they were.
    boxes
        Spans within the x axis.
    shift
        Column 0 on the x axis.
    own_figure
        The figure may grow.

    Raises
    ------
    InvalidInput
        If there are more than 30 tracks, or the axes are not high enough.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    _lay_out(figure)
    points = ax.bbox.width / figure.dpi * 72
    left, right = ax.get_xlim()
    per_letter = points / (right - left)
    spans = [_extent(box, shift, left, right, per_letter) for box in boxes]
    tracks = _packed(boxes, spans, _GAP_POINTS / per_letter)
    if max(tracks) >= _MOST_TRACKS:
        found = f"{len(boxes):,} spans, up to {max(tracks) + 1} one above the other"
        remedy = "choose among those that overlap with mutua.tl.filter_annotations"
        raise InvalidInput("annotations", found, remedy)
    needed = (max(tracks) + 1) * _TRACK_POINTS + 2 * _GAP_POINTS
    height = ax.bbox.height / figure.dpi * 72
    if own_figure:
        width, inches = figure.get_size_inches()
        figure.set_size_inches(width, inches + needed / 72)
        _lay_out(figure)
        height = ax.bbox.height / figure.dpi * 72
    elif needed > _MOST * height:
        found = f"axes of {height / 72:.1f} inches for {max(tracks) + 1} tracks of annotations"
        raise InvalidInput("ax", found, "use higher axes, fewer positions or fewer annotations")
    _extend(ax, needed / height)
    colours = category_colours([box.group for box in boxes])
    step, base = _TRACK_POINTS / height, 1 - needed / height + _GAP_POINTS / height
    outlines, faces = [], []
    font = FontProperties(size=_FONT_POINTS)
    for box, span, track in zip(boxes, spans, tracks, strict=True):
        bottom, colour = base + track * step, colours[box.group]
        outlines.append(_outline(box, shift, bottom, bottom + 0.82 * step))
        faces.append(colour)
        if box.label:
            ax.text(
                span.text, bottom + 0.41 * step, box.label, ha=span.align, va="center_baseline",
                transform=ax.get_xaxis_transform(), fontproperties=font, color="0.1",
                in_layout=False,
            )  # fmt: skip
    drawn = PolyCollection(
        outlines, facecolors=faces, edgecolors=faces, alpha=0.4, linewidths=0.8,
        transform=ax.get_xaxis_transform(),
    )  # fmt: skip
    drawn.set_in_layout(False)
    ax.add_collection(drawn, autolim=False)


def _lay_out(figure: Figure) -> None:
    """Give the axes the place that they have when the figure is drawn."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)


class _Extent(NamedTuple):
    """From where to where box and label reach, and where the label is."""

    left: float
    right: float
    text: float
    align: str


def _extent(box: Box, shift: float, left: float, right: float, per_letter: float) -> _Extent:
    """Put the label into the box, or else on the side where there is room."""
    start, end = shift + box.start - 0.5, shift + box.end - 0.5
    font = FontProperties(size=_FONT_POINTS)
    wide = text_to_path.get_text_width_height_descent(box.label or " ", font, False)[0]
    wide = wide * _MARGIN / per_letter if box.label else 0.0
    gap = _GAP_POINTS / per_letter
    if wide + 2 * gap <= end - start or not box.label:
        return _Extent(start, end, (start + end) / 2, "center")
    if end + gap + wide <= right:
        return _Extent(start, end + gap + wide, end + gap, "left")
    if start - gap - wide >= left:
        return _Extent(start - gap - wide, end, start - gap, "right")
    middle = min(max((start + end) / 2, left + wide / 2), right - wide / 2)
    return _Extent(min(start, middle - wide / 2), max(end, middle + wide / 2), middle, "center")


def _packed(boxes: list[Box], spans: list[_Extent], gap: float) -> list[int]:
    """Give each span the lowest track on which it has room, from left to right."""
    tracks = [0] * len(boxes)
    ends: list[float] = []
    for place in np.lexsort(([box.end for box in boxes], [span.left for span in spans])):
        left, right = spans[place][:2]
        free = next((i for i, end in enumerate(ends) if end + gap <= left), len(ends))
        ends[free:] = [right, *ends[free + 1 :]]
        tracks[place] = free
    return tracks


def _extend(ax: Axes, part: float) -> None:
    """Raise the y axis so that its uppermost part is free."""
    low, high = ax.get_ylim()
    ticks = [tick for tick in ax.get_yticks() if low <= tick <= high]
    ax.set_ylim(low, low + (high - low) / (1 - part))
    ax.set_yticks(ticks)
    ax.spines["left"].set_bounds(low, high)
    label = ax.yaxis.label
    label.set_y((1 - part) / 2)


def _outline(box: Box, shift: float, bottom: float, top: float) -> list[tuple[float, float]]:
    """Give the corners of a box, which has a tip in the direction of its strand."""
    start, end = shift + box.start - 0.45, shift + box.end - 0.55
    tip = min(0.4 * (end - start), 0.8)
    middle = (bottom + top) / 2
    if box.strand > 0 and not box.cut[1]:
        return [(start, bottom), (end - tip, bottom), (end, middle), (end - tip, top),
                (start, top)]  # fmt: skip
    if box.strand < 0 and not box.cut[0]:
        return [(start + tip, bottom), (end, bottom), (end, top), (start + tip, top),
                (start, middle)]  # fmt: skip
    return [(start, bottom), (end, bottom), (end, top), (start, top)]
