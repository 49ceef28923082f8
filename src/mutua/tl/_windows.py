"""What functions on the neurons of convolutional layers share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mutua.blocks import is_chunked
from mutua.errors import InvalidInput
from mutua.kernels.conv_layers import TracedConvolutions, trace_convolutions
from mutua.kernels.traced_maps import PROBE
from mutua.kernels.window_activations import Maxima, WindowEvaluator
from mutua.models import Dataset, SequenceSet
from mutua.models.arguments import whole_number
from mutua.models.dims import CODES, POSITION, SEQUENCE
from mutua.settings import settings
from mutua.tl._models import model_inputs

__all__ = ["channel_list", "code_blocks", "evaluator", "traced_model", "window_maxima"]


def traced_model(
    sequences: Dataset[SequenceSet], model: Any, args: Sequence[Any], device: str | None
) -> TracedConvolutions:
    """Give the convolutional layers of a model that takes these sequences."""
    inputs = model_inputs(sequences, args, encoding="one_hot", device=device)
    return trace_convolutions(
        model,
        n_letters=len(sequences.attrs["alphabet"]),
        length=sequences.sizes[POSITION],
        n_tracks=0 if inputs.tracks is None else inputs.tracks.shape[1],
        args=[_probe_rows(one) for one in inputs.args],
        device=device,
    )


def _probe_rows(argument: Any) -> Any:
    """Give a few rows of an argument of a model: its first one, or zeros if that is not known."""
    if hasattr(argument, "detach"):
        return argument[[0] * PROBE] if len(argument) else argument.new_zeros(
            (PROBE, *argument.shape[1:]))  # fmt: skip
    if is_chunked(argument) or not len(np.atleast_1d(argument)):
        return np.zeros((PROBE, *argument.shape[1:]), argument.dtype)
    return np.asarray(argument)[[0] * PROBE]


def evaluator(
    traced: TracedConvolutions,
    sequences: Dataset[SequenceSet],
    layer: str,
    *,
    argument: str = "layer",
    stacklevel: int = 4,
) -> WindowEvaluator:
    """Give the activations of a layer, and warn if windows have to be computed one by one."""
    traced.find(layer, argument)
    found = WindowEvaluator(traced, layer)
    if sequences.sizes[SEQUENCE] == 0:
        raise InvalidInput("sequences", "there are none", "pass at least one sequence")
    length = sequences.sizes[POSITION]
    if length < found.receptive_field:
        text = f"{length} letters, and neurons of {layer!r} see {found.receptive_field}"
        raise InvalidInput("sequences", text, "use longer sequences or an earlier layer")
    if not found.exact_dense:
        warnings.warn(
            f"windows of {layer!r} are computed one by one, each as a sequence of its own: "
            f"{found.why_not}",
            UserWarning,
            stacklevel=stacklevel,
        )
    return found


def channel_list(neurons: Sequence[int] | None, n: int) -> list[int]:
    """Give the channels that are asked for; all of `n` by default."""
    if neurons is None:
        return list(range(n))
    if isinstance(neurons, str) or not np.iterable(neurons):
        raise InvalidInput("neurons", f"{neurons!r}", "use a list of channels")
    channels = [whole_number("neurons", one, low=0, high=n - 1) for one in neurons]
    if not channels or len(set(channels)) < len(channels):
        found = "none" if not channels else "channels that repeat"
        raise InvalidInput("neurons", found, f"use different numbers from 0 to {n - 1}")
    return channels


def code_blocks(sequences: Dataset[SequenceSet]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of the first sequence and letter codes, block by block."""
    codes = sequences[CODES].variable
    n, length = codes.shape
    # One-hot letters are made of less still.
    most = max(1, settings.memory // (8 * max(1, length)))
    first = 0
    for size in codes.chunksizes.get(SEQUENCE, (n,)):
        for start in range(first, first + size, most):
            stop = min(start + most, first + size)
            yield start, np.ascontiguousarray(codes[start:stop].values)
        first += size


def window_maxima(
    found: WindowEvaluator, sequences: Dataset[SequenceSet], progress: bool | None
) -> Maxima:
    """Give the largest activations in all sequences."""
    n = sequences.sizes[SEQUENCE]
    activation = np.empty((n, found.channels), np.float32)
    start = np.empty((n, found.channels), np.int32)
    for first, codes in code_blocks(sequences):
        rows = slice(first, first + len(codes))
        activation[rows], start[rows] = found.maxima(codes, progress=progress, first_sequence=first)
    return Maxima(activation, start)
