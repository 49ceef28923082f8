"""How well boosted trees predict one column from others, on samples they have not seen.

The trees are scikit-learn's, on one thread: on more, those of few samples take longer, and sums
come out in another order. Python holds its lock for most of that time, so that nothing would be
gained by several at once either.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
from threadpoolctl import ThreadpoolController

from mutua._progress import counted
from mutua.kernels.running_moments import add_value, moments_of

__all__ = [
    "Importance",
    "Problem",
    "ScoreNull",
    "folds",
    "importance",
    "permuted",
    "score",
    "score_null",
    "within_groups",
]

P = ParamSpec("P")
R = TypeVar("R")
Reals = NDArray[np.float64]
Longs = NDArray[np.int64]

N_TREES, N_LEAVES, N_BINS = 50, 8, 64
_LEAF_SHARE, _LEAST_LEAF, _MOST_LEAF = 20, 2, 20
_REPEATS = 64
"""Copies of the samples of a fold that are predicted together."""


@functools.cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looking for the libraries takes longer than small trees do


def _on_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Keep BLAS and OpenMP to one thread while a function runs."""

    @functools.wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _controller().limit(limits=1):
            return function(*args, **kwargs)

    return limited


class Problem(NamedTuple):
    """What to predict from what.

    Attributes
    ----------
    x
        (n, m) float64.
    y
        (n,) float64: numbers, or classes from 0 on.
    groups
        (n,) int64: samples of one group are never on both sides of a split; None for none.
    n_classes
        0 to predict numbers.
    n_splits
        Parts of the samples; each is predicted from the others.
    seed
        Of the splits, 0 to ``2**32 - 1``.
    """

    x: Reals
    y: Reals
    groups: Longs | None
    n_classes: int
    n_splits: int
    seed: int


class ScoreNull(NamedTuple):
    """Scores after permutations of what is to be predicted.

    Attributes
    ----------
    n_exceeding
        Permutations with at least the observed score.
    n_permutations
        Permutations made.
    mean, variance, skewness
        Over them.
    """

    n_exceeding: int
    n_permutations: int
    mean: float
    variance: float
    skewness: float


class Importance(NamedTuple):
    """What the score loses without a column.

    Attributes
    ----------
    score
        With all columns.
    mean, deviation
        (m,) float64, of the loss, over the repeats.
    """

    score: float
    mean: Reals
    deviation: Reals


def folds(problem: Problem) -> Iterator[tuple[Longs, Longs]]:
    """Give the samples to learn from and those to predict, for every split.

    Classes have about the same shares in all parts.
    """
    n, seed = problem.n_splits, problem.seed
    split: object
    if problem.groups is None:
        kind = StratifiedKFold if problem.n_classes else KFold
        split = kind(n, shuffle=True, random_state=seed)
    elif problem.n_classes:
        split = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    else:
        split = GroupKFold(n)
    parts = split.split(problem.x, problem.y, problem.groups)  # type: ignore[attr-defined]
    return ((train, test) for train, test in parts if len(test))


@_on_one_thread
def score(problem: Problem) -> float:
    """Give how well samples are predicted from those of other parts; see `mutua.tl`.

    For numbers the share of the squared error of the mean of the other parts that the
    predictions do not have, at most 1 and below 0 if they are worse; for classes the balanced
    accuracy, the mean over classes of the share that is predicted right. Both are of the
    predictions of all parts together.
    """
    predicted, mean = np.empty(len(problem.y)), np.empty(len(problem.y))
    for train, test in folds(problem):
        predicted[test] = _Model(problem, train).predict(problem.x[test])
        mean[test] = problem.y[train].mean()
    return float(_scores(problem, predicted, mean))


def _scores(problem: Problem, predicted: Reals, mean: Reals) -> Reals:
    """Score predictions (..., n)."""
    y = problem.y
    if not problem.n_classes:
        error = ((predicted - y) ** 2).sum(axis=-1)
        return np.asarray(1 - error / ((y - mean) ** 2).sum())
    right = predicted == y
    recalls = [right[..., y == one].mean(axis=-1) for one in range(problem.n_classes)]
    return np.asarray(np.mean(recalls, axis=0))


class _Model:
    """Boosted trees of some samples; a constant where there is nothing to learn."""

    def __init__(self, problem: Problem, train: Longs) -> None:
        y = problem.y[train]
        self.constant = float(y[0]) if (y == y[0]).all() else None
        if self.constant is not None:
            return
        leaf = min(max(len(train) // _LEAF_SHARE, _LEAST_LEAF), _MOST_LEAF)
        kind = HistGradientBoostingRegressor
        weighted: dict[str, object] = {}
        if problem.n_classes:
            kind, weighted = HistGradientBoostingClassifier, {"class_weight": "balanced"}
        self.trees = kind(
            max_iter=N_TREES,
            max_leaf_nodes=N_LEAVES,
            max_bins=N_BINS,
            min_samples_leaf=leaf,
            early_stopping=False,
            random_state=0,
            **weighted,
        ).fit(problem.x[train], y)

    def predict(self, x: Reals) -> Reals:
        if self.constant is not None:
            return np.full(len(x), self.constant)
        return np.asarray(self.trees.predict(x), np.float64)


def permuted(problem: Problem, random: np.random.Generator) -> Problem:
    """Permute what is to be predicted, in a way that is as likely if it has nothing to do with x.

    Without groups any sample gets the value of any other. With groups, all samples of which have
    one value, groups change their values; otherwise samples change within their group.
    """
    y, groups = problem.y, problem.groups
    if groups is None:
        return problem._replace(y=random.permutation(y))
    _, first, which = np.unique(groups, return_index=True, return_inverse=True)
    if within_groups(y, groups):
        order = np.lexsort((random.random(len(y)), groups))
        changed = np.empty_like(y)
        changed[np.argsort(groups, kind="stable")] = y[order]
        return problem._replace(y=changed)
    return problem._replace(y=random.permutation(y[first])[which])


def within_groups(y: Reals, groups: Longs) -> bool:
    """Tell whether any group has more than one value."""
    _, first, which = np.unique(groups, return_index=True, return_inverse=True)
    return bool((y != y[first][which]).any())


def score_null(
    problem: Problem,
    observed: float,
    *,
    n_permutations: int,
    stop: int,
    seed: int,
    progress: bool | None = None,
) -> ScoreNull:
    """Score permutations, until `stop` of them have at least the observed score."""
    random = np.random.default_rng(seed)
    moments = np.zeros(3)
    exceeding = done = 0
    for done in _steps(n_permutations, progress):
        value = score(permuted(problem, random))
        add_value(moments, done, value)
        exceeding += value >= observed
        if exceeding == stop:
            break
    variance, skewness = moments_of(moments[1:2], moments[2:3], max(done, 1))
    return ScoreNull(exceeding, done, float(moments[0]), float(variance[0]), float(skewness[0]))


def _steps(n: int, progress: bool | None) -> Iterator[int]:
    """Give 1 to n, with a progress bar where one is wanted."""
    return counted(range(1, n + 1), n, "predictions", "permutation", progress)


@_on_one_thread
def importance(problem: Problem, *, n_repeats: int, seed: int) -> Importance:
    """Give what the score loses when a column is permuted among the samples of each part."""
    n, m = problem.x.shape
    mean, predicted = np.empty(n), np.empty(n)
    without = np.empty((m, n_repeats, n))
    random = np.random.default_rng(seed)
    for train, test in folds(problem):
        model = _Model(problem, train)
        x = problem.x[test]
        predicted[test], mean[test] = model.predict(x), problem.y[train].mean()
        for column in range(m):
            for start in range(0, n_repeats, _REPEATS):
                repeats = min(_REPEATS, n_repeats - start)
                changed = np.tile(x, (repeats, 1, 1))
                columns = np.tile(x[:, column], (repeats, 1))
                changed[:, :, column] = random.permuted(columns, axis=1)
                found = model.predict(changed.reshape(-1, m)).reshape(repeats, -1)
                without[column, start : start + repeats, test] = found.T
    whole = float(_scores(problem, predicted, mean))
    loss = whole - _scores(problem, without, mean)
    deviation = loss.std(axis=1, ddof=1) if n_repeats > 1 else np.full(m, np.nan)
    return Importance(whole, loss.mean(axis=1), deviation)
