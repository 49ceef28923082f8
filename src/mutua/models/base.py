"""The machinery of the typed model: what a kind is and how an element is held against it.

A kind is a pandera `DatasetModel` whose fields are made with `variable` and `coordinate`.
pandera checks the structure. What its xarray support lacks in 0.35 is done here, each gap pinned
by a test in `tests/models/test_pandera_gaps.py` that fails when upstream closes it:

- an `Optional[Coordinate]` stays required;
- `unique=` and `dims=` of a coordinate's field are ignored;
- `Coordinate[str]` accepts fixed-width strings only;
- a subclass replaces the fields it inherits by empty ones;
- values are checked by computing lazy data and copying integers for a null check.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

import numpy as np
import pandera.xarray as pa
import pydantic
import typing_inspect
import xarray as xr
from pandera.api.checks import Check
from pandera.api.xarray.model_components import XarrayFieldInfo
from pandera.config import ValidationDepth, config_context
from pandera.typing.xarray import Coordinate

from mutua.errors import Fault, InvalidElement
from mutua.models.digests import is_lazy, remembered
from mutua.models.dims import LARGE_DIMS

__all__ = ["KINDS", "Coordinate", "Dataset", "Element", "as_kind", "coordinate", "variable"]

KINDS: dict[str, type[Element]] = {}
"""Every kind by its name; a kind registers itself when its class is made."""

T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound="Element")

if TYPE_CHECKING:

    class Dataset(xr.Dataset, Generic[T_co]):
        """An `xarray.Dataset` that satisfies the kind `T_co`."""

else:
    from pandera.typing.xarray import Dataset


def as_kind(kind: type[E], element: xr.Dataset) -> Dataset[E]:
    """Tell the type checker that `element` satisfies `kind`; does nothing at run time."""
    return cast("Dataset[E]", element)


def variable(
    description: str,
    *,
    dims: tuple[str, ...],
    unit: str = "1",
    nullable: bool = False,
    **checks: Any,
) -> Any:
    """Declare a data variable of a kind.

    Parameters
    ----------
    description
        What the values mean; printed in the documentation and the JSON Schema.
    dims
        Its dims, in order.
    unit
        Unit of the values, ``"1"`` for none.
    nullable
        Whether NaN may occur. Without effect on integers.
    **checks
        Value checks by pandera's names: ``ge``, ``gt``, ``le``, ``lt``, ``isin``.
    """
    metadata = {"unit": unit, "null": nullable}
    # pandera's null check would copy integers and compute lazy data: it is done here instead.
    return pa.Field(dims=dims, description=description, nullable=True, metadata=metadata, **checks)


def coordinate(
    description: str,
    *,
    dims: tuple[str, ...],
    unit: str = "1",
    unique: bool = False,
    nullable: bool = False,
    **checks: Any,
) -> Any:
    """Declare a coordinate of a kind; the arguments are those of `variable` and `unique`."""
    metadata = {"unit": unit, "null": nullable}
    return pa.Field(
        dims=dims,
        description=description,
        unique=unique,
        nullable=True,
        metadata=metadata,
        **checks,
    )


class FieldSpec(typing.NamedTuple):
    """One field of a kind as the checks, the JSON Schema and the documentation read it."""

    name: str
    dtype: Any
    """A numpy scalar type, `str`, or `Any`."""
    dims: tuple[str, ...]
    required: bool
    is_coordinate: bool
    unique: bool
    nullable: bool
    unit: str
    description: str
    checks: tuple[Check, ...]


class NoAttributes(pydantic.BaseModel):
    """Attributes of a kind that asks for none."""


class Element(pa.DatasetModel):
    """Base of every kind.

    A kind states its fields with `variable` and `coordinate`, its attributes as a pydantic model
    under `Config.attrs`, and by `faults` what no field can say alone. Names that begin with an
    underscore are no fields to pandera; `_version` is the version of the kind's schema.
    """

    _version = 1

    class Config:
        """Options of the pandera model."""

        attrs = NoAttributes

    def __init_subclass__(cls, **kwargs: Any) -> None:
        for base in cls.__mro__[1:]:
            for name, field in vars(base).items():
                if isinstance(field, XarrayFieldInfo) and name not in cls.__dict__:
                    setattr(cls, name, field)
        super().__init_subclass__(**kwargs)
        KINDS[cls.__name__] = cls

    @classmethod
    def specs(cls) -> dict[str, FieldSpec]:
        """Give the fields of the kind by name."""
        return _specs(cls)

    @classmethod
    def build_schema_(cls) -> Any:
        """Build the pandera schema, optional coordinates optional and strings of any width."""
        schema = super().build_schema_()
        for name, spec in cls.specs().items():
            if spec.is_coordinate:
                part = schema.coords[name]
                part.required = spec.required
                if spec.dtype is str:
                    part.dtype = None
            elif spec.dtype is str:
                schema.data_vars[name].dtype = None
        schema.attrs = None  # checked here, so that the message names the attribute
        return schema

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield what is wrong with in-memory values beyond the checks of single fields."""
        yield from ()

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield what is wrong with sizes and coordinates beyond single fields; reads no values."""
        yield from ()

    @classmethod
    def build(cls, data: Any = None, /, **parts: Any) -> Dataset[Self]:
        """Make an element from arrays; its provenance says "supplied".

        Parameters
        ----------
        data
            A Dataset or a mapping of names to arrays; the keyword arguments take precedence.
        **parts
            Variables, coordinates and attributes of the kind by name. Arrays are converted to
            the kind's types where no value changes by it; dask arrays stay lazy.

        Raises
        ------
        InvalidInput
            For a name that the kind does not have, or an array with the wrong number of dims.
        InvalidElement
            For everything else that is wrong with it, all faults at once.
        """
        from mutua.models.build import assemble

        return assemble(cls, data, parts)

    @classmethod
    def check(cls, element: object, *, deep: bool = False, where: str = "") -> None:
        """Hold an element against the kind and report every fault at once.

        Parameters
        ----------
        element
            Anything; only a Dataset can satisfy a kind.
        deep
            Check the values of lazy data as well, chunk by chunk, and those of data in memory
            even if they are remembered as good.
        where
            Where the element came from, for the message.

        Raises
        ------
        InvalidElement
            With the location of every fault.
        """
        faults = list(find_faults(cls, element, deep=deep))
        if faults:
            raise InvalidElement(cls.__name__, faults, where)


@functools.cache
def _specs(kind: type[Element]) -> dict[str, FieldSpec]:
    specs = {}
    for name, (annotation, info) in kind.__fields__.items():
        raw = annotation.raw_annotation
        optional = annotation.optional or typing_inspect.is_optional_type(raw)
        inner = typing.get_args(raw)[0] if typing_inspect.is_optional_type(raw) else raw
        is_coordinate = typing.get_origin(inner) is Coordinate
        dtype = typing.get_args(inner)[0] if is_coordinate else inner
        metadata = info.metadata or {}
        specs[name] = FieldSpec(
            name=name,
            dtype=dtype,
            dims=tuple(info.dims or ()),
            required=not optional,
            is_coordinate=is_coordinate,
            unique=bool(info.unique),
            nullable=bool(metadata.get("null", False)),
            unit=str(metadata.get("unit", "1")),
            description=info.description or "",
            checks=tuple(info.checks),
        )
    return specs


def find_faults(kind: type[Element], element: object, *, deep: bool = False) -> Iterator[Fault]:
    """Yield every fault of `element` as a `kind`: structure first, values if that is sound."""
    if not isinstance(element, xr.Dataset):
        name = type(element).__name__
        yield Fault("object", f"a {name}, not an xarray.Dataset", _remedy_for_other(kind, element))
        return
    structural = _structure(kind, element)
    yield from structural
    if structural:
        return
    for name, spec in kind.specs().items():
        if name in element.variables:
            yield from _value_faults(name, spec, element, deep=deep)
    yield from _kind_faults(kind, element, deep=deep)


def _remedy_for_other(kind: type[Element], element: object) -> str:
    if isinstance(element, xr.DataArray):
        return f"pass the Dataset it belongs to, or mutua.{kind.__name__}.build(...)"
    return f"make one with mutua.{kind.__name__}.build(...)"


def _signature(element: xr.Dataset) -> tuple[Any, ...]:
    """Give all that the structural checks look at, hashable."""
    variables = tuple(
        (str(name), part.dims, part.shape, str(part.dtype), name in element.coords)
        for name, part in element.variables.items()
    )
    attributes = tuple(
        (str(key), repr(value)) for key, value in element.attrs.items() if key != "mutua"
    )
    return variables, attributes, tuple(str(name) for name in element.xindexes)


_structures: dict[tuple[str, tuple[Any, ...]], tuple[Fault, ...]] = {}


def _structure(kind: type[Element], element: xr.Dataset) -> tuple[Fault, ...]:
    """Check the structure, once for every structure seen."""
    key = (kind.__name__, _signature(element))
    known = _structures.get(key)
    if known is None:
        if len(_structures) > 512:
            _structures.clear()
        known = _structures[key] = tuple(_structure_faults(kind, element))
    return known


def _structure_faults(kind: type[Element], element: xr.Dataset) -> Iterator[Fault]:
    with config_context(validation_depth=ValidationDepth.SCHEMA_ONLY):
        try:
            kind.to_schema().validate(element, lazy=True)
        except pa.errors.SchemaErrors as errors:
            seen = set()
            for error in errors.schema_errors:
                fault = _from_pandera(kind, element, error)
                if fault not in seen:
                    seen.add(fault)
                    yield fault
    for name, spec in kind.specs().items():
        if name not in element.variables:
            continue
        part = element.variables[name]
        place = _place(spec)
        if spec.is_coordinate and part.dims != spec.dims:
            yield Fault(place, f"has dims {part.dims}", f"its dims are {spec.dims}")
        if spec.is_coordinate and name not in element.coords:
            yield Fault(place, "is a data variable", f"use .set_coords({name!r})")
        if spec.dtype is str and not _is_string(part):
            yield Fault(place, f"has dtype {part.dtype}", "use strings")
    for name in element.xindexes:
        if name in LARGE_DIMS:
            yield Fault(
                f"coordinate {name!r}",
                "is an index, which costs gigabytes at millions of entries",
                f"rename it with .reset_index({name!r}).rename({{{name!r}: '{name}_id'}})",
            )
    yield from _attribute_faults(kind, element.attrs)
    yield from kind.structure_faults(element)


def _is_string(part: xr.Variable) -> bool:
    if part.dtype.kind in "UT":
        return True
    if part.dtype.kind != "O":
        return False
    if is_lazy(part) or part.size == 0:
        return True
    first = part.values.flat[0]
    return isinstance(first, str)


def _attribute_faults(kind: type[Element], attrs: Mapping[Any, Any]) -> Iterator[Fault]:
    try:
        kind.__config__.attrs.model_validate(dict(attrs))
    except pydantic.ValidationError as error:
        for problem in error.errors():
            name = ".".join(map(str, problem["loc"]))
            seen = f" (found {problem['input']!r})" if problem["type"] != "missing" else ""
            yield Fault(f"attribute {name!r}", problem["msg"].lower() + seen)


def _place(spec: FieldSpec) -> str:
    return f"{'coordinate' if spec.is_coordinate else 'variable'} {spec.name!r}"


def _from_pandera(kind: type[Element], element: xr.Dataset, error: Any) -> Fault:
    """Say a pandera error in our words, with its place and a remedy."""
    message = " ".join(str(error).split())
    specs = kind.specs()
    missing = [name for name in specs if f"'{name}'" in message and name not in element.variables]
    if error.reason_code.name == "COLUMN_NOT_IN_DATAFRAME" and missing:
        spec = specs[missing[0]]
        return Fault(_place(spec), "is missing", f"add it with dims {spec.dims}: {spec.description}")
    schema_name = getattr(error.schema, "name", None)
    if schema_name in specs and schema_name in element.variables:
        spec, part = specs[schema_name], element.variables[schema_name]
        if error.reason_code.name == "WRONG_DATATYPE":
            wanted = np.dtype(spec.dtype)
            return Fault(_place(spec), f"has dtype {part.dtype}", f"use .astype({wanted.name!r})")
        return Fault(_place(spec), f"has dims {part.dims}", f"its dims are {spec.dims}")
    return Fault("structure", message)


def _value_faults(
    name: str, spec: FieldSpec, element: xr.Dataset, *, deep: bool
) -> Iterator[Fault]:
    part = element.variables[name]
    lazy = is_lazy(part)
    if lazy and not deep:
        return
    blocks = _blocks(part) if lazy else iter([part])
    for block in blocks:
        values = block.values

        def look(values: np.ndarray = values, block: xr.Variable = block) -> tuple[Fault, ...]:
            return tuple(_faults_of_values(spec, block, values))

        found = look() if deep else remembered(values, (spec.name, spec.checks), look)
        yield from found
        if found:
            return
    if spec.unique and not lazy:
        yield from _duplicates(spec, part)


def _blocks(part: xr.Variable) -> Iterator[xr.Variable]:
    """Yield a lazy variable in pieces along its first dim that fit into memory."""
    rows = max(1, (1 << 26) // max(1, part.nbytes // max(1, part.shape[0]))) if part.ndim else 1
    if part.ndim == 0:
        yield part.copy(deep=False).load()
        return
    for start in range(0, part.shape[0], rows):
        yield part[start : start + rows].copy(deep=False).load()


def _faults_of_values(spec: FieldSpec, block: xr.Variable, values: np.ndarray) -> Iterator[Fault]:
    if values.dtype.kind == "f" and not spec.nullable:
        n_null = int(np.isnan(values).sum())
        if n_null:
            yield Fault(_place(spec), f"has {n_null} NaN of {values.size}", "drop or fill them")
    array = xr.DataArray(block)
    for check in spec.checks:
        # One value at a time of the message; the check itself is vectorised.
        result = check(array)
        if not bool(result.check_passed):
            bad = np.asarray(~np.asarray(result.check_output))
            shown = values[bad].ravel()[:1] if bad.shape == values.shape else values.ravel()[:1]
            yield Fault(
                _place(spec),
                f"{int(bad.sum())} values violate {check.error or check.name}"
                f" (first: {shown.tolist()[0] if len(shown) else '?'})",
            )


def _duplicates(spec: FieldSpec, part: xr.Variable) -> Iterator[Fault]:
    values, counts = np.unique(np.asarray(part.values).astype(str), return_counts=True)
    repeated = values[counts > 1]
    if len(repeated):
        shown = ", ".join(map(repr, repeated[:3].tolist()))
        yield Fault(_place(spec), f"repeats {shown} ({len(repeated)} in all)", "make them unique")


def _kind_faults(kind: type[Element], element: xr.Dataset, *, deep: bool) -> Iterator[Fault]:
    """Run the kind's own value checks on what is in memory, or on everything if `deep`."""
    lazy = [name for name, part in element.variables.items() if is_lazy(part)]
    if lazy and not deep:
        element = element.drop_vars(lazy)
    yield from kind.faults(element)
