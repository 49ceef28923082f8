"""The search for sequences that activate a neuron."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from mutua.kernels.activating_search import (
    Found,
    all_sequences,
    search_sequences,
    spread_over_activations,
)

LENGTH, N_LETTERS = 11, 4


class Additive:
    """A neuron that adds up a weight for each letter; it counts how often it is asked."""

    def __init__(self, length: int = LENGTH, seed: int = 0) -> None:
        self.weights = np.random.default_rng(seed).normal(size=(N_LETTERS, length))
        self.weights = self.weights.astype(np.float32)
        self.calls = 0

    def __call__(
        self, codes: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        self.calls += 1
        value = self.weights[codes, np.arange(codes.shape[1])].sum(axis=1, dtype=np.float32)
        return value, np.broadcast_to(self.weights, (len(codes), *self.weights.shape)).copy()


def test_all_sequences_are_there_once() -> None:
    found = all_sequences(5, 3)
    assert found.shape == (243, 5)
    assert len(np.unique(found, axis=0)) == 243
    assert found.dtype == np.uint8


@pytest.mark.parametrize("length", [1, 7, 30])
def test_the_best_sequence_is_found(length: int) -> None:
    neuron = Additive(length)
    found = search_sequences(neuron, length, N_LETTERS, np.random.default_rng(1))
    np.testing.assert_allclose(found.activation.max(), neuron.weights.max(axis=0).sum(), rtol=1e-5)
    assert len(np.unique(found.codes, axis=0)) == len(found.codes)
    np.testing.assert_array_equal(neuron(found.codes)[0], found.activation)


def test_a_motif_that_gradients_do_not_show_is_found() -> None:
    """Both halves of a palindrome are needed at once, and the gradient of a product is 0."""

    def neuron(codes: npt.NDArray[np.uint8]) -> tuple[npt.NDArray, npt.NDArray]:
        left = (codes[:, 2:5] == [2, 0, 3]).all(axis=1)
        right = (codes[:, 6:9] == [0, 3, 1]).all(axis=1)
        value = (left & right) + 0.1 * left
        return value.astype(np.float32), np.zeros((len(codes), N_LETTERS, LENGTH), np.float32)

    found = search_sequences(neuron, LENGTH, N_LETTERS, np.random.default_rng(0))
    assert found.activation.max() > 1


def test_one_seed_gives_one_result_and_another_another() -> None:
    first, again, other = (
        search_sequences(Additive(), LENGTH, N_LETTERS, np.random.default_rng(seed))
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.codes, again.codes)
    assert first.codes.shape != other.codes.shape or (first.codes != other.codes).any()


def test_the_search_ends_when_it_does_not_get_on() -> None:
    neuron = Additive()
    neuron.weights[:] = 0
    search_sequences(neuron, LENGTH, N_LETTERS, np.random.default_rng(0))
    assert neuron.calls == 32  # the first population, and 31 calm generations


def test_given_sequences_are_where_it_begins() -> None:
    start = np.full((3, LENGTH), 2, np.uint8)
    found = search_sequences(Additive(), LENGTH, N_LETTERS, np.random.default_rng(0), start=start)
    assert (found.codes[0] == 2).all()


def _found(n: int = 5_000, seed: int = 0) -> Found:
    random = np.random.default_rng(seed)
    codes = np.unique(random.integers(0, N_LETTERS, (n, LENGTH), dtype=np.uint8), axis=0)
    codes = codes[random.permutation(len(codes))]
    return Found(codes, Additive()(codes)[0])


def test_bins_of_activation_are_filled_alike() -> None:
    found = _found()
    chosen = spread_over_activations(found, 600, np.random.default_rng(0))
    assert len(chosen.codes) == 600
    assert chosen.activation.min() > 0
    assert chosen.activation[0] == found.activation.max()
    top = found.activation.max()
    place = np.minimum((chosen.activation * 20 / top).astype(int), 19)
    all_places = (found.activation[found.activation > 0] * 20 / top).astype(int).clip(max=19)
    taken, there = np.bincount(place, minlength=20), np.bincount(all_places, minlength=20)
    assert (taken[there <= 30] == there[there <= 30]).all()
    assert taken[there > 60].min() >= 30
    np.testing.assert_array_equal(Additive()(chosen.codes)[0], chosen.activation)


def test_the_choice_does_not_depend_on_the_order() -> None:
    found = _found()
    order = np.random.default_rng(5).permutation(len(found.codes))
    turned = Found(found.codes[order], found.activation[order])
    one, other = (
        spread_over_activations(part, 300, np.random.default_rng(1)) for part in (found, turned)
    )
    np.testing.assert_array_equal(one.codes, other.codes)


def test_fewer_than_wanted_and_none_at_all() -> None:
    found = _found(50)
    chosen = spread_over_activations(found, 1_000, np.random.default_rng(0))
    assert len(chosen.codes) == (found.activation > 0).sum()
    silent = Found(found.codes, -np.abs(found.activation))
    assert len(spread_over_activations(silent, 10, np.random.default_rng(0)).codes) == 0
