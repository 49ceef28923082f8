"""Values as a person reads them: numbers, sizes, attributes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["bytes_text", "number_text", "shorten", "sizes_text", "value_text", "without_login"]

_MOST = 240
"""Characters of one value that are shown."""
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{12,}\b")
"""Digests, of which twelve characters tell enough."""


def shorten(text: str, most: int = _MOST) -> str:
    """Give a text of at most `most` characters, cut with an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + "…"


def bytes_text(count: float) -> str:
    """Give a number of bytes in words.

    Examples
    --------
    >>> bytes_text(53_000)
    '53.0 KB'
    """
    if count < 1000:
        return f"{count:.0f} B"
    for unit in ("KB", "MB", "GB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def sizes_text(sizes: Mapping[str, int]) -> str:
    """Give the sizes of dims, e.g. ``sequence 2,000 × position 53``."""
    return " × ".join(f"{dim} {size:,}" for dim, size in sizes.items())


def number_text(value: Any) -> str:
    """Give one value of an array as text: numbers with four digits, texts as they are."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value)}"
    if isinstance(value, float | np.floating):
        real = float(value)
        if not np.isfinite(real):
            return "" if np.isnan(real) else str(real)
        return f"{real:.0f}" if real.is_integer() and abs(real) < 1e9 else f"{real:.4g}"
    if isinstance(value, np.datetime64 | np.timedelta64):
        return "" if np.isnat(value) else str(value)
    return shorten(str(value))


def value_text(value: Any) -> str:
    """Give an attribute or argument as text: what is not a text is shown as JSON.

    Examples
    --------
    >>> value_text({"model": "splice.Acceptor", "state": "c9ca765292b38175389339d76febbde7"})
    'model: splice.Acceptor, state: c9ca765292b3…'
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, str):
        return shorten(_DIGEST.sub(r"\1…", value))
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict) and value:
        return shorten(", ".join(f"{key}: {value_text(item)}" for key, item in value.items()))
    try:
        return shorten(json.dumps(value, ensure_ascii=False))
    except (TypeError, ValueError):
        return shorten(str(value))


def without_login(url: str) -> str:
    """Give a URL without the user name and password that it may carry.

    Examples
    --------
    >>> without_login("s3://key:secret@bucket/study.zarr")
    's3://bucket/study.zarr'
    """
    return re.sub(r"//[^/@]*@", "//", url)
