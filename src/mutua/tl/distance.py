"""Dependency between positions as a function of their distance."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mutua.models import Dataset, DistanceMI, PositionMI, as_kind, checked
from mutua.models.arguments import one_of
from mutua.models.dims import DISTANCE, POSITION_I
from mutua.tl._counting import places

__all__ = ["mi_by_distance"]


@checked
def mi_by_distance(mi: Dataset[PositionMI], *, variable: str | None = None) -> Dataset[DistanceMI]:
    """Give mean and maximum of the dependency over all pairs of positions at each distance.

    Parameters
    ----------
    mi
        From `position_mi`.
    variable
        ``"mi"``, ``"mi_corrected"``, ``"mi_normalized"`` or ``"mi_null"``; by default corrected
        values where there are any.

    Returns
    -------
    DistanceMI
        For distances from k (adjacent k-mers) on, the differences between the numbers of the
        positions; pairs without a value are left out. Attributes say which variable of `mi` it
        is and how that was corrected.

    Raises
    ------
    InvalidInput
        If there is no such variable.

    Examples
    --------
    >>> import mutua as mt
    >>> mi = mt.tl.position_mi(mt.pp.random_sequences(100, length=8, seed=0), k=2)
    >>> mt.tl.mi_by_distance(mi)["distance"].values
    array([2, 3, 4, 5, 6])
    """
    there = [n for n in ("mi_corrected", "mi", "mi_normalized", "mi_null") if n in mi]
    chosen = there[0] if variable is None else one_of("variable", variable, there)
    k, values = mi.attrs["k"], mi[chosen].values
    positions = places(mi[POSITION_I].values)
    i, j = np.triu_indices(len(positions), 1)
    apart = np.abs(positions[i] - positions[j])
    distances, place = np.unique(apart[apart >= k], return_inverse=True)
    pairs = values[i, j][apart >= k]
    known = ~np.isnan(pairs)
    place, pairs, size = place[known], pairs[known], len(distances)
    counts = np.bincount(place, minlength=size)
    highest = np.full(size, -np.inf)
    np.maximum.at(highest, place, pairs)
    highest[counts == 0] = np.nan
    with np.errstate(invalid="ignore"):
        means = np.bincount(place, weights=pairs, minlength=size) / counts
    unit = {key: mi[chosen].attrs[key] for key in ("units",) if key in mi[chosen].attrs}
    result = xr.Dataset(
        {
            "mi_mean": (DISTANCE, means, {"long_name": "mean", **unit}),
            "mi_max": (DISTANCE, highest, {"long_name": "maximum", **unit}),
            "n_pairs": (DISTANCE, counts.astype(np.int64), {"long_name": "pairs"}),
        },
        coords={
            DISTANCE: (
                DISTANCE,
                distances.astype(np.int64),
                {"long_name": "distance between k-mer starts", "units": "positions"},
            )
        },
        attrs={
            "k": k,
            "measure": mi.attrs["measure"],
            "variable": chosen,
            "correction": mi.attrs["correction"],
        },
    )
    return as_kind(DistanceMI, result)
