"""Kind `ModuleAssociation`: which features go with which modules, and through what latent dims."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import Fault
from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import FEATURE, LATENT, MODULE

__all__ = ["RULES", "ModuleAssociation"]

Rule = Literal["threshold", "quantile", "fdr"]
RULES: tuple[str, ...] = get_args(Rule)


class ModuleAssociationAttributes(pydantic.BaseModel):
    """Attributes of a `ModuleAssociation`."""

    by: Rule = pydantic.Field(description="how the latent dims of a feature were chosen")
    level: float = pydantic.Field(
        ge=0, le=1, description="the threshold, quantile or false discovery rate"
    )
    feature_quantile: float = pydantic.Field(
        default=0.0,
        ge=0,
        le=1,
        description="quantile of the mutual information with a latent dim that a feature also has "
        "to reach",
    )
    module_quantile: float = pydantic.Field(
        ge=0, le=1, description="quantile of |r| from which a latent dim counts for a module"
    )


class ModuleAssociation(Element):
    """A feature is associated with a module if a latent dim links the two.

    The latent dims that link feature f and module m are those with
    ``feature_latent[f] & latent_module[:, m]``.
    """

    associated: np.bool_ = variable("whether any latent dim links the two", dims=(FEATURE, MODULE))
    strength: np.float64 = variable(
        "largest mutual information with a linking latent dim, 0 without one",
        dims=(FEATURE, MODULE),
        unit="nats",
        ge=0,
    )
    n_links: np.int64 = variable("latent dims that link the two", dims=(FEATURE, MODULE), ge=0)
    feature_latent: np.bool_ = variable(
        "latent dims that were kept for a feature", dims=(FEATURE, LATENT)
    )
    latent_module: np.bool_ = variable(
        "modules that hold features of a latent dim", dims=(LATENT, MODULE)
    )
    feature: Coordinate[str] = coordinate("name of the feature", dims=(FEATURE,), unique=True)
    latent: Coordinate[str] = coordinate("name of the latent dim", dims=(LATENT,), unique=True)
    module: Coordinate[str] = coordinate("name of the module", dims=(MODULE,), unique=True)

    class Config:
        """Options of the pandera model."""

        attrs = ModuleAssociationAttributes

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault where the links and what they make do not agree."""
        if not {"feature_latent", "latent_module", "n_links", "associated"} <= element.keys():
            return  # some are not in memory
        through = element["feature_latent"].values.astype(np.int64)
        links = through @ element["latent_module"].values.astype(np.int64)
        if not np.array_equal(links, element["n_links"].values):
            found = "is not the number of latent dims that link feature and module"
            yield Fault("variable 'n_links'", found, "use feature_latent @ latent_module")
        if not np.array_equal(links > 0, element["associated"].values):
            yield Fault("variable 'associated'", "is not where there are links", "use n_links > 0")
