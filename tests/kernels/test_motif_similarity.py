"""Comparisons with motifs against memelite's, and q-values against their definition."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mutua.errors import MemoryLimit
from mutua.kernels.motif_similarity import Nearest, PHistogram, nearest_to_spans
from mutua.settings import settings
from tests.reference import motifs as reference

N_TARGETS = 29


@pytest.fixture(scope="module")
def targets() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    found = [random.dirichlet([0.3] * 4, width).T for width in random.integers(3, 14, N_TARGETS)]
    found[17] = found[4]  # equal p-values
    return found


def random_queries(seed: int, n: int = 83) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 19, n)
    codes = random.integers(0, 4, (n, 18), dtype=np.uint8)
    codes[random.random(codes.shape) < 0.03] = 254
    codes[5], lengths[5] = codes[2], lengths[2]  # the same query again
    codes[6] = codes[2]
    lengths[2], lengths[5], lengths[6] = 9, 9, 8  # and a part of it
    codes[7] = 254
    return codes, lengths


def of_memelite(
    codes: np.ndarray, lengths: np.ndarray, targets: list[np.ndarray], both: bool
) -> np.ndarray:
    columns = np.vstack([np.eye(4), np.full(4, 0.25)])
    queries = [
        columns[np.minimum(row[:length], 4)].T for row, length in zip(codes, lengths, strict=True)
    ]
    return importlib.import_module("memelite").tomtom(queries, targets, reverse_complement=both)


def columns(found: Nearest) -> list[np.ndarray]:
    return list(found[:-1])


@pytest.mark.parametrize("both", [True, False], ids=["both strands", "one strand"])
def test_numbers_are_those_of_memelite(targets: list[np.ndarray], both: bool) -> None:
    codes, lengths = random_queries(1)
    found = nearest_to_spans(codes, lengths, targets, n_nearest=N_TARGETS, both_strands=both)
    p, score, offset, overlap, strand = of_memelite(codes, lengths, targets, both)
    order = np.argsort(p, axis=1, kind="stable")
    np.testing.assert_array_equal(found.target, order)

    def ordered(values: np.ndarray) -> np.ndarray:
        return np.take_along_axis(values, order, axis=1)

    np.testing.assert_allclose(found.p_value, ordered(p), rtol=1e-9)
    np.testing.assert_allclose(found.score, ordered(score), rtol=1e-9)
    np.testing.assert_array_equal(found.offset, -ordered(offset))
    np.testing.assert_array_equal(found.overlap, ordered(overlap))
    np.testing.assert_array_equal(found.flipped, ordered(strand) == 1)
    assert found.flipped.any() == both
    # Of equal p-values the first motif is the nearer one.
    place = found.target.argsort(axis=1)
    assert (place[:, 4] < place[:, 17]).all()
    few = nearest_to_spans(codes, lengths, targets, n_nearest=3, both_strands=both)
    for ours, all_of_them in zip(columns(few), columns(found), strict=True):
        np.testing.assert_array_equal(ours, all_of_them[:, :3])
    assert found.histogram.n_tests == few.histogram.n_tests == 83 * N_TARGETS


def test_blocks_do_not_change_the_bits(
    targets: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    codes, lengths = random_queries(2)
    whole = nearest_to_spans(codes, lengths, targets, n_nearest=2, both_strands=True)
    monkeypatch.setattr("mutua.kernels.motif_similarity._BLOCK", 16)
    parts = nearest_to_spans(codes, lengths, targets, n_nearest=2, both_strands=True)
    for one, other in zip(columns(whole), columns(parts), strict=True):
        np.testing.assert_array_equal(one, other)
    p = whole.p_value
    np.testing.assert_array_equal(whole.histogram.q_values(p), parts.histogram.q_values(p))


def test_q_values_are_of_all_comparisons(targets: list[np.ndarray]) -> None:
    """Also of those that are not among the nearest, and of queries that come twice."""
    codes, lengths = random_queries(3)
    found = nearest_to_spans(codes, lengths, targets, n_nearest=2, both_strands=True)
    p = of_memelite(codes, lengths, targets, True)[0]
    wanted = reference.benjamini_hochberg(p.ravel().tolist(), p.size)
    order = np.argsort(p, axis=1, kind="stable")[:, :2]
    wanted = np.take_along_axis(np.reshape(wanted, p.shape), order, axis=1)
    q = found.histogram.q_values(found.p_value)
    assert (q >= wanted * (1 - 1e-9)).all()
    np.testing.assert_allclose(q, wanted, rtol=1.1e-3)


@hypothesis_settings(max_examples=50, deadline=None)
@given(
    p=st.lists(st.sampled_from([0.0, 1e-300, 1e-9, 0.03, 0.0301, 0.5, 1.0]), min_size=1),
)
def test_histogram_is_exact_where_bins_hold_one_value(p: list[float]) -> None:
    """0.03 and 0.0301 are 0.3 % apart, which is another bin."""
    histogram = PHistogram()
    for value in p:
        histogram.add(np.array([[value, value]]), np.array([3]))
    found = histogram.q_values(np.array(p))
    np.testing.assert_allclose(found, reference.benjamini_hochberg(p, len(p)), rtol=1e-12)
    assert histogram.n_tests == 6 * len(p)


def test_where_a_planted_motif_stands() -> None:
    """The offset and strand say which letters of the sequence the motif covers."""
    random = np.random.default_rng(4)
    targets = [random.dirichlet([0.1] * 4, 11).T for _ in range(30)]
    consensus = targets[8].argmax(axis=0)
    left, right = np.array([0, 1, 2], np.uint8), np.array([3, 0], np.uint8)
    forward = np.concatenate([left, consensus, right]).astype(np.uint8)
    reverse = np.concatenate([left, 3 - consensus[::-1], right]).astype(np.uint8)
    inside = consensus[4:].astype(np.uint8)
    queries = np.full((3, 16), 255, np.uint8)
    for place, letters in enumerate((forward, reverse, inside)):
        queries[place, : len(letters)] = letters
    found = nearest_to_spans(
        queries, np.array([16, 16, 7]), targets, n_nearest=1, both_strands=True
    )
    assert found.target.ravel().tolist() == [8, 8, 8]
    assert found.flipped.ravel().tolist() == [False, True, False]
    assert found.offset.ravel().tolist() == [3, 3, -4]
    assert found.overlap.ravel().tolist() == [11, 11, 7]


def test_proteins() -> None:
    """Twenty letters are too many for memelite's codes of columns; columns are not merged."""
    random = np.random.default_rng(5)
    targets = [random.dirichlet([0.1] * 20, 8).T for _ in range(31)]
    queries = np.stack([matrix.argmax(axis=0) for matrix in targets]).astype(np.uint8)
    found = nearest_to_spans(queries, np.full(31, 8), targets, n_nearest=1, both_strands=False)
    assert found.target.ravel().tolist() == list(range(31))
    one_hot = [np.eye(20)[row].T for row in queries]
    p = importlib.import_module("memelite").tomtom(
        one_hot, targets, reverse_complement=False, n_target_bins=None
    )[0]
    np.testing.assert_allclose(found.p_value.ravel(), p.min(axis=1), rtol=1e-9)


def test_long_queries_need_memory(targets: list[np.ndarray]) -> None:
    queries = np.zeros((2, 70), np.uint8)
    with pytest.raises(MemoryLimit, match=r"span of 70 letters.*at most 43 letters, or raise"):
        nearest_to_spans(queries, np.array([4, 70]), targets, n_nearest=1, both_strands=True)
    before = settings.memory
    try:
        settings.memory = 2**31
        found = nearest_to_spans(
            queries, np.array([4, 70]), targets, n_nearest=1, both_strands=True
        )
    finally:
        settings.memory = before
    assert (found.p_value <= 1).all()
