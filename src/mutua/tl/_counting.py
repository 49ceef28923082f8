"""What all functions that count k-mers share: blocks of sequences, weights, error names."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.sequence_blocks import BLOCK
from mutua.models import Dataset, SequenceSet
from mutua.models.alphabets import UNKNOWN
from mutua.models.dims import CODES, POSITION, WEIGHT

__all__ = [
    "SequenceBlocks",
    "position_numbers",
    "saying_sequences",
    "sequence_blocks",
    "sequence_weights",
]


@dataclass(frozen=True)
class SequenceBlocks:
    """The codes of a sequence set block by block, whatever they are chunked like."""

    codes: xr.DataArray
    gap_code: int | None
    block_size: int = BLOCK

    @property
    def n_sequences(self) -> int:
        return int(self.codes.shape[0])

    @property
    def n_positions(self) -> int:
        return int(self.codes.shape[1])

    def block(self, number: int) -> np.ndarray:
        """Give one block, unknown letters turned into the gap letter where that is asked for."""
        start = number * self.block_size
        values = np.asarray(self.codes.variable[start : start + self.block_size].values)
        if self.gap_code is None:
            return values
        return np.where(values == UNKNOWN, np.uint8(self.gap_code), values)


def sequence_blocks(sequences: Dataset[SequenceSet], gap: str) -> tuple[SequenceBlocks, int]:
    """Give the codes in blocks and the number of letters."""
    size = len(sequences.attrs["alphabet"])
    if gap == "symbol":
        return SequenceBlocks(sequences[CODES], size), size + 1
    return SequenceBlocks(sequences[CODES], None), size


def sequence_weights(sequences: Dataset[SequenceSet], weighted: bool | None) -> np.ndarray | None:
    if weighted is None:
        weighted = WEIGHT in sequences
    if not isinstance(weighted, bool):
        raise InvalidInput("weighted", f"{weighted!r}", "use True, False or None")
    if not weighted:
        return None
    if WEIGHT not in sequences:
        raise InvalidInput(
            "weighted", "True, and the sequences have no weight", "run mutua.pp.sequence_weights"
        )
    return np.asarray(sequences[WEIGHT].values, dtype=np.float64)


@contextlib.contextmanager
def saying_sequences() -> Iterator[None]:
    """Let errors of the kernels name the argument that the caller knows."""
    try:
        yield
    except InvalidInput as error:
        names = {"codes": "sequences", "weights": "sequences['weight']"}
        if error.argument not in names:
            raise
        raise type(error)(names[error.argument], error.found, error.remedy) from error


def position_numbers(sequences: Dataset[SequenceSet]) -> xr.Variable | None:
    """Give the numbers of the positions, or None where they have no other than 0, 1, 2, ...

    These are the coordinate ``position``, or else genomic coordinates where all sequences are of
    one region, e.g. variants of a locus; on the minus strand they fall.
    """
    if POSITION in sequences.coords:
        return sequences[POSITION].variable
    region = [name for name in ("chrom", "start", "end", "strand") if name in sequences.coords]
    if region[:3] != ["chrom", "start", "end"]:
        return None
    same = {}
    for name in region:
        values = np.asarray(sequences[name].values)
        if len(values) == 0 or (values != values[0]).any():
            return None
        same[name] = values[0]
    length = sequences.sizes[POSITION]
    if int(same["end"]) - int(same["start"]) != length:
        return None
    numbers = np.arange(int(same["start"]), int(same["end"]), dtype=np.int64)
    if str(same.get("strand", "+")) == "-":
        numbers = numbers[::-1]
    attrs = {"long_name": f"position on {same['chrom']}", "units": "bp"}
    return xr.Variable((POSITION,), numbers, attrs)
