"""Where motifs stand in sequences."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from mutua import stats
from mutua._cluster import current_client, in_order
from mutua._progress import counted
from mutua.blocks import is_chunked, row_groups
from mutua.errors import InvalidInput
from mutua.kernels.devices import asked_device
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
    device: str | None = None,
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
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; by default the setting. Hits are the same: a GPU tells
        which windows cannot be hits, and the CPU scores the others.

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
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

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

    With a client of `dask.distributed` open, a set in chunks is scanned on the workers, each of
    which needs that much and the chunks that it looks at; the hits come to the caller.

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
    n_letters = int(settings.memory / per_letter)
    search = _Search(scanner, length, unknown == "neutral", n_letters, asked_device(device))
    contributions = sequences[ATTRIBUTION].variable if explained else None
    found = _found(sequences[CODES].variable, contributions, search)
    columns = _columns(found.hits, length, found.n_tests)
    if found.values is not None:
        names = (ATTRIBUTION, "attribution_mean", "attribution_max")
        columns |= dict(zip(names, found.values, strict=True))
    parts = sequence_parts(sequences) | motif_parts(motifs)
    return as_annotations(columns, parts, source="scan", n_tests=found.n_tests)


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


class _Search(NamedTuple):
    """What is looked for, and how many letters are looked at in one go."""

    scanner: MotifScanner
    length: np.ndarray
    neutral: bool
    n_letters: int
    device: str


class _Found(NamedTuple):
    """Hits in the order of their places, what attributions say of them, windows looked at."""

    hits: Hits
    values: SpanValues | None
    n_tests: int


def _found(codes: xr.Variable, attribution: xr.Variable | None, search: _Search) -> _Found:
    """Look through sequences: on the workers of a cluster where they are chunked and it is there.

    Parameters
    ----------
    codes
        (sequence, position), in memory or lazy.
    attribution
        (sequence, letter, position), likewise, or None.
    search
        What is looked for.
    """
    if current_client() is None or not is_chunked(codes.data):
        return _scanned(codes, attribution, search)
    n_rows = max(1, search.n_letters // max(1, codes.shape[1]))
    groups = row_groups(codes.data, n_rows)
    tasks = (
        (codes.data[rows], None if attribution is None else attribution.data[rows])
        for rows in groups
    )
    parts = in_order(_scan_arrays, tasks, shared=(search,), n_tasks=len(groups), what="scan")
    return _joined(
        [
            part._replace(
                hits=part.hits._replace(sequence=part.hits.sequence + np.int32(rows.start))
            )
            for rows, part in zip(groups, parts, strict=True)
        ],
        explained=attribution is not None,
    )


def _scan_arrays(codes: np.ndarray, attribution: np.ndarray | None, search: _Search) -> _Found:
    values = None if attribution is None else xr.Variable((SEQUENCE, "letter", "at"), attribution)
    return _scanned(xr.Variable((SEQUENCE, "at"), codes), values, search)


def _scanned(codes: xr.Variable, attribution: xr.Variable | None, search: _Search) -> _Found:
    """Look through sequences in blocks of bounded memory; arguments as those of `_found`."""
    found = []
    widest = int(search.length.max())
    sizes = _block_sizes(codes, search.n_letters, widest)
    blocks = _blocks(codes, *sizes, widest)
    for block in counted(blocks, _n_blocks(codes, *sizes), "scan", "block"):
        hits, n_tests = search.scanner.scan(
            block.codes,
            unknown=search.neutral,
            n_starts=block.n_starts,
            device=search.device,
        )
        values = None
        if attribution is not None:
            values = _attributions(attribution, block, hits, search.length)
        row, column = np.int32(block.row), np.int32(block.column)
        placed = hits._replace(sequence=hits.sequence + row, start=hits.start + column)
        found.append(_Found(placed, values, n_tests))
    return _joined(found, explained=attribution is not None)


class _Block(NamedTuple):
    """A part of the sequences; hits that start in its first `n_starts` positions are its own."""

    codes: np.ndarray
    row: int
    column: int
    n_starts: int


def _block_sizes(codes: xr.Variable, n_letters: int, widest: int) -> tuple[int, int]:
    """Give rows and columns of blocks of about `n_letters`: whole sequences, or parts of one."""
    return max(1, n_letters // max(1, codes.shape[1])), max(n_letters, 4 * widest)


def _chunks(codes: xr.Variable) -> tuple[int, ...]:
    n = len(codes)
    return codes.chunksizes.get(SEQUENCE, (n,)) if n else ()


def _n_blocks(codes: xr.Variable, n_rows: int, n_columns: int) -> int:
    across = -(-codes.shape[1] // n_columns)
    return across * sum(-(-size // n_rows) for size in _chunks(codes))


def _blocks(codes: xr.Variable, n_rows: int, n_columns: int, widest: int) -> Iterator[_Block]:
    """Yield blocks.

    Parts of a sequence go on over the starts of the next one, for motifs that reach into it.
    """
    length = codes.shape[1]
    first = 0
    for size in _chunks(codes):
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
    attribution: xr.Variable, block: _Block, hits: Hits, length: np.ndarray
) -> SpanValues:
    """Give sum, mean and largest of the attributions of each hit of a block."""
    n, width = block.codes.shape
    rows, columns = slice(block.row, block.row + n), slice(block.column, block.column + width)
    values = np.asarray(attribution[rows, :, columns].values)
    observed = observed_values(values, block.codes)
    return span_values(observed, hits.sequence, hits.start, hits.start + length[hits.motif])


def _joined(parts: list[_Found], *, explained: bool) -> _Found:
    """Put what was found in blocks together in the order of its places.

    Parts of one long sequence come one after the other, as whole sequences do.
    """
    none = SpanValues(*[np.zeros(0)] * 3) if explained else None
    if not parts:
        return _Found(Hits.none(), none, 0)
    hits = Hits(*map(_end_to_end, zip(*(part.hits for part in parts), strict=True)))
    several = [part.values for part in parts if part.values is not None]
    values = SpanValues(*map(_end_to_end, zip(*several, strict=True))) if several else none
    return _Found(hits, values, sum(part.n_tests for part in parts))


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
