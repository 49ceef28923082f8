"""Apply a model to sequences as they are and as each of several experiments changes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.apply_model import apply_model, progress_steps, ready
from mutua.kernels.letters import PADDING
from mutua.kernels.model_output import Targets
from mutua.models import Dataset, MotifSet, SequenceSet, as_kind
from mutua.models.arguments import whole_number
from mutua.models.dims import EXPERIMENT, MOTIF, SEQUENCE, TARGET
from mutua.models.effects import Effects
from mutua.models.motif_matrices import padded
from mutua.tl._annotating import motif_probabilities
from mutua.tl._models import ModelInputs, Rows, model_inputs

__all__ = ["Change", "Experiment", "before_and_after", "named_motifs", "refuse_padding"]

Motif = str | np.ndarray

Change = Callable[[Rows, int, int], tuple[np.ndarray, np.ndarray]]
"""Of sequences, number of the experiment and number of the draw: rows that change, their codes."""


class Experiment(NamedTuple):
    """What is done to the sequences.

    Attributes
    ----------
    name
        What it is called.
    names
        A name for each of its variants.
    change
        Gives the changed sequences.
    n_draws
        How often it is done anew, because it is random.
    coords
        Further coordinates of its variants.
    """

    name: str
    names: Sequence[str]
    change: Change
    n_draws: int = 1
    coords: Mapping[str, Any] = {}


def before_and_after(
    sequences: Dataset[SequenceSet],
    model: Any,
    experiment: Experiment,
    *,
    target: Any,
    target_names: Any,
    args: Any,
    encoding: str,
    batch_size: int,
    device: str | None,
    progress: bool | None,
) -> Dataset[Effects]:
    """Give the effects of an experiment, lazily where the sequences are lazy."""
    batch_size = whole_number("batch_size", batch_size, low=1)
    if progress is not None and not isinstance(progress, bool):
        raise InvalidInput("progress", f"{progress!r}", "use True, False or None")
    inputs = model_inputs(sequences, args, encoding=encoding, device=device)
    targets = inputs.find_targets(model, target, target_names)
    n_variants, has_std = len(experiment.names), experiment.n_draws > 1
    n_tables = 1 + n_variants * (1 + has_std)

    def block(rows: Rows) -> np.ndarray:
        shown = False if inputs.lazy else progress
        return _tables(rows, inputs, model, targets, experiment, batch_size, shown)

    tables = (
        inputs.by_blocks(block, (n_tables, len(targets.names)))
        if inputs.lazy
        else block(inputs.rows())
    )
    dims = (SEQUENCE, EXPERIMENT, TARGET)
    parts = {
        "before": xr.Variable((SEQUENCE, TARGET), tables[:, 0]),
        "after": xr.Variable(dims, tables[:, 1 : 1 + n_variants]),
    }
    if has_std:
        parts["after_std"] = xr.Variable(dims, tables[:, 1 + n_variants :])
    coords: dict[str, Any] = {
        EXPERIMENT: xr.Variable((EXPERIMENT,), np.array(experiment.names, np.dtypes.StringDType())),
        TARGET: list(targets.names),
        **{name: (EXPERIMENT, values) for name, values in experiment.coords.items()},
        **{str(n): c.variable for n, c in sequences.coords.items() if c.dims == (SEQUENCE,)},
    }
    return as_kind(Effects, xr.Dataset(parts, coords, {"procedure": experiment.name}))


def _tables(
    rows: Rows,
    inputs: ModelInputs,
    model: Any,
    targets: Targets,
    experiment: Experiment,
    batch_size: int,
    progress: bool | None,
) -> np.ndarray:
    """Give predictions before, after, and their deviations: float32 (sequence, table, target)."""
    n, n_variants, n_draws = len(rows.codes), len(experiment.names), experiment.n_draws
    shape = (n, n_variants, len(targets.names))
    if n == 0:
        return np.empty((0, 1 + n_variants * (1 + (n_draws > 1)), shape[2]), np.float32)

    def score(chosen: np.ndarray, codes: np.ndarray) -> np.ndarray:
        values, _ = apply_model(
            codes,
            model,
            targets=targets,
            tracks=None if rows.tracks is None else rows.tracks[chosen],
            args=[argument[chosen] for argument in rows.args],
            batch_size=batch_size,
            progress=False,
            first_sequence=rows.first_sequence if len(chosen) == n else 0,
            **inputs.options,
        )
        return values

    sums, squares = np.zeros(shape), np.zeros(shape)
    done = np.zeros((n, n_variants), np.bool_)
    with ready(model, inputs.options["device"]):
        before = score(np.arange(n), rows.codes)
        # Changes are taken from the sequence as it is, so that their squares lose no digits.
        for number, chosen, values in _scored(rows, experiment, score, batch_size, progress):
            moved = values.astype(np.float64) - before[chosen]
            sums[chosen, number] += moved
            squares[chosen, number] += moved**2
            done[chosen, number] = True
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(done[:, :, None], sums / n_draws, np.nan)
    tables = [before[:, None], before[:, None] + mean]
    if n_draws > 1:
        variance = np.maximum(squares - n_draws * mean**2, 0) / (n_draws - 1)
        tables.append(np.sqrt(variance))
    return np.concatenate(tables, axis=1).astype(np.float32)


def _scored(
    rows: Rows,
    experiment: Experiment,
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    batch_size: int,
    progress: bool | None,
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield variant, sequences and predictions; small changes go to the model together."""
    waiting: list[tuple[int, np.ndarray, np.ndarray]] = []

    def flush() -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        if not waiting:
            return
        values = score(*(np.concatenate([one[i] for one in waiting]) for i in (1, 2)))
        first = 0
        for number, chosen, _ in waiting:
            yield number, chosen, values[first : first + len(chosen)]
            first += len(chosen)
        waiting.clear()

    n_draws = experiment.n_draws
    for job in progress_steps(len(experiment.names) * n_draws, 1, progress, experiment.name):
        number, draw = divmod(job, n_draws)
        chosen, codes = experiment.change(rows, number, draw)
        if len(chosen):
            waiting.append((number, chosen, codes))
        if sum(len(one[1]) for one in waiting) >= batch_size:
            yield from flush()
    yield from flush()


def named_motifs(motifs: Any, alphabet: str, argument: str = "motifs") -> dict[str, np.ndarray]:
    """Give motifs as probabilities (letter, motif_position), by name.

    Parameters
    ----------
    motifs
        A `MotifSet`, a mapping of names to consensus strings or matrices, or a sequence of them.
    """
    if isinstance(motifs, xr.Dataset):
        MotifSet.check(motifs)
        matrices, widths, _ = motif_probabilities(as_kind(MotifSet, motifs), alphabet)
        ids = [str(name) for name in motifs[MOTIF].values.tolist()]
        return {name: m[:, :w] for name, m, w in zip(ids, matrices, widths, strict=True)}
    if isinstance(motifs, str) or getattr(motifs, "ndim", 0) == 2:
        motifs = [motifs]
    if isinstance(motifs, Mapping):
        named = {str(name): motif for name, motif in motifs.items()}
    elif isinstance(motifs, Sequence | np.ndarray):
        labels = [m if isinstance(m, str) else f"motif{i}" for i, m in enumerate(motifs)]
        twice = {label for label in labels if labels.count(label) > 1}
        labels = [f"{label}_{i}" if label in twice else label for i, label in enumerate(labels)]
        named = dict(zip(labels, motifs, strict=True))
    else:
        raise InvalidInput(argument, f"a {type(motifs).__name__}", "use strings or matrices")
    if not named or len(named) < len(motifs):
        found = "there are none" if not named else f"names repeat: {list(motifs)}"
        raise InvalidInput(argument, found, "give at least one, each with its own name")
    _refuse_other_nucleotides(named, alphabet, argument)
    values, widths = padded(named, alphabet, argument=argument, probabilities=True)
    for name, matrix, width in zip(named, values, widths, strict=True):
        sums = matrix[:, :width].sum(axis=0)
        bad = not np.isfinite(matrix).all() or (matrix < 0).any() or (abs(sums - 1) > 1e-3).any()
        if width == 0 or bad:
            found = f"motif {name!r} " + (
                "is empty" if not width else "has columns that do not sum to 1"
            )
            raise InvalidInput(argument, found, "use probabilities, not counts")
    return {name: m[:, :w] for name, m, w in zip(named, values, widths, strict=True)}


def _refuse_other_nucleotides(named: Mapping[str, Any], alphabet: str, argument: str) -> None:
    """Refuse consensus strings of RNA for DNA, and the other way round."""
    own, other = ("T", "U") if "T" in alphabet.upper() else ("U", "T")
    if set(alphabet.upper()) != {*"ACG", own}:
        return
    for name, motif in named.items():
        if isinstance(motif, str) and other in motif.upper():
            found = f"motif {name!r} has {other!r}, and the sequences are of {alphabet!r}"
            raise InvalidInput(argument, found, f"write {own!r} for {other!r}")


def refuse_padding(rows: Rows, start: int, end: int, argument: str, what: str) -> None:
    """Refuse to write over padding, naming the first sequence."""
    padding = (rows.codes[:, start:end] == PADDING).any(axis=1)
    if padding.any():
        row = rows.first_sequence + int(padding.argmax())
        found = f"{what} would cover padding of sequence {row}"
        raise InvalidInput(argument, found, "choose a position where all have letters")
