"""The seqlets of the most similar k-mers to each, on a GPU with torch.

The same numbers as those of `mutua.kernels.seqlet_kmers`: the k-mers of a seqlet are taken one
after the other, those of many seqlets side by side. Each adds to no place twice, so that sums have
one order, and products are rounded before they are added, as on a CPU.

Per pair of seqlets and k-mer that both have, about 50 bytes are read or written.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mutua.kernels.devices import with_tiles

__all__ = ["Postings", "nearest_on"]

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.int32]

_GPU_CELLS, _CPU_CELLS = 2**27, 2**20
"""Pairs of seqlets in a tile."""
_CELL_BYTES = 48
"""Of a pair: its sums, and with a k-mer that all have, where it is added."""


class Postings(NamedTuple):
    """Which seqlets have each k-mer.

    Attributes
    ----------
    bounds
        int64 (kmer + 1,), where those of each k-mer begin.
    seqlet
        int32 (posting,), each seqlet once for a k-mer.
    worth
        float32 (posting,), the score of the k-mer in the seqlet.
    """

    bounds: npt.NDArray[np.int64]
    seqlet: Index
    worth: Floats


def nearest_on(
    place: str,
    queries: Index,
    scores: Floats,
    postings: Postings,
    *,
    n_neighbors: int,
    tile: int | None = None,
) -> tuple[Index, Floats]:
    """Give the neighbours of seqlets and their similarities.

    Parameters
    ----------
    place
        The torch device.
    queries
        int32 (strand, seqlet, kmer), the k-mers of each seqlet and of its reverse complement, -1
        for none.
    scores
        float32 (seqlet, kmer).
    postings
        Which seqlets have each k-mer.
    n_neighbors
        Of each, less than there are seqlets. Among equals the first are taken.
    tile
        Seqlets at once; by default what keeps a GPU busy.

    Returns
    -------
    index, similarity : int32 and float32 (seqlet, neighbour)

    Raises
    ------
    MemoryLimit
        If the GPU's memory does not hold the k-mers and the similarities of one seqlet.
    """
    import torch

    n = queries.shape[1]
    if tile is None:
        tile = max(1, (_CPU_CELLS if place == "cpu" else _GPU_CELLS) // n)

    def all_rows(tile: int) -> tuple[Index, Floats]:
        index = np.empty((n, n_neighbors), np.int32)
        similarity = np.empty((n, n_neighbors), np.float32)
        there = [torch.from_numpy(part).to(place) for part in postings]
        with torch.no_grad():
            for first in range(0, n, tile):
                rows = slice(first, min(first + tile, n))
                own = torch.from_numpy(queries[:, rows]).to(place, torch.int64)
                weights = torch.from_numpy(scores[rows]).to(place)
                best = _similarities(own, weights, there, n)
                where = torch.arange(rows.start, rows.stop, device=place)
                best[torch.arange(len(best), device=place), where] = -1  # no neighbour of itself
                number = _largest(best, n_neighbors)
                index[rows] = number.to(torch.int32).cpu().numpy()
                similarity[rows] = best.gather(1, number).cpu().numpy()
        return index, similarity

    return with_tiles(
        all_rows,
        min(tile, n),
        smallest=1,
        argument="seqlets",
        needed=lambda tile: float(tile) * n * _CELL_BYTES + sum(part.nbytes for part in postings),
    )


def _similarities(own: Any, weights: Any, there: list[Any], n: int) -> Any:
    """Give the larger of the cosines on both strands, a tensor (seqlet, other seqlet)."""
    import torch

    bounds, seqlets, worth = there
    n_rows, place = own.shape[1], own.device
    best = torch.zeros(n_rows, n, device=place)
    if not len(seqlets):
        return best
    for queries in own:
        found = torch.zeros(n_rows * n, device=place)
        for kmers, weight in zip(queries.T, weights.T, strict=True):
            known = kmers >= 0
            begins = bounds[kmers.clamp(min=0)]
            sizes = torch.where(known, bounds[kmers.clamp(min=0) + 1] - begins, 0)
            row = torch.repeat_interleave(torch.arange(n_rows, device=place), sizes)
            if not len(row):
                continue
            ends = sizes.cumsum(dim=0)
            posting = torch.arange(len(row), device=place) + (begins - ends + sizes)[row]
            cell = row * n + seqlets[posting]
            found[cell] = found[cell] + weight[row] * worth[posting]
        best = torch.maximum(best, found.reshape(n_rows, n))
    return best


def _largest(values: Any, k: int) -> Any:
    """Give where the `k` largest of each row are, from left to right, the first among equals."""
    import torch

    least = values.topk(k, dim=1, sorted=True).values[:, -1:]
    above, equal = values > least, values == least
    room = k - above.sum(dim=1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= room))
    return chosen.nonzero()[:, 1].reshape(len(values), k)
