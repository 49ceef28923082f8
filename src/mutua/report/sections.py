"""What the page says of one element."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import anndata
import numpy as np
import xarray as xr

from mutua.errors import NewerVersion
from mutua.models import KINDS, Element, SequenceSet
from mutua.models.dims import POSITION_I, POSITION_J, RECORD
from mutua.report.explanations import Explain, Sources, explain_strongest, strongest_pairs
from mutua.report.graph import Graph
from mutua.report.heatmap import MEASURES, contact_heatmap, position_mi_heatmap
from mutua.report.pictures import Picture, pictures_of
from mutua.report.previews import (
    SequencePreview,
    TablePreview,
    preview_sequences,
    preview_table,
)
from mutua.report.steps import Step, draw_steps
from mutua.report.text import number_text, shorten, value_text

__all__ = ["Section", "Summary", "anchor_of", "as_script", "is_sequence_set", "make_section"]

_IN_MEMORY = {"PositionMI", "PositionMIDifference", "DistanceMI", "KmerPairs", "ContactMap"}
"""Kinds that are read as a whole, since all of them is shown."""
_STRONGEST = 10
_MOST_TEXT = 20_000


@dataclass(frozen=True)
class Summary:
    """One row of the table of contents."""

    name: str
    kind: str
    sizes: str
    size: str
    stored: str


@dataclass(frozen=True)
class FieldRow:
    """A variable or coordinate of an element."""

    name: str
    role: str
    dims: str
    dtype: str
    unit: str
    description: str


@dataclass(frozen=True)
class StrongPair:
    """One of the strongest pairs of positions."""

    indexes: tuple[int, int]
    label: str
    """Both positions."""
    value: str
    q_value: str


@dataclass
class Section:
    """Everything that is shown of one element."""

    summary: Summary
    anchor: str
    description: str
    steps: list[Step]
    graphs: list[Graph]
    fields: list[FieldRow] = field(default_factory=list)
    attributes: list[tuple[str, str]] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    heatmap: dict[str, Any] | None = None
    strongest: list[StrongPair] = field(default_factory=list)
    sequences: SequencePreview | None = None
    table: TablePreview | None = None
    text: str = ""
    note: str = ""

    @property
    def data(self) -> str:
        """The heatmap as JSON that may stand in a script element."""
        return as_script(self.heatmap)

    @property
    def way(self) -> str:
        """The functions behind it in one line."""
        functions = [step.function for step in self.steps]
        straight = all(len(step.inputs) <= 1 for step in self.steps)
        if len(functions) > 8:
            functions = [*functions[:3], "…", *functions[-4:]]
        return (" → " if straight else ", ").join(shorten(name, 60) for name in functions)

    @property
    def levels(self) -> list[tuple[str, float, str]]:
        """Levels of significance to choose from: variable, level and what to call them."""
        there = {part["name"] for part in (self.heatmap or {}).get("maps", ())}
        known = {"q_value": "q-value", "p_value": "p-value", "p_familywise": "family-wise p"}
        return [
            (name, level, f"{label} ≤ {level:g}")
            for name, label in known.items()
            if name in there
            for level in (0.05, 0.01)
        ]


def anchor_of(name: str) -> str:
    """Give the id of an element's section on the page."""
    return f"element-{name}"


def as_script(data: Any) -> str:
    """Give JSON in which no script, comment or CDATA can begin or end.

    Examples
    --------
    >>> "<" in as_script("</script><!--")
    False
    """
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def is_sequence_set(kind: str) -> bool:
    """Tell whether elements of a kind are sequence sets."""
    return kind in KINDS and issubclass(KINDS[kind], SequenceSet)


def make_section(
    element: xr.Dataset | anndata.AnnData | NewerVersion,
    summary: Summary,
    steps: list[Step],
    sources: Sources,
    *,
    explain: Explain | None,
    n_explained: int,
) -> Section:
    """Give the section of one element.

    Parameters
    ----------
    element
        The element, lazy or in memory; of large ones only the first rows are read. Or what was
        said when it was to be read, where its kind is not known here.
    summary
        Its row in the table of contents.
    steps
        The steps behind it, its own last.
    sources
        Where the sequences behind it can be found.
    explain, n_explained
        As for `write_report`.
    """
    section = Section(
        summary=summary,
        anchor=anchor_of(summary.name),
        description=_description(summary.kind),
        steps=steps,
        graphs=draw_steps(steps, {steps[-1].id: [summary.name]} if steps else {}),
    )
    if isinstance(element, NewerVersion):
        section.note = f"It cannot be shown. {element}"
        return section
    if not isinstance(element, xr.Dataset):
        section.text = shorten(repr(element), _MOST_TEXT)
        return section
    kind = summary.kind
    if kind in _IN_MEMORY:
        element = element.compute()
    section.fields = list(_fields(element, kind))
    section.attributes = [
        (shorten(str(name), 60), value_text(value))
        for name, value in element.attrs.items()
        if name != RECORD
    ]
    section.pictures = pictures_of(element, kind, summary.name)
    if kind == "PositionMI":
        _add_position_mi(section, element, sources, explain, n_explained)
    elif kind == "ContactMap":
        section.heatmap = contact_heatmap(element)
    elif kind == "Table":
        section.table = preview_table(element)
    elif is_sequence_set(kind):
        section.sequences = preview_sequences(element)
    if kind in ("PositionMI", "ContactMap") and section.heatmap is None:
        section.note = (
            "It is too large for an interactive heatmap; the picture shows all of it."
            if element.nbytes
            else "It has no positions."
        )
    return section


def _q_text(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3g}".replace("-", "−")


def _description(kind: str) -> str:
    """Give the first paragraph of a kind's documentation."""
    if kind == "AnnData":
        return "Observations x variables (anndata)."
    text = inspect.getdoc(KINDS.get(kind, Element)) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("`", "")


def _fields(element: xr.Dataset, kind: str) -> Iterable[FieldRow]:
    specs = KINDS[kind].specs() if kind in KINDS else {}
    names = [name for name in specs if name in element.variables]
    for name in [*names, *(name for name in element.variables if name not in specs)]:
        part = element.variables[name]
        spec = specs.get(str(name))
        default = "" if spec is None or spec.unit == "1" else spec.unit
        said = str(part.attrs.get("long_name", ""))
        meaning = "" if spec is None else spec.description
        both = f"{said}; {meaning}" if said and meaning and said != meaning else said or meaning
        yield FieldRow(
            name=shorten(str(name), 80),
            role="coordinate" if name in element.coords else "variable",
            dims=", ".join(map(str, part.dims)),
            dtype="text" if part.dtype.kind in "OTU" else str(part.dtype),
            unit=shorten(str(part.attrs.get("units", default)), 40),
            description=shorten(both),
        )


def _add_position_mi(
    section: Section,
    mi: xr.Dataset,
    sources: Sources,
    explain: Explain | None,
    n_explained: int,
) -> None:
    name = section.summary.name
    ranked = [measure for measure in MEASURES[:3] if measure in mi]
    pairs = strongest_pairs(mi, ranked, n_explained)
    explained = explain_strongest(mi, name, section.steps, sources, explain=explain, pairs=pairs)
    section.heatmap = position_mi_heatmap(mi, explained)
    values = mi[ranked[0]].values
    q_values = mi["q_value"].values if "q_value" in mi else np.full(values.shape, np.nan)
    rows, columns = mi[POSITION_I].values, mi[POSITION_J].values
    section.strongest = [
        StrongPair(
            indexes=(i, j),
            label=f"{rows[i]} and {columns[j]}".replace("-", "−"),
            value=number_text(values[i, j]),
            q_value=_q_text(q_values[i, j]),
        )
        for i, j in strongest_pairs(mi, ranked[:1], _STRONGEST)
    ]
