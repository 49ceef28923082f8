"""Epistasis of pairs of motifs, beside a loop over one pair of sites and one fill at a time.

No other tool has this as a function. The loop is what a user would write: the four variants of a
sequence go to the model together. It does a sample of the pairs of sites, and its time is scaled
to all of them.
"""

from __future__ import annotations

import itertools
import time

import numpy as np
import torch
import xarray as xr
from torch import nn

import mutua as mt

WORDS = ["TGATAAGG", "CACCTGAC", "ACCGGAAG", "TGACTCAT", "CCGCCCAC", "TTTCCACA", "GGGTGGGT",
         "AACAATGG", "CAAAGTCC", "ATTTGCAT", "GTGACGTC"]  # fmt: skip
N_SEQUENCES, LENGTH, N_PAIRS, N_FILLS = 200, 200, 50, 20
N_LOOPED = 40
"""Pairs of sites that the loop does."""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(4, 32, 11, padding=5), nn.ReLU(), nn.MaxPool1d(4),
        nn.Conv1d(32, 32, 5, padding=2), nn.ReLU(), nn.AdaptiveMaxPool1d(1),
        nn.Flatten(), nn.Linear(32, 1),
    ).eval()  # fmt: skip


def loop(model: nn.Module, sequences: xr.Dataset, pairs: list[tuple[str, str]]) -> float:
    """Give the seconds for one pair of sites."""
    texts = mt.pp.to_strings(sequences)
    random = np.random.default_rng(0)
    start, done = time.perf_counter(), 0
    with torch.no_grad():
        for text, (a, b) in itertools.product(texts, pairs):
            at = [text.find(word) for word in (a, b)]
            for _ in range(N_FILLS):
                variants = []
                for destroyed in ([], [0], [1], [0, 1]):
                    letters = list(text)
                    for which in destroyed:
                        letters[at[which] : at[which] + 8] = random.choice(list("ACGT"), 8)
                    variants.append([["ACGT".index(letter) == row for letter in letters]
                                     for row in range(4)])  # fmt: skip
                model(torch.tensor(variants, dtype=torch.float32))
            done += 1
            if done == N_LOOPED:
                return (time.perf_counter() - start) / done
    raise AssertionError


def main() -> None:
    sequences = mt.pp.embed_motifs(mt.pp.random_sequences(N_SEQUENCES, length=LENGTH), WORDS)
    model, motifs = network(), {word: word for word in WORDS}
    pairs = list(itertools.combinations(WORDS, 2))[:N_PAIRS]
    options = {"motifs": motifs, "strand": "forward", "batch_size": 512}
    few = sequences.isel(sequence=slice(6))
    mt.tl.motif_interactions(few, model, pairs=pairs[:2], n_fills=1, **options)  # compiles
    start = time.perf_counter()
    found = mt.tl.motif_interactions(sequences, model, pairs=pairs, n_fills=N_FILLS, **options)
    ours = time.perf_counter() - start
    n = int(found["n"].sum())
    with torch.no_grad():
        batch = torch.zeros(512, 4, LENGTH)
        model(batch)
        start = time.perf_counter()
        for _ in range(20):
            model(batch)
        alone = (time.perf_counter() - start) / 20 / 512
    n_sites = len(WORDS) * N_SEQUENCES
    share = alone * (N_SEQUENCES + N_FILLS * (n_sites + n)) / ours
    looped = loop(model, sequences, pairs) * n
    print(f"motif_interactions, {N_PAIRS} pairs in {N_SEQUENCES} x {LENGTH} nt, {N_FILLS} fills, "
          f"{n:,} pairs of sites: {ours:.1f} s ({share:.0%} in the model), loop {looped:.0f} s, "
          f"ratio {looped / ours:.1f}")  # fmt: skip
    backgrounds = mt.pp.random_sequences(N_SEQUENCES, length=LENGTH)
    start = time.perf_counter()
    rows = mt.tl.interaction_by_distance(
        backgrounds, model, motifs=motifs, pairs=pairs[:5], spacings=range(0, 100, 5)
    )
    print(f"interaction_by_distance, {rows.sizes['pair']} rows of {N_SEQUENCES} backgrounds: "
          f"{time.perf_counter() - start:.1f} s")  # fmt: skip


if __name__ == "__main__":
    main()
