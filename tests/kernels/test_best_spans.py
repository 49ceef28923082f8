"""The greedy choice of spans against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.kernels.best_spans import best_spans
from tests.reference import motifs as reference

spans = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 40),
        st.integers(1, 9),
        st.sampled_from([0.0, 0.1, 0.2, np.nan]),
        st.sampled_from([-1.0, 2.0, 3.0]),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(spans=spans, in_order=st.booleans())
def test_choice_is_that_of_plain_loops(spans: list[tuple], in_order: bool) -> None:
    if in_order:
        spans = sorted(spans, key=lambda span: span[:2])
    group, start, length, p, score = np.array(spans, np.float64).reshape(-1, 5).T
    group, start, end = (part.astype(np.int64) for part in (group, start, start + length))
    for priorities in ((p, score), (score,)):
        found = best_spans(group, start, end, *priorities)
        assert found.tolist() == reference.best_spans(
            group.tolist(), start.tolist(), end.tolist(), *(part.tolist() for part in priorities)
        )


def test_groups_with_large_numbers() -> None:
    """Group times start does not fit into 64 bits."""
    group = np.array([2**62, 1, 2**62, 1])
    found = best_spans(group, np.array([9, 5, 7, 5]), np.array([12, 9, 10, 9]), np.arange(4.0))
    assert found.tolist() == [True, True, False, False]


def test_threads_do_not_change_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    start = random.integers(0, 90_000, 20_000)
    arguments = (random.integers(0, 3, 20_000), start, start + random.integers(1, 30, 20_000))
    p = random.random(20_000).round(2)
    found = []
    for threads in (1, 7):
        monkeypatch.setattr("mutua.kernels.threads.available_threads", lambda n=threads: n)
        found.append(best_spans(*arguments, p))
    np.testing.assert_array_equal(*found)
    assert 0 < found[0].sum() < 20_000
