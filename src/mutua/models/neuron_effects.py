"""Kind `NeuronEffects`: whether sequences that activate a neuron differ in a label."""

from __future__ import annotations

import numpy as np
import pydantic

from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import NEURON, TARGET

__all__ = ["STATUSES", "NeuronEffects"]

STATUSES = ("tested", "dead", "undefined")
"""Whether a neuron was tested, is dead (no activation above 0) or has too few sequences."""
_BOTH = (NEURON, TARGET)


class NeuronEffectsAttributes(pydantic.BaseModel):
    """Attributes of a `NeuronEffects`."""

    threshold: float = pydantic.Field(
        gt=0, lt=1, description="share of the largest activation above which a neuron is active"
    )
    alpha: float = pydantic.Field(gt=0, lt=1, description="q-value below which a sign is given")
    values: str = pydantic.Field(description="what the means are of: the label or the prediction")
    covariates: list[str] = pydantic.Field(default=[], description="what was controlled for")
    test: str = pydantic.Field(description="how p-values were computed")


class NeuronEffects(Element):
    """Difference of a label between sequences that activate a neuron and all others.

    A neuron is active in a sequence if its activation at any place exceeds a share of the
    largest one it has in all sequences.
    """

    activation_max: np.float32 = variable(
        "largest activation in all sequences", dims=(NEURON,), nullable=True
    )
    activation_sequence: np.int32 = variable(
        "sequence of that activation; -1 for none", dims=(NEURON,), ge=-1
    )
    activation_start: np.int32 = variable(
        "first letter of its window, 0-based; -1 for none", dims=(NEURON,), unit="letters", ge=-1
    )
    n_active: np.int64 = variable(
        "sequences that activate the neuron", dims=_BOTH, unit="sequences", ge=0
    )
    n_silent: np.int64 = variable("sequences that do not", dims=_BOTH, unit="sequences", ge=0)
    mean_active: np.float64 = variable(
        "mean over the sequences that activate it", dims=_BOTH, nullable=True
    )
    mean_silent: np.float64 = variable("mean over the others", dims=_BOTH, nullable=True)
    effect: np.float64 = variable(
        "difference of the two, at equal covariates if there are any", dims=_BOTH, nullable=True
    )
    effect_low: np.float64 = variable(
        "lower end of its 95 % confidence interval", dims=_BOTH, nullable=True
    )
    effect_high: np.float64 = variable(
        "upper end of its 95 % confidence interval", dims=_BOTH, nullable=True
    )
    cohen_d: np.float64 = variable(
        "effect in standard deviations within the groups", dims=_BOTH, nullable=True
    )
    rank_effect: np.float64 | None = variable(
        "difference of the mean ranks, in halves of all ranks", dims=_BOTH, nullable=True
    )
    p_value: np.float64 = variable(
        "two-sided p-value of the difference", dims=_BOTH, nullable=True, ge=0, le=1
    )
    q_value: np.float64 = variable(
        "false discovery rate over the neurons of a layer", dims=_BOTH, nullable=True, ge=0, le=1
    )
    sign: np.int8 = variable(
        "1 where the label is significantly higher, -1 where it is lower, else 0",
        dims=_BOTH,
        isin=[-1, 0, 1],
    )
    status: Coordinate[str] = coordinate(
        "whether the neuron was tested", dims=(NEURON,), isin=STATUSES
    )
    neuron: Coordinate[str] = coordinate(
        "name of the neuron, as layer:channel", dims=(NEURON,), unique=True
    )
    layer: Coordinate[str] = coordinate("layer of the neuron", dims=(NEURON,))
    channel: Coordinate[np.int32] = coordinate("channel of the layer, from 0", dims=(NEURON,))
    target: Coordinate[str] | None = coordinate(
        "name of the label or model output", dims=(TARGET,), unique=True
    )

    class Config:
        """Options of the pandera model."""

        attrs = NeuronEffectsAttributes
