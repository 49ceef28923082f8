"""Modules of networks and groups of conditions: planted ones, order, names, error paths."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput, MissingDependency
from mutua.kernels.signed_communities import signed_quality
from mutua.tl.network_modules import condition_groups, network_modules

SIDES = np.array([1, -1, 1, 1, -1, 1, -1])
PUSHES = np.array([0.05, 1.0, -1.0, 1.5, -2.0])
CONDITIONS = ["control", "up1", "down1", "up2", "down2"]


def network(coupling: np.ndarray | None = None, **parts: Any) -> xr.Dataset:
    """Seven nodes on two sides, five conditions that push one side up and the other down."""
    if coupling is None:
        noise = np.random.default_rng(0).normal(0, 0.1, (7, 7))
        coupling = np.outer(SIDES, SIDES) + (noise + noise.T)
    names = [f"P{i}" for i in range(len(coupling))]
    given = {
        "coupling": coupling,
        "response": np.multiply.outer(SIDES, PUSHES)[: len(coupling)],
        "node": names,
        "regulator": names,
        "condition": CONDITIONS,
        "method": "supplied",
        "directed": False,
        "node_kind": "program",
    }
    return mt.ProgramNetwork.build(**(given | parts))


def test_two_sides() -> None:
    given = network()
    before = given.copy(deep=True)
    found = network_modules(given)
    assert found["module"].values.tolist() == ["1", "2", "1", "1", "2", "1", "2"]
    xr.testing.assert_identical(given, before)  # the diagonal too
    xr.testing.assert_equal(found.drop_vars("module"), given)
    assert json.loads(found.attrs["mutua"])["steps"][-1]["function"] == "tl.network_modules"


def test_diagonal_does_not_matter() -> None:
    given = network()
    other = given.copy(deep=True)
    other["coupling"].values[np.diag_indices(7)] = -50.0
    first, second = network_modules(given), network_modules(other)
    np.testing.assert_array_equal(first["module"].values, second["module"].values)


def test_order_of_the_nodes_does_not_matter() -> None:
    given = network()
    order = [3, 6, 0, 1, 5, 2, 4]
    turned = given.isel(node=order, regulator=order)
    found = network_modules(turned)["module"].sel(node=given["node"].values)
    expected = network_modules(given)["module"]
    np.testing.assert_array_equal(found.values == found.values[0], expected.values == "1")


def test_directed_couplings_are_averaged() -> None:
    half = np.triu(np.outer(SIDES, SIDES).astype(float), 1)
    found = network_modules(network(2 * half, directed=True))
    expected = network_modules(network(half + half.T))
    np.testing.assert_array_equal(found["module"].values, expected["module"].values)
    opposite = half - half.T  # signs cancel, and no edge is left
    found = network_modules(network(opposite, directed=True))
    assert found["module"].values.tolist() == list("1234567")


def test_no_edges() -> None:
    found = network_modules(network(np.diag(np.arange(7.0))))
    assert found["module"].values.tolist() == list("1234567")
    groups = condition_groups(found.assign(response=found["response"] * 0))
    assert groups["condition_group"].values.tolist() == ["1"] * 5


def test_resolution() -> None:
    n = [len(np.unique(network_modules(network(), resolution=r)["module"])) for r in (0.01, 20.0)]
    assert n[0] <= 2 < n[1]


def test_new_modules_end_old_groups() -> None:
    grouped = condition_groups(network_modules(network()))
    again = network_modules(grouped, resolution=20.0)
    assert "condition_group" not in again.coords


def test_conditions_that_push_alike() -> None:
    given = network_modules(network())
    found = condition_groups(given)
    groups = dict(zip(CONDITIONS, found["condition_group"].values.tolist(), strict=True))
    assert groups["up1"] == groups["up2"] != groups["down1"] == groups["down2"]
    np.testing.assert_array_equal(found["module"].values, given["module"].values)
    mean = {
        group: np.abs(found["response"].values[:, found["condition_group"].values == group]).mean()
        for group in np.unique(found["condition_group"])
    }
    assert [mean[str(i + 1)] for i in range(len(mean))] == sorted(mean.values())


def test_quality_is_not_below_the_start() -> None:
    random = np.random.default_rng(4)
    for _ in range(5):
        values = random.normal(size=(7, 7))
        given = network_modules(network(values + values.T, response=random.normal(size=(7, 5))))
        found = condition_groups(given)
        edges = given["coupling"].values.copy()
        np.fill_diagonal(edges, 0)
        push = given["response"].values
        whole = np.block([[edges, push], [push.T, np.zeros((5, 5))]])
        modules = given["module"].values.astype(int)
        start = np.concatenate([modules, np.full(5, modules.max() + 1)])
        # A group may be one with a module: the best of both readings is what was reached.
        codes = found["condition_group"].values.astype(int)
        reached = -np.inf
        for offset in np.ndindex(*(len(np.unique(modules)) + 1,) * codes.max()):
            own = [o + 1 if o < modules.max() else 100 + g for g, o in enumerate(offset)]
            labels = np.concatenate([modules, [own[code - 1] for code in codes]])
            reached = max(reached, signed_quality(whole, labels, resolution=2.0))
        assert reached >= signed_quality(whole, start, resolution=2.0) - 1e-9


def test_relative_responses_are_preferred() -> None:
    given = network_modules(network())
    relative = given["response"].values[:, [0, 2, 1, 3, 4]]
    both = given.assign(response_relative=(("node", "condition"), relative))
    default = condition_groups(both)["condition_group"].values
    other = condition_groups(both, response="response")["condition_group"].values
    np.testing.assert_array_equal(default, other[[0, 2, 1, 3, 4]])
    assert not np.array_equal(default, other)


def test_seed() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(40, 40))
    given = network(values + values.T, response=random.normal(size=(40, 5)))
    first, second = (network_modules(given, seed=3, n_starts=2) for _ in range(2))
    np.testing.assert_array_equal(first["module"].values, second["module"].values)
    groups = [condition_groups(first, seed=3)["condition_group"].values for _ in range(2)]
    np.testing.assert_array_equal(*groups)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 0}, "resolution"),
        ({"resolution": np.nan}, "resolution"),
        ({"n_starts": 0}, "n_starts"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
    ],
    ids=["resolution", "nan", "starts", "seed", "whole"],
)
def test_options_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        network_modules(network(), **options)
    with pytest.raises(InvalidInput, match=message):
        condition_groups(network_modules(network()), **options)


def test_bad_input() -> None:
    given = network()
    with pytest.raises(InvalidInput, match="no modules"):
        condition_groups(given)
    grouped = network_modules(given)
    with pytest.raises(InvalidInput, match="response_relative"):
        condition_groups(grouped, response="response_relative")
    with pytest.raises(InvalidInput, match="one of"):
        condition_groups(grouped, response="coupling")
    endless = given["coupling"].values.copy()
    endless[0, 1] = endless[1, 0] = np.inf
    with pytest.raises(InvalidInput, match="infinite"):
        network_modules(network(endless))
    pushed = given["response"].values.copy()
    pushed[2, 3] = np.inf
    with pytest.raises(InvalidInput, match="infinite"):
        condition_groups(network_modules(network(response=pushed)))
    with pytest.raises(InvalidElement):
        network_modules(xr.Dataset())


def test_without_leidenalg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "leidenalg", None)
    with pytest.raises(MissingDependency, match=r"mutua\[leiden\]"):
        network_modules(network())


def test_modules_of_a_store_are_those_of_memory(tmp_path: Path) -> None:
    found = network_modules(network())
    mt.Analysis({"network": found}).write(tmp_path / "study.zarr")
    stored = mt.open(tmp_path / "study.zarr")["network"]
    np.testing.assert_array_equal(
        condition_groups(stored)["condition_group"].values.astype(object),
        condition_groups(found)["condition_group"].values.astype(object),
    )
