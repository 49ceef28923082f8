"""Dependency between positions as a function of their distance."""

from __future__ import annotations

import numpy as np
import xarray as xr

from mutua.models import Dataset, DistanceMI, PositionMI, as_kind, checked
from mutua.models.arguments import one_of
from mutua.models.dims import DISTANCE

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
        For distances from k (adjacent k-mers) on, counted in positions; pairs without a value
        are left out.

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
    values = mi[chosen].values
    k, n = mi.attrs["k"], values.shape[0]
    distances = np.arange(k, n)
    means, highest, counts = [], [], []
    for distance in distances:
        known = np.diagonal(values, offset=distance)
        known = known[~np.isnan(known)]
        means.append(known.mean() if len(known) else np.nan)
        highest.append(known.max() if len(known) else np.nan)
        counts.append(len(known))
    unit = {key: mi[chosen].attrs[key] for key in ("units",) if key in mi[chosen].attrs}
    result = xr.Dataset(
        {
            "mi_mean": (DISTANCE, np.array(means, dtype=float), {"long_name": "mean", **unit}),
            "mi_max": (DISTANCE, np.array(highest, dtype=float), {"long_name": "maximum", **unit}),
            "n_pairs": (DISTANCE, np.array(counts, dtype=np.int64), {"long_name": "pairs"}),
        },
        coords={
            DISTANCE: (
                DISTANCE,
                distances.astype(np.int64),
                {"long_name": "distance between k-mer starts", "units": "positions"},
            )
        },
        attrs={"k": k, "measure": mi.attrs["measure"]},
    )
    return as_kind(DistanceMI, result)
