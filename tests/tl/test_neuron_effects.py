"""Effects of neurons on labels, through the public function."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
import xarray as xr
from torch import nn

import mutua as mt
from mutua.errors import InvalidInput
from tests.tl.test_activating_windows import brute, detector

N, LENGTH = 29, 61
MOTIFS = ("GATTACA", "CCGTCAA", "TTTTTTT")


@pytest.fixture
def sequences() -> xr.Dataset:
    codes = np.random.default_rng(0).integers(0, 4, (N, LENGTH), dtype=np.uint8)
    codes[3, 20] = 254
    codes[5, 30:] = 255
    return mt.SequenceSet.build(codes, alphabet="DNA")


def planted(n: int = 400, seed: int = 0) -> tuple[xr.Dataset, np.ndarray]:
    """Give sequences, a half of which hold GATTACA, and which do."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 4, (n, LENGTH), dtype=np.uint8)
    has = random.random(n) < 0.5
    for row in np.flatnonzero(has):
        start = random.integers(0, LENGTH - 7)
        codes[row, start : start + 7] = [2, 0, 3, 3, 0, 1, 0]
    return mt.SequenceSet.build(codes, alphabet="DNA"), has


def test_maxima_and_groups_are_those_of_all_windows(sequences: xr.Dataset) -> None:
    model, label = detector(*MOTIFS), np.random.default_rng(1).normal(size=N)
    effects = mt.tl.neuron_effects(sequences, model, "0", values=label, threshold=0.75)
    values = brute(sequences, model)
    most = np.nanmax(values, axis=2)
    top = most.max(axis=0)
    np.testing.assert_allclose(effects["activation_max"], top)
    row = effects["activation_sequence"].values
    np.testing.assert_array_equal(row, most.argmax(axis=0))
    at = values[row, range(3), effects["activation_start"].values]
    np.testing.assert_allclose(at, top)
    for k in range(3):
        active = most[:, k] > 0.75 * top[k]
        assert effects["n_active"].values[k, 0] == active.sum()
        test = scipy.stats.mannwhitneyu(label[active], label[~active])
        enough = min(active.sum(), N - active.sum()) >= 6
        expected = test.pvalue if enough else np.nan
        np.testing.assert_allclose(effects["p_value"].values[k, 0], expected)
        assert effects["status"].values[k] == ("tested" if enough else "undefined")
    np.testing.assert_allclose(
        effects["q_value"].values[:, 0],
        mt.stats.benjamini_hochberg(effects["p_value"].values[:, 0]),
    )
    assert effects["neuron"].values.tolist() == ["0:0", "0:1", "0:2"]
    assert effects["channel"].values.tolist() == [0, 1, 2]


@pytest.mark.parametrize("direction", [1, -1])
def test_planted_motif_is_found_with_its_sign(direction: int) -> None:
    sequences, has = planted()
    label = 2 * direction * has + np.random.default_rng(1).normal(size=400)
    effects = mt.tl.neuron_effects(sequences, detector(*MOTIFS), "0", values=label, threshold=0.9)
    assert effects["sign"].values[:, 0].tolist() == [direction, 0, 0]
    assert effects["effect"].values[0, 0] == pytest.approx(2 * direction, abs=0.4)
    assert effects.attrs["values"] == "values"


def test_higher_thresholds_leave_fewer_active(sequences: xr.Dataset) -> None:
    counts = [
        mt.tl.neuron_effects(
            sequences, detector(*MOTIFS), "0", values=np.arange(N), threshold=share
        )["n_active"].values
        for share in (0.1, 0.3, 0.5, 0.7, 0.9)
    ]
    assert (np.diff(counts, axis=0) <= 0).all()
    assert (counts[0] > counts[-1]).any()


def test_values_are_the_prediction_by_default(sequences: xr.Dataset) -> None:
    model = detector(*MOTIFS)
    whole = sequences.drop_isel(sequence=[3, 5])
    effects = mt.tl.neuron_effects(whole, model, "0")
    given = mt.tl.neuron_effects(mt.tl.predict(whole, model), model, "0", values="prediction")
    assert effects.sizes == {"neuron": 3, "target": 3}
    assert effects["target"].values.tolist() == ["0", "1", "2"]
    assert effects.attrs["values"] == "prediction"
    xr.testing.assert_equal(effects, given)


def test_several_layers_and_targets(sequences: xr.Dataset) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(4, 3, 5), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(3, 2, 4))
    label = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 2)), columns=["half", "full"])
    both = mt.tl.neuron_effects(sequences, model, ["3", "0"], values=label)
    assert both["neuron"].values.tolist() == ["3:0", "3:1", "0:0", "0:1", "0:2"]
    assert both["target"].values.tolist() == ["half", "full"]
    alone = mt.tl.neuron_effects(sequences, model, "0", values=label["full"])
    assert alone.attrs["values"] == "full"
    np.testing.assert_array_equal(both["q_value"].values[2:, 1], alone["q_value"].values[:, 0])


def test_dead_neurons_and_small_groups(sequences: xr.Dataset) -> None:
    model = detector(*MOTIFS)
    with torch.no_grad():
        model[0].bias[1] = -7.0
    label = np.random.default_rng(0).normal(size=N)
    effects = mt.tl.neuron_effects(sequences, model, "0", values=label, threshold=0.999)
    # Two sequences have the best window of neuron 2 or not: the label decides nothing of it.
    few = effects["n_active"].values[:, 0] < 6
    status = np.where(few, "undefined", "tested")
    status[1] = "dead"
    assert effects["status"].values.tolist() == status.tolist()
    assert effects["n_active"].values[1, 0] == 0
    assert np.isnan(effects["p_value"].values[1, 0])
    assert effects["sign"].values[1, 0] == 0
    constant = mt.tl.neuron_effects(sequences, model, "0", values=np.ones(N))
    assert np.isnan(constant["p_value"].values).all()
    assert (constant["sign"].values == 0).all()


def test_sequences_without_windows_are_in_no_group() -> None:
    sequences, has = planted(40)
    codes = sequences["codes"].values.copy()
    codes[4, 6:] = 255
    short = mt.SequenceSet.build(codes, alphabet="DNA")
    effects = mt.tl.neuron_effects(short, detector(*MOTIFS), "0", values=has)
    assert (effects["n_active"] + effects["n_silent"] == 39).all()


def test_a_covariate_takes_out_what_goes_with_it() -> None:
    random = np.random.default_rng(0)
    sequences, _has = planted()
    codes = sequences["codes"].values.copy()
    length = random.integers(20, LENGTH, 400)
    codes[np.arange(LENGTH) >= length[:, None]] = 255
    cut = mt.SequenceSet.build(codes, alphabet="DNA", weight=length.astype(float))
    label = length + random.normal(size=400)
    plain, controlled, given = (
        mt.tl.neuron_effects(
            cut, detector(*MOTIFS), "0", values=label, threshold=0.6, covariates=covariates
        )
        for covariates in ((), ["length", "gc"], {"length": length})
    )
    assert (plain["sign"].values == 1).all()
    assert (plain["effect"].values > 3).all()
    assert (abs(controlled["effect"].values) < 0.7).all()
    assert controlled.attrs["covariates"] == ["length", "gc"]
    assert "ranks on the covariates" in controlled.attrs["test"]
    assert abs(given["effect"]).max() < 1
    named = mt.tl.neuron_effects(
        cut, detector(*MOTIFS), "0", values=label, threshold=0.6, covariates=["weight"]
    )
    np.testing.assert_allclose(named["effect"], given["effect"])


def test_labels_that_mean_nothing_are_rarely_called() -> None:
    sequences, _ = planted(300)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(4, 64, 7))
    label = np.random.default_rng(0).normal(size=(300, 25))
    effects = mt.tl.neuron_effects(sequences, model, "0", values=label)
    p = effects["p_value"].values
    assert np.nanmean(p < 0.05) < 0.07
    assert (effects["sign"].values != 0).any(axis=0).mean() <= 0.12


def test_a_sign_needs_means_and_ranks_that_agree() -> None:
    sequences, has = planted()
    # Higher in most sequences with the motif, far lower in a few.
    label = 1.0 * has + np.random.default_rng(1).normal(size=400)
    label[np.flatnonzero(has)[:4]] = -200
    options = {"values": label, "threshold": 0.9}
    ranks = mt.tl.neuron_effects(sequences, detector(*MOTIFS), "0", **options)
    assert ranks["q_value"].values[0, 0] < 0.05
    assert ranks["rank_effect"].values[0, 0] > 0 > ranks["effect"].values[0, 0]
    assert ranks["sign"].values[0, 0] == 0
    means = mt.tl.neuron_effects(sequences, detector(*MOTIFS), "0", test="mean", **options)
    assert means.attrs["test"] == "Welch's t-test"
    assert "rank_effect" not in means


def test_lazy_sequences_give_the_same(sequences: xr.Dataset) -> None:
    label = np.random.default_rng(0).normal(size=N)
    both = [
        mt.tl.neuron_effects(one, detector(*MOTIFS), "0", values=label, covariates=["gc"])
        for one in (sequences, sequences.chunk({"sequence": 4, "position": 20}))
    ]
    xr.testing.assert_equal(*both)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"layers": "conv"}, "layers"),
        ({"layers": []}, "layers"),
        ({"layers": ["0", "0"]}, "layers"),
        ({"layers": 0}, "layers"),
        ({"threshold": 1.0}, "threshold"),
        ({"alpha": 0}, "alpha"),
        ({"values": "half-life"}, "values"),
        ({"values": np.zeros(N - 1)}, "values"),
        ({"values": np.full(N, np.nan)}, "values"),
        ({"values": ["a"] * N}, "values"),
        ({"covariates": "length"}, "covariates"),
        ({"covariates": ["age"]}, "covariates"),
        ({"covariates": ["gc", "gc"]}, "covariates"),
        ({"covariates": {"age": np.full(N, np.inf)}}, "covariates"),
        ({"covariates": {"age": np.zeros((N, 2))}}, "covariates"),
        ({"test": "welch"}, "test"),
    ],
    ids=[f"{k}" for k in range(16)],
)
def test_what_does_not_fit_is_refused(
    sequences: xr.Dataset, options: dict[str, object], argument: str
) -> None:
    options = {"layers": "0", "values": np.arange(N)} | options
    layers = options.pop("layers")
    with pytest.raises(InvalidInput) as caught:
        mt.tl.neuron_effects(sequences, detector(*MOTIFS), layers, **options)
    assert caught.value.argument == argument


def test_activations_that_are_not_finite_are_refused(sequences: xr.Dataset) -> None:
    model = detector(*MOTIFS)
    with torch.no_grad():
        model[0].weight[1] = torch.nan
    with pytest.raises(InvalidInput, match="neuron 0:1, first for sequence 0"):
        mt.tl.neuron_effects(sequences, model, "0", values=np.arange(N))


def test_proteins_have_no_share_of_g_and_c() -> None:
    proteins = mt.pp.random_sequences(9, length=20, alphabet="protein", seed=0)
    model = torch.nn.Sequential(torch.nn.Conv1d(20, 2, 5), torch.nn.ReLU())
    options = {"values": np.arange(9.0), "covariates": ["gc"]}
    with pytest.raises(InvalidInput, match="use DNA or RNA"):
        mt.tl.neuron_effects(proteins, model, "0", **options)
