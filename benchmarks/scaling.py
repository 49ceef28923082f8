"""How cost grows: seconds of four sizes of every quantity, and the slope of their logarithms.

Run ``python -m benchmarks scaling``, or ``python -m benchmarks.scaling WORD ...`` for the rows
whose names hold a word. A slope of 1 is a cost that doubles with the quantity, of 2 one that
quadruples; other quantities stay as they are. Each time is the least of several calls, after one
that compiles: by the clock, and of the processors, of all threads together, which depends less on
what else the machine does. Slopes are of the latter, of straight lines by least squares.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import sparse

import mutua as mt
from benchmarks.pairs import annotations
from benchmarks.patterns import planted as planted_motifs
from benchmarks.programs import planted as planted_programs
from mutua.kernels.knn_mi import knn_mi, knn_null, standardized
from mutua.kernels.orthogonal_nmf import factorize
from mutua.kernels.position_mi import position_mi
from mutua.kernels.position_null import position_null
from mutua.kernels.sequence_blocks import ArrayBlocks
from mutua.kernels.spin_fit import Method, fit_network
from mutua.kernels.spin_problem import Penalty
from mutua.kernels.spin_states import count_states
from mutua.settings import available_threads

FEWEST, REPEATS, ENOUGH = 2, 5, 1.5  # calls, or seconds of the processors

Call = Callable[[], object]


class Growth(NamedTuple):
    """What is made larger."""

    work: str
    quantity: str
    sizes: tuple[int, ...]
    prepare: Callable[[int], Call]
    """Gives the call to time for a size."""
    size_of: Callable[[int], int] = int
    """What is written down and fitted for a size."""


# -- what is timed ------------------------------------------------------------------------------
def position(n: int = 100_000, length: int = 100, k: int = 3) -> Call:
    codes = np.random.default_rng(0).integers(0, 4, (n, length), dtype=np.uint8)
    return lambda: position_mi(ArrayBlocks(codes), k=k, alphabet_size=4)


def position_permutations(n_permutations: int) -> Call:
    codes = np.random.default_rng(0).integers(0, 4, (10_000, 53), dtype=np.uint8)
    return lambda: position_null(
        ArrayBlocks(codes), k=3, alphabet_size=4, n_permutations=n_permutations
    )


def tables(n: int, n_features: int, n_latents: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    x, y = random.standard_normal((n, n_features)), random.standard_normal((n, n_latents))
    return standardized(x, y, seed=0)


def neighbours(n: int = 127, n_features: int = 1_000, n_latents: int = 50) -> Call:
    x, y = tables(n, n_features, n_latents)
    return lambda: knn_mi(x, y)


def neighbour_permutations(n_permutations: int) -> Call:
    x, y = tables(127, 300, 10)
    observed = knn_mi(x, y)
    random = np.random.default_rng(1)
    orders = np.stack([random.permutation(len(x)) for _ in range(n_permutations)])
    return lambda: knn_null(x, y, observed, orders)


def scan(n_sequences: int = 1_000, n_motifs: int = 200) -> Call:
    sequences = mt.pp.random_sequences(n_sequences, length=1_000, seed=0)
    motifs = mt.datasets.jaspar().isel(motif=slice(n_motifs))
    return lambda: mt.tl.scan(sequences, motifs)


def hits(n: int) -> xr.Dataset:
    """Give hits at one density, in more and more sequences."""
    return annotations(n, n // 100, 2_000, 200)


def pairs(n: int) -> Call:
    found = hits(n)
    return lambda: mt.tl.pair_annotations(found)


def spacings(n: int) -> Call:
    found = hits(n)
    return lambda: mt.tl.pair_spacings(found, max_distance=100, overlap="drop")


def programs(
    n_cells: int = 5_000, n_genes: int = 1_000, n_programs: int = 20, density: float = 1.0
) -> Call:
    """Give 50 iterations from a random start: how many a run takes depends on the cells.

    An iteration of orthogonal programs has the same products; its start depends on the cells too.
    """
    values = planted_programs(n_cells, n_genes, n_programs)
    table: object = values
    if density < 1:
        kept = np.random.default_rng(1).random(values.shape) < density
        table = sparse.csr_array(values * kept)
    # A tolerance below 0 is never reached.
    options = {"seeds": [0], "orthogonal": False, "max_iterations": 50, "tolerance": -1.0}
    return lambda: factorize(table, n_programs, **options)


def network(
    n_nodes: int = 16,
    n_cells: int = 20_000,
    n_conditions: int = 10,
    method: Method = "pseudo_likelihood",
) -> Call:
    """Give 20 evaluations of the likelihood: how many a fit takes depends on the cells."""
    random = np.random.default_rng(0)
    common = random.standard_normal((n_cells, 1))
    states = np.rint(common + random.standard_normal((n_cells, n_nodes))).clip(-1, 1)
    data = count_states(
        states.astype(np.int8), np.arange(n_cells) % n_conditions, n_conditions=n_conditions
    )
    penalty = Penalty(np.full((n_nodes, n_nodes), 0.01))
    return lambda: fit_network(data, penalty, method=method, tolerance=0, max_evaluations=20)


def patterns(n_sequences: int) -> Call:
    attributions = planted_motifs(n_sequences, 200)
    return lambda: mt.tl.patterns(attributions)


# fmt: off
GROWTHS = [
    Growth("position MI", "sequences N", (50_000, 100_000, 200_000, 400_000), position),
    Growth("position MI", "length L", (50, 100, 200, 400), lambda size: position(length=size)),
    Growth("position MI", "k-mers 4^k", (1, 2, 3, 4), lambda k: position(k=k), lambda k: 4**k),
    Growth("position MI", "permutations", (25, 50, 100, 200), position_permutations),
    Growth("knn MI", "samples n", (500, 1_000, 2_000, 4_000), lambda n: neighbours(n, 40, 16)),
    Growth("knn MI", "features F", (500, 1_000, 2_000, 4_000), lambda f: neighbours(n_features=f)),
    Growth("knn MI", "latent dims", (16, 32, 64, 128), lambda size: neighbours(n_latents=size)),
    Growth("knn MI", "permutations", (64, 128, 256, 512), neighbour_permutations),
    Growth("scan", "nucleotides", (500, 1_000, 2_000, 4_000), scan, lambda n: 1_000 * n),
    Growth("scan", "motifs", (100, 200, 400, 800), lambda size: scan(n_motifs=size)),
    Growth("pairs", "hits", (500_000, 1_000_000, 2_000_000, 4_000_000), pairs),
    Growth("spacings", "hits", (250_000, 500_000, 1_000_000, 2_000_000), spacings),
    Growth("programs", "cells", (2_500, 5_000, 10_000, 20_000), programs),
    Growth("programs", "cells, CSR", (2_500, 5_000, 10_000, 20_000),
           lambda n: programs(n, density=0.05)),
    Growth("programs", "genes", (500, 1_000, 2_000, 4_000), lambda n: programs(n_genes=n)),
    Growth("programs", "programs", (10, 20, 40, 80), lambda n: programs(n_programs=n)),
    Growth("network, pseudo", "nodes", (8, 16, 32, 64), network),
    Growth("network, pseudo", "cells", (10_000, 20_000, 40_000, 80_000),
           lambda n: network(n_cells=n)),
    Growth("network, pseudo", "conditions", (5, 10, 20, 40), lambda n: network(n_conditions=n)),
    Growth("network, exact", "states 3^nodes", (10, 11, 12, 13),
           lambda n: network(n, method="exact"), lambda n: 3**n),
    Growth("network, exact", "conditions", (5, 10, 20, 40),
           lambda n: network(11, n_conditions=n, method="exact")),
    Growth("patterns", "sequences", (150, 300, 600, 1_200), patterns),
]
# fmt: on


# -- timing -------------------------------------------------------------------------------------
def least_seconds(call: Call) -> tuple[float, float]:
    """Give the least time of several calls by the clock, and of the processors."""
    clock: list[float] = []
    processors: list[float] = []
    while len(clock) < FEWEST or (len(clock) < REPEATS and sum(processors) < ENOUGH):
        start, spent = time.perf_counter(), time.process_time()
        call()
        clock.append(time.perf_counter() - start)
        processors.append(time.process_time() - spent)
    return min(clock), min(processors)


def slope(sizes: list[int], times: tuple[float, ...]) -> float:
    """Give the slope of log(seconds) over log(size), by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def measure(growth: Growth) -> str:
    """Give a row of the table."""
    growth.prepare(growth.sizes[0])()
    clock, processors = zip(
        *(least_seconds(growth.prepare(size)) for size in growth.sizes), strict=True
    )
    sizes = [growth.size_of(size) for size in growth.sizes]
    cells = [
        growth.work,
        growth.quantity,
        " ".join(f"{size:,}" for size in sizes),
        " ".join(f"{value:.3g}" for value in clock),
        " ".join(f"{value:.3g}" for value in processors),
        f"{slope(sizes, processors):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    warnings.filterwarnings("ignore", message=".*motifs can have no hits", category=UserWarning)
    words = sys.argv[1:]
    print(f"{available_threads()} threads\n")
    print("| work | grows with | sizes | seconds | of processors | slope |")
    print("|---|---|---|---|---|---|")
    start = time.perf_counter()
    for growth in GROWTHS:
        if not words or any(word in f"{growth.work} {growth.quantity}" for word in words):
            print(measure(growth), flush=True)
    print(f"\n{time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
