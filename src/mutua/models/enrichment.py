"""Kind `Enrichment`: which terms are more frequent in which groups."""

from __future__ import annotations

import numpy as np
import pydantic

from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import GROUP, TERM

__all__ = ["Enrichment"]

_PAIR = (TERM, GROUP)


class EnrichmentAttributes(pydantic.BaseModel):
    """Attributes of an `Enrichment`."""

    n: int = pydantic.Field(ge=0, description="sequences, genes or cells that were looked at")
    test: str = pydantic.Field(description="how p-values were computed")
    n_tests: int = pydantic.Field(ge=0, description="pairs that q-values account for")


class Enrichment(Element):
    """How often terms (motifs, gene sets) occur in groups (clusters, gene programs)."""

    n_both: np.int64 = variable("members of the group with the term", dims=_PAIR, ge=0)
    expected: np.float64 = variable("the same by chance", dims=_PAIR, ge=0)
    odds_ratio: np.float64 = variable(
        "odds of the term inside over outside the group", dims=_PAIR, nullable=True, ge=0
    )
    p_value: np.float64 = variable("one-sided p-value", dims=_PAIR, nullable=True, ge=0, le=1)
    q_value: np.float64 = variable("false discovery rate", dims=_PAIR, nullable=True, ge=0, le=1)
    n_term: np.int64 = variable("all with the term", dims=(TERM,), ge=0)
    n_group: np.int64 = variable("all members of the group", dims=(GROUP,), ge=0)
    term: Coordinate[str] = coordinate("name of the term", dims=(TERM,), unique=True)
    group: Coordinate[str] = coordinate("name of the group", dims=(GROUP,), unique=True)

    class Config:
        """Options of the pandera model."""

        attrs = EnrichmentAttributes
