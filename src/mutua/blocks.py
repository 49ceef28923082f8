"""Over the rows of an array that may not fit into memory, chunk by chunk.

Results must not depend on how the data are chunked: a function is told the number of its first
row, for random streams that count rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mutua._cluster import ForWorkers, current_client
from mutua.errors import InvalidInput

__all__ = ["is_chunked", "map_rows", "row_chunks", "row_groups"]


def is_chunked(data: object) -> bool:
    """Tell whether an array is a dask array."""
    return hasattr(data, "dask")


def row_chunks(array: Any, argument: str = "sequences") -> tuple[int, ...]:
    """Give how many rows each chunk of a dask array has.

    Parameters
    ----------
    array
        The array.
    argument
        What the caller knows it by.

    Raises
    ------
    InvalidInput
        If dask does not know, as after choosing rows by values that are not computed yet.
    """
    rows = tuple(array.chunks[0])
    if any(np.isnan(size) for axis in array.chunks for size in axis):
        raise InvalidInput(
            argument,
            "a dask array whose chunks have unknown sizes",
            "call compute_chunk_sizes() on it, or choose rows by values that are in memory",
        )
    return rows


def row_groups(array: Any, n_rows: int, argument: str = "sequences") -> list[slice]:
    """Put whole chunks of rows together to groups of about `n_rows`, so that none is read twice.

    Parameters
    ----------
    array
        A dask array.
    n_rows
        Rows of a group, unless a chunk has more.
    argument
        What the caller knows the array by.

    Raises
    ------
    InvalidInput
        If dask does not know the sizes of the chunks.

    Examples
    --------
    >>> import dask.array as da
    >>> row_groups(da.zeros((10, 2), chunks=(3, 2)), 7)
    [slice(0, 6, None), slice(6, 10, None)]
    """
    groups: list[slice] = []
    stop = 0
    for size in row_chunks(array, argument):
        first, stop = stop, stop + size
        if groups and stop - groups[-1].start <= n_rows:
            groups[-1] = slice(groups[-1].start, stop)
        elif size:
            groups.append(slice(first, stop))
    return groups


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
        A dask array if any of the arrays is one; its name tells the function and the arrays. An
        error of the function says in a note which rows it was given. On a cluster the function
        is sent to a worker once, and runs as `mutua._cluster.ForWorkers` says.

    Raises
    ------
    InvalidInput
        If dask does not know the sizes of the chunks.
    MissingDependency
        If the workers of a cluster have no mutua.

    Examples
    --------
    >>> map_rows(lambda block, first_row: block + first_row, [[1], [2]], shape=(1,), dtype=int)
    array([[1],
           [2]])
    """
    if not any(is_chunked(array) for array in arrays):
        return function(*(np.asarray(array) for array in arrays), 0)
    current_client()  # refuses workers that could not run it
    import dask.array
    from dask.delayed import delayed

    da: Any = dask.array
    rows = next(row_chunks(array) for array in arrays if is_chunked(array))
    # A function needs whole rows.
    whole = [
        da.asarray(array).rechunk((rows, *((size,) for size in array.shape[1:])))
        for array in arrays
    ]
    parts = [array.to_delayed(optimize_graph=False).reshape(len(rows)) for array in whole]
    starts = np.concatenate([[0], np.cumsum(rows)[:-1]]).tolist()
    # A node of the graph of its own, for what every task carried would be sent with every one.
    held = delayed(ForWorkers(function), pure=True, traverse=False)
    call = delayed(_of_rows, pure=True)
    blocks = [
        da.from_delayed(
            call(held, start, *(part[number] for part in parts)),
            (rows[number], *shape),
            dtype=dtype,
        )
        for number, start in enumerate(starts)
    ]
    return da.concatenate(blocks, axis=0)


def _of_rows(function: Callable[..., np.ndarray], start: int, *parts: np.ndarray) -> np.ndarray:
    try:
        return function(*parts, start)
    except Exception as error:
        error.add_note(f"in the chunk of rows {start} to {start + len(parts[0]) - 1}")
        raise
