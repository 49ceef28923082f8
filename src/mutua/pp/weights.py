"""Weights that make related sequences count less."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.neighbours import neighbour_counts
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.arguments import number
from mutua.models.dims import CODES, SEQUENCE, WEIGHT

__all__ = ["sequence_weights"]


@checked
def sequence_weights(
    sequences: Dataset[SequenceSet],
    *,
    identity: float = 0.8,
    ignore_shared_gaps: bool = False,
) -> Dataset[SequenceSet]:
    """Weigh each sequence by 1 / the number of sequences that are alike, itself included.

    In an alignment of a family many sequences are near-copies of each other; weighted so, a
    cluster of copies counts about once. The sum of the weights is the effective number of
    sequences.

    Parameters
    ----------
    sequences
        Aligned: column by column the same position. Unknown letters are gaps.
    identity
        Least fraction of identical columns that makes two sequences alike, above 0 to 1.
    ignore_shared_gaps
        Leave columns where both have a gap out of the comparison; otherwise a gap is a letter
        like any other.

    Returns
    -------
    SequenceSet
        With ``weight`` (sequence), float64.

    Raises
    ------
    InvalidInput
        If `identity` is not above 0 and at most 1.

    References
    ----------
    Morcos et al. 2011, PNAS 108:E1293.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["ACDEF", "ACDEG", "WWWWW"], alphabet="protein")
    >>> mt.pp.sequence_weights(seqs, identity=0.8)["weight"].values
    array([0.5, 0.5, 1. ])
    """
    identity = number("identity", identity, low=0, high=1, open_low=True)
    if not isinstance(ignore_shared_gaps, bool):
        raise InvalidInput("ignore_shared_gaps", f"{ignore_shared_gaps!r}", "use True or False")
    codes = np.ascontiguousarray(sequences[CODES].values)
    counts = neighbour_counts(codes, identity=identity, ignore_shared_gaps=ignore_shared_gaps)
    attrs = {"long_name": "weight of the sequence", "identity": identity}
    weights = xr.Variable((SEQUENCE,), 1.0 / counts, attrs)
    return as_kind(SequenceSet, sequences.assign({WEIGHT: weights}))
