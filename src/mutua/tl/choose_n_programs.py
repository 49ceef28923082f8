"""How many gene programs the cells tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anndata
import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.program_activity import program_activity
from mutua.models import Dataset, Table, checked
from mutua.models.arguments import number, whole_number
from mutua.tl._cell_sample import clusters_of
from mutua.tl._find_programs import Found, find_programs
from mutua.tl._module_tables import switch
from mutua.tl._program_values import CellValues, cell_values
from mutua.tl.programs import check_size, search_of

__all__ = ["choose_n_programs"]

_STABLE = 0.7
_SHARE = 0.8


@checked
def choose_n_programs(
    adata: anndata.AnnData,
    *,
    n_programs: Iterable[int],
    n_runs: int = 10,
    method: str = "onmf",
    layer: str | None = None,
    held_out: float = 0.2,
    balance_by: str | None = None,
    balance: str = "squareroot",
    max_sample_rate: float = 2.0,
    min_cluster_size: int = 20,
    n_cells: int = 10_000,
    density_threshold: float | None = None,
    max_iterations: int = 500,
    tolerance: float = 1e-4,
    allow_counts: bool = False,
    seed: int = 0,
    device: str | None = None,
    progress: bool | None = None,
) -> Dataset[Table]:
    """Compare numbers of gene programs: how stable each is, and how much it leaves unexplained.

    Every run sees at most 80 % of the cells that are not held out, so that programs are stable
    only if other cells have them too.

    Parameters
    ----------
    adata
        Cells x genes, as for `mutua.tl.programs`.
    n_programs
        The numbers to compare, such as ``range(4, 31, 2)``.
    held_out
        Share of the cells that no run sees, drawn at random; 0 for none.
    n_runs, method, layer, balance_by, balance, max_sample_rate, min_cluster_size, n_cells, \
density_threshold, max_iterations, tolerance, allow_counts, seed, device, progress
        As for `mutua.tl.programs`.

    Returns
    -------
    Dataset[Table]
        A row for each number, ascending, with the columns

        ``n_programs``
            The number.
        ``n_found``
            How many programs the runs agreed on; fewer where some were left without genes.
        ``stability``
            For every program the largest cosine with one of a run, mean over runs and programs:
            1 where every run found the same.
        ``stability_lowest``
            That of the least stable program.
        ``n_stable``
            Programs whose stability is at least 0.7: half of their squared length or more stays.
        ``relative_error``
            Length of what the programs leave of the scaled values of the cells the runs were drawn
            from, as a share of their length.
        ``relative_error_held_out``
            The same for the cells that no run saw; NaN if there are none. Where it stays while
            `relative_error` falls, further programs describe single cells.
        ``recommended``
            True for one row: that with the most stable programs, less those that are not; the
            first of several. It is a place to start: the errors, and what is known of the genes,
            should have their say.

    Raises
    ------
    InvalidInput
        As `mutua.tl.programs` does, and if no number is given or too few cells are left.

    Notes
    -----
    Stability after Kotliar et al., eLife 8:e43803 (2019), who measure it by the silhouette; the
    cosine does not fall merely because there are more programs.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> genes = np.repeat(np.eye(3), [15, 16, 17], axis=1)
    >>> values = random.gamma(1, size=(80, 3)) @ genes + random.uniform(0, 1, (80, 48))
    >>> found = mt.tl.choose_n_programs(anndata.AnnData(values), n_programs=[2, 3, 4], n_runs=5)
    >>> found["n_programs"].values[found["recommended"].values].tolist()
    [3]
    """
    search = search_of(
        n_runs=n_runs,
        method=method,
        n_cells=n_cells,
        balance=balance,
        max_sample_rate=max_sample_rate,
        density_threshold=density_threshold,
        max_iterations=max_iterations,
        tolerance=tolerance,
        seed=seed,
        device=device,
        progress=progress,
    )
    least = whole_number("min_cluster_size", min_cluster_size, low=1)
    values = cell_values(adata, layer, allow_counts=switch("allow_counts", allow_counts))
    sizes = _sizes(n_programs)
    for size in sizes:
        check_size("n_programs", size, values, [])
    clusters = None if balance_by is None else clusters_of(adata, balance_by, least=least)
    share = number("held_out", held_out, low=0, high=0.9)
    kept, left = _split(len(values.cells), share, search.seed)
    if sizes[-1] > len(kept):
        found = f"{share:g} leaves {len(kept)} cells for {sizes[-1]} programs"
        raise InvalidInput("held_out", found, "use a smaller share")
    if clusters is not None and not (clusters[kept] >= 0).any():
        raise InvalidInput("held_out", "no clustered cell is left", "use a smaller share")
    # Over the same cells good starts find the same programs, however little these mean.
    seen = max(2, sizes[-1], int(_SHARE * len(kept)))
    search = search._replace(n_cells=min(search.n_cells, seen))
    rows = []
    for size in sizes:
        done = find_programs(values, size, search, clusters=clusters, pool=kept)
        stable = done.stability
        rows.append(
            {
                "n_programs": size,
                "n_found": len(stable),
                "stability": float(stable.mean()),
                "stability_lowest": float(stable.min()),
                "n_stable": int((stable >= _STABLE).sum()),
                "relative_error": _error(values, kept, done),
                "relative_error_held_out": _error(values, left, done),
            }
        )
    columns: dict[str, Any] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    score = 2 * columns["n_stable"] - columns["n_found"]
    columns["recommended"] = np.arange(len(rows)) == score.argmax()
    return Table.build(columns)


def _sizes(n_programs: Any) -> list[int]:
    if isinstance(n_programs, str) or not isinstance(n_programs, Iterable):
        remedy = "use several numbers, such as range(4, 31, 2)"
        raise InvalidInput("n_programs", f"{n_programs!r}", remedy)
    sizes = sorted({whole_number("n_programs", size, low=1) for size in n_programs})
    if not sizes:
        raise InvalidInput("n_programs", "no number", "use several, such as range(4, 31, 2)")
    return sizes


def _split(n: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the places of the cells to learn from and of those held out."""
    order = np.random.default_rng([seed, 11]).permutation(n)
    held = round(share * n)
    return np.sort(order[held:]), np.sort(order[:held])


def _error(values: CellValues, places: np.ndarray, found: Found) -> float:
    if not len(places):
        return float("nan")
    part = values._replace(places=places)
    return program_activity(part.blocks, found.weights, found.scale).relative_error
