import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from mutua.errors import InvalidInput
from mutua.kernels.hypergeometric import log_enrichment_p
from tests.reference.kmer_enrichment import enrichment_p


def log_of(fraction):
    return math.log(fraction.numerator) - math.log(fraction.denominator)


@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)).flatmap(
        lambda sizes: st.tuples(
            st.integers(0, sizes[0]), st.integers(0, sizes[1]), *map(st.just, sizes)
        )
    )
)
def test_matches_exact_fractions(table):
    a, b, foreground, background = table
    log_p = log_enrichment_p(a, b, foreground=foreground, background=background)
    expected = log_of(enrichment_p(a, b, foreground, background))
    assert log_p == pytest.approx(expected, rel=1e-10, abs=1e-12)
    assert log_p <= 0


@pytest.mark.parametrize(
    ("a", "b", "foreground", "background"),
    [(900, 40, 1000, 3000), (1000, 0, 1000, 1000), (50, 0, 5000, 100), (700, 2100, 1000, 3000),
     (300, 1000, 1000, 3000), (3000, 10, 7000, 4000)],
)  # fmt: skip
def test_matches_exact_fractions_however_small(a, b, foreground, background):
    log_p = log_enrichment_p(a, b, foreground=foreground, background=background)
    expected = log_of(enrichment_p(a, b, foreground, background))
    assert float(log_p) == pytest.approx(expected, rel=1e-11)


def test_matches_fisher_exact_of_scipy():
    random = np.random.default_rng(0)
    a, b = random.integers(0, 41, 200), random.integers(0, 91, 200)
    p = np.exp(log_enrichment_p(a, b, foreground=40, background=90))
    expected = [
        fisher_exact([[x, y], [40 - x, 90 - y]], alternative="greater").pvalue
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(p, expected, rtol=1e-9)


def test_millions_of_sequences_do_not_underflow():
    log_p = log_enrichment_p([900_000, 0], [1_000, 0], foreground=2_000_000, background=3_000_000)
    assert -1e7 < log_p[0] < -7e5
    assert log_p[1] == 0


def test_is_valid_where_labels_are_exchangeable():
    """Of all ways to choose the foreground, at most a fraction p has a p-value up to p."""
    for foreground, background, total in [(12, 19, 9), (30, 11, 25)]:
        a = np.arange(max(0, total - background), min(total, foreground) + 1)
        p = np.exp(log_enrichment_p(a, total - a, foreground=foreground, background=background))
        ways = np.array([math.comb(foreground, x) * math.comb(background, total - x) for x in a])
        chance = ways / ways.sum()
        for level in p:
            assert chance[p <= level].sum() == pytest.approx(level, rel=1e-9)


@pytest.mark.parametrize(
    ("a", "b", "argument"), [([4], [0], "n_foreground"), ([-1], [0], "n_foreground"),
                             ([1], [6], "n_background"), ([0.5], [0], "n_foreground")],
)  # fmt: skip
def test_refuses_counts_that_are_none(a, b, argument):
    with pytest.raises(InvalidInput) as error:
        log_enrichment_p(a, b, foreground=3, background=5)
    assert error.value.argument == argument
