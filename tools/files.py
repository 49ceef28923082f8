"""How bundled files are written, so that the same data give the same bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np


def write_gzip(path: Path, text: str) -> None:
    """Compress without name and time, so that the same text gives the same file."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write(text.encode())


def byte_planes(values: np.ndarray, n_bytes: int) -> np.ndarray:
    """Give the lowest bytes of every value as planes of their own, which compress better."""
    return np.stack([(values >> (8 * place)).astype(np.uint8) for place in range(n_bytes)])
