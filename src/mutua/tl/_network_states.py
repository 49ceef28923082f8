"""States of the nodes of a network: gene programs, or genes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from mutua.blocks import is_chunked
from mutua.errors import InvalidInput
from mutua.kernels.three_levels import three_levels
from mutua.models import slots
from mutua.tl._module_tables import feature_values, some

__all__ = ["NodeStates", "gene_states", "program_states", "warn_constant"]

_SKEWED = 1.5
_PERCENTILE = 95
_GENES = 64
"""Genes made dense together."""


class NodeStates(NamedTuple):
    """The nodes and their states in every cell."""

    names: list[str]
    states: npt.NDArray[np.int8]
    """(cell, node): -1, 0 or 1."""


def program_states(adata: anndata.AnnData, key: str) -> NodeStates:
    """Give the states that `mutua.tl.programs` wrote.

    Raises
    ------
    InvalidInput
        If there are none, or values other than -1, 0 and 1.
    """
    entry = slots.find(adata, slots.PROGRAMS, key, argument="key")
    names = [str(name) for name in entry["names"]]
    slot = slots.PROGRAMS.slots[slots.STATE].key.format(key)
    if slot not in adata.obsm:
        raise InvalidInput("key", f"no obsm[{slot!r}]", "call tl.programs again")
    held = adata.obsm[slot]
    values = held.toarray() if sparse.issparse(held) else np.asarray(held)
    if values.ndim != 2 or not np.isin(values, (-1, 0, 1)).all():
        raise InvalidInput("key", f"obsm[{slot!r}] holds other values", "use states -1, 0 and 1")
    return NodeStates(names, values.astype(np.int8))


def gene_states(
    adata: anndata.AnnData, layer: str | None, genes: str | Sequence[str] | None
) -> NodeStates:
    """Give states of genes: three levels of expression, each gene on its own.

    Where genes are mostly zero (a mean skewness of at least 1.5) values are cut at the 95th
    percentile of those that are not zero, so that a few high ones do not become a level.

    Parameters
    ----------
    adata
        Cells by genes.
    layer
        Layer with the expression; by default ``X``.
    genes
        Names of genes, or the name of a column of booleans of ``var``; by default all.

    Raises
    ------
    InvalidInput
        For genes that are not there or named twice, and values that are missing.
    """
    places = _places(adata, genes)
    if not len(places):
        raise InvalidInput("genes", "no genes", "use one at least")
    names = [str(name) for name in adata.var_names[places]]
    values = feature_values(*_of_genes(adata, layer, places))
    columns = values.tocsc() if sparse.issparse(values) else values
    cut = _mean_skewness(columns) >= _SKEWED
    states = np.zeros(values.shape, np.int8, order="F")
    for start in range(0, len(names), _GENES):
        part = range(start, min(start + _GENES, len(names)))
        dense = np.stack([_cut(_column(columns, place), cut) for place in part], axis=1)
        states[:, part.start : part.stop] = three_levels(dense)
    return NodeStates(names, np.ascontiguousarray(states))


def _places(adata: anndata.AnnData, genes: Any) -> npt.NDArray[np.int64]:
    if genes is None:
        return np.arange(adata.n_vars)
    if isinstance(genes, str):
        if genes not in adata.var or adata.var[genes].dtype != bool:
            found = f"no column of booleans {genes!r} in var"
            raise InvalidInput("genes", found, "use such a column, or a list of names")
        return np.flatnonzero(adata.var[genes].to_numpy())
    wanted = [str(name) for name in genes]
    places = adata.var_names.get_indexer(wanted) if adata.var_names.is_unique else None
    if places is None:
        raise InvalidInput("adata", "names of genes repeat", "call adata.var_names_make_unique()")
    unknown = [name for name, place in zip(wanted, places, strict=True) if place < 0]
    if unknown:
        raise InvalidInput("genes", f"no {some(unknown, most=10)} in var_names", "leave them out")
    if len(set(wanted)) < len(wanted):
        twice = sorted({name for name in wanted if wanted.count(name) > 1})
        raise InvalidInput("genes", f"{some(twice)} more than once", "name each gene once")
    return np.asarray(places)


def _of_genes(
    adata: anndata.AnnData, layer: str | None, places: npt.NDArray[np.int64]
) -> tuple[anndata.AnnData, str | None]:
    """Give some genes and the layer that holds them; of chunked values only these are read."""
    held = adata.layers.get(layer) if layer is not None else adata.X
    if not is_chunked(held):
        return (adata[:, places] if len(places) < adata.n_vars else adata), layer
    if len(places) < adata.n_vars:
        held = held[:, places]
    var = pd.DataFrame(index=adata.var_names[places])
    return anndata.AnnData(held.compute(scheduler="threads"), var=var), None


def _column(values: Any, place: int) -> npt.NDArray[np.float64]:
    own = values[:, [place]].toarray() if sparse.issparse(values) else values[:, place]
    return np.asarray(own, np.float64).ravel()


def _mean_skewness(values: Any) -> float:
    """Give the mean over genes that vary."""
    found = []
    for place in range(values.shape[1]):
        own = _column(values, place)
        own -= own.mean()
        spread = np.sqrt((own**2).mean())
        if spread > 0:
            found.append(((own / spread) ** 3).mean())
    return float(np.mean(found)) if found else 0.0


def _cut(values: npt.NDArray[np.float64], cut: bool) -> npt.NDArray[np.float64]:
    there = values[values > 0] if cut else values[:0]
    return np.minimum(values, np.percentile(there, _PERCENTILE)) if len(there) else values


def warn_constant(nodes: NodeStates, *, stacklevel: int) -> None:
    """Warn of nodes that have one state in all cells."""
    constant = (nodes.states == nodes.states[:1]).all(axis=0)
    if constant.any():
        names = some(np.array(nodes.names)[constant], most=20)
        text = f"one state in all cells: {names}; nothing can be learned about them"
        warnings.warn(text, UserWarning, stacklevel=stacklevel)
