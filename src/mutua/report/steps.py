"""The steps behind elements, read from `Analysis.lineage`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mutua.models.provenance import EDITED
from mutua.report.graph import Graph, Node, layout
from mutua.report.text import shorten, value_text

__all__ = ["Step", "draw_steps", "read_steps"]

_MOST_DETAIL = 30
"""Characters of arguments written into a node."""


@dataclass(frozen=True)
class Step:
    """One call that led to an element."""

    id: str
    function: str
    arguments: dict[str, Any]
    inputs: tuple[tuple[str, str], ...]
    """Argument and step of each element that went in."""
    versions: str

    @property
    def style(self) -> str:
        """How a node of it looks: a class of the style sheet."""
        if self.function == EDITED:
            return "edited"
        return "call" if self.inputs else "source"

    def argument_texts(self) -> list[tuple[str, str]]:
        """Give names and values of the arguments that were set, as texts."""
        return [
            (shorten(name, 60), value_text(value))
            for name, value in self.arguments.items()
            if value is not None
        ]

    @property
    def not_set(self) -> list[str]:
        """Names of the arguments that were None."""
        return [shorten(name, 60) for name, value in self.arguments.items() if value is None]

    def detail(self) -> str:
        """Give the first arguments that say something, short enough for a node."""
        said = [
            f"{name}={value_text(value)}"
            for name, value in self.arguments.items()
            if isinstance(value, int | float | str) and not isinstance(value, bool) and value != ""
        ]
        return shorten(", ".join(said), _MOST_DETAIL)


def read_steps(lineage: pd.DataFrame) -> list[Step]:
    """Give the rows of `Analysis.lineage` as steps."""
    return [
        Step(
            id=str(row["step"]),
            function=str(row["function"]),
            arguments=_arguments(row["arguments"]),
            inputs=tuple(_inputs(str(row["inputs"]))),
            versions=str(row["versions"]),
        )
        for row in lineage.to_dict("records")
    ]


def _arguments(text: str) -> dict[str, Any]:
    found = json.loads(text)
    return found if isinstance(found, dict) else {}


def _inputs(text: str) -> Iterable[tuple[str, str]]:
    for part in text.split(", "):
        argument, equals, step = part.rpartition("=")
        if equals:
            yield argument, step


def draw_steps(steps: Iterable[Step], elements: dict[str, list[str]]) -> list[Graph]:
    """Lay steps out as graphs, one for each group of steps that hang together.

    Parameters
    ----------
    steps
        Any number of steps; each is drawn once, however often it is given.
    elements
        Names of the elements that a step made, by the step's id.
    """
    unique = {step.id: step for step in steps}
    nodes = [
        Node(
            id=step.id,
            label=shorten(step.function, 34),
            detail=step.detail(),
            tooltip=_tooltip(step),
            tags=tuple(elements.get(step.id, ())),
            style=step.style,
        )
        for step in unique.values()
    ]
    edges = [
        (source, step.id, argument) for step in unique.values() for argument, source in step.inputs
    ]
    return layout(nodes, edges)


def _tooltip(step: Step) -> str:
    lines = [step.function, *(f"{name} = {value}" for name, value in step.argument_texts())]
    return "\n".join(lines)
