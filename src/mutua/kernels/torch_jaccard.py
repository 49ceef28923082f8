"""How alike seqlets and their neighbours are where they are aligned best, on a GPU with torch.

The same numbers as those of `mutua.kernels.seqlet_similarity`: values are whole and their sums
below 2 ** 24, so that single precision adds them up exactly in any order, and the one division of
each alignment rounds alike everywhere.

Per seqlet, neighbour, strand and shift, seven times its values are read or written.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mutua.kernels.devices import with_tiles
from mutua.kernels.pattern_sites import Features

__all__ = ["best_jaccard_on"]

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.int32]

_GPU_BYTES, _CPU_BYTES = 2**31, 2**22
"""Of the values of the neighbours of a tile of seqlets."""
_COPIES = 4
"""Arrays of that size that are alive at once."""


def best_jaccard_on(
    place: str, features: Features, index: Index, *, most_shift: int, tile: int | None = None
) -> Floats:
    """Give the similarity of seqlets and their neighbours where they are aligned best.

    Parameters
    ----------
    place
        The torch device.
    features, index, most_shift
        As for `mutua.kernels.seqlet_similarity.best_jaccard`.
    tile
        Seqlets at once; by default what keeps a GPU busy.

    Returns
    -------
    float32 (seqlet, neighbour)

    Raises
    ------
    MemoryLimit
        If the GPU's memory does not hold the features and the neighbours of one seqlet.
    """
    import torch

    n, width, channels = features.forward.shape
    row_bytes = 4 * index.shape[1] * width * channels
    if n == 0 or row_bytes == 0:
        return np.zeros(index.shape, np.float32)
    if tile is None:
        tile = max(1, (_CPU_BYTES if place == "cpu" else _GPU_BYTES) // row_bytes)

    def all_rows(tile: int) -> Floats:
        strands = torch.from_numpy(features.strands()).to(place).reshape(-1, n, width, channels)
        total = torch.from_numpy(features.total).to(place)
        out = np.zeros(index.shape, np.float32)
        with torch.no_grad():
            for first in range(0, n, tile):
                near = torch.from_numpy(index[first : first + tile]).to(place, torch.int64)
                rows = slice(first, first + len(near))
                found = _best(strands, total, rows, near, most_shift)
                out[rows] = found.cpu().numpy()
        return out

    return with_tiles(
        all_rows,
        min(tile, n),
        smallest=1,
        argument="seqlets",
        needed=lambda tile: _COPIES * float(tile) * row_bytes + 2.0 * features.forward.nbytes,
    )


def _best(strands: Any, total: Any, rows: slice, near: Any, most_shift: int) -> Any:
    """Give a tensor (seqlet, neighbour)."""
    import torch

    width = strands.shape[2]
    own = strands[0, rows]
    both = total[rows, None] + total[near]
    best = torch.full_like(both, -torch.inf)
    for strand in strands:
        others = strand[near]
        for shift in range(-most_shift, most_shift + 1):
            # The other one begins later by `shift`, or earlier.
            first, other_first, n = max(shift, 0), max(-shift, 0), width - abs(shift)
            x = own[:, None, first : first + n]
            size = x.abs()
            # What both have, with the sign of the other one.
            shared = others[:, :, other_first : other_first + n].clamp(-size, size)
            signed = (shared * x.sign()).sum(dim=(2, 3))
            value = signed / (both - shared.abs_().sum(dim=(2, 3)))
            best = torch.maximum(best, value)
    return torch.where(both == 0, 0, best)
