"""Which windows may hold a motif: bounds of scores that a GPU computes fastest, with torch.

The score of a window is a product of its one-hot letters and the weights of a motif, so that those
of many windows and motifs are a product of matrices. Here weights are rounded up to whole numbers
of at most 2,047, which half precision holds exactly; their sums are exact in whatever order they
are added up, and never below the scores. A window whose sum does not exceed the threshold has no
hit. What is left, little more than the hits, is scored by `mutua.kernels.motif_scan` in float64.

Per window and strand 2 operations for each letter of the alphabet and column, and 7 bytes: the sum
is written and read, and its comparison written and read twice. The bytes are what takes the time.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["ScoreBounds", "Survivors"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST = 2047
"""Whole numbers up to one more are exact in half precision, and sums beyond stay beyond."""
_FINEST = 1024.0
"""Most steps per bit."""
_SLACK = 1e-3
"""Steps; all roundings of float64 together are less than a thousandth of it."""
_COLUMNS, _WIDTHS = 8, 4
"""Strands and columns of a product come in multiples of these, as tensor cores like it."""
_GPU_CELLS, _CPU_CELLS = 2**28, 2**20
"""Numbers in windows and sums of a tile: what keeps a GPU busy, or a cache holds."""


class Survivors(NamedTuple):
    """Windows that may be hits, in no order.

    Attributes
    ----------
    place
        int64, their first letters.
    strand
        int32, the strand of a motif.
    """

    place: Ints
    strand: npt.NDArray[np.int32]


class _Group(NamedTuple):
    """Strands of about one width."""

    strands: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]
    """(letter * width, strand), whole numbers, with strands of weight 0 to fill up."""
    cuts: npt.NDArray[np.float32]
    """(strand,), what sums have to exceed; nothing exceeds that of a strand to fill up."""
    width: int


class ScoreBounds:
    """Strands of motifs, with weights in whole numbers.

    Parameters
    ----------
    scores
        (letter, column) weights of all strands side by side, in bits.
    first_column
        (strand + 1,) where each strand begins.
    thresholds
        (strand,) what the score of a hit exceeds; infinite where there are no hits.

    Examples
    --------
    >>> scores = np.array([[1.0, -9.5], [-9.5, 1.0]])
    >>> bounds = ScoreBounds(scores, np.array([0, 2]), np.array([1.5]))
    >>> bounds.survivors(np.array([0, 0, 1, 1, 0, 1], np.int8), 0, 6, "cpu").place
    array([1, 4])
    """

    def __init__(self, scores: Floats, first_column: Ints, thresholds: npt.ArrayLike) -> None:
        least = np.asarray(thresholds, np.float64)
        width = np.diff(first_column)
        self._n_letters = len(scores)
        self._groups: list[_Group] = []
        self._on: dict[tuple[str, str], list[Any]] = {}
        rounded = -(-width // _WIDTHS) * _WIDTHS
        rounded[np.isinf(least)] = 0  # nothing passes
        for size in np.unique(rounded[rounded > 0]):
            strands = np.flatnonzero(rounded == size)
            self._groups.append(_group(scores, first_column, least, strands, int(size)))
        self._widest = max((group.width for group in self._groups), default=1)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_on": {}}  # what is on a device stays there

    def tile(self, place: str) -> int:
        """Give how many windows are best looked at together."""
        most = _CPU_CELLS if place == "cpu" else _GPU_CELLS
        return max(1, most // max((sum(group.weights.shape) for group in self._groups), default=1))

    def tile_bytes(self, tile: int) -> float:
        """Give the bytes that a tile takes on a GPU where few windows survive."""
        sizes = [2 * len(group.weights) + 3 * len(group.cuts) for group in self._groups]
        return float(tile) * (max(sizes, default=0) + 3 * self._n_letters)

    def survivors(
        self,
        letters: npt.NDArray[np.int8],
        start: int,
        stop: int,
        place: str,
        *,
        half: bool = False,
    ) -> Survivors:
        """Give the windows that may be hits, of those that begin at some letters.

        Parameters
        ----------
        letters
            int8 (place,). Codes that are no letters, and what windows see beyond the end, weigh 0:
            where windows may not go on has to be looked at afterwards.
        start, stop
            First letters of the windows.
        place
            The torch device.
        half
            Compute in half precision, as is done on a GPU: the result is the same.
        """
        import torch

        kind = torch.float16 if half or place != "cpu" else torch.float32
        n = stop - start
        codes = torch.from_numpy(letters[start : stop + self._widest - 1]).to(place)
        known = torch.arange(self._n_letters, dtype=torch.int8, device=place)
        hot = torch.zeros(n + self._widest - 1, self._n_letters, dtype=kind, device=place)
        hot[: len(codes)] = (codes[:, None] == known).to(kind)
        found, strands = [], []
        with torch.no_grad(), _whole_sums():
            for group, weights, cuts in self._tensors(place, kind):
                windows = hot[: n + group.width - 1].unfold(0, group.width, 1).reshape(n, -1)
                where = (torch.mm(windows, weights) > cuts).nonzero().cpu().numpy()
                found.append(where[:, 0] + start)
                strands.append(group.strands[where[:, 1]])
        if not found:
            return Survivors(np.zeros(0, np.int64), np.zeros(0, np.int32))
        return Survivors(np.concatenate(found), np.concatenate(strands))

    def _tensors(self, place: str, kind: Any) -> list[Any]:
        """Give the groups with their weights where they are needed; they are moved there once."""
        import torch

        key = (place, str(kind))
        if key not in self._on:
            self._on[key] = [
                (group, *(torch.from_numpy(part).to(place, kind) for part in group[1:3]))
                for group in self._groups
            ]
        return self._on[key]


def _group(scores: Floats, first: Ints, least: Floats, strands: Ints, width: int) -> _Group:
    n_letters, n = len(scores), -(-len(strands) // _COLUMNS) * _COLUMNS
    weights = np.zeros((n_letters, width, n), np.float32)
    cuts = np.full(n, _MOST, np.float32)
    for column, strand in enumerate(strands):
        own = scores[:, first[strand] : first[strand + 1]]
        # All that counts has to be within the most. A letter so unlikely that even the best
        # others do not make up for it may count as less unlikely: no hit has it.
        room = np.maximum(own.max(axis=0), 0).sum() - least[strand]
        lowest = min(-own.min(), max(room, 0.0))
        largest = max(abs(least[strand]), own.max(), lowest, (_MOST - 1) / _FINEST)
        scale = (_MOST - 1) / largest
        weights[:, : own.shape[1], column] = np.maximum(np.ceil(own * scale), -_MOST)
        # Sums are whole: one that is at least so many steps exceeds one less.
        cuts[column] = np.ceil(least[strand] * scale - _SLACK) - 1
    return _Group(strands.astype(np.int32), weights.reshape(-1, n), cuts, width)


@contextlib.contextmanager
def _whole_sums() -> Iterator[None]:
    """Have products of half precision added up in single precision throughout."""
    import torch

    flags = torch.backends.cuda.matmul
    names = ("allow_fp16_reduced_precision_reduction", "allow_fp16_accumulation")
    with _one_at_a_time:  # they are those of the process
        before = {name: getattr(flags, name) for name in names if hasattr(flags, name)}
        for name in before:
            setattr(flags, name, False)
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(flags, name, value)


_one_at_a_time = threading.Lock()
