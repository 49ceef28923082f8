"""Binomial tails against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from mutua.kernels.binomial import count_bounds, two_sided_p


@given(n=st.integers(0, 3000), p=st.floats(1e-6, 1 - 1e-6), at=st.floats(0, 1))
def test_tails_are_those_of_scipy(n: int, p: float, at: float) -> None:
    k = round(at * n)
    expected = min(1, 2 * min(binom.sf(k - 1, n, p), binom.cdf(k, n, p)))
    assert two_sided_p(k, n, p) == pytest.approx(expected, rel=1e-8, abs=1e-290)


@given(
    n=st.integers(1, 200), p=st.floats(1e-4, 1 - 1e-4), spread=st.floats(0, 0.1),
    level=st.floats(1e-9, 0.9),
)  # fmt: skip
def test_no_count_between_the_bounds_is_as_unlikely(
    n: int, p: float, spread: float, level: float
) -> None:
    most = min(p * (1 + spread), 1 - 1e-5)
    below, above = count_bounds(n, p, most, level)
    for probability in (p, most, (p + most) / 2):
        p_values = np.array([two_sided_p(k, n, probability) for k in range(n + 1)])
        assert (p_values[max(below + 1, 0) : above] > level).all()
    if spread == 0:  # the bounds are tight: what lies beyond is as unlikely
        below, above = count_bounds(n, p, p, level)
        for k in (below, above):
            if 0 <= k <= n:
                assert two_sided_p(k, n, p) <= level * (1 + 1e-6)


def test_certain_and_impossible_events() -> None:
    assert two_sided_p(3, 3, 1.0) == two_sided_p(0, 3, 0.0) == 1
    assert two_sided_p(2, 3, 1.0) == two_sided_p(1, 3, 0.0) == 0
