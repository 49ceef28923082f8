"""What an autoencoder is made of: its layers, the scaling of its input, and its stored form."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mutua.errors import InvalidInput

__all__ = [
    "ACTIVATIONS",
    "Architecture",
    "Autoencoder",
    "Scaling",
    "first_network",
    "from_bytes",
    "to_bytes",
]

ACTIVATIONS: Final = {"relu": "ReLU", "elu": "ELU", "gelu": "GELU", "tanh": "Tanh"}
_SCALING: Final = ("scaling.mean", "scaling.factor")


class Architecture(NamedTuple):
    """The layers of the encoder; those of the decoder are the same in the opposite order."""

    n_latent: int = 50
    hidden_layers: tuple[int, ...] = (512, 128)
    dropout: float = 0.2
    activation: str = "relu"


class Scaling(NamedTuple):
    """How values are scaled before they go in: (value - mean) * factor, float64 (feature,)."""

    mean: npt.NDArray[np.float64]
    factor: npt.NDArray[np.float64]


class Autoencoder(NamedTuple):
    """A torch module with the parts ``encoder`` and ``decoder``, and the scaling of its input."""

    network: Any
    scaling: Scaling


def first_network(n_features: int, architecture: Architecture, draws: Any) -> Any:
    """Give the torch module of an autoencoder with its first weights.

    Weights are uniform as Glorot and Bengio (2010) have them, biases zero.

    Parameters
    ----------
    n_features
        Number of features of the table.
    architecture
        The layers.
    draws
        The torch generator of the weights.
    """
    from torch import nn

    network = _network(n_features, architecture)
    for name, part in network.named_parameters():
        if name.endswith("weight"):
            nn.init.xavier_uniform_(part, generator=draws)
        else:
            nn.init.zeros_(part)
    return network


def to_bytes(model: Autoencoder) -> npt.NDArray[np.uint8]:
    """Give a model in the safetensors format: weights and scaling, nothing that could run."""
    import torch
    from safetensors.torch import save

    scaling = {
        name: torch.from_numpy(part) for name, part in zip(_SCALING, model.scaling, strict=True)
    }
    return np.frombuffer(save({**model.network.state_dict(), **scaling}), np.uint8).copy()


def from_bytes(stored: npt.NDArray[np.uint8], *, n_features: int, activation: str) -> Autoencoder:
    """Give back the model that `to_bytes` stored.

    Raises
    ------
    InvalidInput
        If these are no such bytes, or weights are missing, of other shapes or not finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        parts = load(np.asarray(stored, np.uint8).tobytes())
    except (SafetensorError, TypeError, ValueError) as error:
        raise _unusable(f"no safetensors: {error}") from None
    if activation not in ACTIVATIONS:
        raise _unusable(f"the activation {activation!r} is unknown")
    n_hidden = sum(name.startswith("encoder.hidden_") for name in parts) // 2
    names = [f"encoder.{name}.weight" for name in _layer_names(n_hidden, "latent")]
    widths = [len(parts[name]) if name in parts and parts[name].ndim else 0 for name in names]
    architecture = Architecture(widths[-1], tuple(widths[:-1]), 0.0, activation)
    if min(widths) < 1:
        raise _unusable("layers of the encoder are missing")
    network = _network(n_features, architecture)
    expected = {name: tuple(part.shape) for name, part in network.state_dict().items()}
    expected |= dict.fromkeys(_SCALING, (n_features,))
    found = {name: tuple(part.shape) for name, part in parts.items()}
    if found != expected:
        wrong = sorted(k for k in {*found, *expected} if found.get(k) != expected.get(k))
        shape, other = found.get(wrong[0]), expected.get(wrong[0])
        raise _unusable(f"{wrong[0]} has the shape {shape}, not {other}")
    for name, part in parts.items():
        wanted = "torch.float64" if name in _SCALING else "torch.float32"
        if str(part.dtype) != wanted or not bool(part.isfinite().all()):
            raise _unusable(f"{name} is not made of finite {wanted} numbers")
    mean, factor = (parts.pop(name).numpy().copy() for name in _SCALING)
    network.load_state_dict(parts)  # a copy, in memory that torch has aligned
    return Autoencoder(network.requires_grad_(False).eval(), Scaling(mean, factor))


def _unusable(found: str) -> InvalidInput:
    return InvalidInput("model", f"the stored autoencoder cannot be used: {found}", "train it anew")


def _layer_names(n_hidden: int, last: str) -> list[str]:
    return [*(f"hidden_{number + 1}" for number in range(n_hidden)), last]


def _network(n_features: int, architecture: Architecture) -> Any:
    """Give the torch module, its weights not yet set."""
    from torch import nn

    hidden = architecture.hidden_layers
    parts = {
        "encoder": _dense((n_features, *hidden, architecture.n_latent), "latent", architecture),
        "decoder": _dense(
            (architecture.n_latent, *reversed(hidden), n_features), "output", architecture
        ),
    }
    return nn.Sequential(OrderedDict(parts))


def _dense(widths: Sequence[int], last: str, architecture: Architecture) -> Any:
    """Give dense layers, the last one linear.

    Dropout stands between hidden layers, or after the only one, and so the decoder mirrors the
    encoder.
    """
    import torch
    from torch import nn

    layers: OrderedDict[str, Any] = OrderedDict()
    n_hidden = len(widths) - 2
    for number, name in enumerate(_layer_names(n_hidden, last)):
        # Made without memory first: torch's own first weights would use up random numbers.
        dense = nn.Linear(widths[number], widths[number + 1], device="meta", dtype=torch.float32)
        layers[name] = dense.to_empty(device="cpu")
        if name != last:
            layers[f"activation_{number + 1}"] = getattr(nn, ACTIVATIONS[architecture.activation])()
            if number < max(1, n_hidden - 1):
                layers[f"dropout_{number + 1}"] = nn.Dropout(architecture.dropout)
    return nn.Sequential(layers)
