"""One column of a table of samples, from wherever `tl.mutual_information` reads tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import anndata
import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse

from mutua.errors import InvalidInput
from mutua.models import slots
from mutua.models.dims import SAMPLE
from mutua.pl._table_labels import classes_in_order

__all__ = ["SampleColumn", "Samples", "sample_column"]

Samples: TypeAlias = anndata.AnnData | xr.DataArray | pd.DataFrame


class SampleColumn(NamedTuple):
    """A column: its values by the names of the samples, and its classes if it holds any."""

    values: pd.Series
    """float64, NaN where missing; classes by their number."""
    classes: list[str]


def sample_column(
    argument: str,
    table: Samples,
    name: str,
    *,
    layer: str | None = None,
    obsm: str | None = None,
    obs: str | Sequence[str] | None = None,
) -> SampleColumn:
    """Give one column of ``X``, of a layer, of an entry of ``obsm``, or of ``obs``.

    Raises
    ------
    InvalidInput
        Where it is not there, or names of samples repeat.
    """
    given = {"layer": layer, "obsm": obsm, "obs": obs}
    named = [f"{argument}_{key}" for key, value in given.items() if value is not None]
    if named and not isinstance(table, anndata.AnnData):
        found = f"of a {type(table).__name__}"
        raise InvalidInput(named[0], found, "leave it out, or pass an AnnData")
    if len(named) > 1:
        raise InvalidInput(named[1], f"beside `{named[0]}`", "name one place")
    if isinstance(table, anndata.AnnData):
        samples, values = table.obs_names, _of_anndata(argument, table, name, layer, obsm, obs)
    elif isinstance(table, pd.DataFrame):
        place = _place(argument, name, table.columns, "the data frame")
        samples, values = table.index, table.iloc[:, place]
    elif isinstance(table, xr.DataArray):
        samples, values = _of_array(argument, table, name)
    else:
        remedy = "pass an AnnData, a DataArray or a data frame"
        raise InvalidInput(argument, f"a {type(table).__name__}", remedy)
    if not samples.is_unique:
        raise InvalidInput(argument, "names of samples that repeat", "give each a name of its own")
    return _column(pd.Series(values).set_axis(samples.astype(str)))


def _of_anndata(
    argument: str, adata: anndata.AnnData, name: str, layer: str | None, obsm: str | None, obs: Any
) -> Any:
    if obs is not None:
        wanted = [obs] if isinstance(obs, str) else [str(one) for one in obs]
        _place(argument, name, wanted, f"{argument}_obs")
        return adata.obs.iloc[:, _place(f"{argument}_obs", name, adata.obs.columns, "obs")]
    if obsm is not None:
        values, names = slots.columns(adata, obsm, argument=f"{argument}_obsm")
        return values[:, _place(argument, name, names, f"obsm[{obsm!r}]")]
    if layer is not None and layer not in adata.layers:
        known = f"use one of {list(adata.layers)}" if len(adata.layers) else "leave it out"
        raise InvalidInput(f"{argument}_layer", f"no layer {layer!r}", known)
    held: Any = adata.X if layer is None else adata.layers[layer]
    if held is None:
        remedy = f"name one of `{argument}_layer`, `{argument}_obsm`, `{argument}_obs`"
        raise InvalidInput(argument, "no X", remedy)
    part = held[:, [_place(argument, name, adata.var_names, "var_names")]]
    part = part.compute() if hasattr(part, "compute") else part
    return (part.toarray() if sparse.issparse(part) else np.asarray(part)).reshape(-1)


def _of_array(argument: str, table: xr.DataArray, name: str) -> tuple[pd.Index, Any]:
    if table.ndim != 2 or SAMPLE not in table.dims or not set(table.dims) <= set(table.indexes):
        found = f"a DataArray of dims {tuple(map(str, table.dims))}"
        raise InvalidInput(argument, found, f"use dims {SAMPLE!r} and one other, both named")
    table = table.transpose(SAMPLE, ...)
    other = table.dims[1]
    place = _place(argument, name, table.indexes[other], f"the dim {other!r}")
    return table.indexes[SAMPLE], table[:, place].values


def _place(argument: str, name: str, names: Any, where: str) -> int:
    texts = [str(one) for one in names]
    if name not in texts:
        remedy = f"pass the table that `mi` was computed from; this one has {texts[:5]}"
        raise InvalidInput(argument, f"no {name!r} in {where}", remedy)
    return texts.index(name)


def _column(values: pd.Series) -> SampleColumn:
    """Give numbers as they are, and all else as classes in their own or in natural order."""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        return SampleColumn(pd.Series(numbers, values.index), [])
    text = values.astype(object).map(lambda one: None if pd.isna(one) else str(one))
    classes = classes_in_order(values)
    codes = pd.Index(classes).get_indexer(pd.Index(text))
    places = np.where(codes < 0, np.nan, codes.astype(np.float64))
    return SampleColumn(pd.Series(places, values.index), classes)
