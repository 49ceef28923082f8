"""Where motifs stand in sequences: FIMO on letter codes, by memelite's compiled scan.

`memelite.fimo` makes one-hot letters into codes, null tables into thresholds, and hits into a data
frame for each motif. Here codes come as they are, the null tables are `kernels.motif_null`'s (for
any background) and hits come as columns; in between stands memelite's scan, called as memelite
0.5 calls it itself. `tests/kernels/test_motif_scan.py` fails where another version differs.

Method: Grant, Bailey and Noble 2011, Bioinformatics 27:1017 (FIMO); Schreiber 2025 (memelite).
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.errors import MissingDependency
from mutua.kernels.letters import UNKNOWN
from mutua.kernels.motif_null import log_odds, score_tables
from mutua.settings import available_threads

__all__ = ["Hits", "MotifScanner", "numba_threads"]

Ints = npt.NDArray[np.int64]
_LOCK = threading.Lock()
_INTERNALS = ("_block_layout", "_fast_hits", "_qmer_codes", "_qmer_width", "_score_bounds",
              "_wide_choice", "_wide_codes", "_wide_layout")  # fmt: skip
STEP = 0.1
"""Bits to which scores are rounded for their p-values, as in FIMO of memelite."""


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

    Raises
    ------
    MissingDependency
        If memelite has changed so that it cannot be called.
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
        self._fimo = _memelite_fimo()
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
        """Lay out everything that memelite's scan asks for and that no sequence changes."""
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
        fimo, lengths = self._fimo, first.astype(np.uint64)
        largest, gap, cuts, tops = fimo._score_bounds(self._scores, lengths, thresholds)
        self._q = fimo._qmer_width(size + 1)
        blocks = fimo._block_layout(largest, gap, lengths, self._q)
        wide_offset, wide_rest = fimo._wide_layout(largest, gap, lengths)
        wide_on = np.zeros(len(lengths) - 1, np.bool_)
        if size == 4:
            wide_on = fimo._wide_choice(
                weights, lengths, wide_offset, wide_rest, cuts, tops, fimo._WIDE_RATE
            )
        order = np.arange(len(lengths) - 1).reshape(self.n_strands, n).T.flatten()
        self._motifs = (weights, lengths, thresholds)
        self._bounds = (*blocks, cuts, tops, order)
        self._wide = (wide_on, wide_offset, wide_rest)

    def scan(
        self, codes: npt.NDArray[np.uint8], *, unknown: bool = False, n_starts: int | None = None
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

        Returns
        -------
        hits, n_tests
            `n_tests` counts windows times motifs times strands.
        """
        size = len(self._background)
        n_starts = codes.shape[1] if n_starts is None else n_starts
        letters, bounds, rows, begins = _stretches(codes, size, unknown, int(self.length.min()))
        n_tests = self.n_strands * _n_windows(bounds, begins, self.length, n_starts)
        if n_tests == 0:
            return Hits.none(), 0
        offsets, stretch, start, _, score, p_value = self._found(letters, bounds)
        kept = offsets[-1]
        if n_starts < codes.shape[1]:
            kept = np.count_nonzero(begins[stretch] + start < n_starts)
        hits = _sorted_hits(
            offsets, stretch, start, score, p_value, bounds, rows, begins, self.n_strands,
            n_starts, kept,
        )  # fmt: skip
        return Hits(*hits), n_tests

    def _found(self, letters: npt.NDArray[np.int8], bounds: Ints) -> Any:
        fimo, (wide_on, *wide) = self._fimo, self._wide
        n_letters = len(self._background)
        qmers = fimo._qmer_codes(letters, n_letters + 1, self._q)
        if n_letters == 4:
            wide_codes = fimo._wide_codes(letters)
        else:
            wide_codes = np.full(1, fimo._WIDE_CODES, np.uint16)
        done = np.zeros(len(wide_on), np.uint8)
        with numba_threads():
            return fimo._fast_hits(
                letters, qmers, self._q, bounds, *self._motifs, STEP, *self._tables,
                *self._bounds, wide_codes, wide_on, *wide, done,
            )  # fmt: skip


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
    piece of work after the other, as pieces may differ much in cost.
    """
    n_threads = available_threads() if n_threads is None else n_threads
    with _LOCK:
        threads = numba.get_num_threads()
        previous = numba.set_parallel_chunksize(1)
        numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        try:
            yield
        finally:
            numba.set_num_threads(threads)
            numba.set_parallel_chunksize(previous)


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
