"""The likelihoods of the three-state network on a GPU: matrix products of torch, in float64.

They are those of `spin_exact`, `spin_pseudo` and `spin_mcmc`, for any device of torch. Sums are
taken in another order than on the CPU and are the same from run to run: no atomic additions. Where
the GPU's memory does not hold a piece, half of it is taken at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from mutua.kernels.devices import with_tiles
from mutua.kernels.spin_exact import ExactLikelihood
from mutua.kernels.spin_mcmc import Excess, SampledLikelihood, Tilts
from mutua.kernels.spin_problem import Network
from mutua.kernels.spin_states import CountedStates, Moments
from mutua.kernels.threads import Workers

__all__ = ["TorchExact", "TorchPseudo", "TorchSampled", "upload"]

Float = npt.NDArray[np.float64]
T = TypeVar("T")

_VALUES: Final = 2**25
"""Numbers of the tables of a piece: 256 MiB each."""
_VALUES_EXACT: Final = 2**27
_TABLES, _TABLES_EXACT = 12, 3  # at once


def upload(array: npt.NDArray[Any], place: Any) -> Any:
    """Give a tensor with the values of an array, and of its type."""
    import torch

    return torch.from_numpy(np.require(array, requirements=["C", "W"])).to(place)


class _Pieces:
    """How many rows are computed together: fewer once they did not fit."""

    def __init__(self, n_rows: int, values_of_row: int, most: int, tables: int) -> None:
        self.rows = max(min(n_rows, most // values_of_row), 1)
        self.bytes_of_row = 8.0 * values_of_row * tables

    def run(self, function: Callable[[int], T]) -> T:
        def remembered(rows: int) -> T:
            self.rows = rows
            return function(rows)

        return with_tiles(
            remembered,
            self.rows,
            smallest=1,
            argument="adata",
            needed=lambda rows: rows * self.bytes_of_row,
        )


class TorchPseudo:
    """Minus the log pseudo-likelihood of every condition, summed, and its gradients.

    Parameters
    ----------
    data
        The cells.
    place
        Device of torch.
    states
        int8 tensor (row, node): those of `data`, where they are uploaded already.
    """

    def __init__(self, data: CountedStates, place: Any, states: Any = None) -> None:
        self.data, self.place = data, place
        self.states = upload(data.states, place) if states is None else states
        self.weight = upload(data.weight, place)
        self.condition = upload(data.condition, place)
        self.pieces = _Pieces(len(data.condition), data.n_nodes, _VALUES, _TABLES)

    def __call__(self, coupling: Float, response: Float) -> tuple[float, Float, Float]:
        """Give the value, and its gradients with all (node, node) couplings free."""
        return self.pieces.run(lambda rows: self._all(coupling, response, rows))

    def _all(self, coupling: Float, response: Float, rows: int) -> tuple[float, Float, Float]:
        import torch

        others = coupling.T.copy()
        np.fill_diagonal(others, 0.0)
        given = [upload(part, self.place) for part in (others, np.diag(coupling), response.T)]
        with torch.no_grad():
            gradient, self_gradient, pushed = (torch.zeros_like(part) for part in given)
            value = torch.zeros_like(self_gradient[:1])
            sums = value, self_gradient, gradient, pushed
            for start in range(0, len(self.condition), rows):
                self._add(slice(start, start + rows), given, sums)
        by_coupling = gradient.cpu().numpy()
        np.fill_diagonal(by_coupling, self_gradient.cpu().numpy())
        return float(value), by_coupling, np.ascontiguousarray(pushed.cpu().numpy().T)

    def _add(self, block: slice, given: Sequence[Any], sums: Sequence[Any]) -> None:
        """Add a block of rows; the weights of the three states are as in `spin_pseudo`."""
        import torch

        others, diagonal, response = given
        value, self_gradient, gradient, pushed = sums
        condition, weight = self.condition[block], self.weight[block][:, None]
        there = weight > 0  # resampled cells leave some out
        states = self.states[block].double()
        field = states @ others + response[condition]
        size = field.abs()
        middle = (-size).exp()
        near = diagonal.exp()
        far = near * middle * middle
        total = near + far + middle
        loss = size + total.log() - states * field - states * states * diagonal
        value += torch.where(there, weight * loss, 0.0).sum()
        own = torch.where(there, weight * ((near + far) / total - states * states), 0.0)
        self_gradient += own.sum(dim=0)
        mean = torch.copysign((near - far) / total, field)
        mean = torch.where(there, weight * (mean - states), 0.0)
        gradient += mean.T @ states
        # Rows are in the order of the conditions, of which a block has a few.
        ends = self.data.condition[block][[0, -1]]
        first, last = int(ends[0]), int(ends[1])
        numbers = torch.arange(first, last + 1, device=self.place)
        pushed[first : last + 1] += (condition == numbers[:, None]).double() @ mean


class TorchExact(ExactLikelihood):
    """Minus the log-likelihood of every condition, summed, by enumeration of all states.

    Parameters
    ----------
    moments
        Of the cells.
    place
        Device of torch.
    """

    def __init__(self, moments: Moments, place: Any) -> None:
        super().__init__(moments, Workers(1))
        self.place = place
        self.rows = [upload(half.states, place) for half in (self.first, self.second)]
        n_first, n_second = (len(half) for half in self.rows)
        self.pieces = _Pieces(n_first, n_second, _VALUES_EXACT, _TABLES_EXACT)

    def expectations(self, coupling: Float, response: Float) -> tuple[Float, Float, Float]:
        """Give log Z (condition,), means (node, condition), products summed over conditions."""
        return self.pieces.run(lambda rows: self._enumerated(coupling, response, rows))

    def _enumerated(
        self, coupling: Float, response: Float, rows: int
    ) -> tuple[Float, Float, Float]:
        import torch

        first, second = self.rows
        u, log_u = self.first.weights(coupling, response)
        v, log_v = self.second.weights(coupling, response)
        between = coupling[self.first.nodes, self.second.nodes]
        top = float(np.abs(between).sum())
        on_u, on_v = upload(u, self.place), upload(v, self.place)
        with torch.no_grad():
            cross = first @ upload(between, self.place)
            blocks = [slice(start, start + rows) for start in range(0, len(first), rows)]
            kept: Any = None
            sums = torch.empty_like(on_u)
            for block in blocks:
                kept = _exponentials(cross[block], second, top)
                sums[block] = kept @ on_v
            z = (on_u * sums).sum(dim=0)
            scaled = torch.where(z > 0, on_u / z, 0.0)
            back = torch.zeros_like(on_v)
            across = first.new_zeros(between.shape)
            for block in blocks:
                if len(blocks) > 1:  # a single block is still there
                    kept = _exponentials(cross[block], second, top)
                back += kept.T @ scaled[block]
                across += first[block].T @ (((scaled[block] @ on_v.T) * kept) @ second)
            parts = [scaled * sums, on_v * back]
            means = [half.T @ p for half, p in zip(self.rows, parts, strict=True)]
            within = [
                (half * p.sum(dim=1, keepdim=True)).T @ half
                for half, p in zip(self.rows, parts, strict=True)
            ]
        with np.errstate(divide="ignore", invalid="ignore"):
            log_z = np.log(z.cpu().numpy()) + log_u + log_v + top
        mean = np.concatenate([part.cpu().numpy() for part in means])
        a, b, c = (part.cpu().numpy() for part in (*within, across))
        return log_z, mean, np.block([[a, c], [c.T, b]])


def _exponentials(cross: Any, states: Any, top: float) -> Any:
    return (cross @ states.T).sub_(top).exp_()


class TorchSampled(SampledLikelihood):
    """Minus the log-likelihood relative to that of a reference, from states drawn under it.

    Parameters
    ----------
    moments, draws, reference, excess
        As of `mutua.kernels.spin_mcmc.SampledLikelihood`.
    place
        Device of torch.
    states
        int8 tensor of the draws, where they are uploaded already.
    """

    def __init__(
        self,
        moments: Moments,
        draws: npt.NDArray[np.int8],
        reference: Network,
        place: Any,
        excess: Excess | None = None,
        states: Any = None,
    ) -> None:
        super().__init__(moments, draws, reference, Workers(1), excess)
        self.place = place
        self.states = upload(draws, place) if states is None else states
        n_conditions, n_draws, n_nodes = draws.shape
        self.pieces = _Pieces(n_conditions, n_draws * n_nodes, _VALUES, _TABLES)

    def tilts(self, coupling: Float, response: Float) -> Tilts:
        """Give what the draws say of a network, by the weights they have in it."""
        change = coupling - self.reference.coupling
        push = response - self.reference.response
        doubled = upload(change + np.diag(np.diag(change)), self.place)
        on = upload(push.T, self.place)
        return self.pieces.run(lambda rows: self._tilted(doubled, on, rows))

    def _tilted(self, doubled: Any, push: Any, together: int) -> Tilts:
        import torch

        n_conditions, n_draws, n_nodes = self.states.shape
        log_ratios, means, shares = [], [], []
        product = torch.zeros_like(doubled)
        with torch.no_grad():
            for start in range(0, n_conditions, together):
                part = slice(start, start + together)
                states = self.states[part].double()
                logits = ((states @ doubled) * states).sum(dim=2) / 2
                logits += (states @ push[part][:, :, None])[:, :, 0]
                largest = logits.amax(dim=1, keepdim=True)
                weight = (logits - largest).exp()
                total = weight.sum(dim=1, keepdim=True)
                weight /= total
                weighted = states * weight[:, :, None]
                product += weighted.view(-1, n_nodes).T @ states.view(-1, n_nodes)
                means.append(weighted.sum(dim=1))
                shares.append(1 / (n_draws * (weight * weight).sum(dim=1)))
                log_ratios.append(((total / n_draws).log() + largest)[:, 0])
            mean = torch.cat(means).cpu().numpy().T
            return Tilts(
                float(torch.cat(log_ratios).sum()),
                np.ascontiguousarray(mean),
                product.cpu().numpy(),
                float(torch.cat(shares).min()),
            )
