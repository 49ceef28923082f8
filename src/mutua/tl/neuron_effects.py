"""Whether sequences that activate a neuron differ in a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from mutua import stats
from mutua.errors import InvalidInput
from mutua.kernels.letters import is_nucleotide
from mutua.kernels.neuron_statistics import FEWEST, GroupTests, compare_groups
from mutua.models import Dataset, NeuronEffects, SequenceSet, as_kind, checked
from mutua.models.arguments import number
from mutua.models.build import ordered
from mutua.models.dims import CHANNEL, LAYER, NEURON, PREDICTION, SEQUENCE, TARGET
from mutua.tl._windows import code_blocks, evaluator, traced_model, window_maxima
from mutua.tl.prediction import predict

__all__ = ["neuron_effects"]

_MADE = ("length", "gc")
_TESTS = {
    ("rank", False): "Mann-Whitney",
    ("rank", True): "linear regression of ranks on the covariates",
    ("mean", False): "Welch's t-test",
    ("mean", True): "linear regression on the covariates, with standard errors HC3",
}


class _Labels(NamedTuple):
    """What the means are of: float64 (sequence, target)."""

    values: np.ndarray
    names: list[str] | None
    what: str


@checked
def neuron_effects(
    sequences: Dataset[SequenceSet],
    model: Any,
    layers: str | Sequence[str],
    *,
    values: Any = None,
    threshold: float = 0.7,
    covariates: Any = (),
    test: Literal["rank", "mean"] = "rank",
    alpha: float = 0.05,
    args: Sequence[Any] = (),
    device: str | None = None,
    progress: bool | None = None,
) -> Dataset[NeuronEffects]:
    """Tell whether a label differs between sequences that activate a neuron and all others.

    A neuron is active in a sequence if its activation in any window exceeds a share of the
    largest one that it has in any sequence.

    Parameters
    ----------
    sequences
        (sequence, position). Windows with unknown letters or padding do not count; a sequence
        that has no other windows is in neither group. ``tracks`` are 0 in every window. A
        dask-backed set is read chunk by chunk.
    model
        A torch module, as for `mutua.tl.layers`.
    layers
        Name of a layer, as `mutua.tl.layers` gives it, or several.
    values
        The label: the name of a variable of the sequences, or numbers (sequence,) or (sequence,
        target), finite. By default what the model predicts.
    threshold
        Share of the largest activation.
    covariates
        What to compare at equal values of: a list of ``"length"`` (known letters of a sequence),
        ``"gc"`` (share of G and C among them) and variables of the sequences, or a mapping or
        data frame of names to numbers (sequence,). Long sequences have more windows, so that a
        label that goes with length goes with every neuron.
    test
        What p-values are of: ``"rank"``, for labels of any distribution, or ``"mean"``, for
        labels that are roughly normal or groups that are large.
    alpha
        q-value below which a sign is given.
    args, device, progress
        As for `mutua.tl.predict`.

    Returns
    -------
    NeuronEffects
        (neuron, target), neurons in the order of the layers. The status of a neuron is ``dead``
        if no activation exceeds 0, and ``undefined`` if fewer than 6 sequences are active or
        silent. Then, and for a label that is the same everywhere, p-values are NaN.

    Warns
    -----
    UserWarning
        If windows have to be computed one by one, each as a sequence of its own.

    Raises
    ------
    InvalidInput
        If there is no such layer, its windows are not known, sequences are shorter than they, an
        activation is not finite, or labels or covariates do not fit or are not finite.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Notes
    -----
    The largest activations are exact: those of all windows, not of sampled ones.

    Ranks are compared by the Mann-Whitney test; with covariates, by a linear regression of the
    ranks (Quade). Means are compared by Welch's t-test; with covariates, by a linear regression
    whose standard errors allow for unequal variances (HC3), with Welch's degrees of freedom.
    Effects and their confidence intervals are always those of means.
    Of labels with a long tail, neurons with some tens of active sequences have p-values of means
    below 0.05 in up to 15 % of cases by chance: ranks keep their level. A sign needs means and
    ranks that differ in the same direction.

    q-values account for the neurons of a layer, for each target by itself (Benjamini-Hochberg).

    The threshold of 0.7 is that of CombMotif, which compares labels by a t-test with equal
    variances.

    Examples
    --------
    >>> import torch
    >>> import mutua as mt
    >>> model = torch.nn.Sequential(torch.nn.Conv1d(4, 1, 5), torch.nn.ReLU())
    >>> letters = mt.pp.one_hot(mt.from_strings(["GATTA"]))
    >>> with torch.no_grad():
    ...     _ = model[0].weight.copy_(torch.from_numpy(letters))
    ...     _ = model[0].bias.zero_()
    >>> seqs = mt.pp.random_sequences(400, length=40, seed=0)
    >>> has_motif = mt.tl.activating_windows(seqs, model, "0")["sequence_index"].values
    >>> label = 2.0 * np.isin(np.arange(400), has_motif) + np.random.default_rng(0).normal(size=400)
    >>> effects = neuron_effects(seqs, model, "0", values=label, threshold=0.9)
    >>> effects["sign"].values, effects["effect"].values.round(1)
    (array([[1]], dtype=int8), array([[2.2]]))
    """
    threshold = _share("threshold", threshold)
    alpha = _share("alpha", alpha)
    if test not in ("rank", "mean"):
        raise InvalidInput("test", f"{test!r}", "use 'rank' or 'mean'")
    names = _layer_names(layers)
    traced = traced_model(sequences, model, args, device)
    evaluators = [evaluator(traced, sequences, name, argument="layers") for name in names]
    controls = _covariates(sequences, covariates)
    labels = _labels(sequences, model, values, args, device, progress)
    parts = []
    for found in evaluators:
        most = window_maxima(found, sequences, progress)
        parts.append(_layer_effects(found.layer.name, most.activation, most.start, labels,
                                    controls, threshold, test, alpha))  # fmt: skip
    result = xr.concat(parts, NEURON, data_vars="all") if len(parts) > 1 else parts[0]
    if labels.names is not None:
        result = result.assign_coords({TARGET: labels.names})
    result.attrs = {
        "threshold": threshold,
        "alpha": alpha,
        "values": labels.what,
        "covariates": list(controls),
        "test": _TESTS[test, bool(controls)],
    }
    return as_kind(NeuronEffects, ordered(NeuronEffects, result))


def _layer_effects(
    layer: str,
    activation: np.ndarray,
    start: np.ndarray,
    labels: _Labels,
    controls: dict[str, np.ndarray],
    threshold: float,
    test: Literal["rank", "mean"],
    alpha: float,
) -> xr.Dataset:
    """Give the effects of the neurons of one layer."""
    counted = ~np.isnan(activation).any(axis=1)
    known = np.where(counted[:, None], activation, -np.inf)
    top = known.max(axis=0)
    dead = ~(top > 0)
    active = (known > threshold * top) & ~dead
    best = known.argmax(axis=0)
    table = np.stack(list(controls.values()), axis=1) if controls else None
    tests = [
        compare_groups(column, active, counted, table, test=test) for column in labels.values.T
    ]

    def both(name: str) -> tuple[tuple[str, str], np.ndarray]:
        return (NEURON, TARGET), np.stack([getattr(one, name) for one in tests], axis=1)

    parts: dict[str, Any] = {name: both(name) for name in GroupTests._fields
                             if getattr(tests[0], name) is not None}  # fmt: skip
    q_value = np.stack([stats.benjamini_hochberg(one.p_value) for one in tests], axis=1)
    direction = np.sign(np.nan_to_num(parts["effect"][1]))
    agrees = "rank_effect" not in parts or np.sign(parts["rank_effect"][1]) == direction
    sign = np.where((q_value < alpha) & agrees, direction, 0).astype(np.int8)
    few = np.minimum(active.sum(axis=0), counted.sum() - active.sum(axis=0)) < FEWEST
    none = np.isneginf(top)
    parts |= {
        "q_value": ((NEURON, TARGET), q_value),
        "sign": ((NEURON, TARGET), sign),
        "activation_max": (NEURON, np.where(none, np.nan, top).astype(np.float32)),
        "activation_sequence": (NEURON, np.where(none, -1, best).astype(np.int32)),
        "activation_start": (
            NEURON,
            np.where(none, -1, start[best, np.arange(len(best))]).astype(np.int32),
        ),
    }
    channel = np.arange(len(top), dtype=np.int32)
    coords = {
        NEURON: np.array([f"{layer}:{one}" for one in channel]),
        LAYER: (NEURON, np.full(len(top), layer)),
        CHANNEL: (NEURON, channel),
        "status": (NEURON, np.where(dead, "dead", np.where(few, "undefined", "tested"))),
    }
    return xr.Dataset(parts, coords)


def _share(argument: str, value: float) -> float:
    share = number(argument, value, low=0, high=1)
    if not 0 < share < 1:
        raise InvalidInput(argument, f"{share:g}", "use a number between 0 and 1")
    return share


def _layer_names(layers: Any) -> list[str]:
    names = [layers] if isinstance(layers, str) else layers
    if not isinstance(names, Sequence | np.ndarray) or not all(isinstance(x, str) for x in names):
        raise InvalidInput("layers", f"{layers!r}", "use the name of a layer, or a list of them")
    names = [str(name) for name in names]
    if not names or len(set(names)) < len(names):
        found = "names that repeat" if names else "none"
        raise InvalidInput("layers", found, "name each layer once")
    return names


def _labels(
    sequences: Dataset[SequenceSet],
    model: Any,
    values: Any,
    args: Sequence[Any],
    device: str | None,
    progress: bool | None,
) -> _Labels:
    """Give the label that is asked for, or what the model predicts."""
    if values is None:
        predicted = predict(sequences, model, args=args, device=device, progress=progress)
        targets = [str(name) for name in predicted[TARGET].values]
        table = np.asarray(predicted[PREDICTION].values, np.float64)
        return _Labels(_finite("values", table), targets, "prediction")
    what, given = "values", values
    if isinstance(values, str):
        what, given = values, _variable(sequences, values, "values")
    elif isinstance(values, xr.DataArray | pd.Series) and values.name is not None:
        what = str(values.name)
    names: list[str] | None = None
    if isinstance(given, xr.DataArray):
        if TARGET in given.coords and given.ndim == 2:
            names = [str(name) for name in given[TARGET].values]
        if given.ndim == 2 and given.dims[1] == SEQUENCE:
            given = given.transpose()
        given = given.values
    elif isinstance(given, pd.DataFrame):
        names = [str(name) for name in given.columns]
    table = _numbers("values", given, sequences.sizes[SEQUENCE], most=2)
    return _Labels(table.reshape(len(table), -1), names, what)


def _covariates(sequences: Dataset[SequenceSet], covariates: Any) -> dict[str, np.ndarray]:
    """Give the covariates by name."""
    n = sequences.sizes[SEQUENCE]
    if isinstance(covariates, str):
        raise InvalidInput("covariates", f"{covariates!r}", f"use a list, e.g. [{covariates!r}]")
    if isinstance(covariates, Mapping | pd.DataFrame):
        return {str(name): _numbers("covariates", column, n, most=1)
                for name, column in covariates.items()}  # fmt: skip
    names = list(covariates) if np.iterable(covariates) else [covariates]
    if not all(isinstance(name, str) for name in names):
        raise InvalidInput("covariates", f"{covariates!r}", "use names, or a mapping of arrays")
    if len(set(names)) < len(names):
        raise InvalidInput("covariates", f"names repeat: {names}", "name each once")
    made = _made(sequences, [name for name in names if _is_made(sequences, name)])
    found = {}
    for name in names:
        values = made[name] if name in made else _variable(sequences, name, "covariates")
        found[name] = _numbers("covariates", values, n, most=1)
    return found


def _is_made(sequences: Dataset[SequenceSet], name: str) -> bool:
    return name == "length" or (name == "gc" and name not in sequences.variables)


def _made(sequences: Dataset[SequenceSet], names: list[str]) -> dict[str, np.ndarray]:
    """Give the number of known letters of each sequence, and the share of G and C among them."""
    if not names:
        return {}
    alphabet = sequences.attrs["alphabet"]
    strong = [code for code, letter in enumerate(alphabet) if letter in "GCgc"]
    if "gc" in names and not is_nucleotide(alphabet):
        raise InvalidInput("covariates", f"'gc' of {alphabet!r}", "leave it out, or use DNA or RNA")
    lengths, shares = [], []
    for _, codes in code_blocks(sequences):
        known = (codes < len(alphabet)).sum(axis=1)
        lengths.append(known)
        shares.append(np.isin(codes, strong).sum(axis=1) / np.maximum(known, 1))
    found = {"length": np.concatenate(lengths), "gc": np.concatenate(shares)}
    return {name: found[name] for name in names}


def _variable(sequences: Dataset[SequenceSet], name: str, argument: str) -> xr.DataArray:
    """Give a variable of the sequences."""
    numbers = [
        str(own) for own, part in sequences.variables.items()
        if part.dims[:1] == (SEQUENCE,) and part.ndim <= 2 and part.dtype.kind in "biuf"
        and part.dims[1:] in ((), (TARGET,))
    ]  # fmt: skip
    if name not in numbers:
        known = [*_MADE, *numbers] if argument == "covariates" else numbers
        remedy = f"use one of {known}, or give numbers" if known else "give numbers"
        raise InvalidInput(argument, f"no variable {name!r} of numbers", remedy)
    return sequences[name]


def _numbers(argument: str, values: Any, n: int, *, most: int) -> np.ndarray:
    """Give float64 of `most` dims at most, with a row a sequence."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        found = f"values of type {array.dtype}"
        raise InvalidInput(argument, found, "give numbers")
    if not 1 <= array.ndim <= most or len(array) != n or (array.ndim == 2 and not array.shape[1]):
        wanted = "(sequence,) or (sequence, target)" if most == 2 else "(sequence,)"
        found = f"an array of shape {array.shape} for {n} sequences"
        raise InvalidInput(argument, found, f"use {wanted}")
    return _finite(argument, array.astype(np.float64))


def _finite(argument: str, values: np.ndarray) -> np.ndarray:
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if bad.any():
        found = f"NaN or infinity for {int(bad.sum())} sequences, first for {int(bad.argmax())}"
        raise InvalidInput(argument, found, "leave these sequences out")
    return values
