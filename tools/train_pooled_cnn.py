"""Train the model that `mutua.datasets.pooled_cnn` gives, and store its weights.

    python tools/train_pooled_cnn.py                     # in place
    python tools/train_pooled_cnn.py --output elsewhere  # to compare with the bundled weights

Trains on sequences of `mutua.datasets.simulate_motif_syntax`, whose seed is not that of the
held-out ones. Takes some four minutes of one core. The bundled weights were made with torch
2.13.0 (CPU) and one thread; the same version on the same kind of processor gives the same bytes,
others give a model that is as good. Prints the row of checksums for
src/mutua/datasets/SOURCES.md.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mutua.datasets import simulate_motif_syntax
from mutua.datasets._pooled_cnn import HELD_OUT_SEED, WEIGHTS, PooledCNN

TRAINING_SEED = 0
THREADS = 1
BATCH = 128
LEARNING_RATE = 4e-3
WEIGHT_DECAY = 0.3


def examples(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Give letter codes (n, position) and values (n, 2), with noise and without."""
    sequences = simulate_motif_syntax(n=n, length=PooledCNN.length, seed=seed).sequences
    codes = torch.from_numpy(sequences["codes"].values.astype(np.int64))
    return codes, torch.from_numpy(sequences["prediction"].values)


def one_hot(codes: Tensor) -> Tensor:
    """Give (batch, 4, position) float32."""
    return nn.functional.one_hot(codes, 4).transpose(1, 2).float()


def explained(model: nn.Module, codes: Tensor, values: Tensor) -> float:
    """Give the share of the variance of the values that the model explains."""
    model.eval()
    with torch.no_grad():
        predicted = torch.cat([model(one_hot(part))[:, 0] for part in codes.split(500)])
    return float(1 - (values - predicted).square().sum() / (values - values.mean()).square().sum())


def train(n: int, n_epochs: int) -> PooledCNN:
    """Give the model after some epochs of Adam with decoupled weight decay."""
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(TRAINING_SEED)
    codes, values = examples(n, TRAINING_SEED)
    held_out, held_out_values = examples(2_000, HELD_OUT_SEED)
    model = PooledCNN()
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    n_steps = n_epochs * (n // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=n_steps, pct_start=0.2
    )
    started = time.monotonic()
    for epoch in range(n_epochs):
        model.train()
        for rows in torch.randperm(n)[: n // BATCH * BATCH].split(BATCH):
            optimizer.zero_grad()
            predicted = model(one_hot(codes[rows]))[:, 0]
            loss = nn.functional.mse_loss(predicted, values[rows, 0])
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        score = explained(model, held_out, held_out_values[:, 1])
        seconds = time.monotonic() - started
        print(
            f"epoch {epoch + 1}: R2 of the true held-out values {score:.4f}, {seconds:.0f} s",
            flush=True,
        )
    return model.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the model of mutua.datasets.pooled_cnn.")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="file to write")
    parser.add_argument("--sequences", type=int, default=40_000)
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    model = train(options.sequences, options.epochs)
    save_file(
        {name: part.contiguous() for name, part in model.state_dict().items()}, options.output
    )
    content = options.output.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    print(f"| `{options.output.name}` | {len(content):,} | `{digest}` |")


if __name__ == "__main__":
    main()
