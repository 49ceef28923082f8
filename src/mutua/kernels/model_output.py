"""What a model gives: find the targets that are asked for in it, and take them out.

An output may be a tensor, an array, a list of numbers, or a tuple or dictionary of those, which
are taken side by side. A *column* is one number for each sequence. An output of more axes than
(sequence, target), such as a profile, is never flattened: a function has to reduce it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mutua.errors import InvalidInput

__all__ = ["Target", "Targets", "resolve_targets", "target_tensor"]

Target = str | int | Callable[[Any], Any]
Columns = npt.NDArray[np.float32]


class Targets(NamedTuple):
    """Which outputs of a model to keep.

    Attributes
    ----------
    names
        A name for each column of the predictions.
    pick
        Gives the kept columns, float32 (sequence, target), from the output of the model and the
        number of sequences. They share no memory with the output.
    chosen
        What they are: indices of columns, or functions of the output.
    """

    names: tuple[str, ...]
    pick: Callable[[Any, int], Columns]
    chosen: tuple[int | Callable[[Any], Any], ...]

    def split(self) -> list[Targets]:
        """Give each target by itself, where each is one column of the output or one function."""

        def column(place: int) -> Callable[[Any, int], Columns]:
            return lambda output, n: self.pick(output, n)[:, place : place + 1]

        both = zip(self.names, self.chosen, strict=True)
        return [
            Targets((name,), column(place), (chosen,)) for place, (name, chosen) in enumerate(both)
        ]


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
        Names of the model's outputs, or of what functions give; takes precedence over those of
        the model.

    Raises
    ------
    InvalidInput
        If a target is unknown, an output that is asked for has more axes than (sequence, target),
        or there are not as many names as outputs.

    Examples
    --------
    >>> output = {"count": np.array([3.0, 4.0]), "strand": np.ones((2, 2))}
    >>> targets = resolve_targets(None, output, 2, ["strand1", "count"], None)
    >>> targets.names, targets.pick(output, 2).tolist()
    (('strand1', 'count'), [[1.0, 3.0], [1.0, 4.0]])
    """
    names = _given_names(target_names, "target_names")
    if target is None:
        wanted = None
    elif isinstance(target, Sequence | np.ndarray) and not isinstance(target, str):
        wanted = list(target)
        if not wanted:
            raise InvalidInput("target", "none", "name at least one, or None for all")
    else:
        wanted = [target]
    functions = [item for item in wanted or () if callable(item)]
    if wanted is not None and functions:
        if len(functions) < len(wanted):
            raise InvalidInput("target", "functions and names mixed", "use only one sort of target")
        return _functions(functions, output, n, names)
    source = "target_names"
    if names is None:
        names = _given_names(getattr(model, "target_names", None), "model.target_names")
        source = "model.target_names"
    return _columns_by_name(wanted, output, n, names, source)


def _given_names(names: Any, argument: str) -> list[str] | None:
    if names is None:
        return None
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, Sequence | np.ndarray) or not all(isinstance(x, str) for x in names):
        raise InvalidInput(argument, f"{names!r}", "give a list of strings")
    listed = [str(name) for name in names]
    if len(set(listed)) < len(listed):
        raise InvalidInput(argument, f"names repeat: {listed}", "give each its own name")
    return listed


def _functions(
    functions: list[Callable[[Any], Any]], output: Any, n: int, names: list[str] | None
) -> Targets:
    """Keep what functions of the whole output give."""
    widths = [_columns(function(output), n, "target").shape[1] for function in functions]
    if names is None:
        labels = []
        for number, function in enumerate(functions):
            label = getattr(function, "__name__", "<lambda>")
            labels.append(f"target{number}" if label == "<lambda>" else label)
        names = _unique(_numbered(labels, widths))
    if len(names) != sum(widths):
        raise _miscounted("target_names", names, sum(widths))

    def pick(result: Any, rows: int) -> Columns:
        parts = [_columns(function(result), rows, "target") for function in functions]
        return _same_width(np.concatenate(parts, axis=1), sum(widths))

    return Targets(tuple(names), pick, tuple(functions))


def _columns_by_name(
    wanted: list[Any] | None, output: Any, n: int, names: list[str] | None, source: str
) -> Targets:
    """Keep columns that are asked for by name or index.

    A part with too many axes counts as one column, so that others can be asked for beside it.
    """
    parts = _parts(output)
    deep = [_is_deep(part) for _, part in parts]
    if all(deep):
        _columns(output, n, "model")  # which says what is wrong with it
    widths = [
        1 if d else _columns(part, n, "model").shape[1]
        for d, (_, part) in zip(deep, parts, strict=True)
    ]
    width = sum(widths)
    if names is not None:
        outputs = names
    elif all(label is not None for label, _ in parts):
        outputs = _unique(_numbered([str(label) for label, _ in parts], widths))
    else:
        outputs = ["prediction"] if width == 1 else [str(number) for number in range(width)]
    if len(outputs) != width:
        raise _miscounted(source, outputs, width)
    chosen = list(range(width)) if wanted is None else [_place(item, outputs) for item in wanted]
    owners = np.repeat(np.arange(len(parts)), widths)
    for owner in owners[chosen]:
        if deep[owner]:
            _columns(parts[owner][1], n, "model")

    def pick(result: Any, rows: int) -> Columns:
        columns = [
            np.zeros((rows, 1), np.float32) if skipped else _columns(part, rows, "model")
            for skipped, (_, part) in zip(deep, _parts(result), strict=False)
        ]
        return _same_width(np.concatenate(columns, axis=1), width)[:, chosen]

    return Targets(tuple(_unique([outputs[place] for place in chosen])), pick, tuple(chosen))


def target_tensor(output: Any, targets: Targets, n: int) -> Any:
    """Give the one target as a tensor (sequence,) through which gradients flow.

    Parameters
    ----------
    output
        What a model gave; ``targets.pick`` has found nothing wrong with it.
    targets
        One target.
    n
        Number of sequences of that output.

    Returns
    -------
    torch.Tensor
        Or another array, where the model does not give tensors.

    Examples
    --------
    >>> output = {"count": np.array([3.0, 4.0]), "strand": np.ones((2, 2))}
    >>> targets = resolve_targets(None, output, 2, "strand1", None)
    >>> target_tensor(output, targets, 2)
    array([1., 1.])
    """
    (chosen,) = targets.chosen
    if callable(chosen):
        return _flat(chosen(output), n)[0][:, 0]
    columns = []
    for _, part in _parts(output):
        columns += [None] if _is_deep(part) else [t[:, i] for t in _flat(part, n)
                                                  for i in range(t.shape[1])]  # fmt: skip
    return columns[chosen]


def _flat(output: Any, n: int) -> list[Any]:
    """Give the arrays of an output as (sequence, column), in order."""
    parts = _parts(output)
    if len(parts) != 1 or parts[0][1] is not output:
        return [array for _, part in parts for array in _flat(part, n)]
    array = output if hasattr(output, "reshape") else np.asarray(output)
    return [array.reshape(n, -1)]


def _numbered(labels: list[str], widths: list[int]) -> list[str]:
    """Give a name to every column: a label, numbered where it has several columns."""
    named: list[str] = []
    for label, width in zip(labels, widths, strict=True):
        named += [label] if width == 1 else [f"{label}{number}" for number in range(width)]
    return named


def _unique(names: list[str]) -> list[str]:
    if len(set(names)) != len(names):
        raise InvalidInput("target", f"names repeat: {names}", "give each its own target_names")
    return names


def _miscounted(argument: str, names: Sequence[str], width: int) -> InvalidInput:
    return InvalidInput(
        argument,
        f"{len(names)} name{'s' * (len(names) != 1)} for {_outputs(width)} per sequence",
        f"give {width}, by target_names=",
    )


def _same_width(columns: Columns, width: int) -> Columns:
    if columns.shape[1] != width:
        found = f"gave {_outputs(columns.shape[1])} per sequence after {width}"
        raise InvalidInput("model", found, "give as many for every batch")
    return columns


def _outputs(n: int) -> str:
    return "1 output" if n == 1 else f"{n} outputs"


def _place(target: Any, outputs: list[str]) -> int:
    if isinstance(target, str):
        if target not in outputs:
            raise InvalidInput("target", f"{target!r}", f"the model's outputs are {outputs}")
        return outputs.index(target)
    if isinstance(target, bool | np.bool_) or not isinstance(target, int | np.integer):
        raise InvalidInput("target", f"{target!r}", "use a name, an index or a function")
    if not -len(outputs) <= target < len(outputs):
        raise InvalidInput(
            "target", f"index {target}", f"the model has {_outputs(len(outputs))} (from 0)"
        )
    return int(target) % len(outputs)


def _parts(output: Any) -> list[tuple[str | None, Any]]:
    """Give the outputs of a tuple or dictionary, with their names if they have any."""
    if isinstance(output, Mapping) and output:
        return [(str(name), part) for name, part in output.items()]
    if isinstance(output, tuple | list) and output and _holds_columns(output[0]):
        labels = getattr(output, "_fields", [None] * len(output))
        return list(zip(labels, output, strict=True))
    return [(None, output)]


def _holds_columns(part: Any) -> bool:
    """Tell an output of its own from one number or a row of numbers in a list."""
    return isinstance(part, tuple | Mapping) or getattr(part, "ndim", 0) > 0


def _is_deep(output: Any) -> bool:
    """Tell whether an output, or a part of it, has more axes than (sequence, target)."""
    parts = _parts(output)
    if len(parts) != 1 or parts[0][1] is not output:
        return any(_is_deep(part) for _, part in parts)
    shape = output.shape if hasattr(output, "shape") else _numbers(output, "model").shape
    return len(shape) > 2 and any(size != 1 for size in shape[2:])


def _columns(output: Any, n: int, argument: str) -> Columns:
    """Give an output as float32 (sequence, column), parts side by side."""
    parts = _parts(output)
    if len(parts) != 1 or parts[0][1] is not output:
        return np.concatenate([_columns(part, n, argument) for _, part in parts], axis=1)
    values = _numbers(output, argument)
    if values.ndim == 0 and n == 1:  # a model that drops the axis of a batch of one
        values = values.reshape(1)
    if values.ndim == 0 or values.shape[0] != n:
        found = f"{values.shape[0]} rows" if values.ndim else "one number"
        raise InvalidInput(
            argument,
            f"gave {found} for {n} sequences",
            "give one row a sequence, in the same order",
        )
    if values.size == 0:
        raise InvalidInput(
            argument, f"gave an array of shape {values.shape}", "give one number or more a sequence"
        )
    if _is_deep(values):
        axes = tuple(range(2, values.ndim))
        raise InvalidInput(
            argument,
            f"gave an array of shape {values.shape}, which is not (sequence, target)",
            "reduce it by a function of the output, e.g. "
            f"target=lambda output: output.sum({axes}), or choose another output",
        )
    return values.reshape(n, -1)


def _numbers(output: Any, argument: str) -> Columns:
    """Give a tensor, array or list as float32."""
    try:
        if hasattr(output, "detach"):
            output = output.detach().cpu()
            # numpy has no bfloat16.
            output = (output.float() if output.is_floating_point() else output).numpy()
        values = np.asarray(output)
    except (TypeError, ValueError, RuntimeError):
        values = np.empty(0, object)
    if values.dtype.kind not in "biuf":
        is_array = values.dtype != object
        found = f"values of type {values.dtype}" if is_array else f"a {type(output).__name__}"
        raise InvalidInput(argument, f"gave {found}", "give numbers: a tensor or an array")
    with np.errstate(over="ignore"):
        numbers = values.astype(np.float32, copy=False)
    if values.dtype == np.float64 and (np.isinf(numbers) & np.isfinite(values)).any():
        largest = np.nanmax(abs(values[np.isfinite(values)]))
        raise InvalidInput(argument, f"gave {largest:g}", "scale it to the range of float32")
    return numbers
