"""Whether values differ between sequences that activate a neuron and those that do not."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["FEWEST", "GroupTests", "compare_groups"]

Floats = npt.NDArray[np.float64]

FEWEST = 6
"""Fewer in a group are not compared: 2 give t-tests with p below 1e-4 in 4 % of cases by chance."""

_CONFIDENCE = 0.95
_EXACT = 8
"""Up to this many in the smaller group, ranks without ties have an exact distribution."""


class GroupTests(NamedTuple):
    """One row a neuron; NaN where a group is too small.

    Attributes
    ----------
    n_active, n_silent
        int64 (neuron,).
    mean_active, mean_silent
        float64 (neuron,).
    effect, effect_low, effect_high
        Difference of the means, at equal covariates if there are any, and its 95 % confidence
        interval.
    cohen_d
        It in standard deviations within the groups.
    rank_effect
        Difference of the mean ranks in halves of all ranks, at equal covariates if there are
        any: without them, the rank-biserial correlation. None without ranks.
    p_value
        Two-sided.
    """

    n_active: npt.NDArray[np.int64]
    n_silent: npt.NDArray[np.int64]
    mean_active: Floats
    mean_silent: Floats
    effect: Floats
    effect_low: Floats
    effect_high: Floats
    cohen_d: Floats
    rank_effect: Floats | None
    p_value: Floats


def compare_groups(
    values: npt.ArrayLike,
    active: npt.NDArray[np.bool_],
    counted: npt.NDArray[np.bool_],
    covariates: npt.ArrayLike | None = None,
    *,
    test: Literal["rank", "mean"] = "rank",
) -> GroupTests:
    """Compare values between two groups of sequences, for every neuron.

    Parameters
    ----------
    values
        float (sequence,), finite.
    active
        bool (sequence, neuron): which group.
    counted
        bool (sequence,): which sequences are in a group at all.
    covariates
        float (sequence, covariate), finite.
    test
        What p-values are of. ``"rank"``: the Mann-Whitney test; with covariates, a linear
        regression of the ranks (Quade), which as that takes the groups to be spread alike.
        ``"mean"``: Welch's t-test; with covariates, a linear regression with standard errors that
        allow for unequal variances (HC3), and Welch's degrees of freedom of the parts that the
        two groups have in them.

    References
    ----------
    Welch 1947, Biometrika 34:28; Mann and Whitney 1947, Annals of Mathematical Statistics 18:50;
    Quade 1967, Journal of the American Statistical Association 62:1187 (ranks and covariates);
    MacKinnon and White 1985, Journal of Econometrics 29:305 (HC3).

    Examples
    --------
    >>> values = [1.0, 2.0, 3.0, 4.0, 4.5, 6.5, 3.5, 6.0, 7.0, 8.0, 8.5, 9.0]
    >>> active = np.repeat([False, True], 6)[:, None]
    >>> tests = compare_groups(values, active, np.ones(12, bool))
    >>> tests.effect.round(3), tests.rank_effect.round(3), tests.p_value.round(3)
    (array([3.5]), array([0.778]), array([0.026]))
    """
    y = np.asarray(values, np.float64)[counted]
    groups = active[counted].astype(np.float64)
    n_1 = groups.sum(axis=0)
    n_0 = len(y) - n_1
    # Shifted by the mean: sums of squares then keep their digits.
    middle = y.mean() if len(y) else 0.0
    shifted = y - middle
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_1, mean_0 = (shifted @ g / n for g, n in ((groups, n_1), (1 - groups, n_0)))
        squares_1 = shifted**2 @ groups - n_1 * mean_1**2
        squares_0 = shifted**2 @ (1 - groups) - n_0 * mean_0**2
        within = np.sqrt(np.maximum(squares_1 + squares_0, 0) / (len(y) - 2))
        if covariates is None:
            basis = None
            effect, error, freedom = _welch(mean_1 - mean_0, squares_1, squares_0, n_1, n_0)
        else:
            basis = _basis(np.asarray(covariates, np.float64)[counted])
            effect, error, freedom = _regression(shifted, groups, basis)
        rank_effect, p_value = None, None
        if test == "rank":
            rank_effect, p_value = _rank_test(y, groups, basis)
    usable = np.minimum(n_1, n_0) >= FEWEST
    if len(y) == 0 or np.ptp(y) == 0:
        error = np.full_like(error, np.nan)
        p_value = None if p_value is None else np.full_like(p_value, np.nan)
    p_mean, half = _t_test(effect, error, freedom)

    def shown(field: Floats) -> Floats:
        return np.where(usable, field, np.nan)

    return GroupTests(
        n_active=n_1.astype(np.int64),
        n_silent=n_0.astype(np.int64),
        mean_active=np.where(n_1 > 0, mean_1 + middle, np.nan),
        mean_silent=np.where(n_0 > 0, mean_0 + middle, np.nan),
        effect=shown(effect),
        effect_low=shown(effect - half),
        effect_high=shown(effect + half),
        cohen_d=shown(effect / np.where(within > 0, within, np.nan)),
        rank_effect=None if rank_effect is None else shown(rank_effect),
        p_value=shown(p_mean if p_value is None else p_value),
    )


def _welch(
    effect: Floats, squares_1: Floats, squares_0: Floats, n_1: Floats, n_0: Floats
) -> tuple[Floats, Floats, Floats]:
    """Give the difference, its standard error and degrees of freedom."""
    part_1 = np.maximum(squares_1, 0) / (n_1 - 1) / n_1
    part_0 = np.maximum(squares_0, 0) / (n_0 - 1) / n_0
    freedom = (part_1 + part_0) ** 2 / (part_1**2 / (n_1 - 1) + part_0**2 / (n_0 - 1))
    return effect, np.sqrt(part_1 + part_0), freedom


def _regression(y: Floats, groups: Floats, basis: Floats) -> tuple[Floats, Floats, Floats]:
    """Give the coefficient of the group, its HC3 standard error and degrees of freedom.

    What the covariates explain is taken out of both sides (Frisch-Waugh-Lovell), once for all
    neurons.
    """
    y = y - basis @ (basis.T @ y)
    own = np.einsum("ij,ij->i", basis, basis)
    n_neurons = groups.shape[1]
    effect, error, freedom = (np.full(n_neurons, np.nan) for _ in range(3))
    most = len(y) - basis.shape[1] - 1
    for neuron in range(n_neurons):
        group = groups[:, neuron]
        rest = group - basis @ (basis.T @ group)
        size = rest @ rest
        # Where covariates tell the group already, there is nothing left to compare.
        if size <= 1e-9 * max(group.sum(), 1):
            continue
        effect[neuron] = rest @ y / size
        left = y - effect[neuron] * rest
        free = np.maximum(1 - own - rest**2 / size, 1e-12)
        squares = (rest * left / free) ** 2
        part_1 = group @ squares
        part_0 = squares.sum() - part_1
        error[neuron] = np.sqrt(part_1 + part_0) / size
        # An error that comes from a few sequences is known as badly as in Welch's test.
        n_1 = group.sum()
        parts = part_1**2 / (n_1 - 1) + part_0**2 / (len(y) - n_1 - 1)
        if most > 0:
            freedom[neuron] = np.minimum(most, (part_1 + part_0) ** 2 / parts)
    return effect, error, freedom


def _basis(covariates: Floats) -> Floats:
    """Give orthonormal columns that span a constant and the covariates."""
    centred = covariates - covariates.mean(axis=0)
    spread = np.abs(centred).max(axis=0, initial=0)
    centred = centred[:, spread > 0] / spread[spread > 0]
    constant = np.full((len(covariates), 1), 1 / np.sqrt(max(1, len(covariates))))
    if not centred.shape[1]:
        return constant
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return np.hstack([constant, left[:, sizes > 1e-10 * sizes[0]]])


def _t_test(effect: Floats, error: Floats, freedom: Floats) -> tuple[Floats, Floats]:
    """Give p-values and half the widths of confidence intervals."""
    from scipy.special import stdtr, stdtrit

    error = np.where(error > 0, error, np.nan)
    p_value = 2 * stdtr(freedom, -np.abs(effect) / error)
    return p_value, stdtrit(freedom, (1 + _CONFIDENCE) / 2) * error


def _rank_test(y: Floats, groups: Floats, basis: Floats | None) -> tuple[Floats, Floats]:
    """Give differences of mean ranks, in halves of all ranks, and their p-values."""
    from scipy.stats import rankdata

    ranks = rankdata(y)
    if basis is None:
        n_1 = groups.sum(axis=0)
        u = ranks @ groups - n_1 * (n_1 + 1) / 2
        return 2 * u / (n_1 * (len(y) - n_1)) - 1, _mann_whitney(y, groups, u)
    left = ranks - basis @ (basis.T @ ranks)
    rest = groups - basis @ (basis.T @ groups)
    size = np.einsum("ij,ij->j", rest, rest)
    size[size <= 1e-9 * np.maximum(groups.sum(axis=0), 1)] = np.nan
    effect = left @ rest / size
    freedom = np.full(len(size), float(max(len(y) - basis.shape[1] - 1, 0)) or np.nan)
    variance = (left @ left - effect**2 * size) / freedom
    return 2 * effect / len(y), _t_test(effect, np.sqrt(variance / size), freedom)[0]


def _mann_whitney(y: Floats, groups: Floats, u: Floats) -> Floats:
    from scipy.special import ndtr
    from scipy.stats import mannwhitneyu

    _, counts = np.unique(y, return_counts=True)
    n, n_1 = len(y), groups.sum(axis=0)
    n_0 = n - n_1
    ties = (counts.astype(np.float64) ** 3 - counts).sum() / (n * (n - 1.0)) if n > 1 else 0.0
    deviation = np.sqrt(n_1 * n_0 / 12 * (n + 1 - ties))
    z = (np.abs(u - n_1 * n_0 / 2) - 0.5) / deviation
    p = np.minimum(1, 2 * ndtr(-z))
    small = (np.minimum(n_1, n_0) <= _EXACT) & (np.minimum(n_1, n_0) > 0)
    if len(counts) == n:
        for neuron in np.flatnonzero(small):
            chosen = groups[:, neuron] > 0
            p[neuron] = mannwhitneyu(y[chosen], y[~chosen], method="auto").pvalue
    return p
