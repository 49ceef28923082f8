"""Colours of samples by a column of ``obs``, and what explains them."""

from __future__ import annotations

from typing import Any, NamedTuple

import anndata
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D

from mutua.errors import InvalidInput
from mutua.pl._axes import SEQUENTIAL
from mutua.pl._cells import short
from mutua.pl._table_labels import classes_in_order

__all__ = ["SampleColours", "explain", "sample_colours"]

_PLAIN, _MISSING = "#0072b2", "0.7"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f3c8d", "black")


class SampleColours(NamedTuple):
    """The colour of every sample and what explains them."""

    values: np.ndarray
    legend: list[tuple[str, Any]]
    scale: Any


def sample_colours(color: str | None, samples: pd.Index, *tables: object) -> SampleColours:
    """Give the colours of samples by a column of the first table that has it."""
    n = len(samples)
    if color is None:
        return SampleColours(np.full(n, _PLAIN, dtype=object), [], None)
    annotated = [table for table in tables if isinstance(table, anndata.AnnData)]
    for table in annotated:
        if color in table.obs:
            return _by_column(table.obs[color].loc[samples], table.uns.get(f"{color}_colors"))
    known = [str(name) for table in annotated for name in table.obs]
    remedy = f"use one of {known[:20]}" if known else "pass an AnnData with columns in obs"
    raise InvalidInput("color", f"no column {color!r} in obs", remedy)


def _by_column(column: pd.Series, own: Any) -> SampleColours:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        numbers = column.to_numpy(float, na_value=np.nan)
        finite = numbers[np.isfinite(numbers)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
        scale = ScalarMappable(Normalize(low, high), SEQUENTIAL)
        shown = np.empty(len(column), dtype=object)
        for place, (colour, value) in enumerate(zip(scale.to_rgba(numbers), numbers, strict=True)):
            shown[place] = tuple(colour) if np.isfinite(value) else _MISSING
        missing = [("not given", _MISSING)] if finite.size < len(numbers) else []
        return SampleColours(shown, missing, scale)
    if isinstance(column.dtype, pd.CategoricalDtype):
        categories = [str(name) for name in column.cat.categories]
        palette = dict(zip(categories, own, strict=False)) if own is not None else {}
    else:
        palette = {}
    named = (
        column.astype(object)
        .where(column.notna(), None)
        .map(lambda value: None if value is None else str(value))
    )
    counts = named.value_counts()
    most = set(counts.index[: len(_COLOURS)])
    first = [name for name in classes_in_order(column) if name in most]
    colour_of = {name: palette.get(name, _COLOURS[i]) for i, name in enumerate(first)}
    legend = [(short(name), colour_of[name]) for name in first]
    if rest := len(counts) - len(first):
        legend.append((f"{rest} others", _MISSING))
    if named.isna().any():
        legend.append(("not given", _MISSING))
    shown = np.array([colour_of.get(name, _MISSING) for name in named], dtype=object)
    return SampleColours(shown, legend, None)


def explain(ax: Axes, colours: SampleColours, color: str | None) -> None:
    """Draw the colour bar or the legend."""
    if colours.scale is not None:
        ax.figure.colorbar(colours.scale, ax=ax, shrink=0.85).set_label(
            str(color), parse_math=False
        )
    if not colours.legend:
        return
    handles = [
        Line2D([], [], color=colour, marker="o", ls="", ms=4.5, label=label)
        for label, colour in colours.legend
    ]
    beside = colours.scale is None
    legend = ax.legend(
        handles=handles, frameon=not beside, fontsize="small", handletextpad=0.1,
        loc="upper left" if beside else "best", bbox_to_anchor=(1.01, 1.0) if beside else None,
        title=str(color) if beside else None, title_fontsize="small", alignment="left",
    )  # fmt: skip
    for text in (*legend.get_texts(), legend.get_title()):
        text.set_parse_math(False)
