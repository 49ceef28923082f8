"""What the heatmap of features and latent dims shows, read back from its artists."""

from __future__ import annotations

from collections.abc import Iterator

import anndata
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes

from mutua.errors import InvalidElement, InvalidInput
from mutua.pl import feature_mi
from mutua.tl import mutual_information
from tests.pl import tables

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    mpl.pyplot.close("all")


def names(ax: Axes) -> tuple[list[str], list[str]]:
    labels = ax.get_yticklabels(), ax.get_xticklabels()
    rows, columns = ([label.get_text() for label in axis] for axis in labels)
    return rows, columns


def dots(ax: Axes) -> set[tuple[str, str]]:
    rows, columns = names(ax)
    return {
        (rows[int(y)], columns[int(x)])
        for line in ax.lines
        for x, y in zip(*line.get_data(), strict=True)
    }


@pytest.mark.parametrize("cluster", [True, False])
def test_values_stand_at_their_names(cluster: bool) -> None:
    mi = tables.feature_mi()
    before = mi.copy(deep=True)
    ax = feature_mi(mi, cluster=cluster)
    xr.testing.assert_identical(mi, before)
    rows, columns = names(ax)
    assert sorted(rows) == mi["feature"].values.tolist()
    assert sorted(columns) == mi["latent"].values.tolist()
    assert (rows == sorted(rows) and columns == sorted(columns)) is not cluster
    expected = mi["mi"].sel(feature=rows, latent=columns).values
    np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), np.nan), expected)
    assert dots(ax) == {("g4", "z1")}
    assert ax.get_xlabel() == "latent dims"
    assert ax.get_ylabel() == "features"
    title = ax.get_title(loc="left").replace("\n", "; ")
    assert title == ("127 samples; samples permuted; dot: q ≤ 0.05 (1 of 24); grey: no value")
    assert ax.figure.axes[1].get_ylabel() == "mutual information (nats)"
    assert (ax.images[0].norm.vmin, ax.images[0].norm.vmax) == (0, 0.75)


def test_missing_values_are_grey() -> None:
    ax = feature_mi(tables.feature_mi(), cluster=False)
    image = ax.images[0]
    first, second = image.to_rgba(image.get_array())[:2]
    assert len(np.unique(first[:, :3])) == 1
    assert len(np.unique(second[:, :3])) > 1
    assert "grey" in ax.get_title(loc="left")
    full = tables.feature_mi().isel(feature=slice(1, None))
    assert "grey" not in feature_mi(full).get_title(loc="left")


def test_the_most_significant_are_drawn() -> None:
    many = tables.feature_mi(3000, 50, strong=(2713, 41))
    ax = feature_mi(many, n=7, n_latents=5)
    rows, columns = names(ax)
    assert len(rows) == 7
    assert len(columns) == 5
    assert "g2713" in rows
    assert "z41" in columns
    assert ax.get_ylabel() == "7 of 3,000 features"
    assert ax.get_xlabel() == "5 of 50 latent dims"
    assert "q ≤ 0.05 (1 of 150,000)" in ax.get_title(loc="left")
    untested = many.drop_vars(["p_value", "q_value"])
    ax = feature_mi(untested, n=1)
    assert names(ax)[0] == ["g2713"]
    assert "not tested" in ax.get_title(loc="left")
    assert "permuted" not in ax.get_title(loc="left")
    assert not dots(ax)


def test_significant_features_come_before_larger_values() -> None:
    mi = tables.feature_mi()
    p = np.full(mi["mi"].shape, 0.5)
    p[2, 3] = 1e-4
    mi = mi.assign(p_value=(mi["mi"].dims, p), q_value=(mi["mi"].dims, p))
    assert names(feature_mi(mi, n=1))[0] == ["g2"]
    assert names(feature_mi(mi, n=1, significant=None))[0] == ["g4"]


def test_options_of_significance() -> None:
    mi = tables.feature_mi()
    assert not dots(feature_mi(mi, significant=None))
    assert "dot" not in feature_mi(mi, significant=None).get_title(loc="left")
    ax = feature_mi(mi, significant=0.06, p_value="p_value")
    assert len(dots(ax)) == 20
    assert "p ≤ 0.06 (20 of 24)" in ax.get_title(loc="left")
    assert "(none of 24)" in feature_mi(mi, significant=1e-6).get_title(loc="left")
    title = feature_mi(mi.assign_attrs(covariates=["age"], blocks="site")).get_title(loc="left")
    assert "given age; samples permuted within site" in title.replace("\n", "; ")
    ax = feature_mi(mi.drop_vars("q_value"), significant=0.06)
    assert "p ≤ 0.06 (20 of 24)" in ax.get_title(loc="left")
    with pytest.raises(InvalidInput, match="no p_value"):
        feature_mi(mi.drop_vars(["q_value", "p_value"]), p_value="p_value")
    with pytest.raises(InvalidInput, match=r"no p_familywise.*q_value"):
        feature_mi(mi, p_value="p_familywise")


def test_variables() -> None:
    mi = tables.feature_mi()
    values = mi["mi"].values
    mi = mi.assign(
        mi_normalized=(mi["mi"].dims, values / np.nanmax(values, axis=0)),
        mi_null=(mi["mi"].dims, values - 0.05),
    )
    ax = feature_mi(mi, variable="mi_normalized")
    assert ax.figure.axes[1].get_ylabel() == "mutual information /\nlargest of the column"
    ax = feature_mi(mi, variable="mi_null")
    norm = ax.images[0].norm
    assert norm.vmin == -norm.vmax
    ax = feature_mi(mi, vmax=0.2)
    assert ax.images[0].norm.vmax == 0.2
    with pytest.raises(InvalidInput, match=r"variable.*Use one of \['mi'\]"):
        feature_mi(tables.feature_mi(), variable="mi_null")


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 3)])
def test_few(shape: tuple[int, int]) -> None:
    ax = feature_mi(tables.feature_mi(*shape, strong=(0, 0)))
    assert ax.images[0].get_array().shape == shape
    ax.figure.canvas.draw()
    assert ax.get_position().height > 0.3


def test_nothing_but_missing_values() -> None:
    mi = tables.feature_mi(3, 2, strong=(1, 1))
    ax = feature_mi(mi.assign(mi=mi["mi"] * np.nan))
    assert not np.isfinite(np.ma.filled(ax.images[0].get_array(), np.nan)).any()


@pytest.mark.parametrize(
    ("n_features", "n_latents"), [(3, 2), (50, 9), (50, 60), (12, 55)],
    ids=["few", "tall", "large", "wide"],
)  # fmt: skip
def test_names_do_not_overlap(n_features: int, n_latents: int) -> None:
    long = [f"k__Bacteria;p__Firmicutes;c__Bacilli;f__$treptococc_i$;g__{i}" for i in range(60)]
    mi = tables.feature_mi(n_features, n_latents, strong=(1, 1), feature=long[:n_features])
    ax = feature_mi(mi)
    ax.figure.canvas.draw()
    for labels in (ax.get_xticklabels(), ax.get_yticklabels()):
        boxes = sorted((label.get_window_extent().extents for label in labels), key=tuple)
        shown = ax.figure.bbox
        for box in boxes:
            assert box[0] >= -1
            assert box[1] >= -1
            assert box[2] <= shown.x1 + 1
            assert box[3] <= shown.y1 + 1
        for i, one in enumerate(boxes):
            for other in boxes[i + 1 :]:
                apart = one[2] <= other[0] or one[3] <= other[1] or other[3] <= one[1]
                assert apart
    ends = {label.get_text()[-3:].strip("_") for label in ax.get_yticklabels()}
    assert len(ends) == n_features


def test_names_without_room_are_left_out() -> None:
    figure, given = mpl.pyplot.subplots(figsize=(4, 2), layout="constrained")
    ax = feature_mi(tables.feature_mi(40, 3), ax=given)
    assert ax is given
    assert names(ax)[0] == []
    assert ax.get_ylabel() == "40 features (no room for names)"
    assert len(names(ax)[1]) == 3
    assert figure.axes[0] is ax


def test_axes_say_what_the_tables_held() -> None:
    random = np.random.default_rng(0)
    obs = pd.DataFrame({"ph": random.normal(size=30), "site": list("abc") * 10})
    scores = pd.DataFrame(
        random.normal(size=(30, 2)), columns=["9", "10"], index=map(str, obs.index)
    )
    x = anndata.AnnData(random.normal(size=(30, 3)), obs=obs.set_index(scores.index))
    x.obsm["X_module"] = scores
    x.obsm["X_pca"] = random.normal(size=(30, 2))
    for options, label, shown in (
        ({"y_obsm": "X_module"}, "modules", ["module 9", "module 10"]),
        ({"y_obsm": "X_pca"}, "latent dims", ["pca_0", "pca_1"]),
        ({"y_obs": ["ph", "site"]}, "columns of obs", ["ph", "site"]),
        ({}, "columns", ["0", "1", "2"]),
    ):
        mi = mutual_information(x, x, estimator="binned", n_permutations=5, **options)
        ax = feature_mi(mi.isel(feature=[2, 0]), cluster=False)
        assert (ax.get_ylabel(), ax.get_xlabel()) == ("features", label)
        assert names(ax) == (["2", "0"], shown)
        assert "; samples permuted; " in ax.get_title(loc="left").replace("\n", "; ")
    mi = mutual_information(x, x, x_obsm="X_module", y_obs="ph", estimator="binned")
    ax = feature_mi(mi, cluster=False)
    assert (ax.get_ylabel(), names(ax)[0]) == ("modules", ["module 9", "module 10"])


@pytest.mark.parametrize("permute", ["samples", "blocks"])
def test_what_was_permuted(permute: str) -> None:
    random = np.random.default_rng(0)
    blocks = np.arange(32) // 2
    values = random.normal(size=(32, 2))
    values[:, 1] = blocks if permute == "blocks" else values[:, 1]
    obs = pd.DataFrame({"patient": [f"p{b}" for b in blocks]}, [f"s{i}" for i in range(32)])
    x = anndata.AnnData(values, obs=obs)
    mi = mutual_information(
        x[:, :1].copy(), x[:, 1:].copy(), blocks=x.obs["patient"], permute=permute,
        estimator="binned", n_permutations=5,
    )  # fmt: skip
    said = "whole blocks permuted (patient)" if permute == "blocks" else "permuted within patient"
    assert said in feature_mi(mi).get_title(loc="left")


def test_refused() -> None:
    mi = tables.feature_mi()
    with pytest.raises(InvalidElement, match="FeatureMI"):
        feature_mi(xr.Dataset())
    for part in ({"feature": []}, {"latent": []}):
        with pytest.raises(InvalidInput, match="Give at least one"):
            feature_mi(mi.isel(part))
    for option in (
        {"n": 0}, {"n_latents": 0}, {"significant": 2}, {"p_value": "q"}, {"cluster": "yes"},
        {"vmax": 0}, {"ax": 3},
    ):  # fmt: skip
        with pytest.raises(InvalidInput) as error:
            feature_mi(mi, **option)  # type: ignore[arg-type]
        assert error.value.argument == next(iter(option))
