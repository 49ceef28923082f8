"""Plot of the tree that feature modules were cut from."""

from __future__ import annotations

from typing import NamedTuple

import anndata
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import to_rgba
from scipy.cluster.hierarchy import leaves_list

from mutua.errors import InvalidInput
from mutua.models import checked, slots
from mutua.models.arguments import one_of, whole_number
from mutua.pl._axes import new_axes
from mutua.pl._cells import cell_size, lines_of, name_axis, name_width, short
from mutua.pl._table_labels import numbered

__all__ = ["module_dendrogram"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_ABOVE = "0.35"
_FEW = 60
_WIDTH = 5.0
_LABEL_HEIGHT = 0.13
"""Room for a module's number, in inches."""


class _Tree(NamedTuple):
    """A tree; nodes are numbered as scipy does, the leaves first, parents after their children."""

    children: np.ndarray
    """int64 (merge, 2): the two nodes that merge."""
    height: np.ndarray
    """float64 (node,), 0 for leaves."""
    module: np.ndarray
    """int64 (node,): the module that holds all leaves of the node, -1 where several do."""
    size: np.ndarray
    """int64 (node,): leaves of the node."""
    place: np.ndarray
    """int64 (node,): rank of the first of its leaves, from the top."""

    @property
    def n_leaves(self) -> int:
        return len(self.children) + 1


@checked
def module_dendrogram(
    adata: anndata.AnnData,
    *,
    key: str = "module",
    n: int = 150,
    features: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the tree of the features with the modules that it was cut into.

    Parameters
    ----------
    adata
        With the modules of ``tl.feature_modules(method="ward")``; nothing in it is changed.
    key
        The `key_added` of that call.
    n
        Draw at most that many branches; of more modules, those that merge lowest are drawn as
        one branch.
    features
        Draw every feature, instead of a triangle for each module; by default where there are up
        to 60. Names for which there is no room are left out.
    ax
        Axes to draw on; by default new ones on which all names can be read.

    Returns
    -------
    matplotlib.axes.Axes
        Distances at which branches merge, the root on the left. A triangle is a module: its point
        stands at the distance of its last merge, its label is its name and, in brackets, how
        many features it has. Colours only tell neighbours apart. The dashed line is the cut.

    Raises
    ------
    InvalidInput
        If there are no modules under `key`, they have no tree (method ``"leiden"``), or no longer
        fit the AnnData.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> latent = random.normal(size=(40, 3))
    >>> values = latent[:, [0, 0, 1, 1, 2, 2]] + random.normal(0, 0.3, (40, 6))
    >>> adata = anndata.AnnData(values, obsm={"X_pca": latent})
    >>> mt.tl.latent_correlation(adata, latent="X_pca")
    >>> mt.tl.feature_modules(adata, latent="X_pca", n_modules=3)
    >>> ax = mt.pl.module_dendrogram(adata, features=False)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['module 1 (2)', 'module 2 (2)', 'module 3 (2)']
    """
    n = whole_number("n", n, low=2)
    if features is not None:
        one_of("features", features, [True, False])
    tree, modules, names = _read(adata, key)
    by_feature = tree.n_leaves <= _FEW if features is None else features
    inner = _inner(tree, len(modules) if by_feature else n, by_feature)
    drawn = tree.children[inner - tree.n_leaves].reshape(-1)
    tips = np.setdiff1d(drawn, inner) if len(inner) else np.array([len(tree.height) - 1])
    tips = tips[np.argsort(tree.place[tips])]
    labels = _labels(tree, tips, modules, names if by_feature else None)
    length = cell_size(len(tips)) * len(tips)
    if ax is None:
        ax = new_axes(None, figsize=(_WIDTH + 0.6 + name_width(labels), length + 1.1))
    else:
        ax = new_axes(ax, figsize=(1, 1))
        length = 0.75 * ax.get_window_extent().height / ax.figure.get_dpi()
    rows = _rows(tree, tips, inner)
    colours = _node_colours(tree)
    _draw(ax, tree, tips, inner, rows, colours)
    cut = _draw_cut(ax, tree, adata.uns[key].get("height"))
    top = float(tree.height.max())
    ax.set_xlim(top * 1.04 if top > 0 else 1.0, 0)
    ax.set_ylim(len(tips) - 0.4, -0.6)
    ax.yaxis.tick_right()
    ax.yaxis.set_label_position("right")
    named = name_axis(ax, "y", labels, length)
    if by_feature:
        _name_modules(ax, tree, modules, rows, colours, cut, length / len(tips))
        ax.set_ylabel("feature" if named else f"{len(labels):,} features (no room for names)")
    else:
        ax.set_ylabel("modules (how many features)" if named else f"{len(labels):,} branches")
    if by_feature and named:
        for label, node in zip(ax.get_yticklabels(), tips, strict=True):
            label.set_color(_dark(colours[node]))
    ax.set_xlabel("distance at which branches merge (Ward)")
    title = lines_of(_facts(tree, modules, adata.n_vars), _WIDTH + name_width(labels))
    ax.set_title(title, loc="left", fontsize="medium")
    ax.spines[["top", "left", "right"]].set_visible(False)
    return ax


def _read(adata: anndata.AnnData, key: str) -> tuple[_Tree, list[str], list[str]]:
    """Give the tree, the names of the modules and those of the features at the leaves."""
    entry = slots.find(adata, slots.MODULES, key, argument="key", whole=True)
    if "linkage" not in entry:
        method = entry.get("method", "another method")
        remedy = "use tl.feature_modules(..., method='ward')"
        raise InvalidInput("key", f"modules of {method!s}, which have no tree", remedy)
    linkage = np.asarray(entry["linkage"], np.float64)
    member = adata.var[key]
    there = member.notna().to_numpy()
    if there.sum() != len(linkage) + 1:
        found = f"var[{key!r}] gives {there.sum():,} features a module, "
        found += f"the tree has {len(linkage) + 1:,}"
        raise InvalidInput("key", found, "compute the modules again")
    codes, found_modules = pd.factorize(member[there].astype(str))
    tree = _tree(linkage, codes)
    roots = np.unique(tree.module[_roots(tree)], return_counts=True)[1]
    if (roots > 1).any():
        found = f"var[{key!r}] is no cut of the tree in uns[{key!r}]"
        raise InvalidInput("key", found, "compute the modules again")
    return tree, [str(name) for name in found_modules], [short(f) for f in adata.var_names[there]]


def _tree(linkage: np.ndarray, codes: np.ndarray) -> _Tree:
    """Make a tree of what scipy's linkage gives and of the module of every leaf."""
    n_leaves = len(codes)
    children = linkage[:, :2].astype(np.int64)
    module = np.concatenate([codes.astype(np.int64), np.full(len(linkage), -1)])
    place = np.zeros(len(module), np.int64)
    order = leaves_list(linkage) if len(linkage) else np.zeros(1, np.int64)
    place[order] = np.arange(n_leaves)
    for row, (a, b) in enumerate(children.tolist()):
        module[n_leaves + row] = module[a] if module[a] == module[b] else -1
        place[n_leaves + row] = min(place[a], place[b])
    height = np.concatenate([np.zeros(n_leaves), linkage[:, 2]])
    size = np.concatenate([np.ones(n_leaves), linkage[:, 3]]).astype(np.int64)
    return _Tree(children, height, module, size, place)


def _roots(tree: _Tree) -> np.ndarray:
    """Give the highest node of every module."""
    parent_module = np.full(len(tree.height), -1)
    merged = tree.module[tree.n_leaves :]
    parent_module[tree.children[:, 0]] = merged
    parent_module[tree.children[:, 1]] = merged
    return np.flatnonzero((tree.module >= 0) & (parent_module < 0))


def _inner(tree: _Tree, n: int, by_feature: bool) -> np.ndarray:
    """Give the merges to draw: all, or those above the modules that leave up to n branches."""
    merges = np.arange(tree.n_leaves, len(tree.height))
    if by_feature:
        return merges
    mixed = merges[tree.module[merges] < 0]
    return mixed[max(len(mixed) - (n - 1), 0) :]  # parents come after their children


def _labels(
    tree: _Tree, tips: np.ndarray, modules: list[str], names: list[str] | None
) -> list[str]:
    if names is not None:
        return [names[tip] for tip in tips]
    n_modules = _modules_within(tree)
    return [
        f"{numbered(short(modules[tree.module[tip]]))} ({tree.size[tip]:,})"
        if tree.module[tip] >= 0
        else f"{n_modules[tip]:,} modules ({tree.size[tip]:,})"
        for tip in tips
    ]


def _modules_within(tree: _Tree) -> np.ndarray:
    """Give how many modules each node holds, 0 within modules."""
    count = np.zeros(len(tree.height), np.int64)
    count[_roots(tree)] = 1
    for row, (a, b) in enumerate(tree.children.tolist()):
        if tree.module[tree.n_leaves + row] < 0:
            count[tree.n_leaves + row] = count[a] + count[b]
    return count


def _rows(tree: _Tree, tips: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Give where nodes stand from top to bottom, in rows of the tips."""
    rows = np.full(len(tree.height), np.nan)
    rows[tips] = np.arange(len(tips))
    for node in inner:
        rows[node] = rows[tree.children[node - tree.n_leaves]].mean()
    return rows


def _node_colours(tree: _Tree) -> np.ndarray:
    """Give every node the colour of its module: no two neighbours have the same."""
    first = pd.unique(tree.module[np.argsort(tree.place[: tree.n_leaves])])
    rank = np.zeros(len(first), np.int64)
    rank[first] = np.arange(len(first))
    palette = np.array([to_rgba(colour) for colour in _COLOURS])
    coloured: np.ndarray = palette[rank[tree.module] % len(palette)]
    coloured[tree.module < 0] = to_rgba(_ABOVE)
    return coloured


def _dark(colour: np.ndarray) -> tuple[float, float, float]:
    """Give a colour in which text can be read."""
    red, green, blue = (0.65 * colour[:3]).tolist()
    return red, green, blue


def _draw(
    ax: Axes,
    tree: _Tree,
    tips: np.ndarray,
    inner: np.ndarray,
    rows: np.ndarray,
    colours: np.ndarray,
) -> None:
    """Draw the merges as lines and what is not drawn below them as triangles."""
    lines, lines_colours = [], []
    for node in inner:
        pair = tree.children[node - tree.n_leaves]
        x, y = tree.height[node], rows[pair]
        (a, b), (low, high) = tree.height[pair], y
        lines.append([(a, low), (x, low), (x, high), (b, high)])
        lines_colours.append(colours[node])
    ax.add_collection(LineCollection(lines, colors=lines_colours, linewidths=0.9))
    folded = tips[tree.size[tips] > 1]
    corners = [
        [(tree.height[tip], rows[tip]), (0, rows[tip] - 0.36), (0, rows[tip] + 0.36)]
        for tip in folded
    ]
    ax.add_collection(
        PolyCollection(corners, facecolors=colours[folded], edgecolors="none", alpha=0.85)
    )


def _draw_cut(ax: Axes, tree: _Tree, height: float | None) -> float | None:
    """Draw the cut; give its distance, None where no single one makes the modules."""
    mixed = np.flatnonzero(tree.module < 0)
    if not len(mixed):
        return None
    below, above = tree.height[_roots(tree)].max(), tree.height[mixed].min()
    if below > above:
        return None
    cut = float((below + above) / 2)
    if height is not None and below <= height < above:  # what was asked for
        cut = float(height)
    ax.axvline(cut, color="black", lw=0.9, ls="--", zorder=3)
    return cut


def _name_modules(
    ax: Axes,
    tree: _Tree,
    modules: list[str],
    rows: np.ndarray,
    colours: np.ndarray,
    cut: float | None,
    cell: float,
) -> None:
    """Write the numbers of modules where the cut meets them, larger modules first, none twice."""
    roots = _roots(tree)
    written: list[float] = []
    names = [numbered(short(name)) for name in modules]
    if cut is not None and all(name.isdecimal() for name in modules):
        names = modules  # below a heading
        line = _LABEL_HEIGHT / cell
        ax.set_ylim(top=-2.0 * line)
        ax.text(cut, -1.3 * line, "module", fontsize=8, ha="right", va="center", color=_ABOVE)
    for root in roots[np.argsort(-tree.size[roots], kind="stable")]:
        row = rows[root]
        if any(abs(row - other) * cell < _LABEL_HEIGHT for other in written):
            continue
        written.append(row)
        x = tree.height[root] if cut is None else cut
        ax.text(
            x, row, names[tree.module[root]], fontsize=8, ha="right", va="center",
            color=_dark(colours[root]), fontweight="bold",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0}, zorder=4,
            parse_math=False,
        )  # fmt: skip


def _facts(tree: _Tree, modules: list[str], n_features: int) -> list[str]:
    """Give what the title says."""
    plural = "s" if len(modules) > 1 else ""
    facts = [f"{len(modules):,} module{plural} of {tree.n_leaves:,} features"]
    if n_features > tree.n_leaves:
        facts.append(f"{n_features - tree.n_leaves:,} more in none")
    return facts
