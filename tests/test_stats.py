"""Significance: hand-made values, scipy as peer, and calibration under known nulls."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special
from scipy import stats as scipy_stats

from mutua.errors import InvalidInput
from mutua.stats import (
    _extrapolated,
    _log_gamma_tail,
    benjamini_hochberg,
    familywise_p,
    knn_power,
    least_permutation_p,
    permutation_p,
    sequential_p,
    two_sided_permutation_p,
)


@given(hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1)))
def test_benjamini_hochberg_equals_scipy(p: np.ndarray) -> None:
    q = benjamini_hochberg(p)
    np.testing.assert_allclose(q, scipy_stats.false_discovery_control(p), rtol=1e-12)
    padded = np.append(p, [np.nan] * 3)
    np.testing.assert_array_equal(benjamini_hochberg(padded), np.append(q, [np.nan] * 3))


def test_benjamini_hochberg_keeps_shape_and_inputs() -> None:
    p = np.array([[0.01, np.nan, 0.5], [0.02, 0.03, np.nan]])
    before = p.copy()
    q = benjamini_hochberg(p)
    np.testing.assert_allclose(q, [[0.04, np.nan, 0.5], [0.04, 0.04, np.nan]])
    np.testing.assert_array_equal(p, before)
    assert np.isnan(benjamini_hochberg(np.full((2, 3), np.nan))).all()
    assert benjamini_hochberg([]).shape == (0,)


def test_familywise_counts_maxima() -> None:
    maxima = np.array([3.0, 1.0, 2.0, 2.0])
    found = familywise_p([[0.5, 2.0, 3.5], [np.nan, 1.0, 2.5]], maxima)
    np.testing.assert_allclose(found, [[1.0, 0.8, 0.2], [np.nan, 1.0, 0.4]])


def test_permutation_p_is_empirical_where_permutations_reach() -> None:
    np.testing.assert_allclose(
        permutation_p([1.0, 2.0], [100, 10], [1.0, 1.0], [0.5, 0.5], 200), [101 / 201, 11 / 201]
    )


def test_permutation_p_without_a_tail_to_fit() -> None:
    # All permutations alike, one permutation, the mean at the lowest value.
    assert permutation_p(1.0, 0, 0.5, 0.0, 99) == 0.01
    assert permutation_p(1.0, 0, 0.5, np.nan, 1) == 0.5
    assert permutation_p(0.2, 0, 0.0, 0.1, 99) == 0.01
    assert np.isnan(permutation_p(np.nan, 0, 0.5, 0.1, 99))


def test_permutation_p_is_never_zero_and_falls_with_the_statistic() -> None:
    observed = np.array([0.02, 0.1, 1.0, 10.0, 1e3, 1e6])
    for n, floor in ((10**6, 1e-13), (999, 1e-7), (10, 0.1 / 121)):
        p = permutation_p(observed, 0, 0.01, 1e-5, n)
        assert p.min() == pytest.approx(floor, rel=1e-4)
        assert p.min() == least_permutation_p(n)
        assert (np.diff(p) <= 0).all()
        assert p[0] > p[1]
    beyond = _extrapolated(observed, 0, 0.01, 1e-5, 1_000_000)
    assert (beyond > 0).all()
    assert beyond[0] > beyond[1] > beyond[2]


def test_permutation_p_shifts_with_the_lowest_value() -> None:
    values = permutation_p([0.3, 0.5], 0, 0.1, 0.003, 500)
    moved = permutation_p([-0.7, -0.5], 0, -0.9, 0.003, 500, lowest=-1.0)
    np.testing.assert_allclose(moved, values, rtol=1e-10)


def test_many_permutations_give_the_gamma_tail() -> None:
    shape, scale = 4.0, 0.01
    observed = np.array([0.2, 0.3])
    p = permutation_p(observed, 0, shape * scale, shape * scale**2, 10**9)
    np.testing.assert_allclose(p, scipy_stats.gamma.sf(observed, shape, scale=scale), rtol=1e-4)


def test_permutation_p_follows_the_skewness_of_the_permutations() -> None:
    # An exponential distribution that begins at 1: less skewed with its start put at 0.
    observed = np.array([9.0, 12.0])
    p = permutation_p(observed, 0, 2.0, 1.0, 10**9, skewness=2.0)
    np.testing.assert_allclose(p, np.exp(1 - observed), rtol=1e-4)
    less = permutation_p(observed, 0, 2.0, 1.0, 10**9, skewness=0.1)
    np.testing.assert_allclose(less, permutation_p(observed, 0, 2.0, 1.0, 10**9), rtol=1e-3)
    assert (less < p).all()


def test_log_gamma_tail_goes_on_below_the_smallest_number() -> None:
    shape = np.array([0.5, 3.0, 60.0, 2000.0])
    x = np.array([650.0, 655.0, 950.0, 4200.0])
    near = _log_gamma_tail(shape, x)
    finite = special.gammaincc(shape, x)
    np.testing.assert_allclose(near[finite > 0], np.log(finite[finite > 0]), rtol=1e-6)
    # The slope of log Q(a, x) far out is -(1 - (a - 1) / x), to first order.
    far = x * 10
    slope = (_log_gamma_tail(shape, far * 1.001) - _log_gamma_tail(shape, far)) / (far * 0.001)
    np.testing.assert_allclose(slope, -(1 - (shape - 1) / far), rtol=1e-3)


def calibration(
    shape: float, n_permutations: int, n_tests: int, levels: list[float], skewed: bool
) -> np.ndarray:
    """How often p reaches each level under a gamma null, relative to the level."""
    rng = np.random.default_rng([int(10 * shape), n_permutations])
    hits = np.zeros(len(levels))
    size = 5_000_000 // n_permutations
    for _ in range(-(-n_tests // size)):
        observed = rng.gamma(shape, size=size)
        null = rng.gamma(shape, size=(n_permutations, size))
        p = permutation_p(
            observed,
            (null >= observed).sum(axis=0),
            null.mean(axis=0),
            null.var(axis=0, ddof=1),
            n_permutations,
            skewness=scipy_stats.skew(null, axis=0, bias=False) if skewed else np.nan,
        )
        hits += [(p <= level).sum() for level in levels]
    return hits / (-(-n_tests // size) * size) / levels


@pytest.mark.parametrize("shape", [0.5, 4.5, 40])
@pytest.mark.parametrize("n_permutations", [20, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("skewed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_tail_is_calibrated(shape: float, n_permutations: int, skewed: bool) -> None:
    levels = [0.5, 0.05, 1e-2, max(1e-3, least_permutation_p(n_permutations))]
    rates = calibration(shape, n_permutations, 100_000, levels, skewed)
    # A little conservative, more so with the skewness of few permutations.
    assert (rates > (0.2 if skewed else 0.7)).all(), rates
    assert (rates < [1.05, 1.1, 1.15, 1.3]).all(), rates


@pytest.mark.slow
@pytest.mark.parametrize("shape", [0.5, 5])
@pytest.mark.parametrize("n_permutations", [40, 200])
@pytest.mark.parametrize("skewed", [False, True])
def test_tail_is_calibrated_far_out(shape: float, n_permutations: int, skewed: bool) -> None:
    levels = [1e-3] if n_permutations == 40 else [1e-3, 1e-4, 1e-5]
    rates = calibration(shape, n_permutations, 1_000_000, levels, skewed)
    assert (rates > [0.5, 0.4, 0.2][: len(levels)]).all(), rates
    assert (rates < [1.2, 1.4, 2.0][: len(levels)]).all(), rates


NULLS = {
    "normal": lambda rng, size: rng.normal(size=size),
    "skewed upwards": lambda rng, size: rng.gamma(4.5, size=size),
    "skewed downwards": lambda rng, size: -rng.gamma(4.5, size=size),
    "noncentral": lambda rng, size: rng.noncentral_chisquare(9, 20, size=size),
}


@pytest.mark.parametrize("null", NULLS)
@pytest.mark.parametrize("n_permutations", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_two_sided_p_is_calibrated(null: str, n_permutations: int) -> None:
    rng = np.random.default_rng(n_permutations)
    p = []
    for _ in range(10):
        observed = NULLS[null](rng, 4_000)
        values = NULLS[null](rng, (n_permutations, 4_000))
        p.append(
            two_sided_permutation_p(
                observed,
                (values >= observed).sum(axis=0),
                (values <= observed).sum(axis=0),
                values.mean(axis=0),
                values.var(axis=0, ddof=1),
                n_permutations,
                skewness=scipy_stats.skew(values, axis=0, bias=False),
            )
        )
    found = np.concatenate(p)
    rates = np.array([(found <= level).mean() / level for level in (0.5, 0.2, 0.05, 1e-2, 1e-3)])
    assert (rates > [0.9, 0.9, 0.85, 0.5, 0.35]).all(), rates
    assert (rates < [1.05, 1.05, 1.15, 1.3, 1.6]).all(), rates


def test_two_sided_p_is_alike_on_both_sides_and_at_most_1() -> None:
    observed, n = np.array([-9.0, -0.1, 0.0, 0.1, 9.0]), 10**9
    above = np.array([n, 540 * 10**6, n // 2, 460 * 10**6, 0])
    p = two_sided_permutation_p(observed, above, n - above, 0.0, 1.0, n, skewness=0.0)
    np.testing.assert_array_equal(p, p[::-1])
    assert p[2] == 1.0
    assert 0 < p[0] < 1e-15
    skewed = two_sided_permutation_p(observed, above, n - above, 0.0, 1.0, n, skewness=0.8)
    assert skewed[0] < 1e-15
    assert p[4] * 1e3 < skewed[4]
    assert np.isnan(two_sided_permutation_p(np.nan, 0, 0, 0.0, 1.0, n))


def test_a_tail_without_a_lowest_value_goes_over_into_a_normal_one() -> None:
    values = np.array([4.0, 6.0])
    at = {
        skewness: permutation_p(values, 0, 0.0, 1.0, 10**9, skewness=skewness, lowest=-np.inf)
        for skewness in (-1.0, 0.0, np.nan, 1e-4, 0.0101)
    }
    expected = scipy_stats.norm.sf(values)
    np.testing.assert_allclose(at[0.0], expected, rtol=1e-6)
    np.testing.assert_allclose(at[np.nan], at[0.0], rtol=1e-3)
    np.testing.assert_allclose(at[1e-4], at[0.0], rtol=2e-3)
    assert (at[-1.0] <= at[0.0]).all()
    np.testing.assert_allclose(at[0.0101], expected, rtol=0.5)


def test_tests_that_ended_early() -> None:
    p = sequential_p([20, 20, 19], [20, 400, 1000], stop=20)
    np.testing.assert_array_equal(p, [1.0, 0.05, np.nan])
    random = np.random.default_rng(0)  # exact: the chance of p <= a is at most a
    reached = np.cumsum(random.random((20_000, 200)) < random.random((20_000, 1)), axis=1)
    n = np.where(reached[:, -1] >= 5, (reached >= 5).argmax(axis=1) + 1, 200)
    early = sequential_p(np.minimum(reached[:, -1], 5), n, stop=5)
    p = np.where(np.isnan(early), (1 + reached[:, -1]) / 201, early)
    for level in (0.5, 0.1, 0.05):
        assert 0.9 * level < (p <= level).mean() < level + 4 * np.sqrt(level / 20_000)


@pytest.mark.slow
def test_power_of_neighbours() -> None:
    """At 127 samples and 0.2 nats, by 160,000 simulated nulls: 0.90 at 0.05, 0.75 at 0.01."""
    assert knn_power(127, 0.2, 0.05, n_simulations=300) == pytest.approx(0.9, abs=0.06)
    assert knn_power(127, 0.2, 0.01, n_simulations=300) == pytest.approx(0.747, abs=0.09)
    assert knn_power(127, 0.0, 0.05, n_simulations=500) == pytest.approx(0.05, abs=0.04)
    assert 0.4 < knn_power(40, 0.2, 0.05, n_simulations=200) < 0.75
    assert knn_power(60, 3.0, 1e-4, n_simulations=50) == 1.0
    once, again = (knn_power(50, 0.3, 0.05, n_simulations=40, seed=7) for _ in range(2))
    assert once == again


@pytest.mark.parametrize(
    ("argument", "options"),
    [
        ("mi", {"mi": -0.1}),
        ("mi", {"mi": np.nan}),
        ("alpha", {"alpha": 0.0}),
        ("alpha", {"alpha": 1.5}),
        ("n_neighbors", {"n_neighbors": 0}),
        ("n_neighbors", {"n_samples": 3}),
        ("n_simulations", {"n_simulations": 3}),
    ],
)
def test_bad_input_of_power(argument: str, options: dict[str, float]) -> None:
    given = {"n_samples": 50, "mi": 0.2, "alpha": 0.05} | options
    with pytest.raises(InvalidInput) as caught:
        knn_power(given.pop("n_samples"), given.pop("mi"), given.pop("alpha"), **given)
    assert caught.value.argument == argument
