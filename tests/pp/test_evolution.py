"""Sequences evolved towards what a model scores higher."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput


def n_g(inputs):
    return inputs[:, 2].sum(1)


def changed(before, after):
    return (np.asarray(before["codes"]) != np.asarray(after["codes"])).sum(axis=1)


def test_an_evolved_set(untouched, function_of):
    out = mt.pp.evolve(untouched, lambda x: n_g(x[:, :4]), target_names=["n_g"], seed=1)
    mt.SequenceSet.check(out, deep=True)
    assert function_of(out) == "pp.evolve"
    assert out["target"].values.tolist() == ["n_g"]
    counts = (out["codes"].values == 2).sum(axis=1)
    np.testing.assert_array_equal(out["prediction"][:, 0], counts)
    assert (counts >= (untouched["codes"].values == 2).sum(axis=1)).all()
    assert (counts > (untouched["codes"].values == 2).sum(axis=1)).any()
    np.testing.assert_array_equal(out["codes"] == 255, untouched["codes"] == 255)
    assert "weight" not in out
    kept = ["length", "tracks", "sequence_id", "chrom", "start", "end", "strand"]
    xr.testing.assert_identical(out[kept].drop_attrs(), untouched[kept].drop_attrs())
    again = mt.pp.evolve(
        untouched.chunk(sequence=5), lambda x: n_g(x[:, :4]), target_names=["n_g"], seed=1
    )
    xr.testing.assert_equal(again.compute(), out)


def test_what_was_made_for_other_letters_goes(own):
    out = mt.pp.evolve(own, lambda x: n_g(x[:, :4]), n_rounds=2)
    expected = {"codes", "prediction", "length", "tracks", "barcodes"}
    assert set(out.data_vars) == expected
    assert set(own.coords) - set(out.coords) == {"motif", "base"}
    xr.testing.assert_equal(out["barcodes"], own["barcodes"])
    xr.testing.assert_equal(out["region"], own["region"])


@pytest.mark.parametrize("n_mutations", [1, 3, 8])
def test_a_round_changes_that_many_letters(n_mutations):
    seqs = mt.pp.random_sequences(50, length=8, seed=0)
    scores = iter([np.zeros(50), np.ones(50)])
    out = mt.pp.evolve(
        seqs, lambda x: next(scores), n_rounds=1, n_mutations=n_mutations, batch_size=50
    )
    assert (changed(seqs, out) == n_mutations).all()
    assert (out["codes"] < 4).all()


def test_only_better_mutants_are_kept():
    seqs = mt.pp.random_sequences(40, length=10, seed=0)
    np.testing.assert_array_equal(
        mt.pp.evolve(seqs, lambda x: x.sum((1, 2)) * 0)["codes"], seqs["codes"]
    )
    rounds = [
        mt.pp.evolve(seqs, n_g, n_rounds=n, seed=2)["prediction"].values for n in (1, 2, 5, 9)
    ]
    for fewer, more in pairwise(rounds):
        assert (more >= fewer).all()
    assert (rounds[-1] > rounds[0]).any()
    assert (mt.pp.evolve(seqs, n_g, minimize=True, n_rounds=200)["codes"] != 2).all()


def test_places_and_letters_are_drawn_evenly():
    seqs = mt.from_strings(["ACGT"] * 12_000)
    scores = iter([np.zeros(12_000), np.ones(12_000)])
    out = mt.pp.evolve(seqs, lambda x: next(scores), n_rounds=1, batch_size=12_000)
    different = out["codes"].values != seqs["codes"].values
    np.testing.assert_allclose(different.mean(axis=0), 0.25, atol=0.02)
    letters = np.bincount(out["codes"].values[:, 0][different[:, 0]], minlength=4)
    assert letters[0] == 0
    np.testing.assert_allclose(letters[1:] / letters.sum(), 1 / 3, atol=0.04)


def test_unknown_letters_may_become_letters_and_padding_never():
    seqs = mt.from_strings(["NNNN", "NA"], pad="right")
    out = mt.pp.evolve(seqs, lambda x: x.sum((1, 2)), n_rounds=60)
    assert all(
        len(text) == length for text, length in zip(mt.pp.to_strings(out), (4, 2), strict=True)
    )
    assert (out["codes"].values[:, :2] < 4).all()
    assert (out["codes"].values[1, 2:] == 255).all()


def test_seeds():
    seqs = mt.pp.random_sequences(30, length=10, seed=0)
    once = mt.pp.evolve(seqs, n_g, n_rounds=3, seed=5)
    xr.testing.assert_equal(mt.pp.evolve(seqs, n_g, n_rounds=3, seed=5), once)
    assert (mt.pp.evolve(seqs, n_g, n_rounds=3, seed=6)["codes"] != once["codes"]).any()


def test_tracks_arguments_and_targets(full):
    seen = []

    def model(inputs, extra):
        seen.append((inputs.shape, len(extra)))
        return {"up": inputs[:, 0].sum(1) + extra, "down": -inputs[:, 0].sum(1)}

    out = mt.pp.evolve(
        full, model, target="down", args=[np.arange(17.0)], n_rounds=60, batch_size=9
    )
    assert out["target"].values.tolist() == ["down"]
    assert set(seen) == {((9, 6, 12), 9), ((8, 6, 12), 8)}
    assert (out["codes"] != 0).all()


def test_the_model_is_left_as_it_was():
    class Model(nn.Module):
        def forward(self, inputs):
            assert not self.training
            assert not torch.is_grad_enabled()
            return inputs[:, 2].sum(1)

    model = Model().train()
    mt.pp.evolve(mt.pp.random_sequences(4, length=6), model, n_rounds=3)
    assert model.training
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_rounds": 0}, "`n_rounds`: 0"),
        ({"n_mutations": 0}, "`n_mutations`: 0"),
        ({"n_mutations": 10}, "`n_mutations`: 10, and sequence 6 has 9 letters"),
        ({"n_mutations": 1.5}, "`n_mutations`"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"minimize": 1}, "`minimize`: 1"),
        ({"seed": -1}, "`seed`"),
        ({"encoding": "words"}, "`encoding`: 'words'"),
        ({"encoding": "text"}, "`encoding`: 'text' with tracks"),
        ({"device": "tpu"}, "`device`"),
        ({"target": "x"}, "`target`: 'x'"),
        ({"args": [np.zeros(3)]}, r"`args`: argument 0 has shape \(3,\)"),
    ],
)
def test_evolve_refuses(full, options, message):
    with pytest.raises(InvalidInput, match=message):
        mt.pp.evolve(full, n_g, **options)


def test_several_targets_models_and_sets_are_refused(full):
    with pytest.raises(InvalidInput, match=r"`target`: leaves \['0', '1'.* Choose one"):
        mt.pp.evolve(full, lambda x: x.sum(2))
    with pytest.raises(InvalidInput, match="`model`: gave NaN"):
        mt.pp.evolve(full, lambda x: n_g(x) * torch.nan)
    with pytest.raises(InvalidInput, match="`model`: a str"):
        mt.pp.evolve(full, "model.pt")
    with pytest.raises(InvalidInput, match="there are none"):
        mt.pp.evolve(full.isel(sequence=slice(0)), n_g)
    with pytest.raises(InvalidElement, match="evolve"):
        mt.pp.evolve(full["codes"], n_g)
