"""Pairs of motifs put into backgrounds, and what a model gives for them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.apply_model import progress_steps
from mutua.kernels.edits import sampled_motif, written
from mutua.kernels.letters import complement_codes, is_nucleotide
from mutua.kernels.random_sequences import derived_seed
from mutua.models import Dataset, MotifSet, SequenceSet, as_kind
from mutua.models.annotation_parts import sequence_parts
from mutua.models.annotations import Annotations
from mutua.models.dims import END, MOTIF, MOTIF_INDEX, POSITION, SEQUENCE_INDEX, START
from mutua.models.motif_pairs import ORIENTATIONS
from mutua.settings import settings
from mutua.tl._annotating import as_annotations, motif_parts
from mutua.tl._effects import named_motifs, refuse_padding
from mutua.tl._interaction_effects import Block, Model, Variants
from mutua.tl._interaction_sites import Pairs, wanted_pairs
from mutua.tl._models import Rows
from mutua.tl.marginalization import checked_spacings, start_within

__all__ = ["Embedding", "embedded_variants", "embedding"]


class _Copy(NamedTuple):
    """A motif at a place; of a motif with itself, the two have letters of their own."""

    motif: int
    second: bool
    reverse: bool
    start: int


class Embedding(NamedTuple):
    """Pairs of motifs at places.

    Attributes
    ----------
    annotations
        Without rows, with the motifs.
    names, matrices
        Their ids, and probabilities (letter, motif_position).
    complement
        Of each code; nothing but the codes themselves where there is one strand.
    rows
        (row, 4) of each row of the result the left and the right motif, spacing and orientation.
    copies
        Of each row, the left and the right motif at their places.
    """

    annotations: Dataset[Annotations]
    names: list[str]
    matrices: list[np.ndarray]
    complement: np.ndarray
    rows: np.ndarray
    copies: list[tuple[_Copy, _Copy]]


def embedding(
    sequences: Dataset[SequenceSet],
    motifs: Any,
    pairs: Pairs | None,
    *,
    spacings: Any,
    position: int | None,
    orientation: bool,
) -> Embedding:
    """Give where each pair stands at each spacing, or refuse what does not fit."""
    alphabet, length = sequences.attrs["alphabet"], sequences.sizes[POSITION]
    if orientation and not is_nucleotide(alphabet):
        found = f"True, and sequences of {alphabet!r} have one strand"
        raise InvalidInput("orientation", found, "use orientation=False")
    gaps = checked_spacings(spacings)
    named = named_motifs(motifs, alphabet)
    names, matrices = list(named), list(named.values())
    annotations = _without_rows(sequences, motifs, names)
    wanted = wanted_pairs(annotations, pairs, ordered=True)
    if wanted is None:
        wanted = [(a, b) for a in range(len(names)) for b in range(len(names)) if a != b]
    rows, copies = [], []
    for a, b in wanted:
        left, right = matrices[a].shape[1], matrices[b].shape[1]
        for way in range(len(ORIENTATIONS) if orientation else 1):
            for gap in gaps:
                what = f"{names[a]} and {names[b]} at spacing {gap}"
                start = start_within(length, left + gap + right, position, what)
                one = _Copy(a, False, way >= 2, start)
                copies.append((one, _Copy(b, a == b, way % 2 == 1, start + left + gap)))
                rows.append((a, b, gap, way))
    complement = np.arange(256, dtype=np.uint8)  # what is no letter is its own
    if is_nucleotide(alphabet):
        complement[: len(alphabet)] = complement_codes(alphabet)
    table = np.array(rows, np.int64).reshape(-1, 4)
    return Embedding(annotations, names, matrices, complement, table, copies)


def _without_rows(
    sequences: Dataset[SequenceSet], motifs: Any, names: list[str]
) -> Dataset[Annotations]:
    if isinstance(motifs, xr.Dataset):
        said = motif_parts(as_kind(MotifSet, motifs))
    else:
        said = {MOTIF: xr.Variable((MOTIF,), np.array(names, np.dtypes.StringDType()))}
    columns = {name: np.zeros(0, np.int32) for name in (SEQUENCE_INDEX, START, END, MOTIF_INDEX)}
    return as_annotations(columns, sequence_parts(sequences) | said, source="user")


def embedded_variants(model: Model, plan: Embedding, n_sequences: int, seed: int) -> Variants:
    """Predict each background as it is, with either motif and with both.

    A motif has the same letters in a background wherever it stands, and is applied once for all
    rows in which it stands alone at one place.
    """
    parts = []
    size = max(1, settings.memory // (4 * (model.row_bytes() + 8 * (4 * len(plan.copies) + 1))))
    with model.ready():
        for first in range(0, n_sequences, size):
            numbers = np.arange(first, min(first + size, n_sequences))
            parts.append(_of_block(model.block(numbers), plan, seed, model.progress))
    values = np.concatenate([np.zeros((len(plan.copies), 0, 4)), *parts], axis=1)
    row, sequence = np.divmod(np.arange(values[..., 0].size), max(n_sequences, 1))
    return Variants(row, sequence, values.reshape(-1, 4))


def _of_block(block: Block, plan: Embedding, seed: int, progress: bool | None) -> np.ndarray:
    """Give the predictions of the four variants: float64 (row, background, 4)."""
    everything = np.arange(len(block.numbers))
    letters: dict[tuple[int, bool], np.ndarray] = {}
    rows = Rows(block.codes, None, [], int(block.numbers[0]))

    def put(codes: np.ndarray, copy: _Copy) -> np.ndarray:
        key = copy.motif, copy.second
        if key not in letters:
            letters[key] = _drawn(block, plan, copy, seed)
        word = letters[key]
        if copy.reverse:
            word = plan.complement[word[:, ::-1]]
        end = copy.start + word.shape[1]
        refuse_padding(rows, copy.start, end, "position", plan.names[copy.motif])
        return written(codes, word, copy.start)

    singles = list(dict.fromkeys(copy for pair in plan.copies for copy in pair))
    neither = block.score(everything, block.codes)
    alone = {copy: block.score(everything, put(block.codes, copy)) for copy in singles}
    values = np.empty((len(plan.copies), len(everything), 4))
    for row in progress_steps(len(plan.copies), 1, progress, "interactions"):
        a, b = plan.copies[row]
        both = block.score(everything, put(put(block.codes, a), b))
        # Without the first motif there is the second, and the other way round.
        values[row] = np.stack([both, alone[b], alone[a], neither], axis=1)
    return values


def _drawn(block: Block, plan: Embedding, copy: _Copy, seed: int) -> np.ndarray:
    """Draw the letters of a motif for each background, by the name of the motif."""
    purpose = f"embedded {int(copy.second)} {plan.names[copy.motif]}"
    return sampled_motif(
        plan.matrices[copy.motif],
        len(block.numbers),
        seed=int(derived_seed(seed, purpose)),
        first_sequence=int(block.numbers[0]),
    )
