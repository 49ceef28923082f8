"""How the motifs of one neuron are told apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.kernels.demixing import (
    demix,
    demix_further,
    homogeneity,
    informative_runs,
    leaf_probability,
    smoothed_information,
)
from tests.reference import neuron_motifs as reference


def _blobs(sizes: tuple[int, ...], n_features: int = 5, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    centres = 10 * random.normal(size=(len(sizes), n_features))
    return np.concatenate(
        [c + 0.1 * random.normal(size=(n, n_features)) for c, n in zip(centres, sizes, strict=True)]
    ).astype(np.float32)


def test_clusters_of_every_layer_make_a_tree() -> None:
    """Two blobs at the first depth, of which each is two at the second."""
    first, second = _blobs((60, 40)), _blobs((35, 25, 22, 18), seed=1)
    leaves = demix((first, second).__getitem__, np.ones(100, np.float32), [2, 2], least=5, seed=0)
    assert [leaf.path for leaf in leaves] == ["0-0-0", "0-0-1", "0-1-0", "0-1-1"]
    assert [len(leaf.rows) for leaf in leaves] == [35, 25, 22, 18]
    assert sorted(np.concatenate([leaf.rows for leaf in leaves]).tolist()) == list(range(100))
    for leaf in leaves:
        assert np.ptp(leaf.rows) == len(leaf.rows) - 1  # a blob, whole


def test_one_cluster_splits_nothing_and_asks_for_no_map() -> None:
    def never(depth: int) -> np.ndarray:
        raise AssertionError(depth)

    leaves = demix(never, np.ones(30, np.float32), [1, 1], least=5, seed=0)
    assert [leaf.path for leaf in leaves] == ["0"]


def test_small_clusters_are_not_split_and_smaller_ones_left_out() -> None:
    features = _blobs((50, 9, 3))
    weights = np.ones(62, np.float32)
    maps = (features, features).__getitem__
    leaves = demix(maps, weights, [3, 2], least=5, seed=0)
    paths = {leaf.path: len(leaf.rows) for leaf in leaves}
    assert paths.pop("0-1") == 9
    assert all(path.startswith("0-0-") for path in paths)
    assert sum(paths.values()) == 50
    assert demix(maps, weights, [3, 2], least=63, seed=0) == []


def test_the_heaviest_cluster_comes_first() -> None:
    features = _blobs((30, 20))
    weights = np.concatenate([np.full(30, 0.5), np.full(20, 2)]).astype(np.float32)
    leaves = demix([features].__getitem__, weights, [2], least=3, seed=0)
    assert [len(leaf.rows) for leaf in leaves] == [20, 30]


def test_the_seed_decides() -> None:
    features = np.random.default_rng(0).normal(size=(200, 6)).astype(np.float32)
    weights = np.random.default_rng(1).random(200).astype(np.float32)
    one, again, other = (
        demix([features].__getitem__, weights, [5], least=2, seed=seed) for seed in (1, 1, 2)
    )
    assert [a.rows.tolist() for a in one] == [b.rows.tolist() for b in again]
    assert [a.rows.tolist() for a in one] != [b.rows.tolist() for b in other]


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 50),
    length=st.integers(1, 6),
    power=st.sampled_from([0.3, 1.0, 4.0]),
    seed=st.integers(0, 10**6),
)
def test_letters_are_those_of_plain_loops(n: int, length: int, power: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 3, (n, length), dtype=np.uint8)
    activation = (random.random(n) ** power + 1e-4).astype(np.float32)
    found = leaf_probability(codes, activation, 3)
    wanted = reference.leaf_probability(codes, activation.astype(np.float64), 3)
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=0), 1)


def test_many_weak_sequences_do_not_outweigh_the_strong() -> None:
    codes = np.concatenate([np.zeros((10, 3)), np.ones((990, 3))]).astype(np.uint8)
    activation = np.concatenate([np.full(10, 10), np.full(990, 0.1)]).astype(np.float32)
    assert leaf_probability(codes, activation, 2)[0].min() > 0.9


@settings(max_examples=60, deadline=None)
@given(
    bits=st.lists(st.sampled_from([0.0, 0.2, 0.4, 1.0, 2.0]), min_size=1, max_size=25),
    gap=st.integers(0, 2),
    least_length=st.integers(1, 5),
)
def test_runs_are_those_of_plain_loops(bits: list[float], gap: int, least_length: int) -> None:
    values = np.array(bits)
    options = {"least_bits": 0.7, "gap": gap, "least_length": least_length, "edge_bits": 0.3}
    assert informative_runs(values, **options) == reference.informative_runs(values, **options)


@pytest.mark.parametrize(
    ("strong", "length"),
    [((3, 9), 9), ((10, 18), 18), ((28, 36), 36), ((5, 20), 30), ((0, 40), 40)],
)
def test_motifs_at_either_end_and_long_ones_are_whole(strong: tuple[int, int], length: int) -> None:
    bits = np.zeros(length)
    bits[slice(*strong)] = 1.8
    assert informative_runs(bits, least_bits=0.7) == [strong]


def test_smoothing_at_the_ends_takes_what_there_is() -> None:
    np.testing.assert_allclose(smoothed_information(np.array([2.0, 0, 1, 1])), [1, 1, 2 / 3, 1])
    np.testing.assert_allclose(smoothed_information(np.array([1.5])), [1.5])


def _shifted(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Sequences with a word at one of two places, and which one it is."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (n, 9), dtype=np.uint8)
    place = random.integers(0, 2, n)
    for row, start in enumerate(3 * place):
        codes[row, start : start + 5] = [2, 0, 3, 3, 0]
    return codes, place


def _word(codes: np.ndarray) -> np.ndarray:
    """Give the largest number of letters of the word at any of both places, less 3."""
    hits = [(codes[:, s : s + 5] == [2, 0, 3, 3, 0]).sum(axis=1) for s in (0, 3)]
    return np.maximum(np.maximum(*hits) - 3, 0).astype(np.float32)


def test_a_mixture_is_less_homogeneous_than_its_parts() -> None:
    codes, place = _shifted()
    value = _word(codes)
    random = np.random.default_rng(0)
    mixed = homogeneity(codes, value, 4, _word, random)
    parts = [homogeneity(codes[place == p], value[place == p], 4, _word, random) for p in (0, 1)]
    assert mixed < 0.5
    assert min(parts) > 0.95


def test_splitting_ends_where_clusters_are_good() -> None:
    codes, place = _shifted()
    value = _word(codes)
    random = np.random.default_rng(0)
    maps = [np.eye(2, dtype=np.float32)[place], np.zeros((400, 3), np.float32)]
    leaves = demix_further(
        maps.__getitem__,
        value,
        [2, 2],
        lambda rows: homogeneity(codes[rows], value[rows], 4, _word, random),
        enough=0.9,
        least=5,
        seed=0,
    )
    assert [leaf.path for leaf in leaves] == ["0-0", "0-1"]
    for leaf in leaves:
        assert len(set(place[leaf.rows].tolist())) == 1


def test_a_layer_that_does_not_help_is_passed_over() -> None:
    codes, place = _shifted()
    value = _word(codes)
    asked: list[int] = []

    def maps(depth: int) -> np.ndarray:
        asked.append(depth)
        noise = np.random.default_rng(1).normal(size=(400, 4))
        return noise.astype(np.float32) if depth == 0 else np.eye(2, dtype=np.float32)[place]

    def good(rows: np.ndarray) -> float:
        return float(len(set(place[rows].tolist())) == 1)

    leaves = demix_further(maps, value, [2, 2], good, enough=1, least=5, seed=0)
    assert asked == [0, 1]
    assert [leaf.path for leaf in leaves] == ["0-0", "0-1"]


def test_what_is_good_or_small_stays_whole() -> None:
    codes, _ = _shifted()
    value = _word(codes)

    def never(depth: int) -> np.ndarray:
        raise AssertionError(depth)

    for good, least in ((1.0, 5), (0.0, 200)):
        leaves = demix_further(
            never, value, [2], lambda rows, good=good: good, enough=1, least=least, seed=0
        )
        assert [leaf.path for leaf in leaves] == ["0"]
    assert demix_further(never, value, [2], lambda rows: 0, enough=1, least=401, seed=0) == []
