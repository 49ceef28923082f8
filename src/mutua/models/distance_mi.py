"""Kind `DistanceMI`: dependency between positions as a function of their distance."""

from __future__ import annotations

import numpy as np
import pydantic

from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import DISTANCE

__all__ = ["DistanceMI"]


class DistanceMIAttributes(pydantic.BaseModel):
    """Attributes of a `DistanceMI`."""

    k: int = pydantic.Field(ge=1, description="length of the k-mers")
    measure: str = pydantic.Field(description="the measure that was summarised")
    variable: str = pydantic.Field(
        default="", description="the variable of the `PositionMI` that was summarised"
    )
    correction: str = pydantic.Field(
        default="", description="how `mi_corrected` of the `PositionMI` was corrected"
    )


class DistanceMI(Element):
    """Mean and maximum of a `PositionMI` over all pairs of positions at one distance."""

    mi_mean: np.float64 = variable("mean over pairs", dims=(DISTANCE,), unit="bits", nullable=True)
    mi_max: np.float64 = variable("largest pair", dims=(DISTANCE,), unit="bits", nullable=True)
    n_pairs: np.int64 = variable("pairs at that distance", dims=(DISTANCE,), ge=0)
    distance: Coordinate[np.int64] = coordinate(
        "distance between the starts of two k-mers", dims=(DISTANCE,), unique=True, ge=1
    )

    class Config:
        """Options of the pandera model."""

        attrs = DistanceMIAttributes
