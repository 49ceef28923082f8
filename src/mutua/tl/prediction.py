"""What a model predicts for sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from mutua.blocks import is_chunked, map_rows
from mutua.errors import InvalidInput
from mutua.kernels.apply_model import ENCODINGS, apply_model
from mutua.models import Dataset, SequenceSet, as_kind, checked
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
        chunk by chunk when the predictions are computed.
    model
        A torch module, run in evaluation mode without gradients and left in the mode and on the
        device it was in; or any callable. It gives a tensor or array with one row a sequence, or
        a tuple of them, taken side by side; further axes are flattened.
    target
        What to keep of the output: the name or index of a target, a function of the whole
        output, or several of one sort. By default everything.
    target_names
        Names of the model's targets; by default its attribute ``target_names`` or 0, 1, ...
    args
        Further arguments of the model, each with one row a sequence.
    encoding
        What the model sees: ``"one_hot"``, a float32 tensor (sequence, letter, position);
        ``"codes"``, a uint8 array (sequence, position); ``"text"``, a list of strings.
    batch_size
        Sequences at once. On a CPU some hundred are faster than some thousand.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; by default that of `mutua.settings`.
    progress
        Show a progress bar; by default as `mutua.settings` says.

    Returns
    -------
    SequenceSet
        With ``prediction`` (sequence, target), float32, in place of earlier predictions.

    Raises
    ------
    InvalidInput
        If the model gives another number of rows, NaN or no numbers, or a target is unknown.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Notes
    -----
    torch does not promise the same last bits for other batch sizes, threads or devices.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(4, length=53, seed=0)
    >>> seqs = mt.tl.predict(seqs, mt.datasets.splice_acceptor())
    >>> seqs["prediction"].dims, seqs["target"].values.tolist()
    (('sequence', 'target'), ['acceptor'])
    """
    one_of("encoding", encoding, ENCODINGS)
    batch_size = whole_number("batch_size", batch_size, low=1)
    codes = sequences[CODES]
    if codes.shape[0] == 0:
        raise InvalidInput("sequences", "there are none", "pass at least one sequence")
    if TRACKS in sequences and encoding != "one_hot":
        raise InvalidInput("encoding", f"{encoding!r} with tracks", "use encoding='one_hot'")
    options: dict[str, Any] = {
        "alphabet": sequences.attrs["alphabet"],
        "encoding": encoding,
        "batch_size": batch_size,
        "device": device,
    }
    chosen: dict[str, Any] = {"target": target, "target_names": target_names}
    tracks = sequences[TRACKS].data if TRACKS in sequences else None
    if not is_chunked(codes.data):
        values, names = apply_model(
            np.ascontiguousarray(codes.values),
            model,
            tracks=None if tracks is None else np.asarray(tracks),
            args=args,
            progress=progress,
            **options,
            **chosen,
        )
    else:
        values, names = _chunk_by_chunk(sequences, model, tracks, args, options, chosen)
    result = sequences.drop_vars([n for n in (PREDICTION, TARGET) if n in sequences.variables])
    table = xr.Variable((SEQUENCE, TARGET), values, {"long_name": "output of the model"})
    return as_kind(
        SequenceSet, result.assign({PREDICTION: table}).assign_coords({TARGET: list(names)})
    )


def _chunk_by_chunk(
    sequences: Dataset[SequenceSet],
    model: Any,
    tracks: Any,
    args: Sequence[Any],
    options: dict[str, Any],
    chosen: dict[str, Any],
) -> tuple[Any, tuple[str, ...]]:
    """Give lazy predictions; only a probe of made-up sequences tells how many targets there are."""
    codes = sequences[CODES]
    n, length = codes.shape
    arrays = [codes.data]
    probe_tracks = None
    if tracks is not None:
        arrays.append(tracks)
        probe_tracks = np.zeros((_PROBE, *tracks.shape[1:]), np.float32)
    extra = [np.asarray(argument) for argument in args]
    if any(argument.ndim == 0 or len(argument) != n for argument in extra):
        shapes = [argument.shape for argument in extra]
        raise InvalidInput("args", f"shapes {shapes} for {n} sequences", "give one row a sequence")
    made_up = np.arange(_PROBE * length, dtype=np.uint8).reshape(_PROBE, length)
    made_up %= len(sequences.attrs["alphabet"])
    _, names = apply_model(
        made_up,
        model,
        tracks=probe_tracks,
        args=[argument[[0] * _PROBE] for argument in extra],
        progress=False,
        **options,
        **chosen,
    )

    def one_block(block: np.ndarray, *others: Any) -> np.ndarray:
        first_row = others[-1]
        rows = slice(first_row, first_row + len(block))
        values, _ = apply_model(
            np.ascontiguousarray(block),
            model,
            tracks=others[0] if tracks is not None else None,
            args=[argument[rows] for argument in extra],
            progress=False,
            **options,
            **chosen,
        )
        return values

    return map_rows(one_block, *arrays, shape=(len(names),), dtype=np.float32), names
