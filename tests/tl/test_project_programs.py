"""Programs of a reference in other cells."""

import importlib

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
            found, expected = (getattr(adata, part)[key] for adata in (again, trained))
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    entry = again.uns["programs"]
    assert entry["relative_error"] == pytest.approx(trained.uns["programs"]["relative_error"])
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


class TestOwnScale:
    """References without scales, such as those of `mutua.read_programs`."""

    @pytest.fixture
    def files(self, trained):
        reference = trained.copy()
        del reference.uns["programs"]["scale"]
        del reference.obsm["X_programs"], reference.obsm["X_programs_state"]
        return reference

    def test_needs_to_be_asked_for(self, files, new):
        with pytest.raises(InvalidInput, match=r"no scales .* scale='own'"):
            mt.tl.project_programs(new, reference=files)
        assert not new.obsm

    @pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
    def test_divides_by_the_spread_of_the_new_cells(self, files, new, kind):
        spread = new.X.astype(float).std(axis=0)
        scale = np.maximum(spread, np.percentile(spread, 20))
        expected = reference.activities(new.X.astype(float) / scale, files.varm["programs"].T)
        new.X = kind(new.X)
        mt.tl.project_programs(new, reference=files, scale="own")
        np.testing.assert_allclose(new.uns["programs"]["scale"], scale, rtol=1e-6)
        np.testing.assert_allclose(new.obsm["X_programs"], expected, atol=1e-6)
        assert new.uns["programs"]["parameters"]["scale"] == "own"
        assert set(np.unique(new.obsm["X_programs_state"])) == {-1, 0, 1}

    def test_genes_that_the_reference_lacks_have_none(self, files, new):
        files = files[:, 3:].copy()
        files.uns["programs"]["features"] = files.var_names.to_numpy(object)
        mt.tl.project_programs(new, reference=files, scale="own")
        scale = new.uns["programs"]["scale"]
        assert np.isnan(scale[:3]).all()
        assert (scale[3:] > 0).all()

    def test_of_many_cells_some_are_taken(self, files, new, monkeypatch):
        module = importlib.import_module("mutua.tl.project_programs")
        monkeypatch.setattr(module, "_MOST_CELLS", 8)
        mt.tl.project_programs(new, reference=files, scale="own")
        cells = np.linspace(0, new.n_obs - 1, 8).astype(int)
        spread = new.X[cells].astype(float).std(axis=0)
        scale = np.maximum(spread, np.percentile(spread[spread > 0], 20))
        np.testing.assert_allclose(new.uns["programs"]["scale"], scale, rtol=1e-6)

    def test_negative_weights_are_refused(self, files, new):
        files.varm["programs"] = files.varm["programs"] - 0.1
        with pytest.raises(InvalidInput, match=r"negative weights .* weights='spectra'"):
            mt.tl.project_programs(new, reference=files, scale="own")

    def test_options(self, files, new):
        with pytest.raises(InvalidInput, match=r"`scale`: 'mine'"):
            mt.tl.project_programs(new, reference=files, scale="mine")
