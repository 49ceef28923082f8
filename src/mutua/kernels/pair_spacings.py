"""At which distances two motifs stand: counts of all pairs, and tests of each distance.

One motif is the first of a pair at a time. Its rows are walked through together with their
neighbours: once to count how often each partner stands within range in each orientation, and once
more to fill a table (distance) for each partner that stands there often enough. Nothing is ever
held of all pairs of motifs but what the caller asked to keep.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.kernels.annotation_rows import SortedRows
from mutua.kernels.binomial import count_bounds, two_sided_p
from mutua.kernels.spacing_peaks import find_peaks
from mutua.kernels.threads import Workers
from mutua.settings import settings

__all__ = ["BINS_PER_OCTAVE", "Cells", "SpacingTask", "pair_spacings"]

Longs = NDArray[np.int64]
Reals = NDArray[np.float64]

BINS_PER_OCTAVE = 32
"""Bins of the histogram of p-values for each factor of 2."""
N_BINS = 64 * BINS_PER_OCTAVE
_LISTED = 5.0  # expected occurrences from which on an empty cell is listed


class SpacingTask(NamedTuple):
    """What is counted.

    Attributes
    ----------
    widest
        (n_sequences,) int64, the longest row of each sequence.
    length
        (n_sequences,) int64, letters of each sequence.
    wanted_bounds, wanted
        (n_motifs + 1,) and (n_wanted,) int64: the partners of each motif; none given is all.
    self_pairs
        Whether a motif is a partner of itself, where `wanted` does not say.
    ordered
        Whether pairs are kept apart by which of the motifs stands to the left.
    orientations
        4 to keep them apart, else 1.
    lowest, highest
        The distances that are counted.
    min_count
        Pairs that stand within range less often are not tested.
    """

    widest: Longs
    length: Longs
    wanted_bounds: Longs
    wanted: Longs
    self_pairs: bool
    ordered: bool
    orientations: int
    lowest: int
    highest: int
    min_count: int


class Wish(NamedTuple):
    """What is kept of the cells: which, and how many at most.

    Attributes
    ----------
    everything
        Keep all cells that occur or are expected 5 times or more; of pairs, all that occur.
    best
        Keep one cell of each pair, the one with the least p-value.
    level
        p-values above it are not looked at, unless everything is kept.
    threshold
        Cells with p-values up to this are kept; others up to `level` are counted by p-value.
    most
        Stop when there are more.
    """

    everything: bool
    best: bool
    level: float
    threshold: float
    most: int


class Cells(NamedTuple):
    """Cells of the table of motif, motif, orientation and distance.

    Attributes
    ----------
    motif_a, motif_b, orientation, distance, n, n_within
        (n_cells,) int64; `n_within` at all distances.
    expected, p_value
        (n_cells,) float64, NaN where a pair was not tested.
    n_pairs, n_tests
        Pairs, with their orientation, that were tested, and their cells.
    histogram
        Cells by minus the logarithm of their p-value, of those that are not kept.
    complete
        Whether nothing was left out because of ``Wish.most``.
    """

    motif_a: Longs
    motif_b: Longs
    orientation: Longs
    distance: Longs
    n: Longs
    n_within: Longs
    expected: Reals
    p_value: Reals
    n_pairs: int
    n_tests: int
    histogram: Longs
    complete: bool


def pair_spacings(
    rows: SortedRows,
    task: SpacingTask,
    *,
    everything: bool,
    best: bool,
    level: float,
    threshold: float,
    most: int,
) -> Cells:
    """Count how often pairs of motifs stand at each distance, and test that.

    A pair of rows of widths v and w in a sequence of length L has the gap d with a probability
    proportional to L - v - w - d + 1 (where one holds the other, to L + 1 - max(v, w)), among the
    gaps in range. How many of the pairs have it is tested as binomial with their mean probability.
    Of the distances of a pair, those that are too frequent are found first, by Bonferroni's
    correction, and again among the others until there are no more; each distance is then tested
    among those that are not. For the best distance of a pair this is not done.

    The parameters are those of `SpacingTask` and `Wish`. Without order a pair is read so that the
    motif with the smaller number stands to the left, if need be on the other strand.
    """
    wish = Wish(everything, best, level, threshold, most)
    n_distances = task.highest - task.lowest + 1
    with Workers() as workers:
        simple = task.lowest >= 0 and bool((task.length - 2 * task.widest >= task.highest).all())
        row_bytes = n_distances * (4 if simple else 20) + 16
        # Within a whole share of the memory, however many threads: the same batches always.
        n_slots = int(max(16, settings.memory // 16 // row_bytes))
        n_slots = min(n_slots, rows.n_motifs * task.orientations)
        slices = workers.slices(rows.n_motifs)
        totals = np.zeros((len(slices), 3), np.int64)
        parts = workers.run(
            _spacings,
            [(rows, task, wish, simple, n_slots, totals, *part) for part in slices],
        )
    columns = [part[0] for part in parts]
    values = np.concatenate(columns, axis=1) if columns else np.empty((8, 0))
    integers = values[:6].astype(np.int64)
    order = np.lexsort((integers[3], integers[2], integers[1], integers[0]))
    integers, values = integers[:, order], values[:, order]
    histogram = np.sum([part[1] for part in parts], axis=0) if parts else np.zeros(N_BINS, int)
    n_pairs, n_tests, n_cells = totals.sum(axis=0).tolist()
    a, b, orientation, distance, n, n_within = integers
    return Cells(
        a, b, orientation, distance, n, n_within, values[6], values[7], n_pairs, n_tests,
        histogram, n_cells <= most,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _spacings(
    rows: SortedRows,
    task: SpacingTask,
    wish: Wish,
    simple: bool,
    n_slots: int,
    all_totals: Longs,
    first: int,
    step: int,
) -> tuple[Reals, Longs]:
    """Give the cells of every `step`-th motif, (8, n_cells), and the histogram.

    Parameters
    ----------
    all_totals
        (n_slices, 3): pairs and cells tested, and cells kept, of each slice; it fills its own row.
        Others look there whether there are too many cells already.
    """
    n_motifs = len(rows.motif_bounds) - 1
    n_keys = n_motifs * task.orientations
    n_distances = task.highest - task.lowest + 1
    found = np.empty((8, 256))
    totals = all_totals[first]
    histogram = np.zeros(N_BINS, np.int64)
    of_key = np.zeros(n_keys, np.int64)
    slot_of = np.full(n_keys, -1, np.int64)
    counts = np.zeros((n_slots, n_distances), np.int32)
    general = 1 if simple else n_distances
    jumps, bends = np.zeros((n_slots, general)), np.zeros((n_slots, general))
    wanted = np.zeros(n_motifs, np.bool_)
    expected = np.empty(n_distances)
    least = 1 if wish.everything else task.min_count
    whole = n_keys <= n_slots  # then one walk does
    for a in range(first, n_motifs, step):
        _set_wanted(task, a, wanted)
        of_key[:] = 0
        if not whole:
            _walk(rows, task, a, wanted, simple, of_key, slot_of, counts, jumps, bends, True, False)
        key = 0
        while key < n_keys:
            begin, n_used = key, 0
            while key < n_keys and n_used < n_slots:
                if whole or of_key[key] >= least:
                    slot_of[key] = n_used
                    n_used += 1
                key += 1
            if n_used == 0:
                break
            _walk(rows, task, a, wanted, simple, of_key, slot_of, counts, jumps, bends, whole, True)
            for of_slot in range(begin, key):
                slot = slot_of[of_slot]
                slot_of[of_slot] = -1
                if slot < 0 or of_key[of_slot] == 0:
                    continue
                if of_key[of_slot] >= least:
                    _expect(simple, jumps[slot], bends[slot], expected)
                    found = _keep(
                        task, wish, a, of_slot, of_key[of_slot], counts[slot], expected, found,
                        totals, histogram,
                    )  # fmt: skip
                counts[slot], jumps[slot], bends[slot] = 0, 0.0, 0.0
            if all_totals[:, 2].sum() > wish.most:
                return found[:, : totals[2]].copy(), histogram
    return found[:, : totals[2]].copy(), histogram


@njit(cache=True, nogil=True)
def _set_wanted(task: SpacingTask, a: int, wanted: NDArray[np.bool_]) -> None:
    if len(task.wanted_bounds) == 0:
        wanted[:a] = task.ordered
        wanted[a] = task.self_pairs
        wanted[a + 1 :] = True
        return
    wanted[:] = False
    for place in range(task.wanted_bounds[a], task.wanted_bounds[a + 1]):
        wanted[task.wanted[place]] = True


@njit(cache=True, nogil=True)
def _walk(
    rows: SortedRows,
    task: SpacingTask,
    a: int,
    wanted: NDArray[np.bool_],
    simple: bool,
    of_key: Longs,
    slot_of: Longs,
    counts: NDArray[np.int32],
    jumps: Reals,
    bends: Reals,
    count: bool,
    fill: bool,
) -> None:
    """Visit all pairs within range whose first motif is `a`: count them by partner, fill tables.

    Rows are in the order of their middles. Of two with the same middle neither is to the left.
    """
    start, end, motif, reverse = rows.start, rows.end, rows.motif, rows.reverse
    oriented = task.orientations == 4
    for place in range(rows.motif_bounds[a], rows.motif_bounds[a + 1]):
        i = rows.motif_rows[place]
        s = rows.sequence[i]
        middle = np.int64(start[i]) + end[i]
        sign = np.int64(reverse[i])
        beyond = 2 * (np.int64(end[i]) + task.highest) + task.widest[s]
        for j in range(i + 1, rows.bounds[s + 1]):
            of_other = np.int64(start[j]) + end[j]
            if of_other > beyond:
                break
            b = motif[j]
            distance = np.int64(start[j]) - end[i]
            in_range = (distance >= task.lowest) & (distance <= task.highest)
            if not (wanted[b] & in_range & (of_other != middle)):
                continue
            key = np.int64(b)
            if oriented:
                other = np.int64(reverse[j])
                if a == b and sign and other and not task.ordered:
                    key = 4 * key  # the same as ++ on the other strand
                else:
                    key = 4 * key + 2 * sign + other
            if count:
                of_key[key] += 1
            slot = slot_of[key]
            if fill and slot >= 0:
                counts[slot, distance - task.lowest] += 1
                _place(task, simple, rows, i, j, s, jumps[slot], bends[slot])
        if task.ordered:
            continue
        beyond = 2 * (np.int64(start[i]) - task.highest) - task.widest[s]
        for j in range(i - 1, rows.bounds[s] - 1, -1):
            of_other = np.int64(start[j]) + end[j]
            if of_other < beyond:
                break
            b = motif[j]
            distance = np.int64(start[i]) - end[j]
            in_range = (distance >= task.lowest) & (distance <= task.highest)
            if not (wanted[b] & in_range & (of_other != middle) & (b != a)):
                continue
            key = np.int64(b)
            if oriented:
                key = 4 * key + 2 * (1 - sign) + (1 - np.int64(reverse[j]))
            if count:
                of_key[key] += 1
            slot = slot_of[key]
            if fill and slot >= 0:
                counts[slot, distance - task.lowest] += 1
                _place(task, simple, rows, i, j, s, jumps[slot], bends[slot])


@njit(cache=True, nogil=True)
def _place(
    task: SpacingTask,
    simple: bool,
    rows: SortedRows,
    i: int,
    j: int,
    s: int,
    jumps: Reals,
    bends: Reals,
) -> None:
    """Add the probabilities of all distances of one pair of rows.

    As a function of the distance they are a straight line, or a level and a straight line down to
    0: `jumps` holds where it begins and how high, `bends` where its slope changes.
    """
    v, w = np.int64(rows.end[i]) - rows.start[i], np.int64(rows.end[j]) - rows.start[j]
    room = task.length[s] - v - w + 1  # placements at distance 0
    n = task.highest + 1
    if simple:
        share = 1.0 / (n * (room - 0.5 * (n - 1)))
        jumps[0] += room * share
        bends[0] += share
        return
    begin = -((v + w - 1) // 2) if task.lowest < 0 else 0
    held = min(v, w, -begin)  # up to here below 0 one holds the other
    last = min(task.highest, room - 1)
    level = room + held
    n_level = -held - begin
    n_line = last + held + 1
    total = n_level * level + n_line * (level - 0.5 * (n_line - 1))
    share = 1.0 / total
    jumps[begin - task.lowest] += level * share
    bends[-held - task.lowest] -= share
    if room <= task.highest:
        bends[room - task.lowest] += share


@njit(cache=True, nogil=True)
def _expect(simple: bool, jumps: Reals, bends: Reals, expected: Reals) -> None:
    """Give how many pairs are expected at each distance."""
    value = 0.0
    slope = 0.0
    for place in range(len(expected)):
        if simple:
            value = jumps[0] - place * bends[0]
        else:
            value += slope + jumps[place]
            slope += bends[place]
        expected[place] = value if value > 1e-9 else 0.0


@njit(cache=True, nogil=True)
def _keep(
    task: SpacingTask,
    wish: Wish,
    a: int,
    key: int,
    n_within: int,
    counts: NDArray[np.int32],
    expected: Reals,
    found: Reals,
    totals: Longs,
    histogram: Longs,
) -> Reals:
    """Test the distances of one pair and append the cells that are wanted."""
    tested = n_within >= task.min_count
    n_distances = len(expected)
    possible = 0
    least, most = np.inf, 0.0
    for place in range(n_distances):
        if expected[place] > 0.0:
            possible += 1
            least, most = min(least, expected[place]), max(most, expected[place])
    if tested:
        totals[0] += 1
        totals[1] += possible
    # How many pairs there are, and are expected, at all distances that are not too frequent.
    peak = np.zeros(n_distances, np.bool_)
    rest, room = n_within, float(n_within)
    if tested and not wish.best:
        rest, room = find_peaks(counts, expected, least, most, possible, peak, n_within)
    level = 1.0 / n_distances if wish.best else wish.level
    below, above = -1, n_within + 1
    if tested:
        below, above = count_bounds(rest, least / room, min(most / room, 1.0), level)
    best, best_p, furthest = -1, 2.0, -1.0
    for place in range(n_distances):
        n, mean, total = counts[place], expected[place], rest
        if peak[place]:
            total = rest + n
            mean *= total / (room + mean)
        elif room < n_within:
            mean = min(mean / room, 1.0) * rest
        listed = wish.everything and not wish.best and (n > 0 or mean >= _LISTED)
        extreme = tested and mean > 0.0 and (peak[place] or n <= below or n >= above)
        p = np.nan
        if extreme or (listed and tested):
            p = two_sided_p(n, total, min(mean / max(total, 1), 1.0))
        if wish.best:
            deviation = abs(n - mean) / np.sqrt(mean + 1e-9) if mean > 0.0 else -1.0
            if p < best_p or (best_p > 1.0 and np.isnan(p) and deviation > furthest):
                best, furthest = place, deviation
                best_p = p if p < best_p else best_p
        elif listed or (extreme and p <= wish.threshold):
            found = _append(task, a, key, place, n, n_within, mean, p, found, totals)
        elif extreme and p <= wish.level:
            octaves = -np.log2(max(p, 1e-300))
            histogram[min(int(octaves * BINS_PER_OCTAVE), N_BINS - 1)] += 1
    if wish.best and (tested or wish.everything):
        n, mean = counts[best], expected[best]
        p = np.nan
        if tested:
            p = min(1.0, possible * two_sided_p(n, n_within, min(mean / n_within, 1.0)))
        found = _append(task, a, key, best, n, n_within, mean, p, found, totals)
    return found


@njit(cache=True, nogil=True)
def _append(
    task: SpacingTask,
    a: int,
    key: int,
    place: int,
    n: int,
    n_within: int,
    mean: float,
    p: float,
    found: Reals,
    totals: Longs,
) -> Reals:
    if totals[2] == found.shape[1]:
        larger = np.empty((8, 2 * totals[2]))
        larger[:, : totals[2]] = found
        found = larger
    cell = found[:, totals[2]]
    cell[0], cell[1] = a, key // task.orientations
    cell[2], cell[3] = key % task.orientations, task.lowest + place
    cell[4], cell[5], cell[6], cell[7] = n, n_within, mean, p
    totals[2] += 1
    return found
