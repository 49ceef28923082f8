"""Activations in every window, held against windows that are cut out and computed alone."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels.conv_layers import trace_convolutions
from mutua.kernels.letters import one_hot
from mutua.kernels.window_activations import ActiveWindows, WindowEvaluator, best_apart
from tests.kernels.conv_models import LENGTH, MODELS, make
from tests.reference import window_activations as reference

N = 5


def sequences(n: int = N, length: int = LENGTH, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, (n, length), dtype=np.uint8)


def evaluators(model: nn.Module, length: int = LENGTH) -> list[WindowEvaluator]:
    traced = trace_convolutions(model, n_letters=4, length=length)
    return [WindowEvaluator(traced, one.name) for one in traced.layers if one.receptive_field]


class ChannelNorm(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.layer_norm(x.mT, x.shape[1:2], eps=0.1).mT


@st.composite
def stacks(draw: st.DrawFn) -> tuple[nn.Module, list]:
    """Draw padded layers, and the same as steps of the reference."""
    torch.manual_seed(draw(st.integers(0, 100)))
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    steps: list = []
    channels = 4
    for number in range(draw(st.integers(1, 3))):
        wide, kernel = draw(st.integers(1, 3)), draw(st.integers(1, 4))
        dilation, stride = draw(st.integers(1, 2)), draw(st.integers(1, 2))
        layer = nn.Conv1d(channels, wide, kernel, stride, draw(st.integers(0, 2)), dilation)
        layers[f"conv{number}"] = layer
        steps.append(
            reference.Conv(
                layer.weight.detach().numpy(), layer.bias.detach().numpy(), dilation, stride
            )
        )
        channels = wide
        match draw(st.sampled_from(["relu", "max", "mean", "norm", "none"])):
            case "relu":
                layers[f"relu{number}"] = nn.ReLU(inplace=True)
                steps.append(reference.Relu())
            case "norm" if channels > 1:
                layers[f"norm{number}"] = ChannelNorm()
                steps.append(reference.ChannelNorm())
            case ("max" | "mean") as kind:
                width = draw(st.integers(1, 3))
                step, pad = draw(st.integers(1, 3)), draw(st.integers(0, width // 2))
                sort = nn.MaxPool1d if kind == "max" else nn.AvgPool1d
                layers[f"pool{number}"] = sort(width, step, pad)
                steps.append(reference.Pool(width, step, kind == "mean"))
    return nn.Sequential(layers), steps


@settings(max_examples=25, deadline=None)
@given(stacks())
def test_all_windows_of_drawn_stacks(drawn: tuple[nn.Module, list]) -> None:
    model, steps = drawn
    length = 67
    assume(reference.receptive_field(steps)[0] <= length)
    letters = one_hot(sequences(2, length), 4)
    layer = [k for k, step in enumerate(steps) if isinstance(step, reference.Conv)][-1]
    inner = [*steps[:layer], steps[layer]._replace(stride=1)]
    width, _ = reference.receptive_field(inner)
    found = evaluators(model, length)[-1]
    assert found.exact_dense
    assert (found.receptive_field, found.layer.jump) == (
        width,
        reference.receptive_field(steps[: layer + 1])[1],
    )
    expected = np.stack([reference.all_windows(inner, one) for one in letters])
    values = found.windows(letters)
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(values, expected, atol=1e-6 * scale)


@pytest.mark.parametrize("name", MODELS)
def test_all_at_once_is_one_by_one(name: str) -> None:
    letters = one_hot(sequences(), 4)
    for found in evaluators(make(name)):
        width = found.receptive_field
        values = found.windows(letters)
        assert values.shape == (N, found.channels, LENGTH - width + 1)
        assert values.dtype == np.float32
        alone = np.stack(
            [found(letters[:, :, s : s + width]) for s in range(LENGTH - width + 1)], axis=2
        )
        np.testing.assert_allclose(values, alone, atol=1e-6 * np.abs(alone).max())


def test_windows_of_one_layer_are_sequences_of_their_own_after_a_norm_over_positions() -> None:
    model = make("instance norm")
    letters = one_hot(sequences(), 4)
    (found,) = [one for one in evaluators(model) if one.layer.name == "second"]
    assert not found.exact_dense
    assert "instance_norm" in found.why_not
    window = torch.from_numpy(letters[:, :, 11:18])
    with torch.no_grad():
        expected = model.second(torch.relu(model.between(model.first(window))))
    np.testing.assert_allclose(found.windows(letters)[:, :, 11], expected[:, :, 0], atol=1e-6)


def test_gradients_flow_to_windows() -> None:
    found = evaluators(make("batch norm"))[-1]
    windows = torch.from_numpy(one_hot(sequences(3, found.receptive_field), 4)).requires_grad_()
    output = found(windows)
    output[:, 1].sum().backward()
    assert output.shape == (3, 4)
    assert windows.grad is not None
    moved = windows.detach().clone()
    place = int(windows.grad[0].abs().sum(0).argmax())
    moved[0, :, place] += 1e-3 * windows.grad[0, :, place]
    change = float((found(moved) - found(windows.detach()))[0, 1])
    assert change == pytest.approx(1e-3 * float((windows.grad[0, :, place] ** 2).sum()), rel=0.02)


def test_maps_of_earlier_layers() -> None:
    model = make("dropout")  # what follows a layer writes into its map
    found = evaluators(model)[-1]
    windows = one_hot(sequences(6, found.receptive_field), 4)
    assert found.earlier_layers == ["second", "first"]
    with torch.no_grad():
        first = model.first(torch.from_numpy(windows))
        second = model.second(torch.relu(first))
    np.testing.assert_allclose(found.layer_maps(windows, "first"), first, atol=1e-6)
    np.testing.assert_allclose(found.layer_maps(windows, "second"), second, atol=1e-6)
    with pytest.raises(InvalidInput, match="'third'"):
        found.layer_maps(windows, "third")


def test_windows_with_unknown_letters_do_not_count() -> None:
    codes = sequences(4, 60)
    codes[0, 20], codes[1, 50:], codes[2] = 254, 255, 254
    found = evaluators(make("batch norm"), 60)[1]
    width = found.receptive_field
    values = found.windows(one_hot(codes, 4))
    unknown = codes >= 4
    bad = np.stack([unknown[:, s : s + width].any(axis=1) for s in range(60 - width + 1)], axis=1)
    np.testing.assert_array_equal(np.isnan(values), np.repeat(bad[:, None], 6, axis=1))
    most = found.maxima(codes)
    assert np.isnan(most.activation[2]).all()
    assert (most.start[2] == -1).all()
    for row in (0, 1, 3):
        largest = np.nanmax(values[row], axis=1)
        np.testing.assert_allclose(most.activation[row], largest, atol=1e-6)
        at = values[row, np.arange(len(largest)), most.start[row]]
        np.testing.assert_allclose(at, largest, atol=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 64])
def test_maxima_do_not_depend_on_the_number_of_sequences_at_once(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = sequences(23)
    found = evaluators(make("residual"))[-1]
    whole = found.windows(one_hot(codes, 4))
    monkeypatch.setattr(found, "_block_size", lambda _: rows)
    most = found.maxima(codes)
    np.testing.assert_allclose(most.activation, whole.max(axis=2), atol=1e-6)
    at = np.take_along_axis(whole, most.start[:, :, None], axis=2)[:, :, 0]
    np.testing.assert_allclose(at, whole.max(axis=2), atol=1e-6)


def test_active_windows_are_those_above_the_threshold() -> None:
    codes = sequences(7)
    found = evaluators(make("image"))[-1]
    whole = found.windows(one_hot(codes, 4))[:, [4, 1]]
    least = np.quantile(whole, 0.97, axis=(0, 2)).astype(np.float32)
    windows = found.active_windows(codes, [4, 1], least, first_sequence=100)
    row, channel, start = np.nonzero(whole > least[:, None])
    np.testing.assert_array_equal(windows.sequence, row + 100)
    np.testing.assert_array_equal(windows.channel, channel)
    np.testing.assert_array_equal(windows.start, start)
    np.testing.assert_allclose(windows.activation, whole[row, channel, start], atol=1e-6)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 30), st.integers(0, 9)), max_size=25,
                unique_by=lambda one: one[:2]), st.integers(1, 9))  # fmt: skip
def test_best_windows_apart(drawn: list[tuple[int, int, int]], width: int) -> None:
    drawn = sorted(drawn)
    group, start, score = (np.array([one[k] for one in drawn], np.int32) for k in range(3))
    windows = ActiveWindows(group, np.zeros_like(group), start, score.astype(np.float32))
    kept: list[int] = []
    for k in sorted(range(len(drawn)), key=lambda k: (-drawn[k][2], k)):
        if all(group[k] != group[o] or abs(start[k] - start[o]) >= width for o in kept):
            kept.append(k)
    assert np.flatnonzero(best_apart(windows, width)).tolist() == sorted(kept)


def test_tracks_are_zero() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(6, 3, 5), nn.ReLU(), nn.Conv1d(3, 2, 3))
    traced = trace_convolutions(model, n_letters=4, length=30, n_tracks=2)
    letters = one_hot(sequences(3, 30), 4)
    padded = np.concatenate([letters, np.zeros((3, 2, 30), np.float32)], axis=1)
    with torch.no_grad():
        expected = model(torch.from_numpy(padded))
    np.testing.assert_allclose(WindowEvaluator(traced, "2").windows(letters), expected, atol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    found = evaluators(make("residual"))[-1]
    with pytest.raises(InvalidInput, match="30 letters for windows of 45 of layer 'profile'"):
        found.windows(np.zeros((2, 4, 30), np.float32))
    with pytest.raises(InvalidInput, match="30 letters"):
        found.maxima(sequences(2, 30))
    with pytest.raises(InvalidInput, match="Use \\(window, 4 letters, 45 positions\\)"):
        found(np.zeros((2, 4, 46), np.float32))
    with pytest.raises(InvalidInput, match="4 letters"):
        found.windows(np.zeros((2, 5, 60), np.float32))


def test_activations_that_are_not_finite_are_refused() -> None:
    model = make("batch norm")
    with torch.no_grad():
        model.first.weight[2] = torch.inf
    with pytest.raises(InvalidInput, match="neuron first:2, first for sequence 40"):
        evaluators(model)[0].maxima(sequences(), first_sequence=40)


@pytest.mark.parametrize(
    ("name", "most"), [("residual", 2), ("instance norm", 50)], ids=["dense", "one by one"]
)
def test_smaller_blocks_where_the_memory_of_a_gpu_does_not_hold_one(
    name: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what a GPU does, done on the CPU."""
    found = evaluators(make(name))[-1]
    codes, letters = sequences(3), one_hot(sequences(n=7, length=found.receptive_field), 4)
    expected = found.windows(one_hot(codes, 4)), found.maxima(codes), found(letters)
    monkeypatch.setattr(WindowEvaluator, "_on_gpu", True)
    real, sizes = WindowEvaluator._channels, []

    def limited(self: WindowEvaluator, batch: torch.Tensor) -> torch.Tensor:
        sizes.append(len(batch))
        if len(batch) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, batch)

    monkeypatch.setattr(WindowEvaluator, "_channels", limited)
    np.testing.assert_allclose(found.windows(one_hot(codes, 4)), expected[0], atol=1e-5)
    np.testing.assert_allclose(found.maxima(codes).activation, expected[1].activation, atol=1e-5)
    np.testing.assert_allclose(found(letters), expected[2], atol=1e-5)
    assert sum(size > most for size in sizes) < 4  # what fits is kept in mind
    assert max(sizes) > most
    most = 0
    with pytest.raises(MemoryLimit, match=r"`sequences`: the smallest piece needs .* MiB"):
        found.maxima(codes)


@pytest.mark.gpu
def test_gpu_agrees_with_cpu_at_size() -> None:
    """10,000 sequences of 500 letters, 256 channels behind two poolings, without TF32."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(4, 128, 11), nn.ReLU(), nn.MaxPool1d(3), nn.Conv1d(128, 256, 7), nn.ReLU(),
        nn.MaxPool1d(3), nn.Conv1d(256, 256, 5),
    )  # fmt: skip
    codes, both = sequences(10_000, 500), []
    for device in ("cpu", "cuda"):
        traced = trace_convolutions(model, n_letters=4, length=500, device=device)
        found = WindowEvaluator(traced, "6")
        windows = one_hot(codes[:2000, : found.receptive_field], 4)
        both.append(
            (found.maxima(codes).activation, found(windows), found.layer_maps(windows, "3"))
        )
    for one, other in zip(*both, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(one).max())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_gpu_agrees_with_cpu() -> None:
    model, codes = make("residual"), sequences()
    both = []
    for device in ("cpu", "cuda"):
        traced = trace_convolutions(model, n_letters=4, length=LENGTH, device=device)
        both.append(WindowEvaluator(traced, "profile").maxima(codes).activation)
    np.testing.assert_allclose(*both, atol=1e-4)
    assert next(model.parameters()).device.type == "cpu"
