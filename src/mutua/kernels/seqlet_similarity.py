"""How alike seqlets are, letter by letter: the continuous Jaccard index of their contributions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.devices import torch_gpu
from mutua.kernels.pattern_sites import Features
from mutua.kernels.rows import over_rows
from mutua.kernels.torch_jaccard import best_jaccard_on

__all__ = [
    "best_jaccard",
    "jaccard_sums",
    "keep_largest",
    "laid_over_jaccard",
    "laid_over_neighbours",
    "place_in",
    "rank_correlations",
]

Floats = npt.NDArray[np.float32]
Reals = npt.NDArray[np.float64]
Index = npt.NDArray[np.int32]


@njit(cache=True, nogil=True, fastmath={"reassoc"})
def jaccard_sums(a: Floats, b: Floats) -> tuple[np.float32, np.float32]:
    """Give the sum of the smaller sizes, and that with the sign of each product.

    Of x and y, the smaller size with the sign of the product is half of ``|x + y| - |x - y|``. All
    values are whole numbers, and sums below 2 ** 24: additions are exact in any order.
    """
    size, signed = np.float32(0), np.float32(0)
    for i in range(len(a)):
        twice = abs(a[i] + b[i]) - abs(a[i] - b[i])
        size += abs(twice)
        signed += twice
    return size / np.float32(2), signed / np.float32(2)


_OPERATIONS = 0.1
"""Elementary operations for a value that is compared: eight are at once."""
_ROWS = 16
"""Sites compared with another at once, which then comes from memory once."""


def best_jaccard(
    features: Features, index: Index, *, most_shift: int, device: str | None = "cpu"
) -> Floats:
    r"""Give the similarity of seqlets and their neighbours where they are aligned best.

    The similarity of an alignment is the continuous Jaccard index
    :math:`\sum \pm\min(|x|, |y|) / \sum \max(|x|, |y|)`, with minus where the signs of x and y
    differ. What hangs over is compared with 0. It is symmetric, and 1 for equal seqlets only.

    Parameters
    ----------
    features
        Of the seqlets; with a second strand where seqlets may be turned around.
    index
        int32 (seqlet, neighbour).
    most_shift
        Most places by which one begins before the other.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; None for the setting. The numbers are the same.

    Returns
    -------
    float32 (seqlet, neighbour)
        From -1 to 1; 0 for seqlets without contributions.

    Raises
    ------
    DeviceUnavailable
        For ``"cuda"`` without a usable GPU.
    MemoryLimit
        If the GPU's memory does not hold the features and the neighbours of one seqlet.
    """
    n, width, channels = features.forward.shape
    n_strands = 1 if features.turned is None else 2
    compared = float(index.size) * n_strands * (2 * most_shift + 1) * width * channels
    place = torch_gpu(device, operations=_OPERATIONS * compared)
    if place is not None:
        return best_jaccard_on(place, features, index, most_shift=most_shift)
    out = np.zeros(index.shape, np.float32)
    strands = features.strands()
    cost = 0.3 * index.shape[1] * len(strands) * (2 * most_shift + 1) * width * channels
    # Neighbours of each other are compared once, if they can be looked up.
    ordered = bool((index[:, 1:] > index[:, :-1]).all())
    over_rows(
        _best, n, strands, features.total, index, most_shift, channels, ordered, out,
        row_cost=cost,
    )  # fmt: skip
    if ordered:
        over_rows(_copy_to_mutual, n, index, out, row_cost=30.0 * index.shape[1])
    return out


@njit(cache=True, nogil=True)
def _best(
    first: int,
    stop: int,
    strands: Floats,
    total: Floats,
    index: Index,
    most_shift: int,
    channels: int,
    ordered: bool,
    out: Floats,
) -> None:
    size = strands.shape[2]
    for row in range(first, stop):
        for neighbour in range(index.shape[1]):
            other = index[row, neighbour]
            if ordered and other < row and place_in(index[other], row) >= 0:
                continue
            both = total[row] + total[other]
            if both == 0:
                continue
            best = np.float32(-np.inf)
            for strand in range(strands.shape[0]):
                for shift in range(-most_shift, most_shift + 1):
                    step = abs(shift) * channels
                    if shift >= 0:  # the other one begins later
                        shared, signed = jaccard_sums(
                            strands[0, row, step:], strands[strand, other, : size - step]
                        )
                    else:
                        shared, signed = jaccard_sums(
                            strands[0, row, : size - step], strands[strand, other, step:]
                        )
                    best = max(best, np.float32(signed / (both - shared)))
            out[row, neighbour] = best


@njit(cache=True, nogil=True)
def _copy_to_mutual(first: int, stop: int, index: Index, out: Floats) -> None:
    """Give the later of two neighbours of each other what the earlier has."""
    for row in range(first, stop):
        for neighbour in range(index.shape[1]):
            other = index[row, neighbour]
            if other < row:
                place = place_in(index[other], row)
                if place >= 0:
                    out[row, neighbour] = out[other, place]


@njit(cache=True, nogil=True)
def place_in(ascending: npt.NDArray[np.integer], wanted: int) -> int:
    """Give where a number is, or -1."""
    low, high = 0, len(ascending)
    while low < high:
        middle = (low + high) // 2
        if ascending[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < len(ascending) and ascending[low] == wanted else -1


def laid_over_jaccard(a: Features, b: Features) -> Floats:
    """Give the Jaccard index of all pairs of sites as they are, float32 (site of a, site of b)."""
    out = np.zeros((len(a.forward), len(b.forward)), np.float32)
    left, right = (part.forward.reshape(len(part.forward), -1) for part in (a, b))
    cost = 0.3 * out.shape[1] * left.shape[1]
    over_rows(_laid_over, len(out), left, a.total, right, b.total, out, row_cost=cost)
    return out


@njit(cache=True, nogil=True)
def _laid_over(
    first: int, stop: int, a: Floats, total_a: Floats, b: Floats, total_b: Floats, out: Floats
) -> None:
    for row in range(first, stop):
        for other in range(len(b)):
            both = total_a[row] + total_b[other]
            if both > 0:
                shared, signed = jaccard_sums(a[row], b[other])
                out[row, other] = signed / (both - shared)


def laid_over_neighbours(features: Features, *, n_neighbors: int) -> tuple[Index, Floats]:
    """Give the sites that are most alike to each as they are laid over each other.

    Returns
    -------
    index, similarity : int32 and float32 (site, neighbour)
        In the order of the sites; among equals the first are taken.
    """
    n = len(features.forward)
    k = max(0, min(n_neighbors, n - 1))
    index, similarity = np.zeros((n, k), np.int32), np.zeros((n, k), np.float32)
    if k:
        values = features.forward.reshape(n, -1)
        cost = n * (0.3 * values.shape[1] + 10)
        over_rows(_most_alike, n, values, features.total, index, similarity, row_cost=cost)
    return index, similarity


@njit(cache=True, nogil=True)
def _most_alike(
    first: int, stop: int, values: Floats, total: Floats, index: Index, similarity: Floats
) -> None:
    n = len(values)
    found = np.empty((_ROWS, n), np.float32)
    for start in range(first, stop, _ROWS):
        n_rows = min(_ROWS, stop - start)
        for other in range(n):
            for row in range(n_rows):
                both = total[start + row] + total[other]
                found[row, other] = 0
                if both > 0:
                    shared, signed = jaccard_sums(values[start + row], values[other])
                    found[row, other] = signed / (both - shared)
        for row in range(n_rows):
            found[row, start + row] = -np.inf  # no neighbour of itself
            keep_largest(found[row], index[start + row], similarity[start + row])


@njit(cache=True, nogil=True)
def keep_largest(values: Floats, index: Index, kept: Floats) -> None:
    """Write which values are the largest, and these, as they come; among equals the first.

    There are at least as many values as are kept, and none is NaN.
    """
    n, k = len(values), len(index)
    least = np.partition(values, n - k)[n - k]
    n_above = 0
    for i in range(n):
        n_above += values[i] > least
    to, n_equal = 0, k - n_above
    for i in range(n):
        if values[i] < least or (values[i] == least and n_equal == 0):
            continue
        n_equal -= values[i] == least
        index[to], kept[to] = i, values[i]
        to += 1


def rank_correlations(a: Floats, b: Floats) -> Reals:
    """Give Spearman's correlation of every row of `a` with that of `b`; NaN where one is constant.

    Parameters
    ----------
    a, b
        float32 (row, value). Equal values share the mean of their ranks.

    Returns
    -------
    float64 (row,)
    """
    out = np.full(len(a), np.nan)
    over_rows(_rank_rows, len(a), a, b, out, row_cost=150.0 * a.shape[1])
    return out


@njit(cache=True, nogil=True)
def _rank_rows(first: int, stop: int, a: Floats, b: Floats, out: Reals) -> None:
    for row in range(first, stop):
        x, y = _centred_ranks(a[row]), _centred_ranks(b[row])
        worth = np.sqrt((x * x).sum() * (y * y).sum())
        if worth > 0:
            out[row] = (x * y).sum() / worth


@njit(cache=True, nogil=True)
def _centred_ranks(values: Floats) -> Reals:
    n = len(values)
    order = np.argsort(values, kind="mergesort")
    ranks = np.empty(n)
    start = 0
    while start < n:
        stop = start
        while stop < n and values[order[stop]] == values[order[start]]:
            stop += 1
        for i in range(start, stop):
            ranks[order[i]] = (start + stop - 1) / 2 - (n - 1) / 2
        start = stop
    return ranks
