"""What composition makes of the difference of the position mutual information of two sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mutua.kernels.pooled_sequences import MemberBlocks, PooledSets
from mutua.kernels.position_null import position_null
from mutua.kernels.random_sequences import derived_seed

__all__ = ["composition_difference"]

RELABELLED = 10  # pairs of sets with permuted labels whose columns are shuffled


def composition_difference(
    sets: PooledSets, *, n_shuffles: int, seed: int = 0
) -> NDArray[np.float64]:
    """Give what the k-mer composition of each position alone makes of the difference of two sets.

    The mutual information of independent positions is not 0 but a bias, which depends on the
    number of sequences and on how often each k-mer occurs, with a pseudocount more than without.
    Its difference between the sets is their mean difference with shuffled columns. The part of
    it that sets of these sizes have anyway, the same of sets with permuted labels, is taken off:
    what remains is 0 on average where the sets have the same composition.

    Parameters
    ----------
    sets
        The sets.
    n_shuffles
        Number of shuffles of the columns of the smaller set, at least 1. The larger one, whose
        mean is as certain after fewer, is shuffled as often as takes the same time.
    seed
        Seed.

    Returns
    -------
    NDArray
        (n_positions, n_positions) float64, bits; NaN where a set has no mutual information.
    """
    observed = _independent_difference(sets, sets.observed, n_shuffles, seed, 0)
    labels = derived_seed(seed, "labels of shuffled sets")
    n_sets = min(RELABELLED, n_shuffles)
    relabelled = np.zeros_like(observed)
    for number in range(n_sets):
        members = sets.dealt(labels, number)
        relabelled += _independent_difference(
            sets, members, -(-n_shuffles // n_sets), seed, number + 1
        )
    return observed - relabelled / n_sets


def _independent_difference(
    sets: PooledSets, members: NDArray[np.uint32], n_shuffles: int, seed: int, number: int
) -> NDArray[np.float64]:
    """Give the mean difference between the members and all others, columns shuffled in each."""
    pool = sets.pool
    means = []
    for which, of_set in enumerate((members, sets.others(members))):
        n_of_set = -(-n_shuffles * len(members) // len(of_set))
        null = position_null(
            MemberBlocks(pool.source, of_set),
            k=pool.k,
            alphabet_size=pool.alphabet_size,
            n_permutations=n_of_set,
            pseudocount=pool.pseudocount,
            weights=None if pool.weights is None else pool.weights[of_set],
            seed=int(derived_seed(seed, f"set {which} of {number}")),
        )
        means.append(null.mean)
    difference = means[0] - means[1]
    return difference if sets.a_is_smaller else -difference
