"""Motifs dealt to sequences anew: what is kept, and that all ways are equally likely."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import mutua as mt
from mutua.kernels.annotation_rows import SortedRows, sort_rows
from mutua.kernels.motif_pair_null import pair_null, trade_motifs
from mutua.kernels.motif_pairs import Incidence, incidence_of, pair_counts

N_SEQUENCES, N_MOTIFS = 40, 9


def some_rows(n: int = 150, seed: int = 0) -> SortedRows:
    random = np.random.default_rng(seed)
    start = random.integers(0, 50, n)
    sequence = (random.beta(1, 3, n) * N_SEQUENCES).astype(int)
    motif = (random.beta(1, 2, n) * N_MOTIFS).astype(int)
    reverse = random.integers(0, 2, n)
    return sort_rows(sequence, start, start + 5, motif, reverse, n_sequences=N_SEQUENCES,
                     n_motifs=N_MOTIFS)  # fmt: skip


def matrix(incidence: Incidence) -> np.ndarray:
    found = np.zeros((N_SEQUENCES, N_MOTIFS), int)
    np.add.at(found, (incidence.sequence, incidence.motif), 1)
    return found


def test_trades_keep_both_sums() -> None:
    before = incidence_of(some_rows())
    after = trade_motifs(before, seed=3)
    one, other = matrix(before), matrix(after)
    assert other.max() == 1
    assert (one != other).any()
    for axis in (0, 1):
        np.testing.assert_array_equal(one.sum(axis), other.sum(axis))
    for a in range(N_MOTIFS):
        entries = after.motif_entries[after.motif_bounds[a] : after.motif_bounds[a + 1]]
        assert (after.motif[entries] == a).all()
        assert (np.diff(after.sequence[entries]) > 0).all()
    for s in range(N_SEQUENCES):
        assert (np.diff(after.motif[after.bounds[s] : after.bounds[s + 1]]) > 0).all()


def test_all_matrices_with_the_sums_are_equally_likely() -> None:
    sequence, motif = [0, 0, 1, 2, 2], [0, 1, 2, 0, 1]  # sums 2, 1, 2 and 2, 2, 1
    zeros = np.zeros(5, int)
    rows = sort_rows(np.array(sequence), zeros, zeros + 1, np.array(motif), zeros,
                     n_sequences=3, n_motifs=3)  # fmt: skip
    incidence = incidence_of(rows)
    n = 5000
    found = Counter(
        tuple(zip(dealt.sequence.tolist(), dealt.motif.tolist(), strict=True))
        for dealt in (trade_motifs(incidence, seed=seed) for seed in range(n))
    )
    assert len(found) == 5
    assert all(abs(times - n / 5) < 5 * np.sqrt(n / 5) for times in found.values())


@pytest.mark.parametrize(("ordered", "unique"), [(False, True), (False, False), (True, True)])
def test_the_null_is_the_same_whatever_the_threads(
    ordered: bool, unique: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = some_rows()
    pairs = np.flatnonzero(~np.eye(N_MOTIFS, dtype=bool) if ordered else
                           np.triu(np.ones((N_MOTIFS, N_MOTIFS), bool), 1))  # fmt: skip
    options = {"ordered": ordered, "unique": unique}
    observed = pair_counts(rows, incidence_of(rows), **options).reshape(-1)[pairs]
    nulls = []
    for threads in (1, 3):
        monkeypatch.setattr(mt.settings, "_threads", threads)
        nulls.append(pair_null(rows, pairs, observed, **options, n_permutations=90, seed=1))
    for one, other in zip(*nulls, strict=True):
        np.testing.assert_array_equal(one, other)
    null = nulls[0]
    assert (null.n_above + null.n_below >= 90).all()
    assert null.maxima.shape == (90,)
    assert abs(null.mean - observed).mean() > 0.1
    other = pair_null(rows, pairs, observed, **options, n_permutations=90, seed=2)
    assert (other.mean != null.mean).any()


def test_shuffled_rows_have_the_expected_number_of_pairs() -> None:
    rows = some_rows()
    counts = pair_counts(rows, incidence_of(rows), ordered=False, unique=False)
    pairs = np.flatnonzero(np.triu(np.ones_like(counts), 0))
    null = pair_null(rows, pairs, counts.reshape(-1)[pairs], ordered=False, unique=False,
                     n_permutations=2000)  # fmt: skip
    per_sequence, of_motif = np.diff(rows.bounds), np.diff(rows.motif_bounds)
    total = len(rows.start)
    share = (per_sequence * (per_sequence - 1)).sum() / (total * (total - 1))
    a, b = np.divmod(pairs, N_MOTIFS)
    expected = share * np.where(a == b, of_motif[a] * (of_motif[a] - 1) / 2,
                                of_motif[a] * of_motif[b])  # fmt: skip
    error = np.sqrt(null.variance / 2000)
    assert (abs(null.mean - expected) < 4.5 * error + 1e-9).all()
