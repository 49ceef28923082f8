"""Log-ratios of one sample at a time, as their papers write them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def clr(sample: Sequence[float]) -> list[float]:
    """Aitchison 1982: the logarithm of every part over the geometric mean of all."""
    mean = math.exp(sum(map(math.log, sample)) / len(sample))
    return [math.log(part / mean) for part in sample]


def replaced(sample: Sequence[float], share: float) -> list[float]:
    """Martín-Fernández et al. 2003, equation 6."""
    total = sum(sample)
    closed = [part / total for part in sample]
    taken = share * sum(part == 0 for part in closed)
    return [share if part == 0 else part * (1 - taken) for part in closed]


def robust_clr(sample: Sequence[float]) -> list[float]:
    """Martino et al. 2019: the mean is over the parts that are there."""
    there = iter(clr([part for part in sample if part > 0]))
    return [next(there) if part > 0 else math.nan for part in sample]
