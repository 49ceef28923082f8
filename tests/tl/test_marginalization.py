"""tl.marginalize and tl.space: equal to tangermeme, and what they refuse."""

import numpy as np
import pytest
import torch

import mutua as mt
from mutua.errors import InvalidInput
from mutua.models.effects import Effects
from mutua.tl.marginalization import marginalize, space

from .networks import LENGTH, Network

N = 7


@pytest.fixture
def seqs():
    made = mt.pp.random_sequences(N, length=LENGTH, seed=3)
    return made.assign_coords(sequence_id=("sequence", list("abcdefg")))


def one_hot(seqs):
    return torch.from_numpy(mt.pp.one_hot(seqs))


@pytest.mark.parametrize("position", [None, 0, 5])
def test_marginalize_equals_tangermeme(seqs, position):
    from tangermeme.marginalize import marginalize as theirs

    motifs = ["GATA", "CNCTT", "T"]
    out = marginalize(seqs, Network(), motifs, position=position, batch_size=3)
    Effects.check(out, deep=True)
    assert out["after"].dims == ("sequence", "experiment", "target")
    assert out["experiment"].values.tolist() == motifs
    assert out["target"].values.tolist() == ["first", "second"]
    assert out["sequence_id"].values.tolist() == list("abcdefg")
    for number, motif in enumerate(motifs):
        expected = theirs(Network(), one_hot(seqs), motif, start=position, device="cpu")
        np.testing.assert_allclose(out["before"], expected.y_before, atol=1e-6)
        np.testing.assert_allclose(out["after"][:, number], expected.y_after, atol=1e-6)


def test_motifs_in_every_form(seqs):
    counting = {"target_names": list("ACGT"), "position": 2}

    def model(letters):
        return letters.sum(dim=2)

    matrix = np.zeros((4, 3))
    matrix[1, :] = 1
    expected = marginalize(seqs, model, {"C": "CCC"}, **counting)
    for motifs in ({"C": matrix}, mt.MotifSet.build({"C": matrix})):
        out = marginalize(seqs, model, motifs, **counting)
        assert out["experiment"].values.tolist() == ["C"]
        np.testing.assert_array_equal(out["after"], expected["after"])
    named = mt.MotifSet.build({"C": matrix}, name=["poly-C"])
    assert marginalize(seqs, model, named, **counting)["name"].values.tolist() == ["poly-C"]
    assert marginalize(seqs, model, matrix, **counting)["experiment"].values.tolist() == ["motif0"]
    twice = marginalize(seqs, model, ["CC", "CC"], **counting)
    assert twice["experiment"].values.tolist() == ["CC_0", "CC_1"]
    n_c = (seqs["codes"].values == 1)[:, :2].sum(axis=1) + 3
    n_c += (seqs["codes"].values == 1)[:, 5:].sum(axis=1)
    np.testing.assert_array_equal(expected["after"].sel(target="C")[:, 0], n_c)


def test_letters_of_rna_are_refused_for_dna(seqs):
    with pytest.raises(InvalidInput, match=r"`motifs`: motif 'UGACUCA' has 'U'.*'ACGT'.*'T' for"):
        marginalize(seqs, Network(), ["GATA", "UGACUCA"])
    with pytest.raises(InvalidInput, match="motif 'site' has 'U'"):
        space(seqs, Network(), {"site": "gau", "other": "GA"}, spacings=[1])
    rna = mt.pp.random_sequences(3, length=LENGTH, alphabet="RNA", seed=0)
    with pytest.raises(InvalidInput, match="motif 'GAT' has 'T'"):
        marginalize(rna, lambda letters: letters.sum(dim=(1, 2)), "GAT")
    assert marginalize(rna, lambda letters: letters.sum(dim=(1, 2)), "GAU").sizes["experiment"] == 1


def test_drawn_letters_depend_on_the_number_of_the_sequence():
    seqs = mt.pp.random_sequences(400, length=LENGTH, seed=0)
    options = {"target_names": list("ACGT"), "seed": 5}

    def model(letters):
        return letters[:, :, 4:8].sum(dim=2)

    whole = marginalize(seqs, model, "RRRR", **options)
    after = whole["after"].values[:, 0]
    assert (after[:, [1, 3]] == 0).all()
    assert abs(after[:, 0].mean() - 2) < 0.2
    assert after[:, 0].std() > 0.5
    lazy = marginalize(seqs.chunk(sequence=(100, 299, 1)), model, "RRRR", **options)
    assert hasattr(lazy["after"].data, "dask")
    np.testing.assert_array_equal(lazy["after"], whole["after"])
    np.testing.assert_array_equal(lazy["before"], whole["before"])
    other = marginalize(seqs, model, "RRRR", **{**options, "seed": 6})
    assert (other["after"].values != whole["after"].values).any()


def test_space_equals_tangermeme(seqs):
    from tangermeme.space import space as theirs

    spacings = [3, 0, 1]
    out = space(seqs, Network(), ["GAT", "CC"], spacings=spacings, target="second")
    expected = theirs(
        Network(), one_hot(seqs), ["GAT", "CC"], torch.tensor(spacings)[:, None], device="cpu"
    )
    np.testing.assert_allclose(out["after"][..., 0], expected.y_afters[..., 1], atol=1e-6)
    np.testing.assert_allclose(out["before"][:, 0], expected.y_before[:, 1], atol=1e-6)
    assert out["spacing"].values.tolist() == spacings
    assert out["experiment"].values.tolist() == ["3", "0", "1"]
    Effects.check(out, deep=True)


def test_tracks_arguments_and_text(seqs):
    track = np.random.default_rng(0).random((N, 1, LENGTH)).astype(np.float32)
    with_tracks = seqs.assign(tracks=(("sequence", "track", "position"), track))
    extra = np.arange(N, dtype=np.float32)

    def model(inputs, more):
        return inputs[:, 4].sum(dim=1) + 100 * more + inputs[:, 0].sum(dim=1)

    out = marginalize(with_tracks, model, ["AA", "TT"], args=[extra], batch_size=4)
    expected = track.sum(axis=(1, 2)) + 100 * extra + (seqs["codes"].values == 0).sum(axis=1)
    np.testing.assert_allclose(out["before"][:, 0], expected, rtol=1e-6)
    gain = 2 - (seqs["codes"].values[:, 5:7] == 0).sum(axis=1)
    np.testing.assert_allclose(out["after"][:, 0, 0], expected + gain, rtol=1e-6)
    out = marginalize(
        seqs, lambda texts: [t.count("GATTACA") for t in texts], "GATTACA", encoding="text"
    )
    assert out["after"].values.ravel().tolist() == [1] * N


def test_no_sequences(seqs):
    none = seqs.isel(sequence=slice(0, 0))
    out = space(none, Network(), ["G", "C"], spacings=[0, 1, 2])
    assert out["after"].shape == (0, 3, 2)
    Effects.check(out, deep=True)


def test_padding_is_not_written_over():
    seqs = mt.from_strings(["ACGTACGTACGT", "ACGTACG"], pad="right")
    with pytest.raises(InvalidInput, match="padding of sequence 1"):
        marginalize(seqs, Network(), "GATA", position=5)
    out = marginalize(seqs, Network(), "GATA", position=3)
    assert np.isfinite(out["after"]).all()


@pytest.mark.parametrize(
    ("motifs", "options", "message"),
    [
        ("G" * (LENGTH + 1), {}, "13 letters, and the sequences 12"),
        ("GATA", {"position": 9}, "at most 8"),
        ("GATA", {"position": -1}, "position"),
        ("GAXTZ", {}, "'Z'|'X'"),
        ([], {}, "at least one"),
        (3, {}, "strings or matrices"),
        (np.full((4, 2), 0.5), {}, "do not sum to 1"),
        (np.eye(3), {}, "shape"),
        (mt.MotifSet.build({"m": np.full((20, 2), 0.05)}, alphabet="protein"), {}, "letters"),
        ("GATA", {"seed": -1}, "seed"),
        ("GATA", {"batch_size": 0}, "batch_size"),
        ("GATA", {"target": "third"}, "third"),
    ],
    ids=["long", "position", "negative", "symbol", "none", "type", "counts", "shape", "protein",
         "seed", "batch", "target"],
)  # fmt: skip
def test_bad_input(seqs, motifs, options, message):
    with pytest.raises(InvalidInput, match=message):
        marginalize(seqs, Network(), motifs, **options)


@pytest.mark.parametrize(
    ("motifs", "spacings", "message"),
    [
        (["GATA"], [0], "two or more"),
        (["GATA", "CC"], [], "none"),
        (["GATA", "CC"], [1, 1], "repeat"),
        (["GATA", "CC"], [-1], "spacings"),
        (["GATA", "CC"], 3, "a int"),
        (["GATA", "CC"], [0, 7], "spacing 7.*13 letters"),
    ],
    ids=["one", "none", "twice", "negative", "number", "wide"],
)
def test_bad_spacings(seqs, motifs, spacings, message):
    with pytest.raises(InvalidInput, match=message):
        space(seqs, Network(), motifs, spacings=spacings)


def test_splice_model_prefers_a_pyrimidine_before_its_ag_and_a_tract():
    seqs = mt.pp.random_sequences(150, length=53, seed=1)
    tails = {"CAG": "CAG", "TAG": "TAG", "GAG": "GAG", "no AG": "CAC"}
    motifs = {name: "N" * 11 + tail for name, tail in tails.items()} | {"tract": "Y" * 11 + "CAG"}
    out = marginalize(seqs, mt.datasets.splice_acceptor(), motifs, position=36)
    change = (out["after"] - out["before"]).mean("sequence").squeeze("target")
    found = dict(zip(out["experiment"].values.tolist(), change.values.tolist(), strict=True))
    assert found["tract"] > 0.7 > found["CAG"] > found["TAG"] > found["no AG"] > found["GAG"]
