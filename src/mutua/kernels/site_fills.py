"""Random letters in place of the sites of motifs, such that the motifs are gone.

The fills of a site depend on the seed, the number of its sequence and its place alone: all pairs
of which it is one share them, and so they do when both sites of a pair are filled at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.letters import PADDING
from mutua.kernels.motif_sites import SitePairs, Sites
from mutua.kernels.random_sequences import (
    derived_seed,
    kmer_preserving_shuffle,
    mix64,
    random_stream,
)

__all__ = [
    "FILLS",
    "KeptLetters",
    "MotifCheck",
    "SiteFills",
    "fill_letters",
    "rejoined",
    "site_fills",
]

Codes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FILLS = ("uniform", "dinucleotide")
TRIES = 50
"""Draws of a fill before one is kept that still holds a motif."""
_CHUNK = 1 << 14  # fills that are looked at together
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_S32 = np.uint64(32)


class SiteFills(NamedTuple):
    """Letters to write over sites.

    Attributes
    ----------
    letters
        uint8 (site, fill, letter), padding beyond the width of a site.
    failed
        (site, fill): every draw held a motif, so that this one does as well.
    """

    letters: Codes
    failed: Flags


class MotifCheck(NamedTuple):
    """Refuses fills that hold a motif, or make one together with the letters beside them.

    Attributes
    ----------
    find
        Gives the sites of motifs in codes.
    longest
        Width of the widest motif.
    refused
        (motif, motif): whether a fill of a site of the first may not hold the second.
    """

    find: Callable[[Codes], Sites]
    longest: int
    refused: Flags

    @property
    def reach(self) -> int:
        """Letters on either side of a fill that a motif in it may hold."""
        return self.longest - 1

    def spoilt(self, windows: Codes, _: Codes, motif: Ints, width: Ints) -> Flags:
        """Tell which windows hold a refused motif over letters of the fill in their middle."""
        hits = self.find(windows)
        row = hits.sequence
        over = (hits.start < self.reach + width[row]) & (hits.end > self.reach)
        bad = np.zeros(len(windows), np.bool_)
        bad[row[over & self.refused[motif[row], hits.motif]]] = True
        return bad


class KeptLetters(NamedTuple):
    """Refuses fills that leave more than half of the letters as they are: for unknown motifs."""

    reach: int = 0

    def spoilt(self, windows: Codes, originals: Codes, _: Ints, width: Ints) -> Flags:
        """Tell which windows have more than half of the letters of the originals."""
        same = ((windows == originals) & (windows != PADDING)).sum(axis=1)
        return np.asarray(2 * same > width)


def site_fills(
    codes: Codes,
    sites: Sites,
    *,
    n_fills: int,
    fill: str,
    n_letters: int,
    seed: int,
    numbers: Ints,
    check: MotifCheck | KeptLetters,
) -> SiteFills:
    """Draw letters to write over each site.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    sites
        Their sequences are rows of `codes`.
    n_fills
        Fills of each site.
    fill
        ``"uniform"``: independent letters, all equally likely. ``"dinucleotide"``: the letters of
        the site shuffled so that it keeps its dinucleotides.
    n_letters
        Letters of the alphabet.
    seed
        Whole number from 0 to 2**64 - 1.
    numbers
        (sequence,) number of each row among all sequences.
    check
        Refuses fills, which are then drawn again, 50 times at most.

    Examples
    --------
    >>> codes = np.zeros((1, 9), np.uint8)
    >>> sites = Sites(*(np.array([number]) for number in (0, 3, 6, 0, 1)))
    >>> fills = site_fills(codes, sites, n_fills=2, fill="uniform", n_letters=4, seed=0,
    ...     numbers=np.zeros(1, np.int64), check=KeptLetters())
    >>> fills.letters.shape, int(fills.failed.sum())
    ((1, 2, 3), 0)
    """
    n, width = len(sites.start), sites.end - sites.start
    widest = int(width.max(initial=0))
    letters = np.full((n, n_fills, widest), PADDING, np.uint8)
    failed = np.zeros(n * n_fills, np.bool_)
    if n == 0:
        return SiteFills(letters, failed.reshape(n, n_fills))
    originals = _windows(codes, sites, widest, check.reach)
    streams = _streams(
        derived_seed(seed, "site fills"), numbers[sites.sequence], sites.start, sites.end
    )
    waiting = np.arange(n * n_fills)
    for attempt in range(TRIES):
        again = []
        for jobs in _chunks(waiting):
            site, draw = np.divmod(jobs, n_fills)
            if fill == "uniform":
                _draw(streams, attempt, n_letters, width, site, draw, letters)
            else:
                _shuffle(streams, attempt, originals, check.reach, width, site, draw, letters)
            windows = originals[site]
            _write(windows, check.reach, width[site], letters[site, draw])
            bad = check.spoilt(windows, originals[site], sites.motif[site], width[site])
            again.append(jobs[bad])
        waiting = np.concatenate(again)
        if not len(waiting):
            break
    failed[waiting] = True
    return SiteFills(letters, failed.reshape(n, n_fills))


def rejoined(
    codes: Codes, sites: Sites, pairs: SitePairs, fills: SiteFills, check: MotifCheck | KeptLetters
) -> Flags:
    """Tell which fills of two near sites together hold a motif of the pair: bool (pair, fill).

    It reaches from one to the other; those in one fill alone were refused before.
    """
    n_fills = fills.letters.shape[1]
    bad = np.zeros((len(pairs.a), n_fills), np.bool_)
    if not isinstance(check, MotifCheck):
        return bad
    first = sites.start[pairs.a] < sites.start[pairs.b]
    left, right = np.where(first, pairs.a, pairs.b), np.where(first, pairs.b, pairs.a)
    gap = sites.start[right] - sites.end[left]
    near = np.flatnonzero(gap < check.reach)
    for jobs in _chunks(np.arange(len(near) * n_fills)):
        pair, draw = near[jobs // n_fills], jobs % n_fills
        one, other = left[pair], right[pair]
        # A window from the left site to the right one and as far as a motif reaches beyond.
        spans = Sites(
            sites.sequence[one], sites.start[one], sites.end[other], sites.motif[one],
            sites.strand[one],
        )  # fmt: skip
        windows = _windows(codes, spans, int((spans.end - spans.start).max()), check.reach)
        width = sites.end - sites.start
        _write(windows, check.reach, width[one], fills.letters[one, draw])
        offset = check.reach + sites.start[other] - sites.start[one]
        _write_at(windows, offset, width[other], fills.letters[other, draw])
        hits = check.find(windows)
        row = hits.sequence
        over = (hits.start < check.reach + width[one][row]) & (hits.end > offset[row])
        own = (hits.motif == sites.motif[one][row]) | (hits.motif == sites.motif[other][row])
        rows = row[over & own]
        bad[pair[rows], draw[rows]] = True
    return bad


def fill_letters(codes: Codes, start: Ints, end: Ints, letters: Codes) -> None:
    """Write letters (row, letter) over one span of each row of `codes`, in place.

    Examples
    --------
    >>> codes = np.zeros((1, 4), np.uint8)
    >>> fill_letters(codes, np.array([1]), np.array([3]), np.array([[1, 2, 255]], np.uint8))
    >>> codes
    array([[0, 1, 2, 0]], dtype=uint8)
    """
    _write_at(codes, start, end - start, letters)


def _chunks(jobs: Ints) -> Iterator[Ints]:
    for first in range(0, len(jobs), _CHUNK):
        yield jobs[first : first + _CHUNK]


def _windows(codes: Codes, sites: Sites, widest: int, reach: int) -> Codes:
    """Give each site with its neighbours, from column `reach` on: (site, widest + 2 reach)."""
    out = np.full((len(sites.start), widest + 2 * reach), PADDING, np.uint8)
    _cut(codes, sites.sequence, sites.start - reach, sites.end + reach, out)
    return out


@njit(cache=True, nogil=True)
def _cut(codes: Codes, row: Ints, start: Ints, end: Ints, out: Codes) -> None:
    for window in range(len(row)):
        for position in range(max(start[window], 0), min(end[window], codes.shape[1])):
            out[window, position - start[window]] = codes[row[window], position]


def _write(windows: Codes, start: int, width: Ints, letters: Codes) -> None:
    _write_at(windows, np.full(len(windows), start), width, letters)


@njit(cache=True, nogil=True)
def _write_at(codes: Codes, start: Ints, width: Ints, letters: Codes) -> None:
    for row in range(len(codes)):
        for place in range(width[row]):
            codes[row, start[row] + place] = letters[row, place]


@njit(cache=True, nogil=True)
def _streams(seed: np.uint64, sequence: Ints, start: Ints, end: Ints) -> npt.NDArray[np.uint64]:
    """Give the random stream of each site."""
    streams = np.empty(len(start), np.uint64)
    for site in range(len(start)):
        stream = random_stream(random_stream(seed, sequence[site]), start[site])
        streams[site] = random_stream(stream, end[site])
    return streams


@njit(cache=True, nogil=True)
def _draw(
    streams: npt.NDArray[np.uint64], attempt: int, n_letters: int, width: Ints, site: Ints,
    draw: Ints, letters: Codes,
) -> None:  # fmt: skip
    for job in range(len(site)):
        state = random_stream(random_stream(streams[site[job]], attempt), draw[job])
        for place in range(width[site[job]]):
            state += _GAMMA
            code = ((mix64(state) >> _S32) * np.uint64(n_letters)) >> _S32
            letters[site[job], draw[job], place] = np.uint8(code)


def _shuffle(
    streams: npt.NDArray[np.uint64], attempt: int, originals: Codes, reach: int, width: Ints,
    site: Ints, draw: Ints, letters: Codes,
) -> None:  # fmt: skip
    n_fills = letters.shape[1]
    for one in np.unique(site).tolist():
        span = originals[one, reach : reach + width[one]]
        seed = int(random_stream(streams[one], attempt))
        shuffled = kmer_preserving_shuffle(np.tile(span, (n_fills, 1)), k=2, seed=seed)
        mine = draw[site == one]
        letters[one, mine, : width[one]] = shuffled[mine]
