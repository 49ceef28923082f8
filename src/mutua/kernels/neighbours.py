"""How many sequences are alike: the neighbour counts behind sequence weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.errors import InvalidInput
from mutua.kernels.letters import PADDING, UNKNOWN, check_codes
from mutua.kernels.rows import over_rows

__all__ = ["neighbour_counts"]

Codes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]

_TILE = 256  # sequences compared with one sequence at a time
_COLUMNS = 64  # columns compared before looking whether to go on; below 256, for uint8 counters


def neighbour_counts(
    codes: Codes,
    *,
    identity: float,
    ignore_shared_gaps: bool = False,
    gaps: Sequence[int] = (int(UNKNOWN),),
) -> Counts:
    """Count for every sequence those that are at least `identity` alike, itself included.

    The weight of a sequence in evolutionary couplings is 1 / count. The identity of two sequences
    is the number of columns with equal codes over the number of all columns, a gap being a symbol
    like any other (the convention of plmDCA and EVcouplings [1]_ [2]_). With
    `ignore_shared_gaps`, columns where both have a gap are left out of both numbers; two
    sequences without any column left count as alike.

    Two sequences are alike if ``equal / columns >= identity`` in float64, so that 108 equal
    columns of 135 are exactly 0.8 alike. All counting is in whole numbers.

    Parameters
    ----------
    codes
        uint8 (sequence, position), aligned.
    identity
        Least fraction of equal columns, above 0 and at most 1.
    ignore_shared_gaps
        Leave columns out where both sequences have a gap.
    gaps
        The codes that are gaps, besides padding: 254 where the alphabet has no gap, so that "-"
        reads as unknown, else the index of "-". Used with `ignore_shared_gaps` only.

    Returns
    -------
    int64 array (sequence,)
        At least 1 each.

    Raises
    ------
    InvalidInput
        If `identity` is not in (0, 1], a gap is no code, or `codes` cannot be used.

    References
    ----------
    .. [1] Ekeberg, Lövkvist, Lan, Weigt and Aurell 2013, Physical Review E 87:012707.
    .. [2] Hopf et al. 2019, Bioinformatics 35:1582-1584.

    Examples
    --------
    >>> codes = np.array([[0, 1, 2, 3, 0], [0, 1, 2, 3, 1], [3, 3, 3, 3, 3]], np.uint8)
    >>> neighbour_counts(codes, identity=0.8)
    array([2, 2, 1])
    """
    if not 0 < identity <= 1:
        raise InvalidInput("identity", f"{identity!r}", "use a fraction above 0 and at most 1")
    if not all(0 <= gap <= 255 for gap in gaps):
        raise InvalidInput("gaps", f"{gaps!r}", "use codes from 0 to 255")
    columns = np.array(check_codes(codes).T, order="C")  # a copy: it is written to below
    length, n = columns.shape
    if ignore_shared_gaps:
        columns[np.isin(columns, list(gaps))] = PADDING  # one symbol, so that no two gaps differ
    allowed = _allowed_differences(length, identity)
    partial = over_rows(
        _count_pairs, n, columns, ignore_shared_gaps, allowed, row_cost=0.01 * n * length
    )
    return sum(partial, start=np.ones(n, np.int64))


def _allowed_differences(length: int, identity: float) -> Counts:
    """Give the most columns that may differ among 0, 1, ... `length` compared columns."""
    allowed = np.zeros(length + 1, np.int64)
    for columns in range(1, length + 1):
        equal = round(identity * columns)
        equal -= (equal - 1) / columns >= identity
        equal += equal / columns < identity
        allowed[columns] = columns - equal
    return allowed


@njit(cache=True, nogil=True)
def _count_pairs(
    start: int, stop: int, columns: Codes, ignore_shared_gaps: bool, allowed: Counts
) -> Counts:
    """Count the neighbours among all pairs i < j with start <= i < stop, for both of each pair.

    A sequence is compared with a tile of others at once, column by column: the innermost loop
    runs over sequences, with one uint8 counter each, which is what SIMD units are good at.
    """
    length, n = columns.shape
    counts = np.zeros(n, np.int64)
    counter = np.empty(_TILE, np.uint8)
    equal = np.empty(_TILE, np.int64)
    shared_gaps = np.empty(_TILE, np.int64)
    for tile_start in range(start - start % _TILE, n, _TILE):
        tile = columns[:, tile_start : tile_start + _TILE]
        for i in range(start, min(stop, tile_start + tile.shape[1])):
            equal[:] = 0
            shared_gaps[:] = 0
            for first in range(0, length, _COLUMNS):
                last = min(first + _COLUMNS, length)
                _add_equal(columns, i, tile, first, last, False, counter, equal)
                if last - equal[: tile.shape[1]].max() > allowed[length]:
                    break
                if ignore_shared_gaps:
                    _add_equal(columns, i, tile, first, last, True, counter, shared_gaps)
            else:
                for s in range(max(i + 1 - tile_start, 0), tile.shape[1]):
                    if length - equal[s] <= allowed[length - shared_gaps[s]]:
                        counts[i] += 1
                        counts[tile_start + s] += 1
    return counts


@njit(cache=True, nogil=True)
def _add_equal(
    columns: Codes,
    i: int,
    tile: Codes,
    first: int,
    last: int,
    gaps_only: bool,
    counter: Codes,
    equal: Counts,
) -> None:
    """Add to `equal` in how many columns first <= c < last each sequence of the tile equals i."""
    counter[:] = 0
    for c in range(first, last):
        letter = columns[c, i]
        if not gaps_only or letter == PADDING:
            for s in range(tile.shape[1]):
                counter[s] = np.uint8(counter[s] + np.uint8(tile[c, s] == letter))
    for s in range(tile.shape[1]):
        equal[s] += counter[s]
