"""Rows of a table on a GPU: uploaded once where they fit, else again in every pass.

Sparse rows are made dense on the GPU, block by block: products of dense blocks are the same from
run to run, and as fast as sparse ones where a twentieth of the values is above 0. Where far fewer
are, the products are sparse.
"""

from __future__ import annotations

import warnings
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mutua.settings import settings

__all__ = ["DeviceRows", "SparseBlock", "rows_of_block"]

_BLOCK: Final = 2**26
"""Numbers of a dense block, 256 MiB: enough rows to keep all processors busy in every product."""
_SPARSE: Final = 0.02
"""Share of values that are not 0 below which products are sparse. A dense one takes 2 operations
for every value and column, at 50e12 in a second; a sparse one reads 4 bytes from the cache for
each, at 5e12 in a second at best, and about half of that in practice."""
_SHARE: Final = 0.8
"""Of the free memory that may be filled, the blocks at work apart."""


def rows_of_block(n_columns: int) -> int:
    """Give the number of rows of a block on a GPU."""
    return max(_BLOCK // n_columns, 1)


class SparseBlock:
    """Some rows as a sparse tensor, and transposed as another, for products with dense ones.

    Parameters
    ----------
    rows, across
        float32 tensors (row, G) and (G, row) of the layout CSR: one is the other, transposed.
    """

    def __init__(self, rows: Any, across: Any) -> None:
        self._rows, self._across = rows, across

    @property
    def T(self) -> SparseBlock:  # noqa: N802 (as of arrays)
        """The block, transposed."""
        return SparseBlock(self._across, self._rows)

    def __matmul__(self, dense: Any) -> Any:
        return self._rows @ dense

    def __rmatmul__(self, dense: Any) -> Any:
        return (self._across @ dense.T).T.contiguous()

    def square(self) -> Any:
        """Give the squares of what is not 0."""
        return self._rows.values().square()


class DeviceRows:
    """Blocks of rows on a device, divided by the scale.

    Parameters
    ----------
    values
        (N, G) array or CSR matrix.
    factor
        float32 (G,): what the columns are multiplied by.
    place
        Device of torch.
    beside
        Bytes that the caller will keep there.
    """

    def __init__(
        self, values: Any, factor: npt.NDArray[np.float32], place: Any, *, beside: float = 0.0
    ) -> None:
        import torch

        self._values, self._place = values, place
        self._factor = torch.from_numpy(factor).to(place)
        size = float(values.shape[0]) * values.shape[1]
        room = _SHARE * _free(place) - beside
        self.of_csr = hasattr(values, "toarray")
        self.sparse = self.of_csr and values.nnz < _SPARSE * size
        stored = 8.0 * values.nnz if self.of_csr else 4.0 * size
        if self.sparse:
            self.keeps = "sparse" if 2 * stored <= room else ""
        elif 4 * size <= room:
            self.keeps = "dense"
        else:
            self.keeps = "sparse" if self.of_csr and stored <= room else ""
        self._kept: dict[int, Any] = {}

    def block(self, rows: slice) -> Any:
        """Give a float32 tensor (row, G), or a `SparseBlock`."""
        kept = self._kept.get(rows.start)
        if kept is None:
            kept = self._sparse(rows) if self.of_csr else self._dense(rows)
            if self.of_csr and self.keeps == "dense":
                kept = kept.to_dense()
            if self.keeps:
                self._kept[rows.start] = kept
        if self.of_csr and not self.sparse and self.keeps != "dense":
            return kept.to_dense()
        return kept

    def clear(self) -> None:
        """Free what is kept."""
        self._kept.clear()

    def _dense(self, rows: slice) -> Any:
        return (self._on_device(self._values[rows]) * self._factor).float()

    def _sparse(self, rows: slice) -> Any:
        """Give some rows of a CSR matrix as a tensor of that layout, or both ways."""
        part = self._values[rows]
        if not part.has_canonical_format:
            part = part.copy()
            part.sum_duplicates()
        tensor = self._tensor(part)
        if not self.sparse:
            return tensor
        return SparseBlock(tensor, self._tensor(part.T.tocsr(), across=True))

    def _tensor(self, part: Any, *, across: bool = False) -> Any:
        import torch

        start, column = (
            torch.from_numpy(array.astype(np.int32)).to(self._place)
            for array in (part.indptr, part.indices)
        )
        data = self._on_device(part.data)
        if across:
            lengths = start[1:] - start[:-1]
            factor = torch.repeat_interleave(self._factor, lengths, output_size=len(data))
        else:
            factor = self._factor[column]
        with warnings.catch_warnings():  # torch speaks of the layout as new, once
            warnings.simplefilter("ignore", UserWarning)
            return torch.sparse_csr_tensor(
                start, column, (data * factor).float(), size=part.shape, check_invariants=False
            )

    def _on_device(self, array: npt.NDArray[Any]) -> Any:
        import torch

        if array.dtype.kind != "f" or array.dtype.itemsize > 8 or not array.dtype.isnative:
            array = np.asarray(array, np.float64)
        return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(self._place)


def _free(place: Any) -> float:
    if place.type != "cuda":
        return float(settings.memory)
    import torch

    kept = torch.cuda.memory_reserved(place) - torch.cuda.memory_allocated(place)
    return float(torch.cuda.mem_get_info(place)[0] + kept)  # what torch keeps is free for torch
