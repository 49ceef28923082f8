import numpy as np
import pytest

from mutua.errors import InvalidInput
from mutua.kernels.letters import complement_codes
from mutua.kernels.motif_refinement import similarity
from mutua.kernels.motif_search import search_motifs
from tests.kernels.test_motif_refinement import COMPLEMENT, EVEN, planted
from tests.reference import kmer_enrichment as reference


def search(foreground, background, **options):
    given = {"lengths": [5], "alphabet_size": 4, "complement": None, "most": 5, "level": 0.05}
    return search_motifs(foreground, background, **(given | options))


@pytest.fixture(scope="module")
def two_words():
    foreground, start = planted("GGATTACA", n=600, fraction=0.5)
    more, _ = planted("CCGATGTT", n=600, fraction=0.3, seed=5)
    foreground = np.hstack([foreground, more])
    background = np.hstack([planted("A", n=900, fraction=0, seed=s)[0] for s in (1, 2)])
    return foreground, background, start


def consensus(motif):
    return "".join("ACGT"[code] for code in motif.probability.argmax(axis=0))


def test_finds_both_words_and_nothing_else(two_words):
    foreground, background, start = two_words
    found, frequencies = search(foreground, background)
    assert [consensus(motif) for motif in found] == ["GGATTACA", "CCGATGTT"]
    assert abs(found[0].n_foreground - (start >= 0).sum()) < 10
    np.testing.assert_allclose(frequencies, 0.25, atol=0.01)


def test_the_seed_is_the_best_of_all_kmers(two_words):
    foreground, background, _ = two_words
    (first, *_), _ = search(foreground, background, lengths=[4, 5])
    best, n_tests = (2.0, ()), 0
    for k in (4, 5):
        own, _ = reference.sequences_with_kmer(foreground.tolist(), k, 4)
        other, _ = reference.sequences_with_kmer(background.tolist(), k, 4)
        n_tests += len(own | other)
        for word in own:
            p = reference.enrichment_p(own[word], other[word], len(foreground), len(background))
            best = min(best, (p, word))
    assert tuple(first.seed.tolist()) == best[1]
    assert first.log_p == pytest.approx(np.log(float(best[0])), rel=1e-9)
    assert first.n_tests == n_tests


def test_what_is_given_is_not_changed_and_the_bits_do_not_depend_on_threads(two_words, monkeypatch):
    foreground, background, _ = two_words
    before = foreground.copy(), background.copy()
    results = []
    for threads in (1, 2, 3):
        for module in ("threads", "rows"):
            monkeypatch.setattr(f"mutua.kernels.{module}.available_threads", lambda n=threads: n)
        results.append(search(foreground, background, complement=COMPLEMENT)[0])
    assert results[0]
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            for x, y in zip(a, b, strict=True):
                np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(foreground, before[0])
    np.testing.assert_array_equal(background, before[1])


def test_no_motif_comes_twice():
    """Degenerate sites, of which every search leaves some behind for the next seed."""
    random = np.random.default_rng(3)
    foreground, start = planted("TGATTAACGT", n=3000, length=50, fraction=0.6, both_strands=True)
    changed = (random.random(foreground.shape) < 0.12) & (start >= 0)[:, None]
    foreground[changed] = random.integers(0, 4, changed.sum())
    background = planted("A", n=3000, length=50, fraction=0, seed=1)[0]
    found, _ = search(foreground, background, complement=COMPLEMENT, lengths=[6], most=10)
    assert len(found) >= 1
    for place, motif in enumerate(found):
        for other in found[:place]:
            alike = similarity(motif.probability, other.probability, EVEN, COMPLEMENT)
            assert alike < 0.7, (consensus(motif), consensus(other))


def test_stops_at_the_number_asked_for(two_words):
    foreground, background, _ = two_words
    assert len(search(foreground, background, most=1)[0]) == 1


def test_finds_nothing_where_there_is_nothing():
    own, other = (planted("A", fraction=0, seed=seed)[0] for seed in (0, 1))
    assert search(own, other)[0] == []
    unknown = np.full((3, 9), 254, np.uint8)
    assert search(unknown, unknown)[0] == []


def test_every_seed_is_taken_out_of_both_sets():
    """One sequence many times: every k-mer is enriched, and each round uses up some letters."""
    one = np.random.default_rng(0).integers(0, 4, (1, 60), dtype=np.uint8)
    foreground = np.repeat(one, 200, axis=0)
    background = planted("A", n=200, length=60, fraction=0, seed=1)[0]
    found, _ = search(foreground, background, most=50, complement=complement_codes("ACGT"))
    assert 1 <= len(found) <= 60 // 5


@pytest.mark.parametrize("empty", ["foreground", "background"])
def test_refuses_sets_without_sequences(empty):
    sets = {name: np.zeros((2, 6), np.uint8) for name in ("foreground", "background")}
    sets[empty] = np.zeros((0, 6), np.uint8)
    with pytest.raises(InvalidInput) as error:
        search(**sets)
    assert error.value.argument == empty
