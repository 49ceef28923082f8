"""Significance, one policy for the whole library: permutation p-values, tails, families.

A permutation p-value cannot fall below 1 / (n + 1); with many tests nothing could then pass a
correction for their number. Below 10 / n it is therefore taken from a gamma tail, fitted to the
moments of each test's own permutations, with the uncertainty of these allowed for. What n
permutations say of a tail ends somewhere, and so do these p-values: at 0.1 / (n + 1)**2. Next to
them stands the family-wise p-value from the maximum over all tests in every permutation, which
assumes nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincc, gammaln, ndtri_exp, stdtr

from mutua.errors import InvalidInput

__all__ = [
    "benjamini_hochberg",
    "familywise_p",
    "knn_power",
    "least_permutation_p",
    "permutation_p",
    "sequential_p",
    "two_sided_permutation_p",
]

_LEAST_SKEWNESS = 0.01  # below, a gamma distribution is a normal one for all purposes
_NULL_SHARE = 10  # simulated independent pairs for every dependent one
_CROSSED = 20  # columns on either side of simulated pairs
_EXCEEDING = 10  # with fewer permutations at or above the observed value the tail takes over
_REACH = 0.1
"""The smallest p-value, in squares of that which is counted."""


def benjamini_hochberg(p: ArrayLike, *, n_tests: int | None = None) -> NDArray[np.float64]:
    """Give the q-value of each p-value: the least false discovery rate at which it passes.

    Parameters
    ----------
    p
        p-values of any shape; NaN is no test. The number of tests is that of the others.
    n_tests
        Number of tests where there are more, of which nothing but that their p-values are larger
        is known. They count as 1, so that the q-values stay valid and can only be too large.

    Returns
    -------
    NDArray
        float64 of the same shape, NaN where `p` is.

    References
    ----------
    Benjamini and Hochberg 1995, J. R. Stat. Soc. B 57:289.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, np.nan, 0.03])
    array([0.03, 0.04,  nan, 0.04])
    >>> benjamini_hochberg([0.01, 0.04, 0.03], n_tests=6)
    array([0.06, 0.08, 0.08])
    """
    p = np.asarray(p, np.float64)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p.flat[tested], kind="stable")]
    n_tests = len(order) if n_tests is None else n_tests
    scaled = p.flat[order] * n_tests / np.arange(1, len(order) + 1)
    q = np.full(p.size, np.nan)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q.reshape(p.shape)


def permutation_p(
    observed: ArrayLike,
    n_exceeding: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    n_permutations: int,
    *,
    skewness: ArrayLike = np.nan,
    lowest: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    r"""Give one-sided p-values of statistics that are large under the alternative.

    With x of n permutations at or above the observed value, p is (1 + x) / (n + 1) where that is
    at least 10 / n [1]_. Elsewhere it is the tail of a gamma distribution with the moments of the
    permutations (the null of a mutual information without a pseudocount is asymptotically a
    scaled chi-squared, hence a gamma distribution; [2]_ fit another family). One that begins at
    `lowest` has mean and variance as its parameters; where the permutations are more skewed than
    that, it begins further up, so that its skewness is theirs too.

    A tail with moments estimated from n permutations is too thin. The gamma tail is therefore
    read as a normal quantile z, and p is the tail of the prediction for one more draw from a
    normal distribution of unknown mean and variance:

    .. math:: p = P\left(t_{(n-1)/c} > z / \sqrt{1 + c/n}\right), \qquad c = 1 + 1 / shape

    The moments of a skewed distribution are less certain; that n permutations are worth n / c was
    found by simulation, for shapes from 0.5 to 40 and n from 20 to 1,000. For the uncertainty of
    the skewness of the permutations, p is the mean over a normal distribution of it with the
    variance 6 / n (by three nodes of Gauss and Hermite).

    **How far it reaches.** p is at least 0.1 / (n + 1)**2: 1e-3 of 10 permutations, 1e-5 of 100,
    1e-7 of 1,000. Where this ends, 0.2 to 1.7 times as many null values pass as should (nearest
    neighbours, numbers, half zeros, classes, blocks; 24 and 127 samples; 4,000,000 permutations
    of each); with 90 % zeros up to 2.6 times, with a class of 5 of 127 samples up to 11 times as
    many, and further out ever more. So strong a p-value takes more permutations.

    Parameters
    ----------
    observed
        Observed statistics; NaN is no test. This and the following of shapes that broadcast.
    n_exceeding
        Number of permutations whose statistic is at least the observed one.
    mean, variance
        Moments over the permutations, the variance with n - 1 in the denominator.
    n_permutations
        Number of permutations n.
    skewness
        Skewness over the permutations; NaN where it is not known.
    lowest
        The least value that the statistic can take; minus infinity where there is none. The tail
        is then a normal one where the permutations are not skewed upwards. Where they are skewed
        downwards that is too thick, and p is (1 + x) / (n + 1) if that is less.

    Returns
    -------
    NDArray
        float64, at least 0.1 / (n + 1)**2; NaN where `observed` is. Where no tail can be fitted
        (one permutation, or all alike) p is (1 + x) / (n + 1).

    References
    ----------
    .. [1] Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9:39.
    .. [2] Knijnenburg et al. 2009, Bioinformatics 25:i161.

    Examples
    --------
    >>> permutation_p([0.02, 0.07, 0.2], [55, 0, 0], 0.02, 0.0001, 100).round(6)
    array([5.54455e-01, 7.60000e-04, 1.00000e-05])
    """
    p = _extrapolated(
        observed, n_exceeding, mean, variance, n_permutations, skewness=skewness, lowest=lowest
    )
    return np.asarray(np.maximum(p, least_permutation_p(n_permutations)))


def least_permutation_p(n_permutations: int) -> float:
    """Give the smallest p-value that so many permutations can give.

    Examples
    --------
    >>> round(least_permutation_p(999), 9)
    1e-07
    """
    return _REACH / (n_permutations + 1) ** 2


def _extrapolated(
    observed: ArrayLike,
    n_exceeding: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    n_permutations: int,
    *,
    skewness: ArrayLike = np.nan,
    lowest: ArrayLike = 0.0,
) -> NDArray[np.float64]:
    """Give the p-values of `permutation_p`, as far out as the tail goes."""
    values, exceeding, mean, variance, skewness, lowest = np.broadcast_arrays(
        *(
            np.asarray(x, np.float64)
            for x in (observed, n_exceeding, mean, variance, skewness, lowest)
        )
    )
    p = (1 + exceeding) / (n_permutations + 1)
    rare = (p < _EXCEEDING / n_permutations) & (variance > 0) & (values > mean) & (mean > lowest)
    if n_permutations > 1 and rare.any():
        deviation = np.sqrt(variance[rare])
        least_skewness = 2 * deviation / (mean[rare] - lowest[rare])
        least_skewness[np.isinf(lowest[rare])] = -np.inf
        fitted = np.fmax(np.nan_to_num(skewness[rare]), least_skewness)
        z = (values[rare] - mean[rare]) / deviation
        step = np.where(np.isnan(skewness[rare]), 0.0, np.sqrt(3 * 6 / n_permutations))
        tail = np.zeros_like(z)
        for weight, skew in (
            (2 / 3, fitted),
            (1 / 6, fitted + step),
            (1 / 6, np.maximum(fitted - step, least_skewness)),
        ):
            tail += weight * _predictive_tail(z, skew, n_permutations)
        tail = np.maximum(tail, np.finfo(np.float64).tiny)
        p[rare] = np.where(fitted < 0, np.minimum(tail, p[rare]), tail)
    return np.where(np.isnan(values), np.nan, p)


def two_sided_permutation_p(
    observed: ArrayLike,
    n_above: ArrayLike,
    n_below: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    n_permutations: int,
    *,
    skewness: ArrayLike = np.nan,
) -> NDArray[np.float64]:
    """Give two-sided p-values of statistics that may be too large or too small.

    Twice the less of the p-values of either side, at most 1; each has a tail of its own, so that
    a skewed null is allowed for.

    Parameters
    ----------
    observed, mean, variance, n_permutations, skewness
        As for `permutation_p`.
    n_above, n_below
        Number of permutations whose statistic is at least, and at most, the observed one.

    Returns
    -------
    NDArray
        float64, at least 0.2 / (n + 1)**2; NaN where `observed` is.

    Examples
    --------
    >>> two_sided_permutation_p([0.1, -0.1], [60, 1000], [945, 3], 0.0, 0.002, 1000).round(4)
    array([0.1219, 0.0256])
    """
    observed, mean, skewness = (np.asarray(x, np.float64) for x in (observed, mean, skewness))
    sides = [
        permutation_p(
            sign * observed,
            exceeding,
            sign * mean,
            variance,
            n_permutations,
            skewness=sign * skewness,
            lowest=-np.inf,
        )
        for sign, exceeding in ((1, n_above), (-1, n_below))
    ]
    return np.minimum(2 * np.minimum(*sides), 1.0)


def familywise_p(observed: ArrayLike, maxima: ArrayLike) -> NDArray[np.float64]:
    """Give p-values that account for all tests: how often any of them reaches the observed value.

    Parameters
    ----------
    observed
        Observed statistics of any shape; NaN is no test.
    maxima
        (n_permutations,) the largest statistic of all tests in every permutation.

    Returns
    -------
    NDArray
        float64 of the shape of `observed`: (1 + number of maxima at or above it) / (n + 1).

    References
    ----------
    Westfall and Young 1993, Resampling-based multiple testing.

    Examples
    --------
    >>> familywise_p([0.1, 0.35, np.nan], [0.2, 0.3, 0.4])
    array([1. , 0.5, nan])
    """
    observed = np.asarray(observed, np.float64)
    maxima = np.sort(np.asarray(maxima, np.float64))
    at_least = len(maxima) - np.searchsorted(maxima, observed, side="left")
    return np.where(np.isnan(observed), np.nan, (1 + at_least) / (len(maxima) + 1))


def sequential_p(
    n_exceeding: ArrayLike, n_permutations: ArrayLike, *, stop: int
) -> NDArray[np.float64]:
    """Give the p-values of tests whose permutations ended early.

    Parameters
    ----------
    n_exceeding, n_permutations
        Permutations that reached the observed value, and all there were, of each test.
    stop
        The number of exceedances h at which a test ended.

    Returns
    -------
    NDArray
        float64, h / n where the test ended with its h-th exceedance, at permutation n; NaN where
        it had all its permutations, and `permutation_p` is valid.

    References
    ----------
    Besag and Clifford 1991, Biometrika 78:301.

    Examples
    --------
    >>> sequential_p([10, 4], [50, 1000], stop=10)
    array([0.2, nan])
    """
    exceeding, n = np.asarray(n_exceeding), np.asarray(n_permutations)
    return np.where(exceeding >= stop, stop / np.maximum(n, 1), np.nan)


def knn_power(
    n_samples: int,
    mi: float,
    alpha: float,
    *,
    n_neighbors: int = 3,
    n_simulations: int = 1000,
    seed: int = 0,
) -> float:
    """Give the chance that a permutation test of nearest-neighbour mutual information finds a pair.

    Of a Gaussian pair with this mutual information, by simulation. A pair that depends in another
    way may be easier or harder to find. Where p-values are adjusted, `alpha` is what is left of
    the level: for the best of m pairs 0.05 / m.

    Parameters
    ----------
    n_samples
        Number of samples.
    mi
        True mutual information, nats.
    alpha
        The p-value needed, 0 to 1.
    n_neighbors
        Neighbours of the estimate, fewer than samples.
    n_simulations
        Simulated pairs; ten times as many independent ones stand for the permutations.
    seed
        Seed.

    Returns
    -------
    float
        Share of the simulated pairs with ``p <= alpha``; its standard error is at most
        ``0.5 / sqrt(n_simulations)``.

    Raises
    ------
    InvalidInput
        No more samples than neighbours, a negative mutual information, an `alpha` outside 0 to 1.

    Examples
    --------
    >>> round(knn_power(127, 0.2, 0.05, n_simulations=200), 1)
    0.9
    """
    from mutua.kernels.knn_mi import knn_mi

    if not mi >= 0 or not np.isfinite(mi):
        raise InvalidInput("mi", f"{mi}", "use nats, at least 0")
    if not 0 < alpha < 1:
        raise InvalidInput("alpha", f"{alpha}", "use a p-value above 0 and below 1")
    if n_simulations < 20:
        raise InvalidInput("n_simulations", f"{n_simulations}", "use at least 20")
    if not 1 <= n_neighbors < n_samples:
        found = f"{n_neighbors} of {n_samples} samples"
        raise InvalidInput("n_neighbors", found, "use at least 1, and fewer than samples")
    random = np.random.default_rng(seed)
    r = np.sqrt(-np.expm1(-2 * mi))

    def normal(n_columns: int) -> NDArray[np.float64]:
        return random.standard_normal((n_samples, n_columns))

    # Columns that have nothing to do with each other are independent pairs, every one with every.
    null = np.concatenate(
        [
            knn_mi(normal(_CROSSED), normal(_CROSSED), n_neighbors=n_neighbors).ravel()
            for _ in range(-(-_NULL_SHARE * n_simulations // _CROSSED**2))
        ]
    )
    estimated = np.empty(n_simulations)
    for number in range(n_simulations):
        x = normal(1)
        y = r * x + np.sqrt(1 - r * r) * normal(1)
        estimated[number] = knn_mi(x, y, n_neighbors=n_neighbors)[0, 0]
    at_least = len(null) - np.searchsorted(np.sort(null), estimated)
    centred = null - null.mean()
    skewness = float((centred**3).mean() / null.std() ** 3) if null.std() > 0 else np.nan
    p = _extrapolated(  # the null stands for more permutations than it has
        estimated,
        at_least,
        null.mean(),
        null.var(ddof=1),
        len(null),
        skewness=skewness,
        lowest=-np.inf,
    )
    return float((p <= alpha).mean())


def _predictive_tail(
    z: NDArray[np.float64], skewness: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """Give the tail beyond a standardized value, of a gamma distribution known from n draws."""
    skewed = skewness > _LEAST_SKEWNESS
    shape = 4 / np.where(skewed, skewness, 1.0) ** 2
    log_tail = _log_gamma_tail(shape, shape + z * np.sqrt(shape))
    z = np.where(skewed, -ndtri_exp(log_tail), z)
    worth = np.where(skewed, 1 + 1 / shape, 1.0)
    return np.asarray(stdtr((n - 1) / worth, -z / np.sqrt(1 + worth / n)))


def _log_gamma_tail(shape: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the logarithm of P(X >= x) for a gamma distribution of scale 1, however small."""
    tail = gammaincc(shape, x)
    small = tail < 1e-290
    a, y = shape[small], x[small]
    # Legendre's continued fraction, from the inside out; far out in the tail it needs few terms.
    fraction = y + 2 * 64 + 1 - a
    for n in range(64, 0, -1):
        fraction = y + 2 * n - 1 - a - n * (n - a) / fraction
    result = np.log(np.where(small, 1.0, tail))
    result[small] = a * np.log(y) - y - gammaln(a) - np.log(fraction)
    return result
