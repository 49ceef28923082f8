"""Motifs made of the letters of annotations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.letters import complement_codes, is_nucleotide
from mutua.models import Annotations, Dataset, MotifSet, SequenceSet, as_kind, checked
from mutua.models.arguments import number, whole_number
from mutua.models.build import ordered
from mutua.models.dims import (
    ATTRIBUTION,
    CODES,
    CONTRIBUTION,
    END,
    INFORMATION,
    LENGTH,
    LETTER,
    MOTIF,
    MOTIF_INDEX,
    MOTIF_POSITION,
    POSITION,
    PROBABILITY,
    SEQUENCE,
    SEQUENCE_INDEX,
    START,
)
from mutua.models.motif_matrices import column_information
from mutua.tl._annotating import has_attributions, refuse_other_sequences
from mutua.tl._motif_rows import sequence_names

__all__ = ["annotated_motifs"]

_MATRIX = (MOTIF, LETTER, MOTIF_POSITION)
_BLOCK = 1 << 22  # letters of sequences that are looked at together


@checked
def annotated_motifs(
    annotations: Dataset[Annotations],
    sequences: Dataset[SequenceSet],
    *,
    width: int | None = None,
    pseudocount: float = 0.0,
) -> Dataset[MotifSet]:
    """Give the motifs that the letters of annotations make, and with attributions their CWMs.

    The spans of each motif are laid over each other, those on the reverse strand turned, and
    their letters counted. Where annotations say how span and motif lie to each other, as those of
    `annotate` do by `offset` and `overlap`, what is laid over each other is where the motif lies,
    wherever the span around it begins. Spans without motifs, such as seqlets, each make a motif
    of their own, to be compared or clustered like others.

    Parameters
    ----------
    annotations
        Spans; those of one motif are of one width, unless they have an `offset` or `width` is
        given. Rows that point to no motif while others do are left out.
    sequences
        The set that the spans are in. If it has attributions (`Attributions`), the means of those
        of the letters that are there become ``contribution``; of hypothetical ones the means of
        all letters become ``hypothetical``.
    width
        Letters around the middle of each span (of the motif, where there is an `offset`) to take
        instead, for spans of different width or to see their flanks.
    pseudocount
        Sites to add to the counts of each column, split evenly over the letters.

    Returns
    -------
    MotifSet
        Motifs that have spans, in the order of the annotations' motifs, with ``n_sites``. Spans
        so near to an end of the sequence that some letters are not there are left out. Columns
        without known letters have all letters equally. Spans of their own are called
        ``<sequence>:<start>-<end>``.

    Notes
    -----
    How wide a motif is follows from its overlaps with spans. If all spans end within it, as far
    as they reach counts.

    Raises
    ------
    InvalidInput
        If spans of a motif have different widths, some are on the reverse strand of letters
        without complement, or the sequences are others.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["AAGATAAG", "CTTATCTC", "TGATAAGT"])
    >>> hits = mt.tl.scan(seqs, mt.MotifSet.build({"GATA": "GATAAG"}), p_threshold=0.01)
    >>> motifs = mt.tl.annotated_motifs(hits, seqs, width=4)
    >>> motifs["probability"].sel(motif="GATA", letter="A").values
    array([1., 0., 1., 1.], dtype=float32)
    """
    if width is not None:
        width = whole_number("width", width, low=1)
    pseudocount = number("pseudocount", pseudocount, low=0)
    refuse_other_sequences(annotations, sequences)
    explained = has_attributions(sequences)
    alphabet = sequences.attrs["alphabet"]
    spans = _Spans.of(annotations, sequences.sizes[POSITION], width)
    if spans.reverse.any() and not is_nucleotide(alphabet):
        found = f"spans on the reverse strand of letters {alphabet!r}, which have no complement"
        raise InvalidInput("annotations", found, "use strand='forward' where they are found")
    shape = (len(spans.ids), len(alphabet), int(spans.widths.max(initial=1)))
    counts, observed, sums = (np.zeros(shape) for _ in range(3))
    for first, part, codes, values in _blocks(sequences, spans, explained):
        _add(counts, observed, sums, spans, first, part, codes, values, alphabet)
    inside = np.arange(shape[2]) < spans.widths[:, None]
    counts += pseudocount / len(alphabet)
    total = counts.sum(axis=1, keepdims=True)
    probability = np.where(total > 0, counts / np.where(total > 0, total, 1), 1 / len(alphabet))
    probability = (probability * inside[:, None]).astype(np.float32)
    background = [1 / len(alphabet)] * len(alphabet)
    variables = {
        PROBABILITY: (_MATRIX, probability),
        LENGTH: (MOTIF, spans.widths.astype(np.int32)),
        "n_sites": (MOTIF, spans.n_sites.astype(np.float64)),
        INFORMATION: (MOTIF, column_information(probability, background).sum(axis=-1)),
    }
    means = {CONTRIBUTION: observed} if explained else {}
    if explained and sequences.attrs["hypothetical"]:
        means["hypothetical"] = sums
    for name, total in means.items():
        mean = total / spans.n_sites[:, None, None] * inside[:, None]
        variables[name] = (_MATRIX, mean.astype(np.float32))
    coords = {MOTIF: np.array(spans.ids, np.dtypes.StringDType()), LETTER: list(alphabet)}
    labels = {
        name: (MOTIF, annotations[name].values[spans.chosen])
        for name in ("name", "family")
        if name in annotations.coords
    }
    attrs = {"alphabet": alphabet, "background": background}
    return as_kind(MotifSet, ordered(MotifSet, xr.Dataset(variables, coords | labels, attrs)))


class _Spans:
    """Spans, in the order of their sequences, and the motifs that they make."""

    def __init__(
        self, row: np.ndarray, start: np.ndarray, end: np.ndarray, motif: np.ndarray,
        reverse: np.ndarray, ids: list[str], chosen: np.ndarray,
    ) -> None:  # fmt: skip
        order = np.argsort(row, kind="stable")
        self.row, self.start, self.end = row[order], start[order], end[order]
        self.motif, self.reverse = motif[order], reverse[order]
        self.ids, self.chosen = ids, chosen
        self.n_sites = np.bincount(motif, minlength=len(ids))
        self.widths = np.zeros(len(ids), np.int64)
        self.widths[motif] = end - start

    @classmethod
    def of(cls, annotations: Dataset[Annotations], length: int, width: int | None) -> _Spans:
        row, start, end = (
            np.asarray(annotations[name].values).astype(np.int64)
            for name in (SEQUENCE_INDEX, START, END)
        )
        reverse = np.zeros(len(row), bool)
        if "strand" in annotations:
            reverse = np.asarray(annotations["strand"].values) == -1
        has_motifs = MOTIF_INDEX in annotations
        motif = np.asarray(annotations[MOTIF_INDEX].values) if has_motifs else np.arange(len(row))
        names = sequence_names(annotations)
        kept = motif >= 0
        first, last = start, end
        if has_motifs and {"offset", "overlap"} <= set(annotations.data_vars):
            first, last = _motif_places(annotations, start, motif)
        if width is not None:
            # The middle of a span of even width is to its left, read in its own direction.
            spare = last - first - width
            first = first + np.where(reverse, -(-spare // 2), spare // 2)
            last = first + width
        kept &= (first >= 0) & (last <= length)
        if has_motifs:
            chosen, of = np.unique(motif[kept], return_inverse=True)
            ids = [str(name) for name in annotations[MOTIF].values[chosen]]
        else:
            of, chosen = np.arange(int(kept.sum())), np.zeros(0, np.int64)
            ids = [
                f"{names[r]}:{s}-{e}"
                for r, s, e in zip(row[kept], start[kept], end[kept], strict=True)
            ]
        spans = cls(row[kept], first[kept], last[kept], of, reverse[kept], ids, chosen)
        uneven = np.flatnonzero(spans.end - spans.start != spans.widths[spans.motif])
        if len(uneven):
            which = spans.motif == spans.motif[uneven[0]]
            found = np.unique((spans.end - spans.start)[which])
            raise InvalidInput(
                "annotations",
                f"spans of {ids[spans.motif[uneven[0]]]!r} are {found[0]} to {found[-1]} letters "
                "wide",
                "give width=, or scan for the motif",
            )
        return spans


def _motif_places(
    annotations: Dataset[Annotations], start: np.ndarray, motif: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Give where the motif of each span begins and ends, on the forward strand."""
    offset, overlap = (
        np.asarray(annotations[name].values).astype(np.int64) for name in ("offset", "overlap")
    )
    # As far as the span shows the motif: all of it, unless the span ends first.
    shown = np.maximum(offset, 0) + overlap - offset
    widths = np.ones(max(1, annotations.sizes[MOTIF]), np.int64)
    np.maximum.at(widths, motif[motif >= 0], shown[motif >= 0])
    first = start + offset
    return first, first + widths[motif]


def _blocks(
    sequences: Dataset[SequenceSet], spans: _Spans, explained: bool
) -> Iterator[tuple[int, slice, np.ndarray, np.ndarray | None]]:
    """Yield the first row of each block, the spans in it, its letters and its attributions."""
    n, length = sequences.sizes[SEQUENCE], sequences.sizes[POSITION]
    step = max(1, _BLOCK // max(1, length))
    for first in range(0, n, step):
        part = slice(*np.searchsorted(spans.row, [first, first + step]))
        if part.start == part.stop:
            continue
        rows = slice(first, first + step)
        codes = np.asarray(sequences[CODES].variable[rows].values)
        values = None
        if explained:
            values = np.asarray(sequences[ATTRIBUTION].variable[rows].values)
        yield first, part, codes, values


def _add(
    counts: np.ndarray,
    observed: np.ndarray,
    sums: np.ndarray,
    spans: _Spans,
    first_row: int,
    part: slice,
    codes: np.ndarray,
    values: np.ndarray | None,
    alphabet: str,
) -> None:
    """Add the letters and attributions of the spans of one block."""
    size = len(alphabet)
    for width in np.unique(spans.widths[spans.motif[part]]):
        of = np.flatnonzero(spans.widths[spans.motif[part]] == width) + part.start
        row, motif, reverse = spans.row[of] - first_row, spans.motif[of], spans.reverse[of]
        position = spans.start[of][:, None] + np.arange(width)
        position[reverse] = position[reverse, ::-1]
        letters = codes[row[:, None], position].astype(np.int64)
        complement = np.arange(size)
        if reverse.any():
            complement = complement_codes(alphabet).astype(np.int64)
            turned = letters[reverse]
            letters[reverse] = np.where(
                turned < size, complement[np.minimum(turned, size - 1)], turned
            )
        span, place = np.nonzero(letters < size)
        np.add.at(counts, (motif[span], letters[span, place], place), 1)
        if values is not None:
            found = values[row[:, None, None], np.arange(size)[None, :, None], position[:, None, :]]
            found[reverse] = found[reverse][:, complement]
            np.add.at(
                observed, (motif[span], letters[span, place], place),
                found[span, letters[span, place], place],
            )  # fmt: skip
            np.add.at(sums, motif, np.pad(found, ((0, 0), (0, 0), (0, sums.shape[2] - width))))
