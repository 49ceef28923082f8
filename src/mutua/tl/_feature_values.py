"""The values of samples x features that an AnnData holds, checked, for what learns from them."""

from __future__ import annotations

from typing import Any, Final

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from mutua.errors import InvalidInput
from mutua.tl._module_tables import held_values, place_of, refuse_same_names, some

__all__ = ["feature_values"]

_ROWS: Final = 4096
"""Rows of a dense table that are looked at together for values that are not finite."""


def feature_values(
    adata: anndata.AnnData, layer: str | None, *, features: pd.Index | None = None
) -> Any:
    """Give the values of samples, dense or CSR, of all features or of those named, in order."""
    values = held_values(adata, layer)
    values = values.tocsr() if sparse.issparse(values) else values
    names = adata.var_names
    if features is not None and not features.equals(names):
        values, names = values[:, _places(adata, features)], features
    _refuse_not_finite(values, place_of(layer), adata.obs_names, names)
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
