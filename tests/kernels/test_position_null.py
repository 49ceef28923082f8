"""The permutation null against permutations made one by one."""

from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from scipy.stats import chisquare, kstest, skew

from mutua import stats
from mutua.errors import InvalidInput
from mutua.kernels import position_null as module
from mutua.kernels.position_mi import average_product, normalized_mi, position_mi
from mutua.kernels.position_null import PositionNull, position_null
from mutua.kernels.sequence_blocks import ArrayBlocks
from mutua.kernels.shuffled_columns import shuffle_columns
from mutua.settings import settings as limits


def draw(n_sequences: int, n_positions: int, size: int, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(n_sequences)
    codes = rng.integers(0, size, (n_sequences, n_positions), dtype=np.uint8)
    codes[rng.random(codes.shape) < missing] = size
    return codes


def shuffled(
    codes: np.ndarray, size: int, seed: int, permutation: int, block_size: int
) -> np.ndarray:
    """Columns (position, sequence) of one permutation."""
    columns = np.ascontiguousarray(codes.T)
    missing = np.full(len(columns), size)
    n_sequences = columns.shape[1]
    for block, start in enumerate(range(0, n_sequences, block_size)):
        stop = min(start + block_size, n_sequences)
        shuffle_columns(columns, missing, np.uint64(seed), permutation, block, start, stop, 0, 1)
    return columns


def assert_same(a: PositionNull, b: PositionNull) -> None:
    for field in fields(PositionNull):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


def test_shuffles_keep_marginals_missing_pattern_and_blocks() -> None:
    codes = draw(600, 5, 4, missing=0.2)
    columns = shuffled(codes, 4, seed=7, permutation=3, block_size=250)
    assert (columns != codes.T).mean() > 0.4
    np.testing.assert_array_equal(columns == 4, codes.T == 4)
    for start in (0, 250, 500):
        block = slice(start, start + 250)
        np.testing.assert_array_equal(np.sort(columns[:, block]), np.sort(codes.T[:, block]))


def test_every_column_of_every_permutation_is_shuffled_on_its_own() -> None:
    codes = np.tile(np.arange(100, dtype=np.uint8)[:, np.newaxis], (2, 3))
    seen = {
        tuple(column[block : block + 100])
        for seed in (0, 1, 2**64 - 1)
        for permutation in (0, 1)
        for column in shuffled(codes, 200, seed, permutation, 100)
        for block in (0, 100)
    }
    assert len(seen) == 3 * 2 * 3 * 2


def test_every_order_is_equally_likely() -> None:
    codes = np.tile(np.arange(4, dtype=np.uint8)[:, np.newaxis], (1, 24_000))
    counts = Counter(map(tuple, shuffled(codes, 9, 1, 0, 4)))
    assert len(counts) == 24
    assert chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize("missing", [0.0, 0.15])
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("apc", [False, True])
def test_equals_permutations_one_by_one(missing: float, normalize: bool, apc: bool) -> None:
    codes, size, n = draw(230, 7, 3, missing), 3, 21
    weights = np.random.default_rng(0).random(230)
    found = position_null(
        ArrayBlocks(codes, 100),
        k=1,
        alphabet_size=size,
        n_permutations=n,
        pseudocount=0.1,
        weights=weights,
        normalize=normalize,
        apc=apc,
        seed=5,
    )

    def statistic(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        result = position_mi(
            ArrayBlocks(codes), k=1, alphabet_size=size, pseudocount=0.1, weights=weights
        )
        mi = normalized_mi(result.mi, result.entropy_joint) if normalize else result.mi
        product = average_product(mi) if apc else np.where(np.isnan(mi), np.nan, 0.0)
        return mi - product, product

    observed, _ = statistic(codes)
    permutations = [statistic(shuffled(codes, size, 5, p, 100).T) for p in range(n)]
    each = [mi for mi, _ in permutations]
    products = [product for _, product in permutations]
    np.testing.assert_allclose(found.observed, observed, rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.mean, np.mean(each, axis=0), rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.variance, np.var(each, axis=0, ddof=1), rtol=1e-9)
    np.testing.assert_allclose(found.skewness, skew(each, axis=0, bias=False), rtol=1e-6)
    np.testing.assert_allclose(found.lowest, -np.mean(products, axis=0), rtol=0, atol=1e-13)
    np.testing.assert_allclose(found.maxima, np.nanmax(each, axis=(1, 2)), rtol=0, atol=1e-13)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(found.n_exceeding, (each >= observed).sum(axis=0))
    assert found.n_permutations == n


@pytest.mark.parametrize("k", [1, 2])
def test_memory_threads_and_batches_change_nothing(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = draw(1300, 9, 3, missing=0.05)
    options = {"k": k, "alphabet_size": 3, "n_permutations": 7, "seed": 3}
    expected = position_null(ArrayBlocks(codes, 500), **options)  # type: ignore[arg-type]
    monkeypatch.setattr(module, "BATCH", 3)
    needed = (10 - k) * 1300
    for threads, memory in (
        (1, 10 * needed),
        (2, 2.5 * needed),
        (2, 1.5 * needed),
        (2, needed / 2),
    ):
        monkeypatch.setattr(limits, "_threads", threads)
        monkeypatch.setattr(limits, "_memory", int(memory))
        assert_same(position_null(ArrayBlocks(codes, 500), **options), expected)  # type: ignore[arg-type]
    other = position_null(ArrayBlocks(codes, 500), **{**options, "seed": 4})  # type: ignore[arg-type]
    assert (other.maxima != expected.maxima).all()


def test_pairs_never_known_together_are_no_tests() -> None:
    codes = draw(50, 4, 3)
    codes[:25, 0] = codes[25:, 3] = 254
    null = position_null(ArrayBlocks(codes), k=1, alphabet_size=3, n_permutations=5)
    for values in (null.observed, null.mean, null.variance):
        assert np.isnan(values[0, 3])
        assert np.isfinite(values[0, 1])
    assert null.n_exceeding[0, 3] == 0
    assert np.isfinite(null.maxima).all()


def test_a_single_permutation_has_no_variance() -> None:
    null = position_null(ArrayBlocks(draw(50, 4, 3)), k=1, alphabet_size=3, n_permutations=1)
    assert np.isnan(null.variance).all()
    assert np.isnan(null.skewness).all()
    assert np.isfinite(null.mean[0, 1])


def test_refuses_no_permutations_and_bad_seeds() -> None:
    source = ArrayBlocks(draw(50, 4, 3))
    with pytest.raises(InvalidInput, match="n_permutations"):
        position_null(source, k=1, alphabet_size=3, n_permutations=0)
    with pytest.raises(InvalidInput, match="seed"):
        position_null(source, k=1, alphabet_size=3, n_permutations=5, seed=-1)


def p_values(null: PositionNull) -> np.ndarray:
    """Of each pair once."""
    pairs = np.triu_indices(len(null.observed), 1)
    return stats.permutation_p(
        null.observed[pairs],
        null.n_exceeding[pairs],
        null.mean[pairs],
        null.variance[pairs],
        null.n_permutations,
        skewness=null.skewness[pairs],
        lowest=null.lowest[pairs],
    )


@pytest.mark.parametrize(
    ("pseudocount", "apc"),
    [
        (0.0, False),
        pytest.param(5.0, False, marks=pytest.mark.slow),
        pytest.param(0.0, True, marks=pytest.mark.slow),
        pytest.param(0.5, True, marks=pytest.mark.slow),
    ],
)
def test_p_is_uniform_where_positions_are_independent(pseudocount: float, apc: bool) -> None:
    p, familywise = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        codes = rng.choice(4, (400, 30), p=[0.5, 0.3, 0.15, 0.05]).astype(np.uint8)
        null = position_null(
            ArrayBlocks(codes),
            k=1,
            alphabet_size=4,
            n_permutations=150,
            pseudocount=pseudocount,
            apc=apc,
        )
        p.append(p_values(null))
        familywise.append(np.nanmin(stats.familywise_p(null.observed, null.maxima)))
    assert kstest(np.concatenate(p), "uniform").pvalue > 1e-3
    assert (np.concatenate(p) < 1e-3).mean() == pytest.approx(1e-3, abs=1e-3)
    assert kstest(familywise, "uniform").pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("letters", [[0.25, 0.25, 0.25, 0.25], [0.7, 0.2, 0.07, 0.03]])
@pytest.mark.parametrize("pseudocount", [0.0, 5.0])
def test_p_is_calibrated_far_out(letters: list[float], pseudocount: float) -> None:
    p = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        codes = rng.choice(4, (300, 200), p=letters).astype(np.uint8)
        null = position_null(
            ArrayBlocks(codes), k=1, alphabet_size=4, n_permutations=100, pseudocount=pseudocount
        )
        p.append(p_values(null))
    rates = np.array([(np.concatenate(p) <= level).mean() / level for level in (1e-3, 1e-4, 1e-5)])
    assert (rates > [0.6, 0.4, 0.2]).all(), rates
    # Rare letters make tables that no gamma distribution fits.
    assert (rates < [1.3, 1.8, 3.0]).all(), rates


def test_a_planted_dependency_is_found() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 4, (500, 60), dtype=np.uint8)
    linked = rng.random(500) < 0.35
    codes[linked, 40] = codes[linked, 10]
    null = position_null(ArrayBlocks(codes), k=1, alphabet_size=4, n_permutations=100)
    p = p_values(null)
    q = stats.benjamini_hochberg(p)
    i, j = np.triu_indices(60, 1)
    assert [(i[x], j[x]) for x in np.flatnonzero(q < 0.05)] == [(10, 40)]
    assert p.min() == stats.least_permutation_p(100)
    familywise = stats.familywise_p(null.observed, null.maxima)
    assert familywise[10, 40] == 1 / 101
