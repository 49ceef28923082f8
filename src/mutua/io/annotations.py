"""Annotations in and out: tables, BED, GFF3, FIMO, TOMTOM, Fi-NeMo, TF-MoDISco, tangermeme."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mutua.errors import InvalidInput
from mutua.io._annotation_places import Places, locate, within
from mutua.io._annotation_tables import FORMATS, Rows, read_rows, suffix_format
from mutua.io._annotation_text import WRITTEN, write_rows
from mutua.io._records import path_text
from mutua.io.modisco import read_seqlets
from mutua.models import Annotations, Dataset, MotifSet, SequenceSet, checked
from mutua.models.annotation_parts import sequence_parts
from mutua.models.arguments import one_of
from mutua.models.build import assemble
from mutua.models.dims import END, MOTIF, MOTIF_INDEX, SEQUENCE_INDEX, START

__all__ = ["read_annotations", "write_annotations"]

Path = str | os.PathLike[str]


@checked
def read_annotations(
    path: Path | pd.DataFrame,
    sequences: Dataset[SequenceSet],
    *,
    format: str | None = None,
    motifs: Dataset[MotifSet] | None = None,
    coordinates: str | None = None,
    outside: str = "error",
) -> Dataset[Annotations]:
    r"""Read spans of sequences from a file or a data frame.

    Parameters
    ----------
    path
        Path or fsspec URL, plain or gzip, or a data frame.
    sequences
        The set that the spans are in.
    format
        ``"bed"``; ``"gff3"``; ``"fimo"`` (fimo.tsv); ``"tomtom"`` (tomtom.tsv, of queries that are
        called ``name:start-end``); ``"finemo"`` (hits.tsv of Fi-NeMo); ``"modisco"`` (HDF5 of
        tfmodisco-lite); ``"tangermeme"`` (data frames of seqlets or of hits); ``"table"``:
        columns ``sequence_id``, ``sequence_index`` or ``chrom``, 0-based half-open ``start`` and
        ``end``, and as far as known ``strand``, ``motif``, ``name``, ``score``, ``p_value``,
        ``q_value``, ``attribution``. By default it is told from the suffix or the columns.
    motifs
        The motifs that ids, names or numbers in the file mean. By default those of the file, in
        the order in which they come.
    coordinates
        ``"sequence"``: spans lie in columns of sequences, which are told by `sequence_id`, or by
        number where they have none. ``"genome"``: spans lie on chromosomes and are placed in every
        sequence that holds them; those on the minus strand are turned. By default it is told by
        whether names are those of chromosomes.
    outside
        What to do with spans that no sequence holds: ``"error"``, ``"drop"``, or ``"clip"``, which
        keeps the part that is inside, in every sequence that it overlaps.

    Returns
    -------
    Annotations
        In the order of the file. Of BED the name is the motif; of GFF3 the attribute Name, or else
        the type. The score of Fi-NeMo is ``hit_coefficient``, and its global coefficient,
        similarity and importance are kept; p-values of tangermeme's seqlets are rank scores.

    Raises
    ------
    InvalidInput
        If a file is missing or damaged, columns are missing or no numbers, names are unknown or
        ambiguous, spans are empty or outside, or motifs are not among those given.

    References
    ----------
    https://meme-suite.org (FIMO, TOMTOM), https://github.com/jmschrei/tfmodisco-lite,
    https://github.com/kundajelab/Fi-NeMo, https://github.com/jmschrei/tangermeme.

    Examples
    --------
    >>> import pandas as pd
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["ACGTACGT", "TTTTGGGG"]).assign_coords(
    ...     chrom=("sequence", ["chr1", "chr1"]), start=("sequence", [100, 200]),
    ...     end=("sequence", [108, 208]), strand=("sequence", ["+", "-"]))
    >>> spans = pd.DataFrame({"chrom": "chr1", "start": [101, 200], "end": [104, 203],
    ...                       "strand": "+", "motif": ["CTCF", "GATA1"]})
    >>> found = mt.read_annotations(spans, seqs)
    >>> found["start"].values.tolist(), found["strand"].values.tolist()
    ([1, 5], [1, -1])
    """
    if format is not None:
        one_of("format", format, FORMATS)
    if coordinates is not None:
        one_of("coordinates", coordinates, ["sequence", "genome"])
    one_of("outside", outside, ["error", "drop", "clip"])
    if not isinstance(path, str | os.PathLike | pd.DataFrame):
        raise InvalidInput("path", f"a {type(path).__name__}", "use a path or a data frame")
    if not isinstance(path, pd.DataFrame) and "modisco" in (format, suffix_format(path_text(path))):
        rows = read_seqlets(path_text(path), sequences)
    elif format == "modisco":
        raise InvalidInput("path", "a data frame for 'modisco'", "use the path of an HDF5 file")
    else:
        rows, _ = read_rows(path, format)
    places = _located(rows, sequences, coordinates, outside)
    columns: dict[str, Any] = {name: part[places.span] for name, part in rows.columns.items()}
    if "strand" in columns:
        columns["strand"] = np.where(places.turned, -1, 1).astype(np.int8) * columns["strand"]
    columns |= {SEQUENCE_INDEX: places.sequence, START: places.start, END: places.end}
    parts = columns | _motifs(rows, places, motifs) | dict(sequence_parts(sequences))
    return assemble(Annotations, None, {**parts, "source": rows.source})


def _located(
    rows: Rows, sequences: Dataset[SequenceSet], coordinates: str | None, outside: str
) -> Places:
    if rows.names is None:
        assert rows.numbers is not None
        if coordinates == "genome":
            found = "'genome', and spans that are told by numbers of sequences"
            raise InvalidInput("coordinates", found, "use a column chrom, or 'sequence'")
        empty = np.flatnonzero(rows.end <= rows.start)
        if len(empty):
            bad = int(empty[0])
            found = f"row {bad}, {rows.start[bad]} to {rows.end[bad]}, is empty"
            raise InvalidInput("path", found, "use start < end")
        return within(
            rows.numbers, rows.start, rows.end, sequences, outside=outside, argument="path"
        )
    places = locate(
        rows.names, rows.start, rows.end, sequences,
        coordinates=coordinates, outside=outside, argument="path",
    )  # fmt: skip
    if rows.numbers is None:
        return places
    # The same place stands once for each of the overlapping sequences that it was found in.
    own = rows.numbers[places.span] == places.sequence
    lost = np.setdiff1d(places.span, places.span[own])
    if len(lost) and outside == "error":
        found = f"row {lost[0]} does not lie in sequence {rows.numbers[lost[0]]}"
        raise InvalidInput("path", found, "give the sequences that it was made of, in their order")
    return Places(*(part[own] for part in places))


def _motifs(
    rows: Rows, places: Places, motifs: Dataset[MotifSet] | None
) -> dict[str, npt.NDArray[Any] | list[str]]:
    """Give which motif each span is, and what is said of these."""
    if motifs is None and rows.motif is None:
        if rows.motif_index is None:
            return {}
        raise InvalidInput("motifs", "not given, and the file numbers them", "give the motif set")
    if motifs is None:
        assert rows.motif is not None
        return _own_motifs(rows, places)
    ids = [str(motif) for motif in motifs[MOTIF].values]
    parts: dict[str, Any] = {MOTIF: ids}
    for name in ("name", "family"):
        if name in motifs.coords:
            parts[name] = motifs[name].values
    if rows.motif is None and rows.motif_index is None:
        return {}
    if rows.motif is None:
        assert rows.motif_index is not None
        index = rows.motif_index[places.span]
        if len(index) and (index.min() < -1 or index.max() >= len(ids)):
            found = f"motif numbers {index.min()} to {index.max()}, and there are {len(ids):,}"
            raise InvalidInput("motifs", found, "give the set that they were numbered in")
        return parts | {MOTIF_INDEX: index}
    names = [str(name) for name in parts.get("name", [])]
    known = {name: i for i, name in enumerate(names) if name and names.count(name) == 1}
    known |= {name: i for i, name in enumerate(ids)} | {"": -1}
    used = [rows.motif[i] for i in places.span.tolist()]
    unknown = sorted({motif for motif in used if motif not in known})
    if unknown:
        found = f"{len(unknown)} motifs of the file are not among them: {unknown[:5]}"
        raise InvalidInput("motifs", found, "leave it out, or give the set that was used")
    return parts | {MOTIF_INDEX: np.array([known[motif] for motif in used], np.int64)}


def _own_motifs(rows: Rows, places: Places) -> dict[str, Any]:
    """Give the motifs of the file, in the order in which they come."""
    assert rows.motif is not None
    order = {motif: i for i, motif in enumerate(dict.fromkeys(filter(None, rows.motif)))}
    index = np.array([order.get(rows.motif[i], -1) for i in places.span.tolist()], np.int64)
    parts: dict[str, Any] = {MOTIF: list(order), MOTIF_INDEX: index}
    if rows.motif_name is not None and any(rows.motif_name):
        called = dict(zip(rows.motif, rows.motif_name, strict=True))
        parts["name"] = [called[motif] for motif in order]
    return parts


def write_annotations(
    annotations: Dataset[Annotations],
    path: Path,
    *,
    format: str | None = None,
    coordinates: str | None = None,
) -> None:
    """Write annotations as text, compressed if the path ends in ``.gz``.

    Parameters
    ----------
    annotations
        Annotations.
    path
        Path or fsspec URL. A file that stood there is replaced only when the new one is complete.
    format
        ``"bed"`` (six columns: the motif as name, and the score, or else the attribution);
        ``"gff3"`` (with motif, p-value, q-value and attribution as attributes); ``"fimo"`` and
        ``"tomtom"`` (columns of fimo.tsv and tomtom.tsv; the letters of spans where the
        annotations hold them); ``"table"`` (all columns). By default told from the suffix, or
        ``"table"`` for ``.tsv``.
    coordinates
        ``"genome"``: places on chromosomes, for BED and GFF3 the default where the annotations
        know those of their sequences. ``"sequence"``: columns of the sequences.

    Raises
    ------
    InvalidElement
        If they are no annotations.
    InvalidInput
        If the suffix tells no format, the format needs motifs and there are none, a name holds
        tabs, or no places on a genome are known.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["ACGTACGT", "TTTTGGGG"], sequence_id=["a", "b"])
    >>> spans = mt.Annotations.build(
    ...     sequence_index=[1], start=[2], end=[6], sequence_length=[8, 8],
    ...     sequence_id=["a", "b"], source="user")
    >>> mt.write_annotations(spans, "memory://spans.bed")
    >>> mt.read_annotations("memory://spans.bed", seqs)["start"].values
    array([2], dtype=int32)
    """
    Annotations.check(annotations, where="argument `annotations` of write_annotations", deep=True)
    target = path_text(path)
    suffix = os.path.splitext(target.lower().removesuffix(".gz"))[1]
    chosen = format or suffix_format(target) or ("table" if suffix in (".tsv", ".txt") else None)
    if chosen is None:
        found = f"the suffix of {target} tells no format"
        raise InvalidInput("format", found, f"use one of {list(WRITTEN)}")
    one_of("format", chosen, WRITTEN)
    if coordinates is not None:
        one_of("coordinates", coordinates, ["sequence", "genome"])
    write_rows(annotations.compute(), target, chosen, coordinates)
