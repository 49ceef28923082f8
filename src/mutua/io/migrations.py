"""From older versions of a kind to this one: one function for every step from n to n + 1."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from mutua.errors import StoreDamaged
from mutua.models.base import KINDS

__all__ = ["MIGRATIONS", "migrate"]

MIGRATIONS: dict[tuple[str, int], Callable[[xr.Dataset], xr.Dataset]] = {}
"""``(kind, n)`` -> the function that makes version n + 1 of a version n element, lazily."""


def migrate(kind: str, version: int, element: xr.Dataset) -> xr.Dataset:
    """Bring an element of an older version to the current one; a current one is given back as is.

    Raises
    ------
    StoreDamaged
        For a version that never existed.
    """
    for step in range(version, KINDS[kind]._version):
        if (kind, step) not in MIGRATIONS:
            raise StoreDamaged(
                f"there is no {kind} version {step}. Restore the store from a copy, or remove the "
                "element with `del analysis[name]`."
            )
        element = MIGRATIONS[kind, step](element)
    return element
