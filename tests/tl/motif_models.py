"""Models whose motifs have known effects."""

import numpy as np
import torch
from torch import nn

WORDS = {"GATA": "TGATAAGG", "E-box": "CACCTGAC"}


class Epistasis(nn.Module):
    """Effects of two words wherever they stand, of both together, and of every letter.

    ``a`` for the first word, ``b`` for the second, ``both`` more for the two, plus the sum of
    `weights` (letter, position), in which all letters add up.
    """

    def __init__(self, a=0.0, b=0.0, both=0.0, *, weights=None, words=None):
        super().__init__()
        self.words = nn.ParameterList(
            [torch.tensor([[letter == one for letter in word] for one in "ACGT"], dtype=torch.float)
             for word in words or WORDS.values()]
        )  # fmt: skip
        self.effects = a, b, both
        self.weights = None if weights is None else torch.as_tensor(weights, dtype=torch.float)

    def forward(self, letters):
        there = []
        for word in self.words:
            score = nn.functional.conv1d(letters[:, :4], word[None]).amax(dim=(1, 2))
            there.append((score == word.shape[1]).float())
        a, b, both = self.effects
        output = a * there[0] + b * there[1] + both * there[0] * there[1]
        if self.weights is not None:
            output = output + (letters[:, :4] * self.weights).sum(dim=(1, 2))
        return output[:, None]


def noise(codes):
    """Numbers from a normal distribution that depend on every letter, and on nothing simpler."""
    keys = np.random.default_rng(5).integers(1, 2**62, (codes.shape[1], 4)).astype(np.uint64)
    letters = keys[np.arange(codes.shape[1]), codes]
    mixed = np.bitwise_xor.reduce(letters, axis=1)
    return np.array([np.random.default_rng(int(one)).normal() for one in mixed])[:, None]
