"""Evolve sequences towards what a model scores higher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.apply_model import ENCODINGS, apply_model
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import CODES, PREDICTION, SEQUENCE, TARGET
from mutua.pp.sequences import replaced_codes

__all__ = ["evolve"]


@checked
def evolve(
    sequences: Dataset[SequenceSet],
    model: Any,
    *,
    n_rounds: int = 10,
    n_mutations: int = 1,
    target: str | int | Callable[[Any], Any] | None = None,
    target_names: Sequence[str] | None = None,
    minimize: bool = False,
    encoding: str = "one_hot",
    batch_size: int = 256,
    device: str | None = None,
    seed: int = 0,
) -> Dataset[SequenceSet]:
    """Mutate every sequence and keep the mutant where the model scores it higher, round by round.

    Parameters
    ----------
    sequences
        Where evolution starts from.
    model
        As for `tl.predict`.
    n_rounds
        Rounds of mutation and selection; a mutant must be strictly better to replace its parent.
    n_mutations
        Letters changed in each round, at different positions, each to another letter. Padding is
        never changed; an unknown letter may become a letter.
    target
        The output to raise: a name, an index or a function of the model's output. It must be one.
    target_names
        Names of the model's outputs.
    minimize
        Keep lower scores instead.
    encoding, batch_size, device
        As for `tl.predict`.
    seed
        Seed.

    Returns
    -------
    SequenceSet
        With the predictions of the evolved sequences.

    Raises
    ------
    InvalidInput
        If several targets are left, or sequences are shorter than `n_mutations`.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(5, length=12, seed=1)
    >>> best = mt.pp.evolve(seqs, lambda x: x[:, 2].sum(1), n_rounds=200, seed=0)
    >>> mt.pp.to_strings(best)[0]
    'GGGGGGGGGGGG'
    """
    n_rounds = whole_number("n_rounds", n_rounds, low=1)
    n_mutations = whole_number("n_mutations", n_mutations, low=1)
    one_of("encoding", encoding, ENCODINGS)
    batch_size = whole_number("batch_size", batch_size, low=1)
    alphabet = sequences.attrs["alphabet"]
    codes = np.array(sequences[CODES].values, order="C")
    random = np.random.default_rng(whole_number("seed", seed, low=0))

    def score(candidates: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        values, names = apply_model(
            candidates,
            model,
            alphabet=alphabet,
            target=target,
            target_names=target_names,
            encoding=encoding,  # type: ignore[arg-type]
            batch_size=batch_size,
            device=device,
            progress=False,
        )
        if len(names) != 1:
            raise InvalidInput("target", f"leaves {list(names)}", "choose one target to raise")
        return values[:, 0], names

    best, names = score(codes)
    sign = -1 if minimize else 1
    for _ in range(n_rounds):
        mutants = _mutate(codes, len(alphabet), n_mutations, random)
        scores, _ = score(mutants)
        better = sign * scores > sign * best
        codes[better], best[better] = mutants[better], scores[better]
    result = replaced_codes(sequences, codes)
    return as_kind(
        SequenceSet,
        result.assign({PREDICTION: ((SEQUENCE, TARGET), best[:, None])}).assign_coords(
            {TARGET: list(names)}
        ),
    )


def _mutate(
    codes: np.ndarray, size: int, n_mutations: int, random: np.random.Generator
) -> np.ndarray:
    """Change letters at `n_mutations` different positions of every sequence to other letters."""
    n, length = codes.shape
    free = codes != 255
    if (free.sum(axis=1) < n_mutations).any():
        raise InvalidInput(
            "n_mutations", f"{n_mutations} in sequences of {length}", "use fewer mutations"
        )
    keys = np.where(free, random.random((n, length)), np.inf)
    places = np.argpartition(keys, n_mutations - 1, axis=1)[:, :n_mutations]
    rows = np.arange(n)[:, None]
    old = codes[rows, places].astype(np.int64)
    known = old < size
    # A step of 1 to size - 1 from a known letter always gives another one.
    steps = random.integers(1, size, size=old.shape)
    fresh = random.integers(0, size, size=old.shape)
    mutants = codes.copy()
    mutants[rows, places] = np.where(known, (old + steps) % size, fresh)
    return mutants
