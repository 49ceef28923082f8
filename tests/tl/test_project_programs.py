"""Programs of a reference in other cells."""

import numpy as np
import pytest
from scipy import sparse

import mutua as mt
from mutua.errors import InvalidInput
from tests.reference import gene_programs as reference
from tests.tl.gene_programs import GENES, PROGRAMS, planted_cells


@pytest.fixture(scope="module")
def trained():
    adata = planted_cells()
    own = {"mine": ["gene0", "gene7"], "yours": ["gene7", "gene9"]}
    mt.tl.programs(adata, n_programs=PROGRAMS + 1, n_runs=2, max_iterations=40, prior_programs=own)
    return adata


@pytest.fixture
def new():
    return planted_cells(cells=70, seed=5)


def test_the_same_cells_get_the_same(trained):
    again = planted_cells()
    mt.tl.project_programs(again, reference=trained)
    for part, keys in {
        "obsm": ("X_programs", "X_programs_state"),
        "varm": ("programs", "programs_correlation"),
    }.items():
        for key in keys:
            np.testing.assert_array_equal(getattr(again, part)[key], getattr(trained, part)[key])
    entry = again.uns["programs"]
    assert entry["relative_error"] == trained.uns["programs"]["relative_error"]
    assert list(entry["names"]) == list(trained.uns["programs"]["names"])
    assert entry["missing"].tolist() == [0] * (PROGRAMS + 1)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_genes_by_name(trained, new, kind):
    mixed = new[:, np.random.default_rng(0).permutation(GENES)].copy()
    mixed.X = kind(mixed.X)
    mt.tl.project_programs(mixed, reference=trained, key_added="theirs")
    scaled = new.X.astype(float) / trained.uns["programs"]["scale"]
    expected = reference.activities(scaled, trained.varm["programs"].T)
    np.testing.assert_allclose(mixed.obsm["X_theirs"], expected, atol=1e-9)
    weights = mixed.varm["theirs"][mixed.var_names.get_indexer(new.var_names)]
    np.testing.assert_array_equal(weights, trained.varm["programs"])


def test_missing_genes_are_listed(trained, new):
    part = new[:, 3:].copy()
    with pytest.raises(InvalidInput, match=r"3 of 120 genes .* 'gene0', 'gene1', 'gene2'"):
        mt.tl.project_programs(part, reference=trained)
    assert not part.obsm


def test_missing_genes_within_what_is_allowed(trained, new):
    part = new[:, 3:].copy()
    with pytest.warns(UserWarning, match="3 of 120 genes"):
        mt.tl.project_programs(part, reference=trained, max_missing=0.9)
    weights = trained.varm["programs"][3:]
    scaled = part.X.astype(float) / trained.uns["programs"]["scale"][3:]
    expected = reference.activities(scaled, weights.T)
    np.testing.assert_allclose(part.obsm["X_programs"], expected, atol=1e-9)
    lost = (trained.varm["programs"][:3] ** 2).sum(axis=0)
    np.testing.assert_allclose(part.uns["programs"]["missing"], lost)


def test_other_genes_count_for_nothing(trained, new):
    wide = new.copy()
    wide = wide[:, [*range(GENES), 0, 1]].copy()
    wide.var_names = [*new.var_names, "other1", "other2"]
    mt.tl.project_programs(wide, reference=trained)
    mt.tl.project_programs(new, reference=trained)
    np.testing.assert_array_equal(wide.obsm["X_programs"], new.obsm["X_programs"])
    entry = wide.uns["programs"]
    assert entry["relative_error"] == pytest.approx(new.uns["programs"]["relative_error"])
    assert np.isnan(entry["scale"]).tolist() == [False] * GENES + [True] * 2


def test_states_have_the_limits_of_the_reference(trained, new):
    new.X[:, trained.varm["programs"][:, 0] > 0] *= 1e-3
    mt.tl.project_programs(new, reference=trained)
    assert (new.obsm["X_programs_state"][:, 0] == -1).all()


def test_cells_one_by_one(trained, new):
    mt.tl.project_programs(new, reference=trained)
    one = new[7:8].copy()
    mt.tl.project_programs(one, reference=trained)
    for key in ("X_programs", "X_programs_state"):
        np.testing.assert_array_equal(one.obsm[key][0], new.obsm[key][7])


def test_copy(trained, new):
    found = mt.tl.project_programs(new, reference=trained, copy=True)
    assert found.obsm["X_programs"].shape == (70, PROGRAMS + 1)
    assert not new.obsm


def test_what_was_projected_serves_as_a_reference(trained, new):
    mt.tl.project_programs(new, reference=trained)
    other = planted_cells(cells=40, seed=8)
    again = other.copy()
    mt.tl.project_programs(other, reference=trained)
    mt.tl.project_programs(again, reference=new)
    np.testing.assert_array_equal(again.obsm["X_programs"], other.obsm["X_programs"])


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda a: a, {"key": "none"}, "no gene programs"),
        (lambda a: a[:, :100].copy(), {}, "made from 120 features"),
        (lambda a: a, {"max_missing": 1.5}, "from 0 to 1"),
        (lambda a: a, {"layer": "none"}, "no layer"),
    ],
    ids=["key", "cut", "share", "layer"],
)
def test_refused(trained, new, change, options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.tl.project_programs(new, reference=change(trained), **options)


def test_the_programs_themselves_are_not_replaced(trained):
    with pytest.raises(InvalidInput, match="themselves"):
        mt.tl.project_programs(trained, reference=trained)
