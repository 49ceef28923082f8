"""Latent dims of a table of samples x features, from a dense autoencoder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from mutua.errors import InvalidInput
from mutua.kernels import autoencoder as kernel
from mutua.kernels.autoencoder_model import (
    ACTIVATIONS,
    Architecture,
    Autoencoder,
    from_bytes,
    to_bytes,
)
from mutua.models import checked, slots
from mutua.models.arguments import number, one_of, whole_number
from mutua.tl._feature_values import feature_values
from mutua.tl._module_tables import key_of, place_of, refuse_same_names, some, switch

__all__ = ["autoencoder", "encode"]

_X: Final = "X"
_COUNTS: Final = 50
"""Whole numbers above this are taken for counts."""
_BLOCK: Final = 1 << 22


@checked
def autoencoder(
    adata: anndata.AnnData,
    *,
    layer: str | None = None,
    n_latent: int = 50,
    hidden_layers: Sequence[int] = (512, 128),
    dropout: float = 0.2,
    activation: str = "relu",
    standardize: bool = True,
    validation: float = 0.2,
    split_by: str | None = None,
    learning_rate: float = 1e-3,
    batch_size: int = 32,
    max_epochs: int = 500,
    patience: int = 30,
    seed: int = 0,
    device: str | None = None,
    progress: bool | None = None,
    key_added: str = "autoencoder",
    copy: bool = False,
) -> anndata.AnnData | None:
    """Give every sample a position along latent dims, by training a dense autoencoder.

    The encoder squeezes the features through narrowing layers into the latent dims; the decoder
    mirrors it. Both are trained with Adam on the mean squared error of the reconstruction, until
    the error of validation samples, which are not learned from, no longer gets smaller; the
    weights of the best epoch are kept.

    Parameters
    ----------
    adata
        Samples x features, finite numbers, dense or sparse. Abundances should be on a log scale,
        or be centred log-ratios. Sparse values are made dense one batch at a time.
    layer
        Which layer to learn from; by default ``X``.
    n_latent
        Number of latent dims, less than that of the features.
    hidden_layers
        Units of each layer between the features and the latent dims. With ``()`` the autoencoder
        is linear, and spans what principal components do.
    dropout
        Share of the units set to 0 at random in every step: those between two hidden layers, or
        behind the only one.
    activation
        Of hidden layers: ``"relu"``, ``"elu"``, ``"gelu"`` or ``"tanh"``. The latent dims and the
        output are linear.
    standardize
        Give every feature mean 0 and variance 1 over the training samples first. A feature that is
        constant there becomes 0 in all samples.
    validation
        Share of the samples to validate with, rounded, at least one.
    split_by
        Column of ``obs``, such as the patient: all samples with one value are on the same side.
        Values are drawn at random as long as their samples fit into the share. Without it, samples
        of a patient that are alike make the validation error look smaller than it is for others.
    learning_rate
        Step size of Adam.
    batch_size
        Samples for each step.
    max_epochs
        Most passes over the training samples.
    patience
        Stop after so many epochs without a smaller error of the validation samples.
    seed
        Of the split, the first weights, the order of the samples and the dropout.
    device
        ``"auto"`` (a usable GPU where it is worth it, else the CPU), ``"cpu"`` or ``"cuda"``; by
        default that of `mutua.settings`.
    progress
        Show a progress bar; by default as `mutua.settings` says.
    key_added
        Key of the result.
    copy
        Return a copy with the result, and leave `adata` as it is.

    Returns
    -------
    AnnData or None
        None, or the copy. Written are

        ``obsm["X_autoencoder"]``
            float32 (sample, latent).
        ``obs["autoencoder_error"]``
            float64: the squared difference between a sample and its reconstruction, mean over the
            features; in variances of a feature over the training samples, or with
            ``standardize=False`` in the unit of the values, squared.
        ``obs["autoencoder_validation"]``
            Whether the sample was one of the validation samples.
        ``uns["autoencoder"]``
            ``names`` of the latent dims and of the ``features``; ``history`` with ``train_loss``
            and ``validation_loss`` of every epoch; ``best_epoch``, counted from 1;
            ``baseline_loss``, the error of the validation samples if each feature were
            reconstructed as its mean over the training samples; ``parameters``; and ``model``,
            the bytes of a safetensors file, for `mutua.tl.encode`.

    Raises
    ------
    InvalidInput
        If values are missing or infinite, names of features occur twice, there are too few samples
        or features, a layer or column is unknown, all features are constant, the losses grow
        beyond all numbers, or an argument is out of its range. Nothing is written then, nor if
        the training is interrupted.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Warns
    -----
    UserWarning
        If the values look like raw counts: none but whole numbers, some above 50.

    Notes
    -----
    On a CPU the same seed gives the same bits, for dense and sparse values and whatever the
    threads: torch runs on one thread here. Every device gets the same first weights, order of
    samples and dropout. Other processors, devices and versions of torch round differently, which
    training amplifies: the losses of the first epoch agree to 1e-3. The random numbers of the
    process are left alone.

    ``train_loss`` is measured while learning, with dropout, and so is often the larger one.

    Source: Hinton and Salakhutdinov, Science 313:504 (2006); first weights by Glorot and Bengio,
    AISTATS (2010).

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> values = random.normal(size=(60, 2)) @ random.normal(size=(2, 12))
    >>> adata = anndata.AnnData(values + random.normal(0, 0.1, (60, 12)))
    >>> mt.tl.autoencoder(adata, n_latent=2, hidden_layers=(16,), max_epochs=200)
    >>> adata.obsm["X_autoencoder"].shape
    (60, 2)
    >>> held = adata.obs["autoencoder_validation"]
    >>> int(held.sum()), bool(adata.obs["autoencoder_error"][held].mean() < 0.3)
    (12, True)
    """
    switch("standardize", standardize)
    switch("copy", copy)
    if progress is not None:
        switch("progress", progress)
    key = key_of("key_added", key_added)
    options: dict[str, Any] = {
        "learning_rate": number("learning_rate", learning_rate, low=0, open_low=True),
        "batch_size": whole_number("batch_size", batch_size, low=1),
        "max_epochs": whole_number("max_epochs", max_epochs, low=1),
        "patience": whole_number("patience", patience, low=1),
        "seed": whole_number("seed", seed, low=0),
    }
    architecture = _architecture(n_latent, hidden_layers, dropout, activation)
    share = number("validation", validation, low=0, high=1, open_low=True)
    refuse_same_names(adata)
    if architecture.n_latent >= adata.n_vars:
        found = f"{architecture.n_latent} for {adata.n_vars} features"
        raise InvalidInput("n_latent", found, "use fewer latent dims than features")
    values = feature_values(adata, layer)
    _warn_of_counts(values, place_of(layer))
    groups = None if split_by is None else _groups(adata, split_by)
    split = kernel.split_samples(adata.n_obs, fraction=share, groups=groups, seed=seed)
    done = kernel.train(
        values,
        split,
        architecture=architecture,
        standardize=standardize,
        device=device,
        progress=progress,
        **options,
    )
    parameters = {
        **architecture._asdict(),
        "hidden_layers": np.array(architecture.hidden_layers, np.int64),
        "layer": _X if layer is None else layer,
        "standardize": standardize,
        "validation": share,
        "split_by": "" if split_by is None else split_by,
        **options,
    }
    settings = {
        "history": {"train_loss": done.train_loss, "validation_loss": done.validation_loss},
        "best_epoch": done.best_epoch,
        "baseline_loss": done.baseline_loss,
        "parameters": parameters,
        "model": to_bytes(done.model),
    }
    encoded = _encode(done.model, values, adata, device, progress)
    held = np.zeros(adata.n_obs, bool)
    held[split.validation] = True
    target = adata.copy() if copy else adata
    _write(target, key, encoded, settings, {slots.VALIDATION: held})
    return target if copy else None


@checked
def encode(
    adata: anndata.AnnData,
    *,
    reference: anndata.AnnData,
    key: str = "autoencoder",
    layer: str | None = None,
    key_added: str | None = None,
    device: str | None = None,
    progress: bool | None = None,
    copy: bool = False,
) -> anndata.AnnData | None:
    """Give new samples their position along the latent dims of an autoencoder trained on others.

    Parameters
    ----------
    adata
        The new samples, with the features of the reference in any order. Others are ignored.
    reference
        What `mutua.tl.autoencoder` wrote into.
    key
        The `key_added` it was written with.
    layer
        Which layer of `adata` to take; by default that which the autoencoder was trained on.
        ``"X"`` for ``X``.
    key_added
        Key of the result; `key` by default.
    device
        ``"auto"`` (a usable GPU where it is worth it, else the CPU), ``"cpu"`` or ``"cuda"``; by
        default that of `mutua.settings`.
    progress
        Show a progress bar; by default as `mutua.settings` says.
    copy
        Return a copy with the result, and leave `adata` as it is.

    Returns
    -------
    AnnData or None
        None, or the copy. Written are ``obsm["X_autoencoder"]``, float32 (sample, latent);
        ``obs["autoencoder_error"]``, the squared difference between a sample and its
        reconstruction, mean over the features, in the unit it has in the reference: new samples
        that are unlike those of the training have a larger one; and ``uns["autoencoder"]`` with
        the names of the latent dims.

    Raises
    ------
    InvalidInput
        If features are missing (they are listed) or occur twice, values are missing or infinite,
        the reference has no such autoencoder or its weights cannot be used, or the result would
        replace the autoencoder itself.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Notes
    -----
    Values are scaled by the means and standard deviations of the training samples. Samples are
    computed in blocks of 256; the last bits of a sample may depend on how many are in its block.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> import mutua as mt
    >>> random = np.random.default_rng(0)
    >>> values = random.normal(size=(70, 2)) @ random.normal(size=(2, 12))
    >>> adata = anndata.AnnData(values)
    >>> old, new = adata[:60].copy(), adata[60:, ::-1].copy()
    >>> mt.tl.autoencoder(old, n_latent=2, hidden_layers=(16,), max_epochs=200)
    >>> mt.tl.encode(new, reference=old)
    >>> new.obsm["X_autoencoder"].shape, bool(new.obs["autoencoder_error"].mean() < 0.3)
    ((10, 2), True)
    """
    switch("copy", copy)
    if progress is not None:
        switch("progress", progress)
    key = key_of("key", key)
    added = key if key_added is None else key_of("key_added", key_added)
    entry = slots.find(reference, slots.LATENTS, key, argument="key")
    if "model" not in entry:
        found = f"uns[{key!r}] of the reference holds no model"
        raise InvalidInput("reference", found, "pass what tl.autoencoder wrote into")
    if adata is reference and added == key:
        found = f"{added!r} would replace the autoencoder itself"
        raise InvalidInput("key_added", found, "use another key")
    features = pd.Index(entry["features"], dtype=object)
    trained = entry["parameters"]
    model = from_bytes(
        entry["model"], n_features=len(features), activation=str(trained["activation"])
    )
    used = str(trained["layer"]) if layer is None else layer
    values = feature_values(adata, None if used == _X else used, features=features)
    encoded = _encode(model, values, adata, device, progress)
    target = adata.copy() if copy else adata
    settings = {"parameters": {"layer": used, "key": key}}
    _write(target, added, encoded, settings, {}, names=[str(name) for name in entry["names"]])
    return target if copy else None


def _architecture(
    n_latent: int, hidden_layers: Sequence[int], dropout: float, activation: str
) -> Architecture:
    if isinstance(hidden_layers, str) or not isinstance(hidden_layers, Sequence | np.ndarray):
        remedy = "use the number of units of each layer, e.g. (512, 128)"
        raise InvalidInput("hidden_layers", f"{hidden_layers!r}", remedy)
    share = number("dropout", dropout, low=0, high=1)
    if share == 1:
        raise InvalidInput("dropout", "1", "use a share below 1")
    return Architecture(
        whole_number("n_latent", n_latent, low=1),
        tuple(whole_number("hidden_layers", width, low=1) for width in hidden_layers),
        share,
        one_of("activation", activation, ACTIVATIONS),
    )


def _warn_of_counts(values: Any, name: str) -> None:
    """Point out values that look like raw counts, of which the largest outweigh all others."""
    held = values.data if sparse.issparse(values) else values
    largest = held.max(initial=0)
    if largest > _COUNTS and all(
        (block == np.floor(block)).all() and (block >= 0).all()
        for block in np.array_split(held, 1 + held.size // _BLOCK)
    ):
        warnings.warn(
            f"{name} holds whole numbers up to {largest:,.0f}, which look like raw counts: take "
            "their logarithm (mutua.pp.log_abundance) or log-ratios (mutua.pp.clr) first",
            UserWarning,
            stacklevel=4,
        )


def _groups(adata: anndata.AnnData, split_by: Any) -> np.ndarray:
    """Give the group of each sample as a number."""
    if split_by not in list(adata.obs):
        there = f"use one of {some(adata.obs.columns, most=20)}" if len(adata.obs.columns) else ""
        raise InvalidInput("split_by", f"no obs[{split_by!r}]", there or "obs has no columns")
    groups, _ = pd.factorize(adata.obs[split_by])
    if (groups < 0).any():
        none = some(adata.obs_names[groups < 0])
        raise InvalidInput("split_by", f"no value for {none}", "fill them or leave them out")
    return np.asarray(groups)


def _encode(
    model: Autoencoder,
    values: Any,
    adata: anndata.AnnData,
    device: str | None,
    progress: bool | None,
) -> kernel.Encoded:
    encoded = kernel.encode(model, values, device=device, progress=progress)
    good = np.isfinite(encoded.error) & np.isfinite(encoded.embedding).all(axis=1)
    if not good.all():
        far = f"the values of {some(adata.obs_names[~good])} are beyond single precision"
        raise InvalidInput("adata", far, "leave these samples out")
    return encoded


def _write(
    adata: anndata.AnnData,
    key: str,
    encoded: kernel.Encoded,
    settings: Mapping[str, Any],
    values: Mapping[str, Any],
    *,
    names: Sequence[str] | None = None,
) -> None:
    """Write latent dims; `names` by default after the key, counted from 0."""
    counted = [f"{key}_{number}" for number in range(encoded.embedding.shape[1])]
    slots.write(
        adata,
        slots.LATENTS,
        key,
        {slots.EMBEDDING: encoded.embedding, slots.ERROR: encoded.error, **values},
        names=counted if names is None else names,
        settings=settings,
    )
