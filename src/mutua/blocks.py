"""Over the rows of an array that may not fit into memory, chunk by chunk.

Results must not depend on how the data are chunked: a function is told the number of its first
row, for random streams that count rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["is_chunked", "map_rows"]


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
        Arrays with equally many rows. The rows are cut as those of the first chunked one.
    shape
        Shape of a row of the result.
    dtype
        Dtype of the result.

    Returns
    -------
    numpy or dask array (row, *shape)
        A dask array if any of the arrays is one; its name tells the function and the arrays.

    Examples
    --------
    >>> map_rows(lambda block, first_row: block + first_row, [[1], [2]], shape=(1,), dtype=int)
    array([[1],
           [2]])
    """
    if not any(is_chunked(array) for array in arrays):
        return function(*(np.asarray(array) for array in arrays), 0)
    import dask.array
    from dask.delayed import delayed

    da: Any = dask.array
    rows = next(array.chunks[0] for array in arrays if is_chunked(array))
    # A function needs whole rows.
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
