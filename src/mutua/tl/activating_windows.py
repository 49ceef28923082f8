"""The windows of sequences that activate the neurons of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import xarray as xr

from mutua.kernels.window_activations import ActiveWindows, WindowEvaluator, best_apart
from mutua.models import Annotations, Dataset, SequenceSet, checked
from mutua.models.arguments import number, one_of
from mutua.models.dims import END, MOTIF, MOTIF_INDEX, SEQUENCE_INDEX, START
from mutua.tl._annotating import as_annotations, sequence_parts
from mutua.tl._windows import channel_list, code_blocks, evaluator, traced_model, window_maxima

__all__ = ["activating_windows"]


@checked
def activating_windows(
    sequences: Dataset[SequenceSet],
    model: Any,
    layer: str,
    *,
    neurons: Sequence[int] | None = None,
    threshold: float = 0.9,
    which: Literal["best", "all"] = "best",
    args: Sequence[Any] = (),
    device: str | None = None,
    progress: bool | None = None,
) -> Dataset[Annotations]:
    """Give the windows of sequences that activate the neurons of a convolutional layer.

    Parameters
    ----------
    sequences
        (sequence, position). Windows with unknown letters or padding are left out. ``tracks`` are
        0 in every window. A dask-backed set is read chunk by chunk.
    model
        A torch module, as for `mutua.tl.layers`.
    layer
        Name of the layer, as `mutua.tl.layers` gives it.
    neurons
        Channels of the layer, from 0; all by default.
    threshold
        Share of the largest activation that the neuron has in any sequence; windows above it are
        given.
    which
        ``"best"``, the best window of each sequence, the first of equal ones; ``"all"``, all that
        do not overlap, the best ones first.
    args, device, progress
        As for `mutua.tl.predict`.

    Returns
    -------
    Annotations
        One row a window, with source ``neuron``: sequence, start, end and the activation as
        ``score``. The motifs are the neurons, called by layer and channel, such as ``conv2:17``.
        Rows are sorted by sequence, start and neuron. A neuron that no window activates has none.

    Warns
    -----
    UserWarning
        If windows have to be computed one by one, each as a sequence of its own.

    Raises
    ------
    InvalidInput
        If there is no such layer or neuron, its windows are not known, sequences are shorter than
        they, or an activation is not finite.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Notes
    -----
    The activation of a neuron is what its convolution gives with its bias for a window as long as
    the receptive field, without padding, before normalization and the like. All windows of a
    sequence are computed at once where the model allows. The sites are those of CombMotif, which
    keeps the first window of a sequence.

    Examples
    --------
    >>> import torch
    >>> import mutua as mt
    >>> model = torch.nn.Sequential(torch.nn.Conv1d(4, 1, 6), torch.nn.ReLU())
    >>> letters = mt.pp.one_hot(mt.from_strings(["GATTAC"]))
    >>> with torch.no_grad():
    ...     _ = model[0].weight.copy_(torch.from_numpy(letters))
    ...     _ = model[0].bias.zero_()
    >>> seqs = mt.from_strings(["CCGATTACAGG", "TTTTTTTTTTT", "AGATTACGATT"])
    >>> windows = activating_windows(seqs, model, "0")
    >>> windows["sequence_index"].values, windows["start"].values, windows["score"].values
    (array([0, 2], dtype=int32), array([2, 1], dtype=int32), array([6., 6.]))
    """
    threshold = number("threshold", threshold, low=0, high=1)
    one_of("which", which, ("best", "all"))
    traced = traced_model(sequences, model, args, device)
    found = evaluator(traced, sequences, layer)
    channels = channel_list(neurons, found.channels)
    most = window_maxima(found, sequences, progress)
    activation, start = most.activation[:, channels], most.start[:, channels]
    known = np.where(np.isnan(activation), -np.inf, activation)
    top = known.max(axis=0)
    # A share of an activation of 0 or below would be above it.
    least = np.where(top > 0, threshold * top, np.inf).astype(np.float32)
    if which == "best":
        row, place = np.nonzero(known > least)
        windows = ActiveWindows(
            row.astype(np.int32), place.astype(np.int32), start[row, place], known[row, place]
        )
    else:
        windows = _all_windows(found, sequences, channels, least)
    order = np.lexsort((windows.channel, windows.start, windows.sequence))
    begin = windows.start[order]
    columns = {
        SEQUENCE_INDEX: windows.sequence[order],
        START: begin,
        END: begin + np.int32(found.receptive_field),
        MOTIF_INDEX: windows.channel[order],
        "score": windows.activation[order].astype(np.float64),
    }
    names = np.array([f"{layer}:{channel}" for channel in channels])
    parts = sequence_parts(sequences) | {MOTIF: xr.Variable((MOTIF,), names)}
    return as_annotations(columns, parts, source="neuron")


def _all_windows(
    found: WindowEvaluator,
    sequences: Dataset[SequenceSet],
    channels: list[int],
    least: np.ndarray,
) -> ActiveWindows:
    """Give the windows that do not overlap better ones of the same neuron."""
    parts = []
    for first, codes in code_blocks(sequences):
        windows = found.active_windows(codes, channels, least, first_sequence=first)
        kept = best_apart(windows, found.receptive_field)
        parts.append([column[kept] for column in windows])
    sequence, channel, start, score = map(np.concatenate, zip(*parts, strict=True))
    return ActiveWindows(sequence, channel, start, score)
