"""What all functions that count annotations by motif share."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.annotation_rows import SortedRows, sort_rows
from mutua.models import Dataset, as_kind
from mutua.models.annotations import Annotations
from mutua.models.build import ordered
from mutua.models.dims import (
    END,
    MOTIF,
    MOTIF_INDEX,
    PAIR,
    SEQUENCE,
    SEQUENCE_ID,
    SEQUENCE_INDEX,
    START,
)
from mutua.models.motif_pairs import MotifPairs

__all__ = [
    "as_motif_pairs",
    "column",
    "log2_ratio",
    "motif_rows",
    "refuse_without_motifs",
    "sequence_names",
]


def column(annotations: Dataset[Annotations], name: str) -> np.ndarray:
    """Give the values of a variable, the motifs among them with a remedy where there are none."""
    if name == MOTIF_INDEX:
        refuse_without_motifs(annotations)
    return np.asarray(annotations[name].values)


def refuse_without_motifs(annotations: Dataset[Annotations]) -> None:
    if MOTIF_INDEX not in annotations:
        remedy = "find their motifs first, e.g. with tl.annotate, or use tl.scan"
        raise InvalidInput("annotations", "spans without motifs", remedy)


def motif_rows(annotations: Dataset[Annotations]) -> SortedRows:
    """Give annotations of motifs in the order in which they stand in their sequences."""
    motif = column(annotations, MOTIF_INDEX)
    reverse = np.zeros(len(motif), np.uint8)
    if "strand" in annotations:
        reverse = (column(annotations, "strand") == -1).astype(np.uint8)
    return sort_rows(
        column(annotations, SEQUENCE_INDEX), column(annotations, START), column(annotations, END),
        motif, reverse, n_sequences=annotations.sizes[SEQUENCE], n_motifs=annotations.sizes[MOTIF],
    )  # fmt: skip


def sequence_names(annotations: Dataset[Annotations]) -> np.ndarray:
    """Give the names of the sequences, 0..N-1 as strings where they have none."""
    if SEQUENCE_ID in annotations.coords:
        return np.asarray(annotations[SEQUENCE_ID].values).astype(object)
    return np.arange(annotations.sizes[SEQUENCE]).astype(str).astype(object)


def log2_ratio(n: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Give log2 of n over expected, half a pair added to both."""
    return np.asarray(np.log2((n + 0.5) / (expected + 0.5)))


def as_motif_pairs(
    columns: dict[str, Any], annotations: Dataset[Annotations], **attrs: Any
) -> Dataset[MotifPairs]:
    """Put columns together with the motifs that the annotations point to."""
    variables = {
        name: values if isinstance(values, xr.Variable) else xr.Variable((PAIR,), values)
        for name, values in columns.items()
    }
    coords = {
        name: annotations[name].variable
        for name in (MOTIF, "name", "family")
        if name in annotations.coords
    }
    element = xr.Dataset(variables, coords, {k: v for k, v in attrs.items() if v is not None})
    return as_kind(MotifPairs, ordered(MotifPairs, element))
