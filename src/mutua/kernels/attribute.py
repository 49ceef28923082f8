"""What every letter contributes to outputs of a model.

tangermeme does DeepLIFT/SHAP and saturation mutagenesis, captum integrated gradients. All four
methods end in the same two steps: *multipliers*, by which a letter more or less changes the
output, become contributions of every letter that could be there (hypothetical ones); of these the
letter that is there has its own (projected ones).
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mutua.errors import InvalidInput
from mutua.kernels.apply_model import progress_steps, ready, tensor_rows
from mutua.kernels.deep_lift_rules import further_rules
from mutua.kernels.devices import with_tiles
from mutua.kernels.letters import PADDING, one_hot
from mutua.kernels.model_output import Targets
from mutua.kernels.random_sequences import derived_seed, kmer_preserving_shuffle
from mutua.settings import settings

__all__ = ["METHODS", "REFERENCED", "Contributions", "attribute", "off_sum"]

Method = Literal["deep_lift_shap", "saturation_mutagenesis", "integrated_gradients", "saliency"]
Values = npt.NDArray[np.float32]

METHODS = ("deep_lift_shap", "saturation_mutagenesis", "integrated_gradients", "saliency")
REFERENCED = ("deep_lift_shap", "integrated_gradients")
"""Methods that compare a sequence with references; their attributions add up to a difference."""
_MOST_ROWS = 256
"""Sequences between two steps of the progress bar."""
_COPIES = 6
"""Arrays (sequence, reference, letter, position) that there are at one time."""
_TOLERANCE: Final = {"deep_lift_shap": 0.01, "integrated_gradients": 0.05}
_ROUNDING: Final = 1e-5


class Contributions(NamedTuple):
    """What attribution gives.

    Attributes
    ----------
    attribution
        float32 (sequence, target, letter, position).
    convergence_delta
        float32 (sequence, target): mean difference of outputs less the sum of attributions; None
        for methods without references.
    difference
        float32 (sequence, target): mean absolute difference of outputs; None likewise.
    output
        float32 (sequence, target): mean absolute output; None likewise.
    """

    attribution: Values
    convergence_delta: Values | None
    difference: Values | None
    output: Values | None


def attribute(
    codes: npt.NDArray[np.uint8],
    model: Any,
    *,
    alphabet_size: int,
    targets: Targets,
    method: Method,
    hypothetical: bool,
    references: Values | Literal["dinucleotide_shuffle", "zeros"],
    n_references: int,
    seed: int,
    tracks: Values | None = None,
    args: Sequence[Any] = (),
    n_steps: int = 50,
    batch_size: int = 256,
    device: str | None = None,
    progress: bool | None = None,
    first_sequence: int = 0,
) -> Contributions:
    """Give the contribution of every letter to each target.

    Parameters
    ----------
    codes
        uint8 (sequence, position).
    model
        A torch module (its modes, hooks and device are restored, even if it fails), or a callable
        for the methods that take one.
    targets
        Each is one column of the output, or one function of it. All are compared with the same
        references; mutagenesis and saliency apply the model once for all.
    references
        float32 (reference, letter, position) for all sequences or (sequence, reference, letter,
        position); or how to make them. They have no letter where a sequence has none.
    n_references, seed
        For shuffles. Those of a sequence depend on the seed and its number alone.
    tracks, args
        float32 (sequence, track, position) below the letters; further arguments with a row each.
    n_steps
        Points of the integral of ``integrated_gradients``.
    batch_size
        Sequences that the model sees at once, references and steps included.
    first_sequence
        Number of the first row among all sequences.

    Raises
    ------
    InvalidInput
        If the method needs a module or gradients that there are not, or something is NaN.
    MemoryLimit
        If the GPU's memory does not hold what the model does with one sequence.
    """
    n, length = codes.shape
    n_targets = len(targets.names)
    if method not in REFERENCED:
        n_pairs = n_targets
    elif isinstance(references, str):
        n_pairs = n_references if references == "dinucleotide_shuffle" else 1
    else:
        n_pairs = references.shape[-3]
    per_row = n_pairs * alphabet_size * max(length, 1) * 4 * _COPIES
    size = max(1, min(_MOST_ROWS, settings.memory // per_row))
    values = np.empty((n, n_targets, alphabet_size, length), np.float32)
    sums = np.empty((3, n, n_targets), np.float32)
    fits = batch_size
    with ready(model, device) as place, _prepared(model, method):
        for start in progress_steps(n, size, progress, "attribute"):
            rows = slice(start, min(start + size, n))
            part, first = codes[rows], first_sequence + start

            def wrap(some: Targets, rows: slice = rows) -> Any:
                return _wrap(model, some, tracks, args, rows, place, method)

            letters = one_hot(part, alphabet_size)
            given: Any = None
            if method in REFERENCED:
                given = _references(part, references, rows, letters, n_references, seed, first)

            def explain(
                size: int, rows: slice = rows, letters: Any = letters, given: Any = given,
                wrap: Any = wrap,
            ) -> int:  # fmt: skip
                if method == "saturation_mutagenesis":
                    values[rows] = _mutagenesis(wrap(targets), letters, size, place)
                elif method == "saliency":
                    values[rows] = _saliency(wrap(targets), letters, size, place)
                else:
                    for at, one in enumerate(targets.split()):
                        values[rows, at], *sums[:, rows, at] = _compared(
                            wrap(one), letters, given, method, n_steps, size, place
                        )
                return size

            fits = with_tiles(explain, fits, smallest=1, argument="batch_size")
            _refuse_not_finite(values[rows], first)
            padding = (part == PADDING)[:, None, None, :]
            values[rows] *= ~padding if hypothetical else letters[:, None]
    return Contributions(values, *(sums if method in REFERENCED else (None, None, None)))


def off_sum(found: Contributions, method: Method) -> npt.NDArray[np.bool_]:
    """Tell for which (sequence, target) attributions do not add up to the difference of outputs.

    Those that miss it by more than 1 % of the mean absolute difference (5 % for integrated
    gradients, which sum over steps) and by more than rounding (1e-5 of the outputs).
    """
    if found.convergence_delta is None:
        return np.zeros(found.attribution.shape[:2], np.bool_)
    assert found.difference is not None
    assert found.output is not None
    allowed = _TOLERANCE[method] * found.difference + _ROUNDING * found.output
    return np.asarray(np.abs(found.convergence_delta) > allowed)


def _wrap(
    model: Any,
    targets: Targets,
    tracks: Values | None,
    args: Sequence[Any],
    rows: slice,
    place: Any,
    method: str,
) -> Any:
    """Give a module of letters and numbers of sequences that gives the targets."""
    from mutua.kernels.chosen_targets import ChosenTargets

    return ChosenTargets(
        model,
        targets,
        None if tracks is None else tensor_rows(np.asarray(tracks), rows, place),
        [tensor_rows(argument, rows, place) for argument in args],
        gradients=method != "saturation_mutagenesis",
    )


@contextlib.contextmanager
def _prepared(model: Any, method: str) -> Iterator[None]:
    """Refuse a model that the method cannot take; let its parts leave their inputs alone."""
    import torch

    from mutua.kernels.chosen_targets import own_outputs

    if method == "deep_lift_shap" and not isinstance(model, torch.nn.Module):
        raise InvalidInput(
            "model",
            f"a {type(model).__name__}, and DeepLIFT looks at the layers of a torch module",
            "use method='saturation_mutagenesis', which works for any function",
        )
    with own_outputs(model):
        yield


def _references(
    codes: npt.NDArray[np.uint8],
    references: Values | str,
    rows: slice,
    letters: Values,
    n_references: int,
    seed: int,
    first_sequence: int,
) -> Values:
    """Give float32 (sequence, reference, letter, position), zero where sequences have no letter."""
    if not isinstance(references, str):
        given = references[rows] if references.ndim == 4 else references[None]
    elif references == "zeros":
        given = np.zeros((1, 1, 1, 1), np.float32)
    else:
        shuffles = [
            kmer_preserving_shuffle(
                codes,
                k=2,
                seed=int(derived_seed(seed, f"reference {number}")),
                first_sequence=first_sequence,
            )
            for number in range(n_references)
        ]
        given = np.stack([one_hot(shuffle, letters.shape[1]) for shuffle in shuffles], axis=1)
    known = np.asarray(letters.any(axis=1))[:, None, None, :]
    return np.ascontiguousarray(given * known * np.ones((1, 1, letters.shape[1], 1), np.float32))


def _compared(
    wrapped: Any,
    letters: Values,
    references: Values,
    method: str,
    n_steps: int,
    batch_size: int,
    place: Any,
) -> tuple[Values, Values, Values, Values]:
    """Compare sequences with references, by DeepLIFT or integrated gradients."""
    import torch

    x, given = torch.from_numpy(letters), torch.from_numpy(references)
    if method == "deep_lift_shap":
        multipliers, output, others = _deep_lift(wrapped, x, given, batch_size, place)
    else:
        multipliers, output, others = _integrated(wrapped, x, given, n_steps, batch_size, place)
    # A letter comes in, and what the reference has at its place goes out.
    lost = (given * multipliers).sum(dim=2, keepdim=True)
    hypothetical = (multipliers - lost).mean(dim=1)
    differences = (output[:, None] - others).double()
    explained = (multipliers * (x[:, None] - given)).sum(dim=(2, 3), dtype=torch.float64)
    delta = (differences - explained).mean(dim=1)
    size = (output.abs() + others.abs().mean(dim=1)) / 2
    return (
        hypothetical.numpy(),
        delta.float().numpy(),
        differences.abs().mean(dim=1).float().numpy(),
        size.numpy(),
    )


def _deep_lift(wrapped: Any, x: Any, references: Any, batch_size: int, place: Any) -> Any:
    """Give multipliers, and the outputs for sequences and for their references."""
    import torch
    from tangermeme.deep_lift_shap import deep_lift_shap
    from tangermeme.utils import TangermemeWarning

    n, pairs = references.shape[:2]
    wrapped.seen = []
    with warnings.catch_warnings(), torch.enable_grad():
        # It looks at the values with a limit that knows no scale, and once a batch.
        warnings.filterwarnings("ignore", message="Convergence deltas")
        # References may be probabilities, and unknown letters are zeros.
        warnings.simplefilter("ignore", TangermemeWarning)
        multipliers = deep_lift_shap(
            wrapped,
            x,
            args=(torch.arange(n),),
            references=references,
            batch_size=max(1, batch_size // 2),
            additional_nonlinear_ops=further_rules(wrapped),
            raw_outputs=True,
            only_warn=True,
            dtype=torch.float32,
            device=place,
        )
    halves = [batch.chunk(2) for batch in wrapped.seen]
    outputs = torch.cat([half for half, _ in halves]).reshape(n, pairs)[:, 0]
    return multipliers, outputs, torch.cat([half for _, half in halves]).reshape(n, pairs)


def _integrated(
    wrapped: Any, x: Any, references: Any, n_steps: int, batch_size: int, place: Any
) -> Any:
    """Give mean gradients between references and sequences, and the outputs for both."""
    import torch
    from captum.attr import IntegratedGradients

    n, pairs = references.shape[:2]
    method = IntegratedGradients(wrapped, multiply_by_inputs=False)
    owner = torch.arange(n).repeat_interleave(pairs)
    flat = references.flatten(0, 1)
    gradients, others = torch.empty_like(flat), torch.empty(n * pairs)
    step = max(1, batch_size // n_steps)
    for start in range(0, n * pairs, step):
        part = slice(start, start + step)
        rows = owner[part]
        gradients[part] = method.attribute(
            x[rows].to(place),
            baselines=flat[part].to(place),
            additional_forward_args=(rows.to(place),),
            target=0,
            n_steps=n_steps,
            internal_batch_size=batch_size,
        ).cpu()
        others[part] = wrapped(flat[part].to(place), rows.to(place))[:, 0].cpu()
    numbers = [torch.arange(n)[i : i + batch_size] for i in range(0, n, batch_size)]
    outputs = torch.cat(
        [wrapped(x[rows].to(place), rows.to(place))[:, 0].cpu() for rows in numbers]
    )
    return gradients.reshape(references.shape), outputs, others.reshape(n, pairs)


def _saliency(wrapped: Any, letters: Values, batch_size: int, place: Any) -> Values:
    """Give gradients less their mean over the letters, which no change of letters can follow."""
    import torch

    n, *shape = letters.shape
    found = np.empty((n, len(wrapped.targets), *shape), np.float32)
    for start in range(0, n, batch_size):
        part = slice(start, start + batch_size)
        x = torch.from_numpy(letters[part]).to(place).requires_grad_()
        with torch.enable_grad():
            output = wrapped(x, torch.arange(start, start + len(x), device=place))
            gradients = [
                torch.autograd.grad(column.sum(), x, retain_graph=True)[0]
                for column in output.unbind(dim=1)
            ]
        for at, gradient in enumerate(gradients):
            centred = gradient - gradient.mean(dim=1, keepdim=True)
            found[part, at] = centred.cpu().numpy()
    return found


def _mutagenesis(wrapped: Any, letters: Values, batch_size: int, place: Any) -> Values:
    """Give what each substitution changes, less the mean over the letters of its place."""
    import torch
    from tangermeme.saturation_mutagenesis import saturation_mutagenesis
    from tangermeme.utils import TangermemeWarning

    parts = []
    # It applies the model to all sequences at once, as they are.
    for rows in torch.split(torch.arange(len(letters)), batch_size):
        with warnings.catch_warnings():
            # Where long jobs cannot go the fast way, they go the other one.
            warnings.simplefilter("ignore", TangermemeWarning)
            found = saturation_mutagenesis(
                wrapped,
                torch.from_numpy(letters)[rows],
                args=(rows,),
                batch_size=batch_size,
                raw_outputs=True,
                dtype=torch.float32,
                device=place,
                fast=isinstance(wrapped.model, torch.nn.Module),
            )
        changes = found.y_hat - found.y0[:, None, None, :]
        changes -= changes.mean(dim=1, keepdim=True)
        parts.append(changes.permute(0, 3, 1, 2))
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def _refuse_not_finite(values: Values, first_sequence: int) -> None:
    bad = ~np.isfinite(values).all(axis=(1, 2, 3))
    if bad.any():
        raise InvalidInput(
            "model",
            f"its attributions are not finite for {int(bad.sum())} of {len(values)} sequences, "
            f"first for sequence {first_sequence + int(bad.argmax())}",
            "look at its outputs with tl.predict, or leave these sequences out",
        )
