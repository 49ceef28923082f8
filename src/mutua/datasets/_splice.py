"""Two small pre-trained models of human splice sites."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mutua.errors import InvalidInput

__all__ = ["SpliceAcceptor", "SpliceDonor", "splice_acceptor", "splice_donor"]

DATA = Path(__file__).resolve().parent / "data"
KERAS_EPSILON = 1e-3
"""What Keras adds to a variance; torch adds 1e-5 unless told otherwise."""


class _SpliceModel(nn.Module):
    """Layers, then a sigmoid; says which windows it takes.

    Attributes
    ----------
    alphabet
        Order of the letters in the input.
    length
        Number of positions of the input.
    target_names
        Name of each column of the output.
    layers
        Everything up to the sigmoid, so that ``model.layers(x)`` gives log-odds. No activation
        module is used twice, as methods that attach hooks to them need.
    """

    alphabet: ClassVar[str] = "ACGT"
    length: ClassVar[int]
    target_names: ClassVar[tuple[str, ...]]
    layers: nn.Sequential

    def __init__(self, layers: OrderedDict[str, nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(layers)
        self.sigmoid = nn.Sigmoid()

    def forward(self, sequences: Tensor) -> Tensor:
        """Give the probability that each window is a splice site.

        Parameters
        ----------
        sequences
            Float (batch, 4, length): one-hot or letter probabilities in the order ACGT; an unknown
            letter is all zeros.

        Returns
        -------
        torch.Tensor
            (batch, 1), from 0 to 1.

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
        probability: Tensor = self.sigmoid(self.layers(sequences))
        return probability


class SpliceAcceptor(_SpliceModel):
    """Convolutional model of the acceptor (3') splice site, 4,961 stored weights.

    The window has 53 positions: the last 50 nt of the intron (0-49, so that its AG lies at 48
    and 49) and the first 3 nt of the exon (50-52). Two convolutions, 15 nt and then 1 nt wide, each
    with 32 channels, ReLU and batch normalization in this order, then one dense unit.

    Use `splice_acceptor` for the pre-trained model; this class alone has random weights.

    References
    ----------
    Cheng J. et al., MMSplice: modular modeling improves the predictions of genetic variant effects
    on splicing. Genome Biology 20, 48 (2019). Weights: mmsplice 2.4.0, MIT licence.

    Examples
    --------
    >>> model = SpliceAcceptor()
    >>> model(torch.zeros(2, 4, 53)).shape
    torch.Size([2, 1])
    """

    length: ClassVar[int] = 53
    target_names: ClassVar[tuple[str, ...]] = ("acceptor",)

    def __init__(self) -> None:
        channels = 32
        super().__init__(
            OrderedDict[str, nn.Module](
                convolution=nn.Conv1d(4, channels, kernel_size=15, padding=7),
                relu=nn.ReLU(),
                normalization=nn.BatchNorm1d(channels, eps=KERAS_EPSILON, momentum=0.01),
                pointwise=nn.Conv1d(channels, channels, kernel_size=1),
                pointwise_relu=nn.ReLU(),
                pointwise_normalization=nn.BatchNorm1d(channels, eps=KERAS_EPSILON, momentum=0.01),
                flatten=nn.Flatten(),
                dropout=nn.Dropout(0.2),
                dense=nn.Linear(channels * self.length, 1),
            )
        )


class SpliceDonor(_SpliceModel):
    """Dense model of the donor (5') splice site, 18,433 stored weights.

    The window has 18 positions: the last 5 nt of the exon (0-4) and the first 13 nt of the intron
    (5-17, so that its GT lies at 5 and 6). Dense layers of 128, 64 and 1 units; batch
    normalization, ReLU and dropout in this order between them.

    Use `splice_donor` for the pre-trained model; this class alone has random weights.

    References
    ----------
    Cheng J. et al., MMSplice: modular modeling improves the predictions of genetic variant effects
    on splicing. Genome Biology 20, 48 (2019). Weights: mmsplice 2.4.0, MIT licence.

    Examples
    --------
    >>> model = SpliceDonor()
    >>> model(torch.zeros(2, 4, 18)).shape
    torch.Size([2, 1])
    """

    length: ClassVar[int] = 18
    target_names: ClassVar[tuple[str, ...]] = ("donor",)

    def __init__(self) -> None:
        super().__init__(
            OrderedDict[str, nn.Module](
                flatten=nn.Flatten(),
                dense_1=nn.Linear(4 * self.length, 128),
                normalization_1=nn.BatchNorm1d(128, eps=KERAS_EPSILON, momentum=0.01),
                relu_1=nn.ReLU(),
                dropout_1=nn.Dropout(0.2),
                dense_2=nn.Linear(128, 64),
                normalization_2=nn.BatchNorm1d(64, eps=KERAS_EPSILON, momentum=0.01),
                relu_2=nn.ReLU(),
                dropout_2=nn.Dropout(0.2),
                dense_3=nn.Linear(64, 1),
            )
        )


Model = TypeVar("Model", bound=_SpliceModel)


def splice_acceptor() -> SpliceAcceptor:
    """Give the pre-trained model of the human acceptor splice site.

    Takes float32 (batch, 4, 53), letters in the order ACGT: 50 nt of intron, then 3 nt of exon.
    Gives (batch, 1) probabilities. The model is on the CPU and in evaluation mode. Its outputs
    equal those of the Keras original within 1e-5.

    Returns
    -------
    SpliceAcceptor
        A `torch.nn.Module`.

    References
    ----------
    Cheng J. et al., MMSplice: modular modeling improves the predictions of genetic variant effects
    on splicing. Genome Biology 20, 48 (2019). Weights: mmsplice 2.4.0, MIT licence.

    Examples
    --------
    >>> model = splice_acceptor()
    >>> window = "GATTACAGATTACAGATTACAGATTACAGACTAACTTTCTTTTTTTGCAGGTC"
    >>> codes = torch.tensor(["ACGT".index(letter) for letter in window])
    >>> one_hot = torch.nn.functional.one_hot(codes, 4).T[None].float()
    >>> round(model(one_hot).item(), 3)
    0.994
    """
    return _pretrained(SpliceAcceptor, "splice_acceptor.safetensors")


def splice_donor() -> SpliceDonor:
    """Give the pre-trained model of the human donor splice site.

    Takes float32 (batch, 4, 18), letters in the order ACGT: 5 nt of exon, then 13 nt of intron.
    Gives (batch, 1) probabilities. The model is on the CPU and in evaluation mode. Its outputs
    equal those of the Keras original within 1e-5.

    Returns
    -------
    SpliceDonor
        A `torch.nn.Module`.

    References
    ----------
    Cheng J. et al., MMSplice: modular modeling improves the predictions of genetic variant effects
    on splicing. Genome Biology 20, 48 (2019). Weights: mmsplice 2.4.0, MIT licence.

    Examples
    --------
    >>> model = splice_donor()
    >>> codes = torch.tensor(["ACGT".index(letter) for letter in "GACAGGTAAGTATTTCTG"])
    >>> one_hot = torch.nn.functional.one_hot(codes, 4).T[None].float()
    >>> round(model(one_hot).item(), 4)
    0.9996
    """
    return _pretrained(SpliceDonor, "splice_donor.safetensors")


def _pretrained(build: Callable[[], Model], file: str) -> Model:
    """Build a model around stored weights."""
    # On the meta device no random weights are drawn, so the caller's random state stays as it is.
    with torch.device("meta"):
        model = build()
    model.load_state_dict(load_file(DATA / file), assign=True)
    return model.eval()
