"""Where motifs stand in sequences: FIMO on letter codes, by memelite's compiled scan.

`memelite.fimo` makes one-hot letters into codes, null tables into thresholds, and hits into a data
frame for each motif. Here codes come as they are, the null tables are `kernels.motif_null`'s (for
any background) and hits come as columns; in between stands memelite's scan, called as memelite
0.5 calls it itself. `tests/kernels/test_motif_scan.py` fails where another version differs.

Method: Grant, Bailey and Noble 2011, Bioinformatics 27:1017 (FIMO); Schreiber 2025 (memelite).
"""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.errors import MissingDependency
from mutua.kernels.devices import torch_gpu, with_tiles
from mutua.kernels.letters import UNKNOWN
from mutua.kernels.motif_null import log_odds, score_tables
from mutua.kernels.rows import over_rows
from mutua.kernels.torch_scan import ScoreBounds
from mutua.settings import available_threads

__all__ = ["Hits", "MotifScanner", "numba_threads"]

Ints = npt.NDArray[np.int64]
_LOCK = threading.Lock()
_INTERNALS = ("_block_layout", "_fast_hits", "_qmer_codes", "_qmer_width", "_score_bounds",
              "_wide_choice", "_wide_codes", "_wide_layout")  # fmt: skip
STEP = 0.1
"""Bits to which scores are rounded for their p-values, as in FIMO of memelite."""
_OPERATIONS = 0.2
"""Elementary operations for a window and strand: most are dismissed with one look-up."""
_SMALLEST_TILE = 256


class Hits(NamedTuple):
    """Hits sorted by sequence, start, motif and strand (forward first)."""

    sequence: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    motif: npt.NDArray[np.int32]
    strand: npt.NDArray[np.int8]
    score: npt.NDArray[np.float64]
    p_value: npt.NDArray[np.float64]

    @classmethod
    def none(cls) -> Hits:
        """Give no hits."""
        ints, floats = np.zeros(0, np.int32), np.zeros(0)
        return cls(ints, ints, ints, np.zeros(0, np.int8), floats, floats)


class MotifScanner:
    """Motifs made ready to be looked for in any number of blocks of sequences.

    Parameters
    ----------
    probability
        (motif, letter, column), 0 beyond the width of a motif.
    length
        (motif,) widths.
    background
        (letter,) frequencies of letters, for scores and p-values.
    complement
        (letter,) the code of each letter's complement, to look at both strands; or None.
    p_threshold
        Hits have smaller p-values.
    pseudocount
        Added to probabilities.
    """

    def __init__(
        self,
        probability: npt.NDArray[np.floating],
        length: npt.ArrayLike,
        *,
        background: npt.ArrayLike,
        complement: npt.NDArray[np.uint8] | None,
        p_threshold: float,
        pseudocount: float,
    ) -> None:
        self.length = np.asarray(length, np.int64)
        self.n_strands = 1 if complement is None else 2
        self._background = np.asarray(background, np.float64)
        used = np.arange(probability.shape[2]) < self.length[:, None]
        columns = probability.transpose(0, 2, 1)[used].T
        widths = np.tile(self.length, self.n_strands)
        self._first = np.concatenate([[0], np.cumsum(widths)])
        if complement is not None:
            columns = np.concatenate([columns, self._reversed(columns, complement)], axis=1)
        self._scores = log_odds(columns, background, pseudocount)
        self._prepare(complement, p_threshold)

    def _reversed(
        self, columns: npt.NDArray[np.floating], complement: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.floating]:
        """Give the motifs as they stand on the other strand."""
        first = self._first[: len(self.length) + 1]
        places = np.arange(first[-1])
        mirrored = np.repeat(first[:-1] + first[1:], self.length) - 1 - places
        return columns[complement][:, mirrored]

    def _prepare(self, complement: npt.NDArray[np.uint8] | None, p_threshold: float) -> None:
        """Work out everything that no sequence changes."""
        n, first, background = len(self.length), self._first, self._background
        # Where a letter is as frequent as its complement both strands have the same null.
        shared = complement is None or np.array_equal(background[complement], background)
        with_tables = slice(n + 1) if shared else slice(None)
        tables = score_tables(
            self._scores[:, : first[with_tables][-1]], first[with_tables], background, step=STEP
        )
        copies = self.n_strands if shared else 1
        thresholds = np.tile(tables.thresholds(p_threshold), copies)
        #: (motif,) whether even the best sequence is too likely to be a hit.
        self.hopeless = np.all(np.isinf(thresholds.reshape(self.n_strands, n)), axis=0)
        sizes = np.tile(np.diff(tables.offset), copies)
        self._tables = (
            np.tile(tables.lowest, copies),
            np.tile(np.log2(tables.reachable()), copies),
            np.concatenate([[0], np.cumsum(sizes)]),
        )
        size, n_columns = self._scores.shape
        weights = np.zeros((size + 1, n_columns), order="F")  # the last row: unknown letters
        weights[:size] = self._scores
        self._motifs = (weights, first.astype(np.uint64), thresholds)
        self._tiles: dict[str, int] = {}

    @cached_property
    def _layout(self) -> tuple[int, tuple[Any, ...], tuple[Any, ...]]:
        """What memelite's scan asks for: letters at once, its bounds, and its wide blocks."""
        fimo, (weights, lengths, thresholds) = _memelite_fimo(), self._motifs
        largest, gap, cuts, tops = fimo._score_bounds(self._scores, lengths, thresholds)
        q = fimo._qmer_width(len(weights))
        blocks = fimo._block_layout(largest, gap, lengths, q)
        wide_offset, wide_rest = fimo._wide_layout(largest, gap, lengths)
        wide_on = np.zeros(len(lengths) - 1, np.bool_)
        if len(self._scores) == 4:
            wide_on = fimo._wide_choice(
                weights, lengths, wide_offset, wide_rest, cuts, tops, fimo._WIDE_RATE
            )
        order = np.arange(len(lengths) - 1).reshape(self.n_strands, -1).T.flatten()
        return q, (*blocks, cuts, tops, order), (wide_on, wide_offset, wide_rest)

    @cached_property
    def _score_bounds(self) -> ScoreBounds:
        return ScoreBounds(self._scores, self._first, self._motifs[2])

    def scan(
        self,
        codes: npt.NDArray[np.uint8],
        *,
        unknown: bool = False,
        n_starts: int | None = None,
        device: str | None = "cpu",
    ) -> tuple[Hits, int]:
        """Give all hits in a block of sequences, and the number of windows looked at.

        Parameters
        ----------
        codes
            uint8 (sequence, position). No hit goes over padding.
        unknown
            Whether hits may hold unknown letters, which score 0.
        n_starts
            Hits start at positions below this; by default anywhere.
        device
            ``"auto"``, ``"cpu"`` or ``"cuda"``; None for the setting. Hits are the same.

        Returns
        -------
        hits, n_tests
            `n_tests` counts windows times motifs times strands.

        Raises
        ------
        DeviceUnavailable
            For ``"cuda"`` without a usable GPU.
        MemoryLimit
            If the GPU's memory does not hold the motifs and a few windows.
        MissingDependency
            If memelite, which scans on a CPU, has changed so that it cannot be called.
        """
        size = len(self._background)
        n_starts = codes.shape[1] if n_starts is None else n_starts
        letters, bounds, rows, begins = _stretches(codes, size, unknown, int(self.length.min()))
        n_tests = self.n_strands * _n_windows(bounds, begins, self.length, n_starts)
        place = torch_gpu(device, operations=_OPERATIONS * n_tests)
        if n_tests == 0:
            return Hits.none(), 0
        if place is None:
            offsets, stretch, start, _, score, p_value = self._found(letters, bounds)
        else:
            offsets, stretch, start, score, p_value = self._found_on(place, letters, bounds)
        kept = offsets[-1]
        if n_starts < codes.shape[1]:
            kept = np.count_nonzero(begins[stretch] + start < n_starts)
        hits = _sorted_hits(
            offsets, stretch, start, score, p_value, bounds, rows, begins, self.n_strands,
            n_starts, kept,
        )  # fmt: skip
        return Hits(*hits), n_tests

    def _found(self, letters: npt.NDArray[np.int8], bounds: Ints) -> Any:
        fimo, (q, layout, (wide_on, *wide)) = _memelite_fimo(), self._layout
        n_letters = len(self._background)
        qmers = fimo._qmer_codes(letters, n_letters + 1, q)
        if n_letters == 4:
            wide_codes = fimo._wide_codes(letters)
        else:
            wide_codes = np.full(1, fimo._WIDE_CODES, np.uint16)
        done = np.zeros(len(wide_on), np.uint8)
        with numba_threads():
            return fimo._fast_hits(
                letters, qmers, q, bounds, *self._motifs, STEP, *self._tables,
                *layout, wide_codes, wide_on, *wide, done,
            )  # fmt: skip

    def _found_on(self, place: str, letters: npt.NDArray[np.int8], bounds: Ints) -> Any:
        """Give the same hits by way of a GPU."""
        stretch, start, group, score, p_value = with_tiles(
            lambda tile: self._in_tiles(place, letters, bounds, tile),
            self._tiles.get(place, self._score_bounds.tile(place)),
            smallest=_SMALLEST_TILE,
            argument="motifs",
            needed=self._score_bounds.tile_bytes,
        )
        # Numbers of 16 bits are sorted in linear time.
        order = np.argsort(group.astype(np.min_scalar_type(len(self._first))), kind="stable")
        sizes = np.bincount(group, minlength=len(self._first) - 1)
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        return offsets, stretch[order], start[order], score[order], p_value[order]

    def _in_tiles(
        self, place: str, letters: npt.NDArray[np.int8], bounds: Ints, tile: int
    ) -> list[npt.NDArray[Any]]:
        """Give stretch, start, group (motif and strand), score and p-value of hits."""
        n_motifs, found = len(self.length), []
        for first in range(0, len(letters), tile):
            last = min(first + tile, len(letters))
            at, strand = self._score_bounds.survivors(letters, first, last, place)
            stretch = np.empty(len(at), np.int64)
            score, p_value = np.empty(len(at)), np.empty(len(at))
            over_rows(
                _score_survivors, len(at), at, strand, letters, bounds, *self._motifs,
                *self._tables, stretch, score, p_value, row_cost=60.0,
            )  # fmt: skip
            hits = p_value >= 0
            at, strand, stretch = at[hits], strand[hits].astype(np.int64), stretch[hits]
            group = strand % n_motifs * self.n_strands + strand // n_motifs
            found.append([stretch, at - bounds[stretch], group, score[hits], p_value[hits]])
        self._tiles[place] = tile  # one that fits
        return [np.concatenate(part) for part in zip(*found, strict=True)]


def _memelite_fimo() -> Any:
    # `from memelite import fimo` gives the function of that name.
    module = importlib.import_module("memelite.fimo")
    if missing := [name for name in (*_INTERNALS, "_WIDE_CODES", "_WIDE_RATE")
                   if not hasattr(module, name)]:  # fmt: skip
        raise MissingDependency(f"memelite has no {missing[0]}: install memelite 0.5")
    return module


@contextmanager
def numba_threads(n_threads: int | None = None) -> Iterator[None]:
    """Let parallel loops of numba use so many threads, one caller at a time.

    Not every threading layer of numba may be entered by two threads at once. Threads take one
    piece of work after the other, as pieces may differ much in cost. The threads of torch, which
    may have OpenMP in common with numba, stay as they were.
    """
    n_threads = available_threads() if n_threads is None else n_threads
    with _LOCK:
        torch = sys.modules.get("torch")
        if not hasattr(torch, "get_num_threads"):  # another thread is importing it
            torch = None
        of_torch = None if torch is None else torch.get_num_threads()
        threads = numba.get_num_threads()
        previous = numba.set_parallel_chunksize(1)
        numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        try:
            yield
        finally:
            numba.set_num_threads(threads)
            numba.set_parallel_chunksize(previous)
            if torch is not None and torch.get_num_threads() != of_torch:
                torch.set_num_threads(of_torch)


@njit(fastmath=True, cache=True, nogil=True)
def _window_score(
    letters: npt.NDArray[np.int8],
    begin: np.uint64,
    weights: npt.NDArray[np.float64],
    column: np.uint64,
    width: np.uint64,
) -> float:
    """Add up weights as memelite does, whose compiler may change the order."""
    total = 0.0
    for number in range(width):
        j = np.uint64(number)
        total += weights[np.uint64(letters[begin + j]), j + column]
    return total


@njit(cache=True, nogil=True)
def _score_survivors(
    first: int,
    stop: int,
    place: Ints,
    strand: npt.NDArray[np.int32],
    letters: npt.NDArray[np.int8],
    bounds: Ints,
    weights: npt.NDArray[np.float64],
    columns: npt.NDArray[np.uint64],
    thresholds: npt.NDArray[np.float32],
    lowest: Ints,
    log_tail: npt.NDArray[np.float64],
    table: Ints,
    stretch: Ints,
    score: npt.NDArray[np.float64],
    p_value: npt.NDArray[np.float64],
) -> None:
    """Write stretch, score and p-value of windows; p is -1 for those that are no hits."""
    for row in range(first, stop):
        of, begin = strand[row], place[row]
        column = np.int64(columns[of])
        width = np.int64(columns[of + 1]) - column
        stretch[row] = np.searchsorted(bounds, begin, side="right") - 1
        total, p = 0.0, -1.0
        if begin + width <= bounds[stretch[row] + 1]:
            total = _window_score(letters, np.uint64(begin), weights, columns[of], np.uint64(width))
            if total > thresholds[of]:
                p = 2.0 ** log_tail[table[of] + np.int64(total / STEP) - lowest[of]]
        score[row], p_value[row] = total, p


@njit(cache=True, nogil=True)
def _stretches(
    codes: npt.NDArray[np.uint8], size: int, unknown: bool, least: int
) -> tuple[npt.NDArray[np.int8], Ints, Ints, Ints]:
    """Give the stretches of letters that windows may lie in, end to end, and where each is from.

    Stretches end at padding, and at unknown letters unless those are let in (as code `size`).
    """
    n, width = codes.shape
    letters = np.empty(n * width, np.int8)
    count = 0
    for i in range(n):
        inside = False
        for j in range(width):
            code = codes[i, j]
            good = code < size or (unknown and code == UNKNOWN)
            count += good and not inside
            inside = good
    bounds = np.zeros(count + 1, np.int64)
    rows, begins = np.empty(count, np.int64), np.empty(count, np.int64)
    count = end = 0
    for i in range(n):
        j = 0
        while j < width:
            begin = end
            while j < width and (codes[i, j] < size or (unknown and codes[i, j] == UNKNOWN)):
                letters[end] = min(np.int64(codes[i, j]), size)
                end += 1
                j += 1
            if end - begin >= least:
                rows[count], begins[count] = i, j - (end - begin)
                count += 1
                bounds[count] = end
            else:
                end = begin
            j += 1
    return letters[:end].copy(), bounds[: count + 1].copy(), rows[:count], begins[:count]


@njit(cache=True, nogil=True)
def _n_windows(bounds: Ints, begins: Ints, lengths: Ints, n_starts: int) -> int:
    """Count the windows of all motifs that start below `n_starts`."""
    widths = np.bincount(lengths)
    total = 0
    for stretch in range(len(begins)):
        size = bounds[stretch + 1] - bounds[stretch]
        room = n_starts - begins[stretch]
        for width in range(1, len(widths)):
            total += widths[width] * max(min(size - width + 1, room), 0)
    return total


@njit(cache=True, nogil=True)
def _sorted_hits(
    offsets: Ints,
    stretch: Ints,
    start: Ints,
    score: npt.NDArray[np.float64],
    p_value: npt.NDArray[np.float64],
    bounds: Ints,
    rows: Ints,
    begins: Ints,
    n_strands: int,
    n_starts: int,
    kept: int,
) -> Any:
    """Bring hits of one motif and strand after the other into the order of their places.

    A counting sort: places ascend with sequence and start, and hits of a place keep their order.
    """
    sequence_out, start_out = np.empty(kept, np.int32), np.empty(kept, np.int32)
    motif_out, strand_out = np.empty(kept, np.int32), np.empty(kept, np.int8)
    score_out, p_out = np.empty(kept), np.empty(kept)
    next_row = np.zeros(bounds[-1] + 1, np.int64)
    for hit in range(len(start)):
        if begins[stretch[hit]] + start[hit] < n_starts:
            next_row[bounds[stretch[hit]] + start[hit] + 1] += 1
    for place in range(1, len(next_row)):
        next_row[place] += next_row[place - 1]
    for group in range(len(offsets) - 1):
        strand = np.int8(1) if group % n_strands == 0 else np.int8(-1)
        for hit in range(offsets[group], offsets[group + 1]):
            source = stretch[hit]
            first = begins[source] + start[hit]
            if first < n_starts:
                place = bounds[source] + start[hit]
                row = next_row[place]
                next_row[place] += 1
                sequence_out[row], start_out[row] = rows[source], first
                motif_out[row], strand_out[row] = group // n_strands, strand
                score_out[row], p_out[row] = score[hit], p_value[hit]
    return sequence_out, start_out, motif_out, strand_out, score_out, p_out
