"""Kind `ProgramNetwork`: how gene programs (or genes) drive each other, and how conditions push."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import Fault
from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.digests import values_of
from mutua.models.dims import CONDITION, NODE, REGULATOR

__all__ = ["NETWORK_METHODS", "NODE_KINDS", "ProgramNetwork"]

NetworkMethod = Literal["exact", "pseudo_likelihood", "mcmc", "supplied"]
NodeKind = Literal["program", "gene"]
NETWORK_METHODS: tuple[str, ...] = get_args(NetworkMethod)
NODE_KINDS: tuple[str, ...] = get_args(NodeKind)
_EDGE = (NODE, REGULATOR)
_PUSH = (NODE, CONDITION)


class ProgramNetworkAttributes(pydantic.BaseModel):
    """Attributes of a `ProgramNetwork`."""

    method: NetworkMethod = pydantic.Field(description="how the network was inferred")
    directed: bool = pydantic.Field(description="whether couplings have a direction")
    node_kind: NodeKind = pydantic.Field(description="what the nodes are")
    kkt_residual: float = pydantic.Field(
        default=0.0, ge=0, description="largest violation of the conditions of the optimum"
    )
    n_bootstraps: int = pydantic.Field(default=0, ge=0, description="resamples of the cells")
    level: float = pydantic.Field(
        default=0.95, gt=0, lt=1, description="coverage of the intervals *_low to *_high"
    )


class ProgramNetwork(Element):
    """Couplings between nodes, shared by all conditions, and what each condition adds to a node.

    Positive couplings hold the states of two nodes alike, negative ones apart. The diagonal is
    the coupling of a node with itself: positive where it avoids the middle state.
    """

    coupling: np.float64 = variable("effect of the regulator on the node", dims=_EDGE)
    coupling_low: np.float64 | None = variable("lower end of its interval", dims=_EDGE)
    coupling_high: np.float64 | None = variable("upper end of its interval", dims=_EDGE)
    coupling_p: np.float64 | None = variable(
        "p-value of the coupling", dims=_EDGE, nullable=True, ge=0, le=1
    )
    coupling_q: np.float64 | None = variable(
        "false discovery rate (Benjamini-Hochberg)", dims=_EDGE, nullable=True, ge=0, le=1
    )
    response: np.float64 = variable("what the condition adds to the node", dims=_PUSH)
    response_low: np.float64 | None = variable("lower end of its interval", dims=_PUSH)
    response_high: np.float64 | None = variable("upper end of its interval", dims=_PUSH)
    response_relative: np.float64 | None = variable(
        "the response less that of the controls of the same batch", dims=_PUSH
    )
    response_relative_low: np.float64 | None = variable("lower end of its interval", dims=_PUSH)
    response_relative_high: np.float64 | None = variable("upper end of its interval", dims=_PUSH)
    response_relative_p: np.float64 | None = variable(
        "p-value of the relative response", dims=_PUSH, nullable=True, ge=0, le=1
    )
    response_relative_q: np.float64 | None = variable(
        "false discovery rate (Benjamini-Hochberg)", dims=_PUSH, nullable=True, ge=0, le=1
    )
    module: Coordinate[str] | None = coordinate("module of the node", dims=(NODE,))
    condition_group: Coordinate[str] | None = coordinate(
        "group of the condition", dims=(CONDITION,)
    )
    is_control: Coordinate[np.bool_] | None = coordinate(
        "whether the condition is a control", dims=(CONDITION,)
    )
    batch: Coordinate[str] | None = coordinate("batch of the condition", dims=(CONDITION,))
    n_cells: Coordinate[np.int64] | None = coordinate(
        "cells of the condition", dims=(CONDITION,), ge=0
    )
    node: Coordinate[str] = coordinate("name of the program or gene", dims=(NODE,), unique=True)
    regulator: Coordinate[str] = coordinate("the same names", dims=(REGULATOR,), unique=True)
    condition: Coordinate[str] = coordinate("name of the condition", dims=(CONDITION,), unique=True)

    class Config:
        """Options of the pandera model."""

        attrs = ProgramNetworkAttributes

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault where the regulators are not the nodes, or an undirected edge is."""
        names = [element.variables[dim].values for dim in _EDGE if dim in element.variables]
        if len(names) == 2 and not np.array_equal(names[0], names[1]):
            found = "are not those of 'node', in their order"
            yield Fault("coordinate 'regulator'", found, "use the same names for both")
        coupling = element.variables.get("coupling")
        if coupling is None or element.attrs.get("directed", True):
            return
        values = values_of(coupling)
        if values.shape[0] == values.shape[1] and not np.array_equal(values, values.T):
            remedy = "use (coupling + coupling.T) / 2, or say directed=True"
            yield Fault("variable 'coupling'", "is not symmetric, but not directed", remedy)
