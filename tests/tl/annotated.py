"""Annotations to count: random ones, and from rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from mutua.models.annotations import Annotations
from tests.reference.motif_pairs import Row


def random_rows(
    n: int, *, n_sequences: int, length: int, n_motifs: int, seed: int = 0, widths: bool = False
) -> list[Row]:
    random = np.random.default_rng(seed)
    width = random.integers(3, 8, n_motifs)
    found = []
    for _ in range(n):
        motif = int(random.integers(-1, n_motifs))
        w = int(random.integers(1, 9)) if widths else int(width[motif])
        start = int(random.integers(0, length - w + 1))
        found.append(
            Row(int(random.integers(n_sequences)), start, start + w, motif, int(random.integers(2)))
        )
    return found


def annotations(
    rows: Sequence[Row], *, lengths: Sequence[int], n_motifs: int, strand: bool = True,
    **parts: object,
) -> xr.Dataset:  # fmt: skip
    columns = np.array(rows, np.int64).reshape(-1, 5).T
    return Annotations.build(
        sequence_index=columns[0], start=columns[1], end=columns[2], motif_index=columns[3],
        strand=1 - 2 * columns[4] if strand else None, sequence_length=np.array(lengths),
        motif=[f"m{i}" for i in range(n_motifs)], source="user", **parts,
    )  # fmt: skip


def large(n: int, *, n_sequences: int, length: int, n_motifs: int, seed: int = 0) -> xr.Dataset:
    """Give hits at random places, as many as a scan of real sequences has."""
    random = np.random.default_rng(seed)
    width = random.integers(6, 20, n_motifs)
    motif = random.integers(0, n_motifs, n)
    start = (random.random(n) * (length - width[motif] + 1)).astype(np.int32)
    return Annotations.build(
        sequence_index=np.sort(random.integers(0, n_sequences, n)), start=start,
        end=start + width[motif], motif_index=motif, strand=random.choice([-1, 1], n),
        sequence_length=np.full(n_sequences, length), motif=[f"m{i}" for i in range(n_motifs)],
        source="scan",
    )  # fmt: skip
