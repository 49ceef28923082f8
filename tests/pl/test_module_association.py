"""What the heatmap of features and modules shows, read back from its artists."""

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

from mutua.errors import InvalidElement, InvalidInput
from mutua.pl import module_association
from mutua.tl import associate_modules, feature_modules, latent_correlation, mutual_information
from tests.pl import tables

mpl.use("Agg")
LINKS = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]])


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    mpl.pyplot.close("all")


def names(ax: Axes) -> tuple[list[str], list[str]]:
    labels = ax.get_yticklabels(), ax.get_xticklabels()
    rows, columns = ([label.get_text() for label in axis] for axis in labels)
    return rows, [column.removeprefix("module ") for column in columns]


@pytest.mark.parametrize("cluster", [True, False])
def test_rows_columns_and_margins(cluster: bool) -> None:
    strength = LINKS * np.arange(1.0, 21).reshape(5, 4) / 20
    association = tables.module_association(LINKS, strength=strength)
    before = association.copy(deep=True)
    figure = module_association(association, cluster=cluster)
    xr.testing.assert_identical(association, before)
    cells, top, right, bar = figure.axes
    assert all(label.get_text().startswith("module ") for label in cells.get_xticklabels())
    rows, columns = names(cells)
    assert sorted(rows) == ["g0", "g2", "g3"]
    assert sorted(columns) == ["1", "3", "4"]
    expected = association["strength"].sel(feature=rows, module=columns).values
    drawn = np.ma.filled(cells.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(drawn, np.where(expected > 0, expected, np.nan))
    per_module = dict(zip(columns, (bar.get_height() for bar in top.patches), strict=True))
    assert per_module == {"1": 2, "3": 2, "4": 2}
    per_feature = dict(zip(rows, (bar.get_width() for bar in right.patches), strict=True))
    assert per_feature == {"g0": 2, "g2": 3, "g3": 1}
    assert (top.get_ylabel(), right.get_xlabel()) == ("features", "modules")
    assert (cells.get_ylabel(), cells.get_xlabel()) == ("features", "modules")
    assert bar.get_ylabel() == "largest mutual\ninformation (nats)"
    title = top.get_title(loc="left").replace("\n", "; ")
    assert title == (
        "false discovery rate 0.05; 2 of 5 features without a module; "
        "1 of 4 modules without a feature"
    )


def test_the_strongest_are_drawn_and_all_are_counted() -> None:
    random = np.random.default_rng(0)
    links = random.random((3000, 150)) < 0.01
    strength = links * random.uniform(0, 1, links.shape)
    links[123, 45], strength[123, 45] = True, 2.0
    figure = module_association(
        tables.module_association(links, strength=strength), n=9, n_modules=4
    )
    cells, top, right = figure.axes[:3]
    rows, columns = names(cells)
    assert "g123" in rows
    assert "46" in columns
    assert len(rows) <= 9
    assert len(columns) == 4
    assert cells.get_ylabel() == f"{len(rows)} of {links.any(1).sum():,} features"
    assert cells.get_xlabel() == "4 of 150 modules"
    assert right.patches[rows.index("g123")].get_width() == links[123].sum()
    assert top.patches[columns.index("46")].get_height() == links[:, 45].sum()
    assert np.isfinite(np.ma.filled(cells.images[0].get_array(), np.nan)).any(axis=1).all()


def test_links_without_strength_are_no_empty_cells() -> None:
    figure = module_association(tables.module_association(LINKS, strength=LINKS * 0.0))
    cells = figure.axes[0]
    assert np.isfinite(np.ma.filled(cells.images[0].get_array(), np.nan)).sum() == LINKS.sum()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_few(shape: tuple[int, int]) -> None:
    figure = module_association(tables.module_association(np.ones(shape)))
    cells = figure.axes[0]
    assert cells.images[0].get_array().shape == shape
    figure.canvas.draw()
    assert cells.get_position().height > 0.1
    assert figure.axes[1].get_title(loc="left") == "false discovery rate 0.05"


def test_names_do_not_overlap() -> None:
    random = np.random.default_rng(0)
    links = random.random((60, 80)) < 0.3
    long = [f"k__Bacteria;p__Firmicutes;c__Bacilli;f__$treptococc_i$;g__{i}" for i in range(60)]
    figure = module_association(tables.module_association(links, feature=long))
    figure.canvas.draw()
    cells = figure.axes[0]
    for labels, low, high in ((cells.get_xticklabels(), 0, 2), (cells.get_yticklabels(), 1, 3)):
        assert len(labels) in (60, 80)
        boxes = sorted(
            (label.get_window_extent().extents for label in labels), key=lambda b: b[low]
        )
        assert all(a[high] <= b[low] for a, b in pairwise(boxes))
        assert min(box[0] for box in boxes) >= -1


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({}, "none of 5 features is associated with any of 4 modules"),
        ({"feature": []}, "none of 0 features is associated with any of 4 modules"),
        ({"module": []}, "none of 5 features is associated with any of 0 modules"),
    ],
    ids=["no links", "no features", "no modules"],
)
def test_nothing_associated_is_an_empty_frame(part: dict[str, list[int]], said: str) -> None:
    figure = module_association(tables.module_association(LINKS * 0).isel(part))
    figure.canvas.draw()
    (ax,) = figure.axes
    assert [text.get_text().replace("\n", " ") for text in ax.texts] == [said]
    assert ax.get_title(loc="left") == "false discovery rate 0.05"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("modules", "features")


def test_of_the_verbs() -> None:
    random = np.random.default_rng(0)
    latent = random.normal(size=(60, 3))
    values = latent[:, np.arange(12) % 3] + random.normal(0, 0.3, (60, 12))
    obs = pd.DataFrame({"site": ["ab"[i % 2] for i in range(60)]}, [f"s{i}" for i in range(60)])
    adata = anndata.AnnData(values, obs=obs, obsm={"X_pca": latent})
    latent_correlation(adata, latent="X_pca")
    feature_modules(adata, latent="X_pca", n_modules=3)
    genomes = anndata.AnnData(latent[:, :2] + random.normal(0, 0.3, (60, 2)), obs=obs)
    mi = mutual_information(
        genomes, adata, y_obsm="X_pca", blocks="site", estimator="gaussian_copula",
        n_permutations=50,
    )  # fmt: skip
    figure = module_association(associate_modules(mi, adata))
    said = "false discovery rate 0.05; samples permuted within site"
    assert figure.axes[1].get_title(loc="left").replace("\n", "; ").startswith(said)
    figure = module_association(associate_modules(mi, adata, by="quantile"))
    assert "permuted" not in figure.axes[1].get_title(loc="left")


def test_refused() -> None:
    with pytest.raises(InvalidElement, match="ModuleAssociation"):
        module_association(xr.Dataset())
    association = tables.module_association(LINKS)
    for option in ({"n": 0}, {"n_modules": 0}, {"cluster": 2}):
        with pytest.raises(InvalidInput) as error:
            module_association(association, **option)  # type: ignore[arg-type]
        assert error.value.argument == next(iter(option))
