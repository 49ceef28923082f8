"""Coordinates of the user's own along the sequences."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.arguments import whole_number
from mutua.models.dims import POSITION

__all__ = ["number_positions"]


@checked
def number_positions(
    sequences: Dataset[SequenceSet], first: int, *, label: str = "position", unit: str = "nt"
) -> Dataset[SequenceSet]:
    """Give positions numbers of their own, which results and the axes of plots then carry.

    Parameters
    ----------
    sequences
        (sequence, position).
    first
        Number of the first position, e.g. -50 for 50 bases upstream of a site, or the genomic
        coordinate of a locus that all sequences share.
    label
        What the numbers mean, for axis labels.
    unit
        Unit of the numbers.

    Returns
    -------
    SequenceSet
        With the coordinate ``position``.

    Raises
    ------
    InvalidInput
        If `first` is not a whole number.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(2, length=5, seed=0)
    >>> mt.pp.number_positions(seqs, -3, label="position relative to the TSS")["position"].values
    array([-3, -2, -1,  0,  1])
    """
    first = whole_number("first", first)
    for argument, value in (("label", label), ("unit", unit)):
        if not isinstance(value, str):
            raise InvalidInput(argument, f"a {type(value).__name__}", "use a string")
    numbers = np.arange(first, first + sequences.sizes[POSITION], dtype=np.int64)
    attrs = {"long_name": label, "units": unit}
    coordinate = xr.Variable((POSITION,), numbers, attrs)
    return as_kind(SequenceSet, sequences.assign_coords({POSITION: coordinate}))
