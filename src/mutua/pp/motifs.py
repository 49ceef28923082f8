"""Put motifs into sequences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels import patterns
from mutua.kernels.random_sequences import derived_seed, sample_letters
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.arguments import number, one_of, whole_number
from mutua.models.dims import CODES, SEQUENCE
from mutua.pp._parts import MOTIF, MOTIF_START, end_padding, replaced_codes
from mutua.pp.motif_sets import matrices_by_id

__all__ = ["Motif", "embed_motifs", "letter_masks", "letter_probabilities"]

Motif = str | np.ndarray


@checked
def embed_motifs(
    sequences: Dataset[SequenceSet],
    motifs: Motif | Sequence[Motif] | Mapping[str, Motif] | xr.Dataset,
    *,
    position: int | str = "random",
    spacings: int | Sequence[int] | None = None,
    random_order: bool = False,
    fraction: float = 1.0,
    seed: int = 0,
) -> Dataset[SequenceSet]:
    """Write one or several motifs into sequences, over the letters that are there.

    Parameters
    ----------
    sequences
        (sequence, position); a lazy set is computed. Padding is never written over.
    motifs
        A consensus (IUPAC symbols stand for any of their letters, drawn anew for each sequence),
        a probability matrix (letter, motif_position), or several of them, by name if a mapping;
        or a `MotifSet`, all of whose motifs are written under their ids.
    position
        Where the first motif begins, 0-based, the same in all sequences; ``"random"`` draws a
        place for each sequence from those where everything fits.
    spacings
        Letters between the end of one motif and the start of the next: one number for all gaps
        or one for each. By default all places where the motifs do not overlap are equally likely.
    random_order
        Shuffle the order of the motifs in each sequence.
    fraction
        Fraction of the sequences, drawn at random, that get the motifs.
    seed
        Seed.

    Returns
    -------
    SequenceSet
        With the extra variable ``motif_start`` (sequence, motif), int64: where each motif begins,
        -1 in sequences without; in place of that of motifs embedded before. What was made for the
        letters before is dropped: predictions, weights, and variables along ``position`` other
        than ``tracks``. Names, coordinates of the positions and variables along ``sequence``
        stay; ``chrom``, ``start``, ``end`` and ``strand`` say where each sequence came from.

    Raises
    ------
    InvalidInput
        If the motifs do not fit (names the first sequence), a symbol is unknown, or a matrix is
        no distribution.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["AAAAAAAAAA"] * 2)
    >>> seqs = mt.pp.embed_motifs(seqs, ["CGC", "TT"], position=1, spacings=2)
    >>> mt.pp.to_strings(seqs)
    ['ACGCAATTAA', 'ACGCAATTAA']
    """
    alphabet = sequences.attrs["alphabet"]
    if isinstance(motifs, xr.Dataset):
        motifs = matrices_by_id(motifs, alphabet, argument="motifs", function="pp.embed_motifs")
    named = _named(motifs)
    matrices = [
        letter_probabilities(motif, alphabet, name, "motifs") for name, motif in named.items()
    ]
    widths = np.array([matrix.shape[1] for matrix in matrices])
    fraction = number("fraction", fraction, low=0, high=1)
    if not isinstance(random_order, bool):
        raise InvalidInput("random_order", f"{random_order!r}", "use True or False")
    random = np.random.default_rng(derived_seed(seed, "embed_motifs"))
    codes = np.array(sequences[CODES].values, order="C")
    n, count = len(codes), len(widths)
    chosen = np.sort(random.permutation(n)[: round(fraction * n)])
    order = np.tile(np.arange(count), (len(chosen), 1))
    if random_order:
        order = random.permuted(order, axis=1)

    left, right = (side[chosen] for side in end_padding(codes))
    spare = codes.shape[1] - left - right - int(widths.sum())
    _refuse_long(spare, chosen, "motifs", "are", "use shorter ones, or sequences with more letters")
    gaps = _gaps(spacings, count, position, left, spare, chosen, random)
    # The motif at a place begins after the gaps up to it and the motifs before it.
    before = np.cumsum(gaps, axis=1) + np.cumsum(widths[order], axis=1) - widths[order]
    starts = np.empty_like(order)
    np.put_along_axis(starts, order, before + left[:, None], axis=1)
    for place, matrix in enumerate(matrices):
        stream = int(derived_seed(seed, f"embed_motifs {place}"))
        drawn = sample_letters(matrix, len(chosen), seed=stream)
        columns = starts[:, place, None] + np.arange(matrix.shape[1])
        codes[chosen[:, None], columns] = drawn
    where = np.full((n, count), -1, dtype=np.int64)
    where[chosen] = starts
    attrs = {"long_name": "start of the motif, -1 for none", "units": "nt"}
    result = replaced_codes(sequences, codes, in_place=True)
    result = result.assign({MOTIF_START: ((SEQUENCE, MOTIF), where, attrs)})
    return as_kind(SequenceSet, result.assign_coords({MOTIF: list(named)}))


def _named(motifs: Any) -> dict[str, Motif]:
    """Give motifs by name."""
    if isinstance(motifs, Mapping):
        named = {str(name): motif for name, motif in motifs.items()}
        if len(named) < len(motifs):
            raise InvalidInput("motifs", f"names repeat: {list(motifs)}", "give each its own name")
    elif isinstance(motifs, str) or getattr(motifs, "ndim", 0) == 2:
        named = {motifs if isinstance(motifs, str) else "motif0": motifs}
    elif isinstance(motifs, Sequence):
        labels = [m if isinstance(m, str) else f"motif{i}" for i, m in enumerate(motifs)]
        twice = {label for label in labels if labels.count(label) > 1}
        labels = [f"{x}_{i}" if x in twice else x for i, x in enumerate(labels)]
        named = dict(zip(labels, motifs, strict=True))
    else:
        raise InvalidInput("motifs", f"a {type(motifs).__name__}", "use strings or matrices")
    if not named:
        raise InvalidInput("motifs", "there are none", "give at least one")
    return named


def letter_probabilities(motif: Any, alphabet: str, name: str, argument: str) -> np.ndarray:
    """Give a motif as (letter, motif_position) probabilities."""
    if isinstance(motif, str):
        masks = letter_masks(motif, alphabet, argument)
        bits = (masks[None, :] >> np.arange(len(alphabet), dtype=np.uint64)[:, None]) & np.uint64(1)
        return np.asarray(bits / bits.sum(axis=0))
    if hasattr(motif, "detach"):
        motif = motif.detach().cpu().numpy()
    try:
        matrix = np.asarray(motif, dtype=np.float64)
    except (TypeError, ValueError):
        found = f"{name!r} is a {type(motif).__name__}"
        raise InvalidInput(argument, found, "use a consensus or a matrix of numbers") from None
    if matrix.ndim != 2 or matrix.shape[0] != len(alphabet) or matrix.shape[1] == 0:
        turned = matrix.ndim == 2 and matrix.shape[1] == len(alphabet)
        remedy = "use its transpose" if turned else f"use ({len(alphabet)} letters, positions)"
        raise InvalidInput(argument, f"{name!r} has shape {matrix.shape}", remedy)
    sums = matrix.sum(axis=0)
    if not np.isfinite(matrix).all() or (matrix < 0).any() or (abs(sums - 1) > 1e-3).any():
        raise InvalidInput(
            argument, f"{name!r} has columns that do not sum to 1", "use probabilities, not counts"
        )
    return np.asarray(matrix / sums)


def letter_masks(pattern: str, alphabet: str, argument: str) -> np.ndarray:
    """Give the letters that each symbol of a consensus stands for, as bit masks."""
    try:
        return patterns.pattern_masks(pattern, alphabet)
    except InvalidInput as error:
        raise InvalidInput(argument, error.found, error.remedy) from None


def _refuse_long(
    room: np.ndarray, chosen: np.ndarray, argument: str, found: str, remedy: str
) -> None:
    """Refuse what does not fit into some sequence, naming the first."""
    if (room < 0).any():
        row = int(np.argmax(room < 0))
        found = f"{found} {-int(room[row])} letters too long for sequence {chosen[row]}"
        raise InvalidInput(argument, found, remedy)


def _gaps(
    spacings: int | Sequence[int] | None,
    count: int,
    position: int | str,
    left: np.ndarray,
    spare: np.ndarray,
    chosen: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Give the letters before each motif, the first one counted from the first letter.

    Parameters
    ----------
    left, spare
        Padding on the left of each sequence, and its letters that no motif takes.
    """
    fixed = None
    if isinstance(position, str):
        one_of("position", position, ["random"])
    else:
        place = whole_number("position", position, low=0)
        fixed = place - left
        if (fixed < 0).any():
            row = int(np.argmax(fixed < 0))
            found = f"{place} is padding in sequence {chosen[row]}"
            raise InvalidInput("position", found, f"use at least {left.max()}")
    gaps = np.zeros((len(spare), count), dtype=np.int64)
    if fixed is not None:
        gaps[:, 0] = fixed
        spare = spare - fixed
        found, remedy = f"{position}, and the motifs are then", "use a smaller position"
        _refuse_long(spare, chosen, "position", found, remedy)
    first = 0 if fixed is None else 1
    if spacings is None:
        # Where the motifs shrink to one letter each, their places are distinct letters.
        places = _distinct_places(random, spare + count - first, count - first)
        gaps[:, first:] = np.diff(places, axis=1, prepend=-1) - 1
        return gaps
    inner = _inner_gaps(spacings, count)
    spare = spare - sum(inner)
    found, remedy = f"{inner}: with them the motifs are", "use smaller spacings or position"
    _refuse_long(spare, chosen, "spacings", found, remedy)
    gaps[:, 1:] = inner
    if fixed is None:
        gaps[:, 0] = random.integers(0, spare + 1)
    return gaps


def _inner_gaps(spacings: Any, count: int) -> list[int]:
    """Give the letters between each two motifs."""
    if isinstance(spacings, Sequence | np.ndarray) and not isinstance(spacings, str):
        if len(spacings) != count - 1:
            raise InvalidInput(
                "spacings", f"{len(spacings)} for {count} motifs", f"give {count - 1}"
            )
        return [whole_number("spacings", value, low=0) for value in spacings]
    return [whole_number("spacings", spacings, low=0)] * (count - 1)


def _distinct_places(random: np.random.Generator, size: np.ndarray, count: int) -> np.ndarray:
    """Draw `count` different numbers below `size` for each row, all sets equally likely; sorted.

    Floyd's algorithm: Bentley and Floyd 1987, Communications of the ACM 30:754.
    """
    drawn = np.empty((len(size), count), dtype=np.int64)
    for place in range(count):
        most = size - count + place
        number_ = random.integers(0, most + 1)
        taken = (drawn[:, :place] == number_[:, None]).any(axis=1)
        drawn[:, place] = np.where(taken, most, number_)
    return np.sort(drawn, axis=1)
