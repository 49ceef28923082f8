"""Gene sets of programs: against scipy, what is counted, decoupler, error paths."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import sparse
from scipy.stats import fisher_exact, linregress

import mutua as mt
from mutua.errors import InvalidInput, MissingDependency
from mutua.stats import benjamini_hochberg
from mutua.tl.program_enrichment import program_enrichment
from tests.tl.program_cells import N_GENES, NAMES, program_cells


def genes(*places: int) -> list[str]:
    return [f"gene{place}" for place in places]


SETS = {
    "first": genes(0, 1, 2, 3),
    "mixed": genes(0, 5, 9, 13),
    "last": [*genes(9, 10, 11), "elsewhere", "nowhere"],
    "one": genes(6),
}


def check(found: xr.Dataset, members: list[set[str]], universe: set[str]) -> None:
    assert found["group"].values.tolist() == NAMES
    assert found["term"].values.tolist() == list(SETS)
    for group, own in zip(NAMES, members, strict=True):
        for term, with_term in SETS.items():
            there = set(with_term) & universe
            a, b = len(there & own), len(there - own)
            square = [[a, b], [len(own) - a, len(universe - own) - b]]
            cell = found.sel(term=term, group=group)
            assert int(cell["n_both"]) == a
            p = fisher_exact(square, alternative="greater").pvalue
            assert float(cell["p_value"]) == pytest.approx(p)
            assert float(cell["expected"]) == pytest.approx(len(there) * len(own) / len(universe))
            odds = (a + 0.5) * (square[1][1] + 0.5) / ((square[1][0] + 0.5) * (b + 0.5))
            assert float(cell["odds_ratio"]) == pytest.approx(odds)
    p = found["p_value"].values
    np.testing.assert_array_equal(found["q_value"].values, benjamini_hochberg(p))
    assert found.attrs["n"] == len(universe)
    assert found.attrs["n_tests"] == p.size


def test_all_genes_of_programs() -> None:
    cells = program_cells()
    found = program_enrichment(cells, gene_sets=SETS)
    members = [set(genes(*range(5))), set(genes(*range(5, 9))), set(genes(*range(9, 12)))]
    check(found, members, set(genes(*range(N_GENES))))
    assert found["n_absent"].values.tolist() == [0, 0, 2, 0]
    assert found["n_group"].values.tolist() == [5, 4, 3]
    assert "mutua" not in cells.uns


def test_order_of_the_genes_does_not_matter() -> None:
    cells = program_cells()
    turned = cells[:, np.random.default_rng(0).permutation(N_GENES)].copy()
    found, expected = (program_enrichment(c, gene_sets=SETS) for c in (turned, cells))
    xr.testing.assert_equal(found, expected)


def test_top_genes_and_weights() -> None:
    cells = program_cells()
    weights = cells.varm["programs"]
    top = [set(cells.var_names[np.argsort(-own)[:2]]) for own in weights.T]
    check(program_enrichment(cells, gene_sets=SETS, n_genes=2), top, set(cells.var_names))
    heavy = [set(cells.var_names[own > 0.5]) for own in weights.T]
    assert heavy != top
    check(program_enrichment(cells, gene_sets=SETS, min_weight=0.5), heavy, set(cells.var_names))
    many = program_enrichment(cells, gene_sets=SETS, n_genes=1000)
    assert many["n_group"].values.tolist() == [5, 4, 3]


def test_background() -> None:
    cells = program_cells()
    universe = genes(0, 1, 2, 5, 6, 9, 12)
    found = program_enrichment(cells, gene_sets=SETS, background=universe[::-1])
    members = [set(genes(0, 1, 2)), set(genes(5, 6)), set(genes(9))]
    check(found, members, set(universe))
    assert found["n_absent"].values.tolist() == [1, 1, 4, 0]


def test_sparse_weights_and_repeated_genes() -> None:
    cells = program_cells()
    expected = program_enrichment(cells, gene_sets=SETS)
    cells.varm["programs"] = sparse.csr_matrix(cells.varm["programs"])
    twice = {name: [*own, *own] for name, own in SETS.items()}
    xr.testing.assert_equal(program_enrichment(cells, gene_sets=twice), expected)


def test_what_cannot_be_tested_is_not() -> None:
    cells = program_cells()
    cells.varm["programs"][:, 1] = 0
    with pytest.warns(UserWarning, match="1 of 5 gene sets .* 'lost'") as caught:
        found = program_enrichment(cells, gene_sets=SETS | {"lost": ["elsewhere"]})
    assert caught[0].filename == __file__
    p = found["p_value"].values
    assert np.isnan(p[-1]).all()
    assert np.isnan(p[:, 1]).all()
    assert np.isfinite(p[:-1, [0, 2]]).all()
    assert found.attrs["n_tests"] == 8
    np.testing.assert_array_equal(found["q_value"].values, benjamini_hochberg(p))


def test_p_values_of_random_sets_are_not_too_small() -> None:
    random = np.random.default_rng(0)
    cells = program_cells()
    sets = {f"set{i}": cells.var_names[random.permutation(N_GENES)[:6]] for i in range(300)}
    p = program_enrichment(cells, gene_sets=sets)["p_value"].values
    for level in (0.05, 0.2, 0.5):
        assert (p <= level).mean() < level + 0.03


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({}, "no set"),
        (["gene1"], "a list"),
        ({"a": "gene1"}, "list of names"),
        ({"a": 3}, "list of names"),
        ({"a": ["GENE1"], "b": []}, "none of their genes"),
        ({1: genes(1), "1": genes(2)}, "same as text"),
    ],
    ids=["empty", "list", "text", "number", "unknown", "same"],
)
def test_bad_sets(sets: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        program_enrichment(program_cells(), gene_sets=sets)


def test_bad_input() -> None:
    cells = program_cells()
    with pytest.raises(InvalidInput, match="no gene programs"):
        program_enrichment(cells, gene_sets=SETS, key="others")
    with pytest.raises(InvalidInput, match="'elsewhere' in var_names"):
        program_enrichment(cells, gene_sets=SETS, background=["gene1", "elsewhere"])
    for nothing in ([], "gene1"):
        with pytest.raises(InvalidInput, match="background"):
            program_enrichment(cells, gene_sets=SETS, background=nothing)
    for option in ({"n_genes": 0}, {"min_weight": -1}, {"method": "gsea"}):
        with pytest.raises(InvalidInput, match=next(iter(option))):
            program_enrichment(cells, gene_sets=SETS, **option)
    del cells.varm["programs"]
    with pytest.raises(InvalidInput, match="varm"):
        program_enrichment(cells, gene_sets=SETS)
    cells = program_cells()
    cells.var_names = ["same"] * N_GENES
    with pytest.raises(InvalidInput, match="repeat"):
        program_enrichment(cells, gene_sets=SETS)


@pytest.mark.slow
@pytest.mark.parametrize("slot", ["programs_correlation", "programs"])
def test_linear_model(slot: str) -> None:
    pytest.importorskip("decoupler", minversion="2")
    cells = program_cells()
    if slot == "programs":
        del cells.varm["programs_correlation"]
    everything = SETS | {"all": list(cells.var_names)}
    found = program_enrichment(cells, gene_sets=everything, method="ulm")
    values = cells.varm[slot]
    for term, own in SETS.items():
        within = np.isin(cells.var_names, own).astype(float)
        for place, group in enumerate(NAMES):
            line = linregress(within, values[:, place], alternative="greater")
            cell = found.sel(term=term, group=group)
            assert float(cell["score"]) == pytest.approx(line.slope / line.stderr, rel=1e-4)
            assert float(cell["p_value"]) == pytest.approx(line.pvalue, rel=1e-3)
    assert np.isnan(found["p_value"].sel(term="all")).all()
    assert found.attrs["n_tests"] == len(SETS) * len(NAMES)
    counts = program_enrichment(cells, gene_sets=everything)
    xr.testing.assert_equal(found["n_both"], counts["n_both"])


def test_without_decoupler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "decoupler", None)
    with pytest.raises(MissingDependency, match=r"mutua\[enrichment\]"):
        program_enrichment(program_cells(), gene_sets=SETS, method="ulm")


def test_round_trip(tmp_path: Any) -> None:
    found = program_enrichment(program_cells(), gene_sets=SETS)
    mt.Analysis({"sets": found}).write(tmp_path / "study.zarr")
    xr.testing.assert_equal(mt.open(tmp_path / "study.zarr")["sets"].compute(), found)
