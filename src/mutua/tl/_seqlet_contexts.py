"""Seqlets with the letters and attributions around them, read block by block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.laplace_seqlets import laplace_seqlets
from mutua.kernels.letters import PADDING
from mutua.kernels.pattern_sites import Contexts
from mutua.kernels.recursive_seqlets import Spans, observed
from mutua.kernels.spans import observed_values, span_values
from mutua.models import Annotations, Attributions, Dataset
from mutua.models.dims import (
    ATTRIBUTION,
    CODES,
    END,
    LETTER,
    POSITION,
    SEQUENCE,
    SEQUENCE_INDEX,
    START,
)

__all__ = ["Surroundings", "high_windows", "seqlet_contexts", "span_sums"]

_BLOCK = 1 << 20  # letters read together


class Surroundings(NamedTuple):
    """What is cut out around the middle of each seqlet.

    Attributes
    ----------
    size
        Letters that seqlets are compared by.
    margin
        Letters on both sides of them.
    most
        Seqlets of each sign.
    complement
        Which letter pairs with each, or None for one strand.
    """

    size: int
    margin: int
    most: int
    complement: np.ndarray | None


def span_sums(attributions: Dataset[Attributions], seqlets: Dataset[Annotations]) -> Spans:
    """Give spans with the sums of their attributions, in their order."""
    row, start, end = (
        np.asarray(seqlets[name].values).astype(np.int64) for name in (SEQUENCE_INDEX, START, END)
    )
    order = np.argsort(row, kind="stable")
    sums = np.zeros(len(row))
    for first, codes, values in _blocks(attributions, row):
        part = order[slice(*np.searchsorted(row[order], [first, first + len(codes)]))]
        found = observed_values(values, codes)
        sums[part] = span_values(found, row[part] - first, start[part], end[part]).total
    return Spans(row, start, end, sums, -np.abs(sums))


def high_windows(
    attributions: Dataset[Attributions], *, window: int, flank: int, **options: Any
) -> Spans:
    """Give the windows of high attribution, whose flanks may hang over the ends of sequences.

    Parameters
    ----------
    attributions
        The attributions.
    window, flank, **options
        As for `mutua.kernels.laplace_seqlets.laplace_seqlets`.

    Raises
    ------
    InvalidInput
        For attributions that are NaN or infinite.
    """
    n, length = attributions.sizes[SEQUENCE], attributions.sizes[POSITION]
    values = np.zeros((n, length + 2 * flank))  # nothing is attributed to what is not there
    for first, codes, block in _blocks(attributions, np.arange(n)):
        found = observed(block, codes)
        if np.isnan(found).any():
            raise InvalidInput("attributions", "NaN or infinite", "use finite attributions")
        values[first : first + len(found), flank : flank + length] = found
    spans = laplace_seqlets(values, window=window, flank=flank, **options)
    return spans._replace(start=spans.start - flank, end=spans.end - flank)


def seqlet_contexts(
    attributions: Dataset[Attributions],
    seqlets: Spans,
    around: Surroundings,
) -> Iterator[tuple[int, Contexts]]:
    """Yield 1 and the seqlets of positive sum, -1 and those of negative sum, the strongest first.

    Parameters
    ----------
    attributions
        Where the seqlets are.
    seqlets
        The sum of their attributions says sign and strength.
    around
        How much to take. Each seqlet is as wide, whatever its span, and has the same middle.
    """
    row, sums = seqlets.sequence, seqlets.attribution
    # The letters before an end of a sequence are padding.
    origin = (seqlets.start + seqlets.end) // 2 - around.size // 2 - around.margin
    chosen = []
    for sign in (1, -1):
        own = np.flatnonzero(sign * sums > 0)
        chosen.append(own[np.argsort(-sign * sums[own], kind="stable")][: around.most])
    both = np.concatenate(chosen)
    codes, values = _cut(attributions, row[both], origin[both], around)
    for sign, part in (
        (1, slice(0, len(chosen[0]))),
        (-1, slice(len(chosen[0]), len(both))),
    ):
        yield (
            sign,
            Contexts(
                codes=codes[part],
                values=sign * values[part],
                hypothetical=bool(attributions.attrs["hypothetical"]),
                complement=around.complement,
                sequence=row[both][part],
                origin=origin[both][part],
            ),
        )


def _cut(
    attributions: Dataset[Attributions], row: np.ndarray, origin: np.ndarray, around: Surroundings
) -> tuple[np.ndarray, np.ndarray]:
    """Give letters (seqlet, place) and attributions (seqlet, place, letter)."""
    length, n_letters = attributions.sizes[POSITION], attributions.sizes[LETTER]
    width = around.size + 2 * around.margin
    codes = np.full((len(row), width), PADDING, np.uint8)
    values = np.zeros((len(row), width, n_letters), np.float32)
    order = np.argsort(row, kind="stable")
    for first, block_codes, block_values in _blocks(attributions, row):
        stop = first + len(block_codes)
        for seqlet in order[slice(*np.searchsorted(row[order], [first, stop]))]:
            begin, end = max(0, origin[seqlet]), min(length, origin[seqlet] + width)
            inside = slice(begin - origin[seqlet], end - origin[seqlet])
            of = row[seqlet] - first
            codes[seqlet, inside] = block_codes[of, begin:end]
            values[seqlet, inside] = block_values[of, :, begin:end].T
    values[codes >= n_letters] = 0
    if not np.isfinite(values).all():
        raise InvalidInput("attributions", "NaN or infinite", "use finite attributions")
    return codes, values


def _blocks(
    attributions: Dataset[Attributions], row: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield the first row, the letters and the attributions of each block that is asked for."""
    step = max(1, _BLOCK // max(1, attributions.sizes[POSITION]))
    asked = np.unique(row // step)
    for first in asked * step:
        rows = slice(int(first), min(int(first) + step, attributions.sizes[SEQUENCE]))
        yield (
            int(first),
            np.asarray(attributions[CODES].variable[rows].values),
            np.asarray(attributions[ATTRIBUTION].variable[rows].values),
        )
