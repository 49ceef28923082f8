"""Where results stand in an AnnData: the only place that knows the names of the slots.

A result is a family of slots under one key, as scanpy names them: latent dims under
``"autoencoder"`` are ``obsm["X_autoencoder"]``, ``varm["autoencoder_correlation"]`` and
``uns["autoencoder"]``. The entry of ``uns`` says what the result is, the names along its own dim,
and from which features it was made, so that an AnnData that was cut afterwards is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import anndata
import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse

from mutua.errors import InvalidInput
from mutua.models.checked import checked
from mutua.models.dims import FEATURE, LATENT, MODULE, PROGRAM, SAMPLE

__all__ = [
    "ACTIVITY",
    "CONSTANT",
    "CORRELATION",
    "EMBEDDING",
    "ERROR",
    "LATENTS",
    "LOADING",
    "MEMBERSHIP",
    "MODULES",
    "PROGRAMS",
    "SCORE",
    "STATE",
    "VALIDATION",
    "WEIGHT",
    "Result",
    "Slot",
    "add",
    "columns",
    "find",
    "keys",
    "to_xarray",
    "write",
]

EMBEDDING: Final = "embedding"
CORRELATION: Final = "correlation"
CONSTANT: Final = "constant"
ERROR: Final = "error"
VALIDATION: Final = "validation"
MEMBERSHIP: Final = "membership"
SCORE: Final = "score"
LOADING: Final = "loading"
WEIGHT: Final = "weight"
ACTIVITY: Final = "activity"
STATE: Final = "state"
_RESULT, _NAMES, _FEATURES = "result", "names", "features"
_AXES: Final = {"obs": SAMPLE, "obsm": SAMPLE, "var": FEATURE, "varm": FEATURE}


class Slot(NamedTuple):
    """One array of a result: the part of the AnnData, its key there, and what it holds."""

    part: str
    key: str
    description: str


class Result(NamedTuple):
    """A kind of result: its name, its own dim, and its arrays by the names they have in mutua."""

    name: str
    dim: str
    slots: Mapping[str, Slot]


LATENTS: Final = Result(
    "latent dims",
    LATENT,
    {
        EMBEDDING: Slot("obsm", "X_{}", "position of every sample along the latent dims"),
        CORRELATION: Slot("varm", "{}_correlation", "Pearson r of a feature with a latent dim"),
        CONSTANT: Slot("var", "{}_constant", "whether the feature has one value only"),
        ERROR: Slot("obs", "{}_error", "mean squared error of the reconstruction of the sample"),
        VALIDATION: Slot("obs", "{}_validation", "whether the sample was kept from training"),
    },
)
MODULES: Final = Result(
    "feature modules",
    MODULE,
    {
        MEMBERSHIP: Slot("var", "{}", "module of the feature"),
        SCORE: Slot("obsm", "X_{}", "score of the module in the sample"),
        LOADING: Slot("var", "{}_loading", "loading of the feature on the score of its module"),
    },
)
PROGRAMS: Final = Result(
    "gene programs",
    PROGRAM,
    {
        WEIGHT: Slot("varm", "{}", "weight of the gene in the program"),
        CORRELATION: Slot("varm", "{}_correlation", "Pearson r of a gene with an activity"),
        ACTIVITY: Slot("obsm", "X_{}", "activity of the program in the cell"),
        STATE: Slot("obsm", "X_{}_state", "activity as a state: -1 low, 0, 1 high"),
    },
)
_RESULTS = {result.name: result for result in (LATENTS, MODULES, PROGRAMS)}


def write(
    adata: anndata.AnnData,
    result: Result,
    key: str,
    values: Mapping[str, Any],
    *,
    names: Sequence[str],
    settings: Mapping[str, Any],
) -> None:
    """Write a result into an AnnData, all of it or, where a shape is wrong, nothing.

    Parameters
    ----------
    adata
        Written in place.
    result
        What it is.
    key
        The `key_added` of the caller.
    values
        An array for each slot of the result that is there.
    names
        Names along the own dim of the result.
    settings
        What else ``uns`` keeps: plain numbers, texts and arrays, or mappings of those; never None.
    """
    for name, value in values.items():
        _check_shape(adata, result, name, value, len(names))
    for slot in result.slots.values():  # what an earlier call left belongs to other names
        held = getattr(adata, slot.part)
        if slot.key.format(key) in held:
            del held[slot.key.format(key)]
    _put(adata, result, key, values)
    adata.uns[key] = {
        _RESULT: result.name,
        _NAMES: np.array(names, dtype=object),
        _FEATURES: adata.var_names.to_numpy(dtype=object, copy=True),
        **settings,
    }


def add(
    adata: anndata.AnnData,
    result: Result,
    key: str,
    values: Mapping[str, Any],
    *,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Add arrays to a result that is there already, whoever wrote it.

    The arguments are those of `write`; `settings` go into ``uns`` only where the entry is ours.
    """
    entry = adata.uns.get(key)
    ours = isinstance(entry, Mapping) and entry.get(_RESULT) == result.name
    for name, value in values.items():
        own = len(entry[_NAMES]) if ours else np.shape(value)[-1]
        _check_shape(adata, result, name, value, own)
    _put(adata, result, key, values)
    if ours and settings:
        adata.uns[key] = {**entry, **settings}


def _check_shape(adata: anndata.AnnData, result: Result, name: str, value: Any, size: int) -> None:
    sizes = {SAMPLE: adata.n_obs, FEATURE: adata.n_vars, result.dim: size}
    expected = tuple(sizes[dim] for dim in _dims(result, name))
    if np.shape(value) != expected:
        raise ValueError(f"{name}: shape {np.shape(value)}, not {expected}")


def _put(adata: anndata.AnnData, result: Result, key: str, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        slot = result.slots[name]
        getattr(adata, slot.part)[slot.key.format(key)] = value


def _dims(result: Result, name: str) -> tuple[str, ...]:
    """Give the dims of one array of a result."""
    part = result.slots[name].part
    return (_AXES[part], result.dim) if part in ("obsm", "varm") else (_AXES[part],)


def find(
    adata: anndata.AnnData, result: Result, key: str, *, argument: str, whole: bool = False
) -> Mapping[str, Any]:
    """Give what ``uns`` says of a result, once it is sure that it still fits the AnnData.

    Parameters
    ----------
    adata
        Holds the result.
    result
        What it must be.
    key
        The `key_added` it was written with.
    argument
        Name of the caller's argument, for the message.
    whole
        Refuse an AnnData that no longer has the features the result was made from, in their
        order. What stands along single samples or features stays right without them.

    Raises
    ------
    InvalidInput
        Where it is not there, or no longer fits.
    """
    kept = adata.uns.get(key)
    if not isinstance(kept, Mapping) or kept.get(_RESULT) != result.name:
        there = [
            name
            for name, entry in adata.uns.items()
            if isinstance(entry, Mapping) and entry.get(_RESULT) == result.name
        ]
        known = f"use one of {there}" if there else "compute them first"
        raise InvalidInput(argument, f"no {result.name} under uns[{key!r}]", known)
    for name, slot in result.slots.items():
        held = getattr(adata, slot.part)
        own = slot.key.format(key)
        if own in held and len(_dims(result, name)) > 1 and held[own].shape[1] != len(kept[_NAMES]):
            found = f"{slot.part}[{own!r}] has {held[own].shape[1]} columns, "
            found += f"uns[{key!r}] names {len(kept[_NAMES])}"
            raise InvalidInput(argument, found, "compute them again")
    made_from = np.asarray(kept[_FEATURES], dtype=object)
    if whole and not np.array_equal(made_from, adata.var_names.to_numpy(dtype=object)):
        lost = sorted(set(made_from) - set(adata.var_names))
        found = f"made from {len(made_from)} features, the AnnData has {adata.n_vars}"
        found += f"; {len(lost)} are missing, such as {lost[0]!r}" if lost else " or another order"
        raise InvalidInput(argument, found, f"compute the {result.name} again")
    return kept


def columns(adata: anndata.AnnData, key: str, *, argument: str) -> tuple[np.ndarray, list[str]]:
    """Give the columns of an entry of ``obsm``, whoever wrote it, and their names.

    Parameters
    ----------
    adata
        Holds ``obsm[key]``: an array, a sparse matrix or a data frame.
    key
        Such as ``"X_pca"``.
    argument
        Name of the caller's argument, for the message.

    Returns
    -------
    values, names
        float64 (sample, column), and the names that the frame or ``uns`` gives them, or else
        ``pca_0``, ``pca_1`` and so on, after the key.

    Raises
    ------
    InvalidInput
        Where there is no such entry; the message lists those there are.
    """
    if key not in adata.obsm:
        there = f"use one of {list(adata.obsm)}" if len(adata.obsm) else "obsm is empty"
        raise InvalidInput(argument, f"no obsm[{key!r}]", there)
    held = adata.obsm[key]
    if isinstance(held, pd.DataFrame):
        return held.to_numpy(np.float64), [str(name) for name in held.columns]
    values = held.toarray() if sparse.issparse(held) else np.asarray(held)
    values = np.asarray(values, np.float64).reshape(adata.n_obs, -1)
    stem = key.removeprefix("X_")
    kept = adata.uns.get(stem)
    if isinstance(kept, Mapping) and _RESULT in kept and len(kept[_NAMES]) == values.shape[1]:
        return values, [str(name) for name in kept[_NAMES]]
    return values, [f"{stem}_{number}" for number in range(values.shape[1])]


def keys(adata: anndata.AnnData, part: str) -> set[str]:
    """Give the keys of a part, such as ``"obs"``, under which results of mutua may stand."""
    found = set()
    for key, entry in adata.uns.items():
        result = _RESULTS.get(str(entry.get(_RESULT))) if isinstance(entry, Mapping) else None
        slots = () if result is None else result.slots.values()
        found |= {slot.key.format(key) for slot in slots if slot.part == part}
    return found


@checked
def to_xarray(adata: anndata.AnnData, key: str) -> xr.Dataset:
    """Give a result that stands in several slots of an AnnData as one labelled Dataset.

    Parameters
    ----------
    adata
        With a result of mutua under `key`, or latent dims of anybody under ``obsm["X_<key>"]``.
    key
        The `key_added` of the function that made it, such as ``"autoencoder"`` or ``"module"``.

    Returns
    -------
    Dataset
        The arrays of the result, with the names of samples, features and of its own dim.

    Raises
    ------
    InvalidInput
        Where there is no such result, or where it no longer fits the AnnData.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> adata = anndata.AnnData(np.ones((3, 4)), obsm={"X_pca": np.eye(3)[:, :2]})
    >>> mt.to_xarray(adata, "pca").indexes["latent"].tolist()
    ['pca_0', 'pca_1']
    """
    entry = adata.uns.get(key)
    result = _RESULTS.get(str(entry.get(_RESULT))) if isinstance(entry, Mapping) else None
    if result is not None:
        names = [str(name) for name in find(adata, result, key, argument="key")[_NAMES]]
    elif f"X_{key}" in adata.obsm:
        result, names = LATENTS, columns(adata, f"X_{key}", argument="key")[1]
    else:
        ours = [name for name, held in adata.uns.items() if _is_result(held)]
        others = [name.removeprefix("X_") for name in adata.obsm]
        there = f"use one of {sorted({*ours, *others})}" if ours or others else "compute one first"
        raise InvalidInput("key", f"no result under {key!r}", there)
    variables = {}
    for name, slot in result.slots.items():
        held = getattr(adata, slot.part)
        if slot.key.format(key) in held:
            values = _values(held[slot.key.format(key)])
            variables[name] = (_dims(result, name), values, {"long_name": slot.description})
    coordinates = {SAMPLE: adata.obs_names.to_numpy(), FEATURE: adata.var_names.to_numpy()}
    used = {dim for dims, *_ in variables.values() for dim in dims}
    labels = {dim: values for dim, values in coordinates.items() if dim in used}
    return xr.Dataset(variables, coords=labels | {result.dim: names})


def _is_result(entry: object) -> bool:
    return isinstance(entry, Mapping) and entry.get(_RESULT) in _RESULTS


def _values(held: Any) -> np.ndarray:
    if isinstance(held, pd.Series):
        if pd.api.types.is_numeric_dtype(held.dtype):
            return held.to_numpy()
        return held.astype(object).where(held.notna(), "").to_numpy()
    return held.toarray() if sparse.issparse(held) else np.asarray(held)
