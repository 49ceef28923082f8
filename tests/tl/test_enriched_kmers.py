"""Motifs of enriched k-mers through the public function, on labelled data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import mutua as mt
from mutua.errors import InvalidInput

WORDS = ("TGATAAGA", "CCAATCAG")


def planted(words: dict[str, float], n: int, length: int, seed: int) -> xr.Dataset:
    """Random DNA; each word stands in a fraction of the sequences, on either strand."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (n, length), dtype=np.uint8)
    half = length // max(len(words), 1)
    for place, (word, fraction) in enumerate(words.items()):
        letters = np.array(["ACGT".index(letter) for letter in word], np.uint8)
        for row in np.flatnonzero(random.random(n) < fraction):
            start = place * half + random.integers(0, half - len(word) + 1)
            site = letters if random.random() < 0.5 else 3 - letters[::-1]
            codes[row, start : start + len(word)] = site
    return mt.SequenceSet.build(codes, alphabet="DNA")


@pytest.fixture(scope="module")
def sets() -> tuple[xr.Dataset, xr.Dataset]:
    foreground = planted(dict(zip(WORDS, (0.4, 0.2), strict=True)), 700, 60, 0)
    return foreground, planted({}, 900, 60, 1)


@pytest.fixture(scope="module")
def motifs(sets: tuple[xr.Dataset, xr.Dataset]) -> xr.Dataset:
    return mt.tl.enriched_kmers(sets[0], background=sets[1])


def either_strand(word: str) -> set[str]:
    return {word, word[::-1].translate(str.maketrans("ACGT", "TGCA"))}


def consensus(motif: str) -> str:
    return motif.split("-", 1)[1]


def test_planted_motifs_are_found(motifs: xr.Dataset) -> None:
    names = motifs["motif"].values.tolist()
    assert [name.split("-")[0] for name in names] == ["1", "2"]
    for name, word in zip(names, WORDS, strict=True):
        assert consensus(name) in either_strand(word)
    assert (motifs["q_value"].values < 1e-6).all()
    assert motifs["length"].values.tolist() == [8, 8]
    mt.MotifSet.check(motifs, deep=True)


def test_numbers_belong_together(motifs: xr.Dataset, sets: tuple[xr.Dataset, xr.Dataset]) -> None:
    n_own, n_other = (part.sizes["sequence"] for part in sets)
    assert (motifs.attrs["n_foreground"], motifs.attrs["n_background"]) == (n_own, n_other)
    own, other = motifs["n_sites"].values, motifs["n_background"].values
    np.testing.assert_allclose(motifs["fraction_foreground"], own / n_own)
    np.testing.assert_allclose(motifs["fraction_background"], other / n_other)
    odds = (own + 0.5) * (n_other - other + 0.5) / ((n_own - own + 0.5) * (other + 0.5))
    np.testing.assert_allclose(motifs["odds_ratio"], odds)
    e_value = motifs["kmer_p_value"].values * motifs["n_tests"].values
    np.testing.assert_allclose(motifs["e_value"], e_value)
    np.testing.assert_allclose(motifs["p_value"], np.minimum(e_value, 1))
    assert (np.diff(motifs["q_value"].values) >= 0).all()
    assert (motifs["q_value"].values >= motifs["p_value"].values).all()
    assert sum(motifs.attrs["background"]) == pytest.approx(1)
    matrix = motifs["probability"].values[0]
    bits = (matrix * np.log2(matrix / np.array(motifs.attrs["background"])[:, None])).sum()
    assert motifs["information"].values[0] == pytest.approx(bits, rel=1e-5)


def test_the_first_seed_heads_the_table_of_kmers(
    motifs: xr.Dataset, sets: tuple[xr.Dataset, xr.Dataset]
) -> None:
    table = mt.tl.kmer_enrichment(sets[0], background=sets[1])
    assert motifs["kmer"].values[0] == table["kmer"].values[0]
    assert motifs["kmer_p_value"].values[0] == pytest.approx(table["p_value"].values[0])
    assert motifs["n_tests"].values[0] == table.sizes["row"]


def test_the_matrix_is_that_of_the_sites(sets: tuple[xr.Dataset, xr.Dataset]) -> None:
    """Sites of fixed letters but one, which is T in three quarters of them."""
    codes = np.random.default_rng(4).integers(0, 4, (400, 30), dtype=np.uint8)
    codes[:, 10:19] = [2, 2, 1, 0, 0, 0, 1, 2, 2]
    codes[:300, 14] = 3
    own = mt.SequenceSet.build(codes, alphabet="DNA")
    codes = np.random.default_rng(5).integers(0, 4, (400, 30), dtype=np.uint8)
    other = mt.SequenceSet.build(codes, alphabet="DNA")
    found = mt.tl.enriched_kmers(own, background=other, k=5, strand="forward")
    assert consensus(found["motif"].values[0]) == "GGCATACGG"
    assert found["n_sites"].values[0] == 400
    letters = found["probability"].values[0, :, 4]
    np.testing.assert_allclose(letters, [0.25, 0, 0, 0.75], atol=0.01)


def test_shuffles_are_the_background_where_none_is_given(
    sets: tuple[xr.Dataset, xr.Dataset],
) -> None:
    found = mt.tl.enriched_kmers(sets[0], k=[6, 8], seed=3)
    for name, word in zip(found["motif"].values.tolist(), WORDS, strict=True):
        assert consensus(name) in either_strand(word)
    assert found.attrs["n_background"] == 5 * 700
    xr.testing.assert_identical(found, mt.tl.enriched_kmers(sets[0], k=[6, 8], seed=3))
    other = mt.tl.enriched_kmers(sets[0], k=[6, 8], seed=4)
    assert not other["n_background"].equals(found["n_background"])


def test_lazy_sets_give_the_same(motifs: xr.Dataset, sets: tuple[xr.Dataset, xr.Dataset]) -> None:
    lazy = [part.chunk({"sequence": chunk}) for part, chunk in zip(sets, (97, 900), strict=True)]
    found = mt.tl.enriched_kmers(lazy[0], background=lazy[1])
    xr.testing.assert_equal(found, motifs)
    shuffled = mt.tl.enriched_kmers(lazy[0], n_shuffles=1)
    xr.testing.assert_equal(shuffled, mt.tl.enriched_kmers(sets[0], n_shuffles=1))


def test_nothing_found_is_an_empty_set(sets: tuple[xr.Dataset, xr.Dataset], tmp_path: Path) -> None:
    found = mt.tl.enriched_kmers(planted({}, 300, 40, 8), background=planted({}, 300, 40, 9))
    assert found.sizes["motif"] == 0
    mt.MotifSet.check(found, deep=True)
    mt.Analysis({"none": found}).write(tmp_path / "study.zarr")
    assert mt.open(tmp_path / "study.zarr")["none"].sizes["motif"] == 0


def test_motifs_can_be_stored(motifs: xr.Dataset, tmp_path: Path) -> None:
    mt.Analysis({"motifs": motifs}).write(tmp_path / "study.zarr")
    stored = mt.open(tmp_path / "study.zarr")["motifs"].load()
    assert stored["kmer"].values.tolist() == motifs["kmer"].values.tolist()
    np.testing.assert_array_equal(stored["probability"], motifs["probability"])
    step = json.loads(motifs.attrs["mutua"])["steps"][-1]
    assert step["function"] == "tl.enriched_kmers"
    assert len(step["inputs"]) == 2


def test_motifs_of_proteins() -> None:
    random = np.random.default_rng(0)
    codes = random.integers(0, 20, (300, 25), dtype=np.uint8)
    other = random.integers(0, 20, (500, 25), dtype=np.uint8)
    codes[:150, 5:9] = [9, 8, 17, 15]  # LKVS, in the order of the alphabet
    own, other = (mt.SequenceSet.build(x, alphabet="protein") for x in (codes, other))
    word = "".join(own.attrs["alphabet"][i] for i in (9, 8, 17, 15))
    for background in ({"background": other}, {}):
        found = mt.tl.enriched_kmers(own, k=3, **background)
        assert [consensus(name) for name in found["motif"].values] == [word]
        assert found.attrs["strand"] == "forward"


def test_rna_is_read_forward_and_named_in_its_letters() -> None:
    codes = planted({}, 200, 30, 3)["codes"].values.copy()
    codes[::2, 4:10] = [0, 3, 3, 3, 2, 0]  # AUUUGA
    own = mt.SequenceSet.build(codes, alphabet="RNA")
    (name,) = mt.tl.enriched_kmers(own, k=4)["motif"].values
    assert consensus(name) == "AUUUGA"


def test_two_letters_have_one_symbol_in_dna() -> None:
    own, other = planted({}, 600, 40, 3), planted({}, 600, 40, 4)
    codes = own["codes"].values.copy()
    codes[:300, 7:15] = [2, 2, 1, 0, 3, 3, 1, 1]
    codes[:150, 10] = 2
    own = mt.SequenceSet.build(codes, alphabet="DNA")
    found = mt.tl.enriched_kmers(own, background=other, k=5, strand="forward")
    assert consensus(found["motif"].values[0]) == "GGCRTTCC"


def test_as_many_motifs_as_asked_for(sets: tuple[xr.Dataset, xr.Dataset]) -> None:
    own, other = sets
    assert mt.tl.enriched_kmers(own, background=other, n_motifs=1).sizes["motif"] == 1
    strict = mt.tl.enriched_kmers(own, background=other, max_q=1e-300)
    assert strict.sizes["motif"] == 0


@pytest.mark.parametrize("option", [{"n_motifs": 0}, {"max_q": 0}, {"max_q": 1.5}], ids=str)
def test_bad_options_are_refused(sets: tuple[xr.Dataset, xr.Dataset], option: dict) -> None:
    with pytest.raises(InvalidInput) as error:
        mt.tl.enriched_kmers(sets[0], background=sets[1], **option)
    assert error.value.argument == next(iter(option))


def test_sequences_aligned_on_a_motif_have_it_in_one_place(
    motifs: xr.Dataset, sets: tuple[xr.Dataset, xr.Dataset]
) -> None:
    width = int(motifs["length"].values[0])
    matrix = motifs["probability"].values[0, :, :width]
    aligned = mt.pp.align_on(sets[0], matrix, upstream=3, downstream=width + 3, both_strands=True)
    codes = aligned["codes"].values
    assert len(codes) >= 200
    assert ((codes[:, 3 : 3 + width] == matrix.argmax(axis=0)).mean(axis=1) >= 0.5).all()


NULLS = {
    "two sets": ((300, 300), 60, 4, 0, (0.25,) * 4),
    "skewed letters": ((200, 500), 60, 4, 0, (0.4, 0.1, 0.1, 0.4)),
    "several lengths": ((300, 300), 50, [4, 5], 0, (0.25,) * 4),
    "shuffled once": ((300, 0), 60, 4, 1, (0.4, 0.1, 0.1, 0.4)),
    "shuffled often": ((200, 0), 60, 5, 5, (0.25,) * 4),
}


def false_motifs(null: str, n_repeats: int) -> tuple[int, int]:
    """Count the pairs of sets without a difference in which a motif is found."""
    (n_own, n_other), length, k, n_shuffles, letters = NULLS[null]
    found = 0
    for seed in range(n_repeats):
        draw = {"length": length, "background": letters}
        own = mt.pp.random_sequences(n_own, seed=2 * seed, **draw)
        given = {"n_shuffles": n_shuffles, "seed": seed}
        if n_other:
            given = {"background": mt.pp.random_sequences(n_other, seed=2 * seed + 1, **draw)}
        strand = "both" if seed % 2 else "forward"
        motifs = mt.tl.enriched_kmers(own, k=k, n_motifs=1, strand=strand, **given)
        found += motifs.sizes["motif"] > 0
    return found, n_repeats


@pytest.mark.slow
@pytest.mark.parametrize("null", NULLS)
def test_any_motif_is_found_in_few_sets_without_one(null: str) -> None:
    found, n_repeats = false_motifs(null, 400)
    # 5 % and three standard errors of it.
    assert found / n_repeats <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_repeats)


@pytest.mark.slow
def test_p_values_of_single_kmers_are_valid() -> None:
    """The p-value of one k-mer chosen beforehand is at most u in a fraction u of the sets."""
    p = []
    for seed in range(600):
        own, other = (mt.pp.random_sequences(150, length=40, seed=2 * seed + i) for i in (0, 1))
        table = mt.tl.kmer_enrichment(own, background=other, k=3)
        p.append(float(table["p_value"].values[table["kmer"].values == "ACG"][0]))
    for level in (0.01, 0.05, 0.2, 0.5):
        share = np.mean(np.array(p) <= level)
        assert share <= level + 3 * np.sqrt(level * (1 - level) / len(p))
    assert np.mean(np.array(p) <= 0.5) > 0.3
