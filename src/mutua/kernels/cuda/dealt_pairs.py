"""Statistics of all pairs of positions of sets that are dealt from a pool, on the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from mutua._progress import PERMUTATIONS, progress_bar
from mutua.kernels.cuda.dealt_columns import DealtColumns
from mutua.kernels.cuda.difference_moments import DifferenceMoments
from mutua.kernels.cuda.launches import n_blocks, n_threads
from mutua.kernels.cuda.position_columns import empty
from mutua.kernels.cuda.position_counts import add_counts, clear
from mutua.kernels.cuda.position_entropies import summarise
from mutua.kernels.cuda.position_pairs import PairTables
from mutua.kernels.devices import free_memory
from mutua.kernels.pair_engine import smoothing_of
from mutua.kernels.pair_statistics import Smoothing
from mutua.kernels.pooled_sequences import Deal, PooledSets
from mutua.settings import settings

__all__ = ["DealtPairs"]

DEALS = 32  # whose columns are shuffled side by side, at most
THREADS = 256
BLOCKS = 2**11  # that keep a large GPU busy


class DealtPairs(PairTables):
    """The pairs of positions of sets dealt from a pool, on the GPU.

    Gives the same bits as counting on the CPU, see `mutua.kernels.label_permutation`. As there,
    what the larger set of a permutation counts is the difference to the pool, where the tables of
    all pairs fit twice. Shuffled columns are counted for both sets.

    Parameters
    ----------
    sets
        The pool, and how pairs are counted.
    n_permutations
        How many deals there will be.
    n_shuffles
        Shuffles of each set in each of them.

    Raises
    ------
    MemoryLimit
        The columns of a block of sequences or the table of a single pair do not fit into the
        memory of the GPU.
    """

    def __init__(self, sets: PooledSets, n_permutations: int, n_shuffles: int) -> None:
        pool = sets.pool
        self.sets = sets
        self.n_shuffles = n_shuffles
        of_deal = max(8 * pool.n_sequences, 16 * (1 + n_shuffles) * pool.n_pairs)
        n_deals = min(DEALS, n_permutations, settings.memory // of_deal)
        self.columns = DealtColumns(sets, max(n_deals, 1), n_shuffles)
        super().__init__(pool)
        self._pooled = self._count_pool() if n_permutations else None

    def observed(
        self, deal: Deal, n_shuffles: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the mutual information of both sets, and its mean over shuffled columns.

        Returns
        -------
        tuple
            Two arrays (2, n_pairs); without shuffles the second is 0.
        """
        both, independent = np.zeros((2, 2, self.task.n_pairs))
        room = empty((1, 1, self.task.n_pairs), np.float64)
        for number, pieces, smoothing in self.columns.versions([deal], n_shuffles):
            self.fill(pieces, smoothing, 0, room)
            of_set, shuffled = divmod(number, 1 + n_shuffles)
            values = room.copy_to_host()[0, 0]
            if shuffled:
                independent[of_set] += values
            else:
                both[of_set] = values
        return both, independent / max(n_shuffles, 1)

    def permute(
        self,
        seed: np.uint64,
        n_permutations: int,
        observed: NDArray[np.float64],
        scales: NDArray[np.float64],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Go through permutations; see `DifferenceMoments` for arguments and what it gives."""
        negated = not self.sets.a_is_smaller
        kept = DifferenceMoments(observed, scales, n_permutations, self.n_shuffles, negated=negated)
        most, per_deal = self.columns.n_deals, 2 * (1 + self.n_shuffles)
        room = empty((most * per_deal, 1, self.task.n_pairs), np.float64)
        with progress_bar(n_permutations, *PERMUTATIONS) as done:
            for start in range(0, n_permutations, most):
                numbers = range(start, min(start + most, n_permutations))
                deals = [self.sets.permuted(seed, number) for number in numbers]
                self._fill_deals(deals, room)
                kept.take_up(room[: len(deals) * per_deal], start)
                cuda.synchronize()
                done(len(deals))
        return kept.found()

    def _fill_deals(self, deals: list[Deal], room: Any) -> None:
        """Fill the statistics (deals, 2, 1 + n_shuffles) of some permutations."""
        set_size, with_others = 1 + self.n_shuffles, self._pooled is None
        versions = self.columns.versions(deals, self.n_shuffles, others=with_others)
        for number, pieces, smoothing in versions:
            self.fill(pieces, smoothing, number, room)
            deal, version = divmod(number, 2 * set_size)
            if version == 0 and not with_others:
                others = self.sets.part(deals[deal].parts[1])
                self._fill_others(smoothing_of(others), number + set_size, room)

    def _count_pool(self) -> Any:
        """Give the tables of all pairs in the pool; None where they do not fit twice."""
        free = free_memory()
        fit = free is None or 2 * self.tables.nbytes <= free
        if not (self.columns.resident and fit and len(self.passes) == 1):
            return None
        pooled = empty(len(self.tables), self.tables.dtype)
        clear(pooled)
        for piece in self.columns.pool():
            add_counts(self.layout, piece, self._tiles_of(0), pooled)
        return pooled

    def _fill_others(self, smoothing: Smoothing, which: int, statistics: Any) -> None:
        """Summarise the pool less what has just been counted, as `fill` does."""
        n_cells = len(self.tables)
        _subtract_counts[
            n_blocks(min(BLOCKS, -(-n_cells // THREADS))), n_threads(n_cells, THREADS)
        ](self._pooled, self.tables)
        summarise(self.tables, self.task.n_pairs, smoothing, 0, which, statistics)


@cuda.jit(cache=True)
def _subtract_counts(pooled, tables):
    """Turn counts into those of all other sequences of the pool."""
    for place in range(cuda.grid(1), tables.shape[0], cuda.gridsize(1)):
        tables[place] = pooled[place] - tables[place]
