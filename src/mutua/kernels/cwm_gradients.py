"""Nonnegative sparse coefficients of matrices, many sequences at once, by proximal gradient.

Sequences stand in slots of one batch. One that is solved gives its coefficients and its slot is
filled by the next, so that none waits for the slowest. What is stepped on is s c instead of c: all
matrices are then of about one norm, where otherwise those in quiet parts of a sequence, which are
not used, would make the steps of all others short.

Method: Beck and Teboulle 2009, A fast iterative shrinkage-thresholding algorithm; O'Donoghue and
Candes 2015, Adaptive restart for accelerated gradient schemes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mutua.kernels.cwm_coordinates import Coefficients
from mutua.kernels.devices import full_precision, with_tiles
from mutua.settings import settings

__all__ = ["by_gradients"]

Floats = npt.NDArray[np.float32]
_TENSORS = 14
"""Tensors (slot, atom, position) that are alive at once, with those of a step."""
_POWER_STEPS = 12
_MARGIN = 1.05
"""The power steps give somewhat less than the largest eigenvalue."""
_NEVER = 1e30
"""Penalty where a matrix does not fit."""
_SPARE = 8
"""Slots are filled anew when one in so many is free."""


def by_gradients(
    signal: Floats,
    codes: npt.NDArray[np.uint8],
    runs: npt.NDArray[np.int32],
    matrices: Floats,
    width: npt.NDArray[np.int32],
    penalty: Floats,
    *,
    tolerance: npt.NDArray[np.float64],
    max_steps: int,
    n_slots: int | None = None,
    place: str = "cuda",
) -> Coefficients:
    """Solve sequences side by side; as `mutua.kernels.cwm_coordinates.by_coordinates` otherwise.

    Parameters
    ----------
    signal, codes, runs, matrices, width, penalty, tolerance
        As for `by_coordinates`.
    max_steps
        Most gradient steps for a sequence.
    n_slots
        Sequences in a batch; by default what half of the free memory of the device holds, and
        half of that as long as it does not.
    place
        The torch device.

    Raises
    ------
    MemoryLimit
        If the GPU's memory does not hold one sequence.
    """
    import torch

    n, length, _ = signal.shape
    if n == 0 or len(width) == 0 or length == 0:
        none = np.zeros(0, np.int32)
        return Coefficients(none, none, none, none.astype(np.float32), np.zeros(n),
                            np.zeros(n, np.int32))  # fmt: skip
    slot_bytes = 4 * _TENSORS * len(width) * length
    if n_slots is None:
        memory = settings.memory
        if place == "cuda":
            memory = torch.cuda.mem_get_info()[0] // 2
        n_slots = max(1, int(memory // slot_bytes))
    with torch.no_grad(), full_precision(deterministic=True):
        problem = _Problem(signal, codes, runs, matrices, width, penalty, tolerance, place)
        return with_tiles(
            lambda slots: _solve(problem, n, slots, max_steps),
            min(n_slots, n),
            smallest=1,
            argument="attributions",
            needed=lambda slots: float(slots) * slot_bytes,
        )


def _solve(problem: _Problem, n: int, n_slots: int, max_steps: int) -> Coefficients:
    import torch

    gap, steps = np.zeros(n), np.zeros(n, np.int32)
    found: list[list[npt.NDArray[Any]]] = []
    state: dict[str, Any] | None = None
    following = 0
    while True:
        n_live = 0 if state is None else int(state["live"].sum())
        room = n_slots - n_live
        if following < n and (n_live == 0 or room * _SPARE >= n_slots):
            state = _kept(state)
            fresh = problem.start(np.arange(following, min(n, following + room)))
            following += len(fresh["row"])
            state = fresh if state is None else {
                name: torch.cat([state[name], fresh[name]]) for name in state
            }  # fmt: skip
        elif n_live == 0:
            break
        elif state is not None and (len(state["live"]) - n_live) * _SPARE >= len(state["live"]):
            state = _kept(state)
        assert state is not None
        done = state["live"] & ((state["gap"] <= state["tolerance"]) | (state["step"] >= max_steps))
        if done.any():
            slots = done.nonzero()[:, 0]
            rows = state["row"][slots].cpu().numpy()
            gap[rows] = state["gap"][slots].cpu().numpy()
            steps[rows] = state["step"][slots].cpu().numpy()
            coefficient = state["c"][slots] * state["penalty"][slots] / problem.penalty
            where = coefficient.nonzero()
            slot, atom, start = (part.cpu().numpy() for part in where.T)
            value = coefficient[tuple(where.T)].cpu().numpy()
            found.append([rows[slot], start, atom, value])
            state["live"] &= ~done
            continue
        problem.step(state)
    columns = [np.concatenate(part) for part in zip(*found, strict=True)]
    order = np.lexsort((columns[2], columns[1], columns[0]))
    sequence, start, atom = (part[order].astype(np.int32) for part in columns[:3])
    value = columns[3][order].astype(np.float32)
    return Coefficients(sequence, start, atom, value, gap, steps)


def _kept(state: dict[str, Any] | None) -> dict[str, Any] | None:
    """Give the slots that are not done, or None if all are."""
    if state is None or not state["live"].any():
        return None
    slots = state["live"].nonzero()[:, 0]
    return {name: part[slots] for name, part in state.items()}


class _Problem:
    """The matrices, and sequences as they are taken into slots."""

    def __init__(
        self, signal: Floats, codes: npt.NDArray[np.uint8], runs: npt.NDArray[np.int32],
        matrices: Floats, width: npt.NDArray[np.int32], penalty: Floats,
        tolerance: npt.NDArray[np.float64], place: str,
    ) -> None:  # fmt: skip
        import torch

        self.signal, self.codes, self.runs, self.tolerance = signal, codes, runs, tolerance
        self.place = place
        self.matrices = torch.from_numpy(matrices).to(place)
        self.width = torch.from_numpy(width.astype(np.int64)).to(place)
        self.penalty = torch.from_numpy(penalty).to(place)[:, None]

    def start(self, rows: npt.NDArray[np.int64]) -> dict[str, Any]:
        """Give the state of sequences whose coefficients are all 0."""
        import torch

        def tensor(values: npt.NDArray[Any]) -> Any:
            return torch.from_numpy(np.ascontiguousarray(values)).to(self.place)

        signal = tensor(self.signal[rows].transpose(0, 2, 1))
        n_letters = self.matrices.shape[1]
        codes = tensor(self.codes[rows])[:, None]
        if signal.shape[1] == 1:
            shown = codes == torch.arange(n_letters, device=self.place, dtype=codes.dtype)[:, None]
        else:
            shown = (codes < n_letters).expand(-1, n_letters, -1)
        shown = shown.float()
        x = signal * shown
        runs = tensor(self.runs[rows].astype(np.int64))
        n, length = runs.shape
        energy = (x.double() ** 2).sum(dim=1).cumsum(dim=1)
        energy = torch.nn.functional.pad(energy, (1, 0))
        ends = torch.arange(length, device=self.place) + self.width[:, None]
        within = energy[:, ends.clamp(max=length)] - energy[:, None, :-1]
        fits = self.width[:, None] <= runs[:, None]
        penalty = torch.where(fits, self.penalty * (within + 1).sqrt(), _NEVER).float()
        state = {
            "row": tensor(rows), "x": x, "shown": shown, "penalty": penalty,
            "tolerance": tensor(self.tolerance[rows]),
            "live": torch.ones(n, dtype=torch.bool, device=self.place),
            "step": torch.zeros(n, dtype=torch.int64, device=self.place),
            "momentum": torch.zeros(n, device=self.place),
            "c": torch.zeros_like(penalty), "c_before": torch.zeros_like(penalty),
            "made": torch.zeros_like(x), "made_before": torch.zeros_like(x),
        }  # fmt: skip
        state["g"] = self._correlate(x)
        state["g_before"] = state["g"].clone()
        state["bound"] = self._largest(state)
        state["gap"] = _gap(state["c"], state["g"], state["penalty"], x, x)
        return state

    def step(self, state: dict[str, Any]) -> None:
        """Take one step in every slot."""
        import torch

        def wide(values: Any) -> Any:
            return values[:, None, None]

        push = wide(state["momentum"] / (state["momentum"] + 3))
        y = state["c"] + push * (state["c"] - state["c_before"])
        # What is linear in the coefficients is extrapolated with them, not computed again.
        made_y = state["made"] + push * (state["made"] - state["made_before"])
        g = state["g"] + push * (state["g"] - state["g_before"])
        new = (y + (g - state["penalty"]) / wide(state["bound"])).relu_()
        made = self._make(new, state["shown"])
        moved = ((new - y) ** 2).sum(dim=(1, 2))
        shift = ((made - made_y) ** 2).sum(dim=(1, 2))
        sound = shift <= state["bound"] * moved * (1 + 1e-4) + 1e-12
        turned = ((y - new) * (new - state["c"])).sum(dim=(1, 2)) > 0
        rest = state["x"] - made
        g = self._correlate(rest)
        gap = _gap(new, g, state["penalty"], rest, state["x"])
        taken = wide(sound)
        for name, value in (("c", new), ("made", made), ("g", g)):
            old = state[name]
            state[f"{name}_before"] = old
            state[name] = torch.where(taken, value, old)
        state["gap"] = torch.where(sound, gap, state["gap"])
        state["bound"] = torch.where(sound, state["bound"], 1.5 * state["bound"])
        state["momentum"] = torch.where(sound & ~turned, state["momentum"] + 1, 0)
        state["step"] += 1

    def _correlate(self, rest: Any) -> Any:
        import torch

        padded = torch.nn.functional.pad(rest, (0, self.matrices.shape[2] - 1))
        return torch.nn.functional.conv1d(padded, self.matrices)

    def _make(self, coefficients: Any, shown: Any) -> Any:
        import torch

        made = torch.nn.functional.conv_transpose1d(coefficients, self.matrices)
        return shown * made[..., : shown.shape[-1]]

    def _largest(self, state: dict[str, Any]) -> Any:
        """Estimate the largest eigenvalue, whose inverse is the step size, a little above."""
        import torch

        used = state["penalty"] < _NEVER
        # The same start for every sequence, whatever its slot; a step that is too long is noticed.
        flat = torch.arange(used[0].numel(), device=used.device, dtype=torch.float32)
        vector = (1 + torch.sin(12.9898 * flat)).reshape(used.shape[1:]) * used
        size = vector.new_ones(len(used))
        for _ in range(_POWER_STEPS):
            norm = vector.pow(2).sum(dim=(1, 2)).sqrt().clamp(min=1e-30)
            vector = vector / norm[:, None, None]
            vector = used * self._correlate(self._make(vector, state["shown"]))
            size = vector.pow(2).sum(dim=(1, 2)).sqrt()
        return (_MARGIN * size).clamp(min=1e-6)


def _gap(coefficients: Any, g: Any, penalty: Any, rest: Any, x: Any) -> Any:
    """Give the duality gap: the dual point is the rest, shrunk until it is feasible."""
    most = (g / penalty).amax(dim=(1, 2)).double()
    factor = 1 / most.clamp(min=1)
    left = (rest.double() ** 2).sum(dim=(1, 2))
    product = (rest.double() * x).sum(dim=(1, 2))
    size = (penalty * coefficients).double().sum(dim=(1, 2))
    return (0.5 * left * (1 + factor**2) + size - factor * product).clamp(min=0)
