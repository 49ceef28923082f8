"""Which genes set the states of gene programs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import anndata
import numpy as np
import xarray as xr
from scipy import sparse

from mutua.errors import InvalidInput
from mutua.kernels import program_regulators as kernel
from mutua.models import Dataset, ProgramRegulators, as_kind, checked, slots
from mutua.models.arguments import number
from mutua.models.build import ordered
from mutua.models.dims import PROGRAM, REGULATOR
from mutua.tl._module_tables import switch
from mutua.tl._network_conditions import Conditions, read_conditions
from mutua.tl._network_states import gene_states, program_states, warn_constant

__all__ = ["program_regulators"]


@checked
def program_regulators(
    adata: anndata.AnnData,
    *,
    condition: str,
    key: str = "programs",
    genes: str | Sequence[str] | None = None,
    layer: str | None = None,
    l1: float = 0.01,
    include_members: bool = True,
    tolerance: float = 1e-6,
) -> Dataset[ProgramRegulators]:
    r"""Give the genes that go with the state of each program, and in which direction.

    Programs and genes are low (-1), in the middle (0) or high (1) in a cell. The state s of
    program p in a cell with the gene states g has the probability

    .. math:: P(s) \propto \exp\left(a_p s^2 + s \left(b_p + \sum_j W_{pj} g_j\right)\right)

    Every program is a regression of its own, with an l1 penalty, so that few genes have a
    coupling W that is not 0.

    Parameters
    ----------
    adata
        Cells, with the programs of `mutua.tl.programs` and the expression of the genes.
    condition
        Column of ``obs``. Together, the cells of a condition count as the square root of their
        number.
    key
        The `key_added` of the programs.
    genes
        Which genes may be regulators, such as transcription factors: their names, or a column of
        booleans of ``var``; by default all.
    layer
        Layer with the expression; by default ``X``.
    l1
        Weight of the sum of absolute couplings, relative to the mean log-likelihood of a cell.
        The larger, the fewer regulators.
    include_members
        Let the genes that a program consists of be its regulators. They are part of its activity,
        so that most couplings are theirs.
    tolerance
        Stop once the conditions of the optimum are violated by no more.

    Returns
    -------
    ProgramRegulators
        ``coupling`` (program, regulator) W, ``self_coupling`` a, ``activity`` b, ``explained``:
        the share of the deviance of a model without genes that the genes explain, in the
        same cells; ``is_member``, where the weights of the programs are there.
        ``attrs["kkt_residual"]`` is what the tolerance speaks of.

    Raises
    ------
    InvalidInput
        If there are no states of programs, columns or genes are unknown, a value is missing, a
        condition has one cell, or an argument is out of its range.

    Warns
    -----
    UserWarning
        Naming programs with one state in all cells, and conditions with fewer than 25 cells; or
        if the tolerance was not reached.

    Notes
    -----
    The problem is convex: its optimum does not depend on a start. With strongly correlated genes
    the penalty picks some of them. Half of 0.0001 times the squares of a and b is added, which
    keeps them finite where a program is never in one of the states. The result does not depend on
    the number of threads. Couplings tell what goes together in cells, not what causes what.

    Source: Jiang et al., "D-SPIN constructs regulatory network models from multiplexed scRNA-seq
    data", bioRxiv 2023.04.19.537364.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> levels = random.integers(0, 3, (600, 4))
    >>> cells = anndata.AnnData(levels + random.normal(0, 0.01, (600, 4)))
    >>> cells.obs["drug"] = np.repeat(["none", "drug"], 300)
    >>> cells.obsm["X_programs_state"] = 1 - levels[:, 2:3]
    >>> cells.uns["programs"] = {
    ...     "result": "gene programs", "names": ["P0"], "features": cells.var_names.to_numpy(object)
    ... }
    >>> found = mt.tl.program_regulators(cells, condition="drug", l1=0.05)
    >>> found["coupling"].values[0].round(1).tolist()
    [0.0, 0.0, -4.9, 0.0]
    """
    l1 = number("l1", l1, low=0, open_low=True)
    tolerance = number("tolerance", tolerance, low=1e-12, high=0.1)
    include_members = switch("include_members", include_members)
    conditions = read_conditions(adata, condition, None, None)
    programs = program_states(adata, key)
    regulators = gene_states(adata, layer, genes)
    warn_constant(programs, stacklevel=4)
    members = _members(adata, key, regulators.names)
    allowed = np.ones((len(programs.names), len(regulators.names)), bool)
    if not include_members:
        if members is None:
            found = f"False, and varm[{key!r}] with the weights of the programs is not there"
            raise InvalidInput("include_members", found, "call tl.programs again")
        allowed = ~members
    fit = kernel.program_regulators(
        regulators.states,
        programs.states,
        _weights(conditions),
        l1=l1,
        allowed=allowed,
        tolerance=tolerance,
    )
    if fit.residual > tolerance:
        text = f"the conditions of the optimum are violated by {fit.residual:.1e}, "
        text += f"more than the tolerance of {tolerance:.0e}"
        warnings.warn(text, UserWarning, stacklevel=3)
    both, own = (PROGRAM, REGULATOR), (PROGRAM,)
    variables = {
        "coupling": (both, fit.coupling),
        "self_coupling": (own, fit.self_coupling),
        "activity": (own, fit.activity),
        "explained": (own, fit.explained),
    }
    if members is not None:
        variables["is_member"] = (both, members)
    result = xr.Dataset(
        variables,
        coords={PROGRAM: programs.names, REGULATOR: regulators.names},
        attrs={
            "l1": l1,
            "kkt_residual": fit.residual,
            "n_cells": adata.n_obs,
            "n_conditions": len(conditions.names),
        },
    )
    return as_kind(ProgramRegulators, ordered(ProgramRegulators, result))


def _members(adata: anndata.AnnData, key: str, names: list[str]) -> np.ndarray | None:
    """Give (program, gene): whether the gene has a weight; None without weights."""
    slot = slots.PROGRAMS.slots[slots.WEIGHT].key.format(key)
    if slot not in adata.varm:
        return None
    held = adata.varm[slot]
    weights = held.toarray() if sparse.issparse(held) else np.asarray(held)
    return np.asarray(weights[adata.var_names.get_indexer(names)] != 0).T


def _weights(conditions: Conditions) -> np.ndarray:
    """Give the weight of every cell: conditions by the square root of their number of cells."""
    own = 1 / np.sqrt(conditions.n_cells)
    weights = own[conditions.cells]
    return np.asarray(weights / weights.sum())
