"""Apply a model to letter codes, batch by batch.

The model is a torch module or any callable. It sees what `encoding` says; its output may be a
tensor, an array, or a tuple of them.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mutua.errors import DeviceUnavailable, InvalidInput
from mutua.kernels.letters import check_codes, decode, one_hot
from mutua.settings import settings, show_progress

__all__ = ["ENCODINGS", "Targets", "apply_model", "resolve_targets"]

Encoding = Literal["one_hot", "codes", "text"]
Target = str | int | Callable[[Any], Any]

ENCODINGS = ("one_hot", "codes", "text")
_one_at_a_time = threading.RLock()  # a module's mode and device belong to the whole process


class Targets(NamedTuple):
    """Which outputs of a model to keep.

    Attributes
    ----------
    names
        A name for each column of the predictions.
    pick
        Gives the kept columns, float32 (sequence, target), from the output of the model.
    """

    names: tuple[str, ...]
    pick: Callable[[Any, int], npt.NDArray[np.float32]]


def resolve_targets(
    model: Any,
    output: Any,
    n: int,
    target: Target | Sequence[Target] | None,
    target_names: Sequence[str] | None,
) -> Targets:
    """Find out from one output which columns `target` means.

    Parameters
    ----------
    model
        Its attribute ``target_names``, if it has one, names its outputs.
    output
        What it gave for `n` sequences.
    n
        Number of sequences of that output.
    target
        Name, index or function of the output, or several; None for all outputs.
    target_names
        Names of the model's outputs; takes precedence over those of the model.

    Raises
    ------
    InvalidInput
        If a target is unknown, or there are as many names as there are not outputs.
    """
    given = target_names if target_names is not None else getattr(model, "target_names", None)
    wanted: list[Target] | None
    if target is None:
        wanted = None
    elif isinstance(target, Sequence) and not isinstance(target, str):
        wanted = list(target)
    else:
        wanted = [target]  # type: ignore[list-item]
    if wanted is not None and all(callable(item) for item in wanted):
        functions: list[Any] = list(wanted)
        widths = [_columns(function(output), n).shape[1] for function in functions]
        names: list[str] = []
        for number, (function, width) in enumerate(zip(functions, widths, strict=True)):
            label = getattr(function, "__name__", "") or f"target{number}"
            label = f"target{number}" if label == "<lambda>" else label
            names += [label] if width == 1 else [f"{label}{i}" for i in range(width)]
        names = list(target_names) if target_names is not None else names
        if len(names) != sum(widths):
            raise _miscounted(names, sum(widths))

        def pick_functions(result: Any, rows: int) -> npt.NDArray[np.float32]:
            return np.concatenate([_columns(f(result), rows) for f in functions], axis=1)

        return Targets(_unique(names), pick_functions)

    width = _columns(output, n).shape[1]
    outputs = [str(number) for number in range(width)] if given is None else list(map(str, given))
    if len(outputs) != width:
        raise _miscounted(outputs, width)
    if width == 1 and given is None:
        outputs = ["prediction"]
    chosen = list(range(width)) if wanted is None else [_place(item, outputs) for item in wanted]

    def pick(result: Any, rows: int) -> npt.NDArray[np.float32]:
        columns = _columns(result, rows)
        if columns.shape[1] != width:
            raise InvalidInput(
                "model", f"gave {columns.shape[1]} outputs after {width}", "give the same number"
            )
        return columns[:, chosen]

    return Targets(_unique([outputs[place] for place in chosen]), pick)


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise InvalidInput("target", f"names repeat: {list(names)}", "give each its own name")
    return tuple(names)


def _miscounted(names: Sequence[str], width: int) -> InvalidInput:
    return InvalidInput(
        "target_names",
        f"{len(names)} names for a model with {width} outputs per sequence",
        f"give {width} names",
    )


def _place(target: Target, outputs: list[str]) -> int:
    if callable(target):
        raise InvalidInput("target", "functions and names mixed", "use only one sort of target")
    if isinstance(target, str):
        if target not in outputs:
            raise InvalidInput("target", f"{target!r}", f"the model's outputs are {outputs}")
        return outputs.index(target)
    if isinstance(target, bool) or not isinstance(target, int | np.integer):
        raise InvalidInput("target", f"{target!r}", "use a name, an index or a function")
    if not -len(outputs) <= target < len(outputs):
        raise InvalidInput(
            "target", f"index {target}", f"the model has {len(outputs)} outputs (from 0)"
        )
    return int(target) % len(outputs)


def _columns(output: Any, n: int) -> npt.NDArray[np.float32]:
    """Give an output as float32 (sequence, column): tuples side by side, further dims flat."""
    if isinstance(output, tuple | list) and output and not np.isscalar(output[0]):
        return np.concatenate([_columns(part, n) for part in output], axis=1)
    if isinstance(output, dict):
        return np.concatenate([_columns(part, n) for part in output.values()], axis=1)
    if hasattr(output, "detach"):
        output = output.detach().cpu().numpy()
    try:
        values = np.asarray(output, dtype=np.float32)
    except (TypeError, ValueError):
        raise InvalidInput(
            "model", f"gave a {type(output).__name__}", "give numbers: a tensor or an array"
        ) from None
    rows = values.shape[0] if values.ndim else 1
    if values.ndim == 0 or rows != n:
        raise InvalidInput(
            "model",
            f"gave {rows} rows for {n} sequences",
            "give one row a sequence, in the same order",
        )
    return values.reshape(n, -1)


def apply_model(
    codes: npt.NDArray[np.uint8],
    model: Any,
    *,
    alphabet: str,
    targets: Targets | None = None,
    target: Target | Sequence[Target] | None = None,
    target_names: Sequence[str] | None = None,
    tracks: npt.NDArray[np.float32] | None = None,
    args: Sequence[npt.ArrayLike] = (),
    encoding: Encoding = "one_hot",
    batch_size: int = 256,
    device: str | None = None,
    progress: bool | None = None,
) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Give the predictions of a model for sequences.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    model
        A torch module (run in evaluation mode, its mode and device restored) or any callable.
    alphabet
        The letters.
    targets, target, target_names
        What of the output to keep: found out already, or to be found out from the first batch.
    tracks
        float32 (sequence, track, position): stacked below the one-hot letters.
    args
        Further arguments of the model, each with a row a sequence.
    encoding
        What the model sees first: ``one_hot``, a float32 tensor (sequence, letter, position);
        ``codes``, a uint8 array; ``text``, a list of strings.
    batch_size
        Sequences at once.
    device
        ``auto``, ``cpu`` or ``cuda``; None for the setting.
    progress
        Show a progress bar; None for the setting.

    Returns
    -------
    predictions : float32 array (sequence, target)
    names : tuple of str
    """
    codes = check_codes(codes)
    n = len(codes)
    kept: list[npt.NDArray[np.float32]] = []
    with _one_at_a_time, _ready(model, device) as place:
        for start in _steps(n, batch_size, progress):
            rows = slice(start, min(start + batch_size, n))
            first = _encode(codes[rows], alphabet, encoding, tracks, rows, place)
            others = [_argument(argument, rows, n, place) for argument in args]
            output = model(first, *others)
            size = rows.stop - rows.start
            if targets is None:
                targets = resolve_targets(model, output, size, target, target_names)
            values = targets.pick(output, size)
            bad = np.isnan(values)
            if bad.any():
                raise InvalidInput(
                    "model",
                    f"gave NaN for {int(bad.any(axis=1).sum())} of {size} sequences, first for "
                    f"sequence {start + int(bad.any(axis=1).argmax())}",
                    "repair the model or leave these sequences out",
                )
            kept.append(values)
    if targets is None:
        raise InvalidInput("sequences", "there are none", "pass at least one sequence")
    return np.concatenate(kept), targets.names


def _steps(n: int, batch_size: int, progress: bool | None) -> Any:
    shown = show_progress() if progress is None else progress
    if not shown:
        return range(0, n, batch_size)
    from tqdm.auto import tqdm

    return tqdm(range(0, n, batch_size), desc="predict", unit="batch", leave=False)


def _encode(
    codes: npt.NDArray[np.uint8],
    alphabet: str,
    encoding: Encoding,
    tracks: npt.NDArray[np.float32] | None,
    rows: slice,
    place: Any,
) -> Any:
    if encoding == "codes":
        return codes
    if encoding == "text":
        return [text.decode() for text in decode(codes, alphabet, padding=None).tolist()]
    import torch

    letters = one_hot(codes, len(alphabet))
    if tracks is not None:
        letters = np.concatenate([letters, np.asarray(tracks[rows], np.float32)], axis=1)
    return torch.from_numpy(letters).to(place)


def _argument(argument: npt.ArrayLike, rows: slice, n: int, place: Any) -> Any:
    import torch

    tensor = (
        argument if isinstance(argument, torch.Tensor) else torch.as_tensor(np.asarray(argument))
    )
    if tensor.ndim == 0 or tensor.shape[0] != n:
        raise InvalidInput(
            "args",
            f"an argument of shape {tuple(tensor.shape)} for {n} sequences",
            "give each argument one row a sequence",
        )
    return tensor[rows].to(place)


@contextlib.contextmanager
def _ready(model: Any, device: str | None) -> Iterator[Any]:
    """Put a module into evaluation mode on the device for a while, then back as it was."""
    import torch

    if not callable(model):
        raise InvalidInput(
            "model", f"a {type(model).__name__}", "pass a torch module or a function"
        )
    if inspect.isclass(model):
        raise InvalidInput("model", f"the class {model.__name__}", "pass an instance of it")
    asked = settings.device if device is None else device
    if asked not in ("auto", "cpu", "cuda"):
        raise InvalidInput("device", f"{asked!r}", "use 'auto', 'cpu' or 'cuda'")
    if asked == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailable("device='cuda': torch finds no usable GPU. Use device='cpu'.")
    module = model if isinstance(model, torch.nn.Module) else None
    home = next(module.parameters(), torch.empty(0)).device if module is not None else None
    if asked == "auto":
        usable = "cuda" if torch.cuda.is_available() else "cpu"
        place = home if home is not None and home.type != "cpu" else torch.device(usable)
    else:
        place = torch.device(asked)
    modes = [] if module is None else [(part, part.training) for part in module.modules()]
    try:
        if module is not None:
            module.eval()
            module.to(place)
        with torch.inference_mode():
            yield place
    finally:
        for part, mode in modes:
            part.training = mode
        if module is not None and home is not None:
            module.to(home)
