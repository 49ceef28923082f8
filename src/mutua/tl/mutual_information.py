"""Which features of one table inform which columns of another, and whether it is real."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mutua import stats
from mutua.errors import InvalidInput
from mutua.kernels.devices import asked_device
from mutua.models import Dataset, FeatureMI, as_kind, checked
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import FEATURE, LATENT
from mutua.models.feature_mi import ESTIMATORS
from mutua.tl._feature_blocks import estimates_of
from mutua.tl._feature_conditions import Conditions, Options
from mutua.tl._feature_estimates import Estimates
from mutua.tl._feature_tables import (
    AnyTable,
    ChunkedTable,
    Samples,
    join_samples,
    listed,
    read_covariates,
    read_table,
)

__all__ = ["mutual_information"]

_STOP = 20
"""Permutations at or above the observed value after which a pair is left out."""
_LEVEL = 0.05
_ROUNDING = 1e-9
"""A maximum so little below a standardized estimate has reached it."""
_LABELS = {name: spec.description for name, spec in FeatureMI.specs().items()}


@checked
def mutual_information(
    x: Samples,
    y: Samples,
    *,
    x_layer: str | None = None,
    x_obsm: str | None = None,
    x_obs: str | Sequence[str] | None = None,
    y_layer: str | None = None,
    y_obsm: str | None = None,
    y_obs: str | Sequence[str] | None = None,
    estimator: str = "knn",
    n_neighbors: int = 3,
    n_bins: int | None = None,
    discrete: Sequence[str] = (),
    covariates: str | Sequence[str] | pd.DataFrame | None = None,
    n_permutations: int = 0,
    blocks: str | pd.Series | None = None,
    permute: str = "samples",
    adjust: str = "max",
    join: str = "exact",
    nan: str = "raise",
    seed: int = 0,
    device: str | None = None,
) -> Dataset[FeatureMI]:
    r"""Give the mutual information of every column of one table with every column of another.

    Samples of both tables are joined by their names. With permutations every pair also gets a
    p-value; with covariates the mutual information is conditional on them.

    Parameters
    ----------
    x, y
        AnnData, DataArrays with the dim ``sample`` and one other, both named, or data frames of
        samples and columns. The same AnnData twice where both are in one. The columns of `x`
        become features, those of `y` latent dims, whatever they are. `x` may be sparse, chunked
        by dask, opened lazily or backed by a file, and need not fit into memory; `y` must.
    x_layer, x_obsm, x_obs, y_layer, y_obsm, y_obs
        Where the columns stand in an AnnData: a layer, an entry of ``obsm`` such as
        ``"X_autoencoder"`` or ``"X_pca"``, or columns of ``obs``; by default ``X``.
    estimator
        ``"knn"``: nearest neighbours, which see dependencies of any shape: Kraskov et al. 2004
        for two columns of numbers, Ross 2014 for numbers and classes, the plug-in estimate for
        two columns of classes; as scikit-learn estimates them. ``"gaussian_copula"``: the
        correlation of normal scores, corrected for bias (Ince et al. 2017). Much quicker and, for
        monotone dependencies, more powerful, but it is a lower bound and sees nothing that goes
        up and down again; classes must be two. ``"binned"``: bins of equal frequency, corrected
        for bias (Miller-Madow); values that are alike stay in one bin.
    n_neighbors
        Neighbours of the estimator knn.
    n_bins
        Bins of every column of numbers, for the estimator binned; by default so many that about
        five samples fall into each joint bin, and at least 2.
    discrete
        Names of columns of `x`, `y` or the covariates whose numbers are classes. Columns of
        text, categories and booleans always are.
    covariates
        What the mutual information is conditional on: names of columns of ``obs`` of `x` or `y`,
        or a data frame by sample. Classes make strata. With the estimator knn numbers are
        conditioned on by neighbours (Frenzel and Pompe 2007), with gaussian_copula both by partial
        correlation, with binned by strata of bins.
    n_permutations
        Permutations of the samples of `y`, the same for all pairs; 0 for no p-values. Under
        covariates samples are permuted within strata and, where there are numbers, among
        neighbours in these (Runge 2018).
    blocks
        Column of ``obs``, or a Series by sample, such as the patient or the batch: samples are
        exchangeable within its values only.
    permute
        ``"samples"`` within blocks, or whole ``"blocks"``: for columns of `y` that are the same
        for all samples of a block, such as a diagnosis, or blocks of equal size with samples in
        the same order, such as time points.
    adjust
        ``"max"`` also gives ``p_familywise``. ``"fdr"`` leaves pairs out of further permutations
        once 20 have reached the observed value (Besag and Clifford 1991): many times quicker.
    join
        ``"exact"``: both tables must have the same samples, in whatever order; ``"inner"``: the
        samples of both.
    nan
        ``"raise"`` for missing values, or ``"drop"`` the samples that have any.
    seed
        Seed of permutations and of the noise that breaks ties, 0 to ``2**32 - 1``.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; by default the setting. A GPU takes the pairs of
        numbers of the estimator knn and their permutations, as to search for neighbours in two
        columns takes long. Classes, whose neighbours are next to each other in one sorted column,
        and the other estimators are quick on the CPU, and are looked at there, as is what there
        is no kernel for: covariates, and whole blocks of several sizes. Estimates are the same to
        the bit, and p-values from a gamma tail to 1e-9 of their size.

    Returns
    -------
    FeatureMI
        ``mi`` in nats, clipped at 0, and NaN for columns that are constant; ``mi_normalized``,
        divided by the largest of the latent dim; ``zero_fraction`` of every feature, where the
        lowest value of logarithms counts as 0 if more samples have it than any other, and at
        least a tenth. With
        permutations ``mi_null`` (their mean, not clipped), ``p_value`` (from a gamma tail where
        fewer than 10 permutations would reach the value; see `mutua.stats.permutation_p`, also
        for how small it can be), ``q_value`` (Benjamini-Hochberg over all pairs) and
        ``p_familywise``: the share of permutations in which the largest of all pairs reaches the
        value, both standardized by mean and spread of the pair's own null from 64 permutations
        more.

    Raises
    ------
    InvalidInput
        Samples that are in one table only; names that repeat; missing or infinite values; no
        more samples than neighbours; a name that is nowhere; strata or blocks that leave nothing
        to permute; more than 128 neighbours on a GPU.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU, where one would be used.
    MemoryLimit
        If one pair of columns does not fit into the GPU's memory.

    Warns
    -----
    UserWarning
        Naming columns that are constant, or that no permutation can change; for samples alone in
        their stratum or block; for `blocks`, `permute` or `adjust` without permutations; and for so
        few permutations that no single pair can have a ``q_value`` below 0.05.

    Notes
    -----
    The estimate is random: at 100 samples independent columns give about 0 with a standard
    deviation of 0.06 nats, half of which is clipped away, so that the mean is not 0. Look at
    p-values, and at `mutua.stats.knn_power` for what can be found with so many samples.

    Values that are alike (an abundance of 0) are told apart by noise, as scikit-learn does. If
    ``zero_fraction`` is large the estimate mostly says whether there is any: compare with
    ``discrete`` presence and absence.

    Without `covariates` a p-value asks whether two columns are independent. If a third thing moves
    both, they are not. Samples of one patient are alike, so that permutations over all samples
    give p-values that are far too small: use `blocks`. What is constant within blocks can only
    be tested with ``permute="blocks"``, where blocks are what is counted.

    Columns of `x` that are sparse or chunked are looked at in blocks of features, with the same
    permutations for all and the same bits as in memory. About twice ``mutua.settings.memory`` is
    used, and what `y`, the result and a chunk of `x` take. With a client of `dask.distributed`
    open blocks of chunked columns run on its workers, one at a time in each, which takes that
    much of them and what the values of the next block take. All values are read two to four
    times, so chunks should be of features: those of samples are read so often for every block.
    The noise of the estimator knn, too, is drawn anew for each block, which takes some seconds
    for 10**8 values: let ``settings.memory`` allow large blocks.

    Permutations among neighbours are approximate: what the covariates explain changes within the
    neighbourhood too. With few samples or several covariates that are numbers, p-values come out
    somewhat too small.

    References
    ----------
    Kraskov, Stögbauer and Grassberger 2004, Phys. Rev. E 69:066138. Ross 2014, PLoS ONE 9:e87357.
    Frenzel and Pompe 2007, Phys. Rev. Lett. 99:204101. Ince et al. 2017, Human Brain Mapping
    38:1541. Runge 2018, PMLR 84:938. Besag and Clifford 1991, Biometrika 78:301.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> import mutua as mt
    >>> random = np.random.default_rng(1)
    >>> samples = [f"s{i}" for i in range(80)]
    >>> genomes = pd.DataFrame(random.normal(size=(80, 3)), samples, ["g1", "g2", "g3"])
    >>> ph = genomes[["g2"]].set_axis(["pH"], axis=1) ** 2 + random.normal(size=(80, 1)) / 4
    >>> mi = mt.tl.mutual_information(genomes, ph, n_permutations=200)
    >>> (mi["q_value"] < 0.05).sel(latent="pH").values.tolist()
    [False, True, False]
    """
    options = _options(estimator, n_neighbors, n_bins, seed, device)
    n_permutations = whole_number("n_permutations", n_permutations, low=0)
    one_of("permute", permute, ["samples", "blocks"])
    one_of("adjust", adjust, ["max", "fdr"])
    one_of("join", join, ["exact", "inner"])
    one_of("nan", nan, ["raise", "drop"])
    table_x = read_table("x", x, layer=x_layer, obsm=x_obsm, obs=x_obs)
    table_y = read_table("y", y, layer=y_layer, obsm=y_obsm, obs=y_obs)
    if isinstance(table_y, ChunkedTable):
        table_y = table_y.in_memory()
    table_x, table_y = join_samples(table_x, table_y, join)
    given = read_covariates("covariates", covariates, (x, y), table_x.samples)
    grouped = read_covariates("blocks", blocks, (x, y), table_x.samples)
    typed = _with_discrete((table_x, table_y, given), discrete)
    tables = _without_missing((*typed, grouped), nan)
    conditions = Conditions.read(tables[2], tables[3], permute, n_permutations, options)
    estimates = estimates_of(tables[0], tables[1], conditions, options, maxima=adjust == "max")
    _warn_of_columns(estimates)
    _warn_of_permutations(estimates, n_permutations, blocks is not None, permute, adjust)
    values = {"mi": np.maximum(estimates.observed, 0.0)}
    values["mi_normalized"] = _normalized(values["mi"])
    if n_permutations:
        values |= _significance(estimates, n_permutations, adjust)
    values["zero_fraction"] = tables[0].facts.zero_fraction
    result = xr.Dataset(
        {
            name: (
                (FEATURE, LATENT)[: array.ndim],
                array,
                {"long_name": _LABELS[name]}
                | ({"units": "nats"} if name in ("mi", "mi_null") else {}),
            )
            for name, array in values.items()
        },
        coords={FEATURE: tables[0].names, LATENT: tables[1].names},
        attrs={
            "estimator": estimator,
            "n_neighbors": options.n_neighbors if estimator == "knn" else 0,
            "n_samples": len(tables[0].samples),
            "covariates": tables[2].names,
            "blocks": "".join(grouped.names),
            "n_permutations": n_permutations,
            "n_tests": int((~np.isnan(values["p_value"])).sum()) if n_permutations else 0,
        },
    )
    return as_kind(FeatureMI, result)


def _options(
    estimator: str, n_neighbors: int, n_bins: int | None, seed: int, device: str | None
) -> Options:
    one_of("estimator", estimator, ESTIMATORS)
    n_neighbors = whole_number("n_neighbors", n_neighbors, low=1)
    if n_bins is not None:
        n_bins = whole_number("n_bins", n_bins, low=2)
    seed = whole_number("seed", seed, low=0, high=2**32 - 1)
    return Options(estimator, n_neighbors, n_bins, seed, asked_device(device))


def _with_discrete(tables: Sequence[AnyTable], discrete: Sequence[str]) -> tuple[Any, ...]:
    """Give the tables with the named columns as classes."""
    wanted = {discrete} if isinstance(discrete, str) else {str(name) for name in discrete}
    unknown = wanted.difference(*(table.names for table in tables))
    if unknown:
        found = f"no column {listed(sorted(unknown))}"
        raise InvalidInput("discrete", found, "name columns of x, y or the covariates")
    return tuple(
        table._replace(classes=table.classes | np.array([n in wanted for n in table.names], bool))
        for table in tables
    )


def _without_missing(tables: Sequence[AnyTable], nan: str) -> list[Any]:
    """Give the tables with the samples that have every value."""
    keep = np.ones(len(tables[0].samples), bool)
    for argument, table in zip(("x", "y", "covariates", "blocks"), tables, strict=True):
        facts = table.facts
        if facts.infinite.any():
            found = f"infinite values in {listed(np.array(table.names)[facts.infinite])}"
            raise InvalidInput(argument, found, "replace them; a log of 0 needs a pseudocount")
        if facts.missing.any() and nan == "raise":
            found = f"missing values in {listed(np.array(table.names)[facts.missing])}"
            raise InvalidInput(argument, found, "use nan='drop' to leave these samples out")
        keep &= ~facts.incomplete
    if not keep.any():
        raise InvalidInput("nan", "a missing value in every sample", "leave some columns out")
    if keep.all():
        return list(tables)
    return [table.rows(table.samples[keep]) for table in tables]


def _warn_of_columns(estimates: Estimates) -> None:
    without = np.array(estimates.names)[estimates.without_estimate]
    if len(without):
        what = "constant, or classes of one sample each"
        warnings.warn(f"{what}: {listed(without)}; their values are NaN", UserWarning, stacklevel=4)
    fixed = np.array(estimates.names)[estimates.untestable]
    if len(fixed):
        warnings.warn(
            f"the same throughout every block or stratum that is permuted: {listed(fixed)}; they "
            "get no p-value. Of blocks, permute='blocks' can test columns of y",
            UserWarning,
            stacklevel=4,
        )


def _warn_of_permutations(
    estimates: Estimates, n_permutations: int, blocks: bool, permute: str, adjust: str
) -> None:
    """Point out what is asked for in vain: nothing is permuted, or too seldom for so many pairs."""
    if not n_permutations:
        idle = {"blocks": blocks, "permute": permute != "samples", "adjust": adjust != "max"}
        if any(idle.values()):
            named = listed(name for name, given in idle.items() if given)
            text = f"without n_permutations there are no p-values, and {named} change nothing"
            warnings.warn(text, UserWarning, stacklevel=4)
        return
    least = stats.least_permutation_p(n_permutations)
    n_tests = int((~np.isnan(estimates.tested)).sum())
    n_needed = math.ceil(n_tests * least / _LEVEL)
    if n_needed > 1:
        enough = math.ceil(math.sqrt(n_tests * least / _LEVEL) * (n_permutations + 1))
        warnings.warn(
            f"p-values of {n_permutations:,} permutations are at least {least:.1g}: of {n_tests:,} "
            f"pairs {n_needed:,} or more must have that for a q_value below {_LEVEL}. With "
            f"{enough:,} permutations one pair is enough",
            UserWarning,
            stacklevel=4,
        )


def _normalized(mi: np.ndarray) -> np.ndarray:
    """Divide by the largest of each column; columns of 0 stay 0."""
    largest = np.max(mi, axis=0, where=~np.isnan(mi), initial=0.0)
    return np.asarray(mi / np.where(largest > 0, largest, 1.0))


def _significance(estimates: Estimates, n_permutations: int, adjust: str) -> dict[str, np.ndarray]:
    null = estimates.null(stop=None if adjust == "max" else _STOP)
    observed = estimates.tested
    p = stats.permutation_p(
        observed,
        null.n_exceeding,
        null.mean,
        null.variance,
        n_permutations,
        skewness=null.skewness,
        lowest=estimates.lowest,
    )
    if adjust == "fdr":
        ended = stats.sequential_p(null.n_exceeding, null.n_permutations, stop=_STOP)
        p = np.where(np.isnan(ended) | np.isnan(p), p, ended)
    found = {"mi_null": null.mean, "p_value": p, "q_value": stats.benjamini_hochberg(p)}
    if null.maxima is not None:
        standardized = observed if null.standardized is None else null.standardized
        found["p_familywise"] = stats.familywise_p(standardized - _ROUNDING, null.maxima)
    return found
