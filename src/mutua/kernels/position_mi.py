"""Mutual information between the k-mers at all pairs of positions of a set of sequences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mutua.errors import InvalidInput
from mutua.kernels.pair_engine import (
    check_memory,
    load_columns,
    resident_bytes,
    resident_statistics,
    tiled_statistics,
)
from mutua.kernels.pair_statistics import FIELDS
from mutua.kernels.sequence_blocks import BlockSource, PositionTask
from mutua.kernels.threads import Workers
from mutua.settings import settings

@dataclass(frozen=True)
class PositionMI:
    mi: NDArray
    entropy: NDArray
    entropy_joint: NDArray
    weight: NDArray
    support: NDArray
    support_joint: NDArray

def position_mi(source, *, k, alphabet_size, pseudocount=5.0, weights=None):
    task = PositionTask(source, k, alphabet_size, pseudocount, weights)
    check_memory(task)
    statistics = np.empty((len(FIELDS), task.n_pairs))
    with Workers() as workers:
        if resident_bytes(task) <= settings.memory:
            columns, marginals = load_columns(task, workers)
            resident_statistics(task, columns, marginals, statistics, workers)
        else:
            tiled_statistics(task, statistics, workers)
    return statistics
