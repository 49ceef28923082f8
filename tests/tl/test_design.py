"""tl.design: equal to tangermeme's greedy design, better with a beam, never worse than before."""

import numpy as np
import pytest
import torch

import mutua as mt
from mutua.errors import InvalidInput
from mutua.tl.design import design

from .networks import LENGTH, Network

N = 4


@pytest.fixture
def seqs():
    return mt.pp.random_sequences(N, length=LENGTH, seed=3)


def final(element):
    return element["prediction"].values[:, 0]


class First(Network):
    """Its first output alone."""

    target_names = ("first",)

    def forward(self, letters):
        return super().forward(letters)[:, :1]


@pytest.mark.parametrize("motifs", [None, ["GATA", "CCT"]], ids=["letters", "motifs"])
def test_greedy_equals_tangermeme(seqs, motifs):
    from tangermeme.design import greedy_substitution

    out = design(seqs, First(), max_edits=3, motifs=motifs, batch_size=7)
    mt.SequenceSet.check(out, deep=True)
    x = torch.from_numpy(mt.pp.one_hot(seqs))
    for row in range(N):
        expected = greedy_substitution(
            First(),
            x[row : row + 1],
            motifs=motifs or list("ACGT"),
            reverse_complement=False,
            max_iter=3,
            tol=0,
            device="cpu",
        )
        np.testing.assert_array_equal(mt.pp.one_hot(out)[row], expected[0])


def test_the_way_is_kept(seqs):
    model = Network()
    out = design(seqs, model, target="second", max_edits=30)
    before = mt.tl.predict(seqs, model, target="second")
    steps = out["edit_prediction"].values
    np.testing.assert_allclose(steps[:, 0], before["prediction"][:, 0], atol=1e-6)
    assert out["target"].values.tolist() == ["second"]
    again = mt.tl.predict(out, model, target="second")["prediction"].values[:, 0]
    np.testing.assert_allclose(final(out), again, atol=1e-6)
    for row in range(N):
        n_edits = int(np.isfinite(steps[row]).sum()) - 1
        assert 0 < n_edits < 30  # it stops where nothing helps
        assert (np.diff(steps[row, : n_edits + 1]) > 0).all()
        assert steps[row, n_edits] == final(out)[row]
        codes = seqs["codes"].values[row].copy()
        for number in range(1, n_edits + 1):
            place = out["edit_position"].values[row, number]
            codes[place] = "ACGT".index(out["edit_content"].values[row, number])
        np.testing.assert_array_equal(codes, out["codes"][row])
        assert (out["edit_position"].values[row, n_edits + 1 :] == -1).all()
        assert (out["edit_content"].values[row, n_edits + 1 :] == "").all()


def test_goals(seqs):
    model = Network()
    start = mt.tl.predict(seqs, model)["prediction"].values[:, 0]
    up, down = (
        final(design(seqs, model, target=0, goal=goal, max_edits=6))
        for goal in ("increase", "decrease")
    )
    goal = float(down.max()) + 0.05
    near = final(design(seqs, model, target=0, goal=goal, max_edits=6))
    assert (up > start).all()
    assert (down < start).all()
    assert (np.abs(near - goal) <= np.abs(start - goal)).all()
    assert np.abs(near - goal).mean() < 0.2 * np.abs(start - goal).mean()
    none = design(seqs, model, target=0, max_edits=0)
    np.testing.assert_array_equal(none["codes"], seqs["codes"])


def test_a_beam_sees_further(seqs):
    """Two letters that help only together, beside one that helps a little alone."""

    def model(letters):
        pair = letters[:, 2, 3] * letters[:, 2, 8]
        one = 0.1 * letters[:, 2, 3] + 0.2 * letters[:, 1, 3]
        return pair + one

    start = mt.from_strings(["A" * LENGTH])
    greedy = design(start, model, max_edits=2)
    beam = design(start, model, method="beam", beam_width=3, max_edits=2)
    assert final(greedy)[0] == pytest.approx(0.2)
    assert final(beam)[0] == pytest.approx(1.1)
    assert mt.pp.to_strings(beam) == ["AAAGAAAAGAAA"]
    wide = final(design(seqs, Network(), target=0, method="beam", max_edits=3))
    assert (wide >= final(design(seqs, Network(), target=0, max_edits=3)) - 1e-6).all()


def test_what_belongs_to_the_letters_goes(seqs):
    seqs = mt.tl.predict(seqs, Network()).assign(
        weight=("sequence", np.ones(N)), depth=(("sequence", "position"), np.zeros((N, LENGTH)))
    )
    seqs = seqs.assign_coords(sequence_id=("sequence", list("abcd")), position=np.arange(LENGTH))
    out = design(seqs, Network(), target=0, max_edits=1)
    assert "weight" not in out
    assert "depth" not in out
    assert out["position"].values.tolist() == list(range(LENGTH))
    assert out["sequence_id"].values.tolist() == list("abcd")
    none = design(seqs.isel(sequence=slice(0, 0)), Network(), target=0)
    assert none["edit_prediction"].shape == (0, 11)


def test_unknown_letters_are_filled_and_padding_stays():
    seqs = mt.from_strings(["ACGTNNACGTTG", "ACGTTACCA"], pad="right")
    out = design(seqs, First(), max_edits=20)
    np.testing.assert_array_equal(out["codes"].values == 255, seqs["codes"].values == 255)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": None}, "2 outputs"),
        ({"goal": "up"}, "goal"),
        ({"goal": np.nan}, "goal"),
        ({"method": "random"}, "method"),
        ({"max_edits": -1}, "max_edits"),
        ({"beam_width": 0}, "beam_width"),
        ({"motifs": "G" * 20}, "20 letters"),
        ({"motifs": []}, "at least one"),
    ],
    ids=str,
)
def test_bad_input(seqs, options, message):
    with pytest.raises(InvalidInput, match=message):
        design(seqs, Network(), **{"target": 0, **options})
