"""A report as a browser would read it, without one."""

from __future__ import annotations

import base64
import json
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """The tags of a page, its visible text, and its scripts."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.data: dict[str, Any] = {}
        self.scripts: list[str] = []
        self.style = ""
        self.titles: list[str] = []
        self.feed(self.source)
        self.close()
        self.text = "".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        attrs = self.tags[-1][1] if self.tags else {}
        if inside == "script" and attrs.get("type") == "application/json":
            self.data[str(attrs["id"])] = json.loads(data)
        elif inside == "script":
            self.scripts.append(data)
        elif inside == "style":
            self.style += data
        else:
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def heatmap(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.data[f"element-{name}-data"]
        return found

    def explained(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.heatmap(name)["explained"]
        return found


def decode(part: dict[str, Any], rows: int, columns: int) -> np.ndarray:
    """Give the matrix that `mutua.report.heatmap.encode` was given."""
    if part["part"] == "constant":
        return np.full((rows, columns), np.nan if part["value"] is None else part["value"])
    raw = np.frombuffer(zlib.decompress(base64.b64decode(part["data"])), np.uint8)
    planes = raw.reshape(part["size"], -1).T.copy()
    values = planes.view(f"<f{part['size']}").ravel().astype(float)
    if part["part"] == "all":
        return values.reshape(rows, columns)
    full = np.zeros((rows, columns))
    full[np.triu_indices(rows)] = values
    upper = np.triu(full, 1)
    return full + upper.T
