"""Where annotations lie in many sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mutua.errors import InvalidInput
from mutua.models import Annotations, Dataset, SequenceSet
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import (
    ATTRIBUTION,
    END,
    MOTIF,
    MOTIF_INDEX,
    POSITION,
    SEQUENCE,
    SEQUENCE_ID,
    SEQUENCE_INDEX,
    SEQUENCE_LENGTH,
    START,
)
from mutua.pl._axes import label_of, new_axes
from mutua.pl._tracks import category_colours

__all__ = ["seqlet_map"]

_ORDERS = ("input", "count", "start", "motif")
_MOST_ROWS, _MOST_COLUMNS = 600, 1500
"""Cells of the picture; more are not told apart on any page."""
_FAINTEST = 0.3
_NAMED_ROWS = 40
_OTHER = "0.8"
_PLURAL = {"motif": "motifs", "family": "families"}


def seqlet_map(
    annotations: Dataset[Annotations],
    *,
    by: str | None = None,
    order: str | Sequence[float] | np.ndarray = "input",
    n_motifs: int = 8,
    sequences: xr.Dataset | None = None,
    first_position: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw where the spans of many sequences lie, one sequence below the other.

    Parameters
    ----------
    annotations
        Spans such as seqlets or hits of motifs.
    by
        What colours say: ``"motif"``, ``"family"`` (of the motif) or ``"sign"`` (of the
        attribution). By default the motif, or the family where that colours more and most motifs
        would be grey; or else the sign, where the annotations have them.
    order
        Order of the sequences, from top to bottom: ``"input"``, as they come; ``"count"``, most
        spans first; ``"start"``, by the start of the first span; ``"motif"``, by the most
        frequent of their motifs and its start; or one number for each, the largest first, e.g.
        predictions.
    n_motifs
        Motifs, or families, with a colour of their own, the most frequent ones; all others are
        grey.
    sequences
        The set that the spans are in, or its attributions: its coordinate ``position`` numbers
        the columns.
    first_position
        Number of the first column, where there are no `sequences`.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        Of more than 600 sequences several share a row: it has the colour that most of them have
        there, the fainter the fewer have any.

    Raises
    ------
    InvalidElement
        If it is no `Annotations`.
    InvalidInput
        If there are no sequences, `by` asks for what is not there, `order` has not one number for
        each sequence, or `sequences` are others.

    Examples
    --------
    >>> import mutua as mt
    >>> spans = mt.Annotations.build(
    ...     sequence_index=[0, 1, 1], start=[5, 2, 9], end=[9, 6, 12], motif_index=[0, 0, 1],
    ...     motif=["GATA1", "TAL1"], sequence_length=[15, 15], source="user",
    ... )
    >>> ax = mt.pl.seqlet_map(spans)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['GATA1 (2)', 'TAL1 (1)']
    """
    Annotations.check(annotations, where="argument `annotations` of pl.seqlet_map")
    n_motifs = whole_number("n_motifs", n_motifs, low=1, high=20)
    first_position = whole_number("first_position", first_position)
    n = annotations.sizes[SEQUENCE]
    if n == 0:
        raise InvalidInput("annotations", "there are no sequences", "give at least one")
    groups = _groups(annotations, by, n_motifs)
    rank = _ranks(annotations, order)
    length = max(int(annotations[SEQUENCE_LENGTH].values.max()), 1)
    position = None if sequences is None else _positions(sequences, n, length, first_position)
    ax = new_axes(ax, figsize=(7.5, float(np.clip(1.3 + 0.16 * n, 2.0, 6.0))))
    image = _raster(annotations, groups, rank, length)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    first = first_position if position is None else _number_columns(ax, position.values)
    extent = (first - 0.5, first + length - 0.5, n - 0.5, -0.5)
    ax.imshow(image, extent=extent, aspect="auto", interpolation="nearest")
    ax.set_xlabel(POSITION if position is None else label_of(position, POSITION))
    _name_rows(ax, annotations, rank, order)
    shown = [
        Patch(color=colour, label=f"{name} ({int((groups.of == i).sum()):,})" if name else None)
        for i, (name, colour) in enumerate(zip(groups.names, groups.colours, strict=True))
        if name and (groups.of == i).any()
    ]
    if shown:
        ax.legend(
            handles=shown, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0,
            fontsize="small", frameon=False, handlelength=1.2, title=groups.title,
            title_fontsize="small", alignment="left",
        )  # fmt: skip
    return ax


def _positions(
    sequences: xr.Dataset, n: int, length: int, first_position: int
) -> xr.DataArray | None:
    """Give how the sequences number their columns, or refuse others than the spans are in."""
    SequenceSet.check(sequences, where="argument `sequences` of pl.seqlet_map")
    if first_position:
        remedy = "leave it out; their coordinate 'position' numbers the columns"
        raise InvalidInput("first_position", f"{first_position}, and there are sequences", remedy)
    if sequences.sizes[SEQUENCE] != n or sequences.sizes[POSITION] != length:
        sizes = f"{sequences.sizes[SEQUENCE]:,} of {sequences.sizes[POSITION]:,} letters"
        found = f"{sizes}, and the spans are in {n:,} of {length:,}"
        raise InvalidInput("sequences", found, "give the set that the spans are in")
    return sequences[POSITION] if POSITION in sequences.coords and length else None


def _number_columns(ax: Axes, numbers: np.ndarray) -> int:
    """Give the number of the first column, or name the ticks where numbers do not go up by one."""
    if np.issubdtype(numbers.dtype, np.integer) and (np.diff(numbers) == 1).all():
        return int(numbers[0])

    def name(place: float, _: int | None = None) -> str:
        return str(numbers[round(place)]) if 0 <= round(place) < len(numbers) else ""

    ax.xaxis.set_major_formatter(FuncFormatter(name))
    return 0


class _Groups(NamedTuple):
    """Which group each annotation is of, and what groups are called and coloured."""

    of: np.ndarray
    names: list[str]
    colours: list[str]
    title: str


def _groups(annotations: xr.Dataset, by: str | None, n_motifs: int) -> _Groups:
    parts = ("motif", MOTIF_INDEX), ("family", "family"), ("sign", ATTRIBUTION)
    there = [name for name, part in parts if part in annotations.variables]
    if by is not None:
        one_of("by", by, [name for name, _ in parts])
        if by not in there:
            remedy = f"use {' or '.join(map(repr, there)) or 'None'}"
            raise InvalidInput("by", f"{by!r}, and the annotations have none", remedy)
    chosen = by or next(iter(there), None)
    if by is None and {"motif", "family"} <= set(there):
        chosen = _readable(annotations, n_motifs)
    n = len(annotations[START])
    if chosen is None:
        return _Groups(np.zeros(n, int), [""], [category_colours([])[""]], "")
    if chosen == "sign":
        values = annotations[ATTRIBUTION].values
        signs = category_colours([])
        return _Groups(
            np.where(np.isnan(values), 2, (values < 0).astype(int)),
            ["positive", "negative", "unknown"],
            [signs["+"], signs["-"], _OTHER],
            "attribution",
        )
    index = annotations[MOTIF_INDEX].values
    ids, names = _named(annotations)
    if chosen == "family":
        families, family_of = np.unique(_families(annotations), return_inverse=True)
        ids = names = [str(family) for family in families]
        index = np.append(family_of, -1)[index]
    top = _most_frequent(index, len(ids), n_motifs)
    shown = [names[i] or ids[i] for i in top]
    # Two motifs of one name are told apart by their ids.
    shown = [f"{x} {ids[i]}" if shown.count(x) > 1 else x for i, x in zip(top, shown, strict=True)]
    place = np.full(len(ids) + 1, len(top))
    place[top] = np.arange(len(top))
    place[-1] = len(top) + 1  # where the index is -1
    colours = category_colours(shown)
    return _Groups(
        place[index],
        [*shown, f"other {_PLURAL[chosen]}", "no motif"],
        [*(colours[x] for x in shown), _OTHER, "0.9"],
        chosen,
    )


def _named(annotations: xr.Dataset) -> tuple[list[str], list[str]]:
    """Give the ids of all motifs and their names."""
    ids = [str(motif) for motif in annotations[MOTIF].values]
    return ids, [str(x) for x in annotations["name"].values] if "name" in annotations else ids


def _families(annotations: xr.Dataset) -> np.ndarray:
    """Give the family of each motif, or what it is called if it has none."""
    names = [name or own for own, name in zip(*_named(annotations), strict=True)]
    families = annotations["family"].values.astype(object)
    return np.where(families == "", np.array(names, object), families)


def _most_frequent(index: np.ndarray, n: int, most: int) -> list[int]:
    """Give the numbers that are in most rows, as far as they are in any."""
    counts = np.bincount(index[index >= 0], minlength=n)
    return [i for i in np.argsort(-counts, kind="stable")[:most].tolist() if counts[i]]


def _readable(annotations: xr.Dataset, n_motifs: int) -> str:
    """Give what to colour by: families where most rows would be grey, and fewer are with them."""
    index = annotations[MOTIF_INDEX].values
    names, family_of = np.unique(_families(annotations), return_inverse=True)
    by_family = np.append(family_of, -1)[index]
    coloured = [
        np.isin(numbers, _most_frequent(numbers, n, n_motifs)).sum()
        for numbers, n in ((index, annotations.sizes[MOTIF]), (by_family, len(names)))
    ]
    most_are_grey = 2 * coloured[0] < (index >= 0).sum()
    return "family" if most_are_grey and coloured[1] > coloured[0] else "motif"


def _ranks(annotations: xr.Dataset, order: str | Sequence[float] | np.ndarray) -> np.ndarray:
    """Give the row of each sequence, 0 for the uppermost."""
    n = annotations.sizes[SEQUENCE]
    row, start = annotations[SEQUENCE_INDEX].values, annotations[START].values
    if not isinstance(order, str):
        try:
            keys = -np.asarray(order, np.float64)
        except (TypeError, ValueError):
            raise InvalidInput("order", f"a {type(order).__name__}", "give numbers") from None
        if keys.shape != (n,) or np.isnan(keys).any():
            found = f"numbers of shape {keys.shape}" + (
                ", some NaN" if np.isnan(keys).any() else ""
            )
            raise InvalidInput("order", found, f"give one for each of the {n:,} sequences")
        by: tuple[np.ndarray, ...] = (keys,)
    elif one_of("order", order, _ORDERS) == "input":
        by = (np.arange(n),)
    elif order == "count":
        by = (-np.bincount(row, minlength=n),)
    elif order == "start":
        by = (_first(row, start, n),)
    else:
        if MOTIF_INDEX not in annotations.variables:
            raise InvalidInput("order", "'motif', and there are none", f"use one of {_ORDERS[:3]}")
        index = annotations[MOTIF_INDEX].values
        counts = np.bincount(index[index >= 0], minlength=annotations.sizes[MOTIF])
        common = np.append(np.argsort(np.argsort(-counts, kind="stable")), len(counts))[index]
        best = _first(row, common, n)
        is_best = common == best[row]
        by = (_first(row[is_best], start[is_best], n), best)
    rank = np.empty(n, np.int64)
    rank[np.lexsort(by)] = np.arange(n)
    return rank


def _first(row: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Give the smallest value of each row, and for those without any a larger one than all."""
    found = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(found, row, values)
    return found


def _raster(annotations: xr.Dataset, groups: _Groups, rank: np.ndarray, length: int) -> np.ndarray:
    """Give the picture as (row, column, red-green-blue-alpha)."""
    n = len(rank)
    n_rows, n_columns = min(n, _MOST_ROWS), min(length, _MOST_COLUMNS)
    row = rank[annotations[SEQUENCE_INDEX].values] * n_rows // n
    start = annotations[START].values.astype(np.int64) * n_columns // length
    end = -(-annotations[END].values.astype(np.int64) * n_columns // length)
    per_row = np.bincount(np.arange(n) * n_rows // n, minlength=n_rows)[:, None]
    most = np.zeros((n_rows, n_columns), np.int64)
    image = np.zeros((n_rows, n_columns, 4))
    for group, colour in enumerate(groups.colours):
        chosen = groups.of == group
        steps = np.zeros((n_rows, n_columns + 1), np.int64)
        np.add.at(steps, (row[chosen], start[chosen]), 1)
        np.add.at(steps, (row[chosen], end[chosen]), -1)
        covered = steps.cumsum(axis=1)[:, :-1]
        leads = covered > most
        most = np.where(leads, covered, most)
        image[leads, :3] = to_rgb(colour)
    share = np.minimum(most / per_row, 1)
    image[..., 3] = np.where(most > 0, _FAINTEST + (1 - _FAINTEST) * share, 0)
    return image


def _name_rows(
    ax: Axes, annotations: xr.Dataset, rank: np.ndarray, order: str | Sequence[float] | np.ndarray
) -> None:
    """Name the sequences where there are few, and say how they are ordered."""
    n = len(rank)
    said = order if isinstance(order, str) else "value"
    label = "sequence" if said == "input" else f"sequence (by {said})"
    ax.set_ylabel(f"{label}, {n:,} in all" if n > _NAMED_ROWS else label)
    if n > _NAMED_ROWS:
        ax.yaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        return
    named = SEQUENCE_ID in annotations.coords
    names = annotations[SEQUENCE_ID].values if named else np.arange(n)
    ax.set_yticks(range(n), [str(name) for name in names[np.argsort(rank)]], fontsize="x-small")
    ax.hlines(np.arange(1, n) - 0.5, *ax.get_xlim(), color="white", lw=1.5)
