"""Tables of spans as other tools write them, read as rows of one form."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from mutua.errors import InvalidInput
from mutua.io._bed import read_bed
from mutua.io._gff import read_gff
from mutua.io._records import open_to_read, path_text

__all__ = ["FORMATS", "Rows", "format_of", "read_rows", "suffix_format"]

FORMATS = ("bed", "gff3", "fimo", "tomtom", "finemo", "modisco", "tangermeme", "table")

Ints = npt.NDArray[np.int64]

_SUFFIXES = {".bed": "bed", ".narrowpeak": "bed", ".gff": "gff3", ".gff3": "gff3",
             ".h5": "modisco", ".hdf5": "modisco"}  # fmt: skip
_ALIASES = {
    "sequence_index": ("sequence_index", "example_idx"),
    "name": ("sequence_id", "sequence_name", "sequence", "chrom", "chr", "chromosome", "seqnames",
             "seqid", "seqname", "#chrom"),
    "start": ("start", "chromstart", "chrom_start", "begin"),
    "end": ("end", "chromend", "chrom_end", "stop"),
    "strand": ("strand",),
    "motif": ("motif", "motif_id", "motif_name"),
    "motif_name": ("name",),
    "motif_index": ("motif_index", "motif_idx"),
    "score": ("score",),
    "rank_score": ("rank_score",),
    "p_value": ("p_value", "p-value", "pvalue"),
    "q_value": ("q_value", "q-value", "qvalue"),
    "attribution": ("attribution",),
    "attribution_mean": ("attribution_mean",),
    "attribution_max": ("attribution_max",),
    "importance": ("importance",),
    "similarity": ("similarity",),
    "coefficient_global": ("coefficient_global",),
    "rank": ("rank",),
    "offset": ("offset",),
    "overlap": ("overlap",),
}  # fmt: skip
_FLOATS = ("score", "rank_score", "p_value", "q_value", "attribution", "attribution_mean",
           "attribution_max", "importance", "similarity", "coefficient_global")  # fmt: skip
_WHOLE = ("rank", "offset", "overlap")
_STRANDS = {"+": 1, "-": -1, ".": 0, "": 0, "?": 0, "*": 0, "1": 1, "-1": -1, "0": 0, "1.0": 1,
            "-1.0": -1, "0.0": 0}  # fmt: skip
_MISSING = ("", ".", "NA", "nan", "NaN", "None", "<NA>")
_OF_FINEMO = {"score": "hit_coefficient", "coefficient_global": "hit_coefficient_global",
              "similarity": "hit_similarity", "importance": "hit_importance"}  # fmt: skip
_QUERY = re.compile(r"^(?P<name>.*):(?P<start>\d+)-(?P<end>\d+)$")


class Rows(NamedTuple):
    """Spans of a table.

    Attributes
    ----------
    names
        The sequence or chromosome of each, or None where all have a number only.
    numbers
        Number of its sequence, or None.
    start, end
        0-based half-open, on what `names` says.
    columns
        Columns of `Annotations` by their names there.
    motif, motif_name
        Id of the motif, "" for none, and what it is called; None where no span has one.
    motif_index
        Number of the motif, where it has no id.
    source
        As in `Annotations`.
    """

    names: list[str] | None
    numbers: Ints | None
    start: Ints
    end: Ints
    columns: dict[str, npt.NDArray[Any]]
    motif: list[str] | None = None
    motif_name: list[str] | None = None
    motif_index: Ints | None = None
    source: str = "user"


def suffix_format(path: str) -> str | None:
    """Give the format that the suffix of a file tells, if it does."""
    return _SUFFIXES.get(os.path.splitext(path.lower().removesuffix(".gz"))[1])


def format_of(columns: list[str]) -> str:
    """Tell the format of a table by its columns."""
    there = set(columns)
    if "hit_coefficient" in there:
        return "finemo"
    if {"Query_ID", "Target_ID"} <= there:
        return "tomtom"
    if {"motif_id", "sequence_name", "stop"} <= there:
        return "fimo"
    if "example_idx" in there or {"motif_name", "motif_idx", "sequence_name"} <= there:
        return "tangermeme"
    return "gff3" if {"seqid", "type", "phase"} <= there else "table"


def read_rows(source: Any, format: str | None) -> tuple[Rows, str]:
    """Read a path or data frame; give its rows and the format that it has.

    Raises
    ------
    InvalidInput
        If a file is missing or damaged, columns are missing, or their values are no numbers.
    """
    if isinstance(source, pd.DataFrame):
        frame = source.reset_index(drop=True)
        repeated = frame.columns[frame.columns.duplicated()].tolist()
        if repeated:
            raise InvalidInput("path", f"repeated columns {repeated}", "give each its own name")
        found = format or format_of(list(map(str, frame.columns)))
    else:
        path = path_text(source)
        found = format or suffix_format(path) or ""
        if found == "bed":
            frame = read_bed(path, argument="path", may_be_empty=True)
        elif found == "gff3":
            frame = read_gff(path)
        else:
            frame = _read_table(path)
            found = found or format_of(list(frame.columns))
    return _READERS[found](frame), found


def _read_table(path: str) -> pd.DataFrame:
    """Read a table of tab-separated text with a line of names."""
    with open_to_read(path, "a table of text") as file:
        text = io.TextIOWrapper(file, encoding="utf-8").read()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise InvalidInput("path", f"{path} is empty", "have a first line of column names")
    names = lines[0].split("\t")
    rows = [line.split("\t") for line in lines[1:]]
    odd = next((i for i, row in enumerate(rows) if len(row) > len(names)), None)
    if odd is not None:
        found = f"{path}: row {odd} has {len(rows[odd])} columns, the first line {len(names)}"
        raise InvalidInput("path", found, "separate columns by tabs")
    padded = [row + [""] * (len(names) - len(row)) for row in rows]
    return pd.DataFrame(padded, columns=[name.strip() for name in names], dtype=object)


def _table(frame: pd.DataFrame) -> Rows:
    """Read a table whose columns are called as in `Annotations`, or nearly."""
    lower = {str(column).lower(): column for column in frame.columns}
    found = {
        own: frame[lower[next(alias for alias in aliases if alias in lower)]]
        for own, aliases in _ALIASES.items()
        if any(alias in lower for alias in aliases)
    }
    missing = [name for name in ("start", "end") if name not in found]
    if not {"name", "sequence_index"} & found.keys():
        missing.insert(0, "sequence_id (or chrom, or sequence_index)")
    if missing:
        shown = list(map(str, frame.columns))[:12]
        raise InvalidInput("path", f"no column {missing} among {shown}", "add them")
    numbers = _whole(found["sequence_index"]) if "sequence_index" in found else None
    motif = _texts(found["motif"]) if "motif" in found else None
    called = _texts(found["motif_name"]) if "motif_name" in found else None
    index = _whole(found["motif_index"]) if "motif_index" in found and motif is None else None
    return Rows(
        names=None if numbers is not None else [str(name) for name in found["name"].tolist()],
        numbers=numbers,
        start=_whole(found["start"]),
        end=_whole(found["end"]),
        columns=_columns(found),
        motif=called if motif is None and index is None else motif,
        motif_name=None if motif is None else called,
        motif_index=index,
    )


def _bed(frame: pd.DataFrame) -> Rows:
    """Read BED: the name is the motif, "." is none."""
    rows = _table(frame.drop(columns=["motif"], errors="ignore"))
    motif = rows.motif and ["" if name == "." else name for name in rows.motif]
    return rows._replace(motif=motif if motif and any(motif) else None)


def _gff3(frame: pd.DataFrame) -> Rows:
    """Read GFF3: the motif is the name of a feature, or else its type."""
    # Attributes of other programs may be called as columns of ours that mean something else.
    known = ["seqid", "start", "end", "strand", *_FLOATS, *_WHOLE]
    rows = _table(frame[[name for name in known if name in frame]])
    called = frame["Name"] if "Name" in frame else pd.Series([""] * len(frame))
    kinds = _texts(frame["type"])
    motif = [name or ("" if kind == _ANY else kind)
             for name, kind in zip(_texts(called), kinds, strict=True)]  # fmt: skip
    return rows._replace(start=rows.start - 1, motif=motif if any(motif) else None)


_ANY = "sequence_feature"


def _fimo(frame: pd.DataFrame) -> Rows:
    """Read fimo.tsv, which counts from 1 and includes both ends."""
    _need(frame, ["motif_id", "sequence_name", "start", "stop"], "fimo")
    rows = _table(frame.drop(columns=["motif_alt_id"], errors="ignore"))
    called = _texts(frame["motif_alt_id"]) if "motif_alt_id" in frame else None
    return rows._replace(start=rows.start - 1, motif_name=called, source="scan")


def _tomtom(frame: pd.DataFrame) -> Rows:
    """Read tomtom.tsv of queries that are called by their places, as ``name:start-end``."""
    _need(frame, ["Query_ID", "Target_ID", "Optimal_offset", "Overlap", "Orientation"], "tomtom")
    query = frame["Query_ID"].astype(str)
    places = query.str.extract(_QUERY)
    if places["name"].isna().any():
        odd = query[places["name"].isna()].iloc[0]
        remedy = "call queries by their places in the sequences, as name:start-end"
        raise InvalidInput("path", f"the query {odd!r}", remedy)
    rank = frame.groupby(query, sort=False).cumcount()
    other = frame.rename(columns={"Orientation": "strand", "Target_ID": "motif"})
    table = other[["motif", "strand", "p-value", "q-value"]].assign(
        sequence_id=places["name"], start=places["start"], end=places["end"], rank=rank,
        offset=-pd.to_numeric(frame["Optimal_offset"], errors="coerce"), overlap=frame["Overlap"],
    )  # fmt: skip
    return _table(table)._replace(source="tomtom")


def _finemo(frame: pd.DataFrame) -> Rows:
    """Read hits.tsv of Fi-NeMo, on a genome or, where it knows none, in its regions."""
    needed = ["chr", "start", "end", "motif_name", "strand", "peak_id", "hit_coefficient"]
    _need(frame, needed, "finemo")
    table = frame[["start", "end", "motif_name", "strand"]].assign(
        sequence_index=frame["peak_id"],
        **{own: frame[name] for own, name in _OF_FINEMO.items() if name in frame},
    )
    rows = _table(table)._replace(source="cwm")
    if "similarity" in rows.columns:  # rounding may leave a cosine just above 1
        cosine = rows.columns["similarity"]
        rows.columns["similarity"] = np.where(abs(cosine) < 1.001, cosine.clip(-1, 1), cosine)
    chrom = [str(name) for name in frame["chr"].tolist()]
    placed = ~np.isin(chrom, _MISSING)
    if placed.any() and not placed.all():
        bad = int(np.argmin(placed))
        raise InvalidInput("path", f"hit {bad} has no chromosome", "give all of them one, or none")
    return rows._replace(names=chrom) if placed.any() else rows


def _tangermeme(frame: pd.DataFrame) -> Rows:
    """Read seqlets or hits of tangermeme and memelite; the p-value of a seqlet is none."""
    if "example_idx" in frame:
        seqlets = frame.rename(columns={"p-value": "rank_score"})
        return _table(seqlets)._replace(source="seqlets")
    rows = _table(frame)._replace(source="scan")
    numbers = pd.to_numeric(frame["sequence_name"], errors="coerce")
    if len(frame) and numbers.notna().all() and (numbers % 1 == 0).all():
        return rows._replace(names=None, numbers=numbers.to_numpy(np.int64))
    return rows


_READERS: Mapping[str, Callable[[pd.DataFrame], Rows]] = {
    "table": _table, "bed": _bed, "gff3": _gff3, "fimo": _fimo, "tomtom": _tomtom,
    "finemo": _finemo, "tangermeme": _tangermeme,
}  # fmt: skip


def _need(frame: pd.DataFrame, names: list[str], format: str) -> None:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        shown = list(map(str, frame.columns))[:12]
        found = f"no column {missing} among {shown}"
        raise InvalidInput("path", found, f"use another format= than {format!r}")


def _columns(found: Mapping[str, pd.Series]) -> dict[str, npt.NDArray[Any]]:
    """Give what annotations say beside their places; columns without any number are left out."""
    columns: dict[str, npt.NDArray[Any]] = {}
    if "strand" in found:
        texts = [str(value) for value in found["strand"].tolist()]
        odd = next((text for text in texts if text not in _STRANDS), None)
        if odd is not None:
            raise InvalidInput("path", f"strand {odd!r}", "use '+', '-' or '.'")
        columns["strand"] = np.array([_STRANDS[text] for text in texts], np.int8)
    for name in _FLOATS:
        if name in found:
            values = _floats(found[name])
            if not len(values) or not np.isnan(values).all():
                columns[name] = values
    for name in _WHOLE:
        if name in found:
            columns[name] = _whole(found[name])
    return columns


def _texts(column: pd.Series) -> list[str]:
    return ["" if value is None or value != value else str(value) for value in column.tolist()]


def _whole(column: pd.Series) -> Ints:
    """Give whole numbers, or say which is none."""
    numbers = pd.to_numeric(column, errors="coerce").astype(np.float64)
    wrong = (numbers.isna() | (numbers % 1 != 0)).to_numpy()
    if wrong.any():
        bad = int(np.argmax(wrong))
        found = f"{column.name!r} of row {bad} is {column.tolist()[bad]!r}"
        raise InvalidInput("path", found, "use whole numbers")
    return numbers.to_numpy().astype(np.int64)


def _floats(column: pd.Series) -> npt.NDArray[np.float64]:
    """Give numbers, NaN where there is none."""
    values = column.tolist()
    shown = [np.nan if x is None or x != x or x in _MISSING else x for x in values]
    try:
        # Unlike pandas, which may be off by one in the last digit, this reads back what repr wrote.
        return np.array(shown, dtype=object).astype(np.float64)
    except (TypeError, ValueError):
        bad = next(i for i, x in enumerate(shown) if not _is_number(x))
        found = f"{column.name!r} of row {bad} is {values[bad]!r}"
        raise InvalidInput("path", found, "use numbers, or nothing where there is none") from None


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
