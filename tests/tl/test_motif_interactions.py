"""tl.motif_interactions: known epistasis, its symmetries and its classes."""

import itertools

import dask.array as da
import numpy as np
import pytest
import torch
from torch import nn

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.kernels.motif_sites import PatternFinder, SitePairs, Sites
from mutua.kernels.patterns import pattern_masks
from mutua.kernels.site_fills import MotifCheck, rejoined, site_fills
from mutua.models import Annotations, MotifPairs, MotifSet
from mutua.tl import motif_interactions
from tests.reference import interactions as reference

from .motif_models import WORDS, Epistasis, noise
from .networks import Network

N, LENGTH = 17, 50
EFFECTS = ("epistasis", "effect_a", "effect_b", "effect_joint")


def planted(n=N, length=LENGTH, words=None, seed=0, **more):
    sequences = mt.pp.random_sequences(n, length=length, seed=seed)
    return mt.pp.embed_motifs(sequences, words or list(WORDS.values()), seed=seed, **more)


@pytest.fixture(scope="module")
def seqs():
    return planted()


def columns(found, *names):
    return [found[name].values.tolist() for name in names]


@pytest.mark.parametrize(
    ("effects", "name"),
    [
        ((1, 0.5, 2), "synergistic"),
        ((1, 0.5, -0.5), "antagonistic"),
        ((1, 0.5, 0), "additive"),
        ((-1, -0.5, -2), "synergistic"),
        ((-1, -0.5, 0.5), "antagonistic"),
        ((1, 0, 2), "synergistic"),
        ((0, -1, 1), "antagonistic"),
        ((1, -0.5, 2), "opposed"),
        ((0, 0, 2), "synergistic"),
        ((0, 0, 0), "ambiguous"),
    ],
)
def test_known_epistasis(seqs, effects, name):
    found = motif_interactions(seqs, Epistasis(*effects), motifs=WORDS, n_fills=3)
    MotifPairs.check(found, deep=True)
    a, b, both = effects
    expected = {"epistasis": both, "effect_a": a, "effect_b": b, "effect_joint": a + b + both}
    for variable, value in expected.items():
        np.testing.assert_allclose(found[variable], [value], atol=1e-6)
        np.testing.assert_allclose(found[f"{variable}_low"], [value], atol=1e-6)
        np.testing.assert_allclose(found[f"{variable}_high"], [value], atol=1e-6)
    assert found["interaction"].values.tolist() == [name]
    assert columns(found, "n", "n_tested") == [[N], [N]]
    least = 2 / 2**N
    for variable, value in [("p_value", both), ("p_effect_a", a), ("p_effect_b", b)]:
        assert found[variable].values[0] == (least if value else 1)
    assert found["motif"].values.tolist() == ["GATA", "E-box"]
    assert found.attrs["target"] == "prediction"
    assert found.attrs["confidence"] == 0.95


def test_additive_models_have_none(seqs):
    weights = np.random.default_rng(0).normal(0, 0.2, (4, LENGTH))
    found = motif_interactions(seqs, Epistasis(2, -3, weights=weights), motifs=WORDS)
    assert abs(found["epistasis"].values[0]) < 1e-5
    # Rounding of float32 alone is no interaction, however regular.
    assert found["p_value"].values[0] == 1
    assert found["p_effect_a"].values[0] < 1e-3


def test_as_plain_loops_over_pairs_and_fills():
    seqs = planted(15, 24, ["GATT", "CAC"], seed=4)
    patterns = ["GAT", "CAC", "TC"]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Network(length=24)
    model.eval()
    found = motif_interactions(
        seqs, model, motifs=patterns, strand="forward", target="first", n_fills=4, seed=5,
        pairs=[("GAT", "CAC"), ("TC", "TC"), ("CAC", "TC")], max_distance=9,
    )  # fmt: skip
    codes = seqs["codes"].values
    listed = reference.pattern_sites(mt.pp.to_strings(seqs), patterns, False)

    def predict(rows):
        with torch.no_grad():
            hot = torch.nn.functional.one_hot(torch.tensor(rows.astype(int)), 4)
            return model(hot.float().permute(0, 2, 1))[:, 0].double().numpy()

    for row, (a, b) in enumerate([(0, 1), (2, 2), (1, 2)]):
        pairs = sorted(reference.disjoint(listed, a, b, 9))
        assert len(pairs) == found["n"].values[row] > 5
        fills, good = fills_of(codes, listed, patterns, [(0, 1), (2, 2), (1, 2)], pairs)
        expected, numbers = reference.epistasis(codes, predict, listed, fills, pairs, good)
        assert len(numbers) == found["n_tested"].values[row]
        for place, name in enumerate(EFFECTS):
            np.testing.assert_allclose(
                found[name].values[row], expected[:, place].mean(), atol=1e-6
            )
        np.testing.assert_allclose(
            found["epistasis_median"].values[row], np.median(expected[:, 0]), atol=1e-6
        )
        if len(numbers) >= 6:
            assert found["p_value"].values[row] == pytest.approx(
                reference.signed_rank(expected[:, 0].tolist())
            )


def fills_of(codes, listed, patterns, wanted, pairs):
    """The fills of all sites, and which of them are used of each pair of sites."""
    finder = PatternFinder([pattern_masks(one, "ACGT") for one in patterns], None)
    refused = np.eye(len(patterns), dtype=bool)
    for a, b in wanted:
        refused[a, b] = refused[b, a] = True
    check = MotifCheck(finder.find, 3, refused)
    sites = Sites(*np.array(listed).T)
    fills = site_fills(codes, sites, n_fills=4, fill="uniform", n_letters=4, seed=5,
                       numbers=np.arange(len(codes)), check=check)  # fmt: skip
    both = SitePairs(*np.array(pairs).T)
    bad = fills.failed[both.a] | fills.failed[both.b] | rejoined(codes, sites, both, fills, check)
    return fills.letters, ~bad


def test_exchanged_motifs(seqs):
    model = Network(length=LENGTH)
    options = {"motifs": WORDS, "target": "second", "n_fills": 3}
    one = motif_interactions(seqs, model, pairs=[("GATA", "E-box")], **options)
    other = motif_interactions(seqs, model, pairs=[("E-box", "GATA")], **options)
    for name in ("epistasis", "epistasis_low", "p_value", "interaction", "effect_joint", "n"):
        assert one[name].values.tolist() == other[name].values.tolist()
    for name in ("effect_{}", "effect_{}_low", "p_effect_{}"):
        assert one[name.format("a")].values == other[name.format("b")].values
    assert other["motif_a_index"].values.tolist() == [1]


def test_false_interactions_are_rare():
    # Fifteen words in every sequence; their effects add up, and noise depends on all letters.
    words = ["".join(word) for word in itertools.product("ACG", repeat=5)][7:240:17]
    seqs = planted(14, 180, [f"T{word}T" for word in words])
    weight = dict(zip(words, np.linspace(-2, 2, len(words)), strict=True))

    def model(codes):
        texts = ["".join("ACGT"[code] for code in row) for row in codes]
        added = [sum(weight[word] * (f"T{word}T" in text) for word in words) for text in texts]
        return np.array(added)[:, None] + 0.3 * noise(codes)

    motifs = {word: f"T{word}T" for word in words}
    found = motif_interactions(
        seqs, model, motifs=motifs, strand="forward", n_fills=3, encoding="codes"
    )
    assert found.sizes["pair"] == len(words) * (len(words) - 1) // 2 > 80
    assert (found["p_value"] <= 0.05).mean() < 0.1
    classes = found["interaction"].values.tolist()
    assert sum(one in ("synergistic", "antagonistic") for one in classes) <= 1
    assert (found["p_effect_a"] <= 0.05).mean() > 0.5


@pytest.mark.filterwarnings("ignore:.*pairs of sites have no fill left")
@pytest.mark.parametrize("fill", ["uniform", "dinucleotide"])
def test_batches_blocks_and_lazy_sets(fill, tmp_path):
    seqs = planted(13, 40, ["GATAAGT", "CACGTAC"], seed=2)
    sites = with_sites(seqs, *((row, 1 + row % 5, 13 + row % 3, row % 2) for row in range(13)),
                       *((row, 17 + row % 4, 32, 1 - row % 2) for row in range(13)))  # fmt: skip
    rng = np.random.default_rng(0)
    seqs = mt.SequenceSet.build(
        seqs["codes"].values, alphabet="DNA",
        tracks=rng.normal(size=(13, 2, 40)).astype(np.float32), track=["a", "b"],
    )  # fmt: skip
    extra = rng.normal(size=(13, 2)).astype(np.float32)
    model = Network(channels=6, length=40)
    options = {
        **(
            {"motifs": {"GATA": "GATA", "E-box": "CACGT", "AY": "AYT"}}
            if fill == "uniform"
            else {"annotations": sites}
        ),
        "target": "first",
        "n_fills": 4,
        "fill": fill,
        "seed": 3,
    }
    whole = motif_interactions(seqs, model, args=[extra], **options)
    assert whole.sizes["pair"] == (3 if fill == "uniform" else 1)
    assert (whole["n_tested"] > 6).all()
    tried = [
        motif_interactions(seqs, model, args=[torch.tensor(extra)], batch_size=50, **options),
        motif_interactions(seqs.chunk(sequence=4), model, args=[da.from_array(extra)], **options),
    ]
    before = mt.settings.memory
    try:
        mt.settings.memory = 2**20
        tried.append(motif_interactions(seqs, model, args=[extra], batch_size=97, **options))
    finally:
        mt.settings.memory = before
    for other in tried:
        for name in (*EFFECTS, "p_value", "epistasis_low"):
            np.testing.assert_allclose(other[name], whole[name], atol=2e-6)
        for name in ("n", "n_tested", "interaction"):
            assert other[name].values.tolist() == whole[name].values.tolist()


def test_pairs_do_not_depend_on_each_other(seqs):
    # A third motif of which fills hold none, so that those of the others are the same.
    model, motifs = Network(length=LENGTH), {**WORDS, "far": "AAAAAAAAAAAA"}
    options = {"motifs": motifs, "target": "first", "n_fills": 3}
    alone = motif_interactions(seqs, model, pairs=[("GATA", "E-box")], **options)
    with pytest.warns(UserWarning, match="1 of 2 pairs have no two sites.*GATA with far"):
        both = motif_interactions(
            seqs, model, pairs=[("GATA", "far"), ("GATA", "E-box")], **options
        )
    for name in (*EFFECTS, "p_value", "effect_a_high"):
        np.testing.assert_allclose(both[name].values[1], alone[name].values[0], atol=1e-7)
    assert both["interaction"].values.tolist()[0] == "undefined"
    assert columns(both, "n", "n_tested") == [[0, N], [0, N]]
    assert np.isnan(both["epistasis"].values[0])
    assert np.isnan(both["p_value"].values[0])
    assert both.attrs["n_tests"] == 1


def test_same_seed_same_bits_and_others_differ(seqs):
    model = Network(length=LENGTH)
    options = {"motifs": WORDS, "target": "first", "n_fills": 2}
    one, same, other = (motif_interactions(seqs, model, seed=s, **options) for s in (1, 1, 2))
    for name in (*EFFECTS, "epistasis_low", "p_value"):
        np.testing.assert_array_equal(one[name], same[name])
    assert one["epistasis"].values != other["epistasis"].values


def test_fewer_than_six_sequences_are_undefined(seqs):
    few = motif_interactions(seqs.isel(sequence=slice(5)), Epistasis(1, 1, 1), motifs=WORDS)
    assert few["interaction"].values.tolist() == ["undefined"]
    assert few["n_tested"].values.tolist() == [5]
    np.testing.assert_allclose(few["epistasis"], [1], atol=1e-6)
    for name in ("p_value", "q_value", "p_effect_a", "p_effect_joint", "epistasis_low"):
        assert np.isnan(few[name].values[0])
    six = motif_interactions(seqs.isel(sequence=slice(6)), Epistasis(1, 1, 1), motifs=WORDS)
    assert six["interaction"].values.tolist() == ["synergistic"]
    assert six["p_value"].values[0] == 2 / 64


def test_sources_of_sites(seqs):
    """Patterns, a motif set, a scan of it, and annotations alone find the same sites."""
    model, motifs = Epistasis(1, 2, 3), MotifSet.build(WORDS, name=["G", "E"])
    hits = mt.tl.scan(seqs, motifs)
    by_patterns = motif_interactions(seqs, model, motifs=WORDS, n_fills=3)
    tried = [
        motif_interactions(seqs, model, motifs=motifs, n_fills=3),
        motif_interactions(seqs, model, annotations=hits, n_fills=3),
        motif_interactions(seqs, model, annotations=hits, motifs=WORDS, n_fills=3),
        motif_interactions(
            seqs, model, annotations=hits, n_fills=3, pairs=mt.tl.pair_annotations(hits)
        ),
        motif_interactions(seqs, model, motifs=motifs, n_fills=3, pairs=[("G", "E")]),
    ]
    for found in tried:
        np.testing.assert_allclose(found["epistasis"], [3], atol=1e-6)
        assert found["n_tested"].values.tolist() == by_patterns["n_tested"].values.tolist()
        assert found["motif"].values.tolist() == ["GATA", "E-box"]
    assert tried[0]["name"].values.tolist() == ["G", "E"]


def test_a_motif_with_itself():
    seqs = planted(9, 60, ["TGATAAGG", "TGATAAGG"])

    def model(texts):
        return [[text.count("TGATAAGG") ** 2] for text in texts]

    found = motif_interactions(seqs, model, motifs=["TGATAAGG"], pairs=[("TGATAAGG",) * 2],
                               encoding="text", n_fills=2)  # fmt: skip
    assert columns(found, "n", "effect_a", "effect_b", "effect_joint", "epistasis") == [
        [9], [1], [1], [4], [2]
    ]  # fmt: skip
    assert found["interaction"].values.tolist() == ["synergistic"]
    none = motif_interactions(seqs, model, motifs=["TGATAAGG"], encoding="text")
    assert none.sizes["pair"] == 0


def test_sites_that_overlap_are_no_pair():
    seqs = mt.from_strings(["CCCTGATAAGGCCC"] * 8)
    with pytest.warns(UserWarning, match="share no letter: GATA with TAAG. They are 'undefined'"):
        found = motif_interactions(
            seqs, Epistasis(1), motifs=["GATA", "TAAG"], n_fills=2, pairs=[("GATA", "TAAG")]
        )
    assert found["interaction"].values.tolist() == ["undefined"]
    assert motif_interactions(seqs, Epistasis(1), motifs=["GATA", "TAAG"]).sizes["pair"] == 0


def test_several_sites_of_one_sequence_are_one_value():
    text = "TGATAAGGCC" + "AA" + "CACCTGACCC" + "AA" + "TGATAAGGCC" + "AA"
    seqs = mt.from_strings([text] * 7)
    found = motif_interactions(seqs, Epistasis(1, 1, 1), motifs=WORDS, n_fills=2)
    assert columns(found, "n", "n_tested") == [[14], [7]]
    np.testing.assert_allclose(found["effect_a"], [0], atol=1e-6)  # the other copy is still there
    np.testing.assert_allclose(found["effect_b"], [2], atol=1e-6)


def test_strands():
    seqs = mt.from_strings(["CCTTATCA" + "AC" * 6 + "GTCAGGTG" + "AT"] * 6)
    both = motif_interactions(seqs, Epistasis(1), motifs=WORDS, n_fills=2)
    assert columns(both, "n") == [[6]]
    forward = motif_interactions(seqs, Epistasis(1), motifs=WORDS, n_fills=2, strand="forward")
    assert forward.sizes["pair"] == 0
    rna = mt.SequenceSet.build(seqs["codes"].values, alphabet="RNA")
    assert motif_interactions(rna, Epistasis(1), motifs=WORDS).sizes["pair"] == 0


def test_tracks_stay_or_are_set_to_zero(seqs):
    tracks = np.random.default_rng(0).normal(size=(N, 1, LENGTH)).astype(np.float32)
    with_tracks = mt.SequenceSet.build(
        seqs["codes"].values, alphabet="DNA", tracks=tracks, track=["t"]
    )

    class Gated(nn.Module):
        def forward(self, inputs):
            there = Epistasis(1, 1, 1)(inputs)
            return there * (1 + inputs[:, 4].abs().sum(dim=1, keepdim=True))

    kept = motif_interactions(with_tracks, Gated(), motifs=WORDS, n_fills=2)
    zero = motif_interactions(with_tracks, Gated(), motifs=WORDS, n_fills=2, zero_tracks=True)
    np.testing.assert_allclose(kept["epistasis"], [1 + abs(tracks).sum((1, 2)).mean()], rtol=1e-5)
    np.testing.assert_allclose(zero["epistasis"], [1], atol=1e-6)


def test_fills_that_keep_a_motif_are_left_out(seqs):
    motifs = {"GATA": "TGATAAGG", "any": "N"}
    with pytest.warns(UserWarning, match=r"pairs of sites have no fill left. Use stricter"):
        found = motif_interactions(seqs, Epistasis(1), motifs=motifs, n_fills=2)
    assert found["n"].values[0] >= N * (LENGTH - 8)
    assert found["n_tested"].values[0] == 0
    assert found["interaction"].values.tolist() == ["undefined"]


def with_sites(seqs, *rows):
    table = np.array(rows, np.int32).reshape(-1, 4)
    return Annotations.build(
        sequence_index=table[:, 0], start=table[:, 1], end=table[:, 2], motif_index=table[:, 3],
        motif=["GATA", "E-box"], sequence_length=np.full(*seqs["codes"].shape),
        source="user",
    )  # fmt: skip


def not_a_number(texts):
    return [[float("nan") if "TGATAAGG" not in text else 1.0] for text in texts]


def infinite(texts):
    return [[float("inf") if "CACCTGAC" not in text else 1.0] for text in texts]


@pytest.mark.parametrize(
    ("options", "argument", "message"),
    [
        ({"motifs": None}, "motifs", "neither"),
        ({"motifs": 3}, "motifs", "int"),
        ({"motifs": []}, "motifs", "there are none"),
        ({"motifs": ["GATA", "GATA"]}, "motifs", "repeat"),
        ({"motifs": {"a": "GATJ"}}, "motifs", "'a': 'J'"),
        ({"motifs": {"a": np.ones((4, 3))}}, "motifs", "MotifSet"),
        ({"pairs": [("GATA", "SOX2")]}, "pairs", "'SOX2' is no motif"),
        ({"pairs": [("GATA",)]}, "pairs", "tuples of two"),
        ({"pairs": ["GATA"]}, "pairs", "tuples of two"),
        ({"pairs": "GATA"}, "pairs", "str"),
        ({"pairs": [("GATA", "E-box"), ("E-box", "GATA")]}, "pairs", "repeat"),
        ({"n_fills": 0}, "n_fills", "0"),
        ({"fill": "zeros"}, "fill", "zeros"),
        ({"alpha": 1}, "alpha", "above 0 and below 1"),
        ({"alpha": 0}, "alpha", "above 0"),
        ({"confidence": 1.0}, "confidence", "below 1"),
        ({"seed": -1}, "seed", "-1"),
        ({"max_distance": -1}, "max_distance", "-1"),
        ({"strand": "reverse"}, "strand", "reverse"),
        ({"p_threshold": 0}, "p_threshold", "0"),
        ({"zero_tracks": 1}, "zero_tracks", "1"),
        ({"batch_size": 0}, "batch_size", "0"),
        ({"progress": "yes"}, "progress", "yes"),
        ({"model": Network(length=LENGTH)}, "target", "2 outputs: .'first', 'second'"),
        ({"model": Network(length=LENGTH), "target": "third"}, "target", "third"),
        ({"model": not_a_number, "encoding": "text"}, "model", "first of sequence 0"),
        ({"model": infinite, "encoding": "text"}, "model", "NaN or infinity"),
        ({"model": 3}, "model", "int"),
    ],
)
def test_refused(seqs, options, argument, message):
    options = {"model": Epistasis(1), "motifs": WORDS, "n_fills": 2, **options}
    with pytest.raises(InvalidInput, match=message) as error:
        motif_interactions(seqs, options.pop("model"), **options)
    assert error.value.argument == argument


def test_refused_annotations(seqs):
    model = Epistasis(1)
    hits = mt.tl.scan(seqs, MotifSet.build(WORDS))
    with pytest.raises(InvalidInput, match="sequences"):
        motif_interactions(seqs.isel(sequence=slice(3)), model, annotations=hits)
    spans = hits.drop_vars(["motif_index", "motif"])
    with pytest.raises(InvalidInput, match="spans without motifs"):
        motif_interactions(seqs, model, annotations=spans)
    with pytest.raises(InvalidInput, match="'E-box' is no motif"):
        motif_interactions(seqs, model, annotations=hits, motifs={"GATA": "TGATAAGG"})
    with pytest.raises(InvalidElement):
        motif_interactions(seqs, model, annotations=hits, pairs=hits)
    with pytest.raises(InvalidInput, match=r"motifs of .ACGU"):
        motif_interactions(seqs, model, motifs=MotifSet.build({"A": "ACGU"}, alphabet="RNA"))
    codes = seqs["codes"].values.copy()
    codes[2, 40:] = 255
    padded = mt.SequenceSet.build(codes, alphabet="DNA")
    over = with_sites(seqs, (2, 36, 42, 0), (2, 3, 9, 1))
    with pytest.raises(InvalidInput, match="36-42 of sequence 2 holds padding"):
        motif_interactions(padded, model, annotations=over)


def test_user_sites_without_strand(seqs):
    sites = with_sites(seqs, *((row, 3, 9, 0) for row in range(8)),
                       *((row, 20, 31, 1) for row in range(8)))  # fmt: skip
    found = motif_interactions(
        seqs, Network(length=LENGTH), annotations=sites, target="first", n_fills=3
    )
    assert columns(found, "n", "n_tested") == [[8], [8]]
    assert np.isfinite(found["p_value"].values).all()


def test_splice_acceptor():
    """The AG and the tract of pyrimidines before it, each of little use without the other."""
    rng = np.random.default_rng(0)
    before, tract, after = (
        rng.choice(list(letters), (40, n))
        for letters, n in (("ACGT", 30), ("CTTT", 17), ("ACGT", 3))
    )
    parts = np.concatenate([before, tract, np.full((40, 3), list("CAG")), after], axis=1)
    seqs = mt.from_strings(["".join(row) for row in parts])
    sites = Annotations.build(
        sequence_index=np.repeat(np.arange(40), 2), start=[30, 48] * 40, end=[47, 50] * 40,
        motif_index=[0, 1] * 40, motif=["tract", "AG"], sequence_length=np.full(40, 53),
        source="user",
    )  # fmt: skip
    model = mt.datasets.splice_acceptor()
    found = motif_interactions(seqs, model, annotations=sites, n_fills=10)
    assert found.attrs["target"] == "acceptor"
    # Of a probability of 0.95 with both.
    assert found["interaction"].values.tolist() == ["synergistic"]
    assert found["effect_a"].values[0] > found["effect_b"].values[0] > 0.1
    assert found["effect_joint"].values[0] > 0.9
    assert found["epistasis_low"].values[0] > 0.4
