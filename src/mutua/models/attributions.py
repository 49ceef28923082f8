"""Kind `Attributions`: what every letter of a sequence contributes to a model's output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import Fault
from mutua.models.alphabets import resolve_alphabet
from mutua.models.base import Coordinate, Dataset, coordinate, variable
from mutua.models.dims import ATTRIBUTION, LETTER, POSITION, SEQUENCE, TARGET
from mutua.models.sequence_set import SequenceSet, SequenceSetAttributes

__all__ = ["Attributions", "number_faults", "order_faults", "with_letters"]


class AttributionsAttributes(SequenceSetAttributes):
    """Attributes of an `Attributions`."""

    target: str = pydantic.Field(description="the model output that is explained")
    method: str = pydantic.Field(description="how contributions were computed")
    hypothetical: bool = pydantic.Field(
        description="values for all letters, or for the one that is there and 0 for the others"
    )


class Attributions(SequenceSet):
    """A sequence set with the contribution of each letter to one output of a model.

    Attributions are in units of that output. Hypothetical ones say for every letter what it would
    contribute; projected ones are 0 for all letters but the one that is there.
    """

    attribution: np.float32 = variable(
        "contribution of the letter to the model output", dims=(SEQUENCE, LETTER, POSITION)
    )
    convergence_delta: np.float32 | None = variable(
        "difference of outputs less the sum of attributions, averaged over references",
        dims=(SEQUENCE,),
        nullable=True,
    )
    letter: Coordinate[str] = coordinate("letter of the alphabet", dims=(LETTER,), unique=True)

    class Config:
        """Options of the pandera model."""

        attrs = AttributionsAttributes

    @classmethod
    def build(
        cls, codes: Any = None, /, *, alphabet: str | None = None, **parts: Any
    ) -> Dataset[Self]:
        """Make attributions from those of the user's own.

        Parameters
        ----------
        codes
            A sequence set, or what `SequenceSet.build` takes.
        alphabet
            As for `SequenceSet.build`.
        **parts
            ``attribution`` (sequence, letter, position), ``target``, ``method`` and
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
        >>> seqs = mt.from_strings(["ACGT", "TTTT"])
        >>> attr = mt.Attributions.build(
        ...     seqs,
        ...     attribution=np.zeros((2, 4, 4)),
        ...     target="signal",
        ...     method="none",
        ...     hypothetical=True,
        ... )
        >>> attr["attribution"].dims
        ('sequence', 'letter', 'position')
        """
        return super().build(codes, alphabet=alphabet, **with_letters(codes, alphabet, parts))

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield the faults of a sequence set, and those of letters and targets."""
        yield from super().structure_faults(element)
        yield from number_faults(element)
        part = element.variables.get(ATTRIBUTION)
        if part is not None and TARGET in part.dims:
            found = f"is of {element.sizes[TARGET]} targets"
            yield Fault(f"variable {ATTRIBUTION!r}", found, "choose one by mutua.tl.select_target")

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield the faults of a sequence set, and one for letters that are out of order."""
        yield from super().faults(element)
        yield from order_faults(element)


def number_faults(element: xr.Dataset) -> Iterator[Fault]:
    """Yield a fault where there are not as many letters as the alphabet has."""
    alphabet = element.attrs.get("alphabet")
    size = element.sizes.get(LETTER)
    if isinstance(alphabet, str) and size is not None and size != len(alphabet):
        found = f"{size} letters, and the alphabet {alphabet!r} has others"
        yield Fault(f"dim {LETTER!r}", found, "keep all letters of the alphabet")


def order_faults(element: xr.Dataset) -> Iterator[Fault]:
    """Yield a fault for letters that are out of order."""
    letters = element.variables[LETTER].values.tolist()
    if letters != list(element.attrs["alphabet"]):
        remedy = f"use {list(element.attrs['alphabet'])}, and values in that order"
        yield Fault(f"coordinate {LETTER!r}", f"{letters}", remedy)


def with_letters(codes: Any, alphabet: str | None, parts: dict[str, Any]) -> dict[str, Any]:
    """Add the letters of the alphabet to the parts of attributions that have none."""
    letters = codes.attrs.get("alphabet") if isinstance(codes, xr.Dataset) else None
    letters = resolve_alphabet(alphabet) if alphabet is not None else letters
    return parts if letters is None else {LETTER: list(letters)} | parts
