"""The convolutional layers of a model, and the windows that their neurons see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mutua.errors import InvalidInput
from mutua.kernels.apply_model import ready, tensor_rows
from mutua.kernels.replayed_maps import Node, Values, replay
from mutua.kernels.traced_maps import PROBE, Conv, Trace, trace

__all__ = ["ConvLayer", "TracedConvolutions", "trace_convolutions"]

_TOLERANCE = 1e-4


class ConvLayer(NamedTuple):
    """A convolutional layer, as it is run.

    Attributes
    ----------
    name
        Name of its module; ``#2`` and so on for further convolutions in the same module, and
        ``convolution`` for one in the model itself.
    channels
        Neurons.
    kernel, dilation, padding
        Of the convolution itself, in positions of its input; `padding` in front of it.
    jump
        Letters from one output to the next.
    receptive_field
        Letters of the window that one output sees; 0 if that is not known.
    exact
        Whether the activations of all windows of a sequence can be computed at once.
    why_not
        If they cannot: why.
    """

    name: str
    channels: int
    kernel: int
    dilation: int
    padding: int
    jump: int
    receptive_field: int
    exact: bool
    why_not: str


class TracedConvolutions(NamedTuple):
    """The convolutional layers of a model in the order they are run, and how to compute them."""

    layers: list[ConvLayer]
    nodes: list[Node]
    numbers: list[int]
    """Node of each layer; -1 where it cannot be followed."""
    n_letters: int
    n_tracks: int
    place: Any
    """torch.device of its weights."""

    def find(self, layer: str, argument: str = "layer") -> int:
        """Give the number of a layer that has windows.

        Raises
        ------
        InvalidInput
            If there is no such layer, or its windows are not known.
        """
        names = [one.name for one in self.layers]
        if layer not in names:
            raise InvalidInput(argument, f"{layer!r}", f"use one of {names}")
        number = names.index(layer)
        if self.numbers[number] < 0:
            found = f"{layer!r}, whose windows are not known: {self.layers[number].why_not}"
            usable = [one.name for one in self.layers if one.receptive_field]
            remedy = f"use one of {usable}" if usable else "use another model"
            raise InvalidInput(argument, found, remedy)
        return number


def trace_convolutions(
    model: Any,
    *,
    n_letters: int,
    length: int,
    n_tracks: int = 0,
    args: Sequence[Any] = (),
    device: str | None = None,
) -> TracedConvolutions:
    """Find the convolutional layers of a model by applying it to made-up sequences.

    Receptive fields follow from all that lies between input and layer, branches included. They
    are held against what the model gives for other made-up sequences.

    Parameters
    ----------
    model
        A torch module; it sees float32 (sequence, letter and track, position). Its modes, device
        and hooks are put back as they were, even if it fails.
    n_letters, length
        Letters of the alphabet, and positions of a sequence that the model takes.
    n_tracks
        Further channels below the letters; they are 0.
    args
        Further arguments of the model, with 3 rows each.
    device
        ``auto``, ``cpu`` or ``cuda``; None for the setting.

    Returns
    -------
    TracedConvolutions

    Raises
    ------
    InvalidInput
        If the model is no module or runs no convolution. What the model itself raises comes
        through unchanged.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(
    ...     torch.nn.Conv1d(4, 8, 5), torch.nn.ReLU(), torch.nn.MaxPool1d(2),
    ...     torch.nn.Conv1d(8, 6, 5, padding=2),
    ... )
    >>> found = trace_convolutions(model, n_letters=4, length=60)
    >>> [(one.name, one.receptive_field, one.jump) for one in found.layers]
    [('0', 5, 1), ('3', 14, 2)]
    """
    import torch

    if not isinstance(model, torch.nn.Module):
        found = f"a {type(model).__name__}" + (" (a class)" if isinstance(model, type) else "")
        raise InvalidInput("model", found, "pass a torch module, whose layers have names")
    with ready(model, device) as place:
        rows = slice(0, PROBE)
        known, other = (
            trace(
                model,
                probe,
                [tensor_rows(one, rows, place) for one in args],
                keep=number == 1,
            )
            for number, probe in enumerate(_probes(n_letters, length, n_tracks, place))
        )
        if not known.convs:
            found = f"a {type(model).__name__} that runs no convolution"
            raise InvalidInput("model", found, "use a model with torch.nn.Conv1d layers")
        probe = _probes(n_letters, length, n_tracks, place)[1]
        layers, numbers = _checked(known, other, probe)
    return TracedConvolutions(layers, known.nodes, numbers, n_letters, n_tracks, place)


def _probes(n_letters: int, length: int, n_tracks: int, place: Any) -> list[Any]:
    """Give two sets of random sequences, as unlike as may be, as a model takes them."""
    import torch

    random = np.random.default_rng(0)
    probes = []
    for n in (n_letters, max(1, n_letters // 2)):
        letters = random.integers(0, n, (PROBE, length))
        channels = np.zeros((PROBE, n_letters + n_tracks, length), np.float32)
        np.put_along_axis(channels, letters[:, None], 1, axis=1)
        probes.append(torch.from_numpy(channels).to(place))
    return probes


def _checked(known: Trace, other: Trace, probe: Any) -> tuple[list[ConvLayer], list[int]]:
    """Give the layers; those that other sequences show to be computed otherwise have no window."""
    steady = [conv[:-1] for conv in known.convs] == [conv[:-1] for conv in other.convs]
    length, layers, numbers = probe.shape[2], [], []
    for conv, output in zip(known.convs, other.outputs if steady else known.convs, strict=True):
        why = conv.lost or ("" if steady else "the model runs other layers for other sequences")
        node = known.nodes[conv.node]
        if not why and node.receptive_field <= length and not node.mixes:
            (value,) = replay(known.nodes, probe, [conv.node], every=True)
            if not _agrees(value, node, output):
                why = "the model computes it otherwise for other sequences"
        if not why:
            why = _window_fault(known.nodes, conv, probe)
        layers.append(
            ConvLayer(
                conv.name, conv.channels, conv.kernel, conv.dilation, conv.padding,
                0 if why else node.jump,
                0 if why else node.receptive_field,
                not why and not node.mixes,
                why or node.mixes,
            )
        )  # fmt: skip
        numbers.append(-1 if why else conv.node)
    return layers, numbers


def _agrees(value: Values, node: Node, output: Any) -> bool:
    """Tell whether a map is what the model gave, where no padding has reached."""
    import torch

    assert node.axis is not None
    n, jump = output.shape[node.axis], node.jump
    first = max(0, -(-value.place // jump))
    last = min(n - 1, (value.place + value.data.shape[node.axis] - 1) // jump)
    if last < first:
        return True
    index: list[Any] = [slice(None)] * output.ndim
    index[node.axis] = slice(first * jump - value.place, last * jump - value.place + 1, jump)
    ours, theirs = value.data[tuple(index)], output.narrow(node.axis, first, last - first + 1)
    if ours.shape != theirs.shape:
        return False
    # What is not finite is found where activations are computed.
    scale = float(theirs.nan_to_num(posinf=0, neginf=0).abs().max())
    return torch.allclose(ours, theirs, rtol=_TOLERANCE, atol=_TOLERANCE * scale, equal_nan=True)


def _window_fault(nodes: list[Node], conv: Conv, probe: Any) -> str:
    """Say why a layer has not one output for a window as long as its receptive field, if so."""
    node = nodes[conv.node]
    width = node.receptive_field
    windows = probe.repeat(1, 1, -(-width // probe.shape[2]))[:, :, :width]
    try:
        (value,) = replay(nodes, windows, [conv.node], every=False)
    # What functions raise that do not take short windows is of any sort.
    except Exception as error:
        return f"it cannot be applied to a window of {width} letters alone: {error}"
    n = value.data.shape[node.axis]
    return "" if n == 1 else f"a window of {width} letters gives {n} outputs"
