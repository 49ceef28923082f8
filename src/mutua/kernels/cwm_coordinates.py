"""Nonnegative sparse coefficients of matrices, one sequence at a time, by coordinate descent.

Few of the millions of coefficients are above 0. So those that break the optimality conditions
most are added to a working set, the problem is solved for that set alone, and the correlations of
all matrices with what is left are looked at anew, until the duality gap is small enough.

Method: Massias et al. 2018, Celer: a fast solver for the lasso with dual extrapolation.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.rows import over_rows

__all__ = ["Coefficients", "by_coordinates"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
_FEWEST = 16
"""Coefficients that are added to the working set at a time, or as many as it holds."""


class Coefficients(NamedTuple):
    """Coefficients above 0 of all sequences, and how far each sequence is solved.

    `sequence`, `start`, `atom` and `coefficient` are (coefficient,); `gap`, the duality gap, and
    `steps` are (sequence,).
    """

    sequence: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    atom: npt.NDArray[np.int32]
    coefficient: Floats
    gap: npt.NDArray[np.float64]
    steps: npt.NDArray[np.int32]


def by_coordinates(
    signal: Floats,
    codes: npt.NDArray[np.uint8],
    runs: npt.NDArray[np.int32],
    matrices: Floats,
    width: npt.NDArray[np.int32],
    penalty: Floats,
    *,
    tolerance: npt.NDArray[np.float64],
    max_steps: int,
) -> Coefficients:
    """Solve each sequence by itself.

    Parameters
    ----------
    signal
        (sequence, position, part): scaled values of the letter that is there, or of all letters;
        0 for unknown letters.
    codes
        uint8 (sequence, position).
    runs
        int32 (sequence, position): letters from there on that are no padding.
    matrices
        (atom, letter, column), 0 beyond their width.
    width, penalty
        (atom,)
    tolerance
        (sequence,) duality gap to reach.
    max_steps
        Most sweeps over the working set for a sequence.
    """
    n = len(signal)
    table = np.ascontiguousarray(matrices.transpose(1, 2, 0))
    widths, class_of = np.unique(width, return_inverse=True)
    gap, steps = np.zeros(n), np.zeros(n, np.int32)
    found = over_rows(
        _solve_rows, n, signal, codes, runs, table, widths.astype(np.int32),
        class_of.astype(np.int32), width, penalty, tolerance, max_steps, gap, steps,
        row_cost=0.25 * signal[:1].size * table.shape[1] * len(width),
    )  # fmt: skip
    none = np.zeros(0, np.int32)
    parts = list(zip(*[(none, none, none, np.zeros(0, np.float32)), *found], strict=True))
    sequence, start, atom, coefficient = (np.concatenate(part) for part in parts)
    return Coefficients(sequence, start, atom, coefficient, gap, steps)


@njit(cache=True, nogil=True)
def _solve_rows(
    first: int,
    stop: int,
    signal: Floats,
    codes: Codes,
    runs: Ints,
    table: Floats,
    widths: Ints,
    class_of: Ints,
    width: Ints,
    penalty: Floats,
    tolerance: Doubles,
    max_steps: int,
    gap: Doubles,
    steps: Ints,
) -> tuple[Ints, Ints, Ints, Floats]:
    sequence, start, atom = [np.int32(0)], [np.int32(0)], [np.int32(0)]
    value = [np.float32(0)]
    for row in range(first, stop):
        places, atoms, found, gap[row], steps[row] = _solve(
            signal[row], codes[row], runs[row], table, widths, class_of, width, penalty,
            tolerance[row], max_steps,
        )  # fmt: skip
        for i in range(len(places)):
            if found[i] > 0:
                sequence.append(np.int32(row))
                start.append(places[i])
                atom.append(atoms[i])
                value.append(found[i])
    return (
        np.array(sequence)[1:], np.array(start)[1:], np.array(atom)[1:], np.array(value)[1:],
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _solve(
    x: Floats,
    codes: Codes,
    runs: Ints,
    table: Floats,
    widths: Ints,
    class_of: Ints,
    width: Ints,
    penalty: Floats,
    tolerance: float,
    max_steps: int,
) -> tuple[Ints, Ints, Floats, float, int]:
    length, n_parts = x.shape
    n_atoms = len(width)
    room = table.shape[1] * n_parts
    scale = _scales(x, runs, widths)
    rest = x.copy()
    seen = x.copy()  # what the ratios were last computed of
    ratio = np.empty((length, n_atoms), np.float32)
    top = np.empty(length, np.float32)
    wanted = np.ones(length, np.bool_)
    chosen = np.zeros((length, n_atoms), np.bool_)
    n, size = 0, 2 * _FEWEST
    place, atom = np.zeros(size, np.int32), np.zeros(size, np.int32)
    coefficient, norm = np.zeros(size, np.float32), np.zeros(size, np.float32)
    unit = np.zeros((size, room), np.float32)
    step = 0
    while True:
        most = _ratios(rest, codes, table, scale, class_of, penalty, wanted, ratio, top)
        gap = _gap(x, rest, penalty, atom[:n], coefficient[:n], most)
        if gap <= tolerance or step >= max_steps:
            break
        # Coefficients of 0 make room; they come back if they are wanted.
        kept = 0
        for i in range(n):
            if coefficient[i] > 0:
                place[kept], atom[kept] = place[i], atom[i]
                coefficient[kept], norm[kept] = coefficient[i], norm[i]
                unit[kept] = unit[i]
                kept += 1
            else:
                chosen[place[i], atom[i]] = False
        n = kept
        new = _worst(ratio, top, chosen, max(_FEWEST, n))
        if n + len(new) > size:
            size = 2 * (n + len(new))
            place, atom = _longer(place, size), _longer(atom, size)
            coefficient, norm = _longer(coefficient, size), _longer(norm, size)
            more = np.zeros((size, room), np.float32)
            more[:n] = unit[:n]
            unit = more
        for flat in new:
            p, k = flat // n_atoms, flat % n_atoms
            place[n], atom[n], coefficient[n] = p, k, 0
            norm[n] = _window(codes, table, n_parts, p, k, width[k], scale[p, class_of[k]], unit[n])
            if norm[n] > 0:
                chosen[p, k] = True
                n += 1
        enough = max(0.02 * gap, 0.1 * tolerance)
        while step < max_steps:
            step += 1
            gained = _sweep(rest, place, atom, coefficient, norm, unit, width, penalty, n)
            if gained < enough:
                break
        wanted = _touched(rest, seen, table.shape[1])
        seen[:] = rest
    return place[:n], atom[:n], coefficient[:n], gap, step


@njit(cache=True, nogil=True)
def _longer(values: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
    found = np.zeros(size, values.dtype)
    found[: len(values)] = values
    return found


@njit(cache=True, nogil=True)
def _scales(x: Floats, runs: Ints, widths: Ints) -> Floats:
    """Give (E + 1)^-1/2 of the window of each width at each place, 0 where it does not fit."""
    length = len(x)
    sums = np.zeros(length + 1)
    for p in range(length):
        sums[p + 1] = sums[p]
        for part in range(x.shape[1]):
            sums[p + 1] += np.float64(x[p, part]) ** 2
    scale = np.zeros((length, len(widths)), np.float32)
    for p in range(length):
        for i in range(len(widths)):
            if widths[i] <= runs[p]:
                scale[p, i] = 1 / np.sqrt(sums[p + widths[i]] - sums[p] + 1)
    return scale


@njit(cache=True, nogil=True)
def _ratios(
    rest: Floats,
    codes: Codes,
    table: Floats,
    scale: Floats,
    class_of: Ints,
    penalty: Floats,
    wanted: Flags,
    ratio: Floats,
    top: Floats,
) -> float:
    """Write correlation / penalty of all matrices at each place that is wanted; give the largest.

    `ratio` is (place, matrix), `top` the largest of each place. What they hold for places that
    are not wanted stays, and counts too.
    """
    _correlate(rest, codes, table, wanted, ratio)
    most = -np.inf
    inverse = np.float32(1) / penalty
    for p in range(ratio.shape[0]):
        if wanted[p]:
            largest = np.float32(-np.inf)
            for k in range(ratio.shape[1]):
                value = ratio[p, k] * scale[p, class_of[k]] * inverse[k]
                ratio[p, k] = value
                largest = max(largest, value)
            top[p] = largest
        most = max(most, top[p])
    return most


@njit(cache=True, nogil=True, fastmath={"contract"})
def _correlate(rest: Floats, codes: Codes, table: Floats, wanted: Flags, products: Floats) -> None:
    """Write the products of all matrices with the rest, at each place that is wanted.

    Each is summed column by column, part by part. An unknown letter is taken for the last one of
    the alphabet, which adds nothing, for the rest is 0 there.
    """
    length, n_parts = rest.shape
    n_letters, n_columns, n_atoms = table.shape
    values, rows = rest.reshape(-1), table.reshape(-1, n_atoms)
    # The row of a value is the first one of its letter, and as many on as its column.
    first_row = np.empty(len(values), np.int64)
    for p in range(length):
        for part in range(n_parts):
            letter = min(codes[p], n_letters - 1) if n_parts == 1 else part
            first_row[p * n_parts + part] = letter * n_columns
    column = np.empty(n_columns * n_parts, np.int64)
    for i in range(len(column)):
        column[i] = i // n_parts
    for p in range(length):
        if not wanted[p]:
            continue
        sums = products[p]
        sums[:] = 0
        n_values = min(n_columns, length - p) * n_parts
        fours = n_values - n_values % 4
        # Four values at a time: the sums are read and written a quarter as often.
        for i in range(0, fours, 4):
            at = p * n_parts + i
            v0, v1, v2, v3 = values[at], values[at + 1], values[at + 2], values[at + 3]
            r0 = rows[first_row[at] + column[i]]
            r1 = rows[first_row[at + 1] + column[i + 1]]
            r2 = rows[first_row[at + 2] + column[i + 2]]
            r3 = rows[first_row[at + 3] + column[i + 3]]
            for k in range(n_atoms):
                total = sums[k]
                total += v0 * r0[k]
                total += v1 * r1[k]
                total += v2 * r2[k]
                total += v3 * r3[k]
                sums[k] = total
        for i in range(fours, n_values):
            at = p * n_parts + i
            row = rows[first_row[at] + column[i]]
            for k in range(n_atoms):
                sums[k] += values[at] * row[k]


@njit(cache=True, nogil=True)
def _touched(rest: Floats, seen: Floats, n_columns: int) -> Flags:
    """Tell at which places the rest differs from before within the widest window."""
    length = len(rest)
    found = np.zeros(length, np.bool_)
    last = 2 * length + n_columns
    for p in range(length - 1, -1, -1):
        for part in range(rest.shape[1]):
            if rest[p, part] != seen[p, part]:
                last = p
        found[p] = last - p < n_columns
    return found


@njit(cache=True, nogil=True)
def _gap(
    x: Floats,
    rest: Floats,
    penalty: Floats,
    atom: Ints,
    coefficient: Floats,
    most: float,
) -> float:
    """Give the duality gap: the dual point is the rest, shrunk until it is feasible."""
    factor = 1 / most if most > 1 else 1.0
    left, product = 0.0, 0.0
    for p in range(x.shape[0]):
        for part in range(x.shape[1]):
            left += np.float64(rest[p, part]) ** 2
            product += np.float64(rest[p, part]) * x[p, part]
    size = 0.0
    for i in range(len(atom)):
        size += np.float64(penalty[atom[i]]) * coefficient[i]
    return max(0.0, 0.5 * left * (1 + factor * factor) + size - factor * product)


@njit(cache=True, nogil=True)
def _worst(ratio: Floats, top: Floats, chosen: Flags, count: int) -> npt.NDArray[np.int64]:
    """Give the places, flat, of the largest ratios above 1 that are not chosen yet."""
    n_atoms = ratio.shape[1]
    found = [np.int64(0)]
    values = [np.float32(0)]
    for p in range(ratio.shape[0]):
        if top[p] <= 1:
            continue
        for k in range(n_atoms):
            if ratio[p, k] > 1 and not chosen[p, k]:
                found.append(np.int64(p) * n_atoms + k)
                values.append(-ratio[p, k])
    places, sizes = np.array(found)[1:], np.array(values)[1:]
    if len(places) <= count:
        return places
    # Mergesort keeps the order of equal ones, so that the result has no accidents in it.
    return places[np.argsort(sizes, kind="mergesort")[:count]]


@njit(cache=True, nogil=True)
def _window(
    codes: Codes,
    table: Floats,
    n_parts: int,
    place: int,
    k: int,
    columns: int,
    scale: float,
    out: Floats,
) -> float:
    """Write the scaled matrix as it shows at a place; give its squared norm."""
    n_letters = table.shape[0]
    norm = 0.0
    for column in range(columns):
        code = codes[place + column]
        for part in range(n_parts):
            value = np.float32(0)
            if code < n_letters:
                value = scale * table[code if n_parts == 1 else part, column, k]
            out[column * n_parts + part] = value
            norm += np.float64(value) ** 2
    return norm


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})
def _sweep(
    rest: Floats,
    place: Ints,
    atom: Ints,
    coefficient: Floats,
    norm: Floats,
    unit: Floats,
    width: Ints,
    penalty: Floats,
    n: int,
) -> float:
    """Bring every coefficient of the working set to its best in turn; give what was gained."""
    n_parts = rest.shape[1]
    flat = rest.reshape(-1)
    gained = np.float64(0)
    for i in range(n):
        k = atom[i]
        window = flat[place[i] * n_parts : (place[i] + width[k]) * n_parts]
        row = unit[i]
        product = np.float32(0)
        for j in range(len(window)):
            product += row[j] * window[j]
        new = max(np.float32(0), coefficient[i] + (product - penalty[k]) / norm[i])
        change = new - coefficient[i]
        if change != 0:
            coefficient[i] = new
            for j in range(len(window)):
                window[j] -= change * row[j]
            gained += 0.5 * norm[i] * change * change
    return float(gained)
