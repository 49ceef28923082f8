"""Lay seqlets that are alike over each other, and cut a pattern out around what they share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.pattern_sites import (
    SCALE,
    Contexts,
    Features,
    Sites,
    SiteSums,
    site_features,
    sum_sites,
)
from mutua.kernels.seqlet_similarity import jaccard_sums

__all__ = ["LEAST_OVERLAP", "Frame", "build_pattern", "framed", "information"]

Floats = npt.NDArray[np.float32]
Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LEAST_OVERLAP = 0.7  # share of a seqlet that is aligned
_PSEUDOCOUNT = 0.001
_TIE = 1e-9
_SUPPORT_SHARE, _SUPPORT = 0.2, 30  # a place is in a pattern if so many seqlets reach it


class Frame(NamedTuple):
    """What is cut out as a pattern.

    Attributes
    ----------
    core
        Places of most information.
    flank
        Places on both sides of them.
    background
        float64 (letter,), how frequent the letters are.
    """

    core: int
    flank: int
    background: Reals

    @property
    def width(self) -> int:
        """Places of a pattern."""
        return self.core + 2 * self.flank


def information(sums: SiteSums, background: Reals) -> Reals:
    """Give the bits of each place, relative to the background; places without letters have 0."""
    total = sums.letters.sum(axis=0)
    shares = sums.letters / np.maximum(total, 1) + _PSEUDOCOUNT
    shares /= shares.sum(axis=0)
    bits = (shares * np.log2(shares / background[:, None])).sum(axis=0)
    return np.asarray(np.where(total > 0, bits, 0))


def build_pattern(contexts: Contexts, sites: Sites, width: int, frame: Frame) -> Sites | None:
    """Lay seqlets over each other, the first ones first, and cut the pattern out.

    Every seqlet is put where the continuous Jaccard index with the mean of those before is
    largest, with at least 0.7 of it on them.

    Parameters
    ----------
    contexts
        Where the seqlets are.
    sites
        The seqlets, the strongest first.
    width
        Their width.
    frame
        What to cut out.

    Returns
    -------
    Sites or None
        One stretch of each, of the width of the frame; None for contributions of the other sign.
    """
    features = site_features(contexts, sites, width)
    shift, turned = _aligned(features, contexts.n_letters)
    return framed(contexts, sites, shift, turned, width, frame)


def framed(
    contexts: Contexts, sites: Sites, shift: Whole, turned: Flags, width: int, frame: Frame
) -> Sites | None:
    """Cut out the stretch of most information of sites that are aligned.

    Parameters
    ----------
    contexts, sites, width, frame
        As for `build_pattern`.
    shift, turned
        (site,) where each begins in the alignment, and whether it is turned around there.
    """
    low, high = int(shift.min()), int(shift.max()) + width
    starts, stops = (np.bincount(at - low, minlength=high - low + 1)
                     for at in (shift, shift + width))  # fmt: skip
    reaching = np.cumsum(starts - stops)[:-1]
    enough = np.flatnonzero(reaching >= min(_SUPPORT_SHARE * reaching.max(), _SUPPORT))
    first, last = int(enough[0]), int(enough[-1]) + 1
    wide = sites.moved(shift, turned, width=width, to=low, to_width=high - low)
    sums = sum_sites(contexts, wide, high - low)
    bits = information(sums, frame.background)[first:last]
    said = np.abs(sums.contribution).sum(axis=0)
    core = low + first + _best_window(bits, said[first:last], frame.core)
    to = core - frame.flank
    cut = sites.moved(shift, turned, width=width, to=to, to_width=frame.width)
    cut = _without_repeats(contexts, cut)
    total = sum_sites(contexts, cut, frame.width).contribution.sum()
    return cut if total > 0 else None


def _best_window(bits: Reals, contribution: Reals, width: int) -> int:
    """Give where the window of most information begins; of equal ones that of most contribution.

    Where there are fewer places, the window is around their middle.
    """
    if len(bits) <= width:
        return (len(bits) - width) // 2
    within = np.convolve(bits, np.ones(width), mode="valid")
    equal = np.flatnonzero(within >= within.max() - _TIE)
    said = np.convolve(contribution, np.ones(width), mode="valid")[equal]
    most = equal[said >= said.max() * (1 - _TIE)]
    return int(most[len(most) // 2])


def _without_repeats(contexts: Contexts, sites: Sites) -> Sites:
    """Leave out sites that are where one before is, be it on the other strand."""
    place = np.stack([contexts.sequence[sites.context],
                      contexts.origin[sites.context] + sites.start])  # fmt: skip
    _, first = np.unique(place, axis=1, return_index=True)
    return sites.take(np.sort(first))


def _aligned(features: Features, n_letters: int) -> tuple[Whole, Flags]:
    """Give where each seqlet begins, counted from the first one, and whether it is turned."""
    n, width, channels = features.forward.shape
    least = int(np.ceil(LEAST_OVERLAP * width))
    shift, turned = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    _lay_over(features.strands(), features.total, channels, n_letters, least, SCALE, shift, turned)
    return shift, turned


@njit(cache=True, nogil=True)
def _lay_over(
    strands: Floats,
    total: Floats,
    channels: int,
    n_letters: int,
    least: int,
    scale: float,
    shift: Whole,
    turned: Flags,
) -> None:
    n, size = strands.shape[1], strands.shape[2]
    width = size // channels
    length = 3 * width  # seqlets may begin up to their width before the first one, or after
    sums, covered = np.zeros((length, channels)), np.zeros(length)
    mean = np.zeros(length * channels, np.float32)
    low, high = width, 2 * width
    for i in range(n):
        best, best_at, best_strand = np.float32(-np.inf), width, 0
        if i > 0:
            own = _mean(sums, covered, low, high, n_letters, scale, mean)
            for strand in range(strands.shape[0]):
                for at in range(max(0, low - width + least), min(length - width, high - least) + 1):
                    first, last = max(at, low), min(at + width, high)
                    shared, signed = jaccard_sums(
                        mean[first * channels : last * channels],
                        strands[strand, i, (first - at) * channels : (last - at) * channels],
                    )
                    both = total[i] + own
                    value = signed / (both - shared) if both > 0 else np.float32(0)
                    if value > best:
                        best, best_at, best_strand = value, at, strand
        shift[i], turned[i] = best_at - width, best_strand == 1
        low, high = min(low, best_at), max(high, best_at + width)
        for place in range(width):
            covered[best_at + place] += 1
            for channel in range(channels):
                sums[best_at + place, channel] += strands[
                    best_strand, i, place * channels + channel
                ]


@njit(cache=True, nogil=True)
def _mean(
    sums: Reals,
    covered: Reals,
    low: int,
    high: int,
    n_letters: int,
    scale: float,
    mean: Floats,
) -> np.float32:
    """Write the mean of the seqlets so far, scaled as one; give the sum of its sizes."""
    channels = sums.shape[1]
    total = np.float32(0)
    for first in range(0, channels, n_letters):
        size = 0.0
        for place in range(low, high):
            for channel in range(first, first + n_letters):
                size += abs(sums[place, channel]) / covered[place]
        for place in range(low, high):
            for channel in range(first, first + n_letters):
                value = np.float32(0)
                if size > 0:
                    value = np.float32(
                        np.rint(sums[place, channel] / covered[place] / size * scale)
                    )
                mean[place * channels + channel] = value
                total += abs(value)
    return total
