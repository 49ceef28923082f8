"""`device` reaches all that looks at neurons, and both devices give the same."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import xarray as xr

import mutua as mt
from mutua.errors import DeviceUnavailable, InvalidInput

VERBS: dict[str, Callable[..., xr.Dataset]] = {
    "activating_windows": lambda sequences, model, **options: mt.tl.activating_windows(
        sequences, model, "2", **options
    ),
    "neuron_effects": lambda sequences, model, **options: mt.tl.neuron_effects(
        sequences, model, ["0", "2"], **options
    ),
    "neuron_motifs": lambda sequences, model, **options: mt.tl.neuron_motifs(
        sequences, model, "2", n_sequences=200, **options
    ),
}
verbs = pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))


def detector(n_channels: int = 5) -> torch.nn.Module:
    """Two words in a first layer, and their sum a pool later, which is the prediction."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv1d(4, n_channels, 6),
        torch.nn.Sequential(torch.nn.ReLU(), torch.nn.MaxPool1d(2)),
        torch.nn.Conv1d(n_channels, 2, 3),
        torch.nn.AdaptiveMaxPool1d(1),
        torch.nn.Flatten(),
    )
    with torch.no_grad():
        model[0].weight.mul_(0.2)
        model[0].bias.fill_(-3)
        for channel, word in enumerate(("GATTAC", "CCGTGA")):
            letters = torch.tensor(["ACGT".index(letter) for letter in word])
            model[0].weight[channel] = torch.where(torch.arange(4)[:, None] == letters, 1.0, -1.0)
        model[2].weight.zero_()
        model[2].bias.zero_()
        model[2].weight[0, 0, 1] = model[2].weight[1, 1, 1] = 1
    return model


def planted(n: int, length: int) -> xr.Dataset:
    sequences = mt.pp.random_sequences(n, length=length, seed=0)
    half = mt.pp.embed_motifs(sequences, {"word": "GATTAC"}, position=7)
    codes = np.where(np.arange(n)[:, None] < n // 2, half["codes"], sequences["codes"])
    return sequences.assign(codes=sequences["codes"].copy(data=codes))


@verbs
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_devices_that_are_not_there_are_refused(verb: Callable[..., xr.Dataset]) -> None:
    sequences, model = planted(60, 31), detector()
    with pytest.raises(DeviceUnavailable, match="device='cuda'"):
        verb(sequences, model, device="cuda")
    with pytest.raises(InvalidInput, match="`device`: 'tpu'"):
        verb(sequences, model, device="tpu")


@verbs
def test_what_a_gpu_does_on_the_cpu(
    verb: Callable[..., xr.Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Larger blocks, and no TF32."""
    sequences, model = planted(60, 31), detector()
    expected = verb(sequences, model, device="cpu")
    monkeypatch.setattr("mutua.kernels.window_activations.WindowEvaluator._on_gpu", True)
    before = torch.backends.cudnn.allow_tf32
    found = verb(sequences, model)
    assert torch.backends.cudnn.allow_tf32 == before
    xr.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert sum(expected.sizes.values()) > 0


@verbs
@pytest.mark.gpu
def test_both_devices_agree(verb: Callable[..., xr.Dataset]) -> None:
    sequences, model = planted(20_000, 200), detector(300)
    # A search goes another way where the last bits differ.
    options = {"source": "data"} if verb is VERBS["neuron_motifs"] else {}
    expected, found = (
        verb(sequences, model, device=device, **options) for device in ("cpu", "cuda")
    )
    assert next(model.parameters()).device.type == "cpu"
    xr.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
