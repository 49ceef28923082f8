import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mutua.errors import InvalidInput
from mutua.kernels import rows
from mutua.kernels.neighbours import neighbour_counts
from mutua.settings import settings as mutua_settings
from tests.reference import sequences as reference

FRACTIONS = st.one_of(
    st.floats(0.01, 1), st.tuples(st.integers(1, 9), st.integers(9, 12)).map(lambda x: x[0] / x[1])
)


def families(n: int, length: int, seed: int = 0) -> np.ndarray:
    """Sequences around a few ancestors, so that many pairs lie near any threshold."""
    rng = np.random.default_rng(seed)
    ancestors = rng.integers(0, 20, (max(n // 40, 1), length), dtype=np.uint8)
    codes = ancestors[rng.integers(0, len(ancestors), n)]
    changed = rng.random(codes.shape) < rng.random((n, 1)) / 4
    codes[changed] = rng.choice(np.array([0, 1, 2, 20, 254, 255], np.uint8), changed.sum())
    return codes


@settings(deadline=None)  # the first example compiles
@given(
    codes=arrays(
        np.uint8,
        st.tuples(st.integers(0, 12), st.integers(1, 9)),
        elements=st.sampled_from([0, 1, 254, 255]),
    ),
    identity=FRACTIONS,
)
def test_matches_reference(codes, identity):
    before = codes.copy()
    counts = neighbour_counts(codes, identity=identity)
    assert counts.dtype == np.int64
    assert counts.tolist() == reference.neighbour_counts(codes.tolist(), identity)
    counts = neighbour_counts(codes, identity=identity, ignore_shared_gaps=True)
    assert counts.tolist() == reference.neighbour_counts(codes.tolist(), identity, (254, 255))
    np.testing.assert_array_equal(codes, before)


@pytest.mark.parametrize(("n", "length"), [(1, 5), (255, 63), (256, 64), (300, 331)])
def test_matches_reference_across_tiles(n, length):
    codes = families(n, length)
    counts = neighbour_counts(codes, identity=0.8)
    by_hand = (codes[:, None] == codes[None]).sum(axis=2) / length >= 0.8
    np.testing.assert_array_equal(counts, by_hand.sum(axis=1))
    gap = codes >= 20
    shared = gap[:, None] & gap[None]
    compared = (~shared).sum(axis=2)
    equal = ((codes[:, None] == codes[None]) & ~shared).sum(axis=2)
    by_hand = (equal >= 0.8 * compared - 1e-9).sum(axis=1)
    counts = neighbour_counts(codes, identity=0.8, ignore_shared_gaps=True, gaps=(20, 254))
    np.testing.assert_array_equal(counts, by_hand)


def test_the_threshold_itself_is_alike():
    """0.8 * 135 is 108.00000000000001 in float64, yet 108 of 135 are 0.8."""
    codes = np.zeros((3, 135), np.uint8)
    codes[1, :27] = 1
    codes[2, 107:] = 2
    assert neighbour_counts(codes, identity=0.8).tolist() == [2, 2, 1]


def test_same_counts_for_any_threads(monkeypatch):
    codes = families(500, 40)
    monkeypatch.setattr(rows, "_WORTH_THREADS", 0)
    monkeypatch.setattr(rows, "_RANGE", 1)
    monkeypatch.setattr(mutua_settings, "threads", 1)
    once = neighbour_counts(codes, identity=0.7)
    monkeypatch.setattr(mutua_settings, "threads", 2)
    np.testing.assert_array_equal(neighbour_counts(codes, identity=0.7), once)


@pytest.mark.parametrize("identity", [0, -0.5, 1.01, np.nan])
def test_refuses_identity(identity):
    with pytest.raises(InvalidInput, match="identity"):
        neighbour_counts(np.zeros((2, 3), np.uint8), identity=identity)


def test_refuses_gaps():
    with pytest.raises(InvalidInput, match="gaps"):
        neighbour_counts(np.zeros((2, 3), np.uint8), identity=0.8, gaps=(-1,))
