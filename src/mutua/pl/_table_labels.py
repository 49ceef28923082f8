"""What plots of tables of samples call columns and classes, and what they say was permuted."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import xarray as xr

from mutua.models.provenance import read_record

__all__ = [
    "arguments_of",
    "classes_in_order",
    "columns_called",
    "natural_key",
    "numbered",
    "permuted",
]

_SLOTS = {"module": "modules", "programs": "programs"}
"""What stands in ``obsm["X_<key>"]`` under the usual keys."""
_MI = "tl.mutual_information"


def classes_in_order(column: pd.Series) -> list[str]:
    """Give the classes there are: categories in their own order, all others as people sort.

    Categories in the order of text came from a file format, and nobody has chosen that order.
    """
    there = {str(value) for value in column.dropna().unique()}
    if isinstance(column.dtype, pd.CategoricalDtype):
        own = [str(name) for name in column.cat.categories]
        if column.cat.ordered or own != sorted(own):
            return [name for name in own if name in there]
    return sorted(there, key=natural_key)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Give what sorts 1, 2, 10 and CF34, CF101 in this order."""
    parts = re.split("([0-9]+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]


def numbered(name: object, what: str = "module") -> str:
    """Give a name that says what it is, where it is but a number and `what` is known."""
    text = str(name)
    return f"{what} {text}" if what and text.isdecimal() else text


def columns_called(obsm: str | None, obs: object, default: str = "columns") -> tuple[str, str]:
    """Give what columns of a table are: all of them, and one in ``obsm`` that has but a number."""
    if obs is not None:
        return "columns of obs", ""
    if obsm is None:
        return default, ""
    key = obsm.removeprefix("X_")
    return _SLOTS.get(key, "latent dims"), key


def arguments_of(element: xr.Dataset) -> dict[str, Any]:
    """Give the arguments of the ``tl.mutual_information`` that an element came from, if any."""
    record = read_record(element)
    steps = record["steps"] if record else []
    by_id = {step["id"]: step for step in steps}
    step = steps[-1] if steps else None
    while step and step.get("function") != _MI:
        inputs = {one.get("argument"): one.get("step") for one in step.get("inputs", [])}
        step = by_id.get(inputs.get("mi", inputs.get("element")))
    return dict(step["arguments"]) if step else {}


def permuted(blocks: object, permute: object) -> str:
    """Give what was permuted for p-values: samples, within blocks or not, or whole blocks."""
    if not blocks:
        return "samples permuted"
    name = blocks if isinstance(blocks, str) else "blocks"
    if permute == "blocks":
        return f"whole blocks permuted ({name})"
    return f"samples permuted within {name}"
