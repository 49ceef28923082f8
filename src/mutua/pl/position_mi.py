"""Plots of the dependency between positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Patch

from mutua.errors import InvalidInput
from mutua.models import ContactMap, Dataset, DistanceMI, KmerPairs, PositionMI
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.contact_map import contacts_at
from mutua.models.dims import POSITION_I, POSITION_J
from mutua.pl._axes import (
    DIVERGING,
    SEQUENTIAL,
    colour_map,
    heatmap,
    label_of,
    new_axes,
    symmetric,
)
from mutua.pl._labels import value_label
from mutua.pl._significance import insignificant, veil

__all__ = ["mi_by_distance", "mi_diagonal", "pair_kmers", "position_mi"]


def position_mi(
    mi: Dataset[PositionMI],
    *,
    variable: str | None = None,
    lower: Dataset[PositionMI] | Dataset[ContactMap] | None = None,
    contact_distance: float = 8.0,
    significant: float | None = None,
    p_value: str = "q_value",
    scale: str = "linear",
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: str | None = None,
    colorbar: bool = True,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the dependency between all pairs of positions as a heatmap.

    Parameters
    ----------
    mi
        Dependencies; axes show the coordinates of the element (positions, or relative or genomic
        coordinates where the sequences have them). Pairs whose k-mers overlap are grey.
    variable
        ``"mi"``, ``"mi_corrected"``, ``"mi_normalized"`` or ``"mi_null"``; by default corrected
        values where there are any.
    lower
        What to show in the lower triangle instead: another `PositionMI`, or a `ContactMap`, of
        which pairs nearer than `contact_distance` are marked.
    contact_distance
        In angstrom.
    significant
        Fade all pairs whose `p_value` is above this level.
    p_value
        Which one: ``"q_value"``, ``"p_value"`` or ``"p_familywise"``.
    scale
        ``"linear"`` or ``"log"`` colours.
    vmin, vmax
        Limits of the colours; for values of both signs the map stays centred at 0.
    cmap
        Colour map; by default viridis, or red-blue where values have both signs.
    colorbar
        Draw a colour bar.
    title
        Title; by default what was measured.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidElement
        If `mi` or `lower` is of another kind.
    InvalidInput
        If a variable is not there, or `lower` has other positions.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(200, length=12, seed=0)
    >>> seqs = mt.pp.embed_motifs(seqs, ["GATA", "TTGC"], position=1, spacings=2)
    >>> ax = mt.pl.position_mi(mt.tl.position_mi(seqs, k=1))
    >>> ax.get_xlabel()
    'position of the second k-mer'
    """
    PositionMI.check(mi, where="argument `mi` of pl.position_mi")
    one_of("scale", scale, ["linear", "log"])
    chosen = _variable(mi, variable)
    matrix = np.array(mi[chosen].values)
    faded = insignificant(mi, significant, p_value)
    contacts = None
    is_lower = np.tril(np.ones(matrix.shape, bool), -1)
    if lower is not None:
        other = _aligned(mi, lower)
        if "distance" in other:
            contacts = other["distance"].values < number(
                "contact_distance", contact_distance, low=0
            )
            matrix[is_lower] = np.nan
        else:
            matrix = np.where(is_lower, other[_variable(other, variable)].values, matrix)
        faded = faded & ~is_lower
    ax = new_axes(ax, figsize=(6.4, 5.4))
    colours, norm = _colours(matrix, scale, vmin, vmax, cmap)
    x, y = mi[POSITION_J].values, mi[POSITION_I].values
    image = heatmap(ax, matrix, x, y, cmap=colours, norm=norm)
    veil(ax, image, faded & np.isfinite(matrix))
    if contacts is not None:
        _draw_contacts(ax, image, matrix, contacts & is_lower, is_lower, contact_distance)
    ax.set_xlabel(label_of(mi[POSITION_J]))
    ax.set_ylabel(label_of(mi[POSITION_I]))
    ax.set_title(_title(mi) if title is None else title, fontsize="medium")
    if colorbar:
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.85)
        bar.set_label(_value_label(mi, chosen))
    return ax


def _variable(mi: xr.Dataset, variable: str | None) -> str:
    there = [n for n in ("mi_corrected", "mi", "mi_normalized", "mi_null") if n in mi]
    if variable is None:
        return there[0]
    if variable not in there:
        raise InvalidInput("variable", f"{variable!r}", f"use one of {there}")
    return variable


def _aligned(mi: xr.Dataset, lower: Any) -> xr.Dataset:
    """Give the values of a map at the positions of another."""
    where = "argument `lower` of pl.position_mi"
    if isinstance(lower, xr.Dataset) and "distance" in lower:
        ContactMap.check(lower, where=where)
        return contacts_at(lower, mi, argument="lower")
    PositionMI.check(lower, where=where)
    wanted = mi[POSITION_I].values
    there = lower[POSITION_I].values
    if not np.isin(wanted, there).all():
        raise InvalidInput(
            "lower",
            f"its positions {there[0]} to {there[-1]} do not hold {wanted[0]} to {wanted[-1]}",
            "pass a map of the same positions",
        )
    chosen: xr.Dataset = lower.sel({POSITION_I: wanted, POSITION_J: wanted})
    return chosen


def _colours(
    matrix: np.ndarray, scale: str, vmin: float | None, vmax: float | None, cmap: str | None
) -> tuple[Any, Normalize]:
    finite = matrix[np.isfinite(matrix)]
    high = float(finite.max()) if finite.size else 1.0
    if scale == "log":
        positive = finite[finite > 0]
        if not positive.size:
            raise InvalidInput("scale", "'log' without values above 0", "use scale='linear'")
        low = float(positive.min()) if vmin is None else number("vmin", vmin, low=0, open_low=True)
        top = high if vmax is None else number("vmax", vmax, low=low)
        return colour_map(cmap or SEQUENTIAL), LogNorm(low, max(top, low * 1.0001), clip=True)
    if finite.size and finite.min() < -1e-12:
        limit = symmetric(matrix)
        if vmax is not None or vmin is not None:
            limit = max(abs(number("vmax", v)) for v in (vmin, vmax) if v is not None)
        return colour_map(cmap or DIVERGING), Normalize(-limit, limit)
    low = 0.0 if vmin is None else number("vmin", vmin)
    top = high if vmax is None else number("vmax", vmax)
    return colour_map(cmap or SEQUENTIAL), Normalize(low, top if top > low else low + 1e-12)


def _draw_contacts(
    ax: Axes,
    image: Any,
    matrix: np.ndarray,
    contacts: np.ndarray,
    is_lower: np.ndarray,
    contact_distance: float,
) -> None:
    """Mark contacts as black squares on a white lower triangle."""
    layer = np.zeros((*matrix.shape, 4))
    layer[is_lower] = (1, 1, 1, 1)
    layer[contacts] = (0, 0, 0, 1)
    ax.imshow(layer, extent=image.get_extent(), interpolation="nearest")
    ax.legend(
        handles=[Patch(color="black", label=f"contact < {contact_distance:g} Å")],
        loc="lower left",
        fontsize="small",
        frameon=True,
    )


def _title(mi: xr.Dataset) -> str:
    attrs = mi.attrs
    parts = [f"k = {attrs['k']}", f"{attrs['n_sequences']:,} sequences"]
    parts.append(f"pseudocount {attrs['pseudocount']:g}")
    return ", ".join(parts)


def _value_label(mi: xr.Dataset, variable: str) -> str:
    return value_label(mi.attrs, variable, mi[variable].attrs.get("units"))


def mi_diagonal(
    mi: Dataset[PositionMI], *, variable: str | None = None, ax: Axes | None = None
) -> Axes:
    """Draw the dependency of adjacent k-mers along the sequence (the main diagonal).

    Parameters
    ----------
    mi
        Dependencies.
    variable
        As for `position_mi`.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        A line over the position where the second k-mer starts, which is where two k-mers meet.

    Raises
    ------
    InvalidElement
        If `mi` is of another kind.

    Examples
    --------
    >>> import mutua as mt
    >>> mi = mt.tl.position_mi(mt.pp.random_sequences(100, length=9, seed=0), k=2)
    >>> ax = mt.pl.mi_diagonal(mi)
    >>> len(ax.lines[0].get_xdata())
    6
    """
    PositionMI.check(mi, where="argument `mi` of pl.mi_diagonal")
    chosen = _variable(mi, variable)
    k = mi.attrs["k"]
    values = np.diagonal(mi[chosen].values, offset=k)
    ax = new_axes(ax, figsize=(6.4, 3.2))
    ax.plot(mi[POSITION_J].values[k:], values, color="C0", lw=1.5)
    ax.set_xlabel(label_of(mi[POSITION_J]))
    ax.set_ylabel(_value_label(mi, chosen))
    ax.set_title(f"adjacent {_word(k)}s", fontsize="medium")
    if (values[np.isfinite(values)] >= 0).all():
        ax.set_ylim(bottom=0)
    ax.margins(x=0.01)
    return ax


def mi_by_distance(
    by_distance: Dataset[DistanceMI], *, scale: str = "linear", ax: Axes | None = None
) -> Axes:
    """Draw mean and maximum dependency against the distance of two positions.

    Parameters
    ----------
    by_distance
        From `tl.mi_by_distance`.
    scale
        ``"linear"`` or ``"log"`` y axis.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidElement
        If it is of another kind.

    Examples
    --------
    >>> import mutua as mt
    >>> mi = mt.tl.position_mi(mt.pp.random_sequences(100, length=9, seed=0), k=2)
    >>> ax = mt.pl.mi_by_distance(mt.tl.mi_by_distance(mi))
    >>> [line.get_label() for line in ax.lines]
    ['maximum', 'mean']
    """
    DistanceMI.check(by_distance, where="argument `by_distance` of pl.mi_by_distance")
    one_of("scale", scale, ["linear", "log"])
    ax = new_axes(ax, figsize=(6.4, 3.6))
    x = by_distance["distance"].values
    ax.plot(x, by_distance["mi_max"].values, color="C1", lw=1.5, label="maximum")
    ax.plot(x, by_distance["mi_mean"].values, color="C0", lw=1.5, label="mean")
    ax.set_yscale(scale)
    ax.set_xlabel(label_of(by_distance["distance"]))
    unit = by_distance["mi_mean"].attrs.get("units")
    variable = by_distance.attrs.get("variable", "mi")
    ax.set_ylabel(value_label(by_distance.attrs, variable, unit))
    ax.legend(frameon=False)
    ax.margins(x=0.01)
    return ax


def pair_kmers(
    pairs: Dataset[KmerPairs], *, n: int = 12, annotate: bool = True, ax: Axes | None = None
) -> Axes:
    """Draw which k-mers at two positions go together (red) and which avoid each other (blue).

    Parameters
    ----------
    pairs
        From `tl.explain_pair`.
    n
        Show at most this many k-mers on each axis: those of the largest contributions.
    annotate
        Write observed and expected numbers into the cells that matter most.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidElement
        If it is of another kind.
    InvalidInput
        If `n` is below 1.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["ACGT", "ACGT", "TCGA", "TCGA"])
    >>> ax = mt.pl.pair_kmers(mt.tl.explain_pair(seqs, 0, 3, k=1))
    >>> [label.get_text() for label in ax.get_xticklabels()]
    ['A', 'C', 'G', 'T']
    """
    KmerPairs.check(pairs, where="argument `pairs` of pl.pair_kmers")
    n = whole_number("n", n, low=1)
    contribution = pairs["contribution"].values
    strength = np.abs(contribution)
    rows = _strongest(strength.max(axis=1), n)
    columns = _strongest(strength[rows].max(axis=0), n)
    shown = contribution[np.ix_(rows, columns)]
    size = 1.6 + 0.42 * max(len(rows), len(columns))
    ax = new_axes(ax, figsize=(size + 1.2, size))
    limit = symmetric(shown)
    image = ax.imshow(shown, cmap=colour_map(DIVERGING), norm=Normalize(-limit, limit))
    k = pairs.attrs["k"]
    ax.set_xticks(range(len(columns)), pairs["kmer_j"].values[columns], rotation=90 if k > 1 else 0)
    ax.set_yticks(range(len(rows)), pairs["kmer_i"].values[rows])
    for axis in (ax.xaxis, ax.yaxis):
        for label in axis.get_ticklabels():
            label.set_fontfamily("monospace")
    if annotate:
        _annotate(ax, pairs, rows, columns, shown, limit)
    ax.set_xlabel(f"{_word(k)} at position {pairs.attrs['position_j']}")
    ax.set_ylabel(f"{_word(k)} at position {pairs.attrs['position_i']}")
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.85)
    bar.set_label("contribution (bits)")
    return ax


def _word(k: int) -> str:
    return "letter" if k == 1 else f"{k}-mer"


def _strongest(strength: np.ndarray, n: int) -> np.ndarray:
    """Give the places of the n largest values, in their original order."""
    return np.sort(np.argsort(-strength, kind="stable")[:n])


def _annotate(
    ax: Axes,
    pairs: xr.Dataset,
    rows: np.ndarray,
    columns: np.ndarray,
    shown: np.ndarray,
    limit: float,
) -> None:
    """Write observed / expected into the cells with a visible colour."""
    observed = pairs["observed"].values[np.ix_(rows, columns)]
    expected = pairs["expected"].values[np.ix_(rows, columns)]
    for row, column in np.argwhere(np.abs(shown) >= 0.2 * limit):
        dark = abs(shown[row, column]) > 0.6 * limit
        ax.text(
            column,
            row,
            f"{observed[row, column]:.0f}\n{expected[row, column]:.0f}",
            ha="center",
            va="center",
            fontsize=max(5.5, min(9.0, 60 / max(shown.shape))),
            color="white" if dark else "black",
        )
    ax.set_title("cells: observed over expected sequences", fontsize="small")
