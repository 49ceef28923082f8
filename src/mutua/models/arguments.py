"""Checks of plain arguments, so that every function refuses the same things in the same words."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np

from mutua.errors import InvalidInput

__all__ = ["number", "one_of", "whole_number"]

T = TypeVar("T")


def whole_number(
    argument: str, value: Any, *, low: int | None = None, high: int | None = None
) -> int:
    """Give `value` as an int between `low` and `high` (both included), or refuse it."""
    try:
        if isinstance(value, bool | np.bool_):
            raise TypeError
        whole = operator.index(value)
    except TypeError:
        raise InvalidInput(
            argument, f"{value!r} is not a whole number", f"use an int{_range(low, high)}"
        ) from None
    if (low is not None and whole < low) or (high is not None and whole > high):
        raise InvalidInput(argument, f"{whole}", f"use an int{_range(low, high)}")
    return whole


def number(
    argument: str,
    value: Any,
    *,
    low: float | None = None,
    high: float | None = None,
    open_low: bool = False,
) -> float:
    """Give `value` as a finite float between `low` and `high`, or refuse it."""
    real_number = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool) or not real_number:
        remedy = f"use a float{_range(low, high, open_low)}"
        raise InvalidInput(argument, f"{value!r} is not a number", remedy)
    try:
        real = float(value)
    except OverflowError:
        real = math.inf
    outside = (low is not None and (real < low or (open_low and real == low))) or (
        high is not None and real > high
    )
    if not math.isfinite(real) or outside:
        raise InvalidInput(
            argument, f"{real:g}", f"use a finite number{_range(low, high, open_low)}"
        )
    return real


def one_of(argument: str, value: Any, options: Sequence[T] | Iterable[T]) -> T:
    """Give `value` if it is one of `options`, or refuse it and list them."""
    allowed = list(options)
    if not isinstance(value, type(allowed[0])) or value not in allowed:
        raise InvalidInput(argument, f"{value!r}", f"use one of {allowed}")
    return value


def _range(low: float | None, high: float | None, open_low: bool = False) -> str:
    least, most = (
        str(bound) if isinstance(bound, int) else f"{bound:g}" if bound is not None else ""
        for bound in (low, high)
    )
    if least and most:
        return f" above {least} and at most {most}" if open_low else f" from {least} to {most}"
    if least:
        return f" above {least}" if open_low else f" of at least {least}"
    return f" of at most {most}" if most else ""
