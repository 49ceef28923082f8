"""Position mutual information beside the compiled histogram loop that anyone would write first.

Both run in this process on the same sequences, several times; the least time of each counts.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from mutua.kernels.kmers import kmer_codes
from mutua.kernels.position_mi import position_mi
from mutua.kernels.position_null import position_null
from mutua.kernels.sequence_blocks import ArrayBlocks


@njit(parallel=True, nogil=True)
def naive_mi(columns: NDArray[np.uint8], k: int, n_kmers: int) -> NDArray[np.float64]:
    """One int32 histogram per pair, parallel over i; no pseudocount, no missing letters."""
    n_positions, n_sequences = columns.shape
    result = np.full((n_positions, n_positions), np.nan)
    for i in prange(n_positions):
        for j in range(i + k, n_positions):
            counts = np.zeros(n_kmers * n_kmers, np.int32)
            for s in range(n_sequences):
                counts[columns[i, s] * n_kmers + columns[j, s]] += 1
            result[i, j] = result[j, i] = (
                entropy(counts.reshape(n_kmers, n_kmers).sum(axis=1), n_sequences)
                + entropy(counts.reshape(n_kmers, n_kmers).sum(axis=0), n_sequences)
                - entropy(counts, n_sequences)
            )
    return result


@njit(nogil=True)
def entropy(counts: NDArray[np.int32], total: int) -> float:
    bits = 0.0
    for count in counts:
        if count > 0:
            bits -= count / total * np.log2(count / total)
    return bits


def least_seconds(call: Callable[[], object], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def beside_naive(
    label: str, codes: NDArray[np.uint8], k: int, alphabet_size: int, repeats: int
) -> None:
    def ours() -> NDArray[np.float64]:
        return position_mi(ArrayBlocks(codes), k=k, alphabet_size=alphabet_size, pseudocount=0).mi

    def naive() -> NDArray[np.float64]:
        return naive_mi(kmer_codes(codes, k, alphabet_size), k, alphabet_size**k)

    np.testing.assert_allclose(ours(), naive(), rtol=0, atol=1e-12)
    seconds, before = least_seconds(ours, repeats), least_seconds(naive, repeats)
    print(
        f"{label}: {1e3 * seconds:.1f} ms, naive {1e3 * before:.1f} ms, "
        f"{before / seconds:.1f} times as fast",
        flush=True,
    )


def alignment(n_sequences: int, n_positions: int, size: int) -> NDArray[np.uint8]:
    """Columns of unequal conservation."""
    rng = np.random.default_rng(0)
    columns = [
        rng.choice(size, n_sequences, p=rng.dirichlet(np.full(size, 0.3)))
        for _ in range(n_positions)
    ]
    return np.ascontiguousarray(np.array(columns, np.uint8).T)


def main() -> None:
    rng = np.random.default_rng(0)
    position_mi(ArrayBlocks(np.zeros((10, 9), np.uint8)), k=3, alphabet_size=4)
    imported = peak_mib()
    million = rng.integers(0, 4, (1_000_000, 200), dtype=np.uint8)
    start = time.perf_counter()
    position_mi(ArrayBlocks(million), k=3, alphabet_size=4)
    print(
        f"1,000,000 x 200 nt, k = 3: {time.perf_counter() - start:.2f} s, "
        f"peak memory {peak_mib() - imported:.0f} MiB, of which codes {million.nbytes / 2**20:.0f}",
        flush=True,
    )
    del million

    even = rng.integers(0, 4, (49_261, 100), dtype=np.uint8)
    skewed = rng.choice(4, (49_261, 100), p=[0.85, 0.05, 0.05, 0.05]).astype(np.uint8)
    for k in (3, 2, 1):
        beside_naive(f"49,261 x 100 nt, k = {k}", even, k, 4, 7)
    beside_naive("49,261 x 100 nt, k = 3, 85 % one letter", skewed, 3, 4, 7)
    small = np.ascontiguousarray(even[:10_000, :53])
    beside_naive("10,000 x 53 nt, k = 3", small, 3, 4, 20)
    proteins = alignment(2767, 135, 21)
    beside_naive("2,767 x 135 aa and gap, k = 1", proteins, 1, 21, 7)

    def once() -> object:
        return position_mi(ArrayBlocks(small), k=3, alphabet_size=4)

    def permuted() -> object:
        return position_null(ArrayBlocks(small), k=3, alphabet_size=4, n_permutations=100)

    runs = least_seconds(permuted, 3) / least_seconds(once, 20)
    print(f"10,000 x 53 nt, k = 3: 100 permutations cost {runs:.0f} runs", flush=True)
    weights = rng.random(len(proteins))
    for label, size, options in (
        ("gap a letter", 21, {}),
        ("gaps dropped", 20, {}),
        ("gaps dropped, weights, APC", 20, {"weights": weights, "apc": True}),
    ):
        start = time.perf_counter()
        position_null(
            ArrayBlocks(proteins),
            k=1,
            alphabet_size=size,
            n_permutations=1000,
            pseudocount=0.1,
            **options,  # type: ignore[arg-type]
        )
        seconds = time.perf_counter() - start
        print(f"2,767 x 135 aa, {label}: 1,000 permutations {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
