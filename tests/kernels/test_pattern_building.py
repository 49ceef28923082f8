import numpy as np

from mutua.kernels.pattern_building import Frame, build_pattern, framed, information
from mutua.kernels.pattern_sites import SiteSums, sum_sites
from tests.kernels.pattern_examples import planted, sites

MOTIF = [2, 0, 3, 0, 0, 1, 2, 2, 1, 3]
FRAME = Frame(core=12, flank=3, background=np.full(4, 0.25))


def test_seqlets_are_laid_over_each_other() -> None:
    made, start, turned = planted(MOTIF)
    found = build_pattern(made, sites(40, start=10), 41, FRAME)
    assert found is not None
    assert len(found.context) == 40
    assert found.context.tolist() == list(range(40))
    # The motif is at one place of all sites, on one strand up to turning the whole pattern.
    as_first = found.flipped ^ turned
    assert (as_first == as_first[0]).all()
    within = np.where(
        found.flipped, found.start + FRAME.width - start - len(MOTIF), start - found.start
    )
    assert len(set(within.tolist())) == 1
    assert 3 <= within[0] <= 3 + 12 - len(MOTIF)


def test_on_one_strand_nothing_is_turned() -> None:
    made, start, _ = planted(MOTIF, flip=False)
    found = build_pattern(made._replace(complement=None), sites(40, start=10), 41, FRAME)
    assert found is not None
    assert not found.flipped.any()
    assert len(set((start - found.start).tolist())) == 1


def test_the_frame_may_be_wider_than_the_seqlets() -> None:
    made, _, _ = planted(MOTIF, length=91, flip=False, jitter=2)
    frame = Frame(core=50, flank=2, background=np.full(4, 0.25))
    found = build_pattern(made, sites(40, start=35), 21, frame)
    assert found is not None
    letters = sum_sites(made, found, 54).letters
    assert letters.shape == (4, 54)
    assert (letters.max(axis=0) == 40).sum() >= len(MOTIF)


def test_places_that_are_taken_twice_count_once() -> None:
    made, _, _ = planted(MOTIF, n=6)
    made.codes[4:], made.values[4:] = made.codes[3], made.values[3]
    made = made._replace(sequence=np.array([0, 1, 2, 3, 3, 5]))
    found = build_pattern(made, sites(6, start=10), 41, FRAME)
    assert found is not None
    assert found.context.tolist() == [0, 1, 2, 3, 5]


def test_a_pattern_of_the_other_sign_is_none() -> None:
    made, _, _ = planted(MOTIF, n=5)
    nothing = np.zeros(5, np.int64)
    options = (nothing, nothing.astype(bool), 41, FRAME)
    assert framed(made, sites(5, start=10), *options) is not None
    negative = made._replace(values=-made.values)
    assert framed(negative, sites(5, start=10), *options) is None


def test_information_is_relative_to_the_background() -> None:
    letters = np.array([[8.0, 2, 0], [0, 2, 0], [0, 2, 0], [0, 2, 0]])
    sums = SiteSums(letters, letters, letters, np.array([8.0, 8, 0]))
    even = information(sums, np.full(4, 0.25))
    np.testing.assert_allclose(even, [2, 0, 0], atol=0.06)
    rare = information(sums, np.array([0.1, 0.3, 0.3, 0.3]))
    assert abs(rare[0] - np.log2(10)) < 0.06
    assert rare[1] > 0
    assert rare[2] == 0
