"""A simulated screen is what its truth says it is."""

from __future__ import annotations

import json
from typing import Any

import anndata
import numpy as np
import pytest
from scipy import sparse, stats

import mutua as mt
from mutua.errors import InvalidInput

simulate = mt.datasets.simulate_perturbation_screen


@pytest.fixture(scope="module")
def screen() -> mt.datasets.PerturbationScreen:
    return simulate(n_programs=7, n_cells=4_000, genes_per_program=5, n_background_genes=20)


def dense(cells: anndata.AnnData) -> np.ndarray:
    return cells.layers["counts"].toarray()


def test_sizes_and_names(screen: mt.datasets.PerturbationScreen) -> None:
    cells, network = screen
    assert (screen.cells, screen.network) == (cells, network)
    assert cells.shape == (4_000, 7 * 5 + 20)
    assert dict(network.sizes) == {"node": 7, "regulator": 7, "condition": (7 + 1) * 2}
    mt.ProgramNetwork.check(network, deep=True)
    assert network["node"].values.tolist() == [f"P{i}" for i in range(7)]
    assert cells.var_names[cells.var["regulator"]].tolist() == [f"R{i}" for i in range(7)]
    assert cells.var.loc["R3", "program"] == cells.var.loc["P3_gene4", "program"] == "P3"
    assert cells.var["program"].value_counts().loc[["", "P6"]].tolist() == [20, 5]
    assert cells.var_names.is_unique
    assert cells.obsm["true_activity"].shape == (4_000, 7)


def test_values_are_logarithms_of_the_counts(screen: mt.datasets.PerturbationScreen) -> None:
    cells = screen.cells
    assert sparse.issparse(cells.X)
    assert cells.X.format == "csr"
    assert (cells.X.dtype, cells.layers["counts"].dtype) == (np.float32, np.int32)
    counts = dense(cells)
    expected = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    np.testing.assert_allclose(cells.X.toarray(), expected, rtol=1e-6)


def test_counts_are_like_those_of_single_cells() -> None:
    """Many zeros, genes of very different abundance, and a variance above that of Poisson."""
    counts = dense(simulate().cells)
    assert 0.5 < (counts == 0).mean() < 0.8
    mean, variance = counts.mean(axis=0), counts.var(axis=0)
    assert mean.max() > 10 * np.median(mean)
    abundant = mean > 1
    assert (variance[abundant] > 1.3 * mean[abundant]).all()
    assert np.ptp(np.log(counts.sum(axis=1) + 1)) > 1.5  # cells differ in depth


def test_guides_batches_and_controls(screen: mt.datasets.PerturbationScreen) -> None:
    obs, network = screen.cells.obs, screen.network
    assert obs["is_control"].sum() == 400
    assert (obs["is_control"] == (obs["target"] == "non-targeting")).all()
    assert (obs["is_control"] == (obs["perturbation"] == "control")).all()
    assert obs["guide"].nunique() == 16
    assert obs.loc[obs["target"] == "R4", "guide"].unique().tolist() == ["R4_g0", "R4_g1"]
    both = obs.groupby(["guide", "batch"], observed=False).size()
    assert len(both) == 32
    others = both.drop(["non-targeting_g0", "non-targeting_g1"])
    assert others.min() >= others.max() - 3
    assert both.loc["non-targeting_g0"].tolist() == [100, 100]
    assert (obs["condition"].astype(str) == obs["guide"].astype(str) + "/"
            + obs["batch"].astype(str)).all()  # fmt: skip
    assert obs.groupby("target", observed=True)["perturbation"].nunique().eq(1).all()
    count = obs["guide"].value_counts()
    assert network["n_cells"].values.tolist() == [count[g] for g in network["condition"].values]
    assert network["condition"].values[network["is_control"].values].tolist() == [
        "non-targeting_g0", "non-targeting_g1",
    ]  # fmt: skip


def test_response_says_what_each_guide_does(screen: mt.datasets.PerturbationScreen) -> None:
    obs = screen.cells.obs
    response = screen.network["response"].to_pandas()
    for guide, pushes in response.items():
        (target,), (kind,) = (
            obs.loc[obs["guide"] == guide, column].unique().tolist()
            for column in ("target", "perturbation")
        )
        hit = pushes.index[pushes != 0].tolist()
        assert hit == ([] if kind == "control" else [target.replace("R", "P")])
        if hit:
            assert 0.6 <= abs(pushes[hit[0]]) <= 1
            assert (pushes[hit[0]] > 0) == (kind == "activation")
    assert (obs.loc[~obs["is_control"]].drop_duplicates("target")["perturbation"]
            == "activation").sum() == 2  # fmt: skip


def test_perturbations_move_their_targets(screen: mt.datasets.PerturbationScreen) -> None:
    """Up or down in activity and in counts, and further the more efficient the guide is."""
    cells, network = screen
    obs, activity = cells.obs, cells.obsm["true_activity"]
    control = obs["is_control"].to_numpy()
    response = network["response"].to_pandas()
    shift, effect = [], []
    for number in range(7):
        hit = (obs["target"] == f"R{number}").to_numpy()
        (kind,) = obs.loc[hit, "perturbation"].unique()
        sign = 1 if kind == "activation" else -1
        assert sign * (activity[hit, number].mean() - activity[control, number].mean()) > 0.1
        counts = dense(cells[:, f"R{number}"])[:, 0]
        found = stats.mannwhitneyu(counts[hit], counts[control]).pvalue
        assert found < 1e-3
        assert sign * (counts[hit].mean() - counts[control].mean()) > 0
        for guide in obs.loc[hit, "guide"].unique():
            own = (obs["guide"] == guide).to_numpy()
            shift.append(response.at[f"P{number}", guide])
            effect.append(activity[own, number].mean() - activity[control, number].mean())
    assert stats.spearmanr(shift, effect).statistic > 0.8


def test_edges_are_the_network(screen: mt.datasets.PerturbationScreen) -> None:
    """Targets of a regulator that is pushed move by the sign of the edge."""
    coupling = screen.network["coupling"].values
    assert (np.diag(coupling) == 0).all()
    assert (coupling != 0).sum() == 14
    assert (coupling > 0).sum() == 9  # two of three
    strong = np.abs(coupling[coupling != 0])
    assert 0.5 <= strong.min() < strong.max() <= 1
    assert not np.array_equal(coupling != 0, coupling.T != 0)
    obs, activity = screen.cells.obs, screen.cells.obsm["true_activity"]
    control = obs["is_control"].to_numpy()
    agree = []
    for target, regulator in np.argwhere(coupling):
        hit = (obs["target"] == f"R{regulator}").to_numpy()
        push = np.sign(activity[hit, regulator].mean() - activity[control, regulator].mean())
        moved = activity[hit, target].mean() - activity[control, target].mean()
        agree.append(np.sign(coupling[target, regulator]) * push == np.sign(moved))
    assert np.mean(agree) > 0.85  # feedback can outweigh an edge


def test_genes_follow_their_program_only(screen: mt.datasets.PerturbationScreen) -> None:
    cells = screen.cells
    mean = dense(cells).mean(axis=0)
    seen = np.flatnonzero(mean > 0.3)
    values = np.log1p(dense(cells)).T[seen]
    r = np.corrcoef(values, cells.obsm["true_activity"].T)[: len(seen), len(seen) :]
    background = (cells.var["program"] == "").to_numpy()[seen]
    assert np.abs(r[background]).max() < 0.15
    own = cells.var["program"].to_numpy()[seen][~background]
    assert [f"P{best}" for best in r[~background].argmax(axis=1)] == own.tolist()


def test_batches_differ_in_the_genes_they_measure() -> None:
    cells = simulate(n_programs=2, n_cells=9_000, n_batches=3, n_edges=0).cells
    counts = dense(cells)
    mean = np.stack([counts[(cells.obs["batch"] == f"batch{i}").to_numpy()].mean(axis=0)
                     for i in range(3)])  # fmt: skip
    abundant = mean.mean(axis=0) > 0.5
    ratio = np.log(mean[1, abundant] / mean[0, abundant])
    assert 0.1 < ratio.std() < 0.35  # 0.15 in each of both


def test_dropout_takes_its_share() -> None:
    options: dict[str, Any] = {"n_programs": 3, "n_cells": 2_000, "n_batches": 1}
    total = [dense(simulate(dropout=share, **options).cells).sum() for share in (0.0, 0.5, 1.0)]
    assert total[1] / total[0] == pytest.approx(0.5, abs=0.01)
    assert total[2] == 0


def test_same_seed_same_screen() -> None:
    options: dict[str, Any] = {"n_programs": 3, "n_cells": 400, "n_guides": 1}
    (cells, network), (again, network_again), (other, _) = (
        simulate(seed=seed, **options) for seed in (1, 1, 2)
    )
    assert (cells.layers["counts"] != again.layers["counts"]).nnz == 0
    np.testing.assert_array_equal(cells.obsm["true_activity"], again.obsm["true_activity"])
    assert network.identical(network_again)
    assert (cells.layers["counts"] != other.layers["counts"]).nnz > 0


def test_record_holds_all_arguments() -> None:
    cells, network = simulate(n_programs=2, n_cells=240, efficiency=(0.5, 0.5))
    for record in (cells.uns["mutua"], network.attrs["mutua"]):
        (step,) = json.loads(record)["steps"]
        assert step["function"] == "datasets.simulate_perturbation_screen"
        assert step["arguments"]["efficiency"] == [0.5, 0.5]
        assert step["arguments"]["n_edges"] == 2
        assert step["seed"] == 0
    assert (np.abs(network["response"].values).max(axis=0)[:4] == 0.5).all()


def test_no_genes_but_the_regulators() -> None:
    cells, network = simulate(
        n_programs=2, n_cells=200, n_edges=0, genes_per_program=1, n_background_genes=0,
        n_batches=1, activated=0,
    )  # fmt: skip
    assert cells.var_names.tolist() == ["R0", "R1"]
    assert not network["coupling"].values.any()
    assert "activation" not in cells.obs["perturbation"].cat.categories


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"n_programs": 1}, "n_programs"),
        ({"n_programs": 3, "n_edges": 7}, "n_edges"),
        ({"n_edges": -1}, "n_edges"),
        ({"genes_per_program": 0}, "genes_per_program"),
        ({"n_background_genes": -1}, "n_background_genes"),
        ({"n_guides": 0}, "n_guides"),
        ({"n_batches": 0}, "n_batches"),
        ({"n_cells": 479}, "n_cells"),  # 480 give every control guide 12 cells in each batch
        ({"activated": 1.5}, "activated"),
        ({"dropout": -0.1}, "dropout"),
        ({"efficiency": (0.9, 0.2)}, "efficiency"),
        ({"efficiency": (0.5, 1.2)}, "efficiency"),
        ({"efficiency": 0.8}, "efficiency"),
        ({"efficiency": (0.5, np.nan)}, "efficiency"),
        ({"seed": -1}, "seed"),
    ],
)
def test_numbers_out_of_range(options: dict[str, Any], argument: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        simulate(**options)
    assert caught.value.argument == argument
