"""Models of the sorts that convolutions come in, and what must be found of each layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

LENGTH = 97


class Residual(nn.Module):
    """Dilated convolutions with residual sums, padded or cropped, as in BPNet."""

    def __init__(self, *, cropped: bool) -> None:
        super().__init__()
        self.cropped = cropped
        self.first = nn.Conv1d(4, 9, 7, padding=3)
        self.dilated = nn.ModuleList(
            nn.Conv1d(9, 9, 3, dilation=2**i, padding=0 if cropped else 2**i) for i in (1, 2, 3)
        )
        self.profile = nn.Conv1d(9, 2, 11, padding=5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        for layer in self.dilated:
            y = torch.relu(layer(x))
            side = (x.shape[-1] - y.shape[-1]) // 2
            x = (x[..., side : x.shape[-1] - side] if self.cropped else x) + y
        return self.profile(x).mean(-1)


class Image(nn.Module):
    """Two-dimensional convolutions of (4, length, 1), as in Basset."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 8, (7, 1), padding=(3, 0))
        self.norm = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d((3, 1))
        self.second = nn.Conv2d(8, 6, (5, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(F.relu(self.norm(self.first(x.unsqueeze(-1))), inplace=True))
        return F.gelu(self.second(x)).flatten(1).sum(1)


class LettersAsRows(nn.Module):
    """A convolution over all letters of an image (1, 4, length), then a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, (4, 9))
        self.recurrent = nn.LSTM(8, 5, batch_first=True, bidirectional=True)
        self.second = nn.Conv1d(10, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool1d(F.relu(self.first(x[:, None]).squeeze(2)), 4, 4)
        x, _ = self.recurrent(x.permute(0, 2, 1))
        return self.second(x.permute(0, 2, 1)).amax(-1)


class Between(nn.Module):
    """Three convolutions with something after the first."""

    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self.first = nn.Conv1d(4, 8, 5)
        self.between = between
        self.second = nn.Conv1d(8, 6, 3, stride=2, padding="valid")
        self.third = nn.Conv1d(6, 4, 4, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.between(self.first(x)), inplace=True)
        return self.third(F.relu(self.second(x), inplace=True)).amax(-1)


class Excitation(nn.Module):
    """Channels scaled by what all positions say (squeeze and excitation)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(4, 8, 5, padding=2)
        self.scale = nn.Linear(8, 8)
        self.second = nn.Conv1d(8, 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.silu(self.first(x))
        return self.second(x * torch.sigmoid(self.scale(x.mean(-1)))[:, :, None]).mean(-1)


class PointwiseBlock(nn.Module):
    """Depthwise convolution, layer normalization and dense layers at each position, reshapes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(4, 8, 15, padding=7)
        self.depthwise = nn.Conv1d(8, 8, 7, padding=3, groups=8)
        self.norm = nn.LayerNorm(8)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.out = nn.Conv1d(8, 5, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        y = self.norm(self.depthwise(x).transpose(1, 2))
        x = x + self.down(F.gelu(self.up(y))).transpose(1, 2)
        n, channels, length = x.shape
        return self.out(x.reshape(n, channels, 1, length).view(n, channels, length)).logsumexp(-1)


class Places(nn.Module):
    """Adds weights that each position has of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(4, 8, 5), nn.Conv1d(8, 6, 3)
        self.places = nn.Parameter(torch.randn(8, LENGTH - 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.relu(self.first(x) + self.places)).mean(-1)


class BothStrands(nn.Module):
    """Runs its layers twice, the second time on the other strand."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(4, 8, 5), nn.ReLU(inplace=True), nn.AvgPool1d(2), nn.Conv1d(8, 3, 4)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.maximum(self.body(x), self.body(x.flip([1, 2])).flip(-1)).mean(-1)


class Branches(nn.Module):
    """Branches of different widths, side by side; the last convolution has no module."""

    def __init__(self) -> None:
        super().__init__()
        self.short = nn.Conv1d(4, 3, 3, padding=1)
        self.long = nn.Conv1d(4, 5, 9, padding=4)
        self.single = nn.Conv1d(4, 2, 1)
        self.joined = nn.Conv1d(10, 6, 3, padding=1)
        self.weight = nn.Parameter(torch.randn(7, 6, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([F.relu(self.short(x)), F.relu(self.long(x)), self.single(x)], 1)
        return F.conv1d(F.pad(self.joined(x), (1, 0)), self.weight).sum(-1)


class Scaled(nn.Module):
    """Divides by a number that it takes from its sequences."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(4, 3, 3), nn.Conv1d(3, 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.second(x / float(x.abs().max())).mean(-1)


class Attention(nn.Module):
    """Attention, positions first and sequences first, before a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(4, 8, 3, padding=1)
        self.attention = nn.MultiheadAttention(8, 2)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.second = nn.Conv1d(8, 6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x).permute(2, 0, 1)
        x = self.encoder(self.attention(x, x, x)[0].transpose(0, 1))
        return self.second(x.transpose(1, 2)).mean(-1)


def strided() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(4, 8, 3, padding=1, padding_mode="circular"),
        nn.MaxPool1d(3, stride=2, padding=1),
        nn.Conv1d(8, 3, 3, padding=2, dilation=2, padding_mode="reflect"),
        nn.Conv1d(3, 2, 4, stride=3),
    )


def followed_by(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv1d(4, 8, 3), layer, nn.Conv1d(8, 3, 3))


# Name, model, and of each layer: name, receptive field, jump. A jump below 0: windows one by one.
MODELS: dict[str, tuple[Callable[[], nn.Module], list[tuple[str, int, int]]]] = {
    "residual": (
        lambda: Residual(cropped=False),
        [("first", 7, 1), ("dilated.0", 11, 1), ("dilated.1", 19, 1), ("dilated.2", 35, 1),
         ("profile", 45, 1)],
    ),
    "cropped": (
        lambda: Residual(cropped=True),
        [("first", 7, 1), ("dilated.0", 11, 1), ("dilated.1", 19, 1), ("dilated.2", 35, 1),
         ("profile", 45, 1)],
    ),
    "image": (Image, [("first", 7, 1), ("second", 21, 3)]),
    "letters as rows": (LettersAsRows, [("first", 9, 1), ("second", 20, -4)]),
    "batch norm": (
        lambda: Between(nn.BatchNorm1d(8)), [("first", 5, 1), ("second", 7, 2), ("third", 13, 2)]
    ),
    "dropout": (
        lambda: Between(nn.Dropout(0.5)), [("first", 5, 1), ("second", 7, 2), ("third", 13, 2)]
    ),
    "instance norm": (
        lambda: Between(nn.InstanceNorm1d(8)),
        [("first", 5, 1), ("second", 7, -2), ("third", 13, -2)],
    ),
    "group norm": (
        lambda: Between(nn.GroupNorm(2, 8)),
        [("first", 5, 1), ("second", 7, -2), ("third", 13, -2)],
    ),
    "softmax": (
        lambda: Between(nn.Softmax(-1)), [("first", 5, 1), ("second", 7, -2), ("third", 13, -2)]
    ),
    "excitation": (Excitation, [("first", 5, 1), ("second", 7, -1)]),
    "pointwise block": (PointwiseBlock, [("stem", 15, 1), ("depthwise", 21, 1), ("out", 23, 1)]),
    "places": (Places, [("first", 5, 1), ("second", 0, 0)]),
    "both strands": (BothStrands, [("body.0", 5, 1), ("body.3", 12, 2)]),
    "branches": (
        Branches,
        [("short", 3, 1), ("long", 9, 1), ("single", 1, 1), ("joined", 11, 1),
         ("convolution", 12, 1)],
    ),
    "scaled": (Scaled, [("first", 3, 1), ("second", 0, 0)]),
    "attention": (Attention, [("first", 3, 1), ("second", 5, -1)]),
    "strided": (strided, [("0", 3, 1), ("2", 13, 2), ("3", 19, 6)]),
    "adaptive": (lambda: followed_by(nn.AdaptiveMaxPool1d(10)), [("0", 3, 1), ("2", 0, 0)]),
    "upsampled": (lambda: followed_by(nn.Upsample(scale_factor=2)), [("0", 3, 1), ("2", 0, 0)]),
}  # fmt: skip


def make(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = MODELS[name][0]()
    for part in model.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    return model.eval()
