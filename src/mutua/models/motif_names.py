"""Motifs as users name them: by their ids, or by names that no other motif has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr

from mutua.errors import InvalidInput
from mutua.models.dims import MOTIF

__all__ = ["motif_numbers"]

_SHOWN = 8


def motif_numbers(element: xr.Dataset, given: Sequence[Any], argument: str) -> list[int]:
    """Give the places of motifs on their dim, or refuse what names none or several.

    Parameters
    ----------
    element
        With the coordinate ``motif`` and perhaps ``name``.
    given
        An id, or the name of one motif only, for each. What is both is taken as the id.
    argument
        Name of the argument, for errors.

    Raises
    ------
    InvalidInput
        For what is no motif, or the name of several; the error lists their ids.
    """
    ids = [str(motif) for motif in element[MOTIF].values.tolist()]
    places = {motif: place for place, motif in enumerate(ids)}
    names: dict[str, list[int]] = {}
    if "name" in element.coords:
        for place, name in enumerate(element["name"].values.tolist()):
            names.setdefault(str(name), []).append(place)
    unknown = [one for one in dict.fromkeys(map(str, given)) if one not in places | names]
    if unknown:
        no_motif = "is no motif" if len(unknown) == 1 else "are no motifs"
        found = f"{', '.join(map(repr, unknown[:_SHOWN]))} {no_motif}"
        raise InvalidInput(argument, found, f"use one of {_some(ids)}")
    for one in map(str, given):
        if one not in places and len(names[one]) > 1:
            those = [ids[place] for place in names[one]]
            remedy = f"use one of the ids {_some(those)}"
            raise InvalidInput(argument, f"{one!r} is the name of {len(those)} motifs", remedy)
    return [places[str(one)] if str(one) in places else names[str(one)][0] for one in given]


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN:,} more" if len(ids) > _SHOWN else ""
    return f"{list(ids[:_SHOWN])}{more}"
