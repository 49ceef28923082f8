"""Sequences of genomic regions, from BED, data frames or AnnData and a genome in FASTA."""

from __future__ import annotations

import os
import re
from typing import Any, Literal

import anndata
import numpy as np
import numpy.typing as npt
import pandas as pd

from mutua.errors import InvalidInput
from mutua.io._bed import read_bed
from mutua.io.genome import open_genome
from mutua.kernels import letters
from mutua.models import Dataset, SequenceSet
from mutua.models.arguments import one_of, whole_number
from mutua.models.build import assemble
from mutua.models.dims import CODES, LENGTH, SEQUENCE_ID

__all__ = ["read_regions"]

Path = str | os.PathLike[str]
_COLUMNS = {
    "chrom": ("chrom", "chr", "chromosome", "seqnames", "seqname", "#chrom", "contig"),
    "start": ("start", "chromstart", "chrom_start", "begin"),
    "end": ("end", "chromend", "chrom_end", "stop"),
    "strand": ("strand",),
    "name": ("name", "peak", "region", "id"),
}
_NAME = re.compile(
    r"^(?P<chrom>[^:]+)[:_-](?P<start>[\d,]+)[-_](?P<end>[\d,]+)(?:\((?P<strand>[+-])\))?$"
)
_STRANDS = {".": "+", "": "+", "*": "+", "1": "+", "-1": "-"}


def read_regions(
    regions: Path | pd.DataFrame | anndata.AnnData,
    genome: Path,
    *,
    width: int | None = None,
    axis: Literal["obs", "var"] = "var",
    pad: bool = False,
) -> Dataset[SequenceSet]:
    r"""Read the DNA of genomic regions.

    Parameters
    ----------
    regions
        A BED file (plain or gzip, path or fsspec URL); a data frame with the columns chrom,
        start, end and optionally strand and name; or an AnnData whose regions have those columns
        or are named like ``chr1:100-200``. Coordinates are 0-based and half-open.
    genome
        Path of the genome's FASTA. An index (``.fai``) is made beside it if there is none, unless
        that folder is read-only.
    width
        Resize every region to this many bases around its middle.
    axis
        Where an AnnData has its regions.
    pad
        Pad what lies beyond the end of a chromosome, instead of refusing it.

    Returns
    -------
    SequenceSet
        With ``chrom``, ``start``, ``end``, ``strand`` and ``sequence_id`` (by default the region
        as it was given). A region on the minus strand is read as its reverse complement. With
        ``pad=True`` also ``length``; start and end are then those of the letters.

    Raises
    ------
    InvalidInput
        If a file is missing or cannot be read, columns are missing, regions have different
        lengths, are empty, negative or on an unknown chromosome, or reach beyond a chromosome
        (names the first).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import pandas as pd
    >>> import mutua as mt
    >>> regions = pd.DataFrame(
    ...     {"chrom": "chr1", "start": [0, 6], "end": [4, 10], "strand": ["+", "-"]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     genome = pathlib.Path(folder, "genome.fa")
    ...     _ = genome.write_text(">chr1\nAACCGGTTAC\n")
    ...     seqs = mt.read_regions(regions, genome)
    >>> mt.pp.to_strings(seqs), seqs["sequence_id"].values.tolist()
    (['AACC', 'GTAA'], ['chr1:0-4(+)', 'chr1:6-10(-)'])
    """
    table = _table(regions, axis)
    if not isinstance(pad, bool):
        raise InvalidInput("pad", f"{pad!r}", "use True or False")
    if width is not None:
        width = whole_number("width", width, low=1)
        start = (table["start"] + table["end"]) // 2 - width // 2
        table = table.assign(start=start, end=start + width)
    sizes = (table["end"] - table["start"]).to_numpy()
    if (sizes <= 0).any():
        bad = int(np.argmax(sizes <= 0))
        raise InvalidInput("regions", f"{_places(table)[bad]} is empty", "use start < end")
    if len(np.unique(sizes)) > 1:
        found = pd.Series(sizes).value_counts().head(5).to_dict()
        listed = ", ".join(f"{size} ({count:,} regions)" for size, count in found.items())
        raise InvalidInput("regions", f"have different lengths: {listed}", "use width= to resize")
    with open_genome(genome) as opened:
        lengths = _chromosome_lengths(table, opened.lengths)
        _refuse_beyond(table, lengths, pad)
        codes = opened.codes(
            table["chrom"].tolist(),
            table["start"].tolist(),
            table["end"].tolist(),
            width=int(sizes[0]),
        )
    minus = (table["strand"] == "-").to_numpy()
    if minus.any():
        codes[minus] = letters.reverse_complement(codes[minus], letters.complement_codes("ACGT"))
    start, end = table["start"].clip(lower=0), table["end"].clip(upper=lengths)
    parts: dict[str, Any] = {
        CODES: codes,
        "alphabet": "ACGT",
        "chrom": _strings(table["chrom"]),
        "start": start.to_numpy(np.int64),
        "end": end.to_numpy(np.int64),
        "strand": _strings(table["strand"]),
        SEQUENCE_ID: _strings(table["name"]),
    }
    if pad:
        parts[LENGTH] = (end - start).to_numpy(np.int32)
    source = table if isinstance(regions, pd.DataFrame | anndata.AnnData) else regions
    arguments = {"regions": source, "genome": genome, "width": width, "axis": axis, "pad": pad}
    return assemble(SequenceSet, None, parts, arguments=arguments, function="read_regions")


def _table(regions: Any, axis: str) -> pd.DataFrame:
    """Give regions as columns chrom, start, end, strand, name."""
    if isinstance(regions, anndata.AnnData):
        one_of("axis", axis, ["obs", "var"])
        frame = regions.var if axis == "var" else regions.obs
        return _named_columns(frame, f"regions.{axis}")
    if isinstance(regions, pd.DataFrame):
        return _named_columns(regions, "regions")
    if isinstance(regions, str | os.PathLike):
        return _named_columns(read_bed(regions), "regions")
    raise InvalidInput(
        "regions", f"a {type(regions).__name__}", "use a BED file, a data frame or an AnnData"
    )


def _named_columns(frame: pd.DataFrame, argument: str) -> pd.DataFrame:
    if len(frame) == 0:
        raise InvalidInput(argument, "there are none", "give at least one region")
    lower = {str(column).lower(): column for column in frame.columns}
    found = {
        name: lower[next(alias for alias in aliases if alias in lower)]
        for name, aliases in _COLUMNS.items()
        if any(alias in lower for alias in aliases)
    }
    missing = [name for name in ("chrom", "start", "end") if name not in found]
    if missing:
        table = _from_names(frame, missing, argument)
    else:
        table = pd.DataFrame({name: frame[column].to_numpy() for name, column in found.items()})
    for edge in ("start", "end"):
        numbers = pd.to_numeric(table[edge], errors="coerce")
        wrong = (numbers.isna() | (numbers % 1 != 0) | (numbers < 0)).to_numpy()
        if wrong.any():
            first = int(np.argmax(wrong))
            raise InvalidInput(
                argument,
                f"{edge} of region {first} is {table[edge].tolist()[first]!r}",
                "use whole numbers from 0",
            )
        table[edge] = numbers.astype(np.int64)
    nameless = (table["chrom"].isna() | table["chrom"].isin([""])).to_numpy()
    if nameless.any():
        first = int(np.argmax(nameless))
        raise InvalidInput(argument, f"region {first} has no chromosome", "name it or leave it out")
    table["chrom"] = table["chrom"].astype(str)
    table["strand"] = _strands(table, argument)
    places = _places(table)
    names = table.get("name", places)
    unnamed = (names.isna() | names.isin(["", "."])).to_numpy()
    table["name"] = np.where(unnamed, places, names.astype(str))
    return table


def _from_names(frame: pd.DataFrame, missing: list[str], argument: str) -> pd.DataFrame:
    """Read regions from the names of the rows, like ``chr1:100-200``."""
    names = frame.index.astype(str).to_series().reset_index(drop=True)
    parsed = names.str.extract(_NAME)
    if parsed["chrom"].isna().any():
        raise InvalidInput(
            argument,
            f"no column {missing} among {list(map(str, frame.columns))[:10]}",
            "add the columns chrom, start and end, or name regions like 'chr1:100-200'",
        )
    edges = {edge: parsed[edge].str.replace(",", "") for edge in ("start", "end")}
    return parsed.assign(**edges, name=names)


def _strands(table: pd.DataFrame, argument: str) -> pd.Series:
    if "strand" not in table:
        return pd.Series(["+"] * len(table), dtype=object)
    given = table["strand"].astype(object)
    strand = given.where(given.notna(), "+").astype(str).replace(_STRANDS)
    odd = ~strand.isin(["+", "-"]).to_numpy()
    if odd.any():
        first = int(np.argmax(odd))
        found = f"the strand of region {first} is {given.tolist()[first]!r}"
        raise InvalidInput(argument, found, "use '+', '-' or '.' (column 6 of BED)")
    return strand


def _places(table: pd.DataFrame) -> pd.Series:
    """Give each region as text, like ``chr1:100-200(+)``."""
    start, end = table["start"].astype(str), table["end"].astype(str)
    return table["chrom"] + ":" + start + "-" + end + "(" + table["strand"] + ")"


def _strings(column: pd.Series) -> npt.NDArray[Any]:
    return np.array(column.tolist(), dtype=np.dtypes.StringDType())


def _chromosome_lengths(table: pd.DataFrame, lengths: dict[str, int]) -> pd.Series:
    unknown = sorted(set(table["chrom"]) - set(lengths))
    if unknown:
        raise InvalidInput(
            "regions",
            f"chromosomes {unknown[:5]} are not in the genome",
            f"it has {list(lengths)[:5]}; check the assembly and the names",
        )
    return table["chrom"].map(lengths)


def _refuse_beyond(table: pd.DataFrame, lengths: pd.Series, pad: bool) -> None:
    """Refuse regions that reach beyond a chromosome; to be padded they must touch it at least."""
    if pad:
        beyond = ((table["end"] <= 0) | (table["start"] >= lengths)).to_numpy()
        found, remedy = "lies beyond", "leave it out"
    else:
        beyond = ((table["start"] < 0) | (table["end"] > lengths)).to_numpy()
        found, remedy = "reaches beyond", "use pad=True, or leave it out"
    if beyond.any():
        row, count = int(np.argmax(beyond)), int(beyond.sum())
        more = f", as do {count - 1:,} more" if count > 1 else ""
        place = f"{_places(table).iloc[row]} {found} the chromosome of {lengths.iloc[row]:,} bases"
        raise InvalidInput("regions", place + more, remedy)
