"""In how many sequences each k-mer stands, on one strand or on either."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels.kmers import kmer_dtype
from mutua.kernels.letters import check_codes
from mutua.kernels.threads import Workers
from mutua.settings import settings

__all__ = ["canonical_code", "check_kmer_number", "kmer_letters", "kmer_presence"]

Codes = NDArray[np.uint8]
Counts = NDArray[np.int64]

BYTES_PER_KMER = 64  # of the counts of two sets, of their p-values and of the order of these
_BYTES_PER_TASK = 12  # a count and the last sequence that had the k-mer


def check_kmer_number(k: int, alphabet_size: int) -> None:
    """Refuse k-mers so many that a number for each does not fit into `settings.memory`.

    Raises
    ------
    InvalidInput
        `k` is below 1, or `alphabet_size` is not in 2..254.
    MemoryLimit
        There are too many k-mers; says what would fit.
    """
    most = settings.memory // BYTES_PER_KMER
    if k > 1 and alphabet_size**k > most:
        fits = next((j for j in range(k - 1, 0, -1) if alphabet_size**j <= most), 1)
        n_kmers = float(alphabet_size) ** k
        raise MemoryLimit(
            "k",
            f"{k}, of which {alphabet_size} letters make {n_kmers:.2g} k-mers "
            f"({BYTES_PER_KMER * n_kmers / 1e9:.2g} GB)",
            f"use k <= {fits}, or raise mutua.settings.memory",
        )
    kmer_dtype(k, alphabet_size)


def kmer_presence(
    codes: Codes, k: int, alphabet_size: int, *, complement: NDArray[np.uint8] | None = None
) -> tuple[Counts, int]:
    """Count the sequences that each k-mer stands in; where it stands twice, once.

    Parameters
    ----------
    codes
        uint8 (sequence, position). A k-mer with a code that is no letter is left out.
    k
        Length of the k-mers.
    alphabet_size
        Number of letters.
    complement
        uint8 (letters,) from :func:`mutua.kernels.letters.complement_codes`, to count a k-mer and
        its reverse complement as one; None for the forward strand only.

    Returns
    -------
    counts, n_places : int64 (alphabet_size**k,), int
        The first letter of a k-mer is the most significant digit of its number. With `complement`
        the smaller number of the two strands counts, and the other one has 0. `n_places` is the
        number of k-mers in all sequences.

    Raises
    ------
    InvalidInput
        If `codes`, `k` or `alphabet_size` cannot be used.
    MemoryLimit
        If there are too many k-mers.

    Examples
    --------
    >>> codes = np.array([[0, 0, 0, 1], [1, 1, 254, 0]], np.uint8)  # AAAC, CCNA
    >>> kmer_presence(codes, 2, 2)
    (array([1, 1, 0, 1]), 4)
    """
    check_kmer_number(k, alphabet_size)
    codes = check_codes(codes)
    if complement is not None and len(complement) != alphabet_size:
        found = f"{len(complement)} letters, and the alphabet has {alphabet_size}"
        raise InvalidInput("complement", found, "pass the complement of the alphabet")
    n_kmers, n = alphabet_size**k, len(codes)
    partner = np.empty(0, np.uint8) if complement is None else complement.astype(np.uint8)
    with Workers() as workers:
        n_tasks = min(workers.n_threads, settings.memory // (_BYTES_PER_TASK * n_kmers), n)
        bounds = np.linspace(0, n, max(n_tasks, 1) + 1).astype(np.int64)
        counts = [np.zeros(n_kmers, np.int64) for _ in bounds[1:]]
        places = np.zeros(len(counts), np.int64)
        workers.run(
            _count_rows,
            [
                (codes[bounds[task] : bounds[task + 1]], k, partner, alphabet_size, counts[task],
                 places[task : task + 1])
                for task in range(len(counts))
            ],
        )  # fmt: skip
    for other in counts[1:]:
        counts[0] += other
    return counts[0], int(places.sum())


@njit(cache=True, nogil=True)
def _count_rows(
    codes: Codes,
    k: int,
    complement: Codes,
    alphabet_size: int,
    counts: Counts,
    n_places: Counts,
) -> None:
    last_seen = np.zeros(counts.size, np.int32)
    size = np.int64(alphabet_size)
    highest = np.int64(counts.size // alphabet_size)  # worth of the first letter
    both = complement.size > 0
    for i in range(codes.shape[0]):
        forward = np.int64(0)
        reverse = np.int64(0)
        known = 0
        for j in range(codes.shape[1]):
            letter = np.int64(codes[i, j])
            if letter >= size:
                known = 0
                continue
            known += 1
            forward = forward % highest * size + letter
            if both:
                reverse = reverse // size + np.int64(complement[letter]) * highest
            if known < k:
                continue
            n_places[0] += 1
            kmer = min(forward, reverse) if both else forward
            if last_seen[kmer] != i + 1:
                last_seen[kmer] = i + 1
                counts[kmer] += 1


def kmer_letters(numbers: Counts, k: int, alphabet_size: int) -> Codes:
    """Give the letters of k-mers from their numbers.

    Returns
    -------
    uint8 array (kmer, k)

    Examples
    --------
    >>> kmer_letters(np.array([6]), 3, 4)
    array([[0, 1, 2]], dtype=uint8)
    """
    worth = alphabet_size ** np.arange(k - 1, -1, -1, dtype=np.int64)
    return (np.asarray(numbers)[:, None] // worth % alphabet_size).astype(np.uint8)


def canonical_code(
    word: Sequence[int] | Codes, alphabet_size: int, complement: NDArray[np.uint8] | None
) -> int:
    """Give the number under which :func:`kmer_presence` counts a k-mer.

    Examples
    --------
    >>> canonical_code([3, 3], 4, np.array([3, 2, 1, 0], np.uint8))  # TT counts as AA
    0
    """
    forward = 0
    for letter in word:
        forward = forward * alphabet_size + int(letter)
    if complement is None:
        return forward
    reverse = 0
    for letter in reversed(word):
        reverse = reverse * alphabet_size + int(complement[letter])
    return min(forward, reverse)
