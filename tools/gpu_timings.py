"""What `gpu_check.py` times: calls of kernels for GPUs, and the seconds that they should take.

Sizes are those of the modes simulate, quick and full. Simulated, every call is made once, to see
that it can be made.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from gpu_data import (
    Repeated,
    bounds_of_motifs,
    cells,
    counted,
    sequences,
    sized,
    tables,
    torch_place,
)

from mutua.kernels.knn_mi import knn_mi, knn_null
from mutua.kernels.label_permutation import label_permutation
from mutua.kernels.orthogonal_nmf import factorize
from mutua.kernels.pair_statistics import FIELDS
from mutua.kernels.pooled_sequences import PooledSets
from mutua.kernels.position_mi import position_mi
from mutua.kernels.position_null import position_null
from mutua.kernels.sequence_blocks import ArrayBlocks, PositionTask
from mutua.kernels.spin_fit import fit_network
from mutua.kernels.spin_problem import Penalty

Call = Callable[[], object]


class Timing(NamedTuple):
    """A call to time."""

    what: str
    call: Call
    target: float | None = None
    """Seconds, at full size."""


def time_position_mi(mode: str) -> Iterator[Timing]:
    from mutua.kernels.cuda.position_pairs import DevicePairs

    size = sized(mode, n=(20, 100_000, 1_000_000), length=(4, 200, 200), k=(1, 3, 3))
    source = ArrayBlocks(sequences(size["n"], size["length"]))
    task = PositionTask(source, size["k"], 4, 5.0)
    pairs = DevicePairs(task)
    fields = np.empty((len(FIELDS), task.n_pairs))
    what = f"{size['n']:,} x {size['length']} nt, k = {size['k']}"
    yield Timing(f"{what}, kernels", lambda: pairs.observed(fields), 0.05)
    whole = functools.partial(position_mi, source, k=size["k"], alphabet_size=4, device="cuda")
    yield Timing(f"{what}, with upload", whole, 0.5)


def time_streamed(mode: str) -> Iterator[Timing]:
    size = sized(mode, n=(20, 1_000_000, 10_000_000), block=(8, 2**18, 2**18), k=(1, 3, 3))
    length = 4 if mode == "simulate" else 200
    source = Repeated(sequences(size["block"], length), size["n"])
    whole = functools.partial(position_mi, source, k=size["k"], alphabet_size=4, device="cuda")
    what = f"{size['n']:,} x {length} nt, k = {size['k']}, in blocks of {size['block']:,}"
    yield Timing(what, whole, 5.0)


def time_position_null(mode: str) -> Iterator[Timing]:
    size = sized(mode, n=(20, 100_000, 100_000), length=(4, 100, 100), p=(2, 50, 1_000))
    source = ArrayBlocks(sequences(size["n"], size["length"]))
    k = 1 if mode == "simulate" else 3
    whole = functools.partial(
        position_null, source, k=k, alphabet_size=4, n_permutations=size["p"], device="cuda"
    )
    what = f"{size['p']:,} permutations of {size['n']:,} x {size['length']} nt, k = {k}"
    yield Timing(what, whole, 10.0)


def time_label_permutation(mode: str) -> Iterator[Timing]:
    size = sized(mode, n=(9, 20_000, 50_000), length=(3, 100, 100), p=(0, 50, 1_000))
    k = 1 if mode == "simulate" else 3
    a, b = np.split(sequences(2 * size["n"], size["length"]), 2)
    sets = PooledSets(ArrayBlocks(a), ArrayBlocks(b), k, 4)
    for n_shuffles in (0, 1 if mode == "simulate" else 100):
        whole = functools.partial(
            label_permutation, sets, n_permutations=size["p"], n_shuffles=n_shuffles, device="cuda"
        )
        what = f"{size['p']:,} permutations of 2 x {size['n']:,} x {size['length']} nt, k = {k}"
        yield Timing(what + ", shuffled columns" * bool(n_shuffles), whole)


def time_knn(mode: str) -> Iterator[Timing]:
    from numba import cuda

    from mutua.kernels.cuda.knn_pairs import pair_blocks

    for n, n_features, n_latents, targets in {
        "simulate": [(11, 2, 2, (None, None))],
        "quick": [(127, 320, 50, (None, None)), (10_000, 100, 10, (None, None))],
        "full": [(127, 3_215, 50, (0.01, None)), (10_000, 1_000, 10, (None, 1.0))],
    }[mode]:
        x, y = tables(n, n_features, n_latents)
        (pairs,) = pair_blocks(x, y, 3, n_features)
        shape = pairs.part(np.empty((n_features, n_latents))).shape
        every = [cuda.to_device(at) for at in np.indices(shape, np.int32).reshape(2, -1)]
        samples = cuda.to_device(pairs.samples(np.arange(n)[np.newaxis]))
        what = f"{n:,} x {n_features:,} x {n_latents}"
        kernel = functools.partial(pairs.sums, tuple(every), samples)
        yield Timing(f"{what}, kernel", kernel, targets[0])
        whole = functools.partial(knn_mi, x, y, device="cuda")
        yield Timing(f"{what}, with upload", whole, targets[1])


def time_knn_null(mode: str) -> Iterator[Timing]:
    size = sized(mode, n=(11, 127, 127), f=(2, 320, 3_215), latents=(2, 50, 50), p=(2, 1000, 1000))
    x, y = tables(size["n"], size["f"], size["latents"])
    observed = knn_mi(x, y, device="cpu")
    random = np.random.default_rng(1)
    orders = np.stack([random.permutation(len(x)) for _ in range(size["p"])])
    what = f"{size['p']:,} permutations of {size['n']} x {size['f']:,} x {size['latents']}"
    yield Timing(what, functools.partial(knn_null, x, y, observed, orders, device="cuda"), 10.0)


def time_scan(mode: str) -> Iterator[Timing]:
    size = sized(mode, nt=(500, 10**6, 10**7), motifs=(5, 1_600, 1_600))
    place = torch_place(mode)
    bounds = bounds_of_motifs(size["motifs"])[0]
    letters = np.random.default_rng(1).integers(0, 4, size["nt"]).astype(np.int8)
    tile = bounds.tile(place)

    def call() -> None:
        for start in range(0, len(letters), tile):
            bounds.survivors(letters, start, min(len(letters), start + tile), place)

    yield Timing(f"bounds of {len(letters):,} nt and {size['motifs']:,} strands", call)


def time_programs(mode: str) -> Iterator[Timing]:
    size = sized(mode, n=(40, 50_000, 1_000_000), genes=(15, 2_000, 2_000), k=(3, 30, 30))
    runs = 2 if mode == "simulate" else 10
    values = cells(size["n"], size["genes"], size["k"], density=0.05)
    call = functools.partial(
        factorize, values, size["k"], seeds=list(range(runs)), device=torch_place(mode)
    )
    what = f"{runs} runs, {size['n']:,} x {size['genes']:,} CSR, {size['k']} programs"
    yield Timing(what, call, 120.0)


def time_networks(mode: str) -> Iterator[Timing]:
    methods: list[tuple[Any, tuple[int, int, int], tuple[int, int, int]]] = [
        ("exact", (3, 13, 15), (30, 20_000, 50_000)),
        ("pseudo_likelihood", (3, 50, 50), (30, 100_000, 1_000_000)),
        ("mcmc", (3, 30, 30), (30, 20_000, 100_000)),
    ]
    n_conditions = 2 if mode == "simulate" else 50
    for method, nodes, n in methods:
        size = sized(mode, nodes=nodes, n=n)
        data = counted(size["n"], size["nodes"], n_conditions)
        penalty = Penalty(np.full((size["nodes"], size["nodes"]), 0.01))
        call = functools.partial(
            fit_network, data, penalty, method=method, device=torch_place(mode)
        )
        yield Timing(f"{method}, {size['nodes']} nodes, {size['n']:,} cells", call)


TIMINGS: list[tuple[str, Callable[[str], Iterator[Timing]]]] = [
    ("position MI", time_position_mi),
    ("position MI streamed", time_streamed),
    ("position MI null", time_position_null),
    ("permuted labels", time_label_permutation),
    ("knn MI", time_knn),
    ("knn MI null", time_knn_null),
    ("scan", time_scan),
    ("oNMF", time_programs),
    ("network", time_networks),
]
