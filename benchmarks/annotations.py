"""Scanning, annotating and filtering as a user calls them, beside memelite and tangermeme.

Both do the same work in one process, in turns, after a first call that compiles. The ratio is how
many times the other takes of ours.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import memelite
import numpy as np
import torch
import xarray as xr
from tangermeme.seqlet import recursive_seqlets

import mutua as mt
from mutua import Annotations, Attributions
from mutua.tl import annotate, filter_annotations, scan, seqlets

N_SEQUENCES, LENGTH = 1_000, 2_000
N_SPANS = 3_000
N_HITS = 9_000_000
ROUNDS = 5


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(
    name: str, ours: Callable[[], object], others: Callable[[], object], peer: str = "memelite"
) -> None:
    """Print the least time of each, of several rounds in turns."""
    ours(), others()
    times = np.array([(seconds(ours), seconds(others)) for _ in range(ROUNDS)]).min(axis=0)
    print(f"{name}: {times[0]:.3f} s, {peer} {times[1]:.3f} s, ratio {times[1] / times[0]:.2f}")


def matrices(motifs: xr.Dataset) -> dict[str, np.ndarray]:
    return {
        name: matrix[:, :width].astype(np.float64)
        for name, matrix, width in zip(
            motifs["motif"].values.tolist(),
            motifs["probability"].values,
            motifs["length"].values,
            strict=True,
        )
    }


def random_spans(sequences: xr.Dataset) -> xr.Dataset:
    random = np.random.default_rng(0)
    start = random.integers(0, LENGTH - 25, N_SPANS)
    return Annotations.build(
        sequence_index=np.sort(random.integers(0, N_SEQUENCES, N_SPANS)),
        start=start,
        end=start + random.integers(4, 26, N_SPANS),
        sequence_length=np.full(N_SEQUENCES, LENGTH),
        source="user",
    )


def random_hits() -> xr.Dataset:
    random = np.random.default_rng(0)
    sequence, start = random.integers(0, 20_000, N_HITS), random.integers(0, 1_970, N_HITS)
    order = np.lexsort((start, sequence))
    return Annotations.build(
        sequence_index=sequence[order],
        start=start[order],
        end=start[order] + random.integers(6, 25, N_HITS),
        motif_index=random.integers(0, 1_000, N_HITS),
        p_value=random.random(N_HITS) * 1e-4,
        score=random.random(N_HITS),
        sequence_length=np.full(20_000, 2_000),
        motif=[f"m{i}" for i in range(1_000)],
        family=[f"f{i % 60}" for i in range(1_000)],
        source="user",
    )


def compare_seqlets(sequences: xr.Dataset) -> None:
    """Seqlets of projected attributions, from the attributions on, against tangermeme's."""
    random = np.random.default_rng(0)
    values = random.laplace(0, 0.01, (N_SEQUENCES, LENGTH)).astype(np.float32)
    for row in range(N_SEQUENCES):
        at = random.integers(0, LENGTH - 12)
        values[row, at : at + 10] += 0.3
    hot = mt.pp.one_hot(sequences) * values[:, None]
    facts = {"target": "signal", "method": "made up", "hypothetical": False}
    attributions = Attributions.build(sequences, attribution=hot, **facts)
    tensor = torch.from_numpy(np.asarray(hot, np.float32))
    compare(
        f"seqlets, {N_SEQUENCES:,} x {LENGTH:,} nt",
        lambda: seqlets(attributions, negative=False),
        lambda: recursive_seqlets(tensor.sum(dim=1)),
        "tangermeme",
    )


def fresh_process() -> None:
    """Print how long the first calls of a process take once everything is compiled."""
    code = (
        "import time, memelite\n"
        "import mutua as mt\n"
        "from mutua.tl import annotate, scan\n"
        "seqs, motifs = mt.pp.random_sequences(1, length=500, seed=0), mt.datasets.jaspar()\n"
        "start = time.perf_counter()\n"
        "hits = scan(seqs, motifs)\n"
        "middle = time.perf_counter()\n"
        "annotate(hits, motifs, sequences=seqs)\n"
        "print(f'{middle - start:.2f} s, {time.perf_counter() - middle:.2f} s')"
    )
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
    print(f"first scan and annotate of a process, beyond imports: {done.stdout.strip()}")


def main() -> None:
    warnings.filterwarnings("ignore", message=".* motifs can have no hits")
    motifs = mt.datasets.jaspar()
    targets = matrices(motifs)
    sequences = mt.pp.random_sequences(N_SEQUENCES, length=LENGTH, seed=0)
    one_hot = mt.pp.one_hot(sequences, dtype=np.int8)
    for n in (N_SEQUENCES, 10):
        few, letters = sequences.isel(sequence=slice(n)), np.asarray(one_hot[:n])
        compare(
            f"scan, {n:,} x {LENGTH:,} nt, {len(targets):,} motifs",
            lambda few=few: scan(few, motifs),
            lambda letters=letters: memelite.fimo(targets, letters),
        )
    compare_seqlets(sequences)
    spans = random_spans(sequences)
    rows, first, last = (spans[name].values for name in ("sequence_index", "start", "end"))
    queries = [
        np.asarray(one_hot[i, :, a:b], np.float64)
        for i, a, b in zip(rows, first, last, strict=True)
    ]
    compare(
        f"annotate, {N_SPANS:,} spans, {len(targets):,} motifs",
        lambda: annotate(spans, motifs, sequences=sequences),
        lambda: memelite.tomtom(queries, list(targets.values()), n_nearest=1),
    )
    hits = random_hits()
    for among in ("all", "family", "motif"):
        keep = functools.partial(filter_annotations, hits, best_of_overlapping=among)
        took = min(seconds(keep) for _ in range(2))
        print(f"filter, best of overlapping of {N_HITS:,} hits, {among}: {took:.1f} s")
    fresh_process()


if __name__ == "__main__":
    main()
