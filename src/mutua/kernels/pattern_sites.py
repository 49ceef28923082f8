"""Stretches of letters with their contributions, laid over each other as sites of a pattern."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.letters import PADDING
from mutua.kernels.rows import over_rows

__all__ = ["SCALE", "Contexts", "Features", "SiteSums", "Sites", "site_features", "sum_sites"]

Floats = npt.NDArray[np.float32]
Reals = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

SCALE = 2.0**20
"""Values are whole multiples of 1 / SCALE, so that float32 adds them exactly in any order."""


class Contexts(NamedTuple):
    """Seqlets with the letters around them.

    Attributes
    ----------
    codes
        uint8 (context, place), with padding beyond the ends of the sequence.
    values
        float32 (context, place, letter), the contribution that each letter makes or would make,
        times the sign of the seqlets; 0 in padding.
    hypothetical
        Whether `values` say something of letters that are not there.
    complement
        int64 (letter,), which letter pairs with each; None where there is one strand.
    sequence, origin
        int64 (context,), the sequence, and the position in it of the first place, which is
        negative where the context begins before the sequence.
    """

    codes: npt.NDArray[np.uint8]
    values: Floats
    hypothetical: bool
    complement: Whole | None
    sequence: Whole
    origin: Whole

    @property
    def n_letters(self) -> int:
        """Letters of the alphabet."""
        return int(self.values.shape[2])

    @property
    def pairs(self) -> Whole:
        """Which letter pairs with each, or each itself where there is one strand."""
        return np.arange(self.n_letters) if self.complement is None else self.complement


class Sites(NamedTuple):
    """Stretches of contexts, all of one width, each read forward or as the reverse complement.

    Attributes
    ----------
    context
        int64 (site,), row of the context.
    start
        int64 (site,), first place in it, on the forward strand; may be outside.
    flipped
        bool (site,), whether the site is read on the other strand.
    """

    context: Whole
    start: Whole
    flipped: Flags

    def take(self, which: npt.NDArray[np.integer] | Flags) -> Sites:
        """Give some of them."""
        return Sites(self.context[which], self.start[which], self.flipped[which])

    def moved(self, shift: Whole, turned: Flags, *, width: int, to: int, to_width: int) -> Sites:
        """Give the stretches at one stretch of an alignment, one of each site.

        Parameters
        ----------
        shift
            Where each site begins in the alignment.
        turned
            Whether it is turned around there.
        width
            Of the sites.
        to, to_width
            First place of the stretch in the alignment, and its width.
        """
        flipped = self.flipped ^ turned
        forward = self.start + to - shift
        backward = self.start + width + shift - to - to_width
        return Sites(self.context, np.where(flipped, backward, forward), flipped)


class Features(NamedTuple):
    """What sites are compared by, float32 (site, place, channel), and their sums of sizes.

    The values of a site are divided by the sum of their sizes, those of the letters that are
    there and, with hypothetical contributions, those of all letters as further channels.

    Attributes
    ----------
    forward, turned
        As the site is read, and as its reverse complement; `turned` is None without one.
    total
        float32 (site,), the sum of the sizes of all channels, in units of 1 / SCALE.
    """

    forward: Floats
    turned: Floats | None
    total: Floats

    def strands(self) -> Floats:
        """Give both strands, or the one there is, as float32 (strand, site, value)."""
        parts = [self.forward] if self.turned is None else [self.forward, self.turned]
        n, width, channels = self.forward.shape
        return np.stack([part.reshape(n, width * channels) for part in parts])


class SiteSums(NamedTuple):
    """What sites come to at each place.

    Attributes
    ----------
    letters
        float64 (letter, place), sites with the letter.
    contribution
        float64 (letter, place), sum of the contributions of the letters that are there.
    hypothetical
        float64 (letter, place), sum over all letters.
    covered
        float64 (place,), sites of which the place is in the sequence.
    """

    letters: Reals
    contribution: Reals
    hypothetical: Reals
    covered: Reals


def site_features(contexts: Contexts, sites: Sites, width: int) -> Features:
    """Cut sites out and give what they are compared by.

    Parameters
    ----------
    contexts
        Where the sites are.
    sites
        Of `width` places each.
    width
        Places of each site.

    Returns
    -------
    Features
        A site without contributions has zeros.
    """
    n_letters = contexts.n_letters
    channels = 2 * n_letters if contexts.hypothetical else n_letters
    forward = np.zeros((len(sites.context), width, channels), np.float32)
    over_rows(
        _cut, len(forward), contexts.codes, contexts.values, *sites, contexts.pairs, forward,
        row_cost=6.0 * width * channels,
    )  # fmt: skip
    turned = None
    if contexts.complement is not None:
        order = np.concatenate([contexts.complement + n for n in range(0, channels, n_letters)])
        turned = np.ascontiguousarray(forward[:, ::-1, order])
    total = np.abs(forward).sum(axis=(1, 2), dtype=np.float64).astype(np.float32)
    return Features(forward, turned, total)


@njit(cache=True, nogil=True)
def _cut(
    first: int,
    stop: int,
    codes: npt.NDArray[np.uint8],
    values: Floats,
    context: Whole,
    start: Whole,
    flipped: Flags,
    pairs: Whole,
    out: Floats,
) -> None:
    length, n_letters = values.shape[1], values.shape[2]
    width, channels = out.shape[1], out.shape[2]
    for site in range(first, stop):
        row = context[site]
        there, all_letters = 0.0, 0.0
        for place in range(width):
            at = start[site] + (width - 1 - place if flipped[site] else place)
            if at < 0 or at >= length or codes[row, at] >= n_letters:
                continue
            code = codes[row, at]
            there += abs(values[row, at, code])
            for letter in range(n_letters):
                all_letters += abs(values[row, at, letter])
        for place in range(width):
            at = start[site] + (width - 1 - place if flipped[site] else place)
            if at < 0 or at >= length or codes[row, at] >= n_letters:
                continue
            for letter in range(n_letters):
                to = pairs[letter] if flipped[site] else letter
                if there > 0 and letter == codes[row, at]:
                    out[site, place, to] = np.rint(values[row, at, letter] / there * SCALE)
                if channels > n_letters and all_letters > 0:
                    share = values[row, at, letter] / all_letters
                    out[site, place, n_letters + to] = np.rint(share * SCALE)


def sum_sites(contexts: Contexts, sites: Sites, width: int) -> SiteSums:
    """Add up the letters and contributions of sites, place by place.

    Parameters
    ----------
    contexts
        Where the sites are.
    sites
        Of `width` places each.
    width
        Places of each site.
    """
    shape = (contexts.n_letters, width)
    sums = SiteSums(np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(width))
    _add(contexts.codes, contexts.values, *sites, contexts.pairs, *sums)
    return sums


@njit(cache=True, nogil=True)
def _add(
    codes: npt.NDArray[np.uint8],
    values: Floats,
    context: Whole,
    start: Whole,
    flipped: Flags,
    pairs: Whole,
    letters: Reals,
    contribution: Reals,
    hypothetical: Reals,
    covered: Reals,
) -> None:
    length, n_letters = values.shape[1], values.shape[2]
    width = len(covered)
    for site in range(len(context)):
        row = context[site]
        for place in range(width):
            at = start[site] + (width - 1 - place if flipped[site] else place)
            if at < 0 or at >= length or codes[row, at] == PADDING:
                continue
            covered[place] += 1
            if codes[row, at] >= n_letters:
                continue
            for letter in range(n_letters):
                to = pairs[letter] if flipped[site] else letter
                hypothetical[to, place] += values[row, at, letter]
                if letter == codes[row, at]:
                    letters[to, place] += 1
                    contribution[to, place] += values[row, at, letter]
