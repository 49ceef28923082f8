"""Apply a model to letter codes, batch by batch.

The model is a torch module or any callable. It sees what `encoding` says; its output may be a
tensor, an array, or a tuple or dictionary of them (`mutua.kernels.model_output`).
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mutua._progress import counted
from mutua.errors import InvalidInput
from mutua.kernels.devices import asked_device, full_precision, torch_device, with_tiles
from mutua.kernels.letters import check_codes, decode, one_hot
from mutua.kernels.model_output import Target, Targets, resolve_targets
from mutua.settings import settings

__all__ = [
    "ENCODINGS",
    "apply_model",
    "check_arguments",
    "find_targets",
    "progress_steps",
    "ready",
    "refuse_nan",
    "tensor_rows",
]

Encoding = Literal["one_hot", "codes", "text"]

ENCODINGS = ("one_hot", "codes", "text")
# A module's mode and device belong to the whole process, and a function may not be made for
# threads: models run one at a time. torch itself uses all cores.
_one_at_a_time = threading.RLock()


def apply_model(
    codes: npt.NDArray[np.uint8],
    model: Any,
    *,
    alphabet: str,
    unknown: str = "N",
    targets: Targets | None = None,
    target: Target | Sequence[Target] | None = None,
    target_names: Sequence[str] | None = None,
    tracks: npt.NDArray[np.float32] | None = None,
    args: Sequence[Any] = (),
    encoding: Encoding = "one_hot",
    batch_size: int = 256,
    device: str | None = None,
    progress: bool | None = None,
    first_sequence: int = 0,
) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Give the predictions of a model for sequences.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    model
        A torch module (run in evaluation mode without gradients, its mode and device restored) or
        any callable.
    alphabet
        The letters.
    unknown
        Symbol of an unknown letter in text.
    targets, target, target_names
        What of the output to keep: found out already, or to be found out from the first batch.
    tracks
        float32 (sequence, track, position): stacked below the one-hot letters.
    args
        Further arguments of the model, each with a row a sequence; they become tensors, and
        float64 arrays float32.
    encoding
        What the model sees first: ``one_hot``, a float32 tensor (sequence, letter, position);
        ``codes``, uint8 (sequence, position), a tensor for a module and an array for a function;
        ``text``, a list of strings without padding.
    batch_size
        Sequences at once.
    device
        ``auto``, ``cpu`` or ``cuda``; None for the setting. With ``auto`` a function gets its
        input on the CPU.
    progress
        Show a progress bar; None for the setting.
    first_sequence
        Number of the first sequence among all, for messages.

    Returns
    -------
    predictions : float32 array (sequence, target)
    names : tuple of str

    Raises
    ------
    InvalidInput
        If there are no sequences, an argument does not fit, or the model gives another number of
        rows, NaN or no numbers.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.
    MemoryLimit
        If the GPU's memory does not hold what the model does with one sequence.

    Examples
    --------
    >>> codes = np.array([[0, 1, 1], [2, 2, 3]], np.uint8)
    >>> apply_model(codes, lambda x: x.sum(dim=2), alphabet="ACGT", target=[1, 2])
    (array([[2., 0.],
           [0., 2.]], dtype=float32), ('1', '2'))
    """
    codes = check_codes(codes)
    n = len(codes)
    if n == 0:
        raise InvalidInput("sequences", "there are none", "pass at least one sequence")
    args = check_arguments(args, n)
    _refuse_other_arguments(model, len(args))
    predictions = np.empty((0, 0), np.float32)

    def apply(rows: slice, size: int) -> int:
        nonlocal targets, predictions
        for start in range(rows.start, rows.stop, size):
            some = slice(start, min(start + size, rows.stop))
            encoded = _encode(codes[some], model, alphabet, unknown, encoding, tracks, some, place)
            output = model(encoded, *(tensor_rows(argument, some, place) for argument in args))
            n_rows = some.stop - start
            if targets is None:
                targets = resolve_targets(model, output, n_rows, target, target_names)
            if start == 0:
                predictions = np.empty((n, len(targets.names)), np.float32)
            predictions[some] = targets.pick(output, n_rows)
            refuse_nan(predictions[some], first_sequence + start)
        return size

    fits = batch_size
    with ready(model, device) as place:
        for start in progress_steps(n, batch_size, progress, "predict"):
            rows = slice(start, min(start + batch_size, n))
            fits = with_tiles(
                functools.partial(apply, rows), fits, smallest=1, argument="batch_size"
            )
    assert targets is not None
    return predictions, targets.names


def find_targets(
    codes: npt.NDArray[np.uint8],
    model: Any,
    *,
    alphabet: str,
    unknown: str = "N",
    target: Target | Sequence[Target] | None = None,
    target_names: Sequence[str] | None = None,
    tracks: npt.NDArray[np.float32] | None = None,
    args: Sequence[Any] = (),
    encoding: Encoding = "one_hot",
    device: str | None = None,
) -> Targets:
    """Find out which columns of a model's output are asked for, by applying it to a few sequences.

    The values do not matter: NaN is no fault. Parameters and errors are those of `apply_model`.
    """
    n = len(codes)
    rows = slice(0, n)
    args = check_arguments(args, n)
    _refuse_other_arguments(model, len(args))
    with ready(model, device) as place:

        def found(_: int) -> Targets:
            encoded = _encode(
                check_codes(codes), model, alphabet, unknown, encoding, tracks, rows, place
            )
            output = model(encoded, *(tensor_rows(argument, rows, place) for argument in args))
            return resolve_targets(model, output, n, target, target_names)

        return with_tiles(found, n, smallest=n, argument="model")


def refuse_nan(values: npt.NDArray[np.float32], start: int) -> None:
    """Refuse predictions (sequence, target) with NaN; `start` is the number of the first row."""
    bad = np.isnan(values).any(axis=1)
    if bad.any():
        raise InvalidInput(
            "model",
            f"gave NaN for {int(bad.sum())} of {len(values)} sequences, first for sequence "
            f"{start + int(bad.argmax())}",
            "repair the model or leave these sequences out",
        )


def progress_steps(n: int, size: int, progress: bool | None, task: str) -> Iterator[int]:
    """Give the first numbers of batches of `size`, with a progress bar where one is wanted."""
    steps = range(0, n, size)
    return counted(steps, len(steps), task, "batch", progress)


def _encode(
    codes: npt.NDArray[np.uint8],
    model: Any,
    alphabet: str,
    unknown: str,
    encoding: Encoding,
    tracks: npt.NDArray[np.float32] | None,
    rows: slice,
    place: Any,
) -> Any:
    """Give a batch as the model sees it, in memory of its own: a model may write into it."""
    if encoding == "text":
        text = decode(codes, alphabet, unknown=unknown, padding=None)
        return [row.decode("ascii") for row in text.tolist()]
    import torch

    if encoding == "codes":
        copied = codes.copy()
        is_module = isinstance(model, torch.nn.Module)
        return torch.from_numpy(copied).to(place) if is_module else copied
    letters = one_hot(codes, len(alphabet))
    if tracks is not None:
        letters = np.concatenate([letters, np.asarray(tracks[rows], np.float32)], axis=1)
    return torch.from_numpy(letters).to(place)


def check_arguments(args: Any, n: int) -> list[Any]:
    """Give the further arguments of a model as arrays and tensors with a row a sequence.

    Raises
    ------
    InvalidInput
        If they are no list, or one has another number of rows or holds no numbers.
    """
    if not isinstance(args, list | tuple):
        raise InvalidInput("args", f"a {type(args).__name__}", "use a list, e.g. args=[array]")
    checked = []
    for number, argument in enumerate(args):
        array = argument if hasattr(argument, "detach") else np.asarray(argument)
        if not hasattr(array, "detach") and array.dtype.kind not in "biufc":
            found = f"argument {number} is {array.dtype} of shape {array.shape}"
            raise InvalidInput("args", found, "use arrays or tensors of numbers")
        if array.ndim == 0 or array.shape[0] != n:
            raise InvalidInput(
                "args",
                f"argument {number} has shape {tuple(array.shape)} for {n} sequences",
                "give each argument one row a sequence",
            )
        checked.append(array)
    return checked


def _refuse_other_arguments(model: Any, n_args: int) -> None:
    """Refuse a number of arguments that the model does not take, as far as it says so."""
    _refuse_what_is_no_model(model)
    function = model.forward if hasattr(model, "named_modules") else model
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*[None] * (1 + n_args))
    except TypeError as error:
        names = list(signature.parameters)
        raise InvalidInput(
            "args",
            f"{n_args} for a model that takes ({', '.join(names)}): {error}",
            "give what it takes after the sequences as args=[...], one row a sequence each",
        ) from None


def tensor_rows(argument: Any, rows: slice, place: Any) -> Any:
    """Give some rows of an argument as a tensor of its own."""
    import torch

    if isinstance(argument, torch.Tensor):
        return argument[rows].to(place, copy=True)
    part = np.array(argument[rows], dtype=np.float32 if argument.dtype == np.float64 else None)
    return torch.from_numpy(part).to(place)


@contextlib.contextmanager
def ready(model: Any, device: str | None) -> Iterator[Any]:
    """Put a module into evaluation mode on a device for a while, then back as it was.

    Parameters
    ----------
    model
        A torch module or any callable, which is left as it is. A module that is spread over
        several devices stays there.
    device
        ``auto``, ``cpu`` or ``cuda``; None for the setting.

    Yields
    ------
    torch.device
        Where its input has to be.

    Raises
    ------
    InvalidInput
        If it cannot be called, is a class, or there is no such device.
    DeviceUnavailable
        For ``cuda`` without a usable GPU.
    """
    import torch

    _refuse_what_is_no_model(model)
    asked = asked_device(device)
    best = torch_device(asked)
    if not isinstance(model, torch.nn.Module):
        with _one_at_a_time, _few_threads(), torch.no_grad():
            yield torch.device("cuda" if asked == "cuda" else "cpu")
        return
    with _one_at_a_time, _few_threads():
        tensors = [*model.parameters(), *model.buffers()]
        homes = {tensor.device for tensor in tensors} or {torch.device("cpu")}
        home = tensors[0].device if tensors else torch.device("cpu")
        stays = len(homes) > 1 or home.type == best.type or (asked == "auto" and home.type != "cpu")
        place = home if stays else best
        modes = [(part, part.training) for part in model.modules()]
        try:
            model.eval()
            if not stays:
                model.to(place)
            exact = contextlib.nullcontext() if place.type == "cpu" else full_precision()
            with torch.no_grad(), exact:
                yield place
        finally:
            for part, mode in modes:
                part.training = mode
            if not stays:
                model.to(home)


@contextlib.contextmanager
def _few_threads() -> Iterator[None]:
    """Let torch use no more threads than the settings allow, for a while."""
    import torch

    before, most = torch.get_num_threads(), settings.threads
    if most is None or most >= before:
        yield
        return
    torch.set_num_threads(most)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _refuse_what_is_no_model(model: Any) -> None:
    if inspect.isclass(model):
        raise InvalidInput("model", f"the class {model.__name__}", "pass an instance of it")
    if not callable(model):
        raise InvalidInput(
            "model", f"a {type(model).__name__}", "pass a torch module or a function"
        )
