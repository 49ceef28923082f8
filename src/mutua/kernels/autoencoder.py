"""A dense autoencoder of a table of samples x features, trained and applied batch by batch.

The table is a dense array or a CSR matrix; only the rows of one batch are ever made dense. On a
CPU torch computes with one thread here, from memory that torch itself has aligned, and every
random number comes from a generator of its own: the same seed gives the same bits whatever the
settings, and the random state of the process is neither used nor changed.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mutua._progress import progress_bar
from mutua.errors import InvalidInput
from mutua.kernels.apply_model import progress_steps, ready
from mutua.kernels.autoencoder_model import Architecture, Autoencoder, Scaling, first_network
from mutua.kernels.devices import torch_device, with_tiles

__all__ = [
    "Encoded",
    "Split",
    "Training",
    "encode",
    "split_samples",
    "train",
]

_BLOCK: Final = 256
"""Rows at once where nothing is learned: always as many, so that settings change no last bits."""
_STEP: Final = 2e7
"""Operations of a step that a CPU does in the millisecond in which a GPU starts its kernels."""
_EPOCHS: Final = 50
"""As they come to be, for the choice of a device."""


class Training(NamedTuple):
    """A trained autoencoder and how the training went; epochs count from 1.

    Losses are mean squared errors of the scaled values.
    """

    model: Autoencoder
    train_loss: npt.NDArray[np.float64]
    """(epoch,): mean over the batches as they were learned from, with dropout."""
    validation_loss: npt.NDArray[np.float64]
    """(epoch,): after the epoch, without dropout."""
    best_epoch: int
    baseline_loss: float
    """What the means of the training samples alone would give on the validation samples."""


class Split(NamedTuple):
    """Row numbers of the samples on either side, int64, in ascending order."""

    training: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]


class Encoded(NamedTuple):
    """Where samples are along the latent dims, and how well they are reconstructed from there."""

    embedding: npt.NDArray[np.float32]
    """(sample, latent)."""
    error: npt.NDArray[np.float64]
    """(sample,): mean over the features of the squared difference of the scaled values."""


def split_samples(
    n: int, *, fraction: float, groups: npt.NDArray[np.int64] | None = None, seed: int = 0
) -> Split:
    """Draw the validation samples.

    Parameters
    ----------
    n
        Number of samples.
    fraction
        Share of the samples to draw, rounded, at least one.
    groups
        int64 (sample,): the group of each. Groups are drawn whole as long as they fit into the
        share; if none fits, the smallest is drawn.
    seed
        Of the draw.

    Raises
    ------
    InvalidInput
        If fewer than two samples, or no other group, would be left for training.

    Examples
    --------
    >>> split_samples(10, fraction=0.2, seed=0).validation.tolist()
    [4, 6]
    >>> split_samples(6, fraction=0.4, groups=np.array([0, 0, 1, 1, 2, 2])).validation.tolist()
    [4, 5]
    """
    random = np.random.default_rng([seed, 0])
    wanted = max(1, round(n * fraction))
    if groups is None:
        held = np.zeros(n, bool)
        held[random.permutation(n)[:wanted]] = True
    else:
        _, groups, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        if len(sizes) < 2:
            found = f"{len(sizes)} group of samples"
            raise InvalidInput("split_by", found, "use a column with two groups at least")
        chosen = _fitting(random.permutation(len(sizes)), sizes, wanted)
        held = np.isin(groups, chosen)
    split = Split(np.flatnonzero(~held), np.flatnonzero(held))
    if len(split.training) < 2:
        found = f"leaves {len(split.training)} of {n} samples for training"
        raise InvalidInput("validation", found, "use a smaller share or more samples")
    return split


def _fitting(
    order: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], wanted: int
) -> npt.NDArray[np.int64]:
    """Give the groups, taken in `order`, that fit into `wanted` samples."""
    chosen: list[int] = []
    for group in order:
        if sizes[group] <= wanted:
            chosen.append(group)
            wanted -= int(sizes[group])
    return np.array(chosen or [int(np.argmin(sizes))])


def train(
    values: Any,
    split: Split,
    *,
    architecture: Architecture = Architecture(),  # noqa: B008 (cannot be changed)
    standardize: bool = True,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
    max_epochs: int = 500,
    patience: int = 30,
    seed: int = 0,
    device: str | None = None,
    progress: bool | None = None,
) -> Training:
    """Train an autoencoder on some rows of a table, as long as it gets better on others.

    Adam on the mean squared error; weights start as Glorot and Bengio (2010) have them, biases at
    zero. The weights of the epoch with the smallest validation loss are kept.

    Parameters
    ----------
    values
        (sample, feature): an array or a CSR matrix of finite numbers.
    split
        Which rows are learned from, and which tell when to stop.
    architecture
        The layers.
    standardize
        Give every feature mean 0 and variance 1 over the training rows. One that is constant
        there becomes 0 everywhere.
    learning_rate
        Of Adam.
    batch_size
        Rows for each step.
    max_epochs
        Most passes over the training rows.
    patience
        Stop after so many epochs without a smaller validation loss.
    seed
        Of the first weights, the order of the rows and the dropout.
    device
        ``auto``, ``cpu`` or ``cuda``; None for the setting. The same numbers are drawn for all.
    progress
        Show a progress bar; None for the setting.

    Raises
    ------
    InvalidInput
        If all features are constant over the training rows, or the losses grow beyond all numbers.
    DeviceUnavailable
        For ``cuda`` without a usable GPU.

    Examples
    --------
    >>> values = np.outer(np.arange(20.0), [1.0, -2.0, 3.0])
    >>> line = Architecture(n_latent=1, hidden_layers=(), dropout=0)
    >>> split = split_samples(20, fraction=0.2)
    >>> done = train(values, split, architecture=line, learning_rate=0.05, max_epochs=100)
    >>> done.baseline_loss > 0.5, bool(done.validation_loss.min() < 1e-3)
    (True, True)
    """
    import torch

    random = np.random.default_rng([seed, 1])
    draws = torch.Generator(device="cpu").manual_seed(int(random.integers(2**62)))
    scaling = _scaling(values, split.training, standardize)
    with torch.inference_mode(False):  # weights of a caller's inference mode cannot learn
        network = first_network(values.shape[1], architecture, draws)
    model = Autoencoder(network, scaling)
    a_step = 6.0 * _n_weights(network) * batch_size
    n_steps = _EPOCHS * len(split.training) / batch_size
    where = torch_device(device, operations=a_step * n_steps if a_step >= _STEP else 0).type
    losses: list[tuple[float, float]] = []
    best, best_epoch, best_weights = math.inf, 0, network.state_dict()
    with torch.inference_mode(False), ready(network, where) as place, _one_thread():
        baseline = _squares(values, split.validation, scaling) / values.shape[1]
        optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
        with progress_bar(max_epochs, "autoencoder", "epoch", progress) as done:
            for epoch in range(1, max_epochs + 1):
                rows = random.permutation(split.training)
                batches = [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
                learn = functools.partial(_learn, model, values, batches, optimizer, draws, place)
                # In smaller batches something else would be learned.
                learned = with_tiles(
                    lambda _, learn=learn: learn(),  # type: ignore[misc]
                    batch_size,
                    smallest=batch_size,
                    argument="batch_size",
                )
                checked = float(_apply(model, values, split.validation, place).error.mean())
                if not (math.isfinite(learned) and math.isfinite(checked)):
                    found = f"{learning_rate:g}: the loss is {learned:g} after epoch {epoch}"
                    remedy = "use a smaller one, or standardize=True"
                    raise InvalidInput("learning_rate", found, remedy)
                losses.append((learned, checked))
                if checked < best:
                    best, best_epoch = checked, epoch
                    best_weights = {k: v.clone() for k, v in network.state_dict().items()}
                elif epoch - best_epoch >= patience:
                    break
                done(1)
        network.load_state_dict(best_weights)
    train_loss, validation_loss = np.array(losses).T
    network.requires_grad_(False).eval()
    return Training(model, train_loss, validation_loss, best_epoch, baseline)


def encode(
    model: Autoencoder, values: Any, *, device: str | None = None, progress: bool | None = None
) -> Encoded:
    """Give the latent dims of the rows of a table, and the errors of their reconstruction.

    The parameters are those of `train`; `values` has the features the model was trained on. Where
    a scaled value is beyond single precision, the results of its row are not finite.

    Raises
    ------
    DeviceUnavailable
        For ``cuda`` without a usable GPU.
    """
    import torch

    n = values.shape[0]
    where = torch_device(device, operations=2.0 * n * _n_weights(model.network)).type
    with torch.inference_mode(False), ready(model.network, where) as place, _one_thread():
        return _apply(model, values, np.arange(n), place, progress)


def _n_weights(network: Any) -> int:
    return sum(part.numel() for part in network.parameters())


def _scaling(values: Any, rows: npt.NDArray[np.int64], standardize: bool) -> Scaling:
    """Give means and 1 / standard deviations over some rows, in two passes over blocks of them."""
    n_features = values.shape[1]
    if not standardize:
        return Scaling(np.zeros(n_features), np.ones(n_features))
    total, low, high = (
        np.zeros(n_features),
        np.full(n_features, np.inf),
        np.full(n_features, -np.inf),
    )
    for block in _blocks(values, rows):
        total += block.sum(axis=0)
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
    constant = low == high  # whose standard deviation may differ from 0 by rounding
    if constant.all():
        found = "every feature has one value in all training samples"
        raise InvalidInput("adata", found, "use features that differ between samples")
    mean = np.where(constant, low, total / len(rows))
    squares = np.zeros(n_features)
    for block in _blocks(values, rows):
        squares += ((block - mean) ** 2).sum(axis=0)
    spread = np.sqrt(squares / len(rows))
    with np.errstate(divide="ignore"):
        return Scaling(mean, np.where(constant | (spread == 0), 0.0, 1 / spread))


def _squares(values: Any, rows: npt.NDArray[np.int64], scaling: Scaling) -> float:
    """Give the sum over the features of the mean squared scaled values of some rows."""
    blocks = _blocks(values, rows)
    total = sum(float((((b - scaling.mean) * scaling.factor) ** 2).sum()) for b in blocks)
    return total / len(rows)


def _blocks(values: Any, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.float64]]:
    for start in range(0, len(rows), _BLOCK):
        yield _dense_rows(values, rows[start : start + _BLOCK])


def _dense_rows(values: Any, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    part = values[rows]
    return np.asarray(part.toarray() if hasattr(part, "toarray") else part, np.float64)


def _batch(values: Any, rows: npt.NDArray[np.int64], scaling: Scaling, place: Any) -> Any:
    """Give some rows, scaled, as a float32 tensor in memory that torch has aligned."""
    import torch

    scaled = (_dense_rows(values, rows) - scaling.mean) * scaling.factor
    return torch.from_numpy(scaled).to(device=place, dtype=torch.float32)


def _learn(
    model: Autoencoder,
    values: Any,
    batches: Sequence[npt.NDArray[np.int64]],
    optimizer: Any,
    draws: Any,
    place: Any,
) -> float:
    """Take one step for each batch; give the mean loss of all samples."""
    import torch

    total = torch.zeros((), dtype=torch.float64, device=place)
    with torch.enable_grad():
        for rows in batches:
            batch = _batch(values, rows, model.scaling, place)
            output = batch
            for part in model.network:
                for layer in part:
                    if isinstance(layer, torch.nn.Dropout):
                        output = output * _mask(output.shape, layer.p, draws).to(place)
                    else:
                        output = layer(output)
            loss = torch.nn.functional.mse_loss(output, batch)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach().double() * len(rows)
    return float(total) / sum(map(len, batches))


def _mask(shape: Sequence[int], dropout: float, draws: Any) -> Any:
    """Draw which units stay, on the CPU for every device: torch's dropout has no generator."""
    import torch

    kept = torch.empty(tuple(shape), dtype=torch.float32, device="cpu")
    return kept.bernoulli_(1 - dropout, generator=draws) / (1 - dropout)


def _apply(
    model: Autoencoder,
    values: Any,
    rows: npt.NDArray[np.int64],
    place: Any,
    progress: bool | None = False,
) -> Encoded:
    """Give latent dims and errors of some rows; the module is in evaluation mode."""
    import torch

    n_latent = model.network.encoder.latent.out_features
    embedding, error = np.empty((len(rows), n_latent), np.float32), np.empty(len(rows))

    def apply(first: int, size: int) -> int:
        for start in range(first, min(first + _BLOCK, len(rows)), size):
            batch = _batch(values, rows[start : start + size], model.scaling, place)
            latent = model.network.encoder(batch)
            difference = (model.network.decoder(latent) - batch).double()
            embedding[start : start + len(batch)] = latent.cpu().numpy()
            error[start : start + len(batch)] = difference.square().mean(dim=1).cpu().numpy()
        return size

    fits = _BLOCK
    with torch.no_grad():
        for first in progress_steps(len(rows), _BLOCK, progress, "encode"):
            fits = with_tiles(functools.partial(apply, first), fits, smallest=1, argument="adata")
    return Encoded(embedding, error)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread for a while: with more, sums are added up in another order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
