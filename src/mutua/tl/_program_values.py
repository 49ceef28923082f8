"""The cells x genes that gene programs are made from: checked, and read block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from mutua._cluster import compute, current_client, in_order
from mutua.blocks import is_chunked
from mutua.errors import InvalidInput
from mutua.kernels.program_activity import ROWS, in_threads
from mutua.settings import settings
from mutua.tl._module_tables import some

__all__ = ["CellValues", "cell_values", "in_memory", "refuse_copy"]

_COUNTS = 20
"""Whole numbers up to here may be anything; larger ones are counts."""
_COPIES = 4
"""Arrays as large as the rows of a task that are there at once on a worker."""
_EMPTY = 4
"""How much less sparse rows are taken to be than dense ones."""
_MOST = 16
"""Blocks of a task at most."""


class CellValues(NamedTuple):
    """Values of cells x genes, in memory or chunked, none of them negative or missing.

    Attributes
    ----------
    values
        (N, G): an array, a CSR or CSC matrix, a dask array, or what is backed by a file.
    names, cells
        Names of the genes and of the cells.
    zero_genes, zero_cells
        bool: those that are 0 throughout.
    places
        Which rows `blocks` are of; None for all.
    """

    values: Any
    names: pd.Index
    cells: pd.Index
    zero_genes: np.ndarray
    zero_cells: np.ndarray
    places: np.ndarray | None = None

    @property
    def blocks(self) -> RowBlocks:
        """The rows, `ROWS` at a time: arrays or CSR matrices in memory, never all at once."""
        return row_blocks(self.values, self.places)

    def rows(self, rows: np.ndarray) -> Any:
        """Give some rows, which may repeat, in memory: an array or a CSR matrix."""
        held, place = self.some(rows)
        return in_memory(held, place)

    def some(self, rows: np.ndarray) -> tuple[Any, np.ndarray | None]:
        """Give some rows as they are held, each once, and for `in_memory` their places therein."""
        if len(rows) == self.values.shape[0] and np.array_equal(rows, np.arange(len(rows))):
            return self.values[:], None
        distinct, place = np.unique(rows, return_inverse=True)
        return self.values[distinct], place


class RowBlocks:
    """Blocks of `ROWS` rows, as `mutua.kernels.program_activity.Blocks`.

    Parameters
    ----------
    values
        (N, G), as those of `CellValues`.
    places
        Which rows; None for all.
    """

    def __init__(self, values: Any, places: np.ndarray | None) -> None:
        self._values, self._places = values, places
        self._n = values.shape[0] if places is None else len(places)

    def __call__(self) -> Iterator[Any]:
        """Give the blocks in memory, one after another."""
        for start in range(0, self._n, ROWS):
            yield in_memory(self.range(start, start + ROWS))

    def range(self, first: int, last: int) -> Any:
        """Give some rows as they are held."""
        return self._values[
            slice(first, last) if self._places is None else self._places[first:last]
        ]


class ClusterBlocks(RowBlocks):
    """Blocks of a chunked array, each looked at on a worker of the cluster that is open."""

    def each(self, function: Callable[..., Any], *own: Iterable[Any]) -> Iterator[Any]:
        """Give what ``function(block, *own)`` gives for every block, in order."""
        of_row = 8 * self._values.shape[1] // (_EMPTY if _is_sparse(self._values) else 1)
        n = settings.memory // (_COPIES * ROWS * max(1, of_row))
        step = ROWS * min(max(n, 1), _MOST)
        starts = range(0, self._n, step)
        of_blocks = [iter(values) for values in own]
        tasks = (
            (
                self.range(start, start + step),
                [list(islice(values, step // ROWS)) for values in of_blocks],
            )
            for start in starts
        )
        found = in_order(
            _of_rows, tasks, shared=(function, ROWS), n_tasks=len(starts), what="cells"
        )
        for parts in found:
            yield from parts


def row_blocks(values: Any, places: np.ndarray | None = None) -> RowBlocks:
    """Give blocks of rows, which for a chunked array are on the cluster if there is one."""
    there = is_chunked(values) and current_client() is not None
    return (ClusterBlocks if there else RowBlocks)(values, places)


def _is_sparse(values: Any) -> bool:
    return bool(sparse.issparse(values._meta))


def _of_rows(rows: Any, own: list[list[Any]], function: Callable[..., Any], size: int) -> list[Any]:
    rows = in_memory(rows)
    blocks = (rows[start : start + size] for start in range(0, rows.shape[0], size))
    return list(in_threads(function, zip(blocks, *own, strict=True)))


def in_memory(values: Any, place: np.ndarray | None = None) -> Any:
    """Give values as an array or a canonical CSR matrix, or those of some rows of them."""
    if is_chunked(values):
        values = compute(values)
    if sparse.issparse(values):
        values = sparse.csr_matrix(values)
        if not values.has_canonical_format:
            values = values.copy()
            values.sum_duplicates()
    else:
        values = np.asarray(values)
    return values if place is None else values[place]


def cell_values(
    adata: anndata.AnnData,
    layer: str | None,
    *,
    genes: pd.Index | None = None,
    allow_counts: bool = False,
) -> CellValues:
    """Give ``X`` or a layer, of all genes or of some by name, once it is sure that it can be used.

    Raises
    ------
    InvalidInput
        For a layer that is not there, no cells or genes, names of genes that occur twice, values
        that are negative, missing, infinite or no real numbers, and for raw counts.
    """
    twice = adata.var_names[adata.var_names.duplicated()].unique()
    if len(twice):
        found = f"{len(twice)} names of genes occur more than once, such as {twice[0]!r}"
        raise InvalidInput("adata", found, "call adata.var_names_make_unique() first")
    if layer is not None and layer not in adata.layers:
        there = f"use one of {list(adata.layers)}" if len(adata.layers) else "leave it out for X"
        raise InvalidInput("layer", f"no layer {layer!r}", there)
    values = adata.X if layer is None else adata.layers[layer]
    name = "X" if layer is None else f"layer {layer!r}"
    if values is None or not hasattr(values, "shape") or len(values.shape) != 2:
        found = f"no {name}" if values is None else f"{name} is a {type(values).__name__}"
        raise InvalidInput("adata", found, "use an array or a sparse matrix")
    if np.dtype(values.dtype).kind not in "buif":
        raise InvalidInput("adata", f"{name} has the type {values.dtype}", "use real numbers")
    names = adata.var_names
    if genes is not None and not genes.equals(names):
        values, names = values[:, names.get_indexer(genes)], genes
    if not values.shape[0] or not values.shape[1]:
        found = f"{values.shape[0]} cells x {values.shape[1]} genes"
        raise InvalidInput("adata", found, "use at least one of each")
    if sparse.issparse(values) and values.format != "csr":
        values = values.tocsr()  # blocks of rows
    return _checked_values(values, name, names, adata.obs_names, allow_counts)


def refuse_copy(adata: anndata.AnnData, copy: bool) -> None:
    """Refuse to copy cells that are backed by a file, which anndata would only do at the end."""
    if copy and adata.isbacked:
        remedy = "use copy=False, which leaves the file as it is, or adata.to_memory() first"
        raise InvalidInput("copy", "True for an AnnData that a file backs", remedy)


class _Seen(NamedTuple):
    """What there is to know of a block of rows."""

    usable: bool
    largest: float
    whole: bool
    genes: np.ndarray
    cells: np.ndarray


def _checked_values(
    values: Any, name: str, names: pd.Index, cells: pd.Index, allow_counts: bool
) -> CellValues:
    blocks = row_blocks(values)
    largest, whole = 0.0, True
    of_genes = np.zeros(values.shape[1], bool)
    of_cells = []
    found = blocks.each(_seen) if isinstance(blocks, ClusterBlocks) else map(_seen, blocks())
    for number, seen in enumerate(found):
        if not seen.usable:
            first = number * ROWS
            _refuse(in_memory(blocks.range(first, first + ROWS)), first, name, names, cells)
        largest, whole = max(largest, seen.largest), whole and seen.whole
        of_genes |= seen.genes
        of_cells.append(seen.cells)
    if whole and largest > _COUNTS and not allow_counts:
        found_counts = f"{name} holds whole numbers up to {largest:g}, which are raw counts"
        remedy = "take logarithms first, e.g. sc.pp.normalize_total(adata); sc.pp.log1p(adata), "
        raise InvalidInput("adata", found_counts, remedy + "or pass allow_counts=True")
    if not of_genes.any():
        raise InvalidInput("adata", f"{name} is 0 throughout", "pass cells with expressed genes")
    return CellValues(values, names, cells, ~of_genes, ~np.concatenate(of_cells))


def _seen(block: Any) -> _Seen:
    held = block.data if sparse.issparse(block) else block
    usable = bool(np.isfinite(held.sum(dtype=np.float64)) and held.min(initial=0) >= 0)
    whole = held.dtype.kind in "bui" or bool((held == np.rint(held)).all())
    there = block != 0
    genes, cells = (np.asarray(there.sum(axis=axis)).ravel() > 0 for axis in (0, 1))
    return _Seen(usable, float(held.max(initial=0)), whole, genes, cells)


def _refuse(block: Any, first: int, name: str, names: pd.Index, cells: pd.Index) -> None:
    """Say where the first values are that cannot be used."""
    entries = sparse.coo_array(block)
    for what, bad, remedy in (
        ("missing or infinite", ~np.isfinite(entries.data), "leave these cells or genes out"),
        ("negative", entries.data < 0, "use values before they are scaled, e.g. adata.raw"),
    ):
        if bad.any():
            rows, columns = np.unique(entries.row[bad]), np.unique(entries.col[bad])
            found = f"{name} has {what} values in cells {some(cells[first + rows])} and genes "
            raise InvalidInput("adata", found + some(names[columns]), remedy)
