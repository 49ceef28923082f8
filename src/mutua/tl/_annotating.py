"""What all functions that give annotations share: names and places of sequences, and motifs."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.spans import cut_spans
from mutua.models import Dataset, MotifSet, SequenceSet, as_kind
from mutua.models.annotation_parts import sequence_parts
from mutua.models.annotations import Annotations
from mutua.models.build import ordered
from mutua.models.dims import (
    ANNOTATION,
    ATTRIBUTION,
    CODES,
    END,
    LENGTH,
    LETTER,
    MOTIF,
    POSITION,
    PROBABILITY,
    SEQUENCE,
    SEQUENCE_ID,
    TARGET,
)
from mutua.models.faults import blocks

__all__ = [
    "as_annotations",
    "has_attributions",
    "motif_parts",
    "motif_probabilities",
    "refuse_other_sequences",
    "sequence_parts",
    "span_codes",
]


def motif_parts(motifs: Dataset[MotifSet]) -> dict[str, xr.Variable]:
    """Give what annotations say of the motifs that they point to."""
    names = (MOTIF, "name", "family")
    return {
        name: motifs[name].variable.to_base_variable().load()
        for name in names
        if name in motifs.coords
    }


def motif_probabilities(
    motifs: Dataset[MotifSet], alphabet: str
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Give float64 (motif, letter, motif_position), the widths, and the order of the letters.

    Letters are in the order of `alphabet`, which is that of the sequences.

    Raises
    ------
    InvalidInput
        If there are no motifs, or they are of other letters.
    """
    letters = motifs.attrs["alphabet"]
    if set(letters) != set(alphabet):
        found = f"motifs of {letters!r}, and sequences of {alphabet!r}"
        dna = {letters, alphabet} == {"ACGT", "ACGU"}
        remedy = "give both one alphabet, e.g. by alphabet= where the motifs are read"
        raise InvalidInput("motifs", found, remedy if dna else "use motifs of the same letters")
    if motifs.sizes[MOTIF] == 0:
        raise InvalidInput("motifs", "none", "give at least one motif")
    order = [letters.index(letter) for letter in alphabet]
    probability = np.asarray(motifs[PROBABILITY].values, np.float64)[:, order]
    return probability, np.asarray(motifs[LENGTH].values), order


def as_annotations(
    columns: dict[str, np.ndarray], parts: dict[str, xr.Variable], **attrs: Any
) -> Dataset[Annotations]:
    """Put columns, and what is said of sequences and motifs, together as annotations."""
    coordinates = {name for name, spec in Annotations.specs().items() if spec.is_coordinate}
    variables = {name: xr.Variable((ANNOTATION,), column) for name, column in columns.items()}
    variables |= {name: part for name, part in parts.items() if name not in coordinates}
    coords = {name: part for name, part in parts.items() if name in coordinates}
    return as_kind(Annotations, ordered(Annotations, xr.Dataset(variables, coords, attrs)))


def refuse_other_sequences(
    annotations: Dataset[Annotations],
    sequences: Dataset[SequenceSet],
    *,
    argument: str = "sequences",
) -> None:
    """Refuse sequences that are not those that the annotations are in, as far as can be told."""
    end = np.asarray(annotations[END].values)
    n, length = sequences.sizes[SEQUENCE], sequences.sizes[POSITION]
    others = annotations.sizes[SEQUENCE]
    if n != others or length < end.max(initial=0):
        found = f"{n} of {length} letters, and the spans are in {others} others"
        raise InvalidInput(argument, found, "give those that the spans were found in")
    if SEQUENCE_ID in sequences.coords and SEQUENCE_ID in annotations.coords:
        ours, theirs = (element[SEQUENCE_ID].values for element in (annotations, sequences))
        if (differing := np.flatnonzero(ours != theirs)).size:
            place = int(differing[0])
            theirs_is, ours_is = str(theirs[place]), str(ours[place])
            found = f"sequence {place} is {theirs_is!r}, and the spans are in {ours_is!r}"
            raise InvalidInput(argument, found, "give those that the spans were found in")


def has_attributions(sequences: Dataset[SequenceSet]) -> bool:
    """Tell whether sequences have attributions, or refuse those of several targets."""
    if ATTRIBUTION not in sequences:
        return False
    if TARGET in sequences[ATTRIBUTION].dims:
        found = f"attributions to {sequences.sizes[TARGET]} targets"
        raise InvalidInput("sequences", found, "choose one by mutua.tl.select_target")
    return sequences[ATTRIBUTION].dims == (SEQUENCE, LETTER, POSITION)


def span_codes(
    sequences: Dataset[SequenceSet], row: np.ndarray, start: np.ndarray, end: np.ndarray
) -> np.ndarray:
    """Give the letters of spans, uint8 (span, letter), with padding behind shorter ones.

    Sequences that are not in memory are read block by block.
    """
    widest = int((end - start).max(initial=0))
    found = np.empty((len(row), widest), np.uint8)
    order = np.argsort(row, kind="stable")
    codes = sequences[CODES].variable
    if codes.chunksizes:
        codes = codes.chunk({POSITION: -1})
    for first, block in blocks(codes):
        values = np.asarray(block.values)
        bounds = np.searchsorted(row, [first[0], first[0] + len(values)], sorter=order)
        spans = order[slice(*bounds)]
        part = np.empty((len(spans), widest), np.uint8)
        cut_spans(values, row[spans] - first[0], start[spans], end[spans], part)
        found[spans] = part
    return found
