"""Means over conditions of one name: by name and not by place, weights, what is dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput
from mutua.tl.average_conditions import average_conditions

GUIDES = ["z1", "B_1", "A_1", "B_2", "z2", "A_2", "A_3"]
GENES = {"z1": "control", "z2": "control", "A_1": "A", "A_2": "A", "A_3": "A", "B_1": "B",
         "B_2": "B"}  # fmt: skip
N_CELLS = [30, 40, 50, 60, 70, 80, 0]


def network(**parts: Any) -> xr.Dataset:
    random = np.random.default_rng(0)
    coupling = random.normal(size=(4, 4))
    response = random.normal(size=(4, 7))
    names = [f"P{i}" for i in range(4)]
    given = {
        "coupling": coupling,
        "coupling_low": coupling - 1,
        "coupling_high": coupling + 1,
        "response": response,
        "response_low": response - 1,
        "response_high": response + 1,
        "response_relative": response - response[:, :1],
        "response_relative_p": np.full((4, 7), 0.5),
        "response_relative_q": np.full((4, 7), 0.5),
        "module": ["1", "1", "2", "1"],
        "condition_group": ["1"] * 7,
        "is_control": [name.startswith("z") for name in GUIDES],
        "batch": ["x", "y", "x", "y", "x", "x", "x"],
        "n_cells": N_CELLS,
        "node": names,
        "regulator": names,
        "condition": GUIDES,
        "method": "pseudo_likelihood",
        "directed": True,
        "node_kind": "program",
    }
    given |= parts
    return mt.ProgramNetwork.build(**{k: v for k, v in given.items() if v is not None})


def test_means_by_name() -> None:
    given = network()
    found = average_conditions(given, groups=GENES)
    assert found["condition"].values.tolist() == ["A", "B", "control"]
    for variable in ("response", "response_relative"):
        for gene in ("A", "B", "control"):
            own = [guide for guide in GUIDES if GENES[guide] == gene]
            expected = np.mean([given[variable].sel(condition=g).values for g in own], axis=0)
            np.testing.assert_allclose(found[variable].sel(condition=gene).values, expected)
    assert found["n_cells"].values.tolist() == [130, 100, 100]
    assert found["is_control"].values.tolist() == [False, False, True]
    assert found["batch"].values.tolist() == ["x", "y", "x"]
    left = set(given.variables) - set(found.variables)
    assert left == {
        "response_low", "response_high", "response_relative_p", "response_relative_q",
        "condition_group",
    }  # fmt: skip
    for name in ("coupling", "coupling_low", "coupling_high", "module"):
        xr.testing.assert_equal(found[name].variable, given[name].variable)


def test_order_of_the_conditions_does_not_matter() -> None:
    given = network()
    turned = given.isel(condition=[6, 2, 0, 5, 1, 4, 3])
    found, expected = (average_conditions(n, groups=GENES) for n in (turned, given))
    xr.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    "groups",
    [
        pd.Series(GENES),
        pd.Series(GENES)[::-1],
        pd.Series(GENES).astype("category"),
        dict(reversed(GENES.items())),
    ],
    ids=["series", "reversed", "categorical", "mapping"],
)
def test_forms_of_groups(groups: Any) -> None:
    given = network()
    found, expected = (average_conditions(given, groups=g) for g in (groups, GENES))
    xr.testing.assert_equal(found, expected)


def test_weights() -> None:
    given = network()
    found = average_conditions(given, groups=GENES, weights="n_cells")
    values = given["response"].sel(condition=["A_1", "A_2"]).values
    expected = (50 * values[:, 0] + 80 * values[:, 1]) / 130
    np.testing.assert_allclose(found["response"].sel(condition="A").values, expected)


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA], ids=["None", "NaN", "NA"])
def test_left_out(nothing: Any) -> None:
    found = average_conditions(network(), groups=GENES | {"B_1": nothing, "B_2": nothing})
    assert found["condition"].values.tolist() == ["A", "control"]


def test_batch_that_differs_is_left_out() -> None:
    found = average_conditions(network(), groups=GENES | {"B_1": "A"})
    assert "batch" not in found.coords


def test_little_is_known() -> None:
    bare = network(
        n_cells=None, batch=None, is_control=None, response_relative=None, condition_group=None
    )
    found = average_conditions(bare, groups=GENES)
    assert set(found.coords) == {"node", "regulator", "condition", "module"}
    with pytest.raises(InvalidInput, match="no numbers of cells"):
        average_conditions(bare, groups=GENES, weights="n_cells")


def test_conditions_without_an_entry_are_listed() -> None:
    groups = {name: gene for name, gene in GENES.items() if gene != "B"}
    with pytest.raises(InvalidInput, match=r"2 of 7 conditions: 'B_1', 'B_2'"):
        average_conditions(network(), groups=groups)


def test_entries_for_other_conditions_are_named() -> None:
    with pytest.warns(UserWarning, match="1 entries .* 'C_1'") as caught:
        found = average_conditions(network(), groups=GENES | {"C_1": "C"})
    assert caught[0].filename == __file__
    assert found["condition"].values.tolist() == ["A", "B", "control"]


def test_bad_input() -> None:
    given = network()
    with pytest.raises(InvalidInput, match="controls and other conditions in 'A'"):
        average_conditions(given, groups=GENES | {"z1": "A"})
    with pytest.raises(InvalidInput, match="no name for any"):
        average_conditions(given, groups=dict.fromkeys(GUIDES))
    with pytest.raises(InvalidInput, match="mapping or a Series"):
        average_conditions(given, groups=list(GENES))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="repeats 'A_1'"):
        average_conditions(given, groups=pd.Series(["A", "A"], ["A_1", "A_1"]))
    with pytest.raises(InvalidInput, match="one of"):
        average_conditions(given, groups=GENES, weights="cells")
    with pytest.raises(InvalidInput, match="no cells for 'lonely'"):
        average_conditions(given, groups=GENES | {"A_3": "lonely"}, weights="n_cells")


def test_round_trip(tmp_path: Any) -> None:
    found = average_conditions(network(), groups=GENES)
    mt.Analysis({"genes": found}).write(tmp_path / "study.zarr")
    xr.testing.assert_equal(mt.open(tmp_path / "study.zarr")["genes"].compute(), found)
