"""What all functions that give squares over pairs of positions share."""

from __future__ import annotations

from typing import Any

import numpy as np

from mutua.models import Dataset, SequenceSet
from mutua.models.dims import POSITION, POSITION_I, POSITION_J
from mutua.tl._counting import position_numbers

__all__ = ["PAIR", "kmer_positions", "symmetric_squares"]

PAIR = (POSITION_I, POSITION_J)


def kmer_positions(sequences: Dataset[SequenceSet], k: int) -> dict[str, Any]:
    """Give the positions where k-mers start, as the sequences number them, for both axes."""
    n = sequences.sizes[POSITION] - k + 1
    known = position_numbers(sequences)
    if known is not None:
        numbers = known.values[:n]
        attrs = {key: known.attrs[key] for key in ("long_name", "units") if key in known.attrs}
        labels = {POSITION_I: attrs, POSITION_J: attrs}
    else:
        numbers = np.arange(n, dtype=np.int64)
        labels = {
            POSITION_I: {"long_name": "position of the first k-mer"},
            POSITION_J: {"long_name": "position of the second k-mer"},
        }
    return {dim: (dim, numbers, labels[dim]) for dim in PAIR}


def symmetric_squares(n: int, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Lay out values of the pairs above the diagonal as symmetric squares."""
    upper = np.triu_indices(n, 1)
    squares = {}
    for name, pairs in values.items():
        square = np.full((n, n), np.nan)
        square[upper] = pairs
        square.T[upper] = pairs
        squares[name] = square
    return squares
