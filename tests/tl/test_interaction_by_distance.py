"""tl.interaction_by_distance: of sites that there are, and of pairs written into backgrounds."""

import itertools

import numpy as np
import pytest
from torch import nn

import mutua as mt
from mutua.errors import InvalidInput
from mutua.models import Annotations, MotifPairs, MotifSet
from mutua.tl import interaction_by_distance, motif_interactions

from .motif_models import WORDS, Epistasis
from .networks import Network

LEFT, RIGHT = WORDS.values()
N, LENGTH = 13, 60


def near(texts):
    """1 for each word, 2 more for both with fewer than 6 letters between them, in that order."""
    values = []
    for text in texts:
        a, b = text.find(LEFT), text.find(RIGHT)
        both = a >= 0 and b >= 0 and 0 <= b - a - len(LEFT) < 6
        values.append([(a >= 0) + (b >= 0) + 2 * both])
    return values


@pytest.fixture(scope="module")
def backgrounds():
    return mt.pp.random_sequences(N, length=LENGTH, seed=0)


def table(found, *names):
    return list(zip(*(found[name].values.tolist() for name in names), strict=True))


def test_embedded_pairs(backgrounds):
    found = interaction_by_distance(
        backgrounds, near, motifs=WORDS, spacings=[0, 5, 6, 20], encoding="text"
    )
    MotifPairs.check(found, deep=True)
    assert found.attrs["ordered"]
    rows = table(found, "motif_a_index", "motif_b_index", "distance", "epistasis", "interaction")
    assert rows == [
        (a, b, gap, 2 * (a == 0 and gap < 6),
         "synergistic" if a == 0 and gap < 6 else "additive")
        for a, b in [(0, 1), (1, 0)]
        for gap in [0, 5, 6, 20]
    ]  # fmt: skip
    assert set(table(found, "n", "n_tested", "effect_a", "effect_b")) == {(N, N, 1, 1)}
    assert "orientation" not in found


def test_embedding_as_four_predictions(backgrounds):
    """Letters of a motif are the same at all places, and effects those of `tl.space`."""
    model = Network(length=LENGTH)
    motifs = {"one": "TGNNWAGG", "other": "CAYYTGA"}
    options = {"position": 11, "seed": 3, "target": "first"}
    found = interaction_by_distance(
        backgrounds, model, motifs=motifs, pairs=[("one", "other")], spacings=[3, 9], **options
    )
    for name in ("epistasis", "effect_a", "effect_b", "effect_joint"):
        assert abs(found[name].values).min() > 1e-6
    np.testing.assert_allclose(
        found["effect_joint"], found["effect_a"] + found["effect_b"] + found["epistasis"]
    )
    assert found["effect_a"].values[0] == found["effect_a"].values[1]  # it did not move
    exact = {"one": "TGATAAGG", "other": "CACCTGA"}
    found = interaction_by_distance(
        backgrounds, model, motifs=exact, pairs=[("one", "other")], spacings=[3, 9], **options
    )
    space = mt.tl.space(
        backgrounds, model, list(exact.values()), spacings=[3, 9], position=11, target="first"
    )
    joint = (space["after"] - space["before"]).mean("sequence")
    np.testing.assert_allclose(found["effect_joint"], joint.values[:, 0], atol=1e-6)


def test_orientations_of_embedded_pairs(backgrounds):
    complement = str.maketrans("ACGT", "TGCA")
    turned = [word.translate(complement)[::-1] for word in (LEFT, RIGHT)]

    def model(texts):
        ways = [[LEFT, turned[0]], [RIGHT, turned[1]]]
        return [[sum(
            3**place for place, (a, b) in enumerate(itertools.product(*ways)) if a + b in text
        )] for text in texts]  # fmt: skip

    found = interaction_by_distance(
        backgrounds, model, motifs=WORDS, pairs=[("GATA", "E-box")], spacings=[0],
        orientation=True, encoding="text",
    )  # fmt: skip
    rows = table(found, "orientation", "effect_joint", "distance")
    assert rows == [(0, 1, 0), (1, 3, 0), (2, 9, 0), (3, 27, 0)]


def test_embedded_motif_set_and_a_motif_with_itself(backgrounds):
    motifs = MotifSet.build(WORDS, name=["G", "E"], family=["zf", "bhlh"])

    def model(texts):
        return [[text.count(LEFT) ** 2] for text in texts]

    found = interaction_by_distance(
        backgrounds, model, motifs=motifs, pairs=[("G", "G")], spacings=[1, 2], encoding="text"
    )
    assert found["family"].values.tolist() == ["zf", "bhlh"]
    assert table(found, "effect_a", "effect_joint", "epistasis") == [(1, 4, 2)] * 2


def test_lazy_backgrounds_and_blocks(backgrounds):
    model, options = Network(length=LENGTH), {"motifs": ["TGNAA", "CAY"], "spacings": [0, 7]}
    whole = interaction_by_distance(backgrounds, model, target="first", **options)
    lazy = interaction_by_distance(
        backgrounds.chunk(sequence=5), model, target="first", batch_size=4, **options
    )
    for name in ("epistasis", "effect_a", "epistasis_low"):
        np.testing.assert_allclose(lazy[name], whole[name], atol=2e-6)


def with_sites(rows, strand=None, n=N):
    """Annotations from (sequence, start, motif): words of eight letters."""
    columns = np.array(rows, np.int32).reshape(-1, 3)
    return Annotations.build(
        sequence_index=columns[:, 0], start=columns[:, 1], end=columns[:, 1] + 8,
        motif_index=columns[:, 2], motif=list(WORDS), source="user",
        sequence_length=np.full(n, LENGTH), **({} if strand is None else {"strand": strand}),
    )  # fmt: skip


def test_sites_by_bins():
    codes = mt.pp.random_sequences(27, length=LENGTH, seed=1)
    gaps = [2] * 9 + [9] * 9 + [13] * 9
    parts = [
        mt.pp.embed_motifs(codes.isel(sequence=[row]), [LEFT, RIGHT], position=9, spacings=gap)
        for row, gap in enumerate(gaps)
    ]
    seqs = mt.from_strings([mt.pp.to_strings(part)[0] for part in parts])
    options = {"motifs": WORDS, "strand": "forward", "encoding": "text", "n_fills": 2}
    tens = interaction_by_distance(seqs, near, **options)
    MotifPairs.check(tens, deep=True)
    assert table(tens, "distance", "n_tested", "epistasis") == [(0, 18, 1), (10, 9, 0)]
    assert tens.attrs["max_distance"] == 100
    single = interaction_by_distance(seqs, near, bin_width=1, **options)
    assert table(single, "distance", "n", "epistasis", "interaction") == [
        (2, 9, 2, "synergistic"), (9, 9, 0, "additive"), (13, 9, 0, "additive"),
    ]  # fmt: skip
    close = interaction_by_distance(seqs, near, bin_width=1, max_distance=9, **options)
    assert table(close, "distance", "n") == [(2, 9), (9, 9)]
    whole = motif_interactions(seqs, near, **options)
    assert whole["n_tested"].values.tolist() == [27]


def test_order_of_sites():
    rows = [(row, 5 + 20 * (row % 3 == 0), 0) for row in range(N)]
    rows += [(row, 25 - 20 * (row % 3 == 0), 1) for row in range(N)]
    seqs = mt.pp.random_sequences(N, length=LENGTH, seed=2)
    model, options = Network(length=LENGTH), {"target": "first", "n_fills": 2, "bin_width": 1}
    sites = with_sites(rows)
    both = interaction_by_distance(seqs, model, annotations=sites, **options)
    assert table(both, "motif_a_index", "motif_b_index", "distance", "n") == [(0, 1, 12, N)]
    apart = interaction_by_distance(seqs, model, annotations=sites, ordered=True, **options)
    assert apart.attrs["ordered"]
    rows = table(apart, "motif_a_index", "motif_b_index", "distance", "n")
    assert rows == [(0, 1, 12, 8), (1, 0, 12, 5)]
    right = interaction_by_distance(
        seqs, model, annotations=sites, ordered=True, pairs=[("E-box", "GATA")], **options
    )
    assert table(right, "motif_a_index", "n") == [(1, 5)]
    for name in ("epistasis", "effect_a", "effect_b"):
        np.testing.assert_allclose(right[name].values[0], apart[name].values[1], atol=1e-6)
    mean = (8 * apart["epistasis"].values[0] + 5 * apart["epistasis"].values[1]) / N
    np.testing.assert_allclose(both["epistasis"], [mean], atol=1e-6)
    effect = (8 * apart["effect_a"].values[0] + 5 * apart["effect_b"].values[1]) / N
    np.testing.assert_allclose(both["effect_a"], [effect], atol=1e-6)


@pytest.mark.parametrize(
    ("strands", "swapped", "ordered", "way"),
    [
        ((1, 1), False, False, 0),
        ((1, -1), False, False, 1),
        ((-1, 1), False, False, 2),
        ((-1, -1), False, False, 3),
        ((1, 1), True, False, 3),  # read on the other strand
        ((1, -1), True, False, 2),
        ((-1, 1), True, False, 1),
        ((1, 1), True, True, 0),
        ((1, -1), True, True, 2),
    ],
)
def test_orientations_of_sites(strands, swapped, ordered, way):
    seqs = mt.pp.random_sequences(N, length=LENGTH, seed=2)
    starts = (30, 8) if swapped else (8, 30)
    rows = [(row, starts[motif], motif) for row in range(N) for motif in range(2)]
    sites = with_sites(rows, strand=list(strands) * N)
    found = interaction_by_distance(
        seqs, Epistasis(), annotations=sites, orientation=True, ordered=ordered, n_fills=1
    )
    assert table(found, "orientation", "distance", "n") == [(way, 10, N)]


def test_a_motif_with_itself_is_read_on_either_strand():
    seqs = mt.pp.random_sequences(N, length=LENGTH, seed=2)
    rows = [(row, start, 0) for row in range(N) for start in (5, 21)]
    sites = with_sites(rows, strand=[-1] * (2 * N))
    options = {"annotations": sites, "orientation": True, "n_fills": 1, "pairs": [("GATA",) * 2]}
    found = interaction_by_distance(seqs, Epistasis(), **options)
    assert table(found, "orientation", "distance") == [(0, 0)]
    found = interaction_by_distance(seqs, Epistasis(), ordered=True, **options)
    assert table(found, "orientation", "distance") == [(3, 0)]


def test_pairs_without_sites_have_no_rows():
    seqs = mt.from_strings(["A" * LENGTH] * 7)
    with pytest.warns(UserWarning, match="1 of 1 pairs .* have no rows"):
        found = interaction_by_distance(seqs, Epistasis(), motifs=WORDS, pairs=[("GATA", "E-box")])
    assert found.sizes["pair"] == 0
    MotifPairs.check(found, deep=True)


class Broken(nn.Module):
    def forward(self, letters):
        return letters[:, 0].sum(dim=1, keepdim=True) / 0


@pytest.mark.parametrize(
    ("options", "argument", "message"),
    [
        ({"motifs": None}, "motifs", "none to write"),
        ({"spacings": []}, "spacings", "none"),
        ({"spacings": [3, 3]}, "spacings", "repeat"),
        ({"spacings": [-1]}, "spacings", "-1"),
        ({"spacings": "3"}, "spacings", "str"),
        ({"spacings": [50]}, "motifs", "66 letters"),
        ({"position": 50}, "position", "does not fit"),
        ({"position": -1}, "position", "-1"),
        ({"annotations": with_sites([])}, "annotations", "written into"),
        ({"bin_width": 3}, "bin_width", "written into"),
        ({"max_distance": 3}, "max_distance", "written into"),
        ({"ordered": True}, "ordered", "written into"),
        ({"strand": "both"}, "strand", "written into"),
        ({"spacings": None, "position": 3}, "position", "without spacings"),
        ({"spacings": None, "bin_width": 0}, "bin_width", "0"),
        ({"spacings": None, "max_distance": -1}, "max_distance", "-1"),
        ({"spacings": None, "ordered": 1}, "ordered", "1"),
        ({"orientation": 2}, "orientation", "2"),
        ({"n_fills": 0}, "n_fills", "0"),
        ({"fill": "shuffle"}, "fill", "shuffle"),
        ({"pairs": [("GATA", "SOX2")]}, "pairs", "SOX2"),
        ({"model": Broken()}, "model", "NaN or infinity"),
        ({"model": Network(length=LENGTH)}, "target", "2 outputs"),
    ],
)
def test_refused(backgrounds, options, argument, message):
    options = {"model": Epistasis(1), "motifs": WORDS, "spacings": [4], **options}
    with pytest.raises(InvalidInput, match=message) as error:
        interaction_by_distance(backgrounds, options.pop("model"), **options)
    assert error.value.argument == argument


def test_refused_for_these_sequences(backgrounds):
    codes = backgrounds["codes"].values.copy()
    codes[4, 40:] = 255
    padded = mt.SequenceSet.build(codes, alphabet="DNA")
    with pytest.raises(InvalidInput, match="padding of sequence 4"):
        interaction_by_distance(padded, Epistasis(), motifs=WORDS, spacings=[2], position=30)
    with pytest.raises(InvalidInput, match="26 sites have no strand"):
        interaction_by_distance(
            backgrounds, Epistasis(), orientation=True,
            annotations=with_sites([(row, 5 + 20 * m, m) for row in range(N) for m in range(2)]),
        )  # fmt: skip
    protein = mt.SequenceSet.build(codes[:4], alphabet="ACDEFGHIKLMNPQRSTVWY")
    with pytest.raises(InvalidInput, match="one strand"):
        interaction_by_distance(
            protein, Epistasis(), motifs=["AC", "CA"], spacings=[2], orientation=True
        )
