"""The digest of an AnnData."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anndata
import numpy as np
import pandas as pd
import xxhash

from mutua.models.digests import Digest, forget, hash_values, remembered
from mutua.models.dims import RECORD

__all__ = ["anndata_digest"]


def anndata_digest(adata: anndata.AnnData, *, fresh: bool = False) -> Digest:
    """Give the digest of everything an AnnData holds but the record; nothing is changed by it.

    Dask arrays count by the name of their graph, and arrays on disk (a backed or lazily opened
    AnnData) by their place: neither is read, and the method is then ``"graph"``.

    Parameters
    ----------
    adata
        Any AnnData.
    fresh
        Hash values even where their digest is remembered.
    """
    hasher = _Hasher(fresh)
    for name in ("X", "obs", "var", "obsm", "varm", "obsp", "varp", "layers", "uns"):
        hasher.feed(name, getattr(adata, name))
    if adata.raw is not None:
        for name in ("X", "var", "varm"):
            hasher.feed(f"raw {name}", getattr(adata.raw, name))
    return {"method": "graph" if hasher.lazy else "content", "value": hasher.hash.hexdigest()}


class _Hasher:
    """Hashes nested parts of an AnnData in an order that is always the same."""

    def __init__(self, fresh: bool) -> None:
        self.hash = xxhash.xxh3_128()
        self.fresh = fresh
        self.lazy = False

    def feed(self, name: str, value: Any) -> None:
        """Take up one part under its name."""
        self.hash.update(f"{name}\0".encode())
        if isinstance(value, pd.DataFrame):
            self._frame(value)
        elif isinstance(value, np.ndarray):
            self._array(value)
        elif hasattr(value, "indptr") and isinstance(getattr(value, "data", None), np.ndarray):
            self._sparse(value)
        elif isinstance(value, Mapping):
            for key in sorted(value, key=str):
                if key != RECORD:
                    self.feed(str(key), value[key])
        elif hasattr(value, "dask"):
            self.lazy = True
            self.hash.update(str(value.name).encode())
        elif isinstance(value, str | int | float | np.generic | list | tuple):
            # A scalar or list comes back from a file as numpy's own.
            self._array(np.asarray(value))
        else:
            self.lazy = self.lazy or hasattr(value, "shape")
            self.hash.update(repr(value).encode())

    def _array(self, values: np.ndarray, dtype: Any = None) -> None:
        if self.fresh:
            forget(values)
        digest = remembered(
            values, ("digest", dtype), lambda: hash_values(values, dtype=dtype).hexdigest()
        )
        self.hash.update(digest.encode())

    def _sparse(self, matrix: Any) -> None:
        if not matrix.has_sorted_indices:
            matrix = matrix.sorted_indices()  # a copy: the caller's matrix stays as it is
        self.hash.update(f"{matrix.format}{matrix.shape}".encode())
        # scipy chooses the width of indices by itself, so it means nothing.
        self._array(matrix.indptr, np.int64)
        self._array(matrix.indices, np.int64)
        self._array(matrix.data)

    def _frame(self, frame: pd.DataFrame) -> None:
        self.hash.update(repr([str(name) for name in frame.columns]).encode())
        self._array(np.asarray(frame.index.to_numpy()))
        for position in range(frame.shape[1]):
            column = frame.iloc[:, position]
            if isinstance(column.dtype, pd.CategoricalDtype):
                self._array(np.asarray(column.cat.categories))
                self._array(np.asarray(column.cat.codes))
            elif isinstance(column.dtype, np.dtype):
                self._array(column.to_numpy())
            else:
                self._array(np.asarray(column.astype(object)))
