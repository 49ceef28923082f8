"""Sites of motifs in letter codes: IUPAC patterns wherever they match, and pairs of sites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.letters import PADDING, UNKNOWN

__all__ = ["PatternFinder", "SitePairs", "Sites", "disjoint_pairs"]

Ints = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint64]
_UNKNOWN_BIT = np.uint64(1 << 63)


class Sites(NamedTuple):
    """Sites sorted by sequence, start, motif and strand (forward first); half-open."""

    sequence: Ints
    start: Ints
    end: Ints
    motif: Ints
    strand: Ints


class PatternFinder:
    """Patterns made ready to be looked for in any number of blocks of sequences.

    Parameters
    ----------
    patterns
        Of each motif, the uint64 masks of `mutua.kernels.patterns.pattern_masks`.
    complement
        (letter,) the code of each letter's complement, to look at both strands; or None. Of a
        window that matches on both strands the forward one counts.

    Examples
    --------
    >>> from mutua.kernels.patterns import pattern_masks
    >>> finder = PatternFinder([pattern_masks("AA", "ACGT")], None)
    >>> finder.find(np.array([[0, 0, 0, 1]], np.uint8)).start
    array([0, 1])
    """

    def __init__(self, patterns: Sequence[Masks], complement: npt.NDArray[np.uint8] | None) -> None:
        self.length = np.array([len(masks) for masks in patterns], np.int64)
        both = [list(patterns)]
        if complement is not None:
            both.append([_turned(masks, complement) for masks in patterns])
        self._strands = len(both)
        self._first = np.concatenate([[0], np.cumsum(self.length)])
        self._masks = np.stack([np.concatenate(masks) for masks in both])

    def find(self, codes: npt.NDArray[np.uint8]) -> Sites:
        """Give all sites, overlapping ones too, in uint8 codes (sequence, position)."""
        arguments = (codes, self._masks, self._first)
        found = np.empty((_search(*arguments, np.empty((0, 4), np.int64)), 4), np.int64)
        _search(*arguments, found)
        sequence, start, motif, strand = found.T
        return Sites(sequence, start, start + self.length[motif], motif, strand)


def _turned(masks: Masks, complement: npt.NDArray[np.uint8]) -> Masks:
    """Give a pattern as it stands on the other strand."""
    turned = masks & _UNKNOWN_BIT
    for code, partner in enumerate(complement.tolist()):
        turned |= ((masks >> np.uint64(partner)) & np.uint64(1)) << np.uint64(code)
    return turned[::-1]


@njit(cache=True, nogil=True)
def _search(codes: npt.NDArray[np.uint8], masks: Masks, first: Ints, found: Ints) -> int:
    """Count the sites, and write down as many as there is room for."""
    n, length = codes.shape
    letters = np.empty(length, np.uint64)
    count = 0
    for row in range(n):
        for position in range(length):
            code = codes[row, position]
            letters[position] = np.uint64(1) << np.uint64(code & 63)
            if code == UNKNOWN:
                letters[position] = _UNKNOWN_BIT
            elif code == PADDING:
                letters[position] = 0
        for start in range(length):
            for motif in range(len(first) - 1):
                width = first[motif + 1] - first[motif]
                if start + width > length:
                    continue
                for strand in range(len(masks)):
                    place = 0
                    while place < width and (
                        letters[start + place] & masks[strand, first[motif] + place]
                    ):
                        place += 1
                    if place == width:
                        if count < len(found):
                            found[count, 0], found[count, 1] = row, start
                            found[count, 2], found[count, 3] = motif, 1 - 2 * strand
                        count += 1
                        break
    return count


class SitePairs(NamedTuple):
    """Two sites of one sequence that share no letter; numbers of the sites."""

    a: Ints
    b: Ints


def disjoint_pairs(
    sites: Sites, motif_a: int, motif_b: int, rows: tuple[Ints, Ints], most: int | None
) -> SitePairs:
    """Give all pairs of a site of one motif and a site of another that share no letter.

    Parameters
    ----------
    sites
        In order.
    motif_a, motif_b
        The motifs. Of a motif with itself each two sites make one pair, the left one first.
    rows
        Numbers of the sites of either motif, in order.
    most
        Most letters between the two; None for any number.

    Examples
    --------
    >>> columns = [[0, 0, 0], [1, 2, 7], [4, 5, 9], [0, 0, 0], [1, 1, 1]]
    >>> sites = Sites(*(np.array(column) for column in columns))
    >>> pairs = disjoint_pairs(sites, 0, 0, (np.arange(3), np.arange(3)), None)
    >>> pairs.a, pairs.b
    (array([0, 1]), array([2, 2]))
    """
    of_a, of_b = rows
    arguments = (sites.sequence, sites.start, sites.end, of_a, of_b, motif_a == motif_b,
                 np.iinfo(np.int64).max if most is None else most)  # fmt: skip
    found = np.empty((_pair(*arguments, np.empty((0, 2), np.int64)), 2), np.int64)
    _pair(*arguments, found)
    return SitePairs(found[:, 0].copy(), found[:, 1].copy())


@njit(cache=True, nogil=True)
def _pair(
    sequence: Ints, start: Ints, end: Ints, of_a: Ints, of_b: Ints, same: bool, most: int,
    found: Ints,
) -> int:  # fmt: skip
    """Count the pairs, and write down as many as there is room for."""
    count = first = 0
    for place in range(len(of_a)):
        a = of_a[place]
        while first < len(of_b) and sequence[of_b[first]] < sequence[a]:
            first += 1
        other = place + 1 if same else first
        while other < len(of_b) and sequence[of_b[other]] == sequence[a]:
            b = of_b[other]
            between = max(start[b] - end[a], start[a] - end[b])
            if 0 <= between <= most:
                if count < len(found):
                    found[count, 0], found[count, 1] = a, b
                count += 1
            other += 1
    return count
