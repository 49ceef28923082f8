"""The values of samples x features that an AnnData holds, checked, for what learns from them."""

from __future__ import annotations

from typing import Any, Final

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from mutua.errors import InvalidInput

__all__ = ["feature_values", "refuse_same_names", "some"]

_ROWS: Final = 4096
"""Rows of a dense table that are looked at together for values that are not finite."""


def feature_values(
    adata: anndata.AnnData, layer: str | None, *, features: pd.Index | None = None
) -> Any:
    """Give the values of samples, dense or CSR, of all features or of those named, in order."""
    if layer is not None and layer not in list(adata.layers):
        there = f"use one of {list(adata.layers)}" if len(adata.layers) else "leave it out for X"
        raise InvalidInput("layer", f"no layer {layer!r}", there)
    values = adata.X if layer is None else adata.layers[layer]
    name = "X" if layer is None else f"layer {layer!r}"
    if sparse.issparse(values):
        values = values.tocsr()
    elif isinstance(values, np.ndarray):
        values = np.asarray(values)
    else:
        found = f"{name} is a {type(values).__name__}" if values is not None else f"no {name}"
        raise InvalidInput("adata", found, "use an array or a sparse matrix in memory")
    if values.dtype.kind not in "buif":
        raise InvalidInput("adata", f"{name} has the type {values.dtype}", "use real numbers")
    names = adata.var_names
    if features is not None and not features.equals(names):
        values, names = values[:, _places(adata, features)], features
    _refuse_not_finite(values, name, adata.obs_names, names)
    return values


def _places(adata: anndata.AnnData, features: pd.Index) -> np.ndarray:
    """Find features of the reference by name."""
    refuse_same_names(adata)
    places = adata.var_names.get_indexer(features)
    if (places < 0).any():
        found = f"{(places < 0).sum()} of {len(features)} features of the reference are missing: "
        found += some(features[places < 0], most=10)
        raise InvalidInput("adata", found, "add them, e.g. with the value of an absent feature")
    return np.asarray(places)


def _refuse_not_finite(values: Any, name: str, samples: pd.Index, features: pd.Index) -> None:
    if sparse.issparse(values):
        entries = values.tocoo()
        bad = ~np.isfinite(entries.data)
        rows, columns = entries.row[bad], entries.col[bad]
    else:
        blocks = range(0, max(len(values), 1), _ROWS)
        found = [np.nonzero(~np.isfinite(values[start : start + _ROWS])) for start in blocks]
        rows = np.concatenate([at + start for start, (at, _) in zip(blocks, found, strict=True)])
        columns = np.concatenate([at for _, at in found])
    if len(rows):
        where = f"in samples {some(samples[np.unique(rows)])} and features "
        where += some(features[np.unique(columns)])
        text = f"{name} has {len(rows)} values that are missing or infinite, {where}"
        raise InvalidInput("adata", text, "fill them or leave these samples or features out")


def some(names: pd.Index, *, most: int = 3) -> str:
    """Name the first few."""
    text = ", ".join(repr(str(name)) for name in names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most} more"


def refuse_same_names(adata: anndata.AnnData) -> None:
    """Refuse features that cannot be told apart by name."""
    twice = adata.var_names[adata.var_names.duplicated()].unique()
    if len(twice):
        found = f"{len(twice)} names of features occur more than once, such as {twice[0]!r}"
        raise InvalidInput("adata", found, "call adata.var_names_make_unique() first")
