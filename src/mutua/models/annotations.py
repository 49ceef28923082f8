"""Kind `Annotations`: spans of sequences, such as seqlets and hits of motifs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import pydantic
import xarray as xr

from mutua.errors import Fault
from mutua.models.base import Coordinate, Element, coordinate, variable
from mutua.models.dims import (
    ANNOTATION,
    END,
    MOTIF,
    MOTIF_INDEX,
    SEQUENCE,
    SEQUENCE_INDEX,
    SEQUENCE_LENGTH,
    SPAN_POSITION,
    START,
)
from mutua.models.faults import blocks

__all__ = ["SOURCES", "Annotations"]

Source = Literal["seqlets", "tomtom", "scan", "cwm", "neuron", "user"]
SOURCES: tuple[str, ...] = get_args(Source)


class AnnotationsAttributes(pydantic.BaseModel):
    """Attributes of an `Annotations`."""

    source: Source = pydantic.Field(description="what the spans were found by")
    alphabet: str | None = pydantic.Field(
        default=None, description="letters that `codes` are indices into"
    )
    n_tests: int | None = pydantic.Field(
        default=None, ge=0, description="comparisons that q-values account for"
    )


class Annotations(Element):
    """Spans of sequences, one per row: seqlets, hits of motifs, or a user's own.

    The names of sequences and motifs stand once, on their own dims; every row points to them.
    Coordinates count the columns of the sequence set, 0-based and half-open, always on the
    forward strand. An element without rows is valid.
    """

    sequence_index: np.int32 = variable("which sequence the span is in", dims=(ANNOTATION,), ge=0)
    start: np.int32 = variable("first letter, 0-based", dims=(ANNOTATION,), unit="letters", ge=0)
    end: np.int32 = variable(
        "letter after the last, 0-based", dims=(ANNOTATION,), unit="letters", ge=1
    )
    motif_index: np.int32 | None = variable(
        "which motif it is; -1 for none", dims=(ANNOTATION,), ge=-1
    )
    strand: np.int8 | None = variable(
        "1 forward, -1 reverse, 0 none", dims=(ANNOTATION,), isin=[-1, 0, 1]
    )
    score: np.float64 | None = variable(
        "score of the method that found it", dims=(ANNOTATION,), nullable=True
    )
    rank_score: np.float64 | None = variable(
        "orders seqlets, the smaller the more extreme; no p-value",
        dims=(ANNOTATION,),
        nullable=True,
    )
    p_value: np.float64 | None = variable(
        "p-value of the score", dims=(ANNOTATION,), nullable=True, ge=0, le=1
    )
    q_value: np.float64 | None = variable(
        "false discovery rate", dims=(ANNOTATION,), nullable=True, ge=0, le=1
    )
    attribution: np.float64 | None = variable(
        "sum of the attributions within", dims=(ANNOTATION,), nullable=True
    )
    attribution_mean: np.float64 | None = variable(
        "mean of the attributions within", dims=(ANNOTATION,), nullable=True
    )
    attribution_max: np.float64 | None = variable(
        "largest of the attributions within", dims=(ANNOTATION,), nullable=True
    )
    importance: np.float64 | None = variable(
        "sum of the sizes of the attributions within", dims=(ANNOTATION,), nullable=True, ge=0
    )
    similarity: np.float64 | None = variable(
        "cosine of the attributions within and the contributions of the motif",
        dims=(ANNOTATION,),
        nullable=True,
        ge=-1,
        le=1,
    )
    coefficient_global: np.float64 | None = variable(
        "score times the mean square of the attributions of the sequence",
        dims=(ANNOTATION,),
        nullable=True,
        ge=0,
    )
    rank: np.int32 | None = variable(
        "0 for the best motif of a span, 1 for the second, ...", dims=(ANNOTATION,), ge=0
    )
    offset: np.int32 | None = variable(
        "letters from the first of the span to the first of the motif", dims=(ANNOTATION,)
    )
    overlap: np.int32 | None = variable(
        "letters that span and motif share", dims=(ANNOTATION,), unit="letters", ge=0
    )
    codes: np.uint8 | None = variable(
        "letters of the span as in a SequenceSet; 255 beyond its end",
        dims=(ANNOTATION, SPAN_POSITION),
    )
    sequence_length: np.int32 = variable(
        "letters of the sequence, with its padding", dims=(SEQUENCE,), unit="letters", ge=0
    )
    duality_gap: np.float64 | None = variable(
        "how far the scores of the sequence are from optimal at most, per letter",
        dims=(SEQUENCE,),
        nullable=True,
        ge=0,
    )
    sequence_id: Coordinate[str] | None = coordinate("name of the sequence", dims=(SEQUENCE,))
    sequence_chrom: Coordinate[str] | None = coordinate("its chromosome", dims=(SEQUENCE,))
    sequence_start: Coordinate[np.int64] | None = coordinate(
        "base of its first column, or its last on strand -, 0-based; negative where padding "
        "stands before a chromosome",
        dims=(SEQUENCE,),
    )
    sequence_strand: Coordinate[str] | None = coordinate(
        "strand of its region; . where there is none", dims=(SEQUENCE,), isin=["+", "-", "."]
    )
    motif: Coordinate[str] | None = coordinate("id of the motif", dims=(MOTIF,), unique=True)
    name: Coordinate[str] | None = coordinate("name of the motif", dims=(MOTIF,))
    family: Coordinate[str] | None = coordinate("family of the motif", dims=(MOTIF,))

    class Config:
        """Options of the pandera model."""

        attrs = AnnotationsAttributes

    @classmethod
    def structure_faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault where rows point to motifs and there are none to point to."""
        if (MOTIF_INDEX in element.variables) != (MOTIF in element.variables):
            here, there = (MOTIF_INDEX, MOTIF) if MOTIF_INDEX in element.variables else (
                MOTIF, MOTIF_INDEX)  # fmt: skip
            remedy = f"give {there!r} as well: the ids of the motifs and which of them each row is"
            yield Fault(f"variable {here!r}", f"there is no {there!r}", remedy)

    @classmethod
    def faults(cls, element: xr.Dataset) -> Iterator[Fault]:
        """Yield a fault for rows that point nowhere, are empty, or leave their sequence."""
        known = element.variables
        yield from _index_faults(element, SEQUENCE_INDEX, SEQUENCE)
        yield from _index_faults(element, MOTIF_INDEX, MOTIF)
        if not {SEQUENCE_INDEX, START, END, SEQUENCE_LENGTH} <= set(known):
            return
        lengths = known[SEQUENCE_LENGTH].values
        for first, part in blocks(known[SEQUENCE_INDEX]):
            rows = slice(first[0], first[0] + part.shape[0])
            start, end = (np.asarray(known[name][rows].values) for name in (START, END))
            index = np.asarray(part.values)
            empty = np.flatnonzero(end <= start)
            if len(empty):
                row = int(empty[0])
                found = f"{len(empty)} with end <= start (first: {start[row]} to {end[row]})"
                place = f"variable 'end', annotation {rows.start + row}"
                yield Fault(place, found, "use 0-based half-open spans of at least one letter")
            sound = (index >= 0) & (index < len(lengths))
            outside = np.flatnonzero(sound & (end > lengths[np.where(sound, index, 0)])
                                     ) if len(lengths) else empty[:0]  # fmt: skip
            if len(outside):
                row = int(outside[0])
                found = (
                    f"{len(outside)} beyond their sequence (first: {start[row]} to {end[row]} in "
                    f"sequence {index[row]} of {lengths[index[row]]} letters)"
                )
                remedy = "use 0-based columns of the sequence set, or leave such spans out"
                yield Fault(f"variable 'end', annotation {rows.start + row}", found, remedy)


def _index_faults(element: xr.Dataset, name: str, dim: str) -> Iterator[Fault]:
    """Yield a fault where an index points beyond the end of its dim."""
    part = element.variables.get(name)
    if part is None or dim not in element.sizes:  # lazy variables are not looked at
        return
    size = element.sizes[dim]
    for first, block in blocks(part):
        beyond = np.flatnonzero(np.asarray(block.values) >= size)
        if len(beyond):
            row = int(beyond[0])
            found = f"is {int(block.values[row])}, and dim {dim!r} has {size}"
            yield Fault(
                f"variable {name!r}, annotation {first[0] + row}", found, f"use 0 to {size - 1}"
            )
            return
