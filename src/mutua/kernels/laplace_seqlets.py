"""Windows of high attribution against a Laplace null: the seqlets of TF-MoDISco."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from mutua.errors import InvalidInput
from mutua.kernels.recursive_seqlets import Spans
from mutua.kernels.rows import over_rows

__all__ = ["laplace_seqlets", "laplace_thresholds"]

_MOST_VALUES = 1_000_000  # windows that the thresholds are estimated from
_DRAWS = 10_000  # from the null
_QUANTILES = np.arange(1, 20) * 5 / 100
_LEAST_NULL = 0.95  # fraction of the windows that the null is taken to explain
_TINY = 1e-7


def laplace_seqlets(
    values: NDArray[np.floating],
    *,
    window: int = 21,
    flank: int = 10,
    fdr: float = 0.2,
    min_fraction: float = 0.03,
    max_fraction: float = 0.2,
    seed: int = 0,
) -> Spans:
    """Find the windows whose sum of attributions stands out from a Laplace distribution.

    In every sequence the window of the largest absolute sum is taken, then the next that does not
    come within half a window and a flank of it, and so on. The windows and thresholds are those
    of tfmodisco-lite 3.0 (for ``seed=1234``, which it always uses).

    Parameters
    ----------
    values
        (sequence, position), attribution of the letter that is there; -inf where there is none.
    window
        Letters that are summed.
    flank
        Letters added on both sides. Windows so near to an end that some are not there are left
        out.
    fdr, min_fraction, max_fraction, seed
        As for `laplace_thresholds`.

    Returns
    -------
    Spans
        With the flanks; `attribution` is the sum without them, `score` minus its absolute value.

    References
    ----------
    Shrikumar et al. 2018, Technical note on Transcription Factor Motif Discovery from Importance
    Scores (TF-MoDISco), arXiv:1811.00416.

    Examples
    --------
    >>> values = np.random.default_rng(0).laplace(0, 0.01, (50, 200))
    >>> values[7, 90:100] += 0.5
    >>> spans = laplace_seqlets(values, min_fraction=0, fdr=0.05)
    >>> best = spans.attribution.argmax()
    >>> [int(spans.sequence[best]), bool(spans.start[best] < 90 < 100 < spans.end[best])]
    [7, True]
    """
    if window < 1 or flank < 0:
        found = f"window={window} and flank={flank}"
        raise InvalidInput("window", found, "use a window of at least 1 and a flank of at least 0")
    nothing = np.zeros(0, np.int64)
    missing = values == -np.inf
    if len(values) == 0 or values.shape[1] < window + 2 * flank or missing.all():
        return Spans(nothing, nothing, nothing, np.zeros(0), np.zeros(0))
    sums = _window_sums(np.where(missing, 0, values), window)
    if missing.any():
        sums[_window_sums(missing, window) > 0] = np.nan
    high, low = laplace_thresholds(
        sums, fdr=fdr, min_fraction=min_fraction, max_fraction=max_fraction, seed=seed
    )
    parts = over_rows(
        _greedy, len(sums), sums, high, low, window, flank, row_cost=4.0 * sums.shape[1]
    )
    return Spans._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def laplace_thresholds(
    sums: NDArray[np.float64],
    *,
    fdr: float = 0.2,
    min_fraction: float = 0.03,
    max_fraction: float = 0.2,
    seed: int = 0,
) -> tuple[float, float]:
    """Give the least positive and the largest negative sum that count as a seqlet.

    A Laplace distribution with a rate for each side is fitted to the sums; isotonic regression
    against draws from it gives the precision at every sum, and the threshold is the least sum
    with a precision of at least 1 - `fdr`.

    Parameters
    ----------
    sums
        (sequence, window), NaN to be left out. More than a million are sampled.
    fdr
        False discovery rate, above 0 and below 1.
    min_fraction, max_fraction
        Fraction of the windows that pass: where it is not between them, both thresholds are moved
        to where it is.
    seed
        Of the draws and of the sample.

    Returns
    -------
    high, low : float
        ``inf`` and ``-inf`` where no sum of that sign stands out.

    Notes
    -----
    The sums are sorted before the first that passes is looked for; tangermeme 1.6 takes the first
    in the order of the input.

    Examples
    --------
    >>> sums = np.random.default_rng(0).laplace(0, 1, (40, 50))
    >>> high, low = laplace_thresholds(sums, min_fraction=0.1)
    >>> float(np.mean((sums >= high) | (sums <= low)).round(2))
    0.1
    """
    if not 0 < fdr < 1:
        raise InvalidInput("fdr", f"{fdr!r}", "use a number above 0 and below 1")
    if not 0 <= min_fraction <= max_fraction <= 1:
        found = f"{min_fraction!r} with max_fraction={max_fraction!r}"
        raise InvalidInput("min_fraction", found, "use 0 <= min_fraction <= max_fraction <= 1")
    # Without -0, equal values are the same, in whichever order they are sorted.
    values = sums[~np.isnan(sums)] + 0.0
    if not len(values):
        return np.inf, -np.inf
    null = _laplace_draws(values, seed)
    if len(values) > _MOST_VALUES:
        values = values[np.random.RandomState(seed).permutation(len(values))[:_MOST_VALUES]]
    high = _isotonic_threshold(values[values >= 0], null[null >= 0], fdr)
    low = -_isotonic_threshold(-values[values < 0], -null[null < 0], fdr)
    fraction = np.mean((values >= high) | (values <= low))
    if not min_fraction <= fraction <= max_fraction:
        wanted = min_fraction if fraction < min_fraction else max_fraction
        high = float(np.quantile(np.abs(values), 1 - wanted)) if wanted > 0 else np.inf
        low = -high
    return high, low


def _window_sums(values: NDArray[np.floating], window: int) -> NDArray[np.float64]:
    running = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, dtype=np.float64, out=running[:, 1:])
    return running[:, window:] - running[:, :-window]


def _laplace_draws(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Draw from the Laplace distribution that fits the sums, one rate for each side."""
    low, high = _modal_bin(values)
    inside = values[(low < values) & (values < high)]
    low, high = _modal_bin(inside if len(inside) else np.array([low, high]))
    centre = (low + high) / 2
    above, below = values[values >= centre] - centre, centre - values[values <= centre]
    uniform = np.random.RandomState(seed).uniform(size=(_DRAWS, 2))
    is_above = uniform[:, 0] < len(above) / (len(above) + len(below))
    size = -np.log(1 - uniform[:, 1])
    return centre + np.where(is_above, size / _rate(above), -size / _rate(below))


def _modal_bin(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    if low < high and (np.diff(np.linspace(low, high, 1001)) <= 0).any():
        return low, high  # no further apart than rounding puts equal sums
    counts, edges = np.histogram(values, bins=1000)
    peak = int(np.argmax(counts))
    return float(edges[peak]), float(edges[peak + 1])


def _rate(distances: NDArray[np.float64]) -> float:
    """Give the largest rate that any quantile of one side speaks for."""
    if not len(distances):
        return np.inf
    quantiles = np.quantile(np.sort(distances), _QUANTILES)  # faster than of unsorted ones
    apart = quantiles > 0
    return float(np.max(-np.log(1 - _QUANTILES[apart]) / quantiles[apart], initial=_TINY))


def _isotonic_threshold(
    values: NDArray[np.float64], null: NDArray[np.float64], fdr: float
) -> float:
    """Give the least value whose precision against the null is high enough; inf without any."""
    if not len(values):
        return np.inf
    if not len(null):
        return float(values.min())
    both = np.concatenate([values, null])
    is_real = np.arange(len(both)) < len(values)
    weight = np.where(is_real, 1.0, len(values) / len(null))
    # Equal values are one point of the regression.
    points, place = np.unique(both, return_inverse=True)
    total = np.bincount(place, weight)
    share = np.bincount(place, weight * is_real) / total
    fitted = np.maximum(isotonic_regression(share, weights=total).x, _TINY)
    of_null = 1.0 if fitted[0] >= 1 else max(_LEAST_NULL, min(1.0, fitted[0] / (1 - fitted[0])))
    real = share > 0
    precision = 1 + of_null * (1 - 1 / fitted[real])
    precision[-1] = 1
    return float(points[real][np.argmax(precision >= 1 - fdr)])


@njit(cache=True, nogil=True)
def _greedy(
    start: int,
    stop: int,
    sums: NDArray[np.float64],
    high: float,
    low: float,
    window: int,
    flank: int,
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.float64],
]:
    """Take windows from rows start to stop, the largest first; give them by their starts."""
    n_windows = sums.shape[1]
    apart = window // 2 + flank  # starts of windows that a taken one rules out, on both sides
    most = (stop - start) * (n_windows // max(1, apart) + 2)
    sequence, begin, end = (
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
    )
    attribution, score = np.empty(most), np.empty(most)
    left = np.empty(n_windows)
    is_taken = np.empty(n_windows, np.bool_)
    n = 0
    for row in range(start, stop):
        left[:] = -np.inf
        is_taken[:] = False
        for at in range(flank, n_windows - flank):
            if not (sums[row, at] >= high or sums[row, at] <= low) or sums[row, at] == 0:
                continue
            # A window with its flanks is the union of the windows from at - flank to at + flank.
            if not np.isnan(sums[row, at - flank : at + flank + 1].sum()):
                left[at] = abs(sums[row, at])
        while True:
            best = int(np.argmax(left))
            if left[best] == -np.inf:
                break
            is_taken[best] = True
            left[max(best - apart, 0) : best + apart + 1] = -np.inf
        for first in np.flatnonzero(is_taken):
            sequence[n], begin[n], end[n] = row, first - flank, first + window + flank
            attribution[n], score[n] = sums[row, first], -abs(sums[row, first])
            n += 1
    return (
        sequence[:n].copy(),
        begin[:n].copy(),
        end[:n].copy(),
        attribution[:n].copy(),
        score[:n].copy(),
    )
