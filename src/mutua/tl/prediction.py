"""What a model predicts for sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.apply_model import apply_model
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.arguments import whole_number
from mutua.models.dims import PREDICTION, SEQUENCE, TARGET
from mutua.tl._models import ModelInputs, Rows, model_inputs, without_targets

__all__ = ["predict"]


@checked
def predict(
    sequences: Dataset[SequenceSet],
    model: Any,
    *,
    target: str | int | Callable[[Any], Any] | Sequence[Any] | None = None,
    target_names: Sequence[str] | None = None,
    args: Sequence[Any] = (),
    encoding: str = "one_hot",
    batch_size: int = 256,
    device: str | None = None,
    progress: bool | None = None,
) -> Dataset[SequenceSet]:
    """Score sequences with a model.

    Parameters
    ----------
    sequences
        (sequence, position). If they have ``tracks``, these are stacked below the one-hot
        letters, so that the model sees letters + tracks channels. A dask-backed set is scored
        chunk by chunk, when the predictions are computed.
    model
        A torch module, run in evaluation mode without gradients and left in the modes and on the
        device it was in, even if it fails; or any callable. It gives a tensor or array
        (sequence,) or (sequence, target), or a tuple or dictionary of them, taken side by side.
    target
        What to keep of the output: the name or index of a target, a function of the whole
        output, or several of one sort. By default everything. An output with more axes, such as
        a profile (sequence, strand, base), has to be reduced by a function, e.g.
        ``lambda profile: profile.sum((1, 2))``.
    target_names
        Names of the model's outputs; by default its attribute ``target_names``, the keys of a
        dictionary, ``prediction`` for a single output, or 0, 1, ... With functions as `target`,
        names of what these give.
    args
        Further arguments of the model: a list of arrays or tensors, each with one row a sequence.
        They become tensors; float64 arrays become float32, tensors keep their type.
    encoding
        What the model sees: ``"one_hot"``, a float32 tensor (sequence, letter, position);
        ``"codes"``, uint8 (sequence, position), a tensor for a module and an array for another
        callable; ``"text"``, a list of strings without padding.
    batch_size
        Sequences at once. On a CPU some hundred are faster than some thousand.
    device
        ``"auto"`` (a usable GPU, else the CPU), ``"cpu"`` or ``"cuda"``; by default that of
        `mutua.settings`. With ``"auto"`` a callable that is no module gets its input on the CPU.
    progress
        Show a progress bar; by default as `mutua.settings` says. Lazy predictions show none.

    Returns
    -------
    SequenceSet
        With ``prediction`` (sequence, target), float32, in place of earlier predictions and of
        all else along ``target``.

    Raises
    ------
    InvalidInput
        If there are no sequences, the model gives another number of rows, more axes than
        (sequence, target), NaN or no numbers, or a target is unknown. What the model itself
        raises comes through unchanged.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Notes
    -----
    torch does not promise the same last bits for other batch sizes, threads or devices: expect
    differences of some 1e-6 of the values between them, and so between chunked and whole sets.

    Lazy predictions use the model as it is when they are computed. How many targets it has is
    found out at once, from two made-up sequences. Models run one at a time in a process.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(4, length=53, seed=0)
    >>> seqs = mt.tl.predict(seqs, mt.datasets.splice_acceptor())
    >>> seqs["prediction"].dims, seqs["target"].values.tolist()
    (('sequence', 'target'), ['acceptor'])

    A function will do as well, and may say what it wants to see:

    >>> seqs = mt.tl.predict(seqs, lambda texts: [len(text) for text in texts], encoding="text")
    >>> seqs["prediction"].values.ravel().tolist()
    [53.0, 53.0, 53.0, 53.0]
    """
    batch_size = whole_number("batch_size", batch_size, low=1)
    if progress is not None and not isinstance(progress, bool):
        raise InvalidInput("progress", f"{progress!r}", "use True, False or None")
    if sequences.sizes[SEQUENCE] == 0:
        raise InvalidInput("sequences", "there are none", "pass at least one sequence")
    inputs = model_inputs(sequences, args, encoding=encoding, device=device)
    if inputs.lazy:
        values, names = _chunk_by_chunk(inputs, model, target, target_names, batch_size)
    else:
        rows = inputs.rows()
        values, names = apply_model(
            rows.codes,
            model,
            target=target,
            target_names=target_names,
            tracks=rows.tracks,
            args=rows.args,
            batch_size=batch_size,
            progress=progress,
            **inputs.options,
        )
    result = without_targets(sequences)
    table = xr.Variable((SEQUENCE, TARGET), values, {"long_name": "output of the model"})
    return as_kind(
        SequenceSet, result.assign({PREDICTION: table}).assign_coords({TARGET: list(names)})
    )


def _chunk_by_chunk(
    inputs: ModelInputs, model: Any, target: Any, target_names: Any, batch_size: int
) -> tuple[Any, tuple[str, ...]]:
    """Give lazy predictions; only made-up sequences are scored, to know the targets."""
    targets = inputs.find_targets(model, target, target_names)

    def one_block(rows: Rows) -> np.ndarray:
        values, _ = apply_model(
            rows.codes,
            model,
            targets=targets,
            tracks=rows.tracks,
            args=rows.args,
            batch_size=batch_size,
            progress=False,
            first_sequence=rows.first_sequence,
            **inputs.options,
        )
        return values

    return inputs.by_blocks(one_block, (len(targets.names),)), targets.names
