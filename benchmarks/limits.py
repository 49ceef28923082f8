"""How near kernels come to what one core can do: operations counted, over the least time.

The limit of what counts or looks up is a plain compiled loop that does each operation; kernels
that do without some of them can be above it. The limit of what multiplies matrices is the fastest
product of large ones that the libraries at hand have. Everything runs on one thread, in turns with
its limit, and times are of the processor, so that ratios hold whatever else the machine does.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Callable

import numpy as np
import torch
from threadpoolctl import threadpool_limits

import mutua as mt
from benchmarks._plain_loops import (
    plain_alignments,
    plain_jaccard,
    plain_knn,
    plain_pairs,
    plain_position_mi,
    plain_scan,
    plain_spacings,
    plain_sweeps,
    plain_windows,
)
from benchmarks.cwm_hits import made_up
from benchmarks.neurons import pooled_stack
from benchmarks.pairs import annotations
from benchmarks.programs import planted
from mutua.kernels.annotation_rows import sort_rows
from mutua.kernels.autoencoder import Architecture, split_samples, train
from mutua.kernels.conv_layers import trace_convolutions
from mutua.kernels.cwm_hits import cwm_hits, trimmed_atoms
from mutua.kernels.kmers import kmer_codes
from mutua.kernels.knn_mi import knn_mi, standardized
from mutua.kernels.letters import complement_codes, one_hot
from mutua.kernels.orthogonal_nmf import factorize
from mutua.kernels.pattern_sites import Features
from mutua.kernels.position_mi import position_mi
from mutua.kernels.seqlet_similarity import best_jaccard
from mutua.kernels.sequence_blocks import ArrayBlocks
from mutua.kernels.spin_exact import ExactLikelihood
from mutua.kernels.spin_mcmc import Chains
from mutua.kernels.spin_problem import Network
from mutua.kernels.spin_pseudo import PseudoLikelihood
from mutua.kernels.spin_states import count_states, moments_of
from mutua.kernels.threads import Workers
from mutua.kernels.window_activations import WindowEvaluator
from mutua.settings import settings

REPEATS = 5

Call = Callable[[], object]


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


def write(name: str, unit: str, rate: float, most: float) -> None:
    """Print operations per second of a kernel and of its limit."""
    columns = f"{most / 1e9:.3g} | {rate / 1e9:.3g} | {rate / most:.2f}"
    print(f"| {name} | {unit} | {columns} |", flush=True)


def row(name: str, unit: str, ours: tuple[Call, float], limit: tuple[Call, float]) -> None:
    took, least = in_turns(ours[0], limit[0])
    write(name, unit, ours[1] / took, limit[1] / least)


def row_of_rounds(
    name: str,
    rounds: Callable[[int], object],
    operations: float,
    *,
    few: int,
    more: int,
) -> None:
    """Print float32 operations per second of rounds, less what comes before the first of them."""
    limit, per_call = product(torch.float32)
    (before, one), (after, other) = (in_turns(lambda n=n: rounds(n), limit) for n in (few, more))
    rate = operations * (more - few) / (after - before)
    write(name, "float32 operations", rate, per_call / min(one, other))


@functools.cache
def product(dtype: torch.dtype, size: int = 1_024) -> tuple[Call, float]:
    """Give the fastest product of large matrices that is at hand, and its operations.

    A convolution with many channels is such a product too, and libraries differ in what they have
    fast code for on a processor.
    """
    a, b = torch.rand(2, size, size, dtype=dtype)
    c, d = a.numpy(), b.numpy()
    maps, weights = torch.rand(4, 512, 1_026, dtype=dtype), torch.rand(512, 512, 3, dtype=dtype)
    of_maps = 2.0 * 4 * 1_024 * weights.numel()
    calls: list[tuple[Call, float]] = [
        (lambda: a @ b, 2.0 * size**3),
        (lambda: c @ d, 2.0 * size**3),
        (lambda: torch.nn.functional.conv1d(maps, weights), of_maps),
    ]
    return min(calls, key=lambda one: in_turns(one[0], one[0])[0] / one[1])


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


def of_annotating(n_spans: int, width: int) -> None:
    motifs = mt.datasets.jaspar()
    sequences = mt.pp.random_sequences(n_spans, length=width, seed=0)
    spans = mt.Annotations.build(
        sequence_index=np.arange(n_spans),
        start=np.zeros(n_spans, int),
        end=np.full(n_spans, width),
        sequence_length=np.full(n_spans, width),
        source="user",
    )
    bounds = np.concatenate([[0], np.cumsum(np.tile(motifs["length"].values, 2))])
    scores = np.random.default_rng(0).integers(-50, 50, (4, bounds[-1])).astype(np.int32)
    few = sequences["codes"].values[:100]
    row(
        f"annotate, {n_spans:,} spans of {width} nt, {motifs.sizes['motif']:,} motifs",
        "columns compared",
        (
            lambda: mt.tl.annotate(spans, motifs, sequences=sequences),
            float(n_spans * width * bounds[-1]),
        ),
        (lambda: plain_alignments(few, scores, bounds), float(few.size * bounds[-1])),
    )


def of_spans(n: int, length: int) -> None:
    random = np.random.default_rng(0)
    sequences = mt.pp.random_sequences(n, length=length, seed=0)
    values = random.laplace(0, 0.01, (n, length)).astype(np.float32)
    for line, start in enumerate(random.integers(0, length - 12, n)):
        values[line, start : start + 10] += 0.3
    hot = np.asarray(mt.pp.one_hot(sequences), np.float32) * values[:, None]
    attributions = mt.Attributions.build(
        sequences, attribution=hot, target="signal", method="made up", hypothetical=False
    )
    codes = sequences["codes"].values
    for method, window in (("recursive", 4), ("laplace", 21)):
        row(
            f"{method} seqlets, {n:,} x {length:,} nt",
            "values read",
            (
                lambda method=method: mt.tl.seqlets(attributions, method=method, negative=False),
                float(values.size),
            ),
            (lambda window=window: plain_windows(hot, codes, window, 0.3), float(values.size)),
        )


def of_contributions(n: int, length: int, n_motifs: int) -> None:
    """Count one look at all places; more of them, and the sweeps, are the kernel's own cost."""
    attributions, motifs = made_up(n, length, n_motifs)
    values, codes = attributions["attribution"].values, attributions["codes"].values
    atoms = trimmed_atoms(
        motifs["contribution"].values,
        penalty=np.full(n_motifs, 0.7),
        trim=0.3,
        complement=complement_codes("ACGT"),
    )
    row(
        f"contribution hits, {n} x {length:,} nt, {n_motifs} motifs",
        "float32 operations",
        (
            lambda: cwm_hits(
                values, codes, atoms, all_letters=False, tolerance=1e-5, max_steps=10_000,
                device="cpu",
            ),
            2.0 * codes.size * float(atoms.width.sum()),
        ),
        product(torch.float32),
    )  # fmt: skip


def of_neurons(n: int, length: int, depth: int) -> None:
    model = pooled_stack()
    traced = trace_convolutions(model, n_letters=4, length=length)
    layers = traced.layers[:depth]
    evaluator = WindowEvaluator(traced, layers[-1].name)
    codes = mt.pp.random_sequences(n, length=length, seed=0)["codes"].values
    letters = one_hot(codes, 4)
    weights = [part.weight for part in model if isinstance(part, torch.nn.Conv1d)]
    operations = [
        2.0 * n * (length - layer.receptive_field + 1) * weight.numel()
        for layer, weight in zip(layers, weights[:depth], strict=True)
    ]
    row(
        f"activations of {depth} convolutions of 64 channels, {n} x {length:,} nt",
        "float32 operations",
        (lambda: evaluator.windows(letters), sum(operations)),
        product(torch.float32),
    )


def of_autoencoder(n: int, n_features: int, batch_size: int) -> None:
    """Count forward, and backward to weights and inputs; of the first layer only to weights."""
    values = np.random.default_rng(0).standard_normal((n, n_features))
    split, layers = split_samples(n, fraction=0.1), Architecture()
    widths = (n_features, *layers.hidden_layers, layers.n_latent)
    pairs = [2.0 * a * b for a, b in itertools.pairwise(widths)]
    forward = 2 * sum(pairs)
    row_of_rounds(
        f"autoencoder, {n:,} x {n_features:,}, batches of {batch_size}",
        lambda n_epochs: train(
            values, split, architecture=layers, batch_size=batch_size, max_epochs=n_epochs,
            patience=n_epochs, device="cpu", progress=False,
        ),
        len(split.training) * (3 * forward - pairs[0]) + len(split.validation) * forward,
        few=1,
        more=4,
    )  # fmt: skip


def of_programs(n_cells: int, n_genes: int, n_programs: int) -> None:
    values = planted(n_cells, n_genes, n_programs)
    row_of_rounds(
        f"oNMF, {n_cells:,} x {n_genes:,}, k = {n_programs}",
        lambda n: factorize(values, n_programs, seeds=[0], max_iterations=n, tolerance=-1),
        4.0 * n_cells * n_genes * n_programs,
        few=10,
        more=40,
    )


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


def of_pseudo_network(n_nodes: int, n_conditions: int, n_cells: int) -> None:
    random = np.random.default_rng(0)
    states = random.integers(-1, 2, (n_cells, n_nodes)).astype(np.int8)
    data = count_states(states, np.arange(n_cells) % n_conditions, n_conditions=n_conditions)
    coupling = random.normal(0, 0.1, (n_nodes, n_nodes))
    response = random.normal(0, 0.1, (n_nodes, n_conditions))
    with Workers() as workers:
        likelihood = PseudoLikelihood(data, workers)
        row(
            f"pseudo-likelihood, {n_nodes} nodes, {n_cells:,} cells",
            "float64 operations",
            # What the others do to a node, and the gradient.
            (lambda: likelihood(coupling, response), 4.0 * len(data.weight) * n_nodes**2),
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


def of_hits(n: int, n_sequences: int, length: int, n_motifs: int, n_distances: int) -> None:
    hits = annotations(n, n_sequences, length, n_motifs)
    names = ("sequence_index", "start", "end", "motif_index")
    columns = [hits[name].values for name in names]
    rows = sort_rows(
        *columns, hits["strand"].values == -1, n_sequences=n_sequences, n_motifs=n_motifs
    )
    counts = np.zeros((n_motifs, n_motifs), np.int32)
    per_sequence = np.diff(rows.bounds).astype(np.float64)
    n_pairs = float((per_sequence * (per_sequence - 1) / 2).sum())
    name = f"{n:,} hits in {n_sequences:,} sequences, {n_motifs} motifs"
    row(
        f"pairs of {name}",
        "pairs of hits",
        (lambda: mt.tl.pair_annotations(hits, unique=False, test=None), n_pairs),
        (lambda: plain_pairs(rows.bounds, rows.motif, counts), n_pairs),
    )
    at = np.zeros((n_motifs, n_motifs, n_distances), np.int32)
    widest = int((rows.end - rows.start).max())
    near = (rows.bounds, rows.motif, rows.start, rows.end, widest, at)
    n_near = float(plain_spacings(*near))
    row(
        f"their spacings, up to {n_distances - 1} nt",
        "pairs of hits",
        (lambda: mt.tl.pair_spacings(hits, max_distance=n_distances - 1, overlap="drop"), n_near),
        (lambda: plain_spacings(*near), n_near),
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
        of_annotating(1_000, 12)
        of_annotating(1_000, 20)
        of_hits(1_000_000, 2_000, 2_000, 200, 101)
        of_spans(4_000, 2_000)
        of_seqlets(1_000, 100, 41, 8, 12)
        of_contributions(100, 2_000, 60)
        of_neurons(100, 1_000, 4)
        of_autoencoder(2_000, 1_000, 32)
        of_programs(5_000, 2_000, 20)
        of_exact_network(13, 23)
        of_pseudo_network(50, 23, 20_000)
        of_chains(50, 8, 100, 50)


if __name__ == "__main__":
    main()
