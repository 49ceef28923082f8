"""How DeepLIFT goes back through layers that tangermeme has no rule for.

A rule has the signature that tangermeme asks for: (module, grad_input, grad_output), where
``module.input`` and ``module.output`` hold the sequences and then their references.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["further_rules"]

Rule = Callable[[Any, Any, Any], tuple[Any, ...]]


def further_rules(model: Any) -> dict[type, Rule]:
    """Give rules for the layers of a model that tangermeme has none for.

    Classes derived from those it knows have the rule of their parent, unless they have a
    ``forward`` of their own; other functions of single numbers have that of ReLU; adaptive pooling
    sends changes to the places of the maxima, and through some others gradients are integrated.
    All else counts as linear.
    """
    from tangermeme.deep_lift_shap import _build_nonlinear_ops, integrated_gradients_op
    from torch import nn

    known = _build_nonlinear_ops()
    of_one_number = (
        nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.Softsign, nn.Tanhshrink,
        nn.Threshold,
    )  # fmt: skip
    of_several = (
        nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.LocalResponseNorm, nn.LogSoftmax,
        nn.LPPool1d, nn.LPPool2d, nn.Softmin,
    )  # fmt: skip
    rules: dict[type, Rule] = {}
    kinds: set[Any] = {type(part) for part in model.modules()}
    for kind in kinds - set(known):
        parent = next((one for one in kind.__mro__ if one in known), None)
        if parent is not None and kind.forward is not parent.forward:
            # What it does may be something else, such as a normalization over other axes.
            rules[kind] = integrated_gradients_op()
        elif parent is not None or issubclass(kind, of_one_number):
            rules[kind] = known[parent or nn.ReLU]
        elif issubclass(kind, nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d):
            rules[kind] = _adaptive_max_pool
        elif issubclass(kind, of_several):
            rules[kind] = integrated_gradients_op()
    return rules


def _adaptive_max_pool(module: Any, grad_input: Any, grad_output: Any) -> tuple[Any, ...]:
    """Send the change of each maximum to where it was, before and after.

    With the larger of the two maxima m, the change from the reference to m is that of the place of
    the maximum in the sequence, the change from m that of the place in the reference.
    """
    import torch
    from torch.nn import functional

    is_flat = isinstance(module, torch.nn.AdaptiveMaxPool1d)
    pool = functional.adaptive_max_pool1d if is_flat else functional.adaptive_max_pool2d
    inputs, (output, other) = module.input, module.output.chunk(2)
    change = torch.sub(*inputs.chunk(2))
    _, places = pool(inputs, module.output_size, return_indices=True)
    largest = torch.maximum(output, other)
    shares = grad_output[0] * torch.cat([largest - other, output - largest])
    spread = torch.zeros_like(inputs).flatten(2)
    spread.scatter_add_(2, places.flatten(2), shares.flatten(2))
    total = sum(spread.reshape(inputs.shape).chunk(2))
    still = change == 0
    half = torch.where(still, grad_input[0].chunk(2)[0], total / change.masked_fill(still, 1))
    return (torch.cat([half, half]),)
