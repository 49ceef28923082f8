"""Kind `ContactMap`: distances between the residues of a structure."""

from __future__ import annotations

import numpy as np
import pydantic

from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import POSITION_I, POSITION_J

__all__ = ["ContactMap"]


class ContactMapAttributes(pydantic.BaseModel):
    """Attributes of a `ContactMap`."""

    atom: str = pydantic.Field(description="atom that distances are measured between")
    structure: str = pydantic.Field(default="", description="identifier of the structure")
    chain: str = pydantic.Field(default="", description="chain of the structure")


class ContactMap(Element):
    """Distances in space between residues; NaN where a residue is not in the structure.

    Positions are those of the sequence set it is compared with: alignment columns where the
    structure was mapped to an alignment, residues of the chain otherwise.
    """

    distance: np.float32 = variable(
        "distance in space",
        dims=(POSITION_I, POSITION_J),
        unit="angstrom",
        nullable=True,
        ge=0,
    )
    position_i: Coordinate[np.int64] = coordinate("position", dims=(POSITION_I,), unique=True)
    position_j: Coordinate[np.int64] = coordinate("position", dims=(POSITION_J,), unique=True)
    residue_number: Coordinate[np.int64] | None = coordinate(
        "number of the residue in the structure, -1 where it has none", dims=(POSITION_I,)
    )

    class Config:
        """Options of the pandera model."""

        attrs = ContactMapAttributes
