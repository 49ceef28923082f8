"""The order of nodes and conditions on plots of a program network, and where groups end."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.models.dims import CONDITION, MODULE
from mutua.pl._cells import clustered
from mutua.pl._table_labels import natural_key

__all__ = [
    "CONDITION_GROUP",
    "Order",
    "condition_order",
    "finite",
    "node_order",
    "nodes_are",
    "response_name",
]

CONDITION_GROUP = "condition_group"
_RESPONSES = ("response_relative", "response")


class Order(NamedTuple):
    """An order, and the group of everything in it."""

    places: np.ndarray
    """Place in the element of what stands first, second and so on."""
    groups: list[tuple[str, int]]
    """Name and size of each group in turn; none where there are no groups."""


def node_order(network: xr.Dataset, *, cluster: bool) -> Order:
    """Give the nodes module by module, inside of one those with similar couplings side by side."""
    coupling = finite(network, "coupling")
    if not len(coupling):
        raise InvalidInput("network", "no nodes", "give at least one")
    coupling = np.where(np.eye(len(coupling), dtype=bool), 0.0, coupling)
    return _ordered(network, MODULE, np.concatenate([coupling, coupling.T], axis=1), cluster)


def condition_order(network: xr.Dataset, response: np.ndarray, *, cluster: bool) -> Order:
    """Give the conditions group by group, inside of one those of similar responses side by side.

    Parameters
    ----------
    network
        May have groups of conditions.
    response
        float64 (node, condition): decides which conditions are similar.
    cluster
        False keeps the order of the element inside of groups.
    """
    if not network.sizes[CONDITION]:
        raise InvalidInput("network", "no conditions", "give at least one")
    return _ordered(network, CONDITION_GROUP, response.T, cluster)


def response_name(network: xr.Dataset, variable: str | None) -> str:
    """Give the responses to draw: the relative ones where they are there, or those asked for."""
    there = [name for name in _RESPONSES if name in network]
    if variable is None:
        return there[0]
    if not isinstance(variable, str) or variable not in _RESPONSES:
        raise InvalidInput("variable", f"{variable!r}", f"use one of {list(_RESPONSES)}")
    if variable not in there:
        remedy = "infer the network with controls, or use variable='response'"
        raise InvalidInput("variable", f"the network has no {variable!r}", remedy)
    return variable


def finite(network: xr.Dataset, name: str) -> np.ndarray:
    """Give a variable as float64, or refuse it where values are not finite."""
    values = np.asarray(network[name].values, np.float64)
    if not np.isfinite(values).all():
        remedy = "infer the network again, with a larger penalty"
        raise InvalidInput("network", f"{name} with values that are not finite", remedy)
    return values


def nodes_are(network: xr.Dataset, n: int = 2) -> str:
    """Give what the nodes are called on an axis."""
    name = str(network.attrs["node_kind"])
    return name if n == 1 else f"{name}s"


def _ordered(network: xr.Dataset, group: str, rows: np.ndarray, cluster: bool) -> Order:
    everything = np.arange(len(rows))
    if group not in network.coords:
        return Order(everything[clustered(rows)] if cluster else everything, [])
    names = network[group].values.astype(object).astype(str)  # strings of a store too
    found = sorted(set(names.tolist()), key=natural_key)
    parts = [np.flatnonzero(names == name) for name in found]
    if cluster:
        parts = [part[clustered(rows[part])] for part in parts]
    groups = [(name, len(part)) for name, part in zip(found, parts, strict=True)]
    return Order(np.concatenate(parts), groups)
