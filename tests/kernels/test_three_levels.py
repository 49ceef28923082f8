"""The best three levels against all that there are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import mutua as mt
from mutua.kernels.three_levels import three_levels
from tests.reference import gene_programs as reference


@pytest.mark.parametrize("seed", range(6))
def test_is_the_best_of_all(seed):
    random = np.random.default_rng(seed)
    values = np.stack([random.normal(size=23), random.gamma(0.3, size=23)], axis=1)
    values[random.random(23) < 0.3, 1] = 0
    found = three_levels(values)
    for column in range(2):
        expected = reference.three_levels(values[:, column])
        np.testing.assert_array_equal(found[:, column], expected)


@given(arrays(np.float64, st.integers(1, 14), elements=st.integers(-6, 6).map(float)))
def test_costs_as_little_where_several_are_best(values):
    found = three_levels(values[:, None])[:, 0]
    expected = reference.three_levels(values)
    assert set(found) == set(expected)
    cost = reference.spread_of(values, found)
    assert cost == pytest.approx(reference.spread_of(values, expected), abs=1e-9)
    order = np.argsort(values, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    for level in np.unique(values):
        assert len(set(found[values == level])) == 1


def test_few_values():
    values = np.array([[7.0, 1.0, 0.0], [7.0, 2.0, 5.0], [7.0, 1.0, 9.0], [7.0, 2.0, 5.0]])
    expected = [[0, -1, -1], [0, 1, 0], [0, -1, 1], [0, 1, 0]]
    np.testing.assert_array_equal(three_levels(values), expected)


def test_a_large_offset_changes_nothing():
    values = np.random.default_rng(0).integers(0, 50, (40, 1)).astype(float)
    np.testing.assert_array_equal(three_levels(values + 2.0**40), three_levels(values))


def test_many_values():
    values = np.random.default_rng(1).normal(size=(20_000, 1))
    found = three_levels(values)[:, 0]
    limits = [values[found == level].max() for level in (-1, 0)]
    # The best three-level quantizer of a normal distribution has its limits at +-0.612.
    np.testing.assert_allclose(limits, [-0.612, 0.612], atol=0.05)


def test_threads_change_nothing(monkeypatch):
    values = np.random.default_rng(2).gamma(1, size=(301, 7))
    monkeypatch.setattr(mt.settings, "_threads", 1)
    one = three_levels(values)
    monkeypatch.setattr(mt.settings, "_threads", 2)
    np.testing.assert_array_equal(three_levels(values), one)
