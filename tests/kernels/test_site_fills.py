"""Fills of sites: they hold no motif, and are those of their site whatever else there is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.kernels.letters import PADDING
from mutua.kernels.motif_sites import PatternFinder, SitePairs, Sites, disjoint_pairs
from mutua.kernels.patterns import pattern_masks
from mutua.kernels.site_fills import (
    KeptLetters,
    MotifCheck,
    fill_letters,
    rejoined,
    site_fills,
)
from tests.reference import interactions as reference

PATTERNS = ["AYG", "CG", "TTNA"]
N_FILLS = 5


def finder() -> PatternFinder:
    return PatternFinder([pattern_masks(pattern, "ACGT") for pattern in PATTERNS], None)


def motif_check() -> MotifCheck:
    return MotifCheck(finder().find, 4, np.ones((3, 3), np.bool_))


def draw(codes: np.ndarray, sites: Sites, check, fill: str = "uniform", first: int = 0):
    numbers = np.arange(first, first + len(codes))
    return site_fills(
        codes, sites, n_fills=N_FILLS, fill=fill, n_letters=4, seed=9, numbers=numbers, check=check
    )


def text(codes: np.ndarray) -> str:
    return "".join("ACGTN-"[min(code, 4) if code != PADDING else 5] for code in codes)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_no_motif_in_a_fill_or_across_its_ends(seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 4, (3, 23)).astype(np.uint8)
    codes[1, 19:] = PADDING
    sites = finder().find(codes)
    fills = draw(codes, sites, motif_check())
    assert fills.letters.shape[:2] == (len(sites.start), N_FILLS)
    for site, fill in np.ndindex(fills.failed.shape):
        row, start, end = (int(part[site]) for part in sites[:3])
        changed = codes[row].copy()
        changed[start:end] = fills.letters[site, fill, : end - start]
        assert (fills.letters[site, fill, end - start :] == PADDING).all()
        over = [s for s in reference.pattern_sites([text(changed)], PATTERNS, False)
                if s[1] < end and s[2] > start]  # fmt: skip
        assert bool(over) == fills.failed[site, fill]


def test_only_partners_are_refused() -> None:
    codes = np.random.default_rng(0).integers(0, 4, (9, 60)).astype(np.uint8)
    sites = finder().find(codes)
    check = motif_check()._replace(refused=np.eye(3, dtype=np.bool_))
    fills = draw(codes, sites, check)
    seen = set()
    for site, fill in np.ndindex(fills.failed.shape):
        row, start, end = (int(part[site]) for part in sites[:3])
        changed = codes[row].copy()
        changed[start:end] = fills.letters[site, fill, : end - start]
        for hit in reference.pattern_sites([text(changed)], PATTERNS, False):
            if hit[1] < end and hit[2] > start:
                seen.add((int(sites.motif[site]), hit[3]))
                assert hit[3] != sites.motif[site] or fills.failed[site, fill]
    assert any(own != other for own, other in seen)


@pytest.mark.parametrize("fill", ["uniform", "dinucleotide"])
def test_fills_of_a_site_do_not_depend_on_others(fill: str) -> None:
    codes = np.random.default_rng(1).integers(0, 4, (7, 40)).astype(np.uint8)
    start = np.array([3, 20, 0, 31])
    sites = Sites(np.array([0, 2, 5, 5]), start, start + np.array([9, 12, 7, 9]), np.zeros(4, int),
                  np.ones(4, int))  # fmt: skip
    whole = draw(codes, sites, KeptLetters(), fill)
    own = np.array([1, 3])
    part = Sites(*(column[own] for column in sites))
    part = part._replace(sequence=part.sequence - 2)
    alone = draw(codes[2:], part, KeptLetters(), fill, first=2)
    np.testing.assert_array_equal(whole.letters[own], alone.letters)
    if fill == "uniform":
        assert len({one.tobytes() for one in whole.letters.reshape(-1, 12)}) == 4 * N_FILLS


def test_dinucleotides_stay() -> None:
    codes = np.random.default_rng(2).integers(0, 4, (2, 50)).astype(np.uint8)
    sites = Sites(*np.array([[0, 1], [5, 10], [35, 44], [0, 0], [1, 1]]))
    fills = draw(codes, sites, KeptLetters(), "dinucleotide")
    for site, fill in np.ndindex(fills.failed.shape):
        row, start, end = (int(part[site]) for part in sites[:3])
        before, after = codes[row, start:end], fills.letters[site, fill, : end - start]
        counts = [
            np.bincount(4 * w[:-1].astype(int) + w[1:], minlength=16) for w in (before, after)
        ]
        np.testing.assert_array_equal(*counts)


def test_half_of_the_letters_change_where_motifs_are_unknown() -> None:
    codes = np.zeros((1, 30), np.uint8)
    sites = Sites(*np.array([[0, 0, 0], [0, 3, 10], [1, 9, 29], [0, 0, 0], [1, 1, 1]]))
    fills = draw(codes, sites, KeptLetters())
    assert not fills.failed.any()
    for site, width in enumerate([1, 6, 19]):
        assert ((fills.letters[site, :, :width] == 0).sum(axis=1) <= width / 2).all()
    assert draw(codes, sites, KeptLetters(), "dinucleotide").failed.all()


def test_two_fills_that_make_a_motif() -> None:
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 4, (3000, 8)).astype(np.uint8)
    sites = finder().find(codes)
    fills = draw(codes, sites, motif_check())
    rows = [np.flatnonzero(sites.motif == motif) for motif in range(2)]
    pairs = disjoint_pairs(sites, 0, 1, (rows[0], rows[1]), 2)
    bad = rejoined(codes, sites, pairs, fills, motif_check())
    assert 0 < bad.sum() < bad.size
    for pair, fill in np.ndindex(bad.shape):
        a, b = int(pairs.a[pair]), int(pairs.b[pair])
        changed = codes[[sites.sequence[a]]].copy()
        for site in (a, b):
            span = slice(sites.start[site], sites.end[site])
            changed[0, span] = fills.letters[site, fill, : span.stop - span.start]
        left, right = sorted((a, b), key=lambda site: int(sites.start[site]))
        across = [hit for hit in reference.pattern_sites([text(changed[0])], PATTERNS[:2], False)
                  if hit[1] < sites.end[left] and hit[2] > sites.start[right]]  # fmt: skip
        assert bool(across) == bad[pair, fill]
    assert not rejoined(codes, sites, pairs, fills, KeptLetters()).any()


def test_nothing_to_fill() -> None:
    none = Sites(*np.zeros((5, 0), np.int64))
    fills = draw(np.zeros((2, 5), np.uint8), none, motif_check())
    assert fills.letters.shape == (0, N_FILLS, 0)
    pairs = SitePairs(np.zeros(0, int), np.zeros(0, int))
    assert rejoined(np.zeros((2, 5), np.uint8), none, pairs, fills, motif_check()).shape == (
        0,
        N_FILLS,
    )


def test_letters_are_written_over_spans() -> None:
    codes = np.zeros((2, 6), np.uint8)
    letters = np.array([[1, 2, 255], [3, 3, 1]], np.uint8)
    fill_letters(codes, np.array([0, 3]), np.array([2, 6]), letters)
    assert codes.tolist() == [[1, 2, 0, 0, 0, 0], [0, 0, 0, 3, 3, 1]]
