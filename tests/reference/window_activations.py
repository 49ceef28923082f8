"""Activations of stacked convolutions, window by window and in plain loops."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Conv(NamedTuple):
    weight: np.ndarray  # (channel out, channel in, kernel)
    bias: np.ndarray
    dilation: int = 1
    stride: int = 1


class Pool(NamedTuple):
    kernel: int
    stride: int
    mean: bool = False


class Relu(NamedTuple):
    pass


class ChannelNorm(NamedTuple):
    epsilon: float = 0.1  # large: two channels that are alike would amplify rounding


def receptive_field(steps: list) -> tuple[int, int]:
    """Give letters that one output of a stack sees, and letters from one to the next."""
    width, jump = 1, 1
    for step in steps:
        if isinstance(step, Conv):
            width += (step.weight.shape[2] - 1) * step.dilation * jump
            jump *= step.stride
        elif isinstance(step, Pool):
            width += (step.kernel - 1) * jump
            jump *= step.stride
    return width, jump


def forward(steps: list, window: np.ndarray) -> np.ndarray:
    """Apply a stack without padding to one window (channel, position)."""
    for step in steps:
        if isinstance(step, Conv):
            window = _convolve(step, window)
        elif isinstance(step, Pool):
            window = _pool(step, window)
        elif isinstance(step, Relu):
            window = np.where(window > 0, window, 0)
        else:
            centred = window - window.mean(axis=0)
            window = centred / np.sqrt((centred**2).mean(axis=0) + step.epsilon)
    return window


def all_windows(steps: list, sequence: np.ndarray) -> np.ndarray:
    """Give (channel, start) activations of every window of one sequence (channel, position)."""
    width, _ = receptive_field(steps)
    columns = []
    for start in range(sequence.shape[1] - width + 1):
        output = forward(steps, sequence[:, start : start + width])
        assert output.shape[1] == 1
        columns.append(output[:, 0])
    return np.stack(columns, axis=1)


def _convolve(step: Conv, window: np.ndarray) -> np.ndarray:
    n_out, n_in, kernel = step.weight.shape
    size = (window.shape[1] - (kernel - 1) * step.dilation - 1) // step.stride + 1
    output = np.zeros((n_out, size))
    for out in range(n_out):
        for place in range(size):
            total = float(step.bias[out])
            for channel in range(n_in):
                for tap in range(kernel):
                    at = place * step.stride + tap * step.dilation
                    total += float(step.weight[out, channel, tap]) * float(window[channel, at])
            output[out, place] = total
    return output


def _pool(step: Pool, window: np.ndarray) -> np.ndarray:
    size = (window.shape[1] - step.kernel) // step.stride + 1
    parts = [window[:, i * step.stride : i * step.stride + step.kernel] for i in range(size)]
    return np.stack([p.mean(axis=1) if step.mean else p.max(axis=1) for p in parts], axis=1)
