"""The k-mers behind the strongest pairs of positions, ready before anybody clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput, MemoryLimit
from mutua.models import KmerPairs
from mutua.models.dims import CODES, KMER_I, KMER_J, POSITION, POSITION_I, POSITION_J, WEIGHT
from mutua.models.provenance import EDITED
from mutua.report.steps import Step
from mutua.settings import settings

__all__ = ["Explain", "Explained", "Sources", "explain_strongest", "strongest_pairs"]

Explain: TypeAlias = Callable[..., xr.Dataset]
"""`mutua.tl.explain_pair`, or what has its signature and result."""

_MADE_BY = "tl.position_mi"
_PASSED_ON = ("k", "pseudocount", "weighted", "gap")
_ROWS = 12
"""Pairs of k-mers that are shown for one pair of positions."""


@dataclass(frozen=True)
class Sources:
    """Where to find the sequences that elements were made from.

    Attributes
    ----------
    by_step
        Names of the sequence sets of an analysis by the step that made them.
    read
        Gives an element by its name.
    """

    by_step: Mapping[str, str]
    read: Callable[[str], xr.Dataset]


@dataclass
class Explained:
    """What a click on a pixel shows.

    Attributes
    ----------
    reason
        Why there are no k-mers and how to get them; empty where there are.
    code
        Call that explains one pair, with ``{i}`` and ``{j}`` for its positions.
    pairs
        For pairs of indexes (``"3,17"``, the smaller one first): ``rows`` of two k-mers, observed,
        expected and contribution; their ``total`` and the ``number`` there are; or a ``reason``.
    """

    reason: str = ""
    code: str = ""
    pairs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give it as the page reads it."""
        return {"reason": self.reason, "code": self.code, "pairs": self.pairs}


def strongest_pairs(mi: xr.Dataset, variables: list[str], n: int) -> list[tuple[int, int]]:
    """Give the indexes of the strongest pairs, i < j.

    Parameters
    ----------
    mi
        A `PositionMI`.
    variables
        What to rank by; with several, the pairs of each rank come one after the other.
    n
        How many.
    """
    ranked: list[np.ndarray] = []
    for name in variables:
        values = mi[name].values
        i, j = np.triu_indices(len(values), k=1)
        upper = values[i, j]
        known = np.flatnonzero(np.isfinite(upper))
        best = known[np.argsort(-upper[known], kind="stable")[:n]]
        ranked.append(np.column_stack([i[best], j[best]]))
    found: dict[tuple[int, int], None] = {}
    for rank in range(max(map(len, ranked), default=0)):
        for pairs in ranked:
            if rank < len(pairs):
                found.setdefault((int(pairs[rank, 0]), int(pairs[rank, 1])))
    return list(found)[:n]


def explain_strongest(
    mi: xr.Dataset,
    name: str,
    steps: list[Step],
    sources: Sources,
    *,
    explain: Explain | None,
    pairs: list[tuple[int, int]],
) -> Explained:
    """Give the k-mers behind pairs of positions, as far as the analysis holds the sequences.

    Parameters
    ----------
    mi
        A `PositionMI`.
    name
        Its name in the analysis.
    steps
        The steps behind it.
    sources
        The sequence sets of the analysis.
    explain
        `mutua.tl.explain_pair`, or None.
    pairs
        Indexes of the pairs.
    """
    made = steps[-1]
    k = int(mi.attrs["k"])
    if made.function != _MADE_BY:
        done = "edited" if made.function == EDITED else f"made by {made.function}"
        reason = (
            f"Which sequences stand behind {name} is not known: its last step is not "
            f"mutua.{_MADE_BY}, it was {done}. With the sequences at hand, this shows the k-mers:"
        )
        return Explained(reason, _code("sequences", {"k": k}))
    options = {key: made.arguments[key] for key in _PASSED_ON if key in made.arguments}
    step = dict(made.inputs).get("sequences")
    found = None if step is None else sources.by_step.get(step)
    if found is None:
        reason = (
            f"The sequences that {name} was made from are not in this analysis. Add them "
            f'(study["sequences"] = ...) and write the report again, or run:'
        )
        return Explained(reason, _code("sequences", options))
    code = _code(f'study["{found}"]', options)
    if explain is None:
        reason = (
            "This report was written without k-mers. Write it again with "
            "write_report(..., explain=mutua.tl.explain_pair), or run:"
        )
        return Explained(reason, code)
    explained = Explained("", code)
    sequences = _small(sources.read(found))
    try:
        for i, j, rows in _explain(mi, sequences, explain, pairs, options):
            explained.pairs[f"{i},{j}"] = rows
    except MemoryLimit as error:
        explained.reason = f"The k-mers were not listed: {error}"
    return explained


def _code(sequences: str, options: Mapping[str, Any]) -> str:
    said = "".join(f", {key}={value!r}" for key, value in options.items() if value is not None)
    return f"mutua.tl.explain_pair({sequences}, {{i}}, {{j}}{said})"


def _small(sequences: xr.Dataset) -> xr.Dataset:
    """Leave what is not counted, and read the rest once if it fits into memory."""
    needed = {CODES, WEIGHT, POSITION}
    sequences = sequences.drop_vars([name for name in sequences.variables if name not in needed])
    return sequences.compute() if sequences.nbytes <= settings.memory else sequences


def _explain(
    mi: xr.Dataset,
    sequences: xr.Dataset,
    explain: Explain,
    pairs: list[tuple[int, int]],
    options: Mapping[str, Any],
) -> Iterator[tuple[int, int, dict[str, Any]]]:
    positions = mi[POSITION_I].values, mi[POSITION_J].values
    for number, (i, j) in enumerate(pairs):
        try:
            table = explain(sequences, int(positions[0][i]), int(positions[1][j]), **options)
        except MemoryLimit:
            raise
        except InvalidInput as error:
            yield i, j, {"reason": str(error)}
        else:
            if number == 0:
                KmerPairs.check(table, where="the result of `explain`")
            yield i, j, _top_rows(table)


def _top_rows(table: xr.Dataset) -> dict[str, Any]:
    """Give the pairs of k-mers that contribute most, attracted or avoided."""
    contribution = table["contribution"].values
    strength = np.abs(contribution).ravel()
    best = np.argpartition(-strength, min(_ROWS, strength.size) - 1)[:_ROWS]
    best = best[np.argsort(-strength[best], kind="stable")]
    rows = []
    for row, column in zip(*np.unravel_index(best, contribution.shape), strict=True):
        if contribution[row, column] == 0:
            continue
        rows.append(
            [
                str(table[KMER_I].values[row]),
                str(table[KMER_J].values[column]),
                *(
                    _rounded(table[name].values[row, column])
                    for name in ("observed", "expected", "contribution")
                ),
            ]
        )
    return {
        "rows": rows,
        "total": _rounded(contribution.sum()),
        "number": int(np.count_nonzero(table["observed"].values)),
    }


def _rounded(value: float) -> float | None:
    """Keep the six digits that are more than enough to show; JSON has no NaN."""
    return float(f"{value:.6g}") if np.isfinite(value) else None
