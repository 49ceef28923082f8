"""Write the reference, one page for every public name, before Sphinx reads the sources.

Nothing of it is committed: what is public is read from `__all__`, what is said of it from the
docstrings.
"""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any

from pages import heading, table, write_pages
from public import Group, Name, groups, kinds, summary
from sphinx.application import Sphinx

import mutua
from mutua.models import Element

FOLDER = "reference"
_DATASET = """\
.. py:class:: Dataset[Kind]

   A plain ``xarray.Dataset`` that satisfies the kind in the brackets: what signatures say of the
   elements that functions take and give. It is for annotations, with `models.checked` and type
   checkers; elements themselves are made by ``Kind.build``.
"""


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the pages and the signatures as they stand in the source."""
    app.connect("builder-inited", write_reference)
    app.connect("autodoc-process-signature", source_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_reference(app: Sphinx) -> None:
    """Write ``docs/reference/``."""
    found = groups()
    pages = {name.path: _page(name) for group in found for name in group.names}
    pages["settings"] = _settings_page()
    pages["index"] = _index(found)
    write_pages(Path(app.srcdir) / FOLDER, pages)


def _index(found: list[Group]) -> str:
    parts = [heading("Reference", "=")]
    parts.append("All of it is reached from ``import mutua as mt``.\n")
    for group in found:
        parts.append(_group(group))
        if group.title.startswith("Elements"):
            rows = [(f":doc:`/kinds/{name}`", summary(kind)) for name, kind in kinds().items()]
            parts.append(table(["kind", "what it holds"], rows))
        if group.module == "mutua.report":
            doc = summary(inspect.getmodule(type(mutua.settings)))
            parts.append(heading("Settings: ``settings``", "-") + doc + "\n")
            parts.append(_toctree(["settings"]))
            rows = [(f"`settings.{name}`", summary(value)) for name, value in _settings()]
            parts.append(table(["setting", "what it says"], rows))
    return "\n".join(parts)


def _group(group: Group) -> str:
    names = sorted(group.names, key=lambda name: name.name.lower())
    parts = [heading(group.title, "-")]
    if group.module:
        parts.append(f".. py:module:: {group.module}\n")
    parts.append(group.text + "\n")
    parts.append(_toctree([name.path for name in names]))
    rows = [(f":doc:`{name.path} <{name.path}>`", _line(name)) for name in names]
    parts.append(table(["name", "what it gives"], rows))
    return "\n".join(parts)


def _line(name: Name) -> str:
    if name.name == "KINDS":
        return "Every kind by its name."
    return summary(name.value) if name.name != "Dataset" else "An element of a kind."


def _toctree(pages: list[str]) -> str:
    return "\n".join([".. toctree::", "   :hidden:", "", *(f"   {page}" for page in pages), ""])


def _page(name: Name) -> str:
    parts = [heading(name.path, "="), f".. currentmodule:: {name.module}\n"]
    if name.name == "Dataset":
        parts.append(_DATASET)
    elif name.name == "KINDS":
        parts.append(
            f".. py:data:: KINDS\n   :type: dict[str, type[Element]]\n\n   {_line(name)}\n"
        )
    elif inspect.isclass(name.value):
        error = issubclass(name.value, BaseException)
        parts.append(f".. {'autoexception' if error else 'autoclass'}:: {name.name}\n   :members:")
        parts.append("   :show-inheritance:\n" if error else "   :exclude-members: Config\n")
    else:
        parts.append(f".. autofunction:: {name.name}\n")
    return "\n".join(parts)


# -- settings ----------------------------------------------------------------------------------


def _settings() -> list[tuple[str, property]]:
    members = vars(type(mutua.settings)).items()
    return [(name, value) for name, value in members if isinstance(value, property)]


def _settings_page() -> str:
    parts = [heading("settings", "="), ".. currentmodule:: mutua\n"]
    parts.append(".. py:data:: settings\n\n   Process-wide settings, changed by assignment.\n")
    for name, value in _settings():
        parts.append(f".. py:attribute:: settings.{name}")
        parts.append(f"   :type: {value.fget.__annotations__['return']}")
        parts.append(f"   :value: {getattr(mutua.settings, name)!r}\n")
        parts.append(f"   {summary(value)}\n")
    return "\n".join(parts)


# -- signatures --------------------------------------------------------------------------------


class _Bare(str):
    """Text that stands in a signature without quotes."""

    def __repr__(self) -> str:
        return str(self)


def source_signature(
    app: Sphinx,
    what: str,
    name: str,
    value: Any,
    options: Any,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None] | None:
    """Give a signature with its annotations as the source has them."""
    if inspect.isclass(value) and issubclass(value, Element | Exception):
        return ("", None) if issubclass(value, Element) else None
    if not callable(value):
        return None
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return None
    parameters = list(found.parameters.values())
    if what == "method" and parameters and parameters[0].name in ("self", "cls"):
        del parameters[0]
    parameters = [
        parameter.replace(
            annotation=_text(parameter.annotation, value), default=_bare(parameter.default)
        )
        for parameter in parameters
    ]
    result = None if what == "class" else found.return_annotation
    if result is inspect.Signature.empty:
        result = None
    shown = found.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return str(shown), None if result is None else str(_text(result, value))


def _bare(value: Any) -> Any:
    """Give what prints as the name of a class instead of ``<class ...>``."""
    if value is inspect.Parameter.empty or not isinstance(value, type):
        return value
    name = value.__qualname__
    return _Bare(name if value.__module__ == "builtins" else f"{value.__module__}.{name}")


def _text(annotation: Any, owner: Any) -> Any:
    """Give an annotation, which is a string in all our modules, with what its aliases stand for."""
    if not isinstance(annotation, str):
        return _bare(annotation)
    names = vars(sys.modules[owner.__module__])

    def meaning(match: re.Match[str]) -> str:
        alias = names.get(match[0])
        known = typing.get_origin(alias) in (types.UnionType, typing.Literal, typing.Union)
        if not known:
            return match[0]
        plain = re.sub(r"\b(?:typing|collections\.abc)\.", "", str(alias))
        return re.sub(r"\b(\w+)(?:\.\w+)+\.(\w+)\b", r"\1.\2", plain)  # xarray.Dataset

    return _Bare(re.sub(r"\b[A-Z]\w*\b", meaning, annotation))
