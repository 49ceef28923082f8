"""Mutual information between the k-mers at all pairs of positions of a set of sequences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels.devices import on_cuda
from mutua.kernels.kmers import kmer_codes
from mutua.kernels.pair_engine import all_statistics, check_memory, units_of
from mutua.kernels.pair_statistics import (
    ENTROPY_I,
    ENTROPY_J,
    ENTROPY_JOINT,
    FIELDS,
    MI,
    SUPPORT_I,
    SUPPORT_J,
    SUPPORT_JOINT,
    WEIGHT,
)
from mutua.kernels.sequence_blocks import BlockSource, CountedElsewhere, PositionTask
from mutua.kernels.threads import Workers
from mutua.settings import settings

__all__ = [
    "PositionStatistics",
    "average_product",
    "miller_madow_bias",
    "normalized_mi",
    "on_gpu",
    "pair_kmer_counts",
    "position_mi",
]

MOST_CELLS_PER_SEQUENCE = 16  # of a table on the GPU; in emptier ones it reads more than it counts


@dataclass(frozen=True)
class PositionStatistics:
    """What the joint counts of every pair of positions say.

    Each array is (n_positions, n_positions) over the positions where k-mers start. All but
    `entropy` and `support` are symmetric; those are of the k-mers at the row's position, among
    the sequences whose k-mer at the column's position is known too. NaN (0 for weights and
    supports) where k-mers overlap and where no sequence has both.

    Attributes
    ----------
    mi
        float64, mutual information in bits, not clipped at 0.
    entropy
        float64, bits, of the smoothed counts of one position.
    entropy_joint
        float64, bits, of the smoothed counts of the pair.
    weight
        float64, number of sequences (sum of their weights) with both k-mers known.
    support
        int64, number of different k-mers seen at one position.
    support_joint
        int64, number of different pairs of k-mers seen.
    """

    mi: NDArray[np.float64]
    entropy: NDArray[np.float64]
    entropy_joint: NDArray[np.float64]
    weight: NDArray[np.float64]
    support: NDArray[np.int64]
    support_joint: NDArray[np.int64]


def position_mi(
    source: BlockSource,
    *,
    k: int,
    alphabet_size: int,
    pseudocount: float = 5.0,
    weights: NDArray[np.floating] | None = None,
    device: str | None = None,
) -> PositionStatistics:
    r"""Give the mutual information between the k-mers at all pairs of positions.

    With counts :math:`n_{ij}(x, y)` of N sequences with both k-mers known, an alphabet of a
    letters and :math:`\gamma` = pseudocount * N,

    .. math:: P_{ij}(x, y) = \frac{\gamma / a^{2k} + n_{ij}(x, y)}{N + \gamma}, \qquad
              MI_{ij} = H_i + H_j - H_{ij}

    where the marginals are those of the smoothed joint distribution.

    Counts and entropies are summed as integers: the same bits come out for any number of
    threads, any blocks and any amount of memory allowed, and on the GPU.

    Parameters
    ----------
    source
        Letter codes, uint8 (sequence, position); codes of `alphabet_size` and more are missing
        letters. A k-mer with a missing letter is left out of that position's counts.
    k
        Length of the k-mers.
    alphabet_size
        Number of letters, 2..254.
    pseudocount
        Pseudocount as a multiple of the number of sequences; 0 for none.
    weights
        (n_sequences,) weight of each sequence, 1 by default.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; by default the setting.

    Returns
    -------
    PositionStatistics
        Square arrays over the ``n_positions - k + 1`` k-mer positions.

    Raises
    ------
    InvalidInput
        Sequences shorter than 2k, none at all, or none with two known k-mers; a negative or
        infinite pseudocount; weights that are negative, NaN, or all 0.
    MemoryLimit
        `k` is so large that neither the k-mer codes of all sequences nor the counts of one pair
        fit into ``settings.memory``; says which k would. On the GPU, the counts of one pair do
        not fit into its memory.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    References
    ----------
    Hartonen et al. 2021, PlotMI, bioRxiv 2021.07.14.452289.

    Examples
    --------
    >>> import numpy as np
    >>> from mutua.kernels.sequence_blocks import ArrayBlocks
    >>> codes = np.array([[0, 1], [0, 1], [2, 3], [2, 3]], dtype=np.uint8)
    >>> position_mi(ArrayBlocks(codes), k=1, alphabet_size=4, pseudocount=0).mi
    array([[nan,  1.],
           [ 1., nan]])
    """
    task = PositionTask(source, k, alphabet_size, pseudocount, weights)
    fields = np.empty((len(FIELDS), task.n_pairs))
    if on_gpu(task, device):
        from mutua.kernels.cuda.position_pairs import DevicePairs

        DevicePairs(task).observed(fields)
    else:
        check_memory(task)
        with Workers() as workers:
            all_statistics(task, fields, workers)
    require_pairs(fields)
    n = task.n_positions
    return PositionStatistics(
        mi=square(fields[MI], n, k),
        entropy=square(fields[ENTROPY_I], n, k, fields[ENTROPY_J]),
        entropy_joint=square(fields[ENTROPY_JOINT], n, k),
        weight=square(fields[WEIGHT], n, k, fill=0),
        support=square(fields[SUPPORT_I], n, k, fields[SUPPORT_J], fill=0).astype(np.int64),
        support_joint=square(fields[SUPPORT_JOINT], n, k, fill=0).astype(np.int64),
    )


def on_gpu(task: PositionTask, device: str | None, n_passes: int = 1) -> bool:
    """Tell whether pairs are to be counted on the GPU, where tables are never replaced by sorting.

    Not here where the sequences are counted elsewhere.

    Parameters
    ----------
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; None for the setting.
    n_passes
        How often all pairs are counted.

    Raises
    ------
    InvalidInput, DeviceUnavailable
        As `mutua.kernels.devices.on_cuda`.
    """
    if isinstance(task.source, CountedElsewhere):
        return False
    too_empty = task.n_kmers**2 > MOST_CELLS_PER_SEQUENCE * max(task.n_sequences, 2**12)
    operations = 0.0 if too_empty else float(task.n_sequences) * task.n_pairs * n_passes
    return on_cuda(device, operations=operations)


def require_pairs(fields: NDArray[np.float64]) -> None:
    """Raise `InvalidInput` where no pair of positions is known together in any sequence."""
    if not fields[WEIGHT].any():
        raise InvalidInput(
            "codes",
            "no sequence with two known k-mers side by side",
            "use sequences with fewer missing letters, a smaller k, or count gaps as a symbol",
        )


def square(
    values: NDArray[np.float64],
    n_positions: int,
    k: int,
    transposed: NDArray[np.float64] | None = None,
    *,
    fill: float = np.nan,
) -> NDArray[np.float64]:
    """Lay out values of pairs (in the order of `pair_number`) as a square.

    Parameters
    ----------
    transposed
        Values for below the diagonal, by default the same.
    """
    j, i = np.tril_indices(n_positions, -k)
    result = np.full((n_positions, n_positions), fill, np.float64)
    result[i, j] = values
    result[j, i] = values if transposed is None else transposed
    return result


def normalized_mi(
    mi: NDArray[np.float64], entropy_joint: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give mutual information divided by joint entropy, 0..1; 0 where nothing varies.

    Martin et al. 2005, Bioinformatics 21:4116.

    Examples
    --------
    >>> import numpy as np
    >>> normalized_mi(np.array([0.5, 0.0]), np.array([2.0, 0.0]))
    array([0.25, 0.  ])
    """
    constant = entropy_joint == 0
    return np.where(constant, 0.0, mi / np.where(constant, 1.0, entropy_joint))


def average_product(mi: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the average product of a square of values, what APC subtracts from it.

    The mean of each row times the mean of each column over the mean of all: the part of the
    values that each position shares with all others, from its entropy and from phylogeny (Dunn,
    Wahl & Gloor 2008, Bioinformatics 24:333). Means are over pairs with a value.

    Parameters
    ----------
    mi
        (n_positions, n_positions), symmetric, NaN where there is no value.

    Returns
    -------
    NDArray
        The same shape; NaN where `mi` is.

    Examples
    --------
    >>> import numpy as np
    >>> average_product(np.array([[np.nan, 1, 2], [1, np.nan, 3], [2, 3, np.nan]]))
    array([[ nan, 1.5 , 1.875],
           [1.5 ,  nan, 2.5 ],
           [1.875, 2.5 ,  nan]])
    """
    known = ~np.isnan(mi)
    values = np.where(known, mi, 0.0)
    counts = known.sum(axis=0)
    sums = values.sum(axis=0)
    means = sums / np.maximum(counts, 1)
    # Added one after another, as on a GPU.
    overall = np.add.accumulate(sums)[-1] / max(counts.sum(), 1)
    product = np.outer(means, means) / overall if overall != 0 else np.zeros_like(mi)
    return np.where(known, product, np.nan)


def miller_madow_bias(statistics: PositionStatistics) -> NDArray[np.float64]:
    r"""Give the first-order bias of the mutual information without a pseudocount, in bits.

    .. math:: \frac{(K_i - 1)(K_j - 1)}{2 N_{ij} \ln 2}

    with the numbers K of k-mers seen at each position: every plug-in entropy is too small by
    (K - 1) / (2 N ln 2), and independent positions can show every pair of their k-mers (Miller
    1955; for mutual information Roulston 1999, Physica D 125:285). It is exact only for many
    more sequences than pairs of k-mers: for independent uniform 3-mers (4,096 pairs) the bias is
    0.321 bits at N = 10,000 and this gives 0.286; 0.0584 and 0.0573 at N = 50,000. With weights,
    N is their sum.

    Parameters
    ----------
    statistics
        Of a call with ``pseudocount=0``; a pseudocount removes most of this bias itself.

    Returns
    -------
    NDArray
        (n_positions, n_positions) float64; NaN where there is no mutual information.
    """
    cells = (statistics.support - 1) * (statistics.support.T - 1)
    known = ~np.isnan(statistics.mi)
    weight = np.where(known, statistics.weight, 1.0)
    return np.where(known, cells / (2 * weight * math.log(2)), np.nan)


def pair_kmer_counts(
    source: BlockSource,
    i: int,
    j: int,
    *,
    k: int,
    alphabet_size: int,
    weights: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Count the pairs of k-mers at two positions.

    Parameters
    ----------
    source, k, alphabet_size, weights
        As for `position_mi`.
    i, j
        Positions of the two k-mers, ``i + k <= j``.

    Returns
    -------
    NDArray
        (n_kmers, n_kmers) float64, sequences (or sum of weights) with k-mer x at i and y at j.

    Raises
    ------
    InvalidInput
        As `position_mi`, or for k-mers that overlap or lie outside the sequences.
    MemoryLimit
        The table would not fit into ``settings.memory``; says which k would.

    Examples
    --------
    >>> import numpy as np
    >>> from mutua.kernels.sequence_blocks import ArrayBlocks
    >>> codes = np.array([[0, 1], [0, 1], [1, 0], [254, 0]], dtype=np.uint8)
    >>> pair_kmer_counts(ArrayBlocks(codes), 0, 1, k=1, alphabet_size=2)
    array([[0., 2.],
           [1., 0.]])
    """
    task = PositionTask(source, k, alphabet_size, weights=weights)
    if not 0 <= i <= j - k < task.n_positions - k:
        raise InvalidInput(
            "i, j",
            f"{i} and {j} with k = {k} in sequences of {source.n_positions} positions",
            f"use 0 <= i, i + {k} <= j and j <= {task.n_positions - 1}",
        )
    needed = 16 * task.n_kmers**2
    if needed > settings.memory:
        fits = int(math.log(settings.memory / 16, alphabet_size) / 2 + 1e-9)
        raise MemoryLimit(
            "k",
            f"{k} makes a table of {needed / 2**20:.0f} MiB, of which "
            f"{settings.memory / 2**20:.0f} MiB are allowed",
            f"use k <= {fits}, or raise mutua.settings.memory",
        )
    counts = np.zeros((task.n_kmers, task.n_kmers), np.int64)
    for number, (start, stop) in enumerate(task.blocks):
        codes = task.read(number)
        at_i = kmer_codes(codes[:, i : i + k], k, alphabet_size)[0]
        at_j = kmer_codes(codes[:, j : j + k], k, alphabet_size)[0]
        _add_pair(at_i, at_j, units_of(task, start, stop), counts)
    unit = 1.0 if task.fixed_weights is None else task.fixed_weights.unit
    return counts * np.float64(unit)


@njit(nogil=True, cache=True)
def _add_pair(
    at_i: NDArray[np.unsignedinteger],
    at_j: NDArray[np.unsignedinteger],
    units: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    n_kmers = len(counts)
    for s in range(len(at_i)):
        if at_i[s] < n_kmers and at_j[s] < n_kmers:
            counts[at_i[s], at_j[s]] += units[s] if len(units) > 0 else 1
