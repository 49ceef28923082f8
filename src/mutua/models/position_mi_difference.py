"""Kind `PositionMIDifference`: where two sequence sets differ in the dependency of positions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import Fault
from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import POSITION_I, POSITION_J
from mutua.models.position_mi import square_faults, symmetry_faults

__all__ = ["DIFFERENCE_CORRECTIONS", "PositionMIDifference"]

Correction = Literal["none", "shuffle"]
DIFFERENCE_CORRECTIONS: tuple[str, ...] = get_args(Correction)
_PAIR = (POSITION_I, POSITION_J)


class PositionMIDifferenceAttributes(pydantic.BaseModel):
    """Attributes of a `PositionMIDifference`."""

    k: int = pydantic.Field(ge=1, description="length of the k-mers")
    alphabet: str = pydantic.Field(description="letters that the k-mers are made of")
    pseudocount: float = pydantic.Field(ge=0, description="pseudocount, as a multiple of N")
    n_sequences_a: int = pydantic.Field(ge=1, description="sequences of a that were counted")
    n_sequences_b: int = pydantic.Field(ge=1, description="sequences of b that were counted")
    name_a: str = pydantic.Field(min_length=1, description="what plots call a")
    name_b: str = pydantic.Field(min_length=1, description="what plots call b")
    correction: Correction = pydantic.Field(description="what `difference_null` allows for")
    n_permutations: int = pydantic.Field(default=0, ge=0, description="permutations of the labels")
    n_tests: int = pydantic.Field(default=0, ge=0, description="pairs that q-values account for")


class PositionMIDifference(Element):
    """Dependency between every two positions in one sequence set less that in another, in bits.

    A symmetric square over the k-mer start positions; NaN where two k-mers overlap or where no
    sequence of one of the sets has both.
    """

    mi_a: np.float64 = variable("mutual information in a", dims=_PAIR, unit="bits", nullable=True)
    mi_b: np.float64 = variable("mutual information in b", dims=_PAIR, unit="bits", nullable=True)
    difference: np.float64 = variable(
        "mutual information in a less that in b", dims=_PAIR, unit="bits", nullable=True
    )
    difference_null: np.float64 | None = variable(
        "difference to expect of sets that differ in what attrs['correction'] says only: "
        "in size (none), or in size and composition (shuffle)",
        dims=_PAIR,
        unit="bits",
        nullable=True,
    )
    difference_corrected: np.float64 | None = variable(
        "difference less the one to expect", dims=_PAIR, unit="bits", nullable=True
    )
    p_value: np.float64 | None = variable(
        "two-sided p-value of the pair by permutation", dims=_PAIR, nullable=True, ge=0, le=1
    )
    q_value: np.float64 | None = variable(
        "false discovery rate (Benjamini-Hochberg)", dims=_PAIR, nullable=True, ge=0, le=1
    )
    p_familywise: np.float64 | None = variable(
        "family-wise p-value (maximum over all pairs)", dims=_PAIR, nullable=True, ge=0, le=1
    )
    position_i: Coordinate[np.int64] = coordinate(
        "position of the first k-mer", dims=(POSITION_I,), unique=True
    )
    position_j: Coordinate[np.int64] = coordinate(
        "position of the second k-mer", dims=(POSITION_J,), unique=True
    )

    class Config:
        """Options of the pandera model."""

        attrs = PositionMIDifferenceAttributes

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault where the element is not a square."""
        yield from square_faults(element)

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault where the positions differ or the difference is not symmetric."""
        yield from symmetry_faults(element, "difference")
