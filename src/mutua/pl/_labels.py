"""What the values of dependency maps are called, on axes and colour bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["value_label"]

_MEASURES = {
    "mi": "mutual information",
    "jensen_shannon": "Jensen-Shannon distance",
    "inverse_jensen_shannon": "1 - Jensen-Shannon distance",
    "hellinger": "Hellinger distance",
    "bhattacharyya": "Bhattacharyya distance",
    "inverse_bhattacharyya": "inverse Bhattacharyya distance",
}
_CORRECTIONS = {
    "miller_madow": "Miller-Madow",
    "shuffle": "less shuffled",
    "apc": "APC",
}


def value_label(attrs: Mapping[str, Any], variable: str, unit: str | None) -> str:
    """Give the name and unit of a variable of a `PositionMI`, or of what was made of it.

    Parameters
    ----------
    attrs
        Attributes ``measure`` and ``correction``.
    variable
        Name of the variable.
    unit
        Its unit, if it has one.
    """
    name = _MEASURES.get(attrs["measure"], attrs["measure"])
    if variable == "mi_corrected":
        correction = attrs.get("correction", "")
        name += f" ({_CORRECTIONS.get(correction, correction or 'corrected')})"
    elif variable == "mi_normalized":
        name = "mutual information / joint entropy"
    elif variable == "mi_null":
        name = "mean mutual information of shuffled columns"
    return f"{name} ({unit})" if unit else name
