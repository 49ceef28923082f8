"""Mutual information between two tables through the public function, on labelled data."""

from __future__ import annotations

import re
import warnings
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import sparse
from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from tests.reference.conditional_mi import class_mi

N = 73
SAMPLES = [f"s{number:02}" for number in range(N)]


def frame(values: np.ndarray, prefix: str) -> pd.DataFrame:
    names = [f"{prefix}{number}" for number in range(values.shape[1])]
    return pd.DataFrame(values, SAMPLES[: len(values)], names)


@pytest.fixture(scope="module")
def x() -> pd.DataFrame:
    """Two columns of numbers, one of them half zeros, classes of text and classes as numbers."""
    random = np.random.default_rng(0)
    half_zeros = np.where(random.random(N) < 0.5, 0.0, random.lognormal(size=N))
    return pd.DataFrame(
        {
            "depth": random.normal(size=N),
            "taxon": half_zeros,
            "site": random.choice(["gut", "lung", "skin"], N),
            "grade": random.integers(0, 4, N),
        },
        SAMPLES,
    )


@pytest.fixture(scope="module")
def y(x: pd.DataFrame) -> pd.DataFrame:
    random = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "curve": x["depth"] ** 2 + random.normal(size=N) / 3,
            "noise": random.normal(size=N),
            "sick": (x["depth"] > 0) & (random.random(N) < 0.8),
            "batch": pd.Categorical(random.choice(list("abcd"), N)),
            "level": random.integers(0, 5, N),
        },
        SAMPLES,
    )


def values(mi: xr.Dataset, name: str = "mi") -> np.ndarray:
    return np.asarray(mi[name].values)


# -- estimates -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 11])
@pytest.mark.parametrize("k", [1, 2, 3])  # with more it searches small classes inexactly
def test_every_combination_of_types_equals_scikit_learn(
    x: pd.DataFrame, y: pd.DataFrame, k: int, seed: int
) -> None:
    mi = mt.tl.mutual_information(x, y, discrete=["grade", "level"], n_neighbors=k, seed=seed)
    table = x.assign(site=pd.factorize(x["site"])[0]).to_numpy(float)
    given: dict[str, Any] = {"n_neighbors": k, "random_state": seed}
    given["discrete_features"] = [False, False, True, True]
    for name in y:
        if name in ("curve", "noise"):
            expected = mutual_info_regression(table, y[name], **given)
        else:
            expected = mutual_info_classif(table, pd.factorize(y[name])[0], **given)
        np.testing.assert_allclose(mi["mi"].sel(latent=name), expected, atol=1e-12)
    assert mi.attrs["n_neighbors"] == k
    assert mi.attrs["n_samples"] == N


@pytest.mark.parametrize("estimator", ["knn", "gaussian_copula", "binned"])
@pytest.mark.parametrize("strength", [0.3, 0.8])
def test_estimators_meet_the_gaussian_value(estimator: str, strength: float) -> None:
    random = np.random.default_rng(2)
    n = 2000
    left = random.normal(size=(n, 1))
    right = strength * left + np.sqrt(1 - strength**2) * random.normal(size=(n, 1))
    names = [str(number) for number in range(n)]
    mi = mt.tl.mutual_information(
        pd.DataFrame(left, names, ["a"]), pd.DataFrame(right, names, ["b"]), estimator=estimator
    )
    assert values(mi)[0, 0] == pytest.approx(-0.5 * np.log(1 - strength**2), rel=0.15)


def test_the_copula_cannot_see_what_goes_up_and_down(x: pd.DataFrame, y: pd.DataFrame) -> None:
    p = {
        estimator: values(
            mt.tl.mutual_information(
                x[["depth"]], y[["curve"]], estimator=estimator, n_permutations=99
            ),
            "p_value",
        )[0, 0]
        for estimator in ("knn", "gaussian_copula", "binned")
    }
    assert p["knn"] < 1e-4
    assert p["gaussian_copula"] > 0.05


def test_binned_is_of_bins_of_equal_frequency(x: pd.DataFrame, y: pd.DataFrame) -> None:
    mi = mt.tl.mutual_information(
        x[["depth"]].iloc[1:], y[["curve", "batch"]].iloc[1:], estimator="binned", n_bins=4
    )
    bins = [pd.qcut(column.iloc[1:], 4, labels=False) for column in (x["depth"], y["curve"])]
    for j, other in enumerate([bins[1], y["batch"].iloc[1:]]):
        expected = class_mi(list(bins[0]), list(other), [0] * (N - 1), miller_madow=True)
        assert values(mi)[0, j] == pytest.approx(max(expected, 0), abs=1e-12)


def test_strata_are_estimated_each_by_itself(x: pd.DataFrame, y: pd.DataFrame) -> None:
    """Within strata the estimate is that of scikit-learn, of the samples of the stratum."""
    mi = mt.tl.mutual_information(
        x[["depth", "taxon"]], y[["curve", "sick"]], covariates=x[["site"]], n_permutations=2
    )
    assert mi.attrs["covariates"] == ["site"]
    assert mi["mi"].sel(feature="depth", latent="curve") > 0.2
    alone = mt.tl.mutual_information(
        x[["grade"]], y[["level"]], covariates=x["site"], discrete=["grade", "level"]
    )
    expected = class_mi(x["grade"], y["level"], x["site"], miller_madow=False)
    assert values(alone)[0, 0] == pytest.approx(expected, abs=1e-12)


def test_what_a_covariate_explains_is_gone() -> None:
    random = np.random.default_rng(3)
    z = random.normal(size=(N, 1))
    left, right = frame(z + random.normal(size=(N, 3)) / 2, "x"), frame(z.copy(), "y")
    right["y0"] += random.normal(size=N) / 2
    for estimator in ("knn", "gaussian_copula", "binned"):
        kept = {"estimator": estimator, "n_permutations": 100}
        plain = mt.tl.mutual_information(left, right, **kept)
        given = mt.tl.mutual_information(left, right, covariates=frame(z, "z"), **kept)
        assert (values(plain, "p_value") < 0.001).all(), estimator
        assert (values(given, "p_value") > 0.01).all(), estimator


# -- what comes out --------------------------------------------------------------------------------


def test_result_is_labelled(x: pd.DataFrame, y: pd.DataFrame) -> None:
    mi = mt.tl.mutual_information(
        x[["taxon", "depth", "site"]], y[["curve", "noise"]], n_permutations=30, seed=4
    )
    mt.FeatureMI.check(mi, deep=True)
    assert mi["mi"].dims == ("feature", "latent")
    assert mi["feature"].values.tolist() == ["taxon", "depth", "site"]
    assert mi["latent"].values.tolist() == ["curve", "noise"]
    assert values(mi, "zero_fraction").tolist() == [(x["taxon"] == 0).mean(), 0.0, 0.0]
    assert values(mi, "mi_normalized").max(axis=0).tolist() == [1.0, 1.0]
    assert values(mi, "mi_null").min() < 0
    assert mi.attrs["n_tests"] == 6
    assert mi["mi"].attrs["units"] == "nats"


def test_a_column_without_information_stays_zero() -> None:
    flat = frame(np.tile([[1.0], [1.0], [2.0]], (25, 1))[:72], "x")
    classes = pd.DataFrame({"y": ["a", "b"] * 36}, flat.index)
    mi = mt.tl.mutual_information(flat, classes, discrete=["x0"])
    assert values(mi)[0, 0] < 1e-12
    assert values(mi, "mi_normalized")[0, 0] in (0.0, 1.0)


def test_same_seed_same_bits_whatever_the_threads(
    x: pd.DataFrame, y: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(seed: int) -> list[np.ndarray]:
        found = []
        for options in ({}, {"covariates": y[["noise", "batch"]]}, {"estimator": "binned"}):
            mi = mt.tl.mutual_information(
                x, y[["curve", "sick"]], n_permutations=25, seed=seed, **options
            )
            found += [values(mi, name) for name in ("mi", "p_value", "p_familywise", "mi_null")]
        return found

    monkeypatch.setattr(mt.settings, "threads", 1)
    one = run(5)
    monkeypatch.setattr(mt.settings, "threads", 4)
    for a, b in zip(one, run(5), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(one, run(6), strict=True))


def test_record_says_how(x: pd.DataFrame, y: pd.DataFrame) -> None:
    mi = mt.tl.mutual_information(x[["depth"]], y[["curve"]], seed=3)
    assert '"tl.mutual_information"' in mi.attrs["mutua"]
    assert '"seed":3' in mi.attrs["mutua"].replace(" ", "")


# -- containers ------------------------------------------------------------------------------------


@pytest.fixture
def adata(x: pd.DataFrame, y: pd.DataFrame) -> anndata.AnnData:
    numbers = x[["depth", "taxon"]]
    adata = anndata.AnnData(numbers.to_numpy(), pd.DataFrame(index=SAMPLES))
    adata.var_names = list(numbers.columns)
    adata.layers["counts"] = sparse.csc_matrix(numbers.to_numpy())
    adata.obsm["X_pca"] = y[["curve", "noise"]].to_numpy()
    adata.obs = y[["curve", "sick", "batch"]].copy()
    adata.obs["patient"] = [f"p{number // 3}" for number in range(N)]
    return adata


def test_every_container_gives_the_same(
    adata: anndata.AnnData, x: pd.DataFrame, y: pd.DataFrame
) -> None:
    numbers = x[["depth", "taxon"]]
    expected = values(mt.tl.mutual_information(numbers, y[["curve", "noise"]]))
    array = xr.DataArray(
        numbers.to_numpy().T,
        dims=("feature", "sample"),
        coords={"feature": list(numbers), "sample": SAMPLES},
    )
    chunked = array.chunk(sample=20)
    csr = adata.copy()
    csr.X = sparse.csr_matrix(csr.X)
    for left in (adata, csr, array, chunked, numbers):
        mi = mt.tl.mutual_information(left, adata, y_obsm="X_pca")
        np.testing.assert_array_equal(values(mi), expected)
        assert mi["latent"].values.tolist() == ["pca_0", "pca_1"]
    layer = mt.tl.mutual_information(adata, adata, x_layer="counts", y_obsm="X_pca")
    np.testing.assert_array_equal(values(layer), expected)
    columns = mt.tl.mutual_information(adata, adata, y_obs=["curve", "batch"])
    assert columns["latent"].values.tolist() == ["curve", "batch"]
    np.testing.assert_array_equal(values(columns)[:, 0], expected[:, 0])


def test_nothing_is_written_into_the_tables(adata: anndata.AnnData, x: pd.DataFrame) -> None:
    before, kept = adata.copy(), x.copy()
    mt.tl.mutual_information(adata, adata, y_obsm="X_pca", blocks="patient", n_permutations=5)
    mt.tl.mutual_information(x, adata, y_obs="sick", n_permutations=5)
    np.testing.assert_array_equal(adata.X, before.X)
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert list(adata.uns) == list(before.uns)
    pd.testing.assert_frame_equal(x, kept)


# -- joining ---------------------------------------------------------------------------------------


def test_samples_are_joined_by_name(x: pd.DataFrame, y: pd.DataFrame) -> None:
    expected = values(mt.tl.mutual_information(x, y[["batch"]]))
    shuffled = y[["batch"]].sample(frac=1, random_state=0)
    np.testing.assert_array_equal(values(mt.tl.mutual_information(x, shuffled)), expected)


def test_samples_of_one_table_only(x: pd.DataFrame, y: pd.DataFrame) -> None:
    left, right = x.iloc[2:], y[["curve"]].iloc[:-7]
    with pytest.raises(InvalidInput) as caught:
        mt.tl.mutual_information(left, right)
    message = str(caught.value)
    assert "'s66', 's67', 's68', 's69', 's70' and 2 more" in message
    assert "'s00', 's01'" in message
    assert "join='inner'" in message
    both = mt.tl.mutual_information(left, right, join="inner")
    assert both.attrs["n_samples"] == N - 9
    expected = mt.tl.mutual_information(x.iloc[2:-7], y[["curve"]].iloc[2:-7])
    np.testing.assert_array_equal(values(both), values(expected))
    with pytest.raises(InvalidInput, match="no sample of x"):
        mt.tl.mutual_information(x.iloc[:9], right.iloc[9:], join="inner")


# -- what is asked for in vain ---------------------------------------------------------------------


def test_columns_of_an_empty_obs(adata: anndata.AnnData) -> None:
    bare = anndata.AnnData(adata.X, pd.DataFrame(index=SAMPLES))
    with pytest.raises(InvalidInput, match=r"no column 'ph' in obs\. Obs is empty: put"):
        mt.tl.mutual_information(bare, bare, y_obs="ph")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"blocks": "patient"}, "'blocks'"),
        ({"blocks": "sick", "permute": "blocks"}, "'blocks', 'permute'"),
        ({"adjust": "fdr"}, "'adjust'"),
    ],
    ids=["blocks", "whole blocks", "fdr"],
)
def test_permutations_that_are_not_asked_for(
    adata: anndata.AnnData, options: dict[str, Any], named: str
) -> None:
    with pytest.warns(UserWarning, match=f"there are no p-values, and {named} change nothing"):
        mt.tl.mutual_information(adata, adata, y_obs="sick", **options)


def test_samples_alone_in_their_block(adata: anndata.AnnData) -> None:
    blocks = pd.Series("all", SAMPLES)
    blocks.iloc[[3, 8]] = ["a", "b"]
    with pytest.warns(
        UserWarning, match=f"2 of {N} samples are alone in their block.*'s03', 's08'"
    ):
        mt.tl.mutual_information(adata, adata, y_obsm="X_pca", blocks=blocks, n_permutations=9)


def test_permutations_too_few_for_so_many_pairs() -> None:
    random = np.random.default_rng(0)
    left, right = frame(random.normal(size=(N, 30)), "x"), frame(random.normal(size=(N, 10)), "y")
    right["y0"] = left["x0"]
    message = r"of 300 pairs 5 or more must have that.* With (\d+) permutations one pair is enough"
    with pytest.warns(UserWarning, match=message) as caught:
        few = mt.tl.mutual_information(left, right, n_permutations=10)
    assert few["p_value"].values.min() == mt.stats.least_permutation_p(10)
    assert (few["q_value"] > 0.05).all()
    enough = int(re.search(message, str(caught[0].message))[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mi = mt.tl.mutual_information(left, right, n_permutations=enough)
    assert mi["q_value"].sel(feature="x0", latent="y0") <= 0.05


# -- permutations ----------------------------------------------------------------------------------


def test_planted_pairs_are_found_and_few_others() -> None:
    random = np.random.default_rng(6)
    left = random.normal(size=(N, 20))
    right = random.normal(size=(N, 6))
    for j in range(6):
        right[:, j] = np.sin(2 * left[:, j]) + right[:, j] / 5
    for adjust in ("max", "fdr"):
        mi = mt.tl.mutual_information(
            frame(left, "x"), frame(right, "y"), n_permutations=300, adjust=adjust
        )
        found = values(mi, "q_value") < 0.05
        assert found[np.arange(6), np.arange(6)].all()
        assert found.sum() <= 8
        assert ("p_familywise" in mi) == (adjust == "max")
    assert mi.attrs["n_permutations"] == 300


def test_familywise_p_is_not_that_of_the_noisiest_pairs() -> None:
    """A column with few values other than 0 has a narrow null, and little to say at most."""
    random = np.random.default_rng(5)
    left, right = random.normal(size=(N, 21)), random.normal(size=(N, 1))
    present = np.argsort(right[:, 0])[-9:]
    left[:, 0] = np.isin(np.arange(N), present) * random.lognormal(size=N)
    tables = frame(left, "x"), frame(right, "y")
    mi = mt.tl.mutual_information(*tables, n_permutations=199)
    assert values(mi, "p_familywise")[0, 0] == 1 / 200
    assert (values(mi, "p_familywise")[1:] > 0.05).all()


def test_stopping_early_gives_the_ordinary_p_where_it_is_small(
    x: pd.DataFrame, y: pd.DataFrame
) -> None:
    p = [
        values(
            mt.tl.mutual_information(x, y[["curve", "noise"]], n_permutations=400, adjust=adjust),
            "p_value",
        )
        for adjust in ("max", "fdr")
    ]
    small = p[0] < 0.03
    assert small.any()
    np.testing.assert_array_equal(p[0][small], p[1][small])
    np.testing.assert_allclose(p[0], p[1], atol=0.25)


def test_blocks_take_away_what_differs_between_them() -> None:
    """Patients differ in both tables; within a patient there is nothing."""
    random = np.random.default_rng(7)
    patient = np.repeat(np.arange(18), 4)
    level = random.normal(size=(18, 2))[patient]
    left = frame(level[:, :1] + random.normal(size=(72, 5)) / 3, "x")
    right = frame(level[:, :1] + random.normal(size=(72, 2)) / 3, "y")
    blocks = pd.Series([f"p{number}" for number in patient], left.index, name="patient")
    plain = mt.tl.mutual_information(left, right, n_permutations=99)
    within = mt.tl.mutual_information(left, right, n_permutations=99, blocks=blocks)
    assert (values(plain, "p_value") < 1e-3).all()
    assert (values(within, "p_value") > 0.01).all()
    assert within.attrs["blocks"] == "patient"
    np.testing.assert_array_equal(values(plain), values(within))


@pytest.mark.parametrize("sizes", ["equal", "several"])
def test_whole_blocks_test_what_is_constant_within_them(sizes: str) -> None:
    random = np.random.default_rng(8)
    patient = np.repeat(np.arange(24), 3)[: 72 if sizes == "equal" else 70]
    n = len(patient)
    sick = np.array([0, 1] * 12)[patient]
    left = frame(random.normal(size=(24, 4))[patient] + random.normal(size=(n, 4)) / 9, "x")
    left["x0"] += 4 * sick
    right = pd.DataFrame({"sick": sick == 1, "dose": (sick + random.normal(size=24)[patient])})
    right.index = left.index
    kept = {"blocks": pd.Series(patient.astype(str), left.index), "n_permutations": 200}
    with pytest.warns(UserWarning, match="'sick', 'dose'; they get no p-value"):
        within = mt.tl.mutual_information(left, right.assign(noise=left["x1"]), **kept)
    p = values(within, "p_value")
    assert np.isnan(p[:, :2]).all()
    assert not np.isnan(p[:, 2]).any()
    assert within.attrs["n_tests"] == 4
    assert values(within, "p_familywise")[1, 2] < 0.01  # of the pairs that are tested
    whole = mt.tl.mutual_information(left, right, permute="blocks", **kept)
    p = values(whole, "p_value")
    assert p[0, 0] < 0.01
    assert (p[1:, 0] > 0.01).all()
    # All samples at once would call what is a few patients many samples.
    samples = mt.tl.mutual_information(left, right, n_permutations=200)
    assert (values(samples, "p_value")[1:] < 0.01).any()


# -- bad input -------------------------------------------------------------------------------------


def test_constant_columns_are_nan_and_named(x: pd.DataFrame, y: pd.DataFrame) -> None:
    left = x[["depth", "taxon"]].assign(flat=2.0, ids=SAMPLES)
    right = y[["curve"]].assign(same="a", noise=y["noise"])
    with pytest.warns(UserWarning, match="'flat', 'ids', 'same'; their values are NaN") as caught:
        mi = mt.tl.mutual_information(left, right, n_permutations=9)
    assert len(caught) == 1
    for name in ("mi", "mi_normalized", "p_value", "q_value", "p_familywise", "mi_null"):
        missing = np.isnan(values(mi, name))
        expected = np.zeros((4, 3), bool)
        expected[2:], expected[:, 1] = True, True
        np.testing.assert_array_equal(missing, expected)
    assert mi.attrs["n_tests"] == 4
    with pytest.warns(UserWarning, match="'flat', 'same'"):
        nothing = mt.tl.mutual_information(left[["flat"]], right, n_permutations=3)
    assert np.isnan(values(nothing, "p_value")).all()
    assert nothing.attrs["n_tests"] == 0


def test_missing_values_are_named_or_their_samples_left_out(
    x: pd.DataFrame, y: pd.DataFrame
) -> None:
    left, right = x.copy(), y.copy()
    left.loc["s03", "taxon"] = np.nan
    left.loc["s04", "site"] = None
    right.loc["s09", "batch"] = np.nan
    with pytest.raises(InvalidInput, match=r"`x`.*'taxon', 'site'.*nan='drop'"):
        mt.tl.mutual_information(left, right)
    with pytest.raises(InvalidInput, match=r"`y`.*'batch'"):
        mt.tl.mutual_information(x, right)
    with pytest.raises(InvalidInput, match=r"`covariates`.*'batch'"):
        mt.tl.mutual_information(x, y[["curve"]], covariates=right[["batch"]])
    dropped = mt.tl.mutual_information(left, right, nan="drop")
    kept = [name for name in SAMPLES if name not in ("s03", "s04", "s09")]
    expected = mt.tl.mutual_information(x.loc[kept], y.loc[kept])
    np.testing.assert_array_equal(values(dropped), values(expected))
    assert dropped.attrs["n_samples"] == N - 3
    with pytest.raises(InvalidInput, match="missing value in every sample"):
        mt.tl.mutual_information(x, y.assign(noise=np.nan), nan="drop")
    with pytest.raises(InvalidInput, match=r"infinite values in 'depth'"):
        mt.tl.mutual_information(x.assign(depth=-np.inf), y, nan="drop")


def bad(argument: str, message: str, **options: Any) -> Any:
    return pytest.param(argument, message, options, id=f"{argument}-{message[:20]}")


@pytest.mark.parametrize(
    ("argument", "message", "options"),
    [
        bad("estimator", "'ksg'", estimator="ksg"),
        bad("n_neighbors", "0", n_neighbors=0),
        bad("n_neighbors", "73 samples for 73 neighbours", n_neighbors=73),
        bad("n_bins", "1", n_bins=1),
        bad("adjust", "'stop'", adjust="stop"),
        bad("permute", "'rows'", permute="rows"),
        bad("permute", "'blocks' without blocks", permute="blocks"),
        bad("join", "'outer'", join="outer"),
        bad("nan", "'omit'", nan="omit"),
        bad("seed", "-1", seed=-1),
        bad("n_permutations", "-5", n_permutations=-5),
        bad("discrete", "no column 'nothing'", discrete=["nothing"]),
        bad("covariates", "no column 'age' in obs", covariates="age"),
        bad("covariates", "no row for 's00'", covariates=pd.Series([1.0], ["other"], name="z")),
        bad("blocks", "no column 'age' in obs", blocks="age"),
        bad("x_obsm", "of a DataFrame", x_obsm="X_pca"),
        bad("y_obsm", "no obsm['X_umap']", y_obsm="X_umap"),
        bad("y_layer", "no layer 'raw'", y_layer="raw"),
        bad("y_obs", "no column 'age' in obs", y_obs=["age"]),
        bad("y_obs", "beside `y_obsm`", y_obs="sick", y_obsm="X_pca"),
        bad("y", "more than two classes in 'batch'", y_obs="batch", estimator="gaussian_copula"),
    ],
)
def test_bad_options(
    x: pd.DataFrame, adata: anndata.AnnData, argument: str, message: str, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        mt.tl.mutual_information(x[["depth", "taxon"]], adata, **options)
    assert caught.value.argument == argument
    assert message in caught.value.found


def test_bad_covariates_and_blocks(adata: anndata.AnnData) -> None:
    adata.obs["own"] = SAMPLES
    adata.obs["one"] = "p"
    run = mt.tl.mutual_information
    with pytest.raises(InvalidInput, match="every sample is a stratum of its own"):
        run(adata, adata, y_obsm="X_pca", covariates=["own"])
    with pytest.raises(InvalidInput, match=r"one sample in every block of 'own'.*Without `blocks`"):
        run(adata, adata, y_obsm="X_pca", blocks="own", n_permutations=9)
    with pytest.raises(InvalidInput, match="has one value"):
        run(adata, adata, y_obsm="X_pca", blocks="one", permute="blocks", n_permutations=9)
    with pytest.raises(InvalidInput, match="'blocks' with covariates"):
        run(adata, adata, y_obsm="X_pca", blocks="patient", permute="blocks", covariates="sick")
    with pytest.raises(InvalidInput, match="within which 'pca_0', 'pca_1' varies"):
        run(adata, adata, y_obsm="X_pca", blocks="patient", permute="blocks", n_permutations=9)
    with pytest.raises(InvalidInput, match="strata of 73 samples with 4 bins"):
        run(
            adata, adata, y_obsm="X_pca", covariates=["batch", "curve"], estimator="binned",
            n_bins=4,
        )  # fmt: skip
    covariates = frame(np.random.default_rng(0).normal(size=(10, 8)), "z")
    few = adata[:10]
    with pytest.raises(InvalidInput, match="things to adjust for"):
        run(few, few, y_obsm="X_pca", estimator="gaussian_copula", covariates=covariates)


def test_some_samples_alone_in_their_stratum_are_counted(adata: anndata.AnnData) -> None:
    adata.obs["site"] = ["rare", *["common"] * (N - 1)]
    with pytest.warns(UserWarning, match="1 of 73 samples are alone in their stratum"):
        mt.tl.mutual_information(adata, adata, y_obsm="X_pca", covariates="site")


def test_names_that_repeat_and_wrong_tables(x: pd.DataFrame, y: pd.DataFrame) -> None:
    run = mt.tl.mutual_information
    with pytest.raises(InvalidInput, match=r"`x`: samples of one name: 's00'"):
        run(pd.concat([x, x.iloc[:1]]), y)
    with pytest.raises(InvalidInput, match=r"`y`: columns of one name: 'curve'"):
        run(x, y[["curve", "noise", "curve"]])
    with pytest.raises(InvalidInput, match="no columns"):
        run(x[[]], y)
    with pytest.raises(InvalidElement, match="an AnnData or a DataArray or a DataFrame"):
        run(x.to_numpy()[:, :2], y)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="dims 'sample' and one other"):
        run(xr.DataArray(np.ones((N, 2)), dims=("sample", "feature")), y)
    with pytest.raises(InvalidInput, match=r"3 samples for 3 neighbours.*at least 4"):
        run(x.iloc[:3], y.iloc[:3])
    with pytest.raises(InvalidInput, match="dates"):
        run(x.assign(day=pd.Timestamp("2020-01-01")), y)


def test_quiet_where_nothing_is_odd(x: pd.DataFrame, y: pd.DataFrame) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mt.tl.mutual_information(x, y, n_permutations=7)
        mt.tl.mutual_information(x, y, n_permutations=7, adjust="fdr")
