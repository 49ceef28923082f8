"""A start for gene programs: genes that point the same way over the cells."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from mutua.kernels.matrix_passes import Passes
from mutua.kernels.threads import Workers

__all__ = ["GeneLines", "gene_directions", "gene_lines"]

Reals = npt.NDArray[np.float64]

_MORE: Final = 16
"""Directions beyond the number of programs: what is left out of the sketch is noise."""
_STEPS: Final = 50
_CANDIDATES: Final = 4


class GeneLines(NamedTuple):
    """Lines that genes lie along.

    Attributes
    ----------
    weights
        (program, G) float64: rows of length 1, disjoint; all 0 for a line that explains no gene.
    along
        (program, G) float64: how far every gene goes along every line, >= 0; rows of length 1.
    left
        What the lines leave of the squares of the genes.
    """

    weights: Reals
    along: Reals
    left: float


def gene_directions(passes: Passes, n_programs: int, *, seed: int) -> Reals:
    """Give every gene as a short vector, with nearly the same products as over all cells.

    Parameters
    ----------
    passes
        Over the cells.
    n_programs
        How many programs will be looked for.
    seed
        Of the random directions the sketch starts with.

    Returns
    -------
    float64 (direction, G)
        ``B`` with ``B'B`` near ``X'X``: its leading part (Halko et al., SIAM Review 53:217, 2011).
    """
    import torch

    n_genes = passes.shape[1]
    size = min(2 * n_programs + _MORE, n_genes)
    basis = np.random.default_rng([seed, 0]).standard_normal((n_genes, size))
    for _ in range(2):
        basis = _there_and_back(passes, np.linalg.qr(basis)[0])
    basis = np.linalg.qr(basis)[0]
    there = _to(passes, basis)

    def squares(block: Any, _: slice) -> list[Any]:
        along = (block @ there).to(torch.float64)
        return [along.T @ along]

    (core,) = passes.run(squares)
    values, vectors = np.linalg.eigh(core.cpu().numpy())
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0))).T @ basis.T)


def _there_and_back(passes: Passes, basis: Reals) -> Reals:
    there = _to(passes, basis)
    (sums,) = passes.run(lambda block, _: [block.T @ (block @ there)])
    return np.asarray(sums.cpu().double().numpy())


def _to(passes: Passes, array: Reals) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(array)).to(passes.place, torch.float32)


def gene_lines(directions: Reals, n_programs: int, *, seed: int, n_starts: int = 8) -> GeneLines:
    """Cut genes into disjoint programs, each one line through the origin.

    Every gene belongs to the line that explains most of it, and every line is where the genes of
    it point, weighted by how far they go: the best disjoint programs near the start. Of several
    starts the best is taken. Starts are drawn as k-means++ does: far from the lines there are.

    Parameters
    ----------
    directions
        What `gene_directions` gave.
    n_programs
        Number of lines.
    seed
        Of the starts.
    n_starts
        How many.

    Returns
    -------
    GeneLines
        The same bits whatever the number of threads.
    """
    squares = (directions**2).sum(axis=0)

    def start(number: int) -> GeneLines:
        random = np.random.default_rng([seed, 1, number])
        return _fitted(directions, squares, _drawn(directions, squares, n_programs, random))

    with threadpool_limits(1, user_api="blas"), Workers() as workers:
        found = workers.run(start, [(number,) for number in range(n_starts)])
    return min(found, key=lambda one: one.left)


def _drawn(B: Reals, squares: Reals, n: int, random: np.random.Generator) -> Reals:
    """Draw genes for lines, likely those that the lines before explain badly."""
    lines = np.zeros((n, len(B)))
    left = squares.copy()
    for place in range(n):
        total = left.sum()
        if total <= 1e-9 * squares.sum():
            break  # as many lines as there are directions
        genes = random.choice(len(left), size=_CANDIDATES, p=left / total)
        candidates = (B[:, genes] / np.sqrt(squares[genes])).T
        after = np.minimum(left, squares - np.maximum(candidates @ B, 0) ** 2)
        best = int(after.sum(axis=1).argmin())
        lines[place], left = candidates[best], np.maximum(after[best], 0)
    return lines


def _fitted(B: Reals, squares: Reals, lines: Reals) -> GeneLines:
    genes = np.arange(B.shape[1])
    before = None
    for _ in range(_STEPS):
        along = lines @ B
        label = along.argmax(axis=0)
        weights = np.zeros_like(along)
        weights[label, genes] = np.maximum(along[label, genes], 0)
        if before is not None and np.array_equal(label, before):
            break
        before = label
        lines = _units(weights @ B.T)
    left = float(squares.sum() - (weights**2).sum())
    return GeneLines(_units(weights), _units(np.maximum(along, 0)), left)


def _units(rows: Reals) -> Reals:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300))
