"""The table of the convolutional layers of a model."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import torch
from torch import nn

import mutua as mt
from mutua.errors import InvalidInput


def test_pooled_stack_has_the_receptive_fields_of_the_formula() -> None:
    layers: list[nn.Module] = [nn.Conv1d(4, 6, 5, bias=False)]
    for _ in range(6):
        layers += [nn.ReLU(), nn.Conv1d(6, 6, 5, padding=2), nn.MaxPool1d(2)]
    sequences = mt.pp.random_sequences(2, length=700, seed=0)
    table = mt.tl.layers(nn.Sequential(*layers), sequences)
    assert table["receptive_field"].values.tolist() == [5, 9, 18, 36, 72, 144, 288]
    assert table["jump"].values.tolist() == [1, 1, 2, 4, 8, 16, 32]
    assert table["layer"].values.tolist() == ["0", "2", "5", "8", "11", "14", "17"]
    assert table["padding"].values.tolist() == [0] + [2] * 6
    assert table["exact"].values.all()
    assert table["jump"].attrs["units"] == "letters"


def test_real_model() -> None:
    sequences = mt.pp.random_sequences(2, length=53, seed=0)
    table = mt.tl.layers(mt.datasets.splice_acceptor(), sequences)
    assert table["channels"].values.tolist() == [32, 32]
    assert table["kernel"].values.tolist() == [15, 1]
    assert table["receptive_field"].values.tolist() == [15, 15]


class Scaled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(5, 3, 5)

    def forward(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        return self.first(x).mean(-1) * scale[:, None]


@pytest.mark.parametrize("lazy", [False, True])
def test_tracks_and_arguments(lazy: bool) -> None:
    sequences = mt.SequenceSet.build(
        np.zeros((7, 30), np.uint8), alphabet="DNA", tracks=np.ones((7, 1, 30), np.float32),
        track=["frame"],
    )  # fmt: skip
    scale = da.ones(7, chunks=3) if lazy else np.ones(7)
    table = mt.tl.layers(Scaled(), sequences, args=[scale])
    assert table["layer"].values.tolist() == ["first"]


def test_models_without_convolutions_are_refused() -> None:
    sequences = mt.pp.random_sequences(2, length=9, seed=0)
    with pytest.raises(InvalidInput, match="runs no convolution"):
        mt.tl.layers(nn.Sequential(nn.Flatten(), nn.Linear(36, 2)), sequences)
    with pytest.raises(InvalidInput, match=r"`model`.*a function"):
        mt.tl.layers(lambda x: x, sequences)
