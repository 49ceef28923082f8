"""Pairs of motifs in the same sequences: counts, tests, calibration, peers."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from scipy.stats import binom, hypergeom

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput, MemoryLimit
from mutua.models.motif_pairs import MotifPairs
from mutua.tl.motif_pairs import pair_annotations
from tests.reference import motif_pairs as reference
from tests.reference.motif_pairs import Row
from tests.tl.annotated import annotations, large, random_rows

N_MOTIFS, N_SEQUENCES, LENGTH = 6, 17, 40
SIZES = {"lengths": [LENGTH] * N_SEQUENCES, "n_motifs": N_MOTIFS}


def some_rows(n: int = 90, seed: int = 0) -> list[Row]:
    return random_rows(n, n_sequences=N_SEQUENCES, length=LENGTH, n_motifs=N_MOTIFS, seed=seed,
                       widths=True)  # fmt: skip


def by_pair(pairs: xr.Dataset, name: str = "n") -> dict[tuple[int, int], float]:
    keys = zip(*(pairs[f"motif_{x}_index"].values.tolist() for x in "ab"), strict=True)
    return dict(zip(keys, pairs[name].values.tolist(), strict=True))


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6), n=st.integers(0, 120))
def test_counts_are_those_of_plain_loops(seed: int, n: int) -> None:
    rows = some_rows(n, seed)
    ann = annotations(rows, **SIZES)
    for ordered in (False, True):
        for unique in (False, True):
            counts = reference.pair_counts(rows, ordered=ordered, unique=unique)
            found = by_pair(
                pair_annotations(ann, ordered=ordered, unique=unique, self_pairs=True, test=None)
            )
            assert {pair: n for pair, n in found.items() if n} == dict(counts)
            without = by_pair(pair_annotations(ann, ordered=ordered, unique=unique, test=None))
            assert without == {pair: n for pair, n in found.items() if pair[0] != pair[1]}


@pytest.mark.parametrize("n_sequences", [70, 40_000], ids=["bits", "entries"])
def test_both_ways_to_count_agree(n_sequences: int) -> None:
    """Many sequences with few motifs are counted one by one, few with many by their bits."""
    ann = large(6000, n_sequences=n_sequences, length=90, n_motifs=80)
    has = np.zeros((n_sequences, 80), np.int64)
    has[ann["sequence_index"].values, ann["motif_index"].values] = 1
    expected = has.T @ has
    found = by_pair(pair_annotations(ann))
    assert {pair: n for pair, n in found.items() if n} == {
        (a, b): expected[a, b] for a, b in np.argwhere(np.triu(expected, 1)).tolist()
    }


def test_p_values_are_those_of_scipy() -> None:
    rows = some_rows(200)
    pairs = pair_annotations(annotations(rows, **SIZES))
    MotifPairs.check(pairs)
    n_with = np.bincount([motif for _, motif in reference.has_motif(rows)])
    for (a, b), n in by_pair(pairs).items():
        null = hypergeom(N_SEQUENCES, n_with[a], n_with[b])
        assert by_pair(pairs, "expected")[a, b] == pytest.approx(null.mean())
        p = min(1, 2 * min(null.sf(n - 1), null.cdf(n)))
        assert by_pair(pairs, "p_value")[a, b] == pytest.approx(p)
    assert pairs.attrs["n_tests"] == 15
    q = mt.stats.benjamini_hochberg(pairs["p_value"].values, n_tests=15)
    np.testing.assert_array_equal(pairs["q_value"], q)


def test_pairs_that_avoid_each_other_are_listed() -> None:
    rows = [Row(s, 1, 5, int(s < 30), 0) for s in range(60)] + [Row(5, 1, 5, 2, 0)]
    pairs = pair_annotations(annotations(rows, lengths=[9] * 60, n_motifs=4))
    assert by_pair(pairs) == {(0, 1): 0, (1, 2): 1}
    assert pairs["expected"].values.tolist() == [15, 0.5]
    assert pairs["log2_ratio"].values[0] == pytest.approx(np.log2(0.5 / 15.5))
    assert pairs["p_value"].values[0] < 1e-15
    assert pairs.attrs["n_tests"] == 3  # motif 3 does not occur


@pytest.mark.parametrize(("ordered", "unique"), [(False, False), (True, False), (True, True)])
def test_permutations_of_rows(ordered: bool, unique: bool) -> None:
    rows = some_rows(150)
    options = {"ordered": ordered, "unique": unique, "self_pairs": True}
    ann = annotations(rows, **SIZES)
    pairs = pair_annotations(ann, **options, test="permutation", n_permutations=400)
    MotifPairs.check(pairs)
    assert {k: n for k, n in by_pair(pairs).items() if n} == dict(
        reference.pair_counts(rows, ordered=ordered, unique=unique)
    )
    assert np.isfinite(pairs["p_value"].values).all()
    assert pairs.attrs["n_tests"] == (36 if ordered else 21)
    if not unique:
        plain = pair_annotations(ann, **options, test=None)
        expected = by_pair(plain, "expected")
        ours = by_pair(pairs, "expected")
        ties = 0.8 if ordered else 1  # of two with the same middle neither is to the left
        common = expected.keys() & ours.keys()
        assert len(common) > 10
        for pair in common:
            assert ties * expected[pair] * 0.9 < ours[pair] < expected[pair] * 1.1


def heterogeneous(seed: int, n: int = 400, n_motifs: int = 24) -> xr.Dataset:
    """Give independent motifs in sequences that differ much in how many they have."""
    random = np.random.default_rng(seed)
    rate = random.gamma(0.6, 1, n)[:, None] * random.gamma(2, 0.5, n_motifs)
    has = random.random((n, n_motifs)) < 1 - np.exp(-0.5 * rate)
    rows = [Row(s, 4 * m, 4 * m + 3, m, 0) for s, m in np.argwhere(has).tolist()]
    return annotations(rows, lengths=[4 * n_motifs] * n, n_motifs=n_motifs)


@pytest.mark.slow
def test_permutations_are_calibrated_where_the_hypergeometric_test_is_not() -> None:
    exact, permuted, familywise = [], [], []
    for seed in range(25):
        ann = heterogeneous(seed)
        exact.append(pair_annotations(ann)["p_value"].values)
        null = pair_annotations(ann, test="permutation", n_permutations=300, seed=seed)
        permuted.append(null["p_value"].values)
        familywise.append(null["p_familywise"].values.min())
        assert (null["q_value"].values < 0.01).sum() <= 1
    exact, permuted = (np.concatenate(p) for p in (exact, permuted))
    assert len(permuted) > 5000
    for level in (0.5, 0.1, 0.01, 0.001):
        share = (permuted <= level).mean()
        assert share < 1.25 * level + 4 * np.sqrt(level / len(permuted))
        assert share > 0.5 * level
    assert (exact <= 0.01).mean() > 0.1  # ten times too many
    assert (np.array(familywise) <= 0.1).sum() <= binom.ppf(0.999, 25, 0.1)


def test_permutations_find_a_planted_pair() -> None:
    ann = heterogeneous(1)
    names = ("sequence_index", "start", "end", "motif_index")
    columns = [ann[name].values.tolist() for name in names]
    rows = [Row(*row, 0) for row in zip(*columns, strict=True)]
    # Motif 1 also stands in every second sequence that has motif 0.
    rows += [Row(row.sequence, 4, 7, 1, 0) for row in rows if row.motif == 0][::2]
    pairs = pair_annotations(annotations(rows, lengths=[96] * 400, n_motifs=24),
                             test="permutation", n_permutations=500)  # fmt: skip
    best = pairs.isel(pair=int(pairs["p_value"].values.argmin()))
    assert (int(best["motif_a_index"]), int(best["motif_b_index"])) == (0, 1)
    assert best["q_value"] < 1e-3
    assert best["p_familywise"] == pytest.approx(1 / 501)
    assert best["log2_ratio"] > 0.3


def test_the_same_bits_for_a_seed_whatever_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = annotations(some_rows(150), **SIZES)
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(mt.settings, "_threads", threads)
        found.append(pair_annotations(ann, test="permutation", n_permutations=50, seed=4))
    xr.testing.assert_identical(*(part.drop_attrs() for part in found))
    other = pair_annotations(ann, test="permutation", n_permutations=50, seed=5)
    assert not np.array_equal(other["expected"], found[0]["expected"])


def test_a_motif_with_itself() -> None:
    ann = annotations(some_rows(200), **SIZES)
    for test in ("hypergeometric", "permutation"):
        pairs = pair_annotations(ann, self_pairs=True, test=test, n_permutations=20)
        own = pairs["motif_a_index"].values == pairs["motif_b_index"].values
        assert own.sum() == N_MOTIFS
        np.testing.assert_array_equal(np.isnan(pairs["p_value"].values), own)
        assert pairs.attrs["n_tests"] == 15


def test_nothing_to_count_is_fine() -> None:
    for rows, sizes in (
        ([], SIZES), ([], {"lengths": [], "n_motifs": 0}), ([Row(0, 1, 3, -1, 0)], SIZES)
    ):  # fmt: skip
        ann = annotations(rows, **sizes)
        for test in ("hypergeometric", "permutation", None):
            pairs = pair_annotations(ann, test=test, n_permutations=10)
            assert pairs.sizes["pair"] == 0
            MotifPairs.check(pairs)


def test_lazy_annotations_and_the_record() -> None:
    ann = annotations(some_rows(), **SIZES)
    expected = pair_annotations(ann)
    found = pair_annotations(ann.chunk({"annotation": 19}))
    xr.testing.assert_equal(found, expected)
    step = json.loads(expected.attrs["mutua"])["steps"][-1]
    assert step["function"] == "tl.pair_annotations"
    assert expected["motif"].values.tolist() == [f"m{i}" for i in range(N_MOTIFS)]


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"ordered": True}, "test"),
        ({"unique": False}, "test"),
        ({"test": "fisher"}, "test"),
        ({"test": "permutation", "n_permutations": 3}, "n_permutations"),
        ({"seed": -1}, "seed"),
        ({"ordered": "yes"}, "ordered"),
        ({"self_pairs": 1}, "self_pairs"),
    ],
    ids=["ordered", "rows", "test", "permutations", "seed", "text", "self"],
)
def test_bad_input_is_refused(options: dict, argument: str) -> None:
    with pytest.raises(InvalidInput) as error:
        pair_annotations(annotations(some_rows(), **SIZES), **options)
    assert error.value.argument == argument


def test_motifs_and_memory_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    ann = annotations(some_rows(), **SIZES)
    with pytest.raises(InvalidInput, match=r"tl\.annotate"):
        pair_annotations(ann.drop_vars(["motif_index", "motif"]))
    with pytest.raises(InvalidElement, match="Annotations"):
        pair_annotations(xr.Dataset())
    many = annotations([Row(0, 1, 3, m, 0) for m in range(400)], lengths=[9], n_motifs=400)
    monkeypatch.setattr(mt.settings, "_memory", 2**20)
    with pytest.raises(MemoryLimit, match="hypergeometric"):
        pair_annotations(many, test="permutation")
    assert pair_annotations(many).sizes["pair"] == 400 * 399 // 2  # a few motifs at a time


@pytest.mark.slow
def test_counts_are_those_of_tangermeme() -> None:
    torch = pytest.importorskip("torch")
    annotate = pytest.importorskip("tangermeme.annotate")
    rows = [row for row in some_rows(150) if row.motif >= 0]
    table = torch.tensor([[row.sequence, row.motif] for row in rows])
    for unique in (True, False):
        theirs = annotate.pairwise_annotations(table, unique=unique, shape=N_MOTIFS).numpy()
        ours = np.zeros_like(theirs)
        found = pair_annotations(annotations(rows, **SIZES), unique=unique, test=None,
                                 self_pairs=not unique)  # fmt: skip
        for (a, b), n in by_pair(found).items():
            ours[a, b] = ours[b, a] = n
        np.testing.assert_array_equal(ours, theirs)
