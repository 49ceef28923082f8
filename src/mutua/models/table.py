"""Kind `Table`: any small result without a kind of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mutua.errors import Fault, InvalidInput
from mutua.models.base import Dataset, Element
from mutua.models.build import assemble
from mutua.models.dims import ROW

__all__ = ["Table"]


class Table(Element):
    """Named columns of one length on dim ``row``; a column's unit is its attribute ``units``."""

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault for every column that is not on dim ``row``, or where there is none."""
        if not element.data_vars:
            yield Fault("variables", "there are none", "a table needs at least one column")
        for name, column in element.data_vars.items():
            if column.dims != (ROW,):
                yield Fault(f"variable {name!r}", f"has dims {column.dims}", f"use ({ROW!r},)")

    @classmethod
    def build(
        cls, data: Any = None, /, *, units: Mapping[str, str] | None = None, **parts: Any
    ) -> Dataset[Table]:
        """Make a table from a data frame, a mapping, or columns by keyword.

        Parameters
        ----------
        data
            A pandas DataFrame (its index is dropped unless it has a name) or a mapping of names
            to columns.
        units
            Unit of a column by its name.
        **parts
            Further columns.

        Raises
        ------
        InvalidInput
            For columns of different lengths, repeated names, or objects that are not strings.

        Examples
        --------
        >>> import mutua as mt
        >>> table = mt.Table.build(motif=["GATA", "TAL1"], n=[12, 7])
        >>> table["n"].values
        array([12,  7])
        """
        if isinstance(data, pd.DataFrame):
            frame = data.reset_index() if data.index.name else data
            repeated = sorted(set(map(str, frame.columns[frame.columns.duplicated()])))
            if repeated:
                raise InvalidInput("data", f"repeated columns {repeated}", "give each its own name")
            columns = {str(name): frame[name].to_numpy() for name in frame.columns}
        elif data is None or isinstance(data, Mapping | xr.Dataset):
            columns = {str(name): column for name, column in (data or {}).items()}
        else:
            raise InvalidInput("data", f"a {type(data).__name__}", "pass a DataFrame or a mapping")
        columns |= parts
        labelled = {name: xr.Variable((ROW,), _column(name, c)) for name, c in columns.items()}
        for name, unit in (units or {}).items():
            if name not in labelled:
                raise InvalidInput("units", f"no column {name!r}", f"use one of {list(labelled)}")
            labelled[name].attrs["units"] = unit
        return assemble(cls, labelled, {}, function="Table.build")


def _column(name: str, values: Any) -> np.ndarray:
    column = np.asarray(values)
    if column.ndim != 1:
        raise InvalidInput(name, f"an array of shape {column.shape}", "use one value a row")
    if column.dtype.kind == "O" and not all(isinstance(item, str) for item in column):
        odd = next(item for item in column if not isinstance(item, str))
        raise InvalidInput(name, f"{odd!r} among strings", "use one type a column")
    return column
