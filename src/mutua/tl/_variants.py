"""Variants from a VCF file or a data frame, and the sequences that they lie in."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mutua.errors import InvalidInput
from mutua.kernels.letters import PADDING, UNKNOWN, complement_codes, encode, letter_table
from mutua.models import Dataset, SequenceSet
from mutua.models.dims import CODES, END, POSITION, SEQUENCE, SEQUENCE_ID, START

__all__ = ["Placed", "place_variants", "read_variants"]

_PLACE = ("position", "ref", "alt")
_SHOWN = 5


class Placed(NamedTuple):
    """A variant in a sequence, on the strand of the sequence."""

    variant: int
    """Row of the table."""
    sequence: int
    column: int
    ref: np.ndarray
    alt: np.ndarray


def read_variants(variants: Any) -> pd.DataFrame:
    """Give variants as columns variant, chrom or sequence, position (0-based), ref, alt.

    Raises
    ------
    InvalidInput
        If the file is missing or no VCF, columns are missing, or a variant is not spelled out.
    """
    if isinstance(variants, str | os.PathLike):
        table = _read_vcf(Path(variants))
    elif isinstance(variants, pd.DataFrame):
        table = _columns(variants)
    else:
        found = f"a {type(variants).__name__}"
        raise InvalidInput("variants", found, "use the path of a VCF file or a data frame")
    for name in ("ref", "alt"):
        spelled = table[name].str.fullmatch(r"[A-Za-z*-]*").to_numpy(bool)
        if not spelled.all():
            row = table.iloc[int(np.argmin(spelled))]
            found = f"{row['variant']!r} has {name} {row[name]!r}"
            raise InvalidInput("variants", found, "spell its letters out, or leave it out")
    return table


def _read_vcf(path: Path) -> pd.DataFrame:
    """Read the first five columns of a VCF, one row an alternative allele."""
    if not path.is_file():
        raise InvalidInput("variants", f"no file {str(path)!r}", "give the path of a VCF file")
    opened = gzip.open if path.read_bytes()[:2] == b"\x1f\x8b" else open
    rows = []
    with opened(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            fields = line.rstrip("\r\n").split("\t")
            if line.startswith("#") or fields == [""]:
                continue
            if len(fields) < 5 or not fields[1].isdecimal() or int(fields[1]) < 1:
                found = f"line {number} of {path.name} is no variant"
                raise InvalidInput("variants", found, "give CHROM, POS, ID, REF and ALT by tabs")
            chrom, place, name, ref, alternatives = fields[:5]
            for alt in alternatives.split(","):
                if alt in (".", "*"):  # no variant here, or one that another row tells
                    continue
                single = name not in (".", "") and "," not in alternatives
                label = name if single else f"{chrom}:{place}:{ref}>{alt}"
                rows.append((label, chrom, int(place) - 1, ref, alt))
    return pd.DataFrame(rows, columns=["variant", "chrom", *_PLACE]).astype(
        {"variant": str, "chrom": str, "position": np.int64, "ref": str, "alt": str}
    )


def _columns(frame: pd.DataFrame) -> pd.DataFrame:
    """Check the columns of a data frame, and name its variants."""
    missing = [name for name in _PLACE if name not in frame]
    if missing or ("chrom" in frame) == ("sequence" in frame):
        found = f"columns {list(map(str, frame.columns))[:12]}"
        remedy = "give position (0-based), ref and alt, and either chrom or sequence"
        raise InvalidInput("variants", found, remedy)
    where = "chrom" if "chrom" in frame else "sequence"
    position = pd.to_numeric(frame["position"], errors="coerce").to_numpy(float)
    wrong = ~((position >= 0) & (position % 1 == 0))
    if wrong.any():
        row = int(wrong.argmax())
        found = f"position of variant {row} is {frame['position'].iloc[row]!r}"
        raise InvalidInput("variants", found, "use whole numbers from 0")
    table = pd.DataFrame({where: frame[where].to_numpy(), "position": position.astype(np.int64)})
    for name in ("ref", "alt"):
        table[name] = frame[name].fillna("").astype(str).to_numpy()
    places = table[where].astype(str) + ":" + table["position"].astype(str)
    names = frame["variant"].astype(str).to_numpy() if "variant" in frame else None
    table["variant"] = places + ":" + table["ref"] + ">" + table["alt"] if names is None else names
    return table


def place_variants(
    table: pd.DataFrame, sequences: Dataset[SequenceSet], length: int
) -> list[Placed]:
    """Find the sequences that variants lie in, within their first `length` letters.

    Variants by genome coordinates that lie in no sequence are left out.

    Raises
    ------
    InvalidInput
        If the set has no such coordinates or sequences, or a variant lies beyond its sequence.
    """
    if "sequence" in table:
        pairs = _by_sequence(table, sequences, length)
    else:
        pairs = _by_coordinates(table, sequences, length)
    alphabet = sequences.attrs["alphabet"]
    letters = letter_table(alphabet)
    placed = []
    for variant, sequence, column, minus in pairs:
        ref, alt = (
            encode(table[name].iloc[variant].replace("-", "").encode(), letters)
            for name in ("ref", "alt")
        )
        if minus:
            partner = np.r_[complement_codes(alphabet), np.full(256, UNKNOWN)].astype(np.uint8)
            ref, alt = partner[ref[::-1]], partner[alt[::-1]]
        placed.append(Placed(variant, sequence, column, ref, alt))
    return placed


def _by_sequence(
    table: pd.DataFrame, sequences: Dataset[SequenceSet], length: int
) -> list[tuple[int, int, int, bool]]:
    n, full = sequences.sizes[SEQUENCE], sequences.sizes[POSITION]
    asked = table["sequence"].tolist()
    if SEQUENCE_ID in sequences.coords and not all(isinstance(one, int) for one in asked):
        names = [str(name) for name in sequences[SEQUENCE_ID].values.tolist()]
        numbers = {name: number for number, name in enumerate(names)}
        rows = [numbers.get(str(one), -1) for one in asked]
    else:
        rows = [one if isinstance(one, int) and 0 <= one < n else -1 for one in asked]
    pairs = []
    for variant, (row, column, ref) in enumerate(
        zip(rows, table["position"].tolist(), table["ref"].tolist(), strict=True)
    ):
        name = table["variant"].iloc[variant]
        if row < 0:
            found = f"{name!r} is in sequence {asked[variant]!r}, which there is not"
            raise InvalidInput("variants", found, f"use a sequence_id or 0 to {n - 1}")
        if column >= length or column + len(ref) > full:
            found = f"{name!r} lies beyond the {length} letters of its sequence"
            raise InvalidInput("variants", found, "use 0-based columns of the sequence set")
        pairs.append((variant, row, column, False))
    return pairs


def _by_coordinates(
    table: pd.DataFrame, sequences: Dataset[SequenceSet], length: int
) -> list[tuple[int, int, int, bool]]:
    full = sequences.sizes[POSITION]
    missing = [name for name in ("chrom", START, END) if name not in sequences.coords]
    if missing:
        remedy = "read them by mutua.read_regions, or give variants by sequence and position"
        raise InvalidInput("sequences", f"no coordinates {missing}", remedy)
    chrom = np.array([str(name) for name in sequences["chrom"].values.tolist()], object)
    start, end = (sequences[name].values for name in (START, END))
    minus = np.zeros(len(start), np.bool_)
    if "strand" in sequences.coords:
        minus = np.array([str(one) == "-" for one in sequences["strand"].values.tolist()], np.bool_)
    here, asked = set(chrom.tolist()), set(table["chrom"].astype(str))
    if len(table) and len(chrom) and not here & asked:
        found = f"on {sorted(asked)[:_SHOWN]}, and the sequences on {sorted(here)[:_SHOWN]}"
        raise InvalidInput("variants", found, "use the same names of chromosomes")
    left = _left_padding(sequences, np.flatnonzero(end - start != full))
    pairs = []
    for name in here & asked:
        rows = np.flatnonzero(chrom == name)
        rows = rows[np.argsort(start[rows], kind="stable")]
        for variant in np.flatnonzero(table["chrom"].astype(str) == name).tolist():
            place, size = int(table["position"].iloc[variant]), len(table["ref"].iloc[variant])
            # A sequence that holds it begins at most its own length before.
            low, high = np.searchsorted(start[rows], [place - full, place + 1])
            for row in rows[low:high].tolist():
                if place < start[row] or place + size > end[row]:
                    continue
                ahead = end[row] - place - size if minus[row] else place - start[row]
                column = int(ahead) + left.get(row, 0)
                if column < length:
                    pairs.append((variant, row, column, bool(minus[row])))
    return sorted(pairs)


def _left_padding(sequences: Dataset[SequenceSet], rows: np.ndarray) -> dict[int, int]:
    """Give how much padding is in front of the letters of some sequences."""
    codes = sequences[CODES].isel({SEQUENCE: rows}).values
    ahead = np.cumprod(codes == PADDING, axis=1).sum(axis=1)
    return dict(zip(rows.tolist(), ahead.tolist(), strict=True))
