import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.errors import InvalidInput
from mutua.kernels.recursive_seqlets import Spans, longest_run, observed, recursive_seqlets
from mutua.kernels.span_null import bin_counts, span_null, value_range
from tests.reference import seqlets as reference


def planted(n: int, length: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.laplace(0, 0.05, (n, length))
    for row in range(0, n, 2):
        at = rng.integers(0, length - 6)
        values[row, at : at + rng.integers(3, 7)] += rng.choice([-1, 1])
    return values


def found(values: np.ndarray, *, n_bins: int = 1000, max_length: int = 25, **options) -> Spans:
    low, high = value_range(values)
    null = span_null(bin_counts(values, low, high, n_bins=n_bins), low, high, max_length=max_length)
    return recursive_seqlets(values, null, max_length=max_length, **options)


def test_observed_is_the_attribution_of_the_letter_that_is_there() -> None:
    rng = np.random.default_rng(0)
    attribution = rng.normal(size=(5, 4, 7)).astype(np.float32)
    codes = rng.choice(np.array([0, 1, 2, 3, 254, 255], np.uint8), (5, 7))
    assert np.array_equal(observed(attribution, codes), reference.observed(attribution, codes))
    attribution[2, :, 3] = np.inf
    codes[2, 3] = 1
    assert np.isnan(observed(attribution, codes)[2, 3])


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 4),
    length=st.integers(1, 24),
    seed=st.integers(0, 1000),
    threshold=st.sampled_from([1e-3, 0.05, 0.3, 1.0]),
    min_length=st.integers(1, 4),
    more=st.integers(0, 5),
    flank=st.integers(0, 3),
    missing=st.sampled_from([0, 0.1]),
)
def test_spans_equal_those_of_plain_loops(
    n: int, length: int, seed: int, threshold: float, min_length: int, more: int, flank: int,
    missing: float,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (n, length)).round(2)
    values[rng.random(values.shape) < missing] = -np.inf
    known = values[values > -np.inf]
    if len(known) == 0 or known.min() == known.max():
        assert len(found(values).start) == 0
        return
    options = {
        "threshold": threshold,
        "min_length": min_length,
        "max_length": min_length + more,
        "flank": flank,
        "n_bins": 20,
    }
    spans, expected = found(values, **options), reference.recursive(values, **options)
    rows = sorted(zip(*(column.tolist() for column in spans), strict=True))
    assert [row[:3] for row in rows] == [row[:3] for row in expected]
    np.testing.assert_allclose(
        [row[3:] for row in rows], [row[3:] for row in expected], rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("threshold", [0.01, 0.05, 0.4, 1.0])
@pytest.mark.parametrize("length", [1, 3, 5])
def test_longest_run_is_that_of_plain_loops(threshold: float, length: int) -> None:
    values = planted(9, 40)
    values[3, 17] = -np.inf
    low, high = value_range(values)
    null = span_null(bin_counts(values, low, high), low, high, max_length=length)
    tails = null.tails[null.offsets[length] :]
    bins = np.floor((np.maximum(values, low) - low) / null.width).astype(int)
    longest = 0
    for row in bins:
        run = 0
        for at in range(len(row) - length + 1):
            run = run + 1 if tails[row[at : at + length].sum()] < threshold else 0
            longest = max(longest, run)
    assert longest_run(values, null, threshold=threshold, length=length) == longest > 0


@pytest.mark.parametrize("threshold", [1e-3, 0.05, 1.0])
def test_spans_need_no_longer_null_than_the_longest_run_says(threshold: float) -> None:
    values = planted(60, 80)
    low, high = value_range(values)
    counts = bin_counts(values, low, high)
    null = span_null(counts, low, high, max_length=3)
    longest = min(25, 2 + longest_run(values, null, threshold=threshold, length=3))
    short = span_null(counts, low, high, max_length=longest)
    options = {"threshold": threshold, "min_length": 3}
    spans = recursive_seqlets(values, short, max_length=short.max_length, **options)
    expected = found(values, **options)
    assert len(expected.start) > 0
    for one, other in zip(spans, expected, strict=True):
        assert np.array_equal(one, other)


def test_no_values_have_no_run() -> None:
    null = span_null(np.zeros(9, np.int64), 0, 0)
    assert longest_run(np.zeros((2, 9)), null) == 0
    values = planted(4, 9)
    assert longest_run(values[:, :3], span_null(np.array([1, 1]), 0.0, 1.0), length=4) == 0
    assert longest_run(values[:0], span_null(np.array([1, 1]), 0.0, 1.0), length=4) == 0


def test_result_does_not_depend_on_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    values = planted(500, 300)
    results = []
    for threads in (1, 3):
        monkeypatch.setattr("mutua.kernels.rows.available_threads", lambda n=threads: n)
        results.append(found(values, threshold=0.05, flank=2))
    for one, other in zip(*results, strict=True):
        assert np.array_equal(one, other)
    assert len(results[0].start) > 100


def test_spans_are_sorted_and_stay_in_their_sequence() -> None:
    values = planted(41, 60)
    spans = found(values, threshold=0.05, flank=7)
    assert np.all(np.diff(spans.sequence * 100 + spans.start) >= 0)
    assert spans.start.min() >= 0
    assert spans.end.max() <= 60


def test_alike_values_and_short_sequences_have_no_spans() -> None:
    assert len(found(np.ones((3, 20))).start) == 0
    assert len(found(planted(6, 8)[:, :3], min_length=4).start) == 0
    assert len(found(np.zeros((0, 9))).start) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "threshold"),
        ({"threshold": 1.5}, "threshold"),
        ({"min_length": 0}, "min_length"),
        ({"min_length": 30}, "max_length=25"),
    ],
)
def test_refusals(options: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        found(planted(3, 40), **options)


@pytest.mark.slow
@pytest.mark.parametrize(("threshold", "flank"), [(0.01, 0), (0.1, 3), (1e-4, 0)])
def test_spans_equal_those_of_tangermeme(threshold: float, flank: int) -> None:
    torch = pytest.importorskip("torch")
    peer = pytest.importorskip("tangermeme.seqlet")
    values = planted(200, 500)
    spans = found(values, threshold=threshold, flank=flank)
    frame = peer.recursive_seqlets(
        torch.tensor(values), threshold=threshold, additional_flanks=flank
    ).sort_values(["example_idx", "start", "end"])
    order = np.lexsort((spans.end, spans.start, spans.sequence))
    assert len(frame) > 30
    for column, name in zip(spans[:3], ["example_idx", "start", "end"], strict=True):
        assert np.array_equal(column[order], frame[name])
    np.testing.assert_allclose(spans.score[order], frame["p-value"], rtol=1e-10)
    np.testing.assert_allclose(spans.attribution[order], frame["attribution"], rtol=1e-9)
