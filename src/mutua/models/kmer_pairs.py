"""Kind `KmerPairs`: which pairs of k-mers make the dependency of two positions."""

from __future__ import annotations

import numpy as np
import pydantic

from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import KMER_I, KMER_J

__all__ = ["KmerPairs"]

_PAIR = (KMER_I, KMER_J)


class KmerPairsAttributes(pydantic.BaseModel):
    """Attributes of a `KmerPairs`."""

    position_i: int = pydantic.Field(description="position of the first k-mer")
    position_j: int = pydantic.Field(description="position of the second k-mer")
    k: int = pydantic.Field(ge=1, description="length of the k-mers")
    pseudocount: float = pydantic.Field(ge=0, description="pseudocount, as a multiple of N")


class KmerPairs(Element):
    """The k-mer x k-mer table of one pair of positions."""

    observed: np.float64 = variable(
        "sequences (or their weight) with both k-mers", dims=_PAIR, unit="sequences", ge=0
    )
    expected: np.float64 = variable(
        "the same if the two positions were independent", dims=_PAIR, unit="sequences", ge=0
    )
    contribution: np.float64 = variable(
        "part of the mutual information; negative where a pair is avoided", dims=_PAIR, unit="bits"
    )
    kmer_i: Coordinate[str] = coordinate("k-mer at position_i", dims=(KMER_I,), unique=True)
    kmer_j: Coordinate[str] = coordinate("k-mer at position_j", dims=(KMER_J,), unique=True)

    class Config:
        """Options of the pandera model."""

        attrs = KmerPairsAttributes
