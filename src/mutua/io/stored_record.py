"""The record of an element on its way into a store and out of it."""

from __future__ import annotations

from typing import Any

import anndata
import xarray as xr

from mutua.models.provenance import (
    Record,
    chain,
    digest_of,
    read_record,
    stamp,
    was_edited,
    write_record,
)

__all__ = ["reopen", "settled"]


def settled(element: xr.Dataset | anndata.AnnData, kind: str, version: int) -> Record:
    """Give the record under which an element is stored: an edit has become a step of its own.

    Parameters
    ----------
    element
        Any element, with a record or without; it is not changed.
    kind, version
        Its kind and the version of the kind's schema.
    """
    record, digest = read_record(element), digest_of(element, fresh=True)
    steps = chain(element, digest)
    if isinstance(element, anndata.AnnData):
        digests = {digest["method"]: digest["value"]}
        dims = {"obs": element.n_obs, "var": element.n_vars}
        made = {"dims": dims, "dtypes": {}, "digests": digests}
        return {"kind": kind, "version": version, "steps": steps, "element": made}
    holder = element.copy(deep=False)
    stamp(holder, kind, version, steps)
    new: Record = read_record(holder) or {}
    if record is not None and not was_edited(element, record, digest):
        _add_digests(new["element"], record["element"])
    return new


def reopen(
    element: xr.Dataset | anndata.AnnData, record: Record, version: int, *, migrated: bool = False
) -> None:
    """Put the record into what was opened from a store and is known to be what was stored.

    Parameters
    ----------
    element
        The element as it was opened; its record is written in place.
    record
        The record it was stored with.
    version
        The current version of its kind's schema.
    migrated
        Whether a migration has changed it, so that no digest on record says anything about it.
    """
    stamp(element, record["kind"], version, record["steps"])
    if isinstance(element, xr.Dataset) and not migrated:
        new: Record = read_record(element) or {}
        _add_digests(new["element"], record["element"])
        write_record(element, new)


def _add_digests(new: dict[str, Any], old: dict[str, Any]) -> None:
    """Keep the digests by other methods, which still say something about the same values."""
    new["digests"] = {**old.get("digests", {}), **new["digests"]}
    before = old.get("parts", {}).get("variables", {})
    variables = new["parts"]["variables"]
    for name, digests in variables.items():
        variables[name] = {**before.get(name, {}), **digests}
