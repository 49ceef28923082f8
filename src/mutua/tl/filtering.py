"""Which annotations to keep."""

from __future__ import annotations

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.best_spans import best_spans
from mutua.models import Dataset, as_kind, checked
from mutua.models.annotations import Annotations
from mutua.models.arguments import number, one_of
from mutua.models.dims import (
    ANNOTATION,
    ATTRIBUTION,
    END,
    MOTIF,
    MOTIF_INDEX,
    SEQUENCE_INDEX,
    START,
)

__all__ = ["filter_annotations"]

_AMONG = ("all", "family", "motif")


@checked
def filter_annotations(
    annotations: Dataset[Annotations],
    *,
    p_value: float | None = None,
    q_value: float | None = None,
    score: float | None = None,
    attribution: float | None = None,
    best_of_overlapping: str | bool = False,
) -> Dataset[Annotations]:
    """Give the annotations that pass all of the conditions, in their order.

    Sequences and motifs stay as they are, also those without any annotation left. What was asked
    for is in the record of the result; q-values are still those of all tests that were made.

    Parameters
    ----------
    annotations
        Of any source, in memory or lazily opened.
    p_value, q_value
        The largest that are kept.
    score, attribution
        The smallest that are kept. NaN never passes a condition.
    best_of_overlapping
        After the other conditions: keep the annotation with the smallest p-value and drop those
        that overlap it, on either strand; then the best of the rest, and so on. Of equal p-values
        the higher score is better, then what stands first; without p-values the score decides.
        ``"all"``: of all annotations of a sequence; ``"motif"``, ``"family"``: only those of one
        motif or family drop each other (a motif without a family is one by itself, and so are
        annotations without a motif).

    Returns
    -------
    Annotations
        With all variables of `annotations`.

    Raises
    ------
    InvalidInput
        For a condition on something that the annotations do not have.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(100, length=200, seed=0)
    >>> motifs = mt.MotifSet.build({"GATA": "WGATAAG", "GATA-long": "AGATAAGA", "E-box": "CACGTG"})
    >>> hits = mt.tl.scan(seqs, motifs, p_threshold=1e-3)
    >>> best = mt.tl.filter_annotations(hits, best_of_overlapping="all")
    >>> hits.sizes["annotation"], best.sizes["annotation"]
    (42, 32)
    """
    among = _among(best_of_overlapping)
    passes = np.ones(annotations.sizes[ANNOTATION], np.bool_)
    conditions = {"p_value": p_value, "q_value": q_value, "score": score, ATTRIBUTION: attribution}
    for name, limit in conditions.items():
        if limit is not None:
            limit = number(name, limit)
            values = _column(annotations, name, argument=name)
            passes &= values <= limit if name.endswith("_value") else values >= limit
    rows = np.flatnonzero(passes)
    if among is not None:
        rows = rows[_best(annotations, rows, among)]
    return as_kind(Annotations, annotations.isel({ANNOTATION: rows}))


def _among(best_of_overlapping: str | bool) -> str | None:
    if isinstance(best_of_overlapping, bool):
        if best_of_overlapping:
            remedy = f"say among which: one of {list(_AMONG)}"
            raise InvalidInput("best_of_overlapping", "True", remedy)
        return None
    return one_of("best_of_overlapping", best_of_overlapping, _AMONG)


def _column(annotations: Dataset[Annotations], name: str, *, argument: str) -> np.ndarray:
    if name not in annotations:
        found = f"asked for, and the annotations have no {name!r}"
        raise InvalidInput(argument, found, f"use annotations with {name!r}")
    return np.asarray(annotations[name].values)


def _best(annotations: Dataset[Annotations], rows: np.ndarray, among: str) -> np.ndarray:
    """Tell which of the rows are kept."""
    priorities = [
        sign * np.asarray(annotations[name].values)[rows]
        for name, sign in (("p_value", 1.0), ("score", -1.0))
        if name in annotations
    ]
    if not priorities:
        remedy = "use annotations with one of them, which tells the best"
        found = "asked for, and the annotations have no 'p_value' and no 'score'"
        raise InvalidInput("best_of_overlapping", found, remedy)
    index, start, end = (
        np.asarray(annotations[name].values)[rows] for name in (SEQUENCE_INDEX, START, END)
    )
    group = index.astype(np.int64)
    if among != "all":
        kinds = _kinds(annotations, among)
        motif = _column(annotations, MOTIF_INDEX, argument="best_of_overlapping")[rows]
        group = group * (int(kinds.max()) + 1) + kinds[motif]
    return best_spans(group, start, end, *priorities)


def _kinds(annotations: Dataset[Annotations], among: str) -> np.ndarray:
    """Give the number of each motif or its family; the last one is that of no motif."""
    n = annotations.sizes.get(MOTIF, 0)
    if among == "motif":
        return np.arange(n + 1)
    if "family" not in annotations.coords:
        found = "'family', and the motifs have none"
        raise InvalidInput("best_of_overlapping", found, "use 'motif', or motifs with families")
    families = np.asarray(annotations["family"].values)
    names, numbers = np.unique(families, return_inverse=True)
    alone = families == ""
    numbers[alone] = len(names) + np.flatnonzero(alone)
    return np.append(numbers, len(names) + n)
