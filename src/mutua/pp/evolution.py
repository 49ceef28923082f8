"""Evolve sequences towards what a model scores higher."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.apply_model import ENCODINGS, apply_model, ready
from mutua.kernels.random_sequences import derived_seed
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.alphabets import PADDING, unknown_symbol
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import CODES, PREDICTION, SEQUENCE, TARGET, TRACKS
from mutua.pp._parts import replaced_codes

__all__ = ["evolve"]

_BLOCK = 1 << 22


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
    args: Sequence[Any] = (),
    encoding: str = "one_hot",
    batch_size: int = 256,
    device: str | None = None,
    seed: int = 0,
) -> Dataset[SequenceSet]:
    """Mutate every sequence and keep the mutant where the model scores it higher, round by round.

    Parameters
    ----------
    sequences
        Where evolution starts from; a lazy set is computed. ``tracks`` stay as they are and are
        seen by the model as in `tl.predict`.
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
    args, encoding, batch_size, device
        As for `tl.predict`.
    seed
        Seed of the mutations.

    Returns
    -------
    SequenceSet
        With the predictions of the evolved sequences. What was made for the letters before is
        dropped: weights, places of motifs, and variables along ``position`` other than ``tracks``.
        Names, coordinates of the positions and variables along ``sequence`` stay; ``chrom``,
        ``start``, ``end`` and ``strand`` say where each sequence came from.

    Raises
    ------
    InvalidInput
        If several targets are left, a sequence has fewer letters than `n_mutations`, or for what
        `tl.predict` refuses.

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
    if not isinstance(minimize, bool):
        raise InvalidInput("minimize", f"{minimize!r}", "use True or False")
    if TRACKS in sequences and encoding != "one_hot":
        raise InvalidInput("encoding", f"{encoding!r} with tracks", "use encoding='one_hot'")
    random = np.random.default_rng(derived_seed(seed, "evolve"))
    alphabet = sequences.attrs["alphabet"]
    tracks = sequences[TRACKS].values if TRACKS in sequences else None
    codes = np.array(sequences[CODES].values, order="C")
    _refuse_short(codes, n_mutations)

    def score(candidates: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        values, names = apply_model(
            candidates,
            model,
            alphabet=alphabet,
            unknown=unknown_symbol(alphabet),
            target=target,
            target_names=target_names,
            tracks=tracks,
            args=args,
            encoding=encoding,  # type: ignore[arg-type]
            batch_size=batch_size,
            device=device,
            progress=False,
        )
        if len(names) != 1:
            raise InvalidInput("target", f"leaves {list(names)}", "choose one target to raise")
        return values[:, 0], names

    sign = -1 if minimize else 1
    with ready(model, device):  # once: every round alone would move it to the device and back
        best, names = score(codes)
        for _ in range(n_rounds):
            mutants = _mutate(codes, len(alphabet), n_mutations, random)
            scores, _ = score(mutants)
            better = sign * scores > sign * best
            codes[better], best[better] = mutants[better], scores[better]
    table = xr.Variable((SEQUENCE, TARGET), best[:, None], {"long_name": "output of the model"})
    result = replaced_codes(sequences, codes, in_place=True)
    return as_kind(
        SequenceSet, result.assign({PREDICTION: table}).assign_coords({TARGET: list(names)})
    )


def _refuse_short(codes: np.ndarray, n_mutations: int) -> None:
    n_letters = (codes != PADDING).sum(axis=1)
    if (n_letters < n_mutations).any():
        row = int(np.argmax(n_letters < n_mutations))
        found = f"{n_mutations}, and sequence {row} has {n_letters[row]} letters"
        raise InvalidInput("n_mutations", found, "use fewer mutations")


def _mutate(
    codes: np.ndarray, size: int, n_mutations: int, random: np.random.Generator
) -> np.ndarray:
    """Change letters at `n_mutations` different positions of every sequence to other letters."""
    mutants = codes.copy()
    step = max(1, _BLOCK // max(1, codes.shape[1]))
    for start in range(0, len(codes), step):
        _mutate_rows(mutants[start : start + step], size, n_mutations, random)
    return mutants


def _mutate_rows(
    codes: np.ndarray, size: int, n_mutations: int, random: np.random.Generator
) -> None:
    """Mutate rows in place."""
    keys = np.where(codes != PADDING, random.random(codes.shape), np.inf)
    places = np.argpartition(keys, n_mutations - 1, axis=1)[:, :n_mutations]
    rows = np.arange(len(codes))[:, None]
    old = codes[rows, places].astype(np.int64)
    # A step of 1 to size - 1 from a known letter always gives another one.
    steps = random.integers(1, size, size=old.shape)
    fresh = random.integers(0, size, size=old.shape)
    codes[rows, places] = np.where(old < size, (old + steps) % size, fresh)
