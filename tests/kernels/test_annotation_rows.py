"""Annotations sorted by the order in which they stand, and the search for overlaps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mutua.kernels.annotation_rows import SortedRows, first_overlap, sort_rows


def some(n: int, n_sequences: int, seed: int) -> np.ndarray:
    """Give sequence, start, end, motif, reverse: (5, n)."""
    random = np.random.default_rng(seed)
    start = random.integers(0, 50, n)
    end = start + random.integers(1, 9, n)
    return np.array([random.integers(0, n_sequences, n), start, end, random.integers(-1, 4, n),
                     random.integers(0, 2, n)])  # fmt: skip


@pytest.mark.parametrize("n_sequences", [2, 19, 400], ids=["long", "middle", "short"])
def test_rows_stand_by_sequence_middle_motif_and_strand(n_sequences: int) -> None:
    columns = some(500, n_sequences, 1)
    rows = sort_rows(*columns, n_sequences=n_sequences, n_motifs=4)
    kept = [row for row in zip(*columns.tolist(), strict=True) if row[3] >= 0]
    kept.sort(key=lambda row: (row[0], row[1] + row[2], row[3], row[4]))
    found = list(
        zip(*(part.tolist() for part in (rows.sequence, rows.motif, rows.reverse)), strict=True)
    )
    assert found == [(row[0], row[3], row[4]) for row in kept]
    assert (rows.start + rows.end).tolist() == [row[1] + row[2] for row in kept]
    assert sorted(zip(rows.sequence, rows.start, rows.end, strict=True)) == sorted(
        row[:3] for row in kept
    )
    for s in range(n_sequences):
        assert (rows.sequence[rows.bounds[s] : rows.bounds[s + 1]] == s).all()
    for motif in range(4):
        own = rows.motif_rows[rows.motif_bounds[motif] : rows.motif_bounds[motif + 1]]
        assert own.tolist() == np.flatnonzero(rows.motif == motif).tolist()


def test_largest_coordinates_are_sorted_too() -> None:
    last = 2**31 - 1
    start = np.array([last - 1, 0, last - 3])
    rows = sort_rows(np.zeros(3, int), start, start + 1, np.array([0, 69_999, 1]),
                     np.zeros(3, int), n_sequences=1, n_motifs=70_000)  # fmt: skip
    assert rows.start.tolist() == [0, last - 3, last - 1]


@pytest.mark.parametrize("seed", range(30))
def test_an_overlap_is_found_if_there_is_one(seed: int) -> None:
    columns = some(6, 3, seed)
    rows = sort_rows(*columns, n_sequences=3, n_motifs=4)
    places = list(zip(rows.sequence, rows.start, rows.end, strict=True))
    overlapping = [
        (i, j) for (i, a), (j, b) in itertools.combinations(enumerate(places), 2)
        if a[0] == b[0] and a[1] < b[2] and b[1] < a[2]
    ]  # fmt: skip
    found = first_overlap(rows)
    assert (found in overlapping) if overlapping else (found is None)


def test_other_motifs_at_the_same_places() -> None:
    rows = sort_rows(*some(40, 5, 0), n_sequences=5, n_motifs=4)
    other = rows.with_motifs(rows.motif[::-1].copy())
    assert isinstance(other, SortedRows)
    np.testing.assert_array_equal(other.start, rows.start)
    own = other.motif_rows[: other.motif_bounds[1]]
    np.testing.assert_array_equal(own, np.flatnonzero(other.motif == 0))
