"""Cells on an embedding: where they are, and how large to draw them."""

from __future__ import annotations

from typing import Literal

import anndata
import numpy as np

from mutua.errors import InvalidInput
from mutua.models import slots

__all__ = ["aspect_of", "cell_places", "point_size"]

_LONGEST = 3.0
"""Ratio of the sides of an embedding up to which both are drawn on one scale."""


def cell_places(adata: anndata.AnnData, basis: str) -> np.ndarray:
    """Give the first two columns of an embedding, float64 (cell, 2), NaN where there is no place.

    Raises
    ------
    InvalidInput
        Where there is no such embedding, it has one column only, or no cell has a place.
    """
    places, _ = slots.columns(adata, basis, argument="basis")
    if places.shape[1] < 2:
        raise InvalidInput("basis", f"obsm[{basis!r}] has one column", "use one with two")
    places = np.where(np.isfinite(places[:, :2]).all(axis=1, keepdims=True), places[:, :2], np.nan)
    if np.isnan(places).all():
        raise InvalidInput("basis", f"obsm[{basis!r}] has no cell with a place", "use another")
    return np.asarray(places)


def aspect_of(places: np.ndarray) -> Literal["equal", "auto"]:
    """Give whether both axes of an embedding fit one scale."""
    short, long = sorted(np.nanmax(places, axis=0) - np.nanmin(places, axis=0))
    return "equal" if 0 < long <= _LONGEST * short else "auto"


def point_size(n: int, side: float) -> float:
    """Give the area of a point, in square points, for cells on a panel of a side in inches."""
    return float(np.clip(0.35 * (72 * side) ** 2 / max(n, 1), 0.6, 14.0))
