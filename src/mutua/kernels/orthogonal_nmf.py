"""Non-negative factors of cells x genes: programs of genes, orthogonal or not, over several runs.

``X ~ A P`` with activities ``A >= 0`` (cell, program) and programs ``P >= 0`` (program, gene). With
orthogonal rows of P, a gene belongs to one program only, or nearly so. Runs differ by their seed;
those over the same cells go over the table together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from mutua._progress import progress_bar
from mutua.kernels.device_rows import rows_of_block
from mutua.kernels.devices import torch_device, with_tiles
from mutua.kernels.gene_lines import gene_directions, gene_lines
from mutua.kernels.matrix_passes import Passes

__all__ = ["Factors", "factorize"]

_LEAST: Final = 1e-8
"""In place of 0: what is 0 stays so, and far smaller numbers would be denormal, hence slow."""
_NONE: Final = 1e-5
"""Share of the largest weight of a program below which a gene is not in it."""
_SOFT: Final = 3.0
_FIRST: Final = 20
_WINDOW: Final = 10
_PASSES: Final = 100
"""As they come to be, for the choice of a device."""
_FEWEST: Final = 256
"""Rows of the smallest block."""


class Factors(NamedTuple):
    """What one run found.

    Attributes
    ----------
    programs
        (program, G) float32, rows of length 1; a row without any weight is 0.
    error
        (iteration,) float64: length of what is left of the table, as a share of its own.
    converged
        Whether the error no longer got smaller.
    """

    programs: npt.NDArray[np.float32]
    error: npt.NDArray[np.float64]
    converged: bool


def factorize(
    values: Any,
    n_programs: int,
    *,
    seeds: Sequence[int],
    scale: npt.NDArray[np.float64] | None = None,
    orthogonal: bool = True,
    max_iterations: int = 500,
    tolerance: float = 1e-4,
    device: str | None = None,
    progress: bool | None = None,
) -> list[Factors]:
    """Find programs of genes, once for every seed.

    Parameters
    ----------
    values
        (N, G) array or CSR matrix of finite numbers >= 0.
    n_programs
        Rows of P.
    seeds
        One for each run.
    scale
        (G,) what the genes are divided by; by default 1.
    orthogonal
        Programs that share no genes, or nearly so; else plain non-negative factors.
    max_iterations
        Most passes over the table.
    tolerance
        A run stops when its error fell by less than this share of it in 10 iterations.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``; None for the setting.
    progress
        Show a progress bar; None for the setting.

    Returns
    -------
    list of Factors
        In the order of the seeds. The same bits whatever the number of threads; other processors
        and devices round differently.

    Raises
    ------
    DeviceUnavailable
        For ``"cuda"`` without a usable GPU.

    Notes
    -----
    Orthogonal programs: the multiplicative updates of Ding et al., KDD 2006, which are those of
    D-SPIN (Jiang et al., 2024), from a start near the best disjoint programs. Plain ones:
    hierarchical alternating least squares (Cichocki and Phan, 2009). Activities and programs are
    single precision; the error is added up in double precision.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> planted = np.repeat(np.eye(3), [4, 5, 6], axis=1)
    >>> found = factorize(random.random((50, 3)) @ planted, 3, seeds=[0])[0]
    >>> sorted(np.bincount(found.programs.argmax(axis=0)).tolist()), bool(found.error[-1] < 0.01)
    ([4, 5, 6], True)
    """
    n, n_genes = values.shape
    scale = np.ones(n_genes) if scale is None else scale
    width = len(seeds) * n_programs
    place = torch_device(device, operations=4.0 * n * n_genes * width * _PASSES)
    options = (n_programs, seeds, orthogonal, max_iterations, tolerance, progress)
    if place.type == "cpu":
        with Passes(values, scale) as passes:
            return _factors(passes, *options)
    # Activities, and those of the runs that are left while others step aside.
    beside = 8.0 * n * width

    def attempt(rows: int) -> list[Factors]:
        with Passes(values, scale, place=place, rows=rows, beside=beside) as passes:
            return _factors(passes, *options)

    return with_tiles(
        attempt,
        rows_of_block(n_genes),
        smallest=_FEWEST,
        argument="n_cells",
        needed=lambda rows: beside / 2 + 4.0 * rows * (n_genes + 6 * width),
    )


def _factors(
    passes: Passes,
    n_programs: int,
    seeds: Sequence[int],
    orthogonal: bool,
    max_iterations: int,
    tolerance: float,
    progress: bool | None,
) -> list[Factors]:
    """Give what every run finds, with passes over the table."""
    total = _total(passes)
    start = _lines_start if orthogonal else _random_start
    runs = _Runs(passes, start(passes, n_programs, seeds), total, orthogonal)
    with progress_bar(max_iterations, "programs", "iteration", progress) as done:
        for _ in range(max_iterations):
            runs.step()
            runs.stop(tolerance)
            if not runs.left:
                break
            done(1)
    return runs.factors()


class _Runs:
    """Runs that go over a table together; those that are done step aside."""

    def __init__(self, passes: Passes, start: Any, total: float, orthogonal: bool) -> None:
        import torch

        self.passes, self.total, self.orthogonal = passes, total, orthogonal
        self.P = torch.from_numpy(start).to(passes.place, torch.float32).clamp_(min=_LEAST)
        self.left = list(range(len(start)))
        self.errors: list[list[float]] = [[] for _ in self.left]
        self.done: dict[int, tuple[npt.NDArray[np.float32], bool]] = {}
        self.A = self._first_activities()

    def _first_activities(self) -> dict[int, Any]:
        """Give the least squares for the programs, a dict of tensors (run, row, program)."""
        import torch

        gram = (self.P @ self.P.mT).double()
        shift = 1e-6 * gram.diagonal(dim1=1, dim2=2).amax(dim=1)[:, None, None]
        eye = torch.eye(gram.shape[1], device=gram.device, dtype=gram.dtype)
        inverse = torch.linalg.inv(gram + shift * eye).float()
        activities: dict[int, Any] = {}

        def first(block: Any, rows: slice) -> list[Any]:
            activities[rows.start] = (self._along(block) @ inverse).clamp_(min=_LEAST)
            return []

        self.passes.run(first)
        return activities

    def _along(self, block: Any) -> Any:
        """Give the rows of a block along the programs, (run, row, program)."""
        n_runs, n_programs, n_genes = self.P.shape
        along = block @ self.P.reshape(-1, n_genes).T
        return along.view(-1, n_runs, n_programs).permute(1, 0, 2).contiguous()

    def step(self) -> None:
        """Update activities, then programs, once; note the error in between."""
        import torch

        gram = self.P @ self.P.mT
        update = _multiply if self.orthogonal else _descend
        n_runs, n_programs, n_genes = self.P.shape

        def one(block: Any, rows: slice) -> list[Any]:
            A = update(self.A[rows.start], self._along(block), gram)
            self.A[rows.start] = A
            flat = A.transpose(1, 2).reshape(n_runs * n_programs, -1)
            return [flat @ block, A.mT @ A]

        products, squares = self.passes.run(one)
        products = products.view(n_runs, n_programs, n_genes)
        fit = (products * self.P).sum(dim=(1, 2), dtype=torch.float64)
        size = (squares * gram).sum(dim=(1, 2), dtype=torch.float64)
        losses = ((self.total - 2 * fit + size).clamp(min=0) / self.total).sqrt().tolist()
        for run, loss in zip(self.left, losses, strict=True):
            self.errors[run].append(loss)
        if self.orthogonal:
            below = (products @ self.P.mT).mT @ self.P
            self.P = (self.P * products / (below + _LEAST)).clamp_(min=_LEAST)
        else:
            self.P = _descend(self.P.mT, products.mT, squares).mT.contiguous()

    def stop(self, tolerance: float) -> None:
        """Put the runs aside whose error no longer changes."""
        stays = [not _flat(self.errors[run], tolerance) for run in self.left]
        for place, (run, stay) in enumerate(zip(self.left, stays, strict=True)):
            if not stay:
                self.done[run] = self.P[place].cpu().numpy(), True
        if not all(stays):
            places = [place for place, stay in enumerate(stays) if stay]
            self.left = [self.left[place] for place in places]
            self.P = self.P[places]
            self.A = {first: A[places] for first, A in self.A.items()}

    def factors(self) -> list[Factors]:
        """Give what every run found."""
        for place, run in enumerate(self.left):
            self.done[run] = self.P[place].cpu().numpy(), False
        found = []
        for run, errors in enumerate(self.errors):
            single, converged = self.done[run]
            P = single.astype(np.float64)
            weak = _NONE * P.max(axis=1, keepdims=True)
            P[weak > P] = 0
            length = np.linalg.norm(P, axis=1, keepdims=True)
            P /= np.where(length > 0, length, 1)
            found.append(Factors(P.astype(np.float32), np.array(errors), converged))
        return found


def _multiply(A: Any, along: Any, gram: Any) -> Any:
    below = A @ gram
    return (A * along).div_(below.add_(_LEAST)).clamp_(min=_LEAST)


def _descend(A: Any, along: Any, gram: Any) -> Any:
    """Give the best of every column of A >= 0, one after another."""
    A = A.clone()
    for j in range(A.shape[2]):
        size = gram[:, j, j].clamp(min=1e-20)[:, None]
        slope = along[:, :, j] - (A @ gram[:, :, j : j + 1])[:, :, 0]
        A[:, :, j] = (A[:, :, j] + slope / size).clamp_(min=_LEAST)
    return A


def _flat(errors: Sequence[float], tolerance: float) -> bool:
    """Tell whether the error falls no more, after the first updates, in which it may rise."""
    if len(errors) < _FIRST + _WINDOW:
        return False
    return errors[-1 - _WINDOW] - errors[-1] <= tolerance * errors[-1]


def _total(passes: Passes) -> float:
    import torch

    (total,) = passes.run(lambda block, _: [block.square().sum(dtype=torch.float64)])
    return float(total)


def _lines_start(passes: Passes, n: int, seeds: Sequence[int]) -> npt.NDArray[np.float64]:
    """Give the best of some disjoint programs, softened.

    Every gene also gets what it has of the other programs, and more: updates take away what is too
    much within a few dozen steps, whereas what is too little hardly grows.
    """
    directions = gene_directions(passes, n, seed=int(seeds[0]))
    lines = [gene_lines(directions, n, seed=int(seed)) for seed in seeds]
    return np.array([one.weights + _SOFT * one.along for one in lines])


def _random_start(passes: Passes, n: int, seeds: Sequence[int]) -> npt.NDArray[np.float64]:
    """Give random programs; the first least squares bring them to the scale of the table."""
    n_genes = passes.shape[1]
    return np.array([np.random.default_rng([seed, 2]).random((n, n_genes)) for seed in seeds])
