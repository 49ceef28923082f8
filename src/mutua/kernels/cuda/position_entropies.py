"""From joint counts to the entropies of pairs of positions, on the GPU.

The arithmetic is that of `mutua.kernels.entropy` and `mutua.kernels.pair_statistics`, operation
by operation. A product that is added to something is made by `product`: CUDA would otherwise
contract the two into one operation with one rounding, and give other bits than the CPU.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from numba import cuda, types

from mutua.kernels.cuda.launches import n_blocks, n_threads
from mutua.kernels.devices import simulated
from mutua.kernels.entropy import LOG2_E, SQRT_HALF_BITS
from mutua.kernels.pair_statistics import (
    ENTROPY_I,
    ENTROPY_J,
    ENTROPY_JOINT,
    MI,
    SUPPORT_I,
    SUPPORT_J,
    SUPPORT_JOINT,
    WEIGHT,
    Smoothing,
)

__all__ = ["product", "summarise"]

THREADS = 256

# The sums of a block of threads.
N_SUMS = 7
TOTAL, TERMS_JOINT, TERMS_I, TERMS_J, OCCUPIED_JOINT, OCCUPIED_I, OCCUPIED_J = range(N_SUMS)

if simulated():
    product = operator.mul
else:
    from numba.cuda import libdevice

    @cuda.jit(device=True)
    def product(a, b):
        """Give a * b, rounded by itself."""
        return libdevice.dmul_rn(a, b)


def summarise(
    tables: Any,
    n_pairs: int,
    smoothing: Smoothing,
    first_pair: int,
    which: int,
    statistics: Any,
) -> None:
    """Fill the statistics of some pairs from their tables.

    Parameters
    ----------
    tables
        (n_tables * n_cells,) uint32 or int64 on the GPU, the tables of the pairs first.
    n_pairs
        Number of pairs.
    smoothing
        How counts become probabilities.
    first_pair
        Number of the first pair.
    which
        Which of the permutations.
    statistics
        (n_permutations, n_fields, n_pairs) float64 on the GPU; of one field, only the mutual
        information is given.
    """
    threads = n_threads(int(smoothing.n_kmers) ** 2, THREADS)
    _summarise[n_blocks(n_pairs), threads](
        tables, n_pairs, *smoothing, first_pair, which, statistics
    )


@cuda.jit(device=True)
def _log2(x):
    """Give log2 of a positive normal number; see `mutua.kernels.entropy`."""
    bits = np.float64(x).view(np.int64)
    exponent = (bits - SQRT_HALF_BITS) >> np.int64(52)
    fraction = np.int64(bits - (exponent << np.int64(52))).view(np.float64) - 1.0
    s = fraction / (2.0 + fraction)
    z = product(s, s)
    w = product(z, z)
    even = 0.22222198432149784 + product(w, 0.15313837699209373)
    even = product(w, 0.3999999999940942 + product(w, even))
    odd = 0.1818357216161805 + product(w, 0.14798198605116586)
    odd = 0.2857142874366239 + product(w, odd)
    odd = product(z, 0.6666666666666735 + product(w, odd))
    half = product(product(0.5, fraction), fraction)
    rest = fraction - (half - product(s, half + even + odd))
    return np.float64(exponent) + product(rest, LOG2_E)


@cuda.jit(device=True)
def _f(x):
    """Give x log2(x)."""
    if x > 0.0:
        return product(x, _log2(x))
    return 0.0


@cuda.jit(device=True)
def _term(count, unit, added, base, scale):
    """Give the term of a count in the sum of an entropy, in fixed point."""
    smoothed = product(np.float64(count), unit) + added
    term = product(product(smoothed, _log2(smoothed)) - base, scale)
    return np.int64(math.floor(term + 0.5))


@cuda.jit(device=True)
def _entropy(terms, weight, pseudocount, n_bins, scale):
    """Give the entropy, in bits, of a table from its sum of terms; NaN for an empty table."""
    if weight <= 0.0:
        return np.nan
    smoothed = product(weight, 1.0 + pseudocount)
    empty = product(n_bins, _f(product(pseudocount, weight) / n_bins))
    return _log2(smoothed) - (empty + np.float64(terms) / scale) / smoothed


@cuda.jit(cache=True)
def _summarise(tables, n_pairs, pseudocount, kmers, unit, scale, first_pair, which, statistics):
    """Summarise one table per block; `kmers` is the number of k-mers as float64.

    Threads add to sums of their own, and these to those of the block.
    """
    if cuda.blockIdx.x >= n_pairs:
        return
    sums = cuda.shared.array(N_SUMS, types.int64)
    for number in range(cuda.threadIdx.x, N_SUMS, cuda.blockDim.x):
        sums[number] = 0
    cuda.syncthreads()
    n_kmers = np.int64(kmers)
    n_cells = n_kmers * n_kmers
    first = cuda.blockIdx.x * n_cells
    total = np.int64(0)
    for cell in range(cuda.threadIdx.x, n_cells, cuda.blockDim.x):
        total += np.int64(tables[first + cell])
    cuda.atomic.add(sums, TOTAL, total)
    cuda.syncthreads()
    weight = np.float64(sums[TOTAL]) * unit
    added = pseudocount * weight / (kmers * kmers)
    base = _f(added)
    terms = np.int64(0)
    support = np.int64(0)
    for cell in range(cuda.threadIdx.x, n_cells, cuda.blockDim.x):
        count = np.int64(tables[first + cell])
        if count > 0:
            terms += _term(count, unit, added, base, scale)
            support += 1
    cuda.atomic.add(sums, TERMS_JOINT, terms)
    cuda.atomic.add(sums, OCCUPIED_JOINT, support)
    added = pseudocount * weight / kmers
    base = _f(added)
    for kmer in range(cuda.threadIdx.x, n_kmers, cuda.blockDim.x):
        at_i = np.int64(0)
        at_j = np.int64(0)
        for other in range(n_kmers):
            at_i += np.int64(tables[first + other * n_kmers + kmer])
            at_j += np.int64(tables[first + kmer * n_kmers + other])
        if at_i > 0:
            cuda.atomic.add(sums, TERMS_I, _term(at_i, unit, added, base, scale))
            cuda.atomic.add(sums, OCCUPIED_I, 1)
        if at_j > 0:
            cuda.atomic.add(sums, TERMS_J, _term(at_j, unit, added, base, scale))
            cuda.atomic.add(sums, OCCUPIED_J, 1)
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        pair = first_pair + cuda.blockIdx.x
        entropy_joint = _entropy(sums[TERMS_JOINT], weight, pseudocount, kmers * kmers, scale)
        entropy_i = _entropy(sums[TERMS_I], weight, pseudocount, kmers, scale)
        entropy_j = _entropy(sums[TERMS_J], weight, pseudocount, kmers, scale)
        statistics[which, MI, pair] = entropy_i + entropy_j - entropy_joint
        if statistics.shape[1] > 1:
            statistics[which, ENTROPY_I, pair] = entropy_i
            statistics[which, ENTROPY_J, pair] = entropy_j
            statistics[which, ENTROPY_JOINT, pair] = entropy_joint
            statistics[which, WEIGHT, pair] = weight
            statistics[which, SUPPORT_I, pair] = sums[OCCUPIED_I]
            statistics[which, SUPPORT_J, pair] = sums[OCCUPIED_J]
            statistics[which, SUPPORT_JOINT, pair] = sums[OCCUPIED_JOINT]
