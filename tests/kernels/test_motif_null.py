"""Null tables against all sequences there are, and against memelite's."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.kernels.motif_null import log_odds, score_tables
from tests.reference import motifs as reference


def random_motifs(
    random: np.random.Generator, n_letters: int, widths: list[int]
) -> list[np.ndarray]:
    return [random.dirichlet(np.full(n_letters, 0.4), width).T for width in widths]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_letters=st.sampled_from([2, 3, 4]),
    widths=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    step=st.sampled_from([0.1, 0.5]),
)
def test_tails_are_those_of_all_sequences(
    seed: int, n_letters: int, widths: list[int], step: float
) -> None:
    random = np.random.default_rng(seed)
    background = random.dirichlet(np.full(n_letters, 5.0)) * 0.9 + 0.1 / n_letters
    scores = [log_odds(m, background, 0.01) for m in random_motifs(random, n_letters, widths)]
    first = np.concatenate([[0], np.cumsum(widths)])
    tables = score_tables(np.concatenate(scores, axis=1), first, background, step=step)
    for motif, own in enumerate(scores):
        table = tables.tail[tables.offset[motif] : tables.offset[motif + 1]]
        null = reference.distribution(own.tolist(), background.tolist(), step)
        for place in {0, len(table) // 3, len(table) // 2, len(table) - widths[motif] - 1}:
            wanted = reference.tail(null, int(tables.lowest[motif]) + place)
            assert table[place] == pytest.approx(wanted, rel=1e-12, abs=1e-15)
        assert (np.diff(table) <= 0).all()


def test_tables_are_those_of_memelite() -> None:
    """For equal frequencies; memelite adds logarithms, here are exact counts."""
    random = np.random.default_rng(0)
    widths = random.integers(1, 26, 60)
    columns = np.concatenate(random_motifs(random, 4, widths.tolist()), axis=1)
    first = np.concatenate([[0], np.cumsum(widths)])
    tables = score_tables(log_odds(columns, [0.25] * 4, 1e-4), first, [0.25] * 4)
    fimo = importlib.import_module("memelite.fimo")
    lowest, offset, log_tail = fimo._pvalue_tables(
        np.log2(columns + 1e-4) + 2, first.astype(np.uint64), 0.1
    )
    np.testing.assert_array_equal(tables.lowest, lowest)
    np.testing.assert_array_equal(tables.offset, offset)
    np.testing.assert_allclose(tables.tail, 2**log_tail, rtol=1e-12)
    # A probability is a count of sequences: no rounding at all.
    counts = tables.tail[: offset[1]] * 4.0 ** widths[0]
    np.testing.assert_array_equal(counts, np.round(counts))


def test_thresholds_and_least_probabilities() -> None:
    scores = np.array([[1.0, 0.0, 0.0], [-1.0, 1.0, 0.5]])
    tables = score_tables(scores, [0, 2, 3], [0.5, 0.5], step=1.0)
    # Motif 0: -1 to 2 with probability 1/4 each. Motif 1: 0 and 0 (0.5 is rounded to even).
    assert tables.thresholds(0.6).tolist() == [1.0, np.inf]
    assert tables.thresholds(0.5).tolist() == [2.0, np.inf]
    assert tables.thresholds(0.25).tolist() == [np.inf, np.inf]
    assert tables.reachable().tolist() == [1, 0.75, 0.5, 0.25, 0.25, 0.25, 1, 1]


def test_threads_do_not_change_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    widths = random.integers(1, 20, 37)
    scores = log_odds(
        np.concatenate(random_motifs(random, 4, widths.tolist()), axis=1), [0.3, 0.2, 0.1, 0.4], 0.1
    )
    first = np.concatenate([[0], np.cumsum(widths)])
    found = []
    for threads in (1, 5):
        monkeypatch.setattr("mutua.kernels.threads.available_threads", lambda n=threads: n)
        found.append(score_tables(scores, first, [0.3, 0.2, 0.1, 0.4]).tail)
    np.testing.assert_array_equal(*found)
