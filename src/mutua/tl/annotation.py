"""Which motifs the letters of spans resemble."""

from __future__ import annotations

import warnings

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.letters import complement_codes, is_nucleotide
from mutua.kernels.motif_similarity import LEAST_TARGETS, Nearest, nearest_motifs
from mutua.models import Dataset, MotifSet, SequenceSet, checked
from mutua.models.annotations import Annotations
from mutua.models.arguments import whole_number
from mutua.models.dims import (
    ANNOTATION,
    CODES,
    END,
    MOTIF_INDEX,
    SEQUENCE,
    SEQUENCE_INDEX,
    START,
)
from mutua.tl._annotating import (
    as_annotations,
    motif_parts,
    motif_probabilities,
    refuse_other_sequences,
    span_codes,
)

__all__ = ["annotate"]

_KEPT = ("rank_score", "attribution", "attribution_mean", "attribution_max")
"""What stays true of a span whatever motif it is given."""


@checked
def annotate(
    annotations: Dataset[Annotations],
    motifs: Dataset[MotifSet],
    *,
    sequences: Dataset[SequenceSet] | None = None,
    n_nearest: int = 1,
    reverse_complement: bool = True,
) -> Dataset[Annotations]:
    """Give the motifs that the letters of each span resemble most (TOMTOM).

    A span is aligned with every motif in every way. The score of an alignment adds the negative
    distances between letters and columns of the motif, relative to their median over all columns
    of all motifs and in bins; what hangs over counts as the median. Its p-value is that of the
    best alignment with a motif of that width made of such columns. Attributions play no part.

    Parameters
    ----------
    annotations
        Spans, e.g. seqlets.
    motifs
        Over the letters of the sequences. The null is made of all their columns, so give a whole
        collection.
    sequences
        The set that the spans are in (or its attributions). Not needed for spans that keep their
        letters, as those of `seqlets` do.
    n_nearest
        Motifs to give for each span.
    reverse_complement
        Also compare with the reverse complement of each motif.

    Returns
    -------
    Annotations
        A row for each span and `rank` (0 for the smallest p-value; equal ones in the order of the
        motifs), in the order of the spans: `score`, `p_value`; `strand` (of the motif); `offset`
        (the motif begins that many letters after the span, on the forward strand) and `overlap`;
        `q_value` (Benjamini-Hochberg over all spans times all motifs, ``n_tests``; ranks are
        counted in bins of p, which makes q too large by less than 0.1 %). Attributions and rank
        scores of the spans are kept.

    Raises
    ------
    InvalidInput
        If the letters of the spans are not known, or not those of the motifs, or `n_nearest` is
        more than there are motifs.
    MemoryLimit
        For spans longer than about 40 letters, unless `settings.memory` is raised.

    Warns
    -----
    UserWarning
        For fewer than 25 motifs: p-values then depend much on which they are.

    Notes
    -----
    Numbers are those that memelite 0.5 gives for float64 arrays; its offsets have the other sign.
    For float32 arrays it rounds other distances into other bins, and its p-values differ by up to
    0.04. An unknown letter stands for all letters equally; letters beyond the end of a sequence
    are unknown.

    References
    ----------
    Gupta et al. 2007, Quantifying similarity between motifs, Genome Biology 8:R24. Schreiber 2025,
    memelite (memesuite-lite).

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["CCCCCAGATAAGCCC", "TGACTCATTTTTTTT"])
    >>> spans = mt.Annotations.build(
    ...     sequence_index=[0, 1], start=[5, 0], end=[12, 7], sequence_length=[15, 15],
    ...     source="user",
    ... )
    >>> found = mt.tl.annotate(spans, mt.datasets.jaspar(), sequences=seqs)
    >>> found["name"].values[found["motif_index"].values].tolist()
    ['GATA2', 'BACH1']
    """
    n_nearest = whole_number("n_nearest", n_nearest, low=1)
    if not isinstance(reverse_complement, bool):
        raise InvalidInput("reverse_complement", f"{reverse_complement!r}", "use True or False")
    codes, alphabet = _letters(annotations, sequences)
    # In this order complements of DNA and RNA stand opposite each other, as memelite has it.
    letters = "".join(sorted(alphabet))
    probability, length, _ = motif_probabilities(motifs, letters)
    if reverse_complement:
        _refuse_one_strand(letters)
    if n_nearest > len(length):
        found = f"{n_nearest}, and there are {len(length)} motifs"
        raise InvalidInput("n_nearest", found, f"use at most {len(length)}")
    if len(length) < LEAST_TARGETS:
        warnings.warn(
            f"there are {len(length)} motifs. The null of TOMTOM is made of their columns: with "
            f"fewer than {LEAST_TARGETS} the p-values depend much on which they are. Use a whole "
            "collection, such as mutua.datasets.jaspar()",
            UserWarning,
            stacklevel=3,
        )
    columns = _spans(annotations, n_nearest)
    if annotations.sizes[ANNOTATION]:
        table = np.arange(256, dtype=np.uint8)
        table[: len(alphabet)] = [letters.index(letter) for letter in alphabet]
        nearest = nearest_motifs(
            table[codes],
            (annotations[END] - annotations[START]).values.astype(np.int64),
            [matrix[:, :width] for matrix, width in zip(probability, length, strict=True)],
            n_nearest=n_nearest,
            both_strands=reverse_complement,
        )
        columns |= _comparisons(nearest)
    else:
        columns |= {name: np.zeros(0, dtype) for name, dtype in _COMPARISONS.items()}
    parts = {
        str(name): part.to_base_variable().copy(deep=False).load()
        for name, part in annotations.variables.items()
        if part.dims == (SEQUENCE,)
    }
    n_tests = annotations.sizes[ANNOTATION] * len(length)
    return as_annotations(columns, parts | motif_parts(motifs), source="tomtom", n_tests=n_tests)


def _letters(
    annotations: Dataset[Annotations], sequences: Dataset[SequenceSet] | None
) -> tuple[np.ndarray, str]:
    """Give the letters of the spans, uint8 (annotation, letter), and their alphabet."""
    if sequences is None:
        if CODES not in annotations or "alphabet" not in annotations.attrs:
            remedy = "give the sequences that the spans are in, sequences="
            raise InvalidInput("sequences", "None, and the spans keep no letters", remedy)
        return np.asarray(annotations[CODES].values), annotations.attrs["alphabet"]
    row, start, end = (
        np.asarray(annotations[name].values).astype(np.int64)
        for name in (SEQUENCE_INDEX, START, END)
    )
    refuse_other_sequences(annotations, sequences)
    return span_codes(sequences, row, start, end), sequences.attrs["alphabet"]


def _refuse_one_strand(letters: str) -> None:
    if is_nucleotide(letters):
        opposite = complement_codes(letters)[::-1]
        if np.array_equal(opposite, np.arange(len(letters))):
            return
    found = f"True, and letters {letters!r} have no complement"
    raise InvalidInput("reverse_complement", found, "use reverse_complement=False")


_COMPARISONS = {
    MOTIF_INDEX: np.int32,
    "strand": np.int8,
    "score": np.float64,
    "p_value": np.float64,
    "q_value": np.float64,
    "rank": np.int32,
    "offset": np.int32,
    "overlap": np.int32,
}


def _spans(annotations: Dataset[Annotations], times: int) -> dict[str, np.ndarray]:
    """Give what stays true of each span, so many times."""
    rows = np.repeat(np.arange(annotations.sizes[ANNOTATION]), times)
    return {
        name: np.asarray(annotations[name].values)[rows]
        for name in (SEQUENCE_INDEX, START, END, *_KEPT)
        if name in annotations
    }


def _comparisons(nearest: Nearest) -> dict[str, np.ndarray]:
    """Give what was found out about each span and rank, as columns."""
    n, n_ranks = nearest.target.shape
    columns = {
        MOTIF_INDEX: nearest.target,
        "strand": np.where(nearest.flipped, -1, 1),
        "score": nearest.score,
        "p_value": nearest.p_value,
        "q_value": nearest.histogram.q_values(nearest.p_value),
        "rank": np.broadcast_to(np.arange(n_ranks), (n, n_ranks)),
        "offset": nearest.offset,
        "overlap": nearest.overlap,
    }
    return {name: columns[name].ravel().astype(dtype) for name, dtype in _COMPARISONS.items()}
