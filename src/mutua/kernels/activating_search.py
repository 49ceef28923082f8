"""Sequences that activate one neuron: all there are, or a genetic search guided by gradients.

The search is that of CombMotif: the fittest sequences, their cyclic shifts and crossovers, changed
where the gradient of the neuron says that letters matter, or anywhere. Here every sequence is kept
with its activation, all of a population is changed at once, and what is enough is measured
relative to the largest activation.

Method: CombMotif and NeuronMotif (Wei et al. 2023, PNAS 120:e2216698120).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "EXHAUSTIVE",
    "N_BINS",
    "Found",
    "all_sequences",
    "search_sequences",
    "spread_over_activations",
]

EXHAUSTIVE = 4**9
"""Up to so many sequences there may be, all of them are looked at."""
N_BINS = 20
"""Bins of activation, from 0 to the largest, from which as many sequences are taken."""
_LEAST = 1e-7
_POPULATION, _ELITE, _SHIFTED = 1000, 400, 200
_CALM, _MOST = 30, 350
"""Generations without a better sequence, and generations, after which a search ends."""
_BETTER = 1e-3
"""Share of the largest activation by which a better sequence has to be better."""
_RATES = (0.4, 0.9)
"""Share of the offspring that is changed: at rest, and when the search does not get on."""

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
WithGradient = Callable[[Codes], tuple[Floats, Floats]]
"""From codes (n, position) to activations (n,) and their gradient (n, letter, position)."""


class Found(NamedTuple):
    """Different sequences and their activations, in no order."""

    codes: Codes
    activation: Floats


def all_sequences(length: int, n_letters: int) -> Codes:
    """Give all sequences of a length, uint8 (n_letters ** length, length), in order.

    Examples
    --------
    >>> all_sequences(2, 2).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    places = n_letters ** np.arange(length - 1, -1, -1, dtype=np.int64)
    number = np.arange(n_letters**length, dtype=np.int64)
    return (number[:, None] // places % n_letters).astype(np.uint8)


def search_sequences(
    activations: WithGradient,
    length: int,
    n_letters: int,
    random: np.random.Generator,
    *,
    start: Codes | None = None,
) -> Found:
    """Give the sequences that a genetic search for large activations went through.

    Parameters
    ----------
    activations
        Gives activations (n,) and their gradient (n, letter, position) for codes (n, length).
    length, n_letters
        Of the sequences.
    random
        Source of all that is random.
    start
        uint8 (n, length), sequences to begin with; the rest of the population is random.

    Returns
    -------
    Found
        Every sequence that was looked at, once.
    """
    population = random.integers(0, n_letters, (_POPULATION, length), dtype=np.uint8)
    if start is not None:
        population[: len(start)] = start[:_POPULATION]
    value, gradient = activations(population)
    seen = _Seen(length)
    seen.add(population, value)
    best, calm, rate = float(value.max()), 0, _RATES[0]
    for generation in range(1, _MOST + 1):
        elite = np.argsort(-value, kind="stable")[:_ELITE]
        children, slopes = _offspring(population, value, gradient, elite, random)
        _change(children, slopes, rate, random)
        fresh = seen.unseen(children)
        children[~fresh] = random.integers(0, n_letters, ((~fresh).sum(), length), dtype=np.uint8)
        child_value, child_gradient = activations(children)
        seen.add(children, child_value)
        population = np.concatenate([population[elite], children])
        value = np.concatenate([value[elite], child_value])
        gradient = np.concatenate([gradient[elite], child_gradient])
        highest = _RATES[0] if generation <= _CALM else _RATES[1]
        top = float(value.max())
        if top > best + _BETTER * abs(best):
            best, calm, rate = top, 0, highest
            continue
        calm += 1
        rate = max(_RATES[0], rate * (_RATES[0] / highest) ** (1 / _CALM))
        if calm > _CALM:
            break
    return seen.all()


def spread_over_activations(
    found: Found,
    most: int,
    random: np.random.Generator,
    *,
    least: float = 0.0,
    n_bins: int = N_BINS,
) -> Found:
    """Give up to `most` sequences, as many of each bin of activation as there are.

    Bins are of equal width, from 0 to the largest activation; sequences count from above the share
    `least` of it. What bins with few sequences do not use is left to the others, the highest
    first.
    """
    top = float(found.activation.max(initial=0))
    positive = np.flatnonzero(found.activation > least * top)
    if len(positive) == 0:
        return Found(found.codes[:0], found.activation[:0])
    positive = positive[np.lexsort(_sort_keys(found.codes[positive], found.activation[positive]))]
    value = found.activation[positive].astype(np.float64)
    place = np.minimum((value * n_bins / value.max()).astype(np.int64), n_bins - 1)
    counts = np.bincount(place, minlength=n_bins)
    room = _shares(counts, most)
    chosen = [
        random.permutation(positive[place == one])[: room[one]] for one in range(n_bins - 1, -1, -1)
    ]
    rows = np.concatenate(chosen)
    rows = rows[np.argsort(-found.activation[rows], kind="stable")]
    return Found(found.codes[rows], found.activation[rows])


def _sort_keys(codes: Codes, value: Floats) -> tuple[Any, ...]:
    """Give keys that order sequences whatever order they were found in."""
    return (*codes.T[::-1], -value)


def _shares(counts: npt.NDArray[np.int64], most: int) -> npt.NDArray[np.int64]:
    """Give how many to take of each bin, so that together they are `most` or all."""
    room = np.zeros_like(counts)
    left = min(most, int(counts.sum()))
    while left:
        open_bins = np.flatnonzero(room < counts)[::-1]
        share = max(1, left // len(open_bins))
        for one in open_bins:
            taken = min(share, int(counts[one] - room[one]), left)
            room[one] += taken
            left -= taken
    return room


def _offspring(
    population: Codes,
    value: Floats,
    gradient: Floats,
    elite: npt.NDArray[np.int64],
    random: np.random.Generator,
) -> tuple[Codes, Floats]:
    """Give shifted and crossed sequences, and the gradients that their letters had before."""
    n, length = population.shape
    n_crossed = n - _ELITE - _SHIFTED
    # Shifts: near ones more often than far ones, to either side.
    farthest = max(1, -(-(length - 1) // 2))
    weights = np.arange(farthest, 0, -1, dtype=np.float64)
    step = 1 + random.choice(farthest, _SHIFTED, p=weights / weights.sum())
    step *= random.choice([-1, 1], _SHIFTED)
    turned = (np.arange(length) + step[:, None]) % length
    parents = elite[:_SHIFTED]
    shifted = np.take_along_axis(population[parents], turned, axis=1)
    shifted_slopes = np.take_along_axis(gradient[parents], turned[:, None, :], axis=2)
    # Crossovers: parents are drawn in proportion to how much better they are than the worst.
    fitness = (value - value.min()).astype(np.float64) + _LEAST
    first, second = random.choice(n, (2, n_crossed), p=fitness / fitness.sum())
    cut = random.integers(1, max(2, length), n_crossed)
    left = np.arange(length) < cut[:, None]
    crossed = np.where(left, population[first], population[second])
    crossed_slopes = np.where(left[:, None, :], gradient[first], gradient[second])
    return np.concatenate([shifted, crossed]), np.concatenate([shifted_slopes, crossed_slopes])


def _change(children: Codes, slopes: Floats, rate: float, random: np.random.Generator) -> None:
    """Change a share of the sequences in place: half where gradients are uneven, half anywhere."""
    n, length = children.shape
    n_letters = slopes.shape[1]
    n_changes = max(1, int(0.2 * length))
    chosen = random.random(n)
    guided = np.flatnonzero(chosen < rate / 2)
    if len(guided):
        wanted = np.where(slopes[guided] > 0, slopes[guided], _LEAST).astype(np.float64)
        wanted /= wanted.sum(axis=1, keepdims=True)
        bits = np.log2(n_letters) + (wanted * np.log2(wanted)).sum(axis=1)
        position = _draw(np.maximum(bits, _LEAST), random, n_changes)
        rows = np.arange(len(guided))[:, None]
        odds = wanted[rows, :, position].reshape(-1, n_letters)
        letter = _draw(odds, random, 1).reshape(position.shape)
        children[guided[:, None], position] = letter
    blind = np.flatnonzero((chosen >= rate / 2) & (chosen < rate))
    if len(blind):
        position = np.argsort(random.random((len(blind), length)), axis=1)[:, :n_changes]
        letter = random.integers(0, n_letters, position.shape, dtype=np.uint8)
        children[blind[:, None], position] = letter


def _draw(
    weights: npt.NDArray[np.float64], random: np.random.Generator, times: int
) -> npt.NDArray[np.int64]:
    """Draw columns of each row in proportion to its weights: (row, times)."""
    ends = np.cumsum(weights, axis=1)
    point = random.random((len(weights), times)) * ends[:, -1:]
    drawn = (ends[:, None, :] <= point[:, :, None]).sum(axis=2)
    return np.minimum(drawn, weights.shape[1] - 1)


class _Seen:
    """Sequences that were looked at, each once."""

    def __init__(self, length: int) -> None:
        self._row = np.dtype((np.void, length))
        self._names: set[bytes] = set()
        self._codes: list[Codes] = []
        self._values: list[Floats] = []

    def unseen(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """Tell which sequences are new, the first of equal ones only."""
        names = self._of(codes)
        fresh = np.zeros(len(codes), bool)
        here: set[bytes] = set()
        for place, name in enumerate(names):
            fresh[place] = name not in self._names and name not in here
            here.add(name)
        return fresh

    def add(self, codes: Codes, values: Floats) -> None:
        """Keep those that are new."""
        fresh = self.unseen(codes)
        self._names.update(name for name, new in zip(self._of(codes), fresh, strict=True) if new)
        self._codes.append(codes[fresh])
        self._values.append(values[fresh])

    def all(self) -> Found:
        """Give all of them."""
        return Found(np.concatenate(self._codes), np.concatenate(self._values))

    def _of(self, codes: Codes) -> list[bytes]:
        return [row.tobytes() for row in np.ascontiguousarray(codes).view(self._row)[:, 0]]
