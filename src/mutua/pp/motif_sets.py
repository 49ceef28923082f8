"""Change motif sets: trim them, turn them around, give their matrices by id."""

from __future__ import annotations

from typing import Any

import numpy as np

from mutua.errors import InvalidInput
from mutua.models import Dataset, MotifSet, as_kind, checked
from mutua.models.arguments import number
from mutua.models.dims import (
    CONTRIBUTION,
    INFORMATION,
    LENGTH,
    MOTIF,
    MOTIF_POSITION,
    PROBABILITY,
)
from mutua.models.motif_matrices import column_information, reverse_complemented

__all__ = ["matrices_by_id", "trim_motifs", "turned_motifs"]

_VALUES = (PROBABILITY, CONTRIBUTION)


@checked
def trim_motifs(motifs: Dataset[MotifSet], *, information: float = 0.3) -> Dataset[MotifSet]:
    """Cut off the positions at both ends of each motif that carry little information.

    Parameters
    ----------
    motifs
        Motifs; a lazy set is computed.
    information
        Least bits, relative to the background, of the first and the last position that are kept.
        Positions between them stay, whatever they carry.

    Returns
    -------
    MotifSet
        With the ids and all that is known of the motifs; ``length`` and ``information`` are those
        of what is left.

    Raises
    ------
    InvalidInput
        If nothing is left of a motif (lists them).

    Examples
    --------
    >>> import mutua as mt
    >>> motifs = mt.MotifSet.build({"E-box": "NNCANNTGN"})
    >>> mt.pp.trim_motifs(motifs)["length"].values
    array([6], dtype=int32)
    """
    least = number("information", information, low=0)
    probability = motifs[PROBABILITY].values
    lengths = motifs[LENGTH].values
    bits = column_information(probability, motifs.attrs["background"])
    places = np.arange(probability.shape[2])
    kept = (bits >= least) & (places < lengths[:, None])
    if not (some := kept.any(axis=1)).all():
        none = motifs[MOTIF].values[~some].tolist()
        shown = ", ".join(none[:8]) + (f" and {len(none) - 8:,} more" if len(none) > 8 else "")
        found = f"{least:g}: no position of {shown} carries as much"
        raise InvalidInput("information", found, "use a smaller one, or .drop_sel(motif=[...])")
    if not len(kept):
        return as_kind(MotifSet, motifs.copy())
    first = kept.argmax(axis=1)
    left = kept.shape[1] - kept[:, ::-1].argmax(axis=1) - first
    columns = first[:, None] + np.arange(left.max())
    inside = (np.arange(left.max()) < left[:, None])[:, None, :]
    columns = np.minimum(columns, kept.shape[1] - 1)[:, None, :]
    parts = {
        name: np.where(
            inside, np.take_along_axis(motifs[name].values, columns, axis=2), np.float32(0)
        )
        for name in _VALUES
        if name in motifs
    }
    result = _with_values(motifs, parts, left.astype(np.int32))
    if INFORMATION in motifs:
        bits = column_information(parts[PROBABILITY], motifs.attrs["background"])
        total_of = ((MOTIF,), bits.sum(axis=1), motifs[INFORMATION].attrs)
        result = as_kind(MotifSet, result.assign({INFORMATION: total_of}))
    return result


def turned_motifs(motifs: Dataset[MotifSet]) -> Dataset[MotifSet]:
    """Give the motifs of the opposite strand, with the background of that strand."""
    alphabet, lengths = motifs.attrs["alphabet"], motifs[LENGTH].values
    parts = {
        name: reverse_complemented(motifs[name].values, lengths, alphabet, argument="sequences")
        for name in _VALUES
        if name in motifs
    }
    background = np.asarray(motifs.attrs["background"])[None, :, None]
    turned = reverse_complemented(background, np.ones(1, int), alphabet, argument="sequences")
    # What a neuron made of the motif does not hold for the other strand.
    stale = [name for name in ("activation_max", "activation_consensus") if name in motifs]
    result = _with_values(as_kind(MotifSet, motifs.drop_vars(stale)), parts, lengths)
    return as_kind(MotifSet, result.assign_attrs(background=turned[0, :, 0].tolist()))


def _with_values(
    motifs: Dataset[MotifSet], values: dict[str, np.ndarray], lengths: np.ndarray
) -> Dataset[MotifSet]:
    """Give a set with other matrices, less whatever else lies along the positions."""
    lie_along = [name for name, part in motifs.variables.items() if MOTIF_POSITION in part.dims]
    new = {name: (motifs[name].dims, array, motifs[name].attrs) for name, array in values.items()}
    kept = motifs.drop_vars([name for name in lie_along if name not in new])
    result = kept.assign(new | {LENGTH: ((MOTIF,), lengths, motifs[LENGTH].attrs)})
    return as_kind(MotifSet, result)


def matrices_by_id(
    motifs: Any, alphabet: str, *, argument: str, function: str
) -> dict[str, np.ndarray]:
    """Give the probabilities (letter, motif_position) of each motif, letters as in `alphabet`.

    Raises
    ------
    InvalidElement
        If it is no motif set.
    InvalidInput
        If it has other letters.
    """
    MotifSet.check(motifs, where=f"argument `{argument}` of {function}")
    own = motifs.attrs["alphabet"]
    if sorted(own) != sorted(alphabet):
        found = f"motifs of the letters {own!r} for sequences of {alphabet!r}"
        raise InvalidInput(argument, found, "use motifs and sequences of one alphabet")
    values = motifs[PROBABILITY].values[:, [own.index(letter) for letter in alphabet]]
    ids = [str(name) for name in motifs[MOTIF].values.tolist()]
    lengths = motifs[LENGTH].values.tolist()
    return {
        name: matrix[:, :width] for name, matrix, width in zip(ids, values, lengths, strict=True)
    }
