"""Follow the maps of a model from its input to its convolutions.

A model is applied once to made-up sequences while every function of torch that it calls is noted.
A *map* is a tensor with an axis along the sequence. Index i of a map with one value for every
`jump` letters has the place ``i * jump``, in letters. The part of a map that no padding has
reached can be computed from sequences of any length, for every ``jump``-th window as in the model,
or for all windows at once: pooling then moves by one letter at a time, and every later convolution
is dilated by the jump (a trous).

What a function does along the sequence is known for convolutions, pooling, padding and slices. Of
any other it is found out: if it gives the same for a part of a map as for all of it, it works at
each position alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mutua.kernels.replayed_maps import Node
from mutua.kernels.traced_functions import Shift, Window, reshaped, rule

__all__ = ["PROBE", "Conv", "Trace", "trace"]

PROBE = 3
"""Sequences to trace a model with: one is left out to find the axis of sequences."""
_LEAST = 7
"""Positions that a map needs for it to be found out what a function does along it."""
_FIRST, _CUT = 2, 3
"""Positions left out for that in front and in all: not as many at both ends."""
_RESHAPES = ("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as")


class Conv(NamedTuple):
    """A convolution that was run."""

    name: str
    node: int
    channels: int
    kernel: int
    dilation: int
    padding: int
    lost: str
    """Why its window is not known, if it is not."""


class Trace(NamedTuple):
    """What a model was seen to do; node 0 is its input."""

    nodes: list[Node]
    convs: list[Conv]
    outputs: list[Any]
    """What each convolution gave, if that was to be kept."""


class _Lost(NamedTuple):
    """A tensor that depends on the sequences in a way that cannot be followed."""

    why: str


def trace(model: Any, probe: Any, args: Sequence[Any] = (), *, keep: bool = False) -> Trace:
    """Note what a module does with sequences.

    Parameters
    ----------
    model
        A torch module in evaluation mode. Its hooks are put back as they were, even if it fails.
    probe
        Tensor (sequence, channel, position) of `PROBE` sequences.
    args
        Further arguments of the model.
    keep
        Whether to keep what the convolutions gave.
    """
    import torch

    notes = _Notes(probe, args, keep)
    hooks = []

    def watch(name: str, module: Any) -> None:
        hooks.append(module.register_forward_pre_hook(lambda *_: notes.enter(name, module)))
        hooks.append(module.register_forward_hook(
            lambda _, inputs, named, output: notes.leave(module, inputs, named, output),
            with_kwargs=True))  # fmt: skip

    try:
        for name, module in model.named_modules():
            watch(name, module)
        with torch.no_grad(), _watching(notes):
            model(probe, *args)
    finally:
        for hook in hooks:
            hook.remove()
    return Trace(notes.nodes, notes.convs, notes.outputs)


def _watching(notes: _Notes) -> Any:
    from torch.overrides import TorchFunctionMode

    class Watching(TorchFunctionMode):
        def __torch_function__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            output = function(*args, **(kwargs or {}))
            notes.call(function, args, kwargs or {}, output)
            return output

    return Watching()


class _Call(NamedTuple):
    """A call of a function, some arguments of which depend on the sequences."""

    function: Any
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    in_place: bool


class _Axes(NamedTuple):
    """Which axes of what a function gives are those of sequences and positions."""

    batch: int
    axis: int | None
    local: bool
    """Whether it works at each position alone."""


class _Notes:
    """Nodes and convolutions as they come; knows the tensors that depend on the sequences."""

    def __init__(self, probe: Any, args: Sequence[Any], keep: bool) -> None:
        import torch
        from torch.utils.weak import WeakIdKeyDictionary

        self.nodes = [Node((), None, None, 0, 2, 1, 0, 0, "")]
        self.convs: list[Conv] = []
        self.outputs: list[Any] = []
        self._keep = keep
        self._known: Any = WeakIdKeyDictionary()
        self._known[probe] = 0
        for number, one in enumerate(args):
            if isinstance(one, torch.Tensor):
                self._known[one] = _Lost(f"it depends on args[{number}]")
        self._path: list[tuple[str, Any]] = []
        self._inside = 0
        self._random = torch.Generator().manual_seed(0)

    def enter(self, name: str, module: Any) -> None:
        self._path.append((name, module))
        self._inside += _is_whole(module)

    def leave(self, module: Any, args: Any, kwargs: Any, output: Any) -> None:
        self._inside -= _is_whole(module)
        if _is_whole(module) and not self._inside:
            self._note(_Call(_snapshot(module), type(module).__name__, args, kwargs, False), output)
        self._path.pop()

    def call(self, function: Any, args: Any, kwargs: Any, output: Any) -> None:
        if self._inside:
            return
        name = getattr(function, "__name__", "a function")
        if "input" in kwargs:
            args, kwargs = (kwargs["input"], *args), {k: v for k, v in kwargs.items()
                                                      if k != "input"}  # fmt: skip
        self._note(_Call(function, name, tuple(args), dict(kwargs), False), output)

    def _note(self, call: _Call, output: Any) -> None:
        """Note a call, if what it gives depends on the sequences."""
        import torch
        from torch.utils import _pytree as trees

        leaves = [x for x in trees.tree_leaves((call.args, call.kwargs))
                  if isinstance(x, torch.Tensor)]  # fmt: skip
        found = [self._known[leaf] for leaf in leaves if leaf in self._known]
        if not found:
            return
        if call.name == "__setitem__":
            self._known[call.args[0]] = _Lost(f"{self._where()} writes into parts of a map")
        many = isinstance(output, tuple | list)
        tensors = {k: one for k, one in enumerate(output if many else [output])
                   if isinstance(one, torch.Tensor)}  # fmt: skip
        call = call._replace(in_place=any(one is x for one in tensors.values() for x in leaves))
        lost = next((one for one in found if isinstance(one, _Lost)), None)
        noted = {k: lost or self._node(call, k if many else None, one)
                 for k, one in tensors.items()}  # fmt: skip
        if call.name in ("conv1d", "conv2d") and tensors:
            self._convolution(call, noted[0], tensors[0])
        for k, one in tensors.items():
            self._known[one] = noted[k]

    def _node(self, call: _Call, pick: int | None, output: Any) -> int | _Lost:
        """Give the node of what a function gave, or why it cannot be followed."""
        source = self._known.get(call.args[0]) if call.args and _is_tensor(call.args[0]) else None
        axis = self.nodes[source].axis if isinstance(source, int) else None
        if isinstance(source, int) and axis is not None:
            ruled = rule(call.name, call.args, call.kwargs, axis)
            if isinstance(ruled, str):
                return _Lost(f"{self._where()} {ruled}")
            if isinstance(ruled, Window):
                return self._windowed(source, ruled, call)
            if isinstance(ruled, Shift):
                return self._shifted(ruled, call)
        return self._function(call, pick, output)

    def _windowed(self, source: int, window: Window, call: _Call) -> int | _Lost:
        node = self.nodes[source]
        if call.name.startswith("conv"):
            others = [*call.args[1:], *call.kwargs.values()]
            if any(_is_tensor(x) and x in self._known for x in others):
                return _Lost(f"{self._where()} makes its weights from the sequences")
            if node.batch != 0:
                return _Lost(f"{self._where()} convolves along another axis than the sequence")
        shift, reach = window.padding * node.jump, (window.kernel - 1) * window.dilation
        return self._add(
            node._replace(
                sources=(source,),
                compute=None,
                window=window,
                jump=node.jump * window.stride,
                low=node.low + shift,
                high=node.high + shift - reach * node.jump,
            )
        )

    def _shifted(self, shift: Shift, call: _Call) -> int | _Lost:
        """Note padding or a slice: what else the function does, and then the shift."""
        rest = self._function(call._replace(args=shift.args, kwargs=shift.kwargs), None, None)
        if isinstance(rest, _Lost):
            return rest
        node = self.nodes[rest]
        by, axis = shift.by * node.jump, node.axis
        self.nodes[rest] = node._replace(low=node.low + by, high=node.high + by)
        if shift.stride == 1 or axis is None:
            return rest

        def thin(data: Any, _factor: int, step: int) -> Any:
            return data[(*[slice(None)] * axis, slice(None, None, step))]

        return self._windowed(rest, Window(1, 1, shift.stride, 0, thin), call)

    def _function(self, call: _Call, pick: int | None, output: Any) -> int | _Lost:
        """Give the node of any other function."""
        compute, examples = self._bound(call, pick)
        sources = [self._known[one] for one in examples]
        nodes = [self.nodes[one] for one in sources]
        maps = [node for node in nodes if node.axis is not None]
        if len({node.jump for node in maps}) > 1:
            return _Lost(f"{self._where()} combines maps with different jumps")
        axes = self._axes(compute, examples, nodes)
        if axes is None and call.name in _RESHAPES and len(nodes) == 1 and output is not None:
            before = tuple(examples[0].shape)
            again = reshaped(before, tuple(output.shape), nodes[0].batch, nodes[0].axis)
            if again is not None:
                compute = _on_one(again)
                axes = self._axes(compute, examples, nodes)
        if axes is None:
            return _Lost(f"{call.name} in {self._where()} cannot be applied to a part of the map")
        mixes = next((node.mixes for node in nodes if node.mixes), "")
        if not axes.local:
            mixes = mixes or f"{call.name} in {self._where()} takes all positions together"
        low = max((node.low for node in maps), default=0)
        high = min((node.high for node in maps), default=0)
        jump = maps[0].jump if maps else 1
        return self._add(
            Node(tuple(sources), compute, None, axes.batch, axes.axis, jump, low, high, mixes)
        )

    def _bound(self, call: _Call, pick: int | None) -> tuple[Callable[[list[Any]], Any], list[Any]]:
        """Give a function of the tensors that depend on the sequences, and these tensors."""
        from torch.utils import _pytree as trees

        leaves, shape = trees.tree_flatten((call.args, call.kwargs))
        places = [k for k, x in enumerate(leaves) if _is_tensor(x) and x in self._known]
        examples = [leaves[k] for k in places]
        fixed = [None if k in places else x.detach() if _is_tensor(x) else x
                 for k, x in enumerate(leaves)]  # fmt: skip
        function, in_place = call.function, call.in_place

        def compute(values: list[Any]) -> Any:
            filled = list(fixed)
            for k, value in zip(places, values, strict=True):
                filled[k] = value.clone() if in_place else value
            args, kwargs = trees.tree_unflatten(filled, shape)
            output = function(*args, **kwargs)
            return output if pick is None else output[pick]

        return compute, examples

    def _axes(self, compute: Any, examples: list[Any], nodes: list[Node]) -> _Axes | None:
        """Find out what a function does by leaving out a sequence and some positions."""
        import torch

        sizes = {x.shape[n.axis] for x, n in zip(examples, nodes, strict=True)
                 if n.axis is not None}  # fmt: skip
        if len(sizes) > 1:
            return None
        made = all(x.is_floating_point() for x in examples)
        n = sizes.pop() if sizes else 0
        size = max(n, _LEAST) if made and n else n
        if n and size <= _CUT:
            return None
        whole, part = [], []
        for x, node in zip(examples, nodes, strict=True):
            shape = list(x.shape)
            if node.axis is not None:
                shape[node.axis] = size
            value = torch.randn(shape, generator=self._random).to(x) if made else x.clone()
            whole.append(value)
            cut = value.narrow(node.batch, 0, PROBE - 1)
            part.append(cut if node.axis is None else cut.narrow(node.axis, _FIRST, size - _CUT))
        try:
            all_, some = compute(whole), compute(part)
        # What a function raises that cannot take a part is of any sort.
        except Exception:
            return None
        return _compared(all_, some, size)

    def _convolution(self, call: _Call, noted: int | _Lost, output: Any) -> None:
        """Note a convolution, unless it is another run of a layer."""
        name, module = self._path[-1] if self._path else ("", None)
        again = sum(conv.name.split("#")[0] == (name or "convolution") for conv in self.convs)
        if again and _is_convolution(module):
            return
        name = (name or "convolution") + (f"#{again + 1}" if again else "")
        weight = call.args[1] if len(call.args) > 1 else call.kwargs["weight"]
        window = None if isinstance(noted, _Lost) else self.nodes[noted].window
        if isinstance(noted, int) and window is not None:
            axis = self.nodes[noted].axis
            channels = output[0].numel() // output.shape[axis]
            self.convs.append(
                Conv(name, noted, channels, window.kernel, window.dilation, window.padding, "")
            )
        else:
            why = noted.why if isinstance(noted, _Lost) else "its input has no axis of positions"
            self.convs.append(Conv(name, -1, len(weight), int(weight.shape[-1]), 1, 0, why))
        if self._keep:
            self.outputs.append(output.clone())

    def _add(self, node: Node) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def _where(self) -> str:
        name = next((name for name, _ in reversed(self._path) if name), "")
        return f"'{name}'" if name else "the model"


def _compared(whole: Any, part: Any, size: int) -> _Axes | None:
    """Find the axes of what a function gave for all and for a part of its input."""
    import torch

    if not _is_tensor(whole) or not _is_tensor(part) or whole.ndim != part.ndim:
        return None
    less = [a - b for a, b in zip(whole.shape, part.shape, strict=True)]
    batches = [k for k, by in enumerate(less) if by == 1 and whole.shape[k] == PROBE]
    axes = [k for k, by in enumerate(less) if by == _CUT and whole.shape[k] == size]
    if len(batches) != 1 or len(axes) > 1 or sum(map(bool, less)) != 1 + len(axes):
        return None
    (batch,), axis = batches, axes[0] if axes else None
    if axis is None:
        return _Axes(batch, None, size == 0)
    same = whole.narrow(batch, 0, PROBE - 1).narrow(axis, _FIRST, size - _CUT)
    if same.is_floating_point():
        finite = same[torch.isfinite(same)]
        scale = float(finite.abs().max()) if finite.numel() else 1.0
        local = torch.allclose(same, part, rtol=1e-4, atol=1e-5 * scale, equal_nan=True)
    else:
        local = torch.equal(same, part)
    return _Axes(batch, axis, local)


def _on_one(function: Callable[[Any], Any]) -> Callable[[list[Any]], Any]:
    return lambda values: function(values[0])


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _is_convolution(module: Any) -> bool:
    import torch

    return isinstance(module, torch.nn.modules.conv._ConvNd)


def _is_whole(module: Any) -> bool:
    """Tell a module that keeps a state of its own along the sequence: one function."""
    import torch

    kinds = (torch.nn.RNNBase, torch.nn.MultiheadAttention, torch.nn.TransformerEncoderLayer)
    return isinstance(module, kinds)


def _snapshot(module: Any) -> Any:
    """Give a copy of a module without hooks, which stays where the model may not."""
    twin = copy.deepcopy(module)
    for part in twin.modules():
        part._forward_hooks.clear()
        part._forward_pre_hooks.clear()
        part._forward_hooks_with_kwargs.clear()
        part._forward_pre_hooks_with_kwargs.clear()
    return twin
