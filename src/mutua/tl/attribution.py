"""What every letter of a sequence contributes to the output of a model."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, overload

import numpy as np
import xarray as xr

from mutua.errors import InvalidInput
from mutua.kernels.attribute import METHODS, REFERENCED, Contributions, off_sum
from mutua.kernels.attribute import attribute as contributions
from mutua.kernels.letters import one_hot
from mutua.kernels.random_sequences import check_seed
from mutua.models import (
    Attributions,
    Dataset,
    SequenceSet,
    TargetAttributions,
    as_kind,
    checked,
)
from mutua.models.arguments import one_of, whole_number
from mutua.models.build import ordered
from mutua.models.dims import ATTRIBUTION, CODES, LETTER, POSITION, PREDICTION, SEQUENCE, TARGET
from mutua.tl._models import Rows, model_inputs, without_targets

__all__ = ["attribute", "select_target"]

Target = str | int | Callable[[Any], Any]
Method = Literal["deep_lift_shap", "saturation_mutagenesis", "integrated_gradients", "saliency"]

_DELTA = "convergence_delta"
_MADE: Final[tuple[Any, ...]] = ("dinucleotide_shuffle", "zeros")


@overload
def attribute(
    sequences: Dataset[SequenceSet],
    model: Any,
    *,
    target: Target | None = ...,
    method: Method = ...,
    hypothetical: bool = ...,
    references: Any = ...,
    n_references: int = ...,
    n_steps: int = ...,
    target_names: Sequence[str] | None = ...,
    args: Sequence[Any] = ...,
    batch_size: int = ...,
    device: str | None = ...,
    progress: bool | None = ...,
    seed: int = ...,
) -> Dataset[Attributions]: ...


@overload
def attribute(
    sequences: Dataset[SequenceSet],
    model: Any,
    *,
    target: list[Target],
    method: Method = ...,
    hypothetical: bool = ...,
    references: Any = ...,
    n_references: int = ...,
    n_steps: int = ...,
    target_names: Sequence[str] | None = ...,
    args: Sequence[Any] = ...,
    batch_size: int = ...,
    device: str | None = ...,
    progress: bool | None = ...,
    seed: int = ...,
) -> Dataset[TargetAttributions]: ...


@checked
def attribute(
    sequences: Dataset[SequenceSet],
    model: Any,
    *,
    target: Target | list[Target] | None = None,
    method: Method = "deep_lift_shap",
    hypothetical: bool = False,
    references: Any = "dinucleotide_shuffle",
    n_references: int = 20,
    n_steps: int = 50,
    target_names: Sequence[str] | None = None,
    args: Sequence[Any] = (),
    batch_size: int = 256,
    device: str | None = None,
    progress: bool | None = None,
    seed: int = 0,
) -> Dataset[Attributions] | Dataset[TargetAttributions]:
    """Attribute an output of a model, or several, to the letters of its sequences.

    Parameters
    ----------
    sequences
        (sequence, position), in any alphabet. Where they have ``tracks``, the model sees these
        below the letters, and they are the same in the references: only letters get
        attributions. A dask-backed set is computed chunk by chunk, when values are asked for.
    model
        A torch module; it sees float32 (sequence, letter, position). Its modes, its device and
        its hooks are put back as they were, even if it fails. Other callables:
        ``saturation_mutagenesis`` takes any, ``saliency`` and ``integrated_gradients`` those that
        compute with torch.
    target
        The output to explain: its name, its index, or a function of the whole output that gives
        one number a sequence. Not needed if the model has one output only. A list of them gives
        `TargetAttributions`: all are compared with the same references, and mutagenesis and
        saliency apply the model once for all.
    method
        ``"deep_lift_shap"``, mean contributions of differences from references [1]_;
        ``"integrated_gradients"``, gradients along the straight line from each reference [2]_;
        ``"saturation_mutagenesis"``, what every substitution changes, less the mean over the
        letters of its position; ``"saliency"``, gradients less that mean [3]_. The first two add
        up to the difference of outputs between the sequence and its references.
    hypothetical
        Whether to give values for all letters; otherwise those of letters that are not there
        are 0.
    references
        What to compare with: ``"dinucleotide_shuffle"`` (`n_references` shuffles of each sequence
        that keep its dinucleotides), ``"zeros"`` or None, a `SequenceSet` or an array (reference,
        letter, position) for all sequences, or an array (sequence, reference, letter, position).
    n_references
        Number of shuffles.
    n_steps
        Points of the integral of ``integrated_gradients``.
    target_names, args, device, progress
        As for `mutua.tl.predict`.
    batch_size
        Sequences that the model sees at once, references, steps and substitutions included.
    seed
        Seed of the shuffles. Those of a sequence depend on it and on the number of the sequence
        alone, however the set is chunked.

    Returns
    -------
    Attributions or TargetAttributions
        The sequences with ``attribution`` (sequence, letter, position), float32, in units of the
        output; attributes ``target``, ``method`` and ``hypothetical``. For the methods with
        references also ``convergence_delta`` (sequence,): the mean difference of outputs less the
        sum of the attributions. No sequences give an empty element.

        For a list of targets these have a further dim ``target``, and predictions along it are
        left out; `select_target` gives the `Attributions` of one.

    Warns
    -----
    UserWarning
        Once, with the number of sequences whose attributions miss the difference of outputs by
        more than 1 % of its mean size (5 % for ``integrated_gradients``) and by more than
        rounding (1e-5 of the outputs).

    Raises
    ------
    InvalidInput
        If the target is unknown, there are several, the method cannot take the model, references
        do not fit, or outputs or attributions are NaN. What the model itself raises comes through
        unchanged.
    DeviceUnavailable
        For ``device="cuda"`` without a usable GPU.

    Notes
    -----
    An unknown letter is all zeros for the model, and in the references of its sequence as well:
    its projected attribution is 0, and the others still add up. Padding likewise; it has no
    hypothetical attributions either.

    DeepLIFT and saturation mutagenesis are those of tangermeme, integrated gradients that of
    captum, averaged over references. DeepLIFT follows the layers of a module: what `forward`
    computes by functions of torch rather than by layers counts as linear. Layers without a rule
    of their own, such as adaptive pooling, are integrated through; for what is left, such as
    recurrent layers, the warning tells how far off it is. Mutagenesis that would take long
    computes only what each substitution can change (Nair et al. 2022, Bioinformatics 38:2397),
    where the model allows and it is faster: equal up to rounding.

    References
    ----------
    .. [1] Shrikumar, Greenside and Kundaje 2017, arXiv:1704.02685; Lundberg and Lee 2017,
       arXiv:1705.07874.
    .. [2] Sundararajan, Taly and Yan 2017, arXiv:1703.01365.
    .. [3] Majdandzic et al. 2023, Genome Biology 24:109.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.from_strings(["GATTACAGATTACAGATTACAGATTACAGACTAACTTTCTTTTTTTGCAGGTC"])
    >>> attr = attribute(seqs, mt.datasets.splice_acceptor())
    >>> attr["attribution"].dims, attr.attrs["target"]
    (('sequence', 'letter', 'position'), 'acceptor')
    >>> strongest = abs(attr["attribution"]).max("letter")[0].values
    >>> sorted(strongest.argsort()[-2:].tolist())  # the AG in front of the exon
    [48, 49]
    """
    one_of("method", method, METHODS)
    n_references = whole_number("n_references", n_references, low=1)
    n_steps = whole_number("n_steps", n_steps, low=1)
    batch_size = whole_number("batch_size", batch_size, low=1)
    check_seed(seed)
    for name, value in (("hypothetical", hypothetical), ("progress", progress)):
        if not isinstance(value, bool) and (value is not None or name == "hypothetical"):
            raise InvalidInput(name, f"{value!r}", "use True or False")
    given = _given_references(references, sequences, method)
    inputs = model_inputs(sequences, args, encoding="one_hot", device=device)
    several = isinstance(target, Sequence | np.ndarray) and not isinstance(target, str)
    targets = inputs.find_targets(model, target, target_names)
    if len(targets.chosen) != len(targets.names) or (len(targets.names) != 1 and not several):
        found = f"{len(targets.names)} outputs: {list(targets.names)[:20]}"
        raise InvalidInput("target", found, "name one of them, or several in a list")
    letters = sequences.attrs["alphabet"]

    def explain(rows: Rows) -> Contributions:
        where = slice(rows.first_sequence, rows.first_sequence + len(rows.codes))
        found = contributions(
            rows.codes,
            model,
            alphabet_size=len(letters),
            targets=targets,
            method=method,
            hypothetical=hypothetical,
            references=given if isinstance(given, str) or given.ndim == 3 else given[where],
            n_references=n_references,
            seed=seed,
            tracks=rows.tracks,
            args=rows.args,
            n_steps=n_steps,
            batch_size=batch_size,
            device=device,
            progress=False if inputs.lazy else progress,
            first_sequence=rows.first_sequence,
        )
        _warn_of_sums(found, rows.first_sequence, method)
        return found

    shape = (len(targets.names), len(letters), sequences.sizes[POSITION])
    values, deltas = _computed(inputs, explain, shape, method)
    along = (SEQUENCE, TARGET) if several else (SEQUENCE,)
    parts = {
        ATTRIBUTION: xr.Variable((*along, LETTER, POSITION), values if several else values[:, 0])
    }
    if deltas is not None:
        parts[_DELTA] = xr.Variable(along, deltas if several else deltas[:, 0])
    result: xr.Dataset = sequences.drop_vars([LETTER, ATTRIBUTION, _DELTA], errors="ignore")
    if several or PREDICTION not in result:
        result = without_targets(result).drop_vars(TARGET, errors="ignore")
    result = result.assign(parts).assign_coords({LETTER: list(letters)})
    result = result.assign_attrs(method=method, hypothetical=hypothetical)
    if several:
        result.attrs.pop("target", None)
        return as_kind(TargetAttributions, result.assign_coords({TARGET: list(targets.names)}))
    return as_kind(Attributions, result.assign_attrs(target=targets.names[0]))


@checked
def select_target(
    attributions: Dataset[TargetAttributions], *, target: str
) -> Dataset[Attributions]:
    """Give the attributions to one of several targets.

    Parameters
    ----------
    attributions
        As `attribute` gives them for a list of targets.
    target
        Its name.

    Returns
    -------
    Attributions
        What `attribute` gives for this target alone. All else along ``target`` is left out.

    Raises
    ------
    InvalidInput
        If there is no such target.

    Examples
    --------
    >>> import mutua as mt
    >>> seqs = mt.pp.random_sequences(5, length=53, seed=0)
    >>> both = attribute(
    ...     seqs, mt.datasets.splice_acceptor(), target=["acceptor"], method="saliency"
    ... )
    >>> select_target(both, target="acceptor")["attribution"].dims
    ('sequence', 'letter', 'position')
    """
    names = attributions[TARGET].values.tolist()
    one_of("target", target, names)
    kept = {ATTRIBUTION, _DELTA} & set(attributions.data_vars)
    chosen = attributions[sorted(kept)].isel({TARGET: names.index(target)})
    result = without_targets(attributions).assign(chosen.drop_vars(TARGET).variables)
    return as_kind(Attributions, ordered(Attributions, result.assign_attrs(target=target)))


def _computed(
    inputs: Any, explain: Callable[[Rows], Contributions], shape: tuple[int, int, int], method: str
) -> tuple[Any, Any]:
    """Give attributions and convergence deltas, lazily where the sequences are lazy."""
    if not inputs.lazy:
        found = explain(inputs.rows())
        return found.attribution, found.convergence_delta

    # One array for both: what belongs together is computed once.
    def packed(rows: Rows) -> np.ndarray:
        found = explain(rows)
        parts = [found.attribution.reshape(len(rows.codes), -1)]
        if found.convergence_delta is not None:
            parts.append(found.convergence_delta)
        return np.concatenate(parts, axis=1)

    size, n_deltas = math.prod(shape), shape[0] if method in REFERENCED else 0
    both = inputs.by_blocks(packed, (size + n_deltas,))
    values = both[:, :size].map_blocks(
        lambda block: block.reshape(-1, *shape),
        dtype=np.float32,
        chunks=(both.chunks[0], *((side,) for side in shape)),
        new_axis=(2, 3),
    )
    return values, both[:, size:] if n_deltas else None


def _given_references(
    references: Any, sequences: Dataset[SequenceSet], method: str
) -> np.ndarray | Literal["dinucleotide_shuffle", "zeros"]:
    """Give references as float32 ([sequence,] reference, letter, position), or how to make them."""
    if method not in REFERENCED and not (isinstance(references, str) and references == _MADE[0]):
        raise InvalidInput("references", f"given for {method!r}", "leave them out, it uses none")
    if references is None:
        return "zeros"
    if isinstance(references, str):
        made: Literal["dinucleotide_shuffle", "zeros"] = one_of("references", references, _MADE)
        return made
    if isinstance(references, xr.Dataset):
        return _from_set(references, sequences)
    if hasattr(references, "detach"):
        references = references.detach().cpu().numpy()
    values = np.asarray(references)
    n, length = sequences[CODES].shape
    wanted = (len(sequences.attrs["alphabet"]), length)
    if values.dtype.kind not in "biuf" or values.ndim not in (3, 4) or values.shape[-2:] != wanted:
        found = f"{values.dtype} of shape {values.shape}"
        remedy = f"use (reference, {wanted[0]} letters, {wanted[1]} positions)"
        raise InvalidInput("references", found, remedy)
    if values.shape[-3] == 0 or (values.ndim == 4 and len(values) != n):
        found = f"shape {values.shape} for {n} sequences"
        raise InvalidInput("references", found, "give each sequence at least one")
    if not np.isfinite(values).all():
        raise InvalidInput("references", "NaN or infinity", "use letters or their probabilities")
    return values.astype(np.float32, copy=False)


def _from_set(references: xr.Dataset, sequences: Dataset[SequenceSet]) -> np.ndarray:
    """Give the sequences of a set as references."""
    SequenceSet.check(references)
    alphabet, length = sequences.attrs["alphabet"], sequences.sizes[POSITION]
    others = references.attrs["alphabet"], references.sizes[POSITION]
    if others != (alphabet, length) or references.sizes[SEQUENCE] == 0:
        found = f"{references.sizes[SEQUENCE]} of length {others[1]} in the alphabet {others[0]!r}"
        remedy = f"use sequences of length {length} in the alphabet {alphabet!r}"
        raise InvalidInput("references", found, remedy)
    codes = np.ascontiguousarray(references[CODES].values)
    return one_hot(codes, len(alphabet))


def _warn_of_sums(found: Contributions, first_sequence: int, method: Any) -> None:
    """Warn once of all sequences whose attributions do not add up."""
    off = off_sum(found, method)
    if not off.any() or found.convergence_delta is None or found.difference is None:
        return
    missed = np.where(off, np.abs(found.convergence_delta), -1)
    worst, at = np.unravel_index(np.argmax(missed), missed.shape)
    remedy = (
        "the model computes something that DeepLIFT cannot follow; use "
        "method='integrated_gradients' or 'saturation_mutagenesis'"
        if method == "deep_lift_shap"
        else "use more n_steps"
    )
    warnings.warn(
        f"tl.attribute: the attributions of {off.any(axis=1).sum()} of {len(off)} sequences do "
        f"not add up to the difference of outputs; sequence {first_sequence + worst} misses "
        f"{missed[worst, at]:.3g} of {found.difference[worst, at]:.3g}: {remedy}",
        UserWarning,
        stacklevel=6,  # the call of `attribute`
    )
