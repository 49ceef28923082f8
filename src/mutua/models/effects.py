"""Kind `Effects`: what a model predicts before and after changes to its sequences."""

from __future__ import annotations

import numpy as np
import pydantic

from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import EXPERIMENT, SEQUENCE, TARGET

__all__ = ["Effects"]


class EffectsAttributes(pydantic.BaseModel):
    """Attributes of an `Effects`."""

    procedure: str = pydantic.Field(description="the function that changed the sequences")


class Effects(Element):
    """Predictions for sequences as they are and after each of several changes."""

    before: np.float32 = variable(
        "prediction for the sequence as it is", dims=(SEQUENCE, TARGET), nullable=True
    )
    after: np.float32 = variable(
        "prediction after the change, averaged over its random parts",
        dims=(SEQUENCE, EXPERIMENT, TARGET),
        nullable=True,
    )
    after_std: np.float32 | None = variable(
        "standard deviation over its random parts",
        dims=(SEQUENCE, EXPERIMENT, TARGET),
        nullable=True,
        ge=0,
    )
    experiment: Coordinate[str] = coordinate("what was changed", dims=(EXPERIMENT,), unique=True)
    name: Coordinate[str] | None = coordinate(
        "name of the motif that the experiment is about", dims=(EXPERIMENT,)
    )
    spacing: Coordinate[np.int64] | None = coordinate(
        "letters between two motifs", dims=(EXPERIMENT,), unit="letters"
    )
    target: Coordinate[str] | None = coordinate(
        "name of a model output", dims=(TARGET,), unique=True
    )
    sequence_id: Coordinate[str] | None = coordinate("name of the sequence", dims=(SEQUENCE,))
    variant: Coordinate[str] | None = coordinate("name of the variant", dims=(SEQUENCE,))
    ref: Coordinate[str] | None = coordinate("letters of the reference", dims=(SEQUENCE,))
    alt: Coordinate[str] | None = coordinate("letters of the variant", dims=(SEQUENCE,))

    class Config:
        """Options of the pandera model."""

        attrs = EffectsAttributes
