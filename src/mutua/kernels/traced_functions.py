"""What functions of torch do along a sequence: convolutions, pooling, padding and slices."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["Shift", "Window", "reshaped", "rule"]


class Window(NamedTuple):
    """A function that combines neighbouring positions.

    Attributes
    ----------
    kernel, dilation, stride, padding
        Along the sequence; `padding` in front of it.
    apply
        From a map, a factor of the dilation, and the stride to use; pads nothing.
    """

    kernel: int
    dilation: int
    stride: int
    padding: int
    apply: Callable[[Any, int, int], Any]


class Shift(NamedTuple):
    """A function that moves a map along the sequence.

    Attributes
    ----------
    by
        Positions put in front of it; below 0 if some are taken away.
    stride
        Every how many positions are kept.
    args, kwargs
        Arguments of what is left of the function without that.
    """

    by: int
    stride: int
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


_PARAMETERS = {
    "conv1d": ("weight", "bias", "stride", "padding", "dilation", "groups"),
    "max_pool1d": ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"),
    "avg_pool1d": (
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
        "divisor_override",
    ),
    "pad": ("pad", "mode", "value"),
}
_PARAMETERS |= {name.replace("1d", "2d"): names for name, names in _PARAMETERS.items()}


def rule(
    name: str, args: tuple[Any, ...], kwargs: dict[str, Any], axis: int
) -> Window | Shift | str | None:
    """Give what a function does along the axis of its first argument, if that is known.

    Returns
    -------
    Window, Shift, str or None
        A text says why it cannot be followed. None: it is none of these functions, or does not
        work along that axis.
    """
    if name == "__getitem__":
        return _slice(args, axis)
    if name not in _PARAMETERS:
        return None
    tensor = args[0]
    given = dict(zip(_PARAMETERS[name], args[1:], strict=False)) | kwargs
    if name == "pad":
        return _pad(tensor, given, axis)
    n_dims = int(name[-2])
    place = axis - (tensor.ndim - n_dims)
    if name.startswith("conv"):
        if place < 0 or tensor.ndim != n_dims + 2:
            return "convolves along another axis than the sequence"
        return _convolution(name, given, place, n_dims)
    return _pool(name, given, place, n_dims, axis) if place >= 0 else None


def _several(value: Any, n: int) -> list[int]:
    values = list(value) if isinstance(value, tuple | list) else [value]
    return [int(one) for one in (values * n if len(values) == 1 else values)]


def _convolution(name: str, given: dict[str, Any], place: int, n_dims: int) -> Window | str:
    import torch

    function = getattr(torch.nn.functional, name)
    weight, bias = given["weight"].detach(), given.get("bias")
    bias = None if bias is None else bias.detach()
    stride, dilation = (_several(given.get(key) or 1, n_dims) for key in ("stride", "dilation"))
    padding, sizes = given.get("padding", 0), list(weight.shape[2:])
    reaches = [(size - 1) * by for size, by in zip(sizes, dilation, strict=True)]
    if isinstance(padding, str):
        padding = [reach // 2 if padding == "same" else 0 for reach in reaches]
        others = [i for i in range(n_dims) if i != place]
        if given["padding"] == "same" and any(reaches[i] % 2 for i in others):
            return "pads another axis than the sequence unevenly"
    padding = _several(padding, n_dims)
    in_front = padding[place]
    padding[place] = 0

    def apply(data: Any, factor: int, step: int) -> Any:
        strides = [step if i == place else one for i, one in enumerate(stride)]
        dilations = [one * factor if i == place else one for i, one in enumerate(dilation)]
        groups = given.get("groups", 1)
        return function(data, weight, bias, strides, padding, dilations, groups)

    return Window(sizes[place], dilation[place], stride[place], in_front, apply)


def _pool(
    name: str, given: dict[str, Any], place: int, n_dims: int, axis: int
) -> Window | str | None:
    kernel = _several(given["kernel_size"], n_dims)
    stride = given.get("stride")
    stride = kernel if stride is None or stride == [] else _several(stride, n_dims)
    padding, dilation = (_several(given.get(key, least), n_dims)
                         for key, least in (("padding", 0), ("dilation", 1)))  # fmt: skip
    others = [i for i in range(n_dims) if i != place]
    if any(kernel[i] != 1 or stride[i] != 1 or padding[i] for i in others):
        return "pools along several axes"
    if given.get("return_indices"):
        return "gives the places of maxima"
    width, apart = kernel[place], dilation[place]
    is_max = name.startswith("max")
    divisor = given.get("divisor_override") or width

    def apply(data: Any, factor: int, step: int) -> Any:
        import torch

        reach = (width - 1) * apart * factor
        n = (data.shape[axis] - reach - 1) // step + 1
        index: list[Any] = [slice(None)] * data.ndim
        parts = []
        for tap in range(width):
            first = tap * apart * factor
            index[axis] = slice(first, first + (n - 1) * step + 1, step)
            parts.append(data[tuple(index)])
        total: Any = functools.reduce(torch.maximum if is_max else torch.add, parts)
        return total if is_max else total / divisor

    return Window(width, apart, stride[place], padding[place], apply)


def _pad(tensor: Any, given: dict[str, Any], axis: int) -> Shift | str | None:
    pads = [int(one) for one in given["pad"]]
    place = 2 * (tensor.ndim - 1 - axis)
    if place >= len(pads):
        return None
    in_front, pads[place : place + 2] = pads[place], [0, 0]
    if any(pads) and given.get("mode", "constant") != "constant":
        return "pads several axes"
    return Shift(in_front, 1, (tensor, pads), {"value": given.get("value")})


def _slice(args: tuple[Any, ...], axis: int) -> Shift | str | None:
    tensor, index = args
    parts = list(index) if isinstance(index, tuple) else [index]
    if not all(one is None or one is ... or isinstance(one, int | slice) for one in parts):
        return None
    n_used = sum(one is not None and one is not ... for one in parts)
    if ... not in parts:
        parts.append(...)
    at = parts.index(...)
    parts[at : at + 1] = [slice(None)] * (tensor.ndim - n_used)
    seen = -1
    for number, part in enumerate(parts):
        seen += part is not None
        if seen == axis and part is not None:
            if not isinstance(part, slice) or part == slice(None):
                return None
            first, _, step = part.indices(tensor.shape[axis])
            if step < 0:
                return "turns the sequence round"
            parts[number] = slice(None)
            return Shift(-first, step, (tensor, tuple(parts)), {})
    return None


def reshaped(
    before: tuple[int, ...], after: tuple[int, ...], batch: int, axis: int | None
) -> Callable[[Any], Any] | None:
    """Give a function that reshapes as one of these shapes became the other, whatever the length.

    Parameters
    ----------
    before, after
        The shapes.
    batch, axis
        Which axes of the first are those of sequences and positions.

    Returns
    -------
    callable or None
        None if one of these two is merged with another axis or split.
    """
    kept = {}
    for number in (batch, axis):
        if number is None:
            continue
        place = _same_place(before, after, number)
        if place is None:
            return None
        kept[place] = number

    def reshape(data: Any) -> Any:
        sizes = [data.shape[kept[i]] if i in kept else size for i, size in enumerate(after)]
        return data.reshape(sizes)

    return reshape


def _same_place(before: tuple[int, ...], after: tuple[int, ...], axis: int) -> int | None:
    """Give the axis of the second shape that is an axis of the first."""
    ahead = 1
    for size in before[:axis]:
        ahead *= size
    product = 1
    for number, size in enumerate(after):
        if product == ahead and size == before[axis]:
            return number
        product *= size
    return None
