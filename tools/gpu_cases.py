"""What `gpu_check.py` holds together: results of kernels for GPUs and of those for CPUs.

A check yields how far they are apart. In the mode ``simulate`` the kernels of numba run in its
simulator of CUDA and those of torch on the CPU, beside the kernels of numba or numpy for CPUs where
there are any.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from gpu_data import (
    bounds_of_motifs,
    cells,
    counted,
    sequences,
    sized,
    some_network,
    tables,
    torch_place,
)

from mutua.kernels import label_permutation, seqlet_kmers
from mutua.kernels.autoencoder import encode, split_samples, train
from mutua.kernels.conv_layers import trace_convolutions
from mutua.kernels.cwm_coordinates import by_coordinates
from mutua.kernels.cwm_gradients import by_gradients
from mutua.kernels.cwm_hits import free_runs, trimmed_atoms
from mutua.kernels.knn_mi import knn_mi, knn_null
from mutua.kernels.letters import one_hot
from mutua.kernels.matrix_passes import Passes
from mutua.kernels.orthogonal_nmf import factorize
from mutua.kernels.pattern_sites import Features
from mutua.kernels.pooled_sequences import PooledSets
from mutua.kernels.position_mi import PositionStatistics, position_mi
from mutua.kernels.position_null import position_null
from mutua.kernels.seqlet_kmers import kmer_vectors, nearest_by_kmers
from mutua.kernels.seqlet_similarity import best_jaccard
from mutua.kernels.sequence_blocks import ArrayBlocks
from mutua.kernels.spin_exact import ExactLikelihood
from mutua.kernels.spin_mcmc import Chains, SampledLikelihood
from mutua.kernels.spin_problem import Network
from mutua.kernels.spin_pseudo import PseudoLikelihood
from mutua.kernels.spin_states import moments_of
from mutua.kernels.spin_torch import TorchExact, TorchPseudo, TorchSampled
from mutua.kernels.threads import Workers
from mutua.kernels.torch_jaccard import best_jaccard_on
from mutua.kernels.window_activations import WindowEvaluator

EXACT = 0.0
DOUBLE = 1e-10
"""Of float64 results that are added up in another order."""


class Agreement(NamedTuple):
    """How far two results are apart."""

    what: str
    difference: float
    allowed: float


def apart(one: Any, other: Any, *, relative: bool = False) -> float:
    """Give the largest difference of two arrays; infinity if shapes or missing values differ."""
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if one.shape != other.shape or not np.array_equal(np.isnan(one), np.isnan(other)):
        return math.inf
    same = (one == other) | np.isnan(one)
    with np.errstate(invalid="ignore"):
        difference = np.where(same, 0.0, np.abs(one - other))
    scale = np.nanmax(np.abs(one), initial=0.0) if relative else 1.0
    return float(difference.max(initial=0.0) / (scale or 1.0))


def check_position_mi(mode: str) -> Iterator[Agreement]:
    n, length = {"simulate": (30, 5), "quick": (20_000, 40), "full": (100_000, 100)}[mode]
    # k, letters, gaps, pseudocount, weights
    cases = [(1, 4, False, 0.0, False), (2, 4, True, 5.0, True)]
    if mode != "simulate":
        cases += [(3, 4, False, 5.0, False), (3, 4, True, 0.0, True), (5, 4, True, 5.0, False)]
        cases += [(1, 20, True, 0.1, True), (2, 20, False, 5.0, False), (6, 4, False, 5.0, False)]
    for k, size, gaps, pseudocount, weighted in cases:
        codes = sequences(n, length, size, gaps=gaps)
        weights = np.random.default_rng(1).random(n) if weighted else None
        # Blocks smaller than the whole, so that several are uploaded.
        here, there = (
            position_mi(
                ArrayBlocks(codes, n // 3), k=k, alphabet_size=size, pseudocount=pseudocount,
                weights=weights, device=device,
            )
            for device in ("cpu", "cuda")
        )  # fmt: skip
        what = f"{n:,} x {length}, k = {k}, {size} letters{', gaps' * gaps}{', weights' * weighted}"
        fields = PositionStatistics.__dataclass_fields__
        most = max(apart(getattr(here, field), getattr(there, field)) for field in fields)
        yield Agreement(what, most, DOUBLE)


def check_position_null(mode: str) -> Iterator[Agreement]:
    size = sized(mode, n=(24, 5_000, 20_000), length=(4, 30, 60), p=(3, 20, 50))
    codes = sequences(size["n"], size["length"], gaps=True)
    k = 1 if mode == "simulate" else 2
    for apc in (False, True):
        here, there = (
            position_null(
                ArrayBlocks(codes, size["n"] // 2 + 1), k=k, alphabet_size=4,
                n_permutations=size["p"], normalize=apc, apc=apc, device=device,
            )
            for device in ("cpu", "cuda")
        )  # fmt: skip
        what = f"{size['p']} permutations of {size['n']:,} x {size['length']}"
        what += ", normalized, APC" * apc
        parts = ("mean", "variance", "skewness", "lowest", "maxima")
        moments = max(apart(getattr(here, part), getattr(there, part)) for part in parts)
        yield Agreement(f"moments and maxima, {what}", moments, DOUBLE)
        yield Agreement(f"counts, {what}", apart(here.n_exceeding, there.n_exceeding), EXACT)


def check_label_permutation(mode: str) -> Iterator[Agreement]:
    size = sized(mode, n=(9, 3_000, 20_000), length=(3, 30, 60), p=(1, 20, 100), pilot=(1, 64, 64))
    k = 1 if mode == "simulate" else 2
    a = sequences(size["n"], size["length"], gaps=True)
    b = sequences(2 * size["n"], size["length"], gaps=True)
    weights = np.random.default_rng(1).random(3 * size["n"])
    for n_shuffles, weighted in ((0, True), (2, False)):
        given = (weights[: size["n"]], weights[size["n"] :]) if weighted else (None, None)
        # Blocks smaller than the sets, so that several are uploaded and shuffled.
        blocks = [ArrayBlocks(codes, size["n"] // 2 + 1) for codes in (a, b)]
        sets = PooledSets(*blocks, k, 4, 0.1, *given)
        with mock.patch.object(label_permutation, "PILOT", size["pilot"]):
            here, there = (
                label_permutation.label_permutation(
                    sets, n_permutations=size["p"], n_shuffles=n_shuffles, device=device
                )
                for device in ("cpu", "cuda")
            )
        what = f"{size['p']} permutations of {3 * size['n']:,} x {size['length']}"
        what += ", weights" * weighted + ", shuffled columns" * bool(n_shuffles)
        for part in label_permutation.LabelNull.__dataclass_fields__:
            found = apart(getattr(here, part), getattr(there, part))
            yield Agreement(f"{part}, {what}", found, EXACT if part[:2] == "n_" else DOUBLE)


def check_knn_mi(mode: str) -> Iterator[Agreement]:
    for n, n_features, n_latents, k in {
        "simulate": [(23, 3, 2, 3)],
        "quick": [(127, 300, 50, 3), (5_000, 6, 4, 5)],
        "full": [(127, 3_215, 50, 3), (1_000, 70, 30, 20), (10_000, 40, 10, 3), (50_000, 6, 4, 3)],
    }[mode]:
        x, y = tables(n, n_features, n_latents)
        here, there = (knn_mi(x, y, n_neighbors=k, device=device) for device in ("cpu", "cuda"))
        what = f"{n:,} samples, {n_features:,} x {n_latents} pairs, {k} neighbours"
        yield Agreement(what, apart(here, there), EXACT)


def check_knn_null(mode: str) -> Iterator[Agreement]:
    size = sized(mode, n=(19, 127, 127), f=(3, 200, 3_215), latents=(2, 20, 50), p=(5, 64, 64))
    x, y = tables(size["n"], size["f"], size["latents"])
    observed = knn_mi(x, y, device="cpu")
    random = np.random.default_rng(1)
    orders = np.stack([random.permutation(len(x)) for _ in range(size["p"])])
    what = f"{size['p']} permutations of {size['f']:,} x {size['latents']} pairs"
    for stop in (None, 3):
        here, there = (
            knn_null(x, y, observed, orders, stop=stop, device=device) for device in ("cpu", "cuda")
        )
        ends = f"{what}, stop={stop}"
        yield Agreement(f"counts, {ends}", apart(here.n_exceeding, there.n_exceeding), EXACT)
        moments = max(apart(a, b) for a, b in zip(here[2:5], there[2:5], strict=True))
        yield Agreement(f"moments, {ends}", moments, DOUBLE)
        if stop is None:
            yield Agreement(f"maxima, {ends}", apart(here.maxima, there.maxima), DOUBLE)


def check_scan(mode: str) -> Iterator[Agreement]:
    """Survivors of half precision are those of single precision, and hold every hit."""
    size = sized(mode, nt=(400, 200_000, 4_000_000), motifs=(5, 100, 800))
    bounds, scores, first, thresholds = bounds_of_motifs(size["motifs"])
    letters = np.random.default_rng(1).integers(0, 5, size["nt"]).astype(np.int8)
    n = len(letters)
    here = bounds.survivors(letters, 0, n, "cpu")
    there = bounds.survivors(letters, 0, n, torch_place(mode), half=True)
    pairs = [np.sort(found.place * size["motifs"] + found.strand) for found in (here, there)]
    what = f"{n:,} nt, {size['motifs']} motifs"
    yield Agreement(f"survivors, {what}", apart(*pairs), EXACT)
    table = np.vstack([scores, np.zeros(scores.shape[1])])
    lost = 0
    for motif in range(0, size["motifs"], max(1, size["motifs"] // 20)):
        columns = range(first[motif], first[motif + 1])
        starts = n - len(columns) + 1
        score = sum(table[letters[i : i + starts], c] for i, c in enumerate(columns))
        hits = np.flatnonzero(score > thresholds[motif])
        lost += np.setdiff1d(hits, there.place[there.strand == motif]).size
    yield Agreement(f"hits lost, {what}", float(lost), EXACT)


def check_cwm_hits(mode: str) -> Iterator[Agreement]:
    """Both solve to one tolerance: the coefficients are as far apart as that lets them be."""
    size = sized(mode, n=(3, 40, 200), length=(60, 500, 1_000), motifs=(2, 10, 30))
    random = np.random.default_rng(0)
    matrices = random.normal(0, 0.02, (size["motifs"], 4, 12))
    letters = random.integers(0, 4, (size["motifs"], 10))
    for motif, own in enumerate(letters):
        matrices[motif, own, np.arange(1, 11)] += 1
    codes = random.integers(0, 4, (size["n"], size["length"])).astype(np.uint8)
    signal = random.normal(0, 0.3, codes.shape)
    for row, start in enumerate(random.integers(0, size["length"] - 12, size["n"])):
        codes[row, start + 1 : start + 11] = letters[row % size["motifs"]]
        signal[row, start + 1 : start + 11] += 2
    atoms = trimmed_atoms(matrices, penalty=np.full(size["motifs"], 0.7), trim=0.3,
                          complement=np.array([3, 2, 1, 0], np.uint8))  # fmt: skip
    values = np.ascontiguousarray(signal[:, :, None], np.float32)
    task = (values, codes, free_runs(codes), atoms.values, atoms.width, atoms.penalty)
    tolerance = np.full(size["n"], 1e-6 * size["length"])
    place = torch_place(mode)
    found = [
        by_coordinates(*task, tolerance=tolerance, max_steps=10_000),
        by_gradients(*task, tolerance=tolerance, max_steps=10_000, place=place),
    ]
    dense = np.zeros((2, size["n"], len(atoms.width), size["length"]))
    for at, one in enumerate(found):
        dense[at, one.sequence, one.atom, one.start] = one.coefficient
    what = f"coefficients, {size['n']} x {size['length']:,}, {len(atoms.width)} matrices"
    yield Agreement(what, apart(*dense), 1e-2)
    unsolved = float((found[1].gap > tolerance).sum())
    yield Agreement(f"sequences not solved to 1e-6, {what}", unsolved, EXACT)


def check_programs(mode: str) -> Iterator[Agreement]:
    """Single precision, many iterations: errors agree closely, weights of genes less so."""
    size = sized(mode, n=(60, 3_000, 20_000), genes=(17, 500, 2_000), k=(3, 8, 20))
    for density in (1.0, 0.2):
        values = cells(size["n"], size["genes"], size["k"], density=density)
        kind = "dense" if density == 1 else "CSR"
        places = ("cpu", torch_place(mode))
        here, there = (
            factorize(values, size["k"], seeds=[0, 1], max_iterations=30, device=place)
            for place in places
        )
        what = f"{size['n']:,} x {size['genes']:,} {kind}, {size['k']} programs, 2 runs"
        steps = [min(len(a.error), len(b.error)) for a, b in zip(here, there, strict=True)]
        error = max(
            apart(a.error[:n], b.error[:n]) for a, b, n in zip(here, there, steps, strict=True)
        )
        yield Agreement(f"error, {what}", error, 1e-4)
        weights = max(apart(a.programs, b.programs) for a, b in zip(here, there, strict=True))
        yield Agreement(f"programs, {what}", weights, 1e-2)


def check_rows(mode: str) -> Iterator[Agreement]:
    """Compare the products of tables with thin matrices, as programs need them."""
    size = sized(mode, n=(41, 3_000, 20_000), genes=(13, 500, 2_000), k=(3, 20, 100))
    place = torch.device(torch_place(mode))
    random = np.random.default_rng(0)
    right = random.random((size["k"], size["genes"]), np.float32)
    left = random.random((size["n"], size["k"]), np.float32)
    for kind, density in (("dense", 1.0), ("CSR, 20 %", 0.2), ("CSR, 1 %", 0.01)):
        values = cells(size["n"], size["genes"], 5, density=density)
        table = values if density == 1 else values.toarray()
        along = np.empty((size["n"], size["k"]), np.float32)
        scale = np.full(size["genes"], 2.0)
        rows = max(5, size["n"] // 7)
        with Passes(values, scale, place=place, rows=rows, on_device=True) as passes:
            columns = torch.from_numpy(right.T.copy()).to(place)
            on = torch.from_numpy(left.T.copy()).to(place)

            def products(block: Any, part: slice, columns: Any = columns, on: Any = on) -> Any:
                along[part] = (block @ columns).cpu().numpy()  # noqa: B023 (used at once)
                return [on[:, part] @ block]

            (across,) = passes.run(products)
        what = f"{size['n']:,} x {size['genes']:,} {kind}, {size['k']} columns"
        expected = table.astype(np.float64) / 2
        yield Agreement(f"rows, {what}", apart(expected @ right.T, along, relative=True), 1e-5)
        found = across.cpu().numpy()
        yield Agreement(f"sums, {what}", apart(left.T @ expected, found, relative=True), 1e-5)


def check_autoencoder(mode: str) -> Iterator[Agreement]:
    """Compare the losses of the first epochs: those of later ones go apart by what is rounded."""
    size = sized(mode, n=(60, 2_000, 20_000), features=(7, 200, 1_000))
    random = np.random.default_rng(0)
    values = random.standard_normal((size["n"], 3)) @ random.standard_normal((3, size["features"]))
    split = split_samples(size["n"], fraction=0.2)
    here, there = (
        train(values, split, max_epochs=3, batch_size=64, device=place)
        for place in ("cpu", torch_place(mode))
    )
    what = f"{size['n']:,} x {size['features']:,}"
    losses = apart(here.validation_loss, there.validation_loss, relative=True)
    yield Agreement(f"losses of 3 epochs, {what}", losses, 1e-3)
    latent = (encode(here.model, values, device=place) for place in ("cpu", torch_place(mode)))
    a, b = (found.embedding for found in latent)
    yield Agreement(f"latent dims of one model, {what}", apart(a, b, relative=True), 1e-5)


# -- neurons and patterns -----------------------------------------------------------------------
def check_activations(mode: str) -> Iterator[Agreement]:
    size = sized(mode, n=(3, 100, 500), length=(40, 500, 1_000), channels=(5, 32, 64))
    torch.manual_seed(0)
    layers: list[torch.nn.Module] = [torch.nn.Conv1d(4, size["channels"], 5)]
    for _ in range(2):
        both = size["channels"]
        layers += [torch.nn.ReLU(), torch.nn.Conv1d(both, both, 3), torch.nn.MaxPool1d(2)]
    codes = sequences(size["n"], size["length"], gaps=True)
    found = []
    for place in ("cpu", torch_place(mode)):
        model = torch.nn.Sequential(*layers).eval().to(place)
        traced = trace_convolutions(model, n_letters=4, length=size["length"])
        evaluator = WindowEvaluator(traced, traced.layers[-1].name)
        found.append((evaluator.maxima(codes).activation, evaluator.windows(one_hot(codes, 4))))
    what = f"{size['n']} x {size['length']:,}, {size['channels']} neurons"
    for name, here, there in zip(("maxima", "all windows"), *found, strict=True):
        yield Agreement(f"{name}, {what}", apart(here, there, relative=True), 1e-5)


def check_jaccard(mode: str) -> Iterator[Agreement]:
    size = sized(mode, n=(9, 2_000, 20_000), neighbours=(3, 50, 100), width=(6, 21, 21))
    random = np.random.default_rng(0)
    shape = (size["n"], size["width"], 4)
    forward = random.integers(-200, 200, shape).astype(np.float32)
    total = np.abs(forward).sum(axis=(1, 2))
    features = Features(forward, np.ascontiguousarray(forward[:, ::-1, ::-1]), total)
    index = random.integers(0, size["n"], (size["n"], size["neighbours"]), np.int32)
    here = best_jaccard(features, index, most_shift=2)
    there = best_jaccard_on(torch_place(mode), features, index, most_shift=2)
    yield Agreement(f"{size['n']:,} seqlets, {size['neighbours']} neighbours each",
                    apart(here, there), EXACT)  # fmt: skip


def check_kmers(mode: str) -> Iterator[Agreement]:
    """Compare sums of gapped k-mers, which come in the same order and so are the same."""
    size = sized(mode, n=(9, 1_000, 20_000), neighbours=(3, 50, 500))
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, (size["n"], 21)).astype(np.uint8)
    importance = random.normal(0.3, 1, codes.shape).astype(np.float32)
    vectors = kmer_vectors(codes, importance, np.array([3, 2, 1, 0]), n_letters=4)
    options = {"n_neighbors": size["neighbours"], "stranded": False}
    here = nearest_by_kmers(vectors, device="cpu", **options)
    with mock.patch.object(seqlet_kmers, "torch_gpu", return_value=torch_place(mode)):
        there = nearest_by_kmers(vectors, **options)
    for name, one, other in zip(here._fields, here, there, strict=True):
        yield Agreement(f"{name} of the neighbours of {size['n']:,} seqlets", apart(one, other),
                        EXACT)  # fmt: skip


def check_networks(mode: str) -> Iterator[Agreement]:
    size = sized(mode, n=(50, 20_000, 100_000), nodes=(4, 10, 13), conditions=(3, 20, 50))
    data = counted(size["n"], size["nodes"], size["conditions"])
    moments, place = moments_of(data), torch.device(torch_place(mode))
    at = some_network(size["nodes"], size["conditions"])
    what = f"{size['n']:,} cells, {size['nodes']} nodes, {size['conditions']} conditions"
    with Workers() as workers:
        for name, here, there in (
            ("exact", ExactLikelihood(moments, workers), TorchExact(moments, place)),
            ("pseudo", PseudoLikelihood(data, workers), TorchPseudo(data, place)),
        ):
            both = zip(here(*at), there(*at), strict=True)
            most = max(apart(a, b, relative=True) for a, b in both)
            yield Agreement(f"{name} likelihood and gradients, {what}", most, DOUBLE)
        chains = Chains(data, n_chains=4, seed=0, workers=workers)
        at = Network(at.coupling / size["nodes"], at.response)
        draws = chains.draw(at, n_draws=3, every=2, burn_in=1)
        moved = Network(at.coupling * 0.9, at.response * 1.1)
        here = SampledLikelihood(moments, draws, at, workers)
        there = TorchSampled(moments, draws, at, place)
        most = max(
            apart(a, b, relative=True) for a, b in zip(here(*moved), there(*moved), strict=True)
        )
        yield Agreement(f"likelihood by draws and gradients, {what}", most, DOUBLE)


def check_chains(mode: str) -> Iterator[Agreement]:
    """Compare draws: an exponential rounded otherwise may send a chain elsewhere, hardly ever."""
    from mutua.kernels.cuda.spin_sweeps import CudaChains

    size = sized(mode, n=(30, 5_000, 20_000), nodes=(3, 20, 30), chains=(2, 128, 128))
    conditions = 2 if mode == "simulate" else 40
    data = counted(size["n"], size["nodes"], conditions)
    at = some_network(size["nodes"], conditions)
    at = Network(at.coupling / size["nodes"], at.response)
    with Workers() as workers, np.errstate(over="ignore"):
        here, there = (
            kind(data, n_chains=size["chains"], seed=0, workers=workers).draw(
                at, n_draws=4 if mode == "simulate" else 32, every=2, burn_in=3
            )
            for kind in (Chains, CudaChains)
        )
    what = f"share of draws that differ, {size['nodes']} nodes, {here[..., 0].size:,} draws"
    yield Agreement(what, float((here != there).mean()), 1e-3)


CHECKS: list[tuple[str, Callable[[str], Iterator[Agreement]]]] = [
    ("position MI", check_position_mi),
    ("position MI null", check_position_null),
    ("permuted labels", check_label_permutation),
    ("knn MI", check_knn_mi),
    ("knn MI null", check_knn_null),
    ("scan", check_scan),
    ("CWM hits", check_cwm_hits),
    ("patterns", check_jaccard),
    ("neighbours of seqlets", check_kmers),
    ("neurons", check_activations),
    ("rows of tables", check_rows),
    ("oNMF", check_programs),
    ("autoencoder", check_autoencoder),
    ("network", check_networks),
    ("network chains", check_chains),
]
