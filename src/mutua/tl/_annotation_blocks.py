"""Annotations in blocks of rows, here or on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mutua._cluster import in_order
from mutua.blocks import is_chunked, row_groups
from mutua.models import Dataset
from mutua.models.annotations import Annotations
from mutua.settings import settings
from mutua.tl._motif_rows import refuse_without_motifs

__all__ = ["are_chunked", "over_blocks"]


def are_chunked(annotations: Dataset[Annotations], names: tuple[str, ...]) -> bool:
    """Tell whether any of these variables of annotations with motifs is a dask array."""
    refuse_without_motifs(annotations)
    return any(annotations[name].chunks for name in names)


def over_blocks(
    function: Callable[..., Any],
    annotations: Dataset[Annotations],
    names: tuple[str, ...],
    *,
    row_bytes: int,
    shared: tuple[Any, ...],
    what: str,
) -> Iterator[Any]:
    """Call a function for one block of rows after the other; give what the calls gave, in order.

    Parameters
    ----------
    function
        ``function(*columns, *shared)``; must be importable.
    annotations
        With at least one of `names` in chunks.
    names
        The variables whose values it takes.
    row_bytes
        Bytes that it needs for a row. Whole chunks of rows are put together, as many as fit into
        ``settings.memory``.
    shared
        What else it takes.
    what
        What a progress bar counts.
    """
    columns = [annotations[name].data for name in names]
    # None of the others has more chunks than this one for nothing: each is read about once.
    cut = min((data for data in columns if is_chunked(data)), key=lambda data: len(data.chunks[0]))
    groups = row_groups(cut, max(1, settings.memory // row_bytes), "annotations")
    tasks = (tuple(data[rows] for data in columns) for rows in groups)
    return in_order(function, tasks, shared=shared, n_tasks=len(groups), what=what)
