"""The permutation null of position mutual information, in one pass over the permutations."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua._progress import PERMUTATIONS, progress_bar
from mutua.errors import InvalidInput
from mutua.kernels.pair_counts import Columns
from mutua.kernels.pair_engine import (
    INDEPENDENT,
    all_statistics,
    check_memory,
    load_columns,
    resident_bytes,
    resident_statistics,
    shuffled_marginals,
    tiled_statistics,
)
from mutua.kernels.pair_statistics import ENTROPY_JOINT, FIELDS, MI, Marginals
from mutua.kernels.position_mi import (
    average_product,
    normalized_mi,
    on_gpu,
    require_pairs,
    square,
)
from mutua.kernels.random_sequences import check_seed
from mutua.kernels.running_moments import add_value, moments_of
from mutua.kernels.sequence_blocks import BlockSource, CountedElsewhere, PositionTask
from mutua.kernels.shuffled_columns import shuffle_columns
from mutua.kernels.threads import Workers
from mutua.settings import settings

__all__ = ["PositionNull", "fill_permuted", "position_null", "shuffle_block", "shuffled_mi"]

BATCH = 16  # permutations whose statistics are held before they are summed up
DEVICE_BATCH = 64  # on the GPU, where a thread shuffles a column and thousands are to be busy


@dataclass(frozen=True)
class PositionNull:
    """What permutations say about the statistic of every pair of positions.

    Square arrays are (n_positions, n_positions), symmetric, NaN (0 for counts) where k-mers
    overlap or no sequence has both.

    Attributes
    ----------
    observed
        float64, the statistic of the sequences as they are.
    mean
        float64, mean over the permutations.
    variance
        float64, variance over the permutations (n - 1 in the denominator); NaN for a single one.
    skewness
        float64, skewness over the permutations (bias-corrected); NaN for fewer than three and
        where all are alike.
    n_exceeding
        int64, permutations whose statistic is at least the observed one.
    lowest
        float64, the least value that the statistic can take: 0, or with the average product
        correction about minus its mean over the permutations.
    maxima
        (n_permutations,) float64, the largest statistic of any pair in every permutation.
    """

    observed: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    skewness: NDArray[np.float64]
    n_exceeding: NDArray[np.int64]
    lowest: NDArray[np.float64]
    maxima: NDArray[np.float64]

    @property
    def n_permutations(self) -> int:
        """Number of permutations."""
        return len(self.maxima)


def position_null(
    source: BlockSource,
    *,
    k: int,
    alphabet_size: int,
    n_permutations: int,
    pseudocount: float = 5.0,
    weights: NDArray[np.floating] | None = None,
    normalize: bool = False,
    apc: bool = False,
    seed: int = 0,
    device: str | None = None,
) -> PositionNull:
    """Give the distribution of the statistic of every pair when positions are independent.

    In every permutation the known k-mers of each position are shuffled among the sequences that
    have one, within every block of the source and independently of all other positions. So each
    position keeps its k-mers, its missing values and, with weights, the weight of every slot.
    The statistic is not clipped at 0.

    Permutations are never stored. They depend on the seed and the block size only, and give the
    same bits whatever the number of threads and the memory allowed. On a GPU they are made,
    corrected and summed up there.

    Parameters
    ----------
    source, k, alphabet_size, pseudocount, weights
        As for `mutua.kernels.position_mi.position_mi`.
    n_permutations
        Number of permutations, at least 1.
    normalize
        The statistic is the mutual information divided by the joint entropy.
    apc
        The statistic is corrected by the average product, in every permutation anew.
    seed
        Seed, 0 to ``2**64 - 1``.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; by default the setting.

    Returns
    -------
    PositionNull
        Moments, exceedances and maxima.

    Raises
    ------
    InvalidInput
        No permutations, or as `mutua.kernels.position_mi.position_mi`.
    MemoryLimit, DeviceUnavailable
        As `mutua.kernels.position_mi.position_mi`.

    Examples
    --------
    >>> import numpy as np
    >>> from mutua.kernels.sequence_blocks import ArrayBlocks
    >>> codes = np.random.default_rng(0).integers(0, 4, (500, 6), dtype=np.uint8)
    >>> codes[:, 5] = codes[:, 1]
    >>> null = position_null(ArrayBlocks(codes), k=1, alphabet_size=4, n_permutations=99)
    >>> int((null.maxima >= null.observed[1, 5]).sum())
    0
    """
    if n_permutations < 1:
        raise InvalidInput("n_permutations", f"{n_permutations}", "use at least 1")
    task = PositionTask(source, k, alphabet_size, pseudocount, weights)
    null = _Null(task, int(check_seed(seed)), normalize, apc)
    if on_gpu(task, device, n_permutations):
        from mutua.kernels.cuda.position_pairs import DevicePairs

        return null.on_gpu(DevicePairs(task), n_permutations)
    check_memory(task)
    if isinstance(source, CountedElsewhere):
        return null.elsewhere(
            functools.partial(source.fill_statistics, task),
            functools.partial(source.fill_permuted, task),
            source.n_together,
            n_permutations,
        )
    with Workers() as workers:
        return null.run(n_permutations, workers)


def shuffled_mi(
    task: PositionTask, *, n_permutations: int, seed: int, workers: Workers
) -> NDArray[np.float64]:
    """Give the mean mutual information of permutations as those of `position_null`.

    Parameters
    ----------
    task
        The sequences and how they are counted.
    n_permutations
        Number of permutations, at least 1.
    seed
        Seed, 0 to ``2**64 - 1``.
    workers
        Threads to use.

    Returns
    -------
    NDArray
        (n_pairs,) float64, in the order of ``np.tril_indices(n_positions, -k)``.
    """
    return _Null(task, seed, normalize=False, apc=False).mean(n_permutations, workers)


def fill_permuted(
    task: PositionTask, seed: int, first: int, statistics: NDArray[np.float64], workers: Workers
) -> None:
    """Fill `statistics` (n_permutations, n_fields, n_pairs) of permutations from `first` on.

    These are the permutations of `position_null`; the k-mers of `task` have to fit into memory
    twice.
    """
    null = _Null(task, seed, normalize=False, apc=False)
    columns, marginals = load_columns(task, workers)
    for number, part in enumerate(statistics, first):
        null._permute(columns, marginals, number, part, workers)


def shuffle_block(
    task: PositionTask,
    codes: NDArray[Any],
    number: int,
    *,
    seed: int,
    permutation: int,
    workers: Workers,
) -> None:
    """Shuffle the k-mers (n_positions, n_sequences) of one block as `position_null` does."""
    missing = np.full(task.n_positions, task.n_kmers)
    bounds = (0, codes.shape[1])
    null = _Null(task, seed, normalize=False, apc=False)
    null._shuffle(codes, missing, permutation, number, bounds, workers)


@dataclass(frozen=True)
class _Null:
    task: PositionTask
    seed: int
    normalize: bool
    apc: bool

    def run(self, n_permutations: int, workers: Workers) -> PositionNull:
        task = self.task
        fields = np.empty((len(FIELDS), task.n_pairs))
        copies = settings.memory // resident_bytes(task)
        columns, marginals = None, None
        if copies >= 2:
            columns, marginals = load_columns(task, workers)
            resident_statistics(task, columns, marginals, fields, workers, task.alphabet_size)
        else:
            all_statistics(task, fields, workers)

        def fill(first: int, values: NDArray[np.float64]) -> None:
            # A thread for each permutation where there is room for as many shuffled columns.
            if columns is not None and copies > workers.n_threads <= self.batch(BATCH):
                tasks = [
                    (columns, marginals, first + p, values[p], Workers(1))
                    for p in range(len(values))
                ]
                workers.run(self._permute, tasks)
                done(len(values))
            else:
                for p in range(len(values)):
                    self._permute(columns, marginals, first + p, values[p], workers)
                    done(1)

        with progress_bar(n_permutations, *PERMUTATIONS) as done:
            return self.summarise(fields, n_permutations, BATCH, fill)

    def elsewhere(
        self,
        fill_observed: Callable[[NDArray[np.float64]], None],
        fill_permuted: Callable[[int, int, NDArray[np.float64]], None],
        n_together: int,
        n_permutations: int,
    ) -> PositionNull:
        """Go through permutations that are counted by other processes.

        Parameters
        ----------
        fill_observed
            Fills (n_fields, n_pairs) with the statistics of the sequences as they are.
        fill_permuted
            Fills (n, n_fields, n_pairs) with those of n permutations of a seed, from a first one.
        n_together
            Permutations to ask for at a time.
        """
        fields = np.empty((len(FIELDS), self.task.n_pairs))
        fill_observed(fields)
        fill = functools.partial(fill_permuted, self.seed)
        return self.summarise(fields, n_permutations, n_together, fill)

    def on_gpu(self, pairs: Any, n_permutations: int) -> PositionNull:
        """Go through permutations without leaving the GPU.

        Parameters
        ----------
        pairs
            `mutua.kernels.cuda.position_pairs.DevicePairs`.
        """
        fields = np.empty((len(FIELDS), self.task.n_pairs))
        pairs.observed(fields)
        require_pairs(fields)
        observed = self._statistic(fields[np.newaxis])[0][0]
        moments, maxima, subtracted = pairs.moments(
            self.seed,
            observed,
            n_permutations,
            self.batch(DEVICE_BATCH),
            normalize=self.normalize,
            apc=self.apc,
        )
        return self._summary(observed, moments, subtracted / n_permutations, maxima)

    def batch(self, most: int) -> int:
        """Give the permutations, at most `most`, whose statistics may be held."""
        return min(most, max(1, settings.memory // (8 * self.n_fields * self.task.n_pairs)))

    @property
    def n_fields(self) -> int:
        """Number of statistics that are needed of a permutation."""
        return len(FIELDS) if self.normalize else 1

    def summarise(
        self,
        fields: NDArray[np.float64],
        n_permutations: int,
        most: int,
        fill: Callable[[int, NDArray[np.float64]], None],
    ) -> PositionNull:
        """Go through the permutations.

        Parameters
        ----------
        fields
            (len(FIELDS), n_pairs), the statistics of the sequences as they are.
        most
            Permutations whose statistics are held, at most.
        fill
            Fills an array (n, n_fields, n_pairs) with the statistics of n permutations, from a
            first one on.
        """
        require_pairs(fields)
        task = self.task
        values = np.empty((self.batch(most), self.n_fields, task.n_pairs))
        observed = self._statistic(fields[np.newaxis])[0][0]
        subtracted = np.zeros(task.n_pairs)
        moments = np.zeros((4, task.n_pairs))
        maxima = np.full(n_permutations, -np.inf)
        for start in range(0, n_permutations, len(values)):
            part = values[: n_permutations - start]
            fill(start, part)
            statistic, product = self._statistic(part)
            _add_moments(statistic, observed, start, moments, maxima)
            for row in product:
                subtracted += row
        return self._summary(observed, moments, subtracted / n_permutations, maxima)

    def mean(self, n_permutations: int, workers: Workers) -> NDArray[np.float64]:
        task = self.task
        columns, marginals = None, None
        if settings.memory // resident_bytes(task) >= 2:
            columns, marginals = load_columns(task, workers)
        total, values = np.zeros(task.n_pairs), np.empty((1, task.n_pairs))
        for permutation in range(n_permutations):
            self._permute(columns, marginals, permutation, values, workers)
            total += values[0]
        return total / n_permutations

    def _summary(
        self,
        observed: NDArray[np.float64],
        moments: NDArray[np.float64],
        subtracted: NDArray[np.float64],
        maxima: NDArray[np.float64],
    ) -> PositionNull:
        mean, squares, cubes, exceeding = moments
        known = ~np.isnan(observed)
        variance, skewness = moments_of(squares, cubes, len(maxima))

        def laid_out(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return square(np.where(known, values, np.nan), self.task.n_positions, self.task.k)

        return PositionNull(
            observed=laid_out(observed),
            mean=laid_out(mean),
            variance=laid_out(variance),
            skewness=laid_out(skewness),
            n_exceeding=np.nan_to_num(laid_out(exceeding)).astype(np.int64),
            lowest=laid_out(0 - subtracted),
            maxima=maxima,
        )

    def _permute(
        self,
        columns: Columns | None,
        marginals: Marginals | None,
        permutation: int,
        statistics: NDArray[np.float64],
        workers: Workers,
    ) -> None:
        """Fill `statistics` (n_fields, n_pairs) of one permutation."""
        task = self.task
        if columns is None or marginals is None:

            def shuffle(codes: NDArray[Any], number: int) -> None:
                shuffle_block(
                    task,
                    codes,
                    number,
                    seed=self.seed,
                    permutation=permutation,
                    workers=workers,
                )

            tiled_statistics(task, statistics, workers, shuffle)
            return
        shuffled = columns._replace(codes=columns.codes.copy())
        for number, bounds in enumerate(task.blocks):
            self._shuffle(shuffled.codes, columns.sizes, permutation, number, bounds, workers)
        marginals = shuffled_marginals(task, shuffled, marginals, workers)
        resident_statistics(task, shuffled, marginals, statistics, workers, INDEPENDENT)

    def _shuffle(
        self,
        codes: NDArray[Any],
        missing: NDArray[np.int64],
        permutation: int,
        number: int,
        bounds: tuple[int, int],
        workers: Workers,
    ) -> None:
        workers.run(
            shuffle_columns,
            [
                (codes, missing, np.uint64(self.seed), permutation, number, *bounds, *part)
                for part in workers.slices(len(codes))
            ],
        )

    def _statistic(
        self, fields: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the statistic and the average product subtracted, both (n, n_pairs).

        Parameters
        ----------
        fields
            (n, n_fields, n_pairs) of n permutations.
        """
        mi = np.ascontiguousarray(fields[:, MI])
        if self.normalize:
            mi = normalized_mi(mi, fields[:, ENTROPY_JOINT])
        if not self.apc:
            return mi, np.zeros_like(mi)
        n, k = self.task.n_positions, self.task.k
        pairs = np.tril_indices(n, -k)
        product = np.stack([average_product(square(row, n, k))[pairs] for row in mi])
        return mi - product, product


@njit(nogil=True, cache=True)
def _add_moments(
    values: NDArray[np.float64],
    observed: NDArray[np.float64],
    before: int,
    moments: NDArray[np.float64],
    maxima: NDArray[np.float64],
) -> None:
    """Add permutations (n, n_pairs), after `before` others, in their order.

    Parameters
    ----------
    moments
        (4, n_pairs): as `add_value` keeps them, and the number of values of at least `observed`.
    maxima
        (n_permutations,), filled from `before` on.
    """
    for p in range(values.shape[0]):
        for pair in range(values.shape[1]):
            value = values[p, pair]
            if np.isnan(value):
                continue
            add_value(moments[:, pair], before + p + 1, value)
            moments[3, pair] += value >= observed[pair]
            maxima[before + p] = max(maxima[before + p], value)
