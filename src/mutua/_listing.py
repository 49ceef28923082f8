"""How an `Analysis` shows itself: one row an element, as text or as HTML."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import anndata

from mutua.io.elements import anndata_bytes, main_chunks
from mutua.io.store import Item
from mutua.models import provenance

__all__ = ["Row", "as_html", "as_text", "kind_of", "row_of"]

_HEADER = ("name", "kind", "sizes", "bytes", "chunks")
_MOST = 60
"""Rows shown; an analysis may have thousands of elements."""


class Row(NamedTuple):
    """What is shown of one element."""

    name: str
    kind: str
    sizes: Mapping[str, int]
    nbytes: int
    chunks: Mapping[str, int]
    """Chunk sizes by dim; empty where there are none."""
    stored_bytes: int | None = None
    """Bytes in the store, None in memory."""

    def cells(self) -> tuple[str, ...]:
        """Give the cells of the table."""
        size = _size(self.nbytes)
        if self.stored_bytes is not None:
            size += f", {_size(self.stored_bytes)} stored"
        return self.name, self.kind, _by_dim(self.sizes), size, _by_dim(self.chunks)


def _by_dim(sizes: Mapping[str, int]) -> str:
    return " x ".join(f"{dim} {size:,}" for dim, size in sizes.items())


def _size(count: float) -> str:
    """Give a number of bytes in words."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _title(place: str | None, count: int) -> tuple[str, str]:
    return place or "in memory", f"{count} element" + ("" if count == 1 else "s")


def as_text(place: str | None, rows: Sequence[Row]) -> str:
    """Give the table as text.

    Parameters
    ----------
    place
        Path or URL of the store, None in memory.
    rows
        One for every element.
    """
    where, count = _title(place, len(rows))
    lines = [f"<mutua.Analysis {where}: {count}>"]
    table = [row.cells() for row in rows[:_MOST]]
    if table:
        table.insert(0, _HEADER)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append(f"  {'  '.join(padded)}".rstrip())
    if len(rows) > _MOST:
        lines.append(f"  ... and {len(rows) - _MOST} more")
    return "\n".join(lines)


def as_html(place: str | None, rows: Sequence[Row]) -> str:
    """Give the table as HTML; the parameters are those of `as_text`."""
    where, count = _title(place, len(rows))
    head = "".join(f"<th>{title}</th>" for title in _HEADER)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row.cells()) + "</tr>"
        for row in rows[:_MOST]
    )
    more = f"<p>... and {len(rows) - _MOST} more</p>" if len(rows) > _MOST else ""
    title = f"<b>mutua.Analysis</b> {html.escape(where)}: {count}"
    return f"<div>{title}<table><tr>{head}</tr>{body}</table>{more}</div>"


def kind_of(item: Item) -> str:
    """Give the name of the kind of an element, "" where it has none."""
    if isinstance(item, anndata.AnnData):
        return "AnnData"
    record = provenance.read_record(item)
    return "" if record is None else str(record["kind"])


def row_of(name: str, item: Item) -> Row:
    """Give the row of an element in memory."""
    if isinstance(item, anndata.AnnData):
        sizes = {"obs": item.n_obs, "var": item.n_vars}
        return Row(name, "AnnData", sizes, anndata_bytes(item), {})
    chunks = main_chunks(item) if any(v.chunksizes for v in item.variables.values()) else {}
    sizes = {str(dim): size for dim, size in item.sizes.items()}
    return Row(name, kind_of(item), sizes, int(item.nbytes), chunks)
