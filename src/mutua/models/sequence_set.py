"""Kind `SequenceSet`: sequences of one length as letter codes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import Fault, InvalidInput
from mutua.models.alphabets import UNKNOWN, resolve_alphabet
from mutua.models.base import Coordinate, Dataset, Element, coordinate, variable
from mutua.models.build import assemble
from mutua.models.digests import is_lazy, remembered
from mutua.models.dims import CODES, POSITION, SEQUENCE, TARGET, TRACK

__all__ = ["SequenceSet"]

_BLOCK = 1 << 22


class SequenceSetAttributes(pydantic.BaseModel):
    """Attributes of a `SequenceSet`."""

    alphabet: str = pydantic.Field(
        min_length=2, max_length=250, description="the letters; a code is an index into them"
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
    prediction: Optional[np.float32] = variable(
        "output of a model for the sequence", dims=(SEQUENCE, TARGET), nullable=True
    )
    weight: Optional[np.float64] = variable("weight of the sequence", dims=(SEQUENCE,), ge=0)
    length: Optional[np.int32] = variable(
        "letters of the sequence without its padding", dims=(SEQUENCE,), unit="nt", ge=0
    )
    tracks: Optional[np.float32] = variable(
        "further inputs of a model along the sequence", dims=(SEQUENCE, TRACK, POSITION)
    )
    sequence_id: Optional[Coordinate[str]] = coordinate("name of the sequence", dims=(SEQUENCE,))
    chrom: Optional[Coordinate[str]] = coordinate("chromosome", dims=(SEQUENCE,))
    start: Optional[Coordinate[np.int64]] = coordinate(
        "first base of the region, 0-based", dims=(SEQUENCE,), ge=0
    )
    end: Optional[Coordinate[np.int64]] = coordinate(
        "base after the last of the region", dims=(SEQUENCE,), ge=0
    )
    strand: Optional[Coordinate[str]] = coordinate("strand, + or -", dims=(SEQUENCE,))
    position: Optional[Coordinate[np.int64]] = coordinate(
        "position in coordinates of the user's own", dims=(POSITION,), unique=True
    )
    target: Optional[Coordinate[str]] = coordinate(
        "name of a model output", dims=(TARGET,), unique=True
    )
    track: Optional[Coordinate[str]] = coordinate(
        "name of a further input", dims=(TRACK,), unique=True
    )

    class Config:
        """Options of the pandera model."""

        attrs = SequenceSetAttributes

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault for an alphabet that is none."""
        try:
            resolve_alphabet(element.attrs.get("alphabet", "ACGT"))
        except InvalidInput as error:
            yield Fault("attribute 'alphabet'", error.found, error.remedy)

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault where a code is neither a letter nor unknown nor padding."""
        if CODES not in element or is_lazy(element[CODES].variable):
            return
        values, size = element[CODES].values, len(element.attrs["alphabet"])
        bad = remembered(values, ("codes", size), lambda: _first_bad(values, size))
        if bad is not None:
            row, column = bad
            yield Fault(
                f"variable 'codes', sequence {row}, position {column}",
                f"code {values[row, column]} in an alphabet of {size} letters",
                f"use 0 to {size - 1}, 254 (unknown) or 255 (padding)",
            )

    @classmethod
    def build(
        cls, codes: Any = None, /, *, alphabet: str | None = None, **parts: Any
    ) -> Dataset[SequenceSet]:
        """Make a sequence set from letter codes.

        For text use `mutua.from_strings` or a reader, for one-hot arrays `mutua.from_one_hot`.

        Parameters
        ----------
        codes
            (sequence, position) integers, or a Dataset that has them.
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
        if isinstance(codes, xr.Dataset):
            data, arrays = codes, parts
        else:
            if codes is not None and np.asarray(codes).dtype.kind in "US":
                raise InvalidInput("codes", "text", "use mutua.from_strings(...) for text")
            data, arrays = None, {CODES: codes, **parts}
        if alphabet is not None:
            arrays = {**arrays, "alphabet": resolve_alphabet(alphabet)}
        return assemble(cls, data, arrays, function="SequenceSet.build")


def _first_bad(codes: np.ndarray, alphabet_size: int) -> tuple[int, int] | None:
    rows = max(1, _BLOCK // max(1, codes.shape[1]))
    for first in range(0, len(codes), rows):
        block = codes[first : first + rows]
        bad = (block >= alphabet_size) & (block < UNKNOWN)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            return first + int(row), int(column)
    return None
