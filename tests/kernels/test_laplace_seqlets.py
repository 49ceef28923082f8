import numpy as np
import pytest

from mutua.errors import InvalidInput
from mutua.kernels.laplace_seqlets import laplace_seqlets, laplace_thresholds
from tests.reference import seqlets as reference


def planted(n: int, length: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.laplace(0, 0.05, (n, length))
    for row in range(0, n, 2):
        at = rng.integers(15, length - 25)
        values[row, at : at + rng.integers(5, 10)] += rng.choice([-1, 1])
    return values


@pytest.mark.parametrize(("window", "flank"), [(9, 4), (8, 0), (1, 2), (5, 7)])
@pytest.mark.parametrize("missing", [0, 0.01])
def test_windows_equal_those_of_plain_loops(window: int, flank: int, missing: float) -> None:
    values = planted(23, 80)
    values[np.random.default_rng(5).random(values.shape) < missing] = -np.inf
    options = {"fdr": 0.1, "min_fraction": 0.02, "max_fraction": 0.3, "seed": 3}
    sums = np.lib.stride_tricks.sliding_window_view(values, window, axis=1).sum(axis=2)
    high, low = laplace_thresholds(np.where(np.isinf(sums), np.nan, sums), **options)
    spans = laplace_seqlets(values, window=window, flank=flank, **options)
    expected = reference.greedy_windows(values, window=window, flank=flank, high=high, low=low)
    assert list(zip(*(c.tolist() for c in spans[:3]), strict=True)) == expected
    assert len(expected) > 3
    centre = [
        values[row, start + flank : end - flank].sum()
        for row, start, end in zip(*spans[:3], strict=True)
    ]
    np.testing.assert_allclose(spans.attribution, centre, atol=1e-12)
    np.testing.assert_allclose(spans.score, -np.abs(centre), atol=1e-12)


@pytest.mark.parametrize("digits", [1, 9])
def test_thresholds_do_not_depend_on_the_order_of_the_sequences(digits: int) -> None:
    sums = np.round(planted(30, 70), digits)  # with one digit 0, -0 and many that are equal
    options = {"min_fraction": 0, "max_fraction": 1, "fdr": 0.05}
    found = laplace_thresholds(sums, **options)
    assert str(found) == str(laplace_thresholds(sums[::-1], **options))
    assert np.isfinite(found).all()


def test_coarse_values_whose_sums_differ_by_rounding() -> None:
    values = np.round(np.random.default_rng(0).laplace(0, 0.05, (20, 200)), 1)
    values[3, 50:60] = 0.4
    spans = laplace_seqlets(values, min_fraction=0)
    assert np.any((spans.sequence == 3) & (spans.start < 50) & (spans.end > 60))
    assert np.isfinite(spans.attribution).all()


def test_smaller_rates_have_wider_thresholds() -> None:
    rng = np.random.default_rng(0)
    sums = rng.laplace(0, 1, (100, 90)) * np.where(rng.random((100, 90)) < 0.1, 6, 1)
    found = [
        laplace_thresholds(sums, fdr=fdr, min_fraction=0, max_fraction=1)
        for fdr in (0.3, 0.1, 0.01)
    ]
    highs, lows = zip(*found, strict=True)
    assert sorted(highs) == list(highs)
    assert sorted(lows, reverse=True) == list(lows)
    assert highs[0] < highs[2]


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.4), (0.0, 0.001)])
def test_fraction_that_passes_is_brought_between_bounds(low: float, high: float) -> None:
    sums = planted(40, 100)
    above, below = laplace_thresholds(sums, min_fraction=low, max_fraction=high)
    fraction = np.mean((sums >= above) | (sums <= below))
    assert low - 0.001 <= fraction <= high + 0.001
    assert above == -below


def test_values_of_one_sign_and_nothing_at_all() -> None:
    high, low = laplace_thresholds(np.abs(planted(20, 60)), min_fraction=0, max_fraction=1)
    assert np.isfinite(high)
    assert low == -np.inf
    assert laplace_thresholds(np.full((2, 3), np.nan)) == (np.inf, -np.inf)
    assert len(laplace_seqlets(np.zeros((0, 50))).start) == 0
    assert len(laplace_seqlets(planted(4, 60)[:, :30]).start) == 0
    assert len(laplace_seqlets(np.full((3, 60), -np.inf)).start) == 0


def test_more_than_a_million_windows_are_sampled_by_seed() -> None:
    sums = np.random.default_rng(0).laplace(0, 1, (1100, 1000))
    one, again, other = (laplace_thresholds(sums, seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert one != other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window"),
        ({"flank": -1}, "flank"),
        ({"fdr": 0}, "fdr"),
        ({"fdr": 1}, "fdr"),
        ({"min_fraction": 0.5, "max_fraction": 0.2}, "min_fraction"),
    ],
)
def test_refusals(options: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        laplace_seqlets(planted(3, 80), **options)
