"""Tables of samples and columns, from an AnnData, a DataArray or a data frame, joined by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import anndata
import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse

from mutua.errors import InvalidInput
from mutua.models import slots
from mutua.models.dims import SAMPLE

__all__ = [
    "FeatureTable",
    "Samples",
    "join_samples",
    "listed",
    "of_frame",
    "read_covariates",
    "read_table",
]

Samples: TypeAlias = anndata.AnnData | xr.DataArray | pd.DataFrame

_SHOWN = 5


class FeatureTable(NamedTuple):
    """Columns of numbers over named samples.

    Attributes
    ----------
    values
        (n_samples, n_columns) float64, NaN where missing; classes by their number.
    samples
        Names of the samples.
    names
        Names of the columns.
    classes
        (n_columns,) bool, which columns hold classes and not numbers.
    text
        (n_columns,) bool, which of those were never numbers, so that none of them is 0.
    """

    values: np.ndarray
    samples: pd.Index
    names: list[str]
    classes: np.ndarray
    text: np.ndarray

    def rows(self, samples: pd.Index) -> FeatureTable:
        """Give the rows of these samples, in their order."""
        if samples.equals(self.samples):
            return self
        return self._replace(values=self.values[self.samples.get_indexer(samples)], samples=samples)

    def codes(self, column: int) -> np.ndarray:
        """Give the classes of a column as whole numbers from 0, without gaps."""
        return np.unique(self.values[:, column], return_inverse=True)[1].astype(np.int64)


def read_table(
    argument: str,
    table: Samples,
    *,
    layer: str | None,
    obsm: str | None,
    obs: str | Sequence[str] | None,
) -> FeatureTable:
    """Give the columns that a caller named: X, a layer, an entry of ``obsm``, columns of ``obs``.

    Raises
    ------
    InvalidInput
        Where they are not there, or names of samples or columns repeat.
    """
    given = {"layer": layer, "obsm": obsm, "obs": obs}
    named = [f"{argument}_{name}" for name, value in given.items() if value is not None]
    if isinstance(table, anndata.AnnData):
        if len(named) > 1:
            raise InvalidInput(named[1], f"beside `{named[0]}`", "name one place")
        read = _of_anndata(argument, table, layer, obsm, obs)
    elif named:
        raise InvalidInput(
            named[0], f"of a {type(table).__name__}", "leave it out, or pass an AnnData"
        )
    elif isinstance(table, pd.DataFrame):
        read = of_frame(table)
    elif isinstance(table, xr.DataArray):
        read = _of_array(argument, table)
    else:
        found = f"a {type(table).__name__}"
        raise InvalidInput(argument, found, "pass an AnnData, a DataArray or a data frame")
    for what, names in (("samples", read.samples), ("columns", pd.Index(read.names))):
        if not names.is_unique:
            found = f"{what} of one name: {listed(names[names.duplicated()].unique())}"
            raise InvalidInput(argument, found, f"give the {what} names of their own")
    if not read.names:
        raise InvalidInput(argument, "no columns", "pass a table with at least one")
    return read


def _of_anndata(
    argument: str,
    adata: anndata.AnnData,
    layer: str | None,
    obsm: str | None,
    obs: str | Sequence[str] | None,
) -> FeatureTable:
    samples = adata.obs_names.astype(str)
    if obs is not None:
        wanted = [obs] if isinstance(obs, str) else list(obs)
        for name in wanted:
            if name not in adata.obs:
                known = f"use one of {listed(adata.obs.columns)}"
                known = known if len(adata.obs.columns) else "obs is empty: put metadata into it"
                raise InvalidInput(f"{argument}_obs", f"no column {name!r} in obs", known)
        return of_frame(adata.obs[wanted])
    if obsm is not None:
        values, names = slots.columns(adata, obsm, argument=f"{argument}_obsm")
        return _of_numbers(values, samples, names)
    if layer is not None and layer not in adata.layers:
        known = f"use one of {listed(adata.layers)}" if len(adata.layers) else "leave it out"
        raise InvalidInput(f"{argument}_layer", f"no layer {layer!r}", known)
    held: Any = adata.X if layer is None else adata.layers[layer]
    if held is None:
        raise InvalidInput(argument, "no X", f"name one of `{argument}_layer`, `_obsm`, `_obs`")
    if hasattr(held, "compute"):
        held = held.compute()
    held = held.toarray() if sparse.issparse(held) else np.asarray(held)
    names = [str(name) for name in adata.var_names]
    return _of_numbers(held, samples, names)


def _of_array(argument: str, table: xr.DataArray) -> FeatureTable:
    if table.ndim != 2 or SAMPLE not in table.dims or not set(table.dims) <= set(table.indexes):
        found = f"a DataArray of dims {tuple(map(str, table.dims))}"
        raise InvalidInput(argument, found, f"use dims {SAMPLE!r} and one other, both named")
    if table.dtype.kind not in "biuf":
        remedy = "use numbers, or a data frame for columns of text"
        raise InvalidInput(argument, f"values of type {table.dtype}", remedy)
    table = table.transpose(SAMPLE, ...)
    samples, names = (table.indexes[dim].astype(str) for dim in table.dims)
    return _of_numbers(np.asarray(table.values), samples, list(names))


def _of_numbers(values: np.ndarray, samples: pd.Index, names: list[str]) -> FeatureTable:
    classes = np.full(len(names), values.dtype.kind == "b")
    return FeatureTable(
        np.asarray(values, np.float64), samples, names, classes, np.zeros(len(names), bool)
    )


def of_frame(frame: pd.DataFrame) -> FeatureTable:
    """Give the columns of a data frame; those that hold no numbers are classes."""
    columns, classes, text = [], [], []
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        if pd.api.types.is_datetime64_any_dtype(column):
            raise InvalidInput(str(column.name), "dates", "turn them into numbers, such as days")
        classes.append(pd.api.types.is_bool_dtype(column))
        text.append(not pd.api.types.is_numeric_dtype(column))
        if text[-1]:
            named = column.astype(object).map(str, na_action="ignore")
            codes = pd.factorize(named, sort=True)[0]
            columns.append(np.where(codes < 0, np.nan, codes.astype(np.float64)))
        else:
            columns.append(column.to_numpy(np.float64, na_value=np.nan))
    values = np.column_stack(columns) if columns else np.empty((len(frame), 0))
    names = [str(name) for name in frame.columns]
    of_text = np.array(text, bool)
    of_class = np.array(classes, bool) | of_text
    return FeatureTable(values, frame.index.astype(str), names, of_class, of_text)


def read_covariates(
    argument: str,
    wanted: str | Sequence[str] | pd.DataFrame | pd.Series | None,
    tables: Sequence[Samples],
    samples: pd.Index,
) -> FeatureTable:
    """Give columns by their names in ``obs`` of the first table that has them, or of a frame.

    Raises
    ------
    InvalidInput
        Where there is no such column, or a sample is not in the frame.
    """
    if wanted is None:
        return of_frame(pd.DataFrame(index=samples))
    if isinstance(wanted, pd.Series):
        wanted = wanted.to_frame(argument if wanted.name is None else wanted.name)
    if isinstance(wanted, pd.DataFrame):
        _check_covers(argument, wanted.index.astype(str), samples)
        return of_frame(wanted).rows(samples)
    frames = [table.obs for table in tables if isinstance(table, anndata.AnnData)]
    parts = [of_frame(pd.DataFrame(index=samples))]
    for name in [wanted] if isinstance(wanted, str) else list(wanted):
        frame = next((frame for frame in frames if name in frame), None)
        if frame is None:
            known = listed(dict.fromkeys(str(c) for one in frames for c in one))
            remedy = f"use one of {known}" if known else "pass a data frame"
            raise InvalidInput(argument, f"no column {name!r} in obs of x or y", remedy)
        parts.append(of_frame(frame[[name]]).rows(samples))
    return FeatureTable(
        np.column_stack([part.values for part in parts]),
        samples,
        [name for part in parts for name in part.names],
        np.concatenate([part.classes for part in parts]),
        np.concatenate([part.text for part in parts]),
    )


def _check_covers(argument: str, held: pd.Index, samples: pd.Index) -> None:
    if not held.is_unique:
        found = f"samples of one name: {listed(held[held.duplicated()].unique())}"
        raise InvalidInput(argument, found, "give the samples names of their own")
    missing = samples.difference(held, sort=False)
    if len(missing):
        raise InvalidInput(argument, f"no row for {listed(missing)}", "give one for every sample")


def join_samples(x: FeatureTable, y: FeatureTable, join: str) -> tuple[FeatureTable, FeatureTable]:
    """Give both tables with the samples of both, in the order of x.

    Raises
    ------
    InvalidInput
        Where a sample is in one only, unless `join` is ``"inner"``; where none is in both.
    """
    only_x = x.samples.difference(y.samples, sort=False)
    only_y = y.samples.difference(x.samples, sort=False)
    if len(only_x) == len(x.samples):
        found = f"no sample of x, such as {listed(only_x)}; y has {listed(only_y)}"
        raise InvalidInput("y", found, "name the samples alike in both")
    if join == "exact" and (len(only_x) or len(only_y)):
        odd = [f"without {listed(only_x)} of x"] if len(only_x) else []
        odd += [f"with {listed(only_y)} that x has not"] if len(only_y) else []
        raise InvalidInput("y", ", ".join(odd), "use join='inner' for the samples of both")
    both = x.samples[x.samples.isin(y.samples)]
    return x.rows(both), y.rows(both)


def listed(names: Iterable[Any]) -> str:
    """Write out the first of some names and how many more there are."""
    texts = [str(name) for name in names]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(repr(text) for text in texts[:_SHOWN]) + more
