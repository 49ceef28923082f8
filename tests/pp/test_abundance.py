"""Abundances as logarithms and log-ratios."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import anndata
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.pp import abundance
from tests.reference import compositions

N_SAMPLES, N_FEATURES = 7, 5
TRANSFORMS = [mt.pp.log_abundance, mt.pp.clr]
each = pytest.mark.parametrize("transform", TRANSFORMS, ids=["log_abundance", "clr"])


def counts(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    made = rng.poisson(3, (N_SAMPLES, N_FEATURES)) * (rng.random((N_SAMPLES, N_FEATURES)) < 0.6)
    made[:, 2] += 1  # no sample has nothing
    return made


def named(values: Any) -> anndata.AnnData:
    made = anndata.AnnData(values)
    made.obs_names = [f"s{i}" for i in range(made.n_obs)]
    made.var_names = [f"f{i}" for i in range(made.n_vars)]
    return made


def digits(adata: anndata.AnnData) -> list[Any]:
    slots = [adata.X, *adata.layers.values()]
    return [part.toarray().tolist() if sparse.issparse(part) else part.tolist() for part in slots]


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr": sparse.csr_matrix,
    "csc": sparse.csc_matrix,
    "csr_array": sparse.csr_array,
}


# --- logarithms ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("pseudocount", "base"), [(1e-6, 10), (0.5, 2), (1, np.e)])
def test_logarithm_of_itself_and_a_pseudocount(form: str, pseudocount: float, base: float) -> None:
    values = counts() / 20
    adata = named(FORMS[form](values))
    assert mt.pp.log_abundance(adata, pseudocount=pseudocount, base=base) is None
    stays = pseudocount == 1 and form.startswith("cs")
    assert sparse.issparse(adata.X) == stays
    found = adata.X.toarray() if stays else adata.X
    np.testing.assert_allclose(found, np.log(values + pseudocount) / np.log(base), rtol=1e-13)
    if stays:
        assert adata.X.format == form[:3]
        assert adata.X.nnz == np.count_nonzero(values)


def test_as_scanpy_with_a_pseudocount_of_one() -> None:
    scanpy = pytest.importorskip("scanpy")
    ours, theirs = named(counts().astype(np.float32)), named(counts().astype(np.float32))
    mt.pp.log_abundance(ours, pseudocount=1, base=np.e)
    scanpy.pp.log1p(theirs)
    np.testing.assert_allclose(ours.X, theirs.X, rtol=1e-6)


def test_the_default_is_the_usual_one_of_coverages() -> None:
    adata = named(np.array([[0.0, 1e-6, 1.0]]))
    mt.pp.log_abundance(adata)
    np.testing.assert_allclose(adata.X, [[-6, np.log10(2e-6), np.log10(1 + 1e-6)]], rtol=1e-14)


# --- log-ratios ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("options", "reference"),
    [
        ({}, lambda row: compositions.clr([part + 1 for part in row])),
        ({"pseudocount": 0.3}, lambda row: compositions.clr([part + 0.3 for part in row])),
        (
            {"zeros": "multiplicative"},
            lambda row: compositions.clr(compositions.replaced(row, 1 / N_FEATURES**2)),
        ),
        (
            {"zeros": "multiplicative", "fraction": 1e-4},
            lambda row: compositions.clr(compositions.replaced(row, 1e-4)),
        ),
        ({"zeros": "robust"}, compositions.robust_clr),
    ],
    ids=["pseudocount", "pseudocount of 0.3", "multiplicative", "fraction of 1e-4", "robust"],
)
def test_log_ratios_are_those_of_the_papers(form: str, options: Any, reference: Any) -> None:
    adata = named(FORMS[form](counts()))
    assert mt.pp.clr(adata, **options) is None
    expected = [reference(row) for row in counts().tolist()]
    assert isinstance(adata.X, np.ndarray)
    np.testing.assert_allclose(adata.X, expected, rtol=1e-12, atol=1e-13)


def test_log_ratios_that_scikit_bio_gives() -> None:
    """scikit-bio 0.7.4: clr(x + 1), clr(multi_replace(x)), rclr(x) of this sample."""
    adata = named(np.array([[0, 3, 1, 0, 16]]))
    expected = {
        "pseudocount": [-0.98253098, 0.40376338, -0.28938380, -0.98253098, 1.85068237],
        "multiplicative": [-0.85809737, 0.38027686, -0.71833543, -0.85809737, 2.05425330],
        "robust": [np.nan, -0.19178805, -1.29040044, np.nan, 1.48218839],
    }
    for zeros, values in expected.items():
        found = mt.pp.clr(adata, zeros=zeros, copy=True)
        np.testing.assert_allclose(found.X, [values], atol=1e-8)


positive = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(2, 6)),
    elements=st.floats(1e-3, 1e3),
)


@given(positive, st.floats(1e-3, 1e3))
def test_depth_does_not_matter(values: np.ndarray, depth: float) -> None:
    for zeros in ("multiplicative", "robust", "error"):
        one, other = named(values.copy()), named(values * depth)
        mt.pp.clr(one, zeros=zeros)
        mt.pp.clr(other, zeros=zeros)
        np.testing.assert_allclose(one.X, other.X, atol=1e-9)
        np.testing.assert_allclose(one.X.mean(axis=1), 0, atol=1e-9)


def test_multiplicative_replacement_keeps_ratios() -> None:
    adata = named(np.array([[0.0, 3.0, 6.0, 0.0]]))
    mt.pp.clr(adata, zeros="multiplicative", fraction=0.01)
    assert adata.X[0, 2] - adata.X[0, 1] == pytest.approx(np.log(2))
    assert adata.X[0, 0] - adata.X[0, 1] == pytest.approx(np.log(0.01 / (0.98 / 3)))


# --- where it goes -------------------------------------------------------------------------------


@each
def test_layers_and_copies(transform: Any) -> None:
    raw = counts()
    expected = transform(named(raw), copy=True).X

    adata = named(raw * 2)
    adata.layers["counts"] = raw.copy()
    assert transform(adata, layer="counts", key_added="new") is None
    np.testing.assert_array_equal(adata.layers["new"], expected)
    np.testing.assert_array_equal(adata.layers["counts"], raw)
    np.testing.assert_array_equal(adata.X, raw * 2)

    before = digits(adata)
    made = transform(adata, layer="counts", copy=True)
    assert digits(adata) == before
    np.testing.assert_array_equal(made.layers["counts"], expected)
    np.testing.assert_array_equal(made.X, raw * 2)

    transform(adata, layer="counts")
    np.testing.assert_array_equal(adata.layers["counts"], expected)
    step = json.loads(adata.uns["mutua"])["steps"][-1]
    assert step["function"] == f"pp.{transform.__name__}"
    assert step["arguments"]["layer"] == "counts"


@each
@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("target", [{}, {"key_added": "new"}], ids=["X", "layer"])
def test_a_view_leaves_its_parent_alone(transform: Any, form: str, target: Any) -> None:
    adata = named(FORMS[form](counts()))
    before = digits(adata)
    view = adata[2:6, [3, 1, 2]]
    expected = transform(named(counts()[2:6][:, [3, 1, 2]]), copy=True).X
    transform(view, **target)
    assert digits(adata) == before
    np.testing.assert_array_equal(view.layers["new"] if target else view.X, expected)
    assert view.obs_names.tolist() == ["s2", "s3", "s4", "s5"]


@each
@pytest.mark.parametrize(
    ("given_type", "result"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int32, np.float64),
        (bool, np.float64),
    ],
    ids=["float32", "float64", "int32", "bool"],
)
def test_types(transform: Any, given_type: type, result: type) -> None:
    values = counts().astype(given_type)
    for form in ("dense", "csr"):
        adata = named(FORMS[form](values))
        transform(adata)
        assert adata.X.dtype == result


@each
@pytest.mark.parametrize("form", ["dense", "csr", "csc"])
def test_blocks_give_the_same_bits(
    transform: Any, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = transform(named(FORMS[form](counts())), copy=True).X
    monkeypatch.setattr(abundance, "_BLOCK_VALUES", 2 * N_FEATURES)
    np.testing.assert_array_equal(transform(named(FORMS[form](counts())), copy=True).X, whole)


# --- what is refused -----------------------------------------------------------------------------


@each
@pytest.mark.parametrize("form", ["dense", "csr", "csc"])
@pytest.mark.parametrize(("value", "what"), [(-0.5, "-0.5"), (np.nan, "missing"), (np.inf, "inf")])
@pytest.mark.parametrize("block", [1, 1000])
def test_what_is_no_abundance(
    transform: Any, form: str, value: float, what: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abundance, "_BLOCK_VALUES", block)
    values = counts().astype(float)
    values[4, 3] = value
    adata = named(FORMS[form](values))
    message = rf"`adata.X`: {what} at sample 's4', feature 'f3'"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidInput, match=message):
            transform(adata, pseudocount=0.5)
    np.testing.assert_array_equal(digits(adata)[0], values)  # nothing was written
    assert "mutua" not in adata.uns


def test_a_second_logarithm_is_refused() -> None:
    adata = named(counts() / 100)
    mt.pp.log_abundance(adata)
    with pytest.raises(InvalidInput, match="before any logarithm or scaling"):
        mt.pp.log_abundance(adata)


@each
def test_slots_that_are_not_there(transform: Any) -> None:
    adata = named(counts())
    with pytest.raises(InvalidInput, match=r"no layer 'nothing'\. There are no layers"):
        transform(adata, layer="nothing")
    adata.layers["raw"] = counts()
    with pytest.raises(InvalidInput, match=r"Use one of \['raw'\]"):
        transform(adata, layer="nothing")
    with pytest.raises(InvalidInput, match="no X"):
        transform(anndata.AnnData(shape=(3, 2)))
    with pytest.raises(InvalidInput, match="0 samples x 2 features"):
        transform(anndata.AnnData(np.zeros((0, 2))))
    with pytest.raises(InvalidInput, match="`copy`"):
        transform(adata, copy="yes")
    with pytest.raises(InvalidInput, match="`key_added`"):
        transform(adata, key_added=3)
    with pytest.raises(InvalidInput, match="has type complex128"):
        transform(named(counts().astype(complex)))
    with pytest.raises(InvalidElement, match="adata"):
        transform(counts())


@each
def test_data_on_disk_are_refused(transform: Any, tmp_path: Any) -> None:
    for form in ("dense", "csr"):
        named(FORMS[form](counts())).write_h5ad(tmp_path / "a.h5ad")
        backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
        with pytest.raises(InvalidInput, match=r"to_memory\(\)"):
            transform(backed)
        backed.file.close()


@pytest.mark.parametrize(
    ("options", "argument"),
    [({"pseudocount": 0}, "pseudocount"), ({"pseudocount": -1}, "pseudocount"),
     ({"pseudocount": np.nan}, "pseudocount"), ({"base": 1}, "base"), ({"base": "e"}, "base")],
    ids=str,
)  # fmt: skip
def test_logarithms_that_are_none(options: dict[str, Any], argument: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        mt.pp.log_abundance(named(counts()), **options)
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zeros": "impute"}, "`zeros`: 'impute'"),
        ({"pseudocount": 0.0}, "`pseudocount`: 0"),
        (
            {"zeros": "robust", "pseudocount": 1.0},
            "`pseudocount`: 1.0, and zeros='robust' has none",
        ),
        ({"fraction": 0.1}, "`fraction`: 0.1, and zeros='pseudocount' has none"),
        ({"zeros": "multiplicative", "fraction": 0.0}, "`fraction`: 0"),
        ({"zeros": "multiplicative", "fraction": 0.9}, "0.9 for each of . zeros of sample 's"),
        ({"zeros": "error"}, "sample 's0' has 0 of feature 'f"),
    ],
    ids=[
        "zeros",
        "pseudocount",
        "not both",
        "fraction",
        "fraction of 0",
        "too much",
        "zeros there",
    ],
)
def test_choices_that_are_none(options: dict[str, Any], message: str) -> None:
    values = counts()
    values[0, 0] = values[0, 1] = 0
    with pytest.raises(InvalidInput, match=message):
        mt.pp.clr(named(values), **options)


def test_a_pseudocount_of_one_read_is_for_reads() -> None:
    with pytest.raises(
        InvalidInput, match=r"`pseudocount`: not given, and adata\.X holds no counts"
    ):
        mt.pp.clr(named(counts() / counts().sum(axis=1, keepdims=True)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0, -0.5])
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_values_are_to_blame_before_the_pseudocount(value: float, form: str) -> None:
    values = counts().astype(float)
    values[1, 2] = value
    table = named(values)
    if form == "csr":
        table.X = sparse.csr_matrix(table.X)
    with pytest.raises(InvalidInput, match=r"`adata\.X`: .* at sample '.*', feature"):
        mt.pp.clr(table)


@pytest.mark.parametrize("zeros", ["pseudocount", "multiplicative", "robust"])
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_a_sample_of_nothing_is_named(zeros: str, form: str) -> None:
    values = counts()
    values[5] = 0
    with pytest.raises(InvalidInput, match="sample 's5' has nothing but zeros"):
        mt.pp.clr(named(FORMS[form](values)), zeros=zeros)
