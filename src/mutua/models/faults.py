"""What is wrong with an element: every fault at once, each with its location.

The structure (presence, roles, types and dims) is checked once for every structure seen, values in
memory once for every array; see `mutua.models.digests.remembered` for what is noticed later.
"""

from __future__ import annotations

import functools
import itertools
import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import anndata
import numpy as np
import pandas as pd
import pandera.xarray as pa
import pydantic
import xarray as xr
from pandera.api.checks import Check
from pandera.config import ValidationDepth, config_context

from mutua.errors import Fault
from mutua.models.digests import forget, is_lazy, plain, remembered, values_of
from mutua.models.dims import LARGE_DIMS, NAMES, RECORD

if TYPE_CHECKING:
    from mutua.models.base import Element, FieldSpec

__all__ = ["blocks", "condition", "find_faults", "position"]

_BLOCK_BYTES = 1 << 24
_SIGNS = {
    "greater_than_or_equal_to": ">=",
    "greater_than": ">",
    "less_than_or_equal_to": "<=",
    "less_than": "<",
    "equal_to": "==",
    "isin": "in",
}
_EXCEEDS = {
    "greater_than_or_equal_to": np.less,
    "greater_than": np.less_equal,
    "less_than_or_equal_to": np.greater,
    "less_than": np.greater_equal,
}


def find_faults(kind: type[Element], element: object, *, deep: bool = False) -> Iterator[Fault]:
    """Yield every fault of `element` as a `kind`.

    Values are checked where the type and dims of their variable are sound, what `Element.faults`
    says where the whole structure is.

    Parameters
    ----------
    kind
        What it should be.
    element
        Anything.
    deep
        Compute lazy values, chunk by chunk, and look anew at those in memory.
    """
    if not isinstance(element, xr.Dataset):
        found = f"a {type(element).__name__}, not an xarray.Dataset"
        yield Fault("object", found, _remedy_for_other(kind, element))
        return
    unknown = [dim for dim, size in element.sizes.items() if math.isnan(size)]
    if unknown:
        remedy = "call compute_chunk_sizes() on its dask arrays"
        yield from (Fault(f"dim {dim!r}", "has a size that dask does not know", remedy)
                    for dim in unknown)  # fmt: skip
        return
    fields = _structure(kind, element)
    structural = [*fields, *_attribute_faults(kind, element), *kind.structure_faults(element)]
    yield from structural
    unsound = {fault.location for fault in fields}
    specs = kind.specs()
    for name, part in element.variables.items():
        spec = specs.get(str(name))
        place = _role(element, name) if spec is None else spec.place
        if place in unsound or (is_lazy(part) and not deep):
            continue
        if deep and not is_lazy(part):
            forget(values_of(part))
        yield from _value_faults(kind, place, spec, element, name)
    if not structural:
        lazy = [name for name, part in element.variables.items() if is_lazy(part)]
        yield from kind.faults(element.drop_vars(lazy) if lazy and not deep else element)


def _remedy_for_other(kind: type[Element], element: object) -> str:
    build = f"mutua.{kind.__name__}.build(...)"
    if isinstance(element, xr.DataArray):
        return f"pass the Dataset it belongs to, or make one with {build}"
    if isinstance(element, anndata.AnnData):
        return f"pass a {kind.__name__} made from it"
    return f"make one with {build}"


def _role(element: xr.Dataset, name: Any) -> str:
    return f"{'coordinate' if name in element.coords else 'variable'} {name!r}"


# -- structure ---------------------------------------------------------------------------------

_structures: dict[tuple[type, tuple[Any, ...]], tuple[Fault, ...]] = {}


def _structure(kind: type[Element], element: xr.Dataset) -> tuple[Fault, ...]:
    """Check names, roles, types, dims and indexes: once for every structure seen."""
    coords = set(element.coords)
    variables = tuple(
        (name, part.dims, part.dtype, name in coords) for name, part in element.variables.items()
    )
    indexes = tuple((name, type(index)) for name, index in element.xindexes.items())
    key = kind, (variables, indexes)
    known = _structures.get(key)
    if known is None:
        found = [*_pandera_faults(kind, element), *_field_faults(kind, element)]
        found += _other_faults(kind, element)
        known = tuple(dict.fromkeys(found))
        if len(_structures) > 512:
            _structures.clear()
        _structures[key] = known
    return known


_pandera_turn = threading.Lock()


@functools.cache
def _schema(kind: type[Element]) -> Any:
    """Give the pandera schema of a kind; pandera itself keeps one for every thread."""
    return kind.build_schema_()


def _pandera_faults(kind: type[Element], element: xr.Dataset) -> list[Fault]:
    """Run pandera, whatever its settings outside say."""
    for name, index in element.xindexes.items():
        if isinstance(index, xr.indexes.PandasMultiIndex) and name == index.dim:
            element = element.reset_index(name)  # pandera would tear it apart, with a warning
    settings = config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_ONLY)
    with _pandera_turn, settings:
        try:
            _schema(kind).validate(element, lazy=True)
        except pa.errors.SchemaErrors as errors:
            found = (_from_pandera(kind, element, error) for error in errors.schema_errors)
            return [fault for fault in found if fault is not None]
    return []


def _from_pandera(kind: type[Element], element: xr.Dataset, error: Any) -> Fault | None:
    """Say a pandera error in our words, with its place and a remedy."""
    specs, message = kind.specs(), " ".join(str(error).split())
    if error.reason_code.name == "COLUMN_NOT_IN_DATAFRAME":
        spec = next(spec for name, spec in specs.items() if f"{name!r}" in message)
        if spec.name in element.variables:
            return None  # there in the wrong role, which `_field_faults` says
        return Fault(spec.place, "is missing", f"add it with dims {spec.dims}: {spec.description}")
    known = specs.get(error.schema.name)
    if known is None:
        return Fault("structure", message)
    if error.reason_code.name == "WRONG_DATATYPE":
        return _dtype_fault(known, element.variables[known.name])
    return _dims_fault(known, element.variables[known.name])


def _dtype_fault(spec: FieldSpec, part: xr.Variable) -> Fault:
    remedy = "use strings" if spec.dtype is str else f"use .astype({np.dtype(spec.dtype).name!r})"
    return Fault(spec.place, f"has dtype {part.dtype}", remedy)


def _dims_fault(spec: FieldSpec, part: xr.Variable) -> Fault:
    remedy = f"its dims are {spec.dims}"
    if set(part.dims) == set(spec.dims):
        remedy += f": use .transpose{spec.dims}"
    return Fault(spec.place, f"has dims {part.dims}", remedy)


def _field_faults(kind: type[Element], element: xr.Dataset) -> Iterator[Fault]:
    """Yield what pandera does not see of the fields that are there."""
    for name, spec in kind.specs().items():
        part = element.variables.get(name)
        if part is None:
            continue
        among_coords = name in element.coords
        if spec.is_coordinate and not among_coords:
            yield Fault(spec.place, "is a data variable", f"use .set_coords({name!r})")
        elif among_coords and not spec.is_coordinate:
            yield Fault(spec.place, "is a coordinate", f"use .reset_coords({name!r})")
        looked_at = among_coords == spec.is_coordinate
        if part.dims != spec.dims and (spec.is_coordinate or not looked_at):
            yield _dims_fault(spec, part)
        if (spec.dtype is str and not _may_be_text(part.dtype)) or (
            spec.dtype is not str and not looked_at and part.dtype != np.dtype(spec.dtype)
        ):
            yield _dtype_fault(spec, part)


def _may_be_text(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "OTU"


def _other_faults(kind: type[Element], element: xr.Dataset) -> Iterator[Fault]:
    """Yield what no stored element may have, in fields or beside them."""
    specs = kind.specs()
    for name, part in element.variables.items():
        place = _role(element, name)
        if not isinstance(name, str) or name.strip(".") == "" or set(name) & set("/\\\0"):
            yield Fault(place, "has a name that cannot be stored", "rename it to plain text")
        dtype = part.dtype
        if name not in specs and not _storable(dtype):
            yield Fault(place, f"has dtype {dtype}, which cannot be stored", "use .astype(...)")
        expected = kind._other_dims
        if name not in specs and expected is not None and part.dims not in (expected, ()):
            yield Fault(place, f"has dims {part.dims}", f"its dims are {expected}")
    for name, index in element.xindexes.items():
        if isinstance(index, xr.indexes.PandasMultiIndex):
            if name == index.dim:
                remedy = f"take it apart with .reset_index({name!r})"
                yield Fault(f"coordinate {name!r}", "is a MultiIndex", remedy)
        elif name in LARGE_DIMS:
            names = NAMES.get(str(name), f"{name}_id")
            yield Fault(
                f"coordinate {name!r}",
                "is an index, which costs gigabytes at millions of entries",
                f"use .reset_index({name!r}).rename_vars({{{name!r}: {names!r}}})",
            )


def _storable(dtype: Any) -> bool:
    """Tell whether zarr can hold a type; objects are looked at one by one."""
    if not isinstance(dtype, np.dtype):
        return False
    widest = {"f": 8, "c": 16}.get(dtype.kind, dtype.itemsize)
    return dtype.kind in "biufcmMOSTU" and dtype.itemsize <= widest


# -- attributes --------------------------------------------------------------------------------


def _attribute_faults(kind: type[Element], element: xr.Dataset) -> Iterator[Fault]:
    attrs = {str(key): plain(value) for key, value in element.attrs.items() if key != RECORD}
    try:
        kind.__config__.attrs.model_validate(attrs, strict=True)
    except pydantic.ValidationError as error:
        for problem in error.errors():
            name = ".".join(map(str, problem["loc"]))
            seen = f" (found {problem['input']!r})" if problem["type"] != "missing" else ""
            message = problem["msg"][:1].lower() + problem["msg"][1:]
            if problem["type"] == "missing":
                message = "is missing"
            yield Fault(f"attribute {name!r}", message + seen, _attribute_remedy(kind, name))
    holders: list[tuple[str, Mapping[Any, Any]]] = [("", attrs)]
    holders += [
        (f"{_role(element, n)}, ", v.attrs) for n, v in element.variables.items() if v.attrs
    ]
    for place, holder in holders:
        for key, value in holder.items():
            odd = _not_json(plain(value))
            if odd is not None:
                what = f"a {type(odd).__name__} cannot be stored"
                yield Fault(f"{place}attribute {key!r}", what, "use text or numbers, or drop it")


def _attribute_remedy(kind: type[Element], name: str) -> str:
    field = kind.__config__.attrs.model_fields.get(name)
    about = f": {field.description}" if field is not None and field.description else ""
    return f"set .attrs[{name!r}]{about}" if field is not None else ""


def _not_json(value: Any) -> Any:
    """Give the first part of a value that JSON cannot hold, or None."""
    if value is None or isinstance(value, str | bool | int | float):
        return None
    if isinstance(value, list | dict):
        items = value if isinstance(value, list) else value.values()
        return next((odd for item in items if (odd := _not_json(item)) is not None), None)
    return value


# -- values ------------------------------------------------------------------------------------


def blocks(part: xr.Variable) -> Iterator[tuple[tuple[int, ...], xr.Variable]]:
    """Yield a variable in pieces that fit into memory, each with the position of its first value.

    A dask-backed variable is computed chunk by chunk, any other lazy one read row by row.
    """
    if part.chunksizes:
        axes = [part.chunksizes[dim] for dim in part.dims]
    elif part.ndim:
        per_row = max(1, part.size // max(1, part.shape[0]) * part.dtype.itemsize)
        rows = max(1, _BLOCK_BYTES // per_row)
        whole, rest = divmod(part.shape[0], rows)
        axes = [(rows,) * whole + (rest,) * bool(rest), *((size,) for size in part.shape[1:])]
    else:
        axes = []
    starts = [[0, *itertools.accumulate(sizes)][:-1] for sizes in axes]
    for start, sizes in zip(itertools.product(*starts), itertools.product(*axes), strict=True):
        piece = part[tuple(slice(s, s + n) for s, n in zip(start, sizes, strict=True))]
        yield start, piece.load() if is_lazy(piece) else piece


def position(dims: Iterable[Any], index: Iterable[int]) -> str:
    """Say where a value stands, e.g. ``sequence 3, position 5``."""
    return ", ".join(f"{dim} {place}" for dim, place in zip(dims, index, strict=True))


def condition(check: Check) -> str:
    """Say a pandera check as people write it, e.g. ``>= 0``."""
    values = list((check.statistics or {}).values())
    if check.name in _SIGNS and len(values) == 1:
        wanted = values[0]
        shown = sorted(wanted) if isinstance(wanted, set | frozenset) else wanted
        return f"{_SIGNS[check.name]} {shown}"
    return str(check.error or check.name)


def _value_faults(
    kind: type[Element], place: str, spec: FieldSpec | None, element: xr.Dataset, name: Any
) -> Iterator[Fault]:
    part = element.variables[name]
    as_text = part.dtype.kind in "OT"
    if as_text or (spec is not None and (spec.checks or part.dtype.kind in "fcmM")):

        def look() -> tuple[Fault, ...]:
            return tuple(_scan(place, spec, part))

        purpose = "faults", kind, name
        yield from look() if is_lazy(part) else remembered(values_of(part), purpose, look)
    if spec is not None and spec.unique:
        yield from _duplicates(kind, spec, element)


class _Tally:
    """Counts values with a fault and keeps the first."""

    def __init__(self, dims: tuple[Any, ...]) -> None:
        self.dims, self.count, self.first = dims, 0, ""

    def add(self, bad: np.ndarray, values: np.ndarray, start: tuple[int, ...]) -> None:
        """Take up one block."""
        n_bad = int(np.count_nonzero(bad))
        if n_bad and not self.count:
            index = tuple(int(i) for i in np.argwhere(bad)[0])
            shown = np.asarray(values[index]).tolist() if index else values.tolist()
            where = position(self.dims, (s + i for s, i in zip(start, index, strict=True)))
            self.first = f"first: {shown!r} at {where}" if where else f"{shown!r}"
        self.count += n_bad

    def say(self, what: str) -> str:
        """Say how many values are what, and which is the first."""
        values_are = "value is" if self.count == 1 else "values are"
        return f"{self.count} {values_are} {what} ({self.first})"


def _scan(place: str, spec: FieldSpec | None, part: xr.Variable) -> Iterator[Fault]:
    """Look at every value once, block by block."""
    text, null = _Tally(part.dims), _Tally(part.dims)
    checks = {check: _Tally(part.dims) for check in (spec.checks if spec is not None else ())}
    for start, block in blocks(part):
        values = np.asarray(block.values)
        if values.dtype.kind in "OT":
            values = values.astype(object)
            if not all(issubclass(kind, str) for kind in set(map(type, values.flat))):
                bad = [not isinstance(item, str) for item in values.flat]
                text.add(np.reshape(bad, values.shape), values, start)
                continue
        if spec is not None and not spec.nullable and values.dtype.kind in "fcmM":
            null.add(np.isnan(values), values, start)
        for check, tally in checks.items():
            tally.add(_failing(check, values), values, start)
    if text.count:
        yield Fault(place, text.say("not text"), "use strings, e.g. map(str, ...)")
    if null.count:
        yield Fault(place, null.say("NaN"), "fill or drop them")
    for check, tally in checks.items():
        if tally.count:
            yield Fault(place, tally.say(f"not {condition(check)}"))


def _failing(check: Check, values: np.ndarray) -> np.ndarray:
    """Tell which values fail a check; NaN, which is looked for by itself, never does.

    Limits and lists of values are looked at here: pandera's own way takes a millisecond even for
    a single value, more than all the rest of a call.
    """
    exceeds = _EXCEEDS.get(check.name or "")
    limit: Any = next(iter((check.statistics or {}).values()), None)
    if exceeds is not None and values.dtype.kind in "iuf" and isinstance(limit, int | float):
        return np.asarray(exceeds(values, limit))
    if check.name == "isin" and values.dtype.kind in "iu":
        return np.isin(values, list(limit), invert=True)
    if check.name == "isin" and values.dtype == object and set(values.flat).issubset(limit):
        return np.zeros(values.shape, np.bool_)
    result = check(xr.DataArray(values))
    if bool(result.check_passed):
        return np.zeros(values.shape, np.bool_)
    return ~np.broadcast_to(np.asarray(result.check_output), values.shape)


def _duplicates(kind: type[Element], spec: FieldSpec, element: xr.Dataset) -> Iterator[Fault]:
    index = element.xindexes.get(spec.name)
    if isinstance(index, xr.indexes.PandasIndex) and index.index.is_unique:
        return  # pandas remembers this
    values = values_of(element.variables[spec.name])

    def look() -> list[str]:
        found = pd.Index(values.ravel().tolist(), dtype=object)
        return [repr(item) for item in found[found.duplicated()].unique()]

    repeated = remembered(values, ("unique", kind, spec.name), look)
    if repeated:
        shown = ", ".join(repeated[:3])
        yield Fault(spec.place, f"repeats {shown} ({len(repeated)} in all)", "make them unique")
