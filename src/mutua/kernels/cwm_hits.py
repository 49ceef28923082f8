"""Which instances of contribution matrices (CWMs) make up the attributions of sequences.

The attributions of a sequence, divided by their root mean square, are written as a sum of matrices
at places, with as few of them as a penalty allows: nonnegative coefficients c minimise

    1/2 |x - M sum_k (s_k c_k) * C_k|^2 + sum_k penalty_k |c_k|_1

where C_k is a matrix divided by its norm and cut to its trimmed part, s = (E + 1)^-1/2 with E the
energy of x within the window, and M keeps the letters that are there (or all known ones).

Method: Wang 2025, Fi-NeMo (https://github.com/kundajelab/Fi-NeMo). The duality gap and the case
of no positive correlation differ, see `mutua.tl.scan_contributions`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from mutua.kernels.cwm_coordinates import Coefficients, by_coordinates
from mutua.kernels.cwm_gradients import by_gradients
from mutua.kernels.devices import torch_gpu
from mutua.kernels.letters import PADDING
from mutua.kernels.rows import over_rows

__all__ = ["Atoms", "CwmHits", "cwm_hits", "free_runs", "trimmed_atoms"]

Floats = npt.NDArray[np.float32]
_SAME = 1e-6
"""Largest difference of two matrices of norm 1 that are called the same."""


class Atoms(NamedTuple):
    """Trimmed matrices of motifs on one or both strands, each one once.

    Attributes
    ----------
    values
        float32 (atom, letter, column), 0 beyond the width.
    width, motif, strand, penalty
        (atom,) columns, which motif, 1 or -1, and the penalty.
    """

    values: Floats
    width: npt.NDArray[np.int32]
    motif: npt.NDArray[np.int32]
    strand: npt.NDArray[np.int8]
    penalty: Floats


class CwmHits(NamedTuple):
    """Hits sorted by sequence, start, motif and strand (forward first), and how far each is solved.

    `sequence` to `importance` are of hits; `gap` and `steps` of sequences.
    """

    sequence: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    motif: npt.NDArray[np.int32]
    strand: npt.NDArray[np.int8]
    coefficient: npt.NDArray[np.float64]
    coefficient_global: npt.NDArray[np.float64]
    similarity: npt.NDArray[np.float64]
    importance: npt.NDArray[np.float64]
    gap: npt.NDArray[np.float64]
    steps: npt.NDArray[np.int32]


def trimmed_atoms(
    matrices: npt.NDArray[np.floating],
    *,
    penalty: npt.ArrayLike,
    trim: float,
    complement: npt.NDArray[np.uint8] | None,
) -> Atoms:
    """Divide each matrix by its norm and cut off the columns at its ends that say little.

    Parameters
    ----------
    matrices
        (motif, letter, column), each with something other than 0.
    penalty
        (motif,) above 0.
    trim
        Share of the largest column, by the sum of absolute values, that the first and the last
        column kept have at least.
    complement
        (letter,) the code of each letter's complement, to look at both strands; or None.

    Returns
    -------
    Atoms
        Of those that are the same, such as both strands of a palindrome, the one with the least
        penalty, then the first motif, then the forward strand.

    Examples
    --------
    >>> matrix = np.zeros((1, 4, 5))
    >>> matrix[0, [2, 0, 3], [1, 2, 3]] = [3, 4, 1]
    >>> found = trimmed_atoms(matrix, penalty=[0.7], trim=0.3, complement=None)
    >>> found.width, found.values[0, 0].round(2)
    (array([2], dtype=int32), array([0.  , 0.78], dtype=float32))
    """
    penalties = np.asarray(penalty, np.float32)
    found: list[tuple[npt.NDArray[np.float64], int, int]] = []
    for motif, matrix in enumerate(np.asarray(matrices, np.float64)):
        size = np.abs(matrix).sum(axis=0)
        used = np.flatnonzero(size >= trim * size.max())
        cut = (matrix / np.sqrt((matrix**2).sum()))[:, used[0] : used[-1] + 1]
        found.append((cut, motif, 1))
        if complement is not None:
            found.append((cut[complement, ::-1], motif, -1))
    found.sort(key=lambda atom: (penalties[atom[1]], atom[1], -atom[2]))
    kept: list[tuple[npt.NDArray[np.float64], int, int]] = []
    for atom in found:
        if not any(_same(atom[0], other[0]) for other in kept):
            kept.append(atom)
    kept.sort(key=lambda atom: (atom[1], -atom[2]))
    width = np.array([atom[0].shape[1] for atom in kept], np.int32)
    values = np.zeros((len(kept), matrices.shape[1], width.max(initial=1)), np.float32)
    for row, atom in enumerate(kept):
        values[row, :, : width[row]] = atom[0]
    motif_of = np.array([atom[1] for atom in kept], np.int32)
    strand = np.array([atom[2] for atom in kept], np.int8)
    return Atoms(values, width, motif_of, strand, penalties[motif_of])


def _same(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> bool:
    return one.shape == other.shape and bool(np.abs(one - other).max() < _SAME)


def cwm_hits(
    values: npt.NDArray[np.floating],
    codes: npt.NDArray[np.uint8],
    atoms: Atoms,
    *,
    all_letters: bool,
    tolerance: float,
    max_steps: int,
    device: str | None = None,
) -> CwmHits:
    """Find the instances of matrices that make up the attributions.

    Parameters
    ----------
    values
        (sequence, letter, position), finite.
    codes
        uint8 (sequence, position).
    atoms
        From :func:`trimmed_atoms`.
    all_letters
        Explain the values of all letters instead of those of the letters that are there.
    tolerance
        Largest duality gap, divided by the letters of the sequence.
    max_steps
        Most steps for a sequence: on a CPU sweeps over the coefficients in use, on a GPU
        gradient steps.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; None for the setting. A CPU solves each sequence by
        coordinate descent, a GPU many at once by accelerated proximal gradient. Both solve the
        same problem up to `tolerance`.

    Raises
    ------
    DeviceUnavailable
        For ``"cuda"`` without a usable GPU.

    Examples
    --------
    >>> matrix = np.array([[[1.0, 0], [0, 0], [0, 1], [0, 0]]])
    >>> atoms = trimmed_atoms(matrix, penalty=[0.7], trim=0.3, complement=None)
    >>> codes = np.array([[3, 0, 2, 3, 0, 3]], np.uint8)
    >>> values = np.zeros((1, 4, 6))
    >>> values[0, [0, 2], [1, 2]] = 2.0
    >>> found = cwm_hits(
    ...     values, codes, atoms, all_letters=False, tolerance=1e-5, max_steps=100, device="cpu"
    ... )
    >>> found.start, found.similarity.round(3)
    (array([1], dtype=int32), array([1.]))
    """
    solver = _solver(device)
    # Code is compiled anew for arrays that are read-only or lie otherwise in memory.
    codes = np.require(codes, np.uint8, ["C", "W"])
    n_letters = values.shape[1]
    known = codes < n_letters
    letters = np.maximum((codes != PADDING).sum(axis=1), 1)
    if all_letters:
        signal = np.where(known[:, None], values, 0).astype(np.float64).transpose(0, 2, 1)
    else:
        index = np.minimum(codes, n_letters - 1)[:, None]
        signal = np.take_along_axis(values, index, axis=1).transpose(0, 2, 1).astype(np.float64)
        signal[~known] = 0
    scale = np.sqrt((signal**2).sum(axis=(1, 2)) / letters)
    signal = np.ascontiguousarray(signal / np.where(scale > 0, scale, 1)[:, None, None])
    found = solver(
        signal.astype(np.float32),
        codes,
        free_runs(codes),
        atoms.values,
        atoms.width,
        atoms.penalty,
        tolerance=tolerance * letters,
        max_steps=max_steps,
    )
    return _hits(found, signal, codes, atoms, scale, letters)


def _solver(device: str | None) -> Any:
    return by_gradients if torch_gpu(device) else by_coordinates


def free_runs(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Give how many letters from each place on are no padding, int32 (sequence, position).

    Examples
    --------
    >>> free_runs(np.array([[0, 254, 255, 1]], np.uint8))
    array([[2, 1, 0, 1]], dtype=int32)
    """
    runs = np.zeros(codes.shape, np.int32)
    length = np.zeros(len(codes), np.int32)
    for place in range(codes.shape[1] - 1, -1, -1):
        length = np.where(codes[:, place] == PADDING, 0, length + 1).astype(np.int32)
        runs[:, place] = length
    return runs


def _hits(
    found: Coefficients,
    signal: npt.NDArray[np.float64],
    codes: npt.NDArray[np.uint8],
    atoms: Atoms,
    scale: npt.NDArray[np.float64],
    letters: npt.NDArray[np.integer],
) -> CwmHits:
    """Keep the coefficients whose place looks like the matrix, and say more of each."""
    n = len(found.sequence)
    similarity, importance = np.zeros(n), np.zeros(n)
    over_rows(
        _measure, n, found.sequence, found.start, found.atom, signal, codes, atoms.values,
        atoms.width, similarity, importance, row_cost=200,
    )  # fmt: skip
    kept = np.flatnonzero(similarity >= atoms.penalty[found.atom])
    sequence, start, atom = (part[kept] for part in found[:3])
    order = np.lexsort((-atoms.strand[atom], atoms.motif[atom], start, sequence))
    kept, sequence, start, atom = kept[order], sequence[order], start[order], atom[order]
    coefficient = found.coefficient[kept].astype(np.float64)
    factor = scale[sequence]
    return CwmHits(
        sequence, start, start + atoms.width[atom], atoms.motif[atom], atoms.strand[atom],
        coefficient, coefficient * factor**2, similarity[kept], importance[kept] * factor,
        found.gap / letters, found.steps,
    )  # fmt: skip


@njit(cache=True, nogil=True)
def _measure(
    first: int,
    stop: int,
    sequence: npt.NDArray[np.int32],
    start: npt.NDArray[np.int32],
    atom: npt.NDArray[np.int32],
    signal: npt.NDArray[np.float64],
    codes: npt.NDArray[np.uint8],
    matrices: Floats,
    width: npt.NDArray[np.int32],
    similarity: npt.NDArray[np.float64],
    importance: npt.NDArray[np.float64],
) -> None:
    """Write the cosine of each place and its matrix, and the sum of absolute values there."""
    n_letters = matrices.shape[1]
    projected = signal.shape[2] == 1
    for hit in range(first, stop):
        product, energy, size = 0.0, 0.0, 0.0
        for column in range(width[atom[hit]]):
            place = start[hit] + column
            code = codes[sequence[hit], place]
            if code >= n_letters:
                continue
            for part in range(signal.shape[2]):
                value = signal[sequence[hit], place, part]
                letter = code if projected else part
                product += value * matrices[atom[hit], letter, column]
                energy += value * value
                size += abs(value)
        # Rounding must not lift a perfect match above 1.
        similarity[hit] = min(1.0, max(-1.0, product / np.sqrt(energy))) if energy > 0 else 0.0
        importance[hit] = size
