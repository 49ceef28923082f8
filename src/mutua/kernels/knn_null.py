"""The permutation null of nearest-neighbour mutual information, in one pass over permutations."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mutua._progress import PERMUTATIONS, progress_bar
from mutua.errors import InvalidInput
from mutua.kernels.knn_engine import Pairs, blocks_of_pairs, check_tables, runs_on_cuda
from mutua.kernels.running_moments import add_value, moments_of
from mutua.kernels.threads import Workers
from mutua.kernels.vectors import WIDTH
from mutua.settings import settings

__all__ = ["KnnNull", "NullState", "knn_null"]

Reals = NDArray[np.float64]
Longs = NDArray[np.int64]

_CHUNK = 2e9  # samples of all pairs and permutations between two looks at the keyboard
_MOST = 512  # permutations of a chunk
_FIRST = 16  # permutations of the first chunk where pairs may stop


class KnnNull(NamedTuple):
    """What permutations gave for every pair of columns.

    Attributes
    ----------
    n_exceeding
        (F, L) int64, permutations whose estimate is at least the observed one; 0 without test.
    n_permutations
        (F, L) int64, permutations that the pair had: fewer than given where it stopped early.
    mean, variance, skewness
        (F, L) float64, over them; NaN without test. The variance has n - 1 in the denominator
        and is NaN for one permutation; the skewness is bias-corrected, and NaN for fewer than
        three and where all are alike.
    maxima
        (P,) float64, the largest estimate of any tested pair in every permutation, in units of
        `scales` where these are given; None where pairs stop early.
    """

    n_exceeding: Longs
    n_permutations: Longs
    mean: Reals
    variance: Reals
    skewness: Reals
    maxima: Reals | None


def knn_null(
    x: Reals,
    y: Reals,
    observed: Reals,
    orders: NDArray[np.integer],
    *,
    n_neighbors: int = 3,
    stop: int | None = None,
    scales: Reals | None = None,
    device: str | None = None,
) -> KnnNull:
    """Give the distribution of `mutua.kernels.knn_mi.knn_mi` when the rows of `y` are permuted.

    Nothing is kept of a permutation but moments, counts and one maximum. Estimates of equal
    neighbour counts are equal bit for bit, so a permutation that ties with what is observed
    counts as reaching it.

    Parameters
    ----------
    x, y
        (n_samples, F) and (n_samples, L) float64, as `standardized` gives them.
    observed
        (F, L) float64, the estimates of `knn_mi`; NaN for pairs that are not tested.
    orders
        (P, n_samples) whole numbers: permutation p gives sample i row ``orders[p, i]`` of `y`.
    n_neighbors
        Number of neighbours, less than n_samples.
    stop
        Leave a pair out after so many permutations that reach what is observed: its p-value is
        then ``stop / n_permutations`` [1]_. None gives all permutations to every pair.
    scales
        (2, F, L) float64, what is taken off the estimates of a pair, and what they are divided by,
        before the largest of all is looked for.
    device
        As `mutua.kernels.knn_mi.knn_mi`.

    Returns
    -------
    KnnNull
        Moments, exceedances and maxima; the same bits whatever the number of threads and the
        memory allowed. On a GPU the moments agree to 1e-10, the others to the bit.

    Raises
    ------
    InvalidInput
        As `knn_mi`; `observed` or `scales` of another shape; orders that are no permutations of
        all samples; or a `stop` below 1.
    DeviceUnavailable, MemoryLimit
        As `knn_mi`.

    References
    ----------
    .. [1] Besag and Clifford 1991, Biometrika 78:301.

    Examples
    --------
    >>> from mutua.kernels.knn_mi import knn_mi, standardized
    >>> random = np.random.default_rng(0)
    >>> x = random.standard_normal((100, 2))
    >>> x, y = standardized(x, x[:, :1] + random.standard_normal((100, 1)), seed=0)
    >>> orders = np.stack([random.permutation(100) for _ in range(99)])
    >>> null = knn_null(x, y, knn_mi(x, y), orders)
    >>> null.n_exceeding[0].tolist(), bool(null.n_exceeding[1, 0] > 5)
    ([0], True)
    """
    check_tables(x, y, n_neighbors)
    if scales is None:
        scales = np.stack([np.zeros_like(observed), np.ones_like(observed)])
    _check_null(x, y, observed, orders, stop, scales)
    new_state = partial(NullState, observed, len(orders), stop, scales)
    if runs_on_cuda(x, y, n_neighbors, len(orders), device):
        from mutua.kernels.cuda.knn_null import permuted

        return permuted(x, y, orders, n_neighbors, new_state).summary()
    state = new_state()
    for pairs in blocks_of_pairs(x, y, n_neighbors, len(orders)):
        state.permute(pairs, orders)
    return state.summary()


def _check_null(
    x: Reals,
    y: Reals,
    observed: Reals,
    orders: NDArray[np.integer],
    stop: int | None,
    scales: Reals,
) -> None:
    shape = (x.shape[1], y.shape[1])
    if observed.shape != shape:
        raise InvalidInput("observed", f"shape {observed.shape}", f"give {shape}")
    if scales.shape != (2, *shape):
        raise InvalidInput("scales", f"shape {scales.shape}", f"give {(2, *shape)}")
    if stop is not None and stop < 1:
        raise InvalidInput("stop", f"{stop}", "use at least 1, or None")
    if orders.ndim != 2 or orders.shape[1] != len(x) or not _are_permutations(orders):
        raise InvalidInput(
            "orders", f"no permutations of {len(x)} samples", "give every sample once in every row"
        )


class NullState:
    """What is kept of the permutations so far.

    Attributes
    ----------
    first, most
        Permutations to take up at first, and at most, between two looks at which pairs stop.
    """

    most = _MOST

    def __init__(
        self, observed: Reals, n_permutations: int, stop: int | None, scales: Reals
    ) -> None:
        self.observed = observed
        self.scales = scales
        self.stop = stop
        self.first = _MOST if stop is None else _FIRST
        self.active = ~np.isnan(observed)
        self.moments = np.zeros((3, *observed.shape))
        self.exceeding = np.zeros(observed.shape, np.int64)
        self.counts = np.zeros(observed.shape, np.int64)
        self.maxima = np.full(n_permutations, -np.inf)

    def permute(self, pairs: Pairs, orders: NDArray[np.integer]) -> None:
        """Add all permutations of a block of pairs."""
        active = pairs.part(self.active)
        first, largest = 0, self.first
        with Workers() as workers, progress_bar(len(orders), *PERMUTATIONS) as done:
            while first < len(orders) and active.any():
                last = min(len(orders), first + min(largest, _chunk(pairs, int(active.sum()))))
                self._add(pairs, pairs.samples(orders[first:last]), first, workers)
                done(last - first)
                first, largest = last, min(2 * largest, self.most)

    def _add(self, pairs: Pairs, samples: NDArray[np.int32], first: int, workers: Workers) -> None:
        active = pairs.part(self.active)
        members = [np.flatnonzero(of_one) for of_one in active]
        sums = pairs.sums(members, samples, workers)
        views = [pairs.part(a) for a in (self.observed, self.exceeding, self.counts)]
        moments = [pairs.part(of_all) for of_all in (*self.moments, *self.scales)]
        tasks = [
            (
                wanted,
                sums[number],
                (pairs.highest, pairs.unit),
                self.stop or 0,
                active[number],
                *(view[number] for view in views),
                *(moment[number] for moment in moments),
            )
            for number, wanted in enumerate(members)
        ]
        maxima = self.maxima[first : first + len(samples)]
        for of_one in workers.run(_take_up, tasks):
            np.maximum(maxima, of_one, out=maxima)

    def summary(self) -> KnnNull:
        """Give what was found."""
        mean, squares, cubes = self.moments
        mean[self.counts == 0] = np.nan
        variance, skewness = np.full_like(mean, np.nan), np.full_like(mean, np.nan)
        for n in np.unique(self.counts[self.counts > 0]):
            same = self.counts == n
            variance[same], skewness[same] = moments_of(squares[same], cubes[same], int(n))
        maxima = self.maxima if self.stop is None else None
        return KnnNull(self.exceeding, self.counts, mean, variance, skewness, maxima)


def _chunk(pairs: Pairs, n_active: int) -> int:
    """Give how many permutations to do at once: whole vectors where there are enough."""
    by_time = int(_CHUNK / (n_active * pairs.n_samples))
    by_memory = settings.memory // (4 * 8 * n_active)
    n = max(1, min(by_time, by_memory))
    return n if n < WIDTH else n - n % WIDTH


@njit(cache=True, nogil=True)
def _take_up(
    members: Longs,
    sums: Longs,
    scale: tuple[float, float],
    stop: int,
    active: NDArray[np.bool_],
    observed: Reals,
    exceeding: Longs,
    counts: Longs,
    means: Reals,
    squares: Reals,
    cubes: Reals,
    centres: Reals,
    spreads: Reals,
) -> Reals:
    """Add permutations (n_members, n_orders), in their order; give the maximum of each."""
    maxima = np.full(sums.shape[1], -np.inf)
    moments = np.empty(3)
    for at, pair in enumerate(members):
        moments[0], moments[1], moments[2] = means[pair], squares[pair], cubes[pair]
        for p in range(sums.shape[1]):
            value = scale[0] - sums[at, p] / scale[1]
            counts[pair] += 1
            add_value(moments, counts[pair], value)
            maxima[p] = max(maxima[p], (value - centres[pair]) / spreads[pair])
            if value >= observed[pair]:
                exceeding[pair] += 1
                if exceeding[pair] == stop:
                    active[pair] = False
                    break
        means[pair], squares[pair], cubes[pair] = moments[0], moments[1], moments[2]
    return maxima


@njit(cache=True, nogil=True)
def _are_permutations(orders: NDArray[np.integer]) -> bool:
    seen = np.full(orders.shape[1], -1)
    for p in range(orders.shape[0]):
        for i in range(orders.shape[1]):
            row = orders[p, i]
            if row < 0 or row >= len(seen) or seen[row] == p:
                return False
            seen[row] = p
    return True
