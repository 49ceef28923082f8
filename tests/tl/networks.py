"""Small networks that say little and say it exactly."""

import torch
from torch import nn

LENGTH = 12


class Network(nn.Module):
    """Two named outputs from convolution, ReLU, pooling; further arguments are added."""

    target_names = ("first", "second")

    def __init__(self, channels: int = 4, length: int = LENGTH, inplace: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.convolution = nn.Conv1d(channels, 6, 3)
            self.relu = nn.ReLU(inplace=inplace)
            self.pool = nn.MaxPool1d(2)
            self.dropout = nn.Dropout(0.5)
            self.dense = nn.Linear(6 * ((length - 2) // 2), 2)
            self.tanh = nn.Tanh()

    def forward(self, letters, extra=None):
        hidden = self.pool(self.relu(self.convolution(letters)))
        output = self.tanh(self.dense(self.dropout(hidden).flatten(1)))
        return output if extra is None else output + extra


class Failing(Network):
    """Gives up at its call number `calls`."""

    def __init__(self, calls: int = 3) -> None:
        super().__init__()
        self.left = calls

    def forward(self, letters):
        self.left -= 1
        if self.left == 0:
            raise ArithmeticError("gave up")
        return super().forward(letters)


class Crowded(Network):
    """Has no room on the GPU for more than `most` sequences at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self.sizes: list[int] = []

    def forward(self, letters, extra=None):
        self.sizes.append(len(letters))
        if len(letters) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(letters, extra)
