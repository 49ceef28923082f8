"""Attributions as bigWig tracks of a genome."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mutua.errors import InvalidInput, MissingDependency
from mutua.io._annotation_places import texts
from mutua.io._records import open_to_read, open_to_write, path_text
from mutua.kernels.spans import observed_values
from mutua.models import Attributions, Dataset, checked
from mutua.models.alphabets import PADDING
from mutua.models.arguments import whole_number
from mutua.models.dims import ATTRIBUTION, CODES, END, LETTER, POSITION, SEQUENCE, START
from mutua.settings import available_threads, settings

__all__ = ["write_bigwig"]

Path = str | os.PathLike[str]


@checked
def write_bigwig(
    attributions: Dataset[Attributions], path: Path, *, chrom_sizes: Mapping[str, int] | Path
) -> None:
    """Write the attribution of every base as a bigWig, which genome browsers show.

    Parameters
    ----------
    attributions
        With coordinates ``chrom``, ``start``, ``end`` and as far as they have one ``strand``, as
        those of `mutua.read_regions`. The value of a base is that of the letter that is there;
        where sequences overlap it is their mean.
    path
        Path or fsspec URL. A file that stood there is replaced only when the new one is complete.
    chrom_sizes
        Length of every chromosome: a mapping, or a file of names and lengths (``chrom.sizes``, or
        the ``.fai`` of a genome).

    Raises
    ------
    InvalidInput
        If coordinates are missing, do not fit the sequences, or lie outside of the chromosomes, or
        attributions are not finite.
    MissingDependency
        Without the package figwig.

    Examples
    --------
    >>> import numpy as np
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["ACGT"]).assign_coords(
    ...     chrom=("sequence", ["chr1"]), start=("sequence", [8]), end=("sequence", [12]))
    >>> attr = mt.Attributions.build(seqs, attribution=np.ones((1, 4, 4)), target="signal",
    ...                              method="none", hypothetical=True)
    >>> mt.write_bigwig(attr, "memory://signal.bw", chrom_sizes={"chr1": 1000})
    """
    target = path_text(path)
    sizes = _sizes(chrom_sizes)
    missing = [name for name in ("chrom", START, END) if name not in attributions.coords]
    if missing:
        remedy = "read sequences with mutua.read_regions, or assign these coordinates"
        raise InvalidInput("attributions", f"no coordinate {missing}", remedy)
    chrom = texts(attributions["chrom"].values)
    start, end = (attributions[name].values.astype(np.int64) for name in (START, END))
    unknown = sorted(set(chrom.tolist()) - set(sizes))
    if unknown:
        found = f"no {unknown[:5]}; there are {list(sizes)[:5]}"
        raise InvalidInput("chrom_sizes", found, "give those of the assembly of the sequences")
    most = np.array([sizes[name] for name in chrom.tolist()], np.int64)
    length = attributions.sizes[POSITION]
    wrong = (start < 0) | (end > most) | (end <= start) | (end - start > length)
    if wrong.any():
        bad = int(np.argmax(wrong))
        found = (f"sequence {bad} of {length} letters at {chrom[bad]}:{start[bad]}-{end[bad]}, "
                 f"and {chrom[bad]} has {most[bad]:,} bases")  # fmt: skip
        raise InvalidInput("attributions", found, "correct start and end, or chrom_sizes")
    try:
        writer = importlib.import_module("figwig").BigWigWriter
    except ImportError as error:
        raise MissingDependency("bigWig needs figwig: pip install figwig") from error
    with tempfile.TemporaryDirectory() as folder:
        made = os.path.join(folder, "track.bw")
        # Of its ways to compress, the one whose bytes are always the same.
        with writer(made, dict(sizes), engine="zlib", n_jobs=available_threads()) as file:
            for name in sizes:
                rows = np.flatnonzero(chrom == name)
                rows = rows[np.argsort(start[rows], kind="stable")]
                for first, values in _runs(attributions, rows, start, end):
                    file.write(name, first, values, missing=np.nan)
        with open(made, "rb") as track, open_to_write(target) as out:
            shutil.copyfileobj(track, out)


def _sizes(chrom_sizes: Mapping[str, int] | Path) -> dict[str, int]:
    """Give the length of every chromosome."""
    if isinstance(chrom_sizes, Mapping):
        given = dict(chrom_sizes)
    else:
        with open_to_read(chrom_sizes, "text", argument="chrom_sizes") as file:
            lines = [line.split() for line in file.read().decode("utf-8", "replace").splitlines()]
        if any(len(line) < 2 or not line[1].isdigit() for line in lines if line):
            found = f"{path_text(chrom_sizes, 'chrom_sizes')} is no table of names and lengths"
            raise InvalidInput("chrom_sizes", found, "use chrom.sizes or a .fai")
        given = {line[0]: int(line[1]) for line in lines if line}
    if not given:
        raise InvalidInput("chrom_sizes", "there are none", "give the length of each chromosome")
    return {str(name): whole_number("chrom_sizes", size, low=1) for name, size in given.items()}


Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def _runs(
    attributions: Dataset[Attributions], rows: Ints, start: Ints, end: Ints
) -> Iterator[tuple[Ints, Floats]]:
    """Yield runs of bases of a chromosome in order: starts (run,) and means (run, base)."""
    width = attributions.sizes[POSITION]
    per_row = width * (40 + 4 * attributions.sizes[LETTER])
    step = max(1, int(settings.memory / per_row))
    places: Ints = np.zeros(0, np.int64)
    totals: Floats = np.zeros(0)
    counts: Floats = np.zeros(0)
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        place, value = _bases(attributions, part, start[part], end[part])
        all_places, inverse = np.unique(np.concatenate([places, place]), return_inverse=True)
        n = len(all_places)
        ones = np.ones(len(place))
        totals = np.bincount(inverse, np.concatenate([totals, value]), minlength=n).astype(float)
        counts = np.bincount(inverse, np.concatenate([counts, ones]), minlength=n).astype(float)
        # Bases from where the next sequence begins may get further values.
        is_last = first + step >= len(rows)
        done = n if is_last else int(np.searchsorted(all_places, start[rows[first + step]]))
        yield from _split(all_places[:done], totals[:done] / counts[:done])
        places, totals, counts = all_places[done:], totals[done:], counts[done:]


def _bases(
    attributions: Dataset[Attributions], rows: Ints, start: Ints, end: Ints
) -> tuple[Ints, Floats]:
    """Give the place of each base of some sequences, and its attribution."""
    chosen = attributions.isel({SEQUENCE: rows})
    codes = np.asarray(chosen[CODES].transpose(SEQUENCE, POSITION).values)
    values = np.asarray(chosen[ATTRIBUTION].transpose(SEQUENCE, LETTER, POSITION).values)
    observed = observed_values(values, codes).astype(np.float64)
    if "strand" in attributions.coords:
        minus = texts(chosen["strand"].values) == "-"
        observed[minus], codes[minus] = observed[minus, ::-1], codes[minus, ::-1]
    there = codes != PADDING
    odd = there.sum(axis=1) != end - start
    if odd.any():
        bad = int(np.argmax(odd))
        size, region = there[bad].sum(), (end - start)[bad]
        found = f"sequence {rows[bad]} has {size} letters, and its region {region}"
        raise InvalidInput("attributions", found, "correct its start and end")
    if not np.isfinite(observed[there]).all():
        bad = int(rows[np.argmax((there & ~np.isfinite(observed)).any(axis=1))])
        found = f"sequence {bad} has attributions that are NaN or infinite"
        raise InvalidInput("attributions", found, "leave it out")
    places = start[:, None] + np.cumsum(there, axis=1) - 1
    return places[there], observed[there]


def _split(places: Ints, values: Floats) -> Iterator[tuple[Ints, Floats]]:
    """Yield runs of neighbouring bases, those of one length that follow each other together."""
    if not len(places):
        return
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(places) != 1) + 1, [len(places)]])
    sizes = np.diff(bounds)
    groups = np.concatenate([[0], np.flatnonzero(np.diff(sizes)) + 1, [len(sizes)]])
    for first, stop in pairwise(groups.tolist()):
        low, high = bounds[first], bounds[stop]
        yield places[bounds[first:stop]], values[low:high].reshape(stop - first, sizes[first])
