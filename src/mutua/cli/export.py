"""The command that writes an element in the format of other tools."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from cyclopts import Parameter

from mutua.cli.compute import tell
from mutua.errors import InvalidInput

__all__ = ["export"]

Format = Literal["csv", "tsv", "parquet", "fasta", "bed", "meme", "plotmi", "h5ad"]

_BINARY = ("parquet", "h5ad")


class _Writer(NamedTuple):
    """A format: its suffixes, the kind that it can hold, and what writes it."""

    suffixes: tuple[str, ...]
    kind: str
    write: Callable[..., None]
    is_frame: bool = False


def export(
    store: str,
    element: str,
    file: str,
    /,
    *,
    format: Format | None = None,
    upper: bool = False,
    dims: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    overwrite: bool = False,
) -> None:
    """Write an element as a file of another format.

    Any kind but AnnData becomes a table (csv, tsv, parquet), a SequenceSet also fasta or bed, a
    MotifSet meme, a PositionMI the matrix of PlotMI (.txt.gz), an AnnData h5ad.

    Parameters
    ----------
    store
        Folder, zip file or fsspec URL.
    element
        Name of the element.
    file
        File to write, e.g. /dev/stdout; text is compressed if it ends in .gz.
    format
        By default told from the suffix of the file.
    upper
        Of a table of pairs write each pair once.
    dims
        What a row of a table is, where variables have different dims.
    overwrite
        Replace a file that is there.
    """
    import mutua as mt

    study = mt.open(store, mode="r")
    chosen = _format(file) if format is None else format
    kind = next((row.kind for row in study.contents() if row.name == element), None)
    if kind is not None and (chosen is None or not _holds(chosen, kind)):
        known = [name for name in _WRITERS if _holds(name, kind)]
        suffixes = ", ".join(suffix for name in known for suffix in _WRITERS[name].suffixes[:1])
        found = "the suffix tells no format" if chosen is None else f"{chosen} cannot hold it"
        remedy = f"use {suffixes}, or one of {known} as --format"
        raise InvalidInput(file, f"{element!r} is of kind {kind}: {found}", remedy)
    content = study[element]
    assert chosen is not None
    writer = _WRITERS[chosen]
    if (upper or dims) and not writer.is_frame:
        raise InvalidInput("--upper, --dims", f"of {chosen}", "use them with csv, tsv or parquet")
    if os.path.isfile(file) and not overwrite and not file.startswith("/dev/"):
        raise InvalidInput(file, "is there already", "use --overwrite to replace it")
    options = {"upper": upper, "dims": dims} if writer.is_frame else {}
    writer.write(content, os.path.expanduser(file), **options)
    tell(f"wrote {file}")


def _format(file: str) -> Format | None:
    """Give the format of a file by its suffix; what is text may be compressed."""
    name = file.lower()
    for format, writer in _WRITERS.items():
        text = name if format in _BINARY else name.removesuffix(".gz")
        if text.endswith(writer.suffixes) or name.endswith(writer.suffixes):
            return format
    return None


def _holds(format: Format, kind: str) -> bool:
    """Tell whether a format can hold an element of a kind."""
    from mutua.models import KINDS

    wanted = _WRITERS[format].kind
    if "AnnData" in (wanted, kind):
        return wanted == kind
    return kind in KINDS and (wanted == "Element" or issubclass(KINDS[kind], KINDS[wanted]))


def _write_csv(element: Any, file: str, *, separator: str = ",", **options: Any) -> None:
    """Write the rows of a frame block by block."""
    from mutua.io._records import open_to_write
    from mutua.io.interop import iter_dataframes

    with open_to_write(file) as stream:
        for i, frame in enumerate(iter_dataframes(element, **options)):
            frame.to_csv(stream, sep=separator, index=False, header=i == 0, lineterminator="\n")


def _write_tsv(element: Any, file: str, **options: Any) -> None:
    _write_csv(element, file, separator="\t", **options)


def _write_parquet(element: Any, file: str, **options: Any) -> None:
    from mutua.io.interop import write_parquet

    write_parquet(element, file, **options)


def _write_fasta(element: Any, file: str) -> None:
    import mutua as mt

    mt.write_fasta(element, file)


def _write_bed(element: Any, file: str) -> None:
    from mutua.io.interop import write_bed

    write_bed(element, file)


def _write_meme(element: Any, file: str) -> None:
    from mutua.io.motifs import write_motifs

    write_motifs(element, file, format="meme")


def _write_plotmi(element: Any, file: str) -> None:
    import mutua as mt

    mt.to_plotmi(element, file)


def _write_h5ad(element: Any, file: str) -> None:
    """Write beside the file wanted, then put it there by one renaming."""
    partial = Path(f"{file}.partial")
    try:
        element.write_h5ad(partial)
        os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)


_WRITERS: dict[Format, _Writer] = {
    "csv": _Writer((".csv",), "Element", _write_csv, is_frame=True),
    "tsv": _Writer((".tsv",), "Element", _write_tsv, is_frame=True),
    "parquet": _Writer((".parquet", ".pq"), "Element", _write_parquet, is_frame=True),
    "fasta": _Writer((".fa", ".fasta", ".fna", ".faa", ".fas"), "SequenceSet", _write_fasta),
    "bed": _Writer((".bed",), "SequenceSet", _write_bed),
    "meme": _Writer((".meme",), "MotifSet", _write_meme),
    "plotmi": _Writer((".txt.gz", ".txt"), "PositionMI", _write_plotmi),
    "h5ad": _Writer((".h5ad",), "AnnData", _write_h5ad),
}
