"""What the plot of a feature and a latent dim shows, read back from its artists."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import anndata
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.axes import Axes
from scipy import sparse

from mutua.errors import InvalidElement, InvalidInput
from mutua.pl import mi_scatter
from mutua.tl import mutual_information
from tests.pl import tables

mpl.use("Agg")
N, F, L = 40, 6, 4
LATENTS = "X_autoencoder"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    mpl.pyplot.close("all")


def mi(**parts: object) -> xr.Dataset:
    return tables.feature_mi(F, L, n_samples=N, **parts)


def samples() -> anndata.AnnData:
    random = np.random.default_rng(0)
    values = random.uniform(1, 1000, (N, F))
    values[:10] = 0
    obs = pd.DataFrame(
        {
            "patient": pd.Categorical(["ab"[i % 2] for i in range(N)]),
            "visit": [f"visit {i % 11}" for i in range(N)],
            "pH": np.where(np.arange(N) < 3, np.nan, np.arange(N) / 8),
        },
        index=[f"s{i}" for i in range(N)],
    )
    latents = pd.DataFrame(
        random.normal(size=(N, L)), columns=[f"z{i}" for i in range(L)], index=obs.index
    )
    adata = anndata.AnnData(values.astype(np.float32), obs=obs, obsm={LATENTS: latents})
    adata.var_names = [f"g{i}" for i in range(F)]
    adata.layers["twice"] = values * 2
    return adata


def points(ax: Axes) -> tuple[np.ndarray, np.ndarray]:
    """Give the places of filled and of open circles."""
    filled, hollow = ax.collections[:2]
    assert len(hollow.get_facecolors()) == 0
    return filled.get_offsets().data, hollow.get_offsets().data


def title(ax: Axes) -> list[str]:
    return ax.get_title(loc="left").replace("\n", "; ").split("; ")


@pytest.mark.parametrize("form", ["dense", "csr", "csc"])
def test_values_by_sample_name_and_zeros_apart(form: str) -> None:
    x = samples()
    y = x[::-1].copy()
    if form != "dense":
        x.X = (sparse.csr_matrix if form == "csr" else sparse.csc_matrix)(x.X)
    before = x.copy()
    ax = mi_scatter(mi(), x, y, y_obsm=LATENTS)
    assert x.uns == before.uns
    pd.testing.assert_frame_equal(x.obs, before.obs)
    filled, hollow = points(ax)
    latent = x.obsm[LATENTS]["z1"].to_numpy()
    feature = samples()[:, "g4"].X.ravel()
    np.testing.assert_allclose(filled, np.stack([feature, latent], axis=1)[10:])
    np.testing.assert_array_equal(hollow[:, 1], latent[:10])
    assert (hollow[:, 0] < filled[:, 0].min()).all()
    assert len(np.unique(hollow[:, 0])) == 10
    assert ax.get_xticklabels()[0].get_text() == "0"
    assert all(tick > hollow[:, 0].max() for tick in ax.get_xticks()[1:])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("g4", "z1")
    assert title(ax) == [
        "mutual information 0.75 nats", "p = 0.0001", "q = 0.001", "samples permuted",
        "40 samples", "25% zeros (open circles)",
    ]  # fmt: skip


def test_a_chosen_pair_of_one_table() -> None:
    x = samples()
    ax = mi_scatter(
        mi(covariates=["age"], p_familywise=np.full((F, L), 0.25)), x, x, y_obsm=LATENTS,
        feature="g2", latent="z3", x_layer="twice",
    )  # fmt: skip
    filled, _ = points(ax)
    np.testing.assert_allclose(filled[:, 0], x.layers["twice"][10:, 2])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("g2", "z3")
    assert title(ax)[0].startswith("mutual information given age 0.0")
    assert "family-wise p = 0.25" in title(ax)
    assert mi_scatter(mi(), x, x, y_obsm=LATENTS, latent="z3").get_ylabel() == "z3"
    within = title(mi_scatter(mi(blocks="patient"), x, x, y_obsm=LATENTS))
    assert "samples permuted within patient" in within


def test_without_p_values_the_largest() -> None:
    untested = mi().drop_vars(["p_value", "q_value"])
    ax = mi_scatter(untested, samples(), samples(), y_obsm=LATENTS)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("g4", "z1")
    assert title(ax)[:2] == ["mutual information 0.75 nats", "40 samples"]
    constant = mi_scatter(mi(), samples(), samples(), y_obsm=LATENTS, feature="g0")
    assert title(constant)[0] == "no mutual information: constant"


def test_labelled_arrays() -> None:
    x = samples()
    feature = xr.DataArray(
        x.X.T, dims=("feature", "sample"), coords={"feature": x.var_names, "sample": x.obs_names}
    )
    latents = x.obsm[LATENTS]
    latent = xr.DataArray(
        latents.to_numpy()[::-1], dims=("sample", "latent"),
        coords={"sample": latents.index[::-1], "latent": latents.columns},
    )  # fmt: skip
    filled, hollow = points(mi_scatter(mi(), feature, latent))
    expected = points(mi_scatter(mi(), x, x, y_obsm=LATENTS))
    np.testing.assert_array_equal(filled, expected[0])
    np.testing.assert_array_equal(hollow, expected[1])
    with pytest.raises(InvalidInput, match="dims"):
        mi_scatter(mi(), feature.drop_vars("sample"), latent)
    with pytest.raises(InvalidInput, match="no column 'patient'"):
        mi_scatter(mi(), feature, latent, color="patient")


def test_data_frames_and_columns_of_obs() -> None:
    x = samples()
    frame = x.to_df()[::-1]
    filled, hollow = points(mi_scatter(mi(), frame, x.obsm[LATENTS]))
    expected = points(mi_scatter(mi(), x, x, y_obsm=LATENTS))
    for one, other in ((filled, expected[0]), (hollow, expected[1])):
        np.testing.assert_array_equal(np.sort(one[:, 1]), np.sort(other[:, 1]))
    other = mi(latent=["pH", "patient", "z2", "z3"])
    ax = mi_scatter(other, x, x, y_obs=["pH", "patient"], latent="pH")
    np.testing.assert_array_equal(points(ax)[0][:, 1], x.obs["pH"].to_numpy()[10:])
    assert "37 samples drawn, 40 in the estimate" in title(ax)
    with pytest.raises(InvalidInput, match="beside `y_obsm`"):
        mi_scatter(other, x, x, y_obs="pH", y_obsm=LATENTS, latent="pH")
    with pytest.raises(InvalidInput, match="of a DataFrame"):
        mi_scatter(other, frame, x, x_layer="twice", y_obs="pH", latent="pH")


@pytest.mark.parametrize("name", ["patient", "flag"])
def test_classes_stand_at_their_names(name: str) -> None:
    x = samples()
    x.obs["flag"] = x.obs["patient"] == "b"
    ax = mi_scatter(mi(latent=["z0", name, "z2", "z3"]), x, x, y_obs=name)
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == (["a", "b"] if name == "patient" else ["False", "True"])
    filled, hollow = points(ax)
    np.testing.assert_array_equal(np.rint(filled[:, 1]), np.arange(10, N) % 2)
    assert len(hollow) == 10
    swapped = mi(feature=[*"abcd", name, "e"])
    ax = mi_scatter(swapped, x, x, x_obs=name, y_obsm=LATENTS)
    filled, hollow = points(ax)
    assert (len(filled), len(hollow)) == (N, 0)
    np.testing.assert_array_equal(np.rint(filled[:, 0]), np.arange(N) % 2)
    assert "zeros" not in ax.get_title(loc="left")
    with pytest.raises(InvalidInput, match="holds classes"):
        mi_scatter(swapped, x, x, x_obs=name, y_obsm=LATENTS, scale="log")


@pytest.mark.parametrize(
    ("categories", "expected"),
    [
        (None, ["1", "2", "9", "10", "CF34", "CF101"]),
        (["1", "10", "2", "9", "CF101", "CF34", "CF500"], ["1", "2", "9", "10", "CF34", "CF101"]),
        (["CF34", "9", "10", "none", "1", "2", "CF101"], ["CF34", "9", "10", "1", "2", "CF101"]),
    ],
    ids=["text", "categories of a file", "own categories"],
)
def test_order_of_classes(categories: list[str] | None, expected: list[str]) -> None:
    x = samples()
    values = ["10", "9", "CF101", "1", "2", "CF34"]
    column = [values[i % 6] for i in range(N)]
    x.obs["visit"] = column if categories is None else pd.Categorical(column, categories)
    ax = mi_scatter(mi(latent=["z0", "visit", "z2", "z3"]), x, x, y_obs="visit", color="visit")
    assert [label.get_text() for label in ax.get_yticklabels()] == expected
    assert legend(ax) == expected
    filled, _ = points(ax)
    places = [expected.index(name) for name in column[10:]]
    np.testing.assert_array_equal(np.rint(filled[:, 1]), places)


def test_ordered_categories_keep_their_order() -> None:
    x = samples()
    levels = pd.Categorical(["high", "low"] * 20, ["high", "low"], ordered=True)
    x.obs["visit"] = levels
    ax = mi_scatter(mi(latent=["z0", "visit", "z2", "z3"]), x, x, y_obs="visit")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["high", "low"]


def test_modules_are_called_so() -> None:
    x = samples()
    x.obsm["X_module"] = x.obsm[LATENTS].set_axis(["7", "9", "10", "oral"], axis=1)
    numbers = mi(latent=["7", "9", "10", "oral"])
    assert mi_scatter(numbers, x, x, y_obsm="X_module").get_ylabel() == "module 9"
    named = mi_scatter(numbers, x, x, y_obsm="X_module", latent="oral")
    assert named.get_ylabel() == "oral"
    x.var_names = [f"{i}" for i in range(F)]
    numbers = mi(latent=["7", "9", "10", "oral"], feature=list(x.var_names))
    assert mi_scatter(numbers, x, x, y_obsm="X_module").get_xlabel() == "4"


def test_fewer_samples_than_in_the_estimate_are_said() -> None:
    x = samples()
    x.obsm[LATENTS].loc["s39", "z1"] = np.nan
    ax = mi_scatter(mi(), x[20:], x, y_obsm=LATENTS)
    assert "19 samples drawn, 40 in the estimate" in title(ax)
    assert title(ax)[-1] == "no zeros"


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_scales(scale: str) -> None:
    ax = mi_scatter(mi(), samples(), samples(), y_obsm=LATENTS, scale=scale)
    assert ax.get_xscale() == scale
    filled, hollow = points(ax)
    low, high = ax.get_xlim()
    assert low < hollow[:, 0].min()
    assert hollow[:, 0].max() < filled[:, 0].min() < filled[:, 0].max() < high
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels[0] == "0"
    assert len(labels) > 2
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent().extents for label in ax.get_xticklabels()]
    assert all(a[2] < b[0] for a, b in pairwise(boxes))


def test_values_of_both_signs_keep_zeros_in_place() -> None:
    x = samples()
    x.X[10:] -= 500
    _, hollow = points(mi_scatter(mi(), x, x, y_obsm=LATENTS))
    assert len(hollow) == 10
    assert (hollow[:, 0] == 0).all()
    with pytest.raises(InvalidInput, match="values below 0"):
        mi_scatter(mi(), x, x, y_obsm=LATENTS, scale="log")


def test_zeros_of_log_abundances_are_the_lowest_value() -> None:
    x = samples()
    x.X = np.log10(x.X + 1e-6)
    ax = mi_scatter(mi(), x, x, y_obsm=LATENTS)
    filled, hollow = points(ax)
    assert (len(filled), len(hollow)) == (30, 10)
    assert ax.get_xticklabels()[0].get_text() == "-6"
    assert title(ax)[-1] == "25% at the lowest value, -6 (open circles)"
    x.X = np.random.default_rng(1).normal(size=x.shape)
    assert len(points(mi_scatter(mi(), x, x, y_obsm=LATENTS))[1]) == 0


def test_a_feature_that_is_always_zero() -> None:
    x = samples()
    x.X[:] = 0
    ax = mi_scatter(mi(), x, x, y_obsm=LATENTS)
    assert title(ax)[-1] == "100% zeros (open circles)"
    with pytest.raises(InvalidInput, match="0 everywhere"):
        mi_scatter(mi(), x, x, y_obsm=LATENTS, scale="log")


def legend(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_colours_of_categories() -> None:
    x = samples()
    ax = mi_scatter(mi(), x, x, y_obsm=LATENTS, color="patient")
    assert legend(ax) == ["a", "b"]
    assert ax.get_legend().get_title().get_text() == "patient"
    colours = ax.collections[0].get_facecolors()
    assert len(np.unique(colours, axis=0)) == 2
    assert (colours[::2] == colours[0]).all()
    x.uns["patient_colors"] = ["#ff0000", "#00ff00"]
    own = mi_scatter(mi(), x, x, y_obsm=LATENTS, color="patient").collections[0].get_facecolors()
    np.testing.assert_array_equal(own[:2, :3], [[1, 0, 0], [0, 1, 0]])
    x.obs.loc["s5", "visit"] = None
    shown = legend(mi_scatter(mi(), x, x, y_obsm=LATENTS, color="visit"))
    assert len(shown) == 10
    assert shown[-2:] == ["3 others", "not given"]


def test_colours_of_numbers() -> None:
    ax = mi_scatter(mi(), samples(), samples(), y_obsm=LATENTS, color="pH")
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "pH"
    assert bar.get_ylim() == (3 / 8, 39 / 8)
    assert legend(ax) == ["not given"]
    grey = mpl.colors.to_rgba("0.7")
    edges = ax.collections[1].get_edgecolors()
    assert (edges[:3] == grey).all()
    assert (edges[3:] != grey).any(axis=1).all()


def test_the_column_may_be_of_the_second_table() -> None:
    y = samples()
    x = anndata.AnnData(y.X, obs=pd.DataFrame(index=y.obs_names), var=y.var)
    assert legend(mi_scatter(mi(), x, y, y_obsm=LATENTS, color="patient")) == ["a", "b"]


def test_refused() -> None:
    x = samples()
    with pytest.raises(InvalidElement, match="FeatureMI"):
        mi_scatter(xr.Dataset(), x, x)
    twice = samples()
    twice.obs_names = ["s0", *twice.obs_names[:-1]]
    other = samples()
    other.obs_names = [f"other {i}" for i in range(N)]
    for options, argument, match in (
        ({"x": 3}, "x", "AnnData"),
        ({"x": twice}, "x", "repeat"),
        ({"x": x[:, 1:3]}, "x", "no 'g4'"),
        ({"y": other}, "y", "no sample in both"),
        ({"feature": "g99"}, "feature", "g99"),
        ({"latent": 3}, "latent", "3"),
        ({"x_layer": "none"}, "x_layer", "no layer"),
        ({"y_obsm": "none"}, "y_obsm", "no obsm"),
        ({"color": "none"}, "color", "patient"),
        ({"scale": "sqrt"}, "scale", "sqrt"),
    ):
        chosen = {"x": x, "y": x, "y_obsm": LATENTS} | options
        with pytest.raises(InvalidInput, match=match) as error:
            mi_scatter(mi(), chosen.pop("x"), chosen.pop("y"), **chosen)  # type: ignore[arg-type]
        assert error.value.argument == argument
    with pytest.raises(InvalidInput, match="no pairs"):
        mi_scatter(mi().isel(feature=[]), x, x, y_obsm=LATENTS)


def test_of_the_verb() -> None:
    x = samples()
    found = mutual_information(x, x, y_obsm=LATENTS, n_permutations=20)
    ax = mi_scatter(found, x, x, y_obsm=LATENTS)
    assert title(ax)[0] == f"mutual information {float(found['mi'].max()):.3g} nats"
    assert title(ax)[-3:] == ["samples permuted", "40 samples", "25% zeros (open circles)"]
