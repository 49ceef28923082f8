"""Tables of enriched k-mers through the public function, on labelled data."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import xarray as xr
from scipy.stats import fisher_exact

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput, MemoryLimit
from tests.reference import kmer_enrichment as reference

COLUMNS = [
    "kmer", "n_foreground", "n_background", "odds_ratio", "p_value", "log10_p_value", "q_value",
]  # fmt: skip


def random_set(n: int, length: int, seed: int, unknown: float = 0.02) -> xr.Dataset:
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (n, length), dtype=np.uint8)
    codes[random.random(codes.shape) < unknown] = 254
    codes[: n // 3, -2:] = 255
    return mt.SequenceSet.build(codes, alphabet="DNA")


@pytest.fixture(scope="module")
def sets() -> tuple[xr.Dataset, xr.Dataset]:
    foreground = random_set(90, 31, 0)
    foreground["codes"][::3, 11:16] = [2, 1, 3, 3, 0]  # GCTTA
    return foreground, random_set(130, 31, 1)


def values(table: xr.Dataset) -> dict[str, list]:
    return {name: table[name].values.tolist() for name in COLUMNS}


@pytest.mark.parametrize("strand", ["both", "forward"])
def test_agrees_with_plain_loops_and_scipy(
    sets: tuple[xr.Dataset, xr.Dataset], strand: str
) -> None:
    foreground, background = sets
    table = mt.tl.kmer_enrichment(foreground, background=background, k=3, strand=strand)
    assert list(table.data_vars) == COLUMNS
    complement = [3, 2, 1, 0] if strand == "both" else None
    own, other = (
        reference.sequences_with_kmer(part["codes"].values.tolist(), 3, 4, complement)[0]
        for part in sets
    )
    expected = {"".join("ACGT"[i] for i in word): (own[word], other[word]) for word in own | other}
    found = values(table)
    counts = zip(found["n_foreground"], found["n_background"], strict=True)
    assert dict(zip(found["kmer"], counts, strict=True)) == expected
    for place, (a, b) in enumerate(expected[kmer] for kmer in found["kmer"]):
        square = [[a, b], [90 - a, 130 - b]]
        p = fisher_exact(square, alternative="greater").pvalue
        assert found["p_value"][place] == pytest.approx(p, rel=1e-9)
        assert found["log10_p_value"][place] == pytest.approx(np.log10(p), rel=1e-7, abs=1e-9)
        halves = np.array(square) + 0.5
        odds = halves[0, 0] * halves[1, 1] / halves[0, 1] / halves[1, 0]
        assert found["odds_ratio"][place] == pytest.approx(odds)


def test_rows_are_in_order_and_q_is_of_all_of_them(sets: tuple[xr.Dataset, xr.Dataset]) -> None:
    table = mt.tl.kmer_enrichment(sets[0], background=sets[1], k=[5, 4])
    assert table["kmer"].values[0] == "GCTTA"
    p = table["p_value"].values
    assert (np.diff(p) >= 0).all()
    np.testing.assert_array_equal(table["q_value"].values, mt.stats.benjamini_hochberg(p))
    assert table["q_value"].values[0] == pytest.approx(p[0] * len(p))
    assert set(np.char.str_len(table["kmer"].values.astype("U"))) == {4, 5}


def test_by_default_both_strands_of_dna_alone() -> None:
    rna = mt.from_strings(["ACGUACG", "GGGUUUC"], alphabet="RNA")
    other = mt.from_strings(["ACGUUCG", "CCGUUUC"], alphabet="RNA")
    assert mt.tl.kmer_enrichment(rna, background=other, k=2).attrs["strand"] == "forward"
    both = mt.tl.kmer_enrichment(rna, background=other, k=2, strand="both")
    assert both.attrs["strand"] == "both"
    dna = [mt.SequenceSet.build(part["codes"].values, alphabet="DNA") for part in (rna, other)]
    table = mt.tl.kmer_enrichment(dna[0], background=dna[1], k=2)
    assert values(table)["n_foreground"] == values(both)["n_foreground"]
    assert [x.replace("T", "U") for x in table["kmer"].values] == both["kmer"].values.tolist()


def test_proteins_are_counted() -> None:
    own = mt.from_strings(["MKVLAT", "MKVLSS", "AAMKVR"], alphabet="protein")
    other = mt.from_strings(["ACDEFG", "HIKLMN", "PQRSTV"], alphabet="protein")
    table = mt.tl.kmer_enrichment(own, background=other, k=3)
    assert table["kmer"].values[0] == "MKV"
    assert table["p_value"].values[0] == pytest.approx(1 / 20)
    shuffled = mt.tl.kmer_enrichment(own, k=2, n_shuffles=40)
    assert shuffled["n_background"].values.sum() > 0
    assert shuffled.attrs["n_background"] == 120


def test_shuffles_are_the_background_where_none_is_given(
    sets: tuple[xr.Dataset, xr.Dataset],
) -> None:
    table = mt.tl.kmer_enrichment(sets[0], k=5, n_shuffles=3, seed=7)
    assert table.attrs["n_background"] == 3 * table.attrs["n_foreground"]
    assert table["kmer"].values[0] == "GCTTA"
    again = mt.tl.kmer_enrichment(sets[0], k=5, n_shuffles=3, seed=7)
    assert values(again) == values(table)
    other = mt.tl.kmer_enrichment(sets[0], k=5, n_shuffles=3, seed=8)
    assert values(other) != values(table)
    # Shuffles keep the pairs of letters: what is 3 long differs, by little.
    three = mt.tl.kmer_enrichment(random_set(400, 60, 3), k=3)
    assert three["q_value"].values.min() > 0.05


@pytest.mark.parametrize("chunks", [1, 17, 90])
def test_chunks_do_not_matter(
    sets: tuple[xr.Dataset, xr.Dataset], chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = [part.chunk({"sequence": chunks}) for part in sets]
    for background in ({"background": sets[1]}, {"n_shuffles": 2}):
        expected = mt.tl.kmer_enrichment(sets[0], k=4, **background)
        if "background" in background:
            background = {"background": lazy[1]}
        assert values(mt.tl.kmer_enrichment(lazy[0], k=4, **background)) == values(expected)
        with monkeypatch.context() as patch:
            patch.setattr("mutua.tl._two_sets.BLOCK", 25)
            assert values(mt.tl.kmer_enrichment(lazy[0], k=4, **background)) == values(expected)


def test_the_record_tells_the_call(sets: tuple[xr.Dataset, xr.Dataset]) -> None:
    table = mt.tl.kmer_enrichment(sets[0], background=sets[1], k=range(3, 5))
    step = json.loads(table.attrs["mutua"])["steps"][-1]
    assert step["function"] == "tl.kmer_enrichment"
    assert len(step["inputs"]) == 2
    mt.Table.check(table)


def test_a_set_of_longer_sequences_is_warned_of(sets: tuple[xr.Dataset, xr.Dataset]) -> None:
    longer = random_set(50, 40, 5)
    with pytest.warns(UserWarning, match=r"foreground are 1\.\d+ times as long"):
        mt.tl.kmer_enrichment(longer, background=sets[1], k=3)
    with pytest.warns(UserWarning, match="background are") as caught:
        mt.tl.kmer_enrichment(sets[1], background=longer, k=3)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mt.tl.kmer_enrichment(sets[0], background=sets[1], k=3)
        mt.tl.kmer_enrichment(longer, k=3)


DNA = mt.from_strings(["ACGTACGTA", "TTTGACCAG"])
OTHER = mt.from_strings(["ACGTTCGTA", "TTTGCCCAG"])
UNKNOWN = mt.SequenceSet.build(np.full((2, 9), 254, np.uint8), alphabet="DNA")
PROTEIN = mt.from_strings(["MKVLATMKV", "AAMKVRSTA"], alphabet="protein")


@pytest.mark.parametrize(
    ("foreground", "options", "argument"),
    [
        (DNA, {"background": PROTEIN}, "background"),
        (DNA, {"background": DNA}, "background"),
        (DNA, {"background": DNA.copy(deep=True)}, "background"),
        (DNA.isel(sequence=[]), {"background": OTHER}, "foreground"),
        (DNA, {"background": OTHER.isel(sequence=[])}, "background"),
        (DNA, {"background": OTHER.isel(position=slice(4))}, "k"),
        (DNA, {"background": OTHER, "k": 10}, "k"),
        (UNKNOWN, {"background": OTHER}, "foreground"),
        (DNA, {"background": UNKNOWN}, "background"),
        (UNKNOWN, {}, "foreground"),
        (DNA, {"background": OTHER, "k": 0}, "k"),
        (DNA, {"background": OTHER, "k": []}, "k"),
        (DNA, {"background": OTHER, "k": [3, 2.5]}, "k"),
        (DNA, {"background": OTHER, "k": "6"}, "k"),
        (DNA, {"k": 2}, "k"),
        (PROTEIN, {"k": 1}, "k"),
        (PROTEIN, {"k": 3, "strand": "both"}, "strand"),
        (DNA, {"background": OTHER, "strand": "reverse"}, "strand"),
        (DNA, {"n_shuffles": 0}, "n_shuffles"),
        (DNA, {"seed": -1}, "seed"),
    ],
    ids=["alphabet", "itself", "equal", "empty", "empty background", "short background", "k long",
         "unknown", "unknown background", "unknown alone", "k 0", "no k", "k no number", "k text",
         "k kept", "k kept protein", "complement", "strand", "shuffles", "seed"],
)  # fmt: skip
@pytest.mark.parametrize("function", ["kmer_enrichment", "enriched_kmers"])
def test_bad_input_is_refused(
    function: str, foreground: xr.Dataset, options: dict, argument: str
) -> None:
    with pytest.raises(InvalidInput) as error:
        getattr(mt.tl, function)(foreground, **options)
    assert error.value.argument == argument
    assert error.value.remedy


@pytest.mark.parametrize("function", ["kmer_enrichment", "enriched_kmers"])
def test_too_many_kmers_and_wrong_kinds_are_refused(function: str) -> None:
    long = random_set(4, 50, 0)
    with pytest.raises(MemoryLimit, match="k <= 11"):
        getattr(mt.tl, function)(long, k=14)
    with pytest.raises(InvalidElement, match="SequenceSet"):
        getattr(mt.tl, function)(xr.Dataset())
    with pytest.raises(InvalidElement, match="SequenceSet"):
        getattr(mt.tl, function)(long, background=xr.Dataset())
