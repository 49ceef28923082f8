"""From a user's own arrays to a valid element: what `<Kind>.build` does for every kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.models.base import Dataset, Element, FieldSpec, as_kind
from mutua.models.digests import element_digest
from mutua.models.dims import RECORD
from mutua.models.provenance import stamp, supplied_step

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
    given, attrs, extra_coords = _sources(data)
    specs = kind.specs()
    for name, value in parts.items():
        if value is None:
            continue
        if name in specs:
            given[name] = value
        elif name in kind.__config__.attrs.model_fields:
            attrs[name] = value.item() if isinstance(value, np.generic) else value
        else:
            known = [*specs, *kind.__config__.attrs.model_fields]
            raise InvalidInput(name, f"no part of a {kind.__name__}", f"use one of {known}")
    variables, coords = {}, dict(extra_coords)
    for name, value in given.items():
        spec = specs.get(name)
        if spec is None:
            variables[name] = value
        elif spec.is_coordinate:
            coords[name] = labelled(spec, value)
        else:
            variables[name] = labelled(spec, value)
    try:
        element = xr.Dataset(variables, coords=coords, attrs=attrs)
    except ValueError as error:
        raise InvalidInput(
            f"{kind.__name__}.build", f"the arrays do not fit together: {error}", "use equal sizes"
        ) from error
    kind.check(element, where=function)
    element = ordered(kind, element)
    stamp(
        element,
        kind.__name__,
        kind._version,
        supplied_step(function, arguments or {}, element_digest(element)),
    )
    return as_kind(kind, element)


def _sources(data: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Split `data` into variables, attributes and coordinates."""
    if data is None:
        return {}, {}, {}
    if isinstance(data, xr.Dataset):
        attrs = {str(key): value for key, value in data.attrs.items() if key != RECORD}
        plain = {str(name): data[name].variable for name in data.data_vars}
        return plain, attrs, {str(name): data[name].variable for name in data.coords}
    if isinstance(data, Mapping):
        return dict(data), {}, {}
    raise InvalidInput(
        "data", f"a {type(data).__name__}", "pass a Dataset, a mapping, or arrays by keyword"
    )


def ordered(kind: type[Element], element: xr.Dataset) -> xr.Dataset:
    """Put variables into the order of the kind and add their descriptions and units."""
    specs = kind.specs()
    names = [name for name in specs if name in element.data_vars]
    names += [str(name) for name in element.data_vars if name not in specs]
    element = element[names]
    for name, spec in specs.items():
        if name in element.variables:
            described = {"long_name": spec.description}
            if spec.unit != "1":
                described["units"] = spec.unit
            # An index variable is shared with its index: assign, rather than write into it.
            element[name].attrs = described | element[name].attrs
    return element


def labelled(spec: FieldSpec, value: Any) -> xr.Variable:
    """Give an array the dims and dtype of a field, refusing what would change its values."""
    if isinstance(value, xr.DataArray | xr.Variable):
        variable = value.variable if isinstance(value, xr.DataArray) else value
        if set(variable.dims) == set(spec.dims):
            variable = variable.transpose(*spec.dims)
        return _cast(spec, variable.copy(deep=False))
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = value if hasattr(value, "dask") else np.asarray(value)
    if array.ndim != len(spec.dims):
        raise InvalidInput(
            spec.name,
            f"an array of shape {array.shape}",
            f"use {len(spec.dims)} dim(s): ({', '.join(spec.dims)})",
        )
    return _cast(spec, xr.Variable(spec.dims, array))


def _cast(spec: FieldSpec, variable: xr.Variable) -> xr.Variable:
    if spec.dtype is str:
        return _as_strings(spec, variable)
    wanted = np.dtype(spec.dtype)
    have = variable.dtype
    if have == wanted:
        return variable
    if have.kind not in "biuf":
        raise InvalidInput(spec.name, f"values of type {have}", f"use {wanted.name}")
    if hasattr(variable._data, "dask") or wanted.kind == "f":
        return variable.astype(wanted)
    with np.errstate(invalid="ignore"):
        cast = variable.astype(wanted)
    if not np.array_equal(cast.values, variable.values):
        raise InvalidInput(
            spec.name, f"{have} values that {wanted.name} cannot hold", f"use {wanted.name} values"
        )
    return cast


def _as_strings(spec: FieldSpec, variable: xr.Variable) -> xr.Variable:
    if variable.dtype.kind in "UT" or hasattr(variable._data, "dask"):
        return variable
    values = variable.values
    if values.dtype.kind != "O" or not all(isinstance(item, str) for item in values.flat):
        found = next((item for item in values.flat if not isinstance(item, str)), values.dtype)
        raise InvalidInput(spec.name, f"{found!r} is not a string", "use strings, e.g. map(str, ...)")
    return variable
