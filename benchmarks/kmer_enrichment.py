"""Tables of enriched k-mers beside scikit-learn and scipy, and the time that motifs take.

The other counts the words of every sequence with ``CountVectorizer``, which reads one strand, and
tests them with ``hypergeom.sf``; the least time of each counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import xarray as xr
from scipy.stats import hypergeom
from sklearn.feature_extraction.text import CountVectorizer

import mutua as mt

N, LENGTH, K = 10_000, 200, 8
MOTIFS = {
    "WGATAAGR": 0.3,
    "TGACTCA": 0.2,
    "CCAATCA": 0.1,
    "TGCTGANNNTCAGCA": 0.1,
    "GGGGCGGGG": 0.05,
}


def least_seconds(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def with_others(own: list[str], other: list[str]) -> dict[str, float]:
    """Give the p-value of every k-mer, from scikit-learn's counts and scipy's test."""
    vectorizer = CountVectorizer(
        analyzer="char", ngram_range=(K, K), binary=True, lowercase=False, dtype=np.int32
    )
    table = vectorizer.fit_transform([*own, *other])
    a = np.asarray(table[: len(own)].sum(axis=0))[0]
    total = np.asarray(table.sum(axis=0))[0]
    p = hypergeom.sf(a - 1, len(own) + len(other), total, len(own))
    return dict(zip(vectorizer.get_feature_names_out(), p, strict=True))


def planted() -> tuple[xr.Dataset, xr.Dataset]:
    own, other = (mt.pp.random_sequences(N, length=LENGTH, seed=seed) for seed in (0, 1))
    for seed, (motif, fraction) in enumerate(MOTIFS.items()):
        own = mt.pp.embed_motifs(own, motif, fraction=fraction, seed=seed)
    return own, other


def main() -> None:
    own, other = planted()

    def ours() -> xr.Dataset:
        return mt.tl.kmer_enrichment(own, background=other, k=K, strand="forward")

    texts = [mt.pp.to_strings(part) for part in (own, other)]
    expected = with_others(*texts)
    table = ours()
    theirs = [expected[kmer] for kmer in table["kmer"].values]
    np.testing.assert_allclose(table["p_value"], theirs, rtol=1e-6)
    seconds, slow = least_seconds(ours, 3), least_seconds(lambda: with_others(*texts), 2)
    print(
        f"table of {K}-mers, 2 x {N:,} x {LENGTH} nt: {seconds:.2f} s, scikit-learn and scipy "
        f"{slow:.1f} s, {slow / seconds:.0f} times as fast",
        flush=True,
    )
    for k in (6, K, 10):
        motifs = mt.tl.enriched_kmers(own, background=other, k=k)
        seconds = least_seconds(lambda k=k: mt.tl.enriched_kmers(own, background=other, k=k), 3)
        print(f"motifs, k = {k}: {seconds:.2f} s, {', '.join(motifs['motif'].values)}", flush=True)
    few = mt.tl.enriched_kmers(own, k=K)
    seconds = least_seconds(lambda: mt.tl.enriched_kmers(own, k=K), 2)
    print(f"motifs against 5 shuffles: {seconds:.2f} s, {few.sizes['motif']} motifs", flush=True)


if __name__ == "__main__":
    main()
