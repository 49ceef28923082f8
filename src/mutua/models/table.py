"""Kind `Table`: any small result without a kind of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from mutua.errors import Fault, InvalidInput
from mutua.models.base import Dataset, Element
from mutua.models.build import assemble
from mutua.models.digests import is_lazy
from mutua.models.dims import ROW

__all__ = ["Table"]


class Table(Element):
    """Named columns of one length on dim ``row``; a column's unit is its attribute ``units``."""

    _other_dims = (ROW,)

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault where there is no column, or one that stands among the coordinates."""
        if not element.data_vars:
            yield Fault("variables", "there are none", "a table needs at least one column")

    @classmethod
    def build(
        cls, data: Any = None, /, *, units: Mapping[str, str] | None = None, **parts: Any
    ) -> Dataset[Self]:
        """Make a table from a data frame, a mapping, or columns by keyword.

        Parameters
        ----------
        data
            A pandas DataFrame (an index without names is dropped, one with names becomes
            columns), a mapping of names to columns, or a Dataset.
        units
            Unit of a column by its name.
        **parts
            Further columns, of numbers, bools, strings or times.

        Raises
        ------
        InvalidInput
            For columns of different lengths, repeated names, a column called ``row``, or values
            that are not of one type.

        Examples
        --------
        >>> import mutua as mt
        >>> table = mt.Table.build(motif=["GATA", "TAL1"], n=[12, 7])
        >>> table["n"].values
        array([12,  7])
        """
        if data is not None and not isinstance(data, pd.DataFrame | Mapping | xr.Dataset):
            raise InvalidInput("data", f"a {type(data).__name__}", "pass a DataFrame or a mapping")
        given = _frame_columns(data) if isinstance(data, pd.DataFrame) else dict(data or {})
        columns = {str(name): column for name, column in given.items()} | parts
        if len(columns) < len(set(given) | set(parts)):
            raise InvalidInput("data", "names that are the same as text", "give each its own name")
        if ROW in columns:
            raise InvalidInput("data", f"a column called {ROW!r}, as its dim", "rename the column")
        table = {name: _column(name, column) for name, column in columns.items()}
        for name, unit in (units or {}).items():
            if name not in table:
                raise InvalidInput("units", f"no column {name!r}", f"use one of {list(table)}")
            table[name].attrs["units"] = unit
        return assemble(cls, table, {}, function="Table.build")


def _frame_columns(frame: pd.DataFrame) -> dict[Any, pd.Series]:
    """Give the columns of a data frame, its index among them if it has a name."""
    repeated = sorted(set(map(str, frame.columns[frame.columns.duplicated()])))
    if repeated:
        raise InvalidInput("data", f"repeated columns {repeated}", "give each its own name")
    if any(name is not None for name in frame.index.names):
        try:
            frame = frame.reset_index()
        except ValueError as error:
            raise InvalidInput("data", f"{error}", "rename the index or the column") from error
    return {name: frame[name] for name in frame.columns}


def _column(name: str, values: Any) -> xr.Variable:
    """Give one column as a variable on dim ``row``."""
    if isinstance(values, xr.DataArray | xr.Variable):
        attrs, lazy = values.attrs, is_lazy(values)
        values = values.data if lazy else values.values
    else:
        attrs, lazy = {}, hasattr(values, "dask")
    values = values if lazy else _plain_values(name, values)
    return xr.Variable((ROW,), _one_dim(name, values), attrs)


def _one_dim(name: str, values: Any) -> Any:
    if values.ndim != 1:
        raise InvalidInput(name, f"an array of shape {values.shape}", "use one value a row")
    return values


def _plain_values(name: str, values: Any) -> np.ndarray:
    """Give a column as a numpy array of one type that a store can hold."""
    if isinstance(values, pd.Series | pd.Index) and not isinstance(values.dtype, np.dtype):
        values = values.array
    if isinstance(values, pd.api.extensions.ExtensionArray):
        values = _without_extension(name, values)
    given = values
    try:
        values = np.asarray(values)
    except ValueError as error:
        raise InvalidInput(name, f"{error}", "use one value a row") from error
    values = _one_dim(name, values)
    if isinstance(given, np.ma.MaskedArray) and np.ma.is_masked(given):
        raise InvalidInput(name, "masked values", "fill them, e.g. with .filled(...)")
    kind = values.dtype.kind
    if kind == "O" or (kind == "U" and isinstance(given, list | tuple)):
        items = given if kind == "U" else values.flat
        odd = next((item for item in items if not isinstance(item, str)), "")
        if not isinstance(odd, str):
            missing = np.ndim(odd) == 0 and bool(pd.isna(odd))
            remedy = "fill missing texts, e.g. with .fillna('')" if missing else "use one type"
            raise InvalidInput(name, f"{odd!r} among texts", remedy)
    if kind not in "biufcmMOTU":
        raise InvalidInput(name, f"values of type {values.dtype}", "use numbers, texts or times")
    return values


def _without_extension(name: str, values: Any) -> np.ndarray:
    """Give one of pandas' own arrays as numpy's: NaN for missing numbers."""
    dtype = values.dtype
    if getattr(dtype, "tz", None) is not None:
        remedy = "use .dt.tz_convert(None), which gives UTC"
        raise InvalidInput(name, "times with a time zone", remedy)
    if isinstance(dtype, pd.CategoricalDtype):
        return np.asarray(values.astype(object))
    if pd.api.types.is_bool_dtype(dtype) and not values.isna().any():
        return np.asarray(values, dtype=bool)
    if pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_bool_dtype(dtype):
        if values.isna().any():
            return np.asarray(values.to_numpy(dtype=float, na_value=np.nan))
        return np.asarray(values, dtype=getattr(dtype, "numpy_dtype", None))
    return np.asarray(values.astype(object))
