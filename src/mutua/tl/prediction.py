"""What a model predicts for sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mutua.blocks import is_chunked, map_rows
from mutua.errors import InvalidInput
from mutua.kernels.apply_model import ENCODINGS, apply_model, check_arguments, find_targets
from mutua.models import Dataset, SequenceSet, as_kind, checked
from mutua.models.alphabets import unknown_symbol
from mutua.models.arguments import one_of, whole_number
from mutua.models.dims import CODES, PREDICTION, SEQUENCE, TARGET, TRACKS

__all__ = ["predict"]

_PROBE = 2


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
    one_of("encoding", encoding, ENCODINGS)
    batch_size = whole_number("batch_size", batch_size, low=1)
    if progress is not None and not isinstance(progress, bool):
        raise InvalidInput("progress", f"{progress!r}", "use True, False or None")
    codes = sequences[CODES]
    if codes.shape[0] == 0:
        raise InvalidInput("sequences", "there are none", "pass at least one sequence")
    if TRACKS in sequences and encoding != "one_hot":
        raise InvalidInput("encoding", f"{encoding!r} with tracks", "use encoding='one_hot'")
    alphabet = sequences.attrs["alphabet"]
    options: dict[str, Any] = {
        "alphabet": alphabet,
        "unknown": unknown_symbol(alphabet),
        "encoding": encoding,
        "device": device,
    }
    chosen: dict[str, Any] = {"target": target, "target_names": target_names}
    tracks = sequences[TRACKS].data if TRACKS in sequences else None
    arguments = _arrays(args)
    lazy = any(is_chunked(part) for part in (codes.data, tracks, *arguments))
    if lazy:
        values, names = _chunk_by_chunk(
            codes, model, tracks, arguments, batch_size, options, chosen
        )
    else:
        values, names = apply_model(
            np.ascontiguousarray(codes.values),
            model,
            tracks=None if tracks is None else np.asarray(tracks),
            args=arguments,
            batch_size=batch_size,
            progress=progress,
            **options,
            **chosen,
        )
    result = sequences.drop_vars([n for n, v in sequences.variables.items() if TARGET in v.dims])
    table = xr.Variable((SEQUENCE, TARGET), values, {"long_name": "output of the model"})
    return as_kind(
        SequenceSet, result.assign({PREDICTION: table}).assign_coords({TARGET: list(names)})
    )


def _arrays(args: Any) -> list[Any]:
    """Give the further arguments of a model without labels, or refuse what is no list."""
    if not isinstance(args, list | tuple):
        check_arguments(args, 0)
    return [part.data if isinstance(part, xr.DataArray | xr.Variable) else part for part in args]


def _chunk_by_chunk(
    codes: xr.DataArray,
    model: Any,
    tracks: Any,
    args: list[Any],
    batch_size: int,
    options: dict[str, Any],
    chosen: dict[str, Any],
) -> tuple[Any, tuple[str, ...]]:
    """Give lazy predictions; only made-up sequences are scored, to know the targets."""
    n, length = codes.shape
    # A lazy argument is stood for by zeros that take no memory.
    shown = [
        np.broadcast_to(np.zeros((), part.dtype), part.shape) if is_chunked(part) else part
        for part in args
    ]
    known = check_arguments(shown, n)
    made_up = np.arange(_PROBE * length).reshape(_PROBE, length) % len(options["alphabet"])
    targets = find_targets(
        made_up.astype(np.uint8),
        model,
        tracks=None if tracks is None else np.zeros((_PROBE, *tracks.shape[1:]), np.float32),
        args=[part[[0] * _PROBE] for part in known],
        **options,
        **chosen,
    )

    held = [None if is_chunked(part) else array for part, array in zip(args, known, strict=True)]

    def one_block(block: np.ndarray, *others: Any) -> np.ndarray:
        blocks, first_row = iter(others[:-1]), others[-1]
        rows = slice(first_row, first_row + len(block))
        arguments = [next(blocks) if array is None else array[rows] for array in held]
        values, _ = apply_model(
            np.ascontiguousarray(block),
            model,
            targets=targets,
            tracks=next(blocks, None),
            args=arguments,
            batch_size=batch_size,
            progress=False,
            first_sequence=first_row,
            **options,
        )
        return values

    arrays = [codes.data, *(part for part in args if is_chunked(part))]
    if tracks is not None:
        arrays.append(tracks)
    shape = (len(targets.names),)
    return map_rows(one_block, *arrays, shape=shape, dtype=np.float32), targets.names
