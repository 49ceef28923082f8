"""`tl.program_network` beside D-SPIN on the same cells: time, and the objective that each reaches.

11 nodes, 23 conditions, 13,000 cells, with the penalties of D-SPIN. Where ``dspin`` is not
installed, mutua runs alone. The exact likelihood of D-SPIN takes minutes.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import time
from types import ModuleType

import anndata
import numpy as np
import pandas as pd

import mutua as mt
from mutua.kernels.spin_exact import ExactLikelihood
from mutua.kernels.spin_problem import Network, Penalty, Problem
from mutua.kernels.spin_pseudo import PseudoLikelihood
from mutua.kernels.spin_states import CountedStates, count_states, moments_of
from mutua.kernels.threads import Workers
from mutua.kernels.three_levels import three_levels
from mutua.settings import available_threads

L1_COUPLING, L2_RESPONSE = 0.01, 0.005
CASES = [
    # method, directed, name and step of D-SPIN
    ("exact", False, "maximum_likelihood", 0.2),
    ("pseudo_likelihood", False, "pseudo_likelihood", 0.05),
    ("pseudo_likelihood", True, "pseudo_likelihood", 0.05),
    ("mcmc", False, "mcmc_maximum_likelihood", 0.02),
]


def cells() -> anndata.AnnData:
    """Give the true activities of a simulated screen: 22 guides, and one set of controls."""
    screen, _ = mt.datasets.simulate_perturbation_screen(n_cells=13_000, n_batches=1)
    obs = screen.obs[["guide", "is_control"]].copy()
    obs["guide"] = obs["guide"].astype(str).where(~obs["is_control"], "control")
    names = [f"R{i}" for i in range(11)]
    return anndata.AnnData(screen.obsm["true_activity"], obs, pd.DataFrame(index=names))


def peer() -> ModuleType | None:
    return importlib.import_module("dspin.compute") if importlib.util.find_spec("dspin") else None


def peer_network(
    dspin: ModuleType, data: CountedStates, case: tuple[str, bool, str, float]
) -> Network:
    """Fit with the settings that D-SPIN has as defaults."""
    _, directed, method, step = case
    of_condition = [
        data.states[data.condition == k].astype(float) for k in range(data.n_conditions)
    ]
    counts = [data.multiplicity[data.condition == k].astype(int) for k in range(data.n_conditions)]
    states = [np.repeat(rows, n, axis=0) for rows, n in zip(of_condition, counts, strict=True)]
    raw = np.empty(len(states), object)
    for k, rows in enumerate(states):
        raw[k] = rows.T.copy() if method == "pseudo_likelihood" else dspin.corr_mean(rows)
    settings = {
        "num_epoch": 400,
        "stepsz": step,
        "rec_gap": 10,
        "cur_j": np.zeros((data.n_nodes, data.n_nodes)),
        "cur_h": np.zeros((data.n_nodes, data.n_conditions)),
        "backtrack_gap": 40,
        "backtrack_tol": 5,
        "lambda_l1_j": L1_COUPLING,
        "lambda_l1_h": 0,
        "lambda_l2_j": 0,
        "lambda_l2_h": L2_RESPONSE,
        "mcmc_samplingsz": 2e5,
        "mcmc_samplingmix": 1e3,
        "mcmc_samplegap": 1,
        "seed": 0,
        "save_log": False,
        "directed": directed,
    }
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        coupling, response, _ = dspin.learn_network_adam(raw, method, settings)
    return Network(coupling, response)


def objective(data: CountedStates, network: Network, *, pseudo: bool, directed: bool) -> float:
    """Give the value that both minimise, with the absolute values as they are."""
    n = data.n_nodes
    moments = moments_of(data)
    penalty = Penalty(np.full((n, n), L1_COUPLING), l2_response=L2_RESPONSE)
    problem = Problem(moments, penalty, pseudo=pseudo, directed=directed)
    with Workers() as workers:
        likelihood = (
            PseudoLikelihood(data, workers) if pseudo else ExactLikelihood(moments, workers)
        )
        vector = problem.vector(network)
        return problem.smooth(likelihood, vector)[0] + float(problem.weights @ np.abs(vector))


def main() -> None:
    adata, dspin = cells(), peer()
    states = three_levels(adata.X).astype(np.int8)
    names, condition = np.unique(adata.obs["guide"], return_inverse=True)
    data = count_states(states, condition, n_conditions=len(names))
    sizes = f"{states.shape[1]} nodes, {len(names)} conditions, {len(states)} cells"
    print(f"{sizes}, {available_threads()} threads", flush=True)
    for case in CASES:
        method, directed = case[:2]
        pseudo = method == "pseudo_likelihood"
        times = []
        for _ in range(4):  # the first compiles
            start = time.perf_counter()
            found = mt.tl.program_network(
                adata,
                condition="guide",
                control="control",
                level="gene",
                method=method,
                directed=directed,
                regularization={"l1_coupling": L1_COUPLING, "l2_relative": 0},
            )
            times.append(time.perf_counter() - start)
        ours = Network(found["coupling"].values, found["response"].values)
        value = objective(data, ours, pseudo=pseudo, directed=directed)
        label = f"{method}{' directed' * directed}"
        text = f"{label}: {min(times[1:]):.3f} s, objective {value:.6f}"
        text += f", residual {found.attrs['kkt_residual']:.1e}"
        print(text, flush=True)
        if dspin is None:
            continue
        start = time.perf_counter()
        theirs = peer_network(dspin, data, case)
        seconds = time.perf_counter() - start
        other = objective(data, theirs, pseudo=pseudo, directed=directed)
        text = f"    dspin: {seconds:.1f} s, objective {other:.6f}; "
        text += f"{seconds / min(times[1:]):.0f} times as long, {other - value:+.2e}"
        print(text, flush=True)


if __name__ == "__main__":
    main()
