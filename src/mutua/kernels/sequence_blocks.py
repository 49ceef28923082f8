"""Sequences in canonical blocks, and the checked arguments of an analysis of their positions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mutua.errors import InvalidInput
from mutua.kernels.kmers import kmer_dtype

__all__ = [
    "BLOCK",
    "ArrayBlocks",
    "BlockSource",
    "CountedElsewhere",
    "FixedPointWeights",
    "PositionTask",
    "fixed_point_weights",
]

# Sequences in a block, whatever chunks the caller's data come in, so that what is drawn at random
# per block does not depend on chunks. A k-mer column of a block stays in the second-level cache.
BLOCK = 2**18


class BlockSource(Protocol):
    """Letter codes of a set of sequences, read block by block, as often as needed."""

    @property
    def n_sequences(self) -> int:
        """Number of sequences."""

    @property
    def n_positions(self) -> int:
        """Number of letters of each sequence."""

    @property
    def block_size(self) -> int:
        """Sequences in every block but the last: `BLOCK`, other values are for tests."""

    def block(self, number: int) -> NDArray[np.uint8]:
        """Give letter codes (sequence, position) of sequences from ``number * block_size`` on."""


@runtime_checkable
class CountedElsewhere(Protocol):
    """A `BlockSource` whose pairs of positions are counted by other processes.

    It gives the bits that counting here would give.
    """

    @property
    def n_together(self) -> int:
        """Permutations that it counts at the same time."""

    def fill_statistics(self, task: PositionTask, statistics: NDArray[np.float64]) -> None:
        """Fill `statistics` (n_fields, n_pairs) of the sequences as they are."""

    def fill_permuted(
        self, task: PositionTask, seed: int, first: int, statistics: NDArray[np.float64]
    ) -> None:
        """Fill `statistics` (n_permutations, n_fields, n_pairs) of permutations from `first` on."""


@dataclass(frozen=True)
class ArrayBlocks:
    """An array in memory as a `BlockSource`; the blocks are views.

    Attributes
    ----------
    codes
        (n_sequences, n_positions) uint8 letter codes.
    block_size
        Sequences in a block.
    """

    codes: NDArray[np.uint8]
    block_size: int = BLOCK

    def __post_init__(self) -> None:
        if self.codes.ndim != 2:
            raise InvalidInput(
                "codes",
                f"an array of {self.codes.ndim} dimensions",
                "give letter codes as (sequence, position)",
            )

    @property
    def n_sequences(self) -> int:
        """Number of sequences."""
        return self.codes.shape[0]

    @property
    def n_positions(self) -> int:
        """Number of letters of each sequence."""
        return self.codes.shape[1]

    def block(self, number: int) -> NDArray[np.uint8]:
        """Give the letter codes of one block."""
        start = number * self.block_size
        return self.codes[start : start + self.block_size]


@dataclass(frozen=True)
class FixedPointWeights:
    """Sequence weights as whole numbers of one unit, whose sums do not depend on their order.

    Attributes
    ----------
    units
        (n_sequences,) int64; adds up to about ``2**62``.
    unit
        The weight of one unit, a power of two.
    """

    units: NDArray[np.int64]
    unit: float


def fixed_point_weights(weights: NDArray[np.floating], n_sequences: int) -> FixedPointWeights:
    """Round weights to multiples of the smallest power of two for which sums cannot overflow.

    Weights below ``2**-63`` of the total become 0.

    Parameters
    ----------
    weights
        (n_sequences,) finite, at least 0, not all 0.

    Raises
    ------
    InvalidInput
        `weights` has another shape, or holds NaN, infinity, negative values or nothing but zeros.

    Examples
    --------
    >>> import numpy as np
    >>> fixed = fixed_point_weights(np.array([0.5, 1.0, 2.5]), 3)
    >>> fixed.units * fixed.unit
    array([0.5, 1. , 2.5])
    """
    weights = np.asarray(weights, np.float64)
    if weights.shape != (n_sequences,):
        raise InvalidInput(
            "weights",
            f"an array of shape {weights.shape} for {n_sequences} sequences",
            "give one weight per sequence",
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        bad = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
        raise InvalidInput(
            "weights",
            f"{weights[bad[0]]} for sequence {bad[0]} ({bad.size} such weights)",
            "use finite weights of at least 0",
        )
    total = float(weights.sum())
    if not 1e-100 < total < 1e100:
        found = "all weights are 0" if total == 0 else f"a total of {total:.3g}"
        raise InvalidInput("weights", found, "use weights of ordinary size, e.g. of mean 1")
    exponent = 62 - math.ceil(math.log2(total))
    return FixedPointWeights(
        np.rint(np.ldexp(weights, exponent)).astype(np.int64), math.ldexp(1.0, -exponent)
    )


@dataclass(frozen=True)
class PositionTask:
    """The arguments that every analysis of pairs of positions takes, checked once.

    Attributes
    ----------
    source
        The sequences.
    k
        Length of the k-mers.
    alphabet_size
        Number of letters.
    pseudocount
        Multiplier of the number of sequences.
    weights
        Sequence weights, in fixed point where they are those of a part of the sequences; or None.

    Raises
    ------
    InvalidInput
        Sequences too few or too short for two k-mers, a negative pseudocount, or unusable
        `k`, `alphabet_size` or `weights`.
    """

    source: BlockSource
    k: int
    alphabet_size: int
    pseudocount: float = 0.0
    weights: NDArray[np.floating] | FixedPointWeights | None = None

    def __post_init__(self) -> None:
        kmer_dtype(self.k, self.alphabet_size)
        if self.source.n_sequences < 1:
            raise InvalidInput("codes", "no sequences", "give at least one sequence")
        if self.source.n_sequences >= 2**32:
            raise InvalidInput(
                "codes", f"{self.source.n_sequences} sequences", "use fewer than 2**32"
            )
        if self.source.n_positions < 2 * self.k:
            raise InvalidInput(
                "codes",
                f"sequences of {self.source.n_positions} positions, too short for two k-mers "
                f"of {self.k} side by side",
                f"use sequences of at least {2 * self.k} positions or a smaller k",
            )
        if not (math.isfinite(self.pseudocount) and self.pseudocount >= 0):
            raise InvalidInput(
                "pseudocount", f"{self.pseudocount}", "use a finite number of at least 0"
            )
        _ = self.fixed_weights

    @cached_property
    def fixed_weights(self) -> FixedPointWeights | None:
        """The weights in fixed point."""
        if self.weights is None or isinstance(self.weights, FixedPointWeights):
            return self.weights
        return fixed_point_weights(self.weights, self.source.n_sequences)

    @property
    def n_sequences(self) -> int:
        """Number of sequences."""
        return self.source.n_sequences

    @property
    def n_positions(self) -> int:
        """Number of positions at which a k-mer starts."""
        return self.source.n_positions - self.k + 1

    @property
    def n_pairs(self) -> int:
        """Number of pairs of positions whose k-mers do not overlap."""
        return (self.n_positions - self.k) * (self.n_positions - self.k + 1) // 2

    @property
    def n_kmers(self) -> int:
        """Number of different k-mers."""
        return self.alphabet_size**self.k

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """First sequence of every block and of the one after it."""
        size = self.source.block_size
        return [
            (start, min(start + size, self.n_sequences))
            for start in range(0, self.n_sequences, size)
        ]

    def read(self, number: int) -> NDArray[np.uint8]:
        """Give the letter codes of one block, checked.

        Raises
        ------
        InvalidInput
            The source gives another shape or dtype than it says.
        """
        codes = self.source.block(number)
        start, stop = self.blocks[number]
        expected = (stop - start, self.source.n_positions)
        if codes.dtype != np.uint8 or codes.shape != expected:
            raise InvalidInput(
                "codes",
                f"{codes.dtype} of shape {codes.shape} in block {number}",
                f"give uint8 letter codes of shape {expected}",
            )
        return codes
