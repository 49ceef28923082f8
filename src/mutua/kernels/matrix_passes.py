"""Passes over the rows of a table, dense or sparse, in blocks that are made dense on the way.

On a GPU `mutua.kernels.device_rows` gives the blocks.

What a pass adds up is added in one order: the rows are cut into a fixed number of lanes, a thread
takes whole lanes, and the sums of the lanes are added from the first to the last. So results have
the same bits whatever the number of threads.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mutua.kernels.device_rows import DeviceRows, rows_of_block
from mutua.kernels.threads import Workers
from mutua.settings import settings

__all__ = ["Passes"]

_LANES: Final = 8
_ROWS: Final = 512
"""Rows of a block on a CPU: few enough to stay in its cache from one product to the next."""


class Passes:
    """Passes over a table, alive for the duration of one call.

    Parameters
    ----------
    values
        (N, G) array or CSR matrix.
    scale
        (G,) what the columns are divided by.
    place
        Device of torch; by default the CPU.
    rows
        Rows of a block; by default as many as suit the device.
    beside
        Bytes that the caller will keep on a GPU.
    on_device
        Whether blocks are made as on a GPU; by default on all but the CPU.

    Examples
    --------
    >>> with Passes(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 2.0])) as passes:
    ...     sums = passes.run(lambda block, rows: [block.sum(dim=0)])
    >>> sums[0].tolist()
    [4.0, 3.0]
    """

    def __init__(
        self,
        values: Any,
        scale: npt.NDArray[Any],
        *,
        place: Any = None,
        rows: int | None = None,
        beside: float = 0.0,
        on_device: bool | None = None,
    ) -> None:
        import torch

        self.place = torch.device("cpu") if place is None else place
        self.shape: tuple[int, int] = values.shape
        self._values = values
        self._factor = (1 / np.asarray(scale, np.float64)).astype(np.float32)
        n, n_columns = self.shape
        on_device = self.place.type != "cpu" if on_device is None else on_device
        if rows is None:
            rows = rows_of_block(n_columns) if on_device else _ROWS
        bounds = np.linspace(0, n, min(_LANES, -(-n // rows)) + 1).astype(int)
        self.lanes = [
            _cut(first, last, rows) for first, last in pairwise(bounds.tolist()) if last > first
        ]
        self._kept: dict[int, Any] = {}
        self._keep = 4 * n * n_columns <= settings.memory
        self._on_device: DeviceRows | None = None
        if on_device:
            self._on_device = DeviceRows(values, self._factor, self.place, beside=beside)
        self._workers = Workers(1 if on_device else None)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Passes:
        self._stack.enter_context(_threads_of_torch())
        self._stack.enter_context(self._workers)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
        self._kept.clear()
        if self._on_device is not None:
            self._on_device.clear()

    def run(self, function: Callable[[Any, slice], Sequence[Any]]) -> list[Any]:
        """Add up what a function gives for every block of rows.

        Parameters
        ----------
        function
            ``function(block, rows)`` gets a float32 tensor (row, G), which it must not change, or
            on a GPU a `mutua.kernels.device_rows.SparseBlock`, and where the rows are; it gives
            tensors.
        """
        import torch

        def lane(blocks: list[slice]) -> list[Any]:
            torch.set_num_threads(1)  # of this thread; the pool is what runs beside it
            sums: list[Any] = []
            with torch.no_grad():
                for rows in blocks:
                    parts = function(self._block(rows), rows)
                    if not sums:
                        sums = list(parts)
                    else:
                        for total, part in zip(sums, parts, strict=True):
                            total += part
            return sums

        first, *others = self._workers.run(lane, [(blocks,) for blocks in self.lanes])
        for sums in others:
            for total, part in zip(first, sums, strict=True):
                total += part
        return first

    def _block(self, rows: slice) -> Any:
        import torch

        if self._on_device is not None:
            return self._on_device.block(rows)
        kept = self._kept.get(rows.start)
        if kept is not None:
            return kept
        part = self._values[rows]
        dense = part.toarray() if hasattr(part, "toarray") else np.asarray(part)
        block = torch.empty(dense.shape, dtype=torch.float32)  # memory that torch has aligned
        np.multiply(dense, self._factor, out=block.numpy(), casting="same_kind")
        if self._keep:
            self._kept[rows.start] = block
        return block


def _cut(first: int, last: int, size: int) -> list[slice]:
    """Cut rows into blocks of about one size, at most as large as wanted."""
    bounds = np.linspace(first, last, -(-(last - first) // size) + 1).astype(int).tolist()
    return [slice(a, b) for a, b in pairwise(bounds)]


@contextlib.contextmanager
def _threads_of_torch() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
