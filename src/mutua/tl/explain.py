"""Which k-mers make the dependency between two positions."""

from __future__ import annotations

import itertools

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels.position_mi import pair_kmer_counts
from mutua.models import Dataset, KmerPairs, SequenceSet, as_kind, checked
from mutua.models.alphabets import unknown_symbol
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import KMER_I, KMER_J
from mutua.settings import settings
from mutua.tl._counting import position_numbers, saying_sequences, sequence_blocks, sequence_weights

__all__ = ["explain_pair"]


@checked
def explain_pair(
    sequences: Dataset[SequenceSet],
    position_i: int,
    position_j: int,
    *,
    k: int = 3,
    pseudocount: float = 0.0,
    weighted: bool | None = None,
    gap: str = "drop",
) -> Dataset[KmerPairs]:
    """Give the k-mers that make the dependency between two positions.

    Parameters
    ----------
    sequences
        The set that `position_mi` was computed from.
    position_i, position_j
        Positions of the two k-mers, as the axes of `position_mi` show them (in the coordinate
        ``position`` of the sequences where they have one). The k-mers must not overlap.
    k, weighted, gap
        As for `position_mi`.
    pseudocount
        As for `position_mi`; the contributions add up to a pixel of a map with the same k and
        pseudocount. By default none: with one they are those of a mixture with uniform k-mers, in
        which a frequent pair contributes even if it is rarer than expected.

    Returns
    -------
    KmerPairs
        ``observed`` and ``expected`` sequences for each pair of k-mers, the expected number being
        that of independent positions; and ``contribution`` in bits, the terms whose sum is the
        mutual information.

    Raises
    ------
    InvalidInput
        If a position is not there or the k-mers overlap.
    MemoryLimit
        If the table would not fit into memory.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["AC", "AC", "GT", "GT"])
    >>> pairs = mt.tl.explain_pair(seqs, 0, 1, k=1, pseudocount=0)
    >>> pairs["observed"].sel(kmer_i="A", kmer_j="C").item()
    2.0
    >>> pairs["contribution"].sum().item()
    1.0
    """
    k = whole_number("k", k, low=1)
    pseudocount = number("pseudocount", pseudocount, low=0)
    one_of("gap", gap, ["drop", "symbol"])
    blocks, size = sequence_blocks(sequences, gap, k)
    bytes_needed = 5 * 8 * size ** (2 * k)
    if bytes_needed > max(settings.memory, 2**26):
        fits = next((x for x in range(k - 1, 0, -1) if 40 * size ** (2 * x) <= settings.memory), 1)
        raise MemoryLimit(
            "k",
            f"{k} makes a table of {size**k:,} x {size**k:,} k-mers ({bytes_needed / 1e9:.1f} GB)",
            f"use k <= {fits}, or raise mutua.settings.memory",
        )
    i = _index_of(sequences, "position_i", position_i)
    j = _index_of(sequences, "position_j", position_j)
    n_positions = blocks.n_positions - k + 1
    if not (0 <= i < n_positions and 0 <= j < n_positions) or abs(i - j) < k:
        raise InvalidInput(
            "position_i, position_j",
            f"{position_i} and {position_j} with k = {k} in sequences of {blocks.n_positions}",
            f"use positions at least {k} apart whose k-mers fit",
        )
    with saying_sequences():
        counts = pair_kmer_counts(
            blocks,
            min(i, j),
            max(i, j),
            k=k,
            alphabet_size=size,
            weights=sequence_weights(sequences, weighted),
        )
    observed = counts if i < j else counts.T
    total = observed.sum()
    if total == 0:
        raise InvalidInput("sequences", "none has both k-mers known", "use other positions")
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / total
    joint = (observed + pseudocount * total / observed.size) / (total * (1 + pseudocount))
    independent = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        contribution = np.where(joint > 0, joint * np.log2(joint / independent), 0.0)
    letters = sequences.attrs["alphabet"]
    letters += unknown_symbol(letters) if gap == "symbol" else ""
    kmers = ["".join(word) for word in itertools.product(letters, repeat=k)]
    result = xr.Dataset(
        {
            "observed": ((KMER_I, KMER_J), observed),
            "expected": ((KMER_I, KMER_J), expected),
            "contribution": ((KMER_I, KMER_J), contribution),
        },
        coords={KMER_I: kmers, KMER_J: kmers},
        attrs={
            "position_i": int(position_i),
            "position_j": int(position_j),
            "k": k,
            "pseudocount": pseudocount,
        },
    )
    return as_kind(KmerPairs, result)


def _index_of(sequences: Dataset[SequenceSet], argument: str, position: int) -> int:
    """Give the index of a position that is named by its coordinate."""
    position = whole_number(argument, position)
    known = position_numbers(sequences)
    if known is None:
        return position
    found = np.flatnonzero(known.values == position)
    if len(found) == 0:
        first, last = known.values[0], known.values[-1]
        raise InvalidInput(argument, f"{position}", f"positions go from {first} to {last}")
    return int(found[0])
