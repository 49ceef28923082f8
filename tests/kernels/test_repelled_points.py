"""Points that repel each other: the gradient, closed forms, points of one place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mutua.kernels.repelled_points import repelled_energy, repelled_points


def test_energy_is_its_formula() -> None:
    random = np.random.default_rng(0)
    points, home = random.normal(size=(2, 5, 2))
    expected = sum(((p - h) ** 2).sum() for p, h in zip(points, home, strict=True))
    for i in range(5):
        for j in range(i):
            expected += 3.0 / np.sqrt(((points[i] - points[j]) ** 2).sum())
    assert repelled_energy(points, home, 3.0)[0] == pytest.approx(expected)


@given(st.integers(2, 6), st.integers(0, 1000), st.floats(0, 10))
def test_gradient(n: int, seed: int, repulsion: float) -> None:
    points, home, way = np.random.default_rng(seed).normal(size=(3, n, 2))
    points *= 5
    step = 1e-5
    ahead, behind = (repelled_energy(points + s * step * way, home, repulsion)[0] for s in (1, -1))
    slope = (repelled_energy(points, home, repulsion)[1] * way).sum()
    assert slope == pytest.approx((ahead - behind) / (2 * step), rel=1e-3, abs=1e-4)


def test_two_points_of_one_place() -> None:
    points = repelled_points(np.full((2, 2), 3.0), repulsion=27.0)
    assert np.hypot(*(points[0] - points[1])) == pytest.approx(3.0, abs=1e-6)
    np.testing.assert_allclose(points.mean(axis=0), 3.0, atol=1e-6)


def test_no_repulsion() -> None:
    home = np.random.default_rng(0).normal(size=(4, 2))
    np.testing.assert_array_equal(repelled_points(home, repulsion=0.0), home)


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_many_points_of_one_place_end_apart(n: int) -> None:
    points = repelled_points(np.zeros((n, 2)), repulsion=2.0)
    assert np.isfinite(points).all()
    distance = np.hypot(*(points[:, None] - points).T)[~np.eye(n, dtype=bool)]
    assert distance.min(initial=np.inf) > 0.3
    _, gradient = repelled_energy(points, np.zeros((n, 2)), 2.0)
    assert np.abs(gradient).max() < 1e-3


def test_same_input_same_places_and_it_is_left_alone() -> None:
    home = np.zeros((5, 2))
    np.testing.assert_array_equal(
        repelled_points(home, repulsion=2.0), repelled_points(home, repulsion=2.0)
    )
    assert (home == 0).all()
