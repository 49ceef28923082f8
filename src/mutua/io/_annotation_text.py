"""Annotations as lines of BED, GFF3, FIMO, TOMTOM and plain tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.io._annotation_places import texts
from mutua.io._gff import gff_line
from mutua.io._records import open_to_write
from mutua.kernels import letters
from mutua.models.dims import (
    ANNOTATION,
    ATTRIBUTION,
    CODES,
    END,
    MOTIF,
    MOTIF_INDEX,
    SEQUENCE_ID,
    SEQUENCE_INDEX,
    SEQUENCE_LENGTH,
    START,
)

__all__ = ["WRITTEN", "write_rows"]

WRITTEN = ("bed", "gff3", "fimo", "tomtom", "table")

_SIGNS = {1: "+", -1: "-", 0: "."}
_NUMBERS = ("score", "rank_score", "p_value", "q_value", ATTRIBUTION, "attribution_mean",
            "attribution_max", "rank", "offset", "overlap")  # fmt: skip
_FIMO = ("motif_id", "motif_alt_id", "sequence_name", "start", "stop", "strand", "score",
         "p-value", "q-value", "matched_sequence")  # fmt: skip
_TOMTOM = ("Query_ID", "Target_ID", "Optimal_offset", "p-value", "E-value", "q-value", "Overlap",
           "Query_consensus", "Target_consensus", "Orientation")  # fmt: skip

Texts = Sequence[str]


def write_rows(annotations: xr.Dataset, path: str, format: str, coordinates: str | None) -> None:
    """Write annotations that are in memory."""
    if format in ("fimo", "tomtom"):
        if coordinates == "genome":
            found = f"'genome', and {format!r} has columns of sequences"
            raise InvalidInput("coordinates", found, "use 'sequence', or format='gff3'")
        if MOTIF_INDEX not in annotations:
            raise InvalidInput("annotations", "they have no motifs", "use 'bed', 'gff3' or 'table'")
    lines = {
        "bed": _bed, "gff3": _gff3, "fimo": _fimo, "tomtom": _tomtom, "table": _table
    }[format](annotations, coordinates)  # fmt: skip
    with open_to_write(path) as file:
        for line in lines:
            file.write(line.encode())


def _bed(annotations: xr.Dataset, coordinates: str | None) -> Iterator[str]:
    names, start, end, strand = _places(annotations, coordinates)
    score = next((x for x in ("score", ATTRIBUTION) if x in annotations), None)
    scores = _numbers(annotations, score, "0") if score else ["0"] * len(names)
    motifs = [motif or "." for motif in _motifs(annotations, MOTIF)]
    return _tabbed(names, _whole(start), _whole(end), motifs, scores, strand)


def _gff3(annotations: xr.Dataset, coordinates: str | None) -> Iterator[str]:
    names, start, end, strand = _places(annotations, coordinates)
    score = _numbers(annotations, "score", ".")
    kind = "TF_binding_site" if MOTIF_INDEX in annotations else "sequence_feature"
    said = {"Name": _motifs(annotations, MOTIF)}
    said |= {name: _numbers(annotations, name, "") for name in _NUMBERS[1:] if name in annotations}
    columns = zip(names, _whole(start + 1), _whole(end), score, strand, *said.values(), strict=True)
    yield "##gff-version 3\n"
    for name, first, last, value, sign, *others in columns:
        attributes = [(k, text) for k, text in zip(said, others, strict=True) if text]
        shown = kind if not said["Name"] or others[0] else "sequence_feature"
        yield gff_line([name, "mutua", shown, first, last, value, sign, "."], attributes)


def _fimo(annotations: xr.Dataset, _: str | None) -> Iterator[str]:
    names, start, end, strand = _places(annotations, "sequence")
    values = [_numbers(annotations, name, "") for name in ("score", "p_value", "q_value")]
    yield from _tabbed(
        _motifs(annotations, MOTIF), _motifs(annotations, "name"), names, _whole(start + 1),
        _whole(end), strand, *values, _letters(annotations, along_strand=True), header=_FIMO,
    )  # fmt: skip


def _tomtom(annotations: xr.Dataset, _: str | None) -> Iterator[str]:
    names, start, end, strand = _places(annotations, "sequence")
    n = len(names)
    queries = [f"{x}:{a}-{b}" for x, a, b in zip(names, _whole(start), _whole(end), strict=True)]
    p = annotations["p_value"].values if "p_value" in annotations else np.full(n, np.nan)
    offset = -annotations["offset"].values if "offset" in annotations else np.zeros(n, int)
    overlap = annotations["overlap"].values if "overlap" in annotations else end - start
    yield from _tabbed(
        queries, _motifs(annotations, MOTIF), _whole(offset), _texts(p, ""),
        _texts(p * annotations.sizes[MOTIF], ""), _numbers(annotations, "q_value", ""),
        _whole(overlap), _letters(annotations, along_strand=False), [""] * n,
        ["+" if sign == "." else sign for sign in strand], header=_TOMTOM,
    )  # fmt: skip


def _table(annotations: xr.Dataset, coordinates: str | None) -> Iterator[str]:
    names, start, end, strand = _places(annotations, coordinates or "sequence")
    columns: dict[str, Texts] = {
        "chrom" if coordinates == "genome" else SEQUENCE_ID: names,
        START: _whole(start),
        END: _whole(end),
    }
    if "strand" in annotations:
        columns["strand"] = strand
    if MOTIF_INDEX in annotations:
        columns[MOTIF] = _motifs(annotations, MOTIF)
        if "name" in annotations.coords:
            columns["name"] = _motifs(annotations, "name")
    columns |= {name: _numbers(annotations, name, "") for name in _NUMBERS if name in annotations}
    return _tabbed(*columns.values(), header=tuple(columns))


def _places(
    annotations: xr.Dataset, coordinates: str | None
) -> tuple[list[str], np.ndarray, np.ndarray, list[str]]:
    """Give name of sequence or chromosome, start, end (0-based half-open) and strand."""
    known = {"sequence_chrom", "sequence_start"} <= set(annotations.coords)
    if coordinates == "genome" and not known:
        found = "'genome', and they do not know the places of their sequences"
        remedy = "use 'sequence', or sequences that were read with mutua.read_regions"
        raise InvalidInput("coordinates", found, remedy)
    row = annotations[SEQUENCE_INDEX].values
    start, end = (annotations[name].values.astype(np.int64) for name in (START, END))
    n = len(row)
    strand = annotations["strand"].values if "strand" in annotations else np.zeros(n, np.int8)
    if coordinates == "genome" or (coordinates is None and known):
        names = annotations["sequence_chrom"].values[row]
        first = annotations["sequence_start"].values[row]
        minus = np.zeros(n, bool)
        if "sequence_strand" in annotations.coords:
            minus = texts(annotations["sequence_strand"].values)[row] == "-"
        last = first + annotations[SEQUENCE_LENGTH].values[row]
        start, end = np.where(minus, last - end, first + start), np.where(
            minus, last - start, first + end)  # fmt: skip
        strand = np.where(minus, -strand, strand)
    elif SEQUENCE_ID in annotations.coords:
        names = annotations[SEQUENCE_ID].values[row]
    else:
        names = row
    return [str(name) for name in names], start, end, [_SIGNS[x] for x in strand.tolist()]


def _motifs(annotations: xr.Dataset, name: str) -> list[str]:
    """Give the id or name of each motif, "" where there is none."""
    if MOTIF_INDEX not in annotations or name not in annotations.coords:
        return [""] * annotations.sizes[ANNOTATION]
    named = [*map(str, annotations[name].values), ""]
    return [named[i] for i in annotations[MOTIF_INDEX].values.tolist()]


def _letters(annotations: xr.Dataset, *, along_strand: bool) -> list[str]:
    """Give the letters of each span where the annotations hold them."""
    n = annotations.sizes[ANNOTATION]
    alphabet = annotations.attrs.get("alphabet")
    if CODES not in annotations or not alphabet:
        return [""] * n
    codes = annotations[CODES].values
    symbols = np.full(256, "N")
    symbols[: len(alphabet)] = list(alphabet)
    size = (annotations[END] - annotations[START]).values
    found = ["".join(row[:k]) for row, k in zip(symbols[codes], size.tolist(), strict=True)]
    if along_strand and "strand" in annotations and letters.is_nucleotide(alphabet):
        pairs = letters.complement_codes(alphabet)
        other = {x: alphabet[i] for x, i in zip(alphabet, pairs.tolist(), strict=True)}
        minus = annotations["strand"].values.tolist()
        found = [
            "".join(other.get(x, x) for x in reversed(text)) if sign < 0 else text
            for text, sign in zip(found, minus, strict=True)
        ]
    return found


def _numbers(annotations: xr.Dataset, name: str, missing: str) -> list[str]:
    if name not in annotations:
        return [missing] * annotations.sizes[ANNOTATION]
    return _texts(annotations[name].values, missing)


def _texts(values: np.ndarray, missing: str) -> list[str]:
    """Give numbers as the shortest texts that read back as the same."""
    return [missing if value != value else repr(value) for value in values.tolist()]


def _whole(values: np.ndarray) -> list[str]:
    return [str(value) for value in values.tolist()]


def _tabbed(*columns: Iterable[str], header: Texts = ()) -> Iterator[str]:
    """Yield lines of columns separated by tabs."""
    if header:
        yield "\t".join(header) + "\n"
    for row in zip(*columns, strict=True):
        odd = next((x for x in row if "\t" in x or "\n" in x or "\r" in x), None)
        if odd is not None:
            found = f"the name {odd!r}"
            raise InvalidInput("annotations", found, "use names without tabs and line breaks")
        yield "\t".join(row) + "\n"
