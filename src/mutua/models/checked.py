"""`@checked`: the boundary between a user's objects and the library."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar, cast

import anndata
import pandas as pd
import xarray as xr

from mutua.errors import Fault, InvalidElement
from mutua.models import provenance
from mutua.models.base import KINDS, Dataset, Element, find_faults

__all__ = ["checked"]

P = ParamSpec("P")
R = TypeVar("R")
Kind = type[Element]


class _Slot(typing.NamedTuple):
    """What an annotation allows for one argument or the result."""

    kinds: tuple[Kind, ...]
    """Those of ``Dataset[Kind]``, the more special ones first."""
    anndata: bool
    optional: bool
    others: tuple[type, ...] = ()
    """Plain containers of the union, such as a DataArray, which are not looked into."""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Validate the elements that go in and come out, and record how the result was made.

    Arguments annotated ``Dataset[Kind]`` (also in unions, with `AnnData` or None, and behind
    ``*`` and ``**``) are held against their kind; so is the result, which then carries the
    provenance of the call. ``Dataset[E]`` with a type variable, or ``Dataset[Element]``, takes an
    element of any kind, by its record. A result whose record names a more special kind than the
    annotation keeps that kind, as long as it satisfies it.

    A function that gives several elements gives a NamedTuple: its fields annotated as above are
    each held against their kind and carry the provenance of the call.

    A function annotated to give ``AnnData | None`` that gives None has written into its first
    AnnData argument, which then carries the record.

    Raises
    ------
    InvalidElement
        Naming the function, the argument and every fault found.
    """
    signature = inspect.signature(function)
    name = provenance.function_name(function)

    @functools.cache
    def slots() -> dict[str, _Slot]:  # only when called: annotations may name what comes later
        hints = typing.get_type_hints(function)
        return {key: slot for key, hint in hints.items() if (slot := _slot(hint))}

    @functools.cache
    def fields() -> dict[str, _Slot]:
        given = typing.get_type_hints(function).get("return")
        hints = typing.get_type_hints(given) if hasattr(given, "_fields") else {}
        return {key: slot for key, hint in hints.items() if (slot := _slot(hint))}

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # which says in Python's own words what is wrong
        bound.apply_defaults()
        allowed = slots()
        for argument, place, value in _places(signature, bound):
            if argument in allowed:
                _check(value, allowed[argument], f"argument `{place}` of {name}")
        out = allowed.get("return")
        if out is None and not fields():
            return function(*args, **kwargs)
        # Before the call, which may write into an AnnData.
        arguments = {place: value for _, place, value in _places(signature, bound)}
        steps = provenance.call_step(name, arguments)
        result = function(*args, **kwargs)
        if out is None:
            return cast("R", _named(result, fields(), f"the result of {name}", steps))
        if result is None and out.anndata and out.optional:
            changed = next((v for v in arguments.values() if isinstance(v, anndata.AnnData)), None)
            if changed is not None:
                provenance.stamp(changed, "AnnData", 1, steps)
            return result
        return cast("R", _stamped(result, out, f"the result of {name}", steps))

    return wrapper


def _slot(annotation: Any) -> _Slot | None:
    """Read ``Dataset[A]``, ``AnnData``, or a union of those and None; else None."""
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    options = typing.get_args(annotation) if union else (annotation,)
    wanted = [typing.get_args(o)[0] for o in options if typing.get_origin(o) is Dataset]
    kinds = [kind for one in wanted for kind in _kinds_of(one)]
    takes_anndata = anndata.AnnData in options
    if not kinds and not takes_anndata:
        return None
    kinds.sort(key=lambda kind: -len(kind.__mro__))
    plain = [o for o in options if o in (xr.DataArray, pd.DataFrame)]
    return _Slot(tuple(kinds), takes_anndata, type(None) in options, tuple(plain))


def _kinds_of(wanted: Any) -> tuple[Kind, ...]:
    if isinstance(wanted, TypeVar):
        return wanted.__constraints__ or (wanted.__bound__ or Element,)
    return (wanted,)


def _places(
    signature: inspect.Signature, bound: inspect.BoundArguments
) -> Iterator[tuple[str, str, Any]]:
    """Give for every argument its parameter, its own name, and its value."""
    for parameter, value in bound.arguments.items():
        how = signature.parameters[parameter].kind
        if how is inspect.Parameter.VAR_KEYWORD:
            yield from ((parameter, name, item) for name, item in value.items())
        elif how is inspect.Parameter.VAR_POSITIONAL:
            yield from ((parameter, f"{parameter}[{i}]", item) for i, item in enumerate(value))
        else:
            yield parameter, parameter, value


def _check(value: object, slot: _Slot, where: str) -> Kind | None:
    """Hold a value against what its slot allows; give the kind it satisfies, None for others."""
    if (value is None and slot.optional) or (slot.anndata and isinstance(value, anndata.AnnData)):
        return None
    if isinstance(value, slot.others):
        return None
    if not slot.kinds or (slot.anndata and not isinstance(value, xr.Dataset)):
        options = [*(f"a Dataset[{kind.__name__}]" for kind in slot.kinds), "an AnnData"]
        options += [f"a {other.__name__}" for other in slot.others]
        remedy = f"pass {' or '.join(options)}{_modality(value)}"
        fault = Fault("object", f"a {type(value).__name__}", remedy)
        raise InvalidElement(
            "AnnData" if not slot.kinds else slot.kinds[0].__name__, [fault], where
        )
    recorded = _recorded_kind(value)
    found: dict[Kind, list[Fault]] = {}
    for wanted in slot.kinds:
        kind = _any_kind(recorded, value, where) if wanted is Element else wanted
        found[kind] = list(find_faults(kind, value))
        if not found[kind]:
            return kind
    # The kind it says it is, or else the one of which most is there.
    best = recorded if recorded in found else max(found, key=lambda kind: _present(kind, value))
    assert best is not None
    raise InvalidElement(best.__name__, found[best], where)


def _modality(value: object) -> str:
    """Name a modality to pass instead of a MuData, whose package need not be there."""
    names = list(getattr(value, "mod", ())) if type(value).__name__ == "MuData" else []
    if not names:
        return ""
    return f", such as its modality mdata[{'rna' if 'rna' in names else names[0]!r}]"


def _present(kind: Kind, value: object) -> int:
    return len(kind.specs().keys() & value.variables.keys()) if isinstance(value, xr.Dataset) else 0


def _recorded_kind(value: object) -> Kind | None:
    record = provenance.read_record(value) if isinstance(value, xr.Dataset) else None
    return None if record is None else KINDS.get(record["kind"])


def _any_kind(recorded: Kind | None, value: object, where: str) -> Kind:
    if recorded is None:
        found = "has no record of its kind" if isinstance(value, xr.Dataset) else "is no Dataset"
        fault = Fault("object", f"a {type(value).__name__} that {found}", "use mutua.<Kind>.build")
        raise InvalidElement("Element", [fault], where)
    return recorded


def _named(result: Any, fields: dict[str, _Slot], where: str, steps: list[dict[str, Any]]) -> Any:
    """Check the elements of a NamedTuple; give it with their records."""
    found = {
        field: _stamped(getattr(result, field), slot, f"{where}, `{field}`", steps)
        for field, slot in fields.items()
    }
    return result._replace(**found)


def _stamped(result: Any, slot: _Slot, where: str, steps: list[dict[str, Any]]) -> Any:
    """Check a result and give it with its record; a Dataset as a new object."""
    kind = _check(result, slot, where)
    if kind is not None:
        special = _recorded_kind(result)
        if special is not None and issubclass(special, kind) and special is not kind:
            kind = kind if list(find_faults(special, result)) else special
        result = result.copy(deep=False)
        provenance.stamp(result, kind.__name__, kind._version, steps)
    elif isinstance(result, anndata.AnnData):
        result = result.copy() if result.is_view else result
        provenance.stamp(result, "AnnData", 1, steps)
    return result
