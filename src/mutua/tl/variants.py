"""What variants do to a model's output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.apply_model import apply_model, progress_steps, ready
from mutua.kernels.letters import PADDING, UNKNOWN
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.alphabets import unknown_symbol
from mutua.models.arguments import whole_number
from mutua.models.dims import CODES, EXPERIMENT, POSITION, SEQUENCE, SEQUENCE_ID, TARGET
from mutua.models.effects import Effects
from mutua.settings import settings
from mutua.tl._models import model_inputs
from mutua.tl._variants import Placed, place_variants, read_variants

__all__ = ["variant_effect"]


@checked
def variant_effect(
    sequences: Dataset[SequenceSet],
    model: Any,
    variants: Any,
    *,
    length: int | None = None,
    target: str | int | Callable[[Any], Any] | Sequence[Any] | None = None,
    target_names: Sequence[str] | None = None,
    args: Sequence[Any] = (),
    encoding: str = "one_hot",
    batch_size: int = 256,
    device: str | None = None,
    progress: bool | None = None,
) -> Dataset[Effects]:
    """Predict sequences with the reference and with the alternative allele of variants.

    Parameters
    ----------
    sequences
        (sequence, position), with the reference alleles. Of a lazy set, only the sequences with
        variants are read.
    model, target, target_names, args, encoding, batch_size, device, progress
        As for `mutua.tl.predict`.
    variants
        The path of a VCF file (plain or gzipped), or a data frame with ``position`` (0-based),
        ``ref`` and ``alt`` (empty or ``-`` for no letters), optional names ``variant``, and
        either ``chrom``, for sequences with ``chrom``, ``start`` and ``end``, or ``sequence``, its
        `sequence_id` or number, in which the position is a column. Alleles of a chromosome are
        those of its plus strand, whatever the strand of the sequence.
    length
        How many letters the model sees, from the first on: letters behind them move in where some
        are deleted. By default all; what is missing then is filled with unknown letters. What an
        insertion pushes beyond the end is cut off.

    Returns
    -------
    Effects
        With a row for each variant in each sequence that it lies in, along ``sequence``:
        ``before`` (sequence, target) with the reference allele, ``after`` (sequence, experiment,
        target) with the alternative one, which is the only experiment. Coordinates ``variant``,
        ``sequence_index``, ``column``, ``ref`` and ``alt`` (on the strand of the sequence) say
        which; ``sequence_id`` if the set has it. Variants on chromosomes that lie in no sequence
        have no row.

    Raises
    ------
    InvalidInput
        If the sequence does not have the reference allele (names the variant), a variant is not
        spelled out or lies beyond its sequence, insertions or deletions meet tracks, or for what
        `mutua.tl.predict` refuses.

    Examples
    --------
    >>> import pandas as pd
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["GATTACAGATTACAGATTACAGATTACAGACTAACTTTCTTTTTTTGCAGGTC"])
    >>> variants = pd.DataFrame(
    ...     {"sequence": 0, "position": [49, 20], "ref": ["G", "A"], "alt": ["T", "G"]})
    >>> effects = variant_effect(seqs, mt.datasets.splice_acceptor(), variants)
    >>> change = effects["after"].squeeze() - effects["before"].squeeze()
    >>> effects["variant"].values.tolist(), [f"{value:.2f}" for value in change.values]
    (['0:49:G>T', '0:20:A>G'], ['-0.43', '0.00'])
    """
    batch_size = whole_number("batch_size", batch_size, low=1)
    full = sequences.sizes[POSITION]
    length = full if length is None else whole_number("length", length, low=1, high=full)
    table = read_variants(variants)
    placed = place_variants(table, sequences, length)
    inputs = model_inputs(sequences, args, encoding=encoding, device=device)
    if inputs.tracks is not None and any(len(one.ref) != len(one.alt) for one in placed):
        found = "insertions or deletions, and sequences with tracks"
        raise InvalidInput("variants", found, "leave them out: tracks cannot follow")
    shown = inputs._replace(
        codes=inputs.codes[:, :length],
        tracks=None if inputs.tracks is None else inputs.tracks[:, :, :length],
    )
    targets = shown.find_targets(model, target, target_names)
    before = np.empty((len(placed), len(targets.names)), np.float32)
    after = np.empty_like(before)
    size = max(1, settings.memory // (8 * max(full, 1)))
    with ready(model, device):
        for start in progress_steps(len(placed), size, progress, "variant_effect"):
            part = placed[start : start + size]
            rows = np.array([one.sequence for one in part])
            codes = _alleles(sequences, part, rows, length, table)
            more: dict[str, Any] = {
                "tracks": None if shown.tracks is None else np.asarray(shown.tracks[rows]),
                "args": [_in_memory(argument[rows]) for argument in shown.args],
                "targets": targets,
                "batch_size": batch_size,
                "progress": False,
            }
            for values, alleles in zip((before, after), codes, strict=True):
                predicted, _ = apply_model(alleles, model, **more, **shown.options)
                values[start : start + size] = predicted
    return _as_effects(sequences, table, placed, before, after, targets.names)


def _in_memory(argument: Any) -> Any:
    return argument.compute() if hasattr(argument, "dask") else argument


def _alleles(
    sequences: Dataset[SequenceSet],
    placed: list[Placed],
    rows: np.ndarray,
    length: int,
    table: pd.DataFrame,
) -> tuple[np.ndarray, np.ndarray]:
    """Give codes (variant, position) with the reference and with the alternative alleles."""
    used, place = np.unique(rows, return_inverse=True)
    codes = sequences[CODES].isel({SEQUENCE: used}).values[place]
    changed = np.empty_like(codes[:, :length])
    symbols = [*sequences.attrs["alphabet"], unknown_symbol(sequences.attrs["alphabet"])]
    for number, (one, row) in enumerate(zip(placed, codes, strict=True)):
        end = one.column + len(one.ref)
        there = row[one.column : end]
        if (there != one.ref).any() or (there == UNKNOWN).any():
            seen, asked = (
                "".join(symbols[min(c, len(symbols) - 1)] for c in x) for x in (there, one.ref)
            )
            found = (
                f"{table['variant'].iloc[one.variant]!r} has {asked!r} as its reference, and "
                f"sequence {one.sequence} has {seen!r} at {one.column}"
            )
            raise InvalidInput("variants", found, "use the genome that the variants were called on")
        filler = PADDING if row[-1] == PADDING else UNKNOWN
        fill = np.full(max(0, length - len(row) - len(one.alt) + len(one.ref)), filler)
        changed[number] = np.r_[row[: one.column], one.alt, row[end:], fill][:length]
    return np.ascontiguousarray(codes[:, :length]), changed


def _as_effects(
    sequences: Dataset[SequenceSet],
    table: pd.DataFrame,
    placed: list[Placed],
    before: np.ndarray,
    after: np.ndarray,
    names: tuple[str, ...],
) -> Dataset[Effects]:
    """Put predictions together with what is said of the variants."""
    text = np.dtypes.StringDType()
    symbols = np.array([*sequences.attrs["alphabet"]])
    spelled = {
        name: np.array(
            ["".join(symbols[getattr(one, name) % len(symbols)]) for one in placed], text
        )
        for name in ("ref", "alt")
    }
    rows = np.array([one.sequence for one in placed], np.int32)
    labels = table["variant"].to_numpy(object)[[one.variant for one in placed]]
    coords: dict[str, Any] = {
        "variant": np.array(labels.tolist(), text),
        "sequence_index": rows,
        "column": np.array([one.column for one in placed], np.int64),
        **spelled,
    }
    if SEQUENCE_ID in sequences.coords:
        coords[SEQUENCE_ID] = sequences[SEQUENCE_ID].values[rows]
    element = xr.Dataset(
        {
            "before": ((SEQUENCE, TARGET), before),
            "after": ((SEQUENCE, EXPERIMENT, TARGET), after[:, None]),
        },
        {
            **{name: ((SEQUENCE,), values) for name, values in coords.items()},
            EXPERIMENT: ["variant"],
            TARGET: list(names),
        },
        {"procedure": "variant_effect"},
    )
    return as_kind(Effects, element)
