"""Layers found by tracing models of many sorts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mutua.errors import InvalidInput
from mutua.kernels.conv_layers import trace_convolutions
from tests.kernels.conv_models import LENGTH, MODELS, make

each_model = pytest.mark.parametrize("name", MODELS)


@each_model
def test_layers_in_the_order_they_are_run(name: str) -> None:
    traced = trace_convolutions(make(name), n_letters=4, length=LENGTH)
    found = [
        (one.name, one.receptive_field, one.jump if one.exact else -one.jump)
        for one in traced.layers
    ]
    assert found == MODELS[name][1]
    assert all((one.why_not == "") == one.exact for one in traced.layers)
    assert all((number < 0) == (one.receptive_field == 0)
               for one, number in zip(traced.layers, traced.numbers, strict=True))  # fmt: skip


@each_model
def test_only_letters_of_the_receptive_field_change_an_output(name: str) -> None:
    """Of the model itself: the letters that an output in the middle depends on."""
    model = make(name)
    random = np.random.default_rng(0)
    letters = random.integers(0, 4, LENGTH)
    sequence = torch.eye(4)[torch.from_numpy(letters)].T[None]
    modules = dict(model.named_modules())
    for layer in trace_convolutions(model, n_letters=4, length=LENGTH).layers:
        if not layer.exact or layer.name not in modules:
            continue
        seen: list[torch.Tensor] = []
        hook = modules[layer.name].register_forward_hook(
            lambda _m, _i, output, seen=seen: seen.append(output.clone())
        )
        several = sequence.repeat(LENGTH + 1, 1, 1)
        for place in range(LENGTH):  # in row `place` the letter there is another one
            several[place, :, place] = several[place, :, place].roll(1)
        with torch.no_grad():
            model(several)
        hook.remove()
        output = seen[0]
        axis = max(range(2, output.ndim), key=lambda k: output.shape[k])
        middle = output.movedim(axis, -1).flatten(1, -2)[..., output.shape[axis] // 2]
        changed = np.flatnonzero((middle[:-1] != middle[-1]).any(dim=1).numpy())
        span = changed[-1] - changed[0] + 1
        assert span <= layer.receptive_field
        # A maximum may hide a letter at an end.
        assert span >= layer.receptive_field - 2 * (layer.jump - 1)


def test_padding_channels_and_kernels() -> None:
    traced = trace_convolutions(make("strided"), n_letters=4, length=LENGTH)
    assert [(one.channels, one.kernel, one.dilation, one.padding) for one in traced.layers] == [
        (8, 3, 1, 0), (3, 3, 2, 0), (2, 4, 1, 0)
    ]  # fmt: skip
    traced = trace_convolutions(make("residual"), n_letters=4, length=LENGTH)
    assert [(one.channels, one.kernel, one.dilation, one.padding) for one in traced.layers] == [
        (9, 7, 1, 3), (9, 3, 2, 2), (9, 3, 4, 4), (9, 3, 8, 8), (2, 11, 1, 5)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("letters as rows", "LSTM in 'recurrent' takes all positions together"),
        ("instance norm", "instance_norm in 'between' takes all positions together"),
        ("excitation", "mean in the model takes all positions together"),
        ("places", "add in the model cannot be applied to a part of the map"),
        ("scaled", "computes it otherwise for other sequences"),
        ("adaptive", "its input has no axis of positions"),
    ],
)
def test_reason_why_windows_are_not_computed_at_once(name: str, part: str) -> None:
    assert part in trace_convolutions(make(name), n_letters=4, length=LENGTH).layers[-1].why_not


class Raising(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(4, 3, 5)
        self.dropout = nn.Dropout()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.dropout(self.first(x))
        raise ArithmeticError("no")


@pytest.mark.parametrize("fails", [False, True])
def test_modes_hooks_and_random_state_are_as_they_were(fails: bool) -> None:
    model = Raising() if fails else make("dropout")
    model.train()
    next(model.children()).eval()
    called = []
    model.register_forward_hook(lambda *_: called.append(1))
    modes = [part.training for part in model.modules()]
    hooks = [len(part._forward_hooks) for part in model.modules()]
    state = torch.get_rng_state()
    if fails:
        with pytest.raises(ArithmeticError):
            trace_convolutions(model, n_letters=4, length=20)
    else:
        trace_convolutions(model, n_letters=4, length=LENGTH)
        assert called
    assert [part.training for part in model.modules()] == modes
    assert [len(part._forward_hooks) for part in model.modules()] == hooks
    assert not any(part._forward_pre_hooks for part in model.modules())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(36, 2)), "Sequential that runs no convolution"),
        (lambda x: x, "a function"),
        (nn.Conv1d, "a type (a class)"),
        (None, "a NoneType"),
    ],
    ids=["dense", "function", "class", "none"],
)
def test_no_convolutions(model: object, part: str) -> None:
    with pytest.raises(InvalidInput, match="`model`") as caught:
        trace_convolutions(model, n_letters=4, length=9)
    assert part in str(caught.value)


def test_unknown_layers_are_refused() -> None:
    traced = trace_convolutions(make("places"), n_letters=4, length=LENGTH)
    with pytest.raises(InvalidInput, match=r"'third'.*\['first', 'second'\]"):
        traced.find("third")
    with pytest.raises(InvalidInput, match=r"windows are not known.*\['first'\]"):
        traced.find("second")


class WithArgument(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(6, 3, 5), nn.Conv1d(3, 2, 3)

    def forward(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x) * scale[:, None, None]).mean(-1)


def test_further_arguments_and_tracks() -> None:
    traced = trace_convolutions(
        WithArgument(), n_letters=4, length=30, n_tracks=2, args=[np.ones(3)]
    )
    assert [one.receptive_field for one in traced.layers] == [5, 0]
    assert "args[0]" in traced.layers[1].why_not
