"""The machinery of the typed model: what a kind is.

A kind is a pandera `DatasetModel` whose fields are made with `variable` and `coordinate`.
pandera checks presence, types and the dims of variables. What its xarray support lacks in 0.35
is done here and in `mutua.models.faults`, each gap pinned by a test in
`tests/models/test_pandera_gaps.py` that fails when upstream closes it and names the code to go:

- an optional coordinate stays required;
- ``unique=`` and ``dims=`` of a coordinate's field are ignored;
- a field of type `str` accepts fixed-width strings only;
- checks of values fail on strings of variable width;
- a subclass replaces the fields it inherits by empty ones;
- an optional variable that stands among the coordinates is not looked at;
- the null check computes lazy data, and one chunked variable turns off all checks of values;
- a schema is built anew, and kept, for every thread;
- `check_types` stops at the first fault and does not check unions.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

import pandera.xarray as pa
import pydantic
import xarray as xr
from pandera.api.checks import Check
from pandera.api.xarray.model_components import XarrayFieldInfo
from pandera.typing.xarray import Coordinate

from mutua.errors import Fault, InvalidElement, InvalidInput
from mutua.models.faults import find_faults

__all__ = [
    "KINDS",
    "Coordinate",
    "Dataset",
    "Element",
    "FieldSpec",
    "as_kind",
    "coordinate",
    "find_faults",
    "variable",
]

KINDS: dict[str, type[Element]] = {}
"""Every kind by its name; a kind registers itself when its class is made."""

T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound="Element")

if TYPE_CHECKING:

    class Dataset(xr.Dataset, Generic[T_co]):  # type: ignore[no-untyped-call]
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
        Whether NaN may occur. Without effect on integers and strings, which have none.
    **checks
        Value checks by pandera's names: ``ge``, ``gt``, ``le``, ``lt``, ``isin``.
    """
    metadata = {"unit": unit, "null": nullable}
    # pandera's null check would compute lazy data: it is done in `faults` instead.
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
    """A numpy scalar type or `str`."""
    dims: tuple[str, ...]
    required: bool
    is_coordinate: bool
    unique: bool
    nullable: bool
    unit: str
    description: str
    checks: tuple[Check, ...]

    @property
    def place(self) -> str:
        """Where it is, for a `Fault`."""
        return f"{'coordinate' if self.is_coordinate else 'variable'} {self.name!r}"


class NoAttributes(pydantic.BaseModel):
    """Attributes of a kind that asks for none."""


class Element(pa.DatasetModel):
    """Base of every kind.

    A kind states its fields with `variable` and `coordinate`, its attributes as a pydantic model
    under ``Config.attrs``, and by `structure_faults` and `faults` what no field can say alone.

    Attributes
    ----------
    _version : int
        Version of the kind's schema. Names that begin with an underscore are no fields to pandera.
    _other_dims : tuple of str, optional
        Dims that variables other than the fields must have; None for any.
    """

    _version = 1
    _other_dims: typing.ClassVar[tuple[str, ...] | None] = None

    class Config:
        """Options of the pandera model."""

        attrs = NoAttributes

    def __init_subclass__(cls, **kwargs: Any) -> None:
        _refuse_taken_name(cls)
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
        coords = schema.coords if isinstance(schema.coords, dict) else {}
        for name, spec in cls.specs().items():
            part: Any = (coords if spec.is_coordinate else schema.data_vars)[name]
            part.required = spec.required
            if spec.dtype is str:
                part.dtype = None
        schema.attrs = None  # checked in `faults`, so that the message names the attribute
        return schema

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield what is wrong with values beyond the checks of single fields.

        Called only where the structure is sound, and without the lazy variables unless they are
        to be computed: a variable that is there may be looked at, block by block if it is lazy.
        """
        yield from ()

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield what is wrong with sizes and attributes beyond single ones; reads no values.

        Called even where required parts are missing.
        """
        yield from ()

    @classmethod
    def build(cls, data: Any = None, /, **parts: Any) -> Dataset[Self]:
        """Make an element from arrays; its provenance says "supplied".

        Parameters
        ----------
        data
            A Dataset or a mapping of names to arrays; the keyword arguments take precedence.
        **parts
            Variables, coordinates and attributes of the kind by name: arrays of numpy, dask,
            torch or pandas, lists, or labelled arrays in any order of dims, whose labels become
            the coordinates. They are converted to the kind's types where no value changes by
            more than the rounding of floats; lazy arrays stay lazy.

        Raises
        ------
        InvalidInput
            For a name that the kind does not have, an array with the wrong number of dims,
            values that the kind's type cannot hold, or labels that differ between arrays.
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

    @classmethod
    def validate(cls, check_obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Check an element and give it back: pandera's own entry to `check`.

        Parameters
        ----------
        check_obj
            The element.
        *args, **kwargs
            Options of pandera, which have no effect here.

        Raises
        ------
        InvalidElement
            With the location of every fault.
        """
        cls.check(check_obj)
        return check_obj


def _refuse_taken_name(kind: type[Element]) -> None:
    """Refuse a second kind of one name; the same module may define its own anew."""
    name, known = kind.__name__, KINDS.get(kind.__name__)
    if name in ("AnnData", "Element") or (known and known.__module__ != kind.__module__):
        where = known.__module__ if known else "mutua"
        raise InvalidInput(f"class {name}", f"{where} has a kind of that name", "choose another")


@functools.cache
def _specs(kind: type[Element]) -> dict[str, FieldSpec]:
    specs = {}
    for name, (annotation, info) in kind.__fields__.items():
        inner = annotation.raw_annotation  # already without "| None"
        is_coordinate = typing.get_origin(inner) is Coordinate
        metadata = info.metadata if isinstance(info.metadata, dict) else {}
        specs[name] = FieldSpec(
            name=name,
            dtype=typing.get_args(inner)[0] if is_coordinate else inner,
            dims=tuple(info.dims or ()),
            required=not annotation.optional,
            is_coordinate=is_coordinate,
            unique=bool(info.unique),
            nullable=bool(metadata.get("null", False)),
            unit=str(metadata.get("unit", "1")),
            description=info.description or "",
            checks=tuple(info.checks or ()),
        )
    return specs
