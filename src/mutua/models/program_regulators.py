"""Kind `ProgramRegulators`: which genes set the state of each gene program."""

from __future__ import annotations

import numpy as np
import pydantic

from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import PROGRAM, REGULATOR

__all__ = ["ProgramRegulators"]


class ProgramRegulatorsAttributes(pydantic.BaseModel):
    """Attributes of a `ProgramRegulators`."""

    l1: float = pydantic.Field(gt=0, description="penalty of the absolute couplings")
    kkt_residual: float = pydantic.Field(
        ge=0, description="largest violation of the conditions of the optimum"
    )
    n_cells: int = pydantic.Field(ge=1, description="cells that were looked at")
    n_conditions: int = pydantic.Field(ge=1, description="conditions of these cells")


class ProgramRegulators(Element):
    """Effects of the states of genes on the states of programs, each program on its own.

    Positive couplings go with a high state of the program where the gene is high, negative ones
    with a low state. Most are exactly 0.
    """

    coupling: np.float64 = variable("effect of the gene on the program", dims=(PROGRAM, REGULATOR))
    self_coupling: np.float64 = variable(
        "how much the program avoids its middle state", dims=(PROGRAM,)
    )
    activity: np.float64 = variable(
        "push towards the high state where all genes are in the middle", dims=(PROGRAM,)
    )
    explained: np.float64 = variable(
        "share of the deviance that the genes explain", dims=(PROGRAM,), ge=0, le=1
    )
    is_member: np.bool_ | None = variable(
        "whether the gene has a weight in the program", dims=(PROGRAM, REGULATOR)
    )
    program: Coordinate[str] = coordinate("name of the program", dims=(PROGRAM,), unique=True)
    regulator: Coordinate[str] = coordinate("name of the gene", dims=(REGULATOR,), unique=True)

    class Config:
        """Options of the pandera model."""

        attrs = ProgramRegulatorsAttributes
