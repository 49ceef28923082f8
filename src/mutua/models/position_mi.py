"""Kind `PositionMI`: the dependency between every two positions of a sequence set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import Fault
from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.digests import is_lazy, remembered, values_of
from mutua.models.dims import POSITION_I, POSITION_J

__all__ = ["CORRECTIONS", "MEASURES", "PositionMI", "square_faults", "symmetry_faults"]

Measure = Literal[
    "mi",
    "jensen_shannon",
    "inverse_jensen_shannon",
    "hellinger",
    "bhattacharyya",
    "inverse_bhattacharyya",
]
Correction = Literal["none", "miller_madow", "shuffle", "apc"]
MEASURES: tuple[str, ...] = get_args(Measure)
CORRECTIONS: tuple[str, ...] = get_args(Correction)
_PAIR = (POSITION_I, POSITION_J)


class PositionMIAttributes(pydantic.BaseModel):
    """Attributes of a `PositionMI`."""

    k: int = pydantic.Field(ge=1, description="length of the k-mers")
    alphabet: str = pydantic.Field(description="letters that the k-mers are made of")
    pseudocount: float = pydantic.Field(ge=0, description="pseudocount, as a multiple of N")
    n_sequences: int = pydantic.Field(ge=1, description="sequences that were counted")
    measure: Measure = pydantic.Field(description="what `mi` holds")
    correction: Correction = pydantic.Field(description="how `mi_corrected` was corrected")
    n_permutations: int = pydantic.Field(default=0, ge=0, description="permutations of the null")
    n_tests: int = pydantic.Field(default=0, ge=0, description="pairs that q-values account for")


class PositionMI(Element):
    """Dependency between the k-mers at every two positions, in bits.

    A symmetric square over the k-mer start positions; NaN where two k-mers overlap or where no
    sequence has both.
    """

    mi: np.float64 = variable(
        "mutual information (or the measure that attrs name)",
        dims=_PAIR,
        unit="bits",
        nullable=True,
    )
    mi_corrected: np.float64 | None = variable(
        "the measure less its bias, as attrs['correction'] says",
        dims=_PAIR,
        unit="bits",
        nullable=True,
    )
    mi_normalized: np.float64 | None = variable(
        "mutual information divided by the joint entropy", dims=_PAIR, nullable=True
    )
    mi_null: np.float64 | None = variable(
        "mean over permutations", dims=_PAIR, unit="bits", nullable=True
    )
    p_value: np.float64 | None = variable(
        "p-value of the pair by permutation", dims=_PAIR, nullable=True, ge=0, le=1
    )
    q_value: np.float64 | None = variable(
        "false discovery rate (Benjamini-Hochberg)", dims=_PAIR, nullable=True, ge=0, le=1
    )
    p_familywise: np.float64 | None = variable(
        "family-wise p-value (maximum over all pairs)", dims=_PAIR, nullable=True, ge=0, le=1
    )
    n_pair: np.float64 | None = variable(
        "sequences (or their weight) in which both k-mers are known",
        dims=_PAIR,
        nullable=True,
        ge=0,
    )
    position_i: Coordinate[np.int64] = coordinate(
        "position of the first k-mer", dims=(POSITION_I,), unique=True
    )
    position_j: Coordinate[np.int64] = coordinate(
        "position of the second k-mer", dims=(POSITION_J,), unique=True
    )

    class Config:
        """Options of the pandera model."""

        attrs = PositionMIAttributes

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault where the element is not a square."""
        yield from square_faults(element)

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault where the positions differ or the matrix is not symmetric."""
        yield from symmetry_faults(element, "mi")


def square_faults(element: xr.Dataset) -> Iterator[Fault]:
    """Yield a fault where the pairs of positions are no square."""
    sizes = element.sizes.get(POSITION_I), element.sizes.get(POSITION_J)
    if sizes[0] != sizes[1]:
        yield Fault("dims", f"{sizes[0]} x {sizes[1]} is no square", "use the same positions")


def symmetry_faults(element: xr.Dataset, name: str) -> Iterator[Fault]:
    """Yield a fault where the positions of both axes differ or a variable is not symmetric."""
    positions = [element.variables[dim].values for dim in _PAIR if dim in element.variables]
    if len(positions) == 2 and not np.array_equal(positions[0], positions[1]):
        found = "are not those of 'position_i'"
        yield Fault("coordinate 'position_j'", found, "use the same positions")
    matrix = element.variables.get(name)
    if matrix is None:
        return
    values = values_of(matrix)

    def symmetric() -> bool:
        return np.array_equal(values, values.T, equal_nan=True)

    if not (symmetric() if is_lazy(matrix) else remembered(values, "symmetric", symmetric)):
        yield Fault(f"variable '{name}'", "is not symmetric", f"use ({name} + {name}.T) / 2")
