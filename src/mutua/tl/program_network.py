"""A signed regulatory network between programs or genes, and what each condition does to it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import anndata
import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import stdtr, stdtrit

from mutua import stats
from mutua.errors import InvalidInput
from mutua.kernels.devices import torch_gpu
from mutua.kernels.spin_fit import MOST_EXACT_NODES, Fit, fit_network
from mutua.kernels.spin_states import count_states
from mutua.models import Dataset, ProgramNetwork, as_kind, checked
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import CONDITION, NODE, REGULATOR
from mutua.settings import available_threads
from mutua.tl._module_tables import switch
from mutua.tl._network_conditions import Conditions, read_conditions
from mutua.tl._network_penalty import read_penalty
from mutua.tl._network_states import gene_states, program_states, warn_constant

__all__ = ["program_network"]

_METHODS = ("auto", "exact", "pseudo_likelihood", "mcmc")
_AUTO_EXACT, _AUTO_MCMC, _AUTO_CONDITIONS = 12, 25, 30
_EVALUATIONS, _OF_BOOTSTRAP = 100, 20  # of the pseudo-likelihood, as they come to be
_RATE, _LONG = 5e9, 5  # operations in a second on a thread; minutes
_EDGE, _PUSH = (NODE, REGULATOR), (NODE, CONDITION)
_LABELS = {name: spec.description for name, spec in ProgramNetwork.specs().items()}


@checked
def program_network(
    adata: anndata.AnnData,
    *,
    condition: str,
    control: str | Sequence[str] | None = None,
    batch: str | None = None,
    level: str = "program",
    method: str = "auto",
    directed: bool = False,
    key: str = "programs",
    layer: str | None = None,
    genes: str | Sequence[str] | None = None,
    regularization: Mapping[str, float] | None = None,
    prior_network: pd.DataFrame | None = None,
    targets: pd.DataFrame | None = None,
    n_bootstraps: int = 0,
    coverage: float = 0.95,
    n_samples: int = 8192,
    tolerance: float = 1e-6,
    seed: int = 0,
    device: str | None = None,
) -> Dataset[ProgramNetwork]:
    r"""Give the network between programs or genes, and how each condition pushes on it.

    Every node is low (-1), in the middle (0) or high (1) in a cell. In condition k a cell has the
    states s with probability

    .. math:: P_k(s) \propto \exp\left(\sum_i h_{ik} s_i + \sum_{i<j} J_{ij} s_i s_j
              + \sum_i J_{ii} s_i^2\right)

    The couplings J are shared by all conditions, the responses h are those of a condition. All
    conditions count alike, whatever their number of cells.

    Parameters
    ----------
    adata
        Cells, with programs (`mutua.tl.programs`) or genes.
    condition
        Column of ``obs``: the perturbation, guide or sample of the cell. At least 25 cells of each
        are needed for responses of any certainty.
    control
        Conditions that are controls: their labels, or a column of ``obs`` of True and False.
        Relative responses need them.
    batch
        Column of ``obs``. All cells of a condition are in one batch: where a guide is in several,
        use the guide and the batch together as `condition`.
    level
        ``"program"``: the states of the programs under `key`; ``"gene"``: three levels of the
        expression of genes, each gene on its own.
    method
        The likelihood to maximise. ``"exact"`` sums over all states, for up to 16 nodes.
        ``"pseudo_likelihood"``, the product of the probabilities of each node given all others,
        has no limit, and with many cells nearly the same optimum. ``"mcmc"`` estimates the
        exact likelihood from Markov chains. ``"auto"``: the pseudo-likelihood if directed or with
        more than 30 conditions; else exact up to 12 nodes, mcmc up to 25, and the
        pseudo-likelihood above.
    directed
        Let the coupling of two nodes differ in the two directions, which the pseudo-likelihood
        can.
    key
        The `key_added` of the programs.
    layer, genes
        Of the level gene: where the expression stands, by default ``X``; and names of genes, or a
        column of booleans of ``var``, by default all genes. Time grows with the square of their
        number: regulators and what they regulate are better than all genes.
    regularization
        Changes of the strengths of penalties, by name. ``l1`` are factors of sums of absolute
        values, ``l2`` of half the sums of squares, relative to the mean log-likelihood of a cell;
        those of couplings relative to its mean over the conditions.

        ``l1_coupling`` (0.005), ``l2_coupling`` (0)
            Of couplings, those of nodes with themselves too.
        ``l1_response`` (0), ``l2_response`` (0.005)
            Of responses.
        ``l1_relative`` (0), ``l2_relative`` (0.2)
            Of relative responses; ``l1_relative`` not together with ``l1_response``. They make
            couplings explain how conditions differ, as far as they can: without them couplings
            are learned from the differences between cells of a condition only. Without controls
            ``l2_relative`` is of the difference from the mean response of the batch.
        ``l1_outside_prior`` (0.01)
            Added to ``l1_coupling`` outside `prior_network`.
        ``l2_target`` (0.5)
            Of the difference of relative responses from `targets`.
    prior_network
        Edges that are likely: True or 1 by node (row) and regulator (column), by name; what is
        not there is False.
    targets
        Relative responses that are expected, by node and condition, by name: such as -1 where a
        guide knocks a gene down. What is missing is unknown.
    n_bootstraps
        Resamples of the cells of each condition, for intervals and p-values: 100 or more.
    coverage
        Coverage of the intervals.
    n_samples
        Of the method mcmc: states for each condition, 1,024 or more.
    tolerance
        Stop once the conditions of the optimum are violated by no more, in units of the mean
        states and products of a cell.
    seed
        Seed of resamples and Markov chains, 0 to ``2**32 - 1``.
    device
        ``"auto"`` (a usable GPU where it is worth it, else the CPU), ``"cpu"`` or ``"cuda"``; by
        default that of `mutua.settings`.

    Returns
    -------
    ProgramNetwork
        ``coupling`` (node, regulator), symmetric unless directed: row = target, column =
        regulator. ``response`` (node, condition). ``response_relative`` where there are controls:
        the response less the mean response of the controls of the batch, or of all batches if
        it has none. With bootstraps ``*_low`` and ``*_high``; ``coupling_p``, ``coupling_q`` off
        the diagonal, ``response_relative_p``, ``response_relative_q`` (Benjamini-Hochberg over all
        pairs of nodes, and over the nodes of all conditions that are no controls).
        ``attrs["kkt_residual"]`` is what the tolerance speaks of; that of mcmc is the one that
        new chains say, about 0.01 with the default `n_samples`. Conditions are in the order of
        their categories, else sorted.

    Raises
    ------
    InvalidInput
        Columns that are not there or have missing values; a condition of one cell, in several
        batches, or of both controls and others; controls that are not there; no programs under
        `key`; unknown genes, names of penalties, nodes or conditions; a directed network by
        another method than the pseudo-likelihood; more than 16 nodes with the method exact.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU; Markov chains need one that numba can use
        (``pip install 'mutua[cuda]'``).
    MemoryLimit
        Where the memory of the GPU does not hold the states of the cells.

    Warns
    -----
    UserWarning
        Naming conditions of fewer than 25 cells, batches without controls, and nodes with one
        state in all cells; where the pseudo-likelihood may take more than five minutes, with an
        estimate; or if the tolerance was not reached.

    Notes
    -----
    Intervals and p-values take the estimate over its standard deviation among bootstraps as
    Student's t, with as many degrees of freedom as there are bootstraps less one. The l1 penalty
    draws couplings towards 0, so that the p-values of couplings are on the safe side. They
    speak of the cells at hand: effects that differ from guide to guide need several guides for each
    target.

    The defaults are those with which simulated networks were found best. The problem of D-SPIN
    itself has ``{"l1_coupling": 0.01, "l2_relative": 0}``, with its l1 smoothed around 0.

    Results do not depend on the number of threads. On a GPU the likelihoods are computed in float64
    too, and the same problem is solved to the same tolerance: with the default one, couplings and
    responses differ from those of the CPU by no more than 1e-4, and by 1e-7 in most cases. Chains
    draw the same states, unless an exponential that is rounded otherwise sends one elsewhere.

    Source: Jiang et al., "D-SPIN constructs regulatory network models from multiplexed scRNA-seq
    data", bioRxiv 2023.04.19.537364.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> drug = np.repeat(["none", "drug"], 200)
    >>> a = random.normal(size=400) + 2 * (drug == "drug")
    >>> b = a + random.normal(size=400) / 2
    >>> values = np.exp(np.column_stack([a, b, random.normal(size=400)]))
    >>> obs = pd.DataFrame({"drug": drug}, [f"c{i}" for i in range(400)])
    >>> cells = anndata.AnnData(values, obs, pd.DataFrame(index=["A", "B", "C"]))
    >>> network = mt.tl.program_network(cells, condition="drug", control="none", level="gene")
    >>> float(network["coupling"].sel(node="A", regulator="B")) > 1
    True
    >>> network["response_relative"].sel(condition="drug").idxmax("node").item()
    'A'
    """
    level = one_of("level", level, ["program", "gene"])
    method, directed = one_of("method", method, _METHODS), switch("directed", directed)
    n_bootstraps = whole_number("n_bootstraps", n_bootstraps, low=0)
    if n_bootstraps == 1:
        raise InvalidInput("n_bootstraps", "1", "use 0, or enough for a standard deviation")
    coverage = number("coverage", coverage, low=0.5, high=0.9999)
    n_samples = whole_number("n_samples", n_samples, low=1024)
    tolerance = number("tolerance", tolerance, low=1e-12, high=0.1)
    seed = whole_number("seed", seed, low=0, high=2**32 - 1)
    if level == "program" and (layer is not None or genes is not None):
        raise InvalidInput(
            "layer" if layer is not None else "genes", "given with level='program'", "leave it out"
        )
    conditions = read_conditions(adata, condition, control, batch)
    nodes = program_states(adata, key) if level == "program" else gene_states(adata, layer, genes)
    warn_constant(nodes, stacklevel=4)
    chosen = _method(method, directed, len(nodes.names), len(conditions.names))
    if chosen == "pseudo_likelihood":
        _warn_of_time(len(nodes.names), adata.n_obs, n_bootstraps, device)
    penalty = read_penalty(
        regularization, prior_network, targets, nodes.names, conditions, directed=directed
    )
    fit = fit_network(
        count_states(nodes.states, conditions.cells, n_conditions=len(conditions.names)),
        penalty,
        method=chosen,
        directed=directed,
        tolerance=tolerance,
        n_samples=n_samples,
        n_resamples=n_bootstraps,
        seed=seed,
        device=device,
    )
    if not fit.converged:
        text = f"the conditions of the optimum are violated by {fit.residual:.1e}, "
        text += f"more than the tolerance of {tolerance:.0e}"
        warnings.warn(text, UserWarning, stacklevel=3)
    variables = {"coupling": fit.network.coupling, "response": fit.network.response}
    if conditions.is_control is not None:
        response = fit.network.response
        variables["response_relative"] = response - response @ conditions.controls
    if fit.resampled is not None:
        variables |= _intervals(fit, conditions, coverage, directed)
    return _element(
        variables,
        nodes.names,
        conditions,
        {
            "method": chosen,
            "directed": directed,
            "node_kind": level,
            "kkt_residual": fit.residual,
            "n_bootstraps": n_bootstraps,
            "level": coverage,
        },
    )


def _method(method: str, directed: bool, n_nodes: int, n_conditions: int) -> Any:
    """Give the likelihood to use."""
    if directed and method in ("exact", "mcmc"):
        found = f"method={method!r} gives symmetric couplings"
        raise InvalidInput("directed", found, "use method='pseudo_likelihood'")
    if method == "exact" and n_nodes > MOST_EXACT_NODES:
        found = f"'exact' for {n_nodes} nodes, 3 ** {n_nodes} states"
        remedy = f"use 'mcmc' or 'pseudo_likelihood' above {MOST_EXACT_NODES} nodes"
        raise InvalidInput("method", found, remedy)
    if method != "auto":
        return method
    if directed or n_conditions > _AUTO_CONDITIONS or n_nodes > _AUTO_MCMC:
        return "pseudo_likelihood"
    return "exact" if n_nodes <= _AUTO_EXACT else "mcmc"


def _warn_of_time(n_nodes: int, n_cells: int, n_bootstraps: int, device: str | None) -> None:
    """Warn where so many nodes and cells take long on the CPU."""
    work = 4.0 * n_cells * n_nodes**2 * (_EVALUATIONS + n_bootstraps * _OF_BOOTSTRAP)
    minutes = work / (_RATE * available_threads() * 60)
    if minutes > _LONG and torch_gpu(device) is None:
        text = f"{n_nodes:,} nodes and {n_cells:,} cells may take about {minutes:,.0f} minutes; "
        text += "name fewer genes by genes=, such as the regulators, or use level='program'"
        warnings.warn(text, UserWarning, stacklevel=4)


def _intervals(
    fit: Fit, conditions: Conditions, coverage: float, directed: bool
) -> dict[str, np.ndarray]:
    """Give intervals, p-values and q-values from the networks of resampled cells."""
    assert fit.resampled is not None
    coupling, response = fit.network
    found = _bounds("coupling", coupling, fit.resampled.coupling, coverage)
    p = _p_values(coupling, fit.resampled.coupling)
    np.fill_diagonal(p, np.nan)
    found["coupling_p"] = p
    tested = p if directed else np.where(np.tri(len(p), k=-1, dtype=bool), p, np.nan)
    q = stats.benjamini_hochberg(tested)
    found["coupling_q"] = q if directed else np.fmax(q, q.T)
    found |= _bounds("response", response, fit.resampled.response, coverage)
    if conditions.is_control is not None:
        relative = response - response @ conditions.controls
        again = fit.resampled.response - fit.resampled.response @ conditions.controls
        found |= _bounds("response_relative", relative, again, coverage)
        alone = (conditions.controls == np.eye(len(conditions.names))).all(axis=0)
        p = np.where(alone, np.nan, _p_values(relative, again))  # 0 by definition
        found["response_relative_p"] = p
        tested = np.where(conditions.is_control, np.nan, p)
        found["response_relative_q"] = stats.benjamini_hochberg(tested)
    return found


def _bounds(
    name: str, estimate: np.ndarray, again: np.ndarray, coverage: float
) -> dict[str, np.ndarray]:
    reach = stdtrit(len(again) - 1, (1 + coverage) / 2) * again.std(axis=0, ddof=1)
    return {f"{name}_low": estimate - reach, f"{name}_high": estimate + reach}


def _p_values(estimate: np.ndarray, again: np.ndarray) -> np.ndarray:
    """Give two-sided p-values; 1 for an estimate of 0, also where all resamples give 0."""
    spread = again.std(axis=0, ddof=1)
    t = np.abs(estimate) / np.where(spread > 0, spread, 1.0)
    return np.asarray(np.clip(2 * stdtr(len(again) - 1, -t), np.finfo(float).tiny, 1))


def _element(
    variables: Mapping[str, np.ndarray],
    names: Sequence[str],
    conditions: Conditions,
    attrs: dict[str, Any],
) -> Dataset[ProgramNetwork]:
    labels: dict[str, Any] = {NODE: list(names), REGULATOR: list(names)}
    labels[CONDITION] = conditions.names
    labels["n_cells"] = (CONDITION, conditions.n_cells.astype(np.int64))
    if conditions.is_control is not None:
        labels["is_control"] = (CONDITION, conditions.is_control)
    if conditions.batch is not None:
        labels["batch"] = (CONDITION, conditions.batch)
    order = [name for name in ProgramNetwork.specs() if name in variables]
    result = xr.Dataset(
        {
            name: (
                _EDGE if name.startswith("coupling") else _PUSH,
                variables[name],
                {"long_name": _LABELS[name]},
            )
            for name in order
        },
        coords=labels,
        attrs=attrs,
    )
    return as_kind(ProgramNetwork, result)
