"""Choose sequences by what a model predicts for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mutua.blocks import is_chunked
from mutua.errors import InvalidInput
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.arguments import number, whole_number
from mutua.models.dims import PREDICTION, SEQUENCE, TARGET

__all__ = ["select"]


@checked
def select(
    sequences: Dataset[SequenceSet],
    *,
    target: str | int | None = None,
    top: float | None = None,
    bottom: float | None = None,
    above: float | None = None,
    below: float | None = None,
) -> Dataset[SequenceSet]:
    """Keep the sequences that a model scores highest, lowest, or within bounds.

    Parameters
    ----------
    sequences
        With predictions, e.g. by `tl.predict`. Lazy predictions are computed, and computed again
        whenever the result is: write them to a store or ``.persist()`` them first.
    target
        Name or index of the prediction; may be left out where there is one only.
    top, bottom
        The highest or lowest scorers: a fraction (above 0, below 1) of the sequences with a score,
        rounded to a whole number of at least 1, or a number of sequences. Of equal scores the
        earlier sequence is taken.
    above, below
        Scores greater than `above` and less than `below`, compared as float32; both give a band.

    Returns
    -------
    SequenceSet
        The chosen sequences, in their original order; lazy parts stay lazy.

    Raises
    ------
    InvalidInput
        If there are no predictions, the target is unknown, not exactly one way to choose is
        given, all scores are NaN, or no sequence is left. NaN scores are never chosen.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["AAAA", "AGGA", "GGGG"])
    >>> seqs = mt.tl.predict(seqs, lambda x: x[:, 2].sum(1), target_names=["n_g"])
    >>> mt.pp.to_strings(mt.pp.select(seqs, target="n_g", above=1))
    ['AGGA', 'GGGG']
    """
    if PREDICTION in sequences and is_chunked(sequences[PREDICTION].data):
        # Computed once: a model that is not deterministic would give the chosen other scores.
        sequences = as_kind(
            SequenceSet, sequences.assign({PREDICTION: sequences[PREDICTION].compute()})
        )
    scores = _scores(sequences, target)
    known = np.flatnonzero(~np.isnan(scores))
    if len(known) == 0:
        found = "all scores are NaN" if len(scores) else "there are none"
        raise InvalidInput("sequences", found, "predict for at least one sequence")
    ends = [name for name, value in (("top", top), ("bottom", bottom)) if value is not None]
    bounds = above is not None or below is not None
    if len(ends) + bounds != 1:
        raise InvalidInput(
            "top, bottom, above, below",
            f"{len(ends) + bounds} ways to choose",
            "give top=, or bottom=, or above= and/or below=",
        )
    if ends:
        wanted = top if top is not None else bottom
        count = _count(ends[0], wanted, len(known))
        ranked = np.argsort(-scores[known] if top is not None else scores[known], kind="stable")
        chosen = np.sort(known[ranked[:count]])
    else:
        chosen = known[_between(scores[known], above, below)]
    return as_kind(SequenceSet, sequences.isel({SEQUENCE: chosen}))


def _between(scores: np.ndarray, above: Any, below: Any) -> np.ndarray:
    """Tell which scores lie within the bounds, compared as what they are, float32."""
    inside = np.ones(len(scores), dtype=bool)
    if above is not None:
        inside &= scores > np.float32(number("above", above))
    if below is not None:
        inside &= scores < np.float32(number("below", below))
    if above is not None and below is not None and above >= below:
        raise InvalidInput("above", f"{above:g}", f"use less than below={below:g}")
    if not inside.any():
        bounds = [
            f"{name} {value:g}" for name, value in (("above", above), ("below", below))
            if value is not None
        ]  # fmt: skip
        raise InvalidInput(
            "above, below",
            f"no score is {' and '.join(bounds)}",
            f"scores go from {scores.min():g} to {scores.max():g}",
        )
    return inside


def _scores(sequences: Dataset[SequenceSet], target: str | int | None) -> np.ndarray:
    if PREDICTION not in sequences:
        raise InvalidInput("sequences", "have no predictions", "run mutua.tl.predict first")
    table = sequences[PREDICTION]
    if TARGET in table.coords:
        names = [str(name) for name in table[TARGET].values]
    else:
        names = [str(place) for place in range(table.sizes[TARGET])]
    if target is None:
        if len(names) != 1:
            raise InvalidInput("target", "none given", f"choose one of {names}")
        place = 0
    elif isinstance(target, str):
        if target not in names:
            raise InvalidInput("target", f"{target!r}", f"use one of {names}")
        place = names.index(target)
    else:
        place = whole_number("target", target, low=-len(names), high=len(names) - 1)
    return np.asarray(table.isel({TARGET: place}).values, dtype=np.float32)


def _count(argument: str, value: Any, n: int) -> int:
    """Give the number of sequences that a fraction or a count means."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return whole_number(argument, value, low=1, high=n)
    fraction = number(argument, value, low=0, open_low=True)
    if fraction >= 1:
        found = f"the fraction {fraction:g}"
        raise InvalidInput(argument, found, "use one below 1, or a whole number of sequences")
    return max(1, round(fraction * n))
