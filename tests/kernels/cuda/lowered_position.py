"""The kernels of pairs of positions as PTX."""

import re

import numpy as np
from numba import boolean, float64, int64, uint8, uint16, uint32, uint64

from mutua.kernels.cuda import (
    dealt_columns,
    dealt_pairs,
    difference_moments,
    position_columns,
    position_corrections,
    position_counts,
    position_entropies,
    position_moments,
)
from mutua.kernels.cuda.position_counts import CountLayout
from mutua.kernels.sequence_blocks import ArrayBlocks, PositionTask
from tests.kernels.cuda.lowered import ptx_of

_RESULT = re.compile(r"\s*(add|sub|mul)(?:\.rn)?\.f64\s+(\S+), (\S+), (\S+);")


def n_fused(ptx: str) -> int:
    """Count sums and differences that a compiler may fuse with the product in them."""
    found = [match.groups() for match in map(_RESULT.match, ptx.splitlines()) if match]
    products = {result for operation, result, _, _ in found if operation == "mul"}
    return sum(
        operation != "mul" and (one in products or other in products)
        for operation, _, one, other in found
    )


def count(k: int, alphabet_size: int, *, weighted: bool) -> str:
    """Give the kernel that counts k-mers."""
    weights = np.ones(3) if weighted else None
    source = ArrayBlocks(np.zeros((3, 2 * k), np.uint8))
    layout = CountLayout.choose(PositionTask(source, k, alphabet_size, 0.0, weights))
    make = position_counts._shared_counter if layout.n_rows else position_counts._global_counter
    tables = int64[::1] if weighted else uint32[::1]
    return ptx_of(make(layout), uint32[:, ::1], int64[::1], int64[:, ::1], int64, tables)


def summarise(tables: object) -> str:
    """Give the kernel that summarises tables of some type."""
    smoothing = [float64] * 4
    return ptx_of(
        position_entropies._summarise,
        *(tables, int64, *smoothing, int64, int64, float64[:, :, ::1]),
    )


def main() -> None:
    """Print of each kernel: local memory, shared memory, products that may be fused."""
    fill = position_columns._kmer_filler(3, 4)
    shuffle = position_columns._shuffle_columns
    ptx = {
        "fill8": ptx_of(fill, uint8[:, ::1], int64, int64, uint8[:, ::1]),
        "fill32": ptx_of(fill, uint8[:, ::1], int64, int64, uint32[:, ::1]),
        "clear": ptx_of(position_counts._clear, uint32[::1]),
        "count3": count(3, 4, weighted=False),
        "count3_weighted": count(3, 4, weighted=True),
        "count4": count(4, 4, weighted=False),
        "count5": count(5, 4, weighted=False),
        "count5_weighted": count(5, 4, weighted=True),
        "count9": count(9, 4, weighted=False),
        "summarise": summarise(uint32[::1]),
        "summarise_weighted": summarise(int64[::1]),
    }
    values = float64[:, :, ::1], int64
    ptx["moments"] = ptx_of(position_moments._take_up_pairs, *values, float64[::1], float64[:, ::1])
    ptx["maxima"] = ptx_of(position_moments._maxima_kernel(64), *values, float64[::1])
    statistics, of_positions = float64[:, :, ::1], (float64[:, ::1], int64[:, ::1])
    ptx["divide"] = ptx_of(position_corrections._divide, statistics)
    ptx["add_up_positions"] = ptx_of(
        position_corrections._add_up_positions, statistics, int64, *of_positions
    )
    ptx["means"] = ptx_of(position_corrections._find_means, *of_positions, float64[::1])
    ptx["subtract"] = ptx_of(
        position_corrections._subtract, statistics, int64, *of_positions, *[float64[::1]] * 2
    )
    ptx["differences"] = ptx_of(
        difference_moments._take_up_differences,
        *(float64[:, :, ::1], int64, boolean, int64),
        *(float64[::1], float64[:, ::1], float64[:, ::1]),
    )
    ptx["largest_difference"] = ptx_of(
        difference_moments._maxima_kernel(64), float64[:, :, ::1], int64, int64, float64[::1]
    )
    for counts in (uint32, int64):
        ptx[f"subtract_{counts}"] = ptx_of(dealt_pairs._subtract_counts, counts[::1], counts[::1])
    ptx["dealt_units"] = ptx_of(
        dealt_columns._copy_members, int64[:, ::1], uint32[:, ::1], int64, int64[:, :, ::1]
    )
    for codes in (uint8, uint16):
        dealt = codes[:, :, ::1]
        ptx[f"dealt_{codes}"] = ptx_of(
            dealt_columns._copy_members, codes[:, ::1], uint32[:, ::1], int64, dealt
        )
        ptx[f"shuffle_dealt_{codes}"] = ptx_of(
            dealt_columns._shuffle_dealt, dealt, int64, int64, int64, uint64[::1], int64, dealt
        )
        ptx[f"shuffle_{codes}"] = ptx_of(
            shuffle, codes[:, ::1], int64, int64, int64, uint64, int64, int64, codes[:, :, ::1]
        )
    for name, text in ptx.items():
        print(name, ".local" in text, "atom.shared" in text, n_fused(text))


main()
