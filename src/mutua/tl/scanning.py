"""Where motifs stand in sequences."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mutua import stats
from mutua.errors import InvalidInput
from mutua.kernels.letters import complement_codes, is_nucleotide
from mutua.kernels.motif_scan import Hits, MotifScanner
from mutua.kernels.spans import SpanValues, observed_values, span_values
from mutua.models import Dataset, MotifSet, SequenceSet, checked
from mutua.models.annotations import Annotations
from mutua.models.arguments import number, one_of
from mutua.models.dims import (
    ATTRIBUTION,
    CODES,
    END,
    MOTIF,
    MOTIF_INDEX,
    SEQUENCE,
    SEQUENCE_INDEX,
    START,
)
from mutua.models.motif_matrices import frequencies
from mutua.settings import settings
from mutua.tl._annotating import (
    as_annotations,
    has_attributions,
    motif_parts,
    motif_probabilities,
    sequence_parts,
)

__all__ = ["scan"]

_HIT_BYTES = 160
"""Bytes that a hit takes while a block is scanned: as it is found, in columns, and in order."""
_NAMED = 10
"""Motifs that a warning names."""
_LETTER_BYTES = 16
"""Bytes of codes, codes of several letters, and counts, for each letter of a block."""


@checked
def scan(
    sequences: Dataset[SequenceSet],
    motifs: Dataset[MotifSet],
    *,
    p_threshold: float = 1e-4,
    strand: str = "both",
    background: Mapping[str, float] | Sequence[float] | None = None,
    unknown: str = "drop",
    pseudocount: float = 1e-4,
) -> Dataset[Annotations]:
    r"""Give the places where motifs match the sequences (FIMO).

    The score of a place is :math:`\sum_j \log_2 ((P_j(x_j) + pseudocount) / B(x_j))` over the
    columns j of the motif. Its p-value is the probability that a random sequence of independent
    letters with the frequencies B scores at least as high, exact for scores rounded to 0.1 bits.

    Parameters
    ----------
    sequences
        (sequence, position), in memory, dask-backed or lazily opened. Of `Attributions`, each hit
        gets the sum, mean and largest of the attributions of its letters.
    motifs
        Over the same letters.
    p_threshold
        Hits have p-values below this, above 0 and at most 1.
    strand
        ``"both"``, or ``"forward"`` for sequences without a second strand.
    background
        Frequency B of each letter on the forward strand: a mapping of letters, or numbers in the
        order of the motifs' alphabet. By default that of the motif set.
    unknown
        ``"drop"``: no hit holds an unknown letter. ``"neutral"``: unknown letters score 0, which
        is what memelite does; the p-value is that of a window of known letters.
    pseudocount
        Added to every probability, above 0.

    Returns
    -------
    Annotations
        One row per hit, sorted by sequence, start, motif and strand (forward first): `score` in
        bits, `p_value`, and `q_value` (Benjamini-Hochberg) over all windows of all motifs and
        strands, ``n_tests`` of them. Windows above the threshold count as p = 1, so that q can
        only be too large. No hit goes over padding, and a motif wider than the sequences has none.

    Raises
    ------
    InvalidInput
        For motifs of other letters or none, both strands of a protein, or options out of range.

    Warns
    -----
    UserWarning
        Once, for all motifs that can have no hits because even their best sequence is not as
        unlikely as the threshold, such as those of fewer than 7 letters at 1e-4.

    Notes
    -----
    With equal frequencies hits are those of memelite 0.5, with two corrections. The rounded score
    of a good match may be above the largest rounded score; memelite then gives p = 0, here it is
    the least p-value of the motif. And a motif whose best sequence is not as unlikely as the
    threshold (at 1e-4, all of fewer than 7 letters) has no hits. A p-value that equals the
    threshold exactly, e.g. 4**-7, is no hit.

    Overlapping windows are dependent, positively for the most part; Benjamini-Hochberg holds for
    such tests. Memory: about `settings.memory` and twice the hits, unless sequences are so
    repetitive that they have many times more hits than random ones.

    References
    ----------
    Grant, Bailey and Noble 2011, FIMO: scanning for occurrences of a given motif, Bioinformatics
    27:1017. Schreiber 2025, memelite (memesuite-lite).

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["TTTTGATAAGTTTT", "CCCCTTATCCCCCC"], sequence_id=["a", "b"])
    >>> motifs = mt.MotifSet.build({"GATA": "WGATAAG"})
    >>> hits = mt.tl.scan(seqs, motifs, p_threshold=1e-3)
    >>> mt.to_dataframe(hits)[["sequence_index", "start", "end", "strand"]].values.tolist()
    [[0, 3, 10, 1], [1, 3, 10, -1]]
    """
    p_threshold = number("p_threshold", p_threshold, low=0, high=1, open_low=True)
    one_of("strand", strand, ["both", "forward"])
    one_of("unknown", unknown, ["drop", "neutral"])
    pseudocount = number("pseudocount", pseudocount, low=0, open_low=True)
    alphabet = sequences.attrs["alphabet"]
    probability, length, order = motif_probabilities(motifs, alphabet)
    given = motifs.attrs["background"] if background is None else background
    frequency = np.array(frequencies(given, motifs.attrs["alphabet"]))[order]
    scanner = MotifScanner(
        probability,
        length,
        background=frequency,
        complement=_complement(alphabet) if strand == "both" else None,
        p_threshold=p_threshold,
        pseudocount=pseudocount,
    )
    _warn_of_hopeless(motifs, scanner.hopeless, p_threshold)
    per_letter = _LETTER_BYTES + _HIT_BYTES * p_threshold * len(length) * scanner.n_strands
    explained = has_attributions(sequences)
    if explained:
        per_letter += 8 * (len(alphabet) + 1)
    found, values, n_tests = [], [], 0
    for block in _blocks(sequences, int(settings.memory / per_letter), int(length.max())):
        hits, n = scanner.scan(block.codes, unknown=unknown == "neutral", n_starts=block.n_starts)
        n_tests += n
        if explained:
            values.append(_attributions(sequences, block, hits, length))
        row, column = np.int32(block.row), np.int32(block.column)
        found.append(hits._replace(sequence=hits.sequence + row, start=hits.start + column))
    columns = _columns(_joined(found), length, n_tests)
    if explained:
        names = (ATTRIBUTION, "attribution_mean", "attribution_max")
        joined = map(_end_to_end, zip(*values, strict=True)) if values else [np.zeros(0)] * 3
        columns |= dict(zip(names, joined, strict=True))
    parts = sequence_parts(sequences) | motif_parts(motifs)
    return as_annotations(columns, parts, source="scan", n_tests=n_tests)


def _complement(alphabet: str) -> np.ndarray:
    if not is_nucleotide(alphabet):
        found = f"'both', and sequences of {alphabet!r} have one strand"
        raise InvalidInput("strand", found, "use strand='forward'")
    return complement_codes(alphabet)


def _warn_of_hopeless(motifs: Dataset[MotifSet], which: np.ndarray, p_threshold: float) -> None:
    """Say once which motifs are too short, or too vague, to have hits."""
    if not which.any():
        return
    n = int(which.sum())
    ids = motifs[MOTIF].values[which][:_NAMED].tolist()
    names = motifs["name"].values[which].tolist() if "name" in motifs.coords else ids
    listed = [str(name) or str(own) for name, own in zip(names, ids, strict=False)]
    more = f" and {n - len(listed):,} more" if n > len(listed) else ""
    warnings.warn(
        f"{n:,} of {len(which):,} motifs can have no hits: even the best sequence of "
        f"{', '.join(listed)}{more} is not as unlikely as p_threshold={p_threshold:g}. Raise it, "
        "or leave them out",
        UserWarning,
        stacklevel=4,
    )


class _Block(NamedTuple):
    """A part of the sequences; hits that start in its first `n_starts` positions are its own."""

    codes: np.ndarray
    row: int
    column: int
    n_starts: int


def _blocks(sequences: Dataset[SequenceSet], n_letters: int, widest: int) -> Iterator[_Block]:
    """Yield blocks of about `n_letters`: whole sequences or, of longer ones, parts.

    Parts of a sequence go on over the starts of the next one, for motifs that reach into it.
    """
    codes = sequences[CODES].variable
    n, length = codes.shape
    n_rows = max(1, n_letters // max(1, length))
    n_columns = max(n_letters, 4 * widest)
    chunks = codes.chunksizes.get(SEQUENCE, (n,)) if n else ()
    first = 0
    for size in chunks:
        # A chunk is computed once, however many blocks it makes.
        chunk = codes[first : first + size]
        chunk = chunk.load() if codes.chunksizes else chunk
        for row in range(0, size, n_rows):
            for column in range(0, length, n_columns):
                stop = min(column + n_columns, length)
                columns = slice(column, min(stop + widest - 1, length))
                part = np.asarray(chunk[row : row + n_rows, columns].values)
                yield _Block(part, first + row, column, stop - column)
        first += size


def _attributions(
    sequences: Dataset[SequenceSet], block: _Block, hits: Hits, length: np.ndarray
) -> SpanValues:
    """Give sum, mean and largest of the attributions of each hit of a block."""
    n, width = block.codes.shape
    rows, columns = slice(block.row, block.row + n), slice(block.column, block.column + width)
    values = np.asarray(sequences[ATTRIBUTION].variable[rows, :, columns].values)
    observed = observed_values(values, block.codes)
    return span_values(observed, hits.sequence, hits.start, hits.start + length[hits.motif])


def _joined(parts: list[Hits]) -> Hits:
    """Put hits of blocks together in the order of their places.

    Parts of one long sequence come one after the other, as whole sequences do.
    """
    return Hits(*map(_end_to_end, zip(*parts, strict=True))) if parts else Hits.none()


def _end_to_end(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _columns(hits: Hits, length: np.ndarray, n_tests: int) -> dict[str, Any]:
    return {
        SEQUENCE_INDEX: hits.sequence,
        START: hits.start,
        END: hits.start + length.astype(np.int32)[hits.motif],
        MOTIF_INDEX: hits.motif,
        "strand": hits.strand,
        "score": hits.score,
        "p_value": hits.p_value,
        "q_value": stats.benjamini_hochberg(hits.p_value, n_tests=n_tests),
    }
