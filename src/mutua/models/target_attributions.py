"""Kind `TargetAttributions`: what every letter contributes to several outputs of a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import Fault
from mutua.models.attributions import number_faults, order_faults, with_letters
from mutua.models.base import Coordinate, Dataset, coordinate, variable
from mutua.models.dims import LETTER, POSITION, SEQUENCE, TARGET
from mutua.models.sequence_set import SequenceSet, SequenceSetAttributes

__all__ = ["TargetAttributions"]


class TargetAttributionsAttributes(SequenceSetAttributes):
    """Attributes of a `TargetAttributions`."""

    method: str = pydantic.Field(description="how contributions were computed")
    hypothetical: bool = pydantic.Field(
        description="values for all letters, or for the one that is there and 0 for the others"
    )


class TargetAttributions(SequenceSet):
    """A sequence set with the contribution of each letter to several outputs of a model.

    `mutua.tl.select_target` gives the `Attributions` of one of them, which seqlets are found in
    and logos drawn of.
    """

    attribution: np.float32 = variable(
        "contribution of the letter to the model output", dims=(SEQUENCE, TARGET, LETTER, POSITION)
    )
    convergence_delta: np.float32 | None = variable(
        "difference of outputs less the sum of attributions, averaged over references",
        dims=(SEQUENCE, TARGET),
        nullable=True,
    )
    target: Coordinate[str] = coordinate(
        "the model output that is explained", dims=(TARGET,), unique=True
    )
    letter: Coordinate[str] = coordinate("letter of the alphabet", dims=(LETTER,), unique=True)

    class Config:
        """Options of the pandera model."""

        attrs = TargetAttributionsAttributes

    @classmethod
    def build(
        cls, codes: Any = None, /, *, alphabet: str | None = None, **parts: Any
    ) -> Dataset[Self]:
        """Make attributions to several targets from those of the user's own.

        Parameters
        ----------
        codes
            A sequence set, or what `SequenceSet.build` takes.
        alphabet
            As for `SequenceSet.build`.
        **parts
            ``attribution`` (sequence, target, letter, position), ``target``, ``method`` and
            ``hypothetical``; further parts of the kind.

        Raises
        ------
        InvalidInput
            For text or arrays of other than two dims.
        InvalidElement
            For everything else that is wrong with it.

        Examples
        --------
        >>> import numpy as np
        >>> import mutua as mt
        >>> attr = mt.TargetAttributions.build(
        ...     mt.from_strings(["ACGTA", "TTTTT"]),
        ...     attribution=np.zeros((2, 3, 4, 5)),
        ...     target=["liver", "brain", "lung"],
        ...     method="none",
        ...     hypothetical=True,
        ... )
        >>> attr["attribution"].sel(target="brain").dims
        ('sequence', 'letter', 'position')
        """
        return super().build(codes, alphabet=alphabet, **with_letters(codes, alphabet, parts))

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield the faults of a sequence set, and one where letters are missing."""
        yield from super().structure_faults(element)
        yield from number_faults(element)

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield the faults of a sequence set, and one for letters that are out of order."""
        yield from super().faults(element)
        yield from order_faults(element)
