"""Kind `FeatureMI`: the dependency between the features of one table and those of another."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import pydantic

from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import FEATURE, LATENT

__all__ = ["ESTIMATORS", "FeatureMI"]

Estimator = Literal["knn", "gaussian_copula", "binned"]
ESTIMATORS: tuple[str, ...] = get_args(Estimator)
_PAIR = (FEATURE, LATENT)


class FeatureMIAttributes(pydantic.BaseModel):
    """Attributes of a `FeatureMI`."""

    estimator: Estimator = pydantic.Field(description="how `mi` was estimated")
    n_neighbors: int = pydantic.Field(
        default=0, ge=0, description="neighbours of the estimator knn, 0 for the others"
    )
    n_samples: int = pydantic.Field(ge=1, description="samples that both tables have")
    covariates: list[str] = pydantic.Field(
        default_factory=list, description="what the mutual information is conditional on"
    )
    blocks: str = pydantic.Field(
        default="", description="column within whose values samples were permuted"
    )
    n_permutations: int = pydantic.Field(default=0, ge=0, description="permutations of the null")
    n_tests: int = pydantic.Field(default=0, ge=0, description="pairs that q-values account for")


class FeatureMI(Element):
    """Mutual information of every feature with every latent dim, over the samples of both.

    NaN stands where a column is constant: it has no mutual information with anything.
    """

    mi: np.float64 = variable(
        "mutual information; conditional on attrs['covariates'] where there are any",
        dims=_PAIR,
        unit="nats",
        nullable=True,
        ge=0,
    )
    mi_normalized: np.float64 | None = variable(
        "divided by the largest of the same latent dim", dims=_PAIR, nullable=True, ge=0, le=1
    )
    mi_null: np.float64 | None = variable(
        "mean over permutations of the estimate, which may be below 0",
        dims=_PAIR,
        unit="nats",
        nullable=True,
    )
    p_value: np.float64 | None = variable(
        "p-value of the pair by permutation", dims=_PAIR, nullable=True, ge=0, le=1
    )
    q_value: np.float64 | None = variable(
        "false discovery rate (Benjamini-Hochberg)", dims=_PAIR, nullable=True, ge=0, le=1
    )
    p_familywise: np.float64 | None = variable(
        "family-wise p-value (maximum over all pairs)", dims=_PAIR, nullable=True, ge=0, le=1
    )
    zero_fraction: np.float64 | None = variable(
        "share of samples in which the feature is 0", dims=(FEATURE,), ge=0, le=1
    )
    feature: Coordinate[str] = coordinate("name of the feature", dims=(FEATURE,), unique=True)
    latent: Coordinate[str] = coordinate(
        "name of the latent dim, or of the column of any second table", dims=(LATENT,), unique=True
    )

    class Config:
        """Options of the pandera model."""

        attrs = FeatureMIAttributes
