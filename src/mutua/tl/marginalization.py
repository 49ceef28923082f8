"""What motifs do to a model's output when they are put into sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.edits import sampled_motif, written
from mutua.kernels.random_sequences import check_seed, derived_seed
from mutua.models import Dataset, SequenceSet, checked
from mutua.models.arguments import whole_number
from mutua.models.dims import POSITION
from mutua.models.effects import Effects
from mutua.tl._effects import Experiment, Motif, before_and_after, named_motifs, refuse_padding
from mutua.tl._models import Rows

__all__ = ["marginalize", "space"]

Motifs = Motif | Sequence[Motif] | Mapping[str, Motif] | xr.Dataset


@checked
def marginalize(
    sequences: Dataset[SequenceSet],
    model: Any,
    motifs: Motifs,
    *,
    position: int | None = None,
    target: str | int | Callable[[Any], Any] | Sequence[Any] | None = None,
    target_names: Sequence[str] | None = None,
    args: Sequence[Any] = (),
    encoding: str = "one_hot",
    batch_size: int = 256,
    device: str | None = None,
    progress: bool | None = None,
    seed: int = 0,
) -> Dataset[Effects]:
    """Put each motif into every background, and predict before and after.

    Parameters
    ----------
    sequences
        The backgrounds (sequence, position). A dask-backed set is computed chunk by chunk, when
        values are asked for.
    model
        As for `mutua.tl.predict`, as are `target`, `target_names`, `args`, `encoding`,
        `batch_size`, `device` and `progress`.
    motifs
        A `MotifSet`; or consensus strings (IUPAC symbols stand for any of their letters) or
        matrices (letter, motif_position) of probabilities, several as a list or by name. Letters
        are drawn from the probabilities for each sequence; where all are equally likely (N), the
        letter of the background stays.
    position
        Where motifs begin, 0-based column; by default each is in the middle.
    seed
        Seed of the letters drawn. Those of a sequence depend on it, on the place of the motif in
        the list and on the number of the sequence alone.

    Returns
    -------
    Effects
        ``before`` (sequence, target) and ``after`` (sequence, experiment, target), with the names
        or ids of the motifs as ``experiment``, and the coordinates of the sequences.

    Raises
    ------
    InvalidInput
        If a motif is longer than the sequences or would cover padding, is no distribution or of
        other letters, or for what `mutua.tl.predict` refuses.

    Notes
    -----
    The effect of a motif is the mean of ``after - before`` over backgrounds that are random, or
    shuffled, so that all else averages out.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(200, length=53, seed=0)
    >>> effects = marginalize(
    ...     seqs, mt.datasets.splice_acceptor(), ["CAG", "GAG", "CTT"], position=47)
    >>> change = (effects["after"] - effects["before"]).mean("sequence").squeeze("target")
    >>> [f"{value:.3f}" for value in change.values]
    ['0.151', '-0.002', '-0.015']
    """
    check_seed(seed)
    matrices = named_motifs(motifs, sequences.attrs["alphabet"])
    length = sequences.sizes[POSITION]
    starts = [start_within(length, m.shape[1], position, name) for name, m in matrices.items()]

    def change(rows: Rows, number: int, _: int) -> tuple[np.ndarray, np.ndarray]:
        matrix, start = list(matrices.values())[number], starts[number]
        refuse_padding(rows, start, start + matrix.shape[1], "position", "the motif")
        return np.arange(len(rows.codes)), _with_motif(
            rows, rows.codes, matrix, start, seed, number
        )

    return before_and_after(
        sequences,
        model,
        Experiment("marginalize", list(matrices), change, coords=_labels(motifs)),
        target=target,
        target_names=target_names,
        args=args,
        encoding=encoding,
        batch_size=batch_size,
        device=device,
        progress=progress,
    )


@checked
def space(
    sequences: Dataset[SequenceSet],
    model: Any,
    motifs: Motifs,
    *,
    spacings: Sequence[int],
    position: int | None = None,
    target: str | int | Callable[[Any], Any] | Sequence[Any] | None = None,
    target_names: Sequence[str] | None = None,
    args: Sequence[Any] = (),
    encoding: str = "one_hot",
    batch_size: int = 256,
    device: str | None = None,
    progress: bool | None = None,
    seed: int = 0,
) -> Dataset[Effects]:
    """Put a pair of motifs into every background at each spacing, and predict before and after.

    Parameters
    ----------
    sequences, model, target, target_names, args, encoding, batch_size, device, progress, seed
        As for `mutua.tl.marginalize`. The letters drawn for a motif are the same at all spacings.
    motifs
        Two motifs or more, in their order along the sequence; as for `mutua.tl.marginalize`.
    spacings
        Letters between the end of a motif and the start of the next.
    position
        Where the first motif begins; by default all of them together are in the middle.

    Returns
    -------
    Effects
        With the spacings as ``experiment``, and as numbers in ``spacing`` (experiment).

    Raises
    ------
    InvalidInput
        If there are fewer than two motifs, spacings are negative, repeat or are none, the motifs
        do not fit at the largest, or for what `mutua.tl.marginalize` refuses.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(50, length=53, seed=0)
    >>> effects = space(
    ...     seqs, mt.datasets.splice_acceptor(), ["TTTTTTTT", "CAG"], spacings=[0, 2, 4],
    ...     position=30)
    >>> effects["after"].shape, effects["spacing"].values.tolist()
    ((50, 3, 1), [0, 2, 4])
    """
    check_seed(seed)
    matrices = named_motifs(motifs, sequences.attrs["alphabet"])
    if len(matrices) < 2:
        raise InvalidInput("motifs", f"{len(matrices)}", "give two or more")
    gaps = checked_spacings(spacings)
    widths = [matrix.shape[1] for matrix in matrices.values()]
    length, inner = sequences.sizes[POSITION], len(widths) - 1
    totals = [sum(widths) + gap * inner for gap in gaps]
    starts = [
        start_within(length, total, position, f"the motifs at spacing {gap}")
        for gap, total in zip(gaps, totals, strict=True)
    ]

    def change(rows: Rows, number: int, _: int) -> tuple[np.ndarray, np.ndarray]:
        place, codes = starts[number], rows.codes
        refuse_padding(rows, place, place + totals[number], "position", "the motifs")
        for order, matrix in enumerate(matrices.values()):
            codes = _with_motif(rows, codes, matrix, place, seed, order)
            place += widths[order] + gaps[number]
        return np.arange(len(codes)), codes

    names = [str(gap) for gap in gaps]
    return before_and_after(
        sequences,
        model,
        Experiment("space", names, change, coords={"spacing": np.array(gaps, np.int64)}),
        target=target,
        target_names=target_names,
        args=args,
        encoding=encoding,
        batch_size=batch_size,
        device=device,
        progress=progress,
    )


def _with_motif(
    rows: Rows, codes: np.ndarray, matrix: np.ndarray, start: int, seed: int, number: int
) -> np.ndarray:
    letters = sampled_motif(
        matrix,
        len(codes),
        seed=int(derived_seed(seed, f"motif {number}")),
        first_sequence=rows.first_sequence,
    )
    return written(codes, letters, start)


def _labels(motifs: Any) -> dict[str, np.ndarray]:
    """Give the names of the motifs of a set beside their ids."""
    has_names = isinstance(motifs, xr.Dataset) and "name" in motifs.coords
    return {"name": motifs["name"].values} if has_names else {}


def start_within(length: int, width: int, position: int | None, name: str) -> int:
    """Give where something begins: at `position`, or so that it is in the middle."""
    if width > length:
        found = f"{name!r} has {width} letters, and the sequences {length}"
        raise InvalidInput("motifs", found, "use longer sequences")
    if position is None:
        return length // 2 - width // 2
    start = whole_number("position", position, low=0)
    if start + width > length:
        found = f"{start}, where {name!r} of {width} letters does not fit into {length}"
        raise InvalidInput("position", found, f"use at most {length - width}")
    return start


def checked_spacings(spacings: Any) -> list[int]:
    """Give numbers of letters, each once, or refuse them."""
    if isinstance(spacings, str) or not isinstance(spacings, Sequence | np.ndarray | range):
        raise InvalidInput("spacings", f"a {type(spacings).__name__}", "use a list, e.g. range(20)")
    gaps = [whole_number("spacings", gap, low=0) for gap in spacings]
    if not gaps or len(set(gaps)) < len(gaps):
        found = "none" if not gaps else f"repeat: {gaps[:20]}"
        raise InvalidInput("spacings", found, "give each spacing once")
    return gaps
