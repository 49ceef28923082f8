"""What the verbs on latent dims and modules of an AnnData ask of it first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from mutua.errors import InvalidInput
from mutua.models import slots

__all__ = [
    "correlations",
    "feature_values",
    "held_values",
    "key_of",
    "members",
    "place_of",
    "refuse_same_names",
    "some",
    "switch",
]

_ROWS = 4096
"""Rows of a dense table that are looked at together for values that are not finite."""


def switch(argument: str, value: Any) -> bool:
    """Give True or False, or refuse anything else."""
    if not isinstance(value, bool | np.bool_):
        raise InvalidInput(argument, f"{value!r}", "use True or False")
    return bool(value)


def key_of(argument: str, value: Any) -> str:
    """Give a key that a slot can have, or refuse it."""
    if not isinstance(value, str) or not value or "/" in value:
        raise InvalidInput(argument, f"{value!r}", "use a text without '/'")
    return value


def some(names: Sequence[Any] | pd.Index | np.ndarray, *, most: int = 3) -> str:
    """Name the first few."""
    text = ", ".join(repr(str(name)) for name in names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most} more"


def feature_values(adata: anndata.AnnData, layer: str | None) -> Any:
    """Give ``X`` or a layer, an array or a sparse matrix of finite numbers.

    Raises
    ------
    InvalidInput
        For a layer that is not there, values that are not in memory or no real numbers, missing
        or infinite ones, no samples, or names of features that occur twice.
    """
    refuse_same_names(adata)
    values = held_values(adata, layer)
    if sparse.issparse(values) and values.format not in ("csr", "csc"):
        values = values.tocsr()
    name = place_of(layer)
    if not values.shape[0] or not values.shape[1]:
        found = f"{values.shape[0]} samples x {values.shape[1]} features"
        raise InvalidInput("adata", found, "use at least one of each")
    bad = _not_finite(values)
    if bad.any():
        found = f"{name} has missing or infinite values in {some(adata.var_names[bad])}"
        raise InvalidInput("adata", found, "fill them or leave these features out")
    return values


def refuse_same_names(adata: anndata.AnnData) -> None:
    """Refuse features that cannot be told apart by name."""
    twice = adata.var_names[adata.var_names.duplicated()].unique()
    if len(twice):
        found = f"{len(twice)} names of features occur more than once, such as {twice[0]!r}"
        raise InvalidInput("adata", found, "call adata.var_names_make_unique() first")


def place_of(layer: str | None) -> str:
    """Name what `held_values` gives."""
    return "X" if layer is None else f"layer {layer!r}"


def held_values(adata: anndata.AnnData, layer: str | None) -> Any:
    """Give ``X`` or a layer, an array or a sparse matrix in memory, of real numbers.

    Raises
    ------
    InvalidInput
        For a layer that is not there, or values that are not in memory or no real numbers.
    """
    if layer is not None and layer not in list(adata.layers):
        there = f"use one of {list(adata.layers)}" if len(adata.layers) else "leave it out for X"
        raise InvalidInput("layer", f"no layer {layer!r}", there)
    values = adata.X if layer is None else adata.layers[layer]
    name = place_of(layer)
    if isinstance(values, np.ndarray):
        values = np.asarray(values)
    elif not sparse.issparse(values):
        found = f"no {name}" if values is None else f"{name} is a {type(values).__name__}"
        raise InvalidInput("adata", found, "use an array or a sparse matrix in memory")
    if values.dtype.kind not in "buif":
        raise InvalidInput("adata", f"{name} has the type {values.dtype}", "use real numbers")
    return values


def _not_finite(values: Any) -> np.ndarray:
    """Tell which columns have values that are missing or infinite."""
    bad = np.zeros(values.shape[1], bool)
    if values.dtype.kind != "f":
        return bad
    if sparse.issparse(values):
        places = np.flatnonzero(~np.isfinite(values.data))
        if len(places):
            bad[sparse.coo_array(values).col[places]] = True
        return bad
    for start in range(0, len(values), _ROWS):
        bad |= ~np.isfinite(values[start : start + _ROWS]).all(axis=0)
    return bad


def correlations(adata: anndata.AnnData, latent: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Give what `mutua.tl.latent_correlation` wrote.

    Returns
    -------
    names, r, constant
        Names of the latent dims; float64 (feature, latent); and whether a feature is constant,
        that is has no correlation with any of them.

    Raises
    ------
    InvalidInput
        Where it is not there, or no longer fits the latent dims.
    """
    _, names = slots.columns(adata, latent, argument="latent")
    stem = latent.removeprefix("X_")
    own = slots.LATENTS.slots[slots.CORRELATION].key.format(stem)
    if own not in adata.varm:
        found = f"no varm[{own!r}]"
        raise InvalidInput("adata", found, f"call tl.latent_correlation(latent={latent!r}) first")
    held = adata.varm[own]
    r = np.asarray(held.toarray() if sparse.issparse(held) else held, np.float64)
    if r.ndim != 2 or r.shape[1] != len(names):
        found = f"varm[{own!r}] has shape {r.shape} for {len(names)} latent dims"
        raise InvalidInput("adata", found, "call tl.latent_correlation again")
    constant = (np.isnan(r) | (r == 0)).all(axis=1)
    flag = slots.LATENTS.slots[slots.CONSTANT].key.format(stem)
    if flag in adata.var:
        constant |= adata.var[flag].to_numpy(bool)
    bad = np.isnan(r).any(axis=1) & ~constant
    if bad.any():
        found = f"varm[{own!r}] has missing values for {some(adata.var_names[bad])}"
        raise InvalidInput("adata", found, "call tl.latent_correlation again")
    return names, np.where(constant[:, None], 0.0, r), constant


def members(adata: anndata.AnnData, key: str) -> tuple[list[str], np.ndarray]:
    """Give the names of the modules, and the place of each feature's among them, -1 for none.

    Raises
    ------
    InvalidInput
        Where there are no modules, or they no longer fit the features.
    """
    entry = slots.find(adata, slots.MODULES, key, argument="key", whole=True)
    names = [str(name) for name in entry["names"]]
    if key not in adata.var:
        raise InvalidInput("key", f"no var[{key!r}]", "call tl.feature_modules again")
    held = adata.var[key]
    codes = pd.Index(names).get_indexer(held.astype(object).where(held.notna(), ""))
    without = np.setdiff1d(np.arange(len(names)), codes)
    if (held.notna().to_numpy() & (codes < 0)).any():
        found = f"var[{key!r}] has modules that uns[{key!r}] does not name"
    elif len(without):
        found = f"no feature is in module {some([names[m] for m in without])}"
    else:
        return names, np.asarray(codes)
    raise InvalidInput("key", found, "call tl.feature_modules again")
