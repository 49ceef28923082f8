"""Which annotations to keep."""

from __future__ import annotations

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.best_spans import best_spans
from mutua.models import Dataset, as_kind, checked
from mutua.models.annotations import Annotations
from mutua.models.arguments import number, one_of
from mutua.models.build import ordered
from mutua.models.dims import (
    ANNOTATION,
    ATTRIBUTION,
    END,
    MOTIF,
    MOTIF_INDEX,
    SEQUENCE_INDEX,
    START,
)
from mutua.tl._motif_rows import column

__all__ = ["filter_annotations", "merge_families"]

_AMONG = ("all", "family", "motif")
_DECIDING = (("p_value", "score"), ("rank_score", ATTRIBUTION))
"""What tells the best annotation, where there are neither of the first two by the others."""


@checked
def filter_annotations(
    annotations: Dataset[Annotations],
    *,
    p_value: float | None = None,
    q_value: float | None = None,
    score: float | None = None,
    attribution: float | None = None,
    similarity: float | None = None,
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
    score, attribution, similarity
        The smallest that are kept. NaN never passes a condition.
    best_of_overlapping
        After the other conditions: keep the annotation with the smallest p-value and drop those
        that overlap it, on either strand; then the best of the rest, and so on. Of equal p-values
        the higher score is better, then what stands first; without p-values the score decides.
        Where there are neither, as of seqlets, the smallest rank score is best, then the largest
        size of the attribution. ``"all"``: of all annotations of a sequence; ``"motif"``,
        ``"family"``: only those of one motif or family drop each other (a motif without a family
        is one by itself, and so are annotations without a motif).

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
    conditions = {
        "p_value": p_value, "q_value": q_value,
        "score": score, ATTRIBUTION: attribution, "similarity": similarity,
    }  # fmt: skip
    for name, limit in conditions.items():
        if limit is not None:
            limit = number(name, limit)
            values = _column(annotations, name, argument=name)
            passes &= values <= limit if name.endswith("_value") else values >= limit
    rows = np.flatnonzero(passes)
    if among is not None:
        rows = rows[_best(annotations, rows, among)]
    return as_kind(Annotations, annotations.isel({ANNOTATION: rows}))


@checked
def merge_families(annotations: Dataset[Annotations]) -> Dataset[Annotations]:
    """Give annotations of families of motifs, each place of a family once.

    Collections hold dozens of motifs that match the same letters. The hits of one site are then
    split over as many names, so that no pair of names occurs often. Of families, a site has one
    name: count, pair and draw these as motifs.

    Parameters
    ----------
    annotations
        Of motifs that have a ``family``: that of JASPAR, or what `mutua.tl.cluster_motifs` gave
        before they were looked for. JASPAR's families follow the proteins, and those that bind
        alike may be of several; clusters follow the letters.

    Returns
    -------
    Annotations
        Some of the rows, in their order. The motifs are the families, in the order of their names;
        a motif without a family is one by itself, called by its id. Of overlapping annotations of
        a family in a sequence, on either strand, those of its most frequent motif are kept, the
        best of these as in `mutua.tl.filter_annotations`; then those of the second that overlap
        none of them, and so on. Annotations without a motif all stay.

    Raises
    ------
    InvalidInput
        If the annotations have no motifs, or the motifs no families.

    Notes
    -----
    Motifs of a family differ in width and strand. That the most frequent one stands for a place
    gives its sites the same ends as far as possible, as `mutua.tl.pair_spacings` needs; so merge
    before annotations of one family are dropped otherwise.

    Examples
    --------
    >>> import mutua as mt
    >>> motifs = mt.MotifSet.build({"GATA": "WGATAA", "GATA-long": "AGATAAG", "E-box": "CACGTG"})
    >>> motifs = mt.tl.cluster_motifs(motifs)
    >>> seqs = mt.from_strings(["CCCTGATAAGCCCAGATAAGCCC", "CCCCACGTGCCCCCCCCCCCCCC"])
    >>> hits = mt.tl.scan(seqs, motifs, p_threshold=1e-2, strand="forward")
    >>> mt.tl.count_annotations(hits).to_df().values.tolist()
    [[2, 2, 0], [0, 0, 1]]
    >>> mt.tl.count_annotations(mt.tl.merge_families(hits)).to_df()
       E-box  GATA
    0      0     2
    1      1     0
    """
    motif = column(annotations, MOTIF_INDEX)
    if "family" not in annotations.coords:
        remedy = "look for motifs of mutua.tl.cluster_motifs, or give them the coordinate 'family'"
        raise InvalidInput("annotations", "their motifs have no families", remedy)
    names, family_of = np.unique(_families(annotations), return_inverse=True)
    known = np.flatnonzero(motif >= 0)
    frequency = np.bincount(motif[known], minlength=len(family_of))
    index, start, end = (
        np.asarray(annotations[name].values)[known] for name in (SEQUENCE_INDEX, START, END)
    )
    group = index.astype(np.int64) * len(names) + family_of[motif[known]]
    first = -frequency[motif[known]].astype(np.float64)
    # Of two motifs as frequent as each other, one stands for all places.
    priorities = [first, motif[known].astype(np.float64), *_priorities(annotations, known)]
    kept = np.ones(len(motif), np.bool_)
    kept[known] = best_spans(group, start, end, *priorities)
    rows = annotations.isel({ANNOTATION: kept})
    number = np.append(family_of, -1)[rows[MOTIF_INDEX].values].astype(np.int32)
    of_motifs = [name for name, part in annotations.variables.items() if MOTIF in part.dims]
    merged = rows.drop_vars(of_motifs).assign_coords(
        {MOTIF: (MOTIF, names.astype(np.dtypes.StringDType()))}
    )
    merged[MOTIF_INDEX] = rows[MOTIF_INDEX].copy(data=number)
    return as_kind(Annotations, ordered(Annotations, merged))


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
    priorities = _priorities(annotations, rows)
    if not priorities:
        names = [name for pair in _DECIDING for name in pair]
        found = f"asked for, and the annotations have none of {names}"
        remedy = "use annotations with one of them, which tells the best"
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


def _priorities(annotations: Dataset[Annotations], rows: np.ndarray) -> list[np.ndarray]:
    """Give what tells the best of the rows: the smaller the better, the first more than others."""
    smaller_is_better = ("p_value", "rank_score")
    for names in _DECIDING:
        there = [name for name in names if name in annotations]
        values = [np.asarray(annotations[name].values, np.float64)[rows] for name in there]
        if values:
            return [
                column if name in smaller_is_better else -np.abs(column) if name == ATTRIBUTION
                else -column
                for name, column in zip(there, values, strict=True)
            ]  # fmt: skip
    return []


def _kinds(annotations: Dataset[Annotations], among: str) -> np.ndarray:
    """Give the number of each motif or its family; the last one is that of no motif."""
    n = annotations.sizes.get(MOTIF, 0)
    if among == "motif":
        return np.arange(n + 1)
    names, numbers = np.unique(_families(annotations), return_inverse=True)
    return np.append(numbers, len(names))


def _families(annotations: Dataset[Annotations]) -> np.ndarray:
    """Give the family of each motif; one without is a family by itself, called as it is."""
    ids = annotations[MOTIF].values.astype(object) if MOTIF in annotations else np.array([], object)
    if "family" not in annotations.coords:
        return ids
    families = annotations["family"].values.astype(object)
    return np.where(families == "", ids, families)
