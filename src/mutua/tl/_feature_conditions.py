"""What mutual information is conditional on, and how samples may be permuted."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.row_permutations import local_orders, row_orders
from mutua.tl._feature_tables import FeatureTable, listed

__all__ = ["Conditions", "Options", "combined"]

_NOISE = 1e-10


class Options(NamedTuple):
    """How to estimate."""

    estimator: str
    n_neighbors: int
    n_bins: int | None
    seed: int
    device: str


@dataclass(frozen=True)
class Conditions:
    """What is given, and how samples may be permuted.

    Attributes
    ----------
    z
        (n_samples, C) float64, covariates that are numbers.
    strata
        (n_samples,) int64, every combination of covariates that are classes.
    groups
        (n_samples,) int64, samples that may be permuted among each other.
    classes
        The covariates that are classes, as codes (n_samples, D).
    """

    z: np.ndarray
    strata: np.ndarray
    groups: np.ndarray
    whole: bool
    n_permutations: int
    classes: np.ndarray
    seed: int

    @classmethod
    def read(
        cls,
        covariates: FeatureTable,
        blocks: FeatureTable,
        permute: str,
        n_permutations: int,
        options: Options,
    ) -> Conditions:
        """Check the columns against each other and number the groups."""
        of_class = np.flatnonzero(covariates.classes)
        n = len(covariates.samples)
        classes = np.empty((n, len(of_class)), np.int64)
        for place, column in enumerate(of_class):
            classes[:, place] = covariates.codes(int(column))
        strata = combined(classes)
        _check_strata(strata, covariates)
        whole = permute == "blocks"
        if whole and not blocks.names:
            raise InvalidInput("permute", "'blocks' without blocks", "name them by `blocks`")
        if whole and covariates.names:
            remedy = "use permute='samples', or leave the covariates out"
            raise InvalidInput("permute", "'blocks' with covariates", remedy)
        groups = strata
        if blocks.names:
            own = blocks.codes(0)
            _check_blocks(own, blocks.names[0], whole)
            groups = combined(np.column_stack([strata, own]))
            if not whole and np.bincount(groups).max() == 1:
                found = "no two samples of one block and one stratum"
                raise InvalidInput("blocks", found, "leave blocks or a covariate out")
            if not whole and n_permutations:
                _warn_of_lone_samples(groups, blocks, strata)
        z = covariates.values[:, ~covariates.classes]
        return cls(z, strata, groups, whole, n_permutations, classes, options.seed)

    def orders(self, scaled: np.ndarray, n: int) -> np.ndarray:
        """Give `n` permutations; `scaled` is z as neighbours are looked for."""
        if self.z.shape[1]:
            return local_orders(n, scaled, self.groups, seed=self.seed)
        return row_orders(n, self.groups, whole=self.whole, seed=self.seed)

    @property
    def repeats(self) -> bool:
        """Tell whether whole blocks of several sizes are dealt, which repeats samples."""
        sizes = np.bincount(self.groups)
        return self.whole and bool(sizes.min() < sizes.max())

    @property
    def scaled(self) -> np.ndarray:
        """Give z (C, n_samples) of unit variance, with noise on ties."""
        values = self.z - self.z.mean(axis=0)
        deviations = values.std(axis=0)
        values /= np.where(deviations > 0, deviations, 1.0)
        random = np.random.default_rng([self.seed, 0x2])
        return np.ascontiguousarray((values + _NOISE * random.standard_normal(values.shape)).T)

    def __bool__(self) -> bool:
        return bool(self.z.shape[1] or self.classes.shape[1])


def combined(codes: np.ndarray) -> np.ndarray:
    """Give rows that are alike one number, from 0; all 0 without columns."""
    if not codes.shape[1]:
        return np.zeros(len(codes), np.int64)
    return np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _check_strata(strata: np.ndarray, covariates: FeatureTable) -> None:
    alone = int((np.bincount(strata) == 1).sum())
    if alone == len(strata):
        found = f"every sample is a stratum of its own ({listed(covariates.names)})"
        raise InvalidInput("covariates", found, "leave one out, or merge classes")
    if alone:
        warnings.warn(
            f"{alone} of {len(strata)} samples are alone in their stratum of the covariates and "
            "say nothing",
            UserWarning,
            stacklevel=5,
        )


def _check_blocks(blocks: np.ndarray, name: str, whole: bool) -> None:
    n_blocks = blocks.max() + 1
    if whole:
        if n_blocks < 2:
            raise InvalidInput("blocks", f"{name!r} has one value", "use one of several values")
    elif n_blocks == len(blocks):
        remedy = "without `blocks` all samples are permuted, which is what one sample each allows"
        raise InvalidInput("blocks", f"one sample in every block of {name!r}", remedy)


def _warn_of_lone_samples(groups: np.ndarray, blocks: FeatureTable, strata: np.ndarray) -> None:
    alone = np.flatnonzero(np.bincount(groups)[groups] == 1)
    if len(alone):
        where = f"their block of {blocks.names[0]!r}" + (" and stratum" if strata.max() else "")
        warnings.warn(
            f"{len(alone)} of {len(groups)} samples are alone in {where} and are never permuted: "
            f"{listed(blocks.samples[alone])}; leave them out, or merge blocks",
            UserWarning,
            stacklevel=5,
        )
