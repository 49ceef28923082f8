"""To and from what other tools use: data frames of pandas, the matrices of PlotMI.

One-hot tensors of tangermeme and captum are what `mutua.pp.one_hot` gives and
`mutua.from_one_hot` takes.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mutua.errors import InvalidInput, MissingDependency
from mutua.io._records import open_to_read, open_to_write, path_text
from mutua.io.dataframes import iter_dataframes, to_dataframe
from mutua.io.from_dataframe import from_dataframe
from mutua.models import Dataset, Element, PositionMI, SequenceSet, checked
from mutua.models.alphabets import resolve_alphabet
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.build import assemble
from mutua.models.dims import POSITION_I, POSITION_J, SEQUENCE, SEQUENCE_ID
from mutua.models.position_mi import MEASURES

__all__ = [
    "from_dataframe",
    "from_plotmi",
    "iter_dataframes",
    "to_dataframe",
    "to_plotmi",
    "write_bed",
    "write_parquet",
]

_FILLER = -1.0
"""What PlotMI writes where there is no value."""


@checked
def to_plotmi(mi: Dataset[PositionMI], path: str | os.PathLike[str]) -> None:
    r"""Write position MI as the matrix that PlotMI writes and its other scripts read.

    Row a and column b hold the pair of positions a and b + k (b <= a: b and a + k), counted from
    0: all pairs that do not overlap, in a square of L - 2k + 1. Values are separated by tabs, and
    where there is none stands -1.

    Parameters
    ----------
    mi
        Its variable ``mi`` is written, to full precision.
    path
        Path or fsspec URL, usually ``MI.txt.gz``; compressed if it ends in ``.gz``. A file that
        stood there is replaced only when the new one is complete.

    Raises
    ------
    InvalidElement
        If it is no `PositionMI`.
    InvalidInput
        If it has fewer than k + 1 positions, values where k-mers overlap, or a value of -1.

    References
    ----------
    Hartonen et al. 2021, https://github.com/hartonen/plotMI.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(100, length=8, seed=0)
    >>> mi = mt.tl.position_mi(seqs, k=2)
    >>> mt.to_plotmi(mi, "memory://MI.txt.gz")
    >>> mt.from_plotmi("memory://MI.txt.gz", k=2, n_sequences=100)["mi"].equals(mi["mi"])
    True
    """
    values = np.asarray(mi["mi"].values)
    k, n = int(mi.attrs["k"]), len(values)
    if n <= k:
        found = f"{n} positions, no two of which are {k} apart"
        raise InvalidInput("mi", found, "use longer sequences")
    i, j = np.indices(values.shape)
    overlapping = np.abs(i - j) < k
    if np.isfinite(values[overlapping]).any():
        raise InvalidInput(
            "mi", f"values where {k}-mers overlap, which PlotMI has no place for", "make them NaN"
        )
    if (values == _FILLER).any():
        raise InvalidInput("mi", "a value of -1, which means none to PlotMI", "correct it")
    matrix = np.tril(values[k:, : n - k])
    matrix += np.tril(matrix, -1).T
    with open_to_write(path_text(path)) as file:
        np.savetxt(file, np.where(np.isnan(matrix), _FILLER, matrix), delimiter="\t")


def from_plotmi(
    path: str | os.PathLike[str],
    *,
    k: int,
    n_sequences: int,
    alphabet: str = "DNA",
    pseudocount: float = 5.0,
    measure: str = "mi",
    first_position: int = 0,
) -> Dataset[PositionMI]:
    r"""Read a matrix that PlotMI has written (``MI.txt.gz``, ``JS.txt.gz`` and so on).

    The file holds numbers only: what it was made with is said by the arguments.

    Parameters
    ----------
    path
        Path or fsspec URL, plain or gzip. Of matrices of older versions the lower triangle holds
        the values and the upper one -1.
    k
        Length of the k-mers (``--k``).
    n_sequences
        Sequences that were counted.
    alphabet
        ``"DNA"``, ``"RNA"``, ``"protein"`` or the letters (``--alphabet``).
    pseudocount
        Pseudocount as a multiple of the number of sequences (``--p``).
    measure
        As for `mutua.tl.position_mi` (``--distance``).
    first_position
        Coordinate of the first position.

    Returns
    -------
    PositionMI
        L - k + 1 positions; NaN where the file holds -1 and where k-mers overlap.

    Raises
    ------
    InvalidInput
        If the file is missing or damaged, is no square of numbers, or differs above and below its
        diagonal.

    References
    ----------
    Hartonen et al. 2021, https://github.com/hartonen/plotMI.

    Examples
    --------
    >>> import fsspec
    >>> import mutua as mt
    >>> with fsspec.open("memory://old.txt", "w") as file:  # of three positions
    ...     _ = file.write("0.5\t-1\n0.25\t0.125\n")
    >>> mt.from_plotmi("memory://old.txt", k=1, n_sequences=50)["mi"].values
    array([[  nan, 0.5  , 0.25 ],
           [0.5  ,   nan, 0.125],
           [0.25 , 0.125,   nan]])
    """
    k = whole_number("k", k, low=1)
    first_position = whole_number("first_position", first_position)
    parts: dict[str, Any] = {
        "k": k,
        "n_sequences": whole_number("n_sequences", n_sequences, low=1),
        "alphabet": resolve_alphabet(alphabet),
        "pseudocount": number("pseudocount", pseudocount, low=0),
        "measure": one_of("measure", measure, MEASURES),
        "correction": "none",
    }
    matrix = _matrix(path)
    m = len(matrix)
    mi = np.full((m + k, m + k), np.nan)
    below = np.tril_indices(m)
    mi[below[0] + k, below[1]] = mi[below[1], below[0] + k] = matrix[below]
    positions = np.arange(first_position, first_position + m + k, dtype=np.int64)
    units = {"units": "bits"} if measure == "mi" else {"units": "1"}
    parts["mi"] = ((POSITION_I, POSITION_J), mi, units)
    labels = {POSITION_I: positions, POSITION_J: positions}
    arguments = {"path": path, **{name: parts[name] for name in parts if name != "mi"}}
    arguments["first_position"] = first_position
    return assemble(
        PositionMI, None, {**parts, **labels}, arguments=arguments, function="from_plotmi"
    )


def _matrix(path: str | os.PathLike[str]) -> npt.NDArray[np.float64]:
    """Read a square of numbers whose lower triangle holds all of it, NaN for none."""
    text = path_text(path)
    with open_to_read(path, "text") as file:
        lines = file.read().decode("ascii", "replace").splitlines()
    rows = [line.split() for line in lines if line.strip()]
    if not rows or any(len(row) != len(rows) for row in rows):
        shapes = sorted({len(row) for row in rows})[:3]
        found = f"{text} has {len(rows)} rows of {shapes} numbers"
        raise InvalidInput("path", found, "use a square matrix of PlotMI")
    try:
        matrix = np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise InvalidInput("path", f"{text}: {error}", "use a matrix of PlotMI") from None
    matrix[matrix == _FILLER] = np.nan
    above = np.triu(np.ones(matrix.shape, bool), 1)
    old = np.isnan(matrix[above]).all()
    if not old and not np.array_equal(matrix, matrix.T, equal_nan=True):
        raise InvalidInput(
            "path", f"{text} differs above and below its diagonal", "use a matrix of PlotMI"
        )
    return matrix


@checked
def write_bed(sequences: Dataset[SequenceSet], path: str | os.PathLike[str]) -> None:
    """Write where sequences lie in the genome, as the six first columns of BED.

    Parameters
    ----------
    sequences
        With ``chrom``, ``start`` and ``end``; the name is their ``sequence_id``, or else their
        number. The score is 0.
    path
        Path or fsspec URL; compressed if it ends in ``.gz``. A file that stood there is replaced
        only when the new one is complete.

    Raises
    ------
    InvalidElement
        If it is no sequence set.
    InvalidInput
        If it does not say where the sequences lie, or a name has a tab or line break in it.

    Examples
    --------
    >>> import fsspec
    >>> import mutua as mt
    >>> from mutua.io.interop import write_bed
    >>> seqs = mt.from_strings(["ACGT"], sequence_id=["a"]).assign_coords(
    ...     chrom=("sequence", ["chr1"]), start=("sequence", [8]), end=("sequence", [12]))
    >>> write_bed(seqs, "memory://one.bed")
    >>> with fsspec.open("memory://one.bed") as file:
    ...     file.read().split()
    [b'chr1', b'8', b'12', b'a', b'0', b'.']
    """
    missing = [name for name in ("chrom", "start", "end") if name not in sequences.coords]
    if missing:
        remedy = "read them with mutua.read_regions, or assign these coordinates"
        raise InvalidInput("sequences", f"no coordinate {missing}", remedy)
    n = sequences.sizes[SEQUENCE]
    columns = [sequences[name].values.tolist() for name in ("chrom", "start", "end")]
    named = SEQUENCE_ID in sequences.coords
    columns.append(sequences[SEQUENCE_ID].values.tolist() if named else list(range(n)))
    columns.append([0] * n)
    columns.append(sequences["strand"].values.tolist() if "strand" in sequences.coords else "." * n)
    with open_to_write(path_text(path)) as file:
        for row in zip(*columns, strict=True):
            fields = [str(field) for field in row]
            if any(len(field.splitlines()) != 1 or "\t" in field for field in fields):
                found = f"{fields[0]!r} and {fields[3]!r} as chromosome and name"
                raise InvalidInput("sequences", found, "use names without tabs and line breaks")
            file.write("\t".join(fields).encode() + b"\n")


@checked
def write_parquet(
    element: Dataset[Element],
    path: str | os.PathLike[str],
    *,
    dims: Sequence[str] | None = None,
    upper: bool = False,
) -> None:
    """Write the rows of `to_dataframe` as Parquet, block by block.

    ``mutua.from_dataframe(pandas.read_parquet(path))`` gives the element again.

    Parameters
    ----------
    element, dims, upper
        As for `to_dataframe`; memory stays within ``settings.memory``.
    path
        Path or fsspec URL. A file that stood there is replaced only when the new one is complete.

    Raises
    ------
    MissingDependency
        Without the package pyarrow.
    InvalidInput
        As for `to_dataframe`.
    """
    try:
        pa, pq = map(importlib.import_module, ("pyarrow", "pyarrow.parquet"))
    except ImportError as error:
        raise MissingDependency("Parquet needs pyarrow: pip install pyarrow") from error
    schema = None
    frames = iter_dataframes(element, dims=dims, upper=upper)
    with open_to_write(path_text(path)) as file:
        for frame in frames:
            if schema is None:
                schema = pa.Schema.from_pandas(frame, preserve_index=False)
                # Where pandas looks for the attributes of a frame.
                attrs = {b"PANDAS_ATTRS": json.dumps(frame.attrs).encode()}
                schema = schema.with_metadata({**(schema.metadata or {}), **attrs})
                writer = pq.ParquetWriter(file, schema)
            writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
        writer.close()
