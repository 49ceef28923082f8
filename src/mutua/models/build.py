"""From a user's own arrays to a valid element: what `<Kind>.build` does for every kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import xarray as xr

from mutua.errors import InvalidInput
from mutua.models.base import Dataset, Element, FieldSpec, as_kind
from mutua.models.describe import tensor_values
from mutua.models.digests import element_digest, is_lazy, plain
from mutua.models.dims import LARGE_DIMS, RECORD
from mutua.models.provenance import stamp, supplied_step

__all__ = ["assemble", "labelled", "ordered"]

E = TypeVar("E", bound=Element)


def assemble(
    kind: type[E],
    data: Any,
    parts: Mapping[str, Any],
    *,
    arguments: Mapping[str, Any] | None = None,
    function: str | None = None,
) -> Dataset[E]:
    """Label arrays as `kind` says, check the result and stamp it as supplied.

    Parameters
    ----------
    kind
        The kind to make.
    data, parts
        As for `Element.build`.
    arguments
        What to record in the provenance; nothing else than their description is kept.
    function
        Public name of what made it, by default ``<Kind>.build``.
    """
    function = function or f"{kind.__name__}.build"
    given, attrs = _sources(kind, data)
    specs, attributes = kind.specs(), kind.__config__.attrs.model_fields
    for name, value in parts.items():
        if value is None:
            continue
        if name in attributes and (name not in specs or np.ndim(value) == 0):
            attrs[name] = plain(value)
        elif name in specs:
            given[name] = value
        else:
            known = [*specs, *attributes]
            raise InvalidInput(name, f"no part of a {kind.__name__}", f"use one of {known}")
    _add_labels(kind, given)
    variables: dict[str, Any] = {}
    coords: dict[str, Any] = {}
    for name, value in given.items():
        spec, is_coordinate = specs.get(name), isinstance(value, _Coord)
        value = value.variable if isinstance(value, _Coord) else value
        if spec is not None:
            value, is_coordinate = labelled(spec, value), spec.is_coordinate
        elif not isinstance(value, xr.Variable | xr.DataArray | tuple):
            raise InvalidInput(
                name, f"no part of a {kind.__name__}, and without dims", "pass (dims, array)"
            )
        value = value.variable if isinstance(value, xr.DataArray) else value
        (coords if is_coordinate else variables)[name] = xr.as_variable(value).to_base_variable()
    try:
        element = xr.Dataset(variables, coords=xr.Coordinates(coords, indexes={}), attrs=attrs)
        for name, part in coords.items():
            if part.dims == (name,) and name not in LARGE_DIMS:
                element = element.set_xindex(name)
    except ValueError as error:
        raise InvalidInput(
            function, f"the arrays do not fit together: {error}", "use equal sizes"
        ) from error
    kind.check(element, where=function)
    element = ordered(kind, element)
    steps = supplied_step(function, arguments or {}, element_digest(element))
    stamp(element, kind.__name__, kind._version, steps)
    return as_kind(kind, element)


class _Coord:
    """Marks a variable that was a coordinate of the Dataset given."""

    def __init__(self, variable: xr.Variable) -> None:
        self.variable = variable


def _sources(kind: type[Element], data: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split `data` into arrays by name and attributes."""
    if data is None:
        return {}, {}
    if isinstance(data, xr.Dataset):
        attrs = {str(key): value for key, value in data.attrs.items() if key != RECORD}
        return {
            str(name): _Coord(part) if name in data.coords and name not in kind.specs() else part
            for name, part in data.variables.items()
        }, attrs
    if isinstance(data, Mapping):
        return {str(name): value for name, value in data.items() if value is not None}, {}
    raise InvalidInput(
        "data", f"a {type(data).__name__}", "pass a Dataset, a mapping, or arrays by keyword"
    )


def _add_labels(kind: type[Element], given: dict[str, Any]) -> None:
    """Take coordinates over from labelled arrays, refusing arrays with different labels."""
    for name, value in list(given.items()):
        if not isinstance(value, xr.DataArray):
            continue
        for label, spec in kind.specs().items():
            if not spec.is_coordinate or label not in value.coords:
                continue
            labels = value.coords[label].variable
            if not np.array_equal(np.asarray(given.setdefault(label, labels)), labels.values):
                raise InvalidInput(
                    name,
                    f"its {label!r} are not those of the other arrays",
                    "bring them into one order, e.g. with xarray.align",
                )


def ordered(kind: type[Element], element: xr.Dataset) -> xr.Dataset:
    """Put variables into the order of the kind and add their descriptions and units."""
    specs = kind.specs()
    names = [name for name in specs if name in element.data_vars]
    names += [str(name) for name in element.data_vars if name not in specs]
    variables = {name: element.variables[name] for name in names}
    element = xr.Dataset(variables, coords=element.coords, attrs=element.attrs)
    for name, spec in specs.items():
        if name in element.variables:
            described = {"long_name": spec.description}
            if spec.unit != "1":
                described["units"] = spec.unit
            # An index variable is shared with its index: assign, rather than write into it.
            element[name].attrs = described | element[name].attrs
    return element


def labelled(spec: FieldSpec, value: Any) -> xr.Variable:
    """Give an array the dims and dtype of a field, refusing what would change its values.

    Parameters
    ----------
    spec
        The field.
    value
        An array of any library, a list, or a labelled array with its dims in any order.

    Raises
    ------
    InvalidInput
        For the wrong number of dims, masked or ragged values, or values that the type of the
        field cannot hold.
    """
    if isinstance(value, tuple) and len(value) > 1 and _names(value[0]) == set(spec.dims):
        value = xr.as_variable(value)
    if isinstance(value, xr.DataArray | xr.Variable):
        variable = value.variable if isinstance(value, xr.DataArray) else value
        if set(variable.dims) == set(spec.dims):
            variable = variable.transpose(*spec.dims)
        return _cast(spec, variable.to_base_variable().copy(deep=False))
    array = _array(spec, value)
    if array.ndim != len(spec.dims):
        raise InvalidInput(
            spec.name,
            f"an array of shape {array.shape}",
            f"use {len(spec.dims)} dim(s): ({', '.join(spec.dims)})",
        )
    return _cast(spec, xr.Variable(spec.dims, array))


def _names(dims: Any) -> set[Any]:
    """Give the dims that begin a pair of dims and values, as xarray takes it."""
    return {dims} if isinstance(dims, str) else set(dims) if isinstance(dims, tuple) else set()


def _array(spec: FieldSpec, value: Any) -> Any:
    """Give anything array-like as numpy or dask."""
    if hasattr(value, "dask"):
        return value
    if hasattr(value, "detach") and hasattr(value, "cpu"):
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()
        return tensor_values(value)
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise InvalidInput(spec.name, "masked values", "fill them, e.g. with .filled(...)")
        return value.data
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidInput(spec.name, f"{error}", "use rows of equal length") from error
    texts = isinstance(value, list | tuple) and array.dtype.kind == "U"
    if texts and array.ndim == 1 and not all(isinstance(item, str) for item in value):
        odd = next(item for item in value if not isinstance(item, str))
        raise InvalidInput(spec.name, f"{odd!r} among strings", "use one type")
    return array


def _cast(spec: FieldSpec, variable: xr.Variable) -> xr.Variable:
    if spec.dtype is str:
        return _as_strings(spec, variable)
    wanted = np.dtype(spec.dtype)
    have = variable.dtype
    if have == wanted:
        return variable
    if not isinstance(have, np.dtype) or have.kind not in "biuf":
        raise InvalidInput(spec.name, f"values of type {have}", f"use {wanted.name}")
    if not is_lazy(variable):
        return variable.copy(deep=False, data=_exact(variable.values, spec.name, wanted))
    if not variable.chunksizes:
        variable = variable.chunk()
    # The values are compared when they are computed; here nobody has seen them yet.
    data = variable.data.map_blocks(
        _exact, spec.name, wanted, dtype=wanted, meta=np.empty((0,) * variable.ndim, wanted)
    )
    return variable.copy(deep=False, data=data)


def _exact(values: np.ndarray, name: str, wanted: np.dtype[Any]) -> np.ndarray:
    """Convert values, refusing any change but the rounding of floats."""
    with np.errstate(invalid="ignore", over="ignore"):
        cast = values.astype(wanted)
    if wanted.kind == "f":
        kept = bool((np.isfinite(cast) | ~np.isfinite(values)).all())
    else:
        kept = np.array_equal(cast, values)
    if not kept:
        raise InvalidInput(
            name,
            f"{values.dtype} values that {wanted.name} cannot hold",
            f"use {wanted.name} values",
        )
    return cast


def _as_strings(spec: FieldSpec, variable: xr.Variable) -> xr.Variable:
    if is_lazy(variable):
        return variable
    values = np.asarray(variable.values)
    if values.dtype.kind not in "UT":
        odd = next((item for item in values.flat if not isinstance(item, str)), "")
        if values.size == 0:
            values = np.empty(values.shape, dtype="U1")
        elif not isinstance(odd, str):
            missing = np.ndim(odd) == 0 and bool(pd.isna(odd))
            remedy = "fill missing names, e.g. with .fillna('')" if missing else "use strings"
            raise InvalidInput(spec.name, f"{plain(odd)!r} is not a string", remedy)
    return variable.copy(deep=False, data=values)
