"""Plain loops for the letters of a neuron's sequences and for the informative positions."""

from __future__ import annotations

import numpy as np


def leaf_probability(codes: np.ndarray, activation: np.ndarray, n_letters: int) -> np.ndarray:
    """20 bins (top (j - 1) / 20, top j / 20], from the highest on; an empty one repeats it."""
    top = float(activation.max())
    total = np.zeros((n_letters, codes.shape[1]))
    last = None
    least = min(float(value) for value in activation)
    for j in range(20, 0, -1):
        low, high = top * (j - 1) / 20, top * j / 20
        if high < least:
            break
        members = [
            i for i, value in enumerate(activation)
            if (low < value <= high) or (j == 20 and value == top)
        ]  # fmt: skip
        weight = (low + high) / 2
        if members:
            last = np.zeros_like(total)
            for i in members:
                for position, letter in enumerate(codes[i]):
                    last[letter, position] += 1 / len(members)
            weight = float(np.mean([float(activation[i]) for i in members]))
        total = total + weight * last
    return total / total.sum(axis=0)


def informative_runs(
    bits: np.ndarray, least_bits: float, gap: int, least_length: int, edge_bits: float
) -> list[tuple[int, int]]:
    """One position after the other."""
    strong = []
    for place in range(len(bits)):
        near = bits[max(0, place - 1) : place + 2]
        strong.append(near.mean() >= least_bits)
    runs: list[list[int]] = []
    for place, is_strong in enumerate(strong):
        if is_strong and runs and place - runs[-1][1] <= gap + 1:
            runs[-1][1] = place
        elif is_strong:
            runs.append([place, place])
    found = []
    for start, last in runs:
        while start <= last and bits[start] < edge_bits:
            start += 1
        while last >= start and bits[last] < edge_bits:
            last -= 1
        if last + 1 - start >= least_length:
            found.append((start, last + 1))
    return found
