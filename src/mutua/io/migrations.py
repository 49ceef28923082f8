"""From older versions of a kind to this one: one function for every step from n to n + 1."""

from __future__ import annotations

from collections.abc import Callable

import xarray as xr

from mutua.models.base import KINDS
from mutua.models.dims import RECORD
from mutua.models.provenance import read_record, write_record

__all__ = ["MIGRATIONS", "migrate"]

MIGRATIONS: dict[tuple[str, int], Callable[[xr.Dataset], xr.Dataset]] = {}
"""``(kind, n)`` -> the function that makes version n + 1 of a version n element, lazily."""


def migrate(kind: str, version: int, element: xr.Dataset) -> xr.Dataset:
    """Bring an element of an older version to the current one."""
    for step in range(version, KINDS[kind]._version):
        element = MIGRATIONS[kind, step](element)
        record = read_record(element)
        if record is not None:
            element.attrs = {key: value for key, value in element.attrs.items() if key != RECORD}
            write_record(element, record | {"version": step + 1})
    return element
