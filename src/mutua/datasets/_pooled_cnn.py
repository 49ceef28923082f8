"""A small convolutional and recurrent model that was trained on known rules."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mutua.datasets._motif_syntax import simulate_motif_syntax
from mutua.errors import InvalidInput
from mutua.models import Annotations, Dataset, MotifSet, SequenceSet, Table

__all__ = ["MotifSyntaxModel", "PooledCNN", "pooled_cnn"]

WEIGHTS = Path(__file__).resolve().parent / "data" / "pooled_cnn.safetensors"
HELD_OUT_SEED = 1
"""The model was trained on sequences of another seed (`tools/train_pooled_cnn.py`)."""


class ChannelNormalization(nn.LayerNorm):
    """Layer normalization over the channels of (batch, channel, position), position by position."""

    def forward(self, maps: Tensor) -> Tensor:
        """Give the maps with mean 0 and variance 1 over channels, then scaled and shifted."""
        return super().forward(maps.transpose(1, 2)).transpose(1, 2)


class PooledCNN(nn.Module):
    """Convolutions with pooling between them, then a recurrent layer, 29,121 weights.

    A convolution of the letters, then four blocks of layer normalization over channels, ReLU,
    convolution and maximum of two neighbours; layer normalization and ReLU; a gated recurrent
    unit (GRU), of which the last state is kept; batch normalization, ReLU and a dense layer,
    twice. All convolutions are 5 wide, have 32 channels and no padding, so that every window of a
    sequence is seen alike. The neurons of the five convolutions see 5, 9, 18, 36 and 72
    letters; of 192 letters the pooling leaves none out.

    Use `pooled_cnn` for the trained model; this class alone has random weights.

    Attributes
    ----------
    alphabet
        Order of the letters in the input.
    length
        Number of positions of the input.
    target_names
        Name of each column of the output.

    Examples
    --------
    >>> model = PooledCNN().eval()
    >>> model(torch.zeros(2, 4, 192)).shape
    torch.Size([2, 1])
    """

    alphabet: ClassVar[str] = "ACGT"
    length: ClassVar[int] = 192
    target_names: ClassVar[tuple[str, ...]] = ("value",)

    def __init__(self) -> None:
        super().__init__()
        channels, width, n_blocks = 32, 5, 4
        layers = OrderedDict[str, nn.Module](conv1=nn.Conv1d(4, channels, width, bias=False))
        for block in range(1, n_blocks + 1):
            layers[f"normalization{block}"] = ChannelNormalization(channels)
            layers[f"relu{block}"] = nn.ReLU()
            layers[f"conv{block + 1}"] = nn.Conv1d(channels, channels, width)
            layers[f"pool{block}"] = nn.MaxPool1d(2)
        layers["normalization"] = ChannelNormalization(channels)
        layers["relu"] = nn.ReLU()
        self.layers = nn.Sequential(layers)
        self.recurrent = nn.GRU(channels, channels, batch_first=True)
        self.head = nn.Sequential(
            OrderedDict[str, nn.Module](
                normalization1=nn.BatchNorm1d(channels),
                relu1=nn.ReLU(),
                dense=nn.Linear(channels, channels),
                normalization2=nn.BatchNorm1d(channels),
                relu2=nn.ReLU(),
                value=nn.Linear(channels, 1),
            )
        )

    def forward(self, sequences: Tensor) -> Tensor:
        """Give the value of each sequence.

        Parameters
        ----------
        sequences
            Float (batch, 4, 192): one-hot or letter probabilities in the order ACGT; an unknown
            letter is all zeros.

        Returns
        -------
        torch.Tensor
            (batch, 1).

        Raises
        ------
        InvalidInput
            The input has other dims.
        """
        expected = (len(self.alphabet), self.length)
        if sequences.ndim != 3 or tuple(sequences.shape[1:]) != expected:
            raise InvalidInput(
                "sequences",
                f"shape {tuple(sequences.shape)}",
                f"give (batch, {expected[0]}, {expected[1]}): letters in the order "
                f"{self.alphabet} before positions",
            )
        states, _ = self.recurrent(self.layers(sequences).transpose(1, 2))
        value: Tensor = self.head(states[:, -1])
        return value


class MotifSyntaxModel(NamedTuple):
    """A trained model, sequences that it has not seen, and the rules that it should have learned.

    All but the model are as in `MotifSyntax`.
    """

    model: PooledCNN
    sequences: Dataset[SequenceSet]
    motifs: Dataset[MotifSet]
    sites: Dataset[Annotations]
    effects: Dataset[Table]
    interactions: Dataset[Table]


def pooled_cnn() -> MotifSyntaxModel:
    """Give a model trained on `simulate_motif_syntax`, with 2,000 sequences that it has not seen.

    The model takes float32 (batch, 4, 192), letters in the order ACGT, and gives (batch, 1), the
    value of the sequence. It is on the CPU and in evaluation mode. What it should have learned
    comes with it: the motifs, their effects, and which pairs of them act together. The sequences
    are those of ``simulate_motif_syntax(seed=1)``; it was trained on others.

    Returns
    -------
    model : PooledCNN
        A `torch.nn.Module`.
    sequences, motifs, sites, effects, interactions
        As given by `simulate_motif_syntax`.

    References
    ----------
    The architecture is that of CombMotif, smaller.

    Examples
    --------
    >>> import numpy as np
    >>> import mutua as mt
    >>> example = mt.datasets.pooled_cnn()
    >>> codes = torch.from_numpy(example.sequences["codes"].values.astype(int))
    >>> one_hot = torch.nn.functional.one_hot(codes, 4).transpose(1, 2).float()
    >>> with torch.no_grad():
    ...     predicted = example.model(one_hot)[:, 0].numpy()
    >>> true = example.sequences["prediction"].sel(target="true").values
    >>> bool(np.corrcoef(predicted, true)[0, 1] ** 2 > 0.9)
    True
    """
    # On the meta device no random weights are drawn, so the caller's random state stays as it is.
    with torch.device("meta"):
        model = PooledCNN()
    model.load_state_dict(load_file(WEIGHTS), assign=True)
    held_out = simulate_motif_syntax(length=model.length, seed=HELD_OUT_SEED)
    return MotifSyntaxModel(model.eval(), *held_out)
