import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mutua.errors import InvalidInput
from mutua.kernels import patterns
from mutua.kernels import rows as row_ranges
from mutua.kernels.letters import complement_codes
from mutua.settings import settings as mutua_settings
from tests.reference import sequences as reference

COMPLEMENT = complement_codes("ACGT")
SYMBOLS = "ACGTRYSWKMBDHVN"


def codes_of(*rows: str) -> np.ndarray:
    index = {**{letter: i for i, letter in enumerate("ACGT")}, "N": 254, "-": 255}
    return np.array([[index[letter] for letter in row] for row in rows], np.uint8)


def random_log_odds(length: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    log_odds = rng.integers(-8, 9, (4, length)) / 4  # sums are exact, so that ties are ties
    log_odds[rng.random((4, length)) < 0.1] = -np.inf
    return log_odds


ROWS = st.integers(1, 14).flatmap(
    lambda length: st.lists(st.text("ACGTN-", min_size=length, max_size=length), max_size=5)
)


def test_pattern_masks_in_other_alphabets():
    assert patterns.pattern_masks("uY", "ACGU").tolist() == [8, 10]
    protein = "ACDEFGHIKLMNPQRSTVWY"
    masks = patterns.pattern_masks("NXB", protein)
    assert masks.tolist() == [1 << 11, (1 << 20) - 1 | 1 << 63, 1 << 2 | 1 << 11]
    gapped = patterns.pattern_masks("N-", "-ACGT")
    assert gapped.tolist() == [0b11110 | 1 << 63, 1]
    assert patterns.pattern_masks("aA", "aA").tolist() == [1, 2]


@pytest.mark.parametrize(
    ("pattern", "alphabet"), [("", "ACGT"), ("AX", "ACGT"), ("Aé", "ACGT"), ("R", "AB")]
)
def test_pattern_masks_refuse(pattern, alphabet):
    with pytest.raises(InvalidInput, match="pattern"):
        patterns.pattern_masks(pattern, alphabet)


@settings(deadline=None)  # the first example compiles
@given(rows=ROWS, pattern=st.text(SYMBOLS, min_size=1, max_size=5))
def test_pattern_hits_match_reference(rows, pattern):
    codes = codes_of(*rows) if rows else np.zeros((0, 9), np.uint8)
    found = patterns.first_hit(codes, patterns.pattern_masks(pattern.lower(), "ACGT"))
    matches = [reference.pattern_matches(row, pattern) for row in rows]
    expected = [row.index(True) if any(row) else -1 for row in matches]
    assert found.position.tolist() == expected


@settings(deadline=None)  # the first example compiles
@given(
    rows=ROWS,
    length=st.integers(1, 4),
    seed=st.integers(0, 99),
    threshold=st.sampled_from([-np.inf, -1, 0, 1.5]),
    both=st.booleans(),
)
def test_hits_match_reference(rows, length, seed, threshold, both):
    codes = codes_of(*rows) if rows else np.zeros((0, 9), np.uint8)
    log_odds = random_log_odds(length, seed)
    options = {"threshold": threshold, "complement": COMPLEMENT if both else None}
    best = patterns.best_hit(codes, log_odds, **options)
    first = patterns.first_hit(codes, log_odds, **options)
    assert [array.dtype for array in best] == [np.int64, np.int8, np.float32]
    for i, row in enumerate(codes.tolist()):
        hits = reference.hits(
            row, log_odds.tolist(), threshold, COMPLEMENT.tolist() if both else None
        )
        none = (-1, 0, -np.inf)
        expected = max(hits, key=lambda hit: hit[2], default=none)
        assert tuple(array[i] for array in best) == expected
        leftmost = [hit for hit in hits if hit[0] == hits[0][0]]
        expected = max(leftmost, key=lambda hit: hit[2], default=none)
        assert tuple(array[i] for array in first) == expected


def test_patterns_on_both_strands():
    codes = codes_of("TTTGAANA", "CCCCCCCC", "TTCGAATT")
    masks = patterns.pattern_masks("GAA", "ACGT")
    best = patterns.best_hit(codes, masks, complement=COMPLEMENT)
    assert best.position.tolist() == [3, -1, 0]
    assert best.strand.tolist() == [1, 0, -1]
    assert best.score.tolist() == [0, -np.inf, 0]


def test_same_hits_for_any_threads(monkeypatch):
    codes = np.random.default_rng(0).integers(0, 4, (301, 40), dtype=np.uint8)
    log_odds = random_log_odds(6, 1)
    monkeypatch.setattr(row_ranges, "_WORTH_THREADS", 0)
    monkeypatch.setattr(row_ranges, "_RANGE", 1)
    monkeypatch.setattr(mutua_settings, "threads", 1)
    once = patterns.best_hit(codes, log_odds, threshold=1, complement=COMPLEMENT)
    monkeypatch.setattr(mutua_settings, "threads", 2)
    again = patterns.best_hit(codes, log_odds, threshold=1, complement=COMPLEMENT)
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "motif",
    [
        np.zeros(3),
        np.zeros((4, 0)),
        np.zeros((2, 3, 4)),
        np.zeros((4, 2), complex),
        np.array([[np.nan], [0.0]]),
        np.array([[np.inf], [0.0]]),
    ],
)
def test_hits_refuse_motifs(motif):
    with pytest.raises(InvalidInput, match="motif"):
        patterns.best_hit(codes_of("ACGT"), motif)


def test_hits_refuse_the_complement_of_another_alphabet():
    with pytest.raises(InvalidInput, match="complement"):
        patterns.best_hit(codes_of("ACGT"), np.zeros((5, 2)), complement=COMPLEMENT)
