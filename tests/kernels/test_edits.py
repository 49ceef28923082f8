"""Changes of letter codes."""

import numpy as np
import pytest

from mutua.kernels.edits import KEEP, sampled_motif, shuffled_spans, single_edits, written

CODES = np.random.default_rng(0).integers(0, 4, (5, 9)).astype(np.uint8)


def test_letters_of_a_motif_follow_its_probabilities():
    matrix = np.array([[1, 0.25, 0.7], [0, 0.25, 0.3], [0, 0.25, 0], [0, 0.25, 0]])
    letters = sampled_motif(matrix, 4000, seed=1)
    assert (letters[:, 0] == 0).all()
    assert (letters[:, 1] == KEEP).all()
    assert abs((letters[:, 2] == 0).mean() - 0.7) < 0.03
    np.testing.assert_array_equal(
        letters[1500:], sampled_motif(matrix, 2500, seed=1, first_sequence=1500)
    )


def test_written_letters_leave_the_rest():
    before = CODES.copy()
    letters = np.tile(np.array([3, KEEP, 3], np.uint8), (5, 1))
    out = written(CODES, letters, 2)
    expected = CODES.copy()
    expected[:, [2, 4]] = 3
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(CODES, before)


@pytest.mark.parametrize("k", [1, 2])
def test_only_spans_are_shuffled(k):
    codes = np.random.default_rng(2).integers(0, 4, (6, 40)).astype(np.uint8)
    start, end = np.array([0, 5, 10, 3, 30, 7]), np.array([40, 25, 10, 4, 40, 30])
    out = shuffled_spans(codes, start, end, k=k, seed=4)
    for row in range(6):
        outside = np.r_[0 : start[row], end[row] : 40]
        np.testing.assert_array_equal(out[row, outside], codes[row, outside])
        inside = slice(start[row], end[row])
        for width in range(1, k + 1):
            if end[row] - start[row] >= width:
                one, other = (
                    np.unique(
                        np.lib.stride_tricks.sliding_window_view(x[row, inside], width),
                        axis=0,
                        return_counts=True,
                    )
                    for x in (codes, out)
                )
                np.testing.assert_array_equal(one[0], other[0])
                np.testing.assert_array_equal(one[1], other[1])
    assert (out[0] != codes[0]).any()
    np.testing.assert_array_equal(
        out[2:], shuffled_spans(codes[2:], start[2:], end[2:], k=k, seed=4, first_sequence=2)
    )


def test_every_edit_that_changes_something_once():
    codes = np.array([[0, 1, 255], [254, 1, 1]], np.uint8)
    words = [np.array([1], np.uint8), np.array([0, KEEP], np.uint8)]
    assert sorted(single_edits(codes, words)) == [(0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1)]
    assert list(single_edits(codes, [np.zeros(4, np.uint8)])) == []
