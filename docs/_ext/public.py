"""What of mutua is public, read from `__all__`: the lists behind the reference and the kinds."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from sphinx.errors import ExtensionError

import mutua
from mutua import models
from mutua.models import KINDS, Element, base

__all__ = ["Group", "Name", "groups", "kinds", "summary"]

_TITLES = {
    "pp": "Preprocessing: ``pp``",
    "tl": "Tools: ``tl``",
    "pl": "Plots: ``pl``",
    "get": "Results as tables: ``get``",
    "datasets": "Datasets: ``datasets``",
    "report": "Report: ``report``",
    "stats": "Significance: ``stats``",
    "errors": "Errors: ``errors``",
}
"""The order of the groups; a public module that is not here comes after them."""
_NO_GROUP = {"models", "io", "settings"}
"""Modules whose names are shown under other headings."""
_OWN = """\
What a kind of your own is made with (:doc:`/architecture`). ``Coordinate``, of the same module as
`models.base.variable`, is pandera's: ``Coordinate[str]`` marks a coordinate among the fields.
"""
_INTEROP = "mutua.io.interop"


@dataclass(frozen=True)
class Name:
    """One public name."""

    module: str
    """The module that a user takes it from."""
    name: str
    value: Any

    @property
    def path(self) -> str:
        """The name as it is written after ``mutua.``."""
        return f"{self.module}.{self.name}".removeprefix("mutua.")


@dataclass(frozen=True)
class Group:
    """Names under one heading of the reference."""

    title: str
    text: str
    module: str | None
    """The module whose page the heading is; None for names of several modules."""
    names: list[Name] = field(default_factory=list)


def kinds() -> dict[str, type[Element]]:
    """Give the kinds of mutua by name."""
    return {
        name: kind for name, kind in sorted(KINDS.items()) if kind.__module__.startswith("mutua.")
    }


def groups() -> list[Group]:
    """Give all groups of the reference; fails if a public name would be in none.

    Raises
    ------
    ExtensionError
        For a name in ``mutua.__all__`` that no group takes.
    """
    reading = Group("Reading and writing", "Sequences, motifs and structures in and out.", None)
    studies = Group(
        "Studies: ``Analysis``", "A mapping of elements, in memory or in a store.", None
    )
    elements = Group("Elements", "For elements of every kind; see also :doc:`/kinds/index`.", None)
    modules = []
    for name in mutua.__all__:
        value = getattr(mutua, name)
        if isinstance(value, ModuleType):
            modules.append(name)
        elif name not in kinds() and name != "settings":
            source = value.__module__
            entry = Name("mutua", name, value)
            if source.startswith("mutua.io."):
                reading.names.append(entry)
            elif source.startswith("mutua.models"):
                elements.names.append(entry)
            elif source == "mutua.analysis":
                studies.names.append(entry)
            else:
                raise ExtensionError(f"mutua.{name} of {source} has no place in the reference")
    order = [*_TITLES, *sorted(set(modules) - set(_TITLES) - _NO_GROUP)]
    verbs = [_module_group(name) for name in order]
    model = [
        Name(module.__name__, name, getattr(module, name))
        for module in (models, base)
        for name in module.__all__
        if name not in kinds()
        and name not in mutua.__all__
        and (module is models or (name not in models.__all__ and name != "Coordinate"))
    ]
    found = [*verbs[:4], reading]
    if importlib.util.find_spec(_INTEROP):
        found.append(_module_group("io.interop"))
    own = Group("Own kinds: ``models``", _OWN, "mutua.models")
    own.names.extend(model)
    return [*found, studies, elements, *verbs[4:], own]


def _module_group(name: str) -> Group:
    module = importlib.import_module(f"mutua.{name}")
    # What is also in `mutua` itself has its page there.
    names = [
        Name(module.__name__, item, getattr(module, item))
        for item in module.__all__
        if item not in mutua.__all__
    ]
    return Group(_TITLES.get(name, f"``{name}``"), summary(module), module.__name__, names)


def summary(value: Any) -> str:
    """Give the first paragraph of a docstring as one line."""
    text = inspect.getdoc(value) or ""
    return " ".join(text.partition("\n\n")[0].split())
