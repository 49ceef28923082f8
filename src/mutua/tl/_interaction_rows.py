"""What predictions with both sites of a pair, with either and with none say of the pair."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from mutua import stats
from mutua.errors import InvalidInput
from mutua.kernels.signed_rank import mean_intervals, signed_rank_p
from mutua.models import Annotations, Dataset, MotifPairs, as_kind
from mutua.models.arguments import number
from mutua.models.dims import MOTIF, PAIR
from mutua.tl._interaction_effects import Model, Variants
from mutua.tl._motif_rows import as_motif_pairs

__all__ = [
    "Significance",
    "interaction_columns",
    "interaction_pairs",
    "significance",
    "warn_of_absent",
]

LEAST = 6
"""Sequences that a test needs: of five, no two-sided p-value is below 0.05."""
_RESAMPLES = 2000
_ROUNDING = 32 * float(np.finfo(np.float32).eps)
"""Models give float32: a sum of predictions that is this small beside them is 0."""
_NAMED = 5
"""Pairs that a warning names."""
_EFFECTS = ("epistasis", "effect_a", "effect_b", "effect_joint")


class Significance(NamedTuple):
    """What counts as an effect, and how certain intervals are."""

    alpha: float
    confidence: float
    seed: int


def significance(alpha: Any, confidence: Any, seed: int) -> Significance:
    """Check both levels."""
    checked = []
    for argument, value in (("alpha", alpha), ("confidence", confidence)):
        level = number(argument, value, low=0, high=1, open_low=True)
        if level == 1:
            raise InvalidInput(argument, "1", "use a number above 0 and below 1")
        checked.append(level)
    return Significance(checked[0], checked[1], seed)


def interaction_columns(
    variants: Variants, n_rows: int, levels: Significance
) -> dict[str, np.ndarray]:
    """Give effects, their intervals, p-values and classes, for `n_rows` rows of a result."""
    order = np.argsort(variants.row, kind="stable")
    effects, rounded = _effects(variants.values[order])
    bounds = np.searchsorted(variants.row[order], np.arange(n_rows + 1))
    n_tested = np.diff(bounds)
    mean, low, high = (np.full((n_rows, len(_EFFECTS)), np.nan) for _ in range(3))
    median, p = np.full(n_rows, np.nan), np.full((n_rows, len(_EFFECTS)), np.nan)
    for row in np.flatnonzero(n_tested):
        mine = slice(*bounds[row : row + 2])
        mean[row] = effects[mine].mean(axis=0)
        median[row] = np.median(effects[mine, 0])
        if n_tested[row] >= LEAST:
            low[row], high[row] = mean_intervals(
                effects[mine], confidence=levels.confidence, n_resamples=_RESAMPLES,
                seed=levels.seed,
            )  # fmt: skip
            p[row] = [signed_rank_p(column) for column in rounded[mine].T]
    q = stats.benjamini_hochberg(p[:, 0])
    columns: dict[str, np.ndarray] = {"n_tested": n_tested.astype(np.int64)}
    for place, name in enumerate(_EFFECTS):
        columns[name] = mean[:, place]
        columns[f"{name}_low"], columns[f"{name}_high"] = low[:, place], high[:, place]
    columns["epistasis_median"] = median
    columns["p_value"], columns["q_value"] = p[:, 0], q
    names = ("p_effect_a", "p_effect_b", "p_effect_joint")
    columns |= {name: p[:, place] for place, name in enumerate(names, 1)}
    columns["interaction"] = _classes(mean, p, q, levels.alpha)
    return columns


def _effects(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give epistasis and effects of the first, the second and both: (n, 4); and without rounding.

    Sums are taken so that they have the same bits with the motifs exchanged.
    """
    both, without_a, without_b, neither = values.T
    effects = np.stack(
        [
            (both + neither) - (without_a + without_b),
            without_b - neither,
            without_a - neither,
            both - neither,
        ],
        axis=1,
    )
    small = np.abs(effects) <= _ROUNDING * np.abs(values).max(axis=1, initial=0)[:, None]
    return effects, np.where(small, 0.0, effects)


def _classes(mean: np.ndarray, p: np.ndarray, q: np.ndarray, alpha: float) -> np.ndarray:
    """Give the class of each row, by the rule in the docstring of `motif_interactions`."""
    sign = np.where(p <= alpha, np.sign(mean), 0.0)  # NaN is no effect
    a, b, joint = sign[:, 1], sign[:, 2], sign[:, 3]
    direction = np.where((a == 0) & (b == 0), joint, np.sign(a + b))
    agrees = np.sign(mean[:, 0]) == direction
    interacts = q <= alpha
    return np.asarray(
        np.select(
            [np.isnan(p[:, 0]), a * b < 0, direction == 0, ~interacts, agrees],
            ["undefined", "opposed", "ambiguous", "additive", "synergistic"],
            "antagonistic",
        ),
        dtype=np.dtypes.StringDType(),
    )


def warn_of_absent(
    motifs: xr.Dataset, pairs: Sequence[tuple[int, int]], n: np.ndarray, what_then: str
) -> None:
    """Say once which pairs that were asked for have no sites."""
    absent = [pair for pair, count in zip(pairs, n.tolist(), strict=True) if not count]
    if not absent:
        return
    names = [str(motif) for motif in motifs[MOTIF].values.tolist()]
    listed = ", ".join(f"{names[a]} with {names[b]}" for a, b in absent[:_NAMED])
    more = f" and {len(absent) - _NAMED:,} more" if len(absent) > _NAMED else ""
    warnings.warn(
        f"{len(absent):,} of {len(pairs):,} pairs have no two sites in one sequence that share no "
        f"letter: {listed}{more}. They {what_then}",
        UserWarning,
        stacklevel=4,
    )


def interaction_pairs(
    columns: dict[str, np.ndarray],
    annotations: Dataset[Annotations],
    model: Model,
    levels: Significance,
    **attrs: Any,
) -> Dataset[MotifPairs]:
    """Put columns together with the motifs, and say how they were made."""
    said = {"long_name": "two-sided p-value of the effect of both motifs"}
    joint = xr.Variable((PAIR,), columns["p_effect_joint"], said)
    found = as_motif_pairs(
        {**columns, "p_effect_joint": joint},
        annotations,
        test="Wilcoxon signed-rank",
        n_tests=int(np.isfinite(columns["p_value"]).sum()),
        target=model.targets.names[0],
        confidence=levels.confidence,
        **attrs,
    )
    return as_kind(MotifPairs, found.set_coords("interaction"))
