"""Plot of how the training of an autoencoder went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anndata
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatter, LogLocator, MaxNLocator, NullFormatter

from mutua.errors import InvalidInput
from mutua.models import checked, slots
from mutua.pl._axes import new_axes

__all__ = ["latent_training"]

_TRAINING, _VALIDATION, _BASELINE = "#0072b2", "#d55e00", "0.45"
_WIDE = 20
"""Ratio of the largest to the smallest loss from which the axis is logarithmic."""


@checked
def latent_training(
    adata: anndata.AnnData, *, key: str = "autoencoder", ax: Axes | None = None
) -> Axes:
    r"""Plot the losses of an autoencoder over the epochs of its training.

    Parameters
    ----------
    adata
        What `mutua.tl.autoencoder` wrote into; nothing in it is changed.
    key
        The `key_added` of that call.
    ax
        Axes to draw on; by default new ones.

    Returns
    -------
    matplotlib.axes.Axes
        Mean squared errors of the training samples, measured while learning, and of the validation
        samples, measured after each epoch. The ring marks the epoch whose weights were kept, the
        dashed line the error of the validation samples if every feature were reconstructed as its
        mean over the training samples: an autoencoder that has learned anything lies below. The
        axis is logarithmic where losses differ more than 20-fold.

    Raises
    ------
    InvalidInput
        If there are no latent dims of mutua under `key`, or no training of theirs.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> adata = anndata.AnnData(random.normal(size=(40, 2)) @ random.normal(size=(2, 9)))
    >>> mt.tl.autoencoder(adata, n_latent=2, hidden_layers=(8,), max_epochs=30)
    >>> ax = mt.pl.latent_training(adata)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('epoch', 'mean squared error\n(variances of a feature)')
    """
    entry = slots.find(adata, slots.LATENTS, key, argument="key")
    if "history" not in entry:
        raise InvalidInput("key", f"uns[{key!r}] has no history", "use the samples of the training")
    train, validation = (np.asarray(entry["history"][f"{part}_loss"], np.float64)
                         for part in ("train", "validation"))  # fmt: skip
    best, baseline = int(entry["best_epoch"]), float(entry["baseline_loss"])
    parameters = entry["parameters"]
    ax = new_axes(ax, figsize=(5.5, 3.6))
    epochs = np.arange(1, len(train) + 1)
    marker = "." if len(epochs) == 1 else ""  # one point makes no line
    ax.axhline(
        baseline, color=_BASELINE, linewidth=1, linestyle="--", label="means of the features"
    )
    while_learning = "training" + (", with dropout" if _drops(parameters) else "")
    ax.plot(epochs, train, color=_TRAINING, linewidth=1.5, marker=marker, label=while_learning)
    ax.plot(epochs, validation, color=_VALIDATION, linewidth=1.5, marker=marker, label="validation")
    lowest = validation[best - 1]
    ax.axvline(best, color=_VALIDATION, linewidth=0.8, alpha=0.5, zorder=0)
    ax.plot(
        [best],
        [lowest],
        "o",
        color=_VALIDATION,
        markerfacecolor="white",
        markersize=7,
        label=f"best epoch {best}: {lowest:.3g}",
    )
    _scale(ax, np.array([*train, *validation, baseline]))
    ax.set_xlim(0, len(epochs) + 1)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel(f"mean squared error\n({_unit(parameters)})")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(edgecolor="none", fontsize="small")
    return ax


def _drops(parameters: Mapping[str, Any]) -> bool:
    return float(parameters["dropout"]) > 0 and len(parameters["hidden_layers"]) > 0


def _unit(parameters: Mapping[str, Any]) -> str:
    if parameters["standardize"]:
        return "variances of a feature"
    layer = str(parameters["layer"])
    return "squared unit of X" if layer == "X" else f"squared unit of layer {layer!r}"


def _scale(ax: Axes, values: np.ndarray) -> None:
    """Choose a linear axis from 0 or a logarithmic one."""
    if values.min() <= 0 or values.max() < _WIDE * values.min():
        ax.set_ylim(0, 1.08 * max(values.max(), np.finfo(float).tiny))
        return
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(numticks=8))
    ax.yaxis.set_major_formatter(LogFormatter())
    ax.yaxis.set_minor_formatter(NullFormatter())
