"""Position mutual information against plain loops, scikit-learn and itself on other routes."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mutual_info_score

from mutua.errors import InvalidInput, MemoryLimit
from mutua.kernels import pair_engine
from mutua.kernels.position_divergence import MEASURES, position_divergence
from mutua.kernels.position_mi import (
    PositionStatistics,
    average_product,
    miller_madow_bias,
    normalized_mi,
    pair_kmer_counts,
    position_mi,
)
from mutua.kernels.sequence_blocks import ArrayBlocks, fixed_point_weights
from mutua.settings import settings as limits
from tests.reference import position_mi as reference

KMERS = [(1, 2), (3, 2), (1, 4), (2, 3), (2, 4), (1, 21), (3, 4)]


@dataclass(frozen=True)
class Case:
    codes: np.ndarray
    k: int
    alphabet_size: int
    pseudocount: float
    weights: np.ndarray | None

    def source(self, block_size: int = 2**18) -> ArrayBlocks:
        return ArrayBlocks(self.codes, block_size)

    @property
    def options(self) -> dict[str, object]:
        return {
            "k": self.k,
            "alphabet_size": self.alphabet_size,
            "pseudocount": self.pseudocount,
            "weights": self.weights,
        }

    @property
    def plain_weights(self) -> list[float]:
        return [1] * len(self.codes) if self.weights is None else self.weights.tolist()

    def pairs(self) -> Iterator[tuple[int, int]]:
        n = self.codes.shape[1] - self.k + 1
        return ((i, j) for j in range(self.k, n) for i in range(j - self.k + 1))


def make_case(
    seed: int,
    *,
    n_sequences: int,
    n_positions: int,
    k: int,
    alphabet_size: int,
    missing: float = 0.0,
    skew: float = 0.0,
    pseudocount: float = 5.0,
    weighted: bool = False,
) -> Case:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, alphabet_size, (n_sequences, n_positions), dtype=np.uint8)
    codes[rng.random(codes.shape) < skew] = 1
    codes[rng.random(codes.shape) < missing] = 254
    codes[0, :] = 0  # one sequence that is known throughout
    weights = rng.choice([0.0, 0.2, 1 / 3, 1.0, 7.5], n_sequences) if weighted else None
    if weights is not None:
        weights[0] = 1.0
    return Case(codes, k, alphabet_size, pseudocount, weights)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    k, alphabet_size = draw(st.sampled_from(KMERS))
    return make_case(
        draw(st.integers(0, 2**32)),
        n_sequences=draw(st.sampled_from([1, 2, 17, 60])),
        n_positions=2 * k + draw(st.integers(0, 3)),
        k=k,
        alphabet_size=alphabet_size,
        missing=draw(st.sampled_from([0.0, 0.1, 0.6])),
        skew=draw(st.sampled_from([0.0, 0.8])),
        pseudocount=draw(st.sampled_from([0.0, 0.1, 5.0])),
        weighted=draw(st.booleans()),
    )


def assert_same(a: PositionStatistics, b: PositionStatistics) -> None:
    """Bit for bit."""
    for field in fields(PositionStatistics):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


def in_tables(case: Case, monkeypatch: pytest.MonkeyPatch, block_size: int) -> PositionStatistics:
    """The route that adds up tables over blocks, as for data larger than memory."""
    with monkeypatch.context() as patch:
        patch.setattr(pair_engine, "resident_bytes", lambda task: 2**62)
        return position_mi(case.source(block_size), **case.options)  # type: ignore[arg-type]


@given(case=cases())
@settings(max_examples=60, deadline=None)
def test_equals_plain_loops(case: Case) -> None:
    found = position_mi(case.source(), **case.options)  # type: ignore[arg-type]
    k, n = case.k, case.codes.shape[1] - case.k + 1
    for i in range(n):
        for j in range(i, min(i + k, n)):
            assert np.isnan(found.mi[i, j])
            assert found.weight[i, j] == 0
    for i, j in case.pairs():
        expected = reference.pair_statistics(
            case.codes.tolist(), i, j, k, case.alphabet_size, case.pseudocount, case.plain_weights
        )
        if expected is None:
            assert np.isnan(found.mi[i, j])
            assert found.weight[i, j] == found.support[i, j] == 0
            continue
        values = [
            found.mi[i, j],
            found.entropy[i, j],
            found.entropy[j, i],
            found.entropy_joint[i, j],
            found.weight[i, j],
        ]
        wanted = [
            expected.mi,
            expected.entropy_i,
            expected.entropy_j,
            expected.entropy_joint,
            expected.weight,
        ]
        np.testing.assert_allclose(values, wanted, rtol=1e-12, atol=1e-12)
        assert found.support[i, j] == expected.support_i
        assert found.support[j, i] == expected.support_j
        assert found.support_joint[i, j] == expected.support_joint
    np.testing.assert_array_equal(found.mi, found.mi.T)


# One case for every way of counting: several positions at once, one at a time, sorted sequences,
# codes of 16 bits, bins of 16 bits emptied in between.
ROUTES = {
    "joined": {"n_sequences": 9000, "n_positions": 8, "k": 3, "alphabet_size": 4},
    "joined_many": {"n_sequences": 4000, "n_positions": 11, "k": 1, "alphabet_size": 4},
    "single": {"n_sequences": 700, "n_positions": 5, "k": 1, "alphabet_size": 21},
    "sorted": {"n_sequences": 60, "n_positions": 13, "k": 3, "alphabet_size": 4},
    "wide": {"n_sequences": 60, "n_positions": 13, "k": 4, "alphabet_size": 4},
    "emptied": {"n_sequences": 140_000, "n_positions": 4, "k": 1, "alphabet_size": 3},
}


@pytest.mark.parametrize("missing", [0.0, 0.02])
@pytest.mark.parametrize(
    ("route", "weighted"),
    [(route, False) for route in ROUTES] + [(route, True) for route in ROUTES if route != "wide"],
)
def test_routes_threads_and_blocks_give_the_same_bits(
    route: str, missing: float, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = make_case(3, **ROUTES[route], missing=missing, weighted=weighted, skew=0.3)
    monkeypatch.setattr(limits, "_threads", 1)
    expected = position_mi(case.source(), **case.options)  # type: ignore[arg-type]
    monkeypatch.setattr(limits, "_threads", 2)
    assert_same(position_mi(case.source(), **case.options), expected)  # type: ignore[arg-type]
    assert_same(position_mi(case.source(37_001), **case.options), expected)  # type: ignore[arg-type]
    block_size = len(case.codes) // 3 + 1
    assert_same(in_tables(case, monkeypatch, block_size), expected)
    # A budget of some tables only, so that it takes several passes.
    table_bytes = 8 * case.alphabet_size ** (2 * case.k)
    monkeypatch.setattr(limits, "_memory", 3 * table_bytes)
    assert_same(in_tables(case, monkeypatch, block_size), expected)


@pytest.mark.parametrize("route", ROUTES)
def test_routes_equal_scikit_learn(route: str) -> None:
    case = replace(make_case(4, **ROUTES[route], skew=0.3), pseudocount=0.0)
    found = position_mi(case.source(), **case.options)  # type: ignore[arg-type]
    powers = case.alphabet_size ** np.arange(case.k)
    windows = np.lib.stride_tricks.sliding_window_view(case.codes, case.k, axis=1) @ powers
    for i, j in [(0, case.k), (1, case.k + 1)]:
        nats = mutual_info_score(windows[:, i], windows[:, j])
        assert found.mi[i, j] == pytest.approx(nats / np.log(2), abs=1e-12)


def test_weights_of_one_change_nothing() -> None:
    case = make_case(5, n_sequences=500, n_positions=7, k=2, alphabet_size=4, missing=0.05)
    plain = position_mi(case.source(), **case.options)  # type: ignore[arg-type]
    ones = replace(case, weights=np.ones(500))
    assert_same(position_mi(ones.source(), **ones.options), plain)  # type: ignore[arg-type]


def test_weights_are_repetitions() -> None:
    case = make_case(6, n_sequences=90, n_positions=6, k=2, alphabet_size=3)
    times = np.random.default_rng(6).integers(0, 4, 90)
    weighted = replace(case, weights=times.astype(float))
    repeated = replace(case, codes=np.repeat(case.codes, times, axis=0))
    a = position_mi(weighted.source(), **weighted.options)  # type: ignore[arg-type]
    b = position_mi(repeated.source(), **repeated.options)  # type: ignore[arg-type]
    np.testing.assert_allclose(a.mi, b.mi, rtol=0, atol=1e-13)


def test_weights_in_fixed_point_lose_nothing_that_matters() -> None:
    weights = np.random.default_rng(7).random(10_000) ** 8
    fixed = fixed_point_weights(weights, 10_000)
    np.testing.assert_allclose(fixed.units * fixed.unit, weights, rtol=1e-12, atol=2e-15)
    assert 2**61 < fixed.units.sum() <= 2**62 + 10_000


def test_sums_of_terms_cannot_overflow() -> None:
    # Every sequence in a bin of its own, with tiny weights, and all in one bin, with large ones.
    codes = np.stack([np.arange(200), np.arange(200)], axis=1).astype(np.uint8)
    for weight in (1e-30, 1.0, 1e30):
        found = position_mi(
            ArrayBlocks(codes),
            k=1,
            alphabet_size=200,
            pseudocount=0,
            weights=np.full(200, weight),
        )
        assert found.mi[0, 1] == pytest.approx(np.log2(200), abs=1e-12)
    same = position_mi(ArrayBlocks(codes * 0), k=1, alphabet_size=200, pseudocount=1e6)
    expected = reference.pair_statistics((codes * 0).tolist(), 0, 1, 1, 200, 1e6, [1] * 200)
    assert expected is not None
    assert same.mi[0, 1] == pytest.approx(expected.mi, abs=1e-12)


@given(case=cases(), measure=st.sampled_from(MEASURES))
@settings(max_examples=40, deadline=None)
def test_distances_equal_plain_loops(case: Case, measure: str) -> None:
    if case.pseudocount > 0 and case.alphabet_size**case.k > 30:
        case = replace(case, pseudocount=0.0)
    found = position_divergence(case.source(13), measure=measure, **case.options)  # type: ignore[arg-type]
    for i, j in case.pairs():
        expected = reference.pair_distance(
            case.codes.tolist(),
            i,
            j,
            case.k,
            case.alphabet_size,
            case.pseudocount,
            case.plain_weights,
            measure,
        )
        if expected is None:
            assert np.isnan(found[i, j])
        elif measure == "inverse_bhattacharyya" and expected > 20:
            assert found[i, j] > 20  # the plain loop loses the digits of 1 - BC
        else:
            # square roots of rounding errors around distance 0
            assert found[i, j] == pytest.approx(expected, rel=1e-9, abs=2e-7)
        assert found[j, i] == found[i, j] or np.isnan(found[i, j])


def test_distances_do_not_depend_on_blocks_threads_or_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = make_case(
        8, n_sequences=300, n_positions=9, k=2, alphabet_size=4, missing=0.1, weighted=True
    )
    expected = position_divergence(case.source(), measure="hellinger", **case.options)  # type: ignore[arg-type]
    monkeypatch.setattr(limits, "_threads", 1)
    monkeypatch.setattr(limits, "_memory", 5000)
    found = position_divergence(case.source(77), measure="hellinger", **case.options)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, expected)


def test_pair_kmer_counts_equal_plain_loops() -> None:
    case = make_case(
        9, n_sequences=200, n_positions=7, k=2, alphabet_size=3, missing=0.1, weighted=True
    )
    options = {key: case.options[key] for key in ("k", "alphabet_size", "weights")}
    found = pair_kmer_counts(case.source(33), 1, 4, **options)  # type: ignore[arg-type]
    expected = np.zeros((9, 9))
    counts = reference.pair_counts(case.codes.tolist(), 1, 4, 2, 3, case.plain_weights)
    for (x, y), count in counts.items():
        expected[x, y] = count
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_average_product_is_the_product_of_means() -> None:
    rng = np.random.default_rng(10)
    mi = rng.random((7, 7))
    mi = mi + mi.T
    mi[np.abs(np.subtract.outer(range(7), range(7))) < 2] = np.nan
    found = average_product(mi)
    expected = np.nanmean(mi[1]) * np.nanmean(mi[5]) / np.nanmean(mi)
    assert found[1, 5] == pytest.approx(expected)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(mi))
    assert np.isnan(average_product(np.full((3, 3), np.nan))).all()


def test_normalized_mi_of_copies_is_one_and_of_constants_zero() -> None:
    codes = np.random.default_rng(11).integers(0, 4, (50, 4), dtype=np.uint8)
    codes[:, 2] = codes[:, 0]
    codes[:, 1] = codes[:, 3] = 2
    found = position_mi(ArrayBlocks(codes), k=1, alphabet_size=4, pseudocount=0)
    normalized = normalized_mi(found.mi, found.entropy_joint)
    assert normalized[0, 2] == pytest.approx(1, abs=1e-12)
    assert normalized[1, 3] == 0
    assert np.isnan(normalized[0, 0])


def test_miller_madow_takes_off_most_of_the_bias() -> None:
    codes = np.random.default_rng(12).integers(0, 4, (10_000, 16), dtype=np.uint8)
    found = position_mi(ArrayBlocks(codes), k=2, alphabet_size=4, pseudocount=0)
    bias = miller_madow_bias(found)
    assert np.nanmean(found.mi) == pytest.approx(15 * 15 / (2 * 10_000 * np.log(2)), rel=0.05)
    assert abs(np.nanmean(found.mi - bias)) < 0.02 * np.nanmean(found.mi)
    np.testing.assert_allclose(bias[0, 2], 15 * 15 / (2 * 10_000 * np.log(2)))
    np.testing.assert_array_equal(np.isnan(bias), np.isnan(found.mi))


@pytest.mark.parametrize(
    ("change", "argument"),
    [
        ({"k": 3}, "codes"),
        ({"k": 0}, "k"),
        ({"alphabet_size": 1}, "alphabet_size"),
        ({"pseudocount": -1.0}, "pseudocount"),
        ({"pseudocount": np.nan}, "pseudocount"),
        ({"weights": np.array([1, 1, np.nan])}, "weights"),
        ({"weights": np.array([1, -1, 1.0])}, "weights"),
        ({"weights": np.zeros(3)}, "weights"),
        ({"weights": np.ones(4)}, "weights"),
        ({"source": ArrayBlocks(np.zeros((0, 5), np.uint8))}, "codes"),
        ({"source": ArrayBlocks(np.full((3, 5), 254, np.uint8))}, "codes"),
        ({"source": ArrayBlocks(np.zeros((3, 5), np.int64))}, "codes"),  # type: ignore[arg-type]
    ],
)
def test_unusable_input_is_named(change: dict[str, object], argument: str) -> None:
    options = {
        "source": ArrayBlocks(np.zeros((3, 5), np.uint8)),
        "k": 1,
        "alphabet_size": 4,
        **change,
    }
    for function in (
        position_mi,
        lambda source, **rest: position_divergence(source, measure="hellinger", **rest),
    ):
        with pytest.raises(InvalidInput) as error:
            function(options["source"], **{n: v for n, v in options.items() if n != "source"})
        assert error.value.argument == argument


def test_memory_limit_says_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ArrayBlocks(np.random.default_rng(0).integers(0, 4, (9000, 40), dtype=np.uint8))
    monkeypatch.setattr(limits, "_memory", 2**18)
    with pytest.raises(MemoryLimit, match=r"Use k <= 3, or raise mutua.settings.memory") as error:
        position_mi(source, k=6, alphabet_size=4)
    enough = int(error.value.remedy.split()[-1])
    monkeypatch.setattr(limits, "_memory", enough)
    assert position_mi(source, k=6, alphabet_size=4).mi.shape == (35, 35)
    monkeypatch.setattr(limits, "_memory", 2**14)
    with pytest.raises(MemoryLimit, match="Use k <= 2, or"):
        pair_kmer_counts(source, 0, 9, k=4, alphabet_size=4)
    with pytest.raises(MemoryLimit, match="smaller k"):
        position_divergence(source, k=4, alphabet_size=4, measure="hellinger")


def test_pair_kmer_counts_refuses_overlapping_kmers() -> None:
    source = ArrayBlocks(np.zeros((3, 6), np.uint8))
    for i, j in ((0, 1), (-1, 3), (0, 5), (3, 0)):
        with pytest.raises(InvalidInput, match="i, j"):
            pair_kmer_counts(source, i, j, k=2, alphabet_size=4)


def test_divergence_refuses_unknown_measures() -> None:
    with pytest.raises(InvalidInput, match="euclid"):
        position_divergence(
            ArrayBlocks(np.zeros((3, 6), np.uint8)), k=2, alphabet_size=4, measure="euclid"
        )
