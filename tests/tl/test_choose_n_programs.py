"""How many programs there are."""

import numpy as np
import pytest

import mutua as mt
from mutua.errors import InvalidInput
from tests.tl.gene_programs import PROGRAMS, planted_cells

QUICK = {"n_runs": 4, "max_iterations": 40}


@pytest.fixture(scope="module")
def adata():
    return planted_cells(1.0)


@pytest.fixture(scope="module")
def found(adata):
    return mt.tl.choose_n_programs(adata, n_programs=[12, 3, 6, 9], **QUICK)


def test_table(found):
    assert found["n_programs"].values.tolist() == [3, 6, 9, 12]
    assert set(found) == {
        "n_programs",
        "n_found",
        "stability",
        "stability_lowest",
        "n_stable",
        "relative_error",
        "relative_error_held_out",
        "recommended",
    }
    assert (found["n_stable"] <= found["n_found"]).all()
    assert (found["stability_lowest"] <= found["stability"]).all()


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_the_planted_number_is_recommended_among_its_neighbours(noise):
    numbers = range(PROGRAMS - 1, PROGRAMS + 3)
    found = mt.tl.choose_n_programs(planted_cells(noise, seed=2), n_programs=numbers, **QUICK)
    assert found["n_programs"].values[found["recommended"].values].tolist() == [PROGRAMS]


def test_the_planted_number_is_recommended(found):
    assert found["n_programs"].values[found["recommended"].values].tolist() == [PROGRAMS]
    assert found["stability"].values[1] > 0.98


def test_errors(found):
    error = found["relative_error"].values
    assert (np.diff(error) < 0).all()
    gain = -np.diff(error)
    assert gain[0] > 5 * gain[1]
    np.testing.assert_allclose(found["relative_error_held_out"].values[:2], error[:2], rtol=0.05)


def test_cells_held_out_are_not_seen(adata):
    other = adata.copy()
    options = {"n_programs": [4], **QUICK}
    one = mt.tl.choose_n_programs(other, **options)
    held = np.sort(np.random.default_rng([0, 11]).permutation(other.n_obs)[:120])
    other.X[held] *= 3
    two = mt.tl.choose_n_programs(other, **options)
    assert two["relative_error"].values == one["relative_error"].values


def test_nothing_is_written(adata):
    before = adata.copy()
    mt.tl.choose_n_programs(adata, n_programs=[2], n_runs=2, held_out=0, max_iterations=5)
    np.testing.assert_array_equal(adata.X, before.X)
    assert not adata.obsm
    assert set(adata.uns) == {"kept"}


def test_none_held_out(adata):
    found = mt.tl.choose_n_programs(adata, n_programs=[2], held_out=0, **QUICK)
    assert np.isnan(found["relative_error_held_out"].values).all()


@pytest.mark.parametrize("method", ["onmf", "nmf"])
def test_balanced(adata, method):
    found = mt.tl.choose_n_programs(
        adata, n_programs=[5], balance_by="cluster", n_cells=100, method=method, **QUICK
    )
    assert found["n_found"].values.tolist() == [5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_programs": []}, "no number"),
        ({"n_programs": 5}, "Use several"),
        ({"n_programs": [0]}, "at least 1"),
        ({"n_programs": [500]}, "500 for 120 genes"),
        ({"n_programs": [3], "held_out": 0.95}, "from 0 to 0.9"),
    ],
    ids=["none", "one", "zero", "many", "share"],
)
def test_refused(adata, options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.tl.choose_n_programs(adata, **options)
