"""The difference of the position mutual information of two sets, and its permuted labels.

In every permutation all sequences of both sets are dealt anew into two sets of the same sizes.
Only the smaller of them is counted: the counts of the pool do not change, so those of the other
are the difference. Where the counts of the pool do not fit into memory, both are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua._progress import PERMUTATIONS, progress_bar
from mutua.errors import InvalidInput
from mutua.kernels.pair_counts import TABLE_CELLS, Columns
from mutua.kernels.pair_engine import (
    Layout,
    all_statistics,
    check_memory,
    count_columns,
    load_columns,
    marginals_of,
    resident_bytes,
    smoothing_of,
    tabulated_terms,
)
from mutua.kernels.pair_statistics import (
    Complement,
    add_pair_counts,
    pair_statistics,
    row_cells,
)
from mutua.kernels.pooled_sequences import Deal, PooledSets
from mutua.kernels.position_mi import on_gpu, square
from mutua.kernels.position_null import shuffled_mi
from mutua.kernels.random_sequences import derived_seed
from mutua.kernels.running_moments import add_value, moments_of
from mutua.kernels.sequence_blocks import PositionTask
from mutua.kernels.threads import Workers
from mutua.settings import settings

__all__ = ["LabelNull", "label_permutation"]

BATCH = 16  # permutations whose statistics are held before they are summed up
OWN_SHUFFLES = 3  # of the columns in every permutation; the observed sets have more
PILOT = 64  # permutations beside the others that give the centre and spread of every pair


@dataclass(frozen=True)
class LabelNull:
    """What permuted labels say about the difference of two sets, for every pair of positions.

    Square arrays are (n_positions, n_positions), symmetric, NaN (0 for counts) where k-mers
    overlap or no sequence of one of the sets has both. Those over the permutations are NaN too
    where in a permutation no sequence of one of the sets had both.

    Attributes
    ----------
    mi_a, mi_b
        float64, mutual information of either set, in bits.
    independent
        float64, mean of ``mi_a - mi_b`` over shuffled columns; 0 without any.
    observed
        float64, ``mi_a - mi_b - independent``.
    mean, variance, skewness
        float64, of the same difference over the permutations, as in
        `mutua.kernels.position_null.PositionNull`.
    n_above, n_below
        int64, permutations whose difference is at least, and at most, `observed`.
    standardized
        float64, how far `observed` is from the mean of other permutations, the pilot, in their
        standard deviations; without sign.
    maxima
        (n_permutations,) float64, the largest standardized difference of any pair.
    """

    mi_a: NDArray[np.float64]
    mi_b: NDArray[np.float64]
    independent: NDArray[np.float64]
    observed: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    skewness: NDArray[np.float64]
    n_above: NDArray[np.int64]
    n_below: NDArray[np.int64]
    standardized: NDArray[np.float64]
    maxima: NDArray[np.float64]

    @property
    def n_permutations(self) -> int:
        """Number of permutations."""
        return len(self.maxima)


def label_permutation(
    sets: PooledSets,
    *,
    n_permutations: int,
    n_shuffles: int = 0,
    seed: int = 0,
    device: str | None = None,
) -> LabelNull:
    """Give the distribution of the difference of two sets when their labels mean nothing.

    In every permutation each way to deal all sequences into sets of the two sizes is equally
    likely. Weights and unknown letters stay with their sequences. Nothing is kept of a
    permutation but moments, counts and one maximum; the same bits come out whatever the number
    of threads, the blocks of the sources and the memory allowed, and on the GPU.

    Pairs differ in the spread of their null by orders of magnitude, so the maximum over pairs is
    of standardized differences. Their centres and spreads come from permutations of their own:
    the maxima of the others are then exchangeable with the one observed.

    Parameters
    ----------
    sets
        The sets.
    n_permutations
        Number of permutations, 0 for the mutual information of both sets only.
    n_shuffles
        With 1 or more, the statistic is the difference less what composition makes of it: its
        mean over so many shuffles of the columns within both sets. Each permutation is corrected
        for its own composition by `OWN_SHUFFLES` of them.
    seed
        Seed, 0 to ``2**64 - 1``.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; by default the setting.

    Returns
    -------
    LabelNull
        Moments, exceedances and maxima.

    Raises
    ------
    InvalidInput
        A set without known k-mers side by side in any sequence, or no such device.
    MemoryLimit
        As `mutua.kernels.position_mi.position_mi`, for the two sets together.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Examples
    --------
    >>> import numpy as np
    >>> from mutua.kernels.sequence_blocks import ArrayBlocks
    >>> codes = np.random.default_rng(0).integers(0, 4, (900, 6), dtype=np.uint8)
    >>> codes[:400, 5] = codes[:400, 1]
    >>> sets = PooledSets(ArrayBlocks(codes[:400]), ArrayBlocks(codes[400:]), 1, 4)
    >>> null = label_permutation(sets, n_permutations=99)
    >>> int((null.maxima >= null.standardized[1, 5]).sum())
    0
    """
    if n_permutations < 0:
        raise InvalidInput("n_permutations", f"{n_permutations}", "use at least 0")
    own_shuffles = OWN_SHUFFLES if n_shuffles else 0
    n_passes = 1 + n_shuffles
    if n_permutations:
        n_passes += (PILOT + n_permutations) * (1 + own_shuffles)
    if on_gpu(sets.pool, device, n_passes):
        from mutua.kernels.cuda.dealt_pairs import DealtPairs

        dealt = DealtPairs(sets, n_permutations, own_shuffles)
        return _label_null(sets, dealt, n_permutations, n_shuffles, seed)
    check_memory(sets.pool)
    with Workers() as workers:
        here = _OnCpu(sets, workers, own_shuffles)
        return _label_null(sets, here, n_permutations, n_shuffles, seed)


class _Counted(Protocol):
    """Where the sets dealt from a pool are counted."""

    def observed(
        self, deal: Deal, n_shuffles: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the mutual information of both sets, and its mean over shuffled columns.

        Returns
        -------
        tuple
            Two arrays (2, n_pairs); without shuffles the second is 0.
        """

    def permute(
        self,
        seed: np.uint64,
        n_permutations: int,
        observed: NDArray[np.float64],
        scales: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Go through permutations in their order.

        Parameters
        ----------
        observed, scales
            As for `_add_moments`.

        Returns
        -------
        tuple
            Moments (5, n_pairs) and maxima (n_permutations,), as `_add_moments` makes them.
        """


def _label_null(
    sets: PooledSets, counted: _Counted, n_permutations: int, n_shuffles: int, seed: int
) -> LabelNull:
    """Deal as often as wanted, after a pilot; lay out what is found."""
    task = sets.pool
    labels, pilot = (
        derived_seed(seed, f"{which} of permuted labels") for which in ("own", "pilot")
    )
    both, independent = counted.observed(sets.deal(sets.observed, seed), n_shuffles)
    if np.isnan(both).all(axis=1).any():
        raise InvalidInput(
            "codes",
            "a set without two known k-mers side by side in any sequence",
            "use sequences with fewer missing letters, a smaller k, or count gaps as a symbol",
        )
    observed = _difference(sets, both - independent)
    scales = np.full((2, task.n_pairs), np.nan)
    moments, maxima = np.zeros((5, task.n_pairs)), np.zeros(0)
    if n_permutations:
        guide, _ = counted.permute(pilot, PILOT, observed, scales)
        scales = np.stack([guide[0], np.sqrt(moments_of(guide[1], guide[2], PILOT)[0])])
        moments, maxima = counted.permute(labels, n_permutations, observed, scales)
    variance, skewness = moments_of(moments[1], moments[2], max(n_permutations, 1))
    known = ~np.isnan(observed)

    def laid_out(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return square(np.where(known, values, np.nan), task.n_positions, task.k)

    mi_a, mi_b = both if sets.a_is_smaller else both[::-1]
    return LabelNull(
        mi_a=square(mi_a, task.n_positions, task.k),
        mi_b=square(mi_b, task.n_positions, task.k),
        independent=laid_out(_difference(sets, independent)),
        observed=laid_out(observed),
        mean=laid_out(moments[0]),
        variance=laid_out(variance),
        skewness=laid_out(skewness),
        n_above=np.nan_to_num(laid_out(moments[3])).astype(np.int64),
        n_below=np.nan_to_num(laid_out(moments[4])).astype(np.int64),
        standardized=laid_out(np.vectorize(_standardize, [float])(observed, *scales)),
        maxima=maxima,
    )


def _difference(sets: PooledSets, both: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give a less b from (..., 2, n_pairs) of the smaller set and the other."""
    difference = both[..., 0, :] - both[..., 1, :]
    return difference if sets.a_is_smaller else -difference


class _OnCpu:
    """Sets dealt from a pool, counted by whichever route fits into memory."""

    def __init__(self, sets: PooledSets, workers: Workers, n_shuffles: int) -> None:
        self.sets = sets
        self.workers = workers
        self.n_shuffles = n_shuffles  # in every permutation
        self.pooled = _Pooled.load(sets.pool, workers)

    def observed(
        self, deal: Deal, n_shuffles: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        both = np.empty((2, self.sets.pool.n_pairs))
        self._statistics(deal, both, self.workers)
        if not n_shuffles:
            return both, np.zeros_like(both)
        return both, self._independent(deal, n_shuffles, self.workers)

    def permute(
        self,
        seed: np.uint64,
        n_permutations: int,
        observed: NDArray[np.float64],
        scales: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        task, workers = self.sets.pool, self.workers
        batch = min(BATCH, max(1, settings.memory // (16 * task.n_pairs)))
        alone = (
            self.pooled is not None
            and self.pooled.copies(self.sets, self.n_shuffles) >= workers.n_threads
        )
        both = np.empty((batch, 2, task.n_pairs))
        moments, maxima = np.zeros((5, task.n_pairs)), np.zeros(n_permutations)
        with progress_bar(n_permutations, *PERMUTATIONS) as done:
            for start in range(0, n_permutations, batch):
                part = both[: n_permutations - start]
                tasks = [
                    (seed, start + p, part[p], Workers(1) if alone else workers)
                    for p in range(len(part))
                ]
                if alone:
                    workers.run(self._permute, tasks)
                else:
                    for one in tasks:
                        self._permute(*one)
                values = _difference(self.sets, part)
                _add_moments(values, observed, scales, start, moments, maxima)
                done(len(part))
        return moments, maxima

    def _permute(
        self, seed: np.uint64, number: int, both: NDArray[np.float64], workers: Workers
    ) -> None:
        deal = self.sets.permuted(seed, number)
        self._statistics(deal, both, workers)
        if self.n_shuffles:
            both -= self._independent(deal, self.n_shuffles, workers)

    def _independent(self, deal: Deal, n_shuffles: int, workers: Workers) -> NDArray[np.float64]:
        """Give what shuffled columns have of mutual information, in either set."""
        return np.stack(
            [
                shuffled_mi(
                    self.sets.part(of_set),
                    n_permutations=n_shuffles,
                    seed=seed,
                    workers=workers,
                )
                for of_set, seed in zip(deal.parts, deal.seeds, strict=True)
            ]
        )

    def _statistics(self, deal: Deal, both: NDArray[np.float64], workers: Workers) -> None:
        """Fill `both` (2, n_pairs): the mutual information of either set."""
        if self.pooled is not None:
            self.pooled.statistics(self.sets, deal, both, workers)
            return
        for which, members in enumerate(deal.parts):
            all_statistics(self.sets.part(members), both[which : which + 1], workers)


@dataclass(frozen=True)
class _Pooled:
    """The k-mer columns of a pool and the counts of all its pairs, in memory.

    Attributes
    ----------
    columns
        K-mer columns of all sequences.
    counts
        (n_positions, n_kmers + 1) int64, counts of each position.
    tables
        (n_pairs, n_cells) counts of each pair.
    """

    columns: Columns
    counts: NDArray[np.int64]
    tables: NDArray[Any]

    @classmethod
    def load(cls, task: PositionTask, workers: Workers) -> _Pooled | None:
        """Read all blocks and count; None where that does not fit into memory."""
        if 2 * resident_bytes(task) > settings.memory:
            return None
        columns, _ = load_columns(task, workers)
        itemsize = 4 if task.fixed_weights is None else 8
        stride = row_cells(columns.sizes, columns.complete)
        n_cells = int(columns.sizes.max()) * stride
        needed = 2 * resident_bytes(task) + task.n_pairs * n_cells * itemsize
        if needed > settings.memory or n_cells + stride > TABLE_CELLS:
            return None
        counts, _ = count_columns(columns.codes, columns.weights, task.n_kmers, workers)
        tables = np.zeros((task.n_pairs, n_cells), np.uint32 if itemsize == 4 else np.int64)
        layout = Layout.choose(task, columns, task.alphabet_size)
        workers.run(
            add_pair_counts,
            [
                (
                    columns,
                    task.k,
                    task.alphabet_size,
                    layout.n_together,
                    layout.most_codes,
                    layout.scratch(columns),
                    0,
                    stride,
                    *part,
                    tables,
                )
                for part in workers.slices(layout.n_groups)
            ],
        )
        return cls(columns, counts, tables)

    def copies(self, sets: PooledSets, n_shuffles: int) -> int:
        """Give how many threads can have columns of their own: of a set, or both and shuffled."""
        left = settings.memory - resident_bytes(sets.pool) - self.tables.nbytes
        of_set = resident_bytes(sets.pool) * len(sets.observed) // sets.pool.n_sequences
        of_set += 2 * resident_bytes(sets.pool) if n_shuffles else 0
        return int(left // max(of_set, 1))

    def statistics(
        self,
        sets: PooledSets,
        deal: Deal,
        both: NDArray[np.float64],
        workers: Workers,
    ) -> None:
        """Fill `both` (2, n_pairs): the mutual information of either set."""
        pool, members = sets.pool, deal.parts[0]
        part, others = (sets.part(of_set) for of_set in deal.parts)
        codes = np.empty((pool.n_positions, len(members)), self.columns.codes.dtype)
        workers.run(
            _gather,
            [
                (self.columns.codes, members, codes, *piece)
                for piece in workers.slices(pool.n_positions)
            ],
        )
        fixed = part.fixed_weights
        units = self.columns.weights if fixed is None else fixed.units
        columns = self.columns._replace(codes=codes, weights=units)
        counts, _ = count_columns(codes, units, pool.n_kmers, workers)
        complement = Complement(
            self.tables,
            marginals_of(others, self.counts - counts),
            smoothing_of(others),
            tabulated_terms(others, columns),
        )
        layout = Layout.choose(part, columns, pool.alphabet_size)
        single = (int(columns.sizes.max()) + 1) * layout.stride
        layout = replace(layout, n_cells=max(layout.n_cells, single))
        marginals, terms = marginals_of(part, counts), tabulated_terms(part, columns)
        workers.run(
            pair_statistics,
            [
                layout.arguments(columns, marginals, terms, complement, *piece, both)
                for piece in workers.slices(layout.n_groups)
            ],
        )


@njit(nogil=True, cache=True)
def _gather(
    source: NDArray[Any], members: NDArray[np.uint32], target: NDArray[Any], first: int, step: int
) -> None:
    """Copy the members' codes in every `step`-th column."""
    for i in range(first, len(source), step):
        column, wanted = source[i], target[i]
        for s in range(len(members)):
            wanted[s] = column[members[s]]


@njit(nogil=True, cache=True)
def _add_moments(
    values: NDArray[np.float64],
    observed: NDArray[np.float64],
    scales: NDArray[np.float64],
    before: int,
    moments: NDArray[np.float64],
    maxima: NDArray[np.float64],
) -> None:
    """Add permutations (n, n_pairs), after `before` others, in their order.

    Parameters
    ----------
    scales
        (2, n_pairs): centre and spread of each pair; NaN for pairs that are not in the maxima.
    moments
        (5, n_pairs): as `add_value` keeps them, and the numbers of values of at least and of at
        most `observed`.
    maxima
        (n_permutations,), filled from `before` on.
    """
    for p in range(values.shape[0]):
        for pair in range(values.shape[1]):
            value = values[p, pair]
            add_value(moments[:, pair], before + p + 1, value)
            moments[3, pair] += value >= observed[pair]
            moments[4, pair] += value <= observed[pair]
            standardized = _standardize(value, scales[0, pair], scales[1, pair])
            if standardized > maxima[before + p]:
                maxima[before + p] = standardized


@njit(nogil=True, cache=True)
def _standardize(value: float, centre: float, spread: float) -> float:
    """Give the distance from the centre in spreads; infinite where nothing else ever varied."""
    distance = abs(value - centre)
    if spread == 0.0:
        return np.inf if distance > 0.0 else 0.0
    return distance / spread
