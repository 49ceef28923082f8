"""Two-sided p-values of features that occur together, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from mutua.errors import InvalidInput
from mutua.kernels.hypergeometric import log_overlap_p


@given(total=st.integers(1, 400), data=st.data())
def test_p_values_are_those_of_scipy(total: int, data: st.DataObject) -> None:
    a, b = (data.draw(st.integers(0, total)) for _ in range(2))
    both = data.draw(st.integers(max(0, a + b - total), min(a, b)))
    null = hypergeom(total, a, b)
    expected = min(1, 2 * min(null.sf(both - 1), null.cdf(both)))
    found = np.exp(log_overlap_p([both], [a], [b], total=total))
    assert found == pytest.approx(expected, rel=1e-9)
    turned = log_overlap_p([both], [b], [a], total=total)
    assert np.exp(turned) == pytest.approx(found, rel=1e-9)


def test_very_small_p_values_do_not_underflow() -> None:
    log_p = log_overlap_p([20_000, 0], [20_000, 20_000], [20_000, 20_000], total=50_000)
    assert (log_p < -10_000).all()
    assert np.isfinite(log_p).all()


@pytest.mark.parametrize(
    ("both", "first", "second"), [(3, 2, 5), (0, 8, 8), (-1, 2, 2), (1, 11, 1), (0.5, 1, 1)]
)
def test_impossible_counts_are_refused(both: float, first: int, second: int) -> None:
    with pytest.raises(InvalidInput, match="10 things"):
        log_overlap_p([both], [first], [second], total=10)
