"""Windows of sequences that activate neurons, as many of each level of activation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mutua.kernels.activating_search import N_BINS, Found

__all__ = ["SampledWindows"]

Codes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Priorities = npt.NDArray[np.uint64]


class SampledWindows:
    """A random choice of the windows in which neurons are active, for each bin of activation.

    Every window has a random priority that depends on the seed and on its place alone, and the
    smallest of each bin are kept: the choice does not depend on how sequences are put into blocks.

    Parameters
    ----------
    top
        (neuron,) largest activation of each in all sequences; bins go from 0 to it.
    width
        Letters of a window.
    most
        Windows to keep of each bin and neuron.
    seed
        Of the priorities.
    """

    def __init__(self, top: Floats, *, width: int, most: int, seed: int) -> None:
        self._top = top.astype(np.float64)
        self._width = width
        self._most = most
        self._key = _mixed(np.array([seed], np.uint64))
        n = len(top) * N_BINS
        self._least = np.full(n, np.iinfo(np.uint64).max, np.uint64)
        self._kept: list[tuple[Priorities, Codes, Floats]] = [
            (np.zeros(0, np.uint64), np.zeros((0, width), np.uint8), np.zeros(0, np.float32))
            for _ in range(n)
        ]

    def add(self, codes: Codes, activation: Floats, first_sequence: int) -> None:
        """Look at all windows of some sequences.

        Parameters
        ----------
        codes
            uint8 (sequence, position).
        activation
            float32 (sequence, neuron, start); NaN where there is no window.
        first_sequence
            Number of the first sequence.
        """
        n, n_neurons, n_starts = activation.shape
        number = np.arange(first_sequence, first_sequence + n, dtype=np.uint64)[:, None]
        place = (number << np.uint64(32)) + np.arange(n_starts, dtype=np.uint64)
        priority = _mixed(np.bitwise_xor(place, self._key))
        windows = np.lib.stride_tricks.sliding_window_view(codes, self._width, axis=1)
        for neuron in range(n_neurons):
            top = self._top[neuron]
            if not top > 0:
                continue
            row, start = np.nonzero(activation[:, neuron] > 0)
            value = activation[row, neuron, start]
            level = np.minimum((value * (N_BINS / top)).astype(np.int64), N_BINS - 1)
            group = neuron * N_BINS + level
            own = priority[row, start]
            good = np.flatnonzero(own <= self._least[group])
            for one in np.unique(group[good]):
                rows = good[group[good] == one]
                self._keep(int(one), own[rows], windows[row[rows], start[rows]], value[rows])

    def _keep(self, group: int, priority: Priorities, codes: Codes, value: Floats) -> None:
        old = self._kept[group]
        priority = np.concatenate([old[0], priority])
        codes, value = np.concatenate([old[1], codes]), np.concatenate([old[2], value])
        order = np.argsort(priority, kind="stable")
        # Equal windows come often, where sequences share letters: of each the first is kept.
        order = order[np.sort(np.unique(codes[order], axis=0, return_index=True)[1])]
        order = order[: self._most]
        self._kept[group] = priority[order], codes[order], value[order]
        if len(order) == self._most:
            self._least[group] = priority[order[-1]]

    def of(self, neuron: int) -> Found:
        """Give the windows that were kept of a neuron."""
        parts = self._kept[neuron * N_BINS : (neuron + 1) * N_BINS]
        codes, value = (np.concatenate([part[i] for part in parts]) for i in (1, 2))
        codes, first = np.unique(codes, axis=0, return_index=True)
        return Found(codes, value[first])


def _mixed(number: Priorities) -> Priorities:
    """Give the last step of SplitMix64 (Steele, Lea and Flood 2014), which is one to one."""
    with np.errstate(over="ignore"):
        number = number + np.uint64(0x9E3779B97F4A7C15)
        number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))
