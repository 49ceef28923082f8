"""Made-up data for the checks and timings of kernels for GPUs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from mutua.kernels.knn_mi import standardized
from mutua.kernels.motif_null import log_odds, score_tables
from mutua.kernels.spin_problem import Network
from mutua.kernels.spin_states import CountedStates, count_states
from mutua.kernels.torch_scan import ScoreBounds


def sized(mode: str, **sizes: tuple[int, int, int]) -> dict[str, int]:
    """Give the sizes of a mode, of those for simulate, quick and full."""
    place = ("simulate", "quick", "full").index(mode)
    return {name: size[place] for name, size in sizes.items()}


def torch_place(mode: str) -> str:
    return "cpu" if mode == "simulate" else "cuda"


def sequences(n: int, length: int, size: int = 4, *, gaps: bool = False, seed: int = 0) -> Any:
    """Give letters that depend on those before them, and some that are missing."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, size, (n, length), dtype=np.uint8)
    codes[: n // 3, length // 2] = codes[: n // 3, 0]
    if gaps:
        codes[random.random(codes.shape) < 0.03] = 254
    return codes


class Repeated(NamedTuple):
    """Sequences that are the same block again and again."""

    codes: Any
    n_sequences: int

    @property
    def n_positions(self) -> int:
        """Number of letters."""
        return int(self.codes.shape[1])

    @property
    def block_size(self) -> int:
        """Sequences in a block."""
        return len(self.codes)

    def block(self, number: int) -> Any:
        """Give the letters of one block."""
        return self.codes[: min(len(self.codes), self.n_sequences - number * len(self.codes))]


def tables(n: int, n_features: int, n_latents: int) -> tuple[Any, Any]:
    """Give features, half of which are mostly zeros, and latent dims that some of them inform."""
    random = np.random.default_rng(0)
    present = random.random((n, n_features)) < np.where(np.arange(n_features) % 2, 1.0, 0.3)
    x = np.log10(random.lognormal(sigma=2, size=(n, n_features)) * present + 1e-3)
    y = random.standard_normal((n, n_latents))
    few = min(n_features, n_latents)
    y[:, :few] += x[:, :few]
    return standardized(x, y, seed=0)


def bounds_of_motifs(n_motifs: int) -> tuple[ScoreBounds, Any, Any, Any]:
    """Give random motifs of 6 to 20 columns as bounds, with their scores and thresholds."""
    random = np.random.default_rng(0)
    widths = random.integers(6, 21, n_motifs)
    first = np.concatenate([[0], np.cumsum(widths)])
    columns = random.dirichlet(np.full(4, 0.3), first[-1]).T
    background = np.full(4, 0.25)
    scores = log_odds(columns, background, 1e-4)
    thresholds = score_tables(scores, first, background, step=0.1).thresholds(1e-4)
    return ScoreBounds(scores, first, thresholds), scores, first, thresholds


def cells(n_cells: int, n_genes: int, n_programs: int, *, density: float = 1.0) -> Any:
    """Give scaled cells of disjoint programs, dense or CSR."""
    random = np.random.default_rng(0)
    activity = random.gamma(0.5, size=(n_cells, n_programs)).astype(np.float32)
    program = random.integers(0, n_programs, n_genes)
    if density == 1:
        noise = 0.3 * random.standard_normal((n_cells, n_genes), np.float32)
        return np.maximum(activity[:, program] * random.random(n_genes, np.float32) + noise, 0)
    per_cell = max(1, int(density * n_genes))
    gene = random.integers(0, n_genes, (n_cells, per_cell), np.int32)
    gene.sort(axis=1)
    values = np.take_along_axis(activity, program[gene], axis=1) + random.random(
        gene.shape, np.float32
    )
    starts = np.arange(n_cells + 1, dtype=np.int64) * per_cell
    table = sparse.csr_array((values.ravel(), gene.ravel(), starts), (n_cells, n_genes))
    table.sum_duplicates()
    return table


def counted(n_cells: int, n_nodes: int, n_conditions: int) -> CountedStates:
    """Give cells whose nodes have a common cause."""
    random = np.random.default_rng(0)
    values = random.standard_normal((n_cells, 1)) + random.standard_normal((n_cells, n_nodes))
    condition = np.sort(np.arange(n_cells) % n_conditions)
    states = np.rint(values).clip(-1, 1).astype(np.int8)
    return count_states(states, condition, n_conditions=n_conditions)


def some_network(n_nodes: int, n_conditions: int) -> Network:
    random = np.random.default_rng(1)
    coupling = random.normal(0, 0.2, (n_nodes, n_nodes))
    return Network(coupling + coupling.T, random.normal(0, 0.3, (n_nodes, n_conditions)))
