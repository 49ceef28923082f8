import numpy as np
import pytest

from mutua.kernels.pattern_sites import SCALE, Sites, site_features, sum_sites
from tests.kernels.pattern_examples import PAIRS, contexts, sites


def cut(made, site: int, where: Sites, width: int):
    """Letters and values of a site, as it is read; None for places without."""
    places = range(where.start[site], where.start[site] + width)
    row = where.context[site]
    found = [
        (int(made.codes[row, p]), made.values[row, p]) if 0 <= p < made.codes.shape[1] else None
        for p in places
    ]
    if where.flipped[site]:
        found = [
            None if one is None else (PAIRS[one[0]] if one[0] < 4 else one[0], one[1][PAIRS])
            for one in found[::-1]
        ]
    return found


def some_sites(n: int = 9) -> Sites:
    random = np.random.default_rng(1)
    return Sites(random.permutation(n), random.integers(-6, 35, n), random.random(n) < 0.5)


@pytest.mark.parametrize("hypothetical", [True, False])
def test_features_are_shares_of_all_sizes(hypothetical: bool) -> None:
    made, where = contexts(hypothetical=hypothetical), some_sites()
    made.codes[3, 10:14], made.codes[5, :12] = 254, 255
    features = site_features(made, where, 11)
    assert features.forward.shape == (9, 11, 8 if hypothetical else 4)
    for site in range(9):
        there, every = np.zeros((11, 4)), np.zeros((11, 4))
        for place, one in enumerate(cut(made, site, where, 11)):
            if one is not None and one[0] < 4:
                there[place, one[0]], every[place] = one[1][one[0]], one[1]
        halves = [there, every] if hypothetical else [there]
        expected = np.concatenate([half / max(np.abs(half).sum(), 1e-9) for half in halves], 1)
        np.testing.assert_allclose(features.forward[site] / SCALE, expected, atol=1e-6)
    assert np.array_equal(features.forward, np.rint(features.forward))
    assert np.array_equal(features.total, np.abs(features.forward).sum((1, 2)))


def test_turned_features_are_those_of_the_other_strand() -> None:
    made, where = contexts(), some_sites()
    features = site_features(made, where, 11)
    other = site_features(made, where._replace(flipped=~where.flipped), 11)
    assert features.turned is not None
    assert np.array_equal(features.turned, other.forward)
    assert site_features(contexts(stranded=True), where, 11).turned is None


def test_features_know_no_scale() -> None:
    made, where = contexts(), some_sites()
    scaled = made._replace(values=made.values * np.float32(32))
    assert np.array_equal(
        site_features(made, where, 7).forward, site_features(scaled, where, 7).forward
    )


def test_a_site_without_contributions_is_all_zero() -> None:
    made = contexts()
    made.values[2] = 0
    features = site_features(made, sites(9), 11)
    assert features.total[2] == 0
    assert not features.forward[2].any()
    assert (np.delete(features.total, 2) > 0).all()


def test_sums_are_those_of_the_letters() -> None:
    made, where = contexts(), some_sites()
    made.codes[3, 10:14], made.codes[5, :12] = 254, 255
    sums = sum_sites(made, where, 11)
    letters, there, every = (np.zeros((4, 11)) for _ in range(3))
    covered = np.zeros(11)
    for site in range(9):
        for place, one in enumerate(cut(made, site, where, 11)):
            if one is None or one[0] == 255:
                continue
            covered[place] += 1
            if one[0] < 4:
                letters[one[0], place] += 1
                there[one[0], place] += one[1][one[0]]
                every[:, place] += one[1]
    assert np.array_equal(sums.letters, letters)
    assert np.array_equal(sums.covered, covered)
    np.testing.assert_allclose(sums.contribution, there, rtol=1e-6)
    np.testing.assert_allclose(sums.hypothetical, every, rtol=1e-6)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("flipped", [False, True])
def test_moved_sites_are_where_the_alignment_says(flipped: bool, turned: bool) -> None:
    made = contexts(length=37)
    where = Sites(np.array([4]), np.array([12]), np.array([flipped]))
    own = cut(made, 0, where, 10)
    if turned:
        reading = where._replace(flipped=~where.flipped)
        own = cut(made, 0, reading, 10)
    # In the alignment the site, turned or not, is at 3 to 13; 6 to 11 is wanted.
    found = where.moved(np.array([3]), np.array([turned]), width=10, to=6, to_width=5)
    assert [one[0] for one in cut(made, 0, found, 5)] == [one[0] for one in own[3:8]]
