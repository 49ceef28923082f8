"""How similar motifs are where they are aligned best."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.rows import over_rows

__all__ = ["Alignments", "align_motifs"]

Floats = npt.NDArray[np.float64]

_TIE = 1e-9
"""Of alignments that differ by less the first is taken, whatever the order of additions."""


class Alignments(NamedTuple):
    """The best alignment of every motif with every target, each (motif, target).

    Attributes
    ----------
    similarity
        float64, the cosine of the angle between the two.
    offset
        int32, positions from the first of the motif to the first of the target.
    flipped
        bool, whether the target is turned around.
    """

    similarity: Floats
    offset: npt.NDArray[np.int32]
    flipped: npt.NDArray[np.bool_]


def align_motifs(
    motifs: Floats,
    lengths: npt.NDArray[np.integer],
    targets: Floats,
    target_lengths: npt.NDArray[np.integer],
    *,
    complement: npt.NDArray[np.integer] | None,
) -> Alignments:
    r"""Align motifs with targets so that they are most similar.

    The similarity of an alignment is :math:`\sum a b / \sqrt{\sum a^2 \sum b^2}`, of what two
    motifs differ from the background by. Both sums below the root are over the whole motif: what
    hangs over is compared with the background, and makes motifs less similar by as much as it
    says.

    Parameters
    ----------
    motifs, targets
        (motif, letter, position) probabilities less those of the background, of the same letters.
    lengths, target_lengths
        (motif,) positions of each.
    complement
        Which letter pairs with each; None for motifs of one strand.

    Returns
    -------
    Alignments
        At least one position of the two is aligned. Of alignments that are equally similar, the
        one on the forward strand and of the smallest offset. Similarity with a motif that does not
        differ from the background is 0.

    Examples
    --------
    >>> gata = np.eye(4)[:, [2, 0, 3, 0]] - 0.25
    >>> both = np.stack([gata, gata[::-1, ::-1]])
    >>> found = align_motifs(both, np.array([4, 4]), both, np.array([4, 4]),
    ...                      complement=np.array([3, 2, 1, 0]))
    >>> found.similarity[0, 1].round(6), found.flipped[0, 1]
    (np.float64(1.0), np.True_)
    """
    own, other = (_columns(values) for values in (motifs, targets))
    n_strands = 1 if complement is None else 2
    turned = np.empty((n_strands, *other.shape))
    turned[0] = other
    if complement is not None:
        for i, length in enumerate(target_lengths.tolist()):
            turned[1, i, :length] = other[i, :length][::-1][:, complement]
    shape = (len(own), len(other))
    found = Alignments(np.empty(shape), np.empty(shape, np.int32), np.empty(shape, np.bool_))
    sizes = lengths.astype(np.int64), target_lengths.astype(np.int64)
    cost = 1.5 * n_strands * float(lengths.mean() * target_lengths.sum()) if len(own) else 0.0
    over_rows(_align, len(own), own, sizes[0], turned, sizes[1], *found, row_cost=cost)
    return found


def _columns(values: Floats) -> Floats:
    """Give (motif, position, letter)."""
    return np.ascontiguousarray(values.transpose(0, 2, 1), dtype=np.float64)


@njit(cache=True, nogil=True)
def _align(
    first: int,
    stop: int,
    motifs: Floats,
    lengths: npt.NDArray[np.int64],
    targets: Floats,
    target_lengths: npt.NDArray[np.int64],
    similarity: Floats,
    offset: npt.NDArray[np.int32],
    flipped: npt.NDArray[np.bool_],
) -> None:
    n_letters = motifs.shape[2]
    squares = np.zeros(targets.shape[1])
    for target in range(targets.shape[1]):
        for place in range(target_lengths[target]):
            for letter in range(n_letters):
                squares[target] += targets[0, target, place, letter] ** 2
    for motif in range(first, stop):
        width = lengths[motif]
        square = 0.0
        for place in range(width):
            for letter in range(n_letters):
                square += motifs[motif, place, letter] ** 2
        for target in range(targets.shape[1]):
            other_width = target_lengths[target]
            best, best_shift, best_strand = -np.inf, 0, 0
            for strand in range(targets.shape[0]):
                for shift in range(1 - other_width, width):
                    total = 0.0
                    for place in range(max(shift, 0), min(width, shift + other_width)):
                        for letter in range(n_letters):
                            total += (
                                motifs[motif, place, letter]
                                * targets[strand, target, place - shift, letter]
                            )
                    if total > best + _TIE:
                        best, best_shift, best_strand = total, shift, strand
            worth = np.sqrt(square * squares[target])
            similarity[motif, target] = min(best / worth, 1.0) if worth > 0 else 0.0
            offset[motif, target] = best_shift
            flipped[motif, target] = best_strand == 1
