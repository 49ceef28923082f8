"""Kind `MotifPairs`: pairs of motifs that stand in the same sequences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import Fault
from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import MOTIF, PAIR

__all__ = ["INTERACTIONS", "ORIENTATIONS", "MotifPairs"]

ORIENTATIONS = ("++", "+-", "-+", "--")
"""What the values 0 to 3 of `orientation` stand for: the strands of the left and right motif."""

INTERACTIONS = (
    "synergistic",
    "antagonistic",
    "additive",
    "opposed",
    "ambiguous",
    "undefined",
)
"""What `interaction` may say: more than the sum of both effects, less, or neither; effects of
opposite sign; no effect of either; too few sequences to tell."""


class MotifPairsAttributes(pydantic.BaseModel):
    """Attributes of a `MotifPairs`."""

    counted: str = pydantic.Field(description="what `n` counts")
    ordered: bool = pydantic.Field(description="whether motif_a stands to the left of motif_b")
    n_sequences: int = pydantic.Field(ge=0, description="sequences that were looked at")
    max_distance: int | None = pydantic.Field(
        default=None, ge=0, description="pairs farther apart were left out"
    )
    listed: str = pydantic.Field(default="", description="which rows are listed")
    test: str = pydantic.Field(default="", description="how p-values were computed")
    n_permutations: int = pydantic.Field(default=0, ge=0, description="permutations of the null")
    n_tests: int | None = pydantic.Field(
        default=None, ge=0, description="pairs that q-values account for"
    )
    target: str = pydantic.Field(default="", description="output of the model, for effects")
    confidence: float | None = pydantic.Field(
        default=None, gt=0, lt=1, description="level of the confidence intervals"
    )


class MotifPairs(Element):
    """Pairs of motifs, one per row, with how often they occur and what chance would give.

    A pair is listed if it occurs or is expected at least 5 times, so that pairs that avoid each
    other are seen. With `distance`, a pair has a row for each distance, with `orientation` one
    for each orientation.
    """

    motif_a_index: np.int32 = variable("the first motif", dims=(PAIR,), ge=0)
    motif_b_index: np.int32 = variable("the second motif", dims=(PAIR,), ge=0)
    n: np.int64 = variable("times that the pair occurs", dims=(PAIR,), ge=0)
    expected: np.float64 | None = variable(
        "times that it would occur by chance", dims=(PAIR,), nullable=True, ge=0
    )
    log2_ratio: np.float64 | None = variable(
        "log2 of n over expected, half a pair added to both", dims=(PAIR,), nullable=True
    )
    p_value: np.float64 | None = variable(
        "two-sided p-value", dims=(PAIR,), nullable=True, ge=0, le=1
    )
    q_value: np.float64 | None = variable(
        "false discovery rate", dims=(PAIR,), nullable=True, ge=0, le=1
    )
    p_familywise: np.float64 | None = variable(
        "family-wise p-value (maximum over all pairs)", dims=(PAIR,), nullable=True, ge=0, le=1
    )
    n_within: np.int64 | None = variable(
        "times that the pair stands within `max_distance`", dims=(PAIR,), ge=0
    )
    distance: np.int32 | None = variable(
        "letters between the two motifs; negative where they overlap", dims=(PAIR,), unit="letters"
    )
    orientation: np.int8 | None = variable(
        "strands of the left and the right motif: 0 ++, 1 +-, 2 -+, 3 --",
        dims=(PAIR,),
        isin=[0, 1, 2, 3],
    )
    n_tested: np.int64 | None = variable(
        "sequences that the effects are means of", dims=(PAIR,), unit="sequences", ge=0
    )
    epistasis: np.float64 | None = variable(
        "effect of both motifs beyond the sum of the effects of each", dims=(PAIR,), nullable=True
    )
    epistasis_low: np.float64 | None = variable(
        "lower end of its confidence interval", dims=(PAIR,), nullable=True
    )
    epistasis_high: np.float64 | None = variable(
        "upper end of its confidence interval", dims=(PAIR,), nullable=True
    )
    epistasis_median: np.float64 | None = variable(
        "median over the sequences", dims=(PAIR,), nullable=True
    )
    effect_a: np.float64 | None = variable(
        "effect of the first motif alone, the other one destroyed", dims=(PAIR,), nullable=True
    )
    effect_a_low: np.float64 | None = variable(
        "lower end of its confidence interval", dims=(PAIR,), nullable=True
    )
    effect_a_high: np.float64 | None = variable(
        "upper end of its confidence interval", dims=(PAIR,), nullable=True
    )
    p_effect_a: np.float64 | None = variable(
        "two-sided p-value of the effect", dims=(PAIR,), nullable=True, ge=0, le=1
    )
    effect_b: np.float64 | None = variable(
        "effect of the second motif alone, the other one destroyed", dims=(PAIR,), nullable=True
    )
    effect_b_low: np.float64 | None = variable(
        "lower end of its confidence interval", dims=(PAIR,), nullable=True
    )
    effect_b_high: np.float64 | None = variable(
        "upper end of its confidence interval", dims=(PAIR,), nullable=True
    )
    p_effect_b: np.float64 | None = variable(
        "two-sided p-value of the effect", dims=(PAIR,), nullable=True, ge=0, le=1
    )
    effect_joint: np.float64 | None = variable(
        "effect of both motifs together", dims=(PAIR,), nullable=True
    )
    effect_joint_low: np.float64 | None = variable(
        "lower end of its confidence interval", dims=(PAIR,), nullable=True
    )
    effect_joint_high: np.float64 | None = variable(
        "upper end of its confidence interval", dims=(PAIR,), nullable=True
    )
    interaction: Coordinate[str] | None = coordinate(
        "what the effects say of the pair", dims=(PAIR,), isin=INTERACTIONS
    )
    motif: Coordinate[str] = coordinate("id of the motif", dims=(MOTIF,), unique=True)
    name: Coordinate[str] | None = coordinate("name of the motif", dims=(MOTIF,))
    family: Coordinate[str] | None = coordinate("family of the motif", dims=(MOTIF,))

    class Config:
        """Options of the pandera model."""

        attrs = MotifPairsAttributes

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault for pairs of motifs that there are not."""
        size = element.sizes[MOTIF]
        for name in ("motif_a_index", "motif_b_index"):
            part = element.variables.get(name)
            if part is not None and part.size and (largest := int(part.values.max())) >= size:
                row = int(part.values.argmax())
                found = f"is {largest}, and dim {MOTIF!r} has {size}"
                yield Fault(f"variable {name!r}, pair {row}", found, f"use 0 to {size - 1}")
