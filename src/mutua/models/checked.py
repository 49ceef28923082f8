"""`@checked`: the boundary between a user's objects and the library."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import anndata
import xarray as xr

from mutua.errors import InvalidElement
from mutua.models import provenance
from mutua.models.base import Dataset, Element, find_faults

__all__ = ["checked"]

P = ParamSpec("P")
R = TypeVar("R")


class _Slot(typing.NamedTuple):
    """What an annotation allows for one argument or the result."""

    kinds: tuple[type[Element], ...]
    anndata: bool
    optional: bool


def _slot(annotation: Any) -> _Slot | None:
    """Read ``Dataset[A]``, ``AnnData``, or a union of those and None; else None."""
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    options = typing.get_args(annotation) if union else (annotation,)
    kinds = tuple(typing.get_args(o)[0] for o in options if typing.get_origin(o) is Dataset)
    takes_anndata = anndata.AnnData in options
    if not kinds and not takes_anndata:
        return None
    return _Slot(kinds, takes_anndata, type(None) in options)


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Validate the elements that go in and come out, and record how the result was made.

    Arguments annotated ``Dataset[Kind]`` (also in unions, with None or AnnData) are held against
    their kind; so is the result, which then carries the provenance of the call.

    Raises
    ------
    InvalidElement
        Naming the function, the argument and every fault found.
    """
    signature = inspect.signature(function)
    name = provenance.function_name(function)
    slots: dict[str, _Slot] = {}
    resolved = False

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        nonlocal resolved
        if not resolved:  # only now: annotations may name what is imported late
            hints = typing.get_type_hints(function)
            slots.update((key, slot) for key, hint in hints.items() if (slot := _slot(hint)))
            resolved = True
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        for argument, slot in slots.items():
            if argument != "return":
                _check(bound.arguments[argument], slot, f"argument `{argument}` of {name}")
        result = function(*args, **kwargs)
        out = slots.get("return")
        if out is None or result is None:
            return result
        kind = _check(result, out, f"the result of {name}")
        arguments = _flat_arguments(signature, bound)
        if kind is not None and isinstance(result, xr.Dataset):
            result = typing.cast("R", result.copy(deep=False))
            steps = provenance.call_step(name, arguments)
            provenance.stamp(result, kind.__name__, kind._version, steps)
        elif isinstance(result, anndata.AnnData):
            provenance.stamp(result, "AnnData", 1, provenance.call_step(name, arguments))
        return result

    return wrapper


def _flat_arguments(
    signature: inspect.Signature, bound: inspect.BoundArguments
) -> dict[str, Any]:
    """Give the arguments by name, ``**kwargs`` spread out."""
    flat: dict[str, Any] = {}
    for argument, value in bound.arguments.items():
        if signature.parameters[argument].kind is inspect.Parameter.VAR_KEYWORD:
            flat.update(value)
        else:
            flat[argument] = value
    return flat


def _check(value: object, slot: _Slot, where: str) -> type[Element] | None:
    """Hold a value against what its slot allows; give the kind it satisfies."""
    if (value is None and slot.optional) or (slot.anndata and isinstance(value, anndata.AnnData)):
        return None
    best: tuple[type[Element], list[Any]] | None = None
    for kind in slot.kinds:
        faults = list(find_faults(kind, value))
        if not faults:
            return kind
        if best is None or len(faults) < len(best[1]):
            best = kind, faults
    if best is None:
        kind, faults = Element, list(find_faults(Element, value))
        raise InvalidElement("AnnData", faults, where)
    raise InvalidElement(best[0].__name__, best[1], where)
