"""Activations of the neurons of a layer in every window of sequences."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.errors import InvalidInput
from mutua.kernels.apply_model import progress_steps, ready
from mutua.kernels.conv_layers import ConvLayer, TracedConvolutions
from mutua.kernels.devices import full_precision, with_tiles
from mutua.kernels.letters import check_codes, one_hot
from mutua.kernels.replayed_maps import needed_nodes, replay

__all__ = ["ActiveWindows", "Maxima", "WindowEvaluator", "best_apart"]

Floats = npt.NDArray[np.float32]

_CPU_BYTES, _GPU_BYTES = 2**23, 2**28
"""Size of one map of a block of sequences: what a cache holds, or keeps a GPU busy."""


class Maxima(NamedTuple):
    """The largest activation of each neuron in each sequence.

    Attributes
    ----------
    activation
        float32 (sequence, channel); NaN for a sequence without a window of known letters.
    start
        int32 (sequence, channel): first letter of the first window that has it, -1 for none.
    """

    activation: Floats
    start: npt.NDArray[np.int32]


class ActiveWindows(NamedTuple):
    """Windows in which neurons are active, one a row, sorted by sequence, channel and start."""

    sequence: npt.NDArray[np.int32]
    channel: npt.NDArray[np.int32]
    """Place in the list of channels that was asked for."""
    start: npt.NDArray[np.int32]
    activation: Floats


class WindowEvaluator:
    """Activations of one layer in windows as long as its receptive field.

    An activation is the output of the convolution itself with its bias, before normalization and
    the like, for the window alone and without padding. Further input tracks are 0.

    Parameters
    ----------
    traced
        Of the model.
    layer
        Name of the layer.

    Attributes
    ----------
    layer
        `ConvLayer`.
    receptive_field, channels
        Letters of a window, and neurons.
    exact_dense, why_not
        Whether all windows of a sequence are computed at once, and if not, why. Otherwise each
        is computed by itself, and is a sequence of its own to what takes all positions together.

    Raises
    ------
    InvalidInput
        If there is no such layer, or its windows are not known.

    Notes
    -----
    The weights are those of the model when it was traced, unless they are changed in place.
    torch does not promise the same last bits for other numbers of sequences at once: expect
    differences of 1e-6 of the largest activation, as between a CPU and a GPU, where convolutions
    are computed without TF32.

    Examples
    --------
    >>> import torch
    >>> from mutua.kernels.conv_layers import trace_convolutions
    >>> model = torch.nn.Sequential(torch.nn.Conv1d(4, 1, 3, padding=1, bias=False))
    >>> _ = torch.nn.init.ones_(model[0].weight)
    >>> evaluator = WindowEvaluator(trace_convolutions(model, n_letters=4, length=6), "0")
    >>> codes = np.array([[0, 1, 2, 3, 0, 254]], np.uint8)
    >>> evaluator.windows(one_hot(codes, 4))
    array([[[ 3.,  3.,  3., nan]]], dtype=float32)
    """

    def __init__(self, traced: TracedConvolutions, layer: str) -> None:
        number = traced.find(layer)
        self._traced = traced
        self._number = number
        self._node = traced.numbers[number]
        self.layer: ConvLayer = traced.layers[number]
        self.receptive_field: int = self.layer.receptive_field
        self.channels: int = self.layer.channels
        self.exact_dense: bool = self.layer.exact
        self.why_not: str = self.layer.why_not
        self._widest = max([one.channels for one in traced.layers[: number + 1]])
        self._most_letters = sys.maxsize

    @property
    def earlier_layers(self) -> list[str]:
        """Layers that this one is computed from, deepest first."""
        traced = self._traced
        below = set(needed_nodes(traced.nodes, [self._node]))
        both = zip(traced.layers, traced.numbers, strict=True)
        names = [one.name for one, node in both if node in below and node != self._node]
        return names[::-1]

    def __call__(self, windows: Any) -> Any:
        """Give the activations in windows of `receptive_field` letters.

        Parameters
        ----------
        windows
            Float (window, letter, position): one-hot or the like. A tensor or an array.

        Returns
        -------
        tensor or float32 array (window, channel)
            A tensor for a tensor; gradients flow through it.
        """
        if not hasattr(windows, "detach"):
            return self._in_blocks(np.asarray(windows), self._at_windows)
        import torch

        self._check(windows, self.receptive_field)
        with self._computing(torch.is_grad_enabled() and windows.requires_grad):
            return self._at_windows(windows)

    def windows(self, sequences: Any) -> Floats:
        """Give the activations in every window of sequences.

        Parameters
        ----------
        sequences
            Float array or tensor (sequence, letter, position), one-hot or the like.

        Returns
        -------
        float32 array (sequence, channel, start)
            With length - receptive_field + 1 starts; NaN where the window has an unknown letter,
            all of whose values are 0.

        Raises
        ------
        InvalidInput
            If they are shorter than the receptive field, or an activation is not finite.
        """
        values = sequences.detach().cpu().numpy() if hasattr(sequences, "detach") else sequences
        values = np.ascontiguousarray(values, np.float32)
        self._check(values, None)
        n_starts = values.shape[2] - self.receptive_field + 1
        found = np.empty((len(values), self.channels, n_starts), np.float32)
        with self._computing(False):
            for rows in self._blocks(len(values), values.shape[2]):
                found[rows] = self._dense(values[rows], rows.start).cpu().numpy()
        return found

    def maxima(
        self,
        codes: npt.NDArray[np.uint8],
        *,
        progress: bool | None = False,
        first_sequence: int = 0,
    ) -> Maxima:
        """Give the largest activation of each neuron in each sequence.

        Parameters
        ----------
        codes
            uint8 (sequence, position). Windows with unknown letters or padding do not count.
        progress
            Show a progress bar; None for the setting.
        first_sequence
            Number of the first sequence among all, for messages.

        Raises
        ------
        InvalidInput
            If they are shorter than the receptive field, or an activation is not finite.
        """
        import torch

        codes = self._known_codes(codes)
        n = len(codes)
        most = np.empty((n, self.channels), np.float32)
        start = np.empty((n, self.channels), np.int32)
        size = self._block_size(codes.shape[1])
        for first in progress_steps(n, size, progress, f"windows of {self.layer.name}"):
            rows = slice(first, first + size)
            with self._computing(False):
                values = self._dense(
                    one_hot(codes[rows], self._traced.n_letters), first_sequence + first
                )
                value, place = torch.nan_to_num(values, nan=-torch.inf).max(dim=2)
                most[rows], start[rows] = value.cpu().numpy(), place.cpu().numpy()
        none = np.isneginf(most)
        most[none], start[none] = np.nan, -1
        return Maxima(most, start)

    def active_windows(
        self,
        codes: npt.NDArray[np.uint8],
        channels: Sequence[int],
        thresholds: npt.ArrayLike,
        *,
        first_sequence: int = 0,
    ) -> ActiveWindows:
        """Give all windows in which an activation exceeds the threshold of its neuron.

        Parameters
        ----------
        codes
            uint8 (sequence, position).
        channels
            Neurons.
        thresholds
            (channel,) for each of these.
        first_sequence
            Number of the first sequence among all.
        """
        import torch

        codes = self._known_codes(codes)
        chosen = torch.as_tensor(list(channels), device=self._traced.place)
        least = torch.as_tensor(np.asarray(thresholds, np.float32), device=self._traced.place)
        found = []
        for rows in self._blocks(len(codes), codes.shape[1]):
            with self._computing(False):
                number = first_sequence + rows.start
                values = self._dense(one_hot(codes[rows], self._traced.n_letters), number)
                values = values[:, chosen]
                at = torch.nonzero(values > least[:, None])
                activation = values[tuple(at.T)].cpu().numpy()
                row, channel, start = at.T.to(torch.int32).cpu().numpy()
                found.append((row + np.int32(number), channel, start, activation))
        columns = zip(*found, strict=True) if found else [[np.zeros(0, t)] for t in "iiif"]
        return ActiveWindows(*(np.concatenate(parts) for parts in columns))

    def layer_maps(self, windows: Any, layer: str) -> Floats:
        """Give the map of an earlier layer in windows of `receptive_field` letters.

        Parameters
        ----------
        windows
            Float array (window, letter, position).
        layer
            One of `earlier_layers`.

        Returns
        -------
        float32 array (window, channel, position)
            The outputs of its convolution at all places of the window, as far apart as in the
            model.
        """
        earlier = self.earlier_layers
        if layer not in earlier:
            raise InvalidInput("layer", f"{layer!r}", f"use one of {earlier}")
        traced = self._traced
        number = traced.numbers[traced.find(layer)]

        def maps(batch: Any) -> Any:
            both = replay(traced.nodes, self._channels(batch), [number, self._node], every=False)
            return _flat(both[0].data, traced.nodes[number].axis)

        return self._in_blocks(np.asarray(windows), maps)

    @contextlib.contextmanager
    def _computing(self, gradients: bool) -> Iterator[None]:
        """Compute with no more threads than allowed, and with gradients only where wanted."""
        import torch

        exact: Any = contextlib.nullcontext()
        if self._on_gpu:
            exact = full_precision(deterministic=True)
        with ready(_nothing, "cpu"), torch.set_grad_enabled(gradients), exact:
            yield

    def _block_size(self, length: int) -> int:
        if not self.exact_dense:
            length = max(1, length - self.receptive_field + 1) * self.receptive_field
        return self._block_of(length)

    def _block_of(self, length: int) -> int:
        """Give how many sequences of a length are best computed together."""
        return max(1, (_GPU_BYTES if self._on_gpu else _CPU_BYTES) // (4 * self._widest * length))

    @property
    def _on_gpu(self) -> bool:
        return bool(self._traced.place.type != "cpu")

    def _fitting(self, function: Any, batch: Any) -> Any:
        """Apply a function to a batch, in parts where the GPU's memory does not hold all of it."""
        import torch

        if not self._on_gpu or not len(batch):
            return function(batch)
        length = batch.shape[2]
        row_bytes = 4.0 * self._widest * length * (self._number + 1)

        def in_parts(tile: int) -> Any:
            found = torch.cat([function(part) for part in batch.split(tile)])
            if tile < len(batch):
                self._most_letters = tile * length  # they fit
            return found

        return with_tiles(
            in_parts,
            min(len(batch), max(1, self._most_letters // length)),
            smallest=1,
            argument="sequences",
            needed=lambda tile: tile * row_bytes,
        )

    def _blocks(self, n: int, length: int) -> Iterator[slice]:
        size = self._block_size(length)
        for first in range(0, n, size):
            yield slice(first, min(first + size, n))

    def _in_blocks(self, windows: np.ndarray, function: Any) -> Floats:
        """Apply a function to blocks of windows."""
        import torch

        self._check(windows, self.receptive_field)
        windows = np.ascontiguousarray(windows, np.float32)
        size = self._block_of(self.receptive_field)
        starts = range(0, max(1, len(windows)), size)
        with self._computing(False):
            parts = [
                self._fitting(function, torch.from_numpy(windows[first : first + size]))
                .cpu()
                .numpy()
                for first in starts
            ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _channels(self, batch: Any) -> Any:
        """Give sequences as the model takes them, on its device: tracks are 0."""
        import torch

        batch = batch.to(self._traced.place)
        n_tracks = self._traced.n_tracks
        if not n_tracks:
            return batch
        zeros = torch.zeros(len(batch), n_tracks, batch.shape[2], dtype=batch.dtype)
        return torch.cat([batch, zeros.to(batch.device)], dim=1)

    def _at_windows(self, batch: Any) -> Any:
        traced = self._traced
        (value,) = replay(traced.nodes, self._channels(batch), [self._node], every=False)
        return _flat(value.data, traced.nodes[self._node].axis)[:, :, 0]

    def _dense(self, letters: Floats, first: int) -> Any:
        """Give a tensor (sequence, channel, start); NaN at windows with unknown letters."""
        import torch

        batch, width = torch.from_numpy(letters), self.receptive_field
        if self.exact_dense:
            found = self._fitting(self._everywhere, batch)
        else:
            found = self._one_by_one(batch)
        wrong = ~torch.isfinite(found)
        if wrong.any():
            row, channel, _ = torch.nonzero(wrong)[0].tolist()
            raise InvalidInput(
                "model",
                f"gave infinity or NaN for neuron {self.layer.name}:{channel}, first for sequence "
                f"{first + row}",
                "repair the model or leave these sequences out",
            )
        unknown = (batch == 0).all(dim=1).to(torch.float32)
        if bool(unknown.any()):
            total = torch.nn.functional.pad(unknown.cumsum(dim=1), (1, 0))
            masked = (total[:, width:] - total[:, :-width]) > 0
            found = found.masked_fill(masked[:, None].to(found.device), torch.nan)
        return found

    def _everywhere(self, batch: Any) -> Any:
        """Compute all windows at once."""
        traced = self._traced
        (value,) = replay(traced.nodes, self._channels(batch), [self._node], every=True)
        return _flat(value.data, traced.nodes[self._node].axis)

    def _one_by_one(self, batch: Any) -> Any:
        """Compute every window by itself."""
        import torch

        width = self.receptive_field
        windows = batch.unfold(2, width, 1).movedim(2, 1)
        n, n_starts = windows.shape[:2]
        windows = windows.reshape(n * n_starts, -1, width)
        blocks = windows.split(self._block_of(width))
        parts = [self._fitting(self._at_windows, block) for block in blocks]
        return torch.cat(parts).reshape(n, n_starts, -1).movedim(1, 2)

    def _known_codes(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        codes = check_codes(codes)
        if codes.shape[1] < self.receptive_field:
            self._refuse_short(codes.shape[1])
        return codes

    def _check(self, values: Any, length: int | None) -> None:
        shape = tuple(values.shape)
        n_letters = self._traced.n_letters
        wanted = "position" if length is None else f"{length} positions"
        if len(shape) != 3 or shape[1] != n_letters or length not in (None, shape[2]):
            remedy = f"use (window, {n_letters} letters, {wanted})"
            raise InvalidInput("sequences" if length is None else "windows", f"{shape}", remedy)
        if shape[2] < self.receptive_field:
            self._refuse_short(shape[2])

    def _refuse_short(self, length: int) -> None:
        raise InvalidInput(
            "sequences",
            f"{length} letters for windows of {self.receptive_field} of layer {self.layer.name!r}",
            "use longer sequences or an earlier layer",
        )


def best_apart(windows: ActiveWindows, width: int) -> npt.NDArray[np.bool_]:
    """Tell which windows overlap no better one that is kept, of the same neuron and sequence.

    Parameters
    ----------
    windows
        As `WindowEvaluator.active_windows` gives them.
    width
        Letters of a window.

    Examples
    --------
    >>> columns = np.zeros((2, 4), np.int32), np.array([0, 3, 5, 9], np.int32)
    >>> best_apart(ActiveWindows(*columns[0], columns[1], np.float32([2, 3, 4, 1])), 4)
    array([ True, False,  True,  True])
    """
    # Equal ones: the first.
    order = np.lexsort((-windows.activation, windows.channel, windows.sequence))
    return _kept(windows.sequence, windows.channel, windows.start, order, width)


@njit(cache=True, nogil=True)
def _kept(sequence: Any, channel: Any, start: Any, order: Any, width: int) -> Any:
    kept = np.zeros(len(order), np.bool_)
    first = 0
    for number in range(len(order)):
        row, leader = order[number], order[first]
        if sequence[row] != sequence[leader] or channel[row] != channel[leader]:
            first = number
        kept[row] = True
        for other in order[first:number]:
            if kept[other] and abs(start[row] - start[other]) < width:
                kept[row] = False
                break
    return kept


def _nothing() -> None:
    """Stand for a model: only threads are to be set."""


def _flat(data: Any, axis: int | None) -> Any:
    """Give a map as (sequence, channel, position)."""
    assert axis is not None
    return data if data.ndim == 3 and axis == 2 else data.movedim(axis, -1).flatten(1, -2)
