"""Sites of patterns, and pairs of sites, against plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.kernels.letters import complement_codes
from mutua.kernels.motif_sites import PatternFinder, Sites, disjoint_pairs
from mutua.kernels.patterns import pattern_masks
from tests.reference import interactions as reference

PATTERNS = ["AA", "ACG", "RY", "N", "CGTAWN", "TNA"]


def codes_of(texts: list[str]) -> np.ndarray:
    table = {letter: code for code, letter in enumerate("ACGT")} | {"N": 254, "-": 255}
    return np.array([[table[letter] for letter in text] for text in texts], np.uint8)


def finder(patterns: list[str], both: bool) -> PatternFinder:
    masks = [pattern_masks(pattern, "ACGT") for pattern in patterns]
    return PatternFinder(masks, complement_codes("ACGT") if both else None)


@given(
    st.lists(st.text("ACGTN-", min_size=11, max_size=11), min_size=1, max_size=4),
    st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=4, unique=True),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_all_sites(texts: list[str], patterns: list[str], both: bool) -> None:
    found = finder(patterns, both).find(codes_of(texts))
    listed = list(zip(*(column.tolist() for column in found), strict=True))
    assert listed == reference.pattern_sites(texts, patterns, both)


def test_overlapping_and_too_wide() -> None:
    found = finder(["AAA", "ACGTACGTA"], False).find(codes_of(["AAAAA"]))
    assert found.start.tolist() == [0, 1, 2]
    assert len(finder(["AAA"], True).find(np.zeros((0, 5), np.uint8)).start) == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 12), st.integers(1, 5), st.integers(0, 1)),
        max_size=14,
        unique=True,
    ),
    st.sampled_from([(0, 1), (1, 0), (0, 0)]),
    st.sampled_from([0, 3, 100]),
)
@settings(max_examples=150, deadline=None)
def test_pairs(rows: list[tuple[int, ...]], motifs: tuple[int, int], most: int) -> None:
    listed = sorted((row, start, start + width, motif, 1) for row, start, width, motif in rows)
    sites = Sites(*np.array(listed, np.int64).reshape(-1, 5).T)
    of = [np.flatnonzero(sites.motif == motif) for motif in motifs]
    found = disjoint_pairs(sites, *motifs, tuple(of), most)
    pairs = list(zip(found.a.tolist(), found.b.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert set(pairs) == reference.disjoint(listed, *motifs, most)
    turned = disjoint_pairs(sites, *motifs[::-1], tuple(of[::-1]), most)
    both_ways = set(zip(turned.b.tolist(), turned.a.tolist(), strict=True))
    assert both_ways == ({(b, a) for a, b in pairs} if motifs[0] == motifs[1] else set(pairs))


@pytest.mark.parametrize("most", [None, 7])
def test_far_pairs(most: int | None) -> None:
    sites = Sites(*np.array([[0, 0], [1, 20], [4, 23], [0, 1], [1, -1]]))
    found = disjoint_pairs(sites, 0, 1, (np.array([0]), np.array([1])), most)
    assert len(found.a) == (most is None)
