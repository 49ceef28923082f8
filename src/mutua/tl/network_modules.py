"""Modules of a program network, and groups of the conditions that push on them alike."""

from __future__ import annotations

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.signed_communities import attached_communities, signed_communities
from mutua.models import Dataset, ProgramNetwork, as_kind, checked
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.build import ordered
from mutua.models.dims import CONDITION, MODULE, NODE

__all__ = ["condition_groups", "network_modules"]

_GROUP = "condition_group"
_RESPONSES = ("response_relative", "response")


@checked
def network_modules(
    network: Dataset[ProgramNetwork],
    *,
    resolution: float = 2.0,
    n_starts: int = 20,
    seed: int = 0,
) -> Dataset[ProgramNetwork]:
    """Give the modules of a network: nodes that activate each other, and repress other modules.

    Positive and negative couplings are two layers of one graph. Modules hold more of the positive
    and less of the negative couplings than graphs with the same sums for every node would.

    Parameters
    ----------
    network
        Its couplings are taken without the diagonal. Those that have a direction are replaced by
        the mean of both directions, in which opposite signs cancel, as the states of the nodes
        would.
    resolution
        How much of what is expected by chance is taken off; larger values give more modules.
    n_starts
        Runs of the Leiden algorithm, in turn from nodes that are all alone and from random
        modules. The best result is taken.
    seed
        Of all that is random.

    Returns
    -------
    ProgramNetwork
        With the coordinate ``module`` (node): ``"1"`` is the largest module; among equals that
        with the first node. A node without couplings is a module of its own. What was known of
        `condition_group`, which depends on the modules, is left out.

    Raises
    ------
    InvalidInput
        For an argument out of its range, or couplings that are not finite.
    MissingDependency
        Without igraph and leidenalg (``pip install 'mutua[leiden]'``).

    References
    ----------
    Reichardt and Bornholdt 2006, Phys. Rev. E 74:016110 (quality); Traag and Bruggeman 2009,
    Phys. Rev. E 80:036115 (signs); Traag, Waltman and van Eck 2019, Scientific Reports 9:5233.

    Examples
    --------
    >>> import numpy as np
    >>> import mutua as mt
    >>> side = np.array([1, -1, 1, -1, 1])
    >>> coupling = np.outer(side, side) * (1.0 - np.eye(5))
    >>> names = [f"P{i}" for i in range(5)]
    >>> network = mt.ProgramNetwork.build(
    ...     coupling=coupling, response=np.zeros((5, 1)), node=names, regulator=names,
    ...     condition=["control"], method="supplied", directed=False, node_kind="program",
    ... )
    >>> mt.tl.network_modules(network)["module"].values.tolist()
    ['1', '2', '1', '2', '1']
    """
    resolution, n_starts, seed = _options(resolution, n_starts, seed)
    labels = signed_communities(
        _edges(network), resolution=resolution, seed=seed, n_starts=n_starts
    )
    result = network.drop_vars(_GROUP, errors="ignore")
    result = result.assign_coords({MODULE: (NODE, _names(labels))})
    return as_kind(ProgramNetwork, ordered(ProgramNetwork, result))


@checked
def condition_groups(
    network: Dataset[ProgramNetwork],
    *,
    response: str | None = None,
    resolution: float = 2.0,
    n_starts: int = 20,
    seed: int = 0,
) -> Dataset[ProgramNetwork]:
    """Give groups of conditions that push on the modules of a network alike.

    The conditions become further nodes of the graph, tied to programs by their responses, with
    positive and negative ones in the two layers of `mutua.tl.network_modules`. Programs stay in
    their modules; conditions join a module that they push up, or form groups of their own.

    Parameters
    ----------
    network
        With modules, from `mutua.tl.network_modules`.
    response
        Which variable ties conditions to programs: ``"response_relative"`` or ``"response"``; by
        default the first if it is there.
    resolution, n_starts, seed
        As for `mutua.tl.network_modules`. In the first and every second start all conditions
        begin in one new group, in the others at random.

    Returns
    -------
    ProgramNetwork
        With the coordinate ``condition_group`` (condition). Groups are in ascending order of the
        mean absolute response over their conditions and all programs: ``"1"`` does least. Controls
        are conditions like all others.

    Raises
    ------
    InvalidInput
        Without modules, without the variable, for responses that are not finite, or an argument
        out of its range.
    MissingDependency
        Without igraph and leidenalg (``pip install 'mutua[leiden]'``).

    Notes
    -----
    The quality is never below that of one group of all conditions.

    Examples
    --------
    >>> import numpy as np
    >>> import mutua as mt
    >>> side = np.array([1, -1, 1, -1, 1])
    >>> coupling = np.outer(side, side) * (1.0 - np.eye(5))
    >>> names = [f"P{i}" for i in range(5)]
    >>> network = mt.ProgramNetwork.build(
    ...     coupling=coupling, response=np.outer(side, [0.1, 2, -1, 3, -2]),
    ...     node=names, regulator=names, condition=["control", "A", "B", "C", "D"],
    ...     method="supplied", directed=False, node_kind="program",
    ... )
    >>> network = mt.tl.network_modules(network)
    >>> mt.tl.condition_groups(network)["condition_group"].values.tolist()
    ['2', '2', '1', '2', '1']
    """
    resolution, n_starts, seed = _options(resolution, n_starts, seed)
    if MODULE not in network.coords:
        raise InvalidInput("network", "no modules", "call tl.network_modules first")
    push = _responses(network, response)
    modules = network[MODULE].values.astype(object).astype(str)  # strings of a store too
    fixed = np.unique(modules, return_inverse=True)[1]
    edges = _edges(network)
    nothing = np.zeros((push.shape[1], push.shape[1]))
    labels = attached_communities(
        np.block([[edges, push], [push.T, nothing]]),
        fixed.astype(np.int64),
        resolution=resolution,
        seed=seed,
        n_starts=n_starts,
    )[len(fixed) :]
    found, which = np.unique(labels, return_inverse=True)
    strength = np.abs(push).mean(axis=0)
    mean = np.bincount(which, strength) / np.bincount(which)
    first = np.array([np.flatnonzero(which == group)[0] for group in range(len(found))])
    rank = np.empty(len(found), np.int64)
    rank[np.lexsort((first, mean))] = np.arange(len(found))
    result = network.assign_coords({_GROUP: (CONDITION, _names(rank[which]))})
    return as_kind(ProgramNetwork, ordered(ProgramNetwork, result))


def _options(resolution: float, n_starts: int, seed: int) -> tuple[float, int, int]:
    return (
        number("resolution", resolution, low=0, open_low=True),
        whole_number("n_starts", n_starts, low=1),
        whole_number("seed", seed, low=0),
    )


def _edges(network: Dataset[ProgramNetwork]) -> np.ndarray:
    """Give the couplings, symmetric and without a diagonal, as an array of its own."""
    coupling = np.asarray(network["coupling"].values, np.float64)
    _refuse_not_finite("coupling", coupling)
    edges = (coupling + coupling.T) / 2
    np.fill_diagonal(edges, 0.0)
    return edges


def _responses(network: Dataset[ProgramNetwork], response: str | None) -> np.ndarray:
    if response is None:
        response = next(name for name in _RESPONSES if name in network)
    if one_of("response", response, _RESPONSES) not in network:
        remedy = "infer the network with controls, or use response='response'"
        raise InvalidInput("response", f"the network has no {response!r}", remedy)
    values = np.asarray(network[response].values, np.float64)
    _refuse_not_finite(response, values)
    return values


def _refuse_not_finite(name: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise InvalidInput("network", f"{name!r} has infinite values", "use finite numbers")


def _names(numbers: np.ndarray) -> np.ndarray:
    return np.array([str(place + 1) for place in numbers.tolist()], object)
