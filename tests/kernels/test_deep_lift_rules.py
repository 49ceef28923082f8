"""DeepLIFT through layers that tangermeme has no rule for: attributions still add up."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

import mutua as mt
from mutua.tl.attribution import attribute

LENGTH = 12


@pytest.fixture
def seqs():
    return mt.pp.random_sequences(7, length=LENGTH, seed=3)


class Mine(nn.ReLU):
    """A layer derived from one that has a rule."""


@pytest.mark.parametrize(
    "layer",
    [
        Mine(), nn.Hardtanh(-0.2, 0.1), nn.Hardswish(), nn.Softsign(), nn.GELU(),
        nn.AdaptiveMaxPool1d(LENGTH - 2), nn.AdaptiveMaxPool1d(1), nn.AdaptiveMaxPool1d(4),
    ],
    ids=str,
)  # fmt: skip
def test_further_layers_have_rules(seqs, layer):
    width = getattr(layer, "output_size", LENGTH - 2)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        parts = nn.Conv1d(4, 5, 3), layer, nn.Flatten(), nn.Linear(5 * width, 1)
    model = nn.Sequential(*parts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        out = attribute(seqs, model, n_references=5)
    assert np.abs(out["convergence_delta"]).max() < 1e-5


def test_a_forward_of_its_own_has_not_the_rule_of_the_parent(seqs):
    """Layer normalization over channels: its parent's rule would take positions for channels."""

    class ChannelNorm(nn.LayerNorm):
        def forward(self, maps):
            return super().forward(maps.transpose(1, 2)).transpose(1, 2)

    with torch.random.fork_rng():
        torch.manual_seed(1)
        parts = nn.Conv1d(4, 5, 3), ChannelNorm(5), nn.Flatten(), nn.Linear(5 * (LENGTH - 2), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the integral has few points
        out = attribute(seqs, nn.Sequential(*parts), n_references=5)
    assert np.abs(out["convergence_delta"]).max() < 1e-2
    assert np.abs(out["attribution"]).max() > 0.1


def test_layers_without_a_rule_are_warned_of(seqs):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            with torch.random.fork_rng():
                torch.manual_seed(0)
                self.layer = nn.GRU(4, 3, batch_first=True)

        def forward(self, letters):
            return self.layer(8 * letters.transpose(1, 2))[0][:, -1].sum(1)

    with pytest.warns(UserWarning, match="do not add up") as caught:
        attribute(seqs, Recurrent(), n_references=5)
    assert len(caught) == 1
    assert caught[0].filename == __file__
