"""Letters of any height: what sequence logos are drawn with."""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath

__all__ = ["draw_letters", "letter_colours"]

# Hues that remain apart for the colour-blind (Wong 2011, Nature Methods 8:441), red made darker.
_GREEN, _BLUE, _ORANGE, _RED = "#009E73", "#0072B2", "#EFA500", "#C8202F"
_NUCLEOTIDES: Final = {"A": _GREEN, "C": _BLUE, "G": _ORANGE, "T": _RED, "U": _RED}
_AMINO_ACIDS: Final = {
    "AVLIPWFM": "#222222",  # hydrophobic
    "GSTYC": _GREEN,  # polar
    "NQ": "#B0529C",  # amide
    "KRH": _BLUE,  # basic
    "DE": _RED,  # acidic
}
_NARROW: Final = 0.55
"""Least width of a glyph, as a part of the width of E: an I keeps its shape."""


def letter_colours(alphabet: str) -> dict[str, str]:
    """Give the usual colour of every letter: by base, or by the chemistry of amino acids."""
    known = alphabet.upper()
    if set(known) <= set(_NUCLEOTIDES):
        return {letter: _NUCLEOTIDES[letter.upper()] for letter in alphabet}
    if set(known) >= set("ACDEFGHIKLMNPQRSTVWY"):
        by_letter = {x: colour for letters, colour in _AMINO_ACIDS.items() for x in letters}
        return {letter: by_letter.get(letter.upper(), "#777777") for letter in alphabet}
    wheel = colormaps["tab10"]
    return {letter: to_hex(wheel(place % wheel.N)) for place, letter in enumerate(alphabet)}


def draw_letters(
    ax: Axes,
    heights: np.ndarray,
    letters: str,
    *,
    colours: dict[str, str] | None = None,
    first: float = 0.0,
    width: float = 0.94,
) -> None:
    """Draw stacks of letters, one patch for all occurrences of a letter.

    Parameters
    ----------
    ax
        Axes, whose limits stay as they are.
    heights
        (letter, position) in data units. In each stack the largest is farthest from 0; letters
        of negative height hang upside down below it.
    letters
        The letters, in the order of the rows.
    colours
        By letter; `letter_colours` by default.
    first
        Where on the x axis the middle of the first stack is; the next ones follow at distance 1.
    width
        Width of a letter.
    """
    heights = np.asarray(heights, dtype=np.float64)
    colours = letter_colours(letters) if colours is None else colours
    base = np.where(heights >= 0, _bases(heights.clip(min=0)), -_bases((-heights).clip(min=0)))
    for place, letter in enumerate(letters):
        (columns,) = np.nonzero(heights[place])
        if not len(columns):
            continue
        outline, codes = _glyph(letter)
        corners = np.empty((len(columns), *outline.shape))
        corners[..., 0] = (outline[:, 0] - 0.5) * width + (columns + first)[:, None]
        corners[..., 1] = outline[:, 1] * heights[place, columns, None]
        corners[..., 1] += base[place, columns, None]
        path = Path(corners.reshape(-1, 2), np.tile(codes, len(columns)))
        patch = PathPatch(path, facecolor=colours[letter], linewidth=0)
        # Neither limits nor layout need the extent of curves, which takes matplotlib seconds.
        patch.set_in_layout(False)
        ax.add_artist(patch)


def _bases(heights: np.ndarray) -> np.ndarray:
    """Give on what height each letter stands, the smallest of a stack at the bottom."""
    order = np.argsort(heights, axis=0, kind="stable")
    ordered = np.take_along_axis(heights, order, axis=0)
    bases = np.empty_like(heights)
    np.put_along_axis(bases, order, np.cumsum(ordered, axis=0) - ordered, axis=0)
    return bases


@functools.cache
def _glyph(letter: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the outline of a letter in the unit square, and how its points are joined."""
    font = FontProperties(family="DejaVu Sans", weight="bold")  # which comes with matplotlib
    outline, usual = (TextPath((0, 0), text, size=1, prop=font) for text in (letter, "E"))
    box = outline.get_extents()
    wide = max(box.width, _NARROW * usual.get_extents().width)
    left = box.x0 - (wide - box.width) / 2
    corners = (np.asarray(outline.vertices) - [left, box.y0]) / [wide, box.height or 1]
    return corners, np.asarray(outline.codes)
