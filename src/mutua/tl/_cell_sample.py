"""Which cells a run looks at: some of each cluster, so that large ones do not decide alone."""

from __future__ import annotations

from typing import Any, Final

import anndata
import numpy as np
import pandas as pd

from mutua.errors import InvalidInput
from mutua.tl._module_tables import some

__all__ = ["BALANCES", "balanced_counts", "clusters_of", "draw_cells", "obs_column"]

BALANCES: Final = ("squareroot", "equal", "proportional")


def balanced_counts(
    sizes: np.ndarray, n: int, *, balance: str = "squareroot", most: float = 2.0
) -> np.ndarray:
    """Give how many cells of each cluster to draw.

    Parameters
    ----------
    sizes
        Number of cells of each cluster.
    n
        Cells to draw in all; fewer where the clusters together do not have enough.
    balance
        Shares of the clusters: the square root of their sizes, all the same, or their sizes.
    most
        No cluster gives more than this times its size. What it would give beyond goes to the
        others, by their shares.

    Returns
    -------
    int64, as many as sizes.

    Examples
    --------
    >>> balanced_counts(np.array([100, 1000]), 600).tolist()
    [144, 456]
    >>> balanced_counts(np.array([100, 1000]), 10_000).tolist()
    [200, 2000]
    """
    share = {"squareroot": np.sqrt(sizes), "equal": np.ones(len(sizes)), "proportional": sizes}
    weight = np.asarray(share[balance], np.float64)
    cap = np.floor(most * sizes)
    n = int(min(n, cap.sum()))
    exact = np.zeros(len(sizes))
    free = np.ones(len(sizes), bool)
    while True:
        left = n - exact[~free].sum()
        exact[free] = left * weight[free] / weight[free].sum()
        over = free & (exact > cap)
        if not over.any():
            break
        exact[over] = cap[over]
        free &= ~over
        if not free.any():
            break
    counts = np.floor(exact + 1e-9).astype(np.int64)
    room = np.flatnonzero(counts < cap)
    order = room[np.argsort(-(exact - counts)[room], kind="stable")]
    counts[order[: n - counts.sum()]] += 1
    return counts


def obs_column(adata: anndata.AnnData, name: str) -> pd.Series:
    """Give a column of ``obs``, which is still in its file if it was opened lazily."""
    table = adata.obs[[name]]
    values: pd.Series = (table if isinstance(table, pd.DataFrame) else table.to_memory())[name]
    return values


def clusters_of(adata: anndata.AnnData, column: Any, *, least: int) -> np.ndarray:
    """Give the cluster of each cell as a number, -1 for those of small or unnamed clusters."""
    if column not in list(adata.obs):
        there = f"use one of {some(adata.obs.columns, most=20)}" if len(adata.obs.columns) else ""
        raise InvalidInput("balance_by", f"no obs[{column!r}]", there or "obs has no columns")
    codes, names = pd.factorize(obs_column(adata, column), sort=True)
    missing = adata.obs_names[codes < 0]
    if len(missing):
        found = f"no cluster for {len(missing)} cells: {some(missing)}"
        raise InvalidInput("balance_by", found, "name their cluster or leave them out")
    sizes = np.bincount(codes, minlength=len(names))
    kept = np.flatnonzero(sizes >= least)
    if not len(kept):
        found = f"no cluster of obs[{column!r}] has {least} cells; the largest has {sizes.max()}"
        raise InvalidInput("balance_by", found, "use fewer clusters or a smaller min_cluster_size")
    numbers = np.full(len(names), -1)
    numbers[kept] = np.arange(len(kept))
    return numbers[codes]


def draw_cells(
    clusters: np.ndarray | None,
    n_cells: int,
    n: int,
    *,
    balance: str,
    most: float,
    random: np.random.Generator,
) -> np.ndarray:
    """Draw the places of cells, in ascending order; all of them where that is not too many.

    A cell of a cluster that gives more than it has comes as often as any other, or once more.
    """
    if clusters is None:
        if n_cells <= n:
            return np.arange(n_cells)
        return np.sort(random.choice(n_cells, n, replace=False))
    sizes = np.bincount(clusters[clusters >= 0])
    drawn = []
    for place, count in enumerate(balanced_counts(sizes, n, balance=balance, most=most)):
        members = np.flatnonzero(clusters == place)
        again, rest = divmod(int(count), len(members))
        drawn += [members] * again + [random.choice(members, rest, replace=False)]
    return np.sort(np.concatenate(drawn))
