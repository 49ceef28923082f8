"""What belongs to the letters of a sequence set, and changes or goes when these change.

Of a set whose letters change,

- what was found out from the letters goes: predictions, weights, places of motifs, and whatever
  else is along their dims;
- what lies along ``position`` goes too, but for coordinates of ``position`` alone, which label
  the places, and for ``tracks`` where every place keeps its own: a model takes them together with
  the letters;
- what belongs to the sequence stays: its name, the genomic region that it came from, its length,
  and the user's own variables along ``sequence``.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from mutua.blocks import is_chunked
from mutua.errors import InvalidInput
from mutua.kernels import letters
from mutua.models import Dataset, SequenceSet, as_kind
from mutua.models.alphabets import PADDING, alphabet_name
from mutua.models.dims import CODES, POSITION, SEQUENCE, TARGET, TRACK, TRACKS, WEIGHT

MOTIF: Final = "motif"
MOTIF_START: Final = "motif_start"
CHROM: Final = "chrom"
START: Final = "start"
END: Final = "end"
STRAND: Final = "strand"


def replaced_codes(
    sequences: Dataset[SequenceSet], codes: Any, *, in_place: bool
) -> Dataset[SequenceSet]:
    """Give the set with other letters, less what belonged to those before.

    Parameters
    ----------
    in_place
        Whether letters are exchanged where they are, rather than moved.
    """
    stale = {WEIGHT, *along(sequences, TARGET, MOTIF)}
    labels = {name for name in sequences.coords if sequences[name].dims == (POSITION,)}
    stale |= along(sequences, POSITION) - labels - {CODES}
    stale = stale - {TRACKS} if in_place else stale | along(sequences, TRACK)
    kept = sequences.drop_vars(stale, errors="ignore")
    return as_kind(SequenceSet, kept.assign({CODES: codes_variable(sequences, codes)}))


def along(sequences: xr.Dataset, *dims: str) -> set[str]:
    """Give the names of the variables and coordinates that have one of the dims."""
    return {str(name) for name, part in sequences.variables.items() if {*dims} & {*part.dims}}


def codes_variable(sequences: xr.Dataset, codes: Any) -> xr.Variable:
    """Give codes as the variable of a set like this one."""
    return xr.Variable((SEQUENCE, POSITION), codes, sequences[CODES].attrs)


def complement(alphabet: str, argument: str) -> np.ndarray:
    """Give the codes of the complements, or refuse the argument that asks for them."""
    try:
        return letters.complement_codes(alphabet)
    except InvalidInput:
        raise InvalidInput(
            argument,
            f"the alphabet {alphabet_name(alphabet)!r} has no complement",
            "use a DNA or RNA sequence set",
        ) from None


def end_padding(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give how many places of every row are padding at its left and at its right end.

    A row of nothing but padding has all of it on the left.
    """
    length = codes.shape[1]
    left = np.zeros(len(codes), dtype=np.int64)
    right = np.zeros(len(codes), dtype=np.int64)
    if not length:
        return left, right
    (padded,) = np.nonzero((codes[:, 0] == PADDING) | (codes[:, -1] == PADDING))
    letter = codes[padded] != PADDING
    some = letter.any(axis=1)
    left[padded] = np.where(some, letter.argmax(axis=1), length)
    right[padded] = np.where(some, letter[:, ::-1].argmax(axis=1), 0)
    return left, right


def opposite_strand(sequences: xr.Dataset) -> dict[str, xr.Variable]:
    """Give the strand coordinate of the sequences turned around, if they have a place at all.

    A place without a strand is on the plus strand.
    """
    if STRAND in sequences.coords:
        strand = sequences[STRAND].variable
        if is_chunked(strand.data):
            turned = strand.data.map_blocks(opposite, dtype=strand.dtype)
        else:
            turned = opposite(strand.values)
        return {STRAND: xr.Variable((SEQUENCE,), turned, strand.attrs)}
    if CHROM in sequences.coords:
        minus = np.full(sequences.sizes[SEQUENCE], "-", dtype=np.dtypes.StringDType())
        return {STRAND: xr.Variable((SEQUENCE,), minus)}
    return {}


def opposite(strand: np.ndarray) -> np.ndarray:
    """Give + for - and - for anything else: what has no strand is read as it stands, on +."""
    turned = np.full_like(strand, "-")
    turned[strand == "-"] = "+"
    return turned
