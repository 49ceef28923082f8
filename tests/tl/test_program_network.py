"""Networks between programs or genes, and responses of conditions."""

from __future__ import annotations

import importlib
import json
import warnings

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from scipy import sparse

import mutua as mt
from mutua.blocks import is_chunked
from mutua.errors import DeviceUnavailable, InvalidInput
from mutua.kernels import spin_fit
from mutua.kernels.spin_backends import OnTorch
from mutua.kernels.three_levels import three_levels
from mutua.models import slots
from tests.reference import spin_network as reference

N_CELLS = (60, 70, 80, 90, 100, 110)
"""Of two controls and four guides, by batch in turn."""
CONDITIONS = ["c0/x", "c1/y", "g0/x", "g1/y", "g2/x", "g3/y"]
NODES = ["P0", "P1", "P2", "P3"]


def screen(seed: int = 0, scale: float = 1.0) -> anndata.AnnData:
    """Cells of the model itself; a batch has one control, g0 pushes P0 up and g1 P1 down."""
    coupling = np.diag([-0.5, -0.2, 0.1, 0.0])
    coupling[0, 1] = coupling[1, 0] = 0.8
    coupling[2, 3] = coupling[3, 2] = -0.6
    response = np.zeros((4, 6))
    response[:, [1, 3, 5]] = 0.4
    response[0, 2] += scale * 1.2
    response[1, 3] -= scale * 1.2
    states, condition = reference.sample(coupling, response, N_CELLS, seed)
    order = np.random.default_rng(seed).permutation(len(states))
    states, condition = states[order], condition[order]
    names = np.array(CONDITIONS)[condition]
    obs = pd.DataFrame(
        {
            "condition": names,
            "batch": [name[-1] for name in names],
            "control": [name[0] == "c" for name in names],
        },
        index=[f"cell{i}" for i in range(len(states))],
    )
    adata = anndata.AnnData(np.zeros((len(states), 3), np.float32), obs)
    slots.write(
        adata,
        slots.PROGRAMS,
        "programs",
        {slots.STATE: states.astype(np.float32)},
        names=NODES,
        settings={},
    )
    return adata


def network_of(adata: anndata.AnnData, **options):
    given = {"condition": "condition", "control": "control", "batch": "batch"} | options
    return mt.tl.program_network(adata, **given)


def genes(sparse_format: str | None = None) -> anndata.AnnData:
    """Skewed expression of genes whose states are those of `screen`."""
    adata = screen()
    states = adata.obsm["X_programs_state"]
    random = np.random.default_rng(1)
    values = np.maximum(states + 1, 0) ** 2 + random.uniform(0, 0.4, states.shape) * (states > -1)
    values = values.astype(np.float32)
    x = values if sparse_format is None else sparse.csr_matrix(values).asformat(sparse_format)
    var = pd.DataFrame({"regulator": [True, False, True, True]}, index=["A", "B", "C", "D"])
    return anndata.AnnData(x, adata.obs, var, layers={"raw": x})


class TestResult:
    def test_is_labelled(self):
        network = network_of(screen())
        assert network["node"].values.tolist() == NODES
        assert network["condition"].values.tolist() == CONDITIONS
        assert network["n_cells"].values.tolist() == list(N_CELLS)
        assert network["batch"].values.tolist() == ["x", "y"] * 3
        assert network["is_control"].values.tolist() == [True, True] + [False] * 4
        assert network.attrs["method"] == "exact"
        assert network.attrs["node_kind"] == "program"
        assert network.attrs["directed"] is False
        assert network.attrs["kkt_residual"] < 1e-6
        assert json.loads(network.attrs["mutua"])["steps"][-1]["function"] == "tl.program_network"

    @pytest.mark.parametrize("method", ["exact", "pseudo_likelihood", "mcmc"])
    def test_finds_couplings_and_responses(self, method):
        network = network_of(screen(), method=method)
        coupling = network["coupling"]
        assert coupling.sel(node="P0", regulator="P1") > 0.3
        assert coupling.sel(node="P2", regulator="P3") < -0.2
        assert abs(coupling.sel(node="P0", regulator="P2")) < 0.25
        np.testing.assert_array_equal(coupling, coupling.values.T)
        relative = network["response_relative"]
        assert np.abs(relative.sel(condition="g0/x")).idxmax("node") == "P0"
        assert relative.sel(condition="g1/y", node="P1") < -0.3
        assert network.attrs["method"] == method

    def test_device_is_in_the_record_and_changes_nothing(self):
        adata = screen()
        network = network_of(adata, device="cpu")
        assert json.loads(network.attrs["mutua"])["steps"][-1]["arguments"]["device"] == "cpu"
        np.testing.assert_array_equal(network["response"], network_of(adata)["response"])

    def test_gpu_gives_the_same_network(self, monkeypatch):
        """Torch, on its CPU."""
        adata = screen()
        options = {"method": "pseudo_likelihood", "n_bootstraps": 3}
        expected = network_of(adata, **options)
        monkeypatch.setattr(spin_fit, "backend_for", lambda *_, **__: OnTorch(torch.device("cpu")))
        found = network_of(adata, **options)
        for name in ("coupling", "response", "response_relative"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
        np.testing.assert_allclose(found["coupling_p"], expected["coupling_p"], atol=0.01)

    def test_directed_couplings_differ_by_direction(self):
        network = network_of(screen(), directed=True)
        assert network.attrs["method"] == "pseudo_likelihood"
        coupling = network["coupling"].values
        assert not np.allclose(coupling, coupling.T, atol=1e-3)

    def test_leaves_the_anndata_alone(self):
        adata = screen()
        before = adata.copy()
        network_of(adata, n_bootstraps=2)
        assert list(adata.uns) == list(before.uns)
        pd.testing.assert_frame_equal(adata.obs, before.obs)
        np.testing.assert_array_equal(
            adata.obsm["X_programs_state"], before.obsm["X_programs_state"]
        )

    def test_conditions_are_in_the_order_of_the_categories(self):
        adata = screen()
        order = [*CONDITIONS[::-1], "unused"]
        adata.obs["condition"] = pd.Categorical(adata.obs["condition"], categories=order)
        network = network_of(adata)
        assert network["condition"].values.tolist() == CONDITIONS[::-1]
        other = network_of(screen()).sel(condition=CONDITIONS[::-1])
        np.testing.assert_allclose(network["response"], other["response"], atol=1e-4)

    @pytest.mark.parametrize(
        ("n_nodes", "n_conditions", "method"),
        [
            (12, 2, "exact"),
            (13, 2, "mcmc"),
            (26, 2, "pseudo_likelihood"),
            (3, 31, "pseudo_likelihood"),
        ],
    )
    def test_automatic_method(self, n_nodes, n_conditions, method):
        random = np.random.default_rng(0)
        obs = pd.DataFrame({"condition": np.repeat(np.arange(n_conditions), 25).astype(str)})
        obs.index = obs.index.astype(str)
        adata = anndata.AnnData(random.normal(size=(len(obs), n_nodes)), obs)
        found = mt.tl.program_network(
            adata, condition="condition", level="gene", n_samples=1024, tolerance=1e-2
        )
        assert found.attrs["method"] == method
        assert "response_relative" not in found
        assert "is_control" not in found.coords


class TestRelativeResponses:
    def test_mean_of_the_controls_of_a_batch_is_zero(self):
        adata = screen()
        adata.obs["condition"] = adata.obs["condition"].replace({"g2/x": "c2/x"})
        adata.obs["control"] = adata.obs["condition"].str.startswith("c")
        network = network_of(adata)
        own = network["response_relative"].where(network["is_control"], drop=True)
        mean = own.groupby("batch").mean("condition")
        np.testing.assert_allclose(mean, 0, atol=1e-12)
        assert np.abs(own.sel(condition="c0/x")).max() > 1e-3

    def test_is_the_difference_of_responses(self):
        network = network_of(screen())
        response = network["response"]
        expected = response.sel(condition="g1/y") - response.sel(condition="c1/y")
        found = network["response_relative"].sel(condition="g1/y")
        np.testing.assert_allclose(found, expected, atol=1e-12)

    def test_a_batch_without_controls_takes_all(self):
        adata = screen()
        with pytest.warns(UserWarning, match="no controls in batch 'y': those of all batches"):
            network = network_of(adata, control="c0/x")
        response = network["response"]
        expected = response.sel(condition="g1/y") - response.sel(condition="c0/x")
        found = network["response_relative"].sel(condition="g1/y")
        np.testing.assert_allclose(found, expected, atol=1e-12)

    def test_controls_can_be_labels_or_flags(self):
        adata = screen()
        expected = network_of(adata)
        adata.obs["flag"] = adata.obs["control"].astype(int)
        for control in (["c0/x", "c1/y"], "flag"):
            xr_found = network_of(adata, control=control)
            np.testing.assert_array_equal(
                xr_found["response_relative"], expected["response_relative"]
            )


class TestGenes:
    def test_states_are_three_levels(self):
        adata = genes()
        network = network_of(adata, level="gene")
        assert network["node"].values.tolist() == ["A", "B", "C", "D"]
        expected = network_of(screen())
        np.testing.assert_allclose(network["coupling"], expected["coupling"], atol=1e-4)
        states = screen().obsm["X_programs_state"]
        np.testing.assert_array_equal(three_levels(adata.X.astype(float)), states)

    @pytest.mark.parametrize("sparse_format", ["csr", "csc"])
    def test_sparse_is_the_same(self, sparse_format):
        one, two = (network_of(genes(f), level="gene") for f in (None, sparse_format))
        np.testing.assert_array_equal(one["coupling"], two["coupling"])

    @pytest.mark.parametrize("sparse_format", [None, "csr"])
    @pytest.mark.parametrize("given", [{}, {"layer": "raw", "genes": ["D", "A"]}])
    def test_opened_lazily_is_the_same(self, sparse_format, given, tmp_path):
        adata = genes(sparse_format)
        adata.write_zarr(tmp_path / "cells.zarr")
        lazy = anndata.experimental.read_lazy(tmp_path / "cells.zarr")
        one, two = (network_of(cells, level="gene", **given) for cells in (adata, lazy))
        xr.testing.assert_equal(one, two)
        assert is_chunked(lazy.X)

    def test_long_times_are_told(self, monkeypatch):
        module = importlib.import_module("mutua.tl.program_network")
        monkeypatch.setattr(module, "_RATE", 10.0)
        with pytest.warns(
            UserWarning, match=r"4 nodes and 510 cells may take about [\d,]+ minutes"
        ):
            network_of(genes(), level="gene", method="pseudo_likelihood")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            network_of(genes(), level="gene", method="exact")

    def test_layer_and_genes(self):
        adata = genes()
        chosen = network_of(adata, level="gene", layer="raw", genes=["D", "A", "C"])
        assert chosen["node"].values.tolist() == ["D", "A", "C"]
        flagged = network_of(adata, level="gene", genes="regulator")
        assert flagged["node"].values.tolist() == ["A", "C", "D"]
        np.testing.assert_allclose(
            chosen["coupling"].sel(node="A", regulator="D"),
            flagged["coupling"].sel(node="A", regulator="D"),
            atol=1e-4,
        )

    def test_outliers_do_not_become_a_level(self):
        adata = genes("csr")
        adata.X[3, 0] = 1e4
        network = network_of(adata, level="gene")
        assert network["coupling"].sel(node="A", regulator="B") > 0.2

    def test_gene_in_few_cells(self):
        adata = genes()
        adata.X[:, 1] = 0
        adata.X[:3, 1] = [1, 2, 3]
        network = network_of(adata, level="gene")
        assert np.isfinite(network["coupling"]).all()

    def test_constant_gene(self):
        adata = genes()
        adata.X[:, 1] = 2
        with pytest.warns(UserWarning, match="one state in all cells: 'B'"):
            network = network_of(adata, level="gene")
        off = network["coupling"].sel(node="B", regulator=["A", "C", "D"])
        np.testing.assert_array_equal(off, 0)


class TestKnowledge:
    def test_prior_network(self):
        prior = pd.DataFrame({"P0": [False, True], "P1": [True, False]}, index=["P0", "P1"])
        strength = {"l1_outside_prior": 0.5}
        network = network_of(screen(), prior_network=prior, regularization=strength)
        coupling = network["coupling"]
        assert coupling.sel(node="P0", regulator="P1") > 0.3
        assert coupling.sel(node="P2", regulator="P3") == 0
        assert coupling.sel(node="P0", regulator="P0") != 0

    def test_targets_pull_relative_responses(self):
        targets = pd.DataFrame({"g2/x": [2.0]}, index=["P2"])
        before = network_of(screen())["response_relative"].sel(node="P2", condition="g2/x")
        network = network_of(screen(), targets=targets, regularization={"l2_target": 50})
        assert abs(before) < 0.6
        assert network["response_relative"].sel(node="P2", condition="g2/x") > 1.7

    def test_sparse_relative_responses(self):
        network = network_of(screen(), regularization={"l1_relative": 0.1})
        relative = network["response_relative"].values
        zero = np.abs(relative[:, 2:]) < 1e-12
        assert 0.3 < zero.mean() < 1
        assert relative[0, 2] > 0.3

    def test_without_controls_responses_are_alike(self):
        one, two = (
            network_of(screen(), control=None, regularization={"l2_relative": strength})
            for strength in (0, 5)
        )
        spread = [network["response"].std("condition").mean() for network in (one, two)]
        assert spread[1] < spread[0] / 2

    def test_strength_by_name(self):
        network = network_of(screen(), regularization={"l1_coupling": 3})
        assert (network["coupling"] == 0).all()


class TestBootstrap:
    def test_intervals(self):
        network = network_of(screen(), n_bootstraps=40)
        for name in ("coupling", "response", "response_relative"):
            assert (network[f"{name}_low"] <= network[name]).all()
            assert (network[f"{name}_high"] >= network[name]).all()
        p, q = network["coupling_p"], network["coupling_q"]
        assert np.isnan(np.diag(p)).all()
        assert p.sel(node="P0", regulator="P1") < 1e-3
        assert p.sel(node="P0", regulator="P2") > 0.01
        np.testing.assert_array_equal(q, q.values.T)
        tested = p.values[np.tri(4, k=-1, dtype=bool)]
        np.testing.assert_allclose(
            q.values[np.tri(4, k=-1, dtype=bool)], mt.stats.benjamini_hochberg(tested)
        )
        relative = network["response_relative_p"]
        assert relative.sel(node="P0", condition="g0/x") < 1e-3
        assert np.isnan(relative.sel(condition="c0/x")).all()
        assert np.isnan(network["response_relative_q"].sel(condition="c0/x")).all()
        assert network.attrs["n_bootstraps"] == 40

    def test_seed_and_threads(self):
        before = mt.settings.threads
        found = []
        try:
            for threads, seed in ((1, 0), (2, 0), (2, 1)):
                mt.settings.threads = threads
                found.append(network_of(screen(), n_bootstraps=3, seed=seed, directed=True))
        finally:
            mt.settings.threads = before
        for name in ("coupling", "response", "coupling_low", "response_relative_p"):
            np.testing.assert_array_equal(found[0][name], found[1][name])
        assert not np.array_equal(found[0]["coupling_low"], found[2]["coupling_low"])

    def test_coverage_makes_intervals_wider(self):
        one, two = (network_of(screen(), n_bootstraps=5, coverage=c) for c in (0.5, 0.99))
        assert (two["response_low"] < one["response_low"]).all()

    @pytest.mark.slow
    @pytest.mark.parametrize("directed", [False, True])
    def test_p_values_without_effects(self, directed):
        """Of nodes that do not depend on each other, and guides that do nothing."""
        random = np.random.default_rng(0)
        couplings, responses = [], []
        obs = screen().obs
        for seed in range(40):
            states = random.choice([-1, 0, 1], (len(obs), 4), p=[0.4, 0.35, 0.25])
            adata = screen()
            adata.obsm["X_programs_state"] = states.astype(np.float32)
            network = network_of(adata, n_bootstraps=60, directed=directed, seed=seed)
            p = network["coupling_p"].values
            couplings.append(
                p[~np.eye(4, dtype=bool)] if directed else p[np.tri(4, k=-1, dtype=bool)]
            )
            responses.append(network["response_relative_p"].values[:, 2:].ravel())
        for p in (np.concatenate(couplings), np.concatenate(responses)):
            assert (p < 0.05).mean() < 0.065
            assert (p < 0.01).mean() < 0.02
        assert (np.concatenate(responses) < 0.05).mean() > 0.02


class TestQuality:
    def test_perturbed_programs_are_found(self):
        cells, truth = mt.datasets.simulate_perturbation_screen(n_cells=8000)
        regulators = cells[:, cells.var["regulator"].to_numpy()]
        adata = anndata.AnnData(
            cells.obsm["true_activity"], cells.obs, pd.DataFrame(index=regulators.var_names)
        )
        network = mt.tl.program_network(
            adata,
            condition="guide",
            control=["non-targeting_g0", "non-targeting_g1"],
            level="gene",
            directed=True,
        )
        edges = truth["coupling"].values
        found = network["coupling"].values[edges != 0]
        assert (np.sign(found) == np.sign(edges[edges != 0])).mean() > 0.8
        relative = network["response_relative"]
        guides = [name for name in relative["condition"].values if name.startswith("R")]
        strongest = np.abs(relative.sel(condition=guides)).idxmax("node").values
        hits = [name.split("_")[0] == own for name, own in zip(guides, strongest, strict=True)]
        assert np.mean(hits) > 0.8


class TestBadInput:
    def refused(self, match: str, adata: anndata.AnnData | None = None, **options) -> None:
        with pytest.raises(InvalidInput, match=match):
            network_of(screen() if adata is None else adata, **options)

    def test_columns(self):
        self.refused("no column 'nothing' in obs", condition="nothing")
        self.refused("no column 'nothing' in obs", batch="nothing")
        adata = screen()
        adata.obs.loc[adata.obs_names[:7], "condition"] = None
        self.refused(r"obs\['condition'\] is missing for 7 cells", adata)
        adata = screen()
        adata.obs.loc[adata.obs_names[:2], "batch"] = np.nan
        self.refused(r"obs\['batch'\] is missing for 2 cells", adata)
        adata = screen()
        adata.obs["condition"] = [1, "1"] * 255
        self.refused("differ in type only", adata, control=None, batch=None)

    def test_conditions_in_several_batches(self):
        adata = screen()
        adata.obs["condition"] = adata.obs["condition"].str[:1]
        self.refused("cells of condition 'c', 'g' are in several batches", adata)

    def test_conditions_of_controls_and_others(self):
        adata = screen()
        adata.obs.loc[adata.obs_names[adata.obs["condition"] == "c0/x"][:5], "control"] = False
        self.refused("cells of condition 'c0/x' are in several kinds", adata)

    def test_controls(self):
        self.refused("no condition 'd', nor such a column", control="d")
        self.refused("no condition 'd', nor", control=["c0/x", "d"])
        self.refused("no labels", control=[])
        adata = screen()
        self.refused("holds '.', '.'", control="batch")
        adata.obs["control"] = False
        self.refused("is False for all cells", adata)

    def test_few_cells(self):
        adata = screen()
        place = np.flatnonzero(adata.obs["condition"] == "g0/x")
        one = np.setdiff1d(np.arange(adata.n_obs), place[1:])
        self.refused("condition 'g0/x' has one cell", adata[one])
        few = np.setdiff1d(np.arange(adata.n_obs), place[24:])
        with pytest.warns(UserWarning, match=r"fewer than 25 cells in 1 of 6 .*'g0/x'"):
            network_of(adata[few])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            network_of(adata[np.setdiff1d(np.arange(adata.n_obs), place[25:])])

    def test_no_cells(self):
        self.refused("no cells", screen()[:0])

    def test_programs(self):
        self.refused(r"no gene programs under uns\['other'\]", key="other")
        adata = screen()
        del adata.obsm["X_programs_state"]
        self.refused("no obsm", adata)
        adata = screen()
        adata.obsm["X_programs_state"] = adata.obsm["X_programs_state"] + 0.5
        self.refused("holds other values", adata)
        self.refused("given with level='program'", genes=["A"])
        self.refused("given with level='program'", layer="raw")

    def test_genes(self):
        options = {"adata": genes(), "level": "gene"}
        self.refused("no 'X', 'Y' in var_names", genes=["A", "X", "Y"], **options)
        self.refused("'A' more than once", genes=["A", "B", "A"], **options)
        self.refused("no column of booleans 'nothing'", genes="nothing", **options)
        self.refused("no layer 'nothing'", layer="nothing", **options)
        self.refused("no genes", genes=[], **options)
        adata = genes()
        adata.X[4, 2] = np.nan
        self.refused("missing or infinite values in 'C'", adata, level="gene")

    def test_methods(self):
        self.refused("symmetric couplings", directed=True, method="exact")
        self.refused("symmetric couplings", directed=True, method="mcmc")
        self.refused("Use one of", method="gibbs")
        self.refused("Use one of", level="cell")
        self.refused("True or False", directed=1)
        adata = anndata.AnnData(np.random.default_rng(0).normal(size=(60, 17)))
        adata.obs["condition"] = "a"
        with pytest.raises(InvalidInput, match="'exact' for 17 nodes"):
            mt.tl.program_network(adata, condition="condition", level="gene", method="exact")

    def test_devices(self):
        self.refused("device", device="tpu")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    @pytest.mark.parametrize("method", ["exact", "pseudo_likelihood", "mcmc"])
    def test_no_gpu(self, method):
        with pytest.raises(DeviceUnavailable, match="device='cuda'"):
            network_of(screen(), method=method, device="cuda")

    def test_numbers(self):
        self.refused("n_bootstraps", n_bootstraps=-1)
        self.refused("standard deviation", n_bootstraps=1)
        self.refused("coverage", coverage=1.0)
        self.refused("n_samples", n_samples=10)
        self.refused("tolerance", tolerance=0)
        self.refused("seed", seed=-1)

    def test_regularization(self):
        self.refused(
            "unknown 'lambda_l1_j'.*l1_coupling.*l2_target", regularization={"lambda_l1_j": 1}
        )
        self.refused("l1_coupling", regularization={"l1_coupling": -1})
        self.refused("a float", regularization=0.1)
        self.refused("without prior_network", regularization={"l1_outside_prior": 1})
        self.refused("without targets", regularization={"l2_target": 1})
        self.refused("Use one of them", regularization={"l1_response": 1, "l1_relative": 1})
        self.refused("with l1_relative", control=None, regularization={"l1_relative": 1})

    def test_prior_and_targets(self):
        self.refused("a ndarray", prior_network=np.ones((4, 4)))
        names = {"index": NODES[:2], "columns": NODES[:2]}
        self.refused("values other than", prior_network=pd.DataFrame(2, **names))
        other = pd.DataFrame(1, index=["P9"], columns=["P0"])
        self.refused("row 'P9' is not there", prior_network=other)
        self.refused("column 'P0' is not there", targets=pd.DataFrame({"P0": [1]}, index=["P0"]))
        self.refused("of the control 'c0/x'", targets=pd.DataFrame({"c0/x": [1]}, index=["P0"]))
        self.refused("no numbers", targets=pd.DataFrame({"g0/x": ["a"]}, index=["P0"]))
        self.refused("infinite", targets=pd.DataFrame({"g0/x": [np.inf]}, index=["P0"]))
        twice = pd.DataFrame({"g0/x": [1, 2]}, index=["P0", "P0"])
        self.refused("names of rows repeat", targets=twice)
        target = pd.DataFrame({"g0/x": [1]}, index=["P0"])
        self.refused("with targets", targets=target, control=None)
