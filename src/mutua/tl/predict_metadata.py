"""Which metadata of the samples modules or latent dims predict, and which of them do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import anndata
import numpy as np
import pandas as pd

from mutua import stats
from mutua.errors import InvalidInput
from mutua.kernels import boosted_trees as trees
from mutua.kernels.random_sequences import derived_seed
from mutua.models import Dataset, Table, checked, slots
from mutua.models.arguments import whole_number
from mutua.tl._module_tables import some, switch

__all__ = ["predict_metadata", "predictor_importance"]

_STOP = 10
"""Permutations with at least the observed score after which no more are made."""
_MEASURES = {"numbers": "R2", "classes": "balanced accuracy"}


class _Column(NamedTuple):
    """A column of the metadata: the problem, or why there is none."""

    name: str
    kind: str
    n_missing: int
    n_groups: int
    problem: trees.Problem | None
    reason: str


@checked
def predict_metadata(
    adata: anndata.AnnData,
    *,
    columns: Sequence[str] | None = None,
    using: str = "X_module",
    groups: str | None = None,
    n_splits: int = 5,
    n_permutations: int = 100,
    seed: int = 0,
    progress: bool | None = None,
) -> Dataset[Table]:
    r"""Give how well each column of the metadata can be predicted for samples not seen before.

    Gradient-boosted trees learn a column from the module scores (or latent dims) of a part of the
    samples and predict it for the others, until all samples are predicted once. With `groups`,
    such as patients, no group is on both sides.

    Columns of numbers are predicted as numbers and scored by
    :math:`R^2 = 1 - \sum (y - \hat y)^2 / \sum (y - \bar y)^2` of all samples together, where
    :math:`\bar y` is the mean of the samples learned from: 0 is as good as that mean. Columns of
    texts, categories or bools are predicted as classes and scored by the balanced accuracy, the
    mean over classes of the share that is predicted right; classes count alike in learning.

    Parameters
    ----------
    adata
        Samples with metadata in ``obs``.
    columns
        Columns of ``obs``; by default all that can be predicted, but for those that mutua wrote,
        such as ``autoencoder_error``. Then columns that cannot be are in the table with the
        reason; of those you name, one is an error.
    using
        Key of ``obsm`` with what to predict from.
    groups
        Column of ``obs``. It is no column to predict by default.
    n_splits
        Parts of the samples.
    n_permutations
        Permutations for the p-value, 0 for none. A column is done with after 10 of them have at
        least the observed score.
    seed
        Of the splits and permutations.
    progress
        Show a progress bar; by default as `mutua.settings` says. Columns of many classes take long:
        each tree is one for every class.

    Returns
    -------
    Table
        A row a column: ``column``; ``kind``, numbers or classes; ``measure`` and ``score``;
        ``baseline``, the score of always predicting the mean or the same class; ``score_null``,
        the mean score of the permutations; ``p_value``, ``q_value`` (Benjamini-Hochberg over the
        rows), ``n_permutations`` that were made and what was ``permuted``; ``n_samples`` used,
        ``n_missing`` left out because they have no value (or no group), ``n_classes`` (0 for
        numbers) and ``n_groups`` (0 without). ``reason``: why a column was not predicted; its
        numbers are NaN or 0.

    Raises
    ------
    InvalidInput
        If a column, `using` or `groups` is not there or has missing predictors, a column that you
        name cannot be predicted, or no column can: it has one value, times, infinite numbers,
        fewer than two samples for each part, a class with fewer samples than parts or in one group
        only, or fewer groups than parts.

    Notes
    -----
    **What is permuted.** Without groups, the values of all samples. With groups that have one
    value each, such as the sex of a patient, the values of groups. With values that differ
    within groups, values are exchanged within groups only: samples of one group are alike for
    reasons of their own, and permutations across groups would call that a dependency. The p-value
    then says whether the column follows the predictors beyond what differs between groups, and
    is large where all that can be predicted is which group it is.

    The splits are made anew for every permutation. p-values below 10 / `n_permutations` are from
    a tail fitted to the scores of the permutations.

    Of few samples trees also learn what is not there, and what they predict is worse than the mean.
    A column is predicted where its score is above the baseline and the p-value is small; a small
    p-value alone says that there is something to predict.

    Trees are those of scikit-learn's ``HistGradientBoostingRegressor`` and classifier: 50 of up to
    8 leaves, each of at least a twentieth of the samples (from 2 to 20), with values in 64 bins.
    The same seed gives the same bits.
    Source: Ojala and Garriga, J. Mach. Learn. Res. 11:1833 (2010), for the permutations.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> adata = anndata.AnnData(np.ones((60, 2)), obsm={"X_module": random.normal(size=(60, 3))})
    >>> adata.obs["pH"] = adata.obsm["X_module"][:, 1] + random.normal(0, 0.3, 60)
    >>> adata.obs["run"] = random.permutation(["a", "b"] * 30)
    >>> found = mt.to_dataframe(mt.tl.predict_metadata(adata, n_permutations=10))
    >>> found[["column", "measure", "score", "baseline"]].round(2)
      column            measure  score  baseline
    0     pH                 R2   0.81       0.0
    1    run  balanced accuracy   0.58       0.5
    """
    x, _ = _predictors(adata, using)
    n_permutations = whole_number("n_permutations", n_permutations, low=0)
    if progress is not None:
        switch("progress", progress)
    found = _columns(adata, x, columns, groups, n_splits, seed)
    rows = [_row(one, n_permutations, seed, progress) for one in found]
    frame = pd.DataFrame(rows)
    frame.insert(7, "q_value", stats.benjamini_hochberg(frame["p_value"]))
    return Table.build(frame)


@checked
def predictor_importance(
    adata: anndata.AnnData,
    *,
    columns: Sequence[str] | None = None,
    using: str = "X_module",
    groups: str | None = None,
    n_splits: int = 5,
    n_repeats: int = 10,
    seed: int = 0,
) -> Dataset[Table]:
    """Give how much the prediction of a column of the metadata loses without each predictor.

    The models are those of `mutua.tl.predict_metadata` with the same arguments. Each predictor is
    permuted among the samples that are predicted.

    Parameters
    ----------
    adata, columns, using, groups, n_splits, seed
        As in `mutua.tl.predict_metadata`. Columns that cannot be predicted are left out unless
        you name them. Importance says something where the score is above its baseline.
    n_repeats
        Permutations of each predictor.

    Returns
    -------
    Table
        A row for every column and predictor, in each column the most important first:
        ``column``, ``predictor`` (name of the module or latent dim), ``importance`` and
        ``importance_sd``, mean and standard deviation over the repeats of the score lost, in the
        unit of ``score``; ``measure`` and ``score`` of the column.

    Raises
    ------
    InvalidInput
        As in `mutua.tl.predict_metadata`.

    Notes
    -----
    Predictors that say the same stand in for each other, and each may then seem unimportant.
    Source: Breiman, Machine Learning 45:5 (2001).

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> adata = anndata.AnnData(np.ones((60, 2)), obsm={"X_module": random.normal(size=(60, 3))})
    >>> adata.obs["pH"] = adata.obsm["X_module"][:, 1] + random.normal(0, 0.3, 60)
    >>> found = mt.to_dataframe(mt.tl.predictor_importance(adata))
    >>> found["predictor"].iloc[0], bool(found["importance"].iloc[0] > 1)
    ('module_1', True)
    """
    x, names = _predictors(adata, using)
    n_repeats = whole_number("n_repeats", n_repeats, low=1)
    frames = []
    for one in _columns(adata, x, columns, groups, n_splits, seed):
        if one.problem is None:
            continue
        own = int(derived_seed(seed, f"importance for {one.name}"))
        found = trees.importance(one.problem, n_repeats=n_repeats, seed=own)
        frame = pd.DataFrame(
            {
                "column": one.name,
                "predictor": names,
                "importance": found.mean,
                "importance_sd": found.deviation,
                "measure": _MEASURES[one.kind],
                "score": found.score,
            }
        )
        frames.append(frame.sort_values("importance", ascending=False, kind="stable"))
    return Table.build(pd.concat(frames, ignore_index=True))


def _row(column: _Column, n_permutations: int, seed: int, progress: bool | None) -> dict[str, Any]:
    """Score one column."""
    problem = column.problem
    n_classes = 0 if problem is None else problem.n_classes
    row: dict[str, Any] = {
        "column": column.name,
        "kind": column.kind,
        "measure": _MEASURES.get(column.kind, ""),
        "score": np.nan,
        "baseline": np.nan,
        "score_null": np.nan,
        "p_value": np.nan,
        "n_permutations": 0,
        "permuted": "",
        "n_samples": 0 if problem is None else len(problem.y),
        "n_missing": column.n_missing,
        "n_classes": n_classes,
        "n_groups": column.n_groups,
        "reason": column.reason,
    }
    if problem is None:
        return row
    row["score"] = trees.score(problem)
    row["baseline"] = 1 / n_classes if n_classes else 0.0
    if n_permutations:
        own = int(derived_seed(seed, f"permutations of {column.name}"))
        null = trees.score_null(
            problem, row["score"], n_permutations=n_permutations, stop=_STOP, seed=own,
            progress=progress,
        )  # fmt: skip
        row["n_permutations"], row["score_null"] = null.n_permutations, null.mean
        row["permuted"] = _permuted(problem)
        row["p_value"] = _p_value(row["score"], null)
    return row


def _permuted(problem: trees.Problem) -> str:
    if problem.groups is None:
        return "samples"
    return "within groups" if trees.within_groups(problem.y, problem.groups) else "groups"


def _p_value(observed: float, null: trees.ScoreNull) -> float:
    """Give the p-value, of Besag and Clifford where permutations ended early."""
    if null.n_exceeding >= _STOP:
        return null.n_exceeding / null.n_permutations
    p = stats.permutation_p(
        [observed], null.n_exceeding, null.mean, null.variance, null.n_permutations,
        skewness=null.skewness, lowest=-np.inf,
    )  # fmt: skip
    return float(p[0])


def _predictors(adata: anndata.AnnData, using: str) -> tuple[np.ndarray, list[str]]:
    x, names = slots.columns(adata, using, argument="using")
    bad = np.flatnonzero(~np.isfinite(x).all(axis=0))
    if len(bad):
        found = f"missing or infinite values in {some([names[place] for place in bad])}"
        raise InvalidInput("using", found, "leave these samples or predictors out")
    return x, names


def _columns(
    adata: anndata.AnnData,
    x: np.ndarray,
    columns: Sequence[str] | None,
    groups: str | None,
    n_splits: int,
    seed: int,
) -> list[_Column]:
    """Give the columns to predict, and why others are not."""
    n_splits = whole_number("n_splits", n_splits, low=2)
    seed = whole_number("seed", seed, low=0)
    known = list(adata.obs)
    if groups is not None and groups not in known:
        raise InvalidInput("groups", f"no obs[{groups!r}]", f"use one of {known}")
    if isinstance(columns, str):
        raise InvalidInput("columns", f"{columns!r}", f"use a list, such as [{columns!r}]")
    ours = slots.keys(adata, "obs") | {groups}
    asked = [name for name in known if name not in ours] if columns is None else list(columns)
    for name in asked:
        if name not in known:
            raise InvalidInput("columns", f"no obs[{name!r}]", f"use some of {known}")
    if len(set(asked)) < len(asked):
        raise InvalidInput("columns", "a column twice", "name each once")
    if not asked:
        raise InvalidInput("columns", "obs has no column of metadata", "add metadata to obs")
    codes = None if groups is None else pd.factorize(adata.obs[groups])[0].astype(np.int64)
    own = int(derived_seed(seed, "splits of predictions")) % 2**32
    found = [_column(name, adata.obs[name], x, codes, n_splits, own) for name in asked]
    refused = [one for one in found if one.problem is None]
    if refused and (columns is not None or len(refused) == len(found)):
        text = "; ".join(f"{one.name!r}: {one.reason}" for one in refused[:5])
        remedy = "leave these out, or change their values" if columns is not None else "use others"
        raise InvalidInput("columns", f"not to be predicted are {text}", remedy)
    return found


def _column(
    name: str,
    values: pd.Series,
    x: np.ndarray,
    groups: np.ndarray | None,
    n_splits: int,
    seed: int,
) -> _Column:
    """Make a problem of a column, if it can be one."""
    there = values.notna().to_numpy()
    if groups is not None:
        there &= groups >= 0
    n_missing = int((~there).sum())
    kind, y, labels = _read(values[there])
    own = None if groups is None else pd.factorize(groups[there])[0].astype(np.int64)
    n_groups = 0 if own is None or not len(own) else int(own.max()) + 1
    reason = kind if not labels and kind not in _MEASURES else ""
    if not reason:
        reason = _why_not(y, labels, own, n_groups, n_splits)
    if reason:
        return _Column(name, kind if kind in _MEASURES else "", n_missing, n_groups, None, reason)
    problem = trees.Problem(x[there], y, own, len(labels), n_splits, seed)
    return _Column(name, kind, n_missing, n_groups, problem, "")


def _read(values: pd.Series) -> tuple[str, np.ndarray, list[str]]:
    """Give the kind of a column (or what is wrong with it), its values, and its classes."""
    types = pd.api.types
    classes = (
        isinstance(values.dtype, pd.CategoricalDtype)
        or types.is_bool_dtype(values.dtype)
        or types.is_object_dtype(values.dtype)
        or types.is_string_dtype(values.dtype)
    )
    if classes:
        codes, labels = pd.factorize(values.astype(object).astype(str), sort=True)
        return "classes", codes.astype(np.float64), [str(label) for label in labels]
    if types.is_numeric_dtype(values.dtype) and not types.is_complex_dtype(values.dtype):
        return "numbers", values.to_numpy(np.float64), []
    return f"values of type {values.dtype}", np.zeros(len(values)), []


def _why_not(
    y: np.ndarray, labels: list[str], groups: np.ndarray | None, n_groups: int, n_splits: int
) -> str:
    """Say why values cannot be predicted, with nothing where they can."""
    if not np.isfinite(y).all():
        return "infinite values"
    if len(np.unique(y)) < 2:
        return "one value only" if len(y) else "no values"
    if len(y) < 2 * n_splits:
        return f"{len(y)} samples for {n_splits} parts"
    if groups is not None and n_groups < n_splits:
        return f"{n_groups} groups for {n_splits} parts"
    for code, label in enumerate(labels):
        members = y == code
        if members.sum() < n_splits:
            return f"{members.sum()} samples of class {label!r} for {n_splits} parts"
        if groups is not None and len(np.unique(groups[members])) < 2:
            return f"class {label!r} in one group only"
    return ""
