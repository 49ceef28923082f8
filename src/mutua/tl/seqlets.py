"""Which spans of the sequences a model attributes its output to."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.laplace_seqlets import laplace_seqlets
from mutua.kernels.recursive_seqlets import Spans, longest_run, observed, recursive_seqlets
from mutua.kernels.span_null import SpanNull, bin_counts, span_null, value_range
from mutua.kernels.threads import Workers
from mutua.models import Annotations, Attributions, Dataset, checked
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import (
    ANNOTATION,
    ATTRIBUTION,
    CODES,
    END,
    POSITION,
    SEQUENCE_INDEX,
    SPAN_POSITION,
    START,
)
from mutua.settings import settings
from mutua.tl._annotating import as_annotations, sequence_parts, span_codes

__all__ = ["seqlets"]

_THRESHOLDS = np.logspace(-1, -30, 117)
_BLOCK = 1 << 22  # attributions looked at at once where they do not fit into memory


@checked
def seqlets(
    attributions: Dataset[Attributions],
    *,
    method: str = "recursive",
    threshold: float = 0.01,
    min_length: int = 4,
    max_length: int = 25,
    flank: int | None = None,
    n_bins: int = 1000,
    negative: bool = True,
    control: Dataset[Attributions] | None = None,
    fdr: float | None = None,
    window: int = 21,
    min_fraction: float = 0.03,
    max_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset[Annotations]:
    """Give the spans of high attribution.

    ``"recursive"`` finds the spans whose sum of attributions, and that of every part of at least
    `min_length`, is unlikely for independent draws from all attributions; they have the length
    that the model gives them. ``"laplace"`` finds windows of one length whose sum stands out from
    a Laplace distribution, as TF-MoDISco does for pattern discovery.

    Parameters
    ----------
    attributions
        Hypothetical or projected: the value of the letter that is there is used, and none where
        the letter is unknown. With ``"recursive"`` lazy ones may be larger than memory; they are
        then computed several times, so store them first.
    method
        ``"recursive"`` or ``"laplace"``.
    threshold
        Recursive: largest `rank_score` of a span and its parts, above 0 and at most 1.
    min_length, max_length
        Recursive: shortest and longest span, in letters.
    flank
        Letters added on both sides; by default 0, or 10 for ``"laplace"``. Flanks may overlap
        other spans and never leave the sequence.
    n_bins
        Recursive: bins of the histogram of attributions.
    negative
        Recursive: also find spans of negative attribution, where they overlap no positive one.
        ``"laplace"`` always does.
    control
        Recursive: attributions without motifs, e.g. of shuffled sequences. `threshold` is then
        the largest at which the false discovery rate against them is at most `fdr`.
    fdr
        False discovery rate, by default 0.1 with a control and 0.2 for ``"laplace"``.
    window
        Laplace: letters of a window without its flanks.
    min_fraction, max_fraction
        Laplace: fraction of the windows that pass.
    seed
        Laplace: of the draws from the distribution.

    Returns
    -------
    Annotations
        Sorted by sequence and start, with the letters of each span; `attribution` is the sum
        within (for ``"laplace"`` without the flanks), `rank_score` the chance of the sum under
        independence. As that null is made of the same attributions it orders spans and is no
        p-value. No spans give an element without rows.

    Raises
    ------
    InvalidInput
        For attributions that are NaN or infinite, a false discovery rate without a control, or
        options out of range.

    Warns
    -----
    UserWarning
        If no threshold reaches the false discovery rate, or all attributions are 0 and there is a
        control; there are no seqlets then.

    References
    ----------
    Schreiber 2025, tangermeme: a toolkit for understanding cis-regulatory logic using deep
    learning models, bioRxiv ("recursive", as in version 1.6). Shrikumar et al. 2018,
    arXiv:1811.00416 ("laplace", as in tfmodisco-lite 3.0 for ``seed=1234``).

    Examples
    --------
    >>> import numpy as np
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(50, length=80, seed=0)
    >>> values = np.random.default_rng(0).normal(0, 0.05, (50, 80))
    >>> values[7, 30:38] += 1
    >>> hot = mt.pp.one_hot(seqs) * values[:, None]
    >>> attr = mt.Attributions.build(
    ...     seqs, attribution=hot, target="signal", method="made up", hypothetical=False
    ... )
    >>> found = mt.tl.seqlets(attr, threshold=1e-8)
    >>> found["sequence_index"].values, found["start"].values, found["end"].values
    (array([7], dtype=int32), array([30], dtype=int32), array([38], dtype=int32))
    """
    one_of("method", method, ["recursive", "laplace"])
    if flank is None:
        flank = 10 if method == "laplace" else 0
    flank = whole_number("flank", flank, low=0)
    if method == "laplace":
        if control is not None:
            found, remedy = "given for method='laplace'", "use method='recursive'"
            raise InvalidInput("control", found, remedy)
        spans = laplace_seqlets(
            _Values(attributions, "attributions").whole(),
            window=whole_number("window", window, low=1),
            flank=flank,
            fdr=number("fdr", 0.2 if fdr is None else fdr, low=0, high=1),
            min_fraction=number("min_fraction", min_fraction, low=0, high=1),
            max_fraction=number("max_fraction", max_fraction, low=0, high=1),
            seed=whole_number("seed", seed, low=0),
        )
        return _annotations(attributions, spans, scored=False)
    if fdr is not None and control is None:
        raise InvalidInput("fdr", f"{fdr!r} without a control", "give control=, or use threshold=")
    search = _Search(
        threshold=number("threshold", threshold, low=0, high=1, open_low=True),
        min_length=whole_number("min_length", min_length, low=1),
        max_length=whole_number("max_length", max_length, low=min_length),
        flank=flank,
        n_bins=whole_number("n_bins", n_bins, low=2),
        fdr=number("fdr", 0.1 if fdr is None else fdr, low=0, high=1),
    )
    with Workers() as workers:
        values = _Values(attributions, "attributions", workers)
        against = None if control is None else _Values(control, "control", workers)
        spans = search.run(values, against)
        if negative:
            for part in filter(None, (values, against)):
                part.turn()
            spans = _merged(spans, search.run(values, against))
    return _annotations(attributions, spans, scored=True)


class _Values:
    """The attribution of the letter that is there, block by block; -inf where there is none."""

    def __init__(
        self, attributions: Dataset[Attributions], argument: str, workers: Workers | None = None
    ) -> None:
        self.attributions, self.argument, self.workers = attributions, argument, workers
        n, _, length = attributions[ATTRIBUTION].shape
        self._step = max(1, _BLOCK // max(1, length))
        self._firsts = range(0, n, self._step)
        self.sign = 1
        self._kept: list[np.ndarray] | None = None
        if 8 * n * length <= settings.memory:
            self._kept = [self._rows(first) for first in self._firsts]

    @property
    def kept(self) -> bool:
        """Whether they are in memory, so that one more look at them costs little."""
        return self._kept is not None

    def turn(self) -> None:
        """Let high values be low ones from now on."""
        self.sign = -self.sign
        for block in self._kept or ():
            np.negative(block, out=block, where=block > -np.inf)

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the first row and the values of every block, times `sign`."""
        for place, first in enumerate(self._firsts):
            if self._kept is not None:
                yield first, self._kept[place]
                continue
            values = self._rows(first)
            if self.sign == -1:
                np.negative(values, out=values, where=values > -np.inf)
            yield first, values

    def whole(self) -> np.ndarray:
        parts = [values for _, values in self.blocks()]
        return np.concatenate(parts) if parts else np.zeros((0, self.attributions.sizes[POSITION]))

    def _rows(self, first: int) -> np.ndarray:
        rows = slice(first, first + self._step)
        values = observed(
            np.asarray(self.attributions[ATTRIBUTION].variable[rows].values),
            np.asarray(self.attributions[CODES].variable[rows].values),
            workers=self.workers,
        )
        if np.isnan(values.min(initial=np.inf)):
            row, column = np.argwhere(np.isnan(values))[0].tolist()
            found = f"not finite at sequence {first + row}, position {column}"
            raise InvalidInput(self.argument, found, "use finite attributions")
        return values


@dataclass(frozen=True)
class _Search:
    threshold: float
    min_length: int
    max_length: int
    flank: int
    n_bins: int
    fdr: float

    def run(self, values: _Values, control: _Values | None) -> Spans:
        """Find the spans of high values."""
        null = self._null(values, control)
        threshold: float | None = self.threshold
        if control is not None:
            threshold = self._controlled(values, control, null)
        return _joined([]) if threshold is None else self._find(values, null, threshold)

    def _null(self, values: _Values, control: _Values | None) -> SpanNull:
        """Give the null of spans as long as there may be any of."""
        ranges = np.array([value_range(block) for _, block in values.blocks()])
        if not len(ranges) or np.isnan(ranges).all():
            return span_null(np.zeros(self.n_bins, np.int64), 0, 0, max_length=self.max_length)
        low, high = float(np.nanmin(ranges)), float(np.nanmax(ranges))
        counts = np.zeros(self.n_bins, np.int64)
        for _, block in values.blocks():
            counts += bin_counts(block, low, high, n_bins=self.n_bins, workers=values.workers)
        longest = self._longest(values, control, counts, low, high)
        return span_null(counts, low, high, max_length=longest, workers=values.workers)

    def _longest(
        self, values: _Values, control: _Values | None, counts: np.ndarray, low: float, high: float
    ) -> int:
        """Give a length that no span exceeds: the cost of a null goes with the square of it."""
        parts = [part for part in (values, control) if part is not None]
        if not all(part.kept for part in parts):
            return self.max_length
        null = span_null(counts, low, high, max_length=self.min_length, workers=values.workers)
        threshold = self.threshold if control is None else float(_THRESHOLDS[0])
        options: dict[str, Any] = {
            "threshold": threshold,
            "length": self.min_length,
            "workers": values.workers,
        }
        runs = [longest_run(block, null, **options) for part in parts for _, block in part.blocks()]
        most = self.min_length - 1 + max(runs)
        return min(max(most, self.min_length), self.max_length)

    def _find(self, values: _Values, null: SpanNull, threshold: float) -> Spans:
        parts = []
        for first, block in values.blocks():
            spans = recursive_seqlets(
                block,
                null,
                threshold=threshold,
                min_length=self.min_length,
                max_length=min(self.max_length, null.max_length),
                flank=self.flank,
                workers=values.workers,
            )
            parts.append(spans._replace(sequence=spans.sequence + first))
        return _joined(parts)

    def _controlled(self, values: _Values, control: _Values, null: SpanNull) -> float | None:
        """Give the largest threshold with few enough spans in the control."""
        letters = [
            sum(int((block > -np.inf).sum()) for _, block in part.blocks())
            for part in (values, control)
        ]
        if letters[1] == 0:
            raise InvalidInput("control", "no known letters", "use attributions of real sequences")
        for threshold in map(float, _THRESHOLDS):
            n = len(self._find(values, null, threshold).start)
            if n == 0:
                break
            n_control = len(self._find(control, null, threshold).start)
            if (n_control + 1) * letters[0] / letters[1] / n <= self.fdr:
                return threshold
        side = "positive" if values.sign == 1 else "negative"
        message = (
            f"at no threshold is the false discovery rate against the control {self.fdr:g} or "
            f"less: there are no {side} seqlets. Use more sequences or a larger fdr"
        )
        if all(((block == 0) | (block == -np.inf)).all() for _, block in values.blocks()):
            if values.sign == -1:
                return None  # it has been said
            message = "all attributions are 0: there are no seqlets. Look at the model and target"
        warnings.warn(message, UserWarning, stacklevel=5)
        return None


def _joined(parts: list[Spans]) -> Spans:
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Spans(nothing, nothing, nothing, np.zeros(0), np.zeros(0))
    return Spans._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def _merged(spans: Spans, opposite: Spans) -> Spans:
    """Add the spans of negative attribution that overlap none of positive attribution."""
    # Spans of one sequence do not overlap without their flanks, so sorted starts have sorted ends.
    stride = int(max(spans.end.max(initial=0), opposite.end.max(initial=0))) + 1
    starts, ends = (spans.sequence * stride + place for place in (spans.start, spans.end))
    before = np.searchsorted(starts, opposite.sequence * stride + opposite.end)
    last_end = np.concatenate([[-1], np.maximum.accumulate(ends)])[before]
    free = last_end <= opposite.sequence * stride + opposite.start
    both = _joined([spans, Spans._make(column[free] for column in opposite)])
    sign = np.where(np.arange(len(both.start)) < len(spans.start), 1, -1)
    both = both._replace(attribution=sign * both.attribution)
    order = np.lexsort((both.end, both.start, both.sequence))
    return Spans._make(column[order] for column in both)


def _annotations(
    attributions: Dataset[Attributions], spans: Spans, *, scored: bool
) -> Dataset[Annotations]:
    columns: dict[str, np.ndarray] = {
        SEQUENCE_INDEX: spans.sequence.astype(np.int32),
        START: spans.start.astype(np.int32),
        END: spans.end.astype(np.int32),
        ATTRIBUTION: spans.attribution,
    }
    if scored:
        columns["rank_score"] = spans.score
    letters = span_codes(attributions, spans.sequence, spans.start, spans.end)
    parts = sequence_parts(attributions) | {
        CODES: xr.Variable((ANNOTATION, SPAN_POSITION), letters)
    }
    return as_annotations(columns, parts, source="seqlets", alphabet=attributions.attrs["alphabet"])
