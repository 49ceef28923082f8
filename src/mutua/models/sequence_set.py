"""Kind `SequenceSet`: sequences of one length as letter codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import Fault, InvalidInput
from mutua.models.alphabets import MOST_LETTERS, UNKNOWN, alphabet_faults, resolve_alphabet
from mutua.models.base import Coordinate, Dataset, Element, coordinate, variable
from mutua.models.build import assemble
from mutua.models.digests import is_lazy, remembered, values_of
from mutua.models.dims import CODES, POSITION, SEQUENCE, TARGET, TRACK
from mutua.models.faults import blocks, position

__all__ = ["SequenceSet"]

_CACHED = 1 << 18
"""Bytes that stay in a fast cache while they are looked at twice."""


class SequenceSetAttributes(pydantic.BaseModel):
    """Attributes of a `SequenceSet`."""

    alphabet: str = pydantic.Field(
        min_length=2,
        max_length=MOST_LETTERS,
        description="the letters; a code is an index into them",
    )


class SequenceSet(Element):
    """Sequences of one length over one alphabet, with what a model predicts for them.

    `codes` holds the index of each letter in the alphabet, 254 for an unknown letter and 255 for
    padding. Sequences have names only where `sequence_id` is present; it is no index, so that
    ten million names cost no more than their characters (`mutua.sel` finds sequences by name).
    """

    codes: np.uint8 = variable(
        "index into the alphabet; 254 unknown letter, 255 padding", dims=(SEQUENCE, POSITION)
    )
    prediction: np.float32 | None = variable(
        "output of a model for the sequence", dims=(SEQUENCE, TARGET), nullable=True
    )
    weight: np.float64 | None = variable("weight of the sequence", dims=(SEQUENCE,), ge=0)
    length: np.int32 | None = variable(
        "letters of the sequence without its padding", dims=(SEQUENCE,), unit="nt", ge=0
    )
    tracks: np.float32 | None = variable(
        "further inputs of a model along the sequence", dims=(SEQUENCE, TRACK, POSITION)
    )
    sequence_id: Coordinate[str] | None = coordinate("name of the sequence", dims=(SEQUENCE,))
    chrom: Coordinate[str] | None = coordinate("chromosome", dims=(SEQUENCE,))
    start: Coordinate[np.int64] | None = coordinate(
        "first base of the region, 0-based", dims=(SEQUENCE,), ge=0
    )
    end: Coordinate[np.int64] | None = coordinate(
        "base after the last of the region", dims=(SEQUENCE,), ge=0
    )
    strand: Coordinate[str] | None = coordinate(
        "strand; . where there is none", dims=(SEQUENCE,), isin=["+", "-", "."]
    )
    position: Coordinate[np.int64] | None = coordinate(
        "position in coordinates of the user's own", dims=(POSITION,), unique=True
    )
    target: Coordinate[str] | None = coordinate(
        "name of a model output", dims=(TARGET,), unique=True
    )
    track: Coordinate[str] | None = coordinate(
        "name of a further input", dims=(TRACK,), unique=True
    )

    class Config:
        """Options of the pandera model."""

        attrs = SequenceSetAttributes

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault for an alphabet that is none."""
        yield from alphabet_faults(element.attrs.get("alphabet"))

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault where a code is neither a letter nor unknown nor padding."""
        codes, size = element.variables.get(CODES), len(element.attrs["alphabet"])
        if codes is None:
            return

        def look() -> tuple[str, int] | None:
            return _first_bad(codes, size)

        bad = look() if is_lazy(codes) else remembered(values_of(codes), ("codes", size), look)
        if bad is not None:
            yield Fault(
                f"variable 'codes', {bad[0]}",
                f"code {bad[1]} in an alphabet of {size} letters",
                f"use 0 to {size - 1}, 254 (unknown) or 255 (padding)",
            )

    @classmethod
    def build(
        cls, codes: Any = None, /, *, alphabet: str | None = None, **parts: Any
    ) -> Dataset[Self]:
        """Make a sequence set from letter codes.

        For text use `mutua.from_strings` or a reader, for one-hot arrays `mutua.from_one_hot`.

        Parameters
        ----------
        codes
            (sequence, position) integers, or a Dataset or mapping that has them.
        alphabet
            ``"DNA"``, ``"RNA"``, ``"protein"`` or the letters.
        **parts
            Further variables and coordinates of the kind: ``prediction``, ``weight``,
            ``sequence_id``, ``position`` and so on.

        Raises
        ------
        InvalidInput
            For text or arrays of other than two dims.
        InvalidElement
            For codes outside the alphabet and everything else that is wrong.

        Examples
        --------
        >>> import numpy as np
        >>> import mutua as mt
        >>> codes = np.array([[0, 1, 2], [3, 3, 254]], dtype=np.uint8)
        >>> seqs = mt.SequenceSet.build(codes, alphabet="DNA", sequence_id=["a", "b"])
        >>> mt.pp.to_strings(seqs)
        ['ACG', 'TTN']
        """
        labelled = isinstance(codes, xr.Dataset | Mapping)
        if not labelled and _is_text(codes):
            raise InvalidInput("codes", "text", "use mutua.from_strings(...) for text")
        arrays = parts if labelled else {CODES: codes, **parts}
        if alphabet is not None:
            arrays = {**arrays, "alphabet": resolve_alphabet(alphabet)}
        return assemble(cls, codes if labelled else None, arrays, function=f"{cls.__name__}.build")


def _is_text(codes: Any) -> bool:
    """Tell text from numbers without computing anything."""
    if isinstance(codes, str | bytes):
        return True
    if isinstance(codes, list | tuple):
        return any(_is_text(item) for item in codes[:1])
    kind = getattr(getattr(codes, "dtype", None), "kind", None)
    if kind == "O" and not hasattr(codes, "dask"):
        return any(isinstance(item, str) for item in np.asarray(codes).flat[:1])
    return kind in ("U", "S", "T")


def _first_bad(codes: xr.Variable, alphabet_size: int) -> tuple[str, int] | None:
    """Give the position and value of the first code that stands for nothing."""
    for start, block in blocks(codes):
        values = np.asarray(block.values)
        rows = max(1, _CACHED // max(1, values.shape[1]))
        for first in range(0, len(values) if values.size else 0, rows):
            part = values[first : first + rows]
            # Most parts hold letters only, which one look at the largest code tells.
            if part.max() < alphabet_size:
                continue
            # Letters wrap round to above 254 - size here, and only bad codes are below.
            shifted = part - np.uint8(alphabet_size)
            if shifted.min() < UNKNOWN - alphabet_size:
                row, column = np.argwhere(shifted < UNKNOWN - alphabet_size)[0]
                index = start[0] + first + int(row), start[1] + int(column)
                return position(codes.dims, index), int(part[row, column])
    return None
