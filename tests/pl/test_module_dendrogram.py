"""What the tree of modules shows, read back from its artists."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import anndata
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from scipy.cluster.hierarchy import fcluster

from mutua.errors import InvalidElement, InvalidInput
from mutua.pl import module_dendrogram
from mutua.tl.feature_modules import feature_modules
from mutua.tl.latent_correlation import latent_correlation
from tests.pl.tables import modules

mpl.use("Agg")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    mpl.pyplot.close("all")


def tips(ax: Axes) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def heights(ax: Axes) -> list[float]:
    """Give the distances of the merges that are drawn."""
    return sorted(float(line[1][0]) for line in ax.collections[0].get_segments())


def triangles(ax: Axes) -> list[float]:
    """Give the distance of the point of each triangle."""
    return sorted(float(path.vertices[0][0]) for path in ax.collections[1].get_paths())


def test_a_triangle_for_every_module() -> None:
    adata = modules(200, 12, n_constant=3)
    before = adata.copy()
    ax = module_dendrogram(adata)
    assert set(adata.uns) == set(before.uns)
    pd.testing.assert_frame_equal(adata.var, before.var)
    sizes = adata.var["module"].value_counts()
    assert sorted(tips(ax)) == sorted(f"module {name} ({size})" for name, size in sizes.items())
    tree = adata.uns["module"]["linkage"]
    np.testing.assert_array_equal(heights(ax), tree[-11:, 2])
    assert len(triangles(ax)) == 12
    cut = float(ax.lines[0].get_xdata()[0])
    assert len(np.unique(fcluster(tree, cut, "distance"))) == 12
    assert max(triangles(ax)) < cut < min(heights(ax))
    assert ax.get_title(loc="left") == "12 modules of 200 features; 3 more in none"
    assert ax.get_xlabel() == "distance at which branches merge (Ward)"
    assert ax.get_ylabel() == "modules (how many features)"
    assert ax.get_xlim()[0] > tree[-1, 2]
    assert ax.get_xlim()[1] == 0


def test_neighbours_have_their_own_colours() -> None:
    ax = module_dendrogram(modules(150, 20))
    by_row = sorted(
        zip(ax.collections[1].get_paths(), ax.collections[1].get_facecolors(), strict=True),
        key=lambda pair: pair[0].vertices[0][1],
    )
    colours = [tuple(colour) for _, colour in by_row]
    assert all(a != b for a, b in pairwise(colours))


def test_features_by_name_where_there_are_few() -> None:
    adata = modules(30, 4, n_constant=1)
    ax = module_dendrogram(adata)
    assert sorted(tips(ax)) == sorted(adata.var_names[:30])
    np.testing.assert_array_equal(heights(ax), adata.uns["module"]["linkage"][:, 2])
    heading, *numbers = ax.texts
    assert heading.get_text() == "module"
    assert heading.get_position()[1] < 0
    assert {text.get_text() for text in numbers} == {"1", "2", "3", "4"}
    order = adata.var.loc[tips(ax), "module"].astype(str).tolist()
    assert len([1 for a, b in pairwise(order) if a != b]) == 3
    rows = {text.get_text(): round(text.get_position()[1]) for text in numbers}
    assert all(order[row] == name for name, row in rows.items())
    assert len(triangles(ax)) == 0
    assert len(tips(module_dendrogram(adata, features=False))) == 4


def test_of_many_modules_the_top_of_the_tree() -> None:
    adata = modules(3000, 150)
    assert len(tips(module_dendrogram(adata))) == 150
    ax = module_dendrogram(adata, n=20)
    assert len(tips(ax)) == 20
    counted = [label.replace(",", "").split(" (") for label in tips(ax)]
    assert sum(int(size[:-1]) for _, size in counted) == 3000
    within = [int(name.split()[0]) for name, _ in counted if " modules" in name]
    assert sum(within) + 20 - len(within) == 150
    ax = module_dendrogram(adata, features=True)
    assert tips(ax) == []
    assert ax.get_ylabel() == "3,000 features (no room for names)"
    ax.figure.canvas.draw()
    boxes = sorted((text.get_window_extent().extents for text in ax.texts), key=lambda box: box[1])
    assert len(boxes) > 20
    assert all(a[3] <= b[1] + 1 for a, b in pairwise(boxes))


@pytest.mark.parametrize(("n_features", "n_modules"), [(2, 1), (2, 2), (9, 1), (9, 9)])
@pytest.mark.parametrize("features", [True, False])
def test_few(n_features: int, n_modules: int, features: bool) -> None:
    ax = module_dendrogram(modules(n_features, n_modules), features=features)
    assert len(tips(ax)) == (n_features if features else n_modules)
    plural = "" if n_modules == 1 else "s"
    assert ax.get_title(loc="left") == f"{n_modules} module{plural} of {n_features} features"
    assert len(ax.lines) == (n_modules > 1)
    ax.figure.canvas.draw()


def test_names_do_not_overlap() -> None:
    for adata in (modules(60, 5), modules(3000, 150)):
        ax = module_dendrogram(adata)
        ax.figure.canvas.draw()
        boxes = [label.get_window_extent().extents for label in ax.get_yticklabels()]
        boxes.sort(key=lambda box: box[1])
        assert all(a[3] <= b[1] for a, b in pairwise(boxes))
        assert max(box[2] for box in boxes) <= ax.figure.bbox.x1


def test_modules_that_were_renamed_are_still_those_of_the_tree() -> None:
    adata = modules(20, 3)
    adata.var["module"] = adata.var["module"].cat.rename_categories({"2": "oral"})
    assert any(
        label.startswith("oral (") for label in tips(module_dendrogram(adata, features=False))
    )


def test_a_cut_at_no_single_distance_has_no_line() -> None:
    adata = modules(20, 3)
    adata.var["module"] = [str(i) for i in range(19)] + ["0"]
    with pytest.raises(InvalidInput, match="is no cut"):
        module_dendrogram(adata)
    tree = adata.uns["module"]["linkage"]
    two = fcluster(tree, 2, "maxclust")
    three = fcluster(tree, 8, "maxclust")
    low = np.where(two == 1, three, 100)
    adata.var["module"] = pd.Categorical([str(i) for i in low])
    ax = module_dendrogram(adata)
    assert len(ax.lines) == 0


def computed(**options: object) -> anndata.AnnData:
    random = np.random.default_rng(0)
    latent = random.normal(size=(40, 5))
    values = latent[:, np.arange(70) % 5] + random.normal(0, 0.3, (40, 70))
    values[:, 13] = 1
    adata = anndata.AnnData(values, obsm={"X_pca": latent})
    with pytest.warns(UserWarning, match="one value only"):
        latent_correlation(adata, latent="X_pca")
    feature_modules(adata, latent="X_pca", **options)  # type: ignore[arg-type]
    return adata


def test_of_the_verbs() -> None:
    ax = module_dendrogram(computed(n_modules=5))
    assert [label.split()[1] for label in tips(ax)] == ["1", "2", "3", "4", "5"]
    assert sorted(label.split()[2] for label in tips(ax)) == ["(13)", *["(14)"] * 4]
    assert ax.get_title(loc="left") == "5 modules of 69 features; 1 more in none"
    adata = computed(height=0.9)
    ax = module_dendrogram(adata)
    assert float(ax.lines[0].get_xdata()[0]) == 0.9
    assert len(tips(ax)) == len(adata.uns["module"]["names"])


def test_one_feature_that_varies() -> None:
    adata = modules(2, 1)
    adata.uns["module"]["linkage"] = np.empty((0, 4))
    adata.var["module"] = pd.Categorical(["1", None])
    for features in (True, False):
        ax = module_dendrogram(adata, features=features)
        assert tips(ax) == ["taxon_0" if features else "module 1 (1)"]
        ax.figure.canvas.draw()


def test_refused() -> None:
    adata = modules(20, 3)
    with pytest.raises(InvalidElement, match="AnnData"):
        module_dendrogram(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=r"leiden.*no tree.*ward"):
        module_dendrogram(modules(20, 3, tree=False))
    with pytest.raises(InvalidInput, match="no feature modules"):
        module_dendrogram(adata, key="other")
    with pytest.raises(InvalidInput, match="Compute them first"):
        module_dendrogram(anndata.AnnData(np.ones((3, 4), np.float32)))
    with pytest.raises(InvalidInput, match="made from 20 features"):
        module_dendrogram(adata[:, 1:])
    for option in ({"n": 1}, {"features": 3}, {"ax": "x"}):
        with pytest.raises(InvalidInput) as error:
            module_dendrogram(adata, **option)  # type: ignore[arg-type]
        assert error.value.argument == next(iter(option))
    adata.var.loc["taxon_3", "module"] = np.nan
    with pytest.raises(InvalidInput, match="19 features a module"):
        module_dendrogram(adata)
