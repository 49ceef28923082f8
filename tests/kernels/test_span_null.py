import numpy as np
import pytest

from mutua.kernels.span_null import bin_counts, least_sums, span_null, value_range
from mutua.kernels.threads import Workers


def test_range_and_counts_leave_out_what_has_no_letter() -> None:
    values = np.array([[0.0, 4.0, -np.inf], [-np.inf, 2.0, 1.0]])
    assert value_range(values) == (0, 4)
    assert bin_counts(values, 0, 4, n_bins=5).tolist() == [1, 1, 1, 0, 1]
    assert np.isnan(value_range(values[:0])).all()
    assert np.isnan(value_range(np.full((2, 3), -np.inf))).all()
    assert bin_counts(values[:0], 0, 1, n_bins=5).tolist() == [0] * 5


@pytest.mark.parametrize("n_bins", [2, 11, 300])
def test_null_equals_that_of_plain_sums(n_bins: int) -> None:
    counts = np.random.default_rng(1).integers(0, 9, n_bins) * (np.arange(n_bins) % 3 != 1)
    null = span_null(counts, -1.0, 1.0, max_length=4)
    chance = counts / counts.sum()
    current = chance
    for length in range(1, 5):
        if length > 1:
            current = np.convolve(current, chance)
        tails = null.tails[null.offsets[length] : null.offsets[length + 1]]
        np.testing.assert_allclose(tails, np.cumsum(current[::-1])[::-1], rtol=1e-12)


def test_null_keeps_its_smallest_tails() -> None:
    counts = np.zeros(1000, np.int64)
    counts[0], counts[999] = 10**6 - 1, 1
    null = span_null(counts, 0, 1, max_length=25)
    assert null.tails[-1] == pytest.approx(1e-150, rel=1e-9)


def test_null_does_not_depend_on_threads_and_shorter_ones_are_its_beginning() -> None:
    counts = np.random.default_rng(2).integers(0, 9, 2000)
    null = span_null(counts, 0.0, 1.0, max_length=9)
    assert null.max_length == 9
    for threads in (1, 3):
        with Workers(threads) as workers:
            shorter = span_null(counts, 0.0, 1.0, max_length=6, workers=workers)
        assert np.array_equal(shorter.tails, null.tails[: len(shorter.tails)])


@pytest.mark.parametrize("threshold", [1e-9, 1e-3, 0.25, 1.0])
def test_least_sums_are_the_first_below_the_threshold(threshold: float) -> None:
    counts = np.random.default_rng(3).integers(0, 5, 12)
    null = span_null(counts, 0.0, 1.0, max_length=5)
    for length, least in enumerate(least_sums(null, threshold)[1:], 1):
        tails = null.tails[null.offsets[length] : null.offsets[length + 1]]
        assert (tails < threshold).tolist() == [at >= least for at in range(len(tails))]
