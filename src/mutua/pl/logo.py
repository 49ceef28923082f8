"""Sequence logos of attributions, of one sequence, and of the letters of many."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mutua.errors import InvalidInput
from mutua.models import Annotations, Attributions, Dataset, SequenceSet
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import (
    ATTRIBUTION,
    CODES,
    END,
    INFORMATION,
    LETTER,
    MOTIF,
    POSITION,
    PROBABILITY,
    SEQUENCE,
    SEQUENCE_ID,
    SEQUENCE_INDEX,
    SEQUENCE_LENGTH,
    START,
    WEIGHT,
)
from mutua.models.faults import blocks
from mutua.models.motif_matrices import column_information
from mutua.pl._axes import edges, label_of, new_axes
from mutua.pl._letters import draw_letters
from mutua.pl._tracks import Box, draw_tracks

__all__ = ["logo"]

_WHICH = (INFORMATION, PROBABILITY)
_LETTER_INCHES, _LEAST_INCHES, _MOST_INCHES = 0.16, 4.5, 24.0
_HEIGHT, _EQUAL_HEIGHT = 2.2, 1.1


def logo(
    element: Dataset[Attributions] | Dataset[SequenceSet],
    *,
    sequence: int | str | None = None,
    start: int | None = None,
    end: int | None = None,
    annotations: Dataset[Annotations] | None = None,
    score: str | None = None,
    hypothetical: bool = False,
    which: str = "information",
    small_sample: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw a sequence as letters, or the letters of all sequences as a logo.

    Of attributions the letters of one sequence are as high as what they contribute; those below
    0 hang upside down. Of a sequence set without `sequence`, letters are as high as their share
    of the information of each position (Schneider and Stephens 1990, Nucleic Acids Research
    18:6097), which sequences with a ``weight`` count with; one `sequence` of it is drawn with
    letters of equal height.

    Parameters
    ----------
    element
        Attributions or sequences. Of lazy ones only what is drawn is read.
    sequence
        Its number or `sequence_id`; may be left out of attributions of one sequence.
    start, end
        First position to draw, and the one after the last: numbers of the coordinate ``position``
        where there is one, columns from 0 otherwise.
    annotations
        Spans in the same sequences: those of the drawn one stand above it as boxes, which point
        along their strand and carry the name of their motif. Boxes and their names never overlap.
        One that reaches beyond the positions drawn is cut there.
    score
        Variable of the annotations to write behind each name, e.g. ``"p_value"``.
    hypothetical
        Draw what all letters would contribute, for attributions that say so.
    which
        Of many sequences: ``"information"`` in bits, or ``"probability"``.
    small_sample
        Of many sequences: subtract from the information what so few letters have by chance.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        Unknown letters and padding leave a gap.

    Raises
    ------
    InvalidElement
        If it is no sequence set, or the annotations are none.
    InvalidInput
        If there is no such sequence or position, annotations are of other sequences or have no
        such score, more than 30 lie one above the other, or the axes are not high enough.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["ACAG", "TCAG", "GCAG", "CTAG"])
    >>> ax = mt.pl.logo(seqs)
    >>> ax.get_ylabel()
    'information (bits)'
    """
    SequenceSet.check(element, where="argument `element` of pl.logo")
    attributed = ATTRIBUTION in element.variables
    if attributed:
        Attributions.check(element, where="argument `element` of pl.logo")
    one_of("which", which, _WHICH)
    for name, value in (("hypothetical", hypothetical), ("small_sample", small_sample)):
        if not isinstance(value, bool):
            raise InvalidInput(name, f"{value!r}", "use True or False")
    row = _row(element, sequence, attributed)
    columns = _columns(element, start, end)
    boxes = [] if annotations is None else _boxes(element, annotations, row, columns, score)
    if hypothetical and not (attributed and element.attrs["hypothetical"]):
        found, remedy = "the element has no hypothetical attributions", "leave it out"
        raise InvalidInput("hypothetical", found, remedy)
    if row is None:
        heights = _frequencies(element, columns, which, small_sample)
    else:
        heights = _letters(element.isel({SEQUENCE: row, POSITION: columns}), hypothetical)
    n = heights.shape[1]
    width = float(np.clip(1.0 + _LETTER_INCHES * n, _LEAST_INCHES, _MOST_INCHES))
    high = _HEIGHT if attributed or row is None else _EQUAL_HEIGHT
    drawn = new_axes(ax, figsize=(width, high))
    places = _places(element, columns)
    draw_letters(drawn, heights, element.attrs["alphabet"], first=places.first)
    drawn.set_xlim(places.first - 0.6, places.first + n - 0.4)
    _label(drawn, element, row, places, which)
    drawn.set_ylim(_limits(heights, element, row, attributed, which))
    if boxes:
        draw_tracks(drawn, boxes, shift=places.first - columns.start, own_figure=ax is None)
    return drawn


class _Places(NamedTuple):
    """Where the first stack is on the x axis, and what columns are called if not by that."""

    first: float
    names: np.ndarray | None


def _row(element: xr.Dataset, sequence: int | str | None, attributed: bool) -> int | None:
    """Give the number of the sequence to draw, None for all."""
    n = element.sizes[SEQUENCE]
    if n == 0:
        raise InvalidInput("element", "there are no sequences", "give at least one")
    if sequence is None:
        if attributed and n > 1:
            found, remedy = f"attributions of {n:,} sequences", "give its number or sequence_id"
            raise InvalidInput("sequence", found, remedy)
        return 0 if attributed else None
    if isinstance(sequence, str):
        if SEQUENCE_ID not in element.coords:
            raise InvalidInput("sequence", f"{sequence!r}, and they have no ids", "give its number")
        places = np.flatnonzero(np.asarray(element[SEQUENCE_ID].values) == sequence)
        if len(places) != 1:
            many = f"{len(places)} sequences have it" if len(places) else "no sequence has it"
            raise InvalidInput("sequence", f"{sequence!r}: {many}", "give its number")
        return int(places[0])
    return whole_number("sequence", sequence, low=0, high=n - 1)


def _columns(element: xr.Dataset, start: int | None, end: int | None) -> slice:
    """Give the columns from position `start` up to `end`."""
    length = element.sizes[POSITION]
    if POSITION in element.coords:
        numbers = np.asarray(element[POSITION].values)
    else:
        numbers = np.arange(length)
    chosen = np.ones(length, bool)
    if start is not None:
        chosen &= numbers >= whole_number("start", start)
    if end is not None:
        chosen &= numbers < whole_number("end", end)
    places = np.flatnonzero(chosen)
    given = f"{start if start is not None else ''} to {end if end is not None else ''}"
    if not len(places):
        there = f"{numbers.min()} to {numbers.max()}" if length else "none"
        raise InvalidInput("start", f"no position from {given.strip()}", f"positions are {there}")
    if places[-1] - places[0] + 1 != len(places):
        found = f"positions from {given.strip()} do not stand side by side"
        raise InvalidInput("start", found, "sort the element by position, or leave them out")
    return slice(int(places[0]), int(places[-1]) + 1)


def _places(element: xr.Dataset, columns: slice) -> _Places:
    """Give the place of the first column: its position where these go up one by one."""
    if POSITION not in element.coords:
        return _Places(float(columns.start), None)
    names = np.asarray(element[POSITION].values)[columns]
    even = edges(names)
    by_one = even is not None and (len(names) == 1 or names[1] - names[0] == 1)
    return _Places(float(names[0]) if by_one else 0.0, None if by_one else names)


def _letters(one: xr.Dataset, hypothetical: bool) -> np.ndarray:
    """Give the height of each letter (letter, position) of one sequence."""
    codes = np.asarray(one[CODES].values)
    there = codes[None, :] == np.arange(len(one.attrs["alphabet"]))[:, None]
    if ATTRIBUTION not in one.variables:
        return np.asarray(there, np.float64)
    values = np.asarray(one[ATTRIBUTION].transpose(LETTER, POSITION).values, np.float64)
    values = values if hypothetical else np.where(there, values, 0.0)
    return np.asarray(np.where(np.isfinite(values), values, 0))


def _frequencies(element: xr.Dataset, columns: slice, which: str, small_sample: bool) -> np.ndarray:
    """Give the height of each letter (letter, position) of many sequences."""
    n_letters = len(element.attrs["alphabet"])
    codes = element[CODES].variable.transpose(SEQUENCE, POSITION)[:, columns]
    weights = np.asarray(element[WEIGHT].values) if WEIGHT in element.variables else None
    counts = np.zeros((n_letters, codes.shape[1]))
    squares = np.zeros(codes.shape[1])
    for first, block in blocks(codes):
        part = np.asarray(block.values)
        rows, places = slice(first[0], first[0] + part.shape[0]), slice(
            first[1], first[1] + part.shape[1])  # fmt: skip
        weight = np.ones(part.shape[0]) if weights is None else weights[rows]
        for letter in range(n_letters):
            counts[letter, places] += weight @ (part == letter)
        squares[places] += weight**2 @ (part < n_letters)
    totals = counts.sum(axis=0)
    shares = counts / np.where(totals > 0, totals, 1)
    if which == PROBABILITY:
        return shares
    bits = column_information(shares, [1 / n_letters] * n_letters)
    if small_sample:
        # Miller and Madow's correction, of as many letters of equal weight as these are worth.
        worth = totals**2 / np.where(squares > 0, squares, 1)
        bits -= (n_letters - 1) / (2 * math.log(2) * np.maximum(worth, 1))
    return np.asarray(shares * np.maximum(bits, 0))


def _limits(
    heights: np.ndarray, element: xr.Dataset, row: int | None, attributed: bool, which: str
) -> tuple[float, float]:
    top = float(heights.clip(min=0).sum(axis=0).max(initial=0))
    bottom = float(heights.clip(max=0).sum(axis=0).min(initial=0))
    if row is not None and not attributed:
        return 0.0, 1.0
    if row is None:
        most = 1.0 if which == PROBABILITY else math.log2(len(element.attrs["alphabet"]))
        return 0.0, max(most, top)
    if top == bottom:  # both 0
        return 0.0, 1.0
    room = 0.05 * (top - bottom)
    return bottom - (room if bottom < 0 else 0), top + (room if top > 0 else 0)


def _label(ax: Axes, element: xr.Dataset, row: int | None, places: _Places, which: str) -> None:
    """Name the axes."""
    position = element[POSITION] if POSITION in element.coords else None
    ax.set_xlabel(POSITION if position is None else label_of(position, POSITION))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    if (names := places.names) is not None:

        def name(place: float, _: int | None = None) -> str:
            return str(names[round(place)]) if 0 <= round(place) < len(names) else ""

        ax.xaxis.set_major_formatter(FuncFormatter(name))
    ax.spines[["top", "right"]].set_visible(False)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=5))
    if row is None:
        ax.set_ylabel("information (bits)" if which == INFORMATION else PROBABILITY)
        return
    named = SEQUENCE_ID in element.coords
    ax.set_title(
        str(element[SEQUENCE_ID].values[row]) if named else f"sequence {row}", fontsize="medium"
    )
    if ATTRIBUTION in element.variables:
        ax.set_ylabel(f"attribution to {element.attrs['target']}")
        ax.axhline(0, color="0.3", lw=0.8, zorder=0.5)
    else:
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)


def _boxes(
    element: xr.Dataset,
    annotations: Dataset[Annotations],
    row: int | None,
    columns: slice,
    score: str | None,
) -> list[Box]:
    """Give what to draw of the spans of a sequence that reach into the columns."""
    Annotations.check(annotations, where="argument `annotations` of pl.logo")
    if row is None:
        raise InvalidInput("annotations", "given for all sequences", "choose one by sequence=")
    _refuse_other_sequences(element, annotations)
    if score is not None and score not in annotations.data_vars:
        numbers = [str(name) for name, part in annotations.data_vars.items()
                   if part.dims == annotations[START].dims]  # fmt: skip
        raise InvalidInput("score", f"{score!r}", f"use one of {numbers}")
    inside = (
        (annotations[SEQUENCE_INDEX].values == row)
        & (annotations[START].values < columns.stop)
        & (annotations[END].values > columns.start)
    )
    spans = annotations.isel({annotations[START].dims[0]: np.flatnonzero(inside)})
    return [
        Box(
            start=max(int(start), columns.start),
            end=min(int(end), columns.stop),
            cut=(int(start) < columns.start, int(end) > columns.stop),
            strand=strand,
            label=label,
            group=group,
        )
        for start, end, strand, (label, group) in zip(
            spans[START].values,
            spans[END].values,
            spans["strand"].values.tolist() if "strand" in spans else [0] * len(spans[START]),
            _names(spans, score),
            strict=True,
        )
    ]


def _refuse_other_sequences(element: xr.Dataset, annotations: xr.Dataset) -> None:
    n, there = element.sizes[SEQUENCE], annotations.sizes[SEQUENCE]
    remedy = "give the sequences that they were made of"
    if n != there:
        raise InvalidInput("annotations", f"of {there:,} sequences, not {n:,}", remedy)
    length = element.sizes[POSITION]
    if (other := annotations[SEQUENCE_LENGTH].values != length).any():
        found = f"of sequences of {annotations[SEQUENCE_LENGTH].values[other][0]} letters"
        raise InvalidInput("annotations", f"{found}, not {length}", remedy)
    if SEQUENCE_ID in element.coords and SEQUENCE_ID in annotations.coords:
        own, others = element[SEQUENCE_ID].values, annotations[SEQUENCE_ID].values
        if (other := np.asarray(own != others)).any():
            found = f"of sequence {str(others[other][0])!r} where there is {str(own[other][0])!r}"
            raise InvalidInput("annotations", found, remedy)


def _names(spans: xr.Dataset, score: str | None) -> list[tuple[str, str]]:
    """Give the label of each span, and what decides its colour."""
    n = len(spans[START])
    groups = [""] * n
    if MOTIF in spans.coords:
        ids = [str(motif) for motif in spans[MOTIF].values]
        shown = [str(x) for x in spans["name"].values] if "name" in spans.coords else ids
        shown = [name or own for name, own in zip(shown, ids, strict=True)]
        groups = [shown[i] if i >= 0 else "" for i in spans["motif_index"].values.tolist()]
    labels = groups
    if score is not None:
        values = [f"{value:.3g}" for value in spans[score].values.tolist()]
        labels = [f"{x} ({v})" if x else v for x, v in zip(labels, values, strict=True)]
    if ATTRIBUTION in spans.data_vars and not any(groups):
        groups = ["+" if value >= 0 else "-" for value in spans[ATTRIBUTION].values.tolist()]
    return list(zip(labels, groups, strict=True))
