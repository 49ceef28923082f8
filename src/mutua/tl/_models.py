"""What all functions that apply a model to a sequence set share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from mutua._cluster import refuse_unsendable
from mutua.blocks import is_chunked, map_rows, row_chunks
from mutua.errors import InvalidInput
from mutua.kernels.apply_model import ENCODINGS, check_arguments, find_targets
from mutua.kernels.model_output import Targets
from mutua.models import Dataset, SequenceSet
from mutua.models.alphabets import unknown_symbol
from mutua.models.arguments import one_of
from mutua.models.dims import CODES, TARGET, TRACKS

__all__ = ["ModelInputs", "Rows", "model_inputs", "without_targets"]

_PROBE = 2


class Rows(NamedTuple):
    """Some sequences as a model takes them: all arrays have a row for each."""

    codes: np.ndarray
    tracks: np.ndarray | None
    args: list[Any]
    first_sequence: int


class ModelInputs(NamedTuple):
    """What of a sequence set a model takes; arrays may be lazy."""

    codes: Any
    tracks: Any
    args: list[Any]
    options: dict[str, Any]
    """Of the kernels: alphabet, symbol of an unknown letter, encoding and device."""

    @property
    def lazy(self) -> bool:
        """Whether any part is to be computed yet."""
        return any(is_chunked(part) for part in (self.codes, self.tracks, *self.args))

    def rows(self) -> Rows:
        """Give all of it, in memory."""
        tracks = None if self.tracks is None else np.asarray(self.tracks)
        codes = np.ascontiguousarray(np.asarray(self.codes))
        return Rows(codes, tracks, check_arguments(self.args, len(codes)), 0)

    def find_targets(self, model: Any, target: Any, target_names: Any) -> Targets:
        """Find out what `target` means, from the outputs for two made-up sequences."""
        n, length = self.codes.shape
        letters = np.arange(_PROBE * length).reshape(_PROBE, length)
        tracks = self.tracks
        return find_targets(
            (letters % len(self.options["alphabet"])).astype(np.uint8),
            model,
            tracks=None if tracks is None else np.zeros((_PROBE, *tracks.shape[1:]), np.float32),
            args=[_first_rows(part) for part in check_arguments(self._shown(), n)],
            target=target,
            target_names=target_names,
            **self.options,
        )

    def by_blocks(self, function: Callable[[Rows], np.ndarray], shape: tuple[int, ...]) -> Any:
        """Apply a function to blocks of sequences, lazily: float32 (sequence, *shape)."""
        if self.lazy:
            refuse_unsendable(function, "model")
        known = check_arguments(self._shown(), len(self.codes))
        held = [None if is_chunked(p) else a for p, a in zip(self.args, known, strict=True)]

        def one_block(block: np.ndarray, *others: Any) -> np.ndarray:
            blocks, first = iter(others[:-1]), others[-1]
            rows = slice(first, first + len(block))
            args = [next(blocks) if array is None else array[rows] for array in held]
            return function(Rows(np.ascontiguousarray(block), next(blocks, None), args, first))

        arrays = [self.codes, *(part for part in self.args if is_chunked(part))]
        if self.tracks is not None:
            arrays.append(self.tracks)
        return map_rows(one_block, *arrays, shape=shape, dtype=np.float32)

    def _shown(self) -> list[Any]:
        """Give the further arguments, lazy ones as zeros that take no memory."""
        return [
            np.broadcast_to(np.zeros((), part.dtype), part.shape) if is_chunked(part) else part
            for part in self.args
        ]


def model_inputs(
    sequences: Dataset[SequenceSet], args: Any, *, encoding: str, device: str | None
) -> ModelInputs:
    """Give what a model takes of a sequence set, or refuse what does not fit together."""
    one_of("encoding", encoding, ENCODINGS)
    if TRACKS in sequences and encoding != "one_hot":
        raise InvalidInput("encoding", f"{encoding!r} with tracks", "use encoding='one_hot'")
    if not isinstance(args, list | tuple):
        check_arguments(args, 0)
    alphabet = sequences.attrs["alphabet"]
    parts = [part.data if isinstance(part, xr.DataArray | xr.Variable) else part for part in args]
    for part in parts:
        if is_chunked(part):
            row_chunks(part, "args")
    return ModelInputs(
        sequences[CODES].data,
        sequences[TRACKS].data if TRACKS in sequences else None,
        parts,
        {
            "alphabet": alphabet,
            "unknown": unknown_symbol(alphabet),
            "encoding": encoding,
            "device": device,
        },
    )


def without_targets(sequences: xr.Dataset) -> xr.Dataset:
    """Give a set without earlier predictions and all else along ``target``."""
    return sequences.drop_vars([n for n, v in sequences.variables.items() if TARGET in v.dims])


def _first_rows(argument: Any) -> Any:
    """Give two rows of an argument of a model: its first one twice, zeros if it has none."""
    if len(argument):
        return argument[[0] * _PROBE]
    return np.zeros((_PROBE, *argument.shape[1:]), np.asarray(argument).dtype)
