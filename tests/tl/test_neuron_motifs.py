"""Motifs of neurons: planted detectors are found, told apart, and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

import mutua as mt
from mutua.errors import InvalidElement, InvalidInput
from mutua.models import MotifSet
from mutua.tl import neuron_motifs

LENGTH, N = 60, 300


class Detectors(torch.nn.Module):
    """Exact words, found by a first layer; sums of them at pooled places, by a second one.

    The first layer has 3 more neurons of small random weights that nothing depends on.
    """

    def __init__(
        self, words: list[str], second: list[dict[tuple[int, int], float]], width: int = 3
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Conv1d(4, len(words) + 3, 5)
        self.pool = torch.nn.MaxPool1d(2)
        self.second = torch.nn.Conv1d(len(words) + 3, len(second), width)
        with torch.no_grad():
            self.first.weight.mul_(0.3)
            self.first.bias.fill_(-2.5)
            for place, word in enumerate(words):
                letters = np.array(["ACGT".index(letter) for letter in word])
                weight = np.where(np.arange(4)[:, None] == letters, 1.0, -1.0)
                self.first.weight[place] = torch.from_numpy(weight)
            self.second.weight.zero_()
            self.second.bias.zero_()
            for neuron, parts in enumerate(second):
                for (channel, place), weight in parts.items():
                    self.second.weight[neuron, channel, place] = weight

    def forward(self, letters: torch.Tensor) -> torch.Tensor:
        return self.second(self.pool(torch.relu(self.first(letters)))).amax(dim=2)


ONE = Detectors(["GATTA"], [{(0, 1): 1.0}, {(0, 1): -1.0}])
TWO = Detectors(["GATTA", "CCGTC"], [{(0, 1): 1.0, (1, 1): 1.0}])


@pytest.fixture(scope="module")
def sequences() -> xr.Dataset:
    return mt.pp.random_sequences(N, length=LENGTH, seed=0)


def quality(motifs: xr.Dataset) -> np.ndarray:
    return (motifs["activation_consensus"] / motifs["activation_max"]).values


@pytest.mark.parametrize("source", ["search", "both"])
def test_one_word_behind_a_pool_is_two_sharp_leaves(sequences: xr.Dataset, source: str) -> None:
    motifs = neuron_motifs(sequences, ONE, "second", source=source, neurons=[0])
    MotifSet.check(motifs, deep=True)
    assert motifs["name"].values.tolist() == ["GATTA", "GATTA"]
    assert sorted(motifs["window_start"].values.tolist()) == [2, 3]  # one letter apart
    assert (quality(motifs) > 0.99).all()
    assert (motifs["homogeneity"] > 0.9).all()
    blurred = neuron_motifs(
        sequences, ONE, "second", source=source, neurons=[0], n_clusters=1, trim=False
    )
    assert blurred["leaf"].values.tolist() == ["0"]
    assert float(blurred["homogeneity"][0]) < 0.6
    assert blurred["length"].values.tolist() == [10]


def test_no_leaf_mixes_two_words(sequences: xr.Dataset) -> None:
    motifs = neuron_motifs(sequences, TWO, "second")
    found = zip(motifs["name"].values, motifs["window_start"].values, strict=True)
    assert sorted((str(name), int(start)) for name, start in found) == [
        ("CCGTC", 2), ("CCGTC", 3), ("GATTA", 2), ("GATTA", 3),
    ]  # fmt: skip
    assert (quality(motifs) > 0.95).all()
    by_number = neuron_motifs(sequences, TWO, "second", n_clusters=4)
    assert set(by_number["leaf"].values.tolist()) == {"0-0", "0-1", "0-2", "0-3"}


def test_both_words_at_once_are_one_motif(sequences: xr.Dataset) -> None:
    both = Detectors(["GATTA", "CCGTC"], [{(0, 0): 1.0, (1, 2): 1.0}], width=4)
    motifs = neuron_motifs(sequences, both, "second", min_activation=0.25)
    assert any("GATTA" in name and "CCGTC" in name for name in motifs["name"].values)
    assert float(motifs["activation_max"].max()) == 5.0


def test_all_sequences_of_a_short_window_are_looked_at(sequences: xr.Dataset) -> None:
    motifs = neuron_motifs(sequences, ONE, "first", neurons=[0], source="search", min_activation=0)
    assert motifs["name"].values.tolist() == ["GATTA"]
    assert float(motifs["activation_max"][0]) == 2.5
    assert int(motifs["n_sites"][0]) == 16  # the word itself, and with one of 15 substitutions


def test_dead_neurons_are_listed(sequences: xr.Dataset) -> None:
    motifs = neuron_motifs(sequences, ONE, "second")
    assert set(motifs["neuron"].values.tolist()) == {"second:0"}
    why = motifs.attrs["neurons_without_motif"]
    assert list(why) == ["second:1"]
    assert why["second:1"] == "dead: no activation above 0, the largest is 0"


def test_one_seed_gives_one_result_whatever_the_threads_and_the_other_neurons(
    sequences: xr.Dataset,
) -> None:
    alone = neuron_motifs(sequences, ONE, "second", neurons=[0], seed=3, min_activation=0)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if before > 1 else 2)
        both = neuron_motifs(sequences, ONE, "second", neurons=[1, 0], seed=3, min_activation=0)
    finally:
        torch.set_num_threads(before)
    xr.testing.assert_identical(alone.drop_attrs(deep=False), both.drop_attrs(deep=False))
    other = neuron_motifs(sequences, ONE, "second", neurons=[0], seed=4, min_activation=0)
    assert (other["homogeneity"].values != alone["homogeneity"].values).any()
    assert torch.get_num_threads() == before


def test_chunks_and_stores_give_the_same(sequences: xr.Dataset, tmp_path: Path) -> None:
    how = {"neurons": [0], "source": "data", "min_activation": 0.0, "min_sequences": 10}
    whole = neuron_motifs(sequences, ONE, "second", **how)
    assert whole.sizes["motif"] == 2
    chunked = neuron_motifs(sequences.chunk({"sequence": 37}), ONE, "second", **how)
    xr.testing.assert_identical(whole.drop_attrs(deep=False), chunked.drop_attrs(deep=False))
    study = mt.Analysis({"motifs": whole, "seqs": sequences})
    study.write(str(tmp_path / "study.zarr"))
    opened = mt.open(str(tmp_path / "study.zarr"))
    again = neuron_motifs(opened["seqs"], ONE, "second", **how)
    np.testing.assert_array_equal(again["probability"], opened["motifs"]["probability"])
    assert opened["motifs"].attrs["neurons_without_motif"] == {}
    mt.pl.neuron_motifs(opened["motifs"])


def test_known_motifs_name_them(sequences: xr.Dataset) -> None:
    known = mt.MotifSet.build({"A": "GATTA", "B": "CCGTC", "C": "TTTTT"})
    motifs = neuron_motifs(sequences, TWO, "second")
    with pytest.warns(UserWarning, match="there are 3 motifs"):
        named = mt.tl.annotate(motifs, known, reverse_complement=False)
    nearest = known["motif"].values[named["motif_index"].values]
    wanted = ["A" if name == "GATTA" else "B" for name in motifs["name"].values]
    assert nearest.tolist() == wanted


def test_the_model_is_left_as_it_was(sequences: xr.Dataset) -> None:
    model = Detectors(["GATTA"], [{(0, 1): 1.0}]).train()
    neuron_motifs(sequences, model, "second", source="data")
    assert model.training
    assert not any(part._forward_hooks for part in model.modules())
    assert all(weight.grad is None for weight in model.parameters())


def test_refusals(sequences: xr.Dataset) -> None:
    with pytest.raises(InvalidInput, match=r"`layer`: 'third'.*'first', 'second'"):
        neuron_motifs(sequences, ONE, "third")
    with pytest.raises(InvalidInput, match=r"`model`: .*no convolution"):
        neuron_motifs(sequences, torch.nn.Flatten(), "0")
    with pytest.raises(InvalidInput, match="`neurons`"):
        neuron_motifs(sequences, ONE, "second", neurons=[0, 2])
    with pytest.raises(InvalidInput, match="`neurons`: channels that repeat"):
        neuron_motifs(sequences, ONE, "second", neurons=[0, 0])
    with pytest.raises(InvalidInput, match="`source`"):
        neuron_motifs(sequences, ONE, "second", source="mechanic")
    for name, value in (
        ("n_clusters", 0), ("n_sequences", 0), ("min_sequences", 0), ("min_activation", 1.5),
        ("min_homogeneity", -1), ("min_information", -1), ("trim", 1), ("seed", -1),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match=f"`{name}`"):
            neuron_motifs(sequences, ONE, "second", **{name: value})
    with pytest.raises(InvalidInput, match="there are none"):
        neuron_motifs(sequences.isel(sequence=slice(0)), ONE, "second")
    with pytest.raises(InvalidElement, match="SequenceSet"):
        neuron_motifs(mt.Table.build(a=[1]), ONE, "second")
    broken = Detectors(["GATTA"], [{(0, 1): np.nan}])
    with pytest.raises(InvalidInput, match="infinity or NaN"):
        neuron_motifs(sequences, broken, "second")


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["layers.conv2", "layers.conv3"])
def test_neurons_of_a_trained_network_have_the_planted_motifs(layer: str) -> None:
    """All 32 neurons; four of five leaves are of one motif, which its best letters show."""
    example = mt.datasets.pooled_cnn()
    motifs = neuron_motifs(example.sequences, example.model, layer)
    assert len(set(motifs["neuron"].values)) > 16
    reached = motifs["activation_consensus"] / motifs["activation_max"]
    assert (reached > 0.95).mean() >= 0.8
    names = example.motifs["motif"].values.astype(str)
    collection = mt.MotifSet.build(
        {
            str(name): one[:, :length]
            for part in (example.motifs, mt.datasets.jaspar())
            for name, one, length in zip(
                part["motif"].values, part["probability"].values, part["length"].values,
                strict=True,
            )
        },
        alphabet="DNA",
    )  # fmt: skip
    likes = mt.to_dataframe(mt.tl.annotate(motifs, collection, n_nearest=collection.sizes["motif"]))
    assert set(names) <= set(likes.loc[likes["q_value"] < 0.05, "motif"])
