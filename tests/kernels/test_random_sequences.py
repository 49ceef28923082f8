from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from mutua.errors import InvalidInput
from mutua.kernels import rows
from mutua.kernels.random_sequences import (
    derived_seed,
    kmer_preserving_shuffle,
    random_codes,
    sample_letters,
)
from mutua.settings import settings as mutua_settings
from tests.reference import sequences as reference


@settings(deadline=None)  # the first example compiles
@given(
    letters=st.lists(st.sampled_from([0, 1, 2, 254]), max_size=60),
    left=st.integers(0, 3),
    right=st.integers(0, 3),
    k=st.integers(1, 7),
    seed=st.integers(0, 2**64 - 1),
)
def test_counts_ends_and_padding_are_kept(letters, left, right, k, seed):
    codes = np.array([[255] * left + letters + [255] * right] * 2, np.uint8)
    shuffled = kmer_preserving_shuffle(codes, k=k, seed=seed)
    for row in shuffled.tolist():
        assert row[:left] == [255] * left
        inner = row[left : left + len(letters)]
        assert row[left + len(letters) :] == [255] * right
        for j in range(1, k + 1):
            assert reference.kmer_counts(inner, j) == reference.kmer_counts(letters, j)
        assert inner[: k - 1] == letters[: k - 1]


@pytest.mark.parametrize(
    ("letters", "k"),
    [
        ([0, 1, 2, 1], 1),
        ([0, 1, 0, 2, 0, 1, 1, 0], 2),
        ([0, 1, 2, 0, 2, 1, 0, 1, 0], 2),
        ([0, 0, 1, 1, 0, 254, 0, 1], 2),
        ([0, 1, 0, 0, 1, 1, 0, 1, 0, 0], 3),
    ],
)
def test_every_valid_shuffle_is_equally_likely(letters, k):
    valid = reference.valid_shuffles(letters, k)
    assert len(valid) > 3
    codes = np.tile(np.array(letters, np.uint8), (40_000, 1))
    drawn = Counter(map(tuple, kmer_preserving_shuffle(codes, k=k, seed=3).tolist()))
    assert set(drawn) == valid
    assert chisquare(list(drawn.values())).pvalue > 1e-4


def test_same_bits_for_any_threads_and_chunks(monkeypatch):
    codes = np.random.default_rng(0).integers(0, 4, (203, 57), dtype=np.uint8)
    monkeypatch.setattr(rows, "_WORTH_THREADS", 0)
    monkeypatch.setattr(rows, "_RANGE", 1)
    for k in (1, 2, 6):
        monkeypatch.setattr(mutua_settings, "threads", 1)
        once = kmer_preserving_shuffle(codes, k=k, seed=5)
        monkeypatch.setattr(mutua_settings, "threads", 2)
        np.testing.assert_array_equal(kmer_preserving_shuffle(codes, k=k, seed=5), once)
        chunk = kmer_preserving_shuffle(codes[90:150], k=k, seed=5, first_sequence=90)
        np.testing.assert_array_equal(chunk, once[90:150])
        if k < 6:
            assert (kmer_preserving_shuffle(codes, k=k, seed=6) != once).any(axis=1).all()


def test_a_shuffle_does_not_use_the_numbers_that_made_the_letters():
    """With one seed for both, positions would else differ in their letters by a factor of 1.6."""
    for k in (1, 2):
        shuffled = kmer_preserving_shuffle(random_codes(40_000, 9, [0.25] * 4, seed=0), k=k, seed=0)
        for position in range(9):
            counts = np.bincount(shuffled[:, position], minlength=4)
            assert chisquare(counts).pvalue > 1e-5


def test_derived_seeds_differ():
    seeds = {
        int(derived_seed(seed, purpose))
        for seed in (0, 1, 2**64 - 1)
        for purpose in ("shuffle", "evolve")
    }
    assert len(seeds) == 6
    assert derived_seed(np.int64(3), "shuffle") == derived_seed(3, "shuffle")
    with pytest.raises(InvalidInput, match="seed"):
        derived_seed(-1, "shuffle")


def test_input_is_not_changed():
    codes = np.random.default_rng(0).integers(0, 4, (5, 30), dtype=np.uint8)
    before = codes.copy()
    assert (kmer_preserving_shuffle(codes, k=1, seed=0) != before).any()
    np.testing.assert_array_equal(codes, before)


@pytest.mark.parametrize(
    ("k", "seed"), [(0, 0), (1.5, 0), (True, 0), (2, -1), (2, 2**64), (2, 0.5)]
)
def test_faults(k, seed):
    with pytest.raises(InvalidInput, match="k" if seed == 0 else "seed"):
        kmer_preserving_shuffle(np.zeros((2, 5), np.uint8), k=k, seed=seed)


def test_empty_arrays():
    for shape in ((0, 5), (4, 0)):
        assert kmer_preserving_shuffle(np.zeros(shape, np.uint8), k=2, seed=0).shape == shape


@pytest.mark.parametrize(
    "probabilities", [[0.25] * 4, [0.7, 0, 0.3, 0], [0, 0, 1], np.full(61, 1 / 61), [1e-3, 0.999]]
)
def test_random_codes_follow_the_probabilities(probabilities):
    probabilities = np.asarray(probabilities)
    codes = random_codes(2003, 50, probabilities, seed=1)
    assert codes.shape == (2003, 50)
    counts = np.bincount(codes.ravel(), minlength=len(probabilities))
    possible = probabilities > 0
    assert counts[~possible].sum() == 0
    if possible.sum() > 1:
        assert chisquare(counts[possible], codes.size * probabilities[possible]).pvalue > 1e-4


def test_random_codes_are_independent_along_both_axes():
    codes = random_codes(401, 300, [0.25] * 4, seed=2)
    for pairs in (codes[:, :-1] * 4 + codes[:, 1:], codes[:-1] * 4 + codes[1:]):
        assert chisquare(np.bincount(pairs.ravel(), minlength=16)).pvalue > 1e-4


def test_sample_letters_follow_each_column():
    columns = np.array([[0.1, 1, 0.2], [0.9, 0, 0.3], [0, 0, 0.5]])
    codes = sample_letters(columns, 20_011, seed=4)
    assert codes.shape == (20_011, 3)
    for j, column in enumerate(columns.T):
        share = np.bincount(codes[:, j], minlength=3) / len(codes)
        np.testing.assert_allclose(share, column, atol=0.02)
        assert (share[column == 0] == 0).all()


def test_a_draw_depends_on_seed_sequence_and_position_only(monkeypatch):
    probabilities = [0.1, 0.2, 0.3, 0.4]
    monkeypatch.setattr(rows, "_WORTH_THREADS", 0)
    monkeypatch.setattr(rows, "_RANGE", 1)
    monkeypatch.setattr(mutua_settings, "threads", 1)
    once = random_codes(105, 33, probabilities, seed=9)
    monkeypatch.setattr(mutua_settings, "threads", 2)
    np.testing.assert_array_equal(random_codes(105, 33, probabilities, seed=9), once)
    chunk = random_codes(20, 40, probabilities, seed=9, first_sequence=60)
    np.testing.assert_array_equal(chunk[:, :33], once[60:80])
    columns = np.tile(np.array(probabilities)[:, None], 33)
    np.testing.assert_array_equal(sample_letters(columns, 105, seed=9), once)
    assert (random_codes(105, 33, probabilities, seed=8) != once).any(axis=1).all()


@pytest.mark.parametrize(
    "probabilities", [[0.5, 0.6], [1.5, -0.5], [np.nan, 1], [], np.ones((2, 2, 2))]
)
def test_random_codes_refuse(probabilities):
    with pytest.raises(InvalidInput, match="probabilities"):
        random_codes(3, 4, probabilities, seed=0)
