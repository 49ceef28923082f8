"""Sequences of genomic regions, from BED, data frames or AnnData and a genome in FASTA."""

from __future__ import annotations

import os
import re
from typing import Any, Literal

import anndata
import numpy as np
import pandas as pd

from mutua.errors import InvalidInput
from mutua.kernels import letters
from mutua.models import Dataset, SequenceSet
from mutua.models.alphabets import PADDING
from mutua.models.arguments import one_of, whole_number
from mutua.models.build import assemble
from mutua.models.dims import CODES, SEQUENCE_ID

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
    r"(?P<chrom>[^:]+)[:_-](?P<start>[\d,]+)[-_](?P<end>[\d,]+)(\((?P<strand>[+-])\))?"
)


def read_regions(
    regions: Path | pd.DataFrame | anndata.AnnData,
    genome: Path,
    *,
    width: int | None = None,
    axis: Literal["obs", "var"] = "var",
    pad: bool = False,
) -> Dataset[SequenceSet]:
    """Read the DNA of genomic regions.

    Parameters
    ----------
    regions
        A BED file (plain or gzip); a data frame with the columns chrom, start, end and optionally
        strand and name; or an AnnData whose regions have those columns or are named like
        ``chr1:100-200``. Coordinates are 0-based and half-open.
    genome
        FASTA of the genome. An index (``.fai``) is made beside it if there is none.
    width
        Resize every region to this many bases around its middle.
    axis
        Where an AnnData has its regions.
    pad
        Pad what lies beyond the end of a chromosome, instead of refusing it.

    Returns
    -------
    SequenceSet
        With ``chrom``, ``start``, ``end``, ``strand`` and ``sequence_id``. A region on the minus
        strand is read as its reverse complement.

    Raises
    ------
    InvalidInput
        If columns are missing, regions have different lengths, are empty, negative or on an
        unknown chromosome, or reach beyond a chromosome (lists the first).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import pandas as pd
    >>> import mutua as mt
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "genome.fa").write_text(">chr1\\nAACCGGTTAC\\n")
    >>> regions = pd.DataFrame(
    ...     {"chrom": "chr1", "start": [0, 6], "end": [4, 10], "strand": ["+", "-"]})
    >>> mt.pp.to_strings(mt.read_regions(regions, folder / "genome.fa"))
    ['AACC', 'GTAA']
    """
    table = _table(regions, axis)
    if width is not None:
        width = whole_number("width", width, low=1)
        start = (table["start"] + table["end"]) // 2 - width // 2
        table = table.assign(start=start, end=start + width)
    sizes = (table["end"] - table["start"]).to_numpy()
    if (sizes <= 0).any():
        bad = int(np.argmax(sizes <= 0))
        raise InvalidInput("regions", f"{_place(table, bad)} is empty", "use start < end")
    if len(np.unique(sizes)) > 1:
        found = pd.Series(sizes).value_counts().head(5).to_dict()
        listed = ", ".join(f"{size} ({count:,} regions)" for size, count in found.items())
        raise InvalidInput("regions", f"have different lengths: {listed}", "use width= to resize")
    codes = _fetch(table, genome, int(sizes[0]), pad)
    parts: dict[str, Any] = {
        CODES: codes,
        "alphabet": "ACGT",
        "chrom": table["chrom"].astype(str).to_numpy(dtype=object),
        "start": table["start"].clip(lower=0).to_numpy(np.int64),
        "end": table["end"].to_numpy(np.int64),
        "strand": table["strand"].to_numpy(dtype=object),
        SEQUENCE_ID: table["name"].astype(str).to_numpy(dtype=object),
    }
    arguments = {"genome": genome, "width": width, "pad": pad, "axis": axis}
    if not isinstance(regions, pd.DataFrame | anndata.AnnData):
        arguments["regions"] = regions
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
        return _bed(regions)
    raise InvalidInput(
        "regions", f"a {type(regions).__name__}", "use a BED file, a data frame or an AnnData"
    )


def _bed(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            os.fspath(path), sep="\t", header=None, comment="#", dtype=str, keep_default_na=False
        )
    except pd.errors.EmptyDataError:
        raise InvalidInput("regions", f"{path} holds no region", "check the file") from None
    except FileNotFoundError:
        raise InvalidInput("regions", f"{path} does not exist", "check the path") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InvalidInput("regions", f"{path} is no BED file: {error}", "check the file") from None
    frame = frame[~frame[0].str.match(r"(track|browser)\b")]
    if frame.shape[1] < 3 or frame.empty:
        raise InvalidInput("regions", f"{path} has no three columns", "use tab-separated BED")
    names = dict(enumerate(("chrom", "start", "end", "name", "score", "strand")))
    frame = frame.rename(columns=names)
    return _named_columns(frame[[c for c in frame.columns if isinstance(c, str)]], "regions")


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
        parsed = frame.index.astype(str).to_series().str.extract(_NAME).reset_index(drop=True)
        if parsed["chrom"].isna().any():
            raise InvalidInput(
                argument,
                f"no column {missing} among {list(map(str, frame.columns))[:10]}",
                "add the columns chrom, start and end, or name regions like 'chr1:100-200'",
            )
        table = parsed.assign(
            start=parsed["start"].str.replace(",", ""), end=parsed["end"].str.replace(",", "")
        )
        table["name"] = frame.index.astype(str)
    else:
        table = pd.DataFrame({name: frame[column].to_numpy() for name, column in found.items()})
    for edge in ("start", "end"):
        numbers = pd.to_numeric(table[edge], errors="coerce")
        wrong = numbers.isna() | (numbers % 1 != 0) | (numbers < 0)
        if wrong.any():
            first = int(np.argmax(wrong))
            raise InvalidInput(
                argument,
                f"{edge} of region {first} is {table[edge].iloc[first]!r}",
                "use whole numbers",
            )
        table[edge] = numbers.astype(np.int64)
    strand = table["strand"] if "strand" in table else pd.Series(["+"] * len(table))
    table["strand"] = strand.fillna("+").astype(str).replace({".": "+", "": "+", "nan": "+"})
    odd = sorted(set(table["strand"]) - {"+", "-"})
    if odd:
        raise InvalidInput(argument, f"strand {odd[0]!r}", "use '+', '-' or '.'")
    place = [_place(table, row) for row in range(len(table))]
    if "name" not in table:
        table["name"] = place
    unnamed = table["name"].astype(str).isin(["", "."])
    table.loc[unnamed, "name"] = pd.Series(place)[unnamed]
    return table


def _place(table: pd.DataFrame, row: int) -> str:
    chrom, start, end = (table[name].iloc[row] for name in ("chrom", "start", "end"))
    return f"{chrom}:{start}-{end}({table['strand'].iloc[row]})"


def _fetch(table: pd.DataFrame, genome: Path, width: int, pad: bool) -> np.ndarray:
    import pyfaidx

    if not os.path.exists(genome):
        raise InvalidInput("genome", f"{os.fspath(genome)} does not exist", "check the path")
    try:
        fasta = pyfaidx.Fasta(os.fspath(genome), as_raw=True, sequence_always_upper=True)
    except (pyfaidx.FastaIndexingError, pyfaidx.UnsupportedCompressionFormat, ValueError) as error:
        raise InvalidInput(
            "genome", f"cannot be read: {error}", "use an uncompressed FASTA"
        ) from error
    to_code = letters.letter_table("ACGT")
    partner = letters.complement_codes("ACGT")
    codes = np.full((len(table), width), PADDING, dtype=np.uint8)
    with fasta:
        unknown = sorted(set(table["chrom"].astype(str)) - set(fasta.keys()))
        if unknown:
            raise InvalidInput(
                "regions",
                f"chromosomes {unknown[:5]} are not in the genome",
                f"it has {list(fasta.keys())[:5]}; check the assembly and the names",
            )
        for row, (chrom, start, end) in enumerate(
            zip(table["chrom"].astype(str), table["start"], table["end"], strict=True)
        ):
            first, last = max(start, 0), min(end, len(fasta[chrom]))
            if (first != start or last != end) and not pad:
                raise InvalidInput(
                    "regions",
                    f"{_place(table, row)} reaches beyond the chromosome of {len(fasta[chrom]):,}",
                    "use pad=True, or leave it out",
                )
            if last > first:
                text = np.frombuffer(fasta[chrom][first:last].encode("ascii"), dtype=np.uint8)
                codes[row, first - start : last - start] = to_code[text]
    minus = (table["strand"] == "-").to_numpy()
    if minus.any():
        codes[minus] = letters.reverse_complement(codes[minus], partner)
    return codes
