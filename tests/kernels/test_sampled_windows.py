"""The random choice of windows that activate neurons."""

from __future__ import annotations

import numpy as np

from mutua.kernels.activating_search import N_BINS
from mutua.kernels.sampled_windows import SampledWindows

N, LENGTH, WIDTH, N_NEURONS = 90, 31, 7, 3


def _data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (N, LENGTH), dtype=np.uint8)
    weights = random.normal(size=(N_NEURONS, 4, WIDTH))
    windows = np.lib.stride_tricks.sliding_window_view(codes, WIDTH, axis=1)
    activation = np.stack(
        [sum(w[windows[:, :, j], j] for j in range(WIDTH)) for w in weights], axis=1
    )
    activation[4, :, 2:9] = np.nan
    return codes, activation.astype(np.float32)


def _sampled(codes: np.ndarray, activation: np.ndarray, size: int, **how: int) -> SampledWindows:
    options = {"width": WIDTH, "most": 11, "seed": 0} | how
    sample = SampledWindows(np.nanmax(activation, axis=(0, 2)), **options)
    for first in range(0, N, size):
        part = slice(first, first + size)
        sample.add(codes[part], activation[part], first)
    return sample


def test_blocks_do_not_matter() -> None:
    codes, activation = _data()
    for neuron in range(N_NEURONS):
        whole, parts, ones = (_sampled(codes, activation, size).of(neuron) for size in (N, 13, 1))
        for other in (parts, ones):
            np.testing.assert_array_equal(whole.codes, other.codes)
            np.testing.assert_array_equal(whole.activation, other.activation)


def test_windows_are_different_and_have_their_activation() -> None:
    codes, activation = _data()
    known = {
        codes[i, s : s + WIDTH].tobytes(): activation[i, 1, s]
        for i in range(N)
        for s in range(LENGTH - WIDTH + 1)
    }
    found = _sampled(codes, activation, 20).of(1)
    assert len(np.unique(found.codes, axis=0)) == len(found.codes)
    for window, value in zip(found.codes, found.activation, strict=True):
        assert known[window.tobytes()] == value
    top = np.nanmax(activation[:, 1])
    assert found.activation.max() == top
    counts = np.bincount((found.activation * (N_BINS / top)).astype(int).clip(max=N_BINS - 1))
    assert counts.max() == 11
    assert found.activation.min() > 0


def test_all_of_few_and_the_seed() -> None:
    codes, activation = _data()
    everything = _sampled(codes, activation, 30, most=10_000).of(0)
    windows = np.lib.stride_tricks.sliding_window_view(codes, WIDTH, axis=1)
    active = windows[activation[:, 0] > 0]
    np.testing.assert_array_equal(everything.codes, np.unique(active, axis=0))
    one, other = (_sampled(codes, activation, 30, seed=seed).of(0) for seed in (0, 1))
    assert one.codes.shape != other.codes.shape or (one.codes != other.codes).any()


def test_equal_windows_are_kept_once() -> None:
    codes = np.zeros((5, LENGTH), np.uint8)
    activation = np.ones((5, 1, LENGTH - WIDTH + 1), np.float32)
    sample = SampledWindows(np.ones(1, np.float32), width=WIDTH, most=9, seed=0)
    sample.add(codes, activation, 0)
    assert sample.of(0).codes.shape == (1, WIDTH)


def test_a_dead_neuron_has_none() -> None:
    codes, activation = _data()
    sample = SampledWindows(np.full(N_NEURONS, -1, np.float32), width=WIDTH, most=9, seed=0)
    sample.add(codes, activation, 0)
    assert len(sample.of(2).codes) == 0
