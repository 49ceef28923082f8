"""Hits of contribution matrices on made-up attributions, beside Fi-NeMo where it is installed.

Times are of the whole call, after a first one that compiles. Fi-NeMo solves on the CPU too, for
fewer sequences, to its own tolerance, and is given the same.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable

import numpy as np
import torch
import xarray as xr

from mutua import Attributions, MotifSet
from mutua.tl import scan_contributions

WIDTH = 20
CASES = {"1,000 x 200, 10 motifs": (1_000, 200, 10), "500 x 2,000, 60 motifs": (500, 2_000, 60)}
FEWER = 50
FINEMO_TOLERANCE = 5e-4


def seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def made_up(n: int, length: int, n_motifs: int) -> tuple[xr.Dataset, xr.Dataset]:
    """Give attributions with an instance in about every 50 letters, and the motifs."""
    random = np.random.default_rng(0)
    letters = random.integers(0, 4, (n_motifs, WIDTH))
    cwms = random.normal(0, 0.02, (n_motifs, 4, WIDTH))
    for motif in range(n_motifs):
        inside = np.arange(random.integers(1, 5), random.integers(13, 19))
        cwms[motif, letters[motif, inside], inside] += random.uniform(0.5, 1.5, len(inside))
    codes = random.integers(0, 4, (n, length)).astype(np.uint8)
    values = random.normal(0, 0.1, (n, 4, length)).astype(np.float32)
    for row in range(n):
        for start in random.integers(0, length - WIDTH, length // 50):
            motif = random.integers(n_motifs)
            codes[row, start : start + WIDTH] = letters[motif]
            values[row, :, start : start + WIDTH] += random.uniform(0.3, 1.5) * cwms[motif]
    attributions = Attributions.build(
        codes, alphabet="DNA", attribution=values, target="signal", method="made up",
        hypothetical=True,
    )  # fmt: skip
    motifs = MotifSet.build(
        np.full(cwms.shape, 0.25),
        motif=[f"m{i}" for i in range(n_motifs)],
        contribution=cwms,
        alphabet="DNA",
    )
    return attributions, motifs


def finemo(attributions: xr.Dataset, motifs: xr.Dataset) -> Callable[[], object]:
    """Give Fi-NeMo's own search, on the CPU."""
    from finemo.hitcaller import fit_contribs

    cwms = motifs["contribution"].values / np.sqrt(
        (motifs["contribution"].values ** 2).sum(axis=(1, 2), keepdims=True)
    )
    cwms = np.stack([cwms, cwms[:, ::-1, ::-1]], axis=1).reshape(-1, 4, WIDTH)
    size = np.abs(cwms).sum(axis=1)
    large = size >= 0.3 * size.max(axis=1, keepdims=True)
    mask = np.maximum.accumulate(large, axis=1) & np.maximum.accumulate(large[:, ::-1], 1)[:, ::-1]
    hot = (np.arange(4)[:, None] == attributions["codes"].values[:, None]).astype(np.int8)
    values = (attributions["attribution"].values * hot).sum(axis=1)
    penalty = np.full(len(cwms), 0.7, np.float32)
    return lambda: fit_contribs(
        cwms.astype(np.float32), values, hot, mask.astype(np.float32), False, penalty,
        device=torch.device("cpu"),
    )  # fmt: skip


def main() -> None:
    for name, size in CASES.items():
        attributions, motifs = made_up(*size)
        scan_contributions(attributions.isel(sequence=slice(2)), motifs, device="cpu")
        hits = scan_contributions(attributions, motifs, device="cpu")
        took = min(
            seconds(lambda a=attributions, m=motifs: scan_contributions(a, m, device="cpu"))
            for _ in range(3)
        )
        print(f"{name}: {took:.2f} s, {hits.sizes['annotation']:,} hits")
        if torch.cuda.is_available():
            scan_contributions(attributions, motifs, device="cuda")
            took = seconds(lambda a=attributions, m=motifs: scan_contributions(a, m, device="cuda"))
            print(f"  on a GPU: {took:.2f} s")
    if importlib.util.find_spec("finemo") is None:
        return
    attributions, motifs = made_up(*CASES["1,000 x 200, 10 motifs"])
    few = attributions.isel(sequence=slice(FEWER))
    ours = seconds(
        lambda: scan_contributions(few, motifs, tolerance=FINEMO_TOLERANCE, device="cpu")
    )
    theirs = seconds(finemo(few, motifs))
    print(f"{FEWER} of them: {ours:.3f} s, Fi-NeMo {theirs:.1f} s, ratio {theirs / ours:.0f}")


if __name__ == "__main__":
    main()
