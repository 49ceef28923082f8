"""A model as what attribution methods expect: a torch module of letters that gives numbers.

Imported where it is used: it needs torch.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mutua.errors import InvalidInput
from mutua.kernels.model_output import Targets, target_tensor

__all__ = ["ChosenTargets", "own_outputs"]


class ChosenTargets(nn.Module):
    """Targets of a model, as a function of the letters alone.

    What else the model takes is looked up by the number of the sequence: methods that repeat,
    cut and convert their arguments leave it as it is.

    Parameters
    ----------
    model
        A torch module or any callable.
    targets
        Each is one column of the output, or one function of it.
    tracks
        Tensor (sequence, track, position), stacked below the letters; or None.
    args
        Further arguments, tensors with a row a sequence.
    gradients
        Whether its output has to be differentiable.
    """

    def __init__(
        self,
        model: Any,
        targets: Targets,
        tracks: Tensor | None,
        args: Sequence[Tensor],
        *,
        gradients: bool,
    ) -> None:
        super().__init__()
        self.model = model
        self.targets = targets.split()
        self.pick = targets.pick
        self.tracks = tracks
        self.args = tuple(args)
        self.gradients = gradients
        self.seen: list[Tensor] | None = None
        """Where it is a list, the outputs are added to it."""
        self.eval()

    def to(self, *_: Any, **__: Any) -> ChosenTargets:
        """Stay: the model is where it has to be."""
        return self

    def forward(self, letters: Tensor, rows: Tensor) -> Tensor:
        """Give (batch, target) from one-hot (batch, letter, position) of sequences `rows`."""
        rows = rows.reshape(-1).long()
        inputs = letters
        if self.tracks is not None:
            inputs = torch.cat([letters, self.tracks[rows].to(letters.dtype)], dim=1)
        output = self.model(inputs, *(argument[rows] for argument in self.args))
        return (
            self._differentiable(output, letters) if self.gradients else self._plain(output, rows)
        )

    def _plain(self, output: Any, rows: Tensor) -> Tensor:
        """Give the targets, by nothing but functions of torch where the model is a module."""
        if isinstance(self.model, nn.Module):
            columns = [target_tensor(output, one, len(rows)) for one in self.targets]
            if all(isinstance(column, Tensor) for column in columns):
                return torch.stack(columns, dim=1).float()
        return torch.from_numpy(self.pick(output, len(rows)))

    def _differentiable(self, output: Any, letters: Tensor) -> Tensor:
        """Give the targets, or refuse those without gradients."""
        values = self.pick(output, len(letters))
        if self.seen is not None:
            self.seen.append(torch.from_numpy(values)[:, 0])
        columns = [target_tensor(output, one, len(letters)) for one in self.targets]
        for column in columns:
            is_tensor = isinstance(column, Tensor)
            if not is_tensor or (letters.requires_grad and not column.requires_grad):
                raise InvalidInput(
                    "model",
                    f"its output does not depend on the letters through torch (a "
                    f"{type(column).__name__} without gradient)",
                    "use method='saturation_mutagenesis', which works for any function",
                )
        return torch.stack(columns, dim=1)


@contextlib.contextmanager
def own_outputs(model: Any) -> Iterator[None]:
    """Let no part of a module overwrite its input for a while, as hooks on it need."""
    parts: list[Any] = [
        part
        for part in (model.modules() if isinstance(model, nn.Module) else ())
        if getattr(part, "inplace", False) is True
    ]
    for part in parts:
        part.inplace = False
    try:
        yield
    finally:
        for part in parts:
            part.inplace = True
