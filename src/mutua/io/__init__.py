"""Read and write: sequences, regions, structures, and the elements of a store."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "interop":
        return importlib.import_module("mutua.io.interop")
    raise AttributeError(f"module 'mutua.io' has no attribute {name!r}")
