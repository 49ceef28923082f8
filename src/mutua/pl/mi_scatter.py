"""Plot of a feature and a latent dim, sample by sample, with what links them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullLocator

from mutua.errors import InvalidInput
from mutua.models import Dataset
from mutua.models.arguments import one_of
from mutua.models.dims import FEATURE, LATENT
from mutua.models.feature_mi import FeatureMI
from mutua.pl._axes import new_axes
from mutua.pl._cells import lines_of, name_axis, short
from mutua.pl._sample_colours import explain, sample_colours
from mutua.pl._sample_columns import Samples, sample_column
from mutua.pl._table_labels import arguments_of, columns_called, numbered, permuted

__all__ = ["mi_scatter"]

_SIZE = 20
_SIDE = 3.2
"""Length of the axes, in inches, about."""
_BAND = 0.09
"""Width of the band of the zeros, over that of all other values."""
_SHARED = 0.1
"""Share of the samples from which a lowest value below 0 stands for zeros."""


def mi_scatter(
    mi: Dataset[FeatureMI],
    x: Samples,
    y: Samples,
    *,
    feature: str | None = None,
    latent: str | None = None,
    x_layer: str | None = None,
    x_obsm: str | None = None,
    x_obs: str | Sequence[str] | None = None,
    y_layer: str | None = None,
    y_obsm: str | None = None,
    y_obs: str | Sequence[str] | None = None,
    color: str | None = None,
    scale: str = "linear",
    ax: Axes | None = None,
) -> Axes:
    """Draw a feature and a latent dim, a point for each sample, with their mutual information.

    Parameters
    ----------
    mi
        From ``tl.mutual_information``.
    x, y
        What it was computed from: AnnData, data frames, or DataArrays of samples and columns, both
        named. The same twice where both are in one. Samples are joined by name.
    feature, latent
        Their names; by default those of the largest mutual information.
    x_layer, x_obsm, x_obs, y_layer, y_obsm, y_obs
        Where in an AnnData the columns are, as for ``tl.mutual_information``; by default in ``X``.
    color
        Column of ``obs`` that colours the samples: numbers by a colour bar, all others by a
        legend, in which the most frequent ones stand and the rest is grey.
    scale
        ``"linear"`` or ``"log"`` axis of the feature.
    ax
        Axes to draw on.

    Returns
    -------
    matplotlib.axes.Axes
        The title says what was permuted for p-values. Classes stand in the order of their
        categories, where somebody has chosen one, else as people sort: 1, 2, 10.
        Samples in which the feature is 0 are open circles; where all others are above 0 they
        stand apart in a band of their own, spread so that they can be counted. So do those of
        the lowest value below 0, if more samples have it than any other, and at least a tenth:
        of log abundances these are the zeros.

    Raises
    ------
    InvalidElement
        If `mi` is no `FeatureMI`.
    InvalidInput
        If a feature, latent dim, slot or column is not there, or no sample is in both.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> import mutua as mt
    >>> samples = pd.DataFrame(index=["s1", "s2", "s3", "s4"])
    >>> latents = np.array([[0.1], [0.9], [2.1], [0.2]])
    >>> adata = anndata.AnnData(
    ...     np.array([[0.0], [3.0], [8.0], [0.0]]), obs=samples,
    ...     var=pd.DataFrame(index=["genome_1"]), obsm={"X_pca": latents},
    ... )
    >>> mi = mt.FeatureMI.build(
    ...     mi=[[0.4]], feature=["genome_1"], latent=["pca_0"], estimator="knn", n_neighbors=1,
    ...     n_samples=4,
    ... )
    >>> ax = mt.pl.mi_scatter(mi, adata, adata, y_obsm="X_pca")
    >>> print(ax.get_title(loc="left"))
    mutual information 0.4 nats; 4 samples
    50% zeros (open circles)
    """
    FeatureMI.check(mi, where="argument `mi` of pl.mi_scatter")
    one_of("scale", scale, ["linear", "log"])
    row, column = _pair(mi, feature, latent)
    feature, latent = str(mi[FEATURE].values[row]), str(mi[LATENT].values[column])
    of_feature = sample_column("x", x, feature, layer=x_layer, obsm=x_obsm, obs=x_obs)
    of_latent = sample_column("y", y, latent, layer=y_layer, obsm=y_obsm, obs=y_obs)
    columns = {"x": of_feature.values, "y": of_latent.values}
    both = pd.concat(columns, axis=1, join="inner").dropna()
    if both.empty:
        found = f"no sample in both with values of {feature!r} and {latent!r}"
        raise InvalidInput("y", found, "pass the tables that `mi` was computed from")
    values, heights = both["x"].to_numpy(), both["y"].to_numpy()
    lowest, apart = (values < 0, False) if of_feature.classes else _lowest(values)
    others = values[~lowest]
    if scale == "log" and (of_feature.classes or (others < 0).any()):
        what = "holds classes" if of_feature.classes else "has values below 0"
        raise InvalidInput("scale", f"'log' but {feature!r} {what}", "use 'linear'")
    colours = sample_colours(color, both.index, x, y)
    ax = new_axes(ax, figsize=(5.6 if colours.legend else 5.2, 4.2))
    places = values.copy()
    if apart:
        places[lowest] = _set_apart(ax, others, values[lowest][0], int(lowest.sum()), scale)
    elif scale == "log":
        if not len(others):
            raise InvalidInput("scale", f"'log' but {feature!r} is 0 everywhere", "use 'linear'")
        ax.set_xscale("log")
    if of_feature.classes:
        places = _spread(ax, "x", values, of_feature.classes)
    if of_latent.classes:
        heights = _spread(ax, "y", heights, of_latent.classes)
    drawn: Any = colours.values
    ax.scatter(places[~lowest], heights[~lowest], s=_SIZE, c=drawn[~lowest], alpha=0.85, lw=0)
    ax.scatter(
        places[lowest], heights[lowest], s=_SIZE, facecolors="none", edgecolors=drawn[lowest],
        lw=0.9,
    )  # fmt: skip
    for write, name, obsm, obs in (
        (ax.set_xlabel, feature, x_obsm, x_obs),
        (ax.set_ylabel, latent, y_obsm, y_obs),
    ):
        write(numbered(short(name), columns_called(obsm, obs)[1]), parse_math=False)
    explain(ax, colours, color)
    facts = _facts(mi, row, column, len(both))
    facts += [] if of_feature.classes else [_share(values, lowest)]
    ax.set_title(lines_of(facts, 4.6), loc="left", fontsize="medium", parse_math=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _pair(mi: xr.Dataset, feature: str | None, latent: str | None) -> tuple[int, int]:
    """Give the places of the feature and the latent dim to draw."""
    allowed = np.ones((mi.sizes[FEATURE], mi.sizes[LATENT]), bool)
    for axis, (dim, name) in enumerate(((FEATURE, feature), (LATENT, latent))):
        if name is None:
            continue
        here = mi[dim].values == name
        if not np.any(here):
            known = [str(one) for one in mi[dim].values[:10]]
            raise InvalidInput(dim, f"{name!r}", f"use one of the element's, such as {known}")
        allowed &= here[:, None] if axis == 0 else here[None, :]
    if not allowed.any():
        raise InvalidInput("mi", "no pairs", "give at least one feature and one latent dim")
    values = np.nan_to_num(mi["mi"].values, nan=-1.0)
    row, column = np.unravel_index(np.where(allowed, values, -2.0).argmax(), values.shape)
    return int(row), int(column)


def _spread(ax: Axes, side: str, values: np.ndarray, classes: list[str]) -> np.ndarray:
    """Name the classes on an axis; give where their samples stand, next to each other."""
    name_axis(ax, side, [short(name) for name in classes], _SIDE)
    return np.asarray(values + 0.4 * ((np.arange(len(values)) * 0.618034) % 1 - 0.5))


def _lowest(values: np.ndarray) -> tuple[np.ndarray, bool]:
    """Give which samples are 0, and whether these can stand apart, below all others.

    Of abundances on a logarithmic scale the zeros are the lowest value, which many samples share.
    """
    floor = values.min()
    if floor < 0 and not (values == 0).any():
        different, counts = np.unique(values, return_counts=True)
        if len(different) > 1 and counts[0] == counts.max() >= max(2, _SHARED * len(values)):
            return values == floor, True
    zeros = values == 0
    return zeros, bool(floor == 0 and not zeros.all())


def _set_apart(ax: Axes, others: np.ndarray, value: float, n: int, scale: str) -> np.ndarray:
    """Draw a band for the lowest value left of all others; give where to draw its samples."""
    ax.set_xscale(scale)
    log = scale == "log"
    low, high = (float(np.log10(v) if log else v) for v in (others.min(), others.max()))
    width = high - low or max(abs(high), 1.0)
    centre, half = low - 0.14 * width, _BAND * width / 2
    spread = ((np.arange(n) * 0.618034) % 1 - 0.5) * 1.5 * half

    def back(place: Any) -> Any:
        return 10.0 ** np.asarray(place) if log else np.asarray(place)

    ticks = _ticks(low, high, log)
    ax.axvspan(back(centre - half), back(centre + half), color="0.95", lw=0, zorder=0)
    ax.set_xticks([float(back(centre)), *ticks], [f"{value:g}", *(f"{tick:g}" for tick in ticks)])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(back(centre - 1.2 * half), back(high + 0.05 * width))
    return np.asarray(back(centre + spread))


def _ticks(low: float, high: float, log: bool) -> list[float]:
    """Give round values within the range, which on a log axis is that of the exponents."""
    if log and np.floor(high) > np.ceil(low):
        step = int(np.ceil((np.floor(high) - np.ceil(low)) / 6)) or 1
        return [10.0**power for power in np.arange(np.ceil(low), np.floor(high) + 1, step)]
    if log:
        low, high = 10**low, 10**high
    values = MaxNLocator(5).tick_values(low, high) if high > low else np.array([low])
    within = [float(value) for value in values if low <= value <= high]
    if not within or within[0] - low > 0.1 * (high - low):  # where the axis starts after the gap
        within.insert(0, float(f"{low:.2g}"))
    return within


def _facts(mi: xr.Dataset, row: int, column: int, n: int) -> list[str]:
    """Give what the title says of the pair."""
    attrs = mi.attrs
    given = f" given {', '.join(attrs['covariates'])}" if attrs.get("covariates") else ""
    value = float(mi["mi"].values[row, column])
    facts = [f"mutual information{given} {value:.3g} nats"]
    if np.isnan(value):
        facts = ["no mutual information: constant"]
    names = {"p_value": "p", "q_value": "q", "p_familywise": "family-wise p"}
    untested = len(facts)
    for variable, name in names.items():
        if variable in mi and np.isfinite(found := float(mi[variable].values[row, column])):
            facts.append(f"{name} = {found:.2g}")
    there = attrs["n_samples"]
    if len(facts) > untested:
        facts.append(permuted(attrs.get("blocks"), arguments_of(mi).get("permute")))
    facts.append(
        f"{n:,} samples" if n == there else f"{n:,} samples drawn, {there:,} in the estimate"
    )
    return facts


def _share(values: np.ndarray, lowest: np.ndarray) -> str:
    """Give how many samples are drawn as open circles, and why."""
    if not lowest.any():
        return "no zeros"
    value = values[lowest][0]
    what = "zeros" if value == 0 else f"at the lowest value, {value:.3g}"
    return f"{lowest.mean():.0%} {what} (open circles)"
