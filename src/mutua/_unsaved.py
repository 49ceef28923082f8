"""AnnData that came from a store: their changes live in memory only until assigned back."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import anndata

from mutua.models import provenance

__all__ = ["Loaded", "warn_unsaved"]


class Loaded(NamedTuple):
    """An AnnData in memory that came from the store."""

    path: str
    adata: anndata.AnnData
    digest: str


def warn_unsaved(loaded: dict[str, Loaded], url: str) -> None:
    """Warn of every AnnData that is not as it was when it was read or written."""
    for name, known in list(loaded.items()):
        if provenance.digest_of(known.adata, fresh=True)["value"] != known.digest:
            warnings.warn(
                f"{name!r} of {url} was changed in memory and not saved. Assign it back to keep "
                f"the changes: analysis[{name!r}] = adata.",
                UserWarning,
                stacklevel=3,
            )
