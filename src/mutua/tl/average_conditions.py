"""Responses of guides as responses of genes: conditions averaged by name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mutua.errors import InvalidInput
from mutua.models import Dataset, ProgramNetwork, as_kind, checked
from mutua.models.arguments import one_of
from mutua.models.build import ordered
from mutua.models.dims import CONDITION
from mutua.tl._module_tables import some

__all__ = ["average_conditions"]

_AVERAGED = ("response", "response_relative")
_N_CELLS, _IS_CONTROL, _BATCH = "n_cells", "is_control", "batch"


@checked
def average_conditions(
    network: Dataset[ProgramNetwork],
    *,
    groups: Mapping[str, str | None] | pd.Series,
    weights: str = "equal",
) -> Dataset[ProgramNetwork]:
    """Give the mean response over conditions of one name, such as all guides of a gene.

    Parameters
    ----------
    network
        Its couplings stay what they are.
    groups
        The new name of each condition, by the name it has: a mapping, or a Series with the
        conditions as its index. Conditions with the name None (or NaN) are left out. Every
        condition of the network needs an entry; entries for other conditions, such as guides
        that no cell had, are ignored with a warning.
    weights
        ``"equal"``: all conditions of a name count alike; ``"n_cells"``: by their cells.

    Returns
    -------
    ProgramNetwork
        With the new names as conditions, sorted. ``response`` and ``response_relative`` are
        means, ``n_cells`` sums; ``batch`` is kept if it is the same within every name.
        Intervals, p-values and q-values of responses are left out, as they do not follow from
        those of single conditions, and so is ``condition_group``.

    Raises
    ------
    InvalidInput
        If conditions have no entry (they are listed), none is left, a name has controls and
        other conditions, or there are no numbers of cells, or none of a name, to weigh by.

    Warns
    -----
    UserWarning
        For entries that are no condition of the network.

    Examples
    --------
    >>> import mutua as mt
    >>> cells, network = mt.datasets.simulate_perturbation_screen(n_programs=3, n_cells=600)
    >>> target = cells.obs.drop_duplicates("guide").set_index("guide")["target"]
    >>> genes = mt.tl.average_conditions(network, groups=target)
    >>> genes["condition"].values.tolist(), genes["n_cells"].values.tolist()
    (['R0', 'R1', 'R2', 'non-targeting'], [180, 180, 180, 60])
    """
    weights = one_of("weights", weights, ("equal", "n_cells"))
    conditions = [str(name) for name in network[CONDITION].values]
    labels = _labels(groups, conditions)
    codes, names = pd.factorize(labels, sort=True, use_na_sentinel=True)
    if not len(names):
        raise InvalidInput("groups", "no name for any condition", "name at least one")
    member = (codes[:, None] == np.arange(len(names))).astype(np.float64)
    if weights == "n_cells":
        if _N_CELLS not in network.coords:
            found = "'n_cells', and the network has no numbers of cells"
            raise InvalidInput("weights", found, "use 'equal'")
        member *= network[_N_CELLS].values[:, None]
        empty = [
            str(name) for name, total in zip(names, member.sum(axis=0), strict=True) if not total
        ]
        if empty:
            found = f"'n_cells', and no cells for {some(empty)}"
            raise InvalidInput("weights", found, "use 'equal', or leave them out")
    share = member / member.sum(axis=0)
    along = {name for name, part in network.variables.items() if CONDITION in part.dims}
    result = network.drop_vars(list(along))
    for name in _AVERAGED:
        if name in network:
            values = network[name].values @ share
            result[name] = ((network[name].dims[0], CONDITION), values)
    result = result.assign_coords({CONDITION: names.astype(object)})
    result = result.assign_coords(_coordinates(network, codes, names))
    return as_kind(ProgramNetwork, ordered(ProgramNetwork, result))


def _labels(groups: Any, conditions: list[str]) -> np.ndarray:
    """Give the new name of each condition, or None."""
    if isinstance(groups, pd.Series):
        twice = groups.index[groups.index.duplicated()]
        if len(twice):
            found = f"a Series whose index repeats {twice[0]!r}"
            raise InvalidInput("groups", found, "give each condition one name")
        groups = dict(zip(groups.index, groups.tolist(), strict=True))
    if not isinstance(groups, Mapping):
        found = f"a {type(groups).__name__}"
        raise InvalidInput("groups", found, "pass a mapping or a Series from conditions to names")
    given = {str(name): label for name, label in groups.items()}
    missing = [name for name in conditions if name not in given]
    if missing:
        found = f"no entry for {len(missing)} of {len(conditions)} conditions: "
        remedy = "name them, or give None to leave them out"
        raise InvalidInput("groups", found + some(missing, most=10), remedy)
    unknown = sorted(given.keys() - set(conditions))
    if unknown:
        text = f"{len(unknown)} entries of `groups` are no condition of the network: "
        warnings.warn(text + some(unknown, most=10), UserWarning, stacklevel=4)
    return np.array([None if pd.isna(given[n]) else str(given[n]) for n in conditions], object)


def _coordinates(
    network: xr.Dataset, codes: np.ndarray, names: np.ndarray
) -> dict[str, tuple[str, np.ndarray]]:
    """Give what is known of the new conditions."""
    found: dict[str, tuple[str, np.ndarray]] = {}
    used = codes >= 0
    if _N_CELLS in network.coords:
        total = np.zeros(len(names), np.int64)
        np.add.at(total, codes[used], network[_N_CELLS].values[used])
        found[_N_CELLS] = (CONDITION, total)
    first = np.array([np.flatnonzero(codes == group)[0] for group in range(len(names))])
    for name in (_IS_CONTROL, _BATCH):
        if name not in network.coords:
            continue
        values = network[name].values
        differs = used & (values != values[first[codes]])
        if not differs.any():
            found[name] = (CONDITION, values[first])
        elif name == _IS_CONTROL:
            mixed = some(names[np.unique(codes[differs])])
            text = f"controls and other conditions in {mixed}"
            raise InvalidInput("groups", text, "give controls names of their own")
    return found
