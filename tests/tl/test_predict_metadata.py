"""Metadata predicted from modules or latent dims."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import balanced_accuracy_score
from threadpoolctl import threadpool_limits

import mutua as mt
from mutua.errors import InvalidInput
from mutua.kernels import boosted_trees as trees

N_SAMPLES, N_PREDICTORS, N_PATIENTS = 52, 3, 13


def samples(seed: int = 0, n: int = N_SAMPLES) -> anndata.AnnData:
    """Samples of patients, four each; what the predictors know is pH, and the disease of some."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(n, N_PREDICTORS))
    patient = np.arange(n) // 4
    disease = random.permutation(np.arange(n // 4) % 2)[patient]
    scores[:, 2] += 2.5 * disease
    adata = anndata.AnnData(np.ones((n, 2)), obsm={"X_module": scores})
    adata.obs["ph"] = scores[:, 1] + random.normal(0, 0.3, n)
    adata.obs["disease"] = pd.Categorical(np.array(["healthy", "ill"])[disease])
    adata.obs["patient"] = [f"CF{i}" for i in patient]
    adata.obs["noise"] = random.normal(size=n)
    return adata


def predicted(adata: anndata.AnnData, **options: object) -> pd.DataFrame:
    found = mt.tl.predict_metadata(adata, **{"n_permutations": 0, "n_splits": 3} | options)
    return mt.to_dataframe(found).set_index("column")


def problem(
    groups: np.ndarray | None = None, n_classes: int = 0, *, n: int = 45, n_splits: int = 4
) -> trees.Problem:
    random = np.random.default_rng(3)
    x = random.normal(size=(n, 2))
    y = x[:, 0] + random.normal(0, 0.5, n)
    if n_classes:
        y = np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes)).astype(float)
    return trees.Problem(x, y, groups, n_classes, n_splits, 7)


@pytest.fixture(autouse=True)
def one_thread():
    """For scikit-learn's own trees, which take long on the threads of a busy machine."""
    with threadpool_limits(1):
        yield


class TestScore:
    def test_numbers(self):
        one = problem()
        error = naive = 0.0
        for train, test in trees.folds(one):
            model = HistGradientBoostingRegressor(
                max_iter=50, max_leaf_nodes=8, max_bins=64, min_samples_leaf=2,
                early_stopping=False,
            ).fit(one.x[train], one.y[train])  # fmt: skip
            error += float(((model.predict(one.x[test]) - one.y[test]) ** 2).sum())
            naive += float(((one.y[train].mean() - one.y[test]) ** 2).sum())
        assert trees.score(one) == pytest.approx(1 - error / naive, abs=1e-12)
        assert trees.score(one) > 0.3

    def test_classes(self):
        one = problem(n_classes=3)
        told = np.empty(len(one.y))
        for train, test in trees.folds(one):
            model = HistGradientBoostingClassifier(
                max_iter=50, max_leaf_nodes=8, max_bins=64, min_samples_leaf=2,
                early_stopping=False, class_weight="balanced",
            ).fit(one.x[train], one.y[train])  # fmt: skip
            told[test] = model.predict(one.x[test])
        expected = balanced_accuracy_score(one.y, told)
        assert trees.score(one) == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize("n_classes", [0, 2])
    @pytest.mark.parametrize("grouped", [True, False])
    def test_every_sample_is_predicted_once(self, grouped, n_classes):
        groups = np.arange(45) // 5 if grouped else None
        tested = []
        for train, test in trees.folds(problem(groups, n_classes)):
            tested += test.tolist()
            assert not set(train) & set(test)
            if groups is not None:
                assert not set(groups[train]) & set(groups[test])
        assert sorted(tested) == list(range(45))

    def test_nothing_to_learn_in_a_part(self):
        """All of a class are in one group, so that the others have one class only."""
        one = problem(np.arange(45) // 15, 2, n_splits=3)
        one = one._replace(y=(one.groups == 0).astype(float))
        assert 0 <= trees.score(one) <= 0.5  # none of that class is told


class TestPermuted:
    def test_samples(self):
        one = problem()
        found = trees.permuted(one, np.random.default_rng(0)).y
        assert not np.array_equal(found, one.y)
        assert np.array_equal(np.sort(found), np.sort(one.y))

    def test_within_groups(self):
        groups = np.random.default_rng(0).integers(0, 6, 45)
        one = problem(groups)
        found = trees.permuted(one, np.random.default_rng(0)).y
        assert trees.within_groups(one.y, groups)
        assert not np.array_equal(found, one.y)
        for group in range(6):
            own = groups == group
            assert np.array_equal(np.sort(found[own]), np.sort(one.y[own]))

    def test_whole_groups(self):
        groups = np.random.default_rng(0).integers(0, 9, 45)
        values = np.arange(9.0) % 4
        one = problem(groups)._replace(y=values[groups])
        found = trees.permuted(one, np.random.default_rng(0)).y
        assert not trees.within_groups(one.y, groups)
        assert not trees.within_groups(found, groups)
        now = [found[groups == group][0] for group in range(9)]
        assert sorted(now) == sorted(values)
        assert now != values.tolist()

    def test_every_order_is_as_likely(self):
        one = problem(np.zeros(3, np.int64), n=3, n_splits=2)._replace(y=np.arange(3.0))
        random = np.random.default_rng(0)
        drawn = [tuple(trees.permuted(one, random).y) for _ in range(1200)]
        counts = pd.Series(drawn).value_counts()
        assert len(counts) == 6
        assert stats.chisquare(counts).pvalue > 1e-3


def test_what_is_there_is_found() -> None:
    found = predicted(samples(), columns=["ph", "disease", "noise"], n_permutations=25)
    assert found.loc["ph", "score"] > 0.5 > found.loc["noise", "score"]
    assert found.loc["disease", "score"] > 0.8
    assert (found.loc[["ph", "disease"], "p_value"] < 1e-3).all()
    assert found.loc["noise", "p_value"] > 0.05
    assert found.loc["ph", ["kind", "measure", "baseline"]].tolist() == ["numbers", "R2", 0]
    expected = ["classes", "balanced accuracy", 0.5]
    assert found.loc["disease", ["kind", "measure", "baseline"]].tolist() == expected
    assert (found["n_samples"] == N_SAMPLES).all()


@pytest.mark.slow
def test_stops_early_where_there_is_nothing() -> None:
    found = predicted(samples(), columns=["ph", "noise"], n_permutations=60)
    assert found.loc["ph", "n_permutations"] == 60
    stopped = found.loc["noise"]
    assert 10 <= stopped["n_permutations"] < 60
    assert stopped["p_value"] == 10 / stopped["n_permutations"]
    expected = np.minimum(found["p_value"].min() * 2, found["p_value"].max())
    assert found["q_value"].min() == pytest.approx(expected)
    assert found["q_value"].max() == found["p_value"].max()


def test_what_is_permuted_with_patients() -> None:
    options = {"columns": ["ph", "disease"], "n_permutations": 2}
    found = predicted(samples(), groups="patient", **options)
    assert found["permuted"].tolist() == ["within groups", "groups"]
    assert found["n_groups"].tolist() == [N_PATIENTS] * 2
    without = predicted(samples(), **options)
    assert without["permuted"].tolist() == ["samples"] * 2
    assert without["n_groups"].tolist() == [0, 0]


def test_groups_are_no_column_to_predict() -> None:
    assert "patient" not in predicted(samples(), groups="patient").index


def test_what_mutua_wrote_is_no_metadata() -> None:
    adata = samples()
    own = [name for name in adata.obs if name in ("ph", "disease")]
    adata.obs = adata.obs[own]
    adata.obs["autoencoder_error"] = adata.obsm["X_module"][:, 0]  # of somebody else
    before = mt.tl.predict_metadata(adata, n_permutations=0)
    assert before["column"].values.tolist() == [*own, "autoencoder_error"]
    adata.X = np.random.default_rng(0).normal(size=adata.shape)
    mt.tl.autoencoder(adata, n_latent=1, hidden_layers=(), max_epochs=2)
    mt.tl.encode(adata, reference=adata, key_added="again")
    assert {"autoencoder_validation", "again_error"} < set(adata.obs)
    found = mt.tl.predict_metadata(adata, n_permutations=0)
    assert found["column"].values.tolist() == own
    named = mt.tl.predict_metadata(adata, columns=["again_error"], n_permutations=0)
    assert named["column"].values.tolist() == ["again_error"]
    adata.obs = adata.obs[["autoencoder_error"]]
    with pytest.raises(InvalidInput, match="no column of metadata"):
        mt.tl.predict_metadata(adata)


def test_missing_values_are_left_out() -> None:
    adata = samples()
    adata.obs.iloc[:5, adata.obs.columns.get_loc("ph")] = np.nan
    adata.obs.iloc[3:6, adata.obs.columns.get_loc("disease")] = np.nan
    adata.obs["patient"] = adata.obs["patient"].where(np.arange(N_SAMPLES) > 9)
    found = predicted(adata, columns=["ph", "disease"])
    assert found["n_missing"].tolist() == [5, 3]
    assert found["n_samples"].tolist() == [N_SAMPLES - 5, N_SAMPLES - 3]
    grouped = predicted(adata, columns=["ph", "disease"], groups="patient")
    assert grouped["n_missing"].tolist() == [10, 10]
    left = adata[10:].copy()
    again = predicted(left, columns=["ph", "disease"], groups="patient")
    assert grouped["score"].tolist() == again["score"].tolist()


@pytest.mark.parametrize(
    ("values", "kind", "n_classes"),
    [
        (np.arange(N_SAMPLES) % 2 == 0, "classes", 2),
        (pd.array((np.arange(N_SAMPLES) % 2).tolist(), "boolean"), "classes", 2),
        (np.array(["a", "b", "c", "a"] * 13, object), "classes", 3),
        (pd.array(["a", "b"] * 26, "string"), "classes", 2),
        (np.arange(N_SAMPLES), "numbers", 0),
        (pd.array([*range(N_SAMPLES - 1), None], "Int64"), "numbers", 0),
        (np.arange(N_SAMPLES, dtype=np.float32), "numbers", 0),
    ],
    ids=["bool", "boolean", "object", "string", "int", "Int64", "float32"],
)
def test_kinds_of_columns(values, kind, n_classes) -> None:
    adata = samples()
    adata.obs["column"] = values
    found = predicted(adata, columns=["column"]).loc["column"]
    assert (found["kind"], found["n_classes"]) == (kind, n_classes)
    assert np.isfinite(found["score"])


REASONS = {
    "one": (["a"] * N_SAMPLES, "one value only"),
    "empty": ([np.nan] * N_SAMPLES, "no values"),
    "times": (pd.date_range("2020", periods=N_SAMPLES), "values of type datetime64[ns]"),
    "infinite": ([np.inf, *range(N_SAMPLES - 1)], "infinite values"),
    "few": ([1.0, 2.0, 3.0, 4.0, 5.0, *[np.nan] * (N_SAMPLES - 5)], "5 samples for 3 parts"),
    "rare": (["a", "a", *["b"] * (N_SAMPLES - 2)], "2 samples of class 'a' for 3 parts"),
}


def test_columns_that_cannot_be_predicted() -> None:
    adata = samples()[:, :1].copy()
    for name, (values, _) in REASONS.items():
        adata.obs[name] = values
    found = predicted(adata, n_permutations=1)
    assert found.loc[list(REASONS), "reason"].tolist() == [why for _, why in REASONS.values()]
    assert found.loc[list(REASONS), ["score", "p_value", "q_value"]].isna().all(axis=None)
    assert found.loc["ph", "reason"] == ""
    importance = mt.to_dataframe(mt.tl.predictor_importance(adata, n_splits=3, n_repeats=1))
    assert not set(importance["column"]) & set(REASONS)


@pytest.mark.parametrize("name", list(REASONS))
def test_named_columns_that_cannot_be_predicted(name) -> None:
    adata = samples()
    values, why = REASONS[name]
    adata.obs["column"] = values
    for verb in (mt.tl.predict_metadata, mt.tl.predictor_importance):
        with pytest.raises(InvalidInput) as caught:
            verb(adata, columns=["ph", "column"], n_splits=3)
        assert f"'column': {why}" in str(caught.value)


def test_classes_and_groups() -> None:
    adata = samples()
    adata.obs["one"] = np.where(adata.obs["patient"] == "CF2", "a", "b")
    with pytest.raises(InvalidInput, match="class 'a' in one group only"):
        predicted(adata, columns=["one"], groups="patient")
    adata.obs["two"] = (np.arange(N_SAMPLES) // 26).astype(str)
    with pytest.raises(InvalidInput, match="2 groups for 3 parts"):
        predicted(adata, columns=["ph"], groups="two")


def test_any_predictors() -> None:
    adata = samples()
    adata.obsm["X_named"] = pd.DataFrame(
        adata.obsm["X_module"], index=adata.obs_names, columns=["a", "b", "c"]
    )
    first = predicted(adata, columns=["ph"])["score"]
    assert predicted(adata, columns=["ph"], using="X_named")["score"].equals(first)
    table = mt.to_dataframe(
        mt.tl.predictor_importance(adata, columns=["ph"], using="X_named", n_splits=3)
    )
    assert table["predictor"].iloc[0] == "b"


class TestImportance:
    def test_finds_the_predictors(self):
        adata = samples()
        table = mt.tl.predictor_importance(
            adata, columns=["ph", "disease"], n_splits=3, n_repeats=5
        )
        frame = mt.to_dataframe(table)
        assert frame["column"].tolist() == ["ph"] * 3 + ["disease"] * 3
        for column, own in frame.groupby("column", sort=False):
            assert own["predictor"].iloc[0] == {"ph": "module_1", "disease": "module_2"}[column]
            assert (np.diff(own["importance"]) <= 0).all()
            assert own["importance"].iloc[0] > 5 * own["importance"].iloc[1:].abs().max()
        scores = predicted(adata, columns=["ph", "disease"])["score"]
        assert frame.groupby("column", sort=False)["score"].first().tolist() == scores.tolist()

    def test_is_the_score_lost(self):
        """With one predictor and one part to permute in, done by hand."""
        one = problem(n_splits=2)
        one = one._replace(x=one.x[:, :1])
        found = trees.importance(one, n_repeats=3, seed=5)
        random = np.random.default_rng(5)
        told = np.empty((3, len(one.y)))
        naive = np.empty(len(one.y))
        for train, test in trees.folds(one):
            model = HistGradientBoostingRegressor(
                max_iter=50, max_leaf_nodes=8, max_bins=64, min_samples_leaf=2,
                early_stopping=False,
            ).fit(one.x[train], one.y[train])  # fmt: skip
            changed = random.permuted(np.tile(one.x[test, 0], (3, 1)), axis=1)
            told[:, test] = [model.predict(row[:, None]) for row in changed]
            naive[test] = one.y[train].mean()
        lost = trees.score(one) - (
            1 - ((told - one.y) ** 2).sum(axis=1) / ((naive - one.y) ** 2).sum()
        )
        assert found.mean == pytest.approx([lost.mean()])
        assert found.deviation == pytest.approx([lost.std(ddof=1)])

    def test_one_repeat_has_no_deviation(self):
        table = mt.tl.predictor_importance(samples(), columns=["ph"], n_splits=3, n_repeats=1)
        assert np.isnan(table["importance_sd"].values).all()


def test_same_seed_same_bits_whatever_the_threads() -> None:
    adata = samples()
    found = []
    try:
        for threads in (1, 2):
            mt.settings.threads = threads
            found.append(predicted(adata, columns=["ph", "disease"], n_permutations=4))
    finally:
        mt.settings.threads = None
    pd.testing.assert_frame_equal(*found)
    alone = predicted(adata, columns=["disease"], n_permutations=4)
    same = [name for name in alone if name != "q_value"]
    pd.testing.assert_frame_equal(alone[same], found[0].loc[["disease"], same])
    other = predicted(adata, columns=["ph"], seed=1)
    assert other.loc["ph", "score"] != found[0].loc["ph", "score"]


def test_comes_back_from_a_store(tmp_path) -> None:
    adata = samples()
    adata.obs["one"] = "a"
    table = mt.tl.predict_metadata(adata, groups="patient", n_splits=3, n_permutations=2)
    mt.Analysis({"predictions": table}).write(tmp_path / "study.zarr")
    assert mt.open(tmp_path / "study.zarr")["predictions"].equals(table)


def nan_predictor(adata: anndata.AnnData) -> None:
    adata.obsm["X_module"][3, 1] = np.nan


def no_metadata(adata: anndata.AnnData) -> None:
    adata.obs = adata.obs[[]]


def only_constant(adata: anndata.AnnData) -> None:
    adata.obs = pd.DataFrame({"a": ["x"] * N_SAMPLES}, index=adata.obs_names)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (nan_predictor, {}, r"`using`: missing or infinite values in 'module_1'"),
        (no_metadata, {}, r"obs has no column"),
        (only_constant, {}, r"not to be predicted are 'a': one value only"),
        (None, {"using": "X_pca"}, r"`using`: no obsm\['X_pca'\]"),
        (None, {"groups": "person"}, r"`groups`: no obs\['person'\]"),
        (None, {"columns": ["pH"]}, r"`columns`: no obs\['pH'\]"),
        (None, {"columns": "ph"}, r"`columns`: 'ph'. Use a list"),
        (None, {"columns": ["ph", "ph"]}, r"a column twice"),
        (None, {"columns": []}, r"obs has no column|no column"),
        (None, {"n_splits": 1}, r"`n_splits`: 1"),
        (None, {"n_permutations": -1}, r"`n_permutations`: -1"),
        (None, {"seed": -1}, r"`seed`: -1"),
        (None, {"progress": "yes"}, r"`progress`: 'yes'"),
    ],
    ids=[
        "NaN", "no metadata", "constant", "using", "groups", "columns", "text", "twice", "none",
        "splits", "permutations", "seed", "progress",
    ],
)  # fmt: skip
def test_refused(change, options, message) -> None:
    adata = samples()
    if change is not None:
        change(adata)
    with pytest.raises(InvalidInput, match=message):
        mt.tl.predict_metadata(adata, **{"n_permutations": 0} | options)


def test_repeats() -> None:
    with pytest.raises(InvalidInput, match="`n_repeats`: 0"):
        mt.tl.predictor_importance(samples(), n_repeats=0)


@pytest.mark.slow
@pytest.mark.parametrize("permuted", ["samples", "within groups", "groups"])
def test_p_values_are_uniform_under_the_null(permuted) -> None:
    """Predictors and columns follow the patient; what is asked of them does not exist."""
    n, p_values = 40, []
    patient = np.arange(n) // 4
    for seed in range(70):
        random = np.random.default_rng(seed)
        x, y = random.normal(size=(n, 2)), random.normal(size=n)
        if permuted != "samples":
            x += 2 * random.normal(size=(10, 2))[patient]
            own = random.normal(size=10)[patient]
            y = own if permuted == "groups" else y + 2 * own
        adata = anndata.AnnData(np.ones((n, 2)), obsm={"X_module": x})
        adata.obs["y"], adata.obs["patient"] = y, patient
        options = {} if permuted == "samples" else {"groups": "patient"}
        found = predicted(adata, columns=["y"], n_splits=2, n_permutations=30, seed=seed, **options)
        assert found["permuted"].tolist() == [permuted]
        p_values.append(found["p_value"].iloc[0])
    # Early stopping gives p-values on a grid that are slightly too large, never too small.
    assert np.mean(np.array(p_values) <= 0.1) <= stats.binom.ppf(0.999, 70, 0.1) / 70
    assert stats.kstest(p_values, "uniform", alternative="greater").pvalue > 1e-3
    assert np.mean(np.array(p_values) <= 0.5) > 0.3
