"""Named regularisation of a network, and what is known of it beforehand, by names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from mutua.errors import InvalidInput
from mutua.kernels.spin_problem import Penalty
from mutua.models.arguments import number
from mutua.tl._module_tables import some
from mutua.tl._network_conditions import Conditions

__all__ = ["REGULARIZATION", "read_penalty"]

REGULARIZATION: Final[Mapping[str, float]] = {
    "l1_coupling": 0.005,
    "l2_coupling": 0.0,
    "l1_response": 0.0,
    "l2_response": 0.005,
    "l1_relative": 0.0,
    "l2_relative": 0.2,
    "l1_outside_prior": 0.01,
    "l2_target": 0.5,
}
"""Names and defaults."""


def read_penalty(
    regularization: Mapping[str, float] | None,
    prior_network: Any,
    targets: Any,
    nodes: Sequence[str],
    conditions: Conditions,
    *,
    directed: bool,
) -> Penalty:
    """Give what is added to the objective.

    Raises
    ------
    InvalidInput
        For unknown names, negative numbers, a prior or targets of other nodes or conditions, and
        what needs controls without them.
    """
    strength = _strengths(regularization)
    given = dict(regularization or {})
    for name, needed in (("l1_outside_prior", prior_network), ("l2_target", targets)):
        if name in given and needed is None:
            other = "prior_network" if name == "l1_outside_prior" else "targets"
            raise InvalidInput("regularization", f"{name!r} without {other}", f"give {other}")
    needed = ["l1_relative"] if strength["l1_relative"] else []
    needed += [] if targets is None else ["targets"]
    if needed and conditions.is_control is None:
        raise InvalidInput("control", f"None, with {', '.join(needed)}", "say what controls are")
    if strength["l1_response"] and strength["l1_relative"]:
        found = "both l1_response and l1_relative"
        raise InvalidInput("regularization", found, "use one of them")
    l1 = np.full((len(nodes), len(nodes)), strength["l1_coupling"])
    if prior_network is not None:
        inside = _prior(prior_network, nodes, directed)
        l1 = l1 + strength["l1_outside_prior"] * ~inside
    return Penalty(
        l1_coupling=l1,
        l2_coupling=strength["l2_coupling"],
        l1_response=strength["l1_response"],
        l2_response=strength["l2_response"],
        l1_relative=strength["l1_relative"],
        l2_relative=strength["l2_relative"],
        l2_target=strength["l2_target"] if targets is not None else 0.0,
        target=None if targets is None else _targets(targets, nodes, conditions),
        controls=conditions.controls,
        is_control=conditions.is_control,
    )


def _strengths(given: Mapping[str, float] | None) -> dict[str, float]:
    if given is not None and not isinstance(given, Mapping):
        remedy = f"use a mapping with names among {list(REGULARIZATION)}"
        raise InvalidInput("regularization", f"a {type(given).__name__}", remedy)
    unknown = [name for name in given or {} if name not in REGULARIZATION]
    if unknown:
        raise InvalidInput(
            "regularization", f"unknown {some(unknown)}", f"use names among {list(REGULARIZATION)}"
        )
    read = {
        name: number(f"regularization[{name!r}]", value, low=0)
        for name, value in (given or {}).items()
    }
    return dict(REGULARIZATION) | read


def _frame(argument: str, value: Any, rows: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Give a table with these rows and columns, by name; what it leaves out is missing."""
    if not isinstance(value, pd.DataFrame):
        remedy = "use a data frame with names of rows and columns"
        raise InvalidInput(argument, f"a {type(value).__name__}", remedy)
    for what, have, known in (("row", value.index, rows), ("column", value.columns, columns)):
        labels = [str(label) for label in have]
        if len(set(labels)) < len(labels):
            raise InvalidInput(argument, f"names of {what}s repeat", "name each once")
        unknown = sorted(set(labels) - set(known))
        if unknown:
            remedy = f"use names such as {known[0]!r}"
            raise InvalidInput(argument, f"{what} {some(unknown)} is not there", remedy)
    named = value.set_axis([str(name) for name in value.index], axis=0)
    named = named.set_axis([str(name) for name in value.columns], axis=1)
    try:
        return named.astype(float).reindex(index=list(rows), columns=list(columns))
    except (TypeError, ValueError):
        raise InvalidInput(argument, "values that are no numbers", "use numbers") from None


def _prior(value: Any, nodes: Sequence[str], directed: bool) -> npt.NDArray[np.bool_]:
    table = _frame("prior_network", value, nodes, nodes).to_numpy()
    if not np.isin(table[~np.isnan(table)], (0, 1)).all():
        raise InvalidInput("prior_network", "values other than 0 and 1", "use True for an edge")
    inside = np.nan_to_num(table).astype(bool)
    np.fill_diagonal(inside, True)
    return np.asarray(inside if directed else inside | inside.T)


def _targets(value: Any, nodes: Sequence[str], conditions: Conditions) -> npt.NDArray[np.float64]:
    table = _frame("targets", value, nodes, conditions.names).to_numpy()
    if np.isinf(table).any():
        raise InvalidInput("targets", "infinite values", "use numbers, or NaN for unknown")
    known = ~np.isnan(table).all(axis=0)
    if conditions.is_control is not None and (known & conditions.is_control).any():
        named = [conditions.names[k] for k in np.flatnonzero(known & conditions.is_control)]
        raise InvalidInput("targets", f"of the control {some(named)}", "leave controls out")
    return np.asarray(table)
