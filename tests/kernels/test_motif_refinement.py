import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mutua.kernels.letters import complement_codes
from mutua.kernels.motif_refinement import (
    Sets,
    letter_frequencies,
    mask_sites,
    refine,
    similarity,
)
from tests.reference import kmer_enrichment as reference

COMPLEMENT = complement_codes("ACGT")
EVEN = np.full(4, 0.25)


def one_hot(word, low=-np.inf):
    matrix = np.full((4, len(word)), low)
    matrix[["ACGT".index(letter) for letter in word], range(len(word))] = 0 if low < 0 else 1
    return matrix


def blurred(word, certainty=0.91):
    matrix = one_hot(word, low=0)
    return matrix * certainty + (1 - matrix) * (1 - certainty) / 3


def planted(word, n=400, length=40, fraction=0.5, seed=0, both_strands=False):
    """Give random sequences, of which a fraction has the word, and where."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (n, length), dtype=np.uint8)
    start = np.where(random.random(n) < fraction, random.integers(0, length - len(word), n), -1)
    letters = np.array(["ACGT".index(letter) for letter in word], np.uint8)
    for row in np.flatnonzero(start >= 0):
        turned = both_strands and random.random() < 0.5
        site = COMPLEMENT[letters[::-1]] if turned else letters
        codes[row, start[row] : start[row] + len(word)] = site
    return codes, start


def sets_of(foreground, background, complement=None):
    own, other = (letter_frequencies(codes, 4) for codes in (foreground, background))
    return Sets(foreground, background, 4, complement, other, own)


@pytest.mark.parametrize("both_strands", [False, True])
def test_a_core_grows_to_the_whole_motif(both_strands):
    foreground, start = planted("GGATTACAC", both_strands=both_strands)
    background = planted("A", seed=1, fraction=0)[0]
    complement = COMPLEMENT if both_strands else None
    motif = refine(sets_of(foreground, background, complement), blurred("ATTAC"))
    assert "".join("ACGT"[code] for code in motif.probability.argmax(axis=0)) == "GGATTACAC"
    assert motif.probability.min() > 0
    assert motif.probability.max(axis=0).min() > 0.95
    np.testing.assert_allclose(motif.probability.sum(axis=0), 1)
    assert (start >= 0).sum() <= motif.n_foreground <= (start >= 0).sum() + 5
    assert motif.n_background <= 5
    assert motif.log_p < -100


def test_columns_that_tell_nothing_are_cut_off():
    foreground, _ = planted("GATTAC")
    background = planted("A", seed=1, fraction=0)[0]
    matrix = np.hstack([np.full((4, 2), 0.25), blurred("GATTAC"), np.full((4, 1), 0.25)])
    motif = refine(sets_of(foreground, background), matrix)
    assert "".join("ACGT"[code] for code in motif.probability.argmax(axis=0)) == "GATTAC"


def test_sites_by_chance_do_not_blur_the_flanks():
    """A core of four letters is there by chance in many sequences, and its flanks are random."""
    foreground, _ = planted("GGCATGCC", n=3000, length=60, fraction=0.1)
    background = planted("A", n=3000, length=60, seed=1, fraction=0)[0]
    motif = refine(sets_of(foreground, background), blurred("CATG"))
    assert "".join("ACGT"[code] for code in motif.probability.argmax(axis=0)) == "GGCATGCC"


def test_a_motif_is_no_longer_than_the_shortest_sequences():
    foreground, _ = planted("GGATTACACC", length=12)
    background = planted("A", length=7, seed=1, fraction=0)[0]
    motif = refine(sets_of(foreground, background), blurred("ATTAC"))
    assert motif.probability.shape[1] <= 7


@settings(deadline=None)
@given(arrays(np.uint8, (5, 9), elements=st.sampled_from([0, 1, 3, 254, 255])))
def test_masks_what_the_reference_masks(codes):
    expected = reference.masked(codes.tolist(), [(0, 1, 3)], 4)
    own = codes.copy()
    mask_sites(own, one_hot("ACT"), 0.0, complement=None)
    assert own.tolist() == expected
    both = codes.copy()
    mask_sites(both, one_hot("ACT"), 0.0, complement=COMPLEMENT)
    left, _ = reference.sequences_with_kmer(both.tolist(), 3, 4)
    assert (0, 1, 3) not in left
    assert (0, 2, 3) not in left
    assert (both == codes)[both != 254].all()


def test_masks_further_columns_on_the_strand_of_the_site():
    codes = np.array([[2, 2, 0, 0, 1, 2, 2, 2], [2, 2, 2, 3, 3, 2, 2, 255]], np.uint8)
    # GGAACGGG forward, and AAC turned around is GTT: GG GTT GG
    mask_sites(codes, one_hot("AAC"), 0.0, complement=COMPLEMENT, first=-1, last=4)
    assert codes.tolist() == [
        [2, 254, 254, 254, 254, 254, 2, 2],
        [2, 254, 254, 254, 254, 254, 2, 255],
    ]


def test_padding_stays_padding():
    codes = np.array([[255, 0, 0, 1, 255]], np.uint8)
    mask_sites(codes, one_hot("AAC"), 0.0, complement=None, first=-1, last=4)
    assert codes.tolist() == [[255, 254, 254, 254, 255]]


@given(st.text("ACGT", min_size=4, max_size=9), st.integers(0, 2), st.booleans())
def test_a_motif_is_similar_to_itself_shifted_and_turned(word, more, turned):
    longer = blurred("A" * more + word)
    other = longer[COMPLEMENT, ::-1] if turned else longer
    assert similarity(blurred(word), other, EVEN, COMPLEMENT) == pytest.approx(1)
    assert similarity(other, blurred(word), EVEN, COMPLEMENT) == pytest.approx(1)


def test_other_motifs_are_not_similar():
    words = ["TGATAAGA", "TGACTCA", "CCAATCA", "GGGCGGGG", "CACGTG", "CAGCTG"]
    for place, word in enumerate(words):
        for other in words[:place]:
            assert similarity(blurred(word), blurred(other), EVEN, COMPLEMENT) < 0.7


def test_the_other_strand_counts_only_where_there_is_one():
    word = blurred("GGATTAA")
    assert similarity(word, word[COMPLEMENT, ::-1], EVEN, COMPLEMENT) == pytest.approx(1)
    assert similarity(word, word[COMPLEMENT, ::-1], EVEN, None) < 0.7


def test_frequencies_leave_out_what_is_no_letter():
    codes = np.array([[0, 0, 2, 254], [255, 0, 255, 255]], np.uint8)
    np.testing.assert_allclose(letter_frequencies(codes, 3), [4 / 7, 1 / 7, 2 / 7])
