"""Text of generated pages, and the folder that they are written to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["heading", "table", "write_pages"]


def heading(title: str, underline: str) -> str:
    """Give a heading of reStructuredText."""
    return f"{title}\n{underline * len(title)}\n"


def table(header: Iterable[str], rows: Iterable[Iterable[str]], *, name: str = "") -> str:
    """Give a table whose cells are lines of reStructuredText."""
    lines = [f".. list-table:: {name}".rstrip(), "   :header-rows: 1", "   :class: names", ""]
    for row in [header, *rows]:
        for number, cell in enumerate(row):
            lines.append(f"   {'* -' if number == 0 else '  -'} {cell}".rstrip())
    return "\n".join(lines) + "\n"


def write_pages(folder: Path, pages: Mapping[str, str], *, suffix: str = ".rst") -> None:
    """Write pages by name, leave those that are as they should be, remove all others."""
    folder.mkdir(exist_ok=True)
    for name, text in pages.items():
        file = folder / f"{name}{suffix}"
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
    for file in folder.glob(f"*{suffix}"):
        if file.name.removesuffix(suffix) not in pages:
            file.unlink()
