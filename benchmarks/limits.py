"""How near kernels come to what one core can do: operations counted, over the least time.

The limit of what counts or looks up is a plain compiled loop that does each operation; kernels
that do without some of them can be above it. The limit of what multiplies matrices is a product of
large square ones. Everything runs on one thread, in turns with its limit, and times are of the
processor, so that ratios hold whatever else the machine does.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import mutua as mt
from benchmarks.kernel_position_mi import entropy
from benchmarks.programs import planted
from mutua.kernels.kmers import kmer_codes
from mutua.kernels.knn_mi import knn_mi, standardized
from mutua.kernels.orthogonal_nmf import factorize
from mutua.kernels.pattern_sites import Features
from mutua.kernels.position_mi import position_mi
from mutua.kernels.seqlet_similarity import best_jaccard
from mutua.kernels.sequence_blocks import ArrayBlocks
from mutua.kernels.spin_exact import ExactLikelihood
from mutua.kernels.spin_mcmc import Chains
from mutua.kernels.spin_problem import Network
from mutua.kernels.spin_states import count_states, moments_of
from mutua.kernels.threads import Workers
from mutua.settings import settings

REPEATS = 5

Call = Callable[[], object]


@njit(nogil=True)
def plain_position_mi(columns: NDArray[np.uint8], k: int, n_kmers: int) -> float:
    """One histogram per pair of positions."""
    total = 0.0
    for i in range(len(columns)):
        for j in range(i + k, len(columns)):
            counts = np.zeros(n_kmers * n_kmers, np.int32)
            for s in range(columns.shape[1]):
                counts[columns[i, s] * n_kmers + columns[j, s]] += 1
            total += entropy(counts, columns.shape[1])
    return total


@njit(nogil=True)
def plain_knn(x: NDArray[np.float64], y: NDArray[np.float64]) -> int:
    """Radius of the third neighbour of every sample, by looking at all others, then both counts."""
    total = 0
    for f in range(len(x)):
        for latent in range(len(y)):
            for i in range(x.shape[1]):
                a = b = c = np.inf
                for j in range(x.shape[1]):
                    if j != i:
                        d = max(abs(x[f, j] - x[f, i]), abs(y[latent, j] - y[latent, i]))
                        if d < c:
                            c = d
                            if c < b:
                                b, c = c, b
                            if b < a:
                                a, b = b, a
                for j in range(x.shape[1]):
                    total += abs(x[f, j] - x[f, i]) < c
                    total += abs(y[latent, j] - y[latent, i]) < c
    return total


@njit(nogil=True)
def plain_scan(letters: NDArray[np.uint8], scores: NDArray[np.float64], width: int) -> int:
    """Score every window of every motif, (motif, letter, column)."""
    hits = 0
    for motif in range(len(scores)):
        for start in range(len(letters) - width + 1):
            score = 0.0
            for column in range(width):
                score += scores[motif, letters[start + column], column]
            hits += score > 12.0
    return hits


@njit(nogil=True)
def plain_jaccard(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Smaller sizes of the values of every pair of rows, with the sign of the product."""
    total = 0.0
    for left in a:
        for right in b:
            signed = np.float32(0)
            for i in range(len(left)):
                smaller = min(abs(left[i]), abs(right[i]))
                signed += smaller if left[i] * right[i] > 0 else -smaller
            total += signed
    return total


@njit(nogil=True)
def plain_sweeps(coupling: NDArray[np.float64], states: NDArray[np.float64], n: int) -> float:
    """Add up the field of every node of every chain in every sweep, without any drawing."""
    total = 0.0
    for chain in range(len(states)):
        for _ in range(n):
            for i in range(len(coupling)):
                field = 0.0
                for j in range(len(coupling)):
                    field += coupling[i, j] * states[chain, j]
                total += field
    return total


def in_turns(one: Call, other: Call) -> tuple[float, float]:
    """Give the least time of each."""
    one(), other()
    times = []
    for _ in range(REPEATS):
        marks = [time.process_time()]
        for call in (one, other):
            call()
            marks.append(time.process_time())
        times.append(np.diff(marks))
    return tuple(np.min(times, axis=0).tolist())


def row(name: str, unit: str, ours: tuple[Call, float], limit: tuple[Call, float]) -> None:
    """Print operations per second of a kernel and of its limit."""
    took, least = in_turns(ours[0], limit[0])
    rate, most = ours[1] / took / 1e9, limit[1] / least / 1e9
    print(f"| {name} | {unit} | {most:.3g} | {rate:.3g} | {rate / most:.2f} |", flush=True)


def product(dtype: torch.dtype, size: int = 1_024) -> tuple[Call, float]:
    a, b = torch.rand(2, size, size, dtype=dtype)
    return lambda: a @ b, 2.0 * size**3


def of_positions(k: int) -> None:
    codes = np.random.default_rng(0).integers(0, 4, (100_000, 60), dtype=np.uint8)
    columns = kmer_codes(codes, k, 4)
    few = np.ascontiguousarray(columns[:12])
    operations = [len(codes) * (len(part) - k) * (len(part) - k + 1) / 2 for part in (columns, few)]
    row(
        f"position MI, k = {k}, 100,000 x 60",
        "increments",
        (lambda: position_mi(ArrayBlocks(codes), k=k, alphabet_size=4), operations[0]),
        (lambda: plain_position_mi(few, k, 4**k), operations[1]),
    )


def of_neighbours(n: int, n_features: int, n_latents: int) -> None:
    random = np.random.default_rng(0)
    x, y = standardized(
        random.standard_normal((n, n_features)), random.standard_normal((n, n_latents)), seed=0
    )
    few_x, few_y = (np.ascontiguousarray(table[:, :8].T) for table in (x, y))
    row(
        f"knn MI, {n:,} x {n_features} x {n_latents}",
        "distances",
        (lambda: knn_mi(x, y), float(n * n) * n_features * n_latents),
        (lambda: plain_knn(few_x, few_y), float(n * n) * len(few_x) * len(few_y)),
    )


def of_scan() -> None:
    sequences = mt.pp.random_sequences(500, length=2_000, seed=0)
    every = mt.datasets.jaspar()
    motifs = every.isel(motif=np.flatnonzero(every["length"].values == 12)[:100])
    width, n_letters = 12, sequences["codes"].size
    letters = sequences["codes"].values.ravel()[:100_000].copy()
    scores = np.random.default_rng(0).normal(size=(10, 4, width))
    row(
        "scan, 1,000,000 nt, 100 motifs of 12 nt",
        "look-ups",
        (lambda: mt.tl.scan(sequences, motifs), 2.0 * n_letters * motifs.sizes["motif"] * width),
        (lambda: plain_scan(letters, scores, width), float(len(letters) * len(scores) * width)),
    )


def of_programs(n_cells: int, n_genes: int, n_programs: int) -> None:
    """Take off what comes before the first iteration."""
    values = planted(n_cells, n_genes, n_programs)
    times = {}
    for n in (10, 40):
        call = lambda n=n: factorize(  # noqa: E731
            values, n_programs, seeds=[0], max_iterations=n, tolerance=-1
        )
        times[n], least = in_turns(call, product(torch.float32)[0])
    rate = 4.0 * n_cells * n_genes * n_programs * 30 / (times[40] - times[10]) / 1e9
    most = product(torch.float32)[1] / least / 1e9
    name = f"oNMF, {n_cells:,} x {n_genes:,}, k = {n_programs}"
    print(f"| {name} | float32 operations | {most:.3g} | {rate:.3g} | {rate / most:.2f} |")


def of_exact_network(n_nodes: int, n_conditions: int) -> None:
    random = np.random.default_rng(0)
    states = random.integers(-1, 2, (5_000, n_nodes)).astype(np.int8)
    data = count_states(states, np.arange(5_000) % n_conditions, n_conditions=n_conditions)
    coupling = random.normal(0, 0.1, (n_nodes, n_nodes))
    coupling += coupling.T
    response = random.normal(0, 0.1, (n_nodes, n_conditions))
    with Workers() as workers:
        likelihood = ExactLikelihood(moments_of(data), workers)
        row(
            f"exact network, {n_nodes} nodes, {n_conditions} conditions",
            "float64 operations",
            # Three products with the conditions and two with the nodes of a half, for all states.
            (
                lambda: likelihood(coupling, response),
                3.0**n_nodes * (6 * n_conditions + 2 * n_nodes),
            ),
            product(torch.float64),
        )


def of_seqlets(n: int, n_neighbors: int, width: int, channels: int, most_shift: int) -> None:
    random = np.random.default_rng(0)
    values = np.rint(random.normal(size=(n, width, channels)) * 100).astype(np.float32)
    total = np.abs(values).sum(axis=(1, 2))
    turned = np.ascontiguousarray(values[:, ::-1, ::-1])
    features = Features(values, turned, total)
    # Descending, so that none is left out as it was compared before.
    index = np.tile(np.arange(n_neighbors, dtype=np.int32)[::-1], (n, 1))
    overlaps = width + 2 * sum(range(width - most_shift, width))
    rows = values.reshape(n, -1)[:100]
    row(
        f"similarity of {n:,} seqlets with {n_neighbors} others",
        "values compared",
        (
            lambda: best_jaccard(features, index, most_shift=most_shift),
            2.0 * index.size * overlaps * channels,
        ),
        (lambda: plain_jaccard(rows, rows), float(len(rows) ** 2 * rows.shape[1])),
    )


def of_chains(n_nodes: int, n_conditions: int, n_chains: int, n_sweeps: int) -> None:
    random = np.random.default_rng(0)
    states = random.integers(-1, 2, (5_000, n_nodes)).astype(np.int8)
    data = count_states(states, np.arange(5_000) % n_conditions, n_conditions=n_conditions)
    coupling = random.normal(0, 0.1, (n_nodes, n_nodes))
    coupling += coupling.T
    network = Network(coupling, random.normal(0, 0.1, (n_nodes, n_conditions)))
    few = states[:50].astype(np.float64)
    per_sweep = float(n_conditions * n_chains * n_nodes**2)
    with Workers() as workers:
        chains = Chains(data, n_chains=n_chains, seed=0, workers=workers)
        row(
            f"Markov chains, {n_nodes} nodes, {n_conditions} conditions",
            "couplings passed",
            (
                lambda: chains.average(network, n_sweeps=n_sweeps, burn_in=0),
                2 * per_sweep * n_sweeps,
            ),
            (lambda: plain_sweeps(coupling, few, 100), 100.0 * len(few) * n_nodes**2),
        )


def main() -> None:
    settings.threads = 1
    torch.set_num_threads(1)
    print("| kernel | counted | limit, 10⁹/s | mutua, 10⁹/s | fraction |")
    print("|---|---|---|---|---|")
    with threadpool_limits(1, user_api="blas"):
        for k in (1, 2, 3):
            of_positions(k)
        of_neighbours(127, 800, 50)
        of_neighbours(1_000, 40, 16)
        of_scan()
        of_programs(5_000, 2_000, 20)
        of_exact_network(13, 23)
        of_chains(50, 8, 100, 50)
        of_seqlets(1_000, 100, 41, 8, 12)


if __name__ == "__main__":
    main()
