"""Which motifs the letters of spans resemble."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, cast

import numpy as np
import xarray as xr

from mutua._cluster import current_client, in_order
from mutua.errors import InvalidInput
from mutua.kernels.letters import complement_codes, is_nucleotide
from mutua.kernels.motif_similarity import (
    LEAST_TARGETS,
    Nearest,
    nearest_motifs,
    nearest_to_spans,
)
from mutua.models import Dataset, MotifSet, SequenceSet, checked
from mutua.models.annotations import Annotations
from mutua.models.arguments import whole_number
from mutua.models.dims import (
    CODES,
    END,
    LENGTH,
    MOTIF,
    MOTIF_INDEX,
    MOTIF_POSITION,
    SEQUENCE,
    SEQUENCE_ID,
    SEQUENCE_INDEX,
    SEQUENCE_LENGTH,
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
    annotations: Dataset[Annotations] | Dataset[MotifSet],
    motifs: Dataset[MotifSet],
    *,
    sequences: Dataset[SequenceSet] | None = None,
    n_nearest: int = 1,
    reverse_complement: bool = True,
) -> Dataset[Annotations]:
    """Give the motifs that the letters of each span, or each motif, resemble most (TOMTOM).

    A span is aligned with every motif in every way. The score of an alignment adds the negative
    distances between letters and columns of the motif, relative to their median over all columns
    of all motifs and in bins; what hangs over counts as the median. Its p-value is that of the
    best alignment with a motif of that width made of such columns. Attributions play no part.

    Parameters
    ----------
    annotations
        Spans, e.g. seqlets; or a motif set, whose probabilities are compared: each motif is then
        a sequence of the result, with one span over all its positions.
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

    With a client of `dask.distributed` open, spans are compared on its workers, some thousand at
    a time. Their letters are few and come to the caller first, whatever the chunks.

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
    if MOTIF_POSITION in annotations.dims:
        queries = _of_motifs(cast(Dataset[MotifSet], annotations), sequences)
    else:
        queries = _of_spans(cast(Dataset[Annotations], annotations), sequences)
    # In this order complements of DNA and RNA stand opposite each other, as memelite has it.
    letters = "".join(sorted(queries.alphabet))
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
    targets = [matrix[:, :width] for matrix, width in zip(probability, length, strict=True)]
    columns = {name: np.repeat(c, n_nearest) for name, c in queries.columns.items()}
    n = len(queries.columns[START])
    if n:
        columns |= _comparisons(queries.nearest(letters, targets, n_nearest, reverse_complement))
    else:
        columns |= {name: np.zeros(0, dtype) for name, dtype in _COMPARISONS.items()}
    parts = queries.parts | motif_parts(motifs)
    return as_annotations(columns, parts, source="tomtom", n_tests=n * len(length))


class _Queries(NamedTuple):
    """What is compared with the motifs, and what stays true of it."""

    alphabet: str
    columns: dict[str, np.ndarray]
    """What the result says of each query whatever motif it is given."""
    parts: dict[str, xr.Variable]
    """What it says of the sequences that they are in."""
    nearest: Callable[[str, list[np.ndarray], int, bool], Nearest]
    """Compare them, their letters in that order, with targets."""


def _of_spans(
    annotations: Dataset[Annotations], sequences: Dataset[SequenceSet] | None
) -> _Queries:
    codes, alphabet = _letters(annotations, sequences)
    columns = {
        name: np.asarray(annotations[name].values)
        for name in (SEQUENCE_INDEX, START, END, *_KEPT)
        if name in annotations
    }
    parts = {
        str(name): part.to_base_variable().copy(deep=False).load()
        for name, part in annotations.variables.items()
        if part.dims == (SEQUENCE,)
    }

    def nearest(letters: str, targets: list[np.ndarray], n: int, both: bool) -> Nearest:
        table = np.arange(256, dtype=np.uint8)
        table[: len(alphabet)] = [letters.index(letter) for letter in alphabet]
        widths = (columns[END] - columns[START]).astype(np.int64)
        run = None if current_client() is None else _on_workers
        return nearest_to_spans(
            table[codes], widths, targets, n_nearest=n, both_strands=both, run=run
        )

    return _Queries(alphabet, columns, parts, nearest)


def _on_workers(
    function: Callable[..., Any], blocks: list[tuple[Any, ...]], shared: tuple[Any, ...]
) -> Iterable[Any]:
    return in_order(function, blocks, shared=shared, n_tasks=len(blocks), what="annotate")


def _of_motifs(motifs: Dataset[MotifSet], sequences: Dataset[SequenceSet] | None) -> _Queries:
    """Take each motif as a sequence of its own, with one span over all of it."""
    if sequences is not None:
        raise InvalidInput("sequences", "given, beside motifs to annotate", "leave it out")
    length = np.asarray(motifs[LENGTH].values, np.int32)
    columns = {
        SEQUENCE_INDEX: np.arange(len(length), dtype=np.int32),
        START: np.zeros(len(length), np.int32),
        END: length,
    }
    parts = {
        SEQUENCE_LENGTH: xr.Variable((SEQUENCE,), length),
        SEQUENCE_ID: xr.Variable((SEQUENCE,), motifs[MOTIF].values),
    }

    def nearest(letters: str, targets: list[np.ndarray], n: int, both: bool) -> Nearest:
        matrices, widths, _ = motif_probabilities(motifs, letters)
        queries = [matrix[:, :width] for matrix, width in zip(matrices, widths, strict=True)]
        return nearest_motifs(queries, targets, n_nearest=n, both_strands=both)

    return _Queries(motifs.attrs["alphabet"], columns, parts, nearest)


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
