"""What annotations say of the sequences that they are in."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from mutua.models.base import Dataset
from mutua.models.dims import END, POSITION, SEQUENCE, SEQUENCE_ID, SEQUENCE_LENGTH, START
from mutua.models.sequence_set import SequenceSet

__all__ = ["sequence_parts"]

_PLACES = {"chrom": "sequence_chrom", START: "sequence_start", "strand": "sequence_strand"}


def sequence_parts(sequences: Dataset[SequenceSet]) -> dict[str, xr.Variable]:
    """Give what annotations say of the sequences that they are in, by the names it has there."""
    n, length = sequences.sizes[SEQUENCE], sequences.sizes[POSITION]
    parts: dict[str, Any] = {
        SEQUENCE_LENGTH: xr.Variable((SEQUENCE,), np.full(n, length, np.int32))
    }
    if SEQUENCE_ID in sequences.coords:
        parts[SEQUENCE_ID] = sequences[SEQUENCE_ID].variable
    parts |= {
        name: sequences[own].variable for own, name in _PLACES.items() if own in sequences.coords
    }
    if "sequence_start" in parts and END in sequences.coords:
        # Where a chromosome begins within a padded region, the first column lies before it.
        start, end = (np.asarray(sequences[name].values) for name in (START, END))
        padding = np.where(start == 0, np.maximum(length - (end - start), 0), 0)
        parts["sequence_start"] = parts["sequence_start"].copy(data=start - padding)
    return {name: part.load() for name, part in parts.items()}
