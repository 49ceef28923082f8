"""What a model gives for sequences with both sites of a pair, with either, and with none."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.apply_model import apply_model, progress_steps, ready
from mutua.kernels.letters import PADDING
from mutua.kernels.model_output import Targets
from mutua.kernels.motif_sites import SitePairs, Sites
from mutua.kernels.site_fills import (
    KeptLetters,
    MotifCheck,
    SiteFills,
    fill_letters,
    rejoined,
    site_fills,
)
from mutua.models import Dataset, SequenceSet
from mutua.models.arguments import whole_number
from mutua.settings import settings
from mutua.tl._models import ModelInputs, model_inputs

__all__ = ["Filling", "Model", "Variants", "interaction_model", "per_sequence", "site_variants"]

_MOST_BATCHES = 64  # batches whose letters are made at once


class Variants(NamedTuple):
    """Predictions for the four variants of sequences, a row for each sequence of a result's row.

    Attributes
    ----------
    row
        (n,) which row of the result.
    sequence
        (n,) which sequence.
    values
        (n, 4) with both motifs, without the first, without the second, without both.
    """

    row: np.ndarray
    sequence: np.ndarray
    values: np.ndarray


class Filling(NamedTuple):
    """How sites are filled."""

    n_fills: int
    fill: str
    n_letters: int
    seed: int
    check: MotifCheck | KeptLetters


class Block(NamedTuple):
    """Some sequences, in memory.

    Attributes
    ----------
    numbers
        Of the sequences among all.
    codes
        uint8 (sequence, position).
    score
        Gives the predictions for rows of these sequences with other letters, float64.
    steps
        Gives the first numbers of steps of so many variants, and their size.
    """

    numbers: np.ndarray
    codes: np.ndarray
    score: Callable[[np.ndarray, np.ndarray], np.ndarray]
    steps: Callable[[int], Iterator[slice]]


class Model(NamedTuple):
    """A model and what it takes of the sequences."""

    inputs: ModelInputs
    model: Any
    targets: Targets
    batch_size: int
    zero_tracks: bool
    progress: bool | None

    def row_bytes(self) -> int:
        """Give the bytes of one sequence with all that the model takes."""
        parts = [self.inputs.codes, *self.inputs.args]
        parts += [] if self.inputs.tracks is None else [self.inputs.tracks]
        sizes = [int(np.prod(part.shape[1:])) * _item_bytes(part) for part in parts]
        return max(1, sum(sizes))

    def block(self, numbers: np.ndarray) -> Block:
        """Load some sequences."""
        codes = np.ascontiguousarray(np.asarray(self.inputs.codes[numbers]))
        tracks = None
        if self.inputs.tracks is not None:
            tracks = np.asarray(self.inputs.tracks[numbers], np.float32)
            tracks = np.zeros_like(tracks) if self.zero_tracks else tracks
        args = [_loaded(part[numbers]) for part in self.inputs.args]

        def score(rows: np.ndarray, variants: np.ndarray) -> np.ndarray:
            values, _ = apply_model(
                variants,
                self.model,
                targets=_with_infinity(self.targets),
                tracks=None if tracks is None else tracks[rows],
                args=[argument[rows] for argument in args],
                batch_size=self.batch_size,
                progress=False,
                **self.inputs.options,
            )
            bad = ~np.isfinite(values[:, 0])
            if bad.any():
                where = int(numbers[rows[bad.argmax()]])
                found = f"gave NaN or infinity for {int(bad.sum()):,} of {len(bad):,} variants of "
                found += f"sequences, first of sequence {where}"
                raise InvalidInput("model", found, "repair the model or leave these sequences out")
            return values[:, 0].astype(np.float64)

        def steps(n: int) -> Iterator[slice]:
            room = settings.memory // (4 * self.batch_size * self.row_bytes())
            size = self.batch_size * max(1, min(_MOST_BATCHES, room))
            for first in progress_steps(n, size, self.progress, "interactions"):
                yield slice(first, min(first + size, n))

        return Block(numbers, codes, score, steps)

    def ready(self) -> Any:
        """Keep the model in evaluation mode and in its place for a while."""
        return ready(self.model, self.inputs.options["device"])


def _item_bytes(part: Any) -> int:
    size = getattr(part, "itemsize", None)
    return int(size() if callable(size) else size or 8)


def _loaded(part: Any) -> Any:
    return part if hasattr(part, "detach") else np.asarray(part)


def _with_infinity(targets: Targets) -> Targets:
    """Give infinity for NaN, which is refused with it, naming the sequence and not the variant."""

    def pick(output: Any, n: int) -> np.ndarray:
        columns = targets.pick(output, n)
        columns[np.isnan(columns)] = np.inf
        return columns

    return targets._replace(pick=pick)


def interaction_model(
    sequences: Dataset[SequenceSet],
    model: Any,
    *,
    target: Any,
    target_names: Any,
    args: Any,
    encoding: str,
    batch_size: int,
    device: str | None,
    progress: bool | None,
    zero_tracks: bool,
) -> Model:
    """Check what is said of a model and of what it takes, and find its one target."""
    batch_size = whole_number("batch_size", batch_size, low=1)
    if progress is not None and not isinstance(progress, bool):
        raise InvalidInput("progress", f"{progress!r}", "use True, False or None")
    if not isinstance(zero_tracks, bool):
        raise InvalidInput("zero_tracks", f"{zero_tracks!r}", "use True or False")
    inputs = model_inputs(sequences, args, encoding=encoding, device=device)
    targets = inputs.find_targets(model, target, target_names)
    if len(targets.names) != 1:
        found = f"{len(targets.names)} outputs: {list(targets.names)[:20]}"
        raise InvalidInput("target", found, "name one of them")
    return Model(inputs, model, targets, batch_size, zero_tracks, progress)


def site_variants(
    model: Model, sites: Sites, pairs: SitePairs, row: np.ndarray, filling: Filling
) -> Variants:
    """Fill sites with random letters, one and both of each pair, and predict.

    Parameters
    ----------
    model
        The model.
    sites
        In order.
    pairs, row
        Pairs of them, and the row of the result that each belongs to.
    filling
        How they are filled. A site has the same fills in all pairs.
    """
    parts, lost = [], np.zeros(4, np.int64)
    with model.ready():
        for numbers, chosen, own in _blocks(model, sites, pairs, filling.n_fills):
            local = Sites(*(part[own] for part in sites))
            local = local._replace(sequence=np.searchsorted(numbers, local.sequence))
            here = SitePairs(*(np.searchsorted(own, part[chosen]) for part in pairs))
            values, counts = _block_variants(model.block(numbers), local, here, filling)
            measured = np.flatnonzero(np.isfinite(values[:, 0]))
            sequence = numbers[local.sequence[here.a]]
            parts.append(per_sequence(row[chosen][measured], sequence[measured], values[measured]))
            lost += counts
    _warn_of_lost(lost, filling)
    if not parts:
        return Variants(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)))
    return Variants(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _blocks(
    model: Model, sites: Sites, pairs: SitePairs, n_fills: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield sequences, pairs of sites in them and the sites of these, as many as fit in memory."""
    sequence = sites.sequence[pairs.a]
    order = np.argsort(sequence, kind="stable")
    used = np.unique(np.concatenate([pairs.a, pairs.b]))
    width = (sites.end - sites.start)[used]
    n = int(sequence.max(initial=-1)) + 1
    cost = np.bincount(sequence, minlength=n) * (n_fills * 16.0 + 64)
    cost += np.bincount(sites.sequence[used], (width + 16.0) * n_fills + 64, minlength=n)
    present = np.flatnonzero(np.bincount(sequence, minlength=n))
    share = max(settings.memory / 4, 1)
    group = ((cost[present] + 4 * model.row_bytes()).cumsum() // share).astype(np.int64)
    for which in np.unique(group):
        numbers = present[group == which]
        bounds = np.searchsorted(sequence[order], [numbers[0], numbers[-1] + 1])
        chosen = np.sort(order[slice(*bounds)])
        own = np.unique(np.concatenate([pairs.a[chosen], pairs.b[chosen]]))
        yield numbers, chosen, own


def _block_variants(
    block: Block, sites: Sites, pairs: SitePairs, filling: Filling
) -> tuple[np.ndarray, np.ndarray]:
    """Give the predictions of each pair of sites, means over the fills: float64 (pair, 4).

    NaN where no fill destroys both motifs. Beside them, how many fills do not, of how many, and
    how many pairs of sites have none left, of how many.
    """
    _refuse_padding(block, sites)
    fills = site_fills(
        block.codes,
        sites,
        n_fills=filling.n_fills,
        fill=filling.fill,
        n_letters=filling.n_letters,
        seed=filling.seed,
        numbers=block.numbers,
        check=filling.check,
    )
    good = ~(fills.failed[pairs.a] | fills.failed[pairs.b])
    good &= ~rejoined(block.codes, sites, pairs, fills, filling.check)
    n_good = good.sum(axis=1)
    whole = block.score(np.arange(len(block.numbers)), block.codes)
    one = _filled(block, sites, fills, ~fills.failed, (np.arange(len(sites.start)),))
    both = _filled(block, sites, fills, good, tuple(pairs))
    values = np.full((len(pairs.a), 4), np.nan)
    some = n_good > 0
    values[some, 0] = whole[sites.sequence[pairs.a[some]]]
    for place, predicted in ((1, one[pairs.a]), (2, one[pairs.b]), (3, both)):
        total = np.where(good, predicted, 0).sum(axis=1)
        values[some, place] = total[some] / n_good[some]
    counts = [fills.failed.sum(), fills.failed.size, (~some).sum(), len(some)]
    return values, np.array(counts, np.int64)


def _filled(
    block: Block, sites: Sites, fills: SiteFills, good: np.ndarray, filled: tuple[np.ndarray, ...]
) -> np.ndarray:
    """Give predictions with one or several sites filled: float64 (variant, fill), NaN if not good.

    Parameters
    ----------
    good
        (variant, fill) which to predict.
    filled
        (variant,) sites that are filled, one or several.
    """
    predicted = np.full(good.shape, np.nan)
    variants, draws = np.nonzero(good)
    for step in block.steps(len(variants)):
        variant, draw = variants[step], draws[step]
        rows = sites.sequence[filled[0][variant]]
        codes = block.codes[rows]
        for numbers in filled:
            site = numbers[variant]
            fill_letters(codes, sites.start[site], sites.end[site], fills.letters[site, draw])
        predicted[variant, draw] = block.score(rows, codes)
    return predicted


def _refuse_padding(block: Block, sites: Sites) -> None:
    padding = np.zeros((len(block.codes), block.codes.shape[1] + 1), np.int64)
    np.cumsum(block.codes == PADDING, axis=1, out=padding[:, 1:])
    over = padding[sites.sequence, sites.end] > padding[sites.sequence, sites.start]
    if over.any():
        site = int(over.argmax())
        found = f"{sites.start[site]}-{sites.end[site]} of sequence "
        found += f"{int(block.numbers[sites.sequence[site]])} holds padding"
        raise InvalidInput("annotations", found, "use spans of letters")


def _warn_of_lost(lost: np.ndarray, filling: Filling) -> None:
    n_failed, n_fills, n_lost, n_pairs = lost.tolist()
    if not n_failed and not n_lost:
        return
    what = "hold a motif" if isinstance(filling.check, MotifCheck) else "keep most of their letters"
    warnings.warn(
        f"{n_failed:,} of {n_fills:,} fills of sites {what} however often they are drawn and are "
        f"left out; {n_lost:,} of {n_pairs:,} pairs of sites have no fill left. "
        + ("Use fill='uniform'" if filling.fill != "uniform" else "Use stricter motifs"),
        UserWarning,
        stacklevel=5,
    )


def per_sequence(row: np.ndarray, sequence: np.ndarray, values: np.ndarray) -> Variants:
    """Give means over the pairs of sites that a row of the result has in one sequence."""
    order = np.lexsort((sequence, row))
    row, sequence, values = row[order], sequence[order], values[order]
    first = np.ones(len(row), np.bool_)
    first[1:] = (row[1:] != row[:-1]) | (sequence[1:] != sequence[:-1])
    bounds = np.flatnonzero(first)
    if not len(bounds):
        return Variants(row, sequence, values)
    sizes = np.diff(np.r_[bounds, len(row)])
    means = np.add.reduceat(values, bounds, axis=0) / sizes[:, None]
    return Variants(row[bounds], sequence[bounds], means)
