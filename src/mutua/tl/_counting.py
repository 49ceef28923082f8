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
    "places",
    "position_numbers",
    "saying_sequences",
    "sequence_blocks",
    "sequence_weights",
    "with_gaps",
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
        return with_gaps(values, self.gap_code)


def with_gaps(values: np.ndarray, gap_code: int | None) -> np.ndarray:
    """Turn unknown letters into the gap letter, where there is one."""
    if gap_code is None:
        return values
    return np.where(values == UNKNOWN, np.uint8(gap_code), values)


def sequence_blocks(
    sequences: Dataset[SequenceSet], gap: str, k: int
) -> tuple[SequenceBlocks, int]:
    """Give the codes in blocks and the number of letters; k-mers must be of adjacent letters."""
    _refuse_apart(sequences, k)
    size = len(sequences.attrs["alphabet"])
    if gap == "symbol":
        return SequenceBlocks(sequences[CODES], size), size + 1
    return SequenceBlocks(sequences[CODES], None), size


def _refuse_apart(sequences: Dataset[SequenceSet], k: int) -> None:
    """Refuse k-mers of positions that their numbers tell to be no neighbours."""
    if k == 1 or POSITION not in sequences.coords:
        return
    numbers = sequences[POSITION].values
    steps = np.diff(places(numbers))
    apart = np.flatnonzero((np.abs(steps) != 1) | (steps != steps[:1]))
    if len(apart):
        first, second = numbers[apart[0] : apart[0] + 2].tolist()
        raise InvalidInput(
            "k",
            f"{k}, but positions {first} and {second} stand side by side in the sequences and are "
            "no neighbours",
            "use k=1 or positions without gaps, in order; if their numbers mean something else, "
            "number them anew with mutua.pp.number_positions",
        )


def places(numbers: np.ndarray) -> np.ndarray:
    """Give numbers of positions so that neighbours differ by 1: -1 and 1 do if there is no 0."""
    return np.where(numbers < 0, numbers + 1, numbers) if 0 not in numbers else numbers


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
def saying_sequences(argument: str = "sequences") -> Iterator[None]:
    """Let errors of the kernels name the argument that the caller knows."""
    try:
        yield
    except InvalidInput as error:
        names = {"codes": argument, "weights": f"{argument}['weight']"}
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
