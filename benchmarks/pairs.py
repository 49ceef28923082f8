"""Counts, pairs and spacings of annotations beside tangermeme, and on many hits.

Each case runs in a process of its own, so that its peak memory is its own; it is given less that
of the imports and the annotations themselves.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from mutua.models.annotations import Annotations
from mutua.tl.annotation_counts import count_annotations
from mutua.tl.motif_pairs import pair_annotations
from mutua.tl.pair_spacings import pair_spacings

CASES = {
    "19,421 annotations, 200 motifs": (19_421, 2_000, 1_000, 200, 100),
    "1,000,000 annotations, 1,019 motifs": (1_000_000, 100_000, 500, 1_019, 100),
    "9,000,000 hits, 1,019 motifs": (9_000_000, 10_000, 2_000, 1_019, 200),
}


def resident_mib(line_start: str) -> float:
    """Give the resident memory of this process, now (VmRSS) or at its peak (VmHWM)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(line_start):
            return int(line.split()[1]) / 1024
    raise OSError("no such line: this benchmark needs Linux")


def annotations(n: int, n_sequences: int, length: int, n_motifs: int) -> xr.Dataset:
    """Give hits at random places; few enough ones do not overlap, as tangermeme wants it."""
    random = np.random.default_rng(0)
    width = random.integers(6, 20, n_motifs)
    motif = random.integers(0, n_motifs, n)
    sequence = np.sort(random.integers(0, n_sequences, n))
    start = (random.random(n) * (length - width[motif] + 1)).astype(np.int32)
    if n < 10**5:
        per_sequence = length // 20
        place = np.sort(random.choice(n_sequences * per_sequence, n, replace=False))
        sequence, start = place // per_sequence, place % per_sequence * 20
    return Annotations.build(
        sequence_index=sequence, start=start, end=start + width[motif], motif_index=motif,
        strand=random.choice([-1, 1], n), sequence_length=np.full(n_sequences, length),
        motif=[f"m{i}" for i in range(n_motifs)], source="scan",
    )  # fmt: skip


def timed(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def case(name: str, what: str) -> dict[str, float]:
    *sizes, max_distance = CASES[name]
    small = annotations(200, 100, 100, 5)
    calls: dict[str, Callable[[xr.Dataset], object]] = {
        "counts": count_annotations,
        "pairs, counts only": lambda ann: pair_annotations(ann, test=None),
        "pairs": pair_annotations,
        "spacings": lambda ann: pair_spacings(ann, max_distance=max_distance, overlap="drop"),
    }
    calls[what](small)
    made = annotations(*sizes)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident_mib("VmRSS")
    seconds = timed(lambda: calls[what](made), 1 if sizes[0] > 10**6 else 3)
    result = {"seconds": seconds, "peak_mib": resident_mib("VmHWM") - before}
    if sizes[0] < 10**5:
        result["tangermeme"] = with_tangermeme(made, what, max_distance)
    return result


def with_tangermeme(made: xr.Dataset, what: str, max_distance: int) -> float:
    import torch
    from tangermeme import annotate

    names = ("sequence_index", "motif_index", "start", "end")
    table = torch.from_numpy(np.stack([made[name].values for name in names], axis=1))
    calls: dict[str, Callable[[], object]] = {
        "counts": lambda: annotate.count_annotations(table[:, :2], dtype=torch.int32),
        "pairs": lambda: annotate.pairwise_annotations(table[:, :2]),
        "spacings": lambda: annotate.pairwise_annotations_spacing(table, max_distance),
    }
    return timed(calls[what.removesuffix(", counts only")], 2)


def main() -> None:
    if len(sys.argv) == 3:
        print(json.dumps(case(*sys.argv[1:])))
        return
    for name in CASES:
        for what in ("counts", "pairs, counts only", "pairs", "spacings"):
            command = [sys.executable, "-m", "benchmarks.pairs", name, what]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            line = f"{name}, {what}: {found['seconds']:.3f} s, {found['peak_mib']:.0f} MiB"
            if "tangermeme" in found:
                times = found["tangermeme"] / found["seconds"]
                line += f"; tangermeme {found['tangermeme']:.4f} s, {times:.1f} times as fast"
            print(line, flush=True)


if __name__ == "__main__":
    main()
