"""What motifs are called on axes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import xarray as xr

from mutua.models.dims import MOTIF

__all__ = ["motif_names"]

_LONGEST = 22


def motif_names(element: xr.Dataset, places: np.ndarray) -> list[str]:
    """Give the names of some motifs: their own, with their ids where names are missing or repeat.

    Long ones are cut.
    """
    ids = [str(name) for name in element[MOTIF].values[places]]
    if "name" not in element.coords:
        return [_cut(name) for name in ids]
    every = Counter(element["name"].values.tolist())
    names = [str(name) for name in element["name"].values[places]]
    return [
        _cut(name if name and every[name] == 1 else f"{name} {own}".strip())
        for name, own in zip(names, ids, strict=True)
    ]


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
