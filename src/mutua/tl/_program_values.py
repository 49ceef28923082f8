"""The cells x genes that gene programs are made from: checked, and read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from mutua.blocks import is_chunked
from mutua.errors import InvalidInput
from mutua.kernels.program_activity import ROWS
from mutua.tl._module_tables import some

__all__ = ["CellValues", "cell_values", "refuse_copy"]

_COUNTS = 20
"""Whole numbers up to here may be anything; larger ones are counts."""


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
    """

    values: Any
    names: pd.Index
    cells: pd.Index
    zero_genes: np.ndarray
    zero_cells: np.ndarray

    def blocks(self) -> Iterator[Any]:
        """Give the rows, `ROWS` at a time: arrays or CSR matrices in memory."""
        yield from _blocks(self.values)

    def rows(self, rows: np.ndarray) -> Any:
        """Give some rows, which may repeat, in memory: an array or a CSR matrix."""
        if len(rows) == self.values.shape[0] and np.array_equal(rows, np.arange(len(rows))):
            return _in_memory(self.values[:])
        distinct, place = np.unique(rows, return_inverse=True)
        return _in_memory(self.values[distinct])[place]


def _blocks(values: Any) -> Iterator[Any]:
    for start in range(0, values.shape[0], ROWS):
        yield _in_memory(values[start : start + ROWS])


def _in_memory(values: Any) -> Any:
    if is_chunked(values):
        values = values.compute(scheduler="threads")
    if sparse.issparse(values):
        values = sparse.csr_matrix(values)
        if not values.has_canonical_format:
            values = values.copy()
            values.sum_duplicates()
        return values
    return np.asarray(values)


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


def _checked_values(
    values: Any, name: str, names: pd.Index, cells: pd.Index, allow_counts: bool
) -> CellValues:
    largest, whole = 0.0, True
    of_genes = np.zeros(values.shape[1], bool)
    of_cells = []
    for number, block in enumerate(_blocks(values)):
        held = block.data if sparse.issparse(block) else block
        low = held.min(initial=0)
        if not (np.isfinite(held.sum(dtype=np.float64)) and low >= 0):
            _refuse(block, number * ROWS, name, names, cells)
        largest = max(largest, float(held.max(initial=0)))
        whole = whole and (held.dtype.kind in "bui" or bool((held == np.rint(held)).all()))
        if sparse.issparse(block):
            there = block != 0
            of_genes |= np.asarray(there.sum(axis=0)).ravel() > 0
            of_cells.append(np.asarray(there.sum(axis=1)).ravel() > 0)
        else:
            of_genes |= (block != 0).any(axis=0)
            of_cells.append((block != 0).any(axis=1))
    if whole and largest > _COUNTS and not allow_counts:
        found = f"{name} holds whole numbers up to {largest:g}, which are raw counts"
        remedy = "take logarithms first, e.g. sc.pp.normalize_total(adata); sc.pp.log1p(adata), "
        raise InvalidInput("adata", found, remedy + "or pass allow_counts=True")
    if not of_genes.any():
        raise InvalidInput("adata", f"{name} is 0 throughout", "pass cells with expressed genes")
    return CellValues(values, names, cells, ~of_genes, ~np.concatenate(of_cells))


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
