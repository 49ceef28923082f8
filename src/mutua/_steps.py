"""The steps behind elements as a table."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

__all__ = ["steps_table"]

_COLUMNS = ["step", "function", "arguments", "seed", "inputs", "versions"]


def steps_table(steps: list[dict[str, Any]]) -> pd.DataFrame:
    """Give a row for every step of a provenance chain, in order."""
    rows = [
        {
            "step": step["id"],
            "function": step.get("function"),
            "arguments": json.dumps(step.get("arguments", {})),
            "seed": step.get("seed"),
            "inputs": ", ".join(f"{i['argument']}={i['step']}" for i in step.get("inputs", ())),
            "versions": ", ".join(f"{k} {v}" for k, v in step.get("versions", {}).items()),
        }
        for step in steps
    ]
    table = pd.DataFrame(rows, columns=_COLUMNS)
    seeds = pd.Series([row["seed"] for row in rows], dtype=object)
    # A seed may also be a list, or larger than any integer type.
    fits = all(seed is None or (type(seed) is int and abs(seed) < 2**63) for seed in seeds)
    table["seed"] = seeds.astype("Int64") if fits else seeds
    return table
