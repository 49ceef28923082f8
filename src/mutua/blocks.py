"""Over the blocks of an array that may not fit into memory: map rows, and read rows in order.

Results must not depend on how the data are chunked. `map_rows` therefore tells a function the
number of its first row, for random streams that count rows, and `row_blocks` reads blocks of a
fixed number of rows whatever the chunks are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput

__all__ = ["is_chunked", "map_rows", "row_blocks"]


def is_chunked(data: object) -> bool:
    """Tell whether an array is a dask array."""
    return hasattr(data, "dask")


def map_rows(
    function: Callable[..., np.ndarray],
    *arrays: Any,
    shape: tuple[int, ...],
    dtype: Any,
) -> Any:
    """Apply a function to the rows of arrays, chunk by chunk and lazily where they are chunked.

    Parameters
    ----------
    function
        ``function(*blocks, first_row)`` gives an array with as many rows as the blocks have.
    *arrays
        Arrays with equally many rows; a chunk holds whole rows.
    shape
        Shape of a row of the result.
    dtype
        Dtype of the result.

    Returns
    -------
    numpy or dask array (row, *shape)
    """
    if not any(is_chunked(array) for array in arrays):
        return function(*(np.asarray(array) for array in arrays), 0)
    import dask.array as da
    from dask import delayed

    rows = next(array.chunks[0] for array in arrays if is_chunked(array))
    whole = [
        da.asarray(array).rechunk((rows, *((size,) for size in array.shape[1:])))
        for array in arrays
    ]
    parts = [array.to_delayed(optimize_graph=False).reshape(len(rows)) for array in whole]
    starts = np.concatenate([[0], np.cumsum(rows)[:-1]]).tolist()
    call = delayed(function, pure=True)
    blocks = [
        da.from_delayed(
            call(*(part[number] for part in parts), start), (rows[number], *shape), dtype=dtype
        )
        for number, start in enumerate(starts)
    ]
    return da.concatenate(blocks, axis=0)


def row_blocks(array: xr.DataArray, size: int) -> Iterator[np.ndarray]:
    """Yield the values of an array in blocks of `size` rows, one block in memory at a time.

    Parameters
    ----------
    array
        In memory, dask-backed or lazily opened; its first dim is cut.
    size
        Rows of a block; the last one may have fewer.
    """
    if size < 1:
        raise InvalidInput("size", f"{size}", "use at least 1")
    for start in range(0, array.shape[0], size):
        yield np.asarray(array.variable[start : start + size].values)
