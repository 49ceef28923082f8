"""Activations of neurons in all windows at once, beside those of windows that are cut out.

Both do the same work in one process, in turns. The windows that are cut out go through the same
layers, as the model has them, in batches. One thread, so that other work counts little. Then the
motifs of all neurons of two layers of a trained network: time, and the share of leaves whose best
letters reach 95 % of their largest activation.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import nn

import mutua as mt
from mutua.kernels.conv_layers import trace_convolutions
from mutua.kernels.letters import one_hot
from mutua.kernels.window_activations import WindowEvaluator

N_SEQUENCES, LENGTH, CHANNELS = 40, 1_000, 64
BATCH = 4_096
ROUNDS = 3


class ChannelNorm(nn.LayerNorm):
    """Layer normalization over channels."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Give the maps, normalized position by position."""
        return super().forward(maps.transpose(1, 2)).transpose(1, 2)


def pooled_stack() -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv1d(4, CHANNELS, 5, bias=False)]
    for _ in range(6):
        layers += [
            ChannelNorm(CHANNELS), nn.ReLU(), nn.Conv1d(CHANNELS, CHANNELS, 5), nn.MaxPool1d(2)
        ]  # fmt: skip
    return nn.Sequential(*layers).eval()


@torch.no_grad()
def cut_out(layers: nn.Sequential, sequences: np.ndarray, width: int) -> np.ndarray:
    windows = torch.from_numpy(sequences).unfold(2, width, 1).movedim(2, 1)
    n, n_starts = windows.shape[:2]
    flat = windows.reshape(n * n_starts, -1, width)
    values = torch.cat([layers(part)[:, :, 0] for part in flat.split(BATCH)])
    return values.reshape(n, n_starts, -1).movedim(1, 2).numpy()


def all_motifs(layer: str) -> None:
    example = mt.datasets.pooled_cnn()
    start = time.perf_counter()
    motifs = mt.tl.neuron_motifs(example.sequences, example.model, layer)
    took = time.perf_counter() - start
    clear = float((motifs["activation_consensus"] > 0.95 * motifs["activation_max"]).mean())
    n_neurons = len(set(motifs["neuron"].values))
    print(
        f"motifs of {layer}: {took:.1f} s, {motifs.sizes['motif']} leaves of {n_neurons} neurons, "
        f"{100 * clear:.0f} % clear"
    )


def main() -> None:
    torch.set_num_threads(1)
    model = pooled_stack()
    codes = mt.pp.random_sequences(N_SEQUENCES, length=LENGTH, seed=0)["codes"].values
    sequences = one_hot(codes, 4)
    traced = trace_convolutions(model, n_letters=4, length=LENGTH)
    for number, layer in enumerate(traced.layers[:5]):
        found = WindowEvaluator(traced, layer.name)
        part = model[: 1 + 4 * number - (number > 0)]
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            ours = found.windows(sequences)
            middle = time.perf_counter()
            theirs = cut_out(part, sequences, layer.receptive_field)
            times.append((middle - start, time.perf_counter() - middle))
        least = np.array(times).min(axis=0)
        off = np.abs(ours - theirs).max() / np.abs(theirs).max()
        print(
            f"all windows of {layer.receptive_field}: {least[0]:.3f} s, cut out {least[1]:.3f} s, "
            f"ratio {least[1] / least[0]:.1f}, largest difference {off:.1e}"
        )
    for layer in ("layers.conv2", "layers.conv3"):
        all_motifs(layer)


if __name__ == "__main__":
    main()
