"""Patterns of planted motifs: time, memory and what is found, beside tfmodisco-lite.

The peer runs where ``modiscolite`` can be imported and PEER=1 is set, or PEER=all for the large set
too: it takes minutes. Both run with their defaults, once, after a first call that compiles.
"""

from __future__ import annotations

import os
import resource
import time

import numpy as np

import mutua as mt
from mutua import Attributions
from mutua.tl import patterns

MOTIFS = ("AGATAAGGCA", "GCCACGTGAC", "TTTCCGGAAGTG")
LETTERS = "ACGT"


def planted(n: int, length: int, *, seed: int = 0) -> Attributions:
    """Attributions with noise, half of which have each motif, with a tenth of its letters other."""
    random = np.random.default_rng(seed)
    sequences = mt.pp.random_sequences(n, length=length, seed=seed)
    codes = sequences["codes"].values.copy()
    values = random.normal(0, 0.02, (n, 4, length))
    for row in range(n):
        for place, motif in enumerate(MOTIFS):
            if random.random() < 0.5:
                continue
            letters = np.array([LETTERS.index(one) for one in motif])
            says = np.where(np.arange(4)[:, None] == letters, 1.0, -0.3)
            start = int(random.integers(place * length // 3 + 2, (place + 1) * length // 3 - 14))
            other = random.random(len(letters)) < 0.1
            letters[other] = random.integers(0, 4, other.sum())
            if random.random() < 0.5:
                letters, says = 3 - letters[::-1], says[::-1, ::-1]
            codes[row, start : start + len(letters)] = letters
            values[row, :, start : start + len(letters)] += says * random.uniform(0.15, 0.45)
    sequences = mt.SequenceSet.build(codes, alphabet="DNA")
    facts = {"target": "signal", "method": "made up", "hypothetical": True}
    return Attributions.build(sequences, attribution=values.astype(np.float32), **facts)


def report(name: str, found: dict[str, int], took: float) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{name}: {took:.1f} s, peak {peak:.2f} GiB so far; {found}", flush=True)


def ours(attributions: Attributions) -> None:
    start = time.perf_counter()
    found = patterns(attributions)
    took = time.perf_counter() - start
    names = found.motifs["motif"].values.tolist()
    sites = found.motifs["n_sites"].values.astype(int).tolist()
    report("tl.patterns", dict(zip(names, sites, strict=True)), took)


def peer(attributions: Attributions) -> None:
    try:
        from modiscolite.tfmodisco import TFMoDISco
    except ImportError as error:
        print(f"no tfmodisco-lite here ({error})")
        return
    one_hot = np.asarray(mt.pp.one_hot(attributions, dtype=np.float32)).transpose(0, 2, 1)
    values = attributions["attribution"].values.transpose(0, 2, 1)
    start = time.perf_counter()
    found = TFMoDISco(
        one_hot=one_hot, hypothetical_contribs=values, max_seqlets_per_metacluster=20_000
    )
    took = time.perf_counter() - start
    signs = zip(("pos", "neg"), found, strict=True)
    sites = {
        f"{sign}_{place}": len(pattern.seqlets)
        for sign, part in signs
        for place, pattern in enumerate(part or [])
    }
    report("tfmodisco-lite", sites, took)


def main() -> None:
    patterns(planted(60, 150))
    asked = os.environ.get("PEER")
    for n, length in ((1_000, 200), (14_000, 200)):
        attributions = planted(n, length)
        print(f"{n:,} x {length} nt")
        ours(attributions)
        if asked == "all" or (asked == "1" and n == 1_000):
            peer(attributions)


if __name__ == "__main__":
    main()
