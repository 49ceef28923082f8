"""Permuted labels against plain loops, and the calibration of what comes of them."""

from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
from scipy.stats import chisquare, kstest, poisson

from mutua import stats
from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels import label_permutation as module
from mutua.kernels.label_permutation import LabelNull, label_permutation
from mutua.kernels.pooled_sequences import MemberBlocks, PooledBlocks, PooledSets, deal_labels
from mutua.kernels.position_mi import position_mi
from mutua.kernels.position_null import position_null, shuffled_mi
from mutua.kernels.random_sequences import derived_seed
from mutua.kernels.sequence_blocks import ArrayBlocks, PositionTask
from mutua.kernels.threads import Workers
from mutua.settings import settings as limits
from tests.reference.position_mi_comparison import pair_difference


def draw(
    n_sequences: int, n_positions: int, size: int, missing: float = 0.0, seed: int = 0
) -> np.ndarray:
    rng = np.random.default_rng([n_sequences, seed])
    letters = rng.dirichlet(np.full(size, 3.0))
    codes = rng.choice(size, (n_sequences, n_positions), p=letters).astype(np.uint8)
    codes[rng.random(codes.shape) < missing] = 254
    return codes


def pooled(a: np.ndarray, b: np.ndarray, k: int, size: int, **options: object) -> PooledSets:
    block = options.pop("block", 100)
    return PooledSets(ArrayBlocks(a, block), ArrayBlocks(b, block), k, size, **options)  # type: ignore[arg-type]


def assert_same(a: LabelNull, b: LabelNull) -> None:
    for field in fields(LabelNull):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


def test_a_pool_is_one_set_after_the_other() -> None:
    a, b = draw(25, 4, 4), draw(38, 4, 4)
    both = np.concatenate([a, b])
    pool = PooledBlocks(ArrayBlocks(a, 10), ArrayBlocks(b, 10))
    assert (pool.n_sequences, pool.n_positions, pool.block_size) == (63, 4, 10)
    for number in range(7):
        np.testing.assert_array_equal(pool.block(number), both[number * 10 : number * 10 + 10])


def test_members_come_in_blocks_of_their_own() -> None:
    codes = draw(57, 5, 4)
    members = np.array([0, 3, 31, 32, 33, 50, 56], np.uint32)
    source = MemberBlocks(ArrayBlocks(codes, 3), members)
    found = [source.block(number) for number in range(3)]
    assert [len(block) for block in found] == [3, 3, 1]
    np.testing.assert_array_equal(np.concatenate(found), codes[members])


def test_every_choice_of_members_is_equally_likely() -> None:
    counts = Counter(tuple(deal_labels(np.uint64(7), p, 6, 2)) for p in range(15_000))
    assert len(counts) == 15
    assert chisquare(list(counts.values())).pvalue > 1e-3


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_members_are_ascending_and_as_many_as_asked_for(seed: int) -> None:
    for n, wanted in ((2, 1), (10, 9), (1000, 30), (7, 7)):
        members = deal_labels(np.uint64(seed), 0, n, wanted)
        assert len(members) == wanted
        assert (np.diff(members.astype(int)) > 0).all()
        assert members[-1] < n


@pytest.mark.parametrize("sizes", [(31, 47), (52, 20)], ids=["a smaller", "b smaller"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize(("k", "pseudocount"), [(1, 0.0), (2, 0.7)])
def test_equals_plain_loops(
    sizes: tuple[int, int], weighted: bool, missing: float, k: int, pseudocount: float
) -> None:
    a, b = draw(sizes[0], 6, 3, missing), draw(sizes[1], 6, 3, missing)
    n, n_permutations = sum(sizes), 12
    weights = np.random.default_rng(0).random(n) if weighted else None
    sets = pooled(
        a, b, k, 3, pseudocount=pseudocount, block=20,
        weights_a=None if weights is None else weights[: sizes[0]],
        weights_b=None if weights is None else weights[sizes[0] :],
    )  # fmt: skip
    null = label_permutation(sets, n_permutations=n_permutations, seed=5)
    labels = derived_seed(5, "own of permuted labels")
    dealt = [deal_labels(labels, p, n, min(sizes)) for p in range(n_permutations)]
    if sizes[0] > sizes[1]:
        dealt = [np.setdiff1d(np.arange(n), members) for members in dealt]
    pairs = [(i, j) for i in range(7 - k) for j in range(i + k, 7 - k)]
    for i, j in pairs:
        expected = pair_difference(
            a.tolist(), b.tolist(), [members.tolist() for members in dealt], i, j, k, 3,
            pseudocount, [1.0] * n if weights is None else weights.tolist(),
        )  # fmt: skip
        observed = expected.mi_a - expected.mi_b
        assert null.mi_a[i, j] == pytest.approx(expected.mi_a, abs=1e-12)
        assert null.mi_b[i, j] == pytest.approx(expected.mi_b, abs=1e-12)
        assert null.observed[j, i] == pytest.approx(observed, abs=1e-12)
        assert null.mean[i, j] == pytest.approx(expected.mean, abs=1e-12)
        variance, skewness = expected.moments
        assert null.variance[i, j] == pytest.approx(variance, rel=1e-8)
        assert null.skewness[i, j] == pytest.approx(skewness, abs=1e-6)
        assert null.n_above[i, j] == expected.n_above(observed)
        assert null.n_below[i, j] == expected.n_below(observed)
    assert np.isnan(null.mean).sum() == 36 - 2 * len(pairs) if k == 1 else True


def test_maxima_are_standardized_by_a_pilot_of_their_own() -> None:
    a, b = draw(60, 5, 3), draw(44, 5, 3)
    null = label_permutation(pooled(a, b, 1, 3), n_permutations=9, seed=1)

    def differences(name: str, n: int) -> np.ndarray:
        seed = derived_seed(1, f"{name} of permuted labels")
        both, each = np.concatenate([a, b]), []
        for p in range(n):
            members = deal_labels(seed, p, 104, 44)
            others = np.setdiff1d(np.arange(104), members)
            mi = [
                position_mi(ArrayBlocks(both[s]), k=1, alphabet_size=3, pseudocount=0).mi
                for s in (others, members)
            ]
            each.append(mi[0] - mi[1])
        return np.array(each)

    pilot = differences("pilot", module.PILOT)
    centre, spread = pilot.mean(axis=0), pilot.std(axis=0, ddof=1)
    expected = np.nanmax(abs(differences("own", 9) - centre) / spread, axis=(1, 2))
    np.testing.assert_allclose(null.maxima, expected, rtol=1e-8)
    np.testing.assert_allclose(null.standardized, abs(null.observed - centre) / spread, rtol=1e-8)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_memory_threads_and_batches_change_nothing(
    k: int, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = draw(900, 9, 4, missing=0.03), draw(1300, 9, 4, missing=0.03)
    weights = np.random.default_rng(1).random(2200)
    options = {"weights_a": weights[:900], "weights_b": weights[900:]} if weighted else {}

    def run(block: int) -> LabelNull:
        sets = pooled(a, b, k, 4, pseudocount=0.1, block=block, **options)
        return label_permutation(sets, n_permutations=7, seed=3)

    expected = run(5000)
    monkeypatch.setattr(module, "BATCH", 3)
    monkeypatch.setattr(module, "PILOT", 64)
    columns = (10 - k) * 2200
    n_pairs = (10 - 2 * k) * (11 - 2 * k) // 2
    tables = n_pairs * 16**2 * 8
    for threads, memory in (
        (1, 10**8),
        (2, 2 * columns + tables),
        (2, 3 * columns),
        (2, columns),
        (1, columns / 2),
    ):
        monkeypatch.setattr(limits, "_threads", threads)
        monkeypatch.setattr(limits, "_memory", int(memory))
        assert_same(run(500), expected)
    other = label_permutation(
        pooled(a, b, k, 4, pseudocount=0.1, **options), n_permutations=7, seed=4
    )
    assert (other.maxima != expected.maxima).all()


def test_more_kmers_than_a_table_holds_are_sorted() -> None:
    a, b = draw(70, 9, 20, seed=1), draw(90, 9, 20, seed=2)
    sets = pooled(a, b, 2, 20)
    assert module._Pooled.load(sets.pool, module.Workers(1)) is not None
    null = label_permutation(sets, n_permutations=3)
    expected = position_mi(ArrayBlocks(a), k=2, alphabet_size=20, pseudocount=0).mi
    np.testing.assert_allclose(null.mi_a, expected, rtol=0, atol=1e-12)


def test_without_permutations_the_two_maps_are_those_of_position_mi() -> None:
    a, b = draw(300, 8, 4, 0.05), draw(120, 8, 4)
    null = label_permutation(pooled(a, b, 2, 4, pseudocount=5.0), n_permutations=0)
    for codes, found in ((a, null.mi_a), (b, null.mi_b)):
        expected = position_mi(ArrayBlocks(codes), k=2, alphabet_size=4, pseudocount=5.0).mi
        np.testing.assert_array_equal(found, expected)
    assert null.n_permutations == 0


def test_shuffled_columns_are_taken_off_the_sets_and_off_every_permutation() -> None:
    a, b = draw(80, 6, 4), draw(70, 6, 4)
    sets = pooled(a, b, 1, 4)
    plain = label_permutation(sets, n_permutations=20)
    found = label_permutation(sets, n_permutations=20, n_shuffles=10)
    np.testing.assert_array_equal(found.mi_a, plain.mi_a)
    assert not plain.independent[~np.isnan(plain.independent)].any()
    np.testing.assert_allclose(found.observed, plain.observed - found.independent)
    assert (found.n_above != plain.n_above).any()

    def shuffled(members: np.ndarray, n: int, seed: int) -> np.ndarray:
        means = [
            shuffled_mi(
                sets.part(of_set),
                n_permutations=n,
                seed=int(derived_seed(seed, which)),
                workers=Workers(1),
            )
            for which, of_set in (("members", members), ("others", sets.others(members)))
        ]
        return means[1] - means[0]  # b is the smaller set

    pairs = tuple(np.tril_indices(6, -1)[::-1])
    np.testing.assert_allclose(found.independent[pairs], shuffled(sets.observed, 10, 0), atol=1e-15)
    labels = derived_seed(0, "own of permuted labels")
    total = np.zeros(15)
    for number in range(20):
        members = sets.dealt(labels, number)
        codes = np.concatenate([a, b])
        mi = [
            position_mi(ArrayBlocks(codes[of]), k=1, alphabet_size=4, pseudocount=0).mi[pairs]
            for of in (members, sets.others(members))
        ]
        own = int(derived_seed(int(labels), f"shuffles of {number}"))
        total += mi[1] - mi[0] - shuffled(members, module.OWN_SHUFFLES, own)
    np.testing.assert_allclose(found.mean[pairs], total / 20, atol=1e-12)


def test_shuffled_mi_is_the_mean_of_the_permutation_null() -> None:
    source = ArrayBlocks(draw(300, 7, 4, 0.05), 100)
    task = PositionTask(source, 2, 4, 0.5, None)
    mean = shuffled_mi(task, n_permutations=5, seed=3, workers=Workers(1))
    null = position_null(source, k=2, alphabet_size=4, n_permutations=5, pseudocount=0.5, seed=3)
    np.testing.assert_allclose(mean, null.mean[tuple(np.tril_indices(6, -2)[::-1])], atol=1e-14)


def test_pairs_of_which_a_set_may_be_empty_are_no_tests() -> None:
    a, b = draw(40, 5, 3), draw(50, 5, 3)
    a[1:, 0] = b[1:, 0] = 254
    null = label_permutation(pooled(a, b, 1, 3), n_permutations=30)
    assert np.isfinite(null.observed[0, 1])
    assert np.isnan(null.mean[0, 1])
    assert np.isfinite(null.mean[1, 2])
    assert np.isfinite(null.maxima).all()


def test_refuses_sets_that_cannot_be_compared() -> None:
    codes = draw(50, 6, 4)
    for a, b in ((codes, codes[:, :5]), (codes, codes[:1])):
        with pytest.raises(InvalidInput, match="codes"):
            pooled(a, b, 1, 4)
    with pytest.raises(InvalidInput, match="weights"):
        pooled(codes, codes, 1, 4, weights_a=np.ones(50))
    with pytest.raises(InvalidInput, match="n_permutations"):
        label_permutation(pooled(codes, codes, 1, 4), n_permutations=-1)
    with pytest.raises(InvalidInput, match="known k-mers"):
        label_permutation(pooled(codes, np.full_like(codes, 254), 1, 4), n_permutations=2)


def test_too_little_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_memory", 4000)
    sets = pooled(draw(3000, 12, 4), draw(2000, 12, 4), 3, 4)
    with pytest.raises(MemoryLimit, match="Use k <= 2"):
        label_permutation(sets, n_permutations=0)


def p_values(null: LabelNull) -> np.ndarray:
    """Of each pair once."""
    pairs = np.triu_indices(len(null.observed), 1)
    return stats.two_sided_permutation_p(
        null.observed[pairs],
        null.n_above[pairs],
        null.n_below[pairs],
        null.mean[pairs],
        null.variance[pairs],
        null.n_permutations,
        skewness=null.skewness[pairs],
    )


def dependent(n: int, n_positions: int, rng: np.random.Generator) -> np.ndarray:
    """Every second position copies the one before in 30 % of the sequences."""
    codes = rng.choice(4, (n, n_positions), p=[0.4, 0.3, 0.2, 0.1]).astype(np.uint8)
    copied = rng.random((n, n_positions // 2)) < 0.3
    codes[:, 1::2] = np.where(copied, codes[:, ::2], codes[:, 1::2])
    return codes


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(400, 400), (150, 900)], ids=["equal", "unequal"])
@pytest.mark.parametrize("pseudocount", [0.0, 1.0])
def test_p_is_uniform_where_labels_mean_nothing(sizes: tuple[int, int], pseudocount: float) -> None:
    p, familywise = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        a, b = (dependent(n, 20, rng) for n in sizes)
        null = label_permutation(
            pooled(a, b, 1, 4, pseudocount=pseudocount), n_permutations=200, seed=seed
        )
        p.append(p_values(null))
        familywise.append(np.nanmin(stats.familywise_p(null.standardized, null.maxima)))
    found = np.concatenate(p)
    assert kstest(found, "uniform").pvalue > 1e-3
    assert (found < 0.01).mean() == pytest.approx(0.01, abs=0.006)
    assert kstest(familywise, "uniform").pvalue > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(300, 300), (100, 1000)], ids=["equal", "unequal"])
@pytest.mark.parametrize("letters", [[0.25, 0.25, 0.25, 0.25], [0.7, 0.2, 0.07, 0.03]])
def test_p_is_calibrated_far_out(sizes: tuple[int, int], letters: list[float]) -> None:
    p = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        a, b = (rng.choice(4, (n, 110), p=letters).astype(np.uint8) for n in sizes)
        p.append(p_values(label_permutation(pooled(a, b, 1, 4), n_permutations=300, seed=seed)))
    found = np.concatenate(p)
    rates = np.array([(found <= level).mean() / level for level in (0.05, 1e-2, 1e-3, 1e-4)])
    assert (rates > [0.8, 0.7, 0.4, 0.2]).all(), rates
    assert (rates < [1.2, 1.3, 1.5, 2.0]).all(), rates
    # Fewer than one is expected here, too few for a rate.
    assert poisson.sf((found <= 1e-5).sum() - 1, 1e-5 * len(found)) > 1e-3


def test_composition_is_no_difference_of_independent_positions() -> None:
    rng = np.random.default_rng(0)
    a = rng.choice(4, (600, 12), p=[0.25, 0.25, 0.25, 0.25]).astype(np.uint8)
    b = rng.choice(4, (600, 12), p=[0.1, 0.4, 0.4, 0.1]).astype(np.uint8)
    sets = pooled(a, b, 2, 4)
    pairs = np.triu_indices(11, 2)
    plain, found = (
        label_permutation(sets, n_permutations=20, n_shuffles=n_shuffles) for n_shuffles in (0, 20)
    )
    # The plug-in estimate of the uniform set has the larger bias, in every pair.
    assert (found.independent[pairs] > 0).all()
    for null, low, high in ((plain, 0.8, 9), (found, -0.3, 0.3)):
        away = (null.observed - null.mean)[pairs] / np.sqrt(null.variance[pairs])
        assert low < away.mean() < high


@pytest.mark.parametrize("rate", [0.02, pytest.param(0.5, marks=pytest.mark.slow)])
def test_halves_of_one_set_with_rare_letters_do_not_differ(rate: float) -> None:
    # The bias of rare letters depends on which set they fall into, so that correcting the
    # observed difference only, and not those of permuted labels, finds 10 % of the pairs.
    rng = np.random.default_rng(1)
    mutated = rng.random((3000, 20)) < rate
    codes = np.where(mutated, rng.integers(0, 20, mutated.shape), 0).astype(np.uint8)
    sets = pooled(codes[:1500], codes[1500:], 1, 20)
    null = label_permutation(sets, n_permutations=100, n_shuffles=50)
    p = p_values(null)
    assert (p < 0.05).mean() < 0.06
    assert stats.benjamini_hochberg(p).min() > 0.05
