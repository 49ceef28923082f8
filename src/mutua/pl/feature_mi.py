"""Plot of which features inform which latent dims."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from mutua.errors import InvalidInput
from mutua.models import Dataset, checked
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import FEATURE, LATENT
from mutua.models.feature_mi import FeatureMI
from mutua.pl._axes import DIVERGING, SEQUENTIAL, colour_map, new_axes, symmetric
from mutua.pl._cells import (
    cell_size,
    clustered,
    dots,
    how_many,
    lines_of,
    name_axis,
    name_width,
    short,
)
from mutua.pl._table_labels import arguments_of, columns_called, numbered, permuted

__all__ = ["feature_mi"]

_P_VALUES = {"q_value": "q", "p_familywise": "family-wise p", "p_value": "p"}
_VARIABLES = {
    "mi": "mutual information",
    "mi_normalized": "mutual information /\nlargest of the column",
    "mi_null": "mean mutual information\nof permuted samples",
}


@checked
def feature_mi(
    mi: Dataset[FeatureMI],
    *,
    variable: str = "mi",
    n: int = 50,
    n_latents: int = 60,
    significant: float | None = 0.05,
    p_value: str | None = None,
    cluster: bool = True,
    vmax: float | None = None,
    cmap: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw which features inform which latent dims, as a heatmap with similar ones side by side.

    Parameters
    ----------
    mi
        From ``tl.mutual_information``.
    variable
        ``"mi"``, ``"mi_normalized"`` or ``"mi_null"``.
    n
        Draw at most that many features: those with a significant cell first and, among these
        and among all others, those of the largest values.
    n_latents
        At most that many latent dims, chosen in the same way.
    significant
        Cells whose `p_value` is up to this carry a dot; None for no dots. Without p-values there
        are none.
    p_value
        Which one: ``"q_value"``, ``"p_familywise"`` or ``"p_value"``; by default the first of
        these that there is.
    cluster
        Similar features, and similar latent dims, side by side (average linkage); otherwise in
        the order of the element.
    vmax
        Value of the strongest colour; by default the largest that is drawn.
    cmap
        Colour map; by default viridis, or red-blue where values have both signs.
    ax
        Axes to draw on; by default new ones on which all names can be read.

    Returns
    -------
    matplotlib.axes.Axes
        Rows are features, columns are latent dims, modules or whatever the second table held. The
        title says what was permuted for p-values. Pairs without a value (a constant feature or
        latent dim) are grey. Names for which there is no room are left out.

    Raises
    ------
    InvalidElement
        If it is no `FeatureMI`.
    InvalidInput
        If there are no features or no latent dims, the element has other p-values than those
        asked for, or an option is not what it should be.

    Examples
    --------
    >>> import mutua as mt
    >>> mi = mt.FeatureMI.build(
    ...     mi=[[0.4, 0.0], [0.1, 0.3], [0.0, 0.1]],
    ...     q_value=[[0.001, 1], [0.2, 0.01], [1, 0.3]],
    ...     feature=["genome_1", "genome_2", "genome_3"], latent=["latent_0", "latent_1"],
    ...     estimator="knn", n_neighbors=3, n_samples=90,
    ... )
    >>> ax = mt.pl.feature_mi(mi, cluster=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['genome_1', 'genome_2', 'genome_3']
    """
    n = whole_number("n", n, low=1)
    n_latents = whole_number("n_latents", n_latents, low=1)
    one_of("cluster", cluster, [True, False])
    one_of("variable", variable, [name for name in _VARIABLES if name in mi])
    for dim in (FEATURE, LATENT):
        if not mi.sizes[dim]:
            raise InvalidInput("mi", f"no {dim}", "give at least one")
    values = mi[variable].values
    p_value = _p_value(mi, p_value)
    marked = np.zeros(values.shape, bool)
    if significant is not None:
        number("significant", significant, low=0, high=1)
        marked |= mi[p_value].values <= significant if p_value else False
    rows = _first(marked, values, n, axis=1)
    columns = _first(marked, values, n_latents, axis=0)
    shown = values[np.ix_(rows, columns)]
    if cluster:
        by_row, by_column = clustered(shown), clustered(shown.T)
        rows, columns = rows[by_row], columns[by_column]
        shown = shown[np.ix_(by_row, by_column)]
    of_x, of_y = _called(mi)
    features = [numbered(short(name), of_x[1]) for name in mi[FEATURE].values[rows]]
    latents = [numbered(short(name), of_y[1]) for name in mi[LATENT].values[columns]]
    ax, width, height = _sized(ax, features, latents)
    negative = bool((shown < 0).any())
    top = symmetric(shown) if vmax is None else number("vmax", vmax, low=0, open_low=True)
    image = ax.imshow(
        shown,
        cmap=colour_map(cmap or (DIVERGING if negative else SEQUENTIAL)),
        norm=Normalize(-top if negative else 0, top),
        aspect="auto",
        interpolation="nearest",
    )
    cell = min(width / len(latents), height / len(features))
    dots(ax, image, marked[np.ix_(rows, columns)], cell)
    named = name_axis(ax, "x", latents, width)
    ax.set_xlabel(how_many(of_y[0], len(latents), mi.sizes[LATENT], named=named))
    named = name_axis(ax, "y", features, height)
    ax.set_ylabel(how_many(of_x[0], len(features), mi.sizes[FEATURE], named=named))
    facts = _facts(mi, marked, significant, p_value)
    facts += ["grey: no value"] if np.isnan(shown).any() else []
    ax.set_title(lines_of(facts, width + 1.2), loc="left", fontsize="medium", parse_math=False)
    over = bool((np.abs(shown) > top).any())
    bar = ax.figure.colorbar(
        image, ax=ax, shrink=min(1.0, 3.2 / height), anchor=(0.0, 1.0), aspect=18, pad=0.02,
        extend="max" if over else "neither",
    )  # fmt: skip
    unit = mi[variable].attrs.get("units")
    bar.set_label(_VARIABLES[variable] + (f" ({unit})" if unit else ""))
    return ax


def _called(mi: xr.Dataset) -> tuple[tuple[str, str], tuple[str, str]]:
    """Give what rows and columns are, as far as the record of the element says it."""
    made_by = arguments_of(mi)
    if not made_by:
        return ("features", ""), ("latent dims", "")
    of_x = columns_called(made_by.get("x_obsm"), made_by.get("x_obs"), "features")
    return of_x, columns_called(made_by.get("y_obsm"), made_by.get("y_obs"))


def _p_value(mi: xr.Dataset, wanted: str | None) -> str | None:
    """Give the name of the p-values that decide, or None where there are none of any sort."""
    there = [name for name in _P_VALUES if name in mi]
    if wanted is None:
        return there[0] if there else None
    one_of("p_value", wanted, list(_P_VALUES))
    if wanted not in there:
        remedy = f"use one of {there}" if there else "compute it: n_permutations=1000"
        raise InvalidInput("p_value", f"the element has no {wanted}", remedy)
    return wanted


def _first(marked: np.ndarray, values: np.ndarray, n: int, *, axis: int) -> np.ndarray:
    """Give the places of the n first, in their own order: with dots, then of large values."""
    largest = np.nan_to_num(values, nan=-np.inf).max(axis=axis)
    order = np.lexsort((-largest, ~marked.any(axis=axis)))
    return np.sort(order[:n])


def _sized(ax: Axes | None, features: list[str], latents: list[str]) -> tuple[Axes, float, float]:
    """Give axes with the width and the height that their cells have, in inches."""
    if ax is not None:
        ax = new_axes(ax, figsize=(1, 1))
        extent = ax.get_window_extent()
        dpi = ax.figure.get_dpi()
        return ax, 0.75 * extent.width / dpi, 0.75 * extent.height / dpi
    width, height = (cell_size(len(names)) * len(names) for names in (latents, features))
    beside, below = 1.6 + name_width(features), 1.1 + name_width(latents)
    width, height = max(width, 4.8 - name_width(features)), max(height, 2.0)
    return new_axes(None, figsize=(beside + width, below + height)), width, height


def _facts(
    mi: xr.Dataset, marked: np.ndarray, significant: float | None, p_value: str | None
) -> list[str]:
    """Give what the title says."""
    attrs = mi.attrs
    facts = [f"{attrs['n_samples']:,} samples"]
    if attrs.get("covariates"):
        facts.append(f"given {', '.join(attrs['covariates'])}")
    if p_value is None:
        return facts if significant is None else [*facts, "not tested"]
    facts.append(permuted(attrs.get("blocks"), arguments_of(mi).get("permute")))
    if significant is None:
        return facts
    number_of = f"{int(marked.sum()):,}" if marked.any() else "none"
    return [*facts, f"dot: {_P_VALUES[p_value]} ≤ {significant:g} ({number_of} of {marked.size:,})"]
